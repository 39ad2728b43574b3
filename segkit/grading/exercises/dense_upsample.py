"""Chapter 06: dense upsampling convolution."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives, stops
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, layer
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE, refuses_none
from segkit.grading.exercises.mechanical import changed, ignored
from segkit.grading.exercises.moved_numbers import rearranged

TASK = """Dense upsampling convolution (DUC). x is N×C×h×w, weight (K·d²)×C×3×3 with d = factor, bias has K·d²
numbers or is None. Convolve (stride 1, padding 1 of zeros): d² scores for each class and place of the
coarse grid. Lay them out as the d×d block of that place, score k·d² + a·d + b in row a and column b of
class k, which gives N×K×(d·h)×(d·w). Keep the first H rows and W columns, size = (H, W), which are at
most d·h and d·w. The result is N×K×H×W with the dtype of x."""

Size = tuple[int, int]


def _scores(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    return F.conv2d(x, w, b, padding=1)


def _crop(r: Tensor, size: Size) -> Tensor:
    return r[..., : size[0], : size[1]]


def duc(x: Tensor, w: Tensor, b: Tensor | None, d: int, size: Size) -> Tensor:
    """Reference of `dense_upsample`."""
    return _crop(F.pixel_shuffle(_scores(x, w, b), d), size)


@each
def _convolved(conv: Function) -> Ways:
    """Another convolution, then the right rearrangement."""
    return does(lambda x, w, b, d, z: _crop(F.pixel_shuffle(conv(x, w, b), d), z))


@each
def _shuffled(shuffle: Function) -> Ways:
    """The right convolution, then another rearrangement of its d²·K channels."""
    return does(lambda x, w, b, d, z: _crop(shuffle(_scores(x, w, b), d), z))


@each
def _fitted(fit: Function) -> Ways:
    """The whole map brought to its size in another way."""
    return does(lambda x, w, b, d, z: fit(F.pixel_shuffle(_scores(x, w, b), d), z))


@each
def _in_order(order: str) -> Ways:
    """Channels taken to be counted as `order` (of k, a, b), the slowest first."""

    def reordered(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Args:
        sizes = {"k": len(w) // (d * d), "a": d, "b": d}
        at = torch.arange(len(w)).reshape([sizes[letter] for letter in order])
        at = torch.einsum(f"{order}->kab", at).flatten()
        return x, w[at], None if b is None else b[at], d, z

    return given(reordered)


def _one_score(enlarge: Function) -> Ways:
    """One score for each class, by the first kernels: enlarged, or computed from enlarged features."""

    def of_first(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size, late: bool) -> Tensor:
        k = len(w) // (d * d)
        w, b = w[:k], None if b is None else b[:k]
        return _crop(enlarge(_scores(x, w, b), d) if late else _scores(enlarge(x, d), w, b), z)

    return does(partial(of_first, late=True), partial(of_first, late=False))


def _interpolated(mode: str, align: bool | None = None) -> Function:
    return lambda x, d: F.interpolate(x, scale_factor=d, mode=mode, align_corners=align)


def _two_only(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
    return _crop(F.pixel_shuffle(_scores(x, w[: len(w) // 4 * 4], None if b is None else b[: len(w) // 4 * 4]), 2), z)


def _cut_first(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
    """The features cut to as many places as the size needs."""
    h, v = ((n + d - 1) // d for n in z)
    return duc(x[..., :h, :v], w, b, d, z)


def _on_canvas(r: Tensor, z: Size) -> Tensor:
    """Zeros of the size asked for, filled as far as the scores reach."""
    return F.pad(r, (0, z[1] - r.shape[3], 0, z[0] - r.shape[2]))


def _middle(r: Tensor, z: Size) -> Tensor:
    y, x = (r.shape[2] - z[0]) // 2, (r.shape[3] - z[1]) // 2
    return r[..., y : y + z[0], x : x + z[1]]


def _call(
    seed: int, x: Shape, classes: int, d: int, size: Size, bias: bool = False, dtype: torch.dtype = torch.float32
) -> Args:
    scores, channels = classes * d * d, (1, *x)[-3]
    return *layer(seed, x, (scores, channels, 3, 3), scores * bias, dtype), d, size


def duc_cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 2), 1, 2, (2, 4)), (4, (2, 3), 1, 2, (4, 6)), (7, (4, 3), 1, 2, (8, 6))),
        ("channels", (10, (1, 2, 2, 3), 1, 2, (4, 6)), (13, (1, 3, 3, 2), 1, 2, (6, 4))),
        ("classes", (16, (2, 3), 3, 2, (4, 6)), (19, (1, 2, 3, 2), 2, 2, (6, 4))),
        ("batch", (22, (2, 1, 2, 3), 1, 2, (4, 6)), (25, (3, 2, 3, 2), 2, 2, (6, 4))),
        ("bias", (28, (2, 3), 1, 2, (4, 6), True), (31, (1, 2, 3, 2), 3, 2, (6, 4), True)),
        ("other factors", (34, (2, 3), 1, 3, (6, 9)), (37, (1, 2, 1, 2), 2, 4, (4, 8))),
        ("other factors", (40, (1, 2, 3, 4), 2, 1, (3, 4))),
        ("cropped", (43, (2, 3), 1, 2, (3, 6)), (46, (2, 3), 2, 2, (4, 5)), (49, (3, 2), 1, 3, (7, 5))),
        ("cropped", (52, (3, 3), 1, 4, (9, 10)), (67, (3, 4), 1, 2, (3, 4))),
        ("float64", (55, (2, 2, 2, 3), 2, 2, (3, 5), True, torch.float64)),
        ("memory layout", (58, (2, 2, 3, 3), 2, 2, (6, 6))),
        ("everything together", (61, (2, 3, 3, 2), 3, 4, (11, 7), True), (64, (3, 2, 2, 4), 2, 3, (5, 12), True)),
        of=_call,
    )


def duc_facts(x: Tensor, w: Tensor, b: Tensor | None, d: int, size: Size) -> dict[str, bool]:
    return {
        "the map is cut": tuple(size) != (d * x.shape[2], d * x.shape[3]),
        "there is a bias": b is not None,
        "factor is not 2": d != 2,
        "factor is 1": d == 1,
        "there is more than one class": len(w) > d * d,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one picture in the batch": x.shape[0] > 1,
    }


MESSAGES = """
channel-order: The channels are split in the wrong order: the class changes slowest, k·d² + a·d + b.
offsets-exchanged: a and b have changed places: the offset down, a, changes more slowly than the offset to the right, b.
only-reshaped: The scores keep their order in memory: a reshape alone moves nothing. Split the channels, bring a beside
    the rows and b beside the columns, then merge.
