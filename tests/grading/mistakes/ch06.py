"""Chapter 06, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial, reduce
from itertools import pairwise, product

import numpy as np
import torch
from torch import nn

from segkit.analysis.gridding import contributions, max_distances
from tests.grading.mistakes.families import after, altered, first_only, several

# dilate_strides ----------------------------------------------------------------------------------------------------


def strides_tracked(layers, output_stride, *, wrong=""):
    """Old and new grid side by side: a kernel is dilated by how much finer the new one is."""
    old = new = 1
    result = []
    for kernel, stride, dilation in layers:
        room = new * stride <= output_stride
        if wrong == "one more":
            room = new < 2 * output_stride and new * stride <= 2 * output_stride
        if wrong == "all go":
            room = stride == 1
        finer = old // new
        if wrong == "own":
            finer = old * stride // (new * (stride if room else 1))
        if wrong == "no dilation":
            finer = 1
        step = dilation * finer
        if wrong == "replaced" and finer > 1:
            step = finer
        if wrong == "added":
            step = dilation + finer - 1
        if wrong == "gaps":
            step = dilation * finer - 1 if finer > 1 else dilation
        if wrong == "stretched":
            result.append((kernel + (kernel - 1) * (finer - 1), stride if room else 1, dilation))
        elif wrong == "kept":
            result.append((kernel, stride, step))
        elif wrong == "order":
            result.append((kernel, step, stride if room else 1))
        elif not (wrong == "changed only" and room and finer == 1):
            result.append((kernel, stride if room else 1, step))
        new *= stride if room else 1
        old *= {"two": 2 if stride > 1 and not room else stride}.get(wrong, stride)
    return result[::-1] if wrong == "reversed" else result


def strides_of_large_kernels(layers, output_stride):
    """1×1 layers are passed over: "they see one pixel anyway"."""
    result, reached, lost = [], 1, 1
    for kernel, stride, dilation in layers:
        if reached < output_stride:
            reached *= stride
            result.append((kernel, stride, dilation))
        elif kernel == 1:
            result.append((1, 1, 1))
        else:
            result.append((kernel, 1, dilation * lost))
            lost *= stride
    return result


def strides_numpy(layers, output_stride):
    """Cumulative products, as an array."""
    table = np.array(layers, dtype=np.int64).reshape(-1, 3)
    before = np.concatenate([[1], np.cumprod(table[:, 1])[:-1]]) if len(table) else np.ones(0, dtype=np.int64)
    kept = before * table[:, 1] <= output_stride
    return np.stack(
        [table[:, 0], np.where(kept, table[:, 1], 1), table[:, 2] * np.maximum(before // output_stride, 1)], 1
    )


def strides_recursive(layers, output_stride, factor=1):
    """First layer, then the rest; kernels of 1 are left undilated, which computes the same."""
    if not layers:
        return []
    (kernel, stride, dilation), *rest = layers
    if output_stride % stride == 0 and factor == 1:
        return [[kernel, stride, dilation], *strides_recursive(rest, output_stride // stride)]
    return [[kernel, 1, 1 if kernel == 1 else dilation * factor], *strides_recursive(rest, 1, factor * stride)]


def strides_torch(layers, output_stride):
    return torch.tensor(strides_tracked(layers, output_stride)).reshape(-1, 3)


def strides_in_place(layers, output_stride, *, wrong=""):
    """Layer after layer, the change handed on to those behind it."""
    work = [list(layer) for layer in layers]
    stride = 1
    for place, layer in enumerate(work):
        if stride < output_stride:
            stride *= layer[1]
            continue
        lost, layer[1] = layer[1], 1
        behind = work[place + 1 :]
        if wrong == "next":
            behind = behind[:1]
        if wrong == "itself":
            behind = [layer]
        for other in behind:
            if wrong == "sum" and lost > 1 and other[2] > 1:
                other[2] += lost
            elif wrong == "last" and lost > 1:
                other[2] = lost
            else:
                other[2] *= lost
    if wrong == "caller's list":
        layers[:] = [tuple(layer) for layer in work]
    return [tuple(layer) for layer in work]


def strides_from_the_end(layers, output_stride):
    total = math.prod(s for _, s, _ in layers)
    out, done = [], 1
    for kernel, stride, dilation in layers:
        if done * output_stride < total:
            out.append((kernel, 1, dilation * done))
            done *= stride
        else:
            out.append((kernel, stride, dilation * done))
    return out


def strides_all_behind(layers, output_stride):
    total, seen, out = math.prod(s for _, s, _ in layers), 1, []
    for kernel, stride, dilation in layers:
        fits = seen * stride <= output_stride and seen < max(output_stride, 1)
        out.append((kernel, stride, dilation) if fits else (kernel, 1, dilation * (total // output_stride)))
        seen *= stride
    return out


def strides_by(layer=lambda k, s, d, lost: (k, 1, d * lost), grow=lambda lost, k, s, d: lost * s, kept=None):
    """A queue of layers: those in front as they are, and each later one by a rule for it and one for what is lost."""

    def answer(layers, output_stride):
        queue, done, reached, lost = list(layers), [], 1, 1
        while queue:
            k, s, d = queue.pop(0)
            if kept(reached, s, output_stride) if kept else reached < output_stride:
                reached *= s
                done.append((k, s, d))
            else:
                done.append(layer(k, s, d, lost))
                lost = grow(lost, k, s, d)
        return done

    return answer


def strides_fitting(layers, output_stride):
    """A stride stays where the product remains below output_stride."""
    out, was, now = [], 1, 1
    for kernel, stride, dilation in layers:
        fits = now * stride < output_stride
        out.append((kernel, stride if fits else 1, dilation * was // now))
        was, now = was * stride, now * stride if fits else now
    return out


def strides_all(layers, output_stride):
    """Every layer is dilated by the whole factor, also those in front."""
    factor = math.prod(s for _, s, _ in layers) // output_stride
    return [
        (k, s, d * factor) for (k, _, d), (_, s, _) in zip(layers, strides_by()(layers, output_stride), strict=True)
    ]


# gridding_counts ---------------------------------------------------------------------------------------------------


def paths_counted(rates, kernel, *, wrong=""):
    """Every choice of a weight in each layer, one by one in a Counter."""
    kernel = 3 if wrong == "three" else kernel + 1 if wrong == "larger" else kernel
    steps = [range(0, (kernel - 1) * r + 1, 1 if wrong == "solid" else r) for r in rates]
    if wrong == "no rates":
        steps = [range(kernel) for _ in rates]
    if wrong == "holes of r":
        steps = [range(0, kernel * (r + 1), r + 1) for r in rates]
    if wrong == "swapped":
        steps = [range(0, r * kernel, kernel) for r in rates]
    if wrong == "all but the last":
        steps = steps[:-1]
    found = Counter(sum(path) for path in product(*steps))
    return [found[at] for at in range(max(found) + 1)]


def paths_spread(rates, kernel, *, wrong=""):
    """From the output down: every count is handed on to its `kernel` pixels."""
    counts, jump = {0: 1}, 1
    for rate in reversed(rates):
        below: dict[int, int] = {}
        jump = jump * rate if wrong == "product" else rate
        for at, count in counts.items():
            for tap in range(kernel):
                below[at + tap * jump] = below.get(at + tap * jump, 0) + count
        counts = {0: 1} if wrong == "anew" else counts
        counts = {at: 1 for at in below} if wrong == "touched" else below
    if wrong == "only used":
        return [counts[at] for at in sorted(counts)]
    out = [counts.get(at, 0) for at in range(max(counts) + 1)]
    if wrong == "half":
        return out[len(out) // 2 :]
    if wrong == "share":
        return [c / sum(out) for c in out]
    if wrong == "short":
        return out[:-1]
    return out


def paths_matrix(rates, kernel):
    """Layers as banded matrices, multiplied."""
    length = 1 + (kernel - 1) * sum(rates)
    row = torch.ones(1, 1, dtype=torch.int64)
    for rate in rates:
        wide = row.shape[1] + (kernel - 1) * rate
        band = torch.zeros(row.shape[1], wide, dtype=torch.int64)
        for at in range(row.shape[1]):
            for tap in range(kernel):
                band[at, at + tap * rate] += 1
        row = row @ band
    assert row.shape == (1, length)
    return row[0]


def paths_polynomial(rates, kernel):
    """(1 + z^r + … + z^(k−1)r), multiplied out by numpy in floating point, rounded at the end."""
    product_ = reduce(np.polymul, [[1.0, *([0.0] * (r - 1) + [1.0]) * (kernel - 1)] for r in rates], np.ones(1))
    return [round(float(c)) for c in np.atleast_1d(product_)]


def paths_gradient(rates, kernel):
    """The gradient of one output of torch's own convolutions."""
    x = torch.zeros(1, 1, 1 + (kernel - 1) * sum(rates), dtype=torch.float64, requires_grad=True)
    y = x
    for rate in rates:
        y = nn.functional.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.float64), dilation=rate)
    y.sum().backward()
    return x.grad[0, 0].round().long()


