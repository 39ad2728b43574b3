"""`segkit predict`: one picture of any size in, the same picture with its labels over it out."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segkit.cli.runs import find_weights
from segkit.data.files import read_picture
from segkit.files import write_bytes
from segkit.models import load, read_header
from segkit.training import pick_device
from segkit.viz import overlay


def predict(o: argparse.Namespace) -> int:
    """Run the command."""
    for path in (o.output, o.labels):
        if path and Path(path).suffix.lower() not in (".png", ".webp"):
            raise ValueError(f"{path} would be blurred or is unknown; let the name end in .png (or .webp)")
    if not 0 <= o.alpha <= 1:
        raise ValueError(f"--alpha {o.alpha} is not a share; give 0 (picture alone) to 1 (colours alone)")
    image = read_picture(o.picture)
    path = find_weights(o.model)
    device = pick_device(o.device)
    model, header = load(path, device), read_header(path)
    with torch.no_grad():
        labels = model(image[None].to(device)).argmax(1)[0].cpu()  # H, W
    palette = np.array(header["palette"], np.uint8)
    _write(Image.fromarray(overlay(image, labels, palette, o.alpha)), o.output)
    if o.labels:
        _write(Image.fromarray(labels.to(torch.uint8).numpy()), o.labels)
    shares = torch.bincount(labels.flatten(), minlength=len(palette)) / labels.numel()
    seen = [(header["classes"][i], float(shares[i])) for i in shares.argsort(descending=True) if shares[i] > 0]
    print(f"{o.output}: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in seen[:6]))
    return 0


def _write(picture: Image.Image, path: str) -> None:
    buffer = io.BytesIO()
    if path.lower().endswith(".webp"):
        picture.save(buffer, "WEBP", lossless=True)
    else:
        picture.save(buffer, "PNG")
    write_bytes(buffer.getvalue(), path)
