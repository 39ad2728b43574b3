"""One labelled picture, and a batch of them: the only thing a segkit data set ever hands out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

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


def as_sample(item: Any) -> Sample:
    """A Sample from what a data set gives: a Sample as it is, or a pair (image, labels) of tensors.

    Args:
        item: of a pair, image 3×H×W as floats in 0–1 or as uint8, labels H×W or 1×H×W of whole numbers.

    Raises:
        TypeError: it is something else. ValueError: the shapes do not fit each other.
    """
    if isinstance(item, Sample):
        return item
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
    if image.ndim != 3 or image.shape[0] != 3 or image.shape[1:] != labels.shape:
        raise ValueError(f"the data set gives images {tuple(image.shape)} and labels {tuple(labels.shape)}; {wanted}")
    return Sample(image.float() if image.is_floating_point() else image.float() / 255, labels.long())
