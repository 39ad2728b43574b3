"""A file of the wrong kind is named for what it is: each kind that segkit writes, at each option that takes a file."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from segkit.cli import main
from segkit.cli.bench_book import Book
from segkit.files import write_json
from segkit.kinds import another, what_is
from segkit.training import Recipe

TINY = ["--data", "street", "--model", "fcn32s", "--width", "1", "--hidden", "2", "--batch-size", "2",
        "--device", "cpu", "--limit", "2", "--steps", "1"]  # fmt: skip
KINDS = {  # file: what is said of it
    "history.json": "holds the history of a training run",
    "validation.json": "holds the scores of a training run",
    "recipe.json": "holds a recipe",
    "eval.json": "holds figures of `segkit eval`",
    "shares.json": "holds figures of `segkit predict`",
    "crf.json": "holds what `segkit crf search` found",
    "results.json": "holds results of `segkit bench` or an experiment",
    "weights.safetensors": "holds the weights of a network",
    "checkpoint.safetensors": "holds the checkpoint of a training run",
    "other.safetensors": "holds tensors but no segkit header",
    "torch.pth": "is a zip archive, perhaps of torch.save",
    "shares.csv": "holds a table of `segkit predict`",
    "labels.png": "holds a picture",
    "photograph.jpg": "holds a picture",
    "book.ipynb": "holds a notebook",
    "list.json": "holds JSON, a list",
    "object.json": "holds JSON with the keys a, b",
    "broken.json": "holds text",
    "notes.txt": "holds text",
    "utf16.json": "is text in UTF-16",
    "empty.json": "is empty",
    "folder": "is a folder",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind, written by segkit where it writes such files."""
    place = tmp_path_factory.mktemp("kinds")
    run, picture, weights = place / "run", place / "photograph.jpg", place / "weights.safetensors"
    assert main(["train", *TINY, "--val-every", "1", "--out", str(run)]) == 0
    for name in ("history.json", "validation.json", "weights.safetensors", "checkpoint.safetensors"):
        shutil.move(run / name, place / name)
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(picture)
    small = ["--device", "cpu", "--limit", "1", "--json", str(place / "eval.json")]
    assert main(["eval", str(weights), *small]) == 0
    words = ["--labels", str(place / "labels.png"), "--json", str(place / "shares.json"),
             "--csv", str(place / "shares.csv"), "-o", str(place / "over.png")]  # fmt: skip
    assert main(["predict", str(picture), "--model", str(weights), "--device", "cpu", *words]) == 0
    write_json({"crf": {"bilateral_sxy": 5}, "data": "street", "table": []}, place / "crf.json")
    Book(str(place / "results.json")).write()
    save_file({"a": torch.zeros(1)}, place / "other.safetensors")
    with zipfile.ZipFile(place / "torch.pth", "w") as archive:
        archive.writestr("data.pkl", "")
    text = {
        "recipe.json": json.dumps(Recipe(crop=64).as_dict()), "list.json": "[1, 2]", "object.json": '{"a": 1, "b": 2}',
        "broken.json": '{"steps": ', "notes.txt": "what I did", "empty.json": "",
        "book.ipynb": json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
    }  # fmt: skip
    for name, content in text.items():
        (place / name).write_text(content, encoding="utf-8")
    (place / "utf16.json").write_text('{"steps": 10}', encoding="utf-16")
    (place / "folder").mkdir()
    return place


class Option(NamedTuple):
    """A place on the command line for a file.

    Attributes:
        words: from a file and a folder for what is new, the command line with the file there.
        takes: kinds that are right there, or for which something else is said, by another test.
        expects: what is said of the kind that is expected.
        ending: of its file; of another one's name that is said.
    """

    words: Callable[[Path, Path], list[str]]
    takes: str
    expects: str
    ending: str = ""


def put(file: Path, name: Path) -> str:
    """The folder of a run that holds a file under another name."""
    name.parent.mkdir()
    (shutil.copytree if file.is_dir() else shutil.copy)(file, name)
    return str(name.parent)


def with_weights(command: str, file: Path, *more: object) -> list[str]:
    return [*command.split(), str(file.parent / "weights.safetensors"), *map(str, more)]


def predict(file: Path, new: Path, *more: object) -> list[str]:
    return ["predict", str(file.parent / "photograph.jpg"), "-o", str(new / "o.png"), *map(str, more)]


