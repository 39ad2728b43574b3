"""What the pages on a chapter (course/summaries, course/zh) and the Chinese texts are checked for."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from tests.course.glossary import COURSE, Term

PARTS = {  # of a page, in order
    "summaries": ("**Question.**", "## The idea", "## Measured", "## Remember", "## Terms", "## Next"),
    "zh": ("**要回答的问题**：", "## 思路", "## 实测", "## 记住", "## 术语", "## 下一步"),
}
LENGTH = {"summaries": (240, 400), "zh": (400, 700)}  # words; Chinese characters: without the terms and the next step
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
HAN, FULL = "\u4e00-\u9fff", "，。：；！？、（）“”《》…"
WRONG = {  # in Chinese text
    "half-width punctuation beside a Chinese character": rf"[{HAN}][,;:!?.()]|[,;:!?()][{HAN}]|[{HAN}]\"|\"[{HAN}]",
    "no space between a Chinese character and a Latin letter or digit": rf"[{HAN}][A-Za-z0-9]|[A-Za-z0-9%][{HAN}]",
    "a space beside a Chinese character or full-width mark": rf"[{HAN}{FULL}] +[{HAN}{FULL}]|[{FULL}] +\w|\w +[{FULL}]",
    "a line broken within Chinese text (it shows as a space)": rf"[{HAN}{FULL}]\n(?!\d+\. )[{HAN}{FULL}A-Za-z0-9]",
}
EMPHASIS = re.compile(r"(\*\*?)([^*\n]+)\1")


def page(chapter: Path, language: str) -> Path:
    return COURSE / language / f"{chapter.name[:2]}.md"


def main_part(text: str, language: str) -> str:
    """A page without its title, links, terms and next step, and without the targets of links."""
    text = text.partition(PARTS[language][0])[2].partition(PARTS[language][4])[0]
    return re.sub(r"\]\([^)]*\)", "]", text)


def numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in NUMBER.findall(text)}


def figures(text: str) -> set[str]:
    """The numbers that somebody measured: those with decimals, and those of three digits and more."""
    return {number for number in numbers(text) if "." in number or len(number) > 2}


def stated(book: nbformat.NotebookNode) -> set[str]:
    """All numbers in a chapter's texts and outputs; its code does not count."""
    said = []
    for cell in book.cells:
        said += [cell.source] if cell.cell_type == "markdown" else []
        for output in cell.get("outputs", []):
            said += [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
    return numbers("\n".join(said))


def structure(text: str, language: str) -> list[str]:
    """Parts that are missing or out of order, and a length that is no page's."""
    places = [text.find(part) for part in PARTS[language]]
    out = [f"needs the part {part!r}" for part, at in zip(PARTS[language], places, strict=True) if at < 0]
    if not out and places != sorted(places):
        out.append(f"its parts must come in this order: {', '.join(PARTS[language])}")
    words = main_part(text, language)
    count = len(re.findall(f"[{HAN}]", words)) if language == "zh" else len(words.split())
    least, most = LENGTH[language]
    if not least <= count <= most:
        out.append(
            f"has {count} {'characters' if language == 'zh' else 'words'} before its terms, not {least} to {most}"
        )
    return out


def unknown_terms(text: str, language: str, glossary: list[Term]) -> list[str]:
    """Links to the glossary that do not carry the two names that it gives."""
    by_anchor, out = {term.anchor: term for term in glossary}, []
    found = re.findall(r"\[([^\]]+)\]\((?:\.\./)?glossary\.md#([^)]+)\)(?: ([^·\n]+)|（(.*?)）(?=、|\n|$))?", text)
    for shown, anchor, after, inside in found:
        term = by_anchor.get(anchor)
        if term is None:
            out.append(f"{anchor!r} is not in course/glossary.md")
        else:
            english, chinese = (inside, shown) if language == "zh" else (shown, after.strip())
            plain = re.sub(r" \((?:of|for) [^)]*\)", "", term.english)
            if english not in (term.english, plain) or chinese not in term.chinese:
                out.append(
                    f"{shown!r} with {after.strip() or inside!r}: the glossary has {term.english}, {term.chinese}"
                )
    return out if found else ["names no term of the glossary"]


def plain(text: str) -> str:
    """Markdown as a reader sees it: no code blocks, targets, tags or emphasis; code within a line is one letter."""
    text = re.sub(r"```.*?```|<!--.*?-->|<[^>]*>", "", text, flags=re.S)
    text = re.sub(r"`[^`]+`", "A", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\*+", "", text)


def bad_chinese(text: str) -> list[str]:
    """Breaks of the rules of punctuation and spacing, each with its place."""
    shown = plain(text)
    out = [f"{what}: {shown[max(m.start() - 8, 0) : m.end() + 8]!r}"
           for what, wrong in WRONG.items() for m in re.finditer(wrong, shown)]  # fmt: skip
    linked = re.sub(r"`[^`]+`", "A", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]*>", "", text)))
    for m in EMPHASIS.finditer(linked):  # Markdown neither opens nor closes it between a character and punctuation
        before, after, inside = linked[m.start() - 1 : m.start()], linked[m.end() : m.end() + 1], m.group(2)
        if (inside[0] in FULL and before.isalnum()) or (inside[-1] in FULL and after.isalnum()):
            out.append(f"emphasis that Markdown will not see: {m.group()!r}")
    return out
