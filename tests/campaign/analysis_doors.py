"""Doors of what is said about networks: fields, costs, gridding, baselines; and of the search for a CRF."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from torch import nn

from segkit import analysis, crf, grading
from tests.campaign.doors import Door, close, normal
from tests.campaign.made import SCENES, small_set

COUNT = (0, -1, True)


def stack(random: Random) -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(random.randint(1, 3)):
        k, s = random.choice((1, 3)), random.choice((1, 2))
        layers += [nn.Conv2d(2, 2, k, s, k // 2, bias=False), nn.ReLU()]
    return nn.Sequential(*layers)


def field_of(layers: nn.Module) -> int:
    size, jump = 1, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            size, jump = size + (layer.kernel_size[0] - 1) * jump, jump * layer.stride[0]
    return size


def macs(layers: nn.Module, side: int = 24) -> int:
    total = 0
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            side = -(-side // layer.stride[0])
            total += 4 * layer.kernel_size[0] ** 2 * side**2
    return total


def line(answer: Any, given: dict[str, Any]) -> None:
    """The counts are the gradient of a stack of ones."""
    x = torch.zeros(1, 1, 101, requires_grad=True, dtype=torch.float64)
    y = x
    for rate in given["rates"]:
        y = nn.functional.conv1d(y, torch.ones(1, 1, 3, dtype=torch.float64), dilation=rate)
    y[..., 0].sum().backward()
    close(x.grad[0, 0, : answer.field], torch.as_tensor(answer.line.astype(float)))


def peak(layers: nn.Module, side: int = 24) -> int:
    """Bytes of the weights and, at the busiest layer, of the picture, of what it reads and of what it makes."""
    picture, most, known = 2 * side**2, 0, 0
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            side = -(-side // layer.stride[0])
        made = 2 * side**2
        most, known = max(most, picture + known + made), made
    return 4 * (most + sum(p.numel() for p in layers.parameters()))


def front(answer: list[int], given: dict[str, Any]) -> None:
    """Nothing on the front is beaten, and all else is."""
    pairs = list(zip(given["costs"], given["gains"], strict=True))
    for i, (cost, gain) in enumerate(pairs):
        beaten = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in pairs)
        close(beaten, i not in answer)


def law(random: Random) -> dict[str, Any]:
    x = [random.uniform(0.1, 100) for _ in range(5)]
    factor = random.uniform(0.1, 10)
    return {"x": x, "y": [factor * v**1.5 for v in x]}


RATES = {"rates": ((), (0,), 3, "12", (1.5,)), "kernel": (0, -1, (3,) * 9), "stride": (0, -1, (3,) * 9)}
rates = lambda r: {"rates": [r.randint(1, 6) for _ in range(r.randint(1, 4))]}  # noqa: E731
NET = {"input_size": (0, -1, None)}
DOORS: dict[str, Door] = {
    "analysis.receptive_field": Door(analysis.receptive_field, lambda r: {"model": stack(r), "input_size": 24},
                                     lambda t, g: close(t.rows[-1].receptive_field[0], field_of(g["model"])), NET),
    "analysis.cost": Door(analysis.cost, lambda r: {"model": stack(r), "input": (24, 24)}, lambda c, g: close(
        sum(row.macs for row in c.rows), macs(g["model"])),
        {"batch_size": COUNT, "repeats": (-1,), "input": (0, None)}),
    "analysis.anatomy": Door(analysis.anatomy, lambda r: {"model": stack(r), "size": (24, 24), "in_channels": 2},
                             lambda p, g: close(p[-1].channels, 2), {"size": (0, None)}),
    "analysis.gradient_footprint": Door(
        analysis.gradient_footprint, lambda r: {"model": stack(r), "input_size": 24},
        lambda f, g: close(bool((f != 0).any(0).sum() <= field_of(g["model"])), True), NET | {"layer": ("none",),
        "position": ((99, 99), (1.5, 0), 3)}, ("table",)),
    "analysis.effective_field": Door(
        analysis.effective_field, lambda r: {"model": stack(r), "picture": 24, "samples": 1},
        lambda e, g: close(e.map.sum(), 1.0, 0.01) if e.map.sum() else None,
        {"samples": COUNT, "picture": (0, None), "layer": ("none",), "channel": (99,)}, ("table", "layer", "position")),
    "analysis.kept_table": Door(analysis.kept_table, lambda r: {"model": nn.Sequential(nn.MaxPool2d(2)),
                                "input_size": (2, 8, 8)}, lambda t, g: close(t.features, 2 * 64 * 4), NET),
    "analysis.kept_bytes": Door(analysis.kept_bytes, lambda r: {"model": nn.Sequential(nn.MaxPool2d(2)),
                                "input_size": (2, 8, 8)}, lambda t, g: close(t, 2 * 64 * 4), NET | {"how": ("all",)}),
    "analysis.saved_for_backward": Door(
        analysis.saved_for_backward, lambda r: {"model": stack(r), "input_size": 24}, lambda b, g: close(b > 0, True),
        NET | {"batch_size": COUNT}),
    "analysis.peak_bytes": Door(
        analysis.peak_bytes, lambda r: {"model": stack(r), "input_size": 24}, lambda b, g: close(b, peak(g["model"])),
        NET | {"batch_size": COUNT}),
    "analysis.in_turns": Door(
        analysis.in_turns, lambda r: {"runs": {"a": int, "b": float}, "rounds": r.randint(1, 3)},
        lambda t, g: close([len(t["a"]), len(t["b"])], [g["rounds"]] * 2),
        {"runs": ({}, None, 3), "rounds": COUNT, "warm_up": (-1, True)}, ("device", "clock")),
    "analysis.pareto_front": Door(
        analysis.pareto_front, lambda r: {"costs": [r.randint(0, 5) for _ in range(6)],
                                          "gains": [r.randint(0, 5) for _ in range(6)]}, front,
        {"costs": ([], [1.0], [float("inf")] * 6), "gains": ([], [1.0])}),
    "analysis.power_law": Door(
        analysis.power_law, law, lambda p, g: close(p.exponent, 1.5),
        {"x": ([], [1.0], [0] * 5, [float("inf")] * 5, [2.0] * 5), "y": ([1.0], [-1.0] * 5)}),
    "analysis.contributions": Door(analysis.contributions, rates, line, RATES),
    "analysis.max_distances": Door(analysis.max_distances, rates, lambda d, g: close(d[-1], g["rates"][-1]),
                                   {"rates": RATES["rates"]}),
    "analysis.hdc_verdict": Door(analysis.hdc_verdict, rates, lambda v, g: close(
        v.holes, analysis.contributions(g["rates"]).holes), RATES),
    "analysis.valid_weights": Door(
        analysis.valid_weights, lambda r: {"size": r.randint(1, 30), "rate": r.randint(1, 30)},
        lambda v, g: close(v.share(), analysis.three_by_three(g["size"], g["rate"]).share())
        if callable(v.share) and hasattr(analysis.three_by_three(1, 1), "share") else None,
        {"size": COUNT, "rate": COUNT, "kernel": COUNT}),
    "analysis.three_by_three": Door(analysis.three_by_three, lambda r: {"size": r.randint(1, 30), "rate": 2},
                                    lambda v, g: None, {"size": COUNT, "rate": COUNT}),
    "analysis.position_prior": Door(
        analysis.position_prior, lambda r: {"train": small_set(), "test": small_set()},
        lambda b, g: close(0 <= b.scores["mean_iou"] <= 1, True),
        {"train": SCENES["dataset"], "test": SCENES["dataset"], "weighting": ("x",), "trimap": ((0,), 3, (1.5,))}),
    "analysis.fitted_ceiling": Door(
        analysis.fitted_ceiling, lambda r: {"dataset": small_set(), "stride": 8, "steps": 3},
        lambda b, g: close(0 <= b.scores["mean_iou"] <= 1, True),
        SCENES | {"stride": COUNT, "align": ("x",), "steps": (0, -1), "ridge": (0, -1), "trimap": ((0,), 3)}),
    "crf.search": Door(
        crf.search, lambda r: {"scores": [normal(r, 13, 32, 32)] * 2, "samples": small_set(), "band": None,
                               "grid": {"bilateral_compat": (1, 4)}, "quiet": True},
        lambda f, g: close(len(f.rows), 2), {"grid": ({}, None, 3, {"x": (1,)}, {"bilateral_compat": ()}),
        "stages": COUNT, "most": COUNT, "band": COUNT, "scores": (None, 3, [])}, ("samples",)),
    "grading.describe": Door(grading.describe, lambda r: {"name": r.choice(grading.exercises())},
                             lambda t, g: close(len(t) > 20, True), {"name": ("none", None)}, ("name",)),
}  # fmt: skip
