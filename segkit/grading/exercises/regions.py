"""Chapter 13: object regions from a first guess, and what the cells of a map hear from them."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, labels, numbers
from segkit.grading.exercises.regions_ways import WAYS, describe

TASK = """OCR's two steps, on a picture of which only a part is known. cells is N×D×h×w, guess N×K×h×w, a first guess of
the scores, known N×h×w bools, query and key E×D, two 1×1 convolutions without biases.
First, each class has a region: the mean of the cells of its picture, weighted by a softmax of the class's scores over
the cells. Only known cells take part, in the softmax as in the mean. Where a picture has no known cell, its regions are
zeros.
Then each cell, known or not, hears the regions of its picture. A cell's query is query times its D numbers, a region's
key is key times its D numbers; their products, divided by √E, go through a softmax over the regions; and the cell hears
the mean of the regions themselves under these shares.
Return two results: the regions, N×K×D, and what the cells hear, N×D×h×w, with the dtype of cells. Scores may
run into the thousands."""


def _known(seed: int, n: int, h: int, w: int) -> Tensor:
    """Bools; in each picture some are False and, where there is room, some are True."""
    known = labels(seed, 3, n, h * w) > 0
    known[:, 0] = False
    known[:, -1] = True
    return known.reshape(n, h, w)


def _call(
    seed: int, channels: int, classes: int, size: tuple[int, int], inner: int = 0, *, n: int = 1, masked: bool = False,
    gone: int = -1, factor: float = 1.0, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """inner: E, as many as D by default; masked: some cells are not known; gone: a picture without any known one."""
    known = _known(seed + 4, n, *size) if masked else torch.ones(n, *size, dtype=torch.bool)
    if gone >= 0:
        known[gone] = False
    E = inner or channels
    return (
        numbers(seed, n, channels, *size, dtype=dtype),
        factor * numbers(seed + 1, n, classes, *size, dtype=dtype),
        known,
        numbers(seed + 2, E, channels, dtype=dtype),
        numbers(seed + 3, E, channels, dtype=dtype),
    )


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, 2, 2, (1, 2)), call(6, 3, 3, (2, 3)), call(11, 2, 3, (3, 2))),
        ("sizes of query and key", call(16, 2, 2, (1, 2), 1), call(21, 3, 2, (2, 2), 5), call(26, 4, 3, (2, 3), 2)),
        ("one class", call(31, 2, 1, (2, 2)), call(36, 3, 1, (1, 3), 2)),
        ("known", call(41, 2, 2, (1, 3), masked=True), call(46, 2, 3, (2, 3), masked=True)),
        ("known", call(51, 3, 2, (3, 4), 2, masked=True), call(56, 2, 2, (3, 2), n=2, masked=True)),
        ("nothing known", call(61, 2, 2, (1, 2), gone=0), call(66, 2, 3, (2, 2), n=2, gone=1)),
        ("batch", call(71, 2, 2, (1, 2), n=2), call(76, 3, 2, (2, 3), 2, n=3)),
        ("large scores", call(81, 2, 2, (1, 3), factor=400.0), call(86, 2, 3, (2, 3), masked=True, factor=1000.0)),
        ("float64", call(91, 3, 4, (2, 3), 2, n=2, masked=True, dtype=torch.float64)),
        ("memory layout", call(96, 3, 2, (2, 4), 2, n=2, masked=True)),
        ("everything together", call(101, 4, 3, (4, 5), 3, n=3, masked=True, gone=1)),
        of=lambda *args: args,
    )


def _facts(cells: Tensor, guess: Tensor, known: Tensor, query: Tensor, key: Tensor) -> dict[str, bool]:
    return {
        "a cell is not known": not bool(known.all()),
        "a picture has no known cell": not bool(known.flatten(1).any(1).all()),
        "E is not D": len(query) != cells.shape[1],
        "there is a single class": guess.shape[1] == 1,
        "the scores are large": bool(guess.abs().max() > 100),
        "there is more than one picture in the batch": len(cells) > 1,
        "the map is not square": cells.shape[2] != cells.shape[3],
    }


MESSAGES = """
softmax-over-classes: Your softmax of the scores runs over the classes of a cell. It should run over the cells, for
    each class by itself; the weights of a region add up to 1.
normalised-probabilities: You weight the cells by the probabilities of the class, divided by their sum. The weights are
    one softmax of the class's scores over the cells.
hard-guess: You make a region the plain mean of the cells whose score is highest for it. All known cells should take
    part, each with the weight of a softmax.
best-cell-only: You make a region the one cell with the highest score. It is a mean of all known cells, weighted by a
    softmax.
regions-overflow: Large scores overflow in your exponential, and NaN comes out. Subtract the largest score of a class
    first, as `softmax` does.
unknown-counted: `known` makes no difference: all cells form the regions.
unknown-as-zero: You set the scores of unknown cells to 0. e⁰ is 1, so they still get a weight. Set them to −∞.
unknown-struck-out-late: You strike out unknown cells after the softmax, and the weights no longer add up to 1. Strike
    out their scores before it, with −∞.
known-inverted: You form the regions from the unknown cells. True means that a cell is known.
unknown-hear-nothing: Your unknown cells hear nothing. They form no region, but they listen like the others.
nothing-known-nan: Where a picture has no known cell, you give NaN: a softmax of nothing but −∞ is 0/0. Give zeros.
nothing-known-counted: Where a picture has no known cell, your regions are means of all cells: in a softmax a large
    negative number everywhere is as good as none. Give zeros.
scale-missing: Your products of queries and keys are not divided by √E.
scale-of-channels: You divide by √D. Query and key have E channels, so divide by √E.
softmax-over-listeners: Your second softmax runs over the cells. Each cell shares itself out among the regions: its
    shares add up to 1.
hears-cells: Your cells hear cells. They should hear the K regions.
query-key-exchanged: `query` and `key` have changed places: cells are multiplied by query, regions by key.
one-projection: One of the two weights makes no difference: you use the same one for cells and for regions.
projected-values: Your cells hear the keys of the regions. They should hear the regions themselves.
added-to-the-cells: You add what is heard to the cells. Return it by itself.
regions-of-all-pictures: You form the regions over all pictures of the batch. Each picture has its own.
columns-first: You read or write a map column by column. Cells come line by line.
regions-transposed: Your regions are N×D×K. They should be N×K×D.
heard-left-flat: What your cells hear is flat or has its dimensions in another order. It should be N×D×h×w.
results-exchanged: The two results have changed places: first the regions, then what is heard.
first-picture-only: Only the first picture of the batch is worked on.
"""

EXERCISE = Exercise(
    "regions(cells, guess, known, query, key)",
    TASK,
    describe,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "float"),
    facts=_facts,
    number="13.4",
    marks=4,
    finished=("attend", "scaled_dot_product_attention"),
)
