"""`cascade_fusion` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops
from segkit.grading.exercises.mechanical import changed, replaced

Fusions = list[tuple[Tensor, Tensor, Tensor]]  # refine, project, guide
Size = Sequence[int]
Two = tuple[Tensor, Tensor]
VOID = 255


def _point(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None])


def _refine(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=2, dilation=2)


def _larger(x: Tensor, size: Size) -> Tensor:
    """Cell i stands on cell 2·i: between two cells their mean, behind the last one its value."""
    h, w = x.shape[2:]
    x = F.interpolate(
        F.pad(x, (0, 1, 0, 1), mode="replicate"), (2 * h + 1, 2 * w + 1), mode="bilinear", align_corners=True
    )
    return x[:, :, : size[0], : size[1]]


def _norm(x: Tensor, dims: tuple[int, ...] = (0, 2, 3), unbiased: bool = False, epsilon: float = 1e-5) -> Tensor:
    variance = x.var(dims, unbiased=unbiased, keepdim=True)
    return (x - x.mean(dims, keepdim=True)) / (variance + epsilon).sqrt()


def _join(coarse: Tensor, fine: Tensor, norm: Function) -> Tensor:
    return torch.relu(norm(coarse) + norm(fine))


def _meet(x: Tensor, weight: Tensor, size: Size, larger: Function, refine: Function) -> Two:
    """The enlarged map, and what the 3×3 makes of it."""
    wide = larger(x, size)
    return wide, refine(wide, weight)


def _every(labels: Tensor, step: int) -> Tensor:
    return labels[:, ::step, ::step]


def _entropy(scores: Tensor, labels: Tensor) -> Tensor:
    if not (labels != VOID).any():
        return scores.new_zeros(())
    return F.cross_entropy(scores, labels, ignore_index=VOID)


def _total(losses: list[Tensor], weights: list[float]) -> Tensor:
    return torch.stack([w * one for w, one in zip(weights, losses, strict=True)]).sum()


def cascade(
    maps: list[Tensor], fusions: Fusions, score: Tensor, labels: Tensor, weights: list[float], *,
    larger: Function = _larger, refine: Function = _refine, meet: Callable[..., Two] = _meet, norm: Function = _norm,
    join: Function = _join, seen: Function = lambda x, wide, fused, fine: wide, every: Function = _every,
    entropy: Function = _entropy, total: Function = _total, last: Function | None = None,
) -> Two:  # fmt: skip
    """Reference of `cascade_fusion`, with its steps replaced.

    Args:
        maps, fusions, score, labels, weights: as the task has them.
        larger: larger(a map, size).
        refine: refine(the enlarged map, weight).
        meet: meet(a map, weight of the 3×3, size, larger, refine), the enlarged map and what the 3×3 makes of it.
        norm: norm(a map).
        join: join(coarse, fine, norm).
        seen: seen(coarse, enlarged, fused, fine), the map that a guide reads.
        every: every(labels, step), those of a coarser branch.
        entropy: entropy(scores, labels), of one branch.
        total: total(losses, weights).
        last: last(a map, size), the last enlarging.
    """
    x, read = maps[0], []
    for (weight, project, guide), fine in zip(fusions, maps[1:], strict=True):
        wide, refined = meet(x, weight, fine.shape[2:], larger, refine)
        fused = join(refined, _point(fine, project), norm)
        read.append(_point(seen(x, wide, fused, fine), guide))
        x = fused
    read.append(_point((last or larger)(x, labels.shape[1:]), score))
    steps = [2**place for place in reversed(range(len(read)))]
    losses = [entropy(scores, every(labels, step)) for scores, step in zip(read, steps, strict=True)]
    return read[-1], total(losses, weights)


_step = partial(replaced, cascade)


@each
def _refines(change: Function) -> Ways:
    """Other 3×3 kernels: change(refine)."""
    return changed(1, lambda fusions: [(change(refine), project, guide) for refine, project, guide in fusions])


def _narrow(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=1, dilation=2)


def _plain(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=1)


def _edged(x: Tensor, weight: Tensor) -> Tensor:
    rows, columns = (torch.arange(-2, n + 2).clamp(0, n - 1) for n in x.shape[2:])
    return F.conv2d(x[:, :, rows][..., columns], weight, dilation=2)


def _before(conv: Function) -> Function:
    """The 3×3 reads the small map, and what it makes is enlarged."""
    return lambda x, weight, size, larger, refine: (larger(x, size), larger(conv(x, weight), size))


def _interpolated(mode: str, align_corners: bool | None = None) -> Function:
    return lambda x, size: F.interpolate(x, tuple(size), mode=mode, align_corners=align_corners)


def _twice(align_corners: bool) -> Function:
    """Two times as many cells, and what is too much cut off."""

    def larger(x: Tensor, size: Size) -> Tensor:
        wide = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=align_corners)
        return wide[:, :, : size[0], : size[1]]

    return larger


def _small_guide(labels: Tensor, step: int) -> Tensor:
    """The labels of a branch, where a guide's scores are half as large as they should be."""
    return _every(labels, 2 * step if step > 1 else 1)


