"""Sampling of pixels and patches, which FCN compares with whole pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.checks import whole
from segkit.data import VOID
from segkit.labels import whole_numbers
from segkit.typed import typed


@typed
def sample_pixels(
    target: Tensor, share: float, generator: torch.Generator | None = None, ignore_index: int = VOID
) -> Tensor:
    """Labels in which each pixel has been kept with probability `share` and made void otherwise (FCN, section 3.4).

    Args:
        target: N×H×W.
        share: probability of keeping a pixel, 0 to 1.
        generator: for the draws, on the device of target.
        ignore_index: the void label.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"sample_pixels got share={share}; it is a probability from 0 to 1")
    target = whole_numbers(target, "sample_pixels' target")
    if target.ndim not in (2, 3):
        raise ValueError(f"sample_pixels got labels of shape {tuple(target.shape)}; they are N×H×W")
    drawn = torch.rand(target.shape, generator=generator, device=target.device)
    return torch.where(drawn < share, target, ignore_index)


@typed
def sample_patches(
    image: Tensor,
    target: Tensor,
    size: int,
    count: int,
    generator: torch.Generator | None = None,
    balanced: bool = False,
    ignore_index: int = VOID,
) -> tuple[Tensor, Tensor]:
    """Square windows around random labelled pixels: patchwise training, which FCN's whole-image training replaces.

    Args:
        image: N×C×H×W.
        target: N×H×W.
        size: side of a patch, pixels; what lies outside the picture is 0 and void.
        count: patches in all, each from a picture drawn at random.
        generator: for the draws, on the CPU.
        balanced: draw the class of the central pixel first, every class that occurs equally often.
        ignore_index: the void label; no patch is centred on it.

    Shape:
        count×C×size×size and count×size×size.

    Raises:
        ValueError: image and target of different sizes, a size or count below 1, or no labelled pixel at all.
    """
    if image.ndim != 4 or image.shape[1] == 0:
        raise ValueError(f"sample_patches got pictures of shape {tuple(image.shape)}; they are N×C×H×W, C at least 1")
    N, _, H, W = image.shape
    if target.shape != (N, H, W):
        raise ValueError(
            f"sample_patches got pictures {tuple(image.shape)} and labels {tuple(target.shape)}; N, H, W must agree"
        )
    if size < 1 or count < 1:
        raise ValueError(f"sample_patches got size={size}, count={count}; both must be at least 1")
    target = whole_numbers(target, "sample_patches' target")
    labels = target.cpu().flatten()
    places = (labels != ignore_index).nonzero()[:, 0]
    if len(places) == 0:
        raise ValueError("sample_patches got labels that are all void; there is no pixel to centre a patch on")
    if balanced:
        pools = [(labels == c).nonzero()[:, 0] for c in labels[places].unique()]
        drawn = torch.randint(len(pools), (count,), generator=generator).tolist()
        within = torch.rand(count, generator=generator, dtype=torch.float64)
        chosen = torch.stack([pools[k][int(u * len(pools[k]))] for k, u in zip(drawn, within.tolist(), strict=True)])
    else:
        chosen = places[torch.randint(len(places), (count,), generator=generator)]
    before, after = size // 2, (size - 1) // 2
    image = F.pad(image, (before, after, before, after))
    target = F.pad(target, (before, after, before, after), value=ignore_index)
    patches, masks = [], []
    for place in chosen.tolist():
        n, rest = divmod(place, H * W)
        top, left = divmod(rest, W)
        window = slice(top, top + size), slice(left, left + size)
        patches.append(image[(n, slice(None), *window)])
        masks.append(target[(n, *window)])
    return torch.stack(patches), torch.stack(masks)


@typed
def keep_centre(target: Tensor, side: int, ignore_index: int = VOID) -> Tensor:
    """Labels with everything void except the central side×side block: one patch, one answer.

    Args:
        target: …×H×W.
        side: of the block, pixels; at most H and W.
        ignore_index: the void label.

    Raises:
        ValueError: the block is empty, or larger than the labels.
    """
    target = whole_numbers(target, "keep_centre's target")
    if target.ndim < 2:
        raise ValueError(f"keep_centre got labels of shape {tuple(target.shape)}; they are …×H×W")
    side = whole(side, "side", "keep_centre", 1, min(target.shape[-2:]))
    top, left = (target.shape[-2] - side) // 2, (target.shape[-1] - side) // 2
    kept = torch.full_like(target, ignore_index)
    block = (..., slice(top, top + side), slice(left, left + side))
    kept[block] = target[block]
    return kept
