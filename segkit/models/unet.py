"""U-Net (Ronneberger, Fischer & Brox 2015): climb back with the finer maps beside you.

  picture ── 64 ───────────────── crop, concatenate ───────────────── 64 ── logits      level 1
              └ pool ── 128 ────── crop, concatenate ───── 128 ── up ──┘                 level 2
                         └ pool ── …                … ── up ──┘                          level 3, 4
                                    └ pool ── 1024 ──┘                                   level 5

Reference: "U-Net: Convolutional networks for biomedical image segmentation", MICCAI 2015 (arXiv 1505.04597).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segkit import encoders
from segkit.checks import finite, whole
from segkit.encoders.encoder import picture_size
from segkit.engine import engine
from segkit.layers import Conv2d, ConvTranspose2d
from segkit.layers.borders import centre_crop, cut, last_again, mirrored
from segkit.models.base import Model, register

PADDINGS, UPS, SKIPS = ("valid", "same"), ("transposed", "bilinear"), ("concat", "sum", "none")


@register("unet")
class UNet(Model):
    """U-Net, with 'valid' convolutions as in the paper or with padded ones, on its own contracting path or an encoder.

    Args:
        num_classes: number of classes K, void not counted.
        width: channels of the first level, doubled at each level; 64 is the paper's size, 8 to 16 the course's. With an
            encoder: its width.
        levels: how many sizes the maps have, 2 or more; 5 in the paper, with four poolings.
        padding: "valid", the paper's: every 3×3 convolution eats a border of one pixel, no score is computed from a
            made-up zero, and the picture is first continued outwards by its mirror image so that the scores cover all
            of it. "same": each convolution pads with zeros; several times cheaper on small pictures. None: "valid",
            or "same" with an encoder, which pads.
        batch_norm: BatchNorm after each 3×3 convolution, which then has no bias; the network trains in minutes. It
            holds for a VGG encoder too; a ResNet has its own in any case.
        up: the up-convolution, which doubles the size and halves the channels: "transposed", a transposed 2×2
            convolution, or "bilinear", interpolation and then a 2×2 convolution; both have the same parameters.
        skip: what happens to the finer map on the way up: "concat", the paper's; "sum", added, which spares the first
            convolution of each level half its weights; "none", thrown away, for comparison.
        dropout: probability of dropping a value at the end of the contracting path, after its last two levels.
        in_channels: channels of the picture; 1 for the paper's electron microscopy.
        encoder: None for the paper's contracting path; or an encoder with five maps, such as "resnet18" or "vgg16":
            its maps are the skips, and one more step leads from stride 2 to the picture.
        decoder_channels: with an encoder, the channels after each of the five steps up; None for those of the skips,
            and half of the last for the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "bottom", the coarsest map, N×width·2^(levels−1)×h×w, in "valid" that
        of the mirrored picture.

    Raises:
        ValueError: a choice that does not exist, or a number that is too small.

    Source:
        U-Net, section 2 and Figure 1; mirrored borders ("overlap-tile") Figure 2; dropout section 3.1.

    Differs from the paper:
        BatchNorm (`batch_norm=False` leaves it out). `forward` adds the mirrored border and
        cuts the scores to the picture; `raw` is the network of Figure 1. With "same", poolings round up and the
        upsampled map is cut to its skip, so that an odd size loses no row. The paper has no other encoder. As in its
        text, no ReLU follows the up-convolution; the network that its authors released has one there.
    """

    def __init__(
        self,
        num_classes: int,
        width: int = 64,
        levels: int = 5,
        padding: str | None = None,
        batch_norm: bool = True,
        up: str = "transposed",
        skip: str = "concat",
        dropout: float = 0.5,
        in_channels: int = 3,
        encoder: str | None = None,
        decoder_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        padding = ("same" if encoder else "valid") if padding is None else padding
        for name, value, known in (("padding", padding, PADDINGS), ("up", up, UPS), ("skip", skip, SKIPS)):
            if value not in known:
                raise ValueError(f"UNet got {name}={value!r}; it is one of {', '.join(known)}")
        num_classes, width, levels, in_channels = (
            whole(number, name, "UNet", least)
            for name, number, least in (
                ("num_classes", num_classes, 1), ("width", width, 1), ("levels", levels, 2),
                ("in_channels", in_channels, 1),
            )
        )  # fmt: skip
        self.num_classes, self.in_channels, self.levels = num_classes, in_channels, levels
        self.padding, self.skip = padding, skip
        channels = [width * 2**i for i in range(levels)]
        margin = int(padding == "same")
        self.encoder = None
        if encoder is None:
            self.contracting = nn.ModuleList(
                _double(before, after, margin, batch_norm)
                for before, after in zip([in_channels, *channels], channels, strict=False)
            )
            climbs = [(before, after, after) for before, after in zip(channels[:0:-1], channels[-2::-1], strict=True)]
        else:
            name = encoders.with_batch_norm(encoder, batch_norm)
            self.encoder = _encoder(name, in_channels, width, levels, padding)
            climbs = _climbs(self.encoder.channels, decoder_channels)
        if encoder is None and decoder_channels is not None:
            raise ValueError(
                "UNet got decoder_channels without an encoder; give encoder=… as well, or leave decoder_channels out"
            )
        self.drop = nn.Dropout(finite(dropout, "dropout", "UNet", 0, 1))
        self.up = nn.ModuleList(UpConvolution(before, after, up) for before, _, after in climbs)
        if skip == "sum" and any(fine not in (0, after) for _, fine, after in climbs):
            raise ValueError("UNet got skip='sum' and decoder_channels unlike the encoder's; leave these out")
        self.expansive = nn.ModuleList(
            _double(after + fine if skip == "concat" else after, after, margin, batch_norm) for _, fine, after in climbs
        )
        self.score = Conv2d(climbs[-1][-1], num_classes, 1)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        if self.padding == "same":
            return self._climb(x)
        H, W = x.shape[-2:]
        (tall, _), (wide, _) = self.tile_size(H), self.tile_size(W)
        border = self.border
        return self._climb(mirrored(x, border, wide - W - border, border, tall - H - border))  # of N, C, tall, wide

    def raw(self, x: Tensor) -> Tensor:
        """The network as Figure 1 draws it, without the mirrored border: 572×572 → 388×388 in "valid".

        Shape:
            "valid": N×C×H×W → N×K×(H − 2·border)×(W − 2·border), H and W such that every pooling meets an even size;
            `tile_size` finds them. "same": N×C×H×W → N×K×H×W.

        Raises:
            ValueError: a size at which a pooling of "valid" would meet an odd map.
        """
        picture_size(x, "UNet", self.in_channels)
        if self.padding == "valid":
            for n in x.shape[-2:]:
                fitting = self.tile_size(max(n - 2 * self.border, 1))[0]
                if fitting != n:
                    raise ValueError(
                        f"UNet.raw got a picture of {x.shape[-2]}×{x.shape[-1]}; with {self.levels} levels each side "
                        f"must be {fitting} or differ from it by a multiple of {2 ** (self.levels - 1)} (at least "
                        f"{self.tile_size(1)[0]}), so that each pooling meets an even size"
                    )
        return self._climb(x)["logits"]

    @property
    def border(self) -> int:
        """Pixels that "valid" convolutions eat on each side: 92 at five levels."""
        return 6 * 2 ** (self.levels - 1) - 4 if self.padding == "valid" else 0

    def tile_size(self, cover: int) -> tuple[int, int]:
        """The smallest side of an input whose scores cover this many pixels, and the side of its scores: (572, 388)."""
        if self.padding == "same":
            return cover, cover
        step = 2 ** (self.levels - 1)
        bottom = (cover + 5 * (step - 1)) // step  # side of the coarsest map after its two convolutions
        scores = step * bottom - 4 * (step - 1)
        return scores + 2 * self.border, scores

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        if self.encoder is not None or self.padding == "valid":  # "valid" widens the picture by its border
            return super()._coarsest()
        return [(2 ** (self.levels - 1), self.contracting, "contracting path")]

    def _climb(self, x: Tensor) -> dict[str, Tensor]:
        """Down the contracting path and up the expansive one."""
        skips = self._contract(x)
        bottom = skips.pop()
        size, x = (x.shape[-2], x.shape[-1]), bottom
        for up, convolve in zip(self.up, self.expansive, strict=True):
            x = convolve(self._join(up(x), skips.pop(), size))  # N, C/2, 2H, 2W; "valid" leaves 2H − 4, 2W − 4
        return {"logits": self.score(x), "bottom": bottom}  # N, K, H, W

    def _contract(self, x: Tensor) -> list[Any]:
        """The way down: the map of each level, finest first; an encoder has none of the picture's size."""
        if self.encoder is not None:
            maps = self.encoder(x)
            return [None, *maps[:-2], *map(self.drop, maps[-2:])]
        maps = []
        for level, convolve in enumerate(self.contracting):
            if level:
                x = engine().max_pool2d(x, 2, 2, ceil_mode=True)  # N, C, H/2, W/2
            x = convolve(x)  # N, width·2^level, H, W; "valid" leaves H − 4, W − 4
            if level >= self.levels - 2:
                x = self.drop(x)
            maps.append(x)
        return maps

    def _join(self, coarse: Tensor, fine: Tensor | None, size: tuple[int, int]) -> Tensor:
        """Bring both maps to one size, then concatenate or add; in "valid" the finer one is larger, in "same" never.

        Where there is no finer map (an encoder has none of the picture's size) only the rows and columns that rounding
        up added are cut.
        """
        if self.padding == "same":
            H, W = size if fine is None else fine.shape[-2:]
            coarse = cut(coarse, H, W)  # N, C, H, W: cut what rounding up added
        if self.skip == "none" or fine is None:
            return coarse
        fine = centre_crop(fine, coarse.shape[-2], coarse.shape[-1])
        return torch.cat([fine, coarse], 1) if self.skip == "concat" else fine + coarse


