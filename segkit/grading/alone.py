"""A submission by itself: no network, nothing to write to but an empty folder, nobody else's processes to see.

On Linux a process may take itself out of the rest of the system (user, mount, process and network namespaces), where
the system's owner has not forbidden it; elsewhere only the limits on files and time are left.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE = 256 << 20  # bytes of a file, and of all files together
PROCESSES = 400
NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000  # user, mount, process, network, IPC
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, PRIVATE, RECURSIVE = 1, 2, 4, 8, 32, 4096, 1 << 18, 1 << 14
DEVICES = ("null", "zero", "full", "random", "urandom")  # of /dev; no other can be opened: disks, terminals


def alone(work: Callable[[], Any], place: Path, hidden: Sequence[Path], seconds: float) -> None:
    """Do `work()` in a process cut off from the system, and come back when it has ended, with all that it started.

    Call it in a child process of its own, which is cut off as well.

    Args:
        work: what to do.
        place: an empty folder, the only one that can be written to (and /dev/shm, which is empty too).
        hidden: folders and files that are empty there; `place` may lie in one of them.
        seconds: processor time.

    Raises:
        OSError: the system does not allow it; nothing has been done.
    """
    user, group = os.geteuid(), os.getegid()
    _system("unshare", NAMESPACES)
    with suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny", "ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")
    _mount(None, "/", None, PRIVATE | RECURSIVE)
    _read_only()
    for path in [*hidden, Path("/run"), Path("/tmp/.X11-unix")]:  # the last two: sockets
        if path.is_dir():
            _mount("tmpfs", str(path), "tmpfs", NOSUID | NODEV, "size=64k,mode=0700")
            if place.is_relative_to(path):
                place.mkdir(parents=True, exist_ok=True)
            _mount(None, str(path), None, REMOUNT | BIND | RDONLY | NOSUID | NODEV)
        elif path.exists():
            _mount("/dev/null", str(path), None, BIND)
    for path in (place, Path("/dev/shm")):
        if path.is_dir():
            _mount("tmpfs", str(path), "tmpfs", NOSUID | NODEV, f"size={FILE},mode=0700")
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        _first(lambda: _last(work, place, seconds))
    finally:
        os._exit(1)


def _release() -> tuple[int, ...]:
    """The kernel's version, as (6, 14)."""
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def _first(work: Callable[[], Any]) -> None:
    """The first process of the new system, which ends with it: waits for the second, where the work is done."""
    _control(1, signal.SIGKILL)  # ends together with its parent
    _control(4, 0)  # cannot be looked into
    with suppress(OSError):
        _mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
        if _release() >= (6, 14):  # before, the number was the whole system's, and root would change it for all
            Path("/proc/sys/kernel/pid_max").write_text(str(PROCESSES), "ascii")
    second = os.fork()
    if second:
        while os.wait()[0] != second:
            pass
        os._exit(0)
    try:
        work()
    finally:
        os._exit(1)


def _last(work: Callable[[], Any], place: Path, seconds: float) -> None:
    """Give all rights away, and do the work."""
    import resource

    _control(1, signal.SIGKILL)
    limit_files(seconds)
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))  # those of this new system alone
    _control(38, 1)  # no new privileges
    for right in range(64):
        with suppress(OSError):
            _control(24, right)
    _system("capset", (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
    _control(4, 1)
    settle_in(place)
    work()
    os._exit(0)


def settle_in(place: Path) -> None:
    """Make a folder the working directory and the place of temporary files."""
    os.chdir(place)
    os.environ["TMPDIR"] = tempfile.tempdir = str(place)


def limit_files(seconds: float) -> None:
    """Limit the size of files, how many are open, and the time that each process may compute, where it can be."""
    with suppress(ImportError):
        import resource

        for what, most in (("FSIZE", FILE), ("CORE", 0), ("NOFILE", 512), ("CPU", int(seconds) + 1)):
            with suppress(OSError, ValueError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (most, most))


def end_with_parent() -> None:
    """Be ended together with the process that started this one (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError):
            _control(1, signal.SIGKILL)


def adopt() -> None:
    """Become the parent of whatever the children of this process leave behind (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError):
            _control(36, 1)


def end_strays() -> None:
    """End all children of this process, and theirs, where the system lists them."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    for _ in range(2000):
        with suppress(OSError, ValueError):
            for pid in children.read_text("ascii").split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def _read_only() -> None:
    """Everything that is mounted, at once, and no devices but a few that harm nobody (mount_setattr, Linux 5.12)."""
    devices = [f"/dev/{name}" for name in DEVICES if Path(f"/dev/{name}").exists()]
    for path in devices:
        _mount(path, path, None, BIND)
    for path, sets, clears, how in [("/", RDONLY | NOSUID | NODEV, 0, 0x8000), *((p, 0, NODEV, 0) for p in devices)]:
        wanted = (ctypes.c_uint64 * 4)(sets, clears, 0, 0)
        _system("syscall", 442, -100, path.encode(), how, wanted, ctypes.sizeof(wanted))


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    parts = [None if part is None else os.fsencode(part) for part in (source, target, kind)]
    _system("mount", *parts, ctypes.c_ulong(flags), options.encode())


def _control(option: int, value: int) -> None:
    _system("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def _system(call: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
