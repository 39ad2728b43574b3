"""Doors of the search: mixtures, and the latency that a choice may be expected to have."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from segkit import search
from tests.campaign.doors import Door, close, normal, uniform
from tests.campaign.metric_doors import COUNT

DOORS: dict[str, Door] = {}


def chosen(random: Random) -> dict[str, Any]:
    sizes = [random.randint(1, 3) for _ in range(random.randint(1, 3))]
    pair = sorted(random.sample(range(len(sizes)), min(2, len(sizes))))
    table = [search.Term(uniform(random, sizes[0]), (0,)),
             search.Term(uniform(random, *(sizes[i] for i in pair)), pair)]  # fmt: skip
    return {"logits": [normal(random, size) for size in sizes], "table": table}


def summed(answer: Tensor, given: dict[str, Any]) -> None:
    """The sum over all paths of probability times latency."""
    shares, total = [choice.softmax(0) for choice in given["logits"]], 0.0
    for path in product(*(range(len(share)) for share in shares)):
        share = torch.stack([share[option] for share, option in zip(shares, path, strict=True)]).prod()
        total += float(share) * search.path_latency(path, given["table"])
    close(answer, total)


def walked(random: Random) -> dict[str, Any]:
    found = chosen(random)
    return {"path": [random.randrange(len(choice)) for choice in found["logits"]], "table": found["table"]}


def added(answer: float, given: dict[str, Any]) -> None:
    places = [tuple(given["path"][choice] for choice in term.choices) for term in given["table"]]
    close(answer, sum(term.latency[place] for term, place in zip(given["table"], places, strict=True)))


class Twice(nn.Module):
    """The channels, and the same again, times a number."""

    def __init__(self, times: float) -> None:
        super().__init__()
        self.times = nn.Parameter(torch.tensor(times))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.times * x], 1)


def mixture(random: Random) -> dict[str, Any]:
    blocks = {str(k): Twice(1.0 + k) for k in range(random.randint(1, 3))}
    way = random.choice(("softmax", "gumbel"))
    return {"blocks": blocks, "widths": random.choice(((), (4,), (1, 3, 4))), "mixing": (way, "softmax")}


def average(layer: search.Mixed, given: dict[str, Any]) -> None:
    """Equal shares at first: the mean of the blocks, or the first; a channel as often as a width is above it."""
    x, widths = normal(Random(3), 1, 2, 3, 3), given["widths"] or (4,)
    found = [block(x) for block in given["blocks"].values()]
    kept = [sum(width > channel for width in widths) / len(widths) for channel in range(4)]
    expected = torch.stack(found).mean(0) if given["mixing"][0] == "softmax" else found[0]
    close(layer.eval()(x), expected * torch.tensor(kept)[:, None, None])


def chained(random: Random) -> dict[str, Any]:
    return {"inputs": random.randint(1, 3), "widths": random.choice(((2,), (1, 3))), "layers": random.randint(1, 3),
            "mixing": (random.choice(search.mixed.WAYS), "gumbel")}  # fmt: skip


def priced(net: search.MixedChain, given: dict[str, Any]) -> None:
    """Maps of the largest width; a cut network of the widths that were found; a price as its table says."""
    x = normal(Random(3), 1, given["inputs"], 4, 5)
    assert net.eval()(x).shape == (1, given["widths"][-1], 4, 5)
    assert net.cut().eval()(x).shape == (1, net.found()[-1][1], 4, 5)
    table, reads = net.table(3, rounds=1, clock=lambda: 0.0), len(net.layers)
    assert len(table) == reads and not search.expected_latency(net.logits(), table)


def zoomed(layer: search.Zoomed, given: dict[str, Any]) -> None:
    """Of a map that is the same everywhere, far from the border, a map that is the same there."""
    y = layer.eval()(torch.ones(1, given["channels"], 16, 16))
    assert y.shape[1] == given["out"]
    close(y[..., 6:10, 6:10], y[..., 8:9, 8:9].expand(-1, -1, 4, 4))


def times(random: Random) -> dict[str, Any]:
    return {"blocks": {"1×1": lambda i, o: nn.Conv2d(i, o, 1)}, "before": [random.randint(1, 3)], "after": [1, 2],
            "size": random.randint(1, 4), "rounds": 1}  # fmt: skip


TERMS = (None, 3, "x", [torch.ones(2)], [search.Term(torch.ones(1), (9,))])
DOORS |= {
    "search.Term": Door(
        search.Term, lambda r: {"latency": uniform(r, 2, 3), "choices": [r.randint(0, 2), 3]},
        lambda term, g: close(term.latency, g["latency"]),
        {"latency": (torch.ones(2), -torch.ones(2, 3), torch.ones(2, 3).long(), torch.full((2, 3), torch.nan)),
         "choices": ((1, 1), (0,), (0, -1))}),
    "search.expected_latency": Door(search.expected_latency, chosen, summed, {
        "logits": ([], torch.ones(2, 2), [torch.ones(2, 2)] * 3, [torch.ones(9)] * 3), "table": TERMS}),
    "search.path_latency": Door(search.path_latency, walked, added,
                                {"path": ([], [9, 9, 9], [-1, 0, 0]), "table": TERMS}),
    "search.Mixed": Door(search.Mixed, mixture, average, {
        "blocks": ({}, None, [nn.Identity()], {"a": 3}), "widths": ((3, 2), (0, 4), (5,)),
        "mixing": (("softmax", "hard"), "softmax", ("gumbel",)), "temperature": (0, -1, torch.inf)}),
    "search.Zoomed": Door(search.Zoomed, lambda r: {"channels": r.randint(1, 3), "out": r.randint(1, 3)}, zoomed,
                          {"channels": COUNT, "out": COUNT}),
    "search.MixedChain": Door(search.MixedChain, chained, priced, {
        "inputs": COUNT, "layers": COUNT, "widths": ((), (3, 2), (0,)), "blocks": ({}, None, {"a": 3}),
        "mixing": (("softmax", "hard"), "softmax"), "temperature": (0, -1, torch.inf)}),
    "search.latency_table": Door(
        search.latency_table, times, lambda t, g: close(bool((t > 0).all()) and t.shape == (1, 1, 2), True),
        {"blocks": ({}, None, {"a": None}, {"a": lambda i, o: 3}), "before": ((), (0,)), "after": ((), (-1,)),
         "size": (0, (1, 2, 3)), "rounds": (0, -1, 1.5), "device": ("gpu", "cuda:99")}, ("clock",)),
}  # fmt: skip
