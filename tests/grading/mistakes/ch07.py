"""Chapter 07, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from segkit.crf import brute_force

# bilateral_filter --------------------------------------------------------------------------------------------------


def bilateral_loops(values, picture, theta_alpha, theta_beta, *, wrong=""):
    """Pixel against pixel, with Python's math."""
    k, h, w = values.shape
    colours = picture.double().tolist()
    if wrong == "bytes" and picture.dtype == torch.uint8:
        colours = picture.numpy()
    if wrong in ("one channel", "three channels"):
        colours = colours[: 1 if wrong == "one channel" else 3]
    if wrong == "scaled":
        colours = (picture.double() / 255).tolist()
    a, b = (theta_beta, theta_alpha) if wrong == "exchanged" else (theta_alpha, theta_beta)
    out = torch.zeros(k, h, w, dtype=torch.float32 if wrong == "float32" else values.dtype)
    for y in range(h):
        for x in range(w):
            total = 0.0
            for v in range(h):
                for u in range(w):
                    if wrong == "not itself" and (y, x) == (v, u):
                        continue
                    if wrong == "near" and max(abs(y - v), abs(x - u)) > 1:
                        continue
                    place = (y - v) ** 2 + (x - u) ** 2
                    if wrong == "one axis":
                        place = (x - u) ** 2
                    if wrong == "flat":
                        place = (y * w + x - v * w - u) ** 2
                    if wrong == "unit":
                        place = ((y - v) / h) ** 2 + ((x - u) / w) ** 2
                    with np.errstate(all="ignore"):
                        differences = [float(plane[y][x] - plane[v][u]) for plane in colours]
                    colour = sum(d**2 for d in differences)
                    if wrong == "absolute":
                        colour = sum(abs(d) for d in differences) ** 2
                    if wrong == "roots":
                        place, colour = math.sqrt(place), math.sqrt(colour)
                    if wrong == "no two":
                        place, colour = 2 * place, 2 * colour
                    if wrong == "blur":
                        colour = 0
                    if wrong == "colour only":
                        place = 0
                    near, alike = -place / (2 * a * a), -colour / (2 * b * b)
                    weight = math.exp(near + alike)
                    if wrong == "plus":
                        weight = math.exp(near) + math.exp(alike)
                    if wrong == "minus":
                        weight = math.exp(-near - alike)
                    total += weight
                    out[:, y, x] += (1 if wrong == "weights" else values[:, v, u]) * weight
            if wrong == "divided":
                out[:, y, x] /= total
    if wrong == "in place":
        values.zero_()
    return {"flat out": out.reshape(k, -1), "turned": out.mT, "first": out[:1]}.get(wrong, out)


def bilateral_numpy(values, picture, theta_alpha, theta_beta):
    """One array of features, its squared distances from the products."""
    y, x = np.mgrid[: values.shape[1], : values.shape[2]] / theta_alpha
    f = np.concatenate([[y, x], picture.numpy().astype(float) / theta_beta]).reshape(len(picture) + 2, -1)
    square = (f**2).sum(0)
    weights = np.exp(-0.5 * (square[:, None] + square - 2 * f.T @ f).clip(min=0))
    return (values.numpy().reshape(len(values), -1) @ weights).reshape(values.shape)


def bilateral_package(values, picture, theta_alpha, theta_beta):
    k, h, w = values.shape
    rows = torch.arange(h).repeat_interleave(w)
    columns = torch.arange(w).repeat(h)
    features = torch.stack([rows / theta_alpha, columns / theta_alpha, *(picture.flatten(1).double() / theta_beta)], 1)
    return brute_force(features, values.flatten(1).T).T.reshape(k, h, w)


def bilateral_shifts(values, picture, theta_alpha, theta_beta):
    """Shift the whole picture by every offset and add what lands on it."""
    _, h, w = values.shape
    out, c = torch.zeros_like(values), picture.to(torch.float64)
    for dy in range(1 - h, h):
        for dx in range(1 - w, w):
            here = (slice(None), slice(max(0, -dy), h - max(0, dy)), slice(max(0, -dx), w - max(0, dx)))
            there = (slice(None), slice(max(0, dy), h - max(0, -dy)), slice(max(0, dx), w - max(0, -dx)))
            alike = torch.exp(-(c[here] - c[there]).pow(2).sum(0) / theta_beta**2 / 2)
            near = math.exp(-(dy**2 + dx**2) / theta_alpha**2 / 2)
            out[here] += (alike * near).to(values.dtype) * values[there]
    return out


