"""Which IoU is this? By hand on two tiny pictures, and against each library that is installed."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
import pytest
import torch

from segkit.metrics import CONVENTIONS, ConfusionMatrix, Convention, iou_conventions, mean_iou_as, picture_counts

VOID = 255
# Two pictures, four classes; class 3 is nowhere, class 2 only in the second picture, void only in the first.
TRUTH = torch.tensor([[[0, 0, 0, 1], [1, 1, VOID, VOID]], [[0, 0, 0, 0], [2, 2, 1, 1]]])
GUESS = torch.tensor([[[0, 0, 1, 1], [1, 1, 1, 0]], [[0, 0, 0, 0], [2, 0, 1, 0]]])
# both/union by picture: class 0 2/3 and 4/6, class 1 3/4 and 1/2, class 2 none and 1/2; on void: one 0, one 1
A0, A1, B0, B1, B2 = 2 / 3, 3 / 4, 4 / 6, 1 / 2, 1 / 2
SET = (6 / 9, 4 / 6, 1 / 2)  # classes 0, 1, 2 over both pictures
BY_HAND = {
    "data set": sum(SET) / 3,
    "absent as 0": sum(SET) / 4,
    "absent as 1": (sum(SET) + 1) / 4,
    "void as false positive": (6 / 10 + 4 / 7 + 1 / 2) / 3,
    "without background": (SET[1] + SET[2]) / 2,
    "mean over batches": ((A0 + A1) / 2 + (B0 + B1 + B2) / 3) / 2,  # batches of one
    "mean over pictures": ((A0 + A1) / 2 + (B0 + B1 + B2) / 3) / 2,
    "over pictures, absent as 0": ((A0 + A1) / 4 + (B0 + B1 + B2) / 4) / 2,
    "smp micro": (6 + 4 + 1) / (9 + 6 + 2),
    "smp macro": (sum(SET) + 1) / 4,
    "smp micro-imagewise": (5 / 7 + 6 / 10) / 2,
    "smp macro-imagewise": ((A0 + A1 + 2) / 4 + (B0 + B1 + B2 + 1) / 4) / 2,
    "torchmetrics JaccardIndex": sum(SET) / 3,
    "torchmetrics MeanIoU": (2 / 4 + 3 / 5 + 0 + B0 + B1 + B2) / 6,  # void is a third class of the first picture
    "mmsegmentation": sum(SET) / 3,
    "VOC": math.nan,
    "Cityscapes": sum(SET) / 3,
    "ADE20K": sum(SET) / 4,
}


def streets(count: int = 7, classes: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Blocks of classes, some absent from some pictures and the last from all; a twentieth of the pixels void."""
    rng = np.random.default_rng(3)
    rows = [rng.choice(classes - 1, (1, 4, 5), p=rng.dirichlet(np.ones(classes - 1) / 2)) for _ in range(count)]
    truth = np.concatenate(rows).repeat(4, 1).repeat(4, 2)
    guess = np.where(rng.random(truth.shape) < 0.3, rng.integers(0, classes - 1, truth.shape), truth)
    truth[rng.random(truth.shape) < 0.05] = VOID
    return torch.from_numpy(guess), torch.from_numpy(truth)


def test_every_convention_by_hand() -> None:
    assert list(BY_HAND) == list(CONVENTIONS), "each has a figure worked out by hand"
    found = iou_conventions(GUESS, TRUTH, 4, batch=1)
    for name, value in BY_HAND.items():
        assert found[name] == pytest.approx(value, nan_ok=True), name


def test_voc_without_absent_classes() -> None:
    """The devkit's plain mean is the data set's figure wherever every class occurs."""
    assert iou_conventions(GUESS, TRUTH, 3)["VOC"] == pytest.approx(sum(SET) / 3)


def test_batches_lie_between_pictures_and_data_set() -> None:
    guess, truth = streets()
    counts, over = picture_counts(guess, truth, 6), Convention("batch")
    assert mean_iou_as(over, counts, 1) == pytest.approx(mean_iou_as(Convention("picture"), counts))
    assert mean_iou_as(over, counts, 99) == pytest.approx(mean_iou_as(Convention(), counts))
    halves = [mean_iou_as(Convention(), picture_counts(guess[i], truth[i], 6)) for i in (slice(4), slice(4, 7))]
    assert mean_iou_as(over, counts, 4) == pytest.approx(sum(halves) / 2), "the last batch may be smaller"


def test_data_set_is_the_confusion_matrix_and_pictures_may_differ_in_size() -> None:
    guess, truth = streets()
    matrix = ConfusionMatrix(6)
    matrix.update(guess, truth)
    assert iou_conventions(guess, truth, 6)["data set"] == pytest.approx(matrix.mean_iou())
    parts = [(g[: 5 + i], t[: 5 + i]) for i, (g, t) in enumerate(zip(guess, truth, strict=True))]
    figures = iou_conventions([g for g, _ in parts], [t.numpy() for _, t in parts], 6)
    assert 0 < figures["mean over pictures"] < 1


