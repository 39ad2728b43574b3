"""What a reader does on the web edition: search, follow links, take files along, and all of it with the keyboard."""

from __future__ import annotations

import filecmp
import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.site.conftest import ROOT, Visit

HIDDEN = next(p.stem for p in sorted((ROOT / "course").glob("0*.ipynb")) if "source_hidden" in p.read_text("utf-8"))


def hits(visit: Visit, words: str) -> dict[str, str]:
    """Pages and excerpts that the search field gives."""
    page = visit.go("index.html")
    page.locator(".sidebar-search").first.fill(words)
    page.locator(".sidebar-search").first.press("Enter")
    page.locator(".search-summary").get_by_text(re.compile("found|did not match")).wait_for()
    page.wait_for_function("[...document.querySelectorAll('ul.search li')].every((e) => e.querySelector('p.context'))")
    rows = page.locator("ul.search li").evaluate_all(
        "es => es.map(e => [e.querySelector('a').getAttribute('href'), e.querySelector('p.context').innerText])"
    )
    assert not visit.faults
    return {href.split("?")[0].split("#")[0]: text for href, text in rows}


@pytest.mark.parametrize(
    ("words", "name", "excerpt"),
    [
        ("checkerboard", "03_going_back_up.html", "checkerboard"),
        ("mean field", "07_dense_crf_deeplab_v1.html", "mean field"),
        ("空洞卷积", "06_atrous_convolution.html", "空洞卷积"),  # as it stands
        ("空洞", "06_atrous_convolution.html", "空洞"),  # a part of it: no space on either side
    ],
)
def test_search_finds(desktop: Visit, words: str, name: str, excerpt: str) -> None:
    found = hits(desktop, words)
    assert name in found, found
    assert excerpt in found[name].lower()


def test_search_does_not_find_what_is_not_there(desktop: Visit) -> None:
    assert not hits(desktop, "zweihundertfünfzig") and not hits(desktop, "龘龘")


def links(path: Path) -> list[str]:
    text = re.sub(r"(?s)<pre.*?</pre>|<script>.*?</script>", "", path.read_text(encoding="utf-8"))
    return re.findall(r'\b(?:href|src)="([^"]*)"', text)


def broken(site: Path) -> list[str]:
    """Links between the site's own files that lead nowhere, and addresses that begin at the top of a host."""
    ids: dict[Path, set[str]] = {}
    out = []
    for page in site.rglob("*.html"):
        for link in links(page):
            parts = urlsplit(link)
            if parts.scheme or not link or link == "#":
                continue
            target = page.parent / unquote(parts.path) if parts.path else page
            target = (target / "index.html" if target.is_dir() else target).resolve()
            if target.suffix == ".html" and target.exists() and target not in ids:
                ids[target] = set(re.findall(r'\bid="([^"]+)"', target.read_text(encoding="utf-8")))
            lost = parts.fragment and unquote(parts.fragment) not in ids.get(target, {unquote(parts.fragment)})
            if link.startswith("/") or not target.exists() or lost:
                out.append(f"{page.relative_to(site)}: {link}")
    return out


def test_links_lead_somewhere(site: Path) -> None:
    assert not broken(site)
    assert sum(len(links(page)) for page in site.rglob("*.html")) > 1000


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    text = '<a href="a.html#x"></a><a href="a.html#y"></a><a href="b.html"></a><a href="/c"></a><b id="x"></b>'
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    assert broken(tmp_path) == ["a.html: a.html#y", "a.html: b.html", "a.html: /c"]


def test_downloads_are_the_notebooks_themselves(site: Path) -> None:
    """Chapters and student versions, byte for byte, each linked from its page."""
    for path in [*sorted((ROOT / "course").glob("[0-9]*.ipynb")), *(ROOT / "course/assignments/student").glob("*")]:
        name = path.relative_to(ROOT).as_posix()
        assert filecmp.cmp(path, site / "downloads" / name, shallow=False)
        page = path.stem if "assignments" not in name else "assignments"
        assert f"downloads/{name}" in links(site / f"{page}.html")


def test_what_teachers_keep_is_not_there(site: Path) -> None:
    """No file of teaching/, no solution or hidden line of it, no answer to an experiment."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "teaching").glob("*.md"))
    answers = [row.split("|")[2].strip() for row in text.splitlines() if row.startswith("| 1 |")]
    assert len(answers) > 4 and not list(site.rglob("*teaching*"))
    for page in [*site.rglob("*.html"), *site.rglob("*.ipynb")]:
        text = page.read_text(encoding="utf-8")
        assert not [s for s in ("BEGIN SOLUTION", "BEGIN HIDDEN", *answers) if s in text], page


def test_each_chapter_says_its_minutes(site: Path, desktop: Visit) -> None:
    start = desktop.go("index.html").locator("article").inner_text()
    for path in sorted((ROOT / "course").glob("[0-9]*.ipynb")):
        minutes = re.search(r"\*\*Minutes:\*\* (\d+)", path.read_text(encoding="utf-8"))
        assert minutes, path.name
        assert f"{minutes[1]} to read" in (site / f"{path.stem}.html").read_text(encoding="utf-8")
        title = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
        assert "".join(title).splitlines()[0][2:] + f"\n{minutes[1]} min" in start


def tab_to(visit: Visit, selector: str, presses: int) -> None:
    """Press Tab until the focus is on the thing."""
    for _ in range(presses):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector} in {presses} steps")


def test_the_keyboard_alone(desktop: Visit) -> None:
    """Past the contents to the text, light, folded code, and back."""
    page = desktop.go(f"{HIDDEN}.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to content"
    page.keyboard.press("Enter")
    tab_to(desktop, "article a", 3)
    code = page.locator("details.hide").first
    assert not code.locator("pre").first.is_visible()
    tab_to(desktop, "details.hide > summary", 60)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    assert code.locator("pre").first.is_visible()
    desktop.go("index.html")
    tab_to(desktop, "button.theme-toggle", 80)
    before = page.evaluate("document.body.dataset.theme")
    page.keyboard.press("Enter")
    assert page.evaluate("document.body.dataset.theme") != before


def test_the_phones_menus_open_with_a_key_and_a_finger(phone: Visit) -> None:
    page = phone.go(f"{HIDDEN}.html")
    contents = page.get_by_role("button", name="contents")
    link = page.locator(".sidebar-tree a", has_text="Glossary")
    assert contents.get_attribute("aria-expanded") == "false"
    tab_to(phone, ".nav-overlay-icon", 6)
    page.keyboard.press("Enter")
    assert contents.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert contents.get_attribute("aria-expanded") == "false"
    contents.tap()
    link.tap()
    page.wait_for_url("**/glossary.html")
