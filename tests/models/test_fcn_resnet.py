"""The plain ResNet baseline: torchvision's network under other names, to the last weight and logit."""

import pytest
import torch
import torch.nn.functional as F
import torchvision.models.segmentation as tv
from torch import nn

from segkit.models import FCNResNet, UNet, create, load_torchvision_segmentation


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("encoder", "aux", "parameters"),
    [("resnet50", False, 32_957_013), ("resnet50", True, 35_322_218), ("resnet101", True, 54_314_346)],
)
def test_parameters_at_the_papers_size(encoder, aux, parameters):
    with torch.device("meta"):
        theirs = getattr(tv, f"fcn_{encoder}")(weights=None, weights_backbone=None, aux_loss=aux)
        assert count(create("fcn_resnet", 21, encoder=encoder, aux=aux)) == parameters == count(theirs)


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    model = tv.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.parametrize("training", [False, True])
def test_torchvisions_weights_give_torchvisions_logits(theirs, training):
    model = create("fcn_resnet", 21, aux=True, dropout=0.0, align_corners=False).train(training)
    assert load_torchvision_segmentation(model, theirs.state_dict()) == []
    before = {key: value.clone() for key, value in theirs.state_dict().items()}
    with torch.no_grad():
        for size in ((41, 58), (33, 49)):
            x = torch.randn(2, 3, *size)
            expected, found = theirs.train(training)(x), model(x, outputs=True)
            aux = F.interpolate(found["aux"], size, mode="bilinear", align_corners=False)
            for ours, other in ((found["logits"], expected["out"]), (aux, expected["aux"])):
                torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
    for key, value in model.state_dict().items() if training else ():  # the statistics moved alike
        name = key.replace("encoder.", "backbone.").replace("head.", "classifier.").replace("aux.", "aux_classifier.")
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-4, atol=1e-5)
    theirs.load_state_dict(before)


def test_an_auxiliary_head_without_a_place_is_named_and_all_else_is_needed(theirs):
    state = theirs.state_dict()
    plain = create("fcn_resnet", 21)
    left = load_torchvision_segmentation(plain, state)
    assert len(left) == 8 and all(key.startswith("aux_classifier.") for key in left)
    before = plain.head[0].weight.clone()
    with pytest.raises(ValueError, match="8 missing"):
        load_torchvision_segmentation(create("fcn_resnet", 21, aux=True), {k: state[k] for k in state if k not in left})
    with pytest.raises(ValueError, match=r"1 unknown \['head\.9\.weight'\]"):
        load_torchvision_segmentation(plain, {**state, "classifier.9.weight": torch.zeros(1)})
    assert torch.equal(plain.head[0].weight, before)
    with pytest.raises(TypeError, match="UNet; torchvision has FCNResNet"):
        load_torchvision_segmentation(UNet(2, width=2), state)


def test_cells_stand_where_the_encoder_has_them_or_where_torchvision_puts_them():
    x = torch.randn(1, 3, 33, 49)
    for align_corners in (True, False):
        torch.manual_seed(0)
        found = FCNResNet(3, "resnet18", 4, align_corners=align_corners).eval().outputs(x)
        spread = F.interpolate(found["score"], (33, 49), mode="bilinear", align_corners=align_corners)
        torch.testing.assert_close(found["logits"], spread)  # at 8k + 1 pixels the last cell is the last pixel


def test_another_encoder_is_refused():
    with pytest.raises(ValueError, match="FCNResNet got encoder='vgg16'; it is built on resnet18"):
        FCNResNet(2, encoder="vgg16")
