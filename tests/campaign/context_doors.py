"""Doors of what part 13 stands on: attention, gates, encoding and sweeps, their blocks, networks and loss."""

from __future__ import annotations

import inspect
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from segkit import encoders, heads, models, ops, training
from tests.campaign.array_doors import as_torch
from tests.campaign.doors import Door, close, labels, normal
from tests.campaign.metric_doors import MAPS, K
from tests.campaign.network_doors import CHANNELS, COUNT, SMALL, maps, scores

DOORS: dict[str, Door] = {}


def listeners(random: Random) -> dict[str, Any]:
    before = random.choice(((), (2,), (0,), (2, 3)))
    L, S, E = random.randint(1, 5), random.randint(1, 6), random.randint(1, 4)
    return {
        "query": normal(random, *before, L, E), "key": normal(random, *before, S, E),
        "value": normal(random, *before, S, random.randint(1, 4)), "scale": random.choice((None, 0.0, -1.5)),
        "mask": random.choice((None, normal(random, L, S) > 0, normal(random, L, S))),
    }  # fmt: skip


def gates(random: Random) -> dict[str, Any]:
    splits, (H, W) = random.choice((1, 2, 4)), (random.randint(1, 6), random.randint(1, 6))
    shape = (4, random.choice((1, H)), random.choice((1, W)))
    return {"input": normal(random, 2, 4, H, W), "scores": normal(random, 2, *shape), "splits": splits}


def codes(random: Random) -> dict[str, Any]:
    words = random.randint(1, 4)
    return {"input": normal(random, random.randint(0, 2), 3, 4, random.randint(1, 5)),
            "codewords": normal(random, words, 3), "scale": normal(random, words)}  # fmt: skip


def lines(random: Random) -> dict[str, Any]:
    cell, U = random.choice((("gru", 3), ("relu", 1))), random.randint(1, 3)
    G, x = cell[1] * U, normal(random, random.randint(0, 2), 3, random.randint(1, 5), random.randint(1, 5))
    return {
        "input": x, "weight_ih": normal(random, G, 3), "weight_hh": normal(random, G, U) / 2, "cell": cell[0],
        "bias_ih": random.choice((None, normal(random, G))),
        "direction": random.choice(("down", "up", "right", "left")),
        "open": random.choice((None, normal(random, len(x), 1, *x.shape[-2:]).sigmoid())),
    }  # fmt: skip


OPERATORS = {
    "attend": (listeners, {"mask": (torch.zeros(2, 2, dtype=torch.int64), torch.ones(7, 9, dtype=torch.bool))}),
    "gate": (gates, {"splits": (0, -1, 3), "scores": (torch.ones(2, 3, 1, 1), torch.ones(2, 4, 9, 9))}),
    "encode": (codes, {"codewords": (torch.ones(2, 5), torch.ones(0, 3)), "scale": (torch.ones(7),)}),
    "sweep": (lines, {"direction": ("north",), "cell": ("lstm",), "open": (torch.ones(2, 3),)}),
}
for name, (make, wrong) in OPERATORS.items():
    DOORS[f"ops.{name}"] = Door(getattr(ops, name), make, as_torch(name), wrong, mirror=True)


# blocks ---------------------------------------------------------------------------------------------------------------


def block(random: Random) -> dict[str, Any]:
    return {"channels": 4, "reduced": random.choice((None, 1, 3))}


def listening(module: nn.Module, given: dict[str, Any]) -> None:
    """What is heard is nothing at first; then the cells of a map hear each other, in both engines alike."""
    import segkit

    x = normal(Random(3), 2, 4, 5, 6)
    assert not (module.eval()(x) - x).any()
    nn.init.ones_(module.gamma)
    answer = module(x)
    with segkit.use_engine("scratch"):
        close(module(x), answer)
    assert (answer - x).any()


def told(module: nn.Module, given: dict[str, Any]) -> None:
    answer = module.eval()(normal(Random(3), 2, 4, 5, 6))
    assert answer.shape == (2, 4, 5, 6) and not answer.any(), "the last convolution starts at zero"


