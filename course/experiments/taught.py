"""Chapter 14's lessons: pictures of which few are labelled, and losses that listen to a teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segkit.data import VOID, Batch, Sample, SeenThrough
from segkit.data import create as data_set
from segkit.training import cross_entropy, distillation_loss

WAYS = ("shares", "guesses")


class FewLabels(SeenThrough):
    """Street scenes by turns with labels and without: one of the first few, one of those after them, and so on.

    Args:
        split: "train"; any other split has all its labels.
        size: of the scenes, in pixels.
        labelled: how many scenes have labels. They come again and again, the others come once.

    A scene without labels is void everywhere: whatever a loss does with it, its labels cannot leak.
    """

    def __init__(self, split: str, size: tuple[int, int], labelled: int) -> None:
        super().__init__(data_set("street", split, size=size))
        self.few = [self.dataset[i] for i in range(labelled)] if split == "train" else []

    def __len__(self) -> int:
        return 2 * (len(self.dataset) - len(self.few)) if self.few else len(self.dataset)

    def _make(self, index: int) -> Sample:
        turn, bare = divmod(index, 2)
        if not self.few:
            return super()._make(index)
        if not bare:
            return self.few[turn % len(self.few)]
        scene = super()._make(len(self.few) + turn)
        return Sample(scene.image, torch.full_like(scene.labels, VOID), name=scene.name)


@dataclass
class Lesson:
    """Cross-entropy with the labels that there are, and with what a teacher says of every pixel.

    Args:
        teacher: a trained network; it is asked without dropout, and learns nothing.
        way: "shares": the divergence from the teacher's probabilities; "guesses": cross-entropy with its most probable
            class, as if that were the label.
        weight: K class weights for the labels, and for the guesses.
    """

    teacher: nn.Module
    way: str
    weight: Tensor | None = None

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            theirs = self.teacher.eval()(batch.image)  # N, K, H, W
        ours = model(batch.image)  # N, K, H, W
        told = cross_entropy(ours, batch.labels, self.weight)
        if self.way == "shares":
            return told + distillation_loss(ours, theirs)
        return told + cross_entropy(ours, theirs.argmax(1), self.weight)


@torch.no_grad()
def doubts(teacher: nn.Module, samples: list[Sample]) -> dict[str, float]:
    """How sure a teacher is of these pictures, entropy per pixel in nats, and the share of pixels it gets right."""
    entropy, right, known = 0.0, 0, 0
    for sample in samples:
        log_p = teacher(sample.image[None]).log_softmax(1)  # 1, K, H, W
        entropy -= float((log_p.exp() * log_p).sum(1).mean()) / len(samples)
        counts = sample.labels != VOID
        right += int((log_p.argmax(1)[0] == sample.labels)[counts].sum())
        known += int(counts.sum())
    return {"entropy": round(entropy, 4), "right": round(right / max(known, 1), 4)}
