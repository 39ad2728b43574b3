"""FCN (Long, Shelhamer & Darrell 2015): a classifier slid over the picture, and skips that sharpen what it says.

  picture ── encoder ── pool3 ──────── pool4 ──────── pool5 ── fc6 ── fc7 ── score_fr      stride 32
                          │               └ score_pool4 ──── + ←── upscore2 ────┘          stride 16
                          └ score_pool3 ────── + ←── upscore_pool4 ──┘                     stride 8
                                               └── upscore8 ── logits                      stride 1

Reference: "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015 and PAMI 2017 (arXiv 1605.06211).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.encoders import VGG, AlexNet, AlexNetEncoder, VGGEncoder
from segkit.layers import Conv2d, ConvTranspose2d, bilinear_kernel
from segkit.models.pictures import picture_size
from segkit.ops.arguments import whole


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


class FCN(nn.Module):
    """FCN-32s, FCN-16s or FCN-8s.

    Args:
        num_classes: number of classes K, void not counted.
        stride: 32, 16 or 8: the finest stride at which class scores are made.
        encoder: "vgg16" (also vgg11, 13, 19) or "alexnet" (stride 32 only, as in the paper).
        width: channels of the first block; 64 is the paper's size, 8 to 16 the course's.
        batch_norm: BatchNorm in the VGG blocks and after fc6 and fc7.
        hidden: channels of fc6 and fc7; 64·width where None (4096 at the paper's size).
        dropout: probability of dropping a value after fc6 and after fc7.

    Shape:
        N×3×H×W → N×K×H×W, any H, W ≥ 1.

    Raises:
        ValueError: a stride or an encoder that the paper does not have.

    Differs from the paper:
        poolings round up and fc6 is padded, where the paper pads the picture by 100 and crops with an offset: the same
        scores in the interior, fewer wasted cells. With `batch_norm` the network trains from scratch, where the paper
        starts from ImageNet and from the next coarser FCN.
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
    ) -> None:
        super().__init__()
        whole(num_classes, "num_classes", "FCN", 1)
        if stride not in (32, 16, 8):
            raise ValueError(f"FCN got stride={stride}; the paper has 32, 16 and 8")
        self.num_classes, self.stride = num_classes, stride
        self.encoder = _encoder(encoder, stride, width, batch_norm)
        hidden = self.encoder.classifier_channels if hidden is None else whole(hidden, "hidden", "FCN", 1)
        kernel = self.encoder.classifier_kernel
        self.fc6 = Conv2d(self.encoder.channels[-1], hidden, kernel)
        self.fc7 = Conv2d(hidden, hidden, 1)
        self.fc6_norm = nn.BatchNorm2d(hidden) if batch_norm else nn.Identity()
        self.fc7_norm = nn.BatchNorm2d(hidden) if batch_norm else nn.Identity()
        self.drop = nn.Dropout(dropout)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.score_fr = _score(hidden, num_classes)
        if stride <= 16:
            self.upscore2 = _upscore(num_classes, 2)
            self.score_pool4 = _score(self.encoder.channels[-2], num_classes)
        if stride == 8:
            self.upscore_pool4 = _upscore(num_classes, 2)
            self.score_pool3 = _score(self.encoder.channels[-3], num_classes)
        self.upscore = _upscore(num_classes, stride)
        self.upscore.weight.requires_grad_(False)  # "the final layer's filters are fixed to bilinear interpolation"

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(x)["logits"]

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Logits at the picture's size, and what each head says by itself before the sum.

        Returns:
            "logits" N×K×H×W; "score_32" N×K×⌈H/32⌉×⌈W/32⌉ from fc7; where the model has them "score_16" from pool4 and
            "score_8" from pool3.
        """
        H, W = picture_size(x, "FCN")
        pooled = self.encoder(x)
        k = self.encoder.classifier_kernel
        x = F.pad(pooled[-1], (k // 2, (k - 1) // 2) * 2)  # `same`, for even kernels too
        x = self.drop(F.relu(self.fc6_norm(self.fc6(x))))  # N, hidden, H/32, W/32
        x = self.drop(F.relu(self.fc7_norm(self.fc7(x))))
        score = self.score_fr(x)  # N, K, H/32, W/32
        heads = {"score_32": score}
        if self.stride <= 16:
            heads["score_16"] = self.score_pool4(pooled[-2])  # N, K, H/16, W/16
            score = fuse_skip(self.upscore2(score), heads["score_16"])
        if self.stride == 8:
            heads["score_8"] = self.score_pool3(pooled[-3])  # N, K, H/8, W/8
            score = fuse_skip(self.upscore_pool4(score), heads["score_8"])
        return {"logits": self.upscore(score)[..., :H, :W], **heads}

    def contributions(self, x: Tensor) -> dict[str, Tensor]:
        """What each head adds to the logits, at the picture's size, under the names of `outputs`.

        All that follows the heads is linear, so the contributions sum to the logits.

        Returns:
            "score_32" and, where the model has them, "score_16" and "score_8": N×K×H×W each.
        """
        heads = self.outputs(x)
        del heads["logits"]
        climbs = [getattr(self, name) for name in ("upscore2", "upscore_pool4") if hasattr(self, name)]
        found = {}
        for rung, (name, score) in enumerate(heads.items()):
            for climb, finer in zip(climbs[rung:], list(heads.values())[rung + 1 :], strict=True):
                score = climb(score)[..., : finer.shape[-2], : finer.shape[-1]]
            found[name] = self.upscore(score)[..., : x.shape[-2], : x.shape[-1]]  # N, K, H, W
        return found


def fuse_skip(coarse: Tensor, fine: Tensor) -> Tensor:
    """Sum fusion: crop the upsampled coarse scores to the finer map (it is at most one cell larger) and add."""
    return coarse[..., : fine.shape[-2], : fine.shape[-1]] + fine


def _encoder(name: str, stride: int, width: int, batch_norm: bool) -> VGGEncoder | AlexNetEncoder:
    if name == "alexnet":
        if stride != 32:
            raise ValueError(f"FCN-AlexNet exists at stride 32 only (its pools do not align), not at {stride}")
        if batch_norm:
            raise ValueError("AlexNet has no batch normalisation; leave batch_norm=False")
        return AlexNetEncoder(width)
    if name in ("vgg11", "vgg13", "vgg16", "vgg19"):
        return VGGEncoder(int(name[3:]), width, batch_norm)
    raise ValueError(f"FCN got encoder={name!r}; it can stand on vgg11, vgg13, vgg16, vgg19 or alexnet")


def _score(channels: int, num_classes: int) -> Conv2d:
    """A 1×1 convolution to class scores that starts at zero, as in the paper (section 4.1)."""
    conv = Conv2d(channels, num_classes, 1)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _upscore(num_classes: int, stride: int) -> ConvTranspose2d:
    """A transposed convolution that enlarges exactly `stride` times and starts as bilinear interpolation."""
    layer = ConvTranspose2d(num_classes, num_classes, 2 * stride, stride, padding=stride // 2, bias=False)
    layer.weight.data = bilinear_kernel(num_classes, stride)
    return layer
