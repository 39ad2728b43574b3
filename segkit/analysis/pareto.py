"""Which of many choices are worth a thought: those that no other beats in cost and in gain at once."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.checks import finite
from segkit.typed import typed


@typed
def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """The choices for which no other costs at most as much and gains at least as much, one of the two strictly.

    Args:
        costs: of each choice; less is better.
        gains: of each; more is better.

    Returns:
        their places, the cheapest first; choices that are alike in both are all on the front, or none of them is.

    Raises:
        ValueError: another number of gains than of costs, or one that is no finite number.
    """
    if len(costs) != len(gains):
        raise ValueError(f"pareto_front got {len(costs)} costs and {len(gains)} gains; give one of each for a choice")
    pairs = [
        (finite(cost, "costs", "pareto_front"), -finite(gain, "gains", "pareto_front"))
        for cost, gain in zip(costs, gains, strict=True)
    ]
    front: list[int] = []
    for place in sorted(range(len(pairs)), key=pairs.__getitem__):
        if not front or pairs[place][1] < pairs[front[-1]][1] or pairs[place] == pairs[front[-1]]:
            front.append(place)
    return front
