"""What is shown of an experiment: every cell in which a student did something, with what it printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segkit.grading import grade_notebook
from segkit.grading.assignments import ASSIGNMENTS, Notebook, read_notebook, source_path, write_notebook
from segkit.grading.running import steps
from segkit.grading.submissions import collect
from segkit.grading.written import PICTURE, experiment_at, handed_out, own_cells, shown
from segkit.teaching.handout import student_notebook

TABLE = {"output_type": "stream", "name": "stdout", "text": ["offset  share\n", "     3   0.92\n"]}
FIGURE = {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": ["<Figure size 1>"]}}
ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}


def cell(kind: str, text: str, outputs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    made = {"cell_type": kind, "id": f"own-{len(text)}", "metadata": {}, "source": text}
    return made | {"outputs": outputs or [], "execution_count": None} if kind == "code" else made


def worked(assignment: str = "ch06") -> Notebook:
    """A notebook in which a student has worked on the experiment."""
    made = student_notebook(assignment)
    place = experiment_at(made)
    for one in made["cells"]:
        if one["source"] == "# Your experiment":
            one["source"], one["outputs"] = "# Your experiment\nprint(table)", [TABLE, FIGURE, ERROR]
        if one["source"].startswith("*Your predictions"):
            one["source"] += "\n\n# Mine\nThe counts say it."
    made["cells"].insert(place + 1, cell("markdown", "I predict ![plot](attachment:x.png) a slope."))
    made["cells"].insert(
        place, cell("code", "1 + 1\n'```'", [{"output_type": "execute_result", "data": {"text/plain": "2"}}])
    )
    return made


def test_everything_that_a_student_did_is_shown() -> None:
    text = shown(worked())
    parts = ["I predict [picture] a slope.", "print(table)", "offset  share\n     3   0.92", PICTURE, "ValueError: no"]
    for part in [*parts, "The counts say it.", "````python\n1 + 1\n'```'\n````", "```text\n2\n```"]:
        assert part in text, part
    assert "Figure size" not in text and "In how many ways" not in text, "nothing of ours"
    assert text.index("1 + 1") < text.index("I predict") < text.index("print(table)") < text.index("The counts")


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_what_is_as_it_was_handed_out_is_nobody_s_work(assignment: str) -> None:
    made = student_notebook(assignment)
    assert own_cells(made) == [] and shown(made) == ""
    assert made["cells"][experiment_at(made) - 1]["source"] == next(iter(handed_out(assignment).values()))
    for one in made["cells"]:
        one.pop("id")  # as some programs save it
    assert shown(made) == ""
    made["cells"][-1]["source"] += "\n\nMy answer."
    assert shown(made) == "My answer."


def test_odd_outputs_are_passed_over_and_long_ones_cut() -> None:
    made = worked()
    odd: list[Any] = [3, {}, {"text": 4}, {"data": []}, {"data": {"text/html": "<b>"}}, {"text": "QQ\ry\n\x1b[31mred"}]
    for one in made["cells"]:
        if one["source"].startswith("# Your experiment"):
            one["outputs"] = [*odd, {"text": "z" * 9000}]
    text = shown(made)
    assert "y\nred" in text and "QQ" not in text
    assert "(… and 3,000 characters more, in the notebook)" in text
    for one in made["cells"]:
        one["outputs"] = "nonsense"
    assert "print(table)" in shown(made)


def test_a_class_keeps_what_is_shown(tmp_path: Any) -> None:
    path = tmp_path / "Anna/ch06/ch06.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(worked()), encoding="utf-8")
    (one,) = collect(tmp_path)
    assert "offset  share" in one.shown and "outputs" not in one.notebook["cells"][0]  # type: ignore[index]


def test_the_experiment_does_not_run(tmp_path: Any) -> None:
    """Neither the assignment's own cells below the heading nor the student's; helpers are taken where one is needed."""
    made = read_notebook(source_path("ch02"))
    place = experiment_at(made)
    todo = steps(made, list(ASSIGNMENTS["ch02"]))
    assert {one.number for one in todo if one.late} == {
        number for number, one in enumerate(made["cells"], 1) if number > place and one["cell_type"] == "code"
    }
    cells = made["cells"]
    answer = next(one for one in cells if one["metadata"].get("nbgrader", {}).get("grade_id") == "seen_pixels")
    answer["source"] = answer["source"].replace("* stride", "* one(stride)")
    assert "one(stride)" in answer["source"]
    cells.append(cell("code", "import os\nwhile True:\n    os._exit(1)\n\nONE = 1\ndef one(n):\n    return ONE * n"))
    cells.insert(1, cell("code", "# mine\nimport os\nos._exit(1)"))
    write_notebook(made, tmp_path / "ch02.ipynb")
    report = grade_notebook(tmp_path / "ch02.ipynb")
    assert report.points == 20, report.table()
    (problem,) = report.problems
    assert problem.startswith("cell 2 ended Python") and "this cell begins `# mine`" in problem
    assert "it holds no answer, so it costs no marks" in problem
