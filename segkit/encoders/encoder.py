"""What every encoder promises, so that a model can stand on any of them: a picture in, a list of maps out."""

from __future__ import annotations

from torch import Tensor, nn

from segkit.checks import whole


class Encoder(nn.Module):
    """The convolutional part of a classifier: a picture → its maps, fine to coarse.

    Attributes:
        channels: of each map.
        strides: pixels of the picture from one cell of each map to the next, also after strides were turned into
            dilation.
        in_channels: of the picture.
        corner_aligned: where the cells stand. True: cell i of a map of stride s has its centre on pixel s·i. False: on
            the middle of the s pixels from s·i on.
        classifier_kernel: side of the map, in cells, that the classifier's first fully connected layer reads; 0 where
            the classifier is one layer on the mean over the map.
        classifier_channels: of the classifier's hidden layers; 0 where it has none.
        torchvision: the name of torchvision's classifier whose weights fit, "" where none do.
        added: beginnings of the names of tensors that the classifier does not have; its weights leave them as they are.

    Shape:
        N×in_channels×H×W → maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    corner_aligned = False
    classifier_kernel = 0
    classifier_channels = 0
    torchvision = ""
    added: tuple[str, ...] = ()

    def __init__(self, in_channels: int, width: int, name: str) -> None:
        super().__init__()
        self.in_channels = whole(in_channels, "in_channels", name, 1)
        self.width = whole(width, "width", name, 1)

    @property
    def output_stride(self) -> int:
        """The stride of the last map."""
        return self.strides[-1]

    @property
    def normalised(self) -> bool:
        """Whether BatchNorm, if there is any, sees the last map, and not only the larger one before a last pooling."""
        return self.strides[-2:-1] == self.strides[-1:]

    def forward(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError


def picture_size(x: Tensor, who: str, channels: int = 3) -> tuple[int, int]:
    """Check a batch of pictures, as every model and encoder does first; returns height and width.

    Args:
        x: the batch.
        who: the network's name, for the message.
        channels: how many it takes.

    Shape:
        N×channels×H×W, H and W ≥ 1.

    Raises:
        ValueError: another shape. TypeError: not of a floating-point type.
    """
    if x.ndim != 4 or x.shape[1] != channels or x.shape[-2] == 0 or x.shape[-1] == 0:
        raise ValueError(
            f"{who} got a tensor of shape {tuple(x.shape)}; it takes N×{channels}×H×W, H and W at least 1 (one "
            "picture: x[None]; pictures with another number of channels: in_channels=…)"
        )
    if not x.is_floating_point():
        raise TypeError(f"{who} got a tensor of type {x.dtype}; it takes floating-point pictures (x.float() / 255)")
    return x.shape[-2], x.shape[-1]
