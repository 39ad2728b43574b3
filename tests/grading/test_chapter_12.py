"""Assignment 12, its networks: equal to the package, not had by pasting the chapter, and slips nobody planted."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.grading import check
from segkit.grading.exercise import find
from segkit.grading.verdict import PARTLY
from segkit.heads import CascadeFusion, enlarge_from_corners
from segkit.models.enet_blocks import Bottleneck, Down
from tests.grading.mistakes.ch12_networks import cascade_torch, down_torch


def right(exercise, *args):
    return find(exercise).reference(*args)


# the right answers -------------------------------------------------------------------------------------------------


def folded(convs, norm):
    """Weights of convolutions that follow each other, and the bias, with the BatchNorm behind them in both."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    *earlier, last = convs
    bias = norm.bias + scale * ((0 if last.bias is None else last.bias) - norm.running_mean)
    return [*(conv.weight for conv in earlier), last.weight * scale[:, None, None, None]], bias


@pytest.mark.parametrize(("channels", "outputs", "size"), [(3, 8, (6, 10)), (4, 8, (7, 5)), (8, 8, (1, 4))])
def test_the_bottleneck_is_the_packages_with_batchnorm_folded(channels, outputs, size):
    torch.manual_seed(0)
    theirs = Down(channels, outputs, "prelu", 0.0)
    strips = Bottleneck(outputs, "asymmetric", "prelu", 0.0).extension[3:5]
    theirs.extension[3] = nn.Sequential(*strips)
    theirs.double().eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(values)
        elif isinstance(module, nn.PReLU):
            nn.init.normal_(module.weight)
    x = torch.randn(2, channels, *size, dtype=torch.float64)
    with torch.no_grad():
        first, norm1, act1, _, norm2, act2, last, norm3, _ = theirs.extension
        (project,), b1 = folded([first], norm1)
        (across, down), b2 = folded(strips, norm2)
        (expand,), b3 = folded([last], norm3)
        slopes = [act.weight for act in (act1, act2, theirs.act)]
        kernels = project, across[:, :, 0], down[..., 0], expand[:, :, 0, 0]
        torch.testing.assert_close(right("enet_down", x, *kernels, [b1, b2, b3], slopes), theirs(x)[0])


