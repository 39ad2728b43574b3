"""`segkit predict` on photographs and folders: what it writes, what it refuses, and torchvision's published weights."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.cli import main, pretrained
from segkit.cli.outputs import Job, Shares, plan, write_shares
from segkit.data.voc import VOC2012
from segkit.models import create, save
from segkit.models.torchvision_segmentation import TABLES, torchvision_options
from tests.data.loopback import serving

CLASSES = ["sky", "road", "tree"]
PALETTE = [[0, 0, 255], [128, 64, 128], [0, 128, 0]]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(3)
    model = create("fcn8s", 3, width=2, hidden=4, encoder="vgg11")
    torch.nn.init.normal_(model.score_pool3.weight)
    path = tmp_path_factory.mktemp("run") / "weights.safetensors"
    return str(save(model, path, classes=CLASSES, palette=PALETTE))


def photograph(path, height=60, width=80, seed=0):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    small.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def predict(*words):
    return main(["predict", *map(str, words), "--device", "cpu"])


def test_without_o_the_answer_stands_beside_the_photograph(run, tmp_path, capsys, monkeypatch):
    photograph(tmp_path / "street.jpg")
    monkeypatch.chdir(tmp_path)
    assert predict("./street.jpg", "--model", run) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["street.jpg", "street_segmented.png"]
    said = capsys.readouterr()
    assert said.out.startswith("street_segmented.png: ") and "%" in said.out and not said.err


@pytest.mark.parametrize(
    ("sides", "words", "said"),
    [
        ([60], (), None),
        ([90, 40], (), None),
        ([91], (), "p0.png: its short side is 1.5 times that of"),
        ([240, 61, 24], (), "p0.png: its short side is 4 times that of"),
        ([24, 30], (), "p0.png: its short side is 0.4 times that of"),
        ([240], ("--short-side", 60), None),
        ([240], ("--short-side", 0), None),
    ],
)
def test_pictures_much_larger_or_smaller_than_in_training(tmp_path, capsys, sides, words, said):
    weights = save(create("enet", 3, width=1), tmp_path / "w.safetensors", classes=CLASSES, short_side=60)
    (tmp_path / "in").mkdir()
    for i, side in enumerate(sides):
        photograph(tmp_path / "in" / f"p{i}.png", side, side + 20)
    assert predict(tmp_path / "in", "-o", tmp_path / "out", "--model", weights, *words) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "note:" in line]
    if said is None:
        assert told == []
        return
    (line,) = told
    assert said in line and "with --short-side 60 it sees" in line
    assert (f"(2 of {len(sides)} pictures differ)" in line) == (len(sides) > 1)


def test_a_legend_has_the_colour_of_each_class(run, tmp_path, capsys):
    picture, key = photograph(tmp_path / "p.png"), tmp_path / "key.png"
    words = picture, "-o", tmp_path / "o.png", "--model", run
    assert predict(*words, "--legend", key) == 0 == predict(*words, "--legend", key), "and again over its own"
    with Image.open(key) as image:
        shown = np.asarray(image.convert("RGB"))
    rows = [np.flatnonzero((shown == colour).all(-1).any(1)) for colour in PALETTE]
    assert all(len(found) > 5 for found in rows)
    assert rows[0].max() < rows[1].min() and rows[1].max() < rows[2].min(), "one below the other, in their order"
    dark = (shown.max(-1) < 100) & ~(shown == PALETTE[2]).all(-1)
    assert dark[:, shown.shape[1] // 2 :].sum() > 50, "with a name beside it"
    capsys.readouterr()
    for name, why in (("key.jpg", "let its name end in .png"), ("p.png", "the photograph itself"), ("o.png", "twice")):
        assert predict(*words, "--legend", tmp_path / name) == 1 and why in capsys.readouterr().err, name
    Image.new("L", (4, 4)).save(tmp_path / "mine.png")
    assert predict(*words, "--legend", tmp_path / "mine.png") == 1
    assert "not from `segkit predict`" in capsys.readouterr().err


def test_labels_carry_the_palette_and_shares_are_counted(run, tmp_path):
    picture, labels, shares, table = (
        photograph(tmp_path / "p.png"),
        *(tmp_path / n for n in ("l.png", "s.json", "s.csv")),
    )
    assert (
        predict(
            picture, "-o", tmp_path / "o.webp", "--model", run, "--labels", labels, "--json", shares, "--csv", table
        )
        == 0
    )
    image = Image.open(labels)
    numbers = np.asarray(image)
    assert image.mode == "P" and image.getpalette()[:9] == [v for colour in PALETTE for v in colour]
    facts = json.loads(shares.read_text(encoding="utf-8"))
    assert facts["model"] == run and facts["classes"] == CLASSES and len(facts["pictures"]) == 1
    counted = {name: float((numbers == k).mean()) for k, name in enumerate(CLASSES)}
    assert facts["pictures"][0]["shares"] == pytest.approx(counted, abs=1e-6)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert len(rows) == 1 and float(rows[0]["road"]) == pytest.approx(counted["road"], abs=1e-6)
    assert Image.open(tmp_path / "o.webp").size == image.size == (80, 60)


def test_a_folder_is_done_but_for_the_bad_picture(run, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i, name in enumerate(("a.jpg", "a.png", "c.JPG")):
        photograph(folder / name, 40 + i, 50, i)
    (folder / "b.png").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("no picture at all", encoding="utf-8")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    words = (folder, "-o", out, "--model", run, "--labels", tmp_path / "labels", "--json", tmp_path / "s.json")
    assert predict(*words) == 1
    said = capsys.readouterr()
    assert "b.png is not a picture" in said.err and "3 of 4 pictures segmented" in said.out
    names = ["a.jpg.png", "a.png.png", "c.png"]
    assert sorted(p.name for p in out.iterdir()) == names == sorted(p.name for p in (tmp_path / "labels").iterdir())
    assert Image.open(out / "c.png").size == (50, 42)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert len(json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["pictures"]) == 3
    (folder / "b.png").unlink()
    assert predict(folder, "--model", run) == 0, "where every picture is good"
    assert sorted(p.name for p in (tmp_path / "in_segmented").iterdir()) == names


def test_names_that_differ_by_their_letters_size_and_names_that_are_formulas(tmp_path):
    for name in ("A.png", "a.jpg"):
        photograph(tmp_path / name)
    jobs = plan(str(tmp_path), None, None)
    assert [job.overlay.name for job in jobs] == ["A.png.png", "a.jpg.png"], "A.png would be a.png on many disks"
    job = Job(Path("=1+1.png"), Path("o.png"), None)
    write_shares([Shares(job, {"sky": 1.0})], {}, None, str(tmp_path / "t.csv"))
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()[1] == "./=1+1.png,1.000000"


def test_what_would_be_lost_is_refused_before_anything_is_written(run, tmp_path, capsys):
    picture = photograph(tmp_path / "p.png")
    (tmp_path / "link.png").hardlink_to(picture)
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("name,place\n", encoding="utf-8")
    mask = photograph(tmp_path / "mask.png", seed=1)
    many = save(create("enet", 256, width=1), tmp_path / "many.safetensors")
    with torch.no_grad():
        broken = create("fcn32s", 2, width=1, hidden=2, encoder="vgg11")
        broken.score_fr.bias.fill_(float("nan"))
    nan = save(broken, tmp_path / "nan.safetensors")
    before = picture.read_bytes()
    cases = [
        ((picture, "-o", picture), "is the photograph itself"),
        ((picture, "-o", tmp_path / "link.png"), "is the photograph itself"),
        ((picture, "--labels", picture), "is the photograph itself"),
        ((picture, "--json", picture), "is the photograph itself"),
        ((picture, "-o", mask), "mask.png is there already, and not from `segkit predict`"),
        ((picture, "--labels", mask), "mask.png is there already, and not from `segkit predict`"),
        ((picture, "--json", many), "let its name end in .json"),
        ((picture, "--csv", tmp_path / "list.csv"), "list.csv is there already and holds something else"),
        ((picture, "--json", tmp_path / "empty"), "is a folder; name a file"),
        ((tmp_path, "-o", tmp_path), "is the photograph itself"),
        ((picture, "-o", tmp_path / "x.png", "--labels", tmp_path / "x.png"), "would be written twice"),
        ((picture, "-o", tmp_path / "x.jpg"), "end in .png"),
        ((picture, "-o", tmp_path / "x.png", "--labels", tmp_path / "x.webp"), "end in .png"),
        ((tmp_path / "empty",), "no pictures in the folder"),
        ((tmp_path, "-o", picture), "is a file"),
        ((picture, "--tile", 8), "tile=8 is smaller than the network's stride, 32"),
        ((picture, "--tile", -1), "--tile=-1"),
        ((picture, "--short-side", -5), "--short-side=-5"),
        ((picture, "--scales", "0,1"), "a scale is a number from 1/16 to 16"),
        ((picture, "--alpha", 2), "--alpha 2.0"),
        ((picture, "--model", many), "256 classes; a label map has one byte"),
        ((picture, "--model", nan), "FCN gives scores that are NaN"),
        ((picture, "--model", tmp_path / "none"), "add --pretrained"),
    ]
    there = sorted(p.name for p in tmp_path.iterdir())
    for words, message in cases:
        words = words if "--model" in words else (*words, "--model", run)
        assert predict(*words) == 1, words
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1, (words, error)
    with pytest.raises(SystemExit):
        predict(picture, "--model", run, "--scales", "one")
    assert sorted(p.name for p in tmp_path.iterdir()) == there
    assert picture.read_bytes() == before != mask.read_bytes()


def test_tiles_scales_and_the_crf_have_their_say(run, tmp_path):
    picture, found = photograph(tmp_path / "p.png", 100, 130), {}
    arms = {
        "plain": (), "one tile": ("--tile", 160), "tiles": ("--tile", 64), "no overlap": ("--tile", 32),
        "several": ("--scales", "0.5,1", "--flip"), "crf": ("--crf",), "both": ("--crf", "--flip", "--short-side", 50),
    }  # fmt: skip
    for name, words in arms.items():
        labels = tmp_path / "l.png"
        assert predict(picture, "-o", tmp_path / "o.png", "--labels", labels, "--model", run, *words) == 0
        found[name] = np.asarray(Image.open(labels))
        assert found[name].shape == (100, 130)
    assert (found["plain"] == found["one tile"]).all()
    for name in ("tiles", "no overlap", "several", "crf", "both"):
        assert 0 < (found["plain"] != found[name]).mean() < 0.6, name


def test_sixteen_bits_that_are_used_little_are_said(run, tmp_path, capsys):
    levels = np.arange(4096, dtype=np.uint16).reshape(64, 64)  # a camera of 12 bits
    for factor, dim in ((1, True), (16, False)):
        Image.fromarray(levels * factor).save(tmp_path / "p.png")
        assert predict(tmp_path / "p.png", "--model", run) == 0
        assert ("16 bits reach 4095 of 65535 at most" in capsys.readouterr().err) == dim


def test_weights_without_names_and_colours_will_do(tmp_path, capsys):
    bare = save(create("enet", 2, width=2), tmp_path / "bare.safetensors")
    assert predict(photograph(tmp_path / "p.png"), "--model", bare) == 0
    assert "class " in capsys.readouterr().out


def test_a_photograph_on_its_side_is_turned_upright(run, tmp_path):
    picture = photograph(tmp_path / "p.jpg", 40, 60)
    image = Image.open(picture)
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert predict(tmp_path / "turned.jpg", "-o", tmp_path / "o.png", "--model", run) == 0
    assert Image.open(tmp_path / "o.png").size == (40, 60)


# what torchvision publishes


@pytest.fixture(scope="module")
def small():
    """A narrow deeplab_v3 with weights, and these under torchvision's names as the file that is published."""
    torch.manual_seed(5)
    name, options = torchvision_options("deeplabv3_resnet50")
    model = create(name, 21, **options, width=2).eval()
    torch.nn.init.normal_(model.score.weight, std=2)
    back = {ours: theirs for theirs, ours in TABLES["DeepLabV3"].items()}
    state = {}
    for key, value in model.state_dict().items():
        begin = max((ours for ours in back if key.startswith(ours)), key=len)
        state[back[begin] + key.removeprefix(begin)] = value
    file = io.BytesIO()
    torch.save(state, file)
    return model, file.getvalue()


