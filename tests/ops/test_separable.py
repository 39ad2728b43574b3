"""Separable by depth, separable by space, channel_shuffle and prelu, against torch and against their definitions."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import Tensor

from segkit import native, ops
from segkit.ops import depthwise
from segkit.ops.separable import spatial_factors
from tests.ops.cases import (
    agree,
    both,
    distinct,
    dtypes,
    grad_exact,
    layouts,
    many,
    pairs,
    pictures,
    random,
    run,
    seeds,
)


@st.composite
def separables(draw: st.DrawFn) -> tuple[list[Tensor], dict[str, Any]]:
    """Input, both weights and perhaps a bias, with kernels of any sides, strides, paddings and rates."""
    C, M, O = (draw(st.integers(1, 3)) for _ in range(3))
    kernel = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    settings = {"stride": draw(pairs(1, 3)), "padding": draw(pairs(0, 4)), "dilation": draw(pairs(1, 4))}
    pads, spread = both(settings["padding"]), both(settings["dilation"])
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(spread, kernel, pads, strict=True)]
    size = [draw(st.integers(n, n + 9)) for n in least]
    shape = (draw(st.integers(0, 3)), C, *size)
    shape = shape[1:] if draw(st.integers(0, 5)) == 0 else shape
    dtype = draw(dtypes)
    shapes = [shape, (C * M, 1, *kernel), (O, C * M, 1, 1)]
    tensors = [random(s, dtype, draw(layouts), draw(seeds)) for s in shapes]
    if draw(st.booleans()):
        tensors.append(random((1, O), dtype, "contiguous", draw(seeds))[0])
    return tensors, settings


@many
@given(case=separables(), seed=seeds)
def test_separable_conv2d_equals_torch(case: Any, seed: int) -> None:
    tensors, settings = case
    agree("separable_conv2d", *tensors, seed=seed, **settings)


@many
@given(case=separables(), numbers=st.sampled_from([1, 300, 1 << 19]), seed=seeds)
def test_depthwise_equals_torch(case: Any, numbers: int, seed: int) -> None:
    """Its first half by itself, one plane at a time, a few, or all."""
    (x, weight, *_), settings = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depthwise, "NUMBERS", numbers)
        agree("conv2d", x, weight[: x.shape[-3]], seed=seed, groups=x.shape[-3], **settings)


@pytest.mark.parametrize("rate", [1, 2, 4, 6, 12])
@pytest.mark.parametrize("stride", [1, 2, (1, 2), 3])
@pytest.mark.parametrize("size", [(9, 14), (1, 1), (5, 3)], ids=str)
def test_depthwise_at_every_stride_and_rate(rate: int, stride: Any, size: tuple[int, int]) -> None:
    """As encoders and ASPP use it, the padding as large as the rate; also where most taps see zeros alone."""
    x, weight = random((3, 5, *size), torch.float64, "contiguous", 4), random((5, 1, 3, 3), torch.float64, "", 6)
    agree("conv2d", x, weight, stride=stride, padding=rate, dilation=rate, groups=5)


def test_depthwise_is_the_sum_in_its_docstring() -> None:
    make = torch.Generator().manual_seed(0)
    x, kernel = torch.randint(-9, 10, (2, 3, 7, 8), generator=make), torch.randint(-9, 10, (3, 1, 3, 2), generator=make)
    expected = torch.zeros(2, 3, 2, 2, dtype=torch.int64)
    for u, v, i, j in itertools.product(range(2), range(2), range(3), range(2)):
        expected[:, :, u, v] += kernel[:, 0, i, j] * x[:, :, u * 3 + i, v * 3 + j * 4]
    assert torch.equal(ops.conv2d(x, kernel, None, 3, 0, (1, 4), groups=3), expected)


def test_an_infinite_pixel_stays_in_its_windows() -> None:
    """At the end of a row, behind which the strip goes on with the next one."""
    x, weight = torch.randn(1, 2, 9, 9), torch.rand(2, 1, 3, 3) + 0.1
    x[0, 0, 4, 8] = torch.inf
    for stride, seeing in ((1, 6), (2, 1)):
        y, expected = (m.conv2d(x, weight, None, stride, 1, groups=2) for m in (ops, native))
        assert torch.equal(y.isinf(), expected.isinf()) and y.isinf().sum() == seeing
        torch.testing.assert_close(y, expected)


def test_a_transposed_depthwise_convolution_that_cuts_off_more_than_there_is() -> None:
    x, weight, bias = torch.randn(1, 2, 1, 1), torch.randn(2, 1, 1, 1), torch.randn(2)
    agree("conv_transpose2d", x, weight, bias, padding=2, output_padding=4, groups=2, dilation=5)


@pytest.mark.parametrize("settings", [{"padding": 1}, {"stride": 2}, {"padding": 2, "dilation": 2}], ids=str)
def test_gradients_of_separable_conv2d_are_exact_twice(settings: dict[str, Any]) -> None:
    make = torch.Generator().manual_seed(3)
    shapes = (1, 2, 5, 4), (4, 1, 3, 2), (2, 4, 1, 1), (2,)
    grad_exact("separable_conv2d", *(torch.randn(s, generator=make, dtype=torch.float64) for s in shapes), **settings)


def test_it_is_the_plain_convolution_in_its_docstring() -> None:
    x, depthwise, pointwise = torch.randn(2, 4, 9, 9), torch.randn(4, 1, 3, 3), torch.randn(6, 4, 1, 1)
    plain = ops.conv2d(x, pointwise * depthwise[:, 0], padding=2, dilation=2)
    torch.testing.assert_close(ops.separable_conv2d(x, depthwise, pointwise, None, 1, 2, 2), plain)


# separable by space --------------------------------------------------------------------------------------------------

SOBEL = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=torch.float64)


def test_the_textbook_kernel_is_a_column_times_a_row() -> None:
    columns, rows = spatial_factors(SOBEL)
    assert columns.shape == (1, 1, 3, 1) and rows.shape == (1, 1, 1, 3)
    column, row = columns.flatten(), rows.flatten()
    torch.testing.assert_close(torch.outer(column, row), SOBEL)
    torch.testing.assert_close(column / column[0], torch.tensor([1.0, 2, 1], dtype=torch.float64))
    torch.testing.assert_close(row / row[0], torch.tensor([1.0, 0, -1], dtype=torch.float64))
    assert column[1] > 0, "the sign is settled: it is the same on every machine"
    x = torch.randn(1, 1, 12, 10, dtype=torch.float64)
    step = ops.conv2d(ops.conv2d(x, columns, padding=(1, 0)), rows, padding=(0, 1))
    torch.testing.assert_close(step, F.conv2d(x, SOBEL[None, None], padding=1))


def test_a_kernel_that_is_no_such_product_needs_more() -> None:
    """A 4-neighbour Laplacian is of rank 2; its best rank-1 product leaves the second singular value as error."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float64)
    values = torch.linalg.svdvals(kernel)
    assert values[2] < 1e-12 < values[1]
    for rank, error in ((1, values[1]), (2, 0.0), (3, 0.0)):
        columns, rows = spatial_factors(kernel, rank)
        product = torch.einsum("rci,orj->ocij", columns[..., 0], rows[:, :, 0])[0, 0]
        torch.testing.assert_close((product - kernel).norm(), torch.as_tensor(error, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (1, 1, 5, 5), (2, 3, 3, 7), (8, 1, 3, 3)], ids=str)
