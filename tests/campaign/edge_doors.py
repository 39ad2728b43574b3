"""Doors of what part 15 stands on: networks of high resolution and of borders."""

from __future__ import annotations

import inspect
from typing import Any

from segkit import models
from tests.campaign.doors import Door
from tests.campaign.network_doors import SMALL, scores

DOORS: dict[str, Door] = {}
OPTIONS: dict[str, dict[str, Any]] = {
    "HRNet": {"base": 18, "width": 8}, "HRNetOCR": {"base": 18, "width": 8},
}  # fmt: skip
WRONG = {**SMALL, "base": (0, 64, 18.5)}
for name, own in OPTIONS.items():
    cls = getattr(models, name)
    takes = inspect.signature(cls.__init__).parameters
    DOORS[f"models.{name}"] = Door(
        cls, lambda r, own=own: {"num_classes": r.randint(1, 4), **own, "in_channels": r.choice((1, 3))}, scores,
        {key: values for key, values in WRONG.items() if key in takes},
    )  # fmt: skip
