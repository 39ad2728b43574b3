"""Doors of the operators, layers, metrics and the CRF, each held against torch, numpy or the sum written out."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from segkit import layers, native, ops
from tests.campaign.doors import Door, close, normal

DOORS: dict[str, Door] = {}
BELOW_ONE = (0, -1)


def conv(random: Random) -> dict[str, Any]:
    groups, k = random.choice((1, 2)), random.randint(1, 3)
    x = normal(random, random.randint(0, 2), 2 * groups, random.randint(7, 10), random.randint(7, 10))
    return {
        "input": x, "weight": normal(random, 2 * groups, 2, k, random.randint(1, 3)),
        "bias": random.choice((None, normal(random, 2 * groups))), "stride": random.randint(1, 3),
        "padding": random.randint(0, 2), "dilation": random.randint(1, 3), "groups": groups,
    }  # fmt: skip


def transposed(random: Random) -> dict[str, Any]:
    given = conv(random)
    stride = random.randint(1, 3)
    return given | {"stride": stride, "padding": 0, "output_padding": random.randrange(stride)}


def windows(random: Random, **more: Any) -> dict[str, Any]:
    k = random.randint(1, 4)
    x = normal(random, random.randint(0, 2), 2, random.randint(5, 9), random.randint(5, 9))
    ceil = random.random() < 0.5
    return {"input": x, "kernel_size": k, "stride": random.randint(1, 3), "padding": k // 2, "ceil_mode": ceil, **more}


def unpool(random: Random) -> dict[str, Any]:
    x = normal(random, random.randint(1, 2), 2, 2 * random.randint(1, 4), 2 * random.randint(1, 4))
    y, places = nn.functional.max_pool2d(x, 2, return_indices=True)
    return {"input": y, "indices": places, "kernel_size": 2}


def separable(random: Random) -> dict[str, Any]:
    x = normal(random, random.randint(1, 2), 3, random.randint(6, 9), random.randint(6, 9))
    return {
        "input": x, "depthwise_weight": normal(random, 3, 1, 3, 3), "pointwise_weight": normal(random, 4, 3, 1, 1),
        "stride": random.randint(1, 2), "padding": random.randint(0, 2), "dilation": random.randint(1, 2),
    }  # fmt: skip


def pictures(random: Random, channels: int = 4) -> Tensor:
    return normal(random, random.randint(0, 2), channels, 2 * random.randint(1, 4), 2 * random.randint(1, 4))


def odd(random: Random) -> Tensor:
    return normal(random, 1, 2, random.randint(1, 9), random.randint(1, 9))


def sampling(random: Random) -> dict[str, Any]:
    x = odd(random)
    return {"input": x, "grid": normal(random, 1, random.randint(1, 5), random.randint(1, 5), 2)}


MAKES = {
    "conv2d": conv,
    "conv_transpose2d": transposed,
    "max_pool2d": windows,
    "avg_pool2d": windows,
    "max_unpool2d": unpool,
    "separable_conv2d": separable,
    "adaptive_avg_pool2d": lambda r: {"input": odd(r), "output_size": (r.randint(1, 9), r.randint(1, 9))},
    "adaptive_max_pool2d": lambda r: {"input": odd(r), "output_size": (r.randint(1, 9), r.randint(1, 9))},
    "interpolate": lambda r: {"input": odd(r), "size": (r.randint(1, 12), r.randint(1, 12)), "mode": "bilinear",
                              "align_corners": r.random() < 0.5},
    "grid_sample": sampling,
    "point_sample": lambda r: {"input": (given := sampling(r))["input"], "points": given["grid"][:, 0]},
    "channel_shuffle": lambda r: {"input": pictures(r), "groups": r.choice((1, 2, 4))},
    "pixel_shuffle": lambda r: {"input": pictures(r), "upscale_factor": r.choice((1, 2))},
    "pixel_unshuffle": lambda r: {"input": pictures(r), "downscale_factor": r.choice((1, 2))},
    "bed_of_nails": lambda r: {"input": pictures(r), "stride": r.randint(1, 3)},
    "prelu": lambda r: {"input": pictures(r), "weight": normal(r, r.choice((1, 4)))},
    "spatial_pyramid_pool": lambda r: {"input": odd(r), "bins": (r.randint(1, 4), 1), "mode": r.choice(("max", "avg"))},
    "shift_and_stitch": lambda r: {"network": lambda x: nn.functional.max_pool2d(x, 2), "stride": 2,
                                   "input": normal(r, 1, 2, 2 * r.randint(2, 4), 2 * r.randint(2, 4))},
}  # fmt: skip
SIZES = ("stride", "kernel_size", "dilation", "groups", "upscale_factor", "downscale_factor")
WRONG: dict[str, Any] = {name: BELOW_ONE for name in SIZES} | {
    "padding": (-1,), "input": (normal(Random(0), 1, 4, 0, 4),), "output_size": ((2, 2, 2), -1, (1.5, 2)),
    "size": (0, (3, 3, 3), 2.5), "bins": ((), (0,), 3), "scale_factor": (3.0,),
}  # fmt: skip


def as_torch(name: str) -> Any:
    """The operator's answer is torch's; for shift_and_stitch that of the network with its stride taken out."""

    def right(answer: Any, given: dict[str, Any]) -> None:
        theirs = getattr(native, name)(**given)
        for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (answer, theirs)), strict=True):
            close(a, b)

    def dense(answer: Tensor, given: dict[str, Any]) -> None:
        x = nn.functional.pad(given["input"], (0, 1, 0, 1))
        close(answer, nn.functional.max_pool2d(x, 2, 1)[..., : answer.shape[-2], : answer.shape[-1]])

    return dense if name == "shift_and_stitch" else right


for name, make in MAKES.items():
    own = {key: values for key, values in WRONG.items() if key in make(Random(1)) or key == "scale_factor"}
    # torch takes a count of pictures, and `mode` has words of its own
    DOORS[f"ops.{name}"] = Door(getattr(ops, name), make, as_torch(name), own, ("recompute_scale_factor",), mirror=True)


# layers: the constructor is torch's or ours, and the answer that of the operator with the layer's own weights ---------


def same_as(theirs: Any, *x: int) -> Any:
    """The layer answers as torch's layer of these arguments with the same weights."""

    def right(layer: nn.Module, given: dict[str, Any]) -> None:
        random = Random(3)
        other = theirs(**given)
        other.load_state_dict(layer.state_dict())
        image = normal(random, *x)
        close(layer(image), other(image))

    return right


