"""ESPNet: the paper's size, which cells a block reads, and what hierarchical feature fusion changes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.analysis import cost
from segkit.models import ESPNet, create
from segkit.models.espnet import ESP


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def lively(hff: bool, channels: int = 10, out: int = 10, stride: int = 1) -> ESP:
    """A block in float64 whose BatchNorm and slopes are not those of the start."""
    torch.manual_seed(0)
    block = ESP(channels, out, stride, hff).double().eval()
    for tensor in (*block.act.parameters(), *block.act.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 1.5)
    return block


@pytest.mark.parametrize(
    ("classes", "blocks", "parameters", "giga"),
    [(20, (2, 8), 365_109, 4.780), (19, (2, 8), 363_462, 4.670), (20, (2, 3), 203_189, 3.470)],
)
def test_the_papers_sizes(classes: int, blocks: tuple[int, int], parameters: int, giga: float) -> None:
    """With 20 classes as trained on Cityscapes; 4.78 G at 512×1024, four times that at twice the sides."""
    with torch.device("meta"):
        model = create("espnet", classes, blocks=blocks).eval()
    assert count(model) == parameters
    for factor in (1, 2):
        found = cost(model, (3, 512 * factor, 1024 * factor)).macs / 1e9
        assert found == pytest.approx(giga * factor**2, abs=6e-4 * factor**2)


def test_one_block_against_a_plain_convolution() -> None:
    """A 1×1 to 25 maps, 3×3s to 28 and four times 25; BatchNorm and slopes."""
    assert count(ESP(128, 128)) == 128 * 25 + 9 * 25 * (28 + 4 * 25) + 3 * 128 == 32_384
    assert count(nn.Conv2d(128, 128, 3, bias=False)) == 147_456


def dense(block: ESP) -> Tensor:
    """All that an ESP block adds to its input as one kernel of 33×33, out×channels×33×33."""
    few = block.reduce.weight[:, :, 0, 0]  # inner, channels
    kernels = []
    for i, branch in enumerate(block.branches):
        r = branch.dilation[0]
        wide = torch.zeros(*branch.weight.shape[:2], 33, 33, dtype=torch.float64)
        wide[..., 16 - r : 17 + r : r, 16 - r : 17 + r : r] = branch.weight
        if block.hff and i > 1:
            wide += kernels[-1]
        kernels.append(wide)
    return torch.einsum("oihw,ic->ochw", torch.cat(kernels), few)


@torch.no_grad()
@pytest.mark.parametrize("hff", [True, False])
@pytest.mark.parametrize("out", [10, 13])
def test_a_block_is_one_sparse_kernel_of_33_cells_a_side(hff: bool, out: int) -> None:
    """Equal to it in value; 41 of its 1,089 cells are read, with fusion or without."""
    block, x = lively(hff, out=out), torch.randn(2, 10, 21, 40, dtype=torch.float64)
    kernel = dense(block)
    y = F.conv2d(x, kernel, padding=16)
    torch.testing.assert_close(block(x), block.act(y + x if out == 10 else y), rtol=1e-12, atol=1e-12)
    read = kernel.abs().sum((0, 1)) > 0
    assert read.shape == (33, 33) and int(read.sum()) == 41 and read[[0, 16, -1], 0].all()


@pytest.mark.parametrize(("hff", "cells"), [(True, (9, 9, 17, 25, 33)), (False, (9, 9, 9, 9, 9))])
def test_fusion_fills_the_holes_of_each_map(hff: bool, cells: tuple[int, ...]) -> None:
    block, x = lively(hff, channels=7), torch.randn(1, 7, 35, 35, dtype=torch.float64, requires_grad=True)
    maps, found = block(x)[0, :, 17, 17], []
    for branch in range(5):
        (slope,) = torch.autograd.grad(maps[2 * branch : 2 * branch + 2].sum(), x, retain_graph=True)
        found.append(int((slope.abs().sum((0, 1)) > 0).sum()))
    assert tuple(found) == cells


@torch.no_grad()
def test_without_fusion_the_branches_are_left() -> None:
    """At stride 2, of an odd map: five dilated convolutions of one smaller map, side by side."""
    block, x = lively(False, stride=2), torch.randn(1, 10, 9, 12, dtype=torch.float64)
    few = F.conv2d(x, block.reduce.weight, stride=2, padding=1)
    alone = [
        F.conv2d(few, b.weight, padding=r, dilation=r) for b, r in zip(block.branches, (1, 2, 4, 8, 16), strict=True)
    ]
    torch.testing.assert_close(block(x), block.act(torch.cat(alone, 1)))
    block.hff = True
    sums = [alone[0], alone[1], alone[1] + alone[2], sum(alone[1:4]), sum(alone[1:])]
    torch.testing.assert_close(block(x), block.act(torch.cat(sums, 1)))


@torch.no_grad()
def test_the_decoder_begins_with_the_encoders_scores() -> None:
    """They are there under their name, and what the decoder makes of them reaches the logits."""
    model = create("espnet", 5, width=4).eval()
    x = torch.rand(1, 3, 43, 61)
    out = model.outputs(x)
    assert out["score_8"].shape == (1, 5, 6, 8) and out["logits"].shape == (1, 5, 43, 61)
    seen = model.score8(model.act3(torch.cat(_level3(model, x), 1)))
    assert torch.equal(seen, out["score_8"])
    nn.init.zeros_(model.up8[1].weight)
    assert not torch.equal(model(x), out["logits"]) and torch.equal(model.outputs(x)["score_8"], out["score_8"])


def _level3(model: ESPNet, x: Tensor) -> list[Tensor]:
    """The encoder once more, with torch's own poolings."""
    half = F.avg_pool2d(x, 3, 2, 1)
    two = model.act1(torch.cat([model.down1(x), half], 1))
    begun = model.down2(two)
    four = model.act2(torch.cat([model.level2(begun), begun, F.avg_pool2d(half, 3, 2, 1)], 1))
    begun = model.down3(four)
    return [begun, model.level3(begun)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"blocks": (2,)}, r"blocks=\(2,\).*two"),
        ({"blocks": (2, 0)}, "blocks=0"),
        ({"in_channels": 0}, "in_channels=0"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ESPNet(**{"num_classes": 3, **options})
