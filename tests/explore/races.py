"""Results made up for RaceExplorer, in the form of course/results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DATA = {"set": "street", "size": [32, 32], "train": 8, "test": 4}
FIGURES = {  # mean IoU of two seeds, IoU of a class, milliseconds, multiply-adds
    "slow": ((0.70, 0.72), 0.50, 8.0, 90e6),
    "quick": ((0.60, 0.60), 0.20, 2.0, 40e6),
    "beaten": ((0.55, 0.57), 0.90, 4.0, 60e6),
    "control": ((0.80, 0.80), 0.10, 1.0, 10e6),
}


def made_up(name: str = "of_a_day", figures: Mapping[str, Any] = FIGURES, **changes: Any) -> dict[str, Any]:
    """A result with these figures; `changes` replace parts of it."""
    runs = [
        {"arm": arm, "seed": seed, "at": [0.5, 1.0], "scores": {"mean_iou": [0.1, iou], "mean_loss": [2.0, 1.0]},
         "iou": [thing, None]}
        for arm, (seeds, thing, _, _) in figures.items() for seed, iou in enumerate(seeds)
    ]  # fmt: skip
    price = {arm: {"macs": macs, "milliseconds": ms, "threads": 1} for arm, (_, _, ms, macs) in figures.items()}
    arms = {arm: {"model": {}, "data": DATA, "recipe": {}} for arm in figures}
    extra = {"price": price, "controls": [arm for arm in figures if arm == "control"]}
    return {"experiment": name, "classes": ["thing", "absent"], "arms": arms, "runs": runs, "extra": extra, **changes}
