"""Downloading from a server on loopback: whole, interrupted, tampered with, refused."""

from __future__ import annotations

import errno
import hashlib
import shutil
import socket
import urllib.error
from collections import namedtuple

import pytest

from segkit.data import fetch as module
from segkit.data.fetch import DownloadError, Unfinished, fetch
from tests.data.loopback import serving

BODY = hashlib.shake_128(b"a street").digest(1_000_003)
SHA = hashlib.sha256(BODY).hexdigest()
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def host():
    with serving(file=BODY) as server:
        yield server


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(host, tmp_path):
    path = fetch(host.url("file"), tmp_path / "sub" / "file", sha256=SHA, md5=hashlib.md5(BODY).hexdigest())
    assert path.read_bytes() == BODY
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_what_is_there_and_right_is_not_fetched_again(host, tmp_path):
    for _ in range(2):
        fetch(host.url("file"), tmp_path / "file", sha256=SHA)
    assert len(host.asked) == 1


def test_what_is_there_and_wrong_is_replaced(host, tmp_path):
    (tmp_path / "file").write_bytes(BODY[:-1] + b"?")
    fetch(host.url("file"), tmp_path / "file", sha256=SHA)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("chunked", [False, True])
def test_a_transfer_that_breaks_off_goes_on_where_it_was(host, tmp_path, chunked):
    host.cut, host.chunked = [300_000, 200_000], chunked
    fetch(host.url("file"), tmp_path / "file", sha256=SHA, pause=0)
    starts = [int((wish or "bytes=0-")[6:-1]) for _, wish in host.asked]
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(starts) == 3 and starts == sorted(starts)
    if not chunked:
        assert starts == [0, 300_000, 500_000]


def test_a_second_run_goes_on_where_the_first_gave_up(host, tmp_path):
    host.cut = [400_000, 0, 0]
    with pytest.raises(DownloadError, match=r"broke off after 400,000 of 1,000,003 bytes.*Run it again"):
        fetch(host.url("file"), tmp_path / "file", sha256=SHA, attempts=2, pause=0)
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").read_bytes() == BODY[:400_000]
    fetch(host.url("file"), tmp_path / "file", sha256=SHA)
    assert host.asked[-1][1] == "bytes=400000-"
    assert (tmp_path / "file").read_bytes() == BODY
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_truncation_is_noticed_even_without_a_checksum(host, tmp_path):
    host.cut = [10, 0]
    with pytest.raises(DownloadError, match="broke off"):
        fetch(host.url("file"), tmp_path / "file", attempts=1, pause=0)
    assert not (tmp_path / "file").exists()


def test_a_server_that_cannot_begin_in_the_middle(host, tmp_path):
    host.ranges, host.cut = False, [400_000]
    fetch(host.url("file"), tmp_path / "file", sha256=SHA, pause=0)
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_server_that_begins_beside_the_place_asked_for(host, tmp_path):
    host.shift, host.cut = 7, [400_000]
    fetch(host.url("file"), tmp_path / "file", sha256=SHA, pause=0)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("tags", [True, False])
def test_a_new_version_on_the_server_is_never_glued_to_the_old(host, tmp_path, tags):
    host.tags, host.cut = tags, [400_000, 0, 0]
    with pytest.raises(DownloadError):
        fetch(host.url("file"), tmp_path / "file", attempts=2, pause=0)
    newer = BODY[::-1]
    host.files["file"] = newer
    fetch(host.url("file"), tmp_path / "file", sha256=hashlib.sha256(newer).hexdigest())
    assert (tmp_path / "file").read_bytes() == newer
    assert len(host.asked) == (4 if tags else 5)  # without a tag the checksum tells, one transfer later


def test_a_part_that_is_already_whole_or_too_long(host, tmp_path):
    (tmp_path / "file.part").write_bytes(BODY)
    fetch(host.url("file"), tmp_path / "file", sha256=SHA)
    assert len(host.asked) == 1
    (tmp_path / "file").unlink()
    (tmp_path / "file.part").write_bytes(BODY + b"more")
    fetch(host.url("file"), tmp_path / "file", sha256=SHA, pause=0)
    assert (tmp_path / "file").read_bytes() == BODY


