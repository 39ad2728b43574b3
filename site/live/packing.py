"""What an explorer is in a page: controls and arrays that a script can read, and the still that needs none."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets
import numpy as np
import torch

from segkit.explore.shell import Explorer

TYPES = {"uint8": "u8", "uint16": "u16", "float32": "f32", "float64": "f64"}


@dataclass(frozen=True)
class Live:
    """An explorer as a chapter makes it, ready for a page.

    Args:
        explorer: as it stands in the chapter when it is shown.
        moves: the controls that the page has, by name, each with its values; None for all that the control has.
        data: what the page's script needs besides, ready for JSON.
        shared: the scripts in static/live/ that its own needs before it.
    """

    explorer: Explorer
    moves: Mapping[str, Sequence[Any] | None]
    data: dict[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ()

    @property
    def scripts(self) -> list[str]:
        """The names of its scripts in static/live/, in the order in which a page loads them."""
        return [*self.shared, type(self.explorer).__name__.removesuffix("Explorer").removesuffix("Field").lower()]

    def content(self) -> dict[str, Any]:
        """All that the page's script gets."""
        controls = [
            {"name": name, **described(self.explorer.controls[name], values)} for name, values in self.moves.items()
        ]
        return {
            "kind": type(self.explorer).__name__, "title": self.explorer.title, "controls": controls, **self.data,
        }  # fmt: skip


def described(control: Any, values: Sequence[Any] | None = None) -> dict[str, Any]:
    """A control of ipywidgets for the page: its label, its help, its values with their names, and where it stands.

    Args:
        control: a slider, a menu or a box to tick.
        values: those that the page offers; None for all.

    Raises:
        ValueError: the control stands at a value that the page does not offer.
    """
    names: list[str] | None = None
    if isinstance(control, ipywidgets.Checkbox):
        every: list[Any] = [False, True]
    elif hasattr(control, "_options_full"):
        every = [value for _, value in control._options_full]
        names = [str(label) for label, _ in control._options_full]
    elif isinstance(control, ipywidgets.FloatSlider):
        count = round((control.max - control.min) / control.step)
        every = [round(control.min + i * control.step, 6) for i in range(count + 1)]
        names = [f"{value:.2f}" for value in every]
    else:
        every = list(range(control.min, control.max + 1))
    places = [every.index(value) for value in (every if values is None else values)]
    offered = [every[place] for place in places]
    if control.value not in offered:
        raise ValueError(
            f"the control {control.description!r} stands at {control.value!r}; the page offers {offered}: add it there"
        )
    kinds = {ipywidgets.Checkbox: "tick", ipywidgets.Dropdown: "menu"}
    found = {"label": control.description, "help": control.tooltip or "", "kind": kinds.get(type(control), "range"),
             "values": offered, "start": offered.index(control.value)}  # fmt: skip
    return found if names is None else {**found, "labels": [names[place] for place in places]}


def packed(array: Any) -> dict[str, Any]:
    """An array in the form that live.js unpacks: compressed bytes, its shape, the type of its numbers."""
    given = array.numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    found = np.ascontiguousarray(given)
    if found.dtype.name not in TYPES:
        raise ValueError(f"packed got {found.dtype.name}; it takes {', '.join(TYPES)}: convert it")
    if found.dtype.byteorder == ">":
        found = found.astype(found.dtype.newbyteorder("<"))
    z = base64.b64encode(zlib.compress(found.tobytes(), 9)).decode()
    return {"z": z, "shape": list(found.shape), "type": TYPES[found.dtype.name]}
