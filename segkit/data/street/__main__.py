"""Look at StreetScenes, and count its pixels.

python -m segkit.data.street --sheet OUT.png     scenes from every domain; labels, instances, depth
python -m segkit.data.street --shares            each class's share of pixels and of pictures, for the data card
"""

from __future__ import annotations

import numpy as np

from segkit.data.sample import VOID
from segkit.data.sheet import coloured_instances, command, framed, picture
from segkit.data.street import DOMAINS, StreetScenes
from segkit.viz import colourise

SHOWN = {"day": (4, 10, 23), "dusk": (9, 3, 4), "fog": (1, 13, 22), "foreign": (14, 3, 15)}  # scenes of the sheet


def sheet(size: tuple[int, int]) -> np.ndarray:
    """Four domains in rows of three scenes, then what belongs to the first scene: labels, instances, depth."""
    rows = []
    for domain in DOMAINS:
        scenes = StreetScenes("train", size=size, domain=domain, supersample=2)
        rows.append([picture(scenes[i]) for i in SHOWN[domain]])
    first = StreetScenes("train", size=size, supersample=2)[SHOWN["day"][0]]
    assert first.depth is not None
    near = np.minimum(3.5 / first.depth.numpy(), 1.0) * 255.0  # near is bright, the sky is black
    labels = colourise(first.labels, StreetScenes.palette, void_colour=(255, 255, 255))
    depth = np.repeat(near.astype(np.uint8)[..., None], 3, axis=-1)
    rows.insert(1, [labels, coloured_instances(first, picture(first) // 3), depth])
    return framed(rows)


def shares(count: int) -> str:
    """A Markdown table: each class's share of pixels and of pictures in the first `count` training scenes."""
    data = StreetScenes("train", length=count)
    pixels, pictures = np.zeros(VOID + 1), np.zeros(VOID + 1)
    for i in range(count):
        seen = np.bincount(data[i].labels.numpy().reshape(-1), minlength=VOID + 1)
        pixels += seen
        pictures += seen > 0
    lines = ["| number | class | % of pixels | % of pictures |", "|---|---|---|---|"]
    for k, name in enumerate(data.classes):
        lines.append(f"| {k} | {name} | {100 * pixels[k] / pixels.sum():.2f} | {100 * pictures[k] / count:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    command("street", __doc__, sheet, (160, 240), "shares", shares, 500)
