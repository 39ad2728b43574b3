"""The assignments: which exercises they hold, for how many marks, and their student versions.

    python -m segkit.grading.assignments            # write course/assignments/student/ anew from source/

The sources are nbgrader notebooks. The student version is exactly what `nbgrader generate_assignment` makes of them, so
that a class can be run with nbgrader or without; nbgrader itself is not needed here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from segkit.files import write_bytes

# What each exercise is worth. The notebooks carry the same numbers; a test compares them.
ASSIGNMENTS: dict[str, dict[str, int]] = {
    "ch01": {
        "confusion_matrix": 4,
        "pixel_accuracy": 2,
        "frequency_weighted_iou": 3,
        "dice": 3,
        "mean_iou": 4,
        "boundary_mask": 4,
    },
    "ch02": {"conv2d": 3, "conv2d_backward": 6, "shared_pool_backward": 5, "seen_pixels": 6},
    "ch03": {
        "stitch_tiles": 6,
        "coverage_of_stack": 4,
        "sample_bilinear": 5,
        "pixel_unshuffle": 2,
        "shift_and_stitch": 3,
    },
    "ch04": {"linear_to_conv": 5, "bilinear_kernel": 4, "fuse_skip": 5, "cross_entropy_with_void": 6},
    "ch05": {"segnet_decoder_step": 7, "concat_skip": 6, "unet_weight_map": 7},
    "ch06": {"dilate_strides": 6, "gridding_counts": 4, "hdc_check": 5, "dense_upsample": 5},
    "ch07": {"bilateral_filter": 7, "compatibility_transform": 5, "mean_field_step": 8},
    "ch08": {"spatial_pyramid_pool": 6, "pyramid_pooling": 6, "l2_fusion": 4, "poly_schedule": 4},
    "ch09": {"aspp": 6, "multi_grid_rates": 4, "valid_weights": 4, "change_output_stride": 6},
    "ch10": {
        "separable_conv1d": 4,
        "network_cost": 5,
        "separable_terms": 4,
        "shuffle_matrix": 3,
        "inverted_residual": 4,
    },
    "ch11": {"decode": 7, "xception_block": 7, "dial_shift": 6},
}

Notebook = dict[str, Any]
_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
_TEXT_STUB = "YOUR ANSWER HERE"


class NotebookError(ValueError):
    """A file that is not there, or not a notebook."""


def folder() -> Path:
    """Where the course keeps its assignments (missing where segkit is installed without the course)."""
    return Path(__file__).parents[2] / "course" / "assignments"


def source_path(assignment: str) -> Path:
    """The instructor's notebook of an assignment."""
    return folder() / "source" / assignment / f"{assignment}.ipynb"


def read_notebook(path: str | Path) -> Notebook:
    """A notebook as a dictionary, each source in one string.

    Raises:
        NotebookError: the file is not there, or not a notebook.
    """
    path = Path(path)
    if path.is_dir():
        raise NotebookError(f"{path} is a folder; give the notebook in it, a file ending in .ipynb")
    if not path.exists():
        raise NotebookError(f"there is no file {path}; check the name and the folder you are in")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        if "worksheets" in notebook:
            raise NotebookError(f"{path} is in the old format 3 of notebooks; open it in JupyterLab and save it again")
        _only_dicts(notebook, "segkit")
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
            _only_dicts(cell, "nbgrader")
            cell["cell_type"] = str(cell["cell_type"])
    except NotebookError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = (
            "; notebooks end in .ipynb" if path.suffix != ".ipynb" else "; has it been cut off while saving or copying?"
        )
        raise NotebookError(f"{path} is not a notebook that can be read{hint}") from error
    return notebook


def _only_dicts(part: dict[str, Any], ours: str) -> None:
    """Metadata that programs and people have spoilt, made what they must be: a dictionary, and one in it if any."""
    meta = part["metadata"] = part["metadata"] if isinstance(part.get("metadata"), dict) else {}
    if ours in meta and not isinstance(meta[ours], dict):
        del meta[ours]


