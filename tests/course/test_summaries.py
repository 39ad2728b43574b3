"""Each chapter has a page in English and one in Chinese, whose numbers and terms are the chapter's."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.course import summaries
from tests.course.glossary import COURSE, terms
from tests.course.test_links import LINK, broken

CHAPTERS = sorted(COURSE.glob("*.ipynb"))
LANGUAGES = tuple(summaries.PARTS)
CHINESE = [*sorted((COURSE / "zh").glob("*.md")), COURSE.parent / "README.zh.md"]
ALL = [(chapter, language) for chapter in CHAPTERS for language in LANGUAGES]
each_page = pytest.mark.parametrize(("chapter", "language"), ALL, ids=[f"{c.name[:2]}-{n}" for c, n in ALL])


def read(chapter: Path, language: str) -> str:
    path = summaries.page(chapter, language)
    assert path.exists(), (
        f"{path.relative_to(COURSE.parent)} is missing: a page on {chapter.name} in "
        f"{'Chinese' if language == 'zh' else 'English'}, with the parts {', '.join(summaries.PARTS[language])} "
        "(CONTRIBUTING.md, 'A chapter')"
    )
    return path.read_text(encoding="utf-8")


@each_page
def test_a_page_has_its_parts_and_their_length(chapter: Path, language: str) -> None:
    text = read(chapter, language)
    assert text.startswith(f"# {chapter.name[:2]} · ") and not summaries.structure(text, language)


@each_page
def test_a_page_leads_to_its_chapter_and_to_the_other_language(chapter: Path, language: str) -> None:
    other = next(name for name in LANGUAGES if name != language)
    text = read(chapter, language)
    wanted = {f"../{other}/{chapter.name[:2]}.md", f"../{chapter.name}"}
    student = f"../assignments/student/ch{chapter.name[:2]}.ipynb"
    wanted |= {student} if (COURSE / language / student).exists() else set()
    assert wanted <= set(LINK.findall(text)), wanted - set(LINK.findall(text))
    assert not broken(text, COURSE / language)


@each_page
def test_every_number_is_the_chapters(chapter: Path, language: str) -> None:
    told = summaries.numbers(summaries.main_part(read(chapter, language), language))
    extra = told - summaries.stated(nbformat.read(chapter, as_version=4))
    assert not extra, (
        f"{summaries.page(chapter, language).name}: neither the chapter's text nor its outputs have {extra}"
    )


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_both_pages_tell_the_same_figures(chapter: Path) -> None:
    english, chinese = (summaries.figures(summaries.main_part(read(chapter, name), name)) for name in LANGUAGES)
    assert english == chinese, f"in English alone: {english - chinese}; in Chinese alone: {chinese - english}"


@each_page
def test_terms_carry_both_names(chapter: Path, language: str) -> None:
    glossary = terms((COURSE / "glossary.md").read_text(encoding="utf-8"))
    text = read(chapter, language)
    assert not summaries.unknown_terms(text, language, glossary)
    other = read(chapter, next(name for name in LANGUAGES if name != language))
    assert anchors(text) == anchors(other), "both pages must name the same terms"


def anchors(text: str) -> set[str]:
    return {link.partition("#")[2] for link in LINK.findall(text) if "glossary.md#" in link}


@pytest.mark.parametrize("path", CHINESE, ids=lambda p: p.name)
def test_punctuation_of_chinese_texts(path: Path) -> None:
    complaints = summaries.bad_chinese(path.read_text(encoding="utf-8"))
    assert not complaints, "\n".join(complaints)


def test_a_page_is_there_for_each_chapter_only() -> None:
    names = {chapter.name[:2] for chapter in CHAPTERS}
    for language in LANGUAGES:
        assert {path.stem for path in (COURSE / language).glob("[0-9]*.md")} == names


BAD = [
    "卷积,池化", "卷积, 池化", "卷积(stride)", "步幅:2", '他说"好"', "用CRF", "达到 62%的", "第3章", "卷 积",
    "卷积， 池化", "（ 卷积）", "第一行\n第二行", "**先猜。**再跑", "**先猜。** 再跑",
    "的**“好”**", "[卷积](a.md)CRF", "`code`是",
]  # fmt: skip
GOOD = [
    "卷积，池化", "卷积（stride）、步幅", "达到 62.0%，", "**先猜**。再跑", "用 `a, b` 调用", "[第 02 章](02.md)。",
    "- 一\n- 二", "**先猜**（再跑）", "1. 一。\n2. 二",
    "膨胀率 [1, 2, 5] 没有", "```\npython3 a.py  # 注释:a\n```", "FCN-32s、16s 和 8s",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_bad_punctuation_is_found(text: str) -> None:
    assert summaries.bad_chinese(text)


@pytest.mark.parametrize("text", GOOD)
def test_good_punctuation_passes(text: str) -> None:
    assert summaries.bad_chinese(text) == []


def test_numbers_come_from_texts_and_outputs_and_not_from_code() -> None:
    code = new_code_cell("x = 99", outputs=[new_output("stream", text="mean IoU 62.0 % of 1,228,800")])
    book = new_notebook(cells=[new_markdown_cell("within 4 px"), code])
    assert summaries.stated(book) == {"62.0", "1228800", "4"}
    assert summaries.figures("92.1 %, 1,228,800 and 2 of 100") == summaries.figures("92.1%，1228800，100 中的 2")


def test_faults_of_a_page_are_found() -> None:
    glossary = terms('| <a id="stride"></a>stride | 步幅 / 步长 | 02 | x |')
    right = "[stride](../glossary.md#stride) 步幅 · [stride](../glossary.md#stride) 步长\n"
    assert summaries.unknown_terms(right, "summaries", glossary) == []
    assert summaries.unknown_terms("[步长](glossary.md#stride)（stride）\n", "zh", glossary) == []
    for wrong in (
        "[stride](../glossary.md#stride) 跨度",
        "[step](../glossary.md#stride) 步幅",
        "[a](../glossary.md#b) 乙",
        "-",
    ):
        assert summaries.unknown_terms(wrong, "summaries", glossary), wrong
    assert summaries.unknown_terms("[步幅](glossary.md#stride)（step）\n", "zh", glossary)
    text = read(CHAPTERS[1], "summaries")
    assert summaries.structure(text.replace("## Remember", "## Keep"), "summaries")
    assert summaries.structure(text.replace("## Terms", "## Next", 1).replace("## Next", "## Terms", 2), "summaries")
    assert summaries.structure(text.replace("## Measured", "## Measured\n" + "word " * 200), "summaries")