def paths_upon_each_other(rates, kernel, *, from_left=False):
    out = [0] * (1 + (kernel - 1) * sum(rates))
    for rate in rates:
        start = 0 if from_left else (len(out) - 1 - (kernel - 1) * rate) // 2
        for tap in range(kernel):
            out[start + tap * rate] += 1
    return out


def paths_in_full_length(rates, kernel):
    out = [0] * (1 + (kernel - 1) * sum(rates))
    for at, count in enumerate(paths_spread([1] * len(rates), kernel)):
        out[at] += count
    return out


def paths_same(rates, kernel):
    """numpy's convolution that keeps the longer of two lengths."""
    field = np.ones(1, dtype=int)
    for rate in rates:
        field = np.convolve(field, np.arange((kernel - 1) * rate + 1) % rate == 0, "same")
    return field


def paths_of_outputs(rates, kernel):
    """How many places of the last layer use a pixel."""
    places = 1 + (kernel - 1) * sum(rates[:-1])
    out = [0] * (places + (kernel - 1) * rates[-1])
    for place in range(places):
        for tap in range(kernel):
            out[place + tap * rates[-1]] += 1
    return out


# hdc_check ---------------------------------------------------------------------------------------------------------


def rule_recursive(rates, kernel, *, wrong=""):
    """M_i as the paper writes it, from the definition."""
    rates = sorted(rates) if wrong == "sorted" else rates
    kernel = 3 if wrong == "three" else kernel

    def m(i):
        if i == len(rates):
            return rates[-1]
        after, r = m(i + 1), rates[i - 1]
        if wrong == "no r":
            return max(after - 2 * r, after - 2 * (after - r))
        if wrong == "no two":
            return max(after - r, after - 2 * (after - r), r)
        if wrong == "sign":
            return max(after - 2 * r, after - 2 * (r - after), r)
        if wrong == "min":
            return min(after - 2 * r, after - 2 * (after - r), r)
        if wrong == "neighbours":
            after = rates[i]
        return max(after - 2 * r, after - 2 * (after - r), r)

    first = {"M_1": 1, "M_3": min(3, len(rates))}.get(wrong, 2)
    gap = m(first)
    shared = reduce(math.gcd, rates) > 1
    if wrong == "pairs":
        shared = any(math.gcd(rates[i], rates[j]) > 1 for i in range(len(rates)) for j in range(i))
    if wrong == "equal":
        shared = len(set(rates)) == 1 and rates[0] > 1
    good = gap <= kernel and not shared
    if wrong == "no gcd":
        good = gap <= kernel
    if wrong == "gcd only":
        good = not shared
    if wrong == "less":
        good = gap < kernel and not shared
    if wrong == "or":
        good = gap <= kernel or not shared
    if wrong == "not":
        good = not good
    return (good, gap) if wrong == "order" else (gap, good)


