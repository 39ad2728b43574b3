"""Experiments: arms × seeds × shares of the budget, scored from averaged weights, which can be stopped and resumed.

    python course/experiments/FILE.py EXPERIMENT [--seeds N] [--processes N] [--tier gpu]      record it
    python course/experiments/FILE.py EXPERIMENT --scale 0.02 --steps 4 --seeds 2               try the script out
    python course/experiments/FILE.py EXPERIMENT --baselines      its prior and ceilings again, in the recorded file

Networks and scores lie in runs/course/EXPERIMENT under a fingerprint of their settings: what has been done with the
same settings is not done again, and other settings begin afresh. results.py describes the form of a result.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from pictures import Answers, Rendered, pictures, weights_of
from results import RESULTS, Result, load
from safetensors.torch import load_file
from torch import nn

from segkit.analysis.baselines import fitted_ceiling, position_prior
from segkit.data import Augmented
from segkit.files import write_json, write_safetensors
from segkit.models import create, save, unwrapped
from segkit.training import Recipe, Trainer, provenance

COURSE = Path(__file__).resolve().parents[1]
WEIGHTS, RUNS = COURSE / "weights", COURSE.parent / "runs" / "course"
Arm = dict[str, Any]


def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    """A network of segkit by the name and options in an arm's "model"."""
    return create(num_classes=num_classes, **{k: v for k, v in model.items() if k not in ("from", "after")})


