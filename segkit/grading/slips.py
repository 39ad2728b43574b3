"""Slips of the pen in the model solutions: (what stands there, what a student writes, the code of the diagnosis).

They make the submissions of a made class, with which the way from notebooks to marks is tried.
"""

from __future__ import annotations

Slip = tuple[str, str, str]

SLIPS: dict[str, list[Slip]] = {
    "confusion_matrix": [
        (
            "num_classes * target[valid].long() + prediction[valid].long()",
            "num_classes * prediction[valid].long() + target[valid].long()",
            "transposed",
        ),
        ("target != ignore_index", "target != 255", "ignore-index-fixed"),
        ("counts.reshape", "counts.float().reshape", "wrong-dtype"),
    ],
    "pixel_accuracy": [
        ("matrix.diagonal().sum() / matrix.sum()", "(matrix.diagonal() / matrix.sum(1)).nanmean()", "mean-accuracy"),
        ("/ matrix.sum()", "// matrix.sum()", "whole-number-division"),
    ],
    "frequency_weighted_iou": [
        (
            "true, claimed, hit = m.sum(1), m.sum(0)",
            "true, claimed, hit = m.sum(0), m.sum(1)",
            "weighted-by-prediction",
        ),
        ("true + claimed - hit", "true + claimed", "overlap-counted-twice"),
    ],
    "dice": [
        ("return 2 * m", "return m", "two-forgotten"),
        ("sizes = m.sum(0) + m.sum(1)", "sizes = (m.sum(0) + m.sum(1)).clamp(min=1)", "absent-class-zero"),
    ],
    "mean_iou": [
        ("seen = union > 0", "seen = m.sum(1) > 0", "only-true-classes"),
        ("m += confusion_matrix", "m = confusion_matrix", "last-picture-only"),
    ],
    "boundary_mask": [
        (
            "torch.zeros(h + 2, w + 2, dtype=torch.bool)",
            "torch.ones(h + 2, w + 2, dtype=torch.bool)",
            "edge-not-outside",
        ),
        ("range(width)", "range(1)", "width-ignored"),
    ],
    "conv2d": [
        ("top, left = u * dilation, v * dilation", "top, left = u, v", "dilation-ignored"),
        ("return out if bias is None else out + bias[:, None, None]", "return out", "bias-ignored"),
        ("weight[:, :, u, v])", "weight[:, :, kh - 1 - u, kw - 1 - v])", "kernel-flipped"),
        (
            "    padded = x.new_zeros",
            "    stride, dilation = dilation, stride\n    padded = x.new_zeros",
            "stride-dilation-swapped",
        ),
    ],
    "max_pool2d": [
        ('float("-inf")', "0.0", "zero-padding"),
        ("rows * w + columns", "at", "index-per-window"),
        ("rows * w + columns", "columns * h + rows", "index-column-major"),
    ],
    "max_pool2d_backward": [
        ("flat.scatter_add_", "flat.scatter_", "overwritten"),
        ("return flat.reshape(n, c, h, w)", "return flat", "left-flat"),
    ],
    "receptive_field": [
        ("(kernel - 1) * dilation * jump", "(kernel - 1) * dilation", "stride-ignored"),
        ("jump *= stride", "jump += stride", "strides-added"),
        ("field, jump = 1, 1", "field, jump = 0, 1", "starts-at-zero"),
    ],
    "conv_transpose2d": [
        (" + 1 + output_padding\n", " + 1\n", "output-padding-ignored"),
        ("] += torch.einsum", "] = torch.einsum", "overwritten"),
        ("weight[:, :, u, v])", "weight[:, :, kh - 1 - u, kw - 1 - v])", "kernel-flipped"),
    ],
    "coverage_counts": [
        ("p + padding - stride * i", "p - stride * i", "padding-one-sided"),
        ("- 2 * padding + kernel", "+ kernel", "wrong-shape"),
    ],
    "interpolate_bilinear": [
        ("if align_corners else", "if not align_corners else", "align-corners-inverted"),
        ("(i + 0.5) * (have / want) - 0.5", "i * (have / want)", "half-pixel-missing"),
    ],
    "max_unpool2d": [
        (".scatter(", ".scatter_add(", "summed-twice"),
        (
            "indices.flatten(2), x.flatten(2)).reshape",
            "indices.flatten(2), x.flatten(2).clamp(min=0)).reshape",
            "negative-lost",
        ),
    ],
    "pixel_shuffle": [
        ("permute(0, 1, 4, 2, 5, 3)", "permute(0, 1, 4, 3, 5, 2)", "offsets-exchanged"),
        ("split.permute(0, 1, 4, 2, 5, 3).reshape", "split.reshape", "only-reshaped"),
    ],
    "shift_and_stitch": [
        ("parts[dy, dx] = network", "parts[dx, dy] = network", "offsets-exchanged"),
        (
            "network(x[:, :, dy:, dx:])",
            "network(x[:, :, : x.shape[2] - dy, : x.shape[3] - dx])",
            "not-shifted",
        ),
    ],
    "linear_to_conv": [
        ("            conv.bias.copy_(linear.bias)", "            conv.bias.zero_()", "bias-lost"),
        (
            "linear.weight.reshape(-1, channels, height, width)",
            "linear.weight.reshape(-1, height, width, channels).permute(0, 3, 1, 2)",
            "channels-last",
        ),
    ],
    "bilinear_kernel": [
        ("weight[channel, channel] = torch.outer", "weight[channel, :] = torch.outer", "channels-mixed"),
        ("(torch.arange(k) - (k - 1) / 2)", "(torch.arange(k) - k // 2)", "centre-off"),
    ],
    "fuse_skip": [
        ("large[:, :, :h, :w]", "large[:, :, -h:, -w:]", "cut-from-end"),
        (":w] + fine", ":w] * fine", "not-summed"),
    ],
    "cross_entropy_with_void": [
        ("/ shares.sum()", "/ valid.sum()", "divided-by-count"),
        ("target != ignore_index", "target != 255", "ignore-index-fixed"),
        ("torch.ones_like(losses) if weight is None else weight[labels]", "torch.ones_like(losses)", "weights-ignored"),
    ],
    "segnet_decoder_step": [
        (".relu()", "", "relu-forgotten"),
        ("padding=1", "padding=0", "padding-missing"),
        ("weight, bias, padding=1", "weight, None, padding=1", "bias-ignored"),
        ("    h, w = output_size", "    h, w = 2 * x.shape[2], 2 * x.shape[3]", "always-doubled"),
        ("    h, w = output_size", "    w, h = output_size", "size-swapped"),
    ],
    "concat_skip": [
        ("(encoder.shape[2] - h) // 2, (encoder.shape[3] - w) // 2", "0, 0", "cut-at-zero"),
        ("h) // 2", "h + 1) // 2", "rounded-up"),
        ("[middle, decoder]", "[decoder, middle]", "decoder-first"),
        ("dim=1", "dim=0", "wrong-axis"),
    ],
    "unet_weight_map": [
        ("near[0] + near[1]", "2 * near[0]", "one-distance-only"),
        ("(near[0] + near[1]) ** 2", "near[0] ** 2 + near[1] ** 2", "squares-added"),
        ("(2 * sigma**2)", "(sigma**2)", "wrong-width"),
        ("torch.where(instances == 0, bell.reshape(h, w), 0.0)", "bell.reshape(h, w)", "cells-weighted-too"),
        (
            "torch.cdist(pixels, pixels[(instances == i).flatten()])",
            "torch.cdist(pixels, pixels[(instances == i).flatten()].mean(0, True))",
            "distance-to-centre",
        ),
    ],
    "dilate_strides": [
        ("(kernel, 1, dilation * factor)", "(kernel, step, dilation * factor)", "strides-kept"),
        ("dilation * factor))", "factor))", "own-dilation-lost"),
        ("(kernel, 1, dilation * factor)", "(kernel, 1, dilation * factor * step)", "own-stride-too-early"),
        ("factor *= step", "factor += step - 1", "strides-not-multiplied"),
    ],
    "gridding_counts": [
        ("at + tap * rate] += count", "at + tap * rate] = 1", "capped-at-one"),
        ("at + tap * rate]", "at + tap]", "rates-ignored"),
        ("return counts", "return counts[len(counts) // 2 :]", "one-side"),
    ],
    "hdc_check": [
        (" and not shared", "", "common-factor-ignored"),
        ("gap <= kernel", "gap < kernel", "strictly-smaller"),
        ("rates[1:-1]", "rates[:-1]", "one-step-too-far"),
        ("gap - 2 * rate,", "gap - rate,", "two-forgotten"),
    ],
    "dense_upsample": [
        ("permute(0, 1, 4, 2, 5, 3)", "permute(0, 1, 4, 3, 5, 2)", "offsets-exchanged"),
        ("[:, :, : size[0], : size[1]]", "", "not-cropped"),
        ("[:, :, : size[0], : size[1]]", "[:, :, -size[0] :, -size[1] :]", "cut-from-end"),
        ("weight, bias, padding=1", "weight, None, padding=1", "bias-ignored"),
    ],
    "bilateral_filter": [
        (
            "weights = torch.exp(-near - alike)",
            "weights = torch.exp(-near - alike).fill_diagonal_(0)",
            "itself-left-out",
        ),
        ("torch.exp(-near - alike)", "torch.softmax(-near - alike, 0)", "normalised"),
        ("torch.exp(-near - alike)", "torch.exp(-near)", "colour-ignored"),
        ("(2 * theta_alpha**2)", "theta_alpha**2", "wrong-width"),
        ("picture.to(values.dtype)", "picture", "bytes-wrap"),
    ],
    "compatibility_transform": [
        ("lk,khw->lhw", "kl,khw->lhw", "transposed"),
        (
            "(1 - torch.eye(len(messages), dtype=messages.dtype))",
            "torch.eye(len(messages), dtype=messages.dtype)",
            "potts-same-label",
        ),
        ("    if not isinstance(matrix, torch.Tensor):", "    if False:", "number-breaks"),
    ],
    "mean_field_step": [
        ("-unary - cost", "-unary + cost", "pairwise-sign"),
        ("-unary - cost", "unary + cost", "energies-not-negated"),
        ("dim=0", "dim=1", "softmax-over-space"),
        ("mij,kj->ki", "mji,kj->ki", "kernel-transposed"),
        ("torch.softmax(-unary - cost, dim=0)", "torch.exp(-unary - cost)", "not-normalised"),
    ],
}
