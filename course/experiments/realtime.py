"""Chapter 12's experiments: what real-time networks save, and what it costs them.

python course/experiments/realtime.py grid        RTSeg's four encoders under three decoders; ENet, ICNet
                                                                          → results/realtime_grid.json
python course/experiments/realtime.py arguments   ENet's design choices, one at a time
                                                                          → results/enet_arguments.json

Both follow the recipe of chapter 11's lineage, on the same streets, so that their rows can stand in one table.
"""

from __future__ import annotations

import argparse
from typing import Any

from library import Arm, Experiment, ahead, build, main
from lineage import DATA, RECIPE, milliseconds, price, score
from torch import nn

ENCODERS: dict[str, dict[str, Any]] = {  # at the course's width
    "VGG16": {"encoder": "vgg16_bn", "width": 8},
    "ResNet-18": {"encoder": "resnet18", "width": 16},
    "MobileNet": {"encoder": "mobilenet_v1", "width": 16},
    "ShuffleNet": {"encoder": "shufflenet", "width": 16},
}
DECODERS = {"skip": "skip", "U-Net": "unet", "dilation": "dilation"}
OTHERS: dict[str, dict[str, Any]] = {
    "ENet": {"name": "enet", "width": 16},
    "ICNet": {"name": "icnet", "encoder": "resnet18", "width": 16, "aux": True},
}
GUIDED = {**RECIPE, "aux": {"score_16": 0.16, "score_8": 0.4}}  # ICNet's cascade label guidance
FREE = {**RECIPE, "decay": "weights", "compiled": True}  # weight decay would pull PReLU's slopes towards 0
ENET = {"name": "enet", "width": 8}
CHOICES: dict[str, dict[str, Any]] = {  # section 4 of the paper, in its order; each departs from "as released" in one
    "as released": {},
    "late downsampling": {"early_downsampling": False, "late_downsampling": True},  # the same bottom
    "twice as wide": {"width": 16},  # as many multiply-adds as without early downsampling
    "stride 16": {"late_downsampling": True},  # a coarser bottom
    "twice the initial maps": {"initial": 16},
    "decoder as large as the encoder": {"decoder": "mirror"},
    "ReLU": {"activation": "relu"},
    "1×1 going down": {"projection": "1x1"},
    "whole 5×5 kernels": {"asymmetric": False},
    "no dilation": {"dilation": False},
    "rates that fit": {"rates": [1, 2, 3, 4]},  # maps of 12×16 cells
    "no early downsampling": {"early_downsampling": False},  # and a bottom at stride 4
}


def grid(o: argparse.Namespace) -> Experiment:
    """Any light encoder under any of three decoders, and two networks that are made for speed as a whole."""
    models = {
        f"{encoder}, {decoder}": {"name": "rtseg", "decoder": kind, **options}
        for encoder, options in ENCODERS.items()
        for decoder, kind in DECODERS.items()
    } | OTHERS
    arms: dict[str, Arm] = {
        name: {"model": model, "data": DATA, "recipe": GUIDED if name == "ICNet" else RECIPE}
        for name, model in models.items()
    }
    claims = [ahead("12", "mean_iou", "ShuffleNet, U-Net", "MobileNet, U-Net", 0.02)]  # against RTSeg's tables
    claims += [
        ahead("12", "mean_iou", f"{encoder}, U-Net", f"{encoder}, skip", 0.02)
        for encoder in ("ResNet-18", "MobileNet", "ShuffleNet")
    ]
    experiment = Experiment("realtime_grid", arms, score, claims=claims, ceilings=(32, 8, 4, 2))
    experiment.extra = lambda: {"price": prices(experiment)}
    return experiment


def arguments(o: argparse.Namespace) -> Experiment:
    """ENet as released, and with each of its design choices taken back."""
    arms: dict[str, Arm] = {
        name: {"model": {**ENET, **change}, "data": DATA, "recipe": FREE} for name, change in CHOICES.items()
    }
    claims = [ahead("12", "mean_iou", "late downsampling", "as released", 0.02)]
    experiment = Experiment("enet_arguments", arms, score, claims=claims, ceilings=(8, 2))

    def extra() -> dict[str, Any]:
        found = [slopes(experiment.network("as released", seed)) for seed in range(o.seeds)]
        return {"price": prices(experiment), "slopes": {name: [f[name] for f in found] for name in found[0]}}

    experiment.extra = extra
    return experiment


def prices(experiment: Experiment) -> dict[str, Any]:
    """What each network costs, by count and by the clock."""
    helped = {name for name, arm in experiment.arms.items() if "aux" in arm["model"] or arm["recipe"].get("aux")}
    models = {name: arm["model"] for name, arm in experiment.arms.items()}
    bare = {name: {**m, "aux": False} if name in helped else m for name, m in models.items()}  # what an answer needs
    networks = {name: build(model, 13, None).eval() for name, model in bare.items()}
    size = (3, *DATA["size"])
    taken = milliseconds(networks, size)  # type: ignore[arg-type]
    return {name: {**price(net, size), "milliseconds": taken[name]} for name, net in networks.items()}  # type: ignore[arg-type]


def slopes(model: nn.Module) -> dict[str, list[float]]:
    """Mean, smallest and largest slope of each PReLU, from the picture down; all began at 0.25."""
    found = {name: module.weight.detach() for name, module in model.named_modules() if isinstance(module, nn.PReLU)}
    return {n: [round(float(f), 4) for f in (w.mean(), w.min(), w.max())] for n, w in found.items()}


if __name__ == "__main__":
    main(__doc__, {"grid": grid, "arguments": arguments})
