"""Masks in black and white, 0 and 255, of a set of two classes: 255 is void, and whoever meets that says so."""

from __future__ import annotations

import warnings

import pytest
import torch

from segkit.data import describe
from segkit.models import create
from segkit.training import Config, Trainer, count_pixels, evaluate


class Pairs:
    """Pairs (image, labels), whose foreground has this label; `rest` is the label of the last row."""

    name = "masks"

    def __init__(self, foreground: int, rest: int = 0, classes: tuple[str, ...] = ("ground", "cell")) -> None:
        self.foreground, self.rest, self.classes = foreground, rest, classes

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.zeros(16, 16, dtype=torch.uint8)
        labels[:, 8:], labels[-1] = self.foreground, self.rest
        return torch.rand(3, 16, 16), labels


def meets(data: Pairs, who: str) -> None:
    model = create("fcn32s", len(data.classes), width=1, hidden=2)
    if who == "count_pixels":
        count_pixels(data)
    elif who == "evaluate":
        evaluate(model, data)
    else:
        Trainer(model, data, Config(steps=3, batch_size=2)).fit(quiet=True)


@pytest.mark.parametrize("who", ["count_pixels", "evaluate", "fit"])
def test_255_for_the_foreground_is_told(who: str) -> None:
    with pytest.warns(UserWarning, match=r"masks: no pixel is 'cell' \(label 1\) and \d+ are 255, which is void"):
        meets(Pairs(255), who)


@pytest.mark.parametrize("data", [Pairs(1, 255), Pairs(0), Pairs(1), Pairs(255, 0, ("a", "b", "c"))])
@pytest.mark.parametrize("who", ["count_pixels", "evaluate", "fit"])
def test_void_beside_a_foreground_is_nothing_to_tell(who: str, data: Pairs) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        meets(data, who)


def test_a_set_has_no_class_that_would_be_void() -> None:
    many = Pairs(1, classes=tuple(f"class {k}" for k in range(290)))
    with pytest.raises(ValueError, match="masks has 290 classes; 0 to 254 are classes, so it has at most 255"):
        describe(many)
