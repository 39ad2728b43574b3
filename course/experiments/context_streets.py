"""Chapter 13's street networks: cells that see 51 pixels, a listener, scores. All that differs is the listener."""

from __future__ import annotations

from listeners import LISTENERS
from pyramid_networks import Small
from torch import Tensor, nn

from segkit.heads import enlarge
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.layers.borders import cut
from segkit.models.base import Model
from segkit.models.encnet import ContextEncoding
from segkit.models.ocrnet import RegionContext, gather

CHANNELS = 48


class Street(Model):
    """Small's map, a listener from C to C channels, a 1×1, scores, enlarged.

    Args:
        listener: by name among LISTENERS; or "encoded" or "regions", which have a second output: "presence", a score
            for each class of the picture; "aux", the first guess of the regions.
    """

    def __init__(self, num_classes: int, listener: str) -> None:
        super().__init__()
        self.num_classes, self.in_channels, self.kind, C = num_classes, 3, listener, CHANNELS
        self.encoder = Small(channels=C)
        if listener == "encoded":
            self.listener: nn.Module = ContextEncoding(C, num_classes)
        elif listener == "regions":
            self.guess = score_layer(Conv2d(C, num_classes, 1))
            self.listener = RegionContext(C, C // 2)
        else:
            self.listener = LISTENERS[listener](C)
        self.mix = conv_norm_relu(Conv2d(C, C, 1, bias=False))
        self.score = score_layer(Conv2d(C, num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        cells = self.encoder(x)  # N, C, h, w
        beside: dict[str, Tensor] = {}
        if self.kind == "encoded":
            heard, beside["presence"] = self.listener(cells)
        elif self.kind == "regions":
            beside["aux"] = self.guess(cells)
            heard = cells + self.listener(cells, gather(cells, beside["aux"]))
        else:
            heard = self.listener(cells)
        scores = enlarge(self.score(self.mix(heard)), 8, self.encoder.corner_aligned)
        return {"logits": cut(scores, *x.shape[-2:]), **beside}
