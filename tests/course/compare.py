"""Are two outputs of a cell the same? Exact for words and whole numbers, with a tolerance for floats and pictures.

Floats differ in their last digits between machines, and pictures between font libraries; neither may hide a change
that a reader would see. The limits for pictures were chosen from trials: another font (serif for sans) changes 0.15 %
of the boxes, a curve scaled by 0.9 changes 2.7 %, a mask moved by four rows of 96 changes 4.4 %.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

RTOL, ATOL = 1e-3, 1e-4  # floats: |a - b| <= ATOL + RTOL·|b|
BOXES = 64  # pictures are averaged over BOXES × BOXES boxes ...
LEVELS = 32  # ... of which one counts as changed when a colour is off by more than this (of 255) ...
SHARE = 0.004  # ... and at most this share may change
SIZE_SLACK = 16  # pixels by which a tightly cropped figure may grow or shrink

# A float has a point or an exponent and is no part of a word or of a version number. Blanks around it belong to it:
# they change with its sign and length.
FLOAT = re.compile(
    r"[ \t]*(?<![\w.])([-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+(?![\w.])))[ \t]*"
)
WIDGET = "application/vnd.jupyter.widget-view+json"
RUN_ME = "Run this cell to see its widget."  # what is stored of a widget without a picture


def text_differs(now: str, stored: str) -> str:
    """Why the two texts differ, or an empty string."""
    if now == stored:
        return ""
    if re.sub(r"[ \t]+", " ", FLOAT.sub("#", now)) != re.sub(r"[ \t]+", " ", FLOAT.sub("#", stored)):
        return f"text differs\n--- stored\n{stored}\n--- now\n{now}"
    a, b = (np.array([float(x) for x in FLOAT.findall(text)]) for text in (now, stored))
    off = ~np.isclose(a, b, rtol=RTOL, atol=ATOL)
    if off.any():
        i = int(np.argmax(off))
        return f"{int(off.sum())} of {len(a)} floats differ, the first: stored {b[i]:g}, now {a[i]:g}"
    return ""


def decode(data: str) -> Image.Image:
    """A base64 picture on white, as a notebook shows it."""
    picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def picture_differs(now: str, stored: str) -> str:
    """Why the two base64 pictures differ, or an empty string."""
    if now == stored:
        return ""
    a, b = decode(now), decode(stored)
    if max(abs(a.width - b.width), abs(a.height - b.height)) > SIZE_SLACK:
        return f"picture size differs: stored {b.width}×{b.height}, now {a.width}×{a.height}"
    x, y = (np.asarray(p.resize((BOXES, BOXES), Image.Resampling.BOX), float) for p in (a, b))  # 64, 64, 3
    share = float((np.abs(x - y).max(axis=2) > LEVELS).mean())
    return (
        f"picture differs: {100 * share:.2f} % of its boxes changed, {100 * SHARE} % allowed" if share > SHARE else ""
    )


def bundle_differs(now: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    """Why two MIME bundles differ. Of a widget only its presence and kind are compared: the rest is random names."""
    if WIDGET in now and stored.get("text/plain") == RUN_ME:
        return ""
    if set(now) - {WIDGET} != set(stored) - {WIDGET}:
        return f"kinds of output differ: stored {sorted(stored)}, now {sorted(now)}"
    if WIDGET in now:
        kinds = [str(bundle.get("text/plain", "")).split("(")[0] for bundle in (now, stored)]
        return "" if kinds[0] == kinds[1] else f"widget differs: stored {kinds[1]}, now {kinds[0]}"
    for mime, value in now.items():
        if mime in ("image/png", "image/jpeg"):
            why = picture_differs(value, stored[mime])
        elif isinstance(value, str):
            why = text_differs(value, stored[mime])
        else:
            why = text_differs(json.dumps(value, sort_keys=True), json.dumps(stored[mime], sort_keys=True))
        if why:
            return f"{mime}: {why}"
    return ""


def outputs_differ(now: list[Any], stored: list[Any]) -> str:
    """Why two lists of cell outputs differ, or an empty string. Stderr (warnings, progress bars) is not compared."""
    now, stored = ([o for o in outs if o.get("name") != "stderr"] for outs in (now, stored))
    kinds = [[o["output_type"] for o in outs] for outs in (now, stored)]
    if kinds[0] != kinds[1]:
        return f"outputs differ: stored {kinds[1] or 'none'}, now {kinds[0] or 'none'}"
    for i, (a, b) in enumerate(zip(now, stored, strict=True)):
        if a["output_type"] == "stream":
            why = text_differs(a["text"], b["text"])
        elif a["output_type"] == "error":
            why = text_differs(f"{a['ename']}: {a['evalue']}", f"{b['ename']}: {b['evalue']}")
        else:
            why = bundle_differs(a["data"], b["data"])
        if why:
            return f"output {i + 1}: {why}"
    return ""
