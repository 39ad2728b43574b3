"""How fast the operators from scratch are beside torch's kernels: `python tests/benchmarks/bench_ops.py [--json FILE]`.

Forward and backward, in four groups: every distinct convolution, pooling and upsampling of VGG16 (as FCN uses it) and
ResNet-50 at course size (width 16, 8 pictures of 96×128, 12 classes); dilated 3×3 convolutions, those of ASPP at paper
size and those of dilated stages at course size; depthwise convolutions, those of MobileNets and Xception-65 and every
stride and rate on two maps, with ShuffleNet's grouped 1×1 convolutions; and the poolings of pyramids. Both engines take
turns in one process, and the best time of each counts: on one thread its processor time, which a busy machine disturbs
least, on more the time on the clock. Beside the times stands the arithmetic floor: the multiply-adds of the output and
the gradients, those with padding included, at the rate of the fastest matrix product of this machine.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from segkit import native, ops


@dataclass(frozen=True)
class Layer:
    """One layer: the operator, the input's shape, the weight's (if it has one), and the other arguments."""

    network: str
    operator: str
    input: tuple[int, ...]
    weight: tuple[int, ...] | None
    arguments: tuple[tuple[str, Any], ...]
    first: bool = False  # the picture itself needs no gradient


@dataclass
class Result:
    """Milliseconds of the best run, and their ratios."""

    layer: Layer
    native_forward: float
    native_backward: float
    scratch_forward: float
    scratch_backward: float
    floor: float | None

    @property
    def ratio(self) -> float:
        return (self.scratch_forward + self.scratch_backward) / (self.native_forward + self.native_backward)


class Tracer:
    """Walks through a network by shapes alone and writes down each layer that is new."""

    def __init__(self, network: str, batch: int, size: tuple[int, int], layers: dict[Layer, None]) -> None:
        self.network, self.batch, self.layers = network, batch, layers
        self.channels, self.size, self.first = 3, size, True

    def add(self, operator: str, weight: tuple[int, ...] | None = None, **arguments: Any) -> None:
        shape = (self.batch, self.channels, *self.size)
        what = operator, shape, weight, tuple(arguments.items())
        if what not in [(old.operator, old.input, old.weight, old.arguments) for old in self.layers]:
            self.layers[Layer(self.network, *what, first=self.first)] = None
        self.first = False

    def conv(self, out: int, k: int, stride: int = 1, pad: int | None = None) -> None:
        pad = k // 2 if pad is None else pad
        self.add("conv2d", (out, self.channels, k, k), stride=stride, padding=pad)
        self.channels = out
        self.shrink(k, stride, pad)

    def max_pool(self, k: int, stride: int, pad: int) -> None:
        self.add("max_pool2d", kernel_size=k, stride=stride, padding=pad)
        self.shrink(k, stride, pad)

    def shrink(self, k: int, stride: int, pad: int) -> None:
        h, w = ((n + 2 * pad - k) // stride + 1 for n in self.size)
        self.size = h, w

    def up(self, stride: int) -> None:
        """Enlarge in the two ways that segmentation networks do; the map goes on as it was."""
        k = 2 * stride
        self.add("conv_transpose2d", (self.channels, self.channels, k, k), stride=stride, padding=stride // 2)
        self.add("interpolate", scale_factor=stride, mode="bilinear", align_corners=False)


def vgg16(layers: dict[Layer, None], batch: int, size: tuple[int, int], width: int, classes: int) -> None:
    t = Tracer("VGG16", batch, size, layers)
    for multiple, convolutions in ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)):
        for _ in range(convolutions):
            t.conv(width * multiple, 3)
        t.max_pool(2, 2, 0)
    t.add("adaptive_avg_pool2d", output_size=7)
    t.conv(64 * width, 7, pad=3)  # fc6 and fc7 as FCN has them
    t.conv(64 * width, 1)
    t.conv(classes, 1)
    h, w = t.size
    for doublings, stride in ((0, 32), (0, 2), (1, 16), (1, 2), (2, 8)):
        t.size = (h << doublings, w << doublings)
        t.up(stride)


def resnet50(layers: dict[Layer, None], batch: int, size: tuple[int, int], width: int, classes: int) -> None:
    t = Tracer("ResNet-50", batch, size, layers)
    t.conv(width, 7, stride=2)
    t.max_pool(3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner = width << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            before = t.channels, t.size
            t.conv(inner, 1)
            t.conv(inner, 3, stride)
            t.conv(4 * inner, 1)
            if not block:  # the shortcut
                after = t.channels, t.size
                t.channels, t.size = before
                t.conv(4 * inner, 1, stride, pad=0)
                assert (t.channels, t.size) == after
    t.add("adaptive_avg_pool2d", output_size=1)
    t.conv(classes, 1)
    t.up(32)


def dilated(layers: dict[Layer, None], tiny: bool) -> None:
    """ASPP's branches for output stride 16 and 8 of pictures of 513 pixels, and dilated stages at course size."""
    shapes = [((2, 256, 33, 33), 256, (6, 12, 18, 24, 36)), ((1, 256, 65, 65), 256, (6, 12, 18, 24, 36))]
    shapes += [((1, 2048, 33, 33), 256, (6, 12, 18))]
    shapes += [((8, width, 48, 64), width, (1, 2)) for width in (16, 32, 64)]
    shapes += [((8, width, 24, 32), width, (1, 2)) for width in (32, 64, 128)]
    for (N, C, H, W), out, rates in shapes:
        C, out = (C // 16, out // 16) if tiny else (C, out)
        network = "ASPP" if max(rates) > 2 else "dilated"
        for rate in rates:
            settings = (("padding", rate), ("dilation", rate))
            layers[Layer(network, "conv2d", (N, C, H, W), (out, C, 3, 3), settings)] = None


def pyramids(layers: dict[Layer, None], tiny: bool) -> None:
    """PSPNet's bins, by mean and by maximum, and SPPNet's whole pyramid."""
    C = 16 if tiny else 256
    for operator in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        for bins in (1, 2, 3, 6):
            layers[Layer("pyramid", operator, (2, C, 33, 33), None, (("output_size", bins),))] = None
    for mode in ("max", "avg"):
        layers[Layer("pyramid", "spatial_pyramid_pool", (8, C, 13, 13), None, (("mode", mode),))] = None


# depthwise 3×3 convolutions: channels and side of the map, and every (stride, rate) that it meets
DEPTHWISE = {
    "MobNetV1": [(32, 112, 1, 1), (64, 112, 2, 1), (128, 56, 1, 1), (128, 56, 2, 1), (256, 28, 1, 1), (256, 28, 2, 1),
                 (512, 14, 1, 1), (512, 14, 2, 1), (1024, 7, 1, 1)],
    "MobNetV2": [(96, 112, 2, 1), (144, 56, 1, 1), (144, 56, 2, 1), (192, 28, 1, 1), (384, 14, 1, 1), (576, 14, 2, 1),
                 (960, 7, 1, 1), (960, 14, 1, 2)],
    "Xcept.65": [(128, 129, 2, 1), (304, 129, 1, 1), (728, 33, 1, 1), (728, 33, 1, 2), (1536, 33, 1, 4),
                 (2048, 33, 1, 6), (2048, 33, 1, 12)],
}  # fmt: skip
GROUPED = [
    (240, 60, 28),
    (60, 240, 28),
    (480, 120, 14),
    (120, 480, 14),
    (960, 240, 7),
    (240, 960, 7),
]  # ShuffleNet, g = 3


def depthwise(layers: dict[Layer, None], tiny: bool) -> None:
    """Of MobileNets, Xception-65 and ASPP; every stride and rate on two maps; ShuffleNet's grouped 1×1 convolutions."""
    rows = [
        (name, (2 if name == "Xcept.65" else 8, C, side, side), s, rate)
        for name, shapes in DEPTHWISE.items()
        for C, side, s, rate in shapes
    ]
    for shape in ((2, 256, 33, 33), (8, 64, 24, 32)):
        rows += [("any rate", shape, s, rate) for s in (1, 2) for rate in (1, 2, 4, 6, 12, 18)]
    for name, (N, C, H, W), s, rate in rows:
        C = C // 16 if tiny else C
        settings = (("stride", s), ("padding", rate), ("dilation", rate), ("groups", C))
        layers[Layer(name, "conv2d", (N, C, H, W), (C, 1, 3, 3), settings)] = None
    for C, out, side in GROUPED:
        settings = (("padding", 0), ("groups", 3))
        layers[Layer("ShuffleNt", "conv2d", (8, C, side, side), (out, C // 3, 1, 1), settings)] = None


def clock() -> Callable[[], float]:
    """Processor time on one thread, else time on the clock; in seconds."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def time_once(engine: ModuleType, layer: Layer, x: Tensor, weight: Tensor | None) -> tuple[float, float]:
    """Seconds forward and backward."""
    x.grad = None
    tensors = [x] if weight is None else [x, weight]
    for tensor in tensors:
        tensor.grad = None
    now = clock()
    start = now()
    y = getattr(engine, layer.operator)(*tensors, **dict(layer.arguments))
    middle = now()
    above = torch.ones_like(y)
    begin = now()
    y.backward(above)
    return middle - start, now() - begin


def measure(layer: Layer, seconds: float, rate: float) -> Result:
    """Both engines in turn until the time is up, at least twice after a first run that is not counted."""
    x = torch.randn(layer.input, requires_grad=not layer.first)
    weight = None if layer.weight is None else torch.randn(layer.weight, requires_grad=True)
    best = {engine: [math.inf, math.inf] for engine in (native, ops)}
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < end:
        for engine in best:
            times = time_once(engine, layer, x, weight)
            if rounds:
                best[engine] = [min(old, 1e3 * new) for old, new in zip(best[engine], times, strict=True)]
        rounds += 1
    macs = multiply_adds(layer)
    floor = None if macs is None else macs * (2 if layer.first else 3) / rate * 1e3  # y, dw and (not for a picture) dx
    return Result(layer, *best[native], *best[ops], floor)


def multiply_adds(layer: Layer) -> int | None:
    """Of one forward pass of a convolution."""
    if layer.weight is None:
        return None
    settings = dict(layer.arguments)
    places = math.prod(layer.input[2:])
    if layer.operator == "conv2d":
        k = layer.weight[2]
        reach, stride = settings.get("dilation", 1) * (k - 1) + 1, settings.get("stride", 1)
        places = math.prod((n + 2 * settings["padding"] - reach) // stride + 1 for n in layer.input[2:])
    return layer.input[0] * places * math.prod(layer.weight)


def fastest_product(n: int = 1024) -> float:
    """Multiply-adds per second of the best of twenty n×n matrix products."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    best, now = math.inf, clock()
    for _ in range(20):
        start = now()
        torch.mm(a, b)
        best = min(best, now() - start)
    return n**3 / best


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


GROUPS = ("networks", "dilated", "depthwise", "pyramids")
HEADER = f"""{"":86}   native ms       scratch ms    ratio    floor scratch
{"network":9} {"operator":20} {"input":18} {"arguments":36}forw.  backw.   forw.  backw.           ms / floor"""


def line(result: Result) -> str:
    r, layer = result, result.layer
    settings = [f"{k.split('_')[0]} {v}" for k, v in layer.arguments if k != "align_corners" and v != "bilinear"]
    if layer.weight:
        settings = [f"kernel {layer.weight[2]}", *settings]
    shape = "×".join(map(str, layer.input[1:]))
    if layer.weight and layer.operator == "conv2d":
        shape += f" → {layer.weight[0]}"
    times = [r.native_forward, r.native_backward, r.scratch_forward, r.scratch_backward]
    text = f"{layer.network:9} {layer.operator:20} {shape:18} {', '.join(settings):33}"
    text += "".join(f"{t:8.2f}" for t in times) + f"{r.ratio:8.2f}"
    return (
        text if r.floor is None else text + f"{r.floor:9.2f}{(r.scratch_forward + r.scratch_backward) / r.floor:8.1f}"
    )


def layers_of(groups: Sequence[str], tiny: bool) -> dict[str, dict[Layer, None]]:
    """The layers of each group."""
    chosen: dict[str, dict[Layer, None]] = {group: {} for group in groups}
    for group, layers in chosen.items():
        if group == "networks":
            size = (1, (32, 32), 2, 3) if tiny else (8, (96, 128), 16, 12)
            vgg16(layers, *size)
            resnet50(layers, *size)
        else:
            {"dilated": dilated, "depthwise": depthwise, "pyramids": pyramids}[group](layers, tiny)
    return chosen


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Print the table; returns the geometric mean of the ratios of each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="threads of torch (its own choice)"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each layer (1)")
    parser.add_argument("--tiny", action="store_true", help="one picture of 32×32, width 2: only to see that it runs")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=GROUPS, help="which groups of layers (all)")
    options = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    groups = layers_of(options.groups, options.tiny)
    rate = fastest_product(128 if options.tiny else 1024)
    print(f"torch {torch.__version__}, {options.threads} threads, {platform.processor() or platform.machine()}")
    print(f"fastest matrix product: {rate / 1e9:.1f} G multiply-adds per second\n")
    print(HEADER)
    results: dict[str, list[Result]] = {group: [] for group in groups}
    for group, layers in groups.items():
        for layer in layers:
            results[group].append(measure(layer, 0 if options.tiny else options.seconds, rate))
            print(line(results[group][-1]), flush=True)
    torch.set_num_threads(threads)
    means = {group: geometric_mean([r.ratio for r in rows]) for group, rows in results.items()}
    print()
    for group, rows in results.items():
        largest = max(r.ratio for r in rows)
        print(f"{group}, {len(rows)} layers: geometric mean of the ratios {means[group]:.2f}, largest {largest:.2f}")
    if options.json:
        about = {"torch": torch.__version__, "threads": options.threads, "multiply_adds_per_second": rate}
        written = [{**asdict(r), "group": g, "ratio": r.ratio} for g, rows in results.items() for r in rows]
        options.json.write_text(
            json.dumps({**about, "geometric_means": means, "layers": written}, indent=1), encoding="utf-8"
        )
    return means


if __name__ == "__main__":
    main()
