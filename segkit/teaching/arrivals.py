"""Each downloaded file with all that is known of it: whose, which assignment, which attempt."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from segkit.grading.assignments import ASSIGNMENTS, Notebook, NotebookError
from segkit.grading.notebook import which_assignment
from segkit.grading.notebook_files import parse_notebook
from segkit.grading.numbers_cell import numbers
from segkit.grading.records import answers
from segkit.grading.written import own_cells
from segkit.teaching.downloads import Download
from segkit.teaching.roster import Roster
from segkit.teaching.senders import Sender, by_pattern, by_stem, folder_name, is_container, named_assignment

TAKEN, NO_NOTEBOOK, UNREADABLE, NOBODY, STRAY, OTHER = (
    "taken", "not a notebook", "cannot be read", "nobody's", "of no assignment", "another assignment")  # fmt: skip
_MAYBE = (".ipynb", ".txt", ".json")  # browsers save ch02.ipynb.txt


@dataclass
class Arrival:
    """A file that somebody handed in.

    Args:
        name, source, data, time: the file's own name, where it was found, what is in it, when it was handed in.
        sender: as the names on the way say.
        student: the name of their folder.
        assignment: "" where there is none.
        what: became of it.
        note: what the teacher should know besides.
        readable: whether it is a notebook that can be read.
        done: how much was done in it: exercises, the experiment, the student's own numbers; -1 where that is not known.
        made_for: the student for whom it was made, where it was made for one.
        listed: the folder of a student of the list; "" where it could not be recognised as one of these.
        late: how late it is, in words; "" where it is in time.
        now: where it lies in the class's folder.
    """

    name: str
    source: str
    data: bytes
    time: datetime
    sender: Sender
    student: str = ""
    assignment: str = ""
    what: str = TAKEN
    note: str = ""
    readable: bool = True
    done: int = -1
    made_for: str = ""
    listed: str = ""
    late: str = ""
    now: str = ""

    @property
    def filled(self) -> bool:
        """Whether anything was done in it, as far as one knows."""
        return self.done != 0

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.data or self.source.encode("utf-8", "replace")).hexdigest()

    @property
    def attempt(self) -> int:
        """The number at the end of a file's name, ch02-1.ipynb or "ch02 (1).ipynb": a later one is larger."""
        found = re.search(r"[-_ (](\d{1,3})\)?$", PurePosixPath(self.name).stem)
        return int(found.group(1)) if found else 0

    def tell(self, note: str) -> None:
        """Add a note."""
        if note not in self.note:
            self.note = "; ".join(filter(None, [self.note, note]))

    def row(self) -> dict[str, str]:
        """For the report."""
        when = "" if self.time == datetime.min else self.time.isoformat(" ", "seconds")
        told = {"student": self.student, "name": self.sender.name, "number": self.sender.number, "now": self.now}
        told |= {
            "assignment": self.assignment,
            "what": self.what,
            "note": self.note,
            "handed_in": when,
            "late": self.late,
        }
        return told | {"from": self.source, "sha256": self.sha}

    @classmethod
    def lying(cls, path: Path, student: str, assignment: str, before: dict[tuple[str, str], dict[str, str]]) -> Arrival:
        """What an earlier run put there, or the teacher did."""
        data, time = path.read_bytes(), datetime.fromtimestamp(int(path.stat().st_mtime))
        old = before.get((student, hashlib.sha256(data).hexdigest()), {})
        sender = Sender(old.get("name", student), old.get("number", ""))
        one = cls(path.name, old.get("from", "put there by hand"), data, time, sender, student, assignment)
        notebook = _notebook(data, path.name)
        one.note, one.late, one.readable = old.get("note", ""), old.get("late", ""), notebook is not None
        one.done = _done(notebook) if notebook else 0
        return one


def arrivals(
    found: list[Download], asked: str, known: list[dict[str, str]], roster: Roster | None = None
) -> list[Arrival]:
    """Say of each file whose it is, and what.

    Args:
        found: the files.
        asked: the assignment that was to be handed in, or "".
        known: rows of an earlier report, which tell people of one name apart.
        roster: the students, by whose list names and logins are recognised.
    """
    heaps = _heaps(found)
    made = [_arrival(one, _sender(one.parts, heaps, roster), asked) for one in found]
    for one in made if roster else []:
        person = roster.find(one.sender, one.made_for) if roster and one.sender.name else None
        if person:
            one.sender, one.listed = replace(one.sender, name=person.name), person.folder
        elif one.made_for:
            one.tell(f"not on the list of students; it was made for {one.made_for}")
    _name_folders(made, known)
    return made


def _heaps(found: list[Download]) -> set[tuple[str, ...]]:
    """Folders and archives that hold the folders of several students, and so are nobody's."""
    below: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in found:
        for depth in range(1, len(one.parts)):
            inner = one.parts[depth] if depth < len(one.parts) - 1 else ""
            below[one.parts[:depth]].add(inner)
    tops = {one.parts[0] for one in found}
    return {
        way
        for way, inner in below.items()
        if (len(way) == 1 and len(tops) == 1 and way[-1].lower().endswith(".zip"))
        or ((way[-1].lower().endswith(".zip") or (len(way) == 1 and len(tops) == 1))
            and "" not in inner and sum(not is_container(part) for part in inner) > 1)
    }  # fmt: skip


