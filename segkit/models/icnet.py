"""ICNet (Zhao et al. 2018): the deep part of a PSPNet sees a small picture; light branches bring the detail back.

  picture ── 3×3, 3×3, 3×3, each of stride 2 ────────────────────────────────── 1/8 ──┐
     └ ½ ── ResNet up to the first unit of layer2 ───────────── 1/16 ──┐              │
                                  └ ½ ── the rest of it, dilated ── pyramid ── 1/32   │
                                                                       └── fusion ── fusion ── ×2 ── score ── ×4
                                                                             └ score_16  └ score_8   (guidance)

The small picture is never read: the branch at 1/4 goes on from the branch at 1/2, whose map is shrunk on the way.

Reference: "ICNet for Real-Time Semantic Segmentation on High-Resolution Images", ECCV 2018 (arXiv 1704.08545), and the
authors' network, hszhao/ICNet, evaluation/prototxt/icnet_cityscapes_bnnomerge.prototxt.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from segkit.checks import whole
from segkit.heads import CascadeFusion, PyramidPooling, enlarge_from_corners
from segkit.layers import Conv2d, MaxPool2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for


@register("icnet")
class ICNet(Model):
    """Three branches, at 1/4, 1/2 and the whole of the picture's resolution, fused from coarse to fine.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" as in the paper; or resnet18, 34, 101, 152.
        width: channels of the first layer of the ResNet and of the branch of full resolution; 32 is the paper's size,
            half of a ResNet-50's, 4 to 8 the course's.
        bins: cells per side of each grid that the coarsest map is pooled to; () for no pyramid.
        stem: "deep" as in the paper (3×3 convolutions with width, width and 2·width channels), or "7x7".
        aux: scores from the two coarser branches, for cascade label guidance (recipe "icnet": weights 0.16 and 0.4).
            They give nothing back: without their loss they change no logit.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1; on 32k + 1 pixels, as the paper's 1025×2049, the last cell of each branch is
        the last pixel. By name: "score" N×K×⌈H/4⌉×⌈W/4⌉, from which the logits are enlarged; with aux, "score_16"
        N×K×⌈H/16⌉×⌈W/16⌉ and "score_8" N×K×⌈H/8⌉×⌈W/8⌉.

    Raises:
        ValueError: an option that is not among these; in training mode one picture of a single cell of 32×32 pixels.

    Source:
        The paper's sections on the image cascade network, cascade feature fusion and cascade label guidance. 6,699,987
        parameters with 19 classes, without the guidance, as in the authors' file; its weights 0.16, 0.4 and 1 are those
        of re-implementations.

    Differs from the paper:
        it shrinks labels to 1/16, 1/8 and 1/4; here scores are enlarged to the picture, as in all our models. It
        compresses a trained PSPNet; here all is trained from the start. Where it interpolates to half the size with
        corners aligned, we take every second pixel: the same on odd sizes. Regions of the pyramid are those of adaptive
        pooling (see `PyramidPooling`).
    """

    tile_stride = 32

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet50",
        width: int = 32,
        bins: Sequence[int] = (1, 2, 3, 6),
        stem: str = "deep",
        aux: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_classes, width = whole(num_classes, "num_classes", "ICNet", 1), whole(width, "width", "ICNet", 1)
        self.encoder = resnet_for("ICNet", encoder, in_channels, 8, width, stem=stem, stride_in="1x1")
        self.in_channels = self.encoder.in_channels
        self.to_half, self.to_quarter = MaxPool2d(1, 2), MaxPool2d(1, 2)  # every second pixel; every second cell
        _, _, medium, _, last = self.encoder.channels
        self.pyramid = PyramidPooling(last, bins, reduction=False, join="sum")
        self.reduce = conv_norm_relu(Conv2d(last, 8 * width, 1, bias=False))
        full = (self.in_channels, width, width, 2 * width)
        self.full1, self.full2, self.full3 = (
            conv_norm_relu(Conv2d(before, after, 3, 2, padding=1, bias=False)) for before, after in pairwise(full)
        )
        guided = self.num_classes if aux else None
        self.fusion_16 = CascadeFusion(8 * width, medium, 4 * width, guided)
        self.fusion_8 = CascadeFusion(4 * width, 2 * width, 4 * width, guided)
        self.score = score_layer(Conv2d(4 * width, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        fine = self.full2(self.full1(x))  # N, width, H/4, W/4
        medium, coarse = self._trunk(self.to_half(x))  # N, channels[2], H/16, W/16 and N, channels[-1], H/32, W/32
        coarse = self.reduce(self.pyramid(coarse))  # N, 8·width, H/32, W/32
        x, score_16 = self.fusion_16(coarse, medium)  # N, 4·width, H/16, W/16
        x, score_8 = self.fusion_8(x, self.full3(fine))  # N, 4·width, H/8, W/8
        score = self.score(cut(enlarge_from_corners(x, 2), fine.shape[-2], fine.shape[-1]))  # N, K, H/4, W/4
        found = {"logits": enlarge_from_corners(score, 4), "score": score}
        return found if score_16 is None else {**found, "score_16": score_16, "score_8": score_8}

    def _trunk(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The ResNet on the half picture, shrunk once more behind the first unit of layer2; both ends."""
        net = self.encoder
        first, second, *others = net.stages
        x = first(net.maxpool(net.relu(net.bn1(net.conv1(x)))))  # N, channels[1], h/4, w/4: H/8, W/8
        medium = x = second[0](x)  # N, channels[2], H/16, W/16
        x = self.to_quarter(x)  # N, channels[2], H/32, W/32
        for unit in list(second)[1:]:
            x = unit(x)
        for stage in others:
            x = stage(x)
        return medium, x
