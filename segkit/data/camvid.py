"""CamVid: 701 frames of driving around Cambridge in 11 classes, in the split that SegNet made standard.

Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 2009; split and
masks of Badrinarayanan, Kendall, Cipolla, "SegNet", PAMI 2017. Validation frames lie between training frames of one
drive, so a network scores far higher on val than on test: quote test.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from segkit.data.base import PairedSet
from segkit.data.files import LabelTable
from segkit.data.folders import data_root, require_folder, visible
from segkit.data.sample import VOID

_PICTURES = (".png", ".webp", ".jpg", ".jpeg")


class CamVid(PairedSet):
    """The 367 training, 101 validation or 233 test frames, 480×360 pixels.

    Args:
        split: "train", "val" or "test".
        root: the folder that holds CamVid/; None for SEGKIT_DATA, else data/.

    Raises:
        ValueError: there is no such split.
        FileNotFoundError: the folder is missing, or a picture lacks its mask or a mask its picture.
    """

    name = "camvid"
    classes = (
        "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
    )  # fmt: skip
    num_classes = 11
    palette = np.array(
        [
            (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
            (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
        ],
        dtype=np.uint8,
    )  # fmt: skip
    table = LabelTable({**{k: k for k in range(11)}, 11: VOID}, "in CamVid 0–10 are classes and 11 is void")

    def __init__(self, split: str = "train", root: str | os.PathLike[str] | None = None) -> None:
        super().__init__(split)
        folder = data_root(root) / "CamVid"
        self.pairs = paired(
            require_folder(folder / split, "camvid"), require_folder(folder / f"{split}annot", "camvid")
        )


def paired(pictures: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Pictures and masks of the same stem, sorted, whatever the pictures' extension (PNG, where there are several).

    Raises:
        FileNotFoundError: one is without the other, or there are none.
    """
    of_picture = {p.stem: p for kind in reversed(_PICTURES) for p in visible(pictures) if p.suffix.lower() == kind}
    of_mask = {p.stem: p for p in visible(masks) if p.suffix.lower() == ".png"}
    for here, there, folder in ((of_picture, of_mask, masks), (of_mask, of_picture, pictures)):
        lonely = sorted(here.keys() - there.keys())
        if lonely:
            raise FileNotFoundError(
                f"{folder} lacks {lonely[0]} (and {len(lonely) - 1} more) although {here[lonely[0]]} is there; "
                "`segkit data check camvid` lists what is wrong and `segkit data get camvid` repairs it"
            )
    if not of_picture:
        raise FileNotFoundError(f"{pictures} holds no pictures ({', '.join(_PICTURES)}); run `segkit data get camvid`")
    return [(of_picture[stem], of_mask[stem]) for stem in sorted(of_picture)]
