"""Chapter 03: shift-and-stitch, dense output without changing the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.made import noncontiguous, normal, quarters


@dataclass(frozen=True)
class Network:
    """A small network whose outputs lie `stride` pixels apart: a convolution, by choice with pooling before it.

    It counts nothing and remembers nothing; called twice it gives the same twice.
    """

    weight: Tensor
    stride: int
    pooled: bool = False
    __name__ = "network"

    def __call__(self, x: Tensor) -> Tensor:
        x = torch.as_tensor(x, dtype=self.weight.dtype)
        if self.pooled:
            x = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, stride=2)
            return F.conv2d(x, self.weight, stride=self.stride // 2, padding=self.weight.shape[2] // 2)
        return F.conv2d(x, self.weight, stride=self.stride)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and torch.equal(self.weight, other.weight)

    def __hash__(self) -> int:
        return id(self)


def shifted(x: Tensor, dy: int, dx: int) -> Tensor:
    """x moved up by dy and left by dx, zeros coming in."""
    return F.pad(x[..., dy:, dx:], (0, dx, 0, dy))


def _stitch(network: Any, x: Tensor, f: int, shift: Any = shifted, place: Any = None) -> Tensor:
    """Run the network on every shift; `place(dy, dx)` gives the offset that its output goes to."""
    one = network(x)
    n, k, h, w = one.shape
    out = one.new_zeros(n, k, h * f, w * f)
    for dy in range(f):
        for dx in range(f):
            a, b = place(dy, dx) if place else (dy, dx)
            out[..., a::f, b::f] = network(shift(x, dy, dx))
    return out


def stitch(network: Any, x: Tensor, f: int) -> Tensor:
    """Reference of `shift_and_stitch`."""
    return _stitch(network, x, f)


def _cases() -> list[Case]:
    def net(
        seed: int,
        f: int,
        k: int = 3,
        c: int = 1,
        out: int = 1,
        pooled: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> Network:
        return Network(quarters(seed, out, c, k, k, dtype=dtype), f, pooled)

    return [
        Case((net(1, 2, 1), quarters(11, 1, 1, 2, 4), 2), "plain"),
        Case((net(2, 2, 2), quarters(12, 1, 1, 4, 6), 2), "plain"),
        Case((net(3, 2), quarters(13, 1, 1, 6, 8), 2), "plain"),
        Case((net(4, 3), quarters(14, 1, 1, 7, 10), 3), "other factors"),
        Case((net(5, 4, 2), quarters(15, 1, 1, 8, 12), 4), "other factors"),
        Case((net(6, 1), quarters(16, 1, 1, 5, 4), 1), "other factors"),
        Case((net(7, 2), quarters(17, 1, 1, 7, 9), 2), "odd sizes"),
        Case((net(8, 2, 3, 3, 2), quarters(18, 2, 3, 6, 5), 2), "batch and channels"),
        Case((net(9, 3, 2, 2, 4), quarters(19, 3, 2, 5, 8), 3), "batch and channels"),
        Case((net(10, 4, 3, 1, 2, True), quarters(20, 1, 1, 8, 12), 4), "a deeper network"),
        Case(
            (Network(normal(21, 2, 2, 3, 3, dtype=torch.float64), 2), normal(22, 1, 2, 6, 7, dtype=torch.float64), 2),
            "float64",
        ),
        Case((net(23, 2, 3, 2), noncontiguous(quarters(24, 1, 2, 8, 6)), 2), "memory layout"),
    ]


def _facts(network: Network, x: Tensor, f: int) -> dict[str, bool]:
    return {
        "factor is not 2": f != 2,
        "factor is 1": f == 1,
        "the height or width is no multiple of factor": any(n % f for n in x.shape[2:]),
        "there is more than one picture in the batch": x.shape[0] > 1,
        "the network has another number of output channels than input channels": network.weight.shape[0] != x.shape[1],
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _blocks(network: Any, x: Tensor, f: int) -> Tensor:
    return torch.cat([torch.cat([network(shifted(x, a, b)) for b in range(f)], 3) for a in range(f)], 2)


def _down(x: Tensor, dy: int, dx: int) -> Tensor:
    h, w = x.shape[2:]
    return F.pad(x, (dx, 0, dy, 0))[..., :h, :w]


def _cropped(x: Tensor, dy: int, dx: int) -> Tensor:
    return x[..., dy:, dx:]


def _ragged(network: Any, x: Tensor, f: int) -> Tensor:
    """Inputs cut smaller and not filled up: outputs that are missing stay 0."""
    one = network(x)
    out = one.new_zeros(*one.shape[:2], one.shape[2] * f, one.shape[3] * f)
    for dy in range(f):
        for dx in range(f):
            part = network(x[..., dy:, dx:])
            out[..., dy::f, dx::f][..., : part.shape[2], : part.shape[3]] = part
    return out


def _diagonal(network: Any, x: Tensor, f: int) -> Tensor:
    one = network(x)
    out = one.new_zeros(*one.shape[:2], one.shape[2] * f, one.shape[3] * f)
    for d in range(f):
        out[..., d::f, d::f] = network(shifted(x, d, d))
    return out


def _up(mode: str, **options: bool):  # type: ignore[no-untyped-def]
    return does(lambda net, x, f: F.interpolate(net(x), scale_factor=f, mode=mode, **options))


def _averaged(network: Any, x: Tensor, f: int) -> Tensor:
    return torch.stack([network(shifted(x, a, b)) for a in range(f) for b in range(f)]).mean(0)


register(
    Exercise(
        name="shift_and_stitch",
        signature="shift_and_stitch(network, x, factor)",
        text=(
            "network turns N×C×H×W into N×K×h×w with outputs `factor` pixels apart. For every shift (dy, dx),\n"
            "each from 0 to factor − 1, move x up by dy and left by dx (same size, zeros coming in at the bottom\n"
            "and at the right), run the network, and interlace the results: out[:, :, i·factor + dy, j·factor +\n"
            "dx] = network(x moved by (dy, dx))[:, :, i, j]. The result is N×K×(h·factor)×(w·factor)."
        ),
        reference=stitch,
        cases=_cases,
        facts=_facts,
        mistakes=(
            mistake(
                "shifted-wrong-way",
                "You move the picture down and to the right. For the output at offset (dy, dx) the pixel at (dy, "
                "dx) has to come to (0, 0): up and left.",
                does(lambda n, x, f: _stitch(n, x, f, _down)),
            ),
            mistake(
                "wraps-around",
                "What leaves the picture at one side comes back at the other: `torch.roll` wraps around. Zeros "
                "should come in.",
                does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: x.roll((-a, -b), (2, 3)))),
                does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: x.roll((a, b), (2, 3)))),
            ),
            mistake(
                "edge-repeated",
                "The border pixels are repeated where zeros should come in.",
                does(
                    lambda n, x, f: _stitch(
                        n, x, f, lambda x, a, b: F.pad(x[..., a:, b:], (0, b, 0, a), mode="replicate")
                    )
                ),
            ),
            mistake(
                "offsets-exchanged",
                "dy and dx have changed places between shifting and stitching: rows go with dy.",
                does(lambda n, x, f: _stitch(n, x, f, place=lambda a, b: (b, a))),
            ),
            mistake(
                "offsets-reversed",
                "The results are interlaced in the reverse order: the unshifted one belongs to offset (0, 0).",
                does(lambda n, x, f: _stitch(n, x, f, place=lambda a, b: (f - 1 - a, f - 1 - b))),
                does(lambda n, x, f: _stitch(n, x, f, place=lambda a, b: (-a % f, -b % f))),
            ),
            mistake(
                "blocks-side-by-side",
                "The results stand side by side as tiles. They should be interlaced: every factor-th row and column.",
                does(_blocks),
            ),
            mistake(
                "only-diagonal-shifts",
                "Rows and columns are shifted together, so only factor of the factor² shifts are made. Use two loops.",
                does(_diagonal),
            ),
            mistake(
                "one-axis-only",
                "The picture is shifted along one axis only.",
                does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: shifted(x, a, 0))),
                does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: shifted(x, 0, b))),
            ),
            mistake(
                "not-shifted",
                "The network sees the same picture each time.",
                does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: x)),
                _up("nearest"),
            ),
            mistake(
                "interpolated",
                "You enlarge the coarse output. Shift-and-stitch computes every output anew.",
                _up("bilinear", align_corners=False),
                _up("bilinear", align_corners=True),
            ),
            mistake(
                "not-filled-up",
                "The shifted picture is smaller than x, so that outputs are missing at the end. Fill it up with zeros.",
                does(_ragged),
                does(lambda n, x, f: _stitch(n, x, f, _cropped)),
            ),
            mistake(
                "factor-fixed", "The factor is taken to be 2 whatever `factor` says.", given(lambda n, x, f: (n, x, 2))
            ),
            mistake(
                "shift-too-large",
                "The picture is moved by multiples of factor. The shifts are 0, 1, … factor − 1 pixels.",
                does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: shifted(x, a * f, b * f))),
                does(lambda n, x, f: _stitch(n, x, f, lambda x, a, b: shifted(x, a + 1, b + 1))),
            ),
            mistake(
                "averaged",
                "You average the results of all shifts. Each has its own place in the output.",
                does(_averaged),
            ),
            mistake(
                "coarse-returned",
                "This is one pass of the network. The output should be factor times as large.",
                does(lambda n, x, f: n(x)),
            ),
            mistake(
                "first-picture-only",
                "Only the first picture of the batch is worked on.",
                gives(lambda r, *a: r[:1]),
                gives(lambda r, *a: r[:1].expand_as(r)),
            ),
            mistake(
                "first-channel-only",
                "Only one output channel is kept.",
                gives(lambda r, *a: r[:, :1]),
                gives(lambda r, *a: r[:, :1].expand_as(r)),
            ),
        ),
    )
)
