"""The bilinear kernel: a transposed convolution that starts as interpolation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import segkit
from segkit.layers import ConvTranspose2d, bilinear_kernel, init_bilinear_


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 8, 16, 32])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("engine", ["native", "scratch"])
def test_it_interpolates_in_the_interior(stride: int, groups: int, engine: str) -> None:
    k = 2 * stride - stride % 2
    layer = ConvTranspose2d(3, 3, k, stride, padding=stride // 2, groups=groups).double()
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    with segkit.use_engine(engine), torch.no_grad():
        y = init_bilinear_(layer)(x)
    expected = nn.functional.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    assert y.shape == expected.shape
    inner = (..., slice(stride, -stride), slice(stride, -stride))
    torch.testing.assert_close(y[inner], expected[inner], rtol=1e-12, atol=1e-12)
    if stride > 1:  # at the border zeros come in from outside, where interpolation repeats the border
        assert not torch.allclose(y, expected)


def test_the_kernel_of_stride_two_and_three() -> None:
    assert (bilinear_kernel(1, 2)[0, 0, 0] * 16).tolist() == [1, 3, 3, 1]
    torch.testing.assert_close(bilinear_kernel(1, 3)[0, 0, 2] * 3, torch.tensor([1.0, 2, 3, 2, 1]))


def test_channels_do_not_mix() -> None:
    weight = bilinear_kernel(4, 2, dtype=torch.float64)
    assert weight.shape == (4, 4, 4, 4) and weight.dtype == torch.float64
    for i in range(4):
        for j in range(4):
            assert torch.equal(weight[i, j], weight[0, 0] if i == j else torch.zeros(4, 4, dtype=torch.float64))
    assert bilinear_kernel(1, 2).dtype == torch.get_default_dtype()


@pytest.mark.parametrize("stride", [2, 3, 8])
def test_it_sums_to_one_wherever_it_lands(stride: int) -> None:
    """Each output pixel's weights sum to 1, so a flat map stays flat inside."""
    layer = init_bilinear_(ConvTranspose2d(1, 1, 2 * stride - stride % 2, stride, padding=stride // 2))
    y = layer(torch.ones(1, 1, 5, 5))
    torch.testing.assert_close(y[..., stride:-stride, stride:-stride], torch.ones(3 * stride, 3 * stride)[None, None])


def test_what_cannot_interpolate_is_refused() -> None:
    with pytest.raises(ValueError, match="stride=0"):
        bilinear_kernel(2, 0)
    with pytest.raises(ValueError, match="channels=0"):
        bilinear_kernel(0, 2)
    with pytest.raises(ValueError, match=r"kernel_size \(3, 3\).*here 4"):
        init_bilinear_(ConvTranspose2d(2, 2, 3, stride=2))
    with pytest.raises(ValueError, match="one stride s for both"):
        init_bilinear_(ConvTranspose2d(2, 2, (4, 1), stride=(2, 1)))
    with pytest.raises(ValueError, match="2 channels in and 3 out"):
        init_bilinear_(ConvTranspose2d(2, 3, 4, stride=2))


def test_the_bias_starts_at_zero() -> None:
    layer = init_bilinear_(ConvTranspose2d(2, 2, 4, stride=2))
    assert layer.bias is not None and not layer.bias.any() and layer.weight.requires_grad
