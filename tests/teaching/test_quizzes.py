"""The quizzes: about the chapters as they are, right where that can be computed, whole as a page and as a sheet."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from teaching.quizzes import make
from tests.teaching.quiz_names import names, plain

NOTEBOOKS = {path.name[:2]: path for path in sorted(make.COURSE.glob("[0-9][0-9]_*.ipynb"))}
FILES = {path.stem: path for path in sorted(make.HERE.glob("[0-9][0-9].toml"))}
QUIZZES = {chapter: make.read(path) for chapter, path in FILES.items()}
QUESTIONS = [
    pytest.param(chapter, question, id=f"{chapter}-{number}")
    for chapter, quiz in QUIZZES.items() for number, question in enumerate(quiz.questions, 1)
]  # fmt: skip
WITHOUT: set[str] = set()  # numbers of chapters that have no quiz


def markdown(chapter: str) -> list[str]:
    cells = json.loads(NOTEBOOKS[chapter].read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]


def objectives(chapter: str) -> list[str]:
    """What "you can" do after the chapter, from its first cell."""
    return [plain(line[2:]) for line in markdown(chapter)[0].splitlines() if line.startswith("- ")]


def test_every_chapter_has_a_quiz() -> None:
    assert set(NOTEBOOKS) - WITHOUT == set(FILES) - WITHOUT, "write teaching/quizzes/NN.toml, or add to WITHOUT"
    for chapter, quiz in QUIZZES.items():
        assert 10 <= len(quiz.questions) <= 14, f"chapter {chapter}: {len(quiz.questions)} questions"


@pytest.mark.parametrize("chapter", FILES)
def test_each_objective_is_tested_in_more_than_one_form(chapter: str) -> None:
    found = Counter()
    for question in QUIZZES[chapter].questions:
        fits = [line for line in objectives(chapter) if line.startswith(plain(question.objective))]
        assert len(fits) == 1, f"{question.objective!r} begins {len(fits)} objectives of chapter {chapter}"
        found[fits[0]] += 1
    assert set(found) == set(objectives(chapter)), "each thing that you can do wants a question"
    kinds = {question.kind for question in QUIZZES[chapter].questions}
    assert kinds == {"single", "several", "number"}, f"only {kinds}"


@pytest.mark.parametrize("chapter", FILES)
def test_sections_exist(chapter: str) -> None:
    headings = set(re.findall(r"(?m)^## (\d+\.\d+) ", "\n".join(markdown(chapter))))
    strange = {question.section for question in QUIZZES[chapter].questions} - headings
    assert not strange, f"chapter {chapter} has no section {', '.join(sorted(strange))}"


@pytest.mark.parametrize(("chapter", "question"), QUESTIONS)
def test_answer_is_right(chapter: str, question: make.Question) -> None:
    """What can be computed comes out as the answer says; what is quoted stands in the chapter."""
    if not question.check:
        pytest.skip("an argument to judge: nothing in it can be computed")
    value = eval(question.check, names(NOTEBOOKS[chapter]))
    if question.number is None:
        assert value is True, f"{question.check} is {value}"
        return
    assert value is not None, f"the chapter no longer prints what the question quotes: {question.check}"
    assert abs(value - question.number) <= question.within + 1e-9, f"computed {value}, written {question.number}"
    for number, _ in question.slips:
        assert abs(number - question.number) > question.within, f"{number} would count as right"


@pytest.mark.parametrize(("chapter", "question"), QUESTIONS)
def test_every_choice_has_its_sentence(chapter: str, question: make.Question) -> None:
    sentences = [why for _, _, why in question.choices] + [why for _, why in question.slips]
    if question.number is not None:
        sentences.append(question.why)
    for sentence in sentences:
        assert len(sentence.split()) >= 4 and sentence[-1] in ".)!?”", sentence
    assert question.number is not None or 3 <= len(question.choices) <= 6


def test_numbers_in_questions_on_tables_are_quoted() -> None:
    """A question that prints a table of measured figures says where in the chapter they stand."""
    unproved = [
        f"{chapter}: {q.ask.splitlines()[0]}" for chapter, quiz in QUIZZES.items() for q in quiz.questions
        if "|---" in q.ask and re.search(r"\d\.\d", q.ask) and not q.check
    ]  # fmt: skip
    assert not unproved, unproved


@pytest.mark.parametrize("chapter", FILES)
def test_page_needs_no_other_file_or_host(chapter: str) -> None:
    page = make.page(QUIZZES[chapter])
    assert not re.search(r"https?:|//[a-z]|src=|href=|@import|url\(|fetch\(|XMLHttp", page.replace("// ", ""))
    assert "QUIZ_" not in page and 'lang="en"' in page and "prefers-color-scheme: dark" in page


@pytest.mark.parametrize("chapter", FILES)
def test_sheet_keeps_the_answers_to_itself(chapter: str) -> None:
    quiz = QUIZZES[chapter]
    sheet, answers = make.sheet(quiz, answers=False), make.sheet(quiz, answers=True)
    for question in quiz.questions:
        assert question.ask.split("\n\n")[0] in sheet
        for text, right, why in question.choices:
            assert text in sheet and why not in sheet
            letter = "ABCDEFGH"[[each[0] for each in question.choices].index(text)]
            assert f"- {'✓' if right else '✗'} {letter}) {text}" in answers
        assert question.number is None or (question.why in answers and question.why not in sheet)


def test_right_answers_do_not_always_stand_in_one_place() -> None:
    places = Counter(
        [right for _, right, _ in q.choices].index(True)
        for quiz in QUIZZES.values() for q in quiz.questions if q.kind == "single" and len(q.choices) == 4
    )  # fmt: skip
    assert max(places.values()) < 0.45 * sum(places.values()), places


BAD = {
    "no TOML": ("[[question", "no TOML"),
    "nothing in it": ("title = 'x'", "wants tables"),
    "no section": ("ask = 'x'\nobjective = 'x'\nwrong = []", "`section` is missing"),
    "strange key": ("section = '1'\nobjective = 'x'\nask = 'x'\nwrong = []\nhint = 'x'", "unknown key `hint`"),
    "table first": ("section = '1'\nobjective = 'x'\nask = '| a |'\nwrong = []", "begins with a table"),
    "two kinds": ("section = '1'\nobjective = 'x'\nask = 'x'\nwrong = []\nnumber = 1\nright = []", "and not both"),
    "no sentence": ("section = '1'\nobjective = 'x'\nask = 'x'\nwrong = [['a']]\nright = [['b', 'c']]", "its sentence"),
    "no check": ("section = '1'\nobjective = 'x'\nask = 'x'\nwrong = []\nnumber = 1", "needs `why`"),
    "too few": ("section = '1'\nobjective = 'x'\nask = 'x'\nwrong = [['a', 'b']]\nright = [['b', 'c']]", "needs three"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_question_is_named(name: str, tmp_path: Path) -> None:
    text, said = BAD[name]
    path = tmp_path / "02.toml"
    path.write_text(text if name in ("no TOML", "nothing in it") else f"[[question]]\n{text}", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        make.read(path)
    assert "02.toml" in str(error.value)


def test_command_writes_all_three_with_nothing_but_python(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(make.HERE / "make.py"), "02", "--to", str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"02.html", "02.md", "02_answers.md"}
    command[4] = "99"
    answer = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert answer.returncode and "no quiz for chapter '99'" in answer.stderr
