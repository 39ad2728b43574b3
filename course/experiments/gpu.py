"""Everything that needs a card, in order of worth and within a time.

    python course/experiments/gpu.py --minutes 10          all steps
    python course/experiments/gpu.py equal                 one of them

    equal      GPU = CPU: operators, models, CRF, training, predicting     → results/gpu_equal.json
    crf        the dense CRF's time, beside the recorded one of the C++    → results/gpu_crf.json
    bench      `segkit bench`, plain and compiled                          → results/gpu_bench.json
    chapters   the tier for a GPU of chapter 11's lineage                  → results/lineage_gpu.json
    camvid     the recipe for real CamVid, where its pictures are          → results/camvid_gpu.json

Each step is a process of its own, with a share of the time that is left: one that fails or is stopped takes no other
along. bench, chapters and camvid keep what they have done, and the same command goes on with it. The exit code is 1 if
a comparison or a step failed, 2 without a card.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gpu_steps
import torch
from gpu_steps import FAILED
from library import COURSE, RUNS
from results import RESULTS

from segkit.data import create as data_set
from segkit.training import pick_device

SHARES = {"equal": 0.4, "crf": 0.25, "bench": 0.5, "chapters": 0.5, "camvid": 1.0}  # of the time that is left
GRACE, LEAST = 20.0, 10.0  # seconds to write down what there is; seconds with which no step begins


class Outcome(NamedTuple):
    """How a step ended.

    Args:
        word: done, stopped (its time was over), failed or left out.
        said: its last line, or why it was left out.
        seconds: that it took.
    """

    word: str
    said: str
    seconds: float = 0.0


Launch = Callable[[list[str], float], Outcome]


def launched(command: list[str], limit: float) -> Outcome:
    """Run a command to its end, or stop it so that it is gone before the limit in seconds."""
    began, lines, stopped = time.monotonic(), [""], False
    child = subprocess.Popen(
        command, cwd=COURSE.parent, stdout=subprocess.PIPE, encoding="utf-8", errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip

    def read() -> None:
        for line in child.stdout or ():
            print(line, end="", flush=True)
            lines.append(line.strip() or lines[-1])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    grace = min(GRACE, limit / 4)
    try:
        child.wait(limit - grace)
    except subprocess.TimeoutExpired:
        stopped = True
    finally:
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace)
        child.kill()
        code = child.wait()
    reader.join(2)  # what the step has started itself may hold its output open
    wrong = code == FAILED or (not stopped and code != 0)
    word = "failed" if wrong else "stopped" if stopped else "done"
    return Outcome(word, lines[-1] or f"it said nothing and ended with {code}", time.monotonic() - began)


def no_card(device: str) -> str:
    """Why nothing can be done on the device; nothing is said where something can."""
    if device.startswith("cuda"):  # without a tensor on the card, which would stay there while the steps are timed
        return "" if torch.cuda.is_available() else (
            "torch finds no CUDA device on this machine, and every step needs one; run it where there is a GPU, or try "
            "the script out with --device cpu --scale 0.02"
        )  # fmt: skip
    try:
        pick_device(device)
    except ValueError as error:
        return str(error)
    return ""


def no_camvid(device: str) -> str:
    """Why the recipe for CamVid is left out, if it is."""
    if not (COURSE / "experiments" / "camvid.py").is_file():
        return "there is no course/experiments/camvid.py in this checkout"
    if not device.startswith("cuda"):
        return f"its recipe is for a CUDA device, not for {device}"
    try:
        data_set("camvid", "train")
    except (OSError, ValueError) as error:
        return str(error).partition("\n")[0]
    return ""


def attempt(step: str, o: argparse.Namespace, limit: float, launch: Launch) -> Outcome:
    """One step, in the time that it has."""
    if limit < LEAST:
        return Outcome("left out", f"{max(limit, 0):.0f} seconds were left for it; give more --minutes")
    if step == "camvid" and (reason := no_camvid(o.device)):
        return Outcome("left out", reason)
    here = Path("course", "experiments")
    if step == "camvid":
        trial = [] if o.scale == 1 else ["--scale", o.scale, "--steps", 4]
        words = [here / "camvid.py", "gpu", "--seeds", 1, *trial]
    else:
        options = ["--device", o.device, "--scale", o.scale, "--seeds", o.seeds, "--to", o.to]
        words = [here / "gpu.py", step, "--inside", *options]
    print(f"\n== {step}, at most {limit:.0f} s", flush=True)
    return launch([sys.executable, *map(str, words)], limit)


def summary(outcomes: dict[str, Outcome]) -> str:
    """A line for each step."""
    return "\n".join(f"{step:10}{o.word:10}{o.seconds:5.0f} s   {o.said}" for step, o in outcomes.items())


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", nargs="?", choices=("all", *SHARES), default="all")
    parser.add_argument("--minutes", type=float, default=10.0, help="that all of it may take (10)")
    parser.add_argument("--device", default="cuda", help="the card; another one is a trial")
    parser.add_argument("--seeds", type=int, default=3, help="of the chapters' trainings (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of it all, to try the script out")
    parser.add_argument(
        "--to", type=Path, help="folder for the results, camvid's excepted (course/results; runs/ for a trial)"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # the step itself, in its own process
    o = parser.parse_args(arguments)
    if not (0 < o.scale <= 1 and o.minutes > 0 and o.seeds > 0):
        parser.error("--scale is a share above 0 and up to 1, --minutes and --seeds are above 0")
    o.final = o.scale == 1 and o.device.startswith("cuda")
    o.to = (o.to or (RESULTS if o.final else RUNS / "results")).resolve()  # a trial never replaces what is recorded
    return o


def main(arguments: list[str] | None = None, launch: Launch = launched) -> int:
    """Run the steps that were asked for, and say how each ended."""
    o = parsed(arguments)
    if o.inside:
        return gpu_steps.STEPS[o.step](o)
    if reason := no_card(o.device):
        print(f"gpu.py: {reason}", file=sys.stderr)
        return 2
    ends, outcomes = time.monotonic() + 60 * o.minutes, dict[str, Outcome]()
    for step in SHARES if o.step == "all" else [o.step]:
        share = SHARES[step] if o.step == "all" else 1.0
        outcomes[step] = attempt(step, o, share * (ends - time.monotonic()), launch)
    print(f"\n{summary(outcomes)}")
    return int(any(outcome.word == "failed" for outcome in outcomes.values()))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a step that is stopped writes down what it has
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
