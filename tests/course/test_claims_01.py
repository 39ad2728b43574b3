"""Each claim of chapter 01 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import torch

from segkit.data import StreetScenes
from tests.course.claims import refuted, run

SILENT, AVERAGES, EDGES, READINGS = "silent.update", "equal_votes", "BoundaryIoU(K)", "smp macro"


def test_a_silent_predictor_scores_high() -> None:
    names = run("01", SILENT)
    assert names["silent"].pixel_accuracy() > 0.85


def test_not_where_all_classes_are_equally_common() -> None:
    refuted("01", SILENT, as_objects=lambda old: lambda labels: torch.arange(labels.numel()).view_as(labels) % 5)


def test_not_where_the_predictor_finds_the_objects() -> None:
    refuted("01", SILENT, background_only=lambda old: lambda target: target.clone())


def test_mean_over_pictures_differs_from_data_set() -> None:
    names = run("01", AVERAGES)
    assert names["per_picture"] < names["over_data_set"]


def test_not_where_all_pictures_are_alike() -> None:
    refuted("01", AVERAGES, truths=lambda old: [old[0]] * len(old))


def test_not_without_small_denominators() -> None:
    """Every class equally large in every picture that has it, and equally hard: only absence is left."""

    def even(old: list[torch.Tensor]) -> list[torch.Tensor]:
        stripes = torch.arange(96)[:, None].expand(96, 128) // 24 * 3  # four classes in stripes
        return [(stripes + i % 3) % 12 for i in range(len(old))]

    refuted("01", AVERAGES, truths=even, blocky=lambda old: lambda labels, s: labels.roll(5, -2))


def test_boundary_iou_sees_what_iou_hides() -> None:
    names = run("01", EDGES)
    assert names["bad_edge"] < names["good_edge"]


def test_not_on_a_small_object() -> None:
    refuted("01", EDGES, RADIUS=lambda old: 6)


def test_not_when_the_disc_has_a_good_edge() -> None:
    refuted("01", EDGES, dilate=lambda old: lambda mask, d: mask.clone())


def test_not_when_the_ring_is_as_wide_as_the_object() -> None:
    """Boundary IoU is then plain IoU."""
    refuted("01", EDGES, D=lambda old: 70)


def test_not_where_the_street_is_right_at_its_edges() -> None:
    """Errors inside the large classes in place of errors at their edges."""

    def spotted(labels: torch.Tensor, s: int) -> torch.Tensor:
        inside = torch.nn.functional.avg_pool2d((labels == 3).float()[None], 13, 1, 6)[0] > 0.99
        return torch.where(inside & (torch.arange(labels.shape[-1]) % 2 == 0), 4, labels)

    refuted("01", EDGES, blocky=lambda old: spotted)


def test_readings_of_mean_iou_differ() -> None:
    names = run("01", READINGS)
    assert names["missing"] == ["bus"]


def test_not_where_every_class_occurs() -> None:
    def with_bus(old: list[int]) -> list[int]:
        scenes = StreetScenes(split="test", size=(96, 128))
        return [i for i in range(60) if (scenes[i].labels == 11).any()][: len(old)]

    refuted("01", READINGS, no_bus=with_bus)


def test_not_without_void() -> None:
    refuted("01", READINGS, bordered=lambda old: StreetScenes(split="test", size=(96, 128)))


def test_not_where_nothing_is_predicted_on_void() -> None:
    refuted(
        "01",
        READINGS,
        figures=lambda old: {**old, "void as false positive": old["data set"]},
    )
