"""Chapter 09: the rates of a ResNet's last blocks, from output stride and multi-grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from operator import mul
from typing import Any

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, gives, stops
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.mechanical import changed, ignored

TASK = """The stem of a ResNet ends at stride `stem`; block 1 works there. Each further block works, as the network was
made, at twice the stride of the one before: with stem = 4 block 4 works at stride 32, and the copies of
it that a cascade adds, blocks 5, 6, …, at 64, 128, …. Now the network stops going down at
output_stride, and a block that was made to work at a larger stride is dilated by as much as is missing:
that is the block's rate (1 where nothing is missing). Unit j of blocks 4 to `last` has the rate of its
block times multi_grid[j]. Return the rates of their 3×3 convolutions: a row for each of blocks 4 to
`last`, a number for each unit. What cannot be built is refused with an empty list: an output_stride
that no block from 1 to `last` was made for, or a number in multi_grid below 1."""

Rows = list[list[int]]


def block_rate(stem: int, block: int, output_stride: int) -> int:
    """By how much a block is dilated."""
    return max(1, stem * 2 ** (block - 1) // output_stride)


def possible(stem: int, last: int, multi_grid: list[int], output_stride: int) -> bool:
    return output_stride in [stem * 2**n for n in range(last)] and min(multi_grid) >= 1


def _table(
    rate: Callable[..., Any], stem: int, last: int, grid: list[int], stride: int, first: int = 4,
    block: Callable[..., Any] = block_rate,
) -> Any:  # fmt: skip
    """Rows of rate(block's rate, unit's rate, block, place of the unit)."""
    rows = range(first, last + 1)
    return [[rate(block(stem, b, stride), unit, b, j) for j, unit in enumerate(grid)] for b in rows]


def _product(block: int, unit: int, *_: int) -> int:
    return block * unit


def _built(*a: Any, **how: Any) -> Any:
    """A table of plain products, whether the plan is possible or not."""
    return partial(_table, _product, **how)(*a)


def plan(stem: int, last: int, multi_grid: list[int], output_stride: int) -> Rows:
    """Reference of `multi_grid_rates`."""
    if not possible(stem, last, multi_grid, output_stride):
        return []
    return _built(stem, last, multi_grid, output_stride)


def _cases() -> list[Case]:
    return grouped(
        ("block 4", (4, 4, [1, 2, 4], 16), (4, 4, [1, 2, 1], 16), (4, 4, [1, 2, 4], 8), (4, 4, [2, 2, 2], 16)),
        ("cascade", (4, 5, [1, 2, 1], 16), (4, 7, [1, 2, 4], 16), (4, 6, [1, 2, 3], 8)),
        ("nothing to dilate", (4, 4, [1, 2, 4], 32), (4, 7, [1, 1, 1], 256)),
        ("coarser than some blocks", (4, 6, [1, 2, 1], 64), (4, 7, [1, 2, 4], 128)),
        ("other stems", (2, 4, [1, 2, 4], 8), (1, 5, [1, 2, 1], 4), (2, 6, [1, 3, 2], 16), (3, 4, [1, 2, 4], 12)),
        ("other multi-grids", (4, 4, [1], 8), (4, 5, [1, 2], 16), (4, 4, [1, 2, 1, 2], 16), (4, 5, [4, 2, 1], 16)),
        ("finest", (4, 5, [1, 2, 1], 4), (2, 4, [1, 2, 4], 2)),
        ("impossible output stride", (4, 4, [1, 2, 4], 64), (4, 5, [1, 2, 1], 2), (4, 4, [1, 1, 1], 12)),
        ("impossible output stride", (4, 6, [1, 2, 4], 24), (2, 4, [1, 2, 1], 32), (3, 4, [1, 2, 4], 16)),
        ("impossible multi-grid", (4, 4, [0, 1, 2], 16), (4, 5, [1, 0, 1], 8)),
    )


def _facts(stem: int, last: int, multi_grid: list[int], output_stride: int) -> dict[str, bool]:
    fits = possible(stem, last, multi_grid, output_stride)
    return {
        "the plan cannot be built": not fits,
        "output_stride is not one of the network's": output_stride not in [stem * 2**n for n in range(last)],
        "a number in multi_grid is below 1": min(multi_grid) < 1,
        "there is more than one block": last > 4,
        "stem is not 4": stem != 4,
        "multi_grid has another length than 3": len(multi_grid) != 3,
        "block 4 needs no dilation": fits and stem * 8 <= output_stride,
        "block 4 was made for a smaller stride": fits and stem * 8 < output_stride,
        "block 4 has a rate above 2": fits and stem * 8 > 2 * output_stride,
    }


@each
def _rated(rate: Function) -> Ways:
    """Other rates where the plan is possible: rate(block's rate, unit's rate, block, place of the unit)."""
    return does(lambda s, n, grid, t: _table(rate, s, n, grid, t) if possible(s, n, grid, t) else [])


@each
def _missing(rate: Function) -> Ways:
    """Another rate of the block: rate(stride it was made for, output stride)."""
    return does(
        lambda s, n, grid, t: (
            _table(lambda _, u, b, j: rate(s * 2 ** (b - 1), t) * u, s, n, grid, t) if possible(s, n, grid, t) else []
        )
    )


def _walked(stem: int, block: int, output_stride: int) -> int:
    """The rate found by going from block to block: where the stride may not grow, the rate does."""
    stride, rate = stem, 1
    for _ in range(1, block):
        stride, rate = (2 * stride, rate) if stride < output_stride else (stride, 2 * rate)
    return rate


@each
def _refusing(fits: Function) -> Ways:
    """Other plans are refused: fits(stem, last, multi_grid, output_stride).

    Of what cannot be built, each way of computing makes something else.
    """
    return does(
        *(lambda *a, block=block: _built(*a, block=block) if fits(*a) else [] for block in (block_rate, _walked))
    )


@each
def _refusing_more(also: Function) -> Ways:
    """Plans that can be built are refused, too: also(stem, last, multi_grid, output_stride)."""
    return does(lambda *a: [] if also(*a) else plan(*a))


def _from_block_to_block(s: int, n: int, grid: list[int], t: int) -> Any:
    """Each block goes on from the last rate of the one before."""
    if not possible(s, n, grid, t):
        return []
    rows, rate = [], block_rate(s, 4, t)
    for _ in range(4, n + 1):
        rows.append([rate * unit for unit in grid])
        rate = rows[-1][-1]
    return rows


def _raises(s: int, n: int, grid: list[int], t: int) -> Rows:
    if not possible(s, n, grid, t):
        raise ValueError("impossible")
    return plan(s, n, grid, t)


def _doubling(s: int, n: int, grid: list[int], t: int) -> bool:
    return any(t == s * 2**k for k in range(20))


MESSAGES = """
multi-grid-alone: Your rates are those of multi_grid. They are relative: each is multiplied by the rate of its block.
multi-grid-ignored: multi_grid makes no difference: all units of a block have the block's rate.
multi-grid-added: The numbers of multi_grid are added to the rate of the block. They multiply it.
multi-grid-compounded: Rates pile up along the units of a block, or from one block to the next. Each unit multiplies the
    rate of its own block, whatever the unit before it has.
