"""What comes in at the door of an operator: checked here, so that the operators themselves read as mathematics.

Every message names what came, what was expected and how to fix it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, ParamSpec

import torch
from torch import Tensor

from segkit.checks import pair as pair
from segkit.checks import whole as whole  # the operators take theirs from here

IntOrPair = int | Sequence[int]
HALVES = (torch.float16, torch.bfloat16)
_P = ParamSpec("_P")


def tensor(value: Any, name: str, op: str) -> Tensor:
    """A tensor of numbers on which the operators are defined."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{op} got {name} of type {type(value).__name__}; it takes a torch.Tensor (torch.as_tensor(…) makes one)"
        )
    if value.dtype == torch.bool or value.is_complex():
        raise TypeError(f"{op} got {name} of type {value.dtype}; it takes real numbers ({name}.float() makes them)")
    return value


def floating(value: Tensor, op: str, name: str = "input") -> None:
    """Averages and blends are not whole numbers."""
    if not value.is_floating_point():
        raise TypeError(f"{op} got {name} of type {value.dtype}; it takes floating-point numbers ({name}.float())")


def batched(input: Any, op: str, empty_channels: bool = False) -> tuple[Tensor, bool]:
    """N×C×H×W from that or from C×H×W, and whether a batch of one was put around it.

    The batch may be empty; height and width may not, the number of channels only where `empty_channels` says so.
    """
    input = tensor(input, "input", op)
    check_shape(input, op, empty_channels)
    return (input, False) if input.ndim == 4 else (input[None], True)


def check_shape(input: Tensor, op: str, empty_channels: bool = False) -> None:
    """N×C×H×W or C×H×W, of which the batch alone may be empty (and the channels, where `empty_channels` says so)."""
    if input.ndim not in (3, 4):
        fix = "for a single picture H×W use input[None]" if input.ndim == 2 else "fold or split the other dimensions"
        raise ValueError(f"{op} got input of shape {tuple(input.shape)}; it takes N×C×H×W or C×H×W ({fix})")
    if 0 in input.shape[-2:] or (input.shape[-3] == 0 and not empty_channels):
        raise ValueError(
            f"{op} got input of shape {tuple(input.shape)}; only the batch may be empty (check the step before: "
            "a picture cropped, pooled or strided away)"
        )


def check_weight(x: Tensor, weight: Any, bias: Any, groups: int, op: str) -> None:
    """Weight (outputs first in conv2d, inputs first in conv_transpose2d) and bias fit the input."""
    shape = tuple(tensor(weight, "weight", op).shape)
    transposed = op == "conv_transpose2d"
    form = "C×(O/groups)×kh×kw" if transposed else "O×(C/groups)×kh×kw"
    if len(shape) != 4 or 0 in shape[2:]:
        raise ValueError(f"{op} got weight of shape {shape}; it takes {form} with kernel sizes from 1 up")
    if shape[0] % groups:
        raise ValueError(
            f"{op} got weight of shape {shape} and groups={groups}; {form} starts with a multiple of groups: change one"
        )
    inputs, outputs = (shape[0], shape[1] * groups) if transposed else (shape[1] * groups, shape[0])
    if outputs == 0:
        raise ValueError(
            f"{op} got weight of shape {shape}, which makes no output channel; {form} needs O of 1 or more"
        )
    if inputs != x.shape[1]:
        raise ValueError(
            f"{op} got input with {x.shape[1]} channels, and weight of shape {shape} with groups={groups}, "
            f"which takes {inputs} ({form}); change the input, the weight or groups"
        )
    if bias is not None and tuple(tensor(bias, "bias", op).shape) != (outputs,):
        raise ValueError(
            f"{op} got bias of shape {tuple(bias.shape)}; it takes ({outputs},), one number per output channel"
        )
    one_type([x, weight] if bias is None else [x, weight, bias], op)


def one_type(tensors: Sequence[Tensor], op: str) -> None:
    """Input, weight and bias have one type and live on one device; torch.autocast brings float32 and halves to one."""
    first = tensors[0]
    mixed = all(t.dtype in (torch.float32, *HALVES) for t in tensors) and autocast_is_on(first.device.type)
    for other in tensors[1:]:
        if other.dtype != first.dtype and not mixed:
            raise TypeError(
                f"{op} got tensors of {first.dtype} and {other.dtype}; bring all to one type (x.to({first.dtype}))"
            )
        if other.device != first.device:
            raise ValueError(
                f"{op} got tensors on {first.device} and {other.device}; bring all to one (x.to('{first.device}'))"
            )


def in_float32(function: Callable[_P, Tensor]) -> Callable[_P, Tensor]:
    """Let an operator that adds up many numbers do so in float32 where float16 or bfloat16 comes in.

    The answer is rounded once, at the end, and has the type of the input. Where torch.autocast is on, an operator of
    several tensors (a convolution) takes them in autocast's type, as torch's own does.
    """

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Tensor:
        given = [v for v in (*args, *kwargs.values()) if isinstance(v, Tensor) and v.is_floating_point()]
        dtypes = {v.dtype for v in given}
        device = given[0].device.type if given else "cpu"
        if len(given) > 1 and autocast_is_on(device) and torch.float64 not in dtypes:
            dtypes = {torch.get_autocast_dtype(device)}
        if len(dtypes) != 1 or not dtypes <= set(HALVES):
            return function(*args, **kwargs)
        (dtype,) = dtypes

        def widen(value: Any) -> Any:
            is_float = isinstance(value, Tensor) and value.is_floating_point()
            return value.to(dtype).float() if is_float else value

        with torch.autocast(device, enabled=False) if _can_autocast(device) else nullcontext():
            answer = function(*map(widen, args), **{k: widen(v) for k, v in kwargs.items()})  # type: ignore[arg-type]
        return answer.to(dtype)

    return wrapped


def at_widest(function: Callable[_P, Tensor]) -> Callable[_P, Tensor]:
    """Let an operator that is told places keep all their digits: where torch.autocast is on, it takes float32."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Tensor:
        given = [v for v in (*args, *kwargs.values()) if isinstance(v, Tensor)]
        if not given or not autocast_is_on(device := given[0].device.type):
            return function(*args, **kwargs)

        def widen(value: Any) -> Any:
            return value.float() if isinstance(value, Tensor) and value.dtype in HALVES else value

        with torch.autocast(device, enabled=False):
            return function(*map(widen, args), **{k: widen(v) for k, v in kwargs.items()})  # type: ignore[arg-type]

    return wrapped


def _can_autocast(device: str) -> bool:
    return device in ("cpu", "cuda") or torch.amp.is_autocast_available(device)  # not the meta device


def autocast_is_on(device: str) -> bool:
    """Whether torch.autocast is on there."""
    return _can_autocast(device) and torch.is_autocast_enabled(device)
