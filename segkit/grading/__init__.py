"""Checks for the assignments: each says what is wrong, not only that something is.

    >>> from segkit.grading import check, describe, exercises
    >>> print(describe("conv2d"))
    >>> check("conv2d", my_conv2d)
"""

from __future__ import annotations

from segkit.grading.checking import check, describe, exercises
from segkit.grading.report import Diagnosis, Result

__all__ = ["Diagnosis", "Result", "check", "describe", "exercises"]
