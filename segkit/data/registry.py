"""Data sets by name, for the command line and the notebooks."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from segkit.data.base import SegmentationSet
from segkit.data.folder import Folder
from segkit.names import OWN, SETS, known_set
from segkit.typed import typed

MADE_UP = ("street", "cells")  # made on the spot: these read no folder


def available() -> tuple[str, ...]:
    """The names that `create` takes."""
    return tuple(SETS)


@typed
def create(
    name: str, split: str | None = "train", root: str | os.PathLike[str] | None = None, **options: Any
) -> SegmentationSet:
    """A data set by name.

    Args:
        name: one of `available()`, or "folder:PATH" for pictures of your own, see `Folder`.
        split: "train", "val" or "test", as far as the set has it; None for the one to quote.
        root: the folder that holds the data sets; None for SEGKIT_DATA, else data/. "street" and "cells" are made on
            the spot and read no folder; PATH is taken from here where there is no root.
        options: whatever else the class takes, such as size=(96, 128) for "street".

    Raises:
        ValueError: there is no set of that name.
        FileNotFoundError: the set is not on this machine.
    """
    known_set(name)
    if name.startswith(OWN):
        return Folder(Path(root or "", name.removeprefix(OWN)), split, **options)
    module, word = SETS[name]
    cls = getattr(importlib.import_module(module), word)
    if name not in MADE_UP:
        options["root"] = root
    return cls(split=cls.eval_split if split is None else split, **options)
