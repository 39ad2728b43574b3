"""Poolings and max_unpool2d against torch."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from segkit import native, ops
from segkit.ops.masks import pool_by_masks
from tests.ops.cases import agree, both, distinct, grad_exact, many, pairs, pictures, seeds


@st.composite
def poolings(draw: st.DrawFn, dilated: bool) -> tuple[Tensor, dict[str, Any]]:
    """A picture and windows that fit on it."""
    kernel = draw(pairs(1, 4))
    settings = {"kernel_size": kernel, "ceil_mode": draw(st.booleans())}
    if draw(st.booleans()):
        settings["stride"] = draw(pairs(1, 4))
    pads = tuple(draw(st.integers(0, k // 2)) for k in both(kernel))
    settings["padding"] = pads
    spread = (1, 1)
    if dilated:
        settings["dilation"] = draw(pairs(1, 3))
        spread = both(settings["dilation"])
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(spread, both(kernel), pads, strict=True)]
    # A tap may jump from the padding over a small picture. torch then names a pixel outside, and its backward pass
    # writes there: such windows have a test of their own.
    least = [max(n, 1 + -(-p // d) * d - p) if p else n for n, p, d in zip(least, pads, spread, strict=True)]
    return draw(pictures(least=(least[0], least[1]))), settings


@many
@given(case=poolings(dilated=True), indices=st.booleans(), seed=seeds)
def test_max_pool2d_equals_torch(case: Any, indices: bool, seed: int) -> None:
    """Values, gradients, and the winners' places, also of ties."""
    x, settings = case
    agree("max_pool2d", x, seed=seed, return_indices=indices, **settings)


@many
@given(case=poolings(dilated=False), count=st.booleans(), divisor=st.sampled_from([None, None, 1, 7, -2]), seed=seeds)
def test_avg_pool2d_equals_torch(case: Any, count: bool, divisor: int | None, seed: int) -> None:
    x, settings = case
    agree("avg_pool2d", x, seed=seed, count_include_pad=count, divisor_override=divisor, **settings)


sizes = st.integers(1, 14)
output_sizes = st.one_of(sizes, st.tuples(sizes, sizes), st.tuples(st.none(), sizes), st.just((None, None)))


@many
@given(x=pictures(), size=output_sizes, seed=seeds)
def test_adaptive_avg_pool2d_equals_torch(x: Tensor, size: Any, seed: int) -> None:
    agree("adaptive_avg_pool2d", x, seed=seed, output_size=size)


@many
@given(x=pictures(), size=output_sizes, indices=st.booleans(), seed=seeds)
def test_adaptive_max_pool2d_equals_torch(x: Tensor, size: Any, indices: bool, seed: int) -> None:
    """Values, gradients, and the winners' places, also of ties; and the values alone where nobody asks who won."""
    agree("adaptive_max_pool2d", x, seed=seed, output_size=size, return_indices=indices)
    theirs = native.adaptive_max_pool2d(x.detach(), size)
    assert torch.equal(ops.adaptive_max_pool2d(x.detach(), size), theirs)


@many
@given(
    x=pictures(),
    bins=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    mode=st.sampled_from(["max", "avg"]),
    seed=seeds,
)
def test_spatial_pyramid_pool_equals_torchs_poolings_lined_up(x: Tensor, bins: list[int], mode: str, seed: int) -> None:
    agree("spatial_pyramid_pool", x, seed=seed, bins=bins, mode=mode)


@many
@given(case=poolings(dilated=False), data=st.data(), seed=seeds)
def test_max_unpool2d_equals_torch(case: Any, data: st.DataObject, seed: int) -> None:
    """Back from a pooling, to its own size or as near as the settings say."""
    x, settings = case
    settings.pop("ceil_mode")
    settings["kernel_size"] = both(settings["kernel_size"])  # torch's takes no tuple of one here
    if "stride" in settings:
        settings["stride"] = both(settings["stride"])
    values, indices = ops.max_pool2d(x.detach(), return_indices=True, **settings)
    size = tuple(x.shape[-2:])
    if data.draw(st.booleans()) and x.ndim == 4:
        size = tuple(x.shape)
    arguments = {**settings, "output_size": size}
    kernel, pads = settings["kernel_size"], settings["padding"]
    steps = settings.get("stride", kernel)
    default = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(values.shape[-2:], steps, pads, kernel, strict=True)]
    if tuple(default) == tuple(x.shape[-2:]) and data.draw(st.booleans()):
        del arguments["output_size"]
    agree("max_unpool2d", values, indices, seed=seed, **arguments)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("max_pool2d", {"kernel_size": 2}),
        ("max_pool2d", {"kernel_size": 3, "stride": 1, "padding": 1}),
        ("max_pool2d", {"kernel_size": 2, "stride": (3, 1), "dilation": (1, 2), "ceil_mode": True}),
        ("avg_pool2d", {"kernel_size": 2}),
        ("avg_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
        ("avg_pool2d", {"kernel_size": (3, 2), "stride": 1, "divisor_override": 5}),
        ("adaptive_avg_pool2d", {"output_size": 1}),
        ("adaptive_avg_pool2d", {"output_size": (3, 7)}),
        ("adaptive_max_pool2d", {"output_size": 1}),
        ("adaptive_max_pool2d", {"output_size": (3, 7)}),
        ("spatial_pyramid_pool", {"bins": (3, 1)}),
        ("spatial_pyramid_pool", {"bins": (7, 2), "mode": "avg"}),
    ],
    ids=str,
)
def test_gradients_are_exact_twice(name: str, settings: dict[str, Any]) -> None:
    grad_exact(name, distinct(2, 2, 5, 6), **settings)


