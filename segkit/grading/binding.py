"""Which of our arguments goes to which parameter of a learner's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def inside(function: Any, name: str) -> Any:
    """What the plain function behind anything that can be called has under a name; None where nothing is to be had."""
    try:
        return getattr(getattr(function, "__func__", function), name, None)
    except Exception:  # an object of the learner's own, which may do anything when it is asked
        return None


def bind(
    function: Callable[..., Any], names: list[str], args: tuple[Any, ...], defaults: dict[str, str]
) -> tuple[tuple, dict]:
    """Match arguments to a function: by name where it uses our names in another order, else by place.

    A function that takes fewer arguments is called with fewer, as long as those left out have their default values.

    Raises:
        TypeError: the function cannot be called with them.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # built-in functions have no signature
        return args, {}
    theirs = [p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if theirs[: len(names)] != names:
        by_name = _by_name(signature, theirs, names, args)
        if by_name:
            return (), by_name
    for length in range(len(args), 0, -1):
        try:
            signature.bind(*args[:length])
            return args[:length], {}
        except TypeError:
            left_out = names[length - 1]
            if str(args[length - 1]) != defaults.get(left_out):
                break
    raise TypeError(f"it is called with ({', '.join(names)}), but your function takes {signature}")


def _by_name(
    signature: inspect.Signature, theirs: list[str], names: list[str], args: tuple[Any, ...]
) -> dict[str, Any]:
    """Our arguments under their names, where most names agree; what is left over in the order it stands."""
    ours = dict(zip(names, args, strict=True))
    found = {name: ours.pop(name) for name in names if name in theirs}
    if 2 * len(found) < len(names):
        return {}
    spare = [name for name in theirs if name not in found]
    found.update(zip(spare, ours.values(), strict=False))
    try:
        signature.bind(**found)
    except TypeError:
        return {}
    return found if len(spare) >= len(ours) else {}
