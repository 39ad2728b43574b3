"""Scores a model over a whole data set, and leaves the model exactly as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from segkit.checks import whole
from segkit.data import VOID, Batch, Sample, collate, describe
from segkit.data.base import Facts, warn_of_void
from segkit.data.sample import as_sample
from segkit.data.sizes import look
from segkit.metrics import BoundaryIoU, ConfusionMatrix, TrimapIoU
from segkit.models.modes import in_evaluation
from segkit.training import processes
from segkit.training.device import pick_device
from segkit.training.losses import check_labels
from segkit.typed import typed

_WAITING = 4  # batches' worth of pictures that may wait for others of their size


@torch.no_grad()
@typed
def evaluate(
    model: nn.Module, dataset: Any, batch_size: int = 8, device: str = "auto", quiet: bool = True,
    also: Sequence[BoundaryIoU | TrimapIoU] = (), each: Callable[[str, Tensor, Tensor], None] | None = None,
) -> ConfusionMatrix:  # fmt: skip
    """The confusion matrix of a model over a whole data set, void left out.

    Several processes share the pictures, and each must call this; all have the whole matrix then, or the same error.

    Args:
        model: gives logits N×K×H×W; the mode of each of its modules and its device are restored afterwards.
        dataset: any segkit data set, or one that `segkit.data.describe` understands; pictures may differ in size.
        batch_size: pictures of equal size that are shown at once.
        device: as `pick_device`.
        quiet: no progress bar.
        also: metrics that count the same answers, near the edges.
        each: called for each picture that this process scores, with its name, the answer and the labels, both H×W.

    Raises:
        ValueError: the model has another number of classes than the data, gives NaN, or no pixel has a label.
    """
    target, facts = pick_device(device), describe(dataset)
    matrix, voids = ConfusionMatrix(facts.num_classes), torch.zeros((), dtype=torch.int64)
    with processes.failing_together():
        look(dataset)  # a file that is wrong is named before any is scored
    own = range(processes.rank(), len(dataset), processes.count())
    silent = quiet or processes.rank() > 0
    bar = tqdm(total=len(own), desc="eval", unit="picture", disable=silent)
    with processes.failing_together(), _scoring(model, target), bar:
        for batch in _batches(dataset, batch_size, own):
            labels = check_labels(batch.labels, facts.num_classes, batch.name)
            logits = model(batch.image.to(target))  # N, K, H, W
            _check_scores(logits, batch.name, facts)
            answers = logits.argmax(1).cpu()  # N, H, W
            for metric in (matrix, *also):
                metric.update(answers, labels)
            if each is not None:
                for picture in zip(batch.name, answers, labels, strict=True):
                    each(*picture)
            voids += (labels == VOID).sum()
            bar.update(len(batch.image))
    matrix.matrix, voids = processes.total(matrix.matrix), processes.total(voids)
    for edges in also:
        edges.counts.copy_(processes.total(edges.counts))
    if not matrix.matrix.sum():
        raise ValueError(f"{facts.name}: none of the {len(dataset)} pictures has a label other than void to score by")
    warn_of_void(facts, int(matrix.matrix[1:2].sum()), int(voids))
    return matrix


def _check_scores(logits: Tensor, names: Sequence[str], facts: Facts) -> None:
    if logits.shape[1] != facts.num_classes:
        raise ValueError(
            f"the model gives {logits.shape[1]} classes and {facts.name} has {facts.num_classes}; evaluate on "
            "the data it was trained on"
        )
    if (bad := logits.isnan().any(1).flatten(1).any(1)).any():
        name = names[int(bad.int().argmax())]
        raise ValueError(f"the model gives NaN for {name or 'a picture'}; look for NaN in its weights and the picture")


@contextmanager
def _scoring(model: nn.Module, device: torch.device) -> Iterator[None]:
    """The model in eval on a device for a while; afterwards each module has its mode back, whatever happened."""
    home = next((p.device for p in model.parameters()), device)
    try:
        with in_evaluation(model.to(device)):
            yield
    finally:
        model.to(home)


def _batches(dataset: Any, size: int, indices: Iterable[int] | None = None) -> Iterator[Batch]:
    """These pictures, or all, in batches of one size; few wait in memory: if too many do, the fullest bucket goes."""
    size = whole(size, "batch_size", "evaluate", 1)
    buckets: dict[tuple[int, ...], list[Sample]] = {}
    for i in range(len(dataset)) if indices is None else indices:
        sample = as_sample(dataset[i])
        shape = tuple(sample.labels.shape)
        buckets.setdefault(shape, []).append(sample)
        if sum(map(len, buckets.values())) > _WAITING * size:
            shape = max(buckets, key=lambda s: len(buckets[s]))
        elif len(buckets[shape]) < size:
            continue
        yield collate(buckets.pop(shape))
    yield from map(collate, buckets.values())
