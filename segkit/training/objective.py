"""What a recipe asks a network to minimise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from segkit.data import Batch
from segkit.engine import engine
from segkit.heads import enlarge
from segkit.layers.borders import cut
from segkit.models import unwrapped
from segkit.training.edges import edge_loss
from segkit.training.losses import cross_entropy, dice_loss, ohem_cross_entropy
from segkit.training.points import labels_at
from segkit.training.presence import presence_loss
from segkit.training.recipe import Recipe


def objective(recipe: Recipe, weight: Tensor | None = None) -> Callable[[nn.Module, Batch], Tensor]:
    """What a recipe asks a network to minimise: its losses on the logits, and those on auxiliary outputs.

    That is cross-entropy, at the model's points for an output named "point_scores"; for one named "presence" it is
    `presence_loss`, for "edge" `edge_loss`.

    Args:
        recipe: `losses`, `aux`, `ohem_threshold` and `ohem_kept` are read.
        weight: K class weights.

    Returns:
        callable (model, batch) → scalar; it raises a ValueError for an auxiliary output that the model does not have,
        or that gives no class scores.
    """
    hard = partial(ohem_cross_entropy, threshold=recipe.ohem_threshold, kept=recipe.ohem_kept)
    kinds: dict[str, Callable[..., Tensor]] = {"cross_entropy": cross_entropy, "ohem": hard, "dice": dice_loss}

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        outputs = model(batch.image, outputs=True) if recipe.aux else {"logits": model(batch.image)}
        logits, labels = outputs.pop("logits"), batch.labels
        terms = [share * kinds[name](logits, labels, weight) for name, share in recipe.losses.items()]
        points = outputs.pop("points", None)
        K = logits.shape[1]
        outputs = {name: found for name, found in outputs.items() if name == "edge" or found.shape[1] == K}
        for name, share in recipe.aux.items():
            if name not in outputs:
                raise ValueError(
                    f"the recipe weighs the auxiliary output {name!r}; this model has {', '.join(outputs) or 'none'} "
                    f"with scores of {K} classes"
                )
            found = outputs[name]
            if name == "presence":  # it speaks of the whole picture
                terms.append(share * presence_loss(found, labels))
            elif name == "edge":
                terms.append(share * edge_loss(_at_pixels(found, labels, model), labels))
            elif name == "point_scores" and points is not None:
                terms.append(share * cross_entropy(found, labels_at(labels, points), weight))
            else:
                terms.append(share * cross_entropy(_at_pixels(found, labels, model), labels, weight))
        return torch.stack(terms).sum()

    return loss


def _at_pixels(scores: Tensor, labels: Tensor, model: nn.Module) -> Tensor:
    """Auxiliary scores at the size of the labels, each cell where the model has those of its logits."""
    H, W = labels.shape[-2:]
    network = unwrapped(model)
    if not getattr(network, "align_corners", True):  # as torchvision trains them
        return engine().interpolate(scores, (H, W), mode="bilinear", align_corners=False)
    strides = [s for s in (1, 2, 4, 8, 16, 32, 64) if (-(-H // s), -(-W // s)) == tuple(scores.shape[-2:])]
    if not strides:
        raise ValueError(f"an auxiliary output has {tuple(scores.shape)} scores for labels of {H}×{W}: no whole stride")
    corners = getattr(getattr(network, "encoder", None), "corner_aligned", False)
    return scores if strides[0] == 1 else cut(enlarge(scores, strides[-1], corners), H, W)
