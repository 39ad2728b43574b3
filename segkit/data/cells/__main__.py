"""Look at Cells, and count them.

python -m segkit.data.cells --sheet OUT.png     pictures of both kinds, and their instances
python -m segkit.data.cells --facts             shares, numbers and sizes, for the data card
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.components import label_components
from segkit.data.cells import Cells
from segkit.data.sample import Sample
from segkit.files import write_bytes
from segkit.metrics import CellScores


def picture(sample: Sample) -> np.ndarray:
    """The image as H×W×3 bytes."""
    return (sample.image.numpy().transpose(1, 2, 0) * 255.0 + 0.5).astype(np.uint8)


def coloured_instances(sample: Sample) -> np.ndarray:
    """Each instance in a colour of its own on black."""
    assert sample.instances is not None
    ids = sample.instances.numpy()
    hues = np.stack([ids * 67 % 200, ids * 131 % 200, ids * 29 % 200], axis=-1).astype(np.uint8) + 55
    return np.where((ids > 0)[..., None], hues, 0).astype(np.uint8)


def sheet(size: tuple[int, int]) -> np.ndarray:
    """For each kind a row of four pictures and below them their instances."""
    rows = []
    for kind in ("nuclei", "membranes"):
        samples = [Cells("train", size, kind)[i] for i in range(4)]
        rows += [[picture(s) for s in samples], [coloured_instances(s) for s in samples]]
    framed = [[np.pad(tile, ((2, 2), (2, 2), (0, 0)), constant_values=255) for tile in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in framed])


def facts(count: int) -> str:
    """A Markdown table over the first `count` test pictures of 128×128."""
    lines = ["| kind | % inside | cells a picture | median area | lost by components | V_rand of them | ms |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for kind in ("nuclei", "membranes"):
        data, scores = Cells("test", kind=kind, length=count), CellScores()
        start = time.process_time()
        samples = [data[i] for i in range(count)]
        spent = 1000 * (time.process_time() - start) / count
        areas = []
        for s in samples:
            assert s.instances is not None
            areas.append(np.bincount(s.instances.numpy().reshape(-1))[1:])
            scores.update(label_components(s.labels == 1), s.instances)
        inside = 100 * np.mean([float(s.labels.double().mean()) for s in samples])
        cells, area, found = np.mean([len(a) for a in areas]), np.median(np.concatenate(areas)), scores.summary()
        lost = found["cells"] * (1 - found["recall"])
        lines.append(
            f"| {kind} | {inside:.1f} | {cells:.1f} | {area:.0f} | {lost:.0f}"
            f" of {found['cells']:.0f} | {found['rand']:.2f} | {spent:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m segkit.data.cells", description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", type=Path, metavar="OUT.png", help="write a sheet of pictures")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(160, 160), metavar=("H", "W"), help="of each picture on it"
    )
    parser.add_argument("--facts", action="store_true", help="print shares, numbers and sizes")
    parser.add_argument("--count", type=int, default=200, help="how many pictures --facts looks at")
    given = parser.parse_args()
    if given.sheet is None and not given.facts:
        parser.error("say what you want: --sheet OUT.png or --facts")
    if given.facts:
        print(facts(given.count))
    if given.sheet is not None:
        buffer = io.BytesIO()
        Image.fromarray(sheet(tuple(given.size))).save(buffer, "PNG", optimize=True)
        print(write_bytes(buffer.getvalue(), given.sheet))


if __name__ == "__main__":
    main()
