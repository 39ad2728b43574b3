"""Chapter 07's experiments.

python course/experiments/crf.py fields     four first fully connected layers     → results/deeplab_fields.json
python course/experiments/crf.py sharpen    with and without multi-scale prediction, with and without the CRF
                                            → results/crf_sharpen.json
python course/experiments/crf.py joint      a CRF trained with its network         → results/crf_joint.json (last)

The CRF's parameters are chosen on val scenes, for the first seed only; all scores are of test scenes.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Mapping
from typing import Any

import library
import torch
from behind import SPATIAL, Behind, dense
from library import Arm, Experiment, ahead, main
from lineage import DATA, MODELS, RECIPE
from pictures import Rendered, pictures, scores
from results import load
from torch import Tensor, nn
from torch.nn.utils import parametrize

from segkit.crf import CRFasRNN, DenseCRF
from segkit.crf import search as crf_search
from segkit.files import write_json

FIELDS = {  # kernel, rate, channels of fc6: the paper's Table 2 with its rates divided by 4, for a map of 12×16 cells
    "7x7 rate 1": ([7, 1], 384),
    "4x4 rate 1": ([4, 1], 384),
    "4x4 rate 2": ([4, 2], 384),
    "3x3 rate 3": ([3, 3], 96),
    "3x3 rate 3, wide": ([3, 3], 384),  # is it the kernel or the channels?
}
PLAIN, LARGE_FOV = MODELS["DeepLab v1"], {k: v for k, v in MODELS["DeepLab v1"].items() if k not in ("fov", "hidden")}
BANDS = (1, 2, 4, 8, 16)
VAL = 20  # scenes that the parameters are chosen on
GRID = {"bilateral_sxy": (5, 10, 20, 40), "bilateral_srgb": (5, 10, 20, 40), "bilateral_compat": (2, 4, 8),
        "gaussian_compat": (1, 3)}  # fmt: skip
edges = functools.partial(ahead, "07", "trimap_iou_2px")


def fields(o: argparse.Namespace) -> Experiment:
    """The four first fully connected layers of Table 2, and a fifth, trained alike."""
    net, recipe = {**LARGE_FOV, "width": 6}, {**RECIPE, "steps": 1500}  # the original layer takes the time
    models = {name: {**net, "fov": fov, "hidden": hidden} for name, (fov, hidden) in FIELDS.items()}
    sizes = {n: sum(p.numel() for p in library.build(m, 13, None).parameters()) for n, m in models.items()}
    wide = functools.partial(ahead, "07", "mean_iou", "3x3 rate 3, wide")
    return Experiment(
        "deeplab_fields",
        {name: {"model": model, "data": DATA, "recipe": recipe} for name, model in models.items()},
        score=lambda model, arm, test: scores(model, test),
        claims=[wide("7x7 rate 1", -0.01), ahead("07", "mean_iou", "3x3 rate 3", "7x7 rate 1", -0.02)],
        extra=lambda: {"parameters": sizes},
        more_seeds=dict.fromkeys(("7x7 rate 1", "3x3 rate 3", "3x3 rate 3, wide"), 5),
    )


def sharpen(o: argparse.Namespace) -> Experiment:
    """The plain network and the one with multi-scale prediction, before and behind the CRF."""
    kinds, crfs = {"plain": PLAIN, "msc": {**PLAIN, "name": "deeplab_v1_msc"}}, ("", " + places alone", " + CRF")
    models = {
        k + a: {**m, **({"after": {"crf": a, "grid": GRID}} if a else {})} for k, m in kinds.items() for a in crfs
    }
    experiment = Experiment(
        "crf_sharpen",
        {name: {"model": model, "data": DATA, "recipe": RECIPE} for name, model in models.items()},
        score=lambda model, arm, test: scores(behind(model, arm), test, BANDS),
        claims=[
            edges("plain + CRF", "plain", 0.02),
            edges("plain + CRF", "plain + places alone", 0.01),
            edges("msc", "plain", 0.02),
            edges("msc + CRF", "msc", 0.02),
        ],
        ceilings=(8,),
        align="corners",
        trainings="lineage",
    )

    def behind(model: nn.Module, arm: Arm) -> nn.Module:
        after = arm["model"].get("after", {}).get("crf")
        blind = {"bilateral_compat": 0} if after == " + places alone" else {}
        return Behind(model, dense(**{**best(search(experiment)), **blind})) if after else model

    def extra() -> dict[str, Any]:
        test, rows = pictures(experiment.arms["plain"]["data"], "test"), search(experiment)
        crf = dense(**best(rows))
        traces = {k: [curves(crf, experiment.network(k, s), test) for s in range(o.seeds)] for k in kinds}
        return {"chosen": best(rows), "search": rows, "curves": {f"{k} + CRF": v for k, v in traces.items()}}

    experiment.prepare, experiment.extra = lambda: search(experiment), extra
    return experiment


def best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: rows[0][key] for key in GRID}


def search(experiment: Experiment) -> list[dict[str, Any]]:
    """Every point of the grid, scored near the edges of val scenes for the first seed's network; best first."""
    path = experiment.file(experiment.fingerprint("plain + CRF"), 0, "_search.json")
    if not path.is_file():
        model, val = experiment.network("plain", 0), pictures({**DATA, "val": VAL}, "val")
        found = crf_search(model, val, GRID, gaussian_sxy=SPATIAL, most=None, quiet=True)
        write_json([{k: round(v, 4) for k, v in row.items()} for row in found.rows], path)
    return json.loads(path.read_text(encoding="utf-8"))


