"""Files from npm: only those of the package that was looked at."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import pytest
from vendor import NotToBeHad, vendor  # of the site's own folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a shell script")


@pytest.fixture
def sha512(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An npm that knows one package, with one file; its hash."""
    data, text = io.BytesIO(), b"let x = 1;\n"
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/dist/x.js")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    (tmp_path / "x.tgz").write_bytes(data.getvalue())
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    known = f'*@offer/x@1.0.0) cp "{tmp_path}/x.tgz" x.tgz;;'
    other = "*) echo no such package >&2; exit 1;;"
    npm.write_text(
        f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\ncase "$*" in\n{known}\n{other}\nesac\n', encoding="utf-8"
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    return "sha512-" + base64.b64encode(hashlib.sha512(data.getvalue()).digest()).decode()


def test_files_are_taken_once(tmp_path: Path, sha512: str) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        vendor("@offer/x", "1.0.0", {"dist/x.js": "js/x.js"}, sha512, out)
        assert (out / "js" / "x.js").read_text(encoding="utf-8") == "let x = 1;\n"
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert len(calls) == 1 and "--ignore-scripts" in calls[0]
    (out / "js" / "x.js").unlink()
    vendor("@offer/x", "1.0.0", {"dist/x.js": "js/x.js"}, sha512, out)
    assert (out / "js" / "x.js").is_file()


def test_another_package_than_the_one_that_was_looked_at_is_refused(tmp_path: Path, sha512: str) -> None:
    with pytest.raises(ValueError, match=r"with the hash sha512-.*expected sha512-other"):
        vendor("@offer/x", "1.0.0", {"dist/x.js": "x.js"}, "sha512-other", tmp_path / "out")
    assert not (tmp_path / "out" / "x.js").exists()


def test_a_file_that_is_not_in_it_is_named(tmp_path: Path, sha512: str) -> None:
    with pytest.raises(ValueError, match=r"@offer/x@1\.0\.0 has no file dist/y\.js"):
        vendor("@offer/x", "1.0.0", {"dist/y.js": "y.js"}, sha512, tmp_path / "out")


def test_without_npm_or_a_network_it_says_so(tmp_path: Path, sha512: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotToBeHad, match="no such package"):
        vendor("@offer/x", "2.0.0", {}, sha512, tmp_path / "out")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotToBeHad, match=r"install Node\.js"):
        vendor("@offer/x", "1.0.0", {}, sha512, tmp_path / "out")
