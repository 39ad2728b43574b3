"""`criss_cross` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives
from segkit.grading.exercises.mechanical import ignored


def _places(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Row and column of each cell."""
    cells = torch.arange(height * width)
    return cells // width, cells % width


def _rule(down: Tensor, right: Tensor, step: int) -> Tensor:
    """Whether a cell is heard that lies so far below and to the right."""
    return _along(down, right, step) | _along(right, down, step)


def _along(across: Tensor, along: Tensor, step: int) -> Tensor:
    return (across == 0) & (along % step == 0)


def hears(height: int, width: int, step: int, *, rule: Function = _rule) -> Tensor:
    """Reference of `criss_cross`.

    Args:
        height, width, step: as the task has them.
        rule: rule(how far below the speaker is, how far to the right, step).
    """
    rows, columns = _places(height, width)
    return rule(rows - rows[:, None], columns - columns[:, None], step)


@each
def _by(rule: Function) -> Ways:
    """Another rule of who is heard."""
    return does(partial(hears, rule=rule))


def _from_the_border(height: int, width: int, step: int, *, itself: bool) -> Tensor:
    rows, columns = _places(height, width)
    heard = (rows[:, None] == rows) & (columns % step == 0) | (columns[:, None] == columns) & (rows % step == 0)
    return heard | torch.eye(height * width, dtype=torch.bool) if itself else heard


def _around(height: int, width: int, step: int) -> Tensor:
    rows, columns = _places(height, width)
    down, right = (rows - rows[:, None]) % height, (columns - columns[:, None]) % width
    return _rule(down, right, step)


def _near(down: Tensor, right: Tensor, step: int) -> Tensor:
    return torch.maximum(down.abs(), right.abs()) <= step


WAYS = {
    "row-only": _by(lambda down, right, step: _along(down, right, step)),
    "column-only": _by(lambda down, right, step: _along(right, down, step)),
    "intersection": _by(lambda down, right, step: _along(down, right, step) & _along(right, down, step)),
    "diagonals": _by(lambda down, right, step: (down.abs() == right.abs()) & (down % step == 0)),
    "whole-grid": _by(lambda down, right, step: (down % step == 0) & (right % step == 0)),
    "itself-missing": _by(lambda down, right, step: _rule(down, right, step) & ((down != 0) | (right != 0))),
    "counted-from-the-border": does(
        partial(_from_the_border, itself=False), partial(_from_the_border, itself=True)
    ),
    "step-in-one-axis": _by(
        lambda down, right, step: _along(down, right, step) | (right == 0),
        lambda down, right, step: _along(right, down, step) | (down == 0),
    ),
    "step-ignored": ignored(2, 1),
    "step-as-reach": _by(lambda down, right, step: _rule(down, right, 1) & _near(down, right, step)),
    "window": _by(_near),
    "nearest-only": _by(lambda down, right, step: _rule(down, right, step) & _near(down, right, step)),
    "one-direction": _by(
        lambda down, right, step: _rule(down, right, step) & (down + right >= 0),
        lambda down, right, step: _rule(down, right, step) & (down + right <= 0),
    ),
    "wraps-around": does(_around),
    "step-off-by-one": given(
        lambda height, width, step: (height, width, step + 1), lambda height, width, step: (height, width, step - 1)
    ),
    "height-width-exchanged": given(lambda height, width, step: (width, height, step)),
    "inverted": gives(lambda r, *a: ~r),
    "left-unflattened": gives(
        lambda r, height, width, step: r.view(height, width, height, width),
        lambda r, height, width, step: r.view(height, width, height * width),
        lambda r, height, width, step: r.view(height * width, height, width),
    ),
}  # fmt: skip
