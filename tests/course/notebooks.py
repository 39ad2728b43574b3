"""Looking after the chapters: run them again, try them on other machines' arithmetic, draw them as pages.

python3 start.py refresh | elsewhere | render, each with names of notebooks; `start.py --help` says more.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.course.compare import RUN_ME, WIDGET

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 300
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
BAR = re.compile(r"\d+%\|")  # tqdm's text: "eval:   0%|"
NOISE = ("execution", "ExecuteTime", "collapsed", "scrolled", "jp-MarkdownHeadingCollapsed")  # cell metadata
MACHINES = {  # what changes the last digits: number of threads, vector instructions
    "one thread": {"OMP_NUM_THREADS": "1"},
    "an old processor": {
        "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE",
    },
    "a processor with AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}  # fmt: skip


def chapters(names: list[str]) -> list[Path]:
    """The notebooks named (a path, or the beginning of a chapter's name such as 04), or all chapters."""
    every = sorted((ROOT / "course").glob("*.ipynb"))
    out = []
    for name in names:
        found = [Path(name)] if Path(name).is_file() else [p for p in every if p.name.startswith(Path(name).name)]
        if not found:
            sys.exit(f"no notebook {name!r}; chapters: {', '.join(p.name for p in every) or 'none yet'}")
        out += [p.resolve() for p in found]
    return out if names else every


def is_bar(shown: dict[str, str]) -> bool:
    return WIDGET in shown and bool(BAR.search(shown["text/plain"]))


def is_widget(stored: dict[str, str]) -> bool:
    """Whether this is what `tidy` leaves of a widget: alive, it would be an error text to all who have not run it."""
    return bool(re.match(rf"\w+Explorer\(|{RUN_ME}", stored.get("text/plain", "")))


def tidy(book: nbformat.NotebookNode) -> None:
    """Take out what changes from run to run and tells the reader nothing."""
    book.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}, "segkit": book.metadata.get("segkit", {})}
    )
    for number, cell in enumerate((c for c in book.cells if c.cell_type == "code"), start=1):
        cell.outputs = [o for o in cell.outputs if not is_bar(o.get("data", {}))]
        for output in cell.outputs:
            if output.get("data", {}).pop(WIDGET, None) and "image/png" not in output.data:
                output.data["text/plain"] = RUN_ME
        if cell.execution_count is not None:
            cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
    for cell in book.cells:
        for key in NOISE:
            cell.metadata.pop(key, None)


def bare_environment(empty: str) -> dict[str, str]:
    """The same for everybody: no real data, no GPU, no settings of one's own."""
    return {"SEGKIT_DATA": empty, "CUDA_VISIBLE_DEVICES": "", "IPYTHONDIR": empty}


def refresh(paths: list[Path]) -> int:
    """Run each notebook from top to bottom and store outputs and seconds. A failing one is left as it was."""
    failed = 0
    with tempfile.TemporaryDirectory() as empty:
        os.environ.update(bare_environment(empty))
        for path in paths:
            book, began = nbformat.read(path, as_version=4), time.time()
            client = NotebookClient(
                book, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}},
                store_widget_state=False, coalesce_streams=True,
            )  # fmt: skip
            try:
                client.execute()
            except Exception as error:
                print(f"{path.name}: not stored: {error}", file=sys.stderr)
                failed += 1
                continue
            seconds = time.time() - began
            book.metadata["segkit"] = {"seconds": 5 * max(1, round(seconds / 5))}  # coarse, so that it stays the same
            tidy(book)
            partial = path.with_suffix(".partial")
            nbformat.write(book, partial)
            os.replace(partial, path)
            print(f"{path.name}: {seconds:.0f} s", flush=True)
    return 1 if failed else 0


def elsewhere(paths: list[Path]) -> int:
    """The strict comparison under the arithmetic of three other machines."""
    failed = []
    with tempfile.TemporaryDirectory() as empty:
        for machine, settings in MACHINES.items():
            print(f"\n=== {machine}: {' '.join(f'{k}={v}' for k, v in settings.items())} ===", flush=True)
            clean = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--nbval",
                "--nbval-cell-timeout",
                "1800",
                *map(str, paths),
            ]
            if subprocess.run(command, cwd=ROOT, env={**clean, **bare_environment(empty), **settings}).returncode:
                failed.append(machine)
    print(f"\nelsewhere: {'FAILED on ' + ', '.join(failed) if failed else 'the same on all three machines'}")
    return 1 if failed else 0


def render(paths: list[Path], folder: Path, run: bool) -> int:
    """Each notebook as PNG pages, as JupyterLab draws it; with `run` it is executed first, so that widgets are live."""
    from tests.browser.lab import Lab

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as empty:
        for parent in sorted({p.parent for p in paths}):
            with Lab(parent, keep_outputs=not run, environment=bare_environment(empty)) as lab:
                for path in (p for p in paths if p.parent == parent):
                    with lab.open(path.name, width=1100, height=1500) as book:
                        if run:
                            book.run_all()
                        for number, page in enumerate(book.pages(), start=1):
                            target = folder / f"{path.stem}-{number:02d}.png"
                            target.write_bytes(page)
                            print(target, flush=True)
    return 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="start.py", description=__doc__)
    parser.add_argument("action", choices=("refresh", "elsewhere", "render"))
    parser.add_argument("notebooks", nargs="*", help="paths, or beginnings of names such as 04; none means all")
    parser.add_argument("--to", type=Path, default=Path("artefacts/pages"), help="render: folder for the pictures")
    parser.add_argument("--run", action="store_true", help="render: execute the notebook first")
    given = parser.parse_args(arguments)
    paths = chapters(given.notebooks)
    if given.action == "render":
        return render(paths, given.to, given.run)
    return refresh(paths) if given.action == "refresh" else elsewhere(paths)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
