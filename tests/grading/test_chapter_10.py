"""Assignment 10: equal to the package and to torch, not had by pasting the chapter, and slips nobody planted."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit import encoders, ops
from segkit.analysis import cost
from segkit.grading import check
from segkit.grading.assignments import read_notebook, source_path
from segkit.grading.exercise import find
from segkit.grading.verdict import PARTLY
from segkit.layers import InvertedResidual
from segkit.ops.separable import spatial_factors
from tests.grading.mistakes.ch10 import inverted_torch, sep_torch

V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * ((512, 1),), (1024, 2), (1024, 1))


def right(exercise, *args):
    return find(exercise).reference(*args)


# the right answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_separable_over_time_is_the_packages_in_one_row(stride, dilation):
    torch.manual_seed(0)
    x, bias = torch.randn(2, 3, 14, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    depthwise, pointwise = torch.randn(3, 2, 3, dtype=torch.float64), torch.randn(4, 3, 2, dtype=torch.float64)
    wide = F.pad(x, (2 * dilation, 0))[:, :, None]
    weights = depthwise.reshape(6, 1, 1, 3), pointwise.reshape(4, 6, 1, 1)
    expected = ops.separable_conv2d(wide, *weights, bias, (1, stride), 0, (1, dilation))[:, :, 0]
    torch.testing.assert_close(right("separable_conv1d", x, depthwise, pointwise, bias, stride, dilation), expected)


def test_nothing_that_comes_later_is_seen():
    args = [torch.randn(1, 2, 9), torch.randn(2, 2, 3), torch.randn(3, 2, 2), torch.randn(3), 1, 2]
    before = right("separable_conv1d", *args)
    args[0] = torch.cat([args[0][..., :5], torch.randn(1, 2, 4)], 2)
    assert torch.equal(right("separable_conv1d", *args)[..., :5], before[..., :5])


def mobilenet_v2():
    units = [(O, i, s, t) for t, O, n, s in V2 for i in range(n)]
    return [("conv", 3, 2, 32, 1), *(("inverted", 3, 1 if i else s, O, t) for O, i, s, t in units)]


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("mobilenet_v1", [("conv", 3, 2, 32, 1), *(("separable", 3, s, O) for O, s in V1)]),
        ("mobilenet_v2", mobilenet_v2()),
    ],
)
@pytest.mark.parametrize("size", [(224, 224), (97, 129)])
def test_the_cost_of_a_list_is_that_of_the_network(name, layers, size):
    with torch.device("meta"):
        network = encoders.create(name)
    weights, macs, moved = right("network_cost", layers, 3, *size)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert weights == sum(m.weight.numel() for m in convolutions)
    assert macs == cost(network, (3, *size)).macs
    assert moved == moved_by(network, size)


def moved_by(network, size):
    """Bytes in and out of all convolutions, counted while it runs without values."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += 4 * (inputs[0].numel() + module.weight.numel() + output.numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network.eval()(torch.empty(1, 3, *size, device="meta"))
    return total


def test_terms_are_those_that_the_factors_need():
    torch.manual_seed(0)
    kernels = torch.randn(5, 5, 4, dtype=torch.float64)
    for tolerance in (0.1, 0.3, 0.6):
        for kernel, r in zip(kernels, right("separable_terms", kernels, tolerance)[0], strict=True):
            errors = []
            for rank in (r - 1, r):
                columns, rows = (
                    spatial_factors(kernel, rank) if rank else (kernel[None, None, :, :1] * 0, kernel[:1] * 0)
                )
                near = torch.einsum("rcyu,orux->yx", columns, rows) if rank else torch.zeros_like(kernel)
                errors.append(float((kernel - near).norm() / kernel.norm()))
            assert errors[1] <= tolerance < errors[0]


def test_the_matrix_shuffles_as_torch_does_and_comes_back():
    x = torch.randn(1, 24, 2, 3)
    y = x
    for times in range(4):
        matrix = right("shuffle_matrix", 24, 4, times)
        assert torch.equal(torch.einsum("pc,nchw->nphw", matrix, x), y)
        assert torch.equal(right("shuffle_matrix", 24, 4, -times) @ matrix, torch.eye(24))
        y = F.channel_shuffle(y, 4)


