"""From Samples to a Batch, for torch's own DataLoader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch.utils.data._utils.collate import default_collate_fn_map

from segkit.data.sample import Batch, Sample, as_sample
from segkit.data.transforms import MEAN_COLOUR, window
from segkit.typed import typed


@typed
def collate(samples: Sequence[Any], pad: bool = False) -> Batch:
    """Stack samples of one size into a Batch; a DataLoader does so by itself.

    Args:
        samples: Samples, or pairs (image, labels) as torchvision's data sets give them, see `as_sample`.
        pad: widen smaller pictures to the right and below: mean colour in the picture, void in the labels, else 0.

    Raises:
        ValueError: the list is empty, or the pictures differ in size and `pad` is off.
    """
    if not samples:
        raise ValueError("collate got an empty list; it needs at least one Sample")
    samples = [as_sample(s) for s in samples]
    sizes = {tuple(s.image.shape[-2:]) for s in samples}
    if len(sizes) > 1:
        if not pad:
            raise ValueError(
                f"collate got pictures of different sizes (H, W): {sorted(sizes)}; crop or resize them to one size "
                "first (RandomCrop, Resize), use batch_size=1, or pad them: "
                "DataLoader(…, collate_fn=functools.partial(collate, pad=True))"
            )
        size = max(h for h, _ in sizes), max(w for _, w in sizes)
        samples = [window(s, 0, 0, size, MEAN_COLOUR) for s in samples]
    stacked: dict[str, Any] = {}
    for field in fields(Sample):
        if field.name == "name":
            continue
        values = [getattr(s, field.name) for s in samples]
        stacked[field.name] = None if any(v is None for v in values) else torch.stack(values)
    return Batch(name=tuple(s.name for s in samples), **stacked)


def _collate_alone(samples: Sequence[Any], *, collate_fn_map: Any = None) -> Batch:
    return collate(samples)


default_collate_fn_map[Sample] = _collate_alone  # the hook that default_collate documents for custom types
