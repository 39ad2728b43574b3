"""Links between the chapters, the glossary and the files of the course lead somewhere; the map shows what there is."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"
CHAPTERS = sorted(COURSE.glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")


def anchors(path: Path) -> list[str]:
    return re.findall(r'<a id="([^"]+)">', path.read_text(encoding="utf-8"))


def broken(source: str, folder: Path) -> list[str]:
    """Links of a text that lead nowhere; addresses on the web are not looked at."""
    out = []
    for link in LINK.findall(source):
        name, _, place = link.partition("#")
        if re.match(r"[a-z]+:", link) or not name:
            continue
        if not (folder / name).exists() or (place and place not in anchors(folder / name)):
            out.append(link)
    return out


@pytest.mark.parametrize("path", [*CHAPTERS, COURSE / "glossary.md"], ids=lambda p: p.stem)
def test_links_lead_somewhere(path: Path) -> None:
    assert not broken(text(path), path.parent)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "glossary.md").write_text('<a id="void"></a>void', encoding="utf-8")
    source = "[a](glossary.md#void) [b](glossary.md#viod) [c](99_none.ipynb) [d](https://example.org/x)"
    assert broken(source, tmp_path) == ["glossary.md#viod", "99_none.ipynb"]


def test_the_glossary_has_each_term_once_and_in_order() -> None:
    rows = [line.split("|")[1:-1] for line in text(COURSE / "glossary.md").splitlines() if "<a id=" in line]
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)
    order = [(row[2].strip(), re.sub(r"<[^>]*>", "", row[0]).strip().lower()) for row in rows]
    assert order == sorted(order), "sorted by chapter, then by alphabet"
    ids = anchors(COURSE / "glossary.md")
    assert len(ids) == len(set(ids)) == len(rows)


def test_the_map_links_the_chapters_that_exist() -> None:
    linked = {link for link in LINK.findall(text(COURSE / "00_start_here.ipynb")) if link.endswith(".ipynb")}
    assert linked == {p.name for p in CHAPTERS} - {"00_start_here.ipynb"}, "mend the map in section 0.9"
