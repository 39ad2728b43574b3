"""One labelled picture, and a batch of them: the only thing a segkit data set ever hands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

VOID = 255  # the label of pixels that neither train nor count, whatever the data set itself uses


@dataclass
class Sample:
    """A picture with its labels, and whatever else the data set knows about it.

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


@dataclass
class Batch:
    """Samples stacked along a first dimension N; a field that any of them lacks is None."""

    image: Tensor
    labels: Tensor
    instances: Tensor | None = None
    depth: Tensor | None = None
    next_image: Tensor | None = None
    flow: Tensor | None = None
    name: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in moved.items()}
        return Batch(**moved)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size into a Batch; for DataLoader(collate_fn=collate).

    Raises:
        ValueError: the list is empty, or the pictures differ in size.
    """
    if not samples:
        raise ValueError("collate got an empty list; it needs at least one Sample")
    sizes = {tuple(s.image.shape[-2:]) for s in samples}
    if len(sizes) > 1:
        raise ValueError(
            f"collate got pictures of different sizes (H, W): {sorted(sizes)}; crop or resize them to one size first, "
            "or use batch_size=1"
        )
    stacked: dict[str, Any] = {}
    for field in fields(Sample):
        if field.name == "name":
            continue
        values = [getattr(s, field.name) for s in samples]
        stacked[field.name] = None if any(v is None for v in values) else torch.stack(values)
    return Batch(name=tuple(s.name for s in samples), **stacked)
