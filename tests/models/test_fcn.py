"""FCN: the paper's size, skips that start as pure interpolation."""

import pytest
import torch
import torch.nn.functional as F
import torchvision

from segkit.models import FCN, create, fuse_skip, linear_to_conv, load_torchvision

NAMES = ["fcn32s", "fcn16s", "fcn8s"]


def small(name, num_classes=5, **options):
    torch.manual_seed(0)
    model = create(name, num_classes, **{"width": 4, "hidden": 16, "batch_norm": True, **options})
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and not module.weight.any():
            torch.nn.init.normal_(module.weight)  # score layers start at zero, where every test would pass
    return model


def test_fcn8s_at_the_papers_size_has_134_5_million_parameters():
    with torch.device("meta"):
        model = create("fcn8s", 21)
    assert sum(p.numel() for p in model.parameters()) == 134_489_759


def test_alexnet_encoder_exists_at_stride_32_only():
    model = small("fcn32s", encoder="alexnet", batch_norm=False).eval()
    assert model(torch.randn(1, 3, 65, 40)).shape == (1, 5, 65, 40)
    with pytest.raises(ValueError, match="stride 32 only"):
        FCN(5, stride=8, encoder="alexnet")


def test_alexnet_scores_lie_over_the_blocks_they_judge():
    """A bright block moved by one cell moves the score map by one cell: no drift from AlexNet's uneven padding."""
    model = small("fcn32s", encoder="alexnet", batch_norm=False, hidden=32).eval().double()
    for p in model.parameters():
        p.data.abs_()
    for b in model.modules():
        if getattr(b, "bias", None) is not None:
            b.bias.data.zero_()
    for cell in (3, 5, 8):
        x = torch.zeros(1, 3, 384, 384, dtype=torch.float64)
        x[..., 32 * cell : 32 * cell + 32, 32 * cell : 32 * cell + 32] = 1
        with torch.no_grad():
            score = model.outputs(x)["score_32"][0, 0]
        score = score / score.sum()
        centre = float((score.sum(1) * torch.arange(12)).sum())
        assert abs(centre - cell) < 0.35, f"cell {cell} is answered at {centre:.2f}"


def test_new_skips_say_nothing_and_upsampling_starts_as_bilinear():
    torch.manual_seed(0)
    model = create("fcn8s", 3, width=4, hidden=16).eval()
    torch.nn.init.normal_(model.score_fr.weight)
    x = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        out = model.outputs(x)
        assert not out["score_16"].any() and not out["score_8"].any()
        score = out["score_32"]
        for factor in (2, 2, 8):
            score = F.interpolate(score, scale_factor=factor, mode="bilinear", align_corners=False)
    inside = (..., slice(64, -64), slice(64, -64))
    torch.testing.assert_close(out["logits"][inside], score[inside], rtol=1e-4, atol=1e-5)


def test_heads_add_up_to_the_logits():
    model = small("fcn8s").eval()
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        out = model.outputs(x)
        score = fuse_skip(model.upscore2(out["score_32"]), out["score_16"])
        score = fuse_skip(model.upscore_pool4(score), out["score_8"])
        torch.testing.assert_close(model.upscore(score), out["logits"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(64, 96), (75, 109), (1, 33)])
def test_contributions_sum_to_the_logits_after_training_too(name, size):
    model, x = small(name).eval(), torch.randn(2, 3, *size)
    for layer in ("upscore2", "upscore_pool4"):
        if hasattr(model, layer):
            torch.nn.init.normal_(getattr(model, layer).weight, std=0.1)
    with torch.no_grad():
        logits, parts = model(x), model.contributions(x)
    assert list(parts) == ["score_32", "score_16", "score_8"][: len(parts)] and len(parts) == NAMES.index(name) + 1
    torch.testing.assert_close(sum(parts.values()), logits, rtol=1e-4, atol=1e-4)


def test_last_upsampling_stays_bilinear_and_the_others_learn():
    model = small("fcn8s")
    assert not model.upscore.weight.requires_grad and model.upscore2.weight.requires_grad


def test_linear_to_conv_computes_the_same_and_names_a_wrong_map():
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(6 * 3 * 4, 7), torch.randn(2, 6, 3, 4)
    torch.testing.assert_close(linear_to_conv(linear, 6, 3, 4)(x)[..., 0, 0], linear(x.flatten(1)))
    with pytest.raises(ValueError, match=r"72 inputs.*6×3×3 = 54"):
        linear_to_conv(linear, 6, 3, 3)


def test_torchvision_vgg16_becomes_the_encoder_and_fc6_fc7():
    state = torchvision.models.vgg16(weights=None).state_dict()
    with torch.device("meta"):
        model = create("fcn8s", 21)
    model.to_empty(device="cpu")  # filled from the file alone
    assert load_torchvision(model, state) == ["classifier.6.weight", "classifier.6.bias"]
    assert torch.equal(model.fc6.weight, state["classifier.0.weight"].view(4096, 512, 7, 7))
    assert torch.equal(model.fc7.weight[..., 0, 0], state["classifier.3.weight"])
    assert torch.equal(model.encoder.features[0].weight, state["features.0.weight"])
    with pytest.raises(ValueError, match="none were loaded"):
        load_torchvision(create("fcn8s", 21, width=8), state)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="stride=4"):
        FCN(5, stride=4)
    with pytest.raises(ValueError, match="encoder='vgg15'"):
        FCN(5, encoder="vgg15")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoder", ["vgg11", "resnet18"])
def test_every_head_speaks_where_its_cells_stand(name, encoder):
    """A head that says where its cell is gives, at the picture's size, where each pixel is: no head is moved."""
    model = small(name, num_classes=1, encoder=encoder, hidden=None).eval()
    heads = model.heads(torch.randn(1, 3, 256, 256))
    for chosen in heads:
        said = {}
        for head, score in heads.items():
            stride = int(head.removeprefix("score_"))
            first = 0 if model.encoder.corner_aligned else (stride - 1) / 2
            cells = torch.arange(score.shape[-1]).float() * stride + first
            said[head] = (cells if head == chosen else 0 * cells).expand(1, 1, len(cells), -1)
        model.heads = lambda _, said=said: said
        with torch.no_grad():
            row = model(torch.randn(1, 3, 256, 256))[0, 0, 128]
        torch.testing.assert_close(row[64:160], torch.arange(64.0, 160.0), atol=1e-3, rtol=0)
