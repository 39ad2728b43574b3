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


def table_text(path: Path, hint: str = "") -> str:
    """The text of a table, in whatever encoding a spreadsheet or a learning system has written it.

    Raises:
        NotebookError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror}{hint}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise NotebookError(f"{path} {what_is(path)}; give a text file{hint.removeprefix('; give a file')}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_table(path: Path, columns: Sequence[str], may_lack: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a table that `write_table` wrote and a spreadsheet may have saved, with its own separator and encoding.

    Args:
        path: of the table.
        columns: their names.
        may_lack: those that a table of an earlier release has not; they are then empty.

    Raises:
        NotebookError: it cannot be read, or lacks a column.
    """
    text = table_text(path)
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
    needed = [name for name in columns if name not in may_lack]
    missing = [name for name in needed if (not rows and name not in first) or (rows and name not in rows[0])]
    if missing:
        raise NotebookError(
            f"{path} has no column {', '.join(missing)}; its first line should read {','.join(columns)}"
        )
    return [{name: (row.get(name) or "").removeprefix("'").strip() for name in columns} for row in rows]
