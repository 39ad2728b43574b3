"""ENet: the paper's size and stages, its authors' choices one by one, what each block does."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.analysis import receptive_field
from segkit.models import ENet, create
from segkit.models.enet import Bottleneck, Down, Initial, Up


def small(**options):
    torch.manual_seed(0)
    return create("enet", 5, **{"width": 4, **options})


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_at_the_papers_size_enet_has_0_37_million_parameters():
    """Counted by hand for one bottleneck of each kind, and the whole as the paper rounds it."""
    norms, slopes = 2 * (32 + 32 + 128), 32 + 32 + 128
    around = 128 * 32 + 32 * 128 + norms + slopes
    assert count(Bottleneck(128, "dilated 4", "prelu", True, 0.1)) == around + 32 * 32 * 9 + 32
    assert count(Bottleneck(128, "asymmetric", "prelu", True, 0.1)) == around + 32 * 32 * 10 + 32
    assert count(Bottleneck(128, "asymmetric", "relu", False, 0.1)) == around - slopes + 32 * 32 * 25 + 32
    assert abs(count(create("enet", 19)) / 1e6 - 0.37) < 0.01


def test_what_each_choice_costs():
    own, plain = count(create("enet", 12)), {"num_classes": 12}
    slopes = sum(m.weight.numel() for m in ENet(**plain).modules() if isinstance(m, nn.PReLU))
    assert count(ENet(**plain, activation="relu")) == own - slopes
    assert count(ENet(**plain, asymmetric=False)) == own + 4 * 32 * 32 * (25 - 10)
    mirror = ENet(**plain, decoder="mirror")
    again = count(mirror.stage1) // 4 * 2 + count(mirror.stage2) + count(mirror.stage3)
    assert count(mirror) == own + again


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
    torch.testing.assert_close(out[:, 13:], F.max_pool2d(x, 2, ceil_mode=True), rtol=1e-4, atol=1e-5)


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
    torch.testing.assert_close(back[back != 0], x[back != 0], rtol=1e-4, atol=1e-5)


def test_dropout_takes_whole_maps_and_less_of_them_early():
    model = small(dropout=0.1)
    rates = {name: m.p for name, m in model.named_modules() if isinstance(m, nn.Dropout2d)}
    early = {p for name, p in rates.items() if name.startswith(("down1", "stage1"))}
    assert early == {0.01} and {p for name, p in rates.items() if not name.startswith(("down1", "stage1"))} == {0.1}


def test_early_downsampling_doubles_what_the_encoder_sees():
    fields = [
        receptive_field(small(early_downsampling=early).eval(), (64, 64))["down2"].receptive_field[0]
        for early in (True, False)
    ]
    strides = [
        small(early_downsampling=e).outputs(torch.randn(2, 3, 64, 64))["bottom"].shape[-1] for e in (True, False)
    ]
    assert strides == [8, 16] and fields[0] > 1.8 * fields[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation": "elu"}, "activation='elu'"), ({"decoder": "large"}, "decoder='large'"),
        ({"in_channels": 0}, "in_channels=0"),
    ],
)  # fmt: skip
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        ENet(**{"num_classes": 3, **options})
