"""`segkit grade NOTEBOOK`."""

from __future__ import annotations

import argparse

from segkit import grading


def grade(o: argparse.Namespace) -> int:
    """Run the command; 0 however many marks, 1 where the notebook cannot be graded."""
    print(grading.grade_notebook(o.notebook).table())
    return 0
