"""BiSeNet and DDRNet give the scores of mmsegmentation's, ESNet and ESPNetv2's encoder those of pytorchcv's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from segkit.encoders.espnetv2 import ESPNetv2Encoder
from segkit.models import create
from tests.models.peers import NORM, mmseg, resized_from_corners, same, stir, transplant

K = 5
CV = "pip install --no-deps pytorchcv==0.0.74"


def ready(training: bool, *modules: nn.Module) -> None:
    """In float64, and nothing dropped."""
    for module in modules:
        module.double().train(training)
        for part in module.modules():
            if isinstance(part, (nn.Dropout, nn.Dropout2d)):
                part.p = 0.0


@pytest.mark.parametrize("training", [False, True])
def test_bisenet_is_mmsegmentations(monkeypatch: pytest.MonkeyPatch, training: bool) -> None:
    """With ResNet-18, all three scores.

    Ours goes up bilinearly from corners, as released, where theirs repeats cells. The gate of the fusion is ours in
    both: two 1×1 without BatchNorm as in the paper, where theirs is one with BatchNorm and a ReLU before the sigmoid.
    """
    module = mmseg(monkeypatch, "backbones.bisenetv1")
    mmseg(monkeypatch, "backbones.resnet")
    monkeypatch.setattr(module, "resize", resized_from_corners)
    torch.manual_seed(0)
    w = 8
    ours = create("bisenet", K, encoder="resnet18", width=w)
    resnet = {"type": "ResNet", "depth": 18, "stem_channels": w, "base_channels": w, "norm_cfg": NORM,
              "norm_eval": False}  # fmt: skip
    theirs = module.BiSeNetV1(resnet, 3, (w, w, w, 2 * w), (2 * w, 4 * w, 8 * w), out_channels=4 * w)
    fusion, context = theirs.ffm, theirs.context_path
    fusion.conv_atten = nn.Sequential(*ours.fusion.gate, nn.Sigmoid())
    make = mmseg(monkeypatch, "decode_heads.fcn_head").FCNHead
    common: dict[str, Any] = {"num_convs": 1, "concat_input": False, "num_classes": K, "norm_cfg": NORM}
    heads = nn.ModuleList(
        make(in_channels=before, in_index=i, channels=channels, **common)
        for i, (before, channels) in enumerate([(4 * w, w), (2 * w, 2 * w), (2 * w, 2 * w)])
    )
    mine = [ours.head, ours.guides[1], ours.guides[0]]
    transplant([ours.encoder, ours.spatial, ours.mean], [context.backbone, theirs.spatial_path, context.gap_conv])
    transplant([*ours.arms, *ours.refines],
               [context.arm32, context.arm16, context.conv_head32, context.conv_head16])  # fmt: skip
    transplant([ours.fusion.mix], [fusion.conv1])
    transplant([part for head in mine for part in (head[-1], *list(head)[:-1])], heads)
    stir(ours.fusion.gate)
    ready(training, ours, theirs, heads)
    x = torch.randn(2, 3, 129, 97, dtype=torch.float64)
    with torch.no_grad():
        found, maps = ours.outputs(x), theirs(x)
        for name, head in zip(("score", "score_8", "score_16"), heads, strict=True):
            same(found[name], head(maps))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("base", ["23-slim", "23"])
def test_ddrnet_is_mmsegmentations(monkeypatch: pytest.MonkeyPatch, base: str, training: bool) -> None:
    """Both scores; theirs gives the auxiliary one in training only.

    Ours goes up from corners, as DAPPM's means stand too, where theirs has half-pixel centres. The first two
    convolutions have biases, as released; theirs have none.
    """
    module, pyramid = mmseg(monkeypatch, "backbones.ddrnet"), mmseg(monkeypatch, "utils.ppm")
    monkeypatch.setattr(module, "resize", resized_from_corners)
    monkeypatch.setattr(pyramid, "F", SimpleNamespace(interpolate=resized_from_corners))
    torch.manual_seed(0)
    ours = create("ddrnet", K, base=base, width=8)
    channels = ours.conv1[0].out_channels
    theirs = module.DDRNet(3, channels, ours.context.compression[-1].in_channels // 5)
    head = mmseg(monkeypatch, "decode_heads.ddr_head").DDRHead(
        4 * channels, ours.head[-1].in_channels, K, dropout_ratio=0
    )
    (first, second), context = ours.exchanges, ours.context
    mine = [ours.conv1, ours.layer1, ours.layer2, *ours.coarse, ours.coarse_last, *ours.fine, ours.fine_last,
            first.compression, first.down, second.compression, second.down,
            context.scales, context.process, context.compression, context.shortcut]  # fmt: skip
    other = [theirs.stem, theirs.context_branch_layers, theirs.spatial_branch_layers, theirs.compression_1,
             theirs.down_1, theirs.compression_2, theirs.down_2, theirs.spp]  # fmt: skip
    transplant(mine, other)
    transplant([ours.head[-1], ours.head[:-1], ours.aux[:-1], ours.aux[-1]],
               [head.conv_seg, head.head, head.aux_head, head.aux_cls_seg])  # fmt: skip
    ready(training, ours, theirs, head)
    x = torch.randn(2, 3, 513, 257, dtype=torch.float64)
    with torch.no_grad():
        found, answer = ours.outputs(x), head(theirs(x))
    for name, score in zip(("score", "aux"), answer if training else (answer,), strict=False):
        same(found[name], score)


@pytest.mark.parametrize("training", [False, True])
def test_esnet_is_pytorchcvs(training: bool) -> None:
    """One BatchNorm serves the three branches of a PFCU, as released, where theirs has three: here they share one."""
    pytest.importorskip("pytorchcv", reason=CV)
    from pytorchcv.models.esnet import PFCU, esnet_cityscapes

    torch.manual_seed(0)
    ours, theirs = create("esnet", K), esnet_cityscapes(num_classes=K)
    order: list[nn.Module] = [ours.down2, ours.stage2, ours.down4, ours.stage4, ours.down8]
    for unit in ours.stage8:
        order += [unit.first, unit.branches[0], unit.norm, *unit.branches[1:]]
    order += [ours.up4, ours.back4, ours.up2, ours.back2, ours.last]
    ends = [[branch.conv.rw_conv for branch in unit.branches.children()] for unit in theirs.modules()
            if isinstance(unit, PFCU)]  # fmt: skip
    for _, *others in ends:
        for end in others:
            end.bn = nn.Identity()
    transplant(order, [theirs])
    for first, *others in ends:
        for end in others:
            end.bn = first.bn
    ready(training, ours, theirs)
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        same(ours(x), theirs(x))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("width", "scale"), [(32, "wd2"), (64, "w1"), (128, "w2")])
def test_espnetv2s_encoder_is_pytorchcvs(width: int, scale: str, training: bool) -> None:
    """Levels 1 to 4, the segmentation network's; at level 5 theirs reads the picture, which the released one does not.

    In training BatchNorms see two pictures, and all maps are compared, one level after the other.
    """
    pytest.importorskip("pytorchcv", reason=CV)
    from pytorchcv.models import espnetv2

    torch.manual_seed(0)
    ours = ESPNetv2Encoder(width, levels=4)
    features = getattr(espnetv2, f"espnetv2_{scale}")().features
    stages = [features.init_block, features.stage1, features.stage2, features.stage3]
    mine: list[nn.Module] = [ours.level1]
    other: list[nn.Module] = [features.init_block]

    def unit(u: Any, v: Any) -> None:
        mine.extend([u.reduce, u.branches, u.joined, u.merge, u.act])
        other.extend([v.reduce_conv, v.branches, v.preactiv, v.merge_conv, *([v.activ] if hasattr(v, "activ") else [])])

    for strided, units, stage in zip(ours.strided, ours.levels, stages[1:], strict=True):
        first, *others = stage.children()
        unit(strided.eesp, first.eesp)
        mine.extend([strided.reinforce, strided.act])
        other.extend([first.shortcut_block, first.activ])
        for u, v in zip(units, others, strict=True):
            unit(u, v)
    transplant(mine, other)
    ready(training, ours, features)
    x = torch.randn(2, 3, 65, 97, dtype=torch.float64)
    with torch.no_grad():
        y = x, x
        for found, stage in zip(ours(x), stages, strict=True):
            y = stage(*y)
            same(found, y[0])
