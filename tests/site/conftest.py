"""The web edition, built once for all tests, and a browser that may ask nobody but this machine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"
sys.path.insert(0, str(SITE))

from pdf import CHROMIUM, FLAGS, served  # noqa: E402 - of the site's own folder

from tests.site.alive import alone  # noqa: E402

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
NO_PACKAGE = ("npm is missing", "npm gave no package")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; one for all processes that run its tests."""
    for name in ("sphinx", "myst_nb", "furo", "sphinx_copybutton"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: the site's tests need the extra `site`")
    run = tmp_path_factory.getbasetemp()  # of this process; under pytest-xdist it lies in that of the whole run
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "built-site"
    with alone("explorers", "networks"):
        if not folder.exists():
            build(folder)
    return folder


def build(folder: Path) -> None:
    command = [sys.executable, "site/build.py", "--to", str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", env={**os.environ, "LC_ALL": "C"})
    if answer.returncode and any(sign in answer.stderr for sign in NO_PACKAGE):
        pytest.skip(answer.stderr.strip())
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with served(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found: the site's tests need one (Debian, Ubuntu: sudo apt-get install chromium)")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, "--no-sandbox"] if root else FLAGS
        )
        yield browser
        browser.close()


class Visit:
    """A page of the site, and all that went wrong on it: errors, failed requests, requests to other hosts."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.address, self.faults = address, list[str]()
        self.page: Page = browser.new_page(**options)
        self.page.set_default_timeout(60000)
        self.page.route("**/*", self._let)
        self.page.on("console", lambda m: self.faults.append(f"console: {m.text}") if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {str(error)[:300]}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", lambda r: self.faults.append(f"{r.status}: {r.url}") if r.status >= 400 else None)

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left before its icon had come
            self.faults.append(f"failed: {request.url}")

    def _let(self, route: Route, request: Request) -> None:
        if request.url.startswith((self.address, "data:", "blob:")):
            return route.continue_()
        self.faults.append(f"another host: {request.url}")
        return route.abort()

    def go(self, name: str) -> Page:
        """Go to a page and wait until it is whole, formulas included."""
        self.faults.clear()
        self.page.goto(f"{self.address}/{name}", wait_until="load")
        self.page.evaluate("window.MathJax ? MathJax.startup.promise.then(() => null) : null")
        return self.page

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()


@pytest.fixture
def desktop(browser: Browser, address: str) -> Iterator[Visit]:
    with Visit(browser, address, viewport=DESKTOP, color_scheme="light") as visit:
        yield visit


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Visit]:
    with Visit(browser, address, viewport=PHONE, color_scheme="dark", has_touch=True) as visit:
        yield visit
