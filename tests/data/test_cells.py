"""Made-up cells: the same bits everywhere, labels and instances that agree, and looks that are worth learning from."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.utils.data import DataLoader

import segkit.data.cells
from segkit.data import Cells, Sample, collate, create
from segkit.metrics import CellScores, label_components
from segkit.training import separate
from tests.data.test_street_stability import FORBIDDEN

CASES = [  # kind, split, size, seed, index
    ("nuclei", "train", (128, 128), 0, 0),
    ("nuclei", "train", (128, 128), 0, 1999),
    ("nuclei", "val", (61, 83), 7, 3),
    ("membranes", "train", (128, 128), 0, 0),
    ("membranes", "test", (256, 96), 0, 12),
    ("membranes", "val", (33, 47), 123456789, 5),
]
GOLDEN = Path(__file__).with_name("cells_golden.json")
KINDS = pytest.mark.parametrize("kind", ["nuclei", "membranes"])


def digest(sample: Sample) -> str:
    """SHA-256 over all maps, in a fixed byte order."""
    total = hashlib.sha256()
    for field, kind in (("image", "<f4"), ("labels", "<i8"), ("instances", "<i8")):
        total.update(np.ascontiguousarray(getattr(sample, field).numpy().astype(kind)).tobytes())
    return total.hexdigest()


def digests() -> dict[str, str]:
    """What this machine makes of every case."""
    return {
        f"{kind}/{split}/{size[0]}x{size[1]}/{seed}/{i}": digest(Cells(split, size, kind, seed=seed)[i])
        for kind, split, size, seed, i in CASES
    }


def test_pictures_are_bit_for_bit_those_of_the_golden_file() -> None:
    """If you changed what cells look like on purpose: python -m tests.data.test_cells writes the file anew."""
    assert digests() == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_vector_units_make_no_difference() -> None:
    features = "from numpy._core import _multiarray_umath as m; f = m.__cpu_features__;"
    root = Path(__file__).parents[2]
    listed = subprocess.run(
        [sys.executable, "-c", features + "print([k for k in m.__cpu_dispatch__ if f.get(k)])"],
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this numpy does not tell which CPU features it uses")
    names = ast.literal_eval(listed.stdout)
    if not names:
        pytest.skip("this CPU has no vector units that numpy could do without")
    run = subprocess.run(
        [sys.executable, "-c", features + f"assert not any(f[k] for k in {names}), f; import json;"
         "from tests.data.test_cells import digests; print(json.dumps(digests()))"],
        capture_output=True, text=True, encoding="utf-8", cwd=root,
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(names)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_renderer_uses_exact_operations_only() -> None:
    checked = 0
    for file in sorted(Path(segkit.data.cells.__file__).parent.glob("*.py")):
        if file.name == "__main__.py":  # draws the sheet, makes no data
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            where = f"{file.name}:{getattr(node, 'lineno', 0)}"
            assert not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.MatMult))), where
            assert not (isinstance(node, ast.Attribute) and node.attr in FORBIDDEN), f"{where}: {node.attr}"
            assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"sum", "pow"}), where
            checked += 1
    assert checked > 2000


@KINDS
def test_workers_order_cache_and_global_random_state_make_no_difference(kind) -> None:
    np.random.seed(1)
    data = Cells(kind=kind, length=6, size=(48, 64))
    alone = {i: digest(data[i]) for i in (5, 2, 0, 1, 4, 3)}
    np.random.seed(2)
    torch.manual_seed(2)
    kept = Cells(kind=kind, length=6, size=(48, 64), cache=True)
    for workers in (0, 2):
        for k, batch in enumerate(DataLoader(kept, batch_size=3, num_workers=workers, collate_fn=collate)):
            for n in range(3):
                made = Sample(batch.image[n], batch.labels[n], batch.instances[n])
                assert digest(made) == alone[3 * k + n]
    assert kept[2] is kept[2] and digest(kept[-1]) == alone[5]


@KINDS
@pytest.mark.parametrize("size", [(32, 32), (61, 83), (128, 128), (40, 200)])
def test_samples_keep_the_contract(kind, size) -> None:
    data = create("cells", "val", kind=kind, size=size, length=12)
    assert len(data) == 12 and data.num_classes == len(data.classes) == len(data.palette) == 2
    for s in (data[i] for i in range(12)):
        assert s.image.shape == (3, *size) and s.image.dtype == torch.float32
        assert s.image.min() >= 0 and s.image.max() <= 1 and torch.equal(s.image[0], s.image[2])
        assert s.labels.shape == s.instances.shape == size and s.labels.dtype == s.instances.dtype == torch.int64
        assert torch.equal(s.labels == 1, s.instances > 0) and set(s.labels.unique().tolist()) <= {0, 1}
        ids = s.instances.unique()
        assert torch.equal(ids[ids > 0], torch.arange(1, int(ids.max()) + 1))  # 1, 2, … without gaps
        assert s.name.startswith(f"cells/{kind}/val/")


def test_classes_are_those_of_the_real_sets() -> None:
    from segkit.data import ISBI2012, Nuclei

    assert Cells(kind="nuclei").classes == Nuclei.classes and Cells(kind="membranes").classes == ISBI2012.classes


def test_splits_seeds_and_kinds_share_no_picture() -> None:
    seen = [
        digest(Cells(split, (32, 48), kind, seed=seed)[i])
        for split in ("train", "val", "test") for kind in ("nuclei", "membranes") for seed in (0, 1) for i in range(5)
    ]  # fmt: skip
    assert len(set(seen)) == len(seen) == 60


def test_nuclei_touch_so_that_components_merge_them_and_a_gap_tells_them_apart() -> None:
    merged, apart = CellScores(), CellScores(zero="nearest")
    for s in Cells("test", length=20):
        merged.update(label_components(s.labels == 1), s.instances)
        apart.update(label_components(separate(s.labels, s.instances)[0] == 1), s.instances)
    assert merged.summary()["merges"] > 40 and merged.summary()["recall"] < 0.5
    assert apart.summary()["merges"] == 0 and apart.summary()["f1"] > 0.98 and apart.summary()["rand"] > 0.95


def test_membranes_are_thin_closed_and_darker_than_cells_and_a_threshold_does_not_do() -> None:
    share, scores = [], CellScores()
    for s in Cells("test", kind="membranes", length=20):
        assert torch.equal(label_components(s.labels == 1), s.instances)
        picture, inside = s.image[0].numpy(), s.labels.numpy() == 1
        assert picture[inside].mean() > picture[~inside].mean() + 0.15
        assert ndimage.distance_transform_edt(~inside).max() < 12
        share.append(inside.mean())
        scores.update(label_components(torch.from_numpy(ndimage.gaussian_filter(picture, 1) > 0.5)), s.instances)
    assert 0.72 < np.mean(share) < 0.84  # ISBI 2012 has 0.78
    assert scores.summary()["rand"] < 0.9


@KINDS
def test_a_larger_picture_shows_more_cells_of_the_same_size(kind) -> None:
    def typical(side: int) -> tuple[float, float]:
        areas = [np.bincount(s.instances.numpy().ravel())[1:] for s in Cells("val", (side, side), kind, length=8)]
        return float(np.mean([len(a) for a in areas])), float(np.median(np.concatenate(areas)))

    (few, area), (many, same) = typical(96), typical(192)
    assert many > 2.2 * few and 0.75 < same / area < 1.45


@KINDS
def test_pictures_are_made_fast(kind) -> None:
    """At least 100 of 128×128 a second and core are meant; half of that passes here, as other processes may run."""
    data = Cells(kind=kind)
    data[0]
    start = time.process_time()
    for i in range(20):
        data[i]
    assert (time.process_time() - start) / 20 < 0.02


def test_wrong_options_are_named() -> None:
    for options, error, words in (
        ({"split": "holiday"}, ValueError, "split='holiday'; it takes 'train', 'val', 'test'"),
        ({"kind": "bones"}, ValueError, "kind='bones'; it takes 'nuclei', 'membranes'"),
        ({"size": (31, 64)}, ValueError, r"size\[0\] \(height\)=31"),
        ({"size": 64}, TypeError, r"size=64; it takes \(height, width\)"),
        ({"size": (64.0, 64)}, TypeError, "64.0"),
        ({"length": -1}, ValueError, "length=-1"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"seed": True}, TypeError, "seed=True"),
    ):
        with pytest.raises(error, match=words):
            Cells(**options)
    with pytest.raises(IndexError, match="pictures 0 to 199; got 200"):
        Cells("val")[200]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")
