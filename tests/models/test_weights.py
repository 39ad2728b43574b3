"""Weights on disk: the model comes back; a wrong, cut or foreign file is named and changes nothing."""

import pytest
import torch
from safetensors.torch import save_file

from segkit.models import available, create, load, options, read_header, save
from segkit.models.weights import load_exactly


def model(num_classes=3):
    torch.manual_seed(0)
    return create("fcn16s", num_classes, width=2, hidden=8, batch_norm=True).eval()


def test_a_saved_model_comes_back_with_its_header(tmp_path):
    ours = model()
    ours.score_fr.weight.data.normal_()
    path = save(ours, tmp_path / "a.safetensors", classes=["sky", "road", "tree"])
    back, x = load(path), torch.randn(1, 3, 40, 50)
    assert torch.equal(back(x), ours(x)) and not back.training
    assert read_header(path)["classes"] == ["sky", "road", "tree"]
    assert back.config == {"name": "fcn16s", "num_classes": 3, "width": 2, "hidden": 8, "batch_norm": True}


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path):
    whole, half = save(model(), tmp_path / "w.safetensors"), save(model(), tmp_path / "h.safetensors", half=True)
    assert half.stat().st_size < 0.65 * whole.stat().st_size
    assert load(half).fc6.weight.dtype == torch.float32
    torch.testing.assert_close(load(half).fc6.weight, model().fc6.weight, rtol=1e-3, atol=1e-6)


def test_a_cut_file_a_foreign_file_and_no_file_are_told_apart(tmp_path):
    path = save(model(), tmp_path / "a.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        load(cut)
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="no segkit header"):
        load(tmp_path / "foreign.safetensors")
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        load(tmp_path / "none.safetensors")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = save(model(), tmp_path / "a.safetensors", note="old")
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("no space left on device")))
    with pytest.raises(OSError, match="no space"):
        save(model(), path, note="new")
    assert read_header(path)["note"] == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_key_or_shape_without_a_partner_is_refused_and_nothing_is_copied():
    ours, state = model(), model(4).state_dict()
    before = ours.fc6.weight.clone()
    state["encoder.features.0.weight"] = state["encoder.features.0.weight"] + 1
    with pytest.raises(ValueError, match=r"score_fr\.bias: file \(4,\), model \(3,\)"):
        load_exactly(ours, state)
    assert torch.equal(ours.fc6.weight, before)
    state = ours.state_dict()
    del state["fc6.weight"]
    with pytest.raises(ValueError, match=r"1 missing \['fc6.weight'\]"):
        load_exactly(ours, state)


def test_names_and_options():
    assert {"fcn8s", "fcn16s", "fcn32s"} <= set(available())
    assert options("fcn8s")["width"] == 64 and "stride" not in options("fcn8s")
    with pytest.raises(ValueError, match="no model 'fcn4s'"):
        create("fcn4s", 3)
    with pytest.raises(ValueError, match="takes no option colour"):
        create("fcn8s", 3, colour="red")
    with pytest.raises(ValueError, match="model without"):
        save(torch.nn.Linear(1, 1), "x.safetensors")
