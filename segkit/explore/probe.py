"""What any unit of a network sees of one picture: the field that it could use, and the one that it does use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor, nn

from segkit.analysis import Box, EffectiveField, Row, receptive_field
from segkit.analysis.effective import summarised, unit_values
from segkit.analysis.running import Model, as_network, evaluated, hooked
from segkit.analysis.table import Table
from segkit.encoders.names import ALEXNET, VGG16, named

RATES = (1, 1, 2, 4, 8, 16, 1)


@dataclass(frozen=True)
class Fields:
    """The two fields of one unit.

    Args:
        row: its layer.
        unit: (row, column) in the layer's map.
        theoretical: its field as if the picture had no border; None if it sees nothing.
        effective: where its gradient is, with figures.
    """

    row: Row
    unit: tuple[int, int]
    theoretical: Box | None
    effective: EffectiveField

    @property
    def cut(self) -> bool:
        """Part of the theoretical field lies outside the picture, and so the effective one is cut off too."""
        return self.theoretical != self.effective.box


@dataclass(frozen=True)
class Depth:
    """Widths of both fields, in pixels, layer by layer.

    Args:
        layers: names.
        theoretical: of any unit, borders not counted.
        effective: 4σ of the middle unit on random pixels; NaN where its field reaches over the border.
    """

    layers: list[str]
    theoretical: list[int]
    effective: list[float]


class Probe:
    """A network that has run over one picture once, ready to say what any unit of any layer sees.

    Args:
        network: a module or a list of layers.
        picture: 3×H×W, floating-point.
        table: its theoretical fields for pictures of this size, where they are at hand already.

    Attributes:
        table: theoretical fields of all layers.
        layers: those that have a map of their own, and a wider field or a larger stride than all before them.
    """

    def __init__(self, network: Model, picture: Tensor, table: Table | None = None) -> None:
        self.network = as_network(network)
        self.table = table or receptive_field(self.network, tuple(picture.shape))
        self.layers: list[str] = []
        known = dict(self.network.named_modules())
        widest = coarsest = 0.0
        for row in self.table:
            if row.name in known and len(row.output_size) == 2:
                field, stride = max(row.receptive_field), max(row.stride)
                if field > widest or stride > coarsest:
                    self.layers.append(row.name)
                widest, coarsest = max(widest, field), max(coarsest, stride)
        self._run(picture)
        self.fields = lru_cache(maxsize=256)(self._fields)

    def _run(self, picture: Tensor) -> None:
        self.outputs: dict[str, Tensor] = {}  # of the first use of each layer
        hooks = [hooked(self.network, name, partial(self.outputs.setdefault, name)) for name in self.layers]
        parameter = next((p for p in self.network.parameters() if p.is_floating_point()), picture)
        self.input = picture[None].to(parameter.device, parameter.dtype).clone().requires_grad_()
        with torch.enable_grad(), evaluated(self.network, hooks):
            self.network(self.input)

    def _fields(self, layer: str, unit: tuple[int, int]) -> Fields:
        row = self.table[layer]
        values = unit_values(self.outputs[layer], row, unit)
        (gradient,) = torch.autograd.grad(values.sum(), self.input, retain_graph=True)
        effective = summarised(gradient.abs().sum((0, 1)).double().cpu(), unit, row)
        return Fields(row, unit, row.box(*unit, clip=False) if row.exact else effective.box, effective)


def frames(fields: Fields) -> dict[str, tuple[float, float, float, float] | None]:
    """Left, top, width and height in pixels: of the theoretical field, and of 4σ around the gradient's centre."""
    box, e = fields.theoretical, fields.effective
    if box is None:
        return {"theoretical": None, "effective": None}
    (y, x), (h, w) = e.center, e.size
    outer = (box.left - 0.5, box.top - 0.5, box.width, box.height)
    return {"theoretical": outer, "effective": (x - w / 2, y - h / 2, w, h)}


def profile(fields: Fields) -> np.ndarray:
    """What each column of the picture has of |gradient|, as a share of the strongest. Shape: W."""
    columns = fields.effective.map.sum(0).numpy()  # W
    return columns / max(float(columns.max()), 1e-30)


def against_depth(network: Model, table: Table, channels: int = 3) -> Depth:
    """Both widths of every layer of a `Probe`, on random pixels (standard normal) of the table's size."""
    pixels = torch.randn(channels, *table.picture, generator=torch.Generator().manual_seed(0))
    probe = Probe(network, pixels, table)
    found = [probe.fields(name, tuple(n // 2 for n in table[name].output_size)) for name in probe.layers]
    effective = [float("nan") if f.cut else f.effective.size[1] for f in found]
    return Depth(probe.layers, [f.row.receptive_field[1] for f in found], effective)


def networks() -> dict[str, nn.Module]:
    """Four networks with random weights and few channels, their layers under the names that papers use."""
    from segkit.encoders import AlexNetEncoder, VGGEncoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {
            "VGG16": named(VGGEncoder(16, 8).features, VGG16),
            "13 convolutions": _chain((1,) * 13, [f"conv{i}" for i in range(1, 14)]),
            "AlexNet": named(AlexNetEncoder(8).features, ALEXNET),
            "dilated": _chain(RATES, [f"conv{i}, rate {rate}" for i, rate in enumerate(RATES, 1)]),
        }


def _chain(rates: Sequence[int], names: Sequence[str]) -> nn.Sequential:
    """3×3 convolutions of eight channels and a ReLU after each."""
    layers: list[nn.Module] = []
    for k, rate in enumerate(rates):
        conv = nn.Conv2d(8 if k else 3, 8, 3, padding=rate, dilation=rate)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        layers += [conv, nn.ReLU()]
    return named(layers, names)
