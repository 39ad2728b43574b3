"""What the dense CRF costs, step by step: `python tests/benchmarks/bench_crf.py`.

For each size: the time to build the lattice of the places (kept for all pictures of a size) and that of the colours,
and the time of five mean-field steps. For the first size each step stands beside its floor: the bytes it must read and
write once, at the speed at which the machine copies a large array. All times are the best of --repeats, and processor
time unless --wall asks for the clock: with one thread, other users of the machine do not show in processor time.
Where pydensecrf (the C++ of Krähenbühl and Koltun) can be imported, it takes turns with segkit on the same pictures.
`--memory` runs each size in a process of its own and prints its peak. `--device cuda` times a GPU by the clock, until
it has finished its work; pydensecrf then still runs on the CPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.analysis import in_turns
from segkit.crf import DenseCRF, PermutohedralLattice, bilateral_features, position_features
from segkit.crf.corners import distinct_corners, distinct_simplices, neighbours, splat_rows
from segkit.crf.mean_field import softmax_into
from segkit.crf.simplex import barycentric, elevate, enclosing_simplex
from segkit.training import pick_device, provenance

SIZES = [(426, 640, 21), (240, 320, 2), (375, 500, 21), (480, 640, 21), (1024, 2048, 19)]
clock = time.process_time


def picture(height: int, width: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A made-up photograph, uint8: smooth shading, edges and noise as a camera has it; and scores that half fit it."""
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    best = torch.full((height, width), 9.0)
    labels = torch.zeros(height, width, dtype=torch.int64)
    colour = torch.zeros(3, height, width)
    for number in range(40):  # cells of a Voronoi diagram, each of one colour
        cy, cx = torch.rand(2, generator=rng)
        distance = (y - cy) ** 2 + (x - cx) ** 2
        nearer = distance < best
        best = torch.where(nearer, distance, best)
        labels[nearer] = number % classes
        colour = torch.where(nearer, 30 + 190 * torch.rand(3, 1, 1, generator=rng), colour)
    colour = colour * (0.8 + 0.3 * torch.sin(9 * x + 5 * y)) + 6 * torch.randn(colour.shape, generator=rng)
    logits = torch.randn(1, classes, height // 8 + 1, width // 8 + 1, generator=rng)
    logits = logits.repeat_interleave(8, 2).repeat_interleave(8, 3)[..., :height, :width].contiguous()
    logits.scatter_add_(1, labels[None, None], torch.full((1, 1, height, width), 2.0))
    return logits, colour.clamp(0, 255).round().to(torch.uint8)[None]


def best_ms(run: Callable[[], Any], repeats: int) -> float:
    device = "cuda" if torch.cuda.is_initialized() else "cpu"
    return 1e3 * min(in_turns({"": run}, repeats, device=device, clock=clock)[""])


def steps(logits: Tensor, image: Tensor, repeats: int) -> list[tuple[str, float, float]]:
    """Each step of building the lattice of the colours and of filtering with it: name, ms, bytes in MB."""
    K, N = logits.shape[1], logits[0, 0].numel()
    features = bilateral_features(image[0].float(), 80, 13)
    points = features.t().contiguous()
    d = len(points)
    n = d + 1
    x = elevate(points)
    v, rank = enclosing_simplex(x)
    weights = barycentric(x, v).t().contiguous()
    simplices, corner_v, corner_rank = distinct_simplices(v, rank)
    corners = distinct_corners(corner_v, corner_rank)
    lattice = PermutohedralLattice(features)
    q, out = torch.rand_like(logits).view(N, K), torch.empty_like(logits).view(N, K)
    y = lattice.splat @ q
    S, M = len(simplices.first), corners.size
    rows = [
        ("elevate", lambda: elevate(points), 4 * N * (d + n)),
        ("enclosing simplex", lambda: enclosing_simplex(x), N * n * (4 + 4 + 1)),
        ("barycentric weights", lambda: barycentric(x, v).t().contiguous(), N * n * 12),
        ("distinct simplices (sort)", lambda: distinct_simplices(v, rank), N * (5 * n + 8 + 8 + 4 + 4) + S * n * 10),
        ("distinct corners (sort)", lambda: distinct_corners(corner_v, corner_rank), S * n * (5 + 8 + 8 + 4 + 4)),
        ("neighbours", lambda: neighbours(corners), M * n * (8 + 12)),
        ("matrix of the splat", lambda: splat_rows(simplices, corners, weights), N * n * (4 + 4 + 4)),
        ("normalise", lambda: lattice.normalized("symmetric"), N * n * (4 + 4) * 3),
        ("splat", lambda: lattice.splat @ q, N * n * 8 + 4 * K * (N + M)),
        ("blur", lambda: [blur @ y for blur in lattice.blurs], n * M * (24 + 8 * K)),
        ("slice", lambda: lattice.slice @ y, N * n * 8 + 4 * K * (N + M)),
        ("exponential, sum, quotient", lambda: softmax_into(out, q), 8 * N * K),
    ]
    return [(name, best_ms(run, repeats), size / 1e6) for name, run, size in rows]


def copy_speed(repeats: int, device: torch.device) -> float:
    """Bytes a millisecond, read and written, in MB."""
    source, target = torch.ones(2, 2**25, device=device)
    return 2 * 4 * 2**25 / 1e6 / best_ms(lambda: target.copy_(source), repeats)


def one_size(height: int, width: int, classes: int, repeats: int, device: torch.device) -> dict[str, Any]:
    scores, colours_of = picture(height, width, classes)
    logits, image = scores.to(device), colours_of.to(device)
    crf = DenseCRF()
    places = best_ms(lambda: crf.kernels.lattice(position_features(height, width, 3, logits)), repeats)
    colours = best_ms(lambda: crf.kernels.bilateral(image[0].float()), repeats)
    known = best_ms(lambda: crf(logits, image), repeats)
    row = {
        "size": [height, width, classes], "lattice of places, ms": places, "lattice of colours, ms": colours,
        "five steps, ms": known - colours, "all, first picture, ms": known + places, "all, next pictures, ms": known,
        "ns a pixel and class": 1e6 * known / logits.numel(),
    }  # fmt: skip
    try:
        reference = importlib.import_module("pydensecrf.densecrf")
    except ImportError:
        return row
    answers = {}

    def theirs() -> None:
        d = reference.DenseCRF2D(width, height, classes)
        d.setUnaryEnergy((-scores[0]).flatten(1).numpy())
        d.addPairwiseGaussian(sxy=3, compat=3)
        d.addPairwiseBilateral(sxy=80, srgb=13, rgbim=colours_of[0].permute(1, 2, 0).contiguous().numpy(), compat=10)
        answers["q"] = torch.from_numpy(np.array(d.inference(5))).view(classes, height, width)

    row["pydensecrf, ms"] = best_ms(theirs, max(1, repeats // 3))
    row["times as fast, first picture"] = row["pydensecrf, ms"] / row["all, first picture, ms"]
    same = crf(logits, image)[0].argmax(0).cpu() == answers["q"].argmax(0)
    row["same arg-max, %"] = 100 * float(same.double().mean())
    return row


def peak_mib(size: tuple[int, int, int]) -> float:
    """Peak memory of a process that only makes and solves one picture of this size."""
    code = (
        "import resource, torch; from segkit.crf import DenseCRF\n"
        "torch.set_num_threads(1); b = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"h, w, k = {size}\n"
        "x = torch.zeros(1, k, h, w).uniform_(-2, 2); p = torch.randint(90, 130, (1, 3, h, w), dtype=torch.uint8)\n"
        "DenseCRF()(x, p); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    return float(answer.stdout)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    global clock
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; cuda is timed by the clock")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--wall", action="store_true", help="time by the clock, for a quiet machine")
    parser.add_argument("--size", action="append", metavar="H,W,K", help="in place of the five sizes")
    parser.add_argument("--memory", action="store_true", help="only peak memory")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device = pick_device(options.device)
    wall = options.wall or device.type != "cpu"
    clock = time.perf_counter if wall else time.process_time
    sizes = [tuple(map(int, s.split(","))) for s in options.size] if options.size else SIZES
    print(
        f"torch {torch.__version__}, {platform.machine()}, {device}, {options.threads} thread(s), best of "
        f"{options.repeats}, {'time by the clock' if wall else 'processor time'}"
    )
    found: dict[str, Any] = {"sizes": [], "steps": [], "provenance": provenance()}
    if options.memory:
        for size in sizes:
            found["sizes"].append({"size": size, "peak, MiB": peak_mib(size)})
            print(
                f"{'×'.join(map(str, size))}: peak {found['sizes'][-1]['peak, MiB']:.0f} MiB, Python and torch included"
            )
    else:
        speed = copy_speed(options.repeats, device)
        print(
            f"copying: {speed:.1f} GB/s read and written; steps at {'×'.join(map(str, sizes[0]))}, lattice of colours:"
        )
        for name, ms, mb in steps(*(t.to(device) for t in picture(*sizes[0])), options.repeats):
            found["steps"].append({"step": name, "ms": ms, "MB": mb, "times its floor": ms * speed / mb})
            print(f"  {name:28} {ms:8.2f} ms   {mb:8.1f} MB   {ms * speed / mb:6.1f} × its floor")
        for size in sizes:
            found["sizes"].append(one_size(*size, options.repeats, device))
            print("\n".join(f"  {k:32} {v:10.2f}" if k != "size" else f"{v}" for k, v in found["sizes"][-1].items()))
    found["peak of this process, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


if __name__ == "__main__":
    main()
