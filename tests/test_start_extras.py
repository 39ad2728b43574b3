"""What start.py installs for whom: a learner's packages, those of tests and teachers when asked for, a torch without
CUDA with --cpu."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.checkout import Checkout

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = "ERROR: No matching distribution found for pytest"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only for Linux has torch a build with and one without CUDA")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_what_teachers_need_is_added_when_asked_for_and_stays(checkout: Checkout) -> None:
    assert checkout.start()[0] == 0
    made = (checkout.venv / "pyvenv.cfg").stat().st_mtime_ns
    code, said = checkout.start("install", "teach")
    assert code == 0 and "installed in" in said and "lab" not in said.split()
    assert checkout.start("install", "teach")[0] == checkout.start()[0] == 0
    assert [call.rpartition(" ")[2] for call in checkout.called()] == [".[course]", ".[course,teach]"]
    assert (checkout.venv / "pyvenv.cfg").stat().st_mtime_ns == made, "added, not made again"
    with (checkout.root / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("one-more==1\n")
    assert checkout.start()[0] == 0 and checkout.called()[2].endswith(" .[course,teach]"), "an update keeps it"


def test_the_tests_install_what_tests_and_teaching_need(checkout: Checkout) -> None:
    (checkout.root / "tests/test_a.py").write_text("def test_a(): pass\n", encoding="utf-8")
    code, said = checkout.start("test", "tests/test_a.py", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert code == 0 and "1 passed" in said, said
    assert [call.rpartition(" ")[2] for call in checkout.called()] == [".[course,site,teach,test]"]
    assert checkout.start()[0] == 0 and checkout.calls() == 1, "it holds what a learner needs as well"
    assert checkout.start("install", "test")[0] == 0 and checkout.calls() == 1, "and that is all there is to install"


def test_install_test_brings_all_that_the_tests_need(checkout: Checkout) -> None:
    assert checkout.start("install", "test")[0] == 0
    (checkout.root / "tests/test_a.py").write_text("def test_a(): pass\n", encoding="utf-8")
    code, said = checkout.start("test", "tests/test_a.py", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert code == 0 and "1 passed" in said, said
    assert [call.rpartition(" ")[2] for call in checkout.called()] == [".[course,site,teach,test]"]


def test_without_a_network_the_course_opens_after_a_failed_addition(checkout: Checkout) -> None:
    checkout.start()
    checkout.mood(OFFLINE)
    code, said = checkout.start("install", "teach")
    assert code == 1 and "needs a network" in said
    code, said = checkout.start("--no-browser")
    assert code == 0 and "lab" in said.split() and checkout.calls() == 2
    checkout.mood("ERROR: something else")
    assert checkout.start("install", "teach")[0] == 1
    code, said = checkout.start()
    assert code == 1 and checkout.calls() == 4, "after an error of another kind the environment is looked at again"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_addition_that_was_killed_starts_afresh(checkout: Checkout) -> None:
    checkout.start()
    checkout.mood("sleep")
    process = checkout.begin("install", "teach")
    checkout.wait_for_pip(2)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    checkout.mood("")
    code, said = checkout.start()
    assert code == 0 and "making it again" in said and checkout.called()[2].endswith(" .[course]")


@LINUX
def test_the_small_torch_is_asked_for_by_name_and_kept(checkout: Checkout) -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (torch,), (vision,) = (re.findall(rf"^{name}==(.+)$", pins, re.MULTILINE) for name in ("torch", "torchvision"))
    code, said = checkout.start("--cpu", "--no-browser")
    (call,) = checkout.called()
    assert code == 0 and "--no-browser" in said and "--cpu" not in said and " 1.2 GB" in said
    asked = f"--extra-index-url https://download.pytorch.org/whl/cpu torch=={torch}+cpu torchvision=={vision}+cpu "
    assert asked in call and call.endswith(" .[course]")
    assert checkout.start()[0] == checkout.start("--cpu")[0] == 0 and checkout.calls() == 1
    assert checkout.start("install", "teach")[0] == 0
    assert asked in checkout.called()[1] and checkout.called()[1].endswith(" .[course,teach]")


@LINUX
def test_the_small_torch_does_not_replace_the_large_one(checkout: Checkout) -> None:
    checkout.start()
    code, said = checkout.start("--cpu")
    assert code == 1 and "has the large build of torch already" in said and "Delete that folder" in said
    assert checkout.calls() == 1 and checkout.start()[0] == 0


@LINUX
@pytest.mark.parametrize(
    "words", ["No matching distribution found for torchvision==1+cpu", "Cannot install torch==2+cpu"]
)
def test_where_there_is_no_small_torch_it_is_said_how_to_go_on(checkout: Checkout, words: str) -> None:
    checkout.mood(f"ERROR: {words} because")
    code, said = checkout.start("--cpu")
    assert code == 1 and "torch's own index, https://download.pytorch.org/whl/cpu,\ncould not be reached" in said
    assert "without --cpu" in said and "PIP_FIND_LINKS=FOLDER python3 start.py --cpu" in said
    checkout.mood("")
    code, said = checkout.start()
    assert code == 0 and "pytorch.org" not in checkout.called()[1], "as that text says"


def wheel(folder: Path, version: str) -> None:
    """A wheel of a torch with nothing in it."""
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


def test_pip_takes_the_build_without_cuda_and_no_other(tmp_path: Path) -> None:
    """The real pip, with the constraint and the name that start.py gives it."""
    (tmp_path / "constraints.txt").write_text("torch==7.1\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-index", "-c"]
    pip += [str(tmp_path / "constraints.txt"), "-d", str(tmp_path / "got"), "torch==7.1+cpu"]
    for builds, expected in ((["7.1"], []), (["7.1", "7.1+cpu"], ["torch-7.1+cpu-py3-none-any.whl"])):
        there = tmp_path / str(len(builds))
        there.mkdir()
        for version in builds:
            wheel(there, version)
        folder = {**os.environ, "PIP_FIND_LINKS": str(there)}
        answer = subprocess.run(pip, capture_output=True, text=True, encoding="utf-8", env=folder)
        assert (answer.returncode == 0) == bool(expected)
        assert [path.name for path in (tmp_path / "got").glob("*")] == expected
        known = re.search(r're\.search\(r"(.*torch.*)", text\)', (ROOT / "start.py").read_text(encoding="utf-8"))
        assert known and (expected or re.search(known[1], answer.stderr)), answer.stderr


def closure(wanted: list[str]) -> set[str]:
    """The names of all packages that these requirements bring, as the installed ones say."""
    seen: set[tuple[str, str]] = set()
    todo = [(Requirement(one), "") for one in wanted]
    while todo:
        one, extra = todo.pop()
        if one.marker and not one.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        for extra in ("", *one.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                todo += [(Requirement(text), extra) for text in importlib.metadata.requires(one.name) or ()]
    return {name for name, _ in seen}


def test_a_learner_gets_no_tools_of_tests_and_teaching() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    learner = closure([*project["dependencies"], *extras["course"]])
    assert {"torch", "jupyterlab", "ipykernel", "anywidget", "pillow"} <= learner, "the walk sees what is there"
    others = {Requirement(one).name for one in [*extras["test"], *extras["teach"]]}
    assert learner & others <= {"nbclient", "nbformat", "ipykernel"}, "these three are parts of JupyterLab"
    assert {"pytest", "nbgrader", "mypy", "playwright", "onnx"} <= others and "pluggy" in closure(["pytest>=8"])


def imported(code: str) -> set[str]:
    """The packages that Python code names in its imports."""
    nodes = list(ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "pass", code, flags=re.MULTILINE))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def test_a_learner_gets_all_that_chapters_assignments_and_their_widgets_import() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    learner = closure([*project["dependencies"], *project["optional-dependencies"]["course"]])
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "segkit/explore").glob("*.py")]
    for path in [*(ROOT / "course").glob("*.ipynb"), *(ROOT / "course/assignments/student").glob("*.ipynb")]:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    ours = {"segkit", *(path.stem for path in (ROOT / "course/experiments").glob("*.py"))}
    names = set().union(*(imported(text) for text in code)) - ours
    assert {"torch", "matplotlib", "ipywidgets"} <= names
    given = importlib.metadata.packages_distributions()
    missing = [name for name in names if not {one.lower() for one in given.get(name, [])} & learner]
    assert not missing, missing
