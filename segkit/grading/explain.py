"""From the outcomes of all cases to diagnoses: known mistakes by imitation, the rest by detective work."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from segkit.grading.attribution import fails_when, in_common, relation
from segkit.grading.divisors import number_added
from segkit.grading.examples import example, smallest
from segkit.grading.exercise import Exercise
from segkit.grading.outcome import Outcome
from segkit.grading.recognise import Evidence
from segkit.grading.result_types import integer_for_float
from segkit.grading.values import Leaf, same
from segkit.grading.verdict import Diagnosis

# what says where an answer is wrong, and not by what slip
GENERAL = frozenset(
    "wrong-values wrong-shape wrong-type wrong-arguments nan raises too-slow exits crashed returns-nothing "
    "not-yet-done-here not-run".split()
)
_NOT_THE_VALUES = "The shape is right and the values are not."


def diagnose(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> list[Diagnosis]:
    """What is wrong with the values of the failing cases, the most telling first."""
    if not failed:
        return []
    last = len(outcomes) - 1
    if last in failed and 0 not in failed and outcomes[last].kind in ("value", "raised"):
        return [_remembers(exercise, outcomes)]
    evidence = Evidence(exercise, outcomes, failed)
    known = evidence.known()
    if known:
        return [Diagnosis(m.code, m.message, example(exercise, outcomes, evidence.telling(v))) for m, v in known]
    typed = integer_for_float(exercise, outcomes, failed)
    if typed:
        return [typed]
    added = number_added(exercise, outcomes)
    if added:
        return [replace(added, example=example(exercise, outcomes, failed))]
    near, explained = evidence.nearest()
    if near:
        shown = example(exercise, outcomes, explained)
        return [Diagnosis(near.code, near.message, shown), *_generic(exercise, outcomes, failed - explained)]
    found, (part, cases) = _generic(exercise, outcomes, failed), evidence.in_part()
    if part and found[0].code == "wrong-values":
        rest = "in the others something else" if cases < failed else "but a case is right that it would spoil"
        said = (
            f"{found[0].message} In {len(cases)} of the {len(failed)} cases that fail, this one among them, your "
            f"function gives just what one mistake alone would give ({rest}): {part.message}"
        )
        return [Diagnosis(found[0].code, said, example(exercise, outcomes, cases)), *found[1:]]
    return found


def _generic(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> list[Diagnosis]:
    ran = [i for i in range(len(outcomes) - 1) if outcomes[i].kind != "skipped"]
    facts = [exercise.case_facts(i) for i in ran]
    when = fails_when(facts, {place for place, i in enumerate(ran) if i in failed})
    found: list[Diagnosis] = []
    for kind, told in _TOLD.items():
        these = {i for i in failed if outcomes[i].kind == kind}
        if these:
            index = smallest(exercise, these)
            code, message = told(exercise, outcomes[index], index) if callable(told) else told
            if code == "wrong-values":
                message = _pattern(exercise, outcomes, these) or message
            if code != "wrong-arguments" and not found:
                message = (message if message.endswith("\n") else f"{message} ") + when
            found.append(Diagnosis(code, message.strip(), example(exercise, outcomes, {index})))
    return found or [Diagnosis("not-run", "The time was used up before the rest could be tried.")]


def _first_wrong(exercise: Exercise, outcome: Outcome, index: int) -> tuple[str, Leaf, Leaf, str]:
    """The first part of a result that is wrong: which one, what came, what is right, and how the two are related."""
    pairs = zip(outcome.leaves, exercise.expected(index), strict=True)
    place, got, want = next((i, a, b) for i, (a, b) in enumerate(pairs) if not same(a, b))
    told = relation(got, want, table=exercise.kinds[place] == "integer")
    return _which(exercise, place), got, want, told


def _which(exercise: Exercise, place: int) -> str:
    return f"Part {place + 1} of your result: " if len(exercise.kinds) > 1 else ""


def _values(exercise: Exercise, outcome: Outcome, index: int) -> tuple[str, str]:
    which, got, want, told = _first_wrong(exercise, outcome, index)
    if got.array.shape != want.array.shape and want.array.ndim:
        hint = " Write down the sizes after each step, and see where they go wrong." if want.array.ndim > 1 else ""
        return "wrong-shape", which + told + hint
    if "NaN" in told or "infinite" in told:
        return "nan", which + told
    lead = _NOT_THE_VALUES if want.array.ndim else "The number is not the right one."
    return "wrong-values", f"{which}{lead} {told}".strip()


def _pattern(exercise: Exercise, outcomes: list[Outcome], these: set[int]) -> str:
    """What holds of the wrong numbers as a whole, read off the largest failing case; empty where nothing does."""
    if set(exercise.kinds) == {"number"}:
        return _numbers(exercise, outcomes, these)
    index = max(these, key=lambda i: sum(leaf.array.size for leaf in exercise.expected(i)))
    which, got, want, told = _first_wrong(exercise, outcomes[index], index)
    simple = got.array.shape == want.array.shape and told and "first difference" not in told
    return f"{which}{_NOT_THE_VALUES} {told}" if simple else ""


def _numbers(exercise: Exercise, outcomes: list[Outcome], these: set[int]) -> str:
    """What holds of one wrong number in all of the cases where it is wrong."""
    for place in range(len(exercise.kinds)):
        pairs = [(outcomes[i].leaves[place], exercise.expected(i)[place]) for i in these]
        pairs = [(a, b) for a, b in pairs if a.array.size == 1 and a.array.dtype.kind != "c" and not same(a, b)]
        wrong = [(float(a.array), float(b.array)) for a, b in pairs]
        if wrong:
            told = in_common(wrong) if len(wrong) > 1 else ""
            return told and _which(exercise, place) + told
    return ""


def _raised(exercise: Exercise, outcome: Outcome, index: int) -> tuple[str, str]:
    hints = {
        "RecursionError": "It calls itself without end: what stops it?",
        "MemoryError": "It asks for far more memory than the exercise needs.",
        "IndexError": "An index points past the end: compare the ranges of your loops with the sizes below.",
        "EOFError": "It waits for input, and here nobody answers.",
        "NameError": "A name is used that is not defined in the notebook: a typing slip, or a cell that was not run?",
        "ZeroDivisionError": "Something is divided by 0: which count can be 0?",
    }
    lines = "".join(f"\n    {line}" for line in outcome.trace)
    hint = hints.get(outcome.error, "")
    if "can't allocate memory" in outcome.note or "not enough memory" in outcome.note:
        hint = hints["MemoryError"]
    end = f"\n{hint}" if hint or lines else ""
    return "raises", f"Your function stops with {outcome.error}: {outcome.note}{lines}{end}"


def _odd(exercise: Exercise, outcome: Outcome, index: int) -> tuple[str, str]:
    own = re.fullmatch(r"\[([\w-]+)\] (.*)", outcome.note, re.DOTALL)
    if own:
        return own[1], own[2]
    if outcome.note == "a generator":
        return "wrong-type", "Your function returns a generator, since there is a `yield` in it. Return a list."
    known = re.fullmatch(r"an? \w+", outcome.note) and not exercise.observe
    end = "; tensors, arrays and numbers can be compared" if known else ""
    return "wrong-type", f"Your function returns {outcome.note}{end}."


# kind of outcome → code and message, or a function that finds them; the most telling kind comes first
_TOLD: dict[str, tuple[str, str] | Callable[[Exercise, Outcome, int], tuple[str, str]]] = {
    "arguments": lambda exercise, outcome, index: (
        "wrong-arguments", f"The arguments do not fit: {outcome.note}."),
    "timeout": ("too-slow", "Your function did not finish in time. Is there a loop that never ends? Look at what its "
                "condition tests, and whether the loop changes it."),
    "died": ("crashed", "This call brought Python itself down, as endless recursion and running out of memory do."),
    "exit": ("exits", "Your function ends Python with exit() or sys.exit(). Use return for a result."),
    "raised": _raised,
    "odd": _odd,
    "nothing": ("returns-nothing", "Here your function returns None: does every branch reach a return?"),
    "stub": ("not-yet-done-here", "This case is still to be written: NotImplementedError."),
    "value": _values,
}  # fmt: skip


def _remembers(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis:
    message = (
        "The first call is right, and the very same call made later is not: your function remembers something. "
        "Look for a default argument that is a list or tensor, a variable outside the function, or torch.empty."
    )
    return Diagnosis("remembers-earlier-calls", message, example(exercise, outcomes, {len(outcomes) - 1}))
