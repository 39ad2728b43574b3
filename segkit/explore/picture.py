"""A picture that can be clicked, dragged over and steered with the arrow keys; it shows whatever bytes it is given."""

from __future__ import annotations

import anywidget
import traitlets

MODULE = """
function render({ model, el }) {
  const img = document.createElement("img");
  img.className = "segkit-picture widget-image";
  img.draggable = false;
  img.style.cssText = "max-width:100%;height:auto;touch-action:none;background:white";
  let url = null;
  const show = () => {
    const value = model.get("value");
    const next = URL.createObjectURL(new Blob([value.buffer ?? value], { type: "image/png" }));
    img.src = next;
    if (url) URL.revokeObjectURL(url);
    url = next;
  };
  const describe = () => {
    const active = model.get("clickable");
    img.alt = model.get("alt");
    img.tabIndex = active ? 0 : -1;
    img.style.cursor = active ? "crosshair" : "default";
    if (active) img.setAttribute("aria-description", "Click, drag or use the arrow keys to move the point.");
    for (const slider of el.closest(".segkit-explorer")?.querySelectorAll(".widget-slider") ?? [])
      slider.querySelector("[role=slider]")?.setAttribute("aria-label", slider.querySelector("label")?.textContent);
  };
  const clamp = (v) => Math.min(Math.max(v, 0), 1);
  let waiting = false;
  const send = (x, y) => {
    model.set("x", clamp(x));
    model.set("y", clamp(y));
    if (!waiting) {  // one message per frame, however fast the hand is
      waiting = true;
      requestAnimationFrame(() => { waiting = false; model.save_changes(); });
    }
  };
  const at = (event) => {
    const box = img.getBoundingClientRect();
    send((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  img.addEventListener("pointerdown", (event) => {
    if (!model.get("clickable")) return;
    img.setPointerCapture(event.pointerId);
    at(event);
  });
  img.addEventListener("pointermove", (event) => {
    if (model.get("clickable") && img.hasPointerCapture(event.pointerId)) at(event);
  });
  img.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || !model.get("clickable")) return;
    event.preventDefault();
    event.stopPropagation();
    send(model.get("x") + way[0] * model.get("step_x"), model.get("y") + way[1] * model.get("step_y"));
  });
  model.on("change:value", show);
  model.on("change:alt", describe);
  model.on("change:clickable", describe);
  el.append(img);
  show();
  describe();
  setTimeout(describe, 500);  // by then the sliders beside it are there: ipywidgets leaves them without a name
}
export default { render };
"""


class Picture(anywidget.AnyWidget):
    """PNG bytes on the page.

    Args:
        value: the PNG file.
        alt: what is to be seen in it, for those who cannot.
        clickable: whether it takes clicks, drags and arrow keys; it then can have the keyboard's focus.
        x, y: the point last clicked, 0–1 from the top left corner; observe both to follow the hand.
        step_x, step_y: how far an arrow key moves the point.
    """

    _esm = MODULE
    value = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    clickable = traitlets.Bool(False).tag(sync=True)
    x = traitlets.Float(0.5).tag(sync=True)
    y = traitlets.Float(0.5).tag(sync=True)
    step_x = traitlets.Float(0.01).tag(sync=True)
    step_y = traitlets.Float(0.01).tag(sync=True)
