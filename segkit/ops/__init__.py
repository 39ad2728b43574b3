"""The operators of segmentation networks from tensor arithmetic alone: indexing, padding, matrix products, scatter.

Names and arguments are those of torch.nn.functional, so that `ops.conv2d` can stand where `F.conv2d` stands;
`segkit.native` has the same functions on torch's kernels. Read `convolution` first, then `patches`, `correlation`
and `depthwise`, its three ways to compute.
"""

from segkit.ops.activation import prelu
from segkit.ops.adaptive_max_pooling import adaptive_max_pool2d
from segkit.ops.attention import attend
from segkit.ops.average_pooling import adaptive_avg_pool2d, avg_pool2d
from segkit.ops.convolution import conv2d
from segkit.ops.encoding import encode
from segkit.ops.gating import gate
from segkit.ops.grid_sampling import grid_sample, point_sample
from segkit.ops.interpolation import interpolate
from segkit.ops.max_pooling import max_pool2d
from segkit.ops.pyramid_pooling import spatial_pyramid_pool
from segkit.ops.separable import separable_conv2d
from segkit.ops.shuffling import channel_shuffle, pixel_shuffle, pixel_unshuffle
from segkit.ops.stitching import shift_and_stitch
from segkit.ops.sweeping import sweep
from segkit.ops.transposed_convolution import conv_transpose2d
from segkit.ops.unpooling import bed_of_nails, max_unpool2d

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "attend", "avg_pool2d", "bed_of_nails", "channel_shuffle", "conv2d",
    "conv_transpose2d", "encode", "gate", "grid_sample", "interpolate", "max_pool2d", "max_unpool2d", "pixel_shuffle",
    "pixel_unshuffle", "point_sample", "prelu", "separable_conv2d", "shift_and_stitch", "spatial_pyramid_pool", "sweep",
]  # fmt: skip
