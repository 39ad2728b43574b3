"""interpolate, pixel_shuffle and back, bed_of_nails and shift_and_stitch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import Tensor

import segkit
from segkit import native, ops
from tests.ops.cases import agree, both, distinct, grad_exact, layouts, many, pairs, pictures, random, seeds

factors = st.one_of(st.integers(1, 8), st.floats(1.0, 6.0), st.sampled_from([0.5, 1 / 3, 2 / 3, 1.5, 2.0, 4.0]))


@st.composite
def resizings(draw: st.DrawFn) -> tuple[Tensor, dict[str, Any]]:
    if draw(st.booleans()):
        return draw(pictures(unbatched=False)), {
            "size": draw(st.one_of(st.integers(1, 30), st.tuples(*[st.integers(1, 30)] * 2)))
        }
    factor = draw(st.one_of(factors, st.tuples(factors, factors)))
    settings = {"scale_factor": factor, "recompute_scale_factor": draw(st.sampled_from([None, False, True]))}
    return draw(pictures(unbatched=False, least=(3, 3))), settings


@many
@given(case=resizings(), seed=seeds)
def test_nearest_equals_torch(case: Any, seed: int) -> None:
    agree("interpolate", case[0], seed=seed, mode="nearest", **case[1])


@many
@given(case=resizings(), align=st.sampled_from([None, False, True]), seed=seeds)
def test_bilinear_equals_torch(case: Any, align: bool | None, seed: int) -> None:
    agree("interpolate", case[0], seed=seed, mode="bilinear", align_corners=align, **case[1])


@st.composite
def blocks(draw: st.DrawFn, shuffled: bool) -> tuple[Tensor, int]:
    r, dtype = draw(st.integers(1, 4)), draw(st.sampled_from([torch.float64, torch.float16, torch.bfloat16]))
    batch = draw(st.sampled_from([(), (1,), (2,), (2, 2)]))
    C, H, W = (draw(st.integers(1, 4)) for _ in range(3))
    shape = (*batch, C, H * r, W * r) if shuffled else (*batch, C * r * r, H, W)
    return random(shape, dtype, draw(layouts), draw(seeds)), r


@many
@given(case=blocks(shuffled=False), seed=seeds)
def test_pixel_shuffle_equals_torch(case: Any, seed: int) -> None:
    agree("pixel_shuffle", case[0], seed=seed, upscale_factor=case[1])


@many
@given(case=blocks(shuffled=True), seed=seeds)
def test_pixel_unshuffle_equals_torch_and_undoes_shuffling(case: Any, seed: int) -> None:
    x, r = case
    agree("pixel_unshuffle", x, seed=seed, downscale_factor=r)
    assert torch.equal(ops.pixel_shuffle(ops.pixel_unshuffle(x, r), r), x)


@pytest.mark.parametrize("shape", [(0, 8, 2, 3), (2, 8, 0, 3), (2, 0, 2, 2)], ids=str)
def test_shuffling_nothing(shape: tuple[int, ...]) -> None:
    x = torch.empty(shape, requires_grad=True)
    y = ops.pixel_shuffle(x, 2)
    assert y.shape == F.pixel_shuffle(x.detach(), 2).shape and ops.pixel_unshuffle(y, 2).shape == shape
    assert native.pixel_unshuffle(y, 2).shape == shape, "torch gives what is empty back as it is"
    y.sum().backward()
    assert x.grad is not None and x.grad.shape == shape


@many
@given(x=pictures(), stride=pairs(1, 4), seed=seeds)
def test_bed_of_nails_is_its_definition(x: Tensor, stride: Any, seed: int) -> None:
    """Each value in the upper left corner of its window; the same on torch's kernels, gradients too."""
    agree("bed_of_nails", x, seed=seed, stride=stride)
    y, (sh, sw) = ops.bed_of_nails(x, stride), both(stride)
    expected = torch.zeros(*x.shape[:-2], x.shape[-2] * sh, x.shape[-1] * sw, dtype=x.dtype)
    for u in range(x.shape[-2]):
        for v in range(x.shape[-1]):
            expected[..., u * sh, v * sw] = x[..., u, v]
    assert torch.equal(y, expected)


