"""Cells: pictures for learning to tell touching things apart, made on the spot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from segkit.checks import chosen, whole
from segkit.checks import size as checked_size
from segkit.data.cells import membranes, nuclei
from segkit.data.made import LENGTHS, SPLITS, MadeSet
from segkit.data.sample import VOID, Sample

_KINDS: dict[str, tuple[int, tuple[str, str], Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]]] = {
    "nuclei": (0, ("background", "nucleus"), nuclei.render),
    "membranes": (1, ("membrane", "cell"), membranes.render),
}


class Cells(MadeSet):
    """Made-up microscope pictures of cells with labels and instances.

    Item i of a split is the same on every machine, in every process, in any order; train, val and test share none.
    Cells have the same size in pixels whatever the size of the picture: a larger one shows more of them.

    Args:
        split: "train", "val" or "test".
        size: (H, W) in pixels, each from 32 to 2048.
        kind: "nuclei" (as in fluorescence: bright blobs, many of them touching; classes as `Nuclei` has them) or
            "membranes" (as in electron microscopy: cells fill the plane; classes as `ISBI2012` has them).
        length: how many pictures there are; by default 2000 for training, 200 for val and for test.
        seed: another seed, other pictures.
        cache: keep each Sample in memory after it is first made; they must then not be changed in place.

    Shape: a Sample of image 3×H×W (grey), labels H×W (0 background or membrane, 1 nucleus or cell), instances H×W. Of
        "membranes" the instances are the connected pieces of the inside, so none of them touch; of "nuclei" they touch
        and overlap (the earlier drawn has the pixel), and `segkit.training.separate` puts gaps between them.

    Raises:
        ValueError: an option is out of range. TypeError: an option is of the wrong type.
    """

    num_classes = 2
    ignore_index = VOID
    palette = np.array([(0, 0, 0), (86, 180, 233)], dtype=np.uint8)
    name = "cells"

    def __init__(
        self,
        split: str = "train",
        size: tuple[int, int] = (128, 128),
        kind: str = "nuclei",
        length: int | None = None,
        seed: int = 0,
        *,
        cache: bool = False,
    ) -> None:
        self.split = chosen(split, "split", "Cells", SPLITS)
        self.kind = chosen(kind, "kind", "Cells", _KINDS)
        self.size = checked_size(size, "size", "Cells", 32, 2048, self.example)
        self.length = LENGTHS[split] if length is None else whole(length, "length", "Cells", 0, 1 << 31)
        self.seed = whole(seed, "seed", "Cells", 0, (1 << 63) - 1)
        self.classes = _KINDS[kind][1]
        self._kept: dict[int, Sample] | None = {} if cache else None

    def _make(self, index: int) -> Sample:
        number, _, render = _KINDS[self.kind]
        picture, labels, ids = render((self.seed, 70 + number, SPLITS[self.split], index), self.size)
        return Sample(
            image=torch.from_numpy(picture)[None].repeat(3, 1, 1),  # 3, H, W
            labels=torch.from_numpy(labels),
            instances=torch.from_numpy(ids),
            name=f"cells/{self.kind}/{self.split}/{index}",
        )

    def __repr__(self) -> str:
        h, w = self.size
        return f"Cells({self.split!r}, {self.length} pictures of {h}×{w}, kind={self.kind!r}, seed={self.seed})"
