"""Which classes are in the picture at all: a loss that counts a lamp post as much as the road."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.data import VOID
from segkit.training.losses import check_labels
from segkit.typed import typed


@typed
def presence_loss(scores: Tensor, target: Tensor, ignore_index: int = VOID) -> Tensor:
    """Which classes are in the picture? Binary cross-entropy, the mean over pictures and classes: EncNet's SE-loss.

    A class of a few pixels counts as much as one that fills the picture.

    Args:
        scores: N×K×1×1 or N×K, one for each class of each picture.
        target, ignore_index: labels as for `cross_entropy`; a class is present if a pixel has it; in a picture that
            is all void, none is.

    Shape:
        scalar; 0 where there is no picture.

    Raises:
        TypeError: scores that are no floating-point numbers, labels that are no whole numbers. ValueError: shapes that
            do not belong together, a label that is not a class.

    Source: Zhang et al., "Context Encoding for Semantic Segmentation", CVPR 2018 (arXiv 1803.08904), section 3.1.
    """
    if not scores.is_floating_point():
        raise TypeError(
            f"presence_loss got scores of {scores.dtype}; they are floating-point scores, and labels come second"
        )
    if tuple(scores.shape[2:]) not in ((), (1, 1)) or scores.ndim < 2 or target.shape[:1] != scores.shape[:1]:
        raise ValueError(f"presence_loss got scores {tuple(scores.shape)} and labels {tuple(target.shape)}; they must "
                         "be N×K×1×1 or N×K, and N×H×W of the same N")  # fmt: skip
    flat = scores.flatten(1)  # N, K
    target = check_labels(target, flat.shape[1], ignore_index=ignore_index)
    classes = torch.arange(flat.shape[1], device=target.device)
    present = (target[:, None] == classes[:, None, None]).flatten(2).any(2)  # N, K
    total = F.binary_cross_entropy_with_logits(flat, present.to(flat), reduction="sum")
    return total / max(1, flat.numel())
