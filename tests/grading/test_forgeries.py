"""Submissions that attack the grader: marks forged, others' work touched, right answers read, processes left behind."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from segkit.grading import hosting
from segkit.grading.assignments import (
    NotebookError,
    generate,
    marks_in,
    read_notebook,
    source_path,
    student_version,
    write_notebook,
)
from segkit.grading.classroom import ClassResult, grade_class
from segkit.grading.notebook import grade_notebook
from segkit.grading.sandbox import method

pytestmark = pytest.mark.skipif(method() != "fork", reason="promised on Linux only; INSTRUCTORS.md says what elsewhere")
SLEEP = "98765.4321"  # seconds; a daemon that nobody else starts

FORGED = """
import os, pickle
from segkit.grading.outcome import Outcome
from segkit.grading.wire import frame
class Bomb:
    def __reduce__(self):
        return (os.system, ("touch {mark}",))
right = Outcome("value").plain()
false = ("tried", "conv2d", {{"kind": "function", "outcomes": [right] * 33, "stub": False}})
for fd in range(3, 40):
    for data in (frame(false), frame(("end", "", None)), frame(("stuck", 1, "x")), pickle.dumps(Bomb()), bytes(99)):
        try:
            os.write(fd, data)
        except OSError:
            pass
"""
PATCHED = """
import segkit.grading.sandbox as s, segkit.grading.outcome as o, segkit.grading.values as v
v.same = v.all_same = lambda *a: True
o.Tried.plain = lambda self: {"kind": "function", "score": 1.0, "status": "full marks", "outcomes": None, "stub": False}
def conv2d(*args):
    return 0
"""
KILLS = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"  # no more: where nothing is cut off, it would be us
DAEMON = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{SLEEP}"])
    os._exit(0)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        time.sleep(1e5)
os._exit(0)
"""
LOOKS = """
found = []
def tries(what):
    try:
        found.append(str(what()))
    except Exception as error:
        found.append(type(error).__name__)
def by_import():
    from segkit.grading.exercise import find
    return find("dice").reference
def by_memory():
    import gc
    return [o for o in gc.get_objects() if type(o).__name__ == "Exercise"]
tries(by_import)
tries(by_memory)
tries(lambda: __import__("segkit.grading.slips"))
tries(lambda: open({source!r}).read(9))
tries(lambda: open({answer!r}).read(9))
tries(lambda: open({other!r}).read(9))
tries(lambda: open({other!r}, "w").write("spoilt"))
tries(lambda: open("big", "wb").truncate(3 << 30))
tries(lambda: __import__("socket").create_connection(("127.0.0.1", {port}), 2))
raise RuntimeError(" ".join(found))
"""


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return read_notebook(source_path("ch02"))


