"""What all sets share: numbers from the end, unpacking, torch's own DataLoader, Subset, ConcatDataset, pinning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from segkit.data import VOID, Augmented, Batch, Cells, Sample, SeenThrough, StreetScenes, available, collate, describe
from segkit.data.base import SegmentationSet, set_epoch
from segkit.data.transforms import MEAN_COLOUR, RandomFlip
from segkit.models import create
from segkit.names import SETS
from segkit.training import Config, Trainer, evaluate


class Pairs:
    """As torchvision's sets are: a tuple of tensors an item, and no palette."""

    classes = ("sky", "ground")

    def __init__(self, length: int = 4, dtype: torch.dtype = torch.float32) -> None:
        self.length, self.dtype = length, dtype

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int):
        if i >= self.length:
            raise IndexError(i)
        labels = torch.zeros(32, 32, dtype=torch.uint8)
        labels[16:] = 1
        image = labels.float().expand(3, 32, 32).clone()
        return (image * 255).to(torch.uint8) if self.dtype == torch.uint8 else image, labels


def small(length: int = 4, **options) -> Cells:
    return Cells(size=(32, 32), length=length, **options)


def test_every_set_is_a_dataset_of_torch():
    from importlib import import_module

    for module, name in SETS.values():
        kind = getattr(import_module(module), name)
        assert issubclass(kind, SegmentationSet) and issubclass(kind, Dataset)
        assert kind.eval_split in kind.splits and kind.eval_split != "train"
    assert len(SETS) == len(available())


def test_numbers_count_from_the_end_and_end_at_both_ends():
    data = SeenThrough(Subset(small(), range(3)))
    assert torch.equal(data[-1].image, data[2].image) and torch.equal(data[np.int64(1)].image, data[1].image)
    for index in (3, -4):
        with pytest.raises(IndexError, match="SeenThrough has 3 samples: samples 0 to 2; got"):
            data[index]
    with pytest.raises(IndexError, match="has 0 pictures; got 0"):
        small(0)[0]
    with pytest.raises(TypeError):
        data[1.0]
    assert len(list(data)) == 3 and repr(data) == f"SeenThrough({data.dataset!r}, 3 samples)"


def test_samples_and_batches_unpack():
    data = small()
    image, labels = data[0]
    assert torch.equal(image, data[0].image) and torch.equal(labels, data[0].labels)
    images, labels = collate([data[0], data[1]])
    assert images.shape == (2, 3, 32, 32) and labels.shape == (2, 32, 32)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_default_loader_gives_batches(workers):
    data = small()
    (batch,) = DataLoader(data, batch_size=4, num_workers=workers)
    assert isinstance(batch, Batch) and batch.name == tuple(s.name for s in data)
    assert torch.equal(batch.instances, torch.stack([s.instances for s in data])) and batch.flow is None


def test_wrappers_of_torch_train_score_and_augment(capsys):
    data = ConcatDataset([Subset(small(), [0, 2]), small(2, seed=1)])
    assert describe(data).classes == Cells().classes and describe(data).num_classes == 2
    seen = Augmented(data, RandomFlip(1.0))
    assert len(seen) == 4 and torch.equal(seen[1].labels, small()[2].labels.flip(-1)) and seen.name == "cells"
    model = create("fcn32s", 2, width=2, hidden=4)
    for training in (data, seen, Subset(seen, [0, 1, 3])):
        Trainer(model, training, Config(steps=2, batch_size=2, device="cpu")).fit(quiet=True)
    assert int(evaluate(model, Subset(data, [0, 3]), device="cpu").matrix.sum()) == 2 * 32 * 32


def test_the_epoch_reaches_an_augmented_set_behind_a_subset():
    inner = Augmented(small(), RandomFlip())
    data = ConcatDataset([Subset(inner, [0, 1])])
    set_epoch(data, 7)
    assert inner.epoch == 7
    Trainer(create("fcn32s", 2, width=2, hidden=4), data, Config(steps=3, batch_size=2, device="cpu")).fit(quiet=True)
    assert inner.epoch == 2