@pytest.fixture
def published(small, tmp_path, monkeypatch):
    """The server of the weights; torch's cache is an empty folder."""
    body = small[1]
    file = f"deeplabv3_resnet50_coco-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    stated = pretrained.source("deeplab_v3")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with serving(**{file: body}) as host:
        narrow = stated._replace(url=host.url(file), options={**stated.options, "width": 2})
        monkeypatch.setattr(pretrained, "source", lambda name: narrow)
        host.kept = tmp_path / "torch" / "hub" / "checkpoints" / file
        yield host


def test_published_weights_are_fetched_once_and_segment_as_torchvision_would(published, small, tmp_path, capsys):
    from torchvision.models import get_model_weights

    picture, labels = photograph(tmp_path / "p.png", 90, 120), tmp_path / "l.png"
    words = (picture, "--model", "deeplab_v3", "--pretrained", "--short-side", 64, "--labels", labels)
    assert predict(*words) == 0
    said = capsys.readouterr().out
    assert "fetching torchvision's weights for deeplab_v3 (168 MB, once)" in said and published.kept.is_file()
    assert predict(*words) == 0 and len(published.asked) == 1
    assert "fetching" not in capsys.readouterr().out

    prepare = get_model_weights("deeplabv3_resnet50")["COCO_WITH_VOC_LABELS_V1"].transforms(resize_size=64)
    with torch.no_grad():
        scores = small[0](prepare(Image.open(picture))[None])
    theirs = torch.nn.functional.interpolate(scores, (90, 120), mode="bilinear").argmax(1)[0].numpy()
    image = Image.open(labels)
    ours = np.asarray(image)
    assert (ours == theirs).mean() > 0.99 and len(np.unique(ours)) > 2, "torchvision resizes bytes, we resize floats"
    assert image.getpalette()[: 3 * 21] == VOC2012.palette.flatten().tolist()
    assert predict(*words, "--crf", "--flip") == 0 and (np.asarray(Image.open(labels)) != ours).any()


