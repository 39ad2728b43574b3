"""Widgets moved at random: every move ends in a picture and a line of words, and the same place shows the same."""

from __future__ import annotations

import io
from functools import cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from segkit.explore.shell import Explorer
from tests.explore.test_shell import MAKERS

STRANGE = (-1.0, 0.0, 0.25, 0.5, 0.999, 1.0, 7.0)  # where a click may fall, in shares of the picture


@cache
def explorer(name: str) -> Explorer:
    """One for all moves, and for nobody else: they leave its controls anywhere."""
    return MAKERS[name]()


def values(control: Any) -> list[Any]:
    """The values that a control can take."""
    if hasattr(control, "options"):
        return [o[1] if isinstance(o, tuple) else o for o in control.options]
    step = getattr(control, "step", 1) or 1
    return list(np.arange(control.min, control.max + step / 2, step)) if hasattr(control, "min") else [True, False]


def move(e: Any, random: Random) -> str:
    """One move of a control, a click, or a reset; says which."""
    how = random.random()
    if how < 0.1:
        e.reset()
        return "reset"
    if how < 0.3:
        x, y = random.choice(STRANGE), random.choice(STRANGE)
        e.picture.x, e.picture.y = x, y
        return f"click {x} {y}"
    name = random.choice(list(e.controls))
    control = e.controls[name]
    value = random.choice(values(control))
    control.value = type(control.value)(value) if isinstance(control.value, int | float) else value
    return f"{name}={value}"


def state(e: Any) -> tuple[Any, ...]:
    return tuple(str(control.value) for control in e.controls.values())


def case(name: str, seed: int, seen: dict[Any, Any]) -> str:
    """The finding of one move, or "". `seen` remembers what each place of the controls said."""
    e = explorer(name)
    try:
        what = move(e, Random(f"{name} {seed}"))
        picture = np.asarray(Image.open(io.BytesIO(e.picture.value)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    words = e.caption.value
    if picture.ndim != 3 or ('aria-live="polite"' not in words and 'role="alert"' not in words):
        return f"{what}: no picture or no words: {words[:80]!r}"
    if "nan" in words.lower().split():
        return f"{what}: NaN in the caption"
    calm = 'role="alert"' not in words
    before = seen.setdefault((name, state(e)), words)
    return "" if before == words or not calm else f"{what}: another caption at the same place"


NAMES = tuple(MAKERS)
