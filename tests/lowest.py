"""The fast tests with the lowest versions that pyproject.toml allows, in an environment of their own.

python3 tests/lowest.py FOLDER [PYTEST ARGUMENTS]

Makes a virtual environment in FOLDER (new or its own, about 7 GB), with each bound "name>=version" as a pin
"name==version", and runs the tests of the lower rooms there: what they build on differs most between versions. What
the package itself needs at these versions, pip finds.
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
FAST = [
    "tests/ops", "tests/layers", "tests/heads", "tests/metrics", "tests/crf", "tests/data", "tests/training",
    "tests/inference", "tests/models/test_weights.py", "tests/explore", "tests/test_checks.py", "tests/test_viz.py",
]  # fmt: skip


def pins(pyproject: str) -> list[str]:
    """`torch>=2.6` as `torch==2.6`, for every dependency of the package and of its extras for learners and tests.

    Raises:
        ValueError: a dependency without a lowest version.
    """
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    found = []
    for wanted in [*project["dependencies"], *extras["course"], *extras["test"]]:
        bound = re.fullmatch(r"([\w-]+)[>=]=([\d.]+)", wanted)
        if bound is None:
            raise ValueError(f"pyproject.toml says {wanted!r}; a dependency is name>=lowest (or name==only)")
        found.append("{}=={}".format(*bound.groups()))
    return found


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    folder, chosen = Path(arguments[0]).resolve(), arguments[1:]
    if folder.exists() and not (folder / "pyvenv.cfg").exists():
        print(f"{folder} is there and no virtual environment; name a new folder", file=sys.stderr)
        return 2
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    needed = pins((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if code := subprocess.run([*install, *needed]).returncode:
        return code
    clean = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([str(python), "-m", "pytest", "-q", *(chosen or FAST)], cwd=ROOT, env=clean).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
