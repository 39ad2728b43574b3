"""Running a learner's function so that nothing it does can hurt: not the notebook, not the other exercises.

Where the system can fork safely (Linux), all calls happen in a child process. It can loop for ever inside C code, ask
for all the memory, call sys.exit, change the random seed or the default dtype: the child is ended, the notebook has
seen nothing of it, and a new child goes on with the next case. Elsewhere (macOS, Windows) the calls happen in this
process under a timer signal, or in a thread that is asked to stop; both end every loop written in Python.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from segkit.grading.asked import Asked, Function, settled
from segkit.grading.binding import bind
from segkit.grading.capture import Printed, first_lines, message_of, student_lines
from segkit.grading.child import end_child, fork_child, owed, receive
from segkit.grading.finished import watched
from segkit.grading.limits import TimeIsUp, in_thread, under_alarm
from segkit.grading.outcome import Outcome, Tried, read_outcome
from segkit.grading.stubs import is_stub, stops_as_stub
from segkit.grading.values import Leaf, Unusable, article, fresh, leaf, unchanged
from segkit.grading.wire import Unreadable

GRACE = 0.4  # seconds for each further case once the time is used up
PATIENCE = 2  # further cases that may run out of time before the rest is left out


def method() -> str:
    """How calls are kept apart here: "fork", "alarm" or "thread"."""
    if sys.platform.startswith("linux") and hasattr(os, "fork"):
        return "fork"
    in_main = threading.current_thread() is threading.main_thread()
    return "alarm" if in_main and hasattr(signal, "setitimer") else "thread"


def attempt(exercise: Asked, function: Any, seconds: float) -> Tried:
    """Call an answer on every case."""
    kind = type(function).__name__
    if not callable(function):
        return Tried(kind)
    outcomes = run_cases(function, exercise.unsettled(), seconds)
    pairs = zip(exercise.all_cases(), outcomes, strict=True)
    return Tried(kind, [settled(exercise, outcome, case.args) for case, outcome in pairs], is_stub(function))


def run_cases(function: Function, exercise: Asked, seconds: float, how: str | None = None) -> list[Outcome]:
    """Call the function on every case of an exercise, within `seconds` for all of them together."""
    return _run(partial(call, function, exercise), len(exercise.all_cases()), seconds, how)


def gradients(function: Function, exercise: Asked, index: int, seconds: float = 60.0) -> tuple[Leaf, ...]:
    """The gradients that flow from the result of one case, computed where those of an answer are: never beside it, for
    once a process has computed gradients it may be that its forks cannot."""
    (outcome,) = _run(lambda _: call(function, exercise, index), 1, seconds)
    return outcome.flow


def _run(one: Callable[[int], Outcome], count: int, seconds: float, how: str | None = None) -> list[Outcome]:
    if (how or method()) == "fork":
        with suppress(NoAutograd):
            return _run_forked(one, count, seconds)
    guard = guarded(how)
    outcomes: list[Outcome] = []
    started, late = time.monotonic(), 0
    for index in range(count):
        left = seconds - (time.monotonic() - started)
        allowed = GRACE if late else max(left, GRACE)
        outcome = Outcome("skipped") if late > PATIENCE else guard(partial(one, index), allowed)
        late += outcome.kind == "timeout"
        outcomes.append(read_outcome(outcome.plain()))  # what a child would tell: words cut to size, plain arrays
    return outcomes


def guarded(how: str | None = None) -> Callable[[Callable[[], Outcome], float], Outcome]:
    """The way to run something in this process with a time limit: `guarded()(work, seconds)`."""
    in_main = threading.current_thread() is threading.main_thread()
    alarm = how == "alarm" or (how != "thread" and in_main and hasattr(signal, "setitimer"))
    return under_alarm if alarm else in_thread


def call(function: Function, exercise: Asked, index: int) -> Outcome:
    """One call in this process, with output captured and every exception turned into an Outcome."""
    original = exercise.all_cases()[index].args
    args = fresh(original)
    printed, called = Printed(), []  # type: tuple[Printed, list[str]]
    started = time.perf_counter()
    try:
        with _same_world(), redirect_stdout(printed), redirect_stderr(printed):
            try:
                places, names = bind(function, exercise.parameters, args, exercise.defaults)
            except TypeError as error:
                return Outcome("arguments", note=str(error))
            with watched(exercise.finished, function) as called:
                result = function(*places, **names)
            outcome = _flowing(_read(result, exercise, original), result, args)
    except SystemExit:
        outcome = Outcome("exit", trace=())
    except TimeIsUp:
        raise
    except BaseException as error:  # anything at all that a learner's code may raise
        if isinstance(error, KeyboardInterrupt) and method() != "fork":
            raise
        said = message_of(error)
        kind, trace = "stub" if stops_as_stub(error, said) else "raised", student_lines(error, function)
        outcome = Outcome(kind, error=type(error).__name__, note=first_lines(said), trace=trace)
    changed = tuple(i for i, (a, b) in enumerate(zip(original, args, strict=True)) if not unchanged(a, b))
    took = time.perf_counter() - started
    finished = called[0] if called else ""
    return replace(outcome, changed=changed, printed=printed.text(), seconds=took, finished=finished)


def _flowing(outcome: Outcome, result: Any, args: tuple[Any, ...]) -> Outcome:
    """The outcome with the gradients that arrive; `torch.tensor(…, requires_grad=True)` only says it has one."""
    wanted = [arg for arg in args if isinstance(arg, Tensor) and arg.requires_grad]
    if not wanted or not any(one.grad for one in outcome.leaves):
        return outcome
    ends = [part for part in tree_leaves(result) if isinstance(part, Tensor) and part.requires_grad]
    try:
        # uneven weights: shares add up to 1, whatever they were made of
        uneven = [torch.linspace(1, 2, part.numel()).reshape(part.shape).to(part) for part in ends]
        found = torch.autograd.grad(ends, wanted, uneven, allow_unused=True, materialize_grads=True)
    except RuntimeError:  # none of the arguments is behind it, or one was overwritten
        found = ()
    if any(bool(gradient.any()) for gradient in found):
        return replace(outcome, flow=tuple(leaf(gradient) for gradient in found))
    return replace(outcome, leaves=tuple(replace(one, grad=False) for one in outcome.leaves))


def _read(result: Any, exercise: Asked, args: tuple[Any, ...]) -> Outcome:
    if result is None or result is Ellipsis or result is NotImplemented:
        return Outcome("nothing")
    try:
        return Outcome("value", exercise.read(result, fresh(args)))
    except Unusable as odd:
        return Outcome("odd", note=str(odd))
    except Exception as error:  # a result that breaks when it is looked at
        why = f"{type(error).__name__}: {first_lines(message_of(error))}".removesuffix(": ")
        return Outcome("odd", note=f"{article(type(result).__name__)} that cannot be read as numbers ({why})")


@contextmanager
def _same_world() -> Iterator[None]:
    """Put back what a function may change for everybody, and for its call what cells before may have changed."""
    numpy_seed, seed, depth = np.random.get_state(), random.getstate(), sys.getrecursionlimit()
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)
    try:
        with (
            torch.random.fork_rng(devices=[]), torch.enable_grad(), chdir(os.getcwd()),
            warnings.catch_warnings(), np.errstate(),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.setrecursionlimit(depth)
        torch.set_default_dtype(dtype)
        torch.set_default_device(None if device.type == "cpu" else device)
        np.random.set_state(numpy_seed)
        random.setstate(seed)


# In a child process ------------------------------------------------------------------------------------------------


class NoAutograd(Exception):
    """Where this process has computed gradients on a GPU, torch computes none in its forks."""


def _gradients() -> bool:
    """Whether torch computes gradients here."""
    try:
        torch.ones(1, requires_grad=True).sum().backward()
    except RuntimeError:
        return False
    return True


def _run_forked(one: Callable[[int], Outcome], count: int, seconds: float) -> list[Outcome]:
    outcomes: list[Outcome] = []
    late, left = 0, seconds
    while len(outcomes) < count:
        if late > PATIENCE:
            outcomes += [Outcome("skipped")] * (count - len(outcomes))
            break
        for outcome in _one_child(one, len(outcomes), count, max(left, GRACE) if not late else GRACE, bool(late)):
            outcomes.append(outcome)
            left -= outcome.seconds
            late += outcome.kind == "timeout"
    return outcomes


def _one_child(one: Callable[[int], Outcome], start: int, count: int, seconds: float, each: bool) -> Iterator[Outcome]:
    """The outcomes from `start` on, until all are there, the time is up, or the child has died.

    Args:
        each: whether `seconds` is the time of each case rather than of all together.
    """

    def work(write: Callable[[Any], None]) -> None:
        if not _gradients():
            write("no gradients")
            return
        for index in range(start, count):
            write(one(index).plain())

    pid, stream = fork_child(work)
    try:
        done, began, more = start, time.monotonic(), owed(pid, seconds)
        while done < count:
            try:
                said = receive(pid, stream, began + seconds, more)
                if done == start and said == "no gradients":
                    raise NoAutograd
                outcome = None if said is None else read_outcome(said)
            except Unreadable:
                outcome = None
            if outcome is None:
                late = time.monotonic() >= began + seconds
                yield Outcome("timeout" if late else "died", seconds=time.monotonic() - began)
                return
            yield outcome
            done += 1
            if each:
                began, more = time.monotonic(), owed(pid, seconds)
    finally:
        end_child(pid, stream)
