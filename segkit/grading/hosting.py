"""The processes in which students' notebooks run: started anew, heard through a pipe, kept for the next notebook."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

from segkit.grading.assignments import NotebookError
from segkit.grading.outcome import words
from segkit.grading.sandbox import method
from segkit.grading.wire import Unreadable, frame, read_frame

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys, types
sys.path[0] = sys.argv[1]
import segkit
segkit.grading = sys.modules["segkit.grading"] = types.ModuleType("segkit.grading")
segkit.grading.__path__ = [sys.argv[1] + "/segkit/grading"]
from segkit.grading.server import main
main()
"""
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "USERPROFILE", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
        "CUDA_VISIBLE_DEVICES", "SEGKIT_DATA", "PYTHONPATH", "MPLCONFIGDIR", "XDG_CACHE_HOME")  # fmt: skip
STARTS = 600  # seconds until a new process has to be there


class NotRun(NotebookError):
    """A notebook could not be graded: its process was ended, or does not start."""


class Refused(NotRun):
    """A notebook could not be graded: nothing can be made of what its code sent. The process is as it was."""


class Server:
    """A process in which notebooks run, one after the other."""

    def __init__(self, *options: str) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self._place = tempfile.TemporaryDirectory(prefix="segkit-notebook-", ignore_cleanup_errors=True)
        kept = {key: value for key, value in os.environ.items() if key in KEPT or key.startswith("LC_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(ROOT), self._place.name, *options], cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._errors, process_group=0,  # Ctrl-C is for us
            env={**kept, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self._heard: Queue[Any] = Queue(20)
        self.owner, self.barred = os.getpid(), ""
        _running.add(self)
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.barred = str(self.next(time.monotonic() + STARTS)[2])
        except NotRun:
            self._errors.seek(0)
            why = words(self._errors.read()[-2000:].decode("utf-8", "replace").strip().rpartition("\n")[2])
            self.end()
            raise NotRun(f"the process in which notebooks run does not start: {why}") from None

    def _listen(self) -> None:
        def read(size: int) -> bytes | None:
            assert self.process.stdout
            data = self.process.stdout.read(size)
            return data if len(data) == size else None

        with suppress(Unreadable, OSError, ValueError):
            while (message := read_frame(read)) is not None:
                self._heard.put(message)
        self._heard.put(None)

    def next(self, deadline: float) -> tuple[str, Any, Any]:
        """What the process tells next: what kind of thing it is, about what, and the thing.

        Raises:
            NotRun: nothing, as it has ended or the deadline (monotonic seconds) has passed.
        """
        with suppress(Empty):
            told = self._heard.get(timeout=max(deadline - time.monotonic(), 0.01))
            if isinstance(told, tuple) and len(told) == 3:
                kind, what, value = told
                return str(kind), what, value
            raise NotRun("it could not be graded: its process was ended, by its own code or from outside")
        raise NotRun("it could not be graded: its process does not answer any more")

    def send(self, message: Any) -> None:
        """Give it something to do; whether it hears shows in what it tells next."""
        assert self.process.stdin
        with suppress(OSError):
            self.process.stdin.write(frame(message))
            self.process.stdin.flush()

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        with suppress(Empty):
            while self._heard.get(timeout=1) is not None:
                pass
        for stream in (self._errors, self.process.stdin, self.process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        _running.discard(self)
        self._place.cleanup()


_idle: list[Server] = []
_running: set[Server] = set()


@contextmanager
def lent_server() -> Iterator[Server]:
    """A process that waits for work, or a new one; it is kept for the next notebook unless something went wrong."""
    server = None
    while _idle and server is None:
        kept = _idle.pop()
        server = kept if kept.owner == os.getpid() and kept.process.poll() is None else None
    server = server or Server()
    try:
        yield server
    except Refused:
        _idle.append(server)
        raise
    except BaseException:
        server.end()
        raise
    _idle.append(server)


@atexit.register
def end_servers() -> None:
    """End the processes, those that wait for work and those at work."""
    while _idle:
        server = _idle.pop()
        if server.owner == os.getpid():
            server.end()
    for server in list(_running):
        if server.owner == os.getpid():
            server.process.kill()  # whoever waits for it hears the end


def barred() -> str:
    """Why notebooks cannot be cut off from this system; empty where they are."""
    if method() != "fork":
        return "it is not Linux"
    with lent_server() as server:
        return server.barred
