"""Chapter 04, right and wrong."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn

# linear_to_conv ----------------------------------------------------------------------------------------------------


def conv_copied(linear, channels, height, width, *, wrong=""):
    """A new layer, its parameters written one by one."""
    out = linear.out_features
    size = {"one by one": (1, 1), "exchanged": (width, height)}.get(wrong, (height, width))
    conv = nn.Conv2d(
        channels, out, size, padding=1 if wrong == "padded" else 0, stride=2 if wrong == "strided" else 1,
        bias=linear.bias is not None and wrong != "no bias", dtype=linear.weight.dtype,
    )  # fmt: skip
    if wrong == "random":
        return conv
    with torch.no_grad():
        for o in range(out):
            for c in range(channels):
                for y in range(size[0]):
                    for x in range(size[1]):
                        at = c * height * width + y * width + x
                        if wrong == "channels last":
                            at = (y * width + x) * channels + c
                        if wrong == "exchanged":
                            at = c * height * width + x * width + y
                        if wrong == "flipped":
                            at = c * height * width + (height - 1 - y) * width + width - 1 - x
                        if wrong == "same channel":
                            at = y * width + x
                        value = linear.weight[o, at] / (height * width if wrong == "mean" else 1)
                        conv.weight[o, c, y, x] = value
    if conv.bias is not None:
        conv.bias.data = linear.bias.data.clone()
    return conv


def conv_view(linear, channels, height, width):
    conv = nn.Conv2d(channels, linear.out_features, (height, width), bias=linear.bias is not None).to(
        linear.weight.dtype
    )
    conv.load_state_dict(
        {k: v.view(-1, channels, height, width) if k == "weight" else v for k, v in linear.state_dict().items()}
    )
    return conv.eval()


def conv_tied(linear, channels, height, width, *, parts):
    """Some parameters are the very numbers of the linear layer."""
    conv = conv_view(linear, channels, height, width)
    if "weight" in parts:
        conv.weight.data = linear.weight.data.view(-1, channels, height, width)
    if "bias" in parts and linear.bias is not None:
        conv.bias = linear.bias
    if not parts and linear.bias is not None:
        nn.init.uniform_(conv.bias)
    return conv


class ConvModule(nn.Module):
    """The right numbers from what is no nn.Conv2d: windows and the old linear layer."""

    def __init__(self, linear, height, width):
        super().__init__()
        self.linear, self.height, self.width = linear, height, width

    def forward(self, x):
        windows = x.unfold(2, self.height, 1).unfold(3, self.width, 1)  # N, C, h, w, height, width
        return self.linear(windows.permute(0, 2, 3, 1, 4, 5).flatten(3)).permute(0, 3, 1, 2)


def conv_shared_and_changed(linear, channels, height, width):
    linear.weight.data *= 1.0
    conv = conv_view(linear, channels, height, width)
    linear.weight.data.zero_()
    return conv


def conv_transposed(linear, channels, height, width):
    conv = conv_view(linear, channels, height, width)
    conv.weight.data = linear.weight.data.T.reshape(conv.weight.shape)
    return conv


class FirstAnswer(nn.Module):
    def __init__(self, linear, height, width):
        super().__init__()
        self.linear, self.size = linear, (height, width)

    def forward(self, x):
        return self.linear(x[:, :, : self.size[0], : self.size[1]].flatten(1))[..., None, None]


# bilinear_kernel ---------------------------------------------------------------------------------------------------


def kernel_loops(channels, rows, columns, *, wrong=""):
    rows, columns = {"exchanged": (columns, rows), "one factor": (rows, rows)}.get(wrong, (rows, columns))
    high, wide = (_side(s, wrong) for s in (rows, columns))
    weight = torch.zeros(channels, channels, len(high), len(wide))
    for i, a in enumerate(high):
        for j, b in enumerate(wide):
            value = {"box": 1.0, "sum": (a + b) / 2, "rows": a, "squared": (a * b) ** 2}.get(wrong, a * b)
            if wrong == "mixed":
                weight[:, :, i, j] = value
            elif wrong == "first":
                weight[0, 0, i, j] = value
            else:
                for c in range(channels):
                    weight[c, c, i, j] = value
    if wrong == "sum is one":
        weight /= weight[0, 0].sum()
    if wrong == "top":
        weight /= weight.max()
    return weight[:, :1] * 0 + weight[0, 0] if wrong == "depthwise" else weight


def _side(s, wrong):
    k = {"even": 2 * s, "odd": 2 * s - 1, "small": s}.get(wrong, 2 * s - s % 2)
    middle = {"centre": k // 2, "late": k / 2}.get(wrong, (k - 1) / 2)
    slope = 1 / (s + 1) if wrong == "slope" else 1 / s
    return [max(1 - abs(i - middle) * slope, 0.0) for i in range(k)]


def kernel_numpy(channels, rows, columns):
    """The recipe of the original FCN code for each side, with its factor and centre."""
    sides = []
    for s in (rows, columns):
        k = 2 * s - s % 2
        factor = (k + 1) // 2
        centre = factor - 1 if k % 2 == 1 else factor - 0.5
        sides.append(1 - abs(np.arange(k) - centre) / factor)
    return np.eye(channels)[:, :, None, None] * np.outer(*sides)


def kernel_boxes(channels, rows, columns):
    """In float64, both sides by one function."""

    def row(s):
        fine = torch.arange(2 * s - s % 2, dtype=torch.float64) - (2 * s - s % 2 - 1) / 2
        return torch.nn.functional.relu(s - fine.abs()) / s

    plane = row(rows).view(-1, 1) @ row(columns).view(1, -1)
    out = plane.new_zeros(channels, channels, *plane.shape)
    out[range(channels), range(channels)] = plane
    return out


# fuse_skip ---------------------------------------------------------------------------------------------------------


def fuse_loops(coarse, fine, *, wrong=""):
    """Every coarse pixel stamps a 4×4 tent."""
    n, k, h, w = coarse.shape
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25], dtype=coarse.dtype)
    tent = tent / 2 if wrong == "faint" else tent
    stamp = tent.outer(tent)
    source = coarse.sum(1, keepdim=True).expand(n, k, h, w) if wrong == "mixed" else coarse
    up = torch.zeros(n, k, 2 * h + 3, 2 * w + 3, dtype=torch.float32 if wrong == "float32" else coarse.dtype)
    for i in range(h):
        for j in range(w):
            up[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += (source[:, :, i, j, None, None] * stamp).to(up.dtype)
    height, width = fine.shape[2:]
    y, x = {"at zero": (0, 0), "at two": (2, 2), "end": (1 + 2 * h - height, 1 + 2 * w - width)}.get(wrong, (1, 1))
    up = up[:, :, y : y + height, x : x + width]
    if wrong == "concatenated":
        return torch.cat([up, fine], 1)
    if wrong == "mean":
        return (up + fine) / 2
    if wrong == "in place":
        fine += up
        return fine
    if wrong == "up only":
        return up
    if wrong == "minus":
        return up - fine
    return (up + fine.to(up.dtype))[: 1 if wrong == "one picture" else n]


def fuse_grouped(coarse, fine):
    """A grouped transposed convolution, one kernel per class."""
    k = coarse.shape[1]
    row = coarse.new_tensor([1, 3, 3, 1]) / 4
    weight = (row[:, None] * row).expand(k, 1, 4, 4)
    up = nn.functional.conv_transpose2d(coarse, weight, stride=2, groups=k)
    height, width = fine.shape[-2:]
    return up[..., 1 : height + 1, 1 : width + 1] + fine


def fuse_numpy(coarse, fine):
    """Two matrices, one for the rows and one for the columns."""

    def matrix(n, m):
        at = np.arange(m)[:, None] + 1 - 2 * np.arange(n)
        return np.select([(at == 0) | (at == 3), (at == 1) | (at == 2)], [0.25, 0.75], 0.0)

    rows, columns = matrix(coarse.shape[2], fine.shape[2]), matrix(coarse.shape[3], fine.shape[3])
    return rows @ coarse.numpy() @ columns.T + fine.numpy()


def fuse_interpolated(coarse, fine, *, mode="bilinear", align=False):
    options = {} if mode == "nearest" else {"align_corners": align}
    return nn.functional.interpolate(coarse, size=fine.shape[2:], mode=mode, **options) + fine


def fuse_squeezed(coarse, fine):
    zero = fine.new_zeros(*fine.shape[:2], 2 * coarse.shape[2], 2 * coarse.shape[3])
    up = fuse_grouped(coarse, zero)
    if up.shape != fine.shape:
        up = nn.functional.interpolate(up, fine.shape[2:], mode="bilinear")
    return up + fine


def fuse_padded(coarse, fine):
    """With padding=1, and the first rows and columns of what comes out."""
    row = coarse.new_tensor([1, 3, 3, 1]) / 4
    weight = torch.eye(coarse.shape[1], dtype=coarse.dtype)[:, :, None, None] * row.outer(row)
    up = nn.functional.conv_transpose2d(coarse, weight, stride=2, padding=1)
    return up[:, :, : fine.shape[2], : fine.shape[3]] + fine


# cross_entropy_with_void -------------------------------------------------------------------------------------------


def loss_loops(logits, target, weight=None, ignore_index=255, *, wrong=""):
    """Pixel by pixel, the largest score taken off first."""
    n, k, h, w = logits.shape
    total, below, pictures = 0.0, 0.0, []
    if wrong == "fixed":
        ignore_index = 255
    for a in range(1 if wrong == "one picture" else n):
        if wrong == "per picture":
            total, below = 0.0, 0.0
        for i in range(h):
            for j in range(w):
                c = int(target[a, i, j])
                if c == ignore_index:
                    if wrong == "as 0":
                        c = 0
                    elif wrong in ("all pixels", "void in mean"):
                        below += 1
                        continue
                    else:
                        continue
                if wrong == "background" and c == 0:
                    continue
                z = [logits[a, b, i, j] for b in range(k)]
                top = 0.0 if wrong == "overflow" else max(z)
                terms = [torch.exp(v - top) for v in z]
                if wrong == "overflow":
                    each = -torch.log(terms[c] / sum(terms))
                elif wrong == "raw":
                    each = -z[c]
                elif wrong == "probability":
                    each = -terms[c] / sum(terms)
                elif wrong == "epsilon":
                    each = -torch.log(terms[c] / sum(terms) + 1e-8)
                else:
                    each = torch.log(sum(terms)) + top - z[c]
                share = 1.0 if weight is None or wrong == "no weights" else weight[c]
                share = share**2 if wrong == "squared" else share
                total += share * each
                below += (
                    1.0
                    if wrong in ("count", "all pixels", "void in mean") and (weight is None or wrong != "void in mean")
                    else share
                )
        pictures.append(total / below)
    if wrong == "sum":
        return total
    result = sum(pictures) / n if wrong == "per picture" else total / below
    return {"sign": -result, "log2": result / math.log(2), "detached": result.detach()}.get(wrong, result)


def loss_logsumexp(logits, target, weight=None, ignore_index=255):
    keep = target != ignore_index
    z = logits.movedim(1, -1)[keep]
    t = target[keep]
    each = torch.logsumexp(z, 1) - z[torch.arange(len(t)), t]
    w = torch.ones_like(each) if weight is None else weight[t]
    return torch.dot(each, w) / w.sum()


def loss_one_hot(logits, target, weight=None, ignore_index=255):
    keep = (target != ignore_index).to(logits.dtype)
    safe = torch.where(target == ignore_index, 0, target)
    hot = nn.functional.one_hot(safe, logits.shape[1]).movedim(-1, 1) * keep[:, None]
    if weight is not None:
        hot = hot * weight[:, None, None]
    return -(hot * logits.log_softmax(1)).sum() / hot.sum()


def loss_over_classes(logits, target, weight, ignore_index):
    mean = loss_one_hot(logits, target, weight, ignore_index)
    return mean if weight is None else mean * weight[target[target != ignore_index]].sum() / weight.sum()


def loss_numpy(logits, target, weight=None, ignore_index=255):
    z = logits.numpy().astype(float)
    z = z - z.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    t = target.numpy()
    n, y, x = np.nonzero(t != ignore_index)
    w = np.ones(len(n)) if weight is None else weight.numpy()[t[n, y, x]]
    return -(w * logp[n, t[n, y, x], y, x]).sum() / w.sum()


def loss_changes_target(logits, target, weight=None, ignore_index=255):
    keep = target != ignore_index
    target[~keep] = 0
    logp = torch.log_softmax(logits, 1).gather(1, target.unsqueeze(1)).squeeze(1)
    w = keep.to(logits.dtype) if weight is None else weight[target] * keep
    return -(logp * w).sum() / w.sum()


def loss_all_softmaxes(logits, target, weight=None, ignore_index=255, *, wrong=""):
    keep = target != ignore_index
    if wrong == "breaks":
        keep = torch.ones_like(keep)
    if wrong == "twice":
        logp = logits.softmax(1).log_softmax(1)
    elif wrong == "space":
        logp = logits.log_softmax(2)
    elif wrong == "weighted scores" and weight is not None:
        logp, weight = (logits * weight.view(1, -1, 1, 1)).log_softmax(1), None
    else:
        logp = logits.log_softmax(1)
    total = below = 0
    for n in range(len(logits)):
        for y in range(target.shape[1]):
            for x in range(target.shape[2]):
                if keep[n, y, x]:
                    w = 1.0 if weight is None else weight[target[n, y, x]]
                    total = total - w * logp[n, target[n, y, x], y, x]
                    below = below + w
    return total / below


RIGHT = {
    "linear_to_conv": {
        "loops": conv_copied,
        "state dict": conv_view,
    },
    "bilinear_kernel": {"loops": kernel_loops, "numpy": kernel_numpy, "float64": kernel_boxes},
    "fuse_skip": {"stamps": fuse_loops, "grouped": fuse_grouped, "padded": fuse_padded, "numpy matrices": fuse_numpy},
    "cross_entropy_with_void": {
        "logsumexp": loss_logsumexp,
        "one-hot": loss_one_hot,
        "loops": loss_loops,
    },
}

WRONG = {
    "linear_to_conv": {
        "not-a-conv2d": lambda linear, channels, height, width: ConvModule(linear, height, width),
        "not-a-conv2d function": lambda linear, channels, height, width: (
            conv_copied(linear, channels, height, width).forward
        ),
        "not-a-conv2d sequence": lambda *args: nn.Sequential(conv_view(*args)),
        "frozen": lambda *args: conv_view(*args).requires_grad_(False),
        "shares-memory": partial(conv_tied, parts=("weight",)),
        "shares-memory bias": partial(conv_tied, parts=("bias",)),
        "bias-not-copied": lambda *args: conv_tied(*args, parts=()),
        "channels-last": partial(conv_copied, wrong="channels last"),
        "height-width-exchanged": lambda linear, channels, height, width: _exchanged(linear, channels, height, width),
        "kernel-flipped": partial(conv_copied, wrong="flipped"),
        "bias-lost": partial(conv_copied, wrong="no bias"),
        "padded": partial(conv_copied, wrong="padded"),
        "strided": partial(conv_copied, wrong="strided"),
        "weight-transposed": conv_transposed,
        "one-answer-only": lambda linear, channels, height, width: FirstAnswer(linear, height, width),
        "averaged": partial(conv_copied, wrong="mean"),
        "first-channel-only": partial(conv_copied, wrong="same channel"),
        "one-by-one": partial(conv_copied, wrong="one by one"),
        "input-changed": conv_shared_and_changed,
    },
    "bilinear_kernel": {
        "arguments-exchanged": partial(kernel_loops, wrong="exchanged"),
        "one-factor-for-both": partial(kernel_loops, wrong="one factor"),
        "channels-mixed": partial(kernel_loops, wrong="mixed"),
        "one-channel-filled": partial(kernel_loops, wrong="first"),
        "precision-lost": lambda *args: kernel_loops(*args).half(),
        "plane-only": lambda channels, *factors: kernel_loops(1, *factors)[0, 0],
        "depthwise-shape": partial(kernel_loops, wrong="depthwise"),
        "size-always-even": partial(kernel_loops, wrong="even"),
        "size-always-odd": partial(kernel_loops, wrong="odd"),
        "centre-off": partial(kernel_loops, wrong="centre"),
        "sum-is-one": partial(kernel_loops, wrong="sum is one"),
        "top-is-one": partial(kernel_loops, wrong="top"),
        "box": partial(kernel_loops, wrong="box"),
        "kernel-too-small": partial(kernel_loops, wrong="small"),
        "wrong-slope": partial(kernel_loops, wrong="slope"),
        "added-not-multiplied": partial(kernel_loops, wrong="sum"),
        "one-axis-only": partial(kernel_loops, wrong="rows"),
        "squared": partial(kernel_loops, wrong="squared"),
    },
    "fuse_skip": {
        "cut-at-zero": partial(fuse_loops, wrong="at zero"),
        "cut-at-two": partial(fuse_loops, wrong="at two"),
        "cut-from-end": partial(fuse_loops, wrong="end"),
        "squeezed-not-cut": fuse_squeezed,
        "interpolated": fuse_interpolated,
        "align-corners": partial(fuse_interpolated, align=True),
        "nearest": partial(fuse_interpolated, mode="nearest"),
        "not-summed": partial(fuse_loops, wrong="concatenated"),
        "averaged": partial(fuse_loops, wrong="mean"),
        "coarse-forgotten": partial(fuse_loops, wrong="up only"),
        "classes-mixed": partial(fuse_loops, wrong="mixed"),
        "kernel-sum": partial(fuse_loops, wrong="faint"),
        "first-picture-only": partial(fuse_loops, wrong="one picture"),
        "fine-subtracted": partial(fuse_loops, wrong="minus"),
        "precision-lost": partial(fuse_loops, wrong="float32"),
        "input-changed": partial(fuse_loops, wrong="in place"),
    },
    "cross_entropy_with_void": {
        "void-by-range": lambda z, t, w, i: loss_one_hot(z, torch.where(t >= z.shape[1], -1, t), w, -1),
        "divided-by-class-weights": lambda z, t, w, i: loss_over_classes(z, t, w, i),
        "void-in-the-mean": partial(loss_loops, wrong="void in mean"),
        "void-counted": partial(loss_loops, wrong="as 0"),
        "void-breaks": partial(loss_all_softmaxes, wrong="breaks"),
        "ignore-index-fixed": lambda logits, target, weight=None, ignore_index=255: _fixed(logits, target, weight),
        "divided-by-count": partial(loss_loops, wrong="count"),
        "divided-by-all-pixels": partial(loss_loops, wrong="all pixels"),
        "weights-ignored": partial(loss_loops, wrong="no weights"),
        "weights-squared": partial(loss_loops, wrong="squared"),
        "weights-on-logits": partial(loss_all_softmaxes, wrong="weighted scores"),
        "summed": partial(loss_loops, wrong="sum"),
        "averaged-per-picture": partial(loss_loops, wrong="per picture"),
        "softmax-forgotten": partial(loss_loops, wrong="raw"),
        "log-forgotten": partial(loss_loops, wrong="probability"),
        "softmax-twice": partial(loss_all_softmaxes, wrong="twice"),
        "softmax-over-space": partial(loss_all_softmaxes, wrong="space"),
        "overflow": partial(loss_loops, wrong="epsilon"),
        "sign-forgotten": partial(loss_loops, wrong="sign"),
        "other-logarithm": partial(loss_loops, wrong="log2"),
        "first-picture-only": partial(loss_loops, wrong="one picture"),
        "background-left-out": partial(loss_loops, wrong="background"),
        "gradient-lost": partial(loss_loops, wrong="detached"),
        "gradient-lost item": lambda *args: loss_logsumexp(*args).item(),
        "gradient-lost detached numpy": lambda *args: loss_logsumexp(*args).detach().numpy(),
        "gradient-lost numpy": loss_numpy,
        "input-changed": loss_changes_target,
    },
}


def _exchanged(linear, channels, height, width):
    conv = nn.Conv2d(
        channels, linear.out_features, (width, height), bias=linear.bias is not None, dtype=linear.weight.dtype
    )
    conv.weight.data = linear.weight.data.reshape(-1, channels, height, width).mT.clone()
    if linear.bias is not None:
        conv.bias.data = linear.bias.data.clone()
    return conv


def _fixed(logits, target, weight):
    return (
        loss_one_hot(logits, target, weight, 255) if int(target[target != 255].max()) < logits.shape[1] else target[999]
    )
