"""`check`: try an answer on every case of its exercise, mark it, and say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from segkit.grading.exercise import Exercise, find, registry
from segkit.grading.explain import diagnose
from segkit.grading.report import FULL, NOT_YET, PARTLY, REJECTED, Diagnosis, Result
from segkit.grading.result_types import passes, type_problem
from segkit.grading.sandbox import Outcome, run_cases

UNTOUCHED, TYPE, GRADIENT = "input left alone", "result type", "gradient"


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
    result = _check(exercise, student_function, time_limit)
    if not quiet:
        print(result.text())
    return result


def _check(exercise: Exercise, function: Any, time_limit: float) -> Result:
    if function is None or function is Ellipsis:
        return _not_yet(exercise, [])
    if not callable(function):
        kind = type(function).__name__
        message = (
            f"`{exercise.name}` is a {kind}, not a function. Hand over the function itself, without calling it: "
            f'check("{exercise.name}", {exercise.name}).'
        )
        return Result(exercise.name, 0.0, REJECTED, [Diagnosis("not-a-function", message)])
    return mark(exercise, run_cases(function, exercise, time_limit))


def mark(exercise: Exercise, outcomes: list[Outcome]) -> Result:
    """Turn outcomes into marks and diagnoses."""
    if all(outcome.kind in ("stub", "nothing") for outcome in outcomes):
        return _not_yet(exercise, outcomes)
    cases = exercise.all_cases()
    good = [
        passes(exercise, i, outcome) or _numpy_answer(cases[i].group, outcome) for i, outcome in enumerate(outcomes)
    ]
    failed = {i for i, fine in enumerate(good) if not fine}
    diagnoses = diagnose(exercise, outcomes, failed)
    groups = {case.group: True for case in cases}
    for index in failed:
        groups[cases[index].group] = False
    last = len(cases) - 1
    if last in failed and (0 in failed or outcomes[last].kind == "skipped"):
        del groups[cases[last].group]  # says nothing new
    for group, problem in _properties(exercise, outcomes):
        groups[group] = groups.get(group, True) and problem is None
        diagnoses += [problem] if problem else []
    basic = groups[cases[0].group]
    score = round(sum(groups.values()) / len(groups), 4) if basic else 0.0
    status = FULL if all(groups.values()) else PARTLY if basic else REJECTED
    printed = next((outcome.printed for outcome in outcomes if outcome.printed), "")
    seconds = sum(outcome.seconds for outcome in outcomes)
    return Result(exercise.name, score, status, diagnoses, groups, [], printed, seconds)


def _not_yet(exercise: Exercise, outcomes: list[Outcome]) -> Result:
    message = f"`{exercise.name}` gives nothing back so far. Write it, run its cell, and run this one again."
    printed = next((outcome.printed for outcome in outcomes if outcome.printed), "")
    return Result(exercise.name, 0.0, NOT_YET, [Diagnosis("not-yet-done", message)], printed=printed)


def _numpy_answer(group: str, outcome: Outcome) -> bool:
    """An answer in numpy cannot take part in the gradient case, and need not."""
    return group == GRADIENT and outcome.kind == "raised" and "requires grad" in outcome.note


def _properties(exercise: Exercise, outcomes: list[Outcome]) -> list[tuple[str, Diagnosis | None]]:
    """What holds for every case: the arguments are left alone, the result has a fitting type, the gradient survives."""
    found: list[tuple[str, Diagnosis | None]] = [(UNTOUCHED, _changed(exercise, outcomes))]
    if set(exercise.kinds) & {"float", "integer"}:
        found.append((TYPE, type_problem(exercise, outcomes)))
    if exercise.needs_gradient:
        found.append((GRADIENT, _gradient_lost(exercise, outcomes)))
    return found


def _changed(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis | None:
    for outcome in outcomes:
        if outcome.changed:
            name = exercise.parameters[outcome.changed[0]]
            message = (
                f"Your function changes `{name}`, which belongs to the caller: after the call it holds other numbers. "
                f"Work on a copy (`{name}.clone()`), or build a new tensor; beware of `+=`, `[...] =` and names "
                "that end in `_`."
            )
            return Diagnosis("input-changed", message)
    return None


def _gradient_lost(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis | None:
    for case, outcome in zip(exercise.all_cases(), outcomes, strict=True):
        if case.group == GRADIENT and outcome.leaves and outcome.leaves[0].origin == "torch":
            if not outcome.leaves[0].grad:
                message = (
                    "The number is right, but no gradient can flow back from it, so nothing could be trained with it. "
                    "Leave out `.item()`, `.detach()`, `.data`, `torch.tensor(...)` and `torch.no_grad()` on the way."
                )
                return Diagnosis("gradient-lost", message)
    return None
