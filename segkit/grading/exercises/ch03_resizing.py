"""Chapter 03: bilinear interpolation, unpooling, pixel shuffle."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.made import distinct, noncontiguous, normal, quarters

FIRST_PICTURE = (
    gives(lambda r, *a: r[:1]), gives(lambda r, *a: r[:1].expand_as(r)), gives(lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])])),
)  # fmt: skip
FIRST_CHANNEL = (
    gives(lambda r, *a: r[:, :1]), gives(lambda r, *a: r[:, :1].expand_as(r)), gives(lambda r, *a: torch.cat([r[:, :1], torch.zeros_like(r[:, 1:])], 1)),
)  # fmt: skip

# interpolate_bilinear ----------------------------------------------------------------------------------------------


def bilinear(x: Tensor, size: tuple[int, int], align: bool) -> Tensor:
    """Reference of `interpolate_bilinear`."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align)


def _bilinear_cases() -> list[Case]:
    x = quarters(1, 1, 1, 3, 4)
    calls: list[tuple[str, Tensor, tuple[int, int], bool]] = [
        ("plain", quarters(2, 1, 1, 2, 2), (4, 4), False), ("plain", x, (6, 8), False), ("plain", x, (6, 12), False),
        ("align_corners", quarters(3, 1, 1, 2, 2), (3, 3), True), ("align_corners", x, (6, 8), True), ("align_corners", x, (7, 5), True),
        ("odd factors", x, (7, 9), False), ("odd factors", quarters(4, 1, 1, 5, 7), (13, 11), False),
        ("smaller output", quarters(5, 1, 1, 7, 8), (3, 5), False), ("smaller output", quarters(6, 1, 1, 7, 6), (4, 3), True),
        ("same size", x, (3, 4), False), ("same size", x, (3, 4), True),
        ("one pixel", quarters(7, 1, 1, 1, 1), (3, 4), False), ("one pixel", x, (1, 1), True), ("one pixel", quarters(8, 1, 1, 1, 4), (3, 7), True),
        ("batch and channels", quarters(9, 2, 3, 3, 4), (5, 9), False), ("batch and channels", quarters(10, 3, 2, 4, 3), (7, 6), True),
        ("float64", normal(11, 2, 2, 3, 4, dtype=torch.float64), (8, 5), False),
        ("memory layout", noncontiguous(quarters(12, 2, 2, 4, 5)), (7, 8), False),
    ]  # fmt: skip
    return [Case(tuple(args), group) for group, *args in calls]


