"""Command lines put together at random: 0, or one line and 1, or usage and 2; never a traceback, never half a file."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

import segkit
from segkit import models
from segkit.cli import main
from tests.campaign.made import network

NUMBERS = ("0", "1", "2", "-1", "1.5", "x", "nan", "", "99999999999999999999")
TRAIN = ["--width", "1", "--hidden", "2", "--batch-size", "2", "--device", "cpu", "--limit", "2", "--steps", "1"]
WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "--model": ("fcn32s", "unet", "enet", "segnets", ""), "--data": ("street", "cells", "camvid", "folder:set",
        "folder:none", "x"), "--out": ("runs/a", "file", "run", "diary", "new/deep"),
        "--recipe": ("deeplab", "x", "bad.json"),
        "--set": ("accumulate=2", "clip=None", "crop=9", "steps", "=", "x=1", "lr=[1]"), "--width": NUMBERS,
        "--hidden": NUMBERS, "--steps": ("1", "2", "0", "-1", "x"), "--batch-size": ("1", "2", "0", "-1", "x"),
        "--lr": NUMBERS, "--seed": NUMBERS, "--weights": ("none", "log", "median", "x"), "--ema": NUMBERS,
        "--engine": ("native", "scratch", "x"), "--workers": ("0", "-1", "x"), "--device": ("cpu", "cuda", "gpu", ""),
        "--limit": ("1", "2", "0", "-1", "x"), "--val-every": ("1", "0", "x"), "--option": ("dropout=0", "padding=x",
        "levels=9", "width=1", "x", "="), "--init": ("run", "none", "photo.png", "w.safetensors"),
        "--encoder": ("alexnet", "vgg11", "x"), "--resume": (), "--no-batch-norm": (),
    },
    "eval": {"--data": ("street", "cells", "camvid", "x"), "--split": ("val", "test", "x", ""), "--limit": ("1", "0",
             "x"), "--device": ("cpu", "cuda", ""), "--json": ("f.json", "none/f.json", "file/f.json", ".",
             "run/weights.safetensors", "run/history.json", "set/classes.txt")},
    "predict": {
        "-o": ("o.png", "o.jpg", "photo.png", "new/o.png", "file/o.png", "."), "--labels": ("l.png", "o.png", "l.jpg",
        "photo.png", "."), "--alpha": NUMBERS, "--scales": ("1", "0.5,1", "0", "x", "1,"), "--flip": (),
        "--short-side": ("8", "0", "-1", "x"), "--tile": ("32", "64", "1", "-1", "x"), "--json": ("p.json", "o.png",
        "run/history.json", "w.safetensors"), "--csv": ("p.csv", "p.json", "file/p.csv", "set/list.csv"),
        "--device": ("cpu", "cuda:9", "meta"), "--crf": ("c.json", "none"),
    },
    "crf": {"--grid": ("bilateral_sxy=5", "bilateral_compat=1,2", "x=1", "bilateral_sxy=", "gaussian_sxy=-1"),
            "--split": ("val", "test", "x"), "--band": NUMBERS[:6], "--most": ("1", "0", "-1", "x"), "--stages":
            ("1", "0", "x"), "--iterations": ("1", "0", "-1", "x"), "--out": ("c2.json", "none/c.json", "photo.png",
            "c.json"), "--device": ("cpu", "gpu")},
    "bench": {"--size": ("32 40", "0 9", "x 1", "1 1"), "--batch": ("2", "0", "x"), "--device": ("cpu", "cuda", "gpu"),
              "--threads": ("1", "0", "x"), "--weights": ("run", "w.safetensors", "none", "photo.png", "empty"),
              "--data": ("street", "x"), "--limit": ("1", "0", "x"), "--training": (), "--plot": ("b.png", "photo.png",
              "b.jpg", "."), "--out": ("b.json", "none/b.json", "c.json", "file/b.json", "run/history.json", ".")},
    "data": {"--root": (".", "none", "file")},
    "class": {"--to": ("c", "file", "run", ""), "--assignment": ("ch01", "ch99"), "--deadline": ("2027-01-31", "x"),
              "--students": ("none", "photo.png", "set/classes.txt"), "--again": (), "--workers": ("0", "x")},
    "street": {"--scene": NUMBERS, "--to": ("s.png", "s.jpg", "photo.png", "file/s.png", "new/s.png", ".", "")},
    "grade": {}, "doctor": {}, "": {"--version": (), "--help": (), "x": ()},
}  # fmt: skip
FIRST: dict[str, tuple[tuple[str, ...], ...]] = {
    "train": ((),), "eval": (("run",), ("w.safetensors",), ("photo.png",), ("none",), ()),
    "predict": (("photo.png",), ("set/images",), ("none.png",), ("bad.png",), ("empty",), ("deep.png",),
                ("stack.tif",)),
    "crf": (("search", "--most", "1", "--grid", "bilateral_sxy=5", "--grid", "bilateral_srgb=9", "--iterations", "1"),
            ("find",)),
    "bench": (("rtseg", "--width", "2", "--repeats", "1"), ("rtseg", "x"),
              ("--weights", "run", "--limit", "1", "--repeats", "1", "--size", "32", "40")),
    "data": (("check", "folder:set"), ("check", "camvid"), ("check", "x"), ("check", "folder:none"), ("get", "x")),
    "class": (("collect", "none", "--to", "c"), ("collect", "empty", "--to", "c"), ("collect", "set", "--to", "c"),
              ("collect", ".", "--to", "c"), ("grade", "run"), ("feedback", "run"), ("generate", "ch99", "--to", "c"),
              ("generate", "ch01", "--to", "c"), ("slides", "77", "--to", "c"), ("slides", "bad.ipynb", "--to", "c"),
              ("slides", "08", "--to", "file"), ("hand",), ()),
    "street": ((), ("x",)),
    "grade": (("none.ipynb",), ("photo.png",), ("empty",), ("bad.ipynb",)), "doctor": ((), ("x",)), "": ((),),
}  # fmt: skip
MODELS = ("run", "w.safetensors", "plain.safetensors", "none", "photo.png", "checkpoint.safetensors")


def world(folder: Path) -> None:
    """What the command lines speak of: a run, weights without data, photographs, a set, files in the way."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    classes = segkit.data.create("street").classes
    facts: dict[str, Any] = {"classes": list(classes), "palette": [[k, k, k] for k in range(13)], "data": "street"}
    models.save(network(), folder / "run" / "weights.safetensors", **facts)
    models.save(network(), folder / "w.safetensors", **facts)
    models.save(network(0, 3), folder / "plain.safetensors")  # as the documentation shows it
    for part in ("set/images", "set/masks", "empty", "runs", "diary"):
        (folder / part).mkdir(parents=True)
    for k in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"set/images/{k}.png")
        Image.fromarray(rng.integers(0, 2, (40, 40), dtype=np.uint8)).save(folder / f"set/masks/{k}.png")
    texts = {"set/classes.txt": "sky\nroad\n", "set/list.csv": "name,place\n", "diary/history.json": '["Monday"]',
             "run/history.json": "{}"}  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(folder / "photo.png")
    pages = [Image.fromarray(rng.integers(0, 60_000, (30, 40)).astype(np.uint16)) for _ in range(3)]
    pages[0].save(folder / "deep.png")
    pages[0].save(folder / "stack.tif", save_all=True, append_images=pages[1:])
    for name in ("file", "bad.png", "bad.json", "bad.ipynb", "c.json", "checkpoint.safetensors"):
        (folder / name).write_text("{" if name != "c.json" else '{"iterations": 1}', encoding="utf-8")


