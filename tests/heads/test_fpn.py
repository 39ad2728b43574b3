"""A feature pyramid against torchvision's, and what the head of Panoptic FPN reads off it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.ops import FeaturePyramidNetwork

from segkit.heads import FPN, FPNHead


def test_the_pyramid_is_torchvisions() -> None:
    torch.manual_seed(0)
    ours, theirs = FPN((3, 4, 5), 6).double(), FeaturePyramidNetwork([3, 4, 5], 6).double()
    for i in range(3):
        theirs.inner_blocks[i][0].load_state_dict(ours.lateral[i].state_dict())
        theirs.layer_blocks[i][0].load_state_dict(ours.smooth[i].state_dict())
    maps = [torch.randn(2, c, 12 // 2**i, 8 // 2**i, dtype=torch.float64) for i, c in enumerate((3, 4, 5))]
    expected = theirs({str(i): m for i, m in enumerate(maps)}).values()
    for found, wanted in zip(ours(maps), expected, strict=True):
        torch.testing.assert_close(found, wanted)
    with pytest.raises(ValueError, match=r"FPN got channels=\[\]; it needs the channels of one map or more"):
        FPN([])
    with pytest.raises(ValueError, match="FPN got maps"):
        ours(maps[:2])


def test_the_head_sums_what_each_map_says() -> None:
    """Maps speak one by one: what all say is the sum, as long as no bias of the others speaks with them."""
    torch.manual_seed(0)
    head = FPNHead(4, 3, 8, 5).double()
    for layer in head.modules():
        if isinstance(layer, nn.GroupNorm):
            nn.init.zeros_(layer.bias)
    maps = [torch.randn(2, 4, *size, dtype=torch.float64) for size in ((9, 7), (5, 4), (3, 2))]
    assert [len(way) for way in head.ways] == [1, 1, 2]
    alone = [head([m if i == j else torch.zeros_like(m) for j, m in enumerate(maps)]) for i in range(3)]
    total = head(maps)
    assert total.shape == (2, 5, 9, 7)
    torch.testing.assert_close(sum(alone), total + 2 * head.score.bias[:, None, None])
