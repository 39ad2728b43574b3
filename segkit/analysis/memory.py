"""What a decoder keeps from its encoder, in bytes: SegNet's indices against U-Net's maps; and what training keeps."""

from __future__ import annotations

import copy
import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from segkit.analysis.receptive import as_network, picture_shape
from segkit.engine import use_engine

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


class KeptTable:
    """The poolings of a network, first to last; printing it, or showing it in a notebook, draws the table.

    `table.features`, `table.indices` and `table.bits` are the sums over all poolings, in bytes.
    """

    def __init__(self, rows: Sequence[Kept], picture: tuple[int, ...]) -> None:
        self.rows, self.picture = tuple(rows), picture

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self.rows)

    def __getitem__(self, key: str | int) -> Kept:
        if isinstance(key, int):
            return self.rows[key]
        for row in self.rows:
            if row.name == key:
                return row
        raise KeyError(f"there is no pooling {key!r}; they are {', '.join(row.name for row in self.rows)}")

    @property
    def features(self) -> int:
        return sum(row.features for row in self.rows)

    @property
    def indices(self) -> int:
        return sum(row.indices for row in self.rows)

    @property
    def bits(self) -> int:
        return sum(row.bits for row in self.rows)

    def _cells(self) -> list[list[str]]:
        head = ["pooling", "before", "after", "features", "indices (int64)", "indices (fewest bits)"]
        body = [
            [row.name, _size(row.before), _size(row.after), *(_bytes(getattr(row, how)) for how in HOW)]
            for row in self.rows
        ]
        return [head, *body, ["all", "", "", *(_bytes(getattr(self, how)) for how in HOW)]]

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        rule = "  ".join("─" * w for w in widths)
        return "\n".join([lines[0], rule, *lines[1:], f"One picture of {_size(self.picture)}."])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = [[html.escape(cell) for cell in line] for line in self._cells()]
        top = "".join(f'<th scope="col" style="text-align:left">{cell}</th>' for cell in head)
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in body)
        caption = f"<caption>One picture of {_size(self.picture)}.</caption>"
        return f"<table>{caption}<thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def kept_table(model: nn.Module | Sequence[nn.Module], input_size: int | Sequence[int]) -> KeptTable:
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
    shape = picture_shape(as_network(model), input_size)
    watcher = _Poolings()
    _run(model, shape, watcher, train=False)
    if not watcher.rows:
        raise ValueError("kept_table found no max pooling in this network: its decoder has nothing to keep")
    return KeptTable(watcher.rows, tuple(shape[1:]))


def kept_bytes(model: nn.Module | Sequence[nn.Module], input_size: int | Sequence[int], how: str = "features") -> int:
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


def saved_for_backward(
    model: nn.Module | Sequence[nn.Module], input_size: int | Sequence[int], batch_size: int = 1
) -> int:
    """Bytes that autograd keeps between the forward and the backward pass, the weights themselves not counted.

    Every tensor that an operation saves is counted once, however many operations save it or a view of it. The picture
    counts too: the first convolution keeps it.

    Args:
        model, input_size: as for `kept_table`.
        batch_size: pictures at once.

    Raises:
        ValueError: batch_size below 1, or no picture of this size is taken.
    """
    if batch_size < 1:
        raise ValueError(f"saved_for_backward got batch_size={batch_size}; it is a whole number from 1 up")
    shape = [batch_size, *picture_shape(as_network(model), input_size)[1:]]
    saved: dict[int, Tensor] = {}  # one tensor per storage; held, so that no address is given out twice

    def pack(tensor: Tensor) -> Tensor:
        saved.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network = _run(model, shape, _Poolings(), train=True)
    own = {t.untyped_storage()._cdata for t in [*network.parameters(), *network.buffers()]}
    return sum(t.untyped_storage().nbytes() for key, t in saved.items() if key not in own)


def _run(
    model: nn.Module | Sequence[nn.Module], shape: Sequence[int], watcher: TorchDispatchMode, train: bool
) -> nn.Module:
    """A copy of the network on a picture without values; the caller's network stays as it is."""
    network = copy.deepcopy(as_network(model)).to("meta").train(train)
    kinds = {p.dtype for p in network.parameters() if p.is_floating_point()}
    picture = torch.empty(list(shape), dtype=kinds.pop() if len(kinds) == 1 else None, device="meta")
    with use_engine("native"), torch.set_grad_enabled(train), watcher:
        network(picture)
    return network


class _Poolings(TorchDispatchMode):
    """Notes each max pooling; gives unpooling the shape that cannot be known without values."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Kept] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        if name == "aten::max_unpool2d":
            return args[0].new_empty((*args[0].shape[:-2], *args[2]))
        out = func(*args, **(kwargs or {}))
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


def _size(size: Sequence[int]) -> str:
    return "×".join(map(str, size))


def _bytes(number: int) -> str:
    """12,345 B as 12.3 kB, 1000 to the step."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= step:
            return f"{number / step:.1f} {unit}"
    return f"{number} B"
