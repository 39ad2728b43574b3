"""Chapter 13, its attention, right and wrong: torch's functions, numpy and loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import first_only, laid_out, several

F = nn.functional

# attend_maps -------------------------------------------------------------------------------------------------------


def attend_torch(query, key, value, heads, mask, *, wrong=""):
    """Rows of cells, a dimension for the heads, a softmax."""
    N, E, h, w = query.shape
    D, (hs, ws) = value.shape[1], key.shape[2:]
    if wrong == "key for value":
        value, D = key, E
    if wrong == "heads":
        heads = 1

    def rows(x, listener=False):
        if wrong == "columns" or (wrong == "columns of listeners" and listener):
            x = x.transpose(2, 3)
        elif wrong == "columns throughout":
            x = x.transpose(2, 3)
        return x.flatten(2).permute(0, 2, 1)  # N, cells, channels

    def parts(x):
        cells, channels = x.shape[1:]
        if wrong == "split rows" or wrong == "reshape both":
            return x.reshape(N, heads, cells, channels // heads)
        if wrong in ("interleaved", "interleaved back"):
            return x.reshape(N, cells, channels // heads, heads).permute(0, 3, 1, 2)
        return x.reshape(N, cells, heads, channels // heads).permute(0, 2, 1, 3)

    q, k, v = parts(rows(query, True)), parts(rows(key)), parts(rows(value))
    if wrong == "split channels":
        q, k, v = (x.reshape(N, heads, x.shape[2] * x.shape[3], -1) for x in (query, key, value))
    products = torch.matmul(q, k.transpose(2, 3)) * attend_scale(E, D, heads, wrong)
    out = torch.matmul(attend_shares(products, mask, wrong), v)  # N, H, L, D/H
    if wrong == "split channels":
        return out.reshape(N, D, h, w)
    if wrong in ("join", "reshape both"):
        out = out.reshape(N, h * w, D)
    elif wrong == "mean of heads":
        out = out.sum(1) / heads
    elif wrong == "interleaved back":
        out = torch.stack(list(out.unbind(1)), -1).reshape(N, h * w, D)
    else:
        out = torch.cat(list(out.unbind(1)), 2)
    out = out.permute(0, 2, 1)
    if wrong in ("columns throughout", "result in columns"):
        return out.reshape(N, -1, w, h).transpose(2, 3)
    if wrong == "their size":
        return out.reshape(N, D, hs, ws)
    return out.reshape(N, -1, h, w)


def attend_scale(E, D, heads, wrong):
    if wrong == "D":
        return 1 / math.sqrt(D / heads)
    return {
        "no scale": 1, "all channels": 1 / math.sqrt(E), "no root": 1 / (E / heads), "times": math.sqrt(E / heads)
    }.get(wrong, 1 / math.sqrt(E / heads))  # fmt: skip


def attend_shares(products, mask, wrong):
    if mask is not None and wrong == "inverted":
        mask = ~mask
    if mask is not None and wrong == "transposed":
        mask = mask.T
    if mask is None or wrong == "no mask":
        mask = torch.ones(products.shape[2:], dtype=torch.bool)
    if wrong == "first row":
        mask = mask[0].repeat(len(mask), 1)
    if wrong == "raw":
        return products * mask
    if wrong == "after":
        return products.softmax(-1) * mask
    if wrong == "zeros":
        return (products * mask).softmax(-1)
    if wrong == "overflow":
        exps = torch.exp(products) * mask
        return exps / exps.sum(-1, keepdim=True).clamp(min=1e-30)
    if wrong == "large negative":
        return torch.where(mask, products, -1e9).softmax(-1)
    products = torch.where(mask, products, -math.inf)
    if wrong == "loudest":
        return torch.zeros_like(products).scatter(3, products.argmax(3, keepdim=True), 1.0) * mask
    if wrong == "nan":
        return products.softmax(-1)
    if wrong == "pairs":
        return torch.nan_to_num(products.flatten(2).softmax(2)).reshape(products.shape)
    return torch.nan_to_num(products.softmax({"listeners": 2, "over heads": 1}.get(wrong, 3)))


def attend_fused(query, key, value, heads, mask):
    """torch's own attention; who hears nobody is seen to."""
    q, k, v = (x.reshape(len(x), heads, -1, x[0, 0].numel()).mT for x in (query, key, value))
    heard = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    if mask is not None:
        heard = torch.where(mask.any(1)[:, None], heard, torch.zeros_like(heard))
    return heard.mT.reshape(len(query), -1, *query.shape[2:])


