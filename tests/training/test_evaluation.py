"""Evaluation: sizes in buckets, modes put back, and numbers that would mislead refused."""

import pytest
import torch
from torch import nn

from segkit.data import Sample
from segkit.models import create
from segkit.training import evaluate
from segkit.training.evaluation import _batches


class Sizes:
    """Pictures of many sizes; number i is known by its first pixel."""

    name, classes = "sizes", ("dark", "bright")

    def __init__(self, sizes, void=False):
        self.sizes, self.void = sizes, void

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, i):
        h, w = self.sizes[i]
        g = torch.Generator().manual_seed(i)
        labels = torch.randint(0, 2, (h, w), generator=g)
        return Sample(
            torch.rand(3, h, w, generator=g), torch.full_like(labels, 255) if self.void else labels, name=f"s/{i}"
        )


MIXED = [(33, 40), (40, 33), (33, 40), (35, 35), (33, 40), (40, 33), (33, 40), (36, 32)] * 3


@pytest.mark.parametrize("size", [2, 3, 8])
def test_buckets_score_as_one_by_one(size):
    torch.manual_seed(0)
    model, data = create("fcn8s", 2, width=2, hidden=8, batch_norm=True), Sizes(MIXED)
    one = evaluate(model, data, batch_size=1, device="cpu")
    assert torch.equal(evaluate(model, data, batch_size=size, device="cpu").matrix, one.matrix)
    assert int(one.matrix.sum()) == sum(h * w for h, w in MIXED)


def test_batches_have_one_size_each_and_few_pictures_wait():
    sizes, asked = [(8 + i % 30, 9) for i in range(90)], []

    class Watched(Sizes):
        def __getitem__(self, i):
            asked.append(i)
            return super().__getitem__(i)

    given = 0
    for batch in _batches(Watched(sizes), 4):
        given += len(batch.name)
        assert len(batch.name) <= 4 and len(asked) - given <= 4 * 4
    assert given == len(asked) == 90


def test_the_mode_of_every_module_is_put_back_also_after_an_exception():
    model = create("fcn8s", 2, width=2, hidden=8, batch_norm=True).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) or "Norm" in type(module).__name__:
            module.eval()
    before = [m.training for m in model.modules()]
    assert True in before and False in before
    evaluate(model, Sizes(MIXED[:2]), device="cpu")
    assert [m.training for m in model.modules()] == before

    class Broken(Sizes):
        def __getitem__(self, i):
            if i == 1:
                raise RuntimeError("the disk is gone")
            return super().__getitem__(i)

    with pytest.raises(RuntimeError, match="disk is gone"):
        evaluate(model, Broken(MIXED[:3]), batch_size=1, device="cpu")
    assert [m.training for m in model.modules()] == before


class Poisoned(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.classes = classes

    def forward(self, x):
        logits = x[:, :1].repeat(1, self.classes, 1, 1)
        logits[-1, 0, 3, 4] = float("nan")
        return logits


def test_numbers_that_would_mislead_are_refused():
    with pytest.raises(ValueError, match="NaN for s/1;"):
        evaluate(Poisoned(), Sizes([(8, 8), (8, 8)]), device="cpu")
    with pytest.raises(ValueError, match="gives 3 classes and sizes has 2"):
        evaluate(Poisoned(3), Sizes([(8, 8)]), device="cpu")
    with pytest.raises(ValueError, match="none of the 2 pictures has a label other than void"):
        evaluate(create("fcn32s", 2, width=2, hidden=4), Sizes([(32, 32)] * 2, void=True), device="cpu")
    with pytest.raises(ValueError, match="batch_size=0"):
        evaluate(Poisoned(), Sizes([(8, 8)]), batch_size=0, device="cpu")
