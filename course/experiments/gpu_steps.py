"""What the steps of gpu.py do, each in a process of its own; a step that is stopped writes down what it has."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gpu_equal
import library
import lineage
import torch
from library import COURSE

from segkit.cli import main as segkit
from segkit.cli.bench_book import machine
from segkit.crf import DenseCRF
from segkit.data import StreetScenes
from segkit.files import write_json
from segkit.training import provenance

sys.path.insert(0, str(COURSE.parent / "tests" / "benchmarks"))
import bench_crf

FAILED = 4  # the exit code of a step in which a comparison failed
CPP_MS = {  # of pydensecrf on two cores, recorded in tests/benchmarks/README.md
    (240, 320, 2): 60, (375, 500, 21): 333, (426, 640, 21): 444, (480, 640, 21): 537, (1024, 2048, 19): 4511,
}  # fmt: skip
Step = Callable[[argparse.Namespace], int]


def card(device: str) -> dict[str, Any]:
    """The device: its name, memory, driver and the versions of its libraries."""
    if not device.startswith("cuda"):
        return {"name": device}
    found = torch.cuda.get_device_properties(device)
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(
            ask, capture_output=True, text=True, encoding="utf-8", check=True, timeout=20
        ).stdout.split("\n")[0]
    except (OSError, subprocess.SubprocessError):
        driver = "unknown"
    return {
        "name": found.name, "memory_bytes": found.total_memory, "multiprocessors": found.multi_processor_count,
        "driver": driver, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
    }  # fmt: skip


class Record:
    """The file of a step, in the form of results.py, brought up to date row by row.

    Args:
        step: its name.
        o: the options of the command line.
    """

    def __init__(self, step: str, o: argparse.Namespace) -> None:
        more = {"device": (o.device, "cuda"), "scale": (o.scale, 1)}
        told = [f"--{k} {value}" for k, (value, usual) in more.items() if value != usual]
        self.path, self.device = o.to / f"gpu_{step}.json", o.device
        self.found: dict[str, Any] = {
            "experiment": f"gpu_{step}", "classes": [], "arms": {}, "runs": [], "baselines": {}, "claims": [],
            "extra": {"card": card(o.device), "seed": 0, "failed": {}},
            "provenance": provenance(" ".join(["python", "course/experiments/gpu.py", step, *told])),
        }  # fmt: skip

    def enter(self, name: str, model: dict[str, Any], recipe: dict[str, Any], scores: dict[str, float]) -> None:
        self.found["arms"][name] = {"model": model, "data": {}, "recipe": {"device": self.device, **recipe}}
        values = {metric: [float(f"{value:.4g}")] for metric, value in scores.items()}
        self.found["runs"].append({"arm": name, "seed": 0, "at": [1.0], "scores": values, "iou": None})

    def write(self, **extra: Any) -> None:
        self.found["extra"] |= extra
        write_json(self.found, self.path)

    def each(self, parts: Iterable[Any], do: Callable[[Any], None]) -> bool:
        """Do each part; one that fails is entered under its name; False where a signal stops them."""
        try:
            for part in parts:
                try:
                    do(part)
                except Exception as error:  # what a driver or a compiler raises is of no known kind
                    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
                    self.found["extra"]["failed"][str(part)] = reason
                    print(f"{part}: failed: {reason}", flush=True)
                self.write()
        except KeyboardInterrupt:
            return False
        return True

    @property
    def bad(self) -> list[str]:
        """What failed or did not hold."""
        runs = self.found["runs"]
        return [*self.found["extra"]["failed"], *(r["arm"] for r in runs if r["scores"].get("holds") == [0.0])]


@contextlib.contextmanager
def called(*words: str) -> Iterator[None]:
    """As if these words had been typed: what is recorded names them, and no folders of this machine."""
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


def equal(o: argparse.Namespace) -> int:
    """Each check of gpu_equal: what differs by how much, and whether that is within the limit."""
    record, checks = Record("equal", o), gpu_equal.checks(o.device)[:: round(1 / o.scale)]
    nearest: dict[str, float] = {}  # of each kind the largest share of its limit

    def do(check: gpu_equal.Check) -> None:
        began, found, kind = time.monotonic(), check.measure(o.device), check.name.partition(":")[0]
        worst = max(gap / check.limit(answer) for answer, (gap, _) in found.items())
        scores = {answer: gap for answer, (gap, _) in found.items()}
        scores |= {"largest": max(largest for _, largest in found.values()), "of_limit": worst, "holds": worst <= 1}
        limits = {"within": check.within, "gradient_within": check.limit("gradient"), "tf32": False}
        record.enter(check.name, {"check": kind}, limits, scores)
        nearest[kind] = max(nearest.get(kind, 0.0), worst)
        state = "holds" if worst <= 1 else "DIFFERS"
        print(f"{check.name}: {state}, {worst:.1e} of what is allowed, {time.monotonic() - began:.1f} s", flush=True)

    record.each(checks, do)
    held = len(record.found["runs"]) - len([r for r in record.found["runs"] if r["scores"]["holds"] == [0.0]])
    rounded = {kind: float(f"{value:.3g}") for kind, value in nearest.items()}
    record.write(checks=len(checks), held=held, gpu_equals_cpu=held == len(checks), largest_share_of_limit=rounded)
    bad = f"; not: {', '.join(record.bad)}" if record.bad else ""
    print(f"GPU = CPU in {held} of {len(checks)} checks, {len(checks) - held - len(record.bad)} not reached{bad}")
    return FAILED if record.bad else 0


def crf(o: argparse.Namespace) -> int:
    """The dense CRF by the clock at the benchmark's sizes, and whether its labels are those of the CPU."""
    record, device = Record("crf", o), torch.device(o.device)
    bench_crf.clock = time.perf_counter
    times: list[float] = []

    def do(size: tuple[int, int, int]) -> None:
        H, W = (n if o.scale == 1 else 16 + round(n * o.scale) for n in size[:2])
        K = size[2]
        row = bench_crf.one_size(H, W, K, 8 if o.final else 1, device)
        scores, picture = bench_crf.picture(H, W, K)
        here, there = DenseCRF()(scores, picture), DenseCRF()(scores.to(device), picture.to(device))
        differs = float((here.argmax(1) != there.cpu().argmax(1)).double().mean())
        found = {
            "first_ms": row["all, first picture, ms"], "next_ms": row["all, next pictures, ms"],
            "steps_ms": row["five steps, ms"], "labels_differ": differs, "holds": float(differs <= 1e-3),
        }  # fmt: skip
        if o.final:
            found |= {"cpp_ms": CPP_MS[size], "times_as_fast": CPP_MS[size] / row["all, first picture, ms"]}
            times.append(found["times_as_fast"])
        record.enter(f"{H}×{W}×{K}", {"crf": "DenseCRF"}, {"size": [H, W], "classes": K}, found)
        print(f"{H}×{W}×{K}: {found}", flush=True)

    record.each(CPP_MS, do)
    record.write(cpp="pydensecrf on two cores, tests/benchmarks/README.md")
    ahead = f", {min(times):.3g} to {max(times):.3g} times as fast as the recorded C++" if times else ""
    bad = f"; at fault: {', '.join(record.bad)}" if record.bad else ""
    print(f"CRF at {len(record.found['runs'])} of {len(CPP_MS)} sizes{ahead}{bad}")
    return FAILED if record.bad else 0


