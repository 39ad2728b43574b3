"""SPPNet (He et al. 2014): a classifier for pictures of any size, because its last pooling has bins, not a stride.

  picture ── convolutions ── map, any h×w ──┬── 6×6 maxima ──┐
                                            ├── 3×3 maxima ──┼── 50 × 256 = 12,800 numbers ── fc6 ── fc7 ── scores
                                            ├── 2×2 maxima ──┤
                                            └── 1 maximum ───┘

The same bins, laid over a part of the map, describe a part of the picture: many regions from one pass.

Reference: "Spatial pyramid pooling in deep convolutional networks for visual recognition", ECCV 2014, PAMI 2015
(arXiv 1406.4729).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segkit.checks import chosen, finite, pair, whole
from segkit.encoders.encoder import picture_size
from segkit.encoders.stages import BASES, StagesEncoder
from segkit.engine import engine
from segkit.layers import MaxPool2d
from segkit.models.base import Model, register
from segkit.models.windows import Box, cells_inside, five_views

HEADS = ("spp", "fixed", "gap")


@register("sppnet")
class SPPNet(Model):
    """A classifier whose fully connected layers read a vector of fixed length, whatever the picture's size.

    Args:
        num_classes: number of picture classes K.
        base: "zf5", the paper's smallest (five convolutions, 4096 and 4096 hidden units), or "small" for the course
            (three, one hidden layer of 4·width).
        width: 64 is the paper's size, 8 to 16 the course's.
        bins: of the pyramid, per side; the paper's 6, 3, 2, 1 are 50 bins.
        head: what is put between the map and the fully connected layers. "spp": the pyramid. "gap": the mean of the
            map, for any size too. "fixed": the map itself (after one more pooling in zf5), for pictures of `size`
            alone: the network that the pyramid replaces.
        size: (height, width) of the pictures, where the head is fixed; None for 224 (zf5) or 48 (small).
        hidden: units of each hidden layer; None for what the base says.
        batch_norm: BatchNorm after each convolution, to train from scratch.
        dropout: probability of dropping a hidden unit.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K, any H, W ≥ 1: where the map has fewer cells than a grid has bins, at 6 bins below 81 pixels (zf5)
        or 41 (small), cells count in several bins, and nothing is refused. With a fixed head only sizes whose map has
        as many cells as that of `size`. By name: "vector" N×D, what the fully connected layers read; 12,800 in the
        paper.

    Raises:
        ValueError: an option that is not among these; another size where the head is fixed; one cell in training mode
            with BatchNorm.

    Source:
        Sections 2.2 (pyramid), 2.3 (training with several sizes: one size for an epoch, another for the next), 3.1
        (Table 1: ZF-5; views), 4 and appendix A (regions).

    Differs from the paper:
        bins are those of adaptive pooling, as in its appendix; the windows of section 2.3 leave out bins at some sizes
        (see `segkit.ops.spatial_pyramid_pool`). All layers are padded by half their kernel, as its appendix asks for
        when regions are mapped: 14×14 cells at 224 pixels, where its Table 1 has 13×13. No local response
        normalisation.
    """

    task: ClassVar[str] = "classification"

    def __init__(
        self,
        num_classes: int,
        base: str = "zf5",
        width: int = 64,
        bins: Sequence[int] = (6, 3, 2, 1),
        head: str = "spp",
        size: int | Sequence[int] | None = None,
        hidden: int | None = None,
        batch_norm: bool = False,
        dropout: float = 0.5,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "SPPNet", 1)
        small = chosen(base, "base", "SPPNet", BASES) == "small"
        self.head = chosen(head, "head", "SPPNet", HEADS)
        self.bins = tuple(whole(b, "bins", "SPPNet", 1) for b in bins)
        if not self.bins:
            raise ValueError("SPPNet got no bins; give at least one, or head='gap'")
        self.encoder = StagesEncoder(base, width, batch_norm, in_channels)
        self.in_channels, self.stride = self.encoder.in_channels, self.encoder.output_stride
        self.pool = MaxPool2d(3, 2) if head == "fixed" and not small else nn.Identity()
        self.size = pair((48 if small else 224) if size is None else size, "size", "SPPNet", 1)
        rows, columns = self._pooled(*self._cells(self.size))
        if head == "fixed" and not rows * columns:
            raise ValueError(
                f"SPPNet got size={self.size}, too small for a fixed head; give at least {2 * self.stride + 1}"
            )
        bins_or_cells = {"spp": sum(b * b for b in self.bins), "gap": 1, "fixed": rows * columns}[head]
        units = (4 if small else 64) * self.encoder.width if hidden is None else hidden
        units = whole(units, "hidden", "SPPNet", 1)
        layers: list[nn.Module] = []
        before = self.encoder.channels[-1] * bins_or_cells
        for _ in range(1 if small else 2):
            layers += [
                nn.Linear(before, units),
                nn.ReLU(inplace=True),
                nn.Dropout(finite(dropout, "dropout", "SPPNet", 0, 1)),
            ]
            nn.init.kaiming_normal_(layers[-3].weight, nonlinearity="relu")  # type: ignore[arg-type]
            before = units
        self.classifier = nn.Sequential(*layers, nn.Linear(before, self.num_classes))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        vector = self.describe(self.encoder(x)[-1])  # N, D
        return {"logits": self.classifier(vector), "vector": vector}

    def describe(self, x: Tensor) -> Tensor:
        """A vector of fixed length from a map, or from a part of one: N×C×h×w → N×D."""
        if self.head == "spp":
            return engine().spatial_pyramid_pool(x, self.bins).flatten(1)
        if self.head == "gap":
            return x.mean((2, 3))
        if self._pooled(*x.shape[-2:]) != self._pooled(*self._cells(self.size)):
            (h, w), size = x.shape[-2:], self.size
            raise ValueError(
                f"SPPNet with head='fixed' got {h}×{w} cells of stride {self.stride}; it was made for pictures of "
                f"{size[0]}×{size[1]} pixels, {'×'.join(map(str, self._cells(size)))} cells: resize the pictures, "
                "or make it with head='spp', which takes any size"
            )
        return self.pool(x).flatten(1)

    def _cells(self, size: tuple[int, int]) -> tuple[int, int]:
        return -(-size[0] // self.stride), -(-size[1] // self.stride)

    def _pooled(self, h: int, w: int) -> tuple[int, int]:
        """Cells that a fixed head reads of h×w."""
        return (h, w) if isinstance(self.pool, nn.Identity) else ((h - 1) // 2, (w - 1) // 2)

    def _parts(self, x: Tensor, boxes: Sequence[Box]) -> list[Tensor]:
        """The part of each window of pictures, cut out of one map."""
        x = self.encoder(x)[-1]  # N, C, h, w
        h, w = x.shape[-2:]
        s = self.stride
        return [
            x[..., cells_inside(top, bottom, s, h), cells_inside(left, right, s, w)]
            for top, left, bottom, right in boxes
        ]

    def views(self, x: Tensor, size: int | Sequence[int], shared: bool = True) -> Tensor:
        """Scores of the ten standard views: four corners and the middle, and the same of the mirror image.

        Args:
            x: pictures, at least as large as a view.
            size: (height, width) of a view, in pixels.
            shared: read all views of a picture off two maps, its own and its mirror image's (section 3.1.3 of the
                paper); False cuts them out of the picture, ten passes. Cells near the border of a shared view have seen
                what lies beyond it, so the two are not equal.

        Shape:
            N×C×H×W → N×10×K, logits; the paper averages their probabilities: `.softmax(-1).mean(1)`.
        """
        boxes = five_views(x.shape[-2], x.shape[-1], pair(size, "size", "SPPNet.views", 1))
        found = []
        for picture in (x, x.flip(-1)):
            if shared:
                found += [self.classifier(self.describe(part)) for part in self._parts(picture, boxes)]
            else:
                found += [self(picture[..., top:bottom, left:right]) for top, left, bottom, right in boxes]
        return torch.stack(found, 1)  # N, 10, K

    def regions(self, x: Tensor, boxes: Sequence[Box]) -> Tensor:
        """Scores of many regions of one picture, from one pass over it: each region's part of the map is pooled.

        Args:
            x: one picture.
            boxes: (top, left, bottom, right) of each region in pixels, bottom and right just outside; inside the
                picture.

        Shape:
            1×C×H×W → R×K, logits.

        Raises:
            ValueError: several pictures, or a box that is empty or not inside the picture.

        Source: section 4.1 and appendix A; `cells_inside` says which cells a region has.
        """
        if len(x) != 1:
            raise ValueError(f"SPPNet.regions got {len(x)} pictures; it takes one, x[:1], and its boxes")
        H, W = picture_size(x, "SPPNet.regions", self.in_channels)
        for top, left, bottom, right in boxes:
            if not (0 <= top < bottom <= H and 0 <= left < right <= W):
                raise ValueError(
                    f"SPPNet.regions got box {(top, left, bottom, right)} for a picture of {H}×{W}; a box is (top, "
                    "left, bottom, right) inside the picture, with top < bottom and left < right"
                )
        vectors = [self.describe(part) for part in self._parts(x, boxes)]  # 1, D each
        return self.classifier(torch.cat(vectors)) if vectors else x.new_zeros(0, self.num_classes)

    def regions_one_by_one(self, x: Tensor, boxes: Sequence[Box], size: int | Sequence[int]) -> Tensor:
        """The same the way of R-CNN: each region cut out, warped to one size, and passed through the whole network.

        Args:
            x, boxes: as for `regions`.
            size: (height, width) that every region is warped to; R-CNN's is 227.

        Shape:
            1×C×H×W → R×K, logits.

        Source: Girshick, Donahue, Darrell & Malik, "Rich feature hierarchies…", CVPR 2014, section 2.1.
        """
        size = pair(size, "size", "SPPNet.regions_one_by_one", 1)
        cut = [x[:1, :, top:bottom, left:right] for top, left, bottom, right in boxes]
        warped = [engine().interpolate(part, size, mode="bilinear", align_corners=False) for part in cut]
        if not warped:
            return x.new_zeros(0, self.num_classes)
        return torch.cat([self(some) for some in torch.cat(warped).split(32)])  # R, K
