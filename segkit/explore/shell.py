"""The thin shell around every explorer: sliders, a picture, and a line under it that says in numbers what it shows."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import torch
from matplotlib.figure import Figure

from segkit.explore.canvas import Canvas
from segkit.explore.picture import Picture

LAYOUT = {"width": "330px"}
STYLE = {"description_width": "120px"}


@contextmanager
def one_thread() -> Iterator[None]:
    """Small pictures gain nothing from a second thread, and on a busy machine wait for it at every operation."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Explorer:
    """Base class: a subclass makes its controls and canvas, then says how to compute and how to draw.

    Attributes:
        controls: sliders and menus by name; setting `.value` on one is what moving it does.
        results: what was computed for the picture that shows now.
        last: what was computed for the one before, which may stay on the canvas as a ghost; None at the start.
        picture: the picture; `.value` is a PNG file, `.x` and `.y` the point last clicked (0–1).
        caption: the line under it.
    """

    title = ""
    parts: dict[str, Any]  # what has been drawn on the canvas, by name

    def __init__(self, canvas: Canvas, clickable: bool = True) -> None:
        self.canvas = canvas
        self.controls: dict[str, Any] = {}
        self._start: dict[str, Any] = {}  # what the controls stood at when they were made
        self.picture = Picture(clickable=clickable)
        self.caption = ipywidgets.HTML()
        self.results: Any = None
        self.last: Any = None
        self._held = False
        self._last_click: tuple[float, float] | None = None  # of the last click
        self.picture.observe(self._clicked, ["x", "y"])

    # what a subclass says ------------------------------------------------------------------------------------------

    def compute(self) -> Any:
        """Results for the controls as they stand."""
        raise NotImplementedError

    def draw(self, results: Any) -> str:
        """Put results on the canvas and give the caption."""
        raise NotImplementedError

    def click(self, axes: Any, column: float, row: float) -> None:
        """Someone has clicked a point of some axes; set controls."""

    # controls ------------------------------------------------------------------------------------------------------

    def slider(self, name: str, label: str, low: int, high: int, value: int, help: str) -> ipywidgets.IntSlider:
        """A slider of whole numbers."""
        return self._add(name, ipywidgets.IntSlider, label, help, min=low, max=high, value=value)

    def share(self, name: str, label: str, value: float, help: str, high: float = 1.0) -> ipywidgets.FloatSlider:
        """A slider from 0 to 1 (or `high`)."""
        return self._add(name, ipywidgets.FloatSlider, label, help, min=0.0, max=high, step=0.05, value=value)

    def menu(self, name: str, label: str, options: Sequence[Any], value: Any, help: str) -> ipywidgets.Dropdown:
        """A menu; options are values or (label, value) pairs."""
        return self._add(name, ipywidgets.Dropdown, label, help, options=options, value=value)

    def stops(self, name: str, label: str, options: Sequence[Any], value: Any, help: str) -> ipywidgets.SelectionSlider:
        """A slider over named stops."""
        return self._add(name, ipywidgets.SelectionSlider, label, help, options=options, value=value)

    def tick(self, name: str, label: str, value: bool, help: str) -> ipywidgets.Checkbox:
        """A box to tick."""
        return self._add(name, ipywidgets.Checkbox, label, help, value=value)

    def ring(self, height: int, width: int, what: str) -> None:
        """Sliders for the row and the column of a pixel that a click sets too."""
        for name, size in (("row", height), ("column", width)):
            self.slider(name, name, 0, size - 1, size // 2, f"{name} of {what}")

    def put(self, **places: float) -> None:
        """Set sliders to the nearest whole number that they have."""
        for name, place in places.items():
            control = self.controls[name]
            control.value = min(max(round(place), control.min), control.max)

    def _add(self, name: str, kind: Callable[..., Any], label: str, help: str, **settings: Any) -> Any:
        control = kind(description=label, tooltip=help, layout=LAYOUT, style=STYLE, **settings)
        control.add_class("segkit-control")
        self.controls[name], self._start[name] = control, control.value
        control.observe(self.update, "value")
        return control

    def __getitem__(self, name: str) -> Any:
        """The value of a control."""
        return self.controls[name].value

    # the cycle -----------------------------------------------------------------------------------------------------

    def update(self, change: Any = None) -> None:
        """Compute, draw, show. A combination that cannot be is explained under the picture, which then stays."""
        if self._held:
            return
        with one_thread():
            try:
                self.last, self.results = self.results, self.compute()
            except ValueError as error:
                self.caption.value = f'<div role="alert" style="color:#a33d00">{html.escape(str(error))}</div>'
                return
            text = self.draw(self.results)
            self.picture.value = self.canvas.png()
        self.picture.alt = f"{self.title}. {text}"
        self.caption.value = f'<div aria-live="polite">{html.escape(text)}</div>'

    @contextmanager
    def together(self) -> Iterator[None]:
        """Change several controls and update once."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
        self.update()

    def reset(self, _: Any = None) -> None:
        """Put every control back to where it stood at first, and forget the ghost."""
        self.results = None
        with self.together():
            for name, value in self._start.items():
                control = self.controls[name]
                if value in [o[1] if isinstance(o, tuple) else o for o in getattr(control, "options", [value])]:
                    control.value = value

    def _clicked(self, change: Any) -> None:
        at = self.picture.x, self.picture.y
        if at == self._last_click:
            return  # the browser sends both at once, and each says so
        self._last_click, place = at, self.canvas.place(*at)
        if place is not None and not self._held:
            with self.together():
                self.click(*place)

    # display -------------------------------------------------------------------------------------------------------

    def static(self) -> Figure:
        """The picture as it stands, with its caption: for pages that do not move."""
        return self.canvas.still(self.draw(self.results))

    @property
    def widget(self) -> ipywidgets.VBox:
        """Controls, picture and caption in one box."""
        if not hasattr(self, "_box"):
            back = ipywidgets.Button(description="reset", tooltip="put every control back to where it stood at first")
            back.on_click(self.reset)
            grid = ipywidgets.Box([*self.controls.values(), back], layout={"flex_flow": "row wrap"})
            self._box = ipywidgets.VBox([grid, self.picture, self.caption])
            self._box.add_class("segkit-explorer")
        return self._box

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        still = base64.b64encode(self.picture.value).decode()  # where there is no kernel
        return {"text/plain": repr(self), "image/png": still, "application/vnd.jupyter.widget-view+json": view}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={c.value!r}' for k, c in self.controls.items())})"
