"""The same seed gives the same bits: on this machine, with any workers, with and without the CPU's vector units."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import segkit.data.street
from segkit.data import Sample, collate
from segkit.data.street import DOMAINS, StreetScenes

CASES = [  # split, size, seed, domain, index
    ("train", (96, 128), 0, "day", 0),
    ("train", (96, 128), 0, "day", 1999),
    ("val", (61, 83), 7, "dusk", 3),
    ("test", (192, 256), 0, "fog", 12),
    ("train", (128, 256), 123456789, "foreign", 5),
]
GOLDEN = Path(__file__).with_name("street_golden.json")


def digest(sample: Sample) -> str:
    """SHA-256 over all maps, in a fixed byte order."""
    total = hashlib.sha256()
    for field, kind in (("image", "<f4"), ("labels", "<i8"), ("instances", "<i8"), ("depth", "<f4"),
                        ("next_image", "<f4"), ("flow", "<f4")):  # fmt: skip
        total.update(np.ascontiguousarray(getattr(sample, field).numpy().astype(kind)).tobytes())
    return total.hexdigest()


def lit() -> str:
    """One more, with the knob `light`."""
    return digest(StreetScenes("val", size=(61, 83), light=1.5, motion=True)[7])


def digests() -> dict[str, str]:
    """What this machine makes of every case."""
    found = {}
    for split, size, seed, domain, index in CASES:
        data = StreetScenes(split, size=size, seed=seed, domain=domain, motion=True)
        found[f"{domain}/{split}/{size[0]}x{size[1]}/{seed}/{index}"] = digest(data[index])
    found["light 1.5"] = lit()
    return found


def test_scenes_are_bit_for_bit_those_of_the_golden_file() -> None:
    """If you changed what scenes look like on purpose: python tests/data/test_street_stability.py writes the file anew.

    Every trained network and recorded table in the course rests on these pictures, so they must be made anew too.
    """
    assert digests() == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_vector_units_make_no_difference() -> None:
    """numpy picks other machine code for other CPUs; with all of it switched off the bits are the same."""
    features = "from numpy._core import _multiarray_umath as m; f = m.__cpu_features__;"
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
        [sys.executable, "-c", features + f"assert not any(f[k] for k in {names}), f; import runpy, json;"
         f"print(json.dumps(runpy.run_path({__file__!r})['digests']()))"],
        capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(names)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_workers_order_and_history_make_no_difference() -> None:
    data = StreetScenes(length=8, size=(48, 64), motion=True)
    alone = [digest(data[i]) for i in (5, 2, 7, 0, 1, 6, 4, 3)]
    alone = [alone[k] for k in (3, 4, 1, 7, 6, 0, 5, 2)]  # back into order
    for workers in (0, 2):
        loaded = []
        for batch in DataLoader(data, batch_size=4, num_workers=workers, collate_fn=collate):
            for n in range(4):
                fields = ("image", "labels", "instances", "depth", "next_image", "flow")
                loaded.append(digest(Sample(**{f: getattr(batch, f)[n] for f in fields})))
        assert loaded == alone


def test_global_random_state_is_neither_used_nor_touched() -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    before = (np.random.get_state()[1].tolist(), torch.get_rng_state())
    first = StreetScenes()[3]
    assert np.random.get_state()[1].tolist() == before[0] and torch.equal(torch.get_rng_state(), before[1])
    np.random.seed(2)
    torch.manual_seed(2)
    assert torch.equal(first.image, StreetScenes()[3].image)


def test_splits_seeds_and_domains_share_no_scene() -> None:
    seen = set()
    total = 0
    for split in ("train", "val", "test"):
        for seed in (0, 1):
            for domain in DOMAINS:
                data = StreetScenes(split, size=(32, 32), length=10, seed=seed, domain=domain)
                for i in range(10):
                    street = data.scene(i).street
                    seen.add((street.focal, street.half_width, street.cx))
                    total += 1
    assert len(seen) == total


# What numpy computes by a rule that IEEE 754 does not fix to the last bit, or in an order that may depend on the CPU.
FORBIDDEN = {
    "sin", "cos", "tan", "exp", "exp2", "log", "log2", "log10", "power", "float_power", "hypot", "arctan2", "tanh",
    "dot", "matmul", "einsum", "tensordot", "vdot", "inner", "sum", "mean", "std", "var", "cumsum", "prod", "interp",
    "convolve", "linalg", "fft", "average", "trapezoid", "nansum", "cbrt", "default_rng", "random_sample", "normal",
}  # fmt: skip


def test_the_renderer_uses_exact_operations_only() -> None:
    """+, −, ×, ÷, √, comparisons, look-ups: no **, no @, no sums of floats, no transcendental functions."""
    folder = Path(segkit.data.street.__file__).parent
    checked = 0
    for file in sorted(folder.glob("*.py")):
        if file.name == "__main__.py":  # draws the sheet, makes no data
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            where = f"{file.name}:{getattr(node, 'lineno', 0)}"
            assert not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.MatMult))), where
            assert not (isinstance(node, ast.Attribute) and node.attr in FORBIDDEN), f"{where}: {node.attr}"
            assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"sum", "pow"}), where
            checked += 1
    assert checked > 5000


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")
