"""Every encoder says the truth about its maps: channels, sizes, strides, and where the cells stand."""

from __future__ import annotations

import inspect
import itertools
from functools import cache

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from segkit import encoders

CHEAP = ("mobilenet_v1", "mobilenet_v2", "shufflenet", "xception", "xception65")
STRIDES = {name: (32,) if name == "alexnet" else (32, 16, 8) for name in encoders.available()}
MOVED = ("alexnet", "vgg11", "vgg13_bn", "resnet18", "mobilenet_v1")
EVERY = [(name, stride) for name, strides in STRIDES.items() for stride in strides]


def small(name: str, stride: int = 32, **options) -> encoders.Encoder:
    torch.manual_seed(0)
    return encoders.create(name, output_stride=stride, width=4, **options).eval().double()


@pytest.mark.parametrize(("name", "stride"), EVERY)
@pytest.mark.parametrize("size", [(1, 1), (45, 70), (64, 96)])
def test_channels_and_sizes(name: str, stride: int, size: tuple[int, int]) -> None:
    encoder = small(name, stride, in_channels=2)
    assert encoder.output_stride == encoder.strides[-1] == stride and encoder.in_channels == 2
    with torch.no_grad():
        maps = encoder(torch.randn(1, 2, *size, dtype=torch.float64))
    assert len(maps) == len(encoder.channels) == len(encoder.strides)
    for x, channels, s in zip(maps, encoder.channels, encoder.strides, strict=True):
        assert x.shape == (1, channels, *(-(-n // s) for n in size))


@pytest.mark.parametrize(("name", "stride"), EVERY)
def test_the_low_level_map_stands_at_stride_4(name: str, stride: int) -> None:
    """And comes from the same pass: the last map beside it is the last map."""
    encoder = small(name, stride)
    if name == "alexnet":
        with pytest.raises(ValueError, match=r"AlexNetEncoder has maps of strides \(8, 16, 32\)"):
            encoder.low_channels  # noqa: B018
        return
    x = torch.randn(2, 3, 45, 70, dtype=torch.float64)
    with torch.no_grad():
        low, last = encoder.with_low_level(x)
        assert torch.equal(last, encoder(x)[-1]) and low.shape == (2, encoder.low_channels, 12, 18)
    with pytest.raises(ValueError, match=r"\(3, 8, 8\); it takes N×3×H×W"):
        encoder.with_low_level(torch.zeros(3, 8, 8))


@pytest.mark.parametrize(("name", "stride"), [e for e in EVERY if e[0] in MOVED])
def test_a_picture_moved_by_one_stride_moves_its_map_by_one_cell(name: str, stride: int) -> None:
    """In the interior, where no border is in sight; moved by less than a stride it is another map."""
    encoder, side = small(name, stride), 544
    scene = torch.rand(1, 3, side + 32, side + 32, dtype=torch.float64)

    @cache
    def maps(moved: int) -> list[torch.Tensor]:
        with torch.no_grad():
            return encoder(scene[..., moved : moved + side, moved : moved + side])

    for number, s in enumerate(encoder.strides):
        here, there, half = (maps(moved)[number] for moved in (0, s, s // 2))
        middle = here.shape[-1] // 2
        cells = slice(middle - 1, middle + 1), slice(middle, middle + 2)
        torch.testing.assert_close(here[..., cells[1], cells[1]], there[..., cells[0], cells[0]], rtol=1e-9, atol=1e-12)
        assert not torch.allclose(here[..., cells[1], cells[1]], half[..., cells[0], cells[0]], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["vgg11", "resnet18"])
@pytest.mark.parametrize("pool", [2, 3])
def test_cells_stand_where_the_encoder_says(name: str, pool: int) -> None:
    """With weights of ones on one bright pixel, the response of a map is centred on the cell over that pixel."""
    if name == "resnet18" and pool == 2:
        pytest.skip("a ResNet has one kind of pooling")
    encoder = small(name, **({"pool": pool} if name == "vgg11" else {}))
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.fill_(1.0 / layer.weight[0].numel())
    first = encoder.strides[0]
    for place in (128, 129):
        x = torch.zeros(1, 3, 256, 256, dtype=torch.float64)
        x[..., place, place] = 1
        with torch.no_grad():
            rows = encoder(x)[0][0, 0].sum(1)
        centre = float((rows * torch.arange(len(rows))).sum() / rows.sum()) * first
        stands = centre if encoder.corner_aligned else centre + (first - 1) / 2
        assert abs(stands - place) <= first / 2 + 1e-9, (stands, place)
    assert encoder.corner_aligned == (pool == 3)


@pytest.mark.parametrize("name", encoders.available())
def test_torchvisions_weights_fit_under_the_same_name(name: str) -> None:
    if name not in torchvision.models.list_models():
        with pytest.raises(ValueError, match=f"weights='imagenet' for {name}; torchvision has none"):
            encoders.create(name, width=4, weights="imagenet")
        assert encoders.create(name, width=4).torchvision == ""
        return
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, weights=None).state_dict()
        encoder = encoders.create(name)
    assert encoder.torchvision == name
    heads = ("fc.", "classifier.", *encoder.left_out)
    own, body = encoder.state_dict(), {k: v for k, v in theirs.items() if not k.startswith(heads)}
    assert list(own) == list(body) and all(own[key].shape == body[key].shape for key in own)


def test_weights_by_state_and_by_word(monkeypatch) -> None:
    reference = torchvision.models.resnet18(weights=None)
    filled = encoders.create("resnet18", weights=reference.state_dict())
    assert torch.equal(filled.layer4[1].conv2.weight, reference.layer4[1].conv2.weight)
    asked = []
    monkeypatch.setattr(
        torchvision.models, "get_model", lambda name, weights: asked.append((name, weights)) or reference
    )
    named = encoders.create("resnet18", weights="imagenet", output_stride=8)
    assert asked == [("resnet18", torchvision.models.ResNet18_Weights.DEFAULT)]
    assert torch.equal(named.layer4[1].conv2.weight, reference.layer4[1].conv2.weight)
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]  # for pictures in 0–1
    torch.testing.assert_close(named.conv1.weight * deviation, reference.conv1.weight)
    with pytest.raises(ValueError, match="none were loaded"):
        encoders.create("resnet18", in_channels=1, weights="imagenet")
    with pytest.raises(ValueError, match="weights='imagnet'"):
        encoders.create("resnet18", weights="imagnet")

    def unreachable(name, weights):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "get_model", unreachable)
    with pytest.raises(OSError, match=r"weights for vgg11 \(no route to host\)\. Connect to the network"):
        encoders.create("vgg11", weights="imagenet")


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"no encoder='resnet20' \(did you mean 'resnet"):
        encoders.create("resnet20")
    with pytest.raises(ValueError, match="output_stride=16"):
        encoders.create("alexnet", output_stride=16)
    for stride, name in itertools.product((3, 64, "8"), ("vgg11", *CHEAP)):
        with pytest.raises(ValueError, match=r"output_stride="):
            encoders.create(name, output_stride=stride)
    with pytest.raises(ValueError, match="'plain' needs pool=3"):
        encoders.create("vgg11", beyond="plain")
    unknown = {"resnet50": "batch_norm depth", "vgg11": "colour", "alexnet": "pool", "shufflenet": "between"}
    for name, option in ((name, option) for name, options in unknown.items() for option in options.split()):
        with pytest.raises(ValueError, match=f"{name} takes no option {option}"):
            encoders.create(name, **{option: 3})
    with pytest.raises(ValueError, match="weights=5"):
        encoders.create("vgg11", weights=5)
    for name in ("alexnet", "vgg11", "resnet18", *CHEAP):
        for wrong in ("width", "in_channels"):
            with pytest.raises(ValueError, match=f"{wrong}=0"):
                encoders.create(name, **{wrong: 0})
        with pytest.raises(ValueError, match=r"\(3, 8, 8\); it takes N×3×H×W"):
            small(name)(torch.zeros(3, 8, 8))


def test_create_takes_what_the_design_says() -> None:
    assert list(inspect.signature(encoders.create).parameters)[:5] == [
        "name", "in_channels", "output_stride", "width", "weights",
    ]  # fmt: skip


def test_output_strides_of_numpy_are_numbers() -> None:
    for name in ("vgg11", "resnet18", *CHEAP):
        assert encoders.create(name, output_stride=np.int64(8), width=2).strides == (2, 4, 8, 8, 8)
    finer = encoders.dilate_strides(encoders.create("resnet18", width=2), np.int64(8))
    assert finer.strides == (2, 4, 8, 8, 8) and type(finer.output_stride) is int
    with pytest.raises(TypeError, match="output_stride=True"):
        encoders.create("vgg11", output_stride=True)
