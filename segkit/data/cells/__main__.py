"""Look at Cells, and count them.

python -m segkit.data.cells --sheet OUT.png     pictures of both kinds, and their instances
python -m segkit.data.cells --facts             shares, numbers and sizes, for the data card
"""

from __future__ import annotations

import time

import numpy as np

from segkit.components import label_components
from segkit.data.cells import Cells
from segkit.data.sheet import coloured_instances, command, framed, picture
from segkit.metrics import CellScores


def sheet(size: tuple[int, int]) -> np.ndarray:
    """For each kind a row of four pictures and below them their instances."""
    rows = []
    for kind in ("nuclei", "membranes"):
        samples = [Cells("train", size, kind)[i] for i in range(4)]
        rows += [[picture(s) for s in samples], [coloured_instances(s) for s in samples]]
    return framed(rows)


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


if __name__ == "__main__":
    command("cells", __doc__, sheet, (160, 160), "facts", facts, 200)
