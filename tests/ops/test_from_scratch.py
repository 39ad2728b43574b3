"""From scratch means from scratch: no kernel of torch's does an operator's work, neither called nor reached."""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import segkit.ops
from segkit import native, ops
from segkit.ops import correlation
from tests.ops.cases import signature

ROOT = Path(segkit.ops.__file__).parents[1]
FILES = sorted([*(ROOT / "ops").glob("*.py"), *(ROOT / "crf").glob("*.py")])
FORBIDDEN = re.compile(
    r"\w*(conv\d?d|convolution|pool|fold|im2col|col2im|interpolate|upsample|shuffle|grid_sampl|prelu|scaled_dot\w*|"
    r"gru_cell|rnn_\w*)\w*",
    re.IGNORECASE,
)
OURS = {"segkit", "ops"}  # names that start a path to our own functions


def test_the_files_call_no_such_function_of_torch() -> None:
    """No attribute of torch, nn, F or a tensor, and no import from torch, bears a forbidden name."""
    assert len(FILES) > 10
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and FORBIDDEN.fullmatch(node.attr):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in OURS:
                found += [f"{path.name}:{node.lineno}: {a.name}" for a in node.names if FORBIDDEN.fullmatch(a.name)]
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "aten::" in node.value:
                found.append(f"{path.name}:{node.lineno}: {node.value}")
    assert not found, found


class Recorder(TorchDispatchMode):
    """Writes down every kernel that torch runs below it, and the largest tensor one made."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: set[str] = set()
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.kernels.add(func.overloadpacket.__name__)
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.is_contiguous():  # views of stride 0 take no memory
            self.largest = max(self.largest, out.numel())
        return out


def calls() -> dict[str, Any]:
    x, w = torch.randn(2, 4, 20, 18, requires_grad=True), torch.randn(4, 4, 3, 3, requires_grad=True)
    values = torch.randn(2, 4, 10, 9, requires_grad=True)
    grid = torch.rand(2, 5, 7, 2, requires_grad=True)
    places = torch.arange(90).view(10, 9).expand(2, 4, 10, 9).contiguous()
    return {
        "conv2d": lambda m: m.conv2d(x, w, padding=1) + m.conv2d(x, w, padding="same") + m.conv2d(x, w, None, 2).sum(),
        "conv_transpose2d": lambda m: m.conv_transpose2d(x, w, None, 2) + m.conv_transpose2d(x, w).sum(),
        "max_pool2d": lambda m: m.max_pool2d(x, 2),
        "avg_pool2d": lambda m: m.avg_pool2d(x, 2),
        "adaptive_avg_pool2d": lambda m: m.adaptive_avg_pool2d(x, 3),
        "adaptive_max_pool2d": lambda m: m.adaptive_max_pool2d(x, 3),
        "max_unpool2d": lambda m: m.max_unpool2d(values, places, 2),
        "bed_of_nails": lambda m: m.bed_of_nails(x, 2),
        "interpolate": lambda m: m.interpolate(x, scale_factor=2, mode="bilinear") + m.interpolate(x, (40, 36)),
        "grid_sample": lambda m: m.grid_sample(x, grid) + m.grid_sample(x, grid, "bicubic", "reflection"),
        "point_sample": lambda m: m.point_sample(x, grid[:, 0], padding_mode="border"),
        "channel_shuffle": lambda m: m.channel_shuffle(x, 2),
        "prelu": lambda m: m.prelu(x, w[0, :, 0, 0]),
        "separable_conv2d": lambda m: (
            m.separable_conv2d(x, w[:, :1], w[..., :1, :1], None, 2)
            + m.separable_conv2d(x, w[:, :1], w[..., :1, :1], padding=1).sum()
        ),
        "attend": lambda m: m.attend(x, x, x),
        "gate": lambda m: m.gate(x, x, 2),
        "encode": lambda m: m.encode(x, w[:, :, 0, 0], w[0, :, 0, 0]),
        "sweep": lambda m: m.sweep(x, w[:, :, 0, 0], w[:, :, 1, 1], cell="relu"),
        "pixel_shuffle": lambda m: m.pixel_shuffle(x, 2),
        "pixel_unshuffle": lambda m: m.pixel_unshuffle(x, 2),
        "shift_and_stitch": lambda m: m.shift_and_stitch(lambda p: ops.avg_pool2d(p, 2), x, 2),
        "spatial_pyramid_pool": lambda m: m.spatial_pyramid_pool(x) + m.spatial_pyramid_pool(x, mode="avg"),
    }


@pytest.mark.parametrize("name", ops.__all__)
def test_no_such_kernel_runs_below_them(name: str) -> None:
    """Forward and backward; the recorder does see torch's kernels when they run."""
    kernels = {}
    for engine in (ops, native):
        with Recorder() as recorder:
            calls()[name](engine).sum().backward()
        kernels[engine] = {k for k in recorder.kernels if FORBIDDEN.fullmatch(k)}
    assert not kernels[ops]
    assert kernels[native] or name in ("encode", "gate", "sweep"), "which torch makes from others"


def test_shifted_products_keep_few_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 5×5 convolution holds 5 times one map, never 25 times, and never of the whole batch; forward and backward."""
    monkeypatch.setattr(correlation, "STACKED", 1)
    x, w = torch.randn(8, 8, 64, 64, requires_grad=True), torch.randn(8, 8, 5, 5, requires_grad=True)
    with Recorder() as recorder:
        ops.conv2d(x, w, padding=2).sum().backward()
    assert x.numel() == recorder.largest


def test_both_engines_have_the_same_functions_and_signatures() -> None:
    assert sorted(ops.__all__) == sorted(native.__all__)
    for name in ops.__all__:
        assert signature(ops, name) == signature(native, name)


def arguments(name: str) -> list[str]:
    """Of torch's function: as its signature has them, or its documentation where it is built in."""
    function = getattr(F, f"{name}_with_indices", getattr(F, name))  # the poolings that choose between two functions
    with contextlib.suppress(ValueError):
        return list(inspect.signature(function).parameters)
    form = re.search(rf"(?m)^\s*{name}\((.*?)\) ->", function.__doc__ or "")
    assert form, f"neither a signature nor the documentation of torch's {name} says its arguments"
    return re.findall(r"(\w+)(?:=[^,]*)?(?:,|$)", form.group(1))


@pytest.mark.parametrize("name", [n for n in ops.__all__ if hasattr(F, n)])
def test_arguments_have_torchs_names_and_order(name: str) -> None:
    ours, theirs = list(inspect.signature(getattr(ops, name)).parameters), arguments(name)
    assert ours == theirs[: len(ours)] and set(theirs[len(ours) :]) <= {"antialias"}


def test_arguments_that_torch_says_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(F, "quiet", min, raising=False)  # built in, and of another name
    assert arguments("max_pool2d")[-1] == "return_indices" and arguments("avg_pool2d")[-1] == "divisor_override"
    with pytest.raises(AssertionError, match="torch's quiet"):
        arguments("quiet")
