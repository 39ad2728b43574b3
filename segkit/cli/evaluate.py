"""`segkit eval`: one confusion matrix over a whole split, and the four metrics of FCN from it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from segkit.analysis.baselines import position_prior
from segkit.checks import whole
from segkit.cli.outputs import figures_file
from segkit.cli.runs import data_of, find_weights, first, same_classes
from segkit.data import create
from segkit.files import write_json
from segkit.metrics import ConfusionMatrix
from segkit.models import load, read_header
from segkit.training import evaluate as run_over
from segkit.training import processes, provenance


def evaluate(o: argparse.Namespace) -> int:
    """Run the command."""
    path = find_weights(o.run)
    model, header = load(path), read_header(path)
    if o.json:
        figures_file("--json", o.json, "weights", "mean_iou")
    name = data_of(o.data, header, path)
    everything = create(name, split=o.split)
    dataset = first(everything, o.limit)
    same_classes(path, header, name, dataset)
    whole(o.worst, "--worst", "segkit eval", 0)
    if o.worst and processes.count() > 1:
        raise ValueError(f"--worst is for one process, and here are {processes.count()}; leave it out")
    pictures: list[tuple[float, str]] = []
    each = partial(_note, pictures, len(dataset.classes)) if o.worst else None
    matrix = run_over(model, dataset, batch_size=4, device=o.device, quiet=False, each=each)
    figures = {
        "mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy(),
        "mean_accuracy": matrix.mean_accuracy(), "frequency_weighted_iou": matrix.frequency_weighted_iou(),
    }  # fmt: skip
    iou = _by_class(dataset, matrix.iou())
    prior = _prior(first(create(name, split="train"), o.limit), dataset, header) if o.prior else None
    print(f"{path} on {name} {everything.split}: {len(dataset)} pictures, one matrix over all of them, void ignored")
    if prior:
        print(f"{'':28s}network   position prior")
    for metric, value in figures.items():
        print(f"  {metric.replace('_', ' '):24s}{100 * value:6.1f} %{_beside(prior, metric)}")
    for label, share in iou.items():
        said = "    in no picture" if share is None else f"{100 * share:6.1f} %{_beside(prior and prior['iou'], label)}"
        print(f"  IoU {label:20s}{said}")
    worst = sorted(pictures)[: o.worst]
    if worst:
        print("the worst pictures, by mean IoU over the classes within each:")
    for score, picture in worst:
        print(f"  {100 * score:6.1f} %  {picture}")
    if o.json and processes.rank() == 0:
        facts = {"weights": str(path), "config": header["config"], "data": name, "split": everything.split}
        more: dict[str, Any] = {"position_prior": prior} if prior else {}
        more |= {"worst": [{"picture": n, "mean_iou": score} for score, n in worst]} if worst else {}
        write_json({**facts, "void": "ignored", **figures, "iou": iou, **more, "provenance": provenance()}, o.json)
    return 0


def _note(pictures: list[tuple[float, str]], num_classes: int, name: str, answer: Tensor, labels: Tensor) -> None:
    """Write down what one picture scores; nothing where it is void throughout."""
    matrix = ConfusionMatrix(num_classes)
    matrix.update(answer, labels)
    if matrix.matrix.sum():
        pictures.append((matrix.mean_iou(), name))


def _prior(train: Any, dataset: Any, header: Mapping[str, Any]) -> dict[str, Any]:
    """What the most weighty class at each place scores, weighted as the network's loss was."""
    weighting = header.get("recipe", {}).get("class_weights", "none")
    found = position_prior(train, dataset, weighting, trimap=())
    return {**found.scores, "iou": _by_class(dataset, found.iou)}


def _by_class(dataset: Any, iou: Tensor) -> dict[str, float | None]:
    """Class → its IoU; None where it is in no picture, as JSON has no NaN."""
    return {c: None if v != v else v for c, v in zip(dataset.classes, iou.tolist(), strict=True)}


def _beside(scores: Mapping[str, Any] | None, key: str) -> str:
    """A second column; empty where there is none, or nothing to say in it."""
    value = scores.get(key) if scores else None
    return "" if value is None else f"{100 * value:14.1f} %"
