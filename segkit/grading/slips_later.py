"""The slips of the chapters from 10 on, line by line; `slips` reads them."""

LATER = """
separable_conv1d looks-ahead: ((k - 1) * dilation, 0) → (0, (k - 1) * dilation)
separable_conv1d kernel-flipped: depthwise[:, :, u, None] → depthwise[:, :, k - 1 - u, None]
separable_conv1d multiplier-order: "ocm,ncmt->not", pointwise,
    → "ocm,ncmt->not", pointwise.mT.reshape(pointwise.shape),
separable_conv1d stride-ignored: length : stride] → length]
separable_conv1d bias-ignored: + bias[:, None] →
network_cost rounded-down: -(-h // sh), -(-w // sw) → h // sh, w // sw
network_cost counted-before-the-stride: macs + own * h * w → macs + own * before
network_cost weights-not-moved: before + own + O → before + O
network_cost channels-not-passed-on: channels = O → pass
network_cost expansion-of-one-counted: if n > 1 else [] → if kind == "inverted" else []
separable_terms squares-compared: tolerance**2 * whole → tolerance * whole
separable_terms each-value-alone: energy.flip(1).cumsum(1).flip(1) → energy
separable_terms square-assumed: terms * (kh + kw) → terms * 2 * kh
separable_terms never-whole: .clamp(max=kh * kw) →
shuffle_matrix the-way-back: reshape(groups, -1) → reshape(-1, groups)
shuffle_matrix not-shuffled: .T.flatten() → .flatten()
shuffle_matrix back-is-forward: if times < 0: → if False:
inverted_residual relu-on-the-narrow-end: return x + total if → total = total.relu(); return x + total if
inverted_residual shortcut-missing: return x + total if stride == 1 and total.shape == x.shape else total → return total
inverted_residual relu-not-capped: clamp(0, 6) → clamp(min=0)
inverted_residual bias-in-each-part: total + bias[:, None, None] → total + len(parts) * bias[:, None, None]
decode half-pixel: align_corners=True → align_corners=False
decode early-only: (early + later) / 2 → early
decode low-first: [enlarge(high, (h, w)), low] → [low, enlarge(high, (h, w))]
decode twice-as-large: (2 * h - 1, 2 * w - 1) → (2 * h, 2 * w)
decode after-relu-missing: point(x, pointwise).relu() → point(x, pointwise)
xception_block shortcut-rectified: made[-1].relu() → made[-1].relu_()
xception_block first-convolution-strides: stride if place == len(convs) - 1 else 1 → 1 if place else stride
xception_block relu-between-always: y.relu() if between else y → y.relu()
xception_block low-from-another-convolution: return made[2], → return made[1],
xception_block rate-ignored: step, rate, rate, groups → step, 1, 1, groups
dial_shift cells-rounded-down: -(-size // stride) → size // stride
dial_shift align-corners-inverted: if align_corners else → if not align_corners else
dial_shift trained-ignored: - shown(c, trained) for → - c for
dial_shift cells-of-trained: range(0, size, tested) → range(0, size, trained)
enet_down maximum-for-prelu: torch.where(y > 0, y, slope[:, None, None] * y)
    → torch.maximum(y, slope[:, None, None] * y)
enet_down zeros-first: 0, len(expand) - C) → len(expand) - C, 0)
enet_down prelu-before-the-sum: prelu(main + y, slopes[2]) → main + prelu(y, slopes[2])
enet_down zeros-win: max_pool2d(x, 2, ceil_mode=True) → max_pool2d(pad(x, (0, W % 2, 0, H % 2)), 2)
cascade_fusion unbiased-variance: correction=0, →
cascade_fusion rate-ignored: padding=2, dilation=2 → padding=1
cascade_fusion weights-reversed: weights[::-1] → weights
cascade_fusion all-void-breaks: if (own != 255).any() → if True
pareto_front rate-ignored: -1 if rate else 1 → 1
pareto_front beaten-by-itself: and a[1:] != b[1:] →
pareto_front nan-kept: if one[1] == one[1] and one[2] == one[2]] → ]
pareto_front not-sorted: sorted(front, key=lambda one: sign * one[1]) → front
median_latency start-not-synchronised: machine.synchronise()  # the batch is there → pass
median_latency end-not-synchronised: machine.synchronise()  # the network is done → pass
median_latency warm-up-counted: if call >= warmup: → if True:
median_latency not-divided: float(value) / pictures → float(value)
trade_off buffers-counted: 615431 → 616641
trade_off front-beaten: False, "chosen" → True, "chosen"
trade_off not-one-chosen: "chosen"), → "worse"),
attend_maps mask-inverted: masked_fill(~mask, → masked_fill(mask,
attend_maps scale-of-all-channels: q.shape[3] ** 0.5 → query.shape[1] ** 0.5
attend_maps nobody-is-nan: .nan_to_num(0.0) →
attend_maps softmax-over-listeners: softmax(3) → softmax(2)
criss_cross intersection: ) | ( → ) & (
criss_cross step-in-one-axis: (down == 0) & (right % step == 0) → (down == 0)
encode_valid nan-times-zero: torch.where(valid.flatten(1)[..., None, None], each, 0.0)
    → (valid.flatten(1)[..., None, None] * each)
encode_valid softmax-over-pixels: softmax(2) → softmax(1)
encode_valid distance-not-squared: .sum(3) → .sum(3).sqrt()
regions nothing-known-nan: .nan_to_num(0.0) →
regions softmax-over-classes: scores.softmax(2) → scores.softmax(1)
regions scale-missing: / len(query) ** 0.5 → / 1
gate_rows relu-missing: .relu() →
gate_rows mean-of-the-map: x.mean(3) → x.mean((2, 3))[..., None]
large_kernel multiplied: return a + b → return a * b
large_kernel one-behind-the-other: along_rows(x, right[0]) → along_rows(a, right[0])
esp_block fusion-from-the-smallest: range(2, len(order)) → range(1, len(order))
esp_block fusion-in-the-order-given: sorted(range(len(rates)), key=rates.__getitem__) → list(range(len(rates)))
esp_block input-always-added: if stride == 1 and y.shape[1] == x.shape[1]: → if True:
esp_block epsilon-of-another-size: variance + 0.001 → variance + 1e-5
exchange corners-aligned: mode="bilinear") → mode="bilinear", align_corners=True)
exchange not-rectified: coarse.relu() → coarse
exchange one-after-the-other: low = fine → low = fine + high
exchange relu-after-the-sum: return fine + high, coarse + low → return (fine + high).relu(), (coarse + low).relu()
exchange silence-stops: if up is not None: → if True:
refine variance-unbiased: y.var(0, correction=0) → y.var(0)
refine running-variance-biased: 0.1 * y.var(0) → 0.1 * use[1]
refine training-always: if training: → if True:
refine weight-transposed: @ weight.T → @ weight
time_in_turns training-mode: network.eval() → pass
time_in_turns gradients-recorded: with torch.no_grad(): → if True:
time_in_turns end-not-synchronised: machine.synchronise()  # the network is done → pass
time_in_turns ratio-of-medians: ratios.quantile(0.5, 0) → times.quantile(0.5, 0) / times[:, 0].quantile(0.5)
time_in_turns warm-up-counted: table[warm_up:] → table
sample_grid corners-inverted: if align_corners else → if not align_corners else
sample_grid half-pixel-missing: sizes - 0.5  # in pixels → sizes
sample_grid x-y-exchanged: (N, C, H, W), (h, w) = → grid = grid.flip(3); (N, C, H, W), (h, w) =
sample_grid padding-mode-ignored: if padding_mode == "border" → if True
uncertain_points scores-for-probabilities: scores.softmax(1).topk → scores.topk
uncertain_points y-first: torch.stack([x, y], 2) → torch.stack([y, x], 2)
uncertain_points corners-not-centres: (index % w + 0.5) / w, (index // w + 0.5) / h → index % w / w, index // w / h
uncertain_points most-certain: , largest=False →
exchange_unit relu-between-missing: x.relu() if i else x → x
exchange_unit relu-at-the-end-missing: return total.relu() → return total
exchange_unit cut-at-the-start: [:, :, :h, :w] → [:, :, -h:, -w:]
exchange_unit repeated-as-a-whole: repeat_interleave(times, 2).repeat_interleave(times, 3) → repeat(1, 1, times, times)
boundary_loss diagonals-counted: range(abs(down) - reach, reach - abs(down) + 1) → range(-reach, reach + 1)
boundary_loss void-counted: (border, known & ~border) → (border, ~border)
boundary_loss one-kind-is-nan: .clamp(min=1) →
boundary_loss not-halved: sum(means) / 2 → sum(means)
"""
