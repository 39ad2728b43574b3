"""RTSeg's grid: the published arithmetic, every encoder under every decoder, and dilation in its two ways."""

import pytest
import torch
from torch import nn

from segkit import encoders
from segkit.analysis import anatomy, cost
from segkit.layers import SeparableConv2d
from segkit.models import RTSeg, create
from segkit.models.rtseg import dilate_where_strided_

ENCODERS, DECODERS = ("vgg16", "resnet18", "mobilenet_v1", "shufflenet"), ("skip", "unet", "dilation")


def small(encoder="mobilenet_v1", **options):
    torch.manual_seed(0)
    return RTSeg(**{"num_classes": 3, "encoder": encoder, "width": 8, **options})


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_multiply_adds_at_360_by_640():
    """3.07 and 1.00 G for the authors' 20 classes, one of them void: published as 6.2 and 2.0 GFLOP."""
    for encoder, giga, flop in (("mobilenet_v1", 3.07, 6.2), ("shufflenet", 1.00, 2.0)):
        with torch.device("meta"):
            found = cost(create("rtseg", 20, encoder=encoder), (360, 640)).macs / 1e9
        assert found == pytest.approx(giga, abs=0.005) and 2 * found == pytest.approx(flop, abs=0.07)


def test_parameters_by_hand():
    """An encoder's own, and what each decoder adds to it; ShuffleNet's features are RTSeg's."""
    with torch.device("meta"):
        models = {decoder: create("rtseg", 20, encoder="shufflenet", decoder=decoder) for decoder in DECODERS}
    assert count(models["skip"].encoder) == count(models["unet"].encoder) == 853_734
    K = 20
    assert count(models["skip"]) - 853_734 == K * (960 + 480 + 240 + 3) + K * K * (16 + 16 + 256)
    steps = ((960, 480), (480, 240), (240, 24), (24, 24))
    own = sum(before * after + 17 * after**2 + 3 * 2 * after for before, after in steps)
    assert count(models["unet"]) - 853_734 == own + 17 * 24**2 + 2 * 2 * 24 + K * 25
    assert count(models["dilation"]) - 853_734 == K * 961 + K * K * 256


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_encoder_stands_under_every_decoder(encoder, decoder):
    model = small(encoder, decoder=decoder).eval()
    found = model.outputs(torch.randn(2, 3, 45, 70))
    assert found["logits"].shape == (2, 3, 45, 70) and found["logits"].isfinite().all()
    assert model.encoder.strides == ((2, 4, 8, 8, 8) if decoder == "dilation" else (2, 4, 8, 16, 32))


def rates(encoder):
    wide = [m for m in encoder.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] > 1]
    return [m.dilation[0] for m in wide if m.dilation[0] > 1]


def test_where_a_stride_was_and_nowhere_else():
    """Rates 2 and 4, once each; a dilated separable convolution is a full one; a pooling leaves its rate behind."""
    for encoder, expected in (("mobilenet_v1", [2, 4]), ("shufflenet", [2, 4]), ("resnet18", [2, 4]), ("vgg11", [2])):
        model = small(encoder, decoder="dilation")
        assert rates(model.encoder) == expected, encoder
        every = rates(small(encoder, decoder="dilation", dilate="all").encoder)
        assert len(every) > len(expected) and set(every) <= {2, 4}, encoder
    features = small(decoder="dilation").encoder.features
    assert [i for i, layer in enumerate(features) if not isinstance(layer, SeparableConv2d)] == [0, 6, 12]
    assert features[6][0].groups == 1 and features[6][0].weight.shape == (64, 32, 3, 3)


def test_only_dilation_behind_the_stride_too_keeps_the_classifiers_responses():
    x, kept = torch.rand(1, 3, 64, 96), []
    for dilate in ("all", "strided"):
        torch.manual_seed(0)
        coarse = encoders.create("resnet18", width=8).eval()
        fine = small("resnet18", decoder="dilation", dilate=dilate).encoder.eval()
        fine.load_state_dict(coarse.state_dict())
        kept.append(torch.allclose(fine(x)[-1][..., ::4, ::4], coarse(x)[-1], atol=1e-5))
    assert kept == [True, False]


def test_it_changes_the_encoder_that_it_is_given():
    encoder = encoders.create("xception", width=8)
    assert dilate_where_strided_(encoder) is encoder and encoder.strides == (2, 4, 8, 8, 8)
    assert [m.shape[-1] for m in encoder.eval()(torch.randn(1, 3, 33, 33))] == [17, 9, 5, 5, 5]


def test_skips_are_heard_at_every_stride():
    model, x = small().eval(), torch.randn(1, 3, 64, 64)
    found = model.outputs(x)
    for name in ("score_32", "score_16", "score_8"):
        layer = model.decoder.get_submodule(name)
        (heard,) = torch.autograd.grad(found["logits"].sum(), layer.weight, retain_graph=True)
        assert heard.abs().sum() > 0, name


def test_a_shufflenet_is_rtsegs_unless_asked_otherwise():
    own, paper = small("shufflenet"), small("shufflenet", encoder_options={"variant": "paper"})
    assert count(own.encoder) < count(paper.encoder)
    assert small("vgg11_bn", decoder="unet").encoder.torchvision == "vgg11_bn"


def test_bad_arguments_are_named():
    for wrong, message in (
        ({"encoder": "alexnet"}, r"RTSeg got encoder='alexnet' with strides \(8, 16, 32\)"),
        ({"decoder": "segnet"}, "RTSeg got decoder='segnet'"),
        ({"dilate": "some"}, "RTSeg got dilate='some'"),
        ({"decoder": "unet", "dropout": -0.5}, "dropout=-0.5"),
        ({"decoder": "skip", "dropout": 2}, "dropout=2"),
        ({"encoder_options": {"groups": 3}}, "mobilenet_v1 takes no option groups"),
        ({"num_classes": 0}, "RTSeg got num_classes=0"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**wrong)


def test_the_anatomy_of_its_decoders_comes_apart():
    parts = {part.name: part for part in anatomy(small("shufflenet", decoder="unet"), (64, 96))}
    sums = [set(part.reads) for name, part in parts.items() if name.startswith("+")]
    assert sums[0] == {"decoder.up.0", "encoder.stages.1"} and sums[-1] == {"decoder.up.3", "encoder.conv1"}
    skips = {part.name: part for part in anatomy(small("resnet18"), (64, 96))}
    assert skips["decoder.score_16"].reads == ["encoder.layer3"] and skips["decoder.score_16"].stride == 16
