"""Is a data set on disk what it should be? Counts, pairs, sizes, label values, and checksums where they are known."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from segkit.data.base import PairedSet
from segkit.data.camvid import CamVid
from segkit.data.cityscapes import Cityscapes
from segkit.data.fetch import digest
from segkit.data.folders import data_root
from segkit.data.sample import VOID
from segkit.data.voc import VOC2012

CAMVID_COUNTS = {"train": 367, "val": 101, "test": 233}
VOC_COUNTS = {"train": 1464, "val": 1449}
CITYSCAPES_COUNTS = {"train": 2975, "val": 500, "test": 1525}


@dataclass(frozen=True)
class SetReport:
    """What was found: good where there are no problems.

    Args:
        name: of the data set.
        folder: where it lies.
        facts: what there is, one per line.
        problems: what is wrong, one per line, with the file.
        shown: how many problems are printed.
    """

    name: str
    folder: Path
    facts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    shown: int = 8

    @property
    def ok(self) -> bool:
        """Whether the set can be used."""
        return not self.problems

    def __str__(self) -> str:
        more = [f"  … and {len(self.problems) - self.shown} more problems"] if len(self.problems) > self.shown else []
        lines = [f"  {fact}" for fact in self.facts] + [f"  PROBLEM: {p}" for p in self.problems[: self.shown]] + more
        return "\n".join([f"{self.name}: {'ok' if self.ok else 'not ok'} ({self.folder})", *lines])


@cache
def camvid_manifest() -> dict[str, str]:
    """SHA-256 of the 1,402 original CamVid files by their path below CamVid/."""
    lines = Path(__file__).with_name("camvid.sha256").read_text(encoding="ascii").splitlines()
    return {place: checksum for checksum, place in (line.split("  ") for line in lines)}


def check_camvid(root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Check CamVid; pictures in another format than the original PNG are decoded, as no checksum is known for them."""
    folder, known = data_root(root) / "CamVid", camvid_manifest()

    def intact(file: Path) -> str | None:
        expected = known.get(file.relative_to(folder).as_posix())
        damaged = expected is not None and digest(file) != expected
        return f"{file} is damaged: its SHA-256 is wrong; repair by `segkit data get camvid`" if damaged else None

    return check_set(CamVid, folder, CAMVID_COUNTS, root, progress, intact)[0]


def check_voc2012(root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Check the pictures and masks that the segmentation lists of VOC 2012 name."""
    return check_set(VOC2012, data_root(root) / "VOCdevkit" / "VOC2012", VOC_COUNTS, root, progress)[0]


def check_cityscapes(root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Check the frames and labelIds masks of Cityscapes; takes some minutes."""
    return check_set(Cityscapes, data_root(root) / "Cityscapes", CITYSCAPES_COUNTS, root, progress)[0]


def check_set(
    kind: Callable[..., PairedSet],
    folder: Path,
    counts: dict[str, int],
    root: str | os.PathLike[str] | None,
    progress: bool,
    intact: Callable[[Path], str | None] = lambda file: None,
) -> tuple[SetReport, int]:
    """Read all samples of all splits.

    Args:
        kind: the class of the set, called with a split and `root`.
        folder: where it lies, for the report.
        counts: pictures that each split should have.
        root, progress: as for `get`.
        intact: says what is wrong with a file that can be read, None where nothing is.

    Returns:
        the report, and how many instances there are in all.
    """
    facts: list[str] = []
    problems: list[str] = []
    things, name = 0, folder.name
    for split, expected in counts.items():
        try:
            data = kind(split, root)
        except (OSError, ValueError) as error:
            if str(error) not in problems:
                problems.append(str(error))
            continue
        if len(data) != expected:
            problems.append(f"{split} has {len(data):,} pictures, not {expected:,}")
        name = data.name
        fact, here = _read(data, problems, intact, progress)
        facts.append(f"{split}: {fact}")
        things += here
    return SetReport(name, folder, tuple(facts), tuple(problems)), things


def _read(
    data: PairedSet, problems: list[str], intact: Callable[[Path], str | None], progress: bool
) -> tuple[str, int]:
    """What all samples hold, in words, and how many instances; what is wrong goes to `problems`."""
    labels, things = np.zeros(256, dtype=np.int64), 0
    for i in tqdm(range(len(data)), desc=f"{data.name} {data.split}", disable=not progress, leave=False):
        try:
            sample = data[i]
            labels += np.bincount(sample.labels.numpy().ravel(), minlength=256)
            things += 0 if sample.instances is None else len(sample.instances[sample.instances > 0].unique())
            problems += filter(None, map(intact, data.pairs[i]))
        except (OSError, ValueError) as error:
            problems.append(str(error))
    seen, void = int((labels[: data.num_classes] > 0).sum()), labels[VOID] / max(1, labels.sum())
    pieces = f" with {things:,} pieces" if things else ""
    return f"{len(data):,} pictures{pieces}, {seen} of {data.num_classes} classes, {void:.2%} void", things
