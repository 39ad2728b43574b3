"""What a unit really looks at: gradients at the input (Luo, Li, Urtasun & Zemel 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segkit.analysis.receptive import receptive_field
from segkit.analysis.running import Model, Size, as_network, evaluated, first_tensor, hooked, picture_shape
from segkit.analysis.table import Box, Row, Table
from segkit.checks import whole
from segkit.typed import typed


@dataclass(frozen=True)
class EffectiveField:
    """How strongly each pixel of the picture moves one unit.

    Its size is 4σ, vertical and horizontal: the middle of a bell curve that holds 95 % of it. Where the theoretical
    field reaches over the border of the picture, it is cut off too, and says little about the network.

    Args:
        map: float64 H×W, mean |gradient|, scaled to a sum of 1 (all 0 where no pixel moves the unit).
        center: row and column of the centre of mass.
        sigma: standard deviations in pixels, vertical and horizontal.
        position: the unit, (row, column) in its layer's map.
        row: the layer's row of the table of theoretical fields.
        box: the theoretical field inside the picture.
    """

    map: Tensor
    center: tuple[float, float]
    sigma: tuple[float, float]
    position: tuple[int, int]
    row: Row
    box: Box | None

    @property
    def size(self) -> tuple[float, float]:
        """4σ, in pixels, vertical and horizontal."""
        return 4 * self.sigma[0], 4 * self.sigma[1]

    @property
    def width_ratio(self) -> tuple[float, float]:
        """The size as a share of the theoretical height and width; above 1 is possible for fields of few pixels."""
        height, width = self.row.receptive_field
        return self.size[0] / max(height, 1), self.size[1] / max(width, 1)


@typed
def effective_field(
    model: Model,
    picture: Tensor | Size,
    layer: str | None = None,
    position: tuple[int, int] | None = None,
    *,
    samples: int = 8,
    channel: int | None = None,
    seed: int = 0,
    table: Table | None = None,
) -> EffectiveField:
    """The effective receptive field of one unit: mean |gradient| of its value at every pixel.

    Args:
        model: a network, or a list of layers; it runs as in evaluation, and is left as it was.
        picture: one picture 3×H×W or 1×3×H×W, whose gradient is taken; or a size as for `receptive_field`, for the mean
            over random pictures.
        layer: name of a layer or block, as in the table; None for the network's output.
        position: (row, column) in the layer's map; None for the middle.
        samples: number of random pictures (standard normal), where a size is given.
        channel: one channel of the unit; None for all together: a gradient of 1 into each.
        seed: of the random pictures.
        table: `receptive_field(model, size)`, where it is at hand already.

    Raises:
        ValueError: no such layer, position or channel.

    Source:
        Luo, Li, Urtasun & Zemel, "Understanding the effective receptive field…", NIPS 2016, section 3.
    """
    samples = whole(samples, "samples", "effective_field", 1)
    network = as_network(model)
    if isinstance(picture, Tensor):
        given = picture if picture.ndim == 4 else picture[None]
        if given.ndim != 4 or len(given) != 1:
            raise ValueError(f"effective_field got a picture of shape {tuple(picture.shape)}; it takes one, C×H×W")
        shape = tuple(given.shape)
        pictures = [given]
    else:
        shape = picture_shape(network, picture)
        generator = torch.Generator().manual_seed(seed)
        pictures = [torch.randn(shape, generator=generator) for _ in range(samples)]
    row = named_row(network, table or receptive_field(network, shape[1:]), layer)
    position = checked_position(row, position)
    total = torch.zeros(shape[-2:], dtype=torch.float64)
    for each in pictures:
        total += input_gradient(network, each, layer, row, position, channel).abs().double().sum((0, 1)).cpu()
    return summarised(total, position, row)


def input_gradient(
    network: nn.Module,
    picture: Tensor,
    layer: str | None,
    row: Row,
    position: tuple[int, int],
    channel: int | None = None,
    weights: dict[str, Tensor] | None = None,
) -> Tensor:
    """Gradient of one unit's value (summed over its channels, or one of them) at the picture, 1×C×H×W."""
    kept: list[Tensor] = []
    name, turn = _turn(layer)
    hooks = [] if layer is None else [hooked(network, name, kept.append)]
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(()))
    x = picture.to(like.device, picture.dtype if weights is not None else like.dtype).clone().requires_grad_()
    with torch.enable_grad(), evaluated(network, hooks):
        out = torch.func.functional_call(network, weights, (x,)) if weights is not None else network(x)
        unit = unit_values(first_tensor(out) if layer is None else kept[turn], row, position, channel)
        probe = torch.ones_like(unit) if weights is None else torch.linspace(1, 2, len(unit)).to(unit)
        (gradient,) = torch.autograd.grad(unit @ probe + 0 * x.sum(), x)
    return gradient


def _turn(layer: str | None) -> tuple[str, int]:
    """A layer's name in the network, and which of its uses is meant: "layer1.0.relu (2)" is the second."""
    name, _, count = (layer or "").partition(" (")
    return name, int(count.rstrip(")")) - 1 if count else 0


def unit_values(target: Tensor, row: Row, position: tuple[int, int], channel: int | None = None) -> Tensor:
    """A layer's output at one position: all channels, or one."""
    if channel is not None:
        if not -target.shape[1] <= channel < target.shape[1]:
            raise ValueError(f"{row.name} has {target.shape[1]} channels; there is no channel {channel}")
        target = target[:, channel : channel + 1 or None]
    for dim, place in sorted(zip(row.dims, position, strict=True), reverse=True) if row.output_size else ():
        target = target.select(dim, place)
    return target.flatten()


def named_row(network: nn.Module, table: Table, layer: str | None) -> Row:
    """The row of a layer, a block, or (None) the network's output; ValueError if there is no such module."""
    if layer is None:
        return table.blocks["output"]
    names = dict(network.named_modules())
    if _turn(layer)[0] not in names or layer not in table:
        known = [name for name in [*table.names, *table.blocks] if _turn(name)[0] in names]
        raise ValueError(f"there is no layer {layer!r} to take gradients of; choose one of {', '.join(known)}")
    return table[layer]


def checked_position(row: Row, position: tuple[int, int] | None) -> tuple[int, int]:
    """A position that the layer's map has; its middle for None."""
    if position is None:
        return (row.output_size[0] // 2, row.output_size[1] // 2) if row.output_size else (0, 0)
    row.check(*position)
    return position


def summarised(total: Tensor, position: tuple[int, int], row: Row) -> EffectiveField:
    """Figures of an effective field from summed |gradients|, H×W."""
    mass = float(total.sum())
    box = row.box(*position)
    if not mass > 0:
        return EffectiveField(torch.zeros_like(total), (0.0, 0.0), (0.0, 0.0), position, row, box)
    share = total / mass
    centers, sigmas = [], []
    for axis in (1, 0):
        profile = share.sum(axis)
        place = torch.arange(len(profile), dtype=torch.float64)
        center = (profile * place).sum()
        centers.append(float(center))
        sigmas.append(float((profile * (place - center) ** 2).sum().sqrt()))
    return EffectiveField(share, (centers[0], centers[1]), (sigmas[0], sigmas[1]), position, row, box)
