"""One labelled picture, and a batch of them: the only thing a segkit data set ever hands out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from segkit.labels import whole_numbers

VOID = 255  # the label of pixels that neither train nor count, whatever the data set itself uses


@dataclass
class Sample:
    """A picture with its labels, and whatever else the data set knows about it; `image, labels = sample` unpacks it.

    Args:
        image: float32, 3×H×W, RGB in 0–1.
        labels: int64, H×W, class numbers 0…K−1 and 255 for void.
        instances: int64, H×W, 0 where there is no countable object, else an id that is unique in the picture.
        depth: float32, H×W, metres.
        next_image: float32, 3×H×W, the picture one time step later.
        flow: float32, 2×H×W, (dx, dy) in pixels from this picture to the next.
        name: where it comes from, for messages: a file name or "street/train/17".
    """

    image: Tensor
    labels: Tensor
    instances: Tensor | None = None
    depth: Tensor | None = None
    next_image: Tensor | None = None
    flow: Tensor | None = None
    name: str = ""

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.image, self.labels))


@dataclass
class Batch:
    """Samples stacked along a first dimension N; a field that any of them lacks is None; unpacks as a Sample does."""

    image: Tensor
    labels: Tensor
    instances: Tensor | None = None
    depth: Tensor | None = None
    next_image: Tensor | None = None
    flow: Tensor | None = None
    name: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.image, self.labels))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return self._each(lambda t: t.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, which a GPU copies faster; DataLoader(pin_memory=True) calls this."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {k: change(v) if isinstance(v, Tensor) else v for k, v in values.items()}
        return Batch(**changed)


def size_of(sample: Sample) -> tuple[int, int]:
    """Height and width of a sample: of its picture and of everything that is known about it, which must agree.

    Raises:
        TypeError: a part is no tensor, the picture not of floats, the labels not of whole numbers.
        ValueError: a part has another height or width than the picture, other channels, or no pixel.
    """
    name = sample.name or "the sample"
    kept = {field: part for field in _CHANNELS if (part := getattr(sample, field)) is not None}
    for field, part in kept.items():
        if not isinstance(part, Tensor):
            raise TypeError(f"{name} has {field} of type {type(part).__name__}; it needs a tensor: torch.from_numpy(…)")
        real, wanted = part.is_floating_point(), "floats" if field in _REAL else "whole numbers"
        if real != (field in _REAL) or part.is_complex() or part.dtype == torch.bool:
            raise TypeError(f"{name} has {field} of {part.dtype}; it needs {wanted} (pictures are floats in 0–1)")
    H, W = sample.image.shape[-2:] if sample.image.ndim == 3 else (0, 0)
    for field, part in kept.items():
        leading = _CHANNELS[field]
        if tuple(part.shape) != (*leading, H, W) or not H or not W:
            shape = "×".join([*map(str, leading), "H", "W"])
            raise ValueError(
                f"{name} has {field} of shape {tuple(part.shape)} for a picture of shape {tuple(sample.image.shape)}; "
                f"{field} is {shape}, the picture 3×H×W, with the same H and W, each at least 1"
            )
    return H, W


_CHANNELS: dict[str, tuple[int, ...]] = {
    "image": (3,), "labels": (), "instances": (), "depth": (), "next_image": (3,), "flow": (2,)
}  # fmt: skip
_REAL = ("image", "depth", "next_image", "flow")


def as_sample(item: Any) -> Sample:
    """A Sample from what a data set gives: a Sample, its labels as int64, or a pair (image, labels) of tensors.

    Args:
        item: of a pair, image 3×H×W as floats in 0–1 or as uint8, labels H×W or 1×H×W of whole numbers.

    Raises:
        TypeError: it is something else. ValueError: the shapes do not fit each other, or there is no pixel.
    """
    if isinstance(item, Sample):
        size_of(item)
        return item if item.labels.dtype == torch.int64 else replace(item, labels=whole_numbers(item.labels, "labels"))
    wanted = "segkit works on Samples or pairs (image 3×H×W, labels H×W of whole numbers)"
    if not (isinstance(item, (tuple, list)) and len(item) == 2 and all(isinstance(t, Tensor) for t in item)):
        what = (
            f"({', '.join(type(t).__name__ for t in item)})" if isinstance(item, (tuple, list)) else type(item).__name__
        )
        raise TypeError(f"the data set gives {what}; {wanted} of tensors: give it a transform that makes them")
    image, labels = item[0].as_subclass(Tensor), item[1].as_subclass(Tensor)
    labels = labels[0] if labels.ndim == 3 and labels.shape[0] == 1 else labels
    if (
        labels.is_floating_point()
        or labels.is_complex()
        or not (image.is_floating_point() or image.dtype == torch.uint8)
    ):
        raise TypeError(f"the data set gives images of {image.dtype} and labels of {labels.dtype}; {wanted}")
    if image.ndim != 3 or image.shape[0] != 3 or image.shape[1:] != labels.shape or not labels.numel():
        raise ValueError(f"the data set gives images {tuple(image.shape)} and labels {tuple(labels.shape)}; {wanted}")
    pixels = image.float() if image.is_floating_point() else image.float() / 255
    return Sample(pixels, whole_numbers(labels, "labels"))
