"""What a test has to know about a model: the row of the table that the tests of all models run over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from segkit.models import create

CLASSES = 5


@dataclass(frozen=True)
class Case:
    """A model, its options, and what a test has to know about it.

    Args:
        name: as `create` knows it.
        options: what it is made with.
        maps: what `outputs` gives besides "logits": for each name the side of the square of pixels that one cell stands
            for (None where the map reaches beyond the picture), and the number of channels.
        side: of the square pictures on which it learns, more where its cells are large; None if too narrow to learn.
        rate: of learning.
        beyond: pixels by which pictures of exported programs are larger, so that no map has a single row or column.
        settled: its BatchNorms see a batch first, where a fresh network's values would grow until a softmax is one-hot.
        clear: whether the network, which ranks places, ranks those of a picture the same however sums are rounded.
    """

    name: str
    options: dict[str, Any]
    maps: dict[str, tuple[int | None, int]] = field(default_factory=dict)
    side: int | None = 33
    rate: float = 1e-2
    beyond: int = 0
    settled: bool = False
    clear: Callable[[nn.Module, Tensor], bool] | None = None

    def __str__(self) -> str:
        own = (f"{k}={v}" for k, v in self.options.items() if k not in ("hidden", "batch_norm"))
        return " ".join([self.name, *own])

    @property
    def channels(self) -> int:
        return self.options.get("in_channels", 3)

    def build(self, num_classes: int = CLASSES, **options: Any) -> nn.Module:
        """The model as a course run starts it, each time with the same weights."""
        torch.manual_seed(0)
        return create(self.name, num_classes, **{**self.options, **options})

    def lively(self, number: type = int) -> nn.Module:
        """The same without convolutions and factors that start at zero, behind which every comparison would hold.

        Args:
            number: the type in which whole numbers are given, as numbers out of an array are NumPy's.
        """
        whole = {key: number(value) for key, value in self.options.items() if type(value) is int}
        model = self.build(number(CLASSES), **whole)
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and not module.weight.any():
                nn.init.normal_(module.weight)
        for factor in model.parameters():
            if factor.numel() == 1 and not factor.any():
                nn.init.constant_(factor, 0.5)
        if self.settled:
            update_bn([torch.randn(4, self.channels, 65, 97)], model)
        return model


RESNET18: dict[str, Any] = {"width": 4, "encoder": "resnet18"}
