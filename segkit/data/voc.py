"""PASCAL VOC 2012: photographs in 20 classes and background, read through torchvision.

Source: Everingham et al., "The PASCAL visual object classes challenge: a retrospective", IJCV 2015. A border of about
five pixels around each object is void. The labels of the test pictures stay with the challenge's server.
"""

from __future__ import annotations

import os

import numpy as np

from segkit.data.files import LabelTable, open_picture, to_sample
from segkit.data.folders import data_root, require_folder
from segkit.data.sample import VOID, Sample

_LABELS = LabelTable({**{k: k for k in range(21)}, 255: VOID}, "in VOC 0–20 are classes and 255 is void")


def _voc_palette(count: int) -> np.ndarray:
    """The devkit's colours: the bits of the class number dealt out to red, green and blue, highest first."""
    palette = np.zeros((count, 3), dtype=np.uint8)
    for number in range(count):
        for bit in range(8):
            for channel in range(3):
                palette[number, channel] |= ((number >> (3 * bit + channel)) & 1) << (7 - bit)
    return palette


class VOC2012:
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
    ignore_index = VOID
    palette = _voc_palette(21)
    splits = ("train", "val", "trainval")

    def __init__(self, split: str = "train", root: str | os.PathLike[str] | None = None) -> None:
        from torchvision.datasets import VOCSegmentation

        if split not in self.splits:
            raise ValueError(
                f"VOC2012 got split={split!r}; it has {', '.join(self.splits)} (the test labels are not public)"
            )
        folder = data_root(root)
        for needed in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
            require_folder(folder / "VOCdevkit" / "VOC2012" / needed, "voc2012")
        self.split = split
        self.files = VOCSegmentation(str(folder), year="2012", image_set=split)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        picture, mask = self.files.images[index], self.files.masks[index]
        stem = os.path.splitext(os.path.basename(picture))[0]
        return to_sample(
            open_picture(picture, "RGB"), open_picture(mask), _LABELS, mask, f"voc2012/{self.split}/{stem}"
        )
