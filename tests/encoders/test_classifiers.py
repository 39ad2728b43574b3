"""VGG and AlexNet: torchvision's weights fit to the last key and give its scores; strides hold at any size."""

import pytest
import torch
import torchvision

from segkit.encoders import VGG, AlexNet, AlexNetEncoder, VGGEncoder
from segkit.models import convolutionalise, load_torchvision


@pytest.mark.parametrize(
    ("ours", "theirs", "parameters"),
    [
        (lambda: VGG(), torchvision.models.vgg16, 138_357_544),
        (lambda: AlexNet(), torchvision.models.alexnet, 61_100_840),
    ],
    ids=["vgg16", "alexnet"],
)
def test_torchvision_weights_give_torchvision_scores(ours, theirs, parameters):
    with torch.device("meta"):
        model = ours()
    model, reference = model.to_empty(device="cpu").eval(), theirs(weights=None).eval()  # filled from the file alone
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert load_torchvision(model, reference.state_dict()) == []
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = reference(x)
        torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-6)
        scores = convolutionalise(model)(x)
        assert scores.shape == (1, 1000, 1, 1)
        torch.testing.assert_close(scores[..., 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_weights_of_torchvision_fit():
    model = VGG(depth=11, batch_norm=True)
    load_torchvision(model, torchvision.models.vgg11_bn(weights=None).state_dict())


def test_convolutionalised_classifier_slides_over_a_larger_picture():
    """Each output cell is the fully connected part's answer for the 7×7 window of features under it."""
    torch.manual_seed(0)
    model = VGG(num_classes=5, depth=11, width=2).eval()
    x = torch.randn(1, 3, 256, 288)
    with torch.no_grad():
        scores = convolutionalise(model)(x)
        assert scores.shape == (1, 5, 2, 3)
        whole = model.features(x)  # 1, 16, 8, 9
        for i in range(2):
            for j in range(3):
                window = whole[..., i : i + 7, j : j + 7].flatten(1)
                torch.testing.assert_close(scores[..., i, j], model.classifier(window))


@pytest.mark.parametrize("size", [(1, 1), (2, 31), (33, 64), (95, 129)])
def test_encoder_maps_cover_the_picture(size):
    vgg, alexnet = VGGEncoder(11, width=2).eval(), AlexNetEncoder(width=2).eval()
    x = torch.randn(1, 3, *size)
    for stride, channels, features in zip(vgg.strides, vgg.channels, vgg(x), strict=True):
        assert features.shape == (1, channels, -(-size[0] // stride), -(-size[1] // stride))
    assert alexnet(x)[-1].shape == (1, 8, -(-size[0] // 32), -(-size[1] // 32))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"depth 12.*\[11, 13, 16, 19\]"):
        VGGEncoder(12)
    with pytest.raises(ValueError, match="width=0"):
        VGGEncoder(width=0)
    with pytest.raises(ValueError, match="width=0"):
        AlexNetEncoder(width=0)
