"""The benchmarks of the operators and of compiling run, and count what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import bench_compile, bench_ops
from tests.benchmarks.bench_ops import Layer, geometric_mean, multiply_adds


def test_it_runs_and_writes_every_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    means = bench_ops.main(["--tiny", "--threads", "1", "--json", str(tmp_path / "ops.json")])
    written = json.loads((tmp_path / "ops.json").read_text(encoding="utf-8"))
    rows = written["layers"]
    out = capsys.readouterr().out
    assert written["geometric_means"] == means and list(means) == list(bench_ops.GROUPS)
    for group, mean in means.items():
        ratios = [r["ratio"] for r in rows if r["group"] == group]
        assert mean == geometric_mean(ratios) > 0
        assert (
            f"{group}, {len(ratios)} layers: geometric mean of the ratios {mean:.2f}, largest {max(ratios):.2f}" in out
        )
    operators = {r["layer"]["operator"] for r in rows if r["group"] == "networks"}
    assert operators == {"conv2d", "conv_transpose2d", "max_pool2d", "adaptive_avg_pool2d", "interpolate"}
    cheap = {"MobNetV1", "MobNetV2", "Xcept.65", "any rate", "ShuffleNt"}
    assert {r["layer"]["network"] for r in rows} == {"VGG16", "ResNet-50", "ASPP", "dilated", "pyramid", *cheap}


def test_one_group_is_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    means = bench_ops.main(["--tiny", "--threads", "1", "--groups", "pyramids"])
    assert list(means) == ["pyramids"] and "spatial_pyramid_pool" in capsys.readouterr().out


def test_the_layers_are_those_of_the_networks() -> None:
    """Distinct convolutions of VGG16's thirteen, and of ResNet-50's 53."""
    layers: dict[Layer, None] = {}
    bench_ops.vgg16(layers, 8, (96, 128), 64, 12)
    kernels = [layer.weight for layer in layers if layer.operator == "conv2d" and layer.weight and layer.weight[2] == 3]
    assert len(kernels) == 9 and kernels[0] == (64, 3, 3, 3) and kernels[-1] == (512, 512, 3, 3)
    layers = {}
    bench_ops.resnet50(layers, 8, (96, 128), 64, 12)
    convolutions = [layer for layer in layers if layer.operator == "conv2d"]
    assert len(convolutions) == 24 and len(layers) == len(set(layers))


def test_multiply_adds_of_a_layer_by_hand() -> None:
    conv = Layer("", "conv2d", (2, 3, 5, 7), (4, 3, 3, 3), (("stride", 2), ("padding", 1)))
    assert multiply_adds(conv) == 2 * (3 * 4) * 4 * 3 * 9
    dilated = Layer("", "conv2d", (2, 3, 9, 7), (4, 3, 3, 3), (("padding", 2), ("dilation", 3)))
    assert multiply_adds(dilated) == 2 * (7 * 5) * 4 * 3 * 9
    depthwise = Layer("", "conv2d", (2, 6, 5, 7), (6, 1, 3, 3), (("stride", 2), ("padding", 1), ("groups", 6)))
    assert multiply_adds(depthwise) == 2 * (3 * 4) * 6 * 9
    transposed = Layer("", "conv_transpose2d", (2, 3, 5, 7), (3, 4, 4, 4), (("stride", 2), ("padding", 1)))
    assert multiply_adds(transposed) == 2 * (5 * 7) * 3 * 4 * 16


def test_training_steps_are_timed_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--eager", "--width", "2", "--size", "2,32,48", "--rounds", "3", "--threads", "1"]
    answer = bench_compile.main([*small, "--json", str(tmp_path / "compile.json")])
    written = json.loads((tmp_path / "compile.json").read_text(encoding="utf-8"))
    assert written["ratios"] == answer["ratios"] == {"segkit eager": [1, 1, 1]}
    assert len(written["seconds"]["segkit eager"]) == 3 and written["provenance"]["versions"]["torch"]
    out = capsys.readouterr().out
    assert "ours is measured alone" in out and f"{answer['parameters']['segkit']:,}" in out


def test_ratios_are_taken_within_a_round() -> None:
    times = {"a": [1.0, 10.0, 2.0], "b": [2.0, 30.0, 2.0]}
    assert bench_compile.ratios(times, "a") == {"a": (1, 1, 1), "b": (1.5, 2, 2.5)}
