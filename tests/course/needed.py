"""Which code cells of a chapter some of its cells need: those that make, or change inside, a name that they use."""

from __future__ import annotations

import ast
from collections.abc import Collection

import nbformat

from tests.course.checks import code, nodes


def needed(book: nbformat.NotebookNode, wanted: Collection[int]) -> list[int]:
    """Numbers of cells, in order: `wanted`, the first one (it sets up), and what these need, however far back.

    What a cell does to a module (a seed, a setting) is not seen, except in the first.
    """
    cells, used, found = code(book), set[str](), list[int]()
    imported = {name for _, cell in cells for name in makes(cell.source, ast.alias)}
    for number, cell in reversed(cells):
        names = {node.id for node in nodes(cell.source) if isinstance(node, ast.Name)}
        if number in (*wanted, cells[0][0]) or used & (makes(cell.source) | changes(cell.source) - imported):
            found.append(number)
            used |= names
    return found[::-1]


def makes(source: str, *kinds: type) -> set[str]:
    """Names that a cell gives a value, anywhere in it."""
    found = set()
    for node in nodes(source):
        if kinds and not isinstance(node, kinds):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
    return found


def changes(source: str) -> set[str]:
    """Names of which a cell sets a part (`x.a = 1`, `x[0] = 1`) or which a call on a line of its own is about."""
    found = set()
    for node in nodes(source):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(root(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found |= {root(argument) for argument in (node.value.func, *node.value.args)}
    return found - {""}


def root(node: ast.expr) -> str:
    """The name at the root of x, x.a.b, x[0] or x.f().g; nothing for any other expression."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
