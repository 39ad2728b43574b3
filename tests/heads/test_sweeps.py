"""ReNet against torch's bidirectional GRU, sweeps that stop at walls, and feedback unrolled."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import segkit
from segkit.analysis import gradient_footprint, receptive_field
from segkit.heads import BoundarySweeps, Feedback, ReNet, Sweep
from segkit.layers import Conv2d
from tests.encoders.common import parameters


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def through(gru: nn.GRU, x: Tensor, axis: int) -> Tensor:
    """A bidirectional GRU over each line along an axis: N×C×H×W → N×2·U×H×W."""
    order = (0, 3, 2, 1) if axis == 2 else (0, 2, 3, 1)
    lines = x.permute(order)  # N, W, H, C or N, H, W, C
    told = gru(lines.flatten(0, 1))[0].unflatten(0, lines.shape[:2])
    return told.permute((0, 3, 2, 1) if axis == 2 else (0, 3, 1, 2))


@pytest.mark.parametrize("engine", ["native", "scratch"])
def test_renet_is_torchs_gru_over_columns_and_then_over_rows(engine: str) -> None:
    layer, x = ReNet(3, 4).double(), normal(2, 3, 5, 6)
    theirs = [nn.GRU(n, 4, batch_first=True, bidirectional=True).double() for n in (3, 8)]
    for gru, sweeps in zip(theirs, (layer.columns, layer.rows), strict=True):
        for ending, sweep in zip(("", "_reverse"), sweeps, strict=True):
            gru.load_state_dict({**gru.state_dict(), **{
                f"{name}_l0{ending}": value for name, value in sweep.state_dict().items()
            }})  # fmt: skip
    with segkit.use_engine(engine):
        torch.testing.assert_close(layer(x), through(theirs[1], through(theirs[0], x, 2), 3))
    assert layer.out_channels == 8


@pytest.mark.parametrize(("C", "U"), [(3, 4), (12, 7)])
def test_renets_parameters(C: int, U: int) -> None:
    assert parameters(ReNet(C, U)) == 6 * U * (C + U + 2) + 6 * U * (3 * U + 2)


def test_renet_hears_every_pixel() -> None:
    """What goes right and what goes left together: each alone hears one side."""
    net = nn.Sequential(Conv2d(3, 2, 1), ReNet(2, 3), Conv2d(6, 2, 1))
    assert int(gradient_footprint(net, (5, 6), "1", (2, 3)).sum()) == 30
    table = receptive_field(net, (5, 6))
    assert table["2"].whole and not table["1"].whole


def reached(layer: nn.Module, open: Tensor, place: tuple[int, int]) -> Tensor:
    x = normal(1, 2, 5, 7).abs().requires_grad_()
    for p in layer.parameters():
        nn.init.constant_(p, 0.1)
    (slope,) = torch.autograd.grad(layer.double()(x, open.double())[0, :, place[0], place[1]].sum(), x)
    return slope.abs().sum((0, 1)) > 0


def test_a_wall_is_not_walked_through_and_a_gap_is() -> None:
    """Open everywhere: all is heard. A wall in column 3: its own side, and of the wall the pixel that is met head on.
    With a gap in row 1: what lies beyond it, as far as one turn takes it."""
    layer, open = BoundarySweeps(2), torch.ones(1, 1, 5, 7)
    assert reached(layer, open, (2, 5)).all()
    open[..., 3] = 0
    closed = reached(layer, open, (2, 5))
    assert closed[:, 4:].all() and not closed[:, :3].any() and closed[:, 3].nonzero().tolist() == [[2]]
    open[..., 1, 3] = 1
    ajar = reached(layer, open, (1, 5))
    assert ajar[:, :3].all() and not reached(layer, open, (2, 5))[:, :3].any()


def test_boundary_sweeps_are_six_of_one_kind_in_both_engines() -> None:
    layer, x, open = BoundarySweeps(3).double(), normal(2, 3, 4, 5), normal(2, 1, 4, 5, seed=1).sigmoid()
    assert parameters(layer) == 6 * (2 * 3 * 3 + 2 * 3)
    native = layer(x, open)
    with segkit.use_engine("scratch"):
        torch.testing.assert_close(layer(x, open), native)
    down = layer.columns[0](x, open)
    up = layer.columns[1](x, open)
    told = [sweep(c, open) for sweep, c in zip(layer.rows, (down, down, up, up), strict=True)]
    torch.testing.assert_close(native, sum(told))
    assert [s.direction for s in layer.rows] == ["right", "left", "right", "left"]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_feedback_is_the_same_network_again(times: int) -> None:
    step = nn.Sequential(Conv2d(3 + 2, 4, 3, padding=1), nn.ReLU(), Conv2d(4, 2, 3, padding=1))
    net, x = Feedback(step, 2, times), torch.randn(2, 3, 9, 8)
    said = torch.zeros(2, 2, 9, 8)
    for _ in range(times):
        said = step(torch.cat([x, said], 1))
    assert torch.equal(net(x), said)
    assert parameters(net) == parameters(step), "whatever the number of times"
    row = receptive_field(nn.Sequential(Conv2d(3, 3, 1), net), 41)["1"]
    assert row.receptive_field == (1 + 4 * times,) * 2, "each pass adds the field of one"


def test_what_cannot_be_is_named() -> None:
    for wrong, words in ((lambda: Sweep(0, 2), "channels=0"), (lambda: Sweep(2, 2, "north"), "direction='north'"),
                         (lambda: Sweep(2, 2, cell="lstm"), "cell='lstm'"), (lambda: ReNet(2, 0), "hidden=0"),
                         (lambda: BoundarySweeps(0), "channels=0"), (lambda: Feedback(nn.ReLU(), 1, 0), "times=0"),
                         (lambda: Feedback(nn.ReLU(), 1)(torch.ones(2, 3, 4, 4)), r"\(2, 4, 4, 4\).*\(2, 1, 4, 4\)"),
                         (lambda: ReNet(2, 3)(torch.ones(2, 3, 4, 4)), "weight_ih of shape"),
                         (lambda: BoundarySweeps(2)(torch.ones(1, 2, 4, 4), torch.ones(4, 4)), "open of shape"),
                         ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            wrong()
