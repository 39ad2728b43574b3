"""Chapter 13, its codes and regions, right and wrong: torch's functions, numpy and loops."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from tests.grading.mistakes.families import after, first_only, several

F = nn.functional

# encode_valid ------------------------------------------------------------------------------------------------------


def encode_torch(x, codewords, scale, valid, *, wrong=""):
    """All differences at once; what is not valid is put to 0 where it is added."""
    N, C, h, w = x.shape
    K = len(codewords)
    part = valid.reshape(N, h * w)
    if wrong == "all":
        part = torch.ones_like(part)
    if wrong == "others":
        part = torch.logical_not(part)
    if wrong == "first mask":
        part = part[0].repeat(N, 1)
    if wrong == "columns":
        part = valid.transpose(1, 2).reshape(N, h * w)
    if wrong in ("zeros", "times"):
        x = x * valid[:, None] if wrong == "times" else x.masked_fill(~valid[:, None], 0.0)
        part = torch.ones_like(part)
    pixels = x.permute(0, 2, 3, 1).reshape(N, h * w, 1, C)
    away = pixels - codewords.reshape(1, 1, K, C)
    squares = (away**2).mean(3) if wrong == "mean" else (away**2).sum(3)
    if wrong == "distance":
        squares = torch.linalg.vector_norm(away, dim=3)
    if wrong == "product":
        squares = torch.einsum("npxc,kc->npk", pixels, codewords)
    if wrong == "sign":
        scale = -scale
    shares = encode_shares(squares, scale, part, wrong)
    told = pixels if wrong == "pixels" else away
    each = shares[..., None] * (-told if wrong == "reversed" else told)
    if wrong == "nan":
        total = (each * part[..., None, None]).sum(1)
    else:
        total = torch.where(part[..., None, None], each, torch.zeros_like(each)).sum(1)
    if wrong == "mean of valid":
        total = total / part.sum(1).reshape(N, 1, 1)
    if wrong == "mean of all":
        total = total / (h * w)
    if wrong == "mean by shares":
        total = total / torch.where(part[..., None], shares, 0.0).sum(1)[..., None]
    if wrong == "transposed":
        return total.permute(0, 2, 1)
    return total.reshape(N, K * C) if wrong == "flat" else total


def encode_shares(squares, scale, part, wrong):
    if wrong == "no scale":
        return F.softmax(-squares, 2)
    if wrong == "one scale":
        scale = scale[0]
    if wrong == "outside":
        return scale * F.softmax(squares, 2)
    if wrong == "outside minus":
        return F.softmax(-squares, 2) * scale
    products = scale * squares
    if wrong == "nearest":
        return F.one_hot(squares.argmin(2), squares.shape[2]).to(squares.dtype)
    if wrong == "largest":
        return F.one_hot(products.argmax(2), squares.shape[2]).to(squares.dtype)
    if wrong == "over pixels":
        return F.softmax(products, 1)
    if wrong == "over valid":
        return F.softmax(products.masked_fill(~part[..., None], -torch.inf), 1)
    if wrong == "raw":
        return products
    if wrong in ("exp", "underflow"):
        exps = torch.exp(products)
        return exps / (exps.sum(2, keepdim=True) if wrong == "underflow" else 1)
    return F.softmax(products, 2)


def encode_loops(x, codewords, scale, valid, *, wrong=""):
    """Pixel after pixel, in numpy."""
    x, words, s = x.numpy(), codewords.numpy(), scale.numpy()
    out = np.zeros((len(x), *words.shape), x.dtype)
    for n, picture in enumerate(x):
        for i, j in np.ndindex(picture.shape[1:]):
            if not valid[n, i, j] and wrong != "all":
                continue
            away = picture[:, i, j] - words  # K, C
            exponents = s * (away**2).sum(1)
            if wrong == "distance":
                exponents = s * np.sqrt((away**2).sum(1))
            if wrong == "sign":
                exponents = -exponents
            shares = np.exp(exponents - exponents.max())
            shares = shares / shares.sum()
            if wrong == "nearest":
                shares = np.arange(len(s)) == exponents.argmax()
            out[n] += shares[:, None] * (picture[:, i, j] if wrong == "pixels" else away)
    return out


def encode_cdist(x, codewords, scale, valid):
    """The valid pixels of each picture, one picture after the other; two sums in place of the differences."""
    found = []
    for picture, mask in zip(x, valid, strict=True):
        pixels = picture[:, mask].T  # P, C
        shares = torch.softmax(
            scale * torch.cdist(pixels, codewords, compute_mode="donot_use_mm_for_euclid_dist") ** 2, 1
        )
        found.append(shares.T @ pixels - shares.sum(0)[:, None] * codewords)
    return torch.stack(found)


def encode_of_each_word(x, codewords, scale, valid):
    """Word after word; the softmax over a stack."""
    x = torch.nan_to_num(x, 0.0, 0.0, 0.0)
    ways = [x - word[:, None, None] for word in codewords]
    shares = torch.stack([s * way.square().sum(1) for s, way in zip(scale, ways, strict=True)]).log_softmax(0).exp()
    return torch.stack([(way * (a * valid)[:, None]).sum((2, 3)) for way, a in zip(ways, shares, strict=True)], 1)


# regions -----------------------------------------------------------------------------------------------------------


def regions_torch(cells, guess, known, query, key, *, wrong=""):
    """Rows of cells, matrix products."""
    N, D, h, w = cells.shape
    K, L = guess.shape[1], h * w
    read = cells.transpose(2, 3) if wrong == "columns" else cells
    rows = read.reshape(N, D, L).permute(0, 2, 1)  # N, L, D
    if wrong == "columns":
        guess, known = guess.transpose(2, 3), known.transpose(1, 2)
    scores, sure = guess.reshape(N, K, L), known.reshape(N, 1, L)
    if wrong == "together":
        every = scores.masked_fill(~sure, -torch.inf).permute(1, 0, 2).reshape(K, N * L)
        found = (torch.nan_to_num(every.softmax(1)) @ rows.reshape(N * L, D)).repeat(N, 1, 1)
    else:
        found = torch.bmm(regions_weights(scores, sure, wrong), rows)  # N, K, D
    q, k = rows @ query.T, found @ key.T
    if wrong == "exchanged weights":
        q, k = rows @ key.T, found @ query.T
    if wrong in ("query for both", "key for both"):
        both = query if wrong == "query for both" else key
        q, k = rows @ both.T, found @ both.T
    values = found
    if wrong == "cells":
        k, values = rows @ key.T, rows
    if wrong == "keys":
        values = k
    root = {"no scale": 1.0, "D": D**0.5}.get(wrong, len(query) ** 0.5)
    shares = torch.softmax(torch.einsum("nle,nke->nlk", q, k) / root, 1 if wrong == "listeners" else 2)
    heard = shares @ values  # N, L, D
    if wrong == "unknown deaf":
        heard = torch.where(sure.permute(0, 2, 1), heard, 0.0)
    if wrong == "rows":
        return found, heard
    heard = heard.permute(0, 2, 1)
    if wrong == "flat":
        return found, heard
    if wrong == "written in columns":
        return found, heard.reshape(N, -1, w, h).transpose(2, 3)
    heard = heard.reshape(N, -1, h, w)
    if wrong == "added":
        heard = heard + cells
    if wrong == "transposed":
        return found.permute(0, 2, 1), heard
    return (heard, found) if wrong == "exchanged" else (found, heard)


def regions_weights(scores, sure, wrong):
    """N×K×L."""
    K, L = scores.shape[1:]
    if wrong == "unknown too":
        sure = torch.ones_like(sure)
    if wrong == "inverted":
        sure = torch.logical_not(sure)
    if wrong in ("classes", "normalised"):
        weights = scores.softmax(1) * sure
        return weights if wrong == "classes" else torch.nan_to_num(weights / weights.sum(2, keepdim=True))
    if wrong == "hard":
        mine = (scores.argmax(1, keepdim=True) == torch.arange(K).reshape(1, K, 1)) & sure
        return mine / mine.sum(2, keepdim=True).clamp(min=1).to(scores.dtype)
    if wrong == "zero":
        return (scores * sure).softmax(2)
    if wrong == "late":
        return scores.softmax(2) * sure
    if wrong == "large negative":
        return torch.where(sure, scores, -1e9).softmax(2)
    hidden = torch.where(sure, scores, -torch.inf)
    if wrong == "best":
        return torch.nn.functional.one_hot(hidden.argmax(2), L).to(scores.dtype) * sure
    if wrong == "overflow":
        exps = hidden.exp()
        return exps / exps.sum(2, keepdim=True).clamp(min=1e-30)
    return hidden.softmax(2) if wrong == "nan" else torch.nan_to_num(hidden.softmax(2))


def regions_loops(cells, guess, known, query, key, *, wrong=""):
    """Numpy: picture by picture, class by class, cell by cell."""
    cells, guess, known, query, key = (np.asarray(a) for a in (cells, guess, known, query, key))
    N, D, h, w = cells.shape
    K = guess.shape[1]
    found, heard = np.zeros((N, K, D), cells.dtype), np.zeros_like(cells)
    for n in range(N):
        sure = np.ones_like(known[n]) if wrong == "unknown too" else known[n]
        for k in range(K):
            if not sure.any():
                continue
            scores = guess[n, k][sure]
            weights = np.exp(scores - scores.max())
            if wrong == "classes":
                every = np.exp(guess[n] - guess[n].max(0))
                weights = (every / every.sum(0))[k][sure]
            else:
                weights = weights / weights.sum()
            found[n, k] = cells[n][:, sure] @ weights
        keys = found[n] @ key.T  # K, E
        for i, j in np.ndindex(h, w):
            products = keys @ query @ cells[n, :, i, j]
            products = products if wrong == "no scale" else products / np.sqrt(len(query))
            shares = np.exp(products - products.max())
            heard[n, :, i, j] = shares / shares.sum() @ (keys if wrong == "keys" else found[n])
    return found, heard


def regions_fused(cells, guess, known, query, key):
    """The known cells picked out; 1×1 convolutions; torch's attention."""
    found = []
    for rows, scores, mask in zip(cells, guess, known, strict=True):
        weights = F.softmax(scores[:, mask], dim=1)  # K, those that are known
        found.append(weights @ rows[:, mask].T)
    found = torch.stack(found)
    asked = F.conv2d(cells, query[..., None, None]).flatten(2).mT.contiguous()
    heard = F.scaled_dot_product_attention(asked, F.linear(found, key), found)
    return found, heard.mT.reshape(cells.shape)


