"""Chapter 03, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

# conv_transpose2d --------------------------------------------------------------------------------------------------


def stamps(x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1, *, wrong=""):
    """One stamp per input pixel on a large canvas, then a cut."""
    s, p, o, d = stride, padding, output_padding, dilation
    s = 1 if wrong == "no stride" else s
    d = {"no dilation": 1, "holes": d + 1}.get(wrong, d)
    o = 0 if wrong in ("no output padding", "empty rows", "top") else o
    s, d = (d, s) if wrong == "swap" else (s, d)
    n, _, h, w = x.shape
    weight = weight.transpose(0, 1) if wrong == "weight order" else weight
    co, (kh, kw) = weight.shape[1], weight.shape[2:]
    kw = kh if wrong == "square" else kw
    p = 0 if wrong == "no padding" else p
    dtype = {"float32": torch.float32, "int": torch.int32}.get(wrong, x.dtype)
    big = torch.zeros(n, co, (h - 1) * s + d * (kh - 1) + 1 + o, (w - 1) * s + d * (kw - 1) + 1 + o, dtype=dtype)
    for i in range(h):
        for j in range(w):
            for u in range(kh):
                for v in range(kw):
                    k = weight[:, :, kh - 1 - u, kw - 1 - v] if wrong == "flip" else weight[:, :, u, v]
                    pixel = x[:, :, i, j]
                    if wrong == "one channel":
                        pixel, k = pixel[:, :1], k[:1]
                    value = pixel @ k
                    if wrong == "bias in stamp" and bias is not None:
                        value = value + bias
                    y, z = i * s + u * d, j * s + v * d
                    if wrong == "overwrite":
                        big[:, :, y, z] = value.to(dtype)
                    else:
                        big[:, :, y, z] += value.to(dtype)
    top, left = (p, p)
    bottom, right = big.shape[2] - p, big.shape[3] - p
    if wrong == "cut left only":
        bottom, right = big.shape[2:]
    if wrong == "cut more" and p:
        top, left, bottom, right = top + 1, left + 1, bottom - 1, right - 1
    out = big[:, :, top:bottom, left:right]
    if wrong == "n times s":
        out = out[:, :, : h * s, : w * s]
    if bias is not None and wrong not in ("no bias", "bias in stamp"):
        out = out + bias.view(1, -1, 1, 1).to(dtype)
    if wrong == "empty rows":
        out = torch.nn.functional.pad(out, (0, output_padding, 0, output_padding))
    if wrong == "top":
        out = torch.nn.functional.pad(out, (output_padding, 0, output_padding, 0))
    if wrong == "one picture":
        out = out[:1]
    if wrong == "in place":
        x *= 2
    return out


def spread_and_convolve(x, weight, bias, stride, padding, output_padding, dilation):
    """Zeros between the pixels, then an ordinary convolution with the flipped kernel."""
    n, c, h, w = x.shape
    kh, kw = weight.shape[2:]
    spread = x.new_zeros(n, c, (h - 1) * stride + 1, (w - 1) * stride + 1)
    spread[:, :, ::stride, ::stride] = x
    y, z = dilation * (kh - 1), dilation * (kw - 1)
    wide = torch.nn.functional.pad(spread, (z, z + output_padding, y, y + output_padding))
    out = torch.nn.functional.conv2d(wide, weight.flip(2, 3).transpose(0, 1), bias, dilation=dilation)
    return out[:, :, padding : out.shape[2] - padding, padding : out.shape[3] - padding]


def matrix_view(x, weight, bias, stride, padding, output_padding, dilation):
    """Rows and columns as two 0/1 placement arrays, in numpy with float64."""
    (h, w), (kh, kw) = x.shape[2:], weight.shape[2:]

    def place(n, k):
        size = (n - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1
        at = np.arange(n)[:, None] * stride + np.arange(k) * dilation - padding
        return (at[..., None] == np.arange(size)).astype(float)

    out = np.einsum("nchw,couv,huy,wvz->noyz", x.numpy(), weight.numpy(), place(h, kh), place(w, kw), optimize=True)
    return out if bias is None else out + bias.numpy().reshape(-1, 1, 1)


# coverage_counts ---------------------------------------------------------------------------------------------------


def coverage_loop(n, kernel, stride, padding, *, wrong=""):
    if wrong == "swap":
        kernel, stride = stride, kernel
    stride = 1 if wrong == "no stride" else stride
    kernel = kernel + 1 if wrong == "longer" else kernel
    counts = [0] * ((n - 1) * stride + kernel)
    for i in range(-50, n + 50) if wrong == "endless" else range(n):
        for u in range(kernel):
            if 0 <= i * stride + u < len(counts):
                counts[i * stride + u] += 1
    if wrong == "constant":
        counts = [kernel / stride] * len(counts)
    if wrong == "once":
        counts = [min(c, 1) for c in counts]
    if wrong == "n times s":
        return counts[padding : len(counts) - padding][: n * stride]
    if wrong == "more":
        return [0] * padding + counts + [0] * padding
    if wrong == "uncut":
        return counts
    if wrong == "left":
        return counts[padding:]
    return counts[padding : len(counts) - padding]


def coverage_formula(n, kernel, stride, padding):
    at = torch.arange((n - 1) * stride - 2 * padding + kernel) + padding
    last = torch.div(at, stride, rounding_mode="floor").clamp(max=n - 1)
    first = torch.div(at - kernel, stride, rounding_mode="floor").clamp(min=-1) + 1
    return last - first + 1


def coverage_numpy(n, kernel, stride, padding):
    spread = np.zeros((n - 1) * stride + 1)
    spread[::stride] = 1
    full = np.convolve(spread, np.ones(kernel))
    return np.rint(full[padding : len(full) - padding]).astype(np.int32)


def coverage_convolution(n, kernel, stride, padding):
    counts = [0] * n
    for start in range(-padding, n + padding - kernel + 1, stride):
        for at in range(start, start + kernel):
            if 0 <= at < n:
                counts[at] += 1
    return counts


# interpolate_bilinear ----------------------------------------------------------------------------------------------


def bilinear_loops(x, size, align_corners, *, wrong=""):
    if wrong == "inverted":
        align_corners = not align_corners
    if wrong == "always true":
        align_corners = True
    n, c, h, w = x.shape
    height, width = (size[1], size[0]) if wrong == "size" else size
    out = torch.zeros(n, c, height, width, dtype=torch.float32 if wrong == "float32" else x.dtype)

    def source(i, have, want):
        if align_corners:
            if wrong == "divide":
                at = i * (have - 1) / (want - 1) if want > 1 else float("nan")
            else:
                at = i * (have - 1) / (want - 1) if want > 1 else 0.0
        elif wrong == "no half":
            at = i * have / want
        elif wrong == "inverse":
            at = (i + 0.5) * want / have - 0.5
        else:
            at = (i + 0.5) * have / want - 0.5
        return at if wrong == "beyond" or at != at else min(max(at, 0.0), have - 1.0)

    for i in range(height):
        for j in range(width):
            y, z = source(i, h, height), source(j, w, width)
            if y != y or z != z:
                out[:, :, i, j] = float("nan")
                continue
            y0, z0 = math.floor(y), math.floor(z)
            if wrong == "beyond":
                y0, z0 = min(max(y0, 0), max(h - 2, 0)), min(max(z0, 0), max(w - 2, 0))
            y1, z1 = min(y0 + 1, h - 1), min(z0 + 1, w - 1)
            a, b = y - y0, z - z0
            if wrong == "nearest":
                a, b = 0.0, 0.0
            if wrong == "weights":
                a, b = 1 - a, 1 - b
            if wrong == "rows only":
                b = 0.0
            upper = (1 - b) * x[:, :, y0, z0] + b * x[:, :, y0, z1]
            lower = (1 - b) * x[:, :, y1, z0] + b * x[:, :, y1, z1]
            out[:, :, i, j] = (1 - a) * upper + a * lower
    if wrong == "one picture":
        out[1:] = 0
    if wrong == "one channel":
        out = out[:, :1].expand(n, c, height, width)
    return out


def bilinear_numpy(x, size, align_corners):
    """np.interp along one axis after the other."""

    def along(values, axis, want):
        have = values.shape[axis]
        at = np.linspace(0, have - 1, want) if align_corners else (np.arange(want) + 0.5) * have / want - 0.5
        return np.apply_along_axis(lambda line: np.interp(at, np.arange(have), line), axis, values)

    return along(along(x.numpy().astype(float), 2, size[0]), 3, size[1])


def bilinear_gather(x, size, align_corners):
    for axis, want in ((2, size[0]), (3, size[1])):
        have = x.shape[axis]
        i = torch.arange(want, dtype=x.dtype)
        at = (
            i * ((have - 1) / max(want - 1, 1))
            if align_corners
            else ((i + 0.5) * (have / want) - 0.5).clamp(0, have - 1)
        )
        low = at.long().clamp(max=have - 1)
        high = (low + 1).clamp(max=have - 1)
        share = (at - low).view(-1, 1) if axis == 2 else at - low
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share
    return x


# max_unpool2d ------------------------------------------------------------------------------------------------------


def unpool_loops(x, indices, output_size, *, wrong=""):
    n, c = x.shape[:2]
    h, w = output_size
    if wrong == "double":
        h, w = 2 * x.shape[2], 2 * x.shape[3]
    start = float("nan") if wrong == "nan" else 0.0
    out = torch.full((n, c, h, w), start, dtype=torch.float32 if wrong == "float32" else x.dtype)
    for a in range(1 if wrong == "one picture" else n):
        for b in range(1 if wrong == "one channel" else c):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    at = int(indices[a, b, i, j])
                    row, column = (
                        (at % h, at // h) if wrong == "columns" else (at // output_size[1], at % output_size[1])
                    )
                    plane = (a, 0) if wrong == "one plane" else (a, b)
                    value = 1.0 if wrong == "ones" else x[a, b, i, j]
                    if wrong == "nails":
                        row, column = 2 * i, 2 * j
                    if wrong == "add":
                        out[*plane, row, column] += value
                    elif wrong == "compare":
                        out[*plane, row, column] = max(out[*plane, row, column], value)
                    elif wrong == "fill":
                        out[a, b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = value
                    else:
                        out[*plane, row, column] = value
    return out.flatten(2) if wrong == "flat" else out


def unpool_numpy(x, indices, output_size):
    n, c = x.shape[:2]
    out = np.zeros((n * c, output_size[0] * output_size[1]))
    np.put_along_axis(out, indices.numpy().reshape(n * c, -1), x.numpy().reshape(n * c, -1), 1)
    return out.reshape(n, c, *output_size)


def unpool_compare(x, indices, output_size):
    """Every output asks every input whether it is meant."""
    h, w = output_size
    hit = indices.flatten(2)[..., None] == torch.arange(h * w)
    first = hit & (hit.cumsum(2) == 1)
    return torch.einsum("ncp,ncpi->nci", x.flatten(2), first.to(x.dtype)).reshape(*x.shape[:2], h, w)


def unpool_one_line(x, indices, output_size):
    n, c = x.shape[:2]
    out = x.new_zeros(n, c * output_size[0] * output_size[1])
    for a in range(n):
        out[a, indices[a].flatten()] = x[a].flatten()
    return out.reshape(n, c, *output_size)


# pixel_shuffle -----------------------------------------------------------------------------------------------------


def shuffle_loops(x, upscale_factor, *, wrong=""):
    r = 2 if wrong == "two" else upscale_factor
    n, k, h, w = x.shape
    c = k // (r * r)
    out = x.new_zeros(n, c, h * r, w * r)
    for o in range(c):
        for a in range(r):
            for b in range(r):
                source = {"offset first": (a * r + b) * c + o, "exchanged": o * r * r + b * r + a}.get(
                    wrong, o * r * r + a * r + b
                )
                if wrong == "copy":
                    source = o
                if wrong == "reversed":
                    source = o * r * r + (r - 1 - a) * r + r - 1 - b
                if wrong == "tiles":
                    out[:, o, a * h : (a + 1) * h, b * w : (b + 1) * w] = x[:, source]
                else:
                    out[:, o, a::r, b::r] = x[:, source]
    if wrong == "one picture":
        out[1:] = 0
    return out.mT if wrong == "turned" else out


def shuffle_reshape(x, upscale_factor):
    n, k, h, w = x.shape
    r = upscale_factor
    return x.reshape(n, k // r**2, r, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, k // r**2, h * r, w * r)


def shuffle_numpy(x, upscale_factor):
    r = upscale_factor
    _n, k, h, w = x.shape
    y, z = np.arange(h * r)[:, None], np.arange(w * r)
    c = np.arange(k // r**2)[:, None, None]
    return x.numpy()[:, c * r * r + (y % r) * r + z % r, y // r, z // r]


def shuffle_view_only(x, upscale_factor):
    n, _k, h, w = x.shape
    return x.contiguous().view(n, -1, h * upscale_factor, w * upscale_factor)


def shuffle_unshuffle(x, upscale_factor):
    r = upscale_factor
    n, c, h, w = x.shape
    if h % r or w % r:
        x = torch.nn.functional.pad(x, (0, -w % r, 0, -h % r))
    n, c, h, w = x.shape
    return x.reshape(n, c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4).reshape(n, c * r * r, h // r, w // r)


def shuffle_half(x, upscale_factor):
    r = upscale_factor
    n, k, h, w = x.shape
    return x.reshape(n, k // r**2, r, r, h, w).permute(0, 1, 4, 2, 3, 5).reshape(n, k // r**2, h * r, w * r)


# shift_and_stitch --------------------------------------------------------------------------------------------------


def stitch_loops(network, x, factor, *, wrong=""):
    f = 2 if wrong == "two" else factor
    n, _, height, width = x.shape
    parts = {}
    for dy in range(f):
        for dx in range(f):
            moved = x[:, :, dy:, dx:]
            if wrong == "down":
                moved = torch.zeros_like(x)
                moved[:, :, dy:, dx:] = x[:, :, : height - dy, : width - dx]
            elif wrong == "roll":
                moved = torch.roll(x, shifts=(-dy, -dx), dims=(2, 3))
            elif wrong == "rows":
                moved = x[:, :, dy:]
            elif wrong == "same":
                moved = x
            elif wrong == "zeros":
                moved = torch.zeros_like(x)
                moved[:, :, : height - dy, : width - dx] = x[:, :, dy:, dx:]
            elif wrong == "one too far":
                moved = x[:, :, dy + 1 :, dx + 1 :]
            parts[dy, dx] = network(moved)
    k, h, w = parts[0, 0].shape[1:]
    if wrong in ("down", "roll", "same", "zeros", "full"):
        size = (h * f, w * f)
    else:
        size = (sum(parts[a, 0].shape[2] for a in range(f)), sum(parts[0, a].shape[3] for a in range(f)))
    if wrong == "one too far":
        size = (
            sum(network(x[:, :, a:]).shape[2] for a in range(f)),
            sum(network(x[:, :, :, a:]).shape[3] for a in range(f)),
        )
    out = torch.zeros(n, k, *size, dtype=parts[0, 0].dtype)
    for (dy, dx), part in parts.items():
        if wrong == "diagonal" and dx != dy:
            continue
        a, b = {"exchanged": (dx, dy), "reversed": (f - 1 - dy, f - 1 - dx)}.get(wrong, (dy, dx))
        if wrong == "one too far" or wrong == "full":
            room = out[:, :, a::f, b::f]
            room[:, :, : part.shape[2], : part.shape[3]] = part[:, :, : room.shape[2], : room.shape[3]]
        else:
            out[:, :, a::f, b::f] = part
    if wrong == "tiles":
        out = torch.cat([torch.cat([parts[a, b] for b in range(f)], 3) for a in range(f)], 2)
    if wrong == "in place":
        x.zero_()
    return out[:1] if wrong == "one picture" else out


def stitch_filled_and_cut(network, x, factor):
    """All shifts in one batch, filled up with zeros, a pixel shuffle by hand; what looks beyond the picture cut off."""
    n, _, h, w = x.shape
    padded = torch.nn.functional.pad(x, (0, factor - 1, 0, factor - 1))
    shifts = torch.stack([padded[:, :, a : a + h, b : b + w] for a in range(factor) for b in range(factor)], 1)
    y = network(shifts.flatten(0, 1))
    y = y.reshape(n, factor, factor, *y.shape[1:])
    y = torch.einsum("nabkij->nkiajb", y).reshape(n, y.shape[3], y.shape[4] * factor, y.shape[5] * factor)
    rows, columns = (sum(network(x[:, :, a:, a:]).shape[axis] for a in range(factor)) for axis in (2, 3))
    return y[:, :, :rows, :columns]


def stitch_numpy(network, x, factor):
    """A dictionary of places first, an array afterwards; the network still wants tensors."""
    places = {}
    for a in range(factor):
        for b in range(factor):
            part = np.asarray(network(x[:, :, a:, b:]))
            for i in range(part.shape[2]):
                for j in range(part.shape[3]):
                    places[i * factor + a, j * factor + b] = part[:, :, i, j]
    rows, columns = 1 + max(i for i, _ in places), 1 + max(j for _, j in places)
    return np.array([[places[i, j] for j in range(columns)] for i in range(rows)]).transpose(2, 3, 0, 1)


def stitch_upsampled(network, x, factor):
    return torch.nn.functional.interpolate(network(x), scale_factor=factor, mode="bilinear")


RIGHT = {
    "conv_transpose2d": {"loops": stamps, "spread and convolve": spread_and_convolve, "numpy einsum": matrix_view},
    "coverage_counts": {"loops": coverage_loop, "formula": coverage_formula, "numpy int32": coverage_numpy},
    "interpolate_bilinear": {"loops": bilinear_loops, "numpy": bilinear_numpy, "gather": bilinear_gather},
    "max_unpool2d": {"loops": unpool_loops, "numpy": unpool_numpy, "einsum": unpool_compare},
    "pixel_shuffle": {"loops": shuffle_loops, "reshape": shuffle_reshape, "numpy": shuffle_numpy},
    "shift_and_stitch": {
        "loops": stitch_loops,
        "filled and cut": stitch_filled_and_cut,
        "numpy": stitch_numpy,
    },
}

WRONG = {
    "conv_transpose2d": {
        "kernel-flipped": partial(stamps, wrong="flip"),
        "weight-order": partial(stamps, wrong="weight order"),
        "output-padding-ignored": partial(stamps, wrong="no output padding"),
        "output-padding-empty": partial(stamps, wrong="empty rows"),
        "output-padding-all-sides": partial(stamps, wrong="top"),
        "padding-ignored": partial(stamps, wrong="no padding"),
        "padding-off-by-one": partial(stamps, wrong="cut more"),
        "padding-one-sided": partial(stamps, wrong="cut left only"),
        "overwritten": partial(stamps, wrong="overwrite"),
        "bias-ignored": partial(stamps, wrong="no bias"),
        "bias-per-stamp": partial(stamps, wrong="bias in stamp"),
        "stride-ignored": partial(stamps, wrong="no stride"),
        "stride-dilation-swapped": partial(stamps, wrong="swap"),
        "dilation-ignored": partial(stamps, wrong="no dilation"),
        "dilation-off-by-one": partial(stamps, wrong="holes"),
        "size-too-small": partial(stamps, wrong="n times s"),
        "first-picture-only": partial(stamps, wrong="one picture"),
        "first-channel-only": partial(stamps, wrong="one channel"),
        "only-square-kernels": partial(stamps, wrong="square"),
        "precision-lost": partial(stamps, wrong="float32"),
        "wrong-dtype": partial(stamps, wrong="int"),
        "input-changed": partial(stamps, wrong="in place"),
    },
    "coverage_counts": {
        "padding-not-cropped": partial(coverage_loop, wrong="uncut"),
        "padding-one-sided": partial(coverage_loop, wrong="left"),
        "padding-added": partial(coverage_loop, wrong="more"),
        "stride-ignored": partial(coverage_loop, wrong="no stride"),
        "capped-at-one": partial(coverage_loop, wrong="once"),
        "interior-everywhere": partial(coverage_loop, wrong="endless"),
        "constant": partial(coverage_loop, wrong="constant"),
        "kernel-off-by-one": partial(coverage_loop, wrong="longer"),
        "length-off": partial(coverage_loop, wrong="n times s"),
        "kernel-stride-swapped": partial(coverage_loop, wrong="swap"),
        "convolution-counted": coverage_convolution,
    },
    "interpolate_bilinear": {
        "align-corners-inverted": partial(bilinear_loops, wrong="inverted"),
        "align-corners-ignored": partial(bilinear_loops, wrong="always true"),
        "half-pixel-missing": partial(bilinear_loops, wrong="no half"),
        "border-not-clamped": partial(bilinear_loops, wrong="beyond"),
        "weights-exchanged": partial(bilinear_loops, wrong="weights"),
        "nearest": partial(bilinear_loops, wrong="nearest"),
        "one-axis-only": partial(bilinear_loops, wrong="rows only"),
        "size-swapped": partial(bilinear_loops, wrong="size"),
        "scale-inverted": partial(bilinear_loops, wrong="inverse"),
        "one-row-divides-by-zero": partial(bilinear_loops, wrong="divide"),
        "first-picture-only": partial(bilinear_loops, wrong="one picture"),
        "first-channel-only": partial(bilinear_loops, wrong="one channel"),
        "precision-lost": partial(bilinear_loops, wrong="float32"),
    },
    "max_unpool2d": {
        "bed-of-nails": partial(unpool_loops, wrong="nails"),
        "copied-to-window": partial(unpool_loops, wrong="fill"),
        "planes-mixed-up": unpool_one_line,
        "summed-twice": partial(unpool_loops, wrong="add"),
        "index-column-major": partial(unpool_loops, wrong="columns"),
        "always-doubled": partial(unpool_loops, wrong="double"),
        "not-zero-elsewhere": partial(unpool_loops, wrong="nan"),
        "ones-instead": partial(unpool_loops, wrong="ones"),
        "left-flat": partial(unpool_loops, wrong="flat"),
        "negative-lost": partial(unpool_loops, wrong="compare"),
        "first-picture-only": partial(unpool_loops, wrong="one picture"),
        "first-channel-only": partial(unpool_loops, wrong="one channel"),
        "precision-lost": partial(unpool_loops, wrong="float32"),
    },
    "pixel_shuffle": {
        "channel-order": partial(shuffle_loops, wrong="offset first"),
        "offsets-exchanged": partial(shuffle_loops, wrong="exchanged"),
        "only-reshaped": shuffle_view_only,
        "blocks-side-by-side": partial(shuffle_loops, wrong="tiles"),
        "half-interlaced": shuffle_half,
        "copied": partial(shuffle_loops, wrong="copy"),
        "unshuffled": shuffle_unshuffle,
        "factor-fixed": partial(shuffle_loops, wrong="two"),
        "rows-columns-exchanged": partial(shuffle_loops, wrong="turned"),
        "offset-reversed": partial(shuffle_loops, wrong="reversed"),
        "first-picture-only": partial(shuffle_loops, wrong="one picture"),
    },
    "shift_and_stitch": {
        "shifted-wrong-way": partial(stitch_loops, wrong="down"),
        "wraps-around": partial(stitch_loops, wrong="roll"),
        "offsets-exchanged": partial(stitch_loops, wrong="exchanged"),
        "offsets-reversed": partial(stitch_loops, wrong="reversed"),
        "blocks-side-by-side": partial(stitch_loops, wrong="tiles"),
        "only-diagonal-shifts": partial(stitch_loops, wrong="diagonal"),
        "one-axis-only": partial(stitch_loops, wrong="rows"),
        "not-shifted": partial(stitch_loops, wrong="same"),
        "interpolated": stitch_upsampled,
        "filled-up": partial(stitch_loops, wrong="zeros"),
        "size-not-dense": partial(stitch_loops, wrong="full"),
        "factor-fixed": partial(stitch_loops, wrong="two"),
        "shift-too-large": partial(stitch_loops, wrong="one too far"),
        "first-picture-only": partial(stitch_loops, wrong="one picture"),
        "coarse-returned": lambda network, x, factor: network(x),
        "input-changed": partial(stitch_loops, wrong="in place"),
    },
}
