"""DFANet: the counts that its docstring tells, its gates and its cascade by hand, and what one backbone alone sees."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.analysis import cost
from segkit.models import create
from segkit.models.dfanet import FCAttention
from tests.encoders.common import lively
from tests.models.by_hand import normal, same, wide


def separable(before: int, channels: int, cells: int) -> tuple[int, int]:
    """Parameters, those of its BatchNorm included, and multiply-adds of one separable convolution."""
    weights = 9 * before + before * channels
    return weights + 2 * channels, weights * cells


def table(channels: tuple[int, int, int], side: int, classes: int) -> tuple[int, int]:
    """Parameters and multiply-adds, added up along the paper's Table 1 and its Figure 3."""
    first, (two, three, four) = side // 2, channels
    found = [(3 * 8 * 9 + 16, 3 * 8 * 9 * first**2)]
    for n in range(3):
        inputs = (8, two, three) if n == 0 else (four + two, two + three, three + four)
        for j, (before, c, blocks) in enumerate(zip(inputs, channels, (4, 6, 4), strict=True)):
            cells = (side // (4 * 2 ** (n + j))) ** 2
            steps = [(before, c), (before, c // 4), (c // 4, c // 4), (c // 4, c)]  # the shortcut first
            steps += (blocks - 1) * [(c, c // 4), (c // 4, c // 4), (c // 4, c)]
            found += [separable(a, b, cells) for a, b in steps]
        found.append((2 * 1000 * four + 1000 + four, 2 * 1000 * four))
        for c, stride in ((two, 4 * 2**n), (four, 16 * 2**n)):
            found.append((32 * c + 64, 32 * c * (side // stride) ** 2))
    found += [(32 * 32 + 64, 32 * 32 * (side // 4) ** 2), (32 * classes + classes, 32 * classes * (side // 4) ** 2)]
    return sum(p for p, _ in found), sum(g for _, g in found)


@pytest.mark.parametrize(
    ("base", "channels", "parameters", "giga"),
    [("A", (48, 96, 192), 1_829_139, 2.954), ("B", (32, 64, 128), 1_098_627, 1.566)],
)
def test_the_sizes_are_those_of_the_papers_table(
    base: str, channels: tuple[int, int, int], parameters: int, giga: float
) -> None:
    with torch.device("meta"):
        found = cost(create("dfanet", 19, base=base).eval(), (3, 1024, 1024))
    assert (found.parameters, found.macs) == table(channels, 1024, 19)
    assert found.parameters == parameters and abs(found.macs / 1e9 - giga) < 0.001


def test_the_attention_is_a_gate_for_each_channel() -> None:
    block, x = FCAttention(4, 10).double(), normal(2, 4, 5, 6)
    first, second = (layer.weight[:, :, 0, 0] for layer in (block.fc, block.conv))
    score = (x.mean((2, 3)) @ first.T + block.fc.bias) @ second.T + block.conv.bias
    same(block(x), x / (1 + torch.exp(-score))[:, :, None, None])


def test_each_backbone_hears_the_one_before_stage_by_stage() -> None:
    """On 64k + 1 pixels, where enlarging with corners aligned leaves each cell where it stands."""
    net, x = lively(create("dfanet", 5, width=8)).double(), normal(2, 3, 65, 129)
    start = net.conv1(x)
    low, high, before = [], [], [None, None, None]
    for (enc2, enc3, enc4), gated in zip(net.stages, net.fc, strict=True):
        two = enc2(start)
        three = enc3(two if before[1] is None else torch.cat([two, before[1]], 1))
        four = enc4(three if before[2] is None else torch.cat([three, before[2]], 1))
        before = [two, three, four]
        low.append(two), high.append(gated(four))
        start = torch.cat([wide(high[-1], two), two], 1)
    for ours, theirs in zip(net.cascade(x), (low, high), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    shallow = net.merge(sum(wide(f(y), low[0]) for f, y in zip(net.low, low, strict=True)))
    deep = sum(wide(f(y), low[0]) for f, y in zip(net.high, high, strict=True))
    same(net.outputs(x)["score"], net.score(shallow + deep))


def test_one_backbone_is_the_first_of_three() -> None:
    """What is switched off are the other two: the first one's maps stay, and the coarsest cells are 16 pixels again."""
    three, one = (lively(create("dfanet", 5, width=8, backbones=n)).double() for n in (3, 1))
    kept = {key: value for key, value in three.state_dict().items() if key in one.state_dict()}
    one.load_state_dict(kept)
    x = normal(1, 3, 64, 96)
    (low, high), (first, gated) = three.cascade(x), one.cascade(x)
    assert torch.equal(low[0], first[0]) and torch.equal(high[0], gated[0]) and len(first) == 1
    assert [m.shape[-1] for m in (*low, *high)] == [24, 12, 6, 6, 3, 2] and (three.tile_stride, one.tile_stride) == (
        64,
        16,
    )
    same(one.outputs(x)["score"], one.score(one.merge(one.low[0](low[0])) + _enlarged(one.high[0](high[0]), 4, 24)))
    assert not torch.allclose(one(x), three(x))


def _enlarged(x: Tensor, factor: int, columns: int) -> Tensor:
    """Bilinear between cells, the last one again behind the last."""
    x = F.pad(x, (0, 1, 0, 1), mode="replicate")
    size = [factor * (n - 1) + 1 for n in x.shape[-2:]]
    return F.interpolate(x, size, mode="bilinear", align_corners=True)[..., : factor * (x.shape[-2] - 1), :columns]


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match=r"DFANet got base='C'; it takes 'A', 'B'"):
        create("dfanet", 3, base="C")
    with pytest.raises(ValueError, match="backbones=4"):
        create("dfanet", 3, backbones=4)
    with pytest.raises(ValueError, match="classes=0"):
        FCAttention(4, 0)
