"""Arguments held against a function's own annotations, before it runs: `@typed` above a function or an `__init__`.

What a number may be beyond its type (from 1 up, a share) stays with the function: `segkit.checks`.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeVar, Union, get_args, get_origin

from segkit.checks import WrongKind

F = TypeVar("F", bound=Callable[..., Any])
WORDS = {
    int: "a whole number",
    float: "a number that is not NaN",
    str: "a word",
    types.NoneType: "None",
    bool: "True or False",
}


def typed(function: F) -> F:
    """The function with a door: a TypeError names the argument, what it got and what it takes.

    Args:
        function: with annotations. `int` takes whole numbers of Python, numpy and torch, `float` any real number but
            NaN, a sequence no string. `bool` by itself takes everything but words, which are true whatever they
            say. `Any`, and a word or something else take everything.

    Raises, when it is called:
        WrongKind: an argument that its annotation does not allow (a TypeError and a ValueError).
    """
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind not in (2, 4)]  # no *, no **
    places = [p.name for p in parameters if p.kind != inspect.Parameter.KEYWORD_ONLY]
    own, _, last = function.__qualname__.rpartition(".")
    who = own.rpartition(".")[2] if last in ("__init__", "__post_init__") else last
    hints: dict[str, Any] = {}

    @functools.wraps(function)
    def door(*arguments: Any, **named: Any) -> Any:
        if not hints:  # looked up when first needed: a name may be imported below
            hints.update({p.name: _hint(p.annotation, function) for p in parameters})
        for name, value in (*zip(places, arguments, strict=False), *named.items()):
            if not fits(value, hints.get(name, Any)):
                raise WrongKind(f"{who} got {name}={shown(value)}; {name} is {described(hints[name])}")
        return function(*arguments, **named)

    return door  # type: ignore[return-value]


def _hint(annotation: Any, function: Callable[..., Any]) -> Any:
    if not isinstance(annotation, str):
        return Any if annotation is inspect.Parameter.empty else annotation
    try:
        return eval(annotation, function.__globals__)
    except NameError:  # imported for type checkers only
        return Any


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation allows."""
    if hint in (Any, inspect.Parameter.empty) or isinstance(hint, TypeVar):
        return True
    if hint is bool:
        return not isinstance(value, str | bytes)
    if hint is int:
        return _whole(value)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if str in parts and not {str, bool, types.NoneType}.issuperset(parts):
            return True  # a word or something else: only the function knows its words
        return any(isinstance(value, bool) if part is bool else fits(value, part) for part in parts)
    kind = origin or hint
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    if kind in (Sequence, Collection, Iterable, list, tuple):
        return _several(value, kind, parts)
    return isinstance(value, kind)


def _several(value: Any, kind: type, parts: tuple[Any, ...]) -> bool:
    """A sequence for Sequence, list or tuple (JSON and habit mix them), anything to go through for Iterable."""
    if isinstance(value, str | bytes):
        return False
    if kind is Iterable:
        return isinstance(value, Iterable) or hasattr(value, "__getitem__")
    if not isinstance(value, Sequence):
        return isinstance(value, Collection) and not isinstance(value, Mapping | set) and kind is not tuple
    if kind is tuple and parts and parts[-1] is not Ellipsis:
        return len(value) == len(parts) and all(map(fits, value, parts))
    return not parts or all(fits(item, parts[0]) for item in value)


def _whole(value: Any) -> bool:
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool"):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def shown(value: Any) -> str:
    """A value in a message: short, and a tensor or an array by its type and shape."""
    kind = type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{kind} of {value.dtype} and shape {tuple(value.shape)}"
    text = repr(value)
    return f"{text if len(text) < 60 else text[:57] + '…'} ({kind})"


def described(hint: Any) -> str:
    """An annotation in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(described(part) for part in parts))
    if hint in WORDS:
        return WORDS[hint]
    if origin is tuple and parts[-1:] != (Ellipsis,):
        return f"{len(parts)} values, each {described(parts[0])}"
    if origin in (Sequence, Collection, Iterable, list, tuple):
        return f"a sequence, each item {described(parts[0])}" if parts and parts[0] is not Any else "a sequence"
    name = getattr(origin or hint, "__name__", str(hint))
    return {"Tensor": "a tensor", "ndarray": "a numpy array", "Module": "a network", "Callable": "a function"}.get(
        name, f"a {name}"
    )
