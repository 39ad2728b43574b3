"""The benchmark of large pictures runs, and says what it measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import bench_inference


def test_time_and_memory_are_those_of_a_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "inference.json"
    words = ["--network", "lineage_deeplab_v1", "--size", "70,90", "--tile", "64", "--overlap", "16", "--whole"]
    found = bench_inference.main([*words, "--json", str(file)])
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert rows == found["rows"] and [row["tile"] for row in rows] == [64, 0]
    assert all(row["seconds"] > 0 and row["peak, MiB"] > 50 for row in rows)
    assert "peak, MiB" in capsys.readouterr().out
    assert bench_inference.network("unet:21").num_classes == 21


def test_seams_are_measured_for_each_overlap(capsys: pytest.CaptureFixture[str]) -> None:
    rows = bench_inference.main(["--seams", "--network", "lineage_deeplab_v1", "--size", "96,400"])["rows"]
    assert [row["overlap"] for row in rows] == list(bench_inference.OVERLAPS)
    assert rows[0]["all"] > rows[-1]["all"] and rows[0]["0–8"] > 0
    assert "overlap 192" in capsys.readouterr().out
