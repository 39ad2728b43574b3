"""Who is not heard: places that a mask of −∞ closes before a softmax, followed to the product behind it.

A mask that does not come from the picture is known while fields are carried, and what it closes is not read. It is
remembered on the tensor that it was added to, as L×S: which speakers (columns) no listener (row) of any batch hears.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from segkit.analysis import fields
from segkit.analysis.carry import reduced
from segkit.analysis.fields import Bounds, Field

SAME_PLACES = {"aten::expand", "aten::view", "aten::unsqueeze", "aten::squeeze", "aten::alias", "aten::detach"}


def silent(t: Tensor) -> Tensor | None:
    """Places of the last two dimensions that are closed, L×S; None where none is, or where it is not known."""
    found = vars(t).get("_segkit_silent")
    origin = vars(t).get("_segkit_view")
    if found is not None or origin is None:
        return found
    call, _ = origin
    base = call.args[0]
    same = call.func._schema.name in SAME_PLACES and base.shape[-2:] == t.shape[-2:]
    return silent(base) if same else None


def closed_by(mask: Any, shape: torch.Size) -> Tensor | None:
    """What a mask of numbers closes, in all of the batch."""
    if not isinstance(mask, Tensor) or isinstance(mask, FakeTensor) or mask.is_meta or mask.shape[-2:] != shape[-2:]:
        return None
    closed = mask == -torch.inf
    closed = closed.flatten(0, -3).all(0) if closed.ndim > 2 else closed  # L, S
    return closed if closed.ndim == 2 and bool(closed.any()) else None


def remember(out: Any, closed: Tensor | None) -> None:
    """From here on `out` is known to be closed there, besides where it was."""
    if isinstance(out, Tensor) and closed is not None:
        before = silent(out)
        out._segkit_silent = closed if before is None else before | closed  # type: ignore[attr-defined]


def rows_heard(scores: Field, closed: Tensor) -> Field:
    """Each row of the scores sees those of its places that are open: …×L×1."""
    bounds: Bounds = tuple(
        fields.packed(b.masked_fill(closed, fields.NOTHING).amax(-1, keepdim=True)) for b in scores.bounds
    )
    return Field(bounds, None)


def values_heard(values: Field, closed: Tensor) -> Field:
    """Each listener sees the speakers that it hears: …×S×D → …×L×1 (what one channel sees, all may)."""
    told = reduced(values, [-1], True)
    bounds: Bounds = tuple(
        fields.packed(b.mT.expand(*b.shape[:-2], *closed.shape).masked_fill(closed, fields.NOTHING).amax(-1, True))
        for b in told.bounds
    )
    return Field(bounds, None)
