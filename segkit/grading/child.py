"""A child process to run something in: started by a fork, heard through a pipe, ended whatever it does."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from segkit.grading.capture import quiet_process
from segkit.grading.wire import frame, read_frame

MEMORY = 4 << 30  # bytes that a child may take in addition
LOOK = 0.2  # seconds until one looks whether a child that says nothing is still there


def fork_child(work: Callable[[Callable[[Any], None]], Any]) -> tuple[int, int]:
    """Start `work(write)` in a forked child; what it writes can be received here. Gives (process id, descriptor)."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forking beside threads; the child runs one thread only
        pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        os.close(reading)
        with suppress(OSError, AttributeError):
            os.setsid()
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # Linux: end together with the parent
        quiet_process(keep=writing)
        _close_all_but(writing)
        torch.set_num_threads(1)
        _limit_memory()
        work(lambda item: _send(writing, item))
    except BaseException:
        os._exit(1)
    os._exit(0)


def _send(stream: int, item: Any) -> None:
    data = frame(item)
    while data:
        data = data[os.write(stream, data) :]


def owed(pid: int, seconds: float) -> Callable[[], float]:
    """What gives, asked at the end of `seconds` from now, the time that a busy machine still owes a child.

    It is owed what it waited for a processor; and, while it wants one, what it has not had of it. A child that sleeps
    of its own accord is owed nothing. In all it has up to five times `seconds` by the clock.
    """
    began, before, waited_before = time.monotonic(), _ran(pid)[0], waited(pid)

    def more() -> float:
        used, wants_more = _ran(pid)
        late = time.monotonic() - began - seconds
        if late >= 4 * seconds:
            return 0.0
        return max(seconds - (used - before) if wants_more else 0.0, waited(pid) - waited_before - late)

    return more


def _ran(pid: int) -> tuple[float, bool]:
    """Seconds of a processor that a process has had, and whether it runs or would if it could."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0, False
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), fields[0] in "RD"


def waited(pid: int | str = "self") -> float:
    """Seconds that a process has waited for a processor that others had, as far as the system counts them."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def receive(pid: int, stream: int, deadline: float, more: Callable[[], float] = lambda: 0.0) -> Any | None:
    """The next thing that a child says; None when it has ended or the deadline (monotonic seconds) has passed.

    Args:
        pid: the child. When it has ended, nobody who still holds its pipe is waited for.
        stream: the descriptor to read from.
        deadline: in the seconds of time.monotonic(), for the whole of what it says.
        more: asked at the deadline, seconds to go on waiting.

    Raises:
        Unreadable: what came is no message.
    """

    def read(size: int) -> bytes | None:
        nonlocal deadline
        parts = bytearray()
        while len(parts) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                left = more()
                deadline = time.monotonic() + left
            if left <= 0:
                return None
            alive = _alive(pid)
            if not select.select([stream], [], [], min(left, LOOK) if alive else 0)[0]:
                if not alive:
                    return None
                continue
            part = os.read(stream, min(size - len(parts), 1 << 20))
            if not part:
                return None
            parts += part
        return bytes(parts)

    return read_frame(read)


def _alive(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def end_child(pid: int, stream: int) -> None:
    """End a child of `fork_child`, and what it has started."""
    os.close(stream)
    for kill in (os.killpg, os.kill):
        with suppress(OSError):
            kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _close_all_but(kept: int) -> None:
    """Close what else came along from the parent: its sockets, and the pipes on which it speaks to others."""
    os.closerange(3, kept)
    os.closerange(kept + 1, 1 << 16)


def _limit_memory() -> None:
    import resource

    with suppress(OSError, ValueError):
        pages = int(open("/proc/self/statm", encoding="utf-8").read().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
