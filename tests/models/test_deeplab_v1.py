"""DeepLab v1: Table 2's parameters and fields, where cells stand, VGG's weights decimated."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

import segkit
from segkit.analysis import receptive_field
from segkit.models import create, load_torchvision
from segkit.models.deeplab_v1 import FIELDS, DeepLabV1, enlarge_from_corners

NAMES = ["deeplab_v1", "deeplab_v1_msc"]
TABLE_2 = {"7x4": (224, 134.3), "4x4": (128, 65.1), "4x8": (224, 65.1), "large": (224, 20.5)}


def small(name="deeplab_v1", num_classes=5, **options):
    torch.manual_seed(0)
    return create(name, num_classes, **{"width": 4, "hidden": 16, "batch_norm": True, "encoder": "vgg11", **options})


@pytest.mark.parametrize("fov", FIELDS)
def test_table_2_parameters_and_its_fields(fov):
    with torch.device("meta"):
        model = create("deeplab_v1", 21, fov=fov)
    printed, millions = TABLE_2[fov]
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == millions
    kernel, rate, _ = FIELDS[fov]
    assert (kernel - 1) * rate * 8 + 32 == printed, "what the paper prints counts pool5's stride, not its field"
    seen = receptive_field(model, 448)["score"]
    assert (seen.receptive_field, seen.stride) == ((227 + (kernel - 1) * rate * 8,) * 2, (8, 8))


def test_the_recursion_gives_419_with_3x3_poolings_and_396_with_2x2():
    with torch.device("meta"):
        model = create("deeplab_v1", 2, width=2)
    assert receptive_field(model, 448)["score"].receptive_field == (419, 419)
    for i, layer in enumerate(model.encoder.features):
        if isinstance(layer, nn.MaxPool2d):
            model.encoder.features[i] = segkit.layers.MaxPool2d(2, layer.stride)
    assert receptive_field(model, 448)["score"].receptive_field == (396, 396)


def test_multi_scale_prediction_adds_640_channels():
    """Two layers of 128 channels on the picture (3) and on poolings of 64, 128, 256 and 512 channels."""
    with torch.device("meta"):
        plain, multi = (create(name, 21) for name in NAMES)
    added = sum((9 * c + 1) * 128 + 129 * 128 for c in (3, 64, 128, 256, 512)) + 640 * 21
    count = [sum(p.numel() for p in model.parameters()) for model in (plain, multi)]
    assert count[1] - count[0] == added and multi.score.in_channels == 1024 + 640


def test_any_kernel_and_rate_keep_the_size():
    for kernel in range(1, 6):
        for rate in range(1, 5):
            out = small(fov=(kernel, rate)).eval().outputs(torch.randn(1, 3, 40, 72))
            assert out["score"].shape == (1, 5, 5, 9)


def test_the_papers_network_written_down():
    """Section 3.1 with torch's functions, at 8n + 1 pixels, where the paper's interpolation needs no repeated cell."""
    model = small(batch_norm=False, encoder="vgg16").eval()
    x = torch.randn(1, 3, 65, 41)
    y, poolings = x, 0
    for layer in model.encoder.features:
        if isinstance(layer, nn.Conv2d):
            d = 2 if poolings == 4 else 1
            y = F.relu(F.conv2d(y, layer.weight, layer.bias, padding=d, dilation=d))
        elif isinstance(layer, nn.MaxPool2d):
            poolings += 1
            y = F.max_pool2d(y, 3, 2 if poolings < 4 else 1, padding=1)
    y = F.relu(F.conv2d(y, model.fc6.weight, model.fc6.bias, padding=12, dilation=12))
    y = F.conv2d(F.relu(F.conv2d(y, model.fc7.weight, model.fc7.bias)), model.score.weight, model.score.bias)
    assert y.shape[-2:] == (9, 6) and poolings == 5
    expected = F.interpolate(y, (65, 41), mode="bilinear", align_corners=True)
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-6)


def test_cells_stand_at_every_eighth_pixel_whatever_the_size():
    score = torch.randn(1, 2, 4, 5)
    large = enlarge_from_corners(score, 8)
    assert torch.allclose(large[..., ::8, ::8][..., :4, :5], score, atol=1e-6)
    assert torch.allclose(large[..., 4::8, 0][..., :3], (score[..., :-1, 0] + score[..., 1:, 0]) / 2, atol=1e-6)
    assert torch.allclose(large[..., 24:, :1], score[..., 3:, :1].expand(1, 2, 9, 1), atol=1e-6)
    model = small(num_classes=2).eval()
    for size in [(64, 80), (65, 81), (71, 87)]:
        out = model.outputs(torch.randn(1, 3, *size))
        torch.testing.assert_close(out["logits"][..., ::8, ::8], out["score"])


def state_of_vgg16():
    with torch.device("meta"):
        shapes = torchvision.models.vgg16(weights=None).state_dict()
    return {key: torch.randn(value.shape[:1]).view(-1, *[1] * (value.ndim - 1)).expand(value.shape)
            for key, value in shapes.items()}  # fmt: skip


def test_torchvision_vgg16_fits_and_fc6_is_decimated():
    state = state_of_vgg16()
    cells = torch.arange(512 * 49.0).view(1, 512, 7, 7)
    state["classifier.0.weight"] = (cells + 1e5 * torch.arange(4096)[:, None, None, None]).flatten(1)
    model = create("deeplab_v1", 21, msc=True)
    before = model.scales[0][0].weight.clone()
    assert load_torchvision(model, state) == ["classifier.6.weight", "classifier.6.bias"]
    assert torch.equal(model.encoder.features[28].weight, state["features.28.weight"])
    kept = torch.linspace(0, 4095, 1024).round().long()
    assert len(kept.unique()) == 1024
    assert torch.equal(model.fc6.weight[5, 7], cells[0, 7, ::3, ::3] + 1e5 * kept[5]), "corners, edges and centre"
    assert torch.equal(model.fc7.bias, state["classifier.3.bias"][kept])
    assert model.fc7.weight.shape == (1024, 1024, 1, 1)
    assert torch.equal(model.scales[0][0].weight, before)


def test_with_7x4_the_whole_classifier_loads():
    torch.manual_seed(0)
    model, classifier = create("deeplab_v1", 3, fov="7x4", width=2), segkit.encoders.VGG(4, width=2)
    load_torchvision(model, classifier.state_dict())
    assert torch.equal(model.fc6.weight.flatten(1), classifier.classifier[0].weight)
    assert torch.equal(model.fc7.weight.flatten(1), classifier.classifier[3].weight)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="fov='huge'; the paper has 7x4, 4x4, 4x8, large"):
        DeepLabV1(5, fov="huge")
    for wrong in [(3,), (0, 4), (3, 1.5), 7]:
        with pytest.raises(ValueError, match="both ≥ 1"):
            DeepLabV1(5, fov=wrong)
    with pytest.raises(ValueError, match="encoder='vgg12'"):
        DeepLabV1(5, encoder="vgg12")
