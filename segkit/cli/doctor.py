"""`segkit doctor`: what this machine can do for the course, line by line, each problem with its fix."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator

import torch

from segkit import native, ops
from segkit.data import available, create
from segkit.training import pick_device

Line = tuple[bool | None, str]  # True: well; False: must be fixed; None: optional


def doctor(o: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them must be fixed."""
    well = True
    for state, text in [*_software(), *_machine(), *_engines(), *_data()]:
        print(f"[{ {True: 'ok', False: '!!', None: '--'}[state] }] {text}")
        well = well and state is not False
    print("all is well" if well else "something needs fixing: see the lines marked !!")
    return 0 if well else 1


def _software() -> Iterator[Line]:
    yield sys.version_info >= (3, 11), f"Python {platform.python_version()} (3.11 or newer is needed)"
    for package in ("torch", "torchvision", "numpy", "matplotlib", "pillow", "safetensors"):
        yield True, f"{package} {importlib.metadata.version(package)}"
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # its compiled part fits one build of torch
        yield False, f"torchvision does not work with this torch ({error}): install builds of the two that fit"
    for package, use, how in (
        ("jupyterlab", "to read the course", "python3 start.py"),
        ("ipywidgets", "for the widgets", "python3 start.py"),
        ("nbval", "for tests", "python3 start.py test"),
    ):
        try:
            yield True, f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield None, f"{package} is not installed; it is needed {use}: install it, or in a checkout {how}"


def _machine() -> Iterator[Line]:
    device = pick_device()
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory / 2**30
        yield True, f"GPU {torch.cuda.get_device_name()} with {total:.0f} GiB: what trains will use it"
    else:
        yield None, f"no CUDA GPU ({device.type}); the course does not need one"
    yield True, f"{os.cpu_count()} processors, torch uses {torch.get_num_threads()} threads"
    free = shutil.disk_usage(".").free / 2**30
    yield free > 1, f"{free:.0f} GiB free on this disk (1 is needed for runs and data)"


def _engines() -> Iterator[Line]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 9, 11, generator=generator)
    w = torch.randn(6, 2, 3, 3, generator=generator)
    ours, theirs = ops.conv2d(x, w, None, 2, 1, 1, 2), native.conv2d(x, w, None, 2, 1, 1, 2)
    error = float((ours - theirs).abs().max())
    yield error < 1e-4, f"our conv2d and torch's differ by {error:.1e} on a sample"


def _data() -> Iterator[Line]:
    for name in available():
        try:
            dataset = create(name, split="train")
            yield True, f"data set {name}: {len(dataset)} training pictures"
        except (OSError, ValueError) as error:
            yield None, f"data set {name} (optional): {str(error).splitlines()[0]}"
