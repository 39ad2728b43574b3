"""Unpacking archives that mean well, and archives that do not."""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple

import pytest

from segkit.data.unpack import UnsafeArchive, unpack

Usage = namedtuple("Usage", "total used free")
GOOD = {"set/a.txt": b"a" * 1000, "set/sub/b.txt": b"b", "set/empty.txt": b""}


def tar_of(path, members, mode="w"):
    """members: name → bytes, or a TarInfo."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def entry(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def make(tmp_path, form, members):
    if form == "zip":
        return zip_of(tmp_path / "x.zip", members)
    return tar_of(tmp_path / f"x.{form}", members, {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}[form])


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.xz", "zip"])
def test_good_archives_come_out_as_they_went_in(tmp_path, form):
    written = unpack(make(tmp_path, form, GOOD), tmp_path / "out")
    assert {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in written} == GOOD


def test_folders_are_fine_and_members_can_be_chosen_and_renamed(tmp_path):
    archive = tar_of(tmp_path / "x.tar", {"set": entry("set", tarfile.DIRTYPE), **GOOD})
    unpack(archive, tmp_path / "out", lambda name: "c.txt" if name.endswith("b.txt") else None)
    assert [p.name for p in (tmp_path / "out").rglob("*")] == ["c.txt"]


EVIL_NAMES = ["../evil", "set/../../evil", "/evil", "C:/evil", "set\\..\\evil", "..", "a/b/../../../evil"]


@pytest.mark.parametrize("form", ["tar", "zip"])
@pytest.mark.parametrize("name", EVIL_NAMES)
def test_names_that_lead_out_are_refused_before_anything_is_written(tmp_path, form, name):
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in", form, {**GOOD, name: b"evil"})
    with pytest.raises(UnsafeArchive, match="leads out of the folder"):
        unpack(archive, tmp_path / "in" / "out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", archive.name]


def test_a_choice_cannot_lead_out_either(tmp_path):
    with pytest.raises(UnsafeArchive, match="leads out"):
        unpack(tar_of(tmp_path / "x.tar", GOOD), tmp_path / "out", lambda name: "../evil")


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.SYMTYPE, "../.."),
        (tarfile.SYMTYPE, "a.txt"),
        (tarfile.LNKTYPE, "set/a.txt"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_are_refused(tmp_path, kind, target):
    archive = tar_of(tmp_path / "x.tar", {**GOOD, "set/odd": entry("set/odd", kind, target)})
    with pytest.raises(UnsafeArchive, match=r"a (link|special file); only files and folders"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_through_which_a_later_file_would_be_written_outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tar_of(tmp_path / "x.tar", {"l": entry("l", tarfile.SYMTYPE, str(outside)), "l/evil": b"evil"})
    with pytest.raises(UnsafeArchive):
        unpack(archive, tmp_path / "out")
    assert list(outside.iterdir()) == []


def test_links_in_zips_are_refused(tmp_path):
    link = zipfile.ZipInfo("set/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc")
    with pytest.raises(UnsafeArchive, match="a link"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def test_a_link_that_is_not_chosen_does_no_harm(tmp_path):
    archive = tar_of(tmp_path / "x.tar", {**GOOD, "other/link": entry("other/link", tarfile.SYMTYPE, "/etc")})
    unpack(archive, tmp_path / "out", lambda name: name if name.startswith("set/") else None)
    assert not (tmp_path / "out" / "other").exists()


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_a_bomb_is_refused_by_its_declared_size(tmp_path, form):
    archive = make(tmp_path, form, {f"set/{k}": bytes(3_000_000) for k in range(4)})
    assert archive.stat().st_size < 20_000
    with pytest.raises(UnsafeArchive, match="more than 10,000,000 bytes"):
        unpack(archive, tmp_path / "out", limit=10_000_000)
    assert not (tmp_path / "out").exists()


def test_a_zip_that_declares_less_than_it_holds(tmp_path):
    archive = zip_of(tmp_path / "x.zip", {"bomb": bytes(1_000_000)})
    raw = archive.read_bytes().replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(raw)
    with pytest.raises(UnsafeArchive):
        unpack(archive, tmp_path / "out", limit=1000)
    assert not (tmp_path / "out" / "bomb").exists()


def test_one_name_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for content in (b"good", b"evil"):
            info = tarfile.TarInfo("./a" if content == b"evil" else "a")
            info.size = 4
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(UnsafeArchive, match="twice"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


def test_a_disk_too_small_is_noticed_first(tmp_path, monkeypatch):
    archive = tar_of(tmp_path / "x.tar", GOOD)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10, 10, 0))
    with pytest.raises(OSError, match="make room"):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").rglob("*")) == []


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_truncated_archive_is_named(tmp_path, form, share):
    archive = make(tmp_path, form, {f"set/{k}": bytes(range(256)) * 40 for k in range(4)})
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    with pytest.raises(UnsafeArchive, match=r"cannot be unpacked|damaged"):
        unpack(archive, tmp_path / "out")


def test_a_flipped_bit_in_a_zip_is_noticed_and_the_file_removed(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a", b"honest content")
    raw = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(raw.replace(b"honest content", b"honesT content"))
    with pytest.raises(UnsafeArchive, match="CRC"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert not (tmp_path / "out" / "a").exists()


def test_something_that_is_no_archive(tmp_path):
    (tmp_path / "x").write_bytes(b"<html>not found</html>")
    with pytest.raises(UnsafeArchive, match="fetch it again"):
        unpack(tmp_path / "x", tmp_path / "out")
