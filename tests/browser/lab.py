"""A real JupyterLab with a real Chromium, for tests and for looking at chapters.

    with Lab(folder) as lab, lab.open("02_receptive_field.ipynb") as book:
        book.run_all()
        book.picture("shot.png")

The server runs on a copy of the folder with settings of its own, so that nobody's JupyterLab is touched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbformat.sign import NotebookNotary
from playwright.sync_api import Page, Request, sync_playwright

from tests.course.compare import WIDGET

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
HOW_TO_GET_CHROMIUM = (
    "no Chromium found: browser tests need one (Debian, Ubuntu: sudo apt-get install chromium; "
    "macOS: brew install --cask chromium; elsewhere: install Chromium or Chrome and put it on PATH)"
)
FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SETTINGS = {  # no news, no update check; every cell stays in the page, so that all of it can be scrolled to
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none", "scrollPastLastCell": False},
}
Cleared = Callable[[nbformat.NotebookNode], Collection[int]]
STATE = """() => {
    const panel = window.jupyterapp.shell.currentWidget, cells = [...panel.content.model.cells];
    const code = cells.filter(c => c.type === 'code' && c.sharedModel.getSource().trim());
    const errors = code.flatMap(c => c.outputs.toJSON().filter(o => o.output_type === 'error'));
    return {idle: panel.sessionContext.session.kernel.status === 'idle', error: errors.length ? errors[0] : null,
            waiting: code.filter(c => c.executionCount === null).length}; }"""
RUN = """numbers => { (async () => {
    const app = window.jupyterapp, book = app.shell.currentWidget.content;
    for (const number of numbers) {
        book.deselectAll();
        book.activeCellIndex = number;
        await app.commands.execute('notebook:run-cell');
    } })(); }"""
PICTURES = "[...(e.closest('.jp-OutputArea') || document).querySelectorAll('img.widget-image')]"
WATCH = f"""(e, patience) => {{
    const before = {PICTURES}.map(i => i.src).join(), asked = performance.now();
    let began = null;
    document.addEventListener('pointermove', move => {{ began = move.timeStamp; }}, {{capture: true, once: true}});
    window.pictureReplaced = (async () => {{
        while (performance.now() < asked + patience) {{
            if ({PICTURES}.map(i => i.src).join() !== before)
                return began === null ? null : (performance.now() - began) / 1000;
            await new Promise(done => setTimeout(done, 2));
        }}
        return null; }})(); }}"""
LAYOUT = """e => {
    const last = [...e.querySelectorAll('.jp-Cell')].pop().getBoundingClientRect().bottom;
    const end = last - e.getBoundingClientRect().top + e.scrollTop, images = [...e.querySelectorAll('img')];
    return [...[e.scrollTop, e.clientHeight, end].map(Math.round), images.every(i => i.complete)]; }"""
READY = """async () => {
    const context = window.jupyterapp.shell.currentWidget.sessionContext;
    const answer = async () => { await context.ready; await context.session.kernel.info;
                                 await context.session.kernel.requestKernelInfo(); return ''; };
    const late = new Promise(done => setTimeout(done, 60000, 'no kernel after 60 s: ' + context.kernelDisplayStatus));
    return await Promise.race([answer(), late]); }"""


class Notebook:
    """A notebook open in the browser; collects page errors and requests that leave this machine."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.errors, self.outside = page, [], []  # type: ignore[var-annotated]
        inside = (base, base.replace("http", "ws", 1), "data:", "blob:")

        def on_request(request: Request) -> None:
            if not request.url.startswith(inside):
                self.outside.append(request.url)

        page.on("request", on_request)
        page.on("pageerror", lambda error: self.errors.append(str(error)[:500]))

    def wait_for_kernel(self) -> None:
        """Wait until the kernel has answered once; a command that comes earlier is lost by JupyterLab."""
        problem = self.page.evaluate(READY)
        if problem:
            raise TimeoutError(problem)

    def run_all(self, seconds: float = 300) -> None:
        """Run every cell and wait until all have ended. An exception in a cell is raised here."""
        self.wait_for_kernel()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()
        self.wait_for_cells(seconds)

    def run(self, numbers: Iterable[int], seconds: float = 300) -> None:
        """Run some cells, which have no outputs yet, one after the other; the same otherwise."""
        self.wait_for_kernel()
        self.page.evaluate(RUN, list(numbers))
        self.wait_for_cells(seconds)

    def wait_for_cells(self, seconds: float) -> None:
        deadline, calm = time.monotonic() + seconds, 0
        while calm < 3:  # idle three times in a row: between two cells the kernel is idle for a moment
            state = self.page.evaluate(STATE)
            if state["error"]:
                raise AssertionError(f"a cell raised {state['error']['ename']}: {state['error']['evalue']}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {seconds:.0f} s {state['waiting']} cells had not run")
            calm = calm + 1 if state["idle"] and not state["waiting"] else 0
            self.page.wait_for_timeout(100)

    def digests(self, control: Any) -> str:
        """Digests of the bytes of those pictures: new when a picture looks different."""
        return str(
            control.evaluate(f"""async e => {{ const out = []; for (const picture of {PICTURES}) {{
                const bytes = await (await fetch(picture.src)).arrayBuffer();
                out.push(...new Uint8Array(await crypto.subtle.digest('SHA-1', bytes))); }}
            return out.join(); }}""")
        )

    def watch(self, control: Any, patience: float = 2) -> None:
        """From now on, look for a new picture beside the control. The page itself looks, hundreds of times a second:
        asked from here, after the mouse has moved, it would see a fast answer too late."""
        control.evaluate(WATCH, 1000 * patience)

    def seconds_to_change(self) -> float | None:
        """Seconds from the first move of the mouse since `watch` to the new picture, or None where none came."""
        return self.page.evaluate("() => window.pictureReplaced")  # type: ignore[no-any-return]

    def picture(self, path: Path | str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))

    def pages(self) -> Iterator[bytes]:
        """The whole notebook, first cell to last, as PNG pictures of one screen each with a little overlap."""
        scroller, top = self.page.locator(".jp-WindowedPanel-outer").first, 0
        while True:
            scroller.evaluate("(e, y) => e.scrollTo(0, y)", top)
            top, height, end = self.settled(scroller)  # near the end `top` is less than was asked for
            yield scroller.screenshot()
            if top + height >= end:
                return
            top += height - 60

    def settled(self, scroller: Any, patience: float = 20) -> tuple[int, int, int]:
        """Top and height of what is seen and the end of the last cell, once pictures and formulas are drawn."""
        deadline, calm, size = time.monotonic() + patience, 0, (0, 0, 0)
        while calm < 4 and time.monotonic() < deadline:
            self.page.wait_for_timeout(150)
            *now, loaded = scroller.evaluate(LAYOUT)
            calm, size = (calm + 1 if tuple(now) == size and loaded else 0), tuple(now)
        return size


