"""A sample whose parts do not fit each other is refused by whatever meets it first, with both sizes in the message."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from segkit.data import Augmented, Sample, collate
from segkit.data.elastic import warped
from segkit.data.transforms import (
    ColourJitter,
    Compose,
    Elastic,
    ElasticGrid,
    RandomCrop,
    RandomFlip,
    RandomScale,
    Resize,
    resized,
    window,
)

MEETS = {
    "RandomFlip": RandomFlip(1.0),
    "RandomFlip that does not": RandomFlip(0.0),
    "Resize": Resize((4, 5)),
    "Resize to its own size": Resize((8, 10)),
    "Resize of one side": Resize(4),
    "RandomScale": RandomScale(0.5, 0.5),
    "RandomCrop": RandomCrop(4),
    "RandomCrop larger": RandomCrop(20),
    "ColourJitter": ColourJitter(),
    "Elastic": Elastic(),
    "Elastic that does not": Elastic(p=0),
    "ElasticGrid": ElasticGrid(),
    "Compose": Compose([RandomFlip(), RandomCrop(2)]),
    "window": lambda sample, rng: window(sample, 0, 0, (2, 2), (0, 0, 0)),
    "resized": lambda sample, rng: resized(sample, (2, 2)),
    "warped": lambda sample, rng: warped(sample, torch.zeros(2, 8, 10)),
    "collate": lambda sample, rng: collate([sample]),
    "collate with padding": lambda sample, rng: collate([sample, sample], pad=True),
    "Augmented": lambda sample, rng: Augmented(_One(sample), lambda s, _: s)[0],
}


class _One:
    classes = ("a", "b")

    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return self.sample


def good() -> Sample:
    return Sample(torch.rand(3, 8, 10), torch.zeros(8, 10, dtype=torch.int64), name="street/7")


WRONG = {
    "labels": [torch.zeros(shape).long() for shape in ((6, 6), (12, 12), (10, 8), (1, 8, 10))],
    "instances": [torch.zeros(6, 6).long(), torch.zeros(9, 10).long()],
    "depth": [torch.zeros(6, 6), torch.zeros(8, 11)],
    "next_image": [torch.zeros(3, 6, 6), torch.zeros(1, 8, 10)],
    "flow": [torch.zeros(2, 6, 6), torch.zeros(8, 10, 2)],
}  # fmt: skip


@pytest.mark.parametrize("part", WRONG)
@pytest.mark.parametrize("who", MEETS)
def test_a_part_of_another_size_is_refused_with_both_sizes(who, part):
    for wrong in WRONG[part]:
        words = rf"street/7 has {part} of shape \({', '.join(map(str, wrong.shape))}\) for a picture .*\(3, 8, 10\)"
        with pytest.raises(ValueError, match=words):
            MEETS[who](replace(good(), **{part: wrong}), np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(8, 10, 3), (1, 8, 10), (4, 8, 10), (8, 10), (3, 0, 10), (1, 3, 8, 10)])
@pytest.mark.parametrize("who", MEETS)
def test_a_picture_of_another_form_is_refused(who, shape):
    with pytest.raises(ValueError, match=r"street/7 has (image|labels) of shape .* with the same H and W"):
        MEETS[who](replace(good(), image=torch.rand(shape)), np.random.default_rng(0))


@pytest.mark.parametrize("who", MEETS)
def test_parts_of_another_type_are_refused(who):
    for part, wrong, words in (
        ("labels", torch.zeros(8, 10), "labels of torch.float32; it needs whole numbers"),
        ("labels", torch.zeros(8, 10, dtype=torch.bool), "labels of torch.bool; it needs whole numbers"),
        ("labels", np.zeros((8, 10), int), "labels of type ndarray; it needs a tensor"),
        ("image", torch.zeros(3, 8, 10, dtype=torch.uint8), "image of torch.uint8; it needs floats"),
        ("instances", torch.zeros(8, 10), "instances of torch.float32; it needs whole numbers"),
        ("depth", torch.zeros(8, 10).long(), "depth of torch.int64; it needs floats"),
    ):
        with pytest.raises(TypeError, match=f"street/7 has {words}"):
            MEETS[who](replace(good(), **{part: wrong}), np.random.default_rng(0))


@pytest.mark.parametrize("who", ["Resize", "Resize of one side", "RandomScale", "resized", "ColourJitter"])
@pytest.mark.parametrize(
    "picture", [255 * torch.rand(3, 8, 10), torch.randn(3, 8, 10), torch.full((3, 8, 10), torch.nan)]
)
def test_a_picture_on_another_scale_is_not_clamped_to_white_or_black(who, picture):
    for part in ("image", "next_image"):
        with pytest.raises(ValueError, match=r"with values from .* it takes 0–1"):
            MEETS[who](replace(good(), **{part: picture}), np.random.default_rng(0))


def test_a_displacement_is_finite_and_a_fill_is_a_colour():
    with pytest.raises(ValueError, match="NaN or infinity"):
        warped(good(), torch.full((2, 8, 10), torch.nan))
    with pytest.raises(ValueError, match="fill=255"):
        RandomCrop(4, fill=(255, 0, 0))
