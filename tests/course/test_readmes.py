"""README.md and README.zh.md have the same commands, links, pictures and chapters, so that neither goes stale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.course.test_links import LINK, broken

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
OF_ONE_LANGUAGE = re.compile(r"README(\.zh)?\.md|course/(zh|summaries)/.*")  # links that need no partner
BLOCK = re.compile(r"```\w*\n(.*?)```", re.S)


def commands(text: str) -> set[str]:
    """All code of a page: lines of its blocks without their comments, and what stands between backticks."""
    lines = [re.sub(r"\s*#.*", "", line).rstrip() for block in BLOCK.findall(text) for line in block.splitlines()]
    return {line for line in lines if line} | {
        " ".join(c.split()) for c in re.findall(r"`([^`]+)`", BLOCK.sub("", text))
    }


def links(text: str) -> set[str]:
    return {link for link in LINK.findall(text) if not OF_ONE_LANGUAGE.fullmatch(link)}


def rows(text: str) -> list[tuple[str, str]]:
    """For each chapter of the table: its notebook and its widgets."""
    found = re.findall(r"^\| \[[^\]]*\]\((course/[^)]*\.ipynb)\) \|[^|]*\|([^|]*)\|", text, re.M)
    return [(notebook, widgets.strip()) for notebook, widgets in found]


@pytest.mark.parametrize("part", [commands, links, rows], ids=lambda f: f.__name__)
def test_both_have_the_same(part: object) -> None:
    english, chinese = part(ENGLISH), part(CHINESE)
    alone = [x for x in english if x not in chinese], [x for x in chinese if x not in english]
    assert english == chinese, f"in README.md alone: {alone[0]}; in README.zh.md alone: {alone[1]}"


def test_each_leads_to_the_other_at_its_top() -> None:
    assert "](README.zh.md)" in ENGLISH[:200] and "](README.md)" in CHINESE[:200]
    assert not broken(CHINESE, ROOT)


def test_each_chapter_has_its_row_and_its_page() -> None:
    notebooks = [f"course/{path.name}" for path in sorted((ROOT / "course").glob("*.ipynb"))]
    assert [notebook for notebook, _ in rows(CHINESE)] == notebooks, "give the chapter a row in README.zh.md"
    for notebook in notebooks:
        assert f"](course/zh/{Path(notebook).name[:2]}.md)" in CHINESE, f"{notebook}: no link to its page in Chinese"


def test_a_difference_is_found() -> None:
    text = "```\nsegkit a  # one\n```\n`segkit b`, [x](x.md)\n\n| [00 A](course/00_a.ipynb) | b | Explorer |\n"
    same = "```\nsegkit a  # 一\n```\n`segkit\nb`，[甲](x.md)、[乙](course/zh/00.md)\n\n"
    same += "| [00 甲](course/00_a.ipynb) | 乙 | Explorer | 丙 |\n"
    for part, word in ((commands, "segkit a"), (commands, "segkit b"), (links, "x.md"), (rows, "Explorer")):
        assert part(same) == part(text)
        assert part(text.replace(word, "other")) != part(text)
