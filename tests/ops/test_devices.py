"""The operators compute where their input lives: on a GPU where there is one, and on no device at all (shapes only)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from segkit import native, ops
from tests.ops.cases import close, distinct, run

X = distinct(2, 4, 21, 18)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5, torch.float16: 4e-3}
W = torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
B = torch.randn(4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
PLACES = torch.arange(9).view(3, 3).expand(2, 4, 3, 3).contiguous()

CASES: list[tuple[str, list[Tensor], dict[str, Any]]] = [
    ("conv2d", [X, W, B], {"padding": 1}),
    ("conv2d", [X, W, B], {"padding": 1, "stride": 2}),
    ("conv2d", [X, W[:, :1], B], {"groups": 4, "dilation": 2}),
    ("conv_transpose2d", [X, W, B], {"padding": 1}),
    ("conv_transpose2d", [X, W, B], {"padding": 1, "stride": 2}),
    ("max_pool2d", [X], {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}),
    ("max_pool2d", [X[:, :, :2, :2]], {"kernel_size": 2, "padding": 1, "dilation": 1}),
    ("avg_pool2d", [X], {"kernel_size": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ("adaptive_avg_pool2d", [X], {"output_size": (4, 5)}),
    ("adaptive_max_pool2d", [X], {"output_size": (4, 5), "return_indices": True}),
    ("spatial_pyramid_pool", [X], {"bins": (30, 6, 1)}),
    ("spatial_pyramid_pool", [X], {"mode": "avg"}),
    ("max_unpool2d", [X[..., :3, :3], PLACES], {"kernel_size": 2}),
    ("bed_of_nails", [X], {"stride": (2, 3)}),
    ("interpolate", [X], {"scale_factor": 2.5}),
    ("interpolate", [X], {"size": (30, 7), "mode": "bilinear"}),
    ("interpolate", [X], {"size": (30, 7), "mode": "bilinear", "align_corners": True}),
    ("conv2d", [X, W[:, :1], B], {"groups": 4, "stride": 2, "padding": 1}),
    ("separable_conv2d", [X, W[:, :1], W[..., :1, :1], B], {"padding": 6, "dilation": 6}),
    ("prelu", [X - 2.5, B], {}),
    ("channel_shuffle", [X], {"groups": 2}),
    ("pixel_shuffle", [X], {"upscale_factor": 2}),
    ("pixel_unshuffle", [X], {"downscale_factor": 3}),
]
NAMES = [f"{name} {number}" for number, (name, *_) in enumerate(CASES)]


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize(("name", "tensors", "arguments"), CASES, ids=NAMES)
def test_on_a_gpu(name: str, tensors: list[Tensor], arguments: dict[str, Any], dtype: torch.dtype) -> None:
    there = [t.cuda().to(dtype) if t.is_floating_point() else t.cuda() for t in tensors]
    here = [t.cpu().double() if t.is_floating_point() else t.cpu() for t in there]
    expected = run(native, name, here, arguments, 0)
    for ours, theirs in zip(run(ops, name, there, arguments, 0), expected, strict=True):
        assert ours.device.type == "cuda"
        close(
            ours.cpu().to(theirs.dtype), theirs, {torch.float64: 1e-10, torch.float32: 2e-5, torch.float16: 4e-3}[dtype]
        )


@pytest.mark.parametrize(("name", "tensors", "arguments"), CASES, ids=NAMES)
def test_shapes_without_numbers(name: str, tensors: list[Tensor], arguments: dict[str, Any]) -> None:
    """On the meta device, which refuses to mix with any tensor that was made on the CPU by oversight."""
    if name == "max_unpool2d":
        pytest.skip("it looks at its indices, which have no values here")
    for dtype in (torch.float64, torch.float16):
        check_shapes(name, [t.to(dtype) for t in tensors], arguments)


def check_shapes(name: str, tensors: list[Tensor], arguments: dict[str, Any]) -> None:
    leaves = [t.to("meta").requires_grad_() for t in tensors]
    answer = getattr(ops, name)(*leaves, **arguments)
    expected = getattr(ops, name)(*tensors, **arguments)
    if isinstance(answer, tuple):
        answer, expected = answer[0], expected[0]
    assert answer.device.type == "meta" and answer.shape == expected.shape
    for leaf, grad in zip(leaves, torch.autograd.grad(answer.sum(), leaves), strict=True):
        assert grad.device.type == "meta" and grad.shape == leaf.shape