PLAIN = {
    "AdaptiveAvgPool2d": lambda r: {"output_size": r.randint(1, 9)},
    "AdaptiveMaxPool2d": lambda r: {"output_size": r.randint(1, 9)},
    "AvgPool2d": lambda r: {"kernel_size": r.randint(1, 4), "stride": r.randint(1, 3)},
    "MaxPool2d": lambda r: {"kernel_size": r.randint(1, 4), "stride": r.randint(1, 3)},
    "Conv2d": lambda r: {"in_channels": 4, "out_channels": r.randint(1, 4), "kernel_size": r.randint(1, 4)},
    "ConvTranspose2d": lambda r: {"in_channels": 4, "out_channels": r.randint(1, 4), "kernel_size": r.randint(1, 4)},
    "ChannelShuffle": lambda r: {"groups": r.choice((1, 2, 4))},
    "PReLU": lambda r: {"num_parameters": r.choice((1, 4))},
    "PixelShuffle": lambda r: {"upscale_factor": r.choice((1, 2))},
    "PixelUnshuffle": lambda r: {"downscale_factor": r.choice((1, 2))},
    "Upsample": lambda r: {"size": (r.randint(1, 12), r.randint(1, 12)), "mode": r.choice(("nearest", "bilinear"))},
}
for name, make in PLAIN.items():
    loose = ("device", "dtype", "padding_mode", "mode", "scale_factor", "init", "divisor_override", "size")
    shape = (2, 4, 8, 10)
    DOORS[f"layers.{name}"] = Door(getattr(layers, name), make, same_as(getattr(nn, name), *shape), {}, loose, True)
DOORS["layers.MaxUnpool2d"] = Door(
    layers.MaxUnpool2d, lambda r: {"kernel_size": r.randint(1, 3)},
    lambda layer, g: close(
        layer(*layers.MaxPool2d(g["kernel_size"], return_indices=True)(x := normal(Random(5), 1, 2, 6, 6))),
        nn.MaxUnpool2d(g["kernel_size"])(*nn.MaxPool2d(g["kernel_size"], return_indices=True)(x)),
    ), {}, (), True,
)  # fmt: skip


def own_layer(layer: nn.Module, given: dict[str, Any]) -> None:
    """Finite, of the channels that were asked for, and the same in both engines."""
    import segkit

    x = normal(Random(3), 2, 4, 9, 8)
    answer = layer.eval()(x)
    with segkit.use_engine("scratch"):
        close(layer(x), answer, 1e-3)
    assert answer.isfinite().all() and answer.shape[1] == given.get("out_channels", 4)


DOORS["layers.L2Norm"] = Door(layers.L2Norm, lambda r: {"channels": 4, "scale": r.uniform(0, 9)}, own_layer,
                              {"channels": BELOW_ONE, "eps": (-1,)})  # fmt: skip
for name in ("AsymmetricConv2d", "InvertedResidual", "SeparableConv2d"):
    DOORS[f"layers.{name}"] = Door(
        getattr(layers, name),
        lambda r: {"in_channels": 4, "out_channels": r.randint(1, 5), "kernel_size": 3, "dilation": r.randint(1, 2)},
        own_layer, {"in_channels": BELOW_ONE, "out_channels": BELOW_ONE, "kernel_size": BELOW_ONE},
    )  # fmt: skip
DOORS["layers.bilinear_kernel"] = Door(
    layers.bilinear_kernel, lambda r: {"channels": r.randint(1, 3), "stride": r.randint(1, 5)},
    lambda k, g: close(k.sum((1, 2, 3)), torch.full((g["channels"],), float(g["stride"]) ** 2)),
    {"channels": BELOW_ONE, "stride": BELOW_ONE}, ("device", "dtype"),
)  # fmt: skip
DOORS["layers.init_bilinear_"] = Door(
    layers.init_bilinear_,
    lambda r: {"layer": layers.ConvTranspose2d(2, 2, 2 * (s := r.randint(1, 3)) - s % 2, s, bias=False)},
    lambda layer, g: close(layer.weight, layers.bilinear_kernel(2, layer.stride[0])),
    {"layer": (None, 3, "x", nn.Conv2d(1, 1, 1))},
)  # fmt: skip
