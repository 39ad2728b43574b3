"""Chapter 05, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from scipy.ndimage import distance_transform_cdt, distance_transform_edt, label
from torch import nn

from tests.grading.mistakes.families import only_first

# segnet_decoder_step -----------------------------------------------------------------------------------------------


def decoder_loops(x, indices, output_size, weight, bias, *, wrong=""):
    """Number by number into a map with a border, then output by output."""
    n, c, h, w = x.shape
    height, width = output_size
    if wrong == "doubled":
        height, width = 2 * h, 2 * w
    if wrong == "size swapped":
        width, height = output_size
    border = {"valid": 0, "wide": 2, "ring": 0}.get(wrong, 1)
    large = torch.zeros(n, c, height + 2 * border, width + 2 * border, dtype=x.dtype)
    for a in range(n):
        for k in range(c):
            for i in range(h):
                for j in range(w):
                    at = int(indices[0 if wrong == "batch" else a, 0 if wrong == "channel" else k, i, j])
                    row, column = divmod(at, width if wrong == "size swapped" else output_size[1])
                    if wrong == "by height":
                        row, column = at % height, at // height
                    if wrong == "corner":
                        row, column = 2 * i, 2 * j
                    if wrong.startswith("shift"):
                        row, column = divmod((at + (1 if wrong == "shift" else -1)) % (height * width), width)
                    number = max(x[a, k, i, j], torch.tensor(0.0)) if wrong == "relu first" else x[a, k, i, j]
                    spots = [(row, column)]
                    if wrong == "filled":
                        spots = [(y, z) for y in (2 * i, 2 * i + 1) for z in (2 * j, 2 * j + 1)]
                    for y, z in spots:
                        large[a, k, y + border, z + border] = number
    rows, columns = large.shape[2] - 2, large.shape[3] - 2
    out = torch.zeros(n, weight.shape[0], rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            patch = large[:, :, i : i + 3, j : j + 3]
            patch = patch.flip(2, 3) if wrong == "flip" else patch.mT if wrong == "mT" else patch
            if wrong in ("one channel", "last channel"):
                k = 0 if wrong == "one channel" else -1
                out[:, :, i, j] = torch.einsum("nuv,ouv->no", patch[:, k], weight[:, k])
            else:
                out[:, :, i, j] = torch.einsum("ncuv,ocuv->no", patch, weight)
    out = out / {"mean": 9, "mean of channels": c}.get(wrong, 1)
    if bias is not None and wrong not in ("no bias", "bias last"):
        out = out + bias.reshape(-1, 1, 1) * (c if wrong == "bias often" else 1)
    if wrong == "ring":
        out = nn.functional.pad(out, (1, 1, 1, 1))
    if wrong in ("no relu", "relu first"):
        return out
    out = abs(out) if wrong == "abs" else torch.where(out > 0, out, torch.zeros_like(out))
    if wrong == "bias last" and bias is not None:
        out = out + bias.reshape(-1, 1, 1)
    if wrong == "in place":
        x.zero_()
    return out / 9 if wrong == "mean at the end" else out


def decoder_torch(x, indices, output_size, weight, bias):
    large = nn.functional.max_unpool2d(x, indices, 2, output_size=list(output_size))
    return nn.functional.relu(nn.functional.conv2d(large, weight, bias, padding=1))


def decoder_numpy(x, indices, output_size, weight, bias):
    """Nine shifted products, the positions by comparison."""
    height, width = output_size
    n, c = x.shape[:2]
    hot = indices.numpy().reshape(n, c, -1, 1) == np.arange(height * width)
    large = (hot * x.numpy().reshape(n, c, -1, 1)).sum(2).reshape(n, c, height, width)
    large = np.pad(large, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = sum(
        np.einsum("nchw,oc->nohw", large[:, :, u : u + height, v : v + width], weight[:, :, u, v].numpy())
        for u in range(3)
        for v in range(3)
    )
    out = out if bias is None else out + bias.numpy()[:, None, None]
    return np.maximum(out, 0)


def decoder_unfold(x, indices, output_size, weight, bias):
    flat = torch.zeros(*x.shape[:2], math.prod(output_size), dtype=x.dtype)
    flat = torch.scatter(flat, -1, indices.reshape(*x.shape[:2], -1), x.reshape(*x.shape[:2], -1))
    columns = nn.functional.unfold(flat.view(*x.shape[:2], *output_size), 3, padding=1)
    out = weight.reshape(len(weight), -1) @ columns
    out = out + (0 if bias is None else bias[:, None])
    return out.clamp(min=0).unflatten(-1, tuple(output_size))


def decoder_without_size(x, indices, output_size, weight, bias):
    large = nn.functional.max_unpool2d(x, indices, 2)
    return nn.functional.conv2d(large, weight, bias, padding="same").relu()


def decoder_padded(x, indices, output_size, weight, bias, *, mode):
    large = nn.functional.max_unpool2d(x, indices, 2, output_size=list(output_size))
    wide = np.pad(large, ((0, 0), (0, 0), (1, 1), (1, 1)), mode=mode)
    return nn.functional.conv2d(torch.from_numpy(wide), weight, bias).relu()


def decoder_ended(x, indices, output_size, weight, bias, *, activation, first=None):
    large = nn.functional.max_unpool2d(x, indices, 2, output_size=list(output_size))
    large = first(large) if first else large
    return activation(nn.functional.conv2d(large, weight, bias, padding=1))


def decoder_enlarged(x, indices, output_size, weight, bias, *, double=False, **how):
    """The indices are not looked at."""
    size = {"scale_factor": 2} if double else {"size": tuple(output_size)}
    return nn.functional.conv2d(nn.functional.interpolate(x, **size, **how), weight, bias, padding=1).relu()


def decoder_flat(x, indices, output_size, weight, bias, *, start):
    """The index taken for one into all planes of a picture, or into the whole batch."""
    large = x.new_zeros(*x.shape[:2], *output_size)
    for picture, numbers, at in zip(large, x, indices, strict=True):
        if start:
            picture.view(-1)[at.flatten()] = numbers.flatten()
        else:
            large.view(-1)[at.flatten()] = numbers.flatten()
    return nn.functional.conv2d(large, weight, bias, padding=1).relu()


def decoder_twice_as_large(x, indices, output_size, weight, bias):
    """Rows and columns as the indices say, on a map twice as large as x."""
    n, c, h, w = x.shape
    large = x.new_zeros(n, c, 2 * h, 2 * w)
    a, b = np.ogrid[:n, :c]
    rows, columns = np.divmod(indices.numpy(), output_size[1])
    large[a[..., None, None], b[..., None, None], rows, columns] = x
    return nn.functional.conv2d(large, weight, bias, padding=1).relu()


def decoder_viewed_doubled(x, indices, output_size, weight, bias):
    n, c, h, w = x.shape
    flat = x.new_zeros(n, c, math.prod(output_size)).scatter(2, indices.flatten(2), x.flatten(2))
    return nn.functional.conv2d(flat.view(n, c, 2 * h, 2 * w), weight, bias, padding=1).relu()


def decoder_swapped_weight(x, indices, output_size, weight, bias):
    return decoder_torch(x, indices, output_size, weight.permute(1, 0, 2, 3), bias)


def decoder_transposed(x, indices, output_size, weight, bias):
    large = nn.functional.max_unpool2d(x, indices, 2, output_size=list(output_size))
    return nn.functional.conv_transpose2d(large, weight, bias, padding=1).relu()


def decoder_conv_first(x, indices, output_size, weight, bias):
    small = nn.functional.conv2d(x, weight, bias, padding=1).relu()
    return nn.functional.max_unpool2d(small, indices, 2, output_size=list(output_size))


def decoder_only_unpools(x, indices, output_size, weight, bias):
    return nn.functional.max_unpool2d(x, indices, 2, output_size=list(output_size))


# concat_skip -------------------------------------------------------------------------------------------------------


def skip_loops(decoder, encoder, *, wrong=""):
    """Pixel by pixel into an empty result."""
    n, c, h, w = decoder.shape
    e, height, width = encoder.shape[1:]
    top, left = (height - h) // 2, (width - w) // 2
    if wrong == "corner":
        top, left = 0, 0
    if wrong == "end":
        top, left = height - h, width - w
    if wrong == "ceil":
        top, left = math.ceil((height - h) / 2), math.ceil((width - w) / 2)
    if wrong in ("columns only", "rows only"):
        top, left = (0, left) if wrong == "columns only" else (top, 0)
    if wrong == "late":
        top, left = min(top + 1, height - h), min(left + 1, width - w)
    if wrong == "early":
        top, left = max(top - 1, 0), max(left - 1, 0)
    if wrong == "half of h":
        top, left = h // 2, w // 2
    if wrong == "quarter of H":
        top, left = height // 4, width // 4
    if wrong == "quarter":
        top, left = top // 2, left // 2
    if wrong == "halves":
        top, left = height // 2 - h // 2, width // 2 - w // 2
    out = torch.zeros(n, e + c, h, w, dtype=torch.float32 if wrong == "float32" else decoder.dtype)
    for i in range(h):
        for j in range(w):
            if wrong == "decoder first":
                out[:, :c, i, j] = decoder[:, :, i, j]
                out[:, c:, i, j] = encoder[:, :, i + top, j + left]
            else:
                out[:, :e, i, j] = encoder[:, :, i + top, j + left]
                out[:, e:, i, j] = decoder[:, :, i, j]
    if wrong == "encoder only":
        return out[:, :e]
    if wrong == "sum" and e == c:
        return out[:, :e] + out[:, e:]
    if wrong == "pairs" and e == c:
        return out[:, torch.arange(2 * c).reshape(2, c).T.flatten()]
    if wrong in ("sum", "pairs"):
        raise RuntimeError("the size of tensor a must match the size of tensor b")
    if wrong.startswith("one channel"):
        first, second = (1 if place in wrong else e + c for place in ("encoder", "decoder"))
        return torch.cat([out[:, :e][:, :first], out[:, e:][:, :second]], 1)
    if wrong == "in place":
        encoder[:, :, :top] = 0
    return out


def skip_negative_padding(decoder, encoder):
    """Padding by less than nothing."""
    y, x = encoder.shape[2] - decoder.shape[2], encoder.shape[3] - decoder.shape[3]
    cut = nn.functional.pad(encoder, (-(x // 2), x // 2 - x, -(y // 2), y // 2 - y))
    return torch.cat((cut, decoder), dim=1)


def skip_numpy(decoder, encoder):
    h, w = decoder.shape[-2:]
    rows = np.arange(h) + (encoder.shape[2] - h) // 2
    columns = np.arange(w) + (encoder.shape[3] - w) // 2
    return np.concatenate([encoder.numpy()[:, :, rows[:, None], columns], decoder.numpy()], axis=1)


def skip_narrow(decoder, encoder):
    for axis in (2, 3):
        want = decoder.size(axis)
        encoder = encoder.narrow(axis, (encoder.size(axis) - want) >> 1, want)
    return torch.hstack([encoder, decoder])


def skip_from(decoder, encoder, *, start):
    """From start(H − h, W − w) on."""
    h, w = decoder.shape[2:]
    top, left = start(encoder.shape[2] - h, encoder.shape[3] - w)
    return torch.cat([encoder[:, :, top : top + h, left : left + w], decoder], 1)


def skip_turned(decoder, encoder):
    w, h = decoder.shape[2:]
    top, left = (encoder.shape[2] - h) // 2, (encoder.shape[3] - w) // 2
    return torch.cat([encoder[:, :, top : top + h, left : left + w], decoder], 1)


def skip_combined(decoder, encoder, *, by):
    """The middle of the encoder's map and the decoder's, put together in another way."""
    return by(skip_narrow(decoder[:, :0], encoder), decoder)


def skip_resized(decoder, encoder, *, to="decoder", **how):
    size = (decoder if to == "decoder" else encoder).shape[2:]
    return torch.cat([nn.functional.interpolate(one, size=size, **how) for one in (encoder, decoder)], 1)


def skip_padded(decoder, encoder, *, before=lambda gap: gap // 2, mode="constant"):
    """The decoder's map padded to the encoder's, as some implementations do."""
    gaps = [encoder.shape[axis] - decoder.shape[axis] for axis in (2, 3)]
    wide = np.pad(decoder, [(0, 0), (0, 0), *((before(gap), gap - before(gap)) for gap in gaps)], mode=mode)
    return torch.cat([encoder, torch.from_numpy(wide)], 1)


def skip_both_ends(decoder, encoder):
    y, x = (encoder.shape[2] - decoder.shape[2]) // 2, (encoder.shape[3] - decoder.shape[3]) // 2
    height, width = encoder.shape[2:]
    return torch.cat([encoder[:, :, y : height - y, x : width - x], decoder], 1)


def skip_to_minus(decoder, encoder):
    y, x = (encoder.shape[2] - decoder.shape[2]) // 2, (encoder.shape[3] - decoder.shape[3]) // 2
    return torch.cat([encoder[:, :, y:-y, x:-x], decoder], 1)


def skip_to_negative(decoder, encoder):
    """The ends counted from behind, odd differences included, and 0 as well."""
    dy, dx = encoder.shape[2] - decoder.shape[2], encoder.shape[3] - decoder.shape[3]
    top, left = dy // 2, dx // 2
    return torch.cat([encoder[:, :, top : -(dy - top), left : -(dx - left)], decoder], 1)


# unet_weight_map ---------------------------------------------------------------------------------------------------


def map_bytes(instances, w0, sigma):
    ids = [i for i in instances.unique() if i > 0]
    if len(ids) < 2:
        return torch.ones(instances.shape)
    y, x = (at.to(instances.dtype) for at in torch.meshgrid(*map(torch.arange, instances.shape), indexing="ij"))
    d = [
        ((y[..., None] - y[instances == i]) ** 2).long() + ((x[..., None] - x[instances == i]) ** 2).long() for i in ids
    ]
    near = torch.stack([each.amin(2).float().sqrt() for each in d]).sort(0).values
    return 1 + (instances == 0) * w0 * torch.exp(-((near[0] + near[1]) ** 2) / (2 * sigma**2))


def map_loops(instances, w0=10.0, sigma=5.0, *, wrong=""):
    """Every pixel against every pixel, with Python's math."""
    rows = instances.tolist()
    pixels = [(i, j, v) for i, row in enumerate(rows) for j, v in enumerate(row) if v or wrong == "with background"]
    if wrong == "count up" and pixels and len({v for *_, v in pixels}) != max(v for *_, v in pixels):
        raise ValueError("min() arg is an empty sequence")
    w0 = 10.0 if wrong == "fixed w0" else w0
    sigma = 5.0 if wrong == "fixed sigma" else sigma
    out = [[1.0] * len(row) for row in rows]
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            if value and wrong != "cells too":
                continue
            nearest = {}
            for a, b, v in pixels:
                d = math.hypot(i - a, j - b)
                d = abs(i - a) + abs(j - b) if wrong == "steps" else d
                key = (a, b) if wrong == "pixels" else v
                nearest[key] = min(d, nearest.get(key, math.inf))
            order = sorted(nearest.values())
            if wrong == "edge":
                order = [d - 1 for d in order]
            if len(order) < 2:
                if wrong == "alone" and len(order) == 1:
                    out[i][j] += w0 * math.exp(-(order[0] ** 2) / (2 * sigma**2))
                continue
            d1, d2 = order[-2:] if wrong == "farthest" else order[:2]
            if wrong == "second and third":
                d1, d2 = order[1], order[2] if len(order) > 2 else math.inf
            e = (d1 + d2) ** 2
            if wrong == "one":
                e = d1**2
            elif wrong == "squares":
                e = d1**2 + d2**2
            elif wrong == "minus":
                e = (d1 - d2) ** 2
            elif wrong == "linear":
                e = d1 + d2
            elif wrong == "mean":
                e = ((d1 + d2) / 2) ** 2
            width = {"no two": sigma**2, "no square": 2 * sigma}.get(wrong, 2 * sigma**2)
            sign = 1 if wrong == "plus" else -1
            out[i][j] += w0 * math.exp(min(sign * e / width, 700))
    result = torch.tensor(out)
    if wrong == "no one":
        result -= 1
    if wrong == "times w0":
        result += w0 - 1
    if wrong == "mean of map":
        result /= result.mean()
    if wrong == "whole":
        return result.long()
    if wrong == "in place":
        instances[instances == 1] = 0
    return result


