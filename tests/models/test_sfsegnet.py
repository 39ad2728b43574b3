"""SFSegNet: the released sizes, the warp read by hand, and what a flow of zero leaves: a feature pyramid network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

import segkit
from segkit.analysis import cost
from segkit.models import create
from segkit.models.sfsegnet import FlowAlignment, warp
from tests.encoders.common import lively
from tests.models.by_hand import normal, same, wide


@pytest.mark.parametrize(
    ("encoder", "parameters", "giga"), [("resnet18", 12_869_715, 242.96), ("resnet50", 31_325_139, 663.32)]
)
def test_the_released_sizes(encoder: str, parameters: int, giga: float) -> None:
    with torch.device("meta"):
        found = cost(create("sfsegnet", 19, encoder=encoder, aux=False).eval(), (3, 1024, 2048))
    assert found.parameters == parameters and abs(found.macs / 1e9 - giga) < 0.01


@pytest.mark.parametrize("engine", ["native", "scratch"])
@pytest.mark.parametrize("size", [(9, 13), (8, 12), (1, 1), (1, 6)])
def test_the_warp_reads_four_cells_around_each_place(engine: str, size: tuple[int, int]) -> None:
    """Cell by cell: place (X + flow) / 2, brought to the border where it lies beyond, and the four cells around it."""
    H, W = size
    h, w = (H + 1) // 2, (W + 1) // 2
    coarse, flow = normal(2, 3, h, w), 3 * normal(2, 2, H, W)
    with segkit.use_engine(engine):
        found = warp(coarse, flow)
    for n in range(2):
        for i in range(H):
            for j in range(W):
                y = min(max((i + float(flow[n, 1, i, j])) / 2, 0), h - 1)
                x = min(max((j + float(flow[n, 0, i, j])) / 2, 0), w - 1)
                top, left = int(y), int(x)
                down, right = min(top + 1, h - 1), min(left + 1, w - 1)
                above = coarse[n, :, top, left] * (left + 1 - x) + coarse[n, :, top, right] * (x - left)
                below = coarse[n, :, down, left] * (left + 1 - x) + coarse[n, :, down, right] * (x - left)
                same(found[n, :, i, j], above * (top + 1 - y) + below * (y - top))


def test_a_flow_of_zero_is_bilinear_and_of_one_moves_by_one_cell() -> None:
    coarse = normal(2, 3, 5, 7)
    still = warp(coarse, torch.zeros(2, 2, 9, 13, dtype=torch.float64))
    same(still, F.interpolate(coarse, (9, 13), mode="bilinear", align_corners=True))
    right = torch.zeros(2, 2, 9, 13, dtype=torch.float64)
    right[:, 0] = 1
    same(warp(coarse, right)[..., :-1], still[..., 1:])
    same(warp(coarse, right.flip(1))[..., :-1, :], still[..., 1:, :])


def test_our_flow_is_the_authors_in_another_unit() -> None:
    """There a flow is divided by the size and added to places from −1 to 1: 2·W/(W − 1) of it is one cell."""
    coarse, flow = normal(2, 3, 5, 7), 0.3 * normal(2, 2, 9, 13)
    columns, rows = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in (13, 9))
    grid = torch.stack((columns.expand(9, 13), rows[:, None].expand(9, 13)), -1)
    size = torch.tensor([13.0, 9.0]).double()
    theirs = F.grid_sample(coarse, grid + flow.permute(0, 2, 3, 1) / size, align_corners=True)
    ours = warp(coarse, flow * ((size - 1) / (2 * size))[:, None, None])
    same(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1])


def test_the_flow_is_made_of_both_maps() -> None:
    block, fine, coarse = FlowAlignment(6, 3).double(), normal(2, 6, 9, 13), normal(2, 6, 5, 7)
    moved, flow = block(fine, coarse)
    both = torch.cat([wide(block.coarse(coarse), fine), block.fine(fine)], 1)
    same(flow, F.conv2d(both, block.flow.weight, padding=1))
    same(moved, warp(coarse, flow))
    assert float(flow.detach().abs().max()) > 0.1


@pytest.mark.parametrize("flow", [True, False])
def test_levels_are_added_from_coarse_to_fine(flow: bool) -> None:
    """On 32k + 1 pixels; without a flow, and with one of zero, it is a feature pyramid network."""
    options: dict[str, Any] = {"encoder": "resnet18", "width": 4, "flow": flow}
    net, x = lively(create("sfsegnet", 5, **options)).double(), normal(2, 3, 65, 97)
    for align in net.align:
        align.flow.weight.data.zero_()
    _, *finer, last = net.encoder(x)
    y = net.reduce(net.pyramid(last))
    levels = [y]
    for given, lateral, smooth in zip(finer[::-1], net.lateral, net.smooth, strict=True):
        y = lateral(given) + wide(y, given)
        levels.append(smooth(y))
    joined = torch.cat([wide(level, levels[-1]) for level in levels[::-1]], 1)
    found = net.outputs(x)
    same(found["score"], net.head(joined))
    same(found["score_4"], net.guides[2](y))
    for align in net.align:
        torch.nn.init.normal_(align.flow.weight)
    assert torch.allclose(net(x), found["logits"]) != flow


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="hidden=0"):
        FlowAlignment(4, 0)
    with pytest.raises(ValueError, match=r"FlowAlignment got maps of shape \(1, 4, 3, 3\), \(1, 5, 2, 2\)"):
        FlowAlignment(4)(torch.zeros(1, 4, 3, 3), torch.zeros(1, 5, 2, 2))
    with pytest.raises(ValueError, match="SFSegNet got encoder='vgg16'"):
        create("sfsegnet", 3, encoder="vgg16")
