"""Whose a downloaded file is: what the names say that learning systems give to files and folders."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Moodle:     Berg Anna_12345_assignsubmission_file_ch03.ipynb, or a folder of that name up to "file_"
# Blackboard: Homework_aberg_attempt_2026-11-05-10-22-33_ch03.ipynb
# Canvas:     berganna_LATE_123_4567_ch03-1.ipynb
_MOODLE = re.compile(r"(?P<name>[^/]+?)_(?P<number>\d+)_assignsubmission_[a-z]+(?:_(?P<rest>.*))?")
_BLACKBOARD = re.compile(r".+?_(?P<name>[^_]+)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:[_.](?P<rest>.*))?")
_CANVAS = re.compile(r"(?P<name>[^\W\d_]+)_(?P<late>LATE_)?(?P<number>\d+)_\d+_(?P<rest>.+)")
_ASSIGNMENT = re.compile(r"(?<![a-z])ch\d\d(?!\d)", re.IGNORECASE)
_CONTAINERS = {
    *("submission", "submissions", "submitted", "download", "downloads", "assignment", "assignments", "notebook"),
    *("notebooks", "homework", "course", "student", "students", "canvas", "moodle", "blackboard", "export", "all"),
    *("files", "week", "abgabe", "abgaben", "copy"),
}


@dataclass(frozen=True)
class Sender:
    """Who handed in a file, as far as a name tells.

    Args:
        name: as it stands there.
        number: the system's, which tells two people of one name apart; "" where there is none.
        time: of the attempt, as the system writes it, "2026-11-05-10-22-33"; "" where the name has none.
        late: whether the name says so.
    """

    name: str
    number: str = ""
    time: str = ""
    late: bool = False


def by_pattern(part: str) -> Sender | None:
    """The sender in a name that a learning system made; None where it is no such name."""
    for pattern in (_MOODLE, _BLACKBOARD, _CANVAS):
        if found := pattern.fullmatch(part):
            told = found.groupdict()
            return Sender(told["name"], told.get("number") or "", told.get("time") or "", bool(told.get("late")))
    return None


def by_stem(stem: str) -> Sender | None:
    """The sender in a file's own name, "ch03_Anna Berg" or "anna-ch03"; None where only the assignment is in it."""
    rest = re.sub(r"[-_ (]*copy\s*\d*\)?", "", _ASSIGNMENT.sub("", stem), flags=re.IGNORECASE)
    rest = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", rest)
    return None if not rest or is_container(rest) else Sender(rest)


def is_container(part: str) -> bool:
    """Whether a folder's name is that of an assignment or of a heap ("canvas submissions (2)"), and nobody's."""
    words = re.findall(r"[^\W\d_]+", _ASSIGNMENT.sub(" ", part).casefold())
    return all(word in _CONTAINERS for word in words) if words else bool(_ASSIGNMENT.search(part))


def named_assignment(text: str) -> str:
    """The assignment that a file's name speaks of, such as "ch03"; "" where it names none, or several."""
    found = {one.lower() for one in _ASSIGNMENT.findall(text)}
    return found.pop() if len(found) == 1 else ""


def folder_name(text: str) -> str:
    """A student's name as the name of a folder: letters, digits, dots and dashes, on any system."""
    kept = re.sub(r"[^\w.]+", "-", unicodedata.normalize("NFC", text)).strip("-._")
    return kept[:80] or "nameless"
