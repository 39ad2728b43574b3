"""`segkit crf search`: a dense CRF's widths and weights from validation pictures, for `segkit predict --crf FILE`."""

from __future__ import annotations

import argparse

from segkit.cli.crf_options import OPTIONS
from segkit.cli.outputs import figures_file
from segkit.cli.runs import data_of, find_weights, same_classes
from segkit.crf import search
from segkit.crf.grid import GRID
from segkit.data import create
from segkit.data.sizes import look
from segkit.files import write_json
from segkit.models import load, read_header
from segkit.training import pick_device, provenance


def crf(o: argparse.Namespace) -> int:
    """Run the command."""
    path = find_weights(o.model)
    header = read_header(path)
    name = data_of(o.data, header, path)
    dataset = create(name, split=o.split)
    same_classes(path, header, name, dataset)
    look(dataset)
    if o.out:
        figures_file("--out", o.out, "crf", "table")
    model = load(path).to(pick_device(o.device))
    found = search(
        model, dataset, {**GRID, **dict(o.grid)}, stages=o.stages, band=o.band or None, most=o.most or None,
        seed=o.seed, iterations=o.iterations,
    )  # fmt: skip
    print(f"{path} on {name} {o.split}\n{found}")
    if getattr(dataset, "eval_split", None) == o.split:
        print(f"{name} is scored on its split {o.split}, so figures quoted for it with this CRF are flattered a little")
    if o.out:
        chosen = {key: value for key, value in found.options.items() if key in OPTIONS}
        facts = {"weights": str(path), "data": name, "split": o.split, "pictures": found.pictures, "seed": o.seed}
        write_json({"crf": chosen, **facts, "searched_by": found.metric, "without": found.without,
                    "border": found.border, "table": found.rows, "provenance": provenance()}, o.out)  # fmt: skip
        print(f"written to {o.out}; `segkit predict PICTURE --crf {o.out}` uses it")
    return 0
