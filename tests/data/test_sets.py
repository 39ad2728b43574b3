"""The real data sets: small stand-ins in the true layouts, and CamVid itself where it is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import segkit.data
from segkit.data import VOC2012, VOID, CamVid, Cityscapes, available, collate, create
from segkit.data.folders import data_root
from segkit.data.unpack import unpack
from tests.data import small_sets

CHECKOUT = Path(__file__).parents[2]
REAL = Path(os.environ.get("SEGKIT_DATA") or CHECKOUT.parent / "shared" / "data")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("SEGKIT_DATA", raising=False)
    small_sets.write(small_sets.camvid_files(), tmp_path / "CamVid")
    small_sets.write(small_sets.voc_files(), tmp_path / "VOCdevkit" / "VOC2012")
    zips = small_sets.write(small_sets.cityscapes_zips(), tmp_path / "Cityscapes")
    for archive in zips.glob("*.zip"):
        unpack(archive, zips, lambda n: n if "/" in n else None)
    return tmp_path


@pytest.mark.parametrize(("name", "count"), [("camvid", 3), ("voc2012", 2), ("cityscapes", 2)])
def test_each_set_keeps_the_contract(root, name, count):
    data = create(name, "train", root=root)
    assert len(data) == count and len(list(data)) == count
    assert data.name == name and data.ignore_index == VOID
    assert data.num_classes == len(data.classes) == len(data.palette) == len(set(data.classes))
    assert data.palette.shape == (data.num_classes, 3) and data.palette.dtype == np.uint8
    for sample in data:
        assert sample.image.dtype == torch.float32 and sample.image.shape[0] == 3 and sample.image.max() <= 1
        assert sample.labels.dtype == torch.int64 and sample.labels.shape == sample.image.shape[1:]
        assert ((sample.labels < data.num_classes) | (sample.labels == VOID)).all() and (sample.labels == VOID).any()
        assert sample.name.startswith(f"{name}/train/")


def test_camvid_pixels_and_labels_are_those_of_the_files(root):
    sample = CamVid("val", root)[0]
    picture = np.asarray(Image.open(root / "CamVid/val/frame_0.png"))
    mask = np.asarray(Image.open(root / "CamVid/valannot/frame_0.png")).astype(np.int64)
    assert np.array_equal((sample.image.numpy() * 255).round().astype(np.uint8), picture.transpose(2, 0, 1))
    assert np.array_equal(sample.labels.numpy(), np.where(mask == 11, VOID, mask))
    assert sample.name == "camvid/val/frame_0"


@pytest.mark.parametrize("suffix", [".webp", ".jpg", ".PNG"])
def test_camvid_matches_by_stem_whatever_the_format(root, suffix):
    for path in list((root / "CamVid/train").iterdir()):
        Image.open(path).save(path.with_suffix(".new"), {"": "PNG", ".webp": "WEBP", ".jpg": "JPEG"}.get(suffix, "PNG"))
        path.unlink()
        path.with_suffix(".new").rename(path.with_suffix(suffix))
    data = CamVid("train", root)
    assert len(data) == 3 and data[0].image.shape == (3, 6, 8)


def test_voc_palette_and_border(root):
    data = VOC2012("val", root)
    assert data.palette[[0, 1, 15, 20]].tolist() == [[0, 0, 0], [128, 0, 0], [192, 128, 128], [0, 64, 128]]
    assert set(data[0].labels.unique().tolist()) <= {0, 7, 20, VOID}


def test_cityscapes_ids_become_train_ids_and_frames_are_sorted(root):
    data = Cityscapes("train", root)
    mask = np.asarray(Image.open(data.pairs[0][1]))
    table = {0: VOID, 7: 0, 8: 1, 11: 2, 26: 13, 33: 18}
    assert np.array_equal(data[0].labels.numpy(), np.vectorize(table.get)(mask))
    assert [s.name for s in data] == sorted(s.name for s in data)
    assert (Cityscapes("test", root)[0].labels == VOID).all()


def test_cityscapes_classes_are_torchvisions():
    from torchvision.datasets import Cityscapes as Theirs

    trained = [c for c in Theirs.classes if 0 <= c.train_id < VOID]
    assert Cityscapes.classes == tuple(c.name for c in trained)
    assert Cityscapes.palette.tolist() == [list(c.color) for c in trained]
    assert list(segkit.data.cityscapes._TRAIN_IDS) == [c.id for c in trained]


@pytest.mark.parametrize(
    ("name", "file", "label"),
    [
        ("camvid", "CamVid/trainannot/frame_0.png", 12),
        ("voc2012", "VOCdevkit/VOC2012/SegmentationClass/train_0.png", 21),
        ("cityscapes", "Cityscapes/gtFine/train/town0/town0_000000_000019_gtFine_labelIds.png", 34),
    ],
)
def test_a_label_out_of_range_names_file_and_value(root, name, file, label):
    mask = np.array(Image.open(root / file))
    mask[1, 2] = label
    Image.fromarray(mask).save(root / file)
    with pytest.raises(ValueError, match=rf"{Path(file).name} has the label {label} at row 1, column 2; .*0–"):
        create(name, root=root)[0]


def test_masks_in_colour_of_another_size_or_damaged_are_named(root):
    file = root / "CamVid/trainannot/frame_0.png"
    good = file.read_bytes()
    for content, words in (
        (small_sets.png(np.zeros((6, 8, 3), dtype=np.uint8)), "has mode 'RGB'; a mask has one number"),
        (small_sets.png(np.zeros((5, 8), dtype=np.uint8)), "is 8×5 pixels, its picture 8×6"),
        (good[:50], "is not a picture that can be read"),
        (b"nonsense", "is not a picture that can be read"),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=rf"frame_0\.png {words}"):
            CamVid("train", root)[0]


@pytest.mark.parametrize("name", ["camvid", "voc2012", "cityscapes"])
def test_missing_data_says_where_was_looked_and_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError) as caught:
        create(name)
    for words in (str(tmp_path / "nowhere"), "SEGKIT_DATA", f"segkit data get {name}"):
        assert words in str(caught.value)


def test_a_picture_without_its_mask_is_named(root):
    (root / "CamVid/testannot/frame_1.png").unlink()
    with pytest.raises(FileNotFoundError, match="testannot lacks frame_1"):
        CamVid("test", root)
    for path in (root / "CamVid/val").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="lacks frame_0"):
        CamVid("val", root)
    for path in (root / "CamVid/valannot").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="holds no pictures"):
        CamVid("val", root)


def test_unknown_names_and_splits(root):
    assert available() == ("street", "camvid", "voc2012", "cityscapes", "cells", "isbi2012", "nuclei")
    with pytest.raises(ValueError, match="no data set 'coco'; there are street, camvid"):
        create("coco")
    for name in ("camvid", "voc2012", "cityscapes"):
        with pytest.raises(ValueError, match="split='holiday'; it has train"):
            create(name, "holiday", root=root)
    with pytest.raises(ValueError, match="test labels are not public"):
        VOC2012("test", root)
    with pytest.raises(AttributeError, match="ImageNet"):
        segkit.data.ImageNet  # noqa: B018


def test_where_data_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA", str(tmp_path))
    assert data_root() == tmp_path and data_root("elsewhere") == Path("elsewhere")
    monkeypatch.delenv("SEGKIT_DATA")
    assert data_root() == CHECKOUT / "data"


def test_what_systems_leave_behind_is_passed_over(root):
    for place in (
        "CamVid/train/._frame_0.png", "CamVid/trainannot/._frame_0.png", "CamVid/train/.DS_Store",
        "Cityscapes/leftImg8bit/train/.DS_Store", "Cityscapes/leftImg8bit/train/town0/._a_leftImg8bit.png",
    ):  # fmt: skip
        (root / place).write_bytes(b"junk")
    stems = root / "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
    stems.write_bytes(b"\xef\xbb\xbf" + stems.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert [len(list(create(name, root=root))) for name in ("camvid", "voc2012", "cityscapes")] == [3, 2, 2]


def test_pictures_of_different_sizes_train_and_score_from_the_command_line(root, monkeypatch, capsys):
    from segkit.cli import main

    monkeypatch.setenv("SEGKIT_DATA", str(root))
    monkeypatch.chdir(root)
    tiny = [
        "--model",
        "fcn32s",
        "--width",
        "2",
        "--hidden",
        "4",
        "--steps",
        "3",
        "--batch-size",
        "2",
        "--device",
        "cpu",
    ]
    assert main(["train", "--data", "voc2012", *tiny, "--out", "run"]) == 0, capsys.readouterr().err
    assert main(["eval", "run", "--device", "cpu", "--json", "figures.json"]) == 0, capsys.readouterr().err
    assert "run/weights.safetensors on voc2012 val: 1 pictures" in (out := capsys.readouterr().out) and "nan" not in out
    assert "in no picture" in out and "NaN" not in (root / "figures.json").read_text(encoding="utf-8")
    assert main(["eval", "run", "--split", "test", "--device", "cpu"]) == 1
    assert "test labels are not public" in capsys.readouterr().err


def test_the_split_to_quote_has_labels(root):
    found = {name: create(name, None, root=root).split for name in ("camvid", "voc2012", "cityscapes")}
    assert found == {"camvid": "test", "voc2012": "val", "cityscapes": "val"}
    assert create("cells", None).split == create("street", None).split == "test"


# ------------------------------------------------------------------------------------------------------- CamVid itself

real = pytest.mark.skipif(
    not (REAL / "CamVid").is_dir(), reason="no CamVid: `segkit data get camvid`, or set SEGKIT_DATA to where it is"
)


@real
@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "count", "void"), [("train", 367, 0.0395), ("val", 101, 0.0170), ("test", 233, 0.0383)]
)
def test_real_camvid(split, count, void):
    data = CamVid(split, REAL)
    assert len(data) == count
    counts = np.zeros(256, dtype=np.int64)
    for _, mask in data.pairs:
        counts += np.bincount(np.asarray(Image.open(mask)).ravel(), minlength=256)
    assert counts[:12].sum() == counts.sum() == count * 360 * 480 and (counts[:11] > 0).all()
    assert counts[11] / counts.sum() == pytest.approx(void, abs=5e-5)
    batch = collate([data[i] for i in (0, count // 2, count - 1)])
    assert batch.image.shape == (3, 3, 360, 480) and batch.labels.shape == (3, 360, 480)
    assert set(batch.labels.unique().tolist()) <= {*range(11), VOID}


@real
@pytest.mark.data
def test_real_camvid_shares_no_frame_between_splits():
    stems = [{p.stem for p, _ in CamVid(split, REAL).pairs} for split in CamVid.splits]
    assert len(set.union(*stems)) == sum(map(len, stems)) == 701


@real
@pytest.mark.data
def test_real_camvid_masks_are_the_originals():
    from segkit.data.fetch import digest
    from segkit.data.verify import camvid_manifest

    known = camvid_manifest()
    for split in CamVid.splits:
        assert all(digest(mask) == known[f"{split}annot/{mask.name}"] for _, mask in CamVid(split, REAL).pairs)
