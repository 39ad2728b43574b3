"""The site's explorers for tests: found from the repository, and asked in node what they would show."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"
NODE = shutil.which("node")
HOW_TO_GET_NODE = "no node found: the page's scripts are asked through one (Debian, Ubuntu: sudo apt-get install nodejs)"
sys.path.insert(0, str(SITE))  # a folder `site` cannot be a package: Python has a module of that name

from live.packing import Live  # noqa: E402


def answers(live: Live, states: Sequence[dict[str, Any]], wanted: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What the page says of each state: {state, caption, …wanted} or {state, refused}."""
    assert NODE is not None, HOW_TO_GET_NODE
    data = live.content()
    script = SITE / "static/live" / f"{data['kind'].removesuffix('Explorer').lower()}.js"
    asked = {"scripts": [str(SITE / "static/live.js"), str(script)], "data": data, "states": list(states),
             "wanted": list(wanted)}  # fmt: skip
    given = json.dumps(asked).encode()
    done = subprocess.run([NODE, str(Path(__file__).with_name("answers.mjs"))], input=given, capture_output=True)
    assert not done.returncode, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def random_states(live: Live, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """States that the page's controls can be set to, as far as one does not depend on another."""
    chance, controls = random.Random(seed), live.content()["controls"]
    return [{c["name"]: chance.choice(c["values"]) for c in controls} for _ in range(count)]


def said(live: Live, state: dict[str, Any]) -> tuple[Any, str]:
    """What Python computes for a state, and its caption; or None, and why it cannot be. Nothing is drawn as pixels."""
    explorer = live.explorer
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
