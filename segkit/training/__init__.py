"""Training: losses, the loop, checkpoints, and where a number comes from."""

from segkit.training.evaluation import evaluate
from segkit.training.loop import Config, Trainer, pick_device
from segkit.training.losses import (
    check_labels,
    class_weights,
    cross_entropy,
    keep_centre,
    sample_patches,
    sample_pixels,
)
from segkit.training.provenance import provenance
from segkit.training.weight_map import separate, unet_weight_map, weight_map_loss

__all__ = [
    "Config", "Trainer", "check_labels", "class_weights", "cross_entropy", "evaluate", "keep_centre", "pick_device",
    "provenance", "sample_patches", "sample_pixels", "separate", "unet_weight_map", "weight_map_loss",
]  # fmt: skip
