"""Running one cell of a notebook as IPython would, without IPython's shell: what its commands do is left out."""

from __future__ import annotations

import ast
import asyncio
import inspect
import linecache
import re
from collections.abc import Collection
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from segkit.grading.capture import Printed, message_of, student_lines
from segkit.grading.outcome import Outcome
from segkit.grading.sandbox import guarded

CELL_SECONDS = 20.0
AROUND_PYTHON = ("%%capture", "%%prun", "%%time", "%%timeit")  # cell magics whose cell is Python all the same


class _Shell:
    """Stands in for the shell: whatever a notebook asks of it, nothing comes back."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: [] if name == "getoutput" else None


def notebook_names() -> dict[str, Any]:
    """The names that a notebook finds defined."""
    return {"__name__": "__main__", "get_ipython": _Shell, "display": lambda *args, **kwargs: None}


def plain_python(code: str) -> str:
    """A cell as plain Python: notebook commands (%matplotlib, !pip, name?) become calls of `get_ipython()`."""
    if code.lstrip().startswith("%%"):
        magic, _, code = code.lstrip().partition("\n")
        if magic.split()[0] not in AROUND_PYTHON:
            return ""
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:  # segkit without the course
        return code
    try:  # IPython itself stops on some cells that are no Python: a wrong indentation, half a character
        plain = TransformerManager().transform_cell(code)
        compile(plain, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError):
        return code if _compiles(code) else _COMMAND.sub(r"\1pass", code)  # so that what is wrong is blamed
    return plain


_COMMAND = re.compile(r"^([ \t]*)[!%].*$", re.MULTILINE)


def _compiles(code: str) -> bool:
    try:
        compile(code, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def defines(code: str, name: str) -> bool:
    """Whether a cell seems to define a function of this name."""
    return bool(re.search(rf"^[ \t]*(def[ \t]+{name}\b|{name}[ \t]*=)", code, re.MULTILINE))


def definitions(code: str, known: Collection[str]) -> str:
    """The imports, functions and constants that a student wrote into a cell whose other lines are not run.

    Args:
        code: the cell.
        known: names that are not taken from there: those of the exercises.
    """
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):
        return ""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return "\n\n".join(
        ast.unparse(part) for part in body
        if (isinstance(part, kinds) and getattr(part, "name", "") not in known) or _is_constant(part, known)
    )  # fmt: skip


def _is_constant(part: ast.stmt, known: Collection[str]) -> bool:
    """Whether a line only gives a name to a number, a text, a list of such, or a small function."""
    if not isinstance(part, ast.Assign) or not all(isinstance(one, ast.Name) for one in part.targets):
        return False
    if {one.id for one in part.targets if isinstance(one, ast.Name)} & {*known}:
        return False
    if isinstance(part.value, ast.Lambda):
        return True
    return not any(isinstance(one, (ast.Call, ast.Name, ast.Await, ast.BinOp)) for one in ast.walk(part.value))


def run_cell(number: int, code: str, namespace: dict[str, Any], seconds: float = CELL_SECONDS) -> str | None:
    """Run a cell, for at most so many seconds; what went wrong, in words, or None."""
    filename = f"<cell {number}>"
    linecache.cache[filename] = (len(code), None, [line + "\n" for line in code.split("\n")], filename)

    def run() -> Outcome:
        try:
            with redirect_stdout(Printed()), redirect_stderr(Printed()):
                waiting = eval(compile(code, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
                if inspect.iscoroutine(waiting):
                    asyncio.run(waiting)
        except SyntaxError as error:
            if error.filename == filename:
                line = f"line {error.lineno}, `{(error.text or '').strip()}`"
                return Outcome("raised", note=f" cannot be read: {line}: {error.msg} ({type(error).__name__})")
            return Outcome("raised", note=f": {type(error).__name__}: {error}")
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            said = message_of(error)
            if isinstance(error, NotImplementedError) and not said:
                return Outcome("value")  # a stub that was called; its check will say so
            lines = student_lines(error, run)
            where = f" ({lines[-1]})" if lines else ""
            return Outcome("raised", note=f": {type(error).__name__}: {said}".strip().split("\n")[0] + where)
        return Outcome("value")

    outcome = guarded()(run, seconds)
    if outcome.kind == "timeout":
        return f"cell {number} did not end in time ({seconds:g} s)"
    return f"cell {number}{outcome.note}" if outcome.kind == "raised" else None