def gated(module: nn.Module, given: dict[str, Any]) -> None:
    """Between nothing and all of what came, the same along each row."""
    other = normal(Random(4), 2, given["out"], 8, 6)
    share = module.eval()(normal(Random(3), 2, 4, 5, 6), other) / other
    assert 0 < float(share.min()) <= float(share.max()) < 1
    close(share, share[..., :1].expand_as(share))


def same_size(*more: Any) -> Any:
    """Finite, of the size and with the channels that it says, and the same in both engines."""

    def right(module: nn.Module, given: dict[str, Any]) -> None:
        import segkit

        x = normal(Random(3), 2, given["channels"], 5, 6)
        others = [x if other == "itself" else torch.ones(2, 1, 5, 6) for other in more]
        found = module.eval()(x, *others)
        found = found[0] if isinstance(found, tuple) else found
        with segkit.use_engine("scratch"):
            again = module(x, *others)
            close(again[0] if isinstance(again, tuple) else again, found, 1e-3)
        assert found.shape[::2] == (2, 5) and found.isfinite().all()
        assert found.shape[1] == getattr(module, "out_channels", given.get("hidden", given["channels"]))

    return right


def again(module: nn.Module, given: dict[str, Any]) -> None:
    x = normal(Random(3), 2, 3, 4, 5)
    said = torch.zeros(2, 2, 4, 5)
    for _ in range(given["times"]):
        said = given["step"](torch.cat([x, said], 1))
    close(module(x), said)


AXIAL = {**CHANNELS, "reduced": COUNT, "axis": ("depth",)}
DOORS |= {
    "heads.AxialAttention": Door(
        heads.AxialAttention, lambda r: {"channels": 4, "reduced": r.randint(1, 4), "axis": r.choice(("row", "column")),
                                         "gated": r.random() < 0.5}, same_size("itself"), AXIAL),
    "heads.ChannelizedAxialAttention": Door(
        heads.ChannelizedAxialAttention, lambda r: {"channels": 4, "reduced": r.randint(1, 4)}, same_size(), AXIAL),
    "heads.ContextPrior": Door(heads.ContextPrior, lambda r: {"channels": r.randint(1, 4), "size": (5, 6)}, same_size(),
                               {**CHANNELS, "size": (0, (1, 2, 3))}),
    "heads.Sweep": Door(
        heads.Sweep, lambda r: {"channels": 4, "hidden": r.randint(1, 4), "cell": r.choice(("gru", "relu")),
                                "direction": r.choice(("down", "left"))}, same_size(),
        {**CHANNELS, "hidden": COUNT, "direction": ("north",), "cell": ("lstm",)}),
    "heads.ReNet": Door(heads.ReNet, lambda r: {"channels": 4, "hidden": r.randint(1, 4)}, same_size(),
                        {**CHANNELS, "hidden": COUNT}),
    "heads.BoundarySweeps": Door(heads.BoundarySweeps, lambda r: {"channels": r.randint(1, 4)}, same_size("open"),
                                 CHANNELS),
    "heads.Feedback": Door(
        heads.Feedback, lambda r: {"step": nn.Conv2d(5, 2, 3, padding=1), "channels": 2, "times": r.randint(1, 3)},
        again, {"channels": COUNT, "times": COUNT, "step": (None, 3)}),
    "heads.HeightGates": Door(
        heads.HeightGates, lambda r: {"channels": 4, "out": r.randint(1, 4), "reduction": r.randint(1, 8)}, gated,
        {**CHANNELS, "out": COUNT, "reduction": COUNT}),
    "heads.PositionAttention": Door(heads.PositionAttention, block, listening, {**CHANNELS, "reduced": COUNT}),
    "heads.CrissCross": Door(heads.CrissCross, lambda r: {**block(r), "recurrence": r.randint(1, 3)}, listening,
                             {**CHANNELS, "reduced": COUNT, "recurrence": COUNT}),
    "heads.ChannelAttention": Door(heads.ChannelAttention, lambda r: {"sign": r.choice(("paper", "released"))},
                                   listening, {"sign": ("plus",)}),
    "heads.ObjectContext": Door(
        heads.ObjectContext, lambda r: {"channels": 4, "hidden": r.randint(1, 3), "bins": r.choice(((), (1, 3)))}, told,
        {**CHANNELS, "hidden": COUNT, "speaking": COUNT, "bins": ((0,), (1.5,), 3)}),
}  # fmt: skip


