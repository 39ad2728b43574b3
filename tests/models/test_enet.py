"""ENet: the paper's size and stages, its authors' choices one by one, what each block does."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.analysis import cost, receptive_field
from segkit.models import ENet, create
from segkit.models.enet_blocks import Bottleneck, Down, Initial, Up


def small(**options):
    torch.manual_seed(0)
    return create("enet", 5, **{"width": 4, **options})


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_parameters_of_the_network_as_released():
    """Counted by hand for one bottleneck of each kind; the whole as of the authors' Lua, for Cityscapes' 19 classes."""
    norms, slopes = 2 * (32 + 32 + 128), 32 + 32 + 128
    around = 128 * 32 + 32 * 128 + norms + slopes
    assert count(Bottleneck(128, "dilated 4", "prelu", 0.1)) == around + 32 * 32 * 9 + 32
    assert count(Bottleneck(128, "asymmetric", "prelu", 0.1)) == around + 32 * 32 * 10 + 32
    assert count(Bottleneck(128, "full", "relu", 0.1)) == around - slopes + 32 * 32 * 25 + 32
    decoders_slopes = 3 * (2 * 16 + 64) + 2 * (2 * 4 + 16)
    assert count(create("enet", 19)) == 364_311
    assert count(create("enet", 19, variant="paper")) == 364_311 + decoders_slopes == 364_647


def test_multiply_adds_at_360_by_640():
    """RTSeg counts 3.83 GFLOP there, two for each multiply-add, and a little besides."""
    with torch.device("meta"):
        model = create("enet", 19)
    assert cost(model, (360, 640)).macs / 1e9 == pytest.approx(1.72, abs=0.005)


def test_what_each_choice_costs():
    own, plain = count(create("enet", 12)), {"num_classes": 12}
    slopes = sum(m.weight.numel() for m in ENet(**plain).modules() if isinstance(m, nn.PReLU))
    assert count(ENet(**plain, activation="relu")) == own - slopes
    assert count(ENet(**plain, dilation=False)) == own
    inner = 16 * 16 + 64 * 32  # a quarter of the weights of both first projections
    assert count(ENet(**plain, projection="1x1")) == own - 3 * inner
    wider = ENet(**plain, initial=32)
    assert wider.initial.channels == wider.stage5[0].extension[-3].out_channels == 32 and count(wider) > own
    assert count(ENet(**plain, asymmetric=False)) == own + 4 * 32 * 32 * (25 - 10)
    small_decoder, mirror = ENet(**plain, activation="relu"), ENet(**plain, activation="relu", decoder="mirror")
    again = count(mirror.stage1) // 4 * 2 + count(mirror.stage2) + count(mirror.stage3)
    assert count(mirror) == count(small_decoder) + again


def test_table_1_of_the_paper():
    """Names, sizes and channels of the stages for the paper's picture of 512×512."""
    with torch.device("meta"):
        model, shapes = create("enet", 19), {}
        for name, module in model.named_children():
            module.register_forward_hook(
                lambda _, __, out, name=name: shapes.update(
                    {name: (out[0] if isinstance(out, tuple) else out).shape[1:]}
                )
            )
        model(torch.empty(1, 3, 512, 512))
    sizes = {"initial": (16, 256), "down1": (64, 128), "stage1": (64, 128), "down2": (128, 64), "stage2": (128, 64)}
    sizes |= {"stage3": (128, 64), "up4": (64, 128), "stage4": (64, 128), "up5": (16, 256), "stage5": (16, 256)}
    sizes |= {"fullconv": (19, 512)}
    assert {k: v for k, v in shapes.items() if k != "mirrored"} == {k: (c, n, n) for k, (c, n) in sizes.items()}
    assert [len(stage) for stage in (model.stage1, model.stage2, model.stage3, model.stage4, model.stage5)] == [
        4,
        8,
        8,
        2,
        1,
    ]
    rates = [m.dilation[0] for m in model.stage2.modules() if isinstance(m, nn.Conv2d) and m.dilation[0] > 1]
    assert rates == [2, 4, 8, 16]


@pytest.mark.parametrize(("width", "in_channels"), [(1, 3), (2, 1), (3, 3), (5, 4)])
def test_narrow_networks_and_other_channels(width, in_channels):
    model = small(width=width, in_channels=in_channels)
    assert model(torch.randn(2, in_channels, 19, 26)).shape == (2, 5, 19, 26)
    assert model.initial.channels == max(width, in_channels + 1)


