"""Chapter 10: weights, multiply-adds and bytes of a network that is given as a list of layers."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.network_cost_ways import WAYS, Layer, total
from segkit.grading.observers import rows

TASK = """What a network costs that is described by a list of layers, for a picture of `channels` channels and
height × width. A layer is (kind, kernel, stride, …); kernels are odd and padded so that a side of n becomes
⌈n/stride⌉, and there are no biases:
("conv", k, s, O, g): k×k to O channels, in g groups.
("separable", k, s, O): a k×k of each channel alone, with the stride; then a 1×1 to O channels.
("asymmetric", k, s, O): k×1 to O channels, which strides along the height; then 1×k, along the width.
("inverted", k, s, O, t): a 1×1 to t times as many channels, left out where t is 1; a k×k of each channel
alone, with the stride; a 1×1 to O channels.
("pool", k, s): a pooling, which multiplies nothing and has no weights.
Return (weights, multiply-adds, bytes), each summed over the network. Bytes: each convolution and pooling,
inside a layer too, reads its input and its weights once and writes its output once, 4 bytes a number."""


def _cases() -> list[Case]:
    mobile = [("conv", 3, 2, 8, 1), ("separable", 3, 1, 16), ("separable", 3, 2, 32), ("separable", 5, 1, 32)]
    second = [("conv", 3, 2, 8, 1), ("inverted", 3, 1, 4, 1), ("inverted", 3, 2, 6, 6), ("inverted", 3, 1, 6, 6)]
    shuffled = [("conv", 3, 2, 12, 1), ("pool", 3, 2), ("conv", 1, 1, 24, 3), ("conv", 3, 1, 24, 24)]
    mixed = [("conv", 3, 1, 8, 1), ("pool", 3, 2), ("asymmetric", 7, 1, 8), ("inverted", 5, 2, 12, 3)]
    return grouped(
        ("convolutions", ([("conv", 3, 1, 5, 1)], 2, 4, 6), ([("conv", 1, 1, 3, 1), ("conv", 3, 1, 4, 1)], 2, 3, 5)),
        ("convolutions", ([("conv", 5, 1, 2, 1), ("conv", 3, 1, 2, 1)], 3, 6, 4)),
        ("stride", ([("conv", 3, 2, 4, 1)], 2, 4, 6), ([("conv", 3, 2, 4, 1), ("conv", 3, 2, 8, 1)], 3, 8, 12)),
        ("odd sides", ([("conv", 3, 2, 4, 1), ("conv", 3, 2, 6, 1)], 3, 7, 9), ([("conv", 3, 3, 2, 1)], 1, 5, 7)),
        ("groups", ([("conv", 3, 1, 6, 2)], 4, 4, 3), ([("conv", 1, 1, 12, 3), ("conv", 3, 2, 12, 4)], 6, 5, 6)),
        ("separable", ([("separable", 3, 1, 5)], 4, 4, 6), ([("separable", 5, 2, 7)], 3, 6, 9), (mobile, 3, 16, 24)),
        ("asymmetric", ([("asymmetric", 3, 1, 5)], 4, 4, 6), ([("asymmetric", 7, 2, 6)], 3, 9, 8)),
        ("asymmetric", ([("asymmetric", 5, 2, 4), ("asymmetric", 3, 1, 4)], 2, 6, 10)),
        ("inverted", ([("inverted", 3, 1, 4, 6)], 4, 4, 6), ([("inverted", 3, 2, 6, 3)], 4, 5, 8), (second, 3, 16, 12)),
        ("inverted", ([("inverted", 5, 1, 4, 1)], 3, 4, 5)),
        ("pooling", ([("pool", 3, 2)], 4, 5, 6), (shuffled, 3, 16, 20)),
        ("whole networks", (mixed, 3, 21, 30), ([*mobile, *mobile[1:], ("conv", 1, 1, 10, 2)], 3, 224, 160)),
        ("whole networks", ([*shuffled, ("conv", 1, 1, 24, 3), ("asymmetric", 3, 2, 30)], 3, 65, 97)),
    )


def _facts(layers: list[Layer], channels: int, height: int, width: int) -> dict[str, bool]:
    kinds = {layer[0] for layer in layers}
    return {
        "there is a separable layer": "separable" in kinds,
        "there is an asymmetric layer": "asymmetric" in kinds,
        "there is an inverted residual": "inverted" in kinds,
        "there is a pooling": "pool" in kinds,
        "there are groups": any(layer[0] == "conv" and layer[4] > 1 for layer in layers),
        "a layer strides": any(layer[2] > 1 for layer in layers),
        "there is more than one layer": len(layers) > 1,
        "a side does not divide by a stride": any(side % layer[2] for side in (height, width) for layer in layers),
    }


MESSAGES = """
stride-ignored: The map keeps its size in your count. After a stride a side of n is ⌈n/s⌉, for all that follows.
rounded-down: Odd sides are rounded down. With this padding a side of n becomes ⌈n/s⌉: `-(-n // s)`.
not-padded: You count without padding, n − k + 1. The layers are padded: a side of n becomes ⌈n/s⌉.
counted-before-the-stride: Multiply-adds are counted for the cells that come in. It is those that come out: each is one
    sum.