# compatibility_transform -------------------------------------------------------------------------------------------


def costs_loops(messages, matrix, *, wrong=""):
    """Label against label."""
    labels = len(messages)
    out = torch.zeros_like(messages)
    for mine in range(labels):
        for theirs in range(labels):
            if isinstance(matrix, torch.Tensor):
                cost = matrix[theirs, mine] if wrong == "transposed" else matrix[mine, theirs]
                if wrong == "symmetric":
                    cost = (matrix[mine, theirs] + matrix[theirs, mine]) / 2
            elif wrong == "same":
                cost = matrix if mine == theirs else 0.0
            elif wrong == "reward":
                cost = -matrix if mine == theirs else 0.0
            elif wrong == "all":
                cost = matrix
            elif wrong == "one":
                cost = float(mine != theirs)
            else:
                cost = 0.0 if mine == theirs else matrix
            if wrong == "diagonal" and mine != theirs:
                continue
            if wrong == "off diagonal" and mine == theirs:
                continue
            out[mine] += cost * messages[theirs]
    if wrong == "mean":
        out /= labels
    if wrong == "minus":
        out = -out
    if wrong == "softmax":
        out = torch.exp(out) / torch.exp(out).sum(0)
    if wrong == "plus":
        out = out + messages
    if wrong == "in place":
        messages += 1
    return {"flat": out.reshape(labels, -1), "last": out.movedim(0, -1), "float32": out.float()}.get(wrong, out)


def costs_einsum(messages, matrix):
    if not torch.is_tensor(matrix):
        return matrix * (messages.sum(0) - messages)
    return torch.einsum("lk,khw->lhw", matrix, messages)


def costs_numpy(messages, matrix):
    k = messages.shape[0]
    mu = matrix.numpy() if hasattr(matrix, "numpy") else matrix * (np.ones((k, k)) - np.eye(k))
    return np.tensordot(mu, messages.numpy(), axes=(1, 0))


def costs_conv(messages, matrix):
    """A 1×1 convolution, as CRF-as-RNN has it."""
    if isinstance(matrix, (int, float)):
        matrix = torch.full((len(messages),) * 2, float(matrix), dtype=messages.dtype).fill_diagonal_(0)
    return torch.nn.functional.conv2d(messages[None], matrix[:, :, None, None])[0]


def costs_only_matrix(messages, matrix):
    return (matrix @ messages.flatten(1)).view_as(messages)


def costs_row_sums(messages, matrix):
    if isinstance(matrix, torch.Tensor):
        return matrix.sum(dim=1).view(-1, 1, 1) * messages
    return matrix * (len(messages) - 1) * messages


def costs_best(messages, matrix):
    best = messages.max(0).indices
    if isinstance(matrix, torch.Tensor):
        return torch.stack([matrix[l][best] for l in range(len(messages))])
    return torch.stack([matrix * (best != l).to(messages.dtype) for l in range(len(messages))])


# mean_field_step ---------------------------------------------------------------------------------------------------


