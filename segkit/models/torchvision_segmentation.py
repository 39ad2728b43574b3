"""torchvision's segmentation networks, key for key: what each of its modules is called here.

backbone.conv1.weight           →  encoder.conv1.weight
classifier.0.weight             →  head.0.weight                   (fcn_resnet)
classifier.0.convs.1.0.weight   →  pyramid.branches.1.0.weight     (deeplab_v3)
aux_classifier.0.weight         →  aux.0.weight
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from segkit.checks import chosen
from segkit.encoders.weights import load_exactly
from segkit.models.base import unwrapped

AUXILIARY = "aux_classifier."
# by the model's class: torchvision's beginnings of names → ours; the first that fits counts
TABLES: dict[str, dict[str, str]] = {
    "FCNResNet": {"backbone.": "encoder.", "classifier.": "head.", AUXILIARY: "aux."},
    "DeepLabV3": {
        "backbone.": "encoder.",
        "classifier.0.convs.4.1.": "pyramid.pool.0.",
        "classifier.0.convs.4.2.": "pyramid.pool.1.",
        "classifier.0.convs.": "pyramid.branches.",
        "classifier.0.project.": "pyramid.project.",
        "classifier.1.": "extra.0.",
        "classifier.2.": "extra.1.",
        "classifier.4.": "score.",
        AUXILIARY: "aux.",
    },
}
# by torchvision's name: ours, and the options with which the two networks compute the same
_RESNETS = ("resnet50", "resnet101")
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"fcn_{encoder}": ("fcn_resnet", {"encoder": encoder, "aux": True}) for encoder in _RESNETS},
    **{
        f"deeplabv3_{encoder}": (
            "deeplab_v3",
            {
                "encoder": encoder,
                "output_stride": 8,
                "multi_grid": None,
                "extra_conv": True,
                "aux": True,
                "dropout": 0.5,
            },
        )
        for encoder in _RESNETS
    },
}


def torchvision_options(name: str) -> tuple[str, dict[str, Any]]:
    """What `create` takes to make torchvision's segmentation network of that name, for its published weights.

    Args:
        name: "fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50" or "deeplabv3_resnet101".

    Returns:
        the name of our model, and its options besides num_classes.

    Raises:
        ValueError: another name.
    """
    ours, options = OPTIONS[chosen(name, "name", "torchvision_options", OPTIONS)]
    return ours, {**options, "align_corners": False}


def load_torchvision_segmentation(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Fill a model with the weights of torchvision's segmentation network of the same architecture.

    Args:
        model: an `FCNResNet` or `DeepLabV3` made with `torchvision_options`, with the classes of the weights: it then
            gives torchvision's logits. With align_corners=True they stand half a stride further to the top left.
        state: `torchvision.models.segmentation.fcn_resnet50(…).state_dict()` or the like.

    Returns:
        the names in `state` that have no place in the model: the auxiliary head's, where the model has none.

    Raises:
        TypeError: a model that torchvision does not have.
        ValueError: keys or shapes do not fit; nothing is copied then.
    """
    model = unwrapped(model)
    table = TABLES.get(type(model).__name__)
    if table is None:
        raise TypeError(
            f"load_torchvision_segmentation got a {type(model).__name__}; torchvision has {', '.join(TABLES)} under "
            "other names, and no other of these models (for weights of its classifiers: load_torchvision)"
        )
    left = [key for key in state if key.startswith(AUXILIARY)] if getattr(model, "aux", None) is None else []
    load_exactly(model, {_renamed(key, table): value for key, value in state.items() if key not in left})
    return left


def _renamed(key: str, table: Mapping[str, str]) -> str:
    theirs = next((begin for begin in table if key.startswith(begin)), "")
    return table.get(theirs, "") + key.removeprefix(theirs)