def map_scipy(instances, w0=10.0, sigma=5.0, *, wrong=""):
    """Distance transforms, as most implementations have it."""
    cells = instances.numpy()
    if wrong == "regions":
        cells = label(cells > 0)[0]
    if wrong == "pieces":
        parts = [label(cells == i)[0] * 1000 + i * (cells == i) for i in np.unique(cells) if i]
        cells = sum(parts) if parts else cells * 0
    names = [i for i in np.unique(cells) if i]
    if len(names) < 2 and wrong != "needs two":
        return np.ones(cells.shape)
    distance = np.sort(np.stack([distance_transform_edt(cells != i) for i in names]), axis=0)
    extra = w0 * np.exp(-((distance[0] + distance[1]) ** 2) / (2 * sigma**2))
    return 1 + extra * (cells == 0)


def map_stacked(
    instances, w0, sigma, *, cells=None, measure=lambda m, i: distance_transform_edt(m != i),
    near=lambda d: np.sort(d, 0), bell=lambda d1, d2, width: np.exp(-((d1 + d2) ** 2) / (2 * width**2)),
    finish=lambda extra, background, w0: np.where(background, 1 + extra, 1.0), guarded=True,
):  # fmt: skip
    """A stack of distances, with its steps replaced; two more cells are infinitely far."""
    m = instances.numpy()
    names = [i for i in np.unique(m) if i] if cells is None else cells(m)
    if guarded and len(names) < 2:
        return np.ones(m.shape)
    with np.errstate(all="ignore"):
        d = near(np.stack([*(measure(m, i) for i in names), *[np.full(m.shape, np.inf)] * 2]))
        return finish(w0 * bell(d[0], d[1], sigma), m == 0, w0)


