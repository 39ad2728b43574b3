"""Encoders: a picture → its feature maps, one per stride."""

from segkit.encoders.alexnet import AlexNet, AlexNetEncoder
from segkit.encoders.vgg import VGG, VGGEncoder

__all__ = ["VGG", "AlexNet", "AlexNetEncoder", "VGGEncoder"]
