"""The repository as a source folder for Sphinx: pages, pictures, downloads. Nothing in it changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chapters
import links
import pages

SITE = Path(__file__).resolve().parent
STATIC, EXTRA = "_static", "_extra"  # copied beside the pages as they are: what pages load, what readers take along


def bar(name: str, link: links.Links, pdf: bool) -> str:
    """The line under a chapter's title: what can be taken along, and the chapter on one page."""
    stem = Path(name).stem
    exercises = f"{pages.STUDENT}/ch{stem[:2]}.ipynb"
    parts = [link.download(name, "Download notebook", links.page(name))]
    if (links.ROOT / exercises).exists():
        parts.append(link.download(exercises, "Exercises", links.page(name)))
    for words, folder in (("In brief", "summaries"), ("中文", "zh")):
        if (links.ROOT / f"course/{folder}/{stem[:2]}.md").exists():
            parts.append(f"[{words}]({folder}/{stem[:2]}.md)")
    if pdf:
        parts.append(f'<a href="pdf/{stem}.pdf" type="application/pdf">PDF</a>')
    return "{.chapter-bar}\n" + " · ".join(parts)


def put(out: Path, name: str, content: str | dict[str, Any]) -> None:
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


def notebooks(out: Path, link: links.Links, live: Mapping[str, str], pdf: bool) -> dict[str, Any]:
    """Write the chapters and their downloads; give the books as they stand in the repository."""
    books = {name: pages.read(name) for name in links.chapters()}
    for name, book in books.items():
        number = Path(name).name[:2]
        here = {key.removeprefix(f"{number} "): html for key, html in live.items()}  # some are made for one chapter
        page = chapters.shown(book, here, bar(name, link, pdf))
        for cell in page["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = link(chapters.source(cell), name)
        put(out, links.page(name), page)
    return books


def prepare(out: Path, live: Mapping[str, str], pdf: bool = False) -> None:
    """Fill an empty folder; `live` holds each explorer's HTML by its class, `pdf` says whether PDFs will be made."""
    own = [p.name for p in sorted((SITE / "pages").glob("*.md"))]
    known = [*own, *links.pages(), *pages.TITLES]
    link = links.Links(["README.md", *known, *pages.parents(known)])
    books = notebooks(out, link, live, pdf)
    for name in links.pages():
        if name.endswith(".md"):
            put(out, links.page(name), link(pages.read(name), name))
    for name in own:
        text = (SITE / "pages" / name).read_text(encoding="utf-8")
        text = (
            link(pages.index(known, books, text), "README.md") if name == "index.md" else link(text, f"course/{name}")
        )
        put(out, name, text)
    put(out, "practice.md", link(pages.practice(pages.read("README.md")), "README.md", "practice.md"))
    put(out, "assignments.md", pages.assignments(link))
    for name, (text, below) in pages.parents(known).items():
        before = (out / name).read_text(encoding="utf-8") if (out / name).exists() else text
        put(out, name, before + "\n\n" + pages.toctree("", below))
    taken = [(name, f"{EXTRA}/{links.DOWNLOADS}/{name}") for name in link.downloads]
    for name, place in [*taken, *((name, links.page(name)) for name in link.pictures)]:
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(links.ROOT / name, out / place)
