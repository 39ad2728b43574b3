"""A browser for the tests of the site's pages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import CHROMIUM, FLAGS, HOW_TO_GET_CHROMIUM

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "site"))  # its scripts know each other by bare names


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(HOW_TO_GET_CHROMIUM)
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--no-sandbox"] if root else FLAGS)
        yield browser
        browser.close()
