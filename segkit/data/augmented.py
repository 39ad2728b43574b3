"""A data set seen through a random transform, with randomness that is a function of (seed, epoch, index) alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from segkit.data.sample import Sample
from segkit.data.transforms import Transform


class SegmentationSet(Protocol):
    """What every data set here offers: a length, samples by number, and what its labels mean."""

    name: str
    classes: tuple[str, ...]
    num_classes: int
    palette: np.ndarray
    ignore_index: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Augmented:
    """The data set with a transform on each sample; item i of epoch e is the same on every machine and at every resume.

    Args:
        dataset: any data set of segkit.data.
        transform: callable (sample, rng) -> sample, from segkit.data.transforms or your own.
        seed: of the random numbers; not negative.
    """

    def __init__(self, dataset: SegmentationSet, transform: Transform, seed: int = 0) -> None:
        if seed < 0:
            raise ValueError(f"Augmented got seed={seed}; numpy's generators take seeds of 0 and above")
        self.dataset, self.transform, self.seed = dataset, transform, int(seed)
        self.name, self.classes, self.num_classes = dataset.name, dataset.classes, dataset.num_classes
        self.palette, self.ignore_index = dataset.palette, dataset.ignore_index
        # shared memory: a DataLoader's persistent workers hold a copy of this object, yet see the epoch change
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """The epoch that items are drawn for."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; call it before the DataLoader is iterated."""
        if epoch < 0:
            raise ValueError(f"set_epoch got {epoch}; epochs count from 0")
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} samples; there is no number {index}")
        index = int(index) % len(self)
        return self.transform(self.dataset[index], np.random.default_rng((self.seed, self.epoch, index)))
