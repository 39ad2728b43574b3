"""The quizzes' pages in a real browser: each answer gets its sentence, the score is right, no other file is wanted."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from teaching.quizzes import make
from tests.browser.lab import CHROMIUM, FLAGS, HOW_TO_GET_CHROMIUM

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_CHROMIUM), pytest.mark.xdist_group("quiz pages")]
FILES = {path.stem: path for path in sorted(make.HERE.glob("[0-9][0-9].toml"))}
TELL = """asked => asked.map(([i, chosen]) => {
    const form = document.forms[i], boxes = [...form.querySelectorAll('input')];
    if (typeof chosen === 'string') boxes[0].value = chosen;
    else boxes.forEach((box, j) => {
        if (box.checked !== chosen.includes(j) && (box.type !== 'radio' || chosen.includes(j))) box.click(); });
    form.querySelector('button').click();
    return form.innerText; })"""


class Opened:
    """One chapter's quiz in a browser."""

    def __init__(self, page, chapter: str, folder: Path) -> None:
        self.quiz, self.page, self.asked = make.read(FILES[chapter]), page, []
        file = folder / f"{chapter}.html"
        file.write_text(make.page(self.quiz), encoding="utf-8")
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.asked.append(f"error: {error}"))
        page.goto(file.as_uri())

    def answer(self, i: int, chosen: list[int] | str) -> str:
        """Choose these choices of question i with the mouse, or write this number; give what the page says about it."""
        form = self.page.locator("form").nth(i)
        if isinstance(chosen, str):
            form.get_by_role("textbox").fill(chosen)
        else:
            boxes = form.locator("input")
            for j, (kind, checked) in enumerate(boxes.evaluate_all("all => all.map(e => [e.type, e.checked])")):
                if (j in chosen) != checked and not (kind == "radio" and j not in chosen):
                    boxes.nth(j).click()
        form.get_by_role("button", name="Check").click()
        return form.inner_text()

    def answers(self, asked: list[tuple[int, list[int] | str]]) -> list[str]:
        """The same for many, in the page itself: ten times as fast as a hand that waits for the page to stand still."""
        return self.page.evaluate(TELL, asked)

    def score(self) -> str:
        return self.page.locator("#score").inner_text() if self.page.locator("#score").is_visible() else ""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser) -> Iterator:
    opened = browser.new_page(viewport={"width": 900, "height": 700})
    yield opened
    opened.close()


def shown(text: str) -> str:
    """Markdown as the page shows it."""
    return html.unescape(re.sub(r"<[^>]+>", "", make.inline(text)))


def right_answer(question: make.Question) -> list[int] | str:
    if question.kind == "number":
        return f"{question.number}"
    return [j for j, (_, good, _) in enumerate(question.choices) if good]


@pytest.mark.parametrize("chapter", FILES)
def test_right_answers_give_the_full_score(page, chapter: str, tmp_path: Path) -> None:
    """In chapter 02, which has questions of every kind, by hand; in the others in the page itself."""
    opened = Opened(page, chapter, tmp_path)
    questions, total = opened.quiz.questions, len(opened.quiz.questions)
    if by_hand := chapter == "02":
        assert {question.kind for question in questions} == {"single", "several", "number"}
    *first, last = [(i, right_answer(question)) for i, question in enumerate(questions)]
    texts = [opened.answer(*one) for one in first] if by_hand else opened.answers(first)
    assert opened.score() == "", "no score before the last answer"
    for question, said in zip(questions, [*texts, opened.answer(*last)], strict=True):
        assert "✓ Right." in said and "✗" not in said, said
        whys = [question.why] if question.kind == "number" else [why for _, good, why in question.choices if good]
        assert all(shown(why) in said for why in whys), said
    assert f"{total} of {total}" in opened.score()
    assert len(opened.asked) == 1 and opened.asked[0].startswith("file:"), opened.asked


