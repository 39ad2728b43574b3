"""Versions that agree, the command that tags one, links to hosted notebooks, and the check of links to other hosts."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import hosted, outside, release

ROOT = Path(__file__).resolve().parents[1]


def test_every_file_names_the_same_version() -> None:
    files = release.named(ROOT)
    assert len({version for version, _ in files.values()}) == 1, files
    assert files["CITATION.cff"][1] == files["CHANGELOG.md"][1], "both name the day of the release, or neither"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the three files, as they are for the release 1.2.3."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n', encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text('version: 1.2.3\ndate-released: "2030-04-05"\n', encoding="utf-8")
    changes = "# Changes\n\n## [Unreleased]\n\n## [1.2.3] - 2030-04-05\n- Much.\n\n## [1.2.2] - 2030-01-01\n"
    (tmp_path / "CHANGELOG.md").write_text(changes, encoding="utf-8")
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    for words in (["init", "-q"], ["config", "user.name", "A"], ["config", "user.email", "a@example.org"],
                  ["add", "."], ["commit", "-q", "-m", "all"]):  # fmt: skip
        release.git(tmp_path, *words)
    return tmp_path


def test_a_release_is_tagged_once_and_nothing_is_pushed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--check", "v1.2.3"], checkout) == 0 and not release.git(checkout, "tag")
    assert release.main(["1.2.3"], checkout) == 0
    assert release.git(checkout, "tag") == "v1.2.3" and "git push origin v1.2.3" in capsys.readouterr().out
    assert release.main(["1.2.3"], checkout) == 1
    assert "the tag v1.2.3 is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("pyproject.toml", "1.2.3", "1.2.2", "pyproject.toml says 1.2.2, not 1.2.3"),
        ("CITATION.cff", "version: 1.2.3\n", "", "CITATION.cff says no version, not 1.2.3"),
        ("CITATION.cff", "04-05", "04-06", "CITATION.cff says date-released: 2030-04-06, CHANGELOG.md 2030-04-05"),
        (
            "CHANGELOG.md",
            "[1.2.3] - 2030-04-05",
            "[1.2.3] - unreleased",
            "CHANGELOG.md names no day: ## [1.2.3] - ",
        ),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n- More.\n", "still has changes under [Unreleased]"),
        ("CHANGELOG.md", "## [1.2.3] - 2030-04-05\n- Much.\n", "", "CHANGELOG.md says 1.2.2, not 1.2.3"),
    ],
)
def test_what_does_not_agree_is_not_released(
    checkout: Path, capsys: pytest.CaptureFixture[str], file: str, before: str, after: str, words: str
) -> None:
    text = (checkout / file).read_text(encoding="utf-8")
    assert before in text
    (checkout / file).write_text(text.replace(before, after), encoding="utf-8")
    assert release.main(["1.2.3"], checkout) == 1
    said = capsys.readouterr().err
    assert f"not released: {words}" in said.replace("CHANGELOG.md still", "still") and "not committed" in said
    assert not release.git(checkout, "tag")


def test_what_is_no_version(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["1.2"], checkout) == 1 and "three numbers, for example 0.2.0" in capsys.readouterr().err
    assert release.main([], checkout) == 2


def test_hosted_links_of_every_chapter_are_written_between_the_marks(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    for name in ("00_one.ipynb", "01_two.ipynb"):
        (tmp_path / "course" / name).touch()
    readme = tmp_path / "README.md"
    shutil.copy(ROOT / "README.md", readme)
    bare = readme.read_text(encoding="utf-8")
    assert hosted.main(["anna/course", "next"], tmp_path) == hosted.main(["anna/course"], tmp_path) == 0
    text = readme.read_text(encoding="utf-8")
    assert "[01](https://colab.research.google.com/github/anna/course/blob/main/course/01_two.ipynb)" in text
    assert "https://mybinder.org/v2/gh/anna/course/main?urlpath=lab/tree/course/00_one.ipynb" in text
    assert '-b main https://github.com/anna/course && pip install -q -e "course[course]"' in text
    assert "/next/" not in text, "new links for old"
    before, _, after = bare.partition(hosted.BEGIN + hosted.END)
    assert after and text.startswith(before) and text.endswith(after), "and nothing else is changed"


def test_hosted_links_need_an_address_and_a_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hosted.main([], ROOT) == hosted.main(["https://github.com/a/b"], ROOT) == 2
    assert "OWNER/NAME is needed" in capsys.readouterr().err
    (tmp_path / "course").mkdir()
    (tmp_path / "course/00_one.ipynb").touch()
    (tmp_path / "README.md").write_text("# no marks\n", encoding="utf-8")
    assert hosted.main(["a/b"], tmp_path) == 1 and "<!-- hosted -->" in capsys.readouterr().err


@pytest.fixture
def host() -> Iterator[str]:
    """A server on this machine: /fine is there, /guarded refuses, everything else is gone."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/fine": 200, "/guarded": 403}.get(self.path, 404))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_links_that_are_gone_are_told(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert outside.answer(f"{host}/fine") == outside.answer(f"{host}/guarded") == ""
    assert outside.answer(f"{host}/gone").startswith("404")
    assert "Error" in outside.answer(host.replace("http", "odd"))


def test_links_are_found_in_texts_and_cells_and_not_in_outputs(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "See [one](https://a.org/x_(y)), <https://b.org/#part>. `https://c.org/z`; http://localhost:8888/ and\n"
        "https://github.com/OWNER/NAME, https://d.example/ (https://e.org/q?a=1&b=2).\n", encoding="utf-8",
    )  # fmt: skip
    cell = {"source": ["https://a.org/x_(y)\n", "text"], "outputs": [{"text": "https://hidden.org"}]}
    (tmp_path / "b.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    assert outside.links([tmp_path / "a.md", tmp_path / "b.ipynb"]) == {
        "https://a.org/x_(y)": ["a.md", "b.ipynb"],
        "https://b.org/": ["a.md"],
        "https://c.org/z": ["a.md"],
        "https://e.org/q?a=1&b=2": ["a.md"],
    }


def test_links_fail_the_command_where_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outside, "answer", lambda link: "404 gone" if "bad" in link else "")
    (tmp_path / "a.md").write_text("https://good.org https://bad.org", encoding="utf-8")
    assert outside.main([str(tmp_path / "a.md")]) == 1
    assert "https://bad.org\n    404 gone; in a.md\n2 links, 1 broken" in capsys.readouterr().out
    (tmp_path / "a.md").write_text("https://good.org", encoding="utf-8")
    assert outside.main([str(tmp_path / "a.md")]) == 0
