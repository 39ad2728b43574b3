"""One pass for all regions of a picture against a pass for each: `python tests/benchmarks/bench_regions.py`.

SPPNet (ZF-5) scores R windows of one picture: `regions` computes the map once and pools each window's part of it;
`regions_one_by_one` cuts every window out, warps it to 227×227 and runs the network, in batches of 32, as R-CNN does.
Both have the same weights. Multiply-adds are counted; the times are medians of runs that take turns, in one process.
"""

from __future__ import annotations

import argparse
import functools
import platform
import random
import statistics
from typing import Any

import torch
from torch import Tensor, nn

from segkit.analysis import cost, in_turns
from segkit.models import SPPNet
from segkit.models.windows import Box


class Way(nn.Module):
    """One of the two ways, as a network of its own."""

    def __init__(self, model: SPPNet, way: str, boxes: list[Box], *more: Any) -> None:
        super().__init__()
        self.model, self.way, self.boxes, self.more = model, way, boxes, more

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self.model, self.way)(x, self.boxes, *self.more)


def windows(count: int, height: int, width: int, seed: int = 0) -> list[Box]:
    """Boxes of a twentieth to the whole of each side, anywhere in the picture."""
    chance, boxes = random.Random(seed), []
    for _ in range(count):
        h, w = (max(1, int(n * chance.uniform(0.05, 1))) for n in (height, width))
        y, x = chance.randint(0, height - h), chance.randint(0, width - w)
        boxes.append((y, x, y + h, x + w))
    return boxes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=64, help="64 is the paper's size (default)")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 640), metavar=("H", "W"))
    parser.add_argument("--regions", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--crop", type=int, default=227, help="what R-CNN warps each window to")
    parser.add_argument("--repeats", type=int, default=3, help="0 counts only")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    o = parser.parse_args(arguments)
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    device = torch.device(o.device)
    model, x = SPPNet(21, width=o.width).eval().to(device), torch.randn(1, 3, *o.size, device=device)
    print(f"torch {torch.__version__}, {platform.machine()}, {device}, {o.threads} thread(s), {o.size[0]}×{o.size[1]}")
    print("regions   G multiply-adds: one pass, each    ratio   of these convolutions   ms: one pass, each    ratio")
    for count in o.regions:
        boxes = windows(count, *o.size)
        ways = [Way(model, "regions", boxes), Way(model, "regions_one_by_one", boxes, o.crop)]
        costs = [cost(way, x) for way in ways]
        macs, within = ([c.macs / 1e9 for c in costs], [c.inside("model.encoder").macs / 1e9 for c in costs])
        one = each = float("nan")
        if o.repeats:
            runs = {name: functools.partial(way, x) for name, way in zip("ab", ways, strict=True)}
            with torch.no_grad():
                times = in_turns(runs, o.repeats, device=x.device)
            one, each = (1e3 * statistics.median(found) for found in times.values())
        print(
            f"{count:7} {macs[0]:22.2f} {macs[1]:10.2f} {macs[1] / macs[0]:8.1f} {within[1] / within[0]:23.1f}"
            f" {one:15.0f} {each:9.0f} {each / one:8.1f}"
        )


if __name__ == "__main__":
    main()
