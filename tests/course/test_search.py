"""Chapter 14's search and its lessons: the table follows the wires, halves are kept apart, few labels stay few."""

from __future__ import annotations

import argparse
import json
import math

import pytest
import torch
from torch import Tensor, nn

from segkit.data import VOID, Batch, collate
from segkit.search import expected_latency, path_latency
from segkit.training import Recipe, Trainer, cross_entropy
from tests.course.evidence import ROOT  # noqa: F401  it puts course/experiments on the path

import library  # isort: skip
import search  # isort: skip
import searched  # isort: skip
import taught  # isort: skip
from pictures import pictures  # isort: skip

HALF = {"set": "street", "size": [32, 48], "train": 4, "test": 2, "label": "half"}
ARM = {"model": {}, "data": HALF, "recipe": {"steps": 8, "class_weights": "log", "lambda": 1.0, "begin": 0.25}}
OPTIONS = argparse.Namespace(tier="cpu", seeds=1, processes=1, part=None, final=False)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Nothing of what is tried lands in the repository, and no recorded table is read."""
    monkeypatch.setattr(library, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(searched, "recorded", lambda name: False)
    return tmp_path


def channels(blocks, before, after, size, rounds, clock):
    """In place of seconds: the channels that come in, more for the second block, more where maps are larger."""
    rows = [[[i * (n + 1) * size[0] for _ in after] for i in before] for n in range(len(blocks))]
    return torch.tensor(rows, dtype=torch.float64) / 1e6


@pytest.fixture
def latencies(monkeypatch):
    monkeypatch.setattr(searched, "latency_table", channels)
    monkeypatch.setattr(search, "parts", lambda: searched.terms(searched.table((96, 128))))
    return search.parts()


def paths(count, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [[int(torch.randint(n, (), generator=draw)) for n in searched.OPTIONS] for _ in range(count)]


def convs(place):
    return [m for m in place.modules() if isinstance(m, nn.Conv2d)]


def test_the_table_follows_the_wires(latencies):
    for path in paths(5):
        net = searched.cut(13, path)
        inputs = [convs(place)[0].in_channels for place in net.places]
        told = zip(inputs, path[::2], searched.STRIDES, strict=True)
        assert path_latency(path, latencies) == pytest.approx(sum(i * (b + 1) * 96 // s for i, b, s in told))
        assert net(torch.rand(2, 3, 32, 48)).shape == (2, 13, 32, 48)
        assert [[b, w] for b, w in searched.described(net.path())] == [
            [list(searched.BLOCKS)[b], convs(place)[0].out_channels]
            for b, place in zip(path[::2], net.places, strict=True)
        ]


def test_all_networks_there_are(latencies):
    all_ = searched.every(latencies)
    assert all_.numel() == 3**12
    for path in paths(5):
        assert float(all_[tuple(path)]) == pytest.approx(path_latency(path, latencies))
    draw = torch.Generator().manual_seed(0)
    logits = [torch.randn(n, generator=draw, dtype=torch.float64) for n in searched.OPTIONS]
    mean = all_
    for choice in logits:  # the first dimension that is left is this choice's
        mean = torch.tensordot(choice.softmax(0), mean, 1)
    torch.testing.assert_close(expected_latency(logits, latencies), mean)


def test_a_supernet_without_doubts_is_the_network_that_is_cut_out():
    torch.manual_seed(0)
    whole, path = searched.Supernet(13), paths(1, 3)[0]
    whole(torch.rand(2, 3, 32, 48))  # BatchNorm has seen something
    with torch.no_grad():
        for logits, option in zip(whole.logits(), path, strict=True):
            logits[option] = 100.0
    part = searched.cut(13, whole.path())
    assert whole.path() == part.path() == path
    part.stem.load_state_dict(whole.stem.state_dict())
    most, widths = ([w[i] for w, i in zip(searched.PLACES, at, strict=True)] for at in ([-1] * 6, path[1::2]))
    for n, (big, small) in enumerate(zip(whole.places, part.places, strict=True)):
        starts = [sum(most[r] for r in searched.READS[n][:i]) for i in range(len(searched.READS[n]))]
        kept = [s + c for s, r in zip(starts, searched.READS[n], strict=True) for c in range(widths[r])]
        big = big.blocks[path[2 * n]]
        state = {k: v[: widths[n]] if v.ndim else v for k, v in big.state_dict().items()}
        small.load_state_dict({k: v[:, kept] if v.ndim == 4 and kept else v for k, v in state.items()})
    part.score.load_state_dict({"weight": whole.score.weight[:, : widths[-1]], "bias": whole.score.bias})
    x = torch.rand(1, 3, 32, 48)
    torch.testing.assert_close(part.eval()(x), whole.eval()(x))


def test_random_networks_are_as_fast_and_differ(latencies):
    found = paths(1, 5)[0]
    own, drawn = path_latency(found, latencies), []
    for seed in (0, 1):
        for number in (1, 2, 3):
            torch.manual_seed(seed)
            drawn.append(tuple(searched.alike(found, latencies, number)))
            assert abs(path_latency(drawn[-1], latencies) - own) <= 0.1 * own * (1 + 1e-12)
    assert len({*drawn, tuple(found)}) == 7
    torch.manual_seed(0)
    assert tuple(searched.alike(found, latencies, 2)) == drawn[1]
    with pytest.raises(ValueError, match="only 0 other networks are within 10% of"):
        searched.alike([0, 0], [searched.Term(torch.tensor([[1.0, 2.0], [2.0, 2.0]]), (0, 1))], 1)


def test_latency_alone_ends_at_the_fastest(latencies):
    assert search.alone(latencies, 0) == pytest.approx(float(searched.every(latencies).min()))


def test_a_table_is_measured_once_for_a_space(folder, monkeypatch, latencies):
    before = searched.table((96, 128))
    monkeypatch.setattr(searched, "latency_table", None)  # would fail if it were asked
    assert searched.table((96, 128)) == before and before["provenance"]["date"]
    file = folder / "runs" / "search" / "table.json"
    file.write_text(json.dumps({**before, "stem": 16}), encoding="utf-8")
    with pytest.raises(TypeError):
        searched.table((96, 128))
    changed = {**before, "us": [[2 * v for v in row] for row in before["us"]]}
    assert searched.fingerprint(changed) != searched.fingerprint(before)
    assert searched.fingerprint({**before, "provenance": {}}) == searched.fingerprint(before)


def test_a_coarse_clock_is_not_taken(monkeypatch):
    for step, taken in ((1e-6, "fine"), (4e-3, "perf_counter")):
        ticks = iter(step * n for n in (0, 0, 0, 1))

        def fine(ticks=ticks):
            return next(ticks)

        monkeypatch.setattr(searched.time, "process_time", fine)
        assert searched.fine_clock().__name__ == taken


def test_weights_and_choices_learn_in_turns_on_scenes_of_their_own(latencies):
    torch.manual_seed(0)
    model, train, seen = searched.Supernet(13), pictures(HALF, "train"), []
    scenes = pictures({k: v for k, v in HALF.items() if k != "label"} | {"train": 8}, "train")
    model.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    loss, choices = search.alternate(ARM, 0, train), set(map(id, model.logits()))
    for step in range(6):
        model.zero_grad()
        loss(model, collate(train.samples)).backward()
        learns = {id(p) for p in model.parameters() if p.grad is not None}
        choosing = step in (3, 5)  # the first two steps of eight are for weights alone
        assert learns == (choices if choosing else {id(p) for p in model.parameters()} - choices)
        assert all(p.grad.abs().sum() > 0 for p in model.logits()) if choosing else True
        for image in seen[-1]:
            assert next(i for i, s in enumerate(scenes.samples) if torch.equal(s.image, image)) // 4 == choosing


def test_lambda_weighs_the_latency(latencies):
    train = pictures(HALF, "train")
    slopes = {}
    for weight in (0.0, 1.0, 2.0):
        torch.manual_seed(0)
        model = searched.Supernet(13)
        model.stem[1].num_batches_tracked += 3
        arm = {**ARM, "recipe": {**ARM["recipe"], "lambda": weight}}
        search.alternate(arm, 0, train)(model, collate(train.samples)).backward()
        slopes[weight] = torch.cat([p.grad for p in model.logits()])
    (own,) = torch.autograd.grad(
        expected_latency(shares := [torch.zeros(3, requires_grad=True) for _ in range(12)], latencies),
        [shares[-1]],
    )
    per_mean = own / float(searched.every(latencies).mean())
    torch.testing.assert_close((slopes[1.0] - slopes[0.0])[-3:], per_mean, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(slopes[2.0] - slopes[1.0], slopes[1.0] - slopes[0.0], atol=1e-6, rtol=1e-4)


def test_a_search_that_is_broken_off_goes_on_where_it_was(folder, latencies):
    train, recipe = pictures(HALF, "train"), Recipe(8, 2, 1e-2, ema=0.9, head_lr=3.0, device="cpu")

    def trainer():
        torch.manual_seed(0)
        return Trainer(searched.Supernet(13), train, recipe, loss=search.alternate(ARM, 0, train))

    straight = trainer()
    straight.fit(quiet=True)
    for until in (1, 4, 8):  # before the first choice, between two, to the end
        broken = trainer()
        broken.fit(folder / "checkpoint", resume=until > 1, until=until, quiet=True)
    for (name, a), b in zip(straight.best.state_dict().items(), broken.best.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert any(logits.abs().sum() > 0 for logits in straight.best.logits())


def test_what_was_found_starts_from_its_own_search(latencies):
    experiment = search.search(OPTIONS)
    experiment.prepare()
    arms = experiment.arms
    assert all(arm["recipe"]["table"] for name, arm in arms.items() if name.startswith("search"))
    for weight in search.LAMBDAS:
        mine = [arm for arm in arms if arm.endswith(f"λ = {weight:g}")]
        assert len(mine) == (2 + search.RANDOM if weight else 2)
        assert {arms[arm]["model"].get("from") for arm in mine[1:]} == {mine[0]}
        assert all(arms[arm]["recipe"] == search.ALONE and arms[arm]["data"] == search.DATA for arm in mine[1:])
    base = searched.Supernet(13)
    with torch.no_grad():
        base.logits()[3][1] = 1.0
    assert search.built({"name": "found"}, 13, base).path() == base.path() == [0, 0, 0, 1] + 8 * [0]
    assert search.built({"name": "random", "random": 1}, 13, base).path() != base.path()


def test_few_scenes_have_labels_and_the_others_come_without():
    size = (32, 48)
    every, few = taught.data_set("street", "train", size=size), taught.FewLabels("train", size, 3)
    assert len(few) == 2 * (len(every) - 3)
    for i in range(8):
        scene = every[3 + i // 2] if i % 2 else every[i // 2 % 3]
        assert torch.equal(few[i].image, scene.image)
        assert torch.equal(few[i].labels, torch.full_like(scene.labels, VOID) if i % 2 else scene.labels)
    assert torch.equal(
        taught.FewLabels("test", size, 3)[4].labels, taught.data_set("street", "test", size=size)[4].labels
    )
    mixed, plain = search.MIXED, search.FEW
    assert mixed["labelled"] == plain["train"] and mixed["train"] == 2 * (search.DATA["train"] - plain["train"])


class Fixed(nn.Module):
    """The same scores whatever comes."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores


