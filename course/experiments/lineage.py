"""Chapter 11's table of all ancestors: FCN-32s to DeepLab v3+, trained alike.

python course/experiments/lineage.py lineage               → results/lineage.json, weights/lineage_*
python course/experiments/lineage.py lineage --tier gpu    four times as wide → results/lineage_gpu.json

One recipe for all, and as many steps as it takes for the order to be the same at half of them. The papers moved from
VGG to ResNet between v1 and v3, so v2 is here with both. Six further networks ask why, where the papers' order does
not hold.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from atrous import GROUPS
from behind import SPATIAL, Behind, dense
from gpu_equal import without_tf32
from library import Experiment, ahead, build, main, ship
from pictures import Rendered, pictures, scores
from results import load
from torch import Tensor, nn

from segkit.analysis import cost, in_turns, saved_for_backward
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
    "DeepLab v1 + CRF": {**MODELS["DeepLab v1"], "after": {"crf": "of chapter 07"}},
    "DeepLab v3, stride 8": {**MODELS["DeepLab v3"], "output_stride": 8},  # as fine as v2 and PSPNet
    "dilated, front end alone": {"name": "dilated_frontend", **VGG},  # is it the context module?
}
CLAIMS = [
    ahead("11", "mean_iou", "FCN-16s", "FCN-32s"), ahead("11", "mean_iou", "FCN-8s", "FCN-16s"),
    ahead("11", "mean_iou", "DeepLab v3+", "DeepLab v3"),
    ahead("11", "mean_iou", "U-Net", "U-Net, a cell for 4×4 pixels", 0.05),
    ahead("11", "mean_iou", "U-Net, width 5", "DeepLab v3+", 0.02),
    ahead("11", "mean_iou", "U-Net on VGG", "SegNet", 0.05),
    ahead("11", "mean_iou", "DeepLab v3, stride 8", "DeepLab v3", 0.05),
    ahead("11", "mean_iou", "DeepLab v1 + CRF", "DeepLab v1", 0.05),
]  # fmt: skip
KEYS = {name: model["name"] + "_vgg" * name.endswith("VGG") for name, model in MODELS.items()}  # of the shipped files


class Coarse(nn.Module):
    """A network whose answer is averaged over squares of pixels and enlarged again, in training too."""

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network, self.side = network, side

    def forward(self, x: Tensor) -> Tensor:
        score = F.avg_pool2d(self.network(x), self.side)  # N, K, H/side, W/side
        return F.interpolate(score, x.shape[-2:], mode="bilinear", align_corners=False)  # N, K, H, W


def larger(model: Mapping[str, Any]) -> dict[str, Any]:
    """The network for a GPU: four times the channels, and rates for pictures of twice the size."""
    found = {k: 4 * v if k in ("width", "hidden") else v for k, v in model.items()}
    found |= {"rates": [2 * rate for rate in model["rates"]]} if "rates" in model else {}
    return found | ({"fov": [model["fov"][0], 2 * model["fov"][1]]} if "fov" in model else {})


def built(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    own = dict(model)
    side = own.pop("coarse", 1)
    network = build(own, num_classes, base)
    return Coarse(network, side) if side > 1 else network


def score(model: nn.Module, arm: dict[str, Any], test: Rendered) -> dict[str, Any]:
    """Over all pixels, near true outlines, and along the outlines of both."""
    if "after" in arm["model"]:
        model = Behind(model, dense(**arm["model"]["after"]["crf"]))
    edges = BoundaryIoU(test.num_classes)
    for sample in test.samples:
        image = sample.image[None].to(next((p.device for p in model.parameters()), "cpu"))
        edges.update(model(image).argmax(1).cpu(), sample.labels[None])
    return {**scores(model, test, (1, 3), GROUPS), "boundary_iou": edges.mean_iou()}


def price(model: nn.Module, size: tuple[int, int, int]) -> dict[str, Any]:
    """What a network costs by count, for a picture of that size."""
    found = cost(model.eval(), size)
    return {
        "parameters": found.parameters, "macs": found.macs, "bytes_of_maps": found.activations,
        "bytes_to_train": saved_for_backward(model, size, RECIPE["batch_size"]),
    }  # fmt: skip


def milliseconds(
    networks: dict[str, nn.Module], size: tuple[int, int, int], rounds: int = 41, device: str = "cpu"
) -> dict[str, float]:
    """Median time of each network for one picture; the networks take turns, so that a busy moment hits all alike."""
    x = torch.rand(1, *size).to(device)
    runs = {name: functools.partial(network.eval(), x) for name, network in networks.items()}
    with torch.no_grad():
        taken = in_turns(runs, rounds - 1, device=device)
    return {name: round(1000 * statistics.median(times), 2) for name, times in taken.items()}


def lineage(o: argparse.Namespace) -> Experiment:
    """Every network of the main line, from scratch, on the same streets."""
    models, data, recipe, gpu = {**MODELS, **CONTROLS}, DATA, RECIPE, o.tier == "gpu"
    if gpu:
        models = {name: larger(model) for name, model in models.items()}
        data, recipe = {**DATA, "size": [192, 256], "train": 2000}, {**RECIPE, "steps": 4000, "batch_size": 16}
    chosen = {"after": {"crf": load("crf_sharpen").extra["chosen"]}}  # other numbers, other scores
    models = {name: {**model, **chosen} if "after" in model else model for name, model in models.items()}
    recipes = {"PSPNet": {**recipe, "aux": {"aux": 0.4}}}
    arms = {name: {"model": model, "data": data, "recipe": recipes.get(name, recipe)} for name, model in models.items()}
    name, device = ("lineage_gpu", "cuda") if gpu else ("lineage", "cpu")
    experiment = Experiment(name, arms, score, built, claims=CLAIMS, ceilings=(32, 16, 8, 4), device=device)
    experiment.extra = lambda: facts(experiment, ships=o.final and not gpu)
    return experiment


def facts(experiment: Experiment, ships: bool) -> dict[str, Any]:
    """What each network costs, how far a GPU's answers are from a processor's, and the files for LineageExplorer."""
    own = [name for name, arm in experiment.arms.items() if "after" not in arm["model"]]
    networks = {name: experiment.network(name, 0) for name in own}
    data = experiment.arms[own[0]]["data"]
    size = (3, *data["size"])
    found: dict[str, Any] = {"controls": [name for name in experiment.arms if name in CONTROLS]}
    if experiment.device != "cpu":
        found["largest_difference_from_cpu"] = {name: gpu_equals_cpu(net, data) for name, net in networks.items()}
        found["milliseconds_on_the_gpu"] = milliseconds(networks, size, device=experiment.device)
    found["price"] = {name: price(network.cpu(), size) for name, network in networks.items()}
    for name, taken in milliseconds(networks, size).items():
        found["price"][name] |= {"milliseconds": taken, "threads": torch.get_num_threads()}
    if ships:
        crf = {"crf": {"gaussian_sxy": SPATIAL, **load("crf_sharpen").extra["chosen"]}}  # for `segkit predict --crf`
        more = {"DeepLab v1": crf}
        found["shipped"] = [
            ship(experiment, name, f"lineage_{key}", **more.get(name, {}))["shipped"] for name, key in KEYS.items()
        ]
    return found


@torch.no_grad()
def gpu_equals_cpu(model: nn.Module, data: Mapping[str, Any]) -> float:
    """Largest difference of the probabilities between the model's device and the processor, in float32."""
    device = next(p.device for p in model.parameters())
    image = pictures(data, "test")[0].image[None]
    with without_tf32():
        there = model(image.to(device)).softmax(1).cpu()
    here = model.cpu()(image).softmax(1)
    model.to(device)
    return float((here - there).abs().max())


if __name__ == "__main__":
    main(__doc__, {"lineage": lineage})
