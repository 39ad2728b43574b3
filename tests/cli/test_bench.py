"""`segkit bench`: what a row holds, what is measured twice (nothing), what fails alone, and what is refused."""

import importlib
import json
import sys
import types

import pytest
import torch
from PIL import Image
from torch import nn

from segkit.analysis import cost, peak_bytes
from segkit.cli import bench, bench_entrants, bench_measure, main
from segkit.cli.bench_entrants import PAIRS, Pair
from segkit.data import create as create_data
from segkit.metrics import BoundaryIoU
from segkit.models import create, save
from segkit.training import evaluate
from tests.course.evidence import Result, form

TINY = ["--size", "32", "48", "--width", "2", "--repeats", "2", "--device", "cpu", "--threads", "1"]
ROW = "{}, 32×48, batch 1, cpu, 1 thread"


def of(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def measured(monkeypatch):
    """Names of the networks that are measured, group by group."""
    groups, measure = [], bench_measure.measure

    def counted(group, s):
        groups.append([e.name for e in group])
        return measure(group, s)

    monkeypatch.setattr(bench, "measure", counted)
    return groups


@pytest.fixture
def library(monkeypatch):
    """Another library, with a network like our rtseg."""

    class Theirs(nn.Module):
        def __init__(self, classes, bias):
            super().__init__()
            self.score = nn.Conv2d(3, classes, 3, padding=1, bias=bias)

        def forward(self, x):
            return {"out": self.score(x)}

    module = types.ModuleType("peerlib")
    module.Net = Theirs
    monkeypatch.setitem(sys.modules, "peerlib", module)
    options = {"width": 2, "encoder": "mobilenet_v1"}
    monkeypatch.setattr(
        bench_entrants, "PAIRS", (Pair("rtseg", options, "peerlib", "Net", {"bias": False}, "classes"),)
    )
    return module


def test_a_row_holds_counts_times_and_where_they_are_from(tmp_path, capsys):
    out = tmp_path / "new" / "b.json"
    assert main(["bench", "rtseg", "enet", *TINY, "--batch", "2", "--out", str(out)]) == 0
    text, found = capsys.readouterr().out, of(out)
    assert form(found) == [] and found["experiment"] == "bench" and set(found["provenance"]) >= {"commit", "versions"}
    for name, options in (("rtseg", {"width": 2}), ("enet", {"width": 2})):
        row = f"{name}, 32×48, batch 2, cpu, 1 thread"
        model, scores = create(name, 13, **options).eval(), Result(found)
        counted = cost(model, (32, 48))
        assert found["arms"][row]["model"] == {"name": name, **options}
        assert found["arms"][row]["recipe"]["compiled"] is False and found["arms"][row]["recipe"]["repeats"] == 2
        assert scores.mean(row, "parameters") == counted.parameters and scores.mean(row, "macs") == counted.macs
        assert scores.mean(row, "peak_bytes") == peak_bytes(model, (32, 48), 2) and scores.mean(row, "times") == 2
        low, middle, high = (scores.by_seed(row, key)[0] for key in ("ms_low", "ms", "ms_high"))
        assert 0 < low <= middle <= high
        assert scores.by_seed(row, "pictures_per_second")[0] == pytest.approx(2000 / middle)
    lines = text.splitlines()
    assert lines[2].startswith("rtseg") and lines[3].startswith("enet") and "mIoU" not in text
    assert max(map(len, lines)) <= 110 and "2×3×32×48 on cpu, 1 thread(s)" in text


def test_what_is_in_the_file_is_not_measured_again(tmp_path, capsys, measured):
    out = tmp_path / "b.json"
    command = ["bench", "rtseg", *TINY, "--out", str(out)]
    assert main(command) == main(command) == 0 and measured == [["rtseg"]]
    first = of(out)["runs"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("rtseg")]
    assert len(lines) == 2 and lines[0] == lines[1], "the same row, from the file"
    assert main(["bench", "enet", "rtseg", *TINY, "--out", str(out)]) == 0 and measured == [["rtseg"], ["enet"]]
    assert main([*command, "--batch", "3"]) == 0 and measured[2:] == [["rtseg"]], "another batch is another row"
    assert of(out)["runs"][:1] == first and len(of(out)["runs"]) == 3 and form(of(out)) == []


def test_rows_of_other_settings_or_machines_are_never_mixed(tmp_path, capsys, measured):
    out = tmp_path / "b.json"
    command = ["bench", "rtseg", *TINY, "--out", str(out)]
    assert main(command) == 0
    before = out.read_bytes()
    assert main([*command, "--repeats", "3"]) == 1
    assert "recipe.repeats 2 → 3 (before → now); name another file" in capsys.readouterr().err
    assert main([*command, "--width", "3"]) == 1 and "model.width 2 → 3" in capsys.readouterr().err
    assert out.read_bytes() == before and len(measured) == 1
    for key, value in (("processor", "abacus"), ("versions", {"torch": "0.1"}), ("code", "0000")):
        other = of(out)
        other["extra"]["machine"][key] = value
        (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
        assert main([*command[:-1], str(tmp_path / "other.json")]) == 1
        assert "was measured elsewhere: " + key in capsys.readouterr().err
    other["experiment"] = "lineage"
    (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
    assert main([*command[:-1], str(tmp_path / "other.json")]) == 1
    assert "holds results of something else" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "reason"), [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nand so on"), "out of memory"),
    (AssertionError("expected size 13==13, stride 1==768 at dim=1"), "expected size 13==13, stride 1==768 at dim=1"),
])  # fmt: skip
def test_a_network_that_fails_becomes_its_reason_and_the_others_go_on(
    error, reason, tmp_path, capsys, measured, monkeypatch
):
    def failing(model, *words):
        if type(model).__name__ == "ENet":
            raise error
        return cost(model, *words)

    out = tmp_path / "b.json"
    command = ["bench", "enet", "rtseg", *TINY, "--out", str(out)]
    monkeypatch.setattr(bench_measure, "cost", failing)
    assert main(command) == 0
    assert f"not measured: enet: {reason}" in capsys.readouterr().out
    found = of(out)
    assert found["extra"]["failed"] == {ROW.format("enet"): reason} and list(found["arms"]) == [ROW.format("rtseg")]
    assert main(["bench", "enet", *TINY]) == 1, "nothing at all was measured"
    monkeypatch.setattr(bench_measure, "cost", cost)
    assert main(command) == 0 and measured[-1] == ["enet"] and of(out)["extra"]["failed"] == {}
    assert form(of(out)) == []


def test_ctrl_c_keeps_what_is_done(tmp_path, capsys, monkeypatch, measured):
    out, counted = tmp_path / "b.json", bench.measure

    def interrupted(group, s):
        if group[0].name == "enet":
            raise KeyboardInterrupt
        return counted(group, s)

    command = ["bench", "rtseg", "enet", *TINY, "--out", str(out)]
    threads = torch.get_num_threads()
    monkeypatch.setattr(bench, "measure", interrupted)
    assert main([*command, "--threads", "2"]) == 130 and torch.get_num_threads() == threads
    assert f"stopped; what was measured is in {out}" in capsys.readouterr().err
    monkeypatch.setattr(bench, "measure", counted)
    assert main([*command, "--threads", "2"]) == 0 and measured == [["rtseg"], ["enet"]]


def test_peers_take_turns_with_ours(tmp_path, capsys, measured, library):
    out = tmp_path / "b.json"
    command = ["bench", "rtseg", *TINY, "--out", str(out)]
    assert main([*command, "--peers"]) == 0
    assert measured == [["rtseg"], ["rtseg like Net", "peerlib Net"]]
    scores = Result(of(out))
    ours, theirs = ROW.format("rtseg like Net"), ROW.format("peerlib Net")
    assert scores.by_seed(ours, "ratio")[0] == 1 and scores.by_seed(theirs, "ratio")[0] > 0
    assert scores.mean(theirs, "parameters") == 13 * 27 and of(out)["arms"][theirs]["model"]["library"] == "peerlib"
    assert "time ×" in (text := capsys.readouterr().out) and len(text.splitlines()) == 2 + 3 + 3


def test_the_first_of_a_group_runs_along_for_the_ratio_and_keeps_its_row(tmp_path, measured, library, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda model, fullgraph: model)
    out = tmp_path / "b.json"
    command = ["bench", "rtseg", *TINY, "--out", str(out), "--peers"]
    assert main(command) == 0
    first = of(out)["runs"]
    assert main([*command, "--compiled"]) == 0
    ours, theirs = "rtseg like Net", "peerlib Net"
    assert measured[2:] == [["rtseg", "rtseg compiled"], [ours, f"{ours} compiled", f"{theirs} compiled"]]
    found = of(out)
    assert found["runs"][:3] == first and form(found) == []
    row = ROW.format("rtseg compiled")
    assert found["arms"][row]["recipe"]["compiled"] and "peak_bytes" not in Result(found).runs[3]["scores"]
    assert main([*command, "--compiled"]) == 0 and len(measured) == 4


def test_a_library_that_is_not_there_is_left_out(capsys, library, monkeypatch):
    monkeypatch.setitem(sys.modules, "peerlib", None)
    assert main(["bench", "rtseg", "enet", *TINY, "--peers"]) == 0
    told = capsys.readouterr()
    assert "peerlib Net is left out" in told.err and "no library here has a network like enet" in told.err
    assert "Net" not in told.out


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.module.startswith("torchvision")], ids=str)
def test_torchvisions_networks_cost_by_count_what_ours_cost(pair):
    with torch.device("meta"):
        make = getattr(importlib.import_module(pair.module), pair.theirs)
        both = create(pair.ours, 13, **pair.options), make(**pair.choices, num_classes=13)
        counts = [cost(model.eval(), (33, 48)) for model in both]
    assert counts[0].parameters == counts[1].parameters and counts[0].macs == counts[1].macs


