"""The benchmark of the CRF runs, and writes what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import bench_crf


def test_it_runs_and_writes_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "crf.json"
    found = bench_crf.main(["--size", "30,40,3", "--size", "20,20,2", "--repeats", "1", "--json", str(file)])
    written = json.loads(file.read_text(encoding="utf-8"))
    assert [row["size"] for row in written["sizes"]] == [[30, 40, 3], [20, 20, 2]]
    assert all(row["five steps, ms"] != 0 and row["lattice of colours, ms"] > 0 for row in written["sizes"])
    assert {"splat", "slice", "distinct simplices (sort)"} <= {row["step"] for row in written["steps"]}
    assert all(row["MB"] > 0 for row in written["steps"]) and len(found["steps"]) == 12
    assert "× its floor" in capsys.readouterr().out


def test_peak_memory_is_that_of_a_process(capsys: pytest.CaptureFixture[str]) -> None:
    found = bench_crf.main(["--size", "64,64,2", "--memory"])
    assert found["sizes"][0]["peak, MiB"] > 50
    assert "MiB" in capsys.readouterr().out
