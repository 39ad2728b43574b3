"""Runs that are functions of their seed, and that resume to the same weights bit for bit."""

import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from segkit.data import Augmented, Sample
from segkit.data.transforms import RandomFlip
from segkit.metrics import ConfusionMatrix
from segkit.models import create, load, save, unwrapped
from segkit.training import Config, Trainer, evaluate
from segkit.training.checkpoint import save_checkpoint


class Stripes:
    """Two classes that a network can learn in seconds: bright and dark columns, with some void."""

    name, classes, num_classes, ignore_index = "stripes", ("dark", "bright"), 2, 255
    palette = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)

    def __init__(self, length=12, bad=False):
        self.length, self.bad = length, bad

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        if i >= self.length:
            raise IndexError(i)
        g = torch.Generator().manual_seed(i)
        labels = (torch.rand(1, 4, generator=g) > 0.5).long().repeat_interleave(8, 1).expand(24, 32).clone()
        image = labels * 0.6 + 0.4 * torch.rand(24, 32, generator=g)
        labels[:2] = 255
        if self.bad and i == 5:
            labels[3, 3] = 7
        return Sample(image.expand(3, 24, 32).clone(), labels, name=f"stripes/{i}")


def trainer(steps=8, device="cpu", **settings):
    torch.manual_seed(1)
    model = create("fcn8s", 2, width=2, hidden=8, batch_norm=True)
    data = Augmented(Stripes(), RandomFlip(), seed=0)
    return Trainer(model, data, Config(steps=steps, batch_size=4, save_every=3, device=device, **settings))


def weights(t):
    return {k: v.clone() for k, v in t.best.state_dict().items()}


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"amp": True}], ids=["plain", "ema", "bfloat16"])
@pytest.mark.parametrize("stop", [3, 4])
def test_a_resumed_run_ends_at_the_same_weights_bit_for_bit(tmp_path, settings, stop):
    whole = trainer(**settings)
    whole.fit(quiet=True)
    out = tmp_path / "run.safetensors"
    trainer(**settings).fit(out, until=stop, quiet=True)  # stops within an epoch of 3 steps, and at its end
    torch.manual_seed(999)  # whatever happened in between
    again = trainer(**settings)
    again.fit(out, resume=True, quiet=True)
    assert [h["loss"] for h in again.history] == [h["loss"] for h in whole.history]
    ours, theirs = weights(again), weights(whole)
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    runs = [trainer(seed=s) for s in (0, 0, 1)]
    losses = [[h["loss"] for h in t.fit(quiet=True)] for t in runs]
    assert losses[0] == losses[1] != losses[2]


def test_workers_change_nothing():
    alone, helped = trainer(steps=4), trainer(steps=4, workers=2)
    assert [h["loss"] for h in alone.fit(quiet=True)] == [h["loss"] for h in helped.fit(quiet=True)]


def test_it_learns():
    t = trainer(steps=60, lr=1e-2)
    before = evaluate(t.model, Stripes(), device="cpu").mean_iou()
    history = t.fit(quiet=True)
    after = evaluate(t.best, Stripes(), device="cpu").mean_iou()
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert after > 0.75 > before


def test_evaluate_sees_each_picture_once_and_leaves_the_model_as_it_was():
    model = create("fcn32s", 2, width=2, hidden=8).train()
    matrix = evaluate(model, Stripes(5), batch_size=2, device="cpu")
    assert isinstance(matrix, ConfusionMatrix) and int(matrix.matrix.sum()) == 5 * 22 * 32
    assert model.training


def test_a_wrong_label_stops_training_with_its_picture_named():
    torch.manual_seed(0)
    t = Trainer(create("fcn8s", 2, width=2, hidden=8), Stripes(bad=True), Config(steps=3, batch_size=4, device="cpu"))
    with pytest.raises(ValueError, match="stripes/5: 1 pixels have label 7"):
        t.fit(quiet=True)


def test_a_loss_that_explodes_stops_the_run():
    t = trainer()
    nn.init.constant_(t.model.score_fr.bias, float("nan"))
    with pytest.raises(FloatingPointError, match="loss is nan at step 0"):
        t.fit(quiet=True)


def test_frozen_weights_stay():
    t = trainer(steps=3)
    before = t.model.upscore.weight.clone()
    t.fit(quiet=True)
    assert torch.equal(t.model.upscore.weight, before)


def test_resuming_with_other_settings_is_refused(tmp_path):
    out = tmp_path / "run.safetensors"
    trainer().fit(out, until=3, quiet=True)
    with pytest.raises(ValueError, match=r"other settings: recipe\.lr 0\.003 → 0\.1 \(before → now\)"):
        trainer(lr=0.1).fit(out, resume=True, quiet=True)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        trainer().fit(tmp_path / "none", resume=True, quiet=True)
    whole = bytearray(out.read_bytes())
    damaged = whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:]
    for wrong in (whole[:-50], damaged):
        out.write_bytes(wrong)
        with pytest.raises(ValueError, match="not a complete checkpoint"):
            trainer().fit(out, resume=True, quiet=True)