def rule_loop(rates, kernel):
    """The second and third term as an absolute value: |M − 2r| is the larger of M − 2r and 2r − M."""
    gap = rates[-1]
    for place in range(len(rates) - 2, 0, -1):
        gap = max(abs(gap - 2 * rates[place]), rates[place])
    return gap, not (gap > kernel or any(all(r % d == 0 for r in rates) for d in range(2, max(rates) + 1)))


def rule_numpy(rates, kernel):
    r = np.array(rates)
    m = r.copy()
    for i in range(len(r) - 2, -1, -1):
        m[i] = np.max([m[i + 1] - 2 * r[i], 2 * r[i] - m[i + 1], r[i]])
    return m[1], bool((m[1] <= kernel) & (np.gcd.reduce(r) == 1))


def rule_tensor(rates, kernel):
    gap, good = rule_loop(rates, kernel)
    return torch.tensor(gap), torch.tensor(good)


def rule_package(rates, kernel):
    gap = max_distances(rates)[0]
    return gap, gap <= kernel and math.gcd(*rates) == 1


def rule_forward(rates, kernel):
    gap = rates[0]
    for r in rates[1:]:
        gap = max(gap - 2 * r, 2 * r - gap, r)
    return gap, gap <= kernel and math.gcd(*rates) == 1


def rule_holes(rates, kernel):
    gap = rule_loop(rates, kernel)[0]
    return gap, 0 not in paths_counted(rates[:5], kernel) if len(rates) < 6 else True


def rule_field(rates, kernel):
    field = 1 + sum((kernel - 1) * r for r in rates)
    return field, field <= kernel and math.gcd(*rates) == 1


def rule_judged(gap):
    """Another number than M_2: gap(rates, kernel)."""
    return lambda rates, kernel: (gap(rates, kernel), gap(rates, kernel) <= kernel and math.gcd(*rates) == 1)


def rule_down_to(step):
    """The recursion with another step: step(M of the next layer, rate)."""
    return rule_judged(lambda rates, kernel: reduce(step, rates[-2:0:-1], rates[-1]))


