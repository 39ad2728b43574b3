"""Sparse matrices of a filter: rows of (column, weight), multiplied with dense values."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LONGEST = 64  # entries of a row that are added up one after the other where many rows are worked on at once


class Pieces(NamedTuple):
    """Rows cut into pieces: where each piece begins among the entries, and where each row begins among the pieces."""

    starts: Tensor  # P + 1, int32
    rows: Tensor  # R + 1, int32


@dataclass(frozen=True)
class SparseRows:
    """A sparse matrix R×C in compressed rows: row i has the entries starts[i] … starts[i+1]−1.

    Args:
        columns: the column of each entry, int32; all entries in a row, or R×n where each row has n of them.
        weights: the value of each entry, of the shape of columns.
        starts: int32, R + 1 numbers from 0 to the number of entries; None where columns is R×n.
        width: the number of columns C.
        pieces: made by `cut`; a product then adds up the pieces of each row in a second step.

    The product gathers rows of the values, weights them and adds them up. That is what torch calls an embedding bag,
    and its kernel for it is many times as fast as its products of CSR tensors, on as many rows of a few numbers each.
    """

    columns: Tensor
    weights: Tensor
    starts: Tensor | None
    width: int
    pieces: Pieces | None = None

    def __matmul__(self, values: Tensor) -> Tensor:
        """Values C×K → R×K, without a gradient: the filter that these matrices make up has its own."""
        weights = self.weights.to(values.dtype)
        if self.pieces is None:
            return _sums(values, self.columns, self.starts, weights)
        sums = _sums(values, self.columns, self.pieces.starts, weights)  # P, K
        return _sums(sums, torch.arange(len(sums), dtype=torch.int32, device=sums.device), self.pieces.rows)

    @property
    def longest(self) -> int:
        """The number of entries of the longest row; for rows of any length."""
        assert self.starts is not None
        return int(self.starts.diff().max())

    def cut(self, longest: int = LONGEST) -> SparseRows:
        """The same matrix, its rows added up in pieces of so many entries at most; for rows of any length.

        A GPU works on thousands of rows at once, each from its first entry to its last, and has to wait for the longest
        one: on a photograph that has some 200 times as many entries as the mean, a patch of even colour. And a sum of
        short sums does not lose by rounding what a long sum loses.
        """
        assert self.starts is not None
        count = (self.starts.diff() + longest - 1).div(longest, rounding_mode="floor")  # R
        rows = F.pad(count.cumsum(0, dtype=torch.int32), (1, 0))
        row = torch.repeat_interleave(count)  # P: the row of each piece
        place = torch.arange(len(row), dtype=torch.int32, device=row.device) - rows.index_select(0, row)
        starts = self.starts.index_select(0, row).add_(place, alpha=longest)
        return dataclasses.replace(self, pieces=Pieces(torch.cat((starts, self.starts[-1:])), rows))

    def scale_columns(self, factors: Tensor) -> SparseRows:
        """With column c multiplied by factors[c]."""
        weights = self.weights * factors.index_select(0, self.columns.flatten()).view_as(self.weights)
        return dataclasses.replace(self, weights=weights)

    def scale_rows(self, factors: Tensor) -> SparseRows:
        """With row r multiplied by factors[r]; for rows of equal length."""
        return dataclasses.replace(self, weights=self.weights * factors[:, None])

    def block(self, begin: int, end: int) -> SparseRows:
        """Some of the rows; for rows of equal length."""
        return dataclasses.replace(self, columns=self.columns[begin:end], weights=self.weights[begin:end])

    def csr(self) -> Tensor:
        """The same matrix as a tensor of torch.sparse_csr, to look at."""
        starts = self.starts
        if starts is None:
            rows, n = self.columns.shape
            starts = torch.arange(0, rows * n + 1, n, dtype=torch.int32, device=self.columns.device)
        shape = (len(starts) - 1, self.width)
        return torch.sparse_csr_tensor(starts, self.columns.flatten(), self.weights.flatten(), shape)


def _sums(values: Tensor, columns: Tensor, starts: Tensor | None, weights: Tensor | None = None) -> Tensor:
    """For each bag of columns the sum of their rows of values, weighted. Shape: C×K → R×K."""
    last = starts is not None
    return F.embedding_bag(columns, values, starts, mode="sum", per_sample_weights=weights, include_last_offset=last)


def side_by_side(matrices: Sequence[SparseRows]) -> SparseRows:
    """R×C₁, R×C₂, … → R×(C₁ + C₂ + …); for rows of equal length."""
    begins = [0, *itertools.accumulate(m.width for m in matrices)]
    columns = torch.cat([m.columns + begin for m, begin in zip(matrices, begins[:-1], strict=True)], dim=1)
    return SparseRows(columns, torch.cat([m.weights for m in matrices], dim=1), None, begins[-1])
