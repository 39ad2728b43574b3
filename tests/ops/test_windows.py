"""Where the bins of a pyramid lie: the paper's windows against the bins that share an axis out."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from segkit import ops
from segkit.ops.windows import bin_bounds, paper_windows


def test_the_papers_formula_makes_nine_bins_of_six_at_its_own_size() -> None:
    """conv5 is 13×13 for a picture of 224 pixels, where the formula works; 10×10 for one of 180."""
    assert [paper_windows(13, n) == bin_bounds(13, n) for n in (6, 3, 2, 1)] == [True] * 4
    assert paper_windows(10, 6) == [(u, u + 2) for u in range(9)]
    assert bin_bounds(10, 6) == [(0, 2), (1, 4), (3, 5), (5, 7), (6, 9), (8, 10)]
    assert [len(paper_windows(10, n)) for n in (3, 2, 1)] == [3, 2, 1]


def test_where_the_two_agree() -> None:
    """With a = q·n + r: equal for r ≤ 1; n windows that stop r − 1 cells early up to r = q; too many beyond."""
    seen = set()
    for a in range(1, 60):
        for n in range(1, a + 1):
            q, r = divmod(a, n)
            paper = paper_windows(a, n)
            assert (paper == bin_bounds(a, n)) == (r <= 1)
            assert (len(paper) == n) == (r <= q) and len(paper) >= n
            if 1 < r <= q:
                assert a - paper[-1][1] == r - 1
            seen.add((r <= 1, r <= q))
    assert seen == {(True, True), (False, True), (False, False)}


@pytest.mark.parametrize("n", range(1, 30))
@pytest.mark.parametrize("bins", [1, 2, 3, 6, 13, 40])
def test_bins_cover_every_cell_and_none_is_empty(n: int, bins: int) -> None:
    bounds = bin_bounds(n, bins)
    assert len(bounds) == bins and bounds[0][0] == 0 and bounds[-1][1] == n
    assert all(start < end for start, end in bounds)
    assert all(b <= d and 0 <= b - c <= 1 for (_, b), (c, d) in pairwise(bounds))
    if bins >= n:
        assert max(end - start for start, end in bounds) <= 2


def test_a_pyramid_has_one_length_for_every_size() -> None:
    for size in ((13, 13), (10, 10), (7, 21), (1, 1)):
        assert ops.spatial_pyramid_pool(torch.randn(2, 256, *size)).shape == (2, 12_800)
    assert ops.spatial_pyramid_pool(torch.randn(3, 5, 4), (2, 1)).shape == (15,)


def test_the_order_is_level_then_channel_then_row() -> None:
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])[None]
    assert ops.spatial_pyramid_pool(x, (2, 1)).tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 4, 8]]
    assert ops.spatial_pyramid_pool(x, (1, 2), "avg").tolist() == [[2.5, 6.5, 1, 2, 3, 4, 5, 6, 7, 8]]


class Pyramids(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [ops.spatial_pyramid_pool(x, (6, 2, 1), mode) for mode in ("max", "avg")]


def test_a_pyramid_is_exported_for_maps_of_any_size() -> None:
    """Of at least as many cells as bins."""
    free = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    exported = torch.export.export(Pyramids(), (torch.randn(2, 3, 20, 17),), dynamic_shapes=(free,)).module()
    for size in ((7, 40), (33, 9)):
        x = torch.randn(2, 3, *size)
        for ours, expected in zip(exported(x), Pyramids()(x), strict=True):
            torch.testing.assert_close(ours, expected)


def test_with_fewer_cells_than_bins_cells_repeat() -> None:
    """Three bins over two cells: the first, both, the second."""
    assert bin_bounds(2, 3) == [(0, 1), (0, 2), (1, 2)]
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert ops.spatial_pyramid_pool(x, (3,)).tolist() == [1, 2, 2, 3, 4, 4, 3, 4, 4]
    assert ops.spatial_pyramid_pool(x, (3,), "avg").tolist() == [1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4]
    assert ops.spatial_pyramid_pool(x[:, :1, :1], (3,)).tolist() == [1] * 9
