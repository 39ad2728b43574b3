"""Unusual arguments, and how unusual results become arrays. No right answers: students' code runs beside this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.grading.values import HANDED_OUT, Unusable, article, leaf


@dataclass(frozen=True)
class Network:
    """A small network whose outputs lie `stride` pixels apart: a convolution, by choice with pooling before it.

    It counts nothing and remembers nothing; called twice it gives the same twice.
    """

    weight: Tensor
    stride: int
    pooled: bool = False
    __name__ = "network"

    def __call__(self, x: Tensor) -> Tensor:
        x = torch.as_tensor(x, dtype=self.weight.dtype)
        if self.pooled:
            return F.conv2d(F.max_pool2d(x, 2, stride=2), self.weight, stride=self.stride // 2)
        return F.conv2d(x, self.weight, stride=self.stride)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and torch.equal(self.weight, other.weight)

    def __hash__(self) -> int:
        return id(self)


def rows(result: Any, *args: Any) -> Any:
    """Results that came as the rows of one tensor or array, one by one."""
    return tuple(result) if isinstance(result, (Tensor, np.ndarray)) and result.ndim else result


def pair(result: Any, *args: Any) -> Any:
    """An array of two numbers counts as the two."""
    return tuple(result.reshape(-1)) if isinstance(result, (np.ndarray, Tensor)) and result.shape == (2,) else result


def layer_rows(result: Any, *args: Any) -> Any:
    """Layers as rows of numbers; the dilation of a kernel of 1, which changes nothing, left out."""
    try:
        found = leaf(result).array
    except Unusable:
        return result
    if found.ndim != 2 or found.shape[1] != 3 or found.dtype.kind not in "iuf":
        return result
    return np.where((found[:, :1] == 1) & (np.arange(3) == 2), 1, found).tolist()


def pictures(linear: nn.Linear, c: int, h: int, w: int) -> list[Tensor]:
    """Two pictures of the size that a classifier knows, and a larger one."""
    shapes = ((2, c, h, w), (1, c, h + 2, w + 3))
    drawn = [np.random.default_rng(shape[0]).normal(size=shape) for shape in shapes]
    return [torch.from_numpy(values).to(linear.weight.dtype) for values in drawn]


def probe(layer: Any, linear: nn.Linear, c: int, h: int, w: int) -> tuple[Any, ...]:
    """What a layer makes of `pictures`, what kind of layer it is, its weights and its bias.

    Raises:
        Unusable: it is none, or stops.
    """
    given_back: Any = layer
    weight: Any = None
    bias: Any = None
    if isinstance(layer, (tuple, list)) and len(layer) == 2:
        weight, bias = (None if one is None else torch.as_tensor(one).detach() for one in layer)
        layer = lambda x: F.conv2d(x, weight, bias)  # noqa: E731
    if isinstance(layer, (Tensor, str, int, float)) or not callable(layer):
        raise Unusable(f"{article(type(layer).__name__)} where a layer (torch.nn.Conv2d) is asked for")
    results = []
    for x in pictures(linear, c, h, w):
        try:
            results.append(layer(x))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            where = "×".join(str(n) for n in x.shape)
            raise Unusable(f"a layer that stops on an input of shape {where} ({str(error).splitlines()[0]})") from error
        if not isinstance(results[-1], Tensor):
            raise Unusable(f"a layer that gives {article(type(results[-1]).__name__)}")
    own, plain, trained = isinstance(given_back, nn.Conv2d), weight is not None, []
    if isinstance(given_back, nn.Conv2d):
        weight, bias, trained = given_back.weight, given_back.bias, list(given_back.parameters())
        ways = (given_back.stride, given_back.padding, given_back.dilation)
        plain = ways == ((1, 1), (0, 0), (1, 1))
    theirs = {p.data_ptr() for other in HANDED_OUT for p in other.parameters()}
    facts = [own, plain, all(p.requires_grad for p in trained), any(p.data_ptr() in theirs for p in trained)]
    nothing = torch.zeros(0)
    kept = (nothing if one is None else one.detach() for one in (weight, bias))
    return (*results, [int(fact) for fact in facts], *kept)
