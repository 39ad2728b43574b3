"""Chapter 02: convolution, and how far a stack of layers sees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.made import noncontiguous, normal, quarters

# conv2d ------------------------------------------------------------------------------------------------------------


def _call(seed: int, x: tuple[int, ...], w: tuple[int, ...], group: str, *, bias: bool = False, stride: int = 1, padding: int = 0,
          dilation: int = 1, dtype: torch.dtype = torch.float32, loose: bool = False) -> Case:  # fmt: skip
    make = normal if dtype == torch.float64 else quarters
    picture, weight = make(seed, *x, dtype=dtype), make(seed + 1, *w, dtype=dtype)
    if loose:
        picture, weight = noncontiguous(picture), noncontiguous(weight)
    b = make(seed + 2, w[0], dtype=dtype) if bias else None
    return Case((picture, weight, b, stride, padding, dilation), group)


def _conv_cases() -> list[Case]:
    one, mono = (1, 1, 5, 5), (1, 1, 3, 3)
    return [
        _call(1, (1, 1, 3, 3), (1, 1, 2, 2), "plain"),
        _call(2, one, mono, "plain"),
        _call(3, (1, 1, 6, 7), mono, "plain"),
        _call(4, (1, 3, 5, 5), (1, 3, 3, 3), "channels"),
        _call(5, (1, 2, 5, 6), (4, 2, 3, 3), "channels"),
        _call(6, (1, 3, 6, 5), (3, 3, 2, 2), "channels"),
        _call(7, (2, 1, 4, 5), mono, "batch"),
        _call(8, (3, 2, 5, 4), (2, 2, 3, 3), "batch"),
        _call(9, one, mono, "bias", bias=True),
        _call(10, (1, 2, 5, 5), (3, 2, 3, 3), "bias", bias=True),
        _call(11, (1, 1, 5, 7), mono, "stride", stride=2),
        _call(12, (1, 1, 8, 6), mono, "stride", stride=2),
        _call(13, (1, 1, 9, 10), (1, 1, 2, 2), "stride", stride=3),
        _call(14, (1, 1, 4, 3), mono, "padding", padding=1),
        _call(15, (1, 1, 5, 6), mono, "padding", padding=2),
        _call(16, (1, 1, 3, 4), (1, 1, 1, 1), "padding", padding=1),
        _call(17, (1, 1, 7, 6), mono, "dilation", dilation=2),
        _call(18, (1, 1, 8, 9), (1, 1, 2, 2), "dilation", dilation=3),
        _call(19, (1, 1, 5, 6), (1, 1, 1, 3), "kernel shape"),
        _call(20, (1, 1, 6, 6), (1, 1, 3, 2), "kernel shape"),
        _call(21, (1, 2, 6, 7), (2, 2, 2, 4), "kernel shape"),
        _call(26, (1, 1, 3, 3), (1, 1, 1, 1), "stride", stride=2),
        _call(27, (1, 1, 3, 3), (1, 1, 2, 2), "dilation", dilation=2),
        _call(28, (1, 1, 1, 2), (1, 1, 1, 1), "padding", padding=1),
        _call(29, (1, 1, 2, 2), (1, 1, 2, 2), "bias", bias=True),
        _call(30, (2, 1, 2, 2), (1, 1, 2, 2), "batch"),
        _call(31, (1, 2, 2, 2), (1, 2, 2, 2), "channels"),
        _call(22, (2, 2, 5, 5), (2, 2, 3, 3), "float64", bias=True, dtype=torch.float64),
        _call(23, (2, 3, 6, 5), (2, 3, 3, 2), "memory layout", loose=True),
        _call(24, (2, 3, 9, 11), (4, 3, 3, 2), "everything together", bias=True, stride=2, padding=2, dilation=3),
        _call(25, (3, 2, 10, 7), (3, 2, 2, 3), "everything together", bias=True, stride=3, padding=1, dilation=2),
    ]


def _conv_facts(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "dilation is above 1": d > 1,
        "there is a bias": b is not None,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[0] > 1,
        "the kernel is not square": w.shape[2] != w.shape[3],
        "the picture is not square": x.shape[2] != x.shape[3],
        "the stride does not divide the way of the kernel": s > 1 and (x.shape[2] + 2 * p - d * (w.shape[2] - 1) - 1) % s > 0,
    }  # fmt: skip


def _pad(x: Tensor, left: int, right: int) -> Tensor:
    return F.pad(x, (left, right, left, right))


def _unmixed(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> Tensor:
    """Each output channel sees the one input channel of its own number."""
    own = torch.stack([w[o, o % w.shape[1]] for o in range(len(w))])[:, None]
    return torch.cat([F.conv2d(x[:, [o % x.shape[1]]], own[[o]], None if b is None else b[[o]], s, p, d)
                      for o in range(len(w))], 1)  # fmt: skip


def _ceil(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> Tensor:
    more = [(-(x.shape[i] + 2 * p - d * (w.shape[i] - 1) - 1)) % s for i in (2, 3)]
    return F.conv2d(F.pad(x, (p, p + more[1], p, p + more[0])), w, b, s, 0, d)


def _same(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> Tensor:
    h, v = d * (w.shape[3] - 1), d * (w.shape[2] - 1)
    return F.conv2d(F.pad(x, (h // 2, h - h // 2, v // 2, v - v // 2)), w, b, s, 0, d)


def _sized(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int, stride: int, dilation: int) -> Tensor:
    """The right size, but steps of `stride` and `dilation` inside."""
    h, v = ((x.shape[i] + 2 * p - d * (w.shape[i] - 1) - 1) // s + 1 for i in (2, 3))
    return F.conv2d(x, w, b, stride, p, dilation)[..., :h, :v]


def _plus(times):  # type: ignore[no-untyped-def]
    """A bias that is added more than once."""
    return lambda r, x, w, b, *a: r if b is None else r + (times(x, w) - 1) * b[:, None, None]


conv2d = F.conv2d
register(Exercise(
    name="conv2d",
    signature="conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1)",
    text=(
        "The convolution of torch.nn.functional.conv2d (groups left out): x is N×C×H×W, weight is C_out×C×k_h×k_w, bias has C_out numbers\n"
        "or is None; stride, padding (with zeros, on all four sides) and dilation are whole numbers. Output position (i, j) of channel o is\n"
        "bias[o] + Σ_c Σ_u Σ_v weight[o, c, u, v] · x[c, i·stride − padding + u·dilation, j·stride − padding + v·dilation];\n"
        "its height is ⌊(H + 2·padding − dilation·(k_h − 1) − 1) / stride⌋ + 1. The result has the dtype of x."
    ),
    reference=lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, p, d),
    cases=_conv_cases,
    facts=_conv_facts,
    mistakes=(
        mistake("kernel-flipped", "Your kernel is applied upside down and back to front. That is what mathematicians call convolution; networks, and "
                "this exercise, slide the kernel as it is.", given(lambda x, w, *a: (x, w.flip(2, 3), *a))),
        mistake("kernel-half-flipped", "Your kernel is flipped along one axis. It should be applied as it is.", given(lambda x, w, *a: (x, w.flip(2), *a)),
                given(lambda x, w, *a: (x, w.flip(3), *a))),
        mistake("kernel-transposed", "Rows and columns of your kernel are exchanged: u goes with the height, v with the width.",
                given(lambda x, w, *a: (x, w.transpose(2, 3), *a))),
        mistake("stride-dilation-swapped", "Stride and dilation have changed places. Stride is the step of the whole kernel from one output to the next; dilation is "
                "the step from one weight to the next within the kernel.", given(lambda x, w, b, s, p, d: (x, w, b, d, p, s))),
        mistake("padding-off-by-one", "There is one pixel too much or too little padding on each side.", given(lambda x, w, b, s, p, d: (x, w, b, s, p + 1, d)),
                does(lambda x, w, b, s, p, d: F.conv2d(_pad(x, p - 1, p - 1), w, b, s, 0, d)),
                does(lambda x, w, b, s, p, d: F.conv2d(_pad(x, p - 1, p - 1) if p else x, w, b, s, 0, d)),
                given(lambda x, w, b, s, p, d: (x, w, b, s, p + 1 if p else p, d))),
        mistake("padding-ignored", "`padding` makes no difference in your function.", given(lambda x, w, b, s, p, d: (x, w, b, s, 0, d))),
        mistake("padding-one-sided", "Your padding is on two sides of the picture only, or all of it on one side. Each of the four sides gets `padding` pixels.",
                *(does(lambda x, w, b, s, p, d, m=m: F.conv2d(_pad(x, m[0] * p, m[1] * p), w, b, s, 0, d)) for m in ((1, 0), (0, 1), (2, 0), (0, 2))),
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, (p, 0), d)), does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, (0, p), d))),
        mistake("padding-doubled", "There is twice as much padding as asked for: `padding` is per side.", given(lambda x, w, b, s, p, d: (x, w, b, s, 2 * p, d))),
        mistake("padding-not-zero", "Your padding repeats or mirrors the picture, or is not 0. It should be zeros.",
                *(does(lambda x, w, b, s, p, d, mode=mode: F.conv2d(F.pad(x, (p, p, p, p), mode=mode), w, b, s, 0, d) if p else F.conv2d(x, w, b, s, p, d))
                  for mode in ("replicate", "reflect", "circular")),
                does(lambda x, w, b, s, p, d: F.conv2d(F.pad(x, (p, p, p, p), value=1.0), w, b, s, 0, d))),
        mistake("padding-always-same", "Your output is always as large as the picture, whatever `padding` says.", does(_same)),
        mistake("bias-ignored", "`bias` makes no difference in your function.", given(lambda x, w, b, *a: (x, w, None, *a))),
        mistake("bias-repeated", "The bias is added again for each input channel or each weight. It belongs to the finished sum, once.",
                gives(_plus(lambda x, w: x.shape[1])), gives(_plus(lambda x, w: w.shape[2] * w.shape[3])), gives(_plus(lambda x, w: w[0].numel()))),
        mistake("bias-first-only", "All output channels get the same bias. Each has its own.",
                given(lambda x, w, b, *a: (x, w, None if b is None else b[:1].expand(len(b)), *a))),
        mistake("stride-ignored", "`stride` makes no difference in your function.", given(lambda x, w, b, s, p, d: (x, w, b, 1, p, d)),
                does(lambda x, w, b, s, p, d: _sized(x, w, b, s, p, d, 1, d))),
        mistake("stride-one-axis", "The stride is used along one axis only.", does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, (s, 1), p, d)),
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, (1, s), p, d))),
        mistake("dilation-ignored", "`dilation` makes no difference in your function.", given(lambda x, w, b, s, p, d: (x, w, b, s, p, 1)),
                does(lambda x, w, b, s, p, d: _sized(x, w, b, s, p, d, s, 1))),
        mistake("dilation-off-by-one", "`dilation` is the step from one weight to the next, so 1 leaves no gap. You leave `dilation` pixels out instead.",
                given(lambda x, w, b, s, p, d: (x, w, b, s, p, d + 1)), given(lambda x, w, b, s, p, d: (x, w, b, s, p, max(d - 1, 1)))),
        mistake("dilation-one-axis", "The dilation is used along one axis only.", does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, p, (d, 1))),
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, p, (1, d)))),
        mistake("first-picture-only", "Only the first picture of the batch is worked on. Every picture needs its result.", gives(lambda r, *a: r[:1]),
                gives(lambda r, *a: r[:1].expand_as(r)), gives(lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])]))),
        mistake("batch-summed", "The pictures of a batch are added up. They have nothing to do with each other.", gives(lambda r, *a: r.sum(0, keepdim=True)),
                gives(lambda r, *a: r.sum(0, keepdim=True).expand_as(r))),
        mistake("first-channel-only", "Only the first input channel is looked at. Each output is a sum over all input channels.",
                given(lambda x, w, *a: (x[:, :1], w[:, :1], *a))),
        mistake("channels-not-mixed", "Each output channel sees a single input channel. It should add up what all of them bring.", does(_unmixed)),
        mistake("last-channel-only", "Only the last input channel counts: the sum is overwritten, not added to, in the loop over channels.",
                given(lambda x, w, *a: (x[:, -1:], w[:, -1:], *a))),
        mistake("channels-averaged", "You average over the input channels. Add them.", does(lambda x, w, b, *a: F.conv2d(x, w / x.shape[1], b, *a))),
        mistake("first-output-only", "Only the first output channel is made, or all of them use the first kernel. Each output channel has its own kernel, weight[o].",
                gives(lambda r, *a: r[:, :1]), gives(lambda r, *a: r[:, :1].expand_as(r)), given(lambda x, w, b, *a: (x, w[:1].expand_as(w), b, *a))),
        mistake("only-square-kernels", "Your function takes the kernel to be as wide as it is high. Read both sizes off `weight.shape`.",
                does(lambda x, w, *a: F.conv2d(x, w[..., : w.shape[2]] if w.shape[3] >= w.shape[2] else 1 / 0, *a)),
                does(lambda x, w, *a: F.conv2d(x, w[..., : w.shape[3], :] if w.shape[2] >= w.shape[3] else 1 / 0, *a)),
                does(lambda x, w, *a: F.conv2d(x, w[..., : min(w.shape[2:]), : min(w.shape[2:])], *a))),
        mistake("only-square-pictures", "Your function takes the picture to be as wide as it is high. Read both sizes off `x.shape`.",
                does(lambda x, w, *a: F.conv2d(x[..., : x.shape[2]] if x.shape[3] >= x.shape[2] else 1 / 0, w, *a)),
                does(lambda x, w, *a: F.conv2d(x[..., : x.shape[3], :] if x.shape[2] >= x.shape[3] else 1 / 0, w, *a))),
        mistake("last-window-lost", "The output lacks its last row and column: the + 1 of the size is missing.", gives(lambda r, *a: r[..., :-1, :-1])),
        mistake("output-rounded-up", "The size of the output is rounded up; a kernel that no longer fits is left out, so it is rounded down.", does(_ceil)),
        mistake("averaged", "You divide by the number of weights. Convolution is a plain sum.", does(lambda x, w, b, *a: F.conv2d(x, w / w[0].numel(), b, *a)),
                does(lambda x, w, b, *a: F.conv2d(x, w / (w.shape[2] * w.shape[3]), b, *a))),
    ),
))  # fmt: skip


# receptive_field ---------------------------------------------------------------------------------------------------

Layers = list[tuple[int, int, int]]


def field(layers: Layers) -> tuple[int, int]:
    """Reference of `receptive_field`."""
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        size += (kernel - 1) * dilation * jump
        jump *= stride
    return size, jump


def _field_cases() -> list[Case]:
    vgg = [layer for n in (2, 2, 3, 3, 3) for layer in [(3, 1, 1)] * n + [(2, 2, 1)]]
    stacks: list[tuple[str, Layers]] = [
        ("one layer", [(3, 1, 1)]),
        ("one layer", [(7, 1, 1)]),
        ("several layers", [(3, 1, 1)] * 3),
        ("several layers", [(5, 1, 1), (3, 1, 1), (1, 1, 1), (4, 1, 1)]),
        ("stride", [(3, 2, 1)]),
        ("stride", [(3, 2, 1), (3, 1, 1)]),
        ("stride", [(7, 2, 1), (3, 3, 1), (5, 2, 1)]),
        ("stride", [(2, 2, 1), (3, 1, 1), (2, 2, 1), (3, 1, 1)]),
        ("dilation", [(3, 1, 2)]),
        ("dilation", [(3, 1, 1), (3, 1, 2), (3, 1, 5)]),
        ("stride and dilation", [(3, 2, 2), (3, 1, 4), (2, 3, 3), (5, 1, 2)]),
        ("known networks", [*vgg]),
        ("known networks", [*vgg, (7, 1, 1)]),
        ("known networks", [(3, 1, d) for d in (1, 1, 2, 4, 8, 16, 1)]),
        ("no layers", []),
    ]
    return [Case((layers,), group) for group, layers in stacks]


def _field_facts(layers: Layers) -> dict[str, bool]:
    return {
        "a layer has a stride above 1": any(s > 1 for _, s, _ in layers),
        "a layer behind the first has a stride above 1": any(s > 1 for _, s, _ in layers[1:]),
        "a layer has a dilation above 1": any(d > 1 for _, _, d in layers),
        "there is more than one layer": len(layers) > 1,
        "a kernel has an even size": any(k % 2 == 0 for k, _, _ in layers),
        "there are no layers": not layers,
    }


def _walk(layers: Layers, grow, step, start: int = 1) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """The recursion with its two lines replaced: grow(k, s, d, jump) is added, step(jump, s, d) is the next jump."""
    size, jump = start, 1
    for k, s, d in layers:
        size, jump = size + grow(k, s, d, jump), step(jump, s, d)
    return size, jump


def _grows(grow, start: int = 1):  # type: ignore[no-untyped-def]
    return does(lambda layers: _walk(layers, grow, lambda j, s, d: j * s, start))


def _right(k: int, s: int, d: int, j: int) -> int:
    return (k - 1) * d * j


register(Exercise(
    name="receptive_field",
    signature="receptive_field(layers)",
    text="layers is a list of (kernel, stride, dilation), the first layer first. Return (field, stride): how many input pixels in a row one output of\n"
    "the stack can see, and how many input pixels lie between neighbouring outputs. No layers at all: (1, 1).",
    reference=field,
    cases=_field_cases,
    kinds=("number", "number"),
    facts=_field_facts,
    mistakes=(
        mistake("dilation-ignored", "The dilation makes no difference in your function. It stretches the kernel: (k − 1)·d + 1 pixels from end to end.",
                given(lambda layers: ([(k, s, 1) for k, s, _ in layers],))),
        mistake("stride-ignored", "The field grows as if every layer moved in steps of one input pixel. Behind a stride of 2 a step is two pixels of the input.",
                _grows(lambda k, s, d, j: (k - 1) * d), given(lambda layers: ([(k, 1, d) for k, _, d in layers],))),
        mistake("own-stride-too-early", "A layer's own stride already enlarges its own kernel. Its kernel spans the grid of its input: add first, multiply afterwards.",
                _grows(lambda k, s, d, j: (k - 1) * d * j * s)),
        mistake("starts-at-zero", "The field is one too small: before any layer an output sees one pixel, itself.", _grows(_right, 0)),
        mistake("whole-kernels-added", "Each layer adds k where it should add k − 1: one pixel of the kernel was there before.",
                _grows(lambda k, s, d, j: k * d * j), _grows(lambda k, s, d, j: k * d * j, 0), _grows(lambda k, s, d, j: k * j)),
        mistake("stretched-wrong", "A kernel of k at dilation d spans (k − 1)·d + 1 pixels, with d counting from one weight to the next. Yours spans k·d, or "
                "k plus the dilation.", _grows(lambda k, s, d, j: (k * d - 1) * j), _grows(lambda k, s, d, j: (k - 1 + d - 1) * j),
                _grows(lambda k, s, d, j: (k - 1) * (d + 1) * j)),
        mistake("strides-added", "Strides multiply along the stack: two layers of stride 2 make steps of 4. Yours are added, or the largest counts.",
                does(lambda ls: _walk(ls, _right, lambda j, s, d: j + s)), does(lambda ls: _walk(ls, _right, lambda j, s, d: j + s - 1)),
                does(lambda ls: _walk(ls, _right, lambda j, s, d: max(j, s)))),
        mistake("dilation-in-stride", "The dilation is multiplied into the stride. It spreads one kernel and leaves the grid as it is.",
                does(lambda ls: _walk(ls, _right, lambda j, s, d: j * s * d))),
        mistake("last-stride-only", "The stride that you return is that of a single layer. The steps of all layers multiply.",
                does(lambda ls: (field(ls)[0], ls[-1][1] if ls else 1)), does(lambda ls: _walk(ls, _right, lambda j, s, d: s))),
        mistake("order-reversed", "You walk from the last layer to the first with the recursion for the other direction.", given(lambda ls: (ls[::-1],))),
        mistake("last-layer-only", "Only one layer counts: the field is set anew in the loop instead of growing.",
                given(lambda ls: (ls[-1:],)), given(lambda ls: (ls[:1],))),
        mistake("stride-dilation-swapped", "Stride and dilation have changed places: each layer is (kernel, stride, dilation).",
                given(lambda ls: ([(k, d, s) for k, s, d in ls],))),
        mistake("radius", "The field is half of what it should be: you measure from the centre to one side.", does(lambda ls: ((field(ls)[0] - 1) // 2, field(ls)[1])),
                does(lambda ls: ((field(ls)[0] + 1) // 2, field(ls)[1]))),
        mistake("results-exchanged", "The two results are in the wrong order: the field first, then the stride.", gives(lambda r, *a: (r[1], r[0]))),
    ),
))  # fmt: skip
