"""Lint, format and types; and what no file of the repository may contain."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|Users|work|farm)/\w|(?<![\w.])/tmp/\w|[A-Z]:\\+Users\\")
INDEX_ADDRESS = re.compile(r"https?://\S*(?:py" + r"pi|pythonhosted|npmjs|anaconda)\.|index" + r"-url|find" + r"-links")
TORCHS_OWN = re.compile(r"--extra-index" + r'-url"?,? (?:"?https://download\.pytorch\.org/whl/|CPU_INDEX\b)')
ANOTHERS = re.compile(
    r"(?:pip|uv|pipx|conda)3? (?:install|add) (?:-\S+ )*seg" + r"kit\b"
)  # that name is another project's
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:ghp|hf|sk)_[A-Za-z0-9]{20,}")
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

BLANK = chr(0x25A2)  # where a page waits for a number that is not recorded yet


def tracked() -> list[Path]:
    """The files of the repository, as git knows them."""
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    if answer.returncode:
        pytest.skip("not a git checkout: " + answer.stderr.strip())
    return [p for name in answer.stdout.split("\0") if name for p in [ROOT / name] if p.is_file()]


def texts() -> list[tuple[Path, str]]:
    out = []
    for path in tracked():
        try:
            out.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return out


def tool(*command: str) -> None:
    answer = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_lint() -> None:
    tool("ruff", "check", "--no-cache", ".")


def test_format() -> None:
    tool("ruff", "format", "--no-cache", "--check", ".")


def test_types() -> None:
    tool("mypy")


@pytest.mark.parametrize(
    "pattern",
    [MACHINE_PATH, INDEX_ADDRESS, ANOTHERS, SECRET],
    ids=["machine path", "index", "another's name", "secret"],
)
def test_no_file_contains(pattern: re.Pattern[str]) -> None:
    """But torch's own index of builds without CUDA, which is named as it is."""
    planted = "--extra-index" + "-url https://an.index.org"
    assert pattern is not INDEX_ADDRESS or pattern.search(TORCHS_OWN.sub("", planted))
    searched = [(path, pattern.search(TORCHS_OWN.sub("", text))) for path, text in texts()]
    found = [f"{path}: {m.group(0)}" for path, m in searched if m]
    assert not found, found


def test_nothing_is_left_undone() -> None:
    found = [str(path) for path, text in texts() if path.suffix == ".py" and UNFINISHED.search(text)]
    found += [str(path) for path, text in texts() if path.suffix in (".md", ".ipynb") and BLANK in text]
    assert not found, found


def test_patterns_find_what_they_are_for() -> None:
    assert MACHINE_PATH.search("open('/" + "home/someone/x')") and not MACHINE_PATH.search("https://host/home/page")
    assert INDEX_ADDRESS.search("--index" + "-url x") and not INDEX_ADDRESS.search("the index of a pixel")
    assert UNFINISHED.search("# TO" + "DO: later") and SECRET.search("hf" + "_" + "a" * 24)


def test_no_pickle_and_files_are_short() -> None:
    python = [(p, t) for p, t in texts() if p.suffix == ".py" and p.parts[0] == "segkit"]
    pattern = re.compile(r"^\s*(?:import|from) pickle\b|torch\.save\(|torch\.load\((?!.*\bweights_only=True\b)", re.M)
    pickled = {p.as_posix() for p, t in python if pattern.search(t)}
    assert not pickled, pickled
    long = {str(p): n for p, t in python for n in [t.count("\n")] if n > 300}
    assert not long, long


