"""Chapter 04: from classifier to FCN: convolutionalised layers, bilinear kernels, skips."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.made import noncontiguous, normal, quarters
from segkit.grading.values import Unusable, shape_text

# linear_to_conv ----------------------------------------------------------------------------------------------------


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


def probe(layer: Any, linear: nn.Linear, c: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    """What a layer makes of pictures of the classifier's size, and of one larger picture."""
    if isinstance(layer, (tuple, list)) and len(layer) == 2:
        weight, bias = layer
        layer = conv_of(torch.as_tensor(weight).detach(), None if bias is None else torch.as_tensor(bias).detach())
    if isinstance(layer, (Tensor, str, int, float)) or not callable(layer):
        raise Unusable(f"a {type(layer).__name__} where a layer (torch.nn.Conv2d) is asked for")
    results = []
    for n, height, width in ((2, h, w), (1, h + 2, w + 3)):
        x = normal(n, n, c, height, width, dtype=linear.weight.dtype)
        try:
            results.append(layer(x))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            where = f"{n}×{c}×{height}×{width}"
            raise Unusable(f"a layer that stops on an input of shape {where} ({str(error).splitlines()[0]})") from error
        if not isinstance(results[-1], Tensor):
            raise Unusable(f"a layer that gives a {type(results[-1]).__name__}")
    return results[0], results[1]


def _linear(seed: int, inputs: int, outputs: int, bias: bool = True, dtype: torch.dtype = torch.float32) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(quarters(seed, outputs, inputs))
        if bias:
            layer.bias.copy_(quarters(seed + 1, outputs))
    return layer


def _linear_cases() -> list[Case]:
    return [
        Case((_linear(1, 4, 3), 1, 2, 2), "plain"),
        Case((_linear(2, 9, 2), 1, 3, 3), "plain"),
        Case((_linear(3, 18, 4), 2, 3, 3), "channels"),
        Case((_linear(4, 12, 3), 3, 2, 2), "channels"),
        Case((_linear(5, 12, 2), 2, 2, 3), "not square"),
        Case((_linear(6, 24, 5), 2, 4, 3), "not square"),
        Case((_linear(7, 8, 3, bias=False), 2, 2, 2), "no bias"),
        Case((_linear(8, 5, 4), 5, 1, 1), "1×1"),
        Case((_linear(9, 12, 3, dtype=torch.float64), 3, 2, 2), "float64"),
    ]


def _linear_facts(linear: nn.Linear, c: int, h: int, w: int) -> dict[str, bool]:
    return {
        "there is more than one channel": c > 1,
        "height and width differ": h != w,
        "the linear layer has no bias": linear.bias is None,
        "the map is 1×1": h * w == 1,
    }


def _layer(change: Any, **options: int):  # type: ignore[no-untyped-def]
    """The right layer but for its weight."""
    return does(lambda lin, c, h, w: conv_of(change(lin.weight.detach(), c, h, w), _bias(lin), **options))


