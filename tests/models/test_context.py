"""The networks of context: their counts at the papers' size, and each block against the sum that its paper writes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.heads.attention import ChannelAttention, CrissCross, PositionAttention, as_map, as_rows
from segkit.heads.object_context import ObjectContext
from segkit.models import create
from segkit.models.encnet import ContextEncoding
from segkit.models.gcn import LargeKernel
from segkit.models.ocrnet import RegionContext, gather
from segkit.models.psanet import PointwiseAttention, seen_from_each
from segkit.models.refinenet import ChainedPooling
from segkit.ops.attention_masks import axis_mask, criss_cross_mask, window_mask

TRUNK = 42_500_160  # torchvision's ResNet-101 without its last layer


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exact(block: nn.Module) -> Any:
    """In float64, with numbers where layers start at zero."""
    torch.manual_seed(1)
    for p in block.parameters():
        nn.init.normal_(p, std=0.5)
    return block.double().eval()


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "head"),
    [
        ("danet", {}, 23_954_619),
        ("ccnet", {}, 23_934_100),
        ("ocnet", {}, 10_358_016 + 9_747),  # base-OC, and the scores
        ("ann", {}, 20_336_659),
        ("ocrnet", {}, 15_361_574),
        ("encnet", {}, 10_000_006),
        ("encnet", {"lateral": True}, 17_867_398),
    ],
)
def test_heads_at_the_papers_size(name: str, options: dict[str, Any], head: int) -> None:
    with torch.device("meta"):
        model = create(name, 19, encoder="resnet101", **options)
    assert sum(p.numel() for p in model.parameters()) - TRUNK == head


@pytest.mark.parametrize(
    ("name", "classes", "options", "millions"),
    [
        ("denseaspp", 19, {}, 8.28),
        ("denseaspp", 19, {"encoder": "densenet161"}, 35.40),
        ("gcn", 21, {"kernel_size": 7}, 59.37),
        ("refinenet", 21, {}, 118.05),
        ("psanet", 19, {}, 76.71),
    ],
)
def test_networks_at_the_papers_size(name: str, classes: int, options: dict[str, Any], millions: float) -> None:
    with torch.device("meta"):
        model = create(name, classes, **options)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_masks_say_who_is_heard() -> None:
    cross = criss_cross_mask(3, 4).view(3, 4, 3, 4)
    assert cross[1, 2].int().tolist() == [[0, 0, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]]
    assert (criss_cross_mask(5, 7).sum(1) == 5 + 7 - 1).all()
    assert axis_mask(3, 4, "column").view(3, 4, 3, 4)[1, 2].int().tolist() == [[0, 0, 1, 0]] * 3
    assert window_mask(3, 4, 1).view(3, 4, 3, 4)[0, 3].int().tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]
    for wrong in (lambda: axis_mask(3, 4, "diagonal"), lambda: window_mask(3, 4, -1), lambda: criss_cross_mask(0, 3)):
        with pytest.raises(ValueError, match="got"):
            wrong()


def test_position_attention_is_the_softmax_of_unscaled_products() -> None:
    block, x = exact(PositionAttention(8, 3)), normal(2, 8, 4, 5)
    q, k, v = (layer(x).flatten(2) for layer in (block.query, block.key, block.value))
    shares = (q.mT @ k).softmax(-1)  # N, listener, speaker
    same(block(x), block.gamma * (v @ shares.mT).view_as(x) + x)
    assert torch.equal(PositionAttention(8)(x.float()), x.float()), "at first nobody hears anything"


def test_criss_cross_is_attention_masked_to_row_and_column() -> None:
    block, x = exact(CrissCross(8, 3, recurrence=1)), normal(2, 8, 4, 5)
    parts = (as_rows(layer(x)) for layer in (block.query, block.key, block.value))
    heard = F.scaled_dot_product_attention(*parts, attn_mask=criss_cross_mask(4, 5), scale=1.0)
    same(block(x), block.gamma * as_map(heard, x) + x)


@pytest.mark.parametrize(("times", "reached"), [(1, 31), (2, 100)])
def test_twice_row_and_column_is_everywhere(times: int, reached: int) -> None:
    """On 5×7 cells: the share of pairs that hear each other, in per cent."""
    block, x = exact(CrissCross(4, 2, recurrence=times)), normal(1, 4, 5, 7).requires_grad_()
    heard = 0
    for i in range(35):
        (slope,) = torch.autograd.grad(block(x).flatten(2)[0, :, i].sum(), x)
        heard += int((slope.abs().sum((0, 1)) > 0).sum())
    assert round(100 * heard / 35**2) == reached


def test_channel_attention_as_written_and_as_released() -> None:
    x = normal(2, 6, 3, 4)
    X = x.flatten(2)
    for sign, factor in (("paper", 1), ("released", -1)):
        block = exact(ChannelAttention(sign))
        same(block(x), block.gamma * ((factor * X @ X.mT).softmax(-1) @ X).view_as(x) + x)


def test_object_context_is_symmetric_and_anchors_are_means() -> None:
    block, x = exact(ObjectContext(6, 4)), normal(2, 6, 5, 7)
    q = block.query(x).flatten(2)
    likeness = q.mT @ q / 2
    same(likeness, likeness.mT)
    same(block(x), block.out(as_map(likeness.softmax(-1) @ as_rows(block.value(x)), x)))
    few = exact(ObjectContext(6, 4, bins=(1, 3)))
    told = [torch.cat([F.adaptive_avg_pool2d(layer(x), b).flatten(2) for b in (1, 3)], 2).mT
            for layer in (few.key, few.value)]  # fmt: skip
    assert told[0].shape == (2, 10, 4)
    same(few(x), few.out(as_map(F.scaled_dot_product_attention(as_rows(few.query(x)), *told), x)))


def test_regions_of_hard_scores_are_the_means_of_classes() -> None:
    cells, labels = normal(2, 3, 4, 5), torch.arange(40).view(2, 4, 5) % 4
    hard = 1e4 * F.one_hot(labels, 4).movedim(-1, 1).double()
    regions = gather(cells, hard)  # N, C, K, 1
    for n, k in ((0, 0), (1, 3)):
        same(regions[n, :, k, 0], cells[n][:, labels[n] == k].mean(1))
    soft = normal(2, 4, 4, 5, seed=3)
    same(gather(cells, soft)[..., 0], (soft.flatten(2).softmax(-1) @ cells.flatten(2).mT).mT)
    block = exact(RegionContext(3, 2))
    parts = (as_rows(p) for p in (block.query(cells), block.key(regions), block.value(regions)))
    same(block(cells, regions), block.out(as_map(F.scaled_dot_product_attention(*parts), cells)))


def test_the_encoding_module_gates_by_its_mean_code() -> None:
    block, x = exact(ContextEncoding(6, 5, codewords=3)), normal(2, 6, 4, 5)
    pixels, words = block.reduce(x).flatten(2).mT, block.encoding.codewords  # N, L, C and K, C
    away = pixels[:, :, None] - words  # N, L, K, C
    shares = (block.encoding.scale * away.square().sum(-1)).softmax(-1)  # N, L, K
    code = block.norm((shares[..., None] * away).sum(1)).relu().mean(1)  # N, C
    gated, presence = block(x)
    same(gated, (x + x * block.gate(code).sigmoid()[..., None, None]).relu())
    same(presence[..., 0, 0], block.presence(code))


def test_each_place_of_a_window_is_seen_from_each_cell() -> None:
    maps = normal(1, 3 * 5, 4, 6)
    found = seen_from_each(maps, (3, 5)).view(4, 6, 4, 6)
    for i in range(4):
        for j in range(6):
            for a in range(4):
                for b in range(6):
                    down, right = a - i + 1, b - j + 2
                    inside = 0 <= down < 3 and 0 <= right < 5
                    expected = maps[0, down * 5 + right, i, j] if inside else torch.tensor(0.0).double()
                    assert found[i, j, a, b] == expected


def test_collect_and_distribute_are_transposes_before_the_softmax() -> None:
    x = normal(2, 6, 4, 5)
    collect = exact(PointwiseAttention(6, 4, (7, 9)))
    distribute = exact(PointwiseAttention(6, 4, (7, 9), "distribute"))
    distribute.load_state_dict(collect.state_dict())
    reduced = collect.reduce(x)
    said = seen_from_each(collect.attention(reduced), (7, 9))  # N, i, j
    same(collect(x), as_map(said.softmax(2) @ as_rows(reduced), x))
    same(distribute(x), as_map(said.mT.softmax(2) @ as_rows(reduced), x))
    assert not torch.equal(collect(x), distribute(x))


def test_a_large_kernel_is_one_dense_kernel_of_rank_two() -> None:
    """Without biases: with them the border differs, where a bias of the first layer is cut off."""
    block, x = exact(LargeKernel(3, 2, 5)), normal(1, 3, 9, 8)
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.bias)
    dense = sum(torch.einsum("omj,mci->ocij", second.weight[:, :, 0], first.weight[..., 0])
                for first, second in (block.left,))  # fmt: skip
    dense = dense + torch.einsum("omi,mcj->ocij", block.right[1].weight[..., 0], block.right[0].weight[:, :, 0])
    same(block(x), F.conv2d(x, dense, padding=2))


def test_chained_poolings_with_identities_look_5_9_13_and_17_cells_wide() -> None:
    block, x = ChainedPooling(2).double(), normal(1, 2, 20, 21).abs()
    for conv in block.convs:
        nn.init.dirac_(conv.weight)
    same(block(x), x + sum(F.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13, 17)))
