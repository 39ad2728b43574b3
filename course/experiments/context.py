"""Chapter 13's probe: who can say what colour a twin has? One small network, and between its layers another listener.

python course/experiments/context.py row      the twin is in the same row             → results/twins_row.json
python course/experiments/context.py apart    in another row and another column       → results/twins_apart.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from library import Arm, Experiment, ahead, main
from pictures import OWN, Rendered
from torch import Tensor, nn
from twins import TILE, Twins

from segkit.heads import ChannelizedAxialAttention, CrissCross, ObjectContext, PositionAttention, PyramidPooling, ReNet
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3, score_layer
from segkit.metrics import ConfusionMatrix
from segkit.models.encnet import ContextEncoding

OWN["twins"] = Twins
CHANNELS = 32
DATA = {"set": "twins", "train": 4000, "test": 400}
RECIPE = {"steps": 1000, "batch_size": 16, "lr": 4e-3, "class_weights": "none", "ema": 0.99, "flip": 0.5}


class Pooled(nn.Sequential):
    """Means over 1, 4, 9 and 36 parts of the front beside each window."""

    def __init__(self, channels: int) -> None:
        pyramid = PyramidPooling(channels)
        super().__init__(pyramid, conv_norm_relu(Conv2d(pyramid.out_channels, channels, 1, bias=False)))


class Encoded(ContextEncoding):
    """EncNet's module: the whole front, as 32 differences, opens and closes channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


class Added(nn.Module):
    """What is heard, added to the map; from the first step on, where the papers start at nothing."""

    def __init__(self, heard: nn.Module) -> None:
        super().__init__()
        self.heard = heard
        if isinstance(heard, ObjectContext):
            nn.init.kaiming_normal_(heard.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.heard(x)


def from_the_start(block: PositionAttention) -> nn.Module:
    """Attention whose γ starts at 1: these trainings are too short to open it."""
    nn.init.ones_(block.gamma)
    return block


LISTENERS: dict[str, Callable[[int], nn.Module]] = {
    "local": lambda C: nn.Sequential(norm_relu_3x3(C, C), norm_relu_3x3(C, C)),
    "pooled": Pooled,
    "encoded": Encoded,
    "criss-cross once": lambda C: from_the_start(CrissCross(C, C // 2, recurrence=1)),
    "criss-cross twice": lambda C: from_the_start(CrissCross(C, C // 2, recurrence=2)),
    "pooled keys": lambda C: Added(ObjectContext(C, C // 2, bins=(1, 3, 6, 8))),
    "full": lambda C: from_the_start(PositionAttention(C, C // 2)),
    "axes in turn": lambda C: Added(ChannelizedAxialAttention(C, C // 2, gated=False)),
    "axes, gated": lambda C: Added(ChannelizedAxialAttention(C, C // 2)),
    "sweeps": lambda C: Added(ReNet(C, C // 2)),
}


class Front(nn.Module):
    """Each window by itself, a listener, each window by itself, and scores that hold for the whole window.

    Shape:
        N×3×H×W → N×K×H×W; H and W divide by the side of a window.
    """

    def __init__(self, num_classes: int, listener: str) -> None:
        super().__init__()
        kernels = [Conv2d(3, CHANNELS, TILE, TILE, bias=False), Conv2d(CHANNELS, CHANNELS, 1, bias=False)]
        self.windows = nn.Sequential(*(conv_norm_relu(kernel) for kernel in kernels))
        self.listener = LISTENERS[listener](CHANNELS)
        self.mix = conv_norm_relu(Conv2d(CHANNELS, CHANNELS, 1, bias=False))
        self.score = score_layer(Conv2d(CHANNELS, num_classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.score(self.mix(self.listener(self.windows(x))))  # N, K, h, w
        return scores.repeat_interleave(TILE, 2).repeat_interleave(TILE, 3)  # N, K, H, W


def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    return Front(num_classes, model["listener"])


@torch.no_grad()
def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """The share of dark windows that are told right."""
    matrix = ConfusionMatrix(test.num_classes)
    for sample in test.samples:
        matrix.update(model(sample.image[None]).argmax(1)[0], sample.labels)
    return {"accuracy": matrix.pixel_accuracy(), "mean_iou": matrix.mean_iou(), "iou": matrix.iou().tolist()}


def probe(twins: str, o: argparse.Namespace) -> Experiment:
    """One arm for each listener, all else alike."""
    arms = {
        name: {"model": {"name": "front", "listener": name}, "data": {**DATA, "twins": twins}, "recipe": RECIPE}
        for name in LISTENERS
    }
    far = partial(ahead, "13", "accuracy", margin=0.2)
    deaf = ("local", "pooled", "encoded")
    if twins == "row":  # the twin is heard by whoever hears the row, window by window
        claims = [far(better, worse) for better in ("criss-cross once", "full") for worse in (*deaf, "pooled keys")]
    else:  # one look along row and column does not meet it, two do, by way of a third window
        claims = [far("full", worse) for worse in (*deaf, "pooled keys", "criss-cross once", "criss-cross twice")]
        claims.append(far("criss-cross twice", "criss-cross once"))
    return Experiment(f"twins_{twins}", arms, score, build=build, claims=claims)


if __name__ == "__main__":
    main(__doc__, {twins: partial(probe, twins) for twins in ("row", "apart")})
