"""A recipe: all that decides how a network is trained, as data that can be named, printed, stored and compared.

`recipes.create("deeplab", steps=1000)` is a named one with a change; `Trainer(model, train_set, recipe)` follows it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Real
from typing import Any

from segkit.checks import pair, whole
from segkit.data.transforms import ColourJitter, Compose, Elastic, RandomCrop, RandomFlip, RandomScale, Transform


@dataclass(frozen=True)
class Recipe:
    """Settings of a run and their defaults.

    Args:
        steps: optimizer steps.
        batch_size: pictures per step, of all processes together; 16 gives BatchNorm enough of them.
        lr: peak learning rate; 3e-3 with AdamW suits the course-size networks with BatchNorm.
        weight_decay: the optimizer's.
        schedule: "onecycle" (a warm-up of 10 %, then a cosine to 0), "poly" ((1 − s/steps)^power, DeepLab's),
            "cosine" or "constant".
        seed: of the order of pictures, of augmentation, of dropout, and of nothing else: build the model under your
            own seed.
        amp: mixed precision; None means on a GPU only (bfloat16 where the card has it, else float16 with scaling).
        ema: decay of an averaged copy of the weights, such as 0.99; None for no copy. Evaluation uses it.
        clip: largest norm of the gradient; None for no limit.
        workers: processes that prepare pictures; 0 prepares them in this one.
        save_every: steps between checkpoints, where `fit` is given a place for them.
        device: "auto" takes a GPU if there is one.
        optimizer: "adamw", or "sgd" as in most of the papers.
        momentum, nesterov: SGD's.
        power: of "poly".
        warmup: steps in which the rate climbs before the schedule begins: of "onecycle" in place of its 10 %, of the
            others linearly from lr / (warmup + 1); None for the schedule's own.
        head_lr: how many times faster than the encoder all else learns; 10 in DeepLab.
        decay: "all", or "weights" to leave biases, BatchNorm and the slopes of PReLU out of the weight decay.
        norm: BatchNorm's part: "learn"; "fixed" keeps its statistics as they are, as for small batches; "frozen" also
            its scale and shift, as when the paper starts from ImageNet.
        accumulate: parts in which the pictures of a step are seen one after the other, so that 16 of 512×512 fit a
            small GPU. Each part counts by its labelled pixels (by their class weights), so cross-entropy, auxiliary
            outputs too, has the gradient of the whole batch. BatchNorm sees each part by itself, and "ohem" and "dice"
            choose and divide within it.
        losses: name → weight, of "cross_entropy", "ohem" (cross-entropy of the hard pixels) and "dice"; they are added.
        ohem_threshold, ohem_kept: as for `segkit.training.ohem_cross_entropy`.
        class_weights: "none", "median" or "log", counted on the training set, or one number per class.
        aux: name of an auxiliary output of the model → weight of its cross-entropy, such as {"aux": 0.4}; "presence"
            and "edge" have losses of their own.
        flip: chance that a picture is mirrored.
        scale: (smallest, largest) factor that pictures are scaled by.
        crop: (height, width) or one number: window to train on, in pixels; smaller pictures are filled up with void.
        jitter: (brightness, contrast, saturation, hue), as for `ColourJitter`; None for none.
        elastic: (alpha, sigma) in pixels, as for `Elastic`; None for none.
        name: what the recipe is called; it changes nothing.

    Raises:
        TypeError, ValueError: names the setting, what it got and what it takes.
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
    optimizer: str = "adamw"
    momentum: float = 0.9
    nesterov: bool = False
    power: float = 0.9
    warmup: int | None = None
    head_lr: float = 1.0
    decay: str = "all"
    norm: str = "learn"
    accumulate: int = 1
    losses: Mapping[str, float] = field(default_factory=lambda: {"cross_entropy": 1.0})
    ohem_threshold: float = 0.7
    ohem_kept: float = 1 / 16
    class_weights: str | Sequence[float] = "none"
    aux: Mapping[str, float] = field(default_factory=dict)
    flip: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    crop: tuple[int, int] | int | None = None
    jitter: tuple[float, float, float, float] | None = None
    elastic: tuple[float, float] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        optional = {"clip", *(f.name for f in fields(self) if f.default is None)}
        for name, (rule, asked) in _RULES.items():
            if (value := getattr(self, name)) is not None or name not in optional:
                object.__setattr__(self, name, rule(name, value, asked))
        if self.seed >= 2**32:
            raise ValueError(f"a recipe got seed={self.seed}; seed is a whole number below 2**32 = {2**32}")
        if (self.warmup or 0) >= self.steps:
            raise ValueError(
                f"a recipe got warmup={self.warmup} of {self.steps} steps; the warm-up must be shorter than that"
            )
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            raise ValueError("a recipe got nesterov=True; it needs optimizer='sgd' and a momentum above 0")
        self.augmentation()  # refuses wrong options now

    def rate(self, step: int) -> float:
        """Learning rate at a step, counted from 0; the head's is `head_lr` times that."""
        if self.schedule == "onecycle":
            s, warm = step / self.steps, 0.1 if self.warmup is None else self.warmup / self.steps
            return self.lr * (
                0.04 + 0.96 * s / warm if s < warm else 0.5 + 0.5 * math.cos(math.pi * (s - warm) / (1 - warm))
            )
        start = self.warmup or 0
        if step < start:
            return self.lr * (step + 1) / (start + 1)
        s = (step - start) / (self.steps - start)
        if self.schedule == "poly":
            return self.lr * (1 - s) ** self.power
        return self.lr * (0.5 + 0.5 * math.cos(math.pi * s)) if self.schedule == "cosine" else self.lr

    def augmentation(self) -> Compose | None:
        """The transform of the training pictures, jointly on picture and labels; None where there is none."""
        steps: list[Transform] = [RandomFlip(self.flip)] if self.flip else []
        if self.scale != (1.0, 1.0):
            steps.append(RandomScale(*self.scale))
        if self.elastic is not None:
            steps.append(Elastic(*self.elastic))
        if self.crop is not None:
            steps.append(RandomCrop(self.crop))
        if self.jitter is not None:
            steps.append(ColourJitter(*self.jitter))
        return Compose(steps) if steps else None

    def changed(self, **settings: Any) -> Recipe:
        """The recipe with other values for some settings; a ValueError names a setting that it does not have."""
        names = [f.name for f in fields(self)]
        for name in settings:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1, 0)[0]
                raise ValueError(f"a recipe has no {name!r}; did you mean {near!r}? It has {', '.join(names)}")
        return replace(self, **settings)

    def as_dict(self) -> dict[str, Any]:
        """All settings, JSON; `Recipe(**settings)` makes the recipe again."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def identity(self) -> dict[str, Any]:
        """The settings that decide which weights come out: all but name, workers, save_every and device."""
        return {k: v for k, v in self.as_dict().items() if k not in ("name", "workers", "save_every", "device")}

    def __str__(self) -> str:
        usual, always = Recipe(), ("steps", "batch_size", "optimizer", "lr", "schedule")
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        shown = [f"{k} {v}" for k, v in own.items() if k in always or v != getattr(usual, k)]
        return f"recipe {self.name or '(unnamed)'}: {', '.join(shown)}"


Config = Recipe  # the name in the first chapters


def _whole(name: str, value: Any, least: int) -> int:
    return whole(value, name, "a recipe", least)


def _number(name: str, value: Any, interval: str) -> float:
    low, high = map(float, interval[1:-1].split())
    above, below = interval[0] == "(", interval[-1] == ")"
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.nan
    if not low <= number <= high or (above and number == low) or (below and number == high):
        end = "" if high == math.inf else f" and {'below' if below else 'at most'} {high:g}"
        raise _wrong(name, value, f"a finite number {'above' if above else 'of at least'} {low:g}{end}")
    return number


def _numbers(name: str, value: Any, count: int) -> Any:
    if count == 0 and isinstance(value, str) and value in _SCHEMES:
        return value
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != (count or len(value)):
        raise _wrong(name, value, f"{count} numbers" if count else f"{', '.join(_SCHEMES)} or one number per class")
    return tuple(_number(name, number, "[0 inf)") for number in value)


def _shares(name: str, value: Any, known: tuple[str, ...]) -> dict[str, float]:
    words = isinstance(value, Mapping) and all(isinstance(key, str) and key for key in value)
    if not words or (known and not (value and set(value) <= set(known))):
        first, asked = (known or ("aux",))[0], ", ".join(known) or "auxiliary outputs"
        raise _wrong(name, value, f"weights by name, of {asked}, such as {{{first!r}: 0.4}}")
    return {key: _number(f"{name}[{key!r}]", weight, "(0 inf)") for key, weight in value.items()}


def _word(name: str, value: Any, words: tuple[Any, ...]) -> Any:
    if type(value) is not type(words[0]) or value not in words:
        raise _wrong(name, value, " or ".join(map(repr, words)))
    return value


def _wrong(name: str, value: Any, asked: str) -> ValueError:
    return ValueError(f"a recipe got {name}={value!r}; it takes {asked}")


_SCHEMES = ("none", "median", "log")
_RULES: dict[str, tuple[Callable[..., Any], Any]] = {  # check, and its interval, least value, count or words
    **dict.fromkeys(("steps", "batch_size", "save_every", "accumulate"), (_whole, 1)),
    **dict.fromkeys(("seed", "workers", "warmup"), (_whole, 0)),
    **dict.fromkeys(("lr", "power", "head_lr", "clip"), (_number, "(0 inf)")),
    **dict.fromkeys(("ohem_threshold", "ohem_kept", "flip"), (_number, "[0 1]")),
    "weight_decay": (_number, "[0 inf)"), "momentum": (_number, "[0 1)"), "ema": (_number, "(0 1)"),
    "scale": (_numbers, 2), "jitter": (_numbers, 4), "elastic": (_numbers, 2), "class_weights": (_numbers, 0),
    "crop": (lambda name, value, least: pair(value, name, "a recipe", least), 1),
    "losses": (_shares, ("cross_entropy", "ohem", "dice")), "aux": (_shares, ()),
    "optimizer": (_word, ("adamw", "sgd")), "schedule": (_word, ("onecycle", "poly", "cosine", "constant")),
    "decay": (_word, ("all", "weights")), "norm": (_word, ("learn", "fixed", "frozen")),
    "amp": (_word, (True, False)), "nesterov": (_word, (True, False)),
}  # fmt: skip
