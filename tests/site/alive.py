"""The site's explorers for tests: found from the repository, and asked in node what they would show."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock  # torch brings it

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"
NODE = shutil.which("node")
HOW_TO_GET_NODE = (
    "no node found: the page's scripts are asked through one (Debian, Ubuntu: sudo apt-get install nodejs)"
)
sys.path.insert(0, str(SITE))  # a folder `site` cannot be a package: Python has a module of that name

import explorers  # noqa: E402
from live.packing import Live  # noqa: E402

from segkit.explore.shell import Explorer  # noqa: E402

EXPORTED = ROOT / "runs/site-exported"  # where the site's build has it too, so that it is made once; ignored by git


@contextmanager
def alone(*parts: str) -> Iterator[None]:
    """No other process of these tests makes "explorers" or "networks" below EXPORTED meanwhile."""
    EXPORTED.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for part in parts:
            held.enter_context(FileLock(EXPORTED / f".{part}.lock"))
        yield


@cache
def exported() -> dict[str, str]:
    """The figures of all explorers, written below EXPORTED; what has not changed is not made again."""
    with alone("explorers"):
        return explorers.export(EXPORTED)


def answers(of: Live | str, states: Sequence[dict[str, Any]], wanted: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What the page says of each state: {state, caption, …wanted} or {state, refused}.

    Args:
        of: an explorer, or the key of one that `exported` has written.
        states: values of controls; the others stand where they start.
        wanted: names of what the page computes.
    """
    assert NODE is not None, HOW_TO_GET_NODE
    if isinstance(of, str):
        data: Any = of
        scripts = [EXPORTED / name for name in re.findall(r'<script defer src="_static/([^"]+)"', exported()[of])]
    else:
        data, scripts = of.content(), [SITE / f"static/live/{name}.js" for name in (*explorers.SHARED, *of.scripts)]
    asked = {"scripts": [str(path) for path in (SITE / "static/live.js", *scripts)], "data": data,
             "states": list(states), "wanted": list(wanted)}  # fmt: skip
    given = json.dumps(asked).encode()
    done = subprocess.run([NODE, str(Path(__file__).with_name("answers.mjs"))], input=given, capture_output=True)
    assert not done.returncode, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def random_states(of: Live | str, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """States that the page's controls can be set to, as far as one does not depend on another."""
    chance, controls = random.Random(seed), (offered(of) if isinstance(of, str) else of.content()["controls"])
    return [{c["name"]: chance.choice(c["values"]) for c in controls} for _ in range(count)]


def offered(key: str) -> list[dict[str, Any]]:
    """The controls of an explorer that `exported` has written."""
    (name,) = re.findall(rf"_static/live/({key.lower().replace(' ', '-')}-[0-9a-f]+\.js)", exported()[key])
    text = (EXPORTED / "live" / name).read_text(encoding="utf-8")
    return json.loads(text[text.index("] = ") + 4 :].rstrip(";\n"))["controls"]


def said(explorer: Explorer, state: dict[str, Any]) -> tuple[Any, str]:
    """What Python computes for a state, and its caption; or None, and why it cannot be. Nothing is drawn as pixels."""
    explorer._held = True
    for name, value in state.items():
        explorer.controls[name].value = value
    explorer.last = None
    try:
        explorer.results = explorer.compute()
    except ValueError as error:
        return None, str(error)
    finally:
        explorer._held = False
    return explorer.results, explorer.draw(explorer.results)
