"""The space that chapter 14's search chooses from: a small U with six places, three blocks and three widths in each.

  picture ── 3×3, stride 2 ── 1 ─────────────────── concatenate ── 6 ── scores, ×2    stride 2
                              └ pool ── 2 ── concatenate ── 5 ── ×2 ──┘               stride 4
                                        └ pool ── 3 ── 4 ── ×2 ──┘                    stride 8

All 3¹² = 531,441 networks are few enough to know the latency of each, as the sum over its places in a measured table.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import library
import torch
from results import load, recorded
from torch import Tensor, nn

from segkit.engine import engine
from segkit.files import write_json
from segkit.heads import enlarge
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.search import Mixed, Term, latency_table
from segkit.search.chain import BLOCKS
from segkit.training import provenance

STRIDES = (2, 4, 8, 8, 4, 2)  # of the places
READS = ((), (0,), (1,), (2,), (3, 1), (4, 0))  # whose maps each place gets; the first has the stem's
STEM, WIDTHS = 8, {2: (4, 8, 12), 4: (8, 16, 24), 8: (16, 32, 48)}
PLACES = [WIDTHS[stride] for stride in STRIDES]
OPTIONS = [n for widths in PLACES for n in (len(BLOCKS), len(widths))]  # of each choice: block and width by turns


class Net(nn.Module):
    """A network of the space.

    Args:
        places: the six modules, as READS and STRIDES say.
        last: channels that the sixth gives.
        path: which option of each choice this is; () while nothing is chosen.

    Shape:
        N×3×H×W → N×K×H×W; H and W divide by 8.
    """

    def __init__(self, num_classes: int, places: Sequence[nn.Module], last: int, path: Sequence[int] = ()) -> None:
        super().__init__()
        self.num_classes, self.chosen = num_classes, list(path)
        self.stem = conv_norm_relu(Conv2d(3, STEM, 3, 2, padding=1, bias=False))
        self.places = nn.ModuleList(places)
        self.score = score_layer(Conv2d(last, num_classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        one, two, three, four, five, six = self.places
        fine = one(self.stem(x))  # N, ·, H/2, W/2
        middle = two(engine().max_pool2d(fine, 2))  # N, ·, H/4, W/4
        x = four(three(engine().max_pool2d(middle, 2)))  # N, ·, H/8, W/8
        x = five(torch.cat([enlarge(x, 2), middle], 1))  # N, ·, H/4, W/4
        x = six(torch.cat([enlarge(x, 2), fine], 1))  # N, ·, H/2, W/2
        return enlarge(self.score(x), 2)  # N, K, H, W

    def path(self) -> list[int]:
        return self.chosen


class Supernet(Net):
    """All networks of the space at once: each place is a mixture, as wide as its widest."""

    def __init__(self, num_classes: int) -> None:
        most = [widths[-1] for widths in PLACES]
        places = [
            Mixed({name: make(incoming(n, most), most[n]) for name, make in BLOCKS.items()}, widths)
            for n, widths in enumerate(PLACES)
        ]
        super().__init__(num_classes, places, most[-1])

    def logits(self) -> list[nn.Parameter]:
        """Of all choices: block and width of the first place, of the second, and so on."""
        return [logits for place in self.places for logits in (place.block_logits, place.width_logits)]  # type: ignore[misc]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Weights, and choices, which learn at a rate of their own."""
        mine = set(map(id, self.logits()))
        return {"encoder": [p for p in self.parameters() if id(p) not in mine], "head": list(self.logits())}

    def path(self) -> list[int]:
        """The most probable option of each choice."""
        return [int(logits.argmax()) for logits in self.logits()]


def incoming(place: int, widths: Sequence[int]) -> int:
    """Channels that a place gets where all places have these widths."""
    return sum(widths[n] for n in READS[place]) or STEM


def cut(num_classes: int, path: Sequence[int]) -> Net:
    """The network of a path, with new weights."""
    names, widths = list(BLOCKS), [options[w] for options, w in zip(PLACES, path[1::2], strict=True)]
    places = [BLOCKS[names[b]](incoming(n, widths), widths[n]) for n, b in enumerate(path[::2])]
    return Net(num_classes, places, widths[-1], path)


def described(path: Sequence[int]) -> list[list[Any]]:
    """Block and width of each place."""
    return [[list(BLOCKS)[b], PLACES[n][w]] for n, (b, w) in enumerate(zip(path[::2], path[1::2], strict=True))]


