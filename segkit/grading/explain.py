"""From the outcomes of all cases to diagnoses: known mistakes by imitation, the rest by detective work."""

from __future__ import annotations

import re
from itertools import combinations

from segkit.grading.attribution import fails_when, in_common, relation
from segkit.grading.examples import example, smallest
from segkit.grading.exercise import Exercise, Mistake, Variant
from segkit.grading.result_types import integer_for_float
from segkit.grading.sandbox import Outcome
from segkit.grading.values import all_same, same
from segkit.grading.verdict import Diagnosis


def diagnose(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> list[Diagnosis]:
    """What is wrong with the values of the failing cases, the most telling first."""
    if not failed:
        return []
    last = len(outcomes) - 1
    if last in failed and 0 not in failed and outcomes[last].kind in ("value", "raised"):
        return [_remembers(exercise, outcomes)]
    known = _known_mistakes(exercise, outcomes, failed)
    if known:
        return [Diagnosis(m.code, m.message, example(exercise, outcomes, _telling(exercise, outcomes, failed, v)))
                for m, v in known]  # fmt: skip
    typed = integer_for_float(exercise, outcomes, failed)
    if typed:
        return [typed]
    near, explained = _nearest_mistake(exercise, outcomes, failed)
    if near:
        shown = example(exercise, outcomes, explained)
        return [Diagnosis(near.code, near.message, shown), *_generic(exercise, outcomes, failed - explained)]
    return _generic(exercise, outcomes, failed)


# Known mistakes ----------------------------------------------------------------------------------------------------


def _known_mistakes(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> list[tuple[Mistake, Variant]]:
    """The mistake of the catalogue, or two together, whose imitation does just what the answer does."""
    single = [(m, v) for m in exercise.mistakes for v in m.variants]
    for found in ([one] for one in single):
        if _fits(exercise, outcomes, failed, (found[0][1],)):
            return found
    if not any(outcomes[i].kind == "value" for i in failed):
        return []
    for a, b in combinations(single, 2):
        if a[0].code == b[0].code or (a[1].core and b[1].core):
            continue
        either_way = (a[1].before and b[1].before) or (a[1].after and b[1].after)
        for pair in ([a, b], [b, a]) if either_way else ([a, b],):
            if _fits(exercise, outcomes, failed, tuple(v for _, v in pair)):
                both = tuple(v for _, v in pair)
                seen = {i for i in failed if outcomes[i].kind != "value" or exercise.imitate(both, i)}
                return [one for one in pair if any(_shows(exercise, outcomes, i, one[1]) for i in seen)] or pair
    return _two_places(exercise, outcomes, failed, single)


def _shows(exercise: Exercise, outcomes: list[Outcome], index: int, variant: Variant) -> bool:
    """Whether a part of the result that this mistake spoils is wrong in the answer, too."""
    found, right, got = exercise.imitate((variant,), index), exercise.expected(index), outcomes[index].leaves
    if found is None or outcomes[index].kind != "value":
        return _wrong(exercise, (variant,), index)
    parts = zip(found, right, got, strict=True)
    return any(not same(spoilt, want) and not same(have, want) for spoilt, want, have in parts)


def _wrong(exercise: Exercise, variants: tuple[Variant, ...], index: int) -> bool:
    found = exercise.imitate(variants, index)
    return found is None or not all_same(found, exercise.expected(index))


def _order(outcomes: list[Outcome], failed: set[int]) -> list[int]:
    """Wrong values first, then what passed: they refute a wrong guess soonest."""
    return sorted(range(len(outcomes)), key=lambda i: (i not in failed or outcomes[i].kind != "value", i in failed, i))


def _fits(exercise: Exercise, outcomes: list[Outcome], failed: set[int], variants: tuple[Variant, ...]) -> bool:
    agreeing, both_fail = 0, 0
    for index in _order(outcomes, failed):
        imitation = exercise.imitate(variants, index)
        if index not in failed:
            if imitation is not None and not all_same(imitation, exercise.expected(index)):
                return False
            if imitation is None:
                return False
        elif imitation is None:
            both_fail += outcomes[index].kind == "raised"
        elif outcomes[index].kind == "value":
            if not all_same(outcomes[index].leaves, imitation):
                return False
            agreeing += 1
        elif all_same(imitation, exercise.expected(index)):
            return False  # the answer fails where this mistake would do no harm
    if not any(outcomes[index].kind == "value" for index in failed):
        return both_fail == len(failed) and any(variant.stops for variant in variants)
    return agreeing > 0 and 2 * (agreeing + both_fail) >= len(failed)


def _two_places(
    exercise: Exercise, outcomes: list[Outcome], failed: set[int], single: list[tuple[Mistake, Variant]]
) -> list[tuple[Mistake, Variant]]:
    """Two mistakes that show in different cases: each failing case is imitated by one of them."""
    explained = {}
    for one in single:
        hits = {i for i in failed if _agrees(exercise, outcomes, i, one[1])}
        harmless = all(not _wrong(exercise, (one[1],), i) for i in range(len(outcomes)) if i not in failed)
        if hits and harmless:
            explained[one] = hits
    for a, b in combinations(explained, 2):
        if explained[a] | explained[b] == failed and a[0].code != b[0].code:
            return [a, b]
    return []


def _nearest_mistake(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> tuple[Mistake | None, set[int]]:
    """A mistake that imitates at least half of the failing cases and does no harm where the answer is right."""
    best: tuple[Mistake | None, set[int]] = (None, set())
    for one in exercise.mistakes:
        for variant in one.variants:
            hits = {i for i in failed if _agrees(exercise, outcomes, i, variant)}
            if len(hits) > len(best[1]) and 2 * len(hits) >= len(failed):
                if all(not _wrong(exercise, (variant,), i) for i in range(len(outcomes)) if i not in failed):
                    best = one, hits
    return best


def _agrees(exercise: Exercise, outcomes: list[Outcome], index: int, variant: Variant) -> bool:
    found = exercise.imitate((variant,), index)
    got = outcomes[index]
    if found is None or all_same(found, exercise.expected(index)):
        return False
    return got.kind == "value" and all_same(got.leaves, found)


def _telling(exercise: Exercise, outcomes: list[Outcome], failed: set[int], variant: Variant) -> set[int]:
    """The failing cases in which this mistake does its harm."""
    return {i for i in failed if _shows(exercise, outcomes, i, variant)} or failed


# Anything else -----------------------------------------------------------------------------------------------------


def _generic(exercise: Exercise, outcomes: list[Outcome], failed: set[int]) -> list[Diagnosis]:
    ran = [i for i in range(len(outcomes) - 1) if outcomes[i].kind != "skipped"]
    facts = [exercise.case_facts(i) for i in ran]
    when = fails_when(facts, {place for place, i in enumerate(ran) if i in failed})
    found: list[Diagnosis] = []
    for kinds, describe in _KINDS:
        these = {i for i in failed if outcomes[i].kind in kinds}
        if these:
            index = smallest(exercise, these)
            code, message = describe(exercise, outcomes[index], index)
            if code == "wrong-values":
                message = _pattern(exercise, outcomes, these) or message
            if code != "wrong-arguments" and not found:
                message = (message if message.endswith("\n") else f"{message} ") + when
            message = message.strip()
            found.append(Diagnosis(code, message, example(exercise, outcomes, {index})))
    return found or [Diagnosis("not-run", "The time was used up before the rest could be tried.")]


def _values(exercise: Exercise, outcome: Outcome, index: int) -> tuple[str, str]:
    expected = exercise.expected(index)
    parts = list(zip(outcome.leaves, expected, strict=True))
    place = next(i for i, (a, b) in enumerate(parts) if not same(a, b))
    got, want = parts[place]
    which = _which(place, len(parts))
    told = relation(got, want, table=exercise.kinds[place] == "integer")
    if got.array.shape != want.array.shape and want.array.ndim:
        return "wrong-shape", which + told + " Write the sizes of each step beside the code, and see where they part."
    if "NaN" in told or "infinite" in told:
        return "nan", which + told
    lead = "The shape is right and the values are not." if want.array.ndim else "The number is not the right one."
    return "wrong-values", f"{which}{lead} {told}".strip()


def _which(place: int, count: int) -> str:
    return f"Part {place + 1} of your result: " if count > 1 else ""


def _pattern(exercise: Exercise, outcomes: list[Outcome], these: set[int]) -> str:
    """What holds of the wrong numbers as a whole, read off the largest failing case; empty where nothing does."""
    index = max(these, key=lambda i: sum(leaf.array.size for leaf in exercise.expected(i)))
    if set(exercise.kinds) == {"number"}:
        return _numbers(exercise, outcomes, these)
    for place, (got, want) in enumerate(zip(outcomes[index].leaves, exercise.expected(index), strict=True)):
        if not same(got, want):
            told = relation(got, want, table=exercise.kinds[place] == "integer")
            simple = got.array.shape == want.array.shape and told and "first difference" not in told
            return (
                f"{_which(place, len(exercise.kinds))}The shape is right and the values are not. {told}"
                if simple
                else ""
            )
    return ""


def _numbers(exercise: Exercise, outcomes: list[Outcome], these: set[int]) -> str:
    """What holds of one wrong number in all of the cases where it is wrong."""
    for place in range(len(exercise.kinds)):
        pairs = [(outcomes[i].leaves[place], exercise.expected(i)[place]) for i in these]
        wrong = [(float(a.array), float(b.array)) for a, b in pairs if a.array.size == 1 and not same(a, b)]
        told = in_common(wrong) if len(wrong) > 1 else ""
        if wrong:
            return f"{_which(place, len(exercise.kinds))}{told}" if told else ""
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


def _other(code: str, message: str):  # type: ignore[no-untyped-def]
    return lambda exercise, outcome, index: (code, message.format(note=outcome.note))


def _odd(exercise: Exercise, outcome: Outcome, index: int) -> tuple[str, str]:
    own = re.fullmatch(r"\[([\w-]+)\] (.*)", outcome.note, re.DOTALL)
    if own:
        return own[1], own[2]
    if outcome.note == "a generator":
        return "wrong-type", "Your function returns a generator, since there is a `yield` in it. Return a list."
    known = re.fullmatch(r"an? \w+", outcome.note) and not exercise.observe
    end = "; tensors, arrays and numbers can be compared" if known else ""
    return "wrong-type", f"Your function returns {outcome.note}{end}."


_KINDS = (
    (("arguments",), _other("wrong-arguments", "The arguments do not fit: {note}.")),
    (("timeout",), _other("too-slow", "Your function did not finish in time. Is there a loop that never ends? Look at "
                          "what its condition tests, and whether the loop changes it.")),
    (("died",), _other("crashed", "Python itself was brought down by this call, as by endless recursion or memory "
                       "that does not exist.")),
    (("exit",), _other("exits", "Your function ends Python with exit() or sys.exit(). Use return for a result.")),
    (("raised",), _raised),
    (("odd",), _odd),
    (("nothing",), _other("returns-nothing", "Here your function returns None: does every branch reach a return?")),
    (("stub",), _other("not-yet-done-here", "This case is still to be written: NotImplementedError.")),
    (("value",), _values),
)  # fmt: skip


def _remembers(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis:
    message = (
        "The first call is right, and the very same call made later is not: your function remembers something. "
        "Look for a default argument that is a list or tensor, a variable outside the function, or torch.empty."
    )
    return Diagnosis("remembers-earlier-calls", message, example(exercise, outcomes, {len(outcomes) - 1}))
