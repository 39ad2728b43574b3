"""Small networks that do to receptive fields whatever a network can do, each with a size at which nothing divides."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Conv2d

from segkit.heads import GlobalFeature, PyramidPooling
from segkit.layers import L2Norm


class Unpooling(nn.Module):
    """SegNet in small: overlapping or adjoining windows, indices, an odd size to go back to."""

    def __init__(self, kernel: int, padding: int) -> None:
        super().__init__()
        self.a, self.b = Conv2d(3, 4, 3, padding=1), Conv2d(4, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(kernel, 2, padding, return_indices=True)
        self.unpool = nn.MaxUnpool2d(kernel, 2, padding)
        self.c, self.d = Conv2d(4, 4, 3, padding=1), Conv2d(4, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        sizes = [x.shape[-2:]]
        x, first = self.pool(F.relu(self.a(x)))
        sizes.append(x.shape[-2:])
        x, second = self.pool(self.b(x))
        x = self.c(self.unpool(x, second, output_size=sizes[1]))
        return self.d(self.unpool(x, first, output_size=sizes[0]))


class Concatenation(nn.Module):
    """U-Net in small: unpadded convolutions, and a skip that is cropped, or padding that makes up for it."""

    def __init__(self, crop: bool) -> None:
        super().__init__()
        self.crop = crop
        self.a, self.b, self.e = Conv2d(3, 4, 3), Conv2d(4, 4, 3), Conv2d(8, 3, 3)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.a(x))
        up = self.up(F.relu(self.b(F.max_pool2d(a, 2))))
        dy, dx = a.shape[2] - up.shape[2], a.shape[3] - up.shape[3]
        if self.crop:
            a = a[:, :, dy // 2 : dy // 2 + up.shape[2], dx // 2 : dx // 2 + up.shape[3]]
        else:
            up = F.pad(up, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))
        return self.e(torch.cat([up, a], 1))


class WritesIntoSlices(nn.Module):
    """Bed of nails by assignment, then shift-and-stitch by assignment, then an in-place sum."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = Conv2d(3, 4, 3, 2, 1), Conv2d(4, 4, 5, padding=2), Conv2d(4, 4, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        nails = a.new_zeros(a.shape[0], a.shape[1], 2 * a.shape[2], 2 * a.shape[3])
        nails[..., ::2, ::2] = a
        x = F.pad(self.b(nails), (1, 2, 1, 2))
        parts = [[self.c(x[..., i:, j:]) for j in (0, 1)] for i in (0, 1)]
        h, w = parts[1][1].shape[-2:]
        stitched = torch.zeros(1, 4, 2 * h, 2 * w, dtype=x.dtype)
        for i in (0, 1):
            for j in (0, 1):
                stitched[:, :, i::2, j::2] = parts[i][j][..., :h, :w]
        stitched[:, :2] += stitched[:, 2:]
        return stitched


class Assorted(nn.Module):
    """Shuffles, lopsided kernels, groups, odd transposed convolution, every interpolation, adaptive pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.a = Conv2d(12, 8, (1, 5), padding="same")
        self.b = Conv2d(8, 8, (3, 1), (2, 1), (1, 0), groups=4)
        self.c = nn.ConvTranspose2d(8, 8, 3, 3, padding=1, output_padding=1, dilation=2)
        self.d = Conv2d(2, 4, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(self.a(F.pixel_unshuffle(x, 2))[..., 1:-2, 2:])
        x = self.d(F.pixel_shuffle(self.c(x), 2))
        x = F.interpolate(x, scale_factor=1.5, mode="bicubic")
        x = F.interpolate(x, size=(40, 50), mode="nearest")
        x = F.avg_pool2d(x, 3, 2, ceil_mode=True)
        x = F.interpolate(x, (37, 31), mode="bilinear", align_corners=True)
        x = F.interpolate(x, (20, 23), mode="bilinear", align_corners=False)
        return F.adaptive_max_pool2d(x, (7, 9))


class ChannelsLast(nn.Module):
    """Linear layers and LayerNorm over N, H, W, C (ConvNeXt); a gate over the whole picture (squeeze-and-excite)."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.linear, self.norm = Conv2d(3, 4, 3, 2, 1), nn.Linear(4, 5), nn.LayerNorm(5)
        self.gate, self.b = Conv2d(5, 5, 1), Conv2d(5, 3, 3, dilation=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.linear(self.a(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        here = F.max_pool2d(self.b(x), (2, 1))
        gate = torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        return torch.cat([here, (x * gate)[..., : here.shape[2], : here.shape[3]]], 1)


class SplitChannels(nn.Module):
    """ShuffleNet in small: half of the channels pass by; the output is only the half that saw little."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Conv2d(3, 4, 3, padding=1), Conv2d(2, 2, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x).chunk(2, 1)
        y = torch.cat([a, self.b(b)], 1)
        n, c, h, w = y.shape
        shuffled = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return shuffled[:, ::2].mul_(2.0)


class Rearranged(nn.Module):
    """Rows chosen by number, a roll, a flip, space to depth by hand, a stack, in-place changes of shape."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Conv2d(3, 4, 3, padding=1), Conv2d(16, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.roll(self.a(x)[:, :, torch.arange(1, 17)], 3, 2).flip(3)
        n, c, h, w = x.shape
        x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
        x = self.b(x)
        return torch.stack([x, self.norm(x)], 1)[:, 0].unsqueeze(0).squeeze_(0)


class LooksAtValues(nn.Module):
    """Control flow that depends on the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.a = Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        return F.relu(y * 2 if y.mean() > 0 else y * 3)


def context_module() -> list[nn.Module]:
    """Dilations 1, 1, 2, 4, 8, 16, 1 (Yu & Koltun 2016, Table 1)."""
    return [Conv2d(2, 2, 3, padding=d, dilation=d) for d in (1, 1, 2, 4, 8, 16, 1)]


def deeplab_v1(pool: int, kernel: int, rate: int) -> list[nn.Module]:
    """VGG16 with pool4 and pool5 at stride 1, conv5 at rate 2, fc6 at a kernel and rate of choice."""
    layers: list[nn.Module] = []
    for block, convolutions in enumerate((2, 2, 3, 3, 3)):
        dilation = 2 if block == 4 else 1
        for _ in range(convolutions):
            layers.append(Conv2d(3 if not layers else 2, 2, 3, padding=dilation, dilation=dilation))
        layers.append(nn.MaxPool2d(pool, 2 if block < 3 else 1, pool // 2 if pool == 3 else 0))
    return [*layers, Conv2d(2, 2, kernel, dilation=rate, padding=rate * (kernel - 1) // 2)]


def mobilenet_v1() -> list[nn.Module]:
    """Depthwise separable layers with MobileNet's strides."""
    layers: list[nn.Module] = [Conv2d(3, 2, 3, 2, 1)]
    for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
        layers += [Conv2d(2, 2, 3, stride, 1, groups=2), Conv2d(2, 2, 1)]
    return layers


def pyramid(mode: str) -> list[nn.Module]:
    """Normalised cells, grids of two and five cells a side that do not divide the map, then the whole picture."""
    grids = PyramidPooling(4, (2, 5), mode=mode)
    return [Conv2d(3, 4, 3, 2), L2Norm(4), grids, Conv2d(8, 2, 3, padding=1), GlobalFeature(2)]
