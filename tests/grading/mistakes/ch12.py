"""Chapter 12, right and wrong: the exercises of its networks have a file of their own."""

from __future__ import annotations

from tests.grading.mistakes import ch12_networks as networks

RIGHT = {**networks.RIGHT}

WRONG = {**networks.WRONG}
