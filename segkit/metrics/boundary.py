"""IoU near the edges, where large objects hide their errors from plain IoU: Boundary IoU and trimap IoU.

Both ask the same question of each pixel: is there another class within d pixels, counted as a king moves in chess?
That is an erosion by a (2d+1)×(2d+1) square, so each pixel's answer is whether the highest and the lowest label of the
square around it differ. Sources: Cheng et al., "Boundary IoU", CVPR 2021; Kohli, Ladický, Torr, "Robust higher order
potentials for enforcing label consistency", CVPR 2008; Krähenbühl & Koltun, NIPS 2011.
"""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor

from segkit.checks import WrongKind, whole
from segkit.labels import Labels, whole_numbers
from segkit.metrics.confusion import ConfusionMatrix, same_kind
from segkit.metrics.counting import count_pairs, label_maps
from segkit.typed import typed

_LOW, _HIGH = -1, 2**15 - 1  # below and above every label


class _EdgeIoU:
    """What both are: pixels counted over many pictures under settings, and the mean of what `iou` makes of them."""

    settings: tuple[str, ...]
    counts: Tensor

    def merge(self, other: Self) -> None:
        """Add what another one has counted with the same settings."""
        same_kind(self, other)
        for name in self.settings:
            if getattr(self, name) != getattr(other, name):
                raise ValueError(f"merge got {name}={getattr(other, name)}; it must be {getattr(self, name)}")
        self.counts += other.counts

    def iou(self) -> Tensor:
        raise NotImplementedError

    def mean_iou(self) -> float:
        """Mean of iou over the classes that are there."""
        return float(self.iou().nanmean())

    def compute(self) -> float:
        """The mean, by the name that torchmetrics uses."""
        return self.mean_iou()


class BoundaryIoU(_EdgeIoU):
    """IoU of the inner edges of the masks: of each class only pixels within d of where its mask ends are compared.

    With G_d the pixels of the true mask within d of its contour and P_d those of the predicted mask, a class scores
    |G_d ∩ P_d| / |G_d ∪ P_d|, summed over all pictures first. As in the paper's code the picture's border ends a mask.
    Void ends a mask too, in truth and in prediction alike, and void pixels count nowhere, so a perfect prediction
    scores 1.

    Args:
        num_classes: K, at most 32,766.
        dilation_ratio: d as a share of the picture's diagonal, rounded, at least one pixel.
        width: d in pixels instead, the same for pictures of every size.
        ignore_index: the true label that is void, or None.

    Shape: `iou()` has K entries, NaN for classes with no edge in truth and prediction.
    Source: Cheng et al. 2021, equation 2 and section 5 (ratio 0.02).
    Differs from the paper: classes of a label map in place of single objects, hence counts summed over the pictures.
    """

    settings = ("num_classes", "ignore_index", "dilation_ratio", "width")

    @typed
    def __init__(
        self, num_classes: int, dilation_ratio: float = 0.02, width: int | None = None, ignore_index: int | None = 255
    ) -> None:
        if not 0 < dilation_ratio < 1:
            raise ValueError(f"BoundaryIoU got dilation_ratio={dilation_ratio}; it is a share of the diagonal, 0 to 1")
        self.num_classes, self.ignore_index = _check_classes(num_classes), ignore_index
        self.dilation_ratio = dilation_ratio
        self.width = None if width is None else whole(width, "width", "BoundaryIoU", 1)
        self.counts = torch.zeros(3, num_classes, dtype=torch.int64)  # |G_d ∩ P_d|, |G_d|, |P_d|

    def update(self, prediction: Labels, target: Labels) -> None:
        """Count one or several pictures; takes and refuses what ConfusionMatrix.update does."""
        p, t = _checked(prediction, target, self.num_classes, self.ignore_index)
        p = torch.where(t == self.num_classes, self.num_classes, p)  # void in both
        height, width = t.shape[-2:]
        d = self.width if self.width is not None else max(1, round(self.dilation_ratio * math.hypot(height, width)))
        at_p, at_t = (near_other_class(m, d, border=True) & (t != self.num_classes) for m in (p, t))
        for row, labels in enumerate((t[at_t & at_p & (t == p)], t[at_t], p[at_p])):
            self.counts[row] += torch.bincount(labels.long(), minlength=self.num_classes).cpu()

    def iou(self) -> Tensor:
        """Boundary IoU of each class. Shape: K."""
        both, truth, predicted = self.counts.double()
        return both / (truth + predicted - both)


