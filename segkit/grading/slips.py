"""Slips of the pen in the model solutions, which make the submissions of a practice class.

They show that notebooks find their way to marks: each slip is told by the code of its diagnosis.
"""

from __future__ import annotations

import re
from collections import defaultdict

from segkit.grading.slips_later import LATER

Slip = tuple[str, str, str]  # what stands in the solution, what a student writes, the code of the diagnosis

_TEXT = """
confusion_matrix transposed: num_classes * target[valid].long() + prediction[valid].long()
    → num_classes * prediction[valid].long() + target[valid].long()
confusion_matrix ignore-index-fixed: target != ignore_index → target != 255
confusion_matrix wrong-dtype: counts.reshape → counts.float().reshape
pixel_accuracy mean-accuracy: matrix.diagonal().sum() / matrix.sum() → (matrix.diagonal() / matrix.sum(1)).nanmean()
pixel_accuracy whole-number-division: / matrix.sum() → // matrix.sum()
frequency_weighted_iou weighted-by-prediction: true, claimed, hit = m.sum(1), m.sum(0)
    → true, claimed, hit = m.sum(0), m.sum(1)
frequency_weighted_iou overlap-counted-twice: true + claimed - hit → true + claimed
dice two-forgotten: return 2 * m → return m
dice absent-class-zero: sizes = m.sum(0) + m.sum(1) → sizes = (m.sum(0) + m.sum(1)).clamp(min=1)
mean_iou only-true-classes: seen = union > 0 → seen = m.sum(1) > 0
mean_iou last-picture-only: m += confusion_matrix → m = confusion_matrix
boundary_mask edge-not-outside: torch.zeros(h + 2, w + 2, dtype=torch.bool) → torch.ones(h + 2, w + 2, dtype=torch.bool)
boundary_mask width-ignored: range(width) → range(1)
conv2d dilation-ignored: top, left = u * dilation, v * dilation → top, left = u, v
conv2d bias-ignored: return out if bias is None else out + bias[:, None, None] → return out
conv2d kernel-flipped: weight[:, :, u, v]) → weight[:, :, kh - 1 - u, kw - 1 - v])
conv2d stride-dilation-swapped: padded = x.new_zeros → stride, dilation = dilation, stride; padded = x.new_zeros
conv2d_backward kernel-flipped: weight[:, :, u, v]) → weight[:, :, -1 - u, -1 - v])
conv2d_backward overwritten: across] += torch.einsum → across] = torch.einsum
conv2d_backward bias-averaged: grad_output.sum((0, 2, 3)) → grad_output.mean((0, 2, 3))
conv2d_backward padding-not-removed: return back[:, :, padding : padding + h, padding : padding + w], → return back,
shared_pool_backward first-winner-only: won = (windows == windows.amax(0))
    → won = torch.stack([windows.argmax(0) == i for i in range(k * k)])
shared_pool_backward padding-wins: float("-inf") → 0.0
shared_pool_backward not-divided: won / won.sum(0) * grad_output → won * grad_output
seen_pixels outside-kept: {at for at in taps if 0 <= at < length} → taps
seen_pixels dilation-ignored: u * dilation for i → u for i
seen_pixels holes-filled: return sorted(places) → return list(range(min(places), max(places) + 1))
seen_pixels padding-ignored: i * stride - padding + u → i * stride + u
stitch_tiles divided-by-count: += window[inside] → += torch.ones_like(window)[inside]
stitch_tiles not-divided: total / weight, 0 → total, 0
stitch_tiles window-ignored: total[:, top:end → window = torch.ones_like(window); total[:, top:end
stitch_tiles gaps-not-zero: torch.where(weight > 0, total / weight, 0) → total / weight
coverage_of_stack padding-ignored: counts = spread[padding : len(spread) - padding] → counts = spread
coverage_of_stack capped-between-layers: += count → += min(count, 1)
coverage_of_stack overwritten: spread[i * stride + u] += count → spread[i * stride + u] = count
sample_bilinear rows-columns-exchanged: at[..., 0].clamp(0, h - 1), at[..., 1].clamp(0, w - 1)
    → at[..., 1].clamp(0, h - 1), at[..., 0].clamp(0, w - 1)
sample_bilinear first-places-for-all: rows, columns = at → at = at[:1].expand_as(at); rows, columns = at
sample_bilinear upper-left-only: return (1 - down) * upper + down * lower → return look(top, left)
pixel_unshuffle offsets-exchanged: permute(0, 1, 3, 5, 2, 4) → permute(0, 1, 5, 3, 2, 4)
pixel_unshuffle only-reshaped: split.permute(0, 1, 3, 5, 2, 4).reshape → split.reshape
shift_and_stitch offsets-exchanged: parts[dy, dx] = network → parts[dx, dy] = network
shift_and_stitch not-shifted: network(x[:, :, dy:, dx:]) → network(x[:, :, : x.shape[2] - dy, : x.shape[3] - dx])
linear_to_conv bias-lost: conv.bias.copy_(linear.bias) → conv.bias.zero_()
linear_to_conv channels-last: linear.weight.reshape(-1, channels, height, width)
    → linear.weight.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
bilinear_kernel channels-mixed: weight[channel, channel] = plane → weight[channel, :] = plane
bilinear_kernel centre-off: (torch.arange(k) - (k - 1) / 2) → (torch.arange(k) - k // 2)
bilinear_kernel arguments-exchanged: tent(rows), tent(columns) → tent(columns), tent(rows)
fuse_skip cut-from-end: large[:, :, :h, :w] → large[:, :, -h:, -w:]
fuse_skip not-summed: :w] + fine → :w] * fine
cross_entropy_with_void divided-by-count: / shares.sum() → / valid.sum()
cross_entropy_with_void ignore-index-fixed: target != ignore_index → target != 255
cross_entropy_with_void weights-ignored: torch.ones_like(losses) if weight is None else weight[labels]
    → torch.ones_like(losses)
segnet_decoder_step relu-forgotten: .relu() →
segnet_decoder_step padding-missing: padding=1 → padding=0
segnet_decoder_step bias-ignored: weight, bias, padding=1 → weight, None, padding=1
segnet_decoder_step always-doubled: h, w = output_size → h, w = 2 * x.shape[2], 2 * x.shape[3]
segnet_decoder_step size-swapped: h, w = output_size → w, h = output_size
concat_skip cut-at-zero: (encoder.shape[2] - h) // 2, (encoder.shape[3] - w) // 2 → 0, 0
concat_skip rounded-up: h) // 2 → h + 1) // 2
concat_skip decoder-first: [middle, decoder] → [decoder, middle]
concat_skip wrong-axis: dim=1 → dim=0
unet_weight_map one-distance-only: near[0] + near[1] → 2 * near[0]
unet_weight_map squares-added: (near[0] + near[1]) ** 2 → near[0] ** 2 + near[1] ** 2
unet_weight_map wrong-width: (2 * sigma**2) → (sigma**2)
unet_weight_map cells-weighted-too: torch.where(instances == 0, bell.reshape(h, w), 0.0) → bell.reshape(h, w)
unet_weight_map distance-to-centre: torch.cdist(pixels, pixels[(instances == i).flatten()])
    → torch.cdist(pixels, pixels[(instances == i).flatten()].mean(0, True))
dilate_strides strides-kept: (kernel, 1, dilation * factor) → (kernel, step, dilation * factor)
dilate_strides own-dilation-lost: dilation * factor)) → factor))
dilate_strides own-stride-too-early: (kernel, 1, dilation * factor) → (kernel, 1, dilation * factor * step)
dilate_strides strides-not-multiplied: factor *= step → factor += step - 1
gridding_counts capped-at-one: at + tap * rate] += count → at + tap * rate] = 1
gridding_counts rates-ignored: at + tap * rate] → at + tap]
gridding_counts one-side: return counts → return counts[len(counts) // 2 :]
hdc_check common-factor-ignored: and not shared →
hdc_check strictly-smaller: gap <= kernel → gap < kernel
hdc_check one-step-too-far: rates[1:-1] → rates[:-1]
hdc_check two-forgotten: gap - 2 * rate, → gap - rate,
dense_upsample offsets-exchanged: permute(0, 1, 4, 2, 5, 3) → permute(0, 1, 4, 3, 5, 2)
dense_upsample not-cropped: [:, :, : size[0], : size[1]] →
dense_upsample cut-from-end: [:, :, : size[0], : size[1]] → [:, :, -size[0] :, -size[1] :]
dense_upsample bias-ignored: weight, bias, padding=1 → weight, None, padding=1
bilateral_filter itself-left-out: weights = torch.exp(-near - alike)
    → weights = torch.exp(-near - alike).fill_diagonal_(0)
bilateral_filter normalised: torch.exp(-near - alike) → torch.softmax(-near - alike, 0)
bilateral_filter colour-ignored: torch.exp(-near - alike) → torch.exp(-near)
bilateral_filter wrong-width: (2 * theta_alpha**2) → theta_alpha**2
bilateral_filter bytes-wrap: picture.to(values.dtype) → picture
compatibility_transform transposed: lk,khw->lhw → kl,khw->lhw
compatibility_transform potts-same-label: (1 - torch.eye(len(messages), dtype=messages.dtype))
    → torch.eye(len(messages), dtype=messages.dtype)
compatibility_transform number-breaks: if not isinstance(matrix, torch.Tensor): → if False:
mean_field_step pairwise-sign: -unary - cost → -unary + cost
mean_field_step energies-not-negated: -unary - cost → unary + cost
mean_field_step softmax-over-space: dim=0 → dim=1
mean_field_step kernel-transposed: mij,kj->ki → mji,kj->ki
mean_field_step not-normalised: torch.softmax(-unary - cost, dim=0) → torch.exp(-unary - cost)
spatial_pyramid_pool first-cell-too-early: last = low // stride + 1, → last = low // stride,
spatial_pyramid_pool last-cell-left-out: last + 1  # → last  #
spatial_pyramid_pool empty-region-breaks: return min(first, last), → return first,
spatial_pyramid_pool bins-transposed: for row in rows for j in range(b)] → for j in range(b) for row in rows]
spatial_pyramid_pool average-taken: amax → mean
spatial_pyramid_pool rows-columns-mixed: for x0, y0, x1, y1 in → for y0, x0, y1, x1 in
pyramid_pooling relu-forgotten: torch.relu(torch.einsum("rc,ckl->rkl", weight, means))
    → torch.einsum("rc,ckl->rkl", weight, means)
pyramid_pooling align-corners-ignored: align_corners=align_corners → align_corners=False
pyramid_pooling summed-not-averaged: return inside / inside.sum(1, keepdim=True) → return inside
pyramid_pooling picture-last: torch.cat(parts) → torch.cat([*parts[1:], picture])
pyramid_pooling bins-end-early: (cell * b < (k + 1) * n) → (cell < ((k + 1) * n // b).clamp(min=k * n // b + 1))
l2_fusion zero-vector-nan: length.clamp(min=1e-12) → length
l2_fusion epsilon-too-large: length.clamp(min=1e-12) → (length + 1e-5)
l2_fusion square-root-missing: keepdim=True).sqrt() → keepdim=True)
l2_fusion norm-over-space: sum(1, keepdim=True) → sum((2, 3), keepdim=True)
l2_fusion tiled: * context.shape[2] // height → % context.shape[2]
poly_schedule steps-miscounted: range(steps) → range(steps + 1)
poly_schedule warmup-too-steep: (t + 1) / (climb + 1) → (t + 1) / climb
poly_schedule warmup-in-every-stage: warmup if number == 0 else 0 → warmup
poly_schedule poly-not-shifted: (t - climb) / (steps - climb) → t / steps
poly_schedule power-misplaced: (1 - (t - climb) / (steps - climb)) ** power
    → (1 - ((t - climb) / (steps - climb)) ** power)
aspp branch-missing: branches.append(conv(mean, pooled[:, :, None, None]).expand(-1, -1, *x.shape[2:]))
    → bias = bias[:-1]
aspp pooling-not-broadcast: .expand(-1, -1, *x.shape[2:]) →
aspp not-the-mean: x.mean((2, 3), keepdim=True) → x.amax((2, 3), keepdim=True)
aspp rates-ignored: padding=rate, dilation=rate → padding=1
aspp border-not-zero: branches.append(conv(x, kernel, padding=rate, dilation=rate))
    → branches.append(conv(torch.nn.functional.pad(x, (rate,) * 4, mode="replicate"), kernel, dilation=rate))
aspp relu-before-bias: shifted = [branch + b → shifted = [branch.relu() + b
multi_grid_rates multi-grid-alone: rate * unit for → unit for
multi_grid_rates stem-fixed: stem * 2**n for n in range(last)] → 4 * 2**n for n in range(last)]
multi_grid_rates rate-below-one: max(1, stride // output_stride) → stride / output_stride
multi_grid_rates unit-rate-not-refused: or min(multi_grid) < 1: → :
valid_weights kernel-not-centred: - k // 2) → )
valid_weights axes-added: sides[0][:, None] * sides[1] → sides[0][:, None] + sides[1]
valid_weights border-off-by-one: taps < n → taps <= n
change_output_stride new-rate-too-early: own * lost)) → own * lost * full))
change_output_stride aspp-rates-inverted: return plan, [rate * present // output_stride
    → return plan, [rate * output_stride / present
change_output_stride own-rate-lost: full, own = step * gone, rate // was_lost → full, own = step * gone, 1
change_output_stride uneven-rate-rounded: or any(rate * present % output_stride for rate in rates) →
"""


def _read(text: str) -> dict[str, list[Slip]]:
    """The slips of each exercise, from lines "exercise code: what stands there → what a student writes"."""
    slips = defaultdict(list)
    for line in re.sub(r"\n +", " ", text).strip().split("\n"):
        exercise, code, old, new = re.fullmatch(r"(\w+) ([\w-]+): (.+?) → ?(.*)", line).groups()  # type: ignore[union-attr]
        slips[exercise].append((old, new, code))
    return dict(slips)


SLIPS = _read(_TEXT.rstrip() + LATER)
