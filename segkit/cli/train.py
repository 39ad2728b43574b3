"""`segkit train`: a recipe, the loop, and a folder with weights, history and a checkpoint."""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import segkit
from segkit.checks import whole
from segkit.cli.runs import alone, find_weights, first, model_option, name_and_value, run_name, started_with, wherever
from segkit.cli.validation import BEST, SCORES, better, scoring, train_and_score
from segkit.data import create
from segkit.data.download import check
from segkit.data.sizes import look
from segkit.encoders.weights import imagenet
from segkit.files import check_room, naming, write_json
from segkit.models import Model, load, load_exactly, load_torchvision, options, read_header, save
from segkit.models import create as create_model
from segkit.names import OWN
from segkit.training import Recipe, Trainer, evaluate, pick_device, processes, provenance, recipes
from segkit.training.checkpoint import read_run
from segkit.training.provenance import program


def train(o: argparse.Namespace) -> int:
    """Run the command."""
    out = Path(o.out or f"runs/{o.model}-{run_name(o.data)}")
    checkpoint = out / "checkpoint.safetensors"
    resume = checkpoint.exists() if o.resume == "auto" or processes.restarted() else bool(o.resume)
    if o.data.startswith(OWN) and not resume:
        _refuse(out, checkpoint, resume)  # before every picture is read
        _ready(o.data)
    recipe = _recipe(o)
    if o.val_every is not None:
        whole(o.val_every, "--val-every", "segkit train", 1)
    _refuse(out, checkpoint, resume)
    if resume:
        _same_network(checkpoint, o.model)
    segkit.use_engine(o.engine)
    train_set, val = (first(create(o.data, split=split), o.limit) for split in ("train", "val"))
    model = _model(o, train_set.num_classes, recipe.seed)
    sides = [min(found.size) for found in look(val) if found.size]
    start: dict[str, Any] = {"start": {"init": o.init, "pretrained": o.pretrained}}
    start |= scoring(o.val_every, len(val), checkpoint if resume else None, recipe.steps)
    runs = _compiled(model, o.engine, pick_device(recipe.device)) if o.compile else model
    trainer = Trainer(runs, train_set, recipe, facts=start, strategy=o.strategy)
    trainer.told = {"command": shlex.join([program(), *sys.argv[1:]])}
    size = sum(p.numel() for p in model.parameters()) / 1e6
    shared = f", shared by {processes.count()} processes" if processes.count() > 1 else ""
    print(
        f"{o.model} ({size:.2f} M parameters, {o.engine} engine) on {o.data}: {len(train_set)} training pictures, "
        f"{recipe.steps} steps of {trainer.order.batch} on {trainer.device}{shared}\n{recipe}"
    )
    if resume:
        _go_on(trainer, checkpoint)
    facts: dict[str, Any] = {
        "data": wherever(o.data), "classes": list(train_set.classes), "palette": train_set.palette.tolist(),
        "seed": recipe.seed, "recipe": recipe.as_dict(),
    } | ({"short_side": statistics.median_low(sides)} if sides else {})  # fmt: skip
    if processes.rank() > 0:
        return _run(trainer, val, out, o.val_every, facts)
    with alone(out):
        _refuse(out, checkpoint, resume)  # again: another run may have ended there
        _make_room(out)
        _enough_room(out, *trainer.bytes_kept(), best=o.val_every is not None)
        return _run(trainer, val, out, o.val_every, facts)


def _run(trainer: Trainer, val: Any, out: Path, every: int | None, facts: dict[str, Any]) -> int:
    """Train, score, and write what there is to keep."""
    recipe, checkpoint = trainer.recipe, out / "checkpoint.safetensors"
    try:
        scores = train_and_score(trainer, val, out, every, facts) if every is not None else []
        history = trainer.fit(checkpoint)
        best = trainer.best
        matrix = evaluate(best, val, batch_size=4, device=recipe.device, quiet=False)
    except KeyboardInterrupt:
        there = "go on with the same command and --resume" if checkpoint.exists() else "nothing was kept"
        raise KeyboardInterrupt(f"stopped at step {trainer.step} of {recipe.steps}; {there}") from None
    if processes.rank() > 0:
        return 0
    metrics = {"val_mean_iou": round(matrix.mean_iou(), 4), "val_pixel_accuracy": round(matrix.pixel_accuracy(), 4)}
    facts |= {"metrics": metrics, "provenance": provenance()}
    weights = save(best, out / "weights.safetensors", **facts)
    config = trainer.inner.config
    write_json({"config": config, **facts, "validation": scores, "history": history}, out / "history.json")
    print(
        f"val mean IoU {100 * metrics['val_mean_iou']:.1f} %, void ignored; weights in {weights}{better(scores, out)}"
    )
    return 0


