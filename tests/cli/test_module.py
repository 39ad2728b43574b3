"""`python -m segkit` is the command."""

from __future__ import annotations

import subprocess
import sys

import segkit


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "segkit", *arguments], capture_output=True, text=True, check=False)


def test_the_module_is_the_command() -> None:
    version, wrong = run("--version"), run("no-such-command")
    assert (version.returncode, version.stdout) == (0, f"segkit {segkit.__version__}\n")
    assert wrong.returncode == 2 and wrong.stderr.startswith("usage: segkit ") and "no-such-command" in wrong.stderr
