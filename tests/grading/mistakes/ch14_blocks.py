"""Chapter 14, ESPNet's block and DDRNet's exchange, right and wrong: torch's functions, modules, numpy and loops."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import first_only, laid_out, several

F = nn.functional

# esp_block ---------------------------------------------------------------------------------------------------------


def esp_torch(x, reduce, branches, rates, stride, norm, slopes, *, wrong=""):
    """torch's convolutions, a running sum."""
    k = reduce.shape[2]
    small = F.conv2d(
        x, reduce, stride=1 if wrong in ("no stride", "late stride") else stride,
        padding=0 if wrong == "unpadded reduce" else k // 2,
    )  # fmt: skip
    maps, source = [], small
    for kernel, rate in zip(branches, rates, strict=True):
        r = 1 if wrong == "no rates" else rate
        if wrong == "flipped":
            kernel = torch.flip(kernel, (2, 3))
        if wrong == "transposed":
            kernel = kernel.transpose(2, 3)
        read, zeros = source, 1 if wrong == "one zero" else r
        if wrong == "edge":
            read, zeros = F.pad(source, (r, r, r, r), "replicate"), 0
        out = F.conv2d(read, kernel, None, stride if wrong == "late stride" else 1, zeros, r)
        source = out if wrong == "chain" else source
        maps.append(out)
    line = np.argsort(rates).tolist()
    joined = torch.cat(esp_fused(maps, line, wrong), 1)
    residual = x if stride == 1 and x.shape[1] == joined.shape[1] else torch.zeros_like(joined)
    if wrong == "no input":
        residual = torch.zeros_like(joined)
    if wrong == "always":
        residual = x
    if wrong == "every second" and x.shape[1] == joined.shape[1]:
        residual = x[:, :, ::stride, ::stride]
    if wrong == "prelu first":
        return esp_norm(esp_act(joined + residual, slopes, wrong), norm, wrong)
    if wrong == "after norm":
        return esp_act(esp_norm(joined, norm, wrong) + residual, slopes, wrong)
    if wrong == "after all":
        return esp_act(esp_norm(joined, norm, wrong), slopes, wrong) + residual
    return esp_act(esp_norm(joined + residual, norm, wrong), slopes, wrong)


def esp_fed(x, reduce, branches, rates, stride, norm, slopes):
    """What one branch gives is added to what the next one reads."""
    small = F.conv2d(x, reduce, None, stride, reduce.shape[-1] // 2)
    maps, last = {}, 0
    for number, rate in enumerate(sorted(rates)):
        kernel = branches[rates.index(rate)]
        maps[rate] = F.conv2d(small + last, kernel, padding=rate, dilation=rate)
        last = maps[rate] if number else 0
    y = torch.cat([maps[rate] for rate in rates], 1)
    y = y + x if stride == 1 and y.shape == x.shape else y
    return esp_act(esp_norm(y, norm, ""), slopes, "")


def esp_fused(maps, line, wrong):
    """Sums along the rates."""
    if wrong == "unfused":
        return maps
    if wrong == "as given":
        line = list(range(len(maps)))
    if wrong == "backwards":
        line = line[:1] + line[:0:-1]
    out = list(maps)
    for before, place in pairwise(line):
        if before == line[0] and wrong != "from the first":
            continue
        out[place] = out[place] + (maps if wrong == "neighbours" else out)[before]
    if wrong == "sorted":
        return [out[place] for place in line]
    return out


def esp_norm(y, norm, wrong):
    mean, variance, scale, shift = (one.reshape(1, -1, 1, 1) for one in norm)
    if wrong == "no norm":
        return y
    if wrong == "own statistics":
        mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), unbiased=False, keepdim=True)
    if wrong == "mean kept":
        mean = 0
    if wrong in ("no scale", "neither"):
        scale = 1
    if wrong in ("no shift", "neither"):
        shift = 0
    if wrong == "shift, scale":
        scale, shift = shift, scale
    added = {"torch's epsilon": 1e-5, "no epsilon": 0, "outside": 0}.get(wrong, 1e-3)
    below = variance + added if wrong == "no root" else torch.sqrt(variance + added) + (wrong == "outside") * 1e-3
    return (y - mean) / below * scale + shift