def to_point(m, i, *, which):
    """Distance of every pixel to one point of a cell, or to its farthest pixel."""
    at = np.argwhere(m == i)
    place = np.moveaxis(np.indices(m.shape), 0, 2)[:, :, None]
    if which == "farthest":
        return np.linalg.norm(place - at, axis=3).max(2)
    point = {"first": at[0], "box": (at.min(0) + at.max(0)) / 2}[which]
    return np.linalg.norm(place - point, axis=3)[:, :, 0]


FORGOTTEN = {  # where the 1 is forgotten
    "everywhere": lambda extra, background, w0: np.where(background, extra, 0),
    "cells": lambda extra, background, w0: np.where(background, 1 + extra, 0),
    "background": lambda extra, background, w0: np.where(background, extra, 1),
}
WIDTHS = {
    "2 sigma": lambda s: 2 * s,
    "sigma": lambda s: s,
    "(2 sigma)²": lambda s: (2 * s) ** 2,
    "multiplied": lambda s: 2 / s**2,
}


def map_broadcast(instances, w0=10.0, sigma=5.0):
    """All distances at once, in float32, with topk."""
    where = torch.stack(torch.meshgrid(*map(torch.arange, instances.shape), indexing="ij"), -1).float()
    names = instances.unique()
    names = names[names > 0]
    if names.numel() < 2:
        return torch.ones(instances.shape)
    d = (where[:, :, None, None] - where).square().sum(-1)  # H, W, H, W
    each = torch.stack([d.masked_fill(instances != i, 1e9).amin((2, 3)).sqrt() for i in names], -1)
    two = each.topk(2, dim=-1, largest=False).values.sum(-1)
    return torch.where(instances > 0, 1.0, 1 + w0 * torch.exp(-0.5 * (two / sigma) ** 2))


