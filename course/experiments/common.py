"""What the recorded experiments share: scenes rendered once, a mean with its spread, a result with provenance."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from segkit.data import Sample, StreetScenes
from segkit.files import write_json
from segkit.training import provenance

COURSE = Path(__file__).resolve().parents[1]
RESULTS, WEIGHTS = COURSE / "results", COURSE / "weights"


class Rendered:
    """A data set held in memory, so that rendering does not count as training time."""

    def __init__(self, dataset: Any, length: int | None = None) -> None:
        self.samples = [dataset[i] for i in range(length or len(dataset))]
        self.name, self.classes, self.num_classes = dataset.name, dataset.classes, dataset.num_classes
        self.palette, self.ignore_index = dataset.palette, dataset.ignore_index

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Sample:
        return self.samples[i]


def street(split: str, length: int, size: tuple[int, int] = (96, 128)) -> Rendered:
    """The first scenes of a split of StreetScenes."""
    return Rendered(StreetScenes(split=split, size=size), length)


def spread(values: list[float]) -> dict[str, Any]:
    """Mean and sample standard deviation, with the values themselves."""
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else float("nan")
    return {"mean": round(mean, 4), "sd": round(sd, 4), "seeds": [round(v, 4) for v in values]}


def command() -> str:
    """What was typed, from the root of the checkout."""
    return " ".join(["python", f"course/experiments/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def record(name: str, result: dict[str, Any]) -> Path:
    """Write course/results/NAME.json with what was found and where it comes from."""
    return write_json({"experiment": name, **result, "provenance": provenance(command())}, RESULTS / f"{name}.json")
