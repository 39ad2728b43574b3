"""Training shared by several processes: the run of one, and what happens when one of them fails, hangs or dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from segkit.training import Recipe, Trainer, evaluate, processes
from segkit.training.order import Order, cut
from segkit.training.strategy import CUTS
from segkit.training.synchronised import synchronise
from tests.training.together import (
    Patches,
    Small,
    ended,
    furthest,
    result,
    said,
    started,
    together,
    train,
    trainer,
)

pytestmark = pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="torch without gloo")
DOUBLE, SINGLE = 1e-9, 1e-5  # how far the weights of six steps may lie from those of one process
SHARES = 1e-5  # the same where that one works in parts: their shares are single precision there


def trained(folder: Path, count: int, fit: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """What a run in `count` processes ends in; the same in each of them, bit for bit."""
    folder.mkdir(exist_ok=True)
    codes = together(train, folder, settings, fit or {}, count=count, log=folder / "log")
    assert codes == [0] * count, said(folder / "log")
    ends = [result(folder, rank) for rank in range(count)]
    for other in ends[1:]:
        assert all(torch.equal(v, other["weights"][k]) for k, v in ends[0]["weights"].items())
        assert ends[0]["losses"] == other["losses"]
    return ends[0]


RUNS: dict[str, dict[str, Any]] = {
    "unequal parts": {},
    "class weights": {"class_weights": (1.0, 4.0, 0.3)},
    "accumulate": {"batch_size": 7, "accumulate": 3},
    "fixed statistics": {"norm": "fixed", "optimizer": "sgd", "lr": 0.1},
    "frozen, no clip": {"norm": "frozen", "clip": None},
}


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_the_network_of_one(tmp_path: Path, name: str) -> None:
    """Pictures of which some are nearly all void, parts of 3 and 2, an idle layer, BatchNorm's statistics, the mean."""
    one, two = (trained(tmp_path / str(n), n, **RUNS[name]) for n in (1, 2))
    assert furthest(two, one) < (SHARES if name == "accumulate" else DOUBLE)
    assert one["weights"]["norm.running_mean"].abs().sum() > 0 or "norm" in RUNS[name]


def test_three_processes_in_single_precision(tmp_path: Path) -> None:
    """Adam enlarges what rounding leaves of a gradient that is 0, as of a bias before BatchNorm; not so the losses."""
    settings: dict[str, dict[str, Any]] = {"adamw": {}, "sgd": {"optimizer": "sgd", "lr": 0.1}}
    for name, own in settings.items():
        three, one = (trained(tmp_path / f"{name}-{n}", n, single=True, **own) for n in (3, 1))
        far = max(abs(a - b) for a, b in zip(three["losses"], one["losses"], strict=True))
        assert max(far, furthest(three, one) if name == "sgd" else 0) < SINGLE


def test_dropout_is_a_function_of_seed_step_and_process(tmp_path: Path) -> None:
    """The same again, also after a stop and a resume; and each process draws its own."""
    whole = trained(tmp_path / "whole", 2, dropout=0.5)
    trained(tmp_path / "cut", 2, {"until": 3}, dropout=0.5)
    again = trained(tmp_path / "cut", 2, {"resume": True}, dropout=0.5)
    assert furthest(again, whole) == 0
    assert furthest(trained(tmp_path / "other", 2, dropout=0.5, seed=1), whole) > 1e-3


@pytest.mark.parametrize(("first", "then"), [(2, 3), (3, 1), (1, 2)])
def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path, first: int, then: int) -> None:
    trained(tmp_path / "run", first, {"until": 3})
    ends = trained(tmp_path / "run", then, {"resume": True}), trained(tmp_path / "one", 1)
    assert furthest(*ends) < DOUBLE


