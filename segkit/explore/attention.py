"""AttentionExplorer: whom a window of a house front may hear, whom it does hear, and what each mask costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.collections import PolyCollection
from torch import Tensor

from segkit import ops
from segkit.data import VOID, Sample
from segkit.data.twins import LIGHTS, TILE, Twins
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, Canvas, boxes
from segkit.explore.shell import Explorer
from segkit.ops.attention_masks import axis_mask, criss_cross_mask, window_mask
from segkit.ops.windows import bin_bounds

ANCHORS = (1, 3, 6, 8)  # bins per side of ANN's means
KEY, VALUE = 64, 512  # channels of key and value in the bill, as in the papers


def everybody(height: int, width: int) -> Tensor:
    """The mask that leaves nobody out."""
    return torch.ones(height * width, height * width, dtype=torch.bool)


MASKS: dict[str, Callable[[int, int], Tensor] | None] = {  # name → may be heard on a map of h×w; None: means of parts
    "every window": everybody,
    "row and column": criss_cross_mask,
    "row": lambda h, w: axis_mask(h, w, "row"),
    "7×7 around": lambda h, w: window_mask(h, w, 3),
    "110 means": None,
}
COLOURS = ("red", "green", "blue", "yellow")


@dataclass(frozen=True)
class Hearing:
    """What one window may hear, and does.

    Args:
        allowed: h×w of bools, whom it may hear in all rounds together.
        shares: h×w, how much of each window's light is in what it has heard; they add up to 1.
        answer: the light that this is most like, from 0 to 3; None if all of it is dark.
        truth: its own or its twin's light; None for a window without a frame.
        twin: row and column of the window with the same frame; None where there is none.
        macs: multiply-adds of all this on the map for the bill.
    """

    allowed: np.ndarray
    shares: np.ndarray
    answer: int | None
    truth: int | None
    twin: tuple[int, int] | None
    macs: float = 0.0


def cells_of(front: Sample) -> tuple[Tensor, Tensor]:
    """Frames n×6 and lights n×3 of a front's windows, line by line."""
    tiles = front.image.unfold(1, TILE, TILE).unfold(2, TILE, TILE)[..., 0]  # 3, h, w, TILE
    top, light, bottom = (tiles[..., part].flatten(1).T for part in range(3))  # n, 3
    return torch.cat([top, bottom], 1), light


def shares_of(frame: Tensor, side: int, mask: str, sharpness: float) -> Tensor:
    """One round of attention with keys written by hand: n×n, each row's shares of all windows.

    A product that is largest where two frames are alike: 2·q·k − ‖k‖², sharpened before the softmax.
    """
    query = torch.cat([frame, torch.ones(len(frame), 1)], 1)  # n, 7
    key = torch.cat([2 * frame, -frame.square().sum(1, keepdim=True)], 1)  # n, 7
    speaks = torch.eye(len(frame))  # each says only who it is: what is heard is the shares themselves
    if (heard := MASKS[mask]) is not None:
        return ops.attend(query, key, speaks, scale=sharpness, mask=heard(side, side))
    means = anchors(side)  # S, n
    pooled = means @ frame  # S, 6
    key = torch.cat([2 * pooled, -pooled.square().sum(1, keepdim=True)], 1)
    return ops.attend(query, key, means, scale=sharpness)


def anchors(side: int) -> Tensor:
    """The weights of ANN's means: (1 + 9 + 36 + 64)×(side·side), each row a mean over a part of the map."""
    rows = []
    for bins in ANCHORS:
        lines = torch.zeros(bins, side)
        for line, (start, end) in zip(lines, bin_bounds(side, bins), strict=True):
            line[start:end] = 1 / (end - start)
        rows.append(torch.einsum("ah,bw->abhw", lines, lines).flatten(0, 1).flatten(1))
    return torch.cat(rows)


