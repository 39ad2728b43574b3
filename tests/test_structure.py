"""Imports point downwards only: no room of the house knows those above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GROUND = {"checks", "typed", "files", "kinds", "labels", "memory", "pictures", "components", "names", "shapes"}
CHAIN = ["ops", "native", "engine", "layers", "encoders", "heads", "models"]
BESIDE = {"metrics", "viz", "data"}  # these know nothing of the chain, but data and labels
MAY_IMPORT = {
    "checks": set(),
    "names": set(),
    "kinds": set(),
    "typed": {"checks"},
    "files": {"checks"},
    "labels": {"checks"},
    "memory": set(),
    "shapes": set(),
    "pictures": {"checks"},
    "components": {"checks", "labels", "typed"},
    **{room: GROUND | set(CHAIN[:i]) for i, room in enumerate(CHAIN)},
    "engine": {"ops", "native", "__init__"},  # it asks the package for ops or native when they are first needed
    "metrics": GROUND,
    "data": GROUND,
    "viz": {*GROUND, "data"},
    "crf": {*GROUND, "ops", "metrics"},
    "training": GROUND | BESIDE | set(CHAIN),
    "inference": GROUND | set(CHAIN),
    "analysis": GROUND | BESIDE | {*CHAIN, "training", "inference"},
    "search": GROUND | BESIDE | {*CHAIN, "training", "inference", "analysis"},
    "explore": GROUND | BESIDE | {*CHAIN, "training", "inference", "crf", "analysis"},
    "grading": GROUND | {"data", "models", "analysis"},  # it measures anew what a report says of the shipped networks
    "teaching": {*GROUND, "grading"},
    "cli": GROUND
    | BESIDE
    | {*CHAIN, "training", "inference", "crf", "analysis", "grading", "teaching", "explore", "__init__"},
    "__main__": {"cli"},
    "__init__": {"engine"},
}


def imports(text: str) -> set[str]:
    """The rooms of segkit that a file imports, at its top or later; `import segkit` alone is the room __init__."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "segkit" else [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        found |= {[*name.split("."), "__init__"][1] for name in names if name.split(".")[0] == "segkit"}
    return found


def rooms() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "segkit").rglob("*.py")):
        room = path.relative_to(ROOT / "segkit").parts[0].removesuffix(".py")
        command = (
            path.name == "__main__.py" and room != "__main__"
        )  # what is run by itself stands with the command line
        found.setdefault("cli" if command else room, []).append(path)
    return found


@pytest.mark.parametrize("room", rooms())
def test_no_import_points_upwards(room: str) -> None:
    assert room in MAY_IMPORT, f"segkit/{room} is new: say in MAY_IMPORT what stands below it"
    upward = {
        f"{path.relative_to(ROOT)}: {other}"
        for path in rooms()[room]
        for other in imports(path.read_text(encoding="utf-8")) - {room} - MAY_IMPORT[room]
    }
    assert not upward, upward


def test_an_import_is_found_wherever_it_stands() -> None:
    text = "import segkit\nimport segkit.ops.patches\ndef f():\n    from segkit.models import create\n"
    assert imports(text) == {"__init__", "ops", "models"}
    assert imports("from segkit import data, viz\nfrom segkit.layers.conv import Conv2d\nimport torch") == {
        "data", "viz", "layers",
    }  # fmt: skip


def test_functions_fit_on_a_screen() -> None:
    """At most 40 lines, its docstring and its signature left out."""
    long = {}
    for path in (ROOT / "segkit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
                if lines > 40:
                    long[f"{path.relative_to(ROOT)}: {node.name}"] = lines
    assert not long, long
