"""Chapter 12, its networks, right and wrong: torch's functions, numpy and loops."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import altered, first_only, laid_out, several

F = nn.functional

# enet_down ---------------------------------------------------------------------------------------------------------


def down_torch(x, project, across, down, expand, biases, slopes, *, wrong=""):
    """torch's convolutions, pooling and PReLU."""
    _, C, H, W = x.shape
    O = len(expand)

    def act(y, slope):
        if wrong == "leaky":
            return F.leaky_relu(y, 0.25)
        if wrong == "leaky 0.01":
            return F.leaky_relu(y)
        if wrong == "maximum":
            return torch.maximum(y, slope.reshape(1, -1, 1, 1) * y)
        if wrong == "wrong side":
            return torch.where(y < 0, y, y * slope.reshape(1, -1, 1, 1))
        if wrong == "everywhere":
            return y * slope.reshape(1, -1, 1, 1)
        if wrong == "relu":
            return F.relu(y)
        return F.prelu(y, slope[:1] if wrong == "one slope" else slope)

    even = x
    if wrong not in ("floor", "floor conv"):
        mode = "replicate" if wrong == "repeat odd" else "constant"
        even = F.pad(x, (W % 2, 0, H % 2, 0) if wrong == "front" else (0, W % 2, 0, H % 2), mode=mode)
    y = F.conv2d(even, project, None, 2)
    if wrong == "early":
        y = act(y, slopes[0]) + biases[0].reshape(-1, 1, 1)
    else:
        y = y + biases[0].reshape(-1, 1, 1)
        y = (
            {"relu inside": F.relu(y), "no first": y}[wrong]
            if wrong in ("relu inside", "no first")
            else act(y, slopes[1 if wrong == "exchanged slopes" else 0])
        )
    y = down_middle(y, across, down, biases[1], slopes[1], wrong)
    if wrong == "relu inside":
        y = F.relu(y)
    elif wrong != "no second":
        y = act(y, slopes[0 if wrong == "exchanged slopes" else 1])
    y = F.conv2d(y, expand[:, :, None, None], biases[2])
    main = F.max_pool2d(even if wrong == "zeros win" else x, 2, ceil_mode=wrong != "floor")
    if wrong == "mean":
        main = F.avg_pool2d(x, 2, ceil_mode=True)
    if wrong == "not pooled":
        main = x[:, :, ::2, ::2]
    if wrong == "copies":
        main = torch.cat([main] * -(-O // C), 1)[:, :O]
    elif wrong != "not filled":
        zeros = torch.zeros_like(main[:, :1]).repeat(1, O - C, 1, 1)
        main = torch.cat([zeros, main] if wrong == "zeros first" else [main, zeros], 1)
    if wrong == "alone":
        main = 0
    if wrong == "before":
        return main + act(y, slopes[2])
    if wrong == "no last":
        return main + y
    if wrong == "last relu":
        return F.relu(main + y)
    return act(main + (act(y, slopes[2]) if wrong == "twice" else y), slopes[2])


def down_middle(y, across, down, bias, slope, wrong):
    """The two narrow kernels, with their bias."""
    k = across.shape[2]
    r = 2 if wrong == "two" else k // 2
    if wrong == "flipped":
        across, down = across.flip(-1), down.flip(-1)
    if wrong == "transposed":
        across, down = across.transpose(0, 1), down.transpose(0, 1)
    wide, high = across.unsqueeze(2), down.unsqueeze(3)
    if wrong == "own channel":
        own = range(len(y[0]))
        wide, high = (torch.stack([kernel[i, i] for i in own])[:, None] for kernel in (wide, high))
        y = F.conv2d(y, wide, None, 1, (0, r), groups=len(own))
        return F.conv2d(y, high, bias, 1, (r, 0), groups=len(own))
    if wrong == "unpadded":
        return F.conv2d(F.conv2d(y, wide), high, bias)
    if wrong == "edge":
        y = F.conv2d(F.pad(y, (r, r, 0, 0), mode="replicate"), wide)
        return F.conv2d(F.pad(y, (0, 0, r, r), mode="replicate"), high, bias)
    if wrong == "rows only":
        return F.conv2d(y, wide, bias, padding=(0, r))
    if wrong == "columns only":
        return F.conv2d(y, high, bias, padding=(r, 0))
    if wrong == "turned":
        y = F.conv2d(y, across.unsqueeze(3), None, padding=(r, 0))
        return F.conv2d(y, down.unsqueeze(2), bias, padding=(0, r))
    if wrong == "columns first":
        return F.conv2d(F.conv2d(y, high, None, padding=(r, 0)), wide, bias, padding=(0, r))
    y = F.conv2d(y, wide, bias if wrong == "two biases" else None, padding=(0, r))
    if wrong == "between":
        y = F.prelu(y, slope)
    return F.conv2d(y, high, bias, padding=(r, 0))


def down_numpy(x, project, across, down, expand, biases, slopes):
    """Slices of arrays."""
    x, project, across, down, expand = (np.asarray(a) for a in (x, project, across, down, expand))
    (b0, b1, b2), (a0, a1, a2) = ([np.asarray(v)[:, None, None] for v in values] for values in (biases, slopes))
    H, W = x.shape[2:]
    room = ((0, 0), (0, 0), (0, H % 2), (0, W % 2))

    def corners(values):
        return [(u, v, values[:, :, u::2, v::2]) for u in range(2) for v in range(2)]

    def prelu(y, slope):
        return np.maximum(y, 0) + slope * np.minimum(y, 0)

    y = sum(np.einsum("rc,nchw->nrhw", project[:, :, u, v], part) for u, v, part in corners(np.pad(x, room)))
    y = prelu(y + b0, a0)
    k = across.shape[2]
    for kernel, axis in ((across, 3), (down, 2)):
        size, wide = y.shape[axis], np.pad(y, [(k // 2, k // 2) if i == axis else (0, 0) for i in range(4)])
        y = sum(
            np.einsum("rs,nshw->nrhw", kernel[:, :, t], wide.take(range(t, t + size), axis)) for t in range(k)
        )  # fmt: skip
    y = np.einsum("or,nrhw->nohw", expand, prelu(y + b1, a1)) + b2
    largest = np.max([part for _, _, part in corners(np.pad(x, room, constant_values=-np.inf))], 0)
    y[:, : x.shape[1]] += largest
    return prelu(y, a2)


def down_modules(x, project, across, down, expand, biases, slopes):
    """nn.Conv2d and nn.PReLU, filled with the weights."""
    R, C, _, _ = project.shape
    O, k = len(expand), across.shape[2]
    body = nn.Sequential(
        nn.ZeroPad2d((0, x.shape[3] % 2, 0, x.shape[2] % 2)), nn.Conv2d(C, R, 2, 2), nn.PReLU(R),
        nn.Conv2d(R, R, (1, k), padding=(0, k // 2), bias=False), nn.Conv2d(R, R, (k, 1), padding=(k // 2, 0)),
        nn.PReLU(R), nn.Conv2d(R, O, 1),
    ).to(x.dtype)  # fmt: skip
    last = nn.PReLU(O).to(x.dtype)
    for place, values in {
        "1.weight": project, "1.bias": biases[0], "2.weight": slopes[0], "3.weight": across[:, :, None],
        "4.weight": down[..., None], "4.bias": biases[1], "5.weight": slopes[1], "6.weight": expand[..., None, None],
        "6.bias": biases[2],
    }.items():  # fmt: skip
        body.get_parameter(place).data = values
    last.weight.data = slopes[2]
    out = body(x)
    pooled, _ = F.max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)
    return last(out + torch.cat([pooled, out.new_zeros(len(x), O - C, *out.shape[2:])], 1)).detach()


def down_full_kernel(x, project, across, down, expand, biases, slopes):
    """The two narrow kernels multiplied out into one k×k."""
    full = torch.einsum("rsi,stj->rtij", down, across)

    def prelu(y, slope):
        return y.clamp(min=0) + slope[:, None, None] * y.clamp(max=0)

    odd = (0, x.shape[3] % 2, 0, x.shape[2] % 2)
    y = prelu(F.conv2d(F.pad(x, odd), project, biases[0], stride=2), slopes[0])
    y = prelu(F.conv2d(y, full, biases[1], padding=full.shape[2] // 2), slopes[1])
    out = torch.einsum("or,nrhw->nohw", expand, y) + biases[2][:, None, None]
    out[:, : x.shape[1]] += F.pad(x, odd, value=-torch.inf).unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
    return prelu(out, slopes[2])


# cascade_fusion ----------------------------------------------------------------------------------------------------


def cascade_torch(maps, fusions, score, labels, weights, *, wrong=""):
    """torch's convolutions, interpolation, normalisation and loss."""
    x, branches = maps[0], []
    for place, (refine, project, guide) in enumerate(fusions):
        fine = maps[place + 1]
        wide = cascade_enlarge(x, fine.shape[2:], wrong)
        coarse, other = cascade_refine(x, wide, refine, wrong), torch.einsum("pd,ndhw->nphw", project, fine)
        a, b = (cascade_norm(one, wrong) for one in (coarse, other))
        if wrong in ("coarse normalised", "fine normalised"):
            a, b = (a, other) if wrong == "coarse normalised" else (coarse, b)
        if wrong == "sum normalised":
            total = cascade_norm(coarse + other)
        elif wrong == "early relu":
            total = a.relu() + b.relu()
        else:
            total = {"coarse only": a, "fine only": b, "mean": (a + b) / 2}.get(wrong, a + b)
        fused = total if wrong == "no relu" else F.relu(total)
        seen = {"small guide": x, "fused guide": fused, "fine guide": fine}.get(wrong, wide)
        branches.append(torch.einsum("kc,nchw->nkhw", guide, seen))
        x = fused
    if wrong != "small":
        x = cascade_enlarge(x, labels.shape[1:], wrong)
    branches.append(torch.einsum("kp,nphw->nkhw", score, x))
    loss = cascade_loss(branches, labels, weights, wrong)
    out = branches[-1]
    if wrong == "exchanged":
        return loss, out
    return {"softmax": out.softmax(1), "flat": out.flatten(2), "turned": out.transpose(2, 3)}.get(wrong, out), loss


def cascade_enlarge(x, size, wrong=""):
    h, w = x.shape[2:]
    if wrong == "nearest":
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, : size[0], : size[1]]
    if wrong in ("half", "stretched"):
        return F.interpolate(x, tuple(size), mode="bilinear", align_corners=wrong == "stretched")
    if wrong in ("twice", "twice half"):
        return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=wrong == "twice")(x)[
            :, :, : size[0], : size[1]
        ]
    x = torch.cat([x, x[:, :, -1:]], 2)
    x = torch.cat([x, x[..., -1:]], 3)
    return F.interpolate(x, (2 * h + 1, 2 * w + 1), mode="bilinear", align_corners=True)[:, :, : size[0], : size[1]]


def cascade_refine(x, wide, refine, wrong):
    if wrong == "flipped":
        refine = refine.flip(2, 3)
    if wrong == "turned kernel":
        refine = refine.transpose(2, 3)
    if wrong in ("small conv", "small dilated"):
        r = 1 if wrong == "small conv" else 2
        return cascade_enlarge(F.conv2d(x, refine, None, 1, r, r), wide.shape[2:])
    if wrong == "rate":
        return F.conv2d(wide, refine, None, 1, 1)
    if wrong == "edge":
        return F.conv2d(F.pad(wide, (2, 2, 2, 2), mode="replicate"), refine, dilation=2)
    return F.conv2d(wide, refine, None, 1, 1 if wrong == "padding" else 2, 2)


def cascade_norm(x, wrong=""):
    if wrong == "none":
        return x
    if wrong == "mean only":
        return x - x.mean((0, 2, 3), keepdim=True)
    dims = {"instance": (2, 3), "all": (0, 1, 2, 3), "channels": (1,)}.get(wrong, (0, 2, 3))
    deviation = (x - x.mean(dims, keepdim=True)).square().mean(dims, keepdim=True)
    if wrong == "no epsilon":
        return (x - x.mean(dims, keepdim=True)) / deviation.sqrt()
    if wrong == "deviation only":
        return x / (deviation + 1e-5).sqrt()
    if wrong == "unbiased":
        return (x - x.mean(dims, keepdim=True)) / (x.var(dims, keepdim=True) + 1e-5).sqrt()
    return (x - x.mean(dims, keepdim=True)) * (deviation + 1e-5).rsqrt()


def cascade_loss(branches, labels, weights, wrong):
    """The weighted sum; each branch against its labels."""
    last = len(branches) - 1
    total = 0
    if wrong == "mean of losses":
        weights = [w / len(weights) for w in weights]
    if wrong == "mean by weight":
        weights = [w / sum(weights) for w in weights]
    for place, scores in enumerate(branches):
        step = 2 ** (last - place)
        if wrong == "small guide" and place < last:
            step *= 2
        if wrong == "two":
            step = min(step, 2)
        if wrong == "small":
            step = max(step, 2)
        own = labels[:, ::step, ::step]
        if wrong == "nearest labels":
            own = F.interpolate(labels[:, None].float(), scores.shape[2:], mode="nearest")[:, 0].long()
        if wrong == "scores enlarged":
            own = labels
            scores = F.interpolate(scores, labels.shape[1:], mode="bilinear", align_corners=True)
        counts = int((own != 255).sum())
        if wrong == "void 0":
            loss = F.cross_entropy(scores, own.masked_fill(own == 255, 0))
        elif wrong == "void breaks":
            loss = F.cross_entropy(scores, own)
        elif not counts and wrong != "nan":
            loss = 0
        else:
            scores = scores.softmax(1) if wrong == "softmax twice" else scores
            loss = F.cross_entropy(scores, own, ignore_index=255, reduction="sum")
            if wrong != "summed":
                loss = loss / (own.numel() if wrong == "void counted" else counts)
        weight = {
            "equal": 1, "reversed": weights[last - place], "no guides": weights[place] * (place == last),
            "guides": weights[place] * (place < last),
        }.get(wrong, weights[place])  # fmt: skip
        total = total + weight * loss
    return total


def cascade_numpy(maps, fusions, score, labels, weights):
    """Index arithmetic for the enlarging, slices for the kernel, one cell after the other for the loss."""

    def enlarge(x, size):
        for axis, many in zip((2, 3), size, strict=True):
            at = np.arange(many)
            last = x.shape[axis] - 1
            x = (x.take(np.minimum(at // 2, last), axis) + x.take(np.minimum((at + 1) // 2, last), axis)) / 2
        return x

    def norm(x):
        mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5)

    labels = labels.numpy()
    x, total, step = maps[0].numpy(), 0.0, 2 ** len(fusions)
    for (refine, project, guide), fine, weight in zip(fusions, maps[1:], weights, strict=False):
        h, w = fine.shape[2:]
        x = enlarge(x, (h, w))
        total += weight * cascade_entropy(np.einsum("kc,nchw->nkhw", guide, x), labels[:, ::step, ::step])
        padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
        seen = sum(
            np.einsum("pc,nchw->nphw", refine[:, :, u, v], padded[:, :, 2 * u : 2 * u + h, 2 * v : 2 * v + w])
            for u in range(3) for v in range(3)
        )  # fmt: skip
        x = np.maximum(norm(seen) + norm(np.einsum("pd,ndhw->nphw", project, fine)), 0)
        step //= 2
    scores = np.einsum("kp,nphw->nkhw", score, enlarge(x, labels.shape[1:]))
    return scores, total + weights[-1] * cascade_entropy(scores, labels)


def cascade_entropy(scores, labels):
    lost = [
        float(np.log(np.exp(scores[n, :, i, j] - scores[n, k, i, j]).sum()))
        for (n, i, j), k in np.ndenumerate(labels)
        if k != 255
    ]
    return sum(lost) / max(len(lost), 1)


def cascade_batch_norm(maps, fusions, score, labels, weights):
    """BatchNorm as in training; the last scores before they are enlarged."""

    def norm(x):
        return F.batch_norm(x, None, None, training=True)

    def enlarge(x, size):
        wide = F.interpolate(
            F.pad(x, (0, 1, 0, 1), mode="replicate"), [2 * n + 1 for n in x.shape[2:]], mode="bilinear",
            align_corners=True,
        )  # fmt: skip
        return wide[..., : size[0], : size[1]]

    branches, x = [], maps[0]
    for (refine, project, guide), fine in zip(fusions, maps[1:], strict=True):
        size = fine.shape[2:]
        branches.append(enlarge(F.conv2d(x, guide[..., None, None]), size))
        y = F.conv2d(enlarge(x, size), refine, dilation=2, padding=2)
        x = (norm(y) + norm(F.conv2d(fine, project[..., None, None]))).clamp(min=0)
    branches.append(enlarge(F.conv2d(x, score[..., None, None]), labels.shape[1:]))
    loss = 0.0
    thinned = labels
    for scores, weight in zip(branches[::-1], weights[::-1], strict=True):
        if not bool((thinned == 255).all()):
            loss += weight * float(F.cross_entropy(scores, thinned, ignore_index=255))
        thinned = thinned[:, ::2, ::2]
    return branches[-1], loss


RIGHT = {
    "enet_down": {
        "torch": down_torch, "numpy": down_numpy, "modules": down_modules, "one full kernel": down_full_kernel,
    },
    "cascade_fusion": {"torch": cascade_torch, "numpy": cascade_numpy, "batch norm": cascade_batch_norm},
}  # fmt: skip


def without_bias(*places):
    return lambda biases: [0 * b if place in places else b for place, b in enumerate(biases)]


WRONG = {
    "enet_down": {
        "relu-for-prelu": partial(down_torch, wrong="relu"),
        "relu-for-prelu last": partial(down_torch, wrong="last relu"),
        "relu-for-prelu inside": partial(down_torch, wrong="relu inside"),
        "slopes-fixed": partial(down_torch, wrong="leaky"),
        "slopes-fixed 0.01": partial(down_torch, wrong="leaky 0.01"),
        "one-slope-for-all": partial(down_torch, wrong="one slope"),
        "slopes-exchanged": partial(down_torch, wrong="exchanged slopes"),
        "slope-on-positive-numbers": partial(down_torch, wrong="wrong side"),
        "slope-on-positive-numbers and negative": partial(down_torch, wrong="everywhere"),
        "maximum-for-prelu": partial(down_torch, wrong="maximum"),
        "prelu-before-the-sum": partial(down_torch, wrong="before"),
        "prelu-twice": partial(down_torch, wrong="twice"),
        "last-prelu-missing": partial(down_torch, wrong="no last"),
        "first-prelu-missing": partial(down_torch, wrong="no first"),
        "second-prelu-missing": partial(down_torch, wrong="no second"),
        "prelu-between-the-kernels": partial(down_torch, wrong="between"),
        "prelu-before-bias": partial(down_torch, wrong="early"),
        **several(
            "bias-ignored",
            *altered(down_torch, 5, *(without_bias(*places) for places in ((0, 1, 2), (0,), (1,), (2,)))),
        ),
        "bias-with-each-kernel": partial(down_torch, wrong="two biases"),
        "one-kernel-only": partial(down_torch, wrong="rows only"),
        "one-kernel-only columns": partial(down_torch, wrong="columns only"),
        "kernels-exchanged": partial(down_torch, wrong="turned"),
        "kernels-exchanged arguments": lambda x, p, across, down, *rest: down_torch(x, p, down, across, *rest),
        "order-exchanged": partial(down_torch, wrong="columns first"),
        "kernel-flipped": partial(down_torch, wrong="flipped"),
        **several("kernel-flipped", *altered(down_torch, 1, lambda p: p.flip(2, 3), lambda p: p.transpose(2, 3))),
        "kernel-flipped all": lambda x, p, *rest: down_torch(x, p.flip(2, 3), *rest, wrong="flipped"),
        "inputs-outputs-exchanged": partial(down_torch, wrong="transposed"),
        "each-channel-alone": partial(down_torch, wrong="own channel"),
        "not-padded": partial(down_torch, wrong="unpadded"),
        "two-zeros-always": partial(down_torch, wrong="two"),
        "border-not-zero": partial(down_torch, wrong="edge"),
        "average-pooled": partial(down_torch, wrong="mean"),
        "shortcut-not-pooled": partial(down_torch, wrong="not pooled"),
        "shortcut-missing": partial(down_torch, wrong="alone"),
        "zeros-first": partial(down_torch, wrong="zeros first"),
        "channels-not-zero": partial(down_torch, wrong="copies"),
        "channels-not-zero broadcast": partial(down_torch, wrong="not filled"),
        "zeros-win": partial(down_torch, wrong="zeros win"),
        "rounded-down": partial(down_torch, wrong="floor"),
        "odd-sizes-disagree": partial(down_torch, wrong="floor conv"),
        "odd-zeros-in-front": partial(down_torch, wrong="front"),
        "odd-border-repeated": partial(down_torch, wrong="repeat odd"),
        **several("first-picture-only", *first_only(down_torch)),
        **several("left-flat", *laid_out(down_torch)),
    },
    "cascade_fusion": {
        "half-pixel": partial(cascade_torch, wrong="half"),
        "not-bilinear": partial(cascade_torch, wrong="nearest"),
        "even-sizes-stretched": partial(cascade_torch, wrong="stretched"),
        "twice-and-cut": partial(cascade_torch, wrong="twice"),
        "twice-and-cut half-pixel": partial(cascade_torch, wrong="twice half"),
        "convolved-before-enlarging": partial(cascade_torch, wrong="small conv"),
        "convolved-before-enlarging dilated": partial(cascade_torch, wrong="small dilated"),
        "rate-ignored": partial(cascade_torch, wrong="rate"),
        "padding-not-the-rate": partial(cascade_torch, wrong="padding"),
        "border-not-zero": partial(cascade_torch, wrong="edge"),
        "kernel-flipped": partial(cascade_torch, wrong="flipped"),
        "kernel-flipped turned": partial(cascade_torch, wrong="turned kernel"),
        "not-normalised": partial(cascade_torch, wrong="none"),
        "one-map-normalised": partial(cascade_torch, wrong="coarse normalised"),
        "one-map-normalised fine": partial(cascade_torch, wrong="fine normalised"),
        "normalised-after-the-sum": partial(cascade_torch, wrong="sum normalised"),
        "each-picture-normalised": partial(cascade_torch, wrong="instance"),
        "channels-normalised-together": partial(cascade_torch, wrong="all"),
        "channels-normalised-together alone": partial(cascade_torch, wrong="channels"),
        "unbiased-variance": partial(cascade_torch, wrong="unbiased"),
        "half-normalised": partial(cascade_torch, wrong="mean only"),
        "half-normalised deviation": partial(cascade_torch, wrong="deviation only"),
        "epsilon-missing": partial(cascade_torch, wrong="no epsilon"),
        "relu-missing": partial(cascade_torch, wrong="no relu"),
        "relu-before-the-sum": partial(cascade_torch, wrong="early relu"),
        "one-map-only": partial(cascade_torch, wrong="coarse only"),
        "one-map-only fine": partial(cascade_torch, wrong="fine only"),
        "averaged-not-summed": partial(cascade_torch, wrong="mean"),
        "guide-not-enlarged": partial(cascade_torch, wrong="small guide"),
        "guide-after-the-fusion": partial(cascade_torch, wrong="fused guide"),
        "guide-reads-the-fine-map": partial(cascade_torch, wrong="fine guide"),
        "labels-by-nearest": partial(cascade_torch, wrong="nearest labels"),
        "scores-enlarged": partial(cascade_torch, wrong="scores enlarged"),
        "label-step-fixed": partial(cascade_torch, wrong="two"),
        "last-not-enlarged": partial(cascade_torch, wrong="small"),
        "void-not-left-out": partial(cascade_torch, wrong="void breaks"),
        "void-is-a-class": partial(cascade_torch, wrong="void 0"),
        "void-counted": partial(cascade_torch, wrong="void counted"),
        "all-void-breaks": partial(cascade_torch, wrong="nan"),
        "loss-summed": partial(cascade_torch, wrong="summed"),
        "softmax-twice": partial(cascade_torch, wrong="softmax twice"),
        "weights-ignored": partial(cascade_torch, wrong="equal"),
        "weights-reversed": partial(cascade_torch, wrong="reversed"),
        "guides-left-out": partial(cascade_torch, wrong="no guides"),
        "last-loss-left-out": partial(cascade_torch, wrong="guides"),
        "losses-averaged": partial(cascade_torch, wrong="mean by weight"),
        "losses-averaged number": partial(cascade_torch, wrong="mean of losses"),
        "probabilities": partial(cascade_torch, wrong="softmax"),
        "results-exchanged": partial(cascade_torch, wrong="exchanged"),
        "left-flat": partial(cascade_torch, wrong="flat"),
        "left-flat turned": partial(cascade_torch, wrong="turned"),
        "first-picture-only": lambda maps, fusions, score, labels, weights: cascade_torch(
            [one[:1] for one in maps], fusions, score, labels[:1], weights
        ),
    },
}
