"""ReceptiveFieldExplorer: the pixels that a unit could see, and those that it looks at, on a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from segkit.analysis import Box, EffectiveField, Row, receptive_field
from segkit.analysis.effective import summarised, unit_values
from segkit.analysis.running import as_network, evaluated, hooked
from segkit.explore.canvas import BLUE, ORANGE, Canvas
from segkit.explore.labelled import street
from segkit.explore.shell import Explorer
from segkit.viz import to_picture


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


class Probe:
    """A network that has run over one picture once, ready to say what any unit of any layer sees.

    Args:
        network: a module or a list of layers.
        picture: 3×H×W, floating-point.

    Attributes:
        table: theoretical fields of all layers.
        layers: those that have a map of their own and see more than the layer before.
    """

    def __init__(self, network: nn.Module | Sequence[nn.Module], picture: Tensor) -> None:
        self.network = as_network(network)
        self.table = receptive_field(self.network, tuple(picture.shape))
        self.layers: list[str] = []
        known, before = dict(self.network.named_modules()), None
        for row in self.table:
            step = (row.receptive_field, row.stride, row.output_size)
            if row.name in known and len(row.output_size) == 2 and step != before:
                self.layers.append(row.name)
                before = step
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


def drawing(canvas: Canvas, picture: np.ndarray) -> dict[str, Any]:
    """The empty picture: the picture with both fields, the effective field alone, and both sizes against depth."""
    H, W = picture.shape[:2]
    seen = canvas.axes(0.005, 0.05, 0.365, 0.85, "the picture")
    seen.imshow(picture, interpolation="nearest")
    alone = canvas.axes(0.375, 0.05, 0.365, 0.85, "|gradient| at each pixel")
    heat = alone.imshow(np.zeros((H, W)), cmap="magma", vmin=0, vmax=1, interpolation="nearest")
    glow = seen.imshow(np.zeros((H, W, 4)), interpolation="nearest")
    boxes = []
    for axes in (seen, alone):
        box = Rectangle((0, 0), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2, zorder=4)
        axes.add_patch(box)
        axes.set_xlim(-0.5, W - 0.5)
        axes.set_ylim(H - 0.5, -0.5)
        boxes.append(box)
    (point,) = seen.plot([0], [0], "+", color="white", markersize=9, markeredgewidth=2, zorder=5)
    sizes = canvas.axes(0.785, 0.15, 0.205, 0.75, "side of the field, pixels", ticks=True)
    sizes.set_xlabel("layer", fontsize=8)
    (curve,) = sizes.plot([], [], "-", color=ORANGE, linewidth=1.5, label="theoretical")
    (here,) = sizes.plot([], [], "o", color=ORANGE, markersize=7)
    (width,) = sizes.plot([], [], "s", color=BLUE, markersize=7, label="effective: √(pixels with 95 %)")
    sizes.legend(loc="upper left", fontsize=7, frameon=False)
    canvas.moves(heat, glow, *boxes, point, curve, here, width)
    return {"seen": seen, "alone": alone, "heat": heat, "glow": glow, "boxes": boxes, "point": point, "sizes": sizes,
            "curve": curve, "here": here, "width": width}  # fmt: skip


def draw(parts: dict[str, Any], fields: Fields, pixel: tuple[int, int], widths: list[int], depth: int) -> None:
    """Put the fields of one unit into the picture; `widths` are the theoretical widths of all layers."""
    shown = fields.effective.map.float().sqrt().numpy()  # the root, for eyes: what is faint counts too
    shown = shown / max(float(shown.max()), 1e-30)
    parts["heat"].set_data(shown)
    glow = np.zeros((*shown.shape, 4), dtype=np.float32)
    glow[..., :3] = [0.0, 0.45, 0.70]
    glow[..., 3] = np.clip(1.2 * shown, 0, 0.85)
    parts["glow"].set_data(glow)
    box = fields.theoretical
    for patch in parts["boxes"]:
        patch.set_visible(box is not None)
        if box is not None:
            patch.set_bounds(box.left - 0.5, box.top - 0.5, box.width, box.height)
    parts["point"].set_data([pixel[1]], [pixel[0]])
    parts["curve"].set_data(range(len(widths)), widths)
    parts["here"].set_data([depth], [widths[depth]])
    # the core, the fewest pixels that hold 95.45 % of the gradient, as a square of the same area
    parts["width"].set_data([depth], [fields.effective.core**0.5])


class ReceptiveFieldExplorer(Explorer):
    """Choose a network and a layer, click a pixel: its unit's theoretical field is framed, its effective field glows.

    Args:
        networks: by name; modules or lists of layers that take the picture. None for a VGG16 and an AlexNet of an
            eighth of the paper's width, and a chain of dilated convolutions, all with random weights.
        picture: 3×H×W, floating-point in 0–1; None for a street scene.
    """

    title = "Receptive fields"

    def __init__(
        self, networks: Mapping[str, nn.Module | Sequence[nn.Module]] | None = None, picture: Tensor | None = None
    ) -> None:
        image = street((144, 192)).image if picture is None else picture
        shown = to_picture(image)
        if image.ndim != 3:
            raise ValueError(f"a picture of shape {tuple(image.shape)}; ReceptiveFieldExplorer takes one, 3×H×W")
        self.networks = dict(networks) if networks else _networks()
        self.image = (image.float() - 0.5) / 0.25
        self.probes: dict[str, Probe] = {}
        super().__init__(Canvas(10.2, 3.1))
        self.parts = drawing(self.canvas, shown)
        H, W = shown.shape[:2]
        first = next(iter(self.networks))
        layers = self.probe(first).layers
        with self.together():
            self.menu("network", "network", list(self.networks), first, "the network whose units are looked at")
            self.stops(
                "layer", "layer", self._stops(first), layers[len(layers) * 2 // 3], "from the picture to the deepest"
            )
            self.ring(H, W, "the pixel; a click on the picture sets it")
        self.controls["network"].unobserve(self.update, "value")
        self.controls["network"].observe(self._network_changed, "value")

    def probe(self, network: str) -> Probe:
        """The network, run over the picture; the first time takes longer."""
        if network not in self.probes:
            self.probes[network] = Probe(self.networks[network], self.image)
        return self.probes[network]

    def _stops(self, network: str) -> list[tuple[str, str]]:
        table = self.probe(network).table
        return [(f"{name} {table[name].kind}", name) for name in self.probe(network).layers]

    def _network_changed(self, change: Any) -> None:
        layers = self.probe(self["network"]).layers
        with self.together():
            control = self.controls["layer"]
            place = round(control.index / max(len(control.options) - 1, 1) * (len(layers) - 1))
            control.options = self._stops(self["network"])
            control.value = layers[place]

    def compute(self) -> Fields:
        probe = self.probe(self["network"])
        layer = self["layer"] if self["layer"] in probe.layers else probe.layers[-1]
        return probe.fields(layer, probe.table[layer].unit_at(self["row"], self["column"]))

    def draw(self, results: Fields) -> str:
        probe = self.probe(self["network"])
        widths = [probe.table[name].receptive_field[1] for name in probe.layers]
        axes = self.parts["sizes"]
        if axes.get_xlim()[1] != len(widths) or axes.get_ylim()[1] != 1.15 * max(widths):
            axes.set_xlim(-1, len(widths))
            axes.set_ylim(0, 1.15 * max(widths))
            self.canvas.stale()
        draw(self.parts, results, (self["row"], self["column"]), widths, probe.layers.index(results.row.name))
        r, s, e = results.row.receptive_field, results.row.stride, results.effective
        return (
            f"Unit {results.unit} of layer {results.row.name} could see {r[0]}×{r[1]} pixels (frame), stride {s[0]:g}; "
            f"95 % of what moves it (glow) lies in {e.core} pixels, {100 * e.share:.0f} % of its field in the picture."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of either picture, or a layer of the curve."""
        if axes in (self.parts["seen"], self.parts["alone"]):
            self.put(row=row, column=column)
        elif axes is self.parts["sizes"]:
            layers = self.probe(self["network"]).layers
            self.controls["layer"].value = layers[int(np.clip(round(column), 0, len(layers) - 1))]


def _networks() -> dict[str, nn.Module | Sequence[nn.Module]]:
    from segkit.encoders import AlexNetEncoder, VGGEncoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        rates = (1, 1, 2, 4, 8, 16, 1)
        chain: list[nn.Module] = []
        for k, rate in enumerate(rates):
            chain += [nn.Conv2d(8 if k else 3, 8, 3, padding=rate, dilation=rate), nn.ReLU()]
        return {"VGG16": VGGEncoder(16, 8).features, "AlexNet": AlexNetEncoder(8).features, "dilated": chain}
