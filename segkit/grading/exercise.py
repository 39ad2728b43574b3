"""An exercise: its specification, the right answer, the cases it is tried on, and the mistakes people make."""

from __future__ import annotations

import importlib
import pkgutil
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.grading.asked import Asked, Case, Function, Told
from segkit.grading.values import Leaf, Unusable, fresh


@dataclass(frozen=True)
class Variant:
    """A way of being wrong: change the arguments, replace the computation, or change the result."""

    before: Function | None = None  # (*args) -> args
    core: Function | None = None  # (*args) -> result
    after: Function | None = None  # (result, *args) -> result
    stops: bool = False  # whether stopping with an error is what this mistake looks like


Ways = tuple[Variant, ...]


def given(*changes: Function) -> Ways:
    """As if the function had been called with other arguments: ways to change them."""
    return tuple(Variant(before=change) for change in changes)


def does(*cores: Function) -> Ways:
    """Other computations altogether."""
    return tuple(Variant(core=core) for core in cores)


def gives(*changes: Function) -> Ways:
    """The right computation, and then something done to its result."""
    return tuple(Variant(after=change) for change in changes)


def stops(*cores: Function) -> Ways:
    """Computations that end in an error in the cases where the mistake shows."""
    return tuple(Variant(core=core, stops=True) for core in cores)


def each(ways: Callable[..., Ways]) -> Callable[..., Ways]:
    """Let a function that makes ways of one thing take any number of them (and options by name for all)."""

    @wraps(ways)
    def of_each(*things: Any, **options: Any) -> Ways:
        return tuple(way for thing in things for way in ways(thing, **options))

    return of_each


@dataclass(frozen=True)
class Mistake:
    """A typical mistake.

    Args:
        code: the stable code of its diagnosis.
        message: what the learner seems to have done, and a hint at how to fix it.
        variants: the ways in which the mistake is usually made.
    """

    code: str
    message: str
    variants: Ways


def catalogue(messages: str, ways: dict[str, Ways]) -> tuple[Mistake, ...]:
    """The typical mistakes of an exercise, in the order of preference.

    Args:
        messages: a paragraph for each mistake, "code: message", its further lines indented.
        ways: for each code, in the same order, the ways in which the mistake is made.

    Raises:
        ValueError: the two do not name the same mistakes in the same order.
    """
    entries = [entry.split(": ", 1) for entry in re.sub(r"\n +", " ", messages).strip().split("\n")]
    told = [code for code, _ in entries]
    if told != list(ways):
        raise ValueError(f"the messages are about {', '.join(told)}, but the ways about {', '.join(ways)}")
    return tuple(Mistake(code, message, ways[code]) for code, message in entries)


