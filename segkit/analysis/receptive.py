"""Theoretical receptive field of every layer of any network, by the recursion r = 1 + Σ (k−1)·d·Π s."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from segkit.analysis.fields import FAR, Field, picture_field, squeezed
from segkit.analysis.rules import UnknownOperation
from segkit.analysis.running import Model, Size, as_network, evaluated, picture_for, picture_shape, settle_threads
from segkit.analysis.table import Row, Table, map_dims
from segkit.analysis.tracker import Tracker

SHOWN = {  # operations outside any layer that get a row of their own, and its name; the others change no field
    "convolution": "conv", "max_pool2d_with_indices": "max_pool2d", "avg_pool2d": "avg_pool2d", "mean": "mean",
    "adaptive_avg_pool2d": "adaptive_avg_pool2d", "adaptive_max_pool2d": "adaptive_max_pool2d", "sum": "sum",
    "max_unpool2d": "max_unpool2d", "cat": "cat", "add": "add", "mul": "mul", "amax": "amax", "constant_pad_nd": "pad",
    "reflection_pad2d": "pad", "replication_pad2d": "pad", "pixel_shuffle": "pixel_shuffle", "addmm": "linear",
    "pixel_unshuffle": "pixel_unshuffle", "upsample_nearest2d": "interpolate", "upsample_bilinear2d": "interpolate",
    "upsample_bicubic2d": "interpolate", "upsample_nearest_exact2d": "interpolate", "mm": "matmul", "bmm": "matmul",
}  # fmt: skip
REACHES = (2048, 1 << 14, 1 << 17)  # pixels beyond the border that are followed; more only if a network needs them


def receptive_field(model: Model, input_size: Size) -> Table:
    """The receptive field, stride, padding and output size of every layer, for one picture size.

    The network runs once without values, and every operation that torch executes moves the fields by a rule:
    convolution (dilated, asymmetric, transposed), pooling, unpooling, interpolation, padding, cropping, sums and
    concatenations of branches, matrix products. How the forward pass is written does not matter. BatchNorm and dropout
    count as in evaluation. Channels are followed one by one, values are not: a weight of zero still sees.

    Args:
        model: a network, or a list of layers that follow each other; torch.nn's, torchvision's or segkit's.
        input_size: pixels: one number, (H, W), or (C, H, W) where the number of channels cannot be guessed from the
            first layer.

    Returns:
        a table: `print(table)`, `table["features.30"].receptive_field`, `table["layer4"].box(3, 5)`.

    Raises:
        TypeError: model is not a network.
        ValueError: a size that is none, or an operation that has no rule, by name (`UnknownOperation`).

    Source:
        Araujo, Norris & Sim, "Computing receptive fields of convolutional neural networks", Distill 2019.
    """
    network = as_network(model)
    shape = picture_shape(network, input_size)
    for reach in REACHES:
        run = _Run(network, shape, reach)
        found = run.quick()
        rows, blocks = found or run.execute(fake=False)
        if not run.too_short:
            break
    return Table(rows, blocks, (shape[2], shape[3]))


class _Run:
    """One pass of a network under the tracker, noting the field of each layer's output."""

    def __init__(self, network: nn.Module, shape: tuple[int, int, int, int], reach: int) -> None:
        self.network, self.shape, self.reach = network, shape, reach
        self.tracker = Tracker()
        self.tracker.where = lambda: f"layer {self.stack[-1] or type(network).__name__}"
        self.tracker.watch = self._operation
        self.too_short = False

    def quick(self) -> tuple[list[Row], dict[str, Row]] | None:
        """Run without values; None for a network that looks at them (or that fails: the real run will say how)."""
        try:
            return self.execute(fake=True)
        except UnknownOperation:
            raise
        except Exception:
            return None

    def execute(self, fake: bool) -> tuple[list[Row], dict[str, Row]]:
        """Run, and give the rows of layers and of blocks."""
        self.rows: list[Row] = []
        self.blocks: dict[str, Row] = {}
        self.stack: list[str] = []
        self.leaves: set[str] = set()
        self.uses: dict[str, int] = {}
        hooks = [hook for name, module in self.network.named_modules() for hook in self._hooks(name, module)]
        fastpath = torch.backends.mha.get_fastpath_enabled()
        try:
            torch.backends.mha.set_fastpath_enabled(False)  # its fused kernel hides what attention reads
            with torch.no_grad(), evaluated(self.network, hooks):
                picture = picture_for(self.network, self.shape)
                if fake:
                    settle_threads()
                    picture = FakeTensorMode(allow_non_fake_inputs=True).from_tensor(picture)
                self.tracker.set_picture(picture, picture_field(self.shape, self.reach))
                with self.tracker:
                    found = self.network(picture)
        finally:
            torch.backends.mha.set_fastpath_enabled(fastpath)
        given = [t for t in tree_leaves(found) if isinstance(t, Tensor)]
        if given and not any(self.tracker.field(t) for t in given):
            raise ValueError(
                f"what {type(self.network).__name__} gives does not come from its picture by torch's operations (is it "
                "made with numpy?); so no field of it can be told"
            )
        return self.rows, self.blocks

    def _hooks(self, name: str, module: nn.Module) -> list[Any]:
        leaf = name != "" and not any(True for _ in module.children())
        if leaf:
            self.leaves.add(name)

        def before(module: nn.Module, args: Any) -> None:
            self.stack.append(name)

        def after(module: nn.Module, args: Any, output: Any) -> None:
            self.stack.pop()
            out = next((t for t in tree_leaves(output) if isinstance(t, Tensor) and self.tracker.field(t)), None)
            if out is not None:
                self._note(name or "output", type(module).__name__, out, leaf)

        return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    def _operation(self, operation: str, out: Tensor) -> None:
        inside = self.stack[-1] if self.stack else ""
        if inside in self.leaves or operation not in SHOWN:
            return
        self._note(f"{inside}.{SHOWN[operation]}".strip("."), SHOWN[operation], out, leaf=True)

    def _note(self, name: str, kind: str, out: Tensor, leaf: bool) -> None:
        field = self.tracker.field(out)
        if field is None or not out.is_floating_point():
            return
        row = _row(name, kind, field, (self.shape[2], self.shape[3]))
        if field.lines is None or not all(_covered(field, k) for k in range(2)):
            self.too_short |= field.lines is not None
        if not leaf:
            self.blocks[name] = row
            return
        self.uses[name] = used = self.uses.get(name, 0) + 1
        if used > 1:  # a layer that is used again
            row = replace(row, name=f"{name} ({used})")
        self.rows.append(row)


