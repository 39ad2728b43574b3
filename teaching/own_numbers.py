"""The questions with numbers of their own for each student: what varies, the right answers, and typical wrong ones.

`segkit class generate --students` puts one of them into each student's notebook, `segkit class feedback` judges it.
This file stays with the teacher: whoever has it can compute every answer. INSTRUCTORS.md says how it is used.
"""

from __future__ import annotations

from functools import partial
from math import ceil, exp, floor
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question

Drawn = dict[str, Any]


# 01: four numbers from one matrix ----------------------------------------------------------------------------------


def draw_01(random: Random) -> Drawn:
    diagonal = [random.randint(40, 90), random.randint(20, 60), random.randint(5, 25)]
    return {"m": [[diagonal[i] if i == j else random.randint(1, 15) for j in range(3)] for i in range(3)]}


def _sums(m: list[list[int]]) -> tuple[list[int], list[int], list[int], int]:
    rows, columns = [sum(row) for row in m], [sum(column) for column in zip(*m, strict=True)]
    return [m[k][k] for k in range(3)], rows, columns, sum(rows)


def answer_01(m: list[list[int]], union_twice: bool = False, by_prediction: bool = False) -> dict[str, float]:
    hits, rows, columns, total = _sums(m)
    iou = [h / (r + c - (0 if union_twice else h)) for h, r, c in zip(hits, rows, columns, strict=True)]
    shares = columns if by_prediction else rows
    weighted = sum(n * one for n, one in zip(shares, iou, strict=True)) / total
    numbers = {"pixel_accuracy": sum(hits) / total, "mean_iou": sum(iou) / 3, "frequency_weighted_iou": weighted}
    return {name: 100 * value for name, value in numbers.items()}


def mean_accuracy(m: list[list[int]]) -> dict[str, float]:
    hits, rows, _, _ = _sums(m)
    return {"pixel_accuracy": 100 * sum(h / r for h, r in zip(hits, rows, strict=True)) / 3}


# 02: a stack of layers ---------------------------------------------------------------------------------------------


def draw_02(random: Random) -> Drawn:
    layers = [(random.choice((3, 5, 7)), random.choice((1, 2)), 1), (2, 2, 1)]
    layers += [(3, random.choice((1, 2, 3)), random.choice((2, 3, 4))), (random.choice((3, 5)), 1, 1)]
    return {"layers": layers, "size": random.randint(97, 160)}


def answer_02(layers: list[tuple[int, int, int]], size: int, **wrong: bool) -> dict[str, float]:
    stride, field, cells = 1, 1, size
    for kernel, step, dilation in layers:
        reach = (kernel - 1) * (1 if wrong.get("no_dilation") else dilation)
        field += reach * (stride * step if wrong.get("own_stride") else stride)
        stride *= step
        cells = (ceil if wrong.get("up") else floor)((cells - reach - 1) / step) + 1
    return {"output_stride": stride, "receptive_field": field, "output_size": cells}


def text_02(layers: list[tuple[int, int, int]], size: int) -> str:
    rows = "\n".join(f"| {k} | {s} | {d} |" for k, s, d in layers)
    return f"""Four layers, one after the other, without padding; sizes are of one axis:

| kernel | stride | dilation |
|---|---|---|
{rows}

Give the output stride, the theoretical receptive field of a unit at the end (in pixels), and the number of cells that
are left of a picture of {size} pixels."""


# 03: a transposed convolution --------------------------------------------------------------------------------------


def draw_03(random: Random) -> Drawn:
    stride = random.choice((2, 3, 4))
    return {"n": random.randint(20, 60), "kernel": random.randint(stride + 1, 3 * stride), "stride": stride,
            "padding": random.randint(1, 2), "extra": random.randint(1, stride - 1)}  # fmt: skip


