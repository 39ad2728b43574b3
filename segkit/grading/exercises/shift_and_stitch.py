"""Chapter 03: shift-and-stitch, dense output without changing the network."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given
from segkit.grading.exercises.case_tensors import grouped, normal, quarters
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE
from segkit.grading.observers import Network

TASK = """network turns N×C×H×W into N×K×h×w, with scores `factor` pixels apart; it does not pad, and gives fewer
scores for a smaller picture. For every shift (dy, dx), each from 0 to factor − 1, leave out the first
dy rows and dx columns of x, run the network, and interlace the scores:
out[:, :, i·factor + dy, j·factor + dx] = network(x[:, :, dy:, dx:])[:, :, i, j].
The result has a place for every score, no more and no fewer (shifts may give different numbers of rows)."""


def cropped(x: Tensor, dy: int, dx: int) -> Tensor:
    """x without its first dy rows and dx columns."""
    return x[..., dy:, dx:]


def _dense_size(network: Function, x: Tensor, f: int) -> tuple[int, int]:
    """How many scores all shifts have together."""
    rows = sum(network(cropped(x, dy, 0)).shape[2] for dy in range(f))
    return rows, sum(network(cropped(x, 0, dx)).shape[3] for dx in range(f))


def _stitch(
    network: Function, x: Tensor, f: int, shift: Function = cropped, place: Function | None = None, full: bool = False
) -> Tensor:
    """Run the network on every shift; `place(dy, dx)` gives the offset that its scores go to.

    With `full` the result is f times as large as one pass; otherwise it has as many places as there are scores.
    """
    one = network(x)
    n, k, h, w = one.shape
    out = one.new_zeros(n, k, *((h * f, w * f) if full else _dense_size(network, x, f)))
    for dy in range(f):
        for dx in range(f):
            a, b = place(dy, dx) if place else (dy, dx)
            part, room = network(shift(x, dy, dx)), out[..., a::f, b::f]
            h, w = min(part.shape[2], room.shape[2]), min(part.shape[3], room.shape[3])
            room[..., :h, :w] = part[..., :h, :w]
    return out


def stitch(network: Function, x: Tensor, f: int) -> Tensor:
    """Reference of `shift_and_stitch`."""
    return _stitch(network, x, f)


def _cases() -> list[Case]:
    def net(seed: int, f: int, k: int = 3, c: int = 1, out: int = 1, pooled: bool = False) -> Network:
        return Network(quarters(seed, out, c, k, k), f, pooled)

    exact = Network(normal(21, 2, 2, 3, 3, dtype=torch.float64), 2)
    return grouped(
        ("plain", (net(1, 2, 1), quarters(11, 1, 1, 2, 4), 2), (net(2, 2, 2), quarters(12, 1, 1, 5, 7), 2)),
        ("plain", (net(3, 2), quarters(13, 1, 1, 6, 8), 2)),
        ("other factors", (net(4, 3), quarters(14, 1, 1, 8, 11), 3), (net(5, 4, 2), quarters(15, 1, 1, 9, 13), 4)),
        ("other factors", (net(6, 1), quarters(16, 1, 1, 5, 4), 1)),
        ("odd sizes", (net(7, 2), quarters(17, 1, 1, 7, 9), 2), (net(25, 2, 2), quarters(26, 1, 1, 4, 6), 2)),
        ("batch and channels", (net(8, 2, 3, 3, 2), quarters(18, 2, 3, 6, 8), 2)),
        ("batch and channels", (net(9, 3, 2, 2, 4), quarters(19, 3, 2, 7, 10), 3)),
        ("a deeper network", (net(10, 4, 3, 1, 2, True), quarters(20, 1, 1, 13, 17), 4)),
        ("float64", (exact, normal(22, 1, 2, 6, 8, dtype=torch.float64), 2)),
        ("memory layout", (net(23, 2, 3, 2), quarters(24, 1, 2, 8, 6), 2)),
    )


def _facts(network: Network, x: Tensor, f: int) -> dict[str, bool]:
    return {
        "factor is not 2": f != 2,
        "factor is 1": f == 1,
        "the shifts give different numbers of rows or columns": any(n % f for n in _dense_size(network, x, f)),
        "there is more than one picture in the batch": x.shape[0] > 1,
        "the network has another number of output channels than input channels": network.weight.shape[0] != x.shape[1],
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _blocks(network: Function, x: Tensor, f: int) -> Tensor:
    return torch.cat([torch.cat([network(cropped(x, a, b)) for b in range(f)], 3) for a in range(f)], 2)


def _filled(x: Tensor, dy: int, dx: int, mode: str = "constant") -> Tensor:
    return F.pad(x[..., dy:, dx:], (0, dx, 0, dy), mode=mode)


def _down(x: Tensor, dy: int, dx: int) -> Tensor:
    h, w = x.shape[2:]
    return F.pad(x, (dx, 0, dy, 0))[..., :h, :w]


def _rolled(x: Tensor, dy: int, dx: int) -> Tensor:
    return x.roll((-dy, -dx), (2, 3))


@each
def _full(shift: Function, place: Function | None = None) -> Ways:
    """A wrong shift or place, and a result f times as large as one pass."""
    return does(lambda n, x, f: _stitch(n, x, f, shift, place, True))


def _stitch_one_axis(network: Function, x: Tensor, f: int, axis: int) -> Tensor:
    """Shifts along one axis, their scores repeated along the other."""
    parts = [network(cropped(x, *((d, 0) if axis == 2 else (0, d)))) for d in range(f)]
    shape = list(parts[0].repeat_interleave(f, 5 - axis).shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    out = parts[0].new_zeros(shape)
    for d, part in enumerate(parts):
        room = out[..., d::f, :] if axis == 2 else out[..., d::f]
        room.copy_(part.repeat_interleave(f, 5 - axis))
    return out


def _diagonal(network: Function, x: Tensor, f: int) -> Tensor:
    out = stitch(network, x, f)
    kept = torch.zeros_like(out)
    for d in range(f):
        kept[..., d::f, d::f] = out[..., d::f, d::f]
    return kept


@each
def _up(align_corners: bool) -> Ways:
    return does(lambda n, x, f: F.interpolate(n(x), scale_factor=f, mode="bilinear", align_corners=align_corners))


def _averaged(network: Function, x: Tensor, f: int) -> Tensor:
    return torch.stack([network(_filled(x, a, b)) for a in range(f) for b in range(f)]).mean(0)


MESSAGES = """
shifted-wrong-way: You move the picture down and to the right. For the scores at offset (dy, dx) the pixel at (dy, dx)
    has to come to (0, 0): leave out the first rows and columns.
