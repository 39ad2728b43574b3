"""PASCAL VOC 2012: photographs in 20 classes and background.

Source: Everingham et al., "The PASCAL visual object classes challenge: a retrospective", IJCV 2015. A border of about
five pixels around each object is void. The labels of the test pictures stay with the challenge's server.
"""

from __future__ import annotations

import os

from segkit.data.base import PairedSet, voc_palette
from segkit.data.files import LabelTable
from segkit.data.folders import data_root, read_lines, require_folder
from segkit.data.sample import VOID


class VOC2012(PairedSet):
    """The 1,464 training or 1,449 validation pictures of the segmentation task, each of its own size.

    Args:
        split: "train", "val" or "trainval".
        root: the folder that holds VOCdevkit/VOC2012/; None for SEGKIT_DATA, else data/.

    Raises:
        ValueError: there is no such split.
        FileNotFoundError: the folder or its list of pictures is missing.
    """

    name = "voc2012"
    classes = (
        "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
        "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
    )  # fmt: skip
    num_classes = 21
    palette = voc_palette(21)
    splits = ("train", "val", "trainval")
    eval_split = "val"
    others = " (the test labels are not public)"
    table = LabelTable({**{k: k for k in range(21)}, 255: VOID}, "in VOC 0–20 are classes and 255 is void")

    def __init__(self, split: str = "train", root: str | os.PathLike[str] | None = None) -> None:
        super().__init__(split)
        folder = data_root(root) / "VOCdevkit" / "VOC2012"
        pictures, masks, lists = (
            require_folder(folder / needed, "voc2012")
            for needed in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
        )
        self.pairs = [(pictures / f"{s}.jpg", masks / f"{s}.png") for s in read_lines(lists / f"{split}.txt")]
