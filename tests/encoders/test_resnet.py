"""ResNet: torchvision's weights to the last key, any size; stride turned into dilation without losing a response."""

import copy

import pytest
import torch
import torchvision
from torch import nn

import segkit
from segkit.analysis import receptive_field
from segkit.encoders import ResNet, ResNetEncoder, VGGEncoder, dilate_strides, dilate_strides_, set_rates
from segkit.models import load_torchvision
from tests.encoders.common import SIZES, furthest, lively


@pytest.mark.parametrize(
    ("depth", "parameters"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032), (101, 44_549_160)]
)
def test_torchvision_weights_give_torchvision_scores_and_features(depth, parameters):
    reference = lively(getattr(torchvision.models, f"resnet{depth}")(weights=None))
    model, encoder = ResNet(depth=depth).eval(), ResNetEncoder(depth).eval()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert load_torchvision(model, reference.state_dict()) == []
    assert load_torchvision(encoder, reference.state_dict()) == ["fc.weight", "fc.bias"]
    x = torch.randn(1, 3, 75, 97)
    with torch.no_grad():
        torch.testing.assert_close(model(x), reference(x), rtol=1e-4, atol=1e-5)
        maps, y = encoder(x), reference.relu(reference.bn1(reference.conv1(x)))
        torch.testing.assert_close(maps[0], y, rtol=1e-5, atol=1e-5)
        y = reference.maxpool(y)
        for i in (1, 2, 3, 4):
            y = reference.get_submodule(f"layer{i}")(y)
            torch.testing.assert_close(maps[i], y, rtol=1e-4, atol=1e-4 * float(y.abs().max()))


def test_resnet152_has_the_published_number_of_parameters():
    with torch.device("meta"):
        assert sum(p.numel() for p in ResNet(depth=152).parameters()) == 60_192_808


def test_wrong_weights_are_refused_and_nothing_is_copied():
    state = torchvision.models.resnet18(weights=None).state_dict()
    narrow = ResNetEncoder(18, width=8)
    before = narrow.conv1.weight.clone()
    for model in (narrow, ResNetEncoder(34), VGGEncoder(11)):
        with pytest.raises(ValueError, match="none were loaded"):
            load_torchvision(model, state)
    assert torch.equal(narrow.conv1.weight, before)
    vgg = VGGEncoder(11)
    with torch.device("meta"):
        shapes = torchvision.models.vgg11(weights=None).state_dict()
    left = load_torchvision(vgg, {key: torch.zeros(value.shape) for key, value in shapes.items()})
    assert len(left) == 6 and all(key.startswith("classifier.") for key in left)


