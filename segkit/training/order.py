"""Which pictures a step sees, and in which parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from segkit.data import VOID, Batch


class Order:
    """Batches of indices: epoch e is a permutation drawn from (seed, e), without an incomplete last batch."""

    def __init__(self, length: int, batch: int, seed: int) -> None:
        self.length, self.batch, self.seed = length, min(batch, length), seed
        self.per_epoch = length // self.batch

    def epoch(self, epoch: int, skip: int) -> list[list[int]]:
        """The batches of an epoch without the first `skip`."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(self.length, generator=generator).tolist()
        return [order[i * self.batch : (i + 1) * self.batch] for i in range(skip, self.per_epoch)]


def in_parts(batch: Batch, count: int, weight: Tensor | None = None) -> Iterator[tuple[Batch, Tensor | float]]:
    """A batch in `count` parts, or one for each picture, each with its share of the pixels that are not void.

    The shares sum to 1, so that means over the pixels of each part, times the shares, sum to the mean over the batch.

    Args:
        batch: N pictures.
        count: number of parts.
        weight: K class weights that the pixels count by; all 1 where None.
    """
    if count == 1:
        yield batch, 1.0
        return
    labels = batch.labels
    counted = (labels != VOID).to(torch.float32 if weight is None else weight.dtype)  # N, H, W
    if weight is not None:
        counted = counted * weight[torch.where(labels != VOID, labels, 0)]
    each = counted.flatten(1).sum(1)  # N
    for rows in torch.arange(len(labels)).tensor_split(min(count, len(labels))):
        inside = slice(int(rows[0]), int(rows[-1]) + 1)
        values: dict[str, Any] = {f.name: getattr(batch, f.name) for f in fields(batch)}
        values = {name: None if value is None else value[inside] for name, value in values.items()}
        yield Batch(**values), each[inside].sum() / each.sum().clamp_min(torch.finfo(each.dtype).tiny)