def test_the_error_of_every_rank_is_eckart_and_youngs(shape: tuple[int, ...]) -> None:
    """The squares of the singular values left out; and at full rank the two convolutions are the one."""
    O, C, kh, kw = shape
    weight = random(shape, torch.float64, "contiguous", 4)
    values = torch.linalg.svdvals(weight.permute(1, 2, 0, 3).reshape(C * kh, O * kw))
    x = random((2, C, 11, 13), torch.float64, "contiguous", 6)
    for rank in range(1, len(values) + 1):
        columns, rows = spatial_factors(weight, rank)
        assert columns.shape == (rank, C, kh, 1) and rows.shape == (O, rank, 1, kw)
        product = torch.einsum("rci,orj->ocij", columns[..., 0], rows[:, :, 0])
        torch.testing.assert_close((product - weight).square().sum(), values[rank:].square().sum())
        for engine in (ops, native):
            y = engine.conv2d(engine.conv2d(x, columns, None, (2, 1), (1, 0)), rows, None, (1, 2), (0, 2))
            torch.testing.assert_close(y, F.conv2d(x, product, None, 2, (1, 2)))
    torch.testing.assert_close(product, weight)


def test_no_other_product_of_this_rank_comes_closer() -> None:
    weight = random((4, 3, 3, 3), torch.float64, "contiguous", 8)
    columns, rows = spatial_factors(weight, 2)
    best = (torch.einsum("rci,orj->ocij", columns[..., 0], rows[:, :, 0]) - weight).norm()
    for seed in range(20):
        a, b = columns + 0.1 * random(tuple(columns.shape), torch.float64, "contiguous", 2 * seed), rows
        b = b + 0.1 * random(tuple(rows.shape), torch.float64, "contiguous", 2 * seed + 2)
        assert (torch.einsum("rci,orj->ocij", a[..., 0], b[:, :, 0]) - weight).norm() > best


