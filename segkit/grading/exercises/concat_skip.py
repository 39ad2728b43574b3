"""Chapter 05: U-Net's skip, where the encoder's map is larger than the decoder's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Exercise, does, gives, mistake, register, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.concat_skip_cases import skip_cases, skip_facts


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


def _from(y, x=None):  # type: ignore[no-untyped-def]
    """Cut from another corner, given as a function of the two differences."""

    def joined(d: Tensor, e: Tensor) -> Tensor:
        gap = _gap(d, e)
        return torch.cat([_cut(d, e, y(gap[0]), (x or y)(gap[1])), d], 1)

    return does(joined)


def _resized(mode: str, **options: bool):  # type: ignore[no-untyped-def]
    def both_ways(up: bool):  # type: ignore[no-untyped-def]
        def joined(d: Tensor, e: Tensor) -> Tensor:
            size = tuple(e.shape[2:] if up else d.shape[2:])
            d, e = (F.interpolate(t, size=size, mode=mode, **options) for t in (d, e))
            return torch.cat([e, d], 1)

        return does(joined)

    return both_ways


def _padded(d: Tensor, e: Tensor, y: int, x: int, mode: str = "constant") -> Tensor:
    h, w = _gap(d, e)
    return torch.cat([e, F.pad(d, (x, w - x, y, h - y), mode=mode)], 1)


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


def _halved_apart(d: Tensor, e: Tensor) -> Tensor:
    y, x = (e.shape[i] // 2 - d.shape[i] // 2 for i in (2, 3))
    return torch.cat([_cut(d, e, y, x), d], 1)


def _one_gap(axis: int):  # type: ignore[no-untyped-def]
    """The difference of one axis used for both."""

    def joined(d: Tensor, e: Tensor) -> Tensor:
        at = _gap(d, e)[axis] // 2
        return torch.cat([_cut(d, e, at, at), d], 1)

    return does(joined)


def _exchanged(d: Tensor, e: Tensor) -> Tensor:
    y, x = _gap(d, e)
    return torch.cat([_cut(d, e, x // 2, y // 2), d], 1)


def _interleaved(r: Tensor, d: Tensor, e: Tensor) -> Tensor:
    """Channels of both maps in turn."""
    return torch.stack(torch.tensor_split(r, [e.shape[1]], 1), 2).flatten(1, 2)


_near, _area, _smooth = _resized("nearest"), _resized("area"), _resized("bilinear", align_corners=False)
_corners = _resized("bilinear", align_corners=True)

register(
    Exercise(
        name="concat_skip",
        signature="concat_skip(decoder, encoder)",
        text=(
            "U-Net's skip. decoder is N×C×h×w, encoder N×E×H×W with H ≥ h and W ≥ w: convolutions without padding\n"
            "have made the decoder's map smaller. Cut the middle out of encoder, h rows from row (H − h) // 2 on and\n"
            "w columns from column (W − w) // 2 on: halves are rounded down, so that of an odd difference the larger\n"
            "part goes at the bottom and the right. Put the channels of encoder first, those of decoder behind them.\n"
            "The result is N×(E + C)×h×w."
        ),
        reference=concat,
        cases=skip_cases,
        facts=skip_facts,
        mistakes=(
            mistake(
                "cut-at-zero",
                "You keep the upper left corner of encoder. Convolutions without padding lose as much at each side, "
                "so the middle is what fits.",
                _from(lambda gap: 0),
            ),
            mistake(
                "cut-from-end",
                "You keep the lower right corner of encoder. The middle is what fits.",
                _from(lambda gap: gap),
            ),
            mistake(
                "rounded-up",
                "Where the difference is odd, you cut one row or column too late: (H − h) // 2 rounds down. Python's "
                "round(1.5) is 2, and so is the crop of torchvision.",
                _from(lambda gap: (gap + 1) // 2),
                _from(lambda gap: (gap + 1) // 2, lambda gap: gap // 2),
                _from(lambda gap: gap // 2, lambda gap: (gap + 1) // 2),
                _from(lambda gap: round(gap / 2)),
            ),
            mistake(
                "cut-off-by-one",
                "The piece begins one row and column beside the middle.",
                _from(lambda gap: min(gap // 2 + 1, gap)),
                _from(lambda gap: max(gap // 2 - 1, 0)),
            ),
            mistake(
                "halves-apart",
                "You halve H and h each and subtract afterwards. Both are rounded, and for an even H and an odd h the "
                "piece begins one row too late: subtract first, (H − h) // 2.",
                does(_halved_apart),
            ),
            mistake(
                "not-half",
                "The piece does not begin at half of the difference between the two sizes, (H − h) // 2.",
                _from(lambda gap: gap // 4),
                does(lambda d, e: torch.cat([_cut(d, e, d.shape[2] // 2, d.shape[3] // 2), d], 1)),
                does(lambda d, e: torch.cat([_cut(d, e, e.shape[2] // 4, e.shape[3] // 4), d], 1)),
            ),
            mistake(
                "decoder-first",
                "The channels of decoder come first. Put those of encoder before them: the weights of the next "
                "layer count on the order.",
                gives(lambda r, d, e: torch.cat([r[:, e.shape[1] :], r[:, : e.shape[1]]], 1)),
            ),
            mistake(
                "interleaved",
                "Channels of encoder and decoder take turns. First all of encoder, then all of decoder.",
                gives(_interleaved),
            ),
            mistake(
                "resized",
                "You resize a map to fit. That moves every pixel against its partner: cut the middle out instead.",
                *(way(up) for way in (_near, _area, _smooth, _corners) for up in (False, True)),
                does(lambda d, e: torch.cat([F.adaptive_max_pool2d(e, d.shape[2:]), d], 1)),
            ),
            mistake(
                "decoder-padded",
                "You enlarge decoder with a border. The result should be as large as decoder: it is encoder that is "
                "cut.",
                does(lambda d, e: _padded(d, e, _gap(d, e)[0] // 2, _gap(d, e)[1] // 2)),
                does(lambda d, e: _padded(d, e, (_gap(d, e)[0] + 1) // 2, (_gap(d, e)[1] + 1) // 2)),
                does(lambda d, e: _padded(d, e, 0, 0)),
                does(lambda d, e: _padded(d, e, _gap(d, e)[0] // 2, _gap(d, e)[1] // 2, "replicate")),
            ),
            mistake(
                "added",
                "The two maps are added, subtracted or multiplied. U-Net keeps both, one behind the other as channels.",
                does(lambda d, e: centre(d, e) + d),
                does(lambda d, e: centre(d, e) * d),
                does(lambda d, e: centre(d, e) - d),
                does(lambda d, e: torch.maximum(centre(d, e), d)),
                does(lambda d, e: (centre(d, e) + d) / 2),
            ),
            mistake(
                "wrong-axis",
                "The maps are put together along the wrong dimension. Channels are dimension 1.",
                does(lambda d, e: torch.cat([centre(d, e), d], 0)),
                does(lambda d, e: torch.cat([centre(d, e), d], 2)),
                does(lambda d, e: torch.cat([centre(d, e), d], 3)),
                does(lambda d, e: torch.stack([centre(d, e), d], 1)),
            ),
            mistake(
                "one-map-only",
                "Only one of the two maps is in your result, or one of them twice.",
                does(centre),
                does(lambda d, e: d),
                does(lambda d, e: torch.cat([centre(d, e)] * 2, 1)),
                does(lambda d, e: torch.cat([d, d], 1)),
            ),
            mistake(
                "height-for-width",
                "Height and width are mixed up: each has a difference of its own. Try a map that is not square.",
                _one_gap(0),
                _one_gap(1),
                does(_exchanged),
                does(lambda d, e: torch.cat([_cut(d.mT, e, *(g // 2 for g in _gap(d, e))), d], 1)),
            ),
            mistake(
                "one-axis-only",
                "Only one axis is cut from its middle; along the other you keep the beginning.",
                _from(lambda gap: gap // 2, lambda gap: 0),
                _from(lambda gap: 0, lambda gap: gap // 2),
            ),
            mistake("first-picture-only", "Only the first picture of the batch is worked on.", *FIRST_PICTURE),
            mistake(
                "first-channel-only",
                "Only the first channel of a map is in your result.",
                does(lambda d, e: torch.cat([centre(d, e)[:, :1], d], 1)),
                does(lambda d, e: torch.cat([centre(d, e), d[:, :1]], 1)),
                does(lambda d, e: torch.cat([centre(d, e)[:, :1], d[:, :1]], 1)),
            ),
            mistake(
                "halved",
                "Something is done to the numbers. They go into the result as they are.",
                gives(lambda r, *a: r / 2),
                gives(lambda r, *a: r.relu()),
            ),
            mistake(
                "odd-difference-breaks",
                "You cut the same number off at both ends. Where the difference is odd, one row is left over: cut "
                "from (H − h) // 2 on and keep h rows.",
                stops(_halves),
            ),
            mistake(
                "minus-zero",
                "A slice that ends at −n is empty where n is 0. Say where it begins and how many rows to keep: "
                "[y : y + h].",
                stops(_minus),
                stops(_ends_at_minus_zero),
            ),
            mistake(
                "not-cropped",
                "Your function stops as soon as encoder is larger than decoder: cut the middle out of it first.",
                stops(lambda d, e: torch.cat([e, d], 1)),
                stops(lambda d, e: torch.cat([d, e], 1)),
            ),
        ),
    )
)
