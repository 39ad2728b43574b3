"""Power laws: exact ones are found exactly, what lies off is named, and what has no logarithm is refused."""

import math

import numpy as np
import pytest

from segkit.analysis import power_law


def test_an_exact_law_is_found():
    x = [1.0, 2.0, 5.0, 40.0]
    found = power_law(x, [3 * v**1.5 for v in x])
    assert found.exponent == pytest.approx(1.5) and found.factor == pytest.approx(3)
    assert found.error == pytest.approx(0, abs=1e-7) and found.off == pytest.approx([1] * 4)
    assert found.at(4.0) == pytest.approx(24)


def test_what_lies_off_is_named():
    x, y = [1.0, 2.0, 4.0, 8.0, 16.0], [1.0, 2.0, 12.0, 8.0, 16.0]
    found = power_law(x, y)
    assert found.exponent == pytest.approx(1), "three times too much in the middle tilts nothing"
    assert found.factor == pytest.approx(3**0.2) and int(np.argmax(found.off)) == 2
    assert found.off[2] == pytest.approx(3 / 3**0.2) and math.prod(found.off) == pytest.approx(1)
    slope, covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    assert found.exponent == pytest.approx(slope[0]) and found.error == pytest.approx(covariance[0, 0] ** 0.5)


def test_two_values_leave_nothing_over():
    found = power_law([2, 4], [10, 40])
    assert found.exponent == pytest.approx(2) and math.isnan(found.error)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1.0, 2.0], [1.0], "2 x and 1 y; give one y for each x"),
        ([], [], "0 values at a single x"),
        ([3.0, 3.0], [1.0, 2.0], "needs at least two different x"),
        ([1.0, 2.0], [0.0, 1.0], "y=0; a logarithm needs numbers above 0"),
        ([-1.0, 2.0], [1.0, 1.0], "x=-1; a logarithm"),
        ([1.0, math.inf], [1.0, 1.0], "x=inf"),
    ],
)
def test_refuses(x, y, words):
    with pytest.raises(ValueError, match=words):
        power_law(x, y)
