"""Each claim of chapter 12 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.course.claims import COURSE, put, recorded, refuted, run

needs = {
    name: pytest.mark.skipif(not (COURSE / "results" / f"{name}.json").is_file(), reason=f"{name} is not recorded yet")
    for name in ("lineage", "realtime_grid", "enet_arguments", "bench_training_cpu", "camvid")
}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The chapter works on one thread; what follows does not have to."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_not_waiting_measures_the_handing_over() -> None:
    words = "the clock was read before the work was done"
    run("12", words)
    refuted("12", words, launch=lambda old: lambda: time.sleep(0.005))  # a device that is done when the call returns


def test_both_dials_are_squared_and_memory_is_not() -> None:
    words = "both about squared"
    run("12", words)
    refuted("12", words, powers=lambda old: {n: {**p, ("channels", "macs"): 1.0} for n, p in old.items()})
    refuted("12", words, powers=lambda old: {n: {**p, ("channels", "activations"): 2.0} for n, p in old.items()})


def at_once(old: Any) -> Any:
    """A stopwatch that runs nothing: what it says is replaced."""
    return lambda runs, rounds, **how: {name: [1.0] for name in runs}


def as_its_maps(old: dict[Any, float]) -> dict[Any, float]:
    """Times that follow the bytes of the maps: four times for twice the side, twice for twice the channels."""
    return {(name, side, width): side * side * width * 1e-6 for name, side, width in old}


def test_equal_counts_take_equal_time() -> None:
    words = "less than the bytes alone would say"
    run("12", words, timed=at_once, taken=lambda old: {(n, s, w): s * s * w * w * 1e-6 for n, s, w in old})
    refuted("12", words, timed=at_once, taken=as_its_maps)


def test_enet_is_light() -> None:
    words = "a network of 0.36 M parameters"
    run("12", words)
    refuted("12", words, EIGHT=lambda old: old[:7])
    refuted("12", words, create=lambda old: lambda name, *sizes, **options: old("enet", *sizes))


@needs["enet_arguments"]
def test_early_downsampling_costs_accuracy() -> None:
    words = "halving early costs accuracy"
    run("12", words)
    refuted("12", words, results=recorded(enet_arguments=put("late downsampling", "as released")))
    refuted("12", "so does going one step coarser", results=recorded(enet_arguments=put("stride 16", "as released")))


def unmoved(found: dict[str, Any]) -> None:
    """Every slope where it began."""
    slopes = found["extra"]["slopes"]
    found["extra"]["slopes"] = {name: [[0.25, 0.25, 0.25] for _ in rows] for name, rows in slopes.items()}


@needs["enet_arguments"]
def test_slopes_learn() -> None:
    words = "the slopes have learned something"
    run("12", words)
    refuted("12", words, results=recorded(enet_arguments=unmoved))


def test_the_cascade_saves_more_than_narrow_layers() -> None:
    words = "the cascade saves more than the narrow layers do"
    run("12", words)
    refuted("12", words, bills=lambda old: {**old, "ICNet": old["PSPNet, half as wide"]})
    refuted("12", words, peak=lambda old: {**old, "ICNet": old["PSPNet"]})


def test_rtsegs_counts() -> None:
    words = '["ShuffleNet"] - 2.0'
    run("12", words)
    refuted("12", words, create=lambda old: lambda name, *sizes, **options: old(name, *sizes))
    refuted("12", words, counted=lambda old: {**old, "SegNet": old["ENet"]})


@needs["realtime_grid"]
@pytest.mark.parametrize(
    ("target", "source"), [("ShuffleNet, U-Net", "MobileNet, U-Net"), ("ResNet-18, U-Net", "ResNet-18, skip")]
)
def test_which_encoder_and_which_decoder(target: str, source: str) -> None:
    words = "which encoder, and which decoder"
    run("12", words)
    refuted("12", words, results=recorded(realtime_grid=put(target, source)))


@needs["realtime_grid"]
def test_no_network_wins_on_every_axis() -> None:
    words = "accuracy has its price"
    run("12", words)
    refuted("12", words, mean_iou=lambda old: dict.fromkeys(old, 0.5))
    refuted("12", words, COSTS=lambda old: {k: {n: 0.1 if n == "U-Net" else 1.0 for n in v} for k, v in old.items()})


@needs["realtime_grid"]
def test_a_ranking_that_one_can_rely_on() -> None:
    words = "a race that repeats"
    run("12", words)
    refuted("12", words, halfway=lambda old: dict(zip(old, reversed(old.values()), strict=True)))
    refuted("12", words, by_seed=lambda old: [dict(zip(old[0], reversed(old[0].values()), strict=True)), *old[1:]])


@needs["camvid"]
@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("DeepLab v3+", "U-Net"),
        ("DeepLab v3+", "smp DeepLabV3Plus, MobileNet v2"),
        ("DeepLab v3+", "torchvision LR-ASPP, MobileNet v3"),
        ("DeepLab v3+, scales and flips", "DeepLab v3+"),
    ],
)
def test_real_streets_have_another_winner(target: str, source: str) -> None:
    words = "ahead after the same minutes"
    run("12", words)
    refuted("12", words, results=recorded(camvid=put(target, source)))


def twice_as_slow(found: dict[str, Any]) -> None:
    """Every network of ours takes twice as long as it did."""
    for row in found["runs"]:
        if " like " in row["arm"]:
            row["scores"]["ratio"] = [2 * value for value in row["scores"]["ratio"]]


@needs["bench_training_cpu"]
@pytest.mark.parametrize("name", ["bench_cpu", "bench_training_cpu"])
def test_as_fast_as_other_libraries(name: str) -> None:
    words = "as fast as other libraries"
    run("12", words)
    refuted("12", words, results=recorded(**{name: twice_as_slow}))
