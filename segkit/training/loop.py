"""The training loop: one `Recipe`, one `Trainer`, and a run that can be stopped at any step and resumed.

Step s of a run is a function of (recipe, s) and the state in the checkpoint: the order of the pictures comes from
(seed, epoch), their augmentation from (seed, epoch, index), the learning rate from s. No iterator holds state.
Where torchrun has started several processes, each sees its part of a batch, and the step is that of the whole batch.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from segkit.checks import whole
from segkit.data import VOID, Augmented, Batch, collate, describe
from segkit.data.base import set_epoch, warn_of_void
from segkit.engine import engine
from segkit.files import check_room
from segkit.models import unwrapped
from segkit.models.modes import modes_back_on_error
from segkit.training import processes
from segkit.training.checkpoint import load_checkpoint, read_run, save_checkpoint, state_bytes, tensor_bytes
from segkit.training.class_balance import training_weights
from segkit.training.device import pick_device
from segkit.training.identity import differences, fingerprint
from segkit.training.interrupts import interrupts_wait
from segkit.training.losses import check_labels
from segkit.training.objective import objective
from segkit.training.optimizer import frozen_modules, make_optimizer
from segkit.training.order import Order, in_parts
from segkit.training.recipe import Config as Config
from segkit.training.recipe import Recipe
from segkit.training.sizes import check_sizes, one_value
from segkit.training.strategy import agree, check_strategy, draw_for, full, local, quiet_until_last, shard, share
from segkit.typed import typed


class Trainer:
    """Trains one model on one data set.

    Args:
        model: gives logits N×K×H×W; with auxiliary weights in the recipe it is called with outputs=True.
        train_set: one that `segkit.data.describe` understands; pictures of one size after the recipe's augmentation,
            which comes on top of the set's own. Each `Augmented` in it is told the epoch.
        recipe: the settings.
        weight: K class weights for the loss, in place of the recipe's `class_weights`.
        loss: callable (model, batch) → scalar, in place of the recipe's losses.
        facts: what else a checkpoint must have been made with to be resumed, JSON.
        strategy: of several processes: "ddp", each has the whole network; "fsdp", each has a piece of its weights and
            of the optimizer's state. The files are the same.

    Attributes:
        told: what else its checkpoints say, JSON; a run that is resumed goes on saying what it said.
    """

    @typed
    def __init__(
        self, model: nn.Module, train_set: Any, recipe: Recipe, weight: Tensor | None = None,
        loss: Callable[[nn.Module, Batch], Tensor] | None = None, facts: dict[str, Any] | None = None,
        strategy: str = "ddp",
    ) -> None:  # fmt: skip
        describe(train_set)  # refuses what is no data set
        check_strategy(strategy)
        if len(train_set) == 0:
            raise ValueError("there is nothing to train on: the data set has length 0")
        if loss is not None and (recipe.aux or recipe.losses != Recipe().losses or recipe.class_weights != "none"):
            raise ValueError("loss=… takes the place of the recipe's losses, class_weights and aux; leave out one")
        self.device = pick_device(recipe.device)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.inner = unwrapped(self.model)  # what is stored and averaged, whatever compiles or distributes it
        self.recipe, self.data = recipe, describe(train_set)
        self.facts = {**(facts or {}), "loss": "the recipe's" if loss is None else "one of its own"}
        self.told: dict[str, Any] = {}
        if (scores := getattr(self.inner, "num_classes", self.data.num_classes)) != self.data.num_classes:
            raise ValueError(
                f"the model has {scores} classes, {self.data.name} has {self.data.num_classes}: "
                f"{', '.join(self.data.classes)}; make the model with num_classes={self.data.num_classes}"
            )
        self.order = Order(len(train_set), recipe.batch_size, recipe.seed)
        check_sizes(train_set, recipe, self.inner, len(self._mine(list(range(self.order.batch)))))
        augmentation = recipe.augmentation()
        self.train_set: Any = Augmented(train_set, augmentation, recipe.seed) if augmentation else train_set
        self.weight = training_weights(train_set, recipe, weight, self.device)
        self.loss = loss or objective(recipe, self.weight)
        self.asleep = frozen_modules(self.model, recipe)  # stay in evaluation mode
        if processes.count() > 1:
            self._agree()
        self.ema = copy.deepcopy(self.inner).requires_grad_(False) if recipe.ema else None
        self.shared, self.gathered = self._shared(strategy)
        self.optimizer, self.scales = make_optimizer(self.inner, recipe)
        on_gpu = self.device.type == "cuda"
        self.amp = on_gpu if recipe.amp is None else recipe.amp
        self.half = torch.bfloat16 if not on_gpu or torch.cuda.is_bf16_supported() else torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp and self.half == torch.float16)
        self.step, self.history = 0, []  # type: tuple[int, list[dict[str, float]]]

    def _agree(self) -> None:
        """The same run in every process, or an error in each before it begins."""
        processes.same(self._facts())
        agree(self.model)

    def _shared(self, strategy: str) -> tuple[nn.Module | None, nn.Module | None]:
        """The network and its loss among several processes; and where each has a piece, a place for the whole."""
        if processes.count() == 1:
            return None, None
        if strategy == "ddp":
            return share(self.model, lambda model, batch: self.loss(model, batch)), None
        gathered = copy.deepcopy(self.inner).requires_grad_(False).cpu()
        networks = [self.inner, *([] if self.ema is None else [self.ema])]
        return shard(self.model, lambda model, batch: self.loss(model, batch), *networks), gathered

    def _mine(self, batch: list[int]) -> list[int]:
        return self.order.shared(self.recipe.accumulate, processes.rank(), processes.count(), batch)

    @property
    def best(self) -> nn.Module:
        """The model to use: the averaged one where there is one. With "fsdp" all must ask, and it is put together."""
        found = self.model if self.ema is None else self.ema
        if self.gathered is None:
            return found
        self.gathered.load_state_dict({k: full(v) for k, v in unwrapped(found).state_dict().items()})
        return self.gathered

    def fit(
        self, out: str | Path | None = None, resume: bool = False, until: int | None = None, quiet: bool = False
    ) -> list[dict[str, float]]:
        """Train to the last step.

        Args:
            out: file for checkpoints, written every `save_every` steps, at the end, and on Ctrl-C or SIGTERM, which
                then wait for the end of the step (a second one does not).
            resume: take up the run in `out` where it stopped.
            until: stop after this step all the same (the schedule still runs to `steps`).
            quiet: no progress bar.

        Returns:
            the history: one dict a step with step, loss, lr, seconds. The network to use (`best`) is in evaluation
            mode then; where an error or Ctrl-C ends the run, each module has the mode that it had before.
        """
        last = self.recipe.steps if until is None else min(self.recipe.steps, whole(until, "until", "fit", 1))
        if out is not None:
            self._facts()  # looks at the pictures, now that no epoch has begun
        if resume:
            self.resume(out)
        elif self.step == 0:
            torch.manual_seed(self.recipe.seed)
        with processes.failing_together():
            if out is not None and self.step < last and processes.rank() == 0:
                check_room(out, 2 * self.bytes_kept()[0], f"checkpoints in {out}")
        processes.same({"step": self.step, "last step": last})
        silent = quiet or processes.rank() > 0
        bar = tqdm(total=self.recipe.steps, initial=self.step, desc="train", unit="step", disable=silent)
        with bar, modes_back_on_error(self.model), interrupts_wait(out is not None) as interrupts:
            self.model.train()
            for batch in self._batches(last):
                self.history.append(self._one_step(batch))
                bar.set_postfix(loss=f"{self.history[-1]['loss']:.3f}", refresh=False)
                bar.update()
                stop = processes.any_of_us(bool(interrupts))
                if out is not None and (self.step % self.recipe.save_every == 0 or self.step == last or stop):
                    self._save(out)
                if stop:
                    processes.wait()  # for the file
                    raise KeyboardInterrupt
        self.best.eval()
        return self.history

    def _one_step(self, batch: Batch) -> dict[str, float]:
        start, rate = time.perf_counter(), self.recipe.rate(self.step)
        for group, scale in zip(self.optimizer.param_groups, self.scales, strict=True):
            group["lr"] = rate * scale
        for module in self.asleep:
            module.eval()
        self.optimizer.zero_grad(set_to_none=True)
        batch.image = batch.image.contiguous(memory_format=torch.channels_last)
        draw_for(self.recipe.seed, self.step)
        parts = list(in_parts(batch, self.recipe.accumulate, self.weight))
        loss = torch.as_tensor(sum(self._backward(*part, part is parts[-1], rate) for part in parts))
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._average()
        self.step += 1
        return {
            "step": self.step,
            "loss": float(processes.total(loss)),
            "lr": rate,
            "seconds": time.perf_counter() - start,
        }

    def _backward(self, part: Batch, share: Tensor | float, last: bool, rate: float) -> Tensor:
        with quiet_until_last(self.shared, last):
            loss = self._loss(part, share, rate)
            self.scaler.scale(loss * processes.count()).backward()  # of several processes' gradients comes the mean
        return loss.detach()

    def _loss(self, part: Batch, share: Tensor | float, rate: float) -> Tensor:
        try:
            with torch.autocast(self.device.type, self.half, enabled=self.amp):
                loss = (self.loss(self.model, part) if self.shared is None else self.shared(part)) * share
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise one_value(part.labels.shape[1:], pictures=len(part.labels)) from None
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {float(loss.detach())} at step {self.step}; lower the learning rate (now {rate:.2g}) or "
                f"look at the pictures {', '.join(part.name[:4])}"
            )
        return loss

    @torch.no_grad()
    def _average(self) -> None:
        if self.ema is None:
            return
        decay = min(self.recipe.ema or 0.0, (1 + self.step) / (10 + self.step))  # a shorter memory at first
        for mean, now in zip(self.ema.state_dict().values(), self.inner.state_dict().values(), strict=True):
            if mean.is_floating_point():
                local(mean).lerp_(local(now), 1 - decay)
            else:
                mean.copy_(now)

    def _batches(self, last: int) -> Iterator[Batch]:
        while self.step < last:
            epoch, skip = divmod(self.step, self.order.per_epoch)
            set_epoch(self.train_set, epoch)
            ones, voids = 0, 0
            batches = [self._mine(batch) for batch in self.order.epoch(epoch, skip)[: last - self.step]]
            for batch in DataLoader(
                self.train_set,
                batch_sampler=batches,
                collate_fn=collate,
                num_workers=self.recipe.workers,
                generator=torch.Generator(),  # DataLoader draws a base seed: not from the global generator
                pin_memory=self.device.type == "cuda",
            ):
                batch.labels = check_labels(batch.labels, self.data.num_classes, batch.name)
                ones, voids = ones + int((batch.labels == 1).sum()), voids + int((batch.labels == VOID).sum())
                yield batch.to(self.device)
            if epoch == 0:
                warn_of_void(self.data, ones, voids)

    def _facts(self) -> dict[str, Any]:
        """What decides the weights that come out; a checkpoint with other facts is another run's."""
        size = sum(p.numel() for p in self.inner.parameters())
        data = {"name": self.data.name, "classes": self.data.classes, "length": len(self.train_set)}
        data["pictures and labels"] = self._fingerprint
        return {
            "recipe": self.recipe.identity(), "model": getattr(self.inner, "config", None) or {"parameters": size},
            "data": data, "engine": engine().__name__,
            "class weights": None if self.weight is None else self.weight.cpu().tolist(), **self.facts,
        }  # fmt: skip

    @functools.cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.train_set)

    def bytes_kept(self) -> tuple[int, int]:
        """About how long its checkpoint and its file of weights will be at the end."""
        weights = tensor_bytes(self.inner)
        averaged = 0 if self.ema is None else weights
        return weights + averaged + state_bytes(self.optimizer) + 160 * self.recipe.steps, weights

    def _save(self, out: str | Path) -> None:
        facts = {**self.told, "step": self.step, "history": self.history, "run": self._facts()}
        save_checkpoint(out, self.inner, self.optimizer, self.ema, self.scaler, **facts)

    def resume(self, out: str | Path | None) -> None:
        """Take up the run in a checkpoint, which must be one of the same model, data and recipe.

        Raises:
            FileNotFoundError, ValueError: no checkpoint, or one of another run, with each difference; nothing changes.
        """
        if out is None:
            raise ValueError("fit(resume=True) needs out=…, the checkpoint to resume")
        changed = differences(read_run(out), self._facts())
        if changed:
            raise ValueError(
                f"{out} belongs to a run with other settings: {', '.join(changed)} (before → now); resume with the "
                "same, or start a new run elsewhere"
            )
        header = load_checkpoint(out, self.inner, self.optimizer, self.ema, self.scaler)
        self.step, self.history = header["step"], header["history"]
        self.told = {key: header.get(key, value) for key, value in self.told.items()}
