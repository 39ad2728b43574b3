"""ReceptiveFieldExplorer: the pixels that a unit could see, and those that it looks at, on a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.analysis import receptive_field
from segkit.analysis.running import Model, as_network
from segkit.analysis.table import Table
from segkit.explore.canvas import Canvas
from segkit.explore.fields_drawing import curves, draw, drawing, mark
from segkit.explore.probe import Depth, Fields, Probe, against_depth
from segkit.explore.probe import networks as default_networks
from segkit.explore.shell import Explorer
from segkit.viz import to_picture

SIZE, STREETS, KEPT = (256, 344), 5, 6  # pixels and number of the streets; probes kept at hand
RANDOM = "random pixels"


def scenes() -> dict[str, Tensor]:
    """Street scenes, and pixels of random colours, large enough for all of VGG16's fields to lie inside."""
    from segkit.data.street import StreetScenes

    streets = StreetScenes(split="val", size=SIZE)
    found = {f"street {i + 1}": streets[i].image for i in range(STREETS)}
    return {**found, RANDOM: torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))}


class ReceptiveFieldExplorer(Explorer):
    """Choose a network, a layer and a scene, and click a pixel: what its unit could see, and what it uses.

    The theoretical field is framed in orange; the effective one, 4σ of the gradient as in `analysis.effective_field`,
    in blue. All weights are random unless you bring networks of your own.

    Args:
        networks: by name; modules or lists of layers that take the pictures. None for a VGG16 and an AlexNet of an
            eighth of the paper's width, thirteen convolutions without pooling, and a chain of dilated ones.
        pictures: 3×H×W, floating-point in 0–1: one, or several of one size by name; None for street scenes.

    Raises:
        ValueError: pictures that are not 3×H×W, or not of one size.
    """

    title = "Receptive fields"

    def __init__(
        self, networks: Mapping[str, Model] | None = None, pictures: Mapping[str, Tensor] | Tensor | None = None
    ) -> None:
        given = scenes() if pictures is None else pictures if isinstance(pictures, Mapping) else {"picture": pictures}
        shapes = {tuple(p.shape) for p in given.values()}
        if len(shapes) != 1 or any(len(shape) != 3 for shape in shapes):
            raise ValueError(
                f"ReceptiveFieldExplorer got pictures of shape {', '.join(map(str, shapes)) or 'none'}; it takes one "
                "or several of one size, 3×H×W"
            )
        self.shown = {name: to_picture(picture) for name, picture in given.items()}
        self.images = {name: (picture.float() - 0.5) / 0.25 for name, picture in given.items()}
        chosen = networks or default_networks()
        self.networks = {name: as_network(network) for name, network in chosen.items()}
        self.tables: dict[str, Table] = {}
        self.depths: dict[str, Depth] = {}
        self.probes: dict[tuple[str, str], Probe] = {}
        self._curved = ""  # the network whose curves stand in the diagram
        super().__init__(Canvas(10.4, 6.0))
        first, scene = next(iter(self.networks)), next(iter(given))
        H, W = self.shown[scene].shape[:2]
        self.parts = drawing(self.canvas, self.shown[scene])
        layers = self.depth(first).layers
        with self.together():
            self.menu("scene", "scene", list(given), scene, "the picture that the network looks at")
            self.menu("network", "network", list(self.networks), first, "the network whose units are looked at")
            deep = layers[len(layers) * 2 // 3]
            self.stops("layer", "layer", self._stops(first), deep, "from the picture to the deepest")
            self.ring(H, W, "the pixel; a click on a picture sets it")
        self.controls["network"].unobserve(self.update, "value")
        self.controls["network"].observe(self._network_changed, "value")

    def table(self, network: str) -> Table:
        """Its theoretical fields; the first time takes longer."""
        if network not in self.tables:
            self.tables[network] = receptive_field(self.networks[network], next(iter(self.images.values())).shape)
        return self.tables[network]

    def depth(self, network: str) -> Depth:
        """Both widths of all its layers; the first time takes longer."""
        if network not in self.depths:
            self.depths[network] = against_depth(self.networks[network], self.table(network))
        return self.depths[network]

    def probe(self, network: str, scene: str) -> Probe:
        """The network, run over a scene; the last few are kept."""
        found = self.probes.pop((network, scene), None)
        found = found or Probe(self.networks[network], self.images[scene], self.table(network))
        self.probes[network, scene] = found
        while len(self.probes) > KEPT:
            self.probes.pop(next(iter(self.probes)))
        return found

    def _stops(self, network: str) -> list[tuple[str, str]]:
        rows = [self.table(network)[name] for name in self.depth(network).layers]
        return [(f"{r.name} {r.kind}" if r.name.isdigit() else r.name, r.name) for r in rows]

    def _network_changed(self, change: Any) -> None:
        layers = self.depth(self["network"]).layers
        with self.together():
            control = self.controls["layer"]
            place = round(control.index / max(len(control.options) - 1, 1) * (len(layers) - 1))
            control.options = self._stops(self["network"])
            control.value = layers[place]

    def compute(self) -> Fields:
        probe = self.probe(self["network"], self["scene"])
        layer = self["layer"] if self["layer"] in probe.layers else probe.layers[-1]
        return probe.fields(layer, probe.table[layer].unit_at(self["row"], self["column"]))

    def draw(self, results: Fields) -> str:
        depth = self.depth(self["network"])
        if self._curved != self["network"]:
            self._curved = self["network"]
            curves(self.parts, depth)
            self.canvas.stale()
        draw(self.parts, self.shown[self["scene"]], results, self.last, (self["row"], self["column"]))
        mark(self.parts, results, self.last, depth.layers)
        return said(self["network"], results)

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of either picture, a column of the sum, or a layer of the diagram."""
        if axes in (self.parts["seen"], self.parts["alone"]):
            self.put(row=row, column=column)
        elif axes is self.parts["total"]:
            self.put(column=column)
        elif axes is self.parts["sizes"]:
            layers = self.depth(self["network"]).layers
            self.controls["layer"].value = layers[int(np.clip(round(column), 0, len(layers) - 1))]


def said(network: str, fields: Fields) -> str:
    """Both fields in a sentence."""
    row, (height, width) = fields.row, fields.effective.size
    if fields.theoretical is None or not height * width:
        return f"{network}, {row.name}: no pixel moves unit {fields.unit}."
    outer, shares = row.receptive_field, fields.effective.width_ratio
    text = (
        f"{network}, {row.name}, unit {fields.unit}, stride {row.stride[0]:g}. It could see {outer[0]}×{outer[1]} "
        f"pixels (orange). It looks at {height:.0f}×{width:.0f} (blue, 4σ): {100 * shares[0]:.0f} % of that height and "
        f"{100 * shares[1]:.0f} % of that width."
    )
    cut = " The border of the picture cuts the field off: compare only fields that lie inside."
    return text + cut if fields.cut else text
