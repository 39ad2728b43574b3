"""Nothing at every door: see `empties.py`."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.campaign import empties
from tests.campaign.__main__ import SLOW
from tests.campaign.doors import Door, normal
from tests.campaign.every_door import DOORS, ROOMS, WITHOUT


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_at_every_door(room: str) -> None:
    found = []
    for name, door in DOORS.items():
        if name.rpartition(".")[0] == room and name not in WITHOUT:
            torch.manual_seed(0)
            found += filter(None, empties.of_door(name, door, 1 if name.startswith(SLOW) else 2))
    assert not found, "\n".join(found)


def test_every_exception_is_of_a_door() -> None:
    assert {fine.partition(",")[0] for fine in empties.FINE} <= DOORS.keys()


class Counter:
    def __init__(self) -> None:
        self.sum = 0.0

    def update(self, x: Tensor) -> float:
        self.sum += float(x.mean())
        return self.sum


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: x.max(), "RuntimeError"),
        (lambda x: x[0], "IndexError"),
        (lambda x: 1 / len(x), "ZeroDivisionError"),
        (lambda x: x.sum(), "gave () for nothing, without a word"),
        (lambda x: x.numpy().mean(), "RuntimeWarning"),
        (lambda x: torch.zeros(3), "gave (3,) for nothing"),
    ],
)
def test_what_has_no_words_for_nothing_is_seen(call: Any, said: str) -> None:
    door = Door(call, lambda r: {"x": normal(r, 4)}, lambda a, g: None)
    assert any(said in found for found in empties.of_door("here.call", door))


def test_the_calls_of_what_a_door_makes_are_seen() -> None:
    """A method that a check calls, one that gives the object itself, and a batch that is refused."""
    door = Door(Counter, lambda r: {}, lambda c, g: c.update(normal(Random(1), 3)))
    assert any("Counter.update, 0: nothing along -1" in found for found in empties.of_door("here.Counter", door))
    seen = empties.calls(DOORS["metrics.ConfusionMatrix"], {"num_classes": 4})
    assert [call[0] for call in seen] == ["update"]
