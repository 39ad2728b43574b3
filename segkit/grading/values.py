"""Results as plain numpy leaves, whatever a learner returns, and the comparison of two of them."""

from __future__ import annotations

import copy
import numbers
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn

ANY = object()  # in an imitation: whatever stands here
ROUNDING = {"float16": 2e-3, "bfloat16": 1.6e-2}  # twice what a number loses when it is rounded to such a type
HANDED_OUT: WeakSet[nn.Module] = WeakSet()  # copies of layers that were given to somebody and are still in use
LARGEST = 200_000  # elements; nothing in an exercise comes near


class Unusable(Exception):
    """A result of a kind that cannot be read as numbers.

    The message says what came, or is a diagnosis of its own: "[code] What is wrong with it."
    """


@dataclass(frozen=True)
class Leaf:
    """One array of a result.

    Args:
        array: the values.
        dtype: the name of the type that came, such as "float32".
        origin: "torch", "numpy" or "python", or "any" where an imitation leaves this part open.
        grad: whether a gradient can flow back through it.
    """

    array: np.ndarray
    dtype: str
    origin: str
    grad: bool = False


def article(name: str) -> str:
    """The name of a type with its article: an int, a Tensor."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def leaf(value: Any) -> Leaf:
    """Read one tensor, array, number or nested list as a Leaf.

    Raises:
        Unusable: it is none of these, or far too large.
    """
    if value is ANY:
        return Leaf(np.zeros(0), "any", "any")
    if isinstance(value, Tensor):
        if value.numel() > LARGEST:
            raise Unusable(f"a tensor of shape {shape_text(value.shape)}, far larger than anything asked for")
        plain = value.detach().to("cpu")
        plain = plain.to_dense() if plain.layout != torch.strided else plain
        plain = plain.float() if plain.dtype == torch.bfloat16 else plain
        dtype = str(value.dtype).removeprefix("torch.")
        return Leaf(plain.resolve_conj().resolve_neg().numpy().copy(), dtype, "torch", bool(value.requires_grad))
    if isinstance(value, (np.ndarray, np.generic)):
        if value.size > LARGEST or value.dtype.kind not in "biufc":
            raise Unusable(f"an array of shape {shape_text(value.shape)} and type {value.dtype}")
        return Leaf(np.array(value), str(value.dtype), "numpy")
    if isinstance(value, (bool, int, float)):
        whole = isinstance(value, int) and not -(2**63) <= value < 2**63  # more than any array of whole numbers holds
        number = np.array(float(value) if whole else value)
        if number.dtype.kind not in "biuf":  # something that only says it is a number
            raise Unusable(article(type(value).__name__))
        return Leaf(number, type(value).__name__, "python")
    if isinstance(value, numbers.Real):  # a fraction, for one
        return Leaf(np.array(float(value)), type(value).__name__, "python")
    if isinstance(value, (list, tuple, range)):
        if len(value) > LARGEST:
            raise Unusable(f"a {type(value).__name__} of {len(value)} items, far more than anything asked for")
        return _leaf_of_list(list(value))
    raise Unusable(article(type(value).__name__))


def _leaf_of_list(items: list[Any]) -> Leaf:
    parts = [leaf(item) for item in items]
    if not parts:
        return Leaf(np.zeros(0), "list", "python")
    if len({part.array.shape for part in parts}) > 1:
        raise Unusable(f"a {type(items).__name__} of {len(items)} results of different shapes")
    if len(parts) * parts[0].array.size > LARGEST:
        raise Unusable(f"a list of {len(items)} results, together far larger than anything asked for")
    grad = any(part.grad for part in parts)
    return Leaf(np.stack([part.array for part in parts]), parts[0].dtype, "python", grad)


def leaves(result: Any, count: int) -> tuple[Leaf, ...]:
    """Read a result that consists of `count` arrays.

    Raises:
        Unusable: it has another number of parts, or a part cannot be read.
    """
    if count == 1:
        return (leaf(result),)
    if not isinstance(result, (tuple, list)) or len(result) != count:
        found = f"{len(result)} results" if isinstance(result, (tuple, list)) else f"a single {type(result).__name__}"
        raise Unusable(f"{found} where {count} are asked for, separated by a comma")
    return tuple(leaf(part) for part in result)


def same_shape(got: np.ndarray, expected: np.ndarray) -> bool:
    """Shapes agree; one number may come as (), (1,) or the like."""
    return got.shape == expected.shape or (expected.size == 1 and got.size == 1 and expected.ndim == 0)


def same(got: Leaf, expected: Leaf) -> bool:
    """Equal values within what rounding can do, NaN equal to NaN."""
    if "any" in (got.origin, expected.origin):
        return True
    if not same_shape(got.array, expected.array):
        return False
    if got.array.dtype.kind not in "biuf":
        return False
    a, b = got.array.astype(np.float64).reshape(-1), expected.array.astype(np.float64).reshape(-1)
    finite = b[np.isfinite(b)]
    rtol = ROUNDING.get(got.dtype, 1e-4)  # what is lost to half precision is named for its type
    atol = rtol * min(1.0, float(np.abs(finite).max())) if finite.size else 0.0
    return bool(np.allclose(a, b, rtol=rtol, atol=max(atol, 1e-7), equal_nan=True))


def all_same(got: tuple[Leaf, ...], expected: tuple[Leaf, ...]) -> bool:
    return len(got) == len(expected) and all(same(a, b) for a, b in zip(got, expected, strict=True))


def all_exact(got: tuple[Leaf, ...], expected: tuple[Leaf, ...]) -> bool:
    """Whether what came as float64 is right to more digits than float32 has."""
    for a, b in zip(got, expected, strict=True):
        if a.dtype == b.dtype == "float64" and a.array.size == b.array.size and b.array.size:
            x, y = a.array.reshape(-1), b.array.reshape(-1)
            largest = float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
            if not np.allclose(x, y, rtol=1e-8, atol=1e-8 * largest, equal_nan=True):
                return False
    return True


def fresh(value: Any) -> Any:
    """A copy to hand out: same values, same memory layout, nothing shared."""
    if isinstance(value, Tensor):
        return value.detach().clone(memory_format=torch.preserve_format).requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)):
        return type(value)(fresh(item) for item in value)
    copied = copy.deepcopy(value)
    if isinstance(value, nn.Module):
        HANDED_OUT.add(copied)
    return copied


def unchanged(before: Any, after: Any) -> bool:
    """Whether an argument still holds what it held; something that breaks when it is compared is another thing."""
    try:
        return _alike(before, after)
    except Exception:
        return False


def _alike(before: Any, after: Any) -> bool:
    if type(before) is not type(after):
        return False
    if isinstance(before, Tensor):
        return (
            before.shape == after.shape
            and before.dtype == after.dtype
            and bool(torch.equal(before.detach().nan_to_num(), after.detach().nan_to_num()))
        )
    if isinstance(before, nn.Module):
        old, new = before.state_dict(), after.state_dict()
        return old.keys() == new.keys() and all(_alike(old[key], new[key]) for key in old)
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(_alike(a, b) for a, b in zip(before, after, strict=True))
    if callable(before) or (before != before and after != after):  # NaN is still NaN
        return True
    return bool(before == after)


def shape_text(shape: Any) -> str:
    """2×3×5, or "one number"."""
    return "×".join(str(int(n)) for n in shape) or "one number"


def number_text(value: Any) -> str:
    """A number as a learner would write it."""
    if np.iscomplexobj(value):
        return f"{complex(value):g}"
    value = float(value)
    return f"{value:g}" if value == value and abs(value) < 1e6 else f"{value:.6g}"


def array_text(array: np.ndarray) -> str:
    """A small array in full, a large one by its shape."""
    if array.size > 36:
        return f"{shape_text(array.shape)} numbers"
    if array.ndim == 0:
        return str(bool(array)) if array.dtype == bool else number_text(array)
    shown = array.astype(np.int64) if array.dtype == bool else array
    return np.array2string(shown, precision=4, suppress_small=True, separator=", ", max_line_width=100)


def argument_text(value: Any) -> str:
    """An argument in an example: small ones in full."""
    if isinstance(value, Tensor):
        text = array_text(value.detach().cpu().numpy())
        return text if value.numel() > 36 else f"{text} (shape {shape_text(value.shape)})"
    if isinstance(value, nn.Module):
        return str(value)
    if isinstance(value, list) and value and isinstance(value[0], tuple) and isinstance(value[0][0], Tensor):
        rows = [
            " ".join(f"{part.tolist()}," if part.numel() <= 36 else shape_text(part.shape) for part in pair)
            for pair in value
        ]
        return "[" + ",\n ".join(f"({row.rstrip(',')})" for row in rows) + "]"
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    return repr(value)
