"""Weights on disk: the model comes back; a wrong, cut or foreign file is named and changes nothing."""

import pytest
import torch
from safetensors.torch import save_file

from segkit import files
from segkit.models import available, create, load, options, read_header, save
from segkit.models.weights import load_exactly
from segkit.training.checkpoint import save_checkpoint


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


def test_one_flipped_bit_anywhere_is_seen(tmp_path):
    path = save(model(), tmp_path / "a.safetensors", classes=["sky", "road", "tree"])
    whole, generator = path.read_bytes(), torch.Generator().manual_seed(0)
    places = torch.randint(len(whole), (150,), generator=generator).tolist()
    for place in [whole.index(b"road"), whole.index(b"batch_norm"), *places]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"a\.safetensors is (damaged|not a complete)|no segkit header"):
            load(path)
    path.write_bytes(whole)
    assert load(path).num_classes == 3


def test_half_precision_refuses_what_it_cannot_hold(tmp_path):
    ours = model()
    ours.score_fr.weight.data[0, 0] = 7e4
    with pytest.raises(ValueError, match=r"score_fr\.weight holds 7e\+04; float16 ends at 65504"):
        save(ours, tmp_path / "h.safetensors", half=True)
    assert not any(tmp_path.iterdir()) and load(save(ours, tmp_path / "w.safetensors")).score_fr.weight.max() == 7e4


def test_the_state_of_a_training_run_is_not_taken_for_weights(tmp_path):
    ours = model()
    path = save_checkpoint(tmp_path / "checkpoint.safetensors", ours, torch.optim.SGD(ours.parameters(), 0.1), step=1)
    for read in (load, read_header):
        with pytest.raises(ValueError, match="holds the checkpoint of a training run, not its weights"):
            read(path)


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


def test_a_header_that_asks_for_a_network_beyond_all_memory(tmp_path):
    path = save(model(), tmp_path / "a.safetensors")
    header, state = files.read_safetensors(path)
    files.write_safetensors(state, path, {"config": {**header["config"], "hidden": 10**12}})
    with pytest.raises(ValueError, match=r"a\.safetensors says .*, a network that cannot be made here"):
        load(path)


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_half_precision_refuses_a_buffer_that_it_cannot_hold(tmp_path, name):
    ours = create("segnet", 2, encoder="vgg11", width=1)
    key = next(key for key, _ in ours.named_buffers() if key.endswith(name))
    ours.get_buffer(key).fill_(1e6)
    with pytest.raises(ValueError, match=rf"{key} holds 1e\+06; float16 ends at 65504"):
        save(ours, tmp_path / "h.safetensors", half=True)
    assert not list(tmp_path.iterdir())
