"""Chapter 02, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

# conv2d ------------------------------------------------------------------------------------------------------------


def conv_loops(x, weight, bias=None, stride=1, padding=0, dilation=1, *, wrong=""):
    """Loops over outputs and weights; channels in the innermost sum."""
    dtype = {"int": torch.int64, "float32": torch.float32}.get(wrong, x.dtype)
    if wrong == "in place" and bias is not None:
        bias += 0.5
    x, w = x.numpy(), weight.numpy()
    b = None if bias is None or wrong == "no bias" else bias.numpy() - (0.5 if wrong == "in place" else 0)
    if wrong == "swap":
        stride, dilation = dilation, stride
    stride = 1 if wrong == "no stride" else stride
    dilation = {"no dilation": 1, "holes": dilation + 1}.get(wrong, dilation)
    (n, c), (o, _, kh, kw) = x.shape[:2], w.shape
    kw = kh if wrong == "square" else kw
    p = padding + (1 if wrong == "pad more" else 0)
    edges = (p, 0) if wrong == "pad left" else (p, p)
    mode = {"mode": "edge"} if wrong == "replicate" else {}
    x = np.pad(x, ((0, 0), (0, 0), edges, edges), **mode)
    ho = (x.shape[2] - dilation * (kh - 1) - 1) // stride + (0 if wrong == "short" else 1)
    wo = (x.shape[3] - dilation * (kw - 1) - 1) // stride + (0 if wrong == "short" else 1)
    out = np.zeros((n, o, ho, wo))
    for i in range(ho):
        for j in range(wo):
            for u in range(kh):
                for t in range(kw):
                    y, z = i * stride + u * dilation, j * stride + t * dilation
                    if wrong == "flip":
                        part = w[:, :, kh - 1 - u, kw - 1 - t]
                    elif wrong == "transpose":
                        part = w[:, :, t, u] if kh == kw else w[:, :, u % w.shape[2], t]
                    else:
                        part = w[:, :, u, t]
                    if wrong == "one channel":
                        out[:, :, i, j] += x[:, :1, y, z] @ part[:, :1].T
                    elif wrong == "last channel":
                        out[:, :, i, j] += x[:, -1:, y, z] @ part[:, -1:].T
                    else:
                        out[:, :, i, j] += x[:, :, y, z] @ part.T
    if wrong == "mean":
        out /= kh * kw
    if b is not None:
        out += b[:, None, None] * (c if wrong == "bias often" else 1)
    if wrong == "one picture":
        out[1:] = 0
    return torch.from_numpy(out).to(dtype)


def conv_shifts(x, weight, bias, stride, padding, dilation):
    """A sum of shifted 1×1 products, with einsum."""
    n, c, h, w = x.shape
    o, _, kh, kw = weight.shape
    padded = x.new_zeros(n, c, h + 2 * padding, w + 2 * padding)
    padded[:, :, padding : padding + h, padding : padding + w] = x
    ho = (h + 2 * padding - dilation * (kh - 1) - 1) // stride + 1
    wo = (w + 2 * padding - dilation * (kw - 1) - 1) // stride + 1
    out = x.new_zeros(n, o, ho, wo)
    for u in range(kh):
        for v in range(kw):
            rows = slice(u * dilation, u * dilation + stride * (ho - 1) + 1, stride)
            columns = slice(v * dilation, v * dilation + stride * (wo - 1) + 1, stride)
            out += torch.einsum("nchw,oc->nohw", padded[:, :, rows, columns], weight[:, :, u, v])
    return out if bias is None else out + bias.view(1, -1, 1, 1)


def conv_unfold(input, weight, bias, stride, padding, dilation):
    """im2col: one matrix product; other argument names than ours."""
    n, (o, _, kh, kw) = len(input), weight.shape
    columns = torch.nn.functional.unfold(input, (kh, kw), dilation, padding, stride)
    ho = (input.shape[2] + 2 * padding - dilation * (kh - 1) - 1) // stride + 1
    out = (weight.reshape(o, -1) @ columns).reshape(n, o, ho, -1)
    return out if bias is None else out + bias[:, None, None]


def conv_numpy_view(x, weight, bias=None, stride=1, padding=0, dilation=1):
    """numpy's sliding windows; a numpy array of float64 comes back."""
    x = np.pad(x.numpy().astype(float), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    kh, kw = ((k - 1) * dilation + 1 for k in weight.shape[2:])
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride, ::dilation, ::dilation]
    out = np.einsum("nchwuv,ocuv->nohw", windows, weight.numpy())
    return out if bias is None else out + bias.numpy()[:, None, None]


