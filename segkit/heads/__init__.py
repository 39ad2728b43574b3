"""Heads: what several papers share to turn an encoder's maps into class scores."""

from segkit.heads.enlarge import enlarge, enlarge_from_corners
from segkit.heads.fully_connected import FullyConnectedHead

__all__ = ["FullyConnectedHead", "enlarge", "enlarge_from_corners"]
