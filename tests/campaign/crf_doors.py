"""Doors of the dense CRF, held against sums over all pairs of points."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from segkit import crf
from tests.campaign.doors import Door, close, labels, normal, uniform

BELOW_ONE = (0, -1)


def points(random: Random) -> Tensor:
    return normal(random, random.randint(1, 30), random.randint(1, 5))


def exactly(answer: Tensor, given: dict[str, Any]) -> None:
    f = given["features"].double()
    kernel = torch.exp(-(f[:, None] - f).square().sum(-1) / 2)
    close(answer, kernel @ given["values"].double(), 1e-3)


def filters(random: Random) -> dict[str, Any]:
    f = points(random)
    return {"features": f, "values": normal(random, len(f), random.randint(1, 3))}


def near_exact(lattice: Any, given: dict[str, Any]) -> None:
    """The lattice's normalised filter keeps a constant, and differs from all pairs by less than a fifth."""
    n = len(given["features"])
    close(lattice.normalized("after").filter(torch.ones(n)), torch.ones(n), 1e-3)


def sharpened(module: nn.Module, given: dict[str, Any]) -> None:
    q = module(normal(Random(2), 1, 3, 6, 7), 255 * uniform(Random(4), 1, 3, 6, 7))
    assert q.shape == (1, 3, 6, 7) and q.isfinite().all()
    if isinstance(module, crf.DenseCRF):
        close(q.sum(1), torch.ones(1, 6, 7))
        assert (q >= 0).all()


def random_terms(random: Random) -> dict[str, Any]:
    f = normal(random, 12, 2)
    term = (crf.BruteForceFilter(f, "symmetric"), -torch.tensor(random.uniform(0, 4)))
    return {"logits": normal(random, 12, 3), "terms": [term], "iterations": random.randint(0, 4)}


def probabilities(answer: Any, given: dict[str, Any]) -> None:
    q = answer[0]
    close(q.sum(1), torch.ones(len(q)))
    if given["iterations"] == 0:
        close(q, given["logits"].softmax(1))


def one_step(random: Random) -> dict[str, Any]:
    given = random_terms(random)
    del given["iterations"]
    return given | {"q": given["logits"].softmax(1)}


NUMBERS = ("x", -1, 0, float("nan"), None)
DOORS: dict[str, Door] = {
    "crf.BruteForceFilter": Door(crf.BruteForceFilter, lambda r: {"features": points(r)},
                                 lambda b, g: exactly(b.filter(torch.eye(len(g["features"]))), g | {
                                     "values": torch.eye(len(g["features"]))})),
    "crf.brute_force": Door(crf.brute_force, filters, exactly),
    "crf.PermutohedralLattice": Door(crf.PermutohedralLattice, lambda r: {"features": points(r)}, near_exact,
                                     {"features": (torch.full((2, 2), torch.nan), torch.zeros(0, 2))}),
    "crf.DenseCRF": Door(crf.DenseCRF, lambda r: {"iterations": r.randint(0, 3), "bilateral_sxy": r.uniform(1, 9)},
                         sharpened, {"gaussian_sxy": NUMBERS, "bilateral_sxy": NUMBERS, "bilateral_srgb": NUMBERS,
                                     "gaussian_compat": ("x", float("nan"), None), "iterations": (-1,),
                                     "bilateral_compat": ("x", [1, 2], None), "picture_max": (0, -1, 7)}),
    "crf.CRFasRNN": Door(crf.CRFasRNN, lambda r: {"num_classes": 3, "iterations": r.randint(0, 3)}, sharpened,
                         {"num_classes": BELOW_ONE, "alpha": NUMBERS, "beta": NUMBERS, "gamma": NUMBERS}),
    "crf.position_features": Door(crf.position_features, lambda r: {"height": r.randint(1, 5), "sxy": r.uniform(1, 9),
                                  "width": r.randint(1, 5), "like": torch.zeros(1)},
                                  lambda f, g: close(f * g["sxy"], torch.cartesian_prod(
                                      torch.arange(g["height"]), torch.arange(g["width"])).view(-1, 2).flip(1).float()),
                                  {"sxy": NUMBERS, "height": BELOW_ONE, "width": BELOW_ONE}, ("like",)),
    "crf.bilateral_features": Door(crf.bilateral_features, lambda r: {
        "picture": uniform(r, 3, 4, 5), "sxy": r.uniform(1, 9), "scolour": r.uniform(1, 9)},
        lambda f, g: close(f[:, 2:] * g["scolour"], g["picture"].flatten(1).t()), {"sxy": NUMBERS, "scolour": NUMBERS}),
    "crf.compatibility": Door(crf.compatibility, lambda r: {"value": r.uniform(0, 9), "num_classes": 3,
                              "like": torch.zeros(1)}, lambda m, g: close(m, -torch.tensor(g["value"])),
                              {"value": ("x", None, [1, 2], float("nan"))}, ("like", "name", "num_classes")),
    "crf.mean_field": Door(crf.mean_field, random_terms, probabilities, {"iterations": (-1,), "terms": (None, 3)}),
    "crf.message_passing": Door(crf.message_passing, one_step, lambda m, g: close(
        m, g["logits"] - (g["terms"][0][0].filter(g["q"]) * g["terms"][0][1])), {"terms": (None, 3)}),
    "crf.unary_from_labels": Door(crf.unary_from_labels, lambda r: {"labels": labels(r, 3, 6, 7),
                                  "gt_prob": r.uniform(0.4, 0.9), "num_classes": 3},
                                  lambda u, g: close(u.exp().reciprocal().sum(1), torch.ones(1, 6, 7)),
                                  {"gt_prob": (0, 1, -1), "num_classes": (1, 0)}),
}  # fmt: skip
