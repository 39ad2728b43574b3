"""Plain data between processes: facts as JSON, arrays as raw bytes with their type and shape; never pickle.

What a student's process says is read here: no more than can be numbers and words comes out, whatever goes in.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

LARGEST = 64 << 20  # bytes of a message
HEAD = 4 << 20  # bytes of its facts
TYPE = re.compile(r"b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)")


class Unreadable(ValueError):
    """Bytes that are no message."""


def frame(value: Any) -> bytes:
    """A message, with its length before it.

    Args:
        value: None, truth values, numbers, words and arrays of numbers; lists, tuples and dictionaries of these.

    Raises:
        TypeError: something else.
        Unreadable: it is far too large.
    """
    arrays: list[bytes] = []
    head = json.dumps(_plain(value, arrays), separators=(",", ":")).encode()
    body = b"".join(arrays)
    _limited(len(head) + len(body), len(head))
    return struct.pack("<QQ", len(head) + len(body), len(head)) + head + body


def _plain(value: Any, arrays: list[bytes]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"dict": {key: _plain(item, arrays) for key, item in value.items()}}
    if isinstance(value, np.ndarray) and TYPE.fullmatch(value.dtype.str[1:]):
        arrays.append(value.astype(value.dtype.newbyteorder("="), order="C").tobytes())
        return {"array": [value.dtype.str[1:], list(value.shape)]}
    raise TypeError(f"a {type(value).__name__} is no plain data: numbers, words and arrays of numbers are")


def _limited(size: int, head: int) -> None:
    if size > LARGEST or head > min(size, HEAD):
        raise Unreadable(f"a message of {size} bytes, {head} of them facts")


def read_frame(read: Callable[[int], bytes | None]) -> Any:
    """The next message; None where there is none any more.

    Args:
        read: gives so many bytes, or None where they do not come.

    Raises:
        Unreadable: it is no message, or far too large.
    """
    sizes = read(16)
    if sizes is None:
        return None
    size, head = struct.unpack("<QQ", sizes)
    _limited(size, head)
    data = read(size)
    return None if data is None else _message(data, head)


def _message(data: bytes, head: int) -> Any:
    try:
        value, end = _value(json.loads(data[:head]), data, head)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise Unreadable(f"not a message: {str(error)[:200]}") from None
    if end != len(data):
        raise Unreadable(f"{len(data) - end} bytes too many")
    return value


def _value(plain: Any, data: bytes, at: int) -> tuple[Any, int]:
    """A value, and where the bytes of the next array begin."""
    if not isinstance(plain, (list, dict)):
        return plain, at
    if isinstance(plain, list):
        items = []
        for item in plain:
            value, at = _value(item, data, at)
            items.append(value)
        return items, at
    ((kind, inside),) = plain.items()
    if kind == "array":
        name, shape = inside
        if not TYPE.fullmatch(name) or not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 32:
            raise ValueError(f"an array of type {name!r}")
        count, dtype = int(np.prod(np.array(shape, dtype=object), initial=1)), np.dtype(name)
        if count * dtype.itemsize > len(data) - at:
            raise ValueError("an array of more bytes than came")
        array = np.frombuffer(data, dtype, count, at).reshape(shape).copy()
        return (np.asarray(array.view(np.uint8) != 0) if name == "b1" else array), at + array.nbytes
    if kind == "tuple":
        value, at = _value(list(inside), data, at)
        return tuple(value), at
    if kind != "dict":
        raise ValueError(f"a {kind!r}")
    found = {}
    for key, item in inside.items():
        found[key], at = _value(item, data, at)
    return found, at
