"""attend, gate, encode and sweep against torch, and against the sums that their docstrings and papers write."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor, nn

from segkit import native, ops
from tests.ops.cases import agree, dtypes, grad_exact, layouts, many, random, run, seeds

DIRECTIONS, CELLS = ("down", "up", "right", "left"), {"gru": 3, "relu": 1}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def listeners(draw: st.DrawFn) -> tuple[list[Tensor], dict[str, Any]]:
    """Query, key, value, perhaps a mask of either kind, in which some may hear nobody, and a scale."""
    before = draw(st.sampled_from([(), (2,), (0,), (2, 3)]))
    L, S, E, D = draw(st.integers(0, 5)), draw(st.integers(0, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    dtype, seed = draw(dtypes), draw(seeds)
    shapes = [(*before, L, E), (*before, S, E), (*before, S, D)]
    tensors = [random(shape, dtype, draw(layouts), seed + place) for place, shape in enumerate(shapes)]
    settings: dict[str, Any] = {"scale": draw(st.sampled_from([None, 1.0, 0.3, -2.0, 0.0]))}
    shape = draw(st.sampled_from([(L, S), (*before, L, S)]))
    heard = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) > draw(st.sampled_from([0.0, 0.4, 1.0]))
    kind = draw(st.sampled_from(["none", "bools", "numbers"]))
    if kind != "none":
        settings["mask"] = heard if kind == "bools" else torch.where(heard, random(shape, dtype, "", seed), -torch.inf)
    return tensors, settings


@many
@given(case=listeners(), seed=seeds)
def test_attend_equals_torch(case: Any, seed: int) -> None:
    tensors, settings = case
    agree("attend", *tensors, seed=seed, **settings)


def test_attend_is_the_sum_in_its_docstring() -> None:
    q, k, v = normal(3, 4), normal(5, 4, seed=1), normal(5, 2, seed=2)
    answer = ops.attend(q, k, v, scale=0.7)
    for i in range(3):
        weights = [torch.exp(0.7 * sum(q[i, e] * k[j, e] for e in range(4))) for j in range(5)]
        expected = sum(w * v[j] for j, w in enumerate(weights)) / sum(weights)
        torch.testing.assert_close(answer[i], expected)


def test_large_products_do_not_overflow() -> None:
    q = torch.tensor([[1e4], [-1e4], [0.0]])
    answer = ops.attend(q, torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [3.0]]), scale=1.0)
    assert answer.flatten().tolist() == [3.0, 1.0, 2.0]


def test_who_hears_nobody_says_nothing_and_learns_nothing() -> None:
    tensors = [normal(3, 4), normal(5, 4, seed=1), normal(5, 2, seed=2)]
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    answer, *slopes = run(ops, "attend", tensors, {"mask": mask}, 0)
    assert not answer[1].any() and not slopes[0][1].any() and slopes[0][0].any()
    assert all(s.isfinite().all() for s in slopes)


@st.composite
def gates(draw: st.DrawFn) -> tuple[list[Tensor], int]:
    """Maps and scores for all pixels, rows, columns or the whole map."""
    splits, C = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    N, H, W = draw(st.integers(0, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    dtype, seed = draw(dtypes), draw(seeds)
    shape = (N, splits * C, H, W)
    other = (N, splits * C, draw(st.sampled_from([1, H])), draw(st.sampled_from([1, W])))
    shape, other = (shape[1:], other[1:]) if draw(st.booleans()) else (shape, other)
    return [random(shape, dtype, draw(layouts), seed), random(other, dtype, draw(layouts), seed + 1)], splits


@many
@given(case=gates(), seed=seeds)
def test_gate_equals_torch(case: Any, seed: int) -> None:
    tensors, splits = case
    agree("gate", *tensors, seed=seed, splits=splits)


def test_one_split_is_squeeze_and_excitation_and_more_add_up_to_one() -> None:
    x, scores = normal(2, 6, 4, 5), normal(2, 6, 1, 1, seed=1)
    torch.testing.assert_close(ops.gate(x, scores), x / (1 + torch.exp(-scores)))
    torch.testing.assert_close(ops.gate(torch.ones_like(x), scores, splits=3), torch.ones(2, 2, 4, 5).double())
    weights = torch.exp(scores)  # of two splits: channels 0 and 3 compete, 1 and 4, 2 and 5
    expected = (x * weights)[:, :3] + (x * weights)[:, 3:]
    torch.testing.assert_close(ops.gate(x, scores, 2), expected / (weights[:, :3] + weights[:, 3:]))


@st.composite
def codes(draw: st.DrawFn) -> list[Tensor]:
    """A map, codewords, and how sharply pixels are shared out."""
    C, K, dtype, seed = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(dtypes), draw(seeds)
    shape = (draw(st.integers(0, 2)), C, draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    shape = shape[1:] if draw(st.booleans()) else shape
    words, scale = random((1, K, C), dtype, "", seed + 1)[0], random((1, K), dtype, "", seed + 2)[0]
    return [random(shape, dtype, draw(layouts), 2 * seed), words, scale / 4]  # no pixel lies on a codeword


@many
@given(tensors=codes(), seed=seeds)
def test_encode_equals_torch(tensors: list[Tensor], seed: int) -> None:
    agree("encode", *tensors, seed=seed)


def test_encode_is_the_sum_in_its_docstring() -> None:
    x, words, scale = normal(2, 3, 4, 5), normal(4, 3, seed=1), -normal(4, seed=2).abs()
    expected = torch.zeros(2, 4, 3, dtype=torch.float64)
    for n, i, j in itertools.product(range(2), range(4), range(5)):
        away = x[n, :, i, j] - words  # K, C
        shares = torch.exp(scale * away.square().sum(1))
        expected[n] += (shares / shares.sum())[:, None] * away
    torch.testing.assert_close(ops.encode(x, words, scale), expected)


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[list[Tensor], dict[str, Any]]:
    """A map, weights, perhaps biases and gates."""
    cell = draw(st.sampled_from(list(CELLS)))
    G, C, U = CELLS[cell], draw(st.integers(1, 3)), draw(st.integers(1, 3))
    N, H, W = draw(st.integers(0, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    dtype, seed = draw(dtypes), draw(seeds)
    shapes = [(G * U, C), (G * U, U), *([(1, G * U)] * 2 if draw(st.booleans()) else [])]
    weights = [random((1, *shape), dtype, "", seed + place)[0] / 2 for place, shape in enumerate(shapes)]
    tensors = [random((N, C, H, W), dtype, draw(layouts), seed + 9), *weights[:2], *(b[0] for b in weights[2:])]
    settings: dict[str, Any] = {"direction": draw(st.sampled_from(DIRECTIONS)), "cell": cell}
    if draw(st.booleans()):
        make = torch.Generator().manual_seed(seed)
        settings["open"] = torch.rand(N, draw(st.sampled_from([1, U])), H, W, generator=make).to(dtype)
    if draw(st.booleans()) and N:
        tensors[0], settings = tensors[0][0], {k: v[0] if k == "open" else v for k, v in settings.items()}
    return tensors, settings


@many
@given(case=sweeps(), seed=seeds)
def test_sweep_equals_torch(case: Any, seed: int) -> None:
    tensors, settings = case
    agree("sweep", *tensors, seed=seed, **settings)


@pytest.mark.parametrize("engine", [ops, native])
def test_a_sweep_over_no_pictures_gives_none(engine: Any) -> None:
    x, ih, hh = normal(0, 1, 2, 3), normal(6, 1), normal(6, 2)
    assert engine.sweep(x, ih, hh).shape == engine.sweep(x, ih, hh, direction="left").shape == (0, 2, 2, 3)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_sweep_is_torchs_gru_over_lines(direction: str) -> None:
    """One step at a time by `nn.GRUCell`, with loops over places."""
    torch.manual_seed(0)
    cell, x = nn.GRUCell(3, 2).double(), normal(2, 3, 4, 5)
    answer = ops.sweep(x, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh, direction)
    order = [(i, j) for i in range(4) for j in range(5)]
    order = order[::-1] if direction in ("up", "left") else order
    back = {"down": (-1, 0), "up": (1, 0), "right": (0, -1), "left": (0, 1)}[direction]
    told: dict[tuple[int, int], Tensor] = {}
    for i, j in order:
        before = told.get((i + back[0], j + back[1]), torch.zeros(2, 2).double())
        told[i, j] = cell(x[..., i, j], before)
        torch.testing.assert_close(answer[..., i, j], told[i, j])


def test_four_sweeps_hear_every_pixel_and_a_closed_gate_stops_them() -> None:
    """ReNet's layer: down and up, side by side, then right and left over both; a wall keeps the halves apart."""
    x = normal(1, 2, 5, 6).requires_grad_()
    weights = [normal(6, 2, seed=1), normal(6, 2, seed=2)]
    wide = [normal(6, 4, seed=3), normal(6, 2, seed=4)]
    both = torch.cat([ops.sweep(x, *weights, direction=d) for d in ("down", "up")], 1)
    all_of_it = torch.cat([ops.sweep(both, *wide, direction=d) for d in ("right", "left")], 1)
    (heard,) = torch.autograd.grad(all_of_it[0, :, 2, 3].sum(), x)
    assert (heard.abs().sum((0, 1)) > 0).all(), "30 of 30 pixels"
    wall = torch.ones(1, 1, 5, 6, dtype=torch.float64)
    wall[..., 4] = 0
    closed = ops.sweep(x, *weights, direction="right", open=wall)
    (heard,) = torch.autograd.grad(closed[0, :, 2, 5].sum(), x)
    assert not heard[..., :4].any() and heard[0, :, 2, 4:].any(), "what lies behind the wall is not heard"


def test_gradients_are_exact_twice() -> None:
    grad_exact("attend", normal(3, 2), normal(4, 2, seed=1), normal(4, 2, seed=2), scale=0.5)
    grad_exact("gate", normal(1, 4, 2, 3), normal(1, 4, 2, 1, seed=1), splits=2)
    grad_exact("encode", normal(1, 2, 2, 3), normal(2, 2, seed=1), -normal(2, seed=2).abs())
    for cell, G in CELLS.items():
        weights = normal(2 * G, 2, seed=1), normal(2 * G, 2, seed=2), normal(2 * G, seed=3), normal(2 * G, seed=4)
        grad_exact("sweep", normal(1, 2, 3, 2), *weights, direction="left", cell=cell, twice=cell == "gru")


def test_both_engines_give_gradients_to_gates() -> None:
    x, weights = normal(1, 2, 3, 4), [normal(3, 2, seed=1), normal(3, 3, seed=2)]
    found = []
    for engine in (ops, native):
        gates = torch.rand(1, 1, 3, 4, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
        answer = engine.sweep(x, *weights, cell="relu", open=gates)
        found.append(torch.autograd.grad(answer.square().sum(), gates)[0])
    torch.testing.assert_close(*found)
    assert found[0].any()
