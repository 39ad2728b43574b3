"""Chapter 02: the gradients of a convolution, by hand."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, gives
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, layer, numbers
from segkit.grading.exercises.common import squared

TASK = """The backward pass of a convolution. grad_output is N×C_out×H_out×W_out, what comes back from above to
the output of conv2d(x, weight, bias, stride, padding, dilation), with zeros as padding. Return
(grad_x, grad_weight, grad_bias): the gradients of x, of weight and of bias, each with the shape of what it
is the gradient of, and with its dtype."""

Grads = tuple[Tensor, Tensor, Tensor]


def backward(g: Tensor, x: Tensor, w: Tensor, s: int, p: int, d: int) -> Grads:
    """Reference of `conv2d_backward`: what autograd says."""
    with torch.enable_grad():
        x, w, b = (part.detach().requires_grad_() for part in (x, w, w.new_zeros(len(w))))
        back, grads, bias = torch.autograd.grad(F.conv2d(x, w, b, s, p, d), (x, w, b), g)
    return back, grads, bias


def walked(
    g: Tensor, x: Tensor, w: Tensor, s: int, p: int, d: int, *, order: int = 0, flipped: bool = False,
    crop: bool = True, step: int = 0, hole: int = 0,
) -> Grads:  # fmt: skip
    """Weight by weight, with its steps replaced: other settings, or overwritten in an order instead of added."""
    (h, v), s, d = x.shape[2:], step or s, hole or d
    wide = F.pad(x, (p,) * 4)
    back, grads = torch.zeros_like(wide), torch.zeros_like(w)
    for i in range(w.shape[2])[:: order or 1]:
        for j in range(w.shape[3])[:: order or 1]:
            rows = slice(i * d, i * d + s * (g.shape[2] - 1) + 1, s)
            columns = slice(j * d, j * d + s * (g.shape[3] - 1) + 1, s)
            weight = w[:, :, -1 - i, -1 - j] if flipped else w[:, :, i, j]
            share = torch.einsum("nohw,oc->nchw", g, weight)
            back[:, :, rows, columns] = share + (0 if order else back[:, :, rows, columns])
            grads[:, :, i, j] = torch.einsum("nohw,nchw->oc", g, wide[:, :, rows, columns])
    return back[:, :, p : p + h, p : p + v] if crop else back, grads, g.sum((0, 2, 3))


def _call(seed: int, x: Shape, w: Shape, dtype: torch.dtype = torch.float32, **steps: int) -> Args:
    picture, weight, _ = layer(seed, x, w, dtype=dtype)
    settings = {"stride": 1, "padding": 0, "dilation": 1, **steps}.values()
    shape = F.conv2d(picture, weight, None, *settings).shape
    return numbers(seed + 5, *shape, dtype=dtype), picture, weight, *settings


def _cases() -> list[Case]:
    f64 = torch.float64
    return grouped(
        ("plain", _call(1, (2, 3), (2, 2)), _call(2, (4, 4), (3, 3)), _call(3, (5, 6), (3, 3))),
        ("channels", _call(4, (1, 2, 2, 2), (1, 2, 2, 2)), _call(5, (1, 5, 4, 5), (4, 5, 3, 3))),
        ("batch", _call(6, (2, 1, 2, 2), (2, 2)), _call(7, (3, 2, 5, 4), (3, 2, 3, 3))),
        ("stride", _call(8, (3, 3), (1, 1), stride=2), _call(9, (7, 5), (3, 3), stride=2)),
        ("pixels that no window reaches", _call(10, (4, 3), (2, 2), stride=3), _call(11, (6, 8), (3, 3), stride=2)),
        ("padding", _call(12, (2, 2), (3, 3), padding=1), _call(13, (4, 5), (3, 3), padding=2)),
        ("kernel of 1", _call(14, (2, 3), (1, 1), padding=1), _call(15, (1, 4, 3, 4), (5, 4, 1, 1))),
        ("dilation", _call(16, (3, 3), (2, 2), dilation=2), _call(17, (7, 8), (3, 3), dilation=3)),
        ("kernel shape", _call(18, (3, 4), (1, 3)), _call(19, (1, 2, 6, 7), (2, 2, 2, 4))),
        ("float64", _call(20, (2, 2, 5, 5), (2, 2, 3, 3), f64)),
        ("memory layout", _call(21, (2, 3, 6, 5), (2, 3, 3, 2))),
        ("everything together", _call(22, (2, 4, 10, 11), (3, 4, 3, 2), stride=2, padding=2, dilation=3)),
        ("everything together", _call(23, (3, 2, 10, 7), (3, 2, 2, 3), stride=3, padding=1, dilation=2)),
    )


def _facts(g: Tensor, x: Tensor, w: Tensor, s: int, p: int, d: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "dilation is above 1": d > 1,
        "there is more than one picture in the batch": len(x) > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": len(w) > 1,
        "the kernel is not square": w.shape[2] != w.shape[3],
        "no window reaches the last row": (x.shape[2] + 2 * p - d * (w.shape[2] - 1) - 1) % s > p,
    }


def _uncovered_lost(r: Grads, g: Tensor, x: Tensor, w: Tensor, s: int, p: int, d: int) -> Grads:
    h, v = ((g.shape[i] - 1) * s - 2 * p + d * (w.shape[i] - 1) + 1 for i in (2, 3))
    return r[0][..., :h, :v], r[1], r[2]


def _first_picture(g: Tensor, x: Tensor, *rest: object) -> Grads:
    alone = backward(g[:1], x[:1], *rest)  # type: ignore[arg-type]
    return torch.cat([alone[0], torch.zeros_like(x[1:])]), alone[1], alone[2]


def _square(g: Tensor, x: Tensor, w: Tensor, *rest: int) -> Grads:
    back, grads, bias = walked(g, x, squared(w, 2), *rest)
    return back, F.pad(grads, (0, w.shape[3] - w.shape[2])), bias


@each
def _weight(change: Function) -> Ways:
    """Something done to the gradient of the weights: change(it, grad_output)."""
    return gives(lambda r, g, *a: (r[0], change(r[1], g), r[2]))


@each
def _bias(of: Function) -> Ways:
    """Another gradient of the bias, made of grad_output."""
    return gives(lambda r, g, *a: (r[0], r[1], of(g)))


MESSAGES = """
kernel-flipped: In grad_x the weights sit at the wrong places. Output (i, j) read pixel (i·s − p + u·d, …) through
    weight (u, v), so its gradient goes back to that same pixel through that same weight.