def hear(front: Sample, mask: str, rounds: int, sharpness: float, row: int, column: int) -> Hearing:
    """Follow one window through one or two rounds of attention."""
    frame, light = cells_of(front)
    side, place = round(len(frame) ** 0.5), row * round(len(frame) ** 0.5) + column
    once = shares_of(frame, side, mask, sharpness)
    open_ = (MASKS[mask] or everybody)(side, side).float()
    shares, allowed = once[place], open_[place]
    for _ in range(rounds - 1):
        shares, allowed = shares @ once, allowed @ open_
    apart = (frame - frame[place]).abs().sum(1)
    alike = [int(i) for i in (apart < 1e-4).nonzero().flatten() if int(i) != place]
    framed = bool((frame[place].max() - frame[place].min()) > 0.3)
    answer = truth = None
    if framed:
        lights, heard = F.normalize(torch.tensor(LIGHTS), dim=1), shares @ light
        answer = int((lights @ heard).argmax()) if float(heard.max()) > 0.05 else None
        lit = next(i for i in (place, *alike) if float(light[i].max()) > 0.5)
        truth = int((lights @ light[lit]).argmax())
    twin = divmod(alike[0], side) if alike else None
    return Hearing((allowed > 0).view(side, side).numpy(), shares.view(side, side).numpy(), answer, truth, twin)


def bill(mask: str, cells: int, rounds: int) -> tuple[float, float]:
    """Multiply-adds and bytes of shares on a map of cells × cells, with the papers' channels."""
    heard = {"every window": cells**2, "row and column": 2 * cells - 1, "row": cells, "7×7 around": 49}
    pairs = rounds * cells**2 * heard.get(mask, sum(b * b for b in ANCHORS))
    return pairs * (KEY + VALUE), 4 * pairs


def drawing(canvas: Canvas) -> dict[str, Any]:
    """The empty picture: the front with its marked window, the shares, the bill of every mask."""
    may = canvas.axes(0.005, 0.05, 0.30, 0.85, "who may be heard (veiled: who may not)")
    does = canvas.axes(0.315, 0.05, 0.30, 0.85, "who is heard, with keys written by hand")
    costs = canvas.axes(0.745, 0.14, 0.235, 0.76, "what that costs", True)
    side = TILE * 12
    blank = np.zeros((side, side, 3))
    front = may.imshow(blank, extent=(0, 12, 12, 0), interpolation="nearest")
    veil = may.imshow(np.zeros((12, 12, 4)), extent=(0, 12, 12, 0), interpolation="nearest", zorder=2)
    heard = does.imshow(np.ones((12, 12, 3)), extent=(0, 12, 12, 0), interpolation="nearest")
    square: dict[str, Any] = {"fillstyle": "none", "markersize": 17, "markeredgewidth": 2, "zorder": 5}
    (own,), (twin,) = (may.plot([], [], "s", color=colour, **square) for colour in (ORANGE, "white"))
    (same,), (other,) = (does.plot([], [], "s", color=colour, **square) for colour in (ORANGE, INK))
    costs.set_xlim(5, 13.2)
    costs.set_ylim(len(MASKS) - 0.4, -0.6)
    costs.set_xticks([6, 9, 12], ["1 M", "1 G", "1 T"])
    costs.set_yticks(range(len(MASKS)), list(MASKS))
    costs.set_xlabel("multiply-adds (blue), bytes of shares (grey)", fontsize=8)
    costs.spines[["top", "right"]].set_visible(False)
    bars, kept = PolyCollection([], facecolors=BLUE), PolyCollection([], facecolors=FAINT)
    for group in (bars, kept):
        costs.add_collection(group)
    (ghost,) = costs.plot([], [], "|", color=INK, markersize=14, markeredgewidth=1.5)
    (mark,) = costs.plot([], [], ">", color=ORANGE, markersize=7, clip_on=False)
    canvas.moves(front, veil, heard, own, twin, same, other, bars, kept, ghost, mark)
    return {"front": front, "veil": veil, "heard": heard, "own": (own, same), "twin": (twin, other), "bars": bars,
            "kept": kept, "ghost": ghost, "mark": mark}  # fmt: skip


def draw(parts: dict[str, Any], front: Sample, found: Hearing, place: tuple[int, int]) -> None:
    """Put what a window may hear and hears into the picture."""
    parts["front"].set_data(front.image.permute(1, 2, 0).numpy())
    veil = np.zeros((*found.allowed.shape, 4))
    veil[..., 3] = np.where(found.allowed, 0.0, 0.72)
    parts["veil"].set_data(veil)
    depth = np.sqrt(found.shares / found.shares.max())[..., None]  # the root, so that small shares show
    parts["heard"].set_data(1 - depth * (1 - np.array([0.0, 0.447, 0.698])))
    for mark in parts["own"]:
        mark.set_data([place[1] + 0.5], [place[0] + 0.5])
    for mark in parts["twin"]:
        mark.set_data(*([], []) if found.twin is None else ([found.twin[1] + 0.5], [found.twin[0] + 0.5]))


