"""Timing in turns by a clock made up for the test, the Pareto front by trying all pairs, and peaks by hand."""

import random

import pytest
import torch
from torch import nn

from segkit.analysis import cost, in_turns, pareto_front, peak_bytes
from segkit.analysis.timing import quartiles, ratios
from segkit.models import create


def test_runs_take_turns_and_warm_up_rounds_do_not_count():
    now, calls = [0.0], []

    def run(name, seconds):
        def go():
            calls.append(name)
            now[0] += seconds + 10 * (len(calls) < 3)  # the first call of each is slow

        return go

    times = in_turns({"a": run("a", 1), "b": run("b", 3)}, 4, clock=lambda: now[0])
    assert calls == ["a", "b"] * 5 and times == {"a": [1.0] * 4, "b": [3.0] * 4}
    assert ratios(times, "a") == {"a": (1, 1, 1), "b": (3, 3, 3)}


def test_a_device_is_finished_before_each_look_at_the_clock(monkeypatch):
    events = []
    monkeypatch.setattr("torch.accelerator.synchronize", lambda device: events.append("finish"))

    def clock():
        events.append("clock")
        return 0.0

    in_turns({"": lambda: events.append("run")}, 1, warm_up=0, device="cuda", clock=clock)
    assert events == ["finish", "clock", "run", "finish", "clock"]


def test_ratios_are_taken_within_a_round():
    assert ratios({"a": [1, 10], "b": [2, 20]}, "a")["b"] == (2, 2, 2), "a slow round is slow for both"
    assert quartiles([4, 1, 2, 3, 0]) == (1, 2, 3) and quartiles([7]) == (7, 7, 7)


@pytest.mark.parametrize("wrong", [{"runs": {}}, {"rounds": 0}, {"warm_up": -1}])
def test_nothing_to_time_is_refused(wrong):
    with pytest.raises(ValueError, match="in_turns got"):
        in_turns(**{"runs": {"a": lambda: None}, "rounds": 1, **wrong})


@pytest.mark.parametrize("seed", range(50))
def test_the_front_is_what_no_other_choice_beats(seed):
    draw = random.Random(seed)
    pairs = [(draw.randint(0, 6), draw.randint(0, 6)) for _ in range(draw.randint(0, 15))]
    beats = lambda a, b: a[0] <= b[0] and a[1] >= b[1] and a != b  # noqa: E731
    wanted = {i for i, own in enumerate(pairs) if not any(beats(other, own) for other in pairs)}
    front = pareto_front([cost for cost, _ in pairs], [gain for _, gain in pairs])
    assert set(front) == wanted and len(front) == len(wanted)
    assert [pairs[i][0] for i in front] == sorted(pairs[i][0] for i in front), "the cheapest first"


@pytest.mark.parametrize("wrong", [([1], []), ([float("nan")], [1]), ([1], [float("inf")])])
def test_a_front_of_what_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match="pareto_front got"):
        pareto_front(*wrong)


def test_peaks_of_a_chain_by_hand():
    chain = nn.Sequential(nn.Conv2d(3, 8, 1, bias=False), nn.ReLU(), nn.Conv2d(8, 2, 1, bias=False))
    picture, weights = 3 * 16, 3 * 8 + 8 * 2
    assert peak_bytes(chain, 4) == 4 * (weights + picture + 2 * 8 * 16), "into and out of the ReLU, and the picture"
    assert peak_bytes(chain, 4, batch_size=3) == 4 * (weights + 3 * (picture + 2 * 8 * 16))


def test_a_skip_is_held_until_it_is_used():
    class Skip(nn.Module):
        def __init__(self, use):
            super().__init__()
            self.use, self.conv = use, nn.Conv2d(4, 4, 1, bias=False)

        def forward(self, x):
            y = kept = self.conv(x)
            if not self.use:
                del kept
            for _ in range(3):
                y = self.conv(y)
            return y + kept if self.use else y

    map_ = 4 * 4 * 64
    assert peak_bytes(Skip(False), (4, 8, 8)) == 4 * 16 + 3 * map_, "the picture, into and out of a convolution"
    assert peak_bytes(Skip(True), (4, 8, 8)) == 4 * 16 + 4 * map_, "and the map that waits"


def test_a_peak_lies_between_the_largest_map_and_all_maps_together():
    model = create("unet", 3, width=4, padding="same")
    weights = 4 * sum(t.numel() for t in model.parameters())
    found = cost(model, (32, 48))
    assert weights < peak_bytes(model, (32, 48)) < 2 * weights + found.activations + 4 * 3 * 32 * 48
    before = {name: t.clone() for name, t in model.state_dict().items()}
    peak_bytes(model, (32, 48))
    assert model.training and all(torch.equal(before[name], t) for name, t in model.state_dict().items())
