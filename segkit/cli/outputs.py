"""What `segkit predict` writes: where each file goes, overlays and label maps, and each class's share."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from segkit.files import naming, writable, write_bytes, write_json
from segkit.kinds import what_is
from segkit.viz import legend, overlay

_SOFTWARE, _OURS = 305, "segkit predict"  # EXIF's tag for the program that wrote a picture
_ROWS = 512  # of an overlay that are mixed at a time


class Job(NamedTuple):
    """One picture and where its answers go."""

    picture: Path
    overlay: Path
    labels: Path | None


class Shares(NamedTuple):
    """How much of a picture each class covers, 0–1."""

    job: Job
    shares: dict[str, float]

    def __str__(self) -> str:
        seen = sorted(self.shares.items(), key=lambda pair: -pair[1])[:6]
        return f"{self.job.overlay}: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in seen if share)


def plan(picture: str, output: str | None, labels: str | None, others: Iterable[str | None] = ()) -> list[Job]:
    """The pictures that are meant, and the files that are written for each.

    Args:
        picture: a file, or a folder whose pictures are meant (not those in its subfolders).
        output, labels: files; for a folder, folders. Without output, beside what was given, with "_segmented" added.
        others: further files that will be written.

    Raises:
        FileNotFoundError: a folder without pictures. ValueError: a file that would be written over the input or over
        another, or whose name ends in no format without loss.
    """
    path = Path(picture)
    if not path.is_dir():
        over = path.with_name(f"{path.stem}_segmented.png") if output is None else Path(output)
        jobs = [Job(path, over, Path(labels) if labels else None)]
    else:
        known = Image.registered_extensions()
        pictures = sorted(p for p in path.iterdir() if p.suffix.lower() in known and p.name[0] != "." and p.is_file())
        if not pictures:
            raise FileNotFoundError(f"there are no pictures in the folder {picture}")
        out = path.resolve().with_name(f"{path.resolve().name}_segmented") if output is None else Path(output)
        for folder in (out, Path(labels) if labels else out):
            if folder.is_file():
                raise ValueError(f"{folder} is a file; for a folder of pictures name a folder to write to")
        stems = Counter(p.stem.casefold() for p in pictures)  # on many disks A.png and a.png are one file
        names = [f"{p.stem if stems[p.stem.casefold()] == 1 else p.name}.png" for p in pictures]
        jobs = [
            Job(p, out / name, Path(labels) / name if labels else None) for p, name in zip(pictures, names, strict=True)
        ]
    _refuse(jobs, [Path(other) for other in others if other])
    return jobs


def _refuse(jobs: Sequence[Job], others: Sequence[Path]) -> None:
    for job in jobs:
        if job.overlay.suffix.lower() not in (".png", ".webp"):
            raise ValueError(f"{job.overlay} would be blurred or is unknown; let the name end in .png (or .webp)")
        if job.labels is not None and job.labels.suffix.lower() != ".png":
            raise ValueError(f"{job.labels} cannot hold a palette and its numbers; let the name end in .png")
    inputs = {_identity(job.picture) for job in jobs}
    written = [path for job in jobs for path in (job.overlay, job.labels) if path is not None] + list(others)
    seen: set[Path] = set()
    for path in written:
        place = path.resolve()
        if _identity(path) in inputs:
            raise ValueError(f"{path} is the photograph itself, which is never written over; name another file")
        if place in seen:
            raise ValueError(f"{path} would be written twice; give each output a name of its own")
        seen.add(place)
    for path in written[: len(written) - len(others)]:
        if path.exists() and not by(_OURS, path):
            raise ValueError(f"{path} is there already, and not from `segkit predict`; name another file, or delete it")


def by(program: str, path: Path) -> bool:
    """Whether this command of segkit wrote a picture: a mask drawn by hand, or a photograph, is never replaced."""
    try:
        with Image.open(writable(path)) as picture:
            return picture.getexif().get(_SOFTWARE) == program
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return False


def legend_file(name: str) -> Path:
    """Where a legend may be written: a PNG that is not there yet, or one that this command wrote.

    Raises:
        ValueError: it is something else. OSError: nothing can be written there.
    """
    path = writable(name)
    if path.suffix.lower() != ".png":
        raise ValueError(f"--legend {name} is a picture; let its name end in .png")
    if path.exists() and not by(_OURS, path):
        raise ValueError(f"--legend {name} is there already, and not from `segkit predict`; name another file, or "
                         "delete it")  # fmt: skip
    return path


def figures_file(flag: str, name: str, *keys: str) -> Path:
    """Where figures may be written: a file that is not there yet, or one of figures that the same command wrote.

    Args:
        flag, name: the option and the file that it names; it ends in .csv after --csv, else in .json.
        keys: what the command's figures have, at the top of the JSON or of the table.

    Raises:
        ValueError: it is something else. OSError: nothing can be written there.
    """
    path, ending = writable(name), ".csv" if flag == "--csv" else ".json"
    if path.suffix.lower() != ending:
        raise ValueError(f"{flag} {name} is a {ending[1:].upper()} file; let its name end in {ending}")
    if path.exists() and not _figures(path, keys):
        other = f"holds something else: it {what_is(path)}"
        raise ValueError(f"{flag} {name} is there already and {other}; name another file, or delete it")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    with naming(path):
        tempfile.TemporaryFile(dir=above).close()  # where nothing can be written, stop here
    return path


def _figures(path: Path, keys: tuple[str, ...]) -> bool:
    """Whether a file is empty or holds figures under these keys."""
    try:
        text = path.read_text(encoding="utf-8")
        found = text.partition("\n")[0].split(",") if path.suffix.lower() == ".csv" else json.loads(text or "null")
    except ValueError:  # no text, or no JSON
        return False
    return not text or (isinstance(found, list | dict) and set(keys) <= {str(key) for key in found})


def _identity(path: Path) -> object:
    """What two names of one file have in common, hard links and names in other letters included."""
    try:
        there = path.stat()
    except OSError:
        return path.resolve()
    return there.st_dev, there.st_ino


def write_overlay(image: Tensor, labels: Tensor, palette: np.ndarray, alpha: float, path: Path) -> None:
    """The picture 3×H×W with the colours of its labels H×W over it, a few rows at a time to save memory."""
    tops = range(0, len(labels), _ROWS)
    strips = [overlay(image[:, a : a + _ROWS], labels[a : a + _ROWS], palette, alpha) for a in tops]
    picture, buffer = Image.fromarray(np.concatenate(strips)), io.BytesIO()
    if path.suffix.lower() == ".webp":
        picture.save(buffer, "WEBP", lossless=True, exif=_signed())
    else:
        picture.save(buffer, "PNG", compress_level=3, exif=_signed())
    write_bytes(buffer.getvalue(), path)


def write_legend(classes: Sequence[str], palette: np.ndarray, path: Path) -> None:
    """The colour and the name of each class, one below the other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = 0.7 + 0.09 * max(map(len, classes)), 0.2 + 0.19 * len(classes)  # inches
    canvas = FigureCanvasAgg(Figure(size, dpi=150, facecolor="white"))
    legend(canvas.figure.add_axes((0, 0, 1, 1)), classes, palette)
    canvas.draw()
    write_picture(np.asarray(canvas.buffer_rgba())[..., :3], path, _OURS)