def test_max_unpool2d_gradient_is_exact_twice() -> None:
    values, indices = ops.max_pool2d(distinct(2, 2, 5, 6), 2, return_indices=True)

    def call(v: Tensor) -> Tensor:
        return ops.max_unpool2d(v, indices, 2, output_size=(5, 6))

    values.requires_grad_()
    assert torch.autograd.gradcheck(call, values) and torch.autograd.gradgradcheck(call, values)


def test_the_winner_alone_gets_the_gradient() -> None:
    x = torch.tensor([[[1.0, 5.0, 2.0], [3.0, 4.0, 0.0], [9.0, 0.0, 1.0]]], requires_grad=True)
    y, places = ops.max_pool2d(x, 2, 1, return_indices=True)
    assert y.tolist() == [[[5, 5], [9, 4]]] and places.tolist() == [[[1, 1], [6, 4]]]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[[0, 2, 0], [0, 1, 0], [1, 0, 0]]]


def test_nan_wins_and_all_minus_infinity_is_a_pixel_of_the_picture() -> None:
    for fill in (torch.nan, -torch.inf):
        x = torch.randn(1, 2, 7, 7)
        x[:, :, 2:6, 1:5] = fill
        ours = ops.max_pool2d(x, 3, 2, 1, return_indices=True)
        theirs = torch.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
    everywhere = ops.max_pool2d(torch.full((1, 1, 4, 4), -torch.inf), 3, 2, 1, return_indices=True)[1]
    assert everywhere.flatten().tolist() == [0, 1, 4, 5]


@pytest.mark.parametrize("size", [1, 3, (2, 9), (None, 4), (0, 2)], ids=str)
def test_adaptive_max_nan_wins_and_minus_infinity_is_a_pixel(size: Any) -> None:
    """The last NaN of a window, the first of equal infinities; as torch has it."""
    for fill in (torch.nan, -torch.inf, torch.inf):
        x = torch.randn(2, 3, 7, 8)
        x[:, :, 2:6, 1:5] = fill
        x[1] = fill
        ours, theirs = (engine.adaptive_max_pool2d(x, size, True) for engine in (ops, native))
        for a, b in zip((*ours, ops.adaptive_max_pool2d(x, size)), (*theirs, theirs[0]), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def test_a_window_without_a_pixel_is_minus_infinity_and_gives_no_gradient() -> None:
    """Taps at −1 and 2 on two pixels. (torch's backward pass writes outside the picture here.)"""
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    y = ops.max_pool2d(x, 2, 1, 1, 3)
    assert y.tolist() == [[[[-torch.inf]]]]
    y.sum().backward()
    assert x.grad is not None and not x.grad.any()


def test_a_window_may_have_more_than_256_taps() -> None:
    x = distinct(1, 1, 20, 20)
    ours, theirs = (m.max_pool2d(x, 17, 1, return_indices=True) for m in (ops, torch.nn.functional))
    assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_max_pool2d_takes_whole_numbers(dtype: torch.dtype) -> None:
    x = torch.randint(0, 99, (2, 3, 7, 7)).to(dtype)
    ours, theirs = (m.max_pool2d(x, 3, 2, 1, return_indices=True) for m in (ops, torch.nn.functional))
    assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])


def test_unpooling_indices_count_in_the_plane() -> None:
    values = torch.tensor([[[7.0, 8.0]]])
    assert ops.max_unpool2d(values, torch.tensor([[[5, 2]]]), 2).tolist() == [[[0, 0, 8, 0], [0, 7, 0, 0]]]


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 7), (33, 20)])
def test_pooling_by_masks_is_adaptive_pooling(size: tuple[int, int]) -> None:
    """What exported programs hold in its place: see test_compiled of the models."""
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    for cells in (1, 2, 6, (3, 2), (None, 4)):
        mean, largest = (pool_by_masks(x, cells, mode) for mode in ("avg", "max"))
        torch.testing.assert_close(mean, torch.nn.functional.adaptive_avg_pool2d(x, cells))
        assert torch.equal(largest, torch.nn.functional.adaptive_max_pool2d(x, cells))