def _sender(parts: tuple[str, ...], heaps: set[tuple[str, ...]], roster: Roster | None) -> Sender | None:
    """Who the names on the way say it is; where there is a list, the first of them that is on it."""
    stems = [part[:-4] if part.lower().endswith(".zip") else part for part in parts]
    known = [by_pattern(part) or by_pattern(stem) for part, stem in zip(parts, stems, strict=True)]
    named = [Sender(stem) for stem in stems[:-1]]
    plain = [one for depth, one in enumerate(named, 1) if parts[:depth] not in heaps and not is_container(one.name)]
    own = by_stem(re.sub(r"(\.ipynb|\.txt|\.json)+$", "", parts[-1], flags=re.IGNORECASE))
    if roster:
        for one in filter(None, [*known, *named, own]):
            if roster.find(one):
                return one
    return next(filter(None, [*known, *plain, own]), None)


def _arrival(one: Download, sender: Sender | None, asked: str) -> Arrival:
    made = Arrival(one.parts[-1], one.where, one.data, one.time, sender or Sender(""))
    if sender and sender.time:
        made.time = datetime.strptime(sender.time, "%Y-%m-%d-%H-%M-%S")
    if sender and sender.late:
        made.tell("marked as late by the learning system")
    if one.problem or not made.name.lower().endswith(_MAYBE):
        made.what, made.note, made.readable = NO_NOTEBOOK, one.problem, False
        return made
    notebook = _notebook(one.data, made.name)
    if notebook is None and not made.name.lower().endswith(".ipynb"):
        made.what, made.readable = NO_NOTEBOOK, False
        return made
    _read_assignment(made, notebook, asked)
    if sender is None and made.what == TAKEN:
        made.what = NOBODY
        made.tell("neither its name nor its folder says whose it is; put it into a folder with the student's name")
    return made


def _read_assignment(made: Arrival, notebook: Notebook | None, asked: str) -> None:
    """What it is the answer to: what is in it says so, else its name, else what was asked for."""
    named = named_assignment(made.name)
    if notebook is None:
        made.readable, made.assignment = False, named or asked
        made.tell("it is empty" if not made.data.strip() else "it is cut off, or no notebook")
    else:
        try:
            made.assignment = which_assignment(notebook, Path(made.name))
            metas = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
            made.done = _done(notebook) if any(m.get("solution") for m in metas) else -1
            told = notebook["metadata"].get("segkit", {}).get("variant")
            made.made_for = str(told.get("student", "")) if isinstance(told, dict) else ""
            if not any(meta.get("grade") for meta in metas):
                made.tell("none of the assignment's check cells is in it; the chapter, perhaps, or cells were deleted")
        except NotebookError:
            made.tell("it answers no exercise; a chapter, perhaps, in place of its assignment")
            made.assignment = asked
        if named and made.assignment and named != made.assignment:
            made.tell(f"named {named}, but holds {made.assignment}")
        if not made.filled:
            made.tell("nothing in it is filled in")
    if made.assignment not in ASSIGNMENTS:
        made.what = UNREADABLE if notebook is None else STRAY
    elif asked and made.assignment != asked:
        made.what = OTHER
        made.tell(f"{asked} was asked for; to take it all the same, collect again without --assignment")


def _done(notebook: Notebook) -> int:
    """How many exercises hold something; one more for the experiment, and for the student's own numbers."""
    return len(answers(notebook)) + bool(own_cells(notebook)) + bool(numbers(notebook))


def _notebook(data: bytes, name: str) -> Notebook | None:
    try:
        return parse_notebook(data, Path(name))
    except (NotebookError, OSError):
        return None


def _name_folders(made: list[Arrival], known: list[dict[str, str]]) -> None:
    """A folder for each person: the name, with the system's number where two people of one name do one assignment."""
    numbers: dict[tuple[str, str], set[str]] = defaultdict(set)
    spelling: dict[str, str] = {}
    before: dict[tuple[str, str, str], str] = {}
    for row in known:
        if row["student"] and row["name"]:
            key = folder_name(row["name"]).casefold()
            spelling.setdefault(key, folder_name(row["name"]))
            numbers[key, row["assignment"]].add(row["number"])
            before[key, row["assignment"], row["number"]] = row["student"]
    for one in made:
        if one.sender.name and not one.listed:
            key = folder_name(one.sender.name).casefold()
            spelling.setdefault(key, folder_name(one.sender.name))
            numbers[key, one.assignment].add(one.sender.number)
    for one in made:
        one.student = one.listed
        if one.sender.name and not one.listed:
            key = folder_name(one.sender.name).casefold()
            alike = len(numbers[key, one.assignment]) > 1
            plain = f"{spelling[key]}-{one.sender.number}" if alike and one.sender.number else spelling[key]
            one.student = before.get((key, one.assignment, one.sender.number), plain)
            if alike:
                one.tell(f"{len(numbers[key, one.assignment])} people are called {one.sender.name}")