blocks-side-by-side: The d² maps stand side by side as tiles. They should be interlaced: the d×d scores of one place lie
    together.
half-interlaced: Along one axis the maps are interlaced, along the other they stand side by side.
interpolated: You compute one score for each class and place and enlarge that, or repeat it. The point of DUC is that
    each of the d² positions has weights of its own.
not-rearranged: Your result is still coarse, with d² channels for each class.
cut-from-end: You keep the last rows and columns, or the middle. What was added to make the picture divisible is at the
    bottom and the right: keep the first ones.
cut-first: You cut x before the convolution. What is cut off there is missing in the sums at its edge: cut the finished
    map.
squeezed-not-cut: You resize the map to `size`. That moves every pixel: cut it off at the bottom and the right.
size-swapped: Height and width of `size` are exchanged: it is (H, W).
factor-fixed: The factor is taken to be 2 whatever `factor` says.
padding-missing: The convolution makes the map smaller: a 3×3 kernel needs a border of one zero to keep the size.
padding-not-zero: The border of the convolution is not made of zeros: you repeat or wrap around what is at the edge, or
    put the border around the result.
kernel-flipped: The kernel is turned by 180°. In a network's convolution weight[o, c, 0, 0] meets the neighbour at the
    upper left.
kernel-transposed: Rows and columns of the kernel have changed places.
middle-weight-only: Only the middle weight of each kernel is used: that is a 1×1 convolution.
bias-ignored: `bias` makes no difference in your function.
bias-needed: `bias` may be None, and then your function stops with an error. Ask for that before you add it.
one-bias-per-class: All d² positions of a class get the same bias. Each score has its own, bias[k·d² + a·d + b].
channels-not-summed: Not every input channel counts, or you take their mean. Each score is the sum over all of them.
activation-added: Something is done to the scores at the end. They are logits and stay as they are.
rows-columns-exchanged: Rows and columns of the result are exchanged.
first-picture-only: Only the first picture of the batch is worked on.
first-class-only: Only the first class is made.
not-cropped: Your result is d times as large as x. Where the picture does not divide by d, that is more than `size`: cut
    it.