@torch.no_grad()
def curves(crf: DenseCRF, model: nn.Module, test: Rendered) -> dict[str, Any]:
    """Energy and KL a pixel at each iteration, means over the scenes, and how many scenes fall at every one."""
    traces = [crf(model(s.image[None]), s.image[None], trace=True)[1] for s in test.samples]
    found: dict[str, Any] = {}
    for name in ("energy", "kl"):
        rows = torch.cat([getattr(t, name) for t in traces]) / test[0].labels.numel()  # scenes, iterations + 1
        steps = rows.diff(dim=1)
        found[name] = [round(v, 5) for v in rows.mean(0).tolist()]
        found[f"{name}_falls_at_every_step"] = int((steps < 0).all(1).sum())
        found[f"{name}_largest_rise"] = float(steps.max())
    return {**found, "scenes": len(traces)}


class Times(nn.Module):
    """A parameter kept `factor` times smaller, so that AdamW moves it in steps that are `factor` times larger."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x

    def right_inverse(self, x: Tensor) -> Tensor:
        return x / self.factor


class WithCRF(nn.Module):
    """A network and the CRF behind it, as one; what does not learn stays in evaluation mode.

    Where the network learns alone, training does not go through the CRF. In training the CRF takes five iterations, as
    in the paper, and ten to answer; its few parameters take thirty times larger steps.
    """

    def __init__(self, net: nn.Module, chosen: Mapping[str, Any], learns: list[str]) -> None:
        super().__init__()
        sizes = (chosen["bilateral_sxy"], chosen["bilateral_srgb"], SPATIAL)
        weights = (chosen["bilateral_compat"], chosen["gaussian_compat"])
        self.net, self.learns = net, learns
        self.crf = CRFasRNN(net.num_classes, *sizes, *weights, picture_max=1)  # type: ignore[arg-type]
        for name in ("bilateral_weights", "spatial_weights", "compatibility"):
            parametrize.register_parametrization(self.crf, name, Times(30))
        for name in ("net", "crf"):
            self.get_submodule(name).requires_grad_(name in learns)

    def train(self, mode: bool = True) -> WithCRF:
        super().train(mode)
        self.net.train(mode and "net" in self.learns)
        self.crf.iterations = 5 if mode else 10
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) if self.training and self.learns == ["net"] else self.crf(self.net(x), x)


PARTS = {"nothing": [], "the network": ["net"], "the CRF": ["crf"], "both": ["net", "crf"]}


def joint(o: argparse.Namespace) -> Experiment:
    """Some more training: of the network without a CRF, of the CRF alone, of both through the CRF's iterations."""
    chosen = load("crf_sharpen").extra["chosen"]
    more = {**RECIPE, "steps": 120, "lr": 1e-3, "weight_decay": 0, "ema": 0.95}
    arms: dict[str, Arm] = {"plain": {"model": PLAIN, "recipe": RECIPE}}
    arms |= {"nothing": {"model": {**PLAIN, "after": {"crf": chosen}}, "recipe": RECIPE}}
    for name, learns in PARTS.items():
        if learns:
            arms[name] = {
                "model": {"name": "with CRF", "crf": chosen, "learns": learns, "from": "plain"},
                "recipe": more,
            }

    def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
        if model["name"] != "with CRF":
            return library.build(model, num_classes, base)
        return WithCRF(base, model["crf"], model["learns"])  # type: ignore[arg-type]

    def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
        if "after" in arm["model"]:
            model = WithCRF(model, arm["model"]["after"]["crf"], []).eval()
        found = scores(model, test)
        alone = scores(model.net, test) if isinstance(model, WithCRF) else found
        return {**found, "without_crf": alone["trimap_iou_2px"]}

    claims = [
        edges("both", "nothing", 0.02),
        edges("both", "the network", 0.02),
        edges("both", "the CRF", 0.02),
        ahead("07", "without_crf", "nothing", "both"),
    ]
    arms = {name: {**arm, "data": DATA} for name, arm in arms.items()}
    return Experiment("crf_joint", arms, score, build, claims=claims, trainings="lineage")


if __name__ == "__main__":
    main(__doc__, {"fields": fields, "sharpen": sharpen, "joint": joint})
