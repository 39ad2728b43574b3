"""The term plan and the model answers: about the notebooks as they are, and complete."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path

import pytest

from segkit.grading import exercises

ROOT = Path(__file__).resolve().parents[2]
TEACHING = ROOT / "teaching"
CHAPTERS = {path.name[:2]: path for path in sorted((ROOT / "course").glob("[0-9][0-9]_*.ipynb"))}
ASSIGNMENTS = {path.parent.name: path for path in sorted((TEACHING / "source").glob("ch*/ch*.ipynb"))}
TERM, ANSWERS, EXPERIMENTS = (
    (TEACHING / f"{name}.md").read_text(encoding="utf-8") for name in ("TERM", "ANSWERS", "EXPERIMENTS")
)


def markdown(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def minutes(path: Path) -> int:
    """What a notebook's first cell says: `**Minutes:** 70 to read …` or `About 100 minutes …`."""
    return int(re.search(r"\*\*Minutes:\*\* (\d+)|About (\d+) minutes", markdown(path)[0]).expand(r"\1\2"))


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of the plan."""
    part = TERM.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("heading", ["Fifteen weeks", "Five days"])
def test_each_plan_has_every_chapter_once_with_its_minutes(heading: str) -> None:
    named = []
    for row in rows(heading):
        chapters = re.findall(r"\d\d", row[1])
        named += chapters
        said = sum(int(n) for n in re.findall(r"\d+", row[2]))
        assert said == sum(minutes(CHAPTERS[chapter]) for chapter in chapters), f"{heading}, {row[0]}: {row[2]}"
    assert named == list(CHAPTERS)


def test_weeks_name_the_assignments_and_quizzes_of_their_chapters() -> None:
    given = []
    for week, chapters, _, assignment, quiz in rows("Fifteen weeks"):
        assert quiz == chapters
        for name, said in re.findall(r"(ch\d\d) \((\d+)\)", assignment):
            given.append(name)
            assert name[2:] in chapters and minutes(ASSIGNMENTS[name]) == int(said), f"week {week}"
        part = re.search(rf"(?ms)^### Week {week} · .*?(?=^##)", TERM).group()
        assert "**Where they get stuck.**" in part and (chapters == "–" or "**Discuss.**" in part)
        assert chapters == "–" or part.count(" Say: ") == 3, f"week {week} wants three things to say"
    assert given == list(ASSIGNMENTS)


def test_sections_and_exercises_of_the_plan_exist() -> None:
    there = {s for path in CHAPTERS.values() for s in re.findall(r"(?m)^## (\d+\.\d+) ", "\n".join(markdown(path)))}
    named = set(re.findall(r"§(\d+\.\d+)", TERM))
    assert len(named) > 40 and named <= there, named - there
    for day in rows("Five days"):
        assert set(re.findall(r"`(\w+)`", day[3])) <= set(exercises())


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_question_to_think_about_has_its_answer(name: str) -> None:
    """By its number and its first words, with what earns half and what is empty."""
    asked = re.findall(r"(?m)^(\d+)\. (.*)$", markdown(ASSIGNMENTS[name])[-2])
    part = re.search(rf"(?ms)^## {name}\n(.*?)(?=^## |\Z)", ANSWERS)
    assert part, f"write the answers of {name} into teaching/ANSWERS.md"
    answers = re.findall(r"(?ms)^\*\*(\d+)\. (.*?)\*\*(?=[ \n])(.*?)(?=^\*\*\d|\Z)", part.group(1))
    assert [number for number, *_ in answers] == [number for number, _ in asked]
    for (number, question), (_, words, answer) in zip(asked, answers, strict=True):
        begins = words.rstrip(".?").strip()
        assert question.startswith(begins) and len(begins.split()) >= 5, f"{name}, {number}: {words}"
        model, _, rest = answer.partition("*Half:*")
        assert len(model.split()) > 30 and "*Empty:*" in rest, f"{name}, {number}"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_experiment_has_its_rubric_and_its_findings(name: str) -> None:
    """In the notebook what earns points; here what to expect, and a full, a half and an empty answer to each part."""
    (asked,) = [text for text in markdown(ASSIGNMENTS[name]) if re.match(r"## .*Experiment: ", text)]
    printed = [line for line in asked.splitlines() if re.match(r"\| (\d|a )", line)]
    part = re.search(rf"(?ms)^\*\*{name}, (.*?)(?=^\*\*ch|\Z)", EXPERIMENTS)
    assert part and len(printed) >= 4, f"write what to expect of {name} into teaching/EXPERIMENTS.md"
    title = re.match(r"## .*Experiment: (.*)", asked).group(1).rstrip("?")
    assert part.group(1).startswith(title), f"{name} asks: {title}"
    table = re.search(
        r"(?ms)^\| [^|]*\| full \| half \| empty \|\n\|---\|---\|---\|---\|\n(.*?)(?=^[^|]|\Z)", part.group()
    )
    assert table, f"{name}: a full, a half and an empty answer"
    assert len(table.group(1).strip().splitlines()) == len(printed), f"{name}: a row for each of {len(printed)} parts"
    assert re.search(r"\d", part.group().split("| full |")[0]), "and numbers to expect"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_a_chapter_asks_has_an_answer_folded_below_it(chapter: str) -> None:
    text = "\n\n".join(markdown(CHAPTERS[chapter]))
    for asked in re.finditer(r"(?m)^\*\*Try[^*\n]*\*\*|^(?:- )?\*To think about:\*", text):
        until = re.search(r"(?m)^\*\*Try|^(?:- )?\*To think about:\*|^## Further|\Z", text[asked.end() :]).end()
        assert "<details>" in text[asked.end() :][:until], f"chapter {chapter}: {text[asked.start() :][:80]}"


def test_numbers_in_the_answers_come_out() -> None:
    found = doctest.testfile(str(TEACHING / "ANSWERS.md"), module_relative=False, encoding="utf-8")
    assert found.attempted > 20 and not found.failed


def test_the_guide_leads_to_all_of_it() -> None:
    guide = (TEACHING / "INSTRUCTORS.md").read_text(encoding="utf-8")
    for place in ("EXPERIMENTS.md", "ANSWERS.md", "TERM.md", "quizzes"):
        assert f"]({place})" in guide and (TEACHING / place).exists()
