"""The chain that LatencyExplorer times: six layers down, two up, in four kinds; what each multiplies, and how long it
takes here.

  conv1  conv2  conv3  conv4  conv5  conv6   up1  conv7  up2  conv8  score  up3
    w      w     2w     2w     4w     4w      ×2   2w     ×2    w     1×1    ×2

Three of the six halve the map; which three is the schedule. Weights are the same whatever it is.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from segkit.analysis import in_turns
from segkit.checks import chosen, whole
from segkit.engine import use_engine
from segkit.explore.cost import Step, Steps, clock, count
from segkit.explore.shell import one_thread
from segkit.layers import AsymmetricConv2d, Conv2d, SeparableConv2d, Upsample
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.models.espnet import ESP, RATES

SIDES, WIDTHS = (32, 48, 64, 96, 128, 192), (8, 12, 16, 20, 24, 32)
SCHEDULES = {"early": (1, 2, 3), "as usual": (1, 3, 5), "late": (4, 5, 6)}  # the layers that halve the map
KINDS = {"dense": "dense 3×3 layers", "separable": "separable layers", "strips": "layers of two strips",
         "ESP": "ESP blocks"}  # fmt: skip
WIDER = (1, 1, 2, 2, 4, 4)  # channels going down, in widths
CLASSES = 13
BUDGET, LEAST, MOST = 0.5, 3, 9  # seconds for timing one setting; rounds


@dataclass(frozen=True)
class Setting:
    """One chain.

    Args:
        side: of the picture, in pixels: a multiple of 8 up to 192, so that a slow core answers within a second.
        width: channels of the first layer, 5 to 32.
        schedule: which three of the six layers halve the map, one of SCHEDULES.
        kind: of all layers but the first, which is dense, and the scores, one of KINDS.

    Raises:
        TypeError, ValueError: what is not among these.
    """

    side: int
    width: int
    schedule: str
    kind: str

    def __post_init__(self) -> None:
        who = "LatencyExplorer"
        if whole(self.side, "side", who, 8, 192) % 8:
            raise ValueError(f"{who} got side={self.side}; the map is halved three times: give a multiple of 8")
        whole(self.width, "width", who, 5, 32)
        chosen(self.schedule, "schedule", who, SCHEDULES)
        chosen(self.kind, "kind", who, KINDS)

    def layers(self) -> Iterator[Layer]:
        """In the order in which a picture goes through them."""
        side, before, last = self.side, 3, len(WIDER)
        for number, wider in enumerate((*WIDER, 2, 1), 1):
            kind = self.kind if number > 1 else "dense"
            if number > last:
                yield Layer(f"up{number - last}", "×2", before, before, side)
                side *= 2
            stride = 2 if number in SCHEDULES[self.schedule] else 1
            yield Layer(f"conv{number}", kind, before, before := wider * self.width, side, stride)
            side //= stride
        yield Layer("score", "1×1", before, CLASSES, side)
        yield Layer("up3", "×2", CLASSES, CLASSES, side)


@dataclass(frozen=True)
class Layer:
    """A layer where it stands in its chain.

    Args:
        name: in the chain.
        kind: one of KINDS, "1×1", or "×2", which enlarges.
        inputs, outputs: channels.
        side: of the map that comes in.
        stride: 1, or 2 where it halves the map.
    """

    name: str
    kind: str
    inputs: int
    outputs: int
    side: int
    stride: int = 1

    @property
    def after(self) -> int:
        """The side of the map that comes out."""
        return 2 * self.side if self.kind == "×2" else self.side // self.stride

    def steps(self) -> Steps:
        """The convolutions in it."""
        i, o, s, square = self.inputs, self.outputs, self.stride, (3, 3)
        inner = o // len(RATES)
        first = Step(i, inner, (1, 1) if s == 1 else square, (s, s)), Step(inner, o - (len(RATES) - 1) * inner, square)
        found: dict[str, Steps] = {
            "dense": (Step(i, o, square, (s, s)),),
            "separable": (Step(i, i, square, (s, s), groups=i), Step(i, o, (1, 1))),
            "strips": (Step(i, o, (3, 1), (s, 1)), Step(o, o, (1, 3), (1, s))),
            "ESP": (*first, *(Step(inner, inner, square, rate=rate) for rate in RATES[1:])),
            "1×1": (Step(i, o, (1, 1)),),
            "×2": (),
        }
        return found[self.kind]

    def module(self) -> nn.Module:
        """The layer itself, with BatchNorm and ReLU as the course's networks have them."""
        i, o, s, both = self.inputs, self.outputs, self.stride, "norm relu"
        if self.kind == "dense":
            return conv_norm_relu(Conv2d(i, o, 3, s, padding=1, bias=False))
        if self.kind == "separable":
            return SeparableConv2d(i, o, 3, s, 1, between=both, after=both)
        if self.kind == "strips":
            return AsymmetricConv2d(i, o, 3, s, 1, between="relu", after=both)
        if self.kind == "ESP":
            return ESP(i, o, s)
        return score_layer(Conv2d(i, o, 1)) if self.kind == "1×1" else Upsample(scale_factor=2, mode="bilinear")


@dataclass(frozen=True)
class LayerTime:
    """What one layer costs: its name, side and channels of the map that it gives, multiply-adds, median seconds."""

    name: str
    side: int
    channels: int
    macs: int
    seconds: float

    @property
    def pace(self) -> float:
        """Multiply-adds each nanosecond."""
        return self.macs / self.seconds / 1e9


@dataclass(frozen=True)
class Latency:
    """What the chain costs, layer by layer; `rounds`: how often each was timed."""

    layers: tuple[LayerTime, ...]
    rounds: int

    @property
    def all(self) -> LayerTime:
        """The sum over the layers, and the map that leaves the last."""
        end, macs = self.layers[-1], sum(layer.macs for layer in self.layers)
        return LayerTime("all", end.side, end.channels, macs, sum(layer.seconds for layer in self.layers))


KEPT: dict[Setting, tuple[dict[str, float], int]] = {}  # seconds of each layer, and rounds, of what has been timed


def latency(setting: Setting, again: bool = False) -> Latency:
    """Multiply-adds and milliseconds of each layer.

    Args:
        setting: the chain; it is timed when it is first asked for.
        again: time it once more.
    """
    if again or setting not in KEPT:
        with one_thread(), torch.no_grad(), use_engine("native"):
            KEPT[setting] = timed(setting)
    seconds, rounds = KEPT[setting]
    rows = (
        LayerTime(x.name, x.after, x.outputs, count(x.steps(), (x.side, x.side))[1], seconds[x.name])
        for x in setting.layers()
    )
    return Latency(tuple(rows), rounds)


def timed(setting: Setting) -> tuple[dict[str, float], int]:
    """Median seconds of each layer; all of them in turn, so that a busy moment hits all alike."""
    with torch.random.fork_rng(devices=[]):  # the reader's random numbers stay as they are
        torch.manual_seed(0)
        modules = {layer.name: layer.module().eval() for layer in setting.layers()}
        x = torch.rand(1, 3, setting.side, setting.side)  # 1, 3, side, side
    runs, began = {}, clock()
    for name, module in modules.items():
        runs[name] = partial(module, x)
        x = module(x)  # 1, outputs, after, after
    first = max(clock() - began, 1e-6)  # it warms up, and says how many rounds the budget has
    rounds = min(max(int(BUDGET / first), LEAST), MOST)
    times = in_turns(runs, rounds, warm_up=0, clock=clock)
    return {name: max(statistics.median(found), 1e-9) for name, found in times.items()}, rounds
