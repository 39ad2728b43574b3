"""What a network costs, as a total and layer by layer: parameters, multiply-adds, bytes kept and moved, and time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from segkit.analysis.printed import Printed, number_text, size_text
from segkit.analysis.running import (
    Model,
    Size,
    as_network,
    evaluated,
    picture_for,
    picture_shape,
    without_values,
)
from segkit.analysis.timing import finish, in_turns
from segkit.checks import whole
from segkit.shapes import ShapesOnly

Reading = Callable[[], np.ndarray]


@dataclass(frozen=True)
class LayerCost:
    """What one module does itself, that is, without its submodules.

    Args:
        name: in the network; "" for what the network does outside all of its modules.
        kind: its class.
        parameters: numbers that it owns and no row above does.
        macs: multiply-adds, for all inputs of the batch and all uses of the layer.
        activations: bytes, see `cost`.
        moved: bytes, see `cost`.
        seconds: median time; NaN where it was not measured.
    """

    name: str
    kind: str
    parameters: int
    macs: int
    activations: int
    moved: int
    seconds: float

    @property
    def intensity(self) -> float:
        """Multiply-adds per byte that is moved; where it is low, memory sets the pace, not arithmetic."""
        return self.macs / self.moved if self.moved else math.nan


class Cost(Printed[LayerCost]):
    """A row for each layer, and for each module that works outside its layers.

    `parameters`, `macs`, `activations` and `moved` are the sums over all rows.
    `seconds` is the median time of the whole network, measured apart from the layers'.
    """

    def __init__(self, rows: list[LayerCost], shape: tuple[int, ...], seconds: float) -> None:
        super().__init__(rows)
        self.shape, self.seconds = shape, seconds
        self.parameters, self.macs, self.activations, self.moved = (
            sum(getattr(row, name) for row in rows) for name in ("parameters", "macs", "activations", "moved")
        )

    def of(self, kind: str) -> Cost:
        """The rows of one class of layers alone, such as "Conv2d"."""
        rows = [row for row in self.rows if row.kind == kind]
        return Cost(rows, self.shape, sum(row.seconds for row in rows))

    def inside(self, *modules: str) -> Cost:
        """The rows of these modules, and of all that lies in them."""
        rows = [row for row in self.rows if any(f"{row.name}.".startswith(f"{name}.") for name in modules)]
        return Cost(rows, self.shape, sum(row.seconds for row in rows))

    def cells(self) -> list[list[str]]:
        timed = not math.isnan(self.seconds)
        head = ["layer", "kind", "parameters", "multiply-adds", "maps", "moved", *["time"] * timed]
        total = LayerCost("all", "", self.parameters, self.macs, self.activations, self.moved, self.seconds)
        lines = []
        for row in [*self.rows, total]:
            sizes = number_text(row.activations, "B"), number_text(row.moved, "B")
            counts = [f"{row.parameters:,}", number_text(row.macs), *sizes]
            lines.append([row.name or "(outside layers)", row.kind, *counts, *[f"{1000 * row.seconds:.2f} ms"] * timed])
        return [head, *lines]

    def note(self) -> str:
        return f"For an input of {size_text(self.shape)}."


def cost(model: Model, input: Size | Tensor | tuple[Any, ...], *, batch_size: int = 1, repeats: int = 0) -> Cost:
    """Parameters, multiply-adds, memory of the maps and time of any network, as in evaluation.

    Counting runs the network once without values, and costs nothing however large it is; a network that looks at
    values runs once with them. Multiply-adds are torch's own count of floating-point operations, halved:
    convolutions, transposed ones too, and matrix products; what works element by element counts as nothing.
    Memory is the bytes of every new tensor that an operation of the forward pass makes, held until its end: outputs
    of layers, sums and concatenations between them, indices of poolings. Views, what is written in place, the
    parameters and the input are not new. Training keeps about that much, `saved_for_backward` says exactly how much.
    Bytes moved are the inputs, the outputs and the weights of every operation, as if nothing stayed in a cache between
    two of them; views move nothing.

    Args:
        model: a network, or a list of layers; from segkit, torchvision or elsewhere.
        input: pixels as for `receptive_field`: n, (H, W) or (C, H, W); or an example: a tensor, or a tuple that
            holds the positional arguments of the network, tensors among them.
        batch_size: pictures at once, where a size is given.
        repeats: how many times the network is run for its time, after one run that does not count: the median is
            given. A GPU finishes each layer before the next is timed. 0 does not measure it.

    Raises:
        TypeError, ValueError: not a network, not a size, or repeats for a network without values.
    """
    network = as_network(model, "cost")
    repeats, batch_size = whole(repeats, "repeats", "cost", 0), whole(batch_size, "batch_size", "cost", 1)
    example = _example(network, input, batch_size)
    shape = next(tuple(t.shape) for t in tree_leaves(example) if isinstance(t, Tensor))
    try:
        counted = _count(without_values(network), tree_map(_bare, example))
    except Exception:  # it looks at values, or it fails: then the real run says how
        counted = _count(network, example)
    if repeats and any(p.is_meta for p in network.parameters()):
        raise ValueError(f"cost got repeats={repeats} and a network on the meta device; only real weights have a time")
    times, total = _times(network, example, repeats) if repeats else ({}, math.nan)
    rows, owned = [], set[int]()
    for name, module in network.named_modules():
        own = [p for p in module.parameters(recurse=False) if id(p) not in owned]
        owned |= set(map(id, own))
        macs, memory, moved = counted.get(name, (0, 0, 0))
        leaf = name in counted and not any(True for _ in module.children())
        if own or macs or memory or leaf:
            size, seconds = sum(p.numel() for p in own), float(times.get(name, math.nan))
            rows.append(LayerCost(name, type(module).__name__, size, int(macs), int(memory), int(moved), seconds))
    return Cost(rows, shape, total)


def _example(network: nn.Module, input: Any, batch_size: int) -> tuple[Any, ...]:
    """The network's arguments."""
    if isinstance(input, Tensor):
        return (input,)
    if isinstance(input, tuple) and any(isinstance(value, Tensor) for value in tree_leaves(input)):
        return input
    shape = (batch_size, *picture_shape(network, input)[1:])
    on_meta = any(p.is_meta for p in network.parameters())
    return (picture_for(network, shape, "meta" if on_meta else None),)


