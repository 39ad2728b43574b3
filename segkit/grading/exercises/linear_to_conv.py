"""Chapter 04: a fully connected layer as a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.grading.exercise import Case, Exercise, Ways, catalogue, does, each
from segkit.grading.exercises.case_tensors import grouped, quarters
from segkit.grading.observers import pictures, probe
from segkit.grading.values import Leaf, Unusable, all_same, leaf

TASK = """Turn a classifier's layer into a convolution. linear is a torch.nn.Linear that worked on flattened
channels×height×width maps. Return a torch.nn.Conv2d with the same parameters: on a map of that size
it gives the same numbers (N×out×1×1), on a larger map one answer for each place, stride 1, no
padding. linear may have no bias; it stays as it is, and the dtype too."""


OWN = (3, 1, 4)  # the size at which it is asked what kind of layer it is, and whose numbers it holds


def conv_of(weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution layer with these parameters."""
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], tuple(weight.shape[2:]), stride, padding, bias=bias is not None)  # type: ignore[arg-type]
    layer = layer.to(weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None and layer.bias is not None:
            layer.bias.copy_(bias)
    return layer


def convolutionalised(linear: nn.Linear, c: int, h: int, w: int) -> nn.Conv2d:
    """Reference of `linear_to_conv`."""
    return conv_of(linear.weight.detach().reshape(-1, c, h, w), _bias(linear))


def _bias(linear: nn.Linear) -> Tensor | None:
    return None if linear.bias is None else linear.bias.detach()


def settle(found: tuple[Leaf, ...], linear: nn.Linear, c: int, h: int, w: int) -> tuple[Leaf, ...]:
    """The two results of `probe`, after a look at what the right numbers alone do not show, and at what was not copied.

    Raises:
        Unusable: it is not the layer asked for.
    """
    wanted = convolutionalised(linear, c, h, w)
    own, plain, trained, shared = (bool(fact) for fact in found[2].array.reshape(-1)[:4])
    if all_same(found[:2], tuple(leaf(wanted(x)) for x in pictures(linear, c, h, w))):
        if (c, h, w) == OWN:
            _is_a_layer_of_its_own(own, trained, shared)
    elif plain:
        _is_copied(found[3], found[4], wanted)
    return found[:2]


def _is_a_layer_of_its_own(own: bool, trained: bool, shared: bool) -> None:
    """What the right numbers alone do not show.

    Raises:
        Unusable: it is no nn.Conv2d, cannot be trained, or is tied to the linear layer.
    """
    if not own:
        raise Unusable(
            "[not-a-conv2d] The numbers are right, and what you return is not the layer asked for. Make a "
            "`torch.nn.Conv2d`, copy the weights into it, and return it."
        )
    if not trained:
        raise Unusable(
            "[frozen] The numbers are right, and the layer cannot be trained further: `requires_grad` of its "
            "parameters is False. Copy the numbers under `torch.no_grad()` and leave `requires_grad` alone."
        )
    if shared:
        raise Unusable(
            "[shares-memory] Your layer shares its numbers with `linear`: training one would change the other. Copy "
            "them (`.copy_(…)` or `.clone()`); `view` and `reshape` alone do not."
        )


def _is_copied(weight: Leaf, bias: Leaf, wanted: nn.Conv2d) -> None:
    """Tell parameters that were left as they are made, at random.

    Raises:
        Unusable: the weights are as small as random ones and none of the linear layer's, or all but the bias is right.
    """
    right = leaf(wanted.weight)
    if bias.array.any() and all_same((weight,), (right,)):
        told = "Copy that of `linear` as well." if wanted.bias is not None else "`linear` has none: bias=False."
        raise Unusable(f"[bias-not-copied] The weights are right, and the bias is still the random one. {told}")
    have, want = (np.sort(np.abs(one.array), None) for one in (weight, right))
    drawn = have.any() and have[-1] <= wanted.weight[0].numel() ** -0.5  # where torch draws them from
    if drawn and have.shape == want.shape and not np.allclose(have * want[-1], want * have[-1], atol=1e-4):
        raise Unusable(
            "[not-copied] The layer keeps its random weights: the numbers of `linear` are not copied into it. Copy "
            "them under `torch.no_grad()`, and return the layer that holds them."
        )


def _linear(seed: int, inputs: int, outputs: int, bias: bool = True, dtype: torch.dtype = torch.float32) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(quarters(seed, outputs, inputs))
        if bias:
            layer.bias.copy_(quarters(seed + 1, outputs))
    return layer


def _linear_cases() -> list[Case]:
    return grouped(
        ("plain", (_linear(1, 4, 3), 1, 2, 2), (_linear(2, 9, 2), 1, 3, 3)),
        ("channels", (_linear(3, 18, 4), 2, 3, 3), (_linear(4, 12, 3), 3, 2, 2), (_linear(11, 20, 3), 5, 2, 2)),
        ("not square", (_linear(5, 12, 2), 2, 2, 3), (_linear(6, 24, 5), 2, 4, 3)),
        ("no bias", (_linear(7, 8, 3, bias=False), 2, 2, 2)),
        ("1×1", (_linear(8, 5, 4), 5, 1, 1)),
        ("a layer of its own", (_linear(10, 12, 3), *OWN)),
        ("float64", (_linear(9, 12, 3, dtype=torch.float64), 3, 2, 2)),
    )


def _linear_facts(linear: nn.Linear, c: int, h: int, w: int) -> dict[str, bool]:
    return {
        "there is more than one channel": c > 1,
        "height and width differ": h != w,
        "the linear layer has no bias": linear.bias is None,
        "the map is 1×1": h * w == 1,
    }


@each
def _layer(change: Any, **options: int) -> Ways:
    """The right layer but for its weight."""
    return does(lambda lin, c, h, w: conv_of(change(lin.weight.detach(), c, h, w), _bias(lin), **options))


def _same_size(linear: nn.Linear, c: int, h: int, w: int) -> nn.Module:
    right = convolutionalised(linear, c, h, w)
    return nn.Sequential(nn.ZeroPad2d(((w - 1) // 2, w // 2, (h - 1) // 2, h // 2)), right)


def _by_windows(linear: nn.Linear, c: int, h: int, w: int) -> nn.Module:
    """Windows side by side."""
    layer = convolutionalised(linear, c, h, w)
    layer.stride = (h, w)
    return layer


class _Flattening(nn.Module):
    """The linear layer in disguise: one answer per picture, from its top left or its average."""

    def __init__(self, linear: nn.Linear, h: int, w: int, mean: bool) -> None:
        super().__init__()
        self.linear, self.size, self.mean = linear, (h, w), mean

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, self.size) if self.mean else x[..., : self.size[0], : self.size[1]]
        return self.linear(x.flatten(1))[:, :, None, None]


MESSAGES = """
channels-last: The weights are unrolled as if channels came last. `flatten` of C×H×W puts the channel first: (channels,
    height, width).
height-width-exchanged: Height and width are exchanged in the kernel.
kernel-flipped: The kernel is turned by 180°. A network's convolution uses it as it is: no flip is needed.
bias-lost: The bias of the linear layer is not copied.
padded: Your layer pads, so that it gives several answers where the classifier gave one. Without padding the kernel fits
    exactly once.
strided: On a larger map your layer leaves places out: the stride is 1.
weight-transposed: Inputs and outputs of the weight matrix are exchanged. A linear layer keeps it as out×in.
one-answer-only: On a larger map your layer still gives a single answer. A convolution answers at every place.
averaged: The weights are divided by the size of the map. Copy them as they are.
first-channel-only: All input channels get the same weights.
one-by-one: Your kernel is 1×1. It has to cover the whole map that was flattened.
"""

WAYS = {
    "channels-last": _layer(lambda m, c, h, w: m.reshape(-1, h, w, c).permute(0, 3, 1, 2)),
    "height-width-exchanged": _layer(
        lambda m, c, h, w: m.reshape(-1, c, w, h).transpose(2, 3),
        lambda m, c, h, w: m.reshape(-1, c, h, w).transpose(2, 3),
    ),
    "kernel-flipped": _layer(lambda m, c, h, w: m.reshape(-1, c, h, w).flip(2, 3)),
    "bias-lost": does(lambda lin, c, h, w: conv_of(lin.weight.detach().reshape(-1, c, h, w), None)),
    "padded": does(_same_size) + _layer(lambda m, c, h, w: m.reshape(-1, c, h, w), padding=1),
    "strided": does(_by_windows) + _layer(lambda m, c, h, w: m.reshape(-1, c, h, w), stride=2),
    "weight-transposed": _layer(lambda m, c, h, w: m.T.reshape(m.shape[0], c, h, w)),
    "one-answer-only": does(
        lambda lin, c, h, w: _Flattening(lin, h, w, True), lambda lin, c, h, w: _Flattening(lin, h, w, False)
    ),
    "averaged": _layer(lambda m, c, h, w: m.reshape(-1, c, h, w) / (h * w)),
    "first-channel-only": _layer(lambda m, c, h, w: m.reshape(-1, c, h, w)[:, :1].expand(-1, c, h, w)),
    "one-by-one": _layer(
        lambda m, c, h, w: m.reshape(-1, c, h, w).sum((2, 3), keepdim=True),
        lambda m, c, h, w: m.reshape(-1, c, h, w)[..., :1, :1],
        lambda m, c, h, w: m.reshape(-1, c, h, w).mean((2, 3), keepdim=True),
    ),
}

EXERCISE = Exercise(
    "linear_to_conv(linear, channels, height, width)",
    TASK,
    convolutionalised,
    _linear_cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "float"),
    facts=_linear_facts,
    observe=probe,
    parts=5,
    settle=settle,
    number="04.1",
    marks=5,
    finished=("linear_to_conv", "convolutionalise"),
)