class Lab:
    """JupyterLab on a copy of a folder of notebooks.

    Args:
        folder: of notebooks, and of what they need.
        keep_outputs: False clears all outputs, True keeps them; a function of a notebook gives the numbers of the cells
            whose outputs are cleared, since only these are to run.
        environment: variables for the server and its kernels.
    """

    def __init__(
        self, folder: Path, keep_outputs: bool | Cleared = False, environment: dict[str, str] | None = None
    ) -> None:
        if CHROMIUM is None:
            raise RuntimeError(HOW_TO_GET_CHROMIUM)
        self.folder, self.keep_outputs = Path(folder), keep_outputs
        self.environment = environment or {}

    def clear(self, book: nbformat.NotebookNode) -> None:
        """Clear the outputs of the cells that are to run, and in the others the widgets, which are not alive."""
        if self.keep_outputs is True:
            return
        cleared = self.keep_outputs(book) if self.keep_outputs else range(len(book.cells))
        for number, cell in enumerate(book.cells):
            if cell.cell_type == "code" and number in cleared:
                cell.outputs, cell.execution_count = [], None
            for output in cell.get("outputs", []):
                output.get("data", {}).pop(WIDGET, None)

    def __enter__(self) -> Lab:
        self.home = Path(tempfile.mkdtemp(prefix="segkit-lab-")).resolve()
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def prepare(self) -> None:
        course = shutil.copytree(self.folder, self.home / "course", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        for path in course.glob("*.ipynb"):
            book = nbformat.read(path, as_version=4)
            book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
            self.clear(book)
            nbformat.write(book, path)
            if self.keep_outputs:  # an unsigned notebook would have its HTML outputs cut down
                (self.home / "data").mkdir(exist_ok=True)  # the notary does not make it
                NotebookNotary(data_dir=str(self.home / "data")).sign(book)
        for name, value in SETTINGS.items():
            file = self.home / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(value), encoding="utf-8")

    def start(self) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        place = {f"JUPYTER_{k}_DIR": str(self.home / k.lower()) for k in ("CONFIG", "RUNTIME", "DATA")}
        place |= {"JUPYTERLAB_SETTINGS_DIR": str(self.home / "settings"), "IPYTHONDIR": str(self.home / "ipython")}
        place |= {"JUPYTERLAB_WORKSPACES_DIR": str(self.home / "workspaces")}
        options = [
            "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
            "--IdentityProvider.token=", f"--ServerApp.root_dir={self.home / 'course'}", "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.extension_manager=readonly",
            "--LabApp.expose_app_in_browser=True",
        ]  # fmt: skip
        with (self.home / "log").open("w", encoding="utf-8") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                env={**os.environ, **place, **self.environment}, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.wait_for_server()
        self.playwright = sync_playwright().start()
        root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
        flags = [*FLAGS, "--no-sandbox"] if root else FLAGS
        self.browser = self.playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
        self.context = self.browser.new_context()  # one for all pages: JupyterLab's scripts are fetched once

    def wait_for_server(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                urllib.request.urlopen(self.base + "/api", timeout=1).close()
                return
            except OSError:
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        "JupyterLab did not start:\n" + (self.home / "log").read_text(encoding="utf-8")
                    ) from None
                time.sleep(0.1)

    @contextmanager
    def open(self, name: str, width: int = 1280, height: int = 1600) -> Iterator[Notebook]:
        """One notebook alone in a fresh page, and its kernel stopped afterwards."""
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(20000)
        book = Notebook(page, self.base)
        try:
            if not (self.home / "course" / name).is_file():
                raise FileNotFoundError(f"{self.folder} has no notebook {name}")
            page.goto(f"{self.base}/doc/tree/{name}?reset", timeout=60000)
            page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60000)
            book.wait_for_kernel()
            yield book
        finally:
            page.evaluate("async () => { await window.jupyterapp?.shell.currentWidget?.sessionContext.shutdown(); }")
            page.close()

    def __exit__(self, *_: object) -> None:
        for name, stop in (("browser", "close"), ("playwright", "stop"), ("server", "terminate")):
            if hasattr(self, name):
                getattr(getattr(self, name), stop)()
        if hasattr(self, "server"):
            self.server.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)
