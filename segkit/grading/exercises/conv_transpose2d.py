"""Chapter 03: transposed convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Variant, does, given, gives, mistake, register, stops
from segkit.grading.exercises.common import squared
from segkit.grading.exercises.made import noncontiguous, normal, quarters


def transposed(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """Reference of `conv_transpose2d`."""
    return F.conv_transpose2d(x, w, b, s, p, o, 1, d)


def _call(
    seed: int,
    x: tuple[int, ...],
    w: tuple[int, ...],
    group: str,
    *,
    bias: bool = False,
    s: int = 1,
    p: int = 0,
    o: int = 0,
    d: int = 1,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    make = normal if dtype == torch.float64 else quarters
    picture, weight = make(seed, *x, dtype=dtype), make(seed + 1, *w, dtype=dtype)
    if loose:
        picture, weight = noncontiguous(picture), noncontiguous(weight)
    return Case((picture, weight, make(seed + 2, w[1], dtype=dtype) if bias else None, s, p, o, d), group)


def _cases() -> list[Case]:
    mono = (1, 1, 3, 3)
    return [
        _call(1, (1, 1, 2, 2), (1, 1, 2, 2), "plain"),
        _call(2, (1, 1, 3, 4), mono, "plain"),
        _call(3, (1, 1, 4, 3), (1, 1, 2, 2), "plain"),
        _call(4, (1, 3, 3, 4), (3, 1, 2, 2), "channels"),
        _call(5, (1, 2, 3, 3), (2, 4, 3, 3), "channels"),
        _call(6, (1, 3, 4, 3), (3, 3, 2, 2), "channels"),
        _call(7, (2, 1, 3, 2), mono, "batch"),
        _call(8, (3, 2, 2, 3), (2, 2, 3, 3), "batch"),
        _call(9, (1, 1, 2, 3), (1, 1, 2, 2), "bias", bias=True),
        _call(10, (1, 2, 3, 3), (2, 3, 3, 3), "bias", bias=True),
        _call(11, (1, 1, 2, 3), (1, 1, 2, 2), "stride", s=2),
        _call(12, (1, 1, 3, 4), mono, "stride", s=2),
        _call(13, (1, 1, 3, 2), (1, 1, 2, 2), "stride", s=3),
        _call(14, (1, 1, 3, 4), mono, "padding", p=1),
        _call(15, (1, 1, 4, 5), mono, "padding", p=2),
        _call(16, (1, 1, 3, 4), mono, "output_padding", s=2, o=1),
        _call(17, (1, 1, 3, 3), mono, "output_padding", s=2, p=1, o=1),
        _call(18, (1, 1, 3, 2), mono, "output_padding", s=3, p=1, o=2),
        _call(19, (1, 1, 3, 4), mono, "dilation", d=2),
        _call(20, (1, 1, 4, 3), (1, 1, 2, 2), "dilation", d=3),
        _call(21, (1, 1, 3, 4), (1, 1, 1, 3), "kernel shape"),
        _call(22, (1, 2, 4, 3), (2, 2, 3, 2), "kernel shape"),
        _call(27, (1, 1, 2, 2), (1, 1, 1, 1), "stride", s=2),
        _call(28, (1, 1, 2, 2), (1, 1, 2, 2), "padding", p=1),
        _call(29, (1, 1, 1, 2), (1, 1, 2, 2), "output_padding", s=2, o=1),
        _call(30, (1, 1, 1, 1), (1, 1, 2, 2), "dilation", d=2),
        _call(31, (2, 1, 1, 2), (1, 1, 2, 2), "batch"),
        _call(32, (1, 2, 1, 2), (2, 1, 2, 2), "channels"),
        _call(23, (2, 2, 3, 3), (2, 3, 3, 3), "float64", bias=True, s=2, dtype=torch.float64),
        _call(24, (2, 3, 4, 3), (3, 3, 3, 2), "memory layout", loose=True),
        _call(25, (2, 3, 4, 5), (3, 2, 3, 2), "everything together", bias=True, s=3, p=1, o=2, d=2),
        _call(26, (3, 2, 5, 4), (2, 4, 2, 3), "everything together", bias=True, s=2, p=2, o=1, d=3),
    ]


def _facts(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "output_padding is above 0": o > 0,
        "dilation is above 1": d > 1,
        "there is a bias": b is not None,
        "the stamps overlap": s < max(w.shape[2:]),
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[1] > 1,
        "the kernel is not square": w.shape[2] != w.shape[3],
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _resized(r: Tensor, bottom: int, right: int | None = None, top: int = 0) -> Tensor:
    """Grow (or shrink, below 0) at the bottom, the right and, by `top`, at both opposite sides."""
    return F.pad(r, (top, bottom if right is None else right, top, bottom))


def _canvas(x: Tensor, w: Tensor, s: int, o: int, d: int) -> Tensor:
    """Zeros of the full size, before the padding is cut away."""
    (n, _, h, v), (_, c, kh, kw) = x.shape, w.shape
    return x.new_zeros(n, c, (h - 1) * s + d * (kh - 1) + 1 + o, (v - 1) * s + d * (kw - 1) + 1 + o)


def _cut_out(out: Tensor, b: Tensor | None, p: int) -> Tensor:
    out = out[..., p : out.shape[2] - p, p : out.shape[3] - p]
    return out if b is None else out + b[:, None, None]


def _crowded(
    x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int, stride: int, dilation: int
) -> Tensor:
    """A canvas of the right size, but steps of `stride` and `dilation` on it."""
    out, part = _canvas(x, w, s, o, d), transposed(x, w, None, stride, 0, 0, dilation)
    out[..., : part.shape[2], : part.shape[3]] = part
    return _cut_out(out, b, p)


def _overwritten_by_taps(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """One weight after the other, each replacing what was there."""
    (h, v), (kh, kw), out = x.shape[2:], w.shape[2:], _canvas(x, w, s, o, d)
    for i in range(kh):
        for j in range(kw):
            part = torch.einsum("nihw,io->nohw", x, w[:, :, i, j])
            out[..., i * d : i * d + (h - 1) * s + 1 : s, j * d : j * d + (v - 1) * s + 1 : s] = part
    return _cut_out(out, b, p)


def _overwritten(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """Stamps that replace what was there."""
    (h, v), (kh, kw), out = x.shape[2:], w.shape[2:], _canvas(x, w, s, o, d)
    stamps = torch.einsum("nihw,iouv->nohwuv", x, w)
    for i in range(h):
        for j in range(v):
            out[..., i * s : i * s + d * (kh - 1) + 1 : d, j * s : j * s + d * (kw - 1) + 1 : d] = stamps[:, :, i, j]
    return _cut_out(out, b, p)


def _late_crop(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    """output_padding as rows of nothing behind the cropped result, though stamps reach there."""
    r = _resized(F.conv_transpose2d(x, w, None, s, p, 0, 1, d), o)
    return r if b is None else r + b[:, None, None]


def _bias_not_below(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    return _resized(transposed(x, w, b, s, p, 0, d), o)


def _crop(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int, left: int, right: int) -> Tensor:
    r = transposed(x, w, b, s, 0, o, d)
    return r[..., left * p : r.shape[2] - right * p, left * p : r.shape[3] - right * p]


def _args(change):  # type: ignore[no-untyped-def]
    return given(lambda x, w, b, s, p, o, d: (x, w, b, *change(s, p, o, d)))


def _grown(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    return transposed(x, w, b, s, 0, o, d) if not p else _resized(transposed(x, w, b, s, 0, o, d), p, p, p)


def _as_conv(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    return F.conv2d(x, w.transpose(0, 1), b, s, p, d)


def _pixelwise(r: Tensor, x: Tensor, w: Tensor, b: Tensor | None, *a: int) -> Tensor:
    """The bias comes with every stamp."""
    if b is None:
        return r
    cover = transposed(torch.ones_like(x[:, :1]), torch.ones_like(w[:1, :1]), None, *a)  # type: ignore[arg-type]
    return r + (cover - 1) * b[:, None, None]


def _mean_of_stamps(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> Tensor:
    cover = transposed(torch.ones_like(x[:, :1]), torch.ones_like(w[:1, :1]), None, s, p, o, d)
    r = transposed(x, w, None, s, p, o, d) / cover.clamp(min=1)
    return r if b is None else r + b[:, None, None]


def _weights_scaled(scale) -> Variant:  # type: ignore[no-untyped-def]
    return given(lambda x, w, *a: (x, w / scale(w, a[1]), *a))


register(
    Exercise(
        name="conv_transpose2d",
        signature="conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1)",
        text=(
            "The transposed convolution of torch.nn.functional.conv_transpose2d (groups left out; mind that\n"
            "dilation follows output_padding here). x is N×C×H×W, weight is C×C_out×k_h×k_w, bias has C_out\n"
            "numbers or is None; the others are whole numbers. Each input pixel stamps x[n, c, i, j] · weight[c,\n"
            "o, u, v] onto output row i·stride + u·dilation − padding and column j·stride + v·dilation − padding;\n"
            "stamps add up. The height is (H − 1)·stride − 2·padding + dilation·(k_h − 1) + output_padding + 1.\n"
            "The result has the dtype of x."
        ),
        reference=transposed,
        cases=_cases,
        facts=_facts,
        mistakes=(
            mistake(
                "kernel-flipped",
                "Your kernel is stamped upside down and back to front. A transposed convolution stamps it as it is. "
                "(Written as a convolution over the spread-out input it has to be flipped, once.)",
                given(lambda x, w, *a: (x, w.flip(2, 3), *a)),
            ),
            mistake(
                "kernel-transposed",
                "Rows and columns of your kernel are exchanged.",
                given(lambda x, w, *a: (x, w.transpose(2, 3), *a)),
            ),
            mistake(
                "weight-order",
                "Your weight is read as C_out×C, as in an ordinary convolution. Here the input channel comes first.",
                does(lambda x, w, *a: transposed(x, w.transpose(0, 1), *a)),
            ),
            mistake(
                "output-padding-ignored",
                "`output_padding` makes no difference. It adds rows at the bottom and columns at the right.",
                _args(lambda s, p, o, d: (s, p, 0, d)),
            ),
            mistake(
                "output-padding-empty",
                "The rows that output_padding adds are left empty in your function. They are part of the output: "
                "stamps that reach them, and the bias, belong there. Crop from a canvas that is large enough.",
                does(_late_crop),
                does(_bias_not_below),
            ),
            mistake(
                "output-padding-all-sides",
                "`output_padding` is added on the wrong sides. It goes to the bottom and the right only.",
                does(lambda x, w, b, s, p, o, d: _resized(transposed(x, w, b, s, p, 0, d), o, o, o)),
                does(lambda x, w, b, s, p, o, d: _resized(transposed(x, w, b, s, p, 0, d), 0, 0, o)),
                does(
                    lambda x, w, b, s, p, o, d: (
                        (lambda r: r[..., : r.shape[2] - 2 * p + 2 * o, : r.shape[3] - 2 * p + 2 * o])(
                            _resized(transposed(x, w, b, s, 0, 0, d), o, o, o)
                        )[..., p:, p:]
                        if o
                        else transposed(x, w, b, s, p, o, d)
                    )
                ),
            ),
            mistake(
                "padding-ignored",
                "`padding` makes no difference. It takes rows and columns away on all four sides.",
                _args(lambda s, p, o, d: (s, 0, o, d)),
            ),
            mistake(
                "padding-added",
                "`padding` makes your output larger. In the transposed operation it takes away what the "
                "convolution's padding had added.",
                does(_grown),
            ),
            mistake(
                "padding-off-by-one",
                "One row and column too many or too few are cut away on each side.",
                does(
                    lambda x, w, b, s, p, o, d: (
                        _resized(transposed(x, w, b, s, p, o, d), 1, 1, 1) if p else transposed(x, w, b, s, p, o, d)
                    )
                ),
                does(lambda x, w, b, s, p, o, d: _resized(transposed(x, w, b, s, p, o, d), -1, -1, -1)),
                does(
                    lambda x, w, b, s, p, o, d: (
                        transposed(x, w, b, s, p - 1, o, d) if p else transposed(x, w, b, s, p, o, d)
                    )
                ),
                does(
                    lambda x, w, b, s, p, o, d: (
                        transposed(x, w, b, s, p + 1, o, d) if p else transposed(x, w, b, s, p, o, d)
                    )
                ),
                _args(lambda s, p, o, d: (s, p + 1, o, d)),
            ),
            mistake(
                "padding-one-sided",
                "`padding` is cut away on two sides only, or twice on one side. Each of the four sides loses "
                "`padding` pixels.",
                *(
                    does(lambda x, w, b, s, p, o, d, m=m: _crop(x, w, b, s, p, o, d, *m))
                    for m in ((1, 0), (0, 1), (2, 0), (0, 2))
                ),
            ),
            mistake(
                "overwritten",
                "Where stamps overlap, the later one replaces the earlier. They add up.",
                does(_overwritten),
                does(_overwritten_by_taps),
            ),
            mistake(
                "bias-ignored",
                "`bias` makes no difference in your function.",
                given(lambda x, w, b, *a: (x, w, None, *a)),
            ),
            mistake(
                "bias-per-stamp",
                "The bias comes with every stamp, so it is counted as often as stamps overlap. Add it once, at the "
                "end.",
                gives(_pixelwise),
                gives(lambda r, x, w, b, *a: r if b is None else r + (x.shape[1] - 1) * b[:, None, None]),
            ),
            mistake(
                "stride-ignored",
                "`stride` makes no difference: neighbouring stamps always lie one pixel apart.",
                _args(lambda s, p, o, d: (1, p, o, d)),
                does(lambda x, w, b, s, p, o, d: _crowded(x, w, b, s, p, o, d, 1, d)),
            ),
            mistake(
                "stride-dilation-swapped",
                "Stride and dilation have changed places. Stride is the distance of the stamps; dilation is the "
                "distance of the weights within one.",
                does(lambda x, w, b, s, p, o, d: _resized(transposed(x, w, b, d, p, 0, s), o)),
                _args(lambda s, p, o, d: (d, p, o, s)),
            ),
            mistake(
                "dilation-ignored",
                "`dilation` makes no difference in your function.",
                _args(lambda s, p, o, d: (s, p, o, 1)),
                does(lambda x, w, b, s, p, o, d: _crowded(x, w, b, s, p, o, d, s, 1)),
            ),
            mistake(
                "dilation-off-by-one",
                "`dilation` is the step from one weight to the next, so 1 leaves no gap.",
                _args(lambda s, p, o, d: (s, p, o, d + 1)),
                _args(lambda s, p, o, d: (s, p, o, max(d - 1, 1))),
            ),
            mistake(
                "arguments-in-torch-order",
                "torch has `groups` before `dilation`; here the seventh argument is dilation.",
                stops(lambda x, w, b, s, p, o, d: F.conv_transpose2d(x, w, b, s, p, o, d)),
            ),
            mistake(
                "size-too-small",
                "Your output is too small: the last stamp starts at (H − 1)·stride and reaches a whole kernel further.",
                gives(lambda r, *a: r[..., :-1, :-1]),
                gives(lambda r, x, w, b, s, *a: r[..., : x.shape[2] * s, : x.shape[3] * s]),
            ),
            mistake(
                "convolution",
                "This is the ordinary convolution: it gathers where the transposed one scatters.",
                does(_as_conv),
            ),
            mistake(
                "first-picture-only",
                "Only the first picture of the batch is worked on.",
                gives(lambda r, *a: r[:1]),
                gives(lambda r, *a: r[:1].expand_as(r)),
                gives(lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])])),
            ),
            mistake(
                "first-channel-only",
                "Only one input channel counts. Each output is a sum over all of them.",
                given(lambda x, w, *a: (x[:, :1], w[:1], *a)),
                given(lambda x, w, *a: (x[:, -1:], w[-1:], *a)),
            ),
            mistake(
                "channels-not-mixed",
                "Each output channel sees a single input channel. It should add up what all of them bring.",
                given(
                    lambda x, w, *a: (
                        x,
                        w
                        * (torch.arange(w.shape[0])[:, None] == torch.arange(w.shape[1]) % w.shape[0])[..., None, None],
                        *a,
                    )
                ),
            ),
            mistake(
                "first-output-only",
                "All output channels use the first kernel, or only one is made. Each has its own, weight[:, o].",
                gives(lambda r, *a: r[:, :1]),
                gives(lambda r, *a: r[:, :1].expand_as(r)),
                given(lambda x, w, *a: (x, w[:, :1].expand_as(w), *a)),
            ),
            mistake(
                "only-square-kernels",
                "Your function takes the kernel to be as wide as it is high. Read both sizes off `weight.shape`.",
                given(lambda x, w, *a: (x, squared(w, 2), *a)),
                given(lambda x, w, *a: (x, squared(w, 3), *a)),
                given(lambda x, w, *a: (x, w[..., : min(w.shape[2:]), : min(w.shape[2:])], *a)),
            ),
            mistake(
                "averaged",
                "You divide by the number of stamps or weights. Overlapping stamps are added, not averaged.",
                _weights_scaled(lambda w, s: w.shape[2] * w.shape[3]),
                _weights_scaled(lambda w, s: s * s),
                does(_mean_of_stamps),
            ),
        ),
    )
)