counted-after-the-stride: In a layer that strides, all of an inverted residual is counted at the smaller size. Its
    first 1×1 works before the stride.
channels-not-passed-on: Every layer reads as many channels as the picture has. It reads what the layer before it puts
    out.
groups-ignored: Groups make no difference. In g groups an output reads C/g channels.
groups-divide-twice: Groups divide both numbers of channels, which is one group's cost. There are g of them: in all C/g
    times O.
depthwise-not-alone: A depthwise step is counted as if each output read all channels. It reads one: k·k·C weights.
separable-half: A separable layer has two steps, and you count one.
pointwise-strides: The stride of a separable layer is in its 1×1 in your count. It is in the depthwise step.
asymmetric-strides-at-once: Between its two parts an asymmetric layer has the wrong size: the k×1 strides along the
    height only, the 1×k along the width only.
asymmetric-middle: The first part of an asymmetric layer keeps C channels in your count. It already puts out O.
asymmetric-whole: An asymmetric layer is counted as one k×k. It is a k×1 and then a 1×k.
expansion-ignored: The expansion t makes no difference.
expansion-of-the-output: An inverted residual widens to t times the channels that come out. It is t times those that
    come in.
expansion-of-one-counted: With t = 1 you count a 1×1 at the beginning. It is left out there.
widening-missing: The first 1×1 of the inverted residuals is missing.
narrowing-missing: The last 1×1 of the inverted residuals is missing.
pool-has-weights: A pooling has weights or multiply-adds in your count. It has none.
pool-keeps-the-size: A pooling does not change the size of the map in your count. Its stride does.
pool-moves-nothing: A pooling moves no bytes in your count. It reads its input and writes its output.
bytes-not-numbers: The bytes are off by a factor: 4 for each number.
weights-not-moved: The weights are missing among the bytes. They are read as well.
maps-moved-once: Of a convolution's two maps you count one among the bytes. The input is read, the output written.
middle-maps-free: What lies between the steps of a layer is missing among the bytes. Each step writes its output, and
    the next one reads it.
bias-counted: You count biases. There are none.
operations-doubled: You count a multiplication and an addition as two. Here they are one, a multiply-add.
kernel-not-squared: A k×k kernel has k·k weights, and you count k.
square-map: One side is used for both. The picture is height × width.
not-summed: Your numbers are those of single layers. Give the sums over all of them.
results-exchanged: The three numbers are out of order. Return weights, multiply-adds, bytes.
"""

EXERCISE = Exercise(
    "network_cost(layers, channels, height, width)",
    TASK,
    total,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer", "integer", "integer"),
    observe=rows,
    facts=_facts,
    number="10.2",
    marks=5,
    finished=("cost",),
)
