"""Dilated networks (Yu & Koltun 2016): a VGG that does not go down so far, and a context module that looks further.

  picture ── conv1 … pool3 ── conv4 ── conv5 ×2 ── fc6 7×7 ×4 ── fc7 ── score ── context 1 1 2 4 8 16 1, 1×1 ── logits
             └─ as in VGG-16 ┘  pool4 and pool5 removed, ×d dilated by d   │     └ sees 67×67 cells, loses none ┘
                                                                          └ front end's logits           stride 8 → 1

Reference: "Multi-scale context aggregation by dilated convolutions", ICLR 2016 (arXiv 1511.07122).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segkit import encoders
from segkit.checks import whole
from segkit.heads import FullyConnectedHead, enlarge
from segkit.layers import Conv2d
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.typed import typed

DILATIONS = (1, 1, 2, 4, 8, 16, 1)  # the paper's Table 1; a 1×1 convolution follows
CHANNELS = {"basic": (1, 1, 1, 1, 1, 1, 1, 1), "large": (2, 2, 4, 8, 16, 32, 32, 1)}  # in multiples of the classes


class ContextModule(nn.Sequential):
    """Seven dilated 3×3 convolutions and a 1×1: from score maps to score maps, each cell seeing 67×67.

    Args:
        classes: number of score maps C.
        size: "basic", C channels throughout, or "large", 2C, 2C, 4C, 8C, 16C, 32C, 32C, C.

    Shape:
        N×C×H×W → N×C×H×W. Receptive fields 3, 5, 9, 17, 33, 65, 67, 67.

    Raises:
        ValueError: another size, or fewer than 1 class.

    Source:
        Section 3 and Table 1; max(·, 0) after each 3×3 convolution, none after the 1×1.

    Differs from the paper:
        each map is padded with zeros to keep its size, where the paper feeds a wider picture, its margin filled by
        reflection, and lets the maps shrink. The values are the paper's where the 67×67 window lies inside the map.
    """

    @typed
    def __init__(self, classes: int, size: str = "basic") -> None:
        if size not in CHANNELS:
            raise ValueError(f"ContextModule got size={size!r}; the paper has {sorted(CHANNELS)}")
        whole(classes, "classes", "ContextModule", 1)
        layers: list[nn.Module] = []
        before = classes
        for dilation, times in zip(DILATIONS, CHANNELS[size], strict=False):
            layers += [Conv2d(before, times * classes, 3, padding=dilation, dilation=dilation), nn.ReLU()]
            before = times * classes
        super().__init__(*layers, Conv2d(before, classes, 1))
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                init_identity_(layer, classes, 0.0 if size == "basic" else 0.01)


@torch.no_grad()
def init_identity_(layer: nn.Conv2d, classes: int, noise: float = 0.0) -> nn.Conv2d:
    """Fill a convolution so that it passes on what it is given: each class goes to its share of the channels.

    With C classes, input channel a belongs to class ⌊a·C/in⌋ and output channel b to ⌊b·C/out⌋. The kernel's centre is
    C/out where the two classes agree; all else is normal noise. So the sum over a class's channels stays the same.

    Args:
        layer: an odd kernel; C divides the channels in and out.
        classes: C.
        noise: standard deviation of the noise in units of C/out; 0 gives the exact identity (equation 4).

    Returns:
        The same layer, its bias zero.

    Raises:
        ValueError: C does not divide the channels, or an even kernel.

    Source:
        Equation 4 (basic: in = out = C), equation 5 (large; the noise, much smaller than C/out, sets apart the channels
        that share a class).
    """
    out, inside, height, width = layer.weight.shape
    if classes < 1 or out % classes or inside % classes or layer.groups != 1 or not (height % 2 and width % 2):
        raise ValueError(
            f"init_identity_ got {inside} channels in, {out} out, kernel {height}×{width}, groups {layer.groups} for "
            f"{classes} classes; the classes divide both numbers of channels, and the kernel is odd and ungrouped"
        )
    share = classes / out
    layer.weight.normal_(0, noise * share) if noise else layer.weight.zero_()
    to, source = (torch.arange(n, device=layer.weight.device) * classes // n for n in (out, inside))
    agree = (to[:, None] == source[None, :]).to(layer.weight)  # out, in
    centre = layer.weight[:, :, height // 2, width // 2]
    centre.copy_(torch.where(agree > 0, share, centre))
    if layer.bias is not None:
        layer.bias.zero_()
    return layer


@register("dilated")
@register("dilated_frontend", context=False)
class Dilated(FullyConnectedHead, Model):
    """The front end on VGG-16, with or without the context module.

    Args:
        num_classes: number of classes K, void not counted.
        context: "basic" or True, "large", or False for the front end alone.
        width: channels of the first block; 64 is the paper's size, 8 to 16 the course's.
        batch_norm: BatchNorm in the VGG blocks and after fc6 and fc7, to train from scratch.
        hidden: channels of fc6 and fc7; 64·width where None (4096 at the paper's size).
        dropout: probability of dropping a value after fc6 and after fc7.
        encoder: "vgg16" as in the paper; or vgg11, 13, 19.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode BatchNorm needs more than one cell in the batch. By name:
        with a context module "front_end" N×K×H×W, what the front end says without it.

    Raises:
        ValueError: a context or an encoder that is not among these.

    Source:
        Front end: section 4. Context module: section 3.

    Differs from the paper:
        maps are padded with zeros where the paper pads the picture by reflection and removes the padding inside;
        bilinear interpolation to the picture's size belongs to the network. The context module cuts negative scores off
        (max(·, 0) in its first layers), as in the paper, which trains it after a trained front end; so that it also
        learns jointly and from scratch, the front end's scores start around +1, which no softmax notices, and not at 0.
    """

    def __init__(
        self,
        num_classes: int,
        context: bool | str = "basic",
        width: int = 64,
        batch_norm: bool = False,
        hidden: int | None = None,
        dropout: float = 0.5,
        encoder: str = "vgg16",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        num_classes = whole(num_classes, "num_classes", "Dilated", 1)
        if not isinstance(context, bool) and context not in CHANNELS:
            raise ValueError(f"Dilated got context={context!r}; it can be {sorted(CHANNELS)}, True (basic) or False")
        self.encoder = vgg_at_stride_8("Dilated", encoder, in_channels, width, batch_norm, beyond="removed")
        self.num_classes, self.in_channels = num_classes, self.encoder.in_channels
        hidden = self.encoder.classifier_channels if hidden is None else hidden
        self.add_fully_connected(hidden, batch_norm, dropout, kernel=7, dilation=4)
        self.score = Conv2d(hidden, num_classes, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.constant_(self.score.bias, 1 if context else 0)  # type: ignore[arg-type]
        size = "basic" if context is True else context
        self.context = ContextModule(num_classes, size) if size else None

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        score = self.front_end(x)
        if self.context is None:
            return {"logits": enlarge(score, 8)}
        front_end = cut(enlarge(score, 8), H, W)  # N, K, H, W
        return {"logits": enlarge(self.context(score), 8), "front_end": front_end}

    def front_end(self, x: Tensor) -> Tensor:
        """Class scores at stride 8, N×K×⌈H/8⌉×⌈W/8⌉."""
        return self.score(self.fully_connected(self.encoder(x)[-1]))


def vgg_at_stride_8(
    who: str, encoder: str, in_channels: int, width: int, batch_norm: bool, **options: Any
) -> encoders.Encoder:
    """A VGG whose last two poolings do not stride, as in DeepLab v1 and this paper, each in its own way.

    Args:
        who: the model's name, for the message.
        encoder: "vgg11" to "vgg19".
        in_channels, width, batch_norm, **options: as in VGGEncoder.

    Raises:
        ValueError: another encoder.
    """
    name = encoders.with_batch_norm(encoder, batch_norm)
    if str(name).removesuffix("_bn") not in ("vgg11", "vgg13", "vgg16", "vgg19"):
        raise ValueError(f"{who} got encoder={encoder!r}; it is built on vgg11, vgg13, vgg16 or vgg19")
    return encoders.create(name, in_channels, output_stride=8, width=width, **options)
