"""Chapter 09, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import after, altered, before, first_only, laid_out, several

# aspp --------------------------------------------------------------------------------------------------------------


def aspp_loops(x, point, dilated, pooled, bias, rates, *, wrong=""):
    """Cell by cell and weight by weight; weights on the padding are left out."""
    n, _, h, w = x.shape
    k = len(point)
    count = len(rates) + 2
    out = torch.zeros(n, count * k, h, w, dtype=torch.float32 if wrong == "float32" else x.dtype)
    rates = {"ones": [1] * len(rates), "reversed": rates[::-1], "first rate": rates[:1] * len(rates)}.get(wrong, rates)
    for i in range(n):
        for y in range(h):
            for z in range(w):
                sums = [point @ x[i, :, y, z]]
                for kernel, rate in zip(dilated, rates, strict=True):
                    kernel = dilated[0] if wrong == "one kernel" else kernel
                    total = torch.zeros(k, dtype=x.dtype)
                    for u in range(3):
                        for v in range(3):
                            row, column = y + (u - 1) * rate, z + (v - 1) * rate
                            if wrong == "edge":
                                row, column = min(max(row, 0), h - 1), min(max(column, 0), w - 1)
                            if wrong == "wrap":
                                row, column = row % h, column % w
                            if 0 <= row < h and 0 <= column < w:
                                at = (2 - u, 2 - v) if wrong == "flipped" else (u, v)
                                total += kernel[:, :, at[0], at[1]] @ x[i, :, row, column]
                    sums.append(total)
                mean = x[i].mean((1, 2))
                if wrong == "max":
                    mean = x[i].amax((1, 2))
                if wrong == "sum":
                    mean = x[i].sum((1, 2))
                if wrong == "batch mean":
                    mean = x.mean((0, 2, 3))
                if wrong == "no mean":
                    mean = x[i, :, y, z]
                sums.append(pooled @ mean)
                shifted = [s + b for s, b in zip(sums, bias, strict=True)]
                if wrong == "no bias":
                    shifted = sums
                if wrong == "first bias":
                    shifted = [s + bias[0] for s in sums]
                if wrong == "pool without bias":
                    shifted[-1] = sums[-1]
                done = [s.clamp(min=0) for s in shifted]
                if wrong == "no relu":
                    done = shifted
                if wrong == "pool without relu":
                    done[-1] = shifted[-1]
                if wrong == "early relu":
                    done = [s.clamp(min=0) + b for s, b in zip(sums, bias, strict=True)]
                if wrong == "pool first":
                    done = [done[-1], *done[:-1]]
                if wrong == "corner" and (y, z) != (0, 0):
                    done[-1] = done[-1] * 0
                out[i, :, y, z] = (torch.stack(done, 1).flatten() if wrong == "turns" else torch.cat(done)).to(
                    out.dtype
                )
    if wrong == "in place":
        x.zero_()
    if wrong == "no pool":
        return out[:, :-k]
    if wrong == "v2":
        return out.unflatten(1, (count, k)).sum(1)
    return {"stacked": out.unflatten(1, (count, k)), "first": out[:1], "flat": out.flatten(2)}.get(wrong, out)


def aspp_torch(x, point, dilated, pooled, bias, rates):
    """torch's layers; the mean as a convolution over the whole map, enlarged bilinearly."""
    h, w = x.shape[-2:]
    parts = [nn.functional.conv2d(x, point[..., None, None], bias[0])]
    for i, rate in enumerate(rates):
        parts.append(nn.functional.conv2d(x, dilated[i], bias[i + 1], padding=rate, dilation=rate))
    kernel = pooled[:, :, None, None].expand(-1, -1, h, w) / (h * w)
    vector = nn.functional.conv2d(x, kernel, bias[-1])
    parts.append(nn.functional.interpolate(vector, (h, w), mode="bilinear", align_corners=True))
    return nn.functional.relu(torch.hstack(parts))


def aspp_holes(x, point, dilated, pooled, bias, rates):
    """Kernels with their holes written out, and everything as numpy products."""
    n, c, h, w = x.shape
    picture = x.numpy()
    out = [np.einsum("kc,nchw->nkhw", point, picture)]
    for kernel, r in zip(dilated.numpy(), rates, strict=True):
        wide = np.pad(picture, ((0, 0), (0, 0), (r, r), (r, r)))
        holes = np.zeros((*kernel.shape[:2], 2 * r + 1, 2 * r + 1), dtype=kernel.dtype)
        holes[..., ::r, ::r] = kernel
        views = np.lib.stride_tricks.sliding_window_view(wide, holes.shape[2:], (2, 3))
        out.append(np.einsum("nchwuv,kcuv->nkhw", views, holes))
    vector = picture.reshape(n, c, -1).mean(2) @ pooled.numpy().T
    out.append(np.broadcast_to(vector[:, :, None, None], (n, len(pooled), h, w)))
    shifted = [part + b[:, None, None] for part, b in zip(out, bias.numpy(), strict=True)]
    return np.maximum(np.concatenate(shifted, 1), 0)


