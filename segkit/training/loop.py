"""The training loop: one `Config`, one `Trainer`, and a run that can be stopped at any step and taken up again.

Step s of a run is a function of (configuration, s) and the state in the checkpoint: the order of the pictures comes
from (seed, epoch), their augmentation from (seed, epoch, index), the learning rate from s. No iterator holds state.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from segkit.data import Batch, collate, describe
from segkit.data.base import set_epoch
from segkit.training.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from segkit.training.losses import check_labels, cross_entropy


@dataclass
class Config:
    """Settings of a run, each with the reason for its default.

    Args:
        steps: optimizer steps.
        batch_size: pictures per step; 16 gives BatchNorm enough of them.
        lr: peak learning rate of AdamW; 3e-3 suits the course-size networks with BatchNorm.
        weight_decay: AdamW's.
        schedule: "onecycle" (a warm-up of 10 %, then a cosine to nought), "poly" ((1 − s/steps)^0.9, DeepLab's) or
            "constant".
        seed: of the order of pictures, of dropout, and of nothing else: build the model under your own seed.
        amp: mixed precision; None means on a GPU only (bfloat16 where the card has it, else float16 with scaling).
        ema: decay of an averaged copy of the weights, such as 0.99; None for no copy. Evaluation uses it.
        clip: largest norm of the gradient; None for no limit.
        workers: processes that prepare pictures; 0 prepares them in this one.
        save_every: steps between checkpoints, where `fit` is given a place for them.
        device: "auto" takes a GPU if there is one.
    """

    steps: int = 300
    batch_size: int = 16
    lr: float = 3e-3
    weight_decay: float = 1e-2
    schedule: str = "onecycle"
    seed: int = 0
    amp: bool | None = None
    ema: float | None = None
    clip: float | None = 5.0
    workers: int = 0
    save_every: int = 200
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "lr", "save_every"):
            if not getattr(self, name) > 0:
                raise ValueError(f"training got {name}={getattr(self, name)}; it must be greater than 0")
        if self.schedule not in ("onecycle", "poly", "constant"):
            raise ValueError(f"training got schedule={self.schedule!r}; choose 'onecycle', 'poly' or 'constant'")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"training got ema={self.ema}; a decay lies between 0 and 1, such as 0.99")

    def rate(self, step: int) -> float:
        """Learning rate at a step, counted from 0."""
        s = step / self.steps
        if self.schedule == "constant":
            return self.lr
        if self.schedule == "poly":
            return self.lr * (1 - s) ** 0.9
        warm = 0.1
        return self.lr * (
            0.04 + 0.96 * s / warm if s < warm else 0.5 + 0.5 * math.cos(math.pi * (s - warm) / (1 - warm))
        )


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is a CUDA or Apple GPU where there is one, else the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class _Order:
    """Batches of indices for steps first…steps−1: epoch e is a permutation drawn from (seed, e), its rest dropped."""

    def __init__(self, length: int, batch: int, seed: int) -> None:
        self.length, self.batch, self.seed = length, min(batch, length), seed
        self.per_epoch = length // self.batch

    def epoch(self, epoch: int, skip: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(self.length, generator=generator).tolist()
        return [order[i * self.batch : (i + 1) * self.batch] for i in range(skip, self.per_epoch)]


class Trainer:
    """Trains one model on one data set.

    Args:
        model: gives logits N×K×H×W.
        train_set: a segkit data set or `Augmented`; pictures of one size. Its `set_epoch` is called where it has one.
        config: the settings.
        weight: K class weights for the loss.
        loss: callable (model, batch) → scalar, for auxiliary outputs or sampling; cross-entropy where None.
    """

    def __init__(
        self, model: nn.Module, train_set: Any, config: Config, weight: Tensor | None = None, loss: Any = None
    ) -> None:
        if len(train_set) == 0:
            raise ValueError("there is nothing to train on: the data set has length 0")
        self.config, self.train_set, self.num_classes = config, train_set, describe(train_set).num_classes
        self.device = pick_device(config.device)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.weight = None if weight is None else weight.to(self.device)
        self.loss = loss or (lambda model, batch: cross_entropy(model(batch.image), batch.labels, self.weight))
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, config.lr, weight_decay=config.weight_decay)
        self.ema = copy.deepcopy(self.model).requires_grad_(False) if config.ema else None
        on_gpu = self.device.type == "cuda"
        self.amp = on_gpu if config.amp is None else config.amp
        self.half = torch.bfloat16 if not on_gpu or torch.cuda.is_bf16_supported() else torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp and self.half == torch.float16)
        self.order = _Order(len(train_set), config.batch_size, config.seed)
        self.step, self.history = 0, []  # type: tuple[int, list[dict[str, float]]]

    @property
    def best(self) -> nn.Module:
        """The model to use: the averaged one where there is one."""
        return self.ema or self.model

    def fit(
        self, out: str | Path | None = None, resume: bool = False, until: int | None = None, quiet: bool = False
    ) -> list[dict[str, float]]:
        """Train to the last step.

        Args:
            out: file for checkpoints, written every `save_every` steps and at the end.
            resume: take up the run in `out` where it stopped.
            until: stop after this step all the same (the schedule still runs to `steps`).
            quiet: no progress bar.

        Returns:
            the history: one dict a step with step, loss, lr, seconds.
        """
        if resume:
            self._resume(out)
        elif self.step == 0:
            torch.manual_seed(self.config.seed)
        last = min(self.config.steps, until or self.config.steps)
        self.model.train()
        bar = tqdm(total=last, initial=self.step, desc="train", unit="step", disable=quiet)
        with bar:
            for batch in self._batches(last):
                self.history.append(self._one_step(batch))
                bar.set_postfix(loss=f"{self.history[-1]['loss']:.3f}", refresh=False)
                bar.update()
                if out is not None and (self.step % self.config.save_every == 0 or self.step == last):
                    self._save(out)
        self.best.eval()
        return self.history

    def _one_step(self, batch: Batch) -> dict[str, float]:
        start, rate = time.perf_counter(), self.config.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch.image = batch.image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.half, enabled=self.amp):
            loss = self.loss(self.model, batch)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {float(loss.detach())} at step {self.step}; lower the learning rate (now {rate:.2g}) or "
                f"look at the pictures {', '.join(batch.name[:4])}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.config.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._average()
        self.step += 1
        return {"step": self.step, "loss": float(loss.detach()), "lr": rate, "seconds": time.perf_counter() - start}

    @torch.no_grad()
    def _average(self) -> None:
        if self.ema is None:
            return
        decay = min(self.config.ema or 0.0, (1 + self.step) / (10 + self.step))  # short memory while young
        for mean, now in zip(self.ema.state_dict().values(), self.model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    def _batches(self, last: int) -> Iterator[Batch]:
        while self.step < last:
            epoch, skip = divmod(self.step, self.order.per_epoch)
            set_epoch(self.train_set, epoch)
            batches = self.order.epoch(epoch, skip)[: last - self.step]
            for batch in DataLoader(
                self.train_set,
                batch_sampler=batches,
                collate_fn=collate,
                num_workers=self.config.workers,
                generator=torch.Generator(),  # DataLoader draws a base seed: not from the global generator
                pin_memory=self.device.type == "cuda",
            ):
                check_labels(batch.labels, self.num_classes, batch.name)
                yield batch.to(self.device)

    def _facts(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self.config).items() if k not in ("device", "workers", "save_every")}

    def _save(self, out: str | Path) -> None:
        facts = {"step": self.step, "history": self.history, "settings": self._facts()}
        facts["config"] = getattr(self.model, "config", None)
        save_checkpoint(out, self.model, self.optimizer, self.ema, self.scaler, **facts)

    def _resume(self, out: str | Path | None) -> None:
        if out is None:
            raise ValueError("fit(resume=True) needs out=…, the checkpoint to resume")
        before = read_checkpoint(out)[0].get("settings")
        if before != self._facts():
            changed = (
                {k: (before.get(k), v) for k, v in self._facts().items() if before.get(k) != v} if before else before
            )
            raise ValueError(
                f"{out} belongs to a run with other settings {changed} (before, now); resume with the same"
            )
        header = load_checkpoint(out, self.model, self.optimizer, self.ema, self.scaler)
        self.step, self.history = header["step"], header["history"]
