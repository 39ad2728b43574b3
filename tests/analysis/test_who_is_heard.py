"""Attention, gates, encoding and sweeps: fields, footprints and costs say who is heard, and what that takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segkit.analysis import cost, gradient_footprint, receptive_field
from segkit.analysis.silence import closed_by
from segkit.engine import engine
from segkit.heads.attention import ChannelAttention, CrissCross, PositionAttention, as_map, as_rows
from segkit.layers import Conv2d
from segkit.models.encnet import ContextEncoding
from segkit.models.gcn import LargeKernel
from segkit.models.psanet import PointwiseAttention
from segkit.ops.attention_masks import axis_mask, criss_cross_mask, window_mask
from tests.analysis.test_footprint import hull

Listen = Callable[["Between", Tensor], Tensor]
H, W = 9, 13
PLACE = (4, 6)


class Between(nn.Module):
    """3×3, an operator on 4 channels, 3×3: what the operator reads, one cell wider, and wider again by one."""

    def __init__(self, listen: Listen) -> None:
        super().__init__()
        self.before, self.after, self.listen = Conv2d(3, 4, 3, padding=1), Conv2d(4, 2, 3, padding=1), listen
        self.weight_ih, self.weight_hh = nn.Parameter(torch.randn(12, 4)), nn.Parameter(torch.randn(12, 4))
        self.words, self.scale = nn.Parameter(torch.randn(3, 4)), nn.Parameter(-torch.rand(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.listen(self, self.before(x)))


def attend(mask: Callable[[int, int], Tensor] | None = None, heads: int = 0) -> Listen:
    """Attention of a map to itself; with heads, its channels in as many groups, which torch computes otherwise."""

    def listen(_: Between, x: Tensor) -> Tensor:
        rows = as_rows(x)
        rows = rows.unflatten(2, (heads, -1)).transpose(1, 2) if heads else rows
        told = engine().attend(rows, rows, rows, mask=None if mask is None else mask(*x.shape[-2:]))
        return as_map(told.transpose(1, 2).flatten(2) if heads else told, x)

    return listen


def sweep(*directions: str) -> Listen:
    def listen(net: Between, x: Tensor) -> Tensor:
        for direction in directions:
            x = engine().sweep(x, net.weight_ih, net.weight_hh, direction=direction)
        return x

    return listen


ALL = (0, H, 0, W)
ROWS, COLUMNS = slice(2, 7), slice(4, 9)  # five lines around the place: what two 3×3 see
READS: dict[str, tuple[Listen, tuple[int, int, int, int], int]] = {  # box and number of pixels that reach the place
    "attention": (attend(), ALL, H * W),
    "attention, heads": (attend(heads=2), ALL, H * W),
    "row": (attend(lambda h, w: axis_mask(h, w, "row")), (2, 7, 0, W), 5 * W),
    "column": (attend(lambda h, w: axis_mask(h, w, "column")), (0, H, 4, 9), 5 * H),
    "row, heads": (attend(lambda h, w: axis_mask(h, w, "row"), heads=4), (2, 7, 0, W), 5 * W),
    "row and column": (attend(criss_cross_mask), ALL, 5 * W + 5 * H - 25),
    "window": (attend(lambda h, w: window_mask(h, w, 1)), (1, 8, 3, 10), 49),
    "squeeze and excite": (lambda _, x: engine().gate(x, x.mean((2, 3), keepdim=True)), ALL, H * W),
    "gates by rows": (lambda _, x: engine().gate(x, x.mean(3, keepdim=True)), (2, 7, 0, W), 5 * W),
    "encoding": (lambda net, x: x * engine().encode(x, net.words, net.scale).mean(1)[..., None, None], ALL, H * W),
    "sweep down": (sweep("down"), (0, 7, 4, 9), 35),
    "sweep left": (sweep("left"), (2, 7, 4, W), 45),
    "four sweeps": (sweep("down", "up", "right", "left"), ALL, H * W),
}


@pytest.mark.parametrize("name", READS)
def test_fields_and_footprints_say_who_is_heard(name: str) -> None:
    listen, box, count = READS[name]
    net = Between(listen)
    row = receptive_field(net, (H, W))["after"]
    seen = gradient_footprint(net, (H, W), "after", PLACE)
    assert row.box(*PLACE) == hull(seen) == box
    assert int(seen.sum()) == count


def test_a_wall_stops_a_sweep_and_leaves_its_field() -> None:
    """A gate of zero is a value like a weight of zero: theory leaves it open, the footprint finds it closed."""

    def walled(net: Between, x: Tensor) -> Tensor:
        wall = torch.ones(1, 1, H, W, dtype=x.dtype)
        wall[..., 5] = 0  # what stands in column 4 is not told to column 5
        return engine().sweep(x, net.weight_ih, net.weight_hh, direction="right", open=wall)

    net = Between(walled)
    seen = gradient_footprint(net, (H, W), "after", PLACE)
    assert hull(seen) == (2, 7, 4, 9)
    assert receptive_field(net, (H, W))["after"].box(*PLACE) == (2, 7, 0, 9)


BLOCKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "position": (lambda: PositionAttention(4), H * W),
    "criss-cross once": (lambda: CrissCross(4, recurrence=1), 5 * W + 5 * H - 25),
    "criss-cross twice": (lambda: CrissCross(4), H * W),
    "channels": (ChannelAttention, H * W),
    "by place": (lambda: PointwiseAttention(4, 4, (2 * H - 1, 2 * W - 1)), H * W),
    "large kernel": (lambda: LargeKernel(4, 4, 5), 9 * 9),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_read_like_the_operators_they_stand_on(name: str) -> None:
    block, count = BLOCKS[name][0](), BLOCKS[name][1]
    net = nn.Sequential(Conv2d(3, 4, 3, padding=1), block, Conv2d(4, 2, 3, padding=1))
    table, seen = receptive_field(net, (H, W)), gradient_footprint(net, (H, W), "2", PLACE)
    assert table["2"].box(*PLACE) == hull(seen) and int(seen.sum()) == count
    assert seen[ROWS].any(1).all() and seen[:, COLUMNS].any(0).all()


def test_a_mask_that_the_picture_makes_closes_nothing() -> None:
    """It may be open elsewhere for another picture: the field is that of all of them."""

    def listen(_: Between, x: Tensor) -> Tensor:
        rows = as_rows(x)
        near = torch.where(window_mask(H, W, 0), rows[..., :1] * 0, -torch.inf)
        return as_map(engine().attend(rows, rows, rows, mask=near), x)

    assert receptive_field(Between(listen), (H, W))["after"].box(*PLACE) == ALL


def test_what_a_mask_closes_is_what_it_closes_for_the_whole_batch() -> None:
    some = torch.zeros(2, 3, 4)
    some[0, 1, 2] = some[:, 2, 3] = -torch.inf
    closed = closed_by(some, some.shape)
    assert closed is not None and closed.nonzero().tolist() == [[2, 3]]
    assert closed_by(torch.zeros(3, 4), some.shape) is None and closed_by(some[:, :1], some.shape) is None


L = H * W
CONVS = L * 27 * 4 + L * 36 * 2
COSTS: dict[str, tuple[Listen, int]] = {  # multiply-adds of matrix products, on 4 channels
    "attention": (attend(), 2 * L * L * 4),
    "attention, heads": (attend(heads=2), 2 * L * L * 4),
    "row": (READS["row"][0], 2 * L * L * 4),  # a mask forbids, it does not save
    "gate": (READS["squeeze and excite"][0], 0),
    "encoding": (READS["encoding"][0], L * 3 * 4),
    "sweep down": (sweep("down"), 2 * L * 12 * 4),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_those_of_the_products(name: str) -> None:
    listen, macs = COSTS[name]
    assert cost(Between(listen), (H, W)).macs == CONVS + macs


def test_row_and_column_cost_what_they_hear() -> None:
    """Two products against the whole mask: H·W·(H + W) pairs in place of (H·W)²."""
    whole, cross = PositionAttention(4, 4), CrissCross(4, 4, recurrence=1)
    shared = 3 * L * 4 * 4  # the three 1×1 convolutions
    assert cost(whole, (4, H, W)).macs == shared + 2 * L * L * 4
    assert cost(cross, (4, H, W)).macs == shared + 2 * L * (H + W) * 4
    assert cost(CrissCross(4, 4), (4, H, W)).macs == 2 * cost(cross, (4, H, W)).macs


def test_the_encoding_module_reads_all() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.context = ContextEncoding(3, 2, codewords=2)

        def forward(self, x: Tensor) -> Tensor:
            return self.context(x)[0]

    assert receptive_field(Gated(), (H, W))["output"].whole
    assert bool(gradient_footprint(Gated(), (H, W), position=(0, 0)).all())
