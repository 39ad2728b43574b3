"""Move every control of a notebook as a hand would, and see whether the picture beside it answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.browser.lab import Notebook

STOPS = (0.0, 0.35, 0.7, 1.0)  # where along its track a slider is dragged to
IDLE = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
LABEL = """e => e.alt ? e.alt.split('.')[0] :
    [...(e.closest('.widget-inline-hbox, .widget-inline-vbox') || e.parentElement)
    .querySelectorAll('.widget-label, .widget-label-basic')].map(l => l.textContent.replace('\u200b', '').trim())
    .filter(text => text).join(' ')"""


@dataclass
class Report:
    """What happened when the controls were moved."""

    moved: list[str] = field(default_factory=list)  # every control found
    silent: list[str] = field(default_factory=list)  # those that changed no picture
    stuck: list[str] = field(default_factory=list)  # sliders that the mouse does not move
    keyless: list[str] = field(default_factory=list)  # sliders that the arrow keys do not move
    nameless: int = 0  # controls without a label
    milliseconds: dict[str, list[float]] = field(default_factory=dict)  # of each drag step, by slider

    def median(self) -> float:
        """The median over all steps of all sliders, in milliseconds; NaN without a slider."""
        steps = [ms for times in self.milliseconds.values() for ms in times]
        return statistics.median(steps) if steps else float("nan")


def settled(book: Notebook) -> None:
    """Wait until the kernel has answered what was just done."""
    book.page.wait_for_timeout(60)
    book.page.wait_for_function(IDLE)
    book.page.wait_for_timeout(40)


def bring_into_view(book: Notebook, control: Any) -> None:
    """Scroll to a control until it stands still on the screen: JupyterLab scrolls too, and pictures push it down."""
    calm = 0
    for _ in range(100):
        control.evaluate("e => e.scrollIntoView({block: 'center'})")
        place = control.bounding_box()
        book.page.wait_for_timeout(100)
        height = book.page.viewport_size["height"]
        calm = calm + 1 if place and place == control.bounding_box() and 0 < place["y"] < height else 0
        if calm == 3:
            return
    raise TimeoutError(f"a control cannot be scrolled to: {control}")


def drag(book: Notebook, handle: Any) -> Iterator[float | None]:
    """Drag a slider along its track; for each change of its value the milliseconds until a new picture, or None."""
    track, box = handle.locator("xpath=ancestor::*[contains(@class,'noUi-base')]").bounding_box(), handle.bounding_box()
    y = box["y"] + box["height"] / 2
    book.page.mouse.move(box["x"] + box["width"] / 2, y)
    book.page.mouse.down()
    for stop in STOPS:
        value = handle.get_attribute("aria-valuenow")
        book.watch(handle)
        book.page.mouse.move(track["x"] + stop * track["width"], y)
        if handle.get_attribute("aria-valuenow") != value:
            took = book.seconds_to_change()
            yield None if took is None else 1000 * took
        settled(book)
    book.page.mouse.up()
    settled(book)


def press(book: Notebook, handle: Any) -> bool:
    """Whether the arrow keys alone move the slider, in at least one direction."""
    handle.focus()
    for key in ("ArrowLeft", "ArrowRight"):
        value = handle.get_attribute("aria-valuenow")
        book.page.keyboard.press(key)
        settled(book)
        if handle.get_attribute("aria-valuenow") != value:
            return True
    return False


def point(book: Notebook, picture: Any) -> Iterator[None]:
    """Click a picture here and there, drag across it, and move its point by an arrow key."""
    box, mouse = picture.bounding_box(), book.page.mouse

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    for x, y in ((0.25, 0.3), (0.6, 0.7), (0.4, 0.5)):
        mouse.click(*at(x, y))
        settled(book)
        yield
    mouse.move(*at(0.4, 0.5))
    mouse.down()
    mouse.move(*at(0.7, 0.4), steps=4)
    mouse.up()
    settled(book)
    yield
    picture.focus()
    book.page.keyboard.press("ArrowRight")
    settled(book)
    yield


def differs(book: Notebook, control: Any, before: str, patience: float) -> bool:
    """Whether a picture beside the control looks different, now or a moment later: a busy browser sends late."""
    end = time.monotonic() + patience
    while book.digests(control) == before:
        if time.monotonic() > end:
            return False
        book.page.wait_for_timeout(50)
    return True


def watch(
    book: Notebook, report: Report, kind: str, control: Any, action: Callable[[], Any], patience: float = 5.0
) -> None:
    """Do something with a control and note whether a picture in the same output differs within some seconds of it."""
    bring_into_view(book, control)
    if not control.is_enabled():  # what was moved before it has switched it off, and the browser has only now heard so
        return
    label = control.evaluate(LABEL)
    report.nameless += not label
    report.moved.append(f"{kind} {label}".strip())
    before, changed = book.digests(control), False
    for _ in action():
        changed = changed or differs(book, control, before, patience)
    if not changed:
        report.silent.append(report.moved[-1])


def move_all(book: Notebook, patience: float = 5.0) -> Report:
    """Move every visible slider (mouse, then keys), dropdown, checkbox and toggle; click pictures that take clicks.

    Args:
        patience: seconds after which a picture that has not changed is taken to be silent.
    """
    report, page = Report(), book.page

    def each(selector: str) -> Iterator[Any]:
        yield from (c for c in page.locator(selector).all() if c.is_visible() and c.is_enabled())

    def slide(handle: Any) -> Iterator[None]:
        times = report.milliseconds.setdefault(handle.evaluate(LABEL) or f"slider {len(report.moved)}", [])
        moves = 0
        for ms in drag(book, handle):
            moves += 1
            times += [] if ms is None else [ms]
            yield
        if not moves:
            report.stuck.append(report.moved[-1])
        if not press(book, handle):
            report.keyless.append(report.moved[-1])
        yield

    def click_picture(picture: Any) -> Iterator[None]:
        return point(book, picture)

    def choose(box: Any) -> Iterator[None]:
        last = box.locator("option").count() - 1
        for number in sorted({0, last // 3, 2 * last // 3, last}, reverse=True):  # four of them, ending on the first
            box.select_option(index=number)
            settled(book)
            yield

    def click(button: Any) -> Iterator[None]:
        button.click()
        settled(book)
        yield

    for kind, selector, action in (
        ("picture", "img.widget-image[tabindex='0']", click_picture),
        ("slider", ".noUi-handle", slide),
        ("dropdown", ".widget-dropdown select", choose),
        ("checkbox", ".widget-checkbox input[type=checkbox]", click),
        ("toggle", ".widget-toggle-buttons button:not(.mod-active)", click),
    ):
        for control in each(selector):
            watch(book, report, kind, control, lambda c=control, a=action: a(c), patience)  # type: ignore[misc]
    return report
