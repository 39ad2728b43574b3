"""What a student did below the heading of the experiment: words, code, and the stored outputs of it, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from segkit.grading.assignments import ASSIGNMENTS, PLACE, Notebook, source_path, student_folder
from segkit.grading.notebook_files import read_notebook

LONGEST, MOST = 6_000, 100_000  # characters of an output, of a student's whole text
PICTURE = "[picture]"
_HEAD = re.compile(r"#+ .*\bExperiment\b")
_OURS = re.compile(r"\*\*Your seeds: |## Your own numbers|# Your own numbers")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Own:
    """A cell in which a student did something.

    Args:
        words: whether it holds text rather than code.
        text: what the student wrote; "" where only the outputs are theirs.
        given: the first line of the cell as it was handed out.
        outputs: what it printed.
    """

    words: bool
    text: str
    given: str = ""
    outputs: tuple[str, ...] = ()


@cache
def handed_out(assignment: str) -> dict[str, str]:
    """The cells of an assignment from its experiment on, as they are handed out: source by id."""
    path = source_path(assignment)
    path = path if path.exists() else student_folder() / f"{assignment}.ipynb"
    cells = read_notebook(path)["cells"] if path.exists() else []
    first = next((i for i, cell in enumerate(cells) if _is_heading(cell)), len(cells))
    return {str(cell.get("id")): cell["source"].strip() for cell in cells[first:]}


def _is_heading(cell: Notebook) -> bool:
    return cell["cell_type"] == "markdown" and bool(_HEAD.match(cell["source"].lstrip()))


def assignment_of(notebook: Notebook, otherwise: str = "") -> str:
    """The assignment that a notebook says it is; "" where it says none."""
    said = notebook["metadata"].get("segkit", {}).get("assignment")
    return next((one for one in (said, otherwise) if isinstance(one, str) and one in ASSIGNMENTS), "")


def experiment_at(notebook: Notebook, assignment: str = "") -> int:
    """The number, from 1, of the cell with which the experiment begins; past the last where there is none.

    It is known by its id, or else by its heading, or else by the first of the cells below it.
    """
    given = handed_out(assignment_of(notebook, assignment))
    heading = next(iter(given), "")
    title = given.get(heading, "").split("\n")[0]
    signs: tuple[Callable[[Notebook], bool], ...] = (
        lambda cell: str(cell.get("id")) == heading,
        lambda cell: cell["source"].lstrip().split("\n")[0] == title,
        lambda cell: str(cell.get("id")) in given,
    )
    for sign in signs if given else ():
        for number, cell in enumerate(notebook["cells"], 1):
            if sign(cell):
                return number
    return len(notebook["cells"]) + 1


def own_cells(notebook: Notebook, assignment: str = "") -> list[Own]:
    """All that a student wrote or ran from the experiment's heading on, whoever made the cell.

    A cell without its id, as some programs save it, is known by how its text begins.
    """
    given = handed_out(assignment_of(notebook, assignment))
    found = []
    for cell in notebook["cells"][experiment_at(notebook, assignment) - 1 :] if given else []:
        text = cell["source"].strip()
        asked = given.get(str(cell.get("id"))) or next((one for one in given.values() if _begins(text, one)), "")
        if _OURS.match(text) or cell["metadata"].get("nbgrader"):
            continue
        words = cell["cell_type"] != "code"
        mine = text.removeprefix(asked).strip() if words else "" if text == asked else text
        outputs = () if words else _outputs(cell)
        if mine or outputs:
            found.append(Own(words, mine, asked.split("\n")[0], outputs))
    return found


def _begins(text: str, asked: str) -> bool:
    return text == asked or (bool(PLACE.match(asked)) and text.startswith(asked))


def shown(notebook: Notebook, assignment: str = "") -> str:
    """All that a student wrote or ran from the experiment's heading on, as Markdown; "" where that is nothing."""
    parts = []
    for one in own_cells(notebook, assignment):
        if one.words:
            parts.append(re.sub(r"!\[[^\]]*\]\([^)]*\)", PICTURE, one.text))
        elif one.text:
            parts.append(_fenced(one.text, "python"))
        else:
            parts.append(f"What `{one.given}` … printed:")
        parts += [output if output == PICTURE else _fenced(output, "text") for output in one.outputs]
    return _cut("\n\n".join(parts), MOST)


def _fenced(text: str, kind: str) -> str:
    """Verbatim text, in a fence that nothing in it can end."""
    longest = max((len(one) for one in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text}\n{fence}"


def _outputs(cell: Notebook) -> tuple[str, ...]:
    """The stored outputs of a cell: text, and a word for each picture; of what is odd, nothing."""
    found: list[str] = []
    stored = cell.get("outputs")
    for output in stored if isinstance(stored, list) else []:
        if isinstance(output, dict) and (told := _told(output)):
            found.append(_cut(told, LONGEST))
    return tuple(found)


def _told(output: dict[str, Any]) -> str:
    if output.get("output_type") == "error":
        return f"{output.get('ename')}: {output.get('evalue')}"
    if "text" in output:
        return _plain(output["text"])
    data = output.get("data")
    if not isinstance(data, dict):
        return ""
    if any(kind.startswith("image/") for kind in data):
        return PICTURE
    kind = next((one for one in ("text/plain", "text/markdown", "text/latex") if one in data), "")
    return _plain(data[kind]) if kind else ""


def _plain(text: Any) -> str:
    """Text without colours, and of a line that was written over and over only its end."""
    lines = text if isinstance(text, list) else [text]
    whole = _COLOUR.sub("", "".join(one for one in lines if isinstance(one, str))).replace("\r\n", "\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in whole.split("\n")).strip("\n")


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n(… and {len(text) - most:,} characters more, in the notebook)"
