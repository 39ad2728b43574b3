"""What the sets made on the spot share: splits, lengths, and that nothing is made before it is asked for."""

from __future__ import annotations

from segkit.data.base import SegmentationSet

SPLITS = {"train": 0, "val": 1, "test": 2}
LENGTHS = {"train": 2000, "val": 200, "test": 200}


class MadeSet(SegmentationSet):
    """A data set whose sample i is computed when it is asked for; a subclass says how in `_make`."""

    example = (128, 128)  # a size (H, W) to show in messages
    length: int

    def __len__(self) -> int:
        return self.length