def test_every_difference_to_the_checkpoint_is_named(tmp_path):
    out, data = tmp_path / "run.safetensors", Stripes()

    def made(model=None, data=data, weight=None, loss=None, **settings):
        torch.manual_seed(1)
        model = model or create("fcn8s", 2, width=2, hidden=8)
        return Trainer(model, data, Config(steps=6, batch_size=4, device="cpu", **settings), weight, loss)

    made(workers=0).fit(out, until=2, quiet=True)
    data2, data2.name = Stripes(7), "zebra"
    cases = [
        (made(create("fcn8s", 2, width=3, hidden=8)), ["model.width 2 → 3"]),
        (made(create("fcn16s", 2, width=2, hidden=8)), ["model.name fcn8s → fcn16s"]),
        (made(data=data2), ["data.length 12 → 7", "data.name stripes → zebra", "data.pictures and labels"]),
        (made(data=torch.utils.data.Subset(data, range(11, -1, -1))), ["data.pictures and labels"]),
        (made(loss=lambda model, batch: model(batch.image).square().mean()), ["loss the recipe's → one of its own"]),
        (made(seed=4, ema=0.9), ["recipe.ema None → 0.9", "recipe.seed 0 → 4"]),
        (made(aux={"aux": 0.4}), ["recipe.aux.aux nothing → 0.4"]),
        (made(weight=torch.ones(2)), ["class weights None → [1.0, 1.0]"]),
    ]
    for other, words in cases:
        before = weights(other)
        with pytest.raises(ValueError, match="other settings") as error:
            other.fit(out, resume=True, quiet=True)
        assert all(w in str(error.value) for w in words) and str(error.value).count("→") == len(words) + 1, error.value
        assert other.step == 0 and all(torch.equal(before[k], v) for k, v in weights(other).items())
    same = made(workers=1, save_every=1)
    same.fit(out, resume=True, quiet=True)
    assert same.step == 6, "workers and save_every are free"


def test_the_engine_belongs_to_a_run(tmp_path):
    import segkit

    out = tmp_path / "run.safetensors"
    trainer().fit(out, until=1, quiet=True)
    with segkit.use_engine("scratch"), pytest.raises(ValueError, match=r"engine segkit\.native → segkit\.ops"):
        trainer().fit(out, resume=True, quiet=True)


def test_control_c_keeps_the_step_and_the_run_goes_on_bit_for_bit(tmp_path, hears_ctrl_c):
    whole = trainer(ema=0.9)
    whole.fit(quiet=True)
    out, cut = tmp_path / "run.safetensors", trainer(ema=0.9)
    loss, calls = cut.loss, []

    def interrupted(model, batch):
        calls.append(batch)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        return loss(model, batch)

    cut.loss, handler = interrupted, signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(out, quiet=True)
    assert signal.getsignal(signal.SIGINT) is handler and cut.step == 5
    again = trainer(ema=0.9)
    again.fit(out, resume=True, quiet=True)
    assert len(again.history) == 8 and all(torch.equal(v, weights(whole)[k]) for k, v in weights(again).items())


def test_a_second_control_c_does_not_wait(tmp_path, hears_ctrl_c):
    t, calls = trainer(), []

    def impatient(model, batch):
        calls.append(signal.raise_signal(signal.SIGINT))
        calls.append(signal.raise_signal(signal.SIGINT))

    t.loss = impatient
    with pytest.raises(KeyboardInterrupt):
        t.fit(tmp_path / "run.safetensors", quiet=True)
    assert calls == [None] and not (tmp_path / "run.safetensors").exists()


@pytest.mark.parametrize("first", ["plain", "compiled", "wrapped"])
def test_compiled_and_wrapped_models_share_their_checkpoints(tmp_path, first):
    """A run begun with one goes on with each of the others, and all average the model inside."""
    wraps = {
        "plain": lambda model: model,
        "compiled": lambda model: torch.compile(model, backend="eager"),
        "wrapped": lambda model: torch.optim.swa_utils.AveragedModel(model),
    }

    def made(kind):
        torch.manual_seed(1)
        model = wraps[kind](create("fcn8s", 2, width=2, hidden=8, batch_norm=True))
        return Trainer(model, Stripes(), Config(steps=4, batch_size=4, ema=0.9, device="cpu", workers=0))

    out = tmp_path / "run.safetensors"
    begun = made(first)
    begun.fit(out, until=2, quiet=True)
    assert set(begun.best.state_dict()) == set(create("fcn8s", 2, width=2, hidden=8, batch_norm=True).state_dict())
    kept = out.read_bytes()
    ends = []
    for kind in wraps:
        out.write_bytes(kept)
        on = made(kind)
        on.fit(out, resume=True, quiet=True)
        save(on.best, tmp_path / "weights.safetensors")
        ends.append(load(tmp_path / "weights.safetensors").state_dict())
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0])


