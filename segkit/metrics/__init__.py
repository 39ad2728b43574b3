"""How good a label map is: one confusion matrix per data set, IoU under other conventions and near edges, cells."""

from __future__ import annotations

from segkit.components import label_components
from segkit.metrics.boundary import BoundaryIoU, TrimapIoU, boundary_iou, near_other_class, trimap_iou
from segkit.metrics.confusion import ConfusionMatrix
from segkit.metrics.conventions import CONVENTIONS, Convention, iou_conventions, mean_iou_as, picture_counts
from segkit.metrics.objects import CellScores, ObjectMatch, average_precision, match_objects
from segkit.metrics.partition import PartitionScores, adapted_rand_error, partition_scores, rand_score

__all__ = [
    "CONVENTIONS", "BoundaryIoU", "CellScores", "ConfusionMatrix", "Convention", "ObjectMatch", "PartitionScores",
    "TrimapIoU", "adapted_rand_error", "average_precision", "boundary_iou", "iou_conventions", "label_components",
    "match_objects", "mean_iou_as", "near_other_class", "partition_scores", "picture_counts", "rand_score",
    "trimap_iou",
]  # fmt: skip
