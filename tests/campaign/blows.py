"""Training that is killed, a disk that is full, a folder that is read only: what stands is whole, and goes on."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from segkit.cli import main
from segkit.models import load
from segkit.training.checkpoint import read_checkpoint

RUN = [
    "train", "--data", "street", "--model", "fcn32s", "--width", "2", "--hidden", "8", "--batch-size", "2", "--device",
    "cpu", "--limit", "4", "--steps", "12", "--set", "ema=0.5", "--set", "save_every=1", "--set", "flip=0.5",
]  # fmt: skip


def child(work: Callable[[], int], log: Path) -> int:
    """Run in a fork of this process (torch is loaded there already); its process id."""
    process = os.fork()
    if process:
        return process
    code = 3
    try:
        os.setsid()
        with open(log, "w", encoding="utf-8") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
        code = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        os.write(2, f"Traceback {type(error).__name__}: {error}".encode())
    os._exit(code)


def ended(process: int) -> int:
    """The exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def digest(run: Path) -> str:
    """Of the weights, as tensors: the header holds the time."""
    total = hashlib.sha256()
    for key, value in sorted(load(run / "weights.safetensors").state_dict().items()):
        total.update(key.encode() + value.numpy().tobytes())
    return total.hexdigest()


def kills(count: int, seed: int, folder: Path) -> tuple[int, list[str]]:
    """Kill a run of 12 steps again and again, resume it, and compare with one that nobody killed."""
    random, findings, log = Random(f"kills {seed}"), [], folder / "log"
    began = time.monotonic()
    if ended(child(lambda: main([*RUN, "--out", str(folder / "whole")]), log)):
        return 0, [f"the whole run failed: {log.read_text(encoding='utf-8')[-300:]}"]
    wanted, length = digest(folder / "whole"), time.monotonic() - began
    out, done = folder / "cut", 0
    while done < count:
        resume = ["--resume"] if (out / "checkpoint.safetensors").exists() else []
        process = child(lambda resume=resume: main([*RUN, "--out", str(out), *resume]), log)  # type: ignore[misc]
        time.sleep(random.uniform(0, 0.8 * length))
        os.kill(process, signal.SIGKILL)
        code = ended(process)
        done += code == -signal.SIGKILL
        if code not in (0, -signal.SIGKILL):
            findings.append(f"resumed after {done} kills it failed: {log.read_text(encoding='utf-8')[-300:]}")
            shutil.rmtree(out, ignore_errors=True)
        elif (out / "weights.safetensors").exists():
            if digest(out) != wanted:
                findings.append(f"after {done} kills the weights are others")
            shutil.rmtree(out)
        elif (out / "checkpoint.safetensors").exists():
            read_checkpoint(out / "checkpoint.safetensors")
    resume = ["--resume"] if (out / "checkpoint.safetensors").exists() else []
    if ended(child(lambda: main([*RUN, "--out", str(out), *resume]), log)) or digest(out) != wanted:
        findings.append(f"the last run ended otherwise: {log.read_text(encoding='utf-8')[-300:]}")
    left = [p.name for p in out.iterdir() if p.name.startswith(".")]
    return done, findings + ([f"left behind: {left}"] if left else [])


# full disks and closed folders --------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[bool]:
    """A file system of this size in a folder; False where this user may not mount one."""
    folder.mkdir(parents=True)
    options = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(options, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def works(place: Path, home: Path) -> dict[str, list[str]]:
    """Commands that write to a place, with what `commands.world` has put at home."""
    run, photo = str(home / "run"), str(home / "photo.png")
    return {
        "train": [*RUN, "--out", str(place / "run")],
        "predict": ["predict", photo, "-o", str(place / "o.png"), "--labels", str(place / "l.png"), "--model", run,
                    "--json", str(place / "p.json"), "--csv", str(place / "p.csv"), "--device", "cpu"],
        "eval": ["eval", run, "--limit", "1", "--device", "cpu", "--json", str(place / "e.json")],
    }  # fmt: skip


def told(words: list[str], log: Path, first: Callable[[], None] = lambda: None) -> tuple[int, str]:
    def work() -> int:
        first()
        return main(words)

    code = ended(child(work, log))
    return code, log.read_text(encoding="utf-8", errors="replace")


def judged(code: int, text: str, place: Path, must_fail: bool) -> str:
    """One line and exit 1 (or, where there was room, 0); no half file and nothing temporary."""
    from tests.campaign.commands import _whole, snapshot

    if code not in (0, 1) or "Traceback" in text or (must_fail and code == 0):
        return f"exit {code}: {text[-300:]}"
    if code == 1 and not any(line.startswith("segkit") for line in text.replace("\r", "\n").splitlines()):
        return f"no line says why: {text[-300:]}"
    return _whole(place, snapshot(place)) if place.is_dir() and os.access(place, os.R_OK) else ""


def full_disks(sizes: list[int], folder: Path, home: Path) -> tuple[int, list[str]]:
    """Every command on disks of these sizes in kilobytes; without the right to mount, under a limit on file sizes."""
    count, findings = 0, []
    for size in sizes:
        for name in ("train", "predict", "eval"):
            place, count = folder / f"disk-{name}-{size}", count + 1
            with small_disk(place, size) as mounted:
                words = works(place, home)[name]

                def limit(size: int = size, mounted: bool = mounted) -> None:
                    if not mounted:
                        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                        resource.setrlimit(resource.RLIMIT_FSIZE, (size * 1024, size * 1024))

                code, text = told(words, folder / "log", limit)
                if found := judged(code, text, place, False):
                    findings.append(f"{name} on {size} kB{'' if mounted else ' (limit on files)'}: {found}")
    return count, findings


def closed_folders(folder: Path, home: Path) -> tuple[int, list[str]]:
    """Every command into a folder that may not be written, as a user without rights."""
    place, count, findings = folder / "closed", 0, []
    place.mkdir()
    place.chmod(0o555)

    opened = works(folder / "open", home)

    for name, words in works(place, home).items():

        def nobody(name: str = name) -> None:
            main(opened[name])  # loads all it needs, which nobody may not read
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)

        code, text = told(words, folder / "log", nobody)
        count += 1
        if found := judged(code, text, place, True):
            findings.append(f"{name} in a closed folder: {found}")
    return count, findings
