"""The operators from scratch under torch.func's transforms, against torch's own under the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.autograd.forward_ad as fwd
from torch import Tensor
from torch.func import grad, jvp, vmap

from segkit import native, ops
from tests.ops.cases import distinct

V = 3  # how many the hidden dimension of vmap has
PLACES = ops.max_pool2d(distinct(2, 4, 12, 10), 2, return_indices=True)[1]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(engine: Any, x: Tensor) -> Tensor:
    return engine.avg_pool2d(x, 2)


# operator and a word; what it is applied to, and its shapes: all are differentiated and vmapped
Call = Callable[..., Tensor]
CASES: dict[str, tuple[Call, list[tuple[int, ...]]]] = {
    "conv2d shifted": (lambda e, x, w, b: e.conv2d(x, w, b, padding=1), [(2, 4, 20, 18), (6, 4, 3, 3), (6,)]),
    "conv2d groups": (lambda e, x, w: e.conv2d(x, w, None, 1, "same", 2, 2), [(2, 4, 20, 18), (6, 2, 3, 2)]),
    "conv2d depthwise": (lambda e, x, w: e.conv2d(x, w, None, 1, 2, 1, 4), [(2, 4, 7, 6), (8, 1, 3, 3)]),
    "conv2d depthwise strided": (
        lambda e, x, w: e.conv2d(x, w, None, (2, 1), 2, (1, 2), 4),
        [(2, 4, 7, 9), (4, 1, 3, 3)],
    ),
    "conv2d columns": (lambda e, x, w, b: e.conv2d(x, w, b, 2, 1, 1, 2), [(2, 4, 9, 8), (6, 2, 3, 3), (6,)]),
    "conv2d single": (lambda e, x, w: e.conv2d(x, w), [(4, 9, 8), (6, 4, 1, 3)]),
    "conv_transpose2d stamps": (
        lambda e, x, w: e.conv_transpose2d(x, w, None, 2, 1, 1, 2),
        [(2, 4, 5, 6), (4, 3, 4, 4)],
    ),
    "conv_transpose2d turned": (lambda e, x, w, b: e.conv_transpose2d(x, w, b), [(2, 4, 17, 18), (4, 3, 3, 2), (3,)]),
    "max_pool2d": (lambda e, x: e.max_pool2d(x, 3, 2, 1, ceil_mode=True), [(2, 4, 12, 10)]),
    "max_pool2d dilated": (lambda e, x: e.max_pool2d(x, 2, 1, 1, 3), [(2, 4, 12, 10)]),
    "max_pool2d indices": (lambda e, x: e.max_pool2d(x, 2, return_indices=True)[0], [(4, 12, 10)]),
    "avg_pool2d": (lambda e, x: e.avg_pool2d(x, 3, 2, 1, True, False), [(2, 4, 12, 10)]),
    "adaptive_avg_pool2d": (lambda e, x: e.adaptive_avg_pool2d(x, (5, 3)), [(2, 4, 12, 10)]),
    "adaptive_max_pool2d": (lambda e, x: e.adaptive_max_pool2d(x, (5, 3)), [(2, 4, 12, 10)]),
    "adaptive_max_pool2d indices": (lambda e, x: e.adaptive_max_pool2d(x, (None, 4), True)[0], [(4, 3, 10)]),
    "max_unpool2d": (lambda e, x: e.max_unpool2d(x, PLACES, 2, output_size=(13, 11)), [(2, 4, 6, 5)]),
    "bed_of_nails": (lambda e, x: e.bed_of_nails(x, (2, 3)), [(2, 4, 6, 5)]),
    "interpolate bilinear": (lambda e, x: e.interpolate(x, (9, 13), mode="bilinear"), [(2, 4, 6, 5)]),
    "interpolate nearest": (lambda e, x: e.interpolate(x, scale_factor=1.7), [(2, 4, 6, 5)]),
    "grid_sample": (lambda e, x, g: e.grid_sample(x, g, "bilinear", "reflection"), [(2, 4, 6, 5), (2, 3, 4, 2)]),
    "grid_sample bicubic": (lambda e, x, g: e.grid_sample(x, g, "bicubic", "border"), [(2, 4, 6, 5), (2, 3, 4, 2)]),
    "point_sample": (lambda e, x, p: e.point_sample(x, p), [(2, 4, 6, 5), (2, 7, 2)]),
    "channel_shuffle": (lambda e, x: e.channel_shuffle(x, 3), [(2, 6, 4, 3)]),
    "prelu": (lambda e, x, w: e.prelu(x, w), [(2, 4, 6, 5), (4,)]),
    "prelu single": (lambda e, x, w: e.prelu(x, w), [(2, 4, 6), (1,)]),
    "separable_conv2d": (
        lambda e, x, d, p, b: e.separable_conv2d(x, d, p, b, 1, 2, 2),
        [(2, 4, 9, 8), (8, 1, 3, 3), (3, 8, 1, 1), (3,)],
    ),
    "separable_conv2d strided": (
        lambda e, x, d, p: e.separable_conv2d(x, d, p, None, 2, 1),
        [(4, 9, 8), (4, 1, 3, 3), (6, 4, 1, 1)],
    ),
    "attend": (lambda e, q, k, v: e.attend(q, k, v), [(2, 4, 3), (2, 5, 3), (2, 5, 2)]),
    "attend masked": (
        lambda e, q, k, v: e.attend(q, k, v, 1.0, torch.eye(4, 5, dtype=torch.bool)),
        [(4, 3), (5, 3), (5, 2)],
    ),
    "gate": (lambda e, x, s: e.gate(x, s), [(2, 4, 6, 5), (2, 4, 6, 1)]),
    "gate splits": (lambda e, x, s: e.gate(x, s, 2), [(4, 6, 5), (4, 1, 1)]),
    "encode": (lambda e, x, d, s: e.encode(x, d, s), [(2, 4, 3, 2), (3, 4), (3,)]),
    "sweep": (
        lambda e, x, w, u, a, b: e.sweep(x, w, u, a, b, "up"),
        [(2, 4, 3, 2), (9, 4), (9, 3), (9,), (9,)],
    ),
    "sweep gated": (
        lambda e, x, w, u, p: e.sweep(x, w, u, cell="relu", open=p, direction="right"),
        [(4, 3, 2), (3, 4), (3, 3), (1, 3, 2)],
    ),
    "pixel_shuffle": (lambda e, x: e.pixel_shuffle(x, 2), [(2, 4, 6, 5)]),
    "pixel_unshuffle": (lambda e, x: e.pixel_unshuffle(x, 2), [(2, 4, 6, 8)]),
    "shift_and_stitch": (lambda e, x: e.shift_and_stitch(lambda p: network(e, p), x, 2), [(2, 4, 6, 8)]),
    "spatial_pyramid_pool": (lambda e, x: e.spatial_pyramid_pool(x, (5, 2)), [(2, 4, 4, 8)]),
    "spatial_pyramid_pool avg": (lambda e, x: e.spatial_pyramid_pool(x, (3, 1), "avg"), [(4, 4, 8)]),
}
every_case = pytest.mark.parametrize("name", CASES)


def inputs(name: str, *before: int, seed: int = 0) -> list[Tensor]:
    """Numbers for a case, with further dimensions in front; for poolings all different."""
    make = distinct if "pool" in name and not seed else normal
    return [make(*before, *shape, seed=seed + place) for place, shape in enumerate(CASES[name][1])]


def calls(name: str) -> tuple[Call, Call]:
    """The operator from scratch and torch's."""
    call = CASES[name][0]
    return (lambda *tensors: call(ops, *tensors)), (lambda *tensors: call(native, *tensors))