def space(size: Sequence[int]) -> dict[str, Any]:
    """What a table is measured of, for pictures of this size."""
    return {"size": list(size), "stem": STEM, "blocks": list(BLOCKS), "strides": list(STRIDES),
            "widths": [list(widths) for widths in PLACES], "reads": [list(places) for places in READS]}  # fmt: skip


def table(size: Sequence[int], rounds: int = 51) -> dict[str, Any]:
    """The table of latencies: the recorded one, so that a repeat elsewhere searches the same; else measured, once.

    Returns:
        "us": for each place the microseconds of its blocks × the widths of each place that it reads × its own widths,
        in one row; what was measured, on how many threads, by which clock; and the provenance: where.
    """
    told, file = space(size), library.RUNS / "search" / "table.json"
    known = [load("search").extra["table"]] if recorded("search") else []
    known += [json.loads(file.read_text(encoding="utf-8"))] if file.is_file() else []
    for found in known:
        if all(found.get(key) == value for key, value in told.items()):
            return found
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    clock = fine_clock()
    try:
        us = [measured(n, size, rounds, clock).mul(1e6).tolist() for n in range(len(PLACES))]
    finally:
        torch.set_num_threads(threads)
    how = {"threads": 1, "clock": clock.__name__, "rounds": rounds}
    us = [[round(v, 2) for v in row] for row in us]
    found = {**told, **how, "us": us, "provenance": provenance(library.command())}
    write_json(found, file)
    return found


def fine_clock(least: float = 1e-5) -> Callable[[], float]:
    """Time of this process, which others do not lengthen; wall time where that comes in coarser steps, in seconds."""
    began = time.process_time()
    while (tick := time.process_time() - began) == 0:
        pass
    return time.process_time if tick < least else time.perf_counter


def measured(place: int, size: Sequence[int], rounds: int, clock: Callable[[], float]) -> Tensor:
    """Seconds of a place for one picture: blocks × widths of each place that it reads × its own, in one row."""
    before = [sum(widths) or STEM for widths in itertools.product(*(PLACES[n] for n in READS[place]))]
    at = size[0] // STRIDES[place], size[1] // STRIDES[place]
    return latency_table(BLOCKS, before, PLACES[place], at, rounds, clock=clock).flatten()


def terms(found: Mapping[str, Any]) -> list[Term]:
    """The table as terms, in µs, over choices: a place's block, the widths of those that it reads, its own width."""
    choices = [(2 * n, *(2 * read + 1 for read in READS[n]), 2 * n + 1) for n in range(len(PLACES))]
    rows = [torch.tensor(row, dtype=torch.float64) for row in found["us"]]
    return [Term(row.view([OPTIONS[c] for c in own]), own) for row, own in zip(rows, choices, strict=True)]


def fingerprint(found: Mapping[str, Any]) -> str:
    """Of what a table says, wherever and whenever it was measured."""
    return hashlib.sha256(json.dumps(found["us"]).encode()).hexdigest()[:12]


def every(parts: Sequence[Term]) -> Tensor:
    """The latency of all networks there are, with a dimension for each choice."""
    sizes = {choice: n for part in parts for choice, n in zip(part.choices, part.latency.shape, strict=True)}
    total = torch.zeros([sizes[choice] for choice in range(len(sizes))], dtype=torch.float64)
    for part in parts:
        order = sorted(range(len(part.choices)), key=lambda i: part.choices[i])
        total += part.latency.permute(order).reshape([n if c in part.choices else 1 for c, n in enumerate(total.shape)])
    return total


def alike(path: Sequence[int], parts: Sequence[Term], number: int, within: float = 0.1) -> list[int]:
    """A network whose latency differs from that of `path` by a share of at most `within`, each equally likely.

    Args:
        number: 1 for the first that is drawn from torch's generator as it stands, 2 for the second, never the same.

    Raises:
        ValueError: there are not so many.
    """
    all_, own = every(parts), tuple(path)
    near = (all_ - all_[own]).abs() <= within * all_[own]
    near[own] = False
    found = near.nonzero()
    if len(found) < number:
        raise ValueError(f"only {len(found)} other networks are within {within:.0%} of {float(all_[own]):.0f} µs; "
                         f"number {number} was asked for")  # fmt: skip
    return found[torch.randperm(len(found))[number - 1]].tolist()
