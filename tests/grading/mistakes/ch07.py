"""Chapter 07, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from segkit.crf import brute_force
from tests.grading.mistakes.families import after, altered, first_only, laid_out, several

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


def near(rows, columns, alpha):
    return np.exp(-(rows**2 + columns**2) / (2 * alpha**2))


def alike(colours, beta):
    return np.exp(-(colours**2).sum(0) / (2 * beta**2))


def bilateral_by(space=near, colour=alike, weights=lambda near, alike: near * alike, cells=lambda y, x: (y, x)):
    """All pairs at once: differences of rows and columns, P×P, and of colours, C×P×P."""

    def answer(values, picture, theta_alpha, theta_beta):
        k, h, w = values.shape
        y, x = cells(*np.divmod(np.arange(h * w), w))
        c = picture.numpy().reshape(len(picture), -1).astype(float)
        place = space(y[:, None] - y, x[:, None] - x, theta_alpha)
        kernel = weights(place, colour(c[:, :, None] - c[:, None], theta_beta))
        return torch.from_numpy(values.numpy().reshape(k, -1) @ kernel.T).reshape(k, h, w)

    return answer


def bilateral_of_bytes(values, picture, theta_alpha, theta_beta):
    """Differences and their squares in the picture's own type."""
    flat = picture.flatten(1)
    squares = ((flat[:, :, None] - flat[:, None]) ** 2).double().sum(0)
    return bilateral_by(lambda r, c, a: near(r, c, a) * np.exp(-squares.numpy() / (2 * theta_beta**2)), lambda *a: 1.0)(
        values, picture, theta_alpha, theta_beta
    )


def bilateral_cdist(values, picture, theta_alpha, theta_beta):
    """torch.cdist takes no uint8."""
    pixels = picture.flatten(1).T
    torch.cdist(pixels, pixels)
    return bilateral_numpy(values, picture, theta_alpha, theta_beta)


def from_0_to_1(y, x):
    return y / max(y.max(), 1), x / max(x.max(), 1)


def other_widths():
    """exp(−d²/θ²), exp(−d²/2θ) and exp(−d²/(2θ)²), in both bells or in one."""
    changes = (lambda t: t / math.sqrt(2), lambda t: math.sqrt(t), lambda t: math.sqrt(2) * t)
    for change in changes:
        for both, one in ((True, False), (False, True), (False, False)):
            yield lambda v, p, a, b, change=change, both=both, one=one: bilateral_by()(
                v, p, change(a) if both or one else a, change(b) if both or not one else b
            )


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


def potts_as(costs):
    """Another reading of a number: costs(w, messages)."""
    return lambda m, matrix: costs_einsum(m, matrix) if torch.is_tensor(matrix) else costs(matrix, m)


def costs_of(costs):
    """All K×K costs written out, and something done with them: costs(matrix, messages)."""
    return lambda m, matrix: costs(
        matrix if torch.is_tensor(matrix) else matrix * (1 - torch.eye(len(m), dtype=m.dtype)), m
    )


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


def step_ended(end):
    """The energies of all labels, and something else than their softmax at the end."""

    def answer(q, unary, kernels, weights, matrix):
        heard = torch.einsum("mij,kj,m->ki", kernels, q.flatten(1), weights)
        return end(unary + (matrix @ heard).view_as(q))

    return answer


def shares(energy):
    return torch.exp(-energy) / torch.exp(-energy).sum(0)


def step_of(send):
    """Messages of something else than Q."""
    return lambda q, unary, *rest: step_matmul(send(q, unary), unary, *rest)