def esp_act(y, slopes, wrong):
    a = slopes.reshape(-1, 1, 1)
    return {
        "no prelu": lambda: y, "relu": lambda: y.clamp(min=0), "one slope": lambda: F.prelu(y, slopes[0]),
        "maximum": lambda: torch.max(y, a * y),
    }.get(wrong, lambda: F.prelu(y, slopes))()  # fmt: skip


class EspModule(nn.Module):
    """Layers, with their weights put in."""

    def __init__(self, reduce, branches, rates, stride, norm, slopes):
        super().__init__()
        R, C, k, _ = reduce.shape
        self.reduce = nn.Conv2d(C, R, k, stride, k // 2, bias=False)
        self.look = nn.ModuleList(
            nn.Conv2d(R, len(w), 3, padding=r, dilation=r, bias=False) for w, r in zip(branches, rates, strict=True)
        )
        self.norm, self.act = nn.BatchNorm2d(len(slopes), eps=1e-3), nn.PReLU(len(slopes))
        self.rates, self.stride = rates, stride
        self.to(reduce.dtype)
        given = [reduce, *branches, norm[2], norm[3], slopes]
        with torch.no_grad():
            for mine, theirs in zip(self.parameters(), given, strict=True):
                mine.copy_(theirs)
            self.norm.running_mean.copy_(norm[0])
            self.norm.running_var.copy_(norm[1])

    def forward(self, x):
        few = self.reduce(x)
        found, total = {}, 0
        for number, (rate, layer) in enumerate(sorted(zip(self.rates, self.look, strict=True), key=lambda one: one[0])):
            total = layer(few) + (total if number > 1 else 0)
            found[rate] = total
        y = torch.cat([found[rate] for rate in self.rates], 1)
        if y.shape == x.shape and self.stride == 1:
            y = y + x
        return self.act(self.norm(y))


def esp_module(x, *weights):
    with torch.no_grad():
        return EspModule(*weights).eval()(x)


def esp_numpy(x, reduce, branches, rates, stride, norm, slopes, *, wrong=""):
    """Shifted slices; sums of all that has a smaller rate, but the smallest."""
    dtype = x.dtype

    def conv(y, weight, rate, step=1):
        weight, reach = weight.numpy(), rate * (weight.shape[2] // 2)
        H, W = y.shape[2:]
        wide = np.pad(y, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
        out = 0
        for u, v in np.ndindex(*weight.shape[2:]):
            part = wide[:, :, u * rate : u * rate + H : step, v * rate : v * rate + W : step]
            out = out + np.einsum("oc,nchw->nohw", weight[:, :, u, v], part)
        return out

    small = conv(x.numpy(), reduce, 1, stride)
    maps = [conv(small, weight, rate) for weight, rate in zip(branches, rates, strict=True)]
    least = min(rates)
    fused = []
    for rate, own in zip(rates, maps, strict=True):
        below = [m for r, m in zip(rates, maps, strict=True) if (least < r < rate and wrong != "unfused")]
        fused.append(own + sum(below))
    y = np.concatenate(fused, 1)
    if stride == 1 and y.shape[1] == x.shape[1] and wrong != "no input":
        y = y + x.numpy()
    mean, variance, scale, shift = (one.numpy()[:, None, None] for one in norm)
    y = (y - mean) * scale / np.sqrt(variance + (1e-5 if wrong == "torch's epsilon" else 1e-3)) + shift
    return torch.from_numpy(np.where(y > 0, y, y * slopes.numpy()[:, None, None])).to(dtype)


# exchange ----------------------------------------------------------------------------------------------------------


def exchange_torch(fine, coarse, up, down, *, wrong=""):
    """Both ways, worked out before anything is added."""
    if wrong == "both rectified":
        fine, coarse = F.relu(fine), F.relu(coarse)
    if wrong in ("stops", "stops up"):
        assert len(up) == 2
    if wrong in ("stops", "stops down"):
        assert len(down) > 0
    if wrong == "up only":
        down = None
    if wrong == "down only":
        up = None
    high = low = None
    if up is not None:
        high = exchange_rise(fine, coarse, up, wrong)
    if wrong == "fine first" and high is not None:
        fine, high = fine + high, torch.zeros_like(high)
    if down is not None:
        low = exchange_fall(fine, down, wrong)
    if wrong == "coarse first":
        coarse = coarse if low is None else coarse + low
        return fine if up is None else fine + exchange_rise(fine, coarse, up, wrong), coarse
    if wrong == "what is read is kept":
        fine, coarse = fine if low is None else fine.clamp(min=0), coarse if high is None else coarse.clamp(min=0)

    def met(own, other):
        if other is None:
            return own
        return {"alone": other, "product": own * other, "mean": 0.5 * (own + other)}.get(wrong, own + other)

    a, b = met(fine, high), met(coarse, low)
    a = F.relu(a) if wrong in ("relu", "relu fine") else a
    b = F.relu(b) if wrong in ("relu", "relu coarse") else b
    return (b, a) if wrong == "coarse, fine" else (a, b)


def exchange_rise(fine, coarse, up, wrong):
    read = coarse if wrong in ("no relu", "no relu up") else F.relu(coarse)
    weight, bias = up
    y = F.conv2d(read, weight[..., None, None], None if wrong in ("no bias up", "no bias") else bias)
    y = F.relu(y) if wrong == "relu behind 1x1" else y
    h, w = fine.shape[2:]
    times = 1
    while -(-h // (2 * times)) >= coarse.shape[2] and times < 2 ** (8):
        times *= 2
        if -(-h // times) == coarse.shape[2] and -(-w // times) == coarse.shape[3]:
            break
    if wrong == "cut":
        return F.interpolate(y, scale_factor=times, mode="bilinear")[:, :, :h, :w]
    if wrong in ("factor", "two"):
        return F.interpolate(y, scale_factor=2 if wrong == "two" else times, mode="bilinear")
    if wrong == "nearest":
        return F.interpolate(y, (h, w))
    return F.interpolate(y, (h, w), mode="bilinear", align_corners=wrong == "corners")


def exchange_fall(fine, down, wrong):
    y = fine if wrong in ("no relu", "no relu down") else fine.clamp(min=0)
    for number, (weight, bias) in enumerate(down):
        if number and wrong != "nothing between":
            y = y.relu()
        if wrong == "flipped":
            weight = weight.flip((2, 3))
        if wrong == "transposed":
            weight = weight.permute(0, 1, 3, 2)
        zeros = 0 if wrong == "unpadded" else 1
        if wrong == "edge":
            y, zeros = F.pad(y, (1, 1, 1, 1), "replicate"), 0
        y = F.conv2d(y, weight, None if wrong in ("no bias down", "no bias") else bias, stride=2, padding=zeros)
    return y.relu() if wrong == "relu at the end" else y


def exchange_numpy(fine, coarse, up, down):
    """Weights of the bilinear interpolation as two matrices; the 1×1 comes after it."""
    new_fine, new_coarse = fine, coarse
    if up is not None:
        weight, bias = up

        def matrix(large, small):
            at = (torch.arange(large, dtype=fine.dtype) + 0.5) * small / large - 0.5
            at = at.clamp(0, small - 1)
            return (1 - (at[:, None] - torch.arange(small)).abs()).clamp(min=0).to(fine.dtype)

        rows, columns = (matrix(a, b) for a, b in zip(fine.shape[2:], coarse.shape[2:], strict=True))
        wide = torch.einsum("ih,nchw,jw->ncij", rows, coarse.clamp(min=0), columns)
        new_fine = fine + torch.einsum("fc,ncij->nfij", weight, wide) + bias[:, None, None]
    if down is not None:
        y = fine
        for weight, bias in down:
            wide = F.pad(y.clamp(min=0), (1, 1, 1, 1))
            h, w = (-(-n // 2) for n in y.shape[2:])
            y = sum(
                torch.einsum("oc,nchw->nohw", weight[:, :, u, v], wide[:, :, u::2, v::2][:, :, :h, :w])
                for u in range(3)
                for v in range(3)
            )
            y = y + bias[:, None, None]
        new_coarse = y + coarse
    return new_fine, new_coarse


def exchange_modules(fine, coarse, up, down):
    """Layers; a list for the result."""
    with torch.no_grad():
        result = [fine, coarse]
        if up:
            layer = nn.Conv2d(coarse.shape[1], fine.shape[1], 1).to(fine.dtype)
            layer.weight.copy_(up[0][..., None, None])
            layer.bias.copy_(up[1])
            result[0] = nn.Upsample(size=fine.shape[2:], mode="bilinear")(layer(F.relu(coarse))).add(fine)
        if down:
            chain = []
            for weight, bias in down:
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, 2, 1).to(fine.dtype)
                layer.load_state_dict({"weight": weight, "bias": bias})
                chain += [nn.ReLU(), layer]
            result[1] = coarse + nn.Sequential(*chain)(fine)
    return result


def of_each(answer, change):
    """Something done to both maps at the end."""
    return lambda *args: tuple(change(one) for one in answer(*args))


RIGHT = {
    "esp_block": {"torch": esp_torch, "module": esp_module, "numpy": esp_numpy},
    "exchange": {"torch": exchange_torch, "numpy": exchange_numpy, "modules": exchange_modules},
}

WRONG = {
    "esp_block": {
        "fusion-missing": partial(esp_torch, wrong="unfused"),
        "fusion-missing numpy": partial(esp_numpy, wrong="unfused"),
        "fusion-from-the-smallest": partial(esp_torch, wrong="from the first"),
        "fusion-of-neighbours": partial(esp_torch, wrong="neighbours"),
        "fusion-backwards": partial(esp_torch, wrong="backwards"),
        "fusion-in-the-order-given": partial(esp_torch, wrong="as given"),
        "joined-by-rate": partial(esp_torch, wrong="sorted"),
        "branches-in-a-chain": partial(esp_torch, wrong="chain"),
        "sums-before-the-3x3": esp_fed,
        "rates-sorted-alone": lambda x, reduce, branches, rates, *rest: esp_torch(
            x, reduce, branches, sorted(rates), *rest
        ),
        "rates-ignored": partial(esp_torch, wrong="no rates"),
        "padding-of-one": partial(esp_torch, wrong="one zero"),
        "border-not-zero": partial(esp_torch, wrong="edge"),
        "kernel-flipped": partial(esp_torch, wrong="flipped"),
        "kernel-flipped rows and columns": partial(esp_torch, wrong="transposed"),
        "stride-ignored": partial(esp_torch, wrong="no stride"),
        "stride-ignored and x added": lambda x, reduce, branches, rates, stride, *rest: esp_numpy(
            x, reduce, branches, rates, 1, *rest
        ),
        "stride-in-the-branches": partial(esp_torch, wrong="late stride"),
        "reduced-without-zeros": partial(esp_torch, wrong="unpadded reduce"),
        "input-missing": partial(esp_torch, wrong="no input"),
        "input-missing numpy": partial(esp_numpy, wrong="no input"),
        "input-always-added": partial(esp_torch, wrong="always"),
        "input-always-added thinned out": partial(esp_torch, wrong="every second"),
        "input-added-late": partial(esp_torch, wrong="after norm"),
        "input-added-late at the end": partial(esp_torch, wrong="after all"),
        "norm-missing": partial(esp_torch, wrong="no norm"),
        "norm-of-the-map": partial(esp_torch, wrong="own statistics"),
        "epsilon-of-another-size": partial(esp_torch, wrong="torch's epsilon"),
        "epsilon-of-another-size numpy": partial(esp_numpy, wrong="torch's epsilon"),
        "epsilon-of-another-size none": partial(esp_torch, wrong="no epsilon"),
        "epsilon-outside-the-root": partial(esp_torch, wrong="outside"),
        "root-missing": partial(esp_torch, wrong="no root"),
        "mean-not-subtracted": partial(esp_torch, wrong="mean kept"),
        "scale-shift-ignored": partial(esp_torch, wrong="neither"),
        "scale-shift-ignored scale": partial(esp_torch, wrong="no scale"),
        "scale-shift-ignored shift": partial(esp_torch, wrong="no shift"),
        "scale-shift-exchanged": partial(esp_torch, wrong="shift, scale"),
        "prelu-missing": partial(esp_torch, wrong="no prelu"),
        "relu-for-prelu": partial(esp_torch, wrong="relu"),
        "one-slope-for-all": partial(esp_torch, wrong="one slope"),
        "maximum-for-prelu": partial(esp_torch, wrong="maximum"),
        "prelu-before-the-norm": partial(esp_torch, wrong="prelu first"),
        **several("first-picture-only", *first_only(esp_torch)),
        **several("left-flat", *laid_out(esp_torch)),
    },
    "exchange": {
        "one-after-the-other": partial(exchange_torch, wrong="fine first"),
        "one-after-the-other coarse first": partial(exchange_torch, wrong="coarse first"),
        "relu-after-the-sum": partial(exchange_torch, wrong="relu"),
        "relu-after-the-sum fine": partial(exchange_torch, wrong="relu fine"),
        "relu-after-the-sum coarse": partial(exchange_torch, wrong="relu coarse"),
        "not-rectified": partial(exchange_torch, wrong="no relu"),
        "not-rectified up": partial(exchange_torch, wrong="no relu up"),
        "not-rectified down": partial(exchange_torch, wrong="no relu down"),
        "rectified-maps-kept": partial(exchange_torch, wrong="both rectified"),
        "rectified-maps-kept where read": partial(exchange_torch, wrong="what is read is kept"),
        "rectified-maps-kept fine": lambda fine, *rest: exchange_torch(fine.clamp(min=0), *rest),
        "rectified-maps-kept coarse": lambda fine, coarse, *ways: exchange_torch(fine, coarse.clamp(min=0), *ways),
        "relu-behind-the-1x1": partial(exchange_torch, wrong="relu behind 1x1"),
        "relu-behind-the-last": partial(exchange_torch, wrong="relu at the end"),
        "relu-between-missing": partial(exchange_torch, wrong="nothing between"),
        "corners-aligned": partial(exchange_torch, wrong="corners"),
        "nearest-for-bilinear": partial(exchange_torch, wrong="nearest"),
        "factor-for-size": partial(exchange_torch, wrong="cut"),
        "factor-for-size uncut": partial(exchange_torch, wrong="factor"),
        "factor-for-size two": partial(exchange_torch, wrong="two"),
        "not-padded": partial(exchange_torch, wrong="unpadded"),
        "border-not-zero": partial(exchange_torch, wrong="edge"),
        "kernel-flipped": partial(exchange_torch, wrong="flipped"),
        "kernel-flipped rows and columns": partial(exchange_torch, wrong="transposed"),
        "bias-ignored": partial(exchange_torch, wrong="no bias"),
        "bias-ignored up": partial(exchange_torch, wrong="no bias up"),
        "bias-ignored down": partial(exchange_torch, wrong="no bias down"),
        "one-hears-nothing": partial(exchange_torch, wrong="up only"),
        "one-hears-nothing coarse": partial(exchange_torch, wrong="down only"),
        "silence-stops": partial(exchange_torch, wrong="stops"),
        "silence-stops up": partial(exchange_torch, wrong="stops up"),
        "silence-stops down": partial(exchange_torch, wrong="stops down"),
        "not-added": partial(exchange_torch, wrong="alone"),
        "multiplied": partial(exchange_torch, wrong="product"),
        "averaged": partial(exchange_torch, wrong="mean"),
        "results-exchanged": partial(exchange_torch, wrong="coarse, fine"),
        "first-picture-only": of_each(exchange_torch, lambda y: y[:1]),
        "first-picture-only for all": of_each(exchange_torch, lambda y: torch.cat([y[:1]] * len(y))),
    },
}
