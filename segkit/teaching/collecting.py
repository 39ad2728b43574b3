"""A folder of downloads, made into submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb: nothing lost, nothing overwritten."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

from segkit.files import write_bytes
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.arrivals import TAKEN, UNREADABLE, Arrival, arrivals
from segkit.teaching.downloads import downloads, is_left_behind
from segkit.teaching.roster import Roster
from segkit.teaching.senders import folder_name
from segkit.teaching.tables import read_table, write_table

COLUMNS = ("student", "name", "number", "assignment", "what", "note", "handed_in", "late", "from", "now", "sha256")
REPORT, DEADLINES = "collected.csv", "deadlines.csv"
SAME = "the same again"


@dataclass
class Collected:
    """What became of a folder of downloads.

    Args:
        report: the table, a row for each file.
        rows: what is in it.
        left_behind: files that a system left, and nobody handed in; they are in no row.
        missing: students of the list who handed in nothing.
        unknown: students who are not on the list.
    """

    report: Path
    rows: list[dict[str, str]]
    left_behind: int = 0
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def text(self) -> str:
        """What a teacher wants to know: how many were taken, and each file that was not, or has a note."""
        taken = [row for row in self.rows if row["what"] == TAKEN]
        students = {row["student"] for row in taken}
        counts = Counter(row["what"] for row in self.rows if row["what"] != TAKEN)
        others = ", ".join(f"{number} × {what}" for what, number in counts.most_common())
        lines = [f"{len(self.rows)} files: {len(taken)} notebooks of {len(students)} students taken"]
        lines[0] += f"; {others}" if others else ""
        lines += [f"{self.left_behind} files that systems leave behind were passed over"] if self.left_behind else []
        lines += [
            f"  {row['student'] or 'nobody'}, {row['assignment'] or 'no assignment'}: {row['what']}"
            f"{'; ' + row['note'] if row['note'] else ''} ({row['from']})"
            for row in self.rows
            if row["what"] != TAKEN or row["note"]
        ]
        lines += [f"handed in nothing: {', '.join(self.missing)}"] if self.missing else []
        lines += [f"not on the list of students: {', '.join(self.unknown)}"] if self.unknown else []
        return "\n".join([*lines, f"each file and where it is now: {self.report}"])


def collect_downloads(
    source: str | Path,
    folder: str | Path,
    assignment: str = "",
    deadline: datetime | None = None,
    roster: Roster | None = None,
    in_time: bool = False,
) -> Collected:
    """Copy what students handed in into folder/submitted, and everything else that they sent into folder/aside.

    For each student and assignment the latest notebook that can be read is taken. An earlier run's files count as well:
    what was taken then, and is earlier, goes aside. The downloads stay as they are.

    Args:
        source: a folder of downloads, or one archive.
        folder: the class's folder.
        assignment: what was to be handed in; "" where notebooks say it themselves.
        deadline: what came later is taken too, and noted. It is kept in deadlines.csv and holds the next time as well.
        roster: the students, to see who is missing and whose a login is.
        in_time: whether what came in time counts where something came later.

    Raises:
        NotebookError: there are no downloads.
    """
    folder, left_behind = Path(folder), 0
    if folder.resolve() == Path(source).resolve():
        raise NotebookError(f"{source} is both the downloads and the class's folder; name another folder with --to")
    known = read_table(folder / REPORT, COLUMNS, ("late",)) if (folder / REPORT).exists() else []
    found = downloads(Path(source))
    left_behind = sum(is_left_behind(one.parts) for one in found)
    found = [one for one in found if not is_left_behind(one.parts)]
    if not found:
        raise NotebookError(f"{source} is empty: there is nothing to collect; give the folder of the downloads")
    new = arrivals(found, assignment, known, roster)
    ends = _deadlines(folder, assignment, deadline)
    for one in new:
        _tell_late(one, ends)
    rows = _sort_out(new, folder, known, in_time)
    result = Collected(folder / REPORT, rows, left_behind)
    if roster is not None:
        _compare(result, roster, folder)
    write_table(result.report, COLUMNS, rows)
    return result


def _deadlines(folder: Path, assignment: str, deadline: datetime | None) -> dict[str, datetime]:
    """The deadline of each assignment, and under "" that of all others: those given before, and the one of today."""
    path, ends = folder / DEADLINES, dict[str, datetime]()
    for row in read_table(path, ("assignment", "deadline")) if path.exists() else []:
        try:
            ends[row["assignment"]] = datetime.fromisoformat(row["deadline"]).replace(tzinfo=None)
        except ValueError:
            raise NotebookError(
                f"{path}: the deadline of {row['assignment'] or 'all'} is {row['deadline']!r}; write a day and a time, "
                "such as 2027-01-31 23:59"
            ) from None
    if deadline:
        ends[assignment] = deadline
        rows = [{"assignment": name, "deadline": end.isoformat(" ", "minutes")} for name, end in sorted(ends.items())]
        write_table(path, ("assignment", "deadline"), rows)
    return ends


def _tell_late(one: Arrival, ends: dict[str, datetime]) -> None:
    end = ends.get(one.assignment, ends.get(""))
    if one.what == TAKEN and end and one.time > end:
        one.late = _span(one.time - end)
        one.tell(f"handed in {one.late} late")
    elif one.what == TAKEN and one.sender.late:
        one.late = "as the learning system says"


def _span(late: object) -> str:
    days, rest = getattr(late, "days", 0), getattr(late, "seconds", 0)
    return f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"


def _sort_out(new: list[Arrival], folder: Path, known: list[dict[str, str]], in_time: bool) -> list[dict[str, str]]:
    """Copy each file to its place; a row for every one of this time and of earlier times."""
    rows = {(row["student"], row["sha256"], row["from"]): row for row in known}
    before = {(row["student"], row["sha256"]): row for row in known}
    groups: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
    for one in new:
        groups[one.student, one.assignment if one.what == TAKEN else ""].append(one)
    _tell_equal(new)
    for (student, assignment), group in sorted(groups.items()):
        chosen = _choose(group, folder, student, assignment, before, in_time) if assignment else None
        if student:
            (folder / "submitted" / student).mkdir(parents=True, exist_ok=True)  # who sent a picture has a row, too
        for one in group:
            if one is chosen:
                one.now = f"submitted/{student}/{assignment}/{assignment}.ipynb"
                _put(one.data, folder / one.now, one.time)
            elif chosen and one.what == SAME:
                one.now = f"submitted/{student}/{assignment}/{assignment}.ipynb"
            elif one.data:
                one.now = _aside(one.data, folder, student, one.name, one.time)
            rows[one.student, one.sha, one.source] = one.row()
    return sorted(rows.values(), key=lambda row: (row["student"], row["assignment"], row["handed_in"], row["from"]))


def _choose(
    group: list[Arrival], folder: Path, student: str, assignment: str, before: dict[tuple[str, str], dict[str, str]],
    in_time: bool,
) -> Arrival:  # fmt: skip
    """The latest that can be read and in which something was done, of what arrives and of what lies there.

    The others are noted as what they are.
    """
    path = folder / "submitted" / student / assignment / f"{assignment}.ipynb"
    there = Arrival.lying(path, student, assignment, before) if path.exists() else None
    by_sha = {one.sha: one for one in group}  # the last of equal ones
    if there and there.sha not in by_sha:
        group.append(there)
    order = sorted(group, key=lambda one: (one.readable, one.filled, in_time and not one.late, one.time, one.attempt,
                                           one.name))  # fmt: skip
    chosen = order[-1]
    for one in order[:-1]:
        _compare_with(one, chosen)
    if there and there is not chosen and there.sha != chosen.sha:
        chosen.tell("in place of one that was collected before")
        _aside(there.data, folder, student, there.name, there.time)  # before its place is taken
    return chosen


def _compare_with(one: Arrival, chosen: Arrival) -> None:
    """Say what a notebook is that does not count, and of the one that does what speaks against it."""
    later = one.time > chosen.time
    if one.sha == chosen.sha:
        one.what = SAME
    elif not one.readable:
        one.what = UNREADABLE
        if later:
            chosen.tell("a later one cannot be read, and lies in aside")
    elif later and not one.filled:
        one.what = "nothing filled in"
        chosen.tell("a later one has nothing filled in, and lies in aside")
    else:
        one.what = "a late version" if later else "an earlier version"
    if chosen.late and one.readable and not one.late and one.done > chosen.done:
        chosen.tell(
            f"it came late and holds less ({chosen.done} parts) than one that came in time ({one.done} parts), which "
            "lies in aside; --in-time takes that one"
        )


def _tell_equal(new: list[Arrival]) -> None:
    """Note files that several students handed in, to the byte."""
    owners: dict[str, set[str]] = defaultdict(set)
    for one in new:
        if one.what == TAKEN and one.filled:
            owners[one.sha].add(one.student)
    for one in new:
        if len(owners[one.sha]) > 1:
            one.tell(f"the same file as {', '.join(sorted(owners[one.sha] - {one.student}))}")


def _put(data: bytes, path: Path, time: datetime) -> None:
    if not path.exists() or path.read_bytes() != data:
        write_bytes(data, path)
    if time != datetime.min:
        os.utime(path, (time.timestamp(), time.timestamp()))


def _aside(data: bytes, folder: Path, student: str, name: str, time: datetime) -> str:
    """Put a file into aside/STUDENT, under a name that no other file has; where it lies now."""
    safe = Path(re.sub(r"[^\w. -]+", "-", name)[-100:] or "file")
    for number in count():
        now = Path("aside") / (student or "nobody") / (f"{safe.stem}-{number}{safe.suffix}" if number else safe.name)
        path = folder / now
        if not path.exists() or path.read_bytes() == data:
            _put(data, path, time)
            return now.as_posix()
    raise AssertionError("unreachable")


def _compare(result: Collected, roster: Roster, folder: Path) -> None:
    """Who is missing, with an empty folder for each so that the marks show it; and who is not on the list."""
    listed = {one.folder.casefold(): one.folder for one in roster.people}
    came = {row["student"]: folder_name(row["name"] or row["student"]).casefold() for row in result.rows}
    result.missing = [name for key, name in listed.items() if key not in came.values()]
    result.unknown = sorted(student for student, key in came.items() if student and key not in listed)
    for name in result.missing:
        (folder / "submitted" / name).mkdir(parents=True, exist_ok=True)