def step_loops(q, unary, kernels, weights, matrix, *, wrong=""):
    """Pixel by pixel with Python's math, the best energy of each taken off first."""
    labels, h, w = q.shape
    opinions = q.reshape(labels, -1).tolist()
    energies = unary.reshape(labels, -1).tolist()
    pixels, out = h * w, [[0.0] * (h * w) for _ in range(labels)]
    if wrong == "best":
        best = [max(range(labels), key=lambda l, i=i: opinions[l][i]) for i in range(pixels)]
        opinions = [[float(best[i] == l) for i in range(pixels)] for l in range(labels)]
    for i in range(pixels):
        heard = [0.0] * labels
        for m in range(1 if wrong == "one kernel" else len(kernels)):
            row = (kernels[m, :, i] if wrong == "columns" else kernels[m, i]).tolist()
            if wrong == "not itself":
                row[i] = 0.0
            if wrong == "even":
                row = [value / sum(row) for value in row]
            factor = 1.0 if wrong == "no weights" else float(weights[m])
            for l in range(labels):
                heard[l] += factor * sum(a * b for a, b in zip(row, opinions[l], strict=True))
        cost = []
        for l in range(labels):
            mu = (matrix[:, l] if wrong == "transposed" else matrix[l]).tolist()
            if wrong == "no compatibility":
                mu = [float(k == l) for k in range(labels)]
            cost.append(sum(mu[k] * heard[k] for k in range(labels)))
        scores = [-energies[l][i] - cost[l] for l in range(labels)]
        if wrong == "unary sign":
            scores = [energies[l][i] - cost[l] for l in range(labels)]
        if wrong == "pairwise sign":
            scores = [-energies[l][i] + cost[l] for l in range(labels)]
        if wrong == "both signs":
            scores = [-s for s in scores]
        if wrong == "no unary":
            scores = [-c for c in cost]
        if wrong == "times q":
            scores = [s + math.log(opinions[l][i]) for l, s in enumerate(scores)]
        top = 0.0 if wrong in ("overflow", "not normalised") else max(scores)
        parts = [math.exp(s - top) if s - top < 700 else math.inf for s in scores]
        total = 1.0 if wrong == "not normalised" else sum(parts)
        for l in range(labels):
            value = parts[l] / total if total and not (math.isinf(total) and math.isinf(parts[l])) else math.nan
            out[l][i] = -scores[l] if wrong == "energy" else value
            if wrong == "in turn":
                opinions[l][i] = out[l][i]
    result = torch.tensor(out, dtype=torch.float32 if wrong == "float32" else q.dtype)
    if wrong == "in place":
        q.fill_(0.5)
    return result if wrong == "flat" else result.reshape(labels, h, w)


def step_matmul(q, unary, kernels, weights, matrix):
    """One kernel of all, then two products; the pairs of pixels on the right."""
    joint = (weights[:, None, None] * kernels).sum(0)
    energy = unary.flatten(1) + matrix @ (q.flatten(1) @ joint.mT)
    return energy.neg().softmax(0).view_as(q)


def step_numpy(q, unary, kernels, weights, matrix):
    heard = sum(float(w) * k.numpy() @ q.numpy().reshape(len(q), -1).T for k, w in zip(kernels, weights, strict=True))
    scores = -unary.numpy().reshape(len(q), -1) - matrix.numpy() @ heard.T
    scores = scores - scores.max(0)
    return (np.exp(scores) / np.exp(scores).sum(0)).reshape(q.shape)


def step_logsumexp(q, unary, kernels, weights, matrix):
    """Compatibility before the filter: the two are linear and can change places."""
    wanted = torch.einsum("lk,khw->lhw", matrix, q).flatten(1)
    energy = unary.clone()
    for k, w in zip(kernels, weights, strict=True):
        energy += w * torch.einsum("ij,lj->li", k, wanted).reshape(q.shape)
    return torch.exp(-energy - torch.logsumexp(-energy, 0))


def step_over_pixels(q, unary, kernels, weights, matrix):
    joint = torch.tensordot(weights, kernels, 1)
    energy = unary + torch.einsum("lk,ij,kj->li", matrix, joint, q.flatten(1)).reshape(q.shape)
    return (-energy).flatten(1).softmax(1).reshape(q.shape)


def step_of_unary(q, unary, kernels, weights, matrix):
    return step_matmul((-unary).softmax(0), unary, kernels, weights, matrix)


RIGHT = {
    "bilateral_filter": {
        "loops": bilateral_loops,
        "numpy": bilateral_numpy,
        "the package": bilateral_package,
        "shifts": bilateral_shifts,
    },
    "compatibility_transform": {
        "loops": costs_loops,
        "einsum": costs_einsum,
        "numpy": costs_numpy,
        "convolution": costs_conv,
    },
    "mean_field_step": {
        "loops": step_loops,
        "matmul": step_matmul,
        "numpy": step_numpy,
        "logsumexp": step_logsumexp,
    },
}