RIGHT = {
    "encode_valid": {
        "torch": encode_torch, "loops": encode_loops, "cdist": encode_cdist, "word by word": encode_of_each_word,
    },
    "regions": {"torch": regions_torch, "loops": regions_loops, "fused": regions_fused},
}  # fmt: skip

WRONG = {
    "encode_valid": {
        "scale-sign": partial(encode_torch, wrong="sign"),
        "scale-sign loops": partial(encode_loops, wrong="sign"),
        "scale-ignored": partial(encode_torch, wrong="no scale"),
        "one-scale-for-all": partial(encode_torch, wrong="one scale"),
        "scale-outside": partial(encode_torch, wrong="outside"),
        "scale-outside minus": partial(encode_torch, wrong="outside minus"),
        "distance-not-squared": partial(encode_torch, wrong="distance"),
        "distance-not-squared loops": partial(encode_loops, wrong="distance"),
        "mean-of-squares": partial(encode_torch, wrong="mean"),
        "product-for-distance": partial(encode_torch, wrong="product"),
        "nearest-only": partial(encode_torch, wrong="nearest"),
        "nearest-only by the scaled distance": partial(encode_loops, wrong="nearest"),
        "softmax-over-pixels": partial(encode_torch, wrong="over pixels"),
        "softmax-over-pixels that are valid": partial(encode_torch, wrong="over valid"),
        "softmax-missing": partial(encode_torch, wrong="raw"),
        "softmax-missing exponentials": partial(encode_torch, wrong="exp"),
        "underflows": partial(encode_torch, wrong="underflow"),
        "codeword-not-subtracted": partial(encode_torch, wrong="pixels"),
        "codeword-not-subtracted loops": partial(encode_loops, wrong="pixels"),
        "difference-reversed": partial(encode_torch, wrong="reversed"),
        "averaged": partial(encode_torch, wrong="mean of valid"),
        "averaged over all": partial(encode_torch, wrong="mean of all"),
        "divided-by-shares": partial(encode_torch, wrong="mean by shares"),
        "invalid-counted": partial(encode_torch, wrong="all"),
        "invalid-counted loops": partial(encode_loops, wrong="all"),
        "invalid-zeroed": partial(encode_torch, wrong="zeros"),
        "invalid-zeroed by a product": partial(encode_torch, wrong="times"),
        "nan-times-zero": partial(encode_torch, wrong="nan"),
        "valid-inverted": partial(encode_torch, wrong="others"),
        "first-mask-for-all": partial(encode_torch, wrong="first mask"),
        "mask-in-columns": partial(encode_torch, wrong="columns"),
        **several(
            "batch-summed", *after(encode_torch, lambda r: r.sum(0), lambda r: r.sum(0)[None].repeat(len(r), 1, 1))
        ),
        **several("first-picture-only", *first_only(encode_torch)),
        "left-flat": partial(encode_torch, wrong="transposed"),
        "left-flat one row": partial(encode_torch, wrong="flat"),
    },
    "regions": {
        "softmax-over-classes": partial(regions_torch, wrong="classes"),
        "softmax-over-classes loops": partial(regions_loops, wrong="classes"),
        "normalised-probabilities": partial(regions_torch, wrong="normalised"),
        "hard-guess": partial(regions_torch, wrong="hard"),
        "best-cell-only": partial(regions_torch, wrong="best"),
        "regions-overflow": partial(regions_torch, wrong="overflow"),
        "unknown-counted": partial(regions_torch, wrong="unknown too"),
        "unknown-counted loops": partial(regions_loops, wrong="unknown too"),
        "unknown-as-zero": partial(regions_torch, wrong="zero"),
        "unknown-struck-out-late": partial(regions_torch, wrong="late"),
        "known-inverted": partial(regions_torch, wrong="inverted"),
        "unknown-hear-nothing": partial(regions_torch, wrong="unknown deaf"),
        "nothing-known-nan": partial(regions_torch, wrong="nan"),
        "nothing-known-counted": partial(regions_torch, wrong="large negative"),
        "scale-missing": partial(regions_torch, wrong="no scale"),
        "scale-missing loops": partial(regions_loops, wrong="no scale"),
        "scale-of-channels": partial(regions_torch, wrong="D"),
        "softmax-over-listeners": partial(regions_torch, wrong="listeners"),
        "hears-cells": partial(regions_torch, wrong="cells"),
        "query-key-exchanged": partial(regions_torch, wrong="exchanged weights"),
        "one-projection": partial(regions_torch, wrong="query for both"),
        "one-projection the key": partial(regions_torch, wrong="key for both"),
        "projected-values": partial(regions_torch, wrong="keys"),
        "added-to-the-cells": partial(regions_torch, wrong="added"),
        "regions-of-all-pictures": partial(regions_torch, wrong="together"),
        "columns-first": partial(regions_torch, wrong="columns"),
        "columns-first when written": partial(regions_torch, wrong="written in columns"),
        "regions-transposed": partial(regions_torch, wrong="transposed"),
        "heard-left-flat": partial(regions_torch, wrong="flat"),
        "heard-left-flat rows": partial(regions_torch, wrong="rows"),
        "results-exchanged": partial(regions_torch, wrong="exchanged"),
        "first-picture-only": lambda cells, guess, known, query, key: regions_torch(
            cells[:1], guess[:1], known[:1], query, key
        ),
    },
}