def test_from_scratch_means_from_scratch() -> None:
    """segkit.ops and segkit.crf call none of torch's convolutions, poolings, folds and interpolations."""
    banned = re.compile(
        r"conv\w*|\w*_pool\w*|max_unpool\w*|interpolate|(?:un)?fold|Fold|Unfold|pixel_(?:un)?shuffle|grid_sample|Pixel\w+"
        r"|Conv\w+|MaxPool\w+|AvgPool\w+|Upsample"
    )
    found = []
    for path, text in texts():
        if path.suffix == ".py" and path.parts[:2] in (("segkit", "ops"), ("segkit", "crf")):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Attribute) and banned.fullmatch(node.attr):
                    owner = ast.unparse(node.value)
                    if owner in ("F", "functional", "torch", "nn") or owner.startswith(("torch.", "nn.", "x.")):
                        found.append(f"{path}:{node.lineno}: {owner}.{node.attr}")
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch"):
                    found += [f"{path}: {node.module}.{a.name}" for a in node.names if banned.fullmatch(a.name)]
    assert not found, found


_TEXT = {"run", "Popen", "call", "check_call", "check_output"}  # of subprocess
_BYTES = {"os", "Image", "tarfile", "lab", "archive", "member"}  # what .open gives no text


def without_encoding(text: str) -> list[str]:
    """Calls that read or write text in whatever encoding the machine has."""
    return [
        f"{node.lineno}: {ast.unparse(node)[:80]}"
        for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and _guesses(node)
    ]  # fmt: skip


def _guesses(call: ast.Call) -> bool:
    given = {word.arg: word.value for word in call.keywords}
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if "encoding" in given:
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) < 1 + (name == "write_text")
    if name in _TEXT:
        return "text" in given or "universal_newlines" in given
    passed_on = None in given or any(isinstance(word, ast.Starred) for word in call.args)
    if passed_on or (name == "open" and getattr(owner, "id", "") in _BYTES):
        return False
    if name not in ("open", "fdopen", "TemporaryFile", "NamedTemporaryFile", "TextIOWrapper"):
        return False
    words = [given.get("mode"), *call.args[: 1 if owner and name == "open" else 2]]
    modes = [w.value for w in words if isinstance(w, ast.Constant) and set(str(w.value)) <= set("rwaxbt+")]
    return not any("b" in mode for mode in modes) and ("Temporary" not in name or bool(modes))


def test_text_is_utf_8_on_every_machine() -> None:
    """Also where the system's own encoding is another: in Python files, notebooks and assignments."""
    found = []
    for path, text in texts():
        if path.suffix == ".py":
            found += [f"{path}:{call}" for call in without_encoding(text)]
        elif path.suffix == ".ipynb":
            cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
            for number, cell in enumerate(cells):
                code = re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", "".join(cell["source"]))
                found += [f"{path}, code cell {number}:{call}" for call in without_encoding(code)]
    assert not found, found


def test_a_guessed_encoding_is_found() -> None:
    wrong = ["open(p)", "open(p, 'w')", "p.open()", "p.open('a')", "os.fdopen(h, 'w')", "p.read_text()",
             "p.write_text('x')", "run(c, text=True, **m)", "NamedTemporaryFile('w')", "open(p, mode='r')"]  # fmt: skip
    right = ["open(p, 'rb')", "p.open('wb')", "os.open(p, f)", "Image.open(p)", "open(*a)", "p.read_text('utf-8')",
             "run(c)", "open(p, encoding='utf-8')", "NamedTemporaryFile()", "run(c, encoding='utf-8')"]  # fmt: skip
    assert [text for text in [*wrong, *right] if without_encoding(text)] == wrong


def test_constraints_are_exact_and_cover_what_the_project_asks_for() -> None:
    import tomllib

    written = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in written.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.split(r"[<>=~! ]", line)[0].lower() for line in asked}
    assert names <= pinned, names - pinned


def test_readme_lists_the_chapters_and_every_link_leads_somewhere() -> None:
    links = {
        (ROOT / name, target)
        for name in ("README.md", "CONTRIBUTING.md")
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    }
    broken = [f"{page.name}: {target}" for page, target in links if not (ROOT / target).exists()]
    assert not broken, broken
    chapters = {f"course/{p.name}" for p in (ROOT / "course").glob("*.ipynb")}
    assert chapters <= {target for _, target in links}, chapters - {target for _, target in links}
