"""Every page of the web edition in a real browser: whole, readable, on two screens and in both lights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from build import PACKAGES  # of the site's own folder
from vendor import NotToBeHad, vendor

from tests.site.conftest import DESKTOP, PHONE, Visit

AXE = (  # finds what a screen reader, the keyboard or weak eyes would miss
    "axe-core", "4.14.1", {"axe.min.js": "axe.min.js"},
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)  # fmt: skip
LOOK = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
PARTS = 6  # of the pages, so that processes can share them
CHECK = """async () => (await axe.run({exclude: [['mjx-container']]},
    {resultTypes: ['violations'], rules: {'color-contrast': {enabled: false}}})).violations.map(
    (v) => `${v.id}: ${v.nodes.length} times, such as ${v.nodes[0].html.slice(0, 160)} ${v.nodes[0].failureSummary}`)"""


@pytest.fixture(scope="session")
def axe() -> str:
    try:
        vendor(*AXE, PACKAGES / "axe")
    except NotToBeHad as error:
        pytest.skip(str(error))
    return (PACKAGES / "axe/axe.min.js").read_text(encoding="utf-8")


def names(site: Path) -> list[str]:
    return sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html") if "downloads" not in p.parts)


def look(visit: Visit, name: str, axe: str) -> list[str]:
    """All faults of a page: in the dark on a phone, then by daylight on a wide screen."""
    visit.page.emulate_media(color_scheme="dark"), visit.page.set_viewport_size(PHONE)
    page = visit.go(name)
    page.evaluate(LOOK)
    found = page.evaluate("segkitLook()")
    page.emulate_media(color_scheme="light"), page.set_viewport_size(DESKTOP)
    found += page.evaluate("segkitLook()")
    page.evaluate(axe)
    found += [f"axe: {text}" for text in page.evaluate(CHECK)]
    return [f"{name}: {text}" for text in dict.fromkeys([*visit.faults, *found])]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page(site: Path, axe: str, phone: Visit, part: int) -> None:
    pages = names(site)
    assert len(pages) > 15
    faults = [fault for name in pages[part::PARTS] for fault in look(phone, name, axe)]
    assert not faults, "\n".join(faults)


def test_faults_are_found(axe: str, phone: Visit) -> None:
    """A page that has one of each."""
    bad = """<html><head><title>x</title></head><body style="background:#fff">
    <p style="color:#aaa">pale words on white</p>
    <img src="none.png"><div style="width:900px">wide</div><span class="math">x</span><article><p>$$y$$</p></article>
    <script src="https://example.invalid/x.js"></script><script>throw Error("oops")</script></body></html>"""
    phone.page.route("**/bad.html", lambda route: route.fulfill(body=bad, content_type="text/html; charset=utf-8"))
    said = "\n".join(look(phone, "bad.html", axe))
    for sign in ("pixels wide", "0 headings", "not set", "without words", "do not load", "unread marks", "another host",
                 "script: ", "404: ", "pale: rgb(170, 170, 170) at 2.32", "axe: image-alt"):  # fmt: skip
        assert sign in said, f"{sign!r} was not found:\n{said}"


def way(site: Path, link: str, page: str) -> list[str]:
    """The pages to which a link at the bottom of each leads, one after the other."""
    out: list[str] = []
    while True:
        found = re.search(rf'<a class="{link}" href="([^"]+)"', (site / page).read_text(encoding="utf-8"))
        if not found or len(out) > 1000:
            return out
        page = (site / page).parent.joinpath(found[1]).resolve().relative_to(site.resolve()).as_posix()
        out.append(page)


def test_previous_and_next_lead_through_all_pages(site: Path, desktop: Visit) -> None:
    """From the start page to the last and back, each page once, chapters in order."""
    there = ["index.html", *way(site, "next-page", "index.html")]
    assert [there[-1], *way(site, "prev-page", there[-1])] == there[::-1]
    assert sorted(there) == sorted(set(names(site)) - {"search.html"})
    chapters = [name for name in there if re.match(r"\d\d_", name)]
    assert chapters == sorted(chapters) and there[1].startswith(("00_", "try"))
    page = desktop.go("index.html")
    page.locator(".next-page").click()
    page.wait_for_url(f"**/{there[1]}")
    page.locator(".prev-page").click()
    page.wait_for_url("**/index.html")


def colours(visit: Visit) -> Any:
    return visit.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )


def test_dark_and_light(desktop: Visit, phone: Visit) -> None:
    """As the system says, and as the reader says: the choice stays for the next page."""
    desktop.go("glossary.html"), phone.go("glossary.html")
    light, dark = colours(desktop), colours(phone)
    assert light == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"] and light != dark
    toggle = desktop.page.get_by_role("button", name=re.compile("color theme")).first
    for _ in range(3):
        if desktop.page.evaluate("document.body.dataset.theme") == "dark":
            break
        toggle.click()
    assert colours(desktop) == dark
    desktop.go("index.html")
    assert colours(desktop) == dark
