"""Chapter 11's experiments.

python course/experiments/deeplab_v3plus.py decoder    low-level maps; separable in parts  → results/v3plus_decoder.json
python course/experiments/deeplab_v3plus.py dial       one network at three strides         → results/v3plus_dial.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from cheap import RECIPE, priced, score
from library import Arm, Experiment, ahead, build, main
from pictures import Rendered, scores
from torch import nn

from segkit.data.sample import VOID
from segkit.metrics import near_other_class

DATA = {"set": "street", "size": [97, 129], "train": 1600, "test": 200}  # 32k + 1: cells stand on all four borders
NET = {"name": "deeplab_v3plus", "encoder": "resnet18", "width": 16, "rates": [1, 2, 3], "separable": "none"}
CHANNELS = (0, 8, 16, 48)  # of the low-level map beside the pyramid's 64


def decoder(o: argparse.Namespace) -> Experiment:
    """Without a decoder, and with one that sees 0 to 48 low-level channels, at stride 16 and 8; separable in parts."""
    models: dict[str, dict[str, Any]] = {
        "no decoder": {**NET, "decoder": False},
        "no decoder, stride 8": {**NET, "decoder": False, "output_stride": 8, "rates": [1, 2, 3]},
    }
    models |= {f"{c} low-level channels": {**NET, "low_level": c} for c in CHANNELS}
    models["16 low-level channels, stride 8"] = {**NET, "low_level": 16, "output_stride": 8}
    kinds = {"aspp": "separable pyramid", "decoder": "separable decoder", "both": "both separable"}
    models |= {title: {**NET, "low_level": 16, "separable": kind} for kind, title in kinds.items()}
    models["separable decoder, no ReLU between"] = {**models["separable decoder"], "relu_between": False}
    models["plain, as cheap as both"] = {**NET, "low_level": 16, "head_width": 20}  # fewer channels instead
    seen, blind = "16 low-level channels", "0 low-level channels"
    claims = [
        ahead("11", metric, seen, other, least)
        for other in (blind, "no decoder")
        for metric, least in (("mean_iou", 0.05), ("trimap_iou_1px", 0.05), ("trimap_iou_3px", 0.05))
    ]
    claims.append({"chapter": "11", "metric": "mean_iou", "same": [seen, "separable pyramid"], "within": 0.01})
    arms: dict[str, Arm] = {name: {"model": model, "data": DATA, "recipe": RECIPE} for name, model in models.items()}
    experiment = Experiment(
        "v3plus_decoder", arms, near_and_far, built, claims=claims, ceilings=(16, 8, 4), align="corners",
        more_seeds=dict.fromkeys((seen, "separable pyramid"), 5),
    )  # fmt: skip
    return priced(experiment, DATA)


def built(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    """The network; without "relu_between" its separable decoder has BatchNorm alone between the two steps."""
    own = dict(model)
    relu = own.pop("relu_between", True)
    network = build(own, num_classes, base)
    for conv in () if relu else network.decoder.convs:  # type: ignore[union-attr]
        conv.between = conv.between[:1]
    return network


def near_and_far(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """Within 1, 3 and 6 pixels of an outline, and the share of right pixels farther away than that."""
    right = total = 0
    for sample in test.samples:
        far = ~near_other_class(sample.labels, 6) & (sample.labels != VOID)
        right += int((model(sample.image[None]).argmax(1)[0] == sample.labels)[far].sum())
        total += int(far.sum())
    return {**scores(model, test, (1, 3, 6)), "far_accuracy": right / total}


def dialled(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """The figures of the network at the output stride that the arm names."""
    stride = arm["model"].get("after", {}).get("output_stride")
    return score(model if stride is None else model.at_output_stride(stride), arm, test)  # type: ignore[operator]


def dial(o: argparse.Namespace) -> Experiment:
    """Trained at stride 16; tested at 32, 16 and 8, the rates following; with the decoder and without."""
    models: dict[str, dict[str, Any]] = {}
    for name, has in (("v3+", True), ("v3", False)):
        net = {**NET, "rates": [2, 4, 6], "low_level": 16, "decoder": has}
        models[f"{name} at 16"] = net
        models |= {f"{name} at {s}": {**net, "after": {"output_stride": s}} for s in (32, 8)}
    arms = {name: {"model": model, "data": DATA, "recipe": RECIPE} for name, model in models.items()}
    return Experiment("v3plus_dial", arms, dialled)


if __name__ == "__main__":
    main(__doc__, {"decoder": decoder, "dial": dial})
