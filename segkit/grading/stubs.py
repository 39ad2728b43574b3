"""Whether a function is still to be written."""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any

from segkit.grading.binding import inside

_QUIET = {"RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "LOAD_CONST", "LOAD_SMALL_INT", "POP_TOP", "PUSH_NULL", "PRECALL",
          "CALL", "CALL_FUNCTION", "RAISE_VARARGS", "RETURN_VALUE", "RETURN_CONST"}  # fmt: skip


def is_stub(function: Any) -> bool:
    """Whether there is nothing in it but a docstring, `pass`, `...`, `return None` or `raise NotImplementedError`.

    What has no Python code to look at counts as written.
    """
    code = inside(function, "__code__")
    return isinstance(code, CodeType) and all(
        step.opname in _QUIET or (step.opname == "LOAD_GLOBAL" and step.argval == "NotImplementedError")
        for step in dis.get_instructions(code)
    )


def stops_as_stub(error: BaseException, message: str) -> bool:
    """Whether it is the exception that stands for code yet to be written; torch raises the same for its own reasons."""
    torchs = ("not implemented for '", "bool tensor is not supported")
    if not isinstance(error, NotImplementedError) or any(words in message for words in torchs):
        return False
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return not (trace and str(trace.tb_frame.f_globals.get("__name__")).startswith("torch"))
