"""ISBI 2012: thirty neighbouring slices of a fly larva's nerve cord in the electron microscope, membranes drawn.

Source: Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics",
Frontiers in Neuroanatomy 2015; Cardona et al., PLoS Biology 2010. It is the first data set of the U-Net paper
(Ronneberger, Fischer, Brox, MICCAI 2015, section 4).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from segkit.components import label_components
from segkit.data.base import PairedSet
from segkit.data.files import LabelTable
from segkit.data.folders import absent, data_root
from segkit.data.sample import Sample

_LAYOUTS = (("images/train", "masks/train"), ("train/image", "train/label"))  # tidied, and as the repository has it
_SLICES = {"train": range(24), "val": range(24, 30)}
_BY_HAND = (
    "it lies in the repository zhixuhao/unet on GitHub at commit b45af4d458437d8281cc218a07fd4380818ece4a: copy its "
    "folder data/membrane/ to {0}, so that {0}/train/image/0.png and {0}/train/label/0.png are there"
)


class ISBI2012(PairedSet):
    """The first 24 slices for training or the last 6 for validation, 512×512 pixels, grey as RGB.

    The challenge's own test slices have no public labels, so there is no split "test": figures on "val" are of this
    split only and not comparable with the challenge's table. Slices are split by depth, never at random: a slice looks
    like its neighbours, and a random split would put near-copies of training slices into validation.

    Args:
        split: "train" (slices 0–23) or "val" (24–29).
        root: the folder that holds isbi2012/; None for SEGKIT_DATA, else data/.

    Shape: a Sample of image 3×512×512, labels 512×512 (0 membrane, 1 cell), instances 512×512: the connected pieces of
        the inside (steps up, down, left, right), 0 on membranes.

    Raises:
        ValueError: there is no such split.
        FileNotFoundError: the folder is missing or lacks a slice; says where to get it.
    """

    name = "isbi2012"
    classes = ("membrane", "cell")
    num_classes = 2
    palette = np.array([(0, 0, 0), (86, 180, 233)], dtype=np.uint8)
    splits = ("train", "val")
    eval_split = "val"
    others = " (the labels of the challenge's test are not public)"
    table = LabelTable({0: 0, 255: 1}, "in ISBI 2012 0 is membrane and 255 is the inside of a cell, nothing in between")

    def __init__(self, split: str = "train", root: str | os.PathLike[str] | None = None) -> None:
        super().__init__(split)
        self.pairs = _slices(data_root(root) / "isbi2012", _SLICES[split])

    def _make(self, index: int) -> Sample:
        sample = super()._make(index)
        sample.instances = torch.as_tensor(label_components(sample.labels == 1))
        return sample

    def _stem(self, picture: Path) -> str:
        return f"{int(picture.stem):02d}"


def _slices(folder: Path, wanted: range) -> list[tuple[Path, Path]]:
    """Picture and mask of each wanted slice, in depth order, in whichever layout there is.

    Raises:
        FileNotFoundError: neither layout is there, or a slice is missing.
    """
    for images, masks in _LAYOUTS:
        if (folder / images).is_dir() and (folder / masks).is_dir():
            break
    else:
        looked = f"looked for {folder}/images/train and {folder}/train/image with their masks"
        raise absent("isbi2012", looked, _BY_HAND.format(folder))
    return [(_numbered(folder / images, number), _numbered(folder / masks, number)) for number in wanted]


def _numbered(folder: Path, number: int) -> Path:
    for name in (f"{number:02d}.png", f"{number}.png"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{folder} lacks slice {number} ({number}.png or {number:02d}.png)")
