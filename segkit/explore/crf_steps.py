"""What CrfExplorer computes: every step of mean-field inference, whom a pixel listens to, which changes were right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segkit.crf import bilateral_features, message_passing
from segkit.crf.mean_field import Term
from segkit.data.sample import VOID
from segkit.explore.labelled import mean_iou

STEPS = 10
BAND = 2  # pixels on each side of an edge
SPOILED, MENDED, OTHER = (213, 94, 0), (0, 114, 178), (150, 150, 150)


@dataclass(frozen=True)
class Inference:
    """All steps of mean-field inference on one picture.

    Args:
        q: (steps + 1) tensors H·W×K: the probabilities before the first step and after each.
        energy, kl: steps + 1 numbers a pixel, the latter but for a constant; see segkit.crf.Trace.
        size: H, W.
    """

    q: list[Tensor]
    energy: np.ndarray
    kl: np.ndarray
    size: tuple[int, int]

    def labels(self, step: int) -> Tensor:
        """The likeliest label of each pixel, int64 H×W."""
        return self.q[step].argmax(1).view(self.size)


@dataclass(frozen=True)
class Sharpened:
    """The labels of one picture before and after some steps.

    Args:
        scene: the picture's number.
        inference: all steps.
        step: how many of them were taken.
        before, after: int64 H×W.
        iou: mean IoU of all pixels before and after; NaN without a truth.
        near: the same within BAND pixels of a true edge.
    """

    scene: int
    inference: Inference
    step: int
    before: Tensor
    after: Tensor
    iou: tuple[float, float]
    near: tuple[float, float]


def infer(logits: Tensor, terms: list[Term], steps: int = STEPS) -> Inference:
    """Mean-field inference with every step kept.

    Args:
        logits: K×H×W.
        terms: kernels and their compatibilities, as for segkit.crf.mean_field.
    """
    _, H, W = logits.shape
    rows = logits.flatten(1).t().contiguous().log_softmax(1)  # H·W, K
    log_q, q = rows, [rows.exp()]
    energies, kls = [], []
    for step in range(steps + 1):
        updated = message_passing(rows, q[-1], terms)  # H·W, K
        energy = -(q[-1] * (rows + updated)).sum(dtype=torch.float64) / 2
        energies.append(energy)
        kls.append(energy + (q[-1] * log_q).sum(dtype=torch.float64))
        if step < steps:  # a softmax, for few classes faster than torch's
            updated = updated - updated.amax(1, keepdim=True)
            likely = updated.exp()
            total = likely.sum(1, keepdim=True)
            q.append(likely.div_(total))
            log_q = updated.sub_(total.log_())
    each_pixel = torch.stack((torch.stack(energies), torch.stack(kls))).numpy() / (H * W)
    return Inference(q, each_pixel[0], each_pixel[1], (H, W))


def sharpened(scene: int, inference: Inference, step: int, truth: Tensor) -> Sharpened:
    """Labels and scores before the first step and after `step`.

    Args:
        scene: the picture's number, kept as it is.
        truth: int64 H×W, void where nothing is known.
    """
    K = inference.q[0].shape[1]
    before, after = inference.labels(0), inference.labels(step)
    iou, near = ((mean_iou(before, truth, K, b), mean_iou(after, truth, K, b)) for b in (None, BAND))
    return Sharpened(scene, inference, step, before, after, iou, near)


def listens_to(picture: Tensor, sxy: float, srgb: float, row: int, column: int) -> Tensor:
    """The bilateral kernel from one pixel to all: exp(−½·distance²) in place and colour. 3×H×W, 0–255 → H×W."""
    _, H, W = picture.shape
    features = bilateral_features(picture, sxy, srgb)  # H·W, 5
    return torch.exp(-(features - features[row * W + column]).square().sum(1) / 2).view(H, W)


def verdict(before: Tensor, after: Tensor, truth: Tensor) -> np.ndarray:
    """Blue where a change of label made a pixel right, vermilion where it made it wrong, grey for other changes."""
    picture = np.full((*before.shape, 3), 255, np.uint8)
    known = truth != VOID
    changed = before != after
    for where, colour in (
        (changed, OTHER),
        (changed & known & (after == truth), MENDED),
        (changed & known & (before == truth), SPOILED),
    ):
        picture[where.numpy()] = colour
    return picture


def falls(now: np.ndarray, before: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Curves of KL from 1 down, on one scale: the further of the two falls to 0.

    Args:
        now: steps + 1 numbers.
        before: the curve that was there before, or None.
    """
    both = [curve - curve[0] for curve in (now, before) if curve is not None]
    deepest = max(float(-curve.min()) for curve in both)
    shares = [1 + curve / deepest if deepest > 0 else np.ones_like(curve) for curve in both]
    return shares[0], shares[1] if before is not None else None
