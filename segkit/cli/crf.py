"""`segkit crf search`: a dense CRF's widths and weights from validation pictures, for `segkit predict --crf FILE`."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from segkit.checks import finite
from segkit.cli.runs import find_weights, same_classes
from segkit.crf import DenseCRF, search
from segkit.crf.grid import GRID
from segkit.data import create
from segkit.files import write_json
from segkit.models import load, read_header
from segkit.training import pick_device, provenance

_OPTIONS = "gaussian_sxy gaussian_compat bilateral_sxy bilateral_srgb bilateral_compat iterations".split()


def crf(o: argparse.Namespace) -> int:
    """Run the command."""
    path = find_weights(o.model)
    header = read_header(path)
    name = o.data or header["data"]
    dataset = create(name, split=o.split)
    same_classes(path, header, name, dataset)
    if o.out:
        if Path(o.out).suffix.lower() != ".json":
            raise ValueError(f"--out {o.out} is a JSON file; let its name end in .json")
        tempfile.TemporaryFile(dir=Path(o.out).absolute().parent).close()  # where nothing can be written, stop here
    model = load(path).to(pick_device(o.device))
    found = search(
        model, dataset, {**GRID, **dict(o.grid)}, stages=o.stages, band=o.band or None, most=o.most or None,
        seed=o.seed, iterations=o.iterations,
    )  # fmt: skip
    print(f"{path} on {name} {o.split}\n{found}")
    if getattr(dataset, "eval_split", None) == o.split:
        print(f"{name} is scored on its split {o.split}, so figures quoted for it with this CRF are flattered a little")
    if o.out:
        chosen = {key: value for key, value in found.options.items() if key in _OPTIONS}
        facts = {"weights": str(path), "data": name, "split": o.split, "pictures": found.pictures, "seed": o.seed}
        write_json({"crf": chosen, **facts, "searched_by": found.metric, "without": found.without,
                    "border": found.border, "table": found.rows, "provenance": provenance()}, o.out)  # fmt: skip
        print(f"written to {o.out}; `segkit predict PICTURE --crf {o.out}` uses it")
    return 0


def axis(text: str) -> tuple[str, list[float]]:
    """NAME=V,V,… as a parameter and the values to try; argparse's own error where it is not."""
    name, _, values = text.partition("=")
    try:
        if name not in _OPTIONS[:-1]:
            raise ValueError
        return name, [float(value) for value in values.split(",")]
    except ValueError:
        names = ", ".join(_OPTIONS[:-1])
        raise argparse.ArgumentTypeError(f"{text!r}: give a name and values, bilateral_sxy=5,10,20; {names}") from None


def options_file(text: str) -> dict[str, Any]:
    """What `segkit crf search --out` wrote, as arguments of DenseCRF; argparse's own error where it is not."""
    if not text.lower().endswith(".json"):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no JSON file of `segkit crf search --out`; without a file, put --crf behind the picture"
        )
    try:
        found = json.loads(Path(text).read_text(encoding="utf-8-sig"))["crf"]
        options = {key: found[key] for key in found if key in _OPTIONS}
        for key, value in options.items():
            finite(value, key, text)
        DenseCRF(**options)
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except (ValueError, TypeError, KeyError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise argparse.ArgumentTypeError(f"{text!r}: {why}; make it with `segkit crf search --out {text}`") from None
    return options
