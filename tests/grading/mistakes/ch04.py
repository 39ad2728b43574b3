"""Chapter 04, right and wrong."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import only_first

# linear_to_conv ----------------------------------------------------------------------------------------------------


def conv_copied(linear, channels, height, width, *, wrong=""):
    """A new layer, its parameters written one by one."""
    out = linear.out_features
    size = {"one by one": (1, 1), "exchanged": (width, height)}.get(wrong, (height, width))
    conv = nn.Conv2d(
        channels, out, size, padding={"padded": 1, "same": "same"}.get(wrong, 0),
        stride={"strided": 2, "side by side": size}.get(wrong, 1),
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


def conv_reshaped(linear, channels, height, width, *, wrong):
    """The numbers of the linear layer, reshaped another way."""
    m = linear.weight.data.view(-1, channels, height, width)
    numbers = {
        "read by columns": lambda: m.reshape(-1, channels, width, height).permute(0, 1, 3, 2),
        "summed": lambda: m.sum((2, 3), keepdim=True),
        "mean": lambda: torch.nn.functional.adaptive_avg_pool2d(m, 1),
    }[wrong]()
    conv = nn.Conv2d(channels, len(m), numbers.shape[2:], dtype=m.dtype)
    conv.weight.data = numbers.clone()
    conv.bias = None if linear.bias is None else nn.Parameter(linear.bias.data.clone())
    return conv


class FirstAnswer(nn.Module):
    """One answer for each picture, of its first places, or of averages over it."""

    def __init__(self, linear, height, width, pooled=False):
        super().__init__()
        self.linear, self.size = linear, (height, width)
        self.pool = nn.AdaptiveAvgPool2d(self.size) if pooled else nn.Identity()

    def forward(self, x):
        x = self.pool(x)
        return self.linear(x[:, :, : self.size[0], : self.size[1]].flatten(1))[..., None, None]


# bilinear_kernel ---------------------------------------------------------------------------------------------------


def kernel_loops(channels, rows, columns, *, wrong=""):
    rows, columns = {
        "exchanged": (columns, rows),
        "one factor": (rows, rows),
        "columns' factor": (columns, columns),
    }.get(wrong, (rows, columns))
    high, wide = (_side(s, wrong) for s in (rows, columns))
    weight = torch.zeros(channels, channels, len(high), len(wide))
    for i, a in enumerate(high):
        for j, b in enumerate(wide):
            value = {
                "box": 1.0,
                "mean": 1 / (len(high) * len(wide)),
                "half sum": (a + b) / 2,
                "sum": a + b,
                "lower": min(a, b),
                "rows": a,
                "columns": b,
                "squared": (a * b) ** 2,
            }.get(wrong, a * b)
            if wrong == "mixed":
                weight[:, :, i, j] = value
            elif wrong == "first":
                weight[0, 0, i, j] = value
            else:
                for c in range(channels):
                    weight[c, c, i, j] = value
    if wrong.startswith("sum is one"):
        weight /= weight.sum() if wrong == "sum is one in all" else weight[0, 0].sum()
    if wrong == "top":
        weight /= weight.max()
    return weight[:, :1] * 0 + weight[0, 0] if wrong == "depthwise" else weight


def _side(s, wrong):
    k = {"even": 2 * s, "even, early": 2 * s, "odd": 2 * s - 1, "odd, wide": 2 * s + 1, "small": s}.get(
        wrong, 2 * s - s % 2
    )
    middle = {"centre": k // 2, "late": k / 2, "early": (k - 1) // 2, "half": s - 0.5, "even, early": s - 1}.get(
        wrong, (k - 1) / 2
    )
    slope = 1 / {"slope": s + 1, "slope of half the size": k / 2, "slope of the size": k}.get(wrong, s)
    return [max(1 - abs(i - middle) * slope, 0.0) for i in range(k)]


def kernel_numpy(channels, rows, columns, *, wrong=""):
    """The recipe of the original FCN code for each side, with its factor and centre."""
    sides = []
    for s in (rows, columns):
        k = s if wrong == "as large as the stride" else 2 * s - s % 2
        factor = (k + 1) // 2
        centre = factor - 1 if k % 2 == 1 else factor - 0.5
        factor = (k + 1) / 2 if wrong == "not rounded" else factor
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
    tent = {"faint": tent / 2, "strong": tent / 0.75}.get(wrong, tent)
    stamp = tent.outer(tent)
    source = coarse.sum(1, keepdim=True).expand(n, k, h, w) if wrong == "mixed" else coarse
    up = torch.zeros(n, k, 2 * h + 3, 2 * w + 3, dtype=torch.float32 if wrong == "float32" else coarse.dtype)
    for i in range(h):
        for j in range(w):
            up[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += (source[:, :, i, j, None, None] * stamp).to(up.dtype)
    height, width = fine.shape[2:]
    y, x = {
        "at zero": (0, 0),
        "at two": (2, 2),
        "end": (1 + 2 * h - height, 1 + 2 * w - width),
        "end of all": (2 + 2 * h - height, 2 + 2 * w - width),
    }.get(wrong, (1, 1))
    up = up[:, :, y : y + height, x : x + width]
    if wrong.startswith("concatenated"):
        return torch.cat([up, fine] if wrong == "concatenated" else [fine, up], 1)
    if wrong in ("product", "larger"):
        return up * fine if wrong == "product" else torch.where(up > fine, up, fine)
    if wrong == "mean":
        return (up + fine) / 2
    if wrong == "in place":
        fine += up
        return fine
    if wrong == "up only":
        return up
    if wrong.startswith("minus"):
        return up - fine if wrong == "minus" else fine - up
    return up + fine.to(up.dtype)


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


def fuse_doubled(coarse, fine, *, align):
    """Enlarged by 2 in any case, and cut."""
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=align)(coarse)
    return up[:, :, : fine.shape[2], : fine.shape[3]] + fine


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


def loss_loops(logits, target, weight=None, ignore_index=255, *, wrong="", epsilon=1e-8):
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
                    each = -torch.log(terms[c] / sum(terms) + epsilon)
                elif wrong == "other probability":
                    each = 1 - terms[c] / sum(terms)
                elif wrong == "logarithm of 0":
                    each = -torch.log(terms[c] / sum(terms))
                elif wrong == "logarithm of infinity":
                    each = torch.log(sum(torch.exp(v) for v in z)) - z[c]
                else:
                    each = torch.log(sum(terms)) + top - z[c]
                share = 1.0 if weight is None or wrong == "no weights" else weight[c]
                share = share ** {"squared": 2, "inverse": -1}.get(wrong, 1)
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
    base = {"log2": 2, "log10": 10}.get(wrong, math.e)
    return {"sign": -result, "detached": result.detach()}.get(wrong, result / math.log(base))


def loss_logsumexp(logits, target, weight=None, ignore_index=255):
    keep = target != ignore_index
    z = logits.movedim(1, -1)[keep]
    t = target[keep]
    each = torch.logsumexp(z, 1) - z[torch.arange(len(t)), t]
    w = torch.ones_like(each) if weight is None else weight[t]
    return torch.dot(each, w) / w.sum()


def loss_in_two(logits, target, weight=None, ignore_index=255, *, cut=None):
    """The logarithm of the sum, less the score of the class; one of the two as a number that nobody can learn from."""
    keep = target != ignore_index
    share = keep.to(logits.dtype) if weight is None else weight[torch.where(keep, target, 0)] * keep
    of_class = logits.gather(1, torch.where(keep, target, 0)[:, None])[:, 0]
    terms = [(part * share).sum() / share.sum() for part in (logits.logsumexp(1), of_class)]
    if cut is not None:
        terms[cut] = terms[cut].item()
    return terms[0] - terms[1]


def loss_one_hot(logits, target, weight=None, ignore_index=255):
    keep = (target != ignore_index).to(logits.dtype)
    safe = torch.where(target == ignore_index, 0, target)
    hot = nn.functional.one_hot(safe, logits.shape[1]).movedim(-1, 1) * keep[:, None]
    if weight is not None:
        hot = hot * weight[:, None, None]
    return -(hot * logits.log_softmax(1)).sum() / hot.sum()


def loss_weighed(logits, target, weight=None, ignore_index=255, *, label=None, no_weights_only=False):
    """A label stands in for void; what it would cost is left out of the sum, and what it weighs is not."""
    void = target == ignore_index
    if no_weights_only and weight is not None:
        return loss_one_hot(logits, target, weight, ignore_index)
    safe = torch.where(void, 0 if label is None else label(target, logits.shape[1]), target)
    weights = torch.ones(target.shape).to(logits) if weight is None else weight[safe]
    each = -torch.take_along_dim(torch.log_softmax(logits, 1), safe[:, None], 1)[:, 0]
    return (each * weights)[~void].sum() / weights.sum()


def loss_void_as(logits, target, weight, ignore_index, *, label):
    """Void as a class."""
    target = target.clone()
    target[target == ignore_index] = label(target, logits.shape[1])
    return loss_one_hot(logits, target, weight, -1)


def loss_map(logits, target, weight=None, ignore_index=255, *, weighted):
    """The loss of every pixel, 0 where it is void."""
    valid = target != ignore_index
    safe = target * valid
    each = (torch.logsumexp(logits, 1) - logits.gather(1, safe[:, None]).squeeze(1)) * valid
    return each * weight[safe] if weighted and weight is not None else each


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
    elif wrong.startswith("axis"):
        logp = logits.log_softmax(int(wrong[-1]))
    elif wrong == "space":
        logp = (logits.flatten(2) - torch.logsumexp(logits, (2, 3))[..., None]).reshape(logits.shape)
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
        "two terms": loss_in_two,
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
        "not-copied": partial(conv_copied, wrong="random"),
        "channels-last": partial(conv_copied, wrong="channels last"),
        "height-width-exchanged": lambda linear, channels, height, width: _exchanged(linear, channels, height, width),
        "height-width-exchanged read by columns": partial(conv_reshaped, wrong="read by columns"),
        "kernel-flipped": partial(conv_copied, wrong="flipped"),
        "bias-lost": partial(conv_copied, wrong="no bias"),
        "padded": partial(conv_copied, wrong="padded"),
        "padded same": partial(conv_copied, wrong="same"),
        "strided": partial(conv_copied, wrong="strided"),
        "strided side by side": partial(conv_copied, wrong="side by side"),
        "weight-transposed": conv_transposed,
        "one-answer-only": lambda linear, channels, height, width: FirstAnswer(linear, height, width),
        "one-answer-only pooled": lambda linear, channels, *size: FirstAnswer(linear, *size, pooled=True),
        "averaged": partial(conv_copied, wrong="mean"),
        "first-channel-only": partial(conv_copied, wrong="same channel"),
        "one-by-one": partial(conv_copied, wrong="one by one"),
        "one-by-one summed": partial(conv_reshaped, wrong="summed"),
        "one-by-one mean": partial(conv_reshaped, wrong="mean"),
        "input-changed": conv_shared_and_changed,
    },
    "bilinear_kernel": {
        "arguments-exchanged": partial(kernel_loops, wrong="exchanged"),
        "one-factor-for-both": partial(kernel_loops, wrong="one factor"),
        "one-factor-for-both columns": partial(kernel_loops, wrong="columns' factor"),
        "channels-mixed": partial(kernel_loops, wrong="mixed"),
        "one-channel-filled": partial(kernel_loops, wrong="first"),
        "precision-lost": lambda *args: kernel_loops(*args).half(),
        "plane-only": lambda channels, *factors: kernel_loops(1, *factors)[0, 0],
        "depthwise-shape": partial(kernel_loops, wrong="depthwise"),
        "depthwise-shape one": lambda channels, *factors: kernel_numpy(1, *factors),
        "size-always-even": partial(kernel_loops, wrong="even"),
        "size-always-even early": partial(kernel_loops, wrong="even, early"),
        "size-always-odd": partial(kernel_loops, wrong="odd"),
        "size-always-odd wide": partial(kernel_loops, wrong="odd, wide"),
        "centre-off": partial(kernel_loops, wrong="centre"),
        **{f"centre-off {wrong}": partial(kernel_loops, wrong=wrong) for wrong in ("early", "half", "late")},
        "sum-is-one": partial(kernel_loops, wrong="sum is one"),
        "sum-is-one in all": partial(kernel_loops, wrong="sum is one in all"),
        "top-is-one": partial(kernel_loops, wrong="top"),
        "box": partial(kernel_loops, wrong="box"),
        "box mean": partial(kernel_loops, wrong="mean"),
        "kernel-too-small": partial(kernel_loops, wrong="small"),
        "kernel-too-small recipe": partial(kernel_numpy, wrong="as large as the stride"),
        "kernel-too-small copies": lambda channels, *factors: torch.einsum(
            "ab,hw->abhw", torch.eye(channels), torch.ones(factors)
        ),
        "wrong-slope": partial(kernel_loops, wrong="slope"),
        "wrong-slope not rounded": partial(kernel_numpy, wrong="not rounded"),
        "wrong-slope of half the size": partial(kernel_loops, wrong="slope of half the size"),
        "wrong-slope of the size": partial(kernel_loops, wrong="slope of the size"),
        "added-not-multiplied": partial(kernel_loops, wrong="half sum"),
        "added-not-multiplied sum": partial(kernel_loops, wrong="sum"),
        "added-not-multiplied lower": partial(kernel_loops, wrong="lower"),
        "one-axis-only": partial(kernel_loops, wrong="rows"),
        "one-axis-only columns": partial(kernel_loops, wrong="columns"),
        "squared": partial(kernel_loops, wrong="squared"),
    },
    "fuse_skip": {
        "cut-at-zero": partial(fuse_loops, wrong="at zero"),
        "cut-at-two": partial(fuse_loops, wrong="at two"),
        "cut-from-end": partial(fuse_loops, wrong="end"),
        "cut-from-end of all": partial(fuse_loops, wrong="end of all"),
        "squeezed-not-cut": fuse_squeezed,
        "interpolated": fuse_interpolated,
        "interpolated and cut": partial(fuse_doubled, align=False),
        "align-corners": partial(fuse_interpolated, align=True),
        "align-corners and cut": partial(fuse_doubled, align=True),
        "nearest": partial(fuse_interpolated, mode="nearest"),
        "not-summed": partial(fuse_loops, wrong="concatenated"),
        "not-summed fine first": partial(fuse_loops, wrong="concatenated, fine first"),
        "not-summed product": partial(fuse_loops, wrong="product"),
        "not-summed larger": partial(fuse_loops, wrong="larger"),
        "averaged": partial(fuse_loops, wrong="mean"),
        "coarse-forgotten": partial(fuse_loops, wrong="up only"),
        "coarse-forgotten indeed": lambda coarse, fine: fine.clone(),
        "classes-mixed": partial(fuse_loops, wrong="mixed"),
        "kernel-sum": partial(fuse_loops, wrong="faint"),
        "kernel-sum strong": partial(fuse_loops, wrong="strong"),
        "shrunk-instead": lambda coarse, fine: (
            coarse + nn.functional.interpolate(fine, coarse.shape[2:], mode="bilinear")
        ),
        "shrunk-instead mean": lambda coarse, fine: coarse + nn.AdaptiveAvgPool2d(coarse.shape[2:])(fine),
        **only_first("first-picture-only", fuse_grouped),
        "first-picture-only coarse": lambda coarse, fine: fuse_grouped(coarse[:1], fine),
        "fine-subtracted": partial(fuse_loops, wrong="minus"),
        "fine-subtracted from it": partial(fuse_loops, wrong="minus, the other way"),
        "precision-lost": partial(fuse_loops, wrong="float32"),
        "input-changed": partial(fuse_loops, wrong="in place"),
    },
    "cross_entropy_with_void": {
        "void-by-range": lambda z, t, w, i: loss_one_hot(z, torch.where(t >= z.shape[1], -1, t), w, -1),
        "divided-by-class-weights": lambda z, t, w, i: loss_over_classes(z, t, w, i),
        "void-in-the-mean": partial(loss_loops, wrong="void in mean"),
        "void-in-the-mean without weights": partial(loss_weighed, no_weights_only=True),
        "void-in-the-mean as class 0": loss_weighed,
        "void-in-the-mean as the last": partial(loss_weighed, label=lambda t, k: k - 1),
        "void-counted": partial(loss_loops, wrong="as 0"),
        "void-counted as the last": partial(loss_void_as, label=lambda t, k: k - 1),
        "void-counted clipped": lambda z, t, w, i: loss_one_hot(
            z, torch.minimum(t, torch.tensor(z.shape[1] - 1)), w, -1
        ),
        "void-breaks": partial(loss_all_softmaxes, wrong="breaks"),
        "ignore-index-fixed": lambda logits, target, weight=None, ignore_index=255: _fixed(logits, target, weight),
        "divided-by-count": partial(loss_loops, wrong="count"),
        "divided-by-all-pixels": partial(loss_loops, wrong="all pixels"),
        "weights-ignored": partial(loss_loops, wrong="no weights"),
        "weights-needed": lambda *a: (a[2].shape, loss_loops(*a))[1],
        "weights-squared": partial(loss_loops, wrong="squared"),
        "weights-squared inverse": partial(loss_loops, wrong="inverse"),
        "weights-on-logits": partial(loss_all_softmaxes, wrong="weighted scores"),
        "summed": partial(loss_loops, wrong="sum"),
        "averaged-per-picture": partial(loss_loops, wrong="per picture"),
        "softmax-forgotten": partial(loss_loops, wrong="raw"),
        "log-forgotten": partial(loss_loops, wrong="probability"),
        "log-forgotten others": partial(loss_loops, wrong="other probability"),
        "softmax-twice": partial(loss_all_softmaxes, wrong="twice"),
        "softmax-over-space": partial(loss_all_softmaxes, wrong="space"),
        **{f"softmax-over-space {axis}": partial(loss_all_softmaxes, wrong=f"axis {axis}") for axis in (0, 2, 3)},
        **{f"overflow {e}": partial(loss_loops, wrong="epsilon", epsilon=e) for e in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7)},
        "overflow of exp": partial(loss_loops, wrong="overflow"),
        "overflow of the sum": partial(loss_loops, wrong="logarithm of infinity"),
        "overflow of the logarithm": partial(loss_loops, wrong="logarithm of 0"),
        "sign-forgotten": partial(loss_loops, wrong="sign"),
        "other-logarithm": partial(loss_loops, wrong="log2"),
        "other-logarithm of 10": partial(loss_loops, wrong="log10"),
        "map-returned": partial(loss_map, weighted=True),
        "map-returned unweighted": partial(loss_map, weighted=False),
        "first-picture-only": partial(loss_loops, wrong="one picture"),
        "background-left-out": partial(loss_loops, wrong="background"),
        "gradient-lost": partial(loss_loops, wrong="detached"),
        "gradient-lost item": lambda *args: loss_logsumexp(*args).item(),
        "gradient-lost detached numpy": lambda *args: loss_logsumexp(*args).detach().numpy(),
        "gradient-lost numpy": loss_numpy,
        "gradient-partly-lost": partial(loss_in_two, cut=0),
        "gradient-partly-lost in the other term": partial(loss_in_two, cut=1),
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