def map_centres(instances, w0=10.0, sigma=5.0):
    names = [int(i) for i in instances.unique() if i]
    out = torch.ones(instances.shape)
    y, x = torch.meshgrid(*map(torch.arange, instances.shape), indexing="ij")
    middles = [[axis[instances == i].float().mean() for axis in (y, x)] for i in names]
    if len(names) > 1:
        d = torch.stack([((y - a) ** 2 + (x - b) ** 2).sqrt() for a, b in middles]).sort(0)[0]
        out += w0 * (-((d[0] + d[1]) ** 2) / 2 / sigma**2).exp() * (instances == 0)
    return out


def map_segkit(instances, w0=10.0, sigma=5.0):
    from segkit.training import unet_weight_map

    return unet_weight_map(instances, w0, sigma)


RIGHT = {
    "segnet_decoder_step": {
        "loops": decoder_loops,
        "torch": decoder_torch,
        "numpy": decoder_numpy,
        "unfold": decoder_unfold,
    },
    "concat_skip": {
        "loops": skip_loops,
        "negative padding": skip_negative_padding,
        "numpy": skip_numpy,
        "narrow": skip_narrow,
    },
    "unet_weight_map": {
        "loops": map_loops,
        "scipy": map_scipy,
        "broadcast": map_broadcast,
        "the package": map_segkit,
    },
}