def conv_same_size(x, weight, bias, stride, padding, dilation):
    """An output for every pixel, as of a camera: half the kernel on each side."""
    up, left = (dilation * (k - 1) // 2 for k in weight.shape[2:])
    wide = np.pad(x.numpy(), ((0, 0), (0, 0), (up, dilation * (weight.shape[2] - 1) - up),
                              (left, dilation * (weight.shape[3] - 1) - left)))  # fmt: skip
    return conv_shifts(torch.from_numpy(wide), weight, bias, stride, 0, dilation)


def with_holes(weight, dilation):
    """Zeros between the rows of a kernel."""
    out = weight.new_zeros(*weight.shape[:2], dilation * (weight.shape[2] - 1) + 1, weight.shape[3])
    out[:, :, ::dilation] = weight
    return out


def conv_unmixed(x, weight, bias, *steps):
    """Output o is made of input o alone."""
    outs = []
    for o in range(len(weight)):
        c, d = o % x.shape[1], o % weight.shape[1]
        outs.append(conv_shifts(x[:, c : c + 1], weight[o : o + 1, d : d + 1], None, *steps))
    out = torch.cat(outs, 1)
    return out if bias is None else out + bias[:, None, None]


def conv_rounded_up(x, weight, bias, stride, padding, dilation):
    """A window that hangs over the edge is filled with zeros."""
    h, w = (x.shape[i] + 2 * padding for i in (2, 3))
    wide = x.new_zeros(*x.shape[:2], h + stride - 1, w + stride - 1)
    wide[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]] = x
    return conv_shifts(wide, weight, bias, stride, 0, dilation)


# conv2d_backward ---------------------------------------------------------------------------------------------------


def grads_loops(grad_output, x, weight, stride, padding, dilation, *, wrong=""):
    """Every output, every tap: what it read gets its share, and so does the weight."""
    dtype = torch.float32 if wrong == "float32" else x.dtype
    if wrong == "in place":
        x.mul_(2)
    g, values, w = grad_output.numpy(), x.numpy() / (2 if wrong == "in place" else 1), weight.numpy()
    s, d = 1 if wrong == "no stride" else stride, 1 if wrong == "no dilation" else dilation
    p = padding
    wide = np.pad(values, ((0, 0), (0, 0), (p, p), (p, p)))
    kh, kw = w.shape[2:]
    back, grads = np.zeros_like(wide), np.zeros_like(w)
    for i in range(g.shape[2]):
        for j in range(g.shape[3]):
            for u in range(kh):
                for v in range(kh if wrong == "square" else kw):
                    y, z = i * s + u * d, j * s + v * d
                    part = w[:, :, kh - 1 - u, kw - 1 - v] if wrong == "flip" else w[:, :, u, v]
                    share = g[:, :, i, j] @ part
                    back[:, :, y, z] = share + (0 if wrong == "overwrite" else back[:, :, y, z])
                    at = (kh - 1 - u, kw - 1 - v) if wrong == "flip weight" else (u, v)
                    grads[:, :, at[0], at[1]] += g[:, :, i, j].T @ wide[:, :, y, z]
    bias = g.mean((0, 2, 3)) if wrong == "mean" else g.sum((2, 3)) if wrong == "rows" else g.sum((0, 2, 3))
    if wrong == "counted":
        bias = np.full(len(w), g[:, 0].size)
    grads = grads / len(x) if wrong == "per picture" else grads.swapaxes(0, 1) if wrong == "transposed" else grads
    if wrong == "edge":
        back = back[:, :, : (g.shape[2] - 1) * s + d * (kh - 1) + 1, : (g.shape[3] - 1) * s + d * (kw - 1) + 1]
    back = back if wrong == "uncut" else back[:, :, p : back.shape[2] - p, p : back.shape[3] - p]
    parts = [torch.from_numpy(np.ascontiguousarray(part)).to(dtype) for part in (back, grads, bias)]
    return (parts[1], parts[0], parts[2]) if wrong == "order" else tuple(parts)


