"""Assignment 14: equal to the package and to torch, not had by pasting the chapter, and slips that nobody planted."""

from __future__ import annotations

import copy
import random as python_random
import re
import statistics
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.analysis import in_turns
from segkit.analysis.timing import ratios
from segkit.grading import check
from segkit.grading.asked import Told
from segkit.grading.assignments import read_notebook, source_path
from segkit.grading.bench import Bench
from segkit.grading.exercise import find
from segkit.grading.values import unchanged
from segkit.grading.verdict import PARTLY
from segkit.models.bisenet import AttentionRefinement
from segkit.models.ddrnet import Exchange
from segkit.models.espnet import ESP
from tests.grading.mistakes.ch14_blocks import esp_torch, exchange_torch
from tests.grading.mistakes.ch14_gates import refine_maps, refine_torch
from tests.grading.mistakes.ch14_times import turns_loop


def right(exercise, *args):
    return find(exercise).reference(*args)


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def trained(module):
    """In use, with BatchNorms that do something."""
    generator = torch.Generator().manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for numbers in (layer.running_mean, layer.running_var, layer.weight, layer.bias):
                numbers.data.copy_(torch.rand(numbers.shape, generator=generator) + 0.1)
    return module.double().eval()


def statistics_of(norm):
    return [norm.running_mean, norm.running_var, norm.weight.detach(), norm.bias.detach()]


# the right answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "out", "stride"), [(20, 20, 1), (13, 20, 1), (13, 22, 2), (3, 3, 1), (20, 20, 2)])
def test_the_block_is_the_packages(channels, out, stride):
    theirs, x = trained(ESP(channels, out, stride)), random(2, channels, 21, 18)
    rates = [1, 2, 4, 8, 16][:out]
    weights = [branch.weight.detach() for branch in theirs.branches]
    norm, act = theirs.act
    args = theirs.reduce.weight.detach(), weights, rates, stride, statistics_of(norm), act.weight.detach()
    torch.testing.assert_close(right("esp_block", x, *args), theirs(x).detach())


def test_branches_in_another_order_give_the_same_maps_in_that_order():
    x, reduce, branches = random(1, 5, 9, 8), random(2, 5, 1, 1, seed=1), [random(2, 2, 3, 3, seed=i) for i in range(3)]
    rates, order = [1, 2, 4], [2, 0, 1]
    norm, slopes = [0 * random(6), 0 * random(6) + 1, 0 * random(6) + 1, 0 * random(6)], 0 * random(6) + 0.25
    first = right("esp_block", x, reduce, branches, rates, 1, norm, slopes)
    moved = [branches[i] for i in order], [rates[i] for i in order]
    again = right("esp_block", x, reduce, *moved, 1, norm, slopes)
    torch.testing.assert_close(again, torch.cat([first.split(2, 1)[i] for i in order], 1))