def _bare(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) else value


class _NewTensors(ShapesOnly):
    """Adds up the bytes of all tensors that operations make, and of all that they read and write."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()
        self.held = {t.untyped_storage()._cdata: t for t in known}  # kept, so that no address is used twice
        self.bytes = self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        for t in tree_leaves(out):
            if isinstance(t, Tensor) and t.untyped_storage()._cdata not in self.held:
                self.held[t.untyped_storage()._cdata] = t
                self.bytes += t.untyped_storage().nbytes()
        if not any(value.alias_info and not value.alias_info.is_write for value in func._schema.returns):  # no view
            self.moved += sum(_bytes(t) for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor))
        return out


def _bytes(t: Tensor) -> int:
    """Of a tensor's values; one that only repeats them has no more than it stores."""
    return min(t.numel() * t.element_size(), t.untyped_storage().nbytes())


def _count(network: nn.Module, example: tuple[Any, ...]) -> dict[str, np.ndarray]:
    """By module: multiply-adds, bytes of new tensors, bytes moved."""
    given = [t for t in tree_leaves(example) if isinstance(t, Tensor)]
    memory = _NewTensors([*network.parameters(), *network.buffers(), *given])
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), memory, counter:
        return _own(network, example, lambda: np.array([counter.get_total_flops() // 2, memory.bytes, memory.moved]))


def _own(network: nn.Module, example: tuple[Any, ...], read: Reading) -> dict[str, np.ndarray]:
    """By how much a reading grows in each module itself, its submodules left out, during one run."""
    own: dict[str, np.ndarray] = {}
    stack: list[list[Any]] = [[0, 0]]  # the reading when each running module began, and what its submodules added

    def after(name: str) -> None:
        begin, inner = stack.pop()
        grown = read() - begin
        own[name] = own.get(name, 0) + grown - inner
        stack[-1][1] = stack[-1][1] + grown

    hooks = []
    for name, module in network.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda *_: stack.append([read(), 0])))
        hooks.append(module.register_forward_hook(lambda *_, name=name: after(name)))  # type: ignore[misc]
    with evaluated(network, hooks):
        network(*example)
    return own


def _times(network: nn.Module, example: tuple[Any, ...], repeats: int) -> tuple[dict[str, np.ndarray], float]:
    """Median seconds of each module itself, and of the whole network."""
    device = next((t.device for t in tree_leaves(example) if isinstance(t, Tensor)), torch.device("cpu"))

    def clock() -> np.ndarray:
        finish(device)
        return np.array(time.perf_counter())

    with torch.no_grad(), evaluated(network):
        whole_runs = in_turns({"": lambda: network(*example)}, repeats, device=device)[""]
        runs = [_own(network, example, clock) for _ in range(repeats)]
    return {name: np.median([run[name] for run in runs]) for name in runs[0]}, statistics.median(whole_runs)
