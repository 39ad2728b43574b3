"""`segkit street`: a picture that the shipped networks know, and the note where they are given another."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from segkit.cli import main
from segkit.data import create
from segkit.models import create as network
from segkit.models import save
from segkit.viz import to_picture


def test_a_street_is_written_and_segmented_without_a_note(tmp_path, capsys):
    place, model = tmp_path / "street.png", network("enet", 13, width=1)
    weights = str(save(model, tmp_path / "w.safetensors", data="street"))
    assert main(["street", "--scene", "3", "--to", str(place)]) == 0
    assert f"{place}: scene 3 of the test split" in capsys.readouterr().out
    right = to_picture(create("street", split="test")[3].image)
    np.testing.assert_array_equal(np.asarray(Image.open(place)), right)
    assert main(["street", "--scene", "4", "--to", str(place)]) == 0, "its own file is written over"
    assert main(["predict", str(place), "--model", weights, "--device", "cpu"]) == 0
    assert not capsys.readouterr().err
    Image.fromarray(right).save(tmp_path / "photo.png")
    assert main(["predict", str(tmp_path / "photo.png"), "--model", weights, "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert "w.safetensors was trained on made-up streets and knows nothing else" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scene", "200"], "segkit street: got --scene=200; --scene is a whole number from 0 to 199"),
        (["--scene", "-1"], "--scene is a whole number from 0 to 199"),
        (["--to", "street.jpg"], "let the name end in .png"),
        (["--to", "photo.png"], "photo.png is there already, and not from `segkit street`"),
        (["--to", "folder.png"], "folder.png is a folder; name a file"),
    ],
)
def test_what_is_not_written(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    Image.new("RGB", (4, 4)).save("photo.png")
    there = sorted(tmp_path.iterdir())
    assert main(["street", *words]) == 1
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and sorted(tmp_path.iterdir()) == there