def _bilinear_facts(x: Tensor, size: tuple[int, int], align: bool) -> dict[str, bool]:
    return {
        "align_corners is True": align,
        "align_corners is False": not align,
        "the output is smaller than the input": size[0] < x.shape[2] or size[1] < x.shape[3],
        "the height and width grow by different factors": size[0] * x.shape[3] != size[1] * x.shape[2],
        "the factor is not a whole number": size[0] % x.shape[2] > 0 or size[1] % x.shape[3] > 0,
        "a size is 1": 1 in size or 1 in x.shape[2:],
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one channel": x.shape[1] > 1,
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _source(n: int, m: int, align: bool) -> Tensor:
    """Where each of the m outputs looks among n inputs, before clamping."""
    at = torch.arange(m, dtype=torch.float64)
    return at * ((n - 1) / (m - 1) if m > 1 else 0.0) if align else (at + 0.5) * n / m - 0.5


def _matrix(at: Tensor, n: int, border: str = "clamp", swap: bool = False) -> Tensor:
    """m×n: the weights of linear interpolation at the places `at`."""
    at = at.clamp(0, n - 1) if border == "clamp" else at
    low = at.floor().clamp(0, max(n - 2, 0)) if border == "extend" else at.floor()
    share = at - low
    share = 1 - share if swap else share
    columns = torch.arange(n)
    if n == 1 and border == "extend":
        return torch.ones(len(at), 1)
    left = (columns == low[:, None]) * (1 - share)[:, None]
    return left + (columns == (low + 1)[:, None]) * share[:, None] + (columns == n - 1) * (low >= n - 1)[:, None] * share[:, None] * (border == "clamp")


def _by(x: Tensor, size: tuple[int, int], source: Any, **options: Any) -> Tensor:
    """Interpolate with another rule for where to look."""
    rows, columns = (_matrix(source(n, m), n, **options).to(x.dtype) for n, m in zip(x.shape[2:], size, strict=True))
    return torch.einsum("ah,nchw,bw->ncab", rows, x, columns)


def _one_axis(x: Tensor, size: tuple[int, int], align: bool, rows: bool, floor: bool = False) -> Tensor:
    first = bilinear(x, (size[0], x.shape[3]) if rows else (x.shape[2], size[1]), align)
    if floor:
        return _by(first, size, lambda n, m: torch.arange(m) if n == m else _source(n, m, align).floor())
    return F.interpolate(first, size=tuple(size), mode="nearest")


register(Exercise(
    name="interpolate_bilinear",
    signature="interpolate_bilinear(x, size, align_corners)",
    text=(
        "Bilinear resizing of x (N×C×H×W) to size = (height, width), as torch.nn.functional.interpolate(mode='bilinear') does it, without antialiasing.\n"
        "align_corners=False: output row i looks at the input row (i + ½)·H/height − ½, kept within 0 … H − 1. align_corners=True: at i·(H − 1)/(height − 1),\n"
        "and at 0 where height is 1. Columns likewise. In between, the four neighbours are mixed by their nearness."
    ),
    reference=bilinear,
    cases=_bilinear_cases,
    facts=_bilinear_facts,
    mistakes=(
        mistake("align-corners-inverted", "The two meanings of align_corners are exchanged. With True the centres of the corner pixels stay in the corners.",
                given(lambda x, z, a: (x, z, not a))),
        mistake("align-corners-ignored", "`align_corners` makes no difference in your function.", given(lambda x, z, a: (x, z, True)), given(lambda x, z, a: (x, z, False))),
        mistake("half-pixel-missing", "With align_corners=False pixels are little squares whose centres lie at i + ½. You scale the row numbers instead of the centres.",
                does(lambda x, z, a: bilinear(x, z, a) if a else _by(x, z, lambda n, m: torch.arange(m, dtype=torch.float64) * n / m)),
                does(lambda x, z, a: bilinear(x, z, a) if a else _by(x, z, lambda n, m: (torch.arange(m, dtype=torch.float64) + 0.5) * n / m)),
                does(lambda x, z, a: _by(x, z, lambda n, m: torch.arange(m, dtype=torch.float64) * n / m))),
        mistake("border-not-clamped", "At the border the place to look at lies outside the picture. Keep it within 0 … H − 1; yours goes on the line beyond the last two pixels, "
                "or takes 0 there.", does(lambda x, z, a: _by(x, z, lambda n, m: _source(n, m, a), border="extend")),
                does(lambda x, z, a: _by(x, z, lambda n, m: _source(n, m, a), border="zero"))),
        mistake("weights-exchanged", "The nearer pixel gets the smaller weight. The share of a neighbour falls with its distance.",
                does(lambda x, z, a: _by(x, z, lambda n, m: _source(n, m, a), swap=True)),
                does(lambda x, z, a: _by(x, z, lambda n, m: _source(n, m, a).clamp(0, n - 1), border="extend", swap=True))),
        mistake("nearest", "This is the nearest pixel, not a mixture of four.", does(lambda x, z, a: F.interpolate(x, size=tuple(z), mode="nearest")),
                does(lambda x, z, a: F.interpolate(x, size=tuple(z), mode="nearest-exact")),
                does(lambda x, z, a: _by(x, z, lambda n, m: _source(n, m, a).floor())), does(lambda x, z, a: _by(x, z, lambda n, m: _source(n, m, a).round()))),
        mistake("one-axis-only", "Along one axis you mix neighbours, along the other you copy the nearest. Do the same for rows and columns.",
                does(lambda x, z, a: _one_axis(x, z, a, True)), does(lambda x, z, a: _one_axis(x, z, a, False)),
                does(lambda x, z, a: _one_axis(x, z, a, True, True)), does(lambda x, z, a: _one_axis(x, z, a, False, True))),
        mistake("size-swapped", "Height and width of `size` are exchanged: it is (height, width).", given(lambda x, z, a: (x, (z[1], z[0]), a))),
        mistake("scale-inverted", "The factor is upside down: to find where an output looks, multiply by input size / output size.",
                does(lambda x, z, a: _by(x, z, lambda n, m: torch.arange(m) * ((m - 1) / max(n - 1, 1)) if a else (torch.arange(m) + 0.5) * m / n - 0.5)),
                does(lambda x, z, a: bilinear(x, z, a) if a else _by(x, z, lambda n, m: (torch.arange(m) + 0.5) * m / n - 0.5))),
        mistake("one-factor-for-both", "One factor serves both axes. Height and width have their own.",
                does(lambda x, z, a: _by(x, z, lambda n, m: _source(x.shape[2], z[0], a) if m == z[0] else _source(x.shape[2], z[0], a)[:1].new_tensor(
                    [(i + 0.5) * x.shape[2] / z[0] - 0.5 if not a else i * (x.shape[2] - 1) / max(z[0] - 1, 1) for i in range(m)]))),
                does(lambda x, z, a: _by(x, z, lambda n, m: torch.tensor(
                    [(i + 0.5) * x.shape[3] / z[1] - 0.5 if not a else i * (x.shape[3] - 1) / max(z[1] - 1, 1) for i in range(m)], dtype=torch.float64)))),
        mistake("one-row-divides-by-zero", "With align_corners=True and an output of one row, height − 1 is 0, and you divide by it.",
                does(lambda x, z, a: bilinear(x, z, a) * (float("nan") if a and 1 in z else 1.0))),
        mistake("antialiased", "Your result is smoothed where it shrinks. Plain bilinear resizing looks at four pixels only.",
                does(lambda x, z, a: F.interpolate(x, size=tuple(z), mode="bilinear", align_corners=a, antialias=True))),
        mistake("bicubic", "This is bicubic: sixteen neighbours. Bilinear mixes four.",
                does(lambda x, z, a: F.interpolate(x, size=tuple(z), mode="bicubic", align_corners=a))),
        mistake("first-picture-only", "Only the first picture of the batch is resized.", *FIRST_PICTURE),
        mistake("first-channel-only", "Only the first channel is resized.", *FIRST_CHANNEL),
    ),
))  # fmt: skip


# max_unpool2d ------------------------------------------------------------------------------------------------------


def unpool(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Reference of `max_unpool2d`."""
    n, c = x.shape[:2]
    return x.new_zeros(n, c, size[0] * size[1]).scatter(2, indices.flatten(2), x.flatten(2)).reshape(n, c, *size)


def _unpool_case(seed: int, shape: tuple[int, ...], k: int, s: int, group: str, dtype: torch.dtype = torch.float32) -> Case:
    make = normal if dtype == torch.float64 else distinct
    values, indices = F.max_pool2d(make(seed, *shape, dtype=dtype), k, s, return_indices=True)
    return Case((values, indices, shape[2:]), group)


def _unpool_cases() -> list[Case]:
    x, indices, size = _unpool_case(9, (2, 2, 6, 8), 2, 2, "").args
    return [
        _unpool_case(1, (1, 1, 2, 4), 2, 2, "plain"),
        _unpool_case(2, (1, 1, 4, 6), 2, 2, "plain"),
        _unpool_case(3, (1, 1, 5, 7), 2, 2, "odd sizes"),
        _unpool_case(4, (1, 1, 8, 7), 3, 3, "odd sizes"),
        _unpool_case(5, (1, 3, 4, 6), 2, 2, "channels"),
        _unpool_case(6, (3, 1, 6, 4), 2, 2, "batch"),
        _unpool_case(7, (2, 3, 5, 6), 2, 2, "batch"),
        _unpool_case(8, (1, 2, 7, 5), 3, 2, "overlapping windows"),
        _unpool_case(11, (1, 1, 4, 5), 3, 1, "overlapping windows"),
        _unpool_case(10, (2, 2, 6, 5), 2, 2, "float64", torch.float64),
        Case((noncontiguous(x), noncontiguous(indices), size), "memory layout"),
    ]


def _unpool_facts(x: Tensor, indices: Tensor, size: tuple[int, int]) -> dict[str, bool]:
    return {
        "an index occurs twice in a plane": any(len(p.unique()) < p.numel() for p in indices.flatten(0, 1).flatten(1)),
        "the output is not twice as large": tuple(size) != (2 * x.shape[2], 2 * x.shape[3]),
        "the output is not square": size[0] != size[1],
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one channel": x.shape[1] > 1,
    }


def _summed(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    n, c = x.shape[:2]
    return x.new_zeros(n, c, size[0] * size[1]).scatter_add(2, indices.flatten(2), x.flatten(2)).reshape(n, c, *size)


def _corner(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    out = x.new_zeros(*x.shape[:2], *size)
    out[..., : 2 * x.shape[2] : 2, : 2 * x.shape[3] : 2] = x[..., : (size[0] + 1) // 2, : (size[1] + 1) // 2]
    return out


def _together(x: Tensor, indices: Tensor, size: tuple[int, int], start: int) -> Tensor:
    """Planes from dimension `start` on share one count of positions."""
    out = x.new_zeros(*x.shape[:2], *size).flatten(start)
    return out.scatter(start, indices.flatten(start), x.flatten(start)).reshape(*x.shape[:2], *size)


register(Exercise(
    name="max_unpool2d",
    signature="max_unpool2d(x, indices, output_size)",
    text=(
        "Put each number of x (N×C×h×w) back where its index says, and 0 everywhere else. indices has the shape of x and counts positions in each plane\n"
        "of output_size = (H, W), row by row. Where an index occurs twice (overlapping windows), both numbers are the same, and it stands there once.\n"
        "The result is N×C×H×W with the dtype of x."
    ),
    reference=unpool,
    cases=_unpool_cases,
    facts=_unpool_facts,
    mistakes=(
        mistake("bed-of-nails", "Every number goes to the top left of its window. The indices say where it really came from.", does(_corner)),
        mistake("copied-to-window", "Every number fills its whole window. Only one position gets it; the others stay 0.",
                does(lambda x, i, z: F.interpolate(x, size=tuple(z), mode="nearest")), does(lambda x, i, z: F.interpolate(x, scale_factor=2, mode="nearest"))),
        mistake("planes-mixed-up", "Channels or pictures land in the same plane. An index counts within its own plane: keep N and C apart.",
                does(lambda x, i, z: _together(x, i, z, 1)), does(lambda x, i, z: _together(x, i, z, 0))),
        mistake("summed-twice", "Where an index occurs twice you add. Both are the same maximum: it stands there once.", does(_summed)),
        mistake("index-column-major", "Indices are read column by column. They count row by row: row = index // W, column = index % W.",
                does(lambda x, i, z: unpool(x, (i % z[0]) * z[1] + i // z[0], z)), does(lambda x, i, z: unpool(x, i, (z[1], z[0])).transpose(2, 3))),
        mistake("divided-by-height", "Row and column are got with H. One row holds W numbers: row = index // W, column = index % W.",
                does(lambda x, i, z: unpool(x, (i // z[0]) * z[1] + i % z[0], z))),
        mistake("always-doubled", "Your result is always twice as large as x. `output_size` says how large it should be: pooling may have left out a last row.",
                does(lambda x, i, z: unpool(x, (i // z[1]) * 2 * x.shape[3] + i % z[1], (2 * x.shape[2], 2 * x.shape[3]))),
                does(lambda x, i, z: unpool(x, i, (2 * x.shape[2], 2 * x.shape[3])))),
        mistake("size-swapped", "Height and width of `output_size` are exchanged: it is (H, W).", does(lambda x, i, z: unpool(x, i, (z[1], z[0])))),
        mistake("index-off-by-one", "Every number lands one position away from where it belongs. Indices start at 0.",
                does(lambda x, i, z: unpool(x, (i - 1) % (z[0] * z[1]), z)), does(lambda x, i, z: unpool(x, (i + 1) % (z[0] * z[1]), z))),
        mistake("not-zero-elsewhere", "The other positions should be 0.", gives(lambda r, *a: torch.where(r == 0, float("nan"), r)),
                gives(lambda r, x, *a: torch.where(r == 0, x.min(), r)), gives(lambda r, *a: torch.where(r == 0, float("-inf"), r)),
                gives(lambda r, *a: torch.where(r == 0, 1.0, r))),
        mistake("ones-instead", "You mark the positions with 1. They get the numbers of x.", gives(lambda r, *a: (r != 0).to(r.dtype)),
                does(lambda x, i, z: unpool(torch.ones_like(x), i, z))),
        mistake("left-flat", "The result is still flat: give it the shape N×C×H×W at the end.", gives(lambda r, *a: r.flatten(2)), gives(lambda r, *a: r.flatten(1)),
                gives(lambda r, *a: r.flatten())),
        mistake("first-picture-only", "Only the first picture of the batch is worked on.", *FIRST_PICTURE),
        mistake("first-channel-only", "Only the first channel is worked on.", *FIRST_CHANNEL),
        mistake("negative-lost", "Negative numbers are lost: they are compared with the 0 that stood there before. Write, do not compare.",
                gives(lambda r, *a: r.clamp(min=0))),
    ),
))  # fmt: skip


# pixel_shuffle -----------------------------------------------------------------------------------------------------


def _shuffle_cases() -> list[Case]:
    return [
        Case((distinct(1, 1, 4, 1, 2), 2), "plain"),
        Case((distinct(2, 1, 4, 2, 3), 2), "plain"),
        Case((distinct(3, 1, 4, 3, 2), 2), "plain"),
        Case((distinct(4, 1, 8, 2, 3), 2), "channels"),
        Case((distinct(5, 1, 12, 3, 2), 2), "channels"),
        Case((distinct(6, 2, 4, 2, 3), 2), "batch"),
        Case((distinct(7, 3, 8, 3, 1), 2), "batch"),
        Case((distinct(8, 1, 9, 2, 3), 3), "other factors"),
        Case((distinct(9, 2, 32, 1, 2), 4), "other factors"),
        Case((distinct(10, 2, 3, 2, 3), 1), "other factors"),
        Case((normal(11, 1, 8, 2, 3, dtype=torch.float64), 2), "float64"),
        Case((noncontiguous(distinct(12, 2, 8, 3, 4)), 2), "memory layout"),
    ]


def _shuffle_facts(x: Tensor, r: int) -> dict[str, bool]:
    return {
        "upscale_factor is not 2": r != 2,
        "upscale_factor is 1": r == 1,
        "the result has more than one channel": x.shape[1] > r * r,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _rearranged(order: str, into: str):  # type: ignore[no-untyped-def]
    """Channels split as `order` (of c, a, b), dimensions then laid out as `into`."""

    def shuffle(x: Tensor, r: int) -> Tensor:
        n, k, h, w = x.shape
        sizes = {"c": k // (r * r), "a": r, "b": r}
        split = x.reshape(n, *(sizes[letter] for letter in order), h, w)
        return torch.einsum(f"n{order}hw->n{into}", split).reshape(n, k // (r * r), h * r, w * r)

    return does(shuffle)


def _by_two(x: Tensor, r: int) -> Tensor:
    """Factor 2; channels that are left over are forgotten."""
    n, k, h, w = x.shape
    split = x[:, : k // 4 * 4].reshape(n, k // 4, 2, 2, h, w)
    return split.permute(0, 1, 4, 2, 5, 3).reshape(n, k // 4, 2 * h, 2 * w)


register(Exercise(
    name="pixel_shuffle",
    signature="pixel_shuffle(x, upscale_factor)",
    text=(
        "Turn channels into resolution, as torch.nn.functional.pixel_shuffle does: x is N×(C·r²)×H×W, the result N×C×(H·r)×(W·r) with\n"
        "out[n, c, i·r + a, j·r + b] = x[n, c·r² + a·r + b, i, j] for a, b from 0 to r − 1."
    ),
    reference=F.pixel_shuffle,
    cases=_shuffle_cases,
    facts=_shuffle_facts,
    mistakes=(
        mistake("channel-order", "The channels are split in the wrong order: the output channel changes slowest (c·r² + a·r + b), a and b fastest.",
                _rearranged("abc", "chawb"), _rearranged("acb", "chawb")),
        mistake("offsets-exchanged", "a and b have changed places: the offset down, a, changes more slowly than the offset to the right, b.", _rearranged("cab", "chbwa"),
                _rearranged("bac", "chawb")),
        mistake("only-reshaped", "The numbers keep their order in memory: a reshape alone moves nothing. Split the channels, bring a beside the rows and b beside "
                "the columns, then merge.", does(lambda x, r: x.reshape(x.shape[0], -1, x.shape[2] * r, x.shape[3] * r))),
        mistake("blocks-side-by-side", "The r² pictures stand side by side as tiles. They should be interlaced: after the row i, its offset a.", _rearranged("cab", "cahbw"),
                _rearranged("cab", "cbhaw")),
        mistake("half-interlaced", "Along one axis the pictures are interlaced, along the other they stand side by side.", _rearranged("cab", "chabw"), _rearranged("cab", "cahwb")),
        mistake("copied", "Each number is repeated. Every one of the r² channels has its own position.",
                does(lambda x, r: x[:, :: r * r].repeat_interleave(r, 2).repeat_interleave(r, 3)),
                does(lambda x, r: x[:, : x.shape[1] // (r * r)].repeat_interleave(r, 2).repeat_interleave(r, 3)),
                does(lambda x, r: x.repeat_interleave(r, 2).repeat_interleave(r, 3)),
                does(lambda x, r: x.unflatten(1, (-1, r * r)).mean(2).repeat_interleave(r, 2).repeat_interleave(r, 3))),
        mistake("unshuffled", "This is the way back, from resolution to channels.", does(lambda x, r: F.pixel_unshuffle(F.pad(x, (0, -x.shape[3] % r, 0, -x.shape[2] % r)), r))),
        mistake("factor-fixed", "The factor is taken to be 2 whatever `upscale_factor` says.", given(lambda x, r: (x, 2)), does(_by_two)),
        mistake("rows-columns-exchanged", "Rows and columns of the result are exchanged.", gives(lambda o, *a: o.transpose(2, 3)),
                gives(lambda o, *a: o.transpose(2, 3).reshape(o.shape))),
        mistake("offset-reversed", "The offsets run backwards: a = 0 is the upper one of the r rows.", given(lambda x, r: (x.unflatten(1, (-1, r * r)).flip(2).flatten(1, 2), r)),
                given(lambda x, r: (x.unflatten(1, (-1, r, r)).flip(2).flatten(1, 3), r)), given(lambda x, r: (x.unflatten(1, (-1, r, r)).flip(3).flatten(1, 3), r))),
        mistake("first-picture-only", "Only the first picture of the batch is worked on.", *FIRST_PICTURE),
        mistake("batch-into-channels", "Pictures of the batch are mixed with channels: keep N apart when you reshape.",
                does(lambda x, r: F.pixel_shuffle(x.transpose(0, 1).reshape(x.shape), r))),
        mistake("first-channel-only", "Only the first channel of the result is made.", *FIRST_CHANNEL),
    ),
))  # fmt: skip
