"""The optimizer that a recipe asks for: groups of parameters with their own rate and decay, and frozen BatchNorm."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, AdamW, Optimizer

from segkit.training.recipe import Recipe


def frozen_modules(model: nn.Module, recipe: Recipe) -> list[nn.Module]:
    """The modules that stay in evaluation mode while the rest trains; "frozen" ones stop learning here and now.

    Args:
        model: if it is in training mode, those of its modules that are not were frozen by hand, and stay so.
        recipe: `norm` is read.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)] if recipe.norm != "learn" else []
    if recipe.norm == "frozen":
        for norm in norms:
            norm.requires_grad_(False)
    return norms + [m for m in model.modules() if model.training and not m.training]


def make_optimizer(model: nn.Module, recipe: Recipe) -> tuple[Optimizer, list[float]]:
    """The optimizer over all that learns, and for each of its groups the factor on the learning rate.

    Args:
        model: `model.encoder` learns at the recipe's rate and all else at `head_lr` times that; a model that splits
            otherwise says so by `model.parameter_groups()` → {"encoder": parameters, "head": parameters}.
        recipe: optimizer, rates and decay.

    Raises:
        ValueError: head_lr is not 1 and nothing says what the head is; nothing in the model learns.
    """
    head = set() if recipe.head_lr == 1 else _head(model)
    light = set()  # parameters without weight decay
    if recipe.decay == "weights":
        for module in model.modules():
            norm = isinstance(module, (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.PReLU))  # a slope is no weight
            light |= {p for name, p in module.named_parameters(recurse=False) if norm or "bias" in name}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in model.parameters():
        if p.requires_grad:
            key = (recipe.head_lr if p in head else 1.0, 0.0 if p in light else recipe.weight_decay)
            groups.setdefault(key, []).append(p)
    if not groups:
        raise ValueError("there is nothing to train: no parameter of the model has requires_grad=True")
    own = [{"params": parameters, "weight_decay": decay} for (_, decay), parameters in groups.items()]
    scales = [scale for scale, _ in groups]
    if recipe.optimizer == "sgd":
        return SGD(own, recipe.lr, recipe.momentum, nesterov=recipe.nesterov), scales
    return AdamW(own, recipe.lr), scales


def _head(model: nn.Module) -> set[nn.Parameter]:
    if hasattr(model, "parameter_groups"):
        return set(model.parameter_groups()["head"])  # type: ignore[operator]
    if not isinstance(encoder := getattr(model, "encoder", None), nn.Module):
        raise ValueError(
            f"the recipe gives the head its own rate, but {type(model).__name__} has no .encoder to tell it "
            "from; use head_lr=1, or give the model a method parameter_groups()"
        )
    return set(model.parameters()) - set(encoder.parameters())
