"""Every model at the course's size, choice by choice: the table that the tests of all models run over."""

from __future__ import annotations

import itertools
from typing import Any

from segkit.models.deeplab_v1 import FIELDS
from segkit.models.segnet import UPSAMPLINGS
from segkit.models.unet import PADDINGS, SKIPS, UPS
from tests.models.case import CLASSES, RESNET18, Case
from tests.models.common_later import LATER

VGG = {"width": 4, "hidden": 16, "batch_norm": True}
VGG11 = {**VGG, "encoder": "vgg11"}
QUICKLY: dict[str, Any] = {"side": 17, "rate": 3e-2}  # for networks that decide at every pixel
SCORES = {"score_32": (32, CLASSES), "score_16": (16, CLASSES), "score_8": (8, CLASSES)}


def _fcn() -> list[Case]:
    first = {"score_32": SCORES["score_32"]}
    return [
        Case("fcn32s", VGG, first, side=65),
        Case("fcn32s", {"width": 4, "hidden": 16, "encoder": "alexnet"}, first, side=65),
        Case("fcn16s", VGG, {**first, "score_16": SCORES["score_16"]}),
        Case("fcn8s", VGG, SCORES),
        Case("fcn8s", {"width": 4, "encoder": "resnet18"}, SCORES),
        Case("fcn16s", {**VGG, "encoder": "vgg11", "in_channels": 2}, {**first, "score_16": SCORES["score_16"]}),
    ]


def _segnet() -> list[Case]:
    choices: list[dict[str, Any]] = [{"upsampling": up} for up in UPSAMPLINGS]
    choices += [{"encoder": f"vgg{depth}", "in_channels": 1} for depth in (11, 13, 19)]
    return [Case("segnet", {"width": 4, **choice}, {"bottom": (32, 32)}) for choice in choices]


def _unet() -> list[Case]:
    cases = []
    for padding, up, skip in itertools.product(PADDINGS, UPS, SKIPS):
        choice = {"width": 4, "levels": 4, "padding": padding, "up": up, "skip": skip}
        cases.append(Case("unet", choice, {"bottom": (8 if padding == "same" else None, 32)}, **QUICKLY))
    for skip, encoder in itertools.product(SKIPS, ("resnet18", "vgg11_bn")):
        choice = {"width": 4, "encoder": encoder, "skip": skip}
        cases.append(Case("unet", choice, {"bottom": (32, 32)}))
    own = {"width": 4, "encoder": "resnet18", "decoder_channels": (16, 8, 6, 5, 4), "up": "bilinear", "in_channels": 2}
    cases.append(Case("unet", own, {"bottom": (32, 32)}))
    cases.append(Case("unet", {"width": 4, "levels": 3, "in_channels": 1}, {"bottom": (None, 16)}, **QUICKLY))
    return [*cases, Case("unet", {"width": 2}, {"bottom": (None, 32)}, side=None)]


def _enet() -> list[Case]:
    choices = [{}, {"activation": "relu"}, {"asymmetric": False}, {"decoder": "mirror"}, {"early_downsampling": False},
               {"early_downsampling": False, "late_downsampling": True, "rates": [1, 2, 3, 4]},
               {"late_downsampling": True},
               {"variant": "paper", "dilation": False, "projection": "1x1", "initial": 16}]  # fmt: skip
    cases = [
        Case(
            "enet",
            {"width": 8, **choice},
            {"bottom": ({("early_downsampling",): 4, ("late_downsampling",): 16}.get(tuple(choice), 8), 64)},
            **QUICKLY,
        )
        for choice in choices
    ]
    slopes = {"variant": "paper"}  # a decoder of one channel a bottleneck, with ReLU, may be born dead
    narrow = [{"width": w, "in_channels": channels, **slopes} for w, channels in ((1, 3), (2, 1), (3, 3), (5, 4))]
    return [*cases, *(Case("enet", choice, {"bottom": (8, 8 * choice["width"])}, side=None) for choice in narrow)]