def bench(o: argparse.Namespace) -> int:
    """`segkit bench` of every model, then of each compiled; what a machine and this code have measured is kept."""
    record = Record("bench", o)
    key = hashlib.sha256(json.dumps(machine(provenance()), sort_keys=True).encode()).hexdigest()[:8]
    book = library.RUNS / "gpu" / f"bench_{key}_{o.scale:g}.json"
    small = [] if o.scale == 1 else ["fcn8s", "--width", "2", "--size", "32", "48", "--repeats", "1"]
    book.parent.mkdir(parents=True, exist_ok=True)
    ways: list[list[str]] = [[], ["--compiled"]] if o.device.startswith("cuda") else [[]]
    codes = []
    for more in ways:
        words = ["bench", *small, "--device", o.device, *more]
        with called("segkit", *words):
            codes.append(segkit([*words, "--out", str(book)]))
        if codes[-1]:
            break
    if not book.is_file():
        print("nothing was measured")
        return 1
    found = json.loads(book.read_text(encoding="utf-8"))
    record.found |= {"arms": found["arms"], "runs": found["runs"]}
    record.write(**{k: v for k, v in found["extra"].items() if k in ("machine", "memory", "failed")})
    print(f"{len(found['runs'])} rows measured, {len(found['extra']['failed'])} could not be")
    return codes[-1]


def chapters(o: argparse.Namespace) -> int:
    """The tier for a GPU of chapter 11; what it has when it is stopped goes into a file of its own, without claims."""
    options = argparse.Namespace(tier="gpu", seeds=o.seeds, processes=1, part=None, final=o.final, to=o.to)
    experiment = lineage.lineage(options)
    experiment.device = o.device
    if o.scale != 1:
        tried(experiment, o.scale)
    try:
        with called("lineage.py", "lineage", "--tier", "gpu"):
            library.perform(experiment, options)
    except KeyboardInterrupt:
        return unfinished(experiment, o)
    (o.to / "gpu_chapters.json").unlink(missing_ok=True)
    print(f"{experiment.name} is complete")
    return 0


def tried(experiment: library.Experiment, scale: float) -> None:
    """The first arm alone, on a few tiny pictures."""
    name = next(iter(experiment.arms))
    experiment.arms = {name: experiment.arms[name]}
    experiment.arms[name]["data"] = {**experiment.arms[name]["data"], "size": [32, 48]}
    experiment.claims, experiment.ceilings = [], (32,)
    library.scaled(experiment, scale, 4)


def unfinished(experiment: library.Experiment, o: argparse.Namespace) -> int:
    """Write down the arms and seeds that are complete."""
    record = Record("chapters", o)
    for arm, its in experiment.arms.items():
        for seed in range(o.seeds):
            path = experiment.file(experiment.fingerprint(arm), seed, ".json")
            row = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"at": []}
            if tuple(row["at"]) == experiment.at:
                record.found["arms"][arm] = its
                record.found["runs"].append({**row, "arm": arm})
    rows, whole = len(record.found["runs"]), len(experiment.arms) * o.seeds
    record.found["classes"] = list(StreetScenes.classes)
    record.write(finished=rows, of=whole)
    print(f"{rows} of {whole} trainings are complete; the same command goes on with the others")
    return 0


STEPS: dict[str, Step] = {"equal": equal, "crf": crf, "bench": bench, "chapters": chapters}
