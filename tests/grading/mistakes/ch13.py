"""Chapter 13, right and wrong: its attention, its codes and its gates have a file each."""

from __future__ import annotations

from tests.grading.mistakes import ch13_attention as attention

RIGHT = {**attention.RIGHT}

WRONG = {**attention.WRONG}
