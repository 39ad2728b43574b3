#!/usr/bin/env python3
"""The quizzes as pages and as sheets for print, from the questions beside this file. Needs Python 3.11+ alone.

    python teaching/quizzes/make.py [CHAPTER ...] [--to FOLDER]

For each chapter NN.html, a page that runs by itself in any browser, without a network; NN.md, a sheet to hand out;
and NN_answers.md, the same with the answers, for you. They come into FOLDER, or else into a folder
`quizzes` where you are. A question is written down once, in NN.toml:

    section = "2.5"                    # of the chapter; the page names it after the first answer
    objective = "compute output stri"  # how one of the things begins that "you can" do after the chapter
    ask = "..."                        # Markdown: paragraphs, tables, `code`, *emphasis*
    right = [["choice", "why it is right"]]                             # one: single choice; several: all that apply
    wrong = [["choice", "why one might think so, and what is wrong"]]
    check = "..."                      # Python that the tests evaluate: it must be true

or, in place of right and wrong, a number:

    number = 16
    within = 0.5                       # tolerance; left out: exactly
    unit = "pixels"
    why = "why it is that number"
    wrong = [[12, "how one gets there, and what is wrong"]]
    check = "..."                      # here its value must be the number
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
COURSE = HERE.parents[1] / "course"
KEYS = {"section", "objective", "ask", "right", "wrong", "number", "within", "unit", "why", "check"}
NEEDED = {"section": str, "objective": str, "ask": str, "wrong": list}


@dataclass(frozen=True)
class Question:
    section: str
    objective: str
    ask: str
    choices: tuple[tuple[str, bool, str], ...]  # text, right, why; for a number none
    number: float | None
    within: float
    unit: str
    why: str
    slips: tuple[tuple[float, str], ...]  # a wrong number, and what it comes from
    check: str

    @property
    def kind(self) -> str:
        if self.number is not None:
            return "number"
        return "single" if sum(right for _, right, _ in self.choices) == 1 else "several"


@dataclass(frozen=True)
class Quiz:
    chapter: str  # "02"
    title: str  # of the notebook
    questions: tuple[Question, ...]


def pairs(table: dict[str, Any], key: str, first: type | tuple[type, ...], where: str) -> list[tuple[Any, str]]:
    """The rows of `right` or `wrong`, each a choice or number with its sentence."""
    for row in (rows := table.get(key, [])):
        if not (isinstance(row, list) and len(row) == 2 and isinstance(row[0], first) and isinstance(row[1], str)):
            raise ValueError(f'{where}: `{key}` holds {row!r}; write each row as ["choice", "its sentence"]')
    return [(row[0], row[1].strip()) for row in rows]


def question(table: dict[str, Any], where: str) -> Question:
    for key, kind in NEEDED.items():
        if not isinstance(table.get(key), kind):
            raise ValueError(f"{where}: `{key}` is missing or no {kind.__name__}; see the top of make.py")
    if unknown := sorted(set(table) - KEYS):
        raise ValueError(f"{where}: unknown key `{unknown[0]}`; known are {', '.join(sorted(KEYS))}")
    if table["ask"].lstrip().startswith("|"):
        raise ValueError(f"{where}: `ask` begins with a table; write a sentence and an empty line before it")
    if ("number" in table) == ("right" in table):
        raise ValueError(f"{where}: give either `right` (choices) or `number`, and not both")
    choices: list[tuple[str, bool, str]] = []
    slips: list[tuple[float, str]] = []
    if "number" in table:
        slips = pairs(table, "wrong", (int, float), where)
        if not table.get("why") or not table.get("check"):
            raise ValueError(f"{where}: a number needs `why`, a sentence, and `check`, what the tests evaluate")
    else:
        choices = [(text, right, why) for key, right in (("right", True), ("wrong", False))
                   for text, why in pairs(table, key, str, where)]  # fmt: skip
        choices.sort(key=lambda c: hashlib.sha256((table["ask"] + c[0]).encode()).digest())  # always the same order
        if len({text for text, *_ in choices}) < max(3, len(choices)) or all(right for _, right, _ in choices):
            raise ValueError(f"{where}: needs three different choices or more, and one at least that is wrong")
    return Question(
        table["section"], table["objective"], table["ask"].strip(), tuple(choices), table.get("number"),
        table.get("within", 0), table.get("unit", ""), table.get("why", "").strip(), tuple(slips),
        table.get("check", ""),
    )  # fmt: skip


def notebook_of(path: Path) -> Path:
    """The chapter that a file of questions belongs to, by its number."""
    found = sorted(COURSE.glob(f"{path.stem}_*.ipynb"))
    if len(found) != 1:
        raise ValueError(
            f"{path.name}: {len(found)} notebooks in {COURSE.name}/ begin with {path.stem}_; one is needed"
        )
    return found[0]


def read(path: Path) -> Quiz:
    """One chapter's questions, checked."""
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is no TOML: {error}") from error
    cells = json.loads(notebook_of(path).read_text(encoding="utf-8"))["cells"]
    title = "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ")
    rows = tables.get("question", [])
    if set(tables) != {"question"} or not rows:
        raise ValueError(f"{path.name}: wants tables [[question]] and nothing else")
    return Quiz(path.stem, title, tuple(question(q, f"{path.name}, question {i}") for i, q in enumerate(rows, 1)))


