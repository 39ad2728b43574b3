"""Tiny stand-ins for the real data sets, in the real layouts."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

CAMVID = {"train": 3, "val": 1, "test": 2}
VOC = {"train": 2, "val": 1}
CITYSCAPES = {"train": 2, "val": 1, "test": 1}


def png(values: np.ndarray, mode: str | None = None) -> bytes:
    """A PNG file's bytes."""
    file = io.BytesIO()
    picture = Image.fromarray(values)
    (picture.convert(mode) if mode else picture).save(file, "PNG")
    return file.getvalue()


def _pair(seed: int, labels: list[int], size: tuple[int, int] = (6, 8)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.choice(np.array(labels, dtype=np.uint8), size)


def camvid_files(counts: Mapping[str, int] = CAMVID, size: tuple[int, int] = (6, 8)) -> dict[str, bytes]:
    """Files below CamVid/: every split with pictures and masks, all twelve labels in use."""
    files = {}
    for split, count in counts.items():
        for k in range(count):
            picture, mask = _pair(k + 10 * len(split), list(range(12)), size)
            files[f"{split}/frame_{k}.png"] = png(picture)
            files[f"{split}annot/frame_{k}.png"] = png(mask)
    return files


def voc_files() -> dict[str, bytes]:
    """Files below VOCdevkit/VOC2012/, plus some that segmentation does not need."""
    files: dict[str, bytes] = {"Annotations/2007_000001.xml": b"<annotation/>"}
    for split, count in VOC.items():
        stems = [f"{split}_{k}" for k in range(count)]
        files[f"ImageSets/Segmentation/{split}.txt"] = "".join(f"{s}\n" for s in stems).encode()
        for k, stem in enumerate(stems):
            picture, mask = _pair(k, [0, 7, 20, 255], (5 + k, 9))
            files[f"JPEGImages/{stem}.jpg"] = png(picture)  # the decoder goes by content
            files[f"SegmentationClass/{stem}.png"] = png(mask, "P")
    return files


def cityscapes_zips() -> dict[str, bytes]:
    """The two archives, by file name."""
    pictures: dict[str, bytes] = {"README": b"read", "license.txt": b"terms"}
    masks: dict[str, bytes] = {"README": b"read", "license.txt": b"terms"}
    for split, count in CITYSCAPES.items():
        for k in range(count):
            town = f"town{k % 2}"
            picture, mask = _pair(k, [0, 7, 8, 11, 26, 33] if split != "test" else [0, 1])
            stem = f"{split}/{town}/{town}_00000{k}_000019"
            pictures[f"leftImg8bit/{stem}_leftImg8bit.png"] = png(picture)
            masks[f"gtFine/{stem}_gtFine_labelIds.png"] = png(mask)
    return {"leftImg8bit_trainvaltest.zip": zipped(pictures), "gtFine_trainvaltest.zip": zipped(masks)}


def tarred(files: dict[str, bytes], below: str, mode: str = "w:gz") -> bytes:
    """A tar archive of the files below a folder, with a link beside them as source archives have."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{below}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive of the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def write(files: dict[str, bytes], folder: Path) -> Path:
    """Put the files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def sha256(files: dict[str, bytes]) -> dict[str, str]:
    """The manifest of the files."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
