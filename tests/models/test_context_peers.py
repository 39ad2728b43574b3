"""The heads of context give the scores of mmsegmentation's, with the same weights on the same maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segkit.models import create
from tests.models.peers import mmseg

# model → its head there, what that head is told, and our parts in the order of its layers
HEADS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "danet": (
        "da_head", "DAHead", {"in_channels": 256, "in_index": 3, "pam_channels": 8},
        "score before_position position_attention.key position_attention.query position_attention.value "
        "position_attention after_position position before_channel channel_attention after_channel channel",
    ),
    "ccnet": ("cc_head", "CCHead", {"in_channels": 256, "in_index": 3, "recurrence": 2},
              "score before after fuse attention.query attention.key attention.value attention"),
    "ann": (
        "ann_head", "ANNHead",
        {"in_channels": [128, 256], "in_index": [2, 3], "project_channels": 32, "key_pool_scales": (1, 3, 6, 8)},
        "score fusion.key fusion.query fusion.value fusion.out fuse before context.key context.query context.value "
        "context.out join",
    ),
    "ocrnet": ("ocr_head", "OCRHead", {"in_channels": 256, "in_index": 3, "ocr_channels": 32},
               "score context.key context.query context.value context.out fuse before"),
    "encnet": (
        "enc_head", "EncHead", {"in_channels": [64, 128, 256], "in_index": [1, 2, 3], "add_lateral": False},
        "score before context.reduce context.encoding context.norm context.gate context.presence",
    ),
}  # fmt: skip


def numbers_of(modules: Sequence[nn.Module]) -> list[Tensor]:
    """All weights and statistics of the modules, one after the other, each number once."""
    found = [value for module in modules for value in module.state_dict(keep_vars=True).values()]
    return list({id(value): value for value in found}.values())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_mmsegmentation_gives_the_same_scores(monkeypatch: Any, name: str, training: bool) -> None:
    file, head, told, parts = HEADS[name]
    make = getattr(mmseg(monkeypatch, f"decode_heads.{file}"), head)
    common = {"channels": 64, "num_classes": 5, "norm_cfg": {"type": "BN"}}
    torch.manual_seed(0)
    ours = create(name, 5, encoder="resnet18", width=32, dropout=0.0)
    others = make(**common, **told)
    others.dropout = nn.Identity()
    with torch.no_grad():
        mine = [ours.get_submodule(part) for part in parts.split()]
        for a, b in zip(numbers_of(mine), numbers_of([others]), strict=True):
            if a.is_floating_point():
                nn.init.uniform_(a, 0.2, 0.6) if a.ndim < 2 else nn.init.normal_(a, std=0.1)
            b.copy_(a.view_as(b))
    ours, others = ours.double().train(training), others.double().train(training)
    ours.encoder.eval()  # the same maps for both
    x = torch.randn(2, 3, 97, 65, dtype=torch.float64)
    with torch.no_grad():
        found, maps = ours.outputs(x), ours.encoder(x)[-4:]
        answer = others(maps, found["aux"]) if name == "ocrnet" else others(maps)
    answers = answer if isinstance(answer, tuple) else (answer,)
    names = {"danet": ("score", "position", "channel"), "encnet": ("score", "presence")}.get(name, ("score",))
    for key, value in zip(names, answers, strict=True):
        torch.testing.assert_close(found[key], value.view_as(found[key]), rtol=1e-9, atol=1e-9)
