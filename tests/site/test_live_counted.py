"""What the page computes by itself is what Python computes."""

from __future__ import annotations

import random

import pytest

from segkit.analysis import contributions, hdc_verdict, valid_weights
from segkit.explore.cost import FORMS, count, forms
from segkit.explore.latency_chain import Setting
from segkit.explore.upsample import coverage
from tests.site.alive import HOW_TO_GET_NODE, NODE, answers, random_states, said

from live import counted  # isort: skip

pytestmark = pytest.mark.skipif(NODE is None, reason=HOW_TO_GET_NODE)


def test_gridding_counts_and_judges_as_python_does() -> None:
    live, chance = counted.gridding(), random.Random(0)
    states = random_states(live, 2000)
    for state in states:  # the field is not known here; the page takes the nearest place inside it
        state |= {"row": chance.randint(-130, 130), "column": chance.randint(-130, 130)}
    for state, answer in zip(states, answers(live, states, ["counts", "row", "column", "paths"]), strict=True):
        rates = [state[f"rate_{i}"] for i in (1, 2, 3)] * state["groups"]
        counted_here = contributions(rates, state["kernel"])
        assert answer["counts"] == counted_here.line.tolist(), state
        assert answer["caption"].startswith(f"{hdc_verdict(rates, state['kernel'])} The marked input"), state
        n = counted_here.field
        row, column = (min(max(n // 2 + state[name], 0), n - 1) for name in ("row", "column"))
        assert (answer["row"], answer["column"]) == (row, column), state
        assert answer["paths"] == int(counted_here.line[row]) * int(counted_here.line[column]), state
    middle = [state | {"row": 0, "column": 0} for state in states[:25]]
    for state, answer in zip(middle, answers(live, middle), strict=True):
        assert answer["caption"] == said(live.explorer, state)[1], state


def test_upsample_counts_and_refuses_as_python_does() -> None:
    live = counted.upsample()
    states, refused = random_states(live, 1500), 0
    names = ("kernel", "stride", "padding", "output_padding", "inputs")
    found = answers(live, states, ["size", "starts", "line", "interior"])
    for state, answer in zip(states, found, strict=True):
        try:
            c = coverage(*(state[name] for name in names))
        except ValueError as error:
            refused += 1
            assert answer["refused"] == str(error)
            continue
        assert (answer["size"], tuple(answer["starts"]), tuple(answer["interior"])) == (c.size, c.starts, c.interior)
        assert answer["line"] == c.line.tolist(), state
    assert 100 < refused < 1400
    for state, answer in list(zip(states, found, strict=True))[:60]:
        assert answer.get("refused") or answer["caption"].startswith(
            said(live.explorer, state)[1] + " The marked input"
        )


def test_aspp_counts_and_says_as_python_does() -> None:
    live = counted.aspp()
    states = random_states(live, 1000)
    found = answers(live, states, ["side", "rate", "mean", "all", "centre"])
    for state, answer in zip(states, found, strict=True):
        if "refused" in answer:
            assert state["follow"] and state["stride"] == 32 and state["rate"] % 2
            continue
        counts = valid_weights(answer["side"], answer["rate"])
        expected = counts.mean, counts.all_valid, counts.centre_only
        assert (answer["mean"], answer["all"], answer["centre"]) == pytest.approx(expected, abs=1e-9), state
    for state, answer in list(zip(states, found, strict=True))[:50]:
        assert answer.get("refused", answer.get("caption")) == said(live.explorer, state)[1], state


def test_cost_counts_as_python_does() -> None:
    live = counted.cost()
    states = random_states(live, 1500)
    names = ("channels", "kernel", "groups", "expansion", "stride")
    for state, answer in zip(states, answers(live, states, ["found"]), strict=True):
        chains = forms(*(state[name] for name in names), rate=1)
        for ours, steps in zip(answer["found"], chains.values(), strict=True):
            weights, macs, moved = count(steps, (state["side"], state["side"]))
            assert ours == [weights, macs, moved, macs / moved], state
    _, caption = said(live.explorer, {**states[0], "rate": 1})
    start = caption.split(", rate ")[0]
    shares = caption.split(". ")[1].split(" It takes")[0]
    answer = answers(live, states[:1])[0]["caption"]
    assert answer.startswith(f"{start}. {shares}") and states[0]["form"] in FORMS


def test_attention_hears_as_python_does() -> None:
    live = counted.attention()
    states, alike = random_states(live, 300), 0
    for state, answer in zip(
        states, answers(live, states, ["shares", "allowed", "answer", "truth", "macs"]), strict=True
    ):
        results, caption = said(live.explorer, state)
        assert answer["shares"] == pytest.approx(results.shares.flatten().tolist(), abs=2e-3), state
        assert answer["allowed"] == results.allowed.flatten().tolist(), state
        assert (answer["truth"], answer["macs"]) == (results.truth, results.macs), state
        alike += answer["caption"] == caption
        assert "plain wall" in caption or answer["caption"].split(". ")[0] == caption.split(". ")[0], state
    assert alike > 0.97 * len(states), "all but what falls on a boundary of rounding is said in the same words"


def test_latency_multiplies_as_python_does() -> None:
    live = counted.latency()
    states = random_states(live, 800)
    for state, answer in zip(states, answers(live, states, ["found"]), strict=True):
        chain = list(Setting(*(state[name] for name in ("side", "width", "schedule", "kind"))).layers())
        macs = [count(layer.steps(), (layer.side, layer.side))[1] for layer in chain]
        expected = [(layer.name, layer.after, layer.outputs, n) for layer, n in zip(chain, macs, strict=True)]
        assert [(x["name"], x["side"], x["channels"], x["macs"]) for x in answer["found"]] == expected, state
        share = f"{state['layer']} has {macs[[x.name for x in chain].index(state['layer'])] / sum(macs):.0%} of them"
        assert share in answer["caption"], state
    state = {"side": 32, "width": 8, "schedule": "late", "kind": "strips", "layer": "conv4"}
    caption, (answer,) = said(live.explorer, state)[1], answers(live, [state])
    assert answer["caption"].startswith(caption.partition(" in ")[0])
    most = next(words for words in caption.split(". ") if "most multiply-adds" in words).split()[0]
    assert f"{most} has the most" in answer["caption"]
