"""ENet (Paszke, Chaurasia, Kim & Culurciello 2016): as little arithmetic as street scenes can do with.

  stage     map    channels   bottlenecks
  initial   1/2    16         a convolution of stride 2 beside a pooling of the picture itself
  1         1/4    64         down, 4 regular
  2         1/8    128        down, 2 regular, 2 asymmetric, 4 dilated by 2, 4, 8, 16, in turn
  3         1/8    128        stage 2 again, without going down
  4         1/4    64         up (to where the maxima stood), 2 regular
  5         1/2    16         up (to where the maxima stood), 1 regular
  fullconv  1      K

Reference: "ENet: A deep neural network architecture for real-time semantic segmentation", arXiv 1606.02147, Table 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.engine import engine
from segkit.layers import Conv2d, ConvTranspose2d, PReLU
from segkit.layers.borders import cut
from segkit.models.base import Model, register

ACTIVATIONS, DECODERS = ("prelu", "relu"), ("small", "mirror")
STAGE = ("regular", "dilated 2", "asymmetric", "dilated 4", "regular", "dilated 8", "asymmetric", "dilated 16")


@register("enet")
class ENet(Model):
    """ENet, with its authors' design choices as options, to see what each is worth.

    Args:
        num_classes: number of classes K, void not counted.
        width: channels of the initial block; stages have 4 and 8 times as many. 16 is the paper's size, 4 to 8 the
            course's.
        activation: "prelu", the paper's, one learned slope per channel; or "relu".
        asymmetric: 5×5 convolutions as 5×1 and 1×5, as in the paper; False: as 5×5.
        decoder: "small", the paper's: it only enlarges and tunes details. "mirror": as large as the encoder, stages
            3, 2 and 1 once more in reverse order on the way up, as SegNet has it.
        early_downsampling: True, the paper's: the initial block halves the picture. False: it keeps the size, so every
            stage works at twice the resolution, at four times the arithmetic; the last layer then enlarges nothing.
        dropout: probability of dropping a whole map at the end of each bottleneck of stages 2 and later; a tenth of it
            in stage 1.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "bottom" N×8·width×⌈H/8⌉×⌈W/8⌉ (H/4, W/4 without early downsampling),
        what the encoder hands to the decoder.

    Raises:
        ValueError: a choice that is not there, or a number below 1.

    Source:
        ENet, section 3, Figure 2 and Table 1; the reasons for the choices in section 4.

    Differs from the paper:
        it trains the encoder first, alone; here all is trained at once. Poolings round up and strided convolutions pad
        an odd map by one, so that any size fits. The initial block has as many maps of its own as are missing to
        `width` (13 of 16), at least one.
    """

    def __init__(
        self,
        num_classes: int,
        width: int = 16,
        activation: str = "prelu",
        asymmetric: bool = True,
        decoder: str = "small",
        early_downsampling: bool = True,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        for name, value, known in (("activation", activation, ACTIVATIONS), ("decoder", decoder, DECODERS)):
            if value not in known:
                raise ValueError(f"ENet got {name}={value!r}; it is one of {', '.join(known)}")
        num_classes, width, in_channels = (
            whole(number, name, "ENet", 1)
            for name, number in (("num_classes", num_classes), ("width", width), ("in_channels", in_channels))
        )
        self.num_classes, self.in_channels = num_classes, in_channels
        self.initial = Initial(in_channels, width, activation, 2 if early_downsampling else 1)
        small, middle, large = self.initial.channels, 4 * width, 8 * width

        dropout = finite(dropout, "dropout", "ENet", 0, 1)

        def stage(channels: int, kinds: tuple[str, ...], rate: float = dropout) -> list[nn.Module]:
            return [Bottleneck(channels, kind, activation, asymmetric, rate) for kind in kinds]

        self.down1 = Down(small, middle, activation, dropout / 10)
        self.stage1 = nn.Sequential(*stage(middle, ("regular",) * 4, dropout / 10))
        self.down2 = Down(middle, large, activation, dropout)
        self.stage2 = nn.Sequential(*stage(large, STAGE))
        self.stage3 = nn.Sequential(*stage(large, STAGE))
        mirror = decoder == "mirror"
        self.mirrored = nn.Sequential(*stage(large, STAGE[::-1] * 2 if mirror else ()))  # stages 3 and 2, backwards
        self.up4 = Up(large, middle, activation, dropout)
        self.stage4 = nn.Sequential(*stage(middle, ("regular",) * (4 if mirror else 2)))
        self.up5 = Up(middle, small, activation, dropout)
        self.stage5 = nn.Sequential(*stage(small, ("regular",)))
        last = ConvTranspose2d(small, num_classes, 2, 2) if early_downsampling else Conv2d(small, num_classes, 1)
        self.fullconv = last

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        x = self.initial(x)  # N, width, H/2, W/2
        half = x.shape[-2], x.shape[-1]
        x, indices1 = self.down1(x)  # N, 4·width, H/4, W/4
        x = self.stage1(x)
        quarter = x.shape[-2], x.shape[-1]
        x, indices2 = self.down2(x)  # N, 8·width, H/8, W/8
        bottom = self.stage3(self.stage2(x))
        x = self.up4(self.mirrored(bottom), indices2, quarter)  # N, 4·width, H/4, W/4
        x = self.up5(self.stage4(x), indices1, half)  # N, width, H/2, W/2
        x = self.fullconv(self.stage5(x))  # N, K, H, W
        return {"logits": x, "bottom": bottom}


class Initial(nn.Module):
    """The first block: a few learned maps beside the picture itself, both at half the size.

    Args:
        in_channels: channels of the picture; they are handed on.
        width: channels in all, where that leaves at least one map to learn.
        activation: "prelu" or "relu".
        stride: 2; or 1, which keeps the picture's size.

    Shape:
        N×C×H×W → N×channels×⌈H/stride⌉×⌈W/stride⌉, channels = max(width, C + 1).

    Source:
        ENet, Figure 2a.
    """

    def __init__(self, in_channels: int, width: int, activation: str, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = max(width, in_channels + 1), stride
        self.conv = Conv2d(in_channels, self.channels - in_channels, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(self.channels)
        self.act = _activation(activation, self.channels)

    def forward(self, x: Tensor) -> Tensor:
        seen = x if self.stride == 1 else engine().max_pool2d(x, 2, 2, ceil_mode=True)  # N, C, H/2, W/2
        return self.act(self.norm(torch.cat([self.conv(x), seen], 1)))  # N, channels, H/2, W/2


class Bottleneck(nn.Module):
    """Narrow, convolve, widen, and add what came in.

    Args:
        channels: of the map; a quarter of them are convolved.
        kind: "regular" (3×3), "dilated 2" to "dilated 16" (3×3 at that rate), "asymmetric" (5×1, then 1×5).
        activation: "prelu" or "relu".
        asymmetric: False makes the kind "asymmetric" one 5×5 convolution.
        dropout: probability of dropping a map of the extension.

    Shape:
        N×channels×H×W → the same.

    Source:
        ENet, Figure 2b; no projection has a bias.
    """

    def __init__(self, channels: int, kind: str, activation: str, asymmetric: bool, dropout: float) -> None:
        super().__init__()
        inner = max(channels // 4, 1)
        name, _, rate = kind.partition(" ")
        dilation = int(rate or 1)
        if name != "asymmetric":
            convolve: list[nn.Module] = [Conv2d(inner, inner, 3, padding=dilation, dilation=dilation)]
        elif asymmetric:
            convolve = [
                Conv2d(inner, inner, (5, 1), padding=(2, 0), bias=False),
                Conv2d(inner, inner, (1, 5), padding=(0, 2)),
            ]
        else:
            convolve = [Conv2d(inner, inner, 5, padding=2)]
        self.extension = _extension(channels, channels, activation, dropout, convolve)
        self.act = _activation(activation, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x + self.extension(x))


class Down(nn.Module):
    """The bottleneck that halves the map: it adds to a pooled copy, filled up with channels of zeros.

    Shape:
        N×channels×H×W → N×out×⌈H/2⌉×⌈W/2⌉, and the pooling's indices N×channels×⌈H/2⌉×⌈W/2⌉.

    Source:
        ENet, Figure 2b and section 3.
    """

    def __init__(self, channels: int, out: int, activation: str, dropout: float) -> None:
        super().__init__()
        inner = max(out // 4, 1)
        self.new_channels = out - channels
        convolve: list[nn.Module] = [Conv2d(inner, inner, 3, padding=1)]
        self.extension = _extension(channels, out, activation, dropout, convolve, stride=2)
        self.act = _activation(activation, out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        H, W = x.shape[-2:]
        pooled, indices = engine().max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)  # N, channels, H/2, W/2
        main = F.pad(pooled, (0, 0, 0, 0, 0, self.new_channels))  # N, out, H/2, W/2
        extension = self.extension(F.pad(x, (0, W % 2, 0, H % 2)))  # N, out, H/2, W/2
        return self.act(main + extension), indices


class Up(nn.Module):
    """The bottleneck that doubles the map: it adds to a copy that went back to where the maxima stood.

    Shape:
        N×channels×h×w, indices N×out×h×w and a size (H, W) of which h, w are the rounded-up halves → N×out×H×W.

    Source:
        ENet, section 3: unpooling for pooling, a convolution for the padding.
    """

    def __init__(self, channels: int, out: int, activation: str, dropout: float) -> None:
        super().__init__()
        inner = max(out // 4, 1)
        self.main = nn.Sequential(Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        full = ConvTranspose2d(inner, inner, 3, 2, padding=1, output_padding=1)
        self.extension = _extension(channels, out, activation, dropout, [full])
        self.act = _activation(activation, out)

    def forward(self, x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
        main = engine().max_unpool2d(self.main(x), indices, 2, 2, output_size=size)  # N, out, H, W
        extension = cut(self.extension(x), *size)  # N, out, H, W
        return self.act(main + extension)


def _extension(
    channels: int, out: int, activation: str, dropout: float, convolve: list[nn.Module], stride: int = 1
) -> nn.Sequential:
    """The narrow branch: 1×1 (2×2 of stride 2 on the way down), the convolution itself, 1×1, and dropout of maps."""
    inner = max(out // 4, 1)
    return nn.Sequential(
        Conv2d(channels, inner, stride, stride, bias=False),
        nn.BatchNorm2d(inner),
        _activation(activation, inner),
        *convolve,
        nn.BatchNorm2d(inner),
        _activation(activation, inner),
        Conv2d(inner, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.Dropout2d(dropout),
    )


def _activation(name: str, channels: int) -> nn.Module:
    return PReLU(channels) if name == "prelu" else nn.ReLU(inplace=True)
