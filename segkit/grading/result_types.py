"""Results of a type that will not do: whole numbers for fractions, floats for counts, precision lost."""

from __future__ import annotations

from torch import Tensor, nn

from segkit.grading.examples import example
from segkit.grading.exercise import Exercise
from segkit.grading.report import Diagnosis
from segkit.grading.sandbox import Outcome
from segkit.grading.values import all_same

BITS = {"float16": 16, "bfloat16": 16, "float32": 32, "float64": 64, "float": 64, "double": 64, "half": 16}


def passes(exercise: Exercise, index: int, outcome: Outcome) -> bool:
    """Whether a call gave the right values, whatever their type."""
    return outcome.kind == "value" and all_same(outcome.leaves, exercise.expected(index))


def integer_for_float(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> Diagnosis | None:
    wrong = [
        i for i in failed
        if outcomes[i].kind == "value"
        and any(kind == "float" and leaf.array.dtype.kind in "iub" and leaf.array.ndim
                for kind, leaf in zip(exercise.kinds, outcomes[i].leaves, strict=True))
    ]  # fmt: skip
    if not wrong or len(wrong) < len(failed) / 2:
        return None
    dtype = next(leaf.dtype for leaf in outcomes[wrong[0]].leaves if leaf.array.dtype.kind in "iub")
    message = (
        f"Your result holds {dtype}, so everything behind the decimal point is lost. "
        "Create the result with the dtype of the input (`torch.zeros(..., dtype=x.dtype)`, `x.new_zeros(...)`)."
    )
    return Diagnosis("wrong-dtype", message, example(exercise, outcomes, set(wrong)))


def type_problem(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis | None:
    """A result with the right values in a type that will not do."""
    for index, outcome in enumerate(outcomes):
        if not passes(exercise, index, outcome):
            continue
        for kind, got in zip(exercise.kinds, outcome.leaves, strict=True):
            if got.origin == "python" or not got.array.ndim:
                continue
            have = BITS.get(got.dtype)
            if kind == "integer" and have is not None and have < 64:
                message = (
                    f"Your whole numbers come as {got.dtype}. Floats cannot index a tensor, and counts stop growing "
                    "at 16,777,216 in float32. Use an integer type (torch.int64)."
                )
                return Diagnosis("wrong-dtype", message, example(exercise, outcomes, {index}))
            if kind == "float" and have is not None and have < _given_bits(exercise, index):
                message = (
                    f"The input is float{_given_bits(exercise, index)} and your result is {got.dtype}: precision is "
                    "lost on the way. Create the result with the dtype of the input "
                    "(`torch.zeros(..., dtype=x.dtype)`, `x.new_zeros(...)`)."
                )
                return Diagnosis("precision-lost", message, example(exercise, outcomes, {index}))
    return None


def _given_bits(exercise: Exercise, index: int) -> int:
    """The precision that the arguments of a case came in."""
    bits = [0]
    for value in exercise.all_cases()[index].args:
        tensors = value.parameters() if isinstance(value, nn.Module) else [value] if isinstance(value, Tensor) else []
        bits += [BITS.get(str(one.dtype).removeprefix("torch."), 0) for one in tensors]
    return max(bits)
