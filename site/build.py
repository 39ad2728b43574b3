"""Build the web edition: the whole course as a static site, from the notebooks as they are stored.

python3 start.py site [--to FOLDER] [--pdf]

It needs the packages of the extra `site` and, the first time, npm and a network; after that it builds offline.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from prepare import EXTRA, STATIC, prepare
from vendor import NotToBeHad, vendor

SITE = Path(__file__).resolve().parent
ROOT = SITE.parent
PACKAGES = ROOT / "runs/site-packages"  # what came from npm, and what was exported; ignored by git, and used again
EXPORTED = ROOT / "runs/site-exported"
NEEDED = ("sphinx", "myst_nb", "myst_parser", "furo", "sphinx_copybutton", "onnx", "onnxscript")
MARK = ".segkit-site"
MATHJAX = (  # formulas; and its letters
    "mathjax", "4.1.3", {"tex-chtml.js": "tex-chtml.js", "a11y/assistive-mml.js": "a11y/assistive-mml.js",
                         "input/tex/extensions/": "input/tex/extensions/", "LICENSE": "LICENSE"},
    "sha512-BN/8Pkgn7G1pIDYJqd9md+JHsE/jydSYbyOZnSdSA0WziuVO8mRxdYiWFumkVVly/8U+hm9DpIIoWuvySverzw==",
)  # fmt: skip
LETTERS = (
    "@mathjax/mathjax-newcm-font", "4.1.3", {"chtml/": "mathjax-newcm-font/chtml/"},
    "sha512-gzAB3dFHilHX1l5x2xUqRL+1jDQt3Fyza1DkEMVXWC4E8SvsGdlgEza47HYi2WhVcgfkvf4zgUGzuhbq3Pjlew==",
)  # fmt: skip


def refuse(words: str) -> None:
    sys.exit(f"The site was not built: {words}")


def goal(folder: Path) -> Path:
    """Where the site goes: a new folder, or an earlier site; in the repository only below runs/, which git ignores."""
    folder = folder.resolve()
    if folder.is_relative_to(ROOT) and not folder.is_relative_to(ROOT / "runs"):
        refuse(f"{folder} lies in the repository; name a folder outside, or leave --to out for runs/site")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists()):
        refuse(f"{folder} holds other things; name a new or empty folder, or an earlier site")
    return folder


def check_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        refuse(f"missing {', '.join(missing)}; install the extra `site`: pip install -c constraints.txt -e .[site]")


def scripts(static: Path) -> None:
    """What the pages load: our own files, and from npm, fetched once, what they need."""
    shutil.copytree(SITE / "static", static)
    for package in (MATHJAX, LETTERS):
        vendor(*package, PACKAGES / "mathjax")
    shutil.copytree(PACKAGES / "mathjax", static / "mathjax", ignore=shutil.ignore_patterns(".*"))


def parts(static: Path) -> dict[str, str]:
    """Explorers that live without a kernel, by class, and networks that run in the page, where the project has them."""
    EXPORTED.mkdir(parents=True, exist_ok=True)
    figures = {}
    if (SITE / "networks.py").exists():
        import networks

        networks.export(EXPORTED)
    if (SITE / "explorers.py").exists():
        import explorers

        figures = explorers.export(EXPORTED)
    shutil.copytree(EXPORTED, static, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    return figures


def sphinx(source: Path, out: Path, doctrees: Path) -> None:
    from sphinx.cmd.build import build_main

    options = ["-b", "html", "-c", str(SITE), "-d", str(doctrees), "-W", "--keep-going", "-q", "-j", "auto"]
    options += ["-D", f"html_static_path={source / STATIC}", "-D", f"html_extra_path={source / EXTRA}"]
    if build_main([*options, str(source), str(out)]):
        refuse("Sphinx has warned; its lines above say of what")


def build(folder: Path, pdf: bool = False) -> None:
    folder = goal(folder)
    with tempfile.TemporaryDirectory(prefix="segkit-site-") as place:
        source, out = Path(place, "source"), Path(place, "site")
        source.mkdir()
        scripts(source / STATIC)
        prepare(source, parts(source / STATIC), pdf)
        sphinx(source, out, Path(place, "doctrees"))
        for name in ("_sources", ".buildinfo", "objects.inv"):  # for builders of other sites
            shutil.rmtree(out / name, ignore_errors=True) if (out / name).is_dir() else (out / name).unlink(
                missing_ok=True
            )
        if pdf:
            from pdf import print_chapters

            print_chapters(out)
        (out / MARK).touch()
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(out, folder)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="start.py site", description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=Path, default=ROOT / "runs/site", metavar="FOLDER", help="default: runs/site")
    parser.add_argument("--pdf", action="store_true", help="also each chapter as PDF, by Chromium (about a minute)")
    chosen, began = parser.parse_args(arguments), time.time()
    check_packages()
    try:
        build(chosen.to, chosen.pdf)
    except (NotToBeHad, ValueError) as error:
        refuse(str(error))
    files = [p for p in chosen.to.rglob("*") if p.is_file()]
    number, size = sum(p.suffix == ".html" for p in files), sum(p.stat().st_size for p in files) / 1e6
    place = os.path.relpath(chosen.to)
    print(f"{place}: {number} pages, {size:.1f} MB, in {time.time() - began:.0f} s")
    print(f"To look at it: python3 -m http.server --directory {place}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
