"""Losses per pixel, with void, class weights, and the sampling of pixels and patches that FCN compares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.data import VOID


def check_labels(target: Tensor, num_classes: int, names: Sequence[str] = (), ignore_index: int = VOID) -> None:
    """Refuse labels that are neither a class nor void, before a loss reads them.

    Args:
        target: integer labels N×H×W.
        num_classes: K; the classes are 0…K−1.
        names: what to call each picture in the message; its number where not given.
        ignore_index: the void label.

    Raises:
        ValueError: names the picture, the value and how many pixels have it.
    """
    wrong = ((target < 0) | (target >= num_classes)) & (target != ignore_index)
    if not wrong.any():
        return
    picture = int(wrong.flatten(1).any(1).nonzero()[0])
    value = int(target[picture][wrong[picture]][0])
    count = int((target[picture] == value).sum())
    name = names[picture] if picture < len(names) and names[picture] else f"picture {picture} of the batch"
    raise ValueError(
        f"{name}: {count} pixels have label {value}; the classes are 0 to {num_classes - 1} and void is "
        f"{ignore_index}. Correct the mask, or map its values to class numbers"
    )


def cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = VOID, reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Softmax cross-entropy over the pixels that are not void.

    Args:
        logits: N×K×H×W, any floating-point type; computed in float32 at least.
        target: int64 N×H×W, classes 0…K−1 or `ignore_index`.
        weight: K, one weight per class.
        ignore_index: label of pixels that do not count.
        reduction: "mean" divides by the sum of the weights of the pixels that count (torch's rule), and is 0 where none
            does; "sum"; "none" gives N×H×W with 0 at void.
        pixel_weight: N×H×W, one weight per pixel, 0 or more; multiplied with that of the class where both are given.

    Shape:
        scalar, or N×H×W for "none".

    Raises:
        ValueError: shapes that do not belong together, a label that is no class, an unknown reduction.
    """
    if logits.ndim != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"cross_entropy got logits {tuple(logits.shape)} and labels {tuple(target.shape)}; "
            "they must be N×K×H×W and N×H×W of the same N, H, W"
        )
    K = logits.shape[1]
    check_labels(target, K, ignore_index=ignore_index)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy got reduction={reduction!r}; choose 'mean', 'sum' or 'none'")
    if weight is not None and weight.shape != (K,):
        raise ValueError(
            f"cross_entropy got weights of shape {tuple(weight.shape)} for {K} classes; give one per class"
        )
    counts = target != ignore_index  # N, H, W
    safe = torch.where(counts, target, 0)  # void reads class 0, and is multiplied by nought below
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    log_p = torch.log_softmax(logits, dim=1)  # N, K, H, W
    loss = -log_p.gather(1, safe[:, None])[:, 0]  # N, H, W
    w = counts.to(loss.dtype) if weight is None else counts * weight.to(loss)[safe]
    if pixel_weight is not None:
        w = w * _pixel_weight(pixel_weight, target).to(w)
    loss = torch.where(counts, loss, 0) * w
    if reduction == "none":
        return loss
    total = loss.sum()
    return total if reduction == "sum" else total / w.sum().clamp_min(torch.finfo(w.dtype).tiny)


def _pixel_weight(weight: Tensor, target: Tensor) -> Tensor:
    if weight.shape != target.shape:
        raise ValueError(
            f"cross_entropy got pixel_weight of shape {tuple(weight.shape)} for labels {tuple(target.shape)}; give one "
            "per pixel"
        )
    if not ((weight >= 0) & torch.isfinite(weight)).all():
        raise ValueError("cross_entropy got a pixel_weight that is negative, infinite or NaN; give 0 or more")
    return weight


def class_weights(counts: Tensor, scheme: str = "median") -> Tensor:
    """One weight per class from how often it occurs.

    Args:
        counts: K, pixels of each class in the training set.
        scheme: "median": median frequency ÷ frequency (Eigen & Fergus 2015; SegNet); "log": 1 ÷ ln(1.02 + frequency)
            (ENet, section 5.2); "none": all 1.

    Returns:
        float32 K; a class that never occurs has weight 0.

    Raises:
        ValueError: an unknown scheme, negative counts, or no pixel at all.
    """
    counts = counts.double()
    if counts.ndim != 1 or (counts < 0).any() or counts.sum() == 0:
        raise ValueError(f"class_weights got counts {counts.tolist()}; give one non-negative pixel count per class")
    seen = counts > 0
    frequency = counts / counts.sum()
    if scheme == "median":
        weights = frequency[seen].median() / frequency.clamp_min(1e-30)
    elif scheme == "log":
        weights = 1 / torch.log(1.02 + frequency)
    elif scheme == "none":
        weights = torch.ones_like(frequency)
    else:
        raise ValueError(f"class_weights got scheme={scheme!r}; choose 'median', 'log' or 'none'")
    return torch.where(seen, weights, 0.0).float()


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
    drawn = torch.rand(target.shape, generator=generator, device=target.device)
    return torch.where(drawn < share, target, ignore_index)


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
        balanced: draw the class of the central pixel first, each class that occurs as often as the others.
        ignore_index: the void label; no patch is centred on it.

    Shape:
        count×C×size×size and count×size×size.

    Raises:
        ValueError: image and target of different sizes, a size or count below 1, or no labelled pixel at all.
    """
    N, _, H, W = image.shape
    if target.shape != (N, H, W):
        raise ValueError(f"sample_patches got pictures {tuple(image.shape)} and labels {tuple(target.shape)}")
    if size < 1 or count < 1:
        raise ValueError(f"sample_patches got size={size}, count={count}; both must be at least 1")
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


def keep_centre(target: Tensor, side: int, ignore_index: int = VOID) -> Tensor:
    """Labels with everything void except the central side×side block: one patch, one answer."""
    top, left = (target.shape[-2] - side) // 2, (target.shape[-1] - side) // 2
    kept = torch.full_like(target, ignore_index)
    block = (..., slice(top, top + side), slice(left, left + side))
    kept[block] = target[block]
    return kept
