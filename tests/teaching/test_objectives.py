"""The map of objectives: up to date, every link leads somewhere, and what nothing checks does not grow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segkit.grading.assignments import folder
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.chapters import Chapter, chapter_paths, read_chapter
from segkit.teaching.objectives import links_of, main, page, read_links

BY_NOBODY, BY_LEARNERS = 2, 23  # objectives in objectives.toml that nothing checks, or only learners: these only fall
FOR_NONE = {"dial_shift"}  # exercises that practise a section for which no objective stands: this only shrinks


def chapters() -> list[Chapter]:
    return [read_chapter(path) for path in chapter_paths()]


def test_the_page_is_up_to_date(tmp_path: Path) -> None:
    """Also when a section has been renamed, an objective reworded or an exercise changed."""
    assert main(["--to", str(tmp_path / "page.md")]) == 0
    made = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert made == (folder() / "OBJECTIVES.md").read_text(encoding="utf-8"), "run python -m segkit.teaching.objectives"


def test_every_objective_of_a_chapter_in_the_table_has_a_section_and_few_have_no_check() -> None:
    told = read_links()
    links = [one for chapter in chapters() if chapter.number in told for one in links_of(chapter, told[chapter.number])]
    assert len(links) > 60 and all(one.sections for one in links), [one.objective for one in links if not one.sections]
    for who, most in (("nobody", BY_NOBODY), ("learner", BY_LEARNERS)):
        found = [one.objective for one in links if one.checked == who]
        assert len(found) <= most, found


def test_exercises_serve_objectives() -> None:
    told = read_links()
    made = page([one for one in chapters() if one.number in told], told)
    found = {name for names in re.findall(r"no objective of this chapter: (.*)", made) for name in names.split(", ")}
    assert found == FOR_NONE


def test_a_chapter_that_is_not_in_the_table_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segkit.teaching.objectives.folder", lambda: tmp_path)  # where no quiz is
    (chapter,) = [one for one in chapters() if one.number == "03"]
    made = page([chapter], {})
    assert made.count("| nothing is linked | **nothing** |") == len(chapter.objectives)
    assert "\n- 03: put pooled values back where they came from\n" in made.split("## What nothing checks")[1]


def test_questions_of_a_quiz_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segkit.teaching.objectives.folder", lambda: tmp_path)
    (chapter,) = [one for one in chapters() if one.number == "03"]
    (tmp_path / "quizzes").mkdir()
    quiz = tmp_path / "quizzes" / "03.toml"
    quiz.write_text('[[question]]\nobjective = "put pooled"\n' * 2, encoding="utf-8")
    link = links_of(chapter, {"put pooled": ["3.3"]})[1]
    assert (link.questions, link.checked) == (2, "quiz")
    assert "| quiz (2 questions) |" in page([chapter], {"03": {"put pooled": ["3.3"]}})
    quiz.write_text('[[question]]\nobjective = "put back"\n', encoding="utf-8")
    with pytest.raises(NotebookError, match="0 objectives of chapter 03 begin with 'put back'"):
        links_of(chapter, {})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"put pooled": ["3.99"]}, "there is no '3.99'; the chapter has the sections 3.1, 3.2"),
        ({"put pooled": ["3.3", "no_such_exercise"]}, "there is no 'no_such_exercise'"),
        ({"put pooled": ["3.3", "predict 3.3"]}, "there is no 'predict 3.3'"),
        ({"put unpooled": ["3.3"]}, "0 objectives begin with 'put unpooled'"),
        ({"": ["3.3"]}, "6 objectives begin with ''"),
        ({"put pooled": ["think"]}, "no section teaches it; name one"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(told: dict[str, list[str]], said: str) -> None:
    (chapter,) = [one for one in chapters() if one.number == "03"]
    with pytest.raises(NotebookError, match=said.replace("(", r"\(")):
        links_of(chapter, told)


def test_a_renamed_section_changes_the_page() -> None:
    (chapter,) = [one for one in chapters() if one.number == "03"]
    before = page([chapter], read_links())
    chapter.sections["3.3"] = "Nails"
    assert page([chapter], read_links()) != before
