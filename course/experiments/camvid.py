"""Real streets from scratch: CamVid, 367 pictures to train on, 233 to test on, 11 classes, 360×480 pixels.

python course/experiments/camvid.py cpu --processes 2    two cores for two hours            → results/camvid.json
python course/experiments/camvid.py gpu --seeds 1        one data-centre card, ten minutes  → results/camvid_gpu.json

The pictures lie where SEGKIT_DATA says; nothing that was trained on them is kept but the scores. Void counts neither
in the loss nor in a score, and all are scored at the pictures' own size, class by class.

`cpu` asks what two hours of two cores can do, and who makes the most of them: two narrow networks of ours, and two of
other libraries, at the width in which these libraries have them. All learn from scratch, from the same windows, by the
recipe "camvid" of segkit, for the same seconds of one core. A clock would stop each run at another step, so each step
was timed beforehand: `PACE` says what it takes, and the number of steps follows. The result says what a step took when
it was recorded. A network whose library is not installed is left out, and so is the one that starts from ImageNet where
torchvision's cache does not hold the weights; the result says which, and in which versions the libraries were there.

`gpu` aims above 66.9 % mean IoU, which FC-DenseNet103 reached on the same pictures without pre-training (Jégou et al.,
"The one hundred layers Tiramisu", arXiv 1611.09326, Table 1). The recipe is "camvid_gpu": whole pictures, mixed
precision, at most 8 GiB. It is one network, scored as it is and, in a row of its own, with the probabilities of three
sizes and their mirror images averaged. Eight processes prepare the pictures.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from library import Arm, Experiment, ahead, build, main
from pictures import OWN, Answers, Rendered, pictures
from torch import Tensor, nn
from torchvision.models import get_model_weights

from segkit.analysis import cost
from segkit.analysis.baselines import Baseline, position_prior
from segkit.data import create as data_set
from segkit.encoders.weights import imagenet
from segkit.inference import MultiScale
from segkit.metrics import BoundaryIoU, TrimapIoU
from segkit.models import load_torchvision
from segkit.training import Recipe, Trainer, count_pixels, evaluate, recipes

SIZE, TIMES = (360, 480), 4
DATA = {"set": "camvid", "train": 367, "test": 233}
OFTEN = {"set": "camvid, often", "times": TIMES, "train": TIMES * 367, "test": 233}  # for a GPU, see `often`
SECONDS = 900  # of one core, for each training
NARROW = {"encoder": "resnet18", "width": 16, "dropout": 0.1}
SMP, TORCHVISION = "segmentation_models_pytorch", "torchvision"
LIBRARIES = {  # module, what it calls the number of classes, its packages
    TORCHVISION: ("torchvision.models.segmentation", "num_classes", ("torchvision",)),
    SMP: (SMP, "classes", ("segmentation-models-pytorch", "timm")),
}
MODELS: dict[str, dict[str, Any]] = {
    "DeepLab v3+": {"name": "deeplab_v3plus", "rates": [2, 4, 6], **NARROW},
    "U-Net": {"name": "unet", **NARROW},
    "smp DeepLabV3Plus, MobileNet v2": {
        "library": SMP, "name": "DeepLabV3Plus", "encoder_name": "mobilenet_v2", "encoder_weights": None,
    },
    "torchvision LR-ASPP, MobileNet v3": {
        "library": TORCHVISION, "name": "lraspp_mobilenet_v3_large", "weights": None, "weights_backbone": None,
    },
    "DeepLab v3+, MobileNet v2 from ImageNet": {
        "name": "deeplab_v3plus", "encoder": "mobilenet_v2", "rates": [], "head_width": 64, "imagenet": True,
    },
}  # fmt: skip
PACE = {  # seconds of one core for a step of eight windows, timed with the other core idle
    "DeepLab v3+": 0.37,
    "U-Net": 0.44,
    "smp DeepLabV3Plus, MobileNet v2": 1.73,
    "torchvision LR-ASPP, MobileNet v3": 0.87,
    "DeepLab v3+, MobileNet v2 from ImageNet": 1.43,
}
TUNED = {"lr": 4e-4, "head_lr": 10.0}  # what comes from ImageNet learns ten times slower than the rest
WIDE = {"name": "unet", "encoder": "resnet34", "width": 64, "decoder_channels": [256, 128, 128, 64, 64]}
FEW, MANY = {"scales": [0.75, 1.0], "flip": True}, {"scales": [0.75, 1.0, 1.25], "flip": True}
AGAIN, FIRST = "{}, scales and flips", "DeepLab v3+"


def often(split: str, times: int) -> Rendered:
    """The training pictures several times over: an epoch is longer, and the processes that load them start less often.

    The pictures are held once, and each time that one comes it is changed in its own way.
    """
    found = Rendered(data_set("camvid", split))
    found.samples *= times  # of the test pictures as many are taken as the arm says
    return found


OWN["camvid, often"] = often


class Peer(nn.Module):
    """A network of another library: its logits alone, for pictures of any size, which are continued to full cells."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        H, W = x.shape[-2:]
        found = self.network(F.pad(x, (0, -W % 32, 0, -H % 32), mode="replicate"))  # N, K, 32·⌈H/32⌉, 32·⌈W/32⌉
        return (found["out"] if isinstance(found, Mapping) else found)[..., :H, :W]  # N, K, H, W


