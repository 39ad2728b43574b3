"""The long campaign over everything that segkit shows to the outside, in parts; each case is known by its number.

python -m tests.campaign [PART ...] [--share 1.0] [--seed 0] [--only NAME]

PART is doors, commands, widgets, files, answers, kills, losses or disks; all of them where none is named: about 11,500
cases, in half an hour of one core. --share makes it longer or shorter, --seed moves on to other cases, --only looks at
the names that hold this word. Prints figures, and every finding with the number that repeats it; exit 1 where there is
one.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.campaign import answers, blows, commands, files, losses, widgets
from tests.campaign.doors import arguments, case, wrong_values
from tests.campaign.every_door import DOORS, WITHOUT

Found = Iterator[tuple[str, str]]  # a kind of case, and what was found or ""
FILES = {"weights": 300, "checkpoints": 200, "pictures and labels": 250, "archives": 250, "notebooks": 250}
SLOW = ("models.", "encoders.", "training.Trainer", "analysis.fitted", "training.evaluate")  # no cases beyond the wrong


def doors(options: argparse.Namespace, folder: Path) -> Found:
    """Each public name with every wrong value of each argument in turn, and half as often with what fits."""
    for name, door in DOORS.items():
        if options.only not in name or name in WITHOUT:
            continue
        pairs = sum(len(wrong_values(door, key, text)) for key, text in arguments(door).items())
        usual = pairs * 3 // 2 + 3
        count = usual if name.startswith(SLOW) else max(60, usual)
        for number in range(max(1, round(options.share * count))):
            kind, found = case(door, name, options.seed * 10_000 + number)
            yield f"doors, {kind} arguments", f"{name} #{options.seed * 10_000 + number}: {found}" if found else ""


def command_lines(options: argparse.Namespace, folder: Path) -> Found:
    for number in range(round(300 * options.share)):
        words, found = commands.case(options.seed * 10_000 + number, folder)
        yield "command lines", f"#{options.seed * 10_000 + number} segkit {words}: {found}" if found else ""


def moves(options: argparse.Namespace, folder: Path) -> Found:
    for name in widgets.NAMES:
        seen: dict[object, object] = {}
        for number in range(max(1, round(40 * options.share)) if options.only in name else 0):
            found = widgets.case(name, options.seed * 10_000 + number, seen)
            yield "moves of widgets", f"{name} #{options.seed * 10_000 + number}: {found}" if found else ""


def mutations(options: argparse.Namespace, folder: Path) -> Found:
    for kind, count in FILES.items():
        for number in range(max(1, round(count * options.share)) if options.only in kind else 0):
            found = files.case(kind, options.seed * 10_000 + number, folder)
            yield f"mutated {kind}", f"#{options.seed * 10_000 + number}: {found}" if found else ""


def graded(options: argparse.Namespace, folder: Path) -> Found:
    for number in range(options.seed * 10_000, options.seed * 10_000 + round(3 * len(answers.ANSWERS) * options.share)):
        exercise, kind = answers.which(number)
        what = f"#{number} {exercise.name}: {kind}"
        if options.only in what:
            found = answers.case(number)
            yield "answers to exercises", f"{what}: {found}" if found else ""


def killed(options: argparse.Namespace, folder: Path) -> Found:
    (folder / "kills").mkdir()
    done, findings = blows.kills(max(2, round(50 * options.share)), options.seed, folder / "kills")
    yield from [("kills of a training run", found) for found in findings + [""] * (done - len(findings))]


def lost(options: argparse.Namespace, folder: Path) -> Found:
    (folder / "losses").mkdir()
    done, findings = losses.losses(max(2, round(50 * options.share)), options.seed, folder / "losses")
    yield from [("losses of one of two processes", found) for found in findings + [""] * (done - len(findings))]


def disks(options: argparse.Namespace, folder: Path) -> Found:
    home = folder / "home"
    commands.world(home)
    sizes = [4, 16, 32, 48, 64, 96, 128, 160, 200, 260, 400, 1000]
    sizes = sizes if options.share >= 1 else [64]
    for what, (done, findings) in (
        ("commands on a full disk", blows.full_disks(sizes, folder, home)),
        ("commands into a closed folder", blows.closed_folders(folder, home)),
    ):
        yield from [(what, found) for found in findings + [""] * (done - len(findings))]


# what forks comes first: torch's backward must not have run in this process
PARTS = {"kills": killed, "losses": lost, "disks": disks, "answers": graded, "doors": doors, "commands": command_lines,
         "widgets": moves, "files": mutations}  # fmt: skip


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    options = parser.parse_args(words)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    counts, bad = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="segkit-campaign-") as home:
        Path(home).chmod(0o755)  # for the user without rights
        for part in [part for part in PARTS if part in (options.parts or PARTS)]:
            began, folder = time.monotonic(), Path(home) / part
            folder.mkdir()
            for kind, found in PARTS[part](options, folder):
                counts[kind] += 1
                if found:
                    bad[kind] += 1
                    print(found, flush=True)
            print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
    for kind, count in counts.items():
        print(f"{count:7,}  {kind}: {bad[kind] or 'no'} findings")
    print(f"{counts.total():7,}  cases, {bad.total() or 'no'} findings")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
