"""Chapter 06: strides turned into dilation."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.dilate_strides_ways import WAYS, Layers, convert
from segkit.grading.observers import layer_rows

TASK = """layers is a list of (kernel, stride, dilation), the first layer first. The strides multiply to more than
output_stride, or to just that; those of the first layers multiply to output_stride. Return the list of
the same length, (kernel, stride, dilation) each, that computes the same responses more densely: the
layers up to output_stride stay as they are, every later stride becomes 1, and every later kernel is
dilated so that each of its weights meets the very pixel of the input that it met before. Where kernel
is 1 the dilation makes no difference, and may be anything. No layers at all: an empty list."""


def _cases() -> list[Case]:
    vgg = [layer for n in (2, 2, 3, 3, 3) for layer in [(3, 1, 1)] * n + [(2, 2, 1)]] + [(7, 1, 1)]
    resnet = [(7, 2, 1), (3, 2, 1)] + [(3, s, 1) for s in (1, 1, 2, 1, 2, 1, 2, 1)]
    halving = [(3, 2, 1)] * 4 + [(3, 1, 1)] * 2
    return grouped(
        ("one stride", ([(3, 2, 1), (3, 1, 1)], 1), ([(3, 2, 1), (3, 1, 1), (5, 1, 1)], 1)),
        ("one stride", ([(3, 2, 1), (3, 1, 1), (3, 2, 1), (3, 1, 1)], 2)),
        ("several strides", ([(3, 2, 1)] * 3 + [(3, 1, 1)], 2)),
        ("several strides", ([(3, 2, 1), (3, 1, 1), (3, 2, 1), (5, 1, 1), (3, 2, 1), (3, 1, 1)], 2)),
        ("several strides", (halving, 1), (halving, 4)),
        ("other strides", ([(3, 2, 1), (3, 3, 1), (3, 1, 1)], 2), ([(5, 4, 1), (3, 3, 1), (3, 2, 1), (5, 1, 1)], 4)),
        ("other strides", ([(3, 3, 1), (3, 2, 1), (3, 1, 1), (3, 5, 1), (3, 1, 1)], 3)),
        ("kernel of 1", ([(3, 2, 1), (1, 2, 1), (3, 1, 1)], 2), ([(3, 1, 1), (1, 1, 1), (3, 2, 1), (5, 1, 1)], 1)),
        ("kernel of 1", ([(3, 2, 1), (3, 2, 1), (1, 2, 1), (1, 1, 1), (3, 1, 2)], 2)),
        ("layers with dilation", ([(3, 1, 2), (3, 2, 1), (3, 1, 2), (3, 1, 4)], 1)),
        ("layers with dilation", ([(3, 2, 1), (3, 2, 3), (3, 1, 2), (3, 2, 2), (3, 1, 5)], 2)),
        ("layers with dilation", ([(3, 2, 1), (3, 2, 1), (3, 1, 2), (3, 1, 3)], 1)),
        ("nothing to do", ([(3, 1, 1), (3, 1, 2), (5, 1, 1)], 1), ([(3, 2, 1), (3, 2, 1), (3, 1, 2)], 4)),
        ("no layers", ([], 1)),
        ("known networks", (vgg, 8), (vgg, 16), (resnet, 8), (resnet, 16), (resnet, 32)),
    )


def _facts(layers: Layers, target: int) -> dict[str, bool]:
    lost = [s for (_, s, _), (_, t, _) in zip(layers, convert(layers, target), strict=True) if s != t]
    return {
        "a stride has to go": bool(lost),
        "more than one stride has to go": len(lost) > 1,
        "a stride other than 2 has to go": any(s != 2 for s in lost),
        "a layer has a dilation to begin with": any(d > 1 for _, _, d in layers),
        "a layer with a kernel of 1 loses its stride": any(
            k == 1 and s > t for (k, s, _), (_, t, _) in zip(layers, convert(layers, target), strict=True)
        ),
        "output_stride is 1": target == 1,
        "there are no layers": not layers,
    }


MESSAGES = """
dilation-missing: The strides are gone and no kernel is dilated. After a lost stride of 2 the grid is twice as fine: a
    kernel has to reach twice as far to meet the same pixels.
strides-kept: The strides are still there: whether kernels are dilated or not, nothing is computed more densely.
own-stride-too-early: The layer that loses its stride is dilated by it as well. Its kernel works on the grid in front of
    it, which has not changed: only the layers after it are dilated.
own-layer-only: Only the layer that loses its stride is dilated. The layers after it see the finer grid.
some-not-dilated: Some layers after a lost stride keep their dilation. All of them see the finer grid: those that lose
    a stride themselves as well, and pooling no less than convolution.
next-layer-only: Only the next layer is dilated. The grid stays fine from there on, so all later layers are.
strides-not-multiplied: Where several strides go, their factors multiply: after two strides of 2 the dilation is 4.
    Yours add, or the last or largest one counts.
always-two: Your dilation doubles for each lost stride, whatever that stride was. Multiply it by the stride itself.
factor-squared: The dilation grows where no stride is lost: with every layer, or by the dilation that a layer has
    already. Only a lost stride makes it grow.
kernel-of-one-skipped: The stride of a layer with a kernel of 1 goes, and nothing behind it is dilated for that. Its own
    dilation makes no difference, but the grid behind it is finer all the same.
own-dilation-lost: A layer that was dilated before loses its own dilation. It is multiplied by the factor.
dilation-added: The factor is added to the dilation a layer has. It multiplies: the weights were d pixels of the old
    grid apart, which are d·factor of the new one.
too-early: Strides go too early: they stay as long as their product is not above output_stride.
too-late: One stride too many stays: once the product has reached output_stride, every later stride goes.
first-strides-lost: You take the strides away from the first layers and keep the last. It is the first ones that stay:
    they make the early layers, with their large maps, cheap.
all-dilated: Layers are dilated too early, or all by the whole factor. A layer is dilated by the strides that were lost
    before it.
dilation-divided: Your dilation is `output_stride`, or is divided where it should grow. It is the product of the strides
    that were lost so far.
kernel-stretched: You make the kernel larger. It keeps its weights; dilation puts them further apart.
gaps-counted: Your dilation counts the pixels left out between two weights. It counts the step from one weight to the
    next: 1 leaves none out.
stride-dilation-swapped: Stride and dilation have changed places in your result: each layer is (kernel, stride,
    dilation).
layers-lost: The list has another length than before: every layer stays, also those that do not change.
order-reversed: You go through the layers, or return them, from the last to the first.
"""

EXERCISE = Exercise(
    "dilate_strides(layers, output_stride)",
    TASK,
    convert,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_facts,
    observe=layer_rows,
    number="06.1",
    marks=6,
    finished=("dilate_strides", "dilate_strides_"),
)
