"""What the doors let in, as which type, and what they say to the rest."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from segkit import checks
from segkit.checks import NotWhole, chosen, finite, pair, size, whole
from segkit.ops import arguments


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), torch.tensor(3), np.array(3)])
def test_every_kind_of_whole_number_becomes_an_int(value: object) -> None:
    for number in (whole(value, "width", "f", 0), whole(value, "width", "f", 3, 3), *pair(value, "width", "f", 1)):
        assert number == 3 and type(number) is int


@pytest.mark.parametrize("value", [True, np.True_, np.array(True), torch.tensor(True), "3", 3.0, None, (3,), 3 + 0j])
def test_nothing_else_is_a_whole_number(value: object) -> None:
    with pytest.raises(TypeError, match=r"^f got width=.*; width is a whole number from 1 up$"):
        whole(value, "width", "f", 1)
    with pytest.raises(ValueError, match="width"):  # wrong in type, and so in value
        whole(value, "width", "f", 1)
    assert issubclass(NotWhole, TypeError) and issubclass(NotWhole, ValueError)


def test_bounds_of_whole_numbers_are_both_included() -> None:
    with pytest.raises(ValueError, match=r"^f got width=0; width is a whole number from 1 up$") as caught:
        whole(0, "width", "f", 1)
    assert not isinstance(caught.value, TypeError)
    with pytest.raises(ValueError, match="steps=5; steps is a whole number from 1 to 4"):
        whole(5, "steps", "f", 1, 4)


def test_pairs() -> None:
    assert pair(2, "stride", "f", 1) == pair((2,), "stride", "f", 1) == (2, 2)
    assert pair([2, np.int32(3)], "stride", "f", 1) == (2, 3)
    for value, words in (((1, 2, 3), "3 numbers"), ((1, 0), "stride=0"), ("12", "stride='12'"), ((), "0 numbers")):
        with pytest.raises(ValueError, match=words):
            pair(value, "stride", "f", 1)


def test_sizes_are_two_numbers() -> None:
    assert size([32, np.int64(64)], "size", "f", 32, 64, (48, 48)) == (32, 64)
    for value, error, words in (
        (32, TypeError, r"for instance \(48, 48\)"),
        ((32, 32, 3), TypeError, r"\(height, width\)"),
        ((31, 32), ValueError, r"size\[0\] \(height\)=31"),
        ((32, 65), ValueError, r"size\[1\] \(width\)=65.*32 to 64"),
    ):
        with pytest.raises(error, match=words):
            size(value, "size", "f", 32, 64, (48, 48))


def test_finite_numbers() -> None:
    for value in (1, 1.0, np.float32(1), np.int64(1)):
        number = finite(value, "p", "f", 0, 1)
        assert number == 1 and type(number) is float
    assert finite(-1e300, "x", "f") == -1e300 and finite(5, "x", "f", 5) == 5
    for value in (math.nan, math.inf, -0.1, 1.1):
        with pytest.raises(ValueError, match=r"f got p=.*; it is a finite number from 0 to 1"):
            finite(value, "p", "f", 0, 1)
    for value in (True, "1", None, np.True_, [1.0]):
        with pytest.raises(TypeError, match="f got p="):
            finite(value, "p", "f", 0, 1)
    with pytest.raises(ValueError, match="f got p=2; a chance"):
        finite(2, "p", "f", 0, 1, "a chance lies between 0 and 1")


def test_names() -> None:
    assert chosen("b", "kind", "f", ["a", "b"]) == "b"
    with pytest.raises(ValueError, match=r"^f got kind='c'; it takes 'a', 'b'$"):
        chosen("c", "kind", "f", {"a": 1, "b": 2})


def test_the_operators_use_these() -> None:
    assert arguments.whole is checks.whole and arguments.pair is checks.pair
