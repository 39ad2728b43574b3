"""What a score is compared with: a map that has seen no picture, and the best that scores per cell can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.checks import chosen, finite, whole
from segkit.data import VOID
from segkit.data.base import describe
from segkit.data.sample import as_sample
from segkit.metrics import ConfusionMatrix, TrimapIoU
from segkit.training.class_balance import class_weights
from segkit.training.losses import check_labels
from segkit.typed import typed

ALIGN = ("centres", "corners")


@dataclass
class Baseline:
    """Answers without a network, and how good they are.

    Attributes:
        predictions: labels H×W, int64: one map for each picture of the test set.
        scores: "mean_iou", "pixel_accuracy", and "trimap_iou_{w}px" for each width asked for.
        iou: K, IoU of each class.
        gap: how far the loss per pixel may still lie above its minimum, at most; 0 where nothing was fitted.
    """

    predictions: list[Tensor]
    scores: dict[str, float]
    iou: Tensor
    gap: float = 0.0


@typed
def position_prior(train: Any, test: Any, weighting: str = "none", trimap: Sequence[int] = (1, 2, 3)) -> Baseline:
    """The constant map: at each pixel the class that weighs most there over the training set, as the loss weighs it.

    Pictures of other sizes than the first of the training set are counted on that one's grid, and the map is brought to
    each test picture's size, both by the nearest pixel. Ties go to the lower class number; a pixel that is void in all
    training pictures gets the class that weighs most overall.

    Args:
        train, test: segkit data sets; void counts nowhere.
        weighting: of the classes, as in `class_weights`: "none", "median" or "log".
        trimap: half widths in pixels of the bands along the edges to score as well.

    Raises:
        ValueError: a data set without pictures, or an unknown weighting.
    """
    K = describe(train).num_classes
    describe(test)  # refuses what is no data set
    seen, truths = _labels(train, K), _labels(test, K)
    grid = tuple(seen[0].shape)
    counts = torch.zeros(K, *grid, dtype=torch.float64)
    for labels in (_resized(m, grid) for m in seen):
        known = labels != VOID
        counts.scatter_add_(0, labels.where(known, 0)[None], known[None].double())  # K, H, W
    overall = counts.sum((1, 2))
    weight = class_weights(overall, weighting).double()
    votes = torch.where(counts.sum(0) > 0, counts, overall[:, None, None]) * weight[:, None, None]  # K, H, W
    prior = votes.argmax(0)  # H, W: the first of the largest
    return _scored([_resized(prior, tuple(t.shape)) for t in truths], truths, K, trimap)


@typed
def fitted_ceiling(
    dataset: Any, stride: int, weight: Tensor | None = None, align: str = "centres", steps: int = 100,
    ridge: float = 3e-3, trimap: Sequence[int] = (1, 2, 3), start: float = 0.0,
) -> Baseline:  # fmt: skip
    """The best that one vector of scores per cell can say, enlarged bilinearly and fitted to the labels by the loss.

    For each picture the scores K×⌈H/stride⌉×⌈W/stride⌉ minimise the class-weighted cross-entropy of their enlargement,
    a convex problem. `ridge` · mean(score²)/2 keeps them finite (some tens at most, as a network's are) and bounds what
    is left to gain: the gradient's square over twice the curvature.

    Args:
        dataset: a segkit data set; a picture's labels are all that is used of it.
        stride: pixels per cell, 1 or more.
        weight: K class weights, as the loss of the networks to compare has them.
        align: "centres": a cell stands for the middle of its pixels (`align_corners=False`); "corners": cell i is at
            pixel i·stride, and the last one is repeated once, as in DeepLab and DUC's baseline.
        steps, ridge: of L-BFGS; see above.
        trimap: half widths in pixels of the bands along the edges to score as well.
        start: the spread of random scores to begin from; the end does not depend on it.

    Raises:
        ValueError: no pictures, a stride below 1, or an unknown alignment.

    Source: after the bounds of Long, Shelhamer & Darrell, arXiv 1411.4038, appendix A, which use coarser true labels.
    """
    steps, ridge = whole(steps, "steps", "fitted_ceiling", 1), finite(ridge, "ridge", "fitted_ceiling", 1e-12)
    stride, align = whole(stride, "stride", "fitted_ceiling", 1), chosen(align, "align", "fitted_ceiling", ALIGN)
    K, gap = describe(dataset).num_classes, 0.0
    truths = _labels(dataset, K)
    if weight is not None and weight.shape != (K,):
        raise ValueError(f"fitted_ceiling got {tuple(weight.shape)} weights for {K} classes; give one per class")
    answers: list[Tensor] = []
    for _, same in groupby(truths, key=lambda m: m.shape):  # neighbours of one size together
        for labels in torch.stack(list(same)).split(25):
            found, left = _fit(labels, K, stride, weight, align == "corners", steps, ridge, start)
            answers, gap = [*answers, *found], max(gap, left)
    return _scored(answers, truths, K, trimap, gap)


def _fit(
    labels: Tensor, K: int, stride: int, weight: Tensor | None, corners: bool, steps: int, ridge: float, start: float
) -> tuple[Tensor, float]:
    """Predictions N×H×W of the best scores, and the largest gap of a picture."""
    N, H, W = labels.shape
    up, across = (_enlargement(n, stride, corners) for n in (H, W))  # H, h and W, w
    known, safe = labels != VOID, labels.where(labels != VOID, 0)[:, None]  # N, 1, H, W
    share = known.float() if weight is None else weight.float()[safe[:, 0]] * known
    share = (share / share.sum((1, 2), keepdim=True).clamp_min(1e-30))[:, None]  # N, 1, H, W: of the loss
    z = start * torch.randn(N, K, up.shape[1], across.shape[1], generator=torch.Generator().manual_seed(0))
    ridge = ridge / z[0].numel()

    def loss() -> Tensor:
        log_p = (up @ z @ across.T).log_softmax(1)  # N, K, H, W
        value = ridge / 2 * z.square().sum() - (log_p.gather(1, safe) * share).sum()
        p = log_p.exp_().mul_(share).scatter_add_(1, safe, -share)  # the gradient at each pixel
        z.grad = up.T @ p @ across + ridge * z
        return value

    limits = {"max_iter": steps, "max_eval": 2 * steps, "tolerance_grad": 1e-9, "tolerance_change": 0}
    torch.optim.LBFGS([z], history_size=20, line_search_fn="strong_wolfe", **limits).step(loss)  # type: ignore[arg-type]
    loss()
    gap = z.grad.square().sum((1, 2, 3)).max() / (2 * ridge)  # type: ignore[union-attr]
    return (up @ z @ across.T).argmax(1), float(gap)  # N, H, W


def _enlargement(size: int, stride: int, corners: bool) -> Tensor:
    """Pixels × cells: bilinear enlargement along one side, as the networks do it."""
    cells = torch.eye(-(-size // stride))[None]  # 1, h, h
    if corners:
        cells = torch.cat((cells, cells[..., -1:]), -1)  # the last cell is repeated once
        up = F.interpolate(cells, stride * (cells.shape[-1] - 1) + 1, mode="linear", align_corners=True)
    else:
        up = F.interpolate(cells, scale_factor=stride, mode="linear", align_corners=False)
    return up[0, :, :size].T.contiguous()  # size, h


def _resized(labels: Tensor, size: tuple[int, ...]) -> Tensor:
    """Labels at another size, by the nearest pixel."""
    return F.interpolate(labels[None, None].double(), size, mode="nearest-exact")[0, 0].long()


def _labels(dataset: Any, K: int) -> list[Tensor]:
    items = [dataset[i] for i in range(len(dataset))]
    found = [item.labels if hasattr(item, "labels") else as_sample(item).labels for item in items]
    for number, labels in enumerate(found):
        check_labels(labels[None], K, [f"picture {number}"])
    if not any(bool((labels != VOID).any()) for labels in found):
        raise ValueError("a baseline needs pictures with labelled pixels; this data set has none")
    return found


def _scored(answers: list[Tensor], truths: list[Tensor], K: int, trimap: Sequence[int], gap: float = 0.0) -> Baseline:
    matrix, bands = ConfusionMatrix(K), {f"trimap_iou_{w}px": TrimapIoU(K, width=w) for w in trimap}
    for answer, truth in zip(answers, truths, strict=True):
        matrix.update(answer, truth)
        for band in bands.values():
            band.update(answer, truth)
    scores = {"mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy()}
    return Baseline(answers, scores | {n: b.mean_iou() for n, b in bands.items()}, matrix.iou(), gap)
