"""A number added to a divisor is told as such, whatever its size, and loss of precision only where there is some."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segkit.grading import check
from segkit.grading.exercise import find
from segkit.grading.exercises.pyramid_pooling_ways import pyramid
from segkit.grading.exercises.stitch_tiles import stitched


def tiles(epsilon):
    return lambda *args: stitched(*args, finish=lambda total, weight, count: total / (weight + epsilon))


def fused(epsilon):
    return lambda *args: find("l2_fusion").reference(*args, unit=lambda x: x / (x.norm(dim=1, keepdim=True) + epsilon))


def pooled(epsilon):
    def pool(part, b):
        count = F.adaptive_avg_pool2d(torch.ones_like(part), b)
        cells = part[0, 0].numel() / b**2
        return F.adaptive_avg_pool2d(part, b) * cells / (count * cells + epsilon)

    return lambda *args: pyramid(*args, pool=pool)


def entropy(epsilon):
    def mean(scores, target, weight, ignore_index):
        valid = target != ignore_index
        shares = (torch.ones(scores.shape[1]).to(scores) if weight is None else weight)[target[valid]]
        losses = F.cross_entropy(scores, target, weight, ignore_index=ignore_index, reduction="none")[valid]
        return losses.sum() / (shares.sum() + epsilon) if shares.sum() > 0 else scores.sum() * 0

    return mean


@pytest.mark.parametrize(
    ("exercise", "student", "sizes"),
    [
        ("stitch_tiles", tiles, (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
        ("l2_fusion", fused, (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
        ("pyramid_pooling", pooled, (1e-5, 1e-4, 1e-3, 1e-2)),
        ("cross_entropy_with_void", entropy, (1e-3, 1e-2)),
        ("pixel_accuracy", lambda e: lambda m: m.diag().sum() / (m.sum() + e), (1e-2, 1e-1)),
    ],
)
def test_a_number_added_to_a_divisor(exercise, student, sizes):
    for epsilon in sizes:
        result = check(exercise, student(epsilon), quiet=True)
        assert [d.code for d in result.diagnoses] == ["epsilon-too-large"], f"{epsilon}: {result.text()}"
        assert not result.passed and result.diagnoses[0].example
    assert check(exercise, student(1e-12), quiet=True).passed, "one that no digit shows"


def test_one_added_above_and_below_the_fraction_line():
    def student(m):
        return (2 * m.diag() + 0.01) / (m.sum(0) + m.sum(1) + 0.01)

    (told,) = check("dice", student, quiet=True).diagnoses
    assert told.code == "epsilon-too-large" and "moves results towards 1" in told.message


def test_float32_on_the_way_is_no_number_added():
    """Rounding goes both ways; a factor that is rounded once goes one way, and no farther than float32 rounds."""

    def once(tiles, corners, window, size):
        return stitched(tiles, corners, window, size) * (torch.tensor(0.9, dtype=torch.float32).item() / 0.9)

    for student in (lambda t, c, w, s: stitched(t.float(), c, w.float(), s).to(t.dtype), once):
        (told,) = check("stitch_tiles", student, quiet=True).diagnoses
        assert told.code == "precision-lost" and "As a rule something on the way is float32" in told.message


def test_what_is_farther_off_than_float32_is_not_told_as_float32():
    def student(*args):
        right = stitched(*args)
        return right + 5e-5 * torch.where(torch.arange(right.shape[-1]) % 2 == 0, 1.0, -1.0).to(right) * (right != 0)

    (told,) = check("stitch_tiles", student, quiet=True).diagnoses
    assert told.code == "inexact" and "more than rounding does, even in float32" in told.message


def test_one_region_too_small_is_no_number_added():
    (told, *_) = check("stitch_tiles", lambda *a: stitched(*a) * 0.99 - 0.003, quiet=True).diagnoses
    assert told.code == "wrong-values"


@pytest.mark.parametrize("code", ["esp_block", "refine"])
def test_where_an_epsilon_belongs_it_is_not_called_needless(code):
    """The BatchNorm of the exercise adds a number to its variance; a larger one is another number, not one too many."""
    right = find(code).reference

    def more(*args):
        return right(
            *(grown(arg) if isinstance(arg, list) and len(arg) == 4 and arg[1].ndim == 1 else arg for arg in args)
        )

    def grown(norm):
        return [norm[0], norm[1] + 3e-3, *norm[2:]]

    told = check(code, more, quiet=True).diagnoses
    assert not any("Only a divisor of 0" in one.message for one in told), told
