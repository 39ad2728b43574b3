"""What some cells of a chapter need."""

from __future__ import annotations

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.course.needed import needed

CELLS = [
    "import random\nimport numpy as np",
    "class Net:\n    pass",  # made, called, and so needed
    "def train(net):\n    net.trained = True\n    return 7",
    "net, other = Net(), Net()",
    "train(net)",
    "score = train(other)\nrandom.seed(0)",  # what it makes is not used
    "shown = [net]\nnp.random.seed(0)",
    "shown.append(1)",
    "shown[0].name = 'a'",
    "print(shown, net)",  # looks on
    "for step in range(3):\n    last = step",
    "explore(shown, last)",
    "shown = None",
]


def test_cells_that_make_or_change_what_is_used() -> None:
    book = new_notebook(cells=[new_markdown_cell("# Text"), *map(new_code_cell, CELLS)])
    assert needed(book, [12]) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert needed(book, []) == [1]
    assert needed(book, [11]) == [1, 11], "nothing is needed for numbers alone"
