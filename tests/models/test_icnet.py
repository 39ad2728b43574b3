"""ICNet: the authors' counts, their network written out, its three branches, cascade label guidance."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.analysis import anatomy, cost
from segkit.data import StreetScenes
from segkit.inference.network import cell_stride
from segkit.models import ICNet, create, load_torchvision
from segkit.training import Trainer, recipes


def small(**options):
    torch.manual_seed(0)
    return ICNet(**{"num_classes": 3, "encoder": "resnet18", "width": 4, **options})


def test_parameters_and_multiply_adds_of_the_authors_network():
    """19 classes, 1025×2049 pixels; the guidance is left out when the network is used, as in their file."""
    with torch.device("meta"):
        model, guided = create("icnet", 19, aux=False), create("icnet", 19)
    count, more = (sum(p.numel() for p in m.parameters()) for m in (model, guided))
    assert count == 6_699_987 and more - count == 19 * (256 + 1 + 128 + 1)
    assert cost(model, (1025, 2049)).macs / 1e9 == pytest.approx(29.8, abs=0.05)
    assert {m.dilation[0] for m in model.encoder.layer3.modules() if isinstance(m, nn.Conv2d)} == {1, 2}
    rates = [m.dilation[0] for m in model.encoder.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] == 3]
    assert rates[3:] == [1] * 7 + [2] * 6 + [4] * 3, "three of the stem, then every unit of layer3 and layer4 dilated"


@torch.no_grad()
def written_out(model, x):
    """The authors' prototxt in plain torch with our weights: resized with aligned corners, strides in the 1×1."""
    s = model.state_dict()

    def conv(name, x, stride=1, padding=0, rate=1):
        return F.conv2d(x, s[f"{name}.weight"], s.get(f"{name}.bias"), stride, padding, rate)

    def norm(name, x):
        return F.batch_norm(x, *(s[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))

    def unit(name, x, stride=1, rate=1):
        y = norm(f"{name}.bn1", conv(f"{name}.conv1", x, stride)).relu()
        y = norm(f"{name}.bn2", conv(f"{name}.conv2", y, 1, rate, rate)).relu()
        y = norm(f"{name}.bn3", conv(f"{name}.conv3", y))
        if f"{name}.downsample.0.weight" in s:
            x = norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, stride))
        return (x + y).relu()

    def resized(x, h, w):
        return F.interpolate(x, (h, w), mode="bilinear", align_corners=True)

    def by(x, factor):
        return resized(x, *(round((n - 1) * factor) + 1 for n in x.shape[-2:]))

    def fusion(name, coarse, fine):
        wide = by(coarse, 2)
        deep = norm(f"{name}.refine.1", conv(f"{name}.refine.0", wide, 1, 2, 2))
        return (deep + norm(f"{name}.project.1", conv(f"{name}.project.0", fine))).relu(), conv(f"{name}.guide", wide)

    y = by(x, 0.5)
    for convolution, bn, stride in (("conv1.0", "conv1.1", 2), ("conv1.3", "conv1.4", 1), ("conv1.6", "bn1", 1)):
        y = norm(f"encoder.{bn}", conv(f"encoder.{convolution}", y, stride, 1)).relu()
    y = F.max_pool2d(y, 3, 2, 1)
    for i in range(3):
        y = unit(f"encoder.layer1.{i}", y)
    medium = unit("encoder.layer2.0", y, 2)
    y = by(medium, 0.5)
    for stage, units, rate in (("layer2", (1, 2, 3), 1), ("layer3", range(6), 2), ("layer4", range(3), 4)):
        for i in units:
            y = unit(f"encoder.{stage}.{i}", y, rate=rate)
    y = y + sum(resized(F.adaptive_avg_pool2d(y, bins), *y.shape[-2:]) for bins in (6, 3, 2, 1))
    y = norm("reduce.1", conv("reduce.0", y)).relu()
    fine = x
    for i in (1, 2, 3):
        fine = norm(f"full{i}.1", conv(f"full{i}.0", fine, 2, 1)).relu()
    y, score_16 = fusion("fusion_16", y, medium)
    y, score_8 = fusion("fusion_8", y, fine)
    score = conv("score", by(y, 2))
    return {"logits": by(score, 4), "score": score, "score_16": score_16, "score_8": score_8}


