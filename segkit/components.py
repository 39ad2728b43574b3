"""Connected pieces of a mask, numbered: the step from a label map to countable things."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from segkit.labels import Labels, whole_numbers
from segkit.typed import typed


@typed
def label_components(mask: Labels, connectivity: int = 4) -> Tensor:
    """Number the connected pieces of each picture's mask 1, 2, … in reading order of their first pixel.

    Args:
        mask: bool, or whole numbers of which any but 0 counts as inside; a tensor or a numpy array.
        connectivity: 4 joins pixels that share an edge, 8 also those that share a corner only.

    Shape: mask H×W or N×H×W; the result is int64 of the same shape and on the same device, 0 outside.

    Raises:
        TypeError: fractions, which need a threshold, or a masked array. ValueError: another shape or connectivity.
    """
    if str(mask.dtype).removeprefix("torch.").startswith(("float", "bfloat")):
        raise TypeError(f"label_components got type {mask.dtype}; give a mask, such as probability > 0.5")
    m = whole_numbers(mask, "mask")
    if m.ndim not in (2, 3):
        raise ValueError(f"label_components got shape {tuple(m.shape)}; it takes H×W or N×H×W")
    if connectivity is True or connectivity not in (4, 8):
        raise ValueError(f"label_components got connectivity={connectivity!r}; choose 4 or 8")
    near = ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)
    pictures = (m if m.ndim == 3 else m[None]).cpu().numpy() != 0  # N, H, W
    out = np.zeros(pictures.shape, dtype=np.int64)
    for picture, ids in zip(pictures, out, strict=True):
        if picture.size:
            ids[:] = ndimage.label(picture, near)[0]
    return torch.from_numpy(out.reshape(m.shape)).to(m.device)