@pytest.mark.parametrize(("outputs", "stride"), [(4, 1), (4, 2), (6, 1)])
def test_the_inverted_residual_is_the_packages_with_batchnorm_folded(outputs, stride):
    torch.manual_seed(0)
    layer = InvertedResidual(4, outputs, stride, expansion=3).double().eval()
    folded = []
    modules = [m for m in layer.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    for conv, norm in zip(modules[::2], modules[1::2], strict=True):
        for values in (norm.weight, norm.bias, norm.running_mean):
            nn.init.normal_(values)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        folded.append((conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale))
    (expand, first), (depthwise, second), (project, bias) = [(w.detach(), b.detach()) for w, b in folded]
    cuts = [slice(0, 5), slice(5, 6), slice(6, 12)]
    parts = [(expand[c, :, 0, 0], first[c], depthwise[c, 0], second[c], project[:, c, 0, 0]) for c in cuts]
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(right("inverted_residual", x, parts, bias, stride), layer(x).detach())


# the chapter's code, and slips that nobody planted -----------------------------------------------------------------


def chapters_separable(x, depthwise, pointwise, bias, stride, dilation):
    alone = [
        F.conv2d(x[:, c : c + 1], depthwise[c : c + 1], stride=stride, dilation=dilation) for c in range(x.shape[1])
    ]
    return F.conv2d(torch.cat(alone, 1), pointwise)


def chapters_products(k, C, O, h, w, groups=1):
    return k * k * (C // groups) * O * h * w


def chapters_first_term(kernels, tolerance):
    energy = torch.linalg.svdvals(kernels).square()
    return energy[:, 0] / energy.sum(1)


def chapters_shuffle(channels, groups, times):
    numbers = torch.arange(channels).view(1, channels, 1, 1)
    order = numbers.reshape(1, groups, channels // groups, 1, 1).transpose(1, 2).flatten()
    return torch.eye(channels)[order]


class ChaptersInverted(nn.Module):
    def __init__(self, C, O, stride, expansion=6):
        super().__init__()
        self.steps = nn.Conv2d(C, O, 1)


@pytest.mark.parametrize(
    ("exercise", "code"),
    [
        ("separable_conv1d", chapters_separable),
        ("network_cost", chapters_products),
        ("separable_terms", chapters_first_term),
        ("shuffle_matrix", chapters_shuffle),
        ("inverted_residual", ChaptersInverted),
    ],
)
def test_the_code_of_the_chapter_earns_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        ("separable_conv1d", lambda x, d, p, b, s, r: 2 * sep_torch(x, d, p, b, s, r), "2 times the right one"),
        ("separable_conv1d", lambda *a: sep_torch(*a)[..., 1:], "dimension 2 has 1 too few"),
        (
            "separable_conv1d",
            lambda x, d, p, b, s, r: sep_torch(x, d, p, b, s, r) + (d.shape[1] > 1),
            "fails when a channel has more than one kernel, and only then",
        ),
        (
            "network_cost",
            lambda layers, *a: [
                n + ("pool" in {layer[0] for layer in layers}) * 1e6 for n in right("network_cost", layers, *a)
            ],
            "fails when there is a pooling, and only then",
        ),
        ("network_cost", lambda *a: (right("network_cost", *a)[0], 7, 7), "Part 2 of your result"),
        (
            "separable_terms",
            lambda kernels, tol: (right("separable_terms", kernels, tol)[0], [99] * len(kernels)),
            "Part 2 of your result",
        ),
        ("shuffle_matrix", lambda c, g, t: 2 * right("shuffle_matrix", c, g, t), "2 times the right one"),
        (
            "shuffle_matrix",
            lambda c, g, t: right("shuffle_matrix", c, g, t) + (t == 0),
            "fails when times is 0, and only then",
        ),
        ("inverted_residual", lambda *a: -inverted_torch(*a), "wrong sign"),
        (
            "inverted_residual",
            lambda x, parts, *a: inverted_torch(x, parts, *a) + 0.5 * (len(parts) > 1),
            "fails when there is more than one part, and only then",
        ),
    ],
)
def test_an_unknown_mistake_of_chapter_10(exercise, student, words):
    told = check(exercise, student, quiet=True).diagnoses[0]
    assert told.code in ("wrong-values", "wrong-shape") and words in told.message, told
    assert "should give" in told.example and "gave" in told.example


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "separable_conv1d",
            lambda x, d, p, b, s, r: sep_torch(x, d.flip(2), p, 0 * b, s, r),
            {"kernel-flipped", "bias-ignored"},
        ),
        (
            "network_cost",
            lambda layers, C, h, w: [
                a * b for a, b in zip(right("network_cost", layers, C, w, w), (1, 2, 1), strict=True)
            ],
            {"square-map", "operations-doubled"},
        ),
        (
            "separable_terms",
            lambda kernels, tol: right("separable_terms", kernels, 1e-5)[::-1],
            {"tolerance-ignored", "results-exchanged"},
        ),
        (
            "inverted_residual",
            lambda x, parts, b, s: inverted_torch(x, [(e, f, d.flip(1, 2), t, p) for e, f, d, t, p in parts], 0 * b, s),
            {"kernel-flipped", "bias-ignored"},
        ),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


def test_a_small_slip_keeps_most_of_the_marks():
    result = check("inverted_residual", lambda *a: inverted_torch(*a, wrong="uncapped"), quiet=True)
    assert result.status == PARTLY and result.score > 0.6 and result.diagnoses[0].code == "relu-not-capped"


# the experiment ----------------------------------------------------------------------------------------------------


def test_the_experiment_starts_and_has_a_rubric():
    cells = read_notebook(source_path("ch10"))["cells"]
    text = next(c["source"] for c in cells if c["metadata"] == {} and "Experiment" in c["source"].split("\n")[0])
    points = [int(row.split("|")[1]) for row in text.split("\n") if row.startswith("| ") and row[2].isdigit()]
    assert sum(points) == 10
    names: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader", {}).get("grade"):
            exec(cell["source"], names)
    assert len(names["SHAPES"]) == 8
    for shape in names["SHAPES"].values():
        k, C, O, groups, stride, h, w = shape
        layer = nn.Conv2d(C, O, k, stride, k // 2, groups=groups, bias=False)
        macs, moved = names["theory"](*shape)
        with torch.device("meta"):
            out = layer.to("meta")(torch.empty(8, C, h, w))
        assert macs == 8 * cost(layer, (C, h, w)).macs
        assert moved == 4 * (8 * C * h * w + layer.weight.numel() + out.numel())
    call, moved = names["copy"](1)
    assert moved == 2 * 2**20 and call().numel() == 2**18
    small = names["layer_call"](3, 2, 2, 1, 1, 4, 4, pictures=1, layout=torch.channels_last)
    assert set(names["seconds"]({"copy": call, "layer": small}, rounds=2)) == {"copy", "layer"}
