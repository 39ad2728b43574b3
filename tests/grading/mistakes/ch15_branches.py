"""Chapter 15, branches and borders: HRNet's exchange and a boundary loss, right and wrong: torch, numpy and loops."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import first_only, laid_out, several

F = nn.functional

# exchange_unit -----------------------------------------------------------------------------------------------------


def unit_torch(maps, ways, target, *, wrong=""):
    """torch's convolutions, and its nearest neighbours."""
    h, w = maps[target].shape[2:]
    total = torch.zeros_like(maps[target])
    for b, (x, weights) in enumerate(zip(maps, ways, strict=True)):
        away = b - target
        skipped = {
            "not itself": away == 0, "no finer": away < 0, "no coarser": away > 0, "next only": abs(away) > 1
        }.get(wrong, False)  # fmt: skip
        if skipped:
            continue
        if away < 0:
            x = unit_down(x, weights, wrong)
        elif away > 0:
            x = unit_up(F.conv2d(x, weights[0]), 2**away, h, w, wrong)
        rectified = {
            "all": True, "others": away != 0, "finer": away < 0, "coarser": away > 0, "itself": away == 0
        }.get(wrong, False)  # fmt: skip
        total = total + (x.relu() if rectified else x)
    if wrong == "mean":
        total = total / len(maps)
    return total if wrong == "open" else total.relu()


def unit_down(x, weights, wrong):
    if wrong in ("before", "late"):
        step = 2 ** len(weights)
        x = x[:, :, ::step, ::step] if wrong == "before" else x
        for i, weight in enumerate(weights):
            x = F.conv2d(x.relu() if i else x, weight, padding=1)
        return x[:, :, ::step, ::step] if wrong == "late" else x
    for i, weight in enumerate(weights):
        x = F.relu(x) if i and wrong != "linear" else x
        x = F.conv2d(x, weight, None, 2, 0 if wrong == "no zeros" else 1)
    return x


def unit_up(x, times, h, w, wrong):
    if wrong == "fit":
        return F.interpolate(x, (h, w))
    if wrong in ("smooth fit", "corners"):
        return F.interpolate(x, (h, w), mode="bilinear", align_corners=wrong == "corners")
    if wrong == "tiled":
        return torch.cat([torch.cat([x] * times, 2)] * times, 3)[:, :, :h, :w]
    if wrong == "nails":
        wide = torch.zeros(*x.shape[:2], x.shape[2] * times, x.shape[3] * times, dtype=x.dtype)
        wide[:, :, ::times, ::times] = x
    else:
        wide = F.interpolate(x, scale_factor=times, mode="bilinear" if wrong == "smooth" else "nearest")
    if wrong == "end":
        return wide[:, :, wide.shape[2] - h :, wide.shape[3] - w :]
    return wide[:, :, :h, :w]


