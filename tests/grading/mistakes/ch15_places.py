"""Chapter 15, places: reading between pixels and choosing uncertain ones, right and wrong: torch, numpy and loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import after, altered, first_only, several

F = nn.functional

# sample_grid -------------------------------------------------------------------------------------------------------


def grid_loops(x, grid, padding_mode, align_corners, *, wrong=""):
    """A loop over the places; a picture with zeros, or its own edge, laid around it where it is read."""
    x, grid = np.asarray(x), np.asarray(grid)
    (N, C, H, W), (_, h, w, _) = x.shape, grid.shape
    aligned = {"aligned": True, "edges": False, "not": not align_corners}.get(wrong, align_corners)
    if wrong in ("zeros", "border"):
        padding_mode = wrong
    out = np.zeros((N, C, h, w), x.dtype)
    for n in range(N):
        for i in range(h):
            for j in range(w):
                gx, gy = grid[0 if wrong == "first grid" else n, i, j]
                if wrong == "exchanged":
                    gx, gy = gy, gx
                if wrong == "clamped" and padding_mode == "border":
                    gx, gy = (min(max(g, -1), 1) for g in (gx, gy))
                column = grid_place(gx, W, aligned, wrong)
                row = grid_place(gy, H, aligned, wrong)
                if wrong in ("one size", "width for both"):
                    column, row = (grid_place(g, W if wrong == "width for both" else H, aligned, "") for g in (gx, gy))
                if wrong == "sizes exchanged":
                    column, row = grid_place(gx, H, aligned, ""), grid_place(gy, W, aligned, "")
                if padding_mode == "border" and wrong != "clamped":
                    column, row = min(max(column, 0), W - 1), min(max(row, 0), H - 1)
                out[n, :, i, j] = grid_mix(x[n], row, column, padding_mode, wrong)
    return out


def grid_place(g, n, aligned, wrong):
    if wrong == "shares":
        g = 2 * g - 1
    if wrong == "pixels":
        return g
    if aligned:
        return (g + 1) * n / 2 if wrong == "size" else (g + 1) * (n - 1) / 2
    return ((g + 1) * n - (0 if wrong == "no half" else 1)) / 2


def grid_mix(picture, row, column, padding_mode, wrong):
    C, H, W = picture.shape
    top, left = math.floor(row), math.floor(column)
    if wrong == "cut" and not (0 <= row <= H - 1 and 0 <= column <= W - 1):
        return np.zeros(C)
    total, known = np.zeros(C), 0.0
    for i in (top, top + 1):
        for j in (left, left + 1):
            near = (1 - abs(row - i)) * (1 - abs(column - j))
            if wrong == "nearest":
                near = float(i == round(row) and j == round(column))
            if wrong == "upper left":
                near = float((i, j) == (top, left))
            if wrong == "far":
                near = abs(row - i) * abs(column - j)
            if wrong == "wraps":
                total += near * picture[:, i % H, j % W]
            elif 0 <= i < H and 0 <= j < W:
                total += near * picture[:, i, j]
                known += near
    return total / known if wrong == "renormalised" and known > 0 else total


def grid_torch(x, grid, padding_mode, align_corners):
    """torch's own."""
    return F.grid_sample(x, grid, padding_mode=padding_mode, align_corners=align_corners)


def grid_matrices(x, grid, padding_mode, align_corners):
    """Hats around every row and every column, multiplied with the picture."""
    sizes = torch.tensor([x.shape[3], x.shape[2]], dtype=x.dtype)
    at = (grid + 1) / 2 * (sizes - 1) if align_corners else ((grid + 1) * sizes - 1) / 2
    if padding_mode == "border":
        at = torch.minimum(at.clamp(min=0), sizes - 1)
    across = (1 - (at[..., :1] - torch.arange(x.shape[3])).abs()).clamp(min=0)  # N, h, w, W
    down = (1 - (at[..., 1:] - torch.arange(x.shape[2])).abs()).clamp(min=0)
    return torch.einsum("nchw,nijh,nijw->ncij", x, down.to(x.dtype), across.to(x.dtype))


