"""Chapter 05: U-Net's skip, where the encoder's map is larger than the decoder's."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, gives, stops
from segkit.grading.exercises.case_tensors import Args, Shape, distinct, grouped, nchw, normal
from segkit.grading.exercises.common import FIRST_PICTURE

TASK = """U-Net's skip. decoder is N×C×h×w, encoder N×E×H×W with H ≥ h and W ≥ w: convolutions without padding
have made the decoder's map smaller. Cut the middle out of encoder, h rows from row (H − h) // 2 on and
w columns from column (W − w) // 2 on: halves are rounded down, so that of an odd difference the larger
part goes at the bottom and the right. Put the channels of encoder first, those of decoder behind them.
The result is N×(E + C)×h×w."""


def _cut(d: Tensor, e: Tensor, y: int, x: int) -> Tensor:
    """As many rows and columns as d has, from row y and column x on."""
    return e[..., y : y + d.shape[2], x : x + d.shape[3]]


def _gap(d: Tensor, e: Tensor) -> tuple[int, int]:
    return e.shape[2] - d.shape[2], e.shape[3] - d.shape[3]


def centre(d: Tensor, e: Tensor) -> Tensor:
    """The middle of the encoder's map, at the size of the decoder's."""
    y, x = _gap(d, e)
    return _cut(d, e, y // 2, x // 2)


def concat(d: Tensor, e: Tensor) -> Tensor:
    """Reference of `concat_skip`."""
    return torch.cat([centre(d, e), d], 1)


@each
def _beside(part: Function) -> Ways:
    """Another part of the encoder's map beside the decoder's."""
    return does(lambda d, e: torch.cat([part(d, e), d], 1))


@each
def _from(y: Function, x: Function | None = None) -> Ways:
    """Cut from another corner, given as a function of the two differences."""
    return _beside(lambda d, e: _cut(d, e, y(_gap(d, e)[0]), (x or y)(_gap(d, e)[1])))


def _resized(mode: str, **options: bool) -> Ways:
    """One of the maps brought to the size of the other."""

    def joined(d: Tensor, e: Tensor, up: bool) -> Tensor:
        size = tuple(e.shape[2:] if up else d.shape[2:])
        d, e = (F.interpolate(t, size=size, mode=mode, **options) for t in (d, e))
        return torch.cat([e, d], 1)

    return does(partial(joined, up=False), partial(joined, up=True))


@each
def _padded(start: Function, mode: str = "constant") -> Ways:
    """The decoder's map with a border, above and on the left of start(difference)."""

    def joined(d: Tensor, e: Tensor) -> Tensor:
        (h, w), (y, x) = _gap(d, e), map(start, _gap(d, e))
        return torch.cat([e, F.pad(d, (x, w - x, y, h - y), mode=mode)], 1)

    return does(joined)


