"""Nothing at every door: each argument that holds something, without it; and so each call of what a door made.

The batch may be empty wherever there is one. Anything else is refused clearly, or the answer is as empty as what came;
where nothing is right to give, `FINE` says why.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.data import Sample
from tests.campaign.doors import Door, unclear

KIND = "nothing but the type and the device of it is taken"
NO_PIXEL = "no pixel counts, as in a picture of void: NaN, or nothing found"
NO_LOSS = "no pixel counts, as in a picture of void: nothing to learn"
FINE = {
    "crf.position_features, like": KIND,
    "crf.compatibility, like": KIND,
    "crf.mean_field, terms": "no kernels: the unary term alone",
    "crf.message_passing, terms": "no kernels: the unary term alone",
    "data.transforms.Compose, transforms": "none: the sample as it is",
    "layers.Upsample, size": "torch's constructor, which looks at nothing",
    "layers.Upsample, mode": "torch's constructor, which looks at nothing",
    "encoders.with_batch_norm, name": "whatever is no VGG keeps its name, and `create` refuses it",
    "heads.ASPP, rates": "the 1×1 convolution and the mean of the picture alone",
    "heads.ObjectContext, bins": "no grids: every cell is heard",
    "heads.PyramidPooling, bins": "no grids: the map as it is",
    "search.Mixed, widths": "none to choose from: all channels stay",
    **dict.fromkeys(("search.expected_latency, table", "search.path_latency, table"), "nothing that takes time"),
    **dict.fromkeys(("metrics.boundary_iou, all", "metrics.trimap_iou, all", "metrics.match_objects, all",
                     "metrics.average_precision, all", "metrics.partition_scores, all", "metrics.rand_score, all",
                     "metrics.adapted_rand_error, all", "metrics.iou_conventions, all",
                     "metrics.picture_counts, all"), NO_PIXEL),
    **dict.fromkeys(("training.cross_entropy, all", "training.dice_loss, all", "training.ohem_cross_entropy, all",
                     "training.distillation_loss, all", "training.edge_loss, all"), NO_LOSS),
    **dict.fromkeys(("training.affinity_loss, all", "training.presence_loss, all", "training.presence_loss, target"),
                    "no pixel has a class, as in a picture of void: none is present"),
}  # fmt: skip
BATCHED = ("ops.", "layers.", "heads.", "encoders.", "models.")
Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def holds(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray) and value.ndim > 0


def without(value: Any, place: int) -> Any:
    """A tensor, an array, a sample or a list of these, with nothing along one dimension: −1 is the last."""
    if isinstance(value, Sample):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **{k: without(v, place) for k, v in parts.items() if holds(v)})
    if isinstance(value, list | tuple) and any(holds(v) or isinstance(v, Sample) for v in value):
        return type(value)(without(v, place) for v in value)
    if not holds(value) or not -value.ndim <= place < value.ndim:
        return value
    cut = [slice(None)] * value.ndim
    cut[place] = slice(0, 0)
    return value[tuple(cut)]


def emptied(value: Any) -> Iterator[tuple[str, Any]]:
    """One argument in all its ways of being empty."""
    if holds(value) or isinstance(value, Sample):
        for place in range(-getattr(value, "ndim", 2), 0):
            yield f"nothing along {place}", without(value, place)
        if holds(value) and value.ndim > 1:
            yield "a row of nothing", value.reshape(-1)[:0]
    elif isinstance(value, list | tuple) and value:
        yield "no items", type(value)()
        yield from [("items with nothing along -1", without(value, -1))] if without(value, -1) is not value else []
    elif isinstance(value, str) and value:
        yield "no letters", ""
    elif isinstance(value, dict) and value:
        yield "no keys", {}


def variants(given: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The arguments with one of them empty, and with all tensors empty along the same dimension."""
    for key, value in given.items():
        for how, empty in emptied(value):
            yield f"{key}: {how}", {**given, key: empty}
    for place in (0, -2, -1):
        together = {key: without(value, place) for key, value in given.items()}
        if sum(together[key] is not given[key] for key in given) > 1:
            yield f"all: nothing along {place}", together