def grid_padded(x, grid, padding_mode, align_corners):
    """A ring of zeros, and places kept within it."""
    N, C, H, W = x.shape
    x = F.pad(x, (1, 1, 1, 1))
    gx, gy = grid.unbind(3)
    if align_corners:
        u, v = (gx + 1) * (W - 1) / 2, (gy + 1) * (H - 1) / 2
    else:
        u, v = gx * W / 2 + (W - 1) / 2, gy * H / 2 + (H - 1) / 2
    edge = 0 if padding_mode == "border" else 1
    u, v = u.clamp(-edge, W - 1 + edge) + 1, v.clamp(-edge, H - 1 + edge) + 1
    left, top = u.floor().long().clamp(max=W), v.floor().long().clamp(max=H)
    a, b = (u - left)[:, None], (v - top)[:, None]
    pictures = torch.arange(N)[:, None, None]

    def at(i, j):
        return x[pictures, :, i, j].permute(0, 3, 1, 2)

    upper = torch.lerp(at(top, left), at(top, left + 1), a.expand(-1, C, -1, -1))
    return torch.lerp(upper, torch.lerp(at(top + 1, left), at(top + 1, left + 1), a.expand(-1, C, -1, -1)), b)


# uncertain_points --------------------------------------------------------------------------------------------------


def points_torch(scores, count, *, wrong=""):
    """topk twice: over the classes, and over the pixels."""
    _, K, h, w = scores.shape
    p = scores.flatten(2)
    if K == 1:
        p = torch.cat([p, 0 * p], 1)  # the softmax of a score and of 0 is its sigmoid
    if wrong == "space":
        p = F.softmax(p, 2)
    elif wrong != "scores":
        p = F.softmax(p, 1)
    best = torch.topk(p, 2, 1)[0]
    doubt = best[:, 1] - best[:, 0]
    if wrong == "first":
        doubt = -(p[:, 0] - p[:, 1]).abs()
    elif wrong == "certain":
        doubt = -doubt
    elif wrong == "likeliest":
        doubt = 1 - best[:, 0]
    elif wrong == "entropy":
        doubt = torch.special.entr(p).sum(1)
    elif wrong == "worst":
        two = p.sort(1).values[:, :2]
        doubt = two[:, 0] - two[:, 1]
    elif wrong == "low" and K == 1:
        doubt = -scores.flatten(1)
    index = torch.topk(doubt, count, 1)[1]
    if wrong == "in order":
        index = torch.sort(index, 1)[0]
    return points_places(index, h, w, scores.dtype, wrong)


