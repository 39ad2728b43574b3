"""ENet (Paszke, Chaurasia, Kim & Culurciello 2016): as little arithmetic as street scenes can do with.

  stage     map    channels   bottlenecks
  initial   1/2    16         a convolution of stride 2 beside a pooling of the picture itself
  1         1/4    64         down, 4 regular
  2         1/8    128        down, 2 regular, 2 asymmetric, 4 dilated by 2, 4, 8, 16, in turn
  3         1/8    128        stage 2 again, without going down
  4         1/4    64         up (to where the maxima stood), 2 regular
  5         1/2    16         up (to where the maxima stood), 1 regular
  fullconv  1      K

Reference: "ENet: A deep neural network architecture for real-time semantic segmentation", arXiv 1606.02147, Table 1;
the authors' network, e-lab/ENet-training, train/models.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segkit.checks import chosen, finite, whole
from segkit.layers import Conv2d, ConvTranspose2d
from segkit.models.base import Model, register
from segkit.models.enet_blocks import Bottleneck, Down, Initial, Up

ACTIVATIONS, DECODERS = ("prelu", "relu"), ("small", "mirror")
PROJECTIONS, VARIANTS = ("2x2", "1x1"), ("released", "paper")
STAGE = ("regular", "dilated", "asymmetric", "dilated", "regular", "dilated", "asymmetric", "dilated")


@register("enet")
class ENet(Model):
    """ENet as its authors released it, with their design choices as options, to see what each is worth.

    Args:
        num_classes: number of classes K, void not counted.
        width: channels of the initial block; stages have 4 and 8 times as many. 16 is the paper's size, 4 to 8 the
            course's.
        activation: "prelu", the paper's, one learned slope per channel; or "relu".
        asymmetric: 5×5 convolutions as 1×5 and 5×1, as in the paper; False: as 5×5.
        decoder: "small", the paper's: it only enlarges and tunes details. "mirror": as large as the encoder, stages
            3, 2 and 1 once more in reverse order on the way up, as SegNet has it.
        early_downsampling: True, the paper's: the initial block halves the picture. False: it keeps the size, so every
            stage works at twice the resolution, at four times the arithmetic; the last layer then enlarges nothing.
        late_downsampling: True: the map is halved once more before stage 3, and doubled behind it. The bottom is at
            stride 16 then; without early downsampling at 8, like the paper's, and what comes before it is finer.
        dropout: probability of dropping a whole map at the end of each bottleneck of stages 2 and later; a tenth of it
            in stage 1. 0 for a network without this regularisation.
        in_channels: channels of the picture.
        initial: channels of the initial block alone, and of stage 5, which goes back to them, up to 4·width; None for
            `width`.
        dilation: True, the paper's: four of the eight bottlenecks of stages 2 and 3 are dilated. False: those are
            regular ones: the same weights, a smaller field.
        rates: of the four dilated bottlenecks; the paper's reach beyond the map where pictures are small.
        projection: the first convolution of a bottleneck that goes down: "2x2", the paper's, sees all of the map;
            "1x1", as ResNet has it, drops three quarters of it.
        variant: "released": in the decoder ReLU and no dropout, as in the authors' network, which has the 364,311
            parameters (19 classes). "paper": PReLU and dropout there too, as the text has it, 336 slopes more.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "bottom" N×8·width×⌈H/8⌉×⌈W/8⌉ (4 in place of 8 without early
        downsampling, twice as much with late), what the encoder hands to the decoder.

    Raises:
        ValueError: a choice that is not there, a number below 1, or other than four rates.

    Source:
        ENet, section 3, Figure 2 and Table 1. The options are the arguments of section 4: early downsampling and the
        number of initial maps, decoder size, nonlinear operations, information-preserving dimensionality changes
        (projection), factorizing filters (asymmetric), dilated convolutions, regularization (dropout).

    Differs from the paper:
        it trains the encoder first, alone; here all is trained at once. Poolings round up and strided convolutions pad
        an odd map by one, so that any size fits. The initial block has as many maps of its own as are missing to
        `initial` (13 of 16), at least one.
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
        initial: int | None = None,
        dilation: bool = True,
        projection: str = "2x2",
        variant: str = "released",
        late_downsampling: bool = False,
        rates: Sequence[int] = (2, 4, 8, 16),
    ) -> None:
        super().__init__()
        chosen(activation, "activation", "ENet", ACTIVATIONS)
        mirror = chosen(decoder, "decoder", "ENet", DECODERS) == "mirror"
        window = int(chosen(projection, "projection", "ENet", PROJECTIONS)[0])
        released = chosen(variant, "variant", "ENet", VARIANTS) == "released"
        self.num_classes = whole(num_classes, "num_classes", "ENet", 1)
        self.in_channels, width = whole(in_channels, "in_channels", "ENet", 1), whole(width, "width", "ENet", 1)
        first = width if initial is None else whole(initial, "initial", "ENet", 1, 4 * width)
        kinds = _kinds(asymmetric, rates if dilation else (1, 1, 1, 1))
        drop = finite(dropout, "dropout", "ENet", 0, 1)
        down = activation, drop
        up = ("relu", 0.0) if released else down

        def stage(channels: int, kinds: tuple[str, ...], settings: tuple[str, float]) -> nn.Sequential:
            return nn.Sequential(*(Bottleneck(channels, kind, *settings) for kind in kinds))

        self.initial = Initial(self.in_channels, first, activation, 2 if early_downsampling else 1)
        small, middle, large = self.initial.channels, 4 * width, 8 * width
        early = activation, drop / 10
        self.down1 = Down(small, middle, *early, window)
        self.stage1 = stage(middle, ("regular",) * 4, early)
        self.down2 = Down(middle, large, *down, window)
        self.stage2, self.stage3 = stage(large, kinds, down), stage(large, kinds, down)
        self.down3 = Down(large, large, *down, window) if late_downsampling else None
        self.up3 = Up(large, large, *up) if late_downsampling else None
        self.mirrored = stage(large, kinds[::-1] * 2 if mirror else (), up)  # stages 3 and 2, backwards
        self.up4 = Up(large, middle, *up)
        self.stage4 = stage(middle, ("regular",) * (4 if mirror else 2), up)
        self.up5 = Up(middle, small, *up)
        self.stage5 = stage(small, ("regular",), up)
        kernel = (2, 2) if early_downsampling else (1, 1)
        self.fullconv = (ConvTranspose2d if early_downsampling else Conv2d)(small, self.num_classes, *kernel)

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        stride = 4 * self.fullconv.stride[0]
        return [(stride, self.stage2, "stage 2") if self.down3 is None else (2 * stride, self.stage3, "stage 3")]

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        x = self.initial(x)  # N, width, H/2, W/2
        half = x.shape[-2], x.shape[-1]
        x, indices1 = self.down1(x)  # N, 4·width, H/4, W/4
        x = self.stage1(x)
        quarter = x.shape[-2], x.shape[-1]
        x, indices2 = self.down2(x)  # N, 8·width, H/8, W/8
        x = self.stage2(x)
        if self.down3 is None or self.up3 is None:
            bottom = self.stage3(x)
            x = self.mirrored(bottom)
        else:
            fine = x.shape[-2], x.shape[-1]
            x, indices3 = self.down3(x)
            bottom = self.stage3(x)
            x = self.up3(self.mirrored(bottom), indices3, fine)
        x = self.up4(x, indices2, quarter)  # N, 4·width, H/4, W/4
        x = self.up5(self.stage4(x), indices1, half)  # N, width, H/2, W/2
        x = self.fullconv(self.stage5(x))  # N, K, H, W
        return {"logits": x, "bottom": bottom}


def _kinds(asymmetric: bool, rates: Sequence[int]) -> tuple[str, ...]:
    """The bottlenecks of stages 2 and 3, with the rates of the dilated ones; one of rate 1 is a regular one."""
    if isinstance(rates, str) or len(rates) != STAGE.count("dilated"):
        raise ValueError(f"ENet got rates={rates!r}; it has four dilated bottlenecks in a stage, such as (2, 4, 8, 16)")
    left = iter([whole(rate, "rates", "ENet", 1) for rate in rates])
    names = {"regular": "regular", "asymmetric": "asymmetric" if asymmetric else "full"}
    kinds = (names.get(kind) or f"dilated {next(left)}" for kind in STAGE)
    return tuple("regular" if kind == "dilated 1" else kind for kind in kinds)
