"""A chapter as slides for a lecture, by rule: pictures with what to see, claims with their tables, one idea a slide.

What a paragraph says beyond its first sentences becomes the speaker's notes. JupyterLab's own slide type in a cell's
metadata goes before the rules: "skip" leaves a cell out, "slide" shows its code and output, "notes" makes it notes.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from segkit.files import write_bytes
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.chapters import Chapter, chapter_paths, read_chapter
from segkit.teaching.slide_page import page_html, slide_html
from segkit.teaching.slide_text import blocks, html_of, sentences

LEAD, CAPTION, POINT, CLAIM, VERDICT = (
    260,
    240,
    170,
    420,
    200,
)  # characters that are shown of a paragraph; the rest is notes
CODE_LINES, OUTPUT_LINES, ITEMS, COLUMNS = 16, 16, 6, 110
_TITLED = re.compile(r"##+ (.*)")
_WITHOUT = ("Differs from", "Further reading")  # sections that are not for a lecture


@dataclass
class Slide:
    """One slide; see `slide_html`."""

    kind: str
    heading: str = ""
    over: str = ""
    label: str = ""
    body: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Maker:
    """Goes through a chapter's cells and makes slides."""

    def __init__(self, chapter: Chapter) -> None:
        self.chapter = chapter
        self.slides: list[Slide] = []
        self.section, self.heading, self.left_out, self.claim = "", "", False, ""

    def new(self, kind: str, label: str = "") -> Slide:
        """A slide under the present heading."""
        over = f"{self.chapter.number} · {self.chapter.title}"
        heading = self.heading or self.section or self.chapter.title
        self.slides.append(Slide(kind, heading, self.section if self.heading else over, label))
        return self.slides[-1]

    def first_cell(self, text: str) -> None:
        """Title and promise; then what one can do afterwards."""
        parts = blocks(text)
        promise = next((one for one in parts if not one.startswith(("#", "**", "-"))), "")
        title = Slide("title", self.chapter.title, f"Chapter {self.chapter.number}", "", [html_of(promise)])
        title.notes = [one for one in parts if one.startswith(("**Minutes", "**Before", "The paper"))]
        goals = Slide("text", "After this chapter you can", title.heading)
        goals.body = [html_of("\n".join(f"- {one}" for one in self.chapter.objectives))]
        self.slides += [title, goals]

    def markdown(self, text: str) -> None:
        for block in blocks(text):
            if found := _TITLED.match(block):
                self.titled(found[1].strip(), block.startswith("## "))
            elif not self.left_out:
                self.block(block)

    def titled(self, title: str, section: bool) -> None:
        """A heading begins a slide."""
        self.left_out = (section and title.startswith(_WITHOUT)) or (self.left_out and not section)
        if section:
            self.section, self.heading = title, ""
        else:
            self.heading = title
        if not self.left_out:
            self.new("text")

    def block(self, block: str) -> None:
        last = self.slides[-1]
        if block.startswith("*What to see") and any(one.kind == "picture" for one in self.slides):
            self.seen(block)
        elif block.startswith("**Claim"):
            self.claim = block
        elif block.startswith("**Predict"):
            told = re.sub(r"^\*\*Predict\.?\*\*\.? ?", "", block)
            slide = self.new("predict", "Predict")
            slide.body, slide.notes = [html_of(sentences(told, CLAIM))], [block]
        elif block.startswith("$$"):
            self.place(html_of(block), block)
        elif re.match(r"\|.*\|\n\|[-| :]+\|", block):
            self.new("text").body = [html_of(block)]
        elif re.match(r"([-*]|\d+\.) ", block):
            self.points(block)
        elif last.kind == "claim" and len(last.notes) == 1 and not block.startswith(("<", "!", "```")):
            last.body.append(f'<div class="verdict">{html_of(sentences(block, VERDICT))}</div>')
            last.notes.append(block)
        elif last.kind == "text" and not last.body and not block.startswith(("<", "!", "```")):
            last.body, last.notes = [html_of(sentences(block, LEAD))], [block]
        else:
            last.notes.append(re.sub(r"</?(details|summary)>", "", block))

    def place(self, body: str, notes: str) -> None:
        """Something on the present slide if that is of text and has room, else on one of its own."""
        last = self.slides[-1]
        slide = last if last.kind == "text" and len(last.body) < 2 else self.new("text")
        slide.body.append(body)
        slide.notes.append(notes)

    def seen(self, block: str) -> None:
        """What to see goes below the last picture."""
        slide = [one for one in self.slides if one.kind == "picture"][-1]
        told = re.sub(r"^\*What to see: ?", "**What to see:** *", block)
        slide.body.append(f'<div class="caption">{html_of(sentences(told, CAPTION))}</div>')
        slide.notes.append(block)

    def points(self, block: str) -> None:
        """A list; each point by its first sentences, six to a slide."""
        items = re.split(r"\n(?=(?:[-*]|\d+\.) )", block)
        for start in range(0, len(items), ITEMS):
            shown = items[start : start + ITEMS]
            short = [re.sub(r"^((?:[-*]|\d+\.) )(.*)", lambda m: m[1] + sentences(m[2], POINT), one, flags=re.DOTALL)
                     for one in shown]  # fmt: skip
            self.place(html_of("\n".join(short)), "\n".join(shown))

    def code(self, cell: dict[str, Any], wanted: bool) -> None:
        """A picture, a claim with what it prints, a table of results, or a short function."""
        if self.left_out:
            return
        printed, pictures = _outputs(cell)
        claim = "claim" in cell["metadata"].get("tags", [])
        source = cell["source"].strip()
        if claim or self.claim:
            self.claimed(printed, claim)
        elif wanted or (_is_short(cell) and not pictures):
            slide = self.new("code")
            slide.body = [_pre(source, "code", CODE_LINES), *([_pre(printed, "output", 6)] if printed.strip() else [])]
        elif "results." in source and printed.strip():
            self.new("text").body = [_pre(printed, "output", OUTPUT_LINES)]
        for picture in pictures:
            alt = f"Figure of {self.heading or self.section or self.chapter.title}"
            self.new("picture").body = [f'<div class="picture"><img alt="{escape(alt)}" src="{picture}"></div>']

    def claimed(self, printed: str, checked: bool) -> None:
        told = re.sub(r"^\*\*Claim\*\* ?", "", self.claim)
        slide = self.new("claim", "Claim, checked by the chapter" if checked else "Claim")
        slide.body = [html_of(sentences(told, CLAIM))] if told else []
        slide.body += [_pre(printed, "output", OUTPUT_LINES)] if printed.strip() else []
        slide.notes, self.claim = [self.claim] if self.claim else [], ""


