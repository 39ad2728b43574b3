"""A chapter's notebook as the site shows it: nothing in course/ changes.

What JupyterLab forgives and a page does not: formulas right under a line of text, pictures without words, widgets
without a kernel.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
EXPLORER = re.compile(r"(\w+Explorer)\(")
FORMULA = re.compile(r"(?<=[^\n])\n(\$\$[^$]+\$\$)[ \t]*(?=\n|$)")  # MyST takes $$ under a line of text for inline
WORDS = re.compile(r"^\*(?:What to see|How to read)(?:\. |[^.:\n]*: )(.*?)(?:\n\s*\n|\Z)", re.S | re.M)  # a paragraph
MINUTES = re.compile(r"\*\*Minutes:\*\* (\d+) to read")
Cell = dict[str, Any]


def source(cell: Cell) -> str:
    return "".join(cell["source"])


def title(book: Mapping[str, Any]) -> str:
    """The heading of the first cell."""
    line = source(book["cells"][0]).lstrip().splitlines()[0]
    if not line.startswith("# "):
        raise ValueError(
            f"the first cell begins with {line!r}; expected the chapter's title, as `# 03 · Going back up`"
        )
    return line[2:].strip()


def minutes(book: Mapping[str, Any]) -> int | None:
    found = MINUTES.search(source(book["cells"][0]))
    return int(found[1]) if found else None


def plain(text: str) -> str:
    """Markdown without its marks, on one line."""
    text = re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*`$]|<[^>]+>", "", text).split())


def strings(code: str, name: str) -> list[str]:
    """What a cell's code says literally as the argument, or the variable, `name`."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*[%!].*", "", code))):
        if isinstance(node, ast.keyword) and node.arg == name:
            found.append(node.value)
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            found.append(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == name:
            found += node.args[:1]
    whole = [
        e for e in found if not any(isinstance(n, ast.JoinedStr) for n in ast.walk(e))
    ]  # an f-string is only half there
    return [n.value for e in whole for n in ast.walk(e) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def alternative(cell: Cell, after: list[Cell]) -> str:
    """What stands in for a cell's picture: the words under it, else its caption, else its titles."""
    for text in (source(c) for c in after[:2]):
        if found := WORDS.search(text):
            words = plain(found[1])
            return words[0].upper() + words[1:]
    if found := next(filter(None, map(explorer, cell["outputs"])), ""):
        return f"The {found} as it stands at the beginning; described in the text below"
    if is_still(cell):
        return "The explorer above as a picture; described in the text below"
    code = source(cell)
    words = [*strings(code, "caption"), *strings(code, "suptitle")]
    titles = dict.fromkeys(w for name in ("titles", "title", "set_title") for w in strings(code, name))
    words += ["; ".join(titles)] * bool(titles) + ["described in the text below"] * (not words)
    return plain("Figure: " + ". ".join(w.rstrip(".") for w in words))


def is_picture(output: Cell) -> bool:
    return "image/png" in output.get("data", {})


def explorer(output: Cell) -> str:
    """The name of the explorer whose picture this output is, or nothing."""
    found = EXPLORER.match("".join(output.get("data", {}).get("text/plain", "")))
    return found[1] if found and is_picture(output) else ""


def is_still(cell: Cell | None) -> bool:
    """Whether the cell only repeats the explorer above it as a picture."""
    return bool(cell and cell["cell_type"] == "code" and re.fullmatch(r"\w+\.static\(\)", source(cell).strip()))


def moved(cells: list[Cell], live: Mapping[str, str]) -> list[Cell]:
    """Explorers alive where the page can do it, else as one picture; no progress bars, nor views that need a kernel."""
    out: list[Cell] = []
    used: set[str] = set()
    for number, cell in enumerate(cells):
        following = cells[number + 1] if number + 1 < len(cells) else None
        if cell["cell_type"] == "code":
            outputs = []
            for output in cell["outputs"]:
                name, data = explorer(output), output.get("data", {})
                if name in live and name not in used:
                    used.add(name)
                    outputs.append({**output, "data": {"text/html": live[name]}})
                    cell = {**cell, "alive": True}
                elif is_picture(output) and not (name and is_still(following)):
                    outputs.append({**output, "data": {k: v for k, v in data.items() if k != VIEW}})
                elif not is_picture(output) and VIEW not in data:
                    outputs.append(output)
            cell = {**cell, "outputs": outputs}
        if not (is_still(cell) and out and out[-1].get("alive")):
            out.append(cell)
    return [{key: value for key, value in cell.items() if key != "alive"} for cell in out]


def described(cells: list[Cell]) -> list[Cell]:
    """Code cells with the words for their pictures, and those that are stored collapsed marked so for the page."""
    out = []
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            about = dict(cell["metadata"])
            if any(is_picture(o) for o in cell["outputs"]):
                about["mystnb"] = {"image": {"alt": alternative(cell, cells[number + 1 :])}}
            if about.get("jupyter", {}).get("source_hidden"):
                about["tags"] = [*about.get("tags", []), "hide-input"]
            cell = {**cell, "metadata": about}
        out.append(cell)
    return out


def shown(book: Mapping[str, Any], live: Mapping[str, str], bar: str) -> dict[str, Any]:
    """The notebook for the site: `live` holds each explorer's HTML by its class, `bar` the line under the title."""
    cells = described(moved(book["cells"], live))
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            cells[number] = {**cell, "source": FORMULA.sub(r"\n\n\1\n", source(cell))}
    head, _, rest = source(cells[0]).partition("\n")
    cells[0] = {**cells[0], "source": f"{head}\n\n{bar}\n{rest}"}
    return {**book, "cells": cells}
