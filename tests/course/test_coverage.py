"""Every statement of the notes is answered or accounted for, tags say what their cells say, and the page is current."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.course import coverage
from tests.course.notebooks import tidy

LINK = re.compile(r"\]\(([^)#]+\.ipynb)#([^)]+)\)")
# what the chapters leave unanswered: take out what they answer, and let nothing in
OPEN: set[str] = set()


def test_every_statement_is_answered_or_accounted_for() -> None:
    assert not coverage.complaints(*coverage.read())


def test_no_statement_is_opened_again() -> None:
    book, _, _ = coverage.read()
    assert {s["id"] for s in book["statements"] if s.get("open")} == OPEN


def test_the_page_is_what_the_command_writes() -> None:
    stored = (coverage.COURSE / "coverage.md").read_text(encoding="utf-8")
    assert stored == coverage.page(*coverage.read()), "run python -m tests.course.coverage"


def test_links_of_the_page_lead_to_headings() -> None:
    links = set(LINK.findall((coverage.COURSE / "coverage.md").read_text(encoding="utf-8")))
    assert len({name for name, _ in links}) == len(coverage.chapters(coverage.COURSE))
    for name, place in links:
        cells = nbformat.read(coverage.COURSE / name, as_version=4).cells
        lines = [line for c in cells if c.cell_type == "markdown" for line in c.source.splitlines()]
        names = [line.lstrip("#").strip().replace("`", "").replace(" ", "-") for line in lines if line[:1] == "#"]
        assert place in names, f"{name} has no heading {place}"


def cell(kind: str, source: str, tags: dict[str, str], printed: str = "") -> dict[str, Any]:
    out = [{"output_type": "stream", "name": "stdout", "text": [printed]}] if printed else []
    return {"cell_type": kind, "source": [source], "metadata": {"segkit": {"statements": tags}}, "outputs": out}


def small() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A list of six statements and a chapter of four cells, with which nothing is wrong."""
    told = [("n1-001", [1, 2], "claim"), ("n1-002", [1], "history")]
    told += [(f"n2-00{i}", [2], "claim") for i in (1, 2, 3, 4)]
    statements = [dict(id=i, notes=n, kind=k, statement=f"That is {i}.") for i, n, k in told]
    statements[2]["part"], statements[3]["open"] = 13, True
    notes, parts = {"1": "one", "2": "two"}, {"13": "thirteen"}
    here = {"n2-003": "corrected: Last", "n2-004": "confirmed: The mean."}
    cells = [
        cell("markdown", "# 07 · A title\n\nA promise.", {}),
        cell("markdown", "Before.\n\n## 7.1 `First`\nThe [*mean*](glossary.md#m).\n\n### Sub, all of it\nLast.", here),
        cell("code", "print(x)  # two", {"n1-001": "refined: print … 0.5 points"}, "gain   0.5\npoints"),
        cell("markdown", "More.\n\n## 7.2 Second\nWho | did it.", {"n1-002": "history: Who"}),
    ]
    return dict(notes=notes, parts=parts, statements=statements), cells