def folded(conv, norm):
    """Weight and bias of a convolution with its BatchNorm."""
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight = conv.weight * factor[:, None, None, None]
    return weight.detach(), (norm.bias - norm.running_mean * factor).detach()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_exchange_is_the_packages_but_for_the_place_of_its_cells(steps):
    """On a coarse map of one value each way of enlarging gives that value."""
    theirs, fine = trained(Exchange(3, 8, steps)), random(2, 3, 13, 18)
    small = [-(-n // 2**steps) for n in fine.shape[2:]]
    coarse = random(2, 8, 1, 1, seed=1).expand(-1, -1, *small)
    conv, norm = theirs.compression
    weight, bias = folded(conv, norm)
    convs = [layer for layer in theirs.down if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in theirs.down if isinstance(layer, nn.BatchNorm2d)]
    down = [folded(a, b) for a, b in zip(convs, norms, strict=True)]
    mine = right("exchange", fine, coarse, (weight[:, :, 0, 0], bias), down)
    for a, b in zip(mine, theirs(fine, coarse), strict=True):
        torch.testing.assert_close(a, b.detach())


@pytest.mark.parametrize("training", [False, True])
def test_the_gates_are_the_packages(training):
    theirs = trained(AttentionRefinement(4, 4)).train(training)
    theirs.conv = nn.Identity()
    x, (conv, norm) = random(5, 4, 6, 7), theirs.gate
    given = [one.clone() for one in statistics_of(norm)]
    mine = right("refine", x, conv.weight.detach()[:, :, 0, 0], given, training)
    torch.testing.assert_close(mine[0], theirs(x).detach())
    torch.testing.assert_close(mine[1:], (norm.running_mean, norm.running_var))


@pytest.mark.parametrize(("warm_up", "rounds"), [(0, 1), (1, 4), (3, 7)])
def test_times_are_what_the_package_measures_on_a_machine_that_waits(warm_up, rounds):
    draw = python_random.Random(warm_up)
    work = tuple(tuple(draw.uniform(1, 9) for _ in range(11)) for _ in range(3))
    machine, x = Bench(work), torch.ones(1)
    with torch.no_grad():
        runs = {str(net.number): partial(net.eval(), x) for net in machine.networks}
        times = in_turns(runs, rounds, warm_up, clock=machine.clock)
    medians, shares = right("time_in_turns", Bench(work), x, warm_up, rounds)
    assert medians == pytest.approx([1000 * statistics.median(one) for one in times.values()])
    assert shares == pytest.approx([middle for _, middle, _ in ratios(times, "0").values()])


# the bench ---------------------------------------------------------------------------------------------------------


def test_a_bench_counts_modes_gradients_and_pace():
    x = torch.ones(1, 2)
    for training, learns, factor in [(False, False, 1), (True, False, 1.5), (False, True, 1.25), (True, True, 1.875)]:
        machine = Bench(((2.0, 1.0), (3.0,)), (1.0, 4.0, 1.0), training, learns)
        began = machine.clock()
        assert torch.equal(machine.networks[0](x), x) and machine.networks[0](x).requires_grad is learns
        machine.networks[1](x)
        assert machine.clock() - began == pytest.approx(factor * (2 + 4 * 1 + 3))
    machine = Bench(((2.0,),), training=True, learns=True)
    began = machine.clock()
    with torch.inference_mode():
        machine.networks[0].eval()(x)
    assert machine.clock() - began == 2, "as it is used"


def test_a_bench_runs_ahead_or_waits_and_travels_as_plain_data():
    for waits in (False, True):
        machine = Bench(((2.0,), (5.0,)), handing=0.25, waits=waits)
        began = machine.clock()
        for network in machine.networks:
            network(torch.ones(1))
        assert machine.clock() - began == (7.5 if waits else 0.5)
        machine.synchronise()
        assert machine.clock() - began == (7.5 if waits else 7.25)
    used = copy.deepcopy(machine)
    used.networks[0].train(False)(torch.ones(1))
    assert used.clock() > machine.clock(), "a copy is a machine of its own"
    assert unchanged(machine, used) and not unchanged(machine, Bench(((2.0,), (6.0,))))
    told = Told(find("time_in_turns").plain()).all_cases()
    assert [case.args[0] for case in told] == [case.args[0] for case in find("time_in_turns").all_cases()]
    assert repr(Bench(((2.0,),), training=True)) == "Bench(work=((2.0,),), training=True)"


# the chapter's code, and slips that nobody planted -----------------------------------------------------------------


def chapters_block(x, reduce, branches, rates, stride, norm, slopes):
    """As the chapter has it: rates in order, no stride, the input always added."""
    few = F.conv2d(x, reduce)
    seen = [F.conv2d(few, w, padding=r, dilation=r) for w, r in zip(branches, rates, strict=True)]
    for i in range(2, len(seen)):
        seen[i] = seen[i] + seen[i - 1]
    return F.prelu(F.batch_norm(torch.cat(seen, 1) + x, *norm, eps=1e-3), slopes)


def chapters_exchange(fine, coarse, up, down):
    """As the chapter has it: corners on corners, both ways open."""
    high = F.conv2d(F.relu(coarse), up[0][..., None, None], up[1])
    low = fine
    for weight, bias in down:
        low = F.conv2d(F.relu(low), weight, bias, 2, 1)
    return fine + F.interpolate(high, fine.shape[2:], mode="bilinear", align_corners=True), coarse + low


def chapters_refinement(x, weight, norm, training):
    """As the chapter has it: in use."""
    y = F.batch_norm(F.conv2d(x.mean((2, 3), keepdim=True), weight[..., None, None]), *norm)
    return x * y.sigmoid()


def packages_times(machine, x, warm_up, rounds):
    runs = {str(n): partial(net, x) for n, net in enumerate(machine.networks)}
    times = in_turns(runs, rounds, warm_up)
    return [statistics.median(one) for one in times.values()], [m for _, m, _ in ratios(times, "0").values()]


@pytest.mark.parametrize(
    ("exercise", "code"),
    [
        ("esp_block", chapters_block),
        ("exchange", chapters_exchange),
        ("refine", chapters_refinement),
        ("time_in_turns", packages_times),
    ],
)
def test_the_code_of_the_chapter_earns_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


def wide(fine, coarse, up, down):
    """What goes up is scaled by the channels that it comes from."""
    return exchange_torch(fine, coarse, up and (up[0] / len(up[0][0]), up[1]), down)


def one_more(answer, place, change):
    def student(*args):
        found = list(answer(*args))
        found[place] = change(found[place], *args)
        return found

    return student


UNPLANNED = [
    ("esp_block", lambda *a: 2 * esp_torch(*a), "2 times the right one"),
    ("esp_block", lambda *a: esp_torch(*a)[:, :, 1:], "the height has 1 too few"),
    ("esp_block", lambda x, *a: esp_torch(x, *a) + (a[3] == 2), "stride is 2, and only then"),
    ("esp_block", lambda x, r, b, rates, *a: esp_torch(x, r, b, [2 * one for one in rates], *a), ""),
    ("esp_block", lambda x, r, b, rates, *a: esp_torch(x.flip(3), r, b, rates, *a), ""),
    ("esp_block", lambda *a: torch.relu(esp_torch(*a)), ""),
    ("esp_block", lambda x, *a: esp_torch(x, *a)[:, : len(a[1][0])], "the channel dimension has"),
    ("exchange", one_more(exchange_torch, 0, lambda y, *a: y * 1.5), "Part 1 of your result: "),
    ("exchange", one_more(exchange_torch, 1, lambda y, *a: y + 1), "Part 2 of your result: "),
    ("exchange", one_more(exchange_torch, 1, lambda y, *a: y - float(len(a[3] or ()) > 1)),
     "down has more than one convolution, and only then"),
    ("exchange", lambda f, c, up, down: exchange_torch(f, c, up, down and down[::-1][:1]), ""),
    ("exchange", wide, ""),
    ("exchange", lambda f, c, up, down: exchange_torch(-f, c, up, down), ""),
    ("refine", one_more(refine_torch, 0, lambda y, *a: y / 2), "0.5 times the right one"),
    ("refine", one_more(refine_torch, 1, lambda y, *a: y + a[3]), "training is True, and only then"),
    ("refine", one_more(refine_torch, 2, lambda y, *a: -y), "Part 3 of your result: "),
    ("refine", lambda x, w, norm, t: refine_torch(x.relu(), w, norm, t), ""),
    ("refine", lambda x, w, norm, t: refine_torch(x, torch.eye(len(w), dtype=w.dtype), norm, t), ""),
    ("refine", lambda x, w, norm, t: refine_torch(x, w, norm, t)[:1], ""),
    ("time_in_turns", one_more(turns_loop, 0, lambda ms, *a: [2 * one for one in ms]), "2 times the right one"),
    ("time_in_turns", one_more(turns_loop, 1, lambda r, *a: [one * 100 for one in r]), "Part 2 of your result: "),
    ("time_in_turns", one_more(turns_loop, 0, lambda ms, m, *a: [v + (not m.waits) for v in ms]),
     "the machine goes on before a call is done"),
    ("time_in_turns", one_more(turns_loop, 0, lambda ms, *a: ms[:1]), ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exercise", "student", "words"), UNPLANNED, ids=[f"{i}-{e}" for i, (e, _, _) in enumerate(UNPLANNED)]
)
def test_an_unknown_mistake_of_chapter_14(exercise, student, words):
    """Rejected, with an example; no mistake of the catalogue is claimed that is not there."""
    result = check(exercise, student, quiet=True)
    told = result.diagnoses[0]
    assert not result.passed and result.score < 1 and words in told.message, result.text()
    assert told.code in ("wrong-values", "wrong-shape", "wrong-type", "raises"), result.text()
    assert "should give" in told.example


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "esp_block",
            lambda x, r, b, rates, stride, norm, slopes: esp_torch(
                x, r, b, rates, stride, norm, 0 * slopes, wrong="as given"
            ),
            {"relu-for-prelu", "fusion-in-the-order-given"},
        ),
        (
            "exchange",
            lambda f, c, up, down: exchange_torch(f, c, up and (up[0], 0 * up[1]), down, wrong="corners"),
            {"bias-ignored", "corners-aligned"},
        ),
        (
            "refine",
            lambda x, w, norm, t: refine_torch(x, w.T, norm, t, wrong="unbiased"),
            {"weight-transposed", "variance-unbiased"},
        ),
        (
            "time_in_turns",
            lambda m, x, w, r: turns_loop(m, x, 0, r, wrong="gradients"),
            {"no-warm-up", "gradients-recorded"},
        ),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


@pytest.mark.parametrize(
    ("exercise", "student", "code"),
    [
        ("esp_block", partial(esp_torch, wrong="torch's epsilon"), "epsilon-of-another-size"),
        ("exchange", partial(exchange_torch, wrong="no bias up"), "bias-ignored"),
        ("exchange", partial(exchange_torch, wrong="stops up"), "silence-stops"),
        ("refine", partial(refine_torch, wrong="no epsilon"), "epsilon-of-another-size"),
        ("time_in_turns", partial(turns_loop, wrong="training"), "training-mode"),
    ],
)
def test_a_small_slip_keeps_most_of_the_marks(exercise, student, code):
    result = check(exercise, student, quiet=True)
    assert result.status == PARTLY and result.score > 0.7 and result.diagnoses[0].code == code, result.text()


def test_maps_averaged_last_are_right_in_use_and_told_so():
    """The BatchNorm is linear there; in training it sees cells in place of pictures."""
    told = check("refine", partial(refine_maps, wrong="average last"), quiet=True).diagnoses[0]
    assert "BatchNorm then sees cells" in told.message and "training=True" in told.example


# the experiment ----------------------------------------------------------------------------------------------------


def test_the_experiment_runs_and_has_a_rubric(capsys):
    cells = read_notebook(source_path("ch14"))["cells"]
    text = next(c["source"] for c in cells if c["metadata"] == {} and "Experiment" in c["source"].split("\n")[0])
    assert sum(int(points) for points in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)) == 10
    tools: dict = {}
    threads = torch.get_num_threads()
    for cell in cells:
        if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader", {}).get("grade"):
            exec(cell["source"], tools)
    torch.set_num_threads(threads)
    tools["bill"]((12, 16))
    printed = capsys.readouterr().out
    assert re.search(r"3×3 +6\.22 M.*ESP +1\.38 M.*depthwise +0\.79 M", printed, re.DOTALL), printed
    medians, shares = tools["time_in_turns"](
        tools["ThisMachine"](tools["BLOCKS"].values()), torch.ones(1, 60, 6, 8), 1, 3
    )
    assert len(medians) == len(shares) == 4 and float(shares[0]) == 1 and min(map(float, medians)) > 0
