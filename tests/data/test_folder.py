"""Folders of one's own: every form of mask and of split, what is wrong named with its file, and the command line."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.cli import main
from segkit.data import VOID, Folder, create
from segkit.data.download import check, get
from segkit.data.files import read_picture
from segkit.data.layout import look
from segkit.models import read_header

STEMS = [f"p{k}" for k in range(10)]


def save(path, values, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(values, np.uint8)) if not isinstance(values, Image.Image) else values
    (picture.convert(mode) if mode else picture).save(path, **options)


def numbers(k, most=2, size=(40, 48)):
    """A mask that holds 0, …, most − 1."""
    return np.random.default_rng(k).integers(0, most, size).astype(np.uint8)


def make(folder, masks=None, classes="background\nnucleus\n", stems=STEMS, part=""):
    """Ten pictures; `masks` says what is in the mask of each number."""
    for k, stem in enumerate(stems):
        mask = (masks or numbers)(k)
        height, width = mask.size[::-1] if isinstance(mask, Image.Image) else mask.shape[:2]
        save(folder / "images" / part / f"{stem}.png", np.random.default_rng(k).integers(0, 256, (height, width, 3)))
        save(folder / "masks" / part / f"{stem}.png", mask)
    if classes is not None:
        (folder / "classes.txt").write_bytes(classes.encode())
    return folder


def everything(folder):
    """All samples of all splits, by stem."""
    splits = [s for s in ("train", "val", "test") if look(folder).splits.get(s)]
    return {s.name.rpartition("/")[2]: s for split in splits for s in Folder(folder, split)}


def problems(folder):
    return list(check(f"folder:{folder}", progress=False).problems)


# ------------------------------------------------------------------------------------------------------ forms of masks


def test_grey_numbers_and_what_the_set_says_of_itself(tmp_path):
    folder = make(tmp_path / "mine", lambda k: np.where(numbers(k, 3) == 2, 255, numbers(k, 3)))
    data = create(f"folder:{folder}")
    assert isinstance(data, Folder) and data.classes == ("background", "nucleus") and data.num_classes == 2
    assert data.palette.shape == (2, 3) and data.ignore_index == VOID and data.name == "mine"
    for stem, sample in everything(folder).items():
        assert torch.equal(sample.labels, torch.from_numpy(np.array(Image.open(folder / f"masks/{stem}.png"))).long())
        assert (sample.labels == VOID).any() and sample.image.shape == (3, 40, 48)


def test_0_and_255_are_two_classes_only_where_no_mask_holds_1(tmp_path):
    folder = make(tmp_path, lambda k: numbers(k) * 255)
    assert all(set(s.labels.unique().tolist()) == {0, 1} for s in everything(folder).values())
    assert "0/255 read as 0/1: 255 is nucleus, not void" in str(check(f"folder:{folder}", progress=False))
    save(folder / "masks/p3.png", numbers(3))  # of all masks, one holds 1: then 255 is void in all of them
    found = everything(folder)
    assert set(found["p2"].labels.unique().tolist()) == {0, VOID} and set(found["p3"].labels.unique().tolist()) == {
        0,
        1,
    }
    report = check(f"folder:{folder}", progress=False)
    assert report.ok and "note: 255 is void, as some masks hold 1; does it mean nucleus" in str(report)
    (folder / "classes.txt").write_text("a\nb\nc\n", encoding="utf-8")
    save(folder / "masks/p3.png", numbers(3) * 255)
    assert all(set(s.labels.unique().tolist()) == {0, VOID} for s in everything(folder).values())


def test_one_bit_masks_are_0_and_1_also_beside_0_and_255(tmp_path):
    folder = make(tmp_path, lambda k: Image.fromarray(numbers(k) * 255).convert("1" if k % 2 else "L"))
    for k, stem in enumerate(STEMS):
        assert torch.equal(everything(folder)[stem].labels, torch.from_numpy(numbers(k)).long())


def palette_mask(k, table=((9, 9, 9), (0, 200, 0), (0, 0, 250))):
    picture = Image.fromarray(numbers(k, 3)).convert("P")
    picture.putdata(numbers(k, 3).ravel().tolist())
    picture.putpalette([v for colour in table for v in colour])
    return picture


def test_a_palette_is_read_by_its_numbers_and_with_colours_by_them(tmp_path):
    folder = make(tmp_path, palette_mask, "sky\nroad\ncar\n")
    assert torch.equal(everything(folder)["p4"].labels, torch.from_numpy(numbers(4, 3)).long())
    (folder / "classes.txt").write_text("car #0000fa\nsky 9 9 9\nroad 0, 200, 0\n", encoding="utf-8")
    labels = everything(folder)["p4"].labels
    assert torch.equal(labels, torch.tensor([1, 2, 0])[torch.from_numpy(numbers(4, 3)).long()])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_void_among_them(tmp_path, mode):
    folder = make(tmp_path, lambda k: palette_mask(k).convert(mode), "sky 9 9 9\nvoid 0 200 0\nfast car 0 0 250")
    data = Folder(folder)
    assert data.classes == ("sky", "fast car") and data.palette.tolist() == [[9, 9, 9], [0, 0, 250]]
    labels = everything(folder)["p1"].labels
    assert torch.equal(labels, torch.tensor([0, VOID, 1])[torch.from_numpy(numbers(1, 3)).long()])


@pytest.mark.parametrize("word", ["void", "Void"])  # CamVid's own list has a capital
def test_a_line_void_makes_its_number_void(tmp_path, word):
    folder = make(tmp_path, lambda k: numbers(k, 3), word + "\nroad\ncar")
    assert Folder(folder).classes == ("road", "car")
    assert set(everything(folder)["p0"].labels.unique().tolist()) == {VOID, 0, 1}


def test_classes_txt_as_editors_leave_it(tmp_path):
    folder = make(tmp_path, classes="\ufeffbackground \r\n\r\n  cell nucleus\t\r\n\r\n")
    assert Folder(folder).classes == ("background", "cell nucleus")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\n", "names 1 classes; it needs 2 to 254, background included"),
        ("a\na\n", "names 'a' twice"),
        ("0 a\n1 b\n", "'0 a' begins with a number"),
        ("# classes\na\nb\n", "'# classes' would be a class; there are no comments"),
        ("a 1 2 3\nb\n", "gives 1 colours for 2 names"),
        ("a 1 2 3\nb 1 2 3\n", "'b 1 2 3' has a colour that is above 255 or given already"),
        ("a 1 2 3\nb 1 2 300\n", "'b 1 2 300' has a colour that is above 255"),
    ],
)
def test_wrong_lines_of_classes_txt(tmp_path, text, words):
    folder = make(tmp_path, classes=text)
    with pytest.raises(ValueError, match=words):
        Folder(folder)
    assert any(words in p for p in problems(folder))


def test_classes_txt_in_another_encoding(tmp_path):
    (make(tmp_path) / "classes.txt").write_bytes("Straße\nHäuser".encode("latin-1"))
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        Folder(tmp_path)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (lambda k: numbers(k) * 255, "The masks hold 0, 255. For instance 2 lines:\nbackground\nobject"),
        (lambda k: np.where(numbers(k, 5) == 4, 255, numbers(k, 5)),
         "The masks hold 0, 1, 2, 3, 255; 255 is void. For instance 4 lines:\nbackground\nclass 1\nclass 2\nclass 3"),
        (lambda k: palette_mask(k).convert("RGB"),
         "hold the colours 0 0 250, 0 200 0, 9 9 9. For instance 3 lines:\nbackground 0 0 250\nclass 1 0 200 0\n"),
    ],
)  # fmt: skip
def test_without_classes_txt_one_is_proposed(tmp_path, masks, words):
    folder = make(tmp_path, masks, classes=None)
    with pytest.raises(FileNotFoundError) as caught:
        Folder(folder)
    assert "classes.txt is missing: write one class name per line" in str(caught.value) and words in str(caught.value)
    (folder / "classes.txt").write_text(str(caught.value).split("lines:\n")[1], encoding="utf-8")
    assert check(f"folder:{folder}", progress=False).ok, "what was proposed can be used as it is"


# -------------------------------------------------------------------------------------------------------------- splits


def names(folder, split):
    return [s.name.rpartition("/")[2] for s in Folder(folder, split)]


def test_one_in_five_is_val_and_a_new_picture_moves_no_other(tmp_path):
    stems = [f"frame_{k:03d}" for k in range(60)]
    folder = make(tmp_path, lambda k: numbers(k, size=(8, 8)), stems=stems)
    val = names(folder, "val")
    assert 5 <= len(val) <= 19 and sorted([*val, *names(folder, "train")]) == stems
    for stem in ("new", "another", "third"):
        make(tmp_path, lambda k: numbers(k, size=(8, 8)), stems=[stem])
        assert [s for s in names(folder, "val") if s in stems] == val
    with pytest.raises(ValueError, match=r"has no pictures for test .*list some names, one per line, in test\.txt"):
        Folder(folder, "test")
    assert Folder(folder, None).split == Folder(folder).eval_split == "val"


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_smallest_sets_have_a_picture_on_both_sides(tmp_path, count):
    for start in range(6):
        folder = make(tmp_path / str(start), stems=[f"{start}{k}" for k in range(count)])
        assert names(folder, "train") and names(folder, "val")


def test_lists_with_and_without_the_rest(tmp_path):
    folder = make(tmp_path)
    (folder / "val.txt").write_bytes("\ufeffp1\r\n\r\np2.png\r\n".encode())
    assert names(folder, "val") == ["p1", "p2"] and len(names(folder, "train")) == 8
    (folder / "test.txt").write_text("p3\n", encoding="utf-8")
    assert names(folder, "test") == ["p3"] and len(names(folder, "train")) == 7
    assert Folder(folder, None).split == "test"
    (folder / "train.txt").write_text("p4\np5\n", encoding="utf-8")
    assert names(folder, "train") == ["p4", "p5"]
    assert "note: 5 pictures are in no list: p0, p6, p7, p8, p9" in str(check(f"folder:{folder}", progress=False))
    (folder / "val.txt").unlink()
    assert names(folder, "val") == ["p0", "p1", "p2", "p6", "p7", "p8", "p9"]
    (folder / "train.txt").unlink()
    assert names(folder, "test") == ["p3"] and len(names(folder, "train")) + len(names(folder, "val")) == 9


def test_lists_that_cannot_be(tmp_path):
    folder = make(tmp_path)
    (folder / "val.txt").write_text("p1\nq\nimages/p2.png\n", encoding="utf-8")
    (folder / "test.txt").write_text("p1\n", encoding="utf-8")
    found = "\n".join(problems(folder))
    assert (
        "val.txt lists names without picture and mask: q" in found
        and "test.txt lists names that are listed already: p1" in found
    )
    with pytest.raises(
        ValueError, match=r"without picture and mask: q\n\(and 1 more problems\)\n`segkit data check folder:"
    ):
        Folder(folder)


def test_folders_of_splits(tmp_path):
    for part in ("train", "val"):
        make(tmp_path, part=part, stems=[f"{part}{k}" for k in range(3)])
    make(tmp_path / "other", part="test", stems=["t"])
    shutil.copytree(tmp_path / "other/images/test", tmp_path / "images/test")
    assert names(tmp_path, "val") == ["val0", "val1", "val2"] and Folder(tmp_path, None).split == "val"
    assert "note: images/test is not used: there is no masks/test" in str(check(f"folder:{tmp_path}", progress=False))
    shutil.copy(tmp_path / "images/train/train0.png", tmp_path / "images/lost.png")
    shutil.copytree(tmp_path / "masks/val", tmp_path / "masks/valid")
    shutil.copy(tmp_path / "images/train/train1.png", tmp_path / "images/val/val1.png")
    said = str(check(f"folder:{tmp_path}", progress=False))
    assert "images/lost.png, masks/valid not used: pictures lie in images/train" in said
    assert "note: splits share pictures, so scores are too good: " in said and "val1.png of val is train1.png" in said
    (tmp_path / "val.txt").write_text("train0", encoding="utf-8")
    assert any("split by folders and by val.txt; keep one" in p for p in problems(tmp_path))


# ------------------------------------------------------------------------------------------------------- what is wrong


def test_everything_wrong_is_listed_in_one_go_with_file_and_value(tmp_path):
    folder = make(tmp_path, lambda k: numbers(k) * 255)
    wrong = numbers(0) * 255
    wrong[2, 3], wrong[5, 5] = 7, 9
    save(folder / "masks/p0.png", wrong)
    save(folder / "masks/p1.png", numbers(1, size=(40, 40)) * 255)
    (folder / "masks/p2.png").unlink()
    (folder / "images/p3.png").unlink()
    (folder / "images/p4.png").write_bytes((folder / "images/p4.png").read_bytes()[:200])
    (folder / "masks/p5.png").write_bytes(b"nothing")
    save(folder / "images/p6.bmp", np.zeros((40, 48, 3)))
    save(folder / "masks/p7.png", numbers(7) * 255, format="JPEG")
    (folder / "masks/p8.png").unlink()
    save(folder / "masks/p8.jpg", numbers(8) * 255)
    save(folder / "masks/p9.png", np.zeros((40, 48, 3)))
    report = check(f"folder:{folder}", progress=False)
    for words in (
        "p0.png has the label 7 at row 2, column 3 (also 9); 0 is background and 255 is nucleus here",
        "p1.png is 40×40 pixels, its picture 48×40",
        "picture without a mask of the same name: images/p2.png; move them elsewhere until they have one",
        "mask without a picture of the same name: masks/p3.png",
        "images/p4.png is not a picture that can be read",
        "masks/p5.png is not a picture that can be read",
        "two files of one name, delete or rename one: images/p6.bmp, images/p6.png",
        "p7.png is a JPEG, which blurs class numbers",
        "mask in a format that blurs class numbers (write it as PNG where it was drawn; a converted one "
        "stays blurred): masks/p8.jpg",
        "p9.png has mode 'RGB'; a mask has one number",
    ):
        assert any(words in p for p in report.problems), (words, report.problems)
    assert len(report.problems) == 10 and not report.ok and str(report).count("PROBLEM") == 10


def test_one_fault_of_many_files_is_one_line(tmp_path):
    folder = make(tmp_path, lambda k: palette_mask(k).convert("RGB"), "a\nb\nc")
    (line,) = problems(folder)
    assert "classes.txt needs a colour after each name" in line and "(and 9 more: " in line


def objects(k):
    """A mask that numbers its objects from 1 on, k + 4 of them."""
    return np.arange(40 * 48).reshape(40, 48) * (k + 5) // (40 * 48)


def smooth(k):
    """A mask of 0 and 255 that was changed in size with grey between."""
    return np.asarray(Image.fromarray(numbers(k, size=(20, 24)) * 255).resize((48, 40), Image.Resampling.BILINEAR))


@pytest.mark.parametrize(("masks", "why"), [(objects, "If they number objects, write the number of its class"),
                                            (smooth, "Such numbers come from smoothing"),
                                            (lambda k: numbers(k) * 7, "is a class missing from classes.txt?"),
                                            (lambda k: numbers(k, 6) * 7, None)])  # fmt: skip
def test_unknown_labels_in_many_masks_are_one_line_that_says_why(tmp_path, masks, why):
    folder = make(tmp_path, masks)
    (line,) = problems(folder)
    assert "has the label" in line and "(and 9 more masks with labels that are not known: " in line
    assert line.endswith(".png)") if why is None else why in line.rpartition(".png)")[2]
    for k in range(7):
        save(folder / f"masks/p{k}.png", numbers(k))
    report = check(f"folder:{folder}", progress=False)
    assert len(report.problems) == 3, "of a few, each has its line"
    assert "note: counted over the 7 masks without a fault" in report.facts
    assert any("in 7 of 7 masks" in fact for fact in report.facts)


COLOURS = [(0, 9, 9), (0, 200, 0), (0, 0, 250), (64, 0, 128), (7, 70, 7), (1, 2, 3), (90, 80, 70), (5, 5, 5), (6, 6, 6)]


def test_a_class_that_was_forgotten_and_one_mask_that_was_smoothed(tmp_path):
    """Both beside many classes: neither is taken for the other."""

    def painted(k):
        return Image.fromarray(np.array(COLOURS, np.uint8)[numbers(k, 9)])

    lines = [f"c{k} {r} {g} {b}\n" for k, (r, g, b) in enumerate(COLOURS)]
    folder = make(tmp_path, painted, "".join(lines[:3] + lines[4:]))
    (line,) = problems(folder)
    assert "the colour 64 0 128" in line
    assert line.endswith(". Only the same few turn up: is a class missing from classes.txt?")
    report = check(f"folder:{folder}", progress=False)
    assert "note: no mask could be counted" in report.facts and not any("0.00%" in fact for fact in report.facts)
    (folder / "classes.txt").write_text("".join(lines), encoding="utf-8")
    save(folder / "masks/p0.png", painted(0).resize((20, 16)).resize((48, 40), Image.Resampling.BILINEAR))
    (line,) = problems(folder)
    assert "p0.png has the colour" in line and "Such numbers come from smoothing" in line


@pytest.mark.parametrize(("line", "good"), [
    ("sky: 9 9 9", "sky 9 9 9"), ("sky, 9, 9, 9", "sky 9, 9, 9"), ("sky = #090909", "sky #090909"), ("sky:", "sky"),
])  # fmt: skip
def test_a_sign_after_a_name_is_not_part_of_it(tmp_path, line, good):
    folder = make(tmp_path, palette_mask, f"{line}\nb 0 200 0\nc 0 0 250")
    (problem,) = [p for p in problems(folder) if "classes.txt" in p]
    assert f"name 1: {line!r} has " in problem and problem.endswith(f"write {good!r}")


@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled", "ignore"])
def test_a_class_whose_name_says_that_it_is_none(tmp_path, name):
    said = check(f"folder:{make(tmp_path, classes=f'nucleus{chr(10)}{name}{chr(10)}')}", progress=False).facts
    assert f"note: {name} counts as a class; if nobody labelled those pixels, call it void, in its place" in said


def test_masks_that_carry_more_than_the_pictures_name(tmp_path):
    folder = make(tmp_path)
    for k in (1, 2):
        (folder / f"masks/p{k}.png").rename(folder / f"masks/p{k}_mask.png")
    assert problems(folder)[1].endswith("masks/p2_mask.png; does p1_mask.png belong to p1.png? Then call it p1.png")
    (folder / "masks/p1_mask.png").rename(folder / "masks/p12.png")
    assert "p12.png belong" not in problems(folder)[1], "p1 with a figure more is another name"


@pytest.mark.parametrize("ending", ["_mask", ".label", "_gtFine_labelIds"])
def test_masks_that_all_carry_the_same_ending(tmp_path, ending):
    folder = make(tmp_path)
    for mask in (folder / "masks").iterdir():
        mask.rename(mask.with_name(f"{mask.stem}{ending}.png"))
    assert problems(folder) == []
    assert f"note: the name of each mask is its picture's and {ending}" in check(f"folder:{folder}").facts
    for picture, mask in Folder(folder).pairs:
        assert mask.name == f"{picture.stem}{ending}.png"
    (folder / f"masks/p1{ending}.png").rename(folder / f"masks/q{ending}.png")
    without, alone = problems(folder)  # the others still pair
    assert "picture without a mask of the same name: images/p1.png" in without
    assert "mask without a picture of the same name: masks/q" in alone


def test_one_name_that_begins_like_another_is_no_ending(tmp_path):
    folder = make(tmp_path)
    for k in range(10):
        (folder / f"masks/p{k}.png").rename(folder / f"masks/p{k}_{k}.png")
    assert len(problems(folder)) == 2, "each mask would have an ending of its own"


def test_a_class_that_only_val_has_and_pictures_that_use_little_of_16_bits(tmp_path):
    folder = make(tmp_path, lambda k: numbers(k) if k == 3 else numbers(k) * 0)
    (folder / "val.txt").write_text("p3", encoding="utf-8")
    for k in range(10):
        save(folder / f"images/p{k}.png", Image.fromarray(np.full((40, 48), 409 * (k + 1), np.uint16)))
    said = str(check(f"folder:{folder}", progress=False))
    assert "in 1 of 10 masks, none of them in train: nothing can be learnt about it" in said
    assert "note: pictures of 16 bits reach 4090 of 65535 at most" in said
    save(folder / "images/p9.png", Image.fromarray(np.full((40, 48), 60000, np.uint16)))
    (folder / "val.txt").write_text("p4", encoding="utf-8")
    said = str(check(f"folder:{folder}", progress=False))
    assert "16 bits" not in said and "nothing can be learnt" not in said


def test_a_split_that_is_void_throughout(tmp_path):
    folder = make(tmp_path, lambda k: numbers(k) * 0 + (VOID if k == 3 else 1))
    (folder / "val.txt").write_text("p3", encoding="utf-8")
    assert problems(folder) == ["every pixel of val is void: there is nothing to score; give its masks the numbers of "
                                "classes"]  # fmt: skip


def test_one_picture_cannot_be_split(tmp_path):
    (line,) = problems(make(tmp_path, stems=["a"]))
    assert line.startswith("there is no picture for val") and line.endswith("it takes two or more, with their masks")


def test_a_colour_that_classes_txt_lacks(tmp_path):
    folder = make(tmp_path, palette_mask, "a 9 9 9\nb 0 200 0\nc 0 0 251")
    (line,) = [p for p in problems(folder) if "p0.png" in p]
    assert "has the colour 0 0 250 at row" in line and "classes.txt lacks it" in line


def test_transparent_masks_and_numbers_above_255(tmp_path):
    folder = make(tmp_path, lambda k: palette_mask(k).convert("RGBA"), "a 9 9 9\nb 0 200 0\nc 0 0 250")
    clear = palette_mask(0).convert("RGBA")
    clear.putalpha(128)
    save(folder / "masks/p0.png", clear)
    save(folder / "masks/p1.png", Image.fromarray(np.full((40, 48), 256, np.uint16)))
    found = "\n".join(problems(folder))
    assert "p0.png has transparent pixels" in found and "p1.png has the label 256 at row 0, column 0" in found


def test_junk_is_passed_over_and_other_files_are_mentioned(tmp_path):
    folder = make(tmp_path)
    for place in ("images/._p0.png", "masks/.DS_Store", "images/Thumbs.db", "images/read me.txt"):
        (folder / place).write_bytes(b"junk")
    (folder / "masks/__MACOSX").mkdir()
    (folder / "images/more").mkdir()
    report = check(f"folder:{folder}", progress=False)
    assert report.ok and [f for f in report.facts if "note" in f] == [
        "note: images/more is not used", "note: images/read me.txt is not used"]  # fmt: skip


def test_folders_that_are_not_there_or_empty(tmp_path):
    for make_it, words in (
        (lambda: None, "no folder"),
        (lambda: (tmp_path / "x/images").mkdir(parents=True), "x/masks"),
    ):
        make_it()
        with pytest.raises(FileNotFoundError, match=words):
            Folder(tmp_path / "x")
    (tmp_path / "x/masks").mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        Folder(tmp_path / "x")
    with pytest.raises(ValueError, match="folder:x is yours: there is nothing to fetch"):
        get("folder:x")
    with pytest.raises(ValueError, match=r"no data set 'folder:'; there are .*, and folder:PATH"):
        create("folder:")
    with pytest.raises(ValueError, match="split='holiday'; it has train, val, test"):
        Folder(make(tmp_path / "y"), "holiday")


# ------------------------------------------------------------------------------------------------------------ pictures


def test_photographs_lie_upright_over_their_masks(tmp_path):
    make(tmp_path, stems=["a", "b"])
    upright = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 8  # turn by a quarter to show it
    save(tmp_path / "images/a.png", Image.fromarray(np.rot90(upright, -1).copy()), exif=exif)
    sample = everything(tmp_path)["a"]
    assert torch.equal((sample.image * 255).round().to(torch.uint8), torch.from_numpy(upright).permute(2, 0, 1))
    save(tmp_path / "images/a.png", Image.fromarray(upright), exif=exif)
    (line,) = problems(tmp_path)
    assert "its picture 40×48 (is the picture turned by its EXIF tag, and the mask not?)" in line


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_keep_their_levels(tmp_path, name):
    ramp = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
    save(tmp_path / name, Image.fromarray(ramp))
    image = read_picture(tmp_path / name)
    assert torch.allclose(image[1], torch.from_numpy(ramp / 65535).float()) and len(image.unique()) == 64


def test_float_and_32_bit_pictures_are_scaled_or_refused(tmp_path):
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    save(tmp_path / "a.tif", Image.fromarray(ramp))
    assert torch.allclose(read_picture(tmp_path / "a.tif")[0], torch.from_numpy(ramp))
    for values, mode in ((ramp * 255, "F"), (ramp - 0.5, "F"), ((ramp * 1000).astype(np.int32), "I")):
        save(tmp_path / "b.tif", Image.fromarray(values))
        with pytest.raises(ValueError, match=rf"b\.tif has mode '{mode}' with values from"):
            read_picture(tmp_path / "b.tif")


@pytest.mark.parametrize("name", ["a.tif", "a.gif", "a.webp", "a.png"])
def test_a_stack_or_an_animation_is_not_its_first_picture(tmp_path, name):
    first, second = (Image.fromarray(np.full((8, 9), level, np.uint8)) for level in (10, 200))
    first.save(tmp_path / name, save_all=True, append_images=[second])
    with pytest.raises(ValueError, match=f"{name} holds 2 pictures .pages or frames.; save each"):
        read_picture(tmp_path / name)
    folder = make(tmp_path / "mine")
    if name != "a.webp":  # no format for masks
        (folder / "masks/p2.png").unlink()
        first.resize((48, 40)).save(
            folder / f"masks/p2{name[1:]}", save_all=True, append_images=[second.resize((48, 40))]
        )
        assert any("holds 2 pictures" in p for p in problems(folder))


def test_a_preview_in_a_tiff_is_no_second_picture(tmp_path):
    first, preview = Image.fromarray(np.full((8, 9), 10, np.uint8)), Image.fromarray(np.zeros((2, 2), np.uint8))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[preview])
    assert read_picture(tmp_path / "a.tif").shape == (3, 8, 9)


def test_a_picture_with_nan(tmp_path):
    values = np.full((8, 8), 0.5, np.float32)
    values[2, 2] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif has pixels that are NaN"):
        read_picture(tmp_path / "a.tif")


def test_a_picture_above_pillows_limit_is_an_error_of_ours(tmp_path, monkeypatch):
    save(tmp_path / "a.png", np.zeros((20, 20)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(
        ValueError, match=r"a\.png has more pixels than segkit opens, 200; shrink it or cut it into parts"
    ):
        read_picture(tmp_path / "a.png")


# -------------------------------------------------------------------------------------------------------- command line


@pytest.mark.parametrize(("height", "width", "crop"), [(40, 48, (64, 64)), (300, 900, (288, 512)), (20, 70, (64, 64))])
def test_the_preset_goes_by_the_sizes(tmp_path, height, width, crop):
    folder = make(tmp_path, lambda k: numbers(k, size=(height, width)), stems=["a", "b", "c"])
    assert Folder(folder).preset["crop"] == crop


def test_check_train_eval_predict(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "own", lambda k: numbers(k, size=(40 + 3 * k, 64 - 2 * k)) * 255)
    tiny = [
        "--model",
        "fcn32s",
        "--width",
        "2",
        "--hidden",
        "4",
        "--steps",
        "2",
        "--batch-size",
        "2",
        "--device",
        "cpu",
    ]
    assert main(["data", "check", "folder:own"]) == 0
    assert "10 pictures, 46–64 wide and 40–67 high, 10 different sizes; RGB (10)" in capsys.readouterr().out
    assert main(["train", "--data", "folder:own", *tiny]) == 0, capsys.readouterr().err
    assert 40 <= read_header("runs/fcn32s-own/weights.safetensors")["short_side"] <= 56, "of the pictures as they came"
    assert main(["eval", "runs/fcn32s-own", "--device", "cpu"]) == 0
    assert "on folder:own val:" in (out := capsys.readouterr().out) and "IoU nucleus" in out
    assert main(["predict", "own/images/p0.png", "-o", "o.png", "--model", "runs/fcn32s-own", "--device", "cpu"]) == 0
    capsys.readouterr()
    shutil.copytree("own", "elsewhere/own")
    for mask in (tmp_path / "elsewhere/own/masks").iterdir():
        save(mask, np.asarray(Image.open(mask)) * 0)  # another set of the same name, and of the same classes
    with monkeypatch.context() as there:
        there.chdir("elsewhere")
        assert main(["eval", "../runs/fcn32s-own", "--device", "cpu"]) == 0
    again = capsys.readouterr().out.partition("one matrix over all")[2]
    assert again and again == out.partition("one matrix over all")[2]
    (tmp_path / "own").rename("moved")
    assert main(["eval", "runs/fcn32s-own", "--device", "cpu"]) == 1
    assert "own, which is not there; name the data with --data folder:PATH" in capsys.readouterr().err
    (tmp_path / "moved").rename("own")
    save(tmp_path / "own/masks/p4.png", np.full((52, 56), 9))
    assert main(["data", "check", "folder:own"]) == 1
    assert "p4.png has the label 9" in capsys.readouterr().out
    assert main(["train", "--data", "folder:own", *tiny, "--out", "again"]) == 1, "nothing is trained on a wrong folder"
    assert "p4.png has the label 9" in capsys.readouterr().err and not (tmp_path / "again").exists()
    with pytest.raises(SystemExit):
        main(["train", "--data", "coco"])
    assert "there is no data set 'coco'; there are street" in capsys.readouterr().err
    for words in (["train", "--data"], ["data", "check"], ["eval", "--data"]):
        with pytest.raises(SystemExit):
            main([*words, "./own"])
        assert "./own is a folder; for pictures of your own write folder:./own" in capsys.readouterr().err
    with pytest.raises(ValueError, match="own is a folder; for pictures of your own write folder:own"):
        check("own")


@pytest.mark.data
def test_real_samples_as_folders(data_root, tmp_path, capsys):
    for kind in ("nuclei", "voc_samples"):
        if not (data_root / kind / "masks").is_dir():
            pytest.skip(f"no {kind} among the real data")
        for part in ("images", "masks"):
            (tmp_path / kind / part).mkdir(parents=True)
    for path in sorted((data_root / "nuclei/masks").glob("*.png"))[:6]:
        save(tmp_path / "nuclei/masks" / path.name, (np.asarray(Image.open(path)) > 0) * 255)
        shutil.copy(data_root / "nuclei/images" / path.name, tmp_path / "nuclei/images")
    (tmp_path / "nuclei/classes.txt").write_text("background\nnucleus\n", encoding="utf-8")
    for path in (data_root / "voc_samples/images").iterdir():
        shutil.copy(path, tmp_path / "voc_samples/images")
        shutil.copy(data_root / "voc_samples/masks" / f"{path.stem}.png", tmp_path / "voc_samples/masks")
    (tmp_path / "voc_samples/classes.txt").write_text("\n".join(f"class {k}" for k in range(21)), encoding="utf-8")
    for kind, count in (("nuclei", 6), ("voc_samples", 22)):
        report = check(f"folder:{tmp_path / kind}", progress=False)
        assert report.ok and f"{count} pictures" in report.facts[0], str(report)
