"""The glossary of course/glossary.md, turned round: python -m tests.course.glossary writes course/zh/glossary.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

COURSE = Path(__file__).resolve().parents[2] / "course"
ROW = re.compile(r'\| <a id="([^"]+)"></a>([^|]+) \| ([^|]+) \| (\d\d) \|')
HAN = re.compile(r"[\u4e00-\u9fff]")
# GB 2312 has its 3,755 common characters in the order of their pinyin; these begin the letters (none: i, u and v)
FIRST = dict(zip("abcdefghjklmnopqrstwxyz", "啊芭擦搭蛾发噶哈击喀垃妈拿哦啪期然撒塌挖昔压匝", strict=True))
# what is rarer, or is read in another way than the order has it, is sorted as common characters of the same sound
READ_AS = {"熵": "商", "弹性": "谈性", "调色": "条色", "多重": "多虫", "重排": "虫排", "重组": "虫组"}
HEAD = """# 中英术语表

[英文 → 中文](../glossary.md)：同一批术语，按章节排列，并附一句话解释（英文）；点击英文名可直接跳到那一条。

按拼音排序。同一术语有几种常见译名时，各列一行，并指向本课程的写法。

<!-- Made by python -m tests.course.glossary from course/glossary.md: change that one. -->
"""


class Term(NamedTuple):
    """One row of the glossary: its anchor, the English name, the Chinese ones (the course's own first), the chapter."""

    anchor: str
    english: str
    chinese: tuple[str, ...]
    chapter: str


def terms(text: str) -> list[Term]:
    return [Term(a, e.strip(), tuple(c.split(" / ")), n) for a, e, c, n in ROW.findall(text)]


def code(character: str) -> bytes:
    return character.encode("gb2312") if HAN.match(character) else character.lower().encode()


def by_pinyin(name: str) -> list[bytes]:
    """What names are sorted by: Latin letters first, then Chinese characters by their sound."""
    for word, sound in READ_AS.items():
        name = name.replace(word, sound)
    for character in HAN.findall(name):
        if code(character) > b"\xd7\xf9":  # the last of the common ones
            raise ValueError(
                f"the order of pinyin does not know {character!r} in {name!r}: add to READ_AS in {Path(__file__).name} "
                "a common character of the same sound"
            )
    return [code(character) for character in name]


def letter(name: str) -> str:
    """Under which heading a name stands."""
    first = by_pinyin(name)[0]
    return max((key for key, start in FIRST.items() if code(start) <= first), default="西文字母开头")


def turned_round(english: list[Term]) -> str:
    """The table from Chinese to English, a section for each letter of the pinyin."""
    rows = [(name, term) for term in english for name in term.chinese]
    out, section = [HEAD], ""
    for name, term in sorted(rows, key=lambda row: (by_pinyin(row[0]), row[1].chapter)):
        if letter(name) != section:
            section = letter(name)
            out.append(f"\n## {section.upper()}\n\n| 中文 | English | 章 |\n|---|---|---|\n")
        own = term.chinese[0]
        link = f"[{own}](#{term.anchor})" if HAN.match(own) else f" [{own}](#{term.anchor})"
        shown = f'<a id="{term.anchor}"></a>{name}' if name == own else f"{name}（即{link}）"
        out.append(f"| {shown} | [{term.english}](../glossary.md#{term.anchor}) | {term.chapter} |\n")
    return "".join(out)


if __name__ == "__main__":
    source = (COURSE / "glossary.md").read_text(encoding="utf-8")
    (COURSE / "zh" / "glossary.md").write_text(turned_round(terms(source)), encoding="utf-8", newline="\n")
