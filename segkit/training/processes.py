"""The processes that train one network together: which of them I am, and what all of them say or sum to.

`torchrun --nproc-per-node 2 -m segkit train …` starts them. Where there is one process, nothing here does anything.
Each call that needs the others must come from all of them, in the same order.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from segkit.training.identity import differences

_GONE = ("gloo", "NCCL", "onnection", "Broken pipe")  # words of torch's errors where another process has ended


def count() -> int:
    """How many processes train together; 1 without torchrun."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def total(x: Tensor) -> Tensor:
    """The sum of x over all processes, the same bits in each; x itself where there is one."""
    if count() == 1:
        return x
    x = x.detach().clone()
    dist.all_reduce(x)
    return x


def gathered(x: Tensor) -> Tensor:
    """x of every process, in the order of their ranks.

    Shape:
        … → processes × …, the same in each.
    """
    if count() == 1:
        return x[None]
    found = [torch.empty_like(x) for _ in range(count())]
    dist.all_gather(found, x.contiguous())
    return torch.stack(found)


def texts(own: str) -> list[str]:
    """What every process has to say, in the order of their ranks."""
    data = torch.frombuffer(bytearray(own.encode() or b" "), dtype=torch.uint8)
    lengths = gathered(torch.tensor(len(data))).tolist()
    padded = torch.zeros(max(lengths), dtype=torch.uint8)
    padded[: len(data)] = data
    rows = zip(gathered(padded), lengths, strict=True)
    return [bytes(row[:length].tolist()).decode().strip() for row, length in rows]


def any_of_us(here: bool) -> bool:
    """Whether something is so in any process."""
    return bool(total(torch.tensor(int(here)))) if count() > 1 else here


def wait() -> None:
    """Until all have come here."""
    total(torch.zeros(1))


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """For what one process of each machine does, such as a download, before the others of that machine find it done."""
    later = count() > 1 and int(os.environ.get("LOCAL_RANK", rank())) > 0
    if later:
        wait()
    yield
    if not later:
        wait()


def same(facts: dict[str, Any]) -> None:
    """Refuse to train together where one process has other settings or other pictures.

    Raises:
        ValueError: in every process, naming the first other one and each difference.
    """
    if count() == 1:
        return
    first, *others = map(json.loads, texts(json.dumps(facts)))
    for number, other in enumerate(others, start=1):
        if changed := differences(first, other):
            raise ValueError(
                f"process {number} has other settings than process 0: {', '.join(changed)} (0 → {number}); start all "
                "with the same command, and give them the same files"
            )


@contextlib.contextmanager
def failing_together() -> Iterator[None]:
    """What fails in one process fails in all, at the end of the block, so that none waits for one that has stopped."""
    own: Exception | None = None
    try:
        yield
    except Exception as error:
        if count() == 1:
            raise
        own = error
    if count() > 1:
        said = texts("" if own is None else str(own) or type(own).__name__)
        if own is not None:
            raise own
        if any(said):
            raise ValueError(next(filter(None, said)))


def started() -> bool:
    """Whether torchrun, or what sets the same variables, has started this process beside others."""
    return {"RANK", "MASTER_ADDR"} <= os.environ.keys() and int(os.environ.get("WORLD_SIZE", "1")) > 1


def restarted() -> bool:
    """Whether torchrun has started the processes anew after one was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def card() -> torch.device:
    """The CUDA device of this process: its own, by its number on this machine."""
    if count() == 1:
        return torch.device("cuda")
    number = int(os.environ.get("LOCAL_RANK", rank()))
    if number >= (cards := torch.cuda.device_count()):
        raise ValueError(
            f"process {number} of this machine has no GPU of its own: there are {cards}; start {cards} with "
            "--nproc-per-node, or take --device cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


@contextlib.contextmanager
def joined(seconds: float = 600) -> Iterator[None]:
    """One of the processes that torchrun has started, for the block; of several, only process 0 prints.

    An error ends all of them, and only the one that met it first says so: the others leave with exit code 1, or 130
    after Ctrl-C.

    Args:
        seconds: how long to wait for the others, to join and at every step.

    Raises:
        ConnectionError: others have not come, or one has ended.
    """
    if not started():
        yield
        return
    limit, both = datetime.timedelta(seconds=seconds), torch.cuda.is_available() and dist.is_nccl_available()
    try:
        store, own, all_ = next(dist.rendezvous("env://", timeout=limit))
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)  # torchrun's store still holds what others left there
        store = dist.PrefixStore(f"segkit {start} {all_}", store)
        kind = "cpu:gloo,cuda:nccl" if both else "gloo"
        dist.init_process_group(kind, timeout=limit, world_size=all_, rank=own, store=store)
    except (RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise ConnectionError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} found no others at "
            f"{os.environ['MASTER_ADDR']}:{os.environ.get('MASTER_PORT', '?')} within {seconds:g} s ({first})"
        ) from None
    ours = ""
    try:
        ours = f"said {int(total(torch.tensor(0 if own else time.time_ns())))}"  # a store may outlive its processes
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            with contextlib.redirect_stdout(nowhere) if own else contextlib.nullcontext():
                yield
        wait()  # none leaves while another still needs it
    except BaseException as error:
        if not _first_to_say(store, ours):
            raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None
        if isinstance(error, RuntimeError) and any(word in str(error) for word in _GONE):
            raise ConnectionError(
                f"another of the {all_} processes has ended, so this run cannot go on; go on with the same command and "
                "--resume, or let torchrun do so with --max-restarts"
            ) from None
        raise
    dist.destroy_process_group()


def _first_to_say(store: dist.Store, key: str) -> bool:
    try:
        return store.add(key, 1) == 1
    except RuntimeError:  # whoever kept the store is gone
        return True