def attend_loops(query, key, value, heads, mask, *, wrong=""):
    """One picture, head and listener after the other; numpy for the rest."""
    query, key, value = (np.asarray(x) for x in (query, key, value))
    N, E, h, w = query.shape
    D, e, d = value.shape[1], E // heads, value.shape[1] // heads
    out = np.zeros((N, D, h, w), query.dtype)
    for n in range(N):
        for head in range(heads):
            q, k = (x[n, head * e : (head + 1) * e].reshape(e, -1) for x in (query, key))
            v = value[n, head * d : (head + 1) * d].reshape(d, -1)
            for listener in range(h * w):
                allowed = np.ones(k.shape[1], bool) if mask is None else mask[listener].numpy()
                if wrong == "inverted" and mask is not None:
                    allowed = ~allowed
                if not allowed.any():
                    if wrong == "mean":
                        out[n, head * d : (head + 1) * d, listener // w, listener % w] = v.mean(1)
                    continue
                products = q[:, listener] @ k / (1 if wrong == "no scale" else np.sqrt(E if wrong == "E" else e))
                if wrong == "zeros":
                    products, allowed = products * allowed, np.ones_like(allowed)
                highest = products.max() if wrong == "after" else products[allowed].max()
                shares = np.exp(products - highest) * (True if wrong == "after" else allowed)
                shares = shares / shares.sum() * allowed
                out[n, head * d : (head + 1) * d, listener // w, listener % w] = v @ shares
    return out


def attend_einsum(query, key, value, heads, mask):
    """Nothing is flattened; a softmax written out."""
    _, E, h, w = query.shape
    q, k, v = (x.unflatten(1, (heads, -1)) for x in (query, key, value))  # N, H, channels, rows, columns
    products = torch.einsum("nacij,nackl->naijkl", q, k) / (E // heads) ** 0.5
    allowed = torch.ones(h, w, *key.shape[2:], dtype=torch.bool)
    if mask is not None:
        allowed = mask.reshape(h, w, *key.shape[2:])
    lowest = torch.finfo(products.dtype).min
    products = products - products.masked_fill(~allowed, lowest).amax((4, 5), keepdim=True)
    shares = torch.where(allowed, products.clamp(max=0).exp(), 0)
    shares = shares / shares.sum((4, 5), keepdim=True).clamp(min=0.5)
    return torch.einsum("naijkl,nadkl->nadij", shares, v).flatten(1, 2)


# criss_cross -------------------------------------------------------------------------------------------------------


def cross_torch(height, width, step, *, wrong=""):
    """Differences of rows and of columns."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    row, column = row.flatten(), column.flatten()
    if wrong == "exchanged":
        cell = torch.arange(height * width)
        row, column = cell // height, cell % height
    down, right = row[None] - row[:, None], column[None] - column[:, None]
    if wrong in ("border", "border and itself"):
        heard = ((down == 0) & (column % step == 0)) | ((right == 0) & (row % step == 0))
        return heard if wrong == "border" else heard | torch.eye(len(row)).bool()
    along_row = (down == 0) & (right % (1 if wrong == "columns stepped" else step) == 0)
    along_column = (right == 0) & (down % (1 if wrong == "rows stepped" else step) == 0)
    both = along_row | along_column
    heard = {
        "row": along_row, "column": along_column, "and": along_row & along_column,
        "grid": down % step + right % step == 0, "before": both & (down <= 0) & (right <= 0),
        "square": (down.abs() <= step) & (right.abs() <= step), "not itself": both & ~torch.eye(len(row)).bool(),
        "diagonals": ((down == right) | (down == -right)) & (right % step == 0),
        "reach": (down.abs() + right.abs() <= step) & ((down == 0) | (right == 0)), "inverted": torch.logical_not(both),
        "nearest": both & (down.abs() + right.abs() <= step),
    }.get(wrong, both)  # fmt: skip
    if wrong == "numbers":
        return heard.float()
    shapes = {
        "unflattened": (height, width, height, width), "maps of listeners": (height, width, height * width),
        "maps of speakers": (height * width, height, width),
    }  # fmt: skip
    return heard.reshape(shapes.get(wrong, (height * width, height * width)))


def cross_loops(height, width, step, *, wrong=""):
    """From each cell in four directions, in steps."""
    heard = torch.zeros(height, width, height, width, dtype=torch.bool)
    for i in range(height):
        for j in range(width):
            if wrong == "around":
                for n in range(0, height, step):
                    heard[i, j, (i + n) % height, j] = True
                for n in range(0, width, step):
                    heard[i, j, i, (j + n) % width] = True
                continue
            if wrong == "whole lines":
                heard[i, j, i] = heard[i, j, :, j] = True
                continue
            for n in range(0, max(height, width), step):
                if i + n < height:
                    heard[i, j, i + n, j] = True
                if j + n < width:
                    heard[i, j, i, j + n] = True
                if i >= n and wrong != "after":
                    heard[i, j, i - n, j] = True
                if j >= n and wrong != "after":
                    heard[i, j, i, j - n] = True
            if wrong == "not itself":
                heard[i, j, i, j] = False
    return heard.flatten(2).flatten(0, 1)


def cross_numpy(height, width, step):
    """A band matrix for each axis, and Kronecker products."""

    def band(n):
        return np.subtract.outer(np.arange(n), np.arange(n)) % step == 0

    rows, columns = np.kron(np.eye(height), band(width)), np.kron(band(height), np.eye(width))
    return (rows + columns) > 0


def cross_list(height, width, step):
    """A list of lists."""
    cells = [(i, j) for i in range(height) for j in range(width)]
    return [[(i == k and (j - m) % step == 0) or (j == m and (i - k) % step == 0) for k, m in cells] for i, j in cells]


RIGHT = {
    "attend_maps": {
        "torch": attend_torch, "fused": attend_fused, "loops": attend_loops, "einsum": attend_einsum,
    },
    "criss_cross": {"torch": cross_torch, "loops": cross_loops, "numpy": cross_numpy, "list": cross_list},
}  # fmt: skip

WRONG = {
    "attend_maps": {
        "softmax-over-listeners": partial(attend_torch, wrong="listeners"),
        "softmax-over-heads": partial(attend_torch, wrong="over heads"),
        "softmax-over-all-pairs": partial(attend_torch, wrong="pairs"),
        "softmax-missing": partial(attend_torch, wrong="raw"),
        "loudest-only": partial(attend_torch, wrong="loudest"),
        "overflows": partial(attend_torch, wrong="overflow"),
        "scale-missing": partial(attend_torch, wrong="no scale"),
        "scale-missing loops": partial(attend_loops, wrong="no scale"),
        "scale-of-all-channels": partial(attend_torch, wrong="all channels"),
        "scale-of-all-channels loops": partial(attend_loops, wrong="E"),
        "root-missing": partial(attend_torch, wrong="no root"),
        "scale-inverted": partial(attend_torch, wrong="times"),
        "scale-of-value": partial(attend_torch, wrong="D"),
        "heads-ignored": partial(attend_torch, wrong="heads"),
        "heads-ignored but in the scale": lambda query, key, value, heads, mask: attend_fused(
            query * heads**0.5, key, value, 1, mask
        ),
        "heads-interleaved": partial(attend_torch, wrong="interleaved"),
        "heads-interleaved and back": partial(attend_torch, wrong="interleaved back"),
        "split-by-reshaping": partial(attend_torch, wrong="split rows"),
        "split-by-reshaping channels": partial(attend_torch, wrong="split channels"),
        "split-by-reshaping both ways": partial(attend_torch, wrong="reshape both"),
        "joined-by-reshaping": partial(attend_torch, wrong="join"),
        "heads-averaged": partial(attend_torch, wrong="mean of heads"),
        "mask-ignored": partial(attend_torch, wrong="no mask"),
        "mask-inverted": partial(attend_torch, wrong="inverted"),
        "mask-inverted loops": partial(attend_loops, wrong="inverted"),
        "mask-after-softmax": partial(attend_torch, wrong="after"),
        "mask-after-softmax loops": partial(attend_loops, wrong="after"),
        "masked-with-zero": partial(attend_torch, wrong="zeros"),
        "mask-transposed": partial(attend_torch, wrong="transposed"),
        "mask-of-the-first-row": partial(attend_torch, wrong="first row"),
        "nobody-is-nan": partial(attend_torch, wrong="nan"),
        "nobody-hears-all": partial(attend_torch, wrong="large negative"),
        "nobody-hears-all loops": partial(attend_loops, wrong="mean"),
        "columns-first": partial(attend_torch, wrong="result in columns"),
        "columns-first throughout": partial(attend_torch, wrong="columns throughout"),
        "columns-first for all that is read": partial(attend_torch, wrong="columns"),
        "columns-first for the listeners": partial(attend_torch, wrong="columns of listeners"),
        "query-key-exchanged": lambda query, key, *rest: attend_torch(key, query, *rest),
        "key-for-value": partial(attend_torch, wrong="key for value"),
        "size-of-the-speakers": partial(attend_torch, wrong="their size"),
        **several("first-picture-only", *first_only(attend_torch)),
        **several("left-flat", *laid_out(attend_torch)),
    },
    "criss_cross": {
        "row-only": partial(cross_torch, wrong="row"),
        "column-only": partial(cross_torch, wrong="column"),
        "intersection": partial(cross_torch, wrong="and"),
        "diagonals": partial(cross_torch, wrong="diagonals"),
        "whole-grid": partial(cross_torch, wrong="grid"),
        "itself-missing": partial(cross_torch, wrong="not itself"),
        "itself-missing loops": partial(cross_loops, wrong="not itself"),
        "counted-from-the-border": partial(cross_torch, wrong="border"),
        "counted-from-the-border and itself": partial(cross_torch, wrong="border and itself"),
        "step-in-one-axis": partial(cross_torch, wrong="columns stepped"),
        "step-in-one-axis rows": partial(cross_torch, wrong="rows stepped"),
        "step-ignored": partial(cross_loops, wrong="whole lines"),
        "step-as-reach": partial(cross_torch, wrong="reach"),
        "window": partial(cross_torch, wrong="square"),
        "nearest-only": partial(cross_torch, wrong="nearest"),
        "one-direction": partial(cross_torch, wrong="before"),
        "one-direction loops": partial(cross_loops, wrong="after"),
        "wraps-around": partial(cross_loops, wrong="around"),
        "step-off-by-one": lambda height, width, step: cross_loops(height, width, step + 1),
        "step-off-by-one too near": lambda height, width, step: cross_list(height, width, step - 1),
        "step-off-by-one too near, loops": lambda height, width, step: cross_loops(height, width, step - 1),
        "height-width-exchanged": partial(cross_torch, wrong="exchanged"),
        "inverted": partial(cross_torch, wrong="inverted"),
        "left-unflattened": partial(cross_torch, wrong="unflattened"),
        "left-unflattened listeners": partial(cross_torch, wrong="maps of listeners"),
        "left-unflattened speakers": partial(cross_torch, wrong="maps of speakers"),
        "wrong-dtype": partial(cross_torch, wrong="numbers"),
        "wrong-dtype whole numbers": lambda *sizes: cross_numpy(*sizes).astype(int),
        "wrong-dtype list": lambda *sizes: [[int(heard) for heard in row] for row in cross_list(*sizes)],
    },
}
