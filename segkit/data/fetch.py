"""One file over HTTP: resumed where it broke off, checked against its checksum, and in place only when it is whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

_CHUNK = 1 << 18  # bytes read at a time
_NO_NETWORK = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # HTTP answers after which another attempt makes sense


class DownloadError(RuntimeError):
    """A file could not be fetched, or is not what it should be."""


class Unfinished(DownloadError):
    """The transfer broke off too often; what has come is kept, and the next call goes on from there."""


class _Interrupted(Exception):
    """The transfer broke off; another attempt may go on from there."""

    def __init__(self, reason: str, wait: float | None = None, offline: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.offline = wait, offline


def fetch(
    url: str, path: Path, sha256: str | None = None, md5: str | None = None, bar: str | None = None, attempts: int = 6,
    timeout: float = 30.0, pause: float = 1.0,
) -> Path:  # fmt: skip
    """Download a file; on a second call go on where the first was interrupted.

    Bytes go to `path` + ".part"; that is renamed only after length and checksum are right and the disk has it all.

    Args:
        url: http or https.
        path: where the file shall stand.
        sha256, md5: what it must hash to, in hexadecimal, or the first eight digits or more; None if that is not known.
        bar: a name to show a progress bar under; None for no bar.
        attempts: tries without a single new byte before giving up.
        timeout: seconds of silence that count as broken off.
        pause: seconds before the second try; doubles with each.

    Raises:
        DownloadError: the server says no, or the content is not the one expected.
        Unfinished: the server does not answer, or the transfer breaks off again and again.
        OSError: the disk is full; what has come stays and the next call goes on from there.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"cannot fetch {url!r}; only http and https addresses are fetched")
    if path.is_file() and _fault(path, sha256, md5) is None:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part, failures, resumed, host = path.with_name(path.name + ".part"), 0, False, urlsplit(url).hostname
    while True:
        before = _size(part)
        resumed = resumed or before > 0
        try:
            _transfer(url, part, bar, timeout)
        except _Interrupted as reason:
            failures = 0 if _size(part) > before else failures + 1
            if reason.offline and _size(part) == 0:
                told = f"{host} is not reached ({reason}); is there a network? Run it again when there is."
                raise Unfinished(told) from reason
            if failures >= attempts:
                raise Unfinished(f"{url}: {reason}; tried {failures} times. Run it again to go on.") from reason
            seconds = min(60.0, reason.wait if reason.wait is not None else pause * 2**failures)
            if seconds >= 1:
                tqdm.write(f"{host}: {reason}; trying again in {seconds:.0f} s", file=sys.stderr)
            time.sleep(seconds)
            continue
        fault = _fault(part, sha256, md5)
        if fault is None:
            break
        _forget(part)
        if not resumed:
            raise DownloadError(f"{url} is not the file that is expected: {fault}. It has been deleted.")
        resumed, failures = False, 0  # two versions may have been glued together: once more from the start
    _tag(part).unlink(missing_ok=True)
    settle(part, path)
    return path


def settle(temporary: Path, path: Path) -> None:
    """Make sure that the disk has a finished file, then give it its name."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the disk has a folder's new names, where the system can say so."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Refuse before the first byte what the disk cannot hold.

    Raises:
        OSError: fewer than `needed` bytes and a small reserve are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + (16 << 20):
        raise OSError(
            errno.ENOSPC,
            f"{purpose} needs {needed / 2**20:,.0f} MiB more and {folder} has {free / 2**20:,.0f} MiB free; make room, "
            "or let SEGKIT_DATA (TORCH_HOME for weights) name a folder on another disk",
        )


def _transfer(url: str, part: Path, bar: str | None, timeout: float) -> None:
    """Append to `part` what it lacks; returns when the server has sent everything."""
    start = _size(part)
    headers = {"User-Agent": "segkit", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if _tag(part).is_file():
            headers["If-Range"] = _tag(part).read_text(encoding="ascii")  # another version by now? then from the start
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            _explain(url, part, start, error)
        return
    except (OSError, http.client.HTTPException) as error:  # no network, no such host, silence
        cause = getattr(error, "reason", None) or error
        offline = isinstance(cause, socket.gaierror | TimeoutError) or getattr(cause, "errno", None) in _NO_NETWORK
        raise _Interrupted(f"no answer ({cause})", offline=offline) from error
    with answer:
        start = _where(answer, part, start)
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length is not None and length.isdigit() else None
        if total is not None:
            require_space(part.parent, total - start, part.name.removesuffix(".part"))
        tag = answer.headers.get("ETag") or ""
        if tag.startswith('"') and tag.isascii():  # a weak tag ("W/…") does not promise the same bytes
            _tag(part).write_text(tag, encoding="ascii")
        _copy(answer, part, start, total, bar)


def _explain(url: str, part: Path, start: int, error: urllib.error.HTTPError) -> None:
    """What an HTTP error means: finished, again, or no."""
    if error.code == 416 and start:
        total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
        if total == str(start):
            return  # there is nothing more to come: the last run stopped just before the end
        _forget(part)
        raise _Interrupted("the server has a shorter file than ours; starting over")
    if error.code in _AGAIN:
        wait = error.headers.get("Retry-After") or ""
        raise _Interrupted(f"the server answers {error.code} {error.reason}", float(wait) if wait.isdigit() else None)
    raise DownloadError(f"{url}: the server answers {error.code} {error.reason}") from error


def _where(answer: http.client.HTTPResponse, part: Path, start: int) -> int:
    """The position in the file at which the answer begins: where we asked for, or 0."""
    if answer.status != 206:
        _forget(part)
        return 0
    if (answer.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
        return start
    _forget(part)
    raise _Interrupted("the server sent another range than asked for; starting over")


def _copy(answer: http.client.HTTPResponse, part: Path, start: int, total: int | None, bar: str | None) -> None:
    progress = tqdm(total=total, initial=start, desc=bar, unit="B", unit_scale=True, disable=bar is None, leave=False)
    with progress, open(part, "ab") as file:
        while True:
            try:
                block = answer.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _Interrupted(f"the transfer broke off ({error})") from error
            if not block:
                break
            _write(file, block, part)
            progress.update(len(block))
        file.flush()
    if total is not None and _size(part) < total:
        raise _Interrupted(f"the transfer broke off after {_size(part):,} of {total:,} bytes")


def _write(file: object, block: bytes, part: Path) -> None:
    try:
        file.write(block)  # type: ignore[attr-defined]
        file.flush()  # type: ignore[attr-defined]
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        message = f"the disk is full; make room and run it again, it goes on from the {_size(part):,} bytes in {part}"
        raise OSError(errno.ENOSPC, message) from error


def _fault(path: Path, sha256: str | None, md5: str | None) -> str | None:
    """What is wrong with the content, None if nothing is."""
    for algorithm, expected in (("sha256", sha256), ("md5", md5)):
        if expected is not None:
            found = digest(path, algorithm)
            if len(expected) < 8 or not found.startswith(expected.lower()):
                return f"its {algorithm} is {found}, not {expected}"
    return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)
