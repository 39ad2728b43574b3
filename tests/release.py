"""A version that every file names alike, and its tag: python3 start.py release VERSION.

With --check it only compares, as the workflow that publishes does. It pushes nothing: git push origin vVERSION does.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def named(root: Path) -> dict[str, tuple[str, str]]:
    """The version and the day of its release ("" where none is named), by file."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^(version|date-released): *[\"']?([^\"'\s]+)", citation, re.MULTILINE))
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^\]]*)\] - (\S+)", changes, re.MULTILINE)
    day = newest[2] if newest and re.fullmatch(r"\d{4}-\d\d-\d\d", newest[2]) else ""
    return {
        "pyproject.toml": (project["version"], ""),
        "CITATION.cff": (fields.get("version", ""), fields.get("date-released", "")),
        "CHANGELOG.md": (newest[1] if newest else "", day),
    }


def problems(root: Path, version: str) -> list[str]:
    """What stands against releasing this version."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        return [f"{version!r} is no version: three numbers, for example 0.2.0"]
    files = named(root)
    out = [f"{name} says {said or 'no version'}, not {version}" for name, (said, _) in files.items() if said != version]
    (_, cited), (_, changed) = files["CITATION.cff"], files["CHANGELOG.md"]
    if not changed:
        out.append(f"CHANGELOG.md names no day: ## [{version}] - YEAR-MONTH-DAY")
    if cited != changed:
        out.append(f"CITATION.cff says date-released: {cited or '(none)'}, CHANGELOG.md {changed or '(none)'}")
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    waiting = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if waiting and waiting[1].strip():
        out.append("CHANGELOG.md still has changes under [Unreleased]: move them under the version")
    return out


def git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout.strip()


def unready(root: Path, version: str) -> list[str]:
    """What stands against a tag in this checkout."""
    out = ["there are changes that are not committed"] if git(root, "status", "--porcelain") else []
    return out + ([f"the tag v{version} is there already"] if git(root, "tag", "--list", f"v{version}") else [])


def main(arguments: list[str], root: Path = ROOT) -> int:
    check = "--check" in arguments
    words = [word for word in arguments if word != "--check"]
    if len(words) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    version = words[0].removeprefix("v")
    try:
        found = problems(root, version) + ([] if check else unready(root, version))
    except (OSError, subprocess.CalledProcessError) as error:
        found = [f"git does not work here: {error}"]
    for problem in found:
        print(f"not released: {problem}", file=sys.stderr)
    if found or check:
        return 1 if found else 0
    git(root, "tag", "-a", f"v{version}", "-m", f"segkit {version}")
    print(f"tagged v{version}. Publish it: git push origin v{version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
