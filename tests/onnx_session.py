"""onnxruntime on one thread: several of its pools on one machine wait for each other at full speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def onnx_session(network: bytes | Path) -> Any:
    """A session that runs this ONNX file, or its bytes; the test is skipped without onnxruntime."""
    runtime: Any = pytest.importorskip("onnxruntime", reason="ONNX needs the test extra: onnx, onnxscript, onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
