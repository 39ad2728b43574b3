"""Numbers that a student wrote into a dictionary, read as text: no code of theirs runs."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

from segkit.grading.notebook_files import Notebook

NAME = "own_numbers"
_DOES: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_LARGEST = 1e15


def numbers(notebook: Notebook) -> dict[str, float]:
    """What the last `own_numbers = {"name": number, …}` of a notebook says; what is no number is left out."""
    written = _written(notebook)
    return _read(written) if written else {}


def unread(notebook: Notebook) -> dict[str, str]:
    """Why a number cannot be read, by its name, in words for its author; under "" what holds for all of them."""
    written = _written(notebook)
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if written is None:
        if not any(NAME in source for source in cells):
            return {"": f"this notebook has no cell `{NAME} = …`, so it is not the one that was made for you"}
        return {"": f"the cell `{NAME} = {{…}}` cannot be read; write it as it was handed out, with numbers in it"}
    found = {}
    for key, value in zip(written.keys, written.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and _number(value) is None:
            found[key.value[:100]] = _why(key.value[:100], value, cells)
    return found


def _why(name: str, value: ast.expr, cells: list[str]) -> str:
    if not isinstance(value, ast.Constant) or value.value is not None:
        return f"`{ast.unparse(value)[:40]}` is no number, nor arithmetic with numbers"
    beside = any(re.search(rf"^[ \t]*{re.escape(name)}[ \t]*=[^=]", source, re.MULTILINE) for source in cells)
    inside = f'the number belongs into the dictionary, in place of `None`: "{name}": …'
    return f"`{name} = …` stands beside it; {inside}" if beside else ""


def _written(notebook: Notebook) -> ast.Dict | None:
    """The last dictionary of that name; None where there is none that can be read."""
    found = None
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and NAME in cell["source"]:
            try:
                lines = ast.parse(cell["source"]).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            for line in lines:
                targets = line.targets if isinstance(line, ast.Assign) else []
                if any(getattr(one, "id", "") == NAME for one in targets) and isinstance(line.value, ast.Dict):
                    found = line.value
    return found


def _read(written: ast.Dict) -> dict[str, float]:
    found = {}
    for key, value in zip(written.keys, written.values, strict=True):
        number = _number(value)
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and number is not None:
            found[key.value[:100]] = number
    return found


def _number(node: Any, depth: int = 0) -> float | None:
    """The value of a number, or of arithmetic with numbers; None for anything else."""
    value: Any = None
    if depth > 50:
        return None
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        value = node.value
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _number(node.operand, depth + 1)
        value = inner if inner is None or isinstance(node.op, ast.UAdd) else -inner
    elif isinstance(node, ast.BinOp) and type(node.op) in _DOES:
        left, right = _number(node.left, depth + 1), _number(node.right, depth + 1)
        if (
            left is not None
            and right is not None
            and not (right == 0 and not isinstance(node.op, ast.Add | ast.Sub | ast.Mult))
        ):
            value = _DOES[type(node.op)](left, right)
    if value is None or abs(value) > _LARGEST or not math.isfinite(value):
        return None
    return float(value)
