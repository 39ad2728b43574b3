"""Training: recipes, losses, the loop, checkpoints, and where a number comes from."""

from segkit.training import recipes
from segkit.training.affinity import affinity_loss
from segkit.training.class_balance import class_weights, count_pixels
from segkit.training.device import pick_device
from segkit.training.edges import edge_loss
from segkit.training.evaluation import evaluate
from segkit.training.loop import Trainer
from segkit.training.losses import (
    check_labels,
    cross_entropy,
    dice_loss,
    distillation_loss,
    ohem_cross_entropy,
)
from segkit.training.presence import presence_loss
from segkit.training.provenance import provenance
from segkit.training.recipe import Config, Recipe
from segkit.training.sampling import keep_centre, sample_patches, sample_pixels
from segkit.training.weight_map import separate, unet_weight_map, weight_map_loss

__all__ = [
    "Config", "Recipe", "Trainer", "affinity_loss", "check_labels", "class_weights", "count_pixels", "cross_entropy",
    "dice_loss", "distillation_loss", "edge_loss", "evaluate", "keep_centre", "ohem_cross_entropy", "pick_device",
    "presence_loss", "provenance", "recipes", "sample_patches", "sample_pixels", "separate", "unet_weight_map",
    "weight_map_loss",
]  # fmt: skip
