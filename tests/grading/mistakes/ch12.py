"""Chapter 12, right and wrong: its networks and its race have a file each."""

from __future__ import annotations

from tests.grading.mistakes import ch12_networks as networks
from tests.grading.mistakes import ch12_race as race

RIGHT = {**networks.RIGHT, **race.RIGHT}

WRONG = {**networks.WRONG, **race.WRONG}
