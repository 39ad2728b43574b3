"""A checkout with stand-ins for pip, venv and JupyterLab, in which start.py can be run in a second."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A pip that writes down how it was called, then does what the file "mood" beside it says.
PIP = """
import pathlib, sys, time
here = pathlib.Path(__file__).parent.parent
if "--version" in sys.argv: sys.exit(0)
with (here / "calls").open("a") as f: print(*sys.argv[1:], file=f)
mood = (here / "mood").read_text()
if mood == "sleep": time.sleep(60)
sys.exit(mood if mood else 0)
"""
# A venv that is made in a tenth of a second: it gets no pip, and sees the packages of the tests' own environment.
VENV = """
import pathlib, sys, sysconfig
sys.path = [p for p in sys.path if not p.endswith("fakes")]
sys.modules.pop("venv", None)
import venv
home = pathlib.Path(sys.argv[1])
venv.create(home, with_pip=False)
place = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
(pathlib.Path(place) / "packages.pth").write_text(sysconfig.get_path("purelib"))
"""
LAB = "import sys; print('lab', *sys.argv[1:])"


class Checkout:
    """A checkout with start.py and the files it reads, and Python modules that stand in for pip and JupyterLab."""

    def __init__(self, folder: Path) -> None:
        self.root, self.fakes, self.venv = folder / "checkout", folder / "fakes", folder / "checkout/.venv"
        for room in ("course", "tests"):
            (self.root / room).mkdir(parents=True)
        for name in ("start.py", "pyproject.toml", "constraints.txt", "tests/stages.py"):
            shutil.copy(ROOT / name, self.root / name)
        for name, text in (("pip", PIP), ("venv", VENV), ("jupyterlab", LAB)):
            (self.fakes / name).mkdir(parents=True)
            (self.fakes / name / "__init__.py").touch()
            (self.fakes / name / "__main__.py").write_text(text, encoding="utf-8")
        self.mood("")

    def mood(self, text: str) -> None:
        (self.fakes / "mood").write_text(text, encoding="utf-8")

    def called(self) -> list[str]:
        """How pip was called, each time."""
        file = self.fakes / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def calls(self) -> int:
        return len(self.called())

    def begin(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if k not in ("SEGKIT_VENV", "OMP_NUM_THREADS")}
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background; a child would inherit it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [sys.executable, "start.py", *arguments], cwd=self.root, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**clean, "PYTHONPATH": str(self.fakes), **environment}, encoding="utf-8",
        )  # fmt: skip

    def start(self, *arguments: str, **environment: str) -> tuple[int, str]:
        process = self.begin(*arguments, **environment)
        said = process.communicate(timeout=120)[0]
        return process.returncode, said

    def wait_for_pip(self, number: int) -> None:
        deadline = time.monotonic() + 60
        while self.calls() < number:
            assert time.monotonic() < deadline, "pip was not called"
            time.sleep(0.05)
