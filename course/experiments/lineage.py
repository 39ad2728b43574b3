"""Chapter 11's table of all ancestors.

python course/experiments/lineage.py lineage    FCN-32s to DeepLab v3+, trained alike    → results/lineage.json

One recipe for all, and as many steps as it takes for the order to be the same at half of them. The papers moved from
VGG to ResNet between v1 and v3, so v2 is here with both. Six further networks ask why, where the papers' order does
not hold.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from atrous import GROUPS
from crf import Behind, dense
from library import Experiment, build, main, ship
from pictures import Rendered, scores
from results import load
from torch import Tensor, nn

from segkit.analysis import cost, saved_for_backward
from segkit.metrics import BoundaryIoU

DATA = {"set": "street", "size": [96, 128], "train": 1600, "test": 200}
RECIPE = {"steps": 3000, "batch_size": 8, "lr": 6e-3, "class_weights": "log", "ema": 0.99, "flip": 0.5}
VGG = {"encoder": "vgg11", "width": 8, "hidden": 128, "batch_norm": True, "dropout": 0.1}
RESNET = {"encoder": "resnet18", "width": 16, "dropout": 0.1}
NEAR, AROUND = {"rates": [1, 2, 3]}, {"rates": [1, 2, 3, 4]}  # for maps of 6×8 and 12×16 cells
MODELS: dict[str, dict[str, Any]] = {
    "FCN-32s": {"name": "fcn32s", **VGG},
    "FCN-16s": {"name": "fcn16s", **VGG},
    "FCN-8s": {"name": "fcn8s", **VGG},
    "DeepLab v1": {"name": "deeplab_v1", "fov": [3, 3], **VGG},
    "U-Net": {"name": "unet", "width": 8, "padding": "same"},
    "SegNet": {"name": "segnet", "encoder": "vgg11", "width": 8},
    "ParseNet": {"name": "parsenet", **VGG},
    "dilated": {"name": "dilated", **VGG},
    "DeepLab v2, VGG": {"name": "deeplab_v2", **AROUND, **VGG},
    "DeepLab v2": {"name": "deeplab_v2", **AROUND, **RESNET},
    "PSPNet": {"name": "pspnet", "aux": True, **RESNET},
    "DeepLab v3": {"name": "deeplab_v3", "multi_grid": [1, 2], **NEAR, **RESNET},
    "DeepLab v3+": {"name": "deeplab_v3plus", **NEAR, **RESNET},
}
CONTROLS: dict[str, dict[str, Any]] = {  # one for each place where the papers' order may not hold
    "U-Net, a cell for 4×4 pixels": {**MODELS["U-Net"], "coarse": 4},  # is it the fine answer?
    "U-Net, width 5": {**MODELS["U-Net"], "width": 5},  # or the arithmetic? Now it has no more than v3+
    "U-Net on VGG": {"name": "unet", "encoder": "vgg11", "width": 8},  # whole maps in place of SegNet's places
    "DeepLab v1 + CRF": {**MODELS["DeepLab v1"], "after": {"crf": True}},
    "DeepLab v3, stride 8": {**MODELS["DeepLab v3"], "output_stride": 8},  # as fine as v2 and PSPNet
    "dilated, front end alone": {"name": "dilated_frontend", **VGG},  # is it the context module?
}
KEYS = {name: model["name"] + "_vgg" * name.endswith("VGG") for name, model in MODELS.items()}  # of the shipped files


class Coarse(nn.Module):
    """A network whose answer is averaged over squares of pixels and enlarged again, in training too."""

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network, self.side = network, side

    def forward(self, x: Tensor) -> Tensor:
        score = F.avg_pool2d(self.network(x), self.side)  # N, K, H/side, W/side
        return F.interpolate(score, x.shape[-2:], mode="bilinear", align_corners=False)  # N, K, H, W


def built(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    own = dict(model)
    side = own.pop("coarse", 1)
    network = build(own, num_classes, base)
    return Coarse(network, side) if side > 1 else network


def score(model: nn.Module, arm: dict[str, Any], test: Rendered) -> dict[str, Any]:
    """Over all pixels, near true outlines, and along the outlines of both."""
    if arm["model"].get("after", {}).get("crf"):  # with the parameters that chapter 07 chose
        model = Behind(model, dense(**load("crf_sharpen").extra["chosen"]))
    edges = BoundaryIoU(test.num_classes)
    for sample in test.samples:
        edges.update(model(sample.image[None]).argmax(1), sample.labels[None])
    return {**scores(model, test, (1, 3), GROUPS), "boundary_iou": edges.mean_iou()}


def price(model: nn.Module) -> dict[str, Any]:
    """What a network costs by count."""
    size = (3, *DATA["size"])  # type: ignore[misc]
    found = cost(model.eval(), size)
    return {
        "parameters": found.parameters, "macs": found.macs, "bytes_of_maps": found.activations,
        "bytes_to_train": saved_for_backward(model, size, RECIPE["batch_size"]),
    }  # fmt: skip


def milliseconds(networks: dict[str, nn.Module], rounds: int = 41) -> dict[str, float]:
    """Median time of each network for one picture; the networks take turns, so that a busy moment hits all alike."""
    x, taken = torch.rand(1, 3, *DATA["size"]), {name: [] for name in networks}  # type: ignore[misc, var-annotated]
    with torch.no_grad():
        for _ in range(rounds):
            for name, network in networks.items():
                began = time.perf_counter()
                network.eval()(x)
                taken[name].append(time.perf_counter() - began)
    return {name: round(1000 * statistics.median(times[1:]), 2) for name, times in taken.items()}


def lineage(o: argparse.Namespace) -> Experiment:
    """Every network of the main line, from scratch, on the same streets."""
    recipes = {"PSPNet": {**RECIPE, "aux": {"aux": 0.4}}}
    models = {**MODELS, **CONTROLS}
    arms = {name: {"model": model, "data": DATA, "recipe": recipes.get(name, RECIPE)} for name, model in models.items()}
    experiment = Experiment("lineage", arms, score, built, ceilings=(32, 16, 8, 4))

    def prices() -> dict[str, Any]:
        own = [name for name, arm in experiment.arms.items() if "after" not in arm["model"]]
        networks = {name: experiment.network(name, 0) for name in own}
        found: dict[str, Any] = {"price": {name: price(network) for name, network in networks.items()}}
        found["controls"] = [name for name in experiment.arms if name in CONTROLS]
        for name, taken in milliseconds(networks).items():
            found["price"][name] |= {"milliseconds": taken, "threads": torch.get_num_threads()}
        if o.final:  # for LineageExplorer
            found["shipped"] = [ship(experiment, name, f"lineage_{key}")["shipped"] for name, key in KEYS.items()]
        return found

    experiment.extra = prices
    return experiment


if __name__ == "__main__":
    main(__doc__, {"lineage": lineage})