@pytest.mark.skipif(not CUTS, reason="fully_shard of torch 2.6 asks for a stream that a processor does not have")
@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd", "accumulate": 2, "ema": None}], ids=["adamw", "sgd"])
def test_fsdp_ends_at_the_same_weights_and_shares_its_files(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Begun in pieces, gone on with in copies, and the other way round."""
    one = trained(tmp_path / "one", 1, **settings)
    for first, then in (("fsdp", "ddp"), ("ddp", "fsdp")):
        trained(tmp_path / first, 2, {"until": 3}, strategy=first, **settings)
        ends = trained(tmp_path / first, 2, {"resume": True}, strategy=then, **settings)
        assert furthest(ends, one) < (SHARES if "accumulate" in settings else DOUBLE)


def test_fsdp_needs_several_processes() -> None:
    with pytest.raises(ValueError, match="cuts a network into pieces for several processes; start them with torchrun"):
        trainer(strategy="fsdp")


# BatchNorm ------------------------------------------------------------------------------------------------------------


def _norms(out: Path) -> None:
    """Our BatchNorm on 1 and 3 of four pictures, against torch's on all four: values, gradients, statistics."""
    with processes.joined(60):
        generator = torch.Generator().manual_seed(0)
        for make, size in ((nn.BatchNorm2d, (4, 5, 3, 2)), (nn.BatchNorm1d, (4, 5))):
            for options in ({}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}):
                x, dy = torch.randn(2, *size, generator=generator, dtype=torch.float64) * 3 + 100
                theirs, ours = make(5, **options).double(), make(5, **options).double()
                synchronise(ours)
                mine = slice(0, 1) if processes.rank() == 0 else slice(1, 4)
                for _ in range(2):
                    a, b = x.clone().requires_grad_(), x[mine].clone().requires_grad_()
                    wanted, found = theirs(a), ours(b)
                    wanted.backward(dy)
                    found.backward(dy[mine])
                    torch.testing.assert_close(found, wanted[mine])
                    torch.testing.assert_close(b.grad, a.grad[mine])  # type: ignore[index]
                for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
                    torch.testing.assert_close(processes.total(p.grad), q.grad)  # type: ignore[arg-type]
                torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
                torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
                assert isinstance(ours, make) and list(ours.state_dict()) == list(theirs.state_dict())


def test_batch_norm_over_processes_is_torchs_over_all_pictures(tmp_path: Path) -> None:
    assert together(_norms, tmp_path, log=tmp_path / "log") == [0, 0], said(tmp_path / "log")


def _single_value(out: Path) -> None:
    with processes.joined(60):
        recipe = Recipe(steps=1, batch_size=2, crop=4, device="cpu")
        Trainer(Small().double(), Patches(), recipe).fit(quiet=True)  # one picture each: enough together


def test_one_picture_each_is_enough(tmp_path: Path) -> None:
    assert together(_single_value, tmp_path, log=tmp_path / "log") == [0, 0], said(tmp_path / "log")


def test_alone_it_is_torchs_own_layer() -> None:
    norm, usual = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    synchronise(norm)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(norm(x), usual(x)) and torch.equal(norm.running_var, usual.running_var)


# evaluation -----------------------------------------------------------------------------------------------------------


def _evaluated(out: Path) -> None:
    with processes.joined(60):
        t = trainer()
        own = evaluate(t.model, Patches(), batch_size=2, device="cpu")
        t.model.last.bias.data.fill_(float("nan") if processes.rank() else 0)  # type: ignore[union-attr,operator]
        with pytest.raises(ValueError, match="the model gives NaN for patch"):
            evaluate(t.model, Patches(), device="cpu")  # only process 1 saw it
        with pytest.raises(ValueError, match="patch 4: 1 pixels have label 7"):
            evaluate(trainer().model, Patches(wrong=4), device="cpu")
        torch.save(own.matrix, out / f"matrix.{processes.rank()}")


def test_pictures_are_scored_in_shares_and_the_matrix_is_the_same(tmp_path: Path) -> None:
    assert together(_evaluated, tmp_path, log=tmp_path / "log") == [0, 0], said(tmp_path / "log")
    wanted = evaluate(trainer().model, Patches(), batch_size=2, device="cpu").matrix
    assert all(torch.equal(torch.load(tmp_path / f"matrix.{rank}"), wanted) for rank in (0, 1))


# what goes wrong ------------------------------------------------------------------------------------------------------


def _command(words: list[str]) -> int:
    from segkit.cli import main

    return main(words)


RUN = ["train", "--model", "fcn32s", "--width", "1", "--hidden", "2", "--batch-size", "2", "--device", "cpu", "--limit",
       "4", "--set", "save_every=1"]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--batch-size", "1"],
            "2 processes cannot share a step of 1 pictures: each needs one at least; take",
        ),
        (["--set", "accumulate=2"], "a step of 2 pictures in 2 parts: each needs one at least; take a batch_size of 4"),
        (["--lr", "1e30", "--set", "clip=None", "--steps", "9"], "lower the learning rate"),
        (["--device", "cpu:0"], "several processes cannot share the device 'cpu:0'"),
        (["--option", "nothing=1"], "fcn32s takes no option nothing"),
    ],
)
def test_an_error_ends_all_and_is_said_once(tmp_path: Path, words: list[str], line: str) -> None:
    given = [*RUN, "--steps", "2", *words, "--out", str(tmp_path / "run")]
    assert together(_command, given, log=tmp_path / "log") == [1, 1]
    text = said(tmp_path / "log").replace("\r", "\n")
    assert text.count("segkit train:") == 1 and line in text and "Traceback" not in text, text


def _different(out: Path) -> None:
    with processes.joined(60):
        trainer(lr=0.1 + processes.rank())