def _is_short(cell: dict[str, Any]) -> bool:
    hidden = cell["metadata"].get("jupyter", {}).get("source_hidden")
    lines = cell["source"].strip().split("\n")
    return not hidden and len(lines) <= CODE_LINES and any(re.match(r"(def|class) ", line) for line in lines)


def _outputs(cell: dict[str, Any]) -> tuple[str, list[str]]:
    """What a cell printed, and its pictures as addresses that hold them."""
    printed, pictures = "", []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        printed += "".join(output.get("text", [])) if output.get("output_type") == "stream" else ""
        if "image/png" in data:
            pictures.append("data:image/png;base64," + "".join("".join(data["image/png"]).split()))
        elif "text/plain" in data and output.get("output_type") == "execute_result":
            printed += "".join(data["text/plain"])
    return printed, pictures


def _pre(text: str, kind: str, most: int) -> str:
    lines = [part for line in text.rstrip().split("\n") for part in textwrap.wrap(
        line, COLUMNS, subsequent_indent="    ", replace_whitespace=False, drop_whitespace=False) or [""]]  # fmt: skip
    lines = lines if len(lines) <= most else [*lines[: most - 1], f"… {len(lines) - most + 1} more lines"]
    columns = max([40, *(len(line) for line in lines)])
    return f'<pre class="{kind}" style="--columns:{columns}">{escape(chr(10).join(lines))}</pre>'


def slides_of(chapter: Chapter) -> list[Slide]:
    """The slides of a chapter."""
    maker = _Maker(chapter)
    maker.first_cell(chapter.notebook["cells"][0]["source"])
    for cell in chapter.notebook["cells"][1:]:
        kind = cell["metadata"].get("slideshow", {}).get("slide_type", "")
        if kind == "skip":
            continue
        if kind == "notes" and maker.slides:
            maker.slides[-1].notes.append(cell["source"])
        elif cell["cell_type"] == "markdown":
            maker.markdown(cell["source"])
        elif cell["cell_type"] == "code":
            maker.code(cell, kind in ("slide", "subslide", "fragment"))
    return [one for one in maker.slides if one.body]


def write_slides(chapters: list[str], target: Path) -> list[tuple[Path, int]]:
    """Write target/NAME.html for each chapter; the files and how many slides each has.

    Args:
        chapters: numbers such as "08", or notebooks; empty for all of the course.
        target: a folder.

    Raises:
        NotebookError: there is no such chapter, or its first cell is not a chapter's.
    """
    paths = [_chapter(name) for name in chapters] or chapter_paths()
    written = []
    for path in paths:
        chapter = read_chapter(path)
        slides = slides_of(chapter)
        told = [slide_html(one.kind, one.label, one.over, one.heading, "".join(one.body), one.notes,
                           f"{number} of {len(slides)}") for number, one in enumerate(slides, 1)]  # fmt: skip
        page = page_html(f"{chapter.number} · {chapter.title}", told)
        written.append((write_bytes(page.encode("utf-8"), target / f"{path.stem}.html"), len(slides)))
    return written


def _chapter(name: str) -> Path:
    if name.endswith(".ipynb"):
        return Path(name)
    known = {path.name[:2]: path for path in chapter_paths()}
    if name.zfill(2) not in known:
        raise NotebookError(f"there is no chapter {name!r}; the chapters are {', '.join(known)}")
    return known[name.zfill(2)]
