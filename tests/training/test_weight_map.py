"""U-Net's weight map against the formula written out, the gap between touching cells, and the loss that uses both."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from segkit.data import Batch, Cells, collate
from segkit.metrics import label_components
from segkit.training import Config, Trainer, cross_entropy, separate, unet_weight_map, weight_map_loss


def by_hand(ids: torch.Tensor, w0: float, sigma: float, classes: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """Equation 2 for every pixel, all distances from scratch."""
    out = np.zeros(ids.shape)
    cells = [(ids == k).nonzero().double().numpy() for k in ids.unique() if k > 0]
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            out[y, x] = classes[int(ids[y, x] > 0)]
            if ids[y, x] == 0 and len(cells) >= 2:
                d = sorted(min(math.hypot(y - a, x - b) for a, b in cell) for cell in cells)
                out[y, x] += w0 * math.exp(-((d[0] + d[1]) ** 2) / (2 * sigma**2))
    return out


def blots(seed: int, h: int, w: int, count: int) -> torch.Tensor:
    """Rectangles that overlap, some in several pieces, with ids that are not consecutive."""
    rng = np.random.default_rng(seed)
    ids = torch.zeros(h, w, dtype=torch.int64)
    for k in range(count):
        y, x = int(rng.integers(h)), int(rng.integers(w))
        ids[y : y + int(rng.integers(1, 6)), x : x + int(rng.integers(1, 6))] = 3 * k + 2
    return ids


@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(1, 17), st.integers(0, 6), st.sampled_from([0.7, 2.0, 5]))
@settings(max_examples=40)
def test_map_is_equation_2(seed, h, w, count, sigma):
    ids = blots(seed, h, w, count)
    made = unet_weight_map(ids, 7.5, sigma, (0.6, 2.0))
    assert made.dtype == torch.float32 and made.shape == ids.shape
    np.testing.assert_allclose(made.numpy(), by_hand(ids, 7.5, sigma, (0.6, 2.0)), rtol=2e-7, atol=1e-11)


def test_windows_around_cells_lose_nothing_on_a_wide_picture():
    """Cells farther apart than the window reaches, against distance transforms of the whole picture."""
    from scipy import ndimage

    ids = torch.zeros(60, 300, dtype=torch.int64)
    for k, x in enumerate((2, 40, 47, 130, 290)):
        ids[20 + 3 * k : 30 + 3 * k, x : x + 6] = k + 1
    d = np.sort([ndimage.distance_transform_edt(ids.numpy() != k) for k in range(1, 6)], axis=0)
    full = 1 + 10 * np.exp(-((d[0] + d[1]) ** 2) / 50)
    expected = np.where(ids > 0, 1, full)
    np.testing.assert_allclose(unet_weight_map(ids).numpy(), expected, rtol=1e-7)


def test_hand_computed_gaps():
    ids = torch.tensor([[1, 0, 2], [1, 0, 2]])
    assert unet_weight_map(ids)[0].tolist() == pytest.approx([1, 1 + 10 * math.exp(-4 / 50), 1])
    ids = torch.tensor([[1, 0, 0, 2]])
    assert unet_weight_map(ids, 10, 5)[0, 1].item() == pytest.approx(1 + 10 * math.exp(-9 / 50))  # 1 + 2
    assert unet_weight_map(ids, 10, 5, torch.tensor([0.5, 3.0]))[0, 3] == 3.0


@pytest.mark.parametrize("cells", [0, 1])
def test_fewer_than_two_cells_leave_the_class_weights(cells):
    ids = torch.zeros(9, 11, dtype=torch.int64)
    ids[2:5, 3:6] = cells
    assert torch.equal(unet_weight_map(ids, class_weights=(0.25, 4)), torch.where(ids > 0, 4.0, 0.25))


def test_cells_that_fill_the_picture_and_empty_batches():
    full = torch.arange(1, 13).view(3, 4)
    assert torch.equal(unet_weight_map(full), torch.ones(3, 4))
    assert unet_weight_map(torch.zeros(0, 5, 6, dtype=torch.int64)).shape == (0, 5, 6)
    assert [t.shape for t in separate(torch.zeros(0, 5, 6).long(), torch.zeros(0, 5, 6).long())] == [(0, 5, 6)] * 2
    assert torch.equal(unet_weight_map(torch.tensor([[1, 0, 2]]), w0=0), torch.ones(1, 3))


def test_each_picture_of_a_batch_is_its_own_and_types_do_not_matter():
    ids = torch.stack([blots(1, 12, 13, 4), blots(2, 12, 13, 5)])
    both = unet_weight_map(ids)
    assert torch.equal(both[0], unet_weight_map(ids[0])) and torch.equal(
        both[1], unet_weight_map(ids[1].to(torch.uint8))
    )
    assert torch.equal(unet_weight_map(ids.transpose(1, 2)), both.transpose(1, 2))  # not contiguous


def test_a_hundred_cells_take_well_under_a_second():
    ids = torch.zeros(256, 256, dtype=torch.int64)
    for k in range(100):
        y, x = 25 * (k // 10) + 3, 25 * (k % 10) + 3
        ids[y : y + 18, x : x + 18] = k + 1
    start = time.process_time()
    unet_weight_map(ids)
    assert time.process_time() - start < 0.8


def test_wrong_input_is_named():
    ids = torch.tensor([[1, 0, 2]])
    for call, error, words in (
        (lambda: unet_weight_map(ids.float()), TypeError, "whole numbers"),
        (lambda: unet_weight_map(ids > 0), TypeError, "bool"),
        (lambda: unet_weight_map(-ids), ValueError, "the id -2"),
        (lambda: unet_weight_map(ids[0]), ValueError, r"shape \(3,\)"),
        (lambda: unet_weight_map(ids, w0=-1), ValueError, "w0=-1"),
        (lambda: unet_weight_map(ids, sigma=0), ValueError, "sigma=0"),
        (lambda: unet_weight_map(ids, class_weights=(1, 2, 3)), ValueError, "give two"),
        (lambda: unet_weight_map(ids, class_weights=(1, math.nan)), ValueError, "class_weights"),
        (lambda: separate(ids, ids[:, :2]), ValueError, "separate got labels"),
        (lambda: separate(ids, ids, border=-1), ValueError, "border=-1"),
        (lambda: weight_map_loss(sigma=-1), ValueError, "sigma=-1"),
    ):
        with pytest.raises(error, match=words):
            call()


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=30)
def test_no_two_cells_touch_after_separate_and_nothing_is_added(seed, border):
    ids = blots(seed, 20, 23, 9)
    labels = (ids > 0).long()
    new_labels, new_ids = separate(labels, ids, border)
    assert torch.equal(new_labels, (new_ids > 0).long())
    assert torch.equal(new_ids[new_ids > 0], ids[new_ids > 0])
    places = new_ids.nonzero()
    which = new_ids[new_ids > 0]
    steps = (places[:, None] - places[None]).abs().amax(-1)
    assert (steps[which[:, None] != which[None]] > 1).all()  # not even at a corner


@pytest.mark.parametrize(("border", "expected"), [
    (0, [1, 1, 1, 1, 2, 2, 2, 2]), (1, [1, 1, 1, 1, 0, 2, 2, 2]), (2, [1, 1, 1, 0, 0, 2, 2, 2]),
    (3, [1, 1, 1, 0, 0, 0, 2, 2]), (4, [1, 1, 0, 0, 0, 0, 2, 2]),
])  # fmt: skip
def test_the_gap_is_as_wide_as_asked(border, expected):
    ids = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 2]])
    labels, kept = separate(ids * 0 + 3, ids, border, background=7)
    assert kept.tolist() == [expected] and labels.tolist() == [[3 if k else 7 for k in expected]]
    assert ids.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2]]  # nothing is changed in place


def test_separated_cells_are_what_components_find():
    s = Cells(size=(96, 96))[0]
    labels, ids = separate(s.labels, s.instances)
    pieces = label_components(labels == 1)
    for k in pieces.unique()[1:]:
        assert len(ids[pieces == k].unique()) == 1
    assert int(label_components(s.labels == 1).max()) < int(s.instances.max())  # without the gap they merge


def test_pixel_weights_in_the_loss():
    logits = torch.randn(2, 3, 5, 7, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 3, (2, 5, 7))
    target[0, 0] = 255
    weight, classes = torch.rand(2, 5, 7), torch.tensor([1.0, 2.0, 0.5])
    each = nn.functional.cross_entropy(logits, target, ignore_index=255, reduction="none", weight=classes.double())
    assert torch.allclose(cross_entropy(logits, target, classes, reduction="none", pixel_weight=weight), each * weight)
    w = weight * torch.where(target == 255, 0, classes[target.clamp(max=2)])
    expected = (each * weight).sum() / w.sum()
    assert torch.allclose(cross_entropy(logits, target, classes, pixel_weight=weight), expected)
    plain, same = cross_entropy(logits, target), cross_entropy(logits, target, pixel_weight=torch.full((2, 5, 7), 3.0))
    assert torch.allclose(plain, same)
    assert cross_entropy(logits, target, pixel_weight=torch.zeros(2, 5, 7)) == 0
    one = torch.zeros(2, 5, 7)
    one[1, 2, 3] = 1
    cross_entropy(logits, target, pixel_weight=one).backward()
    assert set(map(tuple, logits.grad.abs().sum(1).nonzero().tolist())) == {(1, 2, 3)}
    for wrong, words in ((weight[0], "one per pixel"), (-weight, "negative"), (weight / 0 * 0, "NaN")):
        with pytest.raises(ValueError, match=words):
            cross_entropy(logits, target, pixel_weight=wrong)


def test_the_loss_for_the_trainer_uses_the_map_and_the_gap():
    model = nn.Conv2d(3, 2, 3, padding=1)
    batch = collate([Cells(size=(48, 48))[i] for i in range(2)])
    labels, ids = separate(batch.labels, batch.instances, 2)
    expected = cross_entropy(model(batch.image), labels, pixel_weight=unet_weight_map(ids, 4, 3, (1, 2)))
    assert torch.equal(weight_map_loss(4, 3, (1, 2), border=2)(model, batch), expected)
    plain = weight_map_loss(w0=0)(model, batch)
    assert torch.allclose(plain, cross_entropy(model(batch.image), batch.labels))
    with pytest.raises(ValueError, match="gives none"):
        weight_map_loss()(model, Batch(batch.image, batch.labels))
    trainer = Trainer(
        model, Cells(size=(48, 48), length=4), Config(steps=12, batch_size=2), loss=weight_map_loss(border=1)
    )
    history = trainer.fit(quiet=True)
    assert np.mean([h["loss"] for h in history[-3:]]) < history[0]["loss"]
