"""Results of a type that will not do: whole numbers for fractions, floats for counts, precision lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from segkit.grading.divisors import number_added
from segkit.grading.examples import example
from segkit.grading.exercise import Exercise
from segkit.grading.outcome import Outcome
from segkit.grading.values import Leaf, all_exact, all_same, same_shape
from segkit.grading.verdict import Diagnosis

NARROW = {
    "uint8": "starts again at 0 after 255",
    "int8": "jumps to −128 after 127",
    "int16": "jumps to −32,768 after 32,767",
    "uint16": "starts again at 0 after 65,535",
}
_AS_GIVEN = "`torch.zeros(..., dtype=x.dtype)`, `x.new_zeros(...)`"
FLOAT32 = 1e-5  # of the largest number: more than a few steps in float32 lose
BITS = {"float16": 16, "bfloat16": 16, "float32": 32, "float64": 64, "float": 64, "double": 64, "half": 16}


def passes(exercise: Exercise, index: int, outcome: Outcome) -> bool:
    """Whether a call gave the right values, whatever their type."""
    return outcome.kind == "value" and all_same(outcome.leaves, exercise.expected(index))


def integer_for_float(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> Diagnosis | None:
    wrong = [
        i for i in failed
        if outcomes[i].kind == "value"
        and any(kind == "float" and leaf.array.dtype.kind in "iub" and leaf.array.ndim
                and same_shape(leaf.array, right.array)
                for kind, leaf, right in zip(exercise.kinds, outcomes[i].leaves, exercise.expected(i), strict=True))
    ]  # fmt: skip
    if not wrong or len(wrong) < len(failed) / 2:
        return None
    dtype = next(leaf.dtype for leaf in outcomes[wrong[0]].leaves if leaf.array.dtype.kind in "iub")
    advice = (
        f"Create the result with the dtype of the input ({_AS_GIVEN})."
        if _given(exercise, wrong[0])
        else "Use torch.float32; `/` divides, `//` rounds down."
    )
    message = f"Your result holds {dtype}, so everything after the decimal point is lost. {advice}"
    return Diagnosis("wrong-dtype", message, example(exercise, outcomes, set(wrong)))


def type_problem(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis | None:
    """A result with the right values in a type that will not do."""
    right = all(passes(exercise, index, outcome) for index, outcome in enumerate(outcomes))
    for index, outcome in enumerate(outcomes):
        if not passes(exercise, index, outcome):
            continue
        for kind, got in zip(exercise.kinds, outcome.leaves, strict=True):
            whole = kind in ("integer", "index")
            listed = got.origin == "python" and kind != "bools"
            if listed or kind == "mask" or (whole and not got.array.ndim):
                continue
            typed = {"integer": _whole, "index": _whole, "bools": _bools}.get(kind)
            told = typed(kind, got) if typed else _precise(kind, got, _given(exercise, index))
            if told:
                code = "wrong-dtype" if typed else "precision-lost"
                return Diagnosis(code, told, example(exercise, outcomes, {index}))
        exact = right and _given(exercise, index) == 64 and exercise.exact
        if exact and not all_exact(outcome.leaves, exercise.expected(index)):
            lost = number_added(exercise, outcomes) or _inexact(outcome.leaves, exercise.expected(index))
            return replace(lost, example=example(exercise, outcomes, {index}))
    return None


def _inexact(got: tuple[Leaf, ...], right: tuple[Leaf, ...]) -> Diagnosis:
    """What is wrong with float64 numbers that are right to fewer digits than float64 holds."""
    pairs = [(a.array.reshape(-1), b.array.reshape(-1)) for a, b in zip(got, right, strict=True)]
    scale = max(float(np.abs(b[np.isfinite(b)]).max(initial=0.0)) for _, b in pairs)
    off = max(float(np.nanmax(np.abs(a - b)[np.isfinite(b)], initial=0.0)) for a, b in pairs) / (scale or 1.0)
    if off > FLOAT32:
        return Diagnosis(
            "inexact",
            f"The numbers are close, but off by up to {off:.0e} of the largest, which is more than rounding does, even "
            "in float32. Is a small number added on the way, or does something stop early?",
        )
    message = (
        "The input is float64 and so is your result, but its numbers are only as exact as float32. As a rule something "
        f"on the way is float32: create tensors with the dtype of the input ({_AS_GIVEN}). A small number that is "
        "added on the way, such as 1e-6, shows in the same digits."
    )
    return Diagnosis("precision-lost", message)


def _whole(kind: str, got: Leaf) -> str:
    """What is wrong with the type of whole numbers; empty where nothing is."""
    if got.dtype in NARROW:
        return f"Your whole numbers come as {got.dtype}, which {NARROW[got.dtype]}. Use torch.int64."
    if BITS.get(got.dtype, 64) < 64:
        return (
            f"Your whole numbers come as {got.dtype}. Floats cannot index a tensor, and counts stop growing "
            "at 16,777,216 in float32. Use an integer type (torch.int64)."
        )
    if kind == "index" and got.origin == "torch" and got.dtype != "int64":
        return f"Your indices come as {got.dtype}; `torch.nn.functional.max_unpool2d` takes no other type than int64."
    return ""


def _bools(kind: str, got: Leaf) -> str:
    """What is wrong with the type of a mask; empty where nothing is."""
    if got.array.dtype.kind == "b":
        return ""
    return (
        f"Your mask comes as {got.dtype}. Attention adds a mask of numbers to the products, and `~` does not invert "
        "one: return bools (a comparison makes them, or `.bool()`)."
    )


def _precise(kind: str, got: Leaf, given: int) -> str:
    """What is wrong with the precision of a result; empty where nothing is."""
    have = BITS.get(got.dtype, 64)
    needed = (given or 32) if kind == "float" else min(given or 32, 32)
    if have >= needed or (have == 32 and not got.array.ndim):
        return ""
    if not given:
        return f"Your result is {got.dtype}, which keeps three digits at most. Use torch.float32."
    return (
        f"The input is float{given} and your result is {got.dtype}: precision is "
        f"lost on the way. Create the result with the dtype of the input ({_AS_GIVEN})."
    )


def _given(exercise: Exercise, index: int) -> int:
    """The precision that the arguments of a case came in, in bits; 0 where none is a floating-point tensor."""
    bits = [0]
    for value in exercise.all_cases()[index].args:
        tensors = value.parameters() if isinstance(value, nn.Module) else [value] if isinstance(value, Tensor) else []
        bits += [BITS.get(str(one.dtype).removeprefix("torch."), 0) for one in tensors]
    return max(bits)