def inline(text: str) -> str:
    parts = re.split(r"`([^`]+)`", text)
    for i, part in enumerate(parts):
        part = html.escape(part, quote=False)
        parts[i] = f"<code>{part}</code>" if i % 2 else re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", part)
    return "".join(parts)


def as_html(text: str) -> str:
    """Paragraphs and tables of a question as HTML."""
    out = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        if len(lines) < 2 or not all(line.startswith("|") for line in lines):
            out.append(f"<p>{inline(' '.join(lines))}</p>")
            continue
        rows = [[inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines]
        head = "".join(f'<th scope="col">{cell}</th>' for cell in rows[0])
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[2:])
        out.append(
            f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )
    return "\n".join(out)


def page(quiz: Quiz) -> str:
    """The quiz as one HTML file that needs no other."""
    data = [
        {
            "kind": q.kind, "section": q.section, "ask": as_html(q.ask), "unit": q.unit, "number": q.number,
            "within": q.within, "why": inline(q.why), "slips": [[n, inline(why)] for n, why in q.slips],
            "choices": [{"text": inline(t), "right": right, "why": inline(why)} for t, right, why in q.choices],
        }
        for q in quiz.questions
    ]  # fmt: skip
    packed = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return template.replace("QUIZ_TITLE", html.escape(quiz.title)).replace("QUIZ_DATA", packed)


def sheet(quiz: Quiz, answers: bool) -> str:
    """The quiz as Markdown, for print."""
    lines = [f"# Quiz: {quiz.title}", "" if answers else "\nName: ______________________________\n"]
    for i, q in enumerate(quiz.questions, 1):
        head, _, rest = q.ask.partition("\n\n")
        lines += [f"**{i}.** {head}", *(["", rest] if rest else []), ""]
        if q.kind == "number":
            shown = f"**{q.number:,g}**{f' (± {q.within:g})' if q.within else ''}" if answers else "____________"
            lines += [f"Answer: {shown} {q.unit}".rstrip(), ""]
            lines += [q.why, *(f"- {n:,g}: {why}" for n, why in q.slips), ""] if answers else []
            continue
        lines += ["*Choose all that apply.*", ""] if q.kind == "several" else []
        for letter, (text, right, why) in zip("ABCDEFGH", q.choices, strict=False):
            mark = ("✓ " if right else "✗ ") if answers else ""
            lines.append(f"- {mark}{letter}) {text}" + (f" — *{why.replace('*', '')}*" if answers else ""))
        lines.append("")
        lines += [f"(Section {q.section})", ""] if answers else []
    return "\n".join(lines).rstrip() + "\n"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the quizzes: a page, a sheet and its answers for each chapter.")
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="02, for instance; without any: all of them")
    parser.add_argument(
        "--to", type=Path, default=Path("quizzes"), metavar="FOLDER", help="where to (default: quizzes, where you are)"
    )
    given = parser.parse_args(words)
    files = {path.stem: path for path in sorted(HERE.glob("[0-9][0-9].toml"))}
    if strange := [c for c in given.chapters if c not in files]:
        sys.exit(f"there is no quiz for chapter {strange[0]!r}; there are quizzes for {', '.join(files)}")
    given.to.mkdir(parents=True, exist_ok=True)
    for chapter in given.chapters or files:
        try:
            quiz = read(files[chapter])
        except ValueError as error:
            sys.exit(str(error))
        made = {".html": page(quiz), ".md": sheet(quiz, False), "_answers.md": sheet(quiz, True)}
        for ending, text in made.items():
            (given.to / f"{chapter}{ending}").write_text(text, encoding="utf-8")
        print(f"{given.to.resolve() / chapter}.html, .md and _answers.md: {len(quiz.questions)} questions")
    print("hand out the page (.html) or the sheet (.md); what ends in _answers.md is yours")


if __name__ == "__main__":
    main()
