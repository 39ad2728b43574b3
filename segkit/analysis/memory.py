"""What a decoder keeps from its encoder, in bytes: indices against maps; what training keeps; and the peak of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from segkit.analysis.printed import Printed, number_text, size_text
from segkit.analysis.running import Model, Size, as_network, picture_for, picture_shape, without_values
from segkit.checks import whole
from segkit.engine import use_engine
from segkit.shapes import ShapesOnly

HOW = ("features", "indices", "bits")


@dataclass(frozen=True)
class Kept:
    """One max pooling, and what it costs to remember it.

    Args:
        name: "pool1", "pool2", … in the order of computation.
        before, after: (channels, height, width) of the map that was pooled, and of the pooled map.
        features: bytes of the whole map before the pooling, as a skip keeps it.
        indices: bytes of the places of the maxima as torch gives them, int64.
        bits: bytes of the same places where each takes only the bits that tell the cells of its window apart: 2 for a
            window of 2×2.
    """

    name: str
    before: tuple[int, int, int]
    after: tuple[int, int, int]
    features: int
    indices: int
    bits: int


class KeptTable(Printed[Kept]):
    """The poolings of a network, first to last; printing it, or showing it in a notebook, draws the table.

    `table.features`, `table.indices` and `table.bits` are the sums over all poolings, in bytes.
    """

    what, cell = "pooling", "<td>"

    def __init__(self, rows: Sequence[Kept], picture: tuple[int, ...]) -> None:
        super().__init__(rows)
        self.picture = picture
        self.features, self.indices, self.bits = (sum(getattr(row, how) for row in rows) for how in HOW)

    def cells(self) -> list[list[str]]:
        body = [[row.name, size_text(row.before), size_text(row.after), *_sizes(row)] for row in self.rows]
        head = ["pooling", "before", "after", "features", "indices (int64)", "indices (fewest bits)"]
        return [head, *body, ["all", "", "", *_sizes(self)]]

    def note(self) -> str:
        return f"One picture of {size_text(self.picture)}."


def kept_table(model: Model, input_size: Size) -> KeptTable:
    """What a decoder would have to keep of each max pooling of a network, in bytes for one picture.

    The network runs once on a tensor that has a shape but no values, so its size costs nothing.

    Args:
        model: any network with max poolings, whatever its decoder does with them; or a list of layers.
        input_size: n, (H, W) or (C, H, W) of the picture.

    Raises:
        ValueError: the network has no max pooling, or takes no picture of this size.

    Source:
        Badrinarayanan, Kendall & Cipolla (SegNet, PAMI 2017), section 3: "2 bits for each 2×2 pooling window".
    """
    network, watcher = as_network(model), _Poolings()
    shape = picture_shape(network, input_size)
    _run(network, shape, watcher, train=False)
    if not watcher.rows:
        raise ValueError("kept_table found no max pooling in this network: its decoder has nothing to keep")
    return KeptTable(watcher.rows, tuple(shape[1:]))


def kept_bytes(model: Model, input_size: Size, how: str = "features") -> int:
    """The sum of one column of `kept_table`, in bytes.

    Args:
        model, input_size: as for `kept_table`.
        how: "features", "indices" (int64) or "bits" (the fewest).

    Raises:
        ValueError: as `kept_table`; another `how`.
    """
    if how not in HOW:
        raise ValueError(f"kept_bytes got how={how!r}; it is one of {', '.join(HOW)}")
    return getattr(kept_table(model, input_size), how)


def saved_for_backward(model: Model, input_size: Size, batch_size: int = 1) -> int:
    """Bytes that autograd keeps between the forward and the backward pass, the weights themselves not counted.

    Every tensor that an operation saves is counted once, however many operations save it or a view of it. The picture
    counts too: the first convolution keeps it.

    Args:
        model, input_size: as for `kept_table`.
        batch_size: pictures at once.

    Raises:
        ValueError: batch_size below 1, or no picture of this size is taken.
    """
    network = as_network(model)
    shape = [whole(batch_size, "batch_size", "saved_for_backward", 1), *picture_shape(network, input_size)[1:]]
    saved: dict[int, Tensor] = {}  # one tensor per storage; held, so that no address is given out twice

    def pack(tensor: Tensor) -> Tensor:
        saved.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        bare = _run(network, shape, ShapesOnly(), train=True)
    own = {t.untyped_storage()._cdata for t in [*bare.parameters(), *bare.buffers()]}
    return sum(t.untyped_storage().nbytes() for key, t in saved.items() if key not in own)


def peak_bytes(model: Model, input_size: Size, batch_size: int = 1) -> int:
    """Bytes of all tensors that are alive at the busiest moment of an evaluation: weights, pictures and maps.

    They are counted in a run without values, so every machine gives the same number. What a kernel takes for itself
    while it works (copies in another layout, say) is not among them, nor what an allocator rounds up.

    Args:
        model, input_size: as for `kept_table`.
        batch_size: pictures at once.

    Raises:
        ValueError: batch_size below 1, or no picture of this size is taken.
    """
    network, watcher = as_network(model, "peak_bytes"), _Alive()
    shape = [whole(batch_size, "batch_size", "peak_bytes", 1), *picture_shape(network, input_size)[1:]]
    bare = _run(network, shape, watcher, train=False)
    own = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in [*bare.parameters(), *bare.buffers()]}
    return sum(own.values()) + watcher.peak


def _run(network: nn.Module, shape: Sequence[int], watcher: ShapesOnly, train: bool) -> nn.Module:
    """A copy of the network on a picture without values."""
    bare = without_values(network).train(train)
    with use_engine("native"), torch.set_grad_enabled(train), watcher:
        bare(picture_for(bare, shape, "meta"))
    return bare


class _Alive(ShapesOnly):
    """The most bytes of tensors, made by operations, that something still holds."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, tuple[StorageWeakRef, int]] = {}  # a weak reference keeps the address from a second use
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        self.held = {key: entry for key, entry in self.held.items() if not entry[0].expired()}
        for t in tree_leaves(out):
            storage = t.untyped_storage() if isinstance(t, Tensor) else None
            if storage is not None and storage._cdata not in given:
                self.held.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.peak = max(self.peak, sum(size for _, size in self.held.values()))
        return out


class _Poolings(ShapesOnly):
    """Notes each max pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Kept] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if name in ("aten::max_pool2d_with_indices", "aten::max_pool2d"):
            values, before, kernel = out[0] if isinstance(out, tuple) else out, args[0], args[1]
            window = kernel[0] * kernel[-1]
            C, H, W = before.shape[-3:]
            places = values.numel()
            self.rows.append(
                Kept(
                    name=f"pool{len(self.rows) + 1}",
                    before=(C, H, W),
                    after=(C, values.shape[-2], values.shape[-1]),
                    features=before.numel() * before.element_size(),
                    indices=places * torch.int64.itemsize,
                    bits=-(-places * math.ceil(math.log2(window)) // 8),
                )
            )
        return out


def _sizes(of: Kept | KeptTable) -> list[str]:
    return [number_text(getattr(of, how), "B") for how in HOW]
