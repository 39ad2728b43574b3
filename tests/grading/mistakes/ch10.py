"""Chapter 10, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial, reduce

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import after, altered, first_only, laid_out, several

F = nn.functional

# separable_conv1d --------------------------------------------------------------------------------------------------


def sep_loops(x, depthwise, pointwise, bias, stride, dilation, *, wrong=""):
    """Sample by sample and weight by weight."""
    n, c, t = x.shape
    m, k = depthwise.shape[1:]
    if wrong == "swapped":
        stride, dilation = dilation, stride
    if wrong == "no stride":
        stride = 1
    if wrong == "no dilation":
        dilation = 1
    first = {"late": stride - 1, "long start": (k - 1) * dilation}.get(wrong, 0)
    samples = range(first, t, stride)
    out = torch.zeros(n, len(pointwise), len(samples), dtype=torch.float32 if wrong == "float32" else x.dtype)
    for i in range(n):
        for place, now in enumerate(samples):
            alone = torch.zeros(c, m, dtype=x.dtype)
            for channel in range(c):
                for one in range(m):
                    kernel = depthwise[0 if wrong == "one kernel" else channel, one]
                    for u in range(k):
                        back = {"flipped": u, "ahead": -u, "centred": k // 2 - u}.get(wrong, k - 1 - u)
                        at = now - back * dilation
                        if wrong == "edge":
                            at = max(at, 0)
                        if 0 <= at < t:
                            alone[channel, one] += kernel[u] * (
                                x[i, :, at].sum() if wrong == "all" else x[i, channel, at]
                            )
            if wrong == "relu":
                alone = alone.clamp(min=0)
            if wrong == "first kernel":
                alone[:, 1:] = 0
            weights = torch.ones_like(pointwise) if wrong == "ones" else pointwise
            value = torch.einsum("ocm,cm->o", weights, alone)
            if wrong == "added":
                value = pointwise[:, :, 0] @ alone.sum(1)
            if wrong == "first channel":
                value = pointwise[:, 0] @ alone[0]
            value = value if wrong == "no bias" else value + bias
            out[i, :, place] = value.clamp(min=0) if wrong == "relu at the end" else value
    if wrong == "in place":
        x.mul_(2)
    return {"one": out[:1], "time first": out.transpose(1, 2)}.get(wrong, out)


def sep_torch(x, depthwise, pointwise, bias, stride, dilation, padding=None):
    c, m, k = depthwise.shape
    reach = (k - 1) * dilation
    x = F.pad(x, (reach, 0) if padding is None else padding(reach, k))
    alone = F.conv1d(x, depthwise.reshape(c * m, 1, k), stride=stride, dilation=dilation, groups=c)
    return F.conv1d(alone, pointwise.reshape(-1, c * m, 1), bias)


def sep_merged(x, depthwise, pointwise, bias, stride, dilation):
    """One whole kernel for each pair of channels, and shifted copies of the signal."""
    whole = torch.einsum("ocm,cmk->ock", pointwise, depthwise)
    n, _, t = x.shape
    out = bias[:, None].repeat(n, 1, t).reshape(n, -1, t).to(x.dtype)
    for u in range(whole.shape[2]):
        back = (whole.shape[2] - 1 - u) * dilation
        if back < t:
            out[:, :, back:] += torch.einsum("oc,nct->not", whole[:, :, u], x[:, :, : t - back])
    return out[:, :, ::stride]


def sep_numpy(x, depthwise, pointwise, bias, stride, dilation):
    """A matrix of T×t for each kernel."""
    k, t = depthwise.shape[2], x.shape[2]
    out = np.zeros((x.shape[0], pointwise.shape[0], -(-t // stride)), dtype=x.numpy().dtype)
    for c in range(x.shape[1]):
        for m in range(depthwise.shape[1]):
            band = np.zeros((t, t))
            for u in range(k):
                band += float(depthwise[c, m, u]) * np.eye(t, t, (k - 1 - u) * dilation)
            alone = (x[:, c].numpy() @ band)[:, ::stride]
            out += pointwise[:, c, m].numpy()[None, :, None] * alone[:, None]
    return out + bias.numpy()[:, None]


def sep_wrong_order(x, depthwise, pointwise, bias, stride, dilation):
    """The M results stand kernel after kernel, and the weights channel after channel."""
    c, m, k = depthwise.shape
    parts = [
        F.conv1d(F.pad(x, ((k - 1) * dilation, 0)), depthwise[:, one, None], None, stride, 0, dilation, c)
        for one in range(m)
    ]
    return F.conv1d(torch.cat(parts, 1), pointwise.reshape(-1, c * m, 1), bias)


def sep_by(mix=lambda alone, weights: torch.einsum("ocm,ncmt->not", weights, alone), order=lambda kernels: kernels):
    """mix(results of the kernels, pointwise), order(depthwise)."""

    def answer(x, depthwise, pointwise, bias, stride, dilation):
        c, m, k = depthwise.shape
        wide = F.pad(x, ((k - 1) * dilation, 0))
        kernels = order(depthwise).reshape(c * m, 1, k)
        alone = F.conv1d(wide, kernels, stride=stride, dilation=dilation, groups=c).reshape(len(x), c, m, -1)
        return mix(alone, pointwise) + bias.reshape(-1, 1)

    return answer


# network_cost ------------------------------------------------------------------------------------------------------


def cost_walked(layers, channels, height, width, *, wrong=""):
    """One convolution after the other, with a running total."""
    weights = macs = moved = 0
    c, h, w = channels, height, width

    def smaller(n, k, s):
        if wrong == "valid":
            return (n - k) // s + 1
        if wrong == "no stride":
            return n
        return n // s if wrong == "down" else (n + s - 1) // s

    def convolve(c, h, w, kh, kw, sh, sw, o, groups=1):
        nonlocal weights, macs, moved
        h2, w2 = smaller(h, kh, sh), smaller(w, kw, sw)
        here = kh * kw * c * o // groups
        if wrong == "groups twice" and 1 < groups < c:
            here //= groups
        weights += here + (o if wrong in ("bias", "bias not moved") else 0)
        macs += here * (h * w if wrong == "before" else h2 * w2) * (2 if wrong == "flops" else 1)
        numbers = c * h * w + here + o * h2 * w2
        if wrong == "no weights moved":
            numbers -= here
        if wrong == "output only":
            numbers -= c * h * w
        if wrong == "input only":
            numbers -= o * h2 * w2
        moved += (1 if wrong == "numbers" else 4) * (numbers + (o if wrong == "bias" else 0))
        return h2, w2

    for kind, k, s, *more in layers:
        if wrong == "last":
            weights = macs = moved = 0
        o = more[0] if more else c
        if kind == "conv":
            if wrong == "flat kernel":
                h, w = convolve(c, h, w, k, 1, s, s, o, more[1])
            else:
                h, w = convolve(c, h, w, k, k, s, s, o, 1 if wrong == "no groups" else more[1])
        elif kind == "separable":
            if wrong == "late stride":
                h, w = convolve(c, h, w, k, k, 1, 1, c, c)
                h, w = convolve(c, h, w, 1, 1, s, s, o)
            elif wrong == "other half":
                h, w = convolve(c, h, w, 1, 1, s, s, o)
            else:
                h, w = convolve(c, h, w, k, k, s, s, c, 1 if wrong in ("dense", "all dense") else c)
                if wrong != "half":
                    h, w = convolve(c, h, w, 1, 1, 1, 1, o)
        elif kind == "asymmetric":
            middle = c if wrong == "middle" else o
            sides = {"at once": (s, s, 1, 1), "late": (1, 1, s, s), "turned": (1, s, s, 1)}.get(wrong, (s, 1, 1, s))
            if wrong == "square":
                h, w = convolve(c, h, w, k, k, s, s, o)
            else:
                h, w = convolve(c, h, w, k, 1, *sides[:2], middle)
                h, w = convolve(middle, h, w, 1, k, *sides[2:], o)
        elif kind == "inverted":
            t = 1 if wrong == "no expansion" else more[1]
            wide = t * (o if wrong == "of the output" and t > 1 else c)
            if t > 1 or wrong == "t = 1":
                early = s if wrong == "small" else 1
                if wrong != "no widening":
                    h, w = convolve(c, h, w, 1, 1, early, early, wide)
            late = 1 if wrong == "small" and t > 1 else s
            h, w = convolve(wide, h, w, k, k, late, late, wide, 1 if wrong == "all dense" else wide)
            if wrong != "no narrowing":
                h, w = convolve(wide, h, w, 1, 1, 1, 1, o)
        else:
            h2, w2 = (h, w) if wrong == "pool keeps" else (smaller(h, k, s), smaller(w, k, s))
            if wrong == "pool weighs":
                convolve(c, h, w, k, k, s, s, c, c)
            elif wrong != "pool is free":
                moved += (
                    (1 if wrong == "numbers" else 4)
                    * c
                    * (h * w * (wrong != "output only") + h2 * w2 * (wrong != "input only"))
                )
            h, w = h2, w2
        c = channels if wrong == "same channels" else o
    return {"exchanged": (macs, weights, moved)}.get(wrong, (weights, macs, moved))


def cost_table(layers, channels, height, width):
    """First a table of all convolutions, then numpy's sums."""
    rows = []
    for kind, k, s, *more in layers:
        if kind == "conv":
            rows.append((k, k, s, s, channels, more[0], more[1]))
        if kind == "separable":
            rows += [(k, k, s, s, channels, channels, channels), (1, 1, 1, 1, channels, more[0], 1)]
        if kind == "asymmetric":
            rows += [(k, 1, s, 1, channels, more[0], 1), (1, k, 1, s, more[0], more[0], 1)]
        if kind == "inverted":
            wide = channels * more[1]
            rows += [(1, 1, 1, 1, channels, wide, 1)] * (more[1] != 1)
            rows += [(k, k, s, s, wide, wide, wide), (1, 1, 1, 1, wide, more[0], 1)]
        if kind == "pool":
            rows.append((0, 0, s, s, channels, channels, 1))
        channels = rows[-1][5]
    table = np.array(rows, dtype=np.int64)
    sizes = [(height, width)]
    for row in table:
        sizes.append((math.ceil(sizes[-1][0] / row[2]), math.ceil(sizes[-1][1] / row[3])))
    cells = np.array(sizes, dtype=np.int64).prod(1)
    weights = table[:, 0] * table[:, 1] * table[:, 4] * table[:, 5] // table[:, 6]
    maps = table[:, 4] * cells[:-1] + table[:, 5] * cells[1:]
    return [int(weights.sum()), int((weights * cells[1:]).sum()), int(4 * (weights + maps).sum())]


