"""Everything that needs a card: the steps run from end to end on a stand-in, and what goes wrong in one is said."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from pathlib import Path

import pytest
import torch

from segkit import ops
from segkit.models import available
from tests.course.evidence import form
from tests.course.test_experiments import folder, one_thread
from tests.other_device import THERE, OtherDevice, other_device

import gpu  # isort: skip  # tests.course.evidence puts course/experiments on the path
import gpu_equal  # isort: skip
import gpu_steps  # isort: skip
import lineage  # isort: skip

__all__ = ["folder", "one_thread", "other_device"]  # fixtures
pytestmark = pytest.mark.usefixtures("other_device")


def here(command, limit):
    """A step in this process, where the stand-in is."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = gpu.main(command[2:])
    return gpu.Outcome("failed" if code else "done", said.getvalue().strip().splitlines()[-1])


def run(folder, *words, seeds=1):
    with OtherDevice():
        return gpu.main([*words, "--device", THERE, "--seeds", str(seeds), "--to", str(folder)], here)


def of(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_step_runs_from_end_to_end(folder, capsys):
    assert run(folder, "--scale", "0.03") == 0
    table = capsys.readouterr().out.strip().splitlines()[-5:]
    assert [line.split()[:2] for line in table[:4]] == [[s, "done"] for s in ("equal", "crf", "bench", "chapters")]
    assert table[4].startswith("camvid    left out")
    files = {path.stem: of(path) for path in folder.glob("*.json")}
    assert set(files) == {"gpu_equal", "gpu_crf", "gpu_bench", "lineage_gpu"}
    for name, found in files.items():
        assert form(found) == [] and found["experiment"] == name and found["runs"]
        assert found["provenance"]["command"].startswith("python course/experiments/")
        assert str(folder) not in json.dumps(found) and "--inside" not in json.dumps(found)
    extra = files["gpu_equal"]["extra"]
    assert extra["gpu_equals_cpu"] and extra["held"] == extra["checks"] > 2 and extra["card"] == {"name": THERE}
    kinds = {arm["model"]["check"] for arm in files["gpu_equal"]["arms"].values()}
    assert kinds >= {"operator", "model"} and set(extra["largest_share_of_limit"]) == kinds
    assert all(run["scores"]["labels_differ"] == [0.0] for run in files["gpu_crf"]["runs"])


def test_every_operator_and_model_is_checked():
    checks = [check.name for check in gpu_equal.checks("cuda")]
    assert len(set(checks)) == len(checks)
    for name in ops.__all__:
        assert sum(check.startswith(f"operator: {name} ") for check in checks) >= 3
    for name in available():
        assert {f"model: {name}, {t}" for t in ("torch.float64", "torch.float32")} <= set(checks)
    assert sum(check.startswith("compiled") for check in checks) == 3
    assert not any(check.name.startswith("compiled") for check in gpu_equal.checks(THERE))


OTHERS = [check for check in gpu_equal.checks(THERE) if not check.name.startswith(("operator", "model"))]


@pytest.mark.parametrize("check", OTHERS, ids=str)
def test_checks_hold_on_the_stand_in(check):
    with OtherDevice():
        found = check.measure(THERE)
    assert found and all(gap <= check.limit(answer) for answer, (gap, _) in found.items()), found


@pytest.mark.gpu
@pytest.mark.parametrize("check", gpu_equal.checks("cuda"), ids=str)
def test_checks_hold_on_a_gpu(check):
    found = check.measure("cuda")
    assert found and all(gap <= check.limit(answer) for answer, (gap, _) in found.items()), found


def fault(device):
    raise RuntimeError("out of memory\nand more")


PLANTED = {
    "operator: a number": lambda d: {"value": torch.ones(3, device=d) + (0 if d == "cpu" else 0.02)},
    "operator: a label": lambda d: {"labels": torch.tensor([1, 2, 3 if d == "cpu" else 4], device=d)},
    "model: a slope": lambda d: {"value": torch.ones(3), "gradient": torch.ones(3) * (1 if d == "cpu" else 1.2)},
    "model: not finite": lambda d: {"value": torch.tensor([1.0, 1.0 if d == "cpu" else float("nan")])},
    "model: zeros": lambda d: {"gradient": torch.zeros(3)},
    "model: another type": lambda d: {"value": torch.ones(3, dtype=torch.float32 if d == "cpu" else torch.float16)},
    "run: an error": lambda d: fault(d),
}


def test_what_differs_or_fails_is_named_and_ends_with_1(folder, monkeypatch, capsys):
    checks = [gpu_equal.Check(name, compute, 0.01, 0.1) for name, compute in PLANTED.items()]
    fine = gpu_equal.Check("run: fine", lambda d: {"value": torch.ones(3, device=d) + (d != "cpu") * 0.005}, 0.01)
    monkeypatch.setattr(gpu_equal, "checks", lambda device: [*checks, fine])
    assert run(folder, "equal") == 1
    found = of(folder / "gpu_equal.json")
    assert form(found) == [] and found["extra"]["held"] == 1 and not found["extra"]["gpu_equals_cpu"]
    held = {run["arm"]: run["scores"]["holds"] for run in found["runs"]}
    differ = {name: [0.0] for name in PLANTED if name.startswith(("operator", "model: a slope"))}
    assert held == {**differ, "run: fine": [1.0]}
    assert found["extra"]["failed"]["run: an error"] == "out of memory"
    assert set(found["extra"]["failed"]) | set(differ) == set(PLANTED)
    said = capsys.readouterr().out
    assert "GPU = CPU in 1 of 8 checks, 0 not reached" in said and all(name in said for name in PLANTED)


def test_a_step_that_is_stopped_writes_down_what_it_has(folder, monkeypatch, capsys):
    def stop(device):
        raise KeyboardInterrupt

    fine = gpu_equal.Check("run: fine", lambda d: {"value": torch.ones(3, device=d)}, 0.01)
    monkeypatch.setattr(gpu_equal, "checks", lambda d: [fine, gpu_equal.Check("run: long", stop, 0.01), fine])
    assert run(folder, "equal") == 0
    extra = of(folder / "gpu_equal.json")["extra"]
    assert (extra["held"], extra["checks"], extra["gpu_equals_cpu"], extra["failed"]) == (1, 3, False, {})
    assert "2 not reached" in capsys.readouterr().out


def test_chapters_that_are_stopped_keep_what_is_complete(folder, monkeypatch, capsys):
    row = {"seed": 0, "scores": {"mean_iou": [0.2, 0.3, 0.4]}, "iou": None, "provenance": {"seconds": 1.0}}

    def cut(experiment, o):
        for arm, at in (("FCN-32s", [0.25, 0.5, 1.0]), ("FCN-16s", [0.25])):
            path = experiment.file(experiment.fingerprint(arm), 0, ".json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**row, "arm": arm, "at": at}), encoding="utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu_steps.library, "perform", cut)
    assert run(folder, "chapters", seeds=2) == 0
    found = of(folder / "gpu_chapters.json")
    assert form(found) == [] and [run["arm"] for run in found["runs"]] == ["FCN-32s"] == list(found["arms"])
    count = 2 * len({**lineage.MODELS, **lineage.CONTROLS})
    assert (found["extra"]["finished"], found["extra"]["of"]) == (1, count) and not found["claims"]
    assert f"1 of {count} trainings are complete" in capsys.readouterr().out


ENDS = {
    "print('begun'); print('a last line')": ("done", "a last line"),
    "print('begun'); raise SystemExit(3)": ("failed", "begun"),
    "": ("done", "it said nothing and ended with 0"),
}
WAITS = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: ({}, sys.exit({}))); print('begun'); "


