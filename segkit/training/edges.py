"""Where one class ends and another begins: a loss on a network's idea of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.data import VOID
from segkit.metrics.boundary import near_other_class
from segkit.training.losses import check_labels
from segkit.typed import typed


@typed
def edge_loss(scores: Tensor, target: Tensor, distance: int = 1, ignore_index: int = VOID) -> Tensor:
    """Is another class within reach of this pixel? Binary cross-entropy, in which both answers weigh alike.

    Edges are few: without weights the best policy for a network is never to see one. Here each pixel weighs as much as
    the share of the other answer.

    Args:
        scores: before the sigmoid.
        target: labels as for `cross_entropy`; void pixels do not count, and are no other class.
        distance: how far an edge reaches to both sides, in pixels.
        ignore_index: the void label.

    Shape:
        scores N×1×H×W, target N×H×W → scalar; 0 where there is no pixel, or only one answer.

    Raises:
        TypeError: scores that are no floating-point numbers, labels that are no whole numbers. ValueError: shapes that
            do not belong together.

    Source:
        Li et al., ECCV 2020 (arXiv 2007.10035), section 3.4, whose code weighs the answers so, and the sum 20 times.
    """
    if not scores.is_floating_point():
        raise TypeError(f"edge_loss got scores of {scores.dtype}; they are floating-point, and labels come second")
    if scores.ndim != 4 or scores.shape[1] != 1 or target.shape != (scores.shape[0], *scores.shape[2:]):
        raise ValueError(f"edge_loss got scores {tuple(scores.shape)} and labels {tuple(target.shape)}; they must be "
                         "N×1×H×W and N×H×W of the same N, H, W")  # fmt: skip
    target = check_labels(target, 255, ignore_index=ignore_index)
    edge, known = near_other_class(target, distance, void=ignore_index), target != ignore_index  # N, H, W
    if scores.dtype in (torch.float16, torch.bfloat16):
        scores = scores.float()
    there, count = edge.to(scores), known.to(scores).sum().clamp_min(1)
    share = there.sum() / count
    weight = (there * (1 - share) + (1 - there) * share) * known
    return F.binary_cross_entropy_with_logits(scores[:, 0], there, weight, reduction="sum") / count
