"""What large pictures cost: `python tests/benchmarks/bench_inference.py`.

For each of the course's own networks and each size: the time to label a made-up photograph in tiles (processor time, or
with --wall the time by the clock, for a quiet machine), and the peak memory of a process that does only that. `--whole`
adds the network on the whole picture at once, which takes memory for all of its maps. `--seams` measures what tiles
cost in quality instead: the share of pixels that get another label than without tiles, by distance to the nearest
seam, on a street scene. `--command` times `segkit predict` from the file of the photograph to the files of the answers.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from segkit.data.street import StreetScenes
from segkit.inference import seam_differences, tiled
from segkit.models import create, load
from segkit.training import provenance

WEIGHTS = Path(__file__).resolve().parents[2] / "course" / "weights"
NETWORKS = ("lineage_deeplab_v1", "lineage_fcn8s", "unet_cells_plain")
SIZES = [(3000, 4000)]
OVERLAPS = (0, 32, 64, 128, 192, 256)


def network(name: str) -> Any:
    """A shipped network; or "MODEL:K", an untrained one of course size with K classes."""
    if ":" in name:
        model, classes = name.split(":")
        made = create(model, int(classes), width=8).eval()
    else:
        made = load(WEIGHTS / f"{name}.safetensors")
    return made.to(memory_format=torch.channels_last)


def photograph(height: int, width: int, channels: int) -> Tensor:
    """Soft shapes, so that scores are neither all alike nor noise."""
    small = torch.rand(1, channels, -(-height // 64), -(-width // 64), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(small, (height, width), mode="bilinear")


def one(name: str, height: int, width: int, tile: int, overlap: int, wall: bool) -> dict[str, float]:
    """Seconds, and the peak memory of this process in MiB."""
    clock = time.perf_counter if wall else time.process_time
    model = network(name)
    image = photograph(height, width, model.in_channels)
    tiled(model, image[..., :512, :512], 512, 0)
    start = clock()
    labels = tiled(model, image, tile or max(height, width, 64), overlap)
    seconds = clock() - start
    assert labels.shape == (1, height, width)
    return {"seconds": seconds, "peak, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def alone(name: str, size: tuple[int, int], tile: int, overlap: int, options: argparse.Namespace) -> dict[str, Any]:
    """`one` in a process of its own."""
    words = ["--network", name, "--size", f"{size[0]},{size[1]}", "--tile", str(tile), "--overlap", str(overlap)]
    words += ["--threads", str(options.threads), "--here"] + ["--wall"] * options.wall
    answer = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, encoding="utf-8")
    if answer.returncode:
        raise RuntimeError(answer.stderr[-500:])
    found = json.loads(answer.stdout)
    return {"network": name, "size": list(size), "tile": tile, "overlap": overlap if tile else 0, **found}


def seams(name: str, size: tuple[int, int], tile: int, overlaps: tuple[int, ...]) -> list[dict[str, Any]]:
    """For each overlap: the share of labels that differ, in all and by distance to the nearest seam, in %."""
    model, rows = network(name), []
    image = StreetScenes("test", size=size, length=1)[0].image[None]
    for overlap in overlaps:
        bands = seam_differences(model, image, tile, overlap)
        pixels = sum(band.pixels for band in bands)
        total = sum(band.differ * band.pixels for band in bands) / max(1, pixels)
        by_distance = {f"{band.near:.0f}–{band.far:.0f}": 100 * band.differ for band in bands}
        rows.append({"network": name, "tile": tile, "overlap": overlap, "all": 100 * total, **by_distance})
    return rows


def command(name: str, size: tuple[int, int]) -> float:
    """Seconds by the clock of `segkit predict` on a JPEG, started anew, everything included."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "photograph.jpg"
        values = photograph(*size, 3)[0].permute(1, 2, 0).mul(255).byte().numpy()
        Image.fromarray(values + np.random.default_rng(0).integers(0, 4, values.shape, dtype=np.uint8)).save(picture)
        weights = str(WEIGHTS / f"{name}.safetensors")
        words = ["predict", str(picture), "--model", weights, "--labels", str(Path(folder) / "labels.png")]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "segkit", *words, "--device", "cpu"], check=True, capture_output=True)
        return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", action="append", help=f"one of {', '.join(NETWORKS)} (default: all), or MODEL:K")
    parser.add_argument("--size", action="append", metavar="H,W", help="default: 3000,4000; with --seams 768,1024")
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--overlap", type=int, default=192)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wall", action="store_true", help="time by the clock, for a quiet machine")
    parser.add_argument("--whole", action="store_true", help="also without tiles")
    parser.add_argument("--seams", action="store_true", help="only what the seams cost")
    parser.add_argument("--command", action="store_true", help="only the whole command, by the clock")
    parser.add_argument("--here", action="store_true", help="one network and size in this process, as JSON")
    parser.add_argument("--json", type=Path)
    o = parser.parse_args(arguments)
    torch.set_num_threads(o.threads)
    names = o.network or list(NETWORKS[:2] if o.seams or o.command else NETWORKS)  # the last takes grey pictures
    sizes = [(int(h), int(w)) for h, w in (s.split(",") for s in o.size)] if o.size else SIZES
    if o.here:
        found: dict[str, Any] = one(names[0], *sizes[0], o.tile, o.overlap, o.wall)
        print(json.dumps(found))
        return found
    print(f"torch {torch.__version__}, {platform.machine()}, {o.threads} thread(s)")
    rows: list[dict[str, Any]] = []
    if o.seams:
        size = sizes[0] if o.size else (768, 1024)
        rows = [row for name in names for row in seams(name, size, min(o.tile, 352), OVERLAPS)]
    elif o.command:
        rows = [
            {"network": n, "size": list(s), "seconds": command(n, s)} for n in o.network or NETWORKS[:2] for s in sizes
        ]
    else:
        arms = [o.tile, 0] if o.whole else [o.tile]
        rows = [
            alone(name, size, tile, o.overlap if tile else 0, o) for name in names for size in sizes for tile in arms
        ]
    for row in rows:
        print(
            "  ".join(
                f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
    found = {"rows": rows, "provenance": provenance()}
    if o.json:
        o.json.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    return found


if __name__ == "__main__":
    main()
