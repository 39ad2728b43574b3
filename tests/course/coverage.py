"""What the course makes of the five reading notes: read from tags in the notebooks, written as course/coverage.md.

python -m tests.course.coverage     writes the page, and says what is missing or wrong in the tags

course/statements.json lists what the notes say, one statement a line, in our words. The cell of a chapter that answers
a statement names it in its metadata, with a verdict and the words (or figures) of that cell that answer it:

    "segkit": {"statements": {"n3-002": "corrected: By date, DeepLab v1 belongs second"}}

The words must stand in the cell's text, or in what it prints on every machine; " … " stands for what is left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parents[2] / "course"
VERDICTS = {
    "confirmed": "it holds, and the course shows it",
    "corrected": "it is wrong as it stands, and the course shows what is right",
    "refined": "it holds in part, or under conditions that the course names",
    "history": "it says who did what; the course tells it, and does not test it",
}
KINDS = ("claim", "history")
GAP = " … "
UNSTEADY = {"nbval-ignore-output", "needs-data", "needs-gpu"}  # what such cells print differs between machines
HEADING = re.compile(r"^#{2,3} .+$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """A tag: the statement, the cell that answers it, and where that cell stands; no heading if the words do not."""

    id: str
    notebook: str
    cell: int
    verdict: str
    words: str
    by: str
    section: str = ""
    heading: str = ""
    at: int = 0


def plain(text: str) -> str:
    """Text without the marks of Markdown, and with single spaces."""
    return " ".join(re.sub(r"[*`]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)).split())


def printed(cell: Mapping[str, Any]) -> str:
    """What a code cell prints, if that is the same on every machine."""
    if UNSTEADY & set(cell["metadata"].get("tags", ())):
        return ""
    found = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.get("outputs", ())]
    return "\n".join("".join(text) for text in found)


def pieces(cell: Mapping[str, Any], section: str, heading: str) -> Iterator[tuple[str, str, str]]:
    """A cell's text under each of its headings: section, heading, plain text."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "code":
        yield section, heading, plain(source + "\n" + printed(cell))
        return
    start = 0
    for mark in HEADING.finditer(source):
        yield section, heading, plain(source[start : mark.start()])
        marks, _, words = mark[0].partition(" ")
        heading, start = plain(words), mark.end()
        section = heading if len(marks) == 2 else section
    yield section, heading, plain(source[start:])


def stands(words: str, parts: Sequence[tuple[str, str, str]]) -> tuple[str, str, int] | None:
    """Section, heading and place where the words stand, all of them in their order; None if they do not."""
    text, first, end = " ".join(part[2] for part in parts), -1, 0
    for piece in plain(words).split(GAP):
        at = text.find(piece, end)
        if at < 0 or not piece:
            return None
        first, end = (at if first < 0 else first), at + len(piece)
    left = first
    for section, heading, part in parts:
        if left <= len(part):
            return section, heading, first
        left -= len(part) + 1
    return None


def title(cells: Sequence[Mapping[str, Any]]) -> str:
    return plain("".join(cells[0]["source"]).partition("\n")[0]).removeprefix("# ")


def answers(path: Path) -> list[Answer]:
    """The tags of one chapter, in the order of its cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found, section, heading = [], title(cells), title(cells)
    for number, cell in enumerate(cells):
        parts = list(pieces(cell, section, heading))
        section, heading = parts[-1][:2]
        claim = "claim" in cell["metadata"].get("tags", ())
        by = "claim" if claim else "code" if cell["cell_type"] == "code" else "text"
        for name, tag in cell["metadata"].get("segkit", {}).get("statements", {}).items():
            verdict, _, words = tag.partition(": ")
            found.append(Answer(name, path.name, number, verdict, words, by, *(stands(words, parts) or ())))
    return found


def chapters(course: Path) -> dict[int, Path]:
    return {int(p.name[:2]): p for p in sorted(course.glob("[0-9][0-9]_*.ipynb"))}


def form(book: Mapping[str, Any]) -> list[str]:
    """Complaints about the list itself."""
    out, last = [], ""
    for s in book["statements"]:
        name = s["id"]
        if not re.fullmatch(r"n[1-9]-\d{3}", name) or name <= last:
            out.append(f"{name} stands behind {last}: ids are like n2-017, each once, in order")
        if {str(n) for n in s["notes"]} - set(book["notes"]) or s["notes"][0] != int(name[1]):
            out.append(f"{name} is of the notes {s['notes']}: the first is that of its id, and all are among `notes`")
        if s["kind"] not in KINDS or not s["statement"].endswith("."):
            out.append(f"{name} is a sentence, and its kind one of {', '.join(KINDS)}")
        if "part" in s and str(s["part"]) not in book["parts"]:
            out.append(f"{name} waits for part {s['part']}, which `parts` does not name")
        last = name
    return out


def complaints(book: Mapping[str, Any], found: Sequence[Answer], there: Mapping[int, Path]) -> list[str]:
    """What is wrong with list and tags; none is good."""
    out, known, tagged = form(book), {s["id"]: s for s in book["statements"]}, Counter(a.id for a in found)
    for a in found:
        where = f"{a.notebook}, cell {a.cell}, {a.id}"
        if a.id not in known:
            out.append(f"{where}: statements.json has no such statement")
        elif a.verdict not in VERDICTS:
            out.append(f"{where}: {a.verdict!r} is no verdict; one of {', '.join(VERDICTS)}, then a colon and words")
        elif a.verdict == "history" and known[a.id]["kind"] != "history":
            out.append(f"{where}: the statement is a claim, so its verdict is not 'history'")
        elif not a.heading:
            out.append(f"{where}: the cell does not say {a.words!r}")
        elif "|" in a.words or "$" in a.words:
            out.append(f"{where}: words with | or $ spoil the table; leave them out ({GAP.strip()})")
    for name, s in known.items():
        waits = "part" in s and s["part"] not in there
        if tagged[name] > 1:
            out.append(f"{name} is answered {tagged[name]} times: keep the tag of the best answer")
        elif tagged[name] and (s.get("open") or waits):
            out.append(f"{name} is answered: take its `open` or `part` out of statements.json")
        elif not tagged[name] and not s.get("open") and not waits:
            of = f", though chapter {s['part']} is there" if "part" in s else ""
            out.append(f"{name} is answered nowhere{of}: tag the cell that does, or say `open`: {s['statement']}")
    return out


def summary(book: Mapping[str, Any], verdict: Mapping[str, str]) -> Iterator[str]:
    """How many statements of each note have which verdict."""
    heads = [*VERDICTS, "open", "no chapter"]
    yield f"| note | about | {' | '.join(heads)} | in all |"
    yield "|---" * (len(heads) + 3) + "|"
    rows = [(n, about, [s for s in book["statements"] if int(n) in s["notes"]]) for n, about in book["notes"].items()]
    for number, about, chosen in [*rows, ("all", "each statement once", book["statements"])]:
        counts = Counter(verdict[s["id"]] for s in chosen)
        yield f"| {number} | {about} | {' | '.join(str(counts[h]) for h in heads)} | {len(chosen)} |"


def name_of(s: Mapping[str, Any]) -> str:
    """The id, and the other notes that say it too."""
    return ", ".join([s["id"], *(f"n{n}" for n in s["notes"][1:])])


def chapter(path: Path, found: Sequence[Answer], known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The rows of one chapter."""
    yield f"\n## {title(json.loads(path.read_text(encoding='utf-8'))['cells'])}\n"
    yield "| | a note says | verdict | the chapter says | where |\n|---|---|---|---|---|"
    for a in sorted(found, key=lambda a: (a.cell, a.at, a.id)):
        number = re.match(r"\d+\.\d+ ", a.section) if a.heading != a.section else None
        link = f"[{number[0] if number else ''}{a.heading}]({path.name}#{a.heading.replace(' ', '-')})"
        yield f"| {name_of(known[a.id])} | {known[a.id]['statement']} | {a.verdict} | {a.words} | {link}, {a.by} |"


