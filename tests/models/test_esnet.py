"""ESNet: the paper's size, a column and a row as one kernel, and what each branch of a PFCU adds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.analysis import cost
from segkit.models import ESNet, create
from segkit.models.esnet import FCU, PFCU, column_and_row


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def exact(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for p in module.parameters():
        nn.init.normal_(p, std=0.5)
    return module.double().eval()


def test_the_papers_size() -> None:
    """1.66 million with 19 classes, the encoder's own scores among them; 24.1 G at 512×1024."""
    with torch.device("meta"):
        model = create("esnet", 19).eval()
    assert count(model) == 1_661_522 and count(model.score8) == 128 * 19 + 19
    assert round(cost(model, (3, 512, 1024)).macs / 1e9, 1) == 24.1


def test_what_units_weigh_beside_plain_kernels() -> None:
    pair = lambda c, k: 2 * (k * c * c + c)  # noqa: E731
    assert count(FCU(64, 5)) == 2 * pair(64, 5) + 2 * 2 * 64 == 82_432
    assert count(PFCU(128)) == 4 * pair(128, 3) + 2 * 2 * 128 == 394_752, "one BatchNorm for three branches"
    assert count(nn.Conv2d(64, 64, 5, bias=False)) == 2.5 * (pair(64, 5) - 2 * 64), (
        "a plain kernel: k / 2 times as many"
    )


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "rate"), [(3, 1), (5, 1), (3, 9)])
def test_a_column_and_a_row_are_one_kernel_where_all_is_positive(kernel: int, rate: int) -> None:
    """There the ReLU between them lets all pass. With one map between, that kernel is of rank 1."""
    for channels in (1, 4):
        first, _, second = layers = column_and_row(channels, kernel, rate).double()
        for p in layers.parameters():
            p.uniform_(0.1, 1)
        nn.init.zeros_(first.bias)  # or the border differs, where the row's zeros are not the column's bias
        x = normal(2, channels, 20, 23).abs()
        whole = torch.einsum("omj,mci->ocij", second.weight[:, :, 0], first.weight[..., 0])
        dense = F.conv2d(x, whole, second.bias, padding=kernel // 2 * rate, dilation=rate)
        torch.testing.assert_close(layers(x), dense, rtol=1e-12, atol=1e-12)
        assert int(torch.linalg.matrix_rank(whole[0, 0])) == min(channels, kernel)
        assert not torch.allclose(layers(-x), F.conv2d(-x, whole, second.bias, 1, kernel // 2 * rate, rate))


def written_out(layers: nn.Module, x: Tensor) -> Tensor:
    """A pair with torch's functions; kernel and rate are read off the order of the paper, not the padding."""
    first, _, second = layers
    r, k = first.dilation[0], first.kernel_size[0]
    x = F.conv2d(F.pad(x, (0, 0, r * (k // 2), r * (k // 2))), first.weight, first.bias, dilation=(r, 1)).relu()
    return F.conv2d(F.pad(x, (r * (k // 2), r * (k // 2))), second.weight, second.bias, dilation=(1, r))


def standard(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    scale = norm.weight / (norm.running_var + 1e-3).sqrt()
    return x * scale[:, None, None] + norm.bias[:, None, None]  # the running mean is 0


@torch.no_grad()
def test_units_written_out() -> None:
    x = normal(2, 6, 9, 13)
    unit = exact(FCU(6, 5, 0.5))
    pair1, norm1, _, pair2, norm2, _ = unit.unit
    y = written_out(pair2, standard(norm1, written_out(pair1, x)).relu())
    torch.testing.assert_close(unit(x), (x + standard(norm2, y)).relu())
    parallel = exact(PFCU(6))
    y = standard(parallel.first[1], written_out(parallel.first[0], x)).relu()
    added = [standard(parallel.norm, written_out(branch, y)) for branch in parallel.branches]
    torch.testing.assert_close(parallel(x), (x + sum(added)).relu())
    nn.init.zeros_(parallel.norm.bias)
    for branch in parallel.branches[:2]:  # without the rates of 2 and 5 the one of 9 is left
        nn.init.zeros_(branch[2].weight), nn.init.zeros_(branch[2].bias)
    torch.testing.assert_close(parallel(x), (x + standard(parallel.norm, written_out(parallel.branches[2], y))).relu())
    nn.init.zeros_(parallel.norm.weight)
    assert torch.equal(parallel(x), x.relu()), "and without any, the input"


def test_a_parallel_unit_reads_193_cells_of_21_a_side() -> None:
    """Each rate reads nine 3×3 spots, for the pair before it blurs them; those of rate 2 grow together."""
    unit, x = PFCU(4).double().eval(), normal(1, 4, 25, 25).requires_grad_()
    for p in unit.parameters():
        nn.init.uniform_(p, 0.1, 1)
    with torch.no_grad():
        x.abs_()
    (slope,) = torch.autograd.grad(unit(x)[0, :, 12, 12].sum(), x)
    read = slope.abs().sum((0, 1)) > 0
    assert int(read.sum()) == 7 * 7 + 8 * 9 + 8 * 9 == 193
    assert read[2, 2] and read[22, 22] and not read[1].any() and not read[:, 23].any()


@torch.no_grad()
def test_encoder_and_decoder_are_alike() -> None:
    """The same strides and channels on the way back, at odd sizes too."""
    model, seen = create("esnet", 5, width=4).eval(), {}
    for name in ("stage2", "stage4", "stage8", "back4", "back2"):
        model.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: seen.update({name: y.shape[1:]}))
    assert model(torch.rand(1, 3, 43, 61)).shape == (1, 5, 43, 61)
    assert seen["stage2"] == seen["back2"] == (4, 22, 31) and seen["stage4"] == seen["back4"] == (16, 11, 16)
    assert seen["stage8"] == (32, 6, 8)


def test_dropout_is_the_encoders() -> None:
    model = create("esnet", 5, width=4, dropout=0.2)
    rates: dict[str, set[float]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout2d):
            rates.setdefault(name.partition(".")[0], set()).add(round(module.p, 9))
    assert rates == {"stage2": {0.02}, "stage4": {0.02}, "stage8": {0.2}, "back4": {0.0}, "back2": {0.0}}
    for name, options in (("dropout", {"dropout": 1.5}), ("in_channels", {"in_channels": 0})):
        with pytest.raises(ValueError, match=name):
            ESNet(3, **options)