def test_sets_of_different_classes_are_not_joined():
    joined = ConcatDataset([small(), StreetScenes(size=(32, 32), length=2)])
    words = "joins data sets of different classes: cells has background, nucleus; street has"
    for use in (describe, lambda d: Augmented(d, RandomFlip()), lambda d: evaluate(torch.nn.Identity(), d)):
        with pytest.raises(ValueError, match=words):
            use(joined)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_pairs_as_torchvision_gives_them(dtype):
    data = Pairs(dtype=dtype)
    facts = describe(data)
    assert facts.classes == ("sky", "ground") and facts.palette.shape == (2, 3) and facts.name == "Pairs"
    batch = collate([data[0], data[1]])
    assert batch.image.dtype == torch.float32 and batch.image.max() == 1 and batch.labels.dtype == torch.int64
    Trainer(create("fcn32s", 2, width=2, hidden=4), data, Config(steps=1, batch_size=2, device="cpu")).fit(quiet=True)
    assert evaluate(lambda_model(), Augmented(data, RandomFlip()), device="cpu").mean_iou() == 1


def lambda_model() -> torch.nn.Module:
    """Bright is class 1."""

    class Bright(torch.nn.Module):
        def forward(self, x):
            return torch.stack([0.5 - x[:, 0], x[:, 0] - 0.5], 1)

    return Bright()


def test_what_cannot_be_used_is_said():
    class Nothing(Pairs):
        classes = None

    class Numbers(Pairs):
        classes = (0, 1)

    class Strange(Pairs):
        ignore_index = 11

    for data, error, words in (
        (Nothing(), TypeError, "Nothing does not say what its labels mean; set its attribute classes"),
        (Numbers(), TypeError, "Numbers.classes holds int"),
        (Strange(), ValueError, "ignore_index=11; inside segkit void is 255"),
    ):
        with pytest.raises(error, match=words):
            Trainer(create("fcn32s", 2, width=2, hidden=4), data, Config(steps=1, device="cpu"))
    image, labels = Pairs()[0]
    for item, error, words in (
        ("x", TypeError, "gives str; segkit works on Samples or pairs"),
        (("x", labels), TypeError, r"gives \(str, Tensor\)"),
        ((image, labels.float()), TypeError, "labels of torch.float32"),
        ((image[:1], labels), ValueError, r"images \(1, 32, 32\)"),
        ((image, labels[:8]), ValueError, r"labels \(8, 32\)"),
    ):
        with pytest.raises(error, match=words):
            collate([item])


def test_a_count_of_classes_is_enough():
    data = Pairs()
    data.classes, data.num_classes = None, 3
    assert describe(data).classes == ("class 0", "class 1", "class 2")


def test_pinning_reaches_every_tensor_and_gives_a_batch(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda t, device=None: pinned.append(t.shape) or t.clone())
    batch = collate([small()[0]])
    again = torch.utils.data._utils.pin_memory.pin_memory(batch)  # what DataLoader(pin_memory=True) does
    assert isinstance(again, Batch) and again.name == batch.name and again.image is not batch.image
    assert len(pinned) == 3 and torch.equal(again.instances, batch.instances)  # image, labels, instances


def test_padding_fills_with_void_and_the_mean_colour():
    small_, large = (
        Sample(torch.ones(3, 2, 3), torch.ones(2, 3).long(), depth=torch.ones(2, 3)),
        Sample(torch.zeros(3, 4, 3), torch.zeros(4, 3).long(), depth=torch.zeros(4, 3)),
    )
    with pytest.raises(ValueError, match=r"different sizes.*pad=True"):
        collate([small_, large])
    batch = collate([small_, large], pad=True)
    assert batch.image.shape == (2, 3, 4, 3) and torch.equal(batch.image[0, :, :2], small_.image)
    assert (batch.labels[0, 2:] == VOID).all() and (batch.labels[0, :2] == 1).all() and (batch.depth[0, 2:] == 0).all()
    assert torch.allclose(batch.image[0, :, 2:], torch.tensor(MEAN_COLOUR).view(3, 1, 1).expand(3, 2, 3))
    assert torch.equal(batch.image[1], large.image)