RUN = "name the folder of a run, or its weights.safetensors"
OTHER_FILE = "name another file, or delete it"
TRAIN = ["train", *TINY]
BENCH = ["bench", "fcn32s", "--width", "1"]
OPTIONS = {
    "train --recipe": Option(
        lambda f, new: [*TRAIN, "--recipe", str(f), "--out", str(new / "run")],
        "recipe.json object.json broken.json notes.txt", 'a recipe is one of street, camvid',
    ),
    "train --init": Option(
        lambda f, new: [*TRAIN, "--init", str(f), "--out", str(new / "run")], "weights.safetensors folder", RUN
    ),
    "train --data": Option(
        lambda f, new: [*TRAIN, "--data", f"folder:{f}", "--out", str(new / "run")], "folder",
        "a folder of your own holds images/",
    ),
    "train --resume": Option(
        lambda f, new: [*TRAIN, "--resume", "--out", put(f, new / "run" / "checkpoint.safetensors")],
        "checkpoint.safetensors", "not the checkpoint of a training run",
    ),
    "eval": Option(lambda f, new: ["eval", str(f)], "weights.safetensors folder", RUN),
    "eval of a run": Option(
        lambda f, new: ["eval", put(f, new / "run" / "weights.safetensors")], "weights.safetensors folder", RUN
    ),
    "eval --json": Option(
        lambda f, new: with_weights("eval", f, "--json", f), "eval.json empty.json folder", OTHER_FILE, ".json"
    ),
    "predict": Option(
        lambda f, new: with_weights(f"predict {f} -o {new / 'o.png'} --model", f), "labels.png photograph.jpg folder",
        "is not a picture that can be read",
    ),
    "predict --model": Option(lambda f, new: predict(f, new, "--model", f), "weights.safetensors folder", RUN),
    "predict --crf": Option(
        lambda f, new: predict(f, new, "--crf", f), "crf.json", "segkit crf search --out",
    ),
    "predict --json": Option(
        lambda f, new: predict(f, new, "--json", f), "shares.json empty.json photograph.jpg folder", OTHER_FILE, ".json"
    ),
    "predict --csv": Option(
        lambda f, new: predict(f, new, "--csv", f), "shares.csv photograph.jpg folder", OTHER_FILE, ".csv"
    ),
    "crf search": Option(
        lambda f, new: ["crf", "search", "--model", str(f)], "weights.safetensors folder", RUN
    ),
    "bench --weights": Option(lambda f, new: ["bench", "--weights", str(f)], "weights.safetensors folder", RUN),
    "bench --out": Option(
        lambda f, new: [*BENCH, "--out", str(f)], "results.json empty.json folder", OTHER_FILE, ".json"
    ),
    "grade": Option(lambda f, new: ["grade", str(f)], "book.ipynb broken.json notes.txt", "notebook"),
    "data check": Option(
        lambda f, new: ["data", "check", f"folder:{f}"], "folder", "a folder of your own holds images/"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_the_message_says_what_came_and_what_was_expected(
    name: str, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option, wrong = OPTIONS[name], []
    for kind, words in KINDS.items():
        file, new = files / kind, tmp_path / kind
        if kind in option.takes.split():
            continue
        new.mkdir()
        try:
            code: object = main(option.words(file, new))
        except SystemExit as end:
            code = end.code
        said = "".join(line for line in capsys.readouterr().err.splitlines(True) if not line.startswith("note: "))
        named = words if file.suffix == option.ending or not option.ending else f"let its name end in {option.ending}"
        expected = option.expects if named == words else ""
        if code not in (1, 2) or named not in said or expected not in said or (code == 1 and said.count("\n") > 1):
            wrong.append(f"{kind}: {code}, {said}")
    assert not wrong, "\n".join(wrong)


def test_a_history_is_told_where_its_recipe_stands(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--recipe", str(files / "history.json")]) == 1
    assert 'the recipe of that run stands in it, under "recipe"' in capsys.readouterr().err


def test_every_kind_is_known_and_what_is_not_is_said_of_nothing(files: Path, tmp_path: Path) -> None:
    """A damaged file is not taken for one of another kind."""
    assert {name: what_is(files / name) for name in KINDS} == KINDS
    cut, noise = tmp_path / "cut.safetensors", tmp_path / "noise"
    cut.write_bytes((files / "weights.safetensors").read_bytes()[:200])
    noise.write_bytes(bytes(range(128, 256)))
    assert [what_is(path) for path in (cut, noise, tmp_path / "none")] == [
        "is a file of an unknown kind", "is a file of an unknown kind", "is not there",
    ]  # fmt: skip
    assert another(cut) == "" == another(files / "recipe.json", "holds a recipe")