def test_training_compares_the_loops(tmp_path, capsys, measured, library):
    out = tmp_path / "b.json"
    words = ["bench", "rtseg", *TINY, "--batch", "2", "--training", "--out", str(out)]
    assert main(words) == 0 and main([*words, "--peers"]) == 0
    found, rows = of(out), [f"{n}, 32×48, batch 2, cpu, 1 thread, training" for n in ("rtseg like Net", "peerlib Net")]
    assert measured == [["rtseg"], ["rtseg like Net", "peerlib Net"]] and form(found) == []
    assert [found["arms"][row]["recipe"]["loop"] for row in rows] == ["segkit.training.Trainer", "plain loop"]
    scores = Result(found)
    assert scores.by_seed(rows[1], "pictures_per_second")[0] == pytest.approx(2000 / scores.by_seed(rows[1], "ms")[0])
    assert "loader included" in capsys.readouterr().out


def test_both_loops_learn(library):
    s = bench_measure.Settings((32, 48), 2, torch.device("cpu"), 1, 1, True)
    ours = bench_entrants._course("rtseg", 2)
    theirs = bench_entrants.Entrant("theirs", {}, lambda: library.Net(13, True), peer=True)
    for e in (ours, theirs):
        model = e.make().eval()
        before = [p.clone() for p in model.parameters()]
        run = bench_measure._training(model, e, s)
        run()
        assert all((a != b).any() for a, b in zip(before, model.parameters(), strict=True)), e.name
        layout = next(p for p in model.parameters() if p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1)
        assert layout.is_contiguous(memory_format=torch.channels_last) is not e.peer


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    classes = create_data("street").classes
    folder = tmp_path / "weights"
    for name in ("rtseg", "enet"):
        save(create(name, 13, width=2), folder / f"my_{name}.safetensors", classes=list(classes), data="street")
    return folder