def line(random: Random) -> list[str]:
    """A command line: mostly right words, with a few that are not."""
    command = random.choice((*WORDS, "train", "predict", "eval"))
    words = [command, *random.choice(FIRST[command])] if command else []
    if command == "train":
        words += TRAIN
    if command in ("predict", "crf"):
        words += ["--model", random.choice((*MODELS, "run", "run"))]
    flags = list(WORDS[command])
    for flag in random.sample(flags, min(len(flags), random.choice((0, 1, 1, 2, 3)))):
        value = random.choice(WORDS[command][flag] or [""])
        words += [flag, *(value.split(" ") if flag == "--size" else [value])] if WORDS[command][flag] else [flag]
    return words


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def finding(words: list[str], folder: Path) -> str:
    """What is wrong with the outcome of one command line in this folder, or ""."""
    before, out, err = snapshot(folder), io.StringIO(), io.StringIO()
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: Any = main(words)
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    finally:
        segkit.use_engine("native")
    told, after = err.getvalue(), snapshot(folder)
    changed = [name for name in before if before[name] != after.get(name)]
    if code not in (0, 1, 2) or "Traceback" in told:
        return f"exit {code}: {told[-300:]}"
    last = [text for text in told.replace("\r", "\n").splitlines() if text.startswith("segkit")]
    if code == 1 and not last and "segmented" not in out.getvalue() and words[0] != "data" and words[0] != "doctor":
        return f"exit 1 without a line of its own: {told[-200:]!r} {out.getvalue()[-100:]!r}"
    if code and changed:
        return f"a failed command changed {changed}"
    if changed:  # every name that a command line may write to is either free here or something of ours
        return f"written over {changed}"
    return _whole(folder, after)


def _whole(folder: Path, files: dict[str, bytes]) -> str:
    """What stands there now can be read, and nothing temporary is left."""
    for name, content in files.items():
        if Path(name).name.startswith(".") or ".tmp" in name:
            return f"{name} was left behind"
        if name.endswith(".json") and Path(name).name != "bad.json":
            json.loads(content, parse_constant=lambda word: 1 / 0)
        if name.endswith(("o.png", "l.png")):
            Image.open(io.BytesIO(content)).load()
        if name.endswith("weights.safetensors"):
            models.load(folder / name)
    return ""


def case(seed: int, folder: Path) -> tuple[str, str]:
    """The command line of a seed, and its finding or ""."""
    random, home = Random(f"command {seed}"), folder / f"world-{seed}"
    world(home)
    words = line(random)
    try:
        return " ".join(words), finding(words, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