weight-gradient-flipped: The rows and columns of the weights' gradient come in reverse order.
overwritten: Where windows overlap, one contribution to grad_x replaces the other. A pixel that was read by several
    outputs gets the sum.
padding-not-removed: grad_x still has its padding. The zeros around the picture are no part of x: cut them off.
stride-ignored: `stride` makes no difference in your function.
dilation-ignored: `dilation` makes no difference in your function.
edge-lost: grad_x is too small where the last rows or columns of x were reached by no window. They get 0, and grad_x has
    the size of x.
bias-averaged: The gradient of the bias is averaged. The bias is added at every place of every picture, so all of
    grad_output is summed for its channel.
bias-not-summed: The gradient of the bias still has a row for each picture or place. It has one number for each
    output channel.
bias-counted: The gradient of the bias only counts places. It sums grad_output over them.
weight-averaged: The gradient of the weights is divided by the number of pictures or places. All of them are added.
weight-transposed: In the gradient of the weights input and output channels have changed places.
first-picture-only: Only the first picture of the batch is worked on.
only-square-kernels: Your function takes the kernel to be as wide as it is high. Read both sizes off `weight.shape`.
results-exchanged: The three results are in the wrong order: that of x, of the weight, of the bias.
"""

WAYS = {
    "kernel-flipped": does(partial(walked, flipped=True)),
    "weight-gradient-flipped": _weight(lambda r, g: r.flip(2, 3)),
    "overwritten": does(partial(walked, order=1), partial(walked, order=-1)),
    "padding-not-removed": does(partial(walked, crop=False)),
    "stride-ignored": does(partial(walked, step=1)),
    "dilation-ignored": does(partial(walked, hole=1)),
    "edge-lost": gives(_uncovered_lost),
    "bias-averaged": _bias(
        lambda g: g.mean((0, 2, 3)), lambda g: g.sum((2, 3)).mean(0), lambda g: g.mean((2, 3)).sum(0)
    ),
    "bias-not-summed": _bias(lambda g: g.sum((2, 3)), lambda g: g.sum(0), Tensor.sum),
    "bias-counted": _bias(lambda g: torch.ones_like(g).sum((0, 2, 3))),
    "weight-averaged": _weight(lambda r, g: r / len(g), lambda r, g: r / g[0, 0].numel()),
    "weight-transposed": _weight(lambda r, g: r.transpose(0, 1)),
    "first-picture-only": does(_first_picture),
    "only-square-kernels": does(_square),
    "results-exchanged": gives(lambda r, *a: (r[1], r[0], r[2]), lambda r, *a: r[::-1]),
}  # fmt: skip

EXERCISE = Exercise(
    "conv2d_backward(grad_output, x, weight, stride, padding, dilation)",
    TASK,
    backward,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "float", "float"),
    facts=_facts,
    number="02.2",
    marks=6,
    finished=("conv2d", "conv_transpose2d", "conv2d_input", "conv2d_weight", "grad", "fold", "unfold"),
)
