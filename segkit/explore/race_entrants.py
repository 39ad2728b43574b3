"""What RaceExplorer compares: the networks of recorded results, what each costs, and how good it is."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

Results = Mapping[str, Any] | str | Path
FORM = "a file that course/experiments or `segkit bench --out` wrote, or what it holds"


class Quantity(NamedTuple):
    """How a cost is shown: the title of its axis, a factor, and the words after its number."""

    title: str
    scale: float
    words: str

    def said(self, value: float) -> str:
        """A value in its unit, with words: 44.6 million multiply-adds."""
        return f"{number(self.scale * value)} {self.words}"


COSTS = {
    "parameters": Quantity("parameters, thousands", 1e-3, "thousand parameters"),
    "macs": Quantity("multiply-adds, millions", 1e-6, "million multiply-adds"),
    "ms": Quantity("milliseconds", 1.0, "ms"),
    "bytes_of_maps": Quantity("memory of all maps, MB", 1e-6, "MB of maps"),
    "bytes_to_train": Quantity("memory to train, MB", 1e-6, "MB to train"),
    "peak_bytes": Quantity("peak memory, MB", 1e-6, "MB at the peak"),
}
ALSO = {"milliseconds": "ms"}  # another word for the same
CONDITIONS = {"threads"}  # stand beside costs, and are none
GAINS = {
    "mean_iou": "mean IoU", "boundary_iou": "Boundary IoU", "trimap_iou_1px": "IoU within 1 px of an outline",
    "trimap_iou_3px": "IoU within 3 px of an outline", "thin_iou": "IoU of thin classes",
    "ambiguous_iou": "IoU of classes that look alike", "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "class accuracy",
}  # fmt: skip


class Score(NamedTuple):
    """Mean over the seeds, and their spread (0 for one seed), in per cent."""

    mean: float
    spread: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.spread:.1f} %" if self.spread else f"{self.mean:.1f} %"


@dataclass(frozen=True)
class Entrant:
    """One network of a race.

    Args:
        family: what it is shown with.
        file: the result that it comes from.
        costs: by name, above 0.
        scores: by name; "IoU of car" for a class.
    """

    family: str
    file: str
    costs: dict[str, float] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)


def number(value: float) -> str:
    """Three digits, and never fewer than there are before the point."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def quantity(name: str) -> Quantity:
    """How a cost is shown that may have a name of its own."""
    plain = " ".join(word for word in name.split("_") if word != "bytes")
    return COSTS.get(name) or (Quantity(f"{plain}, MB", 1e-6, f"MB {plain}") if "bytes" in name.split("_")
                               else Quantity(plain, 1.0, plain))  # fmt: skip


def score_title(name: str) -> str:
    """What a score is called."""
    return GAINS.get(name, name.replace("_", " "))


def gathered(results: Sequence[Results], families: Mapping[str, str], costs: Mapping[str, Mapping[str, float]]
             ) -> dict[str, Entrant]:  # fmt: skip
    """All networks that have a score and a cost, by name; arguments and errors as of `RaceExplorer`."""
    found: dict[str, Entrant] = {}
    pictures: dict[str, str] = {}
    for given in results:
        content = opened(given)
        names = shortened(content)
        for arm, entrant in entrants(content, families, names):
            name = names[arm]
            if name in found:
                raise ValueError(f"RaceExplorer got two networks called {name!r}; rename one, or leave one result out")
            data = {k: v for k, v in (content["arms"][arm].get("data") or {}).items() if k != "train"}
            pictures.setdefault(json.dumps(data, sort_keys=True), name)
            found[name] = entrant
    if len(pictures) > 1:
        (one, name), (other, second), *_ = pictures.items()
        raise ValueError(f"RaceExplorer got scores on different pictures: {name} on {one}, {second} on {other}; "
                         "compare results on one test set")  # fmt: skip
    for title, values in costs.items():
        for name, value in values.items():
            if name not in found:
                raise ValueError(f"RaceExplorer got {title!r} of {name!r}; the networks are {', '.join(found)}")
            if not 0 < value < math.inf:
                raise ValueError(f"RaceExplorer got {title!r}={value!r} of {name!r}; a cost is above 0, and finite")
            found[name].costs[title] = float(value)
            if title.split(",")[0].split()[0] == "ms":
                found[name].costs.pop("ms", None)  # a recorded time would stand beside it, of another machine
    if unknown := [name for name in families if name not in found]:
        raise ValueError(f"RaceExplorer got a family for {unknown[0]!r}; the networks are {', '.join(found)}")
    found = {name: entrant for name, entrant in found.items() if entrant.costs}
    if not found:
        raise ValueError(f"RaceExplorer found no network with both a score and a cost; it takes {FORM}")
    return found


def opened(given: Results) -> Mapping[str, Any]:
    """The content of a file of results.

    Raises:
        FileNotFoundError: there is none. ValueError: it is of another form.
    """
    content: Any = given
    if isinstance(given, str | Path):
        if not Path(given).is_file():
            raise FileNotFoundError(f"there are no results in {given}; RaceExplorer takes {FORM}")
        try:
            content = json.loads(Path(given).read_text(encoding="utf-8"))
        except ValueError:
            content = None
    if not isinstance(content, Mapping) or not {"experiment", "arms", "runs"} <= content.keys():
        named = given if isinstance(given, str | Path) else f"a {type(given).__name__}"
        raise ValueError(f"RaceExplorer got {named}, which holds no results; it takes {FORM}")
    return content


def shortened(content: Mapping[str, Any]) -> dict[str, str]:
    """What each arm is called: a row of the benchmark without its conditions, where the names still differ."""
    names = {arm: re.split(r", \d+×\d+, batch \d+, ", arm)[0] for arm in content["arms"]}
    return names if len(set(names.values())) == len(names) else {arm: arm for arm in names}


def entrants(content: Mapping[str, Any], families: Mapping[str, str], names: Mapping[str, str]
             ) -> Iterator[tuple[str, Entrant]]:  # fmt: skip
    """The arms of one result that have scores."""
    extra, file = content.get("extra", {}), str(content["experiment"])
    plain = file.replace("_", " ")
    for arm in content["arms"]:
        runs = [run for run in content["runs"] if run["arm"] == arm]
        scores = scored(runs, content.get("classes", []))
        if not scores:
            continue
        family = f"{plain}, controls" if arm in extra.get("controls", ()) else plain
        costs: dict[str, Any] = dict(extra.get("price", {}).get(arm, {}))
        costs |= {k: run["scores"][k][-1] for run in runs for k in COSTS if k in run["scores"]}  # of the benchmark
        usable: dict[str, float] = {ALSO.get(k, k): float(v) for k, v in costs.items()
                  if k not in CONDITIONS and isinstance(v, int | float) and 0 < v < math.inf}  # fmt: skip
        yield arm, Entrant(families.get(names[arm], family), file, usable, scores)


def scored(runs: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Score]:
    """Every share that was scored at the end of the training, over the seeds."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for name, row in run["scores"].items():
            if {"iou", "accuracy"} & {*name.split("_")} and row[-1] is not None:
                values.setdefault(name, []).append(100 * row[-1])
        for name, value in zip(classes, run.get("iou") or (), strict=False):
            if value is not None:
                values.setdefault(f"IoU of {name}", []).append(100 * value)
    return {name: Score(statistics.fmean(v), statistics.stdev(v) if len(v) > 1 else 0.0) for name, v in values.items()}
