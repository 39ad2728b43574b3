"""Decoders that add: where each cell lands, the sums by hand, and what is refused."""

import pytest
import torch
import torch.nn.functional as F

from segkit.heads import SummedMaps, SummedScores, upscaling


@pytest.mark.parametrize("stride", [2, 3, 8])
def test_a_corner_cell_lands_on_its_own_pixel(stride):
    """A ramp over the cells becomes the ramp over the pixels, up to the last cell; the kernel is 2·stride wide."""
    layer = upscaling(2, stride, True).double()
    cells = (stride * torch.arange(5.0, dtype=torch.float64))[:, None].expand(5, 6)
    found = layer(cells.expand(1, 2, 5, 6))[0, 1]
    assert layer.kernel_size == (2 * stride,) * 2 and found.shape == (5 * stride, 6 * stride)
    pixels = torch.arange(4 * stride + 1, dtype=torch.float64)[:, None].expand(-1, 5 * stride + 1)
    torch.testing.assert_close(found[: 4 * stride + 1, : 5 * stride + 1], pixels, rtol=0, atol=1e-5)
    assert not layer.weight[0, 1].any(), "each channel by itself at first"


def test_a_cell_in_the_middle_is_interpolated_as_torch_does():
    x = torch.rand(1, 3, 6, 7, dtype=torch.float64)
    found = upscaling(3, 4, False).double()(x)
    expected = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


@pytest.mark.parametrize("corners", [True, False])
def test_scores_are_enlarged_and_added(corners):
    torch.manual_seed(0)
    head = SummedScores((4, 5, 6), 3, corners).double()
    maps = [torch.rand(2, c, *size, dtype=torch.float64) for c, size in ((4, (9, 6)), (5, (5, 3)), (6, (3, 2)))]
    found = head(maps)
    scores = [found[f"score_{s}"] for s in (8, 16, 32)]
    for score, m, layer in zip(scores, maps, (head.score_8, head.score_16, head.score_32), strict=True):
        torch.testing.assert_close(score, F.conv2d(m, layer.weight, layer.bias))
    ones = [torch.zeros_like(s) for s in scores]
    for i, one in enumerate(ones):  # the sum is linear: what each map adds, by itself
        one += scores[i]
    middle = head.up_16(ones[2])[..., :5, :3] + ones[1]
    torch.testing.assert_close(found["logits"], head.up(head.up_8(middle)[..., :9, :6] + ones[0]))


def test_maps_are_enlarged_and_added_without_a_relu_between():
    """In evaluation the decoder is affine: a mixture of two inputs gives the mixture of their scores."""
    torch.manual_seed(0)
    head = SummedMaps((2, 3, 4), 5).double().eval()
    first, second = ([torch.randn(1, c, n, n, dtype=torch.float64) for c, n in ((2, 9), (3, 5), (4, 3))] for _ in "ab")
    between = [0.3 * a + 0.7 * b for a, b in zip(first, second, strict=True)]
    logits = [head(maps)["logits"] for maps in (first, second, between)]
    torch.testing.assert_close(0.3 * logits[0] + 0.7 * logits[1], logits[2])
    assert logits[0].shape == (1, 5, 18, 18)
    alone = head([torch.zeros_like(first[0]), torch.zeros_like(first[1]), first[2]])["logits"]
    assert not torch.allclose(alone, logits[0]), "the finer maps are read"


def test_bad_arguments_are_named():
    for build, words in (
        (lambda: SummedScores((4, 5), 3), "SummedScores got 2 channels"),
        (lambda: SummedScores((4, 5, 0), 3), "channels=0"),
        (lambda: SummedMaps((4,), 3), "SummedMaps got channels of 1 maps"),
        (lambda: SummedMaps((4, 5), 3, dropout=2.0), "dropout=2"),
        (lambda: upscaling(3, 1, True), "stride=1"),
        (lambda: upscaling(3, 3, False), "stride=3 with corner_aligned=False"),
    ):
        with pytest.raises(ValueError, match=words):
            build()