wraps-around: What leaves the picture at one side comes back at the other: `torch.roll` wraps around, and the last
    scores look at pixels that are not neighbours. Leave the rows and columns out.
filled-up: Zeros or repeated pixels fill up the shifted picture, so that your result has rows or columns at its end that
    look beyond the picture. Leave rows and columns out, and put nothing in their place.
size-not-dense: Your result is `factor` times as large as one pass, with places that no score fills (or too few for
    them). The shifts may give different numbers of rows: count them all.
offsets-exchanged: dy and dx have changed places between shifting and stitching: rows go with dy.
offsets-reversed: The scores are interlaced in the reverse order: those of the unshifted picture belong to (0, 0).
blocks-side-by-side: The scores stand side by side as tiles. They should be interlaced: every factor-th row and column.
only-diagonal-shifts: Rows and columns are shifted together, so only factor of the factor² shifts are made. Use two
    loops.
one-axis-only: The picture is shifted along one axis only.
not-shifted: The network starts at the same pixel each time: the picture is not shifted, or its last rows are left out
    instead of its first.
interpolated: You enlarge the coarse scores. Shift-and-stitch computes every score anew.
factor-fixed: The factor is taken to be 2 whatever `factor` says.
shift-too-large: The picture is moved by too much. The shifts are 0, 1, … factor − 1 pixels.
averaged: You average the scores of all shifts. Each has its own place in the result.
coarse-returned: These are the scores of one pass. The result has those of all shifts.
first-picture-only: Only the first picture of the batch is worked on.
first-channel-only: Only one output channel is kept.
"""

WAYS = {
    "shifted-wrong-way": _full(_down),
    "wraps-around": _full(_rolled, lambda x, a, b: _rolled(x, -a, -b)),
    "filled-up": _full(_filled, partial(_filled, mode="replicate")),
    "size-not-dense": _full(cropped),
    "offsets-exchanged": does(lambda n, x, f: _stitch(n, x, f, place=lambda a, b: (b, a)))
    + _full(cropped, _filled, place=lambda a, b: (b, a)),
    "offsets-reversed": does(
        lambda n, x, f: _stitch(n, x, f, place=lambda a, b: (f - 1 - a, f - 1 - b)),
        lambda n, x, f: _stitch(n, x, f, _filled, lambda a, b: (f - 1 - a, f - 1 - b), True),
    ),
    "blocks-side-by-side": does(_blocks),
    "only-diagonal-shifts": does(_diagonal),
    "one-axis-only": does(partial(_stitch_one_axis, axis=2), partial(_stitch_one_axis, axis=3)),
    "not-shifted": does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: x)) + _full(lambda x, a, b: x),
    "interpolated": _up(False, True),
    "factor-fixed": given(lambda n, x, f: (n, x, 2)),
    "shift-too-large": does(
        lambda n, x, f: _stitch(n, x, f, lambda x, a, b: cropped(x, a + 1, b + 1)),
        lambda n, x, f: _stitch(n, x, f, lambda x, a, b: cropped(x, a * f, b * f)),
    ),
    "averaged": does(_averaged),
    "coarse-returned": does(lambda n, x, f: n(x)),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": FIRST_CHANNEL,
}

EXERCISE = Exercise(
    "shift_and_stitch(network, x, factor)",
    TASK,
    stitch,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="03.5",
    marks=3,
    finished=("shift_and_stitch",),
)
