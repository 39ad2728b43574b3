"""Counting agrees with gradients, and the figures of hybrid dilated convolution come out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d

from segkit.analysis import contributions, hdc_verdict, max_distances, receptive_field

FACTS = {  # rates: M_2, field and holes along one axis, kernel 3
    (1, 2, 5): (2, 17, 0),
    (1, 2, 9): (5, 25, 4),
    (2, 2, 2): (2, 13, 6),
    (2, 4, 8): (4, 29, 14),
    (5, 9, 17): (9, 63, 36),
    (1, 2, 5, 1, 2, 5): (5, 33, 0),
}


@pytest.mark.parametrize("rates", FACTS)
def test_figures_of_the_paper(rates: tuple[int, ...]) -> None:
    found = contributions(rates)
    assert (max_distances(rates)[0], found.field, found.holes) == FACTS[rates]
    assert hdc_verdict(rates).follows_rule == (rates[:3] == (1, 2, 5))


def test_one_kernel_at_rate_two() -> None:
    found = contributions([2])
    assert (found.plane > 0).sum() == 9 and found.plane.size == 25 and found.share == 9 / 25


def gradient(rates: list[int], kernels: list[int], strides: list[int]) -> np.ndarray:
    """How often each input reaches the upper left unit of a stack of all-ones convolutions, from autograd."""
    size = contributions(rates, kernels, strides).field
    x = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    y = x
    for rate, kernel, stride in zip(rates, kernels, strides, strict=True):
        y = conv2d(y, torch.ones(1, 1, kernel, kernel, dtype=torch.float64), stride=stride, dilation=rate)
    y[0, 0, 0, 0].backward()
    assert y.shape[-2:] == (1, 1), "the unit sees exactly this much"
    return x.grad[0, 0].numpy()


layer = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3))


@given(st.lists(layer, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_counts_are_the_gradient_of_a_stack_of_ones(layers: list[tuple[int, int, int]]) -> None:
    rates, kernels, strides = (list(x) for x in zip(*layers, strict=True))
    if contributions(rates, kernels, strides).field <= 120:
        found = contributions(rates, kernels, strides)
        assert np.array_equal(found.plane, gradient(rates, kernels, strides))
        line = np.sqrt(found.plane.diagonal().astype(float)).round().astype(int)
        assert np.array_equal(found.line, line)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_field_is_the_recursion(layers: list[tuple[int, int, int]]) -> None:
    rates, kernels, strides = (list(x) for x in zip(*layers, strict=True))
    found = contributions(rates, kernels, strides)
    field, jump = 1, 1
    for r, k, s in layers:
        field, jump = field + (k - 1) * r * jump, jump * s
    assert found.field == field == found.touched + found.holes and found.line[0] == found.line[-1] == 1
    assert found.line.sum() == math.prod(kernels), "every choice of one tap in each layer is a path"


def test_field_agrees_with_the_receptive_field_of_a_network() -> None:
    rates = [1, 1, 2, 4, 8, 16, 1]  # Yu & Koltun 2016, Table 1
    layers = [torch.nn.Conv2d(1, 1, 3, padding=r, dilation=r) for r in rates]
    fields = [contributions(rates[: n + 1]).field for n in range(7)]
    rows = receptive_field(torch.nn.Sequential(*layers), 96).rows
    assert fields == [3, 5, 9, 17, 33, 65, 67] == [row.receptive_field[0] for row in rows]
    assert contributions(rates).holes == 0


def test_a_common_factor_makes_grids_that_never_meet() -> None:
    for rates in ([2, 2, 2], [3, 6], [4], [6, 10, 4]):
        found, factor = contributions(rates), math.gcd(*rates)
        assert found.grids == factor and not found.line[np.arange(found.field) % factor != 0].any()
    assert contributions([2, 2], stride=[2, 1]).grids == 2 and contributions([1, 1], stride=[2, 1]).grids == 1
    assert contributions([2, 3], kernel=[3, 1]).grids == 2, "a 1×1 kernel moves nothing"
    assert contributions([5], kernel=1).grids == 1 and contributions([5], kernel=1).field == 1


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_the_rule_is_enough_after_a_first_rate_of_one(kernel: int) -> None:
    """What the docstring of hdc_verdict says was searched."""
    follow = 0
    for n in (2, 3, 4):
        for rest in itertools.product(range(1, 8), repeat=n - 1):
            verdict = hdc_verdict((1, *rest), kernel)
            follow += verdict.follows_rule
            assert not (verdict.follows_rule and verdict.holes), rest
    assert follow > 40


def test_the_rule_errs_both_ways() -> None:
    enough = hdc_verdict([2, 3])
    assert enough.follows_rule and enough.holes == 2 and "not enough" in str(enough)
    cautious = hdc_verdict([1, 3, 1])
    assert not cautious.follows_rule and cautious.holes == 0 and "cautious" in str(cautious)
    two_taps = hdc_verdict([1, 2, 5], kernel=2)
    assert two_taps.follows_rule and two_taps.holes == 1


def test_reasons_in_words() -> None:
    assert "M_2 = 5 > K = 3" in str(hdc_verdict([1, 2, 9])) and "4 holes" in str(hdc_verdict([1, 2, 9]))
    assert "factor 2" in str(hdc_verdict([2, 4, 8])) and "2×2 grids" in str(hdc_verdict([2, 4, 8]))
    assert "all 17 inputs" in str(hdc_verdict([1, 2, 5])) and "fine" in str(hdc_verdict([1, 2, 5]))
    repeated = hdc_verdict([1, 2, 5] * 2)
    assert repeated.group == (1, 2, 5) and repeated.m2 == 2 and "repeats 2 times" in str(repeated)
    assert hdc_verdict([1]).follows_rule and not hdc_verdict([3]).follows_rule
    assert hdc_verdict([2, 2, 2]).m2 == 2 and not hdc_verdict([2, 2, 2]).follows_rule
    assert hdc_verdict([4], kernel=1).follows_rule


def test_many_layers_stay_exact() -> None:
    deep = contributions([1] * 60)
    assert sum(deep.line.tolist()) == 3**60 and deep.plane.max() == deep.line.max() ** 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([],), ValueError, "no rates"),
        ((3,), TypeError, r"rates=3 \(int\); rates is a sequence, each item a whole number"),
        (([1, 0],), ValueError, r"rates\[1\]=0"),
        (([1.5],), TypeError, "whole number"),
        (([True],), TypeError, "whole number"),
        (([1, 2], [3]), ValueError, "1 numbers for 2 rates"),
        (([1, 2], 0), ValueError, r"kernel\[0\]=0"),
        (([1], 3, -1), ValueError, r"stride\[0\]=-1"),
    ],
)
def test_refuses(arguments: tuple, error: type[Exception], words: str) -> None:
    for function in (contributions, hdc_verdict):
        with pytest.raises(error, match=words):
            function(*arguments)


def test_max_distances_refuses_nothing() -> None:
    with pytest.raises(ValueError, match="no rates"):
        max_distances([])
