"""Chapter 12, right and wrong: the exercises of the race have a file of their own."""

from __future__ import annotations

from tests.grading.mistakes import ch12_race as race

RIGHT = {**race.RIGHT}

WRONG = {**race.WRONG}