def test_a_prediction_of_void_on_void_claims_nothing() -> None:
    guess = torch.where(TRUTH == VOID, VOID, GUESS)
    figures = iou_conventions(guess, TRUTH, 4)
    assert figures["void as false positive"] == pytest.approx(figures["data set"])


def test_each_says_what_it_is() -> None:
    for name, convention in CONVENTIONS.items():
        assert convention.definition.startswith(("one matrix; ", "per batch; ", "per picture; ")), name
    assert Convention("picture", "zero", "a class", False, "pairs").definition == (
        "per picture; a vote per picture and class; absent as 0; void as a class; class 0 left out"
    )


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"over='dataset'.*'data set'"):
        Convention("dataset")
    with pytest.raises(ValueError, match="2 predictions and 1 targets"):
        iou_conventions(GUESS, TRUTH[:1], 4)
    with pytest.raises(ValueError, match="0 predictions"):
        iou_conventions([], [], 4)
    with pytest.raises(ValueError, match="label 9"):
        iou_conventions(torch.where(TRUTH == 0, 9, GUESS), TRUTH, 4)


# ------------------------------------------------------------------------------------------ what the libraries report


@pytest.mark.parametrize("pair", [(GUESS, TRUTH, 4), (*streets(), 6)], ids=["by hand", "streets"])
@pytest.mark.parametrize("reduction", ["micro", "macro", "micro-imagewise", "macro-imagewise"])
def test_segmentation_models_pytorch(pair: tuple[torch.Tensor, torch.Tensor, int], reduction: str) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch.metrics")
    guess, truth, K = pair
    stats = smp.get_stats(guess, truth, mode="multiclass", num_classes=K, ignore_index=VOID)
    theirs = float(smp.iou_score(*stats, reduction=reduction))
    assert iou_conventions(guess, truth, K)[f"smp {reduction}"] == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("pair", [(GUESS, TRUTH, 4), (*streets(), 6)], ids=["by hand", "streets"])
def test_torchmetrics(pair: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    segmentation = pytest.importorskip("torchmetrics.segmentation")
    guess, truth, K = pair
    ours = iou_conventions(guess, truth, K)
    jaccard = classification.MulticlassJaccardIndex(K, ignore_index=VOID)
    mean = segmentation.MeanIoU(K + 1, input_format="index")
    for i in range(0, len(guess), 2):  # in batches of two
        jaccard.update(guess[i : i + 2], truth[i : i + 2])
        mean.update(guess[i : i + 2], torch.where(truth == VOID, K, truth)[i : i + 2])
    assert ours["torchmetrics JaccardIndex"] == pytest.approx(float(jaccard.compute()), abs=1e-6)
    assert ours["torchmetrics MeanIoU"] == pytest.approx(float(mean.compute()), abs=1e-6)


@pytest.mark.parametrize("pair", [(GUESS, TRUTH, 4), (*streets(), 6)], ids=["by hand", "streets"])
def test_mmsegmentation(pair: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    theirs = pytest.importorskip("mmseg.evaluation.metrics.iou_metric").IoUMetric
    guess, truth, K = pair
    areas = [theirs.intersect_and_union(g, t, K, VOID) for g, t in zip(guess, truth, strict=True)]
    iou = theirs.total_area_to_metrics(*(sum(column) for column in zip(*areas, strict=True)))["IoU"]
    assert iou_conventions(guess, truth, K)["mmsegmentation"] == pytest.approx(float(np.nanmean(iou)), abs=1e-6)


@pytest.mark.parametrize("pair", [(GUESS, TRUTH, 4), (*streets(), 6)], ids=["by hand", "streets"])
def test_cityscapes_server(pair: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    """Our classes take the places of theirs from road on; void is their id 0, which nobody is asked to predict."""
    theirs = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    guess, truth, K = pair
    ids = torch.tensor([label.id for label in theirs.labels if not label.ignoreInEval][:K])
    args = namedtuple("Args", "evalLabels")([label.id for label in theirs.labels if label.id >= 0])
    matrix = np.zeros((max(args.evalLabels) + 1,) * 2, dtype=np.ulonglong)
    t = torch.where(truth == VOID, 0, ids[truth.clamp(max=K - 1)])
    np.add.at(matrix, (t.flatten().numpy(), ids[guess].flatten().numpy()), 1)
    scores = {int(i): theirs.getIouScoreForLabel(int(i), matrix, args) for i in ids}
    ours = iou_conventions(guess, truth, K)["Cityscapes"]
    assert ours == pytest.approx(theirs.getScoreAverage(scores, args), abs=1e-6)