def cost_meta(layers, channels, height, width):
    """The layers are built and run without values, and hooks count."""
    weights, macs, moved = [], [], []

    def count(module, inputs, output):
        own = module.weight.numel() if isinstance(module, nn.Conv2d) else 0
        weights.append(own)
        macs.append(own * output[0, 0].numel())
        moved.append(4 * (inputs[0].numel() + own + output.numel()))

    def conv(c, o, k, s, groups=1):
        padding = [n // 2 for n in k] if isinstance(k, tuple) else k // 2
        return nn.Conv2d(c, o, k, s, padding, groups=groups, bias=False, device="meta")

    def parts(c, kind, k, s, o=None, n=1):
        if kind == "pool":
            return [nn.MaxPool2d(k, s, k // 2)]
        if kind == "conv":
            return [conv(c, o, k, s, n)]
        if kind == "asymmetric":
            return [conv(c, o, (k, 1), (s, 1)), conv(o, o, (1, k), (1, s))]
        wide = n * c
        return [*([conv(c, wide, 1, 1)] if n > 1 else []), conv(wide, wide, k, s, wide), conv(wide, o, 1, 1)]

    chain, c = [], channels
    for layer in layers:
        chain += parts(c, *layer)
        c = layer[3] if len(layer) > 3 else c
    for module in chain:
        module.register_forward_hook(count)
    nn.Sequential(*chain)(torch.empty(1, channels, height, width, device="meta"))
    return sum(weights), sum(macs), sum(moved)


def cost_outer(layers, channels, height, width):
    """Bytes of the maps between layers only."""
    weights, macs, _ = cost_table(layers, channels, height, width)
    moved, c, h, w = 4 * weights, channels, height, width
    for _, _, s, *more in layers:
        o, h2, w2 = more[0] if more else c, -(-h // s), -(-w // s)
        moved += 4 * (c * h * w + o * h2 * w2)
        c, h, w = o, h2, w2
    return weights, macs, moved


# separable_terms ---------------------------------------------------------------------------------------------------


def terms_svd(kernels, tolerance, *, wrong=""):
    """Singular values, in numpy."""
    n, kh, kw = kernels.shape
    terms, products = [], []
    for kernel in kernels.numpy().astype(np.float64):
        values = np.linalg.svd(kernel, compute_uv=False)
        length = math.sqrt((values**2).sum())
        allowed = tolerance * length
        if wrong == "absolute":
            allowed = tolerance
        r = 0
        while r < len(values):
            left = math.sqrt((values[r:] ** 2).sum())
            if wrong == "squares":
                left, allowed = (values[r:] ** 2).sum(), tolerance * length**2
            if wrong == "plain sum":
                left, allowed = values[r:].sum(), tolerance * values.sum()
            if wrong == "kept":
                left, allowed = -math.sqrt((values[:r] ** 2).sum()), -tolerance * length
            if wrong == "energy kept":
                left, allowed = -(values[:r] ** 2).sum(), -tolerance * length**2
            if wrong == "largest":
                left, allowed = values[r], tolerance * values[0]
            if wrong == "each":
                left = values[r]
            if wrong == "each absolute":
                left, allowed = values[r], tolerance
            if wrong == "exact":
                allowed = 1e-6 * length
            if left <= allowed:
                break
            r += 1
        if wrong == "one more":
            r += 1
        if wrong == "one less":
            r -= 1
        r = {
            "one more at most": min(r + 1, len(values)),
            "one less at least": max(r - 1, 0),
            "two": min(r, 2),
            "division by 0": r if length else len(values),
        }.get(wrong, r)
        if wrong == "yes or no":
            r = 1 if r == 1 else len(values) if r else 0
        if wrong == "at least one":
            r = max(r, 1)
        terms.append(r)
    if wrong == "one for all":
        terms = [max(terms)] * n
    if wrong == "the first for all":
        terms = terms[:1] * n
    for r in terms:
        cost = r * (kh + kw)
        if wrong == "square":
            cost = 2 * r * kh
        if wrong == "square rows":
            cost = 2 * r * kw
        if wrong == "area":
            cost = r * kh * kw
        if wrong == "once":
            cost = kh + kw if r else 0
        cost = cost if wrong in ("never whole", "area") else min(cost, kh * kw)
        if wrong == "whole" or (wrong == "whole if any" and r):
            cost = kh * kw
        products.append(kh * kw - cost if wrong == "saved" else cost)
    return (products, terms) if wrong == "exchanged" else (terms, products)


def terms_peeled(kernels, tolerance):
    """Take the best column and row away, by power iteration, until little is left."""
    kh, kw = kernels.shape[1:]
    terms = torch.zeros(len(kernels), dtype=torch.long)
    for i, kernel in enumerate(kernels.double()):
        left = kernel.clone()
        while left.norm() > tolerance * kernel.norm():
            row = left[left.norm(dim=1).argmax()].clone()
            for _ in range(3000):
                row = left.T @ (left @ row)
                row = row / row.norm()
            left = left - torch.outer(left @ row, row)
            terms[i] += 1
    return terms, torch.minimum(terms * (kh + kw), torch.tensor(kh * kw))


def terms_eigenvalues(kernels, tolerance):
    """Eigenvalues of KᵀK, all kernels at once."""
    kh, kw = kernels.shape[1:]
    k = kernels.double()
    energy = torch.linalg.eigvalsh(k.mT @ k).clamp(min=0).cumsum(1)  # the smallest first: energy of what is left out
    whole = energy[:, -1:]
    terms = ((energy > tolerance**2 * whole) & (whole > 0)).sum(1)
    return torch.stack([terms, (terms * (kh + kw)).clamp(max=kh * kw)])


def terms_rebuilt(kernels, tolerance):
    """The kernel is built from its terms, and compared."""
    kh, kw = kernels.shape[1:]
    terms = []
    for kernel in kernels.double():
        u, s, v = torch.linalg.svd(kernel)
        fits = [
            r for r in range(min(kh, kw) + 1)
            if torch.dist(kernel, sum((s[i] * torch.outer(u[:, i], v[i]) for i in range(r)), torch.zeros(kh, kw)))
            <= tolerance * kernel.norm()
        ]  # fmt: skip
        terms.append(fits[0])
    return np.array([terms, [min(r * (kh + kw), kh * kw) for r in terms]])


def terms_largest_entry(kernels, tolerance):
    kh, kw = kernels.shape[1:]
    terms = []
    for kernel in kernels.double():
        u, s, v = torch.linalg.svd(kernel, full_matrices=False)
        r = 0
        while r < len(s) and (kernel - u[:, :r] @ s[:r].diag() @ v[:r]).abs().max() > tolerance * kernel.abs().max():
            r += 1
        terms.append(r)
    return terms, [min(r * (kh + kw), kh * kw) for r in terms]


# shuffle_matrix ----------------------------------------------------------------------------------------------------


def shuffle_dealt(channels, groups, times, *, wrong=""):
    """Channels are moved about in a list, and the list is turned into a matrix at the end."""
    order = list(range(channels))
    groups = 2 if wrong == "halves" else groups
    size = channels // groups
    steps = abs(times)
    if wrong == "once":
        steps, times = 1, 1
    if wrong == "forward":
        times = steps
    if wrong == "no back" and times < 0:
        steps = 0
    if wrong == "one back" and times < 0:
        steps = 1
    if wrong == "once for back" and times < 0:
        steps = times = 1
    if wrong == "zero is one":
        steps = steps or 1
    for _ in range(steps):
        rows = [order[i * size : (i + 1) * size] for i in range(groups)]
        if wrong == "inside":
            order = [c for row in rows for c in row[::-1]]
            continue
        if wrong == "moved far":
            by = size if times > 0 else channels - size
            order = order[-by:] + order[:-by]
            continue
        if wrong == "moved":
            order = order[-1:] + order[:-1] if times > 0 else order[1:] + order[:1]
            continue
        dealt = [row[j] for j in range(size) for row in rows]
        if times < 0:
            back = [0] * channels
            place = [i * size + j for j in range(size) for i in range(groups)]
            for p, source in enumerate(place):
                back[source] = order[p]
            dealt = back
        order = dealt
    if wrong == "order":
        return torch.tensor(order)
    table = [[int(c == source) for c in range(channels)] for source in order]
    if wrong == "turned":
        table = table[::-1]
    return [list(row) for row in zip(*table, strict=True)] if wrong == "back" else table


def shuffle_torch(channels, groups, times):
    x = torch.eye(channels)[None, :, :, None]  # the channels are rows, and each row shows where it came from
    for _ in range(abs(times)):
        x = F.channel_shuffle(x, groups if times > 0 else channels // groups)
    return x[0, :, :, 0]


def shuffle_numpy(channels, groups, times):
    one = np.zeros((channels, channels), dtype=np.int64)
    for place in range(channels):
        one[place, place % groups * (channels // groups) + place // groups] = 1
    return np.linalg.matrix_power(one if times > 0 else one.T, abs(times))


def shuffle_modular(channels, groups, times):
    """Place p takes p·(C/g)^times mod (C − 1); the last stays."""
    out = torch.zeros(channels, channels, dtype=torch.bool)
    for p in range(channels):
        step = pow(channels // groups if times > 0 else groups, abs(times), channels - 1)
        out[p, p * step % (channels - 1) if p < channels - 1 else p] = True
    return out


def shuffle_by_numbers(channels, groups, times):
    one = shuffle_torch(channels, groups, 1)
    return one**times if times >= 0 else one.T ** abs(times)


def shuffle_without_last(channels, groups, times):
    """The card player's formula for all cards, the last one too."""
    one = np.zeros((channels, channels))
    for p in range(channels):
        one[p, p * (channels // groups) % (channels - 1)] = 1
    return reduce(np.matmul, [one if times > 0 else one.T] * abs(times), np.eye(channels))


# inverted_residual -------------------------------------------------------------------------------------------------


def inverted_torch(x, parts, bias, stride, *, wrong=""):
    """torch's convolutions, one part after the other."""
    act1 = act2 = F.relu6
    if wrong in ("no first", "neither"):
        act1 = lambda y: y  # noqa: E731
    if wrong in ("no second", "neither"):
        act2 = lambda y: y  # noqa: E731
    act1 = F.relu if wrong in ("uncapped", "first uncapped") else act1
    act2 = F.relu if wrong in ("uncapped", "second uncapped") else act2
    picture = x[:, :, ::stride, ::stride] if wrong == "early stride" else x
    step = 1 if wrong in ("early stride", "no stride") else stride
    total = 0
    for expand, first, depthwise, second, project in parts[:1] if wrong == "one part" else parts:
        if wrong == "exchanged":
            first, second = second, first
        if wrong == "flipped":
            depthwise = depthwise.flip(1, 2)
        depthwise = {"turned": depthwise.transpose(1, 2), "backwards": depthwise.flip(0)}.get(wrong, depthwise)
        if wrong == "one kernel":
            depthwise = depthwise[:1].expand_as(depthwise)
        inside = F.pad(picture, (1,) * 4) if wrong == "narrow padding" else picture
        first = first * 0 if wrong == "no first bias" else first
        if wrong == "early relu":
            wide = F.relu6(F.conv2d(inside, expand[:, :, None, None])) + first[:, None, None]
        else:
            wide = act1(F.conv2d(inside, expand[:, :, None, None], first))
        if wrong == "mixing":
            wide = wide.sum(1, keepdim=True).expand_as(wide)
        padding = 0 if wrong in ("narrow padding", "unpadded") else 1
        if wrong == "edge":
            wide, padding = F.pad(wide, (1,) * 4, mode="replicate"), 0
        second = None if wrong == "no second bias" else second
        seen = act2(F.conv2d(wide, depthwise[:, None], second, step, padding, groups=len(expand)))
        made = F.conv2d(seen, project[:, :, None, None], bias if wrong == "bias each" else None)
        total = total + (made.relu() if wrong == "relu each" else made)
        if wrong == "shortcut each" and stride == 1 and len(bias) == x.shape[1]:
            total = total + x
    if wrong == "mean":
        total = total / len(parts)
    if wrong not in ("bias each", "no bias"):
        total = total + bias[:, None, None]
    if wrong == "relu":
        total = total.relu()
    if wrong == "relu6":
        total = F.relu6(total)
    if wrong == "any":
        return total + x
    if wrong == "by shape" and total.shape == x.shape:
        return total + x
    if wrong == "always" and len(bias) == x.shape[1]:
        total = total + x[:, :, ::stride, ::stride]
    if stride == 1 and len(bias) == x.shape[1] and wrong not in ("no shortcut", "shortcut each", "always", "unpadded"):
        total = total + x
    if wrong == "in place":
        x.clamp_(min=0)
    return {"one picture": total[:1], "flat": total.flatten(2), "relu last": total.relu()}.get(wrong, total)


def inverted_whole(x, parts, bias, stride):
    """All parts side by side, as the paper draws the unit."""
    expand, first, depthwise, second = (torch.cat([part[i] for part in parts]) for i in range(4))
    project = torch.cat([part[4] for part in parts], 1)
    wide = torch.einsum("wc,nchv->nwhv", expand, x) + first.view(-1, 1, 1)
    wide = wide.clamp(0, 6)
    h, w = x.shape[2:]
    padded = F.pad(wide, (1, 1, 1, 1))
    seen = sum(
        depthwise[:, u, v].view(-1, 1, 1) * padded[:, :, u : u + h : stride, v : v + w : stride]
        for u in range(3) for v in range(3)
    )  # fmt: skip
    seen = (seen + second.view(-1, 1, 1)).clamp(0, 6)
    y = torch.einsum("ow,nwhv->nohv", project, seen) + bias.view(-1, 1, 1)
    return y + x if y.shape == x.shape and stride == 1 else y


def inverted_channel(x, parts, bias, stride):
    """One wide channel at a time, in numpy."""
    picture = x.numpy()
    n, c, h, w = picture.shape
    out = np.zeros((n, len(bias), -(-h // stride), -(-w // stride)), dtype=picture.dtype) + bias.numpy()[:, None, None]
    for part in parts:
        for e, f, d, s, p in zip(*(a.numpy() for a in part[:4]), part[4].numpy().T, strict=True):
            wide = np.minimum(np.maximum(np.tensordot(picture, e, (1, 0)) + f, 0), 6)  # n, h, w
            wide = np.pad(wide, ((0, 0), (1, 1), (1, 1)))
            views = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (1, 2))[:, ::stride, ::stride]
            seen = np.clip(np.einsum("nhwuv,uv->nhw", views, d) + s, 0, 6)
            out += p[None, :, None, None] * seen[:, None]
    if stride == 1 and len(bias) == c:
        out += picture
    return out


def inverted_loops(x, parts, bias, stride):
    """Cell by cell."""
    n, c, h, w = x.shape
    o = len(bias)
    out = bias[None, :, None, None].repeat(n, 1, -(-h // stride), -(-w // stride)).clone()
    for expand, first, depthwise, second, project in parts:
        wide = (torch.tensordot(x, expand, ([1], [1])) + first).clamp(0, 6)  # n, h, w, wide
        for y in range(out.shape[2]):
            for z in range(out.shape[3]):
                total = second.clone().expand(n, -1).clone()
                for u in range(3):
                    for v in range(3):
                        row, column = y * stride + u - 1, z * stride + v - 1
                        if 0 <= row < h and 0 <= column < w:
                            total += depthwise[:, u, v] * wide[:, row, column]
                out[:, :, y, z] += total.clamp(0, 6) @ project.T
    return out + x if stride == 1 and o == c else out


RIGHT = {
    "separable_conv1d": {"loops": sep_loops, "torch": sep_torch, "merged": sep_merged, "numpy": sep_numpy},
    "network_cost": {"walked": cost_walked, "table": cost_table, "hooks": cost_meta},
    "separable_terms": {
        "numpy": terms_svd,
        "peeled": terms_peeled,
        "eigenvalues": terms_eigenvalues,
        "rebuilt": terms_rebuilt,
    },
    "shuffle_matrix": {
        "dealt": shuffle_dealt,
        "torch": shuffle_torch,
        "numpy": shuffle_numpy,
        "modular": shuffle_modular,
    },
    "inverted_residual": {
        "torch": inverted_torch,
        "whole": inverted_whole,
        "one channel": inverted_channel,
        "loops": inverted_loops,
    },
}

WRONG = {
    "separable_conv1d": {
        "looks-ahead centred": partial(sep_loops, wrong="centred"),
        "looks-ahead all": partial(sep_loops, wrong="ahead"),
        "looks-ahead padded": partial(sep_torch, padding=lambda reach, k: (reach // 2, reach - reach // 2)),
        "end-not-cut": partial(sep_torch, padding=lambda reach, k: (reach, reach)),
        "not-padded": partial(sep_torch, padding=lambda reach, k: (0, 0)),
        "not-padded late start": partial(sep_loops, wrong="long start"),
        "padding-without-dilation": partial(sep_torch, padding=lambda reach, k: (k - 1, 0)),
        "border-not-zero": partial(sep_loops, wrong="edge"),
        "kernel-flipped": partial(sep_loops, wrong="flipped"),
        "stride-ignored": partial(sep_loops, wrong="no stride"),
        "dilation-ignored": partial(sep_loops, wrong="no dilation"),
        "stride-dilation-swapped": partial(sep_loops, wrong="swapped"),
        "stride-starts-late": partial(sep_loops, wrong="late"),
        "multiplier-ignored": partial(sep_loops, wrong="first kernel"),
        "multiplier-summed": partial(sep_loops, wrong="added"),
        "multiplier-order": sep_wrong_order,
        "one-kernel-for-all": partial(sep_loops, wrong="one kernel"),
        "channels-not-alone": partial(sep_loops, wrong="all"),
        "pointwise-missing": partial(sep_loops, wrong="ones"),
        "channels-not-mixed": partial(sep_loops, wrong="first channel"),
        "bias-ignored": partial(sep_loops, wrong="no bias"),
        "relu-between": partial(sep_loops, wrong="relu"),
        "relu-at-the-end": partial(sep_loops, wrong="relu at the end"),
        "first-signal-only": partial(sep_loops, wrong="one"),
        "time-elsewhere": partial(sep_loops, wrong="time first"),
        "precision-lost": partial(sep_loops, wrong="float32"),
        "input-changed": partial(sep_loops, wrong="in place"),
        "looks-ahead even kernels": lambda x, d, p, b, stride, dilation: sep_torch(
            x, d, p, b, stride, dilation, lambda reach, k: ((k - 1) // 2 * dilation, k // 2 * dilation)
        ),
        "looks-ahead half": partial(sep_torch, padding=lambda reach, k: (reach // 2, reach // 2)),
        "multiplier-summed mean": sep_by(lambda alone, weights: weights[:, :, 0] @ alone.mean(2)),
        **several("multiplier-order", *altered(sep_torch, 2, lambda w: w.transpose(1, 2).reshape(w.shape))),
        "multiplier-order of kernels": sep_by(order=lambda kernels: kernels.transpose(0, 1).contiguous()),
        **several("one-kernel-for-all", *altered(sep_torch, 1, lambda d: torch.zeros_like(d) + d[0, 0])),
        "channels-not-mixed each its own": sep_by(
            lambda alone, weights: sum(
                F.pad((weights[c, c, :, None] * alone[:, c]).sum(1, keepdim=True), (0, 0, c, len(weights) - 1 - c))
                for c in range(min(weights.shape[:2]))
            )
        ),
        **several("first-signal-only", *first_only(sep_torch)[1:]),
        **several("time-elsewhere", *after(sep_torch, lambda out: out.reshape(len(out), -1), lambda out: out.flip(-1))),
    },
    "network_cost": {
        "stride-ignored": partial(cost_walked, wrong="no stride"),
        "rounded-down": partial(cost_walked, wrong="down"),
        "not-padded": partial(cost_walked, wrong="valid"),
        "counted-before-the-stride": partial(cost_walked, wrong="before"),
        "counted-after-the-stride": partial(cost_walked, wrong="small"),
        "channels-not-passed-on": partial(cost_walked, wrong="same channels"),
        "groups-ignored": partial(cost_walked, wrong="no groups"),
        "groups-divide-twice": partial(cost_walked, wrong="groups twice"),
        "depthwise-not-alone": partial(cost_walked, wrong="dense"),
        "pointwise-strides": partial(cost_walked, wrong="late stride"),
        "asymmetric-strides-at-once": partial(cost_walked, wrong="at once"),
        "asymmetric-middle": partial(cost_walked, wrong="middle"),
        "asymmetric-whole": partial(cost_walked, wrong="square"),
        "expansion-ignored": partial(cost_walked, wrong="no expansion"),
        "expansion-of-the-output": partial(cost_walked, wrong="of the output"),
        "expansion-of-one-counted": partial(cost_walked, wrong="t = 1"),
        "widening-missing": partial(cost_walked, wrong="no widening"),
        "pool-has-weights": partial(cost_walked, wrong="pool weighs"),
        "pool-keeps-the-size": partial(cost_walked, wrong="pool keeps"),
        "pool-moves-nothing": partial(cost_walked, wrong="pool is free"),
        "bytes-not-numbers": partial(cost_walked, wrong="numbers"),
        "weights-not-moved": partial(cost_walked, wrong="no weights moved"),
        "maps-moved-once": partial(cost_walked, wrong="output only"),
        "middle-maps-free": cost_outer,
        "bias-counted": partial(cost_walked, wrong="bias"),
        "operations-doubled": partial(cost_walked, wrong="flops"),
        "kernel-not-squared": partial(cost_walked, wrong="flat kernel"),
        "square-map": lambda layers, c, h, w: cost_table(layers, c, w, w),
        "not-summed": partial(cost_walked, wrong="last"),
        "results-exchanged": partial(cost_walked, wrong="exchanged"),
        "depthwise-not-alone everywhere": partial(cost_walked, wrong="all dense"),
        "separable-half": partial(cost_walked, wrong="half"),
        "separable-half pointwise": partial(cost_walked, wrong="other half"),
        "asymmetric-strides-at-once late": partial(cost_walked, wrong="late"),
        "asymmetric-strides-at-once turned": partial(cost_walked, wrong="turned"),
        "narrowing-missing": partial(cost_walked, wrong="no narrowing"),
        "maps-moved-once read": partial(cost_walked, wrong="input only"),
        "bias-counted and not moved": partial(cost_walked, wrong="bias not moved"),
        "square-map height": lambda layers, c, h, w: cost_table(layers, c, h, h),
        **several("bytes-not-numbers", *after(cost_table, lambda out: [*out[:2], 2 * out[2]])),
        **several("results-exchanged", *after(cost_table, lambda out: [out[0], out[2], out[1]], lambda out: out[::-1])),
    },
    "separable_terms": {
        "squares-compared": partial(terms_svd, wrong="squares"),
        "share-kept": partial(terms_svd, wrong="kept"),
        "sum-of-values": partial(terms_svd, wrong="plain sum"),
        "each-value-alone": partial(terms_svd, wrong="largest"),
        "tolerance-ignored": partial(terms_svd, wrong="exact"),
        "tolerance-absolute": partial(terms_svd, wrong="absolute"),
        "largest-entry": terms_largest_entry,
        "one-term-too-many": partial(terms_svd, wrong="one more"),
        "one-term-too-few": partial(terms_svd, wrong="one less"),
        "yes-or-no": partial(terms_svd, wrong="yes or no"),
        "zeros-need-a-term": partial(terms_svd, wrong="at least one"),
        "one-for-all": partial(terms_svd, wrong="one for all"),
        "never-whole": partial(terms_svd, wrong="never whole"),
        "always-whole": partial(terms_svd, wrong="whole"),
        "square-assumed": partial(terms_svd, wrong="square"),
        "column-times-row": partial(terms_svd, wrong="area"),
        "terms-not-counted": partial(terms_svd, wrong="once"),
        "saved-not-spent": partial(terms_svd, wrong="saved"),
        "results-exchanged": partial(terms_svd, wrong="exchanged"),
        "share-kept of the energy": partial(terms_svd, wrong="energy kept"),
        "each-value-alone of the length": partial(terms_svd, wrong="each"),
        "tolerance-absolute each": partial(terms_svd, wrong="each absolute"),
        "one-term-too-many at most": partial(terms_svd, wrong="one more at most"),
        "one-term-too-few at least": partial(terms_svd, wrong="one less at least"),
        "yes-or-no two": partial(terms_svd, wrong="two"),
        "zeros-need-a-term all": partial(terms_svd, wrong="division by 0"),
        "one-for-all first": partial(terms_svd, wrong="the first for all"),
        "always-whole if any": partial(terms_svd, wrong="whole if any"),
        "square-assumed rows": partial(terms_svd, wrong="square rows"),
    },
    "shuffle_matrix": {
        "the-way-back": partial(shuffle_dealt, wrong="back"),
        "the-way-back groups": lambda c, g, times: shuffle_numpy(c, c // g, times),
        "not-shuffled": lambda c, g, times: torch.eye(c).reshape(g, c // g, c).reshape(c, c),
        "times-ignored": partial(shuffle_dealt, wrong="once"),
        "back-is-forward": partial(shuffle_dealt, wrong="forward"),
        "back-is-forward one step": partial(shuffle_dealt, wrong="one back"),
        "back-not-done": partial(shuffle_dealt, wrong="no back"),
        "not-at-all-shuffles": partial(shuffle_dealt, wrong="zero is one"),
        "repeated-by-numbers": shuffle_by_numbers,
        "two-halves": partial(shuffle_dealt, wrong="halves"),
        "last-channel-lost": shuffle_without_last,
        "turned-around": partial(shuffle_dealt, wrong="turned"),
        "moved-along": partial(shuffle_dealt, wrong="moved"),
        "within-a-group": partial(shuffle_dealt, wrong="inside"),
        "order-not-matrix": partial(shuffle_dealt, wrong="order"),
        "back-not-done once": partial(shuffle_dealt, wrong="once for back"),
        "repeated-by-numbers times": lambda c, g, times: times * shuffle_torch(c, g, 1),
        "more-groups-instead": lambda c, g, times: shuffle_torch(c, g * max(abs(times), 1), int(np.sign(times))),
        "moved-along far": partial(shuffle_dealt, wrong="moved far"),
        "order-not-matrix where to": lambda c, g, times: shuffle_torch(c, g, times).argmax(0),
        **several("turned-around", *after(shuffle_torch, lambda out: out.flip(1))),
    },
    "inverted_residual": {
        "padded-before-widening": partial(inverted_torch, wrong="narrow padding"),
        "relu-on-the-narrow-end": partial(inverted_torch, wrong="relu"),
        "relu-on-the-narrow-end after the sum": partial(inverted_torch, wrong="relu last"),
        "relu-on-each-part": partial(inverted_torch, wrong="relu each"),
        "relu-not-capped": partial(inverted_torch, wrong="uncapped"),
        "first-relu-missing": partial(inverted_torch, wrong="no first"),
        "second-relu-missing": partial(inverted_torch, wrong="no second"),
        "both-relus-missing": partial(inverted_torch, wrong="neither"),
        "relu-before-bias": partial(inverted_torch, wrong="early relu"),
        "shortcut-missing": partial(inverted_torch, wrong="no shortcut"),
        "shortcut-always": partial(inverted_torch, wrong="always"),
        "shortcut-in-each-part": partial(inverted_torch, wrong="shortcut each"),
        "bias-in-each-part": partial(inverted_torch, wrong="bias each"),
        "bias-ignored": partial(inverted_torch, wrong="no bias"),
        "first-bias-ignored": partial(inverted_torch, wrong="no first bias"),
        "second-bias-ignored": partial(inverted_torch, wrong="no second bias"),
        "biases-exchanged": partial(inverted_torch, wrong="exchanged"),
        "one-part-only": partial(inverted_torch, wrong="one part"),
        "parts-averaged": partial(inverted_torch, wrong="mean"),
        "stride-in-the-first-step": partial(inverted_torch, wrong="early stride"),
        "stride-ignored": partial(inverted_torch, wrong="no stride"),
        "not-padded": partial(inverted_torch, wrong="unpadded"),
        "border-not-zero": partial(inverted_torch, wrong="edge"),
        "kernel-flipped": partial(inverted_torch, wrong="flipped"),
        "kernel-of-another-channel": partial(inverted_torch, wrong="one kernel"),
        "channels-not-alone": partial(inverted_torch, wrong="mixing"),
        "first-picture-only": partial(inverted_torch, wrong="one picture"),
        "left-flat": partial(inverted_torch, wrong="flat"),
        "input-changed": partial(inverted_torch, wrong="in place"),
        "relu-on-the-narrow-end 6": partial(inverted_torch, wrong="relu6"),
        **several("relu-on-the-narrow-end", *after(inverted_torch, F.relu6)),
        "relu-not-capped first": partial(inverted_torch, wrong="first uncapped"),
        "relu-not-capped second": partial(inverted_torch, wrong="second uncapped"),
        "shortcut-always stops": partial(inverted_torch, wrong="any"),
        "shortcut-always by shape": partial(inverted_torch, wrong="by shape"),
        **several("one-part-only", *altered(inverted_torch, 1, lambda parts: parts[-1:])),
        **several("stride-ignored", *altered(inverted_torch, 3, lambda stride: 1)),
        "kernel-flipped turned": partial(inverted_torch, wrong="turned"),
        "kernel-of-another-channel backwards": partial(inverted_torch, wrong="backwards"),
        **several("first-picture-only", *first_only(inverted_torch)[1:]),
        **several("left-flat", *laid_out(inverted_torch)[1:]),
    },
}
