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


# receptive_field ---------------------------------------------------------------------------------------------------


def field_loop(layers, *, wrong=""):
    field, jump = (0 if wrong == "zero" else 1), 1
    layers = layers[::-1] if wrong == "reversed" else layers
    for kernel, stride, dilation in layers:
        if wrong == "swap":
            stride, dilation = dilation, stride
        dilation = 1 if wrong == "no dilation" else dilation
        if wrong == "early":
            jump *= stride
        grow = {"kernel": kernel * dilation, "stretch": kernel * dilation - 1}.get(wrong, (kernel - 1) * dilation)
        field = (1 if wrong == "last" else field) + grow * (1 if wrong == "no stride" else jump)
        if wrong == "sum":
            jump += stride - 1
        elif wrong == "dilated stride":
            jump *= stride * dilation
        elif wrong != "early":
            jump *= stride
    if wrong == "own":
        jump = layers[-1][1] if layers else 1
    if wrong == "radius":
        field = (field - 1) // 2
    return (jump, field) if wrong == "order" else (field, jump)


def field_backward(layers):
    """From the last layer to the first, as Araujo et al. write it."""
    field = 1
    for kernel, stride, dilation in reversed(layers):
        field = stride * field + (dilation * (kernel - 1) + 1 - stride)
    return [torch.tensor(field), torch.tensor([s for _, s, _ in layers]).prod()]


def field_numpy(layers):
    if not layers:
        return 1, 1
    k, s, d = np.array(layers).T
    jumps = np.concatenate([[1], np.cumprod(s)])
    return 1 + ((k - 1) * d * jumps[:-1]).sum(), jumps[-1]


# max_pool2d --------------------------------------------------------------------------------------------------------


