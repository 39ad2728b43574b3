"""Chapter 05, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, label
from torch import nn

# segnet_decoder_step -----------------------------------------------------------------------------------------------


def decoder_loops(x, indices, output_size, weight, bias, *, wrong=""):
    """Number by number into a map with a border, then output by output."""
    n, c, h, w = x.shape
    height, width = output_size
    if wrong == "doubled":
        height, width = 2 * h, 2 * w
    border = {"valid": 0, "wide": 2, "ring": 0}.get(wrong, 1)
    large = torch.zeros(n, c, height + 2 * border, width + 2 * border, dtype=x.dtype)
    for a in range(n):
        for k in range(c):
            for i in range(h):
                for j in range(w):
                    at = int(indices[0 if wrong == "batch" else a, k, i, j])
                    row, column = divmod(at, output_size[1])
                    if wrong == "by height":
                        row, column = at % height, at // height
                    if wrong == "corner":
                        row, column = 2 * i, 2 * j
                    if wrong == "shift":
                        row, column = divmod((at + 1) % (height * width), width)
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
            if wrong == "one channel":
                out[:, :, i, j] = torch.einsum("nuv,ouv->no", patch[:, 0], weight[:, 0])
            else:
                out[:, :, i, j] = torch.einsum("ncuv,ocuv->no", patch, weight)
    if wrong == "mean":
        out = out / 9
    if bias is not None and wrong not in ("no bias", "bias last"):
        out = out + bias.reshape(-1, 1, 1)
    if wrong == "ring":
        out = nn.functional.pad(out, (1, 1, 1, 1))
    if wrong in ("no relu", "relu first"):
        return out
    out = abs(out) if wrong == "abs" else torch.where(out > 0, out, torch.zeros_like(out))
    if wrong == "bias last" and bias is not None:
        out = out + bias.reshape(-1, 1, 1)
    if wrong == "in place":
        x.zero_()
    return out[:1] if wrong == "one picture" else out


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


def decoder_replicated(x, indices, output_size, weight, bias):
    large = nn.functional.max_unpool2d(x, indices, 2, output_size=list(output_size))
    y = torch.arange(-1, output_size[0] + 1).clamp(0, output_size[0] - 1)
    z = torch.arange(-1, output_size[1] + 1).clamp(0, output_size[1] - 1)
    return nn.functional.conv2d(large[:, :, y][..., z], weight, bias).relu()


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
    if wrong == "height for both":
        left = min(top, width - w)
        top = left
    if wrong == "columns only":
        top = 0
    if wrong == "late":
        top, left = min(top + 1, height - h), min(left + 1, width - w)
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
    if wrong == "one channel":
        return torch.cat([out[:, :1], out[:, e : e + 1]], 1)
    if wrong == "in place":
        encoder[:, :, :top] = 0
    return out[:1] if wrong == "one picture" else out


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


def skip_resized(decoder, encoder):
    small = nn.functional.interpolate(encoder, size=decoder.shape[2:], mode="bilinear")
    return torch.cat([small, decoder], 1)


def skip_padded(decoder, encoder):
    """The decoder's map padded to the encoder's, as some implementations do."""
    y, x = encoder.shape[2] - decoder.shape[2], encoder.shape[3] - decoder.shape[3]
    wide = nn.functional.pad(decoder, [x // 2, x - x // 2, y // 2, y - y // 2])
    return torch.cat([encoder, wide], 1)


def skip_both_ends(decoder, encoder):
    y, x = (encoder.shape[2] - decoder.shape[2]) // 2, (encoder.shape[3] - decoder.shape[3]) // 2
    height, width = encoder.shape[2:]
    return torch.cat([encoder[:, :, y : height - y, x : width - x], decoder], 1)


def skip_to_minus(decoder, encoder):
    y, x = (encoder.shape[2] - decoder.shape[2]) // 2, (encoder.shape[3] - decoder.shape[3]) // 2
    return torch.cat([encoder[:, :, y:-y, x:-x], decoder], 1)


def skip_rows(decoder, encoder):
    return torch.cat([skip_narrow(decoder[:, :0], encoder), decoder], 2)


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
        "other-activation": partial(decoder_loops, wrong="abs"),
        "bias-ignored": partial(decoder_loops, wrong="no bias"),
        "bias-after-relu": partial(decoder_loops, wrong="bias last"),
        "padding-missing": partial(decoder_loops, wrong="valid"),
        "padding-too-wide": partial(decoder_loops, wrong="wide"),
        "padding-not-zero": decoder_replicated,
        "border-empty": partial(decoder_loops, wrong="ring"),
        "kernel-flipped": partial(decoder_loops, wrong="flip"),
        "kernel-transposed": partial(decoder_loops, wrong="mT"),
        "weight-order": decoder_swapped_weight,
        "transposed-convolution": decoder_transposed,
        "convolved-first": decoder_conv_first,
        "not-convolved": decoder_only_unpools,
        "bed-of-nails": partial(decoder_loops, wrong="corner"),
        "copied-to-window": partial(decoder_loops, wrong="filled"),
        "always-doubled": decoder_without_size,
        "index-column-major": partial(decoder_loops, wrong="by height"),
        "index-off-by-one": partial(decoder_loops, wrong="shift"),
        "planes-mixed-up": partial(decoder_loops, wrong="batch"),
        "channels-not-summed": partial(decoder_loops, wrong="one channel"),
        "averaged": partial(decoder_loops, wrong="mean"),
        "first-picture-only": partial(decoder_loops, wrong="one picture"),
        "input-changed": partial(decoder_loops, wrong="in place"),
    },
    "concat_skip": {
        "cut-at-zero": partial(skip_loops, wrong="corner"),
        "cut-from-end": partial(skip_loops, wrong="end"),
        "rounded-up": partial(skip_loops, wrong="ceil"),
        "odd-difference-breaks": skip_both_ends,
        "minus-zero": skip_to_minus,
        "not-cropped": lambda decoder, encoder: torch.cat([encoder, decoder], 1),
        "cut-off-by-one": partial(skip_loops, wrong="late"),
        "halves-apart": partial(skip_loops, wrong="halves"),
        "not-half": partial(skip_loops, wrong="quarter"),
        "decoder-first": partial(skip_loops, wrong="decoder first"),
        "interleaved": partial(skip_loops, wrong="pairs"),
        "resized": skip_resized,
        "decoder-padded": skip_padded,
        "added": partial(skip_loops, wrong="sum"),
        "wrong-axis": skip_rows,
        "one-map-only": partial(skip_loops, wrong="encoder only"),
        "one-axis-only": partial(skip_loops, wrong="columns only"),
        "first-picture-only": partial(skip_loops, wrong="one picture"),
        "first-channel-only": partial(skip_loops, wrong="one channel"),
        "precision-lost": partial(skip_loops, wrong="float32"),
        "input-changed": partial(skip_loops, wrong="in place"),
    },
    "unet_weight_map": {
        "id-255-left-out": lambda m, w0, s: map_loops(torch.where(m == 255, torch.zeros_like(m), m), w0, s),
        "second-pixel": partial(map_loops, wrong="pixels"),
        "one-distance-only": partial(map_loops, wrong="one"),
        "squares-added": partial(map_loops, wrong="squares"),
        "difference": partial(map_loops, wrong="minus"),
        "not-squared": partial(map_loops, wrong="linear"),
        "wrong-width": partial(map_loops, wrong="no two"),
        "mean-distance": partial(map_loops, wrong="mean"),
        "sign-forgotten": partial(map_loops, wrong="plus"),
        "cells-weighted-too": partial(map_loops, wrong="cells too"),
        "one-forgotten": partial(map_loops, wrong="no one"),
        "one-times-w0": partial(map_loops, wrong="times w0"),
        "w0-fixed": partial(map_loops, wrong="fixed w0"),
        "sigma-fixed": partial(map_loops, wrong="fixed sigma"),
        "arguments-exchanged": lambda instances, w0, sigma: map_broadcast(instances, sigma, w0),
        "other-distance": partial(map_loops, wrong="steps"),
        "distance-shifted": partial(map_loops, wrong="edge"),
        "distance-to-centre": map_centres,
        "bytes-wrap": map_bytes,
        "distance-inverted": lambda m, w0, s: (m == 0) * float(len(m.unique()) > 1 + (0 in m)) * w0 + 1,
        "precision-lost": lambda m, w0, s: torch.as_tensor(map_loops(m, w0, s)).half(),
        "farthest-cells": partial(map_loops, wrong="farthest"),
        "cells-merged": partial(map_scipy, wrong="regions"),
        "pieces-apart": partial(map_scipy, wrong="pieces"),
        "ids-counted-up": partial(map_loops, wrong="count up"),
        "few-cells": partial(map_scipy, wrong="needs two"),
        "normalised": partial(map_loops, wrong="mean of map"),
        "wrong-dtype": partial(map_loops, wrong="whole"),
        "input-changed": partial(map_loops, wrong="in place"),
    },
}
