"""DUC and HDC (Wang et al. 2018): hybrid dilation rates against gridding, and upsampling that is learned.

  picture ── ResNet, stride 8 ── 3×3 ── N×(K·8²)×h×w ── pixel shuffle ── N×K×8h×8w ── crop      DUC
             layer3, layer4       └──── N×K×h×w ─────── bilinear ×8 ────────────────── crop      the baseline
             with hybrid rates

Reference: "Understanding convolution for semantic segmentation", WACV 2018 (arXiv 1702.08502).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segkit.checks import whole
from segkit.encoders import set_rates
from segkit.heads import enlarge_from_corners as enlarge
from segkit.layers import Conv2d, PixelShuffle
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for

PATTERNS = ("none", "no_dilation", "conv", "rf", "bigger")


def hybrid_rates(pattern: str, blocks: int, stage: int) -> list[int]:
    """The dilation rate of each block of layer3 or layer4, as the paper's ablation has them.

    Args:
        pattern: "no_dilation": 1 everywhere. "conv" (Dilation-conv): 2, 1, 2, 1, … "rf" (Dilation-RF): 1, 2, 3 in turn
            in layer3, blocks that fill no group of three stay at 2; 3, 4, 5 in layer4. "bigger" (Dilation-bigger):
            1, 2, 5, 9 in turn in layer3, cut where the blocks end; 5, 9, 17 in layer4.
        blocks: how many blocks the stage has: 23 and 3 in ResNet-101, for which the paper gives the rates.
        stage: 3 or 4.

    Source:
        The ablation of HDC in section 4.1. With 23 blocks "rf" ends in 2, 2 and "bigger" in 1, 2, 5.
        Differs from the authors' released network, whose very first block of layer3 has rate 2 in "bigger".
    """
    if pattern not in PATTERNS[1:] or stage not in (3, 4):
        raise ValueError(
            f"hybrid_rates got pattern {pattern!r}, stage {stage}; it knows {PATTERNS[1:]}, stages 3 and 4"
        )
    group = {
        "no_dilation": ([1], [1]),
        "conv": ([2, 1], [2, 1]),
        "rf": ([1, 2, 3], [3, 4, 5]),
        "bigger": ([1, 2, 5, 9], [5, 9, 17]),
    }[pattern][stage - 3]
    rates = (group * blocks)[:blocks]
    if pattern == "rf" and stage == 3:
        whole = blocks - blocks % 3
        rates[whole:] = [2] * (blocks - whole)
    return rates


@register("duc_hdc")
class DUCHDC(Model):
    """A ResNet at stride 8 with a choice of dilation rates (HDC) and a choice of how to climb back (DUC or bilinear).

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet101", the paper's; or resnet18, 34, 50, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        output_stride: 8 as in the paper, or 16 or 32: also how far DUC climbs.
        hdc: the rates of the dilated stages, at output_stride 8. "none": as stride-to-dilation conversion leaves them,
            2 in layer3 and 4 in layer4 (half of that in the first 3×3 of each), the paper's ResNet-DUC. "no_dilation",
            "conv", "rf", "bigger": `hybrid_rates`. Or two lists: the rates of the blocks of layer3, and of layer4.
        head: "duc", or "bilinear" for the baseline.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode BatchNorm needs more than one cell in the batch. By name:
        "score", the head's map before it climbs: N×K·d²×⌈H/d⌉×⌈W/d⌉ with d = output_stride (DUC), or N×K×⌈H/d⌉×⌈W/d⌉
        (bilinear).

    Raises:
        ValueError: an encoder, output_stride, pattern, head or list of rates that does not fit.

    Source:
        DUC: section 3.1. HDC: section 3.2 and 4.1.

    Differs from the paper:
        no ASPP in front of the head (the paper sums four 3×3 convolutions at rates 6, 12, 18, 24; here it is one at
        rate 1); torchvision's ResNet, with one 7×7 convolution as its stem and strides in the 3×3. With hybrid rates
        the filter responses of a pretrained ResNet are no longer kept, as in the paper, which fine-tunes them.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        output_stride: int = 8,
        hdc: str | Sequence[Sequence[int]] = "bigger",
        head: str = "duc",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        num_classes = whole(num_classes, "num_classes", "DUCHDC", 1)
        if head not in ("duc", "bilinear"):
            raise ValueError(f'DUCHDC got head={head!r}; it has "duc" and "bilinear"')
        self.num_classes, self.head = num_classes, head
        self.encoder = resnet_for("DUCHDC", encoder, in_channels, output_stride, width)
        self.in_channels, self.stride = self.encoder.in_channels, self.encoder.output_stride
        self._set_hybrid_rates(hdc)
        cell = self.stride**2 if head == "duc" else 1
        self.score = Conv2d(self.encoder.channels[-1], num_classes * cell, 3, padding=1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]
        self.shuffle = PixelShuffle(self.stride)

    def _set_hybrid_rates(self, hdc: str | Sequence[Sequence[int]]) -> None:
        if hdc == "none":
            return
        if self.stride != 8:
            raise ValueError(f'DUCHDC has hybrid rates at output_stride=8 only, not {self.stride}; give hdc="none"')
        stages = [list(stage) for stage in self.encoder.stages[2:]]
        if isinstance(hdc, str):
            if hdc not in PATTERNS:
                raise ValueError(f"DUCHDC got hdc={hdc!r}; it knows {PATTERNS}, or two lists of rates")
            rates: Sequence[Sequence[int]] = [hybrid_rates(hdc, len(b), s) for s, b in enumerate(stages, 3)]
        else:
            rates = hdc
        if len(rates) != 2:
            raise ValueError(f"DUCHDC got {len(rates)} lists of rates; it takes two, for layer3 and layer4")
        for blocks, stage_rates in zip(stages, rates, strict=True):
            set_rates(blocks, stage_rates)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        score = self.score(self.encoder(x)[-1])  # N, K·d² or K, H/d, W/d
        up = self.shuffle(score) if self.head == "duc" else enlarge(score, self.stride)  # N, K, ≥ H, ≥ W
        return {"logits": up, "score": score}
