"""Whether this machine can hold what is asked for, said before it is built."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

F = TypeVar("F", bound=Callable[..., Any])
ORDINARY = 1024  # a number of classes up to which nothing is looked at
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


class TooLarge(ValueError):
    """More than the memory of this machine."""


def memory() -> int | None:
    """Bytes of memory that this machine or container has in all; None where the system does not say."""
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    for path in map(Path, _LIMITS):
        text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        found += [int(text)] if text.isdigit() else []
    return min(found)


def check_memory(needed: int, what: str, fix: str) -> None:
    """Refuse to build what the memory cannot hold.

    Args:
        needed: bytes.
        what: takes them, for the message, such as "the weights of FCN".
        fix: what to do instead.

    Raises:
        TooLarge: the machine has less.
    """
    there = memory()
    if there is not None and needed > there:
        raise TooLarge(f"{what} will take {needed / 2**30:,.0f} GiB, and this machine has {there / 2**30:,.1f}; {fix}")


def weighed(init: F) -> F:
    """An `__init__` of a network that first counts its weights, where a number is larger than usual.

    They are counted on torch's "meta" device, which holds shapes and no values. A number is larger than usual above its
    default; one without a default, above 1024.
    """
    parameters = list(inspect.signature(init).parameters.values())[1:]
    usual = {p.name: max(_numbers(p.default), default=ORDINARY) for p in parameters}

    @functools.wraps(init)
    def counted(self: nn.Module, *arguments: Any, **named: Any) -> None:
        given = {**dict(zip(usual, arguments, strict=False)), **named}
        large = {k: v for k, v in given.items() if any(n > usual.get(k, ORDINARY) for n in _numbers(v))}
        if large and torch.empty(0).device.type != "meta":
            _count(init, type(self), arguments, named, ", ".join(f"{k}={v!r:.40}" for k, v in large.items()))
        init(self, *arguments, **named)

    return counted  # type: ignore[return-value]


def _count(init: Callable[..., None], cls: type[nn.Module], arguments: Any, named: Any, said: str) -> None:
    bytes_ = 0

    def add(module: nn.Module, name: str, parameter: Any) -> None:
        nonlocal bytes_
        bytes_ += parameter.numel() * parameter.element_size() if parameter is not None else 0
        check_memory(bytes_, f"{cls.__name__} with {said}: its weights", "take a smaller number")

    hook = register_module_parameter_registration_hook(add)
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), _NothingDrawn():
            init(cls.__new__(cls, *arguments, **named), *arguments, **named)
    except TooLarge:
        raise
    except Exception as error:  # what else is wrong with the arguments, the network itself says
        if isinstance(error, OverflowError) or "overflow" in str(error).lower():
            raise TooLarge(f"{cls.__name__} got {said}; no machine holds its weights: take a smaller number") from None
    finally:
        hook.remove()


class _NothingDrawn(TorchFunctionMode):
    """Leaves random numbers out: on "meta" there are no values, and yet torch would load its compiler for them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return func(*args, **(kwargs or {}))


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value
