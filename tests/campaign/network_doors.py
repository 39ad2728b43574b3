"""Doors of encoders, heads, models and of what is said about networks, and of the graders' plain functions."""

from __future__ import annotations

import functools
import math
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from segkit import encoders, heads, models
from tests.campaign.doors import Door, close, normal, uniform
from tests.campaign.made import network

COUNT = (0, -1, True)
DOORS: dict[str, Door] = {}


def picture(channels: int = 3, batch: int = 2, side: int = 33) -> Tensor:
    return uniform(Random(5), batch, channels, side, side)


def maps(encoder: Any, given: dict[str, Any]) -> None:
    """As many maps as it says, of the channels and sizes that it says, whatever the engine."""
    import segkit

    x = picture()
    found = encoder.eval()(x)
    assert [m.shape[1] for m in found] == list(encoder.channels)
    assert [m.shape[2] for m in found] == [-(-33 // s) for s in encoder.strides]
    with segkit.use_engine("scratch"):
        close(encoder(x)[-1], found[-1], 1e-3)


def classes(model: nn.Module, given: dict[str, Any]) -> None:
    assert model.eval()(picture(given.get("in_channels", 3), side=64)).shape == (2, given["num_classes"])


def scores(model: nn.Module, given: dict[str, Any]) -> None:
    """Finite scores of every pixel, the same in both engines, and the configuration makes the model again."""
    import segkit

    x = picture(given.get("in_channels", 3), side=17)
    with torch.no_grad():
        found = model.eval()(x)
        with segkit.use_engine("scratch"):
            close(model(x), found, 1e-3)
    assert found.shape[:2] == (2, given["num_classes"]) and found.isfinite().all()
    config = dict(model.config)
    name = config.pop("name", None)
    again = models.create(name, **config) if name else type(model)(**config)
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}


SMALL = {"encoder": ("no such", None, 3), "width": (*COUNT, 1.5), "in_channels": COUNT, "num_classes": COUNT,
         "dropout": (-1, 2, math.nan), "output_stride": (0, 3, -8), "rates": ((0,), (1.5,), 3), "hidden": (0, -1),
         "bins": ((-1,), (1.5,), 3), "depth": (3, 1.5), "multi_grid": ((0, 1, 2), (1,), 3)}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "DeepLabV2": {"hidden": 4}, "DeepLabV1": {"hidden": 4}, "FCN": {"hidden": 4}, "ParseNet": {"hidden": 4},
    "Dilated": {"hidden": 4}, "SPPNet": {"hidden": 4, "size": None}, "DUCHDC": {"encoder": "resnet18", "hdc": "none"},
    "PSPNet": {"encoder": "resnet18"}, "DeepLabV3": {"encoder": "resnet18"}, "FCNResNet": {"encoder": "resnet18"},
    "DeepLabV3Cascade": {"encoder": "resnet18"}, "DeepLabV3Plus": {"encoder": "resnet18"}, "UNet": {"levels": 3},
    "SegNet": {"encoder": "vgg11"}, "ENet": {}, "ICNet": {"encoder": "resnet18"}, "RTSeg": {"width": 8},
    "ESNet": {}, "ESPNet": {}, "ESPNetv2": {},
}  # fmt: skip


def model_door(name: str) -> Door:
    import inspect

    cls, own = getattr(models, name), OPTIONS[name]
    takes = inspect.signature(cls.__init__).parameters
    return Door(
        cls, lambda r: {"num_classes": r.randint(1, 4), "width": 4, **own, "in_channels": r.choice((1, 3))},
        classes if name == "SPPNet" else scores,
        {k: v for k, v in SMALL.items() if k in takes and (name, k) != ("UNet", "encoder")},
        ("fov", "hdc", "size", "decoder_channels", "encoder_options", "low_level", "head_width", "context", "initial"),
    )  # fmt: skip


DOORS |= {f"models.{name}": model_door(name) for name in OPTIONS}
SMALL_ENCODERS = {
    "AlexNetEncoder": {}, "MobileNetV1Encoder": {}, "MobileNetV2Encoder": {}, "ResNetEncoder": {"depth": 18},
    "ShuffleNetEncoder": {}, "VGGEncoder": {"depth": 11}, "Xception65Encoder": {}, "XceptionEncoder": {},
}  # fmt: skip
for name, own in SMALL_ENCODERS.items():
    width = 48 if name == "ShuffleNetEncoder" else 8
    DOORS[f"encoders.{name}"] = Door(
        getattr(encoders, name), lambda r, own=own, width=width: {"width": width, **own}, maps,
        {k: SMALL[k] for k in ("width", "in_channels", "output_stride", *own)}, ("stem", "beyond"),
    )  # fmt: skip
