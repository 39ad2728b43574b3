"""The networks of chapters 13 to 15, choice by choice."""

from __future__ import annotations

from typing import Any

from tests.models.case import CLASSES, RESNET18, Case
from tests.models.clear import clear_cut


def _context() -> list[Case]:
    """The networks of context: on a ResNet of stride 8, or with all of its maps."""
    eight, quarter = {"score": (8, CLASSES)}, {"score": (4, CLASSES)}
    both = {"position": (8, CLASSES), "channel": (8, CLASSES)}
    presence: dict[str, tuple[int | None, int]] = {**eight, "presence": (None, CLASSES)}
    sixteen = dict.fromkeys((*eight, *both, "aux"), (16, CLASSES))
    aux: dict[str, Any] = {"aux": True, "in_channels": 2}
    return [
        Case("danet", RESNET18, {**eight, **both}),
        Case("danet", {**RESNET18, **aux, "output_stride": 16, "sign": "paper"}, sixteen),
        Case("ccnet", RESNET18, eight),
        Case("ccnet", {**RESNET18, **aux, "recurrence": 1}, {**eight, "aux": (8, CLASSES)}),
        Case("ocnet", RESNET18, eight),
        Case("ann", RESNET18, eight),
        Case("ann", {**RESNET18, "bins": (), "output_stride": 16}, {"score": (16, CLASSES)}, side=65),
        Case("ocrnet", RESNET18, {**eight, "aux": (8, CLASSES)}),
        Case("ocrnet", {**RESNET18, "output_stride": 32}, {"score": (32, CLASSES), "aux": (16, CLASSES)}, side=65),
        Case("encnet", RESNET18, presence),
        Case("encnet", {**RESNET18, **aux, "lateral": True, "codewords": 4}, {**presence, "aux": (8, CLASSES)}),
        Case("psanet", {**RESNET18, "size": (9, 9)}, {**eight, "aux": (8, CLASSES)}),
        Case("psanet", {**RESNET18, "size": (3, 5), "aux": False}, eight),
        Case("denseaspp", {"width": 4, "rates": (1, 2)}, eight),
        Case(
            "denseaspp",
            {"width": 8, "encoder": "densenet161", "output_stride": 32, "in_channels": 2},
            {"score": (32, CLASSES)},
            side=65,
        ),
        Case("gcn", {**RESNET18, "kernel_size": 3}, quarter),
        Case("gcn", {**RESNET18, "refine": False, "in_channels": 1}, quarter),
        Case("refinenet", RESNET18, quarter),
    ]


def _light() -> list[Case]:
    """Networks that reach far with few weights."""
    encoder = {"score_8": (8, CLASSES)}
    return [
        Case("espnet", {"width": 4, "blocks": (1, 2)}, encoder),
        Case("espnet", {"width": 3, "blocks": (2, 1), "hff": False, "in_channels": 2}, encoder),
        Case("esnet", {"width": 4, "dropout": 0.0}, encoder),
        Case("esnet", {"width": 8, "dropout": 0.1, "in_channels": 2}, encoder, side=None),
        Case("espnetv2", {"width": 16, "decoder": 4}, {"score": (2, CLASSES)}),
        Case("espnetv2", {"width": 8, "decoder": 2, "hff": False, "in_channels": 2}, {"score": (2, CLASSES)}),
    ]


def _two_paths() -> list[Case]:
    """Real time by fine and coarse maps that meet."""
    eight = {"score": (8, CLASSES)}
    both = {**eight, "aux": (8, CLASSES)}
    four, flows = {"score": (4, CLASSES)}, {f"flow_{s}": (s, 2) for s in (16, 8, 4)}
    guides = {f"score_{s}": (s, CLASSES) for s in (16, 8, 4)}
    guided = {**eight, "score_16": (16, CLASSES), "score_8": (8, CLASSES)}
    return [
        Case("ddrnet", {"width": 16}, both, beyond=512),
        Case("ddrnet", {"width": 8, "base": "39", "exchange": False, "aux": False, "in_channels": 2}, eight),
        Case("ddrnet", {"width": 8, "base": "39"}, both, side=None),
        Case("bisenet", {**RESNET18, "width": 8}, guided),
        Case("bisenet", {"width": 16, "encoder": "xception39"}, guided),
        Case("sfsegnet", {**RESNET18, "width": 8}, {**four, **flows, **guides}),
        Case("sfsegnet", {**RESNET18, "flow": False, "aux": False, "bins": (2,), "in_channels": 2}, four),
        Case("dfanet", {"width": 16}, four, beyond=64),
        Case("dfanet", {"width": 16, "base": "B", "backbones": 1, "in_channels": 2}, four),
        Case("bisenet", {**RESNET18, "spatial": False, "attention": False, "aux": False, "in_channels": 1}, eight),
    ]


def _edges() -> list[Case]:
    """The networks of high resolution and of borders."""
    small, quarter = {"base": 18, "width": 8}, {"score": (4, CLASSES)}
    full: tuple[int | None, int] = (1, CLASSES)
    scales = dict.fromkeys(("aux", "scale_0.5", "scale_1"), full) | {"alpha_0.5": (1, 1)}
    asked: dict[str, tuple[int | None, int]] = {**quarter, "points": (None, 2), "point_scores": (None, CLASSES)}
    return [
        Case("hrnet", {**small, "modules": (1, 2, 1)}, quarter),
        Case("hrnet_ocr", {**small, "modules": (1, 1, 1)}, {**quarter, "aux": (4, CLASSES)}, settled=True),
        Case("pointrend", {**RESNET18, "points": 40, "train_points": 30}, asked, clear=clear_cut),
        Case("pointrend", {**RESNET18, "points": 9, "in_channels": 2}, asked, clear=clear_cut),
        Case("hmsa", {**small, "modules": (1, 1, 1)}, scales, settled=True, beyond=32),  # at half the size cells of 64
        Case("decouple", RESNET18, {**quarter, "body": (8, CLASSES), "edge": (4, 1)}),
    ]


LATER = [*_context(), *_light(), *_two_paths(), *_edges()]
