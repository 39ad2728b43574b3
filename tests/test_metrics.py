"""The metrics against hand-computed cases, torchmetrics and slow versions written from the definitions."""

from __future__ import annotations

import ast
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import segkit.metrics
from segkit.metrics import (
    BoundaryIoU,
    CellScores,
    ConfusionMatrix,
    TrimapIoU,
    boundary_iou,
    near_other_class,
    trimap_iou,
)

VOID = 255


def counted(prediction, target, num_classes=3, ignore_index=VOID) -> ConfusionMatrix:
    metric = ConfusionMatrix(num_classes, ignore_index)
    metric.update(prediction, target)
    return metric


@st.composite
def label_pairs(draw, classes: int = 4, count: int | None = None):
    """Predictions and truths N×H×W: blocks rather than noise, so that there are insides and edges; some of it void."""
    n, h, w = count or draw(st.integers(1, 4)), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.integers(1, 5))

    def blocks(values):
        coarse = rng.choice(values, (n, -(-h // block), -(-w // block)))
        return coarse.repeat(block, 1).repeat(block, 2)[:, :h, :w].astype(np.int64)

    void = [VOID] if draw(st.booleans()) else []
    truth = blocks([*range(classes), *void])
    wrong = rng.random(truth.shape) < draw(st.sampled_from([0.0, 0.1, 1.0]))
    prediction = np.where(wrong | (truth == VOID), rng.integers(0, classes, truth.shape), truth)
    return prediction, truth


# ---------------------------------------------------------------------------------------------- the confusion matrix


def test_every_figure_of_a_case_worked_out_by_hand():
    target = torch.tensor([[0, 0, 0, 0], [1, 1, 2, VOID]])
    prediction = torch.tensor([[0, 0, 0, 1], [1, 2, 2, 0]])
    metric = counted(prediction, target, 4)
    assert metric.matrix.tolist() == [[3, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert metric.matrix.dtype == torch.int64
    assert metric.pixel_accuracy() == pytest.approx(5 / 7)
    assert metric.mean_accuracy() == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert metric.iou()[:3].tolist() == pytest.approx([3 / 4, 1 / 3, 1 / 2])
    assert metric.dice()[:3].tolist() == pytest.approx([6 / 7, 2 / 4, 2 / 3])
    assert math.isnan(metric.iou()[3]) and math.isnan(metric.dice()[3]) and math.isnan(metric.class_accuracy()[3])
    assert metric.mean_iou() == pytest.approx((3 / 4 + 1 / 3 + 1 / 2) / 3)
    assert metric.frequency_weighted_iou() == pytest.approx((4 * 3 / 4 + 2 * 1 / 3 + 1 * 1 / 2) / 7)
    assert metric.summary()["mean_iou"] == metric.mean_iou()


def test_rows_are_truth_and_columns_prediction():
    assert counted(torch.tensor([1]), torch.tensor([0]), 2).matrix.tolist() == [[0, 1], [0, 0]]


def test_a_class_only_predicted_counts_as_zero_but_not_in_mean_accuracy():
    metric = counted(torch.tensor([[0, 2]]), torch.tensor([[0, 0]]))
    assert metric.iou()[2] == 0 and math.isnan(metric.iou()[1])
    assert metric.mean_iou() == pytest.approx((1 / 2 + 0) / 2)
    assert metric.mean_accuracy() == pytest.approx(1 / 2)


@pytest.mark.parametrize("target", [torch.full((2, 3, 4), VOID), torch.zeros(0, 3, 4, dtype=torch.int64)])
def test_all_void_or_empty_is_nan_everywhere(target):
    metric = counted(torch.zeros_like(target), target)
    assert all(math.isnan(value) for value in metric.summary().values())
    assert metric.iou().isnan().all() and metric.dice().isnan().all()
    assert math.isnan(boundary_iou(torch.zeros_like(target), target, 3))
    assert math.isnan(trimap_iou(torch.zeros_like(target), target, 3, width=2))


def test_nothing_counted_yet_is_nan():
    assert math.isnan(ConfusionMatrix(3).mean_iou()) and math.isnan(BoundaryIoU(3).mean_iou())


def test_dataset_iou_is_not_the_mean_of_picture_ious():
    target = torch.tensor([[[0, 0, 0, 1]], [[1, 1, 1, 1]]])
    prediction = torch.tensor([[[0, 0, 0, 0]], [[1, 1, 1, 1]]])
    per_picture = [counted(p, t, 2).mean_iou() for p, t in zip(prediction, target, strict=True)]
    assert sum(per_picture) / 2 == pytest.approx(((3 / 4 + 0) / 2 + 1) / 2)
    assert counted(prediction, target, 2).mean_iou() == pytest.approx((3 / 4 + 4 / 5) / 2)


@given(label_pairs())
@settings(max_examples=60, deadline=None)
def test_confusion_matrix_equals_counting_one_by_one(pair):
    prediction, target = pair
    slow = np.zeros((4, 4), dtype=np.int64)
    for p, t in zip(prediction.ravel(), target.ravel(), strict=True):
        if t != VOID:
            slow[t, p] += 1
    assert (counted(prediction, target, 4).matrix.numpy() == slow).all()


@given(label_pairs(), st.data())
@settings(max_examples=60, deadline=None)
def test_result_does_not_depend_on_the_batching(pair, data):
    prediction, target = pair
    cut = data.draw(st.integers(0, len(target)))
    for make in (
        lambda: ConfusionMatrix(4),
        lambda: BoundaryIoU(4, width=1),
        lambda: BoundaryIoU(4),
        lambda: TrimapIoU(4, 2),
        lambda: TrimapIoU(4, 1, void_is_edge=False),
    ):
        whole, one_by_one, merged, rest = make(), make(), make(), make()
        whole.update(prediction, target)
        for p, t in reversed(list(zip(prediction, target, strict=True))):
            one_by_one.update(p, t)
        merged.update(prediction[:cut], target[:cut])
        rest.update(prediction[cut:], target[cut:])
        merged.merge(rest)
        for other in (one_by_one, merged):
            torch.testing.assert_close(other.iou(), whole.iou(), rtol=0, atol=0, equal_nan=True)


@given(label_pairs())
@settings(max_examples=30, deadline=None)
def test_agrees_with_torchmetrics(pair):
    from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_jaccard_index

    prediction, target = (torch.from_numpy(a) for a in pair)
    metric = counted(prediction, target, 4)
    assert (metric.matrix == multiclass_confusion_matrix(prediction, target, 4, ignore_index=VOID)).all()
    theirs = multiclass_jaccard_index(prediction, target, 4, average=None, ignore_index=VOID)
    torch.testing.assert_close(metric.iou().nan_to_num(0).float(), theirs)  # torchmetrics gives absent classes 0


@given(label_pairs(count=1))
@settings(max_examples=20, deadline=None)
def test_agrees_with_torchmetrics_segmentation_on_one_picture(pair):
    from torchmetrics.functional.segmentation import mean_iou

    prediction, target = (torch.from_numpy(a) for a in pair)
    target = torch.where(target == VOID, prediction, target)
    theirs = mean_iou(prediction, target, 4, per_class=True, input_format="index")[0]
    torch.testing.assert_close(counted(prediction, target, 4).iou().nan_to_num(-1).float(), theirs)


def test_scores_are_arg_maxed_with_or_without_a_batch_axis():
    scores = torch.randn(2, 3, 4, 5)
    target = torch.randint(0, 3, (2, 4, 5))
    labels = counted(scores.argmax(1), target).matrix
    assert (counted(scores, target).matrix == labels).all()
    assert (counted(scores.half().numpy(), target.numpy()).matrix == counted(scores.half(), target).matrix).all()
    assert (counted(scores[0], target[0]).matrix == counted(scores[0].argmax(0), target[0]).matrix).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.uint16, bool])
def test_any_whole_number_type_numpy_or_torch(dtype):
    rng = np.random.default_rng(0)
    p, t = (rng.integers(0, 2, (2, 6, 5)).astype(dtype) for _ in range(2))
    expected = counted(p.astype(np.int64), t.astype(np.int64), 2).matrix
    assert (counted(p, torch.from_numpy(t.astype(np.int64)), 2).matrix == expected).all()
    assert (counted(p[:, ::-1, ::-1], t[:, ::-1, ::-1], 2).matrix == expected).all()


@pytest.mark.parametrize("void", [-100, -1, 0, 3, 255, 1000, 65535, None])
def test_any_number_may_be_void(void):
    target = torch.tensor([1, 1, 2, 1])
    prediction = torch.tensor([1, 2, 2, 700])
    if void is None:
        prediction[3] = 0
    else:
        target[3] = void
    matrix = counted(prediction, target, 3, void).matrix
    assert matrix[1:, 1:].tolist() == [[1, 1], [0, 1]]
    assert matrix.sum() == (4 if void is None else 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_same_on_the_gpu():
    target = torch.randint(0, 12, (2, 60, 80))
    target[:, :5] = VOID
    scores = torch.randn(2, 12, 60, 80)
    for make in (lambda: ConfusionMatrix(12), lambda: BoundaryIoU(12), lambda: TrimapIoU(12, 3)):
        here, there = make(), make()
        here.update(scores, target)
        there.update(scores.cuda(), target.cuda())
        assert torch.equal(here.iou(), there.iou())


def test_reset_forgets():
    metric = counted(torch.tensor([1]), torch.tensor([1]))
    metric.reset()
    assert metric.matrix.sum() == 0


Z = torch.zeros(2, 4, 5, dtype=torch.int64)


@pytest.mark.parametrize(
    ("prediction", "target", "error", "words"),
    [
        (Z, Z + 7, ValueError, "target has the label 7"),
        (Z, Z - 1, ValueError, "target has the label -1"),
        (Z, Z + 300, ValueError, "target has the label 300"),
        (Z + VOID, Z, ValueError, "prediction has the label 255 on 40 pixels that are not void"),
        (Z + 3, Z, ValueError, "0–2"),
        (Z - 1, Z, ValueError, "prediction has the label -1"),
        (Z + 100000, Z, ValueError, "prediction has the label 100000"),
        (Z.float(), Z, TypeError, "float32"),
        (Z, Z.float(), TypeError, "whole numbers"),
        (Z, Z.to(torch.complex64), TypeError, "whole numbers"),
        (Z.to(torch.complex64), Z, TypeError, "complex64"),
        (Z[:1], Z, ValueError, "shape"),
        (torch.zeros(2, 4, 4, 5), Z, ValueError, "scores 4 classes; num_classes is 3"),
        (torch.zeros(2, 3, 4, 6), Z, ValueError, "shape"),
        (torch.full((2, 3, 4, 5), torch.nan), Z, ValueError, "NaN"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.int64), Z, TypeError, "floating-point"),
        ([[0]], Z, TypeError, "list"),
        (np.zeros((4, 5), dtype=object), Z, TypeError, "array of object"),
        (Z, np.full((4, 5), "0"), TypeError, "array of <U1"),
        (Z, np.zeros((4, 5), dtype=complex), TypeError, "array of complex128"),
        (Z, np.ma.masked_array(np.zeros((4, 5), dtype=int), False), TypeError, r"masked array; give labels\.filled"),
        (Z, np.full((4, 5), 2**63 + 1, dtype=np.uint64), ValueError, "the label 9223372036854775809"),
    ],
)
def test_bad_input_is_named(prediction, target, error, words):
    for metric in (ConfusionMatrix(3), BoundaryIoU(3), TrimapIoU(3, 2)):
        with pytest.raises(error, match=words):
            metric.update(prediction, target)
        assert math.isnan(metric.mean_iou())  # and nothing was counted


def test_a_void_pixel_may_be_predicted_as_anything():
    for value in (-7, 3, 200, VOID, 10**9):
        target, prediction = Z.clone(), Z.clone()
        target[0, 0, 0], prediction[0, 0, 0] = VOID, value
        for metric in (ConfusionMatrix(3), BoundaryIoU(3), TrimapIoU(3, 2)):
            metric.update(prediction, target)
        assert counted(prediction, target).matrix.sum() == 39


def test_bad_settings_are_refused():
    for make in (
        lambda: ConfusionMatrix(0),
        lambda: ConfusionMatrix(True),
        lambda: BoundaryIoU(3, dilation_ratio=0),
        lambda: BoundaryIoU(3, width=0),
        lambda: TrimapIoU(3, width=1.5),  # type: ignore[arg-type]
        lambda: TrimapIoU(70000, width=1),
        lambda: ConfusionMatrix(3).merge(ConfusionMatrix(4)),
        lambda: BoundaryIoU(3, width=1).merge(BoundaryIoU(3, width=2)),
        lambda: TrimapIoU(3, width=1).merge(TrimapIoU(3, width=2)),
        lambda: boundary_iou(Z.flatten(), Z.flatten(), 3),
    ):
        with pytest.raises(ValueError, match=r"must be|needs|need|is a|at most"):
            make()


def test_counts_of_different_things_are_not_added_up():
    metrics = ConfusionMatrix(3), BoundaryIoU(3, width=1), TrimapIoU(3, 1), CellScores()
    for one, other in product(metrics, (*metrics, None, torch.zeros(3, 3))):
        if type(one) is not type(other):
            with pytest.raises(TypeError, match=f"merge got .*; it takes another {type(one).__name__}"):
                one.merge(other)


# --------------------------------------------------------------------------------------------------- near the edges


def mask_edge(mask: np.ndarray, d: int) -> np.ndarray:
    """A mask minus its erosion, from the definition: a pixel stays if all within d (a square) are of the mask."""
    h, w = mask.shape
    edge = np.zeros_like(mask)
    for y in range(h):
        for x in range(w):
            square = [(y + i, x + j) for i in range(-d, d + 1) for j in range(-d, d + 1)]
            inside = all(0 <= a < h and 0 <= b < w and mask[a, b] for a, b in square)
            edge[y, x] = mask[y, x] and not inside
    return edge


def slow_boundary_iou(prediction, target, num_classes, d) -> list[float]:
    both, either = np.zeros(num_classes), np.zeros(num_classes)
    for p, t in zip(prediction, target, strict=True):
        known = t != VOID
        for k in range(num_classes):
            g, q = mask_edge((t == k) & known, d), mask_edge((p == k) & known, d)
            both[k] += (g & q).sum()
            either[k] += (g | q).sum()
    return [b / e if e else math.nan for b, e in zip(both, either, strict=True)]


@given(label_pairs(), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_boundary_iou_equals_the_slow_version(pair, d):
    prediction, target = pair
    fast = boundary_iou(prediction, target, 4, width=d, per_class=True)
    np.testing.assert_allclose(fast, slow_boundary_iou(prediction, target, 4, d), rtol=1e-12)


@given(label_pairs(), st.integers(1, 4), st.booleans())
@settings(max_examples=100, deadline=None)
def test_trimap_iou_equals_the_slow_version(pair, width, void_is_edge):
    prediction, target = pair
    slow = target.copy()
    n, h, w = target.shape
    for i, y, x in np.ndindex(n, h, w):
        around = target[i, max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        others = around[around != target[i, y, x]]
        if not (others.size if void_is_edge else (others != VOID).any()):
            slow[i, y, x] = VOID
    fast = trimap_iou(prediction, target, 4, width, void_is_edge=void_is_edge, per_class=True)
    torch.testing.assert_close(fast, counted(prediction, slow, 4).iou(), equal_nan=True, rtol=0, atol=0)


def test_boundary_iou_of_a_square_worked_out_by_hand():
    target = torch.zeros(12, 12, dtype=torch.int64)
    target[3:9, 3:9] = 1  # 36 pixels, of which 36 − 16 = 20 touch the edge
    prediction = torch.zeros_like(target)
    prediction[4:8, 4:8] = 1  # 16 pixels, 12 on the edge; none of them on the true edge
    inner = boundary_iou(prediction, target, 2, width=1, per_class=True)
    assert inner[1] == 0
    # background: the frame (44 pixels) is edge in both; the true one adds the ring around the square (28), the
    # predicted one the smaller ring (20), which lies inside the true square
    assert inner[0] == pytest.approx(44 / (44 + 28 + 20))
    wide = boundary_iou(prediction, target, 2, width=2, per_class=True)
    assert wide[1] == pytest.approx(12 / (32 + 16 - 12))  # 36 − 4 true, all 16 predicted, of which 4 lie deeper


def test_width_is_the_rounded_share_of_the_diagonal_and_at_least_one():
    rng = torch.Generator().manual_seed(0)
    target = torch.randint(0, 2, (6, 8), generator=rng).repeat_interleave(10, 0).repeat_interleave(10, 1)  # 100 across
    prediction = target.roll(2, 1)
    for ratio, width in ((0.02, 2), (0.026, 3), (0.001, 1)):
        assert boundary_iou(prediction, target, 2, ratio) == boundary_iou(prediction, target, 2, width=width)
    assert boundary_iou(prediction, target, 2, 0.02) != boundary_iou(prediction, target, 2, width=3)


def test_boundary_iou_sees_what_iou_hides_on_large_objects():
    target = torch.zeros(100, 100, dtype=torch.int64)
    target[10:90, 10:90] = 1
    smaller = torch.zeros_like(target)
    smaller[13:87, 13:87] = 1
    assert counted(smaller, target, 2).iou()[1] > 0.85
    assert boundary_iou(smaller, target, 2, per_class=True)[1] < 0.2
    assert trimap_iou(smaller, target, 2, width=3, per_class=True)[1] == 0


def test_a_perfect_prediction_scores_one_whatever_it_says_on_void():
    rng = np.random.default_rng(0)
    target = np.kron(rng.choice([0, 1, VOID], (2, 6, 6)), np.ones((1, 5, 5), dtype=np.int64))
    prediction = np.where(target == VOID, rng.integers(0, 2, target.shape), target)
    assert boundary_iou(prediction, target, 2) == trimap_iou(prediction, target, 2, width=2) == 1


def test_void_as_an_edge_of_the_trimap_or_not():
    target = torch.tensor([[0, 0, 0, VOID, 1, 1, 1, 1]])
    prediction = torch.tensor([[0, 0, 1, 0, 0, 1, 1, 0]])
    known_line = TrimapIoU(2, width=1)
    known_line.update(prediction, target)
    assert known_line.confusion.matrix.tolist() == [[0, 1], [1, 0]]  # the two neighbours of the void pixel
    unknown = TrimapIoU(2, width=1, void_is_edge=False)
    unknown.update(prediction, target)
    assert unknown.confusion.matrix.sum() == 0  # no class within one pixel of another
    wider = TrimapIoU(2, width=2, void_is_edge=False)
    wider.update(prediction, target)
    assert wider.confusion.matrix.sum() == 2


def test_the_band_is_one_pixel_on_each_side_at_width_one_and_leaves_out_the_frame():
    labels = torch.zeros(6, 8, dtype=torch.int64)
    labels[:, 4:] = 1
    assert near_other_class(labels, 1).nonzero()[:, 1].unique().tolist() == [3, 4]
    framed = near_other_class(labels, 1, border=True)
    assert framed[0].all() and framed[:, 0].all() and not framed[1:-1, 1:3].any()


def test_metrics_import_nothing_above_them():
    for path in Path(segkit.metrics.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            below = ("segkit.metrics", "segkit.checks", "segkit.typed", "segkit.labels", "segkit.components")
            assert all(n.startswith(below) for n in names if n.split(".")[0] == "segkit"), (path, names)


def test_a_band_as_wide_as_the_picture_or_wider_is_all_of_it():
    target, prediction = Z.clone(), Z.clone()
    target[:, 1:3, 1:3], prediction[:, 2:, 2:] = 1, 2
    for metric in (boundary_iou, trimap_iou):
        assert metric(prediction, target, 3, width=10**9) == metric(prediction, target, 3, width=9)
