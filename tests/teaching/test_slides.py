"""Slides: all of every chapter fits on 1280×720, by keyboard and without a network; rules and formulas."""

from __future__ import annotations

import re
from pathlib import Path
from xml.dom.minidom import parseString

import pytest
from playwright.sync_api import sync_playwright

from segkit.cli import main
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.chapters import chapter_paths, read_chapter
from segkit.teaching.mathml import UnknownTeX, mathml
from segkit.teaching.slide_text import _CODE_OR_MATH, blocks, html_of, sentences
from segkit.teaching.slides import slides_of, write_slides
from tests.browser.lab import CHROMIUM, FLAGS, HOW_TO_GET_CHROMIUM

LOOK = """() => slides.map((slide, i) => {
    show(i);
    const edge = slide.getBoundingClientRect(), body = slide.querySelector(".body");
    const parts = [...slide.querySelectorAll("h1, h2, p, pre, li, img, table, math")].filter(e => !e.closest("aside"));
    const over = parts.map(e => e.getBoundingClientRect()).filter(r => r.width && (r.right > edge.right + 1 ||
        r.bottom > edge.bottom + 1 || r.left < edge.left - 1 || r.top < edge.top - 1));
    const sizes = [...body.querySelectorAll("p, li, pre, td")].map(e => parseFloat(getComputedStyle(e).fontSize));
    const picture = slide.querySelector("img");
    return {number: i + 1, fits: fits(slide), over: over.length, smallest: Math.min(99, ...sizes),
            blank: !body.innerText.trim() && !picture, loaded: !picture || picture.naturalWidth > 0,
            height: picture ? picture.getBoundingClientRect().height : 999};
})"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("slides")
    assert main(["class", "slides", "--to", str(target)]) == 0
    return target


@pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_CHROMIUM)
def test_every_slide_fits_and_fetches_nothing(folder: Path) -> None:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        wrong = []
        for path in sorted(folder.iterdir()):
            page.goto(path.as_uri())
            found = page.evaluate(LOOK)
            assert len(found) > 20, path.name
            for one in found:
                good = one["fits"] and not one["over"] and one["loaded"] and not one["blank"]
                if not good or one["smallest"] < 13 or one["height"] < 250:
                    wrong.append((path.name, one))
        browser.close()
    assert not wrong, wrong
    assert all(url.startswith(("file:", "data:")) for url in asked)


@pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_CHROMIUM)
def test_the_keyboard_moves_and_shows_notes(folder: Path) -> None:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto((folder / "08_pyramids.html").as_uri())
        last = page.evaluate("slides.length")
        for key, at in (("ArrowRight", 2), (" ", 3), ("PageUp", 2), ("End", last), ("ArrowDown", last), ("Home", 1)):
            page.keyboard.press("Space" if key == " " else key)
            assert page.evaluate("at") + 1 == at, key
        page.keyboard.press("n")
        assert page.locator("#notes").is_visible() and "Minutes" in page.locator("#notes").inner_text()
        assert page.locator("#stage").bounding_box()["height"] < 0.7 * 720  # type: ignore[index]
        browser.close()


def test_a_chapter_becomes_what_a_lecture_needs() -> None:
    (path,) = [path for path in chapter_paths() if path.name.startswith("08")]
    chapter = read_chapter(path)
    slides = slides_of(chapter)
    claims = sum("claim" in cell["metadata"].get("tags", []) for cell in chapter.notebook["cells"])
    seen = sum("*What to see" in cell["source"] for cell in chapter.notebook["cells"])
    assert sum(one.kind == "claim" for one in slides) == claims
    assert sum("What to see:" in "".join(one.body) for one in slides if one.kind == "picture") == seen
    assert {one.heading for one in slides} >= {f"{k} {v}" for k, v in chapter.sections.items() if k != "8.7"}
    assert not any("Further reading" in one.heading or "Differs from" in one.heading for one in slides)
    told = "".join("".join(one.notes) for one in slides)
    assert "One group pools or samples *the last map*" in told, "what is not shown is the speaker's"
    assert all(one.body for one in slides)


@pytest.mark.parametrize(("kind", "shown"), [("skip", False), ("slide", True), ("", False)])
def test_jupyterlabs_slide_type_goes_first(kind: str, shown: bool) -> None:
    chapter = read_chapter(chapter_paths()[3])
    cell = {
        "cell_type": "code",
        "source": "planted = 1",
        "metadata": {"slideshow": {"slide_type": kind}},
        "outputs": [],
    }
    chapter.notebook["cells"].insert(5, cell)
    assert any("planted = 1" in part for one in slides_of(chapter) for part in one.body) is shown


def test_every_formula_of_the_course_is_mathml() -> None:
    count = 0
    for path in chapter_paths():
        for cell in read_chapter(path).notebook["cells"]:
            for found in _CODE_OR_MATH.finditer(cell["source"] if cell["cell_type"] == "markdown" else ""):
                if tex := found["block"] or found["inline"]:
                    parseString(mathml(tex.strip(), bool(found["block"])))
                    count += 1
    assert count > 300


@pytest.mark.parametrize(
    ("tex", "made"),
    [
        ("x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mrow><mn>2</mn></mrow></msubsup>"),
        (r"\frac{a}{b}", "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"),
        (r"a \le 1{,}000", '<mi>a</mi><mo stretchy="false">≤</mo><mn>1</mn>'),
        (r"\text{if } n", "<mtext>if&#xa0;</mtext><mi>n</mi>"),
        (
            r"\left\lfloor x \right\rfloor",
            '<mo stretchy="true">⌊</mo><mrow><mi>x</mi></mrow><mo stretchy="true">⌋</mo>',
        ),
    ],
)
def test_formulas(tex: str, made: str) -> None:
    assert made in mathml(tex)


@pytest.mark.parametrize("tex", [r"\unheardof{x}", r"\frac{a}", "{a", "a}", r"\left( a", "x^"])
def test_a_formula_that_is_none_is_named_and_shown_as_it_stands(tex: str) -> None:
    with pytest.raises(UnknownTeX):
        mathml(tex)
    assert re.search(r"<code>.*</code>", html_of(f"So ${tex}$ it is."))


def test_sentences_are_whole() -> None:
    text = "He et al. (2014) put it *there*. It has 3.5 points. *Then it ends.*"
    assert sentences(text, 40) == "He et al. (2014) put it *there*."
    assert sentences(text, 60) == "He et al. (2014) put it *there*. It has 3.5 points."
    assert sentences(text, 5) == "He et al. (2014) put it *there*."
    assert sentences("*One thing. Another.*", 12) == "*One thing.*"


def test_blocks_keep_lists_and_answers_whole() -> None:
    answer = "<details><summary>A</summary>\n\nx\n\n</details>"
    text = f"# T\nlead\n- a\n- b\n\n  more\n\n{answer}\n\nend"
    assert blocks(text) == ["# T", "lead", "- a\n- b\n\n  more", answer, "end"]


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="there is no chapter '77'; the chapters are 00, 01"):
        write_slides(["77"], tmp_path)
    with pytest.raises(NotebookError, match="there is no file"):
        write_slides([str(tmp_path / "none.ipynb")], tmp_path)
