"""Each claim of chapter 11 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.course.claims import COURSE, put, recorded, refuted, run

needs = {
    name: pytest.mark.skipif(not (COURSE / "results" / f"{name}.json").is_file(), reason=f"{name} is not recorded yet")
    for name in ("v3plus_decoder", "v3plus_dial", "lineage")
}


def as_plain(old: dict[Any, Any]) -> dict[Any, Any]:
    """What was found of the separable network is what was found of the plain one."""
    return {(name, s): old["v3+, plain" if "separable" in name else name, s] for name, s in old}


def test_separable_costs_less_than_no_decoder() -> None:
    words = "of pyramid and decoder, not a fifth is left"
    run("11", words)
    refuted("11", words, spent=as_plain)
    refuted("11", words, nets=as_plain)


def test_padding_explains_the_published_counts() -> None:
    words = "PUBLISHED"
    run("11", words)
    refuted("11", words, padded=lambda old: lambda net, found, cells: found.macs / 1e9)
    refuted("11", words, padded=lambda old: lambda net, found, cells: old(net, found, cells + 12))


def test_no_count_tells_the_variants_apart() -> None:
    words = "39_916_312"
    run("11", words)
    refuted("11", words, on_meta=lambda old: lambda **options: old())
    refuted("11", words, apart=lambda old: 0 * old)


@needs["v3plus_decoder"]
@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("16 low-level channels", "0 low-level channels"),
        ("0 low-level channels", "16 low-level channels"),
    ],
)
def test_the_map_does_it_not_the_layers(target: str, source: str) -> None:
    words = "the layers without the map"
    run("11", words)
    refuted("11", words, results=recorded(v3plus_decoder=put(target, source)))


@needs["v3plus_decoder"]
@pytest.mark.parametrize("source", ["separable decoder", "48 low-level channels"])
def test_a_separable_pyramid_is_free(source: str) -> None:
    words = "within a point of a plain pyramid"
    run("11", words)
    refuted("11", words, results=recorded(v3plus_decoder=put("separable pyramid", source)))


@needs["v3plus_dial"]
def test_a_decoder_makes_a_coarse_map_bearable() -> None:
    words = "a decoder makes a coarse map bearable"
    run("11", words)
    refuted("11", words, results=recorded(v3plus_dial=put("v3 at 32", "v3 at 16")))


@needs["lineage"]
@pytest.mark.parametrize(
    ("target", "source"),
    [("FCN-16s", "FCN-32s"), ("FCN-8s", "FCN-16s"), ("DeepLab v3+", "DeepLab v3")],
)
def test_steps_of_the_lineage(target: str, source: str) -> None:
    words = "STEPS"
    run("11", words)
    refuted("11", words, results=recorded(lineage=put(target, source)))


@needs["lineage"]
@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("U-Net", "U-Net, a cell for 4×4 pixels"), ("U-Net, width 5", "DeepLab v3+"), ("U-Net on VGG", "SegNet"),
        ("DeepLab v3, stride 8", "DeepLab v3"), ("DeepLab v1 + CRF", "DeepLab v1"),
    ],
)  # fmt: skip
def test_why_the_order_does_not_hold(target: str, source: str) -> None:
    words = "QUESTIONS"
    run("11", words)
    refuted("11", words, results=recorded(lineage=put(target, source)))
