"""Chapter 09: a dilated network turned to another output stride, finer or coarser, with ASPP's rates."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.change_output_stride_ways import (
    WAYS,
    Layers,
    Rates,
    change,
    own_rates,
    possible,
    present,
    reachable,
)

TASK = """A network that has been dilated already. layers is a list of (stride, lost, rate), the first layer first:
the stride that a layer has now, the stride that was taken from it (1: none), and its dilation: its own
times the strides lost in the layers before it. rates are those of the ASPP after the last layer.
Return (layers, rates) for another output_stride, finer or coarser. Layers have their full stride
(stride·lost) until these multiply to output_stride; every later one has stride 1, and what it lost is
noted; rates of layers follow what is lost before them, so that a layer that loses its stride does not
feel that itself. Own dilations stay. ASPP's rates follow the output stride: they double where it halves,
and halve where it doubles. Refuse with ([], []) where an ASPP rate would not be a whole number, or the
full strides of the first layers never multiply to just output_stride. ASPP's list may be empty."""


def _resnet(stride: int, own: tuple[int, ...] = (1, 1)) -> Layers:
    """Stem, then blocks of two units whose first has the stride, at one of its output strides."""
    out, now, lost = [], 1, 1
    for made, rate in [(2, 1), (2, 1), (1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (2, own[0]), (1, own[1])]:
        out.append((made, 1, rate) if now < stride else (1, made, rate * lost))
        now, lost = now * (made if now < stride else 1), lost * (1 if now < stride or out[-1][1] == 1 else made)
    return out


def _cases() -> list[Case]:
    at32 = [(2, 1, 1), (2, 1, 1), (1, 1, 1)]
    at16 = [(2, 1, 1), (2, 1, 1), (1, 1, 1), (1, 2, 1), (1, 1, 2)]
    at8 = [(2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 2), (1, 1, 4)]
    threes = [(2, 1, 1), (3, 1, 1), (1, 1, 1), (1, 2, 1), (1, 1, 2)]
    return grouped(
        ("finer", (at32, [1, 2], 2), ([(2, 1, 1), (2, 1, 1), (2, 1, 1), (1, 1, 1)], [1, 2, 3], 4), (at16, [1, 3], 2)),
        ("finer", (_resnet(16), [6, 12, 18], 8), (_resnet(32), [3, 6, 9], 8), (at16, [2, 5], 1)),
        ("coarser", (at16, [2, 4], 8), (at8, [4, 8], 4), (at8, [4, 12], 8), (_resnet(16), [6, 12, 18], 32)),
        ("coarser", (_resnet(8), [12, 24, 36], 16), (_resnet(8), [12, 24, 36], 32)),
        ("the same", (at16, [1, 2, 3], 4), (_resnet(32), [3, 6], 32)),
        ("own dilations", (_resnet(16, (2, 4)), [6, 12], 8), ([(2, 1, 1), (2, 1, 3), (1, 1, 2)], [2], 2)),
        ("own dilations", ([(1, 1, 2), (2, 1, 1), (1, 2, 3), (1, 1, 10)], [4, 8], 4), (_resnet(8, (1, 2)), [4], 32)),
        ("other strides", (threes, [2, 4], 2), (threes, [2, 4], 12), (threes, [3, 6], 1)),
        (
            "other strides",
            ([(4, 1, 1), (1, 2, 1), (1, 3, 2), (1, 1, 6)], [6, 12], 24),
            ([(3, 1, 1), (1, 1, 1)], [1], 1),
        ),
        ("other strides", ([(2, 1, 1), (1, 3, 1), (1, 1, 3)], [3, 6], 6)),
        ("no ASPP", (at16, [], 8), (at16, [], 2)),
        ("uneven rates", (at16, [1, 3], 8), (at16, [2, 4, 5], 8), (_resnet(8), [6, 12, 18], 32), (at16, [3, 2], 8)),
        ("out of reach", (at32, [2], 8), (at16, [4, 8], 16), (at16, [6], 3), (threes, [6], 4), (at8, [24], 5)),
    )


def _facts(layers: Layers, rates: Rates, target: int) -> dict[str, bool]:
    full = [made for made, _, _ in own_rates(layers)]
    return {
        "the change cannot be made": not possible(layers, rates, target),
        "output_stride is out of reach": not reachable(layers, target),
        "a rate of ASPP would not be whole": any(rate * present(layers) % target for rate in rates),
        "output_stride is finer than now": target < present(layers),
        "output_stride is coarser than now": target > present(layers),
        "output_stride is as it was": target == present(layers),
        "a stride was lost before": any(lost > 1 for _, lost, _ in layers),
        "there is a stride other than 2": any(made > 2 for made in full),
        "a layer has a dilation of its own": any(own > 1 for _, _, own in own_rates(layers)),
        "there is no ASPP": not rates,
    }


MESSAGES = """
aspp-rates-kept: ASPP's rates stay as they were. On a map twice as fine they have to be twice as large to reach as far.
aspp-rates-inverted: ASPP's rates go the wrong way: a finer map needs larger ones.
aspp-from-16: You scale ASPP's rates as if they had been made for output stride 16. They were made for the stride that
    the given layers multiply to.
aspp-always-doubled: ASPP's rates are doubled or halved once, whatever happens to the stride. They are multiplied by
    the old output stride over the new one.
aspp-rates-added: Something is added to ASPP's rates. They are multiplied.
new-rate-too-early: The layer that loses its stride has the new rate already. It works on the grid in front of it, which
    is as coarse as it was: it keeps the old rate, and the layers after it get the new one.
layers-not-dilated: Strides change and the rates of layers do not. What is lost before a layer multiplies its rate.
layers-unchanged: Only ASPP's rates change; the layers stay as they were.
strides-not-restored: A coarser output stride is refused: nothing of what was lost comes back. A layer's full stride is
    stride·lost.
rates-not-undone: Strides come back and the dilation stays. Without the loss, layers after it have their smaller rate
    again.
dilated-twice: A rate that already counts what was lost is multiplied by it once more. Go back to a layer's own dilation
    first.
all-scaled: Layers are scaled by the whole factor between the two strides. Each follows only what is lost before it.
own-rate-lost: The dilation that a layer has of its own is lost. What is lost before it multiplies it.
rates-added: Own dilation and lost strides are added. They multiply.
strides-not-multiplied: Where several strides are lost, the last or largest one counts, or they add. They multiply.
always-two: You count each lost stride as 2, whatever it was. Count it as what it was.
lost-not-noted: The middle number of a layer is wrong: it says which stride the layer has lost in the new plan, 1 where
    none.
one-stride-too-many: You stop at another stride: layers keep their full stride until these multiply to output_stride,
    and then lose it.
uneven-rate-rounded: An ASPP rate that does not come out whole is rounded, left a fraction or left out. Refuse:
    ([], []).
one-uneven-rate-enough: You refuse only where all, or the first, or the last of ASPP's rates do not come out whole. One
    is enough.
unreachable-not-refused: An output_stride that the network cannot have is not refused: the full strides of the first
    layers have to multiply to just that.
not-refused-at-all: Nothing is refused. Give ([], []) where an ASPP rate is not whole or the stride is out of reach.
refuses-too-much: You refuse changes that can be made. Odd rates, other strides than 8, 16 and 32, and
    no ASPP at all are fine.
refused-by-an-error: Your function stops with an error where it should refuse. Here a refusal is ([], []).
columns-exchanged: The numbers of a layer have changed places. The order is (stride, lost, rate).
results-exchanged: Layers come first, ASPP's rates second.
"""

EXERCISE = Exercise(
    "change_output_stride(layers, rates, output_stride)",
    TASK,
    change,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer", "integer"),
    facts=_facts,
    number="09.4",
    marks=6,
    finished=("dilate_strides", "dilate_strides_"),
)
