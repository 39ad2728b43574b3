"""Chapter 08, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from segkit.training import Recipe
from tests.grading.mistakes.families import after, altered, before, several

# spatial_pyramid_pool ----------------------------------------------------------------------------------------------


def axis_cells(low, high, stride, wrong):
    """The numbers of the cells of a region along an axis, found by trying every cell."""
    inside = [i for i in range(high + 2) if low < i * stride < high]
    if wrong == "closed":
        inside = [i for i in range(high + 2) if low <= i * stride <= high]
    if wrong == "closed left":
        inside = [i for i in range(high + 2) if low <= i * stride < high]
    if wrong == "closed right":
        inside = [i for i in range(high + 2) if low < i * stride <= high]
    if wrong == "open end":
        inside = inside[:-1] or inside
    if wrong == "up":
        first = math.ceil(low / stride) + 1
        inside = [i for i in inside if i >= first] or inside[-1:]
    if wrong == "down":
        inside = [i for i in inside if i <= high // stride - 1]
    if wrong == "nearest":
        inside = list(range(round(low / stride), round(high / stride)))
    if wrong == "next" and not inside:
        return [low // stride + 1]
    if wrong in ("stops", "zero") and not inside:
        return []
    return inside or [low // stride]


def regions_loops(features, regions, stride, bins, *, wrong=""):
    """Number after number."""
    channels = 1 if wrong == "one channel" else len(features)
    out = []
    for region in regions.tolist():
        x0, y0, x1, y1 = [region[i] for i in (1, 0, 3, 2)] if wrong == "turned" else region
        if wrong == "size":
            x1, y1 = x0 + x1, y0 + y1
        rows, columns = axis_cells(y0, y1, stride, wrong), axis_cells(x0, x1, stride, wrong)
        if wrong == "all":
            rows, columns = range(features.shape[1]), range(features.shape[2])
        if wrong == "pixels":
            rows, columns = range(y0, y1), range(x0, x1)
        vector = {}
        for level, b in enumerate(bins[:1] if wrong == "one level" else bins):
            for c in range(channels):
                for i in range(b):
                    for j in range(b):
                        inside = [
                            features[c, y, x].item()
                            for y in share(rows, i, b, wrong)
                            for x in share(columns, j, b, wrong)
                        ]
                        vector[level, c, i, j] = best(inside, wrong)
        order = {
            "reversed": lambda key: (-key[0], *key[1:]),
            "channels first": lambda key: (key[1], key[0], *key[2:]),
            "channels last": lambda key: (key[0], *key[2:], key[1]),
            "columns": lambda key: (key[0], key[1], key[3], key[2]),
        }.get(wrong)
        out.append([vector[key] for key in (sorted(vector, key=order) if order else vector)])
        if wrong == "one region":
            break
    if wrong == "in place":
        features.zero_()
    return torch.tensor(out, dtype=torch.float32 if wrong == "float32" else features.dtype)


def share(cells, k, b, wrong):
    n = len(cells)
    if wrong == "floor":
        return cells[k * n // b : max((k + 1) * n // b, k * n // b + 1)]
    if wrong == "ceil":
        return cells[min(math.ceil(k * n / b), n - 1) : math.ceil((k + 1) * n / b)]
    if wrong == "rounded":
        return cells[round(k * n / b) : max(round((k + 1) * n / b), round(k * n / b) + 1)]
    if wrong == "equal":
        window = math.ceil(n / b)
        return cells[k * n // b : k * n // b + window]
    if wrong == "padded" and n < b:
        return cells[k : k + 1]
    if wrong == "breaks" and n < b:
        raise ValueError("fewer cells than bins")
    return cells[k * n // b : -((-(k + 1) * n) // b)]


def best(values, wrong):
    if wrong in ("zero", "padded") and not values:
        return 0.0
    if wrong == "mean":
        return sum(values) / len(values)
    if wrong == "from zero":
        return max([0.0, *values])
    return max(values)


def regions_numpy(features, regions, stride, bins):
    """Slices of an array, and math for the corners."""
    maps, rows = features.numpy(), []
    for x0, y0, x1, y1 in regions.numpy():
        ends = []
        for low, high in ((y0, y1), (x0, x1)):
            first, last = math.floor(low / stride) + 1, math.ceil(high / stride) - 1
            ends.append(slice(first, last + 1) if first <= last else slice(low // stride, low // stride + 1))
        part, vector = maps[:, ends[0], ends[1]], []
        for b in bins:
            cut = [[(math.floor(k * n / b), math.ceil((k + 1) * n / b)) for k in range(b)] for n in part.shape[1:]]
            found = [[part[:, a:z, c:d].max((1, 2)) for c, d in cut[1]] for a, z in cut[0]]
            vector.append(np.array(found).transpose(2, 0, 1).ravel())
        rows.append(np.concatenate(vector))
    return np.stack(rows)


def regions_adaptive(features, regions, stride, bins):
    """torch's adaptive pooling on each region."""
    rows = []
    for x0, y0, x1, y1 in regions:
        top, left = int(y0) // stride + 1, int(x0) // stride + 1
        bottom, right = (int(y1) + stride - 1) // stride, (int(x1) + stride - 1) // stride
        part = features[:, min(top, bottom - 1) : bottom, min(left, right - 1) : right]
        rows.append(torch.cat([F.adaptive_max_pool2d(part, (b, b)).reshape(-1) for b in bins]))
    return torch.stack(rows)