def write_notebook(notebook: Notebook, path: str | Path) -> None:
    """Write a notebook in the layout of nbformat: sources as lists of lines, keys sorted, one space of indentation."""
    cells = [{**cell, "source": cell["source"].splitlines(keepends=True)} for cell in notebook["cells"]]
    text = json.dumps({**notebook, "cells": cells}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_bytes(text.encode("utf-8"), path)


def student_version(source: Notebook) -> Notebook:
    """What a student gets: solutions replaced by stubs, hidden tests and outputs gone, cells locked, checksums made.

    Raises:
        ValueError: a region has no end, or a solution stands in a cell that is not marked as one.
    """
    notebook = json.loads(json.dumps(source))
    notebook["metadata"].pop("celltoolbar", None)
    for cell in notebook["cells"]:
        _lock(cell)
        _clear_solution(cell)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            for noise in ("collapsed", "scrolled"):
                cell["metadata"].pop(noise, None)
        cell["source"], removed = _without_region(cell["source"], "HIDDEN TESTS", None)
        if removed and not _meta(cell).get("grade"):
            raise ValueError("a hidden test stands in a cell that is not marked as a test")
        meta = cell["metadata"].get("nbgrader")
        if meta and (meta.get("grade") or meta.get("solution") or meta.get("locked")):
            meta["checksum"] = _checksum(cell)
            meta["cell_type"] = cell["cell_type"]
    return notebook


def _meta(cell: Notebook) -> dict[str, Any]:
    return cell["metadata"].get("nbgrader", {})


def _is_locked(cell: Notebook) -> bool:
    meta = _meta(cell)
    return not meta.get("solution") and bool(meta.get("grade") or meta.get("locked"))


def _lock(cell: Notebook) -> None:
    if _meta(cell).get("solution"):
        cell["metadata"]["deletable"] = False
    elif _is_locked(cell):
        cell["metadata"].update(deletable=False, editable=False)


def _clear_solution(cell: Notebook) -> None:
    stub = _STUB if cell["cell_type"] == "code" else _TEXT_STUB
    text, replaced = _without_region(cell["source"], "SOLUTION", stub)
    if replaced and not _meta(cell).get("solution"):
        raise ValueError("a solution stands in a cell that is not marked as one: it would reach the students")
    cell["source"] = stub if _meta(cell).get("solution") and not replaced else text


def _without_region(text: str, name: str, stub: str | None) -> tuple[str, bool]:
    """Text without what stands between BEGIN and END of a region, a stub in its place; and whether there was one."""
    lines: list[str] = []
    inside = found = False
    for line in text.split("\n"):
        if f"BEGIN {name}" in line:
            if inside:
                raise ValueError(f"BEGIN {name} stands inside another one")
            inside = found = True
            indent = re.match(r"\s*", line).group(0)  # type: ignore[union-attr]
            lines += [indent + part for part in stub.split("\n")] if stub is not None else []
        elif f"END {name}" in line:
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"BEGIN {name} has no END {name}")
    return "\n".join(lines), found


def _checksum(cell: Notebook) -> str:
    """nbgrader's checksum of a cell: source, type, the three flags, the id and the points."""
    meta = _meta(cell)
    parts = [
        cell["source"],
        cell["cell_type"],
        bool(meta.get("grade")),
        bool(meta.get("solution")),
        _is_locked(cell),
        meta["grade_id"],
    ]
    if meta.get("grade"):
        parts.append(float(meta["points"]))
    return hashlib.md5("".join(map(str, parts)).encode("utf-8")).hexdigest()


def generate(source: Path, target: Path) -> list[Path]:
    """Write the student version of every source/NAME/NAME.ipynb as target/NAME.ipynb."""
    written = []
    for path in sorted(source.glob("*/*.ipynb")):
        write_notebook(student_version(read_notebook(path)), target / path.name)
        written.append(target / path.name)
    return written


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m segkit.grading.assignments", description="Write the student versions."
    )
    parser.add_argument("--source", type=Path, help="folder with NAME/NAME.ipynb (default: the course's)")
    parser.add_argument(
        "--target", type=Path, help="folder for the student versions (default: student/ beside source/)"
    )
    given = parser.parse_args(arguments)
    source = given.source or folder() / "source"
    for path in generate(source, given.target or source.parent / "student"):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
