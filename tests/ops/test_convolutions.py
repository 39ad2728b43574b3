"""conv2d and conv_transpose2d, in both of their ways to compute, against torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from segkit import native, ops
from segkit.ops import convolution, correlation
from tests.ops.cases import agree, both, dtypes, grad_exact, layouts, many, pairs, random, run, seeds

ROOT = Path(__file__).resolve().parents[2]
ways = st.sampled_from([0, 256, 10**9])  # maps of more outputs than this are convolved without columns
stacked = st.sampled_from([1, 300, 1 << 19])  # numbers in a stack: one picture at a time, a few, all


@st.composite
def convolutions(draw: st.DrawFn, transposed: bool) -> tuple[list[Tensor], dict[str, Any]]:
    """Input, weight and perhaps a bias that fit each other, and settings that fit them."""
    groups, c, o = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    settings = {
        "stride": draw(pairs(1, 3)),
        "padding": draw(pairs(0, 3)),
        "dilation": draw(pairs(1, 3)),
        "groups": groups,
    }
    steps, pads, spread = both(settings["stride"]), both(settings["padding"]), both(settings["dilation"])
    if transposed:
        settings["output_padding"] = tuple(
            draw(st.integers(0, max(s, d) - 1)) for s, d in zip(steps, spread, strict=True)
        )
        spare = (
            e - 2 * p + d * (k - 1) for e, p, d, k in zip(settings["output_padding"], pads, spread, kernel, strict=True)
        )
        least = [max(1, 1 - n // s) for n, s in zip(spare, steps, strict=True)]
    else:
        if draw(st.integers(0, 4)) == 0:
            settings["padding"] = word = draw(st.sampled_from(["same", "valid"]))
            settings["stride"] = 1 if word == "same" else settings["stride"]
            pads = (9, 9) if word == "same" else (0, 0)
        least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(spread, kernel, pads, strict=True)]
    size = [draw(st.integers(n, n + 9)) for n in least]
    shape = (draw(st.integers(0, 3)), groups * c, *size)
    shape = shape[1:] if draw(st.integers(0, 5)) == 0 else shape
    dtype = draw(dtypes)
    weight = (groups * c, o, *kernel) if transposed else (groups * o, c, *kernel)
    tensors = [random(s, dtype, draw(layouts), draw(seeds)) for s in (shape, weight)]
    if draw(st.booleans()):
        tensors.append(random((1, groups * o), dtype, "contiguous", draw(seeds))[0])
    return tensors, settings


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch, about its own speed
@many
@given(case=convolutions(transposed=False), way=ways, numbers=stacked, seed=seeds)
def test_conv2d_equals_torch(case: Any, way: int, numbers: int, seed: int) -> None:
    tensors, settings = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "SMALL_MAP", way)
        patch.setattr(correlation, "STACKED", numbers)
        agree("conv2d", *tensors, seed=seed, **settings)


@many
@given(case=convolutions(transposed=True), way=ways, seed=seeds)
def test_conv_transpose2d_equals_torch(case: Any, way: int, seed: int) -> None:
    tensors, settings = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "SMALL_MAP", way)
        agree("conv_transpose2d", *tensors, seed=seed, **settings)


@many
@given(case=convolutions(transposed=False), seed=seeds)
def test_they_are_each_others_transpose(case: Any, seed: int) -> None:
    """⟨conv2d(x), y⟩ = ⟨x, conv_transpose2d(y)⟩ with the output_padding that leads back to x's size."""
    (x, weight, *_), settings = case
    x, weight = x.double(), weight.double()
    if isinstance(settings["padding"], str):
        settings["padding"] = 0
    steps, pads, spread = both(settings["stride"]), both(settings["padding"]), both(settings["dilation"])
    reach = [d * (k - 1) + 1 for d, k in zip(spread, weight.shape[2:], strict=True)]
    if any(n + 2 * p < r for n, p, r in zip(x.shape[-2:], pads, reach, strict=True)):
        return
    forward = ops.conv2d(x, weight, None, **settings)
    y = random(tuple(forward.shape), torch.float64, "contiguous", seed)
    lost = [(n + 2 * p - r) % s for n, p, r, s in zip(x.shape[-2:], pads, reach, steps, strict=True)]
    back = ops.conv_transpose2d(y, weight, None, output_padding=tuple(lost), **settings)
    assert back.shape == x.shape
    torch.testing.assert_close((forward * y).sum(), (x * back).sum(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", [0, 10**9], ids=["shifted products", "columns"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"stride": 2, "padding": 1},
        {"padding": (0, 2), "dilation": (2, 1)},
        {"groups": 2, "stride": (1, 2)},
        {"groups": 4, "padding": 1},
        {"stride": 3, "dilation": 2, "padding": 2, "groups": 2},
    ],
    ids=str,
)
def test_gradients_are_exact_twice(settings: dict[str, Any], way: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "SMALL_MAP", way)
    groups = settings.get("groups", 1)
    make = torch.Generator().manual_seed(3)
    x = torch.randn(2, 4, 5, 4, generator=make, dtype=torch.float64)
    weight = torch.randn(4, 4 // groups, 2, 3, generator=make, dtype=torch.float64)
    bias = torch.randn(4, generator=make, dtype=torch.float64)
    grad_exact("conv2d", x, weight, bias, **settings)
    grad_exact("conv_transpose2d", x[..., :3, :3], weight, bias, **settings)


def test_conv2d_is_the_sum_in_its_docstring() -> None:
    """Six loops and one addition, on numbers whose sums are exact."""
    make = torch.Generator().manual_seed(0)
    x = torch.randint(-9, 10, (2, 4, 6, 5), generator=make).double()
    weight = torch.randint(-9, 10, (6, 2, 3, 2), generator=make).double()
    padded = torch.zeros(2, 4, 8, 9, dtype=torch.float64)
    padded[:, :, 1:7, 2:7] = x
    expected = torch.zeros(2, 6, 2, 3, dtype=torch.float64)
    for o in range(6):
        for u in range(2):
            for v in range(3):
                for c in range(2):
                    for i in range(3):
                        for j in range(2):
                            pixel = padded[:, o // 3 * 2 + c, u * 3 + i * 2, v * 3 + j]
                            expected[:, o, u, v] += weight[o, c, i, j] * pixel
    assert torch.equal(ops.conv2d(x, weight, None, 3, (1, 2), (2, 1), groups=2), expected)


@pytest.mark.parametrize("rate", [3, 5, 9, 30])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_rate_beyond_the_map_leaves_the_taps_that_see_it(rate: int, groups: int) -> None:
    """ASPP's large rates: at the end only the middle tap sees anything, and the gradient of the others is zero."""
    make = torch.Generator().manual_seed(rate)
    x = torch.randn(3, 4, 9, 8, generator=make, dtype=torch.float64)
    weight = torch.randn(4, 4 // groups, 3, 3, generator=make, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "SMALL_MAP", 0)
        agree("conv2d", x, weight, padding=rate, dilation=rate, groups=groups)
        by_weight = run(ops, "conv2d", [x, weight], {"padding": rate, "dilation": rate, "groups": groups}, 0)[2]
    seen = by_weight.ne(0).any(0).any(0)
    assert seen.tolist() == [[a * rate < 9 and b * rate < 8 for b in (1, 0, 1)] for a in (1, 0, 1)]


def test_whole_numbers_stay_whole() -> None:
    x, weight = torch.arange(2 * 4 * 7 * 7).view(2, 4, 7, 7), torch.arange(-36, 36).view(2, 4, 3, 3)
    assert torch.equal(ops.conv2d(x, weight, padding=1), torch.nn.functional.conv2d(x, weight, padding=1))
    assert torch.equal(ops.conv2d(x, weight, stride=2), torch.nn.functional.conv2d(x, weight, stride=2))


def test_an_infinite_pixel_stays_in_its_windows() -> None:
    x, weight = torch.randn(1, 1, 20, 20), torch.rand(1, 1, 3, 3) + 0.1
    x[0, 0, 4, 19] = torch.inf  # at the end of a row: the strip goes on with the next row
    y = ops.conv2d(x, weight, padding=1)
    expected = torch.nn.functional.conv2d(x, weight, padding=1)
    assert torch.equal(y.isinf(), expected.isinf()) and y.isinf().sum() == 6
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_round_once(name: str, dtype: torch.dtype) -> None:
    x, weight = torch.randn(2, 32, 20, 20).to(dtype), torch.randn(32, 32, 3, 3).to(dtype)
    exact = getattr(ops, name)(x.double(), weight.double(), padding=1)
    error = (getattr(ops, name)(x, weight, padding=1).double() - exact).abs()
    assert (error <= exact.abs() * torch.finfo(dtype).eps / 2 + 1e-4).all()


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_autocast_gives_its_type_as_torch_does(name: str) -> None:
    tensors = [torch.randn(2, 4, 20, 20), torch.randn(4, 4, 3, 3), torch.randn(4)]
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = (run(engine, name, tensors, {"padding": 1}, 0) for engine in (ops, native))
    assert [t.dtype for t in ours] == [t.dtype for t in theirs] == [torch.bfloat16] + 3 * [torch.float32]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-2 * float(b.detach().abs().max()))


def test_no_channels_in_leaves_the_bias() -> None:
    bias = torch.tensor([1.0, 2.0])
    y = ops.conv2d(torch.empty(3, 0, 5, 5), torch.empty(2, 0, 3, 3), bias)
    assert torch.equal(y, bias.view(1, 2, 1, 1).expand(3, 2, 3, 3))


CRASH = """
import torch
from segkit import native
for C, (H, W), N in [(C, size, N) for C in (4, 8) for size in ((40, 56), (48, 64), (64, 64)) for N in (1, 8)]:
    x = torch.randn(N, C, H, W).to(memory_format=torch.channels_last).requires_grad_()
    w = torch.randn(2 * C, C, 1, 1).to(memory_format=torch.channels_last).requires_grad_()
    native.conv2d(x, w, None, 2).square().sum().backward()
    assert x.grad[..., ::2, ::2].any() and not x.grad[..., 1::2, :].any() and not x.grad[..., 1::2].any()
print("alive")
"""


def test_a_strided_1x1_in_channels_last_order_does_not_end_the_process() -> None:
    """torch 2.15's own kernel does, going backward with few channels, on processors with AVX-512."""
    answer = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, cwd=ROOT, encoding="utf-8")
    assert answer.stdout.strip() == "alive", answer.stderr or f"ended with {answer.returncode}"


@pytest.mark.parametrize(("size", "stride"), [((7, 9), 2), ((8, 8), 3), ((5, 6), (2, 1)), ((1, 1), 2)])
def test_a_strided_1x1_is_torchs(size: tuple[int, int], stride: Any) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    w = torch.randn(4, 3, 1, 1, dtype=torch.float64, requires_grad=True)
    for y in (native.conv2d(x, w, None, stride), native.conv2d(x[0], w, None, stride)[None]):
        there = torch.nn.functional.conv2d(x[: len(y)], w, None, stride)
        torch.testing.assert_close(y, there)
        ours, theirs = (torch.autograd.grad(t.square().sum(), (x, w)) for t in (y, there))
        torch.testing.assert_close(ours, theirs)


def test_one_column_of_weights_and_room_beyond_the_picture() -> None:
    """A kernel one column wide sees the whole picture, and the output is wider still."""
    x, w = torch.randn(1, 2, 3, 1, dtype=torch.float64), torch.randn(2, 3, 2, 1, dtype=torch.float64)
    settings = {"dilation": 2, "output_padding": (0, 1)}
    torch.testing.assert_close(ops.conv_transpose2d(x, w, **settings), native.conv_transpose2d(x, w, **settings))