def test_initial_block_hands_the_pooled_picture_on():
    block, x = Initial(3, 16, "prelu", 2).eval(), torch.rand(1, 3, 7, 10)
    out = block(x)
    assert out.shape == (1, 16, 4, 5)
    torch.testing.assert_close(out[:, 13:], F.max_pool2d(x, 2, ceil_mode=True), rtol=1e-3, atol=1e-5)


def test_going_down_and_up_again_puts_the_maxima_back():
    """With silent extensions, down is a pooling with channels of zeros, and up returns each maximum to its place."""
    down, up, x = Down(4, 6, "relu", 0.0).eval(), Up(6, 4, "relu", 0.0).eval(), torch.rand(1, 4, 9, 7)
    for block in (down, up):
        nn.init.zeros_(block.extension[-2].weight)
    up.main[0].weight.data.zero_()
    up.main[0].weight.data[range(4), range(4)] = 1
    pooled, indices = down(x)
    want, where = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    assert torch.equal(pooled[:, :4], want) and not pooled[:, 4:].any() and torch.equal(indices, where)
    back = up(pooled, indices, (9, 7))
    assert int((back != 0).sum()) == want.numel()
    torch.testing.assert_close(back[back != 0], x[back != 0], rtol=1e-3, atol=1e-5)  # BatchNorm's eps is 1e-3


@pytest.mark.parametrize(("variant", "decoder"), [("released", 0.0), ("paper", 0.1)])
def test_dropout_takes_whole_maps_less_of_them_early_and_none_in_the_released_decoder(variant, decoder):
    rates: dict[str, set[float]] = {}
    for name, module in small(dropout=0.1, variant=variant).named_modules():
        if isinstance(module, nn.Dropout2d):
            rates.setdefault(name.partition(".")[0], set()).add(module.p)
    down = {"down1": {0.01}, "stage1": {0.01}, "down2": {0.1}, "stage2": {0.1}, "stage3": {0.1}}
    assert rates == down | {name: {decoder} for name in ("up4", "stage4", "up5", "stage5")}


def test_slopes_of_the_released_network_end_with_the_encoder():
    for decoder in ("small", "mirror"):
        model = small(decoder=decoder)
        sloped = {name.partition(".")[0] for name, m in model.named_modules() if isinstance(m, nn.PReLU)}
        assert sloped == {"initial", "down1", "stage1", "down2", "stage2", "stage3"}, decoder


def test_without_dilation_or_with_narrow_projections_less_is_seen():
    own, narrow = small().eval(), small(dilation=False).eval()
    reach = [receptive_field(model, (64, 64))["stage3"].receptive_field[0] for model in (own, narrow)]
    assert reach[0] > 3 * reach[1]
    x = torch.rand(1, 3, 16, 16)
    unseen = []
    for projection in ("2x2", "1x1"):
        block = small(projection=projection).down1.eval()
        y = torch.rand(1, 4, 8, 8, requires_grad=True)
        (seen,) = torch.autograd.grad(block.extension[0](y).sum(), y)
        unseen.append(float((seen == 0).double().mean()))
    assert unseen == [0.0, 0.75] and small(projection="1x1").eval()(x).shape == (1, 5, 16, 16)


def test_early_downsampling_doubles_what_the_encoder_sees():
    fields = [
        receptive_field(small(early_downsampling=early).eval(), (64, 64))["down2"].receptive_field[0]
        for early in (True, False)
    ]
    strides = [
        small(early_downsampling=e).outputs(torch.randn(2, 3, 64, 64))["bottom"].shape[-1] for e in (True, False)
    ]
    assert strides == [8, 16] and fields[0] > 1.8 * fields[1]


def test_late_downsampling_instead_is_finer_before_and_besides_is_coarser_at_the_bottom():
    early, late = small().eval(), small(early_downsampling=False, late_downsampling=True).eval()
    both = small(late_downsampling=True).eval()
    x, sides = torch.randn(1, 3, 64, 64), {}
    for name, model in (("early", early), ("late", late), ("both", both)):
        for part in ("stage1", "stage2", "stage3"):
            keep = lambda _, __, y, at=(name, part): sides.update({at: y.shape[-1]})  # noqa: E731
            model.get_submodule(part).register_forward_hook(keep)
        assert model(x).shape == (1, 5, 64, 64)
    assert list(sides.values()) == [16, 8, 8, 32, 16, 8, 16, 8, 4]
    assert both.outputs(x)["bottom"].shape[-1] == 4


