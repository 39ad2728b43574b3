"""Theory: published numbers, the recursion on generated chains, how tables read, what is refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models as tv
from torchvision.models.resnet import Bottleneck

import segkit
from segkit.analysis import UnknownOperation, receptive_field
from segkit.layers import ChannelShuffle, Conv2d, ConvTranspose2d, MaxPool2d
from tests.analysis import networks


def fields(model: nn.Module | list[nn.Module], size: int) -> list[int]:
    table = receptive_field(model, size)
    assert all(row.receptive_field[0] == row.receptive_field[1] for row in table)
    return [row.receptive_field[0] for row in table]


def meta(build) -> nn.Module:
    """A network without weights: nothing here looks at them."""
    with torch.device("meta"):
        return build(weights=None)


def test_vgg16() -> None:
    model = meta(tv.vgg16)
    head = nn.Conv2d(512, 8, 7, device="meta")
    table = receptive_field([*model.features, head], 224)
    pools = [row for row in table if row.kind == "MaxPool2d"]
    assert [row.receptive_field[0] for row in pools] == [6, 16, 44, 100, 212]
    assert [row.stride[0] for row in pools] == [2, 4, 8, 16, 32]
    assert [row.output_size for row in pools] == [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7)]
    assert table[-1].receptive_field == (404, 404)
    classifier = receptive_field(model, 224)
    assert classifier["features"].receptive_field == (212, 212)
    assert classifier["classifier.0"].receptive_field == (404, 404) and classifier["classifier.0"].whole


def test_alexnet_and_mobilenet() -> None:
    row = receptive_field(meta(tv.alexnet), 224)["features"]
    assert (row.receptive_field, row.stride) == ((195, 195), (32, 32))
    assert fields(networks.mobilenet_v1(), 224)[-1] == 315


@pytest.mark.parametrize(
    ("build", "strided_1x1", "strided_3x3"),
    [(tv.resnet50, 483, 427), (tv.resnet101, 1027, 971), (tv.resnet152, 1507, None)],
)
def test_resnets(build, strided_1x1: int, strided_3x3: int | None) -> None:
    """The published figures are for stride in the first 1×1 convolution of a stage, as in the paper; torchvision
    strides the 3×3 instead, which then steps over finer maps and sees 56 pixels less."""
    model = meta(build)
    if strided_3x3 is not None:
        row = receptive_field(model, 224)["layer4"]
        assert (row.receptive_field, row.stride) == ((strided_3x3,) * 2, (32, 32))
    for block in model.modules():
        if isinstance(block, Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    row = receptive_field(model, 224)["layer4"]
    assert (row.receptive_field, row.stride) == ((strided_1x1,) * 2, (32, 32))


def test_context_module() -> None:
    assert fields(networks.context_module(), 64) == [3, 5, 9, 17, 33, 65, 67]


@pytest.mark.parametrize(("kernel", "rate"), [(7, 4), (4, 8), (3, 12)])
def test_deeplab_v1(kernel: int, rate: int) -> None:
    """The paper's Table 2 prints 224 for these, (k−1)·rate·8 + 32; the recursion says otherwise."""
    assert (kernel - 1) * rate * 8 + 32 == 224
    assert fields(networks.deeplab_v1(2, kernel, rate), 161)[-1] == 396
    assert fields(networks.deeplab_v1(3, kernel, rate), 161)[-1] == 419


chains = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 4), st.integers(1, 3)), max_size=6)


@settings(max_examples=40)
@given(chains, chains)
def test_chains_follow_the_recursion(down: list, across: list) -> None:
    """r = 1 + Σ (k−1)·d·Π s, jump = Π s, start = −Σ p·Π s, for each axis by itself."""
    chain = list(zip(down, across, strict=False)) or [((1, 1, 0, 1), (3, 2, 1, 1))]
    layers, expected = [], [[1, 1, 0], [1, 1, 0]]
    for pair in chain:
        (k, kx), (s, sx), (p, px), (d, dx) = zip(*pair, strict=True)
        layers.append(nn.Conv2d(1, 1, (k, kx), (s, sx), (p, px), (d, dx)))
        for axis, (k, s, p, d) in zip(expected, pair, strict=True):
            axis[0], axis[1], axis[2] = axis[0] + (k - 1) * d * axis[1], axis[1] * s, axis[2] - p * axis[1]
    row = receptive_field(layers, (1, 1200, 1100))[-1]
    assert [*zip(row.receptive_field, row.stride, row.start, strict=True)] == [tuple(e) for e in expected]
    assert row.padding == (-row.start[0], -row.start[1])
    box = row.box(1, 1, clip=False)
    assert box is not None and (box.height, box.width) == row.receptive_field
    assert (box.top, box.left) == (row.start[0] + row.stride[0], row.start[1] + row.stride[1])


