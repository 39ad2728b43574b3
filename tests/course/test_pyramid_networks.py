"""Chapters 08 and 09's comparisons are fair: small fields, equal weights, and one thing that differs."""

from __future__ import annotations

import argparse

import pytest
import torch
from torch import nn

from segkit.analysis import receptive_field
from segkit.data import collate
from segkit.metrics import ConfusionMatrix
from tests.course.evidence import ROOT  # noqa: F401  it puts course/experiments on the path

import deeplab_v3  # isort: skip
import library  # isort: skip
import pyramid_networks as networks  # isort: skip
import pyramids  # isort: skip
import street_things  # isort: skip
from object_sizes import CLASSES, SIZES, by_size  # isort: skip
from pictures import pictures  # isort: skip

OPTIONS = argparse.Namespace(tier="cpu", seeds=1, processes=1, part=None, final=False)


@pytest.mark.parametrize(("encoder", "field"), [("small", 51), ("patch", 8)])
def test_fields_are_small_and_cells_eight_pixels_apart(encoder, field):
    last = receptive_field(networks.ENCODERS[encoder](), (64, 64)).rows[-1]
    assert tuple(last.receptive_field) == (field, field) and tuple(last.stride) == (8, 8)


FAIR = (pyramids.pyramid_pooling, pyramids.parsenet, pyramids.aspp_rates, deeplab_v3.image_pooling)


@pytest.mark.parametrize("make", FAIR)
def test_arms_have_equal_weights_and_answer_at_the_pictures_size(make):
    experiment, sizes = make(OPTIONS), {}
    for name, arm in experiment.arms.items():
        torch.manual_seed(0)
        model = networks.build(arm["model"], 13, None).eval()
        assert model(torch.rand(2, 3, 96, 128)).shape == (2, 13, 96, 128), name
        sizes[name] = sum(p.numel() for p in model.parameters())
    few, many = min(sizes.values()), max(sizes.values())
    assert many - few < 0.02 * few, sizes  # two channels of places, or ParseNet's scales
    settings = [{**arm, "model": None} for arm in experiment.arms.values()]
    assert all(s == settings[0] for s in settings)


def test_what_pools_looks_around_and_what_does_not_does_not():
    x = torch.rand(1, 48, 12, 16, requires_grad=True)
    for pooled, still in (
        (networks.Pooled(48, 13, (1, 2, 3, 6)), networks.Pooled(48, 13, (0, 0, 0, 0))),
        *((networks.Parse(48, 13, normalise=n), networks.Parse(48, 13, False, normalise=n)) for n in (False, True)),
    ):
        for head, wide in ((pooled, True), (still, False)):
            (seen,) = torch.autograd.grad(head.eval()(x)[0, :, 6, 8].square().sum(), x)
            cells = int((seen.abs().sum((0, 1)) > 0).sum())
            assert cells == (12 * 16 if wide else 1)


def test_a_global_feature_a_hundred_times_smaller_is_the_same_after_the_norm():
    torch.manual_seed(0)
    whole, small = (networks.Parse(8, 3, shrink=s, normalise=True) for s in (1.0, 100.0))
    small.load_state_dict(whole.state_dict())
    x = torch.rand(2, 8, 6, 8)
    torch.testing.assert_close(whole(x), small(x))


@pytest.mark.parametrize(("stride", "rates"), [(8, (2, 4, 6)), (16, (1, 2, 3))])
def test_the_same_weights_at_another_stride_keep_their_answers(stride, rates):
    torch.manual_seed(0)
    model = networks.Whole(5, rates=(1, 2, 3)).eval()
    model.head[0].pool = None  # the mean of another map is another mean
    model.head[0].project[0] = nn.Conv2d(4 * 32, 32, 1, bias=False)
    finer = networks.Whole(5, output_stride=stride, rates=rates).eval()
    finer.head = nn.Sequential(*finer.head)
    finer.head[0].pool, finer.head[0].project[0] = None, nn.Conv2d(4 * 32, 32, 1, bias=False)
    finer.load_state_dict(model.state_dict())
    x = torch.rand(1, 3, 96, 128)
    a, b = model(x)[..., ::16, ::16], finer(x)[..., ::16, ::16]
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)  # cell i of stride s stands on pixel i·s, at either stride


