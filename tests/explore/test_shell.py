"""What all explorers share: pictures, captions, static versions, clicks, messages, canvas."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

import segkit.models
from segkit import explore
from segkit.explore.canvas import Canvas
from segkit.explore.picture import MODULE
from segkit.explore.shell import Explorer
from tests.explore.races import made_up


def skip_explorer() -> explore.SkipExplorer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = segkit.models.create("fcn8s", num_classes=13, width=4)
        for layer in (model.score_fr, model.score_pool4, model.score_pool3):
            torch.nn.init.normal_(layer.weight, std=0.2)
    return explore.SkipExplorer(model)


def lineage_explorer() -> explore.LineageExplorer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        names = {"SegNet": "segnet", "FCN-8s": "fcn8s", "DeepLab v3+": "deeplab_v3plus"}
        more = {"deeplab_v3plus": {"encoder": "resnet18"}}
        made = {name: segkit.models.create(key, 13, width=2, **more.get(key, {})) for name, key in names.items()}
    return explore.LineageExplorer({name: made[name] for name in ("FCN-8s", "SegNet", "DeepLab v3+")})


MAKERS: dict[str, Callable[[], Explorer]] = {
    "receptive": explore.ReceptiveFieldExplorer,
    "metrics": explore.MetricsExplorer,
    "upsample": explore.UpsampleExplorer,
    "unpool": explore.UnpoolExplorer,
    "gridding": explore.GriddingExplorer,
    "skip": skip_explorer,
    "crf": lambda: explore.CrfExplorer(torch.randn(13, 96, 128, generator=torch.Generator().manual_seed(0))),
}
MAKERS |= {"pyramid": explore.PyramidExplorer, "aspp": explore.AsppExplorer, "cost": explore.CostExplorer}
MAKERS["lineage"] = lineage_explorer
MAKERS["latency"] = explore.LatencyExplorer
MAKERS |= {"race": lambda: explore.RaceExplorer(made_up()), "attention": explore.AttentionExplorer}
MAKERS["points"] = explore.PointExplorer
MOVES = {  # a control of each, and another place for it
    "receptive": ("column", 40),
    "metrics": ("grow", 2),
    "upsample": ("kernel", 4),
    "unpool": ("method", "nearest"),
    "gridding": ("rate_2", 3),
    "skip": ("score_32", 0.0),
    "crf": ("bilateral", 9),
    "pyramid": ("bins", 6),
    "aspp": ("rate", 30),
    "cost": ("channels", 24),
    "latency": ("kind", "strips"),
    "lineage": ("left", "SegNet"),
    "race": ("score", "IoU of thing"),
    "attention": ("mask", "row"),
    "points": ("count", 4096),
}


@cache
def explorer(name: str) -> Explorer:
    return MAKERS[name]()


def decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG" and image.mode == "RGB"  # opaque
        return np.asarray(image)


@pytest.mark.parametrize("name", MAKERS)
def test_a_control_changes_picture_and_caption(name: str) -> None:
    e = explorer(name)
    control, value = MOVES[name]
    before, text, old = decoded(e.picture.value), e.caption.value, e[control]
    assert (before[0] == 255).all() and before.std() > 10, "white above, and something on it"
    e.controls[control].value = value
    after = decoded(e.picture.value)
    assert after.shape == before.shape and (after != before).any(2).mean() > 0.001 and e.caption.value != text
    e.controls[control].value = old
    e.reset()  # which takes the ghost of the last value away too
    assert np.array_equal(decoded(e.picture.value), before) and e.caption.value == text, "nothing is left behind"


@pytest.mark.parametrize("name", MAKERS)
def test_reset_puts_everything_back(name: str) -> None:
    e = explorer(name)
    start = {key: control.value for key, control in e.controls.items()}
    before, text = decoded(e.picture.value), e.caption.value
    control, value = MOVES[name]
    e.controls[control].value = value
    if "row" in e.controls:
        e.controls["row"].value += 1
    e.widget.children[0].children[-1].click()
    assert {key: control.value for key, control in e.controls.items()} == start
    assert np.array_equal(decoded(e.picture.value), before) and e.caption.value == text


@pytest.mark.parametrize("name", MAKERS)
def test_words_for_those_who_cannot_see_it(name: str) -> None:
    e = explorer(name)
    assert 'aria-live="polite"' in e.caption.value
    assert e.picture.alt.startswith(e.title) and len(e.picture.alt) > 60 and e.picture.clickable
    for key, control in e.controls.items():
        assert control.description and control.tooltip and "segkit-control" in control._dom_classes, key
    assert e.canvas.figure.get_facecolor() == (1, 1, 1, 1)
    assert all(
        axes.get_title() or axes.texts or axes.get_legend() or axes.get_xlabel() or axes.get_yticks().size
        for axes in e.canvas.figure.axes
    )


@pytest.mark.parametrize("name", MAKERS)
def test_static_version(name: str) -> None:
    e = explorer(name)
    figure = e.static()
    assert figure.texts[0].get_text() in e.picture.alt
    file = io.BytesIO()
    figure.savefig(file, dpi=figure.dpi)
    drawn = np.asarray(Image.open(file))[..., :3]
    live = decoded(e.picture.value)
    assert drawn.shape[1] == live.shape[1] and np.abs(drawn[: live.shape[0]].astype(int) - live).mean() < 2


@pytest.mark.parametrize("name", MAKERS)
def test_shows_as_widget_and_as_picture(name: str) -> None:
    e = explorer(name)
    bundle = e._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == e.widget.model_id
    assert set(bundle) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"].startswith(type(e).__name__) and "0x" not in bundle["text/plain"]
    assert e.widget.children[1] is e.picture and e.widget is e.widget


@pytest.mark.parametrize("name", MAKERS)
def test_a_click_beside_everything_changes_nothing(name: str) -> None:
    e = explorer(name)
    before = repr(e)
    e.picture.x, e.picture.y = 0.999, 0.001
    assert repr(e) == before


def test_a_click_is_one_move() -> None:
    e, moves = explore.GriddingExplorer(), []
    e.canvas.pixels()
    e.compute = lambda compute=e.compute: moves.append(1) or compute()  # type: ignore[method-assign,misc]
    with e.picture.hold_trait_notifications():  # as the browser sends it
        e.picture.x, e.picture.y = e.canvas.point(e.parts["plane"], 0.3, 0.4)
    assert len(moves) == 1


def test_what_cannot_be_is_said_and_the_picture_stays() -> None:
    e = explore.UpsampleExplorer()
    before = e.picture.value
    e.controls["output_padding"].value = 3
    assert 'role="alert"' in e.caption.value and "output_padding=3 with stride=2" in e.caption.value
    assert e.picture.value == before
    e.controls["output_padding"].value = 0
    assert "alert" not in e.caption.value


def test_place_and_point_are_inverse() -> None:
    canvas = Canvas(4, 2)
    left, right = canvas.axes(0, 0, 0.5, 1), canvas.axes(0.5, 0, 0.5, 0.5)
    left.imshow(np.zeros((10, 10)))
    right.imshow(np.zeros((4, 8)), aspect="auto")
    canvas.pixels()
    for axes, column, row in [(left, 2, 7), (right, 6, 1)]:
        found = canvas.place(*canvas.point(axes, column, row))
        assert found is not None and found[0] is axes and found[1:] == pytest.approx((column, row))
    assert canvas.place(0.75, 0.25) is None


def test_moving_parts_leave_no_trace() -> None:
    canvas = Canvas(2, 2, dpi=50)
    axes = canvas.axes(0.1, 0.1, 0.8, 0.8)
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    (dot,) = axes.plot([2], [2], "o", color="black")
    canvas.moves(dot)
    first = canvas.pixels().copy()
    dot.set_data([8], [8])
    second = canvas.pixels().copy()
    dot.set_data([2], [2])
    assert (first != second).any() and np.array_equal(first, canvas.pixels())
    axes.set_title("new")
    canvas.stale()
    assert (first != canvas.pixels()).any()


def test_the_pictures_module_is_small_and_asks_nobody() -> None:
    assert MODULE.count("\n") <= 65 and "http" not in MODULE and "import" not in MODULE
    for word in ("pointerdown", "pointermove", "ArrowLeft", "tabIndex", "segkit-picture", "alt"):
        assert word in MODULE
