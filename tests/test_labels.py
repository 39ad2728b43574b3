"""Labels of every type, at every door that takes them: the value that int64 gives, or an error that names the type."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segkit.crf import unary_from_labels
from segkit.data import Sample, collate
from segkit.data.transforms import RandomCrop
from segkit.metrics import (
    CellScores,
    ConfusionMatrix,
    adapted_rand_error,
    average_precision,
    boundary_iou,
    iou_conventions,
    label_components,
    match_objects,
    near_other_class,
    partition_scores,
    picture_counts,
    rand_score,
    trimap_iou,
)
from segkit.training import (
    check_labels,
    cross_entropy,
    dice_loss,
    keep_centre,
    ohem_cross_entropy,
    sample_patches,
    sample_pixels,
    separate,
    unet_weight_map,
)

WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.uint16, torch.uint32, torch.uint64)
LOSSES = (cross_entropy, ohem_cross_entropy, dice_loss)
CLASSES = torch.tensor([[[0, 1, 2], [3, 4, 0], [1, 2, 4]]])
WITH_VOID = torch.tensor([[[0, 1, 2], [3, 4, 0], [1, 2, 255]]])
IDS = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 2, 2]])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", WHOLE)
def test_a_loss_is_the_same_for_every_type_of_label(loss, kind):
    logits = torch.randn(1, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    assert loss(logits, CLASSES.to(kind)) == loss(logits, CLASSES)
    many = torch.randn(1, 290, 3, 3, generator=torch.Generator().manual_seed(0))
    assert loss(many, CLASSES.to(kind)) == loss(many, CLASSES)  # 290 has no place in eight bits
    if kind != torch.int8:
        assert loss(logits, WITH_VOID.to(kind)) == loss(logits, WITH_VOID)
        with pytest.raises(ValueError, match=r"1 pixels have label 255; .* void is -1"):
            loss(logits, WITH_VOID.to(kind), ignore_index=-1)  # −1 is no uint8: it is not 255 either


@pytest.mark.parametrize("loss", LOSSES)
def test_255_in_eight_bits_with_a_sign_is_not_taken_for_void(loss):
    with pytest.raises(ValueError, match=r"label -1 \(torch.int8 ends at 127, so a label of 255 reads as -1\)"):
        loss(torch.randn(1, 5, 3, 3), WITH_VOID.to(torch.int8))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("labels", [CLASSES.bool(), CLASSES.float(), CLASSES * 1j])
def test_a_loss_takes_whole_numbers_only(loss, labels):
    with pytest.raises(TypeError, match=f"labels of {labels.dtype} .* whole numbers"):
        loss(torch.randn(1, 5, 3, 3), labels)
    with pytest.raises(TypeError, match=r"logits of torch.int64.* labels come second"):
        loss(CLASSES, torch.randn(1, 5, 3, 3))


@pytest.mark.parametrize("kind", WHOLE)
def test_checked_labels_come_back_as_int64(kind):
    labels = check_labels(CLASSES.to(kind), 200)
    assert labels.dtype == torch.int64 and torch.equal(labels, CLASSES)


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_made_of_labels_does_not_depend_on_their_type(kind):
    ids, classes = IDS.to(kind), CLASSES.to(kind)
    assert torch.equal(unet_weight_map(ids), unet_weight_map(IDS))
    for ours, expected in zip(separate(ids, ids, background=300), separate(IDS, IDS, background=300), strict=True):
        assert torch.equal(ours, expected)
    none = torch.Generator().manual_seed(0)
    assert (sample_pixels(classes, 0.0, none) == 255).all()
    assert torch.equal(keep_centre(classes, 1), torch.tensor([[[255, 255, 255], [255, 4, 255], [255, 255, 255]]]))
    _, patches = sample_patches(torch.zeros(1, 3, 3, 3), classes, 5, 1, torch.Generator().manual_seed(0))
    assert (patches == 255).sum() == 25 - (patches < 5).sum() > 0
    assert torch.equal(unary_from_labels(classes, 0.7, 5), unary_from_labels(CLASSES, 0.7, 5))
    assert torch.equal(near_other_class(classes, 1), near_other_class(CLASSES, 1))
    assert torch.equal(label_components(ids), label_components(IDS))


@pytest.mark.parametrize("kind", WHOLE)
def test_a_sample_with_narrow_labels_is_batched_and_cut_without_a_wrapped_void(kind):
    sample = Sample(torch.rand(3, 3, 3), CLASSES[0].to(kind))
    assert torch.equal(collate([sample]).labels, CLASSES)
    cut = RandomCrop(5)(sample, np.random.default_rng(0))
    assert (cut.labels == 255).sum() == 16 and set(cut.labels.unique().tolist()) == {0, 1, 2, 3, 4, 255}


def confusion(prediction, target):
    matrix = ConfusionMatrix(3)
    matrix.update(prediction, target)
    return matrix.matrix.tolist()


def cells(prediction, target):
    scores = CellScores()
    scores.update(prediction, target)
    return {name: score for name, score in scores.summary().items() if score == score}


DOORS = {
    "ConfusionMatrix": confusion,
    "boundary_iou": lambda p, t: boundary_iou(p, t, 3, width=1),
    "trimap_iou": lambda p, t: trimap_iou(p, t, 3, 1),
    "picture_counts": lambda p, t: picture_counts([p], [t], 3).both.tolist(),
    "iou_conventions": lambda p, t: iou_conventions([p], [t], 3)["data set"],
    "match_objects": match_objects,
    "average_precision": average_precision,
    "CellScores": cells,
    "partition_scores": partition_scores,
    "rand_score": rand_score,
    "adapted_rand_error": adapted_rand_error,
    "label_components": lambda p, _: label_components(p).tolist(),
}
PAIRS = [name for name in DOORS if name != "label_components"]
GRID = np.array([[1, 1, 2, 2], [1, 0, 2, 2], [0, 0, 0, 2]])
HUGE = GRID.astype(np.uint64) * np.uint64(2**62)
NO_LABELS = {
    "words": GRID.astype(str),
    "objects": GRID.astype(object),
    "complex numbers": GRID * 1j,
    "fractions": GRID / 2,
    "whole floats": GRID.astype(np.float32),
    "dates": GRID.astype("datetime64[s]"),
    "times": GRID.astype("timedelta64[s]"),
    "masked": np.ma.masked_equal(GRID, 1),
    "records": GRID.astype([("id", int)]),
    "a tensor of fractions": torch.tensor(GRID / 2),
    "a complex tensor": torch.tensor(GRID * 1j),
}


@pytest.mark.parametrize("what", NO_LABELS)
@pytest.mark.parametrize("door", DOORS)
def test_every_metric_refuses_what_is_no_label(door, what):
    wrong = NO_LABELS[what]
    for pair in ((wrong, GRID), (GRID, wrong)) if door in PAIRS else ((wrong, None),):
        with pytest.raises(TypeError, match=r"whole numbers|masked array|such as probability"):
            DOORS[door](*pair)


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("door", DOORS)
def test_every_metric_names_a_label_that_int64_cannot_hold(door, as_tensor):
    wrong = torch.tensor(HUGE) if as_tensor else HUGE
    for pair in ((wrong, GRID), (GRID, wrong)) if door in PAIRS else ((wrong, None),):
        with pytest.raises(ValueError, match="the label 9223372036854775808; labels end at"):
            DOORS[door](*pair)


@pytest.mark.parametrize("door", PAIRS)
def test_every_metric_refuses_negative_labels(door):
    for pair in ((-GRID, GRID), (GRID, -GRID)):
        with pytest.raises(ValueError, match=r"the (label|id) -[12]"):
            DOORS[door](*pair)


@pytest.mark.parametrize("door", DOORS)
def test_every_metric_gives_the_same_for_every_type_of_label(door):
    other = GRID[:, ::-1]
    expected = DOORS[door](other.copy(), GRID)
    for kind in (np.uint8, np.int8, np.uint16, np.int32, np.uint64, ">i4"):
        assert DOORS[door](other.astype(kind), GRID.astype(kind)) == expected
        tensors = (torch.tensor(a.astype(kind).astype(np.dtype(kind).newbyteorder("="))) for a in (other, GRID))
        assert DOORS[door](*tensors) == expected