def grads_by_matrix(grad_output, x, weight, stride, padding, dilation):
    """The convolution as a matrix, row by row, and its transpose; the weights by columns of the input."""
    n, c, h, w = x.shape
    kh, kw = weight.shape[2:]
    zeros = np.pad(np.arange(1, h * w + 1).reshape(h, w), padding)  # 0 is the padding
    (ho, wo), r = grad_output.shape[2:], grad_output.flatten(2)
    rows = np.arange(ho)[:, None] * stride + np.arange(kh) * dilation
    columns = np.arange(wo)[:, None] * stride + np.arange(kw) * dilation
    at = torch.from_numpy(zeros[rows[:, None, :, None], columns[None, :, None, :]]).reshape(ho * wo, kh * kw)
    room = torch.cat([x.new_zeros(n, c, 1), x.flatten(2)], 2)  # N, C, 1 + H·W
    grads = torch.einsum("nop,ncpt->oct", r, room[:, :, at]).reshape(weight.shape)
    back = torch.zeros_like(room)
    shares = torch.einsum("nop,oct->ncpt", r, weight.flatten(2))
    back.index_add_(2, at.flatten(), shares.flatten(2))
    return [back[:, :, 1:].reshape(x.shape), grads, r.sum(dim=(0, 2))]


def grads_torch(grad_output, x, weight, stride, padding, dilation):
    """torch's own two functions."""
    steps = stride, padding, dilation
    back = torch.nn.grad.conv2d_input(x.shape, weight, grad_output, *steps)
    return back, torch.nn.grad.conv2d_weight(x, weight.shape, grad_output, *steps), grad_output.sum((0, 2, 3))


# shared_pool_backward ----------------------------------------------------------------------------------------------


def share_loops(grad_output, x, kernel_size, stride, padding, *, wrong=""):
    k, s, p = (
        kernel_size,
        kernel_size if wrong == "stride is kernel" else stride,
        0 if wrong == "no padding" else padding,
    )
    n, c, h, w = x.shape
    out = torch.zeros(x.shape, dtype=torch.float32 if wrong == "float32" else grad_output.dtype)
    for a in range(1 if wrong == "one picture" else n):
        for b in range(1 if wrong == "one channel" else c):
            for i in range(grad_output.shape[2]):
                for j in range(grad_output.shape[3]):
                    cells = [(y, z) for y in range(i * s - p, i * s - p + k) for z in range(j * s - p, j * s - p + k)]
                    inside = [(y, z) for y, z in cells if 0 <= y < h and 0 <= z < w]
                    if not inside:
                        continue
                    numbers = [float(x[a, b, y, z]) for y, z in inside]
                    best = min(numbers) if wrong == "smallest" else max(numbers)
                    if wrong == "zeros" and len(inside) < len(cells):
                        best = max(best, 0.0)
                    winners = [cell for cell, number in zip(inside, numbers, strict=True) if number == best]
                    outside = len(cells) - len(inside)
                    rivals = {"zeros": outside * (best == 0), "number": outside * (best == float(x.min()))}.get(
                        wrong, 0
                    )
                    winners = {"first": winners[:1], "window": inside}.get(wrong, winners)
                    parts = {"whole": 1, "window size": k * k, "first": 1}.get(wrong, len(winners) + rivals)
                    g = 1.0 if wrong == "ones" else float(grad_output[a, b, i, j])
                    for y, z in winners:
                        if wrong == "relu" and best == 0:
                            continue
                        out[a, b, y, z] = g / parts + (0 if wrong == "overwrite" else float(out[a, b, y, z]))
    return out


