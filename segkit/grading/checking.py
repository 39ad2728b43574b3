"""`check`: try an answer on every case of its exercise, mark it, and say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.grading.exercise import Exercise, find, registry
from segkit.grading.explain import GENERAL, diagnose
from segkit.grading.outcome import Outcome, Tried
from segkit.grading.result_types import passes, type_problem
from segkit.grading.sandbox import attempt, gradients
from segkit.grading.values import all_same, article, leaf, same
from segkit.grading.verdict import FULL, NOT_YET, PARTLY, REJECTED, Diagnosis, Result

KEPT = 0.4  # what a slip that the check names leaves of the marks at least
UNTOUCHED, TYPE, GRADIENT = "input left alone", "result type", "gradient"
_NOT_YET_DONE = "`{}` returns nothing yet. Write it, run its cell, and run this one again."
_RETURNS_NOTHING = (
    "Your function runs to its end and returns None (does it print the answer instead?). End it with `return …`."
)


def exercises() -> list[str]:
    """The names of all exercises, in the order of the chapters."""
    return list(registry())


def describe(name: str) -> str:
    """The specification of an exercise: its signature and what it has to do.

    Raises:
        ValueError: there is no exercise of that name.
    """
    exercise = find(name)
    return f"{exercise.signature}\n\n{exercise.text}"


def check(name: str, student_function: Callable[..., Any], *, quiet: bool = False, time_limit: float = 10.0) -> Result:
    """Check an answer to an exercise, and print a verdict.

    Args:
        name: the exercise, one of `exercises()`.
        student_function: the answer.
        quiet: print nothing.
        time_limit: seconds that the function may use for all of its calls together.

    Raises:
        ValueError: there is no exercise of that name, or `time_limit` is not positive.
    """
    exercise = find(name)
    if not time_limit > 0:
        raise ValueError(f"time_limit is {time_limit!r}; it is a positive number of seconds")
    with torch.random.fork_rng(devices=[]):  # layers that cases and imitations are made of draw random numbers
        result = judge(exercise, attempt(exercise, student_function, time_limit))
    if not quiet:
        print(result.text())
    return result


def judge(exercise: Exercise, tried: Tried) -> Result:
    """Marks and diagnoses for an attempt, which may have been made in another process."""
    if tried.kind in ("NoneType", "ellipsis"):
        return mark(exercise, [])
    if tried.outcomes is None:
        message = (
            f"`{exercise.name}` is {article(tried.kind)}, not a function. Pass the function itself, not called: "
            f'check("{exercise.name}", {exercise.name}).'
        )
        return Result(exercise.name, 0.0, REJECTED, [Diagnosis("not-a-function", message)])
    return mark(exercise, tried.outcomes, stub=tried.stub)


def mark(exercise: Exercise, outcomes: list[Outcome], *, stub: bool = True) -> Result:
    """Turn outcomes into marks and diagnoses.

    Args:
        exercise: what was asked for.
        outcomes: what the calls came to.
        stub: whether the function has nothing in it yet, which tells one that returns None from one to be written.
    """
    cases = exercise.all_cases()
    printed = next((outcome.printed for outcome in outcomes if outcome.printed), "")
    seconds = sum(outcome.seconds for outcome in outcomes)
    if all(outcome.kind in ("stub", "nothing") for outcome in outcomes):
        if stub or not any(outcome.kind == "nothing" for outcome in outcomes):
            told = Diagnosis("not-yet-done", _NOT_YET_DONE.format(exercise.name))
            return Result(exercise.name, 0.0, NOT_YET, [told], printed=printed, seconds=seconds)
        groups, told = {case.group: False for case in cases[:-1]}, Diagnosis("returns-nothing", _RETURNS_NOTHING)
        return Result(exercise.name, 0.0, REJECTED, [told], groups, printed=printed, seconds=seconds)
    good = [
        passes(exercise, i, outcome) or _numpy_answer(cases[i].group, outcome) for i, outcome in enumerate(outcomes)
    ]
    failed = {i for i, fine in enumerate(good) if not fine}
    diagnoses = diagnose(exercise, outcomes, failed)
    slips = 0 if any(told.code in GENERAL for told in diagnoses) or does_nothing(exercise, outcomes) else len(diagnoses)
    groups = {case.group: True for case in cases}
    for index in failed:
        groups[cases[index].group] = False
    last = len(cases) - 1
    if last in failed and (0 in failed or outcomes[last].kind == "skipped"):
        del groups[cases[last].group]  # says nothing new
    for group, problem in _properties(exercise, outcomes):
        groups[group] = groups.get(group, True) and problem is None
        diagnoses += [problem] if problem else []
    score = _score(groups, groups[cases[0].group], slips, len(diagnoses) - slips)
    status = FULL if all(groups.values()) else PARTLY if score else REJECTED
    return Result(exercise.name, score, status, diagnoses, groups, _remarks(outcomes), printed, seconds)


def does_nothing(exercise: Exercise, outcomes: list[Outcome]) -> bool:
    """Whether an answer is always one number, or an argument as it came: no slip, whatever it looks like."""
    gave = [(case.args, one.leaves[0]) for case, one in zip(exercise.all_cases(), outcomes, strict=True) if one.leaves]
    numbers = [leaf.array.reshape(-1) for one in outcomes for leaf in one.leaves if leaf.array.dtype.kind in "biuf"]
    if not gave or not numbers or any(len(one.leaves) > 1 for one in outcomes):
        return False
    if len(np.unique(np.concatenate(numbers).astype(np.float64))) <= 1:
        return True
    return any(
        all(isinstance(args[i], Tensor) and same(got, leaf(args[i])) for args, got in gave)
        for i in range(len(gave[0][0]))
    )


def _score(groups: dict[str, bool], basic: bool, slips: int, besides: int) -> float:
    """The share of the aspects that are right; nothing where the plain case is wrong and the check cannot say why.

    Where all that is wrong with the values is slips that it names, each takes at most a fixed part of the marks,
    however many aspects it shows in.

    Args:
        groups: for each aspect whether all of its cases passed.
        basic: whether the plain case did.
        slips: how many named slips explain all wrong values; 0 where something is unexplained.
        besides: how many other things are wrong, each an aspect of its own.
    """
    share = sum(groups.values()) / len(groups)
    if slips:
        return round(max(share, KEPT**slips - besides / len(groups), 0.0), 4)
    return round(share, 4) if basic else 0.0


def _remarks(outcomes: list[Outcome]) -> list[str]:
    called = next((outcome.finished for outcome in outcomes if outcome.finished), "")
    told = f"it calls `{called}`, the very thing that this exercise asks you to write; whether that may stay is for "
    told += "whoever gives the marks to say."
    return [told] if called else []


def _numpy_answer(group: str, outcome: Outcome) -> bool:
    """Whether a call stopped because numpy takes no tensor with a gradient, which has a diagnosis of its own."""
    return group == GRADIENT and outcome.kind == "raised" and "call numpy() on Tensor" in outcome.note


def _properties(exercise: Exercise, outcomes: list[Outcome]) -> list[tuple[str, Diagnosis | None]]:
    """What holds for every case: the arguments are left alone, the result has a fitting type, the gradient survives."""
    found: list[tuple[str, Diagnosis | None]] = [(UNTOUCHED, _changed(exercise, outcomes))]
    problem = type_problem(exercise, outcomes)
    if problem or set(exercise.kinds) & {"float", "integer", "bools"}:
        found.append((TYPE, problem))
    if exercise.needs_gradient:
        found.append((GRADIENT, _gradient_lost(exercise, outcomes)))
    return found


def _changed(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis | None:
    for outcome in outcomes:
        if outcome.changed:
            name = exercise.parameters[outcome.changed[0]]
            copied = _copy(name, exercise.all_cases()[0].args[outcome.changed[0]])
            message = (
                f"Your function changes `{name}`, which belongs to the caller: after the call it holds other numbers. "
                f"Work on a copy ({copied}), or build something new; beware of `+=`, `[...] =` and names "
                "that end in `_`."
            )
            return Diagnosis("input-changed", message)
    return None


def _copy(name: str, value: Any) -> str:
    """How an argument is copied."""
    if isinstance(value, nn.Module):
        return f"`copy.deepcopy({name})`"
    if isinstance(value, (list, tuple)):
        inside = any(isinstance(part, (Tensor, tuple, list)) for part in value)
        tensors = inside and any(isinstance(one, Tensor) for part in value for one in part)
        return f"`list({name})`" + (" and `.clone()` for the tensors in it" if tensors else "")
    return f"`{name}.clone()`"


def _gradient_lost(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis | None:
    for index, (case, outcome) in enumerate(zip(exercise.all_cases(), outcomes, strict=True)):
        if case.group != GRADIENT:
            continue
        right = passes(exercise, index, outcome)
        if (right and not outcome.leaves[0].grad) or _numpy_answer(case.group, outcome):
            message = (
                "The number is right, but no gradient can flow back from it, so nothing could be trained with it. "
                "Compute with torch to the end: leave out `.item()`, `float(...)`, `math`, numpy, `.detach()`, "
                "`.data`, `torch.tensor(...)` and `torch.no_grad()` on the way."
            )
            return Diagnosis("gradient-lost", message)
        if right and not all_same(outcome.flow, gradients(exercise.reference, exercise, index)):
            message = (
                "The number is right, but its gradient is not: part of what you compute from "
                f"`{exercise.parameters[0]}` lets none through, and training would go another way. Look for an "
                "`.item()`, `float(...)`, `.detach()`, `.data`, `torch.tensor(...)` or `torch.no_grad()` in one of the "
                "terms."
            )
            return Diagnosis("gradient-partly-lost", message)
    return None
