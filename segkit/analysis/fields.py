"""What is known about the receptive field of every value in a tensor, and the four moves that carry it along.

Two descriptions travel side by side:

* **bounds**: for every element, the box of picture pixels that really reach it: four tensors of the element's shape,
  (−top, bottom, −left, right). All four are −∞ where no pixel does, so the union of two boxes is always a maximum.
* **lines**: for every axis of the picture, the field of each position as if the picture had no border: what the
  recursion r = 1 + Σ (k−1)·d·Π s speaks about. A line knows positions far outside the map too.

The bounds are exact and follow any rearrangement; the lines need to know which dimension is which axis of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from segkit.analysis.taps import MISSING, Taps

NOTHING = float("-inf")
FAR = 1 << 40  # an empty field runs from FAR to −FAR
Bounds = tuple[Tensor, ...]


@dataclass(frozen=True)
class Line:
    """The fields of positions first, first + 1, … along one axis, without a border.

    Args:
        lo, hi: first and last pixel of each position's field.
        first: the position that lo[0] and hi[0] belong to.
        jump: pixels from one position's field to the next one's; 0 where all positions see the same.
    """

    lo: np.ndarray
    hi: np.ndarray
    first: int
    jump: Fraction

    @staticmethod
    def of_picture(size: int, reach: int) -> Line:
        """Every pixel sees itself, `reach` pixels beyond the border included."""
        pixels = np.arange(-reach, size + reach)
        return Line(pixels, pixels, -reach, Fraction(1))

    def covers(self, size: int) -> bool:
        return self.jump == 0 or (self.first <= 0 and self.first + len(self.lo) >= size)

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last pixel at any positions inside the known stretch."""
        index = np.zeros_like(positions) if self.jump == 0 else positions - self.first
        return self.lo[index], self.hi[index]

    def all_alike(self, size: int) -> Line:
        """The line of something that sees what positions 0 … size − 1 see together."""
        lo, hi = self.at(np.arange(size))
        return Line(lo.min(keepdims=True), hi.max(keepdims=True), 0, Fraction(0))

    def through(self, taps: Taps) -> Line | None:
        """The line behind an operator; None where the known stretch is used up."""
        if self.jump == 0:
            return self
        scale = taps.scale or Fraction(1)
        ends = sorted((int(self.first / scale), int((self.first + len(self.lo)) / scale)))
        positions = np.arange(ends[0] - 2, ends[1] + 3)
        read = taps.read(positions)  # n, k
        there = read != MISSING
        index = read - self.first
        beyond = np.flatnonzero((there & ((index < 0) | (index >= len(self.lo)))).any(1))
        middle = len(positions) // 2
        start = max(beyond[beyond < middle], default=-1) + 1
        stop = min(beyond[beyond >= middle], default=len(positions))
        if stop <= start:
            return None
        there, index = there[start:stop], np.where(there, index, 0)[start:stop]
        lo = np.where(there, self.lo[index], FAR).min(1)
        hi = np.where(there, self.hi[index], -FAR).max(1)
        return Line(lo, hi, int(positions[start]), self.jump * taps.scale)


def union(lines: Sequence[Line]) -> Line | None:
    """The line of a value that depends on several: the hull of their fields, position by position."""
    moving = [line for line in lines if line.jump != 0]
    if not moving:
        lo, hi = np.min([x.lo[:1] for x in lines], 0), np.max([x.hi[:1] for x in lines], 0)
        return Line(lo, hi, 0, Fraction(0))
    first = max(line.first for line in moving)
    stop = min(line.first + len(line.lo) for line in moving)
    if stop <= first:
        return None
    fields = [line.at(np.arange(first, stop)) for line in lines]
    # odd sizes make branches drift apart by a fraction of a pixel per position; the rounder step is the meant one
    jump = min((line.jump for line in moving), key=lambda j: (j.denominator, j))
    return Line(np.min([f[0] for f in fields], 0), np.max([f[1] for f in fields], 0), first, jump)


@dataclass(frozen=True)
class Axis:
    """A line and the tensor dimension that it runs along (None: all elements see the same)."""

    line: Line
    dim: int | None


Lines = tuple[Axis, Axis] | None  # vertical and horizontal; None: the tensor was cut up so that no dimension is an axis


@dataclass(frozen=True)
class Field:
    """Bounds and lines of one tensor."""

    bounds: Bounds
    lines: Lines
    folded: tuple[torch.Size, Lines] | None = None  # what it was before its dimensions were merged by a view

    @property
    def shape(self) -> torch.Size:
        return self.bounds[0].shape


def empty_bounds(shape: Sequence[int]) -> Bounds:
    """No pixel reaches any element."""
    return (torch.full((), NOTHING).expand(tuple(shape)),) * 4


def picture_field(shape: Sequence[int], reach: int) -> Field:
    """The field of the picture N×C×H×W itself."""
    H, W = shape[-2:]
    y, x = torch.arange(H, dtype=torch.float32)[:, None], torch.arange(W, dtype=torch.float32)[None]
    bounds = tuple(b.expand(tuple(shape)) for b in (-y, y, -x, x))
    return Field(bounds, (Axis(Line.of_picture(H, reach), 2), Axis(Line.of_picture(W, reach), 3)))


def squeezed(t: Tensor) -> Tensor:
    """One copy of what `expand` repeats: repeated dimensions become 1."""
    for d in range(t.ndim):
        if t.stride(d) == 0 and t.shape[d] > 1:
            t = t.narrow(d, 0, 1)
    return t


def packed(t: Tensor) -> Tensor:
    """The same values with dimensions along which nothing changes stored once; it keeps the bounds small."""
    small = squeezed(t)
    for d in range(small.ndim):
        if small.shape[d] > 1 and bool((small == small.narrow(d, 0, 1)).all()):
            small = small.narrow(d, 0, 1)
    return small.expand(t.shape)


def tapped(t: Tensor, dim: int, taps: Taps, outputs: int) -> Tensor:
    """Along one dimension, the maximum over what each output position reads."""
    inputs = t.shape[dim]
    read = taps.read(np.arange(outputs))  # n, k
    there = read != MISSING
    if taps.clamp:
        read = np.clip(read, 0, inputs - 1)
    there &= (read >= 0) & (read < inputs)
    small = squeezed(t)
    shape = (*t.shape[:dim], outputs, *t.shape[dim + 1 :])
    if small.shape[dim] == 1 and there.any(1).all():
        return small.expand(shape)  # the same everywhere, and every output reads something
    if small.shape[dim] != inputs:
        small = small.expand(*small.shape[:dim], inputs, *small.shape[dim + 1 :])
    result = torch.full((*small.shape[:dim], outputs, *small.shape[dim + 1 :]), NOTHING)
    along = (1,) * dim + (outputs,) + (1,) * (t.ndim - dim - 1)
    for tap in range(read.shape[1]):
        ok = torch.from_numpy(there[:, tap]).view(along)
        values = small.index_select(dim, torch.from_numpy(np.where(there[:, tap], read[:, tap], 0)))
        result = torch.maximum(result, values.masked_fill(~ok, NOTHING))
    return result.expand(shape)
