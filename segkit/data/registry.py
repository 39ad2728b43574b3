"""Data sets by name, for the command line and the notebooks."""

from __future__ import annotations

import importlib
import os
from typing import Any

from segkit.data.augmented import SegmentationSet

# name: module, class. Imported on use, so that made-up streets need no torchvision.
_SETS = {
    "street": ("segkit.data.street", "StreetScenes"),
    "camvid": ("segkit.data.camvid", "CamVid"),
    "voc2012": ("segkit.data.voc", "VOC2012"),
    "cityscapes": ("segkit.data.cityscapes", "Cityscapes"),
    "cells": ("segkit.data.cells", "Cells"),
    "isbi2012": ("segkit.data.isbi", "ISBI2012"),
    "nuclei": ("segkit.data.nuclei", "Nuclei"),
}
_MADE_UP = ("street", "cells")  # made on the spot: these read no folder


def available() -> tuple[str, ...]:
    """The names that `create` takes."""
    return tuple(_SETS)


def create(
    name: str, split: str = "train", root: str | os.PathLike[str] | None = None, **options: Any
) -> SegmentationSet:
    """A data set by name.

    Args:
        name: one of `available()`.
        split: "train", "val" or "test", as far as the set has it.
        root: the folder that holds the data sets; None for SEGKIT_DATA, else data/. "street" and "cells" are made on
            the spot and read no folder.
        options: whatever else the class takes, such as size=(96, 128) for "street".

    Raises:
        ValueError: there is no set of that name.
        FileNotFoundError: the set is not on this machine.
    """
    if name not in _SETS:
        raise ValueError(f"there is no data set {name!r}; there are {', '.join(_SETS)}")
    module, cls = _SETS[name]
    if name not in _MADE_UP:
        options["root"] = root
    return getattr(importlib.import_module(module), cls)(split=split, **options)
