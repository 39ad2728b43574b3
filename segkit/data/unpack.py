"""Safe unpacking of tar and zip archives: what comes from outside may not write where it likes, nor fill the disk.

Every member is judged before the first byte is written. Names must stay below the folder; only plain files and folders
are made, so no link can lead out of it; the declared sizes must fit the limit and the disk, and no member may hold more
than it declared.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from segkit.data.fetch import require_space, sync_folder

_MOST_MEMBERS = 500_000
_CHUNK = 1 << 20
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError, NotImplementedError,
    RuntimeError,
)  # fmt: skip


class UnsafeArchive(ValueError):
    """An archive is damaged, or holds something that must not be unpacked."""


@dataclass(frozen=True)
class _Member:
    """What tar and zip say about one entry, in one form."""

    name: str
    size: int
    kind: str  # "file", "folder", or what else it is
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path, folder: Path, choose: Callable[[str], str | None] | None = None, limit: int = 32 << 30,
    bar: str | None = None,
) -> list[Path]:  # fmt: skip
    """Unpack an archive below a folder.

    Args:
        archive: tar (plain, gz, bz2, xz) or zip.
        folder: made if missing; files that exist there already are not overwritten.
        choose: name in the archive → name below the folder, or None to leave it out. By default everything is kept.
        limit: largest sum of the unpacked sizes, bytes.
        bar: a name to show a progress bar under; None for no bar.

    Returns:
        the files written.

    Raises:
        UnsafeArchive: a name leads out of the folder or comes twice; a chosen member is a link, a device or the like;
            the sizes exceed the limit (nothing is written in these cases); the archive is damaged.
        OSError: the disk is full.
    """
    with _opened(archive) as members:
        chosen = _judged(archive, members, choose, limit)
        folder.mkdir(parents=True, exist_ok=True)
        require_space(folder, sum(m.size for m in chosen.values()), f"unpacking {archive.name}")
        written = []
        for place, member in tqdm(chosen.items(), desc=bar, unit="file", disable=bar is None, leave=False):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(archive, member, path)
            written.append(path)
    return written


def _judged(
    archive: Path, members: Iterator[_Member], choose: Callable[[str], str | None] | None, limit: int
) -> dict[str, _Member]:
    """The plain files to write by their place below the folder, after every rule has been applied."""
    chosen: dict[str, _Member] = {}
    total = 0
    for number, member in enumerate(members):
        if number >= _MOST_MEMBERS:
            raise UnsafeArchive(f"{archive} has more than {_MOST_MEMBERS:,} members")
        _require_inside(archive, member.name)
        place = member.name if choose is None else choose(member.name)
        if place is None or member.kind == "folder":
            continue
        if member.kind != "file":
            raise UnsafeArchive(
                f"{archive} holds {member.name!r}, a {member.kind}; only files and folders are unpacked"
            )
        place = str(_require_inside(archive, place))
        if place in chosen:
            raise UnsafeArchive(f"{archive} holds {place!r} twice")
        total += member.size
        if total > limit:
            raise UnsafeArchive(f"{archive} unpacks to more than {limit:,} bytes; it is not the archive it should be")
        chosen[place] = member
    return chosen


def _require_inside(archive: Path, name: str) -> PurePosixPath:
    """The name as a relative path, if it stays inside."""
    path = PurePosixPath(name)
    if (
        not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
        or (path.parts and ":" in path.parts[0])
    ):  # fmt: skip
        raise UnsafeArchive(f"{archive} holds the name {name!r}, which leads out of the folder; nothing was unpacked")
    return path


def _write(archive: Path, member: _Member, path: Path) -> None:
    """Write one file, no longer than declared; what is incomplete is removed."""
    try:
        with member.open() as source, open(path, "xb") as target:
            left = member.size
            while block := source.read(min(_CHUNK, left + 1)):
                left -= len(block)
                if left < 0:
                    raise UnsafeArchive(
                        f"{archive}: {member.name!r} is longer than the {member.size:,} bytes it declares"
                    )
                target.write(block)
            if left:
                raise UnsafeArchive(f"{archive} is damaged: {member.name!r} ends {left:,} bytes early")
            target.flush()
            os.fsync(target.fileno())
    except FileExistsError:
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[_Member]]:
    try:
        if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
            with zipfile.ZipFile(archive) as z:
                yield (_of_zip(z, info) for info in z.infolist())
        else:
            with tarfile.open(archive, "r:*") as t:
                yield (_of_tar(t, info) for info in t)
    except (*_DAMAGE, OSError) as error:
        if not isinstance(error, _DAMAGE) and error.errno != errno.EINVAL:  # EINVAL: a place before the file's start
            raise
        raise UnsafeArchive(f"{archive} cannot be unpacked ({error}); delete it and fetch it again") from error


def _of_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    def opened() -> IO[bytes]:
        file = archive.extractfile(info)
        assert file is not None  # only plain files are opened
        return file

    plain = info.isreg() and not info.issparse()
    link = "link" if info.issym() or info.islnk() else "special file"
    return _Member(info.name, info.size, "file" if plain else "folder" if info.isdir() else link, opened)


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    kind = "folder" if info.is_dir() else "file"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "link" if stat.S_ISLNK(mode) else "special file"
    return _Member(info.orig_filename, info.file_size, kind, lambda: archive.open(info))


@contextmanager
def workshop(base: Path) -> Iterator[Path]:
    """A folder on the same disk to unpack into, gone at the end; what a killed run has left in it goes first."""
    folder = base / ".unpacking"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place(made: Path, folder: Path) -> None:
    """Give a finished folder its name."""
    if not made.is_dir():
        raise UnsafeArchive(f"the archive holds no {made.name}/; it is not the one that belongs here")
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.replace(made, folder)
    sync_folder(folder.parent)


def discard(archive: Path) -> None:
    """Delete an archive, and the folder of downloads if that was the last."""
    archive.unlink(missing_ok=True)
    if archive.parent.is_dir() and not any(archive.parent.iterdir()):
        archive.parent.rmdir()