@pytest.mark.parametrize("chapter", FILES)
def test_every_wrong_answer_gets_its_own_sentence_and_no_point(page, chapter: str, tmp_path: Path) -> None:
    opened = Opened(page, chapter, tmp_path)
    asked: list[tuple[int, list[int] | str]] = []
    sentences = []
    for i, question in enumerate(opened.quiz.questions):
        wrong = [j for j, (_, good, _) in enumerate(question.choices) if not good]
        tries = [(f"{n}", why) for n, why in question.slips] or [([j], question.choices[j][2]) for j in wrong]
        asked += [(i, chosen) for chosen, _ in tries or [("-12345", "")]]
        sentences += [sentence for _, sentence in tries] or ["Not this number."]
    for (i, _), sentence, said in zip(asked, sentences, opened.answers(asked), strict=True):
        assert shown(sentence) in said and "✗ No." in said and "✓" not in said, said
        assert "Show the answer" in said and f"Section {opened.quiz.questions[i].section}" in said
    late = [(i, right_answer(question)) for i, question in enumerate(opened.quiz.questions)]  # these do not count
    assert all("✓ Right." in said for said in opened.answers(late))
    assert f"0 of {len(opened.quiz.questions)}" in opened.score() and "Sections to read again" in opened.score()


def test_part_of_several_is_not_enough(page, tmp_path: Path) -> None:
    opened = Opened(page, "02", tmp_path)
    i = next(i for i, q in enumerate(opened.quiz.questions) if q.kind == "several")
    right = [j for j, (_, good, _) in enumerate(opened.quiz.questions[i].choices) if good]
    assert "not all" in opened.answer(i, right[:1])


def test_numbers_as_people_write_them(page, tmp_path: Path) -> None:
    opened = Opened(page, "05", tmp_path)
    large = next(i for i, q in enumerate(opened.quiz.questions) if q.number == 172800)
    small = next(i for i, q in enumerate(opened.quiz.questions) if q.number == 0.842)
    for i, text in ((large, "172,800"), (large, "172 800"), (large, " 172800 "), (small, "0,842"), (small, ".842")):
        assert "✓ Right." in opened.answer(i, text), text
    for text in ("", "many", "1e"):
        assert "Write a number" in opened.answer(small, text)


def test_keyboard_alone(page, tmp_path: Path) -> None:
    opened = Opened(page, "04", tmp_path)
    question = opened.quiz.questions[1]
    assert question.kind == "single"
    page.locator("form").nth(1).locator("input").first.focus()
    place = [good for _, good, _ in question.choices].index(True)
    for key in ["Space"] if place == 0 else ["ArrowDown"] * place:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert "✓ Right." in page.locator("form").nth(1).inner_text()
    name = shown(question.choices[place][0])
    assert page.locator("form").nth(1).get_by_role("radio", name=name).is_checked(), "each choice is named by its text"


@pytest.mark.parametrize("chapter", FILES)
def test_fits_a_phone_in_light_and_in_dark(browser, chapter: str, tmp_path: Path) -> None:
    backs, small = {}, browser.new_page(viewport={"width": 340, "height": 640})
    Opened(small, chapter, tmp_path)
    for scheme in ("light", "dark"):
        small.emulate_media(color_scheme=scheme)
        assert small.evaluate("document.documentElement.scrollWidth") <= 340, "nothing may stick out"
        colours = "e => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]; }"
        backs[scheme], text = small.locator("body").evaluate(colours)
        assert contrast(backs[scheme], text) > 7
    small.close()
    assert backs["light"] != backs["dark"]


def contrast(a: str, b: str) -> float:
    """WCAG's ratio of two colours, "rgb(…)" as a browser writes them."""
    light = []
    for colour in (a, b):
        parts = [int(n) / 255 for n in colour[4:-1].split(",")]
        linear = [n / 12.92 if n <= 0.04045 else ((n + 0.055) / 1.055) ** 2.4 for n in parts]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(light) + 0.05) / (min(light) + 0.05)
