"""Explorers whose every state the page computes by itself: they need their controls, and some of them a few pictures."""

from __future__ import annotations

from segkit.explore import AsppExplorer, CostExplorer, GriddingExplorer, UpsampleExplorer

from live.packing import Live


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
