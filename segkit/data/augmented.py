"""A data set seen through a random transform, with randomness that is a function of (seed, epoch, index) alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from segkit.checks import whole
from segkit.data.base import SeenThrough
from segkit.data.sample import Sample
from segkit.data.transforms import Transform
from segkit.typed import typed


class Augmented(SeenThrough):
    """The data set with a transform on each sample; item i of epoch e is the same on every machine and at every resume.

    Args:
        dataset: any data set of segkit.data, or one that `describe` understands (Subset, ConcatDataset, …).
        transform: callable (sample, rng) -> sample, from segkit.data.transforms or your own.
        seed: of the random numbers; not negative.
    """

    @typed
    def __init__(self, dataset: Any, transform: Transform, seed: int = 0) -> None:
        whole(seed, "seed", "Augmented", 0)
        super().__init__(dataset)
        self.transform, self.seed = transform, int(seed)
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

    def _make(self, index: int) -> Sample:
        return self.transform(super()._make(index), np.random.default_rng((self.seed, self.epoch, index)))
