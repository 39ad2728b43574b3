"""What lies around the course: the maintainers' page, workflows, containers and texts name only what is there."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import outside

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def resolved(name: str) -> Any:
    """What a dotted path stands for: modules as far as they go, then attributes."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


def test_the_maintainers_page_names_what_is_there() -> None:
    page = read("HOUSE.md")
    names = set(re.findall(r"`(segkit(?:\.\w+)+)`", page))
    assert len(names) > 20 and all(resolved(name) is not None for name in names)
    with pytest.raises(AttributeError):
        resolved("segkit.training.Trainer.fits")
    places = set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|toml|txt|cff|md))`", page)) - {"course/NN"}
    assert [place for place in places if not (ROOT / place).exists() and not place.startswith("artefacts")] == []
    rooms = {f"segkit/{path.parent.name}/" for path in (ROOT / "segkit").glob("*/__init__.py")}
    assert {room for room in rooms if f"| `{room}`" not in page} == set(), "rooms that are not on the map"
    assert "(HOUSE.md)" in read("CONTRIBUTING.md")


def steps(path: Path) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads workflow files; it is a part of JupyterLab's packages")
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_is_there(path: Path) -> None:
    """Each command's file or module is in the tree, start.py knows the word, and every action is pinned to a commit."""
    known = set(re.findall(r"^python3 start\.py (\w+)", read("start.py"), re.MULTILINE))
    assert "test" in known
    for step in steps(path):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40)), step
        for line in step.get("run", "").splitlines():
            words = line.split()
            if words[0] in ("python", "python3", "bash") and not words[1].startswith("-"):
                assert (ROOT / words[1]).is_file(), line
            if "start.py" in words[:2]:
                assert words[2] in known, line
            if words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("tests", "segkit", "site"):
                assert (ROOT / (words[2].replace(".", "/") + ".py")).is_file(), line


def test_workflows_are_sound() -> None:
    """No finding of zizmor's: no permission too many, nothing that a stranger's pull request could make them run."""
    zizmor = shutil.which("zizmor", path=Path(sys.executable).parent) or shutil.which("zizmor")
    if not zizmor:
        pytest.skip("zizmor is not installed (it is in the extra `test`)")
    check = [zizmor, "--offline", "--quiet", str(ROOT / ".github")]
    answer = subprocess.run(check, capture_output=True, text=True, encoding="utf-8")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_texts_are_spelt(tmp_path: Path) -> None:
    """Files as they are; of the notebooks what a reader sees."""
    pytest.importorskip("codespell_lib", reason="codespell is not installed (it is in the extra `test`)")
    listed = subprocess.run(["git", "ls-files", "*.ipynb"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip(f"no git repository here: {listed.stderr.strip()}")
    for number, name in enumerate(listed.stdout.splitlines()):
        said = "\n".join(outside.texts(ROOT / name))
        (tmp_path / f"{number}-{Path(name).stem}.md").write_text(said, encoding="utf-8")
    check = [sys.executable, "-m", "codespell_lib", "--toml", str(ROOT / "pyproject.toml")]
    for place in (".", str(tmp_path)):
        answer = subprocess.run([*check, place], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
        assert not answer.stdout and answer.returncode == 0, answer.stdout + answer.stderr


def test_containers_give_what_start_gives() -> None:
    lines = [line for line in read("Containerfile").splitlines() if not line.startswith("#")]
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[2:-1]]
    assert {"start.py", "pyproject.toml", "constraints.txt", "segkit"} <= set(copied)
    assert all((ROOT / word).exists() for word in copied)
    assert "RUN python3 start.py install $TORCH" in lines and "ARG TORCH=--cpu" in lines
    (version,) = re.findall(r"^FROM python:(3\.\d+)-slim$", read("Containerfile"), re.MULTILINE)
    assert f'"{version}"' in read(".github/workflows/tests.yml"), "a Python that is tested"
    assert read(".binder/runtime.txt").strip() == f"python-{version}"
    config = json.loads(read(".devcontainer/devcontainer.json"))
    assert (ROOT / ".devcontainer" / config["build"]["dockerfile"]).resolve() == ROOT / "Containerfile"
    assert config["postCreateCommand"] == "python3 start.py install --cpu"
    assert config["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"] == "/opt/segkit/bin/python"
    assert "SEGKIT_VENV=/opt/segkit" in read("Containerfile")


def test_hosted_machines_install_the_same_versions() -> None:
    pins = [line for line in read("constraints.txt").splitlines() if line.startswith(("torch==", "torchvision=="))]
    lines = [line for line in read(".binder/requirements.txt").splitlines() if not line.startswith("#")]
    index = re.search(r'^CPU_INDEX = "(.+?)"', read("start.py"), re.MULTILINE)
    assert index and len(pins) == 2
    builds = [f"{pin}+cpu" for pin in pins]
    assert lines[0].split()[1:] == [index[1]] and lines[1:] == ["-c ../constraints.txt", *builds, "-e .[course]"]
    assert "- -e .[course]\n" in read("environment.yml")


def test_problems_are_reported_with_what_doctor_says() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the forms; it is a part of JupyterLab's packages")
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/problem.yml"))
    (asked,) = [field for field in form["body"] if field.get("id") == "doctor"]
    assert "segkit doctor" in asked["attributes"]["label"] and asked["validations"]["required"]
