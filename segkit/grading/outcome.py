"""What the calls of an answer came to, as plain data that another process may say and this one checks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from segkit.grading.values import LARGEST, Leaf
from segkit.grading.wire import Unreadable

KINDS = ("value", "nothing", "stub", "raised", "exit", "arguments", "odd", "timeout", "died", "skipped")
ORIGINS = ("torch", "numpy", "python")
MOST = 1000  # outcomes of an answer, characters of a message


@dataclass(frozen=True)
class Outcome:
    """What one call came to.

    Args:
        kind: "value", "nothing", "stub", "raised", "exit", "arguments", "odd", "timeout", "died" or "skipped".
        leaves: the result, for "value".
        error: the exception's type, for "raised" and "stub".
        note: the exception's message, or what came instead of a usable result.
        trace: the lines of the learner's own code that led there.
        changed: places of the arguments that were changed.
        printed: the beginning of what was printed.
        seconds: how long it took.
        finished: the operator that the exercise is about, where the answer called one.
        flow: the gradients that arrived at the arguments that want one.
    """

    kind: str
    leaves: tuple[Leaf, ...] = ()
    error: str = ""
    note: str = ""
    trace: tuple[str, ...] = ()
    changed: tuple[int, ...] = ()
    printed: str = ""
    seconds: float = 0.0
    finished: str = ""
    flow: tuple[Leaf, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        arrays = {name: [vars(leaf) for leaf in getattr(self, name)] for name in ("leaves", "flow")}
        return {**vars(self), **arrays}


@dataclass(frozen=True)
class Tried:
    """What an answer did.

    Args:
        kind: the name of its type.
        outcomes: of the calls, one a case; None where it cannot be called.
        stub: whether there is nothing in it yet.
    """

    kind: str
    outcomes: list[Outcome] | None = None
    stub: bool = True

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {**vars(self), "outcomes": self.outcomes and [outcome.plain() for outcome in self.outcomes]}


def read_outcome(said: Any) -> Outcome:
    """An outcome that another process tells of.

    Raises:
        Unreadable: it is none.
    """
    _fields(said, Outcome)
    if said["kind"] not in KINDS or not all(isinstance(said[name], list) for name in ("leaves", "flow")):
        raise Unreadable(f"an outcome of the kind {said['kind']!r:.40}")
    seconds, changed = said["seconds"], _tuple(said["changed"])
    if type(seconds) is not float or not math.isfinite(seconds) or not all(type(i) is int for i in changed):
        raise Unreadable("an outcome whose numbers are none")
    return Outcome(
        said["kind"], tuple(_leaf(one) for one in said["leaves"]), words(said["error"], 80), words(said["note"]),
        tuple(words(line, 300) for line in _tuple(said["trace"])), tuple(i for i in changed if 0 <= i < 20),
        words(said["printed"]), min(max(seconds, 0.0), 1e5), words(said["finished"], 80),
        tuple(_leaf(one) for one in said["flow"]),
    )  # fmt: skip


def read_tried(said: Any) -> Tried:
    """What another process tells of an answer.

    Raises:
        Unreadable: it is no such thing.
    """
    _fields(said, Tried)
    outcomes = said["outcomes"]
    if outcomes is not None and not (isinstance(outcomes, list) and len(outcomes) <= MOST):
        raise Unreadable("outcomes that are no list")
    found = None if outcomes is None else [read_outcome(one) for one in outcomes]
    return Tried(words(said["kind"], 80), found, said["stub"] is True)


def words(said: Any, most: int = MOST) -> str:
    """Words of a student's process, short, and without what would move a terminal's cursor.

    Raises:
        Unreadable: they are none.
    """
    if not isinstance(said, str):
        raise Unreadable(f"a {type(said).__name__} in place of words")
    short = said[:most].encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[^\n\t\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\U0010ffff]", "�", short)


def _leaf(said: Any) -> Leaf:
    _fields(said, Leaf)
    array = said["array"]
    if not isinstance(array, np.ndarray) or array.size > LARGEST or said["origin"] not in ORIGINS:
        raise Unreadable("a result that is no array")
    return Leaf(array, words(said["dtype"], 40), said["origin"], said["grad"] is True)


def _fields(said: Any, kind: type) -> None:
    if not isinstance(said, dict) or said.keys() != kind.__dataclass_fields__.keys():  # type: ignore[attr-defined]
        raise Unreadable("what is no result")


def _tuple(said: Any) -> tuple[Any, ...]:
    if not isinstance(said, tuple) or len(said) > 20:
        raise Unreadable(f"a {type(said).__name__} in place of a few things")
    return said