def _nearest(labels: Tensor, step: int) -> Tensor:
    size = [-(-n // step) for n in labels.shape[1:]]
    return F.interpolate(labels[:, None].double(), size, mode="nearest")[:, 0].long()


def _enlarged_scores(maps: list[Tensor], fusions: Fusions, score: Tensor, labels: Tensor, weights: list[float]) -> Two:
    """Scores are enlarged to the size of the labels, as our own models do."""
    larger = _interpolated("bilinear", True)
    return cascade(
        maps, fusions, score, labels, weights, every=lambda labels, step: labels,
        entropy=lambda scores, labels: _entropy(larger(scores, labels.shape[1:]), labels),
    )  # fmt: skip


def _small_scores(maps: list[Tensor], fusions: Fusions, score: Tensor, labels: Tensor, weights: list[float]) -> Two:
    """The last fused map is scored as it is."""
    return cascade(
        maps, fusions, score, labels, weights, last=lambda x, size: x,
        every=lambda labels, step: _every(labels, max(step, 2)),
    )  # fmt: skip


def _losses(entropy: Function) -> Ways:
    """Another cross-entropy: entropy(scores, labels of which some count)."""

    def guarded(scores: Tensor, labels: Tensor) -> Tensor:
        return entropy(scores, labels) if (labels != VOID).any() else scores.new_zeros(())

    return _step("entropy", guarded)


def _over_all(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores, labels, ignore_index=VOID, reduction="sum") / labels.numel()


def _first_picture(maps: list[Tensor], fusions: Fusions, score: Tensor, labels: Tensor, weights: list[float]) -> Any:
    return [x[:1] for x in maps], fusions, score, labels[:1], weights


WAYS = {
    "half-pixel": _step("larger", _interpolated("bilinear", False)),
    "not-bilinear": _step("larger", _interpolated("nearest")),
    "even-sizes-stretched": _step("larger", _interpolated("bilinear", True)),
    "twice-and-cut": _step("larger", _twice(True), _twice(False)),
    "convolved-before-enlarging": _step("meet", _before(_plain), _before(_refine)),
    "rate-ignored": _step("refine", _plain),
    "padding-not-the-rate": stops(partial(cascade, refine=_narrow)),
    "border-not-zero": _step("refine", _edged),
    "kernel-flipped": _refines(lambda kernels: kernels.flip(2, 3), lambda kernels: kernels.mT),
    "not-normalised": _step("norm", lambda x: x),
    "one-map-normalised": _step(
        "join", lambda a, b, norm: torch.relu(norm(a) + b), lambda a, b, norm: torch.relu(a + norm(b))
    ),
    "normalised-after-the-sum": _step("join", lambda a, b, norm: torch.relu(norm(a + b))),
    "each-picture-normalised": _step("norm", partial(_norm, dims=(2, 3))),
    "channels-normalised-together": _step("norm", partial(_norm, dims=(0, 1, 2, 3)), partial(_norm, dims=(1,))),
    "unbiased-variance": _step("norm", partial(_norm, unbiased=True)),
    "half-normalised": _step(
        "norm",
        lambda x: x - x.mean((0, 2, 3), keepdim=True),
        lambda x: x / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt(),
    ),
    "epsilon-missing": _step("norm", partial(_norm, epsilon=0.0)),
    "relu-missing": _step("join", lambda a, b, norm: norm(a) + norm(b)),
    "relu-before-the-sum": _step("join", lambda a, b, norm: norm(a).relu() + norm(b).relu()),
    "one-map-only": _step("join", lambda a, b, norm: norm(a).relu(), lambda a, b, norm: norm(b).relu()),
    "averaged-not-summed": _step("join", lambda a, b, norm: _join(a, b, norm) / 2),
    "guide-not-enlarged": does(partial(cascade, seen=lambda x, *rest: x, every=_small_guide)),
    "guide-after-the-fusion": _step("seen", lambda x, wide, fused, fine: fused),
    "guide-reads-the-fine-map": _step("seen", lambda x, wide, fused, fine: fine),
    "labels-by-nearest": _step("every", _nearest),
    "scores-enlarged": does(_enlarged_scores),
    "label-step-fixed": stops(partial(cascade, every=lambda labels, step: _every(labels, min(step, 2)))),
    "last-not-enlarged": does(_small_scores),
    "void-not-left-out": stops(partial(cascade, entropy=lambda scores, labels: F.cross_entropy(scores, labels))),
    "void-is-a-class": _step("entropy", lambda scores, labels: F.cross_entropy(scores, labels * (labels != VOID))),
    "void-counted": _losses(_over_all),
    "all-void-breaks": _step("entropy", partial(F.cross_entropy, ignore_index=VOID)),
    "loss-summed": _losses(partial(F.cross_entropy, ignore_index=VOID, reduction="sum")),
    "softmax-twice": _losses(lambda scores, labels: F.cross_entropy(scores.softmax(1), labels, ignore_index=VOID)),
    "weights-ignored": changed(4, lambda weights: [1.0] * len(weights)),
    "weights-reversed": changed(4, lambda weights: weights[::-1]),
    "guides-left-out": changed(4, lambda weights: [0.0] * (len(weights) - 1) + weights[-1:]),
    "last-loss-left-out": changed(4, lambda weights: [*weights[:-1], 0.0]),
    "losses-averaged": changed(
        4, lambda weights: [w / sum(weights) for w in weights], lambda weights: [w / len(weights) for w in weights]
    ),
    "probabilities": gives(lambda r, *a: (r[0].softmax(1), r[1])),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
    "first-picture-only": given(_first_picture),
    "left-flat": gives(lambda r, *a: (r[0].flatten(2), r[1]), lambda r, *a: (r[0].mT, r[1])),
}  # fmt: skip