def _same_size(linear: nn.Linear, c: int, h: int, w: int) -> nn.Module:
    right = convolutionalised(linear, c, h, w)
    return nn.Sequential(nn.ZeroPad2d(((w - 1) // 2, w // 2, (h - 1) // 2, h // 2)), right)


class _Flattening(nn.Module):
    """The linear layer in disguise: one answer per picture, from its top left or its average."""

    def __init__(self, linear: nn.Linear, h: int, w: int, mean: bool) -> None:
        super().__init__()
        self.linear, self.size, self.mean = linear, (h, w), mean

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, self.size) if self.mean else x[..., : self.size[0], : self.size[1]]
        return self.linear(x.flatten(1))[:, :, None, None]


def _random(linear: nn.Linear, c: int, h: int, w: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(c, linear.out_features, (h, w)).to(linear.weight.dtype)


register(Exercise(
    name="linear_to_conv",
    signature="linear_to_conv(linear, channels, height, width)",
    text=(
        "Turn a classifier's layer into a convolution. linear is a torch.nn.Linear that worked on flattened channels×height×width maps. Return a torch.nn.Conv2d\n"
        "with the same parameters: on a map of that size it gives the same numbers (N×out×1×1), on a larger map one answer for each place, stride 1, no padding.\n"
        "linear may have no bias; it stays as it is, and the dtype too."
    ),
    reference=convolutionalised,
    cases=_linear_cases,
    kinds=("float", "float"),
    facts=_linear_facts,
    observe=probe,
    mistakes=(
        mistake("channels-last", "The weights are unrolled as if channels came last. `flatten` of C×H×W puts the channel first: (channels, height, width).",
                _layer(lambda m, c, h, w: m.reshape(-1, h, w, c).permute(0, 3, 1, 2))),
        mistake("height-width-exchanged", "Height and width are exchanged in the kernel.", _layer(lambda m, c, h, w: m.reshape(-1, c, w, h).transpose(2, 3)),
                _layer(lambda m, c, h, w: m.reshape(-1, c, h, w).transpose(2, 3)), _layer(lambda m, c, h, w: m.reshape(-1, c, w, h))),
        mistake("kernel-flipped", "The kernel is upside down and back to front. Networks slide it as it is: no flip is needed.", _layer(lambda m, c, h, w: m.reshape(-1, c, h, w).flip(2, 3))),
        mistake("bias-lost", "The bias of the linear layer is not taken over.", does(lambda lin, c, h, w: conv_of(lin.weight.detach().reshape(-1, c, h, w), None))),
        mistake("padded", "Your layer pads, so that it gives several answers where the classifier gave one. Without padding the kernel fits exactly once.",
                does(_same_size), _layer(lambda m, c, h, w: m.reshape(-1, c, h, w), padding=1)),
        mistake("strided", "On a larger map your layer leaves places out: the stride is 1.", does(lambda lin, c, h, w: nn.Sequential(nn.ConstantPad2d(0, 0.0), (
            lambda conv: (setattr(conv, "stride", (h, w)), conv)[1])(convolutionalised(lin, c, h, w)))), _layer(lambda m, c, h, w: m.reshape(-1, c, h, w), stride=2)),
        mistake("weight-transposed", "Inputs and outputs of the weight matrix are exchanged. A linear layer keeps it as out×in.",
                _layer(lambda m, c, h, w: m.T.reshape(m.shape[0], c, h, w))),
        mistake("not-copied", "The layer keeps its random weights: the numbers of the linear layer are not copied into it.",
                does(_random), does(lambda lin, c, h, w: conv_of(torch.zeros(lin.out_features, c, h, w, dtype=lin.weight.dtype), None)),
                does(lambda lin, c, h, w: conv_of(_random(lin, c, h, w).weight.detach(), _bias(lin)))),
        mistake("one-answer-only", "On a larger map your layer still gives a single answer. A convolution answers at every place.",
                does(lambda lin, c, h, w: _Flattening(lin, h, w, True)), does(lambda lin, c, h, w: _Flattening(lin, h, w, False))),
        mistake("averaged", "The weights are divided by the size of the map. They are taken over as they are.", _layer(lambda m, c, h, w: m.reshape(-1, c, h, w) / (h * w))),
        mistake("first-channel-only", "All input channels get the same weights.", _layer(lambda m, c, h, w: m.reshape(-1, c, h, w)[:, :1].expand(-1, c, h, w))),
        mistake("one-by-one", "Your kernel is 1×1. It has to cover the whole map that was flattened.",
                _layer(lambda m, c, h, w: m.reshape(-1, c, h, w).sum((2, 3), keepdim=True)), _layer(lambda m, c, h, w: m.reshape(-1, c, h, w)[..., :1, :1]),
                _layer(lambda m, c, h, w: m.reshape(-1, c, h, w).mean((2, 3), keepdim=True))),
    ),
))  # fmt: skip


# bilinear_kernel ---------------------------------------------------------------------------------------------------


def tent(stride: int) -> Tensor:
    """One row of the bilinear kernel: 2·stride − stride mod 2 numbers."""
    k = 2 * stride - stride % 2
    centre = (k - 1) / 2
    return 1 - (torch.arange(k) - centre).abs() / stride


def _on_diagonal(plane: Tensor, channels: int) -> Tensor:
    return torch.eye(channels)[:, :, None, None] * plane


def kernel(channels: int, stride: int) -> Tensor:
    """Reference of `bilinear_kernel`."""
    return _on_diagonal(torch.outer(tent(stride), tent(stride)), channels)


def _row(change: Any):  # type: ignore[no-untyped-def]
    """The kernel from another row of numbers."""
    return does(lambda c, s: _on_diagonal(torch.outer(change(s), change(s)), c))


def _triangle(k: int, centre: float, reach: float) -> Tensor:
    return (1 - (torch.arange(k) - centre).abs() / reach).clamp(min=0)


def _kernel_cases() -> list[Case]:
    calls = [("plain", 1, 2), ("several channels", 3, 2), ("several channels", 2, 2), ("larger strides", 1, 4), ("larger strides", 2, 8),
             ("odd strides", 1, 3), ("odd strides", 2, 5), ("stride 1", 2, 1), ("FCN-32s", 2, 32)]  # fmt: skip
    return [Case((c, s), group) for group, c, s in calls]


register(Exercise(
    name="bilinear_kernel",
    signature="bilinear_kernel(channels, stride)",
    text=(
        "The weight of a transposed convolution that enlarges by `stride` as bilinear interpolation does: channels×channels×k×k with k = 2·stride − stride mod 2.\n"
        "Each channel goes to itself only. The row of numbers is a tent around the middle of the kernel, (k − 1)/2, falling by 1/stride per pixel from a height of 1;\n"
        "the kernel is the outer product of the row with itself."
    ),
    reference=kernel,
    cases=_kernel_cases,
    facts=lambda c, s: {"stride is odd": s % 2 == 1, "stride is 1": s == 1, "there is more than one channel": c > 1, "stride is not 2": s != 2},
    mistakes=(
        mistake("channels-mixed", "Every input channel feeds every output channel. Only the diagonal, channel c to channel c, is filled; the rest is 0.",
                does(lambda c, s: kernel(1, s).expand(c, c, -1, -1))),
        mistake("one-channel-filled", "Only the first channel gets a kernel. Each has one, on the diagonal.",
                gives(lambda r, c, s: r * (torch.arange(c) == 0)[:, None, None, None])),
        mistake("depthwise-shape", "The shape is that of a grouped convolution. Without groups the weight is channels×channels×k×k.",
                does(lambda c, s: kernel(1, s).expand(c, 1, -1, -1)), does(lambda c, s: kernel(1, s)), does(lambda c, s: kernel(1, s)[0, 0])),
        mistake("size-always-even", "For an odd stride the kernel has an odd size, so that it has a middle pixel: k = 2·stride − stride mod 2.",
                _row(lambda s: _triangle(2 * s, s - 0.5, s)), _row(lambda s: _triangle(2 * s, s - 1, s))),
        mistake("size-always-odd", "For an even stride the kernel has an even size: its middle lies between two pixels.", _row(lambda s: _triangle(2 * s - 1, s - 1, s)),
                _row(lambda s: _triangle(2 * s + 1, s, s))),
        mistake("centre-off", "The tent's top is half a pixel from the middle of the kernel, so everything would move as it grows. The middle is (k − 1)/2.",
                _row(lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2) // 2, s)), _row(lambda s: _triangle(2 * s - s % 2, s - 1, s)),
                _row(lambda s: _triangle(2 * s - s % 2, s - 0.5, s)), _row(lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2) / 2, s))),
        mistake("sum-is-one", "The kernel sums to 1. It should sum to stride²: each input pixel fills stride × stride outputs.", gives(lambda r, c, s: r / kernel(1, s).sum()),
                gives(lambda r, c, s: r / s**2)),
        mistake("top-is-one", "The tent is stretched until its top is 1. For an even stride the top lies between two pixels, so no weight reaches 1.",
                gives(lambda r, c, s: r / r.max()), _row(lambda s: tent(s) / tent(s).max())),
        mistake("box", "All weights are equal: this copies the nearest pixel. The weights should fall with the distance.", gives(lambda r, c, s: (r > 0).float()),
                _row(lambda s: torch.full_like(tent(s), 0.5)), gives(lambda r, c, s: (r > 0).float() * s * s / r[0, 0].numel()),
                gives(lambda r, c, s: (r > 0).float() / r[0, 0].numel())),
        mistake("kernel-too-small", "The kernel is stride×stride. A tent reaches to the neighbours on both sides, so it is about twice as wide.",
                _row(lambda s: _triangle(s, (s - 1) / 2, s)), _row(lambda s: _triangle(s, (s - 1) / 2, (s + 1) // 2)), does(lambda c, s: _on_diagonal(torch.ones(s, s), c))),
        mistake("wrong-slope", "The tent falls too fast or too slowly: by 1/stride per pixel.", _row(lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, s + 1)),
                _row(lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, s + 0.5)), _row(lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, (2 * s - s % 2) / 2)),
                _row(lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, 2 * s - s % 2))),
        mistake("added-not-multiplied", "The two tents are added or averaged. The kernel is their product.",
                does(lambda c, s: _on_diagonal((tent(s)[:, None] + tent(s)) / 2, c)), does(lambda c, s: _on_diagonal(tent(s)[:, None] + tent(s), c)),
                does(lambda c, s: _on_diagonal(torch.minimum(tent(s)[:, None], tent(s)), c))),
        mistake("one-axis-only", "The weights fall along one axis only.", does(lambda c, s: _on_diagonal(tent(s).expand(len(tent(s)), -1), c)),
                does(lambda c, s: _on_diagonal(tent(s)[:, None].expand(-1, len(tent(s))), c))),
        mistake("squared", "The row is multiplied in twice: the weights are squared.", gives(lambda r, *a: r**2)),
    ),
))  # fmt: skip


