"""PSPNet: the paper's counts, its ablations, its auxiliary loss, and another implementation's logits."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.data import StreetScenes
from segkit.models import PSPNet, create
from segkit.training import Trainer, recipes


def count(**options):
    with torch.device("meta"):
        return sum(p.numel() for p in create("pspnet", **{"num_classes": 21, **options}).parameters())


def small(**options):
    torch.manual_seed(0)
    return PSPNet(**{"num_classes": 3, "encoder": "resnet18", "width": 4, **options})


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"aux": False}, 46_716_373),
        ({}, 49_081_578),
        ({"encoder": "resnet101", "aux": False}, 65_708_501),
        ({"encoder": "resnet101"}, 68_073_706),
        ({"aux": False, "stem": "7x7"}, 46_716_373 - 123_776),
        ({"num_classes": 150, "aux": False}, 46_782_550),
        ({"num_classes": 150, "aux": False, "bins": ()}, 33_146_966),
    ],
)
def test_parameters_at_the_papers_size(options, parameters):
    assert count(**options) == parameters


def test_multiply_adds_at_473_pixels():
    """161.6 thousand million with ResNet-50, 229.8 with ResNet-101."""
    from segkit.analysis import cost

    for encoder, expected in (("resnet50", 161.6), ("resnet101", 229.8)):
        with torch.device("meta"):
            model = create("pspnet", 21, encoder=encoder, aux=False)
        assert cost(model, 473).macs / 1e9 == pytest.approx(expected, abs=0.06)


def test_the_ablations_of_table_1():
    """One global bin or four grids, mean or maximum, with and without reduction: the channels that are fused."""
    for bins, reduction, expected in (
        ((), True, 32),
        ((1,), False, 64),
        ((1,), True, 64),
        ((1, 2, 3, 6), False, 160),
        ((1, 2, 3, 6), True, 64),
        ((1, 2, 3, 6), 5, 52),
    ):
        model = small(bins=bins, reduction=reduction)
        assert model.fuse[0].in_channels == model.pyramid.out_channels == expected
    x = torch.randn(1, 3, 65, 81)
    mean, largest = (small(pooling=pooling).eval() for pooling in ("avg", "max"))
    assert list(mean.state_dict()) == list(largest.state_dict()) and not torch.equal(mean(x), largest(x))


def test_the_last_pixel_of_8k_plus_1_is_the_last_cell():
    x = torch.randn(1, 3, 65, 81)
    found = small().eval().outputs(x)
    assert found["score"].shape[-2:] == (9, 11)
    torch.testing.assert_close(found["logits"][..., ::8, ::8], found["score"])
    half = small(align_corners=False).eval().outputs(x)
    torch.testing.assert_close(half["score"], found["score"])
    torch.testing.assert_close(half["logits"], F.interpolate(half["score"], (65, 81), mode="bilinear"))


def test_the_auxiliary_head_reads_layer3_and_changes_no_logit():
    model, x = small().eval(), torch.randn(1, 3, 33, 49)
    plain = small(aux=False).eval()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("aux.")})
    assert torch.equal(plain(x), model(x)) and "aux" not in plain.outputs(x)
    found = model.outputs(x)
    third = model.encoder(x)[-2]
    torch.testing.assert_close(found["aux"], model.aux(third))
    (gradient,) = torch.autograd.grad(found["aux"].sum(), model.encoder.layer4[0].conv1.weight, allow_unused=True)
    assert gradient is None, "layer4 learns nothing from the auxiliary loss"


def test_the_recipe_of_the_paper_trains_both_heads():
    model = small(num_classes=13)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    changes = {"steps": 2, "batch_size": 2, "crop": (49, 65), "device": "cpu"}
    trainer = Trainer(model, StreetScenes(length=4, size=(48, 64)), recipes.create("pspnet", **changes))
    assert trainer.recipe.aux == {"aux": 0.4}
    trainer.fit(quiet=True)
    for key in (
        "aux.0.weight",
        "aux.4.weight",
        "score.weight",
        "pyramid.branches.0.0.weight",
        "encoder.conv1.0.weight",
    ):
        assert not torch.equal(trainer.model.state_dict()[key].cpu(), before[key]), key


def test_a_single_value_has_no_statistics():
    """One picture cannot be pooled to one cell in training; two can, or other bins, or fixed statistics."""
    one, two = torch.randn(1, 3, 64, 64), torch.randn(2, 3, 64, 64)
    with pytest.raises(ValueError, match=r"PyramidPooling pools one picture to one cell.*at least 2 pictures"):
        small()(one)
    for model, x in ((small(), two), (small(bins=(2, 3, 6)), one), (small(reduction=False), one)):
        assert model(x).isfinite().all()
    fixed = small()
    for layer in fixed.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    assert fixed(one).isfinite().all()
    for name in ("pspnet", "fcn_resnet"):
        model = create(name, 3, encoder="resnet18", width=4)
        with pytest.raises(ValueError, match=r"encoder, at 8×5 pixels, pools one picture to one cell"):
            model(torch.randn(1, 3, 8, 5))
        assert model.eval()(torch.randn(1, 3, 8, 5)).shape == (1, 3, 8, 5)


def test_bad_arguments_are_named():
    for wrong, message in (
        ({"encoder": "vgg16"}, "PSPNet got encoder='vgg16'"),
        ({"pooling": "median"}, "PyramidPooling got mode='median'"),
        ({"stem": "3x3"}, "ResNet got stem='3x3'"),
        ({"bins": (1, -2)}, "bins=-2"),
        ({"reduction": 0}, "reduction=0"),
        ({"output_stride": 4}, "output_stride=4"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**wrong)


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("training", [False, True])
def test_another_implementation_gives_the_same_logits(depth, training):
    """pytorchcv's PSPNet with our weights, in order: both heads, at 8k + 1 pixels and at sizes that it stretches."""
    theirs_all = pytest.importorskip("pytorchcv.models.pspnet", reason="needs pytorchcv: pip install pytorchcv==0.0.74")
    build = getattr(theirs_all, f"pspnet_resnetd{depth}b_voc")
    theirs = build(pretrained_backbone=False, aux=True, fixed_size=False).train(training)
    torch.manual_seed(0)
    ours = create("pspnet", 21, encoder=f"resnet{depth}", dropout=0.0).train(training)
    for layer in ours.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.8, 1.2)
            layer.weight.data.uniform_(0.5, 1.0)
    pairs = list(zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True))
    assert all(a.shape == b.shape for a, b in pairs)
    for a, b in pairs:
        a.copy_(b)
    theirs.final_block.dropout.p = theirs.aux_block.dropout.p = 0.0
    with torch.no_grad():
        for size in ((49, 65), (45, 70), (73, 33)):
            x = torch.randn(2, 3, *size)
            expected, found = theirs(x), ours(x, outputs=True)
            for other, score in zip(expected, (found["score"], found["aux"]), strict=True):
                ours_there = F.interpolate(score, size, mode="bilinear", align_corners=True)
                torch.testing.assert_close(ours_there, other, rtol=1e-4, atol=2e-5 * float(other.abs().max()))
            if all(n % 8 == 1 for n in size):
                torch.testing.assert_close(
                    found["logits"], expected[0], rtol=1e-4, atol=2e-5 * float(expected[0].abs().max())
                )
