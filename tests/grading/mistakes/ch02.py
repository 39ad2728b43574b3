"""Chapter 02, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from tests.grading.mistakes.families import only_first

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
    dilation = {"no dilation": 1, "holes": dilation + 1, "no holes": max(dilation - 1, 1)}.get(wrong, dilation)
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
                    if wrong == "steps of 1":
                        y, z = i + u * dilation, j + t * dilation
                    if wrong == "holes of 1":
                        y, z = i * stride + u, j * stride + t
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
        times = {"bias often": c, "bias at each weight": kh * kw, "bias in each term": c * kh * kw}.get(wrong, 1)
        out += b[:, None, None] * times
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


def conv_padded(x, weight, bias, stride, padding, dilation, *, sides=(1, 1, 1, 1), by=0, **how):
    """Padded by numpy; `sides` are how often the padding is put above, below, on the left and on the right."""
    above, below, left, right = (times * (padding + by if padding else 0) for times in sides)
    wide = np.pad(x.numpy(), ((0, 0), (0, 0), (above, below), (left, right)), **how)
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


def conv_square(x, weight, *rest, of):
    """A loop over the size of one axis for both."""
    if of == "kernel width":
        return conv_shifts(x, weight[:, :, range(weight.shape[3])], *rest)
    if of == "smaller side":
        side = min(weight.shape[2:])
        return conv_shifts(x, weight[:, :, :side, :side], *rest)
    return conv_shifts(x[:, :, range(x.shape[3])], weight, *rest)


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
    bias = {"bias per picture": g.sum((2, 3)).mean(0), "bias per place": g.mean((2, 3)).sum(0),
            "bias as a map": g.sum(0), "bias as one": g.sum()}.get(wrong, bias)  # fmt: skip
    grads = grads / {"per picture": len(x), "per place": g.shape[2] * g.shape[3]}.get(wrong, 1)
    grads = grads.swapaxes(0, 1) if wrong == "transposed" else grads
    if wrong == "edge":
        back = back[:, :, : (g.shape[2] - 1) * s + d * (kh - 1) + 1, : (g.shape[3] - 1) * s + d * (kw - 1) + 1]
    back = back if wrong == "uncut" else back[:, :, p : back.shape[2] - p, p : back.shape[3] - p]
    parts = [torch.from_numpy(np.array(part, order="C")).to(dtype) for part in (back, grads, bias)]
    return tuple(parts[i] for i in {"order": (1, 0, 2), "backwards": (2, 1, 0)}.get(wrong, (0, 1, 2)))


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


def grads_written_over(grad_output, x, weight, stride, padding, dilation):
    """Weight by weight, what it sends back over what is there."""
    n, c, h, w = x.shape
    back = x.new_zeros(n, c, h + 2 * padding, w + 2 * padding)
    for u in range(weight.shape[2]):
        for v in range(weight.shape[3]):
            rows = torch.arange(grad_output.shape[2]) * stride + u * dilation
            columns = torch.arange(grad_output.shape[3]) * stride + v * dilation
            back[:, :, rows[:, None], columns] = torch.einsum("nohw,oc->nchw", grad_output, weight[:, :, u, v])
    rest = grads_by_matrix(grad_output, x, weight, stride, padding, dilation)[1:]
    return back[:, :, padding : padding + h, padding : padding + w], *rest


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
                    if wrong == "minus one" and len(inside) < len(cells):
                        rivals = outside * (best == -1)
                        winners = winners if best >= -1 else []
                    winners = {"first": winners[:1], "last": winners[-1:]}.get(wrong, winners)
                    winners = inside if wrong.startswith("window") and wrong != "window size" else winners
                    parts = {"whole": 1, "window whole": 1, "window size": k * k, "window mean": k * k}.get(
                        wrong, len(winners) + rivals
                    )
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


def share_written_over(grad_output, x, kernel_size, stride, padding):
    """Place by place of the windows, each over what is there."""
    wide = torch.nn.functional.pad(x, (padding,) * 4, value=-torch.inf)
    windows = wide.unfold(2, kernel_size, stride).unfold(3, kernel_size, stride)
    hit = windows == windows.amax((4, 5), keepdim=True)
    out = torch.zeros_like(wide, dtype=grad_output.dtype)
    h, w = grad_output.shape[2:]
    for u in range(kernel_size):
        for v in range(kernel_size):
            rows = [u + i * stride for i in range(h)]
            columns = [v + j * stride for j in range(w)]
            share = grad_output * hit[..., u, v] / hit.sum((4, 5))
            out[:, :, torch.tensor(rows)[:, None], columns] = share.to(out.dtype)
    return out[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


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
        d, first, p = (d, -(k // 2), 0) if wrong == "centred, no padding" else (d, first, p)
        k = {"short": max(k - 1, 1), "long": k + 1}.get(wrong, k)
        places = {i * s - p + (first + u) * d for i in places for u in range(k)}
        kept = {"outside": depth == 0, "inner": depth > 0, "outside anywhere": True, "field": True}
        if not kept.get(wrong, False):
            places = {i for i in places if 0 <= i < length}
    found = sorted(places)
    if wrong in ("holes", "field"):
        return list(range(found[0], found[-1] + 1)) if found else []
    first, last = min(found, default=0), max(found, default=0)
    return {"ends": [first, last], "range": (first, last + 1), "count": len(found)}.get(wrong, found)


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
        "bias-needed": lambda *a: (a[2].shape, conv_loops(*a))[1],
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
        "kernel-half-flipped rows": lambda x, w, *a: conv_shifts(x, w[:, :, list(range(w.shape[2]))[::-1]], *a),
        "padding-off-by-one more where any": partial(conv_padded, by=1),
        "padding-off-by-one less where any": partial(conv_padded, by=-1),
        "padding-one-sided right": partial(conv_padded, sides=(0, 1, 0, 1)),
        "padding-one-sided all left": partial(conv_padded, sides=(2, 0, 2, 0)),
        "padding-one-sided all right": partial(conv_padded, sides=(0, 2, 0, 2)),
        "padding-one-sided rows": partial(conv_padded, sides=(1, 1, 0, 0)),
        "padding-one-sided columns": partial(conv_padded, sides=(0, 0, 1, 1)),
        **{f"padding-not-zero {mode}": partial(conv_padded, mode=mode) for mode in ("reflect", "wrap")},
        "padding-not-zero ones": partial(conv_padded, constant_values=1),
        "bias-repeated at each weight": partial(conv_loops, wrong="bias at each weight"),
        "bias-repeated in each term": partial(conv_loops, wrong="bias in each term"),
        "stride-ignored size right": partial(conv_loops, wrong="steps of 1"),
        "dilation-ignored size right": partial(conv_loops, wrong="holes of 1"),
        "stride-one-axis columns": lambda x, w, b, s, p, d: conv_unfold(x, w, b, 1, p, d)[..., ::s],
        "dilation-off-by-one less": partial(conv_loops, wrong="no holes"),
        "dilation-one-axis columns": lambda x, w, b, s, p, d: conv_shifts(x, with_holes(w.mT, d).mT, b, s, p, 1),
        **only_first("first-picture-only", conv_shifts),
        "batch-summed for all": lambda *a: conv_shifts(*a).sum(0, keepdim=True).repeat(len(a[0]), 1, 1, 1),
        "first-output-only for all": lambda *a: conv_shifts(*a)[:, [0] * len(a[1])],
        "first-output-only own bias": lambda x, w, *a: conv_shifts(x, w[[0] * len(w)], *a),
        "only-square-kernels width": partial(conv_square, of="kernel width"),
        "only-square-kernels smaller side": partial(conv_square, of="smaller side"),
        "only-square-pictures width": partial(conv_square, of="picture width"),
        "averaged with channels": lambda x, w, b, *a: (
            conv_unfold(x, w, None, *a) / w[0].numel() + (0 if b is None else b[:, None, None])
        ),
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
        "overwritten weight by weight": grads_written_over,
        "padding-not-removed": partial(grads_loops, wrong="uncut"),
        "stride-ignored": partial(grads_loops, wrong="no stride"),
        "dilation-ignored": partial(grads_loops, wrong="no dilation"),
        "edge-lost": partial(grads_loops, wrong="edge"),
        "bias-averaged": partial(grads_loops, wrong="mean"),
        **{f"bias-averaged {w}": partial(grads_loops, wrong=w) for w in ("bias per picture", "bias per place")},
        "bias-not-summed": partial(grads_loops, wrong="rows"),
        **{f"bias-not-summed {w}": partial(grads_loops, wrong=w) for w in ("bias as a map", "bias as one")},
        "bias-counted": partial(grads_loops, wrong="counted"),
        "weight-averaged": partial(grads_loops, wrong="per picture"),
        "weight-averaged per place": partial(grads_loops, wrong="per place"),
        "weight-transposed": partial(grads_loops, wrong="transposed"),
        "only-square-kernels": partial(grads_loops, wrong="square"),
        "results-exchanged": partial(grads_loops, wrong="order"),
        "results-exchanged backwards": partial(grads_loops, wrong="backwards"),
        "precision-lost": partial(grads_loops, wrong="float32"),
        "input-changed": partial(grads_loops, wrong="in place"),
        "first-picture-only": lambda g, x, *a: grads_by_matrix(torch.cat([g[:1], 0 * g[1:]]), x, *a),
    },
    "shared_pool_backward": {
        "first-winner-only": partial(share_loops, wrong="first"),
        "first-winner-only last": partial(share_loops, wrong="last"),
        "not-divided": partial(share_loops, wrong="whole"),
        "divided-by-window": partial(share_loops, wrong="window size"),
        "padding-wins": partial(share_loops, wrong="zeros"),
        "padding-takes-a-number": partial(share_loops, wrong="number"),
        "padding-takes-a-number minus one": partial(share_loops, wrong="minus one"),
        "padding-ignored": partial(share_loops, wrong="no padding"),
        "zeros-left-out": partial(share_loops, wrong="relu"),
        "zeros-left-out and below": lambda g, x, *window: share_autograd(g, x, *window) * (x > 0),
        "overwritten": partial(share_loops, wrong="overwrite"),
        "overwritten zeros too": share_written_over,
        "whole-window": partial(share_loops, wrong="window"),
        "whole-window mean": partial(share_loops, wrong="window mean"),
        "whole-window undivided": partial(share_loops, wrong="window whole"),
        "smallest": partial(share_loops, wrong="smallest"),
        "stride-ignored": partial(share_loops, wrong="stride is kernel"),
        "first-picture-only": partial(share_loops, wrong="one picture"),
        "first-channel-only": partial(share_loops, wrong="one channel"),
        **only_first("first-picture-only", share_autograd),
        **only_first("first-channel-only", share_autograd, axis=1),
        "ones-instead": partial(share_loops, wrong="ones"),
        "precision-lost": partial(share_loops, wrong="float32"),
        "input-changed": share_changes_input,
        "shares-of-the-sum": share_averaged,
    },
    "seen_pixels": {
        "holes-filled": partial(seen_walk, wrong="holes"),
        "outside-kept": partial(seen_walk, wrong="outside"),
        "outside-kept anywhere": partial(seen_walk, wrong="outside anywhere"),
        "inner-padding-kept": partial(seen_walk, wrong="inner"),
        "whole-field": partial(seen_walk, wrong="field"),
        "padding-ignored": partial(seen_walk, wrong="no padding"),
        "stride-ignored": partial(seen_walk, wrong="no stride"),
        "dilation-ignored": partial(seen_walk, wrong="no dilation"),
        "order-reversed": partial(seen_walk, wrong="order"),
        "order-reversed list": lambda layers, *at: seen_by_gradient(layers[::-1], *at),
        "position-ignored": partial(seen_walk, wrong="position"),
        "window-centred": partial(seen_walk, wrong="centred"),
        "window-centred without padding": partial(seen_walk, wrong="centred, no padding"),
        "padding-dilation-exchanged": partial(seen_walk, wrong="padding, dilation"),
        "stride-padding-exchanged": partial(seen_walk, wrong="stride, padding"),
        "last-tap-lost": partial(seen_walk, wrong="short"),
        "last-tap-lost one more": partial(seen_walk, wrong="long"),
        "ends-only": partial(seen_walk, wrong="ends"),
        "ends-only range": partial(seen_walk, wrong="range"),
        "counted-only": partial(seen_walk, wrong="count"),
        "with-repeats": seen_repeated,
    },
}