def test_changed_takes_the_weights_along():
    model = networks.build({"name": "whole", "rates": [1, 2, 3]}, 5, None)
    other = networks.changed(model, output_stride=8, rates=[2, 4, 6])
    assert other.encoder.output_stride == 8 and other.head[0].rates == (2, 4, 6)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_ghosts_are_batches_of_their_own():
    torch.manual_seed(0)
    x = torch.randn(8, 6, 5, 7) * 3 + 1
    ghost, parts = networks.GhostBatchNorm2d(6, 2), [nn.BatchNorm2d(6)(part) for part in x.split(2)]
    torch.testing.assert_close(ghost(x), torch.cat(parts))
    whole, plain = networks.GhostBatchNorm2d(6, 8), nn.BatchNorm2d(6)
    torch.testing.assert_close(whole(x), plain(x))
    torch.testing.assert_close(whole.running_mean, plain.running_mean)
    torch.testing.assert_close(ghost.running_mean, plain.running_mean, rtol=0.1, atol=0.02)  # the same memory
    torch.testing.assert_close(whole.eval()(x), plain.eval()(x))
    net = networks.build({"name": "whole", "ghosts": 4}, 5, None)
    kinds = {type(m) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
    assert kinds == {networks.GhostBatchNorm2d} and net(torch.rand(8, 3, 64, 64)).shape == (8, 5, 64, 64)


class Wrong(nn.Module):
    """Right, but for a stripe that is called a bus and one that is called a car."""

    def __init__(self, test):
        super().__init__()
        self.test, self.next = test, 0

    def forward(self, x):
        labels = next(s.labels for s in self.test.samples if torch.equal(s.image, x[0])).clone()
        labels[40:50], labels[60:70] = 11, 8
        return nn.functional.one_hot(labels, 13).movedim(-1, 0)[None].float()


def test_sizes_add_up_to_the_iou_of_the_class():
    test = pictures({"set": "street", "size": [96, 128], "imbalance": 0.0, "test": 12}, "test")
    model, matrix = Wrong(test), ConfusionMatrix(13)
    found = by_size(model, test)
    for s in test.samples:
        matrix.update(model(s.image[None]).argmax(1), s.labels[None])
    for name in CLASSES:
        k = test.classes.index(name)
        areas = sorted(int((s.instances == i).sum()) for s in test.samples for i in s.instances[s.labels == k].unique())
        thirds = [sum(areas[t * len(areas) // 3 : (t + 1) * len(areas) // 3]) for t in range(3)]
        whole = sum(n * found[f"{name}_{size}_iou"] for n, size in zip(thirds, SIZES, strict=True)) / sum(areas)
        assert whole == pytest.approx(float(matrix.iou()[k])), name
    assert found["small_iou"] == pytest.approx(sum(found[f"{name}_small_iou"] for name in CLASSES) / 3)


def test_things_are_cut_out_whole_and_have_one_label():
    data = {"set": "street things", "size": [96, 128], "side": 40, "imbalance": 0.0, "test": 12}
    crops, scenes = pictures(data, "test"), pictures({"set": "street", "imbalance": 0.0, "test": 12}, "test")
    assert len(crops) == 12 and crops.num_classes == 4 and crops.classes == ("car", "pedestrian", "bicyclist", "bus")
    for crop in crops.samples:
        *_, scene, number = crop.name.split("/")
        whole = scenes[int(scene)]
        labels = whole.labels[whole.instances == int(number)]
        assert crop.image.shape == (3, 40, 40) and 0 <= float(crop.image.min()) <= float(crop.image.max()) <= 1
        assert {crops.classes[k] for k in crop.labels.unique()} == {scenes.classes[k] for k in labels.unique()}
    again = street_things.Things("test", (96, 128), 40, imbalance=0.0)
    assert torch.equal(again[11].image, crops[11].image)


def sppnet(head):
    arms = pyramids.spp_sizes(OPTIONS).arms.values()
    return library.build(next(arm["model"] for arm in arms if arm["model"]["head"] == head), 4, None)


@pytest.mark.parametrize(("head", "parameters"), [("fixed", 96_700), ("spp", 46_000), ("gap", 16_000)])
def test_classifiers_are_shown_any_size(head, parameters):
    model = sppnet(head).eval()
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(parameters, rel=0.01)
    for side in street_things.SIDES:
        assert street_things.seen(model, torch.rand(2, 3, 80, 80), side).shape == (2, 4)
    x = torch.rand(1, 3, 48, 48)
    torch.testing.assert_close(street_things.resized(x, 48), x)


def sides_seen(arm, seed, train, breaks):
    model, seen = sppnet("spp"), []
    model.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[-1]))
    loss = street_things.a_side_a_batch(arm, seed, train)
    for _ in range(12):
        if breaks:
            loss = street_things.a_side_a_batch(arm, seed, train)
        loss(model, collate(train.samples[:2]))
    return seen


def test_each_batch_has_a_side_of_its_own_and_the_same_after_a_break():
    train = pictures({"set": "street things", "size": [96, 128], "side": 40, "train": 4}, "train")
    arm = {"model": {}, "data": {}, "recipe": {"sides": [32, 40], "class_weights": "none"}}
    first = sides_seen(arm, 0, train, breaks=False)
    assert first == sides_seen(arm, 0, train, breaks=True) != sides_seen(arm, 1, train, breaks=False)
    assert set(first) == {32, 40} and first != [32, 40] * 6