def without_itself(kernels):
    return kernels * (1 - torch.eye(kernels.shape[1], dtype=kernels.dtype))


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
        **several(
            "normalised",
            bilateral_by(weights=lambda s, c: s * c / (s * c).sum(0)),
            bilateral_by(weights=lambda s, c: s * c / np.sqrt(np.outer((s * c).sum(0), (s * c).sum(0)))),
            bilateral_by(weights=lambda s, c: s * c / len(s)),
        ),
        "itself-twice": lambda values, *rest: values + bilateral_shifts(values, *rest),
        "normalised-without-itself": bilateral_by(
            weights=lambda s, c: (s * c - np.eye(len(s))) / (s * c - np.eye(len(s))).sum(1)[:, None]
        ),
        **several("wrong-width", *other_widths()),
        "not-squared at all": bilateral_by(
            lambda r, c, a: np.exp(-np.hypot(r, c) / a), lambda c, b: np.exp(-np.linalg.norm(c, axis=0) / b)
        ),
        "not-squared places": bilateral_by(lambda r, c, a: np.exp(-np.hypot(r, c) / (2 * a * a))),
        "not-squared colours": bilateral_by(colour=lambda c, b: np.exp(-np.linalg.norm(c, axis=0) / (2 * b * b))),
        **several("sign-forgotten", bilateral_by(weights=lambda s, c: s / c), bilateral_by(weights=lambda s, c: c / s)),
        "channels-not-summed mean": bilateral_by(colour=lambda c, b: np.exp(-(c**2).mean(0) / (2 * b * b))),
        "channels-not-summed grey": bilateral_by(colour=lambda c, b: np.exp(-(c.mean(0) ** 2) / (2 * b * b))),
        "other-distance places": bilateral_by(lambda r, c, a: near(abs(r) + abs(c), 0, a)),
        "flat-distance rows": bilateral_by(lambda r, c, a: near(r, 0, a)),
        "flat-distance columns": bilateral_by(lambda r, c, a: near(0, c, a)),
        "rows-columns-mixed places": bilateral_by(cells=lambda y, x: np.divmod(np.arange(len(y)), y.max() + 1)),
        "places-scaled to the ends": bilateral_by(cells=from_0_to_1),
        "colours-scaled bytes": lambda v, p, a, b: bilateral_by()(v, p, a, b if p.is_floating_point() else 255 * b),
        "bytes-wrap squared": bilateral_of_bytes,
        "bytes-wrap refused": bilateral_cdist,
        "neighbours-only farther": bilateral_by(lambda r, c, a: near(r, c, a) * (np.maximum(abs(r), abs(c)) <= 2)),
        **several("left-flat", *laid_out(bilateral_shifts)[:2]),
        **several("first-class-only", *first_only(bilateral_shifts)),
        "first-class-only all": lambda v, *rest: bilateral_shifts(v.sum(0, keepdim=True), *rest).expand_as(v),
        "weights-returned once": lambda v, *rest: (
            bilateral_shifts(0 * v[0] + 1, *rest) if v.ndim == 2 else bilateral_shifts(0 * v[:1] + 1, *rest)[0]
        ),
        "weights-returned of all pairs": lambda v, p, a, b: bilateral_by()(
            torch.eye(v[0].numel(), dtype=v.dtype).reshape(-1, *v.shape[1:]), p, a, b
        ).flatten(1),
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
        "potts-sign": potts_as(lambda w, m: w * (m - m.sum(0))),
        "potts-diagonal of ones": potts_as(lambda w, m: w * (m.sum(0) - m) + m),
        "potts-diagonal less one": potts_as(lambda w, m: w * m.sum(0) - m),
        "number-multiplied": potts_as(lambda w, m: w * (1 - m)),
        "matrix-ignored": lambda m, matrix: costs_einsum(m, 1.0 if torch.is_tensor(matrix) else matrix),
        "matrix-ignored and the number": lambda m, matrix: m.clone(),
        "averaged by costs": costs_of(lambda mu, m: torch.tensordot(mu / mu.sum(1)[:, None], m, 1)),
        **several(
            "softmax-added",
            *after(costs_einsum, lambda out: torch.exp(-out) / torch.exp(-out).sum(0)),
            *after(costs_einsum, lambda out: out / out.sum(0)),
        ),
        "added-to-messages taken off": lambda m, matrix: m - costs_einsum(m, matrix),
        "row-sums columns": costs_of(lambda mu, m: mu.sum(0).reshape(-1, 1, 1) * m),
        "label-of-the-largest weighted": lambda m, matrix: costs_best(m, matrix) * m.max(0).values,
        **several("left-flat", *laid_out(costs_einsum)),
        "space-mixed rows": costs_of(lambda mu, m: torch.matmul(mu, m)),
        "space-mixed columns": costs_of(lambda mu, m: torch.matmul(m, mu)),
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
        "old-q-kept damped": lambda q, *rest: 0.5 * q + 0.5 * step_matmul(q, *rest),
        "not-normalised over all": step_ended(lambda e: torch.exp(-e) / torch.exp(-e).sum()),
        "not-normalised from the best": step_ended(lambda e: torch.exp(e.min(0).values - e)),
        "energies-returned negative": step_ended(lambda e: -e),
        "energies-returned logs": step_ended(lambda e: -e - torch.logsumexp(-e, 0)),
        "energies-returned labels": step_ended(lambda e: (-e).argmax(0)),
        **several("softmax-over-space", *(step_ended(lambda e, dim=dim: (-e).softmax(dim)) for dim in (1, 2))),
        **several(
            "overflow",
            step_ended(shares),
            step_ended(lambda e: torch.nan_to_num(shares(e))),
            step_ended(lambda e: shares(e - e.min())),
            step_ended(lambda e: shares(e.clip(-50, 50))),
            step_ended(lambda e: shares(e.clip(-100, 100))),
            step_ended(lambda e: torch.exp(-e) / (1e-8 + torch.exp(-e).sum(0))),
        ),
        **several(
            "compatibility-forgotten",
            *altered(step_matmul, 4, lambda mu: -torch.eye(len(mu)).to(mu), lambda mu: 1 - torch.eye(len(mu)).to(mu)),
        ),
        **several("compatibility-transposed", *altered(step_matmul, 4, lambda mu: 0.5 * (mu + mu.mT))),
        **several(
            "compatibility-diagonal",
            *altered(step_matmul, 4, lambda mu: torch.diag(mu.diag()), lambda mu: mu - torch.diag(mu.diag())),
        ),
        **several("weights-ignored", *altered(step_matmul, 3, lambda w: w * w, lambda w: w / w.sum())),
        "weights-in-the-kernel of the unary": lambda q, unary, kernels, weights, matrix: step_matmul(
            q, weights.sum() * unary, kernels, weights, matrix
        ),
        "weights-in-the-kernel of all": lambda q, unary, kernels, weights, matrix: step_matmul(
            q, unary, weights.sum() * kernels.sum(0)[None], weights[:1] / weights[:1], matrix
        ),
        "first-kernel-only last": lambda q, unary, kernels, weights, matrix: step_matmul(
            q, unary, kernels[-1:], weights[-1:], matrix
        ),
        "first-kernel-only mean": lambda q, unary, kernels, weights, matrix: step_matmul(
            q, unary, kernels, weights / len(kernels), matrix
        ),
        **several(
            "kernel-normalised",
            *altered(
                step_matmul,
                2,
                lambda k: k / (k.sum(1, keepdim=True) * k.sum(2, keepdim=True)).sqrt(),
                lambda k: k / k.sum(1, keepdim=True),
                lambda k: k / len(k[0]),
            ),
        ),
        **several(
            "itself-left-out", *altered(step_matmul, 2, without_itself, lambda k: k - torch.eye(k.shape[1]).to(k))
        ),
        "messages-of-unary itself": step_of(lambda q, unary: unary),
        "messages-of-unary best": partial(step_loops, wrong="best"),
        "pixels-in-turn twice": lambda q, *rest: step_matmul(step_matmul(q, *rest), *rest),
        **several("left-flat", *laid_out(step_matmul)),
    },
}
