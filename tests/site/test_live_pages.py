"""Every explorer in a bare page from file://: each control moved by mouse, keys and touch, and everything answers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.lab import CHROMIUM, HOW_TO_GET_CHROMIUM
from tests.site.alive import EXPORTED, SITE, exported

import explorers  # isort: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_CHROMIUM)
written = explorers.written
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>an explorer</title>
<link rel="stylesheet" href="_static/live.css"><script defer src="_static/live.js"></script>
<style>body { margin: 1rem; max-width: 46rem; font: 16px/1.5 sans-serif }</style>"""
SEEN = """() => { const view = document.querySelector('.sk-view');
    const drawn = [...view.querySelectorAll('canvas')].map(c => c.toDataURL()).join() + view.innerHTML;
    return [drawn, document.querySelector('.sk-caption').textContent, view.getAttribute('aria-label')]; }"""
FIRST = {  # another control must make room for these, moved by this key
    "… into": ("merge", "ArrowDown"),
    "output padding": ("stride", "End"),
    "the rate": ("output stride", "ArrowRight"),
    "sharpness": ("may hear", "Home"),  # among strangers, a window hears itself alone, however soft the softmax
}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page for each explorer."""
    folder = tmp_path_factory.mktemp("explorers")
    figures = exported()
    shutil.copytree(EXPORTED / "live", folder / "_static/live")
    for name in ("live.js", "live.css"):
        shutil.copy(SITE / "static" / name, folder / "_static" / name)
    for key, figure in figures.items():
        (folder / f"{key}.html").write_text(PAGE + figure, encoding="utf-8")
    return folder


@contextmanager
def opened(browser: Browser, site: Path, key: str, **settings: Any) -> Iterator[Page]:
    """A page with one explorer; it may report no error and ask no other host for anything."""
    context = browser.new_context(**{"viewport": {"width": 900, "height": 900}, **settings})
    page, wrong = context.new_page(), list[str]()
    page.set_default_timeout(20000)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda asked: wrong.append(asked.url) if not re.match("file:|data:", asked.url) else None)
    page.on("requestfailed", lambda asked: wrong.append(f"missing: {asked.url}"))
    page.goto((site / f"{key}.html").as_uri())
    if settings.get("java_script_enabled", True):
        page.wait_for_selector("html[data-segkit-live=ready]", state="attached", timeout=60000)
    yield page
    context.close()
    assert not wrong, wrong


def at(track: Locator, share: float) -> dict[str, float]:
    """A place along a slider."""
    box = track.bounding_box()
    assert box is not None
    return {"x": 8 + share * (box["width"] - 16), "y": box["height"] / 2}


def move(page: Page, control: Locator, how: str, count: int) -> Iterator[None]:
    """Move a control here and there by mouse, keys or touch; the end of each move is a step."""
    kind = control.evaluate("e => e.type")
    if kind == "range":
        for share in (0.1, 0.9, 0.5):
            if how == "keys":
                control.press("ArrowLeft" if share == 0.9 else "ArrowRight")
            else:
                (control.tap if how == "touch" else control.click)(position=at(control, share))
            yield
    elif kind == "checkbox":
        {"keys": lambda: control.press("Space"), "touch": control.tap, "mouse": control.click}[how]()
        yield
    else:  # what a browser unfolds for a menu is not part of the page
        for index in sorted({0, count // 2, count - 1}):
            if how == "keys":
                control.press("ArrowDown" if index < count - 1 else "ArrowUp")
            else:
                control.select_option(index=index)
            yield


def changes(page: Page, moves: Iterator[None]) -> list[bool]:
    """Whether picture, caption and alternative text have changed at some step."""
    before, found = page.evaluate(SEEN), [False] * 3
    for _ in moves:
        after = page.evaluate(SEEN)
        found = [known or new for known, new in zip(found, differ(after, before), strict=True)]
    return found


def differ(now: list[str], before: list[str]) -> list[bool]:
    """Whether picture, caption and alternative text are others."""
    return [a != b for a, b in zip(now, before, strict=True)]


def controls(page: Page) -> list[tuple[str, Locator]]:
    return [(row.locator("label").inner_text(), row.locator("input, select")) for row in page.locator(".sk-row").all()]


def tried(page: Page, name: str, control: Locator, ways: tuple[str, ...]) -> None:
    """Move one control in all ways; each must show, and the control must say what it is."""
    if name in FIRST:
        page.get_by_label(FIRST[name][0], exact=True).press(FIRST[name][1])
    if control.evaluate("e => e.type == 'checkbox'"):  # something must stay ticked
        for box in page.locator("input[type=checkbox]").all():
            box.check()
    count = control.evaluate("e => e.options ? e.options.length : 0")
    for how in ways:
        assert changes(page, move(page, control, how, count)) == [True] * 3, f"{name} does not answer to {how}"
    assert control.evaluate("e => e.labels.length == 1 && e.labels[0].textContent.trim() != ''"), name
    if control.evaluate("e => e.type == 'range'"):
        assert control.get_attribute("aria-valuetext") == control.locator("+ output").inner_text()


def press(panel: Locator, touch: bool) -> Iterator[None]:
    """Click or tap a picture here and there."""
    box = panel.bounding_box()
    assert box is not None
    for x, y in ((0.2, 0.3), (0.7, 0.8), (0.45, 0.55)):
        (panel.tap if touch else panel.click)(position={"x": x * box["width"], "y": y * box["height"]})
        yield


def pointed(page: Page, touch: bool) -> None:
    """Click or tap every picture and chart here and there: at least one answers, and so do arrow keys."""
    answered = False
    for panel in page.locator(".sk-panel:not(:has(.sk-words)) .sk-stage").all():
        answered |= changes(page, press(panel, touch)) == [True] * 3
    assert answered, "no picture answers"
    view = page.locator(".sk-view")
    if view.get_attribute("tabindex") == "0":
        before = page.evaluate(SEEN)
        view.press("ArrowLeft")
        view.press("ArrowUp")
        assert differ(page.evaluate(SEEN), before) == [True] * 3


@pytest.mark.parametrize("key", explorers.EXPLORERS)
@pytest.mark.parametrize("device", ["desk", "phone"])
def test_everything_answers(site: Path, browser: Browser, key: str, device: str) -> None:
    if key not in exported():
        pytest.skip(f"nothing is recorded yet for {key}")
    touch = device == "phone"
    with opened(browser, site, key, **(PHONE if touch else {})) as page:
        start, found = page.evaluate(SEEN), controls(page)
        assert len(found) >= 2 and start[1] and start[1] in start[2]
        for name, control in found:
            tried(page, name, control, ("touch",) if touch else ("mouse", "keys"))
            page.get_by_role("button", name="Reset").click()
        pointed(page, touch)
        page.get_by_role("button", name="Reset").click()
        assert page.evaluate(SEEN) == start, "Reset does not restore the beginning"
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"the page is {wide[0]} pixels wide on {wide[1]}"


def test_without_scripts_there_is_a_still_with_words(site: Path, browser: Browser) -> None:
    (site / "all.html").write_text(PAGE + "".join(exported().values()), encoding="utf-8")
    with opened(browser, site, "all", java_script_enabled=False, viewport={"width": 390, "height": 844}) as page:
        figures = page.locator("figure.live").all()
        assert len(figures) == len(exported())
        for figure in figures:
            picture, words = figure.locator("img"), figure.locator("figcaption").inner_text()
            box, alt = picture.bounding_box(), picture.get_attribute("alt")
            assert box is not None and box["height"] > 100 and alt is not None and len(words) > 40 and words in alt
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_drawings_stay_on_white_in_the_dark(site: Path, browser: Browser) -> None:
    with opened(browser, site, "CostExplorer", color_scheme="dark") as page:
        style = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
        assert page.locator(".sk-view").evaluate(style) == ["rgb(255, 255, 255)", "rgb(34, 34, 34)"]


def test_all_is_small_and_named_by_its_content() -> None:
    files = {name for figure in exported().values() for name in re.findall(r"_static/live/([^\"]+)", figure)}
    assert files == {path.name for path in (EXPORTED / "live").iterdir() if path.name != ".made.json"}
    assert all(re.fullmatch(r"[\w-]+-[0-9a-f]{10}\.(js|webp)", name) for name in files)
    assert sum((EXPORTED / "live" / name).stat().st_size for name in files) < 12 * 2**20


def test_an_export_is_not_made_twice_and_is_the_same_when_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    make = explorers.EXPLORERS["AsppExplorer"]
    monkeypatch.setattr(explorers, "EXPLORERS", {"AsppExplorer": make})
    first = explorers.export(tmp_path / "a", "..")
    files = {path.name: path.read_bytes() for path in (tmp_path / "a/live").iterdir()}
    assert explorers.export(tmp_path / "b", "..") == first
    assert {path.name: path.read_bytes() for path in (tmp_path / "b/live").iterdir()} == files
    monkeypatch.setattr(explorers, "written", lambda key, *_: asked.append(key) or written(key, *_))
    assert explorers.export(tmp_path / "a", "..") == first and not asked
    next((tmp_path / "a/live").glob("*.webp")).unlink()
    assert explorers.export(tmp_path / "a", "..") == first and asked == ["AsppExplorer"]
