"""The dense CRF of Krähenbühl & Koltun: every pixel connected with every other, solved in less than a second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.crf.compatibility import Compatibility, compatibility, is_nought
from segkit.crf.features import Numbers
from segkit.crf.kernels import PixelKernels
from segkit.crf.mean_field import Term, Trace, mean_field

Extra = Sequence[tuple[Tensor, Compatibility]]


class DenseCRF(nn.Module):
    """Sharpens per-pixel scores with the picture: near pixels, and near pixels of a similar colour, tend to agree.

    Energy of a labelling x: Σ_i ψ_i(x_i) + ½ Σ_ij Σ_m μ_m(x_i, x_j) k_m(i, j), with two Gaussian kernels k: of the
    places, and of the places and colours. The answer is the mean-field approximation Q of its marginals.

    Args:
        gaussian_sxy: standard deviation of the kernel of places, pixels; one number or (across, down).
        gaussian_compat: its compatibility: one number (Potts), K numbers (diagonal) or K×K; see `compatibility`. The
            number 0 leaves the kernel out. A tensor that requires a gradient gets one.
        bilateral_sxy: standard deviation of the places in the other kernel, pixels.
        bilateral_srgb: of the colours, for RGB on the scale of 0–255, whatever picture_max is; one or one a channel.
        bilateral_compat: its compatibility; 0 for a CRF without colour, which needs no pictures.
        iterations: mean-field steps; 5 to 10 are usual.
        normalization: of the kernels: "none", "before", "after" or "symmetric"; see PermutohedralLattice.normalized.
        picture_max: what white is in RGB pictures of floating-point numbers: 255, or 1 as in segkit's samples; with 1,
            in pictures of one gray channel too. Pictures of whole numbers are always 0–255. Pictures with any other
            number of channels are taken as they are.

    `crf(logits, pictures)` takes scores of which larger is likelier; `crf(unary=energies, pictures=pictures)` takes
    energies −log p, of which smaller is likelier.

    Source: Krähenbühl & Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials", NIPS 2011,
    with the definitions of their later code (normalisation D^−½KD^−½, a Gaussian blurred on the permutohedral lattice).
    """

    def __init__(
        self,
        gaussian_sxy: Numbers = 3,
        gaussian_compat: Compatibility = 3,
        bilateral_sxy: Numbers = 80,
        bilateral_srgb: Numbers = 13,
        bilateral_compat: Compatibility = 10,
        iterations: int = 5,
        normalization: str = "symmetric",
        picture_max: float = 255,
    ) -> None:
        super().__init__()
        self.iterations = whole(iterations, "iterations", "DenseCRF", 0)
        self.kernels = PixelKernels(gaussian_sxy, bilateral_sxy, bilateral_srgb, picture_max, normalization)
        self.gaussian_compat, self.bilateral_compat = gaussian_compat, bilateral_compat

    def extra_repr(self) -> str:
        return f"{self.kernels}, picture_max={self.kernels.picture_max}, iterations={self.iterations}"

    @torch._disable_dynamo  # under torch.compile it runs as it stands: what it builds depends on the picture
    def forward(
        self,
        logits: Tensor | None = None,
        pictures: Tensor | None = None,
        *,
        unary: Tensor | None = None,
        extra: Extra = (),
        trace: bool = False,
    ) -> Any:
        """Q, the probability of each label at each pixel.

        Args:
            logits: scores, larger is likelier (log p but for a constant at each pixel); this or `unary`.
            pictures: what the scores are of, on the scale that picture_max states. They get no gradient.
            unary: energies −log p, smaller is likelier.
            extra: further kernels, each as features (N×d×H×W, each channel divided by its standard deviation: depth,
                motion, …) and their compatibility.
            trace: also give energy and KL before the first step and after each.

        Shape:
            N×K×H×W and N×C×H×W → N×K×H×W (laid out channels-last), float32, or float64 for float64 scores; with trace
            a pair of that and a Trace of two tensors N×(iterations + 1).

        Raises:
            TypeError, ValueError: scores given twice or not at all, shapes that do not fit, NaN or infinite values.
        """
        scores = checked_scores(logits, unary)
        sign = 1 if unary is None else -1
        steps = whole(self.iterations, "iterations", "DenseCRF", 0)
        N, K, H, W = scores.shape
        with torch.autocast(scores.device.type, enabled=False):
            shared, colours = self._shared_terms(scores, pictures)
            further = _further_terms(extra, scores)
            answers, traces = [], []
            for n in range(N):
                terms = list(shared)
                if colours is not None:
                    mu = compatibility(self.bilateral_compat, K, scores, "bilateral_compat")
                    terms.append((self.kernels.bilateral(colours[n]), mu))
                terms += [(self.kernels.lattice(f[n].flatten(1).t(), name), mu) for name, f, mu in further]
                q, seen = mean_field(pixel_rows(scores[n], sign), terms, steps, trace)  # H·W, K
                answers.append(q)
                traces.append(seen)
        Q = torch.stack(answers) if N > 1 else answers[0][None]  # N, H·W, K
        Q = Q.view(N, H, W, K).permute(0, 3, 1, 2)  # N, K, H, W
        return (Q, Trace(*(torch.stack(t) for t in zip(*traces, strict=True)))) if trace else Q

    def _shared_terms(self, scores: Tensor, pictures: Tensor | None) -> tuple[list[Term], Tensor | None]:
        """The terms that all pictures share, and the pictures where their colours count."""
        _, K, H, W = scores.shape
        terms: list[Term] = []
        if not is_nought(self.gaussian_compat):
            mu = compatibility(self.gaussian_compat, K, scores, "gaussian_compat")
            terms.append((self.kernels.spatial(H, W, scores), mu))
        if is_nought(self.bilateral_compat):
            return terms, None
        if pictures is None:
            raise ValueError("DenseCRF got no pictures; give them, or make it with bilateral_compat=0 (no colours)")
        return terms, self.kernels.colours(pictures, scores)


def checked_scores(logits: Any, unary: Any = None) -> Tensor:
    """Logits or unary energies, whichever was given, in float32 at least.

    Raises:
        TypeError, ValueError: both or none are given, no tensor N×K×H×W of floating-point numbers, NaN or infinity.
    """
    if (logits is None) == (unary is None):
        came = "neither logits nor unary energies" if logits is None else "both logits and unary energies"
        raise ValueError(f"got {came}; give logits (larger is likelier) or unary=…")
    scores, name = (logits, "logits") if unary is None else (unary, "unary energies")
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        kind = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"got {name} of type {kind}; they are a tensor N×K×H×W of floating-point numbers")
    if scores.ndim != 4 or 0 in scores.shape:
        raise ValueError(f"got {name} of shape {tuple(scores.shape)}; they are N×K×H×W, each at least 1")
    if not all(math.isfinite(bound) for bound in scores.detach().aminmax()):  # NaN and infinity show in the bounds
        raise ValueError(f"got {name} with NaN or infinite values; a probability of 0 has none: clip it to 1e-5, say")
    return scores if scores.dtype == torch.float64 else scores.float()


def pixel_rows(scores: Tensor, sign: int = 1) -> Tensor:
    """The scores of one picture, or minus them, one pixel after the other. Shape: K×H×W → H·W×K, contiguous."""
    rows = scores.permute(1, 2, 0).flatten(0, 1)  # H·W, K: not moved yet
    if rows.is_contiguous() or (rows.requires_grad and torch.is_grad_enabled()):
        return rows.contiguous() if sign == 1 else -rows.contiguous()
    out = torch.empty_like(rows, memory_format=torch.contiguous_format)
    for source, target in zip(rows.split(2**14), out.split(2**14), strict=True):  # in blocks that the cache holds
        torch.mul(source, sign, out=target)
    return out


def _further_terms(extra: Any, scores: Tensor) -> list[tuple[str, Tensor, Tensor]]:
    """For each extra kernel its name, features N×d×H×W and compatibility."""
    N, K, H, W = scores.shape
    terms = []
    for i, pair in enumerate(extra if isinstance(extra, Sequence) else [None]):
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError("got extra that is no list of pairs; it is [(features, compatibility), …]")
        features, name = pair[0], f"extra[{i}]"
        if not isinstance(features, Tensor) or features.is_complex():
            kind = features.dtype if isinstance(features, Tensor) else type(features).__name__
            raise TypeError(f"got {name} features of type {kind}; they are a tensor of real numbers {N}×d×{H}×{W}")
        if features.ndim != 4 or (len(features), *features.shape[2:]) != (N, H, W) or features.shape[1] == 0:
            raise ValueError(
                f"got {name} features {tuple(features.shape)} for scores {tuple(scores.shape)}; they are {N}×d×{H}×{W}"
            )
        mu = compatibility(pair[1], K, scores, f"{name} compatibility")
        terms.append((f"{name} features", features.detach().to(scores), mu))
    return terms