def test_trained_networks_are_scored_and_drawn(tmp_path, capsys, weights):
    out, plot = tmp_path / "b.json", tmp_path / "b.png"
    command = ["bench", *TINY, "--weights", str(weights), "--limit", "3", "--out", str(out), "--plot", str(plot)]
    assert main(command) == main(command) == 0, "the picture is ours, so it may be drawn again"
    found, row = of(out), ROW.format("my_rtseg")
    assert found["arms"][row]["data"] == {"set": "street", "split": "test", "test": 3}
    torch.manual_seed(0)
    model, edges = create("rtseg", 13, width=2), BoundaryIoU(13)
    pictures = torch.utils.data.Subset(create_data("street", split="test"), range(3))
    matrix = evaluate(model, pictures, device="cpu")
    with torch.no_grad():
        for sample in pictures:
            edges.update(model.eval()(sample.image[None]).argmax(1), sample.labels[None])
    scores = Result(found)
    assert scores.by_seed(row, "mean_iou")[0] == pytest.approx(matrix.mean_iou(), abs=1e-6)
    assert scores.by_seed(row, "boundary_iou")[0] == pytest.approx(edges.mean_iou(), abs=1e-6)
    assert "mIoU" in (text := capsys.readouterr().out) and max(map(len, text.splitlines())) <= 120
    with Image.open(plot) as picture:
        assert picture.size[0] > 1000 and picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert main([*command[:-6], "--limit", "2", "--out", str(out)]) == 1
    assert "data.test 3 → 2" in capsys.readouterr().err