@pytest.mark.parametrize("program", ENDS, ids=lambda p: p[-20:])
def test_how_a_process_ends(program):
    outcome = gpu.launched([sys.executable, "-S", "-c", program], 60)
    assert (outcome.word, outcome.said) == ENDS[program]


@pytest.mark.parametrize(
    ("act", "code", "expected"), [("print('kept')", 0, ("stopped", "kept")), ("0", gpu.FAILED, ("failed", "begun"))]
)
def test_a_process_that_takes_too_long_is_asked_to_stop(act, code, expected):
    program = WAITS.format(act, code) + "time.sleep(300)"
    outcome = gpu.launched([sys.executable, "-S", "-c", program], 8)
    assert (outcome.word, outcome.said) == expected and 5 < outcome.seconds < 60


def test_a_process_that_will_not_stop_is_ended():
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('begun'); time.sleep(300)"
    outcome = gpu.launched([sys.executable, "-S", "-c", program], 6)
    assert outcome.word == "stopped" and outcome.seconds < 60


def test_one_step_takes_no_other_along_and_none_begins_without_time(folder, capsys):
    began = {}

    def launch(command, limit):
        began[command[2]] = limit
        return gpu.Outcome("failed" if command[2] == "equal" else "done", "said")

    with OtherDevice():
        assert gpu.main(["--device", THERE, "--minutes", "1", "--to", str(folder)], launch) == 1
        assert list(began) == ["equal", "crf", "bench", "chapters"]
        assert began["equal"] == pytest.approx(24, abs=2) and began["crf"] == pytest.approx(15, abs=2)
        began.clear()
        assert gpu.main(["crf", "--device", THERE, "--minutes", "1", "--to", str(folder)], launch) == 0
        assert list(began) == ["crf"] and began["crf"] == pytest.approx(60, abs=2)
        assert gpu.main(["crf", "--device", THERE, "--minutes", "0.1"], launch) == 0
    assert "give more --minutes" in capsys.readouterr().out.splitlines()[-1]


def test_camvid_is_a_script_of_its_own(folder, monkeypatch):
    commands = []
    monkeypatch.setattr(gpu, "no_card", lambda device: "")
    monkeypatch.setattr(gpu, "no_camvid", lambda device: "")
    launch = lambda command, limit: commands.append(command[1:]) or gpu.Outcome("done", "")  # noqa: E731
    assert gpu.main(["camvid"], launch) == 0
    assert gpu.main(["camvid", "--scale", "0.1"], launch) == 0
    script = [str(Path("course/experiments/camvid.py")), "gpu", "--seeds", "1"]
    assert commands == [script, [*script, "--scale", "0.1", "--steps", "4"]]


def test_the_card_is_described(monkeypatch, tmp_path):
    found = types.SimpleNamespace(name="a card", total_memory=2**33, multi_processor_count=8)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: found)
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi there
    card = gpu_steps.card("cuda:0")
    assert json.loads(json.dumps(card)) == card and set(card) >= {"cuda", "cudnn", "multiprocessors"}
    assert (card["name"], card["memory_bytes"], card["driver"]) == ("a card", 2**33, "unknown")


def test_without_a_card_it_says_so_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1 and "no CUDA device" in said.err
    assert gpu.main(["--device", "nowhere"]) == 2 and "no device 'nowhere'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--scale", "0"], ["--scale", "2"], ["--minutes", "0"], ["all", "crf"]])
def test_a_wrong_command_line(words):
    with pytest.raises(SystemExit, match="2"):
        gpu.main(words)


def test_tf32_is_off_inside_and_as_it_was_outside():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    with gpu_equal.without_tf32():
        assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before
