"""Training in two processes of which one is killed again and again: the other ends, and the restarted two go on."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from random import Random

from tests.campaign.blows import RUN, digest
from tests.training.together import ended, said, started


def _command(words: list[str]) -> int:
    from segkit.cli import main

    return main(words)


def losses(count: int, seed: int, folder: Path) -> tuple[int, list[str]]:
    """Kill one of two processes at a random moment of a run of 12 steps; what torchrun would do follows."""
    random, findings, log = Random(f"losses {seed}"), [], folder / "log"
    began = time.monotonic()
    if any(ended(started(_command, [*RUN, "--out", str(folder / "whole")], log=log))):
        return 0, [f"the whole run failed: {said(log)[-300:]}"]
    wanted, length = digest(folder / "whole"), time.monotonic() - began
    out, done = folder / "cut", 0
    while done < count:
        again = {"TORCHELASTIC_RESTART_COUNT": str(int((out / "checkpoint.safetensors").exists()))}
        team, one = started(_command, [*RUN, "--out", str(out)], log=log, **again), random.randrange(2)
        time.sleep(random.uniform(0, 0.8 * length))
        if team[one].is_alive():
            os.kill(team[one].pid, signal.SIGKILL)
            time.sleep(0.5)
            if team[1 - one].is_alive():
                team[1 - one].terminate()  # as torchrun does; before it has joined, nothing else would end it
        codes = ended(team)
        done += codes[one] == -signal.SIGKILL
        if codes[one] == -signal.SIGKILL and (codes[1 - one] not in (0, 1, 130, -signal.SIGTERM) or _loud(said(log))):
            findings.append(f"after {done} losses the other ended with {codes[1 - one]}: {said(log)[-300:]}")
        elif codes[one] != -signal.SIGKILL and any(codes):
            findings.append(f"restarted after {done} losses it failed: {said(log)[-300:]}")
            shutil.rmtree(out, ignore_errors=True)
        if (out / "weights.safetensors").exists():
            findings += [] if digest(out) == wanted else [f"after {done} losses the weights are others"]
            shutil.rmtree(out)
    return done, findings


def _loud(text: str) -> bool:
    return "Traceback" in text or text.replace("\r", "\n").count("segkit train:") > 1
