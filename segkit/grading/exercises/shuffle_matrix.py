"""Chapter 10: the channel shuffle as a matrix, any number of times, forwards and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, catalogue, given, gives
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.mechanical import changed, ignored, replaced

TASK = """A channel shuffle writes the channels down with a row for each of `groups` groups, each as long as the
others, and reads them column by column. Return the matrix that does this `times` times, a table of 0 and 1,
channels×channels: with x a column of channels, matrix @ x holds them in their new order. times = 0 leaves
them where they are; times = −n takes back n shuffles."""


def once(channels: int, groups: int) -> Tensor:
    """The matrix of one shuffle."""
    order = torch.arange(channels).reshape(groups, channels // groups).T.flatten()
    return torch.eye(channels)[order]


def power(matrix: Tensor, times: int) -> Tensor:
    return torch.linalg.matrix_power(matrix if times >= 0 else matrix.T, abs(times))


def shuffled(
    channels: int, groups: int, times: int, one: Callable[[int, int], Tensor] = once,
    repeat: Callable[[Tensor, int], Tensor] = power,
) -> Tensor:  # fmt: skip
    """Reference of `shuffle_matrix`; repeat(matrix of one shuffle, times)."""
    return repeat(one(channels, groups), times)


def _cases() -> list[Case]:
    return grouped(
        ("once", (4, 2, 1), (6, 2, 1), (6, 3, 1), (8, 2, 1), (12, 3, 1), (6, 1, 1)),
        ("back", (6, 2, -1), (6, 3, -1), (8, 4, -1), (12, 3, -1), (4, 4, -1)),
        ("not at all", (4, 2, 0), (6, 3, 0)),
        ("several times", (6, 2, 2), (6, 2, 3), (8, 2, 2), (12, 3, 3), (10, 5, 4)),
        ("back several times", (6, 3, -2), (8, 2, -2), (12, 3, -4), (10, 2, -5)),
        ("very often", (10, 2, 100), (12, 4, -75)),
    )


def _facts(channels: int, groups: int, times: int) -> dict[str, bool]:
    return {
        "times is negative": times < 0,
        "times is 0": times == 0,
        "there is more than one shuffle": abs(times) > 1,
        "there are more than two groups": groups > 2,
        "there are as many groups as channels in a group": groups * groups == channels,
        "nothing moves": groups in (1, channels),
    }


_one, _repeated = (partial(replaced, shuffled, step) for step in ("one", "repeat"))


def _order(order: Function) -> Function:
    """A matrix from the place that each channel comes from: order(channels, groups, place)."""
    return lambda channels, groups: torch.eye(channels)[[order(channels, groups, p) for p in range(channels)]]


def _without_last(channels: int, groups: int, place: int) -> int:
    """The card player's formula, which does not hold for the last card."""
    return place * (channels // groups) % max(channels - 1, 1)


def _between_two(channels: int, groups: int, place: int) -> int:
    """Two halves, whatever the groups."""
    return place // 2 + channels // 2 * (place % 2)


MESSAGES = """
the-way-back: Your matrix does the opposite: it takes a shuffle back where one is asked for. Its row says where the
    channel that ends up in this row comes from. (Or are groups and the length of a group exchanged?)
not-shuffled: Your matrix moves nothing. A reshape alone leaves the order as it is: turn rows into columns between two
    of them.
times-ignored: `times` makes no difference: your matrix is always that of one shuffle.
back-is-forward: A negative number of times is treated as a positive one, or as one step back.
back-not-done: A negative number of times does nothing, or shuffles once.
not-at-all-shuffles: times = 0 leaves every channel where it is: 1 on the diagonal.
repeated-by-numbers: Numbers are multiplied, or raised to a power, one by one. To shuffle again is a product of
    matrices: `@`.
more-groups-instead: To shuffle twice is not to shuffle once with twice as many groups.
two-halves: You always deal from two halves. There are `groups` groups.
last-channel-lost: The formula p·(C/g) mod (C − 1) does not hold for the last channel, which stays where it is.
turned-around: The rows or columns run backwards.
moved-along: Channels are moved along in a circle. A shuffle deals them out.
within-a-group: Channels change places within their groups only. Each group is dealt out over all.
order-not-matrix: You give the order of the channels. Row p of the matrix has its 1 in the column of the channel that
    comes to place p.
"""

WAYS = {
    "the-way-back": gives(lambda r, *a: r.T),
    "not-shuffled": _one(lambda c, g: torch.eye(c)),
    "times-ignored": ignored(2, 1),
    "back-is-forward": changed(2, abs, lambda t: max(t, -1)),
    "back-not-done": changed(2, lambda t: max(t, 0)) + _repeated(lambda m, t: m if t < 0 else power(m, t)),
    "not-at-all-shuffles": changed(2, lambda t: t or 1),
    "repeated-by-numbers": _repeated(lambda m, t: m**t if t >= 0 else m.T ** (-t), lambda m, t: m * t),
    "more-groups-instead": given(lambda c, g, t: (c, g * max(abs(t), 1), min(max(t, -1), 1))),
    "two-halves": _one(_order(_between_two)),
    "last-channel-lost": _one(_order(_without_last)),
    "turned-around": gives(lambda r, *a: r.flip(0)),
    "moved-along": _one(lambda c, g: torch.eye(c).roll(1, 0), lambda c, g: torch.eye(c).roll(c // g, 0)),
    "within-a-group": _one(lambda c, g: torch.block_diag(*[torch.eye(c // g).flip(0)] * g)),
    "order-not-matrix": gives(lambda r, *a: r.argmax(1), lambda r, *a: r.argmax(0)),
}

EXERCISE = Exercise(
    "shuffle_matrix(channels, groups, times)",
    TASK,
    shuffled,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("mask",),
    facts=_facts,
    number="10.4",
    marks=3,
    finished=("channel_shuffle", "ChannelShuffle"),
)
