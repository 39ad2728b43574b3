"""Chapter 02: how far a stack of layers sees."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.case_tensors import grouped

TASK = """layers is a list of (kernel, stride, dilation), the first layer first. Return (field, stride): how
many input pixels in a row one output of the stack can see, and how many input pixels lie between
neighbouring outputs. No layers at all: (1, 1)."""

Layers = list[tuple[int, int, int]]


def field(layers: Layers) -> tuple[int, int]:
    """Reference of `receptive_field`."""
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        size += (kernel - 1) * dilation * jump
        jump *= stride
    return size, jump


def _field_cases() -> list[Case]:
    vgg = [layer for n in (2, 2, 3, 3, 3) for layer in [(3, 1, 1)] * n + [(2, 2, 1)]]
    return grouped(
        ("one layer", [(3, 1, 1)], [(7, 1, 1)]),
        ("several layers", [(3, 1, 1)] * 3, [(5, 1, 1), (3, 1, 1), (1, 1, 1), (4, 1, 1)]),
        ("stride", [(3, 2, 1)], [(3, 2, 1), (3, 1, 1)], [(7, 2, 1), (3, 3, 1), (5, 2, 1)]),
        ("stride", [(2, 2, 1), (3, 1, 1), (2, 2, 1), (3, 1, 1)]),
        ("dilation", [(3, 1, 2)], [(3, 1, 1), (3, 1, 2), (3, 1, 5)]),
        ("stride and dilation", [(3, 2, 2), (3, 1, 4), (2, 3, 3), (5, 1, 2)]),
        ("known networks", vgg, [*vgg, (7, 1, 1)], [(3, 1, d) for d in (1, 1, 2, 4, 8, 16, 1)]),
        ("no layers", []),
        of=lambda *layers: (list(layers),),
    )


def _field_facts(layers: Layers) -> dict[str, bool]:
    return {
        "a layer has a stride above 1": any(s > 1 for _, s, _ in layers),
        "a layer after the first has a stride above 1": any(s > 1 for _, s, _ in layers[1:]),
        "a layer has a dilation above 1": any(d > 1 for _, _, d in layers),
        "there is more than one layer": len(layers) > 1,
        "a kernel has an even size": any(k % 2 == 0 for k, _, _ in layers),
        "there are no layers": not layers,
    }


def _walk(layers: Layers, grow: Function, step: Function, start: int = 1) -> tuple[int, int]:
    """The recursion with its two lines replaced: grow(k, s, d, jump) is added, step(jump, s, d) is the next jump."""
    size, jump = start, 1
    for k, s, d in layers:
        size, jump = size + grow(k, s, d, jump), step(jump, s, d)
    return size, jump


@each
def _grows(grow: Function, start: int = 1) -> Ways:
    return does(lambda layers: _walk(layers, grow, lambda j, s, d: j * s, start))


def _right(k: int, s: int, d: int, j: int) -> int:
    return (k - 1) * d * j


MESSAGES = """
dilation-ignored: The dilation makes no difference in your function. It stretches the kernel: (k − 1)·d + 1 pixels from
    end to end.
stride-ignored: The field grows as if every layer moved in steps of one input pixel. Behind a stride of 2 a step is two
    pixels of the input.
own-stride-too-early: A layer's own stride already enlarges its own kernel. Its kernel spans the grid of its input: add
    first, multiply afterwards.
starts-at-zero: The field is one too small: before any layer an output sees one pixel, itself.
whole-kernels-added: Each layer adds k where it should add k − 1: one pixel of the kernel was there before.
stretched-wrong: A kernel of k at dilation d spans (k − 1)·d + 1 pixels, with d counting from one weight to the next.
    Yours spans k·d, or k plus the dilation.
strides-added: Strides multiply along the stack: two layers of stride 2 make steps of 4. Yours are added, or the largest
    counts.
dilation-in-stride: The dilation is multiplied into the stride. It spreads one kernel and leaves the grid as it is.
last-stride-only: The stride that you return is that of a single layer. The steps of all layers multiply.
order-reversed: You walk from the last layer to the first with the recursion for the other direction.
last-layer-only: Only one layer counts: the field is set anew in the loop instead of growing.
first-layer-only: Only the first layer counts: does the function return inside its loop?
stride-dilation-swapped: Stride and dilation have changed places: each layer is (kernel, stride, dilation).
radius: The field is half of what it should be: you measure from the centre to one side.
results-exchanged: The two results are in the wrong order: the field first, then the stride.
"""

WAYS = {
    "dilation-ignored": given(lambda layers: ([(k, s, 1) for k, s, _ in layers],)),
    "stride-ignored": _grows(lambda k, s, d, j: (k - 1) * d)
    + given(lambda layers: ([(k, 1, d) for k, _, d in layers],)),
    "own-stride-too-early": _grows(lambda k, s, d, j: (k - 1) * d * j * s),
    "starts-at-zero": _grows(_right, start=0),
    "whole-kernels-added": _grows(lambda k, s, d, j: k * d * j)
    + _grows(lambda k, s, d, j: k * d * j, start=0)
    + _grows(lambda k, s, d, j: k * j),
    "stretched-wrong": _grows(
        lambda k, s, d, j: (k * d - 1) * j,
        lambda k, s, d, j: (k - 1 + d - 1) * j,
        lambda k, s, d, j: (k - 1) * (d + 1) * j,
    ),
    "strides-added": does(
        lambda ls: _walk(ls, _right, lambda j, s, d: j + s),
        lambda ls: _walk(ls, _right, lambda j, s, d: j + s - 1),
        lambda ls: _walk(ls, _right, lambda j, s, d: max(j, s)),
    ),
    "dilation-in-stride": does(lambda ls: _walk(ls, _right, lambda j, s, d: j * s * d)),
    "last-stride-only": does(
        lambda ls: (field(ls)[0], ls[-1][1] if ls else 1), lambda ls: _walk(ls, _right, lambda j, s, d: s)
    ),
    "order-reversed": given(lambda ls: (ls[::-1],)),
    "last-layer-only": given(lambda ls: (ls[-1:],)),
    "first-layer-only": given(lambda ls: (ls[:1],)) + does(lambda ls: field(ls[:1]) if ls else 1 // 0),
    "stride-dilation-swapped": given(lambda ls: ([(k, d, s) for k, s, d in ls],)),
    "radius": does(
        lambda ls: ((field(ls)[0] - 1) // 2, field(ls)[1]), lambda ls: ((field(ls)[0] + 1) // 2, field(ls)[1])
    ),
    "results-exchanged": gives(lambda r, *a: (r[1], r[0])),
}

EXERCISE = Exercise(
    "receptive_field(layers)",
    TASK,
    field,
    _field_cases,
    catalogue(MESSAGES, WAYS),
    kinds=("number", "number"),
    facts=_field_facts,
)
