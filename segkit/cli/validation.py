"""Scores of the validation pictures on the way, and the weights that had the best of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segkit.files import write_json
from segkit.models import save
from segkit.training import Trainer, evaluate, processes, provenance

BEST, SCORES = "best.safetensors", "validation.json"
Scores = list[tuple[int, float]]  # step, mean IoU


def train_and_score(trainer: Trainer, val: Any, out: Path, every: int, facts: dict[str, Any]) -> Scores:
    """Train to the last step, and score on the way.

    Args:
        trainer: what trains; its averaged weights are scored where it has them.
        val: pictures to score.
        out: folder of the run, for the checkpoint, the best weights and the scores.
        every: steps between two scores, from 1 up; the last step is always scored.
        facts: for the header of the best weights.

    Returns:
        every score, those before an interruption too.
    """
    steps, scores = trainer.recipe.steps, _before(out, trainer.step)
    for until in [*range(every, steps, every), steps]:
        if until < trainer.step or until in dict(scores):
            continue  # done before an interruption
        trainer.fit(out / "checkpoint.safetensors", until=until)
        network = trainer.best
        found = round(evaluate(network, val, batch_size=4, device=str(trainer.device)).mean_iou(), 4)
        writes = processes.rank() == 0
        if writes and found > max(dict(scores).values(), default=-1.0):
            told = {"metrics": {"val_mean_iou": found}, "step": until, "provenance": provenance()}
            save(network, out / BEST, **facts, **told)
        scores.append((until, found))
        if writes:
            write_json(scores, out / SCORES)
        print(f"step {until} of {steps}: val mean IoU {100 * found:.1f} %")
    return scores


def better(scores: Scores, out: Path) -> str:
    """A line on the best weights; they were chosen by their score, so it is a little too good."""
    if not scores:
        return ""
    step, best = max(scores, key=lambda row: row[1])
    return f"\nthe best score on the way was {100 * best:.1f} %, at step {step}; those weights are in {out / BEST}"


def _before(out: Path, step: int) -> Scores:
    path = out / SCORES
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and step else []
    return [(at, score) for at, score in rows if at <= step]
