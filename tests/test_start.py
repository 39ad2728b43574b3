"""start.py, with a stand-in for pip: what it says when an install fails, and that the next start mends it."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.checkout import VENV, Checkout

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def load(name: str = "start_under_test") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "start.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_parses_on_old_pythons_and_is_short() -> None:
    source = (ROOT / "start.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert source.count("\n") <= 250
    modules = {a.name.split(".")[0] for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import) for a in n.names}
    assert modules <= sys.stdlib_module_names


def test_an_old_python_is_told_what_is_needed() -> None:
    pretend = "import sys, runpy; sys.version_info = (3, 9, 2); runpy.run_path('start.py', run_name='__main__')"
    answer = subprocess.run([sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert answer.returncode == 1
    assert "needs Python 3.11 or newer; this is Python 3.9" in answer.stderr and "Traceback" not in answer.stderr


def test_first_start_installs_and_the_next_does_not(checkout: Checkout) -> None:
    code, said = checkout.start("--no-browser")
    assert code == 0 and "--no-browser" in said and "--ServerApp.ip=127.0.0.1" in said and "news_url=None" in said
    assert "-c constraints.txt -e .[course]\n" in (checkout.fakes / "calls").read_text(encoding="utf-8")
    assert "fetchNews" in (checkout.venv / "share/jupyter/lab/settings/overrides.json").read_text(encoding="utf-8")
    code, said = checkout.start("--no-browser")
    assert code == 0 and checkout.calls() == 1 and "installing into" not in said
    with (checkout.root / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("one-more==1\n")
    code, said = checkout.start()
    assert code == 0 and checkout.calls() == 2


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("ERROR: Could not find a version that satisfies the requirement torch", "needs a network"),
        ("HTTPConnection: Failed to establish: [Errno -3] Temporary failure in name resolution", "needs a network"),
        ("ERROR: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: something else", "its last lines above say why"),
    ],
)
def test_a_failed_install_is_explained_and_tried_again(checkout: Checkout, complaint: str, words: str) -> None:
    checkout.mood(complaint)
    code, said = checkout.start()
    assert code == 1 and complaint in said and words in said and "run the same command again" in said
    assert "Traceback" not in said and "lab" not in said.split()
    checkout.mood("")
    made = (checkout.venv / "pyvenv.cfg").stat().st_mtime_ns
    code, said = checkout.start()
    assert code == 0 and checkout.calls() == 2
    again = (checkout.venv / "pyvenv.cfg").stat().st_mtime_ns != made
    assert again == ("disk" in words), "after a full disk half a package may lie there; else the environment is sound"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_install_starts_afresh(checkout: Checkout, blow: signal.Signals) -> None:
    checkout.mood("sleep")
    process = checkout.begin()
    checkout.wait_for_pip(1)
    (checkout.venv / "half-written").touch()
    process.send_signal(blow)
    if blow == signal.SIGINT:
        said = process.communicate(timeout=90)[0]
        assert process.returncode and "Run the same command again" in said and "Traceback" not in said
    else:
        process.wait(10)
    checkout.mood("")
    code, said = checkout.start()
    assert code == 0 and "making it again" in said and checkout.calls() == 2
    assert not (checkout.venv / "half-written").exists()
    assert checkout.start()[0] == 0 and checkout.calls() == 2


def test_a_python_without_venv(checkout: Checkout) -> None:
    (checkout.fakes / "venv/__main__.py").write_text("raise SystemExit('ensurepip is not available')", encoding="utf-8")
    code, said = checkout.start()
    assert code == 1 and "python3-venv" in said and "ensurepip is not available" in said
    (checkout.fakes / "venv/__main__.py").write_text(VENV, encoding="utf-8")
    assert checkout.start()[0] == 0


def test_another_place_for_the_environment(checkout: Checkout, tmp_path: Path) -> None:
    code, _ = checkout.start(SEGKIT_VENV=str(tmp_path / "elsewhere"))
    assert code == 0 and (tmp_path / "elsewhere/pyvenv.cfg").exists() and not checkout.venv.exists()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/important.txt").write_text("keep me", encoding="utf-8")
    code, said = checkout.start(SEGKIT_VENV=str(tmp_path / "letters"))
    assert code == 1 and "holds other things" in said and (tmp_path / "letters/important.txt").exists()


def test_a_full_disk_is_noticed_before_the_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = load()
    for name, path in (("VENV", ""), ("PYTHON", "bin/python"), ("DONE", "done"), ("BUSY", "busy")):
        monkeypatch.setattr(start, name, tmp_path / "venv" / path)
    monkeypatch.setattr(start.shutil, "disk_usage", lambda _: SimpleNamespace(free=2.9e9))
    monkeypatch.setattr(start.sys, "platform", "linux")
    with pytest.raises(SystemExit, match=r"about 8 GB to install; .* has 2\.9 GB free.*\n.*\n.*start.py --cpu"):
        start.install({"course"})
    with pytest.raises(SystemExit, match=r"about 3 GB to install; .* has 2\.9 GB free.*\n[^\n]*$"):
        start.install({"course", "cpu"})
    assert not (tmp_path / "venv").exists()


def test_segkit_is_found_in_the_terminal_that_jupyterlab_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell as jupyter_server starts one for it, also where /etc/profile sets the PATH anew for login shells."""
    terminals = pytest.importorskip("jupyter_server_terminals.app", reason="JupyterLab is not installed")
    pty, start, seen = pytest.importorskip("ptyprocess"), load(), []
    from jupyter_server.serverapp import ServerApp

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/segkit").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "bin/segkit").chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin"), monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", shutil.which("bash") or "/bin/sh")
    monkeypatch.setattr(start, "PYTHON", tmp_path / "bin/python")
    run = SimpleNamespace(run=lambda command, **_: seen.append(command) or SimpleNamespace(returncode=0))
    monkeypatch.setattr(start, "subprocess", run)
    assert start.lab([]) == 0
    server, app = ServerApp(), terminals.TerminalsExtensionApp()
    server.parse_command_line([word for word in seen[0] if word.startswith("--ServerApp")])
    app.serverapp = server
    app.initialize_configurables()
    manager, home = app.terminal_manager, ROOT / "course"
    shell = pty.PtyProcessUnicode.spawn(manager.shell_command, env=manager.make_term_env(), cwd=str(home))
    shell.write("echo found $(command -v segkit) in $(pwd); exit\n")
    said = ""
    with contextlib.suppress(EOFError):
        while True:
            said += shell.read()
    assert f"found {tmp_path / 'bin/segkit'} in {home}" in said.replace("\r\n", ""), said


