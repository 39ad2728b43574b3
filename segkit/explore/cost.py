"""CostExplorer: one convolution in five forms: what each holds, multiplies and moves, and how long it takes here."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from matplotlib.patches import Rectangle

from segkit import native
from segkit.analysis.printed import number_text
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, VERMILION, Canvas
from segkit.explore.shell import Explorer

CHANNELS = (12, 24, 48, 96, 192)  # so that every number of groups divides them
SIDES = (7, 14, 28, 56)  # cells
KERNELS, GROUPS, STRIDES, RATES = (3, 5, 7), (2, 3, 4, 6, 12), (1, 2), (1, 2, 4, 6, 12)
FORMS = ("plain", "depthwise + 1×1", "grouped", "n×1 + 1×n", "inverted residual")
COLUMNS = ("weights", "multiply-adds", "bytes moved", "multiply-adds per byte", "time, one thread")
LOW, HIGH = 0.01, 40.0  # ends of the axes, in shares of the plain convolution
BUDGET, RUNS = 0.004, 12  # seconds and runs for timing one form
FINE = time.get_clock_info("process_time").resolution < 1e-5  # a busy machine disturbs it least, but not all have it
clock = time.process_time if FINE else time.perf_counter
Size = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One convolution without bias that keeps the size, but for its stride.

    Args:
        inputs, outputs: channels.
        kernel, stride: rows and columns.
        rate, groups: as of `conv2d`.
    """

    inputs: int
    outputs: int
    kernel: Size
    stride: Size = (1, 1)
    rate: int = 1
    groups: int = 1

    @property
    def weights(self) -> int:
        return self.outputs * (self.inputs // self.groups) * math.prod(self.kernel)

    def after(self, size: Size) -> Size:
        """Rows and columns that come out."""
        return -(-size[0] // self.stride[0]), -(-size[1] // self.stride[1])

    def run(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        padding = tuple(self.rate * (k // 2) for k in self.kernel)
        return native.conv2d(x, weight, None, self.stride, padding, self.rate, self.groups)


Steps = tuple[Step, ...]


@dataclass(frozen=True)
class FormCost:
    """What one form costs for one picture: weights, multiply-adds, bytes moved (float32), seconds."""

    name: str
    weights: int
    macs: int
    moved: int
    seconds: float

    def figures(self) -> tuple[float, ...]:
        """In the order of COLUMNS."""
        return self.weights, self.macs, self.moved, self.macs / self.moved, self.seconds

    def texts(self) -> tuple[str, ...]:
        counts = f"{self.weights:,}", number_text(self.macs), number_text(self.moved, "B")
        return *counts, f"{self.macs / self.moved:.1f}", f"{1000 * self.seconds:.2f} ms"


def forms(channels: int, kernel: int, groups: int, expansion: int, stride: int, rate: int) -> dict[str, Steps]:
    """The same convolution, C channels to C channels, in the five forms.

    Args:
        channels: C.
        kernel: its side, odd.
        groups: of the grouped form.
        expansion: of the inverted residual; 1 leaves the widening out.
        stride, rate: of the convolution that looks around.
    """
    C, wide, k, s = channels, expansion * channels, (kernel, kernel), (stride, stride)
    point = Step(C, C, (1, 1))
    widen = (Step(C, wide, (1, 1)),) if expansion > 1 else ()
    found = (
        (Step(C, C, k, s, rate),),
        (Step(C, C, k, s, rate, C), point),
        (Step(C, C, k, s, rate, groups),),
        (Step(C, C, (kernel, 1), (stride, 1), rate), Step(C, C, (1, kernel), (1, stride), rate)),
        (*widen, Step(wide, wide, k, s, rate, wide), Step(wide, C, (1, 1))),
    )
    return dict(zip(FORMS, found, strict=True))


def count(steps: Steps, size: Size) -> tuple[int, int, int]:
    """Weights, multiply-adds and bytes moved: input, output and weights of every step, in float32."""
    weights = macs = numbers = 0
    for step in steps:
        out = step.after(size)
        weights += step.weights
        macs += step.weights * math.prod(out)
        numbers += step.inputs * math.prod(size) + step.weights + step.outputs * math.prod(out)
        size = out
    return weights, macs, 4 * numbers


@lru_cache(maxsize=4096)
def seconds(steps: Steps, size: Size) -> float:
    """The shortest of a few runs on torch's kernels, kept for the next time; where one uses up the budget, that one."""
    make = torch.Generator().manual_seed(0)
    x = torch.rand(1, steps[0].inputs, *size, generator=make)
    weights = [torch.rand(s.outputs, s.inputs // s.groups, *s.kernel, generator=make) for s in steps]
    best = spent = 0.0
    with torch.no_grad():
        for run in range(RUNS):
            began, y = clock(), x
            for step, weight in zip(steps, weights, strict=True):
                y = step.run(y, weight)
            took = clock() - began
            best = took if run < 2 else min(best, took)  # the first run only warms up, unless it stays alone
            spent += took
            if spent > BUDGET:
                break
    return best


def compare(
    channels: int, side: int, kernel: int, groups: int, expansion: int, stride: int, rate: int
) -> list[FormCost]:
    """The five forms on a map of side×side cells; settings as for `forms`."""
    size = side, side
    chains = forms(channels, kernel, groups, expansion, stride, rate)
    return [FormCost(name, *count(steps, size), seconds(steps, size)) for name, steps in chains.items()]


def drawing(canvas: Canvas) -> dict[str, Any]:
    """The empty picture: a column for each figure, a row for each form, in shares of the plain convolution."""
    bars, texts, ghosts, columns = [], [], [], []
    for k, title in enumerate(COLUMNS):
        axes = canvas.axes(0.125 + 0.176 * k, 0.13, 0.163, 0.75, title, True)
        axes.set_xscale("log")
        axes.set_xlim(LOW, HIGH)
        axes.set_ylim(len(FORMS) - 0.3, -0.7)
        axes.set_xticks([0.01, 0.1, 1, 10], ["1 %", "10 %", "plain", "×10"])
        axes.minorticks_off()
        axes.set_yticks(range(len(FORMS)), FORMS if k == 0 else [""] * len(FORMS), fontsize=8)
        axes.axvline(1, color=FAINT, linewidth=0.8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        bars += [axes.add_patch(Rectangle((LOW, row - 0.16), 0, 0.42)) for row in range(len(FORMS))]
        texts += [axes.text(1.15 * LOW, row - 0.25, "", fontsize=7.5, color=INK) for row in range(len(FORMS))]
        (ghost,) = axes.plot([], [], "|", ms=17, mew=2, color=ORANGE, zorder=4)
        ghosts.append(ghost)
        columns.append(axes)
    note = "in shares of the plain form, on logarithmic axes; orange: before the last move"
    canvas.figure.text(0.5, 0.02, note, ha="center", fontsize=8, color=INK)
    canvas.moves(*bars, *texts, *ghosts)
    return {"columns": columns, "bars": bars, "texts": texts, "ghosts": ghosts}


def draw(parts: dict[str, Any], found: list[FormCost], last: list[FormCost] | None, chosen: str) -> None:
    """Bars for what was found, and a mark where each ended before; both in shares of the plain form as it is now."""
    colours = {"plain": INK, chosen: VERMILION}
    plain, rows = found[0].figures(), range(len(FORMS))
    for k, whole in enumerate(plain):
        for row, form in enumerate(found):
            bar, text = (parts[name][k * len(FORMS) + row] for name in ("bars", "texts"))
            bar.set_color(colours.get(form.name, BLUE))
            bar.set_width(_within(form.figures()[k] / whole) - LOW)
            text.set_text(form.texts()[k])
        parts["ghosts"][k].set_data(
            [_within(form.figures()[k] / whole) for form in last or found], [r + 0.05 for r in rows]
        )


def _within(share: float) -> float:
    return min(max(share, LOW), HIGH)


class CostExplorer(Explorer):
    """What a convolution costs in five forms; a click on a bar chooses its form, one on the times measures again."""

    title = "What a convolution costs in five forms"

    def __init__(self, channels: int = 96, side: int = 28, kernel: int = 3) -> None:
        super().__init__(Canvas(10.4, 3.6))
        self.parts = drawing(self.canvas)
        with self.together():
            help = "the form that the sentence compares with the plain one; a click on a bar chooses it"
            self.menu("form", "compare", FORMS[1:], FORMS[1], help)
            self.stops("channels", "channels", CHANNELS, channels, "of the input and of the output")
            self.stops("side", "map, side", SIDES, side, "of the input, in cells; the map is square")
            self.stops("kernel", "kernel, side", KERNELS, kernel, "of the convolution; the kernel is square")
            self.stops("groups", "groups", GROUPS, 3, "of the grouped form; ShuffleNet takes 3")
            self.slider("expansion", "expansion", 1, 8, 6, "how many times wider the inverted residual is inside")
            self.stops("stride", "stride", STRIDES, 1, "cells from one output to the next")
            self.stops("rate", "rate", RATES, 1, "cells between the taps of the kernel")

    def compute(self) -> list[FormCost]:
        return compare(
            *(self[name] for name in ("channels", "side", "kernel", "groups", "expansion", "stride", "rate"))
        )

    def draw(self, results: list[FormCost]) -> str:
        draw(self.parts, results, self.last, self["form"])
        plain, cheap = results[0], results[FORMS.index(self["form"])]
        weights, macs, moved, _, took = (100 * a / b for a, b in zip(cheap.figures(), plain.figures(), strict=True))
        C, n, k = self["channels"], self["side"], self["kernel"]
        return (
            f"{C} channels to {C} on {n}×{n} cells, {k}×{k}, stride {self['stride']}, rate {self['rate']}. Next to the "
            f"plain form, {cheap.name} has {weights:.0f} % of the weights, {macs:.0f} % of the multiply-adds, and "
            f"moves {moved:.0f} % of the bytes: {cheap.figures()[3]:.1f} multiply-adds for each, instead of "
            f"{plain.figures()[3]:.1f}. It takes {took:.0f} % of the time ({cheap.texts()[4]} of {plain.texts()[4]})."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """Compare the form of this row; on the times, measure them again too."""
        if 0 < round(row) < len(FORMS):
            self.controls["form"].value = FORMS[round(row)]
        if axes is self.parts["columns"][-1]:
            seconds.cache_clear()
