"""Chapter 13: the mask of sparse criss-cross attention."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.criss_cross_ways import WAYS, hears

TASK = """Who hears whom on a map of height×width cells, as a mask for attention. A cell hears itself, and in its own
row and in its own column every step-th cell, counted from itself in both directions: those that are step, 2·step,
3·step, … cells away. The map ends at its border; nothing wraps around.
Return (height·width)×(height·width) of bools (not numbers): a row for each listener, a column for each speaker, True
where the listener hears the speaker. The cells of the map come line by line."""


def _cases() -> list[Case]:
    return grouped(
        ("plain", (3, 3, 2), (4, 4, 2), (5, 5, 2)),
        ("height and width differ", (2, 3, 2), (4, 2, 1), (5, 3, 2)),
        ("whole rows and columns", (2, 2, 1), (3, 3, 1), (4, 4, 1)),
        ("longer steps", (4, 4, 3), (7, 7, 3), (6, 6, 4)),
        ("one row or column", (1, 4, 1), (5, 1, 1), (1, 5, 2), (1, 1, 1)),
        ("step longer than the map", (2, 2, 3), (3, 3, 5)),
        ("everything together", (3, 7, 2), (8, 5, 3)),
    )


def _facts(height: int, width: int, step: int) -> dict[str, bool]:
    return {
        "step is above 1": step > 1,
        "the map is not square": height != width,
        "the map is a single row or column": 1 in (height, width),
        "step is longer than the map": step >= max(height, width),
    }


MESSAGES = """
row-only: Your cells hear their row and not their column. They should hear both.
column-only: Your cells hear their column and not their row. They should hear both.
intersection: Your cells hear those that are in their row *and* in their column, which is nobody but themselves. Join
    the two with *or*.
diagonals: Your cells hear the two diagonals through them. They should hear their row and their column.
whole-grid: Your cells hear cells that share neither their row nor their column. Each should hear every step-th cell in
    its own row and every step-th one in its own column.
itself-missing: None of your cells hears itself. Each should.
counted-from-the-border: The step is counted from the border of the map. Each cell counts from where it stands: ask for
    the distance between listener and speaker.
step-in-one-axis: The step is used in the row or in the column alone. It holds in both.
step-ignored: `step` makes no difference: a cell hears its whole row and column.
step-as-reach: You take step for a reach: your cells hear those of their row and column that are at most that far away.
    Each should hear every step-th one, however far.
window: Your cells hear everybody in a square around them. They should hear their row and their column.
nearest-only: Your cells hear the nearest cell on each side, step cells away, and none beyond it. They should also hear
    those that are 2·step, 3·step, … away.
one-direction: Your cells hear in one direction only, those that come before them or those that come after them. Count
    in both directions.
wraps-around: Your count goes on at the opposite border. The map ends at its border.
step-off-by-one: Your cells are one too far apart, or one too near. With step=2, the cells that are heard are 2, 4, 6, …
    cells away.
height-width-exchanged: Height and width have changed places. Cell i stands in row i // width and column i % width.
inverted: True and False are exchanged: True means that the listener hears the speaker.
left-unflattened: Your mask has more than two dimensions: the listeners or the speakers still have rows and columns of
    their own. Flatten each of the two, line by line.
"""

EXERCISE = Exercise(
    "criss_cross(height, width, step)",
    TASK,
    hears,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("bools",),
    facts=_facts,
    number="13.2",
    marks=3,
    finished=("criss_cross_mask", "axis_mask"),
)
