"""What every encoder promises, so that a model can stand on any of them: a picture in, a list of maps out."""

from __future__ import annotations

from collections.abc import Container

from torch import Tensor, nn

from segkit.checks import whole
from segkit.memory import weighed
from segkit.ops.arguments import autocast_is_on
from segkit.typed import shown, typed


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
        left_out: beginnings of the names of the classifier's tensors, besides its last layers, that the encoder does
            without.

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
    left_out: tuple[str, ...] = ()

    def __init_subclass__(cls, **more: object) -> None:
        super().__init_subclass__(**more)
        if "__init__" in vars(cls):
            cls.__init__ = weighed(typed(cls.__init__))  # type: ignore[method-assign]  # each option against its annotation

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

    @property
    def low_channels(self) -> int:
        """Channels of the first map that `with_low_level` gives.

        Raises:
            ValueError: the encoder has no map of stride 4.
        """
        if 4 not in self.strides:
            raise ValueError(
                f"{type(self).__name__} has maps of strides {self.strides}; what reads low-level features needs one of "
                "stride 4: choose another encoder, or a larger output_stride"
            )
        return self.channels[self.strides.index(4)]

    def with_low_level(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map of stride 4 that the decoder of DeepLab v3+ reads, and the last map; both from one pass.

        Shape:
            N×in_channels×H×W → N×low_channels×⌈H/4⌉×⌈W/4⌉ and N×channels[−1]×⌈H/d⌉×⌈W/d⌉, d = output_stride.
        """
        maps = self(x)
        return maps[self.strides.index(4)], maps[-1]


def at_ends(layers: nn.Sequential, ends: Container[int], x: Tensor) -> list[Tensor]:
    """Run layers one after the other, and keep what comes out of those at the places `ends`."""
    maps = []
    for i, layer in enumerate(layers):
        x = layer(x)
        if i in ends:
            maps.append(x)
    return maps


def scaled(channels: int, width: int, multiple: int = 1) -> int:
    """Channels of a layer that has `channels` in the paper, at another width: width / 64 times as many.

    Args:
        channels: at width 64, the paper's size.
        width: of the encoder.
        multiple: what the number has to be a multiple of; the nearest is taken, or the next above where that would lose
            more than a tenth.
    """
    nearest = (2 * channels * width + 64 * multiple) // (128 * multiple) * multiple
    return nearest if 10 * 64 * nearest >= 9 * channels * width else nearest + multiple


def check_output_stride(value: int, who: str) -> int:
    """8, 16 or 32, as the networks of five maps take it; of Python or numpy."""
    number = whole(value, "output_stride", who, 1)
    if number not in (8, 16, 32):
        raise ValueError(f"{who} got output_stride={value!r}; it can be 8, 16 or 32")
    return number


def init_relu_(network: nn.Module) -> None:
    """Start every convolution for a ReLU after it (He et al. 2015), by what one output sums: depthwise ones too."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def picture_size(x: Tensor, who: str, channels: int = 3) -> tuple[int, int]:
    """Check a batch of pictures, as every model and encoder does first; returns height and width.

    Args:
        x: the batch.
        who: the network's name, for the message.
        channels: how many it takes.

    Shape:
        N×channels×H×W, H and W ≥ 1.

    Raises:
        ValueError: another shape. TypeError: no tensor, or not of a floating-point type.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{who} got {shown(x)}; it takes a tensor N×{channels}×H×W (torch.as_tensor(…) makes one)")
    if x.ndim != 4 or x.shape[1] != channels or x.shape[-2] == 0 or x.shape[-1] == 0:
        raise ValueError(
            f"{who} got a tensor of shape {tuple(x.shape)}; it takes N×{channels}×H×W, H and W at least 1 (one "
            "picture: x[None]; pictures with another number of channels: in_channels=…)"
        )
    if not x.is_floating_point():
        raise TypeError(f"{who} got a tensor of type {x.dtype}; it takes floating-point pictures (x.float() / 255)")
    return x.shape[-2], x.shape[-1]


def check_type(x: Tensor, network: nn.Module) -> None:
    """Refuse pictures of another type than the weights', which torch.autocast alone brings together."""
    own = next((p.dtype for p in network.parameters()), x.dtype)
    if x.dtype != own and not autocast_is_on(x.device.type):
        raise TypeError(
            f"{type(network).__name__} got pictures of {x.dtype}, and has weights of {own}; bring both to one type "
            f"(x.to({own}) or model.to({x.dtype}))"
        )
