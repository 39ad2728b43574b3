"""Chapter 14, BiSeNet's attention refinement, right and wrong: torch's functions, a module, numpy."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

F = nn.functional


def refine_torch(x, weight, norm, training, *, wrong=""):
    """Vectors of means and a matrix."""
    mean, variance, scale, shift = norm
    N, C = x.shape[:2]
    if wrong == "never trains":
        training = False
    if wrong == "always trains":
        training = True
    seen = {
        "largest": lambda: x.flatten(2).max(2)[0], "sum": lambda: x.flatten(2).sum(2),
        "channels": lambda: x.mean((1, 2, 3)).reshape(N, 1).repeat(1, C),
    }.get(wrong, lambda: x.flatten(2).mean(2))()  # fmt: skip
    if wrong == "norm first":
        z = refine_norm(seen, mean, variance, scale, shift, training, wrong) @ weight.t()
        y = seen
    else:
        y = F.linear(seen, weight.t() if wrong == "transposed" else weight)
        z = refine_norm(y, mean, variance, scale, shift, training, wrong)
    gates = {
        "no sigmoid": lambda: z, "tanh": lambda: z.tanh(), "softmax": lambda: F.softmax(z, 1),
        "relu": lambda: torch.sigmoid(F.relu(z)),
    }.get(wrong, lambda: torch.sigmoid(z))()[:, :, None, None]  # fmt: skip
    out = {
        "residual": lambda: x + gates * x, "added": lambda: gates + x, "inverted": lambda: (1 - gates) * x,
        "gates": lambda: gates, "flat gates": lambda: gates.reshape(N, C),
    }.get(wrong, lambda: gates * x)()  # fmt: skip
    mean, variance = refine_moved(y, mean, variance, training, wrong)
    return {
        "swapped": (out, variance, mean), "map last": (mean, variance, out), "deviation": (out, mean, variance**0.5),
    }.get(wrong, (out, mean, variance))  # fmt: skip


def refine_norm(y, mean, variance, scale, shift, training, wrong):
    if wrong == "moved first":
        mean, variance = refine_moved(y, mean, variance, training, wrong)
    elif wrong == "over channels" and training:
        mean, variance = y.mean(1, keepdim=True), y.var(1, unbiased=False, keepdim=True)
    elif (training and wrong != "running") or wrong == "batch":
        mean = y.sum(0) / len(y)
        variance = ((y - mean) ** 2).sum(0) / (len(y) - (wrong == "unbiased"))
    added = {"no epsilon": 0.0, "larger epsilon": 1e-3}.get(wrong, 1e-5)
    if wrong == "no norm":
        mean, variance, added = 0, torch.ones(()), 0
    if wrong == "mean kept":
        mean = 0 * mean
    if wrong in ("no scale", "neither"):
        scale = 1
    if wrong in ("no shift", "neither"):
        shift = 0
    if wrong == "shift, scale":
        scale, shift = shift, scale
    return (y - mean) / (variance + added) ** (1 if wrong == "no root" else 0.5) * scale + shift


def refine_moved(y, mean, variance, training, wrong):
    if not training and wrong != "moved in use":
        return mean, variance
    new = y.mean(0), y.var(0, unbiased=wrong != "biased")
    share = {"inverted momentum": 0.9, "replaced": 1, "kept": 0}.get(wrong, 0.1)
    return tuple(share * b + (1 - share) * a for a, b in zip((mean, variance), new, strict=True))


def refine_maps(x, weight, norm, training, *, wrong):
    """1×1 and BatchNorm of whole maps."""
    mean, variance, scale, shift = (one.clone() for one in norm)
    y = F.conv2d(x, weight[..., None, None])
    z = F.batch_norm(y, mean, variance, scale, shift, training)
    gates = {
        "cells": lambda: z.sigmoid(), "average last": lambda: z.mean((2, 3), keepdim=True).sigmoid(),
        "average of gates": lambda: z.sigmoid().mean((2, 3), keepdim=True),
    }[wrong]()  # fmt: skip
    return gates * x, mean, variance


def refine_module(x, weight, norm, training):
    """torch's own layers."""
    C = x.shape[1]
    layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(C, C, 1, bias=False), nn.BatchNorm2d(C)).to(x.dtype)
    with torch.no_grad():
        layers[1].weight.copy_(weight[..., None, None])
        own = layers[2]
        for mine, theirs in zip((own.running_mean, own.running_var, own.weight, own.bias), norm, strict=True):
            mine.copy_(theirs)
        gates = layers.train(training)(x).sigmoid()
    return x * gates, own.running_mean, own.running_var