def test_rates_are_those_of_the_dilated_bottlenecks():
    model = small(rates=(1, 3, 5, 7))
    for stage in (model.stage2, model.stage3):
        rates = [m.dilation[0] for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
        assert rates == [1, 1, 3, 1, 5, 7]
    flat, undilated = (small(**options).state_dict() for options in ({"rates": (1, 1, 1, 1)}, {"dilation": False}))
    assert {k: v.shape for k, v in flat.items()} == {k: v.shape for k, v in undilated.items()}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rates": (2, 4)}, r"rates=\(2, 4\).*four"), ({"rates": (2, 4, 8, 0)}, "rates=0"),
        ({"activation": "elu"}, "activation='elu'"), ({"decoder": "large"}, "decoder='large'"),
        ({"in_channels": 0}, "in_channels=0"), ({"initial": 65}, r"initial=65.*from 1 to 64"),
        ({"projection": "3x3"}, "projection='3x3'"), ({"variant": "lua"}, "variant='lua'"),
    ],
)  # fmt: skip
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        ENet(**{"num_classes": 3, **options})


def plain_bottleneck(x, kind, down, weights, slopes):
    """One bottleneck of the authors' encoder (slopes) or decoder (none), written out; weights are taken in order."""

    def take():
        return next(weights)

    def norm(y):
        scale, shift, mean, variance = (take() for _ in range(4))
        return F.batch_norm(y, mean, variance, scale, shift, eps=1e-3)

    def act(y):
        return F.prelu(y, take()) if slopes else F.relu(y)

    step = 2 if down else 1
    y = act(norm(F.conv2d(x, take(), stride=step)))
    if kind == "asymmetric":
        y = F.conv2d(y, take(), padding=(0, 2))  # torch7 gives the width first: 5, 1
        y = F.conv2d(y, take(), take(), padding=(2, 0))
    else:
        rate = int(kind.partition(" ")[2] or 1)
        y = F.conv2d(y, take(), take(), padding=rate, dilation=rate)
    y = norm(F.conv2d(act(norm(y)), take()))
    if down:
        x = F.max_pool2d(x, 2)
        x = torch.cat([x, x.new_zeros(x.shape[0], y.shape[1] - x.shape[1], *x.shape[2:])], 1)
    return act(x + y)


STAGE = ("regular", "dilated 2", "asymmetric", "dilated 4", "regular", "dilated 8", "asymmetric", "dilated 16")


@torch.no_grad()
def test_the_authors_network_written_out_gives_the_same_map():
    """Initial block, stages 1 and 2 of encoder.lua in plain torch, with our weights in order."""
    model = small(width=8).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1), module.running_var.uniform_(0.5, 1.5)
        elif isinstance(module, nn.PReLU):
            module.weight.uniform_(-0.5, 0.5)
    x = torch.rand(1, 3, 32, 48, dtype=torch.float64)
    parts = (model.initial, model.down1, model.stage1, model.down2, model.stage2)
    weights = iter([v for part in parts for k, v in part.state_dict().items() if not k.endswith("tracked")])
    w, b = next(weights), next(weights)
    y = torch.cat([F.conv2d(x, w, b, stride=2, padding=1), F.max_pool2d(x, 2)], 1)
    scale, shift, mean, variance, slope = (next(weights) for _ in range(5))
    y = F.prelu(F.batch_norm(y, mean, variance, scale, shift, eps=1e-3), slope)
    plan = [("regular", True), *[("regular", False)] * 4, ("regular", True)]
    for kind, down in plan + [(kind, False) for kind in STAGE]:
        y = plain_bottleneck(y, kind, down, weights, slopes=True)
    assert next(weights, None) is None
    ours = model.initial(x)
    ours = model.down2(model.stage1(model.down1(ours)[0]))[0]
    torch.testing.assert_close(model.stage2(ours), y)
    x = torch.rand(1, 32, 8, 8, dtype=torch.float64)
    last = iter([v for k, v in model.stage4[0].state_dict().items() if not k.endswith("tracked")])
    torch.testing.assert_close(model.stage4[0](x), plain_bottleneck(x, "regular", False, last, slopes=False))
