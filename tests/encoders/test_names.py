"""Names of the papers: the layers that they belong to, and what is refused."""

from __future__ import annotations

import pytest
from torch import nn

from segkit.encoders import VGGEncoder
from segkit.encoders.names import VGG16, named


def test_vgg16_has_the_names_of_the_papers() -> None:
    features = VGGEncoder(16, 2).features
    chain = named(features, VGG16)
    assert list(chain) == list(features), "the same layers in the same order"
    layers = dict(chain.named_children())
    assert layers["conv4_3"] is features[21] and layers["pool5"] is features[30]
    assert isinstance(layers["conv1_2, ReLU"], nn.ReLU)


def test_one_name_for_each() -> None:
    with pytest.raises(ValueError, match="got 2 names for 1 convolutions"):
        named([nn.Conv2d(3, 4, 1), nn.ReLU()], ["a", "b"])