def test_nails_keep_infinities_to_themselves() -> None:
    x = torch.tensor([[[torch.inf, torch.nan]]])
    for engine in (ops, native):
        torch.testing.assert_close(
            engine.bed_of_nails(x, (1, 2)), torch.tensor([[[torch.inf, 0, torch.nan, 0]]]), equal_nan=True
        )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("interpolate", {"size": (7, 3)}),
        ("interpolate", {"scale_factor": 2, "mode": "bilinear"}),
        ("interpolate", {"size": (3, 9), "mode": "bilinear", "align_corners": True}),
        ("bed_of_nails", {"stride": (2, 3)}),
        ("pixel_shuffle", {"upscale_factor": 2}),
        ("pixel_unshuffle", {"downscale_factor": 2}),
    ],
    ids=str,
)
def test_gradients_are_exact_twice(name: str, settings: dict[str, Any]) -> None:
    grad_exact(name, distinct(2, 4, 4, 6), **settings)


def test_bilinear_at_size_one_and_back() -> None:
    x = torch.randn(1, 1, 1, 1)
    assert torch.equal(ops.interpolate(x, (4, 5), mode="bilinear"), x.expand(1, 1, 4, 5))
    assert torch.equal(ops.interpolate(x.expand(1, 1, 4, 5), 1, mode="bilinear", align_corners=True), x)


def test_an_infinite_pixel_spreads_as_far_as_in_torch() -> None:
    x = torch.randn(1, 1, 6, 6)
    x[0, 0, 2, 3] = torch.inf
    ours, theirs = (m.interpolate(x, scale_factor=2, mode="bilinear") for m in (ops, native))
    assert torch.equal(ours.isfinite(), theirs.isfinite()) and 0 < (~ours.isfinite()).sum() <= 16


def test_nearest_takes_masks_as_torch_does() -> None:
    mask = torch.randint(0, 256, (2, 1, 5, 7), dtype=torch.uint8)
    assert torch.equal(ops.interpolate(mask, (9, 4)), F.interpolate(mask, (9, 4)))


def network_and_dense(
    seed: int, steps: list[tuple[str, int, int]]
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], int, int]:
    """A network of convolutions and poolings without padding; its dense twin; its output stride; its field of view.

    The twin takes every stride out and spreads what follows, as its own code with torch's kernels.
    """
    make = torch.Generator().manual_seed(seed)
    weights = [torch.randn(2, 2, k, k, generator=make, dtype=torch.float64) for _, k, _ in steps]

    def network(x: Tensor) -> Tensor:
        engine = segkit.engine()
        for (kind, k, s), weight in zip(steps, weights, strict=True):
            x = engine.conv2d(x, weight, stride=s) if kind == "conv" else engine.max_pool2d(x, k, s)
        return x

    def dense(x: Tensor) -> Tensor:
        rate = 1
        for (kind, k, s), weight in zip(steps, weights, strict=True):
            x = F.conv2d(x, weight, dilation=rate) if kind == "conv" else F.max_pool2d(x, k, 1, dilation=rate)
            rate *= s
        return x

    stride, field = 1, 1
    for _, k, s in steps:
        field, stride = field + (k - 1) * stride, stride * s
    return network, dense, stride, field


layer = st.tuples(st.sampled_from(["conv", "pool"]), st.integers(1, 3), st.integers(1, 2))


@many
@given(
    steps=st.lists(layer, min_size=1, max_size=4).filter(lambda s: sum(n[2] == 2 for n in s) <= 3),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    batch=st.sampled_from([None, 0, 1, 2]),
    seed=st.integers(0, 99),
)
def test_shift_and_stitch_is_dense_evaluation(steps: Any, extra: Any, batch: int | None, seed: int) -> None:
    network, dense, stride, field = network_and_dense(seed, steps)
    size = [field + stride - 1 + n for n in extra]
    x = random((2, *size) if batch is None else (batch, 2, *size), torch.float64, "contiguous", 2 * seed)
    expected = dense(x)
    assert expected.shape[-2:] == tuple(n - field + 1 for n in size)
    for engine, name in ((ops, "scratch"), (native, "native")):
        with segkit.use_engine(name):
            ours = engine.shift_and_stitch(network, x, stride)
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("engine", [ops, native])
def test_shift_and_stitch_passes_gradients(engine: Any) -> None:
    network, dense, stride, field = network_and_dense(0, [("conv", 3, 1), ("pool", 2, 2), ("conv", 2, 2)])
    x = torch.randn(1, 2, field + 8, field + 6, dtype=torch.float64, requires_grad=True)
    above = torch.randn(dense(x).shape, dtype=torch.float64)
    (ours,) = torch.autograd.grad(engine.shift_and_stitch(network, x, stride), x, above)
    (expected,) = torch.autograd.grad(dense(x), x, above)
    torch.testing.assert_close(ours, expected)
