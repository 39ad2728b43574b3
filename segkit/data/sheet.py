"""For the data cards of the made sets: sheets of pictures, and the command line that draws and counts them."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.data.sample import Sample
from segkit.files import write_bytes


def picture(sample: Sample) -> np.ndarray:
    """The image as H×W×3 bytes."""
    return (sample.image.numpy().transpose(1, 2, 0) * 255.0 + 0.5).astype(np.uint8)


def coloured_instances(sample: Sample, ground: np.ndarray | int = 0) -> np.ndarray:
    """Each instance in a colour of its own over some ground."""
    assert sample.instances is not None
    ids = sample.instances.numpy()
    hues = np.stack([ids * 67 % 200, ids * 131 % 200, ids * 29 % 200], axis=-1).astype(np.uint8) + 55
    return np.where((ids > 0)[..., None], hues, ground).astype(np.uint8)


def framed(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Tiles in rows, with white between them."""
    white = [[np.pad(tile, ((2, 2), (2, 2), (0, 0)), constant_values=255) for tile in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in white])


def command(
    name: str, doc: str, sheet: Callable[[tuple[int, int]], np.ndarray], size: tuple[int, int], table: str,
    count: Callable[[int], str], default: int,
) -> None:  # fmt: skip
    """The command line of `python -m segkit.data.NAME`: --sheet draws, --TABLE counts."""
    parser = argparse.ArgumentParser(prog=f"python -m segkit.data.{name}", description=doc.splitlines()[0])
    parser.add_argument("--sheet", type=Path, metavar="OUT.png", help="write a sheet of pictures")
    parser.add_argument("--size", type=int, nargs=2, default=size, metavar=("H", "W"), help="of each picture on it")
    parser.add_argument(f"--{table}", action="store_true", help=f"print the table of {table} for the data card")
    parser.add_argument("--count", type=int, default=default, help=f"how many pictures --{table} looks at")
    given = parser.parse_args()
    if given.sheet is None and not getattr(given, table):
        parser.error(f"say what you want: --sheet OUT.png or --{table}")
    if getattr(given, table):
        print(count(given.count))
    if given.sheet is not None:
        buffer = io.BytesIO()
        Image.fromarray(sheet(tuple(given.size))).save(buffer, "PNG", optimize=True)
        print(write_bytes(buffer.getvalue(), given.sheet))
