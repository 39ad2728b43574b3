"""Bytes that a decoder keeps: counted by hand, against what the tensors really take, and SegNet's two bits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segkit.analysis import kept_bytes, kept_table, saved_for_backward
from segkit.models import create


def test_one_pooling_by_hand() -> None:
    table = kept_table([nn.Conv2d(3, 6, 3, padding=1), nn.MaxPool2d(2)], (10, 14))
    assert len(table) == 1 and table[0].before == (6, 10, 14) and table["pool1"].after == (6, 5, 7)
    assert table.features == 6 * 10 * 14 * 4 and table.indices == 6 * 5 * 7 * 8 and table.bits == -(-6 * 5 * 7 * 2 // 8)
    with pytest.raises(KeyError, match="pool1"):
        table["pool2"]


def test_two_bits_per_window_are_a_64th_of_a_float_map_and_torchs_indices_half_of_it() -> None:
    model = create("segnet", 3, width=4)
    table = kept_table(model, (64, 96))
    assert table.features == 2 * table.indices == 64 * table.bits
    assert [row.after[1:] for row in table] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]


def test_what_segnet_and_unet_really_keep() -> None:
    """The table's sums are the bytes of the tensors that SegNet hands to its decoder, and that U-Net concatenates."""
    size = (45, 70)
    segnet = create("segnet", 3, width=4)
    _, kept = segnet.encode(torch.randn(1, 3, *size))
    assert kept_bytes(segnet, size, "indices") == sum(indices.nbytes for indices, _ in kept)
    unet, maps = create("unet", 3, width=4, levels=3, padding="same"), []
    features = kept_bytes(unet, size, "features")
    for block in unet.contracting[:-1]:
        block.register_forward_hook(lambda _, __, out: maps.append(out))
    unet(torch.randn(1, 3, *size))
    assert features == sum(m.nbytes for m in maps)


@pytest.mark.parametrize(("window", "bits"), [(2, 2), (3, 4), (4, 4), (1, 0)])
def test_fewest_bits_of_other_windows(window: int, bits: int) -> None:
    table = kept_table([nn.Conv2d(1, 8, 1), nn.MaxPool2d(window, 2)], (9, 9))
    places = 8 * table[0].after[1] * table[0].after[2]
    assert table.bits == places * bits // 8


def test_half_precision_maps_are_half_as_large_and_indices_are_not() -> None:
    model = create("segnet", 3, width=4)
    single = kept_table(model, 64)
    half = kept_table(model.half(), 64)
    assert 2 * half.features == single.features and half.indices == single.indices


def test_the_network_stays_as_it_is() -> None:
    model = create("segnet", 3, width=4).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kept_table(model, 32)
    saved_for_backward(model, 32)
    assert model.training and all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_saved_for_backward_by_hand() -> None:
    """A convolution keeps its input, ReLU its output, a pooling its input, which is that output, and its indices."""
    layers = [nn.Conv2d(2, 5, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2)]
    picture, relu, indices = 2 * 8 * 8 * 4, 5 * 8 * 8 * 4, 5 * 4 * 4 * 8
    assert saved_for_backward(layers, (2, 8, 8)) == picture + relu + indices
    assert saved_for_backward(layers, (2, 8, 8), batch_size=3) == 3 * (picture + relu + indices)


@pytest.mark.parametrize(
    ("name", "options"), [("segnet", {}), ("unet", {"padding": "same", "dropout": 0.0}), ("enet", {}), ("fcn8s", {})]
)
def test_saved_for_backward_is_what_a_real_pass_keeps(name: str, options: dict) -> None:
    model, seen = create(name, 3, width=4, **options).train(), {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        seen.setdefault(t.untyped_storage().data_ptr(), t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        out = model(torch.randn(2, 3, 45, 70))
    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    real = sum(t.untyped_storage().nbytes() for key, t in seen.items() if key not in own)
    assert out.requires_grad
    assert saved_for_backward(model, (45, 70), batch_size=2) == pytest.approx(real, rel=0.02)


def test_table_reads_well() -> None:
    table = kept_table(create("segnet", 3), (360, 480))
    assert "64×360×480" in str(table) and "44.2 MB" in str(table) and "691.2 kB" in table._repr_html_()


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="how='floats'"):
        kept_bytes([nn.MaxPool2d(2)], 8, "floats")
    with pytest.raises(ValueError, match="no max pooling"):
        kept_table([nn.Conv2d(3, 3, 1)], 8)
    with pytest.raises(ValueError, match="batch_size=0"):
        saved_for_backward([nn.MaxPool2d(2)], 8, batch_size=0)
    with pytest.raises(ValueError, match="input_size"):
        kept_table([nn.MaxPool2d(2)], 0)
