"""segkit: semantic segmentation from scratch, the package that the course in `course/` builds."""

from __future__ import annotations

import importlib
from types import ModuleType

from segkit.engine import engine, use_engine

__version__ = "0.1.0"
__all__ = ["__version__", "engine", "use_engine"]

_ROOMS = (
    "analysis", "crf", "data", "encoders", "explore", "grading", "inference", "layers", "metrics", "models", "native",
    "ops", "training", "viz",
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    """Import a room on first use, so that `import segkit` stays quick and needs no widgets."""
    if name in _ROOMS:
        return importlib.import_module(f"segkit.{name}")
    raise AttributeError(f"segkit has no part called {name!r}; it has {', '.join(_ROOMS)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
