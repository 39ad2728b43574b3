"""U-Net's way of keeping touching cells apart: a gap between them in the labels, and a loss that minds the gap.

Source: Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015,
section 3, equations 1 and 2, figure 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from segkit.checks import whole
from segkit.data import Batch
from segkit.labels import whole_numbers
from segkit.training.losses import cross_entropy
from segkit.typed import typed

_NEGLIGIBLE = 1e-12  # where the gap's term is smaller than this it is 0


@typed
def unet_weight_map(
    instances: Tensor, w0: float = 10.0, sigma: float = 5.0, class_weights: Sequence[float] | Tensor | None = None
) -> Tensor:
    """How much each pixel counts: w(x) = w_c(x) + w0 · exp(−(d1(x) + d2(x))² / 2σ²) between cells, w_c(x) on them.

    d1 and d2 are the distances from x to the nearest and the second nearest cell. They are measured from the centre of
    the pixel to the centre of the cell's nearest pixel, so a pixel beside a cell has d1 = 1, and a gap of one pixel
    gets w_c + w0 · exp(−4 / 2σ²). With fewer than two cells there is no d2 and the map is w_c. The second term is 0
    where it would be below 1e-12; all else is exact to float32.

    Args:
        instances: whole numbers, 0 outside cells; cells need not touch, and their ids may be any positive numbers.
        w0: height of the second term, 0 or more; 0 leaves the class weights alone.
        sigma: its width in pixels, above 0.
        class_weights: (w_c of the background, w_c of cells); None for 1 and 1.

    Shape: instances H×W or N×H×W; the result is float32 of the same shape, on the same device.

    Raises:
        TypeError: instances are fractions. ValueError: a negative id, another shape, an option out of range.

    Source: Ronneberger et al. 2015, equation 2.
    Differs from the paper: the second term stays off the cells themselves, where the formula as printed would raise
        the weight of cell pixels too (d1 is 0 there).
    """
    instances = _checked_ids(instances, "unet_weight_map")
    if not 0 <= w0 < math.inf or not 0 < sigma < math.inf:
        raise ValueError(f"unet_weight_map got w0={w0}, sigma={sigma}; it needs w0 >= 0 and sigma > 0")
    background, cell = _two(class_weights)
    pictures = _pictures(instances)  # N, H, W
    out = np.empty(pictures.shape, dtype=np.float32)
    for picture, w in zip(pictures, out, strict=True):
        w[:] = np.where(picture > 0, cell, background + _between(picture, w0, sigma))
    return torch.from_numpy(out.reshape(instances.shape)).to(instances.device)


def _between(ids: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """w0 · exp(−(d1 + d2)² / 2σ²) for every pixel of one picture.

    Each cell needs its distances only where they can matter: d1 + d2 is at least d2, so beyond the reach of
    w0 · exp(−reach² / 2σ²) = 1e-12 a cell is nobody's second nearest.
    """
    d1 = np.full(ids.shape, np.inf)
    d2 = np.full(ids.shape, np.inf)
    if w0 <= _NEGLIGIBLE or not ids.size:
        return np.zeros(ids.shape)
    reach = sigma * math.sqrt(2 * math.log(w0 / _NEGLIGIBLE))
    margin = min(math.ceil(reach), max(ids.shape))
    numbered = np.unique(ids, return_inverse=True)[1].reshape(ids.shape) + (0 if (ids == 0).any() else 1)
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        near = tuple(slice(max(0, s.start - margin), s.stop + margin) for s in box)
        d = ndimage.distance_transform_edt(numbered[near] != number)  # of the window
        d = np.where(d > reach, np.inf, d)
        d2[near] = np.minimum(d2[near], np.maximum(d1[near], d))
        d1[near] = np.minimum(d1[near], d)
    term = w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return np.where(term < _NEGLIGIBLE, 0.0, term)


@typed
def separate(labels: Tensor, instances: Tensor, border: int = 1, background: int = 0) -> tuple[Tensor, Tensor]:
    """Labels and instances with a thin gap of background wherever two cells touch, so that a network can tell them.

    Cells touch where their pixels share an edge or a corner. Of two touching cells the one with the larger id gives up
    the first pixel of the gap, the other the second, and so on in turn.

    Args:
        labels: int64 classes.
        instances: whole numbers, 0 outside cells.
        border: width of the gap in pixels; 0 changes nothing.
        background: the class that the gap gets.

    Shape: both H×W or both N×H×W; so are the results, int64.

    Raises:
        TypeError: labels or instances are fractions. ValueError: shapes differ, a negative id, a negative border.

    Source: Ronneberger et al. 2015, section 3: the border is "computed using morphological operations".
    """
    labels, instances = whole_numbers(labels, "labels"), _checked_ids(instances, "separate")
    if labels.shape != instances.shape:
        raise ValueError(f"separate got labels {tuple(labels.shape)} and instances {tuple(instances.shape)}")
    border = whole(border, "border", "separate", 0)
    ids = _pictures(instances)  # N, H, W
    kept = np.stack([_kept(picture, border) for picture in ids]) if len(ids) else np.zeros(ids.shape, dtype=bool)
    keep = torch.from_numpy(kept.reshape(instances.shape)).to(instances.device)
    lost = ~keep & (instances != 0)
    return torch.where(lost, background, labels), torch.where(lost, 0, instances)


def _kept(ids: np.ndarray, border: int) -> np.ndarray:
    """Where no other cell is so near that the pixel must go; of one picture."""
    keep = ids != 0
    larger, smaller = (border + 1) // 2, border // 2  # what the cell of the larger and of the smaller id gives up
    if larger:
        outside = np.iinfo(ids.dtype).max
        lowest = ndimage.minimum_filter(np.where(keep, ids, outside), 2 * larger + 1, mode="nearest")
        keep &= lowest >= ids
    if smaller:
        keep &= ndimage.maximum_filter(ids, 2 * smaller + 1, mode="nearest") <= ids
    return keep


@typed
def weight_map_loss(
    w0: float = 10.0, sigma: float = 5.0, class_weights: Sequence[float] | Tensor | None = None, border: int = 0
) -> Callable[[nn.Module, Batch], Tensor]:
    """A loss for `Trainer(loss=…)`: pixel-wise cross-entropy weighted by U-Net's map, made from the batch's instances.

    The map is made after all transforms, so distances are right whatever bent, scaled or cropped the picture.

    Args:
        w0, sigma, class_weights: as for `unet_weight_map`.
        border: above 0, touching cells are first put apart by so many pixels with `separate`.

    Returns:
        callable (model, batch) → scalar, Σ w·loss / Σ w over the pixels that are not void (equation 1 divided by the
        weights, so that the learning rate keeps its meaning).

    Raises:
        ValueError: on call, the batch has no instances.
    """
    unet_weight_map(torch.zeros(1, 1, dtype=torch.int64), w0, sigma, class_weights)  # refuses wrong options now
    border = whole(border, "border", "weight_map_loss", 0)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        if batch.instances is None:
            raise ValueError("the weight map is made from instances, and this data set gives none")
        labels, instances = batch.labels, batch.instances
        if border:
            labels, instances = separate(labels, instances, border)
        weights = unet_weight_map(instances, w0, sigma, class_weights)  # N, H, W
        return cross_entropy(model(batch.image), labels, pixel_weight=weights)

    return loss


def _pictures(ids: Tensor) -> np.ndarray:
    """One picture's ids as a batch of one, a batch as it is. Shape: N×H×W."""
    return (ids if ids.ndim == 3 else ids[None]).cpu().numpy()


def _checked_ids(instances: Tensor, who: str) -> Tensor:
    if instances.is_floating_point() or instances.is_complex() or instances.dtype == torch.bool:
        raise TypeError(f"{who} got instances of type {instances.dtype}; ids are whole numbers (int64)")
    instances = whole_numbers(instances, "instances")
    if instances.ndim not in (2, 3):
        raise ValueError(f"{who} got instances of shape {tuple(instances.shape)}; it takes H×W or N×H×W")
    if instances.numel() and int(instances.min()) < 0:
        raise ValueError(f"{who} got the id {int(instances.min())}; ids are 0 outside cells and positive on them")
    return instances


def _two(class_weights: Sequence[float] | Tensor | None) -> tuple[float, float]:
    if class_weights is None:
        return 1.0, 1.0
    values = [float(w) for w in class_weights]
    if len(values) != 2 or not all(0 <= w < math.inf for w in values):
        raise ValueError(f"unet_weight_map got class_weights={values}; give two, of background and of cells, >= 0")
    return values[0], values[1]
