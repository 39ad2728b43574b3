"""Mutated files: weights, checkpoints, pictures with labels, archives and notebooks. None may pass for another."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from segkit import models
from segkit.data import Folder
from segkit.data.unpack import unpack
from segkit.files import write_safetensors
from segkit.grading.assignments import ASSIGNMENTS, read_notebook
from segkit.training.checkpoint import load_checkpoint, save_checkpoint
from tests.campaign.doors import unclear
from tests.campaign.made import network

ODD: list[Any] = [None, -1, 1.5, "x", [], {}, True, 10**12, "../../x", "\0"]
Kind = Callable[[Path, Random], str]  # a folder and random numbers → a finding or ""


def mutated(data: bytes, random: Random) -> bytes:
    """The bytes with a bit flipped, a piece cut out, doubled, zeroed or replaced, or the end missing."""
    place, size = random.randrange(len(data)), random.choice((1, 2, 8, 64, len(data) // 3 + 1))
    before, piece, after = data[:place], data[place : place + size], data[place + size :]
    return random.choice((
        before + bytes([data[place] ^ (1 << random.randrange(8))]) + data[place + 1 :], before + after, before,
        before + piece + piece + after, before + bytes(len(piece)) + after, before + random.randbytes(size) + after,
    ))  # fmt: skip


class Bomb:
    """A pickle that makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def refused(error: Exception, path: Path) -> str:
    return unclear(error, [path.name, path.stem, str(path.parent)])


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def weights(folder: Path, random: Random) -> str:
    """Weights with other bytes, or whose header says something else under a right sum, or that are a pickle."""
    model, path = network(1, 3), folder / "weights.safetensors"
    models.save(model, path, classes=["a", "b", "c"])
    whole, bomb, how = path.read_bytes(), folder / "bomb", random.randrange(4)
    if how == 0:
        config = dict(model.config)
        config[random.choice((*config, "name", "new"))] = random.choice(ODD)
        header: Any = {"config": config} if random.random() < 0.8 else random.choice((config, [], "x", {"config": 3}))
        write_safetensors(model.state_dict(), path, header)
    elif how == 1:
        path.write_bytes(pickle.dumps(Bomb(bomb)))
    else:
        path.write_bytes(mutated(whole, random))
    try:
        found = models.load(path)
    except Exception as error:
        finding = refused(error, path)
    else:
        kept = same(found.state_dict(), model.state_dict()) and found.num_classes == 3
        finding = "" if kept else "other weights were loaded without a word"
    return "a pickle was opened" if bomb.exists() else finding


def checkpoint(folder: Path, random: Random) -> str:
    """A checkpoint with other bytes: refused before the model is touched."""
    model, path = network(1, 3), folder / "checkpoint.safetensors"
    optimizer = torch.optim.AdamW(model.parameters())
    save_checkpoint(path, model, optimizer, step=1, history=[])
    path.write_bytes(mutated(path.read_bytes(), random))
    other = network(2, 3)
    before = {k: v.clone() for k, v in other.state_dict().items()}
    try:
        load_checkpoint(path, other, torch.optim.AdamW(other.parameters()))
    except Exception as error:
        return refused(error, path) or ("" if same(before, other.state_dict()) else "half a checkpoint was loaded")
    return "" if same(model.state_dict(), other.state_dict()) else "another checkpoint was loaded without a word"


def picture_set(folder: Path, random: Random) -> tuple[np.ndarray, list[Path]]:
    """A folder of four pictures with masks of three classes."""
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rng = np.random.default_rng(random.getrandbits(31))
    masks = rng.integers(0, 3, (4, 6, 8), dtype=np.uint8)
    for k, mask in enumerate(masks):
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(folder / "images" / f"{k}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{k}.png")
    (folder / "classes.txt").write_text("sky\nroad\ntree\n", encoding="utf-8")
    return masks, [p for p in sorted(folder.rglob("*")) if p.is_file()]


def odd_mask(folder: Path, random: Random) -> None:
    """A mask of another mode, type, range or size."""
    rng, path = np.random.default_rng(random.getrandbits(31)), folder / "masks" / f"{random.randrange(4)}.png"
    deep = rng.integers(0, 70_000, (6, 8)).clip(0, 65535).astype(np.uint16)
    array = random.choice((
        deep, rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), rng.integers(0, 256, (6, 8), dtype=np.uint8),
        rng.integers(0, 2, (6, 8)) == 1, rng.integers(0, 3, (7, 8), dtype=np.uint8), np.zeros((6, 8), np.uint8),
    ))  # fmt: skip
    Image.fromarray(array).save(path)


