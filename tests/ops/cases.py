"""Generated cases for the operators, and how one is held against torch: value, gradient, type, shape."""

from __future__ import annotations

import inspect
import math
import os
from typing import Any

import hypothesis.strategies as st
import torch
from hypothesis import HealthCheck, settings
from torch import Tensor

from segkit import native, ops

# So many cases per operator on every run; SEGKIT_HYPOTHESIS=explore SEGKIT_EXAMPLES=5000 looks further.
many = settings(
    max_examples=int(os.environ.get("SEGKIT_EXAMPLES", "400")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Relative to the largest value: an operator adds up to a few hundred products; a half type rounds its answer once.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 2**-10, torch.bfloat16: 2**-7}
HALF = (torch.float16, torch.bfloat16)
dtypes = st.sampled_from([torch.float64, torch.float64, torch.float32, torch.float32, torch.float16, torch.bfloat16])
layouts = st.sampled_from(["contiguous", "contiguous", "channels last", "transposed", "every second"])
seeds = st.integers(0, 2**31)


def pairs(least: int, most: int) -> st.SearchStrategy[Any]:
    """One number for both axes, or one for each, in the forms that torch takes."""
    number = st.integers(least, most)
    return st.one_of(number, st.tuples(number, number), st.tuples(number), st.lists(number, min_size=2, max_size=2))


def both(value: Any) -> tuple[int, int]:
    value = (value,) if isinstance(value, int) else value
    return value[0], value[-1]


def random(shape: tuple[int, ...], dtype: torch.dtype, layout: str, seed: int) -> Tensor:
    """Normal numbers in memory of this layout; with few distinct values for odd seeds, so that maxima tie."""
    *batch, H, W = shape
    stored = {"transposed": (*batch, W, H), "every second": (*batch, H, 2 * W)}.get(layout, shape)
    x = torch.randn(stored, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = (x.round() if seed % 2 else x).to(dtype)
    if layout == "transposed":
        x = x.transpose(-1, -2)
    elif layout == "every second":
        x = x[..., ::2]
    elif layout == "channels last" and len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    assert x.shape == shape
    return x


@st.composite
def pictures(draw: st.DrawFn, most: int = 12, unbatched: bool = True, least: tuple[int, int] = (1, 1)) -> Tensor:
    """N×C×H×W with N from 0 (or C×H×W) of any type and layout; heights and widths from `least` on."""
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 4)), *(draw(st.integers(n, max(n, most))) for n in least))
    if unbatched and draw(st.integers(0, 5)) == 0:
        shape = shape[1:]
    return random(shape, draw(dtypes), draw(layouts), draw(seeds))


def run(engine: Any, name: str, tensors: list[Tensor], arguments: dict[str, Any], above: Tensor | int) -> list[Tensor]:
    """The operator's outputs and the gradients of its tensors, for a gradient from above or a random one."""
    leaves = [t.detach().requires_grad_(t.is_floating_point()) for t in tensors]
    answer = getattr(engine, name)(*leaves, **arguments)
    outputs = list(answer) if isinstance(answer, tuple) else [answer]
    if isinstance(above, int):
        above = random_like(outputs[0], above)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    return [*outputs, *torch.autograd.grad(outputs[0], wanted, above)]


def random_like(output: Tensor, seed: int) -> Tensor:
    numbers = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return numbers.to(output)


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    """Equal up to the tolerance times the largest finite value (at least 1); infinities and NaN in the same places."""
    finite = theirs.detach()[theirs.isfinite()]
    scale = max(1.0, float(finite.abs().max())) if finite.numel() else 1.0
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def agree(name: str, *tensors: Tensor, seed: int = 0, **arguments: Any) -> None:
    """`segkit.ops` and torch give the same outputs and gradients, and the input is left as it was.

    Half types are held against torch's float32, rounded: torch's own halves add up rounding errors in some sums.
    """
    before = [t.clone() for t in tensors]
    ours = run(ops, name, list(tensors), arguments, seed)
    kept = all(torch.allclose(a, b, 0, 0, equal_nan=True) for a, b in zip(before, tensors, strict=True))
    assert kept, "the operator wrote into its input"
    assert ours[0].is_contiguous() or not tensors[0].is_contiguous()
    dtype = tensors[0].dtype
    if dtype in HALF:
        exact = [t.float() if t.is_floating_point() else t for t in tensors]
        told = {k: v.float() if isinstance(v, Tensor) and v.dtype in HALF else v for k, v in arguments.items()}
        theirs = run(native, name, exact, told, random_like(ours[0], seed).float())
        theirs = [t.to(dtype) if t.is_floating_point() else t for t in theirs]
    else:
        theirs = run(native, name, list(tensors), arguments, seed)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        close(a, b, TOLERANCE[dtype])


def grad_exact(name: str, *tensors: Tensor, twice: bool = True, **arguments: Any) -> None:
    """Gradient, and gradient of the gradient, against finite differences in float64."""

    def call(*leaves: Tensor) -> Tensor:
        return getattr(ops, name)(*leaves, **arguments)

    leaves = tuple(t.detach().double().requires_grad_() for t in tensors)
    assert torch.autograd.gradcheck(call, leaves)
    assert not twice or torch.autograd.gradgradcheck(call, leaves)


def distinct(*shape: int, seed: int = 0) -> Tensor:
    """Numbers 0.1 apart in random order: finite differences do not change who is largest."""
    order = torch.randperm(math.prod(shape), generator=torch.Generator().manual_seed(seed))
    return order.double().view(shape) / 10


def signature(engine: Any, name: str) -> str:
    return str(inspect.signature(getattr(engine, name)))