@dataclass
class Experiment:
    """What is to be trained and measured; all of it that matters for the scores is JSON in `arms`.

    Args:
        name: of the result.
        arms: name → {"model", "data", "recipe"}, as in results.py. Arms that differ in "after" alone share a training.
        score: (network, arm, test pictures) → figures, and "iou" for a list per class.
        build: ("model", K, the trained network of the arm that it is "from") → network.
        loss: (arm, seed, training pictures) → loss for the Trainer, or None for cross-entropy.
        transform: arm → what augments the training pictures in place of the recipe's flip and crop; None for those.
        at: shares of the budget at which to score; the last is 1.
        claims: what the chapter says about the arms.
        ceilings: strides whose fitted ceiling belongs in the table; `align` as in `fitted_ceiling`.
        extra: () → further facts for the file, once all runs are there.
        prepare: () → nothing: what has to be known before the runs are shared out.
        trainings: the experiment in whose folder the trained networks lie, where two train the same ones.
        more_seeds: arm → how many seeds it takes at least, where it differs from another by less than two points.
    """

    name: str
    arms: dict[str, Arm]
    score: Callable[[nn.Module, Arm, Rendered], dict[str, Any]]
    build: Callable[[Mapping[str, Any], int, nn.Module | None], nn.Module] = build
    loss: Callable[[Arm, int, Rendered], Any] = lambda arm, seed, train: None
    transform: Callable[[Arm], Any] = lambda arm: None
    at: tuple[float, ...] = (0.25, 0.5, 1.0)
    claims: list[dict[str, Any]] = field(default_factory=list)
    ceilings: tuple[int, ...] = ()
    align: str = "centres"
    extra: Callable[[], dict[str, Any]] = dict
    prepare: Callable[[], Any] = lambda: None
    trainings: str = ""
    more_seeds: Mapping[str, int] = field(default_factory=dict)
    device: str = "cpu"

    def fingerprint(self, arm: str, trained: bool = False) -> str:
        """Of all settings of the arm and of those it starts from; `trained`: without what is done afterwards."""
        own = json.loads(json.dumps(self.arms[arm]))
        after = own["model"].pop("after", None)
        base = own["model"].pop("from", None)
        told = [own, self.fingerprint(base, True) if base else None, None if trained else [after, self.at]]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    def root(self, arm: str) -> str:
        """Fingerprint of the training that everything of this arm begins with."""
        base = self.arms[arm]["model"].get("from")
        return self.root(base) if base else self.fingerprint(arm, trained=True)

    def file(self, key: str, seed: int, ending: str) -> Path:
        trained = ending.endswith((".safetensors", ".checkpoint"))
        return RUNS / (self.trainings if trained and self.trainings else self.name) / f"{key}_{seed}{ending}"

    def network(self, arm: str, seed: int, share: float = 1.0) -> nn.Module:
        """The arm's network at a share of its budget, trained up to there if it has not been yet."""
        mine, key = self.arms[arm], self.fingerprint(arm, trained=True)
        base = self.network(mine["model"]["from"], seed) if "from" in mine["model"] else None
        torch.manual_seed(seed)
        model = self.build(mine["model"], pictures(mine["data"], "test").num_classes, base)
        model = model.to(memory_format=torch.channels_last)  # a quarter faster on a processor
        for until in (s for s in self.at if s <= share):  # nothing is trained twice, whatever is asked for first
            path = self.file(key, seed, f"_{until:g}.safetensors")
            if not path.is_file():
                self._train(model, mine, key, seed, until, path)
        model.load_state_dict(load_file(path))
        return model.to(self.device).eval()

    def _train(self, model: nn.Module, arm: Arm, key: str, seed: int, share: float, path: Path) -> None:
        train: Any = pictures(arm["data"], "train")
        known = {f.name for f in fields(Recipe)}
        own = {k: v for k, v in arm["recipe"].items() if k in known}
        if (transform := self.transform(arm)) is not None:
            train, own = Augmented(train, transform, seed), own | {"flip": 0.0, "crop": None}
        if (loss := self.loss(arm, seed, train.dataset if transform else train)) is not None:
            own |= {"class_weights": "none"}  # the loss has its own
        recipe = Recipe(**own, seed=seed, device=self.device)
        recipe = recipe.changed(save_every=max(1, recipe.steps // 10))
        run = torch.compile(model) if arm["recipe"].get("compiled") else model  # the same steps, in less time
        trainer = Trainer(run, train, recipe, loss=loss)
        checkpoint, until = self.file(key, seed, ".checkpoint"), max(1, round(share * recipe.steps))
        trainer.fit(checkpoint, resume=checkpoint.is_file(), until=until, quiet=True)
        if trainer.step != until:
            raise RuntimeError(
                f"{checkpoint} is at step {trainer.step}, {until} was asked for; delete it to start again"
            )
        write_safetensors(unwrapped(trainer.best).state_dict(), path, {"arm": arm, "seed": seed, "share": share})
        if share == 1:
            checkpoint.unlink()

    def run(self, arm: str, seed: int) -> dict[str, Any]:
        """One row of the result; shares of the budget that were scored before are not scored again."""
        path, test = self.file(self.fingerprint(arm), seed, ".json"), pictures(self.arms[arm]["data"], "test")
        row = {"arm": arm, "seed": seed, "at": [], "scores": {}, "iou": None, "provenance": {"seconds": 0.0}}
        row |= json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for share in self.at[len(row["at"]) :]:
            began = time.perf_counter()
            found = self.score(self.network(arm, seed, share), self.arms[arm], test)
            row["iou"] = [None if v != v else round(v, 4) for v in found.pop("iou")] if "iou" in found else None
            for metric, value in found.items():
                row["scores"].setdefault(metric, []).append(round(value, 4) if value == value else None)
            row["at"].append(share)
            seconds = round(row["provenance"]["seconds"] + time.perf_counter() - began, 1)
            row["provenance"] = {**provenance(command()), "seconds": seconds}
            write_json(row, path)
            print(f"{arm}, seed {seed}, {share:g}:", {k: v[-1] for k, v in row["scores"].items()}, flush=True)
        return {**row, "arm": arm}

    def baselines(self) -> dict[str, Any]:
        """Prior and ceilings of each data set and weighting among the arms, scored like the arms."""
        kinds = {
            json.dumps([a["data"], a["recipe"].get("class_weights", "none")], sort_keys=True)
            for a in self.arms.values()
        }
        found: dict[str, Any] = {}
        for data, scheme in sorted(map(json.loads, kinds), key=json.dumps):
            train, test = pictures(data, "train"), pictures(data, "test")
            label = [data["label"]] if "label" in data else []
            name = ", ".join(["{}", *label, *([f"{scheme} weights"] if scheme != "none" else [])])
            told = {"data": data, "weights": scheme}
            rows = {"position prior": (position_prior(train, test, scheme), {"kind": "prior"})}
            for stride in self.ceilings:
                best = fitted_ceiling(test, stride, weights_of(train, scheme), self.align)
                facts = {"kind": "ceiling", "stride": stride, "align": self.align, "gap": round(best.gap, 4)}
                rows[f"ceiling at stride {stride}"] = best, facts
            for row, (best, facts) in rows.items():
                figures = self.score(Answers(best, test), {"model": {}, "data": data, "recipe": {}}, test)
                iou = [None if v != v else round(v, 4) for v in figures.pop("iou", best.iou.tolist())]
                figures = {k: round(v, 4) for k, v in figures.items() if v == v}  # precision of nothing found is NaN
                found[name.format(row)] = {**facts, **told, "scores": figures, "iou": iou}
        return found


def ahead(chapter: str, metric: str, better: str, worse: str, margin: float = 0, **more: Any) -> dict[str, Any]:
    """A claim in the form of results.py."""
    return {"chapter": chapter, "metric": metric, "better": better, "worse": worse, "margin": margin, **more}


def ship(experiment: Experiment, arm: str, name: str, **facts: Any) -> dict[str, Any]:
    """Store the first seed's network with the course, in half precision."""
    data = experiment.arms[arm]["data"]
    test, path, row = pictures(data, "test"), WEIGHTS / f"{name}.safetensors", experiment.run(arm, 0)
    facts |= {"data": data["set"], "classes": list(test.classes), "palette": test.palette.tolist()}
    metrics = {k: values[-1] for k, values in row["scores"].items()} | {"scenes": len(test)}
    save(experiment.network(arm, 0), path, half=True, **facts, metrics=metrics, provenance=provenance(command()))
    return {"shipped": f"weights/{path.name}"}


def command() -> str:
    """The command, as typed in the root of the checkout."""
    return " ".join(["python", f"course/experiments/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def scaled(experiment: Experiment, scale: float, steps: int | None) -> None:
    """Fewer pictures, and fewer steps: as many as said for the longest training, the others in proportion."""
    longest = max(arm["recipe"]["steps"] for arm in experiment.arms.values())
    for arm in experiment.arms.values():
        counts = {k: max(4, int(n * scale)) for k, n in arm["data"].items() if k in ("train", "val", "test")}
        arm["data"] = {**arm["data"], **counts}
        if steps:
            arm["recipe"] = {**arm["recipe"], "steps": max(4, round(arm["recipe"]["steps"] * steps / longest))}


def perform(experiment: Experiment, o: argparse.Namespace) -> None:
    """Run what is missing, in several processes if asked for, and write the result down."""
    experiment.prepare()
    if o.processes > 1 and not o.part:
        again = [[sys.executable, *sys.argv, "--part", f"{i}/{o.processes}"] for i in range(o.processes)]
        crew = [subprocess.Popen(line, env={**os.environ, "OMP_NUM_THREADS": "1"}) for line in again]
        if any([worker.wait() for worker in crew]):
            sys.exit("a process failed, see its message above; what the others finished is kept")
    part, parts = map(int, (o.part or "0/1").split("/"))
    count = {arm: max(o.seeds, o.final * experiment.more_seeds.get(arm, 0)) for arm in experiment.arms}
    todo = [
        (experiment.root(arm), seed, arm) for seed in range(max(count.values())) for arm in count if seed < count[arm]
    ]
    together = list(dict.fromkeys((root, seed) for root, seed, _ in todo))[part::parts]  # what shares a training
    rows = [experiment.run(arm, seed) for root, seed, arm in todo if (root, seed) in together]
    if o.part:
        return
    found: dict[str, Any] = {"experiment": experiment.name}
    found["classes"] = list(pictures(next(iter(experiment.arms.values()))["data"], "test").classes)
    for row in rows:  # IoUs of other classes than those stay out
        same = list(pictures(experiment.arms[row["arm"]]["data"], "test").classes) == found["classes"]
        row["iou"] = row["iou"] if same else None
    found |= {
        "arms": experiment.arms,
        "runs": sorted(rows, key=lambda r: (list(experiment.arms).index(r["arm"]), r["seed"])),
    }
    found |= {"baselines": experiment.baselines(), "claims": experiment.claims, "extra": experiment.extra()}
    path = write_json({**found, "provenance": provenance(command())}, o.to / f"{experiment.name}.json")
    metrics = {metric: metric for metric in rows[0]["scores"]}
    print(Result(found).table(metrics), f"\nwritten to {os.path.relpath(path, COURSE.parent)}")


def main(description: str | None, experiments: Mapping[str, Callable[[argparse.Namespace], Experiment]]) -> None:
    """The command line of every file of experiments."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", choices=tuple(experiments), default=next(iter(experiments)))
    parser.add_argument("--steps", type=int, help="of the longest training, to try the script out")
    parser.add_argument("--seeds", type=int, default=3, help="for each arm; some experiments give close arms more")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the pictures, to try the script out")
    parser.add_argument(
        "--tier", choices=("cpu", "gpu"), default="cpu", help="network, size and device, where it has both"
    )
    parser.add_argument("--processes", type=int, default=1, help="side by side, of one thread each")
    parser.add_argument("--baselines", action="store_true", help="only the baselines, into the recorded file")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # of several processes: "0/2"
    o = parser.parse_args()
    o.final = o.scale == 1 and o.steps is None
    o.to = RESULTS if o.final else RUNS / "results"  # a trial never replaces what is recorded
    experiment = experiments[o.experiment](o)
    if o.baselines:
        told = load(experiment.name)
        experiment.arms = told.arms  # as they were when it was recorded
        write_json({**told.found, "baselines": experiment.baselines()}, RESULTS / f"{experiment.name}.json")
        return
    if not o.final:
        scaled(experiment, o.scale, o.steps)
    perform(experiment, o)
