"""U-Net (Ronneberger, Fischer & Brox 2015): climb back with the finer maps beside you.

  picture ── 64 ───────────────── crop, concatenate ───────────────── 64 ── logits      level 1
              └ pool ── 128 ────── crop, concatenate ───── 128 ── up ──┘                 level 2
                         └ pool ── …                … ── up ──┘                          level 3, 4
                                    └ pool ── 1024 ──┘                                   level 5

Reference: "U-Net: Convolutional networks for biomedical image segmentation", MICCAI 2015 (arXiv 1505.04597).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.engine import engine
from segkit.layers import Conv2d, ConvTranspose2d
from segkit.models.pictures import picture_size
from segkit.ops.arguments import whole

PADDINGS, UPS, SKIPS = ("valid", "same"), ("transposed", "bilinear"), ("concat", "sum", "none")


class UNet(nn.Module):
    """U-Net, with 'valid' convolutions as in the paper or with padded ones.

    Args:
        num_classes: number of classes K, void not counted.
        width: channels of the first level, doubled at each level; 64 is the paper's size, 8 to 16 the course's.
        levels: how many sizes the maps have, 2 or more; 5 in the paper, four poolings.
        padding: "valid", the paper's: every 3×3 convolution eats a border of one pixel, no score is computed from a
            made-up zero, and the picture is first continued outwards by its mirror image so that the scores cover all
            of it. "same": each convolution pads with zeros; several times cheaper on small pictures.
        batch_norm: BatchNorm after each 3×3 convolution, which then has no bias; it trains in minutes then.
        up: the up-convolution, which doubles the size and halves the channels: "transposed", a transposed 2×2
            convolution, or "bilinear", interpolation and then a 2×2 convolution; both have the same parameters.
        skip: what happens to the finer map on the way up: "concat", the paper's; "sum", added, which spares the first
            convolution of each level half its weights; "none", thrown away, for comparison.
        dropout: probability of dropping a value at the end of the contracting path, after its last two levels.
        in_channels: channels of the picture; 1 for the paper's electron microscopy.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1.

    Raises:
        ValueError: a choice that is not there, or a number below what it counts.

    Source:
        U-Net, section 2 and Figure 1; mirrored borders ("overlap-tile") Figure 2; dropout section 3.1.

    Differs from the paper:
        BatchNorm, which it does not have (`batch_norm=False` leaves it out). `forward` adds the mirrored border and
        cuts the scores to the picture; `raw` is the network of Figure 1. With "same", poolings round up and the
        upsampled map is cut to its skip, so that an odd size loses no row.
    """

    def __init__(
        self,
        num_classes: int,
        width: int = 64,
        levels: int = 5,
        padding: str = "valid",
        batch_norm: bool = True,
        up: str = "transposed",
        skip: str = "concat",
        dropout: float = 0.5,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        for name, value, known in (("padding", padding, PADDINGS), ("up", up, UPS), ("skip", skip, SKIPS)):
            if value not in known:
                raise ValueError(f"UNet got {name}={value!r}; it is one of {', '.join(known)}")
        for name, number, least in (
            ("num_classes", num_classes, 1), ("width", width, 1), ("levels", levels, 2), ("in_channels", in_channels, 1)
        ):  # fmt: skip
            whole(number, name, "UNet", least)
        self.num_classes, self.in_channels, self.levels = num_classes, in_channels, levels
        self.padding, self.skip = padding, skip
        channels = [width * 2**i for i in range(levels)]
        margin = int(padding == "same")
        self.contracting = nn.ModuleList(
            _double(before, after, margin, batch_norm)
            for before, after in zip([in_channels, *channels], channels, strict=False)
        )
        self.drop = nn.Dropout(dropout)
        climbs = list(zip(channels[:0:-1], channels[-2::-1], strict=True))  # 1024 → 512, 512 → 256, …
        self.up = nn.ModuleList(UpConvolution(before, after, up) for before, after in climbs)
        self.expansive = nn.ModuleList(
            _double(2 * after if skip == "concat" else after, after, margin, batch_norm) for _, after in climbs
        )
        self.score = Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(x)["logits"]

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Logits at the picture's size, and the coarsest map.

        Returns:
            "logits" N×K×H×W; "bottom" N×width·2^(levels−1)×h×w, in "valid" that of the mirrored picture.
        """
        H, W = picture_size(x, "UNet", self.in_channels)
        if self.padding == "same":
            return self._climb(x)
        (tall, _), (wide, _) = self.tile_size(H), self.tile_size(W)
        border = self.border
        x = mirrored(x, border, wide - W - border, border, tall - H - border)  # N, C, tall, wide
        out = self._climb(x)
        return {**out, "logits": out["logits"][..., :H, :W]}  # N, K, H, W

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
        """The smallest side of an input whose scores cover so many pixels, and the side of its scores: (572, 388)."""
        if self.padding == "same":
            return cover, cover
        step = 2 ** (self.levels - 1)
        bottom = -(-(cover + 4 * (step - 1)) // step)  # side of the coarsest map after its two convolutions
        scores = step * bottom - 4 * (step - 1)
        return scores + 2 * self.border, scores

    def _climb(self, x: Tensor) -> dict[str, Tensor]:
        """Down the contracting path and up the expansive one."""
        skips = []
        for level, convolve in enumerate(self.contracting):
            if level:
                x = engine().max_pool2d(x, 2, 2, ceil_mode=True)  # N, C, H/2, W/2
            x = convolve(x)  # N, width·2^level, H, W; "valid" leaves H − 4, W − 4
            if level >= self.levels - 2:
                x = self.drop(x)
            skips.append(x)
        bottom = skips.pop()
        for up, convolve in zip(self.up, self.expansive, strict=True):
            x = self._join(up(x), skips.pop())
            x = convolve(x)  # N, C/2, 2H, 2W; "valid" leaves 2H − 4, 2W − 4
        return {"logits": self.score(x), "bottom": bottom}  # N, K, H, W

    def _join(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Bring both maps to one size, then concatenate or add; in "valid" the finer one is larger, in "same" never."""
        if self.padding == "same":
            coarse = coarse[..., : fine.shape[-2], : fine.shape[-1]]  # N, C, H, W: cut what rounding up added
        if self.skip == "none":
            return coarse
        fine = centre_crop(fine, coarse.shape[-2], coarse.shape[-1])
        return torch.cat([fine, coarse], 1) if self.skip == "concat" else fine + coarse


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
            x = F.pad(x, (0, 1, 0, 1), mode="replicate")  # N, C, 2H + 1, 2W + 1
        return self.conv(x)  # N, out, 2H, 2W


def mirrored(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """Continue a picture outwards by its mirror image, as often as it takes; the border itself is not repeated.

    Args:
        x: the picture; one row or column alone is repeated.
        left, right, top, bottom: pixels to add on each side, 0 or more, any number of times the picture's size.

    Shape:
        N×C×H×W → N×C×(top + H + bottom)×(left + W + right).

    Source:
        U-Net, Figure 2: missing data is extrapolated by mirroring.
    """
    periods = [max(n - 1, 1) for n in x.shape[-2:]]  # the picture ends in a mirror after every so many rows, columns
    while left or right or top or bottom:
        H, W = x.shape[-2:]
        tall, wide = (max((n - 1) // p, 1) * p for n, p in zip((H, W), periods, strict=True))
        now = min(left, wide), min(right, wide), min(top, tall), min(bottom, tall)
        for sides, size in (((*now[:2], 0, 0), W), ((0, 0, *now[2:]), H)):
            if any(sides):
                x = F.pad(x, sides, mode="reflect" if size > 1 else "replicate")  # N, C, H + …, W + …
        left, right, top, bottom = left - now[0], right - now[1], top - now[2], bottom - now[3]
    return x


def centre_crop(x: Tensor, height: int, width: int) -> Tensor:
    """The middle of a map: the paper's "copy and crop"; a map that is already of this size comes back as it is."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


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