def write_picture(picture: np.ndarray, path: Path, program: str) -> None:
    """A picture H×W×3 of bytes as a PNG that says which command of segkit wrote it."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", exif=_signed(program))
    write_bytes(buffer.getvalue(), path)


def _signed(program: str = _OURS) -> Image.Exif:
    exif = Image.Exif()
    exif[_SOFTWARE] = program
    return exif


def write_labels(labels: Tensor, palette: np.ndarray, path: Path) -> None:
    """The class numbers H×W as a PNG of one byte a pixel that shows the classes' colours."""
    picture, buffer = Image.fromarray(labels.cpu().numpy(), mode="P"), io.BytesIO()
    picture.putpalette(palette.astype(np.uint8).tobytes())
    picture.save(buffer, "PNG", exif=_signed())
    write_bytes(buffer.getvalue(), path)


def write_shares(found: Sequence[Shares], facts: dict[str, object], as_json: str | None, as_csv: str | None) -> None:
    """The shares of all pictures as JSON, with the facts before them, or as a table."""
    if as_json:
        rows = [
            {"picture": str(job.picture), "overlay": str(job.overlay), "labels": job.labels and str(job.labels),
             "shares": shares} for job, shares in found
        ]  # fmt: skip
        write_json({**facts, "pictures": rows}, as_json)
    if as_csv:
        table = io.StringIO(newline="")
        rows_ = csv.writer(table, lineterminator="\n")
        rows_.writerow(["picture", *(found[0].shares if found else ())])
        rows_.writerows([_path(job.picture), *(f"{share:.6f}" for share in shares.values())] for job, shares in found)
        write_bytes(table.getvalue().encode(), as_csv)


def _path(picture: Path) -> str:
    """A path that no spreadsheet takes for a formula: `./=1+1.png`."""
    return f"./{picture}" if str(picture).startswith(("=", "+", "-", "@")) else str(picture)
