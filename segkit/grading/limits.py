"""A limit on the time of what runs in this very process: by a timer's signal or, where there is none, in a thread."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from segkit.grading.child import waited
from segkit.grading.outcome import Outcome


class TimeIsUp(BaseException):
    """Not an Exception, so that a learner's `except Exception` does not catch it."""


def under_alarm(one: Callable[[], Outcome], seconds: float) -> Outcome:
    """Time in which others had the processor does not count, up to four times the limit."""
    began, before_it, over = time.monotonic(), waited(), False

    def ring(number: int, frame: Any) -> None:
        left = began + seconds + min(waited() - before_it, 4 * seconds) - time.monotonic()
        if left > 0.01:
            signal.setitimer(signal.ITIMER_REAL, left, 0.2)
        elif not over:  # the alarm rings again for code that catches everything, and may do so while this ends
            raise TimeIsUp

    before, outcome = signal.signal(signal.SIGALRM, ring), None
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
        outcome = one()
    except TimeIsUp:
        pass
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return outcome or Outcome("timeout", seconds=seconds)


def in_thread(one: Callable[[], Outcome], seconds: float) -> Outcome:
    found: list[Outcome] = []

    def work() -> None:
        with suppress(TimeIsUp):
            found.append(one())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    for _ in range(10):
        if not thread.is_alive():
            break
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeIsUp))
        thread.join(0.2)
    return found[0] if found else Outcome("timeout", seconds=seconds)
