"""Chapter 13: attention of one map to another, in several heads and under a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.attend_maps_ways import WAYS, attend
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, labels, numbers

TASK = """The cells of one map listen to those of another. query is N×E×h×w; each of its L = h·w cells is a listener.
key is N×E×h'×w' and value N×D×h'×w'; each of their S = h'·w' cells is a speaker. h'×w' may be any size, not only
h×w.
heads, H, divides E and D. Head 0 takes the first E/H channels of query and key and the first D/H of value, head 1 the
next ones, and so on; each head listens by itself. Its products query·key, divided by √(E/H), go through a softmax over
the speakers, and each listener hears the mean of the values under these shares.
mask is None or L×S of bools, cells line by line, the same for all pictures and heads: True where the listener may hear
the speaker. Who may not be heard gets no share. A listener who may hear nobody hears 0.
Return N×D×h×w with the dtype of query, the channels of head 0 first. Products may run into the thousands."""


def _mask(seed: int, L: int, S: int, deaf: tuple[int, ...]) -> Tensor:
    """Bools, in each row some True and, where there is room, some False; none True in the rows of `deaf`."""
    mask = labels(seed, 3, L, S) > 0
    at = torch.arange(L)
    mask[at, (at + 1) % S] = False
    mask[at, (2 * at) % S] = True
    mask[list(deaf)] = False
    return mask


def _call(
    seed: int, channels: Shape, listeners: Shape, speakers: Shape = (), heads: int = 1, *, n: int = 1,
    masked: bool = False, deaf: tuple[int, ...] = (), factor: float = 1.0, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """Channels of query and of value; the speakers' map is as large as the listeners' where nothing else is said."""
    E, D = channels
    speakers = speakers or listeners
    mask = _mask(seed + 3, listeners[0] * listeners[1], speakers[0] * speakers[1], deaf) if masked else None
    return (
        factor * numbers(seed, n, E, *listeners, dtype=dtype),
        numbers(seed + 1, n, E, *speakers, dtype=dtype),
        numbers(seed + 2, n, D, *speakers, dtype=dtype),
        heads,
        mask,
    )


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, (2, 2), (1, 2)), call(5, (3, 3), (2, 3)), call(9, (4, 4), (3, 3))),
        ("other channels in the value", call(13, (2, 1), (1, 3)), call(17, (3, 4), (3, 2))),
        ("heads", call(21, (2, 2), (1, 2), heads=2), call(25, (4, 4), (2, 2), heads=2)),
        ("heads", call(29, (6, 6), (2, 3), heads=3), call(33, (4, 8), (3, 2), heads=4)),
        ("maps of two sizes", call(37, (2, 2), (1, 3), (1, 2)), call(41, (3, 3), (2, 3), (3, 2))),
        ("maps of two sizes", call(45, (4, 2), (3, 4), (2, 2), 2), call(49, (2, 4), (2, 2), (3, 5), 2)),
        ("mask", call(53, (2, 2), (1, 3), masked=True), call(57, (3, 3), (2, 3), masked=True)),
        ("mask", call(61, (2, 2), (3, 3), masked=True), call(65, (3, 2), (2, 3), (2, 2), masked=True)),
        ("hears nobody", call(69, (2, 2), (1, 3), masked=True, deaf=(1,))),
        ("hears nobody", call(73, (4, 4), (2, 3), masked=True, deaf=(0, 4))),
        ("hears nobody", call(77, (2, 2), (1, 2), (2, 3), masked=True, deaf=(0, 1))),
        ("batch", call(81, (2, 2), (1, 2), n=2), call(85, (4, 4), (2, 3), n=3)),
        ("large products", call(89, (2, 2), (1, 3), factor=400.0), call(93, (4, 2), (2, 2), (2, 3), 2, factor=900.0)),
        ("float64", call(97, (4, 6), (2, 3), (3, 3), 2, n=2, masked=True, dtype=torch.float64)),
        ("memory layout", call(101, (4, 4), (3, 2), (2, 4), n=2, masked=True)),
        ("everything together", call(105, (4, 6), (3, 4), (2, 3), 2, n=2, masked=True, deaf=(5,))),
        of=lambda *args: args,
    )  # fmt: skip


def _facts(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None) -> dict[str, bool]:
    return {
        "there is more than one head": heads > 1,
        "there is a mask": mask is not None,
        "a listener may hear nobody": mask is not None and not bool(mask.any(1).all()),
        "the two maps have different sizes": query.shape[2:] != key.shape[2:],
        "value has other channels than key": value.shape[1] != key.shape[1],
        "there is more than one picture in the batch": len(query) > 1,
        "the products are large": bool(query.abs().max() > 100),
        "the map of the listeners is not square": query.shape[2] != query.shape[3],
    }


MESSAGES = """
softmax-over-listeners: Your softmax runs over the listeners. Each listener shares itself out among the speakers: its
    shares of all speakers add up to 1.
