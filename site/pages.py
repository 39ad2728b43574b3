"""Pages that are put together from several files: the start page, assignments, the practical parts of the README."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template
from typing import Any

import chapters
import links

HERE = Path(__file__).resolve().parent
ROW = re.compile(r"^\| \[[^\]]*\]\((course/[^)]+\.ipynb)\) \| ([^|]*) \| ([^|]*) \|", re.M)
STUDENT = "course/assignments/student"
TITLES = {"practice.md": "The package on its own", "assignments.md": "Assignments"}
GROUPS = {  # the contents beside the chapters: caption and what belongs to it, in order
    "Practise": ["assignments.md", "practice.md", "data/README.md", "data/", "cluster/"],
    "Look up": ["course/glossary.md", "course/", "brief.md"],
    "中文": ["README.zh.md", "course/zh/"],
}
EXERCISES = """Notebooks with exercises. A check says at once what is right, and what is wrong with which smallest
example. They need the course on your machine, where they lie in `course/assignments/student`; `segkit grade NOTEBOOK`
gives the marks."""
BRIEF = "# Each chapter in brief\n\nQuestion, idea, what was measured, what to remember: a page for each chapter.\n"
CHINESE = "# 中文\n\n每章一页的中文摘要，以及中英术语表。\n"


def read(name: str) -> Any:
    text = (links.ROOT / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".ipynb") else text


def found(pattern: str, text: str, what: str) -> re.Match[str]:
    """The first match; a README that has changed shape is told, not guessed at."""
    match = re.search(pattern, text, re.S | re.M)
    if not match:
        raise ValueError(
            f"README.md has no {what} any more: mend README.md, or site/pages.py, which takes it from there"
        )
    return match


def practice(readme: str) -> str:
    """All of the README from its first section on: the package without the notebooks."""
    body = found(r"^## .*", readme, "section (## …)")[0]
    return f"# {TITLES['practice.md']}\n\n{body}"


def assignments(link: links.Links) -> str:
    """One section for each student version, with what its first cell says and the notebook as a download."""
    parts = [f"# {TITLES['assignments.md']}", EXERCISES]
    for path in sorted((links.ROOT / STUDENT).glob("*.ipynb")):
        name = f"{STUDENT}/{path.name}"
        first = link(chapters.source(read(name)["cells"][0]), name, "assignments.md")
        head, about, *rest = first.split("\n\n")
        time = next((p for p in rest if p.startswith("About ")), "")
        inside = next((p for p in rest if p.startswith("- ")), "")
        parts += [f"## {head.lstrip('# ').removeprefix('Assignment ')}", about, time, inside,
                  link.download(name, f"Download {path.name}", "assignments.md")]  # fmt: skip
    return "\n\n".join(p for p in parts if p) + "\n"


def toctree(caption: str, names: list[str]) -> str:
    head = ["```{toctree}", *[f":caption: {caption}"] * bool(caption), ":hidden:", ""]
    return "\n".join([*head, *(links.page(n).rpartition(".")[0] for n in names), "```"])


def parents(known: list[str]) -> dict[str, tuple[str, list[str]]]:
    """Pages that many small ones stand below: their text, and which."""
    out = {}
    for page, folder, text in (("brief.md", "course/summaries/", BRIEF), ("README.zh.md", "course/zh/", CHINESE)):
        below = [n for n in known if n.startswith(folder)]
        if below:
            out[page] = (text, below)
    return out


def contents(known: list[str]) -> str:
    """The table of contents: own pages first, the chapters, the rest in groups; each page in one place."""
    below = parents(known)
    nested = {n for _, names in below.values() for n in names}
    left = [n for n in [*known, *(p for p in below if p not in known)] if n not in nested]
    lessons = [n for n in left if n.endswith(".ipynb")]
    grouped = {
        caption: list(dict.fromkeys(n for start in starts for n in left if n.startswith(start) and n not in lessons))
        for caption, starts in GROUPS.items()
    }
    grouped["The project"] = [n for n in left if "/" not in n and n != "README.zh.md" and (links.ROOT / n).exists()]
    placed = {"index.md", *lessons, *(n for names in grouped.values() for n in names)}
    trees = {"": [n for n in left if n not in placed], "Chapters": lessons, **grouped}
    return "\n\n".join(toctree(caption, names) for caption, names in trees.items() if names)


def cards(readme: str, books: dict[str, Any]) -> str:
    """The chapters as a list: title, minutes, what one builds and moves."""
    rows, lines = {m[1]: (m[2].strip(), m[3].strip()) for m in ROW.finditer(readme)}, ["{.chapter-list}"]
    for name, book in books.items():
        builds, moves = rows.get(name, ("", ""))
        time = chapters.minutes(book)
        about = [f"[{time} min]{{.minutes}}"] * bool(time) + [f"You build {builds}."] * bool(builds)
        about += [f"You move: {moves}."] * bool(moves)
        lines.append(f"- [{chapters.title(book)}]({name})\n  " + " ".join(about))
    return "\n".join(lines)


def index(known: list[str], books: dict[str, Any], template: str) -> str:
    readme = read("README.md")
    hours = sum(chapters.minutes(b) or 0 for b in books.values()) / 60
    names = [*TITLES, "course/glossary.md", "course/coverage.md", "brief.md", "data/README.md", "README.zh.md"]
    more = [n for n in names if n in known or n in parents(known)]
    first = next(iter(books))
    return Template(template).substitute(
        lead=found(r"\n\n(?![\[#!`*])(\S.*?)\n\n", readme, "first paragraph")[1],
        chinese="[中文](README.zh.md)" if "README.zh.md" in [*known, *parents(known)] else "",
        needs=found(r"^You need .*?(?=\n\n)", readme, "paragraph `You need …`")[0],
        install=found(r"^```.*?^```", readme, "code block that says how to begin")[0],
        first=first, first_title=chapters.title(books[first]),
        try_line="Or [try a network here](try.md), in the page." if "try.md" in known else "",
        total=f"About {hours:.0f} hours",
        chapters=cards(readme, books),
        more="\n".join(f"- [{heading(name, known)}]({name})" for name in more),
        toctrees=contents(known),
    )  # fmt: skip


def heading(name: str, known: list[str]) -> str:
    if name in TITLES:
        return TITLES[name]
    text = read(name) if (links.ROOT / name).exists() else parents(known)[name][0]
    return text.lstrip("# ").partition("\n")[0]
