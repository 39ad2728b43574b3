"""The map objective ↔ section ↔ exercise ↔ check, made of the notebooks, the exercises and teaching/objectives.toml.

python -m segkit.teaching.objectives      # write teaching/OBJECTIVES.md anew
"""

from __future__ import annotations

import argparse
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segkit.files import write_bytes
from segkit.grading.assignments import ASSIGNMENTS, folder
from segkit.grading.exercise import find
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.chapters import Chapter, chapter_paths, read_chapter
from segkit.teaching.rubric import rubric

_HEAD = """# Objectives: what teaches each, and what checks it

Made by `python -m segkit.teaching.objectives` from the chapters' first cells, `EXERCISE` of each exercise, the quizzes
and `objectives.toml`; do not edit. Numbers are those of the chapters' sections. An exercise is checked by the grader,
which tells typical mistakes by name; a quiz by its own answers; an experiment by a person with the rubric; *predict*,
*try* and *think* by the learners themselves, against the cell below or the answer in the chapter. A **claim** is an
assert that runs with the chapter.

"""


@dataclass(frozen=True)
class Link:
    """An objective with what teaches and what checks it."""

    objective: str
    sections: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # "experiment", "think", "predict 3.2", "try 3.2"
    questions: int = 0  # of the chapter's quiz

    @property
    def checked(self) -> str:
        """By whom: "grader", "quiz", "person", "learner" or "nobody"."""
        if self.exercises or self.questions:
            return "grader" if self.exercises else "quiz"
        return "person" if "experiment" in self.others else "learner" if self.others else "nobody"


def read_links(path: Path | None = None) -> dict[str, dict[str, list[str]]]:
    """What objectives.toml says, by chapter and beginning of the objective.

    Raises:
        NotebookError: it cannot be read.
    """
    return _toml(path or folder() / "objectives.toml")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotebookError(f"{path} cannot be read: {error}") from None


def links_of(chapter: Chapter, told: dict[str, list[str]]) -> list[Link]:
    """The chapter's objectives in their order, each with its links; without any where `told` says nothing of it.

    Raises:
        NotebookError: a link leads to no section, exercise or question, or a beginning fits no single objective.
    """
    by_objective: dict[str, list[str]] = {}
    for beginning, targets in told.items():
        fit = [one for one in chapter.objectives if one.startswith(beginning)]
        if len(fit) != 1:
            raise NotebookError(
                f"objectives.toml, chapter {chapter.number}: {len(fit)} objectives begin with {beginning!r}; the "
                f"chapter says: {'; '.join(chapter.objectives)}"
            )
        by_objective[fit[0]] = targets
    quiz = quiz_questions(chapter)
    return [replace(_link(chapter, one, by_objective.get(one, [])), questions=quiz[one]) for one in chapter.objectives]


def quiz_questions(chapter: Chapter) -> Counter[str]:
    """How many questions of teaching/quizzes/NN.toml name each objective; none where there is no quiz.

    Raises:
        NotebookError: the quiz cannot be read, or a question's `objective` fits no single objective.
    """
    path, found = folder() / "quizzes" / f"{chapter.number}.toml", Counter[str]()
    for question in _toml(path).get("question", []) if path.exists() else []:
        beginning = str(question.get("objective", ""))
        fit = [one for one in chapter.objectives if one.startswith(beginning)]
        if len(fit) != 1:
            raise NotebookError(
                f"{path}: {len(fit)} objectives of chapter {chapter.number} begin with {beginning!r}; "
                "write the beginning of one of them"
            )
        found[fit[0]] += 1
    return found


def _link(chapter: Chapter, objective: str, targets: list[str]) -> Link:
    sections, exercises, others = [], [], []
    known = [name for names in ASSIGNMENTS.values() for name in names]
    for target in targets:
        if target in chapter.sections:
            sections.append(target)
        elif target in known:
            exercises.append(target)
        elif chapter.asked[target] or (target == "experiment" and rubric(f"ch{chapter.number}")):
            others.append(target)
        else:
            raise NotebookError(
                f"objectives.toml, chapter {chapter.number}, {objective[:40]!r}: there is no {target!r}; the chapter "
                f"has the sections {', '.join(chapter.sections)} and {', '.join(+chapter.asked)}, and its assignment "
                f"{', '.join(ASSIGNMENTS.get(f'ch{chapter.number}', {})) or 'is not there'}"
            )
    if targets and not sections:
        raise NotebookError(
            f"objectives.toml, chapter {chapter.number}, {objective[:40]!r}: no section teaches it; name one"
        )
    return Link(objective, tuple(sections), tuple(exercises), tuple(others))


def page(chapters: list[Chapter], told: dict[str, dict[str, list[str]]]) -> str:
    """The map, as Markdown.

    Raises:
        NotebookError: as `links_of`.
    """
    lines, loose, alone = [_HEAD.rstrip("\n")], [], []
    for chapter in chapters:
        lines += [
            "",
            f"## {chapter.number} · {chapter.title}",
            "",
            "| you can | taught in | checked by |",
            "|---|---|---|",
        ]
        found = links_of(chapter, told.get(chapter.number, {}))
        lines += [_row(chapter, one) for one in found]
        loose += [f"- {chapter.number}: {one.objective}" for one in found if one.checked == "nobody"]
        alone += [f"- {chapter.number}: {one.objective}" for one in found if one.checked == "learner"]
        used = {name for one in found for name in one.exercises}
        unused = [name for name in ASSIGNMENTS.get(f"ch{chapter.number}", {}) if name not in used]
        lines += ["", f"Exercises for no objective of this chapter: {', '.join(unused)}"] if unused else []
    lines += ["", "## What only learners check", "", *alone] if alone else []
    lines += ["", "## What nothing checks", "", *(loose or ["- none"])]
    return "\n".join(lines) + "\n"


def _row(chapter: Chapter, one: Link) -> str:
    taught = "; ".join(f"{number} {chapter.sections[number]}{_claims(chapter, number)}" for number in one.sections)
    return (
        f"| {one.objective} | {taught or 'nothing is linked'} | {'; '.join(_checks(chapter, one)) or '**nothing**'} |"
    )


def _claims(chapter: Chapter, number: str) -> str:
    count = chapter.claims[number]
    return f" ({count} claim{'s' if count > 1 else ''})" if count else ""


def _checks(chapter: Chapter, one: Link) -> list[str]:
    told = []
    for name in one.exercises:
        exercise = find(name)
        groups = len({case.group for case in exercise.all_cases()}) - 1
        told.append(f"`{name}` ({exercise.number}, {groups} aspects, {len(exercise.mistakes)} mistakes told apart)")
    told += [f"quiz ({one.questions} question{'s' * (one.questions > 1)})"] if one.questions else []
    for other in one.others:
        parts = rubric(f"ch{chapter.number}") if other == "experiment" else []
        of = sum(part.out_of for part in parts)
        told.append(f"the experiment (rubric, {of:g} points)" if parts else f"*{other}*")
    return told


def write_page(path: Path | None = None) -> Path:
    """Write the map; where.

    Raises:
        NotebookError: as `links_of`, or segkit is installed without the course.
    """
    chapters = [read_chapter(one) for one in chapter_paths()]
    return write_bytes(page(chapters, read_links()).encode("utf-8"), path or folder() / "OBJECTIVES.md")


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m segkit.teaching.objectives", description="Write the map.")
    parser.add_argument("--to", type=Path, help="file (default: teaching/OBJECTIVES.md)")
    given = parser.parse_args(arguments)
    try:
        print(f"wrote {write_page(given.to)}")
    except NotebookError as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
