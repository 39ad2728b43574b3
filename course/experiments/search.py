"""Chapter 14's experiments on choosing and on teaching: latency in the loss, and a teacher, as in FasterSeg.

python course/experiments/search.py search    what a search finds, and random networks that are as fast
                                                                          → results/search.json
python course/experiments/search.py teacher   a student alone and with a teacher, with 1,600 labelled scenes and with 20
                                                                          → results/teacher.json

Both use the streets of chapter 11's lineage and all of its recipe but the number of steps. With three seeds, `search`
takes about 46 core-minutes and `teacher` about 62: estimated from the seconds of one core, busy with other work too,
for a step of a supernet (0.14), of what is found (0.06), of the teacher (0.18), of the student (0.06; taught, 0.13).
The λ were chosen after a look at one short search each, of 260 steps on pictures of 48×64 pixels: at λ = 1 all blocks
became 1×1.

`search`: three supernets (searched.py) learn their weights on 800 scenes and, from a fifth of their steps on, in every
other step their choices on 800 others, by cross-entropy + λ · expected latency / mean latency of all networks. The
latencies are entries of one table, measured once; where results/search.json exists, its table is taken. What each
search finds is trained anew, alone, on all 1,600 scenes; and so are, for λ > 0, three random networks of the space,
drawn with the seed from all whose latency by the table is within a tenth of that. (A "search, …" is scored as
the mixture that it is, each place at its most probable width; its table_us is that of what it would find by now.)

`teacher`: who sees what, in each of equally many steps of eight pictures:
  teacher; student                  1,600 scenes with their labels
  student, taught                   the same, and for each pixel the teacher's shares
  …, 20 labelled                    the first 20 of these scenes with their labels, and nothing else; the teacher too
  student, 20 labelled, taught      the same, and that teacher's shares
  …, taught on all                  by turns one of the 20 with its label, and one of the 1,580 others without; for all
                                    of them that teacher's shares
  …, guesses on all                 the same pictures; for all of them that teacher's most probable class
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from library import Arm, Experiment, ahead, main
from lineage import DATA, RECIPE, milliseconds
from lineage import score as street_score
from pictures import OWN, Rendered, pictures, scores, weights_of
from realtime import prices
from searched import Net, Supernet, alike, cut, described, every, fingerprint, table, terms
from taught import FewLabels, Lesson, doubts
from torch import Tensor, nn

from segkit.analysis import cost
from segkit.data import Batch, collate
from segkit.search import Term, expected_latency, path_latency
from segkit.training import cross_entropy

OWN["street, few labels"] = FewLabels
LAMBDAS, RANDOM = (0.0, 0.05, 0.2), 3
HALF = {**DATA, "train": DATA["train"] // 2, "label": "half of the scenes"}
SEARCH = {**RECIPE, "steps": 700, "head_lr": 3.0, "begin": 0.2}  # choices learn at three times the rate of weights
ALONE = {**RECIPE, "steps": 1000}
TEACHER = {"name": "unet", "width": 8, "padding": "same"}
STUDENT = {"name": "bisenet", "encoder": "resnet18", "width": 8, "aux": False}
LESSONS = {**RECIPE, "steps": 1100}
LABELLED = 20
FEW = {**DATA, "train": LABELLED, "label": f"{LABELLED} scenes"}
MIXED = {
    "set": "street, few labels", "size": DATA["size"], "labelled": LABELLED, "test": DATA["test"],
    "train": 2 * (DATA["train"] - LABELLED), "label": f"{LABELLED} of the scenes labelled",
}  # fmt: skip


def parts() -> list[Term]:
    """The latencies, in µs."""
    return terms(table(DATA["size"]))


def built(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    """A supernet; or what the one that it is "from" has found; or a random network that is as fast."""
    if not isinstance(base, Supernet):
        return Supernet(num_classes)
    path = base.path()
    return cut(num_classes, alike(path, parts(), model["random"]) if "random" in model else path)


def alternate(arm: Arm, seed: int, train: Rendered) -> Any:
    """Weights learn on the scenes of the arm, choices on as many others and from the latency, each in its own steps."""
    told = arm["recipe"]
    if "lambda" not in told:
        return None
    latencies, n, weight = parts(), len(train), weights_of(train, told["class_weights"])
    mean, begin = float(every(latencies).mean()), told["begin"] * told["steps"]
    others = pictures({**{k: v for k, v in arm["data"].items() if k != "label"}, "train": 2 * n}, "train").samples[n:]

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, Supernet)
        step = int(model.stem[1].num_batches_tracked)
        choosing, choices = step >= begin and step % 2 == 1, set(map(id, model.logits()))
        for p in model.parameters():  # what gets no gradient stays as it is
            p.requires_grad_((id(p) in choices) == choosing)
        if not choosing:
            return cross_entropy(model(batch.image), batch.labels, weight)
        draw = torch.Generator().manual_seed(1_000_000 * seed + step)
        batch = collate([others[i] for i in torch.randperm(n, generator=draw)[: len(batch.labels)].tolist()])
        latency = expected_latency(model.logits(), latencies) / mean
        return cross_entropy(model(batch.image), batch.labels, weight) + told["lambda"] * latency

    return loss


def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """Over all pixels and near true outlines; and what the table says of the network, or of what a supernet finds."""
    by_table = {"table_us": path_latency(model.path(), parts())} if isinstance(model, Net) else {}
    return scores(model, test, (1,)) | by_table


def alone(latencies: list[Term], seed: int, steps: int = 300) -> float:
    """The latency of what latency alone finds, from choices that begin anywhere."""
    draw = torch.Generator().manual_seed(seed)
    logits = [torch.randn(n, generator=draw).requires_grad_() for n in every(latencies).shape]
    optimiser = torch.optim.Adam(logits, 0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        expected_latency(logits, latencies).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return path_latency([int(choice.argmax()) for choice in logits], latencies)


def facts(experiment: Experiment, seeds: int) -> dict[str, Any]:
    """The table and what can be read from it; each network that was trained alone, and its price."""
    latencies, size = parts(), (3, *DATA["size"])
    own = [(a, seed) for a, arm in experiment.arms.items() if "from" in arm["model"] for seed in range(seeds)]
    networks = {f"{arm}, seed {seed}": experiment.network(arm, seed) for arm, seed in own}
    taken = milliseconds(networks, size)  # type: ignore[arg-type]
    rows: dict[str, list[dict[str, Any]]] = {arm: [] for arm, _ in own}
    for (arm, _), (name, net) in zip(own, networks.items(), strict=True):
        assert isinstance(net, Net)
        counted = cost(net, size)  # type: ignore[arg-type]
        row = {"places": described(net.path()), "table_us": round(path_latency(net.path(), latencies), 1)}
        row |= {"milliseconds": taken[name], "parameters": counted.parameters, "macs": counted.macs}
        rows[arm].append(row)
    all_ = every(latencies).flatten()
    points = {"fastest": all_.min(), "mean": all_.mean(), "median": all_.median(), "slowest": all_.max()}
    return {
        "table": table(DATA["size"]),
        "all_networks_us": {name: round(float(value), 1) for name, value in points.items()},
        "latency_alone_us": [round(alone(latencies, seed), 1) for seed in range(seeds)],
        "networks": rows,
    }


def search(o: argparse.Namespace) -> Experiment:
    """Supernets, what they find, and what chance finds at the same latency."""
    arms: dict[str, Arm] = {}
    for weight in LAMBDAS:
        name = f"search, λ = {weight:g}"
        arms[name] = {"model": {"name": "supernet"}, "data": HALF, "recipe": {**SEARCH, "lambda": weight}}
        models = {f"found, λ = {weight:g}": {"name": "found", "from": name}}
        models |= {f"random {n}, as fast as λ = {weight:g}": {"name": "random", "from": name, "random": n}
                   for n in range(1, RANDOM + 1) if weight}  # fmt: skip
        arms |= {arm: {"model": model, "data": DATA, "recipe": ALONE} for arm, model in models.items()}
    by_lambda = [f"found, λ = {weight:g}" for weight in LAMBDAS]
    claims = [ahead("14", "table_us", by_lambda[n], by_lambda[0], lower=True) for n in (1, 2)]
    claims.append(ahead("14", "table_us", by_lambda[2], by_lambda[1], lower=True))
    experiment = Experiment("search", arms, score, built, alternate, claims=claims)

    def prepare() -> None:
        """Another table, another search."""
        for arm in experiment.arms.values():
            if "lambda" in arm["recipe"]:
                arm["recipe"] = {**arm["recipe"], "table": fingerprint(table(DATA["size"]))}

    experiment.prepare, experiment.extra = prepare, lambda: facts(experiment, o.seeds)
    return experiment


def listening(experiment: Experiment, arm: Arm, seed: int, train: Rendered) -> Any:
    """What the recipe says of the teacher that the student is "from"; None without one."""
    if "taught" not in arm["recipe"]:
        return None
    weight = weights_of(train, arm["recipe"]["class_weights"])
    return Lesson(experiment.network(arm["model"]["from"], seed), arm["recipe"]["taught"], weight)


def teacher(o: argparse.Namespace) -> Experiment:
    """One student, who reads labels, hears a teacher, or both."""
    few, told = f", {LABELLED} labelled", {"from": "teacher"}
    models: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {  # network, pictures, how it is taught
        "teacher": (TEACHER, DATA, ""),
        "student": (STUDENT, DATA, ""),
        "student, taught": ({**STUDENT, **told}, DATA, "shares"),
    }
    told = {"from": f"teacher{few}"}
    models |= {
        f"teacher{few}": (TEACHER, FEW, ""),
        f"student{few}": (STUDENT, FEW, ""),
        f"student{few}, taught": ({**STUDENT, **told}, FEW, "shares"),
        f"student{few}, taught on all": ({**STUDENT, **told}, MIXED, "shares"),
        f"student{few}, guesses on all": ({**STUDENT, **told}, MIXED, "guesses"),
    }
    arms = {
        name: {"model": model, "data": data, "recipe": {**LESSONS, **({"taught": way} if way else {})}}
        for name, (model, data, way) in models.items()
    }
    claims = [ahead("14", "mean_iou", "teacher", "student", 0.02)]
    claims.append(ahead("14", "mean_iou", f"student{few}, taught on all", f"student{few}", 0.02))
    experiment = Experiment("teacher", arms, street_score, claims=claims)
    experiment.loss = partial(listening, experiment)

    def extra() -> dict[str, Any]:
        """Prices, and how sure the first seed's teachers are of scenes with and without labels."""
        n, train = LABELLED, pictures({**DATA, "train": 10 * LABELLED}, "train").samples
        found = {}
        for name in (name for name, arm in experiment.arms.items() if arm["model"]["name"] == TEACHER["name"]):
            net = experiment.network(name, 0)
            found[name] = {f"scenes 1 to {n}": doubts(net, train[:n]), "the next": doubts(net, train[n:])}
        return {"price": prices(experiment), "doubts": found}

    experiment.extra = extra
    return experiment


if __name__ == "__main__":
    main(__doc__, {"search": search, "teacher": teacher})