def regions_masks(features, regions, stride, bins):
    """A mask for each bin over the whole map."""
    _, h, w = features.shape

    def masks(low, high, n, b):
        steps = torch.arange(n) * stride
        on = (steps > low) & (steps < high)
        if not on.any():
            on = torch.arange(n) == low // stride
        rank, count = on.cumsum(0) - 1, int(on.sum())
        return [on & (rank >= k * count // b) & (rank * b < (k + 1) * count) for k in range(b)]

    rows = []
    for x0, y0, x1, y1 in regions.tolist():
        found = []
        for b in bins:
            for plane in features:
                for r in masks(y0, y1, h, b):
                    found += [plane.masked_select(r[:, None] & c).max() for c in masks(x0, x1, w, b)]
        rows.append(torch.stack(found))
    return torch.stack(rows)


def inner(low, high, stride):
    first, last = low // stride + 1, math.ceil(high / stride) - 1
    return (first, last + 1) if first <= last else (low // stride, low // stride + 1)


def biggest(part, b):
    return F.adaptive_max_pool2d(part, b)


def regions_by(span=inner, pool=biggest, join=lambda levels: torch.cat([level.reshape(-1) for level in levels])):
    """Slices of the map: span(low, high, stride), pool(part, b), join(levels)."""

    def answer(features, regions, stride, bins):
        rows = []
        for x0, y0, x1, y1 in regions.tolist():
            part = features[:, slice(*span(y0, y1, stride)), slice(*span(x0, x1, stride))]
            rows.append(join([pool(part, b) for b in bins]))
        return torch.stack(rows)

    return answer


def no_cell(low, high, stride):
    return low // stride + 1, math.ceil(high / stride)


def pool_or_minus_infinity(part, b):
    return biggest(part, b) if part.numel() else torch.full((len(part), b, b), -math.inf, dtype=part.dtype)


def pool_down(part, b):
    """Bins whose ends are rounded down."""
    _, h, w = part.shape
    out = torch.empty(len(part), b, b, dtype=part.dtype)
    for i in range(b):
        for j in range(b):
            out[:, i, j] = part[:, i * h // b : (i + 1) * h // b, j * w // b : (j + 1) * w // b].flatten(1).amax(1)
    return out


def pool_windows(part, b):
    """SPPNet's first formula: windows of ⌈n/b⌉ cells at a step of ⌊n/b⌋."""
    window, step = ([f(n / b) for n in part.shape[1:]] for f in (math.ceil, math.floor))
    return F.max_pool2d(part[None], window, step)[0]


# pyramid_pooling ---------------------------------------------------------------------------------------------------


def ppm_loops(x, sizes, bins, weights, align_corners, *, wrong=""):
    """Picture after picture, cell after cell, with lerp's four corners."""
    n, c, height, width = x.shape
    levels, reduced = weights.shape[:2]
    kind = torch.float32 if wrong == "float32" else x.dtype
    out = torch.zeros(n, c + levels * reduced, height, width, dtype=kind)
    for p in range(n):
        h, w = sizes[0 if wrong == "first size" else p].tolist()
        if wrong == "turned":
            h, w = w, h
        part = x[p, :, :h, :w] if wrong != "padding" else x[p]
        own = part[:, :h, :w].relu() if wrong == "all relu" else part[:, :h, :w]
        found = [] if wrong in ("last", "no x") else [own]
        for level, b in enumerate(bins):
            weight = weights[0 if wrong == "first weights" else level]
            pooled = torch.stack([averages(plane, b, wrong) for plane in part])
            if wrong == "early":
                pooled = pooled.relu()
            if wrong == "own":
                small = torch.stack([pooled[min(r, c - 1)] * weight[r, min(r, c - 1)] for r in range(reduced)])
            elif wrong == "no weights":
                small = torch.stack([pooled.sum(0)] * reduced)
            else:
                small = torch.stack([sum(weight[r, i] * pooled[i] for i in range(c)) for r in range(reduced)])
            if wrong not in ("no relu", "late", "early"):
                small = small.clamp(min=0)
            full = (height, width) if wrong == "too large" else (h, w)
            corners = {"inverted": not align_corners, "ignored": False}.get(wrong, align_corners)
            large = torch.stack([lerp(plane, full, corners, wrong) for plane in small])[:, :h, :w]
            found.append(large.clamp(min=0) if wrong == "late" else large)
        if wrong == "last":
            found.append(part)
        if wrong == "reversed":
            found = [found[0], *found[:0:-1]]
        if wrong == "added":
            found = [found[0], sum(found[1:])]
        if wrong == "turns":
            found = [found[0], torch.stack(found[1:], 1).flatten(0, 1)]
        joined = torch.cat(found)
        if out.shape[1] != len(joined):
            out = out[:, : len(joined)]
        out[p, :, :h, :w] = joined
        if wrong == "x padded":
            out[p, :c] = x[p]
    if wrong == "in place":
        x.mul_(0)
    return out


def averages(plane, b, wrong):
    h, w = plane.shape
    small = torch.zeros(b, b, dtype=plane.dtype)
    for i in range(b):
        for j in range(b):
            top, left = math.floor(i * h / b), math.floor(j * w / b)
            bottom, right = math.ceil((i + 1) * h / b), math.ceil((j + 1) * w / b)
            if wrong == "floor":
                bottom, right = max((i + 1) * h // b, top + 1), max((j + 1) * w // b, left + 1)
            if wrong == "equal":
                bottom, right = top + math.ceil(h / b), left + math.ceil(w / b)
            if wrong == "breaks" and min(h, w) < b:
                raise ValueError("smaller than the bins")
            cells = plane[top:bottom, left:right]
            small[i, j] = cells.max() if wrong == "max" else cells.sum()
            if wrong not in ("sum", "max"):
                small[i, j] /= h * w / b**2 if wrong == "shares" else cells.numel()
    return small


def lerp(plane, size, align_corners, wrong):
    """Bilinear interpolation, pixel after pixel."""
    have, out = plane.shape, torch.zeros(size, dtype=plane.dtype)
    for y in range(size[0]):
        for x in range(size[1]):
            places = []
            for at, want, old in ((y, size[0], have[0]), (x, size[1], have[1])):
                if align_corners:
                    place = at * (old - 1) / (want - 1) if want > 1 else 0.0
                else:
                    place = max((at + 0.5) * old / want - 0.5, 0.0)
                low = min(int(place), old - 1)
                places.append((low, min(low + 1, old - 1), place - low))
            (top, bottom, v), (left, right, u) = places
            if wrong == "nearest":
                out[y, x] = plane[y * have[0] // size[0], x * have[1] // size[1]]
                continue
            upper = plane[top, left] * (1 - u) + plane[top, right] * u
            lower = plane[bottom, left] * (1 - u) + plane[bottom, right] * u
            out[y, x] = upper * (1 - v) + lower * v
    return out


def ppm_torch(x, sizes, bins, weights, align_corners):
    """torch's pooling and a 1×1 convolution on each picture."""
    out = torch.zeros(len(x), x.shape[1] + weights.shape[0] * weights.shape[1], *x.shape[2:]).to(x)
    for n, (h, w) in enumerate(sizes):
        one = x[n : n + 1, :, :h, :w]
        parts = [one]
        for b, weight in zip(bins, weights, strict=True):
            small = F.relu(F.conv2d(F.adaptive_avg_pool2d(one, b), weight[:, :, None, None]))
            parts.append(F.interpolate(small, size=one.shape[-2:], mode="bilinear", align_corners=align_corners))
        out[n : n + 1, :, :h, :w] = torch.cat(parts, dim=1)
    return out


def ppm_matrices(x, sizes, bins, weights, align_corners):
    """Weights before the averages, and both pooling and enlarging as matrices, in numpy."""
    out = []
    for plane, (h, w) in zip(x.numpy(), sizes.tolist(), strict=True):
        picture = plane[:, :h, :w]
        parts = [picture]
        for b, weight in zip(bins, weights.numpy(), strict=True):
            (down, up), (along, back) = ((pooling_matrix(n, b), enlarging_matrix(b, n, align_corners)) for n in (h, w))
            mixed = np.einsum("rc,cyx->ryx", weight, picture)
            small = np.maximum(down @ mixed @ along.T, 0)
            parts.append(up @ small @ back.T)
        out.append(np.pad(np.concatenate(parts), ((0, 0), (0, x.shape[2] - h), (0, x.shape[3] - w))))
    return np.stack(out)


def pooling_matrix(n, b):
    rows = np.zeros((b, n))
    for k in range(b):
        rows[k, k * n // b : -(-(k + 1) * n // b)] = 1
    return rows / rows.sum(1, keepdims=True)


def enlarging_matrix(b, n, align_corners):
    grid = torch.eye(b, dtype=torch.float64)[None]  # 1, b, b: a channel for each bin
    return F.interpolate(grid, n, mode="linear", align_corners=align_corners)[0].T.numpy()


def ppm_masked(x, sizes, bins, weights, align_corners):
    """The padding set to 0, and each bin's sum divided by its own cells."""
    out = []
    for one, (h, w) in zip(x, sizes.tolist(), strict=True):
        total = F.pad(one[:, :h, :w].cumsum(1).cumsum(2), (1, 0, 1, 0))
        parts = [one[:, :h, :w]]
        for b, weight in zip(bins, weights, strict=True):
            k = torch.arange(b)
            top, bottom, left, right = k * h // b, ((k + 1) * h - 1) // b + 1, k * w // b, ((k + 1) * w - 1) // b + 1
            sums = (
                total[:, bottom][:, :, right] - total[:, top][:, :, right]
                - total[:, bottom][:, :, left] + total[:, top][:, :, left]
            )  # fmt: skip
            mean = sums / ((bottom - top)[:, None] * (right - left))
            small = torch.tensordot(weight, mean, 1).clamp_min(0)
            parts.append(F.interpolate(small[None], (h, w), mode="bilinear", align_corners=align_corners)[0])
        out.append(F.pad(torch.cat(parts), (0, x.shape[3] - w, 0, x.shape[2] - h)))
    return torch.stack(out)


def ppm_by(
    cut=lambda x, h, w: x[:, :, :h, :w],
    pool=F.adaptive_avg_pool2d,
    reduce=lambda small, weight: F.relu(F.conv2d(small, weight[:, :, None, None])),
    mode="bilinear",
    join=lambda own, levels: torch.cat([own, *levels], 1),
):
    """Picture by picture, its steps replaced."""

    def answer(x, sizes, bins, weights, align_corners):
        how = {} if mode == "nearest" else {"align_corners": align_corners}
        found = []
        for one, (h, w) in zip(x.split(1), sizes.tolist(), strict=True):
            small = [reduce(pool(cut(one, h, w), b), weight) for b, weight in zip(bins, weights, strict=True)]
            levels = [F.interpolate(level, (h, w), mode=mode, **how) for level in small]
            found.append(F.pad(join(one[:, :, :h, :w], levels), (0, x.shape[3] - w, 0, x.shape[2] - h)))
        return torch.cat(found)

    return answer


def inside_of(x, sizes):
    mask = torch.zeros_like(x[:, :1])
    for one, (h, w) in zip(mask, sizes.tolist(), strict=True):
        one[:, :h, :w] = 1
    return mask


def ppm_whole(x, sizes, *rest, before=False, after=False):
    """PSPNet's module on the whole batch; the padding set to 0 before it, or after it."""
    mask = inside_of(x, sizes)
    full = torch.tensor([x.shape[2:]] * len(x))
    out = ppm_torch(x * mask if before else x, full, *rest)
    return out * mask if after else out


def ppm_spread(x, sizes, bins, weights, align_corners):
    """Averages of each picture, enlarged over its padding."""
    found = [x]
    for b, weight in zip(bins, weights, strict=True):
        pooled = [F.adaptive_avg_pool2d(one[None, :, :h, :w], b) for one, (h, w) in zip(x, sizes.tolist(), strict=True)]
        small = torch.einsum("rc,ncij->nrij", weight, torch.cat(pooled)).relu()
        found.append(F.interpolate(small, x.shape[2:], mode="bilinear", align_corners=align_corners))
    return torch.cat(found, 1)


def pool_side_by_side(part, b):
    """Windows of ⌊n/b⌋ cells."""
    step = [n // b for n in part.shape[2:]]
    return F.avg_pool2d(part, step, step)[:, :, :b, :b]


# l2_fusion ---------------------------------------------------------------------------------------------------------


def fusion_loops(local, context, scale_local, scale_context, *, wrong=""):
    """Vector after vector, with Python's math."""
    n, c, height, width = local.shape
    d, h, w = context.shape[1:]
    out = torch.zeros(n, c + d, height, width, dtype=torch.float32 if wrong == "float32" else local.dtype)
    if wrong == "exchanged":
        scale_local, scale_context = scale_context, scale_local
    for p in range(n):
        for y in range(height):
            for x in range(width):
                v, u = y * h // height, x * w // width
                if wrong == "tiled":
                    v, u = y % h, x % w
                if wrong == "corner":
                    v, u = 0, 0
                if wrong == "must divide" and (height % h or width % w):
                    raise ValueError("sizes do not divide")
                a, b = local[p, :, y, x].tolist(), context[p, :, v, u].tolist()
                if wrong == "one context":
                    b = context[p].mean((1, 2)).tolist()
                if wrong == "scaled":
                    a = [value * s for value, s in zip(a, scale_local.tolist(), strict=True)]
                    b = [value * s for value, s in zip(b, scale_context.tolist(), strict=True)]
                if wrong == "together":
                    both = divided(a + b, "")
                    a, b = both[: len(a)], both[len(a) :]
                else:
                    a = a if wrong in ("none", "context only") else divided(a, wrong)
                    b = b if wrong in ("none", "local only") else divided(b, wrong)
                if wrong == "no scales":
                    out[p, :, y, x] = torch.tensor(a + b)
                elif wrong == "scaled":
                    out[p, :, y, x] = torch.tensor(a + b)
                else:
                    s, t = scale_local.tolist(), scale_context.tolist()
                    if wrong == "one scale":
                        s, t = [s[0]] * c, [t[0]] * d
                    if wrong == "divide":
                        s, t = [1 / value for value in s], [1 / value for value in t]
                    first = [value * s for value, s in zip(a, s, strict=True)]
                    second = [value * s for value, s in zip(b, t, strict=True)]
                    whole = second + first if wrong == "context first" else first + second
                    out[p, :, y, x] = torch.tensor(whole, dtype=out.dtype)
    if wrong == "in place":
        local *= 2
    return {"local": out[:, :c], "context": out[:, c:]}.get(wrong, out)


def divided(vector, wrong):
    total = sum(value * value for value in vector)
    length = math.sqrt(total)
    if wrong == "sum":
        length = total
    if wrong == "absolute":
        length = sum(map(abs, vector))
    if wrong == "mean":
        length = math.sqrt(total / len(vector))
    if wrong == "epsilon":
        return [value / (length + 1e-5) for value in vector]
    if wrong == "epsilon in root":
        return [value / math.sqrt(total + 1e-6) for value in vector]
    if wrong == "nan":
        return [value / length if length else math.nan for value in vector]
    if wrong == "filled" and not length:
        return [1.0 for _ in vector]
    return [value / length if length else 0.0 for value in vector]


def fusion_normalize(local, context, scale_local, scale_context):
    """torch's normalize and interpolate."""
    large = F.interpolate(context, size=local.shape[-2:], mode="nearest")
    parts = [F.normalize(m, dim=1) * s.view(1, -1, 1, 1) for m, s in ((local, scale_local), (large, scale_context))]
    return torch.cat(parts, 1)


def fusion_numpy(local, context, scale_local, scale_context):
    h, w = local.shape[2:]
    rows = np.arange(h) * context.shape[2] // h
    columns = np.arange(w) * context.shape[3] // w
    maps = [local.numpy(), context.numpy()[:, :, rows[:, None], columns]]
    unit = []
    for x, s in zip(maps, (scale_local.numpy(), scale_context.numpy()), strict=True):
        length = np.sqrt((x * x).sum(axis=1, keepdims=True))
        unit.append(np.divide(x, length, out=np.zeros_like(x), where=length > 0) * s.reshape(1, -1, 1, 1))
    return np.concatenate(unit, axis=1)


def fusion_einsum(local, context, scale_local, scale_context):
    """The epsilon beside the length; places by an index table."""
    size, small = local.shape[2:], context.shape[2:]
    y, x = torch.meshgrid(*(torch.arange(n) * m // n for n, m in zip(size, small, strict=True)), indexing="ij")

    def unit(v, s):
        return torch.einsum("nchw,c,nhw->nchw", v, s, 1 / (torch.linalg.vector_norm(v, dim=1) + 1e-10))

    return torch.cat((unit(local, scale_local), unit(context, scale_context)[:, :, y, x]), dim=1)


def fusion_by(
    unit=F.normalize,
    scale=lambda x, s: x * s.view(1, -1, 1, 1),
    enlarge=lambda x, size: F.interpolate(x, size),
    join=lambda local, context: torch.cat([local, context], 1),
):
    """Step after step, with torch: unit(map), scale(map, s), enlarge(context, size), join(local, context)."""
    return lambda local, context, a, b: join(
        scale(unit(local), a), enlarge(scale(unit(context), b), tuple(local.shape[2:]))
    )


def tiled_along(axis):
    """Blocks along one axis, tiles along the other."""

    def enlarge(x, size):
        for dim in (2, 3):
            big, small = size[dim - 2], x.shape[dim]
            x = x.index_select(dim, torch.tensor([i % small if dim == axis else i * small // big for i in range(big)]))
        return x

    return enlarge


def other_lengths():
    """What people add to a length so that it is not 0."""
    for e in (1e-7, 1e-6, 1e-4, 1e-3, 1e-2):
        yield lambda x, e=e: x / (x.norm(dim=1, keepdim=True) + e)
    for e in (1e-8, 1e-5):
        yield lambda x, e=e: x / torch.sqrt((x * x).sum(1, keepdim=True) + e)
    yield lambda x: F.normalize(x, eps=1e-2)


def layer_norm(x):
    return (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, unbiased=False, keepdim=True) + 1e-5)


def over(dims):
    """The norm over other dimensions."""

    def fusion(local, context, scale_local, scale_context):
        maps = [m / m.pow(2).sum(dims, keepdim=True).sqrt().clamp(min=1e-12) for m in (local, context)]
        maps[1] = F.interpolate(maps[1], local.shape[2:])
        return torch.cat([maps[0] * scale_local[:, None, None], maps[1] * scale_context[:, None, None]], 1)

    return fusion


def fusion_bilinear(local, context, scale_local, scale_context):
    large = F.interpolate(F.normalize(context) * scale_context[:, None, None], local.shape[2:], mode="bilinear")
    return torch.cat([F.normalize(local) * scale_local[:, None, None], large], 1)


# poly_schedule -----------------------------------------------------------------------------------------------------


def poly_loops(stages, power, warmup, factors, *, wrong=""):
    """One step after the other, with a counter."""
    rows = []
    first = stages[0]
    everything = sum(steps for _, steps in stages)
    clock = 0
    for number, (base, steps) in enumerate(stages):
        if wrong == "first base":
            base = first[0]
        warm = warmup if number == 0 or wrong == "every stage" else 0
        if wrong == "no warm-up":
            warm = 0
        extra = {"one more": 1, "one less": -1}.get(wrong, 0)
        for t in range(steps + extra):
            left = steps - warm
            done = t - warm
            if wrong == "not shifted":
                left, done = steps, t
            if wrong == "too long":
                left = steps
            if wrong == "to zero":
                left = max(left - 1, 1)
            if wrong == "late":
                done += 1
            if wrong == "one clock":
                left, done = everything - warmup, clock - warmup
            if wrong == "one total":
                left = everything - warm
            remains = 1 - done / left
            if wrong == "misplaced":
                rate = base * (1 - (done / left) ** power) if done >= 0 else 0
            elif wrong == "no power":
                rate = base * remains
            elif wrong == "inverted":
                rate = base * remains ** (1 / power)
            elif wrong == "exponential":
                rate = base * power**done
            elif wrong == "compounded" and t > warm:
                rate = rate * remains**power
            else:
                rate = base * remains**power
            start, step = {"from zero": (0, warm), "steep": (1, warm)}.get(wrong, (1, warm + 1))
            if t < warm:
                rate = base * (t + start) / step
                if wrong == "flat":
                    rate = base
            if wrong == "times":
                rate = base * (1 - t / steps) ** power * min((t + 1) / (warm + 1), 1)
            row = []
            for factor in factors:
                value = rate * factor
                if wrong == "no factors":
                    value = rate
                if wrong == "in power":
                    value = rate * factor**power
                if wrong == "plus":
                    value = rate + factor
                row.append(value)
            rows.append(row)
            clock += 1
        if wrong == "first stage":
            break
    if wrong == "in place":
        stages.pop()
    if wrong == "turned":
        return [list(column) for column in zip(*rows, strict=True)]
    flat = [value for row in rows for value in row]
    return {"one list": flat, "backwards": rows[::-1]}.get(wrong, rows)


def poly_numpy(stages, power, warmup, factors):
    """A stage at a time, then an outer product."""
    curves = []
    for base, steps in stages:
        warm = 0 if curves else warmup
        climb = np.arange(1, warm + 1) / (warm + 1)
        curves.append(base * np.concatenate([climb, (1 - np.arange(steps - warm) / (steps - warm)) ** power]))
    return np.outer(np.concatenate(curves), factors)


def poly_torch(stages, power, warmup, factors):
    rates = []
    for i, (base, steps) in enumerate(stages):
        w = warmup * (i == 0)
        t = torch.arange(steps, dtype=torch.float64)
        rates.append(base * torch.where(t < w, (t + 1) / (w + 1), ((steps - t) / (steps - w)).clamp(0, 1) ** power))
    return torch.cat(rates)[:, None] * torch.tensor(factors)


def poly_recipe(stages, power, warmup, factors):
    """The package's own rate, a recipe for each stage."""
    recipes = [
        Recipe(steps=steps, lr=base, schedule="poly", power=power, warmup=0 if number else warmup)
        for number, (base, steps) in enumerate(stages)
    ]
    return [[recipe.rate(t) * factor for factor in factors] for recipe in recipes for t in range(recipe.steps)]


def poly_nested(stages, power, warmup, factors):
    ends = np.cumsum([steps for _, steps in stages])[:-1]
    return [part.tolist() for part in np.split(poly_numpy(stages, power, warmup, factors), ends)]


def poly_by(
    rate=lambda t, n, base, power: base * (1 - t / n) ** power,
    climb=lambda t, w, base: base * (t + 1) / (w + 1),
    join=lambda rate, factor: rate * factor,
    times=range,
    warm=lambda number, w: 0 if number else w,
):
    """A stage at a time: rate(step after the climb, steps after it, …), climb(t, warmup, base), join, times(T)."""

    def answer(stages, power, warmup, factors):
        rows = []
        for number, (base, steps) in enumerate(stages):
            w = warm(number, warmup)
            for t in times(steps):
                value = climb(t, w, base) if t < w else rate(t - w, steps - w, base, power)
                rows.append([join(value, factor) for factor in factors])
        return rows

    return answer


def poly_longer(stages, power, warmup, factors):
    base = stages[0][0]
    climb = [[base * t / (warmup + 1) * factor for factor in factors] for t in range(1, warmup + 1)]
    return climb + poly_by()(stages, power, 0, factors)


def poly_in_part(stages, power, warmup, factors, climb):
    """Factors in the climb only, or everywhere else."""
    plain, scaled = (poly_by()(stages, power, warmup, f) for f in ([1] * len(factors), factors))
    return [*scaled[:warmup], *plain[warmup:]] if climb else [*plain[:warmup], *scaled[warmup:]]


RIGHT = {
    "spatial_pyramid_pool": {
        "loops": regions_loops,
        "numpy": regions_numpy,
        "adaptive pooling": regions_adaptive,
        "masks": regions_masks,
    },
    "pyramid_pooling": {
        "loops": ppm_loops,
        "torch": ppm_torch,
        "matrices": ppm_matrices,
        "summed area table": ppm_masked,
    },
    "l2_fusion": {
        "loops": fusion_loops,
        "normalize": fusion_normalize,
        "numpy": fusion_numpy,
        "einsum": fusion_einsum,
    },
    "poly_schedule": {
        "loops": poly_loops,
        "numpy": poly_numpy,
        "torch": poly_torch,
        "the package": poly_recipe,
    },
}

WRONG = {
    "spatial_pyramid_pool": {
        "first-cell-too-early": partial(regions_loops, wrong="closed left"),
        "first-cell-too-late": partial(regions_loops, wrong="up"),
        "last-cell-too-late": partial(regions_loops, wrong="closed right"),
        "last-cell-left-out": partial(regions_loops, wrong="open end"),
        "last-rounded-down": partial(regions_loops, wrong="down"),
        "corners-rounded": partial(regions_loops, wrong="nearest"),
        "empty-region-other-cell": partial(regions_loops, wrong="next"),
        "empty-region-breaks": partial(regions_loops, wrong="stops"),
        "empty-region-zero": partial(regions_loops, wrong="zero"),
        "whole-map": partial(regions_loops, wrong="all"),
        "rows-columns-mixed": partial(regions_loops, wrong="turned"),
        "bins-end-early": partial(regions_loops, wrong="floor"),
        "bins-start-late": partial(regions_loops, wrong="ceil"),
        "bins-rounded": partial(regions_loops, wrong="rounded"),
        "equal-windows": partial(regions_loops, wrong="equal"),
        "small-region-breaks": partial(regions_loops, wrong="breaks"),
        "small-region-enlarged": partial(regions_loops, wrong="padded"),
        "zeros-in-maximum": partial(regions_loops, wrong="from zero"),
        "average-taken": partial(regions_loops, wrong="mean"),
        "levels-reversed": partial(regions_loops, wrong="reversed"),
        "levels-within-channels": partial(regions_loops, wrong="channels first"),
        "channels-last": partial(regions_loops, wrong="channels last"),
        "bins-transposed": partial(regions_loops, wrong="columns"),
        "one-level-only": partial(regions_loops, wrong="one level"),
        "first-region-only": partial(regions_loops, wrong="one region"),
        "first-channel-only": partial(regions_loops, wrong="one channel"),
        "precision-lost": partial(regions_loops, wrong="float32"),
        "input-changed": partial(regions_loops, wrong="in place"),
        **several(
            "first-cell-too-early",
            regions_by(lambda low, high, s: (low // s, inner(low, high, s)[1])),
        ),
        **several("last-cell-too-late", regions_by(lambda low, high, s: (low // s + 1, math.ceil(high / s) + 1))),
        **several("last-cell-left-out", regions_by(lambda low, high, s: (low // s + 1, math.ceil(high / s) - 1))),
        **several(
            "corners-rounded",
            regions_by(lambda low, high, s: (low // s, max(low // s + 1, high // s))),
            regions_by(lambda low, high, s: (low // s, high // s + 1)),
            regions_by(lambda low, high, s: (round(low / s), round(high / s) + 1)),
        ),
        "empty-region-zero of −∞": regions_by(no_cell, pool_or_minus_infinity),
        "stride-ignored": regions_by(lambda low, high, s: (low, high)),
        **several(
            "rows-columns-mixed",
            *altered(regions_adaptive, 1, lambda r: r[:, [1, 0, 3, 2]], lambda r: r[:, [0, 2, 1, 3]]),
        ),
        **several(
            "width-for-corner", *altered(regions_adaptive, 1, lambda r: torch.cat([r[:, :2], r[:, :2] + r[:, 2:]], 1))
        ),
        "bins-end-early empty": regions_by(pool=pool_down),
        "equal-windows of the paper": regions_by(pool=pool_windows),
        "levels-within-channels stacked": regions_by(
            join=lambda levels: torch.cat([level.flatten(1) for level in levels], 1)
        ),
        **several("one-level-only", *altered(regions_adaptive, 3, lambda bins: bins[-1:])),
        **several("first-region-only", *after(regions_adaptive, lambda r: r[-1:], lambda r: r[0])),
        **several("first-channel-only", *altered(regions_adaptive, 0, lambda f: f.amax(0)[None])),
    },
    "pyramid_pooling": {
        "padding-averaged": partial(ppm_loops, wrong="padding"),
        "padding-kept-in-x": partial(ppm_loops, wrong="x padded"),
        "enlarged-to-the-batch": partial(ppm_loops, wrong="too large"),
        "one-size-for-all": partial(ppm_loops, wrong="first size"),
        "summed-not-averaged": partial(ppm_loops, wrong="sum"),
        "divided-by-equal-share": partial(ppm_loops, wrong="shares"),
        "maximum-taken": partial(ppm_loops, wrong="max"),
        "bins-end-early": partial(ppm_loops, wrong="floor"),
        "equal-windows": partial(ppm_loops, wrong="equal"),
        "small-picture-breaks": partial(ppm_loops, wrong="breaks"),
        "relu-forgotten": partial(ppm_loops, wrong="no relu"),
        "relu-too-late": partial(ppm_loops, wrong="late"),
        "relu-too-early": partial(ppm_loops, wrong="early"),
        "relu-on-all": partial(ppm_loops, wrong="all relu"),
        "align-corners-ignored": partial(ppm_loops, wrong="ignored"),
        "align-corners-inverted": partial(ppm_loops, wrong="inverted"),
        "not-bilinear": partial(ppm_loops, wrong="nearest"),
        "picture-last": partial(ppm_loops, wrong="last"),
        "picture-missing": partial(ppm_loops, wrong="no x"),
        "levels-reversed": partial(ppm_loops, wrong="reversed"),
        "levels-added": partial(ppm_loops, wrong="added"),
        "interleaved": partial(ppm_loops, wrong="turns"),
        "weights-ignored": partial(ppm_loops, wrong="no weights"),
        "weights-of-one-level": partial(ppm_loops, wrong="first weights"),
        "weights-transposed": lambda x, sizes, bins, weights, a: ppm_torch(x, sizes, bins, weights.mT, a),
        "precision-lost": partial(ppm_loops, wrong="float32"),
        "input-changed": partial(ppm_loops, wrong="in place"),
        "padding-averaged in the whole batch": ppm_whole,
        "padding-averaged and removed": partial(ppm_whole, after=True),
        "padding-only-in-count": partial(ppm_whole, before=True, after=True),
        "padding-only-in-count kept": partial(ppm_whole, before=True),
        "padding-only-in-count own size": lambda x, sizes, *rest: ppm_loops(
            x * inside_of(x, sizes), sizes, *rest, wrong="padding"
        ),
        "padding-kept": ppm_spread,
        **several("one-size-for-all", *altered(ppm_torch, 1, lambda sizes: sizes[-1:].repeat(len(sizes), 1))),
        **several("height-for-width", *altered(ppm_by(), 1, lambda sizes: sizes[:, [1, 0]])),
        "equal-windows side by side": ppm_by(pool=pool_side_by_side),
        **several("align-corners-ignored", *altered(ppm_torch, 4, lambda align: True)),
        "not-bilinear cubic": ppm_by(mode="bicubic"),
        **several(
            "levels-missing",
            ppm_by(join=lambda own, levels: torch.cat([own, levels[0]], 1)),
            ppm_by(join=lambda own, levels: torch.cat([own, levels[-1]], 1)),
            ppm_by(join=lambda own, levels: torch.cat([own, *[levels[-1] for _ in levels]], 1)),
        ),
        "weights-ignored left out": ppm_by(reduce=lambda small, weight: small),
        **several("weights-of-one-level", *altered(ppm_torch, 3, lambda w: w[-1:].repeat(len(w), 1, 1))),
        "weights-by-channel": ppm_by(
            reduce=lambda small, weight: torch.relu(small * torch.diagonal(weight)[:, None, None])
        ),
        "normalised": ppm_by(
            reduce=lambda small, weight: torch.tensordot(weight, small[0], 1)[None].relu() / len(small[0])
        ),
    },
    "l2_fusion": {
        "zero-vector-nan": partial(fusion_loops, wrong="nan"),
        "zero-vector-filled": partial(fusion_loops, wrong="filled"),
        "epsilon-too-large": partial(fusion_loops, wrong="epsilon"),
        "epsilon-too-large in the root": partial(fusion_loops, wrong="epsilon in root"),
        "norm-over-space": over((2, 3)),
        "norm-over-all": over((1, 2, 3)),
        "norm-over-batch": over(0),
        "fused-before-norm": partial(fusion_loops, wrong="together"),
        "square-root-missing": partial(fusion_loops, wrong="sum"),
        "norm-one": partial(fusion_loops, wrong="absolute"),
        "mean-square": partial(fusion_loops, wrong="mean"),
        "not-normalised": partial(fusion_loops, wrong="none"),
        "local-only": partial(fusion_loops, wrong="local only"),
        "context-only": partial(fusion_loops, wrong="context only"),
        "scaled-before-norm": partial(fusion_loops, wrong="scaled"),
        "scales-ignored": partial(fusion_loops, wrong="no scales"),
        "scales-exchanged": partial(fusion_loops, wrong="exchanged"),
        "one-scale-for-all": partial(fusion_loops, wrong="one scale"),
        "scales-divide": partial(fusion_loops, wrong="divide"),
        "context-first": partial(fusion_loops, wrong="context first"),
        "one-map-only": partial(fusion_loops, wrong="local"),
        "tiled": partial(fusion_loops, wrong="tiled"),
        "interpolated": fusion_bilinear,
        "sizes-must-divide": partial(fusion_loops, wrong="must divide"),
        "one-context-for-all": partial(fusion_loops, wrong="one context"),
        "corner-of-context": partial(fusion_loops, wrong="corner"),
        "precision-lost": partial(fusion_loops, wrong="float32"),
        "input-changed": partial(fusion_loops, wrong="in place"),
        **several("epsilon-too-large", *(fusion_by(length) for length in other_lengths())),
        **several("norm-over-space", over(2), over(3)),
        "norm-over-all of the batch": fusion_by(lambda x: x / x.norm().clamp(min=1e-12)),
        "norm-one largest": fusion_by(lambda x: x / x.abs().amax(1, keepdim=True).clamp(min=1e-12)),
        "standardised": fusion_by(layer_norm),
        **several(
            "scales-ignored",
            *altered(fusion_normalize, 2, torch.ones_like),
            *altered(fusion_normalize, 3, torch.ones_like),
        ),
        **several("scales-exchanged", *before(fusion_by(), lambda local, context, a, b: (local, context, b, a))),
        "one-scale-for-all mean": fusion_by(scale=lambda x, s: x * s.mean()),
        "scales-per-column": fusion_by(scale=lambda x, s: x * s),
        "interleaved": fusion_by(join=lambda a, b: torch.stack((a, b), 2).reshape(len(a), -1, *a.shape[2:])),
        "added": fusion_by(join=lambda a, b: b + a),
        "one-map-only context": fusion_by(join=lambda a, b: b),
        **several("tiled", fusion_by(enlarge=tiled_along(2)), fusion_by(enlarge=tiled_along(3))),
        **several(
            "interpolated",
            fusion_by(enlarge=F.upsample_bilinear),
            fusion_by(enlarge=lambda x, size: F.interpolate(x, size, mode="nearest-exact")),
        ),
        "one-context-for-all at the end": fusion_by(
            enlarge=lambda x, size: F.adaptive_avg_pool2d(x, 1).expand(-1, -1, *size)
        ),
        **several("height-for-width", *altered(fusion_by(), 1, lambda context: context.transpose(2, 3))),
    },
    "poly_schedule": {
        "power-ignored": partial(poly_loops, wrong="no power"),
        "power-misplaced": partial(poly_loops, wrong="misplaced"),
        "power-inverted": partial(poly_loops, wrong="inverted"),
        "reaches-zero": partial(poly_loops, wrong="to zero"),
        "starts-late": partial(poly_loops, wrong="late"),
        "steps-miscounted": partial(poly_loops, wrong="one more"),
        "steps-miscounted by one less": partial(poly_loops, wrong="one less"),
        "compounded": partial(poly_loops, wrong="compounded"),
        "other-curve": partial(poly_loops, wrong="exponential"),
        "stages-not-restarted": partial(poly_loops, wrong="one clock"),
        "stages-not-restarted in T": partial(poly_loops, wrong="one total"),
        "first-base-kept": partial(poly_loops, wrong="first base"),
        "one-stage-only": partial(poly_loops, wrong="first stage"),
        "stages-nested": poly_nested,
        "warmup-ignored": partial(poly_loops, wrong="no warm-up"),
        "warmup-starts-at-zero": partial(poly_loops, wrong="from zero"),
        "warmup-too-steep": partial(poly_loops, wrong="steep"),
        "warmup-flat": partial(poly_loops, wrong="flat"),
        "poly-not-shifted": partial(poly_loops, wrong="not shifted"),
        "poly-too-long": partial(poly_loops, wrong="too long"),
        "poly-multiplied": partial(poly_loops, wrong="times"),
        "warmup-in-every-stage": partial(poly_loops, wrong="every stage"),
        "factors-ignored": partial(poly_loops, wrong="no factors"),
        "factors-in-the-power": partial(poly_loops, wrong="in power"),
        "factors-added": partial(poly_loops, wrong="plus"),
        "groups-as-rows": partial(poly_loops, wrong="turned"),
        "left-flat": partial(poly_loops, wrong="one list"),
        "order-reversed": partial(poly_loops, wrong="backwards"),
        "input-changed": partial(poly_loops, wrong="in place"),
        **several("power-ignored", *altered(poly_loops, 1, lambda power: 0.9)),
        **several(
            "power-misplaced",
            poly_by(lambda t, n, base, power: (base - base * t / n) ** power),
            poly_by(lambda t, n, base, power: base * power * (n - t) / n),
        ),
        **several("power-inverted", *altered(poly_loops, 1, lambda power: 1 - power)),
        "reaches-zero breaks": poly_by(lambda t, n, base, power: base * (1 - t / (n - 1)) ** power),
        "starts-late of one more": poly_by(lambda t, n, base, power: base * (1 - (t + 1) / (n + 1)) ** power),
        "starts-late from the first": lambda stages, power, warmup, factors: [
            [r * f for f in factors]
            for i, (base, steps) in enumerate(stages)
            for t in range(1, steps + 1)
            for w in [0 if i else warmup]
            for r in [base * (t + 1) / (w + 1) if t < w else base * ((steps - t) / (steps - w)) ** power]
        ],
        "steps-miscounted from 1": poly_by(times=lambda steps: range(1, steps)),
        **several(
            "other-curve",
            poly_by(lambda t, n, base, power: base / 2 * (1 + np.cos(np.pi * t / n))),
            poly_by(lambda t, n, base, power: base),
        ),
        "rising": poly_by(lambda t, n, base, power: base * (t / n) ** power),
        "rising to base": poly_by(lambda t, n, base, power: base * ((t + 1) / n) ** power),
        **several(
            "first-length-kept", *altered(poly_loops, 0, lambda stages: [(base, stages[0][1]) for base, _ in stages])
        ),
        **several("one-stage-only", *altered(poly_by(), 0, lambda stages: stages[-1:])),
        "warmup-starts-at-zero and ends early": poly_by(climb=lambda t, w, base: base * t / (w + 1)),
        "warmup-flat at zero": poly_by(climb=lambda t, w, base: 0.0),
        "warmup-added": poly_longer,
        "warmup-in-every-stage whole": poly_by(warm=lambda number, w: w),
        **several(
            "factors-ignored", *after(poly_loops, lambda r: [row[:1] for row in r], lambda r: [row[0] for row in r])
        ),
        "factors-in-the-power exponent": poly_by(join=lambda rate, factor: rate**factor),
        "factors-added divide": poly_by(join=lambda rate, factor: rate / factor),
        "factor-on-base-only": partial(poly_in_part, climb=False),
        "factor-on-base-only in the climb": partial(poly_in_part, climb=True),
    },
}
