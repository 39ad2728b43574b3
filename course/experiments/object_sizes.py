"""Is a method good at large things, or at small ones? A class's IoU, taken apart by the size of its instances."""

from __future__ import annotations

from typing import Any

import torch
from pictures import Rendered
from torch import nn

CLASSES = ("bus", "car", "pedestrian")
SIZES = ("small", "medium", "large")


@torch.no_grad()
def by_size(model: nn.Module, test: Rendered) -> dict[str, Any]:
    """The IoU of each third of a class's instances, and its mean over bus, car and pedestrian.

    The instances of a class, as far as they can be seen, are sorted by their pixels and split into thirds. A third has
    its own hits; a pixel that is wrongly given the class belongs to no instance, so the class's false pixels are shared
    out in proportion to the thirds' pixels. With n_t pixels in a third, h_t of them hit, n and f (false) in the class:

        IoU_t = h_t / (n_t + f·n_t/n) = recall_t / (1 + f/n),    and the class's IoU is Σ n_t/n · IoU_t.

    So a network that paints much of the street as bus pays for it at every size.

    Returns:
        "bus_small_iou" … "pedestrian_large_iou", and "small_iou", "medium_iou", "large_iou".
    """
    pixels, hits, false = ([[] for _ in CLASSES], [[] for _ in CLASSES], [0 for _ in CLASSES])  # type: ignore[var-annotated]
    for sample in test.samples:
        guess = model(sample.image[None]).argmax(1)[0]
        for i, name in enumerate(CLASSES):
            k = test.classes.index(name)
            truth, said = sample.labels == k, guess == k
            ids = sample.instances[truth]
            pixels[i] += [n for n in torch.bincount(ids).tolist() if n]
            right = torch.bincount(ids[said[truth]], minlength=int(ids.max()) + 1) if len(ids) else ids
            hits[i] += right[ids.unique()].tolist()
            false[i] += int((said & ~truth).sum())
    found: dict[str, float] = {}
    for name, n, h, f in zip(CLASSES, pixels, hits, false, strict=True):
        order = sorted(range(len(n)), key=n.__getitem__)
        for t, size in enumerate(SIZES):
            third = order[t * len(n) // 3 : (t + 1) * len(n) // 3]
            recall = sum(h[j] for j in third) / max(1, sum(n[j] for j in third))
            found[f"{name}_{size}_iou"] = recall / (1 + f / max(1, sum(n)))
    means = {f"{s}_iou": sum(found[f"{name}_{s}_iou"] for name in CLASSES) / len(CLASSES) for s in SIZES}
    return {**means, **found}
