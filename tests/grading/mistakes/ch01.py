"""Chapter 01, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

# confusion_matrix --------------------------------------------------------------------------------------------------


def matrix_loops(prediction, target, num_classes, ignore_index=255, *, wrong=""):
    size = num_classes
    if wrong == "too small":
        valid = target != ignore_index
        size = int(torch.cat([prediction[valid], target[valid], torch.zeros(1, dtype=target.dtype)]).max()) + 1
    matrix = [[0] * size for _ in range(size)]
    if wrong == "first" and prediction.ndim == 3:
        prediction, target = prediction[0], target[0]
    for p, t in zip(prediction.reshape(-1).tolist(), target.reshape(-1).tolist(), strict=True):
        if wrong == "void as last":
            t = num_classes - 1 if t == ignore_index else t
        elif wrong == "fixed 255":
            if t == 255:
                continue
        elif wrong == "no void":
            pass
        elif t == ignore_index:
            continue
        if wrong == "background" and t == 0:
            continue
        if wrong == "diagonal" and p != t:
            continue
        if wrong == "transposed":
            matrix[p][t] += 1
        elif wrong == "once":
            matrix[t][p] = 1
        else:
            matrix[t][p] += 1
    result = torch.tensor(matrix)
    return result / result.sum() if wrong == "shares" else result


def matrix_numpy(prediction, target, num_classes, ignore_index=255):
    out = np.zeros((num_classes, num_classes), dtype=np.int32)
    p, t = np.asarray(prediction), np.asarray(target)
    keep = t != ignore_index
    np.add.at(out, (t[keep], p[keep]), 1)
    return out


def matrix_one_hot(prediction, target, num_classes, ignore_index=255):
    keep = (target != ignore_index).reshape(-1)
    p = torch.nn.functional.one_hot(prediction.reshape(-1).long()[keep], num_classes).double()
    t = torch.nn.functional.one_hot(target.reshape(-1).long()[keep], num_classes).double()
    return torch.einsum("ni,nj->ij", t, p)


def matrix_changes_target(prediction, target, num_classes, ignore_index=255):
    keep = target != ignore_index
    target[~keep] = 0
    out = torch.zeros(num_classes, num_classes, dtype=torch.long)
    for i in range(num_classes):
        for j in range(num_classes):
            out[i, j] = ((target == i) & (prediction == j) & keep).sum()
    return out


def matrix_float(prediction, target, num_classes, ignore_index=255):
    return torch.as_tensor(matrix_loops(prediction, target, num_classes, ignore_index)).float()


def matrix_uint8(prediction, target, num_classes, ignore_index=255):
    keep = target != ignore_index
    code = (num_classes * target + prediction)[keep]
    return torch.tensor([[(code == num_classes * i + j).sum() for j in range(num_classes)] for i in range(num_classes)])


def matrix_bytes(prediction, target, num_classes, ignore_index=255):
    """The pairs counted at once, in the type of the labels."""
    code = (num_classes * target + prediction)[target != ignore_index]
    return torch.bincount(code, minlength=num_classes**2)[: num_classes**2].view(num_classes, num_classes)


def matrix_of(prediction, target, num_classes, ignore_index, *, kept=None, void=None):
    """Some pixels left out, or void given another label."""
    prediction, target = prediction.long(), target.long()
    if void is not None:
        target = torch.where(target == ignore_index, void(target, num_classes), target)
        ignore_index = -1
    kept = target == target if kept is None else kept(prediction, target)
    return matrix_numpy(prediction[kept], target[kept], num_classes, ignore_index)


def matrix_shares(*args, axis=None, safe=False):
    counts = matrix_numpy(*args)
    below = counts.sum(axis, keepdims=True)
    with np.errstate(all="ignore"):
        return counts / (np.maximum(below, 1) if safe else below)


# One number from the matrix ----------------------------------------------------------------------------------------


def accuracy_loops(matrix, *, wrong=""):
    rows = matrix.tolist()
    k = len(rows)
    if wrong == "mean":
        rates = [rows[i][i] / sum(rows[i]) for i in range(k) if sum(rows[i])]
        return sum(rates) / len(rates)
    if wrong == "precision":
        rates = [rows[i][i] / sum(r[i] for r in rows) for i in range(k) if sum(r[i] for r in rows)]
        return sum(rates) / len(rates)
    if wrong == "iou":
        unions = [sum(rows[i]) + sum(r[i] for r in rows) - rows[i][i] for i in range(k)]
        rates = [rows[i][i] / unions[i] for i in range(k) if unions[i]]
        return sum(rates) / len(rates)
    first = 1 if wrong == "background" else 0
    right = sum(rows[i][i] for i in range(first, k))
    total = sum(map(sum, rows))
    if wrong == "error":
        return (total - right) / total
    if wrong == "percent":
        return 100.0 * right / total
    if wrong == "whole":
        return right // total
    if wrong == "places":
        return right / (k * k)
    if wrong == "odds":
        return right / (total - right)
    if wrong == "two":
        return (rows[0][0] + rows[1][1]) / total
    if wrong == "other diagonal":
        return sum(rows[i][k - 1 - i] for i in range(k)) / total
    if wrong == "count":
        return right
    return right / total


def rates_averaged(matrix, *, of, absent):
    """A rate for each class, averaged: absent classes are NaN, or 0."""
    m = matrix.double()
    below = {"true": m.sum(1), "claimed": m.sum(0), "both": m.sum(1) + m.sum(0)}.get(of, m.sum(1) + m.sum(0) - m.diag())
    rates = m.diag() * (2 if of == "both" else 1) / below
    return rates.nan_to_num(absent).sum() / len(rates)


def averaged(code, of):
    return {f"{code} absent {absent}": partial(rates_averaged, of=of, absent=absent) for absent in (float("nan"), 0.0)}


def accuracy_numpy(matrix):
    m = matrix.numpy()
    return np.trace(m) / m.sum()


def accuracy_shares(matrix):
    return torch.einsum("ii->", matrix / matrix.sum())


def accuracy_in_place(matrix):
    total = matrix.sum().item()
    right = matrix.diagonal().sum().item()
    matrix.fill_diagonal_(0)
    return right / total


def fw_loops(matrix, *, wrong=""):
    m = matrix.double().numpy() if wrong != "int32" else matrix.to(torch.int32).numpy()
    true, claimed, hit = m.sum(1), m.sum(0), np.diag(m)
    total = 0.0
    for i in range(len(m)):
        union = true[i] + claimed[i] - hit[i]
        if wrong == "nan":
            total += true[i] * np.float64(hit[i]) / union
            continue
        if union == 0 or (wrong == "background" and i == 0):
            continue
        below = {"twice": true[i] + claimed[i], "recall": true[i], "precision": claimed[i]}.get(wrong, union)
        part = hit[i] / below if below else 0.0
        part = 2 * hit[i] / (true[i] + claimed[i]) if wrong == "dice" else part
        weight = {"claimed": claimed[i], "union": union, "mean": 1.0}.get(wrong, true[i])
        weight = (1 / true[i] if true[i] else 0.0) if wrong == "inverse" else weight
        total += weight * part
    if wrong == "sum":
        return total
    if wrong == "union":
        return total / (true + claimed - hit).sum()
    if wrong == "inverse":
        return total / sum(1 / t for t in true if t)
    if wrong == "mean":
        return total / sum(true[i] + claimed[i] > 0 for i in range(len(m)))
    return total / m.sum() * (100 if wrong == "percent" else 1)


def fw_torch(matrix):
    m = matrix.double()
    t = m.sum(dim=1)
    iou = torch.nan_to_num(m.diagonal() / (t + m.sum(dim=0) - m.diagonal()))
    return (t / t.sum()) @ iou


def fw_inverse(matrix):
    m = matrix.double()
    weights = 1 / m.sum(1)
    return weights @ torch.nan_to_num(m.diag() / (m.sum(1) + m.sum(0) - m.diag())) / weights.sum()


def fw_from_class_1(matrix):
    """Class 0 is left out of the sum and of the frequencies, and stays in the unions."""
    m = matrix.double()
    t = m.sum(1)[1:]
    iou = m.diag() / (m.sum(1) + m.sum(0) - m.diag())
    return t @ torch.nan_to_num(iou[1:]) / t.sum()


def fw_float32(matrix):
    shares = matrix.float() / matrix.float().sum()
    t = shares.sum(1)
    union = t + shares.sum(0) - shares.diag()
    seen = union > 0
    return float((t[seen] * shares.diag()[seen] / union[seen]).sum())


def dice_loops(matrix, *, wrong=""):
    rows = matrix.tolist()
    scores = []
    for i in range(1 if wrong == "background" else 0, len(rows)):
        true, claimed, hit = sum(rows[i]), sum(r[i] for r in rows), rows[i][i]
        if true + claimed == 0:
            scores.append({"zero": 0.0, "one": 1.0, "one more below": 0.0}.get(wrong, float("nan")))
            if wrong == "smooth":
                scores[-1] = 1.0
            continue
        below = {"iou": true + claimed - hit, "union": true + claimed - hit}.get(wrong, true + claimed)
        above = hit if wrong in ("iou", "half") else 2 * hit
        if wrong == "recall":
            above, below = hit, true
        if wrong == "precision":
            above, below = hit, claimed
        below = {"twice recall": true, "twice precision": claimed, "one more below": below + 1}.get(wrong, below)
        if wrong == "all":
            below = sum(map(sum, rows))
        if wrong == "smooth":
            above, below = above + 1, below + 1
        scores.append(above / below if below else float("nan"))
    if wrong == "mean":
        return float(np.nanmean(scores))
    return torch.tensor(scores, dtype=torch.float64)


def dice_numpy(matrix):
    m = matrix.numpy().astype(float)
    sizes = m.sum(0) + m.sum(1)
    return np.divide(2 * m.diagonal(), sizes, out=np.full(len(m), np.nan), where=sizes > 0)


def dice_from_iou(matrix):
    m = matrix.float()
    iou = m.diag() / (m.sum(0) + m.sum(1) - m.diag())
    return 2 * iou / (1 + iou)


# mean_iou ----------------------------------------------------------------------------------------------------------


def iou_sets(pairs, num_classes, ignore_index=255, *, wrong=""):
    """Intersections and unions counted class by class, without a matrix."""
    inter, union, true, claimed = (np.zeros(num_classes) for _ in range(4))
    per_picture, under_void = [], np.zeros(num_classes, bool)
    for prediction, target in pairs:
        if wrong in ("per picture", "last"):
            inter, union, true, claimed = (np.zeros(num_classes) for _ in range(4))
        p, t = np.asarray(prediction), np.asarray(target)
        void = t == (255 if wrong == "fixed" else ignore_index)
        for c in range(num_classes):
            a, b = p == c, t == c
            under_void[c] |= (a & void).any()
            if wrong == "void as 0" and c == 0:
                b = b | void
            elif wrong == "void in union":
                b = b & ~void
            elif wrong != "void as 0":
                a, b = a & ~void, b & ~void
            inter[c] += (a & b).sum()
            union[c] += (a | b).sum() + ((a & b).sum() if wrong == "twice" else 0)
            true[c] += b.sum()
            claimed[c] += a.sum()
        per_picture.append(np.nanmean(np.where(union > 0, inter / np.maximum(union, 1), np.nan)))
        if wrong == "first":
            break
    if wrong == "per picture":
        return float(np.mean(per_picture))
    if wrong == "dice":
        inter, union = 2 * inter, true + claimed
    if wrong == "recall":
        union = true
    if wrong == "accuracy":
        return inter.sum() / true.sum()
    seen = {"only true": true > 0, "only claimed": claimed > 0}.get(wrong, union > 0)
    if wrong == "background":
        seen[0] = False
    if wrong == "void occurs":
        seen, union = seen | under_void, np.maximum(union, 1)
    with np.errstate(all="ignore"):
        iou = inter / union
    if wrong == "all":
        return iou
    if wrong == "nan":
        return float(iou.mean())
    if wrong == "zero":
        return float(np.nan_to_num(iou).mean())
    if wrong == "one":
        return float(np.nan_to_num(iou, nan=1.0).mean())
    if wrong == "epsilon":
        return float((inter / (union + 1e-9)).mean())
    return float(iou[seen].mean()) * (100 if wrong == "percent" else 1)


def iou_torch(pairs, num_classes, ignore_index=255, *, wrong=""):
    m = torch.zeros(num_classes, num_classes)
    for p, t in pairs:
        keep = t != ignore_index
        rows = t[keep] if wrong == "bytes" else t[keep].long()
        m += torch.bincount(rows * num_classes + p[keep], minlength=num_classes**2).view(num_classes, num_classes)
    inter = m.diag()
    union = m.sum(0) + m.sum(1) - inter
    return (inter[union > 0] / union[union > 0]).mean()


def iou_void_as(pairs, num_classes, ignore_index, *, label, also_claimed=False, rows=0):
    """Void becomes a class: one of the known, or one more."""
    changed = []
    for p, t in pairs:
        void = t.long() == ignore_index
        p = torch.where(void, label, p.long()) if also_claimed else p.long()
        changed.append((p, torch.where(void, label, t.long())))
    return iou_torch(changed, num_classes + rows, -1)


def iou_pictures_zero(pairs, num_classes, ignore_index):
    """A score for each picture, to which a class that is not in it brings 0."""
    return np.mean([iou_sets([pair], num_classes, ignore_index, wrong="zero") for pair in pairs])


def iou_remembers(pairs, num_classes, ignore_index=255, seen=[]):  # noqa: B006  (the mistake)
    seen.extend(pair for pair in pairs if int(pair[1][pair[1] != ignore_index].max()) < num_classes)
    usable = [pair for pair in seen if int(torch.where(pair[1] == 255, 0, pair[1]).max()) < num_classes]
    usable = [pair for pair in usable if int(pair[0].max()) < num_classes]
    return iou_torch(usable, num_classes, ignore_index)


# boundary_mask -----------------------------------------------------------------------------------------------------


def boundary_loops(mask, width, *, wrong=""):
    h, w = mask.shape
    m = mask.tolist()
    width += {"thick": 1, "thin": -1}.get(wrong, 0)
    if wrong == "one":
        width = 1
    if wrong == "kernel":
        width = width // 2
    out = [[False] * w for _ in range(h)]
    for y in range(h):
        for x in range(w):
            near = False
            for dy in range(-width, width + 1):
                for dx in range(-width, width + 1):
                    if wrong == "cross" and abs(dy) + abs(dx) > width:
                        continue
                    if (wrong == "rows" and dx) or (wrong == "columns" and dy):
                        continue
                    v, u = y + dy, x + dx
                    if wrong == "wrap":
                        v, u = v % h, u % w
                    inside = 0 <= v < h and 0 <= u < w
                    if not inside and wrong in ("edge", "outer"):
                        continue
                    other = inside and m[v][u]
                    near = near or (other if (wrong == "outer" or (wrong == "both" and not m[y][x])) else not other)
            own = not m[y][x] if wrong == "outer" else m[y][x] or wrong == "both"
            out[y][x] = bool(own and near) if wrong != "inside" else bool(m[y][x] and not near)
            out[y][x] = not out[y][x] if wrong == "inverted" else out[y][x]
    return torch.tensor(out)


def boundary_slices(mask, width):
    """Erosion by one pixel, `width` times, with numpy slices; the result in 0 and 1."""
    inside = np.asarray(mask).astype(np.uint8)
    for _ in range(width):
        padded = np.pad(inside, 1)
        inside = np.min(
            [padded[i : i + inside.shape[0], j : j + inside.shape[1]] for i in range(3) for j in range(3)], 0
        )
    return np.asarray(mask).astype(np.uint8) - inside


def boundary_sum(mask, width):
    """A pixel is inside when its whole window is full: counted with cumulative sums."""
    k = 2 * width + 1
    padded = torch.nn.functional.pad(mask.int(), (width + 1, width, width + 1, width)).cumsum(0).cumsum(1)
    full = padded[k:, k:] - padded[:-k, k:] - padded[k:, :-k] + padded[:-k, :-k]
    return mask & (full < k * k)


def boundary_gradient(mask, width):
    """Dilated minus eroded; the pooling ignores what lies beyond the edge."""
    m = mask[None].float()
    grown, kept = (torch.nn.functional.max_pool2d(sign * m, 2 * width + 1, 1, width) for sign in (1, -1))
    return (grown + kept)[0] > 0


def boundary_in_place(mask, width):
    result = boundary_sum(mask.clone(), width)
    mask &= ~result
    return result


RIGHT = {
    "confusion_matrix": {"loops": matrix_loops, "numpy int32": matrix_numpy, "einsum in float64": matrix_one_hot},
    "pixel_accuracy": {"loops": accuracy_loops, "numpy": accuracy_numpy, "einsum": accuracy_shares},
    "frequency_weighted_iou": {"loops": fw_loops, "torch": fw_torch, "float32": fw_float32},
    "dice": {"loops": dice_loops, "numpy": dice_numpy, "from IoU, float32": dice_from_iou},
    "mean_iou": {"sets": iou_sets, "torch": iou_torch},
    "boundary_mask": {"loops": boundary_loops, "numpy slices": boundary_slices, "cumulative sums": boundary_sum},
}

WRONG = {
    "confusion_matrix": {
        "void-by-range": lambda p, t, k, i: matrix_loops(p[t < k][None], t[t < k][None], k, -100),
        "wrong-dtype uint8": lambda *args: torch.as_tensor(matrix_loops(*args)).to(torch.uint8),
        "wrong-dtype int16": lambda *args: torch.as_tensor(matrix_loops(*args)).to(torch.int16),
        "transposed": partial(matrix_loops, wrong="transposed"),
        "void-counted": partial(matrix_loops, wrong="void as last"),
        "void-counted as 0": partial(matrix_of, void=lambda t, k: torch.zeros_like(t)),
        "void-counted clipped": partial(matrix_of, void=lambda t, k: t.clip(0, k - 1)),
        "ignore-index-fixed": partial(matrix_loops, wrong="fixed 255"),
        "void-breaks": partial(matrix_loops, wrong="no void"),
        "background-left-out": partial(matrix_loops, wrong="background"),
        "background-left-out claimed": partial(matrix_of, kept=lambda p, t: p > 0),
        "background-left-out either": partial(matrix_of, kept=lambda p, t: p * t > 0),
        "counted-once": partial(matrix_loops, wrong="once"),
        "only-agreement": partial(matrix_loops, wrong="diagonal"),
        "first-picture-only": partial(matrix_loops, wrong="first"),
        "matrix-too-small": partial(matrix_loops, wrong="too small"),
        "normalised": partial(matrix_loops, wrong="shares"),
        "normalised safely": partial(matrix_shares, safe=True),
        "normalised by rows": partial(matrix_shares, axis=1),
        "normalised by rows, safely": partial(matrix_shares, axis=1, safe=True),
        "normalised by columns": partial(matrix_shares, axis=0),
        "normalised by columns, safely": partial(matrix_shares, axis=0, safe=True),
        "uint8-overflow": matrix_uint8,
        "uint8-overflow bincount": matrix_bytes,
        "last-picture-only": lambda p, t, *args: (
            matrix_numpy(p[-1:], t[-1:], *args) if p.ndim == 3 else matrix_numpy(p, t, *args)
        ),
        "void-sought-in-prediction": lambda p, t, k, i: torch.tensor(
            [[int(((t == a) & (p == b) & (p != i)).sum()) for b in range(k)] for a in range(k)]
        ),
        "input-changed": matrix_changes_target,
        "wrong-dtype": matrix_float,
    },
    "pixel_accuracy": {
        "mean-accuracy": partial(accuracy_loops, wrong="mean"),
        "mean-precision": partial(accuracy_loops, wrong="precision"),
        "mean-iou-instead": partial(accuracy_loops, wrong="iou"),
        **averaged("mean-accuracy", "true"),
        **averaged("mean-precision", "claimed"),
        **averaged("mean-iou-instead", "union"),
        "background-left-out": partial(accuracy_loops, wrong="background"),
        "background-left-out rows and columns": lambda matrix: accuracy_loops(matrix[1:, 1:]),
        "background-left-out rows": lambda matrix: np.trace(matrix[1:, 1:]) / matrix[1:].sum(),
        "error-rate": partial(accuracy_loops, wrong="error"),
        "percent": partial(accuracy_loops, wrong="percent"),
        "whole-number-division": partial(accuracy_loops, wrong="whole"),
        "divided-by-places": partial(accuracy_loops, wrong="places"),
        "divided-by-places of the diagonal": lambda matrix: np.diag(matrix).mean(),
        "right-over-wrong": partial(accuracy_loops, wrong="odds"),
        "two-classes-only": partial(accuracy_loops, wrong="two"),
        "two-classes-only cut": lambda matrix: accuracy_shares(matrix[:2, :2]),
        "other-diagonal": partial(accuracy_loops, wrong="other diagonal"),
        "count-not-share": partial(accuracy_loops, wrong="count"),
        "int32-overflow": lambda matrix: accuracy_numpy(matrix.int()),
        "input-changed": accuracy_in_place,
    },
    "frequency_weighted_iou": {
        "unweighted": partial(fw_loops, wrong="mean"),
        **averaged("unweighted", "union"),
        "weighted-by-prediction": partial(fw_loops, wrong="claimed"),
        "weighted-by-union": partial(fw_loops, wrong="union"),
        "overlap-counted-twice": partial(fw_loops, wrong="twice"),
        "accuracy-instead": partial(fw_loops, wrong="recall"),
        "dice-instead": partial(fw_loops, wrong="dice"),
        "precision-instead": partial(fw_loops, wrong="precision"),
        "absent-class-nan": partial(fw_loops, wrong="nan"),
        "not-normalised": partial(fw_loops, wrong="sum"),
        "inverse-weights": partial(fw_loops, wrong="inverse"),
        "inverse-weights unguarded": fw_inverse,
        "background-left-out": partial(fw_loops, wrong="background"),
        "background-left-out rows and columns": lambda matrix: fw_torch(matrix[1:, 1:]),
        "background-left-out rows": fw_from_class_1,
        "percent": partial(fw_loops, wrong="percent"),
        "int32-overflow": partial(fw_loops, wrong="int32"),
    },
    "dice": {
        "iou-instead": partial(dice_loops, wrong="iou"),
        "two-forgotten": partial(dice_loops, wrong="half"),
        "absent-class-zero": partial(dice_loops, wrong="zero"),
        "absent-class-one": partial(dice_loops, wrong="one"),
        "mean-returned": partial(dice_loops, wrong="mean"),
        **averaged("mean-returned", "both"),
        "recall-instead": partial(dice_loops, wrong="recall"),
        "recall-instead twice": partial(dice_loops, wrong="twice recall"),
        "precision-instead": partial(dice_loops, wrong="precision"),
        "precision-instead twice": partial(dice_loops, wrong="twice precision"),
        "smoothed": partial(dice_loops, wrong="smooth"),
        "smoothed below": partial(dice_loops, wrong="one more below"),
        "background-left-out": partial(dice_loops, wrong="background"),
        "union-below": partial(dice_loops, wrong="union"),
        "whole-matrix": partial(dice_loops, wrong="all"),
        "whole-matrix no NaN": lambda matrix: 2 * matrix.diagonal() / matrix.sum(),
        "int32-overflow": lambda matrix: dice_loops(matrix.int()),
    },
    "mean_iou": {
        "uint8-overflow": partial(iou_torch, wrong="bytes"),
        "averaged-per-picture": partial(iou_sets, wrong="per picture"),
        "averaged-per-picture absent 0": iou_pictures_zero,
        "absent-class-zero": partial(iou_sets, wrong="epsilon"),
        "absent-class-one": partial(iou_sets, wrong="one"),
        "absent-class-nan": partial(iou_sets, wrong="nan"),
        "void-in-union": partial(iou_sets, wrong="void in union"),
        "void-occurs": partial(iou_sets, wrong="void occurs"),
        "void-counted": partial(iou_sets, wrong="void as 0"),
        "void-counted as the last": lambda pairs, k, i: iou_void_as(pairs, k, i, label=k - 1),
        "void-counted as one more": lambda pairs, k, i: iou_void_as(pairs, k, i, label=k, rows=1),
        "void-counted as one more, found": lambda q, k, i: iou_void_as(q, k, i, label=k, rows=1, also_claimed=True),
        "ignore-index-fixed": partial(iou_sets, wrong="fixed"),
        "ignore-index-fixed breaks": lambda pairs, num_classes, ignore_index: iou_torch(pairs, num_classes, 255),
        "overlap-counted-twice": partial(iou_sets, wrong="twice"),
        "dice-instead": partial(iou_sets, wrong="dice"),
        "mean-accuracy": partial(iou_sets, wrong="recall"),
        "pixel-accuracy": partial(iou_sets, wrong="accuracy"),
        "only-true-classes": partial(iou_sets, wrong="only true"),
        "only-predicted-classes": partial(iou_sets, wrong="only claimed"),
        "last-picture-only": partial(iou_sets, wrong="last"),
        "first-picture-only": partial(iou_sets, wrong="first"),
        "background-left-out": partial(iou_sets, wrong="background"),
        "percent": partial(iou_sets, wrong="percent"),
        "remembers-earlier-calls": iou_remembers,
        "prediction-and-target-exchanged": lambda pairs, *args: iou_torch([pair[::-1] for pair in pairs], *args),
        "not-averaged": partial(iou_sets, wrong="all"),
    },
    "boundary_mask": {
        "edge-not-outside": partial(boundary_loops, wrong="edge"),
        "straight-distance": lambda mask, width: mask & (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] <= width),
        "four-neighbours": partial(boundary_loops, wrong="cross"),
        "width-off-by-one": partial(boundary_loops, wrong="thick"),
        "width-off-by-one thin": partial(boundary_loops, wrong="thin"),
        "width-as-kernel": partial(boundary_loops, wrong="kernel"),
        "width-as-kernel rounded up": lambda mask, width: boundary_sum(mask, -(-width // 2)),
        "width-ignored": partial(boundary_loops, wrong="one"),
        "outer-band": partial(boundary_loops, wrong="outer"),
        "both-sides": partial(boundary_loops, wrong="both"),
        "both-sides gradient": boundary_gradient,
        "wraps-around": partial(boundary_loops, wrong="wrap"),
        "eroded-returned": partial(boundary_loops, wrong="inside"),
        "inverted": partial(boundary_loops, wrong="inverted"),
        "one-direction": partial(boundary_loops, wrong="rows"),
        "one-direction columns": partial(boundary_loops, wrong="columns"),
        "mask-returned": lambda mask, width: mask.clone(),
        "input-changed": boundary_in_place,
    },
}
