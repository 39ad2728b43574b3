"""Chapters as PDF files, printed by Chromium from the finished pages."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPEN = "document.querySelectorAll('article details:not(.hide)').forEach(d => d.open = true)"  # paper does not unfold
TYPESET = "window.MathJax ? MathJax.startup.promise : null"
PAPER = {"format": "A4", "margin": dict.fromkeys(("top", "bottom", "left", "right"), "15mm"), "print_background": True}


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which this machine, and no other, sees the folder."""
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def print_chapters(site: Path) -> None:
    """Write site/pdf/NAME.pdf for each chapter, tagged and with an outline."""
    if CHROMIUM is None:
        raise ValueError("--pdf needs Chromium or Chrome on PATH, and there is none; without --pdf the site builds")
    from playwright.sync_api import sync_playwright

    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
    flags = [*FLAGS, "--no-sandbox"] if root else FLAGS
    with served(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
        for path in sorted(site.glob("[0-9][0-9]_*.html")):
            page = browser.new_page(color_scheme="light")
            page.goto(f"{address}/{path.name}", wait_until="load")
            page.evaluate(OPEN)
            page.evaluate(TYPESET)
            (site / "pdf").mkdir(exist_ok=True)
            page.pdf(path=str(site / "pdf" / f"{path.stem}.pdf"), tagged=True, outline=True, **PAPER)
            page.close()
        browser.close()
