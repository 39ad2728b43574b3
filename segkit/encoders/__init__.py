"""Encoders: a picture → its feature maps, one per stride."""

from segkit.encoders.alexnet import AlexNet, AlexNetEncoder
from segkit.encoders.dilation import dilate_strides, dilate_strides_, set_rates
from segkit.encoders.resnet import ResNet, ResNetEncoder
from segkit.encoders.vgg import VGG, VGGEncoder

__all__ = [
    "VGG", "AlexNet", "AlexNetEncoder", "ResNet", "ResNetEncoder", "VGGEncoder", "dilate_strides", "dilate_strides_",
    "set_rates",
]  # fmt: skip
