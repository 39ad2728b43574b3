"""Pictures and label maps from files to tensors, with every label checked on the way in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from segkit.data.sample import Sample

_UNKNOWN = -1


class LabelTable:
    """Turns the numbers in a mask file into class numbers, and refuses numbers that the data set does not have.

    Args:
        classes: number in the file → class number, or 255 for void.
        meaning: what the numbers are, for the message: "0–10 are classes, 11 is void".
    """

    def __init__(self, classes: Mapping[int, int], meaning: str) -> None:
        self.table = np.full(256, _UNKNOWN, dtype=np.int64)
        for number, label in classes.items():
            self.table[number] = label
        self.meaning = meaning

    def read(self, picture: Image.Image, path: Path | str) -> Tensor:
        """int64 labels H×W of a mask picture.

        Raises:
            ValueError: the file has colours instead of one number per pixel, or a number out of range.
        """
        numbers = np.asarray(picture)  # H, W
        if numbers.ndim != 2 or numbers.dtype != np.uint8:
            raise ValueError(
                f"{path} has mode {picture.mode!r}; a mask has one number from 0 to 255 per pixel (mode 'L' or 'P')"
            )
        labels = self.table[numbers]
        if (labels == _UNKNOWN).any():
            value = int(numbers[labels == _UNKNOWN][0])
            y, x = np.argwhere(labels == _UNKNOWN)[0]
            raise ValueError(f"{path} has the label {value} at row {y}, column {x}; {self.meaning}")
        return torch.from_numpy(labels)


def open_picture(path: Path | str, mode: str | None = None) -> Image.Image:
    """Read a whole picture, in its own mode or converted to another.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, or it ends too early.
    """
    try:
        with Image.open(path) as file:
            return file.convert(mode) if mode else file.copy()
    except FileNotFoundError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(
            f"{path} cannot be read as a picture ({error}); `segkit data check NAME` finds damaged files"
        ) from error


def to_sample(picture: Image.Image, mask: Image.Image, table: LabelTable, path: Path | str, name: str) -> Sample:
    """A Sample from an RGB picture and its mask, which lies in the file `path`.

    Raises:
        ValueError: they differ in size, or a label is out of range.
    """
    if picture.size != mask.size:
        raise ValueError(
            f"{path} is {mask.size[0]}×{mask.size[1]} pixels, its picture {picture.size[0]}×{picture.size[1]}; a mask "
            "needs one label for each pixel of the picture"
        )
    pixels = torch.from_numpy(np.array(picture, dtype=np.uint8))  # H, W, 3
    image = pixels.permute(2, 0, 1).contiguous().float().div_(255)  # 3, H, W
    return Sample(image=image, labels=table.read(mask, path), name=name)
