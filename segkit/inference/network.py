"""What inference asks of a network: where its cells stand, evaluation mode, and scores that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from segkit.checks import finite
from segkit.encoders.encoder import Encoder, picture_size
from segkit.models import unwrapped
from segkit.models.modes import in_evaluation
from segkit.typed import typed

Network = Callable[[Tensor], Tensor]
UNKNOWN_STRIDE = 32  # of a network that does not say: a multiple of 2, 4, 8 and 16


class Around(nn.Module):
    """What only prepares pictures for a network, or fuses its answers: `innermost` looks through it."""

    module: nn.Module


class Normalised(Around):
    """A network that was trained on pictures with mean 0 and deviation 1, for pictures in 0–1.

    segkit's own networks take the picture as it is, in 0–1. torchvision's published weights were trained on
    (x − mean) / deviation. The picture is changed rather than the first convolution: folded into its weights, the
    zeros beyond the border would stand for another colour than in training.

    Args:
        module: the network; `innermost` finds its `config`, `num_classes` and `encoder`.
        mean, deviation: of each channel, as torchvision's weights state them.

    Shape:
        N×C×H×W in 0–1 → what the network gives.

    Raises:
        ValueError: not one mean and one positive deviation for each channel.
    """

    @typed
    def __init__(self, module: nn.Module, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        channels = getattr(innermost(module), "in_channels", len(mean))
        if not len(mean) == len(deviation) == channels:
            raise ValueError(
                f"Normalised got {len(mean)} means and {len(deviation)} deviations for {channels} channels; give one "
                "of each for every channel"
            )
        for number in mean:
            finite(number, "mean", "Normalised")
        for number in deviation:
            finite(number, "deviation", "Normalised", low=1e-6, wanted="it is a number above 0")
        self.module = module
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        picture_size(x, "Normalised", len(self.mean))
        return self.module((x - self.mean) / self.deviation)


def innermost(network: Any) -> Any:
    """The model that has the cells and channels, inside torch's wrappers and those that only prepare its pictures."""
    while isinstance(network, nn.Module):
        inner = unwrapped(network)
        network = inner.module if isinstance(inner, Around) else inner
        if network is inner:
            break
    return network


def cell_stride(network: Any) -> int:
    """Pixels from one cell of the coarsest map to the next: a picture that is moved by so much gives the same cells.

    A network's own `tile_stride` counts first, then the strides of its encoder, then its number of `levels`; a network
    that says nothing of the kind is taken to have 32.
    """
    own = getattr(network, "tile_stride", None)
    if own is not None:
        return own
    inner = innermost(network)
    encoder, levels = getattr(inner, "encoder", None), getattr(inner, "levels", None)
    if isinstance(encoder, Encoder):
        return max(encoder.strides)
    return 2 ** (levels - 1) if isinstance(levels, int) else UNKNOWN_STRIDE


def corner_aligned(network: Any) -> bool:
    """Whether cell i of a map of stride s stands on pixel s·i (True), or over the middle of its s pixels (False).

    A model that enlarges its scores with `align_corners=False` has its cells in the middle, wherever its encoder has
    them: that is how it was trained.
    """
    inner = innermost(network)
    return getattr(inner, "align_corners", True) is not False and bool(
        getattr(getattr(inner, "encoder", None), "corner_aligned", False)
    )


@contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """The network in evaluation and without gradients; afterwards each of its modules has its mode back."""
    with in_evaluation(network) if isinstance(network, nn.Module) else nullcontext(), torch.no_grad():
        yield


def checked_pictures(network: Any, image: Tensor, who: str) -> tuple[int, int]:
    """Refuse what is not a batch of pictures for this network; returns height and width.

    Raises:
        TypeError, ValueError: as `picture_size`.
    """
    if not callable(network):
        raise TypeError(f"{who} got a network of type {type(network).__name__}; it takes one that can be called")
    if not isinstance(image, Tensor):
        raise TypeError(f"{who} got a picture of type {type(image).__name__}; it takes a tensor N×C×H×W in 0–1")
    inner = innermost(network)
    usual = image.shape[1] if image.ndim == 4 else 3  # of a network that does not say
    return picture_size(image, who, getattr(inner, "in_channels", usual))


def scored(network: Network, x: Tensor, who: str) -> Tensor:
    """The network's scores of a picture, on the network's device, after a look at them.

    Shape:
        N×C×H×W → N×K×H×W.

    Raises:
        ValueError: scores of another size than the picture, or NaN or infinite ones.
    """
    weights = list(network.parameters()) if isinstance(network, nn.Module) else []
    scores = network(x.to(weights[0].device) if weights else x)  # N, K, H, W
    if scores.ndim != 4 or scores.shape[0] != x.shape[0] or scores.shape[2:] != x.shape[2:]:
        raise ValueError(
            f"{who}: {_name(network)} gave {tuple(scores.shape)} for pictures {tuple(x.shape)}; it takes a network "
            "that gives scores N×K×H×W of the pictures' size"
        )
    if not torch.isfinite(scores.sum()) and not torch.isfinite(scores).all():  # the sum alone is quick, in any layout
        raise ValueError(f"{who}: {_name(network)} gives scores that are NaN or infinite; {_reason(network, x)}")
    return scores


def _reason(network: Any, x: Tensor) -> str:
    if not torch.isfinite(x).all():
        return "the picture holds such values itself"
    state = network.state_dict() if isinstance(network, nn.Module) else {}
    bad = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        return (
            f"{len(bad)} of its {len(state)} tensors hold such values, {bad[0]} first: get or train the weights again"
        )
    return "its weights and the picture are finite: it overflows on the way; run it in float32 or train it again"


def _name(network: Any) -> str:
    inner = innermost(network)
    return getattr(inner, "__name__", None) or type(inner).__name__
