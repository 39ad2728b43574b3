"""How good a label map is: one confusion matrix per data set, and IoU near the edges."""

from __future__ import annotations

from segkit.metrics.boundary import BoundaryIoU, TrimapIoU, boundary_iou, near_other_class, trimap_iou
from segkit.metrics.confusion import ConfusionMatrix

__all__ = ["BoundaryIoU", "ConfusionMatrix", "TrimapIoU", "boundary_iou", "near_other_class", "trimap_iou"]
