"""Chapter 08: ParseNet's fusion of a local map and its context, both brought to one length."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, normal, numbers
from segkit.grading.exercises.l2_fusion_ways import WAYS, fuse

TASK = """ParseNet's fusion of two maps. local is N×C×H×W; context is N×D×h×w, coarser (h ≤ H, w ≤ W; 1×1 is ParseNet's
global vector). At each cell of each map divide the vector of its channels by its Euclidean length, then multiply each
channel by its number in scale_local (C numbers) or scale_context (D numbers, any sign). Enlarge the context without
interpolation: row y, column x of the result takes row ⌊y·h/H⌋, column ⌊x·w/W⌋ of context. Return
N×(C + D)×H×W with the dtype of local: local's channels first. A vector of zeros stays zeros. All others, also
those as short as 0.001, come out as long as the rest."""


def _call(
    seed: int, c: int, d: int, size: Shape, coarse: Shape, *, n: int = 1, length: float = 1.0, zeros: str = "",
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    local, context = numbers(seed, n, c, *size, dtype=dtype), normal(seed + 1, n, d, *coarse, dtype=dtype)
    if dtype != torch.float64:
        context = (context * 4).round() / 4 + 0.125
    if "local" in zeros:
        local[:, :, ::2, -1] = 0
    if "context" in zeros:
        context[:, :, -1, 0] = 0
    scales = (2 * numbers(seed + 2 + i, count, dtype=dtype) for i, count in enumerate((c, d)))
    return local * length, context * length, *scales


def _cases() -> list[Case]:
    double = torch.float64
    return grouped(
        ("plain", _call(1, 2, 2, (2, 2), (1, 1)), _call(5, 2, 3, (2, 4), (1, 2)), _call(9, 3, 2, (4, 4), (2, 2))),
        ("sizes that do not divide", _call(13, 2, 2, (3, 5), (2, 2)), _call(17, 2, 3, (7, 5), (3, 4))),
        ("equal sizes", _call(21, 3, 2, (2, 3), (2, 3))),
        ("batch", _call(25, 2, 2, (2, 2), (1, 1), n=3), _call(29, 3, 4, (3, 4), (3, 2), n=2)),
        ("one channel", _call(33, 1, 2, (2, 3), (1, 1)), _call(37, 3, 1, (2, 2), (2, 1))),
        ("vectors of zeros", _call(41, 2, 2, (2, 2), (1, 1), zeros="local")),
        ("vectors of zeros", _call(45, 3, 2, (4, 4), (2, 2), zeros="context")),
        ("vectors of zeros", _call(49, 2, 3, (3, 4), (1, 2), zeros="local and context", n=2)),
        ("short vectors", _call(53, 2, 2, (2, 2), (1, 1), length=1e-3), _call(57, 3, 4, (4, 4), (2, 2), length=2e-3)),
        ("long vectors", _call(61, 3, 4, (3, 4), (1, 2), length=1e3)),
        ("float64", _call(65, 3, 2, (4, 3), (2, 3), n=2, dtype=double)),
        ("memory layout", _call(69, 3, 4, (5, 6), (2, 3), n=2)),
        of=lambda *args: args,
    )


def _facts(local: Tensor, context: Tensor, scale_local: Tensor, scale_context: Tensor) -> dict[str, bool]:
    lengths = [x.norm(dim=1) for x in (local, context)]
    return {
        "a vector is zero": any(bool((length == 0).any()) for length in lengths),
        "the vectors are short": all(bool(length.max() < 0.1) for length in lengths),
        "context is larger than 1×1": context[0, 0].numel() > 1,
        "the sizes do not divide": any(a % b for a, b in zip(local.shape[2:], context.shape[2:], strict=True)),
        "local and context have different numbers of channels": local.shape[1] != context.shape[1],
        "there is more than one picture in the batch": len(local) > 1,
        "a map has a single channel": 1 in (local.shape[1], context.shape[1]),
    }


MESSAGES = """
zero-vector-nan: A vector of zeros becomes NaN, 0 divided by 0. Divide by the larger of its length and a tiny number.
zero-vector-filled: A vector of zeros does not stay zeros. Only its divisor is replaced.
epsilon-too-large: What you add against a division by 0 shortens short vectors. Take far less, 1e-12 beside the length,
    or the larger of the two.
norm-over-space: The norm runs over the cells of a map. It runs over the channels, dimension 1, at each cell.
norm-over-all: One norm for a whole picture, or for the whole batch. Each cell has a norm of its own, over its
    channels.
norm-over-batch: The norm runs over the batch, dimension 0. Channels are dimension 1.
fused-before-norm: The two maps share one norm. Each is normalised by itself; then neither drowns the other.
square-root-missing: You divide by the sum of squares. The length is its square root.
norm-one: You divide by the sum of the absolute values, or by their largest. The Euclidean length is the root of the
    sum of the squares.
mean-square: You divide by the root of the mean square, and the result is √C too long. Sum the squares.
standardised: You take the mean off, as LayerNorm does. ParseNet only divides by the length.
not-normalised: The vectors keep their length: they are only scaled.
local-only: Only local is normalised. The context is as well.
context-only: Only context is normalised. The local map is as well.
scaled-before-norm: The scales come before the norm, which takes them back in part. Divide first, then scale.
scales-ignored: The scales make no difference, or only those of one map do.
scales-exchanged: The two scales have changed places.
one-scale-for-all: All channels have the scale of the first, or the mean of all. Each channel has its own.
scales-divide: You divide by the scales. Multiply.
scales-per-column: The scales run along the columns. They belong to the channels: scale[:, None, None].
context-first: The channels of context come first. Those of local come before them.
interleaved: Channels of the two maps take turns. First all of local, then all of context.
added: The two maps are added. They stand one after the other as channels.
one-map-only: Only one of the two maps is in your result.
tiled: The context is laid out again and again. Each of its cells covers a block of the result.
interpolated: The context is enlarged by interpolation, or rounded to the nearest cell. Each cell of the result takes
    just one cell of it, row ⌊y·h/H⌋ and column ⌊x·w/W⌋.
sizes-must-divide: Your function stops where H is no multiple of h. Row y takes row ⌊y·h/H⌋ of context.
one-context-for-all: The context is averaged over its cells. Only at 1×1 is it the same everywhere.
corner-of-context: Every cell takes the first cell of context.
height-for-width: Height and width of the context are exchanged.
"""

EXERCISE = Exercise(
    "l2_fusion(local, context, scale_local, scale_context)",
    TASK,
    fuse,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="08.3",
    marks=4,
    finished=("normalize", "L2Norm"),
)