INTRODUCTION = """# What becomes of the notes

Five reading notes stand behind this course: one reader's summaries of the field, with good insights, gaps, errors and
open questions ([chapter 00](00_start_here.ipynb#Claim-cells)). This page lists all that they say, one statement a
line and in our words, and tells where the course answers it. There are four verdicts:
"""
READING = """
A statement's number begins with its note; other notes that say the same follow. The fourth column quotes the chapter:
figures that one of its cells has measured, where there are any. The last column says where they stand, and what they
rest on: a *claim* cell, whose asserts hold on your machine too, other *code*, or the chapter's *text* alone.

(`python -m tests.course.coverage` writes this page from the tags of the notebooks' cells, and the tests hold each
quotation against its cell.)
"""


def page(book: Mapping[str, Any], found: Sequence[Answer], there: Mapping[int, Path]) -> str:
    """course/coverage.md."""
    known = {s["id"]: s for s in book["statements"]}
    verdict = {name: "open" if s.get("part", 0) in (0, *there) else "no chapter" for name, s in known.items()}
    verdict |= {a.id: a.verdict for a in found}
    out = [INTRODUCTION, *(f"- **{name}**: {means};" for name, means in VERDICTS.items())]
    out[-1] = out[-1][:-1] + "."
    out += [READING, *summary(book, verdict)]
    for path in there.values():
        own = [a for a in found if a.notebook == path.name]
        out += chapter(path, own, known) if own else []
    left = [s for s in book["statements"] if verdict[s["id"]] == "open"]
    if left:
        out.append("\n## Open\n\nChapters cover these subjects, but leave these statements unanswered.\n")
        out += [f"- {name_of(s)}: {s['statement']}" for s in left]
    parts = {n: about for n, about in book["parts"].items() if int(n) not in there}
    if parts:
        out.append("\n## Not in the course yet\n\nNo chapter of the course is about these subjects.")
    for number, about in parts.items():
        waiting = [s for s in book["statements"] if s.get("part") == int(number)]
        out += [f"\n### {about}\n", *(f"- {name_of(s)}: {s['statement']}" for s in waiting)]
    return "\n".join(out) + "\n"


def read(course: Path = COURSE) -> tuple[dict[str, Any], list[Answer], dict[int, Path]]:
    there = chapters(course)
    book = json.loads((course / "statements.json").read_text(encoding="utf-8"))
    return book, [a for path in there.values() for a in answers(path)], there


def main(course: Path = COURSE) -> int:
    """Write the page from the tags that fit, and say what does not fit and what has no answer."""
    book, found, there = read(course)
    wrong, known = complaints(book, found, there), {s["id"] for s in book["statements"]}
    good = [a for a in found if a.id in known and a.verdict in VERDICTS and a.heading]
    (course / "coverage.md").write_text(page(book, good, there), encoding="utf-8")
    print(*wrong, sep="\n", end="\n" * bool(wrong), file=sys.stderr)
    waiting = Counter(s["part"] for s in book["statements"] if s.get("part", 0) not in (0, *there))
    for number, count in sorted(waiting.items()):
        print(f"{count} statements wait for chapter {number}, {book['parts'][str(number)]}")
    still = f"; {len(wrong)} faults are named above" if wrong else ""
    print(f"wrote coverage.md: {len({a.id for a in good})} of {len(known)} statements are answered{still}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
