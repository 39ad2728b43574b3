"""Scores of the validation pictures on the way, and the weights that had the best of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segkit.files import write_json
from segkit.models import save
from segkit.training import Trainer, evaluate, processes, provenance
from segkit.training.checkpoint import read_run

BEST, SCORES = "best.safetensors", "validation.json"
Scores = list[tuple[int, float]]  # step, mean IoU


def scoring(every: int | None, pictures: int, checkpoint: Path | None, steps: int) -> dict[str, Any]:
    """How a run is scored on its way, as its checkpoint records it.

    Args:
        every, pictures: steps between two scores, or None for no scores; how many pictures are scored.
        checkpoint: of the run that is resumed, or None. Segkit did not always record how it scores; where this one does
            not say it, nothing is recorded now, and the scores beside it tell.
        steps: of the run.

    Raises:
        ValueError: those scores stand at other steps.
    """
    now = {"validation": {"every": every, "pictures": pictures}} if every is not None else {"validation": None}
    if checkpoint is None or "validation" in read_run(checkpoint):
        return now
    scores = _before(checkpoint.parent, steps)
    if off := [step for step, _ in scores if every is None or (step % every and step != steps)]:
        asked = "no --val-every" if every is None else f"--val-every {every}"
        raise ValueError(
            f"--resume: the run in {checkpoint.parent} was scored at step {off[0]}, and now there is {asked}; give "
            f"--val-every {scores[0][0]} as before"
        )
    return {}


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
