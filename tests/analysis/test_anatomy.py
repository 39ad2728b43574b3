"""Anatomy: parts, maps and who reads whom, from the network itself; and the drawing of them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import ConnectionStyle
from matplotlib.text import Annotation
from torch import Tensor, nn

from segkit import viz
from segkit.analysis import Part, anatomy
from segkit.heads import PyramidPooling
from segkit.models import create

drawing: Any = importlib.import_module("segkit.viz.network")  # the name is its function's, too


class Twice(nn.Module):
    """Two branches that are joined, a module that runs on two maps, and a change of size between modules."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 1))
        self.norm = nn.BatchNorm2d(6)
        self.left, self.shared = nn.Conv2d(6, 5, 1), nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        a = self.left(x).relu()
        b = nn.functional.adaptive_avg_pool2d(a, 1)
        return self.shared(a) + self.shared(b)


def test_parts_of_a_network_of_ones_own() -> None:
    parts = {part.name: part for part in anatomy(Twice(), (32, 48))}
    assert list(parts) == ["picture", "stem", "stem#1", "left", "pool 1×1", "shared", "shared#1", "+"]
    assert [(p.channels, p.height, p.width, p.stride) for p in parts.values()][:4] == [
        (3, 32, 48, 1), (4, 32, 48, 1), (6, 16, 24, 2), (5, 16, 24, 2),
    ]  # fmt: skip
    assert parts["+"].reads == ["shared", "shared#1"] and parts["shared#1"].reads == ["pool 1×1"]
    assert parts["left"].reads == ["stem#1"], "BatchNorm belongs to what it follows"
    assert parts["left"].parameters == 35


def test_an_encoder_comes_apart_into_stages_and_skips_are_seen() -> None:
    model = create("fcn8s", 5, encoder="resnet18", width=4)
    parts = {part.name: part for part in anatomy(model, (64, 64))}
    stages = [parts[f"encoder.layer{i}"] for i in (1, 2, 3, 4)]
    assert [p.stride for p in stages] == [4, 8, 16, 32] and [p.channels for p in stages] == [4, 8, 16, 32]
    assert parts["score_pool4"].reads == ["encoder.layer3"] and set(parts["+"].reads) == {"upscore2", "score_pool4"}
    assert sum(p.parameters for p in parts.values()) + 8 == sum(p.numel() for p in model.parameters()), "all but bn1"
    assert model.training, "as it was before"


def test_a_skip_leaves_the_map_that_it_reads() -> None:
    """VGG's layers are one chain; FCN's score layers read it behind pool3 and pool4, before the next convolution."""
    parts = {part.name: part for part in anatomy(create("fcn8s", 5, encoder="vgg11", width=4, hidden=8), (64, 64))}
    for skip, side, before_conv in (("score_pool3", 8, 16), ("score_pool4", 4, 32)):
        (read,) = (parts[name] for name in parts[skip].reads)
        assert (read.height, read.channels) == (side, before_conv)


def test_a_pyramid_comes_apart_into_branches() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), PyramidPooling(8, (1, 2, 3)))
    parts = anatomy(model, (24, 24))
    grids = [(p.height, p.width) for p in parts if p.name.startswith("pool")]
    assert grids == [(1, 1), (2, 2), (3, 3)]
    assert parts[-1].name == "concat" and len(parts[-1].reads) == 4 and parts[-1].channels == 14


def test_the_drawing_has_a_block_and_a_name_for_each_part() -> None:
    parts = anatomy(Twice(), (32, 48))
    figure = viz.network(parts, names={"left": "what the paper calls it"}, caption="a drawing")
    axes = figure.axes[0]
    assert len(axes.patches) == len(parts)
    words = [text.get_text() for text in [*axes.texts, *figure.texts]]
    assert {"picture", "what the paper calls it", "a drawing", "6 × 16×24\n1/2"} <= set(words)
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    assert len(arrows) == sum(len(part.reads) for part in parts)
    tall, wide = axes.patches[1], axes.patches[2]  # finer and narrower, coarser and wider
    assert tall.get_height() > wide.get_height() and tall.get_width() < wide.get_width()


def test_branches_that_meet_inside_a_module_are_both_read() -> None:
    parts = {part.name: part for part in anatomy(create("enet", 5, width=8), (64, 96))}
    assert parts["up4#2"].reads == ["stage3", "up4#1"] and parts["up5#2"].reads == ["stage4", "up5#1"]
    read = {name for part in parts.values() for name in part.reads}
    assert set(parts) - read == {"fullconv"}, "every map but the scores goes somewhere"


