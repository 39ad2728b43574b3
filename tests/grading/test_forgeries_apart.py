"""More attacks on the grader, two of each kind; what it leaves when it is stopped; systems that are not Linux."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from segkit.grading import hosting
from segkit.grading.assignments import read_notebook, source_path
from segkit.grading.classroom import grade_class
from segkit.grading.notebook_cells import defines
from segkit.grading.sandbox import method
from segkit.grading.submissions import Submission, tell_apart
from segkit.grading.wire import HEAD
from tests.grading.test_forgeries import processes_of, row, with_cell

pytestmark = pytest.mark.skipif(method() != "fork", reason="promised on Linux only; INSTRUCTORS.md says what elsewhere")
STRAY = "98765.4322"  # seconds; a process that nobody else starts
SECRET = "".join(map(chr, range(97, 117)))  # stands in a neighbour's notebook, and never whole in an attacker's
TRIES = """
found = []
def tries(what):
    try:
        found.append(str(what()).replace(" ", ""))
    except Exception as error:
        found.append(type(error).__name__)
"""
WRITES = (
    TRIES
    + """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def by_a_link():
    os.symlink({other!r}, "mine.ipynb")
    return open("mine.ipynb", "a").write("spoilt")
def in_a_system_of_its_own():
    libc.unshare(0x10020000)  # user and mount namespaces, with all rights in there
    for place in (b"/", {root!r}.encode()):
        libc.mount(None, place, None, ctypes.c_ulong(32), None)  # again, writable
        libc.umount2(place, 2)
    return open({root!r} + "/spoilt", "w").write("spoilt")
def to_a_terminal_or_disk():
    opened = []
    for folder, _, names in os.walk("/dev"):
        for name in names:
            try:
                os.close(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_NOCTTY))
                opened.append(name)
            except OSError:
                pass
    return sorted(set(opened) - {{"null", "zero", "full", "random", "urandom", "stdin", "stdout", "stderr"}})
tries(by_a_link)
tries(in_a_system_of_its_own)
tries(to_a_terminal_or_disk)
raise RuntimeError(" ".join(found))
"""
)
READS = (
    TRIES
    + """
import importlib.util, os, sys
def by_its_path():
    spec = importlib.util.spec_from_file_location("dice", {answer!r})
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EXERCISE.reference
def in_memory():
    word, seen = "".join(map(chr, range(97, 117))), 0
    words = [word.encode(form) for form in ("utf-8", "utf-16-le", "utf-32-le")]
    del word
    with open("/proc/self/mem", "rb", 0) as memory:
        for line in open("/proc/self/maps").read().splitlines():
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if "rw-p" in line and end - start < 1 << 28:
                memory.seek(start)
                part = memory.read(end - start)
                seen += sum(part.count(one + b"_SECRET") for one in words[:1])
                del part
    return seen
def by_the_way_up():
    return [open(f"/proc/{{pid}}/root" + {answer!r}).read(9) for pid in (1, os.getppid())]
tries(by_its_path)
tries(by_the_way_up)
tries(in_memory)
raise RuntimeError(" ".join(found))
"""
)
RESULTS = (
    TRIES
    + """
import glob, os
def marks():
    return [open(path, "w").write("mallory,ch02,20") for path in ({csv!r}, {page!r})]
def others_pipes():
    from segkit.grading.wire import frame
    said, mine = 0, os.getpid()
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        if path.split("/")[2] != str(mine):
            try:
                with open(path, "wb", 0) as pipe:
                    said += pipe.write(frame(("tried", "conv2d", None)))
            except OSError:
                pass
    return said
tries(marks)
tries(others_pipes)
raise RuntimeError(" ".join(found))
"""
)
SIBLING = f"""
import ctypes, os, platform
call = {{"x86_64": 56, "aarch64": 220}}.get(platform.machine())
if call and ctypes.CDLL(None).syscall(call, 0x8000 | 17, 0, 0, 0, 0) == 0:  # CLONE_PARENT: not a child, but a brother
    os.setsid()
    os.execvp("sleep", ["sleep", "{STRAY}"])
"""
MANY = f"""
import os, signal, subprocess
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sh", "-c", "while :; do sleep {STRAY} & sleep 0.02; done"], start_new_session=True)
"""
ANYTHING = """
import numpy as np, segkit.grading.asked as asked, segkit.grading.values as values
asked.leaves = lambda result, count: (values.Leaf(np.zeros(0), "any", "any"),) * count
def conv2d(*args):
    return 0
"""
LYING = """
import builtins, json, torch, numpy as np
class Right(torch.Tensor):
    def __eq__(self, other): return True
    @classmethod
    def __torch_function__(cls, *args, **options): return True