@pytest.mark.parametrize("output_stride", [32, 16, 8])
@pytest.mark.parametrize("depth", [18, 50])
def test_maps_have_the_size_they_promise(depth, output_stride):
    encoder = ResNetEncoder(depth, 4, output_stride, in_channels=2).eval()
    assert encoder.strides == tuple(min(s, output_stride) for s in (2, 4, 8, 16, 32))
    for size in SIZES:
        maps = encoder(torch.randn(1, 2, *size))
        for x, stride, channels in zip(maps, encoder.strides, encoder.channels, strict=True):
            assert x.shape == (1, channels, *(-(-n // stride) for n in size))


@pytest.mark.parametrize(("depth", "field"), [(50, 483), (101, 1027), (152, 1507)])
def test_receptive_fields(depth, field):
    for stride_in, expected in (("1x1", field), ("3x3", field - 56)):
        with torch.device("meta"):
            encoder = ResNetEncoder(depth, 2, stride_in=stride_in)
        assert receptive_field(encoder, 64)["layer4"].receptive_field == (expected, expected)


@pytest.mark.parametrize("stride_in", ["3x3", "1x1"])
@pytest.mark.parametrize("depth", [18, 50, 101])
@pytest.mark.parametrize("output_stride", [16, 8])
def test_every_filter_response_stands_on_the_old_grid(depth, output_stride, stride_in):
    """In float64, so that any tap out of place shows; all units of all five maps, the border included, at any size."""
    coarse = lively(ResNetEncoder(depth, 4, stride_in=stride_in)).double()
    fine = dilate_strides(coarse, output_stride)
    assert coarse.strides == (2, 4, 8, 16, 32) and fine.strides[-1] == output_stride
    for size in SIZES:
        x = torch.randn(1, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            assert furthest(coarse(x), fine(x), coarse.strides, fine.strides) < 1e-12


def test_the_papers_size_keeps_its_responses_to_1e_5_in_float32():
    coarse = lively(ResNetEncoder(101))
    x = torch.randn(1, 3, 97, 130)
    with torch.no_grad():
        assert furthest(coarse(x), dilate_strides(coarse, 8)(x), coarse.strides, (2, 4, 8, 8, 8)) < 1e-5


@pytest.mark.parametrize("output_stride", [16, 8, 4, 2, 1])
def test_vgg_and_the_first_layers_convert_too(output_stride):
    for coarse in (VGGEncoder(11, 4, batch_norm=True), ResNetEncoder(18, 4)):
        coarse = lively(coarse).double()
        fine = dilate_strides(coarse, output_stride)
        for size in SIZES:
            x = torch.randn(2, 3, *size, dtype=torch.float64)
            with torch.no_grad():
                assert furthest(coarse(x), fine(x), coarse.strides, fine.strides) < 1e-12


def test_dilating_the_first_block_of_a_stage_as_much_as_the_others_loses_the_responses():
    """The mistake of many re-implementations: the 3×3 whose own stride went still reads the old map."""
    coarse = lively(ResNetEncoder(50, 4)).double()
    wrong = dilate_strides(coarse, 8)
    set_rates(wrong.layer4[:1], [4])
    x = torch.randn(1, 3, 97, 97, dtype=torch.float64)
    with torch.no_grad():
        assert furthest(coarse(x), wrong(x), coarse.strides, wrong.strides) > 0.05


def test_agrees_with_torchvisions_replaced_strides():
    reference = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
    reference, encoder = lively(reference), ResNetEncoder(50, output_stride=8).eval()
    load_torchvision(encoder, reference.state_dict())
    ours, theirs = dict(encoder.named_modules()), dict(reference.named_modules())
    for name, layer in theirs.items():
        if isinstance(layer, nn.Conv2d):
            assert (layer.stride, layer.padding, layer.dilation) == (
                ours[name].stride,
                ours[name].padding,
                ours[name].dilation,
            ), name


def test_conversion_in_steps_is_conversion_at_once_and_twice_is_once():
    encoder = lively(ResNetEncoder(18, 4))
    x = torch.randn(1, 3, 65, 65)
    once = dilate_strides(encoder, 8)
    for other in (dilate_strides(dilate_strides(encoder, 16), 8), dilate_strides(once, 8), dilate_strides(once, 32)):
        assert torch.equal(other(x)[-1], once(x)[-1])
    for old, new in zip(encoder.state_dict().items(), once.state_dict().items(), strict=True):
        assert old[0] == new[0] and torch.equal(old[1], new[1])


def test_conversion_leaves_mode_statistics_and_type_alone():
    for dtype in (torch.float64, torch.bfloat16):
        encoder = ResNetEncoder(18, 4).to(dtype).train()
        before = copy.deepcopy(encoder.state_dict())
        with segkit.use_engine("scratch"):
            assert dilate_strides_(encoder, 8) is encoder
        assert encoder.training and all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_average_pooling_keeps_its_values_too():
    """Of 3×3 cells, 2 apart, padded: as in ShuffleNet; converted at once and in two steps."""
    layers = [nn.Conv2d(3, 4, 3, 2, 1), nn.AvgPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d(3, 2, 1)]
    coarse = nn.Sequential(*layers).double()
    at_once, in_steps = dilate_strides(coarse, 2), dilate_strides(dilate_strides(coarse, 4), 2)
    for size in SIZES:
        x = torch.randn(1, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            assert furthest([coarse(x)], [at_once(x)], [8], [2]) < 1e-12
            assert torch.equal(at_once(x), in_steps(x))
            with segkit.use_engine("scratch"):
                torch.testing.assert_close(at_once(x), in_steps(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("pixels", "differ"), [(256, 0), (248, 1), (240, 0)])
def test_rounding_down_differs_at_the_far_border_only_and_only_where_a_map_is_odd(pixels, differ):
    """248 / 8 = 31: a pool4 that rounds down drops the last row and conv5 finds zeros there; the fine map keeps it."""
    coarse = lively(VGGEncoder(11, 4, batch_norm=True)).double()
    for layer in coarse.features:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = False  # as in torchvision
    fine = dilate_strides(coarse, 8)
    x = torch.randn(1, 3, pixels, pixels, dtype=torch.float64)
    with torch.no_grad():
        a, b = coarse(x)[-1], fine(x)[-1][..., ::4, ::4]
    n = a.shape[-1]
    assert n == pixels // 32 and b.shape[-1] == -(-pixels // 32)
    apart = (a - b[..., :n, :n]).abs().amax((0, 1)) / a.abs().max()  # n, n
    inside = n - differ
    assert float(apart[:inside, :inside].max()) < 1e-12
    assert not differ or (float(apart[-1].min()) > 0.01 and float(apart[:, -1].min()) > 0.01), apart


def test_gradients_and_engines_agree():
    encoder = lively(ResNetEncoder(18, 2, 8)).double()
    pooled = dilate_strides(lively(VGGEncoder(11, 2)).double(), 8)
    x = torch.randn(1, 3, 23, 37, dtype=torch.float64)
    for network in (encoder, pooled):
        found = []
        for engine in ("native", "scratch"):
            network.zero_grad()
            with segkit.use_engine(engine):
                y = network(x)[-1]
                y.square().sum().backward()
            found.append([y.detach(), *(p.grad.clone() for p in network.parameters())])
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def test_what_cannot_be_dilated_is_named():
    conv = nn.Conv2d(3, 4, 3, 2, 1)
    with pytest.raises(ValueError, match="layer 1 is a LPPool2d"):
        dilate_strides(nn.Sequential(conv, nn.LPPool2d(2, 2)), 2)
    with pytest.raises(ValueError, match="layer 1 divides by a number that changes at the border"):
        dilate_strides(nn.Sequential(conv, nn.AvgPool2d(3, 2, 1, count_include_pad=False)), 2)
    with pytest.raises(ValueError, match=r"layer 1 pads by .*reflect"):
        dilate_strides(nn.Sequential(conv, nn.Conv2d(4, 4, 3, 2, 1, padding_mode="reflect")), 2)
    with pytest.raises(ValueError, match=r"layer 1 reads a map of 127×127"):
        dilate_strides(nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 3)), 1)
    with pytest.raises(ValueError, match="layer 1 returns indices"):
        dilate_strides(nn.Sequential(conv, nn.MaxPool2d(2, return_indices=True)), 2)
    with pytest.raises(ValueError, match=r"layer 0 has strides \(2, 1\)|not a whole stride"):
        dilate_strides(nn.Sequential(nn.Conv2d(3, 4, 3, (2, 1), 1)), 1)
    with pytest.raises(ValueError, match="without a convolution"):
        dilate_strides(nn.ReLU(), 2)
    shared = nn.Sequential(conv, *[nn.Conv2d(4, 4, 3, 2, 1)] * 2)
    with pytest.raises(ValueError, match="two strides"):
        dilate_strides(shared, 4)
    for stride, words in ((3, "power of two"), (0, "power of two"), (2.0, "output_stride is a whole number")):
        with pytest.raises(ValueError, match=words):
            dilate_strides(ResNetEncoder(18, 2), stride)


def test_rates_of_blocks():
    encoder = ResNetEncoder(18, 2, 8)
    set_rates(encoder.layer4, [5, 9])
    assert [b.conv1.dilation[0] for b in encoder.layer4] == [5, 9]
    assert [b.conv2.padding[0] for b in encoder.layer4] == [5, 9]
    assert encoder(torch.randn(1, 3, 40, 40))[-1].shape[-1] == 5
    for rates, words in (([1], "2 blocks"), ([0, 1], "2 blocks"), ([1, 2.0], "each item a whole number")):
        with pytest.raises(ValueError, match=words):
            set_rates(encoder.layer4, rates)


def test_bad_arguments_are_named():
    for wrong, message in (
        ({"depth": 20}, "depth 20"),
        ({"width": 0}, "width=0"),
        ({"output_stride": 4}, "output_stride=4"),
        ({"stride_in": "5x5"}, "stride_in='5x5'"),
    ):
        with pytest.raises(ValueError, match=message):
            ResNetEncoder(**wrong)
    with pytest.raises(ValueError, match="num_classes=0"):
        ResNet(0)
    with pytest.raises(ValueError, match="N×3×H×W"):
        ResNetEncoder(18, 2)(torch.randn(3, 8, 8))


def test_a_deep_stem_sees_eleven_pixels_and_has_twice_the_channels():
    """PSPNet's: three 3×3 convolutions for one 7×7; more weights, and torchvision's no longer fit."""
    counts = {}
    for stem, field in (("7x7", 7), ("deep", 11)):
        with torch.device("meta"):
            counts[stem] = sum(p.numel() for p in ResNetEncoder(50, stem=stem).parameters())
        encoder = ResNetEncoder(18, 4, 8, stem=stem)
        assert receptive_field(encoder, 64)["bn1"].receptive_field == (field, field)
        assert encoder.channels[0] == (8 if stem == "deep" else 4) and encoder.channels[1:] == (4, 8, 16, 32)
        assert encoder.torchvision == ("" if stem == "deep" else "resnet18") and encoder.strides == (2, 4, 8, 8, 8)
        maps = encoder(torch.randn(2, 3, 45, 70))
        assert [m.shape[1] for m in maps] == list(encoder.channels)
    assert counts["deep"] - counts["7x7"] == 123_776
    coarse = lively(ResNetEncoder(50, 4, stem="deep")).double()
    fine, x = dilate_strides(coarse, 8), torch.randn(1, 3, 97, 130, dtype=torch.float64)
    assert furthest(coarse(x), fine(x), coarse.strides, fine.strides) < 1e-12
    with pytest.raises(ValueError, match="stem='3x3'; it takes '7x7', 'deep'"):
        ResNetEncoder(18, stem="3x3")
