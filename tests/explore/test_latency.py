"""LatencyExplorer: its counts are those of its layers, times are kept until the sum is clicked, controls and clicks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
import torch

from segkit.analysis import cost
from segkit.explore import LatencyExplorer, latency_chain
from segkit.explore.latency import NAMES
from segkit.explore.latency_chain import BUDGET, KEPT, KINDS, LEAST, MOST, SCHEDULES, Setting, latency, timed


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that goes on by the first number of the list whenever it is read; nothing is kept from elsewhere."""
    step, reads = [0.001], count()
    monkeypatch.setattr(latency_chain, "KEPT", {})
    monkeypatch.setattr(latency_chain, "clock", lambda: step[0] * next(reads))
    yield step


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [5, 12])
def test_counts_and_maps_are_those_of_the_layers(kind: str, schedule: str, width: int, ticking: list[float]) -> None:
    setting = Setting(32, width, schedule, kind)
    x = torch.rand(1, 3, 32, 32)
    for layer, said in zip(setting.layers(), latency(setting).layers, strict=True):
        assert cost(layer.module(), x).macs == said.macs, layer
        x = layer.module().eval()(x)
        assert x.shape == (1, said.channels, said.side, said.side), layer
    assert x.shape == (1, 13, 32, 32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schedule_moves_multiply_adds_and_few_weights(kind: str, ticking: list[float]) -> None:
    macs, weights = [], []
    for schedule in SCHEDULES:
        setting = Setting(64, 16, schedule, kind)
        macs.append(latency(setting).all.macs)
        weights.append(sum(step.weights for layer in setting.layers() for step in layer.steps()))
    assert macs[0] < macs[1] < macs[2]
    assert kind == "ESP" or len(set(weights)) == 1, "an ESP block that halves reduces by 3×3 in place of 1×1"


def test_rounds_fit_the_budget_and_medians_are_taken(ticking: list[float]) -> None:
    for step, rounds in ((BUDGET / 100, MOST), (BUDGET / 6.5, 6), (BUDGET, LEAST)):
        ticking[0] = step
        seconds, found = timed(Setting(32, 8, "early", "dense"))
        assert found == rounds and list(seconds) == list(NAMES)
        assert list(seconds.values()) == pytest.approx([step] * len(NAMES)), "from one reading of the clock to the next"


def test_a_time_is_kept_until_it_is_asked_for_again(ticking: list[float]) -> None:
    one, other = Setting(32, 8, "early", "dense"), Setting(32, 8, "late", "dense")
    first, kept = latency(one), latency(other)
    ticking[0] = 0.002
    assert latency(one) == first
    again = latency(one, again=True)
    assert again.all.seconds == pytest.approx(2 * first.all.seconds, rel=1e-3) and latency(one) == again
    assert latency(other) == kept, "the others stay"


def test_real_times_and_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    found = latency(Setting(48, 8, "early", "ESP"), again=True)
    assert torch.equal(torch.rand(2), expected), "the reader's random numbers are left alone"
    assert all(0 < layer.seconds < 1 for layer in found.layers)
    assert [layer.name for layer in found.layers if not layer.macs] == ["up1", "up2", "up3"]
    assert all(layer.pace == 0 for layer in found.layers if not layer.macs)


def test_every_control_moves_something(ticking: list[float]) -> None:
    e = LatencyExplorer(side=32, width=8)
    for name, control in e.controls.items():
        values = [value for _, value in control._options_full]
        assert len(values) >= 3
        seen = set()
        for value in values:
            control.value = value
            assert "alert" not in e.caption.value, e.caption.value
            seen.add((e.picture.value, e.caption.value))
        assert len({p for p, _ in seen}) == len({c for _, c in seen}) == len(values), name
        e.reset()


def test_the_sentence_and_the_ghost(ticking: list[float]) -> None:
    e = LatencyExplorer(side=64, width=8)
    conv2, every = e.results.layers[1], e.results.all
    assert f"conv2 has {conv2.macs / every.macs:.0%} of the multiply-adds and takes 8% of the time" in e.caption.value
    assert "To enlarge takes 25%" in e.caption.value and "64×64 pixels, width 8, dense 3×3 layers" in e.caption.value
    assert not any(len(ghost.get_xdata()) for ghost in e.parts["ghosts"]), "nothing was before"
    assert "conv7 has the most multiply-adds, conv1 takes the longest" in e.caption.value, "all alike by this clock"
    e.controls["side"].value = 128
    assert e.results.all.macs == 4 * every.macs and e.last.all.macs == every.macs
    ends = [path.vertices[:, 0].max() for path in e.parts["bars"][1].get_paths()]
    assert e.parts["ghosts"][1].get_xdata() == pytest.approx([end / 4 for end in ends])
    e.controls["schedule"].value = "late"
    funnel = [path.vertices[:, 0].max() - path.vertices[:, 0].min() for path in e.parts["bars"][0].get_paths()]
    assert funnel[2] == pytest.approx(8 * funnel[5]) and funnel[2] == funnel[-1]


def test_one_layer_may_be_first_in_both(ticking: list[float]) -> None:
    e, setting = LatencyExplorer(side=32, width=8), Setting(32, 16, "late", "dense")
    latency_chain.KEPT[setting] = {name: 1 + (name == "conv3") for name in NAMES}, 3
    with e.together():
        e.controls["width"].value, e.controls["schedule"].value = 16, "late"
    assert "conv3 has the most multiply-adds and takes the longest" in e.caption.value


def test_clicks(ticking: list[float]) -> None:
    e = LatencyExplorer(side=32, width=8)
    columns = e.parts["columns"]
    e.picture.x, e.picture.y = e.canvas.point(columns[1], 0.3, 7.2)
    assert e["layer"] == NAMES[7] and f"{NAMES[7]} has" in e.caption.value
    before, ticking[0] = e.results, 0.005
    e.picture.x, e.picture.y = e.canvas.point(columns[1], 0.3, 12)
    assert e.results == before, "the sum of the multiply-adds is not measured"
    e.picture.x, e.picture.y = e.canvas.point(columns[2], 0.3, 12)
    assert e.results.all.seconds == pytest.approx(5 * before.all.seconds) and e["layer"] == NAMES[7]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"side": 100}, "side=100; the map is halved three times: give a multiple of 8"),
        ({"side": 256}, "side=256; side is a whole number from 8 to 192"),
        ({"side": 96.0}, "side=96.0"),
        ({"width": 4}, "width=4; width is a whole number from 5 to 32"),
        ({"width": True}, "width=True"),
        ({"schedule": "never"}, "schedule='never'; it takes 'early', 'as usual', 'late'"),
        ({"kind": "sparse"}, "kind='sparse'; it takes 'dense', 'separable', 'strips', 'ESP'"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], said: str) -> None:
    kept = len(KEPT)
    with pytest.raises((TypeError, ValueError), match="LatencyExplorer got") as error:
        LatencyExplorer(**wrong)  # type: ignore[arg-type]
    assert said in str(error.value) and len(KEPT) == kept, "before anything is timed"


def test_a_setting_between_the_stops() -> None:
    e = LatencyExplorer(side=56, width=10, schedule="early", kind="strips")
    assert (e["side"], e["width"]) == (56, 10) and "56×56 pixels, width 10, layers of two strips" in e.caption.value
