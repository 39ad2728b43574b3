"""What all data sets share: samples by number, what their labels mean, and how that is found inside wrappers."""

from __future__ import annotations

import operator
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from segkit.data.files import LabelTable, to_sample
from segkit.data.sample import VOID, Sample, as_sample


class SegmentationSet(torch.utils.data.Dataset[Sample]):
    """A data set whose item i is a Sample; a subclass says how to make it in `_make`.

    Attributes:
        name: short, for the command line and messages.
        classes, num_classes, palette: names, how many, and their colours (uint8, K×3).
        ignore_index: 255, the label of void.
        splits, split: those it has, and the one chosen.
        eval_split: the one to quote: labelled, and not trained on.
        items: what its samples are called in messages.
    """

    name: str
    classes: tuple[str, ...]
    num_classes: int
    palette: np.ndarray
    ignore_index: int = VOID
    splits: tuple[str, ...] = ("train", "val", "test")
    split: str
    eval_split: str = "test"
    items: str = "pictures"
    _kept: dict[int, Sample] | None = None  # samples made so far, where they are kept

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`; negative numbers count from the end."""
        place, length = operator.index(index), len(self)
        if not -length <= place < length:
            numbers = f": {self.items} 0 to {length - 1}" if length else ""
            raise IndexError(f"{type(self).__name__} has {length} {self.items}{numbers}; got {place}")
        place %= length
        if self._kept is None:
            return self._make(place)
        if place not in self._kept:
            self._kept[place] = self._make(place)
        return self._kept[place]

    def _make(self, index: int) -> Sample:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split!r}, {len(self)} {self.items})"


class PairedSet(SegmentationSet):
    """A data set of picture files, each with a file of its labels.

    Args:
        split: one of `splits`.

    Raises:
        ValueError: there is no such split.
    """

    pairs: list[tuple[Path, Path]]  # picture, mask
    table: LabelTable
    others = ""  # ends the error: splits that people look for and the set lacks

    def __init__(self, split: str) -> None:
        if split not in self.splits:
            raise ValueError(f"{type(self).__name__} got split={split!r}; it has {', '.join(self.splits)}{self.others}")
        self.split = split

    def __len__(self) -> int:
        return len(self.pairs)

    def _make(self, index: int) -> Sample:
        picture, mask = self.pairs[index]
        return to_sample(picture, mask, self.table, f"{self.name}/{self.split}/{self._stem(picture)}")

    def _stem(self, picture: Path) -> str:
        return picture.stem


class SeenThrough(SegmentationSet):
    """Another data set, wrapped or changed: what its labels mean stays known.

    Args:
        dataset: any data set that `describe` understands.
    """

    items = "samples"

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.name, self.classes, self.num_classes, self.palette, self.ignore_index = describe(dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def _make(self, index: int) -> Sample:
        return as_sample(self.dataset[index])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dataset!r}, {len(self)} {self.items})"


class Facts(NamedTuple):
    """What the labels of a data set mean."""

    name: str
    classes: tuple[str, ...]
    num_classes: int
    palette: np.ndarray
    ignore_index: int = VOID


def describe(dataset: Any) -> Facts:
    """Name, classes, palette and void of a data set, also inside Subset, ConcatDataset and other wrappers.

    Args:
        dataset: one with `classes` (words) or `num_classes`, or with `.dataset` or `.datasets` that have them; names
            and colours that it lacks are made up.

    Raises:
        TypeError: it says nothing about its classes, or not in words.
        ValueError: parts of it have different classes, it has more than 255, or its void is not 255.
    """
    name = str(getattr(dataset, "name", type(dataset).__name__))
    classes = getattr(dataset, "classes", None)
    if classes is None and isinstance(count := getattr(dataset, "num_classes", None), int | np.integer):
        classes = tuple(f"class {k}" for k in range(count))
    if classes is None:
        inner = [describe(part) for part in _inside(dataset)]
        if not inner:
            raise TypeError(
                f"{name} does not say what its labels mean; set its attribute classes to the classes' names"
            )
        for other in inner[1:]:
            if other.classes != inner[0].classes:
                both = "; ".join(f"{facts.name} has {', '.join(facts.classes)}" for facts in (inner[0], other))
                raise ValueError(f"{name} joins data sets of different classes: {both}")
        return inner[0]
    if not all(isinstance(word, str) for word in classes):
        raise TypeError(f"{name}.classes holds {type(classes[0]).__name__}; it needs the names of the classes as words")
    if (void := getattr(dataset, "ignore_index", VOID)) != VOID:
        raise ValueError(f"{name} has ignore_index={void}; inside segkit void is {VOID}: relabel void, then set this")
    if len(classes) > VOID:
        raise ValueError(f"{name} has {len(classes)} classes; 0 to {VOID - 1} are classes, so it has at most {VOID}")
    palette = getattr(dataset, "palette", None)
    return Facts(name, tuple(classes), len(classes), voc_palette(len(classes)) if palette is None else palette)


def void_for_foreground(num_classes: int, ones: int, voids: int) -> bool:
    """Whether 255 stands where a set of two classes should have 1, as in masks drawn in black and white.

    Args:
        num_classes: K.
        ones, voids: how many pixels have label 1, and how many 255.
    """
    return num_classes == 2 and voids > 0 and ones == 0


def warn_of_void(facts: Facts, ones: int, voids: int) -> None:
    """A UserWarning where `void_for_foreground` holds."""
    if void_for_foreground(facts.num_classes, ones, voids):
        warnings.warn(
            f"{facts.name}: no pixel is {facts.classes[1]!r} (label 1) and {voids} are 255, which is void and neither "
            "trains nor counts; if 255 is the foreground of black and white masks, give it label 1",
            stacklevel=3,
        )


def set_epoch(dataset: Any, epoch: int) -> None:
    """Tell each `Augmented` in a data set, however wrapped, which epoch it is."""
    if hasattr(dataset, "set_epoch"):
        dataset.set_epoch(epoch)
    for part in _inside(dataset):
        set_epoch(part, epoch)


def _inside(dataset: Any) -> list[Any]:
    """What a Subset, a ConcatDataset or another wrapper wraps."""
    return [dataset.dataset] if hasattr(dataset, "dataset") else list(getattr(dataset, "datasets", ()))


def voc_palette(count: int) -> np.ndarray:
    """The colours of VOC's devkit: the bits of the class number dealt out to red, green and blue, highest first."""
    palette = np.zeros((count, 3), dtype=np.uint8)
    for number in range(count):
        for bit in range(8):
            for channel in range(3):
                palette[number, channel] |= ((number >> (3 * bit + channel)) & 1) << (7 - bit)
    return palette
