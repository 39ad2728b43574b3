"""What stands in the place of `segkit.grading` where students' notebooks run: nothing that knows a right answer."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from typing import Any

import torch

from segkit.grading.finished import PLACES

READY = ("segkit.data", "segkit.viz", "matplotlib.pyplot", "IPython.core.inputtransformer2")


class _Unchecked:
    """What `check` gives while a notebook is graded: the verdict comes later, and from elsewhere."""

    score, status, passed, diagnoses = 0.0, "not yet done", False, ()

    def points(self, of: float) -> float:
        return 0.0

    def text(self) -> str:
        return ""


class _NotHere:
    """Stops the import of what knows the right answers."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.startswith("segkit.grading."):
            raise ImportError(f"{name} is not there while a notebook is graded")


def prepare() -> None:
    """Load what notebooks need, and put something harmless in the place of `segkit.grading`."""
    for name in (*PLACES, *READY):
        if not name.startswith("segkit.grading"):
            with suppress(ImportError):
                importlib.import_module(name)
    torch.set_num_threads(1)
    package = sys.modules["segkit.grading"]
    package.check = lambda *args, **options: _Unchecked()  # type: ignore[attr-defined]
    package.describe = lambda name: ""  # type: ignore[attr-defined]
    package.exercises = list  # type: ignore[attr-defined]
    package.Result = package.Diagnosis = _Unchecked  # type: ignore[attr-defined]
    sys.meta_path.insert(0, _NotHere())  # type: ignore[arg-type]
