"""What is done to notebooks and texts before Sphinx sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import build
import chapters
import links
import numpy as np
import pages
import pytest
import vendor
from PIL import Image
from prepare import STATIC

from tests.site.conftest import ROOT

VIEW = {"model_id": "1"}


def code(text: str, *data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    outputs = [{"output_type": "display_data", "data": d, "metadata": {}} for d in data]
    return {"cell_type": "code", "source": text, "outputs": outputs, "metadata": metadata}


def words(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": text, "metadata": {}}


FIRST = words("# 42 · Title\n\nPromise.\n\n**Minutes:** 70 to read and try, 1 to run.")
MOVED = {"image/png": "AAAA", "text/plain": "SkipExplorer(scene=0)", chapters.VIEW: VIEW}
STILL = {"image/png": "BBBB", "text/plain": "<Figure size 9x9>"}


def test_what_a_page_needs_of_a_notebook_is_there() -> None:
    """Every chapter has a title, minutes, and words for each picture; nothing in course/ changes."""
    for name in links.chapters():
        book = pages.read(name)
        before = json.dumps(book)
        assert chapters.title(book).startswith(Path(name).name[:2]) and chapters.minutes(book)
        for cell in chapters.shown(book, {}, "")["cells"]:
            if cell["cell_type"] == "code" and any(map(chapters.is_picture, cell["outputs"])):
                alt = cell["metadata"]["mystnb"]["image"]["alt"]
                assert len(alt) > 40 and not set("*$`") & set(alt), (name, alt)
        assert json.dumps(book) == before


def test_an_explorer_comes_alive_and_its_still_goes() -> None:
    book = {"cells": [FIRST, code("e", MOVED), code("e.static()", STILL), words("more")]}
    cells = chapters.shown(book, {"SkipExplorer": "<figure>alive</figure>"}, "")["cells"]
    assert [c["outputs"][0]["data"] for c in cells if c["cell_type"] == "code"] == [
        {"text/html": "<figure>alive</figure>"}
    ]
    cells = chapters.shown(book, {"OtherExplorer": ""}, "")["cells"]
    assert [len(c["outputs"]) for c in cells if c["cell_type"] == "code"] == [0, 1], "one picture of it is enough"


def test_a_still_of_something_else_stays() -> None:
    book = {"cells": [FIRST, code("e", MOVED), words("now"), code("e.controls['x'].value = 1\ne.static()", STILL)]}
    cells = chapters.shown(book, {"SkipExplorer": "alive"}, "")["cells"]
    assert len(cells) == 4 and cells[3]["outputs"]


def test_progress_bars_and_views_are_dropped() -> None:
    bar = {"text/plain": "eval: 100%|███| 3/3", chapters.VIEW: VIEW}
    cells = chapters.shown({"cells": [FIRST, code("run()", bar, {"text/plain": "3"})]}, {}, "")["cells"]
    assert [o["data"] for o in cells[1]["outputs"]] == [{"text/plain": "3"}]


def test_the_words_for_a_picture() -> None:
    """Those under it; else its caption; else its titles; an f-string says nothing of itself."""
    see = words("*What to see: the *ghost*, and $x^2$ in [blue](a.md).*\n\nNext.")

    def alt(text: str, *after: dict[str, Any]) -> str:
        cell = chapters.described([code(text, STILL), *after])[0]
        return str(cell["metadata"]["mystnb"]["image"]["alt"])

    assert alt("show(x, caption='not this')", see) == "The ghost, and x^2 in blue."
    rows = words("*What to see. Left: a dog. Right: a cat.*")
    assert alt("show(x)", rows) == "Left: a dog. Right: a cat."
    assert alt("show(x, caption='A cat.', titles=['a', 'b'])", words("Next.")) == "Figure: A cat. a; b"
    assert alt("show(x, titles=[f'{n} left', 'b'])").endswith("described in the text below")
    assert alt("e.static()") == "The explorer above as a picture; described in the text below"


def test_folded_code_and_formulas() -> None:
    folded = code("x", jupyter={"source_hidden": True})
    text = words("So\n$$a = b$$\nand inline $$c$$ stays.\n\n$$d$$")
    _, cell, formula = chapters.shown({"cells": [FIRST, folded, text]}, {}, "BAR")["cells"]
    assert cell["metadata"]["tags"] == ["hide-input"]
    assert formula["source"] == "So\n\n$$a = b$$\n\nand inline $$c$$ stays.\n\n$$d$$"
    first = chapters.shown({"cells": [FIRST]}, {}, "BAR")["cells"][0]["source"]
    assert first.startswith("# 42 · Title\n\nBAR\n\nPromise.")


def test_a_notebook_without_a_title_is_told() -> None:
    with pytest.raises(ValueError, match="expected the chapter's title"):
        chapters.title({"cells": [words("Hello")]})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {"README.md": "", "course/00_a.ipynb": "", "course/glossary.md": '<a id="void"></a>void', "LICENSE": "",
             "course/images/x.png": "", "teaching/INSTRUCTORS.md": "", "data/README.md": ""}  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("[a](00_a.ipynb)", "course/glossary.md", "[a](00_a.ipynb)"),
        ("[`a`](course/00_a.ipynb)", "README.md", "[`a`](00_a.ipynb)"),
        ("[up](../README.md)", "data/README.md", "[up](../index.md)"),
        ("![p](../course/images/x.png)", "data/README.md", "![p](../images/x.png)"),
        ("[w](glossary.md#void)", "course/00_a.ipynb", '<a class="reference internal" href="glossary.html#void">w</a>'),
        ("[w](00_a.ipynb#0.1-What-for?)", "course/glossary.md",
         '<a class="reference internal" href="00_a.html#01-what-for">w</a>'),
        ("[l](../LICENSE)", "course/glossary.md",
         '<a class="reference download" download href="downloads/LICENSE">l</a>'),
        ("[t](../teaching/INSTRUCTORS.md)", "data/README.md", "t (in the repository: `teaching/INSTRUCTORS.md`)"),
        ("[data](../data)", "course/glossary.md", "data"),
        ("`[a](b)` and\n```\n[c](d)\n```", "README.md", "`[a](b)` and\n```\n[c](d)\n```"),
        ("[x](https://example.org/y)", "README.md", "[x](https://example.org/y)"),
        ("[![p](course/images/x.png)](course/00_a.ipynb)", "README.md", "[![p](images/x.png)](00_a.ipynb)"),
    ],
)  # fmt: skip
def test_links(repository: Path, text: str, source: str, expected: str) -> None:
    link = links.Links(["README.md", *links.pages(repository)], repository)
    assert link(text, source) == expected


def test_files_that_pages_link_are_remembered(repository: Path) -> None:
    link = links.Links(links.pages(repository), repository)
    link("[l](LICENSE) ![p](course/images/x.png)", "README.md")
    assert (link.downloads, link.pictures) == ({"LICENSE"}, {"course/images/x.png"})
    with pytest.raises(ValueError, match=r"README\.md links none\.md, and there is no none\.md"):
        link("[n](none.md)", "README.md")


def test_new_pages_find_their_place_in_the_contents() -> None:
    """Nothing names the chapters: what is in the tree is in the contents, once."""
    known = ["index.md", "try.md", "course/00_a.ipynb", "course/77_z.ipynb", "course/glossary.md", "course/coverage.md",
             "course/summaries/00.md", "course/zh/00.md", "data/README.md", *pages.TITLES]  # fmt: skip
    lines = [line for line in pages.contents(known).splitlines() if line and not line.startswith(("`", ":"))]
    chapters_first = ["try", "00_a", "77_z", "assignments", "practice", "data/README"]
    assert lines == [*chapters_first, "glossary", "coverage", "brief", "README.zh"]
    assert pages.parents(known)["brief.md"][1] == ["course/summaries/00.md"]


def test_a_readme_of_another_shape_is_told() -> None:
    with pytest.raises(ValueError, match=r"README\.md has no section"):
        pages.practice("# Title\n\nWords.")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me", encoding="utf-8")
    for folder, why in ((tmp_path, "holds other things"), (ROOT / "course", "lies in the repository")):
        with pytest.raises(SystemExit, match=why):
            build.goal(folder)
    assert build.goal(ROOT / "runs/site") and build.goal(tmp_path / "new")
    (tmp_path / build.MARK).touch()
    assert build.goal(tmp_path) == tmp_path.resolve()


def test_a_missing_package_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "NEEDED", ("no_such_package", "json"))
    with pytest.raises(SystemExit, match=r"^The site was not built: missing no_such_package; install the extra `site`"):
        build.check_packages()


def test_without_npm_one_line_says_so_and_a_second_build_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendor.shutil, "which", lambda _: None)
    monkeypatch.setattr(build, "PACKAGES", tmp_path / "packages")
    with pytest.raises(vendor.NotToBeHad, match="npm is missing"):
        build.scripts(tmp_path / STATIC)
    for name, version, files, sha512 in (build.MATHJAX, build.LETTERS):
        folder = tmp_path / "packages/mathjax"
        for place in files.values():
            target = folder / place
            (target if place.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
            if not place.endswith("/"):
                target.touch()
        mark = "\n".join([f"{name}@{version}", sha512, *(f"{a} {b}" for a, b in sorted(files.items()))])
        (folder / f".{name.replace('/', '-')}").write_text(mark, encoding="utf-8")
    build.scripts(tmp_path / "again")
    assert (tmp_path / "again/mathjax/tex-chtml.js").exists() and (tmp_path / "again/site.css").exists()


def test_the_moving_picture_is_what_its_command_draws(tmp_path: Path) -> None:
    import moving

    moving.draw(tmp_path / "moving.gif")
    with Image.open(moving.FILE) as kept, Image.open(tmp_path / "moving.gif") as drawn:
        assert moving.FILE.stat().st_size < 1e6
        assert (kept.size, kept.n_frames) == (drawn.size, drawn.n_frames) == (kept.size, len(moving.MOVES))
        for number in range(kept.n_frames):
            kept.seek(number), drawn.seek(number)
            one, other = (np.asarray(p.convert("L"), dtype=float) for p in (kept, drawn))
            assert abs(one - other).mean() < 4, f"picture {number} looks different: run python site/moving.py"
