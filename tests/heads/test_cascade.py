"""Cascade fusion by hand, what its dilated kernel reads, and what its guide learns from."""

import pytest
import torch
import torch.nn.functional as F

import segkit
from segkit.heads import CascadeFusion


def lively(**options):
    torch.manual_seed(0)
    return CascadeFusion(**{"coarse": 6, "fine": 4, "channels": 5, **options}).double().eval()


@pytest.mark.parametrize("size", [(9, 13), (8, 13), (1, 2), (1, 1)])
def test_it_enlarges_convolves_and_adds(size):
    """A coarse cell i on fine cell 2·i; beyond the last one its value is repeated."""
    module, (H, W) = lively(num_classes=3), size
    coarse = torch.randn(2, 6, (H + 1) // 2, (W + 1) // 2, dtype=torch.float64)
    fine = torch.randn(2, 4, H, W, dtype=torch.float64)
    h, w = coarse.shape[-2:]
    more = F.pad(coarse, (0, 1, 0, 1), mode="replicate")
    wide = F.interpolate(more, (2 * h + 1, 2 * w + 1), mode="bilinear", align_corners=True)[..., :H, :W]
    torch.testing.assert_close(wide[..., ::2, ::2], coarse)
    scale = (1 + 1e-5) ** 0.5  # a BatchNorm that saw nothing yet
    deep = F.conv2d(wide, module.refine[0].weight, padding=2, dilation=2) / scale
    expected = F.relu(deep + F.conv2d(fine, module.project[0].weight) / scale)
    for engine in ("native", "scratch"):
        with segkit.use_engine(engine):
            found, guide = module(coarse, fine)
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(guide, module.guide(wide), rtol=1e-9, atol=1e-12)


def test_where_a_coarse_cell_stands_the_dilated_kernel_reads_coarse_cells():
    """It equals a plain 3×3 on the coarse map there, so it costs four times as much for the cells between."""
    module = lively()
    coarse, silent = torch.randn(1, 6, 5, 7, dtype=torch.float64), torch.zeros(1, 4, 9, 13, dtype=torch.float64)
    plain = F.relu(F.conv2d(coarse, module.refine[0].weight, padding=1) / (1 + 1e-5) ** 0.5)
    found = module(coarse, silent)[0][..., ::2, ::2]
    torch.testing.assert_close(found[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1])


def test_the_guide_reads_the_coarse_map_only():
    module = lively(num_classes=2)
    coarse = torch.randn(1, 6, 3, 3, dtype=torch.float64, requires_grad=True)
    fine = torch.randn(1, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    found, guide = module(coarse, fine)
    assert torch.autograd.grad(guide.sum(), fine, allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(found.sum(), fine)[0].any()
    assert lively()(coarse, fine)[1] is None


@pytest.mark.parametrize("wrong", ["coarse", "fine", "channels", "num_classes"])
def test_bad_numbers_are_named(wrong):
    with pytest.raises(ValueError, match=f"CascadeFusion got {wrong}=0"):
        lively(**{wrong: 0})