@pytest.mark.parametrize("size", [(3, 5), (4, 6), (3, 8)])
def test_the_cascade_is_the_packages_in_training(size):
    """Two fusions as ICNet has them, in the state in which training begins."""
    torch.manual_seed(0)
    first, second = CascadeFusion(4, 3, 5, num_classes=3).double(), CascadeFusion(5, 2, 5, num_classes=3).double()
    sizes = [[-(-n // 2**place) for n in (4 * size[0], 4 * size[1])] for place in (3, 2, 1)]
    maps = [torch.randn(2, c, *hw, dtype=torch.float64) for c, hw in zip((4, 3, 2), sizes, strict=True)]
    score = torch.randn(3, 5, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 4 * size[0], 4 * size[1]))
    labels[:, :3] = 255
    with torch.no_grad():
        x, guide_1 = first(maps[0], maps[1])
        x, guide_2 = second(x, maps[2])
        wide = enlarge_from_corners(x, 2)[..., : labels.shape[1], : labels.shape[2]]
        expected = torch.einsum("kp,nphw->nkhw", score, wide)
        losses = [
            F.cross_entropy(scores, labels[:, ::step, ::step], ignore_index=255)
            for scores, step in ((guide_1, 4), (guide_2, 2), (expected, 1))
        ]
        fusions = [
            (one.refine[0].weight, one.project[0].weight[:, :, 0, 0], one.guide.weight[:, :, 0, 0])
            for one in (first, second)
        ]
        scores, loss = right("cascade_fusion", maps, fusions, score, labels, [0.16, 0.4, 1.0])
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(loss, 0.16 * losses[0] + 0.4 * losses[1] + losses[2])


def test_a_guide_is_in_the_loss_alone():
    """Without their losses the guides change nothing, as where the network is used."""
    maps, fusions, score, labels, _ = find("cascade_fusion").all_cases()[-2].args
    scores, loss = right("cascade_fusion", maps, fusions, score, labels, [0.0] * (len(maps) - 1) + [1.0])
    silent = [(refine, project, 0 * guide) for refine, project, guide in fusions]
    again, same = right("cascade_fusion", maps, silent, score, labels, [0.0] * (len(maps) - 1) + [1.0])
    assert torch.equal(scores, again) and torch.equal(loss, same)


# the chapter's code, and slips that nobody planted -----------------------------------------------------------------


def chapters_down(x, project, across, down, expand, biases, slopes):
    """As the chapter has it: for even sizes, with one square kernel in the middle and BatchNorm behind each step."""
    R, C, _, _ = project.shape
    norm = [nn.BatchNorm2d(n, dtype=x.dtype).eval() for n in (R, R, len(expand))]
    acts = [nn.PReLU(n, dtype=x.dtype) for n in (R, R, len(expand))]
    full = torch.einsum("rsi,stj->rtij", down, across)
    y = acts[0](norm[0](F.conv2d(x, project, stride=2)))
    y = acts[1](norm[1](F.conv2d(y, full, padding=1)))
    y = norm[2](F.conv2d(y, expand[:, :, None, None]))
    return acts[2](F.pad(F.max_pool2d(x, 2), (0, 0, 0, 0, 0, len(expand) - C)) + y).detach()


def chapters_cascade(maps, fusions, score, labels, weights):
    """As the chapter has it, trained networks in use; scores are enlarged to the labels."""
    size, x, found = labels.shape[1:], maps[0], []
    for (refine, project, guide), fine in zip(fusions, maps[1:], strict=True):
        wide = enlarge_from_corners(x, 2)[..., : fine.shape[-2], : fine.shape[-1]]
        found.append(F.conv2d(wide, guide[:, :, None, None]))
        x = F.relu(F.conv2d(wide, refine, padding=2, dilation=2) + F.conv2d(fine, project[:, :, None, None]))
    found.append(F.conv2d(enlarge_from_corners(x, 2)[..., : size[0], : size[1]], score[:, :, None, None]))
    enlarged = [F.interpolate(one, size, mode="bilinear", align_corners=True) for one in found]
    return found[-1], sum(w * F.cross_entropy(one, labels) for w, one in zip(weights, enlarged, strict=True))


@pytest.mark.parametrize(("exercise", "code"), [("enet_down", chapters_down), ("cascade_fusion", chapters_cascade)])
def test_the_code_of_the_chapter_earns_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        ("enet_down", lambda *a: 1.5 * down_torch(*a), "1.5 times the right one"),
        ("enet_down", lambda *a: down_torch(*a)[..., 1:], "the width has 1 too few"),
        (
            "enet_down",
            lambda x, p, across, *a: down_torch(x, p, across, *a) + (across.shape[2] != 5),
            "fails when k is not 5, and only then",
        ),
        (
            "cascade_fusion",
            lambda maps, *a: [one + (len(maps) > 2) for one in cascade_torch(maps, *a)],
            "fails when there are more than two maps, and only then",
        ),
        (
            "cascade_fusion",
            lambda *a: (cascade_torch(*a)[0], 2 * cascade_torch(*a)[1]),
            "Part 2 of your result",
        ),
    ],
)
def test_an_unknown_mistake_of_chapter_12(exercise, student, words):
    told = check(exercise, student, quiet=True).diagnoses[0]
    assert told.code in ("wrong-values", "wrong-shape") and words in told.message, told
    assert "should give" in told.example and "gave" in told.example


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "enet_down",
            lambda *a: down_torch(*a[:5], [0 * b for b in a[5]], a[6], wrong="zeros win"),
            {"bias-ignored", "zeros-win"},
        ),
        (
            "cascade_fusion",
            lambda maps, fusions, score, labels, weights: cascade_torch(
                maps, fusions, score, labels, weights[::-1], wrong="void counted"
            ),
            {"weights-reversed", "void-counted"},
        ),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


@pytest.mark.parametrize(
    ("exercise", "student", "code"),
    [
        ("enet_down", lambda *a: down_torch(*a, wrong="maximum"), "maximum-for-prelu"),
        ("cascade_fusion", lambda *a: cascade_torch(*a, wrong="nan"), "all-void-breaks"),
    ],
)
def test_a_small_slip_keeps_most_of_the_marks(exercise, student, code):
    result = check(exercise, student, quiet=True)
    assert result.status == PARTLY and result.score > 0.7 and result.diagnoses[0].code == code


def test_a_map_that_stays_small_stops_and_says_where():
    """The coarse map is not enlarged: the error, its line, and nothing invented about it; one map alone is right."""

    def student(maps, fusions, score, labels, weights):
        if not fusions:
            return cascade_torch(maps, fusions, score, labels, weights)
        (refine, project, _), *_ = fusions
        return F.conv2d(maps[0], refine, padding=2, dilation=2) + torch.einsum("pd,ndhw->nphw", project, maps[1])

    result = check("cascade_fusion", student, quiet=True)
    told = result.diagnoses[0]
    assert result.groups["one map"] and told.code == "raises" and "must match" in told.message
    assert "F.conv2d(maps[0], refine, padding=2, dilation=2)" in told.message