def aspp_shifts(x, point, dilated, pooled, bias, rates):
    """A dilated convolution as nine shifted 1×1 products; one picture after the other."""

    def shifted(picture, dy, dx):
        _, h, w = picture.shape
        out = torch.zeros_like(picture)
        ys, xs = slice(max(0, -dy), max(0, h - max(0, dy))), slice(max(0, -dx), max(0, w - max(0, dx)))
        yt, xt = slice(max(0, dy), max(0, h + min(0, dy))), slice(max(0, dx), max(0, w + min(0, dx)))
        if abs(dy) < h and abs(dx) < w:
            out[:, ys, xs] = picture[:, yt, xt]
        return out

    results = []
    for picture in x:
        parts = [torch.tensordot(point, picture, 1)]
        for kernel, r in zip(dilated, rates, strict=True):
            steps = [(u, v) for u in range(3) for v in range(3)]
            parts.append(
                sum(
                    torch.tensordot(kernel[:, :, u, v], shifted(picture, (u - 1) * r, (v - 1) * r), 1) for u, v in steps
                )
            )
        level = nn.AdaptiveAvgPool2d(1)(picture)
        parts.append(torch.tensordot(pooled, level, 1).repeat(1, *picture.shape[1:]))
        results.append(torch.cat([(p + b.view(-1, 1, 1)).relu() for p, b in zip(parts, bias, strict=True)]))
    return torch.stack(results)


def aspp_late(x, point, dilated, pooled, bias, rates):
    good = aspp_torch(x, point, dilated, pooled, bias, rates)
    cells = (torch.einsum("kc,nchw->nkhw", pooled, x) + bias[-1].view(-1, 1, 1)).relu()
    good[:, -len(point) :] = cells.mean((2, 3), keepdim=True)
    return good


def aspp_small_vector(x, point, dilated, pooled, bias, rates):
    parts = [nn.functional.conv2d(x, point[..., None, None], bias[0])]
    for i, rate in enumerate(rates):
        parts.append(nn.functional.conv2d(x, dilated[i], bias[i + 1], padding=rate, dilation=rate))
    mean = nn.functional.adaptive_avg_pool2d(x, 1)
    parts.append(nn.functional.conv2d(mean, pooled[..., None, None], bias[-1]))
    return torch.cat(parts, dim=1).relu()


def aspp_padding_one(x, point, dilated, pooled, bias, rates):
    parts = [nn.functional.conv2d(x, point[..., None, None], bias[0])]
    for i, rate in enumerate(rates):
        parts.append(nn.functional.conv2d(x, dilated[i], bias[i + 1], padding=1, dilation=rate))
    mean = x.mean((2, 3), keepdim=True)
    parts.append(nn.functional.conv2d(mean, pooled[..., None, None], bias[-1]).expand(-1, -1, *x.shape[2:]))
    return torch.cat(parts, dim=1).relu()


def aspp_fitting(x, point, dilated, pooled, bias, rates):
    """A rate at which the kernel does not fit is made smaller first."""
    room = min(x.shape[2], x.shape[3]) - 1
    return aspp_torch(x, point, dilated, pooled, bias, [min(r, room) if room else 1 for r in rates])


def aspp_by(
    mean=lambda x: x.mean((2, 3), keepdim=True),
    conv=lambda x, kernel, rate: nn.functional.conv2d(x, kernel, padding=rate, dilation=rate),
    end=lambda part, bias, place, last: (part + bias).relu(),
    join=torch.hstack,
):
    """Branch after branch: mean(x), conv(x, kernel, rate), end(sum, bias, place, last place), join(branches)."""

    def answer(x, point, dilated, pooled, bias, rates):
        parts = [nn.functional.conv2d(x, point[..., None, None])]
        parts += [conv(x, kernel, rate) for kernel, rate in zip(dilated, rates, strict=True)]
        parts.append(nn.functional.conv2d(mean(x), pooled[..., None, None]))
        parts = [end(p, bias[i].view(-1, 1, 1), i, len(rates) + 1) for i, p in enumerate(parts)]
        return join([*parts[:-1], parts[-1].expand_as(parts[0])])

    return answer


def end_without_relu(which):
    return lambda part, bias, place, last: part + bias if which(place, last) else (part + bias).relu()


def end_without_bias(which):
    return lambda part, bias, place, last: part.relu() if which(place, last) else (part + bias).relu()


def conv_mirrored(x, kernel, rate):
    return nn.functional.conv2d(nn.ReflectionPad2d(rate)(x), kernel, dilation=rate)


def conv_of_the_middle(x, kernel, rate):
    """Where the kernel reaches beyond the map, only its middle counts."""
    if rate < min(x.shape[-2:]):
        return nn.functional.conv2d(x, kernel, padding=rate, dilation=rate)
    return nn.functional.conv2d(x, kernel[..., 1:2, 1:2])


# multi_grid_rates --------------------------------------------------------------------------------------------------