def labels(folder: Path, random: Random) -> str:
    """Pictures, masks and classes.txt with other bytes or of another kind: classes and void, or an error."""
    masks, paths = picture_set(folder, random)
    path = random.choice(paths)
    how = random.randrange(5)
    if how == 0:
        odd_mask(folder, random)
    elif how == 1:
        (folder / random.choice(("images", "masks", "."))).joinpath(random.choice(("._0.png", ".DS_Store", "x.txt"))
                                                                     ).write_bytes(random.randbytes(20))  # fmt: skip
    else:
        path.write_bytes(mutated(path.read_bytes(), random))
    try:
        data = Folder(folder)
        samples = [data[i] for i in range(len(data))]
    except Exception as error:
        finding = unclear(error, [str(folder), *(p.name for p in paths)])
        return finding if how != 1 else f"a stray file broke the set: {error}"
    for sample in samples:
        known = sample.labels[sample.labels != 255]
        if len(known) and not 0 <= int(known.min()) <= int(known.max()) < data.num_classes:
            return f"a label that is no class: {known.unique().tolist()}"
        if not sample.image.isfinite().all() or sample.image.min() < 0 or sample.image.max() > 1:
            return "a picture outside 0–1"
        stem = sample.name.rsplit("/", 1)[-1]
        if how == 1 and stem.isdigit() and not np.array_equal(sample.labels.numpy(), masks[int(stem)]):
            return "a stray file changed the labels"
    return ""


def _archive(path: Path, random: Random, good: dict[str, bytes]) -> None:
    names = list(good.items())
    if random.random() < 0.4:
        away = str(path.parent / "away")
        evil = random.choice(("../evil", away, "a/../../evil", "..\\evil", "C:/evil", "", "a\0b"))
        names.insert(random.randrange(len(names)), (evil, b"evil"))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in names:
                archive.writestr(name or "x/", content)
        return
    with tarfile.open(path, random.choice(("w", "w:gz", "w:xz"))) as archive:
        for name, content in names:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if content == b"evil" and random.random() < 0.5:
                info.type, info.linkname, info.size = random.choice((tarfile.SYMTYPE, tarfile.LNKTYPE)), "/etc", 0
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)


def archives(folder: Path, random: Random) -> str:
    """Archives with evil names and other bytes: whole files below the folder, or none of this name at all."""
    good = {f"set/{k}.bin": random.randbytes(random.randrange(400)) for k in range(5)}
    path, out = folder / random.choice(("a.tar", "a.zip")), folder / "in" / "out"
    _archive(path, random, good)
    if random.random() < 0.8:
        path.write_bytes(mutated(path.read_bytes(), random))
    (folder / "in").mkdir()
    try:
        unpack(path, out, limit=1 << 20)
        finding = ""
    except Exception as error:
        finding = refused(error, path)
    outside = [p for p in folder.rglob("*") if p.is_file() and out not in p.parents and p != path]
    if outside:
        return f"written outside the folder: {outside}"
    checked = path.suffix == ".zip"  # a plain tar has no sums of what its files hold
    for file in out.rglob("*"):
        name = file.relative_to(out).as_posix()
        if file.is_symlink() or (checked and file.is_file() and name in good and file.read_bytes() != good[name]):
            return f"{name} is not what was packed"
    return finding


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def notebooks(folder: Path, random: Random) -> str:
    """Notebooks whose JSON has something else somewhere, or is cut: marks from 0 to all, or one clear error."""
    from segkit.grading import grade_notebook

    path = folder / f"{random.choice(('ch01', 'other'))}.ipynb"
    answer = "def pixel_accuracy(matrix):\n    return matrix.trace() / matrix.sum()"
    rest = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "id": "a"}
    cells = [{**rest, "source": text} for text in ("x = 1", answer)]
    notebook: Any = {"cells": cells, "metadata": {"segkit": {"assignment": "ch01"}}, "nbformat": 4, "nbformat_minor": 5}
    for _ in range(random.randint(1, 3)):
        place, key = random.choice(list(_places(notebook)))
        place[key] = random.choice((*ODD, {"cells": []}, ["x"], "import os; os._exit(7)", "raise SystemExit"))
    text = json.dumps(notebook).encode()
    path.write_bytes(mutated(text, random) if random.random() < 0.7 else text)
    try:
        read_notebook(path)
        graded = grade_notebook(path, time_limit=2.0) if random.random() < 0.2 else None
    except Exception as error:
        return refused(error, path)
    if graded is not None and not (0 <= graded.points <= graded.out_of == sum(ASSIGNMENTS[graded.assignment].values())):
        return f"marks {graded.points} of {graded.out_of}"
    return ""


KINDS: dict[str, Kind] = {"weights": weights, "checkpoints": checkpoint, "pictures and labels": labels,
                          "archives": archives, "notebooks": notebooks}  # fmt: skip


def case(kind: str, seed: int, folder: Path) -> str:
    """The finding of one mutated file, or ""."""
    home = folder / f"{kind.replace(' ', '-')}-{seed}"
    home.mkdir(parents=True)
    return KINDS[kind](home, Random(f"{kind} {seed}"))
