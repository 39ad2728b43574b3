"""Label maps in colour, overlays, legends, errors, figures in a grid; drawings of networks; charts of named points."""

from segkit.viz.charts import log_axis, name_points
from segkit.viz.network import network
from segkit.viz.pictures import colourise, default_palette, error_map, legend, overlay, show, to_picture

__all__ = [
    "colourise", "default_palette", "error_map", "legend", "log_axis", "name_points", "network", "overlay", "show",
    "to_picture",
]  # fmt: skip
