"""What a learner's code prints and where it failed, kept short."""

from __future__ import annotations

import builtins
import io
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segkit.grading.binding import inside

KEPT = 400  # characters of output


class Printed(io.TextIOBase):
    """A stream that keeps the beginning of what is written and counts the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.kept, self.total = "", 0

    def write(self, text: str) -> int:
        self.total += len(text)
        if len(self.kept) < KEPT:
            self.kept += text[: KEPT - len(self.kept)]
        return len(text)

    def writable(self) -> bool:
        return True

    def text(self) -> str:
        """The beginning: at most five lines."""
        lines = self.kept.splitlines()
        short = "\n".join(lines[:5])
        left = self.total - len(short)
        return short + (f"\n… and {left} more characters" if len(lines) > 5 or self.total > KEPT else "")


def quiet_process(keep: int) -> None:
    """Cut this (child) process off from the terminal and from the notebook; only the descriptor `keep` stays of use."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        if descriptor != keep:
            os.dup2(nothing, descriptor)
    sys.stdin = io.StringIO("")
    sys.stdout = sys.stderr = Printed()  # type: ignore[assignment]
    builtins.input = _no_input


def _no_input(*_: object) -> str:
    raise EOFError("your function asks for input; while it is checked nobody can answer")


def message_of(error: BaseException) -> str:
    """What an exception says, which may be one of the learner's own and break when it is asked."""
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown: __str__ stops with an error)"


def first_lines(text: str) -> str:
    """The beginning of a message: its first line, two where that ends in a colon."""
    lines = text.strip().splitlines()
    short = " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1]) if lines else ""
    return short if len(short) <= 300 else short[:300] + " …"


def student_lines(error: BaseException, function: Callable[..., Any], most: int = 4) -> tuple[str, ...]:
    """The lines of a learner's own code that an exception came through, the last at the end."""
    own_file = getattr(inside(function, "__code__"), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename, own_file)]
    if len(frames) > most:
        frames = [frames[0], *frames[1 - most :]]
    return tuple(f"line {f.lineno}, in {f.name}: {f.line or _line(f)}" for f in frames)


def _line(frame: traceback.FrameSummary) -> str:
    return linecache.getline(frame.filename, frame.lineno or 0).strip()


def _is_own(filename: str, own_file: str | None) -> bool:
    if own_file is not None and filename == own_file:
        return True
    libraries = (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"], str(Path(__file__).parents[1]))
    return not filename.startswith((*libraries, "<frozen", "<__array_function__"))