def draw_bill(parts: dict[str, Any], mask: str, cells: int, rounds: int, before: float | None) -> None:
    """The cost of every mask; `before`: the multiply-adds of the last picture, as a tick."""
    rows = np.arange(len(MASKS))
    logs = np.log10([bill(name, cells, rounds) for name in MASKS])  # masks, 2
    for group, low, high, which in (("bars", -0.32, 0.02, 0), ("kept", 0.06, 0.32, 1)):
        parts[group].set_verts(boxes(np.full(len(rows), 5.0), rows + low, logs[:, which], rows + high))
    row = list(MASKS).index(mask)
    parts["mark"].set_data([5], [row])
    parts["ghost"].set_data(*([], []) if not before else ([np.log10(before)], [row - 0.15]))


class AttentionExplorer(Explorer):
    """Choose a mask, click a window of a house front, and see whom it may hear, whom it hears, and what that costs.

    Args:
        mask: who may be heard, by its name in the menu.
        twins: "row" or "apart": where the twins of the first front stand.
    """

    title = "Attention under a mask"

    def __init__(self, mask: str = "row and column", twins: str = "apart") -> None:
        self.fronts = [Twins("val", twins=kind)[i] for kind in ("row", "apart") for i in range(2)]
        super().__init__(Canvas(11.4, 3.7))
        self.parts = drawing(self.canvas)
        kinds = [
            (f"twins {where}, {i + 1}", i + at) for where, at in (("in one row", 0), ("apart", 2)) for i in range(2)
        ]
        start = 0 if twins == "row" else 2
        with self.together():
            self.menu("front", "front", kinds, start, "a house front, with its twins in one row or apart")
            self.menu("mask", "may hear", list(MASKS), mask, "who may be heard")
            self.slider("rounds", "rounds", 1, 2, 1, "in the second, all pass on what they heard in the first")
            self.share("sharpness", "sharpness", 1.0, "of the softmax; at 0, all who may be heard count alike")
            self.slider("cells", "map for the bill", 16, 128, 97, "cells per side of the map whose cost is shown")
            dark = (self.fronts[start].labels[::TILE, ::TILE] != VOID).nonzero().tolist()
            for name, place in zip(("row", "column"), dark[len(dark) // 2], strict=True):
                self.slider(name, name, 0, 11, place, f"{name} of the marked window; a click on a picture sets it")

    def compute(self) -> Hearing:
        scale = 0.0 if self["sharpness"] == 0 else 10 ** (2 * self["sharpness"])
        found = hear(self.fronts[self["front"]], self["mask"], self["rounds"], scale, self["row"], self["column"])
        return replace(found, macs=bill(self["mask"], self["cells"], self["rounds"])[0])

    def draw(self, results: Hearing) -> str:
        place = self["row"], self["column"]
        draw(self.parts, self.fronts[self["front"]], results, place)
        draw_bill(self.parts, self["mask"], self["cells"], self["rounds"], self.last and self.last.macs)
        text = f"The window in row {place[0]}, column {place[1]} may hear {int(results.allowed.sum())} of 144 windows"
        if results.twin is None:
            text += ". It is plain wall, and has no twin."
        else:
            own, twin = float(results.shares[place]), float(results.shares[results.twin])
            looks = "black" if results.answer is None else COLOURS[results.answer]
            right = COLOURS[results.truth or 0]
            text += f", its twin {'among them' if results.allowed[results.twin] else 'not among them'}. "
            text += f"{own:.0%} of what it hears is itself, {twin:.0%} its twin; that looks {looks}, "
            text += "which is right." if looks == right else f"but {right} is right."
        n, kept = self["cells"], bill(self["mask"], self["cells"], self["rounds"])[1]
        cost = f"{results.macs / 1e9:,.2f} billion multiply-adds, {kept / 1e6:,.1f} MB of shares"
        return f"{text} On a map of {n}×{n} cells: {cost}."

    def click(self, axes: Any, column: float, row: float) -> None:
        """A place on one of the two pictures: mark its window."""
        if 0 <= column < 12 and 0 <= row < 12 and axes.get_title() != "what that costs":
            self.put(row=int(row), column=int(column))
