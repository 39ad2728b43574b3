"""Chapter 14, right and wrong: its blocks, its gates and its stopwatch have a file each."""

from __future__ import annotations

from tests.grading.mistakes import ch14_blocks as blocks
from tests.grading.mistakes import ch14_gates as gates
from tests.grading.mistakes import ch14_times as times

RIGHT = {**blocks.RIGHT, **gates.RIGHT, **times.RIGHT}

WRONG = {**blocks.WRONG, **gates.WRONG, **times.WRONG}
