"""DeepLab v3+: published counts and multiply-adds, where its maps meet, another output stride, other code's head."""

from __future__ import annotations

import sys
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from segkit.analysis import cost, receptive_field
from segkit.models import create, load_torchvision
from segkit.training import recipes
from tests.encoders.common import lively, parameters

V3 = {"decoder": False, "separable": "none"}  # DeepLab v3 on any encoder
DEEP = {"encoder": "resnet101", "separable": "none", "encoder_options": {"stem": "deep"}}


def small(**options) -> nn.Module:
    torch.manual_seed(0)
    return lively(create("deeplab_v3plus", 5, **{"encoder": "resnet18", "width": 4, **options}))


def on_meta(**options) -> nn.Module:
    with torch.device("meta"):
        return create("deeplab_v3plus", 21, **options)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 41_055_413),
        ({"encoder_options": {"variant": "paper"}}, 41_055_413),
        ({"separable": "none"}, 54_711_461),
        (V3, 53_407_813),
        (DEEP, 59_468_085),
        ({**V3, "encoder": "resnet101"}, 58_040_661),  # deeplab_v3, from other parts
        ({**V3, "encoder": "mobilenet_v2"}, 4_523_541),
        ({"encoder": "mobilenet_v2", "decoder": False, "rates": ()}, 2_113_557),
        ({**V3, "encoder": "mobilenet_v1"}, 11_145_301),
    ],
    ids=str,
)
def test_parameters_at_the_papers_size(options: dict, count: int) -> None:
    assert parameters(on_meta(**options)) == count


@pytest.mark.parametrize(
    ("options", "at_16", "at_8"),
    [
        ({}, 54.0, 176.9),
        ({"separable": "none"}, 86.7, None),  # and 248.8, 227.0 at stride 8
        (V3, 64.9, None),
        ({**V3, "encoder": "mobilenet_v2"}, 5.36, None),
        ({"encoder": "mobilenet_v2", "decoder": False, "rates": ()}, 2.74, None),
        ({**V3, "encoder": "mobilenet_v1"}, 12.76, None),
    ],
    ids=str,
)
def test_multiply_adds_at_513_pixels(options: dict, at_16: float, at_8: float | None) -> None:
    for stride, expected in ((16, at_16), (8, at_8)):
        if expected is not None:
            found = cost(on_meta(output_stride=stride, **options), 513).macs / 1e9
            assert found == pytest.approx(expected, abs=0.06 if expected > 20 else 0.006)


def test_field_of_the_largest_rate() -> None:
    """1915 of Xception-65, and 2·18 cells of 16 pixels; the decoder's low-level map sees far less."""
    model = on_meta(width=1, image_pooling=False)
    table = receptive_field(model, (9, 33))
    assert table["pyramid.branches.3"].receptive_field == (2491, 2491)
    assert table["decoder.reduce"].receptive_field[1] < 60


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_where_the_maps_meet(stride: int) -> None:
    """On 32k + 1 pixels every enlargement is align_corners=True: each cell on its own pixel, at every stride."""
    model, x = small(output_stride=stride), torch.randn(1, 3, 97, 65)
    with torch.no_grad():
        low, last = model.encoder.with_low_level(x)
        assert low.shape[-2:] == (25, 17) and torch.equal(last, model.encoder(x)[-1])
        wide = F.interpolate(model.pyramid(last), (25, 17), mode="bilinear", align_corners=True)
        both = torch.cat([wide, model.decoder.reduce(low)], 1)
        score = model.score(model.decoder.convs(both))
        found = model.outputs(x)
        torch.testing.assert_close(found["score"], score, rtol=1e-4, atol=1e-6)
        logits = F.interpolate(score, (97, 65), mode="bilinear", align_corners=True)
        torch.testing.assert_close(found["logits"], logits, rtol=1e-4, atol=1e-6)


def test_without_low_level_features_the_decoder_is_a_control() -> None:
    """The same size of scores and as many convolutions, but nothing of the early map."""
    control, model = small(low_level=0), small()
    assert control.decoder.reduce is None and len(control.decoder.convs) == len(model.decoder.convs)
    x = torch.randn(1, 3, 65, 65)
    for net, reads in ((control, False), (model, True)):
        low = net.encoder.with_low_level(x)[0].detach().requires_grad_()
        wide = torch.randn(1, 16, 17, 17)
        y = net.decoder(wide, low).sum()
        seen = torch.autograd.grad(y, low, allow_unused=True)[0]
        assert (seen is not None and bool(seen.any())) == reads
    assert control(x).shape == model(x).shape


