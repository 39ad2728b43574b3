"""Chapter 14's experiments: what the parts of networks for real time bring, each part switched off by itself.

python course/experiments/swift.py paths     two paths and their exchange; flow against interpolation
                                                                          → results/swift_paths.json
python course/experiments/swift.py blocks    fused pyramids, deep features used again
                                                                          → results/swift_blocks.json

Both follow the recipe of chapter 11's lineage and chapter 12's grid, on the same streets, so that all rows can stand in
one table.
"""

from __future__ import annotations

import argparse
from typing import Any

from library import Experiment, ahead, main
from lineage import DATA, RECIPE, score
from realtime import prices

RESNET = {"encoder": "resnet18", "width": 16}
PATHS: dict[str, dict[str, Any]] = {
    "DDRNet": {"name": "ddrnet", "width": 32},
    "DDRNet, no exchange": {"name": "ddrnet", "width": 32, "exchange": False},
    "BiSeNet": {"name": "bisenet", **RESNET},
    "BiSeNet, no spatial path": {"name": "bisenet", **RESNET, "spatial": False},
    "BiSeNet, wider instead": {"name": "bisenet", **RESNET, "width": 18, "spatial": False},  # as many multiply-adds
    "BiSeNet, no attention": {"name": "bisenet", **RESNET, "attention": False},
    "SFSegNet": {"name": "sfsegnet", **RESNET},
    "SFSegNet, no flow": {"name": "sfsegnet", **RESNET, "flow": False},
}
BLOCKS: dict[str, dict[str, Any]] = {
    "ESPNet": {"name": "espnet", "width": 8},
    "ESPNet, no fusion": {"name": "espnet", "width": 8, "hff": False},
    "ESPNetv2": {"name": "espnetv2", "width": 32},
    "ESPNetv2, no fusion": {"name": "espnetv2", "width": 32, "hff": False},
    "ESNet": {"name": "esnet", "width": 8},
    **{f"DFANet, {n} of 3": {"name": "dfanet", "width": 32, "backbones": n} for n in (1, 2, 3)},
}
AUX = {
    "ddrnet": {"aux": 0.4},
    "bisenet": {"score_16": 1.0, "score_8": 1.0},
    "sfsegnet": {"score_16": 0.4, "score_8": 0.4, "score_4": 0.4},
}


def made_of(name: str, models: dict[str, dict[str, Any]], claims: list[dict[str, Any]]) -> Experiment:
    """One arm for each network, trained alike; auxiliary losses as their papers have them."""
    arms = {
        arm: {"model": model, "data": DATA, "recipe": {**RECIPE, "aux": AUX.get(model["name"], {})}}
        for arm, model in models.items()
    }
    experiment = Experiment(name, arms, score, claims=claims, ceilings=(8, 4))
    experiment.extra = lambda: {"price": prices(experiment)}
    return experiment


def paths(o: argparse.Namespace) -> Experiment:
    without = ("BiSeNet, no spatial path", "BiSeNet, wider instead")
    claims = [
        ahead("14", metric, "BiSeNet", worse, 0.02) for worse in without for metric in ("mean_iou", "boundary_iou")
    ]
    return made_of("swift_paths", PATHS, claims)


def blocks(o: argparse.Namespace) -> Experiment:
    return made_of("swift_blocks", BLOCKS, [])


if __name__ == "__main__":
    main(__doc__, {"paths": paths, "blocks": blocks})
