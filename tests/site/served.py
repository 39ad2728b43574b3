"""A page of the web edition in a real browser, without its theme and with every request on record."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from segkit.models import Model, load

ROOT = Path(__file__).resolve().parents[2]
LEVEL = 2e-4  # two scores that each may be off by 1e-4
DROP = """([data, name, type]) => {
    const file = new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, {type}), held = new DataTransfer();
    held.items.add(file);
    document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: held, bubbles: true, cancelable: true})); }"""
RUN = """async ([key, side]) => {
    const page = segkitTry.page, found = await segkitTry.segment(key, page.picture, side);
    return [...found.labels]; }"""
REFUSED = """() => new Promise(done => {
    document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));
    fetch('http://192.0.2.1/').then(() => done('it came'), () => setTimeout(done, 2000, 'refused by nobody')); })"""
QUIET = "!segkitTry.page.root.hasAttribute('aria-busy')"
HELD = """() => {
    const { width, height, rgba } = segkitTry.page.picture;
    return [width, height, btoa(Array.from(rgba, c => String.fromCharCode(c)).join(''))]; }"""


class Served:
    """The page over http, and every request that a browser made for it."""

    def __init__(self, folder: Path, browser: Any) -> None:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = folder
        self.base, self.browser, self.requests = f"http://127.0.0.1:{self.server.server_port}", browser, []
        self.errors: list[str] = []

    def visit(self, width: int = 1280, height: int = 1000, **more: Any) -> Any:
        page = self.browser.new_context(viewport={"width": width, "height": height}, **more).new_page()
        page.set_default_timeout(60000)
        page.route(lambda url: not url.startswith((self.base, "data:", "blob:")), lambda route: route.abort())
        page.on("request", lambda request: self.requests.append(request))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.base}/try.html")
        page.wait_for_function("window.segkitTry?.page?.shown")
        return page


def bare(folder: Path) -> None:
    """The page without its theme: the same rules at its head, and its HTML."""
    _, front, text = (ROOT / "site" / "pages" / "try.md").read_text(encoding="utf-8").split("---\n", 2)
    metas = yaml.safe_load(front)["myst"]["html_meta"]
    head = "".join(
        f'<meta {key.replace("=", "=" + chr(34)) + chr(34) if "=" in key else f"name={key!r}"} content="{value}">'
        for key, value in metas.items()
    )
    match = re.search(r"<link .*?(?=\n## )", text, re.S)
    assert match, "the page has lost its HTML"
    view = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    own = f'{view}{head}<link rel="icon" href="data:,"><title>Try</title>'
    html = f'<!doctype html><html lang="en"><head>{own}</head><body>{match[0]}</body></html>'
    (folder / "try.html").write_text(html, encoding="utf-8")


def labels(page: Any, key: str, side: int | None) -> np.ndarray:
    """What the page's network makes of the page's picture."""
    width, height = page.evaluate("[segkitTry.page.picture.width, segkitTry.page.picture.height]")
    return np.array(page.evaluate(RUN, [key, side]), np.uint8).reshape(height, width)


def picture(page: Any) -> np.ndarray:
    """H×W×3: what the page holds."""
    width, height, data = page.evaluate(HELD)
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]


def drop(page: Any, data: bytes, name: str, kind: str) -> None:
    page.evaluate(DROP, [base64.b64encode(data).decode(), name, kind])
    page.wait_for_function(f"{QUIET} && !document.querySelector('.sk-try-status').textContent.startsWith('Reading')")


def said(page: Any) -> str:
    return str(page.inner_text(".sk-try-status"))


@functools.cache
def network(key: str) -> Model:
    return load(ROOT / "course" / "weights" / f"lineage_{key}.safetensors")


def check_labels(found: np.ndarray, key: str, pixels: np.ndarray) -> None:
    """The labels are torch's wherever its two best scores differ by more than rounding; level scores are rare."""
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255  # 1, 3, H, W
    with torch.no_grad():
        logits = network(key)(x)[0]  # K, H, W
    best = logits.topk(2, dim=0).values
    clear = (best[0] - best[1] > LEVEL).numpy()
    assert clear.mean() > 0.999, key
    assert np.array_equal(found[clear], logits.argmax(0).numpy()[clear]), key


def png(pixels: np.ndarray, **more: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, more.pop("format", "PNG"), **more)
    return data.getvalue()
