#!/usr/bin/env python3
"""Set the course up and open it, run its tests, or look after its notebooks. Needs Python 3.11+ and nothing else.

python3 start.py [--no-browser]             open the course in JupyterLab (the first time: install it, about 3 minutes)
python3 start.py test [PYTEST ARGUMENTS]    run every test: units, notebooks, benchmarks, browser
python3 start.py refresh [NOTEBOOK ...]     run chapters again and store their outputs
python3 start.py elsewhere [NOTEBOOK ...]   compare chapters under the arithmetic of three other machines
python3 start.py render NOTEBOOK ... --to FOLDER [--run]   pages of a chapter as PNG pictures, as JupyterLab shows them
python3 start.py site [--to FOLDER] [--pdf] build the course as a web site, in runs/site (needs npm once, for formulas)

Everything is installed into `.venv` beside this file, or where the variable SEGKIT_VENV says.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file must parse on old Pythons to be able to say so
    sys.exit(
        "segkit needs Python 3.11 or newer; this is Python {}.{}.\n"
        "Install a newer one (from your system's packages, conda-forge or the Python web site)\n"
        "and start with it, for example: python3.12 start.py".format(*sys.version_info[:2])
    )

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("SEGKIT_VENV") or ROOT / ".venv").resolve()
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
DONE = VENV / "segkit-installed"  # the stamp of a finished install: holds the fingerprint
BUSY = VENV / "segkit-installing"  # the mark of an install that has begun and not ended
DISK_GB = 8  # torch with its CUDA parts takes 5.7 GB on Linux, and its downloads pass through the temporary folder
NETWORK_SIGNS = (
    "ConnectionError", "Max retries", "name resolution", "timed out", "Timeout", "Connection refused", "ProxyError",
    "SSLError", "Could not find a version", "No matching distribution",
)  # fmt: skip
DISK_FULL = (
    f"The disk is full. The course needs about {DISK_GB} GB in {VENV.parent}, and while it installs\nroom for its "
    f"downloads in {tempfile.gettempdir()} (another folder: set TMPDIR) and in pip's cache."
)
TEXT = {"encoding": "utf-8", "errors": "replace"}  # of what other programs say
CORES = max(1, min(os.cpu_count() or 1, 4))


def fingerprint() -> str:
    """What an installed environment depends on: both dependency files, the venv's Python, and where the checkout is."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    config = VENV / "pyvenv.cfg"
    lines = config.read_text(encoding="utf-8").splitlines() if config.exists() else []
    parts += [line.encode() for line in lines if line.startswith("version")] + [str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def works(*arguments: str) -> bool:
    """Whether the environment's Python runs with these arguments and ends well."""
    try:
        return subprocess.run([str(PYTHON), *arguments], capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv() -> None:
    """A virtual environment with a pip that runs; one that an interrupted install left half-made is made again."""
    if VENV.exists() and any(VENV.iterdir()):
        if not (VENV / "pyvenv.cfg").exists() and not BUSY.exists() and VENV != ROOT / ".venv":
            sys.exit(f"SEGKIT_VENV names {VENV}, which holds other things; name a new or empty folder")
        if not BUSY.exists() and works("-m", "pip", "--version"):
            return
        print(f"{VENV.name} is incomplete, probably from an interrupted install: making it again", flush=True)
        shutil.rmtree(VENV)
    VENV.mkdir(parents=True, exist_ok=True)
    BUSY.touch()
    answer = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, **TEXT)
    if answer.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        said = (answer.stdout + answer.stderr).strip()
        why = "This Python cannot make virtual environments (it ran: python -m venv).\nOn Debian and Ubuntu: "
        why += "sudo apt install python3-venv"
        sys.exit(f"{said}\n\n{DISK_FULL if 'No space left' in said else why}\nThen run the same command again.")


def pip_install() -> None:
    """Install the package with its extras at the pinned versions, and explain a failure."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-c", "constraints.txt"]
    pip = subprocess.Popen([*command, "-e", ".[course,test,teach,site]"], cwd=ROOT, stderr=subprocess.PIPE, **TEXT)
    said = []
    try:
        for line in pip.stderr or ():
            sys.stderr.write(line)
            said.append(line)
    finally:
        if sys.exc_info()[0]:
            pip.terminate()
        pip.wait()
    if pip.returncode == 0:
        return
    text = "".join(said)
    if "No space left" in text or "Errno 28" in text:
        sys.exit(f"\n{DISK_FULL}\nThen run the same command again: it starts afresh.")
    if pip.returncode > 0:
        BUSY.unlink(missing_ok=True)  # pip ended by itself, before it installed: the environment can be used again
    if any(sign in text for sign in NETWORK_SIGNS):
        why = "The package index could not be reached, or lacks a version asked for. The first start needs a network\n"
        why += "(about 3 GB of downloads; behind a proxy set HTTPS_PROXY)."
    else:
        why = "pip could not install the packages; its last lines above say why."
    sys.exit(f"\n{why}\nThen run the same command again: it goes on with the downloads that finished.")


def install() -> None:
    """Bring the environment up to date; does nothing where the last install finished with the same files."""
    if DONE.exists() and not BUSY.exists() and DONE.read_text(encoding="utf-8") == fingerprint() and works("-c", ""):
        return
    if not DONE.exists():
        home = next(p for p in (VENV, *VENV.parents) if p.exists())
        free = shutil.disk_usage(home).free / 1e9
        if free < DISK_GB and not works("-c", "import torch"):
            sys.exit(
                f"The course needs about {DISK_GB} GB to install; {home} has {free:.1f} GB free. Free some space or\n"
                "name a folder on a larger disk: SEGKIT_VENV=/larger/disk/segkit python3 start.py"
            )
    print(f"installing into {VENV} (the first time about 3 minutes and 6 GB) ...", flush=True)
    began = time.time()
    try:
        make_venv()
        DONE.unlink(missing_ok=True)
        BUSY.touch()
        pip_install()
        settings = VENV / "share/jupyter/lab/settings"  # JupyterLab's own defaults: look for no news and no updates
        settings.mkdir(parents=True, exist_ok=True)
        quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
        (settings / "overrides.json").write_text(json.dumps(quiet), encoding="utf-8")
        DONE.write_text(fingerprint(), encoding="utf-8")
        BUSY.unlink()
    except KeyboardInterrupt:
        sys.exit("\nInstall interrupted. Run the same command again: it starts afresh, with the downloads it has.")
    except OSError as error:
        sys.exit(f"\n{error}\n{DISK_FULL if error.errno == 28 else f'{VENV} cannot be written.'}")
    print(f"installed in {time.time() - began:.0f} s", flush=True)


def lab(arguments: list[str]) -> int:
    """JupyterLab on course/, reachable from this machine only, with a token, asking nothing of any other host."""
    options = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={ROOT / 'course'}", "--LabApp.news_url=None",
               "--LabApp.extension_manager=readonly",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    if hasattr(os, "geteuid"):  # its terminal is no login shell, which may forget the PATH where segkit is found
        shell = os.environ.get("SHELL") or shutil.which("sh") or "sh"
        options += [f"--ServerApp.terminado_settings=shell_command={shell}", *["--allow-root"] * (os.geteuid() == 0)]
    os.environ["PATH"] = f"{PYTHON.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        return subprocess.run([str(PYTHON), "-m", "jupyterlab", *options, *arguments], cwd=ROOT).returncode
    except KeyboardInterrupt:
        return 0


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
    pair, own = ["-n", str(min(2, CORES)), "--dist", "loadgroup"], {**one, "SEGKIT_DATA": empty}  # kernel, server
    for name, how, extra in (("benchmarks", [], {}), ("browser", pair, own), ("site", [], one)):
        if list((ROOT / "tests" / name).glob("test_*.py")):
            plan.append((name, [f"tests/{name}", *how], extra))
    return plan


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
        plan = stages(empty)
        if any((ROOT / a.split("::")[0]).exists() for a in arguments if not a.startswith("-")):
            books = any(".ipynb" in a for a in arguments)
            plan = [("chosen", ["--nbval"] if books else [], {"SEGKIT_DATA": empty} if books else {})]
        for name, options, extra in plan:
            print(f"\n=== {name} ===", flush=True)
            start, report = time.time(), artefacts / f"report-{name.replace(' ', '-')}.xml"
            report.unlink(missing_ok=True)
            command = [str(PYTHON), "-m", "pytest", "-q", f"--junitxml={report}", *options, *arguments]
            code = subprocess.run(command, cwd=ROOT, env={**os.environ, **extra}).returncode
            passed = code == 0 or (code == 5 and arguments)  # 5: nothing to do, as after -k
            bad += [name] * (not passed)
            for key, number in outcome(report).items():
                total[key] += number
            verdict = "passed" if passed else "FAILED" if code > 0 else f"ended by signal {-code}"
            print(f"=== {name}: {verdict} in {time.time() - start:.0f} s ===", flush=True)
    bad += ["no test ran"] * (not bad and not total["passed"])
    counts = ", ".join(f"{number} {key}" for key, number in total.items())
    minutes, seconds = divmod(round(time.time() - began), 60)
    verdict = "FAILED: " + ", ".join(bad) if bad else "all passed"
    print(f"\nsegkit tests: {counts}, in {minutes} min {seconds:02d} s: {verdict}")
    return 1 if bad else 0


def main(arguments: list[str]) -> int:
    word, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if word in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if word and not word.startswith("-") and word not in ("test", "refresh", "elsewhere", "render", "site"):
        print(f"start.py does not know {word!r}\n\n{__doc__}", file=sys.stderr)
        return 2
    install()
    if word == "test":
        return test(rest)
    if word in ("refresh", "elsewhere", "render", "site"):
        how = ["site/build.py"] if word == "site" else ["-m", "tests.course.notebooks", word]
        return subprocess.run([str(PYTHON), *how, *rest], cwd=ROOT).returncode
    return lab(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