def scored(call: Call) -> Call:
    """A number with all derivatives alive: outputs, squared and weighted each in its own way."""

    def score(*tensors: Tensor) -> Tensor:
        y = call(*tensors)
        return (torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y) * (y + y.square())).sum()

    return score


def same(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_no_operator_is_missing() -> None:
    assert {name.split()[0] for name in CASES} == set(ops.__all__)


@every_case
def test_grad(name: str) -> None:
    """Of every input; and the gradient along a direction of the gradient."""
    places = tuple(range(len(inputs(name))))
    ours, theirs = (grad(scored(call), argnums=places) for call in calls(name))
    same(ours(*inputs(name)), theirs(*inputs(name)))
    direction = tuple(inputs(name, seed=7))

    def again(gradient: Call) -> Call:
        return grad(lambda *x: sum((g * d).sum() for g, d in zip(gradient(*x), direction, strict=True)), places)

    same(again(ours)(*inputs(name)), again(theirs)(*inputs(name)))


@every_case
def test_jvp(name: str) -> None:
    """Along a direction of every input together, and of each alone."""
    x, directions = inputs(name), inputs(name, seed=7)
    for chosen in [range(len(x)), *([place] for place in range(len(x)))]:

        def along(call: Call, chosen: Any = tuple(chosen)) -> Any:
            def some(*given: Tensor) -> Tensor:
                tensors = list(x)
                for place, tensor in zip(chosen, given, strict=True):
                    tensors[place] = tensor
                return call(*tensors)

            return jvp(some, tuple(x[place] for place in chosen), tuple(directions[place] for place in chosen))

        ours, theirs = map(along, calls(name))
        same(ours, theirs)


@every_case
def test_vmap(name: str) -> None:
    """Over every input together, over each alone; with the hidden dimension first or last; values and gradients."""
    count = len(inputs(name))
    for chosen in [range(count), *([place] for place in range(count))]:
        mapped, single = inputs(name, V), inputs(name)
        tensors = [mapped[place] if place in chosen else single[place] for place in range(count)]
        dims = tuple(0 if place in chosen else None for place in range(count))
        ours, theirs = calls(name)
        each = [[t[v] if d == 0 else t for t, d in zip(tensors, dims, strict=True)] for v in range(V)]
        one_by_one = [theirs(*alone) for alone in each]
        same(vmap(ours, dims)(*tensors), torch.stack(one_by_one))
        turned = [t.movedim(0, -1) if d == 0 else t for t, d in zip(tensors, dims, strict=True)]
        same(vmap(ours, tuple(None if d is None else -1 for d in dims))(*turned), torch.stack(one_by_one))
        places = tuple(range(count))
        gradients = [grad(scored(theirs), argnums=places)(*alone) for alone in each]
        expected = tuple(torch.stack(found) for found in zip(*gradients, strict=True))
        same(vmap(grad(scored(ours), argnums=places), dims)(*tensors), expected)


@every_case
def test_vmap_of_jvp_and_of_vmap(name: str) -> None:
    """A column of the Jacobian for each direction, and two hidden dimensions at once."""
    x, directions = tuple(inputs(name)), tuple(inputs(name, V, seed=7))
    ours, theirs = calls(name)
    columns = [vmap(lambda *d, call=call: jvp(call, x, d)[1])(*directions) for call in (ours, theirs)]
    same(*columns)
    twice = inputs(name, 2, V)
    flat = [t.flatten(0, 1) for t in twice]
    expected = torch.stack([theirs(*(t[v] for t in flat)) for v in range(2 * V)]).unflatten(0, (2, V))
    same(vmap(vmap(ours))(*twice), expected)


def test_ties_go_to_the_first_forward_too() -> None:
    """As torch's: the tangent of the winner, also from outside of a vmap, and under forward_ad itself."""
    x, direction = torch.zeros(2, 1, 4, 4), torch.arange(32.0).view(2, 1, 4, 4)
    for call in (lambda e: lambda t: e.max_pool2d(t, 2), lambda e: vmap(lambda t: e.max_pool2d(t, 2))):
        ours, theirs = (jvp(call(engine), (x,), (direction,)) for engine in (ops, native))
        same(ours, theirs)
    with fwd.dual_level():
        assert torch.equal(fwd.unpack_dual(ops.max_pool2d(fwd.make_dual(x, direction), 2)).tangent, theirs[1])


def test_indices_that_vmap_hides() -> None:
    def there_and_back(engine: Any) -> Call:
        return lambda x: engine.max_unpool2d(*engine.max_pool2d(x, 2, return_indices=True), 2)

    x = distinct(V, 2, 4, 8, 6)
    same(vmap(there_and_back(ops))(x), torch.stack([there_and_back(native)(one) for one in x]))
    wrong = torch.full((V, 2, 4, 4), 64)
    with pytest.raises(RuntimeError, match="out of bounds"):
        vmap(lambda v, i: ops.max_unpool2d(v, i, 2))(torch.randn(V, 2, 4, 4), wrong)