for name, own in {"VGG": {"depth": 11}, "AlexNet": {}, "ResNet": {"depth": 18}, "MobileNetV2": {}}.items():
    side = {"width": 4 if name != "MobileNetV2" else 8}
    DOORS[f"encoders.{name}"] = Door(
        getattr(encoders, name), lambda r, own=own, side=side: {"num_classes": r.randint(1, 9), **own, **side},
        lambda m, g: None if type(m).__name__ in ("VGG", "AlexNet") else classes(m, g),
        {k: SMALL[k] for k in ("num_classes", "width", "in_channels", *own)}, ("dropout", "stride_in"),
    )  # fmt: skip


def tiny(random: Random) -> Any:
    return encoders.create(random.choice(("resnet18", "vgg11", "xception")), width=8)


def dilated(encoder: Any, given: dict[str, Any]) -> None:
    """The finer map, sampled, is the coarser one."""
    old, new = given["encoder"].eval(), encoder.eval()
    x = picture(side=64)
    fine, coarse = new(x)[-1], old(x)[-1]
    step = old.strides[-1] // new.strides[-1]
    close(fine[..., ::step, ::step], coarse, 1e-3)


def rated(answer: None, given: dict[str, Any]) -> None:
    for block, rate in zip(given["blocks"], given["rates"], strict=True):
        assert {m.dilation[0] for m in block.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] > 1} == {rate}


STRIDE = (0, 3, -1, 1.5, "8", None)
DOORS |= {
    "encoders.create": Door(encoders.create, lambda r: {"name": r.choice(("resnet18", "vgg11", "xception")),
                            "width": 8, "output_stride": r.choice((8, 16, 32))}, maps,
                            {"name": ("resnet19", None, 3), "width": COUNT, "output_stride": (0, -1, 1.5),
                             "weights": ("coco", 3)}),
    "encoders.dilate_strides": Door(encoders.dilate_strides, lambda r: {"encoder": tiny(r), "output_stride": 8},
                                    dilated, {"output_stride": STRIDE, "encoder": (None, 3)}),
    "encoders.dilate_strides_": Door(encoders.dilate_strides_, lambda r: {"encoder": tiny(r), "output_stride": 8},
                                     maps, {"output_stride": STRIDE, "encoder": (None, 3)}),
    "encoders.set_rates": Door(
        encoders.set_rates, lambda r: {"blocks": encoders.create("resnet18", width=8).layer4,
                                       "rates": [r.randint(1, 4), r.randint(1, 4)]}, rated,
        {"rates": ((1,), (0, 1), (1.5, 1), None, "12"), "blocks": (None, 3, [3, 4])}),
    "encoders.with_batch_norm": Door(encoders.with_batch_norm, lambda r: {"name": "vgg11", "batch_norm": True},
                                     lambda n, g: close(len(n), 8), {}, ("name",)),
    "encoders.Classifier": Door(encoders.Classifier, lambda r: {"encoder": tiny(r), "num_classes": r.randint(1, 9)},
                                classes, {k: SMALL[k] for k in ("num_classes", "dropout")}),
}  # fmt: skip


# heads --------------------------------------------------------------------------------------------------------------


def head(channels: str) -> Any:
    def right(module: nn.Module, given: dict[str, Any]) -> None:
        x = normal(Random(3), 2, given["channels"], 5, 6)
        found = module.eval()(x)
        wanted = given[channels] if channels in given else module.out_channels
        assert found.shape == (2, wanted, 5, 6) and found.isfinite().all()

    return right


def fused(module: nn.Module, given: dict[str, Any]) -> None:
    found, guide = module.eval()(normal(Random(3), 2, given["coarse"], 3, 4), normal(Random(4), 2, given["fine"], 5, 8))
    assert found.shape == (2, given["channels"], 5, 8) and (found >= 0).all()
    assert (guide is None) == ("num_classes" not in given) and (guide is None or guide.shape[2:] == (5, 8))


