"""grid_sample and point_sample."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import Tensor

from segkit import native, ops
from tests.ops.cases import agree, grad_exact, many, pictures, random, seeds

ROOT = Path(__file__).resolve().parents[2]
MODES, PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
settings = st.fixed_dictionaries({
    "mode": st.sampled_from(MODES), "padding_mode": st.sampled_from(PADDINGS),
    "align_corners": st.sampled_from([None, False, True]),
})  # fmt: skip


@st.composite
def sampled(draw: st.DrawFn, *sizes: int) -> tuple[Tensor, Tensor]:
    """A batch of maps, and places in and far around it."""
    x = draw(pictures(unbatched=False))
    shape = (len(x), *(draw(st.integers(1, 6)) for _ in sizes), 2)
    places = random(shape, torch.float64, "contiguous", 2 * draw(seeds)) * draw(st.sampled_from([0.5, 1.0, 4.0]))
    if x.dtype in (torch.float16, torch.bfloat16):
        places = places.clamp(-2, 2)
    return x, places.to(x.dtype)


@many
@given(case=sampled(6, 6), how=settings, seed=seeds)
def test_grid_sample_equals_torch(case: tuple[Tensor, Tensor], how: dict[str, Any], seed: int) -> None:
    agree("grid_sample", *case, seed=seed, **how)


@many
@given(case=sampled(6), how=settings, seed=seeds)
def test_point_sample_equals_torch(case: tuple[Tensor, Tensor], how: dict[str, Any], seed: int) -> None:
    agree("point_sample", *case, seed=seed, **how)


@pytest.mark.parametrize(("mode", "padding_mode", "align"), list(product(MODES, PADDINGS, (True, False))))
def test_on_edges_centres_and_mirrors(mode: str, padding_mode: str, align: bool) -> None:
    """Where a place is just on a pixel, an edge or a mirror, both sides decide alike: value and both gradients."""
    x = random((2, 3, 4, 8), torch.float64, "contiguous", 4)
    places = torch.tensor([-3.0, -2.0, -1.25, -1.0, -0.75, 0.0, 0.5, 0.875, 1.0, 1.125, 3.0], dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).expand(2, -1, -1, -1)
    agree("grid_sample", x, grid, mode=mode, padding_mode=padding_mode, align_corners=align)


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_a_place_that_is_no_number_counts_as_the_first(mode: str, padding_mode: str) -> None:
    x, grid = random((1, 2, 3, 4), torch.float32, "contiguous", 2), torch.full((1, 2, 2, 2), torch.nan)
    grid[0, 0, 0, 0], grid[0, 1, 1, 1] = 0.3, -0.2
    ours = ops.grid_sample(x, grid, mode, padding_mode)
    torch.testing.assert_close(ours, ops.grid_sample(x, grid.nan_to_num(nan=-1.0), mode, padding_mode), rtol=0, atol=0)
    assert ours.isfinite().all()


@pytest.mark.parametrize("mode", MODES)
def test_endlessly_far_beyond_the_picture(mode: str) -> None:
    """Nothing is read from memory that is not the picture's; where torch gives a number, it is the same number."""
    x = random((1, 2, 3, 4), torch.float32, "contiguous", 2)
    for place, padding_mode in product((torch.inf, -torch.inf, 1e30, -1e9), PADDINGS):
        grid = torch.tensor([[[[place, 0.3]]]])
        ours, theirs = (engine.grid_sample(x, grid, mode, padding_mode) for engine in (ops, native))
        if padding_mode == "border" and mode != "bicubic":
            torch.testing.assert_close(ours, theirs)
        elif padding_mode == "zeros" and abs(place) < 1e10:
            assert not ours.any() and not theirs.any()


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [(5, 7), (9, 4), (2, 2)])
def test_a_regular_grid_is_interpolation(align: bool, size: tuple[int, int]) -> None:
    x = random((2, 3, 5, 6), torch.float64, "contiguous", 8)
    grid = F.affine_grid(torch.eye(2, 3, dtype=torch.float64).expand(2, -1, -1), [2, 3, *size], align_corners=align)
    wanted = ops.interpolate(x, size, mode="bilinear", align_corners=align)
    torch.testing.assert_close(ops.grid_sample(x, grid, "bilinear", "border", align), wanted, rtol=0, atol=1e-12)


def test_the_centres_of_pixels_are_where_point_sample_finds_them() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    ys, xs = torch.meshgrid((torch.arange(3) + 0.5) / 3, (torch.arange(4) + 0.5) / 4, indexing="ij")
    points = torch.stack([xs, ys], -1).view(1, 12, 2)
    torch.testing.assert_close(ops.point_sample(x, points), x.flatten(2))
    torch.testing.assert_close(ops.point_sample(x, torch.tensor([[[0.0, 0.0]]])), torch.zeros(1, 1, 1))  # ¼ of pixel 0


@pytest.mark.parametrize(("mode", "padding_mode"), list(product(("bilinear", "bicubic"), PADDINGS)))
def test_gradients_are_exact(mode: str, padding_mode: str) -> None:
    generator = torch.Generator().manual_seed(3)
    grid = torch.rand(1, 3, 4, 2, generator=generator, dtype=torch.float64) * 3 - 1.5
    x = random((1, 2, 4, 5), torch.float64, "contiguous", 6)
    grad_exact("grid_sample", x, grid, mode=mode, padding_mode=padding_mode)


def test_the_input_is_read_at_the_grid_of_its_own_picture() -> None:
    x = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    for engine in (ops, native):
        assert engine.grid_sample(x, torch.zeros(2, 1, 1, 2)).flatten().tolist() == [0, 1]


CRASH = """
import itertools, torch
from segkit import native
places = torch.tensor([torch.nan, torch.inf, -torch.inf, 3e38])
for mode, padding, align, dtype in itertools.product(
    ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (True, False), (torch.float32, torch.float64)
):
    x, grid = torch.ones(1, 2, 3, 4, dtype=dtype).requires_grad_(), torch.zeros(1, 3, 3, 2, dtype=dtype)
    grid.view(-1)[2:6] = places
    y = native.grid_sample(x, grid.requires_grad_(), mode, padding, align)
    y.sum().backward()
    assert y.isfinite().all() and grid.grad.isfinite().all() and x.grad.isfinite().all()
print("alive")
"""


def test_no_place_ends_the_process() -> None:
    """torch 2.15's own kernel does, going backward from a place that is infinite or no number: a diverged flow."""
    answer = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, cwd=ROOT, encoding="utf-8")
    assert answer.stdout.strip() == "alive", answer.stderr or f"ended with {answer.returncode}"


@pytest.mark.parametrize("name", ["grid_sample", "point_sample"])
def test_autocast_rounds_no_place(name: str) -> None:
    """Beside a map in bfloat16, whose digits would put a place in the neighbouring cell."""
    x, places = torch.randn(1, 2, 8, 300), torch.rand(1, 5, 2)
    grid = places if name == "point_sample" else places[:, None]
    wanted = getattr(ops, name)(x.bfloat16().float(), grid)
    for engine in (ops, native):
        with torch.autocast("cpu", torch.bfloat16):
            found = getattr(engine, name)(x.bfloat16(), grid)
        torch.testing.assert_close(found, wanted)