def test_going_up() -> None:
    """Bilinear and transposed ×2: half the stride, and the field of two neighbours."""
    down = nn.Conv2d(3, 4, 4, 4)
    for up in (nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.Upsample(scale_factor=2, mode="bilinear")):
        row = receptive_field([down, up], 64)[-1]
        assert (row.receptive_field, row.stride, row.start) == ((8, 8), (2, 2), (-4, -4))
    row = receptive_field([down, nn.ConvTranspose2d(4, 4, 8, 8)], 64)[-1]
    assert (row.receptive_field, row.stride) == ((4, 4), (0.5, 0.5))
    row = receptive_field([down, nn.ConvTranspose2d(4, 4, 2, 4)], 64)[-1]  # gaps: those units see nothing
    assert row.box(0, 1) is not None and row.box(0, 2) is None and row.box(0, 2, clip=False) is None


def test_global_pooling_sees_the_whole() -> None:
    table = receptive_field(meta(tv.resnet18), (97, 65))
    assert not table["layer1"].whole and table["avgpool"].whole and table["fc"].whole
    assert table["avgpool"].stride == (0, 0) and table["fc"].output_size == ()
    assert table["fc"].box(0, 0) == (0, 97, 0, 65)


def test_a_channel_shuffle_leaves_the_field_and_mixes_the_groups() -> None:
    """The first group sees 1 pixel, the second 3; behind the shuffle each group of the next layer has seen 3."""
    for engine in ("native", "scratch"):
        with segkit.use_engine(engine):
            table = receptive_field(Halves(), 32)
        assert table["shuffle"].exact and table["last"].exact
        assert (table["shuffle"].receptive_field, table["shuffle"].stride) == ((3, 3), (1, 1))
        assert [float(bound.amax()) for bound in table["last"].field.bounds[1][0, :, 8, 8]] == [9, 9]


class Halves(nn.Module):
    """Two halves of channels with unlike fields, shuffled, then two groups."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = Conv2d(3, 2, 1), Conv2d(3, 2, 3, padding=1)
        self.shuffle, self.last = ChannelShuffle(2), Conv2d(4, 2, 1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.shuffle(torch.cat([self.narrow(x), self.wide(x)], 1)))


def test_table_reads_well() -> None:
    model = meta(tv.resnet18)
    model.train()
    table = receptive_field(model, 64)
    assert model.training and model.layer1[0].bn1.training, "the network is left as it was"
    assert len(table) == len(table.rows) == len(list(table)) and table[0] is table["conv1"]
    assert "layer1.0.add" in table and "layer1.0.relu (2)" in table and "layer1" in table and "nonsense" not in table
    text = str(table)
    line = next(line for line in text.splitlines() if line.startswith("layer2.0.conv1 "))
    assert line.split() == ["layer2.0.conv1", "Conv2d", "51", "8", "25", "8×8"]
    page = table._repr_html_()
    assert page.count("<tr>") == len(table) + 1 and "<td" in page and 'scope="col"' in page
    with pytest.raises(KeyError, match=r"layer9.*conv1"):
        table["layer9"]
    row = table["layer1"]
    assert row.unit_at(0, 0) == (0, 0) and row.unit_at(63, 33) == (15, 8)
    with pytest.raises(ValueError, match="16×16"):
        row.box(16, 0)


def test_both_engines_read_the_same() -> None:
    layers = [Conv2d(3, 4, 3, padding=1), MaxPool2d(2, ceil_mode=True), ConvTranspose2d(4, 4, 4, 2, 1)]
    native = str(receptive_field(layers, 33))
    with segkit.use_engine("scratch"):
        assert str(receptive_field(layers, 33)) == native
    assert len(receptive_field(Conv2d(3, 4, 3), 9)) == 1


class Fourier(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft2(x).real


class Wrapper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spectrum = Fourier()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.spectrum(x))


def test_what_has_no_rule_is_named() -> None:
    with pytest.raises(UnknownOperation, match=r"layer spectrum: there is no rule for the operation aten\._?fft"):
        receptive_field(Wrapper(), 16)


def test_bad_input() -> None:
    with pytest.raises(TypeError, match=r"needs an nn\.Module or a list of layers"):
        receptive_field("vgg16", 224)  # type: ignore[arg-type]
    for size in (0, (3,), (1, 2, 3, 4, 5), (2.5, 3)):
        with pytest.raises(ValueError, match="input_size"):
            receptive_field(nn.Conv2d(3, 3, 3), size)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="channels"):  # the network's own message, not one of ours
        receptive_field(nn.Conv2d(3, 3, 3), (4, 16, 16))


def test_a_network_that_leaves_torch_is_named() -> None:
    class Numpy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(x.numpy().copy())

    with pytest.raises(ValueError, match="what Sequential gives does not come from its picture by torch's operations"):
        receptive_field(nn.Sequential(nn.Conv2d(3, 3, 3), Numpy()), 16)
