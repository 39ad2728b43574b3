"""torchvision's segmentation networks, key for key: what each of its modules is called here.

backbone.conv1.weight           →  encoder.conv1.weight
classifier.0.weight             →  head.0.weight
aux_classifier.0.weight         →  aux.0.weight
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from segkit.encoders.weights import load_exactly
from segkit.models.base import unwrapped

AUXILIARY = "aux_classifier."
# by the model's class: torchvision's beginnings of names → ours; the first that fits counts
TABLES: dict[str, dict[str, str]] = {
    "FCNResNet": {"backbone.": "encoder.", "classifier.": "head.", AUXILIARY: "aux."},
}


def load_torchvision_segmentation(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Fill a model with the weights of torchvision's segmentation network of the same architecture.

    Args:
        model: an `FCNResNet` of width 64, with the encoder and the classes of the weights; made with
            align_corners=False it gives torchvision's logits.
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
