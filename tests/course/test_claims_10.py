"""Each claim of chapter 10 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tests.course.claims import Change, put, recorded, refuted, run


def encoders(changed: str, **settings: Any) -> Change:
    """The chapter's `encoders`, of which one is made with other settings."""

    def change(old: Any) -> Any:
        def create(name: str, **options: Any) -> Any:
            return old.create(name, **{**options, **(settings if name == changed else {})})

        def mobilenet_v2() -> Any:
            return old.MobileNetV2(**(settings if changed == "mobilenet_v2" else {}))

        return SimpleNamespace(create=create, MobileNetV2=mobilenet_v2)

    return change


def test_trained_kernels_are_a_little_closer_to_rank_one_than_chance() -> None:
    words = "a little closer to a column times a row than chance"
    run("10", words)
    for kernels in (torch.randn(500, 3, 1) * torch.randn(500, 1, 3), torch.eye(3).repeat(500, 1, 1)):
        share = (torch.linalg.svdvals(kernels)[:, 0] / torch.linalg.matrix_norm(kernels)) ** 2
        refuted("10", words, trained=lambda old, share=share: {**old, "lineage_fcn8s": share})


def test_layers_have_more_structure_than_chance() -> None:
    words = "enough for equal cost"
    scores = {2: 0.56, 1: 0.55, 0.75: 0.54, 0.5: 0.37, 0.25: 0.20}

    def rough(old: Any) -> Any:
        def load(path: str) -> Any:
            torch.manual_seed(0)
            network = old(path)
            for module in network.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.normal_(module.weight)
            return network

        return load

    run("10", words, after=lambda old: scores)
    refuted("10", words, after=lambda old: {**scores, 0.25: 0.45})
    refuted("10", words, after=lambda old: {**scores, 1: 0.42})
    refuted("10", words, after=lambda old: scores, load=rough)


def test_two_small_kernels_save_what_the_paper_says() -> None:
    words = "[0.28, 0.33, 0.71]"
    run("10", words)
    refuted("10", words, AsymmetricConv2d=lambda old: lambda C, O, k, padding: nn.Conv2d(C, O, k, padding=padding))


def test_the_summarys_sum() -> None:
    words = "one == 1_228_800"
    run("10", words)
    refuted("10", words, SeparableConv2d=lambda old: lambda C, O, k, bias: nn.Conv2d(C, O, k, bias=bias))


def test_eight_to_nine_times_less() -> None:
    words = "for all but the narrowest of its layers"
    run("10", words)
    whole = lambda old: lambda C, O, k, padding, bias: nn.Conv2d(C, O, k, padding=padding, bias=bias)  # noqa: E731
    refuted("10", words, SeparableConv2d=whole)


def test_counts_of_mobilenet_v1() -> None:
    words = "4_231_976"
    run("10", words)
    refuted("10", words, encoders=encoders("mobilenet_v1", separable=False))


def test_what_is_left_is_mixing() -> None:
    words = "== 94.86"
    run("10", words)
    refuted("10", words, kind_of=lambda old: lambda layer: old(layer).replace("each channel alone", "1×1"))


def test_a_shuffle_lets_groups_meet() -> None:
    words = "mixed == 1"
    run("10", words)
    refuted("10", words, shuffle=lambda old: lambda x, groups: x)
    refuted("10", words, two_layers=lambda old: lambda between, channels, groups: old(between, channels, 1))


def test_a_relu_needs_room() -> None:
    words = "abs(share - rule) < 0.05"
    run("10", words)
    refuted("10", words, relu=lambda old: lambda x: x)
    refuted("10", words, relu=lambda old: lambda x: x.clamp(min=0.3))


def test_counts_of_mobilenet_v2_and_shufflenet() -> None:
    words = "3_504_872"
    run("10", words)
    refuted("10", words, encoders=encoders("shufflenet", groups=1))
    refuted("10", words, encoders=encoders("mobilenet_v2", width=48))


@pytest.mark.parametrize("sums", ["", ", no sums"])
def test_a_relu_at_the_narrow_end_costs(sums: str) -> None:
    words = "a ReLU at the narrow end costs accuracy"
    run("10", words)
    refuted("10", words, results=recorded(cheap_steps=put(f"linear narrow end{sums}", f"ReLU narrow end{sums}")))


def test_a_relu_between_the_steps_costs() -> None:
    words = "a ReLU between the steps costs accuracy"
    run("10", words)
    refuted("10", words, results=recorded(cheap_steps=put("norm between", "norm and ReLU between")))


def test_the_relu_decides_what_separable_is_worth() -> None:
    words = "the ReLU decides what separable is worth"
    run("10", words)
    plain = "plain, width 6"
    refuted("10", words, results=recorded(cheap_blocks=put("no ReLU between, width 16", plain)))
    refuted("10", words, results=recorded(cheap_blocks=put("separable, width 16", plain)))


def test_xception_is_separable_and_not_cheap() -> None:
    words = "separable, and yet not cheaper"
    run("10", words)
    refuted("10", words, encoders=encoders("xception", between="norm"))
    refuted("10", words, counted=lambda old: lambda network, side: (old(network, side)[0], 5000.0))


def test_multiply_adds_do_not_set_the_pace() -> None:
    words = "multiply-adds do not set the pace"
    run("10", words)

    def by_arithmetic(old: Any) -> Any:
        def seconds(calls: dict[str, Any]) -> dict[str, float]:
            work = {"3×3": 576.0, "3×3 in 4 groups": 144.0, "1×1": 64.0, "3×3, each channel alone": 9.0}
            return {name: 1e-6 * work.get(name, 1.0) for name in calls}

        return seconds

    refuted("10", words, seconds=by_arithmetic)


@pytest.mark.parametrize("kind", ["1×1", "3×3"])
def test_a_depthwise_step_is_slower_than_its_arithmetic(kind: str) -> None:
    refuted("10", "multiply-adds do not set the pace", LAYERS=lambda old: {**old, "3×3, each channel alone": old[kind]})