def test_the_authors_network_written_out_gives_the_same_scores():
    model = small(encoder="resnet50").double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1), module.running_var.uniform_(0.8, 1.2)
    x = torch.rand(1, 3, 65, 97, dtype=torch.float64)
    found = model.outputs(x)
    for name, expected in written_out(model, x).items():
        torch.testing.assert_close(found[name], expected, rtol=1e-9, atol=1e-12, msg=name)


def test_the_deep_branch_sees_every_second_pixel_and_the_light_one_all():
    model = small().double().eval()
    x = torch.rand(1, 3, 65, 65, dtype=torch.float64)
    between = x.clone()
    between[..., 1::2, :] += 1
    between[..., 1::2] += 1
    one, other = model.outputs(x), model.outputs(between)
    assert torch.equal(one["score_16"], other["score_16"]), "the branches of the half and quarter picture"
    assert not torch.allclose(one["logits"], other["logits"])


def test_guidance_changes_no_logit_and_teaches_only_what_is_coarser():
    model, x = small().eval(), torch.randn(1, 3, 65, 97)
    plain = small(aux=False).eval()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if ".guide." not in k})
    assert torch.equal(plain(x), model(x)) and list(plain.outputs(x)) == ["logits", "score"]
    found = model.outputs(x)
    ends = model.full1[0].weight, model.fusion_16.project[0].weight, model.encoder.layer4[0].conv1.weight
    for name, taught in (("score_16", [False, False, True]), ("score_8", [False, True, True]), ("score", [True] * 3)):
        gradients = torch.autograd.grad(found[name].sum(), ends, allow_unused=True, retain_graph=True)
        assert [g is not None for g in gradients] == taught, name


def test_the_recipe_trains_all_three_scores():
    model = small(num_classes=13)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    changes = {"steps": 2, "batch_size": 2, "crop": (49, 65), "device": "cpu"}
    trainer = Trainer(model, StreetScenes(length=4, size=(48, 64)), recipes.create("icnet", **changes))
    assert trainer.recipe.aux == {"score_16": 0.16, "score_8": 0.4}
    trainer.fit(quiet=True)
    for key in ("fusion_16.guide.weight", "fusion_8.guide.weight", "score.weight", "full1.0.weight"):
        assert not torch.equal(trainer.model.state_dict()[key].cpu(), before[key]), key


def test_its_coarsest_cell_is_32_pixels():
    model = small()
    assert cell_stride(model) == 32
    with pytest.raises(ValueError, match=r"ICNet's encoder, at 30×17 pixels, pools one picture to one cell"):
        model(torch.randn(1, 3, 30, 17))
    assert model(torch.randn(2, 3, 30, 17)).shape == (2, 3, 30, 17)
    assert model(torch.randn(1, 3, 33, 17)).shape == (1, 3, 33, 17)


def test_a_plain_stem_takes_torchvisions_weights():
    import torchvision

    model = create("icnet", 3, encoder="resnet18", width=64, stem="7x7")
    state = torchvision.models.resnet18(weights=None).state_dict()
    assert model.foundation() == "resnet18" and load_torchvision(model, state) == ["fc.weight", "fc.bias"]
    assert torch.equal(model.encoder.layer2[1].conv1.weight, state["layer2.1.conv1.weight"])
    assert small().foundation() is None


def test_bad_arguments_are_named():
    for wrong, message in (
        ({"encoder": "vgg16"}, "ICNet got encoder='vgg16'"),
        ({"bins": (1, -2)}, "bins=-2"),
        ({"stem": "3x3"}, "ResNet got stem='3x3'"),
        ({"width": 0}, "ICNet got width=0"),
        ({"in_channels": 0}, "in_channels=0"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**wrong)


def test_its_anatomy_shows_three_branches():
    parts = {part.name: part for part in anatomy(small(width=8), (193, 257))}
    assert parts["full1"].reads == parts["to_half"].reads == ["picture"]
    assert parts["fusion_16.project"].reads == parts["to_quarter"].reads == ["encoder.layer2"]
    assert parts["fusion_8.project"].reads == ["full3"]
    assert [parts[name].stride for name in ("full3", "encoder.layer2", "encoder.layer4", "score")] == [8, 16, 32, 4]
