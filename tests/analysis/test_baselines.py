"""The position prior by brute force; the fitted ceiling against what is known of it."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from segkit.analysis.baselines import fitted_ceiling, position_prior
from segkit.data import StreetScenes
from segkit.metrics import ConfusionMatrix
from segkit.training import class_weights, cross_entropy

VOID = 255


class Maps:
    """A data set that is labels and nothing else."""

    def __init__(self, maps, classes=4):
        self.maps, self.num_classes = maps, classes

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, i):
        return SimpleNamespace(labels=self.maps[i])


def random_maps(seed, count=7, size=(6, 5), classes=4):
    g = torch.Generator().manual_seed(seed)
    maps = torch.randint(classes + 1, (count, *size), generator=g)
    maps = torch.where(maps == classes, VOID, maps)
    maps[:, 0, 0] = VOID  # a pixel of which the training set says nothing
    maps[:, 1, 1] = torch.tensor([1, 2] * count)[:count]
    maps[0, 1, 1] = VOID  # a tie
    return list(maps)


@pytest.mark.parametrize("weighting", ["none", "median", "log"])
@pytest.mark.parametrize("seed", range(3))
def test_prior_by_brute_force(weighting, seed):
    train, test = random_maps(seed), random_maps(seed + 100, count=3)
    every = Counter(v for m in train for v in m.flatten().tolist() if v != VOID)
    weight = class_weights(torch.tensor([every[k] for k in range(4)]), weighting).tolist()
    expected = torch.zeros(6, 5, dtype=torch.int64)
    for row in range(6):
        for column in range(5):
            seen = Counter(int(m[row, column]) for m in train if m[row, column] != VOID) or every
            votes = [seen[k] * weight[k] for k in range(4)]
            expected[row, column] = votes.index(max(votes))  # the first of the largest
    found = position_prior(Maps(train), Maps(test), weighting)
    matrix = ConfusionMatrix(4)
    for labels in test:
        matrix.update(expected, labels)
    assert len(found.predictions) == 3 and all(torch.equal(p, expected) for p in found.predictions)
    assert found.scores["mean_iou"] == matrix.mean_iou() and torch.equal(found.iou, matrix.iou())
    assert found.scores["pixel_accuracy"] == matrix.pixel_accuracy() and found.gap == 0
    assert set(found.scores) == {"mean_iou", "pixel_accuracy", *(f"trimap_iou_{w}px" for w in (1, 2, 3))}


def test_prior_of_ties_and_of_nothing():
    maps = [torch.tensor([[2, 1, VOID]]), torch.tensor([[1, 2, VOID]]), torch.tensor([[VOID, 3, VOID]])]
    assert position_prior(Maps(maps), Maps(maps[:1])).predictions[0].tolist() == [[1, 1, 1]]
    # overall: two of 1, two of 2, one of 3; by median weights all three are level, and in the middle 3 is weighed up
    assert position_prior(Maps(maps), Maps(maps[:1]), "median").predictions[0].tolist() == [[1, 3, 1]]


def test_prior_of_pictures_of_many_sizes():
    left = torch.tensor([[0, 0, 1, 1]] * 2)
    wide = left.repeat_interleave(3, 1).repeat_interleave(2, 0)  # 4×12, the same picture
    found = position_prior(Maps([left, wide]), Maps([wide, left]))
    assert torch.equal(found.predictions[0], wide) and torch.equal(found.predictions[1], left)
    assert found.scores["mean_iou"] == 1


def test_doors():
    for call in (
        lambda: position_prior(Maps([]), Maps([])),
        lambda: fitted_ceiling(Maps([]), 8),
        lambda: fitted_ceiling(Maps(random_maps(0)), 0),
        lambda: fitted_ceiling(Maps(random_maps(0)), 8, align="middle"),
        lambda: position_prior(Maps(random_maps(0)), Maps(random_maps(0)), "weighted"),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.fixture(scope="module")
def streets():
    scenes = StreetScenes(split="test", size=(48, 64))
    return Maps([scenes[i].labels for i in range(6)], scenes.num_classes)


def weights(streets):
    counts = sum(torch.bincount(m[m != VOID], minlength=streets.num_classes) for m in streets.maps)
    return class_weights(counts, "log")


@pytest.mark.parametrize("align", ["centres", "corners"])
def test_ceiling_falls_with_the_stride(streets, align):
    found = {s: fitted_ceiling(streets, s, weights(streets), align, steps=40) for s in (1, 4, 8, 16)}
    assert found[1].scores["mean_iou"] == 1 and found[1].scores["trimap_iou_1px"] == 1
    for metric in ("mean_iou", "trimap_iou_1px"):
        values = [found[s].scores[metric] for s in (1, 4, 8, 16)]
        assert values == sorted(values, reverse=True) and values[1] > values[3] + 0.1


@pytest.mark.parametrize("stride", [8, 16])
def test_ceiling_beats_exact_shares(streets, stride):
    """Chapter 06's shares of each block, enlarged: right on average, and not the best that can be said."""
    K, matrix = streets.num_classes, ConfusionMatrix(streets.num_classes)
    for labels in streets.maps:
        shares = F.avg_pool2d(F.one_hot(labels, K).permute(2, 0, 1)[None].float(), stride)
        matrix.update(F.interpolate(shares, scale_factor=stride, mode="bilinear").argmax(1), labels[None])
    assert fitted_ceiling(streets, stride).scores["mean_iou"] > matrix.mean_iou() + 0.02


def test_ceiling_is_one_optimum(streets):
    """From two starts the same map, and a gap that says so; too few steps, and the gap says that."""
    two = Maps(streets.maps[:2], streets.num_classes)
    settings = {"weight": weights(streets), "ridge": 1e-2, "steps": 150}
    first, second = (fitted_ceiling(two, 16, start=start, **settings) for start in (0.0, 3.0))
    assert first.gap < 1e-4 and second.gap < 1e-4
    same = torch.stack([(a == b).float().mean() for a, b in zip(first.predictions, second.predictions, strict=True)])
    assert same.min() > 0.999
    assert fitted_ceiling(two, 16, **{**settings, "steps": 3}).gap > 100 * first.gap


@pytest.mark.parametrize("align", ["centres", "corners"])
def test_ceiling_against_adam_on_the_loss_itself(align):
    """The same problem by another optimiser, through torch's interpolation and the training loss; with void."""
    labels = torch.stack(random_maps(5, count=2, size=(12, 16), classes=3))
    weight = torch.tensor([1.0, 2.0, 0.5])
    z = torch.zeros(2, 3, 3, 4, requires_grad=True)
    optimizer = torch.optim.Adam([z], 0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)

    def enlarged():
        if align == "centres":
            return F.interpolate(z, scale_factor=4, mode="bilinear")
        wide = torch.cat((z, z[..., -1:, :]), -2)
        wide = torch.cat((wide, wide[..., -1:]), -1)
        return F.interpolate(wide, (13, 17), mode="bilinear", align_corners=True)[..., :12, :16]

    for _ in range(300):
        losses = [cross_entropy(u[None], t[None], weight) for u, t in zip(enlarged(), labels, strict=True)]
        loss = sum(losses) + 3e-3 / 2 * z.square().mean((1, 2, 3)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    found = fitted_ceiling(Maps(list(labels), 3), 4, weight, align, steps=200)
    assert (torch.stack(found.predictions) == enlarged().argmax(1)).float().mean() > 0.99
    assert found.gap < 1e-4
