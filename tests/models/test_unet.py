"""U-Net: the paper's sizes, 'valid' and 'same', mirrored borders, the network written down with torch's functions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segkit.models import UNet, create
from segkit.models.unet import PADDINGS, SKIPS, centre_crop, mirrored


def small(num_classes=5, **options):
    torch.manual_seed(0)
    return create("unet", num_classes, **{"width": 4, **options})


def count(num_classes=2, **options):
    with torch.device("meta"):
        return sum(p.numel() for p in create("unet", num_classes, **options).parameters())


def test_at_the_papers_size_unet_has_31_0_million_parameters():
    assert count() == count(padding="same") == count(up="bilinear") == 31_037_698
    assert count(batch_norm=False, in_channels=1) == 31_030_658  # the paper's own: grey pictures, biases, no BatchNorm


def test_sum_halves_the_first_convolution_of_each_level_on_the_way_up():
    spared = sum(9 * c * c for c in (64, 128, 256, 512))
    assert count(skip="sum") == count(skip="none") == count() - spared


def test_papers_picture_of_572_gives_scores_of_388_with_23_convolutions():
    with torch.device("meta"):
        model = create("unet", 2, in_channels=1, batch_norm=False)
        assert model.raw(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    assert model.tile_size(388) == (572, 388) and model.border == 92
    convolutions = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    assert sum(isinstance(m, convolutions) for m in model.modules()) == 23


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_tile_size_is_the_smallest_that_covers(levels):
    model = small(levels=levels)
    for cover in (1, 4, 5, 61, 96):
        side, scores = model.tile_size(cover)
        assert model.raw(torch.zeros(1, 3, side, side)).shape[-2:] == (scores, scores)
        assert scores >= cover > scores - 2 ** (levels - 1) or scores == model.tile_size(1)[1]


def test_same_as_written_with_torchs_functions():
    """Figure 1 once more on torch.nn.functional, with the figure's crops: 568 → 392 is 88 on each side."""
    model = small(batch_norm=False).eval()
    x = torch.randn(1, 3, 188, 204)
    pairs = [[(c.weight, c.bias) for c in block if isinstance(c, torch.nn.Conv2d)] for block in model.contracting]
    climbs = [[(c.weight, c.bias) for c in block if isinstance(c, torch.nn.Conv2d)] for block in model.expansive]
    want, skips = x, []
    for level, block in enumerate(pairs):
        want = F.max_pool2d(want, 2) if level else want
        for weight, bias in block:
            want = F.relu(F.conv2d(want, weight, bias))
        skips.append(want)
    for level, (block, crop) in enumerate(zip(climbs, (4, 16, 40, 88), strict=True)):
        want = F.conv_transpose2d(want, model.up[level].conv.weight, model.up[level].conv.bias, stride=2)
        want = torch.cat([skips[3 - level][..., crop:-crop, crop:-crop], want], 1)
        for weight, bias in block:
            want = F.relu(F.conv2d(want, weight, bias))
    want = F.conv2d(want, model.score.weight, model.score.bias)
    with torch.no_grad():
        assert want.shape == (1, 5, 4, 20)
        torch.testing.assert_close(model.raw(x), want, rtol=1e-4, atol=1e-5)


def reflected(x, left, right, top, bottom):
    """The mirror image place by place: the coordinate runs up and down between the first and the last row or column."""

    def places(n, before, after):
        place = torch.arange(-before, n + after)
        return ((place + n - 1) % max(2 * n - 2, 1) - n + 1).abs() if n > 1 else place * 0

    H, W = x.shape[-2:]
    return x[..., places(H, top, bottom)[:, None], places(W, left, right)]


def test_reflected_is_numpys_where_once_is_enough():
    x = torch.randn(1, 2, 9, 8)
    want = np.pad(x.numpy(), ((0, 0), (0, 0), (8, 3), (0, 7)), mode="reflect")
    assert np.array_equal(reflected(x, 0, 7, 8, 3).numpy(), want)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 5), (3, 200), (64, 41)])
@pytest.mark.parametrize("border", [(0, 0, 0, 0), (1, 0, 0, 0), (92, 95, 92, 3), (0, 7, 300, 0), (13, 14, 15, 16)])
def test_mirrored_is_the_reflection_however_often_it_takes(size, border):
    x = torch.randn(1, 2, *size)
    assert torch.equal(mirrored(x, *border), reflected(x, *border))


