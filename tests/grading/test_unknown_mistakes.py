"""Mistakes that nobody planted: rejected all the same, with a diagnosis that says where and how."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segkit.grading import check
from segkit.grading.attribution import fails_when, relation
from segkit.grading.exercise import find
from segkit.grading.values import Leaf
from segkit.grading.verdict import PARTLY, REJECTED


def conv(x, weight, bias, stride, padding, dilation):
    return F.conv2d(x, weight, bias, stride, padding, dilation)


def only(result):
    assert not result.passed
    return result.diagnoses[0]


def test_wrong_for_one_argument_only():
    result = check("conv2d", lambda x, w, b, s, p, d: conv(x, w, b, s, p, d) * (1.5 if d > 1 else 1), quiet=True)
    told = only(result)
    assert told.code == "wrong-values" and result.status == PARTLY and 0.7 < result.score < 1
    assert "1.5 times the right one" in told.message
    assert "fails when dilation is above 1, and only then" in told.message
    assert [group for group, good in result.groups.items() if not good] == ["dilation", "everything together"]


def test_wrong_for_two_arguments_together():
    result = check(
        "conv2d", lambda x, w, b, s, p, d: conv(x, w, b, s, p, d) + (1 if s > 1 and p > 0 else 0), quiet=True
    )
    assert "stride is above 1 and padding is above 0" in only(result).message
    assert result.score > 0.9 and result.groups["stride"] and result.groups["padding"]


def test_the_smallest_example_is_shown():
    told = only(check("conv2d", lambda x, w, b, s, p, d: conv(x, w, b, s, p, d) - 0.125, quiet=True))
    assert "0.125 too small" in told.message
    assert "(shape 1×1×3×3)" in told.example and "should give" in told.example and "and gave" in told.example


def test_a_list_that_is_too_short_is_told_as_a_list():
    asked = find("gridding_counts").reference
    told = only(check("gridding_counts", lambda rates, kernel: asked(rates, kernel)[:-1] or [1], quiet=True))
    assert told.code == "wrong-shape" and re.search(r"Your result has \d+ numbers?; it should have \d+\.", told.message)
    assert "sizes after each step" not in told.message


def test_what_should_be_empty_is_told_so():
    asked = find("multi_grid_rates").reference
    told = check("multi_grid_rates", lambda *a: asked(*a) or [[1, 2, 3]], quiet=True).diagnoses
    assert any("Your result should be empty; it has the shape 1×3." in d.message for d in told)


def test_two_known_mistakes_are_both_named():
    result = check("conv2d", lambda x, w, b, s, p, d: conv(x, w.flip(2, 3), None, s, p, d), quiet=True)
    assert [d.code for d in result.diagnoses] == ["kernel-flipped", "bias-ignored"]


def test_two_known_mistakes_of_different_arguments_are_both_named():
    result = check("conv2d", lambda x, w, b, s, p, d: conv(x, w, None, s, p, 1), quiet=True)
    assert not result.groups["bias"] and not result.groups["dilation"] and result.groups["stride"]
    assert {d.code for d in result.diagnoses} == {"bias-ignored", "dilation-ignored"}


def test_a_known_mistake_with_another_beside_it():
    """An uncatalogued slip on top of a known one: the known one is still named, the rest described."""

    def student(x, w, b, s, p, d):
        out = conv(x, w, None, s, p, d)
        return out + 1 if x.shape[0] == 3 and w.shape[2] == 3 and s == 1 else out

    result = check("conv2d", student, quiet=True)
    assert result.diagnoses[0].code == "bias-ignored"
    assert not result.groups["bias"] and not result.groups["batch"]


@pytest.mark.parametrize(
    ("student", "code", "words"),
    [
        (lambda x, w, *a: conv(x, w, *a)[:, :, 1:], "wrong-shape", "the height has 1 too few"),
        (lambda x, w, *a: conv(x, w, *a)[0], "wrong-shape", "3 dimensions instead of 4"),
        (lambda x, w, *a: conv(x, w, *a) / 0 * 0, "nan", "NaN"),
        (lambda x, w, *a: conv(x, w, *a).log(), "nan", "NaN"),
        (lambda x, w, *a: "a string", "wrong-type", "a str"),
        (lambda x, w, *a: {"out": conv(x, w, *a)}, "wrong-type", "a dict"),
        (lambda x, w, *a: (conv(x, w, *a), None), "wrong-type", "NoneType"),
        (lambda x: x, "wrong-arguments", "it is called with (x, weight, bias, stride, padding, dilation)"),
        (lambda x, w, *a: x[99], "raises", "IndexError"),
        (lambda x, w, *a: undefined_name, "raises", "typing slip"),  # type: ignore[name-defined]  # noqa: F821
        (lambda x, w, *a: conv(x, w, *a).half(), "precision-lost", "float16"),
        (lambda x, w, *a: -conv(x, w, *a), "wrong-values", "wrong sign"),
        (lambda x, w, *a: conv(x, w, *a).flip(2), "wrong-values", "rows in reverse order"),
        (lambda x, w, *a: torch.rand_like(conv(x, w, *a)), "wrong-values", "The first difference is at [0, 0, 0, 0]"),
        (lambda x, w, *a: x @ w, "raises", "RuntimeError"),
        (lambda x, w, *a: conv(x, w, *a) - (len(x) > 0), "raises", "with a bool tensor"),
    ],
)
def test_generic_diagnosis(student, code, words):
    told = only(check("conv2d", student, quiet=True))
    assert told.code == code, told
    assert words in told.message


def test_none_in_one_branch():
    told = only(check("conv2d", lambda x, w, b, s, p, d: None if s > 2 else conv(x, w, b, s, p, d), quiet=True))
    assert told.code == "returns-nothing" and "does every branch reach a return" in told.message


def test_not_written_for_one_case():
    def student(x, w, b, s, p, d):
        if d > 1:
            raise NotImplementedError
        return conv(x, w, b, s, p, d)

    result = check("conv2d", student, quiet=True)
    assert result.status == PARTLY and only(result).code == "not-yet-done-here"
    assert "dilation is above 1, and only then" in only(result).message


def test_missing_trailing_arguments_still_earn_marks():
    """A function without dilation is tried wherever dilation has its default value."""
    result = check(
        "conv2d",
        lambda x, weight, bias=None, stride=1, padding=0: conv(x, weight, bias, stride, padding, 1),
        quiet=True,
    )
    assert result.status == PARTLY and only(result).code == "wrong-arguments"
    assert [group for group, good in result.groups.items() if not good] == ["dilation", "everything together"]


def test_arguments_go_by_name_where_the_names_are_ours():
    def student(x, weight, stride, dilation, padding, bias):
        return conv(x, weight, bias, stride, padding, dilation)

    assert check("conv2d", student, quiet=True).passed
    assert check("conv2d", F.conv2d, quiet=True).passed


def test_basic_case_wrong_earns_nothing():
    result = check("conv2d", lambda x, w, b, s, p, d: conv(x, w, b, s, p, d) + 1, quiet=True)
    assert (result.score, result.status) == (0.0, REJECTED)
    assert "No marks yet: the other aspects count once `plain` is right." in result.text()


def test_a_second_slip_takes_three_fifths_of_what_is_left():
    def both(x, w, b, s, p, d):
        return conv(x, w.flip(2, 3), None, s, p, d)

    result = check("conv2d", both, quiet=True)
    assert {told.code for told in result.diagnoses} == {"kernel-flipped", "bias-ignored"}
    assert 0.16 <= result.score < 0.4, result.text()


def test_a_slip_and_a_changed_argument_cost_both():
    def both(x, w, b, s, p, d):
        found = conv(x, w.flip(2, 3), b, s, p, d)
        x += 1
        return found

    result = check("conv2d", both, quiet=True)
    assert {told.code for told in result.diagnoses} == {"kernel-flipped", "input-changed"}
    assert result.score == pytest.approx(0.4 - 1 / len(result.groups), abs=1e-3)


def test_not_a_function():
    assert only(check("conv2d", torch.zeros(3), quiet=True)).code == "not-a-function"


def test_fails_when():
    facts = [{"a": True, "b": False}, {"a": True, "b": True}, {"a": False, "b": True}, {"a": False, "b": False}]
    assert fails_when(facts, {0, 1}) == "It fails when a, and only then."
    assert fails_when(facts, {1}) == "It fails when a and b, and only then."
    assert fails_when(facts, {0}) == "", "one case says nothing about a cause"
    assert fails_when(facts, {0, 1, 2}) == "It always fails when a, and in some other cases too."
    assert fails_when(facts, {0, 1, 2, 3}) == ""
    nearly = [{"a": i < 4, "b": i % 2 == 0} for i in range(6)]
    assert fails_when(nearly, {0, 1, 2, 3, 4}) == "", "where nearly all fails, what always fails tells nothing"
    both = [{"a": i < 5, "b": True} for i in range(6)]
    assert fails_when(both, {0, 1, 2, 3}) == (
        "In all 4 cases that fail, a. (1 other such case passes: it takes more than that, or it does not show there.)"
    )
    alike = [{"a": i < 2, "b": i < 2, "c": i == 0} for i in range(4)]
    assert (
        fails_when(alike, {0, 1}) == "It fails when a, and only then. (In the same cases b, so it may be that instead.)"
    )
    many = [{"the input is float64": i < 3, "b": 3 <= i < 5} for i in range(6)]
    assert fails_when(many, {0, 1, 2, 3}) == "", "neither a false trail nor what covers half of the failures at most"


def test_none_from_a_function_that_is_written_is_no_stub():
    def prints(x, weight, *rest):
        print(conv(x, weight, *rest).shape)

    told = only(check("conv2d", prints, quiet=True))
    assert told.code == "returns-nothing" and "runs to its end and returns None" in told.message
    assert check("conv2d", prints, quiet=True).status == REJECTED


def test_numbers_are_compared_over_all_cases():
    told = only(check("pixel_accuracy", lambda m: 1.25 * m.diag().sum() / m.sum(), quiet=True))
    assert "Every wrong result is 1.25 times the right one." in told.message
    told = only(check("pixel_accuracy", lambda m: m.diag().sum() / m.sum() ** 1.5, quiet=True))
    assert told.message == "The number is not the right one."


def test_a_fraction_is_a_number():
    assert check("pixel_accuracy", lambda m: Fraction(int(m.diag().sum()), int(m.sum())), quiet=True).passed


def test_tables_have_rows_and_entries_and_no_border():
    right = np.arange(16.0).reshape(4, 4)
    border = np.where(np.pad(np.ones((2, 2), bool), 1), right, 77)
    told = relation(Leaf(border, "float64", "numpy"), Leaf(right, "float64", "numpy"), table=True)
    assert "12 of 16 entries are wrong" in told
    told = relation(Leaf(right[:3], "float64", "numpy"), Leaf(right, "float64", "numpy"), table=True)
    assert "it has 1 row too few" in told


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        (
            "mean_iou",
            lambda pairs, k, i: pairs.append(pairs.pop(0)) or find("mean_iou").reference(pairs, k, i),
            "`list(pairs)`",
        ),
        ("linear_to_conv", lambda linear, c, h, w: linear.weight.data.zero_(), "`copy.deepcopy(linear)`"),
        ("dilate_strides", lambda layers, s: layers.append((1, 1, 1)) or layers, "`list(layers)`"),
        ("conv2d", lambda x, *a: x.zero_(), "`x.clone()`"),
    ],
)
def test_how_to_copy_what_is_changed(exercise, student, words):
    result = check(exercise, student, quiet=True)
    told = [d.message for d in result.diagnoses if d.code == "input-changed"]
    assert told and words in told[0], result.text()


@pytest.mark.parametrize(
    ("exercise", "student", "code", "words"),
    [
        ("dice", lambda m: (2 * m.diag()) // (m.sum(0) + m.sum(1)).clamp(min=1), "wrong-dtype", "Use torch.float32"),
        (
            "dense_upsample",
            lambda x, w, b, d, z: F.pixel_shuffle(F.conv2d(x, w, b, padding=1), d)[..., : z[0], : z[1]].argmax(1),
            "wrong-shape",
            "3 dimensions instead of 4",
        ),
        ("linear_to_conv", lambda *a: "layer", "wrong-type", "a str where a layer (torch.nn.Conv2d) is asked for."),
        ("conv2d", lambda *a: (i for i in [1]), "wrong-type", "`yield`"),
        ("dice", lambda m: (2.02 * m.diag() / (m.sum(0) + m.sum(1))).half(), "wrong-values", "1.0097 times"),
    ],
)
def test_types_and_shapes(exercise, student, code, words):
    told = only(check(exercise, student, quiet=True))
    assert told.code == code and words in told.message, told


def test_a_half_precision_number_is_not_taken():
    told = only(
        check("frequency_weighted_iou", lambda m: find("frequency_weighted_iou").reference(m).half(), quiet=True)
    )
    assert told.code == "precision-lost" and "float16" in told.message


def test_text_has_no_stray_spaces():
    told = only(check("conv2d", lambda x, w, b, s, p, d: x[9] if d > 1 else conv(x, w, b, s, p, d), quiet=True))
    assert "\n " not in told.message.replace("\n    ", "") and "  It" not in told.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b.T, "rows and columns exchanged"),
        (lambda b: b[::-1], "rows in reverse order"),
        (lambda b: b[:, ::-1], "left and right exchanged"),
        (lambda b: 3 * b, "3 times the right one"),
        (lambda b: b + 2, "2 too large"),
        (lambda b: np.roll(b, 1, 0), "moved by one row"),
        (lambda b: np.where(np.pad(np.ones((2, 2), bool), 1), b, 77), "Only the border is wrong"),
        (lambda b: np.where(np.pad(np.ones((2, 2), bool), 1), 77, b), "Only the inside is wrong"),
        (lambda b: np.where(b == b[1, 2], np.inf, b), "1 of its 16 numbers are infinite"),
        (lambda b: b[:3], "the height has 1 too few"),
    ],
)
def test_relation(change, words):
    right = np.random.default_rng(0).normal(size=(4, 4))
    assert words in relation(Leaf(change(right), "float64", "numpy"), Leaf(right, "float64", "numpy"))


def unpooled(x, indices, size):
    return F.max_unpool2d(x, indices, 2, output_size=list(size))


def mean_field(q, unary, kernels, weights, matrix):
    heard = torch.tensordot(weights, kernels, 1) @ q.flatten(1).T  # P, K
    return (-unary - (matrix @ heard.T).reshape(q.shape)).softmax(0)


def cut(decoder, encoder, y, x):
    return encoder[:, :, y : y + decoder.shape[2], x : x + decoder.shape[3]]


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "segnet_decoder_step",
            lambda x, i, z, w, b: F.conv2d(unpooled(x, i, z), w, None, padding=1),
            {"relu-forgotten", "bias-ignored"},
        ),
        (
            "segnet_decoder_step",
            lambda x, i, z, w, b: F.conv2d(unpooled(x, i, z), w.flip(2, 3), b, padding=1),
            {"relu-forgotten", "kernel-flipped"},
        ),
        ("concat_skip", lambda d, e: torch.cat([d, cut(d, e, 0, 0)], 1), {"decoder-first", "cut-at-zero"}),
        (
            "dilate_strides",
            lambda layers, t: [(k, s, d * 2 ** sum(s > 1 for _, s, _ in layers[:i]))
                               for i, (k, s, d) in enumerate(layers)] if t == 1 else layers,
            {"strides-kept"},
        ),
        ("gridding_counts", lambda rates, k: [1] * (1 + len(rates) * (k - 1)), {"capped-at-one", "rates-ignored"}),
        (
            "mean_field_step",
            lambda q, unary, kernels, weights, matrix: mean_field(q, unary, kernels.mT, weights, matrix.T),
            {"kernel-transposed", "compatibility-transposed"},
        ),
        (
            "compatibility_transform",
            lambda m, c: -torch.einsum("kl,khw->lhw", c if torch.is_tensor(c) else c - c * torch.eye(len(m)).to(m), m),
            {"transposed", "sign"},
        ),
    ],
)  # fmt: skip
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        (
            "segnet_decoder_step",
            lambda x, i, z, w, b: 2 * F.conv2d(unpooled(x, i, z), w, b, padding=1).relu(),
            "Every number is 2 times the right one",
        ),
        (
            "segnet_decoder_step",
            lambda x, i, z, w, b: F.conv2d(unpooled(x, i, z), w, None if b is None else -b, padding=1).relu(),
            "fails when there is a bias, and only then",
        ),
        (
            "dense_upsample",
            lambda x, w, b, d, z: F.adaptive_avg_pool2d(F.pixel_shuffle(F.conv2d(x, w, b, padding=1), d), z),
            "fails when the map is cut, and only then",
        ),
        ("gridding_counts", lambda rates, k: [2] if not rates else _paths(rates, k), "there are no layers, and only"),
        ("hdc_check", lambda rates, k: (99, False), "Part 1 of your result"),
        (
            "mean_field_step",
            lambda q, unary, kernels, weights, matrix: mean_field(q, 2 * unary, kernels, weights, matrix),
            "The shape is right and the values are not",
        ),
        ("bilateral_filter", lambda v, p, a, b: v.half(), "The shape is right and the values are not"),
        ("concat_skip", lambda d, e: d.sum(), "0 dimensions instead of 4"),
        ("unet_weight_map", lambda m, w0, s: torch.ones(m.shape).T, "the same sizes in another order"),
    ],
)
def test_an_unknown_mistake_of_chapters_05_to_07(exercise, student, words):
    told = only(check(exercise, student, quiet=True))
    assert told.code in ("wrong-values", "wrong-shape") and words in told.message, told


def _paths(rates, kernel):
    counts = np.ones(1)
    for rate in rates:
        counts = np.convolve(counts, np.kron(np.ones(kernel), np.eye(1, rate)[0])[: (kernel - 1) * rate + 1])
    return counts


def right(exercise, *args):
    return find(exercise).reference(*args)


def pyramid(x, point, dilated, pooled, bias, rates, last=1):
    """ASPP with something done to its last branch."""
    out = right("aspp", x, point, dilated, pooled, bias, rates)
    return torch.cat([out[:, : -len(point)], last * out[:, -len(point) :]], 1)


def turned(layers, rates, output_stride):
    """Two columns of the layers exchanged, and ASPP's rates as they were."""
    plan, pyramid = right("change_output_stride", layers, rates, output_stride)
    return [(lost, stride, rate) for stride, lost, rate in plan], rates if pyramid else []


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "aspp",
            lambda x, p, d, q, b, r: right("aspp", x, p, d.flip(3, 4), q, 0 * b, r),
            {"kernel-flipped", "bias-ignored"},
        ),
        (
            "valid_weights",
            lambda size, kernel, rate: right("valid_weights", size, (3, 3), rate[::-1]),
            {"kernel-fixed", "rates-exchanged"},
        ),
        ("change_output_stride", turned, {"aspp-rates-kept", "columns-exchanged"}),
    ],
)
def test_two_mistakes_at_once_in_chapter_09(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        ("aspp", lambda *a: pyramid(*a, last=3 if len(a[0]) > 1 else 1), "one picture in the batch, and only then"),
        ("aspp", lambda *a: pyramid(*a)[..., :-1], "the width has 1 too few"),
        (
            "multi_grid_rates",
            lambda s, *a: [[v + (s != 4) for v in row] for row in right("multi_grid_rates", s, *a)],
            "The shape is right and the values are not",
        ),
        (
            "multi_grid_rates",
            lambda *a: right("multi_grid_rates", *a) or [7],
            "It fails when the plan cannot be built, and only then",
        ),
        (
            "valid_weights",
            lambda size, kernel, rate: right("valid_weights", size, kernel, rate) + (kernel != (3, 3)),
            "It fails when the kernel is not 3×3, and only then",
        ),
        (
            "change_output_stride",
            lambda *a: (right("change_output_stride", *a)[0], [5] * len(a[1])),
            "Part 2 of your result",
        ),
    ],
)
def test_an_unknown_mistake_of_chapter_09(exercise, student, words):
    told = only(check(exercise, student, quiet=True))
    assert told.code in ("wrong-values", "wrong-shape") and words in told.message, told
    assert f"{exercise}(" in told.example and "should give" in told.example and "and gave" in told.example


def test_three_slips_at_once_show_one_of_them_where_it_is_alone():
    """x and y exchanged, the end a cell too late, and the bins before the channels: together in no catalogue."""

    def student(features, regions, stride, bins):
        rows = []
        for y0, x0, y1, x1 in regions.tolist():
            (top, bottom), (left, right) = (
                (low // stride + 1, -(-high // stride)) for low, high in ((y0, y1), (x0, x1))
            )
            top, left = min(top, bottom - 1), min(left, right - 1)
            part = features[:, top : bottom + 1, left : right + 1]
            rows.append(torch.cat([F.adaptive_max_pool2d(part, b).permute(1, 2, 0).flatten() for b in bins]))
        return torch.stack(rows)

    told = only(check("spatial_pyramid_pool", student, quiet=True))
    assert told.code == "wrong-values" and "higher or wider by another number" not in told.message
    assert re.search(
        r"In \d+ of the \d+ cases that fail, this one among them, your function gives just what one", told.message
    )