def with_cell(notebook: dict[str, Any], code: str, answers: bool = True) -> str:
    """The text of a solved notebook, or an empty one, with a cell of one's own before all others."""
    whole = json.loads(json.dumps(notebook if answers else student_version(notebook)))
    cell = {"cell_type": "code", "id": "own", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    whole["cells"].insert(0, cell)
    return json.dumps(whole)


@pytest.fixture(scope="module")
def graded(notebook: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A class of attackers, and two honest students, one at each end of the alphabet: (result, files, connections)."""
    root = tmp_path_factory.mktemp("class")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    other = root / "submitted" / "zoe" / "ch02.ipynb"
    looks = LOOKS.format(source=str(source_path("ch02")), other=str(other), port=listener.getsockname()[1],
                         answer=str(Path(hosting.__file__).parent / "exercises" / "dice.py"))  # fmt: skip
    honest = json.dumps(notebook)
    files = {
        "anna/ch02.ipynb": honest,
        "forger/ch02.ipynb": with_cell(notebook, FORGED.format(mark=root / "run"), answers=False),
        "patcher/ch02.ipynb": with_cell(notebook, PATCHED, answers=False),
        "killer/ch02.ipynb": with_cell(notebook, KILLS),
        "daemon/ch02.ipynb": with_cell(notebook, DAEMON),
        "looker/ch02.ipynb": with_cell(notebook, looks),
        "=1+1/ch02.ipynb": "no notebook",
        "twice/ch02.ipynb": honest,
        "twice/old/ch02.ipynb": json.dumps(student_version(notebook)),
        "zoe/ch02.ipynb": honest,
    }
    for name, text in files.items():
        (root / "submitted" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "submitted" / name).write_text(text, encoding="utf-8")
    (root / "submitted" / "linker").mkdir()
    (root / "submitted" / "linker" / "ch02.ipynb").symlink_to(other)
    (root / "submitted" / "folderlinker").symlink_to(other.parent)
    os.mkfifo(root / "submitted" / "linker" / "ch01.ipynb")
    result = grade_class(root / "submitted", root / "graded", workers=2)
    try:
        listener.accept()
        connected = True
    except BlockingIOError:
        connected = False
    listener.close()
    return result, root, connected


def row(result: ClassResult, student: str) -> dict[str, str]:
    with result.csv.open(encoding="utf-8") as file:
        (found,) = [one for one in csv.DictReader(file) if one["student"] == student]
    return found


def test_honest_students_get_their_marks(graded: Any) -> None:
    for student in ("anna", "zoe"):
        assert row(graded[0], student)["points"] == "20"
    assert (graded[1] / "submitted" / "zoe" / "ch02.ipynb").read_text(encoding="utf-8").startswith('{"cells"')


def test_what_a_submission_says_is_no_mark_and_is_not_run(graded: Any) -> None:
    for student in ("forger", "patcher"):
        assert row(graded[0], student)["points"] == "0"
    assert not (graded[1] / "run").exists()


def test_whoever_kills_what_it_sees_loses_at_most_its_own_marks(graded: Any) -> None:
    assert row(graded[0], "killer")["points"] in ("0", "20")


def test_nothing_is_left_running(graded: Any) -> None:
    assert row(graded[0], "daemon")["points"] == "20" and "ended Python" in row(graded[0], "daemon")["note"]
    assert graded[0].seconds < 600
    assert not processes_of(SLEEP)


def processes_of(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.parent.name] if word.encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


def test_right_answers_others_work_disk_and_network_are_out_of_reach(graded: Any) -> None:
    result, _, connected = graded
    note = row(result, "looker")["note"]
    found = note.partition("RuntimeError: ")[2].partition(" (line")[0].split()
    assert found[:3] == ["ImportError", "[]", "ImportError"], note
    if result.barred:
        pytest.skip(f"notebooks cannot be cut off here: {result.barred}")
    assert found[3:] == ["FileNotFoundError"] * 4 + ["OSError"] * 2, note
    assert not connected


def test_links_and_pipes_are_refused_by_name(graded: Any) -> None:
    result = graded[0]
    told = {(one.student, one.assignment): one.error for one in result.submissions}
    assert "is a link to another place" in told["linker", "ch02"] and "not a file" in told["linker", "ch01"]
    assert "is a link to another place" in told["folderlinker", ""]
    assert row(result, "folderlinker")["points"] == "0"


def test_two_notebooks_of_one_student_are_both_there(graded: Any) -> None:
    result, root, _ = graded
    two = [one for one in result.submissions if one.student == "twice"]
    assert [one.points for one in two] == [20, 0]
    assert all("one of 2 notebooks for ch02: ch02.ipynb, old/ch02.ipynb" in one.notes for one in two)
    pages = sorted(path.name for path in (root / "graded" / "feedback" / "twice").glob("*.md"))
    assert pages == ["ch02-ch02.md", "ch02-old-ch02.md"]


def test_no_name_is_a_formula(graded: Any) -> None:
    assert "not a notebook" in row(graded[0], "'=1+1")["note"]


def test_a_process_that_ends_costs_one_submission(
    notebook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for student in ("anna", "ben"):
        (tmp_path / "submitted" / student).mkdir(parents=True)
        write_notebook(notebook, tmp_path / "submitted" / student / "ch02.ipynb")
    send, sent = hosting.Server.send, []

    def killed(self: hosting.Server, message: Any) -> None:
        send(self, message)
        sent.append(self)
        if len(sent) == 1:
            os.kill(self.process.pid, signal.SIGKILL)

    monkeypatch.setattr(hosting.Server, "send", killed)
    result = grade_class(tmp_path / "submitted", tmp_path / "graded", workers=1)
    assert [one.points for one in result.submissions] == [0, 20]
    assert "could not be graded: its process was ended" in row(result, "anna")["note"]


def test_where_nothing_can_be_cut_off_it_is_said_and_the_marks_are_the_same(
    notebook: dict[str, Any], tmp_path: Path
) -> None:
    unshare = shutil.which("unshare")
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec "
    if not unshare or subprocess.run([unshare, "-Ur", "sh", "-c", forbid + "true"], capture_output=True).returncode:
        pytest.skip("no namespace here in which to forbid them")
    for student, code in (("anna", "1"), ("daemon", DAEMON), ("killer", KILLS)):
        (tmp_path / "submitted" / student).mkdir(parents=True)
        (tmp_path / "submitted" / student / "ch02.ipynb").write_text(with_cell(notebook, code), encoding="utf-8")
    command = [sys.executable, "-m", "segkit.grading.classroom", "--submitted", str(tmp_path / "submitted"), "--out",
               str(tmp_path / "graded"), "--workers", "1"]  # fmt: skip
    shell = forbid + " ".join(f"'{part}'" for part in command)
    told = subprocess.run(
        [unshare, "-Ur", "sh", "-c", shell], capture_output=True, text=True, cwd=hosting.ROOT, encoding="utf-8"
    )
    assert told.returncode == 0 and "cannot be cut off here (unshare: " in told.stdout, told
    with (tmp_path / "graded" / "marks.csv").open(encoding="utf-8") as file:
        points = {one["student"]: one["points"] for one in csv.DictReader(file)}
    assert points == {"anna": "20", "daemon": "20", "killer": "0"} and not processes_of(SLEEP)


def test_marks_changed_in_the_source_count_or_are_refused(
    notebook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = json.loads(json.dumps(notebook))
    check = next(c for c in changed["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "check-conv2d")
    check["metadata"]["nbgrader"]["points"] = 8
    with pytest.raises(NotebookError, match=r"check-conv2d is worth 8 .* result.points\(3\)"):
        marks_in(changed, "ch02")
    check["source"] = check["source"].replace("points(3)", "points(8)")
    with pytest.raises(NotebookError, match=r"check-conv2d is worth 8 .* the title of its task 3 marks"):
        marks_in(changed, "ch02")
    task = next(c for c in changed["cells"] if c["source"].startswith("## 02.1 `conv2d` (3 marks)"))
    task["source"] = task["source"].replace("(3 marks)", "(8 marks)")
    write_notebook(changed, tmp_path / "source" / "ch02" / "ch02.ipynb")
    monkeypatch.setattr("segkit.grading.assignments.folder", lambda: tmp_path)
    report = grade_notebook(tmp_path / "source" / "ch02" / "ch02.ipynb")
    assert report.points == report.out_of == 25 and report.rows[0].out_of == 8
    changed["cells"].remove(check)
    with pytest.raises(NotebookError, match=r"do not ask for the same exercises \(conv2d\)"):
        marks_in(changed, "ch02")


def test_the_generator_does_not_write_over_answers(tmp_path: Path, notebook: dict[str, Any]) -> None:
    write_notebook(notebook, tmp_path / "source" / "ch02" / "ch02.ipynb")
    made = partial(generate, tmp_path / "source", tmp_path / "student")
    (path,) = made()
    assert made() == [path]
    solved = read_notebook(path)
    stub = next(c for c in solved["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "conv2d")
    stub["source"] = stub["source"].replace("raise NotImplementedError()", "return x  # mine")
    write_notebook(solved, path)
    with pytest.raises(NotebookError, match=r"answers in .*ch02\.ipynb: move them elsewhere, or give --force"):
        made()
    assert "# mine" in path.read_text(encoding="utf-8")
    for words in ("# Your experiment", "*Your predictions, your tables and your answer:*", "*Your answers:*"):
        assert made(force=True)
        solved = read_notebook(path)
        place = next(c for c in solved["cells"] if c["source"] == words)
        place["source"] += "\nMy first thought."
        write_notebook(solved, path)
        with pytest.raises(NotebookError, match=r"answers in .*ch02\.ipynb: move them elsewhere, or give --force"):
            made()
        assert "My first thought." in path.read_text(encoding="utf-8")
    assert made(force=True) and "# mine" not in path.read_text(encoding="utf-8")
