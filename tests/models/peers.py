"""Networks of other packages with our weights in them: how layers are paired, and how answers are compared."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

MMSEG = (
    "pip install --no-deps mmsegmentation==1.2.2 mmengine==0.10.7 mmcv-lite==2.1.0 addict yapf termcolor ftfy regex "
    "opencv-python-headless rich, into its own environment: remove the package `tests` that comes with it"
)
NORM = {"type": "BN"}


def mmseg(monkeypatch: pytest.MonkeyPatch, place: str) -> Any:
    """A module of mmsegmentation's models; without the package the test is skipped, and the reason says how to get it.

    Args:
        place: such as "decode_heads.da_head".
    """
    monkeypatch.setitem(sys.modules, "mmcv._ext", MagicMock())  # compiled operators, of which these networks need none
    pytest.importorskip("mmseg", reason=MMSEG)
    return importlib.import_module(f"mmseg.models.{place}")


def from_corners(x: Tensor, size: Any = None, scale_factor: int | None = None, **_: Any) -> Tensor:
    """In the place of their enlargements, with ours: corners fall on corners, and so f·n cells become f·(n − 1) + 1.

    DDRNet counts H // 8 cells at stride 8 where a picture of 64k + 1 pixels has one more.
    """
    h, w = ((n - 1) * (scale_factor or 1) + 1 for n in x.shape[-2:]) if size is None else (int(n) | 1 for n in size)
    return F.interpolate(x, (h, w), mode="bilinear", align_corners=True)


def resized_from_corners(input: Tensor, size: Any = None, scale_factor: int | None = None, **told: Any) -> Tensor:
    """The same by mmsegmentation's names."""
    return from_corners(input, size, scale_factor, **told)


class FromCorners(nn.Module):
    """The same as a layer."""

    def __init__(self, scale_factor: int, **_: Any) -> None:
        super().__init__()
        self.factor = int(scale_factor)

    def forward(self, x: Tensor) -> Tensor:
        return from_corners(x, scale_factor=self.factor)


def leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Layers with numbers, in the order in which they run: mmcv's ConvModule keeps its convolution first always."""
    if getattr(module, "order", ("conv",))[0] == "norm":
        yield from (module.norm, module.conv)  # type: ignore[misc]
    elif not list(module.children()):
        yield from [module] if module.state_dict() else []
    else:
        for child in module.children():
            yield from leaves(child)


def transplant(ours: Iterable[nn.Module], theirs: Iterable[nn.Module]) -> None:
    """Lively numbers into our layers, and the same into theirs, layer by layer in this order.

    Where theirs has no bias because BatchNorm follows, ours becomes zero.
    """
    mine, others = ([leaf for module in modules for leaf in leaves(module)] for modules in (ours, theirs))
    for a, b in zip(mine, others, strict=True):
        stir(a)
        given, wanted = a.state_dict(keep_vars=True), b.state_dict(keep_vars=True)
        assert wanted.keys() <= given.keys() and given.keys() - wanted.keys() <= {"bias"}, (a, b)
        for name, number in given.items():
            with torch.no_grad():
                wanted[name].copy_(number.view_as(wanted[name])) if name in wanted else number.zero_()


@torch.no_grad()
def stir(module: nn.Module) -> nn.Module:
    """Numbers under which every layer counts, and none makes values grow."""
    for number in module.state_dict(keep_vars=True).values():
        if number.is_floating_point():
            nn.init.uniform_(number, 0.2, 0.6) if number.ndim < 2 else nn.init.kaiming_normal_(number)
    return module


def same(ours: Tensor, theirs: Tensor) -> None:
    """Equal within 1e-9 of the largest, and not the same everywhere."""
    largest = float(theirs.abs().max())
    assert float(theirs.std((2, 3)).max()) > 1e-3 * largest
    torch.testing.assert_close(ours, theirs.view_as(ours), rtol=0, atol=1e-9 * largest)