def test_an_unknown_word(checkout: Checkout) -> None:
    code, said = checkout.start("tset")
    assert code == 2 and "does not know 'tset'" in said and checkout.calls() == 0
    code, said = checkout.start("install", "tests")
    assert code == 2 and "does not know 'install tests'" in said and checkout.calls() == 0


def test_test_runs_every_stage_and_reports_failures(checkout: Checkout) -> None:
    checkout.start()
    quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin", "PYTHONDONTWRITEBYTECODE": "1"}
    tests = checkout.root / "tests"
    for folder in ("browser", "benchmarks"):
        (tests / folder).mkdir(parents=True)
    (tests / "test_a.py").write_text(
        "import os, sys\ndef test_a(): assert os.environ['OMP_NUM_THREADS'] == '1' and not sys.dont_write_bytecode\n",
        encoding="utf-8",
    )
    (tests / "browser/test_b.py").write_text("def test_b(): assert 1\n", encoding="utf-8")
    (tests / "benchmarks/test_c.py").write_text(
        "import pytest\ndef test_c(): pytest.skip('slow machine')\n", encoding="utf-8"
    )
    code, said = checkout.start("test", **quick)
    assert code == 0 and "2 passed, 0 failed, 1 skipped" in said and "all passed" in said, said
    assert "=== units: passed in" in said and "=== benchmarks: no test ran in" in said, said
    (tests / "browser/test_b.py").write_text("def test_b(): assert 0\n", encoding="utf-8")
    code, said = checkout.start("test", **quick)
    assert code == 1 and "FAILED: browser" in said and "=== units: passed" in said, said
    code, said = checkout.start("test", "-k", "no_such_test", **quick)
    assert code == 1 and "no test ran" in said, said
    code, said = checkout.start("test", "tests/test_a.py::test_a", **quick)
    assert code == 1 and "=== chosen" in said, "one chosen file runs as it is, without the settings of the stages"