WRONG = {
    "segnet_decoder_step": {
        "relu-forgotten": partial(decoder_loops, wrong="no relu"),
        "relu-too-early": partial(decoder_loops, wrong="relu first"),
        "relu-too-early and again": partial(decoder_ended, first=nn.ReLU(), activation=nn.ReLU()),
        "other-activation": partial(decoder_loops, wrong="abs"),
        **{
            f"other-activation {activation.__name__}": partial(decoder_ended, activation=activation())
            for activation in (nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.ELU, nn.GELU, nn.Softplus)
        },
        "other-activation negative": partial(decoder_ended, activation=lambda r: torch.where(r < 0, r, 0.0)),
        "bias-ignored": partial(decoder_loops, wrong="no bias"),
        "bias-needed": lambda *a: (a[4].shape, decoder_loops(*a))[1],
        "bias-after-relu": partial(decoder_loops, wrong="bias last"),
        "bias-per-channel": partial(decoder_loops, wrong="bias often"),
        "padding-missing": partial(decoder_loops, wrong="valid"),
        "padding-too-wide": partial(decoder_loops, wrong="wide"),
        **{f"padding-not-zero {mode}": partial(decoder_padded, mode=mode) for mode in ("edge", "reflect", "wrap")},
        "border-empty": partial(decoder_loops, wrong="ring"),
        "kernel-flipped": partial(decoder_loops, wrong="flip"),
        "kernel-transposed": partial(decoder_loops, wrong="mT"),
        "weight-order": decoder_swapped_weight,
        "transposed-convolution": decoder_transposed,
        "convolved-first": decoder_conv_first,
        "not-convolved": decoder_only_unpools,
        "not-convolved but ReLU": lambda *args: nn.functional.relu(decoder_only_unpools(*args)),
        "bed-of-nails": partial(decoder_loops, wrong="corner"),
        "copied-to-window": partial(decoder_loops, wrong="filled"),
        "copied-to-window nearest": partial(decoder_enlarged, mode="nearest"),
        "copied-to-window nearest, doubled": partial(decoder_enlarged, mode="nearest", double=True),
        "copied-to-window bilinear": partial(decoder_enlarged, mode="bilinear"),
        "copied-to-window bilinear, doubled": partial(decoder_enlarged, mode="bilinear", double=True),
        "copied-to-window aligned": partial(decoder_enlarged, mode="bilinear", align_corners=True),
        "size-swapped": partial(decoder_loops, wrong="size swapped"),
        "always-doubled": decoder_without_size,
        "always-doubled map": decoder_twice_as_large,
        "always-doubled view": decoder_viewed_doubled,
        "index-column-major": partial(decoder_loops, wrong="by height"),
        "index-off-by-one": partial(decoder_loops, wrong="shift"),
        "index-off-by-one back": partial(decoder_loops, wrong="shift back"),
        "planes-mixed-up": partial(decoder_loops, wrong="batch"),
        "planes-mixed-up channels": partial(decoder_loops, wrong="channel"),
        "planes-mixed-up in a picture": partial(decoder_flat, start=1),
        "planes-mixed-up in the batch": partial(decoder_flat, start=0),
        "channels-not-summed": partial(decoder_loops, wrong="one channel"),
        "channels-not-summed last": partial(decoder_loops, wrong="last channel"),
        "channels-not-summed mean": partial(decoder_loops, wrong="mean of channels"),
        "averaged": partial(decoder_loops, wrong="mean"),
        "averaged with bias": partial(decoder_loops, wrong="mean at the end"),
        **only_first("first-picture-only", decoder_torch),
        **only_first("first-output-only", decoder_torch, axis=1),
        "input-changed": partial(decoder_loops, wrong="in place"),
    },
    "concat_skip": {
        "cut-at-zero": partial(skip_loops, wrong="corner"),
        "cut-from-end": partial(skip_loops, wrong="end"),
        "rounded-up": partial(skip_loops, wrong="ceil"),
        "rounded-up rows": partial(skip_from, start=lambda y, x: ((y + 1) // 2, x // 2)),
        "rounded-up columns": partial(skip_from, start=lambda y, x: (y // 2, (x + 1) // 2)),
        "rounded-up to even": partial(skip_from, start=lambda y, x: (round(y / 2), round(x / 2))),
        "odd-difference-breaks": skip_both_ends,
        "minus-zero": skip_to_minus,
        "minus-zero odd": skip_to_negative,
        "not-cropped": lambda decoder, encoder: torch.cat([encoder, decoder], 1),
        "not-cropped decoder first": lambda decoder, encoder: torch.cat([decoder, encoder], 1),
        "cut-off-by-one": partial(skip_loops, wrong="late"),
        "cut-off-by-one early": partial(skip_loops, wrong="early"),
        "halves-apart": partial(skip_loops, wrong="halves"),
        "not-half": partial(skip_loops, wrong="quarter"),
        "not-half of h": partial(skip_loops, wrong="half of h"),
        "not-half of H": partial(skip_loops, wrong="quarter of H"),
        "height-for-width": partial(skip_from, start=lambda y, x: (y // 2, y // 2)),
        "height-for-width the other way": partial(skip_from, start=lambda y, x: (x // 2, x // 2)),
        "height-for-width exchanged": partial(skip_from, start=lambda y, x: (x // 2, y // 2)),
        "height-for-width sizes": skip_turned,
        "decoder-first": partial(skip_loops, wrong="decoder first"),
        "interleaved": partial(skip_loops, wrong="pairs"),
        **{f"resized {to} nearest": partial(skip_resized, to=to, mode="nearest") for to in ("decoder", "encoder")},
        **{
            f"resized {to} {'aligned' * align}": partial(skip_resized, to=to, mode="bilinear", align_corners=align)
            for to in ("decoder", "encoder")
            for align in (False, True)
        },
        "resized mean": lambda decoder, encoder: torch.cat(
            [nn.AdaptiveAvgPool2d(decoder.shape[2:])(encoder), decoder], 1
        ),
        "resized max": lambda decoder, encoder: torch.cat(
            [nn.AdaptiveMaxPool2d(decoder.shape[2:])(encoder), decoder], 1
        ),
        "decoder-padded": skip_padded,
        "decoder-padded later": partial(skip_padded, before=lambda gap: gap - gap // 2),
        "decoder-padded at the end": partial(skip_padded, before=lambda gap: 0),
        "decoder-padded repeated": partial(skip_padded, mode="edge"),
        "added": partial(skip_loops, wrong="sum"),
        "added product": partial(skip_combined, by=torch.mul),
        "added difference": partial(skip_combined, by=torch.sub),
        "added larger": partial(skip_combined, by=torch.maximum),
        "added mean": partial(skip_combined, by=lambda e, d: torch.stack([e, d]).mean(0)),
        **{f"wrong-axis {i}": partial(skip_combined, by=lambda *maps, i=i: torch.cat(maps, i)) for i in (0, 2, 3)},
        "wrong-axis new": partial(skip_combined, by=lambda *maps: torch.stack(maps, 1)),
        "one-map-only": partial(skip_loops, wrong="encoder only"),
        "one-map-only decoder": lambda decoder, encoder: decoder.clone(),
        "one-map-only encoder twice": partial(skip_combined, by=lambda e, d: torch.cat([e, e], 1)),
        "one-map-only decoder twice": partial(skip_combined, by=lambda e, d: torch.cat([d, d], 1)),
        "one-axis-only": partial(skip_loops, wrong="columns only"),
        "one-axis-only rows": partial(skip_loops, wrong="rows only"),
        **only_first("first-picture-only", skip_narrow),
        "first-channel-only": partial(skip_loops, wrong="one channel of encoder and decoder"),
        "first-channel-only encoder": partial(skip_loops, wrong="one channel of encoder"),
        "first-channel-only decoder": partial(skip_loops, wrong="one channel of decoder"),
        "halved": lambda *maps: skip_numpy(*maps) / 2,
        "halved ReLU": lambda *maps: np.maximum(skip_numpy(*maps), 0),
        "precision-lost": partial(skip_loops, wrong="float32"),
        "input-changed": partial(skip_loops, wrong="in place"),
    },
    "unet_weight_map": {
        "id-255-left-out": lambda m, w0, s: map_loops(torch.where(m == 255, torch.zeros_like(m), m), w0, s),
        "id-255-left-out and no background": partial(map_stacked, cells=lambda m: [i for i in np.unique(m) if i % 255]),
        "second-pixel": partial(map_loops, wrong="pixels"),
        "second-pixel guarded": lambda m, w0, s: (
            map_loops(m, w0, s, wrong="pixels") if len(m[m > 0].unique()) > 1 else torch.ones(m.shape)
        ),
        "one-distance-only": partial(map_loops, wrong="one"),
        "one-distance-only unguarded": partial(
            map_stacked, bell=lambda d1, d2, s: np.exp(-(d1**2) / (2 * s**2)), guarded=False
        ),
        "one-distance-only second": partial(map_stacked, bell=lambda d1, d2, s: np.exp(-(d2**2) / (2 * s**2))),
        "one-distance-only twice": partial(map_stacked, bell=lambda d1, d2, s: np.exp(-((d1 + d1) ** 2) / (2 * s**2))),
        "squares-added": partial(map_loops, wrong="squares"),
        "difference": partial(map_loops, wrong="minus"),
        "difference product": partial(map_stacked, bell=lambda d1, d2, s: np.exp(-((d1 * d2) ** 2) / (2 * s**2))),
        "not-squared": partial(map_loops, wrong="linear"),
        "not-squared sigma²": partial(map_stacked, bell=lambda d1, d2, s: np.exp(-(d1 + d2) / s**2)),
        **{
            f"not-squared {name}": partial(map_stacked, bell=lambda d1, d2, s, w=w: np.exp(-(d1 + d2) / w(s)))
            for name, w in WIDTHS.items()
        },
        "wrong-width": partial(map_loops, wrong="no two"),
        **{
            f"wrong-width {name}": partial(map_stacked, bell=lambda d1, d2, s, w=w: np.exp(-((d1 + d2) ** 2) / w(s)))
            for name, w in WIDTHS.items()
        },
        "mean-distance": partial(map_loops, wrong="mean"),
        "sign-forgotten": partial(map_loops, wrong="plus"),
        "cells-weighted-too": partial(map_loops, wrong="cells too"),
        "cells-weighted-too cells only": partial(map_stacked, finish=lambda extra, bg, w0: np.where(bg, 1, 1 + extra)),
        **{
            f"one-forgotten {where} {'guarded' * guarded}": partial(map_stacked, finish=finish, guarded=guarded)
            for where, finish in FORGOTTEN.items()
            for guarded in (True, False)
        },
        "classes-balanced": partial(
            map_stacked,
            finish=lambda extra, bg, w0: np.where(bg, 1 / bg.mean() + extra, 1 / (1 - bg.mean())),
            guarded=False,
        ),
        "one-times-w0": partial(map_loops, wrong="times w0"),
        "one-times-w0 guarded": partial(map_stacked, finish=lambda extra, bg, w0: w0 + extra * bg),
        "w0-fixed": partial(map_loops, wrong="fixed w0"),
        "w0-fixed at 1": lambda instances, w0, sigma: map_broadcast(instances, 1.0, sigma),
        "sigma-fixed": partial(map_loops, wrong="fixed sigma"),
        "sigma-fixed at 1": lambda instances, w0, sigma: map_broadcast(instances, w0, 1.0),
        "arguments-exchanged": lambda instances, w0, sigma: map_broadcast(instances, sigma, w0),
        "other-distance": partial(map_loops, wrong="steps"),
        "other-distance chessboard": partial(
            map_stacked, measure=lambda m, i: distance_transform_cdt(m != i, "chessboard")
        ),
        "other-distance squared": partial(map_stacked, measure=lambda m, i: distance_transform_edt(m != i) ** 2),
        "distance-shifted": partial(map_loops, wrong="edge"),
        "distance-shifted half": partial(map_stacked, measure=lambda m, i: distance_transform_edt(m != i) - 0.5),
        "distance-shifted more": partial(map_stacked, measure=lambda m, i: distance_transform_edt(m != i) + 1),
        "distance-to-centre": map_centres,
        "distance-to-centre of the box": partial(map_stacked, measure=partial(to_point, which="box")),
        "first-pixel-of-cell": partial(map_stacked, measure=partial(to_point, which="first")),
        "first-pixel-of-cell farthest": partial(map_stacked, measure=partial(to_point, which="farthest")),
        "first-two-cells": partial(map_stacked, near=lambda d: d),
        "bytes-wrap": map_bytes,
        "distance-inverted": lambda m, w0, s: (m == 0) * float(len(m.unique()) > 1 + (0 in m)) * w0 + 1,
        "precision-lost": lambda m, w0, s: torch.as_tensor(map_loops(m, w0, s)).half(),
        "farthest-cells": partial(map_loops, wrong="farthest"),
        "farthest-cells second and third": partial(map_loops, wrong="second and third"),
        "farthest-cells and the nearest": partial(map_stacked, near=lambda d: np.sort(d[:-2], 0)[[0, -1]]),
        "cells-merged": partial(map_scipy, wrong="regions"),
        "pieces-apart": partial(map_scipy, wrong="pieces"),
        "ids-counted-up": partial(map_loops, wrong="count up"),
        "ids-counted-up to max": partial(map_stacked, cells=lambda m: range(1, int(m.max()) + 1), guarded=False),
        "ids-counted-up to their number": partial(
            map_stacked, cells=lambda m: range(1, len(np.unique(m[m > 0])) + 1), guarded=False
        ),
        "few-cells": partial(map_scipy, wrong="needs two"),
        "few-cells needs one": lambda m, w0, s: m[m > 0].min() and map_scipy(m, w0, s),
        "few-cells d1 alone": partial(map_loops, wrong="alone"),
        "few-cells d1 again": partial(
            map_stacked, near=lambda d: np.sort(d, 0)[[0, 0 if len(d) == 3 else 1]], guarded=False
        ),
        "few-cells zeros": lambda m, w0, s: map_scipy(m, w0, s) * (len(m[m > 0].unique()) > 1),
        "normalised": partial(map_loops, wrong="mean of map"),
        "normalised largest": lambda *args: map_scipy(*args) / map_scipy(*args).max(),
        "normalised sum": lambda *args: map_scipy(*args) / map_scipy(*args).sum(),
        "wrong-dtype": partial(map_loops, wrong="whole"),
        "input-changed": partial(map_loops, wrong="in place"),
    },
}
