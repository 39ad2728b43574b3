"""Accuracy and IoU of a whole data set from one confusion matrix.

In the notes' letters: n_ij is the number of pixels of class i that were called j, t_i = Σ_j n_ij the pixels of class i.
The matrix is summed over all pictures and divided once at the end. A mean of the IoUs of single pictures or batches is
another, and usually lower, number. Source: Long, Shelhamer, Darrell, "Fully convolutional networks for semantic
segmentation", CVPR 2015, section 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.checks import WrongKind, whole
from segkit.labels import Labels
from segkit.metrics.counting import count_pairs, label_maps
from segkit.typed import shown, typed


class ConfusionMatrix:
    """Pixels counted by true and by predicted class, over as many pictures as are given.

    Void pixels (true label `ignore_index`) count nowhere, whatever is predicted on them. A class that neither the truth
    nor the prediction has is NaN, and the means leave it out; with nothing counted at all every figure is NaN.

    Args:
        num_classes: K, at least 1.
        ignore_index: the true label that is void; None if there is none. If it is one of the classes, its pixels do not
            count, but calling other pixels by it is still wrong.

    Source: notes and Long et al. 2015. `matrix` is int64 K×K on the CPU, row = truth i, column = prediction j.
    """

    @typed
    def __init__(self, num_classes: int, ignore_index: int | None = 255) -> None:
        self.num_classes = num_classes = whole(num_classes, "num_classes", "ConfusionMatrix", 1)
        self.ignore_index = ignore_index
        self.matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def update(self, prediction: Labels, target: Labels) -> None:
        """Count the pixels of one or several pictures.

        Args:
            prediction: labels like target, or floating-point scores N×K×H×W (K×H×W), whose highest is taken.
            target: labels N×H×W or H×W; tensors on any device, or numpy arrays.

        Raises:
            TypeError, ValueError: types or shapes do not fit, a score is NaN, a true label is neither a class nor void,
                or a prediction on a pixel that is not void is no class (255 included: every pixel must be decided).
        """
        prediction, target = label_maps(prediction, target, self.num_classes)
        self.matrix += count_pairs(prediction, target, self.num_classes, self.ignore_index)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add what another matrix has counted.

        Raises:
            TypeError: it is something else. ValueError: it counts other classes, or has another void.
        """
        same_kind(self, other)
        mine, theirs = (self.num_classes, self.ignore_index), (other.num_classes, other.ignore_index)
        if mine != theirs:
            raise ValueError(f"merge got (num_classes, ignore_index) = {theirs}; it must be {mine}")
        self.matrix += other.matrix

    def reset(self) -> None:
        """Forget all counts."""
        self.matrix.zero_()

    def pixel_accuracy(self) -> float:
        """Share of the pixels that are right: Σ_i n_ii / Σ_i t_i."""
        n, t, _ = self._sums()
        return float(n.sum() / t.sum())

    def class_accuracy(self) -> Tensor:
        """Share of each class's pixels that are right, n_ii / t_i; NaN where the truth lacks the class. Shape: K."""
        n, t, _ = self._sums()
        return n / t

    def mean_accuracy(self) -> float:
        """Mean of class_accuracy over the classes that the truth has."""
        return float(self.class_accuracy().nanmean())

    def iou(self) -> Tensor:
        """Intersection over union of each class, n_ii / (t_i + Σ_j n_ji − n_ii); NaN where it is absent. Shape: K."""
        n, t, p = self._sums()
        return n / (t + p - n)

    def mean_iou(self) -> float:
        """Mean of iou over the classes that truth or prediction has."""
        return float(self.iou().nanmean())

    def frequency_weighted_iou(self) -> float:
        """IoU weighted by how many pixels the class has: Σ_i t_i · iou_i / Σ_i t_i."""
        _, t, _ = self._sums()
        return float((t * self.iou().nan_to_num(0)).sum() / t.sum())  # t_i is 0 where iou_i is NaN

    def dice(self) -> Tensor:
        """Dice or F1 of each class, 2 n_ii / (t_i + Σ_j n_ji); NaN where it is absent. Shape: K."""
        n, t, p = self._sums()
        return 2 * n / (t + p)

    def summary(self) -> dict[str, float]:
        """The four figures that papers print, by name."""
        return {
            "pixel_accuracy": self.pixel_accuracy(),
            "mean_accuracy": self.mean_accuracy(),
            "mean_iou": self.mean_iou(),
            "frequency_weighted_iou": self.frequency_weighted_iou(),
        }

    def _sums(self) -> tuple[Tensor, Tensor, Tensor]:
        """n_ii, t_i and Σ_j n_ji in double precision: 0/0 is NaN, which is what an absent class should be."""
        m = self.matrix.double()
        return m.diagonal(), m.sum(1), m.sum(0)

    def __repr__(self) -> str:
        return f"ConfusionMatrix(num_classes={self.num_classes}, {int(self.matrix.sum())} pixels)"


def same_kind(mine: object, other: object) -> None:
    """Refuse to add up counts of different things."""
    if not isinstance(other, type(mine)):
        who = type(mine).__name__
        raise WrongKind(f"merge got {shown(other)}; it takes another {who}, which has counted other pictures")