class TrimapIoU(_EdgeIoU):
    """Mean IoU over a band along the true edges: only pixels within `width` of another true class are counted.

    Args:
        num_classes: K, at most 32,766.
        width: half the width of the band in pixels, 1 or more; 1 is one pixel on each side of an edge.
        ignore_index: the true label that is void, or None.
        void_is_edge: whether the end of a class at void is an edge of it. True is what the papers do on VOC, where void
            is the narrow line drawn around every object; False counts only edges between two classes that are known.
            Void pixels themselves never count, and the picture's border is no edge.

    Source: Kohli et al. 2008, section 5; Krähenbühl & Koltun 2011; Chen et al. (DeepLab) 2015, section 5.
    """

    settings = ("num_classes", "ignore_index", "width", "void_is_edge")

    @typed
    def __init__(self, num_classes: int, width: int, ignore_index: int | None = 255, void_is_edge: bool = True) -> None:
        self.confusion = ConfusionMatrix(_check_classes(num_classes), ignore_index=num_classes)
        self.width, self.void_is_edge = whole(width, "width", "TrimapIoU", 1), void_is_edge
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.counts = self.confusion.matrix

    def update(self, prediction: Labels, target: Labels) -> None:
        """Count one or several pictures; takes and refuses what ConfusionMatrix.update does."""
        p, t = _checked(prediction, target, self.num_classes, self.ignore_index)
        void = None if self.void_is_edge else self.num_classes
        band = near_other_class(t, self.width, void=void)
        self.confusion.update(p, torch.where(band, t, self.num_classes))

    def iou(self) -> Tensor:
        """IoU of each class within the band. Shape: K."""
        return self.confusion.iou()


def boundary_iou(
    prediction: Labels, target: Labels, num_classes: int, dilation_ratio: float = 0.02, width: int | None = None,
    ignore_index: int | None = 255, per_class: bool = False,
) -> float | Tensor:  # fmt: skip
    """Boundary IoU of one picture or batch, mean over classes or, with per_class, a tensor of K; see BoundaryIoU."""
    metric = BoundaryIoU(num_classes, dilation_ratio, width, ignore_index)
    metric.update(prediction, target)
    return metric.iou() if per_class else metric.mean_iou()


def trimap_iou(
    prediction: Labels, target: Labels, num_classes: int, width: int, ignore_index: int | None = 255,
    void_is_edge: bool = True, per_class: bool = False,
) -> float | Tensor:  # fmt: skip
    """Trimap IoU of one picture or batch, mean over classes or, with per_class, a tensor of K; see TrimapIoU."""
    metric = TrimapIoU(num_classes, width, ignore_index, void_is_edge)
    metric.update(prediction, target)
    return metric.iou() if per_class else metric.mean_iou()


@typed
def near_other_class(labels: Tensor, distance: int, border: bool = False, void: int | None = None) -> Tensor:
    """Where another label lies within `distance` pixels, diagonal steps included.

    Args:
        labels: whole numbers from 0 to 32,766.
        distance: in pixels; 1 looks at the eight neighbours.
        border: whether what lies outside the picture counts as another label.
        void: a label that is other to nobody; None if there is none.

    Shape: labels N×H×W or H×W; the result is bool of the same shape.
    """
    distance = whole(distance, "distance", "near_other_class", 1)
    labels = whole_numbers(labels, "labels")
    if labels.ndim not in (2, 3):
        raise WrongKind(f"near_other_class got labels of shape {tuple(labels.shape)}; they are H×W or N×H×W")
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < _HIGH:
        raise ValueError(
            f"near_other_class got labels from {int(labels.min())} to {int(labels.max())}; they are 0 to {_HIGH - 1}"
        )
    distance = min(distance, max(labels.shape[-2:]))  # beyond the picture there is nothing more to find
    known = labels.to(torch.int16)
    lowest = known if void is None else torch.where(labels == void, _HIGH, known)
    highest = known if void is None else torch.where(labels == void, _LOW, known)
    for axis in (-2, -1):
        highest = _window_max(highest, distance, axis, _LOW)
        lowest = -_window_max(-lowest, distance, axis, -(_LOW if border else _HIGH))
    return (highest != lowest) & ((labels != void) if void is not None else torch.ones_like(labels, dtype=torch.bool))


def _window_max(x: Tensor, d: int, axis: int, outside: int) -> Tensor:
    """Highest value within d along one axis, by doubling: log₂(2d+1) comparisons in place of 2d."""
    window, seen = 2 * d + 1, 1
    margin = x.new_full((*x.shape[:axis], d, *x.shape[axis:][1:]), outside)
    x = torch.cat((margin, x, margin), dim=axis)
    while seen < window:
        step = min(seen, window - seen)
        length = x.shape[axis] - step
        x = torch.maximum(x.narrow(axis, 0, length), x.narrow(axis, step, length))
        seen += step
    return x


def _checked(prediction: Labels, target: Labels, num_classes: int, ignore_index: int | None) -> tuple[Tensor, Tensor]:
    """Label maps with void as num_classes in the target, every label known to be legal."""
    p, t = label_maps(prediction, target, num_classes)
    if t.ndim not in (2, 3):
        raise ValueError(f"target has shape {tuple(t.shape)}; edges need pictures, H×W or N×H×W")
    count_pairs(p, t, num_classes, ignore_index)  # raises
    return p, t if ignore_index is None else torch.where(t == ignore_index, num_classes, t)


def _check_classes(num_classes: int) -> int:
    if num_classes >= _HIGH:
        raise ValueError(f"got num_classes={num_classes}; the metrics at edges take at most {_HIGH - 1} classes")
    return ConfusionMatrix(num_classes).num_classes
