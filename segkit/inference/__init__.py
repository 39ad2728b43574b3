"""Networks on pictures as they come: in tiles, at several scales, mirrored, normalised, and back at their own size."""

from segkit.inference.network import Normalised, cell_stride, corner_aligned, evaluating
from segkit.inference.photograph import Segmenter, labels_at, to_short_side
from segkit.inference.scales import MultiScale, multi_scale
from segkit.inference.seams import Band, seam_differences
from segkit.inference.tiles import blend, spans, strips, tiled

__all__ = [
    "Band", "MultiScale", "Normalised", "Segmenter", "blend", "cell_stride", "corner_aligned", "evaluating",
    "labels_at", "multi_scale", "seam_differences", "spans", "strips", "tiled", "to_short_side",
]  # fmt: skip
