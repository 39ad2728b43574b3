"""Marks that a teacher gives and changes, and what of it stands on pages, in totals and in the summary."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from segkit.cli import main
from segkit.grading.class_files import page, write_marks
from segkit.grading.notebook import GradedNotebook, Row
from segkit.grading.notebook_files import NotebookError
from segkit.grading.records import save
from segkit.grading.submissions import Submission
from segkit.grading.verdict import FULL, REJECTED, Diagnosis, Result
from segkit.teaching import adjustments
from segkit.teaching.returning import give_back
from segkit.teaching.rubric import read_marks, rubric

HEAD = "student,assignment,exercise,mark,reason\n"


def graded(room: Path, shown: str = "I predict.", problems: list[str] | None = None) -> None:
    """A class as it is after grading: Anna with one exercise right and one wrong, and Bo, who handed in nothing."""
    wrong = Result("dice", 0.0, REJECTED, [Diagnosis("two-forgotten", "Twice.")], {"plain": False, "float64": True})
    rows = [Row("mean_iou", 4, 4, Result("mean_iou", 1.0, FULL)), Row("dice", 0, 3, wrong)]
    anna = Submission("Anna-O-Brien", "ch01", room / "submitted/Anna-O-Brien/ch01/ch01.ipynb", shown=shown)
    anna.report, anna.page, anna.place = (
        GradedNotebook(anna.path, "ch01", rows, problems or []),
        "ch01",
        "ch01/ch01.ipynb",
    )
    bo = Submission("Bo", "", room / "submitted/Bo", error="no notebook handed in", page="nothing")
    write_marks([anna, bo], room / "graded/marks.csv")
    save([anna, bo], room / "graded/graded.json", 10.0)


def totals(room: Path) -> dict[str, dict[str, str]]:
    with (room / "totals.csv").open(encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def text(room: Path, name: str) -> str:
    return (room / name).read_text(encoding="utf-8")


def test_a_changed_mark_stands_everywhere_and_stays(tmp_path: Path) -> None:
    graded(tmp_path)
    changes = HEAD + "Anna-O-Brien,ch01,dice,2,as you showed me\n"
    (tmp_path / "adjustments.csv").write_text(changes + "Anna-O-Brien,ch01,,-1.5,two days late\n", encoding="utf-8")
    for _ in range(2):
        told = give_back(tmp_path)
        assert told.warnings == []
        mine = totals(tmp_path)["Anna-O-Brien"]
        assert (mine["exercises"], mine["adjusted"], mine["total"]) == ("6", "0.5", "4.5")
        shown = text(tmp_path, "feedback/Anna-O-Brien/ch01.md")
        assert "## dice: 2 of 3\n\nChanged by hand from 0 to 2: as you showed me" in shown
        assert "Taken off by hand: 1.5. two days late" in shown and ": 4.5 of 17 marks" in shown
        graded(tmp_path)  # again, and the change stays
    adjustments.start(tmp_path)
    assert "as you showed me" in text(tmp_path, "adjustments.csv"), "a table that is there is left alone"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Eve,ch01,dice,2,why", "line 2 .*: nobody of that name handed this in"),
        ("Anna-O-Brien,ch01,dice,2,", "there is no reason; the student reads it"),
        ("Anna-O-Brien,ch01,dice,all,why", "the mark is 'all'; write a number"),
        ("Anna-O-Brien,ch01,dice,4,why", "the mark is 4; dice is worth 0 to 3"),
        (
            "Anna-O-Brien,ch01,conv2d,1,why",
            "there is no mark for 'conv2d'; ch01 has confusion_matrix, .*with no exercise",
        ),
        ("Bo,,dice,1,why", "there is no mark for 'dice'"),
        ("Anna-O-Brien,ch01,dice,1,why\nAnna-O-Brien,ch01,dice,2,why", "line 3 .*an earlier line changes dice as well"),
        ("Eve,ch01,dice,2,why\nAnna-O-Brien,ch01,dice,x,why", "(?s)line 2 .*line 3 "),
    ],
)
def test_a_line_that_cannot_be_followed_is_named(line: str, said: str, tmp_path: Path) -> None:
    graded(tmp_path)
    (tmp_path / "adjustments.csv").write_text(HEAD + line + "\n", encoding="utf-8")
    with pytest.raises(NotebookError, match=said):
        give_back(tmp_path)


def test_marks_written_into_the_grader_s_table_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graded(tmp_path)
    table = tmp_path / "graded/marks.csv"
    table.write_text(text(tmp_path, "graded/marks.csv").replace(",4,", ",9,", 1), encoding="utf-8")
    assert main(["class", "feedback", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    for said in (told, text(tmp_path, "summary.md")):
        assert "has no effect" in said and "adjustments.csv (student, assignment, exercise, mark, reason)" in said


def test_the_mark_of_another_answer_is_told_until_it_is_looked_at(tmp_path: Path) -> None:
    graded(tmp_path)
    give_back(tmp_path)

    def enter(mark: str, answer: str | None = None) -> None:
        rows = list(csv.reader((tmp_path / "rubric.csv").open(encoding="utf-8")))
        rows[1][5] = mark
        rows[1][7] = rows[1][7] if answer is None else answer
        csv.writer((tmp_path / "rubric.csv").open("w", encoding="utf-8", newline="")).writerows(rows)

    def told() -> bool:
        give_back(tmp_path)
        flagged = "Marked, and the answer has changed since: Anna-O-Brien" in text(tmp_path, "summary.md")
        assert ("an answer that you have changed since" in text(tmp_path, "feedback/Anna-O-Brien/ch01.md")) is flagged
        return flagged

    enter("1")
    assert not told()
    graded(tmp_path, "Something else.")
    assert told() and told(), "it stays so"
    assert read_marks(tmp_path / "rubric.csv")["Anna-O-Brien", "ch01", 1][0] == 1
    enter("1.5")
    assert not told(), "marked anew"
    graded(tmp_path, "A third text.")
    assert told()
    enter("1.5", "")
    assert not told(), "it is to stay"


def test_several_wrong_marks_are_told_at_once(tmp_path: Path) -> None:
    lines = ["student,assignment,part,out_of,for,mark,comment"]
    lines += ["Ann,ch01,1,2,what,3,", "Ann,ch01,2,2,what,1,", "Bo,ch01,1,2,w,x,"]
    (tmp_path / "rubric.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(NotebookError, match=r"(?s)line 2 .*the mark is 3; .*line 4 .*the mark is 'x'"):
        read_marks(tmp_path / "rubric.csv")


def test_who_did_nothing_waits_for_nothing(tmp_path: Path) -> None:
    graded(tmp_path, shown="")
    give_back(tmp_path)
    of = sum(part.out_of for part in rubric("ch01"))
    assert not (tmp_path / "rubric.csv").exists()
    assert {row["waiting"] for row in totals(tmp_path).values()} == {"0"}
    mine = totals(tmp_path)["Bo"]
    assert (mine["assignment"], mine["out_of"], mine["written_out_of"]) == ("ch01", "20", f"{of:g}")
    assert "No written answer: Anna-O-Brien" in text(tmp_path, "summary.md")


def test_a_page_that_says_nothing_came_goes_when_something_has(tmp_path: Path) -> None:
    graded(tmp_path)
    (tmp_path / "feedback/Anna-O-Brien").mkdir(parents=True)
    for ending in ("md", "html"):
        (tmp_path / f"feedback/Anna-O-Brien/nothing.{ending}").write_text("old", encoding="utf-8")
    give_back(tmp_path)
    assert sorted(path.name for path in (tmp_path / "feedback/Anna-O-Brien").iterdir()) == ["ch01.html", "ch01.md"]
    assert (tmp_path / "feedback/Bo/nothing.md").exists()


def test_names_stand_as_their_owners_write_them(tmp_path: Path) -> None:
    graded(tmp_path)
    kept = {"secret": "s", "students": ["Anna-O-Brien"], "names": {"Anna-O-Brien": "Anna O'Brien"}}
    (tmp_path / "own_numbers.json").write_text(json.dumps(kept), encoding="utf-8")
    give_back(tmp_path)
    assert "\nAnna O'Brien: " in text(tmp_path, "feedback/Anna-O-Brien/ch01.md")
    assert "<title>Anna O&#x27;Brien, ch01</title>" in text(tmp_path, "feedback/Anna-O-Brien/ch01.html")


def test_cells_that_cost_nothing_are_not_to_be_looked_at_by_hand(tmp_path: Path) -> None:
    harmless = "cell 3: NameError; this cell begins `x`, and it holds no answer, so it costs no marks by itself"
    graded(tmp_path, problems=[harmless, "cell 5: NameError; this cell begins `def dice`, and it holds `dice`"])
    give_back(tmp_path)
    by_hand = text(tmp_path, "summary.md").split("## To look at by hand")[1]
    assert "cell 5" in by_hand and "cell 3" not in by_hand
    assert "cell 3" in text(tmp_path, "feedback/Anna-O-Brien/ch01.md")


def test_a_verdict_says_why_there_are_no_marks_and_never_that_none_are_lost() -> None:
    wrong = Result(
        "dice", 0.0, REJECTED, [Diagnosis("nan", "NaN.")], {"plain": False, "float64": True}, ["it calls `x`."]
    )
    assert "the other aspects count once `plain` is right" in wrong.text()
    assert "No marks lost" not in wrong.text() and "(Noted: it calls `x`.)" in wrong.text()


def test_lists_and_code_of_a_page() -> None:
    made = page("T", "# Head\n\nText `code` <b>\n- one\n- two\n\nend\n```text\n- three\n```")
    assert "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n<p>end</p>" in made and "<code>code</code> &lt;b&gt;" in made
    assert "<pre>\n- three\n</pre>" in made and made.count("<ul>") == made.count("</ul>") == 1
