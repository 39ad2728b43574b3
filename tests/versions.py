"""The fast tests with other versions of what the package builds on, in an environment of their own.

python3 tests/versions.py lowest|newest|nightly FOLDER [PYTEST ARGUMENTS]

Makes a virtual environment in FOLDER (new or its own, about 7 GB) and runs the tests of the lower rooms there: what
they build on differs most between versions. `lowest`: each bound "name>=version" of pyproject.toml as a pin
"name==version"; `newest`: whatever pip finds today; `nightly`: torch of last night, from torch's own index.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NIGHTLY = ["--pre", "--extra-index-url", "https://download.pytorch.org/whl/nightly/cpu"]
FAST = [
    "tests/ops", "tests/layers", "tests/heads", "tests/metrics", "tests/crf", "tests/data", "tests/training",
    "tests/inference", "tests/models/test_weights.py", "tests/explore", "tests/test_checks.py", "tests/test_viz.py",
]  # fmt: skip


def requirements(pyproject: str, which: str) -> list[str]:
    """What pip is asked for: every dependency of the package and of its extras for learners and tests.

    Args:
        pyproject: the text of pyproject.toml.
        which: "lowest", with each bound `torch>=2.6` as the pin `torch==2.6`; or "newest" or "nightly".

    Raises:
        ValueError: a dependency without a lowest version.
    """
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    every = [*project["dependencies"], *extras["course"], *extras["test"]]
    found = []
    for wanted in every:
        bound = re.fullmatch(r"([\w-]+)[>=]=([\d.]+)", wanted)
        if bound is None:
            raise ValueError(f"pyproject.toml says {wanted!r}; a dependency is name>=lowest (or name==only)")
        found.append("{}=={}".format(*bound.groups()))
    return {"lowest": found, "newest": ["--upgrade", *every], "nightly": ["--upgrade", *NIGHTLY, *every]}[which]


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0] not in ("lowest", "newest", "nightly") or arguments[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    which, folder, chosen = arguments[0], Path(arguments[1]).resolve(), arguments[2:]
    if folder.exists() and not (folder / "pyvenv.cfg").exists():
        print(f"{folder} is there and no virtual environment; name a new folder", file=sys.stderr)
        return 2
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    needed = requirements((ROOT / "pyproject.toml").read_text(encoding="utf-8"), which)
    if code := subprocess.run([*install, *needed]).returncode:
        return code
    clean = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([str(python), "-m", "pytest", "-q", *(chosen or FAST)], cwd=ROOT, env=clean).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
