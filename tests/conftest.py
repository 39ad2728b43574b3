"""Shared by all tests: the same random cases for everybody, and where real data are."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
GPU = torch.cuda.is_available()

# The same cases on every run and machine; SEGKIT_HYPOTHESIS=explore looks for new ones.
hypothesis.settings.register_profile("segkit", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("SEGKIT_HYPOTHESIS", "segkit"))

if not GPU:  # before torch.compile pretends that there are GPUs; segkit/analysis/running.py says
    torch.ones(1, requires_grad=True).sum().backward()  # what would come of that in the tests of graders, which fork


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not GPU:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_collection_finish() -> None:
    """What is there before the first test stays: Python's collector does not go through it again and again, and it
    comes less often, which saves a twentieth of the time where torch's compilers make objects by the million."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # else some libraries say at Python's end that they were not taken apart


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Every test draws the same numbers from torch, in whatever order the tests run."""
    if GPU:
        torch.manual_seed(20)
    else:  # the same, without writing down who asked, for a GPU that may come
        torch.default_generator.manual_seed(20)


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """Ctrl-C arrives, also where the tests run in a shell's background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets: SEGKIT_DATA, data/ or ../shared/data; the test is skipped without one."""
    named = os.environ.get("SEGKIT_DATA")
    for folder in [Path(named)] if named else [ROOT / "data", ROOT.parent / "shared" / "data"]:
        if folder.is_dir() and any(p.is_dir() for p in folder.iterdir()):
            return folder.resolve()
    pytest.skip("no real data: set SEGKIT_DATA, or get some with `segkit data get NAME`")
