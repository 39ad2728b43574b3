"""The smallest failing call of an answer, written out so that it can be followed by hand."""

from __future__ import annotations

from collections.abc import Iterable

from segkit.grading.exercise import Exercise
from segkit.grading.outcome import Outcome
from segkit.grading.values import Leaf, argument_text, array_text, shape_text


def smallest(exercise: Exercise, indices: Iterable[int]) -> int:
    def size(index: int) -> int:
        return sum(leaf.array.size for leaf in exercise.expected(index)) + sum(
            value.numel() for value in exercise.all_cases()[index].args if hasattr(value, "numel")
        )

    cases = exercise.all_cases()
    return min(indices, key=lambda index: (cases[index].group != cases[0].group, size(index), index))


def example(exercise: Exercise, outcomes: list[Outcome], indices: set[int]) -> str:
    """The smallest of the failing calls, what it should give and what it gave."""
    index = smallest(exercise, indices)
    args = exercise.all_cases()[index].args
    short, long = [], []
    for name, value in zip(exercise.parameters, args, strict=True):
        text = argument_text(value)
        if len(text) <= 24 and "numbers" not in text:
            short.append(f"{name}={text}")
        else:
            short.append(name)
            shape = f"shape {shape_text(value.shape)}" if hasattr(value, "shape") else ""
            long.append(_flow(f"  {name} = ", text if "numbers" not in text[:24] else f"a tensor of {shape}"))
    lines, expected = [f"{exercise.name}({', '.join(short)})", *long], exercise.expected(index)
    if all(part.origin != "any" for part in expected):  # else it is the learner who says what it should give
        lines += _parts("  should give ", expected)
    if outcomes[index].kind == "value":
        lines += _parts("  and gave    ", outcomes[index].leaves)
    return "\n".join(lines)


def _parts(label: str, parts: tuple[Leaf, ...]) -> list[str]:
    """The parts of a result, each from a line of its own."""
    lines = []
    for place, part in enumerate(parts):
        text = array_text(part.array)
        shape = f" (shape {shape_text(part.array.shape)})" if part.array.ndim and "numbers" not in text[:24] else ""
        lead = label if place == 0 else " " * (len(label) - 4) + "and "
        lines.append(_flow(lead, text + shape))
    return lines


def _flow(label: str, text: str) -> str:
    """Text behind a label, its further lines below its first."""
    rows = [row for row in text.split("\n") if row.strip()]
    return label + ("\n" + " " * len(label)).join(rows)
