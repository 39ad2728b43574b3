"""`conv_transpose2d` as it should be, and as it is often got wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops
from segkit.grading.exercises.common import FIRST_PICTURE, squared


def transposed(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """Reference of `conv_transpose2d`."""
    return F.conv_transpose2d(x, w, b, s, p, o, 1, d)


def resized(r: Tensor, bottom: int, right: int | None = None, top: int = 0) -> Tensor:
    """Grow (or shrink, below 0) at the bottom, the right and, by `top`, at both opposite sides."""
    return F.pad(r, (top, bottom if right is None else right, top, bottom))


def canvas(x: Tensor, w: Tensor, s: int, o: int, d: int) -> Tensor:
    """Zeros of the full size, before the padding is cut away."""
    (n, _, h, v), (_, c, kh, kw) = x.shape, w.shape
    return x.new_zeros(n, c, (h - 1) * s + d * (kh - 1) + 1 + o, (v - 1) * s + d * (kw - 1) + 1 + o)


def cut_out(out: Tensor, b: Tensor | None, p: int) -> Tensor:
    out = out[..., p : out.shape[2] - p, p : out.shape[3] - p]
    return out if b is None else out + b[:, None, None]


def crowded(
    x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int, stride: int, dilation: int
) -> Tensor:
    """A canvas of the right size, but steps of `stride` and `dilation` on it."""
    out, part = canvas(x, w, s, o, d), transposed(x, w, None, stride, 0, 0, dilation)
    out[..., : part.shape[2], : part.shape[3]] = part
    return cut_out(out, b, p)


def overwritten_by_taps(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """One weight after the other, each replacing what was there."""
    (h, v), (kh, kw), out = x.shape[2:], w.shape[2:], canvas(x, w, s, o, d)
    for i in range(kh):
        for j in range(kw):
            part = torch.einsum("nihw,io->nohw", x, w[:, :, i, j])
            out[..., i * d : i * d + (h - 1) * s + 1 : s, j * d : j * d + (v - 1) * s + 1 : s] = part
    return cut_out(out, b, p)


def overwritten(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """Stamps that replace what was there."""
    (h, v), (kh, kw), out = x.shape[2:], w.shape[2:], canvas(x, w, s, o, d)
    stamps = torch.einsum("nihw,iouv->nohwuv", x, w)
    for i in range(h):
        for j in range(v):
            out[..., i * s : i * s + d * (kh - 1) + 1 : d, j * s : j * s + d * (kw - 1) + 1 : d] = stamps[:, :, i, j]
    return cut_out(out, b, p)


def late_crop(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """output_padding as rows of nothing behind the cropped result, though stamps reach there."""
    r = resized(F.conv_transpose2d(x, w, None, s, p, 0, 1, d), o)
    return r if b is None else r + b[:, None, None]


def bias_not_below(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    return resized(transposed(x, w, b, s, p, 0, d), o)


def crop(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int, left: int, right: int) -> Tensor:
    r = transposed(x, w, b, s, 0, o, d)
    return r[..., left * p : r.shape[2] - right * p, left * p : r.shape[3] - right * p]


@each
def args(change: Function) -> Ways:
    return given(lambda x, w, b, s, p, o, d: (x, w, b, *change(s, p, o, d)))


def grown(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    return transposed(x, w, b, s, 0, o, d) if not p else resized(transposed(x, w, b, s, 0, o, d), p, p, p)


def pixelwise(r: Tensor, x: Tensor, w: Tensor, b: Tensor | None, *a: int) -> Tensor:
    """The bias comes with every stamp."""
    if b is None:
        return r
    cover = transposed(torch.ones_like(x[:, :1]), torch.ones_like(w[:1, :1]), None, *a)  # type: ignore[arg-type]
    return r + (cover - 1) * b[:, None, None]


def mean_of_stamps(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    cover = transposed(torch.ones_like(x[:, :1]), torch.ones_like(w[:1, :1]), None, s, p, o, d)
    r = transposed(x, w, None, s, p, o, d) / cover.clamp(min=1)
    return r if b is None else r + b[:, None, None]


@each
def weights_scaled(scale: Function) -> Ways:
    return given(lambda x, w, *a: (x, w / scale(w, a[1]), *a))


WAYS = {
    "kernel-flipped": given(lambda x, w, *a: (x, w.flip(2, 3), *a)),
    "kernel-transposed": given(lambda x, w, *a: (x, w.transpose(2, 3), *a)),
    "weight-order": does(lambda x, w, *a: transposed(x, w.transpose(0, 1), *a)),
    "output-padding-ignored": args(lambda s, p, o, d: (s, p, 0, d)),
    "output-padding-empty": does(late_crop, bias_not_below),
    "output-padding-all-sides": does(
        lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, s, p, 0, d), o, o, o),
        lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, s, p, 0, d), 0, 0, o),
        lambda x, w, b, s, p, o, d: (
            (lambda r: r[..., : r.shape[2] - 2 * p + 2 * o, : r.shape[3] - 2 * p + 2 * o])(
                resized(transposed(x, w, b, s, 0, 0, d), o, o, o)
            )[..., p:, p:]
            if o
            else transposed(x, w, b, s, p, o, d)
        ),
    ),
    "padding-ignored": args(lambda s, p, o, d: (s, 0, o, d)),
    "padding-added": does(grown),
    "padding-off-by-one": does(
        lambda x, w, b, s, p, o, d: (
            resized(transposed(x, w, b, s, p, o, d), 1, 1, 1) if p else transposed(x, w, b, s, p, o, d)
        ),
        lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, s, p, o, d), -1, -1, -1),
        lambda x, w, b, s, p, o, d: transposed(x, w, b, s, p - 1, o, d) if p else transposed(x, w, b, s, p, o, d),
        lambda x, w, b, s, p, o, d: transposed(x, w, b, s, p + 1, o, d) if p else transposed(x, w, b, s, p, o, d),
    )
    + args(lambda s, p, o, d: (s, p + 1, o, d)),
    "padding-one-sided": does(
        *(lambda x, w, b, s, p, o, d, m=m: crop(x, w, b, s, p, o, d, *m) for m in ((1, 0), (0, 1), (2, 0), (0, 2)))
    ),
    "overwritten": does(overwritten, overwritten_by_taps),
    "bias-ignored": given(lambda x, w, b, *a: (x, w, None, *a)),
    "bias-per-stamp": gives(
        pixelwise, lambda r, x, w, b, *a: r if b is None else r + (x.shape[1] - 1) * b[:, None, None]
    ),
    "stride-ignored": args(lambda s, p, o, d: (1, p, o, d))
    + does(lambda x, w, b, s, p, o, d: crowded(x, w, b, s, p, o, d, 1, d)),
    "stride-dilation-swapped": does(lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, d, p, 0, s), o))
    + args(lambda s, p, o, d: (d, p, o, s)),
    "dilation-ignored": args(lambda s, p, o, d: (s, p, o, 1))
    + does(lambda x, w, b, s, p, o, d: crowded(x, w, b, s, p, o, d, s, 1)),
    "dilation-off-by-one": args(lambda s, p, o, d: (s, p, o, d + 1), lambda s, p, o, d: (s, p, o, max(d - 1, 1))),
    "arguments-in-torch-order": stops(lambda x, w, b, s, p, o, d: F.conv_transpose2d(x, w, b, s, p, o, d)),
    "size-too-small": gives(
        lambda r, *a: r[..., :-1, :-1], lambda r, x, w, b, s, *a: r[..., : x.shape[2] * s, : x.shape[3] * s]
    ),
    "convolution": does(lambda x, w, b, s, p, o, d: F.conv2d(x, w.transpose(0, 1), b, s, p, d)),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": given(lambda x, w, *a: (x[:, :1], w[:1], *a), lambda x, w, *a: (x[:, -1:], w[-1:], *a)),
    "channels-not-mixed": given(
        lambda x, w, *a: (
            x,
            w * (torch.arange(w.shape[0])[:, None] == torch.arange(w.shape[1]) % w.shape[0])[..., None, None],
            *a,
        )
    ),
    "first-output-only": gives(lambda r, *a: r[:, :1], lambda r, *a: r[:, :1].expand_as(r))
    + given(lambda x, w, *a: (x, w[:, :1].expand_as(w), *a)),
    "only-square-kernels": given(
        lambda x, w, *a: (x, squared(w, 2), *a),
        lambda x, w, *a: (x, squared(w, 3), *a),
        lambda x, w, *a: (x, w[..., : min(w.shape[2:]), : min(w.shape[2:])], *a),
    ),
    "averaged": weights_scaled(lambda w, s: w.shape[2] * w.shape[3], lambda w, s: s * s) + does(mean_of_stamps),
}
