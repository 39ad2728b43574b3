"""ParseNet: DeepLab v1's LargeFOV, weight for weight, and the mean of the picture beside it."""

import pytest
import torch
import torchvision

from segkit.models import ParseNet, create, load_torchvision


def count(name, **options):
    with torch.device("meta"):
        return sum(p.numel() for p in create(name, 21, **options).parameters())


def small(**options):
    torch.manual_seed(0)
    return ParseNet(3, **{"width": 4, "encoder": "vgg11", **options})


def test_parameters_at_the_papers_size():
    assert count("deeplab_v1") == count("parsenet", global_feature=False) == 20_505_429
    assert count("parsenet", normalise=False) == 20_505_429 + 1024 * 21  # the global half of the scores
    assert count("parsenet") == 20_505_429 + 1024 * 21 + 2 * 1024  # and a scale for each channel


def test_without_its_feature_it_is_deeplab_v1():
    ours, theirs = small(global_feature=False).eval(), create("deeplab_v1", 3, width=4, encoder="vgg11").eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, 41, 58)
    assert torch.equal(ours(x), theirs(x))


def test_a_far_corner_is_heard_everywhere():
    """At 400 pixels, far beyond the 193 that fc7's cells see: through the mean alone."""
    x = torch.randn(1, 3, 8, 400)
    there = x.clone()
    there[..., 300:] += 1
    for global_feature in (True, False):
        model = small(global_feature=global_feature).double().eval()
        with torch.no_grad():
            a, b = (model(v.double())[..., :40] for v in (x, there))
        assert torch.equal(a, b) is not global_feature


def test_the_scale_is_what_the_scores_read():
    model, x = small(dropout=0.0).eval(), torch.randn(1, 3, 33, 41)
    fc7 = model.fully_connected(model.encoder(x)[-1])
    seen = model.context(fc7)
    alive = fc7.norm(dim=1) > 0
    torch.testing.assert_close(seen[:, :64].norm(dim=1)[alive], torch.full_like(fc7[:, 0], 10.0)[alive])
    assert torch.equal(model.score(seen), model.outputs(x)["score"])
    assert small(scale=20.0).context.whole.weight.eq(20).all()
    assert "context.whole.weight" not in small(normalise=False).state_dict()


def test_imagenet_weights_fill_it_by_decimation_as_in_deeplab_v1():
    model = ParseNet(3, encoder="vgg11", hidden=16)
    with torch.device("meta"):
        shapes = torchvision.models.vgg11(weights=None).state_dict()
    state = {key: torch.zeros(()).expand(value.shape) for key, value in shapes.items()}
    state["features.0.weight"] = torch.randn(64, 3, 3, 3)
    assert model.foundation() == "vgg11" and load_torchvision(model, state) == [
        "classifier.6.weight",
        "classifier.6.bias",
    ]
    assert torch.equal(model.encoder.features[0].weight, state["features.0.weight"])
    assert model.fc7.weight.eq(0).all() and model.context.whole.weight.eq(10).all()


def test_bad_arguments_are_named():
    for wrong, message in (
        ({"encoder": "resnet18"}, "ParseNet got encoder='resnet18'"),
        ({"scale": float("inf")}, "scale=inf"),
        ({"num_classes": 0}, "ParseNet got num_classes=0"),
    ):
        with pytest.raises(ValueError, match=message):
            ParseNet(**{"num_classes": 2, "width": 2, **wrong})
