"""Ctrl-C, and the SIGTERM with which a cluster or torchrun asks a process to end, between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupts_wait(wait: bool) -> Iterator[list[int]]:
    """Gathers the signals instead of stopping in the middle of a step, where there is no state to resume from.

    Args:
        wait: False leaves everything as it is.

    Yields:
        those that came; the second of the same kind stops at once.
    """
    seen: list[int] = []
    if not wait or threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(number: int, frame: Any) -> None:
        if number in seen:
            raise KeyboardInterrupt
        seen.append(number)

    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = [number for number, before in usual.items() if before not in (signal.SIG_IGN, None)]
    for number in ours:
        signal.signal(number, note)
    try:
        yield seen
    finally:
        for number in ours:
            signal.signal(number, usual[number])
