"""Where students' notebooks run: a Python of its own that has never held a right answer.

`segkit.grading.running` starts it, once for many notebooks. It loads what notebooks need, forks a child for each, and
passes on what that child says; it runs no student's code itself. Whoever looks for the right answers there finds that
the modules do not import and, where a child can be cut off from the system, that the files are not there.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from segkit.grading import alone
from segkit.grading.asked import Told
from segkit.grading.capture import quiet_process
from segkit.grading.child import end_child, fork_child, receive
from segkit.grading.notebook_cells import definitions, notebook_names, plain_python, run_cell
from segkit.grading.sandbox import attempt, method
from segkit.grading.stand_in import prepare
from segkit.grading.wire import Unreadable, frame, read_frame

OVER = 3  # the exit status of a process that finds nothing more to do
AT_WORK = ("cell", "ran", "check", "tried", "tried late")  # what a child may tell of
ENDED, LATE, NONSENSE = "ended Python (exit, crash or lack of memory)", "did not end in time", "sent what is no result"
Tell = Callable[[Any], Any]


def take_steps(job: dict[str, Any], skip: Collection[int | str], tell: Tell) -> None:
    """Take the steps of a notebook in one namespace, and in the end try again what was not there; tell what happens.

    Nothing is compared here, where a student's code may have changed everything: only what the answers did is told.
    """
    asked = {one.name: one for one in map(Told, job["asked"])}
    namespace = notebook_names()
    seen: dict[str, Any] = {}

    def answer(name: str, how: str) -> None:
        tell(("check", name, None))
        seen[name] = namespace[name]
        tried = attempt(asked[name], namespace[name], job["seconds"])
        outcomes = tried.outcomes or []
        nothing = all(outcome.kind in ("stub", "nothing", "raised") for outcome in outcomes)
        if nothing or any(outcome.error == "NameError" for outcome in outcomes):
            seen[name] = None  # what it needs may come later
        tell((how, name, tried.plain()))

    for number, code, exercise, helpers, late in job["steps"]:
        if exercise:
            if exercise in namespace and exercise not in skip:
                answer(exercise, "tried")
        elif number not in skip and not (late and all(seen.get(name) is not None for name in asked)):
            tell(("cell", number, None))
            code = plain_python(code)
            code = definitions(code, asked) if helpers else code
            tell(("ran", number, run_cell(number, code, namespace, job["cell_seconds"])))
    for name in asked:
        if name in namespace and name not in skip and seen.get(name) is not namespace[name]:
            answer(name, "tried late")


class Server:
    """Runs one notebook after the other.

    Args:
        inlet, outlet: descriptors on which the grader is heard and told.
        place: an empty folder.
    """

    def __init__(self, inlet: int, outlet: int, place: Path) -> None:
        self.inlet, self.outlet, self.place = inlet, outlet, place
        self.barred = self._try_out() if method() == "fork" else "this is not Linux"

    def tell(self, message: Any) -> None:
        data = frame(message)
        while data:
            data = data[os.write(self.outlet, data) :]

    def serve(self, once: bool) -> None:
        """Work until nothing more comes; `once`: in this very process, for systems without a safe fork."""
        self.tell(("ready", "", self.barred))
        while self._next(once) if once else self._next_apart():
            pass

    def _next(self, once: bool) -> bool:
        """Take the next notebook; whether there was one."""
        job = read_frame(partial(_read, self.inlet))
        if job is None:
            return False
        try:
            if once:
                alone.settle_in(self.place)
                take_steps(job, (), self.tell)
            else:
                self._in_children(job)
        except Exception:
            self.tell(("failed", "", traceback.format_exc(limit=-3)))
        self.tell(("end", "", None))
        return True

    def _next_apart(self) -> bool:
        """Take it in a process of its own: so this one never holds a notebook in which the next could read."""
        parent = os.getppid()
        select.select([self.inlet], [], [])
        pid = os.fork()
        if not pid:
            try:
                alone.end_with_parent()
                alone.adopt()
                os._exit(0 if self._next(once=False) else OVER)
            finally:
                os._exit(1)
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and os.getppid() == parent:
            time.sleep(0.01)
        if ended[0] == 0:  # whoever started us is gone
            os.kill(pid, signal.SIGKILL)
        alone.end_strays()
        self._empty_place()
        if ended[0] == 0 or os.waitstatus_to_exitcode(ended[1]) == OVER:
            return False
        if ended[1]:
            self.tell(("failed", "", "its process was ended, by its own code or from outside"))
        return True

    def _empty_place(self) -> None:
        if self.place.is_symlink():
            self.place.unlink()
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(mode=0o700, exist_ok=True)

    def _in_children(self, job: dict[str, Any]) -> None:
        """With another attempt for each cell, and each answer, that ends the child or never ends."""
        skip: dict[int | str, str] = {}
        ends = time.monotonic() + job["limit"]
        while len(skip) <= len(job["steps"]):
            self.tell(("again", "", None))
            pid, stream = fork_child(partial(self._child, job, frozenset(skip)))
            try:
                stuck, why = self._pass_on(pid, stream, job, ends)
            finally:
                end_child(pid, stream)
                alone.end_strays()
                self._empty_place()
            if stuck is None or stuck in skip:
                break
            skip[stuck] = why
            if time.monotonic() > ends:
                skip[0] = "the time for this notebook was up"
                break
        for what, why in skip.items():
            self.tell(("stuck", what, why))

    def _child(self, job: dict[str, Any], skip: Collection[int | str], tell: Tell) -> None:
        work = partial(take_steps, job, skip, tell)
        if self.barred:
            alone.limit_files(job["limit"])
            alone.settle_in(self.place)
            work()
        else:
            alone.alone(work, self.place, [Path(path) for path in job["hidden"]], job["limit"])

    def _pass_on(self, pid: int, stream: int, job: dict[str, Any], ends: float) -> tuple[int | str | None, str]:
        """Pass on what a child tells; the cell or the exercise where it got stuck or died, if it did, and how."""
        at: int | str | None = None
        while True:
            deadline = min(ends, time.monotonic() + job["cell_seconds"] + 15 * job["seconds"] + 60)
            try:
                told = receive(pid, stream, deadline)
                if told is None:
                    return at, LATE if time.monotonic() >= deadline else ENDED
                kind, what, _ = told if isinstance(told, tuple) and len(told) == 3 else ("", "", None)
                if kind not in AT_WORK or type(what) not in (int, str):
                    return at, NONSENSE
            except Unreadable:
                return at, NONSENSE
            at = what if kind in ("cell", "check") else None
            self.tell(told)

    def _try_out(self) -> str:
        """Why children cannot be cut off from this system; empty where they can."""

        def child(tell: Tell) -> None:
            try:
                alone.alone(lambda: tell("done"), self.place, [self.place.parent], 60)
            except OSError as error:
                tell(error.strerror or "it is not allowed")

        pid, stream = fork_child(child)
        try:
            said = receive(pid, stream, time.monotonic() + 300)
            return "" if said == "done" else str(said or "the trial came to nothing")
        except Unreadable as error:
            return str(error)
        finally:
            end_child(pid, stream)


def _read(descriptor: int, size: int) -> bytes | None:
    parts = b""
    while len(parts) < size:
        part = os.read(descriptor, min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return parts


def main() -> None:
    """Serve on the standard streams, which belong to nobody else from here on."""
    inlet, outlet = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        for stream in (inlet, outlet):
            msvcrt.setmode(stream, os.O_BINARY)
    os.dup2(2, 1)  # what the libraries say is no message
    alone.adopt()
    prepare()
    server = Server(inlet, outlet, Path(sys.argv[2]))
    quiet_process(keep=-1)
    try:
        server.serve(once=sys.argv[-1] == "once")
    finally:
        with suppress(OSError):
            os.chdir(server.place.parent)
        shutil.rmtree(server.place, ignore_errors=True)  # where the grader was ended, nobody else does
