"""Assignment 15: equal to torch and to the package, not had by pasting the chapter, and slips that nobody planted."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segkit import ops
from segkit.encoders.hrnet import HighResolutionModule
from segkit.grading import check
from segkit.grading.exercise import find
from segkit.grading.exercises.uncertain_points import margins
from segkit.grading.verdict import PARTLY
from segkit.metrics.boundary import near_other_class
from segkit.models.pointrend import uncertainty
from segkit.training.edges import edge_loss
from tests.grading.mistakes.ch15_branches import loss_loops, loss_torch, unit_torch
from tests.grading.mistakes.ch15_places import grid_loops, grid_torch, points_numpy, points_torch


def right(exercise, *args):
    return find(exercise).reference(*args)


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


# the right answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_grid_is_read_as_torch_reads_it(seed):
    rng = np.random.default_rng(seed)
    N, C, H, W, h, w = (int(n) for n in rng.integers(1, 7, 6))
    x, grid = random(N, C, H, W, seed=seed), random(N, h, w, 2, seed=seed + 1)
    for mode in ("zeros", "border"):
        for aligned in (False, True):
            theirs = F.grid_sample(x, grid, padding_mode=mode, align_corners=aligned)
            torch.testing.assert_close(right("sample_grid", x, grid, mode, aligned), theirs)
            torch.testing.assert_close(ops.grid_sample(x, grid, padding_mode=mode, align_corners=aligned), theirs)


@pytest.mark.parametrize("seed", range(8))
def test_points_are_where_a_map_of_probabilities_is_read_back_uncertain(seed):
    rng = np.random.default_rng(seed)
    N, K, h, w = (int(n) for n in rng.integers(2, 6, 4))
    scores = random(N, K, h, w, seed=seed)
    points = right("uncertain_points", scores, h * w)
    assert points.shape == (N, h * w, 2) and ((0 < points) & (points < 1)).all()
    doubt = uncertainty(scores.softmax(1))[:, None]
    read = ops.point_sample(doubt, points, align_corners=False)[:, 0]
    torch.testing.assert_close(read, doubt.flatten(1).sort(1, descending=True).values)


def test_no_two_pixels_of_a_case_are_alike():
    for case in find("uncertain_points").all_cases():
        for gap in margins(case.args[0]):
            assert gap.shape[1] < 2 or (gap.sort(1).values.diff() > 1e-4).all()


@pytest.mark.parametrize("target", range(3))
def test_one_branch_gets_what_hrnets_module_gives_it(target):
    """BatchNorm is left as it begins, and maps are constant where the module interpolates and the exercise repeats."""
    module = HighResolutionModule((2, 3, 4), blocks=0).double().eval()
    maps = [random(2, C, 8 // 2**b, 4 // 2**b, seed=b) for b, C in enumerate((2, 3, 4))]
    for b in range(target + 1, 3):
        maps[b] = maps[b][:, :, :1, :1].expand_as(maps[b]).contiguous()
    scale = (1 + module.fuse_layers[2][0][0][1].eps) ** -0.5
    ways = [
        [layer.weight.detach() * scale for layer in way.modules() if isinstance(layer, torch.nn.Conv2d)]
        for way in module.fuse_layers[target]
    ]
    with torch.no_grad():
        theirs = module(maps)[target]
    torch.testing.assert_close(right("exchange_unit", maps, ways, target), theirs)


@pytest.mark.parametrize("seed", range(6))
def test_at_reach_one_the_loss_is_the_packages_divided_by_its_weights(seed):
    """On stripes, where nobody has a diagonal neighbour alone."""
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, 3, (2, 1, 9))).expand(2, 6, 9).contiguous()
    labels[:, :, 4] = 255
    scores = random(2, 1, 6, 9, seed=seed)
    edge, known = near_other_class(labels, 1, void=255), labels != 255
    share = edge.sum() / known.sum()
    weights = 2 * share * (1 - share)  # those of all pixels, over their number
    theirs = edge_loss(scores, labels) / weights
    torch.testing.assert_close(right("boundary_loss", scores, labels, 1, 255), theirs)


# the chapter's code, and slips that nobody planted -----------------------------------------------------------------


def chapters_points(scores, count):
    """As PointRend in the package: by scores, in pixels."""
    where = uncertainty(scores).flatten(1).topk(count, 1).indices
    return torch.stack([where % scores.shape[3], where // scores.shape[3]], -1).to(scores.dtype)


def chapters_exchange(maps, ways, target):
    """HRNet's own enlargement: bilinear."""
    return unit_torch(maps, ways, target, wrong="smooth fit")


