"""Chapter 11, right and wrong: torch's functions, numpy and loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import after, altered, before, first_only, laid_out, several

F = nn.functional

# decode ------------------------------------------------------------------------------------------------------------


def decode_torch(high, early, later, reduce, depthwise, pointwise, score, *, wrong=""):
    """torch's convolutions and interpolation."""
    c = high.shape[1]

    def point(x, weight):
        return F.conv2d(x, weight[..., None, None])

    def larger(x, size, half=False, mode="bilinear"):
        align = None if mode == "nearest" else not (half or wrong == "half")
        return F.interpolate(x, size, mode=mode, align_corners=align)

    means = {"early": early, "later": later, "sum": early + later, "largest": torch.maximum(early, later)}
    low = point(means.get(wrong, (early + later) / 2), reduce)
    if wrong == "late mean":
        low = (point(early, reduce).relu() + point(later, reduce).relu()) / 2
    low = low if wrong == "no first relu" else F.relu(low)
    if wrong == "blind":
        low = low * 0
    h, w = early.shape[2:]
    picture = (2 * h - 1, 2 * w - 1)
    if wrong == "coarse":
        low, wide = low[:, :, ::4, ::4], high
    elif wrong == "times four":
        wide = F.interpolate(high, scale_factor=4, mode="bilinear", align_corners=True)[..., :h, :w]
    elif wrong == "times four half":
        wide = nn.Upsample(scale_factor=4, mode="bilinear")(high)[..., :h, :w]
    elif wrong == "not enlarged":
        wide = high
    else:
        mode = "nearest" if wrong in ("nearest", "nearest once") else "bilinear"
        wide = larger(high, (h, w), wrong == "half first", mode)
    if wrong == "no high":
        wide = wide * 0
    both = torch.cat([low, wide] if wrong == "low first" else [wide, low], 1)
    kernels = depthwise.unsqueeze(1)
    if wrong == "flipped":
        kernels = kernels.flip(2, 3)
    if wrong == "one kernel":
        kernels = kernels[:1].expand_as(kernels)
    if wrong == "mixing":
        both = both.sum(1, keepdim=True).expand_as(both)
    padding = 0 if wrong in ("unpadded", "edge") else 1
    if wrong == "edge":
        both = F.pad(both, (1, 1, 1, 1), mode="replicate")
    seen = F.conv2d(both, kernels, padding=padding, groups=c + len(reduce))
    seen = seen if wrong in ("no middle relu", "no relus") else seen.relu()
    seen = point(seen, pointwise)
    scores = point(seen if wrong in ("no last relu", "no relus") else seen.relu(), score)
    if wrong == "relu":
        scores = scores.relu()
    if wrong == "in place":
        high.zero_()
    if wrong == "small":
        return scores
    if wrong == "softmax":
        scores = scores.softmax(1)
    if wrong in ("twice", "twice half"):
        picture = (2 * h, 2 * w)
    mode = "nearest" if wrong in ("nearest", "nearest last") else "bilinear"
    out = larger(scores, picture, wrong in ("half last", "twice half"), mode)
    return {"labels": out.argmax(1), "one": out[:1], "last": out.movedim(1, -1)}.get(wrong, out)


def decode_matrices(high, early, later, reduce, depthwise, pointwise, score):
    """Interpolation as a matrix for each axis; shifted products for the kernels."""

    def hats(few, many):
        at = torch.linspace(0, few - 1, many, dtype=high.dtype)
        return (1 - (at[:, None] - torch.arange(few, dtype=high.dtype)).abs()).clamp(min=0)  # many, few

    def enlarge(x, h, w):
        return torch.einsum("ncij,hi,wj->nchw", x, hats(x.shape[2], h), hats(x.shape[3], w))

    h, w = early.shape[2:]
    low = torch.einsum("rd,ndhw->nrhw", reduce, 0.5 * early + 0.5 * later).clamp(min=0)
    both = torch.hstack([enlarge(high, h, w), low])
    wide = F.pad(both, (1, 1, 1, 1))
    seen = torch.zeros_like(both)
    for u in range(3):
        for v in range(3):
            seen += depthwise[:, u, v, None, None] * wide[:, :, u : u + h, v : v + w]
    seen = torch.einsum("pc,nchw->nphw", pointwise, seen.clamp(min=0)).clamp(min=0)
    return torch.einsum("kp,nphw->nkhw", score, enlarge(seen, 2 * h - 1, 2 * w - 1))  # scores are linear: order is free


def decode_numpy(high, early, later, reduce, depthwise, pointwise, score):
    """One picture at a time; interpolation along one axis after the other."""

    def enlarge(x, size):
        for axis, many in zip((1, 2), size, strict=True):
            few = x.shape[axis]
            at = np.arange(many) * ((few - 1) / (many - 1) if many > 1 else 0)
            below = np.minimum(np.floor(at + 1e-9).astype(int), few - 1)
            above = np.minimum(below + 1, few - 1)
            share = (at - below).reshape((-1, 1) if axis == 1 else (1, -1))
            x = np.take(x, below, axis) * (1 - share) + np.take(x, above, axis) * share
        return x

    arrays = [a.numpy() for a in (reduce, depthwise, pointwise, score)]
    out = []
    for one in range(len(high)):
        low = np.tensordot(arrays[0], (early[one].numpy() + later[one].numpy()) / 2, 1)
        low = np.maximum(low, 0)
        both = np.concatenate([enlarge(high[one].numpy(), low.shape[1:]), low])
        views = np.lib.stride_tricks.sliding_window_view(np.pad(both, ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2))
        seen = np.maximum(np.einsum("chwuv,cuv->chw", views, arrays[1]), 0)
        scores = np.tensordot(arrays[3], np.maximum(np.tensordot(arrays[2], seen, 1), 0), 1)
        out.append(enlarge(scores, [2 * n - 1 for n in low.shape[1:]]))
    return np.stack(out).astype(arrays[0].dtype)


# xception_block ----------------------------------------------------------------------------------------------------


def block_torch(x, convs, shortcut, stride, rate, between, *, wrong=""):
    """torch's convolutions in a loop."""
    between = {"always": True, "never": False, "inverted": not between}.get(wrong, between)
    rate = 1 if wrong == "no rate" else rate
    stride = 1 if wrong == "no stride" else stride
    y, made = x, []
    for place, (depthwise, pointwise) in enumerate(convs):
        last = place == len(convs) - 1
        if not (wrong in ("no relu", "after") or (wrong == "no first" and not place)):
            y = F.relu(y)
        step = stride if last else 1
        if wrong == "pool":
            step = 1
        if wrong == "first":
            step = 1 if place else stride
        if wrong == "every":
            step = stride
        if wrong == "flipped":
            depthwise = depthwise.flip(1, 2)
        if wrong == "one kernel":
            depthwise = depthwise[:1].expand_as(depthwise)
        r = 1 if (wrong == "last rate" and not last) or (wrong == "first rate" and place) else rate
        if wrong == "mixing":
            y = y.sum(1, keepdim=True).expand_as(y)
        padding = 1 if wrong == "padding" else r
        if wrong == "edge":
            y, padding = F.pad(y, (r,) * 4, mode="replicate"), 0
        y = F.conv2d(y, depthwise[:, None], None, step, padding, r, len(depthwise))
        y = F.relu(y) if between else y
        y = F.conv2d(y, pointwise[:, :, None, None])
        y = F.relu(y) if wrong == "after" else y
        made.append(y)
    if wrong == "pool" and stride > 1:
        y = F.max_pool2d(y, 3, stride, 1)
    past = x.relu() if wrong == "rectified" else x
    if shortcut is not None and wrong != "as it is":
        if wrong == "average" and stride > 1:
            past = F.conv2d(F.avg_pool2d(past, stride, ceil_mode=True), shortcut[:, :, None, None])
        else:
            past = F.conv2d(past, shortcut[:, :, None, None], stride=1 if wrong == "full size" else stride)
    if wrong == "as it is":
        past = past[:, :, ::stride, ::stride]
    total = y if wrong == "alone" or (wrong == "no identity" and shortcut is None) else y + past
    if wrong == "relu":
        total = total.relu()
    low = {"first made": made[0], "sum": total, "rectified low": made[1].relu()}.get(wrong, made[1])
    if wrong == "last made":
        low = made[-1]
    if wrong == "exchanged":
        return total, low
    if wrong == "one":
        return low[:1], total[:1]
    return (low.flatten(2), total.flatten(2)) if wrong == "flat" else (low, total)


def block_in_place(x, convs, shortcut, stride, rate, between):
    """The ReLU before the first convolution changes x, and so does that before the third the low-level map."""
    y, low = x, None
    for place, (depthwise, pointwise) in enumerate(convs):
        step = stride if place == len(convs) - 1 else 1
        y = F.conv2d(F.relu(y, inplace=True), depthwise[:, None], None, step, rate, rate, len(depthwise))
        y = F.conv2d(y.relu() if between else y, pointwise[:, :, None, None])
        low = y if place == 1 else low
    return low, y + (x if shortcut is None else F.conv2d(x, shortcut[:, :, None, None], stride=stride))


def block_pointwise_first(x, convs, shortcut, stride, rate, between):
    y, made = x, []
    for place, (depthwise, pointwise) in enumerate(convs):
        y = F.conv2d(y.relu(), pointwise[:, :, None, None])
        y = y.relu() if between else y
        step = stride if place == len(convs) - 1 else 1
        y = F.conv2d(y, depthwise[:, None], None, step, rate, rate, len(depthwise))
        made.append(y)
    return made[1], y + (x if shortcut is None else F.conv2d(x, shortcut[:, :, None, None], stride=stride))


def block_low_in_place(x, convs, *rest):
    low, out = block_torch(x, convs, *rest)
    return (low.relu_() if len(convs) == 3 else low), out


def both(change):
    return lambda results: tuple(change(result) for result in results)


def block_own_copy(x, *rest):
    return block_in_place(x.clone(), *rest)


def block_einsum(x, convs, shortcut, stride, rate, between):
    """Kernels as shifted products."""

    def alone(y, kernels, step):
        h, w = y.shape[2:]
        wide = F.pad(y, (rate,) * 4)
        return sum(
            kernels[:, u, v, None, None]
            * wide[:, :, u * rate : u * rate + h : step, v * rate : v * rate + w : step]
            for u in range(3) for v in range(3)
        )  # fmt: skip

    made = [x]
    for place, (kernels, weights) in enumerate(convs):
        y = alone(made[-1].clamp(min=0), kernels, stride if place + 1 == len(convs) else 1)
        y = y.clamp(min=0) if between else y
        made.append(torch.einsum("oc,nchw->nohw", weights, y))
    small = x[..., ::stride, ::stride]
    past = small if shortcut is None else torch.einsum("oc,nchw->nohw", shortcut, small)
    return [made[2], made[-1] + past]


def block_numpy(x, convs, shortcut, stride, rate, between):
    """Computed everywhere, and every stride-th cell kept."""

    def conv(y, kernels):
        wide = np.pad(y, ((0, 0), (0, 0), (rate, rate), (rate, rate)))
        views = np.lib.stride_tricks.sliding_window_view(wide, (2 * rate + 1, 2 * rate + 1), (2, 3))
        return np.einsum("nchwuv,cuv->nchw", views[..., ::rate, ::rate], kernels.numpy())

    y, low = x.numpy(), None
    for place, (kernels, weights) in enumerate(convs):
        y = conv(np.maximum(y, 0), kernels)
        y = np.maximum(y, 0) if between else y
        if place + 1 == len(convs):
            y = y[:, :, ::stride, ::stride]
        y = np.einsum("oc,nchw->nohw", weights.numpy(), y)
        low = y if place == 1 else low
    past = x.numpy()[:, :, ::stride, ::stride]
    return low, y + (past if shortcut is None else np.einsum("oc,nchw->nohw", shortcut.numpy(), past))


def block_modules(x, convs, shortcut, stride, rate, between):
    """nn.Conv2d, filled with the weights."""
    layers = []
    for place, (depthwise, pointwise) in enumerate(convs):
        o, c = pointwise.shape
        step = stride if place == len(convs) - 1 else 1
        first = nn.Conv2d(c, c, 3, step, rate, rate, groups=c, bias=False, dtype=x.dtype)
        second = nn.Conv2d(c, o, 1, bias=False, dtype=x.dtype)
        first.weight.data, second.weight.data = depthwise[:, None], pointwise[:, :, None, None]
        layers.append(nn.Sequential(nn.ReLU(), first, nn.ReLU() if between else nn.Identity(), second))
    with torch.no_grad():
        low = layers[1](layers[0](x))
        y = low
        for layer in layers[2:]:
            y = layer(y)
        if shortcut is None:
            return low, x + y
        return low, y + F.conv2d(x, shortcut[:, :, None, None], stride=stride)


# dial_shift --------------------------------------------------------------------------------------------------------


def dial_loops(size, trained, tested, align_corners, *, wrong=""):
    """Cell by cell."""
    if wrong == "inverted":
        align_corners = not align_corners
    if wrong == "always":
        align_corners = True

    def shown(place, stride):
        cells = math.ceil(size / stride)
        if wrong == "down":
            cells = size // stride
        if wrong == "fraction":
            cells = size / stride
        i = place / stride
        if wrong == "whole" and stride == trained:
            i = place // stride
        if align_corners:
            few, many = {
                "corners": (size, cells), "corner of cells": (size - 1, cells), "corner of pixels": (size, cells - 1),
            }.get(wrong, (size - 1, cells - 1))  # fmt: skip
            return i * few / many
        if wrong == "no half":
            return i * size / cells
        if wrong == "stride":
            return (i + 0.5) * stride - 0.5
        return (i + 0.5) * size / cells - 0.5

    out = []
    step = trained if wrong == "trained cells" else 1 if wrong == "pixels" else tested
    for place in range(0, size, step):
        there, here = shown(place, tested), shown(place, trained)
        value = there - here
        if wrong == "sign":
            value = here - there
        if wrong == "lost":
            value = abs(value)
        if wrong == "pixel":
            value = there - place
        if wrong == "cells":
            value = value / tested
        if wrong == "trained's cells":
            value = value / trained
        out.append({"places": there, "places before": here}.get(wrong, value))
    if wrong == "mean":
        return sum(out) / len(out)
    return out[:-1] if wrong == "short" else out


def dial_interpolated(size, trained, tested, align_corners):
    """What torch shows of a ramp, inverted: the value i is shown where interpolation gives i."""

    def scale(stride):
        n = -(-size // stride)
        ramp = torch.arange(float(n), dtype=torch.float64)[None, None]
        fine = F.interpolate(ramp, 64 * size, mode="linear", align_corners=True)[0, 0]
        assert math.isclose(float(fine[-1]), n - 1)
        return (size - 1) / (n - 1) if align_corners else size / n

    c = torch.arange(0, size, tested, dtype=torch.float64)
    there, here = scale(tested), scale(trained)
    half = 0.0 if align_corners else 0.5 * (there - here)
    return c / tested * there - c / trained * here + half


def dial_numpy(size, trained, tested, align_corners):
    """A straight line through two places for each stride."""
    c = np.arange(0, size, tested)
    lines = []
    for stride in (tested, trained):
        n = int(np.ceil(size / stride))
        first, last = (0, size - 1) if align_corners else (size / n / 2 - 0.5, size - size / n / 2 - 0.5)
        lines.append(first + (last - first) * (c / stride) / (n - 1))
    return lines[0] - lines[1]


RIGHT = {
    "decode": {"torch": decode_torch, "matrices": decode_matrices, "numpy": decode_numpy},
    "xception_block": {
        "torch": block_torch,
        "einsum": block_einsum,
        "numpy": block_numpy,
        "modules": block_modules,
    },
    "dial_shift": {"loops": dial_loops, "tensors": dial_interpolated, "numpy": dial_numpy},
}

WRONG = {
    "decode": {
        "early-only": partial(decode_torch, wrong="early"),
        "later-only": partial(decode_torch, wrong="later"),
        "not-the-mean": partial(decode_torch, wrong="sum"),
        "not-the-mean maximum": partial(decode_torch, wrong="largest"),
        "averaged-too-late": partial(decode_torch, wrong="late mean"),
        "reduce-relu-missing": partial(decode_torch, wrong="no first relu"),
        "low-level-missing": partial(decode_torch, wrong="blind"),
        "high-level-missing": partial(decode_torch, wrong="no high"),
        "low-first": partial(decode_torch, wrong="low first"),
        "decoded-coarse": partial(decode_torch, wrong="coarse"),
        "half-pixel": partial(decode_torch, wrong="half"),
        "half-pixel-once": partial(decode_torch, wrong="half first"),
        "half-pixel-once last": partial(decode_torch, wrong="half last"),
        "not-bilinear": partial(decode_torch, wrong="nearest"),
        "not-bilinear once": partial(decode_torch, wrong="nearest once"),
        "between-relu-missing": partial(decode_torch, wrong="no middle relu"),
        "after-relu-missing": partial(decode_torch, wrong="no last relu"),
        "both-relus-missing": partial(decode_torch, wrong="no relus"),
        "relu-on-the-scores": partial(decode_torch, wrong="relu"),
        "probabilities": partial(decode_torch, wrong="softmax"),
        "labels": partial(decode_torch, wrong="labels"),
        "not-enlarged": partial(decode_torch, wrong="small"),
        "twice-as-large": partial(decode_torch, wrong="twice"),
        "not-padded": partial(decode_torch, wrong="unpadded"),
        "border-not-zero": partial(decode_torch, wrong="edge"),
        "kernel-flipped": partial(decode_torch, wrong="flipped"),
        "kernel-of-another-channel": partial(decode_torch, wrong="one kernel"),
        "channels-not-alone": partial(decode_torch, wrong="mixing"),
        "four-times-and-cut": partial(decode_torch, wrong="times four"),
        "pyramid-not-enlarged": partial(decode_torch, wrong="not enlarged"),
        "first-picture-only": partial(decode_torch, wrong="one"),
        "left-flat": partial(decode_torch, wrong="last"),
        "input-changed": partial(decode_torch, wrong="in place"),
        "not-bilinear last": partial(decode_torch, wrong="nearest last"),
        "four-times-and-cut half-pixel": partial(decode_torch, wrong="times four half"),
        **several("relu-on-the-scores", *after(decode_torch, F.relu)),
        **several("probabilities", *after(decode_torch, lambda out: out.exp() / out.exp().sum(1, keepdim=True))),
        "twice-as-large half-pixel": partial(decode_torch, wrong="twice half"),
        **several("kernel-flipped", *altered(decode_torch, 4, lambda d: d.transpose(1, 2))),
        **several("kernel-of-another-channel", *altered(decode_torch, 4, lambda d: torch.stack(list(d)[::-1]))),
        **several("first-picture-only", *first_only(decode_torch)[1:]),
        **several("left-flat", *laid_out(decode_torch)),
    },
    "xception_block": {
        "shortcut-rectified": partial(block_torch, wrong="rectified"),
        "shortcut-rectified in place": block_own_copy,
        "shortcut-missing": partial(block_torch, wrong="alone"),
        "shortcut-needed": lambda *a: (a[2].shape, block_torch(*a))[1],
        "shortcut-missing identity": partial(block_torch, wrong="no identity"),
        "shortcut-weights-ignored": partial(block_torch, wrong="as it is"),
        "shortcut-does-not-stride": partial(block_torch, wrong="full size"),
        "shortcut-averaged": partial(block_torch, wrong="average"),
        "relu-after-each-convolution": partial(block_torch, wrong="after"),
        "relu-missing": partial(block_torch, wrong="no relu"),
        "first-relu-missing": partial(block_torch, wrong="no first"),
        "relu-after-the-sum": partial(block_torch, wrong="relu"),
        "relu-between-always": partial(block_torch, wrong="always"),
        "relu-between-never": partial(block_torch, wrong="never"),
        "relu-between-inverted": partial(block_torch, wrong="inverted"),
        "first-convolution-strides": partial(block_torch, wrong="first"),
        "every-convolution-strides": partial(block_torch, wrong="every"),
        "pooled": partial(block_torch, wrong="pool"),
        "stride-ignored": partial(block_torch, wrong="no stride"),
        "rate-ignored": partial(block_torch, wrong="no rate"),
        "rate-in-one-convolution": partial(block_torch, wrong="last rate"),
        "padding-not-the-rate": partial(block_torch, wrong="padding"),
        "border-not-zero": partial(block_torch, wrong="edge"),
        "kernel-flipped": partial(block_torch, wrong="flipped"),
        "kernel-of-another-channel": partial(block_torch, wrong="one kernel"),
        "channels-not-alone": partial(block_torch, wrong="mixing"),
        "low-rectified": partial(block_torch, wrong="rectified low"),
        "low-from-another-convolution": partial(block_torch, wrong="first made"),
        "low-from-another-convolution last": partial(block_torch, wrong="last made"),
        "low-is-the-sum": partial(block_torch, wrong="sum"),
        "results-exchanged": partial(block_torch, wrong="exchanged"),
        "first-picture-only": partial(block_torch, wrong="one"),
        "left-flat": partial(block_torch, wrong="flat"),
        "pointwise-first": block_pointwise_first,
        "rate-in-one-convolution first": partial(block_torch, wrong="first rate"),
        **several("kernel-flipped", *altered(block_torch, 1, lambda convs: [(d.transpose(1, 2), p) for d, p in convs])),
        **several(
            "kernel-of-another-channel", *altered(block_torch, 1, lambda convs: [(d.flip(0), p) for d, p in convs])
        ),
        "low-rectified in place": block_low_in_place,
        **several(
            "first-picture-only",
            *after(block_torch, both(lambda y: torch.cat([y[:1], 0 * y[1:]]))),
        ),
        **several("left-flat", *after(block_torch, both(lambda y: y.transpose(2, 3)))),
    },
    "dial_shift": {
        "align-corners-ignored": partial(dial_loops, wrong="always"),
        "align-corners-inverted": partial(dial_loops, wrong="inverted"),
        "strides-exchanged": partial(dial_loops, wrong="sign"),
        "sign-lost": partial(dial_loops, wrong="lost"),
        "trained-ignored": partial(dial_loops, wrong="pixel"),
        "cells-rounded-down": partial(dial_loops, wrong="down"),
        "cells-not-rounded": partial(dial_loops, wrong="fraction"),
        "half-pixel-missing": partial(dial_loops, wrong="no half"),
        "corners-not-reached": partial(dial_loops, wrong="corners"),
        "scale-is-the-stride": lambda size, a, b, align: [
            0.0 if align else v for v in dial_loops(size, a, b, align, wrong="stride")
        ],
        "trained-cells-only": partial(dial_loops, wrong="whole"),
        "cells-of-trained": partial(dial_loops, wrong="trained cells"),
        "pixels-not-cells": partial(dial_loops, wrong="pixels"),
        "in-cells": partial(dial_loops, wrong="cells"),
        "places-not-shifts": partial(dial_loops, wrong="places"),
        "averaged": partial(dial_loops, wrong="mean"),
        "cell-left-out": partial(dial_loops, wrong="short"),
        **several("align-corners-ignored", *altered(dial_loops, 3, lambda align: False)),
        **several("strides-exchanged", *before(dial_loops, lambda size, a, b, align: (size, b, a, align))),
        "corners-not-reached of cells": partial(dial_loops, wrong="corner of cells"),
        "corners-not-reached of pixels": partial(dial_loops, wrong="corner of pixels"),
        "in-cells of trained": partial(dial_loops, wrong="trained's cells"),
        "places-not-shifts before": partial(dial_loops, wrong="places before"),
        **several("cell-left-out", *after(dial_loops, lambda out: out[1:])),
    },
}
