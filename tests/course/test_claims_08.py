"""Each claim of chapter 08 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import pytest

from tests.course.claims import put, recorded, refuted, run


def test_the_papers_windows_are_too_many() -> None:
    words = "nine where six were asked for"
    run("08", words)
    refuted("08", words, paper_windows=lambda old: lambda a, n: [(u * a // n, -(-(u + 1) * a // n)) for u in range(n)])
    refuted("08", words, bounds=lambda old: lambda a, n: [(s, e) for s, e in old(a, n)][: max(1, n - 1)])


def test_several_sizes_help_sizes_that_were_not_seen() -> None:
    words = "unseen sizes gain when several were trained on"
    run("08", words)
    refuted("08", words, results=recorded(spp_sizes=put("pyramid, 40 48 56", "pyramid, 48")))


def test_regions_share_the_convolutions() -> None:
    words = "the fully connected layers are not shared"
    run("08", words)

    def no_sharing(cost):
        return lambda net, shape: type("Cost", (), {"macs": 10 * cost(net, shape).macs * (shape[2] == 688) or 1})

    refuted("08", words, cost=no_sharing)


@pytest.mark.parametrize("other", ["not pooled", "bins 1 1 1 1"])
def test_regions_are_worth_more_than_one_vector(other: str) -> None:
    words = "regions are worth more, in every comparison"
    run("08", words)
    refuted("08", words, results=recorded(pyramid_pooling=put("bins 1 2 3 6", other)))


def test_place_is_not_all() -> None:
    words = "regions are worth more, in every comparison"
    refuted("08", words, results=recorded(pyramid_pooling=put("bins 1 2 3 6, places", "not pooled, places")))


def test_counts() -> None:
    run("08", "46_716_373")
    refuted("08", "46_716_373", parameters=lambda old: lambda name, **options: old(name, **{**options, "aux": True}))
    run("08", "20_505_429")
    refuted("08", "20_505_429", parameters=lambda old: lambda name, **options: old(name, **{**options, "rates": (12,)}))


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("global", "local feature twice"),
        ("global / 100, L2 norm", "global / 100"),
        ("global / 100", "global"),
        ("global / 100, L2 norm", "local feature twice, L2 norm"),
    ],
)
def test_the_norm_lets_the_global_feature_be_heard(target: str, source: str) -> None:
    words = "the norm lets the global feature be heard"
    run("08", words)
    refuted("08", words, results=recorded(parsenet=put(target, source)))


def test_four_rates_beat_one_four_times() -> None:
    words = "four rates beat each rate four times"
    run("08", words)
    for single in ("1 1 1 1", "2 2 2 2", "3 3 3 3", "4 4 4 4"):
        refuted("08", words, results=recorded(aspp_rates=put("1 2 3 4", single)))
