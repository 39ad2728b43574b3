"""Several processes for the tests: forks of a server that has torch loaded, joined as torchrun joins its workers."""

from __future__ import annotations

import multiprocessing as mp
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from segkit.data import Augmented, Sample
from segkit.data.transforms import RandomFlip
from segkit.training import Recipe, Trainer, processes
from segkit.training.strategy import full

FORKS = mp.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "torch._dynamo", "tests.training.together", "segkit.cli.train"])

STORES: list[dist.TCPStore] = []  # the place where they find each other outlives them, as torchrun's does


def started(work: Callable[..., Any], *given: Any, count: int = 2, log: Path, **variables: str) -> list[Any]:
    """Processes at work(*given), each with its own log."""
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))):
        forkserver.ensure_running()  # finds what it loads where this process does
    STORES.append(dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False))
    common = {
        "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(STORES[-1].port),
        "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0", **variables,
    }  # fmt: skip
    team = []
    for rank in range(count):
        own = {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        team.append(FORKS.Process(target=_one, args=(own, log.with_suffix(f".{rank}"), work, given)))
        team[-1].start()
    return team


def together(work: Callable[..., Any], *given: Any, count: int = 2, log: Path, **variables: str) -> list[int]:
    """The exit codes of `started` processes once all have ended."""
    return ended(started(work, *given, count=count, log=log, **variables))


def ended(team: list[Any]) -> list[int]:
    for process in team:
        process.join(120)
        if process.is_alive():
            process.kill()
            process.join()
    STORES.clear()
    return [process.exitcode for process in team]


def said(log: Path) -> str:
    """What all of them printed, process 0 first."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(log.parent.glob(f"{log.stem}.[0-9]")))


def _one(variables: dict[str, str], log: Path, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    os.environ.update(variables)
    torch.set_num_threads(1)
    with open(log, "w", encoding="utf-8", buffering=1) as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = file, file
        try:
            code = work(*given) or 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            code = 1
        file.flush()
        os._exit(code)


# what they train ------------------------------------------------------------------------------------------------------


class Patches:
    """Pictures of 8×8 with very different shares of void; one of them is nothing else."""

    name, classes, num_classes = "patches", ("low", "middle", "high"), 3

    def __init__(self, length: int = 11, wrong: int | None = None) -> None:
        self.length, self.wrong = length, wrong
        self.palette = np.zeros((3, 3), np.uint8)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Sample:
        g = torch.Generator().manual_seed(i)
        image = torch.rand(3, 8, 8, generator=g)
        labels = (image.mean(0) * 3).long().clamp(0, 2)
        labels[(torch.rand(8, 8, generator=g) < i / 8) | torch.tensor(i == 3)] = 255
        if i == self.wrong:
            labels[0, 0] = 7
        return Sample(image, labels, name=f"patch {i}")


class Small(nn.Module):
    """BatchNorm twice, dropout, an auxiliary output, and a layer that no loss looks at."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.second, self.norm2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6, affine=False, momentum=None)
        self.drop, self.last, self.aux = nn.Dropout(dropout), nn.Conv2d(6, 3, 1), nn.Conv2d(6, 3, 1)
        self.idle = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor, outputs: bool = False) -> Any:
        x = self.norm(self.first(x.to(self.last.weight.dtype))).relu()
        found = {"aux": self.aux(x), "idle": self.idle(x)}
        x = self.drop(self.norm2(self.second(x)).relu())
        return {"logits": self.last(x), **found} if outputs else self.last(x)


def trainer(
    dropout: float = 0.0, single: bool = False, wrong: int | None = None, strategy: str = "ddp", **settings: Any
) -> Trainer:
    """One on `Patches`, in double precision unless `single`."""
    torch.manual_seed(1)
    usual = {"steps": 6, "batch_size": 5, "save_every": 2, "device": "cpu", "aux": {"aux": 0.4}, "ema": 0.8}
    model = Small(dropout).float() if single else Small(dropout).double()
    data = Augmented(Patches(wrong=wrong), RandomFlip(), seed=0)
    return Trainer(model, data, Recipe(**{**usual, **settings}), strategy=strategy)  # type: ignore[arg-type]


def weights(t: Trainer) -> dict[str, Tensor]:
    """Of the network and of its average."""
    both = {"": t.inner, "mean of ": t.best}
    return {name + k: full(v).clone() for name, m in both.items() for k, v in m.state_dict().items()}


def train(out: Path, settings: dict[str, Any], fit: dict[str, Any]) -> None:
    """Train as one of several, and write what came out, one file a process."""
    with processes.joined(60):
        t = trainer(**settings)
        t.fit(out / "run.safetensors", quiet=True, **fit)
        found = {"weights": weights(t), "losses": [h["loss"] for h in t.history]}
        torch.save(found, out / f"end.{processes.rank()}")


def result(out: Path, rank: int = 0) -> dict[str, Any]:
    return torch.load(out / f"end.{rank}")  # type: ignore[no-any-return]


def furthest(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """The largest difference of weights and losses."""
    assert ours["weights"].keys() == theirs["weights"].keys() and len(ours["losses"]) == len(theirs["losses"])
    pairs = [(ours["weights"][k], theirs["weights"][k]) for k in theirs["weights"]]
    pairs.append((torch.tensor(ours["losses"]), torch.tensor(theirs["losses"])))
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
