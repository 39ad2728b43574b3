"""Assignment 08: the chapter's own code is not the answer, and what nobody planted is still told."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segkit.analysis import cost
from segkit.grading import check
from segkit.grading.assignments import read_notebook, source_path
from segkit.grading.verdict import PARTLY
from segkit.training import Recipe
from tests.grading.mistakes.ch08 import RIGHT

regions_right, ppm_right = RIGHT["spatial_pyramid_pool"]["adaptive pooling"], RIGHT["pyramid_pooling"]["torch"]
fusion_right, poly_right = RIGHT["l2_fusion"]["normalize"], RIGHT["poly_schedule"]["numpy"]


def whole_map(features, regions, stride, bins):
    """The chapter's pooling of a whole map."""
    return torch.cat([F.adaptive_max_pool2d(features[None], b).flatten(1) for b in bins], 1).expand(len(regions), -1)


def whole_batch(x, sizes, bins, weights, align_corners):
    """PSPNet's module, on all of the batch."""
    levels = [
        torch.einsum("rc,nchw->nrhw", m, F.adaptive_avg_pool2d(x, b)).relu() for b, m in zip(bins, weights, strict=True)
    ]
    return torch.cat(
        [x, *(F.interpolate(z, x.shape[2:], mode="bilinear", align_corners=align_corners) for z in levels)], 1
    )


def global_vector(local, context, scale_local, scale_context):
    """ParseNet's: the pooled vector at every place."""
    vector = F.normalize(context.mean((2, 3), keepdim=True)) * scale_context[:, None, None]
    return torch.cat([F.normalize(local) * scale_local[:, None, None], vector.expand(-1, -1, *local.shape[2:])], 1)


def one_recipe(stages, power, warmup, factors):
    """The package's own schedule: one stage, two groups."""
    base, steps = stages[0]
    recipe = Recipe(steps=steps, lr=base, schedule="poly", power=power, warmup=warmup)
    return [[recipe.rate(t)] for t in range(steps)]


@pytest.mark.parametrize(
    ("exercise", "code"),
    [
        ("spatial_pyramid_pool", whole_map),
        ("pyramid_pooling", whole_batch),
        ("l2_fusion", global_vector),
        ("poly_schedule", one_recipe),
    ],
)
def test_the_code_of_the_chapter_earns_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        (
            "spatial_pyramid_pool",
            lambda f, r, s, bins: regions_right(f, r, s, bins) + (len(bins) > 1),
            "fails when there is more than one level, and only then",
        ),
        ("spatial_pyramid_pool", lambda f, r, s, bins: 1.5 * regions_right(f, r, s, bins), "1.5 times the right one"),
        ("spatial_pyramid_pool", lambda f, r, s, bins: regions_right(f, r, s, bins)[:, 1:], "1 too few"),
        (
            "pyramid_pooling",
            lambda x, sizes, bins, weights, a: ppm_right(x, sizes, bins, weights, a) + 0.5 * a,
            "fails when align_corners is True, and only then",
        ),
        ("pyramid_pooling", lambda x, *a: -ppm_right(x, *a), "wrong sign"),
        ("l2_fusion", lambda *a: 3 * fusion_right(*a), "3 times the right one"),
        (
            "l2_fusion",
            lambda local, *a: fusion_right(local, *a) + (len(local) > 1),
            "fails when there is more than one picture in the batch, and only then",
        ),
        ("poly_schedule", lambda *a: poly_right(*a) / 4, "0.25 times the right one"),
        (
            "poly_schedule",
            lambda stages, p, w, f: poly_right(stages, p, w, f) + (w > 0),
            "there is a warm-up, and only",
        ),
    ],
)
def test_an_unknown_mistake_of_chapter_08(exercise, student, words):
    result = check(exercise, student, quiet=True)
    (told,) = result.diagnoses
    assert told.code in ("wrong-values", "wrong-shape") and words in told.message, told
    assert "should give" in told.example and "gave" in told.example


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "spatial_pyramid_pool",
            lambda f, r, s, bins: regions_right(f, r, s, bins[::-1]).clamp(min=0),
            {"levels-reversed", "zeros-in-maximum"},
        ),
        (
            "pyramid_pooling",
            lambda x, sizes, bins, w, a: ppm_right(x, sizes, bins, w[:1].expand_as(w), not a),
            {"weights-of-one-level", "align-corners-inverted"},
        ),
        (
            "l2_fusion",
            lambda local, context, s, t: fusion_right(local, context.mean((2, 3), keepdim=True), 1 / s, 1 / t),
            {"one-context-for-all", "scales-divide"},
        ),
        (
            "poly_schedule",
            lambda stages, p, w, f: poly_right([(stages[0][0], n) for _, n in stages], 1.0, w, f),
            {"first-base-kept", "power-ignored"},
        ),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


def test_a_small_slip_keeps_most_of_the_marks():
    def without_small_regions(features, regions, stride, bins):
        found = [features[:, y0 // stride + 1 : -(-y1 // stride), x0 // stride + 1 : -(-x1 // stride)]
                 for x0, y0, x1, y1 in regions.tolist()]  # fmt: skip
        return torch.stack([torch.cat([F.adaptive_max_pool2d(part, b).flatten() for b in bins]) for part in found])

    result = check("spatial_pyramid_pool", without_small_regions, quiet=True)
    assert result.status == PARTLY and result.score > 0.9 and result.diagnoses[0].code == "empty-region-breaks"


def test_the_experiment_starts_and_has_a_rubric():
    """What the experiment hands out fits the exercise: a map, regions in the picture, and the model solution pools."""
    cells = read_notebook(source_path("ch08"))["cells"]
    text = next(c["source"] for c in cells if c["source"].startswith("## Experiment"))
    assert text.count("\n| a ") + text.count("\n| an ") == 1 + 5, "a head and five points"
    names: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader", {}).get("grade"):
            exec(cell["source"], names)
    regions, picture = names["draw_regions"](50), names["picture"]
    low, high = regions[:, :2], regions[:, 2:]
    assert bool((low >= 0).all() and (high <= torch.tensor([384, 256])).all() and (high - low >= 64).all())
    with torch.no_grad():
        features = names["network"](picture)[0]
    assert features.shape == (128, 8, 12)
    assert names["spatial_pyramid_pool"](features, regions, 32, [3, 2, 1]).shape == (50, 128 * 14)
    assert len(names["seconds"](lambda: None)) == 7
    macs = [cost(names["network"], size).macs for size in ((256, 384), (128, 128))]
    assert macs[0] == 6 * macs[1] == 948_436_992
