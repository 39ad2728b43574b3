"""Which code cells of a chapter some of its cells need: those that make, or change inside, a name that they use."""

from __future__ import annotations

import ast
from collections.abc import Collection

import nbformat

from tests.course.checks import code, nodes, plain
from tests.course.claims import changed_in_place, defined, imported, root, used


def needed(book: nbformat.NotebookNode, wanted: Collection[int]) -> list[int]:
    """Numbers of cells, in order: `wanted`, the first one (it sets up), and what these need, however far back.

    What a cell does to a module (a seed, a setting) is not seen, except in the first. (`claims.needed` takes less: of
    the cells that define a name, the last.)
    """
    cells, asked, found = [(i, plain(cell.source)) for i, cell in code(book)], set[str](), list[int]()
    modules = {name for _, source in cells for name in imported(source)}
    for number, source in reversed(cells):
        changes = changed_in_place(source) | passed_on(source)
        if number in (*wanted, cells[0][0]) or asked & (defined(source) | changes - modules):
            found.append(number)
            asked |= used(source)
    return found[::-1]


def passed_on(source: str) -> set[str]:
    """Names that a call on a line of its own is given, as in `train(net)`: it may change them."""
    calls = [node.value for node in nodes(source) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return {root(argument) for call in calls for argument in call.args} - {""}
