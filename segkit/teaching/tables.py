"""Tables as CSV, as people and their spreadsheets leave them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from segkit.files import write_bytes
from segkit.grading.class_files import word
from segkit.grading.notebook_files import NotebookError
from segkit.kinds import what_is


def write_table(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows under a line of names; what a spreadsheet would take for a formula gets a `'` before it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([word(str(row.get(name, ""))) for name in columns])
    write_bytes(buffer.getvalue().encode("utf-8"), path)


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a table that `write_table` wrote and a spreadsheet may have saved, with its own separator and encoding.

    Raises:
        NotebookError: it cannot be read, or lacks a column.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
    missing = [name for name in columns if (not rows and name not in first) or (rows and name not in rows[0])]
    if missing:
        raise NotebookError(
            f"{path} has no column {', '.join(missing)}; its first line should read {','.join(columns)}"
        )
    return [{name: (row[name] or "").removeprefix("'").strip() for name in columns} for row in rows]


def read_names(path: Path) -> list[str]:
    """The students of a list: a name a line or, in a table, in the column `student`, `name`, or else the first.

    Raises:
        NotebookError: it cannot be read, or names nobody.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig", "replace")
    except OSError as error:
        raise NotebookError(
            f"{path} cannot be read: {error.strerror}; give a file with the name of a student in each line"
        ) from None
    if b"\0" in data:
        raise NotebookError(f"{path} {what_is(path)}; give a text file with the name of a student in each line")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    heads = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((heads.index(name) for name in ("student", "name") if name in heads), None)
    names = [row[column or 0].strip() for row in rows[column is not None :] if len(row) > (column or 0)]
    names = [name for name in dict.fromkeys(names) if name]
    if not names:
        raise NotebookError(f"{path} names nobody; write the name of a student in each line")
    return names
