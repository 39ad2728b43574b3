"""Chapter 15, right and wrong: its places and its branches have a file each."""

from __future__ import annotations

from tests.grading.mistakes import ch15_branches as branches
from tests.grading.mistakes import ch15_places as places

RIGHT = {**places.RIGHT, **branches.RIGHT}

WRONG = {**places.WRONG, **branches.WRONG}
