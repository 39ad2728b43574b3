"""HRNet, HRNet with OCR and PointRend's heads give the scores of mmsegmentation's and timm's, with the same weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segkit.models import create
from segkit.models.hrnet_ocr import HRNetOCR
from tests.models.peers import NORM, FromCorners, mmseg, resized_from_corners, same, stir, transplant

H, W = 65, 97  # 32k + 1: corners of all maps fall on corners of the picture
K = 5
STAGES = ((1, "BOTTLENECK", 1), (1, "BASIC", 2), (4, "BASIC", 3), (3, "BASIC", 4))  # modules, blocks, branches


@pytest.fixture
def ours() -> HRNetOCR:
    """HRNetV2-W18 of the paper's size, with OCR; "aux" is what HRNet alone says."""
    torch.manual_seed(0)
    model = create("hrnet_ocr", K, base=18, dropout=0.0)
    assert isinstance(model, HRNetOCR)
    return model


def picture() -> Tensor:
    return torch.randn(2, 3, H, W, dtype=torch.float64)


@pytest.mark.parametrize("training", [False, True])
def test_hrnet_and_ocr_are_mmsegmentations(monkeypatch: pytest.MonkeyPatch, ours: HRNetOCR, training: bool) -> None:
    """The trunk by its names; then its FCN head, whose scores are the regions of the OCR head.

    Ours enlarges from corners, which replaces theirs within exchanges and where maps are joined.
    """
    hrnet = mmseg(monkeypatch, "backbones.hrnet")
    monkeypatch.setattr(hrnet, "Upsample", FromCorners)
    channels = list(ours.encoder.channels)
    stages = {
        f"stage{i}": {"num_modules": modules, "num_branches": branches, "block": block, "num_blocks": [4] * branches,
                      "num_channels": channels[:branches] if i > 1 else [64]}
        for i, (modules, block, branches) in enumerate(STAGES, 1)
    }  # fmt: skip
    trunk = hrnet.HRNet(stages, norm_cfg=NORM, norm_eval=False)
    common: dict[str, Any] = {"in_channels": channels, "in_index": (0, 1, 2, 3), "input_transform": "resize_concat",
                              "num_classes": K, "norm_cfg": NORM, "align_corners": True}  # fmt: skip
    fcn = mmseg(monkeypatch, "decode_heads.fcn_head").FCNHead(
        channels=sum(channels), kernel_size=1, num_convs=1, concat_input=False, **common
    )
    ocr = mmseg(monkeypatch, "decode_heads.ocr_head").OCRHead(channels=512, ocr_channels=256, **common)
    trunk.load_state_dict(stir(ours.encoder).state_dict())
    transplant([ours.score, ours.mix], [fcn])
    context = ours.head.context
    parts = ours.head.score, context.key, context.query, context.value, context.out, ours.head.fuse, ours.head.before
    transplant(parts, [ocr])
    fcn.dropout, ocr.dropout = nn.Identity(), nn.Identity()
    ours.double().train(training)
    theirs, x = nn.ModuleList([trunk, fcn, ocr]).double().train(training), picture()
    with torch.no_grad():
        found, maps = ours.outputs(x), theirs[0](x)
        guess = theirs[1](maps)
        same(found["aux"], guess)
        same(found["score"], theirs[2](maps, guess))


def test_the_trunk_is_timms(ours: HRNetOCR) -> None:
    """By its names; in exchanges timm repeats cells where ours, as the authors', goes between them bilinearly."""
    timm = pytest.importorskip("timm", reason="pip install timm==1.0.31")
    theirs = timm.create_model("hrnet_w18", pretrained=False)
    for module in theirs.modules():
        for name, layer in module.named_children():
            if isinstance(layer, nn.Upsample):
                setattr(module, name, FromCorners(int(layer.scale_factor)))  # type: ignore[arg-type]
    missing, unknown = theirs.load_state_dict(stir(ours.encoder).state_dict(), strict=False)
    assert not unknown and {name.partition(".")[0] for name in missing} == {
        "incre_modules", "downsamp_modules", "final_layer", "classifier"
    }, "what is left is the classifier's"  # fmt: skip
    trunk, theirs, x = ours.encoder.double().eval(), theirs.double().eval(), picture()
    with torch.no_grad():
        y = theirs.act1(theirs.bn1(theirs.conv1(x)))
        maps = theirs.stages(theirs.act2(theirs.bn2(theirs.conv2(y))))
        for mine, other in zip(trunk(x), maps, strict=True):
            same(mine, other)


