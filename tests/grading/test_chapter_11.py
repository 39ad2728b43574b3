"""Assignment 11: equal to the package and to torch, not had by pasting the chapter, and slips nobody planted."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.data import create
from segkit.encoders.xception import XceptionBlock
from segkit.grading import check
from segkit.grading.assignments import read_notebook, source_path
from segkit.grading.exercise import find
from segkit.grading.verdict import PARTLY
from segkit.heads import enlarge_from_corners
from segkit.models.deeplab_v3plus import Decoder
from tests.grading.mistakes.ch11 import block_in_place, block_torch, decode_torch, dial_loops


def right(exercise, *args):
    return find(exercise).reference(*args)


def plain(module):
    """BatchNorms that do nothing, so that the weights are all there is."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eps = 0.0
    return module.double().eval()


# the right answers -------------------------------------------------------------------------------------------------


def test_the_decoder_is_the_packages():
    torch.manual_seed(0)
    theirs = plain(Decoder(3, 4, reduced=2, width=5, convs=1))
    convs = [m.weight.detach() for m in theirs.modules() if isinstance(m, nn.Conv2d)]
    high, early, later = torch.randn(2, 3, 3, 4), torch.randn(2, 4, 9, 13), torch.randn(2, 4, 9, 13)
    high, early, later = (x.double() for x in (high, early, later))
    wide = F.interpolate(high, (9, 13), mode="bilinear", align_corners=True)
    with torch.no_grad():
        seen = theirs(wide, (early + later) / 2)
    score = torch.randn(6, 5, dtype=torch.float64)
    scores = torch.einsum("kp,nphw->nkhw", score, seen)
    expected = F.interpolate(scores, (17, 25), mode="bilinear", align_corners=True)
    weights = convs[0][:, :, 0, 0], convs[1][:, 0], convs[2][:, :, 0, 0], score
    torch.testing.assert_close(right("decode", high, early, later, *weights), expected)


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize(("channels", "stride", "rate"), [((4, 4, 6), 2, 1), ((4, 3, 4), 1, 2), ((5, 4), 1, 1)])
def test_the_block_is_the_packages(channels, stride, rate, between):
    torch.manual_seed(0)
    theirs = plain(XceptionBlock(4, channels, stride, between="norm relu" if between else "norm"))
    for conv in theirs.convs:
        conv.depthwise.dilation = conv.depthwise.padding = (rate, rate)
    convs = [(c.depthwise.weight.detach()[:, 0], c.pointwise.weight.detach()[:, :, 0, 0]) for c in theirs.convs]
    own = isinstance(theirs.shortcut, nn.Sequential)
    shortcut = theirs.shortcut[0].weight.detach()[:, :, 0, 0] if own else None
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs.with_second(x)
    for got, want in zip(right("xception_block", x, convs, shortcut, stride, rate, between), expected, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(("size", "trained", "tested"), [(33, 16, 8), (40, 16, 8), (45, 8, 16), (64, 8, 16)])
def test_answers_move_as_interpolation_moves_them(size, trained, tested, align):
    """A ramp of pixel numbers, sampled at the cells and enlarged by torch: pixel p then shows the number c."""

    def shown(stride):
        cells = torch.arange(0.0, size, stride, dtype=torch.float64)
        ramp = F.interpolate(cells[None, None], size, mode="linear", align_corners=align)[0, 0]
        middle = size // 2
        step = ramp[middle + 1] - ramp[middle]  # away from the ends, where it is clamped
        return lambda c: middle + (c - ramp[middle]) / step

    there, here = shown(tested), shown(trained)
    for i, moved in enumerate(right("dial_shift", size, trained, tested, align)):
        assert moved == pytest.approx(float(there(tested * i) - here(tested * i)))


def test_on_16k_plus_1_pixels_nothing_moves_corner_aligned_and_the_ends_move_most_otherwise():
    assert right("dial_shift", 97, 16, 8, True) == pytest.approx([0.0] * 13)
    moved = right("dial_shift", 97, 16, 8, False)
    assert moved[6] == pytest.approx(0) and moved[-1] == pytest.approx(-moved[0]) == max(moved) > 2
    assert right("dial_shift", 96, 16, 8, False) == pytest.approx([-4.0] * 12), "where it divides, half the difference"


# the chapter's code, and slips that nobody planted -----------------------------------------------------------------


def chapters_decoder(high, early, later, reduce, depthwise, pointwise, score):
    """As the chapter has it, on these weights: one low-level map, four times and four times."""
    low = F.conv2d(early, reduce[:, :, None, None]).relu()
    h, w = low.shape[2:]
    both = torch.cat([enlarge_from_corners(high, 4)[..., :h, :w], low], 1)
    x = F.conv2d(both, depthwise[:, None], padding=1, groups=len(depthwise)).relu()
    x = F.conv2d(x, pointwise[:, :, None, None]).relu()
    return enlarge_from_corners(F.conv2d(x, score[:, :, None, None]), 4)


def chapters_block(block, x, relu_after_depthwise=False):
    y = x
    for unit in block.convs:
        y = unit.between[0](unit.depthwise(F.relu(y)))
        y = F.relu(y) if relu_after_depthwise else y
        y = unit.after[0](unit.pointwise(y))
    return y + block.shortcut(x)


def chapter_10s_block(x, convs, shortcut, stride, rate, between):
    """Chapter 10's block, filled with the weights: a pooling strides, and one map comes back."""
    y = x
    for depthwise, pointwise in convs:
        y = F.conv2d(F.relu(y), depthwise[:, None], padding=1, groups=len(depthwise))
        y = F.conv2d(y, pointwise[:, :, None, None])
    past = x if shortcut is None else F.conv2d(x, shortcut[:, :, None, None], stride=stride)
    return past + (F.max_pool2d(y, 3, stride, 1) if stride > 1 else y)


def chapters_dial(size, trained, tested, align_corners):
    """The rates that follow the stride, which is all that the dial changes in the network."""
    return [rate * trained // tested for rate in (6, 12, 18)]


@pytest.mark.parametrize(
    ("exercise", "code"),
    [
        ("decode", chapters_decoder),
        ("xception_block", chapters_block),
        ("xception_block", chapter_10s_block),
        ("dial_shift", chapters_dial),
    ],
)
def test_the_code_of_the_chapter_earns_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        ("decode", lambda *a: 1.5 * decode_torch(*a), "1.5 times the right one"),
        ("decode", lambda *a: decode_torch(*a)[..., 1:], "the width has 1 too few"),
        (
            "decode",
            lambda high, *a: decode_torch(high, *a) + 0.5 * (len(high) > 1),
            "fails when there is more than one picture in the batch, and only then",
        ),
        (
            "xception_block",
            lambda x, convs, s, stride, *a: [y - 1.0 * (stride > 1) for y in block_torch(x, convs, s, stride, *a)],
            "fails when stride is above 1, and only then",
        ),
        ("xception_block", lambda *a: (block_torch(*a)[0], 2 * block_torch(*a)[1]), "Part 2 of your result"),
        ("dial_shift", lambda *a: [2 * v for v in dial_loops(*a)], "2 times the right one"),
        (
            "dial_shift",
            lambda size, a, b, align: [v + (a == b) for v in dial_loops(size, a, b, align)],
            "fails when the strides are the same, and only then",
        ),
    ],
)
def test_an_unknown_mistake_of_chapter_11(exercise, student, words):
    told = check(exercise, student, quiet=True).diagnoses[0]
    assert told.code in ("wrong-values", "wrong-shape") and words in told.message, told
    assert "should give" in told.example and "gave" in told.example


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "decode",
            lambda high, early, later, r, d, *a: decode_torch(high, early, early, r, d.flip(1, 2), *a),
            {"early-only", "kernel-flipped"},
        ),
        (
            "xception_block",
            lambda x, convs, s, stride, rate, between: block_torch(x, convs, s, stride, 1, between)[::-1],
            {"rate-ignored", "results-exchanged"},
        ),
        (
            "dial_shift",
            lambda size, a, b, align: [-v for v in dial_loops(size, a, b, align, wrong="down")],
            {"cells-rounded-down", "strides-exchanged"},
        ),
        ("xception_block", block_in_place, {"shortcut-rectified", "input-changed"}),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


