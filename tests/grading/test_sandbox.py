"""Functions that loop for ever, print a lot, end Python, eat memory or change the world: the check goes on."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segkit.grading import check, sandbox
from segkit.grading.exercise import find
from segkit.grading.hosting import end_servers
from segkit.grading.sandbox import gradients, method, run_cases
from segkit.grading.verdict import PARTLY, REJECTED

needs_fork = pytest.mark.skipif(
    method() != "fork", reason="this system has no safe fork: the calls happen in this process"
)


def right(matrix):
    return float(matrix.diag().sum() / matrix.sum())


def code(result):
    assert not result.passed
    return result.diagnoses[0].code


def test_endless_loop_ends():
    def student(matrix):
        while True:
            pass

    started = time.monotonic()
    result = check("pixel_accuracy", student, quiet=True, time_limit=1.0)
    assert time.monotonic() - started < 15
    assert code(result) == "too-slow" and result.status == REJECTED and "never ends" in result.diagnoses[0].message


@needs_fork
def test_endless_loop_inside_c_ends():
    def student(matrix):
        return sum(iter(int, 1))

    assert code(check("pixel_accuracy", student, quiet=True, time_limit=0.5)) == "too-slow"


@needs_fork
def test_waiting_ends():
    assert code(check("pixel_accuracy", lambda matrix: time.sleep(1000), quiet=True, time_limit=0.5)) == "too-slow"


@needs_fork
def test_loop_for_one_argument_leaves_the_other_marks():
    def student(x, weight, bias, stride, padding, dilation):
        while dilation > 2:
            pass
        return F.conv2d(x, weight, bias, stride, padding, dilation)

    result = check("conv2d", student, quiet=True, time_limit=1.0)
    assert result.status == PARTLY and code(result) == "too-slow"
    assert result.groups["stride"] and not result.groups["dilation"]


def test_printing_is_cut_short():
    def student(matrix):
        for i in range(20_000):
            print("line", i)
        print("to stderr", file=sys.stderr)
        return right(matrix)

    result = check("pixel_accuracy", student, quiet=True)
    assert result.passed and len(result.printed) < 500
    assert result.printed.startswith("line 0\nline 1\n") and "more characters" in result.printed


def test_short_traceback_of_their_own_lines():
    def helper(values):
        return torch.stack(values)[7]

    def student(matrix):
        rows = list(matrix)
        return helper(rows)

    told = check("pixel_accuracy", student, quiet=True).diagnoses[0]
    assert told.code == "raises"
    lines = [line.strip() for line in told.message.splitlines() if line.startswith("    line ")]
    assert (
        len(lines) == 2
        and lines[0].endswith("in student: return helper(rows)")
        and "in helper: return torch.stack" in lines[1]
    )
    assert "segkit" not in told.message


def test_endless_recursion():
    def student(matrix):
        return student(matrix)

    told = check("pixel_accuracy", student, quiet=True).diagnoses[0]
    assert told.code == "raises" and "RecursionError" in told.message and "what stops it" in told.message
    assert len(told.message) < 700


def test_exit_is_not_the_end():
    assert code(check("pixel_accuracy", lambda matrix: sys.exit(0), quiet=True)) == "exits"
    assert code(check("pixel_accuracy", lambda matrix: exit(), quiet=True)) == "exits"


@needs_fork
def test_a_crash_is_not_the_end():
    def student(x, weight, bias, stride, padding, dilation):
        if stride == 3 and dilation == 1:
            os._exit(3)
        return F.conv2d(x, weight, bias, stride, padding, dilation)

    result = check("conv2d", student, quiet=True)
    assert code(result) == "crashed" and result.status == PARTLY and result.groups["dilation"]


@needs_fork
def test_memory_is_limited():
    told = check("pixel_accuracy", lambda matrix: torch.ones(10**10).sum(), quiet=True).diagnoses[0]
    assert told.code == "raises" and "far more memory" in told.message
    told = check("pixel_accuracy", lambda matrix: np.ones(10**11).sum(), quiet=True).diagnoses[0]
    assert told.code == "raises" and "far more memory" in told.message


def test_giant_result():
    told = check("pixel_accuracy", lambda matrix: torch.zeros(1).expand(10**7), quiet=True).diagnoses[0]
    assert told.code == "wrong-type" and "far larger" in told.message


def test_layers_made_for_a_check_leave_the_random_numbers_alone():
    """The imitation of a layer that keeps its random weights sets a seed of its own."""
    torch.manual_seed(5)
    before = torch.get_rng_state()
    check("linear_to_conv", lambda linear, c, h, w: torch.nn.Conv2d(c, linear.out_features, (h, w)), quiet=True)
    assert torch.equal(before, torch.get_rng_state())


def test_the_world_is_as_before():
    def student(matrix):
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        torch.set_grad_enabled(False)
        sys.setrecursionlimit(10_000)
        os.chdir("/")
        return right(matrix)

    for how in ("fork", "alarm", "thread"):
        if how == "fork" and method() != "fork":
            continue
        before = (
            torch.get_rng_state().clone(),
            np.random.get_state()[1].copy(),
            random.getstate(),
            os.getcwd(),
            sys.getrecursionlimit(),
        )
        outcomes = run_cases(student, find("pixel_accuracy"), 5.0, how)
        assert {outcome.kind for outcome in outcomes} == {"value"}
        assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()
        assert torch.equal(torch.get_rng_state(), before[0]) and np.array_equal(np.random.get_state()[1], before[1])
        assert (random.getstate(), os.getcwd(), sys.getrecursionlimit()) == before[2:]


@pytest.mark.parametrize("how", ["alarm", "thread"])
def test_without_fork(how):
    """The ways of systems that cannot fork give the same outcomes, and end loops written in Python."""
    exercise = find("conv2d")
    outcomes = run_cases(exercise.reference, exercise, 10.0, how)
    assert [outcome.kind for outcome in outcomes] == ["value"] * len(exercise.all_cases())

    def loops(matrix):
        while True:
            try:
                while True:
                    pass
            except Exception:
                continue

    started = time.monotonic()
    kinds = [outcome.kind for outcome in run_cases(loops, find("pixel_accuracy"), 0.5, how)]
    assert kinds[0] == "timeout" and set(kinds) == {"timeout", "skipped"} and time.monotonic() - started < 12


@needs_fork
def test_input_is_refused():
    told = check("pixel_accuracy", lambda matrix: input("how much? "), quiet=True).diagnoses[0]
    assert told.code == "raises" and "asks for input" in told.message


@needs_fork
def test_notebook_variables_stay_as_they_are():
    calls = []

    def student(matrix):
        calls.append(1)
        return right(matrix)

    assert check("pixel_accuracy", student, quiet=True).passed
    assert calls == []


def children() -> set[str]:
    """Numbers of the processes that this one has started and that still run, as far as the system says."""
    found: set[str] = set()
    for one in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found |= set(one.read_text(encoding="ascii").split())
    return found


@needs_fork
def test_what_is_open_outside_is_closed_inside():
    reading, writing = os.pipe()

    def student(matrix):
        os.write(writing, b"a forged message")
        return right(matrix)

    result = check("pixel_accuracy", student, quiet=True)
    assert "Bad file descriptor" in result.diagnoses[0].message
    os.close(writing)
    assert os.read(reading, 100) == b""
    os.close(reading)


@pytest.mark.parametrize("number", [np.complex64(1j), torch.tensor(0.5j), 1j])
def test_a_complex_number_gets_a_verdict(number):
    for exercise in ("mean_iou", "pixel_accuracy"):
        result = check(exercise, lambda *args: number, quiet=True)
        assert not result.passed and result.points(10) == 0 and "complex" in result.diagnoses[0].message


@needs_fork
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc to read the children of a process from")
def test_no_processes_are_left():
    def student(matrix):
        while True:
            pass

    end_servers()  # of other tests, which wait for another notebook
    before = children()  # of other tests too, such as multiprocessing's own server
    check("pixel_accuracy", student, quiet=True, time_limit=0.3)
    assert children() <= before
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as one:
        assert children() - before == {str(one.pid)}, "the system does say it"
        one.communicate(b"\n")


def test_where_a_gpu_was_used_answers_run_in_this_process(monkeypatch):
    """After a backward pass on a GPU torch refuses gradients in forks: the learner's code is not to blame for that."""
    monkeypatch.setattr(sandbox, "_gradients", lambda: False)
    assert check("conv2d_backward", find("conv2d_backward").reference, quiet=True).score == 1.0
    assert check("pixel_accuracy", lambda matrix: 1 / 0, quiet=True).diagnoses[0].code == "raises"


@needs_fork
def test_the_right_gradient_is_computed_in_a_child_too():
    """On a GPU's machine forks compute none once their parent has."""
    exercise = find("boundary_loss")
    index = next(i for i, case in enumerate(exercise.all_cases()) if case.group == "gradient")
    (flow,) = gradients(lambda scores, *_: (scores * os.getpid()).double().sum(), exercise, index)
    assert flow.array.min() == flow.array.max() != os.getpid()
    assert gradients(lambda scores, *_: scores.detach().sum(), exercise, index) == ()