builtins.isinstance = lambda *args: True
torch.equal = torch.allclose = np.array_equal = lambda *args, **options: True
dumps = json.dumps
json.dumps = lambda value, **options: dumps(value, **options).replace('"raised"', '"value"').replace('"odd"', '"value"')
def conv2d(*args):
    return Right()
"""


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return read_notebook(source_path("ch02"))


def boasting(notebook: dict[str, Any]) -> str:
    """An empty notebook that says of itself what it is worth."""
    whole = json.loads(with_cell(notebook, "1", answers=False))
    for cell in list(whole["cells"]):
        meta = cell["metadata"].get("nbgrader", {})
        if meta.get("grade"):
            meta.update(points=999, score=999)
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "conv2d: right, full marks"}]
            whole["cells"].append(json.loads(json.dumps(cell)))
    whole["metadata"]["segkit"] = {"assignment": "ch02", "points": 999}
    return json.dumps(whole)


def write_class(root: Path, notebooks: dict[str, str]) -> Path:
    for student, text in notebooks.items():
        (root / "submitted" / student).mkdir(parents=True)
        (root / "submitted" / student / "ch02.ipynb").write_text(text, encoding="utf-8")
    return root / "submitted"


@pytest.fixture(scope="module")
def graded(notebook: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("class")
    other = root / "submitted" / "anna" / "ch02.ipynb"
    answer = str(Path(hosting.__file__).parent / "exercises" / "dice.py")
    out = root / "graded"
    files = {
        "anna": with_cell(notebook, f"# {SECRET}_SECRET"),
        "any": with_cell(notebook, ANYTHING, answers=False),
        "boaster": boasting(notebook),
        "liar": with_cell(notebook, LYING, answers=False),
        "many": with_cell(notebook, MANY),
        "reader": with_cell(notebook, READS.format(answer=answer)),
        "sibling": with_cell(notebook, SIBLING),
        "writer": with_cell(notebook, WRITES.format(other=str(other), root=str(hosting.ROOT))),
        "results": with_cell(notebook, RESULTS.format(csv=str(out / "marks.csv"), page=str(out / "mallory.md"))),
    }
    return grade_class(write_class(root, files), out, workers=1), root


def told(graded: Any, student: str) -> list[str]:
    """What an attacker found, where notebooks are cut off."""
    if graded[0].barred:
        pytest.skip(f"notebooks cannot be cut off here: {graded[0].barred}")
    return row(graded[0], student)["note"].partition("RuntimeError: ")[2].partition(" (line")[0].split()


def test_nothing_outside_is_written(graded: Any) -> None:
    assert told(graded, "writer") == ["FileNotFoundError", "OSError", "[]"]
    assert not (hosting.ROOT / "spoilt").exists()


def test_neither_right_answers_nor_a_neighbour_s_are_read(graded: Any) -> None:
    found = told(graded, "reader")
    assert all(one.endswith("Error") for one in found[:2]) and found[2:] == ["0"], found


def test_results_are_written_by_the_grader_alone(graded: Any) -> None:
    found = told(graded, "results")
    assert found[0].endswith("Error") and found[1:] == ["0"], found
    assert row(graded[0], "anna")["points"] == "20" and not (graded[1] / "graded" / "mallory.md").exists()


def test_no_notebook_says_what_it_is_worth(graded: Any) -> None:
    assert (row(graded[0], "boaster")["points"], row(graded[0], "boaster")["out_of"]) == ("0", "20")


def test_nothing_stays_that_was_started(graded: Any) -> None:
    assert not told(graded, "many")
    assert [row(graded[0], who)["points"] for who in ("sibling", "many")] == ["20", "20"]
    assert not processes_of(STRAY)


@pytest.mark.parametrize("student", ["any", "liar"])
def test_a_changed_wire_says_nothing_that_counts(graded: Any, student: str) -> None:
    assert row(graded[0], student)["points"] == "0"


def test_what_would_keep_the_grader_busy_or_stop_it(notebook: dict[str, Any], tmp_path: Path) -> None:
    began = time.monotonic()
    assert not defines("\n" * 1_000_000 + " " * 1_000_000, "conv2d") and time.monotonic() - began < 5
    long = {"anna": with_cell(notebook, "#" * HEAD), "ben": json.dumps(notebook)}
    result = grade_class(write_class(tmp_path, long), tmp_path / "graded", workers=1)
    assert [one.points for one in result.submissions] == [0, 20] and "its code is too long (a message of" in row(
        result, "anna"
    )["note"]
    twice = [Submission("anna", "ch02", Path("a"), place="卷积" * 99 + end) for end in ("a.ipynb", "b.ipynb")]
    tell_apart(twice)
    assert len({one.page for one in twice}) == 2 and all(len(f"{one.page}.html".encode()) < 200 for one in twice)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_grader_that_is_stopped_leaves_marks_and_nothing_running(
    notebook: dict[str, Any], tmp_path: Path, how: signal.Signals
) -> None:
    slow = with_cell(notebook, "import time\nfor _ in range(10):\n    time.sleep(1.9)")
    submitted = write_class(tmp_path, {"anna": json.dumps(notebook), "ben": slow, "carl": json.dumps(notebook)})
    (tmp_path / "tmp").mkdir()
    code = "import sys, segkit.grading.classroom as c; c.BETWEEN = 0; sys.exit(c.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--submitted", submitted, "--out", tmp_path / "out", "--workers", "1"]
    grader = subprocess.Popen(command, cwd=hosting.ROOT, env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
                              stderr=subprocess.PIPE, text=True, encoding="utf-8")  # fmt: skip
    marks, ends = tmp_path / "out" / "marks.csv", time.monotonic() + 300
    while not (marks.exists() and "anna,ch02,20" in marks.read_text(encoding="utf-8")) and time.monotonic() < ends:
        time.sleep(0.1)
    grader.send_signal(how)
    errors = grader.communicate(timeout=60)[1]
    with marks.open(encoding="utf-8") as file:
        rows = {one["student"]: (one["points"], one["note"]) for one in csv.DictReader(file)}
    assert rows == {"anna": ("20", ""), "ben": ("0", "not graded yet"), "carl": ("0", "not graded yet")}
    if how == signal.SIGINT:
        assert grader.returncode == 130 and "holds what was graded so far" in errors and "Traceback" not in errors
        assert "Not graded yet" in (tmp_path / "out" / "feedback" / "ben" / "ch02.md").read_text(encoding="utf-8")
    ends = time.monotonic() + 30
    while (processes_of(str(tmp_path / "tmp")) or list((tmp_path / "tmp").iterdir())) and time.monotonic() < ends:
        time.sleep(0.1)
    assert not processes_of(str(tmp_path / "tmp")) and not list((tmp_path / "tmp").iterdir())


ELSEWHERE = """
import asyncio, builtins, ctypes, io, os, pathlib, signal, subprocess, sys, tempfile, types
import torch, matplotlib.pyplot
sys.platform = "{system}"
sys.modules["resource"] = None
gone = ["fork", "waitid", "killpg", "setsid", "mkfifo"]
if sys.platform == "win32":
    gone += ["O_NOFOLLOW", "O_NONBLOCK", "geteuid", "getegid", "getppid"]
    os.O_BINARY = 0
    sys.modules["msvcrt"] = types.SimpleNamespace(setmode=lambda *args: None)
    del signal.setitimer, signal.SIGALRM