class Refined(nn.Module):
    """A network of one's own whose parts have names that torch's wrappers use."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.module = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.module(self.first(x))


def test_a_part_called_module_is_not_taken_for_the_whole(tmp_path):
    t = Trainer(Refined(), Stripes(), Config(steps=2, batch_size=4, ema=0.9, device="cpu", workers=0))
    t.fit(tmp_path / "run.safetensors", quiet=True)
    assert set(t.best.state_dict()) == set(Refined().state_dict()) and unwrapped(t.model) is t.model
    with pytest.raises(ValueError, match="Refined, a model without a registered name"):
        save(t.best, tmp_path / "weights.safetensors")


def test_a_run_killed_while_writing_leaves_the_last_checkpoint_whole(tmp_path):
    """A process that dies by SIGKILL while it writes checkpoint after checkpoint never leaves a broken one."""
    out = tmp_path / "run.safetensors"
    t = trainer()
    save_checkpoint(out, t.model, t.optimizer, step=0, history=[])
    program = (
        "import torch\nfrom segkit.models import create\nfrom segkit.training.checkpoint import save_checkpoint\n"
        "m = create('fcn8s', 2, width=2, hidden=8, batch_norm=True)\no = torch.optim.AdamW(m.parameters())\n"
        "for i in range(10**6):\n"
        f"    save_checkpoint({str(out)!r}, m, o, step=i, history=[])\n    print(i, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    for _ in range(5):
        child.stdout.readline()
    child.kill()
    child.wait()
    from segkit.training.checkpoint import read_checkpoint

    assert read_checkpoint(out)[0]["step"] >= 4


def test_schedules():
    one = Config(steps=100)
    assert one.rate(0) == pytest.approx(0.04 * one.lr) and one.rate(10) == pytest.approx(one.lr)
    assert one.rate(99) < 0.01 * one.lr
    poly = Config(steps=100, schedule="poly")
    assert poly.rate(50) == pytest.approx(poly.lr * 0.5**0.9)
    for wrong in ({"steps": 0}, {"schedule": "step"}, {"ema": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Config(**wrong)


def test_a_model_of_other_classes_is_refused_before_the_run():
    with pytest.raises(ValueError, match=r"the model has 3 classes, stripes has 2: .*num_classes=2"):
        Trainer(create("fcn8s", 3, width=2, hidden=8), Stripes(), Config(steps=1, device="cpu"))


def test_one_value_for_a_channel_is_explained():
    """A picture of one coarse cell, alone in its batch: BatchNorm has no variance to learn from."""
    model = create("fcn8s", 2, width=2, hidden=4, batch_norm=True)
    recipe = Config(steps=1, batch_size=2, accumulate=2, crop=32, device="cpu")
    with pytest.raises(ValueError, match=r"1 picture of \(32, 32\) pixels.*larger crop or batch_size.*norm='fixed'"):
        Trainer(model, Stripes(), recipe).fit(quiet=True)


class Broken(Stripes):
    """Its pictures cannot be read from the second epoch's first step on."""

    seen = 0

    def __getitem__(self, i):
        self.seen += 1
        if self.seen > 40:
            raise OSError("the disk is gone")
        return super().__getitem__(i)


def _fails_in_step_2(model, batch):
    _fails_in_step_2.calls += 1
    if _fails_in_step_2.calls == 2:
        raise RuntimeError("no memory")
    return model(batch.image).mean()


def _stopped(model, batch):
    raise KeyboardInterrupt


@pytest.mark.parametrize("before", ["training", "evaluation", "mixed"])
@pytest.mark.parametrize(
    ("data", "loss", "error"),
    [(Stripes(), _fails_in_step_2, RuntimeError), (Broken(), None, OSError), (Stripes(bad=True), None, ValueError),
     (Stripes(), _stopped, KeyboardInterrupt)],
)  # fmt: skip
@pytest.mark.parametrize("norm", ["learn", "fixed"])
def test_after_an_error_each_module_has_the_mode_it_had_before(before, data, loss, error, norm):
    model = create("fcn8s", 2, width=2, hidden=8, batch_norm=True).train(before != "evaluation")
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if before == "mixed":
        norms[0].eval()
    modes = [module.training for module in model.modules()]
    _fails_in_step_2.calls, data.seen = 0, 0
    run = Trainer(model, data, Config(steps=30, batch_size=4, norm=norm), loss=loss)
    with pytest.raises(error):
        run.fit(quiet=True)
    assert [module.training for module in model.modules()] == modes


def test_the_bar_counts_to_the_end_of_the_run(capsys):
    """Also where it stops on the way: what it says of the time left is then right."""
    trainer(steps=4).fit(until=2)
    assert re.search(r"50%.*\| 2/4 ", capsys.readouterr().err)