@pytest.mark.parametrize(
    ("parts", "words"),
    [([], "no parts"), ([Part("a", 1, 2, 2, 1, ["b"])], "read b")],
)
def test_refuses(parts: list[Part], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        viz.network(parts)


FORKS = """
import os, torch
from torch import nn
from segkit.analysis import anatomy, receptive_field

def gradients():
    torch.ones(1, requires_grad=True).sum().backward()

def forked(work):
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0

def process(look):
    look(nn.Conv2d(3, 2, 3), (9, 9))
    gradients()
    assert forked(gradients)

print([look.__name__ for look in (anatomy, receptive_field) if forked(lambda: process(look))])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
def test_what_looks_at_a_network_leaves_gradients_to_forks() -> None:
    """In which the grader keeps a learner's answer apart. Only the first backward pass of a process decides it."""
    bare = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # where a GPU has computed gradients, no fork does
    told = subprocess.run([sys.executable, "-c", FORKS], env=bare, capture_output=True, text=True, encoding="utf-8")
    assert told.stdout == "['anatomy', 'receptive_field']\n", told.stderr


def test_blocks_do_not_lie_on_each_other() -> None:
    figure = viz.network(anatomy(create("deeplab_v1_msc", 5, width=4, hidden=8, encoder="vgg11"), (64, 64)))
    boxes = [patch.get_bbox() for patch in figure.axes[0].patches]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deeplab_v3plus", {"encoder": "resnet18", "width": 4, "rates": (1, 2, 3)}),
        ("fcn8s", {"encoder": "vgg11", "width": 4, "hidden": 8}),
        ("segnet", {"encoder": "vgg11", "width": 4}),
        ("icnet", {"encoder": "resnet18", "width": 4}),
    ],
)
def test_what_comes_from_far_passes_no_block_on_its_way(name: str, options: dict[str, Any]) -> None:
    figure = viz.network(anatomy(create(name, 5, **options).eval(), (65, 97)))
    axes = figure.axes[0]
    FigureCanvasAgg(figure).draw()
    blocks = [patch.get_window_extent() for patch in axes.patches]
    long = [a.arrow_patch for a in axes.texts if isinstance(a, Annotation) if a.arrow_patch is not None]
    long = [arrow for arrow in long if isinstance(arrow.get_connectionstyle(), ConnectionStyle.Angle)]
    assert long
    for arrow in long:
        start, *_, end = arrow.get_path().vertices[:5]  # up, around a corner, along
        between = [block for block in blocks if start[0] < block.x0 and block.x1 < end[0] - 10]
        assert between and not any(block.y0 - 10 < end[1] < block.y1 + 10 for block in between)


def test_branches_stand_in_their_order_and_an_arrow_past_them_has_its_own_row() -> None:
    """PSPNet's poolings from 1×1 down to 6×6, with row 0 for the map itself; DeepLab v2's rates from the first down."""
    parts = anatomy(create("pspnet", 5, encoder="resnet18", width=4).eval(), (65, 97))
    known = {part.name: part for part in parts}
    columns = drawing._columns(known)
    rows = drawing._rows(known, columns)
    drawing._put_in_order(known, columns, rows)
    pools = [rows[f"pool {n}×{n}"] for n in (1, 2, 3, 6)]
    assert pools == [2, 1, -1, -2] and rows["encoder.layer4"] == rows["concat"] == 0
    assert [rows[f"pyramid.branches.{i}"] for i in range(4)] == pools, "each branch keeps its row"
    known = {part.name: part for part in anatomy(create("deeplab_v2", 5, encoder="vgg11", width=4).eval(), (65, 97))}
    columns = drawing._columns(known)
    rows = drawing._rows(known, columns)
    drawing._put_in_order(known, columns, rows)
    assert [rows[f"pyramid.branches.{i}"] for i in range(4)] == [2, 1, 0, -1]


def test_what_attends_reads_its_keys_and_values_and_is_no_other_map() -> None:
    """OCR's cells hear the regions that the guess makes; heads and rows of attention are not drawn as maps."""
    parts = {part.name: part for part in anatomy(create("ocrnet", 5, encoder="resnet18", width=4).eval(), (65, 97))}
    assert parts["context#1"].reads == ["guess"] and parts["context"].reads == ["before", "context#1"]
    assert list(parts).index("context#1") < list(parts).index("context")
    parts = {part.name: part for part in anatomy(create("danet", 5, encoder="resnet18", width=4).eval(), (65, 97))}
    attention = [f"position_attention.{name}" for name in ("key", "value", "query")]
    assert parts[attention[2]].reads == ["before_position", *attention[:2]]
    assert [name for name in parts if name.startswith(("enlarge", "pool"))] == ["enlarge"]


def test_keys_that_are_made_of_the_query_do_not_come_before_it() -> None:
    class Self(nn.Module):
        in_channels = 3

        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.out = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            query = self.query(x)
            q, k = (each.flatten(2).mT[:, None] for each in (query, self.key(query)))
            heard = nn.functional.scaled_dot_product_attention(q, k, k)
            return self.out(heard[:, 0].mT.view_as(query))

    parts = {part.name: part.reads for part in anatomy(Self().eval(), (8, 8))}
    assert parts == {"picture": [], "query": ["picture"], "key": ["query"], "out": ["query"]}


def test_a_smaller_map_that_two_read_stays() -> None:
    """Two means that follow each other are one pooling only where nobody else reads the first."""

    class Twice(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            once = x.mean(2, keepdim=True)  # N, C, 1, W
            return once.mean(3, keepdim=True) + torch.cat([once, once], 1)[:, :3]

    class Chain(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(2, keepdim=True).mean(3, keepdim=True)

    sizes = [[(part.height, part.width) for part in anatomy(net(), (8, 8), 3)] for net in (Twice, Chain)]
    assert (1, 8) in sizes[0] and (1, 1) in sizes[0]
    assert sizes[1] == [(8, 8), (1, 1)]
    assert anatomy(create("pointrend", 5, encoder="resnet18", width=8, points=16), (33, 33))[-1].reads


def test_a_cast_is_nobodys_map() -> None:
    """Without that, the map that the body is taken from would be the module's own, and its grid of places a part."""
    parts = anatomy(create("decouple", 5, encoder="resnet18", width=4), (97, 129))
    body, edge = (part for part in parts if part.name.startswith("split"))
    assert body.reads == ["pyramid.project"] and edge.reads == ["pyramid.project", body.name]
    assert (body.channels, body.height, body.width) == (edge.channels, edge.height, edge.width) == (16, 13, 17)
