"""What pictures a step can take is known from the headers of their files, before the first step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import ConcatDataset, Subset

from segkit.cli import main
from segkit.data import Augmented, CamVid, Folder, SeenThrough, create
from segkit.data.sizes import look
from segkit.data.transforms import RandomCrop
from segkit.models import create as create_model
from segkit.models import save
from segkit.training import Recipe, Trainer, evaluate
from tests.data.small_sets import camvid_files, png, write

ENDS = 12  # bytes of a PNG's last chunk, which is empty


def mine(folder: Path, sizes: dict[str, tuple[int, int]]) -> Folder:
    """A folder of one's own with pictures of these names and sizes (H, W), all to train on but the last."""
    for name, size in sizes.items():
        rng = np.random.default_rng(len(name))
        files = {f"images/{name}.png": png(rng.integers(0, 256, (*size, 3), dtype=np.uint8)),
                 f"masks/{name}.png": png(rng.integers(0, 2, size, dtype=np.uint8))}  # fmt: skip
        write(files, folder)
    (folder / "classes.txt").write_text("ground\ncell\n", encoding="utf-8")
    (folder / "val.txt").write_text(list(sizes)[-1], encoding="utf-8")
    return Folder(folder)


def trainer(data: object, **settings: object) -> Trainer:
    model = create_model("fcn32s", 2, width=1, hidden=2, batch_norm=settings.pop("batch_norm", False))
    return Trainer(model, data, Recipe(steps=1, device="cpu", **settings))  # type: ignore[arg-type]


def test_pictures_of_several_sizes_need_a_crop_or_a_step_each(tmp_path: Path) -> None:
    data = mine(tmp_path, {"a": (40, 48), "b": (40, 48), "c": (40, 64), "d": (64, 40), "v": (8, 8)})
    words = r"c\.png is 64×40 pixels, \S*a\.png 48×40 \(3 sizes among 4 pictures\), and a step stacks 2 of one size"
    for given in (data, Augmented(data, lambda sample, rng: sample).dataset, SeenThrough(data)):
        with pytest.raises(ValueError, match=words):
            trainer(given, batch_size=2)
    trainer(data, batch_size=1), trainer(data, batch_size=2, crop=32), trainer(Subset(data, [0, 1]), batch_size=2)
    trainer(Augmented(data, RandomCrop(32)), batch_size=2)  # what another's transform makes of them is not known
    with pytest.raises(ValueError, match="sizes among 2 pictures"):
        trainer(ConcatDataset([Subset(data, [0]), Subset(data, [3])]), batch_size=2)


def test_a_random_scale_needs_a_crop(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scale=\(0.5, 2.0\) without a crop gives each picture a size of its own"):
        trainer(create("cells"), batch_size=2, scale=(0.5, 2.0))
    trainer(mine(tmp_path, {"a": (8, 8), "v": (8, 8)}), batch_size=2, scale=(0.5, 2.0))  # there is one picture


def test_a_picture_too_small_for_batchnorm_is_named(tmp_path: Path) -> None:
    data = mine(tmp_path, {"a": (64, 64), "b": (32, 20), "c": (17, 32), "v": (8, 8)})
    with pytest.raises(ValueError, match=r"b\.png \(and 1 more\): BatchNorm cannot learn from 1 picture of \(32,"):
        trainer(data, batch_size=1, batch_norm=True)
    trainer(data, batch_size=1), trainer(data, batch_size=1, batch_norm=True, norm="fixed")
    trainer(Subset(data, [0]), batch_size=1, batch_norm=True)
    with pytest.raises(ValueError, match=r"BatchNorm cannot learn from 1 picture of \(32, 32\)"):
        trainer(Subset(data, [0]), batch_size=1, batch_norm=True, scale=(0.5, 0.5), crop=32)


def test_the_command_says_it_before_the_run_has_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine(tmp_path / "own", {"a": (40, 48), "b": (48, 40), "v": (8, 8)})
    (tmp_path / "plain.json").write_text(json.dumps({"batch_size": 2}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    tiny = ["--model", "fcn32s", "--width", "1", "--hidden", "2", "--steps", "1", "--device", "cpu", "--out", "run"]
    assert main(["train", "--data", "folder:own", "--recipe", "plain.json", *tiny]) == 1
    said = capsys.readouterr().err
    assert "a step stacks 2 of one size; give the recipe a crop" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_masks_that_do_not_fit_are_counted_before_anything_is_learnt_or_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = camvid_files()
    for name in ("testannot/frame_0.png", "testannot/frame_1.png"):
        files[name] = png(np.zeros((5, 8), np.uint8))
    files["valannot/frame_0.png"] = png(np.zeros((6, 9), np.uint8))
    write(files, tmp_path / "CamVid")
    monkeypatch.setenv("SEGKIT_DATA", str(tmp_path))
    model = create_model("fcn32s", 11, width=1, hidden=2)
    with pytest.raises(ValueError, match=r"frame_0\.png is 8×5 pixels, its picture 8×6.*\(and 1 more with"):
        evaluate(model, CamVid("test"), device="cpu")
    weights = save(model, tmp_path / "w.safetensors", data="camvid", classes=list(CamVid.classes))
    tiny = ["--model", "fcn32s", "--width", "1", "--hidden", "2", "--steps", "1", "--device", "cpu"]
    for words, place in (
        (["train", "--data", "camvid", *tiny, "--out", str(tmp_path / "run")], "valannot/frame_0.png is 9×6"),
        (["eval", str(weights), "--device", "cpu"], "testannot/frame_0.png is 8×5"),
        (["crf", "search", "--model", str(weights), "--device", "cpu"], "valannot/frame_0.png is 9×6"),
    ):
        assert main(words) == 1 and place in (said := capsys.readouterr().err) and "\n" not in said[:-1], words
    assert not (tmp_path / "run").exists()


def test_what_is_no_picture_is_found_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mine(tmp_path, {"a": (40, 48), "b": (48, 40), "v": (8, 8)})
    assert [(p.file.name, p.size) for p in look(data)] == [("a.png", (40, 48)), ("b.png", (48, 40))]
    with monkeypatch.context() as small:
        small.setattr(Image, "MAX_IMAGE_PIXELS", 900)
        with pytest.raises(ValueError, match=r"a\.png has more pixels than segkit opens, 1,800; .*\(and 1 more"):
            look(data)
    (tmp_path / "images/b.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"b\.png is not a picture that can be read"):
        look(Subset(data, [0, 1]))


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_picture_that_is_turned_by_its_header_fits_its_mask(tmp_path: Path, at_the_end: bool) -> None:
    data, exif = mine(tmp_path, {"a": (40, 48), "v": (8, 8)}), Image.Exif()
    exif[274] = 6  # it lies on its side
    with Image.open(tmp_path / "images/a.png") as file:
        lying = file.transpose(Image.Transpose.ROTATE_90)
    lying.save(tmp_path / "images/a.png", exif=exif)
    if at_the_end:
        content = (tmp_path / "images/a.png").read_bytes()
        start = content.index(b"eXIf") - 4
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        rest = content[:start] + content[end:]
        (tmp_path / "images/a.png").write_bytes(rest[:-ENDS] + content[start:end] + rest[-ENDS:])
    assert data[0].image.shape == (3, 40, 48), "as it is read"
    assert look(data)[0].size == ((48, 40) if at_the_end else (40, 48))
    trainer(data)
