"""Unusual arguments, and how unusual results become arrays. No right answers: students' code runs beside this."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(repr=False)
class Machine:
    """A machine with a clock of its own, so that measuring can be tried without waiting for anything.

    It does what it is handed in order. A processor waits until a call is done; others go on at once, as a GPU does,
    and `synchronise` waits for all that was handed over. A batch that it has had before lies in its cache, and takes
    half as long.

    Args:
        work: seconds that the calls of `run` with batches of one size take, in turn; the last one from there on.
        loading: seconds until `load` has a batch ready.
        copying: seconds in which the machine fetches that batch.
        handing: seconds that it takes to hand a call over.
        waits: whether `run` and `load` wait until the machine is done, as on a processor.
    """

    work: tuple[float, ...]
    loading: float = 0.0
    copying: float = 0.0
    handing: float = 0.0
    waits: bool = False
    _now: float = field(default=100.0, compare=False)
    _free: float = field(default=0.0, compare=False)  # when all is done that was handed over
    _had: list[list[int]] = field(default_factory=list, compare=False)  # batches, in the order of the calls

    def load(self, pictures: int) -> list[int]:
        """A batch of so many pictures."""
        self._hand_over(self.loading, self.copying)
        return list(range(pictures))

    def run(self, batch: list[int]) -> None:
        """The network on a batch."""
        calls = sum(len(had) == len(batch) for had in self._had)
        known = any(had is batch for had in self._had)
        self._hand_over(self.handing, self.work[min(calls, len(self.work) - 1)] / (2 if known else 1))
        self._had.append(batch)

    def synchronise(self) -> None:
        """Wait until the machine has done all that it was handed."""
        self._now = max(self._now, self._free)

    def clock(self) -> float:
        """Seconds since some moment in the past."""
        return self._now

    def _hand_over(self, here: float, there: float) -> None:
        self._now += here
        self._free = max(self._now, self._free) + there
        if self.waits:
            self.synchronise()

    def script(self) -> dict[str, Any]:
        """What it was made with."""
        return {"work": self.work, "loading": self.loading, "copying": self.copying, "handing": self.handing,
                "waits": self.waits}  # fmt: skip

    def __repr__(self) -> str:
        told = {name: value for name, value in self.script().items() if value}
        return f"Machine({', '.join(f'{name}={value}' for name, value in told.items())})"


def rows(result: Any, *args: Any) -> Any:
    """Results that came as the rows of one tensor or array, one by one."""
    plain = isinstance(result, Tensor) or (isinstance(result, np.ndarray) and result.dtype != object)
    return tuple(result) if plain and result.ndim else result


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


WORD, ROWS = 60, 40  # characters that are kept of a word, rows that a report may have


def written(result: Any, *args: Any) -> tuple[np.ndarray, np.ndarray]:
    """A dictionary as two tables of characters, a row for each entry: the keys, and the values written out.

    A number has a # before it, so that it is not taken for a word.

    Raises:
        Unusable: it is no dictionary, or a key or value is neither a word nor a number.
    """
    if not isinstance(result, dict) or not 0 < len(result) <= ROWS:
        told = f"a dictionary of {len(result)} entries" if isinstance(result, dict) else article(type(result).__name__)
        raise Unusable(f"{told} where a dictionary with an entry for each network is asked for")
    tables = np.zeros((2, len(result), WORD), np.int64)
    for row, entry in enumerate(result.items()):
        for table, one in zip(tables, entry, strict=True):
            letters = [ord(letter) for letter in _word(one)[:WORD]]
            table[row, : len(letters)] = letters
    return tables[0], tables[1]


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    found = leaf(value).array
    if found.size != 1 or found.dtype.kind not in "biuf":
        raise Unusable(f"{article(type(value).__name__)} in a dictionary of words and numbers")
    return f"#{found.reshape(-1)[0].item()!r}"
