"""How many street scenes one core makes per second: `python tests/benchmarks/bench_street.py`.

The aim is 300 scenes of 96×128 per second with everything rendered. Since machines differ, each figure is also given
as a multiple of a yardstick measured in the same process: 100 sums of two float32 arrays of the picture's size, 3×H×W.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from segkit.data.street import DOMAINS, StreetScenes


def seconds_each(run: Callable[[int], object], count: int, repeats: int) -> float:
    """Processor time of one call: median of `repeats` runs of `count` calls, after one that is not counted."""
    run(0)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for i in range(count):
            run(i)
        times.append((time.process_time() - start) / count)
    return statistics.median(times)


def yardstick(size: tuple[int, int], repeats: int) -> float:
    """Seconds for 100 sums of two pictures."""
    a = np.ones((3, *size), np.float32)
    b = np.empty_like(a)

    def sums(_: int) -> None:
        for _ in range(100):
            np.add(a, a, out=b)

    return seconds_each(sums, 5, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="scenes per run")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, processor time of one thread\n")
    print("| scenes | ms each | scenes per second | yardsticks each |")
    print("|---|---|---|---|")
    cases: list[tuple[str, dict]] = [(f"{d}, 96×128", {"domain": d}) for d in DOMAINS]
    cases += [
        ("day, 96×128, with motion", {"motion": True}),
        ("day, 96×128, void border 1", {"void_border": 1}),
        ("day, 96×128, cached", {"cache": True}),
        ("day, 192×256", {"size": (192, 256)}),
        ("day, 512×1024", {"size": (512, 1024)}),
    ]
    for name, settings in cases:
        data = StreetScenes(length=10000, **settings)
        count = options.count if data.size[0] < 500 else max(1, options.count // 10)
        each = seconds_each(data.__getitem__, count, options.repeats)
        unit = yardstick(data.size, options.repeats)
        print(f"| {name} | {1e3 * each:.2f} | {1 / each:.0f} | {each / unit:.1f} |", flush=True)


if __name__ == "__main__":
    main()