def rule_says(shared):
    """Another idea of rates that make a grid."""
    return lambda rates, kernel: _without(rates, kernel, shared(rates))


def longest_hole(rates, kernel):
    longest = run = 0
    for count in paths_spread(rates, kernel):
        run = 0 if count else run + 1
        longest = max(longest, run)
    return longest + 1


# dense_upsample ----------------------------------------------------------------------------------------------------


def duc_loops(x, weight, bias, factor, size, *, wrong=""):
    """Score by score to its place."""
    n, _, h, w = x.shape
    d = 2 if wrong == "two" else factor
    classes = weight.shape[0] // d**2
    height, width = {"whole": (d * h, d * w), "swap": size[::-1]}.get(wrong, size)
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    out = torch.zeros(n, classes, height, width, dtype=torch.float32 if wrong == "float32" else x.dtype)
    for i in range(h):
        for j in range(w):
            patch = padded[:, :, i : i + 3, j : j + 3]
            patch = patch.flip(-1, -2) if wrong == "flip" else patch.mT if wrong == "mT" else patch
            if wrong == "middle":
                scores = torch.einsum("nc,oc->no", patch[:, :, 1, 1], weight[:, :, 1, 1])
            elif wrong == "one channel":
                scores = torch.einsum("nuv,ouv->no", patch[:, 0], weight[:, 0])
            else:
                scores = torch.einsum("ncuv,ocuv->no", patch, weight)
            if bias is not None and wrong != "no bias":
                scores = scores + (bias[:: d * d].repeat_interleave(d * d) if wrong == "class bias" else bias)
            for k in range(classes):
                for a in range(d):
                    for b in range(d):
                        at = k * d * d + a * d + b
                        if wrong == "classes fastest":
                            at = (a * d + b) * classes + k
                        if wrong == "b before a":
                            at = k * d * d + b * d + a
                        y, z = i * d + a, j * d + b
                        if wrong == "tiles":
                            y, z = a * h + i, b * w + j
                        if wrong == "half tiles":
                            y, z = a * h + i, j * d + b
                        if wrong == "other half":
                            y, z = i * d + a, b * w + j
                        if wrong == "end":
                            y, z = y + height - d * h, z + width - d * w
                        if 0 <= y < height and 0 <= z < width:
                            out[:, k, y, z] = scores[:, at].to(out.dtype)
    if wrong == "relu":
        out = out.clamp(min=0)
    if wrong == "transposed":
        return out.mT
    if wrong == "in place":
        x += 1
    return out[:1] if wrong == "one picture" else out[:, :1] if wrong == "one class" else out


def duc_torch(x, weight, bias, factor, size):
    up = nn.PixelShuffle(factor)(nn.functional.conv2d(x, weight, bias, padding="same"))
    return up[:, :, : size[0], : size[1]]


