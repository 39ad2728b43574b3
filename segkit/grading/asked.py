"""What an answer needs to be tried: the signature and the arguments of each call, without a right answer.

This much of an exercise goes into the process that runs a student's code, as plain data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from segkit.grading import observers
from segkit.grading.bench import Bench
from segkit.grading.observers import Machine, Network
from segkit.grading.outcome import Outcome
from segkit.grading.values import Leaf, Unusable, fresh, leaves

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One call that an answer is tried on.

    Args:
        args: the arguments, in the order of the signature.
        group: the aspect it tests; an aspect earns its share of the marks when all of its cases pass.
    """

    args: tuple[Any, ...]
    group: str


class Asked:
    """An exercise as whoever calls an answer knows it.

    `signature` is as the learner is asked to write it and begins with the function's name, `parts` counts the arrays
    of a result, and `observe` turns an unusual result (a layer) into them. `finished` names what is not to be called.
    """

    signature: str
    parts: int
    finished: tuple[str, ...]
    observe: Function | None

    def all_cases(self) -> list[Case]:
        """The cases, and once more the first, which catches functions that remember earlier calls."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The function's name."""
        return self.signature.partition("(")[0]

    @property
    def parameters(self) -> list[str]:
        """The names of the arguments, in order."""
        return [argument.partition("=")[0] for argument in self._arguments()]

    @property
    def defaults(self) -> dict[str, str]:
        """The default values that the signature shows, as text."""
        return dict(argument.split("=") for argument in self._arguments() if "=" in argument)

    def _arguments(self) -> list[str]:
        return self.signature.partition("(")[2].rstrip(")").split(", ")

    def read(self, result: Any, args: tuple[Any, ...]) -> tuple[Leaf, ...]:
        """A result as plain arrays.

        Raises:
            Unusable: it cannot be read so.
        """
        return leaves(self.observe(result, *args) if self.observe else result, self.parts)

    def settled(self, found: tuple[Leaf, ...], args: tuple[Any, ...]) -> tuple[Leaf, ...]:
        """The result of a call, of the arrays that `read` gave; the same, where no right answer is known."""
        return found

    def unsettled(self) -> Asked:
        """What calls an answer: all of this, without what the results are made of afterwards."""
        return self

    def plain(self) -> dict[str, Any]:
        """As plain data, for another process."""
        seen = self.observe.__name__ if self.observe else None
        cases = [[_plain(value) for value in case.args] for case in self.all_cases()]
        told = {"signature": self.signature, "parts": self.parts, "finished": list(self.finished)}
        return {**told, "observe": seen, "cases": cases}


class Told(Asked):
    """An exercise as another process tells of it."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self.signature, self.parts, self.finished = plain["signature"], plain["parts"], tuple(plain["finished"])
        self.observe = getattr(observers, plain["observe"]) if plain["observe"] else None
        self._cases = [Case(tuple(_value(one) for one in args), "") for args in plain["cases"]]

    def all_cases(self) -> list[Case]:
        return self._cases


def settled(exercise: Asked, outcome: Outcome, args: tuple[Any, ...]) -> Outcome:
    """An outcome whose result is made of what came from where no right one is known."""
    if outcome.kind != "value":
        return outcome
    try:
        return replace(outcome, leaves=exercise.settled(outcome.leaves, fresh(args)))
    except Unusable as odd:
        return replace(outcome, kind="odd", leaves=(), note=str(odd))


def _plain(value: Any) -> Any:
    """An argument as plain data: tensors with their order in memory, layers and machines by their parts."""
    if isinstance(value, Tensor):
        kept = fresh(value)
        values = kept.detach().contiguous().numpy()
        return {"tensor": values, "stride": list(kept.stride()), "grad": kept.requires_grad}
    if isinstance(value, nn.Linear):
        return {"linear": _plain(value.weight), "bias": _plain(value.bias)}
    if isinstance(value, Network):
        return {"network": _plain(value.weight), "stride": value.stride, "pooled": value.pooled}
    if isinstance(value, Machine):
        return {"machine": value.script()}
    if isinstance(value, Bench):
        return {"bench": value.script()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value


def _value(plain: Any) -> Any:
    if isinstance(plain, (list, tuple)):
        return type(plain)(_value(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if "tensor" in plain:
        values = torch.from_numpy(plain["tensor"])
        made = torch.empty_strided(values.shape, plain["stride"], dtype=values.dtype).copy_(values)
        return made.requires_grad_(plain["grad"])
    if "network" in plain:
        return Network(_value(plain["network"]), plain["stride"], plain["pooled"])
    if "machine" in plain:
        return Machine(**plain["machine"])
    if "bench" in plain:
        return Bench(**plain["bench"])
    weight, bias = _value(plain["linear"]).detach(), _value(plain["bias"])
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer
