"""Chapter 13, its gates and its large kernel, right and wrong: torch's functions, numpy and loops."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import altered, first_only, laid_out, several

F = nn.functional

# gate_rows ---------------------------------------------------------------------------------------------------------


def gates_torch(x, squeeze, expand, biases, *, wrong=""):
    """1×1 convolutions of a map that is one cell wide."""
    N, C, h, w = x.shape
    seen = {
        "map": lambda: x.mean((2, 3)).reshape(N, C, 1, 1), "columns": lambda: x.mean(2).reshape(N, C, 1, w),
        "cells": lambda: x, "largest": lambda: x.max(3, keepdim=True)[0], "sum": lambda: x.sum(-1).unsqueeze(-1),
        "batch": lambda: x.mean((0, 3)).reshape(1, C, h, 1), "channels": lambda: x.mean(1, True).repeat(1, C, 1, 1),
        "channels of the row": lambda: x.mean(1, True).mean(3, True).repeat(1, C, 1, 1),
    }.get(wrong, lambda: x.mean(-1).unsqueeze(-1))()  # fmt: skip
    first, second = squeeze[..., None, None], expand[..., None, None]
    if wrong == "late bias":
        y = F.relu(F.conv2d(seen, first)) + biases[0].reshape(-1, 1, 1)
    else:
        y = F.conv2d(seen, first, biases[0])
        y = {"no relu": y, "sigmoid inside": y.sigmoid()}.get(wrong, F.relu(y))
    y = F.conv2d(y, second, biases[1])
    gates = {
        "softmax": F.softmax(y, 1), "softmax of rows": F.softmax(y, 2), "tanh": torch.tanh(y), "raw": y
    }.get(wrong, 1 / (1 + torch.exp(-y)))  # fmt: skip
    if wrong == "laid":
        gates = gates.reshape(N, C, 1, h)
    return {
        "added": lambda: x + gates, "residual": lambda: x * (1 + gates), "inverted": lambda: x * (1 - gates),
        "gates": lambda: gates, "gates flat": lambda: gates.reshape(N, C, h), "whole gates": lambda: 0 * x + gates,
    }.get(wrong, lambda: x * gates)()  # fmt: skip


def gates_loops(x, squeeze, expand, biases, *, wrong=""):
    """Row after row, in numpy."""
    x, squeeze, expand = (np.asarray(a) for a in (x, squeeze, expand))
    first, second = (np.asarray(b) for b in biases)
    out = x.copy()
    for n in range(len(x)):
        for i in range(x.shape[2]):
            seen = x[n].mean((1, 2)) if wrong == "map" else x[n, :, i].mean(1)
            y = squeeze @ seen + first
            y = expand @ (y if wrong == "no relu" else np.maximum(y, 0)) + second
            gates = np.tanh(y) if wrong == "tanh" else 1 / (1 + np.exp(-y))
            out[n, :, i] *= gates[:, None]
    return out


def gates_linear(x, squeeze, expand, biases):
    """Rows as a batch of vectors."""
    rows = x.permute(0, 2, 1, 3).mean(3)  # N, h, C
    gates = torch.sigmoid(F.linear(F.linear(rows, squeeze, biases[0]).clamp(min=0), expand, biases[1]))
    return torch.einsum("nchw,nhc->nchw", x, gates)


# large_kernel ------------------------------------------------------------------------------------------------------


def large_torch(x, left, right, *, wrong=""):
    """torch's convolutions."""
    k, l = left[0].shape[2], left[1].shape[2]
    above, beside = {
        "exchanged zeros": (l // 2, k // 2), "k": (k // 2, k // 2), "l": (l // 2, l // 2), "none": (0, 0)
    }.get(wrong, (k // 2, l // 2))  # fmt: skip

    def along(y, weight, high):
        if wrong == "flipped":
            weight = weight.flip(2)
        if wrong == "own channel":
            keep = torch.zeros_like(weight)
            for m in range(min(weight.shape[:2])):
                keep[m, m] = weight[m, m]
            weight = keep
        if wrong == "transposed":
            weight = weight.transpose(0, 1)
        if wrong == "turned":
            size = weight.shape[2] // 2
            kernel, padding = (weight[:, :, None], (0, size)) if high else (weight[..., None], (size, 0))
            return F.conv2d(y, kernel, None, 1, padding)
        if wrong == "edge":
            size = weight.shape[2] // 2
            y = F.pad(y, (0, 0, size, size) if high else (size, size, 0, 0), mode="replicate")
            return F.conv2d(y, weight.unsqueeze(3 if high else 2))
        return F.conv2d(y, weight.unsqueeze(3 if high else 2), padding=(above, 0) if high else (0, beside))

    def between(y):
        return F.relu(y) if wrong == "relu" else y

    a = along(between(along(x, left[0], True)), left[1], False)
    read = a if wrong in ("chain", "chain and sum") else x
    if wrong == "right turned":
        y = F.conv2d(F.conv2d(x, right[0][..., None], padding=(l // 2, 0)), right[1][:, :, None], padding=(0, k // 2))
        return a + y
    b = along(between(along(read, right[0], False)), right[1], True)
    return {
        "left": lambda: a, "right": lambda: b, "product": lambda: a * b, "mean": lambda: (a + b) / 2,
        "largest": lambda: torch.max(a, b), "chain": lambda: b, "beside": lambda: torch.cat([a, b], 1),
        "last relu": lambda: F.relu(a + b),
    }.get(wrong, lambda: a + b)()  # fmt: skip


def large_numpy(x, left, right, *, wrong=""):
    """Shifted slices of a map with zeros around it."""

    def along(y, weight, axis):
        weight, r, size = weight.numpy(), weight.shape[2] // 2, y.shape[axis]
        wide = np.pad(y, [(r, r) if i == axis else (0, 0) for i in range(4)], "edge" if wrong == "edge" else "constant")
        shifts = range(2 * r + 1)
        parts = (np.einsum("oc,nchw->nohw", weight[:, :, t], wide.take(range(t, t + size), axis)) for t in shifts)
        return sum(parts)

    x = x.numpy()
    a, b = along(along(x, left[0], 2), left[1], 3), along(along(x, right[0], 3), right[1], 2)
    return np.maximum(a, b) if wrong == "largest" else a if wrong == "left" else a + b


def large_dense(x, left, right):
    """The kernel multiplied out."""
    column, row = left
    kernel = torch.einsum("omj,mci->ocij", row, column) + torch.einsum("omi,mcj->ocij", right[1], right[0])
    return F.conv2d(x, kernel, padding=(column.shape[2] // 2, row.shape[2] // 2))


def large_at_once(x, left, right):
    """All zeros at the beginning."""
    r, s = left[0].shape[2] // 2, left[1].shape[2] // 2
    x = F.pad(x, (s, s, r, r))
    a = F.conv2d(F.conv2d(x, left[0][:, :, :, None]), left[1][:, :, None])
    return a + F.conv2d(F.conv2d(x, right[0][:, :, None]), right[1][:, :, :, None])


RIGHT = {
    "gate_rows": {"torch": gates_torch, "loops": gates_loops, "linear": gates_linear},
    "large_kernel": {"torch": large_torch, "numpy": large_numpy, "dense": large_dense, "at once": large_at_once},
}


def silent(*places):
    return lambda biases: [0 * b if place in places else b for place, b in enumerate(biases)]


WRONG = {
    "gate_rows": {
        "mean-of-the-map": partial(gates_torch, wrong="map"),
        "mean-of-the-map loops": partial(gates_loops, wrong="map"),
        "mean-of-columns": partial(gates_torch, wrong="columns"),
        "mean-over-channels": partial(gates_torch, wrong="channels"),
        "mean-over-channels of the row": partial(gates_torch, wrong="channels of the row"),
        "each-cell-alone": partial(gates_torch, wrong="cells"),
        "largest-of-the-row": partial(gates_torch, wrong="largest"),
        "sum-of-the-row": partial(gates_torch, wrong="sum"),
        "batch-averaged": partial(gates_torch, wrong="batch"),
        "relu-missing": partial(gates_torch, wrong="no relu"),
        "relu-missing loops": partial(gates_loops, wrong="no relu"),
        "relu-before-the-bias": partial(gates_torch, wrong="late bias"),
        "sigmoid-inside": partial(gates_torch, wrong="sigmoid inside"),
        **several("bias-ignored", *altered(gates_torch, 3, silent(0), silent(1), silent(0, 1))),
        "softmax-for-sigmoid": partial(gates_torch, wrong="softmax"),
        "softmax-for-sigmoid over rows": partial(gates_torch, wrong="softmax of rows"),
        "tanh-for-sigmoid": partial(gates_torch, wrong="tanh"),
        "tanh-for-sigmoid loops": partial(gates_loops, wrong="tanh"),
        "sigmoid-missing": partial(gates_torch, wrong="raw"),
        "gate-added": partial(gates_torch, wrong="added"),
        "one-plus-gate": partial(gates_torch, wrong="residual"),
        "gates-inverted": partial(gates_torch, wrong="inverted"),
        "gates-returned": partial(gates_torch, wrong="gates"),
        "gates-returned flat": partial(gates_torch, wrong="gates flat"),
        "gates-returned as a map": partial(gates_torch, wrong="whole gates"),
        "laid-along-columns": partial(gates_torch, wrong="laid"),
        **several("first-picture-only", *first_only(gates_torch)),
        **several("left-flat", *laid_out(gates_torch)),
    },
    "large_kernel": {
        "one-pair-only": partial(large_torch, wrong="left"),
        "one-pair-only right": partial(large_torch, wrong="right"),
        "one-pair-only numpy": partial(large_numpy, wrong="left"),
        "multiplied": partial(large_torch, wrong="product"),
        "averaged": partial(large_torch, wrong="mean"),
        "larger-of-the-two": partial(large_torch, wrong="largest"),
        "larger-of-the-two numpy": partial(large_numpy, wrong="largest"),
        "one-behind-the-other": partial(large_torch, wrong="chain"),
        "one-behind-the-other and added": partial(large_torch, wrong="chain and sum"),
        "side-by-side": partial(large_torch, wrong="beside"),
        "relu-between": partial(large_torch, wrong="relu"),
        "relu-at-the-end": partial(large_torch, wrong="last relu"),
        "turned": partial(large_torch, wrong="turned"),
        "right-turned": partial(large_torch, wrong="right turned"),
        "paddings-exchanged": partial(large_torch, wrong="exchanged zeros"),
        "one-padding-for-both": partial(large_torch, wrong="k"),
        "one-padding-for-both the width's": partial(large_torch, wrong="l"),
        "not-padded": partial(large_torch, wrong="none"),
        "border-not-zero": partial(large_torch, wrong="edge"),
        "border-not-zero numpy": partial(large_numpy, wrong="edge"),
        "kernel-flipped": partial(large_torch, wrong="flipped"),
        "each-channel-alone": partial(large_torch, wrong="own channel"),
        "inputs-outputs-exchanged": partial(large_torch, wrong="transposed"),
        **several("first-picture-only", *first_only(large_torch)),
        **several("left-flat", *laid_out(large_torch)),
    },
}
