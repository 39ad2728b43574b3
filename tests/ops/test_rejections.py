"""What torch rejects is rejected at the door, with a message that names what came, what was expected and the mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from segkit import native, ops
from segkit.ops import attention_masks, windows

X, W = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 3, 3)
V = W.transpose(0, 1)  # for conv_transpose2d
D, P = torch.randn(4, 1, 3, 3), torch.randn(5, 4, 1, 1)  # a depthwise and a pointwise weight
INDICES = torch.arange(9).repeat(8).view(2, 4, 3, 3)
Y, GRID = X[..., :3, :3].contiguous(), torch.rand(2, 2, 3, 2)
Q, K, T = torch.randn(3, 5, 4), torch.randn(3, 6, 4), torch.randn(3, 6, 2)  # query, key and value
WORDS, SCALE = torch.randn(3, 4), torch.randn(3)  # of an encoding
GRU, AGAIN = torch.randn(6, 4), torch.randn(6, 2)  # weights of a sweep with 2 maps to come out
HEARD = torch.ones(5, 6, dtype=torch.bool)

# what is called with a module, the error, and what its message says
REJECTED: list[tuple[Callable[[Any], Any], type[Exception] | tuple[type[Exception], ...], str]] = [
    (lambda m: m.conv2d(X[0, 0], W), ValueError, r"conv2d got input of shape \(6, 6\).*input\[None\]"),
    (lambda m: m.conv2d(X[None], W), ValueError, r"takes N×C×H×W or C×H×W"),
    (lambda m: m.conv2d(X[:, :, :0], W), ValueError, "only the batch may be empty"),
    (lambda m: m.conv2d(np.ones((1, 4, 6, 6)), W), TypeError, r"input of type ndarray.*torch\.as_tensor"),
    (lambda m: m.conv2d(X, W.numpy()), TypeError, "weight of type ndarray"),
    (lambda m: m.conv2d(X > 0, W > 0), TypeError, r"torch\.bool.*real numbers"),
    (lambda m: m.conv2d(X, W[0]), ValueError, r"weight of shape \(4, 3, 3\).*O×\(C/groups\)×kh×kw"),
    (lambda m: m.conv2d(X, torch.randn(2, 4, 0, 3)), ValueError, "kernel sizes from 1 up"),
    (lambda m: m.conv2d(X, W[:0]), ValueError, "makes no output channel"),
    (lambda m: m.conv2d(X, W[:, :3]), ValueError, r"input with 4 channels.*takes 3"),
    (lambda m: m.conv2d(X, torch.randn(3, 2, 3, 3), groups=2), ValueError, "starts with a multiple of groups"),
    (lambda m: m.conv2d(X, W, groups=3), ValueError, "groups=3"),
    (lambda m: m.conv2d(X, W, groups=0), ValueError, "groups=0; groups is a whole number from 1 up"),
    (lambda m: m.conv2d(X, W, torch.randn(3)), ValueError, r"bias of shape \(3,\); it takes \(2,\)"),
    (lambda m: m.conv2d(X, W, torch.randn(2, 1)), ValueError, r"bias of shape \(2, 1\)"),
    (lambda m: m.conv2d(X, W.double()), TypeError, r"float32 and torch\.float64.*bring all to one type"),
    (lambda m: m.conv2d(X, W, torch.randn(2).double()), TypeError, "bring all to one type"),
    (lambda m: m.conv2d(X.half(), W), TypeError, "bring all to one type"),
    (lambda m: m.conv2d(X, torch.randn(2, 4, 7, 7)), ValueError, "spans 7 pixels in height on a padded input of 6"),
    (lambda m: m.conv2d(X, W, dilation=3), ValueError, "spans 7 pixels"),
    (lambda m: m.conv2d(X, W, stride=0), ValueError, "stride=0; stride is a whole number from 1 up"),
    (lambda m: m.conv2d(X, W, dilation=(1, 0)), ValueError, "dilation=0"),
    (lambda m: m.conv2d(X, W, padding=-1), ValueError, "padding=-1"),
    (lambda m: m.conv2d(X, W, stride=1.5), TypeError, r"stride=1\.5 \(float\)"),
    (lambda m: m.conv2d(X, W, stride=True), TypeError, r"stride=True \(bool\)"),
    (lambda m: m.conv2d(X, W, stride=(1, 2, 3)), ValueError, r"3 numbers; give one, or two as \(height, width\)"),
    (lambda m: m.conv2d(X, W, padding="full"), ValueError, "the words are 'same' and 'valid'"),
    (lambda m: m.conv2d(X, W, padding="same", stride=2), ValueError, "'same' means stride 1"),
    (lambda m: m.conv_transpose2d(X, W), ValueError, r"input with 4 channels.*takes 2"),
    (lambda m: m.conv_transpose2d(X, torch.randn(4, 3, 3, 3), groups=3), ValueError, "multiple of groups"),
    (lambda m: m.conv_transpose2d(X, V, stride=2, output_padding=2), ValueError, "it is less than one of them"),
    (lambda m: m.conv_transpose2d(X, V, output_padding=-1), ValueError, "output_padding=-1"),
    (lambda m: m.conv_transpose2d(X[..., :1, :1], V, padding=2), ValueError, "leaves an output of -1; give less"),
    (lambda m: m.conv_transpose2d(X, V, padding="same"), TypeError, "padding='same'"),
    (lambda m: m.conv_transpose2d(X, V, torch.randn(4)), ValueError, r"it takes \(2,\)"),
    (lambda m: m.max_pool2d(X[0, 0], 2), ValueError, "max_pool2d got input of shape"),
    (lambda m: m.max_pool2d(X[:, :0], 2), ValueError, "only the batch may be empty"),
    (lambda m: m.max_pool2d(X, 3, padding=2), ValueError, "padding=2 for a kernel of 3; padding is at most half"),
    (lambda m: m.max_pool2d(X, 7), ValueError, "spans 7 pixels on an axis of 6"),
    (lambda m: m.max_pool2d(X, 3, stride=0), ValueError, "stride=0"),
    (lambda m: m.max_pool2d(X, 2, dilation=0), ValueError, "dilation=0"),
    (lambda m: m.max_pool2d(X, 0), ValueError, "kernel_size=0"),
    (lambda m: m.max_pool2d(X > 0, 2), TypeError, "real numbers"),
    (lambda m: m.avg_pool2d(X[:, :0], 2), ValueError, "only the batch may be empty"),
    (lambda m: m.avg_pool2d(X, 3, padding=2), ValueError, "padding is at most half"),
    (lambda m: m.avg_pool2d(X, 3, divisor_override=0), ValueError, "divisor_override=0"),
    (lambda m: m.avg_pool2d(X.int(), 3), TypeError, r"it takes floating-point numbers \(input\.float\(\)\)"),
    (lambda m: m.adaptive_avg_pool2d(X, -1), ValueError, "output_size=-1"),
    (lambda m: m.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, r"give one number or two, \(height, width\)"),
    (lambda m: m.adaptive_avg_pool2d(X[:, :, :0], 2), ValueError, "only the batch may be empty"),
    (lambda m: m.adaptive_avg_pool2d(X.long(), 2), TypeError, "floating-point"),
    (lambda m: m.adaptive_max_pool2d(X, -1), ValueError, "adaptive_max_pool2d got output_size=-1"),
    (lambda m: m.adaptive_max_pool2d(X, (1, 2, 3)), ValueError, r"adaptive_max.*one number or two, \(height, width\)"),
    (lambda m: m.adaptive_max_pool2d(X, 2.5), TypeError, r"adaptive_max_pool2d got output_size=2\.5"),
    (lambda m: m.adaptive_max_pool2d(X[:, :0], 2), ValueError, "adaptive_max_pool2d got.*only the batch may be empty"),
    (lambda m: m.adaptive_max_pool2d(X[0, 0], 2), ValueError, r"adaptive_max_pool2d got input of shape \(6, 6\)"),
    (lambda m: m.adaptive_max_pool2d(X.long(), 2), TypeError, "adaptive_max_pool2d got input.*floating-point"),
    (lambda m: m.spatial_pyramid_pool(X, (2, -1)), ValueError, "bins=-1; bins is a whole number from 1 up"),
    (lambda m: m.spatial_pyramid_pool(X, ()), ValueError, r"bins=\(\); give one whole number for each level"),
    (lambda m: m.spatial_pyramid_pool(X, 6), ValueError, "bins=6; give one whole number for each level"),
    (lambda m: m.spatial_pyramid_pool(X, "63"), ValueError, "bins='63'"),
    (lambda m: m.spatial_pyramid_pool(X, (2, 1.5)), TypeError, r"bins=1\.5"),
    (lambda m: m.spatial_pyramid_pool(X, mode="sum"), ValueError, "mode='sum'; it takes 'max', 'avg'"),
    (lambda m: m.spatial_pyramid_pool(X.long()), TypeError, "spatial_pyramid_pool got input of type.*floating"),
    (lambda m: m.spatial_pyramid_pool(X[:, :, :0]), ValueError, "spatial_pyramid_.*only the batch may be empty"),
    (lambda m: m.max_unpool2d(Y, INDICES.int(), 2), TypeError, r"torch\.int32; it takes an int64 tensor"),
    (lambda m: m.max_unpool2d(Y, INDICES[..., :2], 2), ValueError, "they have one shape"),
    (lambda m: m.max_unpool2d(Y, INDICES + 100, 2), ValueError, "from 100 to 108.*places 0 to 35"),
    (lambda m: m.max_unpool2d(Y, INDICES - 1, 2), ValueError, "indices from -1"),
    (lambda m: m.max_unpool2d(Y, INDICES, 2, output_size=(8, 8)), ValueError, "it is 6×6, give or take less"),
    (lambda m: m.max_unpool2d(Y, INDICES, 2, output_size=(4, 7, 7)), ValueError, r"give \(height, width\)"),
    (lambda m: m.max_unpool2d(Y[:, :, :0], INDICES[:, :, :0], 2), ValueError, "only the batch may be empty"),
    (lambda m: m.interpolate(X[0], size=3, mode="bilinear"), ValueError, r"one picture: input\[None\]"),
    (lambda m: m.interpolate(X), ValueError, "give one of the two"),
    (lambda m: m.interpolate(X, size=3, scale_factor=2), ValueError, "give one of the two"),
    (lambda m: m.interpolate(X, size=3, align_corners=False), ValueError, "it is for 'bilinear' only: leave it out"),
    (lambda m: m.interpolate(X, size=0), ValueError, "size=0"),
    (lambda m: m.interpolate(X, size=(3, 3, 3)), ValueError, r"give \(height, width\)"),
    (lambda m: m.interpolate(X, size=3.5), TypeError, r"size=3\.5"),
    (lambda m: m.interpolate(X, scale_factor=0.1), ValueError, "which leaves none"),
    (lambda m: m.interpolate(X, scale_factor=-1), ValueError, "which leaves none"),
    (lambda m: m.interpolate(X, size=3, mode="linear"), ValueError, "the modes are 'nearest' and 'bilinear'"),
    (lambda m: m.interpolate(X, size=3, recompute_scale_factor=True), ValueError, "it is for scale_factor"),
    (lambda m: m.interpolate(X[:, :0], size=3), ValueError, "only the batch may be empty"),
    (lambda m: m.interpolate(X.long(), size=3), TypeError, "floating-point"),
    (lambda m: m.grid_sample(X[0], GRID), ValueError, r"grid_sample got.*one picture: input\[None\]"),
    (lambda m: m.grid_sample(X, GRID[..., :1]), ValueError, r"grid of shape \(.*, 1\); it takes a grid \d+×h×w×2"),
    (lambda m: m.grid_sample(X, GRID[:0]), ValueError, r"grid of shape \(0, 2, 3, 2\); it takes a grid \d+×h×w×2"),
    (lambda m: m.grid_sample(X, GRID.double()), TypeError, "grid_sample got tensors of torch.float32 and torch.f"),
    (lambda m: m.grid_sample(X, GRID.numpy()), TypeError, "grid_sample got grid of type ndarray"),
    (lambda m: m.grid_sample(X.long(), GRID), TypeError, "floating-point"),
    (lambda m: m.grid_sample(X[:, :0], GRID), ValueError, "only the batch may be empty"),
    (lambda m: m.grid_sample(X, GRID, "linear"), ValueError, "mode='linear'; it takes 'bilinear', 'nearest'"),
    (lambda m: m.grid_sample(X, GRID, padding_mode="reflect"), ValueError, "padding_mode='reflect'; it takes 'zeros'"),
    (lambda m: m.point_sample(X, GRID), ValueError, r"point_sample got points of shape .*; it takes N×P×2"),
    (lambda m: m.point_sample(X, GRID[:, 0].numpy()), TypeError, "point_sample got points of type ndarray"),
    (lambda m: m.channel_shuffle(X, 3), ValueError, "4 channels and groups=3; the channels are a multiple"),
    (lambda m: m.channel_shuffle(X, 0), ValueError, "groups=0; groups is a whole number from 1 up"),
    (lambda m: m.channel_shuffle(X, 2.0), TypeError, r"channel_shuffle got groups=2\.0"),
    (lambda m: m.channel_shuffle(X[0, 0], 2), ValueError, r"channel_shuffle got input of shape \(6, 6\)"),
    (lambda m: m.channel_shuffle(X.numpy(), 2), TypeError, "channel_shuffle got input of type ndarray"),
    (lambda m: m.prelu(X, W[0, :3, 0, 0]), ValueError, r"weight of shape \(3,\).* one number.*\(1,\) or \(4,\)"),
    (lambda m: m.prelu(X, W[:1, :1, 0, 0]), ValueError, r"prelu got.* weight of shape \(1, 1\)"),
    (lambda m: m.prelu(X[0, 0, 0], W[0, 0, 0]), ValueError, r"weight of shape \(3,\)"),
    (lambda m: m.prelu(X.long(), W[0, 0, 0, :1].long()), TypeError, "prelu got input of type torch.int64"),
    (lambda m: m.prelu(X, W[0, 0, 0, :1].double()), TypeError, "prelu got tensors of torch.float32 and torch.float64"),
    (lambda m: m.prelu(X, 0.25), TypeError, "prelu got weight of type float"),
    (lambda m: m.separable_conv2d(X, W[:, :1], P), ValueError, r"separable_conv2d got weight of shape \(2, 1, 3, 3\)"),
    (lambda m: m.separable_conv2d(X, D[:, 0], P), ValueError, "separable_conv2d got weight of shape"),
    (lambda m: m.separable_conv2d(X, D.double(), P), TypeError, "separable_conv2d got tensors of"),
    (lambda m: m.separable_conv2d(X, D, P[:, :3]), ValueError, r"pointwise_weight of shape \(5, 3, 1, 1\).*: O×4×1×1"),
    (lambda m: m.separable_conv2d(X, D, P.expand(-1, -1, 7, 7)), ValueError, "makes: O×4×1×1"),
    (lambda m: m.separable_conv2d(X, D, P.numpy()), TypeError, "pointwise_weight of type ndarray"),
    (lambda m: m.separable_conv2d(X, D, P, torch.randn(4)), ValueError, r"bias of shape \(4,\); it takes \(5,\)"),
    (lambda m: m.separable_conv2d(X, D, P, stride=0), ValueError, "stride=0"),
    (lambda m: m.separable_conv2d(X, D, P, dilation=3), ValueError, "spans 7 pixels"),
    (lambda m: m.separable_conv2d(X[0, 0], D, P), ValueError, "separable_conv2d got input of shape"),
    (lambda m: m.pixel_shuffle(X, 3), ValueError, "4 channels and upscale_factor=3.*3² = 9"),
    (lambda m: m.pixel_shuffle(X, 0), ValueError, "upscale_factor=0"),
    (lambda m: m.pixel_shuffle(X, 2.0), TypeError, r"upscale_factor=2\.0"),
    (lambda m: m.pixel_shuffle(X, (2, 2)), TypeError, "upscale_factor"),
    (lambda m: m.pixel_shuffle(X[0, 0], 2), ValueError, "channels, height and width at least"),
    (lambda m: m.pixel_unshuffle(X, 4), ValueError, "6×6 pixels and downscale_factor=4; .*: pad first"),
    (lambda m: m.pixel_unshuffle(X, 0), ValueError, "downscale_factor=0"),
    (lambda m: m.attend(Q[0, 0], K, T), ValueError, r"attend got query of shape \(4,\); it takes …×length×channels"),
    (lambda m: m.attend(Q, K, T[..., :5, :]), ValueError, r"value \(3, 5, 2\).*as many rows in key and value"),
    (lambda m: m.attend(Q[..., :3], K, T), ValueError, r"query \(3, 5, 3\), key \(3, 6, 4\).*as many channels"),
    (lambda m: m.attend(Q[..., :0], K[..., :0], T), ValueError, r"as many channels \(1 or more\)"),
    (lambda m: m.attend(Q[0], K, T), ValueError, r"query \(5, 4\).*before the last two must be the same in all three"),
    (lambda m: m.attend(Q[:1], K, T), ValueError, "before the last two must be the same in all three"),
    (lambda m: m.attend(Q.numpy(), K, T), TypeError, "attend got query of type ndarray"),
    (lambda m: m.attend(Q.long(), K.long(), T.long()), TypeError, r"attend got query of type torch\.int64.*floating"),
    (lambda m: m.attend(Q, K.double(), T), TypeError, "attend got tensors of.*bring all to one type"),
    (lambda m: m.attend(Q, K, T, scale="1"), (TypeError, ValueError), "scale='1'"),
    (lambda m: m.attend(Q, K, T, mask=HEARD.T), ValueError, r"mask of shape \(6, 5\).*\(5, 6\).*or \(3, 5, 6\)"),
    (lambda m: m.attend(Q, K, T, mask=HEARD.expand(2, 5, 6)), ValueError, r"mask of shape \(2, 5, 6\)"),
    (lambda m: m.attend(Q, K, T, mask=HEARD.int()), TypeError, r"mask of type torch\.int32; it takes bools"),
    (lambda m: m.attend(Q, K, T, mask=[[True]]), TypeError, "mask of type list; it takes bools"),
    (lambda m: m.attend(Q, K, T, mask=HEARD.double()), TypeError, "bring all to one type"),
    (lambda m: m.gate(X, X[:, :2]), ValueError, r"gate got.*scores of shape \(2, 2, 6, 6\); the scores must have"),
    (lambda m: m.gate(X, X[:1]), ValueError, "the scores must have its pictures and channels"),
    (lambda m: m.gate(X, X[..., :3]), ValueError, "its height and width or 1"),
    (lambda m: m.gate(X[0], X), ValueError, "gate got input of shape"),
    (lambda m: m.gate(X[0, 0], X[0, 0]), ValueError, r"gate got input of shape \(6, 6\)"),
    (lambda m: m.gate(X, X[:, :, 0, 0]), ValueError, r"gate got scores of shape \(2, 4\).*N×C×1×1"),
    (lambda m: m.gate(X, 0.5), TypeError, "gate got scores of type float"),
    (lambda m: m.gate(X, X.double()), TypeError, "gate got tensors of.*bring all to one type"),
    (lambda m: m.gate(X.long(), X.long()), TypeError, r"gate got input of type torch\.int64.*floating"),
    (lambda m: m.gate(X, X, 3), ValueError, "4 channels and splits=3; the channels are a multiple of the splits"),
    (lambda m: m.gate(X, X, 0), ValueError, "splits=0; splits is a whole number from 1 up"),
    (lambda m: m.gate(X, X, 2.0), TypeError, r"splits=2\.0"),
    (lambda m: m.encode(X, WORDS[:, :3], SCALE), ValueError, r"codewords of shape \(3, 3\).*it takes codewords K×4"),
    (lambda m: m.encode(X, WORDS, SCALE[:2]), ValueError, r"scale of shape \(2,\).*and scale K"),
    (lambda m: m.encode(X, WORDS[:0], SCALE[:0]), ValueError, "K×4, one or more"),
    (lambda m: m.encode(X, WORDS[0], SCALE), ValueError, r"codewords of shape \(4,\)"),
    (lambda m: m.encode(X, WORDS, -1.0), TypeError, "encode got scale of type float"),
    (lambda m: m.encode(X, WORDS.double(), SCALE), TypeError, "encode got tensors of.*bring all to one type"),
    (lambda m: m.encode(X.long(), WORDS.long(), SCALE.long()), TypeError, "encode got input of type.*floating"),
    (lambda m: m.encode(X[:, :, :0], WORDS, SCALE), ValueError, "encode got.*only the batch may be empty"),
    (lambda m: m.sweep(X, GRU[:, :3], AGAIN), ValueError, r"weight_ih of shape \(6, 3\).*weight_ih 3·U×4"),
    (lambda m: m.sweep(X, GRU, AGAIN[:4]), ValueError, r"weight_hh of shape \(4, 2\).*weight_hh 3·U×U"),
    (lambda m: m.sweep(X, GRU, AGAIN[:, 0]), ValueError, r"sweep got weight_ih of shape|weight_hh of shape \(6,\)"),
    (lambda m: m.sweep(X, GRU, AGAIN, cell="relu"), ValueError, r"cell='relu'.*weight_ih 1·U×4"),
    (lambda m: m.sweep(X, GRU, AGAIN, SCALE), ValueError, r"bias_ih of shape \(3,\).*biases of 3·U"),
    (lambda m: m.sweep(X, GRU, AGAIN.numpy()), TypeError, "weight_hh of type ndarray"),
    (lambda m: m.sweep(X, GRU.double(), AGAIN), TypeError, "sweep got tensors of.*bring all to one type"),
    (lambda m: m.sweep(X, GRU, AGAIN, direction="north"), ValueError, "direction='north'; it takes 'down', 'up'"),
    (lambda m: m.sweep(X, GRU, AGAIN, cell="lstm"), ValueError, "cell='lstm'; it takes 'gru', 'relu'"),
    (lambda m: m.sweep(X, GRU, AGAIN, open=X), ValueError, r"open of shape.*\(2, 1, 6, 6\) or \(2, 2, 6, 6\)"),
    (lambda m: m.sweep(X, GRU, AGAIN, open=X[:, :1].double()), TypeError, "bring all to one type"),
    (lambda m: m.sweep(X.long(), GRU.long(), AGAIN.long()), TypeError, r"input of type torch\.int64.*floating"),
    (lambda m: m.sweep(X[..., :0], GRU, AGAIN), ValueError, "sweep got.*only the batch may be empty"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REJECTED, ids=[r[2][:50] for r in REJECTED])
def test_what_torch_rejects(call: Callable[[Any], Any], error: Any, message: str) -> None:
    with pytest.raises(Exception):  # noqa: B017  (torch has its own kinds)
        call(native)
    with pytest.raises(error, match=message):
        call(ops)


def test_what_only_ours_reject() -> None:
    with pytest.raises(TypeError, match="complex64; it takes real numbers"):
        ops.conv2d(X.to(torch.complex64), W.to(torch.complex64))
    with pytest.raises(ValueError, match="stride=9; it is at least as large"):
        ops.shift_and_stitch(lambda x: x, X, 9)
    with pytest.raises(ValueError, match="stride=0"):
        ops.bed_of_nails(X, 0)
    with pytest.raises(ValueError, match="bins=0"):
        ops.spatial_pyramid_pool(X, (2, 0))
    with pytest.raises(ValueError, match="a=0; a is a whole number from 1 up"):
        windows.paper_windows(0, 1)
    with pytest.raises(ValueError, match="n=6; n is a whole number from 1 to 5"):
        windows.paper_windows(5, 6)
    with pytest.raises(TypeError, match=r"n=1\.5"):
        windows.paper_windows(5, 1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="height=0; height is a whole number from 1 up"):
        attention_masks.criss_cross_mask(0, 3)
    with pytest.raises(TypeError, match=r"width=2\.5"):
        attention_masks.criss_cross_mask(4, 2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="radius=-1"):
        attention_masks.window_mask(4, 3, -1)
    with pytest.raises(ValueError, match="axis='diagonal'; it takes 'row', 'column'"):
        attention_masks.axis_mask(4, 3, "diagonal")
    with pytest.raises(ValueError, match=r"got a map of .*; is 4 the network's output stride"):
        ops.shift_and_stitch(lambda x: ops.max_pool2d(x, 2, 2), X, 4)


@pytest.mark.parametrize("number", [np.int64(2), torch.tensor(2)], ids=["numpy", "tensor"])
def test_whole_numbers_of_other_kinds_are_whole_numbers(number: Any) -> None:
    assert torch.equal(ops.conv2d(X, W, stride=number), ops.conv2d(X, W, stride=2))
