"""Small pictures with scores, for the tests of the CRF."""

from __future__ import annotations

import torch
from torch import Tensor


def scene(
    height: int = 24, width: int = 30, classes: int = 3, seed: int = 0, batch: int = 1, noise: float = 12.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Coloured blobs, their labels, and scores that are right on average: logits N×K×H×W, pictures uint8, labels."""
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    centres = torch.rand(batch, 2 * classes, 2, 1, 1, generator=rng)
    nearest = ((y - centres[:, :, 0]) ** 2 + (x - centres[:, :, 1]) ** 2).argmin(1)  # N, H, W
    labels = nearest % classes
    colours = 40 + 175 * torch.rand(classes, 3, generator=rng)
    pictures = colours[labels].permute(0, 3, 1, 2)
    pictures = pictures + noise * torch.randn(pictures.shape, generator=rng)
    onehot = torch.nn.functional.one_hot(labels, classes).permute(0, 3, 1, 2).float()
    coarse = torch.randn(batch, classes, height // 4 + 1, width // 4 + 1, generator=rng)
    coarse = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)[..., :height, :width]
    return 2.0 * onehot + coarse, pictures.clamp(0, 255).round().to(torch.uint8), labels
