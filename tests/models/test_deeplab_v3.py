"""DeepLab v3: published counts, torchvision's weights and logits, another output stride, fields, other code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import segmentation as tv

from segkit.analysis import cost, receptive_field
from segkit.encoders import set_rates
from segkit.models import create, load, load_torchvision, load_torchvision_segmentation, save, torchvision_options


def small(name: str = "deeplab_v3", **options) -> nn.Module:
    torch.manual_seed(0)
    return lively(create(name, 5, **{"encoder": "resnet18", "width": 4, **options}))


def lively(model: nn.Module) -> nn.Module:
    """BatchNorm as after training, near enough to 0 and 1 that no signal is lost on the way."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.8, 1.2)
            layer.weight.data.uniform_(0.5, 1.0)
    return model


def on_meta(name: str, **options) -> nn.Module:
    with torch.device("meta"):
        return create(name, 21, **options)


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("deeplab_v3", {"encoder": "resnet50"}, 39_048_533),
        ("deeplab_v3", {"encoder": "resnet101"}, 58_040_661),
        ("deeplab_v3", {"encoder": "resnet101", "stem": "deep"}, 58_164_437),
        ("deeplab_v3", {"encoder": "resnet50", "extra_conv": True}, 39_638_869),
        ("deeplab_v3", {"encoder": "resnet101", "extra_conv": True}, 58_630_997),
        ("deeplab_v3_cascade", {"encoder": "resnet50", "extra_blocks": 0}, 23_551_061),
        ("deeplab_v3_cascade", {"encoder": "resnet50"}, 63_714_389),
        ("deeplab_v3_cascade", {"encoder": "resnet101", "extra_blocks": 0}, 42_543_189),
        ("deeplab_v3_cascade", {"encoder": "resnet101"}, 82_706_517),
    ],
)
def test_parameters_at_the_papers_size(name, options, parameters) -> None:
    assert sum(p.numel() for p in on_meta(name, **options).parameters()) == parameters


@pytest.mark.parametrize(
    ("encoder", "stride", "expected"),
    [("resnet50", 16, 50.4), ("resnet50", 8, 166.2), ("resnet101", 16, 71.1), ("resnet101", 8, 246.2)],
)
def test_multiply_adds_at_513_pixels(encoder: str, stride: int, expected: float) -> None:
    model = on_meta("deeplab_v3", encoder=encoder, output_stride=stride)
    assert cost(model, 513).macs / 1e9 == pytest.approx(expected, abs=0.06)


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    torch.manual_seed(0)
    model = lively(tv.deeplabv3_resnet50(weights=None, weights_backbone=None, aux_loss=True))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.parametrize("training", [False, True])
def test_torchvisions_weights_give_torchvisions_logits(theirs, training) -> None:
    name, options = torchvision_options("deeplabv3_resnet50")
    model = create(name, 21, **{**options, "dropout": 0.0}).train(training)
    before = {key: value.clone() for key, value in theirs.state_dict().items()}
    assert load_torchvision_segmentation(model, before) == []
    with torch.no_grad():
        for size in ((41, 58), (33, 49)):
            x = torch.randn(2, 3, *size)
            expected, found = theirs.train(training)(x), model(x, outputs=True)
            aux = F.interpolate(found["aux"], size, mode="bilinear", align_corners=False)
            for ours, other in ((found["logits"], expected["out"]), (aux, expected["aux"])):
                torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
    moved = sum(float((v - before[k]).abs().sum()) for k, v in theirs.state_dict().items() if "running" in k)
    load_torchvision_segmentation(again := create(name, 21, **options), theirs.state_dict())  # the statistics too
    for ours, other in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-5)
    assert (moved > 0) == training
    theirs.load_state_dict(before)


def test_torchvisions_heads_without_a_place_are_named(theirs) -> None:
    state = theirs.state_dict()
    name, options = torchvision_options("deeplabv3_resnet50")
    left = load_torchvision_segmentation(create(name, 21, **{**options, "aux": False}), state)
    assert len(left) == 8 and all(key.startswith("aux_classifier.") for key in left)
    with pytest.raises(ValueError, match=r"none were loaded: 0 missing.*6 unknown"):
        load_torchvision_segmentation(create(name, 21, **{**options, "extra_conv": False}), state)