block-4-only: Only block 4 has a multi-grid; the blocks after it have it too.
same-for-all-blocks: All blocks have the rate of block 4. Each block of a cascade was made for twice the stride of the
    one before, so its rate doubles.
first-unit-undilated: The first unit of a block has half its rate. That is right where the stride stands in a block's
    first unit; here a block was made to work at its stride as a whole.
one-block-off: You are off by one block: block 1 works at the stride of the stem, so block 4 at eight times that.
stem-fixed: You count on a stem of stride 4. It is given.
rate-inverted: The rate is output_stride divided by the block's stride. It is the other way round.
rate-below-one: Where a block was made for a smaller stride than output_stride, its rate becomes 0 or a fraction.
    Nothing is missing there: the rate is 1.
not-refused-at-all: Plans that cannot be built are not refused. Give an empty list for them.
finer-than-the-stem: An output_stride below the stem's is not refused. No block works there.
coarser-than-the-last: An output_stride above that of block `last` is not refused: the network never goes down so far.
not-a-stride-of-the-network: An output_stride between two blocks is not refused (12 lies between 8 and 16).
power-of-two-only: You refuse whatever is not a power of two. Whether a network has a stride depends on its stem.
unit-rate-not-refused: A number below 1 in multi_grid is not refused.
refuses-too-much: You refuse plans that can be built: output_stride may be the stride of any block from 1 to `last`.
refused-by-an-error: Your function stops with an error where the plan cannot be built. Here the answer to that is an
    empty list.