def built(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    own = dict(model)
    library, pretrained = own.pop("library", ""), own.pop("imagenet", False)
    if library:
        module, classes, _ = LIBRARIES[library]
        return Peer(getattr(importlib.import_module(module), own.pop("name"))(**own, **{classes: num_classes}))
    network = build(own, num_classes, base)
    if pretrained:
        load_torchvision(network, imagenet(network.foundation()))  # type: ignore[operator]
    return network


def lacking(model: Mapping[str, Any]) -> str:
    """Why a network cannot be built here; nothing where it can."""
    if (library := model.get("library")) and importlib.util.find_spec(library) is None:
        return f"{library} is not installed; pip install {LIBRARIES[library][2][0]}"
    if model.get("imagenet"):
        file = Path(get_model_weights(model["encoder"]).DEFAULT.url).name  # type: ignore[attr-defined]
        if not (Path(torch.hub.get_dir()) / "checkpoints" / file).is_file():
            return f"torchvision's cache does not hold {file}; segkit train --pretrained … fetches it"
    return ""


def settings(name: str) -> dict[str, Any]:
    """A recipe of segkit by name, as the settings in which it differs from the default."""
    usual, own = Recipe().as_dict(), recipes.create(name).as_dict()
    return {k: v for k, v in own.items() if v != usual[k] and k != "name"}


@torch.no_grad()
def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """Over all pixels, near true outlines, and along the outlines of both; class by class over all pixels."""
    device = str(next((p.device for p in model.parameters()), "cpu"))
    if "after" in arm["model"]:
        model = MultiScale(model, **arm["model"]["after"])
    near = {f"trimap_iou_{w}px": TrimapIoU(test.num_classes, width=w) for w in (1, 3)}
    edges = BoundaryIoU(test.num_classes)
    matrix = evaluate(model, test, 4, device, also=[*near.values(), edges])
    figures = {k: v for k, v in matrix.summary().items() if k != "frequency_weighted_iou"}
    figures |= {k: band.mean_iou() for k, band in near.items()}
    return {**figures, "boundary_iou": edges.mean_iou(), "iou": matrix.iou().tolist()}


def cpu(o: argparse.Namespace) -> Experiment:
    """Two hours of two cores: ours beside those of other libraries, each for the same seconds."""
    arms: dict[str, Arm] = {}
    for name, model in MODELS.items():
        own = {
            "steps": 10 * round(SECONDS / PACE[name] / 10),
            "seconds_a_step": PACE[name],
            **(TUNED if "imagenet" in model else {}),
        }
        arms[name] = {"model": model, "data": DATA, "recipe": {**settings("camvid"), **own}}
        if model.get("width") == NARROW["width"]:
            arms[AGAIN.format(name)] = {**arms[name], "model": {**model, "after": FEW}}
    alike = [name for name, arm in arms.items() if not {"after", "imagenet"} & arm["model"].keys()]
    claims = [ahead("12", "mean_iou", FIRST, name, 0.02) for name in alike if name != FIRST]
    claims.append(ahead("12", "mean_iou", AGAIN.format(FIRST), FIRST))  # one network, asked once or four times
    return with_facts(Experiment("camvid", arms, score, built, claims=claims), o)


def gpu(o: argparse.Namespace) -> Experiment:
    """Ten minutes of one data-centre card: one wide network on whole pictures."""
    one = {"model": WIDE, "data": OFTEN, "recipe": {**settings("camvid_gpu"), "workers": 8}}
    arms = {"U-Net": one, AGAIN.format("U-Net"): {**one, "model": {**WIDE, "after": MANY}}}
    return with_facts(Experiment("camvid_gpu", arms, score, built, device="cuda"), o)


def with_facts(experiment: Experiment, o: argparse.Namespace) -> Experiment:
    """The experiment without what cannot be built here, and with what else is to be recorded."""
    absent: dict[str, str] = {}

    def leave_out() -> None:
        absent.update({name: why for name, arm in experiment.arms.items() if (why := lacking(arm["model"]))})
        for name, why in absent.items():
            experiment.arms.pop(name, None)
            experiment.claims = [claim for claim in experiment.claims if name != claim["worse"]]
            if not o.part:
                print(f"{name} is left out: {why}", flush=True)

    experiment.prepare, experiment.extra = leave_out, partial(facts, experiment, absent)
    return experiment


def facts(experiment: Experiment, absent: Mapping[str, str]) -> dict[str, Any]:
    """What was left out, the versions of the libraries, scores of maps that see no picture, and what networks cost."""
    arms = {name: arm for name, arm in experiment.arms.items() if "after" not in arm["model"]}
    libraries = {arm["model"]["library"] for arm in arms.values() if "library" in arm["model"]}
    packages = [package for library in LIBRARIES if library in libraries for package in LIBRARIES[library][2]]
    found: dict[str, Any] = {"left out": dict(absent), "versions": {name: version(name) for name in packages}}
    found["blind"] = blind(next(iter(arms.values()))["data"])
    if experiment.device == "cuda":
        found["bytes on the card"] = torch.cuda.max_memory_allocated()  # at the busiest moment
    found["price"] = {name: price(experiment, name) for name in arms}
    return found


def blind(data: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of the most frequent class everywhere, and of the most frequent one at each pixel."""
    train, test = pictures(data, "train"), pictures(data, "test")
    most = int(count_pixels(train).argmax())
    everywhere = Baseline([torch.full_like(s.labels, most) for s in test.samples], {}, torch.empty(0))
    maps = {f"{test.classes[most]} everywhere": everywhere, "position prior": position_prior(train, test, trimap=())}
    found = {name: score(Answers(answer, test), {"model": {}}, test) for name, answer in maps.items()}
    return {name: {k: round(v, 4) for k, v in row.items() if k != "iou" and v == v} for name, row in found.items()}


def price(experiment: Experiment, name: str, steps: int = 4) -> dict[str, Any]:
    """What a network costs by count, for a picture; and on a processor in seconds of one core for a step."""
    arm = experiment.arms[name]
    network = built(arm["model"], pictures(arm["data"], "test").num_classes, None)
    counted = cost(network.eval(), (3, *SIZE))
    found: dict[str, Any] = {"parameters": counted.parameters, "macs": counted.macs}
    if experiment.device == "cpu":
        own = {k: v for k, v in arm["recipe"].items() if k not in ("class_weights", "seconds_a_step")}
        recipe = Recipe(**own, device="cpu").changed(steps=steps + 1)
        trainer = Trainer(network, pictures(arm["data"], "train"), recipe)
        trainer.fit(until=1, quiet=True)  # the first step takes longer
        began = time.process_time()
        trainer.fit(quiet=True)
        found["seconds_a_step"] = round((time.process_time() - began) / steps, 4)
    return found


if __name__ == "__main__":
    main(__doc__, {"cpu": cpu, "gpu": gpu})
