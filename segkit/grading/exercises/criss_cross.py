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
row-only: Each cell hears its row and not its column. It hears both.
column-only: Each cell hears its column and not its row. It hears both.
intersection: A cell hears those that are in its row *and* in its column, which is nobody but itself. Join the two
    with *or*.
diagonals: A cell hears the two diagonals through it. It hears its row and its column.
whole-grid: A cell hears cells that share neither its row nor its column with it. It hears every step-th cell in its own
    row and every step-th one in its own column.
itself-missing: No cell hears itself. Each does.
counted-from-the-border: The step is counted from the border of the map. Each cell counts from where it stands: ask for
    the distance between listener and speaker.
step-in-one-axis: The step is used in the row or in the column alone. It holds in both.
step-ignored: `step` makes no difference: a cell hears its whole row and column.
step-as-reach: You take step for a reach: a cell hears those of its row and column that are at most so far away. It
    hears every step-th one, however far.
window: A cell hears everybody in a square around it. It hears its row and its column.
nearest-only: A cell hears the nearest cell on each side, step cells away, and none behind it. It also hears those that
    are 2·step, 3·step, … away.
one-direction: A cell hears in one direction only, those that come before it or those that come after it. Count in both
    directions.
wraps-around: You count on from one border to the opposite one. The map ends at its border.
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