def unit_indexed(maps, ways, target):
    """Cells looked up by their numbers; enlarged before the 1×1, which makes no difference."""
    h, w = maps[target].shape[2:]
    parts = []
    for b, x in enumerate(maps):
        if b > target:
            rows, columns = (torch.arange(n) // 2 ** (b - target) for n in (h, w))
            x = torch.einsum("oc,nchw->nohw", ways[b][0][:, :, 0, 0], x[:, :, rows][..., columns])
        for i, weight in enumerate(ways[b] if b < target else []):
            x = F.conv2d(F.pad(x.clamp(min=0) if i else x, (1, 1, 1, 1)), weight, stride=2)
        parts.append(x)
    return torch.stack(parts).sum(0).clamp(min=0)


def unit_numpy(maps, ways, target, *, wrong=""):
    """Shifted slices of a map with zeros around it."""
    maps = [np.asarray(m) for m in maps]
    h, w = maps[target].shape[2:]
    total = 0 * maps[target]
    for b, x in enumerate(maps):
        for i, weight in enumerate(np.asarray(one) for one in (ways[b] if b < target else [])):
            x = np.maximum(x, 0) if i and wrong != "linear" else x
            wide, rows, columns = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), *(-(-n // 2) for n in x.shape[2:])
            x = sum(
                np.einsum("oc,nchw->nohw", weight[:, :, u, v], wide[:, :, u :: 2, v :: 2][:, :, :rows, :columns])
                for u in range(3) for v in range(3)
            )  # fmt: skip
        if b > target:
            cells = np.einsum("oc,nchw->nohw", np.asarray(ways[b][0])[:, :, 0, 0], x)
            x = np.kron(cells, np.ones((2 ** (b - target),) * 2, x.dtype))[:, :, :h, :w]
        total = total + x
    return np.maximum(total, 0)


# boundary_loss -----------------------------------------------------------------------------------------------------


def loss_torch(scores, labels, reach, ignore_index, *, wrong=""):
    """Borders grown step by step from class to class."""
    void = 255 if wrong == "255" else ignore_index
    if wrong == "one step":
        reach = 1
    if wrong == "one more":
        reach = reach + 1
    known = labels != void
    border = loss_border(labels, known, reach, wrong)
    target = (~border if wrong == "inverted" else border).to(scores.dtype)
    s = scores[:, 0]
    if wrong == "twice":
        s = torch.sigmoid(s)
    if wrong in ("overflow", "capped"):
        p = torch.sigmoid(s)
        each = torch.where(target > 0, -torch.log(p), -torch.log(1 - p))
        each = each.clamp(max=100) if wrong == "capped" else each
    else:
        each = F.softplus(torch.where(target > 0, -s, s))  # −log σ(s) and −log (1 − σ(s))
    if wrong == "void counted":
        known = torch.ones_like(known)
    return loss_joined(each, border & known, ~border & known, wrong)


def loss_border(labels, known, reach, wrong):
    """Where one pixel of each class, grown by its reach, meets a pixel of another."""
    border = torch.zeros_like(known)
    for label in labels[known].unique():
        mine = (labels == label) & known
        near = mine
        for _ in range(reach):
            near = loss_grown(near, wrong)
        if wrong == "straight":
            near = loss_lines(mine, reach)
        if wrong == "square":
            near = F.max_pool2d(mine.float(), 2 * reach + 1, 1, reach) > 0
        border = border | (near & ~mine & known)
    if wrong == "void is a class":
        near = ~known
        for _ in range(reach):
            near = loss_grown(near, wrong)
        border = border | (near & known)
    if wrong == "outside":
        h, w = labels.shape[1:]
        row, column = torch.arange(h)[:, None], torch.arange(w)
        out = torch.minimum(torch.minimum(row, h - 1 - row), torch.minimum(column, w - 1 - column)) < reach
        border = border | (out & known)
    return border


def loss_grown(near, wrong):
    grown = near.clone()
    grown[:, :-1] |= near[:, 1:]
    grown[:, :, :-1] |= near[:, :, 1:]
    if wrong != "forward":
        grown[:, 1:] |= near[:, :-1]
        grown[:, :, 1:] |= near[:, :, :-1]
    return grown


def loss_lines(mine, reach):
    near = mine.clone()
    for d in range(1, reach + 1):
        near[:, :-d] |= mine[:, d:]
        near[:, d:] |= mine[:, :-d]
        near[:, :, :-d] |= mine[:, :, d:]
        near[:, :, d:] |= mine[:, :, :-d]
    return near


def loss_joined(each, at, off, wrong):
    a, b = at.sum(), off.sum()
    if wrong == "per picture":
        return sum(loss_joined(*(x[None] for x in one), "") for one in zip(each, at, off, strict=True)) / len(each)
    if wrong == "one mean":
        return each[at | off].sum() / max(int(a + b), 1)
    if wrong == "nan":
        return (each[at].mean() + each[off].mean()) / 2
    if a * b == 0 and wrong == "nothing":
        return 0 * each.sum()
    means = [each[where].sum() / max(int(where.sum()), 1) for where in (at, off)]
    if a * b == 0 and wrong == "whole":
        return sum(means)
    if wrong in ("larger", "count"):
        share = a / max(int(a + b), 1)
        weight = torch.where(at, share, 1 - share) if wrong == "larger" else torch.where(at, 1 - share, share)
        return (weight * torch.where(at | off, each, 0)).sum() / max(int(a + b), 1)
    return sum(means) if wrong == "sum" else sum(means) / 2


def loss_loops(scores, labels, reach, ignore_index, *, wrong=""):
    """Every pixel looks at every other one."""
    N, h, w = labels.shape
    kinds = {True: [], False: []}
    for n in range(N):
        for i in range(h):
            for j in range(w):
                mine = int(labels[n, i, j])
                if mine == ignore_index:
                    continue
                border = any(
                    (max if wrong == "square" else sum)((abs(i - k), abs(j - m))) <= reach
                    for k in range(h) for m in range(w)
                    if int(labels[n, k, m]) not in (mine, ignore_index)
                )  # fmt: skip
                s = scores[n, 0, i, j]
                kinds[border].append(-F.logsigmoid(s if border else -s))
    means = [torch.stack(one).mean() if one else scores.sum() * 0 for one in kinds.values()]
    return means[0] + means[1] if wrong == "sum" else (means[0] + means[1]) / 2


def loss_weighted(scores, labels, reach, ignore_index):
    """Weights in place of two means: one over twice the number of its kind."""
    known = labels != ignore_index
    cells = torch.cartesian_prod(torch.arange(labels.shape[1]), torch.arange(labels.shape[2]))
    near = (cells[:, None] - cells).abs().sum(2) <= reach
    flat, sure = labels.flatten(1), known.flatten(1)
    other = (flat[:, :, None] != flat[:, None]) & sure[:, None] & near
    border = other.any(2).view_as(labels) & known
    weight = torch.zeros_like(scores[:, 0])
    for kind in (border, known & ~border):
        weight[kind] = 0.5 / kind.sum().clamp(min=1).to(scores.dtype)
    return F.binary_cross_entropy_with_logits(scores[:, 0], border.to(scores.dtype), weight, reduction="sum")


RIGHT = {
    "exchange_unit": {"torch": unit_torch, "indexed": unit_indexed, "numpy": unit_numpy},
    "boundary_loss": {"torch": loss_torch, "loops": loss_loops, "weighted": loss_weighted},
}

WRONG = {
    "exchange_unit": {
        "itself-missing": partial(unit_torch, wrong="not itself"),
        "finer-missing": partial(unit_torch, wrong="no finer"),
        "coarser-missing": partial(unit_torch, wrong="no coarser"),
        "neighbours-only": partial(unit_torch, wrong="next only"),
        "averaged": partial(unit_torch, wrong="mean"),
        "relu-at-the-end-missing": partial(unit_torch, wrong="open"),
        "each-part-rectified": partial(unit_torch, wrong="others"),
        "each-part-rectified finer ones": partial(unit_torch, wrong="finer"),
        "each-part-rectified coarser ones": partial(unit_torch, wrong="coarser"),
        "each-part-rectified itself too": partial(unit_torch, wrong="all"),
        "itself-rectified": partial(unit_torch, wrong="itself"),
        "relu-between-missing": partial(unit_torch, wrong="linear"),
        "relu-between-missing numpy": partial(unit_numpy, wrong="linear"),
        "shrunk-at-the-end": partial(unit_torch, wrong="late"),
        "shrunk-before": partial(unit_torch, wrong="before"),
        "not-padded": partial(unit_torch, wrong="no zeros"),
        "bilinear": partial(unit_torch, wrong="smooth"),
        "bilinear to fit": partial(unit_torch, wrong="smooth fit"),
        "bilinear from corner to corner": partial(unit_torch, wrong="corners"),
        "zeros-between": partial(unit_torch, wrong="nails"),
        "repeated-as-a-whole": partial(unit_torch, wrong="tiled"),
        "stretched-to-fit": partial(unit_torch, wrong="fit"),
        "cut-at-the-start": partial(unit_torch, wrong="end"),
        **several("first-picture-only", *first_only(unit_torch)),
        **several("left-flat", *laid_out(unit_torch)),
    },
    "boundary_loss": {
        "diagonals-counted": partial(loss_torch, wrong="square"),
        "diagonals-counted loops": partial(loss_loops, wrong="square"),
        "reach-ignored": partial(loss_torch, wrong="one step"),
        "reach-off-by-one": partial(loss_torch, wrong="one more"),
        "straight-lines-only": partial(loss_torch, wrong="straight"),
        "one-sided": partial(loss_torch, wrong="forward"),
        "void-is-another-label": partial(loss_torch, wrong="void is a class"),
        "void-counted": partial(loss_torch, wrong="void counted"),
        "outside-is-another-label": partial(loss_torch, wrong="outside"),
        "ignore-index-fixed": partial(loss_torch, wrong="255"),
        "not-balanced": partial(loss_torch, wrong="one mean"),
        "weights-exchanged": partial(loss_torch, wrong="larger"),
        "divided-by-the-count": partial(loss_torch, wrong="count"),
        "not-halved": partial(loss_torch, wrong="sum"),
        "not-halved loops": partial(loss_loops, wrong="sum"),
        "averaged-per-picture": partial(loss_torch, wrong="per picture"),
        "one-kind-is-nan": partial(loss_torch, wrong="nan"),
        "one-kind-is-zero": partial(loss_torch, wrong="nothing"),
        "one-kind-counts-whole": partial(loss_torch, wrong="whole"),
        "overflow": partial(loss_torch, wrong="overflow"),
        "overflow capped": partial(loss_torch, wrong="capped"),
        "sigmoid-twice": partial(loss_torch, wrong="twice"),
        "inverted": partial(loss_torch, wrong="inverted"),
    },
}
