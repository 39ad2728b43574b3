"""How good a label map is: one confusion matrix per data set, IoU near the edges, and scores of cells."""

from __future__ import annotations

from segkit.components import label_components
from segkit.metrics.boundary import BoundaryIoU, TrimapIoU, boundary_iou, near_other_class, trimap_iou
from segkit.metrics.confusion import ConfusionMatrix
from segkit.metrics.objects import CellScores, ObjectMatch, average_precision, match_objects
from segkit.metrics.partition import PartitionScores, adapted_rand_error, partition_scores, rand_score

__all__ = [
    "BoundaryIoU", "CellScores", "ConfusionMatrix", "ObjectMatch", "PartitionScores", "TrimapIoU",
    "adapted_rand_error", "average_precision", "boundary_iou", "label_components", "match_objects", "near_other_class",
    "partition_scores", "rand_score", "trimap_iou",
]  # fmt: skip
