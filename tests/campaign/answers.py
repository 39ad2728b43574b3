"""Answers to exercises that nobody should write: each ends in a verdict with a diagnosis, never in full marks.

An answer is tried as `check` does in a notebook, or as `segkit grade` does, where only plain data comes back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.grading import Result, check, exercises
from segkit.grading.asked import Told
from segkit.grading.checking import judge
from segkit.grading.exercise import Exercise, find
from segkit.grading.outcome import read_tried
from segkit.grading.running import _settled
from segkit.grading.sandbox import attempt
from segkit.grading.verdict import NOT_YET
from segkit.grading.wire import frame, read_frame
from tests.campaign import hostile, hostile_calls

SECONDS = 10.0  # for all calls of an answer; the machine may be busy
STUBS = ("NotImplementedError", "a stub")
NEVER_ENDS = ("endless", "never")
ENDS_PYTHON = ("crash", "exit", "ends Python", "all files", "without builtins", "without modules")


def raising(make: Callable[[], BaseException]) -> Callable[..., Any]:
    def answer(*args: Any) -> Any:
        raise make()

    return answer


def giving(make: Callable[[], Any]) -> Callable[..., Any]:
    return lambda *args: make()


def always(answer: Any) -> Callable[[Exercise], Any]:
    """The same answer to each exercise."""
    return lambda exercise: answer


def spoilt(spoil: Callable[[Any], Any]) -> Callable[[Exercise], Callable[..., Any]]:
    """The right result, and then something done to it."""
    return lambda exercise: lambda *args: spoil(exercise.reference(*args))


def first_part(change: Callable[[Tensor], Any]) -> Callable[[Any], Any]:
    """Change a result, or its first part."""

    def changed(result: Any) -> Any:
        if isinstance(result, (tuple, list)) and result and not isinstance(result[0], (int, float)):
            return [change(torch.as_tensor(result[0])), *result[1:]]
        return change(torch.as_tensor(result)) if not isinstance(result, nn.Module) else None

    return changed


def touched(change: Callable[[Any], Any]) -> Callable[[Exercise], Callable[..., Any]]:
    """The right result, and what belongs to the caller changed; where nothing can be changed, no result."""

    def of(exercise: Exercise) -> Callable[..., Any]:
        def answer(*args: Any) -> Any:
            result = exercise.reference(*args)
            result = result.clone() if isinstance(result, Tensor) else result
            done = [change(one) for one in args if (isinstance(one, Tensor) and one.numel()) or isinstance(one, list)]
            return result if done else None

        return answer

    return of


def emptied(one: Any) -> None:
    if isinstance(one, list):
        del one[:]
    else:
        one.data = one.data.new_zeros(0)


def overwritten(one: Any) -> None:
    if isinstance(one, list):
        one[:] = [hostile.Eq()] * len(one)
    else:
        one.data = torch.empty(one.shape, dtype=one.dtype, device="meta")


def plus_one(one: Any) -> None:
    if isinstance(one, list):
        one.append(one)
    else:
        one.data = one.data.logical_not() if one.dtype == torch.bool else one.data + 1


ANSWERS: dict[str, Callable[[Exercise], Any]] = {
    **{f"gives {name}": always(giving(make)) for name, make in hostile.RESULTS.items()},
    **{f"raises {name}": always(raising(make)) for name, make in hostile_calls.ERRORS.items()},
    **{f"is {name}": always(answer) for name, answer in hostile_calls.FUNCTIONS.items()},
    "gives it as complex numbers": spoilt(first_part(lambda r: r.to(torch.complex64))),
    "gives it twice": spoilt(first_part(lambda r: torch.stack([r, r]))),
    "gives it on no device": spoilt(first_part(lambda r: r.to("meta"))),
    "gives NaN in its shape": spoilt(first_part(lambda r: torch.full(r.shape or (2,), torch.nan))),
    "gives infinity in its shape": spoilt(first_part(lambda r: torch.full(r.shape or (2,), torch.inf))),
    "gives None in its middle": spoilt(first_part(lambda r: [*r.reshape(-1).tolist(), None, *r.reshape(-1).tolist()])),
    "gives words in its place": spoilt(first_part(lambda r: r.numpy(force=True).astype(str))),
    "gives objects in its place": spoilt(first_part(lambda r: r.numpy(force=True).astype(object))),
    "gives it in a deep list": spoilt(first_part(lambda r: [[[[r, r]]]])),
    "gives an argument back": lambda exercise: lambda *args: args[0],
    "gives all arguments back": lambda exercise: lambda *args: args,
    "gives a view of an argument": lambda exercise: lambda *args: torch.as_tensor(args[0])[None].expand(3, -1),
    "gives a function of none": lambda exercise: lambda: exercise.reference(),
    "takes too few": lambda exercise: lambda one: one,
    "takes too many": lambda exercise: lambda a, b, c, d, e, f, g, h, i, j, k: a,
    "takes other names": lambda exercise: lambda *, these, those=1, **rest: these,
    "empties arguments": touched(emptied),
    "overwrites arguments": touched(overwritten),
    "adds to arguments": touched(plus_one),
}


def plainly(exercise: Exercise, answer: Any, seconds: float) -> Result:
    """The way of `segkit grade`: tried by what knows no right answer, told in bytes, judged here."""
    data = frame(attempt(Told(exercise.plain()), answer, seconds).plain())
    place = 0

    def read(size: int) -> bytes:
        nonlocal place
        place += size
        return data[place - size : place]

    return judge(exercise, _settled(exercise, read_tried(read_frame(read))))


def world() -> tuple[Any, ...]:
    """What belongs to whoever calls `check`."""
    return os.getcwd(), torch.get_default_dtype(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()


def finding(exercise: Exercise, answer: Any, seconds: float, plain: bool, kind: str = "") -> str:
    """What is wrong with the verdict on an answer that is never right; "" for nothing."""
    before = world()
    try:
        if plain:
            verdict = plainly(exercise, answer, seconds)
        else:
            verdict = check(exercise.name, answer, quiet=True, time_limit=seconds)
    except BaseException as error:
        return f"no verdict, but {type(error).__name__}: {str(error)[:200]}"
    if not plain and before != world():
        return "the world was changed"
    if any(one.code == "crashed" for one in verdict.diagnoses) and not any(word in kind for word in ENDS_PYTHON):
        return f"taken for a crash: {verdict.text()[:200]}"
    if verdict.status == NOT_YET and not any(word in kind for word in STUBS):
        return f"taken for code yet to be written: {verdict.text()[:200]}"
    return unfit(verdict)


def unfit(verdict: Result) -> str:
    """What is wrong with a verdict as such."""
    if verdict.passed or verdict.score >= 1:
        return "full marks"
    if not verdict.diagnoses or not all(one.code and len(one.message) > 20 for one in verdict.diagnoses):
        return f"no diagnosis: {verdict.status}"
    text = verdict.text()
    if not all(c.isprintable() or c in "\n\t\xa0" for c in text):
        return f"a verdict that cannot be printed: {text[:200]!r}"
    if len(text) > 8000 or "segkit/grading" in text:
        return f"a verdict about us, or without end: {text[:300]!r}"
    return ""


def which(seed: int) -> tuple[Exercise, str]:
    """The exercise of number `seed`, and what kind of answer to it."""
    kinds = list(ANSWERS)
    return find(Random(f"answer {seed}").choice(exercises())), kinds[seed % len(kinds)]


def case(seed: int) -> str:
    """What is found with the answer number `seed`, or ""."""
    exercise, kind = which(seed)
    seconds = 0.5 if any(word in kind for word in NEVER_ENDS) else SECONDS
    return finding(exercise, ANSWERS[kind](exercise), seconds, plain=Random(seed).random() < 0.5, kind=kind)
