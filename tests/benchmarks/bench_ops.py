"""How fast the operators from scratch are beside torch's kernels: `python tests/benchmarks/bench_ops.py [--json FILE]`.

Forward and backward of every distinct convolution, pooling and upsampling of VGG16 (as FCN uses it) and ResNet-50 at
course size: width 16, 8 pictures of 96×128, 12 classes. Both engines take turns in one process, and the best time of
each counts, which is what a busy machine disturbs least. Beside the times stands the arithmetic floor: the
multiply-adds that the output and the gradients need, at the rate of the fastest matrix product of this machine.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
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


def time_once(engine: ModuleType, layer: Layer, x: Tensor, weight: Tensor | None) -> tuple[float, float]:
    """Seconds forward and backward."""
    x.grad = None
    tensors = [x] if weight is None else [x, weight]
    for tensor in tensors:
        tensor.grad = None
    start = time.perf_counter()
    y = getattr(engine, layer.operator)(*tensors, **dict(layer.arguments))
    middle = time.perf_counter()
    above = torch.ones_like(y)
    begin = time.perf_counter()
    y.backward(above)
    return middle - start, time.perf_counter() - begin


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
        places = math.prod((n + 2 * settings["padding"] - k) // settings["stride"] + 1 for n in layer.input[2:])
    return layer.input[0] * places * math.prod(layer.weight)


def fastest_product(n: int = 1024) -> float:
    """Multiply-adds per second of the best of twenty n×n matrix products."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    best = math.inf
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return n**3 / best


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


HEADER = f"""{"":82}   native ms       scratch ms    ratio    floor scratch
{"network":9} {"operator":19} {"input":18} {"arguments":33}forw.  backw.   forw.  backw.           ms / floor"""


def line(result: Result) -> str:
    r, layer = result, result.layer
    settings = [f"{k.split('_')[0]} {v}" for k, v in layer.arguments if k not in ("mode", "align_corners")]
    if layer.weight:
        settings = [f"kernel {layer.weight[2]}", *settings]
    shape = "×".join(map(str, layer.input[1:]))
    if layer.weight and layer.operator == "conv2d":
        shape += f" → {layer.weight[0]}"
    times = [r.native_forward, r.native_backward, r.scratch_forward, r.scratch_backward]
    text = f"{layer.network:9} {layer.operator:19} {shape:18} {', '.join(settings):30}"
    text += "".join(f"{t:8.2f}" for t in times) + f"{r.ratio:8.2f}"
    return (
        text if r.floor is None else text + f"{r.floor:9.2f}{(r.scratch_forward + r.scratch_backward) / r.floor:8.1f}"
    )


def main(arguments: list[str] | None = None) -> float:
    """Print the table; returns the geometric mean of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="threads of torch (its own choice)"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each layer (1)")
    parser.add_argument("--tiny", action="store_true", help="one picture of 32×32, width 2: only to see that it runs")
    options = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    layers: dict[Layer, None] = {}
    size = (1, (32, 32), 2, 3) if options.tiny else (8, (96, 128), 16, 12)
    vgg16(layers, *size)
    resnet50(layers, *size)
    rate = fastest_product(128 if options.tiny else 1024)
    print(f"torch {torch.__version__}, {options.threads} threads, {platform.processor() or platform.machine()}")
    print(f"fastest matrix product: {rate / 1e9:.1f} G multiply-adds per second\n")
    print(HEADER)
    results = []
    for layer in layers:
        results.append(measure(layer, 0 if options.tiny else options.seconds, rate))
        print(line(results[-1]), flush=True)
    torch.set_num_threads(threads)
    mean = geometric_mean([r.ratio for r in results])
    print(
        f"\n{len(results)} layers: geometric mean of the ratios {mean:.2f}, largest {max(r.ratio for r in results):.2f}"
    )
    if options.json:
        about = {"torch": torch.__version__, "threads": options.threads, "multiply_adds_per_second": rate}
        rows = [{**asdict(r), "ratio": r.ratio} for r in results]
        options.json.write_text(
            json.dumps({**about, "geometric_mean": mean, "layers": rows}, indent=1), encoding="utf-8"
        )
    return mean


if __name__ == "__main__":
    main()
