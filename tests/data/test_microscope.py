"""`get` and `check` of ISBI 2012 and the nuclei, against a server on loopback that has small stand-ins of them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from segkit.data import ISBI2012, Nuclei, microscope
from segkit.data.download import check, get
from segkit.data.fetch import DownloadError, digest
from segkit.data.microscope import IsbiSource, NucleiSource, get_isbi2012, get_nuclei, isbi_manifest
from segkit.data.nuclei import split_of
from tests.data import small_sets
from tests.data.loopback import serving

TOP = "kaggle-dsbowl-2018-dataset-fixes-30354551efef351c1241da7c6d48cf938d76f02a"


def isbi_files() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {
        f"train/{kind}/{z}.png": small_sets.png((rng.integers(0, 2, (6, 8)) * 255).astype(np.uint8))
        for kind in ("image", "label") for z in range(30)
    }  # fmt: skip


def nuclei_files() -> dict[str, bytes]:
    """Two pictures for training and one each for val and test, two nuclei in each."""
    wanted, files = {"train": 2, "val": 1, "test": 1}, {"README.rst": b"read", "mask_tools.py": b"pass"}
    for k in range(1000):
        identity = hashlib.sha256(str(k).encode()).hexdigest()
        if wanted[split_of(identity)]:
            wanted[split_of(identity)] -= 1
            files[f"stage1_train/{identity}/images/{identity}.png"] = small_sets.png(np.zeros((256, 256, 4), np.uint8))
            for n in range(2):
                mask = np.zeros((256, 256), dtype=np.uint8)
                mask[9 * n : 9 * n + 5, 3:9] = 255
                files[f"stage1_train/{identity}/masks/{n}.png"] = small_sets.png(mask)
    return files


ISBI, NUCLEI = isbi_files(), nuclei_files()


@pytest.fixture
def host():
    with serving() as server:
        server.files |= {f"raw/{name}": content for name, content in ISBI.items()}
        server.files["nuclei.tar.gz"] = small_sets.tarred(NUCLEI, TOP)
        yield server


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Expect the stand-ins' counts and checksums."""
    monkeypatch.setattr(microscope, "isbi_manifest", lambda: small_sets.sha256(ISBI))
    monkeypatch.setattr(microscope, "NUCLEI_COUNTS", {"train": 2, "val": 1, "test": 1})
    monkeypatch.setattr(microscope, "NUCLEI_IN_ALL", 8)
    monkeypatch.delenv("SEGKIT_DATA", raising=False)


def isbi(host) -> IsbiSource:
    return IsbiSource(host.url("raw/"), small_sets.sha256(ISBI))


def on_disk(folder) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_isbi_comes_whole_and_is_not_fetched_again(host, tmp_path):
    report = get_isbi2012(tmp_path, False, isbi(host))
    assert report.ok and "train: 24 pictures" in str(report)
    assert on_disk(tmp_path) == {f"isbi2012/{name}": content for name, content in ISBI.items()}
    assert len(host.asked) == 60
    assert get_isbi2012(tmp_path, False, isbi(host)).ok and len(host.asked) == 60
    assert len(ISBI2012("val", tmp_path)) == 6


def test_isbi_that_is_damaged_is_named_and_mended(host, tmp_path):
    get_isbi2012(tmp_path, False, isbi(host))
    (tmp_path / "isbi2012/train/label/7.png").write_bytes(ISBI["train/label/8.png"])
    (tmp_path / "isbi2012/train/image/2.png").unlink()
    assert not check("isbi2012", tmp_path, False).ok
    (tmp_path / "isbi2012/train/image/2.png").write_bytes(b"nonsense")
    assert "2.png is not a picture that can be read" in str(check("isbi2012", tmp_path, False))
    (tmp_path / "isbi2012/train/image/2.png").write_bytes(ISBI["train/image/2.png"])
    assert "label/7.png is damaged" in str(check("isbi2012", tmp_path, False))
    before = len(host.asked)
    assert get_isbi2012(tmp_path, False, isbi(host)).ok and len(host.asked) == before + 1


def test_isbi_with_wrong_bytes_is_refused_and_a_folder_of_yours_is_left_alone(host, tmp_path):
    host.files["raw/train/label/3.png"] = ISBI["train/label/4.png"]
    with pytest.raises(DownloadError, match=r"3\.png"):
        get_isbi2012(tmp_path, False, isbi(host))
    assert not (tmp_path / "isbi2012/train/label/3.png").exists()
    (tmp_path / "other/isbi2012/images").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="may be yours"):
        get_isbi2012(tmp_path / "other", False, isbi(host))


def test_nuclei_come_by_the_archive_and_nothing_else_is_left(host, tmp_path):
    report = get_nuclei(tmp_path, False, NucleiSource(host.url("nuclei.tar.gz")))
    assert report.ok and "train: 2 pictures with 4 pieces" in str(report)
    kept = {f"nuclei/{name}": content for name, content in NUCLEI.items() if name.startswith("stage1_train/")}
    assert on_disk(tmp_path) == kept and len(Nuclei("train", tmp_path)) == 2
    assert get_nuclei(tmp_path, False, NucleiSource("http://127.0.0.1:1/none")).ok  # not fetched again


def test_nuclei_that_lack_something_are_named(host, tmp_path):
    source = NucleiSource(host.url("nuclei.tar.gz"))
    get_nuclei(tmp_path, False, source)
    next((tmp_path / "nuclei/stage1_train").glob("*/masks/1.png")).unlink()
    assert "there are 7 nuclei, not 8" in str(check("nuclei", tmp_path, False))
    next((tmp_path / "nuclei/stage1_train").glob("*/masks/0.png")).write_bytes(b"nonsense")
    assert "is not a picture that can be read" in str(check("nuclei", tmp_path, False))
    with pytest.raises(FileExistsError, match="may be yours"):
        get_nuclei(tmp_path, False, source)


def test_made_up_cells_need_nothing():
    assert get("cells").ok and check("cells").ok and "made on the spot" in str(get("cells"))


@pytest.mark.data
def test_real_isbi_is_that_of_the_manifest(data_root):
    if not (data_root / "isbi2012").is_dir():
        pytest.skip("no isbi2012 among the real data")
    known = isbi_manifest()
    assert len(known) == 60
    for split in ("train", "val"):
        for picture, mask in ISBI2012(split, data_root).pairs:
            number = int(picture.stem)
            assert digest(picture) == known[f"train/image/{number}.png"]
            assert digest(mask) == known[f"train/label/{number}.png"]