def _dilated() -> list[Case]:
    maps = {"front_end": (1, CLASSES)}
    return [
        Case("dilated", {**VGG11, "context": "basic"}, maps),
        Case("dilated", {**VGG11, "context": "large"}, maps, rate=3e-3),
        Case("dilated_frontend", VGG11),
        Case("dilated_frontend", {**VGG11, "in_channels": 1}),
    ]


def _duc_hdc() -> list[Case]:
    cases = []
    for head, cell in (("duc", 1), ("bilinear", 0)):
        for stride, hdc in ((8, "bigger"), (16, "none"), (32, "none"), (8, ([1, 2], [5, 9]))):
            choice = {"width": 4, "encoder": "resnet18", "head": head, "output_stride": stride, "hdc": hdc}
            cases.append(Case("duc_hdc", choice, {"score": (stride, CLASSES * stride ** (2 * cell))}))
    other = {"width": 4, "encoder": "resnet34", "hdc": "rf", "in_channels": 1}
    return [*cases, Case("duc_hdc", other, {"score": (8, CLASSES * 64)})]


def _deeplab_v1() -> list[Case]:
    score = {"score": (8, CLASSES)}
    fields = [Case("deeplab_v1", {**VGG11, "fov": fov}, score, side=65) for fov in (*FIELDS, (2, 3))]
    return [*fields, *(Case("deeplab_v1_msc", {**VGG11, "fov": fov}, score) for fov in ("large", "4x4")),
            Case("deeplab_v1_msc", {**VGG11, "in_channels": 4}, score)]  # fmt: skip


def _fcn_resnet() -> list[Case]:
    coarse = {"output_stride": 32, "aux": True, "in_channels": 2, "align_corners": False}
    return [
        Case("fcn_resnet", RESNET18, {"score": (8, CLASSES)}),
        Case("fcn_resnet", {**RESNET18, **coarse}, {"score": (32, CLASSES), "aux": (16, CLASSES)}, side=65),
    ]


def _pspnet() -> list[Case]:
    maps = {"score": (8, CLASSES), "aux": (8, CLASSES)}
    coarse = {"output_stride": 16, "align_corners": False, "aux": False, "in_channels": 4, "bins": (0, 2)}
    return [
        Case("pspnet", RESNET18, maps),
        Case("pspnet", {**RESNET18, "pooling": "max", "stem": "7x7", "reduction": False}, maps),
        Case("pspnet", {**RESNET18, **coarse}, {"score": (16, CLASSES)}),
    ]


def _icnet() -> list[Case]:
    guides = {"score_16": (16, CLASSES), "score_8": (8, CLASSES)}
    return [
        Case("icnet", {**RESNET18, "width": 8}, {"score": (4, CLASSES), **guides}),
        Case("icnet", {"width": 2, "bins": (), "aux": False, "in_channels": 2}, {"score": (4, CLASSES)}, side=None),
    ]


def _parsenet() -> list[Case]:
    choices = [{}, {"normalise": False, "in_channels": 1}]
    return [Case("parsenet", {**VGG11, **choice}, {"score": (8, CLASSES)}, side=65) for choice in choices]


def _sppnet() -> list[Case]:
    small = {"base": "small", "width": 4, "batch_norm": True}
    return [
        Case("sppnet", {"width": 2, "hidden": 16}, {"vector": (None, 50 * 8)}),
        Case("sppnet", small, {"vector": (None, 50 * 16)}),
        Case("sppnet", {**small, "head": "gap", "in_channels": 1}, {"vector": (None, 16)}),
    ]


def _deeplab_v2() -> list[Case]:
    scales = {f"scale_{scale}": (1, CLASSES) for scale in ("0.5", "0.75", "1")}
    return [
        Case("deeplab_v2", {**VGG11, "rates": (1, 2), "in_channels": 2}, {"score": (8, CLASSES)}),
        Case("deeplab_v2", RESNET18, {"score": (8, CLASSES)}),
        Case("deeplab_v2", {**VGG11, "rates": "fov", "msc": True}, scales),
    ]