def test_valid_scores_come_from_the_mirrored_picture_and_lie_over_their_pixels():
    model = small(levels=3).eval()
    x, border = torch.randn(1, 3, 30, 45), model.border
    tall, wide = (model.tile_size(n)[0] - n - border for n in (30, 45))
    with torch.no_grad():
        torch.testing.assert_close(model.raw(reflected(x, border, wide, border, tall))[..., :30, :45], model(x))


def test_valid_knows_no_border_where_same_does():
    """A picture of one colour gets one score at every pixel from 'valid'; zero padding draws a frame."""
    x = torch.full((1, 3, 24, 40), 0.7)
    with torch.no_grad():
        spread = {
            padding: float(small(padding=padding, levels=3, up="bilinear").eval()(x).std((2, 3)).max())
            for padding in PADDINGS
        }
    assert spread["valid"] < 1e-5 < 1e-3 < spread["same"]


@pytest.mark.parametrize("skip", SKIPS)
def test_skip_decides_whether_the_first_level_is_heard(skip):
    """With the way through the bottom cut, only the skips can move the logits."""
    model = small(skip=skip, padding="same").eval()
    for up in model.up:
        torch.nn.init.zeros_(up.conv.weight)
    with torch.no_grad():
        a, b = (model(torch.randn(1, 3, 32, 32)) for _ in range(2))
    assert torch.equal(a, b) == (skip == "none")


def test_dropout_stands_at_the_end_of_the_contracting_path():
    model, x = small(padding="same", dropout=0.9, batch_norm=False), torch.randn(1, 3, 32, 32)
    model.train()
    dropped = model.outputs(x)["bottom"]
    model.eval()
    whole = model.outputs(x)["bottom"]
    assert (dropped == 0).float().mean() > 0.85 > (whole == 0).float().mean()
    model = small(padding="same", dropout=0.0, batch_norm=False)
    assert torch.equal(model.train()(x), model.eval()(x))


def test_centre_crop_takes_the_middle():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    assert torch.equal(centre_crop(x, 4, 2), x[..., 2:6, 3:5]) and torch.equal(centre_crop(x, 8, 8), x)


@pytest.mark.parametrize("padding", PADDINGS)
def test_it_learns_what_single_pixels_say(padding):
    model = small(2, padding=padding, levels=3, in_channels=1, width=8)
    x = F.avg_pool2d(torch.randn(4, 1, 36, 44), 5, 1)
    labels = (x[:, 0] > 0).long()
    optimiser, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(30):
        loss = F.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding": "full"}, "padding='full'"), ({"up": "nearest"}, "up='nearest'"), ({"skip": "mean"}, "skip='mean'"),
        ({"levels": 1}, "levels=1"), ({"in_channels": 0}, "in_channels=0"),
    ],
)  # fmt: skip
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        UNet(**{"num_classes": 3, **options})


def test_bad_pictures_are_named():
    with pytest.raises(ValueError, match=r"UNet got .*N×3×H×W"):
        small().raw(torch.zeros(1, 1, 188, 188))
    with pytest.raises(ValueError, match=r"573×572.*588.*multiple of 16"):
        with torch.device("meta"):
            small().raw(torch.empty(1, 3, 573, 572))
    with pytest.raises(ValueError, match=r"at least 188"):
        small().raw(torch.zeros(1, 3, 44, 44))


def test_what_is_dropped_is_missing_further_down_too():
    """Section 3.1: dropout ends the contracting path, so the last level reads what the one before has kept."""
    torch.manual_seed(0)
    model = create("unet", 2, width=4, levels=3, padding="same").train()
    seen = {}
    for level in (1, 2):
        model.contracting[level].register_forward_hook(lambda _, i, o, n=level: seen.update({n: (i[0], o)}))
    skips = []
    model.expansive[0].register_forward_pre_hook(lambda _, inputs: skips.append(inputs[0][:, :8]))
    with torch.no_grad():
        model(torch.rand(1, 3, 32, 32))
    kept, pooled = skips[0], seen[2][0]
    assert bool((kept == 0).any()) and not torch.equal(kept, seen[1][1]), "nothing was dropped"
    assert torch.equal(pooled, F.max_pool2d(kept, 2))
