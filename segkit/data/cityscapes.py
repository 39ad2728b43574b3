"""Cityscapes: 5,000 finely labelled frames from 50 towns.

Source: Cordts et al., "The Cityscapes dataset for semantic urban scene understanding", CVPR 2016. The mask files hold
34 label ids, 19 of which are trained and evaluated; the others are void.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from segkit.data.base import PairedSet
from segkit.data.files import LabelTable
from segkit.data.folders import data_root, require_folder, visible
from segkit.data.sample import VOID

_PICTURE = "_leftImg8bit.png"
# label id in the file → class; every other id from 0 to 33 is void
_TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


class Cityscapes(PairedSet):
    """The 2,975 training, 500 validation or 1,525 test frames, 2048×1024 pixels (test labels are void throughout).

    Args:
        split: "train", "val" or "test".
        root: the folder that holds Cityscapes/leftImg8bit and Cityscapes/gtFine; None for SEGKIT_DATA, else data/.

    Raises:
        ValueError: there is no such split.
        FileNotFoundError: the folders are missing, or a frame has no labels.
    """

    name = "cityscapes"
    classes = (
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
        "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    )  # fmt: skip
    num_classes = 19
    palette = np.array(
        [
            (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
            (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0),
            (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
        ],
        dtype=np.uint8,
    )  # fmt: skip
    eval_split = "val"  # the labels of test are not public
    table = LabelTable(
        {**dict.fromkeys(range(34), VOID), **{label_id: k for k, label_id in enumerate(_TRAIN_IDS)}},
        "the labelIds files of Cityscapes hold 0–33",
    )

    def __init__(self, split: str = "train", root: str | os.PathLike[str] | None = None) -> None:
        super().__init__(split)
        pictures, masks = (
            require_folder(data_root(root) / "Cityscapes" / kind / split, "cityscapes")
            for kind in ("leftImg8bit", "gtFine")
        )
        self.pairs = [
            (path, masks / town.name / f"{self._stem(path)}_gtFine_labelIds.png")
            for town in visible(pictures) if town.is_dir()
            for path in visible(town) if path.name.endswith(_PICTURE)
        ]  # fmt: skip
        missing = [mask for _, mask in self.pairs if not mask.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{missing[0]} is missing (and {len(missing) - 1} more); `segkit data check cityscapes` lists them all"
            )

    def _stem(self, picture: Path) -> str:
        return picture.name.removesuffix(_PICTURE)
