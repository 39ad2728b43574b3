"""Multi-grid and the cascade of extra blocks: the paper's rates, no response lost, ImageNet weights in every form."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from segkit import encoders
from segkit.encoders import ResNetEncoder, dilate_strides
from segkit.models import load_torchvision
from tests.encoders.test_resnet import furthest, lively


def rates(encoder: ResNetEncoder) -> list[list[int]]:
    """Of the 3×3 of each unit, stage by stage from layer3 on."""
    return [[block.conv2.dilation[0] for block in stage] for stage in encoder.stages[2:]]


@pytest.mark.parametrize("stride_in", ["3x3", "1x1"])
@pytest.mark.parametrize(
    ("output_stride", "multi_grid", "expected"),
    [
        (16, (1, 2, 4), [[1] * 6, [2, 4, 8], [4, 8, 16], [8, 16, 32], [16, 32, 64]]),
        (16, (1, 2, 1), [[1] * 6, [2, 4, 2], [4, 8, 4], [8, 16, 8], [16, 32, 16]]),
        (8, (2, 2, 2), [[1] + [2] * 5, [8, 8, 8], [16, 16, 16], [32, 32, 32], [64, 64, 64]]),
    ],
)
def test_the_papers_rates(output_stride, multi_grid, expected, stride_in) -> None:
    with torch.device("meta"):
        encoder = ResNetEncoder(50, 2, output_stride, stride_in=stride_in, multi_grid=multi_grid, extra_blocks=3)
    found = rates(encoder)
    assert found[1:] == expected[1:] and encoder.strides[-1] == output_stride
    assert stride_in == "1x1" or found[0] == expected[0]
    assert all(conv.padding[0] == conv.dilation[0] * (conv.kernel_size[0] // 2)
               for stage in encoder.stages for conv in stage.modules() if isinstance(conv, nn.Conv2d))  # fmt: skip


@pytest.mark.parametrize("options", [{"multi_grid": (1, 2, 4)}, {"multi_grid": (2, 1, 3), "extra_blocks": 2},
                                     {"extra_blocks": 3}, {"multi_grid": (1, 2, 4), "stride_in": "1x1"}])  # fmt: skip
def test_every_response_stands_on_the_old_grid_at_every_output_stride(options) -> None:
    """Built at one output stride or brought to it: the same maps, and they hold those of the coarser ones."""
    coarsest = 32 * 2 ** options.get("extra_blocks", 0)
    coarse = lively(ResNetEncoder(50, 2, coarsest, **options)).double()
    x = torch.randn(1, 3, 97, 130, dtype=torch.float64)
    with torch.no_grad():
        before, strides = coarse(x), coarse.strides
        for stride in (s for s in (32, 16, 8) if s < coarsest):
            built = ResNetEncoder(50, 2, stride, **options).double().eval()
            built.load_state_dict(coarse.state_dict())
            maps = built(x)
            assert furthest(before, maps, strides, built.strides) < 1e-12
            converted = dilate_strides(coarse, stride)
            assert rates(converted) == rates(built)  # type: ignore[arg-type]
            assert all(torch.equal(a, b) for a, b in zip(converted(x), maps, strict=True))


def test_two_units_take_the_first_two_rates() -> None:
    found = [[b.conv1.dilation[0], b.conv2.dilation[0]] for b in ResNetEncoder(18, 2, 16, multi_grid=(1, 2, 4)).layer4]
    assert found == [[2, 2], [4, 4]]


def test_unit_rates_of_one_change_nothing() -> None:
    with torch.device("meta"):
        for stride in (32, 16, 8):
            assert rates(ResNetEncoder(50, 2, stride, multi_grid=(1, 1, 1))) == rates(ResNetEncoder(50, 2, stride))


def test_strides_and_channels_of_a_cascade() -> None:
    """Each extra block strides by 2 until the output stride is reached: the paper's Table 1 goes from 8 to 256."""
    for stride in (8, 16, 32, 64, 128, 256):
        encoder = ResNetEncoder(18, 2, stride, extra_blocks=3).eval()
        assert encoder.strides == tuple(min(2**i, stride) for i in range(1, 9)) and encoder.output_stride == stride
        assert encoder.channels == (2, 2, 4, 8, 16, 16, 16, 16)
        with torch.no_grad():
            maps = encoder(torch.randn(1, 3, 97, 257))
        for x, s, channels in zip(maps, encoder.strides, encoder.channels, strict=True):
            assert x.shape == (1, channels, -(-97 // s), -(-257 // s))
        assert [name for name, m in encoder.named_modules() if isinstance(m, nn.MaxPool2d)][1:] == [
            f"layer{i}.0.downsample" for i in (5, 6, 7) if 2 ** (i + 1) <= stride
        ]


@pytest.mark.parametrize(("depth", "blocks"), [(50, (23_508_032, 63_671_360)), (101, (42_500_160, 82_663_488))])
def test_parameters_of_the_cascade(depth: int, blocks: tuple[int, int]) -> None:
    """With the classifier's 2048·21 + 21 these are the 23,551,061 and 63,714,389 of ResNet-50, block4 and block7."""
    with torch.device("meta"):
        for extra, parameters in zip((0, 3), blocks, strict=True):
            assert sum(p.numel() for p in ResNetEncoder(depth, extra_blocks=extra).parameters()) == parameters


FORMS = [{"output_stride": 8}, {"output_stride": 16, "multi_grid": (1, 1, 1)}, {"output_stride": 16, "extra_blocks": 1}]


@pytest.mark.parametrize("name", [name for name in encoders.available() if name.startswith("resnet")])
def test_imagenet_weights_give_torchvisions_maps_in_every_form(name: str) -> None:
    """The map of the classifier on the grid of the dilated encoder, whatever was added behind it."""
    torch.manual_seed(0)
    deep = name in ("resnet101", "resnet152")
    reference = lively(getattr(torchvision.models, name)(weights=None))
    x, state = torch.randn(1, 3, 65, 41), reference.state_dict()
    with torch.no_grad():
        y = reference.maxpool(reference.relu(reference.bn1(reference.conv1(x))))
        expected = reference.layer4(reference.layer3(reference.layer2(reference.layer1(y))))
    units = 2 if name == "resnet18" else 3
    for form in FORMS[1:2] if deep else FORMS:
        options = {**form, **({"multi_grid": (1,) * units} if "multi_grid" in form else {})}
        with torch.no_grad():
            found = encoders.create(name, weights=state, **options).eval()(x)[4]
        s = 32 // options["output_stride"]
        torch.testing.assert_close(found[..., ::s, ::s], expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_what_is_added_starts_at_random_and_stays_when_weights_come() -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    encoder = ResNetEncoder(18, extra_blocks=1, multi_grid=(1, 2))
    before = encoder.layer5[0].conv1.weight.clone()
    assert load_torchvision(encoder, state) == ["fc.weight", "fc.bias"]
    assert torch.equal(encoder.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert torch.equal(encoder.layer5[0].conv1.weight, before)
    del state["layer3.0.conv1.weight"]
    with pytest.raises(ValueError, match=r"none were loaded: 1 missing"):
        load_torchvision(encoder, state)
    deep = ResNetEncoder(18, stem="deep")
    with pytest.raises(ValueError, match="none were loaded"):
        load_torchvision(deep, state)


def test_what_cannot_be_is_named() -> None:
    for wrong, message in (
        ({"multi_grid": (1, 2, 4, 8)}, "4, 8.*give 3 rates"),
        ({"multi_grid": (1, 2)}, r"multi_grid=\(1, 2\).*3 units, so give 3 rates, such as \(1, 2, 4\)"),
        ({"multi_grid": (1, 2, 0)}, "multi_grid=0"),
        ({"multi_grid": (1, 2.0, 4)}, r"multi_grid=\(1, 2\.0, 4\).*each item a whole number"),
        ({"extra_blocks": 4}, "extra_blocks=4"),
        ({"output_stride": 64}, "output_stride=64; it can be 8, 16, 32"),
        ({"output_stride": 128, "extra_blocks": 1}, "output_stride=128; it can be 8, 16, 32, 64"),
    ):
        with pytest.raises(ValueError, match=message):
            ResNetEncoder(50, 2, **wrong)
