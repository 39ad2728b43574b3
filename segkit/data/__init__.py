"""Data sets that hand out Samples: street scenes made on the spot, CamVid, VOC 2012, Cityscapes; joint transforms."""

from __future__ import annotations

from segkit.data import transforms
from segkit.data.augmented import Augmented, SegmentationSet
from segkit.data.camvid import CamVid
from segkit.data.cityscapes import Cityscapes
from segkit.data.registry import available, create
from segkit.data.sample import VOID, Batch, Sample, collate
from segkit.data.street import StreetScenes
from segkit.data.voc import VOC2012

__all__ = [
    "VOC2012", "VOID", "Augmented", "Batch", "CamVid", "Cityscapes", "Sample", "SegmentationSet", "StreetScenes",
    "available", "collate", "create", "transforms",
]  # fmt: skip