"""

WAYS = {
    "channel-order": _in_order("abk"),
    "offsets-exchanged": _in_order("kba"),
    "only-reshaped": _shuffled(lambda r, d: r.reshape(len(r), -1, d * r.shape[2], d * r.shape[3])),
    "blocks-side-by-side": _shuffled(rearranged("kab", "kahbw")),
    "half-interlaced": _shuffled(rearranged("kab", "khabw"), rearranged("kab", "kahwb")),
    "interpolated": _one_score(_interpolated("bilinear", False))
    + _one_score(_interpolated("bilinear", True))
    + _one_score(_interpolated("nearest")),
    "not-rearranged": does(lambda x, w, b, d, z: _scores(x, w, b)),
    "cut-from-end": _fitted(lambda r, z: r[..., -z[0] :, -z[1] :], _middle),
    "cut-first": does(_cut_first),
    "squeezed-not-cut": _fitted(
        lambda r, z: F.interpolate(r, size=tuple(z), mode="bilinear", align_corners=False),
        lambda r, z: F.interpolate(r, size=tuple(z), mode="bilinear", align_corners=True),
        lambda r, z: F.interpolate(r, size=tuple(z), mode="nearest"),
    ),
    "size-swapped": changed(4, lambda z: z[::-1])
    + does(lambda x, w, b, d, z: _on_canvas(duc(x, w, b, d, z[::-1]), z[::-1])),
    "factor-fixed": ignored(3, 2) + does(lambda x, w, b, d, z: _on_canvas(_two_only(x, w, b, d, z), z)),
    "padding-missing": _convolved(lambda x, w, b: F.conv2d(x, w, b)),
    "padding-not-zero": _convolved(
        lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), w, b),
        lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w, b),
        lambda x, w, b: F.pad(F.conv2d(x, w, b), (1, 1, 1, 1)),
    ),
    "kernel-flipped": changed(1, lambda w: w.flip(2, 3)),
    "kernel-transposed": changed(1, lambda w: w.mT),
    "middle-weight-only": _convolved(lambda x, w, b: F.conv2d(x, w[:, :, 1:2, 1:2], b)),
    "bias-ignored": ignored(2, None),
    "bias-needed": refuses_none(2, duc),
    "one-bias-per-class": does(
        lambda x, w, b, d, z: duc(x, w, None, d, z) + (0 if b is None else b[: len(b) // (d * d), None, None]),
        lambda x, w, b, d, z: duc(x, w, None, d, z) + (0 if b is None else b[:: d * d, None, None]),
    ),
    "channels-not-summed": _convolved(
        lambda x, w, b: _scores(x[:, :1], w[:, :1], b), lambda x, w, b: _scores(x, w / w.shape[1], b)
    ),
    "activation-added": gives(
        lambda r, *a: r.relu(), lambda r, *a: r.sigmoid(), lambda r, *a: r.softmax(1), lambda r, *a: r.log_softmax(1)
    ),
    "rows-columns-exchanged": gives(lambda r, *a: r.mT),
    "first-picture-only": FIRST_PICTURE,
    "first-class-only": FIRST_CHANNEL,
    "not-cropped": _fitted(lambda r, z: r)
    + stops(lambda x, w, b, d, z: duc(x, w, b, d, z) if tuple(z) == (d * x.shape[2], d * x.shape[3]) else [][0]),
}

EXERCISE = Exercise(
    "dense_upsample(x, weight, bias, factor, size)",
    TASK,
    duc,
    duc_cases,
    catalogue(MESSAGES, WAYS),
    facts=duc_facts,
    number="06.4",
    marks=5,
    finished=("pixel_shuffle",),
)