@dataclass
class Exercise(Asked):
    """Everything the grader knows about one exercise. What else has to be known of it follows from here.

    Args:
        signature: as the learner is asked to write it; it begins with the function's name.
        text: the specification, for `describe`.
        reference: the right answer, on torch's own functions.
        cases: makes the list of cases; the first group is the ordinary case.
        mistakes: the catalogue, in the order of preference.
        kinds: for each part of the result "float", "integer", "index", "mask" (numbers will do), "bools" or "number".
        facts: what can be said of a call, for "it fails only when …".
        observe: turns an unusual result (a layer) into arrays; it runs beside the answer, and knows no right one.
        needs_gradient: whether the result has to carry a gradient.
        parts: how many arrays `observe` gives (default: one for each kind).
        settle: makes the result of these arrays, where no student's code has run.
        number: its place, as in the notebook: "02.1" is the first exercise of the assignment to chapter 02.
        marks: what it is worth where there is no instructor's notebook, whose own marks go first.
        finished: names of functions and classes, of torch's or ours, that would be the answer.
        exact: whether a float64 result must be right to more digits than float32 has, where the arguments are float64.
    """

    signature: str
    text: str
    reference: Function
    cases: Callable[[], list[Case]]
    mistakes: tuple[Mistake, ...]
    kinds: tuple[str, ...] = ("float",)
    facts: Callable[..., dict[str, bool]] | None = None
    observe: Function | None = None
    needs_gradient: bool = False
    parts: int = 0
    settle: Callable[..., tuple[Leaf, ...]] | None = None
    number: str = field(kw_only=True)
    marks: int = field(kw_only=True)
    finished: tuple[str, ...] = field(default=(), kw_only=True)
    exact: bool = field(default=True, kw_only=True)
    _cases: list[Case] = field(default_factory=list, repr=False)
    _results: dict[tuple[Any, ...], tuple[Leaf, ...] | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.parts = self.parts or len(self.kinds)

    @property
    def assignment(self) -> str:
        """The assignment it belongs to: "ch02"."""
        return f"ch{self.number.partition('.')[0]}"

    def all_cases(self) -> list[Case]:
        """The cases, and once more the first, which catches functions that remember earlier calls."""
        if not self._cases:
            made = self.cases()
            self._cases = [*made, Case(made[0].args, "called twice")]
        return self._cases

    def read(self, result: Any, args: tuple[Any, ...]) -> tuple[Leaf, ...]:
        """A result as plain arrays.

        Raises:
            Unusable: it cannot be read so.
        """
        return self.settled(super().read(result, args), args)

    def settled(self, found: tuple[Leaf, ...], args: tuple[Any, ...]) -> tuple[Leaf, ...]:
        """The result of a call, of the arrays that came from where no right answer is known.

        Raises:
            Unusable: they are no result.
        """
        if len(found) != self.parts:
            raise Unusable(f"{len(found)} results where {self.parts} are asked for")
        return self.settle(found, *args) if self.settle else found

    def unsettled(self) -> Asked:
        """As whoever calls an answer knows it; what `settle` looks up is then looked up once, and not while it runs."""
        return Told(self.plain()) if self.settle else self

    def expected(self, index: int) -> tuple[Leaf, ...]:
        """The right result of a case."""
        found = self.imitate((), index)
        if found is None:
            raise RuntimeError(f"the reference of {self.name} fails on case {index}")
        return found

    def imitate(self, variants: tuple[Variant, ...], index: int) -> tuple[Leaf, ...] | None:
        """What an answer with these mistakes gives on a case; None where it fails."""
        if len(variants) > 1:
            return self._compute(variants, self.all_cases()[index].args)
        key = (index, *(id(variant) for variant in variants))
        if key not in self._results:
            self._results[key] = self._compute(variants, self.all_cases()[index].args)
        return self._results[key]

    def _compute(self, variants: tuple[Variant, ...], args: tuple[Any, ...]) -> tuple[Leaf, ...] | None:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                given_args = fresh(args)
                core = self.reference
                for variant in variants:
                    given_args = variant.before(*given_args) if variant.before else given_args
                    core = variant.core or core
                result = core(*given_args)
                for variant in variants:
                    result = variant.after(result, *fresh(args)) if variant.after else result
                return self.read(result, fresh(args))
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, Unusable):
            if not variants:
                raise
            return None

    def case_facts(self, index: int) -> dict[str, bool]:
        """What can be said of a case."""
        args = self.all_cases()[index].args
        given_tensors = (value.parameters() if isinstance(value, nn.Module) else [value] for value in args)
        tensors = [value for values in given_tensors for value in values if isinstance(value, Tensor)]
        known = {
            "the input is float64": any(value.dtype == torch.float64 for value in tensors),
            "an input is not contiguous in memory": any(not value.is_contiguous() for value in tensors),
        }
        return {**(self.facts(*args) if self.facts else {}), **known}


@cache
def registry() -> dict[str, Exercise]:
    """All exercises by name, in the order of their numbers: every EXERCISE of a file in segkit/grading/exercises."""
    folder = importlib.import_module("segkit.grading.exercises")
    modules = [
        importlib.import_module(f"{folder.__name__}.{one.name}") for one in pkgutil.iter_modules(folder.__path__)
    ]
    found: list[Exercise] = [module.EXERCISE for module in modules if hasattr(module, "EXERCISE")]
    return {one.name: one for one in sorted(found, key=lambda one: [int(part) for part in one.number.split(".")])}


def find(name: str) -> Exercise:
    """The exercise of a name.

    Raises:
        ValueError: there is none.
    """
    known = registry()
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"there is no exercise {name!r}; the exercises are {', '.join(known)}")
    return known[name]
