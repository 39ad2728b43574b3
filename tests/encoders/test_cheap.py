"""MobileNet v1 and v2, ShuffleNet, Xception, Xception-65: published counts, other code's logits, responses kept."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

import segkit
from segkit.analysis import cost, receptive_field
from segkit.encoders import Classifier, MobileNetV2, MobileNetV2Encoder, create, dilate_strides
from segkit.models import load_torchvision
from tests.encoders.common import SIZES, assert_same_in_train_and_eval, furthest, lively, parameters, transplant

CHEAP = ("mobilenet_v1", "mobilenet_v2", "shufflenet", "xception", "xception65")


def classifier(name: str, **options) -> nn.Module:
    torch.manual_seed(0)
    return lively(Classifier(create(name, **options)))


def on_meta(name: str, **options) -> nn.Module:
    with torch.device("meta"):
        return MobileNetV2(**options) if name == "mobilenet_v2" else Classifier(create(name, **options))


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("mobilenet_v1", {}, 4_231_976),
        ("mobilenet_v1", {"width": 48}, 2_585_560),
        ("mobilenet_v1", {"width": 32}, 1_331_592),
        ("mobilenet_v1", {"width": 16}, 470_072),
        ("mobilenet_v1", {"separable": False}, 29_294_088),
        ("mobilenet_v2", {}, 3_504_872),
        ("shufflenet", {}, 1_865_728),
        ("shufflenet", {"groups": 1}, 1_531_936),
        ("shufflenet", {"groups": 8}, 2_434_768),
        ("xception", {}, 22_855_952),
        ("xception65", {}, 39_916_312),
        ("xception65", {"variant": "paper"}, 39_916_312),
    ],
)
def test_parameters_of_the_classifiers(name: str, options: dict, count: int) -> None:
    assert parameters(on_meta(name, **options)) == count


def test_parameters_of_the_features() -> None:
    """RTSeg's ShuffleNet is narrower inside its units of stride 2; MobileNet v2 ends at 320 channels, or at 1280."""
    with torch.device("meta"):
        assert parameters(create("shufflenet")) == 904_728
        assert parameters(create("shufflenet", variant="rtseg")) == 853_734
        assert parameters(create("mobilenet_v2", head_conv=True)) - parameters(create("mobilenet_v2")) == 412_160
        assert create("mobilenet_v2", head_conv=True).channels == (16, 24, 32, 96, 1280)


@pytest.mark.parametrize(
    ("name", "options", "pixels", "millions"),
    [
        ("mobilenet_v1", {}, 224, 568.7),
        ("mobilenet_v1", {"width": 48}, 224, 325.4),
        ("mobilenet_v1", {"width": 32}, 224, 149.5),
        ("mobilenet_v1", {"width": 16}, 224, 41.0),
        ("mobilenet_v1", {}, 192, 418.1),
        ("mobilenet_v1", {}, 160, 290.7),
        ("mobilenet_v1", {}, 128, 186.4),
        ("mobilenet_v1", {"separable": False}, 224, 4867.3),
        ("mobilenet_v2", {}, 224, 300.8),
        ("shufflenet", {}, 224, 137.5),
    ],
)
def test_multiply_adds(name: str, options: dict, pixels: int, millions: float) -> None:
    """Both multipliers of MobileNet v1: width, and the size of the picture."""
    assert cost(on_meta(name, **options), pixels).macs / 1e6 == pytest.approx(millions, abs=0.06)


def test_multiply_adds_of_xception_with_its_unpadded_beginning() -> None:
    model = on_meta("xception")
    model.encoder.conv1.padding = model.encoder.conv2.padding = (0, 0)
    assert cost(model, 299).macs / 1e9 == pytest.approx(8.357, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "field"),
    [("mobilenet_v1", 315), ("mobilenet_v2", 491), ("shufflenet", 527), ("xception", 1083), ("xception65", 1915)],
)
def test_fields(name: str, field: int) -> None:
    """Of the last map; and each reaches equally far to both sides: cell i of stride s is centred on pixel s·i."""
    with torch.device("meta"):
        encoder = create(name, width=1)
    rows = list(receptive_field(encoder, 16).rows)
    assert encoder.corner_aligned and rows[-1].receptive_field == (field, field)
    assert all(2 * row.padding[0] + 1 == row.receptive_field[0] for row in rows)


@pytest.mark.parametrize("stride", [16, 8])
@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in CHEAP), ("shufflenet", {"variant": "rtseg"}),
                          ("mobilenet_v1", {"separable": False}), ("xception65", {"variant": "paper"})]
)  # fmt: skip
def test_every_filter_response_stands_on_the_old_grid(name: str, options: dict, stride: int) -> None:
    """Of all five maps, the border included, at any size; made finer later or made so."""
    torch.manual_seed(0)
    coarse = lively(create(name, width=4, **options)).double()
    fine, made = dilate_strides(coarse, stride), create(name, width=4, output_stride=stride, **options).eval().double()
    made.load_state_dict(coarse.state_dict())
    assert fine.strides == made.strides == tuple(min(s, stride) for s in (2, 4, 8, 16, 32))
    for size in SIZES:
        x = torch.randn(1, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            assert furthest(coarse(x), fine(x), coarse.strides, fine.strides) < 1e-11
            assert all(torch.equal(a, b) for a, b in zip(fine(x), made(x), strict=True))


def test_rates_of_xception65_are_the_authors() -> None:
    """The last block at 2 where the stride is 16; at 8 the middle and the first exit block at 2, the last at 4."""

    def rates(stride: int) -> list[set[int]]:
        blocks = create("xception65", width=2, output_stride=stride).blocks
        return [{conv.depthwise.dilation[0] for conv in block.convs} for block in blocks]

    assert rates(32) == [{1}] * 21
    assert rates(16) == [{1}] * 20 + [{2}]
    assert rates(8) == [{1}] * 3 + [{2}] * 17 + [{4}]


@pytest.mark.parametrize("name", CHEAP)
def test_gradients_and_engines_agree(name: str) -> None:
    torch.manual_seed(0)
    network, x = lively(create(name, width=2, output_stride=8)).double(), torch.randn(1, 3, 23, 37, dtype=torch.float64)
    found = []
    for engine in ("native", "scratch"):
        network.zero_grad()
        with segkit.use_engine(engine):
            low, last = network.with_low_level(x)
            (low.square().sum() + last.square().sum()).backward()
        found.append([low.detach(), last.detach(), *(p.grad.clone() for p in network.parameters())])
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def hooked(encoder: nn.Module, *layers: nn.Module) -> list[Tensor]:
    """What these layers make on the way to the low-level map, and that map."""
    seen: list[Tensor] = []
    handles = [m.register_forward_hook(lambda _, __, y: seen.append(y.clone())) for m in layers]
    low, _ = encoder.with_low_level(torch.randn(2, 3, 45, 33))
    for handle in handles:
        handle.remove()
    return [*seen, low]


def test_the_low_level_maps_are_the_authors() -> None:
    """Entry block 2's second pointwise with its norm, no ReLU; layer_4's depthwise with its ReLU6; ResNet's block 1."""
    for name in ("xception", "xception65"):
        encoder = lively(create(name, width=8))
        assert torch.equal(*hooked(encoder, encoder.blocks[1].convs[1].after)) and encoder.low_channels == 32
        assert (hooked(encoder)[0] < 0).any()
    mobile = lively(create("mobilenet_v2", width=8))
    assert torch.equal(*hooked(mobile, mobile.features[3].conv[1])) and mobile.low_channels == 48
    assert not (hooked(mobile)[0] < 0).any()
    resnet = lively(create("resnet50", width=8))
    assert torch.equal(*hooked(resnet, resnet.layer1)) and resnet.low_channels == 32
    with torch.device("meta"):
        assert [create(name).low_channels for name in ("xception65", "mobilenet_v2", "resnet101")] == [256, 144, 256]


def test_xceptions_shortcuts_are_not_rectified() -> None:
    """A ReLU in place before the first convolution would change what the shortcut adds."""
    for name in ("xception", "xception65"):
        block, x = create(name, width=2).eval().blocks[4], torch.randn(1, 23, 9, 9)
        before = x.clone()
        made = [block.convs[0](x.relu())]
        made += [block.convs[1](made[0].relu())]
        expected = block.convs[2](made[1].relu()) + x
        torch.testing.assert_close(block(x), expected)
        assert torch.equal(x, before)


def test_where_the_relus_of_xception65_stand() -> None:
    for variant, between in (("released", 3), ("paper", 3 * 21)):
        encoder = create("xception65", width=2, variant=variant)
        found = [conv.between for block in encoder.blocks for conv in block.convs]
        assert sum(isinstance(m, nn.ReLU) for steps in found for m in steps) == between
        assert all(isinstance(steps[0], nn.BatchNorm2d) and steps[0].eps == 1e-3 for steps in found)
    assert not any(len(conv.between) for block in create("xception", width=2).blocks for conv in block.convs)


def test_options_that_are_not_there_are_named() -> None:
    for name, options, message in (
        ("xception65", {"variant": "keras"}, "Xception65 got variant='keras'; it takes 'released', 'paper'"),
        ("shufflenet", {"variant": "keras"}, "ShuffleNet got variant='keras'; it takes 'paper', 'rtseg'"),
        ("shufflenet", {"groups": 5}, "ShuffleNet got groups=5; the paper has 1, 2, 3, 4, 8"),
        ("mobilenet_v2", {"multiple": 0}, "MobileNetV2 got multiple=0"),
        ("mobilenet_v1", {"between": "tanh"}, "between='tanh'"),
        ("xception", {"output_stride": 4}, "Xception got output_stride=4; it can be 8, 16 or 32"),
    ):
        with pytest.raises(ValueError, match=message):
            create(name, **options)
    with pytest.raises(TypeError, match=r"Classifier got a Conv2d.*create\('xception'\)"):
        Classifier(nn.Conv2d(3, 4, 1))
    for made in (MobileNetV2, lambda n: Classifier(create("mobilenet_v1", width=2), n)):
        with pytest.raises(ValueError, match="num_classes=0"):
            made(0)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("variant", ["paper", "rtseg"])
def test_shufflenets_of_any_width_divide_evenly(groups: int, variant: str) -> None:
    for width in (1, 3, 8, 16, 20):
        encoder = create("shufflenet", width=width, groups=groups, variant=variant).eval()
        maps = encoder(torch.randn(1, 3, 33, 31))
        assert tuple(m.shape[1] for m in maps) == encoder.channels


@pytest.mark.parametrize("width", [16, 24, 48, 64, 90])
def test_mobilenet_v2_is_torchvisions_at_every_width(width: int) -> None:
    """Key for key and shape for shape, convolution for convolution; and the encoder says what it leaves out."""
    with torch.device("meta"):
        theirs, model = torchvision.models.mobilenet_v2(width_mult=width / 64), MobileNetV2(width=width)
        encoder, full = create("mobilenet_v2", width=width), MobileNetV2Encoder(width, head_conv=True)
    state = theirs.state_dict()
    assert load_torchvision(model, state) == [] and list(model.state_dict()) == list(state)
    left = load_torchvision(encoder, state)
    assert {key.split(".")[0] + "." + key.split(".")[1] for key in left} == {"features.18", "classifier.1"}
    assert len(left) + len(encoder.state_dict()) == len(state)
    windows = [
        [(m.kernel_size, m.stride, m.padding, m.groups) for m in net.modules() if isinstance(m, nn.Conv2d)]
        for net in (model, theirs)
    ]
    assert windows[0] == windows[1]
    assert load_torchvision(full, state) == ["classifier.1.weight", "classifier.1.bias"]


def test_torchvisions_mobilenet_v2_gives_the_same_scores() -> None:
    theirs, model = lively(torchvision.models.mobilenet_v2(weights=None, dropout=0.0)), MobileNetV2(dropout=0.0)
    assert load_torchvision(model, theirs.state_dict()) == []
    assert_same_in_train_and_eval(model, theirs, [(75, 97), (64, 33)])


@pytest.mark.parametrize(("name", "theirs"), [("mobilenet_v1", "mobilenet.mobilenet_w1"),
                                              ("mobilenet_v1", "mobilenet.mobilenet_wd2"),
                                              ("shufflenet", "shufflenet.shufflenet_g3_w1"),
                                              ("shufflenet", "shufflenet.shufflenet_g3_wd4")])  # fmt: skip
def test_pytorchcv_gives_the_same_scores(name: str, theirs: str) -> None:
    file, _, function = theirs.partition(".")
    module = pytest.importorskip(f"pytorchcv.models.{file}", reason="pip install --no-deps pytorchcv==0.0.74")
    others = getattr(module, function)()
    others.features.final_pool = nn.AdaptiveAvgPool2d(1)
    width = {"w1": 64, "wd2": 32, "wd4": 16}[function.rpartition("_")[2]]
    ours = classifier(name, width=width)
    transplant(ours, others)
    assert_same_in_train_and_eval(ours, others, [(75, 97), (64, 33)])


@pytest.mark.parametrize(("name", "theirs"), [("xception", "legacy_xception"), ("xception65", "xception65")])
def test_timm_gives_the_same_scores(name: str, theirs: str) -> None:
    timm = pytest.importorskip("timm", reason="pip install timm==1.0.31")
    others, ours = timm.create_model(theirs, pretrained=False), classifier(name)
    if name == "xception":
        ours.encoder.conv1.padding = ours.encoder.conv2.padding = (0, 0)  # as in the paper
    transplant(ours, others)
    assert_same_in_train_and_eval(ours, others, [(75, 97), (96, 65)])
