"""Which file of the repository is which page of the site, and links between them.

The site has the repository's paths, but for `course/`, whose pages stand at its top. What is no page but a file becomes
a download; what teachers keep for themselves, and folders, lose the link and keep the words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
CODE_OR_LINK = re.compile(
    r"(?s:```.*?```)|(!?)\[((?:`[^`\n]*`|!\[[^\]]*\]\([^)\s]*\)|[^\[\]`])*)\]\(([^)\s]+)\)|`[^`\n]+`"
)
ANCHOR = re.compile(r'<a id="([^"]+)">')
TEACHERS = "teaching/"
DOWNLOADS = "downloads"


def chapters(root: Path = ROOT) -> list[str]:
    return [f"course/{p.name}" for p in sorted((root / "course").glob("[0-9][0-9]_*.ipynb"))]


def pages(root: Path = ROOT) -> list[str]:
    """Paths of the files that become pages under their own path."""
    groups = ["course/*.md", "course/summaries/*.md", "course/zh/*.md", "data/*.md", "cluster/README.md"]
    found = [p.relative_to(root).as_posix() for group in groups for p in sorted(root.glob(group))]
    return [*chapters(root), *found, *(p.name for p in sorted(root.glob("*.md")) if p.name != "README.md")]


def page(name: str) -> str:
    """Where the page of a file of the repository stands."""
    return "index.md" if name == "README.md" else name.removeprefix("course/")


def slug(fragment: str) -> str:
    """The name of a heading on the page, from the one that it has in JupyterLab: `1.2-What-for?` → `12-what-for`."""
    return re.sub(r"[^\w\- ]", "", fragment.lower()).replace(" ", "-")


class Links:
    """Rewrites the links of texts, and remembers the files that must lie beside the pages.

    Attributes:
        pictures, downloads: paths in the repository of what must lie beside the pages; downloads below DOWNLOADS.
    """

    def __init__(self, known: Iterable[str], root: Path = ROOT) -> None:
        self.root, self.known = root, set(known)
        self.pictures, self.downloads = set[str](), set[str]()

    def __call__(self, text: str, source: str, here: str | None = None) -> str:
        """The text of the file `source` (a path in the repository) with links for its page, or for another."""
        goal = here or page(source)

        def change(match: re.Match[str]) -> str:
            return self._one(match, source, goal) if match[3] else match[0]

        return CODE_OR_LINK.sub(change, text)

    def _one(self, match: re.Match[str], source: str, here: str) -> str:
        mark, words, link = match[1], match[0][len(match[1]) + 1 : match.start(3) - match.start() - 2], match[3]
        path, _, fragment = link.partition("#")
        if re.match(r"[a-z]+:", link):
            return match[0]
        words = words if mark else CODE_OR_LINK.sub(lambda m: self._one(m, source, here) if m[3] else m[0], words)
        target = os.path.normpath(PurePosixPath(source).parent / path) if path else source
        if target not in self.known and not (self.root / target).exists():
            raise ValueError(f"{source} links {link}, and there is no {target}: mend the link")
        if target.startswith(TEACHERS):
            return f"{words} (in the repository: `{target}`)"
        if (self.root / target).is_dir():
            return words
        relative = os.path.relpath(page(target), PurePosixPath(here).parent)
        if mark:
            self.pictures.add(target)
            return f"![{words}]({relative})"
        if target not in self.known:
            return self.download(target, words, here)
        if not fragment:
            return f"[{words}]({relative})"
        return f'<a class="reference internal" href="{self._address(relative, target, fragment)}">{words}</a>'

    def download(self, target: str, words: str, here: str) -> str:
        """A link on the page `here` to a copy of a file of the repository."""
        self.downloads.add(target)
        relative = os.path.relpath(f"{DOWNLOADS}/{target}", PurePosixPath(here).parent)
        return f'<a class="reference download" download href="{relative}">{words}</a>'

    def _address(self, relative: str, target: str, fragment: str) -> str:
        text = (self.root / target).read_text(encoding="utf-8").replace('\\"', '"')
        name = fragment if fragment in ANCHOR.findall(text) else slug(fragment)
        return f"{relative.rpartition('.')[0]}.html#{name}"
