"""SegNet (Badrinarayanan, Kendall & Cipolla 2017): a decoder that knows where each maximum stood, and nothing else.

  picture ── block 1 ── block 2 ── block 3 ── block 4 ── block 5        VGG's convolutions and poolings
                │           │          │          │          │
             indices     indices    indices    indices    indices       all that is kept: 2 bits per window would do
                │           │          │          │          │
  logits ─── decoder 1 ─ decoder 2 ─ decoder 3 ─ decoder 4 ─ decoder 5  unpooling, then convolutions

Reference: "SegNet: A deep convolutional encoder–decoder architecture for image segmentation", PAMI 2017
(arXiv 1511.00561).
"""

from __future__ import annotations

from torch import Tensor, nn

from segkit import encoders
from segkit.checks import whole
from segkit.encoders import VGGEncoder
from segkit.encoders.vgg import BLOCKS
from segkit.engine import engine
from segkit.layers import Conv2d, ConvTranspose2d, init_bilinear_
from segkit.layers.borders import cut
from segkit.models.base import Model, register

UPSAMPLINGS = ("indices", "bed_of_nails", "bilinear", "transposed")


class Decoder(nn.Module):
    """One step up: enlarge a pooled map to the size it was pooled from, then convolve until it is dense.

    Args:
        channels: of the pooled map.
        out: channels of the finished map; the last convolution changes their number.
        convolutions: how many 3×3 convolutions, as many as the encoder's block has.
        upsampling: one of UPSAMPLINGS, as for `SegNet`.
        last: the last convolution gives class scores: no BatchNorm, no ReLU after it.

    Shape:
        N×channels×⌈H/2⌉×⌈W/2⌉ → N×out×H×W.

    Source:
        SegNet, section 3 and Figure 3.
    """

    def __init__(self, channels: int, out: int, convolutions: int, upsampling: str, last: bool = False) -> None:
        super().__init__()
        self.upsampling = upsampling
        if upsampling == "transposed":
            self.up = ConvTranspose2d(channels, channels, 4, 2, padding=1, groups=channels, bias=False)
            init_bilinear_(self.up)
        layers: list[nn.Module] = []
        for i in range(convolutions):
            end = i == convolutions - 1
            conv = Conv2d(channels, out if end else channels, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            layers.append(conv)
            if not (last and end):
                layers += [nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True)]
        self.convolve = nn.Sequential(*layers)

    def forward(self, x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
        return self.convolve(self.enlarge(x, indices, size))  # N, out, H, W

    def enlarge(self, x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
        """The pooled map at the size it was pooled from; only "indices" looks at the indices."""
        if self.upsampling == "indices":
            return engine().max_unpool2d(x, indices, 2, 2, output_size=size)  # N, C, H, W
        if self.upsampling == "bed_of_nails":
            x = engine().bed_of_nails(x, 2)  # N, C, 2·⌈H/2⌉, 2·⌈W/2⌉
        elif self.upsampling == "bilinear":
            x = engine().interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        else:
            x = self.up(x)
        return cut(x, *size)  # N, C, H, W: a window that hung over the edge is cut


@register("segnet")
class SegNet(Model):
    """SegNet on VGG's convolutions with BatchNorm.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "vgg16", the paper's; or vgg11, 13, 19. It always has BatchNorm.
        width: channels of the first block; 64 is the paper's size, 8 to 16 the course's.
        upsampling: what the decoder goes up with. "indices", the paper's: to where each maximum stood. The others
            forget that, for comparison: "bed_of_nails", to the upper left corner of the window; "bilinear", a fixed
            interpolation (the paper's Table 1 calls a relative of it Bilinear-Interpolation); "transposed", an
            interpolation that is learned, one 4×4 filter per channel, starting as bilinear. The first three have
            exactly the same parameters, the last 16 more per channel that goes up, in all 0.08 %.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "bottom" N×8·width×⌈H/32⌉×⌈W/32⌉, the coarsest map.

    Raises:
        ValueError: an encoder or an upsampling that does not exist, or sizes below 1.

    Source:
        SegNet, section 3 and Figure 2; the 26 convolutions of its VGG16 version.

    Differs from the paper:
        poolings round up, so that an odd size loses no row, and unpooling goes back to that odd size; the picture is
        not contrast-normalised first. The first 13 convolutions take ImageNet's weights by `load_torchvision`, from
        torchvision's VGG with BatchNorm; the paper's VGG had none.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "vgg16",
        width: int = 64,
        upsampling: str = "indices",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        num_classes = whole(num_classes, "num_classes", "SegNet", 1)
        if upsampling not in UPSAMPLINGS:
            raise ValueError(f"SegNet got upsampling={upsampling!r}; it is one of {', '.join(UPSAMPLINGS)}")
        name = str(encoder).removesuffix("_bn")
        if name not in {f"vgg{depth}" for depth in BLOCKS}:
            raise ValueError(f"SegNet got encoder={encoder!r}; it takes vgg11, vgg13, vgg16 or vgg19")
        self.num_classes, self.upsampling = num_classes, upsampling
        self.encoder: VGGEncoder = encoders.create(name, in_channels, width=width, batch_norm=True)  # type: ignore[assignment]
        self.in_channels = self.encoder.in_channels
        channels, depth = self.encoder.channels, int(name[3:])
        outs = (num_classes, *channels[:-1])  # what each decoder hands on: the channels of the block before
        steps = list(zip(channels, outs, BLOCKS[depth], strict=True))
        if depth == 11:  # block 1 has one convolution: mirrored, it would make scores of zeros and maxima at once
            steps[0] = (channels[0], num_classes, 2)
        self.decoders = nn.ModuleList(
            Decoder(C, out, n, upsampling, last=i == 0) for i, (C, out, n) in reversed(list(enumerate(steps)))
        )

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        bottom, kept = self.encode(x)
        x = bottom
        for decoder, (indices, size) in zip(self.decoders, reversed(kept), strict=True):
            x = decoder(x, indices, size)  # N, C, H, W: twice as large, up to rounding
        return {"logits": x, "bottom": bottom}

    def encode(self, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, tuple[int, int]]]]:
        """The last pooled map, and what the decoder needs to come back: `VGGEncoder.with_indices`."""
        return self.encoder.with_indices(x)