def _encoder(name: str, in_channels: int, width: int, levels: int, padding: str) -> encoders.Encoder:
    """An encoder whose five maps can be the skips."""
    if levels != 5 or padding != "same":
        raise ValueError(f"UNet got levels={levels}, padding={padding!r} for {name}; leave both out")
    encoder = encoders.create(name, in_channels, width=width)
    if encoder.strides != (2, 4, 8, 16, 32):
        raise ValueError(f"UNet got encoder={name!r} with strides {encoder.strides}; it needs 2, 4, 8, 16, 32")
    return encoder


def _climbs(channels: Sequence[int], chosen: Sequence[int] | None) -> list[tuple[int, int, int]]:
    """Channels before, of the skip (0 for none), and after each step from the last map to the picture."""
    fine = [*reversed(channels[:-1]), 0]
    chosen = [*fine[:-1], max(fine[-2] // 2, 1)] if chosen is None else chosen
    after = [whole(channels, "decoder_channels", "UNet", 1) for channels in chosen]
    if len(after) != len(fine):
        raise ValueError(f"UNet got decoder_channels={after}; give {len(fine)}, one for each step up")
    return list(zip([channels[-1], *after], fine, after, strict=False))


class UpConvolution(nn.Module):
    """The paper's "up-convolution": twice the size, another number of channels.

    Args:
        channels, out: channels before and after.
        up: "transposed": each pixel stamps a 2×2 block, no two overlap. "bilinear": interpolate, then a 2×2 convolution
            for which the last row and column are repeated once.

    Shape:
        N×channels×H×W → N×out×2H×2W.

    Source:
        U-Net, section 2.
    """

    def __init__(self, channels: int, out: int, up: str) -> None:
        super().__init__()
        self.bilinear = up == "bilinear"
        self.conv = Conv2d(channels, out, 2) if self.bilinear else ConvTranspose2d(channels, out, 2, 2)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        if self.bilinear:
            x = engine().interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)  # N, C, 2H, 2W
            x = last_again(x)  # N, C, 2H + 1, 2W + 1
        return self.conv(x)  # N, out, 2H, 2W


def _double(channels: int, out: int, padding: int, batch_norm: bool) -> nn.Sequential:
    """Two 3×3 convolutions, each with BatchNorm where asked for, and ReLU; weights from N(0, 2/fan-in), section 3."""
    layers: list[nn.Module] = []
    for before in (channels, out):
        conv = Conv2d(before, out, 3, padding=padding, bias=not batch_norm)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        layers += [conv, *([nn.BatchNorm2d(out)] if batch_norm else []), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
