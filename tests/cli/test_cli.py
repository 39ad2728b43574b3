"""The command as a user types it: train, stop, resume, evaluate, predict, doctor; and errors that end in one line."""

import errno
import importlib
import json
import os
import re
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.analysis.baselines import position_prior
from segkit.cli import main
from segkit.cli.runs import first
from segkit.data import StreetScenes
from segkit.files import write_json
from segkit.metrics import ConfusionMatrix
from segkit.models import Model, available, create, load, read_header
from segkit.training import processes

TINY = ["--data", "street", "--width", "2", "--hidden", "8", "--batch-size", "2", "--device", "cpu", "--limit", "6"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of four steps."""
    out = tmp_path_factory.mktemp("runs") / "a"
    assert main(["train", *TINY, "--steps", "4", "--out", str(out)]) == 0
    return out


def said(capsys):
    return capsys.readouterr()


def test_train_writes_weights_and_history(run):
    header = read_header(run / "weights.safetensors")
    history = json.loads((run / "history.json").read_text(encoding="utf-8"))
    assert header["data"] == "street" and len(header["classes"]) == header["config"]["num_classes"]
    assert len(history["history"]) == 4 and set(history["provenance"]) >= {"command", "commit", "device", "versions"}


def test_train_does_not_overwrite_a_run(run, capsys):
    assert main(["train", *TINY, "--steps", "4", "--out", str(run)]) == 1
    assert "holds a finished run" in said(capsys).err


def test_a_taken_folder_is_refused_before_pictures_of_ones_own_are_read(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("segkit.cli.train.check", lambda data: pytest.fail("all pictures were read first"))
    assert main(["train", "--data", f"folder:{tmp_path}", "--out", str(run)]) == 1
    assert "holds a finished run; choose another --out" in said(capsys).err


def test_eval_names_the_worst_pictures(run, tmp_path, capsys):
    words = ["eval", str(run), "--device", "cpu", "--limit", "6", "--worst", "4", "--json", str(tmp_path / "f.json")]
    assert main(words) == 0
    text, told = said(capsys).out, json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["worst"]
    network, found = load(run / "weights.safetensors"), {}
    for sample in first(StreetScenes("test"), 6):
        matrix = ConfusionMatrix(network.num_classes)
        matrix.update(network(sample.image[None]).argmax(1)[0], sample.labels)
        found[sample.name] = matrix.mean_iou()
    expected = sorted(found, key=found.get)[:4]
    assert [row["picture"] for row in told] == expected and len(set(found.values())) == 6
    assert [row["mean_iou"] for row in told] == pytest.approx([found[name] for name in expected])
    assert f"{100 * found[expected[0]]:6.1f} %  {expected[0]}\n" in text
    assert main([*words[:-4], "--worst", "-1"]) == 1 and "--worst" in said(capsys).err


@pytest.mark.parametrize("name", ["history.json", "best.safetensors", "validation.json"])
def test_train_does_not_overwrite_what_lies_in_its_folder(name, tmp_path, capsys):
    (tmp_path / name).write_text("diary", encoding="utf-8")
    assert main(["train", *TINY, "--steps", "4", "--out", str(tmp_path)]) == 1
    assert f"holds {name}, which the run would write over" in said(capsys).err
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [(name, "diary")]


@pytest.mark.parametrize("refused", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_is_said_of_the_file_that_was_meant(refused, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr("segkit.files.os.fsync", fail)
    with pytest.raises(OSError, match=re.escape(f"{os.strerror(refused)}: '{tmp_path / 'f.json'}'")):
        write_json({}, tmp_path / "f.json")
    assert not any(tmp_path.iterdir())


def test_train_into_a_link_that_leads_nowhere(tmp_path, capsys):
    (tmp_path / "link").symlink_to("gone")
    assert main(["train", *TINY, "--steps", "4", "--out", str(tmp_path / "link")]) == 1
    assert "is a link to a place that is not there" in said(capsys).err


def test_eval_writes_figures_over_figures_and_over_nothing_else(run, tmp_path, capsys):
    words = ["eval", str(run), "--device", "cpu", "--limit", "1", "--json"]
    figures = tmp_path / "new" / "f.json"
    assert main([*words, str(figures)]) == main([*words, str(figures)]) == 0
    (tmp_path / "recipe.json").write_text('{"lr": 1}', encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    precious = [run / "weights.safetensors", run / "history.json", tmp_path / "recipe.json"]
    before = [path.read_bytes() for path in precious]
    cases = zip([*precious, tmp_path, tmp_path / "pipe"], ["let its name end in .json", *["holds something else"] * 2,
                "is a folder; name a file", "is a device or a pipe"], strict=True)  # fmt: skip
    for path, message in cases:
        assert main([*words, str(path)]) == 1
        assert message in said(capsys).err
    assert before == [path.read_bytes() for path in precious]


def test_eval_prints_the_four_metrics_and_every_class(run, capsys, tmp_path):
    figures = tmp_path / "figures.json"
    assert main(["eval", str(run), "--device", "cpu", "--limit", "6", "--json", str(figures)]) == 0
    text, facts = said(capsys).out, json.loads(figures.read_text(encoding="utf-8"))
    assert "void ignored" in text and len(re.findall(r"  IoU ", text)) == len(facts["iou"])
    assert 0 <= facts["mean_iou"] <= facts["pixel_accuracy"] <= 1


def test_eval_beside_a_map_that_sees_no_picture(run, capsys, tmp_path):
    words = ["eval", str(run), "--device", "cpu", "--limit", "3", "--prior", "--json", str(tmp_path / "f.json")]
    assert main(words) == 0
    weighting = read_header(run / "weights.safetensors")["recipe"]["class_weights"]
    prior = position_prior(*(first(StreetScenes(split), 3) for split in ("train", "test")), weighting)
    told = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["position_prior"]
    assert told["mean_iou"] == prior.scores["mean_iou"] > 0.05
    text = said(capsys).out
    assert re.search(rf"mean iou +[\d.]+ % +{100 * prior.scores['mean_iou']:.1f} %", text)
    assert re.search(rf"IoU sky +[\d.]+ % +{100 * float(prior.iou[0]):.1f} %", text)
    assert re.search(r"mean accuracy +[\d.]+ %\n", text)


OPTIONS = {
    "duc_hdc": ["encoder=resnet18", "hdc=none"],
    "unet": ["padding=same", "levels=3"],
    "segnet": ["encoder=vgg11"],
}


@pytest.mark.parametrize("model", [name for name in available() if not name.startswith("fcn")])
def test_every_model_can_be_trained_and_scored(model, tmp_path, capsys):
    small = ["--data", "street", "--width", "2", "--batch-size", "2", "--device", "cpu", "--limit", "2", "--steps", "1"]
    chosen = [word for option in OPTIONS.get(model, []) for word in ("--option", option)]
    run = tmp_path / "run"
    assert main(["train", "--model", model, *small, *chosen, "--out", str(run)]) == 0, said(capsys).err
    config = read_header(run / "weights.safetensors")["config"]
    assert {f"{k}={v}" for k, v in config.items()} >= {*OPTIONS.get(model, []), "width=2", f"name={model}"}
    assert main(["eval", str(run), "--device", "cpu", "--limit", "2"]) == 0


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("fcn8s", "vgg16"),
        ("segnet", "vgg16_bn"),
        ("dilated", "vgg16"),
        ("deeplab_v1", "vgg16"),
        ("duc_hdc", "resnet101"),
    ],
)
def test_imagenet_weights_that_fit_each_model(model, name):
    assert create(model, 3).foundation() == name


def test_options_that_cannot_be(capsys):
    cases = [
        (["--option", "num_classes=3"], "--option num_classes=3: the data set decides that"),
        (["--option", "width=3"], "--option width=3: --width decides that"),
        (["--model", "enet", "--hidden", "4"], "enet takes no --hidden"),
        (["--model", "unet", "--encoder", "alexnet"], "unet takes no --"),
        (["--model", "enet", "--no-batch-norm"], "enet takes no --"),
        (["--recipe", "camvit"], "no recipe 'camvit'"),
        (["--set", "stepz=5"], "a recipe has no 'stepz'; did you mean 'steps'"),
        (["--set", "accumulate"], "--set got 'accumulate'; it takes NAME=VALUE"),
        (["--set", "accumulate=two"], "accumulate='two'"),
        (["--set", "steps=2"], "--set steps=2: there is another value for steps"),
        (["--lr", "inf"], "lr=inf"),
        (["--seed", "99999999999"], "seed=99999999999"),
        (["--device", "gpu"], "no device 'gpu'"),
        (["--device", "meta"], "cannot compute on the device 'meta'"),
        (["--ema", "1"], "ema=1.0"),
    ]
    for words, message in cases:
        assert main(["train", *TINY, "--steps", "1", *words]) == 1 and message in said(capsys).err, words
    assert main(["train", *TINY, "--option", "padding"]) == 1 and "NAME=VALUE" in said(capsys).err
    assert main(["train", *TINY, "--option", "colour=red"]) == 1 and "takes no option colour" in said(capsys).err
    assert main(["train", *TINY, "--model", "unet", "--pretrained"]) == 1
    assert "takes no --hidden" in said(capsys).err
    assert main(["train", *TINY[:2], *TINY[6:], "--model", "unet", "--pretrained"]) == 1
    assert "no weights for this unet" in said(capsys).err


@pytest.mark.parametrize("size", [(1, 1), (37, 61), (128, 96)])
def test_predict_writes_an_overlay_of_the_pictures_size(run, tmp_path, capsys, size):
    rng = np.random.default_rng(0)
    picture = tmp_path / "p.png"
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(picture)
    out, labels = tmp_path / "o.png", tmp_path / "l.png"
    command = ["predict", str(picture), "-o", str(out), "--model", str(run), "--labels", str(labels), "--device", "cpu"]
    assert main(command) == 0
    assert Image.open(out).size == Image.open(labels).size == size[::-1]
    assert np.asarray(Image.open(labels)).max() < 20
    assert "%" in said(capsys).out


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16", "CMYK"])
def test_predict_reads_every_kind_of_picture(run, tmp_path, mode):
    picture = tmp_path / ("p.jpg" if mode == "CMYK" else "p.png")
    Image.new(mode, (40, 30)).save(picture)
    command = ["predict", str(picture), "-o", str(tmp_path / "o.png"), "--model", str(run), "--device", "cpu"]
    assert main(command) == 0


def test_errors_end_in_one_line_that_says_the_fix(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGKIT_DATA", str(tmp_path))
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    cases = [
        (["predict", "none.png", "-o", "o.png", "--model", str(run)], "there is no picture none.png"),
        (["predict", "bad.png", "-o", "o.png", "--model", str(run)], "not a picture"),
        (["predict", "bad.png", "-o", "o.jpg", "--model", str(run)], "end in .png"),
        (["eval"], "no finished run under runs/"),
        (["eval", "nowhere"], "no weights at nowhere"),
        (["eval", str(run), "--data", "camvid"], "segkit data get camvid"),
        (["train", "--data", "camvid", "--out", "x"], "segkit data get camvid"),
        (["train", *TINY, "--encoder", "alexnet", "--out", "x"], "stride 32 only"),
        (["train", "--model", "unet", "--pretrained", "--limit", "2", "--out", "x"], "no weights for this unet"),
        (["train", "--model", "enet", "--pretrained", "--limit", "2", "--out", "x"], "no weights for this enet"),
        (["train", *TINY, "--resume", "--steps", "0", "--out", "x"], "steps"),
        (["grade", "none.ipynb"], "none.ipynb"),
    ]
    for command, words in cases:
        assert main(command) == 1, command
        error = said(capsys).err
        assert words in error and "Traceback" not in error, (command, error)
    assert not (tmp_path / "o.png").exists() and not (tmp_path / "x").exists(), "nothing half done is left"


def test_an_interrupted_run_resumes_to_the_same_weights(tmp_path, capsys, monkeypatch):
    from segkit.training import Trainer

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    command = ["train", *TINY, "--steps", "6"]
    monkeypatch.setattr("segkit.training.loop.Config.save_every", 2, raising=False)
    assert main([*command, "--out", str(whole)]) == 0
    one_step = Trainer._one_step

    def until_four(self, batch):
        if self.step == 4:
            self._save(cut / "checkpoint.safetensors")
            raise KeyboardInterrupt
        return one_step(self, batch)

    monkeypatch.setattr(Trainer, "_one_step", until_four)
    assert main([*command, "--out", str(cut)]) == 130
    assert "--resume" in said(capsys).err
    monkeypatch.setattr(Trainer, "_one_step", one_step)
    assert main([*command, "--out", str(cut)]) == 1
    assert "interrupted" in said(capsys).err
    said(capsys)
    assert main([*command, "--out", str(cut), "--resume"]) == 0
    assert "goes on from step 4 of 6\n" in said(capsys).out
    from segkit.models import load

    a, b = (load(d / "weights.safetensors").state_dict() for d in (whole, cut))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_recipe_by_name_or_file_is_changed_by_flags_printed_and_written_down(tmp_path, capsys):
    from segkit.training import Recipe, recipes
    from segkit.training.checkpoint import read_checkpoint

    mine = tmp_path / "mine.json"
    mine.write_text(
        '{"optimizer": "sgd", "schedule": "poly", "crop": [40, 56], "losses": {"ohem": 1, "dice": 0.5}}',
        encoding="utf-8",
    )
    out = tmp_path / "run"
    command = ["train", *TINY, "--steps", "2", "--lr", "0.01", "--set", "accumulate=2", "--set", "clip=None"]
    assert main([*command, "--recipe", str(mine), "--weights", "log", "--out", str(out)]) == 0
    printed = said(capsys).out
    assert "recipe mine: steps 2, batch_size 2, lr 0.01, schedule poly" in printed and "accumulate 2" in printed
    kept = json.loads((out / "history.json").read_text(encoding="utf-8"))["recipe"]
    assert kept == read_header(out / "weights.safetensors")["recipe"]
    expected = Recipe(
        steps=2, batch_size=2, lr=0.01, optimizer="sgd", schedule="poly", crop=(40, 56), class_weights="log",
        losses={"ohem": 1, "dice": 0.5}, accumulate=2, clip=None, device="cpu", name="mine",
    )  # fmt: skip
    assert Recipe(**kept) == expected
    assert read_checkpoint(out / "checkpoint.safetensors")[0]["run"]["recipe"] == expected.identity()
    assert main(["train", *TINY, "--steps", "1", "--recipe", "deeplab", "--out", str(tmp_path / "b")]) == 0
    text = said(capsys).out
    assert str(recipes.create("deeplab", steps=1, batch_size=2, device="cpu")) in text and "head_lr 10.0" in text
    assert "BatchNorm is frozen as it starts, at random" in text, "nothing was said of where it starts"
    few = ["train", *TINY, "--limit", "2", "--batch-size", "16", "--steps", "1", "--out", str(tmp_path / "c")]
    assert main(few) == 0 and "1 steps of 2 on" in (text := said(capsys).out) and "frozen" not in text, (
        "what is true, not what was asked for"
    )


def test_what_can_be_known_before_a_run_is_said_before_it(tmp_path, capsys, monkeypatch):
    from segkit.training import Trainer

    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("trained first"))
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(
        "segkit.cli.train.tempfile.TemporaryFile", lambda dir: open(tmp_path / "none" / "x", encoding="utf-8")
    )
    for out, words in (("file", "is a file"), ("file/run", "is a file"), ("locked", "No such file")):
        assert main(["train", *TINY, "--steps", "1", "--out", str(tmp_path / out)]) == 1
        assert words in said(capsys).err
    assert main(["train", *TINY, "--steps", "1", "--out", str(tmp_path / "new"), "--resume"]) == 1
    assert "holds no checkpoint" in said(capsys).err and not (tmp_path / "new").exists()

    from segkit.data import create

    def without_val(name, split):
        if split == "val":
            raise ValueError("this set has no val")
        return create(name, split=split)

    monkeypatch.setattr("segkit.cli.train.create", without_val)
    assert main(["train", *TINY, "--steps", "1", "--out", str(tmp_path / "new")]) == 1
    assert "no val" in said(capsys).err and not (tmp_path / "new").exists()


def test_a_run_is_resumed_only_as_what_it_was(tmp_path, capsys, monkeypatch, hears_ctrl_c):
    """Ctrl-C in step 3: the step ends, its state is kept, and what is said about it is true."""
    from segkit.training import Trainer

    out, command = tmp_path / "run", ["train", *TINY, "--steps", "5", "--option", "dropout=0.2"]
    backward, calls = Trainer._backward, []

    def interrupted(self, *words):
        calls.append(words)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return backward(self, *words)

    monkeypatch.setattr(Trainer, "_backward", interrupted)
    assert main([*command, "--out", str(out)]) == 130
    assert "stopped at step 3 of 5; go on with the same command and --resume" in said(capsys).err
    changes = [
        (["--option", "dropout=0.1"], "model.dropout 0.2 → 0.1"),
        (["--data", "cells"], "data.name street"),
        (["--weights", "log"], "recipe.class_weights none → log"),
        (["--limit", "4"], "data.length 6 → 4"),
        (["--engine", "scratch"], "engine segkit.native → segkit.ops"),
        (["--steps", "6"], "recipe.steps 5 → 6"),
        (["--seed", "1"], "recipe.seed 0 → 1"),
    ]
    for words, difference in changes:
        assert main([*command, *words, "--out", str(out), "--resume"]) == 1, words
        error = said(capsys).err
        assert difference in error and "before → now" in error, (words, error)
    free = ["--workers", "1", "--set", "save_every=1"]
    assert main([*command, "--engine", "native", *free, "--out", str(out), "--resume"]) == 0
    assert len(json.loads((out / "history.json").read_text(encoding="utf-8"))["history"]) == 5


def test_doctor_names_versions_and_checks_the_operators(capsys):
    assert main(["doctor"]) == 0
    text = said(capsys).out
    assert (
        f"torch {torch.__version__.split('+')[0]}" in text
        and "conv2d and torch's differ" in text
        and "all is well" in text
    )


def test_doctor_sees_a_torchvision_that_was_built_for_another_torch(capsys, monkeypatch):
    load = importlib.import_module

    def fails(name):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return load(name)

    monkeypatch.setattr(importlib, "import_module", fails)
    assert main(["doctor"]) == 1
    assert "[!!] torchvision does not work with this torch (operator torchvision::nms" in said(capsys).out


def test_a_compiled_run_is_the_same_run_and_says_where_it_cannot_be(tmp_path, capsys, monkeypatch):
    """With the whole of torch.compile but its last step, which writes C++; a compiler that fails is told in a line."""
    whole, seen = torch.compile, []

    def lighter(called):
        seen.append(called)
        return whole(called, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", lighter)
    for name, more in (("plain", []), ("compiled", ["--compile"])):
        assert main(["train", *TINY, "--steps", "4", "--out", str(tmp_path / name), *more]) == 0
    plain, compiled = (load(tmp_path / name / "weights.safetensors").state_dict() for name in ("plain", "compiled"))
    torch.testing.assert_close(compiled, plain)
    assert len(seen) == 2 and isinstance(seen[1], Model)
    said(capsys)
    assert main(["train", *TINY, "--compile", "--engine", "scratch", "--out", str(tmp_path / "s")]) == 1
    assert "leave it out" in said(capsys).err

    with monkeypatch.context() as two:
        two.setattr(processes, "count", lambda: 2)
        assert main(["train", *TINY, "--compile", "--out", str(tmp_path / "t")]) == 1
    assert "--compile is for one process, and here are 2; leave it out" in said(capsys).err

    def fails(called):
        raise RuntimeError("No C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", fails)
    assert main(["train", *TINY, "--compile", "--out", str(tmp_path / "f")]) == 1
    assert "torch.compile does not work here (No C++ compiler found); leave out --compile" in said(capsys).err
    assert not (tmp_path / "f").exists()


def test_the_scratch_engine_trains_too(tmp_path, capsys):
    import segkit

    try:
        assert main(["train", *TINY, "--steps", "1", "--engine", "scratch", "--out", str(tmp_path / "s")]) == 0
        assert "scratch engine" in said(capsys).out
    finally:
        segkit.use_engine("native")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory; take a smaller --batch-size"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory; take a smaller --batch-size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory; take a smaller --batch-size"),
        (Image.DecompressionBombError("400 megapixels"), "400 megapixels; segkit opens no picture of that size"),
        (OSError(28, "No space left on device", "runs/a"), "runs/a: No space left on device"),
    ],
)
def test_what_the_user_can_fix_is_one_line(error, words, monkeypatch, capsys):
    def fails(options):
        raise error

    monkeypatch.setattr("segkit.cli.doctor.doctor", fails)
    assert main(["doctor"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"segkit doctor: {words}") and told.count("\n") == 1


def test_a_fault_of_segkit_keeps_its_traceback(monkeypatch):
    def fails(options):
        raise RuntimeError("a bug")

    monkeypatch.setattr("segkit.cli.doctor.doctor", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["doctor"])
