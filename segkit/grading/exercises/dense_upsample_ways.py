"""`dense_upsample` as it should be, and as it is often got wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE
from segkit.grading.exercises.pixel_shuffle import rearranged

Size = tuple[int, int]


def _scores(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    return F.conv2d(x, w, b, padding=1)


def duc(x: Tensor, w: Tensor, b: Tensor | None, d: int, size: Size) -> Tensor:
    """Reference of `dense_upsample`."""
    return F.pixel_shuffle(_scores(x, w, b), d)[..., : size[0], : size[1]]


def _crop(r: Tensor, size: Size) -> Tensor:
    return r[..., : size[0], : size[1]]


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

    def reordered(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> tuple:  # type: ignore[type-arg]
        sizes = {"k": len(w) // (d * d), "a": d, "b": d}
        at = torch.arange(len(w)).reshape([sizes[letter] for letter in order])
        at = torch.einsum(f"{order}->kab", at).flatten()
        return x, w[at], None if b is None else b[at], d, z

    return given(reordered)


def _interpolated(mode: str, first: bool, **options: bool) -> Ways:
    """The first channel of each class, enlarged by interpolation."""

    def enlarged(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
        k = len(w) // (d * d)
        keep = slice(k) if first else slice(None, None, d * d)
        scores = _scores(x, w[keep], None if b is None else b[keep])
        return _crop(F.interpolate(scores, scale_factor=d, mode=mode, **options), z)

    return does(enlarged)


def _two_only(x: Tensor, w: Tensor, b: Tensor | None, d: int, z: Size) -> Tensor:
    return _crop(F.pixel_shuffle(_scores(x, w[: len(w) // 4 * 4], None if b is None else b[: len(w) // 4 * 4]), 2), z)


@each
def _enlarged_first(mode: str) -> Ways:
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


WAYS = {
    "channel-order": _in_order("abk", "akb"),
    "offsets-exchanged": _in_order("kba", "bak"),
    "only-reshaped": _shuffled(lambda r, d: r.reshape(len(r), -1, d * r.shape[2], d * r.shape[3])),
    "blocks-side-by-side": _shuffled(rearranged("kab", "kahbw"), rearranged("kab", "kbhaw")),
    "half-interlaced": _shuffled(rearranged("kab", "khabw"), rearranged("kab", "kahwb")),
    "interpolated": _interpolated("bilinear", True, align_corners=False)
    + _interpolated("bilinear", False, align_corners=False)
    + _interpolated("bilinear", True, align_corners=True)
    + _interpolated("bilinear", False, align_corners=True)
    + _interpolated("nearest", True)
    + _interpolated("nearest", False)
    + _enlarged_first("nearest", "bilinear")
    + _shuffled(lambda r, d: F.interpolate(r.unflatten(1, (-1, d * d)).mean(2), scale_factor=d)),
    "not-rearranged": does(lambda x, w, b, d, z: _scores(x, w, b)),
    "cut-from-end": _fitted(_end, _middle),
    "cut-first": does(
        lambda x, w, b, d, z: _cut_first(x, w, b, d, z, True), lambda x, w, b, d, z: _cut_first(x, w, b, d, z, False)
    ),
    "squeezed-not-cut": _fitted(
        lambda r, z: F.interpolate(r, size=tuple(z), mode="bilinear", align_corners=False),
        lambda r, z: F.interpolate(r, size=tuple(z), mode="bilinear", align_corners=True),
        lambda r, z: F.interpolate(r, size=tuple(z), mode="nearest"),
    ),
    "size-swapped": given(lambda x, w, b, d, z: (x, w, b, d, (z[1], z[0])))
    + does(lambda x, w, b, d, z: _on_canvas(duc(x, w, b, d, (z[1], z[0])), (z[1], z[0]))),
    "factor-fixed": given(lambda x, w, b, d, z: (x, w, b, 2, z))
    + does(_two_only, lambda x, w, b, d, z: _on_canvas(_two_only(x, w, b, d, z), z)),
    "padding-missing": _convolved(lambda x, w, b: F.conv2d(x, w, b)),
    "padding-not-zero": _convolved(
        lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), w, b),
        lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w, b),
        lambda x, w, b: F.pad(F.conv2d(x, w, b), (1, 1, 1, 1)),
    ),
    "kernel-flipped": given(lambda x, w, b, d, z: (x, w.flip(2, 3), b, d, z)),
    "kernel-transposed": given(lambda x, w, b, d, z: (x, w.transpose(2, 3), b, d, z)),
    "middle-weight-only": _convolved(lambda x, w, b: F.conv2d(x, w[:, :, 1:2, 1:2], b)),
    "bias-ignored": given(lambda x, w, b, d, z: (x, w, None, d, z)),
    "one-bias-per-class": does(
        lambda x, w, b, d, z: duc(x, w, None, d, z) + (0 if b is None else b[: len(b) // (d * d), None, None]),
        lambda x, w, b, d, z: duc(x, w, None, d, z) + (0 if b is None else b[:: d * d, None, None]),
    ),
    "channels-not-summed": _convolved(
        lambda x, w, b: _scores(x[:, :1], w[:, :1], b),
        lambda x, w, b: _scores(x[:, -1:], w[:, -1:], b),
        lambda x, w, b: _scores(x, w / w.shape[1], b),
    ),
    "activation-added": gives(
        lambda r, *a: r.relu(), lambda r, *a: r.sigmoid(), lambda r, *a: r.softmax(1), lambda r, *a: r.log_softmax(1)
    ),
    "rows-columns-exchanged": gives(lambda r, *a: r.transpose(2, 3), lambda r, *a: r.transpose(2, 3).reshape(r.shape)),
    "first-picture-only": FIRST_PICTURE,
    "first-class-only": FIRST_CHANNEL,
    "not-cropped": _fitted(lambda r, z: r) + stops(_whole_only),
}