def test_processes_with_other_settings_are_refused(tmp_path: Path) -> None:
    assert together(_different, tmp_path, log=tmp_path / "log") != [0, 0]
    assert "process 1 has other settings than process 0: recipe.lr 0.1 → 1.1" in said(tmp_path / "log")


def _late(out: Path) -> None:
    with processes.joined(2):
        raise AssertionError("nobody else came")


def test_nobody_waits_for_ever_to_join(tmp_path: Path) -> None:
    team = started(_late, tmp_path, log=tmp_path / "log", WORLD_SIZE="3")
    assert 0 not in ended(team)
    assert "of 3 found no others at 127.0.0.1" in said(tmp_path / "log")


def _steps(log: Path) -> int:
    return sum(path.stat().st_size > 0 for path in log.parent.glob("run/checkpoint.safetensors"))


def test_sigterm_is_kept_until_the_end_of_the_step(tmp_path: Path) -> None:
    """To one process; both stop after the same step, and the checkpoint is there."""
    given = [*RUN, "--steps", "100000", "--out", str(tmp_path / "run")]
    team = started(_command, given, log=tmp_path / "log")
    while not _steps(tmp_path / "log") and team[1].is_alive():
        time.sleep(0.05)
    os.kill(team[1].pid, signal.SIGTERM)
    assert ended(team) == [130, 130], said(tmp_path / "log")
    assert said(tmp_path / "log").count("go on with the same command and --resume") == 1


def test_a_lost_process_is_said_once_and_the_restarted_group_goes_on(tmp_path: Path) -> None:
    """Killed by -9 in the middle; what torchrun starts anew takes up the checkpoint, and ends at the same weights."""
    whole, cut_ = tmp_path / "whole", tmp_path / "run"
    given = [*RUN, "--steps", "12", "--set", "ema=0.5", "--out"]
    assert together(_command, [*given, str(whole)], log=tmp_path / "log") == [0, 0], said(tmp_path / "log")
    team = started(_command, [*given, str(cut_)], log=tmp_path / "log")
    while not _steps(tmp_path / "log") and team[1].is_alive():
        time.sleep(0.02)
    os.kill(team[1].pid, signal.SIGKILL)
    assert ended(team) == [1, -9]
    assert said(tmp_path / "log").count("another of the 2 processes has ended") == 1, said(tmp_path / "log")
    refused = together(_command, [*given, str(cut_)], log=tmp_path / "log")  # a first start, as ever
    assert refused == [1, 1] and "holds a run that was interrupted" in said(tmp_path / "log")
    again = together(_command, [*given, str(cut_)], log=tmp_path / "log", TORCHELASTIC_RESTART_COUNT="1")
    assert again == [0, 0], said(tmp_path / "log")
    ours, theirs = (_weights(run) for run in (cut_, whole))
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


def _children(parent: int) -> list[int]:
    """The processes whose parent this is, from the fourth field of their /proc/…/stat."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # one that has just ended
            if int(path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return sorted(found)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds torchrun's workers in /proc")
def test_torchrun_starts_all_anew_when_one_is_killed(tmp_path: Path) -> None:
    """The command of the documentation, with --max-restarts; one worker is killed, and the run is there at the end."""
    given = [*RUN, "--steps", "40", "--out", str(tmp_path / "run")]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    with subprocess.Popen([*torchrun, "-m", "segkit", *given], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        while not _steps(tmp_path / "log") and run.poll() is None:
            time.sleep(0.05)
        if workers := _children(run.pid):
            os.kill(workers[0], signal.SIGKILL)
        text = run.communicate()[0].decode()
    assert workers and run.returncode == 0 and "val mean IoU" in text, text[:2000]
    assert len(json.loads((tmp_path / "run" / "history.json").read_text(encoding="utf-8"))["history"]) == 40


def _weights(run: Path) -> dict[str, torch.Tensor]:
    from segkit.models import load

    return load(run / "weights.safetensors").state_dict()


# the parts of a batch -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "accumulate", "count"), [(5, 1, 2), (7, 3, 2), (16, 4, 3), (8, 3, 2), (6, 1, 6)])
def test_every_picture_is_seen_once_and_parts_stay_parts(batch: int, accumulate: int, count: int) -> None:
    order = Order(40, batch, 0)
    for pictures in order.epoch(0, 0):
        shares = [order.shared(accumulate, rank, count, pictures) for rank in range(count)]
        assert sorted(i for share in shares for i in share) == sorted(pictures)
        inside = [cut(share, accumulate) for share in shares]  # as `in_parts` cuts what a process has
        for number, part in enumerate(cut(pictures, accumulate)):
            assert sorted(part) == sorted(i for own in inside for i in own[number])
