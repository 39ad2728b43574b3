"""Arguments against annotations: what each takes, and what the message says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segkit.checks import WrongKind
from segkit.models import create
from segkit.typed import described, fits, typed

NAN = float("nan")
TAKES: list[tuple[Any, list[Any], list[Any]]] = [
    (int, [3, -1, np.int64(3), torch.tensor(3)], [1.0, True, "3", None, NAN, np.True_, torch.tensor(True)]),
    (float, [3, 0.5, np.float32(0.5), float("inf")], [NAN, "0.5", True, None, 2j, [0.5]]),
    (str, ["a", ""], [b"a", 3, None]),
    (int | None, [3, None], [0.5]),
    (Sequence[int], [(1, 2), [], [np.int64(1)]], ["12", (1.5,), 3, {1: 2}, {1}]),
    (tuple[int, int], [(1, 2), [1, 2]], [(1,), (1, 2, 3), (1, "2"), 3]),
    (int | tuple[int, int], [3, (1, 2)], [1.5, (1,)]),
    (Tensor | np.ndarray, [torch.zeros(2), np.zeros(2)], [[0.0], None, "x"]),
    (nn.Module, [nn.ReLU()], [nn.ReLU, None]),
    (Callable[[int], int], [len], [3]),
    (bool, [True, 1, np.False_, None], ["false", "no", b"", ""]),
    (bool | str, [True, "x"], [1, None]),
    (Any, [object()], []),
]


@pytest.mark.parametrize(("hint", "right", "wrong"), TAKES, ids=[str(row[0]) for row in TAKES])
def test_what_fits(hint: Any, right: list[Any], wrong: list[Any]) -> None:
    assert all(fits(value, hint) for value in right), [v for v in right if not fits(v, hint)]
    assert not any(fits(value, hint) for value in wrong), [v for v in wrong if fits(v, hint)]


@typed
def scaled(x: Tensor, factor: float = 1.0, *, sizes: Sequence[int] = (), label: str | None = None) -> Tensor:
    """Something with a door."""
    return x * factor


class Thing:
    @typed
    def __init__(self, side: int) -> None:
        self.side = side


def test_messages_say_who_what_came_and_what_fits() -> None:
    x = torch.zeros(2)
    assert torch.equal(scaled(x, 2, sizes=[1], label=None), x) and Thing(3).side == 3
    for call, message in (
        (lambda: scaled([0.0]), r"scaled got x=\[0\.0\] \(list\); x is a tensor"),
        (lambda: scaled(x, x), r"scaled got factor=Tensor of torch\.float32 and shape \(2,\); factor is a number"),
        (lambda: scaled(x, sizes=(1.5,)), r"sizes=\(1\.5,\) \(tuple\); sizes is a sequence, each item a whole number"),
        (lambda: scaled(x, label=3), "label is a word or None"),
        (
            lambda: create("bisenet", 3, spatial="false"),
            r"got spatial='false' \(str\); spatial is True or False",
        ),
        (lambda: Thing("3"), r"Thing got side='3' \(str\); side is a whole number"),
    ):
        with pytest.raises(WrongKind, match=message) as error:
            call()
        assert isinstance(error.value, TypeError) and isinstance(error.value, ValueError)
    assert scaled.__doc__ == "Something with a door." and described(tuple[int, int]) == "2 values, each a whole number"
