"""Generic detective work: in which cases an answer fails, and how its numbers differ from the right ones."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from segkit.grading.values import Leaf, number_text, same, same_shape, shape_text

Facts = list[dict[str, bool]]
_RARELY_THE_CAUSE = ("float64", "contiguous", "uint8", "empty")  # where everything fails, these lead astray


def fails_when(facts: Facts, failed: set[int]) -> str:
    """The condition that separates the failing cases from the passing ones, in words; empty where none does."""
    everything = set(range(len(facts)))
    if not failed or failed == everything:
        return ""
    names = list(dict.fromkeys(name for one in facts for name in one))
    holds = {name: {i for i in everything if facts[i].get(name)} for name in names}
    exact = [name for name in names if holds[name] == failed]
    if exact:
        return f"It fails when {exact[0]}, and only then.{_as_well(exact[1:])}"
    pairs = [(a, b) for a, b in combinations(names, 2) if holds[a] & holds[b] == failed]
    if pairs:
        others = [name for name in dict.fromkeys(n for pair in pairs for n in pair) if name not in pairs[0]]
        alike = _as_well([name for name in others if failed <= holds[name]])
        return f"It fails when {pairs[0][0]} and {pairs[0][1]}, and only then.{alike}"
    covers = [name for name in names if failed < holds[name] and holds[name] != everything]
    if covers:
        best = min(covers, key=lambda name: len(holds[name]))
        passing = len(holds[best]) - len(failed)
        return (
            f"In all {len(failed)} cases that fail, {best}. ({passing} other such "
            f"{'case passes' if passing == 1 else 'cases pass'}: it takes more than that, or it does not show there.)"
            if len(failed) > 1 and passing <= len(failed)
            else ""
        )
    within = [name for name in names if holds[name] < failed and not any(word in name for word in _RARELY_THE_CAUSE)]
    best = max(within, key=lambda name: len(holds[name]), default="")
    if best and 2 * len(holds[best]) > len(failed) and 4 * len(failed) <= 3 * len(facts):
        return f"It always fails when {best}, and in some other cases too."
    return ""


def _as_well(names: list[str]) -> str:
    """What cannot be told apart from a cause by the cases that there are."""
    if not names:
        return ""
    more = f"{', '.join(names[:2])} and {names[2]}" if len(names) > 2 else " and ".join(names)
    return f" (In the same cases {more}, so it may be that instead.)"


def relation(got: Leaf, expected: Leaf, *, table: bool = False) -> str:
    """How a wrong result relates to the right one, in a sentence; empty where nothing simple is found.

    Args:
        got: the result.
        expected: the right one.
        table: whether a result of two dimensions is a table rather than a picture.
    """
    a, b = got.array, expected.array
    if not same_shape(a, b):
        return shape_difference(a, b, table=table)
    if a.dtype.kind not in "biuf":
        return f"Your result holds {got.dtype} values, which are not plain numbers."
    a, b = a.astype(np.float64).reshape(b.shape), b.astype(np.float64)
    with np.errstate(all="ignore"):
        if not np.isfinite(a[np.isfinite(b)]).all():
            return _not_finite(a, b)
        return _rearranged(a, b, expected) or _scaled(a, b) or _where(a, b, table)


def in_common(pairs: list[tuple[float, float]]) -> str:
    """What holds of all of these wrong numbers and the right ones, in a sentence; empty where nothing does."""
    a, b = np.array(pairs).T
    if not np.isfinite(a).all() or not np.isfinite(b).all():
        return ""
    return _scaled(a, b).replace("number", "wrong result" if len(pairs) > 1 else "number")


def shape_difference(a: np.ndarray, b: np.ndarray, *, table: bool = False) -> str:
    """How two shapes differ, in a sentence."""
    if b.shape == (0,):
        return f"Your result should be empty; it has the shape {shape_text(a.shape)}."
    if a.ndim == b.ndim == 1:
        return f"Your result has {a.size} number{'s' * (a.size != 1)}; it should have {b.size}."
    text = f"Your result has the shape {shape_text(a.shape)}; it should be {shape_text(b.shape)}"
    if a.ndim != b.ndim:
        return f"{text}: {a.ndim} dimensions instead of {b.ndim}."
    if sorted(a.shape) == sorted(b.shape):
        return f"{text}: the same sizes in another order."
    steps = []
    for place, (have, want) in enumerate(zip(a.shape, b.shape, strict=True)):
        if have != want:
            if table and b.ndim == 2:
                part = "row" if place == 0 else "column"
                many = "many" if have > want else "few"
                steps.append(f"it has {abs(have - want)} {part}{'s' * (abs(have - want) > 1)} too {many}")
                continue
            axis = _axis(place, b.ndim)
            steps.append(f"{axis} has {abs(have - want)} too {'many' if have > want else 'few'}")
    return f"{text}: {' and '.join(steps)}.".replace("and it has", "and")


def _axis(place: int, ndim: int) -> str:
    names = {4: ("the batch", "the channel dimension", "the height", "the width"), 2: ("the height", "the width")}
    return names[ndim][place] if ndim in names else f"dimension {place}"


def _not_finite(a: np.ndarray, b: np.ndarray) -> str:
    bad = ~np.isfinite(a) & np.isfinite(b)
    what = "NaN" if np.isnan(a[bad]).any() else "infinite"
    return f"{int(bad.sum())} of its {b.size} numbers are {what}. Look for a division by 0, or too large an exp."


def _rearranged(a: np.ndarray, b: np.ndarray, expected: Leaf) -> str:
    def is_now(x: np.ndarray) -> bool:
        return x.shape == b.shape and same(Leaf(x, "float64", "numpy"), expected)

    if b.ndim >= 2:
        if is_now(np.swapaxes(a, -1, -2)):
            return "It is the right result with its rows and columns exchanged."
        if is_now(a[..., ::-1, :]):
            return "It is the right result with its rows in reverse order."
        if is_now(a[..., :, ::-1]):
            return "It is the right result with left and right exchanged."
        if b.ndim == 4 and a.shape[0] == a.shape[1] and is_now(np.swapaxes(a, 0, 1)):
            return "It is the right result with batch and channels exchanged."
        for axis, name in ((-2, "row"), (-1, "column")):
            if b.shape[axis] > 2:
                later = np.delete(a, 0, axis), np.delete(b, -1, axis)
                sooner = np.delete(a, -1, axis), np.delete(b, 0, axis)
                for x, y in (later, sooner):
                    if np.allclose(x, y, atol=1e-5, equal_nan=True) and np.ptp(np.nan_to_num(y)) > 0:
                        return f"It is the right result moved by one {name}."
    if b.ndim == 1 and is_now(a[::-1]):
        return "It is the right result in the reverse order."
    return ""


def _scaled(a: np.ndarray, b: np.ndarray) -> str:
    use = np.isfinite(b)
    x, y = a[use], b[use]
    if not y.size or not np.abs(y).max():
        return ""
    if np.allclose(x, -y, atol=1e-6):
        return "Every number has the wrong sign."
    ratio = (x @ y) / (y @ y)
    if y.size > 1 and abs(ratio) > 1e-6 and np.allclose(x, ratio * y, rtol=1e-4, atol=1e-5 * np.abs(y).max()):
        return f"Every number is {number_text(round(float(ratio), 5))} times the right one."
    offset = float((x - y).mean())
    if y.size > 1 and np.allclose(x, y + offset, rtol=1e-4, atol=1e-5 * np.abs(y).max()):
        return f"Every number is {number_text(round(abs(offset), 5))} too {'large' if offset > 0 else 'small'}."
    return ""


def _where(a: np.ndarray, b: np.ndarray, table: bool) -> str:
    wrong = ~np.isclose(a, b, rtol=1e-4, atol=1e-4, equal_nan=True)
    if not wrong.any() or b.ndim == 0:
        return ""
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    spot = f"The first difference is at {list(place)}: {number_text(a[place])} instead of {number_text(b[place])}."
    what = "entry" if table else "number"
    if wrong.all():
        return f"Every {what} is wrong. {spot}"
    many = f"{int(wrong.sum())} of {wrong.size} {'entries' if table else 'numbers'} are wrong."
    return f"{(_on_diagonal(wrong) if table else _region(wrong)) or many} {spot}"


def _on_diagonal(wrong: np.ndarray) -> str:
    """Whether a table is wrong on its diagonal, or off it, only."""
    if wrong.ndim == 2 and wrong.shape[0] == wrong.shape[1] > 1:
        diagonal = np.eye(len(wrong), dtype=bool)
        if not (wrong & diagonal).any():
            return "Only entries off the diagonal are wrong."
        if not (wrong & ~diagonal).any():
            return "Only entries on the diagonal are wrong."
    return ""


def _region(wrong: np.ndarray) -> str:
    if wrong.ndim >= 2 and min(wrong.shape[-2:]) > 2:
        border = wrong.copy()
        border[..., 1:-1, 1:-1] = False
        if (border == wrong).all():
            return "Only the border is wrong; the inside is right."
        if not border.any():
            return "Only the inside is wrong; the border is right."
    if wrong.ndim == 4:
        for axis, name in ((0, "picture of the batch"), (1, "channel")):
            others = np.moveaxis(wrong, axis, 0)
            if len(others) > 1 and not others[0].any():
                return f"The first {name} is right; a later one is wrong."
    return ""
