"""Theory against gradients: the field of a unit is the box around the pixels whose gradient is not zero."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torchvision import models as tv

import segkit.models
from segkit.analysis import gradient_footprint, receptive_field
from tests.analysis import networks


def hull(mask: torch.Tensor) -> tuple[int, int, int, int] | None:
    """top, bottom, left, right around the set pixels of a mask."""
    if not mask.any():
        return None
    rows, columns = mask.any(1).nonzero().flatten().tolist(), mask.any(0).nonzero().flatten().tolist()
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def assert_agree(model: nn.Module | list[nn.Module], size: tuple[int, ...], layers: int = 2, seed: int = 0) -> None:
    """At the corners, inside and at random, for the output and some layers chosen at random."""
    chance = random.Random(seed)
    network = model if isinstance(model, nn.Module) else nn.Sequential(*model)
    table = receptive_field(network, size)
    known = dict(network.named_modules())
    names = [name for name in [*table.names, *table.blocks] if name in known and table[name].output_size]
    for name in [*chance.sample(names, min(layers, len(names))), None]:
        row = table["output" if name is None else name]
        h, w = row.output_size or (1, 1)
        for place in {(0, 0), (h - 1, w - 1), (h // 2, w // 3), (chance.randrange(h), chance.randrange(w))}:
            seen = hull(gradient_footprint(network, size, name, place, table=table))
            assert row.box(*place) == seen, f"{row.name} {place}"


SMALL = [
    (networks.Unpooling(3, 1), (44, 37)),
    (networks.Unpooling(2, 0), (45, 36)),
    (networks.Concatenation(crop=True), (41, 38)),
    (networks.Concatenation(crop=False), (41, 38)),
    (networks.WritesIntoSlices(), (21, 30)),
    (networks.Assorted(), (3, 44, 36)),
    (networks.ChannelsLast(), (31, 40)),
    (networks.SplitChannels(), (21, 22)),
    (networks.Rearranged(), (20, 22)),
    (networks.LooksAtValues(), (21, 22)),
    (networks.context_module(), (2, 51, 40)),
    (networks.deeplab_v1(3, 4, 4), (67, 91)),
    (networks.mobilenet_v1(), (97, 65)),
    (networks.pyramid("avg"), (41, 54)),
    (networks.pyramid("max"), (41, 54)),
]


@pytest.mark.parametrize(("model", "size"), SMALL, ids=lambda value: type(value).__name__)
def test_small_networks(model: nn.Module | list[nn.Module], size: tuple[int, ...]) -> None:
    assert_agree(model, size, layers=5)


TORCHVISION = [
    (lambda: tv.resnet18(weights=None), (45, 83)),
    (lambda: tv.squeezenet1_1(weights=None), (97, 131)),
    (lambda: tv.shufflenet_v2_x0_5(weights=None), (97, 131)),
    (lambda: tv.mobilenet_v3_small(weights=None), (97, 131)),
    (lambda: tv.googlenet(weights=None, aux_logits=False, init_weights=False), (33, 51)),
    (lambda: tv.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None), (35, 61)),
    (lambda: tv.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None), (35, 49)),
]


@pytest.mark.parametrize(("build", "size"), TORCHVISION)
def test_torchvision(build, size: tuple[int, int]) -> None:
    assert_agree(build(), size)


@pytest.mark.parametrize("name", segkit.models.available())
@pytest.mark.parametrize("size", [(64, 96), (45, 71)])
def test_every_model_of_segkit(name: str, size: tuple[int, int]) -> None:
    options = segkit.models.options(name)
    fewer = {"encoder": "resnet18"} if str(options.get("encoder")).startswith("resnet") else {}  # layers: enough here
    fewer |= {"modules": (1, 1, 1)} if "modules" in options else {}
    model = segkit.models.create(name, num_classes=3, width=2, **fewer)
    assert_agree(model, size)


def test_torchvisions_resnet50_sees_427_pixels_not_483() -> None:
    """Not only the recursion says so: on a picture that is large enough, so do the gradients."""
    model = tv.resnet50(weights=None)
    table = receptive_field(model, (5, 447))
    seen = hull(gradient_footprint(model, (5, 447), "layer4", (0, 6), table=table))
    row = table["layer4"]
    assert row.receptive_field[1] == 427 and seen == row.box(0, 6)
    assert row.box(0, 6, clip=False)[2:] == (6 * 32 - 213, 6 * 32 + 214)


def test_a_wrong_field_would_be_noticed() -> None:
    """The check itself can fail: another dilation has another footprint."""
    small, large = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 2, 3, padding=2, dilation=2)
    box = receptive_field(small, 15)[0].box(7, 7)
    assert box == hull(gradient_footprint(small, 15, position=(7, 7)))
    assert box != hull(gradient_footprint(large, 15, position=(7, 7)))


def test_footprint_shows_the_holes_of_dilation() -> None:
    mask = gradient_footprint(nn.Conv2d(3, 2, 3, dilation=2), 9, position=(2, 2))
    assert int(mask.sum()) == 9 and hull(mask) == (2, 7, 2, 7)


def test_max_pooling_counts_its_whole_window() -> None:
    mask = gradient_footprint([nn.MaxPool2d(3, 2, 1, ceil_mode=True)], 10, position=(5, 2))
    assert hull(mask) == (9, 10, 3, 6) and int(mask.sum()) == 3


class Warped(nn.Module):
    """A map read along a flow, as SFSegNet reads one."""

    def __init__(self, fixed: bool = False) -> None:
        super().__init__()
        self.conv, self.flow, self.fixed = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 2, 5, padding=2), fixed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flow = self.flow(x).movedim(1, -1)
        return nn.functional.grid_sample(
            self.conv(x), torch.zeros_like(flow) if self.fixed else flow, align_corners=False
        )


def test_a_flow_may_point_anywhere() -> None:
    assert_agree(Warped(), (21, 30))
    row = receptive_field(Warped(), (21, 30))["output"]
    assert row.whole and row.box(0, 0) == (0, 21, 0, 30)
    with pytest.raises(ValueError, match=r"there is no rule for aten\.grid_sampler_2d\.default at places that do not"):
        receptive_field(Warped(fixed=True), (21, 30))


class Chosen(nn.Module):
    """Some columns of a map, the most promising ones, are computed once more and put back."""

    def __init__(self, known: bool = False) -> None:
        super().__init__()
        self.conv, self.again, self.known = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Conv2d(4, 4, (3, 1), padding=(1, 0)),
            known,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        promising = x.mean((1, 2))  # N, W
        where = promising.topk(2, 1).indices
        where = torch.zeros_like(where) if self.known else torch.arange(x.shape[3])[where]
        where = where[:, None, None].expand(-1, *x.shape[1:3], -1)
        return x.scatter(3, where, self.again(x.gather(3, where)))


def test_a_chosen_column_may_be_any() -> None:
    assert_agree(Chosen(), (12, 15))
    assert receptive_field(Chosen(), (12, 15))["output"].box(3, 4) == (0, 12, 0, 15)
    with pytest.raises(ValueError, match=r"there is no rule for aten\.scatter\.src to places that do not depend"):
        receptive_field(Chosen(known=True), (12, 15))
