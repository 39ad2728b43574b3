"""What a new thing must stand in: whatever is there stands in all of it, and what is taken out of a file is missed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from segkit import layers, models, ops
from tests.missing import KINDS, ROOT, main, missing

CHAPTERS = [path.name[:2] for path in sorted((ROOT / "course").glob("[0-9][0-9]_*.ipynb"))]
THERE = [(kind, name) for kind, names in {
    "operator": ops.__all__, "layer": layers.__all__, "model": models.available(), "chapter": CHAPTERS,
}.items() for name in names]  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), THERE, ids=[f"{kind}-{name}" for kind, name in THERE])
def test_nothing_is_missing_of_what_is_there(kind: str, name: str) -> None:
    assert not list(missing(kind, name))


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_name_that_nothing_has_everything_is_missing(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = "99" if kind == "chapter" else f"absent_{kind}"
    assert main([kind, name]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(KINDS[kind]) and all(re.match(r"[\w/*.]+: \w", line) for line in lines)


def test_one_line_less_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for files in {place.files for place in KINDS["model"]}:
        for path in ROOT.glob(files):
            (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / path.relative_to(ROOT))
    assert not list(missing("model", "enet", tmp_path))
    names = tmp_path / "segkit/names.py"
    names.write_text(names.read_text(encoding="utf-8").replace('"enet", ', ""), encoding="utf-8")
    assert list(missing("model", "enet", tmp_path)) == ["segkit/names.py: its name in MODELS"]
    assert main(["model", "enet"]) == 0 and "stands in every list" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["operator"], ["thing", "conv2d"], ["operator", "a.*"]])
def test_other_words_are_told_how(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2 and "python -m tests.missing model erfnet" in capsys.readouterr().err
