"""The course's explorers for pages without a kernel: every one as its chapter makes it, alive in the browser.

`export(folder)` writes scripts, data and stills below folder/live, under names that hold a digest of their content,
and gives the HTML that stands where the notebook has the widget. What is computed in the page is in static/live/; what
needs networks is tabulated in live/. Pages also load static/live.js and static/live.css.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from live import counted, fields, pictured, raced
from live.packing import Live
from PIL import Image

from segkit.explore.shell import one_thread
from segkit.files import write_bytes

HERE = Path(__file__).resolve().parent
ROOT, SCRIPTS = HERE.parent, HERE / "static/live"
SHARED = ("numbers", "drawing")  # scripts that all of them need, and their own after these
EXPLORERS: dict[str, Callable[[], Live | None]] = {
    "MetricsExplorer": pictured.metrics,
    "ReceptiveFieldExplorer": fields.receptive,
    "03 UnpoolExplorer": counted.unpool,
    "UpsampleExplorer": counted.upsample,
    "SkipExplorer": pictured.skip,
    "05 UnpoolExplorer": counted.unpool_edges,
    "GriddingExplorer": counted.gridding,
    "CrfExplorer": pictured.crf,
    "PyramidExplorer": counted.pyramid,
    "AsppExplorer": counted.aspp,
    "CostExplorer": counted.cost,
    "LineageExplorer": pictured.lineage,
    "RaceExplorer": raced.race,
    "AttentionExplorer": counted.attention,
    "LatencyExplorer": counted.latency,
    "PointExplorer": pictured.points,
}  # by class, or by chapter and class where chapters show one class with different content
STILL = '<div class="sk-still" tabindex="0" role="group" aria-label="picture; scrolls sideways on small screens">'
GROUND = ("segkit/**/*.py", "site/live/packing.py", "course/weights/lineage_*", "course/results/*.json")


def export(folder: Path, address: str = "_static") -> dict[str, str]:
    """Write all explorers to folder/live, which holds nothing else, and give their HTML; what still holds is kept.

    Args:
        folder: where the site's static files stand.
        address: of that folder, as a page sees it.

    Returns:
        by class ("GriddingExplorer"), or by chapter and class ("03 UnpoolExplorer"), `<figure class="live">…`; those
        for which nothing is recorded are left out.
    """
    home = Path(folder) / "live"
    note = home / ".made.json"  # for the next export, not for pages
    known = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    made, ground = {}, _digest({path for pattern in GROUND for path in ROOT.glob(pattern)})
    with one_thread():
        for key, make in EXPLORERS.items():
            stamp = _digest({Path(make.__code__.co_filename)}, ground)
            entry = known.get(key, {"stamp": "", "files": []})
            if entry["stamp"] != stamp or not all((home / name).is_file() for name in entry["files"]):
                live = make()
                entry = {"stamp": stamp, "files": []} if live is None else {"stamp": stamp, **written(key, live, home)}
            made[key] = entry
    write_bytes(json.dumps(made, ensure_ascii=False, indent=1).encode(), note)
    figures = {key: figure(key, entry, home, f"{address}/live") for key, entry in made.items() if entry["files"]}
    kept = set(re.findall(r'/live/([^"/]+)"', "".join(figures.values())))
    for path in home.iterdir():
        if path != note and path.name not in kept:
            path.unlink()
    return figures


def written(key: str, live: Live, home: Path) -> dict[str, Any]:
    """Write an explorer's data and its still.

    Args:
        key: as in EXPLORERS.
        live: what is shown.
        home: the folder for the files.

    Returns:
        the names of the files, the size of the still, the words beside it, and the scripts that go with them.
    """
    content, name, explorer = live.content(), key.lower().replace(" ", "-"), live.explorer
    values = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    data = f"(globalThis.segkitLive ??= {{ kinds: {{}}, data: {{}} }}).data[{json.dumps(key)}] = {values};\n"
    pixels, still = explorer.canvas.pixels(), io.BytesIO()
    Image.fromarray(pixels).save(still, "WEBP", lossless=True, quality=60, method=4)
    return {
        "files": [_write(home, f"{name}.js", data.encode()), _write(home, f"{name}.webp", still.getvalue())],
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "alt": explorer.picture.alt,
        "caption": explorer.picture.alt.removeprefix(f"{explorer.title}. "),
        "scripts": live.scripts,
    }


def figure(key: str, entry: dict[str, Any], home: Path, address: str) -> str:
    """One explorer's HTML: the still with its words, and the scripts that bring it to life.

    Args:
        key: as in EXPLORERS.
        entry: what `written` gave.
        home, address: the folder of the files, on this machine and as a page sees it.
    """
    data, still = entry["files"]
    scripts = [
        _write(home, f"{name}.js", (SCRIPTS / f"{name}.js").read_bytes()) for name in (*SHARED, *entry["scripts"])
    ]
    return (
        f'<figure class="live" data-live="{html.escape(key)}">{STILL}<img src="{address}/{still}" '
        f'width="{entry["width"]}" height="{entry["height"]}" alt="{html.escape(entry["alt"])}"></div>'
        f"<figcaption><p>{html.escape(entry['caption'])}</p></figcaption></figure>"
        + "".join(f'<script defer src="{address}/{name}"></script>' for name in (*scripts, data))
    )


def _write(home: Path, name: str, data: bytes) -> str:
    """Write a file under a name that holds a digest of its content, and give that name."""
    stem, suffix = name.rsplit(".", 1)
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:10]}.{suffix}"
    if not (home / name).is_file():
        write_bytes(data, home / name)
    return name


def _digest(files: set[Path], before: str = "") -> str:
    """Of the content of files, and of what is given."""
    found = hashlib.sha256(before.encode())
    for path in sorted(files):
        found.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
