"""CRF-as-RNN: the steps of mean-field inference as layers of a network, trained with it."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.crf.dense import checked_scores, pixel_rows
from segkit.crf.kernels import PixelKernels
from segkit.crf.mean_field import message_passing


class CRFasRNN(nn.Module):
    """A dense CRF whose kernel weights and label compatibility are learned, end to end, with the network before it.

    One step: filter Q with both kernels, weight each class's answer, mix the classes with the compatibility, subtract
    from the logits, normalise. All steps share their parameters, as those of a recurrent network do.

    Args:
        num_classes: K.
        alpha: standard deviation of the places in the bilateral kernel, pixels.
        beta: that of the colours, on the scale of 0–255.
        gamma: that of the kernel of places alone, pixels.
        bilateral_weight, spatial_weight: what the kernel weights start from, for every class.
        iterations: steps; the paper trains with 5 and predicts with 10 (set `iterations` after training).
        normalization: of the kernels; "after" divides each filtered value by the sum of its weights.
        picture_max: what white is in pictures of floating-point numbers: 255, or 1 as in segkit's samples.

    Attributes:
        bilateral_weights, spatial_weights: parameters of K numbers; compatibility: K×K, starting from Potts' −1 on the
        diagonal, and not bound to stay symmetric.

    Shape:
        logits N×K×H×W and pictures N×C×H×W → logits N×K×H×W: what the last softmax would see, for a cross-entropy.

    Source: Zheng et al., "Conditional random fields as recurrent neural networks", ICCV 2015, sections 4 and 5; sizes
        of the kernels and starting weights as in the authors' code.
    Differs from the paper: the default normalisation is the symmetric one of DenseCRF. A weight of each kernel for each
        label is the paper's; the authors' code learns K×K for each kernel, of which these are the diagonal.
    """

    def __init__(
        self,
        num_classes: int,
        alpha: float = 160,
        beta: float = 3,
        gamma: float = 3,
        bilateral_weight: float = 5,
        spatial_weight: float = 3,
        iterations: int = 5,
        normalization: str = "symmetric",
        picture_max: float = 255,
    ) -> None:
        super().__init__()
        whole(num_classes, "num_classes", "CRFasRNN", 1)
        for name, weight in (("bilateral_weight", bilateral_weight), ("spatial_weight", spatial_weight)):
            if not isinstance(weight, Real) or not math.isfinite(weight):
                raise ValueError(f"CRFasRNN got {name}={weight!r}; it is one number, which every class starts from")
        self.kernels = PixelKernels(gamma, alpha, beta, picture_max, normalization, ("gamma", "alpha", "beta"))
        self.iterations, self.num_classes = whole(iterations, "iterations", "CRFasRNN", 0), num_classes
        self.bilateral_weights = nn.Parameter(torch.full((num_classes,), float(bilateral_weight)))
        self.spatial_weights = nn.Parameter(torch.full((num_classes,), float(spatial_weight)))
        self.compatibility = nn.Parameter(-torch.eye(num_classes))

    def extra_repr(self) -> str:
        k = self.kernels
        return f"{self.num_classes}, {k}, picture_max={k.picture_max}, iterations={self.iterations}"

    @torch._disable_dynamo  # under torch.compile it runs as it stands: what it builds depends on the picture
    def forward(self, logits: Tensor, pictures: Tensor) -> Tensor:
        scores = checked_scores(logits)
        steps = whole(self.iterations, "iterations", "CRFasRNN", 0)
        N, K, H, W = scores.shape
        if self.num_classes != K:
            raise ValueError(f"CRFasRNN for {self.num_classes} classes got logits {tuple(scores.shape)}")
        with torch.autocast(scores.device.type, enabled=False):
            colours = self.kernels.colours(pictures, scores)
            weights = (self.spatial_weights, self.bilateral_weights)
            mu = [self.compatibility.to(scores) * w.to(scores) for w in weights]  # K, K: column l' weighted by w of l'
            out = []
            for n in range(N):
                lattices = (self.kernels.spatial(H, W, scores), self.kernels.bilateral(colours[n]))
                rows = pixel_rows(scores[n])  # H·W, K
                x = rows
                for _ in range(steps):
                    x = message_passing(rows, x.softmax(1), list(zip(lattices, mu, strict=True)))
                out.append(x)
        return torch.stack(out).view(N, H, W, K).permute(0, 3, 1, 2)  # N, K, H, W
