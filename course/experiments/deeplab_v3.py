"""Chapter 09's experiments.

python course/experiments/deeplab_v3.py image_pooling  at small and large rates  → results/image_pooling.json
"""

from __future__ import annotations

import argparse
from typing import Any

from library import Experiment, ahead, main
from pyramid_networks import build
from pyramids import LIT, heads, score, sized


def image_pooling(o: argparse.Namespace) -> Experiment:
    """v3's head at rates that fit the map of 12×16 cells and at rates that leave it, with image pooling or without."""
    options: dict[str, dict[str, Any]] = {}
    for rates in ([2, 4, 6], [12, 18, 24]):
        name = "rates " + " ".join(map(str, rates))
        options[name] = {"rates": rates, "image_pooling": False}
        options[f"{name}, pooling"] = {"rates": rates, "image_pooling": True}
    small, _, large, repaired = options
    claims = [
        ahead("09", "mean_iou", repaired, large, 0.02),
        ahead("09", "mean_iou", small, large, 0.03),
        ahead("09", "mean_iou", small, repaired, 0.03),  # pooling repairs a part only
    ]
    return sized(Experiment("image_pooling", heads("patch", "v3", LIT, options), score, build, claims=claims))


if __name__ == "__main__":
    main(__doc__, {"image_pooling": image_pooling})
