"""Whether a function is still to be written."""

from __future__ import annotations

import dis
from typing import Any

_QUIET = {"RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "LOAD_CONST", "LOAD_SMALL_INT", "POP_TOP", "PUSH_NULL", "PRECALL",
          "CALL", "CALL_FUNCTION", "RAISE_VARARGS", "RETURN_VALUE", "RETURN_CONST"}  # fmt: skip


def is_stub(function: Any) -> bool:
    """Whether there is nothing in it but a docstring, `pass`, `...`, `return None` or `raise NotImplementedError`.

    What has no Python code to look at counts as written.
    """
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and all(
        step.opname in _QUIET or (step.opname == "LOAD_GLOBAL" and step.argval == "NotImplementedError")
        for step in dis.get_instructions(code)
    )
