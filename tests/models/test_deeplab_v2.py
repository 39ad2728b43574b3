"""DeepLab v2: published counts and fields, scales that fall together and are fused, VGG in every branch, the CRF."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from segkit.analysis import cost, receptive_field
from segkit.crf import DenseCRF
from segkit.data import StreetScenes
from segkit.models import create, load_torchvision
from segkit.training import Trainer, recipes
from tests.models.test_deeplab_v1 import state_of_vgg16


def small(**options) -> nn.Module:
    torch.manual_seed(0)
    return create("deeplab_v2", 5, **{"width": 4, "hidden": 16, "encoder": "vgg11", "rates": (1, 2), **options})


def on_meta(**options) -> nn.Module:
    with torch.device("meta"):
        return create("deeplab_v2", 21, **options)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 37_877_652),
        ({"rates": "small"}, 37_877_652),
        ({"msc": True}, 37_877_652),
        ({"rates": "fov"}, 20_505_429),
        ({"encoder": "resnet101"}, 44_048_532),
        ({"encoder": "resnet101", "rates": "fov"}, 42_887_253),
    ],
)
def test_parameters_at_the_papers_size(options, parameters) -> None:
    assert sum(p.numel() for p in on_meta(**options).parameters()) == parameters


@pytest.mark.parametrize(("pixels", "expected"), [(321, 75.3), (513, 189.3)])
def test_multiply_adds_with_resnet101(pixels: int, expected: float) -> None:
    assert cost(on_meta(encoder="resnet101"), pixels).macs / 1e9 == pytest.approx(expected, abs=0.06)


def test_fields_of_the_branches() -> None:
    """227 of VGG16 with 3×3 poolings, and 2·rate·8 of each fc6."""
    table = receptive_field(on_meta(width=2), (9, 801))
    seen = [table[f"pyramid.branches.{i}.0"].receptive_field[1] for i in range(4)]
    assert seen == [323, 419, 515, 611] == [227 + 16 * rate for rate in (6, 12, 18, 24)]
    assert table["pyramid"].receptive_field[1] == 611 and table["pyramid"].stride == (8, 8)


def test_one_branch_is_large_fov() -> None:
    """The network of DeepLab v1 with its weights."""
    x, new = torch.randn(1, 3, 65, 41), small(rates="fov").eval()
    old = create("deeplab_v1", 5, width=4, hidden=16, encoder="vgg11").eval()
    assert [p.shape for p in old.parameters()] == [p.shape for p in new.parameters()]
    old.load_state_dict(dict(zip(old.state_dict(), new.state_dict().values(), strict=True)))
    torch.testing.assert_close(new(x), old(x))


def test_branches_are_summed() -> None:
    model, x = small().eval(), torch.randn(1, 3, 41, 58)
    shares = [branch(model.encoder(x)[-1]) for branch in model.pyramid.branches]
    torch.testing.assert_close(model.outputs(x)["score"], shares[0] + shares[1])


def test_scales_are_fused_by_their_maximum() -> None:
    model, x = small(msc=True).eval(), torch.randn(1, 3, 65, 49)
    found = model.outputs(x)
    each = torch.stack([found[name] for name in ("scale_0.5", "scale_0.75", "scale_1")])
    assert torch.equal(found["logits"], each.amax(0))
    plain = small().eval()
    torch.testing.assert_close(found["scale_1"], plain(x))
    half = F.interpolate(x, (33, 25), mode="bilinear", align_corners=True)
    spread = F.interpolate(plain(half), (65, 49), mode="bilinear", align_corners=True)
    torch.testing.assert_close(found["scale_0.5"], spread)
    assert [a.argmax(1).unique().numel() for a in each] != [1, 1, 1] and not torch.equal(each[0], each[2])


def test_no_scale_is_shifted_against_another() -> None:
    """A network that passes its picture on, with a gradient for a picture: every scale says the same at every pixel."""
    model = create("deeplab_v2", 1, width=2, encoder="resnet18", msc=True)
    rows = torch.linspace(0, 1, 97)[:, None].expand(1, 1, 97, 65)
    model.scores = lambda picture: picture[:, :1, ::8, ::8]  # each cell says what stands on its own pixel
    found = model.eval().outputs(rows.expand(1, 3, 97, 65))
    for name in ("scale_0.5", "scale_0.75", "scale_1"):
        torch.testing.assert_close(found[name], rows, rtol=0, atol=1e-5)


def test_the_recipe_trains_each_scale_and_their_maximum() -> None:
    model = create("deeplab_v2", 13, width=4, hidden=16, encoder="vgg11", rates=(1, 2), msc=True)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    recipe = recipes.create("deeplab_msc", steps=2, batch_size=1, crop=(49, 65), device="cpu")
    assert recipe.aux == {"scale_0.5": 1, "scale_0.75": 1, "scale_1": 1} and recipe.head_lr == 10
    plain = recipes.create("deeplab").as_dict()
    assert {k for k, v in recipes.create("deeplab_msc").as_dict().items() if v != plain[k]} == {"aux", "name"}
    trainer = Trainer(model, StreetScenes(length=2, size=(48, 64)), recipe)
    trainer.fit(quiet=True)
    for key in ("encoder.features.0.weight", "pyramid.branches.0.0.weight", "pyramid.branches.1.6.weight"):
        assert not torch.equal(trainer.model.state_dict()[key].cpu(), before[key]), key


@pytest.mark.parametrize("options", [{}, {"encoder": "resnet18", "hidden": None}])
def test_one_picture_of_odd_size_trains(options) -> None:
    for msc in (False, True):
        small(msc=msc, **options)(torch.randn(1, 3, 33, 47)).sum().backward()


def test_a_single_cell_has_no_statistics_at_the_smallest_scale_first() -> None:
    for msc, size, cells in ((True, 15, "8×8"), (False, 8, "8×8")):
        model = small(encoder="resnet18", hidden=None, msc=msc)
        with pytest.raises(ValueError, match=rf"encoder, at {cells} pixels, pools one picture to one cell"):
            model(torch.randn(1, 3, size, size))
    assert small(encoder="resnet18", hidden=None)(torch.randn(1, 3, 15, 15)).isfinite().all()


def test_vggs_weights_go_into_every_branch() -> None:
    state, model, older = state_of_vgg16(), create("deeplab_v2", 21), create("deeplab_v1", 21)
    state["classifier.0.weight"] = torch.arange(512 * 49.0) + 1e5 * torch.arange(4096)[:, None]
    state["classifier.3.weight"] = torch.arange(4096.0) + 1e4 * torch.arange(4096)[:, None]
    scores = [branch[6].weight.clone() for branch in model.pyramid.branches]
    for net in (model, older):
        assert load_torchvision(net, state) == ["classifier.6.weight", "classifier.6.bias"]
    assert torch.equal(model.encoder.features[28].weight, state["features.28.weight"])
    for branch, score in zip(model.pyramid.branches, scores, strict=True):
        for number, layer in ((0, older.fc6), (3, older.fc7)):
            assert torch.equal(branch[number].weight, layer.weight) and torch.equal(branch[number].bias, layer.bias)
        assert torch.equal(branch[6].weight, score)
    assert model.foundation() == "vgg16" and on_meta(encoder="resnet101").foundation() == "resnet101"
    with pytest.raises(ValueError, match="none were loaded"):
        load_torchvision(small(), state)


def test_resnets_weights_go_into_the_encoder() -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    model = create("deeplab_v2", 3, encoder="resnet18", rates=(2, 4))
    assert load_torchvision(model, state) == ["fc.weight", "fc.bias"]
    assert torch.equal(model.encoder.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


def test_a_crf_sharpens_the_logits_as_the_docstring_says() -> None:
    model, picture = small().eval(), torch.rand(1, 3, 33, 41)
    crf = DenseCRF(gaussian_sxy=3, gaussian_compat=3, bilateral_sxy=67, bilateral_srgb=3, bilateral_compat=4)
    with torch.no_grad():
        q = crf(model(picture), 255 * picture)
    assert q.shape == (1, 5, 33, 41) and torch.allclose(q.sum(1), torch.ones(1, 33, 41), atol=1e-4)


def test_bad_arguments_are_named() -> None:
    for wrong, message in (
        ({"rates": "huge"}, "rates='huge'; the paper has fov, small, large"),
        ({"rates": 12}, "rates=12; it takes fov, small, large, or several numbers"),
        ({"rates": ()}, "got no rates"),
        ({"rates": (6, 0)}, "rates=0"),
        ({"encoder": "alexnet"}, "DeepLabV2 got encoder='alexnet'; it is built on vgg11"),
        ({"encoder": "vgg12"}, "encoder='vgg12'"),
        ({"encoder": "vgg11_bn"}, "batch_norm=False"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**wrong)