def _recipe(o: argparse.Namespace) -> Recipe:
    """The recipe of the command line: a named one or a file, else the data set's, with what the flags change."""
    own = not o.recipe and o.data.startswith(OWN)
    usual: dict[str, Any] = create(o.data).preset if own else {}  # type: ignore[attr-defined]
    flags = {
        "steps": o.steps, "batch_size": o.batch_size, "lr": o.lr, "seed": o.seed, "ema": o.ema, "workers": o.workers,
        "device": o.device, "class_weights": o.weights, "save_every": o.save_every,
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    for name, value in (name_and_value("--set", text) for text in o.set):
        if name in given:
            raise ValueError(f"--set {name}={value}: there is another value for {name}; give only one of them")
        given[name] = value
    recipe = recipes.create("folder" if own else o.recipe or o.data, **{**usual, **given})
    if recipe.norm == "frozen" and not (o.pretrained or o.init):
        print("note: BatchNorm is frozen as it starts, at random; --pretrained or --init gives it values worth keeping")
    return recipe


def _ready(data: str) -> None:
    """Refuse a folder of one's own that training would not get through."""
    if not (report := check(data)).ok:
        raise ValueError("\n  ".join([f"{data} is not ready, see `segkit data check {data}`:", *report.problems[:8]]))


def _same_network(checkpoint: Path, name: str) -> None:
    """Refuse a run of another model before anything is made for it."""
    model = read_run(checkpoint).get("model")
    held = model.get("name") if isinstance(model, dict) else None
    if held not in (None, name):
        out = checkpoint.parent
        raise ValueError(f"--resume: {out} holds a run of {held}, not of {name}{started_with(out)}")


def _go_on(trainer: Trainer, checkpoint: Path) -> None:
    """Take up a run; where its settings are others, the error says what it was started with."""
    try:
        trainer.resume(checkpoint)
    except ValueError as error:
        raise ValueError(f"{error}{started_with(checkpoint.parent)}") from None
    print(f"goes on from step {trainer.step} of {trainer.recipe.steps}")


def _refuse(out: Path, checkpoint: Path, resume: bool) -> None:
    """Refuse a folder where the run cannot be written or resumed."""
    above = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not above.is_dir():
        raise ValueError(f"--out {out}: {above} is a file; choose another folder")
    if resume and not checkpoint.exists():
        raise ValueError(f"--resume: {out} holds no checkpoint; leave out --resume to start a run there")
    if (out / "weights.safetensors").exists() and not resume:
        raise ValueError(f"{out} holds a finished run; choose another --out, or delete it")
    if checkpoint.exists() and not resume:
        raise ValueError(
            f"{out} holds a run that was interrupted; go on with --resume, choose another --out, or delete it"
        )
    if not resume and (there := [name for name in ("history.json", BEST, SCORES) if (out / name).exists()]):
        raise ValueError(f"{out} holds {', '.join(there)}, which the run would write over; choose another --out")
    if out.is_symlink() and not out.exists():
        raise ValueError(f"--out {out} is a link to a place that is not there; choose another folder")


def _make_room(out: Path) -> None:
    """The run's folder, without what a run that was killed while it wrote has left; an error where it is closed."""
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(".*.safetensors.*"):
        left.unlink()
    with naming(out):
        tempfile.TemporaryFile(dir=out).close()  # where nothing can be written, the run stops here and not at its end


def _enough_room(out: Path, checkpoint: int, weights: int, best: bool) -> None:
    """An error where the run's files will not fit: the most is there while a checkpoint replaces the one before it."""
    needed = 2 * checkpoint + weights * best + 2**16
    there = [out / name for name in ("checkpoint.safetensors", BEST) if (out / name).is_file()]
    check_room(out, max(needed - sum(path.stat().st_size for path in there), 0), f"--out {out}: the run's files")


def _model(o: argparse.Namespace, num_classes: int, seed: int) -> Model:
    flags = {"width": o.width, "hidden": o.hidden, "encoder": o.encoder}
    flags["batch_norm"] = False if o.no_batch_norm else None
    given, known = {name: value for name, value in flags.items() if value is not None}, options(o.model)
    by_flag = {name: "--no-batch-norm" if name == "batch_norm" else f"--{name}" for name in given}
    for name in given.keys() - known.keys():
        raise ValueError(f"{o.model} takes no {by_flag[name]}; it takes {', '.join(known)}")
    for name, value in (model_option("--option", text, known, "padding=same") for text in o.option):
        if name == "num_classes" or name in by_flag:
            said = by_flag.get(name, "the data set")
            raise ValueError(f"--option {name}={value}: {said} decides that; leave the option out")
        given[name] = value
    from_scratch = not o.pretrained and given.get("encoder") != "alexnet"
    usual = {"width": 64 if o.pretrained else 16, "batch_norm": from_scratch}
    chosen = {name: value for name, value in usual.items() if name in known} | given
    torch.manual_seed(seed)
    model = create_model(o.model, num_classes, **chosen)
    if o.pretrained and o.init:
        raise ValueError("--pretrained and --init both say where to start from; give only one of them")
    if o.pretrained:
        if (encoder := model.foundation()) is None:
            other = "take --encoder resnet50 or mobilenet_v2, or " if "encoder" in known else ""
            raise ValueError(f"--pretrained: torchvision has no weights for this {o.model}; {other}train from scratch")
        if chosen.get("width", 64) != 64:
            raise ValueError(f"--pretrained: torchvision's weights are of width 64, not {o.width}; leave out --width")
        with processes.in_turn():
            found = imagenet(encoder)
        unused = load_torchvision(model, found)
        print(f"ImageNet weights loaded; no place for {', '.join(unused)}")
    if o.init:
        path = find_weights(o.init)
        if (held := read_header(path)["config"]) != model.config:
            raise ValueError(f"--init {path} holds {held}, not {model.config}; give the options it was trained with")
        load_exactly(model, load(path).state_dict())
    return model


def _compiled(model: Model, engine: str, device: torch.device) -> Any:
    """The network under torch.compile, which is tried out on one sum before a run begins with it."""
    if engine != "native":
        raise ValueError(f"--compile joins torch's layers; with --engine {engine} leave it out")
    if processes.count() > 1:
        raise ValueError(f"--compile is for one process, and here are {processes.count()}; leave it out")
    try:
        torch.compile(torch.add)(torch.zeros(1, device=device), 1)
    except Exception as error:  # what a compiler or a driver raises is of no known kind
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"--compile: torch.compile does not work here ({why}); leave out --compile") from None
    return torch.compile(model)
