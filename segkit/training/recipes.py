"""Recipes by name: what suits each data set, and what the papers did; or from a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segkit.kinds import HISTORY, RECIPE, TEXT, what_is
from segkit.training.recipe import Recipe

_COURSE: dict[str, Any] = {"flip": 0.5, "jitter": (0.3, 0.3, 0.3, 0.02)}  # AdamW, one-cycle, networks with BatchNorm
_PAPER: dict[str, Any] = {"optimizer": "sgd", "schedule": "poly", "clip": None, "flip": 0.5}
_DEEPLAB: dict[str, Any] = {  # Chen et al., DeepLab v2, arXiv 1606.00915, section 4.1; v1 has steps instead of "poly"
    **_PAPER, "steps": 20000, "batch_size": 10, "lr": 2.5e-4, "weight_decay": 5e-4, "head_lr": 10.0,
    "decay": "weights", "norm": "frozen", "scale": (0.5, 1.5), "crop": (321, 321),
}  # fmt: skip
_PSPNET: dict[str, Any] = {  # Zhao et al., arXiv 1612.01105, section 5.1; without its rotation and blur
    **_PAPER, "steps": 30000, "batch_size": 16, "lr": 1e-2, "weight_decay": 1e-4, "aux": {"aux": 0.4},
    "scale": (0.5, 2.0), "crop": (473, 473),
}  # fmt: skip

_RECIPES: dict[str, dict[str, Any]] = {
    # data sets
    "street": {**_COURSE, "steps": 1000},
    "camvid": {  # narrow networks from scratch on a processor
        **_COURSE, "steps": 2430, "batch_size": 8, "lr": 4e-3, "class_weights": "log", "ema": 0.995,
        "scale": (0.5, 1.25), "crop": (192, 256),
    },
    "camvid_gpu": {  # wide ones from scratch; a U-Net on a ResNet-34 takes about 5 GiB in mixed precision
        "steps": 5000, "batch_size": 16, "lr": 2e-3, "weight_decay": 5e-2, "class_weights": "log", "ema": 0.999,
        "flip": 0.5, "scale": (0.6, 1.8), "crop": (360, 480), "jitter": (0.4, 0.4, 0.4, 0.03),
    },
    "voc2012": {**_COURSE, "steps": 20000, "scale": (0.5, 1.5), "crop": (256, 256)},
    "cityscapes": {**_COURSE, "steps": 20000, "scale": (0.25, 0.75), "crop": (256, 512)},
    "cells": {**_COURSE, "steps": 1000},
    "isbi2012": {**_COURSE, "steps": 3000, "batch_size": 4, "scale": (0.8, 1.25), "crop": (256, 256)},
    "nuclei": {**_COURSE, "steps": 3000, "batch_size": 8, "scale": (0.7, 1.4), "crop": (192, 192)},
    "folder": {**_COURSE, "steps": 1000, "batch_size": 8, "scale": (0.75, 1.25), "crop": (256, 256)},
    # papers, on PASCAL VOC 2012, from ImageNet's weights
    "deeplab": _DEEPLAB,
    "deeplab_msc": {  # the same with msc=True, section 3.1: a loss on each scale and one on the largest score
        **_DEEPLAB, "aux": {"scale_0.5": 1.0, "scale_0.75": 1.0, "scale_1": 1.0},
    },
    "deeplab_v3": {  # Chen et al., arXiv 1706.05587, section 4
        **_PAPER, "steps": 30000, "batch_size": 16, "lr": 7e-3, "weight_decay": 1e-4, "scale": (0.5, 2.0),
        "crop": (513, 513),
    },
    "deeplab_v3plus": {  # Chen et al., arXiv 1802.02611, section 4; weight decay of their code, 1e-4 on a ResNet-101
        **_PAPER, "steps": 30000, "batch_size": 16, "lr": 7e-3, "weight_decay": 4e-5, "scale": (0.5, 2.0),
        "crop": (513, 513),
    },
    "pspnet": _PSPNET,
    "icnet": {  # as PSPNet is trained, with the weights of re-implementations for cascade label guidance
        **_PSPNET, "aux": {"score_16": 0.16, "score_8": 0.4}, "crop": (481, 481),
    },
}  # fmt: skip


def available() -> tuple[str, ...]:
    """The names that `create` knows."""
    return tuple(_RECIPES)


def create(name: str | Path, **changes: Any) -> Recipe:
    """A recipe by name or from a file, with changes.

    Args:
        name: one of `available()`, or the path of a JSON file: one object with settings of `Recipe`; those that it
            leaves out have their defaults.
        **changes: settings of `Recipe` with other values.

    Raises:
        ValueError, TypeError: no such recipe, not JSON, or a setting that is unknown or out of range: named, with the
            nearest one that exists.
        FileNotFoundError: there is no file of that name.
    """
    if name in _RECIPES:
        return Recipe(name=str(name), **_RECIPES[str(name)]).changed(**changes)
    path = Path(name)
    if not path.exists():
        known = f"there are {', '.join(_RECIPES)}, or give a JSON file"
        raise (FileNotFoundError if path.suffix else ValueError)(f"there is no recipe {str(name)!r}; {known}")
    _refuse_another(path)
    try:
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
        recipe = Recipe(name=path.stem).changed(**settings)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not a recipe in JSON, such as {{"steps": 1000}}: {error}') from None
    except (ValueError, TypeError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{path}: {error}") from None
    return recipe.changed(**changes)


def _refuse_another(path: Path) -> None:
    """A ValueError that says what a file is, unless it may be meant as a recipe: settings, or JSON with a slip."""
    found = what_is(path)
    if found == RECIPE or found.startswith(("holds JSON with", TEXT)):
        return
    own = '; the recipe of that run stands in it, under "recipe": save this part as a file' if found == HISTORY else ""
    raise ValueError(
        f"{path} {found}; a recipe is one of {', '.join(_RECIPES)}, or a JSON file in UTF-8 with settings such as "
        f'{{"steps": 1000}}{own}'
    )