def test_what_cannot_be_is_said_before_anything_is_measured(tmp_path, capsys, weights, measured):
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.png")
    (tmp_path / "mine.json").write_text('{"lr": 1}', encoding="utf-8")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "my_enet.safetensors").write_bytes((weights / "my_enet.safetensors").read_bytes())
    cells = tmp_path / "cells.safetensors"
    save(create("enet", 2, width=2), cells, classes=list(create_data("cells").classes), data="cells")
    trained = ["--weights", str(weights), "--limit", "1"]
    cases = [
        (["--repeats", "0"], "--repeats=0"),
        (["--size", "0", "9"], "--size=0"),
        (["--threads", "0"], "--threads=0"),
        (["--device", "gpu"], "no device 'gpu'"),
        (["--plot", "b.png"], "--plot needs scores"),
        (["--data", "street"], "--data needs scores"),
        (["--training", "--size", "16", "16"], "32×32 pixels at least"),
        (["--training", *trained], "leave out --weights"),
        (["--weights", "nowhere"], "no weights at nowhere"),
        (["--weights", str(weights), str(tmp_path / "copy")], "would have one name, my_enet"),
        ([*trained, "--data", "cells"], "knows the classes"),
        ([*trained, "--plot", str(tmp_path / "photo.png")], "not from `segkit bench`"),
        ([*trained, "--plot", "b.jpg"], "end in .png"),
        (
            ["--weights", str(weights), str(cells), "--limit", "1", "--plot", str(tmp_path / "b.png")],
            "would mix scores on 1 pictures of cells and 1 pictures of street",
        ),
        (["--out", str(tmp_path / "mine.json")], "holds something else"),
        (["--out", str(tmp_path / "photo.png")], "end in .json"),
        (["--out", str(tmp_path / "mine.json" / "b.json")], "is a file; name another folder"),
    ]
    for words, message in cases:
        assert main(["bench", "rtseg", *TINY, *words]) == 1, words
        assert message in (told := capsys.readouterr().err) and "Traceback" not in told, (words, told)
    with pytest.raises(SystemExit):
        main(["bench", "unett"])
    assert "there is no model 'unett'" in capsys.readouterr().err and not measured


def test_a_busy_machine_is_named(capsys, monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 1.0, 1.0), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    bench._busy()
    assert "99 programs share 4 processors" in capsys.readouterr().err
    monkeypatch.setattr("os.getloadavg", lambda: (3.9, 1.0, 1.0), raising=False)
    bench._busy()
    assert not capsys.readouterr().err