def _covered(field: Field, k: int) -> bool:
    axis = field.lines[k]  # type: ignore[index]
    return axis.line.covers(1 if axis.dim is None else field.shape[axis.dim])


def _row(name: str, kind: str, field: Field, picture: tuple[int, int]) -> Row:
    vertical, horizontal = map_dims(field)
    is_map = len(field.shape) >= 3
    size = (field.shape[vertical], field.shape[horizontal]) if is_map else ()
    exact = field.lines is not None and all(_covered(field, k) for k in range(2))
    extents = [_by_recursion(field, k) if exact else _measured(field, k, (vertical, horizontal)) for k in range(2)]
    whole = all(
        bool((squeezed(field.bounds[2 * k]) == 0).all()) and bool((squeezed(field.bounds[2 * k + 1]) == n - 1).all())
        for k, n in enumerate(picture)
    )
    (height, down, top), (width, right, left) = extents
    return Row(name, kind, (height, width), (down, right), (top, left), size, whole, exact, picture, field)


Figures = tuple[int, float, int]  # field, stride, start


def _by_recursion(field: Field, k: int) -> Figures:
    axis = field.lines[k]  # type: ignore[index]
    n = 1 if axis.dim is None else field.shape[axis.dim]
    lo, hi = axis.line.at(np.arange(max(n, 1)))
    seen = lo < FAR
    jump = float(axis.line.jump)
    return int((hi - lo)[seen].max(initial=-1)) + 1, int(jump) if jump.is_integer() else jump, int(lo[seen][:1].sum())


def _measured(field: Field, k: int, dims: tuple[int, int]) -> Figures:
    lo, hi = -field.bounds[2 * k], field.bounds[2 * k + 1]
    extent = int((hi - lo)[torch.isfinite(hi)].max()) + 1 if torch.isfinite(hi).any() else 0
    if len(field.shape) < 3 or not extent:
        return extent, 0, int(lo[torch.isfinite(lo)].min()) if extent else 0
    keep = dims[k]
    other = [d for d in range(len(field.shape)) if d != keep]
    lo, hi = lo.amin(other), hi.amax(other)
    middle = (lo + hi) / 2
    n = len(middle)
    jump = float((middle[-1] - middle[0]) / (n - 1)) if n > 1 and torch.isfinite(middle).all() else 0.0
    return extent, jump, int(lo[0]) if torch.isfinite(lo[0]) else 0