def test_tampered_content_is_refused_and_deleted(host, tmp_path):
    host.files["file"] = BODY[:500] + b"!" + BODY[501:]
    with pytest.raises(DownloadError, match=rf"not the file that is expected: its sha256 is .*not {SHA}"):
        fetch(host.url("file"), tmp_path / "file", sha256=SHA)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_md5_is_refused(host, tmp_path):
    with pytest.raises(DownloadError, match="md5"):
        fetch(host.url("file"), tmp_path / "file", md5="0" * 32)


def test_a_busy_server_is_asked_again_and_a_refusal_is_final(host, tmp_path):
    host.errors = [503, 429]
    fetch(host.url("file"), tmp_path / "file", sha256=SHA, pause=0)
    assert len(host.asked) == 3
    for code in (403, 404, 410):
        host.errors = [code]
        with pytest.raises(DownloadError, match=str(code)):
            fetch(host.url("file"), tmp_path / "other", pause=0)
    assert len(host.asked) == 6


def test_no_server_is_a_clear_error(tmp_path):
    with serving() as gone:
        url = gone.url("file")
    with pytest.raises(DownloadError, match="no answer"):
        fetch(url, tmp_path / "file", attempts=2, pause=0)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "somewhere"])
def test_only_http_is_fetched(url, tmp_path):
    with pytest.raises(DownloadError, match="only http and https"):
        fetch(url, tmp_path / "file")


def test_a_disk_too_small_is_noticed_before_the_first_byte(host, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10, 9, 1))
    with pytest.raises(OSError, match=r"needs 1 MiB more.*make room") as caught:
        fetch(host.url("file"), tmp_path / "file", sha256=SHA)
    assert caught.value.errno == errno.ENOSPC
    assert len(host.asked) == 1 and not (tmp_path / "file").exists()


def test_a_disk_that_fills_up_keeps_what_has_come(host, tmp_path, monkeypatch):
    class Full:
        """A file on a disk with room for 300,000 bytes."""

        def __init__(self, *arguments, **options):
            self.file = open(*arguments, **options)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, block):
            if self.file.tell() + len(block) > 300_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(block)

        def flush(self):
            self.file.flush()

    with monkeypatch.context() as patched:
        patched.setattr(module, "open", Full, raising=False)
        with pytest.raises(OSError, match="the disk is full; make room and run it again") as caught:
            fetch(host.url("file"), tmp_path / "file", sha256=SHA, pause=0)
    assert caught.value.errno == errno.ENOSPC and len(host.asked) == 1  # not asked again in vain
    kept = (tmp_path / "file.part").stat().st_size
    assert 0 < kept <= 300_000 and not (tmp_path / "file").exists()
    fetch(host.url("file"), tmp_path / "file", sha256=SHA)
    assert host.asked[-1][1] == f"bytes={kept}-" and (tmp_path / "file").read_bytes() == BODY


def test_the_progress_bar_counts_from_where_it_goes_on(host, tmp_path, capsys):
    (tmp_path / "file.part").write_bytes(BODY[:500_000])
    fetch(host.url("file"), tmp_path / "file", sha256=SHA, bar="street")
    printed = capsys.readouterr().err
    assert "street" in printed and "50%" in printed


@pytest.mark.parametrize("why", [socket.gaierror(-2, "Name or service not known"), TimeoutError("timed out")])
def test_without_a_network_it_says_so_at_once(tmp_path, monkeypatch, capsys, why):
    def unknown(*args, **kwargs):
        raise urllib.error.URLError(why)

    waited = []
    monkeypatch.setattr("segkit.data.fetch.urllib.request.urlopen", unknown)
    monkeypatch.setattr("segkit.data.fetch.time.sleep", waited.append)
    with pytest.raises(Unfinished, match=r"host\.invalid is not reached .*is there a network\?"):
        fetch("https://host.invalid/file", tmp_path / "file")
    assert not waited and not list(tmp_path.iterdir())
    (tmp_path / "file.part").write_bytes(b"half")  # it did answer before: another try may do
    with pytest.raises(Unfinished, match="tried 3 times"):
        fetch("https://host.invalid/file", tmp_path / "file", attempts=3)
    assert waited == [2, 4] and "host.invalid: no answer" in capsys.readouterr().err
    assert (tmp_path / "file.part").read_bytes() == b"half"
