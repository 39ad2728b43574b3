"""Chapter 10's experiments.

python course/experiments/cheap.py blocks    plain, separable, inverted, by width           → results/cheap_blocks.json
python course/experiments/cheap.py steps     what stands between and after the cheap steps  → results/cheap_steps.json

Every network is DeepLab v3+ with the same small pyramid and decoder; the encoders are the MobileNets, and MobileNet v1
with each block as one full 3×3 convolution, as in its Table 4.
"""

from __future__ import annotations

import argparse
from typing import Any

from atrous import GROUPS
from library import Arm, Experiment, ahead, main
from pictures import Rendered, scores
from torch import nn

from segkit.analysis import cost

DATA = {"set": "street", "size": [96, 128], "train": 1600, "test": 200}
RECIPE = {"steps": 2000, "batch_size": 8, "lr": 6e-3, "class_weights": "log", "ema": 0.99, "flip": 0.5}
NET = {"name": "deeplab_v3plus", "rates": [1, 2, 3], "head_width": 32, "low_level": 12}
V1, V2 = {**NET, "encoder": "mobilenet_v1"}, {**NET, "encoder": "mobilenet_v2"}
PLAIN, EXACT = {"separable": False}, {"multiple": 1}  # full 3×3 convolutions; channels not rounded


def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    return scores(model, test, groups=GROUPS)


def priced(experiment: Experiment, data: dict[str, Any] = DATA) -> Experiment:
    """The experiment, whose file also says what each network costs."""

    def prices() -> dict[str, Any]:
        found = {}
        for name, arm in experiment.arms.items():
            model = experiment.build(arm["model"], 13, None).eval()
            whole, encoder = cost(model, (3, *data["size"])), cost(model.encoder, (3, *data["size"]))  # type: ignore[arg-type]
            found[name] = {"parameters": whole.parameters, "macs": whole.macs, "macs_of_encoder": encoder.macs}
        return {"price": found}

    experiment.extra = prices
    return experiment


def arms_of(models: dict[str, dict[str, Any]]) -> dict[str, Arm]:
    return {name: {"model": model, "data": DATA, "recipe": RECIPE} for name, model in models.items()}


def blocks(o: argparse.Namespace) -> Experiment:
    """The curve of accuracy against multiply-adds, for four kinds of blocks."""
    models = {f"plain, width {w}": {**V1, "width": w, "encoder_options": PLAIN} for w in (4, 6, 8)}
    models |= {f"separable, width {w}": {**V1, "width": w} for w in (8, 16, 24)}
    bare = {**V1, "encoder_options": {"between": "norm"}}
    models |= {f"no ReLU between, width {w}": {**bare, "width": w} for w in (8, 16, 24)}
    models |= {f"inverted, width {w}": {**V2, "width": w, "encoder_options": EXACT} for w in (12, 18, 24)}
    plain = "plain, width 6"  # the same multiply-adds within 2 %
    claims = [
        ahead("10", "mean_iou", "no ReLU between, width 16", plain, 0.01),
        ahead("10", "mean_iou", plain, "separable, width 16", 0.01),
    ]
    return priced(Experiment("cheap_blocks", arms_of(models), score, claims=claims))


def steps(o: argparse.Namespace) -> Experiment:
    """Between depthwise and pointwise; after the narrow end of an inverted residual, with and without the sum."""
    names = {"norm relu": "norm and ReLU", "norm": "norm", "": "nothing"}
    models = {f"{named} between": {**V1, "width": 16, "encoder_options": {"between": b}} for b, named in names.items()}
    for sums in (True, False):
        for linear in (True, False):
            name = f"{'linear' if linear else 'ReLU'} narrow end{'' if sums else ', no sums'}"
            own = {**EXACT, "linear": linear, "residual": sums}
            models[name] = {**V2, "width": 18, "encoder_options": own}
    claims = [
        ahead("10", "mean_iou", f"linear narrow end{sums}", f"ReLU narrow end{sums}") for sums in ("", ", no sums")
    ]
    claims += [ahead("10", "mean_iou", f"{less} between", "norm and ReLU between") for less in ("norm", "nothing")]
    return priced(Experiment("cheap_steps", arms_of(models), score, claims=claims))


if __name__ == "__main__":
    main(__doc__, {"blocks": blocks, "steps": steps})
