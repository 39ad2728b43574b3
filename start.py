#!/usr/bin/env python3
"""Set the course up and open it, run its tests, or look after its notebooks. Needs Python 3.11+ and nothing else.

python3 start.py [--no-browser]             open the course in JupyterLab (the first time: install it, 2 to 15 minutes)
python3 start.py --cpu ...                  install a torch without its parts for GPUs: 1.2 GB instead of 6 on Linux
python3 start.py test [PYTEST ARGUMENTS]    run every test: units, notebooks, benchmarks, browser
python3 start.py test --quick               run some tests of every room, one notebook and one assignment: 3 minutes
python3 start.py refresh [NOTEBOOK ...]     run chapters again and store their outputs
python3 start.py elsewhere [NOTEBOOK ...]   compare chapters under the arithmetic of three other machines
python3 start.py render NOTEBOOK ... --to FOLDER [--run]   pages of a chapter as PNG pictures, as JupyterLab shows them
python3 start.py site [--to FOLDER] [--pdf] build the course as a web site, in runs/site (needs npm once, for formulas)
python3 start.py install [test] [teach]     install only, what a learner needs, and what `test` or teachers need as well
python3 start.py hosted OWNER/NAME          write the README's links to hosted notebooks, of the repository's address
python3 start.py release VERSION            check that everything names this version, and tag it

Everything is installed into `.venv` beside this file, or where the variable SEGKIT_VENV says: what a learner needs, and
what tests and teachers need when one of their commands asks for it.
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
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("SEGKIT_VENV") or ROOT / ".venv").resolve()
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
DONE = VENV / "segkit-installed"  # the stamp of a finished install: the fingerprint, and the extras it has
BUSY = VENV / "segkit-installing"  # the mark of an install that has begun and not ended
CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # torch's own index, of builds without CUDA
COMMANDS = {  # what each needs beside the course's packages, and what does it
    "test": ({"test", "teach", "site"}, "-m tests.stages"),
    "refresh": ({"test"}, "-m tests.course.notebooks"),
    "elsewhere": ({"test"}, "-m tests.course.notebooks"),
    "render": ({"test"}, "-m tests.course.notebooks"),
    "site": ({"site", "test"}, "site/build.py"),  # whose folder has the name of a module of Python's own
}
ALONE = {"hosted": "tests.hosted", "release": "tests.release"}  # these need no packages
NETWORK_SIGNS = (
    "ConnectionError", "Max retries", "name resolution", "timed out", "Timeout", "Connection refused", "ProxyError",
    "SSLError", "Could not find a version", "No matching distribution",
)  # fmt: skip
NO_CPU_BUILD = """
No {} was found: torch's own index, {},
could not be reached, or has none for this system and Python. Run the same command again when it can; or without --cpu,
for the build of the package index (6 GB); or say where the files are: PIP_FIND_LINKS=FOLDER python3 start.py --cpu"""
TEXT = {"encoding": "utf-8", "errors": "replace"}  # of what other programs say


def gigabytes(extras: set[str]) -> tuple[float, float]:
    """The disk that an install needs, with room for its downloads, and what it takes in the end."""
    return (8, 6) if sys.platform == "linux" and "cpu" not in extras else (3, 1.2)  # Linux: torch with its CUDA parts


def disk_full(extras: set[str]) -> str:
    """What to do about a full disk."""
    return (
        f"The disk is full. The course needs about {gigabytes(extras)[0]} GB in {VENV.parent}, and while it installs\n"
        f"room for its downloads in {tempfile.gettempdir()} (another folder: set TMPDIR) and in pip's cache."
    )


def fingerprint() -> str:
    """What an installed environment depends on: both dependency files, the venv's Python, and where the checkout is."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    config = VENV / "pyvenv.cfg"
    lines = config.read_text(encoding="utf-8").splitlines() if config.exists() else []
    parts += [line.encode() for line in lines if line.startswith("version")] + [str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def stamp() -> tuple[str, set[str]]:
    """The fingerprint and the extras of the last install that ended well."""
    words = DONE.read_text(encoding="utf-8").split() if DONE.exists() else []
    return (words[0] if words else "", set(words[1:]))


def works(*arguments: str) -> bool:
    """Whether the environment's Python runs with these arguments and ends well."""
    try:
        return subprocess.run([str(PYTHON), *arguments], capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv(extras: set[str]) -> None:
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
        sys.exit(f"{said}\n\n{disk_full(extras) if 'No space left' in said else why}\nThen run the same command again.")


def pip_command(extras: set[str]) -> list[str]:
    """What installs the package with these extras at the pinned versions; modules are compiled when first imported."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
    if "cpu" in extras:  # named exactly, so that pip can never fall back on the large build
        command += ["--extra-index-url", CPU_INDEX, *cpu_builds()]
    return [*command, "-c", "constraints.txt", "-e", f".[{','.join(sorted(extras - {'cpu'}))}]"]


def cpu_builds() -> list[str]:
    """torch and torchvision, which fit only as a pair, at the pinned versions, as built without CUDA."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [f"{pin}+cpu" for pin in pins if pin.startswith(("torch==", "torchvision=="))]


def pip_install(extras: set[str]) -> None:
    """Install, and explain a failure."""
    pip = subprocess.Popen(pip_command(extras), cwd=ROOT, stderr=subprocess.PIPE, **TEXT)
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
        sys.exit(f"\n{disk_full(extras)}\nThen run the same command again: it starts afresh.")
    if pip.returncode > 0:
        BUSY.unlink(missing_ok=True)  # pip ended by itself, before it installed: the environment can be used again
    if "cpu" in extras and re.search(r"(No matching distribution|Cannot install).* torch\S+\+cpu", text):
        sys.exit(NO_CPU_BUILD.format(" or no ".join(cpu_builds()), CPU_INDEX))
    if any(sign in text for sign in NETWORK_SIGNS):
        why = "The package index could not be reached, or lacks a version asked for. The first start needs a network\n"
        why += f"({'0.5' if gigabytes(extras)[1] < 6 else '3'} GB of downloads; behind a proxy set HTTPS_PROXY)."
    else:
        DONE.unlink(missing_ok=True)
        why = "pip could not install the packages; its last lines above say why."
    sys.exit(f"\n{why}\nThen run the same command again: it goes on with the downloads that finished.")


def room_for(extras: set[str]) -> None:
    """Refuse an install that the disk has no room for, before it begins."""
    home = next(p for p in (VENV, *VENV.parents) if p.exists())
    free, needed = shutil.disk_usage(home).free / 1e9, gigabytes(extras)[0]
    if free < needed and not works("-c", "import torch"):
        sys.exit(
            f"The course needs about {needed} GB to install; {home} has {free:.1f} GB free. Free some space or\n"
            "name a folder on a larger disk: SEGKIT_VENV=/larger/disk/segkit python3 start.py"
            + ("\nWithout a GPU by NVIDIA 3 GB are enough: python3 start.py --cpu" if needed > 3 else "")
        )


def install(needed: set[str]) -> None:
    """Bring the environment up to date: what these extras need is added, if it is not there yet."""
    known, extras = stamp()
    if not BUSY.exists() and known == fingerprint() and needed <= extras and works("-c", ""):
        return
    if known and not BUSY.exists() and "cpu" in needed - extras:
        sys.exit(f"{VENV} has the large build of torch already.\nDelete that folder, and run the same command again.")
    extras |= needed
    if not known:
        room_for(extras)
    print(f"installing into {VENV} (the first time 2 to 15 minutes and {gigabytes(extras)[1]} GB) ...", flush=True)
    began = time.time()
    try:
        make_venv(extras)
        BUSY.touch()
        pip_install(extras)
        settings = VENV / "share/jupyter/lab/settings"  # JupyterLab's own defaults: look for no news and no updates
        settings.mkdir(parents=True, exist_ok=True)
        quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
        (settings / "overrides.json").write_text(json.dumps(quiet), encoding="utf-8")
        DONE.write_text(" ".join([fingerprint(), *sorted(extras)]), encoding="utf-8")
        BUSY.unlink()
    except KeyboardInterrupt:
        sys.exit("\nInstall interrupted. Run the same command again: it starts afresh, with the downloads it has.")
    except OSError as error:
        sys.exit(f"\n{error}\n{disk_full(extras) if error.errno == 28 else f'{VENV} cannot be written.'}")
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


def main(arguments: list[str]) -> int:
    extras = {"course"}
    if "--cpu" in arguments:
        arguments = [word for word in arguments if word != "--cpu"]
        if sys.platform == "linux":
            extras.add("cpu")
        else:
            print("--cpu changes nothing here: only for Linux does the package index's torch bring parts for GPUs.")
    word, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if word in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if word in ALONE:
        return subprocess.run([sys.executable, "-m", ALONE[word], *rest], cwd=ROOT).returncode
    if word == "install" and set(rest) <= {"test", "teach"}:
        install(extras.union(rest, COMMANDS["test"][0] if "test" in rest else ()))
        return 0
    if word and not word.startswith("-") and word not in COMMANDS:
        sys.stderr.write(f"start.py does not know {' '.join(arguments)!r}\n\n{__doc__}\n")
        return 2
    more, module = COMMANDS.get(word, (set(), ""))
    install(extras | more)
    rest = [word, *rest] if module == "-m tests.course.notebooks" else rest
    return subprocess.run([str(PYTHON), *module.split(), *rest], cwd=ROOT).returncode if module else lab(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