@pytest.mark.parametrize(
    ("exercise", "code"),
    [
        ("uncertain_points", chapters_points),
        ("uncertain_points", lambda scores, count: uncertainty(scores)),
        ("exchange_unit", chapters_exchange),
        ("boundary_loss", lambda scores, labels, reach, void: edge_loss(scores, labels, reach, void)),
    ],
)
def test_the_code_of_the_package_earns_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


def test_a_finished_reader_is_told():
    result = check("sample_grid", grid_torch, quiet=True)
    assert result.passed and "grid_sample" in result.remarks[0]


def off_by_one_row(maps, ways, target):
    return unit_torch(maps, ways, target).roll(1, 2)


UNPLANNED = [
    ("sample_grid", lambda *a: 2 * grid_torch(*a), "2 times the right one"),
    ("sample_grid", lambda *a: grid_torch(*a)[..., 1:], "the width has 1 too few"),
    ("sample_grid", lambda *a: grid_torch(*a).clamp(min=0), ""),
    ("sample_grid", lambda x, grid, mode, aligned: F.grid_sample(x, grid, "bicubic", mode, aligned), ""),
    ("sample_grid", lambda x, grid, mode, aligned: F.grid_sample(x, grid, "bilinear", "reflection", aligned), ""),
    ("sample_grid", lambda x, grid, mode, aligned: grid_torch(x, grid, mode, aligned) + (mode == "border"),
     'padding_mode is "border", and only then'),
    ("uncertain_points", lambda *a: points_torch(*a) / 2, "0.5 times the right one"),
    ("uncertain_points", lambda *a: points_torch(*a)[:, 1:], ""),
    ("uncertain_points", lambda *a: 1 - points_torch(*a), ""),
    ("uncertain_points", lambda scores, count: points_torch(scores, count).roll(1, 1), ""),
    ("uncertain_points", lambda scores, count: points_torch(-scores, count), ""),
    ("uncertain_points", lambda scores, count: points_torch(scores, count) - 0.5, ""),
    ("exchange_unit", lambda *a: 3 * unit_torch(*a), "3 times the right one"),
    ("exchange_unit", off_by_one_row, ""),
    ("exchange_unit", lambda maps, ways, target: unit_torch(maps, [[-w for w in way] for way in ways], target), ""),
    ("exchange_unit", lambda maps, ways, target: unit_torch(maps, ways, target).clamp(max=1), ""),
    ("exchange_unit", lambda maps, ways, target: unit_torch([m.relu() for m in maps], ways, target), ""),
    ("boundary_loss", lambda *a: 10 * loss_torch(*a), "10 times the right one"),
    ("boundary_loss", lambda scores, *a: loss_torch(scores / 2, *a), ""),
    ("boundary_loss", lambda scores, *a: loss_torch(scores, *a).square(), ""),
    ("boundary_loss", lambda scores, labels, *a: loss_torch(scores, labels.flip(1), *a), ""),
    ("boundary_loss", lambda scores, labels, reach, void: loss_torch(scores, labels, reach, void)
     + 0.1 * (reach > 1), "reach is above 1, and only then"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exercise", "student", "words"), UNPLANNED, ids=[f"{i}-{e}" for i, (e, _, _) in enumerate(UNPLANNED)]
)
def test_an_unknown_mistake_of_chapter_15(exercise, student, words):
    """Rejected, with an example; no mistake of the catalogue is claimed that is not there."""
    result = check(exercise, student, quiet=True)
    told = result.diagnoses[0]
    assert not result.passed and result.score < 1 and words in told.message, result.text()
    assert told.code in ("wrong-values", "wrong-shape", "wrong-type", "wrong-dtype"), result.text()
    assert "should give" in told.example


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "sample_grid",
            lambda x, grid, mode, aligned: grid_torch(x, grid.flip(3), mode, not aligned),
            {"x-y-exchanged", "corners-inverted"},
        ),
        (
            "uncertain_points",
            lambda scores, count: points_torch(scores, count, wrong="scores").flip(2),
            {"scores-for-probabilities", "y-first"},
        ),
        (
            "exchange_unit",
            lambda maps, ways, target: unit_torch(maps, ways, target, wrong="linear")[:1],
            {"relu-between-missing", "first-picture-only"},
        ),
        (
            "boundary_loss",
            lambda scores, labels, reach, void: loss_torch(scores, labels, reach, 255, wrong="square"),
            {"diagonals-counted", "ignore-index-fixed"},
        ),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