softmax-over-heads: Your softmax runs over the heads. It should run over the speakers, in each head by itself.
softmax-over-all-pairs: Your one softmax runs over all pairs of listeners and speakers. Give each listener a
    softmax of its own.
softmax-missing: You use the products as weights, as they are. A softmax over the speakers makes shares of them.
loudest-only: Your listeners hear only the speaker with the largest product. They should hear the mean of all, with the
    shares of a softmax.
overflows: Large products overflow in your exponential, and NaN comes out. Subtract the largest product of a listener
    first, as `softmax` does.
scale-missing: Your products are not divided by √(E/H).
scale-of-all-channels: You divide by √E. A head multiplies E/H channels, so divide by √(E/H).
root-missing: You divide the products by E/H. Divide by its square root.
scale-inverted: You multiply the products by √(E/H). Divide by it.
scale-of-value: You take the scale from the channels of value. It is that of query and key: √(E/H).
heads-ignored: `heads` makes no difference: all channels listen together. Each head has shares of its own.
heads-interleaved: You give every H-th channel to a head. A head takes E/H channels that stand next to each other.
split-by-reshaping: To make the heads you reshape, and cells and channels get mixed up. First split the channels
    into two dimensions, H×(E/H), and then move that of the heads.
joined-by-reshaping: In the end you reshape the heads away, and cells and channels get mixed up. First move the
    dimension of the heads next to that of the channels.
heads-averaged: You average the heads. Put their channels one after the other.
mask-ignored: `mask` makes no difference.
mask-inverted: You leave out whom the mask allows. True means that the listener may hear the speaker.
mask-after-softmax: You strike out shares after the softmax, and the rest no longer add up to 1. Strike out the
    products before it, with −∞.
masked-with-zero: You set the products to 0 where the mask is False. e⁰ is 1, so they still get a share. Set them to
    −∞.
mask-transposed: You take the rows of the mask for speakers. Its rows are listeners and its columns are speakers.
mask-of-the-first-row: All listeners get the mask of the first one. Each has a row of its own.
nobody-is-nan: A listener who may hear nobody hears NaN: a softmax of nothing but −∞ is 0/0. Let it hear 0.
nobody-hears-all: A listener who may hear nobody hears the mean of everybody, since in a softmax a large negative number
    everywhere is as good as none. Let it hear 0.
columns-first: You read a map column by column, or write the result that way. Cells come line by line, as
    `flatten` has them.
query-key-exchanged: Query and key have changed places: the speakers ask and the listeners answer.
key-for-value: Your listeners hear the keys. The shares come from the keys, and what is heard comes from value.
size-of-the-speakers: Your result has the height and width of the speakers' map. It has those of query.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×D×h×w.
"""

EXERCISE = Exercise(
    "attend_maps(query, key, value, heads, mask)",
    TASK,
    attend,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="13.1",
    marks=5,
    finished=("attend", "scaled_dot_product_attention", "multi_head_attention_forward", "MultiheadAttention"),
)