def answer_03(
    n: int, kernel: int, stride: int, padding: int, extra: int, sides: int = 2, **wrong: bool
) -> dict[str, float]:
    size = (n if wrong.get("all_steps") else n - 1) * stride + kernel - sides * padding
    return {"size": size + (0 if wrong.get("no_extra") else extra), "most_stamps": ceil(kernel / stride),
            "fewest_stamps": kernel // stride}  # fmt: skip


# 04: a classifier made convolutional -------------------------------------------------------------------------------


def draw_04(random: Random) -> Drawn:
    return {"channels": random.choice((128, 192, 256, 320)), "side": random.randint(4, 8),
            "outputs": random.choice((512, 768, 1000, 1024)), "height": 32 * random.randint(9, 14),
            "width": 32 * random.randint(15, 20)}  # fmt: skip


def answer_04(
    channels: int, side: int, outputs: int, height: int, width: int, bias: bool = True, lost: int = 1, area: int = 2
) -> dict[str, float]:
    rows, columns = height // 32 - side + lost, width // 32 - side + lost
    return {"parameters": channels * side**area * outputs + bias * outputs, "rows": rows, "columns": columns}


# 05: what has to be kept -------------------------------------------------------------------------------------------


def draw_05(random: Random) -> Drawn:
    return {"channels": random.choice((48, 64, 96, 128)), "height": 16 * random.randint(10, 24),
            "width": 16 * random.randint(25, 40)}  # fmt: skip


def answer_05(channels: int, height: int, width: int, kept: int = 1, bits: int = 8) -> dict[str, float]:
    values = channels * height * width
    return {"map_bytes": 4 * values // kept, "index_bytes": 2 * (values // 4) // bits}


# 06: three rates ---------------------------------------------------------------------------------------------------


def draw_06(random: Random) -> Drawn:
    return {"rates": random.sample(range(1, 12), 3)}


def answer_06(rates: list[int]) -> dict[str, float]:
    places = {0}
    for rate in rates:
        places = {place + tap * rate for place in places for tap in (-1, 0, 1)}
    return {"field": 1 + 2 * sum(rates), "read": len(places), "gap": gap(rates)}


def gap(rates: list[int]) -> int:
    """The largest distance of section 6.4 that the second layer has to bridge, M₂, from M₃ = r₃."""
    _, second, last = rates
    return max(last - 2 * second, 2 * second - last, second)


def all_filled(rates: list[int]) -> dict[str, float]:
    return {"read": 1 + 2 * sum(rates)}


def all_ways(rates: list[int]) -> dict[str, float]:
    return {"read": 27}


def first_term(rates: list[int]) -> dict[str, float]:
    return {"gap": rates[2] - 2 * rates[1]}


# 07: two pixels ----------------------------------------------------------------------------------------------------


def draw_07(random: Random) -> Drawn:
    return {"unary": [[round(random.uniform(0, 2), 1) for _ in range(2)] for _ in range(2)],
            "weight": round(random.uniform(0.5, 2.5), 1)}  # fmt: skip


def answer_07(unary: list[list[float]], weight: float, sign: int = 1, own: bool = False) -> dict[str, float]:
    start = [[exp(-u) / sum(exp(-v) for v in pixel) for u in pixel] for pixel in unary]
    found = []
    for at in range(2):
        other = start[at if own else 1 - at]
        energy = [unary[at][label] + sign * weight * (1 - other[label]) for label in range(2)]
        found.append(exp(-energy[0]) / sum(exp(-one) for one in energy))
    return {"first_pixel": found[0], "second_pixel": found[1]}


# 08: bins and a schedule -------------------------------------------------------------------------------------------


def draw_08(random: Random) -> Drawn:
    bins = random.choice((4, 5, 6, 7))
    cells = random.choice([a for a in range(17, 40) if a % bins])
    channels, step = random.choice((96, 160, 192)), random.randint(20, 80) * 100
    return {"cells": cells, "bins": bins, "which": random.randint(1, bins - 2), "channels": channels, "step": step,
            "steps": 20_000}  # fmt: skip


def answer_08(
    cells: int, bins: int, which: int, channels: int, step: int, steps: int, outside: bool = False, **wrong: bool
) -> dict[str, float]:
    end = (which + 1) * cells / bins
    rate = 1 - (step / steps) ** 0.9 if outside else (1 - step / steps) ** 0.9
    first = which * (cells // bins) if wrong.get("paper") else which * cells // bins
    last = first + ceil(cells / bins) if wrong.get("paper") else floor(end) if wrong.get("early") else ceil(end)
    return {"begins": first, "ends_before": last, "vector": channels * (bins**2 + 4 + 1), "rate": rate}


# 09: weights on the map --------------------------------------------------------------------------------------------


def draw_09(random: Random) -> Drawn:
    return {"height": random.randint(12, 24), "width": random.randint(25, 40), "rate": random.randint(2, 5)}


def answer_09(height: int, width: int, rate: int, near: int = 0, added: bool = False) -> dict[str, float]:
    means = [3 - 2 * min(rate - near, n) / n for n in (height, width)]
    full = [max(n - 2 * (rate - near), 0) / n for n in (height, width)]
    mean = means[0] + means[1] if added else means[0] * means[1]
    return {"mean_weights": mean, "share_with_all": 100 * full[0] * full[1]}


# 10: what a layer costs --------------------------------------------------------------------------------------------


def draw_10(random: Random) -> Drawn:
    size = 2 * random.randint(22, 45) + 1  # odd: the half is rounded
    return {"size": size, "inputs": random.choice((48, 64, 96)), "outputs": random.choice((80, 112, 144)),
            "kernel": random.choice((3, 5, 7))}  # fmt: skip


def answer_10(size: int, inputs: int, outputs: int, kernel: int, **wrong: bool) -> dict[str, float]:
    cells = size**2 if wrong.get("before") else (size // 2 if wrong.get("down") else ceil(size / 2)) ** 2
    apart = kernel**2 * inputs + (0 if wrong.get("no_mixing") else inputs * outputs)
    return {"whole": cells * kernel**2 * inputs * outputs, "separable": cells * apart}


# 11: the decoder's maps --------------------------------------------------------------------------------------------


def draw_11(random: Random) -> Drawn:
    size, stride = 4 * random.randint(60, 150) + random.randint(1, 3), random.choice((8, 16))
    return {"size": size, "stride": stride, "high": random.choice((192, 256, 320)),
            "low": random.choice((32, 48, 64)), "width": random.choice((128, 256))}  # fmt: skip


def answer_11(size: int, stride: int, high: int, low: int, width: int, **wrong: bool) -> dict[str, float]:
    many = floor if wrong.get("down") else ceil
    fine, inputs = many(size / 4), high if wrong.get("low_forgotten") else high + low
    return {"low_cells": fine, "high_cells": many(size / stride), "multiply_adds": fine**2 * 9 * inputs * width}


def text_01(m: list[list[int]]) -> str:
    rows = "\n".join(f"| **{name}** | {' | '.join(map(str, row))} |" for name, row in zip("ABC", m, strict=True))
    return f"""A confusion matrix; rows are the true classes, columns the predicted ones:

| | A | B | C |
|---|---|---|---|
{rows}

Give pixel accuracy, mean IoU and frequency-weighted IoU in %, each with one digit after the point or more."""


TEXT = {
    "03": """A transposed convolution takes {n} cells of one axis, with a kernel of {kernel}, stride {stride}, padding
{padding} and output_padding {extra}. How many cells come out (`size`)? And far from the borders: how many stamps cover
the cells that are covered most, and least?""",
    "04": """A classifier's encoder goes down by 32 and ends in {channels} channels. Its first fully connected layer
reads a map of {side}×{side} cells and has {outputs} outputs. Made convolutional, how many parameters does it have,
biases included? And how many rows and columns of answers does it give (no padding) on a picture of {height}×{width}
pixels?""",
    "05": """A map of {channels} channels and {height}×{width} cells in float32 goes into a 2×2 max pooling. How many
bytes does U-Net keep of it, and how many does SegNet, which packs each pooling index into two bits?""",
    "06": """Three layers of 3 weights on one axis have the rates {rates[0]}, {rates[1]} and {rates[2]}, in this order.
How long is the field of a unit at the end (`field`), how many different cells in it does the unit read (`read`), and
how large is M₂ of the HDC rule (`gap`)?""",
    "07": """Two pixels, two labels. The unary energies are {unary[0]} for the first pixel and {unary[1]} for the second
(label 0, label 1). A Potts term costs {weight} where their labels differ. Start from the softmax of the negative
energies and take one mean-field step for both pixels at once. Give the probability of label 0 at each, with three
digits after the point.""",
    "08": """An axis of {cells} cells is cut into {bins} bins by SPP's bounds. At which cell does bin {which} begin, and
before which does it end (bins and cells counted from 0)? How long is the vector of {channels} channels with grids of
{bins}×{bins}, 2×2 and 1×1? And which share of the base rate does the poly schedule have at step {step:,} of {steps:,},
with power 0.9?""",
    "09": """A 3×3 kernel with rate {rate} runs over a map of {height}×{width} cells, padded to keep its size. How many
of its nine weights lie on the map, on average over all cells? And which share of the cells, in %, keep all nine?""",
    "10": """A {kernel}×{kernel} convolution with stride 2, padded so that {size}×{size} cells become the half, rounded
up, takes {inputs} channels to {outputs}. Count its multiply-adds: as one convolution (`whole`), and taken apart into a
depthwise one, which strides, and a 1×1 (`separable`).""",
    "11": """DeepLab v3+ on a picture of {size}×{size} pixels, output stride {stride}; all convolutions are padded, so
sizes round up. How many cells on one axis has the low-level map (stride 4), and the encoder's? The encoder gives {high}
channels, enlarged to the low-level map's size, which has been narrowed to {low}. How many multiply-adds has the 3×3
convolution that follows, whole, with {width} outputs?""",
}

QUESTIONS = [
    Question(
        "ch01",
        draw_01,
        text_01,
        answer_01,
        {
            "mean-accuracy": (
                "That is the mean accuracy: pixel accuracy counts all pixels in one heap.",
                mean_accuracy,
            ),
            "overlap-counted-twice": (
                "The union counts the hits twice: row + column − hits.",
                partial(answer_01, union_twice=True),
            ),
            "weighted-by-prediction": (
                "The weights are how often a class *is* there (rows), not how often it is predicted.",
                partial(answer_01, by_prediction=True),
            ),
        },
    ),
    Question(
        "ch02",
        draw_02,
        text_02,
        answer_02,
        {
            "dilation-ignored": (
                "A kernel of k with dilation d reaches over d·(k − 1) + 1 cells.",
                partial(answer_02, no_dilation=True),
            ),
            "own-stride-too-early": (
                "A layer's own stride widens the steps of the layers *after* it, not its own.",
                partial(answer_02, own_stride=True),
            ),
            "rounded-up": (
                "A kernel that no longer fits is left out: sizes are rounded down.",
                partial(answer_02, up=True),
            ),
        },
        seeds=5,
    ),
    Question(
        "ch03",
        draw_03,
        TEXT["03"].format,
        answer_03,
        {
            "padding-on-one-side": (
                "`padding` is cut off on both sides.",
                partial(answer_03, sides=1),
            ),
            "output-padding-ignored": (
                "`output_padding` adds its cells at one end.",
                partial(answer_03, no_extra=True),
            ),
            "one-step-too-many": (
                "Between n stamps there are n − 1 steps.",
                partial(answer_03, all_steps=True),
            ),
        },
        seeds=3,
    ),
    Question(
        "ch04",
        draw_04,
        TEXT["04"].format,
        answer_04,
        {
            "bias-forgotten": (
                "Each output has a bias.",
                partial(answer_04, bias=False),
            ),
            "last-place-lost": (
                "A window of k cells has n − k + 1 places on n cells.",
                partial(answer_04, lost=0),
            ),
            "one-axis-only": (
                "The layer reads side × side cells.",
                partial(answer_04, area=1),
            ),
        },
        seeds=3,
    ),
    Question(
        "ch05",
        draw_05,
        TEXT["05"].format,
        answer_05,
        {
            "kept-after-pooling": (
                "U-Net keeps the map *before* the pooling.",
                partial(answer_05, kept=4),
            ),
            "bits-not-bytes": (
                "Eight bits are a byte.",
                partial(answer_05, bits=1),
            ),
        },
    ),
    Question(
        "ch06",
        draw_06,
        TEXT["06"].format,
        answer_06,
        {
            "holes-filled": (
                "Not every cell of the field is read: count the different sums of −r, 0 and r.",
                all_filled,
            ),
            "places-counted-twice": (
                "27 ways lead down, but some of them end at the same cell.",
                all_ways,
            ),
            "one-of-three-terms": (
                "M₂ is the largest of *three* terms; M₃ − 2·r₂ is one of them.",
                first_term,
            ),
        },
        seeds=2,
    ),
    Question(
        "ch07",
        draw_07,
        TEXT["07"].format,
        answer_07,
        {
            "pairwise-sign": (
                "A label that the neighbour does not have costs energy; it does not save any.",
                partial(answer_07, sign=-1),
            ),
            "itself-asked": (
                "The message comes from the *other* pixel.",
                partial(answer_07, own=True),
            ),
            "no-step": (
                "That is the start, before the step.",
                partial(answer_07, sign=0),
            ),
        },
    ),
    Question(
        "ch08",
        draw_08,
        TEXT["08"].format,
        answer_08,
        {
            "size-and-stride": (
                "Those are windows of a fixed size and stride; bounds are worked out for each bin.",
                partial(answer_08, paper=True),
            ),
            "bins-end-early": (
                "A bin that ends inside a cell takes that cell: the end is rounded up.",
                partial(answer_08, early=True),
            ),
            "power-misplaced": (
                "The power is of what remains, 1 − t/T.",
                partial(answer_08, outside=True),
            ),
        },
    ),
    Question(
        "ch09",
        draw_09,
        TEXT["09"].format,
        answer_09,
        {
            "axes-added": (
                "The two axes multiply: three rows times three columns.",
                partial(answer_09, added=True),
            ),
            "border-off-by-one": (
                "At distance `rate` from the border the outer weight is still on the map; nearer it is not.",
                partial(answer_09, near=1),
            ),
        },
        seeds=3,
    ),
    Question(
        "ch10",
        draw_10,
        TEXT["10"].format,
        answer_10,
        {
            "counted-before-the-stride": (
                "Work is done for each cell that comes *out*.",
                partial(answer_10, before=True),
            ),
            "rounded-down": (
                "The odd cell counts.",
                partial(answer_10, down=True),
            ),
            "mixing-forgotten": (
                "The 1×1 that mixes the channels is most of the work.",
                partial(answer_10, no_mixing=True),
            ),
        },
    ),
    Question(
        "ch11",
        draw_11,
        TEXT["11"].format,
        answer_11,
        {
            "rounded-down": (
                "A padded stride rounds up.",
                partial(answer_11, down=True),
            ),
            "low-forgotten": (
                "Both maps go in, one beside the other.",
                partial(answer_11, low_forgotten=True),
            ),
        },
        seeds=2,
    ),
]