def rates_walked(stem, last, multi_grid, output_stride, *, wrong=""):
    """From block to block: a stride that is not gone down becomes a rate twice as large."""
    stride, rate, seen, rows = stem, 1, set(), []
    previous = None
    for block in range(1, last + 1):
        if block > 1:
            down = stride < output_stride
            stride, rate = (
                (stride * 2, rate) if down else (stride, rate * (1 if wrong == "block 4's" and block > 4 else 2))
            )
        seen.add(stem * 2 ** (block - 1))
        if block < (3 if wrong == "from 3" else 4):
            continue
        row = []
        for place, unit in enumerate(multi_grid):
            value = rate * unit
            if wrong == "alone":
                value = unit
            if wrong == "ignored":
                value = rate
            if wrong == "added":
                value = rate + unit
            if wrong == "piled" and row:
                value = row[-1] * unit
            if wrong == "chained" and previous:
                value = previous * unit
            if wrong == "only 4" and block > 4:
                value = rate
            if wrong == "first" and not place:
                value = max(1, rate // 2) * unit
            if wrong == "twice":
                value = 2 * value
            row.append(value)
        previous = row[-1]
        rows.append(row)
    if wrong == "never":
        return rows
    refused = output_stride not in seen or any(unit < 1 for unit in multi_grid)
    if wrong == "no look at units":
        refused = output_stride not in seen
    if wrong == "range":
        refused = not min(seen) <= output_stride <= max(seen) or min(multi_grid) < 1
    if wrong == "coarse":
        refused = output_stride < stem or math.log2(output_stride / stem) % 1 or min(multi_grid) < 1
    if wrong == "fine":
        refused = refused and output_stride >= stem
    if wrong == "powers":
        refused = refused or math.log2(output_stride) % 1
    if wrong == "8 and 16":
        refused = refused or output_stride not in (8, 16)
    if refused:
        if wrong == "error":
            raise ValueError(f"output stride {output_stride} cannot be had")
        return []
    if wrong == "flat":
        return [rate for row in rows for rate in row]
    if wrong == "columns":
        return [[row[j] for row in rows] for j in range(len(multi_grid))]
    return rows[::-1] if wrong == "reversed" else rows


def rates_numpy(stem, last, multi_grid, output_stride):
    made = stem * 2 ** np.arange(last)
    if output_stride not in made or np.min(multi_grid) < 1:
        return np.zeros((0,), dtype=np.int64)
    return np.maximum(made[3:] // output_stride, 1)[:, None] * np.array(multi_grid)


def rates_exponents(stem, last, multi_grid, output_stride):
    """How many doublings lie between; tuples of tuples."""
    steps = [n for n in range(last) if stem << n == output_stride]
    if not steps or min(multi_grid) <= 0:
        return ()
    return tuple(tuple(unit << max(0, block - 1 - steps[0]) for unit in multi_grid) for block in range(4, last + 1))


def rates_tensor(stem, last, multi_grid, output_stride):
    made = [stem]
    while len(made) < last:
        made.append(2 * made[-1])
    if output_stride not in made or not all(unit >= 1 for unit in multi_grid):
        return torch.empty(0, dtype=torch.long)
    blocks = torch.tensor([max(stride, output_stride) // output_stride for stride in made[3:]])
    return torch.outer(blocks, torch.tensor(multi_grid))


def rates_unclamped(stem, last, multi_grid, output_stride):
    if output_stride not in [stem * 2**n for n in range(last)] or min(multi_grid) < 1:
        return []
    return [[stem * 2 ** (b - 1) / output_stride * unit for unit in multi_grid] for b in range(4, last + 1)]


def rates_upside_down(stem, last, multi_grid, output_stride):
    if output_stride not in [stem * 2**n for n in range(last)] or min(multi_grid) < 1:
        return []
    return [[output_stride / (stem * 2 ** (b - 1)) * unit for unit in multi_grid] for b in range(4, last + 1)]


def rates_by(rate, refused=None):
    """rate(stride a block was made for, output stride); refused(stem, last, multi_grid, output_stride)."""

    def answer(stem, last, multi_grid, t):
        made = [stem * 2**n for n in range(last)]
        no = refused(stem, last, multi_grid, t) if refused else t not in made or min(multi_grid) < 1
        return [] if no else [[rate(m, t) * unit for unit in multi_grid] for m in made[3:]]

    return answer


def rates_refusing(refused):
    """Right rates, where they are given."""
    return rates_by(lambda made, t: max(made // t, 1), refused)


def rates_refusing_more(also):
    return lambda *args: [] if also(*args) else rates_walked(*args)


def rates_of_units(change):
    """Other rates: change(rate of the block, numbers of multi_grid)."""

    def answer(stem, last, multi_grid, t):
        rows = rates_walked(stem, last, [1] if min(multi_grid) > 0 else [0], t)
        return [change(row[0], multi_grid) for row in rows]

    return answer


def rates_from(block):
    """Rows from another block on."""

    def answer(stem, last, multi_grid, t):
        if not rates_walked(stem, last, multi_grid, t):
            return []
        return [[max(stem * 2 ** (b - 1) // t, 1) * u for u in multi_grid] for b in range(block, last + 1)]

    return answer


# valid_weights -----------------------------------------------------------------------------------------------------


def valid_loops(size, kernel, rate, *, wrong=""):
    """Every weight at every cell."""
    h, w = size[::-1] if wrong == "size" else size
    kh, kw = {"three": (3, 3), "kernel": kernel[::-1]}.get(wrong, kernel)
    rh, rw = {"one rate": (rate[0], rate[0]), "rates": rate[::-1], "ones": (1, 1)}.get(wrong, rate)
    if wrong == "gaps":
        rh, rw = rh + 1, rw + 1
    out = np.zeros((h, w), dtype=np.float64 if wrong == "share" else np.int64)
    for y in range(h):
        for x in range(w):
            for u in range(kh):
                for v in range(kw):
                    i, j = y + rh * (u - kh // 2), x + rw * (v - kw // 2)
                    if wrong == "from the corner":
                        i, j = y + rh * u, x + rw * v
                    inside = 0 <= i < h and 0 <= j < w
                    if wrong == "too far":
                        inside = 0 <= i <= h and 0 <= j <= w
                    if wrong == "or":
                        inside = 0 <= i < h or 0 <= j < w
                    if wrong == "rows":
                        inside = 0 <= i < h
                    if wrong == "neighbours" and (i, j) == (y, x):
                        inside = False
                    if wrong == "lost":
                        inside = not inside
                    out[y, x] += True if wrong == "all" else inside
            if wrong == "whole" and out[y, x] < kh * kw:
                out[y, x] = 1
    if wrong == "share":
        return out / (kh * kw)
    if wrong == "mean":
        return out.mean()
    if wrong == "float32":
        return torch.tensor(out, dtype=torch.float32)
    return {"flat": out.ravel(), "turned": out.T}.get(wrong, out)


def valid_closed(size, kernel, rate):
    """Steps of the rate that fit before the border, at most k // 2 on each side."""
    sides = []
    for n, k, r in zip(size, kernel, rate, strict=True):
        sides.append([min(i // r, k // 2) + min((n - 1 - i) // r, k // 2) + 1 for i in range(n)])
    return [[a * b for b in sides[1]] for a in sides[0]]


def valid_convolved(size, kernel, rate):
    """A convolution of ones with ones, counted in float64 and brought back to whole numbers."""
    ones = torch.ones(1, 1, *size, dtype=torch.float64)
    padding = [r * (k // 2) for k, r in zip(kernel, rate, strict=True)]
    weight = torch.ones(1, 1, *kernel, dtype=torch.float64)
    return nn.functional.conv2d(ones, weight, padding=padding, dilation=rate)[0, 0].round().long()


def valid_windows(size, kernel, rate):
    """A frame of zeros, and windows of it."""
    (kh, kw), (rh, rw) = kernel, rate
    wide = np.pad(np.ones(size, dtype=int), ((rh * (kh // 2),) * 2, (rw * (kw // 2),) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (rh * (kh - 1) + 1, rw * (kw - 1) + 1))
    return windows[:, :, ::rh, ::rw].sum((2, 3))


def valid_unbounded(size, kernel, rate):
    sides = [[i // r + (n - 1 - i) // r + 1 for i in range(n)] for n, r in zip(size, rate, strict=True)]
    return np.outer(*sides)


def valid_sum(size, kernel, rate):
    rows, columns = (
        [sum(0 <= i + r * (u - k // 2) < n for u in range(k)) for i in range(n)]
        for n, k, r in zip(size, kernel, rate, strict=True)
    )
    return [[a + b for b in columns] for a in rows]


def valid_by(inside=lambda at, n: 0 <= at < n, first=lambda k: k // 2, join=lambda a, b: a * b):
    """Axis by axis: inside(place, size), how many weights lie before the middle, join(counts of rows and columns)."""

    def answer(size, kernel, rate):
        rows, columns = (
            np.array([sum(inside(i + (u - first(k)) * r, n) for u in range(k)) for i in range(n)])
            for n, k, r in zip(size, kernel, rate, strict=True)
        )
        return join(rows[:, None], columns[None])

    return answer


def valid_halves(size, kernel, rate):
    """Half a kernel is lost with its outermost weight."""
    sides = [
        [1 + (k // 2) * ((i >= r * (k // 2)) + (i + r * (k // 2) < n)) for i in range(n)]
        for n, k, r in zip(size, kernel, rate, strict=True)
    ]
    return np.outer(*sides)


def valid_or_nothing(size, kernel, rate):
    out = valid_windows(size, kernel, rate)
    out[out < kernel[0] * kernel[1]] = 0
    return out


def valid_columns(size, kernel, rate):
    """All rows of weights count."""
    return kernel[0] * valid_windows((1, size[1]), (1, kernel[1]), rate).repeat(size[0], 0)


# change_output_stride ----------------------------------------------------------------------------------------------


def stride_changed(layers, rates, output_stride, *, wrong=""):
    """Old and new plan side by side: what each has lost before a layer."""
    now, lost_before, lost_now, here, plan = 1, 1, 1, 1, []
    for stride, lost, rate in layers:
        here *= stride
        full = stride * lost
        stays = now < output_stride
        if wrong == "no way back" and lost > 1:
            stays = False
        own = rate // lost_before
        after = lost_now * (1 if stays else full)
        new = own * (after if wrong == "too early" else lost_now)
        if wrong == "rates kept":
            new = rate
        if wrong == "own lost":
            new = lost_now
        if wrong == "twice":
            new = rate * lost_now
        if wrong == "added":
            new = own + lost_now - 1
        if wrong == "not undone":
            new = max(new, rate)
        noted = 1 if stays else full
        if wrong == "old note":
            noted = lost
        plan.append((full if stays else 1, noted, new))
        lost_before *= lost
        now *= full if stays else 1
        if wrong == "last":
            lost_now = full if not stays and full > 1 else lost_now
        elif wrong == "two":
            lost_now *= 2 if not stays and full > 1 else 1
        else:
            lost_now = after
    pyramid = [rate * here / output_stride for rate in rates]
    refused = now != output_stride or any(rate != int(rate) for rate in pyramid)
    if wrong == "rounded":
        refused = now != output_stride
    if wrong == "any stride":
        refused = any(rate != int(rate) for rate in pyramid)
    if wrong == "never":
        refused = False
    if wrong == "finer only":
        refused = refused or output_stride > here
    if wrong == "even only":
        refused = refused or any(rate % 2 for rate in rates)
    if wrong == "error" and refused:
        raise ValueError("not possible")
    if refused:
        return [], []
    pyramid = [int(rate) for rate in pyramid]
    if wrong == "same pyramid":
        pyramid = list(rates)
    if wrong == "backwards":
        pyramid = [rate * output_stride / here for rate in rates]
    if wrong == "from 16":
        pyramid = [rate * 16 // output_stride for rate in rates]
    if wrong == "once":
        pyramid = [2 * r if output_stride < here else r // 2 if output_stride > here else r for r in rates]
    if wrong == "in place":
        layers[:] = plan
    if wrong == "order":
        plan = [(lost, stride, rate) for stride, lost, rate in plan]
    return (pyramid, plan) if wrong == "pyramid first" else (plan, pyramid)


def stride_numpy(layers, rates, output_stride):
    """Cumulative products of the full strides."""
    table, pyramid = np.array(layers), np.array(rates, dtype=np.int64)
    full = table[:, 0] * table[:, 1]
    reached = np.concatenate([[1], np.cumprod(full)])
    scaled = pyramid * int(table[:, 0].prod())
    if output_stride not in reached or (scaled % output_stride).any():
        return [], []
    before = np.maximum(reached[:-1] // output_stride, 1)
    was = np.concatenate([[1], np.cumprod(table[:, 1])[:-1]])
    stays = reached[:-1] < output_stride
    rows = np.stack([np.where(stays, full, 1), np.where(stays, 1, full), table[:, 2] // was * before], 1)
    return rows, scaled // output_stride


def stride_recursive(layers, rates, output_stride):
    """Undo first, then dilate."""

    def undone(rest, factor=1):
        if not rest:
            return []
        (stride, lost, rate), *more = rest
        return [(stride * lost, rate // factor), *undone(more, factor * lost)]

    def dilated(rest, room, factor=1):
        if not rest:
            return [] if room == 1 else None
        (stride, own), *more = rest
        if room > 1:
            if room % stride:
                return None
            after = dilated(more, room // stride)
            return None if after is None else [[stride, 1, own], *after]
        return [[1, stride, own * factor], *dilated(more, 1, factor * stride)]

    plan = dilated(undone(layers), output_stride)
    old = math.prod(stride for stride, _, _ in layers)
    if plan is None or any((rate * old) % output_stride for rate in rates):
        return [[], []]
    return plan, torch.tensor([rate * old // output_stride for rate in rates], dtype=torch.long)


def stride_all_scaled(layers, rates, output_stride):
    plan, pyramid = stride_changed(layers, rates, output_stride)
    old = math.prod(stride for stride, _, _ in layers)
    return [(*new[:2], was[2] * old // output_stride) for new, was in zip(plan, layers, strict=False)], pyramid


def plan_by(
    rate=lambda own, lost, full, old: own * lost, grow=lambda lost, full: lost * full, stop=lambda t: t, early=False
):
    """Layers as they were made first, then the new plan: rate(own, strides lost before, full stride, old rate)."""

    def answer(layers, rates, output_stride):
        right_plan, pyramid = stride_changed(layers, rates, output_stride)
        if not right_plan:
            return [], []
        reached, lost, was, plan = 1, 1, 1, []
        for stride, gone, old in layers:
            full, own = stride * gone, old // was
            was *= gone
            if reached < stop(output_stride):
                reached *= full
                plan.append((full, 1, rate(own, 1, full, old) if early else own))
            else:
                plan.append((1, full, rate(own, lost, full, old)))
                lost = grow(lost, full)
        return plan, pyramid

    return answer


def pyramid_by(rates_of):
    """Other rates of ASPP: rates_of(rates, present stride, output stride)."""

    def answer(layers, rates, output_stride):
        plan, _ = stride_changed(layers, rates, output_stride)
        return (plan, rates_of(rates, math.prod(s for s, _, _ in layers), output_stride)) if plan else ([], [])

    return answer


def pyramid_uneven(rates_of, refused=lambda uneven: False):
    """Rates of ASPP that need not come out whole, refused by another rule for which of them do not."""

    def answer(layers, rates, output_stride):
        plan, _ = stride_changed(layers, [], output_stride)
        old = math.prod(s for s, _, _ in layers)
        if not plan or refused([rate * old % output_stride > 0 for rate in rates]):
            return [], []
        return plan, rates_of(rates, old, output_stride)

    return answer


def rounded_down(rates, old, new):
    return [rate * old // new for rate in rates]


def stride_refusing_more(also):
    return lambda layers, rates, t: ([], []) if also(layers, rates, t) else stride_changed(layers, rates, t)


def stride_within(layers, rates, output_stride):
    """Refused is what lies beyond the whole network."""
    if output_stride > math.prod(s * lost for s, lost, _ in layers):
        return [], []
    return stride_changed(layers, rates, output_stride, wrong="any stride")


RIGHT = {
    "aspp": {"loops": aspp_loops, "torch": aspp_torch, "numpy": aspp_holes, "shifts": aspp_shifts},
    "multi_grid_rates": {
        "walked": rates_walked,
        "numpy": rates_numpy,
        "exponents": rates_exponents,
        "tensor": rates_tensor,
    },
    "valid_weights": {
        "loops": valid_loops,
        "closed form": valid_closed,
        "convolution": valid_convolved,
        "windows": valid_windows,
    },
    "change_output_stride": {
        "side by side": stride_changed,
        "numpy": stride_numpy,
        "recursive": stride_recursive,
    },
}

WRONG = {
    "aspp": {
        "pooled-too-late": aspp_late,
        "pooling-missing": partial(aspp_loops, wrong="no mean"),
        "pooling-not-broadcast": aspp_small_vector,
        "pooling-not-broadcast one corner": partial(aspp_loops, wrong="corner"),
        "pooled-over-the-batch": partial(aspp_loops, wrong="batch mean"),
        "not-the-mean maximum": partial(aspp_loops, wrong="max"),
        "not-the-mean sum": partial(aspp_loops, wrong="sum"),
        "branch-missing": partial(aspp_loops, wrong="no pool"),
        "branches-in-another-order": partial(aspp_loops, wrong="pool first"),
        "interleaved": partial(aspp_loops, wrong="turns"),
        "summed": partial(aspp_loops, wrong="v2"),
        "not-concatenated": partial(aspp_loops, wrong="stacked"),
        "relu-forgotten": partial(aspp_loops, wrong="no relu"),
        "relu-missing-in-a-branch": partial(aspp_loops, wrong="pool without relu"),
        "relu-before-bias": partial(aspp_loops, wrong="early relu"),
        "bias-ignored": partial(aspp_loops, wrong="no bias"),
        "bias-missing-in-a-branch": partial(aspp_loops, wrong="pool without bias"),
        "bias-of-another-branch": partial(aspp_loops, wrong="first bias"),
        "not-padded": aspp_padding_one,
        "border-not-zero edge": partial(aspp_loops, wrong="edge"),
        "border-not-zero wrapped": partial(aspp_loops, wrong="wrap"),
        "rates-ignored": partial(aspp_loops, wrong="ones"),
        "rate-of-another-branch reversed": partial(aspp_loops, wrong="reversed"),
        "rate-of-another-branch first": partial(aspp_loops, wrong="first rate"),
        "kernel-of-another-branch": partial(aspp_loops, wrong="one kernel"),
        "large-rate-changed": aspp_fitting,
        "kernel-flipped": partial(aspp_loops, wrong="flipped"),
        "first-picture-only": partial(aspp_loops, wrong="first"),
        "left-flat": partial(aspp_loops, wrong="flat"),
        "precision-lost": partial(aspp_loops, wrong="float32"),
        "input-changed": partial(aspp_loops, wrong="in place"),
        **several(
            "not-the-mean",
            aspp_by(mean=lambda x: x.mean(2, keepdim=True)),
            aspp_by(mean=lambda x: x.mean(3, keepdim=True)),
        ),
        "branch-missing first": aspp_by(join=lambda parts: torch.cat(parts[1:], 1)),
        "branch-missing two": aspp_by(join=lambda parts: torch.cat(parts[1:-1], 1)),
        "branches-in-another-order dilated first": aspp_by(
            join=lambda parts: torch.cat([*parts[1:-1], parts[0], parts[-1]], 1)
        ),
        "branches-in-another-order reversed": aspp_by(join=lambda parts: torch.cat(parts[::-1], 1)),
        "summed mean": aspp_by(join=lambda parts: sum(parts) / len(parts)),
        "not-concatenated batch": aspp_by(join=torch.vstack),
        **several(
            "relu-missing-in-a-branch",
            aspp_by(end=end_without_relu(lambda place, last: place == 0)),
            aspp_by(end=end_without_relu(lambda place, last: place not in (0, last))),
        ),
        "relu-before-bias twice": aspp_by(end=lambda part, bias, *at: (part.relu() + bias).relu()),
        **several(
            "bias-missing-in-a-branch",
            aspp_by(end=end_without_bias(lambda place, last: place == 0)),
            aspp_by(end=end_without_bias(lambda place, last: place not in (0, last))),
        ),
        **several(
            "bias-of-another-branch",
            *altered(aspp_torch, 4, lambda b: torch.cat([b[-1:], b[:-1]])),
            *altered(aspp_torch, 4, lambda b: torch.stack([b[0], *[b[1]] * (len(b) - 2), b[-1]])),
        ),
        "not-padded at all": aspp_by(conv=lambda x, kernel, rate: nn.functional.conv2d(x, kernel, dilation=rate)),
        "border-not-zero mirrored": aspp_by(conv=conv_mirrored),
        **several("rate-of-another-branch", *altered(aspp_torch, 5, lambda rates: [rates[-1] for _ in rates])),
        **several("kernel-of-another-branch", *altered(aspp_torch, 2, lambda d: torch.stack([d[-1] for _ in d]))),
        "large-rate-changed middle": aspp_by(conv=conv_of_the_middle),
        **several("kernel-flipped", *altered(aspp_torch, 2, lambda d: d.transpose(3, 4))),
        **several(
            "first-channel-only",
            *before(aspp_torch, lambda x, p, d, q, b, rates: (x[:, :1], p[:, :1], d[:, :, :1], q[:, :1], b, rates)),
        ),
        **several("first-picture-only", *first_only(aspp_torch)),
        **several("left-flat", *laid_out(aspp_torch)),
    },
    "multi_grid_rates": {
        "multi-grid-alone": partial(rates_walked, wrong="alone"),
        "multi-grid-ignored": partial(rates_walked, wrong="ignored"),
        "multi-grid-added": partial(rates_walked, wrong="added"),
        "multi-grid-compounded units": partial(rates_walked, wrong="piled"),
        "multi-grid-compounded blocks": partial(rates_walked, wrong="chained"),
        "block-4-only": partial(rates_walked, wrong="only 4"),
        "same-for-all-blocks": partial(rates_walked, wrong="block 4's"),
        "first-unit-undilated": partial(rates_walked, wrong="first"),
        "stem-fixed": lambda stem, last, multi_grid, t: (
            [[max(1, 2 ** (b + 1) // t) * u for u in multi_grid] for b in range(4, last + 1)]
            if rates_numpy(stem, last, multi_grid, t).size
            else []
        ),
        "rate-inverted": rates_upside_down,
        "rate-below-one": rates_unclamped,
        "not-refused-at-all": partial(rates_walked, wrong="never"),
        "finer-than-the-stem": partial(rates_walked, wrong="fine"),
        "coarser-than-the-last": partial(rates_walked, wrong="coarse"),
        "not-a-stride-of-the-network": partial(rates_walked, wrong="range"),
        "power-of-two-only": partial(rates_walked, wrong="powers"),
        "unit-rate-not-refused": partial(rates_walked, wrong="no look at units"),
        "refuses-too-much": partial(rates_walked, wrong="8 and 16"),
        "refused-by-an-error": partial(rates_walked, wrong="error"),
        "another-block-first": partial(rates_walked, wrong="from 3"),
        "rows-reversed": partial(rates_walked, wrong="reversed"),
        "rows-columns-exchanged": partial(rates_walked, wrong="columns"),
        "left-flat": partial(rates_walked, wrong="flat"),
        "multi-grid-added less one": rates_of_units(lambda rate, units: [rate + unit - 1 for unit in units]),
        "first-unit-undilated one": rates_of_units(lambda rate, units: [1, *(rate * unit for unit in units[1:])]),
        **several(
            "one-block-off",
            rates_by(lambda made, t: max(2 * made // t, 1)),
            rates_by(lambda made, t: max(made // 2 // t, 1)),
        ),
        **several("stem-fixed", *altered(rates_walked, 0, lambda stem: 4)),
        "rate-inverted whole": rates_by(lambda made, t: max(t // made, 1)),
        "rate-below-one none": rates_by(lambda made, t: made // t),
        "not-refused-at-all by division": rates_refusing(lambda *args: False),
        "finer-than-the-stem by division": rates_refusing(
            lambda stem, last, grid, t: t >= stem and (min(grid) < 1 or t not in [stem << n for n in range(last)])
        ),
        "coarser-than-the-last by division": rates_refusing(
            lambda stem, last, grid, t: min(grid) < 1 or t not in [stem << n for n in range(12)]
        ),
        "not-a-stride-of-the-network by division": rates_refusing(
            lambda stem, last, grid, t: min(grid) < 1 or not stem <= t <= stem << (last - 1)
        ),
        **several(
            "refuses-too-much",
            rates_refusing_more(lambda stem, last, grid, t: stem * 8 < t),
            rates_refusing_more(lambda stem, last, grid, t: t == stem * 2 ** (last - 1)),
            rates_refusing_more(lambda stem, last, grid, t: t != 8 and t != 16 and t != 32),
            rates_refusing_more(lambda stem, last, grid, t: t == stem),
            rates_refusing_more(lambda stem, last, grid, t: len(grid) > 3 or len(grid) < 3),
        ),
        **several("another-block-first", rates_from(5), rates_from(1), *after(rates_walked, lambda rows: rows[:-1])),
        **several("rows-reversed", *after(rates_walked, lambda rows: [list(reversed(row)) for row in rows])),
        **several("left-flat", *after(rates_walked, lambda rows: rows[0] if len(rows) == 1 else rows)),
    },
    "valid_weights": {
        "padding-counted": partial(valid_loops, wrong="all"),
        "all-or-nothing": partial(valid_loops, wrong="whole"),
        "kernel-unbounded": valid_unbounded,
        "axes-added": valid_sum,
        "one-axis-only": partial(valid_loops, wrong="rows"),
        "rate-ignored": partial(valid_loops, wrong="ones"),
        "rate-off-by-one": partial(valid_loops, wrong="gaps"),
        "one-rate-for-both": partial(valid_loops, wrong="one rate"),
        "rates-exchanged": partial(valid_loops, wrong="rates"),
        "kernel-fixed": partial(valid_loops, wrong="three"),
        "kernel-axes": partial(valid_loops, wrong="kernel"),
        "size-axes": partial(valid_loops, wrong="size"),
        "kernel-not-centred": partial(valid_loops, wrong="from the corner"),
        "border-off-by-one": partial(valid_loops, wrong="too far"),
        "middle-not-counted": partial(valid_loops, wrong="neighbours"),
        "lost-counted": partial(valid_loops, wrong="lost"),
        "either-axis": partial(valid_loops, wrong="or"),
        "shares": partial(valid_loops, wrong="share"),
        "averaged": partial(valid_loops, wrong="mean"),
        "left-flat": partial(valid_loops, wrong="flat"),
        "turned": partial(valid_loops, wrong="turned"),
        "wrong-dtype": partial(valid_loops, wrong="float32"),
        "all-or-nothing nothing": valid_or_nothing,
        "halves-lost-whole": valid_halves,
        "axes-added middle once": valid_by(join=lambda rows, columns: rows + columns - 1),
        "nearest-border": valid_by(join=lambda rows, columns: np.minimum(rows, columns) ** 2),
        "one-axis-only columns": valid_columns,
        "one-axis-only one column": valid_by(join=lambda rows, columns: rows + 0 * columns),
        "one-axis-only one row": valid_by(join=lambda rows, columns: 0 * rows + columns),
        **several("rate-off-by-one", *altered(valid_by(), 2, lambda rate: (rate[0] - 1, rate[1] - 1))),
        **several("one-rate-for-both", *altered(valid_windows, 2, lambda rate: (rate[1], rate[1]))),
        **several("kernel-axes", *altered(valid_windows, 1, lambda k: (k[0], k[0]), lambda k: (k[1], k[1]))),
        **several("kernel-rate-swapped", *before(valid_by(), lambda size, kernel, rate: (size, rate, kernel))),
        **several("size-axes", *altered(valid_windows, 0, lambda s: (s[0], s[0]), lambda s: (s[1], s[1]))),
        "kernel-not-centred last": valid_by(first=lambda k: k - 1),
        **several(
            "border-off-by-one",
            valid_by(lambda at, n: 0 < at < n),
            valid_by(lambda at, n: 0 <= at < n - 1),
            valid_by(lambda at, n: 0 < at < n - 1),
        ),
        **several("shares", *after(valid_windows, lambda out: out / out.max())),
        **several("averaged", *after(valid_windows, lambda out: out.sum())),
    },
    "change_output_stride": {
        "aspp-rates-kept": partial(stride_changed, wrong="same pyramid"),
        "aspp-rates-inverted": partial(stride_changed, wrong="backwards"),
        "aspp-from-16": partial(stride_changed, wrong="from 16"),
        "aspp-always-doubled": partial(stride_changed, wrong="once"),
        "new-rate-too-early": partial(stride_changed, wrong="too early"),
        "layers-not-dilated": partial(stride_changed, wrong="rates kept"),
        "strides-not-restored": partial(stride_changed, wrong="no way back"),
        "rates-not-undone": partial(stride_changed, wrong="not undone"),
        "dilated-twice": partial(stride_changed, wrong="twice"),
        "all-scaled": stride_all_scaled,
        "own-rate-lost": partial(stride_changed, wrong="own lost"),
        "rates-added": partial(stride_changed, wrong="added"),
        "strides-not-multiplied": partial(stride_changed, wrong="last"),
        "always-two": partial(stride_changed, wrong="two"),
        "lost-not-noted": partial(stride_changed, wrong="old note"),
        "uneven-rate-rounded": partial(stride_changed, wrong="rounded"),
        "unreachable-not-refused": partial(stride_changed, wrong="any stride"),
        "not-refused-at-all": partial(stride_changed, wrong="never"),
        "strides-not-restored refused": partial(stride_changed, wrong="finer only"),
        "refuses-too-much": partial(stride_changed, wrong="even only"),
        "refused-by-an-error": partial(stride_changed, wrong="error"),
        "columns-exchanged": partial(stride_changed, wrong="order"),
        "results-exchanged": partial(stride_changed, wrong="pyramid first"),
        "input-changed": partial(stride_changed, wrong="in place"),
        "aspp-rates-inverted whole": pyramid_by(lambda rates, old, new: [rate * new // old for rate in rates]),
        "aspp-always-doubled always": pyramid_by(lambda rates, old, new: [rate + rate for rate in rates]),
        "aspp-always-doubled if finer": pyramid_by(
            lambda rates, old, new: [rate * (2 if new < old else 1) for rate in rates]
        ),
        "aspp-rates-added": pyramid_by(lambda rates, old, new: [rate + old // new for rate in rates]),
        "layers-not-dilated own": plan_by(lambda own, lost, full, old: own),
        "layers-unchanged": lambda layers, rates, t: (
            (layers, stride_changed(layers, rates, t)[1]) if stride_changed(layers, rates, t)[0] else ([], [])
        ),
        "dilated-twice everywhere": plan_by(lambda own, lost, full, old: lost * old, early=True),
        "own-rate-lost later": plan_by(lambda own, lost, full, old: lost),
        "own-rate-lost everywhere": plan_by(lambda own, lost, full, old: lost, early=True),
        "strides-not-multiplied largest": plan_by(grow=max),
        "strides-not-multiplied sum": plan_by(grow=lambda lost, full: lost + full - 1),
        "lost-not-noted at all": lambda *args: (
            [(stride, 1, rate) for stride, _, rate in stride_changed(*args)[0]],
            stride_changed(*args)[1],
        ),
        "lost-not-noted as 0": lambda *args: (
            [(stride, lost * (lost > 1), rate) for stride, lost, rate in stride_changed(*args)[0]],
            stride_changed(*args)[1],
        ),
        **several("one-stride-too-many", plan_by(stop=lambda t: 2 * t), plan_by(stop=lambda t: t + 1)),
        **several(
            "uneven-rate-rounded",
            pyramid_uneven(lambda rates, old, new: [round(rate * old / new) for rate in rates]),
            pyramid_uneven(lambda rates, old, new: [rate * old / new for rate in rates]),
            pyramid_uneven(lambda rates, old, new: [rate * old // new for rate in rates if not rate * old % new]),
        ),
        **several(
            "one-uneven-rate-enough",
            pyramid_uneven(rounded_down, lambda uneven: uneven and all(uneven)),
            pyramid_uneven(rounded_down, lambda uneven: any(uneven[:1])),
            pyramid_uneven(rounded_down, lambda uneven: any(uneven[-1:])),
        ),
        "unreachable-not-refused within": stride_within,
        **several(
            "refuses-too-much",
            stride_refusing_more(lambda layers, rates, t: t not in {8, 16, 32}),
            stride_refusing_more(lambda layers, rates, t: t == math.prod(s for s, _, _ in layers)),
            stride_refusing_more(lambda layers, rates, t: len(rates) == 0),
        ),
        "columns-exchanged last two": lambda *args: (
            [(stride, rate, lost) for stride, lost, rate in stride_changed(*args)[0]],
            stride_changed(*args)[1],
        ),
    },
}