# fuse_skip ---------------------------------------------------------------------------------------------------------


def enlarged(coarse: Tensor) -> Tensor:
    """N×K×(2h+2)×(2w+2): the bilinear transposed convolution of stride 2, before the cut."""
    return F.conv_transpose2d(coarse, kernel(coarse.shape[1], 2).to(coarse.dtype), stride=2)


def _cut(up: Tensor, fine: Tensor, y: int = 1, x: int = 1) -> Tensor:
    return up[..., y : y + fine.shape[2], x : x + fine.shape[3]]


def fuse(coarse: Tensor, fine: Tensor) -> Tensor:
    """Reference of `fuse_skip`."""
    return _cut(enlarged(coarse), fine) + fine


def _skip_case(seed: int, n: int, k: int, coarse: tuple[int, int], fine: tuple[int, int], group: str, dtype: torch.dtype = torch.float32) -> Case:
    make = normal if dtype == torch.float64 else quarters
    return Case((make(seed, n, k, *coarse, dtype=dtype), make(seed + 1, n, k, *fine, dtype=dtype)), group)


def _skip_cases() -> list[Case]:
    coarse, fine = _skip_case(19, 2, 3, (4, 3), (8, 6), "").args
    return [
        _skip_case(1, 1, 1, (1, 2), (2, 4), "plain"),
        _skip_case(3, 1, 1, (2, 3), (4, 6), "plain"),
        _skip_case(5, 1, 1, (4, 3), (8, 6), "plain"),
        _skip_case(7, 1, 3, (3, 2), (6, 4), "classes"),
        _skip_case(9, 3, 1, (2, 3), (4, 6), "batch"),
        _skip_case(11, 2, 4, (3, 3), (6, 6), "batch"),
        _skip_case(13, 1, 2, (3, 4), (7, 9), "odd sizes, rounded down"),
        _skip_case(15, 1, 2, (3, 4), (5, 7), "odd sizes, rounded up"),
        _skip_case(17, 2, 2, (3, 4), (6, 8), "float64", torch.float64),
        Case((noncontiguous(coarse), noncontiguous(fine)), "memory layout"),
    ]


