"""Chapter 06: dense upsampling convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Exercise, Function, does, given, gives, mistake, register, stops
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE
from segkit.grading.exercises.dense_upsample_cases import Size, duc_cases, duc_facts


def _scores(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    return F.conv2d(x, w, b, padding=1)


def duc(x: Tensor, w: Tensor, b: Tensor | None, d: int, size: Size) -> Tensor:
    """Reference of `dense_upsample`."""
    return F.pixel_shuffle(_scores(x, w, b), d)[..., : size[0], : size[1]]


def _crop(r: Tensor, size: Size) -> Tensor:
    return r[..., : size[0], : size[1]]


def _convolved(conv: Function):  # type: ignore[no-untyped-def]
    """Another convolution, then the right rearrangement."""
    return does(lambda x, w, b, d, z: _crop(F.pixel_shuffle(conv(x, w, b), d), z))


def _shuffled(shuffle: Function):  # type: ignore[no-untyped-def]
    """The right convolution, then another rearrangement of its d²·K channels."""
    return does(lambda x, w, b, d, z: _crop(shuffle(_scores(x, w, b), d), z))


def _fitted(fit: Function):  # type: ignore[no-untyped-def]
    """The whole map brought to its size in another way."""
    return does(lambda x, w, b, d, z: fit(F.pixel_shuffle(_scores(x, w, b), d), z))


def _rearranged(order: str, into: str):  # type: ignore[no-untyped-def]
    """Channels split as `order` (of k, a, b), dimensions then laid out as `into`."""

    def shuffle(r: Tensor, d: int) -> Tensor:
        n, channels, h, w = r.shape
        sizes = {"k": channels // (d * d), "a": d, "b": d}
        split = r.reshape(n, *(sizes[letter] for letter in order), h, w)
        return torch.einsum(f"n{order}hw->n{into}", split).reshape(n, -1, h * d, w * d)

    return _shuffled(shuffle)


def _in_order(order: str):  # type: ignore[no-untyped-def]
    """Channels taken to be counted as `order` (of k, a, b), the slowest first."""

    def reordered(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> tuple:  # type: ignore[type-arg]
        sizes = {"k": len(w) // (d * d), "a": d, "b": d}
        at = torch.arange(len(w)).reshape([sizes[letter] for letter in order])
        at = torch.einsum(f"{order}->kab", at).flatten()
        return x, w[at], None if b is None else b[at], d, z

    return given(reordered)


def _interpolated(mode: str, first: bool, **options: bool):  # type: ignore[no-untyped-def]
    """The first channel of each class, enlarged by interpolation."""

    def enlarged(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
        k = len(w) // (d * d)
        keep = slice(k) if first else slice(None, None, d * d)
        scores = _scores(x, w[keep], None if b is None else b[keep])
        return _crop(F.interpolate(scores, scale_factor=d, mode=mode, **options), z)

    return does(enlarged)


def _two_only(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
    return _crop(F.pixel_shuffle(_scores(x, w[: len(w) // 4 * 4], None if b is None else b[: len(w) // 4 * 4]), 2), z)


def _enlarged_first(mode: str):  # type: ignore[no-untyped-def]
    """The features enlarged, then the kernels of one score for each class."""

    def enlarged(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
        k = len(w) // (d * d)
        return _crop(_scores(F.interpolate(x, scale_factor=d, mode=mode), w[:k], None if b is None else b[:k]), z)

    return does(enlarged)


def _cut_first(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size, up: bool) -> Tensor:
    """The features cut to as many places as the size needs, or has room for."""
    h, v = ((n + d - 1) // d if up else n // d for n in z)
    return duc(x[..., :h, :v], w, b, d, z)


def _on_canvas(r: Tensor, z: Size) -> Tensor:
    """Zeros of the size asked for, filled as far as the scores reach."""
    return F.pad(r, (0, z[1] - r.shape[3], 0, z[0] - r.shape[2]))


def _whole_only(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
    return duc(x, w, b, d, z) if tuple(z) == (d * x.shape[2], d * x.shape[3]) else [][0]


def _end(r: Tensor, z: Size) -> Tensor:
    return r[..., r.shape[2] - z[0] :, r.shape[3] - z[1] :]


def _middle(r: Tensor, z: Size) -> Tensor:
    y, x = (r.shape[2] - z[0]) // 2, (r.shape[3] - z[1]) // 2
    return r[..., y : y + z[0], x : x + z[1]]


register(
    Exercise(
        name="dense_upsample",
        signature="dense_upsample(x, weight, bias, factor, size)",
        text=(
            "Dense upsampling convolution (DUC). x is N×C×h×w, weight (K·d²)×C×3×3 with d = factor, bias has K·d²\n"
            "numbers or is None. Convolve (stride 1, padding 1 of zeros): d² scores for each class and place of the\n"
            "coarse grid. Lay them out as the d×d block of that place, score k·d² + a·d + b in row a and column b of\n"
            "class k, which gives N×K×(d·h)×(d·w). Keep the first H rows and W columns, size = (H, W), which are at\n"
            "most d·h and d·w. The result is N×K×H×W with the dtype of x."
        ),
        reference=duc,
        cases=duc_cases,
        facts=duc_facts,
        mistakes=(
            mistake(
                "channel-order",
                "The channels are split in the wrong order: the class changes slowest, k·d² + a·d + b.",
                _in_order("abk"),
                _in_order("akb"),
            ),
            mistake(
                "offsets-exchanged",
                "a and b have changed places: the offset down, a, changes more slowly than the offset to the right, b.",
                _in_order("kba"),
                _in_order("bak"),
            ),
            mistake(
                "only-reshaped",
                "The scores keep their order in memory: a reshape alone moves nothing. Split the channels, bring a "
                "beside the rows and b beside the columns, then merge.",
                _shuffled(lambda r, d: r.reshape(len(r), -1, d * r.shape[2], d * r.shape[3])),
            ),
            mistake(
                "blocks-side-by-side",
                "The d² maps stand side by side as tiles. They should be interlaced: the d×d scores of one place lie "
                "together.",
                _rearranged("kab", "kahbw"),
                _rearranged("kab", "kbhaw"),
            ),
            mistake(
                "half-interlaced",
                "Along one axis the maps are interlaced, along the other they stand side by side.",
                _rearranged("kab", "khabw"),
                _rearranged("kab", "kahwb"),
            ),
            mistake(
                "interpolated",
                "You compute one score for each class and place and enlarge that, or repeat it. The point of DUC is "
                "that each of the d² positions has weights of its own.",
                _interpolated("bilinear", True, align_corners=False),
                _interpolated("bilinear", False, align_corners=False),
                _interpolated("bilinear", True, align_corners=True),
                _interpolated("bilinear", False, align_corners=True),
                _interpolated("nearest", True),
                _interpolated("nearest", False),
                _enlarged_first("nearest"),
                _enlarged_first("bilinear"),
                _shuffled(lambda r, d: F.interpolate(r.unflatten(1, (-1, d * d)).mean(2), scale_factor=d)),
            ),
            mistake(
                "not-rearranged",
                "Your result is still coarse, with d² channels for each class.",
                does(lambda x, w, b, d, z: _scores(x, w, b)),
            ),
            mistake(
                "cut-from-end",
                "You keep the last rows and columns, or the middle. What was added to make the picture divisible is "
                "at the bottom and the right: keep the first ones.",
                _fitted(_end),
                _fitted(_middle),
            ),
            mistake(
                "cut-first",
                "You cut x before the convolution. What is cut off there is missing in the sums at its edge: cut the "
                "finished map.",
                does(lambda x, w, b, d, z: _cut_first(x, w, b, d, z, True)),
                does(lambda x, w, b, d, z: _cut_first(x, w, b, d, z, False)),
            ),
            mistake(
                "squeezed-not-cut",
                "You resize the map to `size`. That moves every pixel: cut it off at the bottom and the right.",
                _fitted(lambda r, z: F.interpolate(r, size=tuple(z), mode="bilinear", align_corners=False)),
                _fitted(lambda r, z: F.interpolate(r, size=tuple(z), mode="bilinear", align_corners=True)),
                _fitted(lambda r, z: F.interpolate(r, size=tuple(z), mode="nearest")),
            ),
            mistake(
                "size-swapped",
                "Height and width of `size` are exchanged: it is (H, W).",
                given(lambda x, w, b, d, z: (x, w, b, d, (z[1], z[0]))),
                does(lambda x, w, b, d, z: _on_canvas(duc(x, w, b, d, (z[1], z[0])), (z[1], z[0]))),
            ),
            mistake(
                "factor-fixed",
                "The factor is taken to be 2 whatever `factor` says.",
                given(lambda x, w, b, d, z: (x, w, b, 2, z)),
                does(_two_only),
                does(lambda x, w, b, d, z: _on_canvas(_two_only(x, w, b, d, z), z)),
            ),
            mistake(
                "padding-missing",
                "The map shrinks in the convolution: a 3×3 kernel needs a border of one zero to keep the size.",
                _convolved(lambda x, w, b: F.conv2d(x, w, b)),
            ),
            mistake(
                "padding-not-zero",
                "The border of the convolution is not made of zeros: you repeat or wrap around what is at the edge, or "
                "put the border around the result.",
                _convolved(lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), w, b)),
                _convolved(lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w, b)),
                _convolved(lambda x, w, b: F.pad(F.conv2d(x, w, b), (1, 1, 1, 1))),
            ),
            mistake(
                "kernel-flipped",
                "The kernel is turned by 180°. In a network's convolution weight[o, c, 0, 0] meets the neighbour at "
                "the upper left.",
                given(lambda x, w, b, d, z: (x, w.flip(2, 3), b, d, z)),
            ),
            mistake(
                "kernel-transposed",
                "Rows and columns of the kernel have changed places.",
                given(lambda x, w, b, d, z: (x, w.transpose(2, 3), b, d, z)),
            ),
            mistake(
                "middle-weight-only",
                "Only the middle weight of each kernel is used: that is a 1×1 convolution.",
                _convolved(lambda x, w, b: F.conv2d(x, w[:, :, 1:2, 1:2], b)),
            ),
            mistake(
                "bias-ignored",
                "`bias` makes no difference in your function.",
                given(lambda x, w, b, d, z: (x, w, None, d, z)),
            ),
            mistake(
                "one-bias-per-class",
                "All d² positions of a class get the same bias. Each score has its own, bias[k·d² + a·d + b].",
                does(
                    lambda x, w, b, d, z: (
                        duc(x, w, None, d, z) + (0 if b is None else b[: len(b) // (d * d), None, None])
                    )
                ),
                does(lambda x, w, b, d, z: duc(x, w, None, d, z) + (0 if b is None else b[:: d * d, None, None])),
            ),
            mistake(
                "channels-not-summed",
                "Not every input channel counts, or you take their mean. Each score is the sum over all of them.",
                _convolved(lambda x, w, b: _scores(x[:, :1], w[:, :1], b)),
                _convolved(lambda x, w, b: _scores(x[:, -1:], w[:, -1:], b)),
                _convolved(lambda x, w, b: _scores(x, w / w.shape[1], b)),
            ),
            mistake(
                "activation-added",
                "Something is done to the scores at the end. They are logits and stay as they are.",
                gives(lambda r, *a: r.relu()),
                gives(lambda r, *a: r.sigmoid()),
                gives(lambda r, *a: r.softmax(1)),
                gives(lambda r, *a: r.log_softmax(1)),
            ),
            mistake(
                "rows-columns-exchanged",
                "Rows and columns of the result are exchanged.",
                gives(lambda r, *a: r.transpose(2, 3)),
                gives(lambda r, *a: r.transpose(2, 3).reshape(r.shape)),
            ),
            mistake("first-picture-only", "Only the first picture of the batch is worked on.", *FIRST_PICTURE),
            mistake("first-class-only", "Only the first class is made.", *FIRST_CHANNEL),
            mistake(
                "not-cropped",
                "Your result is d times as large as x. Where the picture does not divide by d, that is more than "
                "`size`: cut it.",
                _fitted(lambda r, z: r),
                stops(_whole_only),
            ),
        ),
    )
)
