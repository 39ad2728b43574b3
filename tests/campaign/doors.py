"""Doors: public functions and classes with generated arguments. An outcome is right, a clear error, or a finding."""

from __future__ import annotations

import inspect
import linecache
import math
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

import segkit

HOME = str(Path(segkit.__file__).parent)
THING = type("Thing", (), {"__repr__": lambda self: "<a thing>"})()
SHAPELESS = torch.tensor(1.0)
DEEP = torch.zeros((1,) * 7)

# what is never right, by a word of the annotation; the first word that fits counts
WRONG: dict[str, list[Any]] = {
    "Tensor": [None, "x", 3, [["a"]], THING, SHAPELESS, DEEP, torch.zeros(2, 2, dtype=torch.complex64)],
    "Labels": [None, "x", 3, [["a"]], THING, np.array([["a", "b"]]), np.array([[None]]), 1j * np.ones((2, 2))],
    "Picture": [None, "x", 3, THING, np.array([["a", "b"]]), np.array([[None]])],
    "Module": [None, "fcn8s", 3, torch.zeros(1), THING],
    "Model": [None, "fcn8s", 3, torch.zeros(1), THING],
    "Encoder": [None, "vgg16", 3, THING],
    "Size": [1.5, "48", THING, (1.5, 3), (math.nan, 8), (None, 8), (0, 8), -3, (1, 2, 3, 4, 5)],
    "Sequence[int]": [1.5, "12", THING, (1.5, 2), (None,), (math.nan,), (True, "1")],
    "Sequence[str]": [3, "no such", THING, (1, 2)],
    "Sequence[float]": ["12", THING, (None,), ("x",), (math.nan,)],
    "tuple[int, int]": [1.5, "12", THING, (1.5, 2), (None, 3), (1, 2, 3), (math.nan, 1)],
    "tuple[float, float]": ["12", THING, (None, 1), ("x", 1), (math.nan, 1)],
    "int": [1.5, "3", math.nan, math.inf, [1, [2]], THING, 2j],
    "float": ["0.5", math.nan, 2j, [[0.5], "x"], THING],
    "str": [3, "no such word", b"x", ["a"], THING],
}


@dataclass(frozen=True)
class Door:
    """One public name.

    Args:
        call: the function or the class.
        make: from random numbers to arguments that fit, by name.
        right: asserts that an answer to these arguments is right; may raise the errors of later doors.
        wrong: further values of an argument that can never be right.
        free: arguments that take anything (names, captions), or of which only part of the wrong ones can be seen.
        lent: made by torch, whose own errors are as good as ours.
        mirror: `right` asks torch, so what both accept and agree about is right.
    """

    call: Callable[..., Any]
    make: Callable[[Random], dict[str, Any]]
    right: Callable[[Any, dict[str, Any]], None]
    wrong: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    free: tuple[str, ...] = ()
    lent: bool = False
    mirror: bool = False


def arguments(door: Door) -> dict[str, str]:
    """Names and annotations of what a door takes by name."""
    parameters = inspect.signature(door.call).parameters.values()
    return {p.name: str(p.annotation) for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def wrong_values(door: Door, name: str, annotation: str) -> list[Any]:
    """What the argument must not take."""
    given = list(door.wrong.get(name, ()))
    if name in door.free:
        return given
    words = [word for word in WRONG if re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", annotation)]
    found = WRONG[words[0]] if words else []
    takes = [word for word in WRONG if word in annotation]
    if len(takes) > 1:  # a union: what another part of it may take is not wrong
        found = [value for value in found if value is THING or value is None]
    if "None" in annotation or "bool" in annotation:
        found = [value for value in found if value is not None]
    return given + found


def unclear(error: BaseException, words: Sequence[str], lent: bool = False) -> str:
    """Why an error is no clear refusal: of the wrong kind, from deep inside, or silent about what came. Else ""."""
    if not isinstance(error, ValueError | TypeError | OSError | IndexError | KeyError | FloatingPointError):
        return f"{type(error).__name__}: {error}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    raised = linecache.getline(last.filename, last.lineno or 0).strip().startswith("raise")
    ours = last.filename.startswith(HOME)
    if lent and isinstance(error, ValueError | TypeError):
        return ""
    if not ours or not raised:
        return f"{type(error).__name__} from {Path(last.filename).name}:{last.lineno}, not from a door: {error}"
    text = str(error)
    came = re.search(
        r"\b(got|gives?|has|have|holds?|of shape|of type|with values|is a|is an|is not|no|do not fit)\b", text
    )
    if len(text) < 20 or not (came or any(word and word in text for word in words)):
        return f"the message does not say what came: {text}"
    return ""


def outcome(door: Door, given: dict[str, Any], changed: str = "") -> str:
    """ "" for a right answer (or, with a changed argument, for a clear refusal); else what is wrong."""
    try:
        answer = door.call(**given)
        door.right(answer, given)
    except Exception as error:
        if not changed:
            return f"refused what fits: {type(error).__name__}: {error}"
        value = given[changed]
        own = getattr(door.call, "__name__", "")
        words = [changed, own, repr(value)[:12], str(value)[:12], type(value).__name__, changed.rstrip("s")]
        return unclear(error, words, door.lent)
    return f"accepted {changed}={given[changed]!r:.60}" if changed and not door.mirror else ""


def case(door: Door, name: str, seed: int) -> tuple[str, str]:
    """The kind of case number `seed` of a door, and its finding or ""."""
    random = Random(f"{name} {seed}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _case(door, door.make(random), seed)


def _case(door: Door, given: dict[str, Any], seed: int) -> tuple[str, str]:
    wrong = {key: values for key, text in arguments(door).items() if (values := wrong_values(door, key, text))}
    if seed % 3 == 0 or not wrong:
        return "right", outcome(door, given)
    pairs = [(key, value) for key, values in wrong.items() for value in values]
    key, value = pairs[(seed - seed // 3 - 1) % len(pairs)]  # each in turn
    return "wrong", outcome(door, {**given, key: value}, key)


# what generators are made of -------------------------------------------------------------------------------------


def normal(random: Random, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(random.getrandbits(31))).to(dtype)


def uniform(random: Random, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(random.getrandbits(31)))


def labels(random: Random, K: int, *shape: int, void: float = 0.1) -> Tensor:
    """Classes in blobs of 3 pixels, with some void."""
    generator = torch.Generator().manual_seed(random.getrandbits(31))
    *n, h, w = shape
    small = torch.randint(K, (*n, -(-h // 3), -(-w // 3)), generator=generator)
    found = small.repeat_interleave(3, -2).repeat_interleave(3, -1)[..., :h, :w].clone()
    if void:
        found[torch.rand(shape, generator=generator) < void] = 255
    return found


def close(a: Any, b: Any, tolerance: float = 1e-4) -> None:
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    finite = b.detach().double().flatten()
    scale = max(1.0, float(finite[finite.isfinite()].abs().max())) if finite.isfinite().any() else 1.0
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True, check_dtype=False)
