"""What no machine can hold is refused before it is built."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest
import torch

from segkit import encoders, memory, models
from segkit.inference import to_short_side
from segkit.models import create


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: create("fcn8s", 10**9), "FCN with num_classes=1000000000: its weights will take"),
        (lambda: create("fcn8s", 10**30), "num_classes"),
        (lambda: create("enet", 3, width=10**8), "ENet with width=100000000"),
        (lambda: create("fcn8s", 3, width=16, hidden=10**12), "FCN with hidden=1000000000000"),
        (lambda: create("unet", 3, width=4, in_channels=10**12), "UNet with in_channels=1000000000000"),
        (lambda: models.FCN(10**12), "FCN with num_classes"),
        (lambda: encoders.create("resnet50", width=10**8), "ResNetEncoder with width=100000000"),
        (lambda: to_short_side(torch.rand(1, 3, 4, 5), 10**7), "short_side=10000000: the picture will take"),
    ],
)
@pytest.mark.skipif(memory.memory() is None, reason="this system does not say how much memory it has")
def test_what_no_machine_holds_is_refused_at_once(build: Any, said: str) -> None:
    torch.zeros(1)
    start = time.process_time()
    with pytest.raises(ValueError, match=said):
        build()
    assert time.process_time() - start < 20


def test_the_memory_is_that_of_the_machine_or_the_container(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("max\n", encoding="utf-8")
    monkeypatch.setattr(memory, "_LIMITS", (str(limit), str(tmp_path / "none")))
    whole = memory.memory()
    limit.write_text("4096\n", encoding="utf-8")
    if whole is None:
        assert not hasattr(os, "sysconf")
    else:
        assert whole > 2**28 and memory.memory() == 4096


def test_only_numbers_above_the_usual_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory", lambda: 2**21)
    assert create("enet", 3).num_classes == 3, "its usual size: nothing is looked at"
    with pytest.raises(memory.TooLarge, match=r"ENet with width=65: its weights will take .* GiB"):
        create("enet", 3, width=65)
    assert create("enet", 3, width=4, in_channels=4).in_channels == 4, "it is counted, and fits"
    monkeypatch.setattr(memory, "memory", lambda: None)
    assert create("enet", 3, width=65).config["width"] == 65, "where the system does not say"


def test_counting_changes_no_weight_and_no_random_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def built() -> dict[str, torch.Tensor]:
        torch.manual_seed(1)
        return create("enet", 3, width=4, in_channels=5).state_dict() | {"next": torch.rand(3)}

    counted, count = built(), memory._count
    monkeypatch.setattr(memory, "_count", lambda *a: None)
    plain = built()
    assert all(torch.equal(counted[key], value) for key, value in plain.items())
    monkeypatch.setattr(memory, "_count", count)
    with pytest.raises(ValueError, match="in_channels=0"), monkeypatch.context() as context:
        context.setattr(memory, "ORDINARY", 1)
        create("enet", 2000, in_channels=0)  # the network says itself what is wrong


def test_building_an_encoder_does_not_load_the_compiler() -> None:
    """What counts the weights beforehand, and what finds the strides, asks nothing of torch that would load it."""
    code = (
        "import sys; from segkit import encoders\n"
        "encoders.create('vgg11_bn', width=16, pool=3); encoders.create('resnet50', width=8, output_stride=8)\n"
        "encoders.create('resnet101', width=8, output_stride=16)\n"  # a deeper one is counted
        "print([name for name in ('torch._dynamo', 'sympy', 'triton') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]", done.stdout
