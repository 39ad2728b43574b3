"""Notebooks as files: read with care, written in the layout of nbformat."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from segkit.files import write_bytes
from segkit.kinds import NOTEBOOK, TEXT, another

Notebook = dict[str, Any]
LARGEST = 64 << 20  # bytes of a notebook


class NotebookError(ValueError):
    """A file that is not there, or not a notebook."""


def file_bytes(path: Path, links: bool = True) -> bytes:
    """What is in a file.

    Args:
        path: the file.
        links: whether it may be a link to another place.

    Raises:
        NotebookError: it is no regular file, or far too large for a notebook.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not links and path.is_symlink():
        raise NotebookError(f"{path} is a link to another place, not a notebook; hand in the file itself")
    try:
        with open(os.open(path, flags | (0 if links else getattr(os, "O_NOFOLLOW", 0))), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise NotebookError(f"{path} is not a file that can be read")
            if facts.st_size > LARGEST:
                raise NotebookError(
                    f"{path} is {facts.st_size >> 20} MB large; without its outputs a notebook is far smaller"
                )
            return file.read(LARGEST)
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror}") from None


def read_notebook(path: str | Path, links: bool = True) -> Notebook:
    """A notebook as a dictionary, each source in one string.

    Args:
        path: the file.
        links: whether it may be a link to another place.

    Raises:
        NotebookError: the file is not there, or not a notebook.
    """
    path = Path(path)
    if path.is_dir():
        raise NotebookError(f"{path} is a folder; give the notebook in it, a file ending in .ipynb")
    if not path.exists() and not path.is_symlink():
        raise NotebookError(f"there is no file {path}; check the name and the folder you are in")
    return parse_notebook(file_bytes(path, links), path)


def parse_notebook(data: bytes, path: Path) -> Notebook:
    """A notebook from the bytes of its file.

    Args:
        data: the bytes.
        path: where they are from, for the message.

    Raises:
        NotebookError: they are not a notebook.
    """
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
        if "worksheets" in notebook:
            raise NotebookError(f"{path} is in format 3, which is out of date; open it in JupyterLab and save it again")
        _only_dicts(notebook, "segkit")
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
            _only_dicts(cell, "nbgrader")
            cell["cell_type"] = str(cell["cell_type"])
    except NotebookError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        hint = (
            "; notebooks end in .ipynb" if path.suffix != ".ipynb" else "; was it cut off while it was saved or copied?"
        )
        found = another(path, NOTEBOOK, TEXT, "is not there")
        raise NotebookError(f"{path} is not a notebook that can be read{found and f': it {found}'}{hint}") from error
    return notebook


def _only_dicts(part: dict[str, Any], ours: str) -> None:
    """Metadata that programs and people have spoilt, made what they must be: a dictionary, and one in it if any."""
    meta = part["metadata"] = part["metadata"] if isinstance(part.get("metadata"), dict) else {}
    if ours in meta and not isinstance(meta[ours], dict):
        del meta[ours]


def write_notebook(notebook: Notebook, path: str | Path) -> None:
    """Write a notebook in the layout of nbformat: sources as lists of lines, keys sorted, one space of indentation."""
    cells = [{**cell, "source": cell["source"].splitlines(keepends=True)} for cell in notebook["cells"]]
    text = json.dumps({**notebook, "cells": cells}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_bytes(text.encode("utf-8"), path)
