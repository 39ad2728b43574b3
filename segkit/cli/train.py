"""`segkit train`: a preset per data set, the loop, and a folder with weights, history and a checkpoint."""

from __future__ import annotations

import argparse
import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import segkit
from segkit.cli.runs import find_weights, first, run_name
from segkit.data import Augmented, create
from segkit.data.download import check
from segkit.data.registry import OWN
from segkit.data.transforms import ColourJitter, Compose, RandomCrop, RandomFlip, RandomScale
from segkit.files import write_json
from segkit.models import create as create_model
from segkit.models import load, load_torchvision, options, read_header, save
from segkit.models.weights import load_exactly
from segkit.training import Config, Trainer, class_weights, evaluate, provenance


@dataclass(frozen=True)
class Preset:
    """What suits a data set: crop (H, W), range of scales, steps and pictures per step."""

    crop: tuple[int, int]
    scale: tuple[float, float]
    steps: int
    batch: int


PRESETS = {
    "street": Preset((96, 128), (1.0, 1.0), 1000, 16),
    "camvid": Preset((240, 320), (0.5, 1.0), 1500, 8),
    "voc2012": Preset((256, 256), (0.5, 1.5), 20000, 16),
    "cityscapes": Preset((256, 512), (0.25, 0.75), 20000, 16),
    "cells": Preset((128, 128), (1.0, 1.0), 1000, 16),
    "isbi2012": Preset((256, 256), (0.8, 1.25), 3000, 4),
    "nuclei": Preset((192, 192), (0.7, 1.4), 3000, 8),
}


def augmentation(preset: Preset) -> Compose:
    """Flip, scale, crop and colour, jointly on picture and labels."""
    steps: list[Any] = [RandomFlip()]
    if preset.scale != (1.0, 1.0):
        steps += [RandomScale(*preset.scale), RandomCrop(preset.crop)]
    return Compose([*steps, ColourJitter()])


def train(o: argparse.Namespace) -> int:
    """Run the command."""
    out = Path(o.out or f"runs/{o.model}-{run_name(o.data)}")
    checkpoint = out / "checkpoint.safetensors"
    if (out / "weights.safetensors").exists() and not o.resume:
        raise ValueError(f"{out} holds a finished run; choose another --out, or delete it")
    if checkpoint.exists() and not o.resume:
        raise ValueError(
            f"{out} holds a run that was interrupted; go on with --resume, choose another --out, or delete it"
        )
    if o.data.startswith(OWN) and not o.resume and not (report := check(o.data)).ok:
        raise ValueError("\n  ".join([f"{o.data} is not ready, see `segkit data check`:", *report.problems[:8]]))
    preset = PRESETS.get(o.data) or Preset(**create(o.data).preset)  # type: ignore[attr-defined]
    segkit.use_engine(o.engine)
    train_set = first(create(o.data, split="train"), o.limit)
    model = _model(o, train_set.num_classes)
    config = Config(
        steps=preset.steps if o.steps is None else o.steps,
        batch_size=preset.batch if o.batch_size is None else o.batch_size,
        lr=o.lr,
        seed=o.seed,
        ema=o.ema,
        workers=o.workers,
        device=o.device,
    )
    weight = None if o.weights == "none" else class_weights(_count(train_set), o.weights)
    trainer = Trainer(model, Augmented(train_set, augmentation(preset), o.seed), config, weight)
    size = sum(p.numel() for p in model.parameters()) / 1e6
    print(
        f"{o.model} ({size:.2f} M parameters, {o.engine} engine) on {o.data}: {len(train_set)} training pictures, "
        f"{config.steps} steps of {config.batch_size} on {trainer.device}"
    )
    history = trainer.fit(checkpoint, resume=o.resume and checkpoint.exists())
    val = first(create(o.data, split="val"), o.limit)
    matrix = evaluate(trainer.best, val, batch_size=4, device=o.device, quiet=False)
    metrics = {"val_mean_iou": round(matrix.mean_iou(), 4), "val_pixel_accuracy": round(matrix.pixel_accuracy(), 4)}
    facts = {
        "data": o.data, "classes": list(train_set.classes), "palette": train_set.palette.tolist(), "seed": o.seed,
        "metrics": metrics, "provenance": provenance(),
    }  # fmt: skip
    trainer.best.config = model.config  # type: ignore[assignment]
    weights = save(trainer.best, out / "weights.safetensors", **facts)
    write_json({"config": model.config, **facts, "history": history}, out / "history.json")
    print(f"val mean IoU {100 * metrics['val_mean_iou']:.1f} %, void ignored; weights in {weights}")
    return 0


def _model(o: argparse.Namespace, num_classes: int) -> torch.nn.Module:
    chosen = {"width": o.width, "batch_norm": not o.no_batch_norm, "hidden": o.hidden, "encoder": o.encoder}
    known = options(o.model)
    if o.pretrained:
        chosen |= {"width": 64, "batch_norm": False, "hidden": None}
    if o.encoder == "alexnet":
        chosen["batch_norm"] = False
    for name in ("hidden", "encoder"):
        if chosen[name] is not None and name not in known:
            raise ValueError(f"{o.model} takes no --{name}")
    chosen = {k: v for k, v in chosen.items() if v is not None and k in known} | dict(map(_option, o.option))
    torch.manual_seed(o.seed)
    model = create_model(o.model, num_classes, **chosen)
    if o.pretrained and o.init:
        raise ValueError("--pretrained and --init both say where to start from; give one of them")
    if o.pretrained:
        unused = load_torchvision(model, _imagenet(_foundation(o.model, known | chosen)))
        print(f"ImageNet weights loaded; no place for {', '.join(unused)}")
    if o.init:
        path = find_weights(o.init)
        if (held := read_header(path)["config"]) != model.config:
            raise ValueError(f"{path} holds {held}, this command makes {model.config}")
        load_exactly(model, load(path).state_dict())
    return model


def _option(text: str) -> tuple[str, Any]:
    """`padding=same` or `depth=50`: an option of the model, its value as Python would read it, else as a word."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(f"--option got {text!r}; it takes NAME=VALUE, such as depth=50")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def _foundation(name: str, settings: dict[str, Any]) -> str:
    """The torchvision classifier whose weights fit a model."""
    if "encoder" in settings:
        return settings["encoder"]
    kinds = {"segnet": "vgg{}_bn", "dilated": "vgg{}", "dilated_frontend": "vgg{}", "duc_hdc": "resnet{}"}
    kinds |= {"deeplab_v1": "vgg{}", "deeplab_v1_msc": "vgg{}"}
    if name not in kinds:
        raise ValueError(f"--pretrained: torchvision has no weights for the encoder of {name}; train it from scratch")
    return kinds[name].format(settings["depth"])


def _imagenet(encoder: str) -> dict[str, torch.Tensor]:
    """torchvision's weights, from its cache or from the network."""
    import torchvision.models

    try:
        return torchvision.models.get_model(encoder, weights="DEFAULT").state_dict()
    except OSError as error:
        raise OSError(
            f"could not get torchvision's weights for {encoder} ({error}); connect to the network once, or train from "
            "scratch without --pretrained"
        ) from None


def _count(dataset: Any) -> torch.Tensor:
    """Pixels of each class over the set."""
    counts = torch.zeros(dataset.num_classes, dtype=torch.int64)
    for i in range(len(dataset)):
        labels = dataset[i].labels
        counts += torch.bincount(labels[labels != dataset.ignore_index], minlength=dataset.num_classes)
    return counts
