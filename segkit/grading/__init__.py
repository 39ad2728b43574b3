"""Checks for the assignments: each says what is wrong, not only that something is.

>>> from segkit.grading import check, describe, exercises
>>> print(describe("conv2d"))
>>> check("conv2d", my_conv2d)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import segkit.grading.exercises  # noqa: F401  (first: imported later it would hide the function of this name)
from segkit.grading.checking import check, describe, exercises
from segkit.grading.verdict import Diagnosis, Result

if TYPE_CHECKING:
    from segkit.grading.classroom import class_run
    from segkit.grading.notebook import GradedNotebook, grade_notebook

__all__ = ["Diagnosis", "GradedNotebook", "Result", "check", "class_run", "describe", "exercises", "grade_notebook"]

_LATER = {"GradedNotebook": "notebook", "grade_notebook": "notebook", "class_run": "classroom"}


def __getattr__(name: str) -> Any:
    """Import what only graders of whole notebooks need on first use."""
    if name in _LATER:
        return getattr(importlib.import_module(f"segkit.grading.{_LATER[name]}"), name)
    raise AttributeError(f"segkit.grading has no {name!r}; it has {', '.join(__all__)}")