def test_a_small_slip_keeps_most_of_the_marks():
    result = check("xception_block", lambda *a: block_torch(*a, wrong="never"), quiet=True)
    assert result.status == PARTLY and result.score > 0.7 and result.diagnoses[0].code == "relu-between-never"


def test_enlarging_four_times_stops_and_says_where():
    """Scores of 4k + 4 rows cannot be joined with 4k + 1: the error, its line, and nothing invented about it."""

    def student(high, early, later, *weights):
        wide = F.interpolate(high, scale_factor=4, mode="bilinear")
        return torch.cat([wide, early], 1)

    told = check("decode", student, quiet=True).diagnoses[0]
    assert told.code == "raises" and "Sizes of tensors must match" in told.message
    assert "torch.cat([wide, early], 1)" in told.message


# the experiment ----------------------------------------------------------------------------------------------------


def test_the_experiment_runs_and_has_a_rubric():
    cells = read_notebook(source_path("ch11"))["cells"]
    text = next(c["source"] for c in cells if c["metadata"] == {} and "Experiment" in c["source"].split("\n")[0])
    points = [int(row.split("|")[1]) for row in text.split("\n") if row.startswith("| ") and row[2].isdigit()]
    assert sum(points) == 10
    tools: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader", {}).get("grade"):
            exec(cell["source"], tools)
    assert len(tools["streets"]) == 800 and len(tools["held_out"]) == 100
    tools |= {"streets": create("street", "train", length=8), "held_out": create("street", "test", length=20)}
    model, blind = tools["train"](0, steps=2), tools["train"](0, low_level=0, steps=2)
    seen = []
    found = tools["scores"](model, lambda low: seen.append(low.shape) or low.roll(1, 3))
    assert seen == [(20, 12, 24, 32)] and list(found) == ["all", "at an edge", "far from edges"]
    assert tools["scores"](model, lambda low: low) == tools["scores"](model), "the hook is gone, and changed nothing"
    for result in (found, tools["scores"](blind)):
        assert all(0 <= value <= 100 for value in result.values())
    assert 0 < tools["prior"]() < 100
