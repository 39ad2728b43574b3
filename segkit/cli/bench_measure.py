"""How `segkit bench` measures: counts, times in turns, memory, scores; what fails becomes a reason, not an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from segkit.analysis import cost, in_turns, peak_bytes
from segkit.analysis.timing import quartiles, ratios
from segkit.cli.bench_entrants import Entrant
from segkit.data import VOID, Sample, StreetScenes
from segkit.metrics import BoundaryIoU
from segkit.training import Recipe, Trainer, evaluate

STEPS = 4  # of training that are timed at once: an epoch
MEMORY = {
    "cuda": "the most that torch had allocated on the card at once, weights included",
    "elsewhere": "the bytes of the tensors alive at the busiest moment of an eager run, weights included, counted "
    "(segkit.analysis.peak_bytes): without what kernels take for themselves, and not for compiled or training rows",
}
# out of memory, a compiler that is not there, one that made something wrong and noticed, …
_FAILURES = (RuntimeError, ValueError, TypeError, MemoryError, AssertionError)


@dataclass(frozen=True)
class Settings:
    """How every network of one command is measured."""

    size: tuple[int, int]
    batch: int
    device: torch.device
    threads: int
    repeats: int
    training: bool

    def row(self, e: Entrant) -> str:
        """The name of a row, which no row under other conditions has."""
        H, W = self.size
        where = f"{self.device}, {self.threads} thread{'s' * (self.threads > 1)}"
        return f"{e.name}, {H}×{W}, batch {self.batch}, {where}{', training' * self.training}"

    def arm(self, e: Entrant) -> dict[str, Any]:
        """What was measured and how, as the file of results holds it."""
        loop = ("plain loop" if e.peer else "segkit.training.Trainer") if self.training else None
        recipe = {
            "size": list(self.size), "batch_size": self.batch, "device": str(self.device), "threads": self.threads,
            "engine": "native", "compiled": e.compiled, "repeats": self.repeats, "loop": loop,
        }  # fmt: skip
        return {"model": e.model, "data": e.data, "recipe": recipe}


@dataclass
class Found:
    """What was measured of one network, or why nothing was."""

    scores: dict[str, float] = field(default_factory=dict)
    failed: str = ""


def measure(group: list[Entrant], s: Settings) -> dict[str, Found]:
    """The networks of a group, by name; their times are taken in turns."""
    torch.compiler.reset()  # torch compiles the forward of one class no more than a few times
    found, runs = {e.name: Found() for e in group}, {}
    for e in group:
        try:
            runs[e.name] = _prepared(e, s, found[e.name].scores)
        except _FAILURES as error:
            found[e.name] = Found(failed=_reason(error))
    try:
        times = in_turns(runs, s.repeats, device=s.device) if runs else {}
    except _FAILURES as error:
        return {e.name: Found(failed=found[e.name].failed or _reason(error)) for e in group}
    compared = ratios(times, group[0].name) if group[0].name in times and len(group) > 1 else {}
    for name, seconds in times.items():
        found[name].scores |= _figures(seconds, s, compared.get(name))
    return found


def _figures(seconds: list[float], s: Settings, compared: tuple[float, float, float] | None) -> dict[str, float]:
    low, middle, high = (1000 * value / (STEPS if s.training else 1) for value in quartiles(seconds))
    found = {"ms": middle, "ms_low": low, "ms_high": high, "times": len(seconds)}
    found["pictures_per_second"] = 1000 * s.batch / middle
    if compared:
        found |= dict(zip(("ratio_low", "ratio", "ratio_high"), compared, strict=True))
    return found


def _reason(error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    out = "OutOfMemory" in type(error).__name__ or isinstance(error, MemoryError) or "DefaultCPUAllocator" in text
    return "out of memory" if out else text


def _prepared(e: Entrant, s: Settings, scores: dict[str, float]) -> Callable[[], object]:
    """What is to be timed, after a first run; what can be counted goes into the scores."""
    torch.manual_seed(0)
    model = e.make().eval()
    counted = cost(model, s.size)
    scores |= {"parameters": counted.parameters, "macs": counted.macs}
    cuda = s.device.type == "cuda"
    before = torch.cuda.memory_allocated(s.device) if cuda else 0
    run = _training(model, e, s) if s.training else _evaluation(model, e, s)
    run()
    if cuda:
        torch.cuda.reset_peak_memory_stats(s.device)  # the first run may have compiled, or tried kernels
        run()
        scores["peak_bytes"] = torch.cuda.max_memory_allocated(s.device) - before
    elif not (e.compiled or s.training):
        scores["peak_bytes"] = peak_bytes(model, s.size, s.batch)
    if e.data:
        edges = BoundaryIoU(model.num_classes)  # type: ignore[arg-type]
        matrix = evaluate(model, e.pictures, batch_size=4, device=str(s.device), also=[edges])
        scores |= {"mean_iou": matrix.mean_iou(), "boundary_iou": edges.mean_iou(), "pictures": len(e.pictures)}
    return run


def _evaluation(model: nn.Module, e: Entrant, s: Settings) -> Callable[[], object]:
    model.to(s.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = (s.batch, getattr(model, "in_channels", 3), *s.size)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(s.device, memory_format=torch.channels_last)
    called = torch.compile(model, fullgraph=True) if e.compiled else model

    def run() -> None:
        with torch.no_grad():
            called(x)

    return run


def _training(model: nn.Module, e: Entrant, s: Settings) -> Callable[[], object]:
    """An epoch of a few steps, pictures from a loader: forward, cross-entropy, backward and AdamW."""
    pictures = StreetScenes("train", size=s.size, length=STEPS * s.batch, cache=True)
    recipe = Recipe(steps=10**9, batch_size=s.batch, lr=1e-4, schedule="constant", clip=None, device=str(s.device))
    called: Any = torch.compile(model, fullgraph=True) if e.compiled else model
    trainer = Trainer(called, pictures, recipe)
    if e.peer:
        return _plain(called.to(memory_format=torch.contiguous_format), pictures, trainer)
    return lambda: trainer.fit(until=trainer.step + STEPS, quiet=True)


def _plain(model: nn.Module, pictures: StreetScenes, trainer: Trainer) -> Callable[[], object]:
    """The same step as libraries show it, in the trainer's precision and with its kind of optimizer."""
    optimizer = torch.optim.AdamW(model.parameters(), trainer.recipe.lr, weight_decay=trainer.recipe.weight_decay)
    loader = DataLoader(pictures, trainer.recipe.batch_size, shuffle=True, collate_fn=_stacked)

    def run() -> None:
        model.train()
        for batch in loader:
            image, labels = (part.to(trainer.device) for part in batch)
            optimizer.zero_grad()
            with torch.autocast(trainer.device.type, trainer.half, enabled=trainer.amp):
                answer = model(image)
                logits = answer["out"] if isinstance(answer, dict) else answer  # N, K, H, W
                loss = F.cross_entropy(logits, labels, ignore_index=VOID)
            loss.backward()
            optimizer.step()
            loss.item()

    return run


def _stacked(samples: list[Sample]) -> tuple[Tensor, Tensor]:
    return torch.stack([sample.image for sample in samples]), torch.stack([sample.labels.long() for sample in samples])
