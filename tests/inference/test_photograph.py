"""A photograph to labels of its own size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import functional as tv

from segkit.inference import Segmenter, labels_at, to_short_side
from tests.inference.common import Cells, picture


@pytest.mark.parametrize("size", [(300, 401), (37, 53), (20, 30), (37, 60), (111, 53), (1, 1)])
def test_labels_are_those_of_the_enlarged_scores(size, monkeypatch):
    monkeypatch.setattr("segkit.inference.photograph._STRIP", 20_000)  # several strips
    scores = torch.randn(2, 7, 37, 53)
    enlarged = F.interpolate(scores, size, mode="bilinear")
    found = labels_at(scores, *size).long()
    wrong = found != enlarged.argmax(1)
    assert wrong.double().mean() < 1e-3, "but for ties in the last digit"
    top = enlarged.topk(2, 1).values
    assert not wrong.any() or (top[:, 0] - top[:, 1])[wrong].max() < 1e-4


@pytest.mark.parametrize("size", [(375, 500), (1200, 800), (64, 520), (300, 301)])
def test_the_short_side_is_torchvisions(size):
    x = picture(*size)
    found = to_short_side(x, 130)
    expected = tv.resize(x, 130, antialias=True)
    assert found.shape == expected.shape and min(found.shape[2:]) == 130
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert to_short_side(x, None) is x


def test_each_way_through_gives_labels_of_the_photographs_size():
    network, x = Cells(), picture(150, 190)[0]
    with torch.no_grad():
        alone = network(x[None]).argmax(1)[0]
    assert torch.equal(Segmenter(network)(x).long(), alone)
    assert torch.equal(Segmenter(network, tile=0)(x).long(), alone)
    assert (Segmenter(network, tile=64)(x).long() != alone).double().mean() < 0.02
    small = Segmenter(network, short_side=75)(x)
    assert small.shape == (150, 190) and small.dtype == torch.uint8 and not torch.equal(small.long(), alone)
    seen = []

    def refine(scores, pictures):
        seen.append((scores.shape, pictures.shape))
        return -scores

    opposite = Segmenter(network, short_side=75, refine=refine)(x)
    assert seen == [((1, 5, 75, 95), (1, 3, 75, 95))] and (opposite != small).all()


def test_large_pictures_go_in_tiles_by_themselves(monkeypatch):
    monkeypatch.setattr("segkit.inference.photograph.WHOLE", 100 * 100)
    monkeypatch.setattr("segkit.inference.photograph.TILE", 64)
    sizes = []

    class Looks(Cells):
        def forward(self, x):
            sizes.append(tuple(x.shape[2:]))
            return super().forward(x)

    Segmenter(Looks())(picture(120, 130)[0])
    assert len(sizes) == 3 * 4 and max(h for h, _ in sizes) <= 64
    sizes.clear()
    Segmenter(Looks())(picture(100, 90)[0])
    assert sizes == [(100, 90)]


def test_eight_bits_are_the_picture_in_0_1():
    segment, x = Segmenter(Cells()), (255 * picture(40, 50)[0]).round()
    assert torch.equal(segment(x.to(torch.uint8)), segment(x / 255))
    assert torch.equal(to_short_side(x.to(torch.uint8)[None], 20), to_short_side(x[None] / 255, 20))
    assert segment(x / 255 + 0.0009).shape == (40, 50), "what resizing leaves is no other scale"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: 255 * x, "got a picture with values from .* it takes 0–1: divide one of 8 bits by 255"),
        (lambda x: 65535 * x, "16 by 65535"),
        (lambda x: (x - 0.5) / 0.2, "undo a mean and deviation"),
        (lambda x: x / 0, "values from nan to nan"),
        (lambda x: (65535 * x).long(), "type torch.int64; it takes a tensor of floats in 0–1 or of uint8"),
        (lambda x: (60000 * x).to(torch.uint16), "type torch.uint16"),
        (lambda x: x > 0.5, "type torch.bool"),
        (lambda x: x.numpy(), "type ndarray"),
        (lambda x: x[:0], r"shape \(0, 40, 50\); it takes one"),
        (lambda x: x[None], "it takes one, 3×H×W"),
    ],
)
def test_a_picture_on_another_scale_is_refused(change, said):
    x = picture(40, 50)[0]
    x[:, 0, 0], x[:, 0, 1] = 0, 1
    with pytest.raises(ValueError, match=f"Segmenter got.*{said}|Segmenter {said}"):
        Segmenter(Cells())(change(x))
    if change(x).ndim == 3 and len(change(x)):
        with pytest.raises(ValueError, match="to_short_side"):
            to_short_side(change(x)[None], 20)


@pytest.mark.parametrize("shape", [(1, 3, 0, 8), (1, 3, 8, 0), (1, 0, 8, 8)])
def test_nothing_to_enlarge_or_shrink_is_named(shape):
    with pytest.raises(ValueError, match="at least 1"):
        to_short_side(torch.rand(shape), 4)
    with pytest.raises(ValueError, match="at least 1"):
        labels_at(torch.rand(shape), 4, 4)


def test_no_pictures_give_no_labels():
    assert labels_at(torch.rand(0, 3, 8, 8), 4, 5).shape == (0, 4, 5)
    assert to_short_side(torch.rand(0, 3, 8, 8), 4).shape == (0, 3, 4, 4)
