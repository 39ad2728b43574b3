"""`segkit bench`: what each network costs and how good it is, in one table; what a file holds is not measured again."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import torch

from segkit.analysis.printed import Printed, number_text
from segkit.checks import whole
from segkit.cli.bench_book import Book
from segkit.cli.bench_entrants import Entrant, entrants
from segkit.cli.bench_measure import Settings, measure
from segkit.cli.bench_plot import draw, picture_file
from segkit.training import pick_device

Show = Callable[[dict[str, float]], str]
COLUMNS: dict[str, Show] = {  # head of the column: what stands in it
    "parameters": lambda f: number_text(f["parameters"]),
    "mult-adds": lambda f: number_text(f["macs"]),
    "memory": lambda f: number_text(f["peak_bytes"], "B"),
    "ms": lambda f: f"{f['ms']:.1f}",
    "quartiles": lambda f: f"{f['ms_low']:.1f}–{f['ms_high']:.1f}",
    "per second": lambda f: f"{f['pictures_per_second']:.1f}",
    "time ×": lambda f: f"{f['ratio']:.2f}",
    "mIoU": lambda f: f"{100 * f['mean_iou']:.1f} %",
    "at edges": lambda f: f"{100 * f['boundary_iou']:.1f} %",
}


def bench(o: argparse.Namespace) -> int:
    """Run the command; 1 if nothing could be measured."""
    _check(o)
    _busy()
    before = torch.get_num_threads()
    threads = before if o.threads is None else whole(o.threads, "--threads", "segkit bench", 1, 1024)
    s = Settings(tuple(o.size), o.batch, pick_device(o.device), threads, o.repeats, o.training)
    groups, book = entrants(o), Book(o.out)
    todo = [[e for e in group if not book.holds(s.row(e), s.arm(e))] for group in groups]
    if o.plot:
        picture_file(o.plot)
        _comparable(groups)
    try:
        torch.set_num_threads(threads)
        _fill(book, groups, todo, s)
    except KeyboardInterrupt:
        kept = f"what was measured is in {o.out}, and the same command goes on" if o.out else "--out would have kept it"
        raise KeyboardInterrupt(f"stopped; {kept}") from None
    finally:
        torch.set_num_threads(before)
    shown = {e.name: book.scores(s.row(e)) for group in groups for e in group}
    print(BenchTable([Row(name, scores) for name, scores in shown.items() if scores], s))
    for group in groups:
        for e in group:
            if reason := book.found["extra"]["failed"].get(s.row(e)):
                print(f"not measured: {e.name}: {reason}")
    if o.plot and any("mean_iou" in scores for scores in shown.values()):
        draw(shown, o.plot)
    return 0 if any(shown.values()) else 1


def _busy() -> None:
    """Say so where other programs take the processors: times mean little then, ratios of turns still something."""
    load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    if load > cores:
        print(f"note: {load:.0f} programs share {cores} processors: trust the ratios more than times", file=sys.stderr)


def _check(o: argparse.Namespace) -> None:
    """Refuse what cannot be, before anything long begins."""
    o.batch = (8 if o.training else 1) if o.batch is None else o.batch
    for name in ("batch", "repeats", *(("width",) if o.width != "paper" else ())):
        whole(getattr(o, name), f"--{name}", "segkit bench", 1)
    for number in o.size:
        whole(number, "--size", "segkit bench", 1, 16384)
    if not o.weights and (flag := next((f for f in ("data", "limit", "plot") if getattr(o, f) is not None), None)):
        raise ValueError(f"--{flag} needs scores, and untrained networks have none; name trained ones with --weights")
    if o.training and o.weights:
        raise ValueError("--training measures how fast networks train, from random weights; leave out --weights")
    if o.training and min(o.size) < 32:
        raise ValueError(f"--training got --size {o.size[0]} {o.size[1]}; its pictures have 32×32 pixels at least")


def _comparable(groups: list[list[Entrant]]) -> None:
    """Refuse to draw scores on different pictures beside each other."""
    sets = {f"{e.data['test']} pictures of {e.data['set']}" for group in groups for e in group if e.data}
    if len(sets) > 1:
        raise ValueError(f"--plot would mix scores on {' and '.join(sorted(sets))}; name weights for one of them alone")


def _fill(book: Book, groups: list[list[Entrant]], todo: list[list[Entrant]], s: Settings) -> None:
    """Measure what is missing, and keep it group by group; the first of a group runs along for the ratios."""
    for place, (group, missing) in enumerate(zip(groups, todo, strict=True), 1):
        if not missing:
            continue
        print(f"{place} of {len(groups)}: {', '.join(e.name for e in missing)}", file=sys.stderr, flush=True)
        found = measure(missing if group[0] in missing else [group[0], *missing], s)
        for e in missing:
            book.enter(s.row(e), s.arm(e), found[e.name])
        book.write()


class Row(NamedTuple):
    """A network, and what was measured of it."""

    name: str
    scores: dict[str, float]

    def cell(self, show: Show) -> str:
        """Empty where that was not measured."""
        try:
            return show(self.scores)
        except KeyError:
            return ""


class BenchTable(Printed[Row]):
    """A row for each network that was measured; columns that would be empty are left out."""

    what = "network"

    def __init__(self, rows: list[Row], s: Settings) -> None:
        super().__init__(rows)
        self.s = s

    def cells(self) -> list[list[str]]:
        lines = [[row.name, *(row.cell(show) for show in COLUMNS.values())] for row in self.rows]
        columns = list(zip(["network", *COLUMNS], *lines, strict=True))
        kept = [column for column in columns if any(column[1:]) or column[0] == "network"]
        return [list(line) for line in zip(*kept, strict=True)]

    def note(self) -> str:
        (H, W), s = self.s.size, self.s
        what = "a step of training, loader included" if s.training else "a call"
        texts = [
            f"{s.batch}×3×{H}×{W} on {s.device}, {s.threads} thread(s); ms: median time of {what};",
            "mult-adds: multiply-adds for one picture; per second: pictures.",
        ]
        if "time ×" in self.cells()[0]:
            texts.append("time ×: the time over that of the first network that took turns with it, round by round.")
        return "\n".join(texts)