def pool_loops(x, kernel_size, stride, padding, *, wrong=""):
    k, s, p = kernel_size, stride, padding
    s = k if wrong == "stride is kernel" else s
    k = 2 if wrong == "always 2" else k
    n, c, h, w = x.shape
    fill = 0.0 if wrong == "zeros" else -float("inf")
    wide = torch.full((n, c, h + 2 * p, w + 2 * p), fill, dtype=x.dtype)
    wide[:, :, p : p + h, p : p + w] = x
    ho, wo = (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1
    ho, wo = (ho - 1, wo - 1) if wrong == "short" else (ho, wo)
    values = x.new_zeros(n, c, ho, wo)
    indices = torch.zeros(n, c, ho, wo, dtype=torch.float32 if wrong == "float index" else torch.int64)
    for i in range(ho):
        for j in range(wo):
            window = wide[:, :, i * s : i * s + k, j * s : j * s + k].flatten(2)
            _, at = (-window if wrong == "min" else window).max(2)
            if wrong == "abs":
                at = window.abs().where(window.isfinite(), torch.tensor(-1.0, dtype=x.dtype)).argmax(2)
            values[:, :, i, j] = window.gather(2, at[..., None])[..., 0] if wrong != "mean" else window.mean(2)
            row, column = at // k + i * s - p, at % k + j * s - p
            if wrong == "per window":
                indices[:, :, i, j] = at
            elif wrong == "padded":
                indices[:, :, i, j] = (row + p) * (w + 2 * p) + column + p
            elif wrong == "columns":
                indices[:, :, i, j] = column * h + row
            elif wrong == "output":
                indices[:, :, i, j] = i * wo + j
            elif wrong == "height":
                indices[:, :, i, j] = row * h + column
            else:
                indices[:, :, i, j] = row * w + column
    if wrong == "one batch":
        values, indices = values[:1], indices[:1]
    if wrong == "global":
        indices = indices + torch.arange(n * c).reshape(n, c, 1, 1) * h * w
    return (indices, values) if wrong == "order" else (values, indices)


def pool_numpy(x, kernel_size, stride, padding):
    wide = np.pad(x.numpy(), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (kernel_size,) * 2, axis=(2, 3))[:, :, ::stride, ::stride]
    flat = windows.reshape(*windows.shape[:4], -1)
    at = flat.argmax(-1)
    y = np.arange(at.shape[2])[:, None] * stride + at // kernel_size - padding
    z = np.arange(at.shape[3]) * stride + at % kernel_size - padding
    return [flat.max(-1), (y * x.shape[3] + z).astype(np.int32)]


def pool_changes_input(x, kernel_size, stride, padding):
    result = pool_loops(x.clone(), kernel_size, stride, padding)
    x.clamp_(min=0)
    return result


# max_pool2d_backward -----------------------------------------------------------------------------------------------


def backward_loops(grad_output, indices, input_size, *, wrong=""):
    n, c, h, w = input_size
    out = torch.zeros(n, c, h, w, dtype=torch.float32 if wrong == "float32" else grad_output.dtype)
    seen = torch.zeros(n, c, h, w)
    for a in range(1 if wrong == "one picture" else n):
        for b in range(1 if wrong == "one channel" else c):
            for i, g in zip(indices[a, b].flatten().tolist(), grad_output[a, b].flatten().tolist(), strict=True):
                row, column = (i % h, i // h) if wrong == "columns" else (i // w, i % w)
                at = (0, 0) if wrong == "one plane" else (a, b)
                g = {"ones": 1.0, "sign": -g, "quarter": g / 4}.get(wrong, g)
                if wrong == "overwrite":
                    out[*at, row, column] = g
                else:
                    out[*at, row, column] += g
                seen[*at, row, column] += 1
    if wrong == "mean":
        out = out / seen.clamp(min=1).to(out.dtype)
    return out.flatten(2) if wrong == "flat" else out


def backward_together(grad_output, indices, input_size):
    """All planes as one long line, each picture counting on."""
    n, c, h, w = input_size
    out = np.zeros(n * c * h * w)
    first = np.arange(n * c).reshape(n, c, 1, 1) * h * w
    np.add.at(out, (indices.numpy() + first).ravel(), grad_output.numpy().ravel())
    return out.reshape(n, c, h, w)


def backward_one_hot(grad_output, indices, input_size):
    n, c, h, w = input_size
    hot = torch.nn.functional.one_hot(indices.flatten(2), h * w).to(grad_output.dtype)
    return torch.einsum("ncp,ncpi->nci", grad_output.flatten(2), hot).view(n, c, h, w)


def backward_index_plus(grad_output, indices, input_size):
    """The famous trap: `out[index] += g` adds repeated indices once."""
    n, c, h, w = input_size
    out = grad_output.new_zeros(n * c, h * w)
    planes = torch.arange(n * c)[:, None]
    out[planes, indices.reshape(n * c, -1)] += grad_output.reshape(n * c, -1)
    return out.reshape(n, c, h, w)


def backward_window(grad_output, indices, input_size):
    n, c, h, w = input_size
    out = grad_output.new_zeros(n, c, h, w)
    for i in range(grad_output.shape[2]):
        for j in range(grad_output.shape[3]):
            out[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = grad_output[:, :, i : i + 1, j : j + 1]
    return out


def backward_per_picture(grad_output, indices, input_size):
    n, c, h, w = input_size
    out = grad_output.new_zeros(n, c * h * w)
    for a in range(n):
        out[a].index_add_(0, indices[a].flatten(), grad_output[a].flatten())
    return out.reshape(n, c, h, w)


RIGHT = {
    "conv2d": {"loops": conv_loops, "shifts and einsum": conv_shifts, "im2col": conv_unfold, "numpy": conv_numpy_view},
    "receptive_field": {"loop": field_loop, "backwards, tensors": field_backward, "numpy": field_numpy},
    "max_pool2d": {"loops": pool_loops, "numpy, int32": pool_numpy},
    "max_pool2d_backward": {"loops": backward_loops, "numpy": backward_together, "einsum": backward_one_hot},
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
    },
    "receptive_field": {
        "first-layer-only": lambda layers: field_loop(layers[:1]) if layers else None,
        "dilation-ignored": partial(field_loop, wrong="no dilation"),
        "stride-ignored": partial(field_loop, wrong="no stride"),
        "own-stride-too-early": partial(field_loop, wrong="early"),
        "starts-at-zero": partial(field_loop, wrong="zero"),
        "whole-kernels-added": partial(field_loop, wrong="kernel"),
        "stretched-wrong": partial(field_loop, wrong="stretch"),
        "strides-added": partial(field_loop, wrong="sum"),
        "dilation-in-stride": partial(field_loop, wrong="dilated stride"),
        "last-stride-only": partial(field_loop, wrong="own"),
        "order-reversed": partial(field_loop, wrong="reversed"),
        "stride-dilation-swapped": partial(field_loop, wrong="swap"),
        "radius": partial(field_loop, wrong="radius"),
        "results-exchanged": partial(field_loop, wrong="order"),
    },
    "max_pool2d": {
        "wrong-dtype uint8": lambda *args: (pool_loops(*args)[0], pool_loops(*args)[1].to(torch.uint8)),
        "wrong-dtype int32": lambda *args: (pool_loops(*args)[0], pool_loops(*args)[1].to(torch.int32)),
        "zero-padding": partial(pool_loops, wrong="zeros"),
        "index-per-window": partial(pool_loops, wrong="per window"),
        "index-over-tensor": partial(pool_loops, wrong="global"),
        "index-in-padded-plane": partial(pool_loops, wrong="padded"),
        "index-column-major": partial(pool_loops, wrong="columns"),
        "index-times-height": partial(pool_loops, wrong="height"),
        "index-of-output": partial(pool_loops, wrong="output"),
        "stride-ignored": partial(pool_loops, wrong="stride is kernel"),
        "kernel-ignored": partial(pool_loops, wrong="always 2"),
        "last-window-lost": partial(pool_loops, wrong="short"),
        "smallest": partial(pool_loops, wrong="min"),
        "largest-magnitude": partial(pool_loops, wrong="abs"),
        "first-picture-only": partial(pool_loops, wrong="one batch"),
        "results-exchanged": partial(pool_loops, wrong="order"),
        "wrong-dtype": partial(pool_loops, wrong="float index"),
        "input-changed": pool_changes_input,
    },
    "max_pool2d_backward": {
        "overwritten": backward_index_plus,
        "averaged-overlaps": partial(backward_loops, wrong="mean"),
        "planes-mixed-up": backward_per_picture,
        "ones-instead": partial(backward_loops, wrong="ones"),
        "whole-window": backward_window,
        "index-column-major": partial(backward_loops, wrong="columns"),
        "left-flat": partial(backward_loops, wrong="flat"),
        "first-picture-only": partial(backward_loops, wrong="one picture"),
        "first-channel-only": partial(backward_loops, wrong="one channel"),
        "sign-changed": partial(backward_loops, wrong="sign"),
        "scaled-by-window": partial(backward_loops, wrong="quarter"),
        "precision-lost": partial(backward_loops, wrong="float32"),
    },
}
