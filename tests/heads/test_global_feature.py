"""L2 normalisation and ParseNet's global feature: lengths, scales, half precision, and the whole picture in sight."""

import pytest
import torch

from segkit.analysis import receptive_field
from segkit.heads import GlobalFeature
from segkit.layers import Conv2d, L2Norm


def test_every_cell_has_length_one_times_a_scale_for_each_channel():
    layer, x = L2Norm(4, scale=1.0), 30 * torch.randn(2, 4, 3, 5)
    torch.testing.assert_close(layer(x).norm(dim=1), torch.ones(2, 3, 5))
    layer.weight.data = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(layer(x), torch.nn.functional.normalize(x) * layer.weight[:, None, None])
    assert torch.equal(layer(torch.zeros(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2)), "zeros have no direction, and no NaN"
    grad = torch.zeros(1, 4, 1, 1, requires_grad=True)
    layer(grad).sum().backward()
    assert grad.grad.isfinite().all()


def test_its_gradient_is_that_of_torch_and_turns_no_longer():
    layer = L2Norm(4).double()
    x = torch.randn(2, 4, 2, 3, dtype=torch.float64, requires_grad=True)

    def scaled(x, weight):
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(scaled, (x, layer.weight))
    (slope,) = torch.autograd.grad(layer(x).square().sum(), x)
    along = (slope * x).sum(1)  # a longer vector comes out the same
    torch.testing.assert_close(along, torch.zeros_like(along))


def test_large_values_of_half_precision_do_not_overflow():
    x = torch.full((1, 4, 1, 2), 300.0, dtype=torch.float16)
    y = L2Norm(4, scale=1.0).half()(x)
    assert y.dtype == torch.float16 and torch.equal(y, torch.full_like(y, 0.5))


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"\(1, 3, 2, 2\); it was made for N×4×h×w"):
        L2Norm(4)(torch.zeros(1, 3, 2, 2))
    for wrong in ({"channels": 0}, {"channels": 4, "scale": float("nan")}, {"channels": 4, "eps": -1}):
        with pytest.raises(ValueError, match=r"L2Norm got"):
            L2Norm(**wrong)


def test_local_and_global_come_to_one_length_whatever_theirs_was():
    """A mean a hundred times smaller drowns in a plain concatenation; normalised, both have the same length."""
    x = torch.rand(2, 4, 5, 6)
    x = torch.where(torch.rand(2, 1, 5, 6) > 0.02, x, 100 * x)  # a few cells that shout
    plain, even = GlobalFeature(4, normalise=False)(x), GlobalFeature(4)(x)
    assert torch.equal(plain[:, :4], x) and not list(GlobalFeature(4, normalise=False).parameters())
    torch.testing.assert_close(plain[:, 4:], x.mean((2, 3), keepdim=True).expand_as(x))
    for part in (even[:, :4], even[:, 4:]):
        torch.testing.assert_close(part.norm(dim=1), torch.full((2, 5, 6), 10.0))
    assert GlobalFeature(4).out_channels == even.shape[1] == 8


def test_the_whole_picture_is_in_sight():
    """Normalising looks at its own cell alone; the mean at all of them."""
    table = receptive_field([Conv2d(3, 4, 3, 2, padding=1), L2Norm(4), GlobalFeature(4)], (20, 31))
    assert table["1"].box(2, 3) == table["0"].box(2, 3) == (3, 6, 5, 8)
    assert table["2"].box(2, 3) == (0, 20, 0, 31) and table["2.mean"].whole
