"""PyramidExplorer: the bin of the marked cell, what its branch says, and the kernel's nine cells."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from segkit.explore import PyramidExplorer
from segkit.explore.pyramid import STRIDE, heard


def test_a_cell_hears_its_bin_as_torch_pools_it() -> None:
    cells = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0))
    for bins in (1, 2, 3, 5, 6, 7):
        for mode, pool in (("avg", F.adaptive_avg_pool2d), ("max", F.adaptive_max_pool2d)):
            found = heard(cells, bins, mode, 3, 13, 21)
            pooled = pool(cells, bins)
            top, bottom, left, right = found.region
            region = cells[:, top:bottom, left:right]
            said = region.mean((1, 2)) if mode == "avg" else region.amax((1, 2))
            u, v = found.bounds[0].index((top, bottom)), found.bounds[1].index((left, right))
            assert top <= 13 < bottom and left <= 21 < right
            assert torch.allclose(said, pooled[:, u, v])
            again = F.interpolate(pooled[None], (24, 32), mode="bilinear", align_corners=True)[0]
            assert torch.allclose(found.beside, again, atol=1e-6)


def test_taps() -> None:
    found = heard(torch.rand(3, 24, 32), 2, "avg", 8, 3, 16)
    assert (
        found.taps[4].tolist() == [3, 16] and found.taps[0].tolist() == [-5, 8] and found.taps[8].tolist() == [11, 24]
    )
    assert found.inside.tolist() == [False] * 3 + [True] * 6


def test_controls_and_clicks() -> None:
    e = PyramidExplorer()
    assert e.results.region == (12, 24, 16, 32) and "25 % of the picture" in e.caption.value
    e.controls["bins"].value = 1
    assert "24×32 cells, 100 % of the picture" in e.caption.value and e.last.bins == 2
    e.controls["mode"].value = "max"
    assert "the maximum of" in e.caption.value
    e.picture.x, e.picture.y = e.canvas.point(e.parts["pictures"][0].axes, 10 * STRIDE + 3, 2 * STRIDE + 1)
    assert (e["row"], e["column"]) == (2, 10)
    e.controls["rate"].value = 18
    assert "reads 4 of its nine" in e.caption.value, "right and below alone"
    before = np.asarray(e.parts["pictures"][0].get_array()).copy()
    e.controls["scene"].value = 2
    assert (np.asarray(e.parts["pictures"][0].get_array()) != before).any()
