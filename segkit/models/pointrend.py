"""PointRend (Kirillov et al. 2020): where a network is sure, enlarging does; where it is not, each point is asked anew.

  picture ── ResNet ── FPN ──┬── Panoptic FPN's head ── score, stride 4 ── ×2, uncertain points ── ×2, uncertain points
                             │                                               │                      │        └─ logits
                             └── map of stride 4, read at these points ── PointHead: 1×1 … 1×1 ── scores there

It is a computer graphics idea: a curve is drawn by subdividing where it bends, and nowhere else.

Reference: "PointRend: Image Segmentation as Rendering", CVPR 2020 (arXiv 1912.08193).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.encoders.encoder import scaled
from segkit.heads import FPN, FPNHead, enlarge, enlarge_from_corners
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.layers.borders import cut
from segkit.layers.places import read, wide
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for
from segkit.typed import typed

OVERSAMPLED, UNCERTAIN = 3, 0.75  # k and β of section 3.1: candidates for each point, and the share of uncertain ones


def uncertainty(scores: Tensor) -> Tensor:
    """How close the second class comes to the first: the difference of their scores, 0 or less; with one class, −|s|.

    Shape:
        N×K×… → N×….
    """
    if scores.shape[1] == 1:
        return -scores[:, 0].abs()
    first, second = scores.topk(2, 1).values.unbind(1)
    return second - first


def read_at(x: Tensor, stride: int, places: Tensor) -> Tensor:
    """What a map says at pixels of the picture: bilinear between its cells, constant after the last.

    Args:
        x: a map whose cell i stands on pixel stride·i.
        stride: pixels from one cell to the next.
        places: (x, y) in pixels, not only whole ones.

    Shape:
        x N×C×h×w, places N×P×2 → N×C×P×1.
    """
    h, w = x.shape[-2:]
    across, down = (places.to(wide(x.dtype)) / stride + 0.5).unbind(-1)  # N, P
    grid = torch.stack([2 * across / w - 1, 2 * down / h - 1], -1)  # N, P, 2: −1 to 1 between the map's outer edges
    return read(x, grid[:, :, None], "border")


class PointHead(nn.Module):
    """A small network for each point by itself: what a fine map and the coarse scores say there → scores.

    Args:
        channels: of the fine map.
        num_classes: K.
        hidden: channels of its layers.
        layers: how many, before the scores.

    Shape:
        fine N×channels×P×1 and coarse N×K×P×1 → N×K×P×1; whole maps N×channels×h×w and N×K×h×w go as well.

    Source:
        Section 3.3; hidden layers of 256 channels, and coarse scores at the first only, as in the authors' settings for
        semantic segmentation (207,123 weights for 19 classes).
    """

    @typed
    def __init__(self, channels: int, num_classes: int, hidden: int = 256, layers: int = 3) -> None:
        super().__init__()
        sizes = [whole(channels, "channels", "PointHead", 1) + num_classes, *[hidden] * layers]
        self.layers = nn.Sequential(*(conv_norm_relu(Conv2d(size, hidden, 1), norm=False) for size in sizes[:-1]))
        self.score = score_layer(Conv2d(sizes[-1], num_classes, 1))

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        return self.score(self.layers(torch.cat([fine, coarse], 1)))


@register("pointrend")
class PointRend(Model):
    """Panoptic FPN's class scores, and a point head that asks again where they are uncertain.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet101" as in the paper; or resnet18, 34, 50, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        points: how many are asked again in each of the two steps from stride 4 to the picture; as many as it has pixels
            asks everywhere.
        train_points: how many are asked in training, of each picture.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode logits are the enlarged scores. By name: "score"
        N×K×⌈H/4⌉×⌈W/4⌉; "points" N×2×P×1, the pixels (x, y) that were asked last, and "point_scores" N×K×P×1, what was
        said there, for a loss of their own: in training random points, mostly uncertain ones.

    Raises:
        ValueError: an option that is not among these; one cell in training mode.

    Source:
        Sections 3.1 (points), 3.2 and 3.3 (head), 4.2 (semantic segmentation; 2048 points in training).

    Differs from the paper:
        each cell stands where the encoder puts it, where the authors' maps are spread with half-pixel centres. It has
        47,677,926 parameters with ResNet-101 and 19 classes: BatchNorm's 105,344 are constants in the authors' network,
        which leaves 47,572,582.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        points: int = 8192,
        train_points: int = 2048,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "PointRend", 1)
        self.encoder = resnet_for("PointRend", encoder, in_channels, 32, width)
        self.in_channels, wide = self.encoder.in_channels, scaled(256, self.encoder.width)
        self.points = whole(points, "points", "PointRend", 1)
        self.train_points = whole(train_points, "train_points", "PointRend", 1)
        self.pyramid = FPN(self.encoder.channels[1:], wide)
        self.coarse = FPNHead(wide, len(self.encoder.channels) - 1, scaled(128, self.encoder.width), self.num_classes)
        self.head = PointHead(wide, self.num_classes, wide)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        maps = self.pyramid(self.encoder(x)[1:])  # N, wide, H/s, W/s for s = 4, 8, 16, 32
        score = self.coarse(maps)  # N, K, H/4, W/4
        if self.training:
            logits, places = enlarge(score, 4, corner_aligned=True), self.random_places(score, H, W)
            said = self.asked(maps[0], score, places)  # N, K, P, 1
        else:
            logits, places, said = self.subdivided(maps[0], score, H, W)
        return {
            "logits": logits,
            "score": score,
            "points": places.mT[..., None].to(wide(score.dtype)),
            "point_scores": said,
        }

    def asked(self, fine: Tensor, score: Tensor, places: Tensor) -> Tensor:
        """What the point head says at some pixels: N×P×2 → N×K×P×1."""
        return self.head(read_at(fine, 4, places), read_at(score, 4, places))

    def subdivided(self, fine: Tensor, score: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Twice: enlarged to twice the size, and asked again where the two best classes are closest."""
        logits = score
        for stride in (2, 1):
            h, w = (height + stride - 1) // stride, (width + stride - 1) // stride
            logits = cut(enlarge_from_corners(logits, 2), h, w)  # N, K, h, w
            where = uncertainty(logits.detach()).flatten(1).topk(torch.sym_min(self.points, h * w), 1).indices  # N, P
            across = torch.arange(w, device=where.device).expand(h, w).flatten()  # not where % w: ONNX has no such
            down = torch.arange(h, device=where.device)[:, None].expand(h, w).flatten()  # remainder for an open size
            places = stride * torch.stack([across[where], down[where]], -1)  # N, P, 2
            said = self.asked(fine, score, places)
            cells = where[:, None].expand(-1, self.num_classes, -1)
            logits = logits.flatten(2).scatter(2, cells, said[..., 0].to(logits.dtype)).unflatten(2, (h, w))
        return logits, places, said

    @torch.no_grad()
    def random_places(self, score: Tensor, height: int, width: int) -> Tensor:
        """Places for training, N×P×2: the most uncertain of many random ones, and some that are just random."""
        N, P = score.shape[0], self.train_points
        kind: Any = {"dtype": wide(score.dtype), "device": score.device}
        size = torch.tensor([width, height], **kind)
        places = torch.rand(N, OVERSAMPLED * P, 2, **kind) * size - 0.5
        doubt = uncertainty(read_at(score, 4, places))[..., 0]  # N, 3·P
        best = doubt.topk(int(UNCERTAIN * P), 1).indices  # N, β·P
        found = places.gather(1, best[..., None].expand(-1, -1, 2))
        others = torch.rand(N, P - best.shape[1], 2, **kind) * size - 0.5
        return torch.cat([found, others], 1)