def points_places(index, h, w, dtype, wrong):
    y, x = (index // w).to(dtype), (index % w).to(dtype)
    if wrong == "columns":
        y, x = (index % h).to(dtype), (index // h).to(dtype)
    high, wide = {"height": (h, h), "width": (w, w), "exchanged": (w, h)}.get(wrong, (h, w))
    if wrong == "corners":
        return torch.stack([x / w, y / h], 2)
    if wrong in ("edges", "edges, one kept"):
        least = 1 if wrong == "edges, one kept" else 0
        return torch.stack([x / max(w - 1, least), y / max(h - 1, least)], 2)
    if wrong == "pixels":
        return torch.stack([x, y], 2)
    if wrong == "centres":
        return torch.stack([x, y], 2) + 0.5
    if wrong == "grid":
        return torch.stack([(2 * x + 1) / w - 1, (2 * y + 1) / h - 1], 2)
    if wrong == "y first":
        return torch.stack([(y + 0.5) / h, (x + 0.5) / w], 2)
    found = torch.stack([(x + 0.5) / wide, (y + 0.5) / high], 2)
    return found.transpose(1, 2) if wrong == "transposed" else found.flip(1) if wrong == "last first" else found


def points_breaking(scores, count):
    """Two classes are looked for where there is one."""
    p = scores.softmax(1)
    two = p.topk(2, 1).values
    index = (two[:, 0] - two[:, 1]).flatten(1).argsort(1)[:, :count]
    return points_places(index, *scores.shape[2:], scores.dtype, "")


def points_numpy(scores, count, *, wrong=""):
    """A list of pixels of each picture, sorted."""
    found = []
    for picture in np.asarray(scores):
        K, h, w = picture.shape
        places = []
        for i in range(h):
            for j in range(w):
                e = np.exp(picture[:, i, j])
                p = np.sort(e / e.sum()) if K > 1 else np.sort([e[0] / (1 + e[0]), 1 / (1 + e[0])])
                gap = -p[-1] if wrong == "certain" else p[-1] if wrong == "likeliest" else p[-1] - p[-2]
                places.append((gap, (j + 0.5) / w, (i + 0.5) / h))
        found.append([[x, y] for _, x, y in sorted(places)[:count]])
    return np.array(found, np.asarray(scores).dtype)


RIGHT = {
    "sample_grid": {
        "loops": grid_loops, "torch": grid_torch, "matrices": grid_matrices, "padded": grid_padded,
    },
    "uncertain_points": {"torch": points_torch, "numpy": points_numpy},
}  # fmt: skip

WRONG = {
    "sample_grid": {
        "corners-always": partial(grid_loops, wrong="aligned"),
        "corners-never": partial(grid_loops, wrong="edges"),
        "corners-never torch": lambda x, grid, mode, aligned: F.grid_sample(
            x, grid, padding_mode=mode, align_corners=False
        ),
        "corners-inverted": partial(grid_loops, wrong="not"),
        "half-pixel-missing": partial(grid_loops, wrong="no half"),
        "last-centre-at-size": partial(grid_loops, wrong="size"),
        "x-y-exchanged": partial(grid_loops, wrong="exchanged"),
        "zero-to-one": partial(grid_loops, wrong="shares"),
        "places-in-pixels": partial(grid_loops, wrong="pixels"),
        "one-size-for-both": partial(grid_loops, wrong="one size"),
        "one-size-for-both the width": partial(grid_loops, wrong="width for both"),
        "one-size-for-both exchanged": partial(grid_loops, wrong="sizes exchanged"),
        "padding-mode-ignored": partial(grid_loops, wrong="zeros"),
        "padding-mode-ignored border": partial(grid_loops, wrong="border"),
        "outside-cut-off": partial(grid_loops, wrong="cut"),
        "outside-renormalised": partial(grid_loops, wrong="renormalised"),
        "wraps-around": partial(grid_loops, wrong="wraps"),
        "border-of-the-grid": partial(grid_loops, wrong="clamped"),
        "nearest": partial(grid_loops, wrong="nearest"),
        "nearest torch": lambda x, grid, mode, aligned: F.grid_sample(x, grid, "nearest", mode, aligned),
        "upper-left-only": partial(grid_loops, wrong="upper left"),
        "weights-exchanged": partial(grid_loops, wrong="far"),
        "first-grid-for-all": partial(grid_loops, wrong="first grid"),
        "first-grid-for-all torch": altered(grid_torch, 1, lambda grid: grid[:1].expand_as(grid))[0],
        **several("first-picture-only", *first_only(grid_torch)),
        **several("first-channel-only", *first_only(grid_torch, 1)),
        "result-transposed": after(grid_matrices, lambda r: r.transpose(2, 3))[0],
    },
    "uncertain_points": {
        "most-certain": partial(points_torch, wrong="certain"),
        "last-first": partial(points_torch, wrong="last first"),
        "line-by-line": partial(points_torch, wrong="in order"),
        "scores-for-probabilities": partial(points_torch, wrong="scores"),
        "likeliest-alone": partial(points_torch, wrong="likeliest"),
        "likeliest-alone numpy": partial(points_numpy, wrong="likeliest"),
        "entropy": partial(points_torch, wrong="entropy"),
        "least-likely-two": partial(points_torch, wrong="worst"),
        "first-two-classes": partial(points_torch, wrong="first"),
        "softmax-over-space": partial(points_torch, wrong="space"),
        "one-class-breaks": points_breaking,
        "one-class-by-itself": partial(points_torch, wrong="low"),
        "corners-not-centres": partial(points_torch, wrong="corners"),
        "centres-at-the-edges": partial(points_torch, wrong="edges"),
        "centres-at-the-edges with one row": partial(points_torch, wrong="edges, one kept"),
        "in-pixels": partial(points_torch, wrong="pixels"),
        "in-pixels their centres": partial(points_torch, wrong="centres"),
        "minus-one-to-one": partial(points_torch, wrong="grid"),
        "y-first": partial(points_torch, wrong="y first"),
        "column-by-column": partial(points_torch, wrong="columns"),
        "one-size-for-both": partial(points_torch, wrong="height"),
        "one-size-for-both the width": partial(points_torch, wrong="width"),
        "one-size-for-both exchanged": partial(points_torch, wrong="exchanged"),
        **several("first-picture-only", *first_only(points_torch)),
        "left-transposed": partial(points_torch, wrong="transposed"),
    },
}