def refine_numpy(x, weight, norm, training, *, wrong=""):
    """Arrays, one picture after the other at the end."""
    x, weight = x.numpy(), weight.numpy()
    mean, variance, scale, shift = (one.numpy().copy() for one in norm)
    y = np.stack([weight @ picture.mean((1, 2)) for picture in x])
    use = (mean, variance)
    if training:
        n = len(y)
        use = (y.mean(0), y.var(0))
        mean += 0.1 * (use[0] - mean)
        variance += 0.1 * (use[1] * (1 if wrong == "biased" else n / (n - 1)) - variance)
    gates = 1 / (1 + np.exp(-((y - use[0]) / np.sqrt(use[1] + 1e-5) * scale + shift)))
    out = np.stack([picture * gate[:, None, None] for picture, gate in zip(x, gates, strict=True)])
    return out.astype(x.dtype), mean, variance


RIGHT = {"refine": {"torch": refine_torch, "module": refine_module, "numpy": refine_numpy}}

WRONG = {
    "refine": {
        "each-cell-alone": partial(refine_maps, wrong="cells"),
        "averaged-last": partial(refine_maps, wrong="average last"),
        "gates-averaged": partial(refine_maps, wrong="average of gates"),
        "largest-of-the-map": partial(refine_torch, wrong="largest"),
        "sum-of-the-map": partial(refine_torch, wrong="sum"),
        "mean-over-channels": partial(refine_torch, wrong="channels"),
        "weight-transposed": partial(refine_torch, wrong="transposed"),
        "norm-missing": partial(refine_torch, wrong="no norm"),
        "norm-before-the-1x1": partial(refine_torch, wrong="norm first"),
        "training-ignored": partial(refine_torch, wrong="never trains"),
        "training-always": partial(refine_torch, wrong="always trains"),
        "running-numbers-in-training": partial(refine_torch, wrong="running"),
        "batch-in-evaluation": partial(refine_torch, wrong="batch"),
        "normalised-by-the-updated": partial(refine_torch, wrong="moved first"),
        "norm-over-channels": partial(refine_torch, wrong="over channels"),
        "variance-unbiased": partial(refine_torch, wrong="unbiased"),
        "running-variance-biased": partial(refine_torch, wrong="biased"),
        "running-variance-biased numpy": partial(refine_numpy, wrong="biased"),
        "momentum-inverted": partial(refine_torch, wrong="inverted momentum"),
        "running-numbers-replaced": partial(refine_torch, wrong="replaced"),
        "running-numbers-kept": partial(refine_torch, wrong="kept"),
        "moved-in-evaluation": partial(refine_torch, wrong="moved in use"),
        "deviation-for-variance": partial(refine_torch, wrong="deviation"),
        "root-missing": partial(refine_torch, wrong="no root"),
        "epsilon-of-another-size": partial(refine_torch, wrong="larger epsilon"),
        "epsilon-of-another-size none": partial(refine_torch, wrong="no epsilon"),
        "mean-not-subtracted": partial(refine_torch, wrong="mean kept"),
        "scale-shift-ignored": partial(refine_torch, wrong="neither"),
        "scale-shift-ignored scale": partial(refine_torch, wrong="no scale"),
        "scale-shift-ignored shift": partial(refine_torch, wrong="no shift"),
        "scale-shift-exchanged": partial(refine_torch, wrong="shift, scale"),
        "sigmoid-missing": partial(refine_torch, wrong="no sigmoid"),
        "tanh-for-sigmoid": partial(refine_torch, wrong="tanh"),
        "softmax-for-sigmoid": partial(refine_torch, wrong="softmax"),
        "relu-before-the-sigmoid": partial(refine_torch, wrong="relu"),
        "one-plus-gate": partial(refine_torch, wrong="residual"),
        "gate-added": partial(refine_torch, wrong="added"),
        "gates-inverted": partial(refine_torch, wrong="inverted"),
        "gates-returned": partial(refine_torch, wrong="gates"),
        "gates-returned flat": partial(refine_torch, wrong="flat gates"),
        "results-exchanged": partial(refine_torch, wrong="swapped"),
        "results-exchanged map last": partial(refine_torch, wrong="map last"),
    },
}
