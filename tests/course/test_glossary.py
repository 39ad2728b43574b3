"""The glossary from Chinese to English is made from the other one, sorted by pinyin, and agrees with the chapters."""

from __future__ import annotations

import re

import nbformat
import pytest

from tests.course.glossary import COURSE, Term, by_pinyin, letter, terms, turned_round

ENGLISH = (COURSE / "glossary.md").read_text(encoding="utf-8")
NAMED = re.compile(r"\(glossary\.md#([\w-]+)\)[*_\]]*\s*\(([^)]*)\)")  # a link to a term, and what follows in brackets


def test_every_row_is_read() -> None:
    assert len(terms(ENGLISH)) == ENGLISH.count("<a id=")
    assert terms('| <a id="stride"></a>stride | 步幅 / 步长 | 02 | x |') == [
        Term("stride", "stride", ("步幅", "步长"), "02")
    ]


def test_no_chinese_name_stands_for_two_terms() -> None:
    names = [name for term in terms(ENGLISH) for name in term.chinese]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})


def test_the_chinese_glossary_is_made_from_the_english_one() -> None:
    stored = (COURSE / "zh" / "glossary.md").read_text(encoding="utf-8")
    assert stored == turned_round(terms(ENGLISH)), "run python -m tests.course.glossary"


def test_names_are_sorted_by_their_sound() -> None:
    order = [
        "Dice 系数",
        "U-Net",
        "伴随算子",
        "步幅",
        "插值",
        "对照组",
        "核特征",
        "像素重组",
        "置换多面体晶格",
        "转置卷积",
    ]
    assert sorted(reversed(order), key=by_pinyin) == order
    sounds = {
        "U-Net": "西文字母开头",
        "感受野": "g",
        "弹性形变": "t",
        "调色板": "t",
        "池化": "c",
        "熵": "s",
        "重排": "c",
    }
    assert {name: letter(name) for name in sounds} == sounds
    with pytest.raises(ValueError, match="READ_AS"):
        by_pinyin("彳")


def test_each_name_leads_to_the_english_one() -> None:
    made = turned_round(
        [Term("a", "atrous convolution", ("空洞卷积", "膨胀卷积"), "06"), Term("s", "stride", ("步幅",), "02")]
    )
    rows = [line for line in made.splitlines() if line.startswith("| ") and "English" not in line]
    assert rows == [
        '| <a id="s"></a>步幅 | [stride](../glossary.md#s) | 02 |',
        '| <a id="a"></a>空洞卷积 | [atrous convolution](../glossary.md#a) | 06 |',
        "| 膨胀卷积（即[空洞卷积](#a)） | [atrous convolution](../glossary.md#a) | 06 |",
    ]


@pytest.mark.parametrize("path", sorted(COURSE.glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_names_in_a_chapter_are_in_the_glossary(path: object) -> None:
    known = {term.anchor: term.chinese for term in terms(ENGLISH)}
    text = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
    for anchor, inside in NAMED.findall(text):
        for name in re.findall(r"[\u4e00-\u9fff]+", inside):
            names = known.get(anchor, ())
            assert any(name in one for one in names), f"{name}: the glossary has {names or 'no row'} for {anchor!r}"
