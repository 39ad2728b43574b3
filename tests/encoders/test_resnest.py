"""ResNeSt: published counts, split attention against the sum in its paper, one split as squeeze-and-excitation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segkit.analysis import cost
from segkit.encoders import Classifier, create, dilate_strides
from segkit.encoders.resnest import SplitAttention
from tests.encoders.common import furthest, lively, parameters


@pytest.mark.parametrize(("depth", "count", "billions"), [(50, 27_483_240, 5.37), (101, 48_275_016, 10.20),
                                                          (200, 70_201_544, 17.41)])  # fmt: skip
def test_parameters_and_multiply_adds_of_the_classifier(depth: int, count: int, billions: float) -> None:
    with torch.device("meta"):
        network = Classifier(create(f"resnest{depth}"))
    assert parameters(network) == count
    assert round(cost(network, (3, 224, 224)).macs / 1e9, 2) == billions


def attention(splits: int) -> tuple[SplitAttention, torch.Tensor]:
    torch.manual_seed(0)
    return lively(SplitAttention(6, 4, splits)).double(), torch.randn(2, 6, 5, 7, dtype=torch.float64)


@pytest.mark.parametrize("splits", [2, 3])
def test_split_attention_is_the_sum_in_its_paper(splits: int) -> None:
    """V = Σᵢ aᵢ·Uᵢ with the a softmax over i of what the mean of Σᵢ Uᵢ says."""
    layer, x = attention(splits)
    U = layer.bn0(F.conv2d(x, layer.conv.weight, None, 1, 1, 1, splits)).relu().unflatten(1, (splits, 6))
    mean = U.sum(1).mean((2, 3), keepdim=True)  # N, 6, 1, 1
    scores = layer.fc2(layer.bn1(layer.fc1(mean)).relu()).unflatten(1, (splits, 6))
    shares = scores.exp() / scores.exp().sum(1, keepdim=True)
    torch.testing.assert_close(layer(x), (shares * U).sum(1))


def test_one_split_is_squeeze_and_excitation() -> None:
    layer, x = attention(1)
    U = layer.bn0(layer.conv(x)).relu()
    gate = layer.fc2(layer.bn1(layer.fc1(U.mean((2, 3), keepdim=True))).relu())
    torch.testing.assert_close(layer(x), U / (1 + torch.exp(-gate)))


@pytest.mark.parametrize("size", [(64, 64), (45, 70)])
def test_every_response_stands_on_the_old_grid(size: tuple[int, int]) -> None:
    """Up to the means over the whole map, which a finer map takes of other cells: here all gates are one half."""
    coarse = lively(create("resnest50", width=4)).double()
    for layer in coarse.modules():
        if isinstance(layer, SplitAttention):
            torch.nn.init.zeros_(layer.fc2.weight)
            torch.nn.init.zeros_(layer.fc2.bias)
    fine, x = dilate_strides(coarse, 8), torch.randn(2, 3, *size, dtype=torch.float64)
    assert fine.strides == (2, 4, 8, 8, 8)
    with torch.no_grad():
        assert furthest(coarse(x), fine(x), coarse.strides, fine.strides) < 1e-12


def test_one_picture_gives_its_batchnorms_nothing_to_learn_from() -> None:
    encoder = create("resnest50", width=4).train()
    with pytest.raises(ValueError, match=r"SplitAttention pools one picture to one cell.*at least 2 pictures per step"):
        encoder(torch.randn(1, 3, 64, 64))
    assert len(encoder(torch.randn(2, 3, 64, 64))) == len(encoder.eval()(torch.randn(1, 3, 64, 64))) == 5


def test_what_cannot_be_is_named() -> None:
    for wrong, words in (
        ({"splits": 0}, "splits=0"),
        ({"output_stride": 4}, "output_stride=4"),
        ({"width": 0}, "width=0"),
    ):
        with pytest.raises(ValueError, match=words):
            create("resnest50", **wrong)
    with pytest.raises(ValueError, match=r"no encoder='resnest18' \(did you mean 'res"):
        create("resnest18")


@pytest.mark.parametrize(("depth", "theirs"), [(50, "resnest50d"), (101, "resnest101e"), (200, "resnest200e")])
def test_timm_gives_the_same_scores(depth: int, theirs: str) -> None:
    timm = pytest.importorskip("timm", reason="pip install timm==1.0.31")
    others, ours = timm.create_model(theirs, pretrained=False), Classifier(create(f"resnest{depth}"))
    numbers = lively(ours).state_dict().values()
    others.load_state_dict(dict(zip(others.state_dict(), numbers, strict=True)))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = others.eval()(x)
        torch.testing.assert_close(ours(x).flatten(1), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
