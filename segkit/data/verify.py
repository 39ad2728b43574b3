"""Is a data set on disk what it should be? Counts, pairs, sizes, label values, and checksums where they are known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from segkit.data.camvid import _LABELS as CAMVID_LABELS
from segkit.data.camvid import CamVid
from segkit.data.cityscapes import _LABELS as CITYSCAPES_LABELS
from segkit.data.cityscapes import Cityscapes
from segkit.data.fetch import digest
from segkit.data.files import LabelTable, open_picture
from segkit.data.folders import data_root
from segkit.data.sample import VOID
from segkit.data.voc import _LABELS as VOC_LABELS
from segkit.data.voc import VOC2012

CAMVID_COUNTS = {"train": 367, "val": 101, "test": 233}
VOC_COUNTS = {"train": 1464, "val": 1449}
CITYSCAPES_COUNTS = {"train": 2975, "val": 500, "test": 1525}
_SHOWN = 8  # problems printed; the report holds all


@dataclass(frozen=True)
class Report:
    """What was found: good where there are no problems.

    Args:
        name: of the data set.
        folder: where it lies.
        facts: what there is, a line each.
        problems: what is wrong, a line each, with the file.
    """

    name: str
    folder: Path
    facts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the set can be used."""
        return not self.problems

    def __str__(self) -> str:
        more = [f"  … and {len(self.problems) - _SHOWN} more problems"] if len(self.problems) > _SHOWN else []
        lines = [f"  {fact}" for fact in self.facts] + [f"  PROBLEM: {p}" for p in self.problems[:_SHOWN]] + more
        return "\n".join([f"{self.name}: {'ok' if self.ok else 'not ok'} ({self.folder})", *lines])


@cache
def camvid_manifest() -> dict[str, str]:
    """SHA-256 of the 1,402 original CamVid files by their place below CamVid/."""
    lines = Path(__file__).with_name("camvid.sha256").read_text(encoding="ascii").splitlines()
    return {place: checksum for checksum, place in (line.split("  ") for line in lines)}


def check_camvid(root: str | os.PathLike[str] | None = None, progress: bool = True) -> Report:
    """Check CamVid; pictures in another format than the original PNG are decoded, as no checksum is known for them."""
    folder, known = data_root(root) / "CamVid", camvid_manifest()

    def intact(picture: str, mask: str) -> str | None:
        for file in (picture, mask):
            expected = known.get(Path(file).relative_to(folder).as_posix())
            if expected is not None and digest(Path(file)) != expected:
                return f"{file} is damaged: its SHA-256 is not that of the original"
        return None

    return _check(
        CamVid, folder, CAMVID_COUNTS, lambda split: CamVid(split, root).pairs, CAMVID_LABELS, progress, intact
    )


def check_voc2012(root: str | os.PathLike[str] | None = None, progress: bool = True) -> Report:
    """Check the pictures and masks that the segmentation lists of VOC 2012 name."""

    def pairs(split: str) -> list[tuple[str, str]]:
        files = VOC2012(split, root).files
        return list(zip(files.images, files.masks, strict=True))

    return _check(VOC2012, data_root(root) / "VOCdevkit" / "VOC2012", VOC_COUNTS, pairs, VOC_LABELS, progress)


def check_cityscapes(root: str | os.PathLike[str] | None = None, progress: bool = True) -> Report:
    """Check the frames and labelIds masks of Cityscapes; takes some minutes."""
    folder = data_root(root) / "Cityscapes"
    return _check(
        Cityscapes, folder, CITYSCAPES_COUNTS, lambda s: Cityscapes(s, root).pairs, CITYSCAPES_LABELS, progress
    )


def _check(
    kind: type[CamVid] | type[VOC2012] | type[Cityscapes],
    folder: Path,
    counts: dict[str, int],
    pairs: Callable[[str], Iterable[tuple[Path | str, Path | str]]],
    table: LabelTable,
    progress: bool,
    intact: Callable[[str, str], str | None] = lambda picture, mask: None,
) -> Report:
    """Go through all pairs of all splits."""
    facts: list[str] = []
    problems: list[str] = []
    for split, expected in counts.items():
        try:
            found = list(pairs(split))
        except (FileNotFoundError, OSError) as error:
            if str(error) not in problems:
                problems.append(str(error))
            continue
        if len(found) != expected:
            problems.append(f"{split} has {len(found):,} pictures, not {expected:,}")
        labels = np.zeros(256, dtype=np.int64)
        for picture, mask in tqdm(found, desc=f"{kind.name} {split}", disable=not progress, leave=False):
            try:
                labels += _read(picture, mask, table)
                fault = intact(str(picture), str(mask))
            except (OSError, ValueError) as error:
                fault = str(error)
            if fault:
                problems.append(fault)
        seen = int((labels[: kind.num_classes] > 0).sum())
        void = labels[VOID] / max(1, labels.sum())
        facts.append(f"{split}: {len(found):,} pictures, {seen} of {kind.num_classes} classes, {void:.2%} void")
    return Report(kind.name, folder, tuple(facts), tuple(problems))


def _read(picture: Path | str, mask: Path | str, table: LabelTable) -> np.ndarray:
    """Decode both files whole; the numbers of pixels by label."""
    size = open_picture(picture).size
    numbers = open_picture(mask)
    if numbers.size != size:
        raise ValueError(f"{mask} is {numbers.size[0]}×{numbers.size[1]} pixels, its picture {size[0]}×{size[1]}")
    return np.bincount(table.read(numbers, mask).numpy().ravel(), minlength=256)
