"""Valid weights: counted as a convolution counts them, the closed forms, the figures of DeepLab v3's Figure 4."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segkit.analysis import three_by_three, valid_weights


@pytest.mark.parametrize("size", [1, 5, 12, (7, 20), (20, 7), (1, 9)])
@pytest.mark.parametrize(
    ("rate", "kernel"), [(1, 3), (2, 3), (5, 3), (9, 3), (30, 3), (2, 5), ((1, 4), (3, 7)), (3, 1)]
)
def test_the_count_is_a_convolution_of_ones(size, rate, kernel) -> None:
    """Ones under a kernel of ones, zeros around: what torch adds up is how many weights were valid."""
    found = valid_weights(size, rate, kernel)
    (kh, kw), (rh, rw) = found.kernels, found.rates
    ones, padding = torch.ones(1, 1, *found.size), (rh * (kh // 2), rw * (kw // 2))
    counted = F.conv2d(ones, torch.ones(1, 1, kh, kw), padding=padding, dilation=(rh, rw))
    assert torch.equal(found.map, counted[0, 0].long())
    assert found.mean == pytest.approx(float(counted.mean()))
    shares = [found.share(count) for count in range(kh * kw + 1)]
    assert sum(shares) == pytest.approx(1) and found.all_valid == shares[-1] and found.centre_only == shares[1]


@pytest.mark.parametrize("size", [1, 6, 33, 65, (33, 17), (4, 31)])
def test_closed_forms_equal_the_count(size) -> None:
    for rate in range(1, 70):
        counted, formula = valid_weights(size, rate), three_by_three(size, rate)
        for name in ("mean", "all_valid", "centre_only"):
            assert getattr(formula, name) == pytest.approx(getattr(counted, name), abs=1e-12), (rate, name)


def test_the_formulas_of_a_square_map() -> None:
    n, r = 65, 24
    assert three_by_three(n, r).mean == pytest.approx((3 - 2 * r / n) ** 2)
    assert three_by_three(n, r).all_valid == pytest.approx((1 - 2 * r / n) ** 2)
    assert three_by_three(n, r).centre_only == 0
    assert three_by_three(n, 48).centre_only == pytest.approx((2 * 48 / n - 1) ** 2)


@pytest.mark.parametrize(
    ("n", "means"),
    [(65, {6: 7.93, 12: 6.92, 18: 5.98, 24: 5.11, 36: 3.58, 48: 2.32, 64: 1.06}), (33, {6: 6.95, 12: 5.17, 18: 3.64})],
)
def test_means_of_the_papers_figure(n: int, means: dict[int, float]) -> None:
    for rate, mean in means.items():
        assert valid_weights(n, rate).mean == pytest.approx(mean, abs=0.005)


def test_at_the_rate_of_the_map_only_the_centre_is_left() -> None:
    assert valid_weights((20, 30), 30).centre_only == 1 and valid_weights((20, 30), 30).mean == 1
    assert 0.9 < valid_weights(65, 64).centre_only < 1


def test_what_has_no_centre_or_no_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel=2; an even kernel has no centre"):
        valid_weights(8, 1, 2)
    for call in (lambda: valid_weights(0, 1), lambda: valid_weights(8, 0), lambda: valid_weights((1, 2, 3), 1)):
        with pytest.raises(ValueError, match="valid_weights got"):
            call()
    with pytest.raises(ValueError, match="three_by_three got rate=0"):
        three_by_three(8, 0)
