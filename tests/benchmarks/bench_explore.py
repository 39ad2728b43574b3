"""How fast every explorer answers a control, without a browser: `python tests/benchmarks/bench_explore.py`.

Moves each control of each explorer through several places and prints the median and the slowest of the times from the
change to the new PNG, in milliseconds of the clock and of the processor: on a machine with nothing else to do the two
are alike, on a busy one the second is what an idle one would need. With --check it ends with 1 if a median of the
second is over 50 ms.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

import segkit.models
from segkit import explore
from segkit.explore.shell import Explorer

AIM = 50.0
RESULTS = Path(__file__).resolve().parents[2] / "course" / "results"


def explorers() -> dict[str, Explorer]:
    """One of each, on the street scenes that they show by default."""
    model, segnet = (segkit.models.create(name, num_classes=13, width=8) for name in ("fcn8s", "segnet"))
    return {
        "ReceptiveFieldExplorer": explore.ReceptiveFieldExplorer(),
        "MetricsExplorer": explore.MetricsExplorer(),
        "UpsampleExplorer": explore.UpsampleExplorer(),
        "UnpoolExplorer": explore.UnpoolExplorer(),
        "GriddingExplorer": explore.GriddingExplorer(),
        "PyramidExplorer": explore.PyramidExplorer(),
        "AsppExplorer": explore.AsppExplorer(),
        "CostExplorer": explore.CostExplorer(),
        "LatencyExplorer": explore.LatencyExplorer(),
        "SkipExplorer": explore.SkipExplorer(model),
        "LineageExplorer": explore.LineageExplorer({"FCN-8s": model, "SegNet": segnet}),
        "RaceExplorer": explore.RaceExplorer(RESULTS / "lineage.json"),
        "CrfExplorer": explore.CrfExplorer(model),
        "PointExplorer": explore.PointExplorer(),
    }


def places(control: Any, repeats: int) -> list[Any]:
    """Values to move a control through, each different from the one before."""
    if hasattr(control, "options"):
        values = [o[1] if isinstance(o, tuple) else o for o in control.options]
    elif isinstance(control.value, bool):
        values = [not control.value, control.value]
    else:
        count = min(24, round((control.max - control.min) / control.step) + 1)
        values = [control.min + (control.max - control.min) * k / (count - 1) for k in range(count)]
        values = [round(v) if isinstance(control.step, int) else v for v in values]
    return (values * -(-(repeats + 1) // len(values)))[: repeats + 1]


def times_ms(explorer: Explorer, name: str, repeats: int) -> list[tuple[float, float]]:
    """Clock and processor time of each move of a control."""
    control = explorer.controls[name]
    start = control.value
    first, *others = places(control, repeats)
    control.value = first
    times = []
    for value in others:
        if value != control.value:
            began = time.perf_counter(), time.process_time()
            control.value = value
            times.append((1e3 * (time.perf_counter() - began[0]), 1e3 * (time.process_time() - began[1])))
    control.value = start
    return times


def report(title: str, name: str, times: list[tuple[float, float]]) -> float:
    """Print one line; the median of processor time."""
    clock, processor = (statistics.median(t) for t in zip(*times, strict=True))
    slowest = max(t for _, t in times)
    print(f"{title:24s} {name:16s} {clock:10.1f} {processor:10.1f} {slowest:8.1f} {len(times):6d}")
    return processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="moves of each control")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--check", action="store_true", help=f"fail if a median is over {AIM:.0f} ms")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, torch {torch.__version__}")
    print(f"{'explorer':24s} {'control':16s} {'clock, ms':>10s} {'processor':>10s} {'slowest':>8s} {'moves':>6s}")
    slow = []
    for title, explorer in explorers().items():
        everything: list[tuple[float, float]] = []
        for name in explorer.controls:
            times = times_ms(explorer, name, options.repeats)
            everything += times
            report(title, name, times)
        slow += [title] if report(title, "all", everything) > AIM else []
    if options.check and slow:
        raise SystemExit(f"over {AIM:.0f} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