WRONG = {
    "bilateral_filter": {
        "normalised": partial(bilateral_loops, wrong="divided"),
        "itself-left-out": partial(bilateral_loops, wrong="not itself"),
        "wrong-width": partial(bilateral_loops, wrong="no two"),
        "widths-exchanged": partial(bilateral_loops, wrong="exchanged"),
        "colour-ignored": partial(bilateral_loops, wrong="blur"),
        "place-ignored": partial(bilateral_loops, wrong="colour only"),
        "kernels-added": partial(bilateral_loops, wrong="plus"),
        "not-squared": partial(bilateral_loops, wrong="roots"),
        "sign-forgotten": partial(bilateral_loops, wrong="minus"),
        "channels-not-summed": partial(bilateral_loops, wrong="one channel"),
        "channels-not-summed beyond three": partial(bilateral_loops, wrong="three channels"),
        "other-distance": partial(bilateral_loops, wrong="absolute"),
        "flat-distance": partial(bilateral_loops, wrong="flat"),
        "rows-columns-mixed": partial(bilateral_loops, wrong="turned"),
        "places-scaled": partial(bilateral_loops, wrong="unit"),
        "colours-scaled": partial(bilateral_loops, wrong="scaled"),
        "bytes-wrap": partial(bilateral_loops, wrong="bytes"),
        "neighbours-only": partial(bilateral_loops, wrong="near"),
        "left-flat": partial(bilateral_loops, wrong="flat out"),
        "first-class-only": partial(bilateral_loops, wrong="first"),
        "weights-returned": partial(bilateral_loops, wrong="weights"),
        "precision-lost": partial(bilateral_loops, wrong="float32"),
        "input-changed": partial(bilateral_loops, wrong="in place"),
    },
    "compatibility_transform": {
        "transposed": partial(costs_loops, wrong="transposed"),
        "made-symmetric": partial(costs_loops, wrong="symmetric"),
        "diagonal-only": partial(costs_loops, wrong="diagonal"),
        "diagonal-forgotten": partial(costs_loops, wrong="off diagonal"),
        "potts-as-reward": partial(costs_loops, wrong="reward"),
        "potts-same-label": partial(costs_loops, wrong="same"),
        "potts-everywhere": partial(costs_loops, wrong="all"),
        "number-ignored": partial(costs_loops, wrong="one"),
        "number-breaks": costs_only_matrix,
        "sign": partial(costs_loops, wrong="minus"),
        "averaged": partial(costs_loops, wrong="mean"),
        "softmax-added": partial(costs_loops, wrong="softmax"),
        "added-to-messages": partial(costs_loops, wrong="plus"),
        "row-sums": costs_row_sums,
        "label-of-the-largest": costs_best,
        "left-flat": partial(costs_loops, wrong="flat"),
        "precision-lost": partial(costs_loops, wrong="float32"),
        "input-changed": partial(costs_loops, wrong="in place"),
    },
    "mean_field_step": {
        "unary-sign": partial(step_loops, wrong="unary sign"),
        "pairwise-sign": partial(step_loops, wrong="pairwise sign"),
        "energies-not-negated": partial(step_loops, wrong="both signs"),
        "unary-forgotten": partial(step_loops, wrong="no unary"),
        "pairwise-forgotten": lambda q, unary, kernels, weights, matrix: (-unary).softmax(0),
        "old-q-kept": partial(step_loops, wrong="times q"),
        "not-normalised": partial(step_loops, wrong="not normalised"),
        "energies-returned": partial(step_loops, wrong="energy"),
        "softmax-over-space": step_over_pixels,
        "overflow": partial(step_loops, wrong="overflow"),
        "compatibility-forgotten": partial(step_loops, wrong="no compatibility"),
        "compatibility-transposed": partial(step_loops, wrong="transposed"),
        "weights-ignored": partial(step_loops, wrong="no weights"),
        "first-kernel-only": partial(step_loops, wrong="one kernel"),
        "kernel-transposed": partial(step_loops, wrong="columns"),
        "kernel-normalised": partial(step_loops, wrong="even"),
        "itself-left-out": partial(step_loops, wrong="not itself"),
        "messages-of-unary": step_of_unary,
        "pixels-in-turn": partial(step_loops, wrong="in turn"),
        "left-flat": partial(step_loops, wrong="flat"),
        "precision-lost": partial(step_loops, wrong="float32"),
        "input-changed": partial(step_loops, wrong="in place"),
    },
}
