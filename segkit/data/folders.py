"""Where real data sets lie on disk, and what is said when they are not there."""

from __future__ import annotations

import os
from pathlib import Path

from segkit.kinds import another

_CHECKOUT = Path(__file__).resolve().parents[2]


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds the data sets: `root`, else SEGKIT_DATA, else data/ of the checkout or of here.

    Args:
        root: a folder, or None for the default.
    """
    if root is not None:
        return Path(root).expanduser()
    if os.environ.get("SEGKIT_DATA"):
        return Path(os.environ["SEGKIT_DATA"]).expanduser()
    return (_CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else Path.cwd()) / "data"


def require_folder(folder: Path, name: str) -> Path:
    """The folder itself, if it is there.

    Raises:
        FileNotFoundError: it is missing; says where was looked, and how to get the data.
    """
    if not folder.is_dir():
        raise absent(name, f"there is no folder {folder}")
    return folder


def absent(name: str, looked: str, by_hand: str = "") -> FileNotFoundError:
    """The error for a data set that is not there: where was looked, and how to get it."""
    setting = os.environ.get("SEGKIT_DATA")
    return FileNotFoundError(
        f"no {name} data: {looked}. Run `segkit data get {name}`{by_hand and f'; or by hand: {by_hand}'}; or let the "
        "environment variable SEGKIT_DATA name the folder that holds your data sets "
        f"({f'it is {setting!r} now' if setting else 'it is not set now'}), or pass root="
    )


def occupied(folder: Path, name: str) -> FileExistsError:
    """The error for a folder in the way of a download."""
    return FileExistsError(
        f"{folder} is there but not complete or not right, and may be yours; move it away or delete it, then run this "
        f"again (`segkit data check {name}` says what is wrong)"
    )


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without what systems leave behind: hidden files, Thumbs.db, __MACOSX."""
    junk = ("thumbs.db", "desktop.ini", "__macosx")
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.name.lower() not in junk)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file (UTF-8, with or without a byte order mark), stripped, empty ones left out.

    Raises:
        FileNotFoundError: there is no such file. ValueError: it is not UTF-8.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        why = f"it {found}" if (found := another(path)) else error.reason
        raise ValueError(f"{path} is not UTF-8 text ({why}); save it as UTF-8") from error