def test_an_interrupted_download_goes_on(published, tmp_path, capsys):
    picture = photograph(tmp_path / "p.png")
    published.errors = [404]
    assert predict(picture, "--pretrained") == 1
    error = capsys.readouterr().err
    assert "404" in error and error.strip().count("\n") == 0
    part = published.kept.with_name(published.kept.name + ".part")
    part.write_bytes(published.files[published.kept.name][:10_000])
    published.cut = [5_000]
    assert predict(picture, "--pretrained", "--short-side", 40) == 0
    assert [wish for _, wish in published.asked] == [None, "bytes=10000-", "bytes=15000-"]
    assert published.kept.read_bytes() == published.files[published.kept.name] and not part.exists()


def test_another_file_than_the_published_one_is_deleted(published, tmp_path, capsys):
    published.files[published.kept.name] = published.files[published.kept.name][:-1] + b"?"
    assert predict(photograph(tmp_path / "p.png"), "--pretrained") == 1
    error = capsys.readouterr().err
    assert "is not the file that is expected" in error and "It has been deleted" in error
    assert list(published.kept.parent.iterdir()) == [] and not (tmp_path / "p_segmented.png").exists()


def test_without_a_network_one_line_says_what_to_do(published, tmp_path, capsys, monkeypatch):
    with serving() as gone:
        url = gone.url(published.kept.name)
    there = pretrained.source("deeplab_v3")._replace(url=url)
    monkeypatch.setattr(pretrained, "source", lambda name: there)
    start = time.monotonic()
    assert predict(photograph(tmp_path / "p.png"), "--pretrained") == 1
    error = capsys.readouterr().err
    assert "Connect to the network and repeat the command" in error and str(published.kept.parent) in error
    told = [line for line in error.strip().splitlines() if "trying again" not in line]
    assert len(told) == 1 and time.monotonic() - start < 15


def test_what_torchvision_says_about_its_weights():
    from torchvision.models import get_model_weights

    for name, theirs in pretrained.NETWORKS.items():
        stated, weights = pretrained.source(name), get_model_weights(theirs)["COCO_WITH_VOC_LABELS_V1"]
        assert stated.url == weights.url and pretrained._DIGITS.search(stated.url)
        assert stated.short_side == 520 and stated.deviation == (0.229, 0.224, 0.225) and 100 < stated.megabytes < 300
        spelled = [category.strip("_") for category in weights.meta["categories"]]
        assert spelled == [known.replace(" ", "") for known in VOC2012.classes]
    with pytest.raises(ValueError, match="no segmentation weights for 'unet'; --pretrained knows deeplab_v3"):
        pretrained.source("unet")