def _skip_facts(coarse: Tensor, fine: Tensor) -> dict[str, bool]:
    return {
        "fine is larger than twice coarse": fine.shape[2] > 2 * coarse.shape[2],
        "fine is smaller than twice coarse": fine.shape[2] < 2 * coarse.shape[2],
        "there is more than one picture in the batch": coarse.shape[0] > 1,
        "there is more than one class": coarse.shape[1] > 1,
    }


def _interpolated(mode: str, to_fine: bool, **options: bool):  # type: ignore[no-untyped-def]
    def fused(coarse: Tensor, fine: Tensor) -> Tensor:
        size = fine.shape[2:] if to_fine else (2 * coarse.shape[2], 2 * coarse.shape[3])
        up = F.interpolate(coarse, size=tuple(size), mode=mode, **options)
        return (up if to_fine else up[..., : fine.shape[2], : fine.shape[3]]) + fine

    return does(fused)


def _upsampled_with(weight: Any):  # type: ignore[no-untyped-def]
    def fused(coarse: Tensor, fine: Tensor) -> Tensor:
        return _cut(F.conv_transpose2d(coarse, weight(coarse.shape[1]).to(coarse.dtype), stride=2), fine) + fine

    return does(fused)


def _middle(coarse: Tensor, fine: Tensor) -> Tensor:
    up = enlarged(coarse)
    return _cut(up, fine, (up.shape[2] - fine.shape[2]) // 2, (up.shape[3] - fine.shape[3]) // 2) + fine


def _last(coarse: Tensor, fine: Tensor) -> Tensor:
    up = enlarged(coarse)
    return _cut(up, fine, up.shape[2] - fine.shape[2], up.shape[3] - fine.shape[3]) + fine


def _fine_cut(coarse: Tensor, fine: Tensor) -> Tensor:
    h, w = coarse.shape[2:]
    up = _cut(enlarged(coarse), fine.new_zeros(1, 1, min(2 * h, fine.shape[2]), min(2 * w, fine.shape[3])))
    return up + fine[..., : up.shape[2], : up.shape[3]]


register(Exercise(
    name="fuse_skip",
    signature="fuse_skip(coarse, fine)",
    text=(
        "FCN's skip. coarse is N×K×h×w, fine N×K×H×W with H one of 2h − 1, 2h, 2h + 1, and W likewise. Enlarge coarse with a transposed convolution of stride 2 and the 4×4\n"
        "bilinear kernel (each class by itself, no padding: 2h + 2 rows come out), cut out rows 1 … H and columns 1 … W, and add fine. The result is N×K×H×W."
    ),
    reference=fuse,
    cases=_skip_cases,
    facts=_skip_facts,
    mistakes=(
        mistake("cut-at-zero", "You cut at row 0. The transposed convolution adds a border of one pixel, so the picture starts at row and column 1.",
                does(lambda c, f: _cut(enlarged(c), f, 0, 0) + f)),
        mistake("cut-at-two", "You cut one row and column too late. The picture starts at row and column 1.", does(lambda c, f: _cut(F.pad(enlarged(c), (0, 1, 0, 1)), f, 2, 2) + f)),
        mistake("cut-from-middle", "You cut from the middle or from the end. That fits for even sizes only; the picture always starts at row and column 1.", does(_middle), does(_last)),
        mistake("interpolated", "You interpolate. Inside that gives the same; at the border interpolation repeats the last pixel where the transposed convolution adds nothing.",
                _interpolated("bilinear", True, align_corners=False), _interpolated("bilinear", False, align_corners=False)),
        mistake("align-corners", "You interpolate with align_corners=True, which stretches the grid: positions of the two maps no longer agree.",
                _interpolated("bilinear", True, align_corners=True), _interpolated("bilinear", False, align_corners=True)),
        mistake("nearest", "You copy each coarse pixel four times. The enlargement should be bilinear.", _interpolated("nearest", True), _interpolated("nearest", False)),
        mistake("not-summed", "The two maps are put side by side as channels, or multiplied. FCN adds them.", does(lambda c, f: torch.cat([_cut(enlarged(c), f), f], 1)),
                does(lambda c, f: torch.cat([f, _cut(enlarged(c), f)], 1)), does(lambda c, f: _cut(enlarged(c), f) * f), does(lambda c, f: torch.maximum(_cut(enlarged(c), f), f))),
        mistake("averaged", "You take the mean of the two maps. FCN adds them.", gives(lambda r, *a: r / 2)),
        mistake("coarse-forgotten", "Only one of the two maps is in your result.", does(lambda c, f: f), gives(lambda r, c, f: r - f)),
        mistake("classes-mixed", "The scores of all classes flow into each other. The kernel is filled on its diagonal only.", _upsampled_with(lambda k: kernel(1, 2).expand(k, k, -1, -1))),
        mistake("kernel-sum", "The enlarged map is too faint or too strong. The bilinear kernel of stride 2 sums to 4.", _upsampled_with(lambda k: kernel(k, 2) / 4),
                _upsampled_with(lambda k: kernel(k, 2) / kernel(1, 2).max()), _upsampled_with(lambda k: kernel(k, 2) * 4)),
        mistake("fine-cut", "You cut fine down to the enlarged map. The result has the size of fine.", does(_fine_cut)),
        mistake("shrunk-instead", "You shrink fine to the size of coarse. The other way round: coarse is enlarged.",
                does(lambda c, f: c + F.interpolate(f, size=tuple(c.shape[2:]), mode="bilinear", align_corners=False)), does(lambda c, f: c + F.adaptive_avg_pool2d(f, tuple(c.shape[2:])))),
        mistake("first-picture-only", "Only the first picture of the batch is worked on.", gives(lambda r, *a: r[:1]), gives(lambda r, *a: r[:1].expand_as(r)),
                given(lambda c, f: (c[:1], f))),
        mistake("fine-subtracted", "You subtract where you should add.", gives(lambda r, c, f: r - 2 * f), gives(lambda r, c, f: 2 * f - r)),
    ),
))  # fmt: skip
