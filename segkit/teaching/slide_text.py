"""Markdown of a chapter for slides: HTML without a network, formulas as MathML, sentences counted off."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import escape

from segkit.teaching.mathml import UnknownTeX, mathml

_CODE_OR_MATH = re.compile(r"(`+)(?:.|\n)+?\1|\$\$(?P<block>(?:.|\n)+?)\$\$|(?<!\\)\$(?P<inline>[^$\n]+?)\$")
_MARK = "xMATH{}HTAMx"
_NO_END = r"(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bFig\.)(?<!\bEq\.)(?<!\bcf\.)"
_SENTENCE = re.compile(rf"(?<=[.!?]){_NO_END}[*)\"”]*\s+(?=[\w*(\"“`\[$])")


def html_of(markdown: str) -> str:
    """A piece of Markdown as HTML; links become their text, since nothing is to be fetched."""
    formulas: list[str] = []

    def keep(found: re.Match[str]) -> str:
        tex = found["block"] or found["inline"]
        if tex is None:
            return found[0]
        try:
            formulas.append(mathml(tex.strip(), display=bool(found["block"])))
        except UnknownTeX:
            formulas.append(f"<code>{escape(tex)}</code>")
        return _MARK.format(len(formulas) - 1)

    text = str(_markdown()(_CODE_OR_MATH.sub(keep, markdown)))
    text = re.sub(r"<a [^>]*>(.*?)</a>", r"\1", text, flags=re.DOTALL)
    return re.sub(r"xMATH(\d+)HTAMx", lambda found: formulas[int(found[1])], text)


@cache
def _markdown() -> Callable[[str], object]:
    try:
        import mistune
    except ImportError:
        raise ValueError(
            "slides need mistune, which comes with JupyterLab; install the course: python3 start.py"
        ) from None
    return mistune.create_markdown(escape=True, plugins=["table"])


def sentences(text: str, most: int) -> str:
    """The first sentences, as many as fit into so many characters, and one at least."""
    text = " ".join(text.split())
    ends = [found.end() for found in _SENTENCE.finditer(text)] + [len(text)]
    fit = [end for end in ends if len(plain(text[:end])) <= most]
    kept = text[: max(fit, default=ends[0])].strip()
    stars = len(re.findall(r"(?<!\*)\*(?!\*)", re.sub(r"`[^`]*`", "", kept)))
    return kept + "*" if stars % 2 and kept.startswith("*") else kept


def plain(text: str) -> str:
    """Text as it is read: no marks, links by their words."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[*`$]", "", text)


def blocks(markdown: str) -> list[str]:
    """The paragraphs, lists, tables and formulas of a cell; what is folded away in `<details>` is one block."""
    found: list[str] = []
    fence = folded = False
    for part in re.split(r"\n[ \t]*\n", markdown.strip()):
        whole = fence or folded
        fence ^= part.count("```") % 2 == 1
        folded = (folded or "<details" in part) and "</details>" not in part
        if whole or (found and re.match(r"\s+\S", part) and re.match(r"[-*\d]", found[-1])):
            found[-1] += "\n\n" + part
        else:
            found += _apart(part)
    return found


def _apart(part: str) -> list[str]:
    """A heading or a list that follows a line of text without a blank line between is a block of its own."""
    lines, found = part.split("\n"), [[]]  # type: list[str], list[list[str]]
    for line in lines:
        item = bool(re.match(r"([-*]|\d+\.) ", line))
        before = found[-1][-1] if found[-1] else ""
        was_item = bool(found[-1]) and bool(re.match(r"([-*]|\d+\.) ", found[-1][0]))
        if found[-1] and (before.startswith("#") or line.startswith("#") or (item and not was_item)):
            found.append([])
        found[-1].append(line)
    return ["\n".join(one) for one in found if one]