class Spy:
    """Stands before what a door made, and writes down the calls with tensors that a check of it makes."""

    def __init__(self, made: Any) -> None:
        self.__dict__.update(made=made, calls=[])

    @property
    def __class__(self) -> Any:  # what stands behind it, to `isinstance`
        return type(self.__dict__["made"])

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.made, name)
        return self._noted(name, value) if callable(value) and not isinstance(value, type) else value

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._noted("__call__", self.made)(*arguments, **named)

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, place: Any) -> Any:
        return self.made[place]

    def _noted(self, name: str, value: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:
            if any(without(v, -1) is not v for v in (*arguments, *named.values())):
                self.calls.append((name, arguments, named))
            answer = value(*arguments, **named)
            return self if answer is self.made else answer

        return noted


def calls(door: Door, given: dict[str, Any]) -> list[Call]:
    """The different methods that the check of a door calls with tensors, each with the arguments of its first call."""
    made = door.call(**given)
    if isinstance(made, Tensor | np.ndarray | Sequence | Mapping | str | float) or made is None:
        return []
    spy = Spy(made)
    with suppress(Exception), torch.no_grad(), warnings.catch_warnings(action="ignore"):
        door.right(spy, given)
    first: dict[str, Call] = {}
    for call in spy.calls:
        first.setdefault(call[0], call)
    return [call for call in first.values() if call[0] not in ("load_state_dict", "to")]


def numbers(answer: Any) -> Iterator[Any]:
    """All tensors, arrays and numbers of an answer."""
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        answer = [getattr(answer, f.name) for f in dataclasses.fields(answer)]
    if isinstance(answer, list | tuple):
        for part in answer:
            yield from numbers(part)
    else:
        yield answer


def meaningless(answer: Any) -> str:
    """Why an answer to nothing is no answer: it is not as empty as what came. Else ""."""
    parts = list(numbers(answer))
    sized = [part for part in parts if isinstance(part, Tensor | np.ndarray)]
    full = [tuple(part.shape) for part in sized if 0 not in part.shape]
    if full or len(sized) < len([part for part in parts if part is not None]):
        shown = ", ".join(map(str, full)) or repr(answer)[:80]
        return f"gave {shown} for nothing, without a word"
    return ""


def is_batch(name: str, what: str, given: Mapping[str, Any]) -> bool:
    """Whether it is the batch that is empty, in a room where every batch may be."""
    held = {key: value for key, value in given.items() if holds(value)}
    whole = all(value.ndim == 4 for value in held.values()) and not any("weight" in key for key in held)
    alone = len([key for key in held if "weight" not in key and key != "bias"]) == 1
    return name.startswith(BATCHED) and (
        (alone and what.partition(": ")[0] in ("input", "score", "x", "0") and what.endswith("nothing along -4"))
        or (whole and what == "all: nothing along 0")
    )


def finding(who: str, what: str, call: Callable[[], Any], words: Sequence[str], batch: bool, lent: bool) -> str:
    """What is wrong with the outcome of a call with something empty, or ""."""
    name = f"{who}, {what}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = call()
    except Exception as error:
        if batch:
            return f"{name}: an empty batch is refused: {type(error).__name__}: {error}"
        if lent and isinstance(error, ValueError | RuntimeError) and "but got" in str(error):
            return ""  # torch's words, which say what came
        told = unclear(error, words, lent)
        return f"{name}: {told}" if told else ""
    told = "" if name.startswith(tuple(FINE)) else meaningless(answer)
    return f"{name}: {told}" if told else ""


def of_door(name: str, door: Door, tries: int = 2) -> Iterator[str]:
    """Findings at a door, and in the calls of what it makes."""
    short = name.rpartition(".")[2]
    for number in range(tries):
        given = door.make(Random(f"{name} {number}"))
        for what, empty in variants(given):
            batch = is_batch(name, what, given)
            yield finding(name, what, partial(door.call, **empty), (short, *given), batch, door.lent)
    for method, arguments, named in calls(door, given):
        given = {**{str(i): value for i, value in enumerate(arguments)}, **named}
        for what, empty in variants(given):
            made = door.call(**door.make(Random(f"{name} {tries - 1}")))
            made = made.eval() if isinstance(made, nn.Module) else made
            call = partial(called, getattr(made, method), empty)
            batch = isinstance(made, nn.Module) and is_batch(name, what, given)
            yield finding(f"{name}.{method}", what, call, (short, method), batch, door.lent)


def called(method: Callable[..., Any], given: dict[str, Any]) -> Any:
    """The answer, after a way back to what came, where there is one."""
    for value in given.values():
        if isinstance(value, Tensor) and value.is_floating_point():
            value.requires_grad_()
    places = [value for key, value in given.items() if key.isdigit()]
    answer = method(*places, **{key: value for key, value in given.items() if not key.isdigit()})
    for part in numbers(answer):
        if isinstance(part, Tensor) and part.requires_grad and part.shape[:1] == (0,):
            part.sum().backward(retain_graph=True)
    return answer