def course(folder: Path, book: dict[str, Any], cells: list[dict[str, Any]]) -> Path:
    (folder / "statements.json").write_text(json.dumps(book), encoding="utf-8")
    (folder / "07_small.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return folder


def test_a_small_course(tmp_path: Path) -> None:
    book, found, there = coverage.read(course(tmp_path, *small()))
    assert not coverage.complaints(book, found, there)
    page = coverage.page(book, found, there)
    where = "[7.1 Sub, all of it](07_small.ipynb#Sub,-all-of-it), code"
    assert f"| n1-001, n2 | That is n1-001. | refined | print … 0.5 points | {where} |" in page
    assert "| history | Who | [7.2 Second](07_small.ipynb#7.2-Second), text |" in page
    assert "| 1 | one | 0 | 0 | 1 | 1 | 0 | 0 | 2 |" in page and "| 2 | two | 1 | 1 | 1 | 0 | 1 | 1 | 5 |" in page
    assert "| all | each statement once | 1 | 1 | 1 | 1 | 1 | 1 | 6 |" in page
    order = re.findall(r"^\| (n\d-\d+).*\[7\.\d (.\w+)", page, re.MULTILINE)
    assert order == [("n2-004", "First"), ("n2-003", "Sub"), ("n1-001", "Sub"), ("n1-002", "Second")]
    assert page.endswith("### thirteen\n\n- n2-001: That is n2-001.\n") and "- n2-002: That is n2-002." in page


def test_the_command_writes_the_page_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book, cells = small()
    assert coverage.main(course(tmp_path, book, cells)) == 0
    said = capsys.readouterr()
    assert said.err == "" and "1 statements wait for chapter 13, thirteen" in said.out
    assert "4 of 6 statements are answered" in said.out
    cells[2]["metadata"]["segkit"]["statements"] = {"n9-001": "confirmed: two", "n1-001": "proved: two"}
    (tmp_path / "coverage.md").unlink()
    assert coverage.main(course(tmp_path, book, cells)) == 1
    said = capsys.readouterr()
    assert "n9-001: statements.json has no such statement" in said.err and "2 faults are named above" in said.out
    assert "n1-002" in (tmp_path / "coverage.md").read_text(encoding="utf-8")


Edit = Callable[[list[dict[str, Any]], list[dict[str, Any]]], object]


def tag(number: int, **tags: str) -> Edit:
    return lambda s, c: c[number]["metadata"]["segkit"]["statements"].update(
        {k.replace("_", "-"): v for k, v in tags.items()}
    )


PLANTED: dict[str, tuple[Edit, str]] = {
    "unknown id": (tag(1, n9_001="confirmed: The mean."), "n9-001: statements.json has no such statement"),
    "unknown verdict": (tag(2, n1_001="proved: 0.5"), "'proved' is no verdict"),
    "history of a claim": (tag(2, n1_001="history: 0.5"), "its verdict is not 'history'"),
    "another number": (tag(2, n1_001="refined: 0.6 points"), "the cell does not say '0.6 points'"),
    "another order": (tag(2, n1_001="refined: points … 0.5"), "the cell does not say"),
    "no words": (tag(2, n1_001="refined"), "the cell does not say ''"),
    "a bar": (tag(3, n1_002="history: Who | did"), "words with | or $ spoil the table"),
    "two answers": (tag(3, n1_001="refined: did"), "n1-001 is answered 2 times"),
    "answered and open": (tag(3, n2_002="refined: did"), "n2-002 is answered: take its `open`"),
    "answered and waiting": (tag(3, n2_001="refined: did"), "n2-001 is answered: take its `open` or `part`"),
    "not answered": (lambda s, c: c[2]["metadata"].clear(), "n1-001 is answered nowhere"),
    "its chapter is there": (lambda s, c: s[2].update(part=7), "n2-001 is answered nowhere, though chapter 7 is"),
    "unknown part": (lambda s, c: s[2].update(part=14), "waits for part 14, which `parts` does not name"),
    "unsteady": (lambda s, c: c[2]["metadata"].update(tags=["nbval-ignore-output"]), "the cell does not say"),
    "twice": (lambda s, c: s.insert(1, dict(s[0])), "n1-001 stands behind n1-001"),
    "another note": (lambda s, c: s[0].update(notes=[2]), "the first is that of its id"),
    "unknown note": (lambda s, c: s[0].update(notes=[1, 3]), "all are among `notes`"),
    "unknown kind": (lambda s, c: s[0].update(kind="joke"), "one of claim, history"),
}  # fmt: skip


@pytest.mark.parametrize("edit, said", PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(edit: Edit, said: str, tmp_path: Path) -> None:
    book, cells = small()
    edit(book["statements"], cells)
    assert said in "\n".join(coverage.complaints(*coverage.read(course(tmp_path, book, cells))))


def test_running_a_chapter_again_keeps_its_tags() -> None:
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("1", metadata={"segkit": {"statements": {"n1-001": "x"}}})]
    )
    tidy(book)
    assert book.cells[0].metadata.segkit.statements == {"n1-001": "x"}
