"""The file of `segkit bench`: results in the form of course/results, kept row by row and never mixed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from pathlib import Path
from typing import Any

import torch

import segkit
from segkit.cli.bench_measure import MEMORY, Found
from segkit.cli.outputs import figures_file
from segkit.files import write_json
from segkit.training import provenance
from segkit.training.identity import differences


def machine(facts: dict[str, Any]) -> dict[str, Any]:
    """What times depend on beside the settings: the processor, the card, the versions and the code."""
    name, cpus = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8", errors="replace").splitlines() if cpus.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"processor": name, "cores": os.cpu_count(), "card": card, "versions": facts["versions"],
            "code": _code()}  # fmt: skip


def _code() -> str:
    """A short word for the package's own code, which another commit may leave as it was."""
    digest = hashlib.sha256()
    for path in sorted(Path(segkit.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Book:
    """Rows that are measured, in a file where one is named.

    Args:
        name: of the file; None keeps the rows in memory alone.

    Raises:
        ValueError: the file is of another form, or was measured on another machine or with other versions.
    """

    def __init__(self, name: str | None) -> None:
        self.path = None if name is None else figures_file("--out", name, "experiment", "arms", "runs")
        self.now = provenance()
        here = machine(self.now)
        self.found: dict[str, Any] = {
            "experiment": "bench", "classes": [], "arms": {}, "runs": [], "baselines": {}, "claims": [],
            "extra": {"machine": here, "memory": MEMORY, "failed": {}}, "provenance": self.now,
        }  # fmt: skip
        text = self.path.read_text(encoding="utf-8") if self.path and self.path.is_file() else ""
        if text:
            self._take_up(json.loads(text), here)

    def _take_up(self, found: dict[str, Any], here: dict[str, Any]) -> None:
        extra = found.get("extra")
        if found["experiment"] != "bench" or not isinstance(extra, dict) or not {"machine", "failed"} <= extra.keys():
            raise ValueError(f"--out {self.path} holds results of something else; name another file, or delete it")
        if changed := differences(extra["machine"], here):
            raise ValueError(
                f"--out {self.path} was measured elsewhere: {', '.join(changed)} (before → now); times are comparable "
                "only where nothing of that changes: name another file, or delete it"
            )
        self.found = found

    def holds(self, row: str, arm: dict[str, Any]) -> bool:
        """Whether a row has been measured.

        Raises:
            ValueError: it has, with other settings.
        """
        if row not in self.found["arms"]:
            return False
        if changed := differences(self.found["arms"][row], arm):
            raise ValueError(
                f"--out {self.path} holds {row!r} with other settings: {', '.join(changed)} (before → now); name "
                "another file, or delete it"
            )
        return True

    def enter(self, row: str, arm: dict[str, Any], found: Found) -> None:
        """Keep a row, or why there is none; nothing changes where there is one."""
        if found.failed:
            self.found["extra"]["failed"][row] = found.failed
            return
        self.found["extra"]["failed"].pop(row, None)
        self.found["arms"][row] = arm
        scores = {name: [value] for name, value in found.scores.items() if math.isfinite(value)}
        run = {"arm": row, "seed": 0, "at": [1.0], "scores": scores, "iou": None, "provenance": self.now}
        self.found["runs"].append(run)

    def write(self) -> None:
        """Bring the file up to date."""
        if self.path:
            write_json(self.found, self.path)

    def scores(self, row: str) -> dict[str, float]:
        """What was measured of a row; nothing where it failed."""
        return next(({k: v[0] for k, v in r["scores"].items()} for r in self.found["runs"] if r["arm"] == row), {})
