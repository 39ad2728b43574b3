"""What a new operator, layer, model or chapter still lacks in the lists that it must stand in.

python -m tests.missing operator lp_pool2d
python -m tests.missing layer LPPool2d
python -m tests.missing model erfnet
python -m tests.missing chapter 16

It looks for names in files, and imports nothing of segkit: it answers in a second, also where half is written. The
tests look closer.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Place(NamedTuple):
    """Files in one of which a pattern must stand, or that need only be there; and what to write."""

    files: str
    pattern: str
    what: str


KINDS = {
    "operator": [
        Place("segkit/ops/*.py", r"^def {n}\(", "the function"),
        Place("segkit/ops/__init__.py", r'"{n}"', "its name in __all__"),
        Place("segkit/native.py", r"^def {n}\(", "its namesake, with the same signature"),
        Place("segkit/native.py", r'"{n}"', "its name in __all__"),
        Place("tests/ops/test_*.py", r'"{n}",|\.{n}\(', "agree and grad_exact of tests/ops/cases.py"),
        Place("tests/ops/test_rejections.py", r"\.{n}\(", "a line for each thing that it refuses"),
        Place("tests/ops/test_transforms.py", r'"{n}[" ]', "its lines in CASES"),
        Place("tests/ops/test_from_scratch.py", r'"{n}": lambda', "its line in calls()"),
        Place("course/experiments/gpu_equal.py", r'\("{n}",', "its lines in OPERATORS"),
        Place("tests/campaign/*_doors.py", r'"{n}":', "its door, in MAKES"),
    ],
    "layer": [
        Place("segkit/layers/*.py", r"^(class|def) {n}\b", "the layer"),
        Place("segkit/layers/__init__.py", r'"{n}"', "its name in __all__"),
        Place("tests/*/test_*.py", r"\b{n}\b", "its lines in CASES of test_layers.py, or tests of its own"),
        Place("tests/campaign/*_doors.py", r'["\.]{n}"', "its door"),
    ],
    "model": [
        Place("segkit/models/*.py", r'@register\("{n}"', "the class, registered under its name"),
        Place("segkit/models/__init__.py", r'"{c}"', "the class's name in __all__"),
        Place("segkit/names.py", r'"{n}"', "its name in MODELS"),
        Place("tests/models/common*.py", r'Case\(\s*"{n}"', "its cases, in CASES"),
        Place("tests/models/recorded.json", r'"{n}[ "]', "its outputs: python -m tests.models.test_recorded"),
        Place("tests/models/test_*.py", r'"{n}"|\b{c}\(', "tests of its own: see CONTRIBUTING.md"),
        Place("tests/campaign/*_doors.py", r'"{c}": ', "its door, in OPTIONS"),
    ],
    "chapter": [
        Place("course/{n}_*.ipynb", "", "the notebook"),
        Place("README.md", r"^\| \[[^\]]*\]\(course/{n}_", "its row"),
        Place("README.zh.md", r"^\| \[[^\]]*\]\(course/{n}_", "its row"),
        Place("course/00_start_here.ipynb", r"\| {n} \| (Start|\[[^\]]*\]\({n}_)", "its link in the map, 0.9"),
        Place("course/summaries/{n}.md", "", "a page on it in English"),
        Place("course/zh/{n}.md", "", "a page on it in Chinese"),
        Place("course/glossary.md", r"\| {n} \|", "its terms; then python -m tests.course.glossary"),
        Place("course/coverage.md", r"\({n}_", "its statements: tags of cells, then python -m tests.course.coverage"),
        Place("tests/course/test_claims_{n}.py", "", "for each claim a test that switches its effect off"),
        Place("teaching/TERM.md", r"^\|[^|]*\|[^|]*\b{n}\b", "its week and its day"),
        Place("teaching/objectives.toml", r'^\["{n}"\]', "what teaches and checks each objective"),
        Place("teaching/OBJECTIVES.md", "^## {n} · ", "its part: python -m segkit.teaching.objectives"),
        Place("teaching/quizzes/{n}.toml", "", "its quiz"),
    ],
}  # fmt: skip


def class_of(model: str, root: Path) -> str:
    """The class that a model's name is registered for; a name that nothing has if there is none."""
    for path in sorted((root / "segkit/models").glob("*.py")):
        found = re.search(rf'@register\("{model}".*?^class (\w+)', path.read_text(encoding="utf-8"), re.DOTALL | re.M)
        if found:
            return found[1]
    return "no class"


def missing(kind: str, name: str, root: Path = ROOT) -> Iterator[str]:
    """A line for each place that lacks it."""
    words = {"n": re.escape(name), "c": class_of(name, root) if kind == "model" else ""}
    for files, pattern, what in KINDS[kind]:
        files = files.replace("{n}", name)
        texts = (path.read_text(encoding="utf-8") for path in sorted(root.glob(files)))
        for key, word in words.items():
            pattern = pattern.replace(f"{{{key}}}", word)
        if not any(re.search(pattern, text, re.MULTILINE) for text in texts):
            yield f"{files}: {what}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in KINDS or not re.fullmatch(r"\w+", arguments[1]):
        print(__doc__, file=sys.stderr)
        return 2
    lines = list(missing(*arguments))
    print(*lines or [f"{' '.join(arguments)} stands in every list; whether rightly, the tests say"], sep="\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
