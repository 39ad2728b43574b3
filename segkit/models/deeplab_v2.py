"""DeepLab v2 (Chen et al. 2018): several fields of view at once, summed; and the picture at several scales.

  picture ── VGG16 or ResNet-101, stride 8 ──┬── rate 6 ── … scores ───┐
                                             ├── rate 12 ── … scores ──┼── sum ── ×8 ── logits
                                             ├── rate 18 ── … scores ──┤
                                             └── rate 24 ── … scores ──┘

  msc:  picture ×½ ── the same network ── scores ──┐
        picture ×¾ ── the same network ── scores ──┼── the largest at each pixel ── logits
        picture    ── the same network ── scores ──┘

Reference: "DeepLab: Semantic image segmentation with deep convolutional nets, atrous convolution, and fully connected
CRFs", PAMI 2018 (arXiv 1606.00915).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.engine import engine
from segkit.heads import FullyConnectedHead, SummedASPP, to_picture
from segkit.heads.aspp import LARGE, SMALL
from segkit.heads.fully_connected import decimated
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.models.dilated import vgg_at_stride_8
from segkit.models.fcn_resnet import resnet_for

RATES = {"fov": (12,), "small": SMALL, "large": LARGE}  # LargeFOV, ASPP-S, ASPP-L
SCALES = {"scale_0.5": (1, 2), "scale_0.75": (3, 4), "scale_1": (1, 1)}  # name: numerator, denominator


@register("deeplab_v2")
class DeepLabV2(FullyConnectedHead, Model):
    """DeepLab v2 up to the CRF: one classifier for each rate, their scores summed, enlarged bilinearly.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "vgg16" or "resnet101" as in the paper; or another VGG or ResNet.
        rates: of the 3×3 in each branch, at stride 8: "large" (6, 12, 18, 24: ASPP-L), "small" (2, 4, 8, 12: ASPP-S),
            "fov" (12 alone: LargeFOV), or your own.
        msc: the picture at ½, ¾ and 1 through the same network, and the largest score at each pixel.
        width: channels of the first block; 64 is the paper's size, 8 to 16 the course's.
        batch_norm: BatchNorm in the VGG blocks and in the branches; a ResNet has its own in any case.
        hidden: channels of fc6 and fc7 in each branch. None for the paper's: 16·width on a VGG; on a ResNet no fc6 and
            fc7, but one 3×3 from the map straight to the scores.
        dropout: probability of dropping a value after fc6 and after fc7.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode BatchNorm needs more than one cell in the batch. By name:
        "score" N×K×⌈H/8⌉×⌈W/8⌉, from which the logits are enlarged; with msc instead "scale_0.5", "scale_0.75" and
        "scale_1" N×K×H×W, what each scale says, for a loss of its own (recipe "deeplab_msc").

    Raises:
        ValueError: an encoder or rates that are not among these.

    Source:
        Sections 3.1 (msc), 3.2 and Figure 7 (branches), 4.1 (rates). The paper sharpens with a dense CRF:

        >>> from segkit.crf import DenseCRF
        >>> crf = DenseCRF(gaussian_sxy=3, gaussian_compat=3, bilateral_sxy=67, bilateral_srgb=3, bilateral_compat=4)
        >>> model = create("deeplab_v2", num_classes=21).eval()
        >>> picture = torch.rand(1, 3, 65, 81)
        >>> labels = crf(model(picture), 255 * picture).argmax(1)  # as the network was fed, but on the scale 0–255

    Differs from the paper:
        strides of the ResNet are in the 3×3 of a stage's first unit, as in torchvision, and its pooling rounds down
        where the Caffe network rounds up (the same at 8k + 1 pixels). The bias of the last layers learns at the head's
        rate, 10 times the encoder's, where the paper has 20. Trained on logits of the picture's size. Which channels
        of the classifier fc6 and fc7 keep is not said; as in `DeepLabV1`, they are evenly spaced.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "vgg16",
        rates: str | Sequence[int] = "large",
        msc: bool = False,
        width: int = 64,
        batch_norm: bool = False,
        hidden: int | None = None,
        dropout: float = 0.5,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "DeepLabV2", 1)
        residual = str(encoder).startswith("resnet")
        if residual:
            self.encoder = resnet_for("DeepLabV2", encoder, in_channels, 8, width)
        elif str(encoder).startswith("vgg"):
            self.encoder = vgg_at_stride_8("DeepLabV2", encoder, in_channels, width, batch_norm, pool=3, beyond="plain")
        else:
            raise ValueError(
                f"DeepLabV2 got encoder={encoder!r}; it is built on vgg11, 13, 16, 19 or on resnet18, 34, 50, 101, 152"
            )
        self.in_channels, self.msc = self.encoder.in_channels, bool(msc)
        if hidden is None and not residual:
            hidden = 16 * self.encoder.width
        own = _rates(rates)
        self.pyramid = SummedASPP(self.encoder.channels[-1], self.num_classes, own, hidden, dropout, batch_norm)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        if not self.msc:
            score = self.scores(x)  # N, K, H/8, W/8
            return {"logits": to_picture(score, self.encoder, H, W), "score": score}
        found = {name: self.at_scale(x, scale) for name, scale in SCALES.items()}  # N, K, H, W each
        return {"logits": torch.stack(list(found.values())).amax(0), **found}

    def _check_statistics(self, pictures: int, height: int, width: int) -> None:
        """The smallest scale is the first to be left with a single cell."""
        smallest = SCALES["scale_0.5" if self.msc else "scale_1"]
        super()._check_statistics(pictures, *(side_at(n, smallest) for n in (height, width)))

    def scores(self, x: Tensor) -> Tensor:
        """Class scores at stride 8, N×K×⌈H/8⌉×⌈W/8⌉."""
        return self.pyramid(self.encoder(x)[-1])

    def at_scale(self, x: Tensor, scale: tuple[int, int]) -> Tensor:
        """What the network says about the picture at another scale, at the picture's own pixels: N×C×H×W → N×K×H×W.

        The corners of the pictures and of the scores fall together, so that no scale is shifted against another.
        """
        H, W = x.shape[-2:]
        h, w = (side_at(n, scale) for n in (H, W))
        if scale != (1, 1):
            x = engine().interpolate(x, (h, w), mode="bilinear", align_corners=True)
        logits = cut(to_picture(self.scores(x), self.encoder, h, w), h, w)  # N, K, h, w
        return logits if scale == (1, 1) else engine().interpolate(logits, (H, W), mode="bilinear", align_corners=True)

    def fully_connected_layers(self) -> list[tuple[str, str]]:
        """Every branch has its own fc6 and fc7; on a ResNet there are none."""
        found = []
        for number, branch in enumerate(self.pyramid.branches):
            layers = [i for i, layer in enumerate(branch.children()) if isinstance(layer, nn.Conv2d)]
            found += [tuple(f"pyramid.branches.{number}.{i}" for i in layers[:2])] if layers else []
        return found  # type: ignore[return-value]

    def from_classifier(self, name: str, weight: Tensor, first: bool) -> Tensor:
        """As in `DeepLabV1`: rows, columns and channels at even distances."""
        return decimated(weight, self.get_parameter(name).shape, first)


def side_at(side: int, scale: tuple[int, int]) -> int:
    """So many pixels that the distance of the first to the last is `scale` times what it was, rounded."""
    numerator, denominator = scale
    return 1 + (2 * (side - 1) * numerator + denominator) // (2 * denominator)


def _rates(rates: str | Sequence[int]) -> Sequence[int]:
    if isinstance(rates, str):
        if rates not in RATES:
            raise ValueError(f"DeepLabV2 got rates={rates!r}; the paper has {', '.join(RATES)}, or give the numbers")
        return RATES[rates]
    if not isinstance(rates, tuple | list):
        raise ValueError(f"DeepLabV2 got rates={rates!r}; it takes {', '.join(RATES)}, or several numbers: (6, 12)")
    return rates
