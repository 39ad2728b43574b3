"""What the sets made on the spot share: splits, whole numbers checked at the door, samples by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from segkit.data.sample import Sample

SPLITS = {"train": 0, "val": 1, "test": 2}
LENGTHS = {"train": 2000, "val": 200, "test": 200}


class MadeSet(torch.utils.data.Dataset[Sample]):
    """A data set whose sample i is computed when it is asked for; a subclass says how in `_make`."""

    items = "pictures"  # what its samples are called in messages
    example = (128, 128)  # a size (H, W) to show in messages
    length: int
    _kept: dict[int, Sample] | None = None  # samples made so far, where they are kept

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`; negative numbers count from the end."""
        i = int(index) + self.length if index < 0 else int(index)
        if not 0 <= i < self.length:
            raise IndexError(f"{type(self).__name__} has {self.items} 0 to {self.length - 1}; got {index}")
        if self._kept is None:
            return self._make(i)
        if i not in self._kept:
            self._kept[i] = self._make(i)
        return self._kept[i]

    def _make(self, index: int) -> Sample:
        raise NotImplementedError

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
