"""Where a number comes from: the facts that stand beside every recorded result."""

from __future__ import annotations

import datetime
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch


def commit() -> str:
    """The commit of the checkout this package stands in, "+" if it has changes, or "unknown" outside a checkout."""
    here = Path(__file__).resolve().parents[2]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=here, capture_output=True, check=True, encoding="utf-8"
        ).stdout.strip()

    try:
        if not git("ls-files", "segkit/__init__.py"):
            return "unknown"  # installed inside a checkout of something else
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "segkit") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def device_name() -> str:
    """The accelerator's name, or the processor's family and how many threads torch uses."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU {platform.machine()}, {torch.get_num_threads()} threads"


def program() -> str:
    """The name of the program that runs: `segkit` also where it is run as `python -m segkit`."""
    path = Path(sys.argv[0])
    return path.parent.name if path.name == "__main__.py" else path.name


def provenance(command: str | None = None) -> dict[str, Any]:
    """Command, date, commit, device and versions, for a result's JSON file."""
    import numpy
    import torchvision

    return {
        "command": command or " ".join([program(), *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "device": device_name(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "numpy": numpy.__version__,
        },
    }
