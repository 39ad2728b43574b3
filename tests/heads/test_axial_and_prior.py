"""Axial attention against a mask, its channel gates against the sum in the paper; CPN's prior and its loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import segkit
from segkit import ops
from segkit.analysis import cost
from segkit.heads import AxialAttention, ChannelizedAxialAttention, ContextPrior
from segkit.heads.attention import as_map, as_rows
from segkit.heads.axial import attend_along
from segkit.ops.attention_masks import axis_mask
from segkit.training import affinity_loss
from tests.encoders.common import lively


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("axis", ["column", "row"])
def test_along_an_axis_is_attention_under_its_mask(axis: str) -> None:
    q, k, v = normal(2, 3, 4, 5), normal(2, 3, 4, 5, seed=1), normal(2, 2, 4, 5, seed=2)
    masked = ops.attend(as_rows(q), as_rows(k), as_rows(v), 0.7, axis_mask(4, 5, axis))
    for engine in ("native", "scratch"):
        with segkit.use_engine(engine):
            torch.testing.assert_close(attend_along(axis, q, k, v, 0.7), as_map(masked, v))
    with pytest.raises(ValueError, match="axis='diagonal'"):
        attend_along("diagonal", q, k, v)


@pytest.mark.parametrize("axis", ["column", "row"])
def test_gates_are_those_within_the_sum(axis: str) -> None:
    """As the paper writes it: for each line i, all products a(i, j)·v(j) as a map, gated by its mean, then summed."""
    torch.manual_seed(0)
    block, x, value = lively(AxialAttention(6, 3, axis)).double(), normal(2, 6, 4, 5), normal(2, 6, 4, 5, seed=1)
    asked = block.query(x)
    if axis == "row":
        asked, value = asked.mT, value.mT
    shares = (torch.einsum("nehw,negw->nwhg", asked, asked) / 3**0.5).softmax(-1)  # N, W, H, H
    lines = []
    for i in range(value.shape[2]):
        products = shares[:, :, i].mT[:, None] * value  # N, C, H, W: a(i, j)·v(j), j along the height
        scores = products.mean((2, 3), keepdim=True)
        for layer in block.gates[:-1]:
            scores = F.leaky_relu(layer(scores), 0.2)
        lines.append((products * block.gates[-1](scores).sigmoid()).sum(2))
    expected = torch.stack(lines, 2)  # N, C, H, W
    given = value if axis == "column" else value.mT
    torch.testing.assert_close(block(x, given), expected if axis == "column" else expected.mT)


def test_open_gates_leave_two_axial_attentions() -> None:
    torch.manual_seed(0)
    gated, plain = (lively(ChannelizedAxialAttention(4, 2, gates)).double() for gates in (True, False))
    x = normal(1, 4, 5, 6)
    plain.load_state_dict(gated.state_dict(), strict=False)
    half = gated.eval()
    for block in (half.columns, half.rows):
        torch.nn.init.zeros_(block.gates[-1].weight)  # a gate of 1/2, twice
    torch.testing.assert_close(4 * half(x), plain.eval()(x))
    by_hand = plain.value(x)
    for axis, block in (("column", plain.columns), ("row", plain.rows)):
        by_hand = attend_along(axis, block.query(x), block.query(x), by_hand)
    torch.testing.assert_close(plain(x), by_hand)


def test_an_axis_costs_what_it_hears() -> None:
    block = AxialAttention(4, 2, "column", gated=False)

    class Alone(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = block

        def forward(self, x: Tensor) -> Tensor:
            return self.block(x, x)

    assert cost(Alone(), (4, 7, 9)).macs == 7 * 9 * (4 * 2) + 7 * 9 * 7 * (2 + 4)


def test_a_true_prior_gives_sums_over_the_own_class_and_over_the_others() -> None:
    block, x = ContextPrior(3, (4, 5)).double(), normal(2, 3, 4, 5)
    labels = torch.arange(40).view(2, 4, 5) % 3
    same = labels.flatten(1)[:, :, None] == labels.flatten(1)[:, None]
    found, _ = block(x, torch.where(same, 1e4, -1e4).double())
    kept, own, others = found.split(3, 1)
    assert torch.equal(kept, x) and block.out_channels == found.shape[1] == 9
    for n, i, j in ((0, 0, 0), (1, 2, 3)):
        mine = labels[n] == labels[n, i, j]
        torch.testing.assert_close(own[n, :, i, j], x[n][:, mine].sum(1) / 20)
        torch.testing.assert_close(others[n, :, i, j], x[n][:, ~mine].sum(1) / 20)
    found, scores = block(x)
    torch.testing.assert_close(scores, as_rows(block.prior(x)))
    torch.testing.assert_close(found[:, 3:6], as_map(scores.sigmoid() @ as_rows(x) / 20, x))
    with pytest.raises(ValueError, match=r"\(2, 3, 5, 4\); it was made for 4×5 cells"):
        block(x.mT)


def test_the_loss_is_the_formula() -> None:
    scores, labels = normal(2, 6, 6), torch.tensor([[[0, 0, 1], [1, 2, 2]], [[0, 0, 0], [0, 1, 1]]])
    a = (labels.flatten(1)[:, :, None] == labels.flatten(1)[:, None]).double()
    p = scores.sigmoid()
    unary = -(a * p.log() + (1 - a) * (1 - p).log()).mean()
    rows = [((a * p).sum(2) / p.sum(2)).log(), ((a * p).sum(2) / a.sum(2)).log(),
            (((1 - a) * (1 - p)).sum(2) / (1 - a).sum(2)).log()]  # fmt: skip
    torch.testing.assert_close(affinity_loss(scores, labels), unary - sum(rows).mean())


def test_void_counts_nowhere_and_what_is_not_there_has_no_share() -> None:
    scores, labels = normal(1, 6, 6).requires_grad_(), torch.tensor([[[0, 0, 1], [1, 255, 255]]])
    small = affinity_loss(scores[:, :4, :4], labels.flatten()[:4].view(1, 2, 2))
    torch.testing.assert_close(affinity_loss(scores, labels), small)
    (slope,) = torch.autograd.grad(affinity_loss(scores, labels), scores)
    assert not slope[:, 4:].any() and not slope[:, :, 4:].any() and slope[:, :4, :4].all()
    for value in (0, 255):  # nobody else; nobody at all
        loss = affinity_loss(scores, torch.full((1, 2, 3), value))
        (slope,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite() and slope.isfinite().all() and bool(slope.any()) == (value == 0)
    wrong = torch.where(torch.eye(6, dtype=torch.bool), -1e4, 1e4)[None].requires_grad_()
    assert affinity_loss(wrong, torch.arange(6).view(1, 2, 3)).isfinite(), "log 0 goes as far as −100"


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (torch.zeros(1, 6, 5), torch.zeros(1, 2, 3).long(), r"scores \(1, 6, 5\).*N×L×L"),
        (torch.zeros(1, 6, 6), torch.zeros(1, 2, 2).long(), "h·w = L"),
        (torch.zeros(2, 6, 6), torch.zeros(1, 2, 3).long(), "h·w = L"),
        (torch.zeros(1, 6, 6).long(), torch.zeros(1, 2, 3).long(), "scores of torch.int64"),
        (torch.zeros(1, 6, 6), torch.zeros(1, 2, 3), "whole numbers"),
        (torch.zeros(1, 6, 6), torch.full((1, 2, 3), -1), "label -1"),
    ],
)
def test_what_cannot_be_a_loss_is_named(scores: Tensor, labels: Tensor, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        affinity_loss(scores, labels)


def test_what_cannot_be_is_named() -> None:
    for wrong, words in (
        (lambda: AxialAttention(4, 0, "row"), "reduced=0"),
        (lambda: AxialAttention(4, 2, "depth"), "axis='depth'"),
        (lambda: ContextPrior(0, 3), "channels=0"),
        (lambda: ContextPrior(3, 0), "size=0"),
        (lambda: ChannelizedAxialAttention(0, 1), "channels=0"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()
