"""Explorers whose every state the page computes by itself: they need their controls, and some a few pictures."""

from __future__ import annotations

import numpy as np
import torch
from live.packing import Live, packed
from torch import Tensor

from segkit.data.street import StreetScenes
from segkit.data.twins import LIGHTS
from segkit.explore import (
    AsppExplorer,
    AttentionExplorer,
    CostExplorer,
    GriddingExplorer,
    LatencyExplorer,
    PyramidExplorer,
    UnpoolExplorer,
    UpsampleExplorer,
)
from segkit.explore.attention import cells_of
from segkit.viz import to_picture


def gridding() -> Live:
    """Chapter 06: which rates leave holes, and what the rule says of them."""
    explorer = GriddingExplorer(rates=(2, 2, 2))
    return Live(explorer, dict.fromkeys(explorer.controls))


def upsample() -> Live:
    """Chapter 03: when stamps cover the output evenly."""
    explorer = UpsampleExplorer()
    return Live(explorer, dict.fromkeys(explorer.controls))


def aspp() -> Live:
    """Chapter 09: how many weights a large rate leaves."""
    explorer = AsppExplorer()
    return Live(explorer, dict.fromkeys(explorer.controls))


def cost() -> Live:
    """Chapter 10: what a convolution costs in five forms. Its rate changes the time alone, which a page cannot know."""
    explorer = CostExplorer()
    return Live(explorer, {name: None for name in explorer.controls if name != "rate"})


def unpool() -> Live:
    """Chapter 03: what each way back up makes of a picture, and what it keeps."""
    return _unpool(UnpoolExplorer())


def unpool_edges() -> Live:
    """Chapter 05: the same on maps of edges, as first layers make them."""
    scenes = StreetScenes(split="val", size=(96, 128))
    edges = [_edges(scenes[i].image.mean(0)) for i in (3, 0, 1, 2)]
    explorer = UnpoolExplorer(edges)
    explorer.controls["factor"].value = 2
    return _unpool(explorer)


def _edges(grey: Tensor) -> Tensor:
    down, right = (grey[1:, 1:] - grey[:-1, 1:]).abs(), (grey[1:, 1:] - grey[1:, :-1]).abs()
    return (3 * (down + right)).clamp(0, 1)


def _unpool(explorer: UnpoolExplorer) -> Live:
    data = {"greys": packed(torch.stack(explorer.greys)), "numbers": packed(explorer.numbers.flatten())}
    return Live(explorer, dict.fromkeys(explorer.controls), data)


def pyramid() -> Live:
    """Chapter 08: what a bin tells a cell, and what it leaves out."""
    explorer = PyramidExplorer()
    pictures = np.stack([to_picture(picture) for picture in explorer.pictures])
    data = {"images": packed(pictures), "cells": packed(torch.stack(explorer.cells))}
    return Live(explorer, dict.fromkeys(explorer.controls), data)


def attention() -> Live:
    """Chapter 13: who hears whom under which mask."""
    explorer = AttentionExplorer()
    frames, lights = (torch.stack(part) for part in zip(*map(cells_of, explorer.fronts), strict=True))
    pictures = np.stack([to_picture(front.image) for front in explorer.fronts])
    data = {"images": packed(pictures), "frames": packed(frames), "lights": packed(lights), "lamps": LIGHTS}
    return Live(explorer, dict.fromkeys(explorer.controls), data)


def latency() -> Live:
    """Chapter 14: which layers multiply most. A page cannot know how long they take on the reader's machine."""
    explorer = LatencyExplorer()
    return Live(explorer, dict.fromkeys(explorer.controls))
