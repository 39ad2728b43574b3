"""Pictures: label maps in colour, overlays, legends, errors, figures in a grid; and drawings of networks."""

from segkit.viz.network import network
from segkit.viz.pictures import colourise, default_palette, error_map, legend, overlay, show, to_picture

__all__ = ["colourise", "default_palette", "error_map", "legend", "network", "overlay", "show", "to_picture"]
