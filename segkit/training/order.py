"""Which pictures a step sees, and in which parts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from segkit.data import VOID, Batch
from segkit.training import processes

T = TypeVar("T")


class Order:
    """Batches of indices: epoch e is a permutation drawn from (seed, e), without an incomplete last batch."""

    def __init__(self, length: int, batch: int, seed: int) -> None:
        self.length, self.batch, self.seed = length, min(batch, length), seed
        self.per_epoch = length // self.batch

    def shared(self, accumulate: int, rank: int, count: int, batch: list[int]) -> list[int]:
        """What process `rank` of `count` sees of a batch: its share of each of the parts that one process makes of it.

        Raises:
            ValueError: some part has fewer pictures than there are processes.
        """
        parts = cut(batch, min(accumulate, len(batch)))
        if len(parts[-1]) < count:
            each = f" in {len(parts)} parts" if len(parts) > 1 else ""
            raise ValueError(
                f"{count} processes cannot share a step of {len(batch)} pictures{each}: each needs one at least; take "
                f"a batch_size of {count * len(parts)} or more, or fewer processes"
            )
        return [i for part in parts for i in cut(part, count)[rank]]

    def epoch(self, epoch: int, skip: int) -> list[list[int]]:
        """The batches of an epoch without the first `skip`."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(self.length, generator=generator).tolist()
        return [order[i * self.batch : (i + 1) * self.batch] for i in range(skip, self.per_epoch)]


def cut(items: list[T], count: int) -> list[list[T]]:
    """A list in `count` parts, the first ones longer by 1 where they cannot be equal."""
    short, longer = divmod(len(items), count)
    ends = [short * i + min(i, longer) for i in range(count + 1)]
    return [items[a:b] for a, b in itertools.pairwise(ends)]


def in_parts(batch: Batch, count: int, weight: Tensor | None = None) -> Iterator[tuple[Batch, Tensor | float]]:
    """A batch in `count` parts, or one for each picture, each with its share of the pixels that are not void.

    The shares sum to 1, so that means over the pixels of each part, times the shares, sum to the mean over the batch.
    Where several processes share the batch, it is the batch of all of them.

    Args:
        batch: N pictures, those of this process.
        count: number of parts.
        weight: K class weights that the pixels count by; all 1 where None.
    """
    several = processes.count() > 1
    if count == 1 and not several:
        yield batch, 1.0
        return
    labels, usual = batch.labels, torch.float32 if weight is None else weight.dtype
    counted = (labels != VOID).to(torch.float64 if several else usual)  # N, H, W
    if weight is not None:
        counted = counted * weight[torch.where(labels != VOID, labels, 0)]
    each = counted.flatten(1).sum(1)  # N
    everything = processes.total(each.sum()).clamp_min(torch.finfo(each.dtype).tiny)
    for rows in torch.arange(len(labels)).tensor_split(min(count, len(labels))):
        inside = slice(int(rows[0]), int(rows[-1]) + 1)
        values: dict[str, Any] = {f.name: getattr(batch, f.name) for f in fields(batch)}
        values = {name: None if value is None else value[inside] for name, value in values.items()}
        yield Batch(**values), each[inside].sum() / everything