def share_autograd(grad_output, x, kernel_size, stride, padding):
    """`amax` shares its gradient among ties; autograd does the rest."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        wide = torch.nn.functional.pad(x, (padding,) * 4, value=-torch.inf)
        windows = wide.unfold(2, kernel_size, stride).unfold(3, kernel_size, stride)
        windows.amax((4, 5)).backward(grad_output)
    return x.grad


def share_unfold(grad_output, x, kernel_size, stride, padding):
    """im2col and back, each channel by itself."""
    n, c, h, w = x.shape
    lowest = x.min() - 1  # below everything in the map
    wide = torch.nn.functional.pad(x, (padding,) * 4, value=float(lowest)).reshape(n * c, 1, h + 2 * padding, -1)
    columns = torch.nn.functional.unfold(wide, kernel_size, stride=stride)
    hit = (columns == columns.amax(1, keepdim=True)).to(grad_output.dtype)
    columns = hit / hit.sum(1, keepdim=True) * grad_output.reshape(n * c, 1, -1)
    back = torch.nn.functional.fold(columns, wide.shape[2:], kernel_size, stride=stride).reshape(n, c, *wide.shape[2:])
    return back[:, :, padding : padding + h, padding : padding + w]


def share_changes_input(grad_output, x, kernel_size, stride, padding):
    result = share_loops(grad_output, x, kernel_size, stride, padding)
    x.sub_(x.max())
    return result


def share_averaged(grad_output, x, *window):
    """What a pixel gets from its windows, averaged over those that it wins."""
    won = share_loops(torch.ones_like(grad_output), x, *window, wrong="whole")
    return share_autograd(grad_output, x, *window) / won.clamp(min=1)


# seen_pixels -------------------------------------------------------------------------------------------------------


def seen_walk(layers, position, size, *, wrong=""):
    lengths = [size]
    for k, s, p, d in layers:
        lengths.append((lengths[-1] + 2 * p - d * (k - 1) - 1) // s + 1)
    places = {0 if wrong == "position" else position}
    pairs = list(zip(layers, lengths, strict=False))
    for depth, ((k, s, p, d), length) in list(enumerate(pairs))[:: 1 if wrong == "order" else -1]:
        p, d = (d, p) if wrong == "padding, dilation" else (p, d)
        s, p = (p, s) if wrong == "stride, padding" else (s, p)
        s, p = 1 if wrong == "no stride" else s, 0 if wrong == "no padding" else p
        d, first = 1 if wrong == "no dilation" else d, -(k // 2) if wrong == "centred" else 0
        k = k - 1 if wrong == "short" and k > 1 else k
        places = {i * s - p + (first + u) * d for i in places for u in range(k)}
        if not (wrong == "outside" and depth == 0) and not (wrong == "inner" and depth > 0) and wrong != "field":
            places = {i for i in places if 0 <= i < length}
    found = sorted(places)
    if wrong in ("holes", "field"):
        return list(range(found[0], found[-1] + 1)) if found else []
    return {"ends": [min(found, default=0), max(found, default=0)], "count": len(found)}.get(wrong, found)


def seen_by_gradient(layers, position, size):
    """Positive weights, and the gradient of one output."""
    x = torch.zeros(1, 1, size, requires_grad=True, dtype=torch.float64)
    with torch.enable_grad():
        y = x
        for k, s, p, d in layers:
            y = torch.nn.functional.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64) / k, None, s, p, d)
        y[0, 0, position].backward()
    return x.grad[0, 0].nonzero().flatten()


def seen_numpy(layers, position, size):
    """Forwards: which pixels each unit of a layer sees, as a table of yes and no."""
    sees = np.eye(size, dtype=bool)
    for k, s, p, d in layers:
        none = np.zeros((p, size), dtype=bool)
        sees = np.concatenate([none, sees, none])
        rows = (len(sees) - d * (k - 1) - 1) // s + 1
        sees = np.any([sees[u * d : u * d + s * (rows - 1) + 1 : s] for u in range(k)], axis=0)
    return np.flatnonzero(sees[position])


def seen_repeated(layers, position, size):
    if not layers:
        return [position]
    (k, s, p, d), rest = layers[-1], layers[:-1]
    length = size
    for a, b, c, e in rest:
        length = (length + 2 * c - e * (a - 1) - 1) // b + 1
    taps = [position * s - p + u * d for u in range(k)]
    return sorted(at for i in taps if 0 <= i < length for at in seen_repeated(rest, i, size))


RIGHT = {
    "conv2d": {"loops": conv_loops, "shifts and einsum": conv_shifts, "im2col": conv_unfold, "numpy": conv_numpy_view},
    "conv2d_backward": {"loops": grads_loops, "matrix": grads_by_matrix, "torch": grads_torch},
    "shared_pool_backward": {"loops": share_loops, "autograd": share_autograd, "unfold and fold": share_unfold},
    "seen_pixels": {"walk back": seen_walk, "gradient": seen_by_gradient, "numpy, forwards": seen_numpy},
}

WRONG = {
    "conv2d": {
        "precision-lost inside": lambda x, *args: conv_loops(
            x.float(), *(a.float() if torch.is_tensor(a) else a for a in args)
        ).to(x.dtype),
        "precision-lost no bias": lambda x, w, b, *args: conv_loops(
            x if b is not None else x.float(), w.to(x.dtype if b is not None else torch.float32), b, *args
        ),
        "kernel-flipped": partial(conv_loops, wrong="flip"),
        "stride-dilation-swapped": partial(conv_loops, wrong="swap"),
        "padding-off-by-one": partial(conv_loops, wrong="pad more"),
        "padding-one-sided": partial(conv_loops, wrong="pad left"),
        "padding-not-zero": partial(conv_loops, wrong="replicate"),
        "bias-ignored": partial(conv_loops, wrong="no bias"),
        "bias-repeated": partial(conv_loops, wrong="bias often"),
        "stride-ignored": partial(conv_loops, wrong="no stride"),
        "dilation-ignored": partial(conv_loops, wrong="no dilation"),
        "dilation-off-by-one": partial(conv_loops, wrong="holes"),
        "only-square-kernels": partial(conv_loops, wrong="square"),
        "first-picture-only": partial(conv_loops, wrong="one picture"),
        "first-channel-only": partial(conv_loops, wrong="one channel"),
        "last-channel-only": partial(conv_loops, wrong="last channel"),
        "last-window-lost": partial(conv_loops, wrong="short"),
        "averaged": partial(conv_loops, wrong="mean"),
        "wrong-dtype": partial(conv_loops, wrong="int"),
        "precision-lost": partial(conv_loops, wrong="float32"),
        "input-changed": partial(conv_loops, wrong="in place"),
        "kernel-half-flipped": lambda x, w, *a: conv_shifts(x, w.flip(3), *a),
        "kernel-transposed": lambda x, w, *a: conv_shifts(x, w.mT, *a),
        "padding-ignored": lambda x, w, b, s, p, d: conv_shifts(x, w, b, s, 0, d),
        "padding-doubled": lambda x, w, b, s, p, d: conv_shifts(x, w, b, s, p + p, d),
        "padding-always-same": conv_same_size,
        "bias-first-only": lambda x, w, b, *a: conv_shifts(x, w, None if b is None else b[0].repeat(len(w)), *a),
        "stride-one-axis": lambda x, w, b, s, p, d: conv_shifts(x, w, b, 1, p, d)[:, :, ::s],
        "dilation-one-axis": lambda x, w, b, s, p, d: conv_shifts(x, with_holes(w, d), b, s, p, 1),
        "batch-summed": lambda x, *a: conv_shifts(x, *a).sum(0)[None],
        "channels-not-mixed": conv_unmixed,
        "channels-averaged": lambda x, w, b, *a: conv_shifts(x / x.shape[1], w, b, *a),
        "first-output-only": lambda x, w, b, *a: conv_shifts(x, w[:1], None if b is None else b[:1], *a),
        "only-square-pictures": lambda x, *a: conv_shifts(x[..., list(range(x.shape[2]))], *a),
        "output-rounded-up": conv_rounded_up,
    },
    "conv2d_backward": {
        "kernel-flipped": partial(grads_loops, wrong="flip"),
        "weight-gradient-flipped": partial(grads_loops, wrong="flip weight"),
        "overwritten": partial(grads_loops, wrong="overwrite"),
        "padding-not-removed": partial(grads_loops, wrong="uncut"),
        "stride-ignored": partial(grads_loops, wrong="no stride"),
        "dilation-ignored": partial(grads_loops, wrong="no dilation"),
        "edge-lost": partial(grads_loops, wrong="edge"),
        "bias-averaged": partial(grads_loops, wrong="mean"),
        "bias-not-summed": partial(grads_loops, wrong="rows"),
        "bias-counted": partial(grads_loops, wrong="counted"),
        "weight-averaged": partial(grads_loops, wrong="per picture"),
        "weight-transposed": partial(grads_loops, wrong="transposed"),
        "only-square-kernels": partial(grads_loops, wrong="square"),
        "results-exchanged": partial(grads_loops, wrong="order"),
        "precision-lost": partial(grads_loops, wrong="float32"),
        "input-changed": partial(grads_loops, wrong="in place"),
        "first-picture-only": lambda g, x, *a: grads_by_matrix(torch.cat([g[:1], 0 * g[1:]]), x, *a),
    },
    "shared_pool_backward": {
        "first-winner-only": partial(share_loops, wrong="first"),
        "not-divided": partial(share_loops, wrong="whole"),
        "divided-by-window": partial(share_loops, wrong="window size"),
        "padding-wins": partial(share_loops, wrong="zeros"),
        "padding-takes-a-number": partial(share_loops, wrong="number"),
        "padding-ignored": partial(share_loops, wrong="no padding"),
        "zeros-left-out": partial(share_loops, wrong="relu"),
        "overwritten": partial(share_loops, wrong="overwrite"),
        "whole-window": partial(share_loops, wrong="window"),
        "smallest": partial(share_loops, wrong="smallest"),
        "stride-ignored": partial(share_loops, wrong="stride is kernel"),
        "first-picture-only": partial(share_loops, wrong="one picture"),
        "first-channel-only": partial(share_loops, wrong="one channel"),
        "ones-instead": partial(share_loops, wrong="ones"),
        "precision-lost": partial(share_loops, wrong="float32"),
        "input-changed": share_changes_input,
        "shares-of-the-sum": share_averaged,
    },
    "seen_pixels": {
        "holes-filled": partial(seen_walk, wrong="holes"),
        "outside-kept": partial(seen_walk, wrong="outside"),
        "inner-padding-kept": partial(seen_walk, wrong="inner"),
        "whole-field": partial(seen_walk, wrong="field"),
        "padding-ignored": partial(seen_walk, wrong="no padding"),
        "stride-ignored": partial(seen_walk, wrong="no stride"),
        "dilation-ignored": partial(seen_walk, wrong="no dilation"),
        "order-reversed": partial(seen_walk, wrong="order"),
        "position-ignored": partial(seen_walk, wrong="position"),
        "window-centred": partial(seen_walk, wrong="centred"),
        "padding-dilation-exchanged": partial(seen_walk, wrong="padding, dilation"),
        "stride-padding-exchanged": partial(seen_walk, wrong="stride, padding"),
        "last-tap-lost": partial(seen_walk, wrong="short"),
        "ends-only": partial(seen_walk, wrong="ends"),
        "counted-only": partial(seen_walk, wrong="count"),
        "with-repeats": seen_repeated,
    },
}
