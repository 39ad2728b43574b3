"""Dilated: the context module's fields and identity start, VGG without its last poolings."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
import torchvision

from segkit.analysis import receptive_field
from segkit.models import create, load_torchvision
from segkit.models.dilated import ContextModule, Dilated, init_identity_


def small(name="dilated", num_classes=5, **options):
    torch.manual_seed(0)
    return create(name, num_classes, **{"width": 4, "hidden": 16, "batch_norm": True, "encoder": "vgg11", **options})


def test_parameters_at_the_papers_size():
    """VGG-16 with fc6 and fc7, a score layer; the context module adds 7·(9C² + C) + C² + C."""
    vgg, classes = 14_714_688 + 512 * 49 * 4096 + 4096 + 4096**2 + 4096, 19
    front = vgg + 4097 * classes
    widths = [1, 2, 2, 4, 8, 16, 32, 32]
    large = sum(9 * classes**2 * a * b + classes * b for a, b in pairwise(widths))
    for context, added in ((False, 0), ("basic", 7 * (9 * classes**2 + classes)), ("large", large)):
        with torch.device("meta"):
            model = create("dilated", classes, context=context)
        last = (32 if context == "large" else 1) * classes**2 + classes if context else 0
        assert sum(p.numel() for p in model.parameters()) == front + added + last


@pytest.mark.parametrize("size", ["basic", "large"])
def test_context_modules_receptive_fields(size):
    table = receptive_field(ContextModule(2, size), 80)
    fields = [row.receptive_field[0] for row in table if row.kind == "Conv2d"]
    assert fields == [3, 5, 9, 17, 33, 65, 67, 67]


def test_front_end_sees_what_its_layers_say_at_stride_8():
    """1 + Σ (k−1)·d·Π s for VGG-16 with conv5 dilated by 2 and fc6 by 4: 44 at pool3, 48 in conv4, 96 in conv5, 192."""
    with torch.device("meta"):
        model = Dilated(3, context=False, width=2, hidden=4)
    row = receptive_field(model, 256)["score"]
    assert (row.receptive_field, row.stride) == ((44 + 48 + 96 + 192,) * 2, (8, 8))


def test_basic_context_starts_as_the_identity_on_what_is_not_negative():
    """Equation 4, at every cell, border included; max(·, 0) takes the rest, as in the paper."""
    module, x = ContextModule(4), torch.randn(2, 4, 19, 30)
    with torch.no_grad():
        assert torch.equal(module(x), x.clamp(min=0))


def test_large_context_starts_near_the_identity_and_its_channels_apart():
    torch.manual_seed(0)
    module, x = ContextModule(4, "large"), torch.randn(2, 4, 40, 40).clamp(min=0)
    with torch.no_grad():
        away = float((module(x) - x).norm() / x.norm())
        hidden = module[0](x)  # 2, 8, 40, 40
    assert 0 < away < 0.25
    assert not torch.equal(hidden[:, 0], hidden[:, 1]), "channels that share a class would stay twins"
    for layer in module:
        if isinstance(layer, torch.nn.Conv2d):
            init_identity_(layer, 4)
    with torch.no_grad():
        torch.testing.assert_close(module(x), x, rtol=1e-5, atol=1e-6)


def test_equation_5_by_hand():
    layer = init_identity_(torch.nn.Conv2d(4, 8, 3), 2)  # C/out = 1/4; inputs 0, 1 and outputs 0…3 are of class 0
    expected = torch.zeros(8, 4, 3, 3)
    expected[:4, :2, 1, 1] = expected[4:, 2:, 1, 1] = 0.25
    assert torch.equal(layer.weight, expected) and not layer.bias.any()
    with pytest.raises(ValueError, match=r"4 channels in, 8 out.*3 classes"):
        init_identity_(layer, 3)
    with pytest.raises(ValueError, match="kernel 2×2"):
        init_identity_(torch.nn.Conv2d(2, 2, 2), 2)


def test_at_the_start_both_heads_give_the_same_answer():
    model = small().eval()
    out = model.outputs(torch.randn(1, 3, 64, 64))
    assert bool((out["front_end"] > 0).all()), "scores start around +1, where max(·, 0) takes nothing"
    torch.testing.assert_close(out["logits"], out["front_end"])


def test_the_front_end_has_lost_two_poolings_and_dilates_what_follows():
    model = small("dilated_frontend", batch_norm=False, encoder="vgg16")
    assert sum(isinstance(m, torch.nn.MaxPool2d) for m in model.encoder.features) == 3
    rates = [m.dilation[0] for m in model.encoder.features if isinstance(m, torch.nn.Conv2d)]
    assert rates == [1] * 10 + [2] * 3 and model.fc6.dilation == (4, 4)
    x = torch.randn(1, 3, 72, 40)
    y = x
    for layer in model.encoder.features:  # the same network, written down with torch's functions
        if isinstance(layer, torch.nn.Conv2d):
            d = 2 if layer in list(model.encoder.features)[24:] else 1
            y = F.relu(F.conv2d(y, layer.weight, layer.bias, padding=d, dilation=d))
        elif isinstance(layer, torch.nn.MaxPool2d):
            y = F.max_pool2d(y, 2)
    y = F.relu(F.conv2d(y, model.fc6.weight, model.fc6.bias, padding=12, dilation=4))
    y = F.conv2d(F.relu(F.conv2d(y, model.fc7.weight, model.fc7.bias)), model.score.weight, model.score.bias)
    expected = F.interpolate(y, scale_factor=8, mode="bilinear")
    torch.testing.assert_close(model.eval()(x), expected, rtol=1e-4, atol=1e-5)


def test_torchvision_vgg16_fits():
    with torch.device("meta"):
        shapes = torchvision.models.vgg16(weights=None).state_dict()
    state = {key: torch.randn(value.shape[:1]).view(-1, *[1] * (value.ndim - 1)).expand(value.shape)
             for key, value in shapes.items()}  # fmt: skip
    model = create("dilated", 21)
    before = model.context[0].weight.clone()
    assert load_torchvision(model, state) == ["classifier.6.weight", "classifier.6.bias"]
    assert torch.equal(model.encoder.features[28].weight, state["features.28.weight"])
    assert torch.equal(model.fc6.weight.flatten(1), state["classifier.0.weight"])
    assert torch.equal(model.context[0].weight, before)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="context='huge'"):
        Dilated(5, context="huge")
    with pytest.raises(ValueError, match="encoder='vgg12'"):
        Dilated(5, encoder="vgg12")
    with pytest.raises(ValueError, match="size='huge'"):
        ContextModule(5, "huge")
    with pytest.raises(ValueError, match="classes=0"):
        ContextModule(0)