# networks -------------------------------------------------------------------------------------------------------------

ON_RESNET: dict[str, dict[str, Any]] = {
    "ANN": {}, "CCNet": {}, "DANet": {}, "EncNet": {}, "GCN": {}, "OCNet": {}, "OCRNet": {}, "PSANet": {"size": (3, 3)},
    "RefineNet": {},
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    **{name: {"encoder": "resnet18", **own} for name, own in ON_RESNET.items()}, "DenseASPP": {}, "DDRNet": {},
    "BiSeNet": {"encoder": "xception39", "width": 8}, "SFSegNet": {"encoder": "resnet18"}, "DFANet": {"width": 8},
}  # fmt: skip
WRONG = {**SMALL, "recurrence": COUNT, "codewords": COUNT, "kernel_size": (0, 2, -1), "sign": ("plus",),
         "size": ((2, 3), (0, 1), 4), "base": ("24", None, 3),
         "backbones": (*COUNT, 4)}  # fmt: skip
for name, own in OPTIONS.items():
    cls = getattr(models, name)
    takes = inspect.signature(cls.__init__).parameters
    DOORS[f"models.{name}"] = Door(
        cls, lambda r, own=own: {"num_classes": r.randint(1, 4), "width": 4, **own, "in_channels": r.choice((1, 3))},
        scores, {key: values for key, values in WRONG.items() if key in takes},
    )  # fmt: skip
for name in ("DenseNetEncoder", "ResNeStEncoder"):
    DOORS[f"encoders.{name}"] = Door(
        getattr(encoders, name), lambda r: {"width": 2, "output_stride": r.choice((8, 16, 32))}, maps,
        {**{key: SMALL[key] for key in ("width", "in_channels", "output_stride", "depth")}, "splits": COUNT},
    )  # fmt: skip


# the loss -------------------------------------------------------------------------------------------------------------


def pictures(random: Random) -> dict[str, Any]:
    n = random.randint(1, 3)
    return {"scores": normal(random, n, K, *random.choice(((), (1, 1)))), "target": labels(random, K, n, 5, 4)}


def present(answer: Tensor, given: dict[str, Any]) -> None:
    """The mean over pictures and classes of log(1 + exp(∓score))."""
    flat, target = given["scores"].flatten(1), given["target"]
    sides = [1 if bool((picture == k).any()) else -1 for picture in target for k in range(K)]
    close(answer, torch.log1p(torch.exp(-torch.tensor(sides) * flat.flatten())).mean())


DOORS["training.presence_loss"] = Door(
    training.presence_loss, pictures, present,
    {"scores": (torch.zeros(2, K, 3, 3), torch.zeros(9, K), torch.zeros(2, K, dtype=torch.long)),
     "target": (torch.full((1, 9, 9), 7), torch.zeros(9, dtype=torch.long)), "ignore_index": MAPS["ignore_index"]},
)  # fmt: skip


def kinds(random: Random) -> dict[str, Any]:
    n, h, w = random.randint(1, 2), random.randint(1, 3), random.randint(1, 4)
    return {"scores": normal(random, n, h * w, h * w), "labels": labels(random, K, n, h, w)}


DOORS["training.affinity_loss"] = Door(
    training.affinity_loss, kinds, lambda loss, g: close(float(loss.isfinite() and loss >= 0), 1.0),
    {"scores": (torch.zeros(1, 2, 3), torch.zeros(1, 99, 99)), "labels": (torch.zeros(9, 1, 1).long(),),
     "ignore_index": MAPS["ignore_index"]},
)  # fmt: skip
