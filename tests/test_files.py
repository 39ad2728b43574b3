"""JSON that any reader can read: NaN and infinities are refused by their place, before a file is touched."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from segkit.files import write_json, write_safetensors
from segkit.models import create, read_header, save

RUNS = {"runs": [{"scores": {"mean_iou": 0.5}}] * 3 + [{"scores": {"mean_iou": math.nan}}]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (RUNS, "runs.3.scores.mean_iou is nan"),
        ({"a": (1, [2.0, math.inf])}, "a.1.1 is inf"),
        ([0.0, -math.inf], "1 is -inf"),
        (math.nan, "the value is nan"),
        ({"score": np.float64("nan")}, "score is nan"),
    ],
)
def test_what_json_lacks_is_named_by_its_place_and_nothing_is_written(tmp_path, value, words):
    kept = tmp_path / "kept.json"
    kept.write_text("before", encoding="utf-8")
    for path in (kept, tmp_path / "new folder" / "new.json"):
        with pytest.raises(ValueError, match=f"{path.name} is not written: {words}"):
            write_json(value, path)
        with pytest.raises(ValueError, match=r"is not written: facts.* (nan|inf|-inf);"):
            write_safetensors({"w": torch.zeros(1)}, path, {"facts": value})
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"] and kept.read_text(encoding="utf-8") == "before"


def test_no_value_is_null(tmp_path):
    path = write_json({"iou": [0.5, None], "word": "NaN"}, tmp_path / "f.json")
    assert path.read_text(encoding="utf-8").count("null") == 1


def test_the_header_of_weights_holds_no_nan(tmp_path):
    model = create("fcn32s", 2, width=2, hidden=4)
    with pytest.raises(ValueError, match=r"metrics.mean_iou is nan"):
        save(model, tmp_path / "w.safetensors", metrics={"mean_iou": math.nan})
    assert not list(tmp_path.iterdir())
    save(model, tmp_path / "w.safetensors", metrics={"mean_iou": None})
    assert read_header(tmp_path / "w.safetensors")["metrics"] == {"mean_iou": None}