def _deeplab_v3() -> list[Case]:
    half_pixel = {"output_stride": 8, "extra_conv": True, "aux": True, "align_corners": False}
    coarse = {"output_stride": 32, "multi_grid": None, "rates": (2, 4), "image_pooling": False, "head_width": 6}
    cascade = {"extra_blocks": 2, "output_stride": 32}
    return [
        Case("deeplab_v3", RESNET18, {"score": (16, CLASSES)}, side=65),
        Case("deeplab_v3", {**RESNET18, **half_pixel}, {"score": (8, CLASSES), "aux": (8, CLASSES)}),
        Case("deeplab_v3", {**RESNET18, **coarse, "stem": "deep"}, {"score": (32, CLASSES)}, side=65, rate=3e-2),
        Case("deeplab_v3_cascade", {**RESNET18, **cascade}, {"score": (32, CLASSES)}, side=65),
    ]


def _deeplab_v3plus() -> list[Case]:
    """Every encoder that is new with it, at every output stride."""
    fine: dict[str, Any] = {"score": (4, CLASSES)}
    control = {"separable": "none", "low_level": 0, "output_stride": 8, "align_corners": False, "in_channels": 2}
    plain = {"decoder": False, "rates": (), "output_stride": 32, "encoder_options": {"stem": "deep"}}
    other = {"decoder_convs": 1, "head_width": 6, "separable": "aspp", "output_stride": 32}
    return [
        Case("deeplab_v3plus", {"width": 4, "encoder": "shufflenet", "output_stride": 8}, fine),
        Case("deeplab_v3plus", {"width": 4, "encoder": "mobilenet_v2"}, fine),
        Case("deeplab_v3plus", {**RESNET18, **control}, fine),
        Case("deeplab_v3plus", {**RESNET18, **plain}, {"score": (32, CLASSES)}, side=65, rate=3e-2),
        Case("deeplab_v3plus", {"width": 8, "encoder": "mobilenet_v1", **other}, fine),
        Case("deeplab_v3plus", {"width": 8, "encoder": "resnest50"}, fine),
        Case("deeplab_v3plus", {**RESNET18, "height_gates": True}, fine),
        Case("deeplab_v3plus", {"width": 2, "encoder": "xception", "output_stride": 8}, fine),
        Case("deeplab_v3plus", {"width": 2, "encoder_options": {"variant": "paper"}}, fine),
        Case("deeplab_v3plus", {"width": 4, "encoder": "vgg11_bn", "separable": "decoder"}, fine),
    ]


def _rtseg() -> list[Case]:
    mobile, dilation = {"width": 8, "encoder": "mobilenet_v1"}, {"decoder": "dilation"}
    fine = {"score": (8, CLASSES)}
    return [
        Case("rtseg", mobile, SCORES),
        Case("rtseg", {"width": 8, "encoder": "shufflenet", "decoder": "unet", "dropout": 0.0}),
        Case("rtseg", {**RESNET18, "decoder": "unet", "dropout": 0.0, "in_channels": 2}),
        Case("rtseg", {**mobile, **dilation}, fine),
        Case("rtseg", {"width": 8, "encoder": "shufflenet", **dilation}, fine),
        Case("rtseg", {**RESNET18, **dilation, "dilate": "all"}, fine),
        Case("rtseg", {"width": 4, "encoder": "vgg11_bn", **dilation}, fine),
    ]


CASES = [*_fcn(), *_segnet(), *_unet(), *_enet(), *_dilated(), *_duc_hdc(), *_deeplab_v1()]
CASES += [*_fcn_resnet(), *_pspnet(), *_parsenet(), *_deeplab_v2(), *_deeplab_v3(), *_deeplab_v3plus()]
CASES += [*_icnet(), *_rtseg(), *LATER]
CLASSIFIERS = _sppnet()  # scores for each picture, of any size
