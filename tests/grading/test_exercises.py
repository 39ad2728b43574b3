"""Every exercise: stubs are not yet done, right answers get full marks, each planted mistake its own diagnosis."""

from __future__ import annotations

import importlib
from functools import cache

import pytest

from segkit.grading import check, describe, exercises
from segkit.grading.asked import settled
from segkit.grading.assignments import ASSIGNMENTS
from segkit.grading.checking import does_nothing, judge
from segkit.grading.exercise import catalogue, does, find, registry
from segkit.grading.outcome import Tried
from segkit.grading.recognise import Evidence
from segkit.grading.result_types import passes
from segkit.grading.sandbox import _run_forked, attempt, call, method
from segkit.grading.stubs import is_stub
from segkit.grading.verdict import FULL, NOT_YET, PARTLY, REJECTED

CHAPTERS = [importlib.import_module(f"tests.grading.mistakes.{name}") for name in ASSIGNMENTS]
RIGHT = [(e, s, f) for chapter in CHAPTERS for e, styles in chapter.RIGHT.items() for s, f in styles.items()]
WRONG = [(e, c, f) for chapter in CHAPTERS for e, codes in chapter.WRONG.items() for c, f in codes.items()]
# "code" or "code and a few words", where several mistakes have the same diagnosis


@cache
def together(name):
    """What all answers here to an exercise do, one after another in one process: starting one costs more than most.

    Those from the first on that does not come to an end there are left out.
    """
    exercise, answers = find(name), [function for answered, _, function in RIGHT + WRONG if answered == name]
    asked, cases = exercise.unsettled(), exercise.all_cases()
    count = len(cases)
    outcomes = _run_forked(lambda i: call(answers[i // count], asked, i % count), count * len(answers), 300.0)
    outcomes = [settled(exercise, outcome, cases[i % count].args) for i, outcome in enumerate(outcomes)]
    stuck = [i // count for i, outcome in enumerate(outcomes) if outcome.kind in ("timeout", "died", "skipped")]
    ended = answers[: min(stuck, default=len(answers))]
    parts = [outcomes[k * count : (k + 1) * count] for k in range(len(ended))]
    return {id(f): Tried(type(f).__name__, part, is_stub(f)) for f, part in zip(ended, parts, strict=True)}


@cache
def tried(name, function):
    """What an answer does, for all tests that look at it."""
    shared = together(name) if method() == "fork" else {}
    return shared.get(id(function)) or attempt(find(name), function, 30.0)


def test_the_function_is_not_hidden_by_the_folder_of_its_name():
    check("conv2d", raises, quiet=True)
    assert importlib.import_module("segkit.grading").exercises() == exercises()


def raises(*args):
    raise NotImplementedError


def returns_none(*args):
    pass


def test_the_list_is_complete():
    names = [name for chapter in CHAPTERS for name in chapter.RIGHT]
    assert sorted(names) == sorted(exercises())
    assert len(exercises()) == len(set(exercises())) == sum(map(len, ASSIGNMENTS.values()))


@pytest.mark.parametrize("name", exercises())
def test_enough_is_planted(name):
    wrong = next(chapter.WRONG[name] for chapter in CHAPTERS if name in chapter.WRONG)
    right = next(chapter.RIGHT[name] for chapter in CHAPTERS if name in chapter.RIGHT)
    assert len(wrong) >= 8, "at least eight planted mistakes"
    assert len(right) >= 2, "at least two styles of right answer"


def assert_not_yet_done(result):
    assert (result.score, result.status, result.passed) == (0.0, NOT_YET, False)
    assert [d.code for d in result.diagnoses] == ["not-yet-done"]


@pytest.mark.parametrize("name", exercises())
def test_stub_is_not_yet_done(name):
    assert_not_yet_done(check(name, raises, quiet=True))


@pytest.mark.parametrize("name", ["conv2d", "shared_pool_backward", "seen_pixels", "linear_to_conv"])
@pytest.mark.parametrize(
    "stub", [returns_none, lambda *args: ..., None, ...], ids=["None", "...", "no function", "Ellipsis"]
)
def test_other_stubs_are_not_yet_done(name, stub):
    assert_not_yet_done(check(name, stub, quiet=True))


@pytest.mark.parametrize("name", exercises())
def test_reference_gets_full_marks(name):
    result = check(name, find(name).reference, quiet=True)
    assert (result.score, result.status, result.diagnoses) == (1.0, FULL, [])


@pytest.mark.parametrize(("name", "style", "function"), RIGHT, ids=[f"{e}-{s}" for e, s, _ in RIGHT])
def test_another_style_gets_full_marks(name, style, function):
    result = judge(find(name), tried(name, function))
    assert result.passed and result.score == 1.0 and not result.diagnoses, result.text()


@pytest.mark.parametrize(("name", "code", "function"), WRONG, ids=[f"{e}-{c}" for e, c, _ in WRONG])
def test_planted_mistake_gets_its_own_diagnosis(name, code, function):
    result = judge(find(name), tried(name, function))
    assert not result.passed and result.score < 1.0
    assert result.status in (PARTLY, REJECTED)
    code = code.split(" ")[0]
    assert result.diagnoses[0].code == code, result.text()
    assert {d.code for d in result.diagnoses} == {code}, "and no other"
    assert len(result.diagnoses[0].message) > 20


@pytest.mark.parametrize(("name", "code", "function"), WRONG, ids=[f"{e}-{c}" for e, c, _ in WRONG])
def test_a_named_slip_takes_three_fifths_at_most(name, code, function):
    """Its aspects' share, and no more than that; never all, and never less than one aspect costs anybody else."""
    answer = tried(name, function)
    result = judge(find(name), answer)
    share = sum(result.groups.values()) / len(result.groups)
    assert result.score <= 1 - 1 / len(result.groups) + 1e-4
    if does_nothing(find(name), answer.outcomes):  # its diagnosis is right, and leaves no marks
        assert result.score == 0 or next(iter(result.groups.values()))
    else:
        assert result.score == pytest.approx(max(share, 0.4), abs=1e-4), result.text()
        assert ("three fifths of the marks" in result.text()) is (share < 0.4)


@pytest.mark.parametrize(
    ("name", "function"),
    [("pixel_accuracy", lambda m: 0), ("pixel_accuracy", lambda m: 1.0), ("boundary_mask", lambda mask, width: mask),
     ("boundary_mask", lambda mask, width: mask & False)],
)  # fmt: skip
def test_an_answer_that_does_nothing_is_no_slip(name, function):
    assert check(name, function, quiet=True).score == 0


@pytest.mark.parametrize("name", exercises())
def test_every_diagnosis_is_planted(name):
    wrong = next(chapter.WRONG[name] for chapter in CHAPTERS if name in chapter.WRONG)
    planted = {code.split(" ")[0] for code in wrong}
    assert [m.code for m in find(name).mistakes if m.code not in planted] == []


@pytest.mark.parametrize("name", exercises())
def test_every_way_is_planted(name):
    """Each way of being wrong is that of a planted answer: the others are not known to be made."""
    exercise, answers = find(name), [function for planted, _, function in WRONG if planted == name]
    idle = {(m.code, place): way for m in exercise.mistakes for place, way in enumerate(m.variants)}
    for function in answers:
        outcomes = tried(name, function).outcomes
        failed = {i for i, outcome in enumerate(outcomes) if not passes(exercise, i, outcome)}
        evidence = Evidence(exercise, outcomes, failed)
        idle = {place: way for place, way in idle.items() if not failed or not evidence._fits((way,))}
    assert not idle, f"no planted answer is wrong in these ways: {', '.join(f'{c} {i}' for c, i in idle)}"


@pytest.mark.parametrize("name", exercises())
def test_catalogue_holds_only_mistakes(name):
    """Every imitation is wrong somewhere, and mistakes of different codes differ somewhere."""
    exercise = registry()[name]
    count = len(exercise.all_cases())
    seen: dict[tuple, tuple[str, int]] = {}
    for mistake in exercise.mistakes:
        assert mistake.variants, mistake.code
        for place, variant in enumerate(mistake.variants):
            imitations = [exercise.imitate((variant,), i) for i in range(count)]
            behaviour = tuple(
                None
                if parts is None
                else tuple((leaf.array.shape, leaf.array.astype(float).round(4).tobytes()) for leaf in parts)
                for parts in imitations
            )
            right = tuple(
                tuple((leaf.array.shape, leaf.array.astype(float).round(4).tobytes()) for leaf in exercise.expected(i))
                for i in range(count)
            )
            assert behaviour != right, f"{mistake.code} {place} does no harm"
            code, twin = seen.setdefault(behaviour, (mistake.code, place))
            assert (code, twin) == (mistake.code, place), f"{mistake.code} {place} behaves like {code} {twin}"
    codes = [mistake.code for mistake in exercise.mistakes]
    assert len(codes) == len(set(codes))


def test_messages_and_ways_name_the_same_mistakes():
    (one,) = catalogue("\nlate: It comes late: look\n    again.\n", {"late": does(len, sum)})
    assert (one.code, one.message, len(one.variants)) == ("late", "It comes late: look again.", 2)
    with pytest.raises(ValueError, match="messages are about late, low, but the ways about low, late"):
        catalogue("late: It comes late.\nlow: It is low.", {"low": does(len), "late": does(sum)})


@pytest.mark.parametrize("name", exercises())
def test_description_and_signature(name):
    text = describe(name)
    assert text.startswith(f"{name}(") and len(text) > 150
    assert len(find(name).parameters) == len(find(name).all_cases()[0].args)


def test_unknown_exercise_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"there is no exercise 'conv3d'.*conv2d"):
        check("conv3d", raises)
    with pytest.raises(ValueError, match="time_limit"):
        check("conv2d", raises, time_limit=0)


def test_verdict_is_printed_unless_quiet(capsys):
    check("pixel_accuracy", lambda matrix: matrix.diag().sum() / matrix.sum())
    assert capsys.readouterr().out == "pixel_accuracy: right, full marks\n"
    check("pixel_accuracy", raises, quiet=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["conv3d", ["conv2d"], None, 3])
def test_what_is_no_exercise_is_named(name):
    with pytest.raises(ValueError, match=r"there is no exercise .*the exercises are confusion_matrix, "):
        describe(name)
