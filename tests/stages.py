"""Every test, in stages: python3 start.py test [--quick] [PYTEST ARGUMENTS]."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORES = max(1, min(os.cpu_count() or 1, 4))


def real_data() -> Path | None:
    """The folder of real data sets, if any: SEGKIT_DATA, data/ or ../shared/data."""
    named = os.environ.get("SEGKIT_DATA")
    folders = [Path(named)] if named else [ROOT / "data", ROOT.parent / "shared/data"]
    return next((f.resolve() for f in folders if f.is_dir() and any(p.is_dir() for p in f.iterdir())), None)


def stages(empty: str) -> list[tuple[str, list[str], dict[str, str]]]:
    """Name, pytest arguments and environment of each stage, in order. Benchmarks have the machine to themselves."""
    parallel = ["-n", str(CORES), "--dist", "loadscope"]
    chapters = [str(p.relative_to(ROOT)) for p in sorted((ROOT / "course").glob("*.ipynb"))]
    one = {"OMP_NUM_THREADS": "1", "IPYTHONDIR": empty}
    bare = {**one, "SEGKIT_DATA": empty, "CUDA_VISIBLE_DEVICES": ""}  # the same results on every machine
    apart = [f"--ignore=tests/{name}" for name in ("benchmarks", "browser", "site")]
    plan = [("units", ["tests", *apart, *parallel], {**one, "MPLBACKEND": "agg"})]
    if chapters:
        data, strict = real_data(), ["--nbval", *parallel]
        asking = [name for name in chapters if "needs-data" in (ROOT / name).read_text(encoding="utf-8")]
        plan.append(("notebooks", [*strict, "--course-limits", f"--data-too={data or ''}", *chapters], bare))
        if data and asking and shutil.which("nvidia-smi"):  # what asks for data again, from the first cell, on the GPU
            plan.append(("notebooks on GPU", [*strict, "--real-data", *asking], {**one, "SEGKIT_DATA": str(data)}))
    pages = [f"tests/{name}" for name in ("browser", "site") if list((ROOT / "tests" / name).glob("test_*.py"))]
    if list((ROOT / "tests/benchmarks").glob("test_*.py")):
        plan.append(("benchmarks", ["tests/benchmarks"], {}))
    if pages:  # a browser each, which is waited for now and then; while one builds the site, others move controls
        more = ["-n", str(min(3, CORES + 1)), "--dist", "loadgroup"]
        plan.append(("browser", [*pages, *more], {**one, "SEGKIT_DATA": empty}))
    return plan


def quick_stages(empty: str) -> list[tuple[str, list[str], dict[str, str]]]:
    """The first two stages, cut short: some tests of every room, and the chapter that runs fastest."""
    (units, tests, its), *others = stages(empty)
    plan = [(units, [*(name for name in tests if name not in ("--dist", "loadscope")), "--quick"], its)]
    for name, options, bare in others[:1]:
        chapters = [option for option in options if option.endswith(".ipynb")]
        if chapters:
            rest = [option for option in options if option not in chapters]
            plan.append((name, [*rest, min(chapters, key=recorded_seconds)], bare))
    return plan


def recorded_seconds(chapter: str) -> float:
    """What its last run took, as the notebook says."""
    book = json.loads((ROOT / chapter).read_text(encoding="utf-8"))
    return float(book["metadata"].get("segkit", {}).get("seconds", 1000))


def outcome(report: Path) -> dict[str, int]:
    """Numbers of tests by outcome, from pytest's report of one stage."""
    suites = list(ElementTree.parse(report).getroot().iter("testsuite")) if report.exists() else []
    count = {key: sum(int(s.get(key, 0)) for s in suites) for key in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    return {"passed": count["tests"] - failed - count["skipped"], "failed": failed, "skipped": count["skipped"]}


def test(arguments: list[str]) -> int:
    """Every stage with these pytest options; where they name files, one run of those files alone."""
    began, total, bad = time.time(), {"passed": 0, "failed": 0, "skipped": 0}, []
    artefacts = ROOT / "artefacts"
    artefacts.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segkit-") as empty:
        plan = quick_stages(empty) if "--quick" in arguments else stages(empty)
        if any((ROOT / a.split("::")[0]).exists() for a in arguments if not a.startswith("-")):
            books = any(".ipynb" in a for a in arguments)
            plan = [("chosen", ["--nbval"] if books else [], {"SEGKIT_DATA": empty} if books else {})]
            plan[0][1].extend(word for word in arguments if word == "--quick")
        arguments = [word for word in arguments if word != "--quick"]
        for name, options, extra in plan:
            print(f"\n=== {name} ===", flush=True)
            start, report = time.time(), artefacts / f"report-{name.replace(' ', '-')}.xml"
            report.unlink(missing_ok=True)
            command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *options, *arguments]
            kept = {"PYTHONDONTWRITEBYTECODE": ""}  # else each of some hundred Pythons compiles its modules again
            code = subprocess.run(command, cwd=ROOT, env={**os.environ, **kept, **extra}).returncode
            passed = code == 0 or (code == 5 and arguments)  # 5: nothing to do, as after -k
            if not passed:
                bad.append(name)
            counts = outcome(report)
            for key, number in counts.items():
                total[key] += number
            verdict = "passed" if counts["passed"] else "no test ran"
            verdict = verdict if passed else "FAILED" if code > 0 else f"ended by signal {-code}"
            print(f"=== {name}: {verdict} in {time.time() - start:.0f} s ===", flush=True)
    if not bad and not total["passed"]:
        bad.append("no test ran")
    counts = ", ".join(f"{number} {key}" for key, number in total.items())
    minutes, seconds = divmod(round(time.time() - began), 60)
    verdict = "FAILED: " + ", ".join(bad) if bad else "all passed"
    print(f"\nsegkit tests: {counts}, in {minutes} min {seconds:02d} s: {verdict}")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(test(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
