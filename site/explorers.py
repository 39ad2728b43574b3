"""The course's explorers for pages without a kernel: every one as its chapter makes it, alive in the browser.

`export(folder)` writes scripts, data and stills below folder/live, under names that hold a digest of their content, and
gives the HTML that stands where the notebook has the widget. What is computed in the page is in static/live/; what needs
networks is tabulated here. Pages also load static/live.js and static/live.css.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from live import counted
from live.packing import Live
from segkit.explore.shell import one_thread
from segkit.files import write_bytes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
EXPLORERS: dict[str, Callable[[], Live]] = {
    "UpsampleExplorer": counted.upsample,
    "GriddingExplorer": counted.gridding,
    "AsppExplorer": counted.aspp,
    "CostExplorer": counted.cost,
}  # by class, or by chapter and class where chapters show one class with different content
SOURCES = ("segkit/**/*.py", "site/*.py", "site/live/*.py", "site/static/**/*.js", "course/weights/lineage_*",
           "course/results/*.json")  # fmt: skip
STILL = '<div class="sk-still" tabindex="0" role="group" aria-label="picture; scrolls sideways on small screens">'


def export(folder: Path, address: str = "_static") -> dict[str, str]:
    """Write all explorers below folder/live, unless they are there already, and give their HTML.

    Args:
        folder: where the site's static files stand.
        address: of that folder, as a page sees it.

    Returns:
        by class ("GriddingExplorer"), or by chapter and class ("03 UnpoolExplorer"), `<figure class="live">…`.
    """
    note, stamp = Path(folder) / "live" / "made.json", _stamp(address)
    if note.is_file():
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["stamp"] == stamp and all((note.parent / name).is_file() for name in known["files"]):
            return known["figures"]
    files: set[str] = set()

    def write(name: str, data: bytes) -> str:
        stem, suffix = name.rsplit(".", 1)
        file = f"{stem}-{hashlib.sha256(data).hexdigest()[:10]}.{suffix}"
        write_bytes(data, note.parent / file)
        files.add(file)
        return f"{address}/live/{file}"

    with one_thread():
        figures = {key: figure(key, made, write) for key, made in ((k, make()) for k, make in EXPLORERS.items()) if made}
    found = {"stamp": stamp, "files": sorted(files), "figures": figures}
    write_bytes(json.dumps(found, ensure_ascii=False, indent=1).encode(), note)
    return figures


def figure(key: str, live: Live, write: Callable[[str, bytes], str]) -> str:
    """One explorer's HTML: the still with its words, and the scripts that bring it to life.

    Args:
        key: as in EXPLORERS.
        live: what is shown.
        write: takes a name and bytes, and gives the address of the file.
    """
    content, name = live.content(), key.lower().replace(" ", "-")
    values = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    data = f"(globalThis.segkitLive ??= {{ kinds: {{}}, data: {{}} }}).data[{json.dumps(key)}] = {values};\n"
    script = HERE / "static/live" / f"{content['kind'].removesuffix('Explorer').lower()}.js"
    scripts = write(script.name, script.read_bytes()), write(f"{name}.js", data.encode())
    pixels, picture = live.explorer.canvas.pixels(), io.BytesIO()
    Image.fromarray(pixels).save(picture, "WEBP", lossless=True, quality=60, method=4)
    height, width = pixels.shape[:2]
    caption = live.explorer.picture.alt.removeprefix(f"{live.explorer.title}. ")
    return (
        f'<figure class="live" data-live="{html.escape(key)}">{STILL}'
        f'<img src="{write(f"{name}.webp", picture.getvalue())}" width="{width}" height="{height}" '
        f'alt="{html.escape(live.explorer.picture.alt)}"></div>'
        f"<figcaption><p>{html.escape(caption)}</p></figcaption></figure>"
        + "".join(f'<script defer src="{address}"></script>' for address in scripts)
    )


def _stamp(address: str) -> str:
    """A digest of all that the export is made of."""
    found = hashlib.sha256(address.encode())
    for path in sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)}):
        found.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
