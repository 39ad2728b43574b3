"""`segkit crf search` as a user types it, and `segkit predict --crf FILE`, which takes what it wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.cli import main
from segkit.crf import DenseCRF, search
from segkit.data import create
from segkit.models import load

WEIGHTS = Path(__file__).resolve().parents[2] / "course" / "weights" / "lineage_deeplab_v1.safetensors"
GRID = ["bilateral_sxy=10", "bilateral_srgb=5,20", "bilateral_compat=4", "gaussian_compat=1"]
SMALL = ["--model", str(WEIGHTS), "--most", "2", "--seed", "4", "--iterations", "2", "--device", "cpu"]
SMALL += [word for axis in GRID for word in ("--grid", axis)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("crf") / "street.json"
    assert main(["crf", "search", *SMALL, "--out", str(path)]) == 0
    return path


def test_it_writes_what_the_function_finds(written, capsys):
    facts = json.loads(written.read_text(encoding="utf-8"))
    grid = {"bilateral_sxy": (10,), "bilateral_srgb": (5, 20), "bilateral_compat": (4,), "gaussian_compat": (1,)}
    found = search(load(WEIGHTS), create("street", split="val"), grid, most=2, seed=4, iterations=2, quiet=True)
    assert facts["table"] == found.rows and facts["without"] == found.without and facts["pictures"] == 2
    assert facts["crf"] == {k: v for k, v in found.options.items() if k != "picture_max"}
    assert (facts["data"], facts["split"], facts["seed"]) == ("street", "val", 4) and "commit" in facts["provenance"]
    assert main(["crf", "search", *SMALL]) == 0
    assert "a pixel of the same colour counts 61 % at 10" in capsys.readouterr().out


def test_predict_takes_the_file(written, tmp_path):
    scene = create("street", split="test")[0]
    picture = tmp_path / "p.png"
    Image.fromarray((scene.image.permute(1, 2, 0) * 255).round().byte().numpy()).save(picture)
    strong = tmp_path / "strong.json"
    chosen = json.loads(written.read_text(encoding="utf-8"))["crf"]
    strong.write_text(json.dumps({"crf": {**chosen, "gaussian_sxy": 9, "gaussian_compat": 40}}), encoding="utf-8")
    found = {}
    for name, words in {"none": [], "file": ["--crf", str(written)], "strong": ["--crf", str(strong)]}.items():
        labels = tmp_path / f"{name}.png"
        told = ["predict", str(picture), "-o", str(tmp_path / "o.png"), "--labels", str(labels)]
        assert main([*told, "--model", str(WEIGHTS), "--device", "cpu", *words]) == 0
        found[name] = np.asarray(Image.open(labels))
    image = np.asarray(Image.open(picture)).transpose(2, 0, 1) / 255
    x = torch.from_numpy(image).float()[None]
    with torch.no_grad():
        expected = DenseCRF(**chosen, picture_max=1)(load(WEIGHTS)(x), x).argmax(1)[0].numpy()
    assert (found["file"] == expected).mean() > 0.999 and (found["file"] != found["none"]).any()
    assert (found["strong"] != found["file"]).mean() > 0.02, "the file decides"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split", "test"], "test split"),
        (["--split", "training"], "split='training'"),
        (["--stages", "0"], "stages=0"),
        (["--most", "-1"], "most=-1"),
        (["--out", "there.txt"], "let its name end in .json"),
        (["--out", f"{__file__}/there.json"], f"{__file__} is a file; name another folder"),
        (["--model", "nowhere.safetensors"], "no weights at nowhere.safetensors"),
    ],
)
def test_refuses(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["crf", "search", *SMALL, *words]) == 1
    said = capsys.readouterr().err
    assert message in said and said.startswith("segkit crf: ") and not any(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["sigma=1,2", "bilateral_sxy", "bilateral_sxy=", "bilateral_sxy=a", "iterations=3"])
def test_refuses_a_grid(text, capsys):
    with pytest.raises(SystemExit):
        main(["crf", "search", "--grid", text])
    assert "bilateral_sxy=5,10,20" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"), ("{", "segkit crf search"), ("{}", "has no 'crf'"), ('{"crf": 3}', "segkit crf search"),
        ('{"crf": {"bilateral_sxy": "wide"}}', "bilateral_sxy"), ('{"crf": {"bilateral_sxy": -1}}', "above 0"),
    ],
)  # fmt: skip
def test_predict_refuses_a_file(content, message, tmp_path, capsys):
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["predict", "p.png", "--crf", str(path)])
    assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["predict", "--crf", "p.png"])
    assert "put --crf behind the picture" in capsys.readouterr().err
