"""Sweeps: a recurrent network runs over the lines of a map, and each line hears all lines before it.

A sweep down and a sweep up let every pixel hear its column; a sweep to the right and one to the left over what these
wrote let it hear every pixel there is (ReNet). A gate for each pixel can stop what is passed on: if it is closed
along outlines, a region talks to itself but not across them (boundary-aware feature propagation).
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.ops.arguments import batched, floating, in_float32, one_type, tensor

OP = "sweep"
DIRECTIONS = {"down": (-2, False), "up": (-2, True), "right": (-1, False), "left": (-1, True)}  # axis, backwards
CELLS = {"gru": 3, "relu": 1}  # gates, each with weights of its own


@in_float32
def sweep(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    direction: str = "down",
    cell: str = "gru",
    open: Tensor | None = None,
) -> Tensor:
    """Run a recurrent cell over the lines of a map, from one border to the other.

    Args:
        input: the maps.
        weight_ih, bias_ih: from a pixel; in a GRU reset, update and new stand one below the other, as in `torch.nn`.
        weight_hh, bias_hh: from what the line before has written at the same place.
        direction: "down", "up", "right" or "left".
        cell: "gru" for `torch.nn.GRU`'s, "relu" for `torch.nn.RNN`'s with that nonlinearity: relu(W·x + U·h).
        open: factors for the line before, pixel by pixel, before it is heard: 1 lets everything through, 0 stops
            everything.

    Shape:
        input N×C×H×W or C×H×W, weight_ih (G·U)×C, weight_hh (G·U)×U, biases G·U with G = 3 for a GRU and 1 for relu,
        open N×1×H×W or N×U×H×W → N×U×H×W or U×H×W. Everything before the first line is 0.

    Raises:
        TypeError: something is not a tensor of floating-point numbers, or types are mixed.
        ValueError: shapes do not fit; an unknown direction or cell.

    Source:
        Visin et al., 2015 (ReNet, arXiv 1505.00393), equations 1 to 4, with the GRU of Cho et al., 2014 (arXiv
        1406.1078) in the form of `torch.nn.GRU`; Ding et al., ICCV 2019 (BFP), equation 6, for `open`.
    """
    x, gates = check_sweep(input, weight_ih, weight_hh, bias_ih, bias_hh, direction, cell, open)
    axis, backwards = DIRECTIONS[direction]
    count = x.shape[axis]
    heard = torch.einsum("gc,nchw->nghw", weight_ih, x)  # N, G·U, H, W
    heard = heard if bias_ih is None else heard + bias_ih[:, None, None]
    state = x.new_zeros(len(x), weight_hh.shape[1], x.shape[-1] if axis == -2 else x.shape[-2])  # N, U, L
    written: list[Tensor] = []
    for place in reversed(range(count)) if backwards else range(count):
        if gates is not None:
            state = state * gates.select(axis, place)  # N, U, L
        state = _step(cell, heard.select(axis, place), state, weight_hh, bias_hh)
        written.append(state)
    found = torch.stack(written[::-1] if backwards else written, axis)  # N, U, H, W
    return found if input.ndim == 4 else found[0]


def _step(cell: str, heard: Tensor, state: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """One line: `heard` N×(G·U)×L from the pixels, `state` N×U×L from the line before."""
    recalled = torch.einsum("gu,nul->ngl", weight, state)  # N, G·U, L
    recalled = recalled if bias is None else recalled + bias[:, None]
    if cell == "relu":
        return (heard + recalled).clamp(min=0)
    reset, update, new = zip(heard.chunk(3, 1), recalled.chunk(3, 1), strict=True)  # pairs of N, U, L
    z = torch.sigmoid(update[0] + update[1])
    proposed = torch.tanh(new[0] + torch.sigmoid(reset[0] + reset[1]) * new[1])
    return (1 - z) * proposed + z * state


def check_sweep(
    input: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    direction: str, cell: str, open: Tensor | None,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The input as N×C×H×W and the gates as N×·×H×W, where everything fits."""
    x, _ = batched(input, OP)
    floating(x, OP)
    chosen(direction, "direction", OP, DIRECTIONS)
    G = CELLS[chosen(cell, "cell", OP, CELLS)]
    hidden = tensor(weight_hh, "weight_hh", OP)
    U = hidden.shape[-1] if hidden.ndim == 2 else 0
    wanted: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "weight_ih": (weight_ih, (G * U, x.shape[1])),
        "weight_hh": (weight_hh, (G * U, U)),
    }
    wanted |= {n: (b, (G * U,)) for n, b in (("bias_ih", bias_ih), ("bias_hh", bias_hh)) if b is not None}
    for name, (given, shape) in wanted.items():
        if tuple(tensor(given, name, OP).shape) != shape or not U:
            raise ValueError(f"{OP} got {name} of shape {tuple(given.shape)} for input of shape {tuple(input.shape)} "
                             f"and cell={cell!r}; with U maps to come out, one or more, it takes weight_ih "
                             f"{G}·U×{x.shape[1]}, weight_hh {G}·U×U and biases of {G}·U")  # fmt: skip
    one_type([x, *(given for given, _ in wanted.values())], OP)
    return x, None if open is None else _gates(open, input, U)


def _gates(open: Tensor, input: Tensor, U: int) -> Tensor:
    given = tuple(tensor(open, "open", OP).shape)
    shapes = [(*input.shape[:-3], channels, *input.shape[-2:]) for channels in (1, U)]
    if given not in shapes:
        raise ValueError(f"{OP} got open of shape {given}; for input of shape {tuple(input.shape)} and U={U} it takes "
                         f"{shapes[0]} or {shapes[1]}")  # fmt: skip
    one_type([input, open], OP)
    return open if open.ndim == 4 else open[None]
