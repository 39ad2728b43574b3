"""The rules of evidence for recorded results: what a file of course/results owes to the claims that rest on it.

`form` says where a file is not what experiments/results.py describes. `offences` says which rules its claims break:
each arm stands clear of the position prior, unless it is a control that is left far behind; the order at half the
budget is that of the end; the two arms share three seeds, or five where they differ by less than two points; what is
claimed is more than two standard errors of the paired difference; provenance and baselines are there.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "course" / "experiments"))

from results import Result  # noqa: E402

CLEAR, SEEDS, ERRORS = 0.05, 3, 2
FAR = 0.2  # behind whoever can do the task: what a control must be that may stay at chance
SMALL, MORE_SEEDS, ROUNDING = 0.02, 5, 2e-4  # of an effect; of digits that were recorded
FACTS = ("command", "date", "commit", "device", "versions")


@dataclass(frozen=True)
class Offence:
    """A rule that is broken, by what, and the figures."""

    rule: str
    subject: str
    figures: str = ""


def form(found: Mapping[str, Any]) -> list[str]:
    """Complaints about the form of a file; none is good."""
    missing = [k for k in ("experiment", "arms", "runs", "baselines", "claims", "provenance") if k not in found]
    if missing:
        return [f"no {key!r}" for key in missing]
    out = [f"arm {a!r} lacks one of model, data, recipe" for a, v in found["arms"].items()
           if set(v) != {"model", "data", "recipe"}]  # fmt: skip
    seen: set[tuple[str, int]] = set()
    for run in found["runs"]:
        name, at = f"run {run['arm']!r}, seed {run['seed']}", run["at"]
        out += [f"{name}: there is no such arm"] if run["arm"] not in found["arms"] else []
        out += [f"{name} is there twice"] if (run["arm"], run["seed"]) in seen else []
        out += [f"{name}: at {at} does not rise to 1"] if at != sorted(set(at)) or at[-1:] != [1] else []
        out += [f"{name}: {m} has {len(v)} values for {len(at)} shares" for m, v in run["scores"].items()
                if len(v) != len(at)]  # fmt: skip
        wrong = run.get("iou") is not None and len(run["iou"]) != len(found["classes"])
        out += [f"{name}: iou has {len(run['iou'])} classes of {len(found['classes'])}"] if wrong else []
        numbers = [v for values in run["scores"].values() for v in values]
        wrong = [v for v in numbers if not isinstance(v, int | float) or not math.isfinite(v)]
        out += [f"{name}: {wrong[0]} is not a finite number"] if wrong else []
        shares = [v for v in run.get("iou") or () if v is not None and not 0 <= v <= 1]
        out += [f"{name}: an IoU of {shares[0]}"] if shares else []
        seen.add((run["arm"], run["seed"]))
    for row in found["baselines"].values():
        out += [f"a baseline with a mean IoU of {row['scores'].get('mean_iou')}"] if not _share(row) else []
    if out:
        return out
    result = Result(found)
    for arm, metrics in result.extra.get("means", {}).items():
        for metric, (mean, _) in metrics.items():
            values = result.by_seed(arm, metric).values()
            if values and abs(statistics.fmean(values) - mean) > ROUNDING * max(1, abs(mean)):
                out.append(f"extra says that {metric} of {arm!r} has the mean {mean}, the runs say otherwise")
    for claim in found["claims"]:
        for arm in arms_of(claim):
            if not result.by_seed(arm, claim["metric"]):
                out.append(f"a claim rests on {claim['metric']!r} of {arm!r}, which was not recorded")
    return out


def _share(row: Mapping[str, Any]) -> bool:
    return 0 < row["scores"].get("mean_iou", -1) <= 1


def arms_of(claim: Mapping[str, Any]) -> list[str]:
    return list(claim["same"]) if "same" in claim else [claim["better"], claim["worse"]]


def words(claim: Mapping[str, Any]) -> str:
    """The claim in a line."""
    a, b = arms_of(claim)
    if "same" in claim:
        return f"{claim['metric']}: {a} = {b} within {claim['within']:g}"
    sign = "<" if claim.get("lower") else ">"
    return f"{claim['metric']}: {a} {sign} {b}" + (f" by {claim['margin']:g}" if claim["margin"] else "")


def offences(result: Result) -> Iterator[Offence]:
    """Every rule of evidence that the file breaks."""
    lacking = [k for k in FACTS if not result.provenance.get(k) or result.provenance[k] == "unknown"]
    if lacking:
        yield Offence("provenance", "missing", ", ".join(lacking))
    for arm in dict.fromkeys(arm for claim in result.claims for arm in arms_of(claim)):
        yield from _of_arm(result, arm)
    if any(not result.by_seed(arm, c["metric"], 0.5) for c in result.claims for arm in arms_of(c)):
        yield Offence("half budget", "not recorded", f"recorded at {result.runs[0]['at']} of the budget")
    for claim in result.claims:
        yield from _of_claim(result, claim)


def _of_arm(result: Result, arm: str) -> Iterator[Offence]:
    seeds, prior = len(result.by_seed(arm, "mean_iou")), result.prior(arm)
    if seeds < SEEDS:
        yield Offence("seeds", arm, f"{seeds} of {SEEDS}")
    if prior is None:
        yield Offence("baselines", arm, "no position prior of its data and weights")
    elif seeds and result.mean(arm, "mean_iou") < prior["scores"]["mean_iou"] + CLEAR:
        if _is_control(result, arm):
            return
        mine, floor = result.mean(arm, "mean_iou"), prior["scores"]["mean_iou"]
        yield Offence("prior", arm, f"mean IoU {100 * mine:.1f} % beside the prior's {100 * floor:.1f} %")


def _is_control(result: Result, arm: str) -> bool:
    """Whether all that is claimed of the arm is that others, trained alike, leave it far behind."""
    mine = [claim for claim in result.claims if arm in arms_of(claim)]
    alike = all(result.arms[a][k] == result.arms[arm][k] for c in mine for a in arms_of(c) for k in ("data", "recipe"))
    return alike and all(c.get("control") and c["worse"] == arm and c["margin"] >= FAR for c in mine)


def _of_claim(result: Result, claim: Mapping[str, Any]) -> Iterator[Offence]:
    a, b = arms_of(claim)
    sign, metric = -1 if claim.get("lower") else 1, claim["metric"]
    common = result.by_seed(a, metric).keys() & result.by_seed(b, metric).keys()
    if len(common) < SEEDS:
        yield Offence("seeds", words(claim), f"{len(common)} in common, of {SEEDS}")
    if not common:
        return
    effect = abs(result.paired(a, b, metric).mean)
    points = all(0 <= v <= 1 for arm in (a, b) for v in result.by_seed(arm, metric).values())
    if points and effect < SMALL and SEEDS <= len(common) < MORE_SEEDS:
        yield Offence("five seeds", words(claim), f"{100 * effect:.1f} points on {len(common)} seeds")
    if result.by_seed(a, metric, 0.5) and result.by_seed(b, metric, 0.5):
        half = sign * result.paired(a, b, metric, 0.5).mean
        if not _holds(claim, half, half):
            yield Offence("order", words(claim), f"{half:+.4f} at half the budget")
    pair = result.paired(a, b, metric)
    end, error = sign * pair.mean, ERRORS * pair.error
    if not _holds(claim, end, end - error, abs(end) + error):
        differences = ", ".join(f"{sign * d:+.4f}" for d in pair.differences)
        yield Offence("margin", words(claim), f"{end:+.4f} with two standard errors of {error:.4f} ({differences})")


def _holds(claim: Mapping[str, Any], measured: float, surely: float, at_most: float | None = None) -> bool:
    """Whether a claim stands for a measured difference and the least (or largest) that it may be; NaN never does."""
    if "same" in claim:
        return (abs(measured) if at_most is None else at_most) < claim["within"]
    if claim["margin"] < 0:  # no further behind than that
        return surely > claim["margin"]
    return surely > 0 and (at_most is None or measured >= claim["margin"])  # at half the budget only the order counts