@pytest.mark.parametrize(
    ("exercise", "student", "code"),
    [
        ("sample_grid", partial(grid_loops, wrong="clamped"), "border-of-the-grid"),
        ("sample_grid", partial(grid_loops, wrong="cut"), "outside-cut-off"),
        ("uncertain_points", partial(points_torch, wrong="low"), "one-class-by-itself"),
        ("exchange_unit", partial(unit_torch, wrong="linear"), "relu-between-missing"),
        ("exchange_unit", partial(unit_torch, wrong="fit"), "stretched-to-fit"),
        ("boundary_loss", partial(loss_torch, wrong="nan"), "one-kind-is-nan"),
        ("boundary_loss", partial(loss_torch, wrong="255"), "ignore-index-fixed"),
    ],
)
def test_a_small_slip_keeps_most_of_the_marks(exercise, student, code):
    result = check(exercise, student, quiet=True)
    assert result.status == PARTLY and result.score > 0.7 and result.diagnoses[0].code == code, result.text()


def test_lists_and_numpy_will_do():
    assert check("uncertain_points", lambda *a: points_numpy(*a).tolist(), quiet=True).passed


def test_a_loss_without_a_gradient_is_told():
    told = check("boundary_loss", lambda scores, *a: loss_loops(scores.detach(), *a), quiet=True)
    assert not told.passed and "gradient" in told.diagnoses[0].message, told.text()


FALSE_GRADIENTS = {
    "made anew": lambda loss, scores: torch.tensor(loss.item(), requires_grad=True),
    "said to have one": lambda loss, scores: loss.detach().requires_grad_(),
    "added to something new": lambda loss, scores: torch.zeros((), requires_grad=True) + loss.item(),
    "of zeros": lambda loss, scores: loss.detach() + 0 * scores.sum(),
}
HALF_GRADIENTS = {
    "half of it a number": lambda loss, scores: loss / 2 + loss.item() / 2,
    "another's beside it": lambda loss, scores: loss + (scores - scores.detach()).sum(),
}


@pytest.mark.parametrize("name", FALSE_GRADIENTS)
def test_a_gradient_that_does_not_arrive_is_told(name):
    change = FALSE_GRADIENTS[name]
    told = check("boundary_loss", lambda scores, *a: change(loss_loops(scores, *a), scores), quiet=True)
    assert not told.passed and told.diagnoses[0].code == "gradient-lost", told.text()


@pytest.mark.parametrize("name", HALF_GRADIENTS)
def test_a_gradient_of_something_else_is_told(name):
    """Marks for the number, and not for the gradient."""
    change = HALF_GRADIENTS[name]
    told = check("boundary_loss", lambda scores, *a: change(loss_torch(scores, *a), scores), quiet=True)
    assert told.status == PARTLY and told.diagnoses[0].code == "gradient-partly-lost", told.text()
    assert [group for group, passed in told.groups.items() if not passed] == ["gradient"]


def test_a_gradient_is_compared_wherever_the_check_is_called():
    with torch.no_grad():
        assert check("boundary_loss", loss_torch, quiet=True).passed
