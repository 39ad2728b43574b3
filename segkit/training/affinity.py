"""Which cells are of one class: the matrix, and CPN's loss on a network's idea of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.data import VOID
from segkit.training.losses import check_labels
from segkit.typed import typed

LEAST = -100.0  # of a logarithm, as in torch's binary cross-entropy


def same_class(labels: Tensor, ignore_index: int = VOID) -> tuple[Tensor, Tensor]:
    """For each pair of cells whether they are of one class, and whether both are known.

    Shape:
        labels N×h×w → two matrices of bools N×(h·w)×(h·w).
    """
    flat = labels.flatten(1)  # N, h·w
    known = flat != ignore_index
    return flat[:, :, None] == flat[:, None], known[:, :, None] & known[:, None]


@typed
def affinity_loss(scores: Tensor, labels: Tensor, ignore_index: int = VOID) -> Tensor:
    """Binary cross-entropy of each pair of cells, and −log of precision, recall and specificity of each row.

    The first asks about pairs one by one, the second about all that one cell hears: of those it takes for its own
    kind, how many are; of its own kind, how many it takes; of the others, how many it leaves out.

    Args:
        scores: of the pairs, before the sigmoid, as ContextPrior gives them.
        labels: of the cells: whole numbers, ignore_index where there is none; such a pair does not count.

    Shape:
        scores N×L×L, labels N×h×w with h·w = L → scalar; 0 where no pair is known.

    Raises:
        TypeError, ValueError: scores that are no floating-point numbers, or shapes that do not belong together.

    Source:
        Yu et al., CVPR 2020 (arXiv 2004.01547), section 3.1, equations 1 to 6, both terms weighed alike.

    Differs from the paper:
        void is no class here: the authors' code makes one of it. A row without others has no specificity, theirs −log 0
        as far as it goes.
    """
    if not scores.is_floating_point():
        raise TypeError(f"affinity_loss got scores of {scores.dtype}; they are floating-point, and labels come second")
    L = scores.shape[-1] if scores.ndim == 3 else 0
    if scores.ndim != 3 or scores.shape[1] != L or labels.ndim != 3 or labels.flatten(1).shape != scores.shape[:2]:
        raise ValueError(f"affinity_loss got scores {tuple(scores.shape)} and labels {tuple(labels.shape)}; it takes "
                         "N×L×L and N×h×w with h·w = L")  # fmt: skip
    labels = check_labels(labels, 255, ignore_index=ignore_index)
    same, known = same_class(labels, ignore_index)
    a, w = (same & known).to(scores), known.to(scores)
    p = torch.sigmoid(scores) * w
    pairs = F.binary_cross_entropy_with_logits(scores, a, w, reduction="sum") / w.sum().clamp_min(1)
    hits, others = (a * p).sum(2), ((w - a) * (w - p)).sum(2)  # N, L
    shares = [(hits, p.sum(2)), (hits, a.sum(2)), (others, (w - a).sum(2))]
    rows = torch.stack([_log_share(part, whole) for part, whole in shares]).sum(0)  # N, L
    return pairs - rows.sum() / known.any(2).sum().clamp_min(1)


def _log_share(part: Tensor, whole: Tensor) -> Tensor:
    """log(part / whole), not below LEAST; 0 where there is nothing to share."""
    share = part / torch.where(whole > 0, whole, 1.0)
    return torch.where(whole > 0, share.clamp_min(torch.finfo(share.dtype).tiny).log().clamp_min(LEAST), 0.0)
