"""The files in a folder of downloads, archives unpacked in memory: nothing is written, and no link is followed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from segkit.grading.notebook_files import LARGEST, NotebookError, file_bytes

DEEPEST = 3  # archives within archives
MOST = 20_000  # files of an archive
_SYSTEM = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints", ".git"}  # left behind by programs


@dataclass(frozen=True)
class Download:
    """A file that was found.

    Args:
        parts: folders and archives on the way to it, and its name; archives end in ".zip".
        data: its bytes.
        time: when it was handed in or, failing that, saved.
        problem: why there are no bytes.
    """

    parts: tuple[str, ...]
    data: bytes = b""
    time: datetime = datetime.min
    problem: str = ""

    @property
    def where(self) -> str:
        return "/".join(self.parts)


def is_left_behind(parts: tuple[str, ...]) -> bool:
    """Whether it is a file of the system, which nobody handed in."""
    return any(part.lower() in _SYSTEM or part.startswith("._") for part in parts)


def downloads(folder: Path) -> list[Download]:
    """All files of a folder, those in archives too, in the order of their names.

    Raises:
        NotebookError: there is no such folder.
    """
    if folder.is_file() and folder.suffix.lower() == ".zip":
        return list(_one(folder, (folder.name,)))
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise NotebookError(
            f"{folder} {what}; give the folder with what the learning system let you download, or its archive"
        )
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return [one for path in paths for one in _one(path, path.relative_to(folder).parts)]


def _one(path: Path, parts: tuple[str, ...]) -> Iterator[Download]:
    if path.is_symlink():
        yield Download(parts, problem="a link to another place, which is not followed")
        return
    try:
        time = datetime.fromtimestamp(int(path.stat().st_mtime))
        if path.suffix.lower() == ".zip":
            with path.open("rb") as file:
                yield from _archive(file, parts, time, 1)
            return
        yield Download(parts, file_bytes(path, links=False), time)
    except (NotebookError, OSError) as error:
        yield Download(parts, problem=str(error))


def _archive(
    file: io.BufferedReader | io.BytesIO, parts: tuple[str, ...], time: datetime, depth: int
) -> Iterator[Download]:
    """The files of an archive; one entry with a problem where it cannot be opened."""
    try:
        with zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > MOST:
                yield Download(parts, problem=f"holds {len(infos):,} files; more than {MOST:,} are not unpacked")
                return
            for info in infos:
                inner = tuple(
                    part for part in info.filename.replace("\\", "/").split("/") if part not in ("", ".", "..")
                )
                yield from _member(archive, info, (*parts, *inner), depth)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        yield Download(parts, time=time, problem=f"cannot be unpacked ({error}); download it again")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, parts: tuple[str, ...], depth: int) -> Iterator[Download]:
    try:
        time = datetime(*info.date_time)
    except ValueError:
        time = datetime.min
    if info.file_size > LARGEST:
        yield Download(parts, time=time, problem=f"{info.file_size >> 20} MB large, too large for a notebook")
        return
    try:
        with archive.open(info) as member:
            data = member.read(LARGEST + 1)  # what a header says of its size may be wrong
    except (RuntimeError, zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
        yield Download(parts, time=time, problem=f"cannot be unpacked ({error})")
        return
    except Exception as error:  # damaged data: zlib.error and its like
        yield Download(parts, time=time, problem=f"cannot be unpacked ({type(error).__name__}: {error})")
        return
    if len(data) > LARGEST:
        yield Download(parts, time=time, problem="larger than its archive says, too large for a notebook")
    elif parts[-1].lower().endswith(".zip") and depth < DEEPEST:
        yield from _archive(io.BytesIO(data), parts, time, depth + 1)
    else:
        yield Download(parts, data, time)
