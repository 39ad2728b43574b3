"""What the command line is told about a CRF: values to try, and a file of them. Read before torch is imported."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from segkit.checks import finite
from segkit.kinds import what_is

OPTIONS = "gaussian_sxy gaussian_compat bilateral_sxy bilateral_srgb bilateral_compat iterations".split()


def axis(text: str) -> tuple[str, list[float]]:
    """NAME=V,V,… as a parameter and the values to try; argparse's own error where it is not."""
    name, _, values = text.partition("=")
    try:
        if name not in OPTIONS[:-1]:
            raise ValueError
        return name, [float(value) for value in values.split(",")]
    except ValueError:
        names = ", ".join(OPTIONS[:-1])
        raise argparse.ArgumentTypeError(f"{text!r}: give a name and values, bilateral_sxy=5,10,20; {names}") from None


def options_file(text: str) -> dict[str, Any]:
    """What `segkit crf search --out` wrote, as arguments of DenseCRF; argparse's own error where it is not."""
    if not text.lower().endswith(".json"):
        raise argparse.ArgumentTypeError(
            f"{text!r} {what_is(text)}, and is no JSON file of `segkit crf search --out`; without a file, put --crf "
            "behind the picture"
        )
    try:
        told = json.loads(Path(text).read_text(encoding="utf-8-sig"))
        found = (told if isinstance(told, dict) else {})["crf"]
        options = {key: found[key] for key in found if key in OPTIONS}
        for key, value in options.items():
            finite(value, key, text)
        _accepted(options)
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except (ValueError, TypeError, KeyError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise argparse.ArgumentTypeError(
            f"{text!r} {what_is(text)}: {why}; make one with `segkit crf search --out FILE.json`"
        ) from None
    return options


def _accepted(options: dict[str, Any]) -> None:
    """Nothing, if DenseCRF takes them; its ValueError where not."""
    from segkit.crf import DenseCRF

    DenseCRF(**options)
