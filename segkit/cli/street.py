"""`segkit street`: one of the course's own streets as a picture, for what was trained on them."""

from __future__ import annotations

import argparse
from pathlib import Path

from segkit.checks import whole
from segkit.cli.outputs import by, write_picture
from segkit.data import create
from segkit.viz import to_picture

OURS = "segkit street"


def street(o: argparse.Namespace) -> int:
    """Run the command; 0 when the picture is written."""
    path = Path(o.to)
    if path.suffix.lower() != ".png":
        raise ValueError(f"--to {o.to} would be blurred or is unknown; let the name end in .png")
    if path.exists() and not by(OURS, path):
        raise ValueError(f"{path} is there already, and not from `{OURS}`; name another file, or delete it")
    scenes = create("street", split="test")  # none that a network was trained on
    scene = whole(o.scene, "--scene", OURS, 0, len(scenes) - 1)
    write_picture(to_picture(scenes[scene].image), path, OURS)
    print(f"{path}: scene {scene} of the test split, for networks that were trained on the course's streets")
    return 0
