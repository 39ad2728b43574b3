"""`segkit train --pretrained`: from torch's cache, for pictures in 0–1, frozen where asked, also after a resume."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import torch
import torchvision.models
from PIL import Image
from torch import nn

from segkit.cli import main
from segkit.encoders.weights import for_unit_pictures
from segkit.models import load
from segkit.training import Trainer

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILE = torchvision.models.get_model_weights("resnet18").DEFAULT.url.rpartition("/")[2]  # type: ignore[attr-defined]


def lively(name: str) -> nn.Module:
    """torchvision's classifier with statistics that a picture of another range would show."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(name, weights=None).eval()
    for m in network.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(std=0.1), m.running_var.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vgg11", "vgg11_bn", "alexnet"])
def test_weights_take_pictures_in_0_to_1(name):
    """Exactly so where the first convolution does not pad, which is taken from it here."""
    network, rng = lively(name).double(), torch.Generator().manual_seed(1)
    pictures = torch.rand(2, 3, 96, 96, generator=rng, dtype=torch.float64)
    mean, deviation = (torch.tensor(numbers, dtype=torch.float64)[:, None, None] for numbers in (MEAN, DEVIATION))
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    first.padding = (0, 0)
    with torch.no_grad():
        asked, raw = network((pictures - mean) / deviation), network(pictures)
        network.load_state_dict(for_unit_pictures(network.state_dict(), MEAN, DEVIATION))
        moved = network(pictures)
    assert (moved - asked).norm() < 1e-4 * (raw - asked).norm()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """torch's cache, with a file of torchvision's name in it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    place = tmp_path / "torch/hub/checkpoints"
    place.mkdir(parents=True)
    torch.save(lively("resnet18").state_dict(), place / FILE)
    return place


@pytest.fixture
def mine(tmp_path):
    for k in range(5):
        for part, shape in (("images", (64, 64, 3)), ("masks", (64, 64))):
            (tmp_path / "mine" / part).mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(k).integers(0, 256 if part == "images" else 2, shape, dtype=np.uint8)
            Image.fromarray(values).save(tmp_path / "mine" / part / f"{k}.png")
    (tmp_path / "mine/classes.txt").write_text("a\nb\n", encoding="utf-8")
    return f"folder:{tmp_path / 'mine'}"


COMMAND = ["train", "--model", "deeplab_v3plus", "--encoder", "resnet18", "--pretrained", "--set", "norm=frozen",
           "--set", "head_lr=10", "--lr", "3e-4", "--steps", "4", "--batch-size", "2", "--device", "cpu",
           "--option", "rates=(1,2,3)", "--option", "head_width=8", "--set", "save_every=1"]  # fmt: skip


def test_batchnorm_stays_frozen_and_the_head_is_ten_times_as_fast_also_after_a_resume(
    cache, mine, tmp_path, monkeypatch
):
    rates, one_step, stop = [], Trainer._one_step, [2]

    def watched(self, batch):
        if self.step == stop[0]:
            raise KeyboardInterrupt
        found = one_step(self, batch)
        encoder = set(self.inner.encoder.parameters())
        for group in self.optimizer.param_groups:
            ours = {p in encoder for p in group["params"]}
            rates.append((self.step, ours, group["lr"] / self.recipe.rate(self.step - 1)))
        return found

    monkeypatch.setattr(Trainer, "_one_step", watched)
    command = [*COMMAND, "--data", mine, "--out", str(tmp_path / "run")]
    assert main(command) == 130
    stop[0] = -1
    assert main([*command, "--resume"]) == 0
    assert sorted(step for step, _, _ in rates) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert all(factor == pytest.approx(1 if ours == {True} else 10) and len(ours) == 1 for _, ours, factor in rates)
    assert main([*command[:-1], str(tmp_path / "whole")]) == 0
    trained, whole = (load(tmp_path / name / "weights.safetensors") for name in ("run", "whole"))
    assert all(
        torch.equal(a, b) for a, b in zip(trained.state_dict().values(), whole.state_dict().values(), strict=True)
    )
    start = for_unit_pictures(torch.load(cache / FILE, weights_only=True), MEAN, DEVIATION)
    norms = {n: m for n, m in trained.encoder.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, norm in norms.items():
        assert all(torch.equal(value, start[f"{name}.{key}"]) for key, value in norm.state_dict().items()), name
    assert len(norms) == 20 and not torch.equal(trained.encoder.conv1.weight, start["conv1.weight"])


def test_without_the_network_or_where_nothing_fits_the_message_says_what_to_do(mine, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))

    def unreachable(*_, **__):
        waits.append(socket.getdefaulttimeout())
        raise OSError("no route")

    waits = []

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    command = [*COMMAND, "--data", mine, "--out", str(tmp_path / "run")]
    cases = [
        ([], f"put {FILE} into {tmp_path / 'empty/hub/checkpoints'}; or train from scratch, without --pretrained"),
        (["--encoder", "xception65"], "take --encoder resnet50 or mobilenet_v2, or train from scratch"),
        (["--width", "16"], "torchvision's weights are of width 64, not 16; leave out --width"),
    ]
    for words, message in cases:
        assert main([*command, *words]) == 1 and message in capsys.readouterr().err, words
    assert not (tmp_path / "run").exists()
    assert waits and all(0 < wait <= 15 for wait in waits), "silence of a dead network is not waited for"