def _halves(d: Tensor, e: Tensor) -> Tensor:
    """The same number cut off at both ends."""
    y, x = (gap // 2 for gap in _gap(d, e))
    return torch.cat([e[..., y : e.shape[2] - y, x : e.shape[3] - x], d], 1)


def _minus(d: Tensor, e: Tensor) -> Tensor:
    """The same with a slice that ends at −n, which is empty for 0."""
    y, x = (gap // 2 for gap in _gap(d, e))
    return torch.cat([e[..., y:-y, x:-x], d], 1)


def _ends_at_minus_zero(d: Tensor, e: Tensor) -> Tensor:
    """Odd differences are thought of, equal sizes are not."""
    y, x = _gap(d, e)
    return torch.cat([e[..., y // 2 : y // 2 - y, x // 2 : x // 2 - x], d], 1)


@each
def _one_gap(axis: int) -> Ways:
    """The difference of one axis used for both."""
    return _beside(lambda d, e: _cut(d, e, _gap(d, e)[axis] // 2, _gap(d, e)[axis] // 2))


def _interleaved(r: Tensor, d: Tensor, e: Tensor) -> Tensor:
    """Channels of both maps in turn."""
    return torch.stack(torch.tensor_split(r, [e.shape[1]], 1), 2).flatten(1, 2)


def _call(seed: int, d: Shape, e: Shape, dtype: torch.dtype = torch.float32) -> Args:
    make = normal if dtype == torch.float64 else distinct
    return make(seed, *nchw(d), dtype=dtype), make(seed + 1, *nchw(e), dtype=dtype)


def skip_cases() -> list[Case]:
    return grouped(
        ("plain", (1, (2, 2), (4, 4)), (3, (2, 3), (6, 7)), (5, (3, 2), (5, 8))),
        ("odd differences", (7, (2, 3), (3, 4)), (9, (3, 2), (6, 5)), (11, (3, 3), (8, 4)), (13, (3, 4), (10, 9))),
        ("equal sizes", (15, (2, 3), (2, 3)), (17, (3, 3), (3, 5)), (19, (4, 3), (7, 3))),
        ("channels", (21, (1, 2, 2, 3), (1, 3, 4, 5)), (23, (1, 4, 3, 2), (1, 2, 7, 4))),
        ("channels", (25, (1, 2, 2, 2), (1, 2, 4, 4))),
        ("batch", (27, (2, 1, 2, 3), (2, 1, 4, 5)), (29, (3, 2, 2, 2), (3, 3, 6, 4))),
        ("float64", (31, (2, 2, 3, 4), (2, 3, 5, 7), torch.float64)),
        ("memory layout", (33, (2, 3, 3, 4), (2, 3, 7, 8))),
        ("everything together", (35, (2, 3, 4, 3), (2, 4, 7, 8))),
        of=_call,
    )


def skip_facts(d: Tensor, e: Tensor) -> dict[str, bool]:
    y, x = e.shape[2] - d.shape[2], e.shape[3] - d.shape[3]
    return {
        "encoder is larger by an odd number": bool(y % 2 or x % 2),
        "encoder is exactly one larger": 1 in (y, x),
        "encoder and decoder are equally high or wide": 0 in (y, x),
        "encoder is larger by another number in height than in width": y != x,
        "there is more than one picture in the batch": d.shape[0] > 1,
        "encoder and decoder have different numbers of channels": d.shape[1] != e.shape[1],
    }


MESSAGES = """
cut-at-zero: You keep the upper left corner of encoder. Convolutions without padding lose as much at each side, so the
    middle is what fits.
cut-from-end: You keep the lower right corner of encoder. The middle is what fits.
rounded-up: Where the difference is odd, you cut one row or column too late: (H − h) // 2 rounds down. Python's
    round(1.5) is 2, and so is the crop of torchvision.
cut-off-by-one: The piece begins one row and one column too early or too late.
halves-apart: You halve H and h each and subtract afterwards. Both are rounded, and for an even H and an odd h the piece
    begins one row too late: subtract first, (H − h) // 2.
not-half: The piece does not begin at half of the difference between the two sizes, (H − h) // 2.
decoder-first: The channels of decoder come first. Put those of encoder before them: the weights of the next layer count
    on the order.
interleaved: Channels of encoder and decoder take turns. First all of encoder, then all of decoder.
resized: You resize a map to fit. That moves every pixel against its partner: cut the middle out instead.
decoder-padded: You enlarge decoder with a border. The result should be as large as decoder: it is encoder that is cut.
added: The two maps are added, subtracted or multiplied. U-Net keeps both, one after the other as channels.
wrong-axis: The maps are put together along the wrong dimension. Channels are dimension 1.
one-map-only: Only one of the two maps is in your result, or one of them twice.
height-for-width: Height and width are mixed up: each has a difference of its own. Try a map that is not square.
one-axis-only: You cut the middle out along one axis only; along the other you keep the beginning.
first-picture-only: Only the first picture of the batch is worked on.
first-channel-only: Only the first channel of a map is in your result.
halved: Something is done to the numbers. They go into the result as they are.
odd-difference-breaks: You cut the same number off at both ends. Where the difference is odd, one row is left over: cut
    from (H − h) // 2 on and keep h rows.
minus-zero: A slice that ends at −n is empty where n is 0. Say where it begins and how many rows to keep: [y : y + h].
not-cropped: Your function stops as soon as encoder is larger than decoder: cut the middle out of it first.
"""

WAYS = {
    "cut-at-zero": _from(lambda gap: 0),
    "cut-from-end": _from(lambda gap: gap),
    "rounded-up": _from(lambda gap: (gap + 1) // 2, lambda gap: round(gap / 2))
    + _from(lambda gap: (gap + 1) // 2, x=lambda gap: gap // 2)
    + _from(lambda gap: gap // 2, x=lambda gap: (gap + 1) // 2),
    "cut-off-by-one": _from(lambda gap: min(gap // 2 + 1, gap), lambda gap: max(gap // 2 - 1, 0)),
    "halves-apart": _beside(lambda d, e: _cut(d, e, *(e.shape[i] // 2 - d.shape[i] // 2 for i in (2, 3)))),
    "not-half": _from(lambda gap: gap // 4)
    + _beside(
        lambda d, e: _cut(d, e, d.shape[2] // 2, d.shape[3] // 2),
        lambda d, e: _cut(d, e, e.shape[2] // 4, e.shape[3] // 4),
    ),
    "decoder-first": gives(lambda r, d, e: torch.cat([r[:, e.shape[1] :], r[:, : e.shape[1]]], 1)),
    "interleaved": gives(_interleaved),
    "resized": _resized("nearest")
    + _resized("bilinear", align_corners=False)
    + _resized("bilinear", align_corners=True)
    + _beside(
        *(lambda d, e, pool=pool: pool(e, d.shape[2:]) for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d))
    ),
    "decoder-padded": _padded(lambda gap: gap // 2, lambda gap: (gap + 1) // 2, lambda gap: 0)
    + _padded(lambda gap: gap // 2, mode="replicate"),
    "added": does(
        lambda d, e: centre(d, e) + d,
        lambda d, e: centre(d, e) * d,
        lambda d, e: centre(d, e) - d,
        lambda d, e: torch.maximum(centre(d, e), d),
        lambda d, e: (centre(d, e) + d) / 2,
    ),
    "wrong-axis": does(
        *(lambda d, e, axis=axis: torch.cat([centre(d, e), d], axis) for axis in (0, 2, 3)),
        lambda d, e: torch.stack([centre(d, e), d], 1),
    ),
    "one-map-only": does(
        centre, lambda d, e: d, lambda d, e: torch.cat([centre(d, e)] * 2, 1), lambda d, e: torch.cat([d, d], 1)
    ),
    "height-for-width": _one_gap(0, 1)
    + _beside(lambda d, e: _cut(d, e, *(gap // 2 for gap in _gap(d, e)[::-1])))
    + stops(lambda d, e: torch.cat([centre(d.mT, e), d], 1)),
    "one-axis-only": _from(lambda gap: gap // 2, x=lambda gap: 0) + _from(lambda gap: 0, x=lambda gap: gap // 2),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": does(
        lambda d, e: torch.cat([centre(d, e)[:, :1], d], 1),
        lambda d, e: torch.cat([centre(d, e), d[:, :1]], 1),
        lambda d, e: torch.cat([centre(d, e)[:, :1], d[:, :1]], 1),
    ),
    "halved": gives(lambda r, *a: r / 2, lambda r, *a: r.relu()),
    "odd-difference-breaks": stops(_halves),
    "minus-zero": stops(_minus, _ends_at_minus_zero),
    "not-cropped": stops(lambda d, e: torch.cat([e, d], 1), lambda d, e: torch.cat([d, e], 1)),
}

EXERCISE = Exercise(
    "concat_skip(decoder, encoder)",
    TASK,
    concat,
    skip_cases,
    catalogue(MESSAGES, WAYS),
    facts=skip_facts,
    number="05.2",
    marks=6,
)