@pytest.mark.parametrize("name", ["fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101"])
def test_options_make_torchvisions_network(name: str) -> None:
    """Key for key and shape for shape, and every convolution with its stride, padding and rate."""
    ours, options = torchvision_options(name)
    with torch.device("meta"):
        model = create(ours, 21, **options)
        other = getattr(tv, name)(weights=None, weights_backbone=None, aux_loss=True)
    assert load_torchvision_segmentation(model, other.state_dict()) == []
    windows = [
        [(m.kernel_size, m.stride, m.padding, m.dilation) for m in net.modules() if isinstance(m, nn.Conv2d)]
        for net in (model, other)
    ]
    assert windows[0] == windows[1]


def test_torchvision_has_no_other_networks_of_ours() -> None:
    with pytest.raises(ValueError, match="name='lraspp'; it takes 'fcn_resnet50'"):
        torchvision_options("lraspp")


@pytest.mark.parametrize("name", ["deeplab_v3", "deeplab_v3_cascade"])
@pytest.mark.parametrize("multi_grid", [(1, 2), None])
def test_at_another_output_stride_the_rates_follow(name, multi_grid, tmp_path) -> None:
    """On 32k + 1 pixels the finer scores hold the coarser ones, but for the image pooling, which sees other cells."""
    own = {"rates": (2, 4, 6), "image_pooling": False} if name == "deeplab_v3" else {"extra_blocks": 1}
    coarse = small(name, output_stride=32, multi_grid=multi_grid, **own).eval().double()
    x = torch.randn(1, 3, 129, 97, dtype=torch.float64)
    with torch.no_grad():
        expected = coarse.outputs(x)["score"]
        for stride in (16, 8):
            fine = coarse.at_output_stride(stride)
            assert fine.config == {**coarse.config, "output_stride": stride} and fine.encoder.output_stride == stride
            found = fine.outputs(x)["score"][..., :: 32 // stride, :: 32 // stride]
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
            back = fine.at_output_stride(32)
            assert torch.equal(back(x), coarse(x))
            again = load(save(fine, tmp_path / "a.safetensors"))
            assert torch.allclose(again(x.float()), fine(x).float(), atol=1e-4)
    if name == "deeplab_v3":
        assert coarse.pyramid.rates == (1, 2, 3) and fine.pyramid.rates == (4, 8, 12)


def test_the_copy_keeps_mode_type_and_what_is_frozen() -> None:
    model = small(aux=True).train().to(torch.bfloat16)
    model.encoder.bn1.eval()
    model.encoder.conv1.weight.requires_grad_(False)
    twin = model.at_output_stride(8)
    assert [m.training for m in twin.modules()] == [m.training for m in model.modules()]
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in model.parameters()]
    for ours, other in zip(twin.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(ours, other) and ours.dtype == other.dtype and ours is not other
    with pytest.raises(ValueError, match="FCN has no option output_stride to change; it takes"):
        create("fcn8s", 2, width=2, hidden=4).at_output_stride(8)
    with pytest.raises(ValueError, match="the weights do not fit"):
        create("duc_hdc", 2, width=2, encoder="resnet18", hdc="none").at_output_stride(16)
    with pytest.raises(ValueError, match=r"rates \(1, 2, 3\) for output stride 16.*no whole numbers at 32"):
        small(rates=(1, 2, 3)).at_output_stride(32)


def test_fields() -> None:
    """427 of torchvision's ResNet-50 and 2·36·8 of the last branch; the whole picture with image pooling."""
    for encoder, field in (("resnet50", 427), ("resnet101", 971)):
        model = on_meta("deeplab_v3", encoder=encoder, width=2, multi_grid=None, output_stride=8)
        table = receptive_field(model, (9, 1601))
        seen = [table[f"pyramid.branches.{i}"].receptive_field[1] for i in range(4)]
        assert seen == [field, field + 192, field + 384, field + 576]  # 1003 and 1547
        assert table["score"].whole and not table["pyramid.branches.3"].whole


def test_image_pooling_needs_two_pictures() -> None:
    one = torch.randn(1, 3, 47, 61)
    with pytest.raises(ValueError, match=r"ASPP's image pooling pools one picture.*at least 2 pictures"):
        small()(one)
    for model, x in ((small(), one.expand(2, -1, -1, -1)), (small(image_pooling=False), one)):
        model(x).sum().backward()
    fixed = small()
    for layer in fixed.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    assert fixed(one).isfinite().all() and small().eval()(one).isfinite().all()
    small("deeplab_v3_cascade")(one).sum().backward()


def test_every_part_has_its_place() -> None:
    widths = {m.out_channels for m in small().pyramid.modules() if isinstance(m, nn.Conv2d)}
    assert widths == {16} and small(head_width=6).score.in_channels == 6
    assert len(small(rates=(6,)).pyramid.branches) == 2 and small(image_pooling=False).pyramid.pool is None
    assert [b.conv1.dilation[0] for b in small().encoder.layer4] == [2, 4]
    assert small("deeplab_v3_cascade").encoder.layer7[1].conv2.dilation == (32, 32)
    for wrong, message in (
        ({"head_width": 0}, "DeepLabV3 got head_width=0"),
        ({"encoder": "vgg16"}, "DeepLabV3 got encoder='vgg16'"),
        ({"output_stride": 4}, "output_stride=4"),
        ({"rates": (0, 3)}, "rates=0"),
        ({"encoder": "resnet50", "multi_grid": (1, 2)}, "3 units, so give 3 rates"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**wrong)


def test_imagenet_weights_fill_the_encoder() -> None:
    import torchvision

    state = torchvision.models.resnet18(weights=None).state_dict()
    for name in ("deeplab_v3", "deeplab_v3_cascade"):
        model = small(name, width=64)
        before = model.score.weight.clone()
        assert load_torchvision(model, state) == ["fc.weight", "fc.bias"] and model.foundation() == "resnet18"
        assert torch.equal(model.encoder.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
        assert torch.equal(model.score.weight, before)


def transplant(ours: nn.Module, others: nn.Module, x: Tensor) -> None:
    """Copy our weights into another network of the same form, layer by layer as both compute."""
    orders: list[list[nn.Module]] = []
    for net in (ours, others):
        seen: list[nn.Module] = []
        layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
        hooks = [m.register_forward_pre_hook(lambda m, _, seen=seen: seen.append(m)) for m in layers]
        training = net.training
        with torch.no_grad():
            net.eval()(x)
        net.train(training)
        for hook in hooks:
            hook.remove()
        assert len(seen) == len(layers)
        orders.append(seen)
    for a, b in zip(*orders, strict=True):
        b.load_state_dict(a.state_dict())


@pytest.mark.parametrize("training", [False, True])
def test_pytorchcv_gives_the_same_logits(training: bool) -> None:
    """A deep stem, rates 12, 24, 36 at stride 8, an extra 3×3, half of the width behind the auxiliary head."""
    module = pytest.importorskip("pytorchcv.models.deeplabv3", reason="pip install pytorchcv==0.0.74")
    others = module.deeplabv3_resnetd50b_voc(pretrained_backbone=False, aux=True, fixed_size=False).train(training)
    same = {"output_stride": 8, "multi_grid": None, "stem": "deep", "extra_conv": True, "aux": True, "dropout": 0.0}
    torch.manual_seed(0)
    ours = lively(create("deeplab_v3", 21, **same)).train(training)
    transplant(ours, others, torch.randn(1, 3, 33, 33))
    for layer in others.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    with torch.no_grad():
        for size in ((49, 65), (45, 70)):
            x = torch.randn(2, 3, *size)
            (logits, aux), found = others(x), ours(x, outputs=True)
            for name, other in (("score", logits), ("aux", aux)):
                spread = F.interpolate(found[name], size, mode="bilinear", align_corners=True)
                torch.testing.assert_close(spread, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
            if all(n % 8 == 1 for n in size):
                torch.testing.assert_close(found["logits"], logits, rtol=1e-4, atol=1e-4 * float(logits.abs().max()))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("stride", [8, 16])
def test_segmentation_models_pytorch_gives_the_same_scores(training: bool, stride: int) -> None:
    """It dilates the first unit of a stage like the others, so ours has to as well; and enlarges h cells to 8h."""
    smp = pytest.importorskip("segmentation_models_pytorch", reason="pip install segmentation-models-pytorch==0.6.0")
    rates = {"encoder_output_stride": stride, "decoder_atrous_rates": tuple(96 * k // stride for k in (1, 2, 3))}
    others = smp.DeepLabV3(
        "resnet18", encoder_weights=None, classes=5, decoder_aspp_dropout=0.0, decoder_aspp_separable=False, **rates
    ).train(training)
    same = {"output_stride": stride, "multi_grid": None, "extra_conv": True, "dropout": 0.0}
    ours = small(width=64, **same).train(training)
    for stage, rate in zip(ours.encoder.stages[2:], (16 // stride, 32 // stride), strict=True):
        set_rates(stage, [rate] * len(stage))
    for a, b in zip(ours.state_dict().values(), others.state_dict().values(), strict=True):
        assert a.shape == b.shape
        b.copy_(a)
    others.segmentation_head[1] = nn.Identity()
    with torch.no_grad():
        x = torch.randn(2, 3, 64, 96)
        expected, found = others(x), ours(x, outputs=True)["score"]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