def duc_numpy(x, weight, bias, factor, size):
    """Strided writes of the d² maps."""
    n, _, h, w = x.shape
    wide = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    views = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3))
    maps = np.einsum("nchwuv,ocuv->nohw", views, weight.numpy())
    maps = maps + (0 if bias is None else bias.numpy()[:, None, None])
    out = np.empty((n, len(weight) // factor**2, factor * h, factor * w), maps.dtype)
    for a in range(factor):
        for b in range(factor):
            out[:, :, a::factor, b::factor] = maps[:, a * factor + b :: factor**2]
    return out[..., : size[0], : size[1]]


def duc_transposed(x, weight, bias, factor, size):
    """The block as a transposed convolution with a kernel of ones in one place each."""
    scores = nn.functional.conv2d(x, weight, bias, padding=1)
    square = factor * factor
    classes = len(weight) // square
    stamp = torch.zeros(len(weight), classes, factor, factor, dtype=x.dtype)
    for o in range(len(weight)):
        stamp[o, o // square, o % square // factor, o % factor] = 1
    return nn.functional.conv_transpose2d(scores, stamp, stride=factor)[..., : size[0], : size[1]]


def duc_reshaped(x, weight, bias, factor, size):
    scores = nn.functional.conv2d(x, weight, bias, padding=1)
    n, _, h, w = scores.shape
    return scores.view(n, -1, h * factor, w * factor)[..., : size[0], : size[1]]


def duc_valid(x, weight, bias, factor, size):
    wide = nn.functional.pad(x, (2, 2, 2, 2))[:, :, 2:-2, 2:-2]
    if min(wide.shape[2:]) < 3:
        raise RuntimeError("Kernel size can't be greater than actual input size")
    return nn.functional.pixel_shuffle(nn.functional.conv2d(wide, weight, bias), factor)[..., : size[0], : size[1]]


def duc_replicated(x, weight, bias, factor, size):
    wide = torch.cat([x[:, :, :1], x, x[:, :, -1:]], 2)
    wide = torch.cat([wide[..., :1], wide, wide[..., -1:]], 3)
    return nn.functional.pixel_shuffle(nn.functional.conv2d(wide, weight, bias), factor)[..., : size[0], : size[1]]


def duc_bilinear(x, weight, bias, factor, size):
    classes = len(weight) // factor**2
    coarse = nn.functional.conv2d(x, weight[:classes], None if bias is None else bias[:classes], padding=1)
    up = nn.Upsample(scale_factor=factor, mode="bilinear")(coarse)
    return up[:, :, : size[0], : size[1]]


def duc_squeezed(x, weight, bias, factor, size):
    up = nn.functional.pixel_shuffle(nn.functional.conv2d(x, weight, bias, padding=1), factor)
    return up if up.shape[2:] == tuple(size) else nn.functional.interpolate(up, size, mode="bilinear")


def duc_first_scores(mode, late=True, **how):
    """One score for each class, enlarged; or enlarged features."""

    def answer(x, weight, bias, factor, size):
        classes = len(weight) // factor**2
        larger = nn.Upsample(scale_factor=factor, mode=mode, **how)
        x = x if late else larger(x)
        coarse = nn.functional.conv2d(x, weight[:classes], None if bias is None else bias[:classes], padding=1)
        return (larger(coarse) if late else coarse)[:, :, : size[0], : size[1]]

    return answer


def duc_fitted(fit):
    """The whole map, brought to its size in another way."""
    return lambda x, w, b, d, size: fit(nn.functional.pixel_shuffle(nn.functional.conv2d(x, w, b, padding=1), d), size)


def duc_of_two(x, weight, bias, factor, size):
    """Blocks of 2×2 on a canvas of zeros."""
    used = len(weight) // 4 * 4
    scores = nn.functional.conv2d(x, weight[:used], None if bias is None else bias[:used], padding=1)
    up = nn.functional.pixel_shuffle(scores, 2)[..., : size[0], : size[1]]
    out = x.new_zeros(len(x), used // 4, *size)
    out[..., : up.shape[2], : up.shape[3]] = up
    return out


def duc_filled_in(x, weight, bias, factor, size):
    out = x.new_zeros(len(x), len(weight) // factor**2, *size)
    out[:] = nn.functional.pixel_shuffle(nn.functional.conv2d(x, weight, bias, padding=1), factor)
    return out


def duc_wrapped(x, weight, bias, factor, size):
    wide = torch.cat([x[:, :, -1:], x, x[:, :, :1]], 2)
    wide = torch.cat([wide[..., -1:], wide, wide[..., :1]], 3)
    return nn.functional.pixel_shuffle(nn.functional.conv2d(wide, weight, bias), factor)[..., : size[0], : size[1]]


def duc_zeros_around(x, weight, bias, factor, size):
    scores = nn.functional.pad(nn.functional.conv2d(x, weight, bias), (1, 1, 1, 1))
    return nn.functional.pixel_shuffle(scores, factor)[..., : size[0], : size[1]]


def duc_first_biases(x, weight, bias, factor, size):
    out = duc_torch(x, weight, None, factor, size)
    return out if bias is None else out + bias[: out.shape[1], None, None]


def duc_cut_first(x, weight, bias, factor, size):
    h, w = (math.ceil(n / factor) for n in size)
    return duc_torch(x[:, :, :h, :w], weight, bias, factor, size)


def duc_middle(up, size):
    top, left = (up.shape[2] - size[0]) // 2, (up.shape[3] - size[1]) // 2
    return up[:, :, top : top + size[0], left : left + size[1]]


RIGHT = {
    "dilate_strides": {
        "two grids": strides_tracked,
        "numpy": strides_numpy,
        "recursive": strides_recursive,
        "tensor": strides_torch,
        "layer by layer": strides_in_place,
    },
    "gridding_counts": {
        "counter": paths_counted,
        "spread": paths_spread,
        "matrices": paths_matrix,
        "polynomials": paths_polynomial,
        "gradient": paths_gradient,
        "the package": lambda rates, kernel: contributions(rates, kernel).line if rates else [1],
    },
    "hdc_check": {
        "recursive": rule_recursive,
        "loop": rule_loop,
        "numpy": rule_numpy,
        "tensors": rule_tensor,
        "the package": rule_package,
    },
    "dense_upsample": {
        "loops": duc_loops,
        "torch": duc_torch,
        "numpy": duc_numpy,
        "transposed convolution": duc_transposed,
    },
}

WRONG = {
    "dilate_strides": {
        "dilation-missing": partial(strides_tracked, wrong="no dilation"),
        "strides-kept": partial(strides_tracked, wrong="kept"),
        "own-stride-too-early": partial(strides_tracked, wrong="own"),
        "own-layer-only": partial(strides_in_place, wrong="itself"),
        "next-layer-only": partial(strides_in_place, wrong="next"),
        "strides-not-multiplied": partial(strides_in_place, wrong="last"),
        "always-two": partial(strides_tracked, wrong="two"),
        "kernel-of-one-skipped": strides_of_large_kernels,
        "own-dilation-lost": partial(strides_tracked, wrong="replaced"),
        "dilation-added": partial(strides_tracked, wrong="added"),
        "too-early": partial(strides_tracked, wrong="all go"),
        "too-late": partial(strides_tracked, wrong="one more"),
        "first-strides-lost": strides_from_the_end,
        "all-dilated": strides_all_behind,
        "kernel-stretched": partial(strides_tracked, wrong="stretched"),
        "gaps-counted": partial(strides_tracked, wrong="gaps"),
        "stride-dilation-swapped": partial(strides_tracked, wrong="order"),
        "layers-lost": partial(strides_tracked, wrong="changed only"),
        "order-reversed": partial(strides_tracked, wrong="reversed"),
        "input-changed": partial(strides_in_place, wrong="caller's list"),
        "strides-kept untouched": lambda layers, output_stride: layers,
        **several(
            "own-layer-only",
            strides_by(lambda k, s, d, lost: (k, 1, d * lost * s if s > 1 else d)),
            strides_by(lambda k, s, d, lost: (k, 1, d * lost if s > 1 else d)),
        ),
        "some-not-dilated strided": strides_by(lambda k, s, d, lost: (k, 1, d if s > 1 else d * lost)),
        "some-not-dilated pools": strides_by(lambda k, s, d, lost: (k, 1, d if k <= 2 else d * lost)),
        "some-not-dilated again": strides_by(lambda k, s, d, lost: (k, 1, d if d > 1 else lost)),
        **several(
            "strides-not-multiplied",
            strides_by(grow=lambda lost, k, s, d: s if s > 1 else lost),
            strides_by(grow=lambda lost, k, s, d: max(lost, s)),
            strides_by(grow=lambda lost, k, s, d: lost if s == 1 else s if lost == 1 else lost + s),
            strides_by(grow=lambda lost, k, s, d: lost + s - 1),
        ),
        "factor-squared": strides_by(grow=lambda lost, k, s, d: 2 * lost),
        "factor-squared by dilations": strides_by(grow=lambda lost, k, s, d: lost * s * d),
        "own-dilation-lost everywhere": strides_by(lambda k, s, d, lost: (k, 1, lost)),
        "own-dilation-lost if smaller": strides_by(lambda k, s, d, lost: (k, 1, max(lost, d))),
        "dilation-added where lost": strides_by(lambda k, s, d, lost: (k, 1, d + lost if lost > 1 else d)),
        "too-early by one": lambda layers, t: strides_by()(layers, max(t // 2, 1)),
        "too-early below": strides_fitting,
        "too-late at the stride": strides_by(kept=lambda reached, s, t: reached <= t),
        "too-late by one": lambda layers, t: strides_by()(layers, 2 * t),
        "all-dilated from the first": strides_all,
        "dilation-divided": strides_by(grow=lambda lost, k, s, d: lost / s),
        "dilation-divided not at all": lambda layers, t: strides_by(lambda k, s, d, lost: (k, 1, t))(layers, t),
        "kernel-stretched times": strides_by(lambda k, s, d, lost: (k * lost, 1, d)),
        "gaps-counted everywhere": strides_by(lambda k, s, d, lost: (k, 1, d * lost - 1)),
        "stride-dilation-swapped read": lambda layers, t: strides_by()([(k, d, s) for k, s, d in layers], t),
        **several("layers-lost", *after(strides_tracked, lambda new: new[:-1], lambda new: new[1:])),
        "layers-lost changed": lambda layers, t: [
            new for new, old in zip(strides_by()(layers, t), layers, strict=True) if new == old
        ],
        "order-reversed read": lambda layers, t: strides_by()(layers[::-1], t),
        "order-reversed both": lambda layers, t: strides_by()(layers[::-1], t)[::-1],
    },
    "gridding_counts": {
        "first-layer-only": lambda rates, kernel: paths_counted(rates[:1], kernel) if rates else None,
        "wrong-dtype uint8": lambda rates, kernel: torch.tensor(paths_counted(rates, kernel), dtype=torch.uint8),
        "capped-at-one": partial(paths_spread, wrong="touched"),
        "rates-ignored": lambda rates, kernel: paths_spread([1 for _ in rates], kernel),
        "filled-up": lambda rates, kernel: _solid(rates, kernel),
        "rate-off-by-one": lambda rates, kernel: paths_spread([r + 1 for r in rates], kernel),
        "side-by-side": paths_upon_each_other,
        "last-layer-only": lambda rates, kernel: paths_counted(rates[-1:], kernel),
        "one-layer-forgotten": lambda rates, kernel: paths_spread(rates[:-1], kernel),
        "rates-multiplied": lambda rates, kernel: paths_spread(np.cumprod(rates).astype(int).tolist(), kernel),
        "kernel-fixed": lambda rates, kernel: paths_spread(rates, 3),
        "kernel-off-by-one": lambda rates, kernel: paths_spread(rates, kernel + 1),
        "length-off": partial(paths_spread, wrong="short"),
        "shares": partial(paths_spread, wrong="share"),
        "one-side": partial(paths_spread, wrong="half"),
        "holes-left-out": partial(paths_spread, wrong="only used"),
        "rates-ignored in the full length": paths_in_full_length,
        "rate-off-by-one less": lambda rates, kernel: paths_spread([r - (r > 1) for r in rates], kernel),
        "first-layer-only cut": lambda rates, kernel: paths_spread(rates[:1], kernel),
        "side-by-side from the left": partial(paths_upon_each_other, from_left=True),
        "one-layer-forgotten first": lambda rates, kernel: paths_spread(rates[1:], kernel),
        "rates-multiplied from below": partial(paths_spread, wrong="product"),
        "kernel-off-by-one less": lambda rates, kernel: paths_spread(rates, kernel - 1),
        "kernel-rate-swapped": partial(paths_counted, wrong="swapped"),
        "length-off numpy": paths_same,
        **several("length-off", *after(paths_spread, lambda out: out[1:], lambda out: [*out, 0])),
        "shares of the largest": lambda rates, kernel: [c / max(o) for o in [paths_spread(rates, kernel)] for c in o],
        **several("one-side", *after(paths_spread, lambda out: out[: len(out) // 2 + 1])),
        "outputs-counted": paths_of_outputs,
    },
    "hdc_check": {
        "common-factor-ignored": partial(rule_recursive, wrong="no gcd"),
        "some-divisors-only smallest": lambda rates, kernel: _without(
            rates, kernel, min(rates) > 1 and all(r % min(rates) == 0 for r in rates)
        ),
        "some-divisors-only 2 and 3": lambda rates, kernel: _without(
            rates, kernel, any(all(r % f == 0 for r in rates) for f in (2, 3))
        ),
        "some-share-a-factor": partial(rule_recursive, wrong="pairs"),
        "only-equal-rates": partial(rule_recursive, wrong="equal"),
        "strictly-smaller": partial(rule_recursive, wrong="less"),
        "kernel-fixed": partial(rule_recursive, wrong="three"),
        "distance-ignored": partial(rule_recursive, wrong="gcd only"),
        "either-condition": partial(rule_recursive, wrong="or"),
        "verdict-inverted": partial(rule_recursive, wrong="not"),
        "verdict-by-holes": rule_holes,
        "one-step-too-far": partial(rule_recursive, wrong="M_1"),
        "one-step-too-few": partial(rule_recursive, wrong="M_3"),
        "wrong-direction": rule_forward,
        "sorted": partial(rule_recursive, wrong="sorted"),
        "term-missing": partial(rule_recursive, wrong="no r"),
        "two-forgotten": partial(rule_recursive, wrong="no two"),
        "bracket-forgotten": partial(rule_recursive, wrong="sign"),
        "minimum": partial(rule_recursive, wrong="min"),
        "own-rate-as-m": partial(rule_recursive, wrong="neighbours"),
        "another-distance": rule_field,
        "results-exchanged": partial(rule_recursive, wrong="order"),
        "some-share-a-factor first two": rule_says(lambda rates: math.gcd(*rates[:2]) > 1),
        "some-share-a-factor neighbours": rule_says(lambda rates: any(math.gcd(*two) > 1 for two in pairwise(rates))),
        "only-equal-rates even": rule_says(lambda rates: all(r % 2 == 0 for r in rates)),
        "some-divisors-only first": rule_says(lambda rates: rates[0] > 1 and not any(r % rates[0] for r in rates)),
        "verdict-by-holes and factor": lambda rates, kernel: (
            rule_loop(rates, kernel)[0],
            0 not in paths_spread(rates, kernel) and math.gcd(*rates) == 1,
        ),
        "one-step-too-few none": rule_judged(lambda rates, kernel: rates[-1]),
        "one-step-too-few one": rule_judged(lambda rates, kernel: max(abs(rates[-1] - 2 * rates[-2]), rates[-2])),
        "wrong-direction reversed": rule_judged(lambda rates, kernel: rule_loop(rates[::-1], kernel)[0]),
        "wrong-direction from 2": rule_judged(lambda rates, kernel: rule_forward(rates[1:], kernel)[0]),
        "sorted downwards": rule_judged(lambda rates, kernel: rule_loop(sorted(rates)[::-1], kernel)[0]),
        "term-missing second": rule_down_to(lambda m, r: max(m - 2 * r, r)),
        "term-missing first": rule_down_to(lambda m, r: max(2 * r - m, r)),
        "two-forgotten twice": rule_down_to(lambda m, r: max(m - r, r)),
        "another-distance hole": rule_judged(longest_hole),
    },
    "dense_upsample": {
        "channel-order": partial(duc_loops, wrong="classes fastest"),
        "offsets-exchanged": partial(duc_loops, wrong="b before a"),
        "only-reshaped": duc_reshaped,
        "blocks-side-by-side": partial(duc_loops, wrong="tiles"),
        "half-interlaced": partial(duc_loops, wrong="half tiles"),
        "interpolated": duc_bilinear,
        "not-rearranged": lambda x, weight, bias, factor, size: nn.functional.conv2d(x, weight, bias, padding=1),
        "not-cropped": partial(duc_loops, wrong="whole"),
        "cut-from-end": partial(duc_loops, wrong="end"),
        "squeezed-not-cut": duc_squeezed,
        "size-swapped": partial(duc_loops, wrong="swap"),
        "factor-fixed": partial(duc_loops, wrong="two"),
        "padding-missing": duc_valid,
        "padding-not-zero": duc_replicated,
        "kernel-flipped": partial(duc_loops, wrong="flip"),
        "kernel-transposed": partial(duc_loops, wrong="mT"),
        "middle-weight-only": partial(duc_loops, wrong="middle"),
        "bias-ignored": partial(duc_loops, wrong="no bias"),
        "bias-needed": lambda *a: (a[2].shape, duc_loops(*a))[1],
        "one-bias-per-class": partial(duc_loops, wrong="class bias"),
        "channels-not-summed": partial(duc_loops, wrong="one channel"),
        "activation-added": partial(duc_loops, wrong="relu"),
        "rows-columns-exchanged": partial(duc_loops, wrong="transposed"),
        "first-picture-only": partial(duc_loops, wrong="one picture"),
        "first-class-only": partial(duc_loops, wrong="one class"),
        "precision-lost": partial(duc_loops, wrong="float32"),
        "input-changed": partial(duc_loops, wrong="in place"),
        "half-interlaced the other": partial(duc_loops, wrong="other half"),
        **several(
            "interpolated",
            duc_first_scores("bilinear", align_corners=True),
            duc_first_scores("nearest"),
            duc_first_scores("bilinear", late=False),
            duc_first_scores("bilinear", late=False, align_corners=True),
            duc_first_scores("nearest", late=False),
        ),
        "cut-from-end middle": duc_fitted(duc_middle),
        "cut-first": duc_cut_first,
        "squeezed-not-cut corners": duc_fitted(nn.functional.upsample_bilinear),
        "squeezed-not-cut nearest": duc_fitted(nn.functional.upsample_nearest),
        **several("size-swapped", *altered(duc_torch, 4, lambda size: (size[1], size[0]))),
        **several("factor-fixed", *altered(duc_torch, 3, lambda factor: 2), duc_of_two),
        "padding-not-zero wrapped": duc_wrapped,
        "padding-not-zero outside": duc_zeros_around,
        "one-bias-per-class first": duc_first_biases,
        "channels-not-summed mean": lambda x, w, b, d, size: duc_torch(x / x.shape[1], w, b, d, size),
        **several(
            "activation-added",
            *after(duc_torch, torch.sigmoid, lambda out: out.softmax(1), lambda out: out.log_softmax(1)),
        ),
        **several("first-picture-only", *first_only(duc_torch)[1:]),
        **several("first-class-only", *first_only(duc_torch, 1)[1:]),
        "not-cropped stops": duc_filled_in,
    },
}


def _solid(rates, kernel):
    field = [1]
    for rate in rates:
        wide = (kernel - 1) * rate + 1
        field = [sum(field[max(0, at - wide + 1) : at + 1]) for at in range(len(field) + wide - 1)]
    return field


def _without(rates, kernel, shared):
    gap, _ = rule_recursive(rates, kernel)
    return gap, gap <= kernel and not shared