def test_a_lesson_is_labels_and_teacher():
    torch.manual_seed(0)
    ours, theirs = Fixed(torch.randn(2, 5, 4, 6)), Fixed(torch.randn(2, 5, 4, 6))
    labels, weight = torch.randint(5, (2, 4, 6)), torch.rand(5) + 0.5
    labels[1] = VOID
    batch = Batch(torch.rand(2, 3, 4, 6), labels)
    told, p = cross_entropy(ours.scores, labels, weight), theirs.scores.softmax(1)
    divergence = (p * (p.log() - ours.scores.log_softmax(1))).sum(1).mean()  # of all pixels, labelled or not
    torch.testing.assert_close(taught.Lesson(theirs, "shares", weight)(ours, batch), told + divergence)
    guessed = cross_entropy(ours.scores, theirs.scores.argmax(1), weight)
    torch.testing.assert_close(taught.Lesson(theirs, "guesses", weight)(ours, batch), told + guessed)
    taught.Lesson(theirs.train(), "shares")(ours, Batch(batch.image, torch.full_like(labels, VOID))).backward()
    assert theirs.scores.grad is None and not theirs.training and float(ours.scores.grad.abs().sum()) > 0


def test_who_sees_what():
    experiment = search.teacher(OPTIONS)
    models = {name: {k: v for k, v in arm["model"].items() if k != "from"} for name, arm in experiment.arms.items()}
    assert {json.dumps(m) for m in models.values()} == {json.dumps(m) for m in (search.TEACHER, search.STUDENT)}
    for name, arm in experiment.arms.items():
        assert ("from" in arm["model"]) == ("taught" in arm["recipe"]), name
        assert {k: v for k, v in arm["recipe"].items() if k != "taught"} == search.LESSONS, name
        if "from" in arm["model"]:  # the teacher has seen no label that the student has not
            labels = arm["data"].get("labelled", arm["data"]["train"])
            assert experiment.arms[arm["model"]["from"]]["data"]["train"] == labels, name


def test_doubts_are_entropies():
    samples = pictures(HALF, "test").samples
    even, sure = (Fixed(s) for s in (torch.zeros(1, 13, 32, 48), torch.zeros(1, 13, 32, 48)))
    with torch.no_grad():
        sure.scores[:, 2] = 100.0
    share = sum(float((s.labels == 2).sum()) for s in samples) / sum(float((s.labels != VOID).sum()) for s in samples)
    assert taught.doubts(even, samples)["entropy"] == pytest.approx(math.log(13), abs=1e-4)
    assert taught.doubts(sure, samples) == {"entropy": 0.0, "right": pytest.approx(share, abs=1e-4)}
