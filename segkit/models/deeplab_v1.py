"""DeepLab v1 (Chen et al. 2015): VGG at stride 8, a first fully connected layer that looks far with few weights.

  picture ── conv1 … pool3 ── conv4, pool4 /1 ── conv5 ×2, pool5 /1 ── fc6 3×3 ×12 ── fc7 ── score ── ×8 ── logits
     │         └───┴─────┴── stride 2, 4, 8 ──┘  8 without a stride         (LargeFOV)         │
     └─────────┴───┴─────┴────────┴── two small layers each ── 5 × 128 channels ───────────────┘  (msc)

The paper sharpens the result with a dense CRF afterwards: that is `segkit.crf.DenseCRF`, on these logits.

Reference: "Semantic image segmentation with deep convolutional nets and fully connected CRFs", ICLR 2015
(arXiv 1412.7062).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.heads import FullyConnectedHead, enlarge_from_corners
from segkit.heads.fully_connected import decimated
from segkit.layers import Conv2d
from segkit.models.base import Model, register
from segkit.models.dilated import vgg_at_stride_8

FIELDS = {  # the paper's Table 2: kernel and rate of fc6, and the channels of fc6 and fc7 in units of the width
    "7x4": (7, 4, 64),
    "4x4": (4, 4, 64),
    "4x8": (4, 8, 64),
    "large": (3, 12, 16),
}


@register("deeplab_v1")
@register("deeplab_v1_msc", msc=True)
class DeepLabV1(FullyConnectedHead, Model):
    """DeepLab v1 up to the CRF: class scores at stride 8, enlarged bilinearly.

    Args:
        num_classes: number of classes K, void not counted.
        fov: fc6, which decides the field of view: "large" (3×3 at rate 12, 16·width channels: LargeFOV), "7x4" (7×7 at
            rate 4, the VGG's own layer with holes), "4x4", "4x8" (64·width channels), or any (kernel, rate).
        msc: multi-scale prediction: the picture and the first four poolings have a say in the scores.
        width: channels of the first block; 64 is the paper's size, 8 to 16 the course's.
        batch_norm: BatchNorm in the VGG blocks and after fc6 and fc7, to train from scratch.
        hidden: channels of fc6 and fc7; None for what `fov` says (16·width for your own fov).
        dropout: probability of dropping a value after fc6 and after fc7.
        encoder: "vgg16" as in the paper; or vgg11, 13, 19.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode BatchNorm needs more than one cell in the batch. By name:
        "score" N×K×⌈H/8⌉×⌈W/8⌉, the scores at stride 8 from which the logits are enlarged.

    Raises:
        ValueError: a fov or an encoder that is not among these.

    Source:
        Sections 3.1 and 3.2 (stride 8, field of view), 4.3 (msc), Table 2. 3×3 poolings, as in the authors' code: cell
        i of a map stands at pixel i·stride exactly.

    Differs from the paper:
        trained on logits of the picture's size, where the paper trains on labels taken at every eighth pixel; the last
        cell is repeated where the picture does not end on a cell (the paper takes 8n + 1 pixels, 321 or 513). What
        msc adds is learned with everything else, where the paper trains it after the rest, which stays fixed.
        The released LargeFOV has a 3×3 average pooling before fc6, which this one leaves out: 419 pixels seen, not 435.
    """

    def __init__(
        self,
        num_classes: int,
        fov: str | tuple[int, int] = "large",
        msc: bool = False,
        width: int = 64,
        batch_norm: bool = False,
        hidden: int | None = None,
        dropout: float = 0.5,
        encoder: str = "vgg16",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        num_classes = whole(num_classes, "num_classes", name, 1)
        kernel, rate, times = _field(fov)
        self.encoder = vgg_at_stride_8(name, encoder, in_channels, width, batch_norm, pool=3, beyond="plain")
        self.num_classes, self.in_channels = num_classes, self.encoder.in_channels
        hidden = times * width if hidden is None else hidden
        self.add_fully_connected(hidden, batch_norm, dropout, kernel, rate)
        self.scales = nn.ModuleList()
        if msc:  # channels of the map that each reads, and its own stride, which leads to 8
            reads = zip((self.in_channels, *self.encoder.channels[:4]), (8, 4, 2, 1, 1), strict=True)
            self.scales.extend(_two_layers(channels, 2 * width, stride, batch_norm) for channels, stride in reads)
        self.score = Conv2d(hidden + len(self.scales) * 2 * width, num_classes, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        pooled = self.encoder(x)  # N, channels[i], H/2, H/4, H/8, H/8, H/8
        read = (x, *pooled[:4])[: len(self.scales)]  # of one length: the compiler of torch 2.6 asks it of every zip
        more = [branch(m) for branch, m in zip(self.scales, read, strict=True)]  # N, 2·width, H/8, W/8
        x = self.fully_connected(pooled[-1])  # N, hidden, H/8, W/8
        score = self.score(torch.cat((x, *more), 1))  # N, K, H/8, W/8
        return {"logits": enlarge_from_corners(score, 8), "score": score}

    def from_classifier(self, name: str, weight: Tensor, first: bool) -> Tensor:
        """What fc6 or fc7 takes of a VGG's fully connected layer: rows, columns and channels at even distances."""
        return decimated(weight, self.get_parameter(name).shape, first)


def _field(fov: str | tuple[int, int]) -> tuple[int, int, int]:
    """Kernel, rate, and channels in units of the width."""
    if isinstance(fov, str):
        if fov not in FIELDS:
            raise ValueError(f"DeepLabV1 got fov={fov!r}; the paper has {', '.join(FIELDS)}, or give (kernel, rate)")
        return FIELDS[fov]
    numbers = list(fov) if isinstance(fov, tuple | list) else []
    if len(numbers) != 2 or not all(isinstance(n, int) and n >= 1 for n in numbers):
        raise ValueError(f"DeepLabV1 got fov={fov!r}; it is one of {', '.join(FIELDS)}, or (kernel, rate), both ≥ 1")
    return numbers[0], numbers[1], 16


def _two_layers(before: int, channels: int, stride: int, batch_norm: bool) -> nn.Sequential:
    """The multi-scale branch: 3×3, then 1×1, both with `channels` channels (section 4.3)."""
    layers: list[nn.Module] = []
    for kernel, step in ((3, stride), (1, 1)):
        layers.append(Conv2d(before, channels, kernel, step, padding=kernel // 2))
        nn.init.kaiming_normal_(layers[-1].weight, nonlinearity="relu")  # type: ignore[arg-type]
        nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]
        layers += [nn.BatchNorm2d(channels)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
        before = channels
    return nn.Sequential(*layers)
