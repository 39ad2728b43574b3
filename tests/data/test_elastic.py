"""Elastic deformation bends picture and facts alike, by the amount that is asked for, mirrored at the borders."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segkit.data import Augmented, Cells, Sample
from segkit.data.elastic import warped
from segkit.data.transforms import Compose, Elastic, ElasticGrid, RandomFlip

BOTH = pytest.mark.parametrize("transform", [Elastic(120, 5), ElasticGrid(6)], ids=["noise", "grid"])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sample(h: int = 40, w: int = 52) -> Sample:
    """Labels, ids and depth that name their pixel; a smooth picture."""
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    place = rows * 1000 + columns
    image = torch.stack([rows / h, columns / w, (rows + columns) / (h + w)])
    return Sample(image, place % 7, place + 1, place.float(), name="place")


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.3, 3.0, 30.0]))
@settings(max_examples=60)
def test_warping_is_scipys_with_mirrored_borders(seed, h, w, strength):
    g = rng(seed)
    s = Sample(torch.from_numpy(g.random((3, h, w))), torch.from_numpy(g.integers(0, 9, (h, w))))
    d = g.normal(0, strength, (2, h, w))
    places = np.mgrid[:h, :w] + d
    out = warped(s, torch.from_numpy(d))
    if h > 1 and w > 1:  # scipy refuses to mirror a single row
        for c in range(3):
            expected = ndimage.map_coordinates(s.image[c].numpy(), places, order=1, mode="mirror")
            np.testing.assert_allclose(out.image[c].numpy(), expected, atol=1e-9)
        expected = ndimage.map_coordinates(s.labels.numpy(), places, order=0, mode="mirror")
        assert np.array_equal(out.labels.numpy(), expected)
    assert out.image.shape == (3, h, w) and set(out.labels.unique().tolist()) <= set(s.labels.unique().tolist())


@BOTH
@pytest.mark.parametrize("size", [(40, 52), (33, 1), (1, 7), (2, 2)])
def test_facts_stay_in_step_with_each_other(transform, size):
    before = sample(*size)
    untouched = copy.deepcopy(before)
    after = transform(before, rng(3))
    for f in ("image", "labels", "instances", "depth"):
        assert torch.equal(getattr(before, f), getattr(untouched, f))  # nothing is changed in place
        assert getattr(after, f).dtype == getattr(before, f).dtype and getattr(after, f).is_contiguous()
        assert getattr(after, f).shape == getattr(before, f).shape
    assert torch.equal(after.labels, (after.instances - 1) % 7)
    assert torch.equal(after.depth, (after.instances - 1).float()) and after.name == "place"
    assert after.image.min() >= 0 and after.image.max() <= 1


@BOTH
def test_picture_and_labels_move_together(transform):
    before = sample(96, 96)
    after = transform(before, rng(5))
    rows, columns = (after.instances - 1) // 1000, (after.instances - 1) % 1000
    assert ((after.image[0] * 96 - rows).abs() < 0.51).all() and ((after.image[1] * 96 - columns).abs() < 0.51).all()
    assert (rows - torch.arange(96)[:, None]).abs().max() >= 3  # it did bend


def test_shift_by_hand():
    s = Sample(torch.arange(5.0).expand(3, 1, 5) / 4, torch.arange(5)[None])
    d = torch.zeros(2, 1, 5)
    d[1] = 2
    assert warped(s, d).labels.tolist() == [[2, 3, 4, 3, 2]]  # mirrored about the last pixel
    d[1] = -1.25
    out = warped(s, d)
    assert out.labels.tolist() == [[1, 0, 1, 2, 3]]
    assert out.image[0, 0].tolist() == pytest.approx([1.25 / 4, 0.25 / 4, 0.75 / 4, 1.75 / 4, 2.75 / 4])


@BOTH
def test_the_rng_alone_decides(transform):
    before = Cells(size=(48, 48))[0]
    torch.manual_seed(1)
    np.random.seed(1)
    one = transform(before, rng(7))
    torch.manual_seed(2)
    two, other = transform(before, rng(7)), transform(before, rng(8))
    assert torch.equal(one.image, two.image) and torch.equal(one.instances, two.instances)
    assert not torch.equal(one.image, other.image)
    data = Augmented(Cells(size=(48, 48)), Compose([RandomFlip(), transform]), seed=3)
    first = data[1].image
    data.set_epoch(1)
    assert not torch.equal(first, data[1].image)
    data.set_epoch(0)
    assert torch.equal(first, data[1].image)


def displacements(transform, size: int, count: int) -> np.ndarray:
    """Row displacements at each pixel, read from a picture that is a ramp; away from the mirrored border."""
    ramp = torch.arange(float(size))[:, None].expand(3, size, size) / size
    s = Sample(ramp.double(), torch.zeros(size, size, dtype=torch.int64))
    out = [(transform(s, rng(k)).image[0] * size - torch.arange(size)[:, None]).numpy() for k in range(count)]
    return np.stack(out)


def test_displacements_are_as_large_and_as_smooth_as_stated():
    d = displacements(Elastic(100, 6), 160, 12)[:, 40:-40, 40:-40]
    assert d.std() == pytest.approx(0.163 * 100 / 6, rel=0.12)
    step = np.diff(d, axis=1).std() / d.std()  # of noise blurred by a Gaussian: √(2 − 2 exp(−1 / 4σ²)) ≈ 1 / (√2 σ)
    assert step == pytest.approx(1 / (2**0.5 * 6), rel=0.15)
    d = displacements(ElasticGrid(10), 161, 300)
    assert d[:, 80, 80].std() == pytest.approx(10, rel=0.12) and abs(d[:, 80, 80].mean()) < 2  # a grid point
    assert np.abs(np.diff(d[:, 50:-50, 50:-50], axis=1)).max() < 1  # nothing tears


def test_strength_nought_and_chance_nought_change_nothing():
    before = sample()
    for nothing in (Elastic(0, 4), ElasticGrid(0), Elastic(200, 8, p=0), ElasticGrid(10, p=0)):
        after = nothing(before, rng(1))
        assert torch.equal(after.labels, before.labels) and torch.allclose(after.image, before.image)
    bent = sum(not torch.equal(ElasticGrid(8, p=0.25)(before, rng(k)).labels, before.labels) for k in range(200))
    assert 30 <= bent <= 70


def test_wrong_options_and_moving_samples_are_refused():
    for make, words in (
        (lambda: Elastic(-1, 4), "alpha=-1"), (lambda: Elastic(1, 0), "sigma=0"), (lambda: Elastic(p=2), "p=2"),
        (lambda: ElasticGrid(-1), "std=-1"), (lambda: ElasticGrid(points=1), "points=1"),
        (lambda: ElasticGrid(p=-1), "p=-1"), (lambda: warped(sample(), torch.zeros(2, 3, 4)), r"needs \(2, 40, 52\)"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            make()
    moving = sample()
    moving.next_image = moving.image
    with pytest.raises(ValueError, match="next frame or flow"):
        Elastic()(moving, rng())
