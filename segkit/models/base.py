"""What every model promises: one forward for the logits and all else, and a configuration that is kept."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from torch import Tensor, nn

from segkit.checks import chosen
from segkit.encoders.encoder import Encoder, check_type, picture_size
from segkit.encoders.weights import load_exactly
from segkit.layers.blocks import check_statistics
from segkit.layers.borders import cut
from segkit.memory import weighed
from segkit.typed import typed

_MODELS: dict[str, tuple[type[Model], dict[str, Any]]] = {}  # name → class, and the options that the name decides
TASKS = ("segmentation", "classification")
WRAPPERS = {"DataParallel", "DistributedDataParallel", "FullyShardedDataParallel", "AveragedModel"}  # of torch
M = TypeVar("M", bound="type[Model]")


def register(name: str, **fixed: Any) -> Callable[[M], M]:
    """Give a class of models a name for `create`, `load` and the command line.

    Args:
        name: such as "fcn8s".
        **fixed: options that the name decides, such as stride=8.

    Raises:
        ValueError: no name.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"register got name={name!r}; give the model a name, such as 'fcn8s'")

    def enter(cls: M) -> M:
        _MODELS[name] = cls, fixed
        return cls

    return enter


class Model(nn.Module):
    """A network from pictures to class scores; a subclass says how in `compute`.

    Most give scores for each pixel; where a subclass says task = "classification", for each picture.

    `model(x)` is the logits tensor, in training and in evaluation. `model(x, outputs=True)` is a dict with "logits" and
    whatever else the model knows, by name, from the same forward pass: hooks, DistributedDataParallel, torch.compile
    and export see both alike.

    Attributes:
        task: "segmentation" or "classification".
        num_classes: K, void not counted.
        in_channels: of the picture.
        config: how it was made, JSON only: its registered name (None where its class has none), num_classes, and the
            options that were given.
        tile_stride: pixels from one cell of the coarsest map to the next, in a model whose encoder's strides do not say
            it: the encoder of ICNet reads a smaller picture.

    Shape:
        N×in_channels×H×W → N×K×H×W, any H, W ≥ 1; N×K from a classifier.

    Raises:
        ValueError: another shape; in training mode with BatchNorm, one picture so small that a map before one has one
            cell. TypeError: no tensor, or not of the weights' floating-point type.
    """

    task: ClassVar[str] = "segmentation"
    num_classes: int
    in_channels: int
    config: dict[str, Any]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "__init__" in vars(cls):
            cls.__init__ = weighed(typed(cls.__init__))  # type: ignore[method-assign]  # each option against its annotation

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        model = super().__new__(cls)
        vars(model)["config"] = _configuration(cls, arguments, options)
        return model

    def forward(self, x: Tensor, outputs: bool = False) -> Any:
        H, W = picture_size(x, type(self).__name__, self.in_channels)
        check_type(x, self)
        if self.training:
            self._check_statistics(x.shape[0], H, W)
        found = self.compute(x)
        if self.task == "segmentation":
            found["logits"] = cut(found["logits"], H, W)  # N, K, H, W
        return found if outputs else found["logits"]

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        """Everything the model knows, by name, "logits" first; `forward` cuts these to the picture.

        Shape:
            N×in_channels×H×W → "logits" N×K×(H or more)×(W or more), or N×K from a classifier, and what the model's own
            docstring names.
        """
        raise NotImplementedError

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """The same as `model(x, outputs=True)`."""
        return self(x, outputs=True)

    def _check_statistics(self, pictures: int, height: int, width: int) -> None:
        """Refuse to train BatchNorm on a single cell."""
        for stride, part, name in self._coarsest():
            if pictures * -(-height // stride) * -(-width // stride) == 1:
                for layer in part.modules():
                    check_statistics(layer, 1, f"{type(self).__name__}'s {name}, at {height}×{width} pixels,")

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        """The coarsest stride that a BatchNorm sees, in which part, and what to call that; by default the encoder."""
        encoder = getattr(self, "encoder", None)
        if not isinstance(encoder, Encoder):
            return []
        if encoder.normalised:
            return [(getattr(self, "tile_stride", encoder.output_stride), encoder, "encoder")]
        return [(stride, encoder, "encoder") for stride in encoder.strides[-2:-1]]  # before the last pooling

    def foundation(self) -> str | None:
        """Name of the torchvision classifier whose ImageNet weights `load_torchvision` can take; None if none fits."""
        encoder = getattr(self, "encoder", None)
        return (encoder.torchvision or None) if isinstance(encoder, Encoder) else None

    def at_output_stride(self, output_stride: int) -> Self:
        """A copy with the same weights at another output stride, all rates following: what DeepLab v3 tests at 8.

        Args:
            output_stride: as the model's own option of that name.

        Returns:
            The copy, in the same mode and on the same device; its configuration says what it is now. In evaluation
            mode the finer of the two last maps of the encoder holds the coarser one, response for response.

        Raises:
            ValueError: the model has no such option or does not take this value, or its weights are of another shape
                there (DUC, whose head makes output_stride² scores a cell).
        """
        who, taken = type(self).__name__, list(inspect.signature(type(self).__init__).parameters)
        if "output_stride" not in taken:
            raise ValueError(f"{who} has no option output_stride to change; it takes {', '.join(taken[2:])}")
        return self.with_options(output_stride=output_stride)

    def with_options(self, **options: Any) -> Self:
        """A copy with the same weights and other options, which must leave every weight's shape as it is."""
        made = {**self.config, **options}
        name, here = made.pop("name"), next(self.parameters())
        twin = create(name, **made) if name else type(self)(**made)
        load_exactly(twin.to(here.device, here.dtype), self.state_dict())
        for ours, theirs in zip(twin.modules(), self.modules(), strict=True):
            ours.training = theirs.training
        for p, own in zip(twin.parameters(), self.parameters(), strict=True):
            p.requires_grad_(own.requires_grad)
        return twin  # type: ignore[return-value]


def available(task: str | None = "segmentation") -> list[str]:
    """Names that `create` knows.

    Args:
        task: "segmentation": models that give scores for each pixel; "classification": for each picture; None: all.

    Raises:
        ValueError: another task.
    """
    if task is not None:
        chosen(task, "task", "available", TASKS)
    return sorted(name for name, (cls, _) in _MODELS.items() if task in (None, cls.task))


def options(name: str) -> dict[str, Any]:
    """The options that a model takes besides num_classes, with their defaults."""
    if not isinstance(name, str) or name not in _MODELS:
        raise ValueError(f"there is no model {name!r}; segkit.models.available() gives {', '.join(available(None))}")
    cls, fixed = _MODELS[name]
    taken = {"self", "num_classes", *fixed}
    return {p.name: p.default for p in inspect.signature(cls.__init__).parameters.values() if p.name not in taken}


def create(name: str, num_classes: int, **choices: Any) -> Model:
    """Build a model by name.

    Args:
        name: one of `available(None)`.
        num_classes: number of classes, void not counted.
        **choices: the model's own options (`options(name)`), `width` among them: 64 is the paper's size. `depth`, the
            old option for the depth of the encoder, still works.

    Shape:
        of the model: N×in_channels×H×W → N×num_classes×H×W, or N×num_classes from a classifier.

    Raises:
        ValueError: an unknown name, or an option that this model does not take.
    """
    known = options(name)
    if "depth" in choices and isinstance(known.get("encoder"), str) and "encoder" not in choices:
        choices["encoder"] = f"{known['encoder'].rstrip('0123456789')}{choices.pop('depth')}"
    unknown = sorted(set(choices) - set(known))
    if unknown:
        raise ValueError(f"{name} takes no option {', '.join(unknown)}; it takes {', '.join(known)}")
    cls, fixed = _MODELS[name]
    return cls(num_classes=num_classes, **fixed, **choices)


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside the wrapping of torch.compile, DistributedDataParallel or AveragedModel; or the model itself.

    Only torch's own wrappers are looked into. A network of yours that keeps a part of itself under the name `module`
    stays whole.
    """
    while not isinstance(model, Model):
        compiled, wraps = getattr(model, "_orig_mod", None), {c.__name__ for c in type(model).__mro__} & WRAPPERS
        inner = getattr(model, "module", None) if compiled is None and wraps else compiled
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model


def _configuration(cls: type[Model], arguments: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Name and options, from what the class was called with; empty where the call does not fit (and then fails)."""
    try:
        bound = inspect.signature(cls.__init__).bind(None, *arguments, **options)
    except TypeError:
        return {}
    given = {key: _plain(value) for key, value in list(bound.arguments.items())[1:] if key != "num_classes"}
    num_classes = _plain(bound.arguments.get("num_classes"))
    bound.apply_defaults()
    fitting = [
        (name, fixed)
        for name, (its_class, fixed) in _MODELS.items()
        if its_class is cls and all(bound.arguments[key] == value for key, value in fixed.items())
    ]
    name, fixed = max(fitting, key=lambda entry: len(entry[1]), default=(None, {}))
    return {"name": name, "num_classes": num_classes, **{k: v for k, v in given.items() if k not in fixed}}


def _plain(value: Any) -> Any:
    """The value as JSON has it: numpy's numbers as Python's, tuples as lists."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return copy.deepcopy(value)