for name in gone:
    delattr(os, name)
def barred(original):
    def no_proc(file, *args, **options):
        if str(file).startswith("/proc") or file is None:
            raise (TypeError if file is None else FileNotFoundError)(file)
        return original(file, *args, **options)
    return no_proc
io.open = builtins.open = barred(builtins.open)
ctypes.CDLL = barred(ctypes.CDLL)
"""


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_where_there_is_no_fork_notebooks_are_graded_and_what_is_open_is_said(
    notebook: dict[str, Any], tmp_path: Path, system: str
) -> None:
    """Simulated: without what Linux alone has, in the grader and where notebooks run."""
    submitted = write_class(
        tmp_path, {"anna": json.dumps(notebook), "ben": with_cell(notebook, "import os\nos._exit(0)")}
    )
    (tmp_path / "tmp").mkdir()
    code = ELSEWHERE.format(system=system) + (
        "import segkit.grading.hosting as h, segkit.grading.classroom as c\n"
        f"h.START = {ELSEWHERE.format(system=system)!r} + h.START\n"
        "sys.exit(c.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "--submitted", submitted, "--out", tmp_path / "out", "--workers", "2"]
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    done = subprocess.run(
        command, cwd=hosting.ROOT, env=env, capture_output=True, text=True, timeout=500, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be cut off here (it is not Linux)" in done.stdout
    with (tmp_path / "out" / "marks.csv").open(encoding="utf-8") as file:
        rows = {one["student"]: (one["points"], one["note"]) for one in csv.DictReader(file)}
    assert rows["anna"] == ("20", "") and rows["ben"][0] == "0" and "ended Python" in rows["ben"][1]
    assert not list((tmp_path / "tmp").iterdir())