@pytest.mark.parametrize(
    ("weight", "rank", "error", "words"),
    [
        (SOBEL, 0, ValueError, "rank=0; rank is a whole number from 1 to 3"),
        (SOBEL, 4, ValueError, "rank=4; rank is a whole number from 1 to 3"),
        (SOBEL, 1.5, TypeError, r"rank=1\.5"),
        (torch.ones(2, 3, 5, 5), 11, ValueError, "from 1 to 10"),
        (SOBEL[None], 1, ValueError, r"weight of shape \(1, 3, 3\); it takes O×C×kh×kw or one kernel"),
        (torch.ones(2, 0, 3, 3), 1, ValueError, r"shape \(2, 0, 3, 3\)"),
        (SOBEL.long(), 1, TypeError, "floating-point"),
        (SOBEL.numpy(), 1, TypeError, "weight of type ndarray"),
    ],
    ids=str,
)  # fmt: skip
def test_what_spatial_factors_refuses(weight: Any, rank: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"spatial_factors got .*{words}"):
        spatial_factors(weight, rank)


# channel by channel --------------------------------------------------------------------------------------------------


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Tensor, int]:
    groups, c = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    behind = [draw(st.integers(0, 4)) for _ in range(draw(st.integers(1, 3)))]
    if len(behind) == 1:
        return random((draw(st.integers(0, 3)), groups * c, *behind), draw(dtypes), "contiguous", draw(seeds)), groups
    return random((draw(st.integers(0, 3)), groups * c, *behind), draw(dtypes), draw(layouts), draw(seeds)), groups


@many
@given(case=grouped(), seed=seeds)
def test_channel_shuffle_equals_torch(case: Any, seed: int) -> None:
    x, groups = case
    agree("channel_shuffle", x, seed=seed, groups=groups)
    if x.numel():
        assert torch.equal(ops.channel_shuffle(ops.channel_shuffle(x, groups), x.shape[1] // groups), x), "and back"


def test_channel_shuffle_is_the_row_in_its_docstring() -> None:
    x = torch.arange(1, 13).view(1, 12, 1, 1)
    assert ops.channel_shuffle(x, 3).flatten().tolist() == [1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12]


def test_what_a_shuffle_lets_through() -> None:
    """Two grouped 1×1 convolutions: without the shuffle an output sees one group, with it all of them."""
    x, weight = torch.rand(1, 12, 1, 1, requires_grad=True), torch.ones(12, 4, 1, 1)
    for groups, seen in ((1, 4), (3, 12)):
        y = ops.channel_shuffle(ops.conv2d(x, weight, groups=3), groups)
        (gradient,) = torch.autograd.grad(ops.conv2d(y, weight, groups=3)[0, 0, 0, 0], x)
        assert int((gradient != 0).sum()) == seen


@many
@given(x=pictures(unbatched=False), single=st.booleans(), seed=seeds)
def test_prelu_equals_torch(x: Tensor, single: bool, seed: int) -> None:
    weight = random((1, 1 if single else x.shape[1]), x.dtype, "contiguous", seed)[0]
    agree("prelu", x, weight, seed=seed)


@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (2, 3, 4), (0, 3, 2), (2, 3, 2, 2, 2)], ids=str)
def test_prelu_of_any_dimensions(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    weights = [torch.tensor([0.3]), torch.tensor(0.3)]
    for weight in [*weights, *([torch.rand(3)] if len(shape) > 1 else [])]:
        agree("prelu", x, weight.double())


def test_prelu_at_zero_and_at_infinity() -> None:
    x = torch.tensor([[0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1, -1]])
    for slope in (0.25, 0.0, -2.0):
        ours, theirs = (run(m, "prelu", [x, torch.tensor([slope])], {}, 3) for m in (ops, native))
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, equal_nan=True)


def test_autocast_gives_its_type_as_torch_does() -> None:
    x, depthwise_weight, pointwise_weight = torch.randn(2, 4, 9, 9), torch.randn(4, 1, 3, 3), torch.randn(5, 4, 1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        for name, tensors in (
            ("prelu", [x, x[0, :, 0, 0]]),
            ("separable_conv2d", [x, depthwise_weight, pointwise_weight]),
        ):
            ours, theirs = (run(engine, name, tensors, {}, 0) for engine in (ops, native))
            assert [t.dtype for t in ours] == [t.dtype for t in theirs] and ours[0].dtype == torch.bfloat16
            for a, b in zip(ours, theirs, strict=True):
                torch.testing.assert_close(a, b, rtol=3e-2, atol=3e-2 * float(b.detach().abs().max()))


def test_gradients_of_shuffle_and_prelu_are_exact_twice() -> None:
    grad_exact("channel_shuffle", distinct(2, 6, 2, 3), groups=3)
    grad_exact("prelu", distinct(2, 3, 4, 2) - 2.45, torch.tensor([0.25, -0.5, 2.0]))
