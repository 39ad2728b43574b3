"""ISBI 2012 and the nuclei: both layouts of each in small, what is refused, and the real ones where present."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.data import ISBI2012, Nuclei, create
from segkit.data.files import open_picture
from segkit.data.nuclei import split_of
from segkit.metrics import label_components


def save(path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def slices(folder, original: bool, count: int = 30) -> None:
    """Slice z is grey level z with a membrane across, at row z mod 5 + 1."""
    for z in range(count):
        mask = np.full((9, 8), 255, dtype=np.uint8)
        mask[z % 5 + 1] = 0
        names = (f"train/image/{z}.png", f"train/label/{z}.png") if original else (
            f"images/train/{z:02d}.png", f"masks/train/{z:02d}.png")  # fmt: skip
        save(folder / names[0], np.full((9, 8), z, dtype=np.uint8))
        save(folder / names[1], mask)


LAYOUTS = pytest.mark.parametrize("original", [False, True], ids=["tidied", "original"])


@LAYOUTS
def test_isbi_is_split_by_depth_and_gives_connected_pieces(tmp_path, original):
    slices(tmp_path / "isbi2012", original)
    train, val = create("isbi2012", "train", root=tmp_path), create("isbi2012", "val", root=tmp_path)
    assert (len(train), len(val)) == (24, 6)
    levels = [round(float(s.image[0, 0, 0]) * 255) for d in (train, val) for s in d]
    assert levels == list(range(30))  # 2 comes before 10
    s = val[1]
    assert s.name == "isbi2012/val/25" and s.image.shape == (3, 9, 8) and s.labels.shape == (9, 8)
    assert s.instances.tolist() == [[1] * 8] + [[0] * 8] + [[2] * 8] * 7
    assert torch.equal(s.labels, (s.instances > 0).long()) and s.instances.dtype == torch.int64


def test_isbi_pieces_that_meet_at_a_corner_are_two(tmp_path):
    slices(tmp_path / "isbi2012", False)
    mask = np.zeros((9, 8), dtype=np.uint8)
    mask[2, 2] = mask[3, 3] = 255
    save(tmp_path / "isbi2012/masks/train/00.png", mask)
    assert int(ISBI2012("train", tmp_path)[0].instances.max()) == 2


def test_isbi_refuses_other_labels_splits_and_missing_slices(tmp_path):
    with pytest.raises(FileNotFoundError, match="b45af4d458437d8281cc218a07fd4380818ece4a: copy its folder data/membr"):
        ISBI2012("train", tmp_path)
    slices(tmp_path / "isbi2012", True)
    mask = np.full((9, 8), 255, dtype=np.uint8)
    mask[1, 2] = 128
    save(tmp_path / "isbi2012/train/label/3.png", mask)
    with pytest.raises(ValueError, match=r"3\.png has the label 128 at row 1, column 2; in ISBI 2012 0 is membrane"):
        ISBI2012("train", tmp_path)[3]
    with pytest.raises(ValueError, match=r"split='test'; it has train, val \(the labels of the challenge's test"):
        ISBI2012("test", tmp_path)
    (tmp_path / "isbi2012/train/label/29.png").unlink()
    assert len(ISBI2012("train", tmp_path)) == 24
    with pytest.raises(FileNotFoundError, match=r"label lacks slice 29"):
        ISBI2012("val", tmp_path)


def identities(split: str, count: int) -> list[str]:
    """Made-up IDs that the rule puts into the split."""
    made = (hashlib.sha256(f"{split}{k}".encode()).hexdigest() for k in range(10**6))
    return [next(i for i in made if split_of(i) == split) for _ in range(count)]


def test_the_split_is_the_sha1_modulo_ten():
    for identity in (x for s in ("train", "val", "test") for x in identities(s, 3)):
        digit = int(hashlib.sha1(identity.encode(), usedforsecurity=False).hexdigest(), 16) % 10
        assert split_of(identity) == {0: "test", 1: "val"}.get(digit, "train")


def original_nuclei(folder) -> dict[str, list[str]]:
    """Two pictures a split that belong to the set, and three in train that do not."""
    names = {split: sorted(identities(split, 2)) for split in ("train", "val", "test")}
    for identity in (i for chosen in names.values() for i in chosen):
        place = folder / "stage1_train" / identity
        pixels = np.zeros((256, 256, 4), dtype=np.uint8)
        pixels[..., 3] = 255
        pixels[10:20, 10:30, :3] = 90
        save(place / "images" / f"{identity}.png", pixels)
        for k, (left, right) in enumerate(((10, 21), (20, 30))):  # they overlap in column 20
            mask = np.zeros((256, 256), dtype=np.uint8)
            mask[10:20, left:right] = 255
            save(place / "masks" / f"{'ab'[k]}.png", mask)
    for k, identity in enumerate(identities("train", 5)[2:]):
        pixels = [np.zeros((256, 320, 3)), np.full((256, 256, 3), 200), np.zeros((256, 256, 3))][k].astype(np.uint8)
        pixels[5, 5] = (10, 20, 30) if k == 2 else pixels[5, 5]  # too large, too bright, coloured
        save(folder / "stage1_train" / identity / "images" / f"{identity}.png", pixels)
        save(folder / "stage1_train" / identity / "masks/a.png", np.zeros(pixels.shape[:2], dtype=np.uint8))
    return names


def test_nuclei_in_the_original_layout(tmp_path):
    names = original_nuclei(tmp_path / "nuclei")
    for split in ("train", "val", "test"):
        data = create("nuclei", split, root=tmp_path)
        assert [s.name for s in data] == [f"nuclei/{split}/{i}" for i in names[split]]
    s = data[0]
    assert s.image.shape == (3, 256, 256) and float(s.image[1, 12, 12]) == pytest.approx(90 / 255)
    assert s.instances[12, 9:31].tolist() == [0] + [1] * 11 + [2] * 9 + [0]  # the first mask has the shared column
    assert torch.equal(s.labels, (s.instances > 0).long())


@pytest.mark.parametrize(("ground", "taken"), [(3000, True), (40_000, False)])
def test_nuclei_of_16_bits_count_by_their_brightness_not_by_their_numbers(tmp_path, ground, taken):
    """Of 65535 levels 3000 is dark: the picture belongs to the set, and comes with its levels."""
    (identity,) = identities("train", 1)
    pixels = np.full((256, 256), ground, dtype=np.uint16)
    pixels[10:20, 10:20] = 50_000
    place, mask = tmp_path / "nuclei/stage1_train" / identity, (pixels == 50_000) * np.uint8(255)
    save(place / f"images/{identity}.png", pixels)
    save(place / "masks/a.png", mask)
    data = create("nuclei", "train", root=tmp_path)
    assert len(data) == taken
    if taken:
        assert data[0].image[:, 15, 15].tolist() == pytest.approx([50_000 / 65535] * 3)


def test_nuclei_in_the_tidied_layout(tmp_path):
    folder = tmp_path / "nuclei"
    ids = np.zeros((6, 7), dtype=np.uint16)
    ids[1, 1:3], ids[4, 5] = 1, 12
    for name in ("x", "y", "z"):
        save(folder / "images" / f"{name}.png", np.full((6, 7), 51, dtype=np.uint8))
        save(folder / "masks" / f"{name}.png", ids)
    (folder / "index.csv").write_text("id,split\nz,train\nx,val\ny,train\n", encoding="utf-8")
    train = Nuclei("train", tmp_path)
    assert [s.name for s in train] == ["nuclei/train/z", "nuclei/train/y"] and len(Nuclei("test", tmp_path)) == 0
    assert train[0].instances.tolist() == ids.tolist() and train[0].labels.max() == 1
    assert (train[0].image == 51 / 255).all()


def test_nuclei_refuse_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="30354551efef351c1241da7c6d48cf938d76f02a: copy its folder stage1_tra"):
        Nuclei("train", tmp_path)
    with pytest.raises(ValueError, match="split='holiday'; it has train, val, test"):
        Nuclei("holiday", tmp_path)
    folder = tmp_path / "nuclei"
    name = original_nuclei(folder)["val"][0]
    mask = folder / "stage1_train" / name / "masks/b.png"
    wrong = np.zeros((256, 256), dtype=np.uint8)
    wrong[3, 4] = 7
    save(mask, wrong)
    with pytest.raises(ValueError, match=r"b\.png has the label 7; a mask of one nucleus is 0 outside and 255"):
        Nuclei("val", tmp_path)[0]
    save(mask, wrong[:9])
    with pytest.raises(ValueError, match=r"b\.png is 256×9 pixels, its picture 256×256"):
        Nuclei("val", tmp_path)[0]
    (folder / "index.csv").write_text("id,split\nq,train\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"q\.png is missing, although index\.csv lists it"):
        Nuclei("train", tmp_path)
    save(folder / "images/q.png", np.zeros((4, 4), dtype=np.uint8))
    for values, words in ((np.full((4, 4), 17, dtype=np.uint8), "the id 17"), (np.zeros((4, 4, 3), np.uint8), "'RGB'"),
                          (np.zeros((5, 4), dtype=np.uint8), "is 4×5 pixels, its picture 4×4")):  # fmt: skip
        save(folder / "masks/q.png", values)
        with pytest.raises(ValueError, match=words):
            Nuclei("train", tmp_path)[0]
    (folder / "index.csv").write_text("name\nq\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs id and split"):
        Nuclei("train", tmp_path)


@pytest.mark.data
def test_real_isbi(data_root):
    if not (data_root / "isbi2012").is_dir():
        pytest.skip("no isbi2012 among the real data")
    inside, count = [], 0
    for split, number in (("train", 24), ("val", 6)):
        data = ISBI2012(split, data_root)
        assert len(data) == number
        for s in data:
            assert s.image.shape == (3, 512, 512) and torch.equal(s.labels == 1, s.instances > 0)
            inside.append(float((s.labels == 1).double().mean()))
            count += 1
    assert count == 30 and np.mean(inside) == pytest.approx(0.780, abs=5e-4)


@pytest.mark.data
def test_real_nuclei(data_root):
    if not (data_root / "nuclei").is_dir():
        pytest.skip("no nuclei among the real data")
    total = 0
    for split, number in (("train", 264), ("val", 35), ("test", 35)):
        data = Nuclei(split, data_root)
        assert len(data) == number
        for picture, _ in data.pairs:
            assert split_of(picture.stem) == split
        total += sum(len(s.instances.unique()) - 1 for s in data)
    assert total == 9543
    pieces = sum(int(label_components(s.labels == 1).max()) for s in data)
    assert pieces < sum(int(s.instances.max()) for s in data)  # real nuclei touch


def lossy(path, values, kind: str = "JPEG", **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, kind, **options)


@pytest.mark.parametrize("options", [{"kind": "JPEG"}, {"kind": "JPEG2000"}, {"kind": "TIFF", "compression": "jpeg"}])
def test_ids_and_masks_that_a_jpeg_has_blurred_are_refused_by_name(tmp_path, options):
    folder = tmp_path / "nuclei"
    name = original_nuclei(folder)["val"][0]
    mask = folder / "stage1_train" / name / "masks/b.png"  # a JPEG under the name of a PNG, with 0 and 255 alone
    lossy(mask, np.full((256, 256), 255, dtype=np.uint8), **options)
    with pytest.raises(ValueError, match=r"b\.png is a JPEG, which blurs class numbers"):
        Nuclei("val", tmp_path)[0]
    (folder / "index.csv").write_text("id,split\nq,train\n", encoding="utf-8")
    save(folder / "images/q.png", np.zeros((16, 16), dtype=np.uint8))
    lossy(folder / "masks/q.png", np.ones((16, 16), dtype=np.uint8), **options)
    with pytest.raises(ValueError, match=r"q\.png is a JPEG, which blurs class numbers"):
        Nuclei("train", tmp_path)[0]
    with pytest.raises(ValueError, match=r"q\.png is a JPEG, which blurs class numbers"):
        ISBI2012.table.read(open_picture(folder / "masks/q.png"), folder / "masks/q.png")


def test_a_mask_of_one_nucleus_is_black_and_white_and_none_is_left_out(tmp_path):
    folder = tmp_path / "nuclei"
    masks = folder / "stage1_train" / original_nuclei(folder)["val"][0] / "masks"
    expected = Nuclei("val", tmp_path)[0].instances
    grey = np.array(Image.open(masks / "b.png"))
    save(masks / "b.png", np.stack([grey, grey, grey, np.full_like(grey, 255)], -1))
    assert torch.equal(Nuclei("val", tmp_path)[0].instances, expected)
    save(masks / "b.png", np.stack([0 * grey, grey, grey], -1))
    with pytest.raises(ValueError, match=r"b\.png is in colours"):
        Nuclei("val", tmp_path)[0]
    save(masks / "b.png", grey)
    lossy(masks / "c.jpg", grey)
    with pytest.raises(ValueError, match=r"c\.jpg is a JPEG"):
        Nuclei("val", tmp_path)[0]