def test_every_part_has_its_place() -> None:
    model = on_meta()
    assert model.decoder.reduce[0].weight.shape == (48, 256, 1, 1)
    assert [c.depthwise.in_channels for c in model.decoder.convs] == [304, 256]
    assert [b.depthwise.dilation[0] for b in model.pyramid.branches[1:]] == [6, 12, 18]
    assert {layer.eps for layer in model.encoder.modules() if isinstance(layer, nn.BatchNorm2d)} == {1e-3}
    head = [*model.pyramid.modules(), *model.decoder.modules()]
    assert {layer.eps for layer in head if isinstance(layer, nn.BatchNorm2d)} == {1e-5}
    for separable, (aspp, decoder) in {"both": (1, 1), "aspp": (1, 0), "decoder": (0, 1), "none": (0, 0)}.items():
        part = small(separable=separable)
        assert hasattr(part.pyramid.branches[1], "depthwise") == aspp
        assert hasattr(part.decoder.convs[0], "depthwise") == decoder
    assert small(low_level=7, decoder_convs=3, head_width=6).decoder.convs[0].depthwise.in_channels == 13


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v2", "shufflenet", "xception"])
def test_at_another_output_stride_the_rates_follow(encoder: str) -> None:
    """Without image pooling the finer pyramid holds the coarser one; the low-level map stays as it is."""
    same = {"encoder": encoder, "image_pooling": False, "rates": (2, 4, 6), "encoder_options": {}}
    coarse = small(output_stride=32, **same).double()
    x = torch.randn(1, 3, 129, 97, dtype=torch.float64)
    with torch.no_grad():
        low, last = coarse.encoder.with_low_level(x)
        expected = coarse.pyramid(last)
        for stride in (16, 8):
            fine = coarse.at_output_stride(stride)
            assert fine.config == {**coarse.config, "output_stride": stride}
            early, deep = fine.encoder.with_low_level(x)
            found = fine.pyramid(deep)[..., :: 32 // stride, :: 32 // stride]
            torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)
            assert torch.equal(early, low) and torch.equal(fine.at_output_stride(32)(x), coarse(x))


def test_imagenet_weights_fill_the_encoder() -> None:
    state = torchvision.models.mobilenet_v2(weights=None).state_dict()
    model = create("deeplab_v3plus", 5, encoder="mobilenet_v2")
    left = load_torchvision(model, state)
    assert model.foundation() == "mobilenet_v2" and {key.rpartition(".")[0] for key in left} == {
        "features.18.0", "features.18.1", "classifier.1",
    }  # fmt: skip
    assert torch.equal(model.encoder.features[17].conv[2].weight, state["features.17.conv.2.weight"])
    assert on_meta(width=4).foundation() is None and on_meta(**DEEP).foundation() is None


def test_what_does_not_fit_is_named() -> None:
    for wrong, message in (
        ({"separable": "all"}, "DeepLabV3Plus got separable='all'; it takes 'both', 'aspp', 'decoder', 'none'"),
        ({"encoder": "alexnet", "output_stride": 32}, "AlexNetEncoder has maps of strides"),
        ({"encoder": "vgg11", "output_stride": 2}, r"VGGEncoder has maps of strides \(2, 2"),
        ({"encoder": "resnet20"}, "no encoder='resnet20'"),
        ({"encoder_options": {"variant": "paper"}}, "resnet18 takes no option variant"),
        ({"low_level": -1}, "DeepLabV3Plus got low_level=-1"),
        ({"decoder_convs": 0}, "DeepLabV3Plus got decoder_convs=0"),
        ({"rates": (1, 2), "output_stride": 32}, "no whole numbers at 32"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**wrong)
    with pytest.raises(ValueError, match=r"ASPP's image pooling pools one picture.*at least 2 pictures"):
        small().train()(torch.randn(1, 3, 47, 61))


def test_the_papers_recipe() -> None:
    recipe = recipes.create("deeplab_v3plus")
    assert recipe.rate(0) == 7e-3 and recipe.schedule == "poly" and recipe.crop == (513, 513)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("separable", [True, False])
def test_mmsegmentation_gives_the_same_scores(monkeypatch, training: bool, separable: bool) -> None:
    """Its head on our maps. It joins the branches, the mean first, by a 3×3: ours gets one in that order here."""
    reason = (
        "pip install --no-deps mmsegmentation==1.2.2 mmengine==0.10.7 mmcv-lite==2.1.0 addict yapf termcolor ftfy "
        "regex opencv-python-headless rich, into its own environment: remove the package `tests` that comes with it"
    )
    monkeypatch.setitem(sys.modules, "mmcv._ext", MagicMock())  # compiled operators, of which the head needs none
    module = pytest.importorskip("mmseg.models.decode_heads.sep_aspp_head", reason=reason)
    bricks = pytest.importorskip("mmcv.cnn", reason=reason)
    ours = small(dropout=0.0, separable="both" if separable else "none").train(training)
    ours.pyramid.project[0] = nn.Conv2d(80, 16, 3, padding=1, bias=False)
    if not separable:
        conv = bricks.ConvModule
        monkeypatch.setattr(module, "DepthwiseSeparableConvModule", conv)
    others = module.DepthwiseSeparableASPPHead(
        in_channels=32, in_index=1, channels=16, dilations=(1, 6, 12, 18), c1_in_channels=4, c1_channels=3,
        dropout_ratio=0.0, num_classes=5, norm_cfg={"type": "BN"}, align_corners=True,
    ).train(training)  # fmt: skip
    kinds = nn.Conv2d | nn.BatchNorm2d
    parts = [ours.score, ours.pyramid.pool, ours.pyramid.branches, ours.pyramid.project, ours.decoder]
    pairs = [m for part in parts for m in part.modules() if isinstance(m, kinds)]
    for a, b in zip(pairs, (m for m in others.modules() if isinstance(m, kinds)), strict=True):
        b.load_state_dict(a.state_dict())
    weight = ours.pyramid.project[0].weight.data
    others.bottleneck.conv.weight.data.copy_(torch.cat([weight[:, 64:], weight[:, :64]], 1))
    for size in ((97, 65), (33, 49)):
        with torch.no_grad():
            x = torch.randn(2, 3, *size)
            statistics = {key: value.clone() for key, value in ours.encoder.state_dict().items()}
            maps = ours.encoder.with_low_level(x)
            ours.encoder.load_state_dict(statistics)
            found, expected = ours.outputs(x)["score"], others(list(maps))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
