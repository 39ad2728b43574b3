"""Data sets that hand out Samples: street scenes made on the spot, CamVid, VOC 2012, Cityscapes; joint transforms."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from segkit.data import transforms
from segkit.data.augmented import Augmented, SegmentationSet
from segkit.data.registry import _SETS, available, create
from segkit.data.sample import VOID, Batch, Sample, collate

if TYPE_CHECKING:
    from segkit.data.camvid import CamVid
    from segkit.data.cityscapes import Cityscapes
    from segkit.data.street import StreetScenes
    from segkit.data.voc import VOC2012

__all__ = [
    "VOC2012", "VOID", "Augmented", "Batch", "CamVid", "Cityscapes", "Sample", "SegmentationSet", "StreetScenes",
    "available", "collate", "create", "transforms",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a data set's class on first use: torchvision takes a second, and made-up streets do without it."""
    for module, cls in _SETS.values():
        if name == cls:
            return getattr(importlib.import_module(module), cls)
    raise AttributeError(f"segkit.data has no {name!r}")
