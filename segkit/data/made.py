"""What the sets made on the spot share: splits, whole numbers checked at the door, samples by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from segkit.data.base import SegmentationSet

SPLITS = {"train": 0, "val": 1, "test": 2}
LENGTHS = {"train": 2000, "val": 200, "test": 200}


class MadeSet(SegmentationSet):
    """A data set whose sample i is computed when it is asked for; a subclass says how in `_make`."""

    example = (128, 128)  # a size (H, W) to show in messages
    length: int

    def __len__(self) -> int:
        return self.length

    def _whole(self, name: str, value: Any, low: int, high: int) -> int:
        """A whole number within bounds, or an error that names it."""
        wanted = f"it takes a whole number from {low} to {high}"
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{type(self).__name__} got {name}={value!r}; {wanted}")
        if not low <= value <= high:
            raise ValueError(f"{type(self).__name__} got {name}={value}; {wanted}")
        return int(value)

    def _checked_size(self, size: Any) -> tuple[int, int]:
        """Height and width, each from 32 to 2048."""
        if not isinstance(size, (tuple, list)) or len(size) != 2:
            raise TypeError(
                f"{type(self).__name__} got size={size!r}; it takes (height, width), for instance {self.example}"
            )
        return self._whole("size[0] (height)", size[0], 32, 2048), self._whole("size[1] (width)", size[1], 32, 2048)
