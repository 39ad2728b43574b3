"""Look at StreetScenes, and count its pixels.

python -m segkit.data.street --sheet OUT.png     scenes from every domain; labels, instances, depth
python -m segkit.data.street --shares            each class's share of pixels and of pictures, for the data card
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.data.sample import VOID, Sample
from segkit.data.street import DOMAINS, StreetScenes
from segkit.files import write_bytes

SHOWN = {"day": (4, 10, 23), "dusk": (9, 3, 4), "fog": (1, 13, 22), "foreign": (14, 3, 15)}  # scenes of the sheet


def picture(sample: Sample) -> np.ndarray:
    """The image as H×W×3 bytes."""
    return (sample.image.numpy().transpose(1, 2, 0) * 255.0 + 0.5).astype(np.uint8)


def coloured_labels(sample: Sample) -> np.ndarray:
    """The labels in the palette's colours, void in white."""
    table = np.full((256, 3), 255, np.uint8)
    table[: len(StreetScenes.palette)] = StreetScenes.palette
    return table[sample.labels.numpy()]


def coloured_instances(sample: Sample) -> np.ndarray:
    """Each instance in a colour of its own over the darkened picture."""
    assert sample.instances is not None
    ids = sample.instances.numpy()
    hues = np.stack([ids * 67 % 200, ids * 131 % 200, ids * 29 % 200], axis=-1).astype(np.uint8) + 55
    return np.where((ids > 0)[..., None], hues, picture(sample) // 3)


def coloured_depth(sample: Sample) -> np.ndarray:
    """Near is bright; the sky is black."""
    assert sample.depth is not None
    near = np.minimum(3.5 / sample.depth.numpy(), 1.0) * 255.0
    return np.repeat(near.astype(np.uint8)[..., None], 3, axis=-1)


def sheet(size: tuple[int, int]) -> np.ndarray:
    """Four domains in rows of three scenes, then what belongs to the first scene: labels, instances, depth."""
    rows = []
    for domain in DOMAINS:
        scenes = StreetScenes("train", size=size, domain=domain, supersample=2)
        rows.append([picture(scenes[i]) for i in SHOWN[domain]])
    first = StreetScenes("train", size=size, supersample=2)[SHOWN["day"][0]]
    rows.insert(1, [coloured_labels(first), coloured_instances(first), coloured_depth(first)])
    framed = [[np.pad(tile, ((2, 2), (2, 2), (0, 0)), constant_values=255) for tile in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in framed])


def shares(count: int, **options: str) -> str:
    """A Markdown table: each class's share of pixels and of pictures in the first `count` training scenes."""
    data = StreetScenes("train", length=count, domain=options.get("domain", "day"))
    pixels, pictures = np.zeros(VOID + 1), np.zeros(VOID + 1)
    for i in range(count):
        seen = np.bincount(data[i].labels.numpy().reshape(-1), minlength=VOID + 1)
        pixels += seen
        pictures += seen > 0
    lines = ["| number | class | % of pixels | % of pictures |", "|---|---|---|---|"]
    for k, name in enumerate(data.classes):
        lines.append(f"| {k} | {name} | {100 * pixels[k] / pixels.sum():.2f} | {100 * pictures[k] / count:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m segkit.data.street", description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", type=Path, metavar="OUT.png", help="write a sheet of scenes")
    parser.add_argument("--size", type=int, nargs=2, default=(160, 240), metavar=("H", "W"), help="of each scene on it")
    parser.add_argument("--shares", action="store_true", help="print each class's share of pixels and pictures")
    parser.add_argument("--count", type=int, default=500, help="how many scenes --shares looks at")
    given = parser.parse_args()
    if given.sheet is None and not given.shares:
        parser.error("say what you want: --sheet OUT.png or --shares")
    if given.shares:
        print(shares(given.count))
    if given.sheet is not None:
        buffer = io.BytesIO()
        Image.fromarray(sheet(tuple(given.size))).save(buffer, "PNG", optimize=True)
        print(write_bytes(buffer.getvalue(), given.sheet))


if __name__ == "__main__":
    main()
