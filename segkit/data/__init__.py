"""Data sets that hand out Samples: made-up streets and cells, CamVid, VOC 2012, Cityscapes, slices, nuclei, yours."""

from __future__ import annotations

from segkit.data import transforms
from segkit.data.augmented import Augmented
from segkit.data.base import Facts, SeenThrough, SegmentationSet, describe
from segkit.data.batches import collate
from segkit.data.camvid import CamVid
from segkit.data.cells import Cells
from segkit.data.cityscapes import Cityscapes
from segkit.data.folder import Folder
from segkit.data.isbi import ISBI2012
from segkit.data.nuclei import Nuclei
from segkit.data.registry import available, create
from segkit.data.sample import VOID, Batch, Sample
from segkit.data.street import StreetScenes
from segkit.data.voc import VOC2012

__all__ = [
    "ISBI2012", "VOC2012", "VOID", "Augmented", "Batch", "CamVid", "Cells", "Cityscapes", "Facts", "Folder", "Nuclei",
    "Sample", "SeenThrough", "SegmentationSet", "StreetScenes", "available", "collate", "create", "describe",
    "transforms",
]  # fmt: skip