def mmseg_pointrend(monkeypatch: pytest.MonkeyPatch, model: Any) -> list[Any]:
    """Their feature pyramid, semantic head and point head, with the model's numbers."""
    coarse_place, points_place = "decode_heads.fpn_head", "decode_heads.point_head"
    for place in (coarse_place, points_place):
        monkeypatch.setattr(mmseg(monkeypatch, place), "resize", resized_from_corners)
    monkeypatch.setattr(mmseg(monkeypatch, coarse_place), "Upsample", FromCorners)
    wide, between = model.pyramid.width, model.coarse.score.in_channels
    groups = next(m.num_groups for m in model.coarse.modules() if isinstance(m, nn.GroupNorm))
    common: dict[str, Any] = {"num_classes": K, "dropout_ratio": 0, "align_corners": False}
    neck = mmseg(monkeypatch, "necks.fpn").FPN(list(model.pyramid.channels), wide, 4)
    coarse = mmseg(monkeypatch, coarse_place).FPNHead(
        (4, 8, 16, 32), in_channels=[wide] * 4, in_index=[0, 1, 2, 3], channels=between,
        norm_cfg={"type": "GN", "num_groups": groups}, **common,
    )  # fmt: skip
    points = mmseg(monkeypatch, points_place).PointHead(
        num_fcs=3, coarse_pred_each_layer=False, in_channels=[wide], in_index=[0], channels=wide, **common
    )
    transplant([model.pyramid.lateral, model.pyramid.smooth], [neck.lateral_convs, neck.fpn_convs])
    transplant([model.coarse.score, model.coarse.ways], [coarse.conv_seg, coarse.scale_heads])
    transplant([model.head], [points.fcs, points.fc_seg])
    return [module.double().eval() for module in (neck, coarse, points)]


def test_pointrend_is_mmsegmentations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feature pyramid, Panoptic FPN's head, point head, and both steps of subdivision; on the maps of our ResNet.

    Theirs is told what differs in its settings: GroupNorm in the head, coarse scores at the point head's first layer
    only. Ours enlarges from corners and asks at whole pixels, where theirs has half-pixel centres.
    """
    torch.manual_seed(0)
    model = create("pointrend", K, encoder="resnet18", width=16, points=300)
    neck, coarse, points = mmseg_pointrend(monkeypatch, model)
    stir(model.encoder)
    model.double().eval()
    whole = points.get_points_test

    def at_pixels(logits: Tensor, *others: Any, **named: Any) -> tuple[Tensor, Tensor]:
        index, _ = whole(logits, *others, **named)
        w = logits.shape[-1]
        stride = (W - 1) // (w - 1)
        places = stride * torch.stack([index % w, index // w], -1).double()  # N, P, 2: whole pixels (x, y)
        return index, (places / 4 + 0.5) / torch.tensor([score.shape[-1], score.shape[-2]])

    monkeypatch.setattr(points, "get_points_test", at_pixels)
    x = picture()
    steps = SimpleNamespace(subdivision_steps=2, subdivision_num_points=300, scale_factor=2)
    with torch.no_grad():
        found, maps = model.outputs(x), neck(model.encoder(x)[1:])
        score = coarse(maps)
        same(found["score"], score)
        same(found["logits"], points.predict(maps, score, [{"img_shape": (H, W), "pad_shape": (H, W)}], steps))
