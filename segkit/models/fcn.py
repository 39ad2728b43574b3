"""FCN (Long, Shelhamer & Darrell 2015): a classifier slid over the picture, and skips that sharpen what it says.

  picture ── encoder ── pool3 ──────── pool4 ──────── pool5 ── fc6 ── fc7 ── score_fr      stride 32
                          │               └ score_pool4 ──── + ←── upscore2 ────┘          stride 16
                          └ score_pool3 ────── + ←── upscore_pool4 ──┘                     stride 8
                                               └── upscore8 ── logits                      stride 1

Reference: "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015 and PAMI 2017 (arXiv 1605.06211).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit import encoders
from segkit.checks import whole
from segkit.encoders import VGG, AlexNet, AlexNetEncoder, Encoder, VGGEncoder
from segkit.heads import FullyConnectedHead, enlarge_from_corners, upscaling
from segkit.layers import Conv2d, ConvTranspose2d
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.typed import typed


@typed
def linear_to_conv(linear: nn.Linear, channels: int, height: int, width: int) -> Conv2d:
    """The convolution that computes what a fully connected layer computes on a flattened channels×height×width map.

    Args:
        linear: a layer with channels·height·width inputs; its weights are copied.
        channels, height, width: the map that used to be flattened.

    Shape:
        of the new layer: N×channels×H×W → N×out×(H−height+1)×(W−width+1).

    Raises:
        ValueError: the layer does not have channels·height·width inputs.

    Source:
        FCN, section 3.1.
    """
    if linear.in_features != channels * height * width:
        raise ValueError(
            f"linear_to_conv got a layer with {linear.in_features} inputs for a map of {channels}×{height}×{width} = "
            f"{channels * height * width} values; give the shape of the map before flatten()"
        )
    conv = Conv2d(channels, linear.out_features, (height, width), bias=linear.bias is not None)
    conv.weight.data = linear.weight.data.reshape(-1, channels, height, width).clone()
    if linear.bias is not None:
        conv.bias.data = linear.bias.data.clone()  # type: ignore[union-attr]
    return conv


@typed
def convolutionalise(classifier: VGG | AlexNet) -> nn.Sequential:
    """A classifier with its fully connected layers turned into convolutions: any size in, a map of class scores out.

    Args:
        classifier: a VGG or AlexNet; its weights are copied.

    Shape:
        N×3×H×W → N×num_classes×h×w, with h = w = 1 at 224×224, where the scores are the classifier's own.

    Source:
        FCN, section 3.1 and Figure 2.
    """
    cells = (VGGEncoder if isinstance(classifier, VGG) else AlexNetEncoder).classifier_kernel
    head: list[nn.Module] = []
    for layer in classifier.classifier:
        if isinstance(layer, nn.Linear):
            side = cells if not any(isinstance(m, Conv2d) for m in head) else 1
            layer = linear_to_conv(layer, layer.in_features // side**2, side, side)
        head.append(layer)
    return nn.Sequential(classifier.features, *head).train(classifier.training)


@register("fcn32s", stride=32)
@register("fcn16s", stride=16)
@register("fcn8s", stride=8)
class FCN(FullyConnectedHead, Model):
    """FCN-32s, FCN-16s or FCN-8s.

    Args:
        num_classes: number of classes K, void not counted.
        stride: 32, 16 or 8: the finest stride at which class scores are made.
        encoder: "vgg16" (also vgg11, 13, 19), "alexnet" (stride 32 only, as in the paper), or "resnet18" to
            "resnet152", whose classifier is one layer on the last map and so leaves no fc6 and fc7.
        width: channels of the first block; 64 is the paper's size, 8 to 16 the course's.
        batch_norm: BatchNorm in the VGG blocks and after fc6 and fc7; a ResNet has its own in any case.
        hidden: channels of fc6 and fc7; 64·width where None (4096 at the paper's size).
        dropout: probability of dropping a value after fc6 and after fc7.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score_32" N×K×⌈H/32⌉×⌈W/32⌉ from fc7, and where the model has them
        "score_16" from pool4 and "score_8" from pool3: what each head says by itself before the sum.

    Raises:
        ValueError: a stride or an encoder that the paper does not have, hidden units for an encoder without fc6.

    Differs from the paper:
        poolings round up and fc6 is padded, where the paper pads the picture by 100 and crops with an offset: the same
        scores in the interior, fewer wasted cells. With `batch_norm` the network trains from scratch, where the paper
        starts from ImageNet and from the next coarser FCN. A ResNet's cells stand on the corners of their blocks: all
        enlargements start as bilinear from there.
    """

    def __init__(
        self,
        num_classes: int,
        stride: int = 8,
        encoder: str = "vgg16",
        width: int = 64,
        batch_norm: bool = False,
        hidden: int | None = None,
        dropout: float = 0.5,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        num_classes = whole(num_classes, "num_classes", "FCN", 1)
        if stride not in (8, 16, 32):
            raise ValueError(f"FCN got stride={stride}; it can be 32, 16 or 8")
        self.encoder = _encoder(encoder, stride, width, batch_norm, in_channels)
        self.num_classes, self.stride, self.in_channels = num_classes, stride, self.encoder.in_channels
        kernel = self.encoder.classifier_kernel
        last = self.encoder.channels[-1]
        if kernel:
            last = self.encoder.classifier_channels if hidden is None else hidden
            self.add_fully_connected(last, batch_norm, dropout, kernel, more_before=True)
        elif hidden is not None:
            raise ValueError(f"FCN got hidden={hidden} for {encoder}, which has no fc6 and fc7; leave it out")
        self.score_fr = _score(last, num_classes)
        if stride <= 16:
            self.upscore2 = _upscore(num_classes, 2, self.encoder.corner_aligned)
            self.score_pool4 = _score(self.encoder.channels[-2], num_classes)
        if stride == 8:
            self.upscore_pool4 = _upscore(num_classes, 2, self.encoder.corner_aligned)
            self.score_pool3 = _score(self.encoder.channels[-3], num_classes)
        if not self.encoder.corner_aligned:
            self.upscore = _upscore(num_classes, stride)
            self.upscore.weight.requires_grad_(False)  # "the final layer's filters are fixed to bilinear interpolation"

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        heads = self.heads(x)
        scores = iter(heads.values())
        score = next(scores)  # N, K, H/32, W/32
        for climb, finer in zip(self._climbs(), scores, strict=True):
            score = fuse_skip(climb(score), finer)  # N, K, H/16, W/16; then H/8, W/8
        return {"logits": self._last(score), **heads}

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        norms = (self.fc6_norm, self.fc7_norm) if self.encoder.classifier_kernel else ()
        return [*super()._coarsest(), *((self.encoder.output_stride, norm, "fc6 and fc7") for norm in norms)]

    def heads(self, x: Tensor) -> dict[str, Tensor]:
        """What each head says about the picture by itself, coarsest first."""
        maps = self.encoder(x)
        x = self.fully_connected(maps[-1]) if self.encoder.classifier_kernel else maps[-1]
        found = {"score_32": self.score_fr(x)}  # N, K, H/32, W/32
        if self.stride <= 16:
            found["score_16"] = self.score_pool4(maps[-2])  # N, K, H/16, W/16
        if self.stride == 8:
            found["score_8"] = self.score_pool3(maps[-3])  # N, K, H/8, W/8
        return found

    def _climbs(self) -> list[nn.Module]:
        """The transposed convolutions between the heads, coarsest first."""
        names = {32: (), 16: ("upscore2",), 8: ("upscore2", "upscore_pool4")}[self.stride]
        return [self.get_submodule(name) for name in names]

    def _last(self, score: Tensor) -> Tensor:
        """From the finest score map to the picture, and a little beyond."""
        return enlarge_from_corners(score, self.stride) if self.encoder.corner_aligned else self.upscore(score)

    def contributions(self, x: Tensor) -> dict[str, Tensor]:
        """What each head adds to the logits, at the picture's size, under the names of `outputs`.

        All that follows the heads is linear, so the contributions sum to the logits.

        Returns:
            "score_32" and, where the model has them, "score_16" and "score_8": N×K×H×W each.
        """
        heads, climbs, found = self.heads(x), self._climbs(), {}
        for rung, (name, score) in enumerate(heads.items()):
            for climb, finer in zip(climbs[rung:], list(heads.values())[rung + 1 :], strict=True):
                score = cut(climb(score), finer.shape[-2], finer.shape[-1])
            found[name] = cut(self._last(score), x.shape[-2], x.shape[-1])  # N, K, H, W
        return found


def fuse_skip(coarse: Tensor, fine: Tensor) -> Tensor:
    """Sum fusion: crop the upsampled coarse scores to the finer map (it is at most one cell larger) and add."""
    if not isinstance(coarse, Tensor) or not isinstance(fine, Tensor):
        raise TypeError(f"fuse_skip got {type(coarse).__name__} and {type(fine).__name__}; both are tensors N×K×H×W")
    if coarse.ndim != 4 or fine.ndim != 4 or coarse.shape[:2] != fine.shape[:2]:
        raise ValueError(
            f"fuse_skip got scores {tuple(coarse.shape)} and {tuple(fine.shape)}; both are N×K×H×W of the same N and K"
        )
    sides = zip(coarse.shape[2:], fine.shape[2:], strict=True)
    if not torch.compiler.is_compiling() and any(a < b for a, b in sides):  # sizes may be symbols there
        raise ValueError(
            f"fuse_skip got coarse scores {tuple(coarse.shape)} and fine ones {tuple(fine.shape)}; enlarge the coarse "
            "ones first: they are cut to the size of the fine ones"
        )
    return cut(coarse, fine.shape[-2], fine.shape[-1]) + fine


def _encoder(name: str, stride: int, width: int, batch_norm: bool, in_channels: int) -> Encoder:
    if name == "alexnet":
        if stride != 32:
            raise ValueError(f"FCN-AlexNet got stride={stride}; it has stride 32 only (fcn32s): its pools do not align")
        if batch_norm:
            raise ValueError("AlexNet has no batch normalisation; leave batch_norm=False")
    return encoders.create(encoders.with_batch_norm(name, batch_norm), in_channels, width=width)


def _score(channels: int, num_classes: int) -> Conv2d:
    """A 1×1 convolution to class scores that starts at zero, as in the paper (section 4.1)."""
    conv = Conv2d(channels, num_classes, 1)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _upscore(num_classes: int, stride: int, corners: bool = False) -> ConvTranspose2d:
    """A transposed convolution that enlarges exactly `stride` times and starts as bilinear interpolation.

    Args:
        num_classes: channels.
        stride: 2, or more where the cells are blocks.
        corners: cells stand on the corners of their blocks: a kernel of 3×3 (stride 2) whose middle is the cell itself.
    """
    if corners:
        layer = ConvTranspose2d(num_classes, num_classes, 3, 2, padding=1, output_padding=1, bias=False)
        nn.init.zeros_(layer.weight)
        tent = torch.tensor([0.5, 1.0, 0.5])
        layer.weight.data.diagonal().copy_((tent[:, None] * tent)[..., None])  # 3, 3, K: the diagonal is a view
        return layer
    return upscaling(num_classes, stride, corner_aligned=False)
