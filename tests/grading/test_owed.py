"""Time that a busy machine owes an answer: what it has waited for a processor, whatever it does when it is asked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segkit.grading.child import end_child, fork_child, owed, receive
from segkit.grading.sandbox import method

pytestmark = [
    pytest.mark.skipif(method() != "fork", reason="this system has no safe fork: no answer runs in a child"),
    pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not count who waits"),
]
LIMIT = 0.5  # seconds


def burn(seconds: float) -> None:
    """Compute until this process has had so much more of a processor."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[int, int]]]:
    """Start children that all share one processor."""
    there, one = [], min(os.sched_getaffinity(0))

    def started(work: Callable[[], object]) -> tuple[int, int]:
        def alone(write: Callable[[object], None]) -> None:
            os.sched_setaffinity(0, {one})
            write("begun")
            work()

        there.append(fork_child(alone))
        assert receive(*there[-1], time.monotonic() + 60) == "begun"
        return there[-1]

    yield started
    for child in there:
        end_child(*child)


def busy_and_asleep() -> None:
    while True:
        burn(0.02)
        time.sleep(0.02)


def test_who_waits_for_a_processor_is_owed_it_even_when_found_asleep(start: Callable[..., tuple[int, int]]) -> None:
    for _ in range(4):
        start(lambda: burn(1000))
    pid, _ = start(busy_and_asleep)
    more, asleep, least = owed(pid, LIMIT), 0, LIMIT
    time.sleep(LIMIT)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        asleep += Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "S"
        least = min(least, more())
        time.sleep(0.002)
    assert asleep, "never found asleep: nothing was tried"
    assert least > 0, "of a second it has had a fifth, and half a second is its limit"


def test_who_sleeps_is_owed_nothing(start: Callable[..., tuple[int, int]]) -> None:
    pid, _ = start(lambda: time.sleep(1000))
    time.sleep(0.1)
    more = owed(pid, LIMIT)
    time.sleep(LIMIT + 0.05)
    assert more() <= 0


def test_there_is_an_end(start: Callable[..., tuple[int, int]]) -> None:
    for _ in range(9):
        start(lambda: burn(1000))
    pid, _ = start(lambda: burn(1000))
    more = owed(pid, LIMIT)
    time.sleep(LIMIT)
    assert more() > 0
    time.sleep(4 * LIMIT)
    assert more() == 0