another-block-first: Your rows begin with block 3, or leave out the first or the last block. They run from 4 to `last`.
rows-reversed: Your blocks or units come in the reverse order.
rows-columns-exchanged: Rows and columns are exchanged: a row is a block, a column a unit.
left-flat: Your rates are in one list. A row for each block, even where there is only one.
"""

WAYS = {
    "multi-grid-alone": _rated(lambda rate, unit, b, j: unit),
    "multi-grid-ignored": _rated(lambda rate, unit, b, j: rate),
    "multi-grid-added": _rated(lambda rate, unit, b, j: rate + unit, lambda rate, unit, b, j: rate + unit - 1),
    "multi-grid-compounded": changed(2, lambda grid: list(accumulate(grid, mul))) + does(_from_block_to_block),
    "block-4-only": _rated(lambda rate, unit, b, j: rate * unit if b == 4 else rate),
    "same-for-all-blocks": gives(lambda r, *a: r[:1] * len(r)),
    "first-unit-undilated": _rated(
        lambda rate, unit, b, j: rate * unit if j else max(rate // 2, 1) * unit,
        lambda rate, unit, b, j: rate * unit if j else 1,
    ),
    "one-block-off": _missing(lambda made, t: max(1, 2 * made // t), lambda made, t: max(1, made // (2 * t))),
    "stem-fixed": ignored(0, 4) + does(lambda s, n, g, t: _table(_product, 4, n, g, t) if possible(s, n, g, t) else []),
    "rate-inverted": _missing(lambda made, t: t / made, lambda made, t: max(1, t // made)),
    "rate-below-one": _missing(lambda made, t: made / t, lambda made, t: made // t),
    "not-refused-at-all": _refusing(lambda *a: True),
    "finer-than-the-stem": _refusing(lambda s, n, g, t: possible(s, n, g, t) or t < s),
    "coarser-than-the-last": does(lambda *a: _built(*a) if min(a[2]) >= 1 and _doubling(*a) else []),
    "not-a-stride-of-the-network": _refusing(lambda s, n, g, t: min(g) >= 1 and s <= t <= s * 2 ** (n - 1)),
    "power-of-two-only": _refusing_more(lambda s, n, g, t: t & (t - 1)),
    "unit-rate-not-refused": does(lambda s, n, g, t: _built(s, n, g, t) if possible(s, n, [1], t) else []),
    "refuses-too-much": _refusing_more(
        lambda s, n, g, t: t > s * 8,
        lambda s, n, g, t: t >= s << n - 1,
        lambda s, n, g, t: t not in (8, 16),
        lambda s, n, g, t: t not in (8, 16, 32),
        lambda s, n, g, t: t <= s,
        lambda s, n, g, t: len(g) != 3,
    ),
    "refused-by-an-error": stops(_raises),
    "another-block-first": does(
        *(lambda *a, first=first: _built(*a, first=first) if possible(*a) else [] for first in (3, 5, 1))
    )
    + gives(lambda r, *a: r[:-1]),
    "rows-reversed": gives(lambda r, *a: r[::-1], lambda r, *a: [row[::-1] for row in r]),
    "rows-columns-exchanged": gives(lambda r, *a: [list(row) for row in zip(*r, strict=True)]),
    "left-flat": gives(lambda r, *a: [v for row in r for v in row], lambda r, *a: r[0] if len(r) == 1 else r),
}

EXERCISE = Exercise(
    "multi_grid_rates(stem, last, multi_grid, output_stride)",
    TASK,
    plan,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_facts,
    number="09.2",
    marks=4,
    finished=("multi_grid_rates",),
)
