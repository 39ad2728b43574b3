"""Chapter 13, right and wrong: its attention, its codes and its gates have a file each."""

from __future__ import annotations

from tests.grading.mistakes import ch13_attention as attention
from tests.grading.mistakes import ch13_codes as codes
from tests.grading.mistakes import ch13_gates as gates

RIGHT = {**attention.RIGHT, **codes.RIGHT, **gates.RIGHT}

WRONG = {**attention.WRONG, **codes.WRONG, **gates.WRONG}