def summed(module: nn.Module, given: dict[str, Any]) -> None:
    """Maps of odd sizes, each half of the one before, rounded up."""
    fine = [normal(Random(i), 2, c, -(-9 // 2**i), -(-13 // 2**i)) for i, c in enumerate(given["channels"])]
    logits, times = module.eval()(fine)["logits"], 8 if isinstance(module, heads.SummedScores) else 2
    assert logits.shape == (2, given["num_classes"], 9 * times, 13 * times) and logits.isfinite().all()


def decoded(module: nn.Module, given: dict[str, Any]) -> None:
    found = module.eval()(normal(Random(3), 2, 4, 5, 6), normal(Random(4), 2, 3, 5, 6))
    assert found.shape == (2, given["width"], 5, 6)


def enlarged(answer: Tensor, given: dict[str, Any]) -> None:
    """Bilinear enlargement stays within what was given, and starts as it does."""
    x = given["score"]
    assert answer.min() >= x.min() - 1e-5 and answer.max() <= x.max() + 1e-5
    close(answer[..., 0, 0], x[..., 0, 0])


CHANNELS = {"channels": COUNT, "width": COUNT, "dropout": (-1, 2, math.nan), "num_classes": COUNT, "hidden": (0, -1),
            "rates": ((0,), (1.5,), 3), "bins": ((-1,), (1.5,), 3), "mode": ("sum",), "reduced": (-1, 1.5),
            "low_channels": COUNT, "convs": COUNT, "scale": (math.nan, "x")}  # fmt: skip
DOORS |= {
    "heads.ASPP": Door(heads.ASPP, lambda r: {"channels": 4, "width": r.randint(1, 5), "rates": (1, r.randint(1, 9))},
                       head("width"), CHANNELS),
    "heads.SummedASPP": Door(heads.SummedASPP, lambda r: {"channels": 4, "num_classes": r.randint(1, 5), "hidden": 3},
                             head("num_classes"), CHANNELS),
    "heads.FCNHead": Door(heads.FCNHead, lambda r: {"channels": 4, "num_classes": r.randint(1, 5)},
                          head("num_classes"), CHANNELS),
    "heads.GlobalFeature": Door(heads.GlobalFeature, lambda r: {"channels": 4}, head("out"), CHANNELS),
    "heads.PyramidPooling": Door(heads.PyramidPooling, lambda r: {"channels": 4, "bins": (1, r.randint(1, 4))},
                                 head("out"), {**CHANNELS, "join": ("mean",)}, ("reduction",)),
    "heads.Decoder": Door(heads.Decoder, lambda r: {"channels": 4, "low_channels": 3, "width": r.randint(1, 5),
                          "reduced": r.randint(0, 3)}, decoded, CHANNELS),
    "heads.CascadeFusion": Door(
        heads.CascadeFusion, lambda r: {"coarse": r.randint(1, 5), "fine": 3, "channels": r.randint(1, 5),
                                        **r.choice(({}, {"num_classes": 2}))}, fused,
        {**CHANNELS, "coarse": COUNT, "fine": COUNT}),
    "heads.SummedScores": Door(
        heads.SummedScores, lambda r: {"channels": (4, 3, 5), "num_classes": r.randint(1, 4)}, summed,
        {"channels": ((4, 3), (4, 3, 0), 4, None), "num_classes": COUNT}),
    "heads.SummedMaps": Door(
        heads.SummedMaps, lambda r: {"channels": (2, 4, 3, 5)[:r.randint(2, 4)], "num_classes": r.randint(1, 4)},
        summed, {"channels": ((4,), (4, 0), 4, None), "num_classes": COUNT, "dropout": (-1, 2, math.nan)}),
    "heads.upscaling": Door(
        heads.upscaling, lambda r: {"channels": r.randint(1, 4), "stride": 2 * r.randint(1, 4),
                                    "corner_aligned": r.random() < 0.5},
        lambda layer, g: close(
            layer(torch.ones(1, g["channels"], 5, 5))[..., g["stride"] * 5 // 2, g["stride"] * 5 // 2],
            torch.ones(1, g["channels"])
        ),
        {"channels": COUNT, "stride": (1, 0, 2.5)}),
    "heads.rates_at": Door(heads.rates_at, lambda r: {"output_stride": r.choice((8, 16, 32))},
                           lambda a, g: close(a[0] * g["output_stride"], 96),
                           {"output_stride": (0, 5, -1), "written_for": (0, -1), "rates": (3, (0,), "ab")}),
    "heads.enlarge": Door(heads.enlarge, lambda r: {"score": normal(r, 1, 2, 3, r.randint(1, 4)),
                          "stride": r.randint(1, 4)}, enlarged, {"stride": COUNT}),
    "heads.enlarge_from_corners": Door(
        heads.enlarge_from_corners, lambda r: {"score": normal(r, 1, 2, 3, 4), "stride": r.randint(1, 4)},
        lambda a, g: close(a[..., :: g["stride"], :: g["stride"]][..., :3, :4], g["score"]), {"stride": COUNT}),
    "heads.to_size": Door(heads.to_size, lambda r: {"x": normal(r, 1, 2, 3, 4), "factor": 2, "height": 6, "width": 8},
                          lambda a, g: close(a[..., 0, 0], g["x"][..., 0, 0]), {
                              "factor": COUNT}, ("height", "width")),  # may be symbols, where a network is exported
    "heads.to_picture": Door(
        heads.to_picture, lambda r: {"score": normal(r, 1, 2, 2, 2), "encoder": tiny(r), "height": 33, "width": 40},
        lambda a, g: close(torch.tensor([a.shape[2] >= 33, a.shape[3] >= 40]), torch.tensor([True, True])),
        {}, ("height", "width")),
}  # fmt: skip


# models' functions --------------------------------------------------------------------------------------------------

DOORS |= {
    "models.create": Door(models.create, lambda r: {"name": r.choice(("enet", "unet")), "num_classes": r.randint(1, 4)},
                          lambda m, g: close(m.num_classes, g["num_classes"]),
                          {"name": ("unets", None, 3), "num_classes": COUNT}),
    "models.available": Door(models.available, lambda r: {}, lambda a, g: close(len(set(a)), len(a)), {"task": ("x",)}),
    "models.options": Door(models.options, lambda r: {"name": r.choice(models.available())},
                           lambda o, g: close("num_classes" in o, False), {"name": ("unets", None)}),
    "models.register": Door(models.register, lambda r: {"name": f"new{r.random()}"}, lambda d, g: None, {},
                            ("name",)),
    "models.torchvision_options": Door(models.torchvision_options, lambda r: {"name": "fcn_resnet50"},
                                       lambda o, g: None, {"name": ("fcn", None)}),
    "models.unwrapped": Door(models.unwrapped, lambda r: {"model": network()},
                             lambda m, g: close(m is g["model"], True), {}, ("model",)),
    "models.load_exactly": Door(
        models.load_exactly, lambda r: {"model": network(1), "state": network(2).state_dict()},
        lambda a, g: close(g["model"].state_dict()["fc6.weight"], g["state"]["fc6.weight"]),
        {"state": (None, 3, {}, {"x": torch.zeros(1)})}, ("dropped",)),
    "models.load_torchvision": Door(
        models.load_torchvision, lambda r: models_state(),
        lambda left, g: None, {"state": (None, 3, {}, {"x": torch.zeros(1)})}),
    "models.load_torchvision_segmentation": Door(
        models.load_torchvision_segmentation, lambda r: {"model": network(), "state": {}}, lambda a, g: None),
    "models.fuse_skip": Door(
        models.fuse_skip, lambda r: {"coarse": torch.ones(1, 2, 7, 9), "fine": torch.ones(1, 2, 6, 8)},
        lambda a, g: close(a[..., 3:4, 3:4], torch.full((1, 2, 1, 1), 2.0)),
        {"coarse": (torch.ones(1, 3, 7, 9), torch.ones(1))}),
    "models.linear_to_conv": Door(
        models.linear_to_conv, lambda r: {"linear": nn.Linear(12, 5), "channels": 3, "height": 2, "width": 2},
        lambda c, g: close(c(x := normal(Random(2), 1, 3, 2, 2))[..., 0, 0], g["linear"](x.flatten(1))),
        {"linear": (None, 3), "channels": (0, 4), "height": (0, 3), "width": (0, 3)}),
    "models.convolutionalise": Door(
        models.convolutionalise, lambda r: {"classifier": encoders.VGG(3, 11, 1)}, lambda c, g: c(picture(side=224)),
        {"classifier": (None, 3, nn.Linear(2, 2))}),
    "models.ContextModule": Door(models.ContextModule, lambda r: {"classes": r.randint(1, 4)}, lambda c, g: close(
        c(x := uniform(Random(1), 1, g["classes"], 9, 9)), x, 1e-3), {"classes": COUNT, "size": ("huge",)}),
}  # fmt: skip


@functools.cache
def models_state() -> dict[str, Any]:
    """A large encoder and torchvision's weights for it, made once."""
    from torchvision.models import vgg11

    return {"model": encoders.create("vgg11", width=64), "state": vgg11().state_dict()}
