"""The course's own networks as ONNX files for the browser, what a page must know of them, and streets to begin with.

`export(folder)` fills a folder of static files:

    networks/NAME.onnx      one network; height and width of the picture are open
    networks/networks.js    window.segkitNetworks: classes, palette, sizes, scores and origin of each, and three streets
    networks/still.png      what the page shows before anything is loaded
    ort/                    onnxruntime-web, which runs them
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import inspect
import io
import itertools
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.export import Dim
from vendor import vendor

import segkit
from segkit.data import StreetScenes
from segkit.explore.lineage import shipped
from segkit.files import write_bytes
from segkit.models import Model, load, read_header
from segkit.viz import overlay, to_picture

COURSE = Path(__file__).resolve().parents[1] / "course"
RUNTIME = {  # of its builds the one for the processor alone: the others are larger, and small networks gain nothing
    "name": "onnxruntime-web",
    "version": "1.30.0",
    "sha512": "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
}
RUNTIME_FILES = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
CHAPTERS = {  # where a network is built, by the beginning of its file's name; the longest that fits counts
    "fcn": "04", "segnet": "05", "unet": "05", "dilated": "06", "deeplab_v1": "07", "deeplab_v2": "08",
    "parsenet": "08", "pspnet": "08", "deeplab_v3": "09", "deeplab_v3plus": "11",
}  # fmt: skip
SIZE = (96, 128)  # of the streets in training
LEAST, MOST = 48, 1 << 20  # pixels: the shortest side that an exported network takes; what the page lets it see at most
FIRST = "unet"  # the network that the page opens with
STREETS = {"day": ("By day", 2), "dusk": ("At dusk", 2), "fog": ("In fog", 2), "foreign": ("Another country", 7)}
_SMALL = 64  # numbers below which packing a tensor saves nothing
_MADE = "segkit.made"  # under which a file says what it was made from


def export(folder: Path) -> None:
    """Write everything that the page needs; a network that is there already, from the same weights, is not made again.

    Raises:
        FileNotFoundError: the course's weights are missing. vendor.NotToBeHad: there is no npm, or no network.
    """
    vendor(**RUNTIME, files={f"dist/{name}": name for name in RUNTIME_FILES}, folder=folder / "ort")
    export_networks(folder)


def export_networks(folder: Path) -> dict[str, Path]:
    """All of `export` but the runtime; gives the files by the names of the networks."""
    out = folder / "networks"
    out.mkdir(parents=True, exist_ok=True)
    files = shipped(COURSE / "weights")
    if not files:
        raise FileNotFoundError(f"there is no lineage_*.safetensors in {COURSE / 'weights'}; get the whole course")
    written = {}
    for name, weights in files.items():
        written[name] = out / f"{_key(weights)}.onnx"
        made = _digest(weights)
        if not _is_from(written[name], made):
            write_bytes(to_onnx(load(weights), made), written[name])
    known = [_facts(name, weights, written[name]) for name, weights in files.items()]
    first = load(next(path for path in files.values() if _key(path) == FIRST))
    facts = {
        "networks": known, "first": FIRST, "least": LEAST, "most": MOST, "trained": min(SIZE),
        "runtime": {"version": RUNTIME["version"], "files": _sizes(folder / "ort")}, "streets": _streets(first),
    }  # fmt: skip
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    write_bytes(f"window.segkitNetworks = {text};\n".encode(), out / "networks.js")
    write_bytes(_still(first), out / "still.png")
    return written


def to_onnx(model: Model, made: str = "") -> bytes:
    """A network as ONNX: "picture" 1×3×H×W in 0–1 → "logits" 1×K×H×W.

    Numbers that 16 bits hold exactly are stored in 16 and widened when the file is loaded. The course ships its weights
    in 16 bits, so this halves the file and changes no logit. For that the BatchNorms stay layers of their own (torch's
    whole optimisation would fold them into the convolutions); the runtime folds them.
    """
    from onnxscript import optimizer

    sizes = ({2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
    picture = torch.zeros(1, 3, *SIZE)
    with segkit.use_engine("native"), _quiet():
        found = torch.onnx.export(
            model.eval().requires_grad_(False), (picture,), dynamo=True, dynamic_shapes=sizes, verbose=False,
            optimize=False, input_names=["picture"], output_names=["logits"],
        )  # fmt: skip
        assert found is not None
        optimizer.fold_constants(found.model)  # what the runtime would have to work out at every start
        optimizer.remove_unused_nodes(found.model)
    proto = found.model_proto
    _forget(proto)
    _pack(proto)
    proto.metadata_props.add(key=_MADE, value=made)
    return bytes(proto.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own insides, which nobody here can act upon."""
    log = logging.getLogger("onnx_ir")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _forget(proto: Any) -> None:
    """Drop where in the source each node comes from: a third of a small file, and nothing to a reader."""
    for graph in (proto.graph, *proto.functions):
        for part in (graph, *graph.node, *getattr(graph, "value_info", ())):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")


def _pack(proto: Any) -> None:
    """Store tensors of 32 bits in 16 where that loses nothing, each with a node that widens it."""
    from onnx import TensorProto, helper, numpy_helper

    widen = []
    for tensor in proto.graph.initializer:
        tensor.ClearField("metadata_props")
        tensor.ClearField("doc_string")
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16) if values.dtype == np.float32 and values.size >= _SMALL else values
        if half.dtype == np.float16 and np.array_equal(half.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            widen.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*widen, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _is_from(path: Path, made: str) -> bool:
    if not path.is_file():
        return False
    import onnx

    return {"key": _MADE, "value": made} in [{"key": p.key, "value": p.value} for p in onnx.load(path).metadata_props]


def _digest(weights: Path) -> str:
    """Of all that a file depends on: the weights, the code that writes it, and torch."""
    code = "".join(inspect.getsource(function) for function in (to_onnx, _forget, _pack))
    return hashlib.sha256(weights.read_bytes() + f"{code}{torch.__version__}".encode()).hexdigest()


def _key(weights: Path) -> str:
    return weights.stem.removeprefix("lineage_")


def _facts(name: str, weights: Path, written: Path) -> dict[str, Any]:
    """What the page says of a network: all of it from the header of its weights."""
    header, key = read_header(weights), _key(weights)
    begin = max((begin for begin in CHAPTERS if key.startswith(begin)), key=len, default=None)
    page = next(COURSE.glob(f"{CHAPTERS[begin]}_*.ipynb"), None) if begin else None
    return {
        "key": key, "name": name, "bytes": written.stat().st_size,
        "chapter": CHAPTERS[begin] if begin and page else None, "page": f"{page.stem}.html" if page else None,
        "classes": header["classes"], "palette": header["palette"],
        "metrics": {k: header["metrics"][k] for k in ("mean_iou", "pixel_accuracy", "scenes")},
        "provenance": {k: header["provenance"][k] for k in ("command", "date", "commit")},
    }  # fmt: skip


def _sizes(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in RUNTIME_FILES if (folder / name).is_file()}


@functools.cache
def _street(domain: str) -> tuple[np.ndarray, Tensor]:
    """A street that no network was trained on, as a file of 8 bits holds it: H×W×3, and its true labels H×W."""
    sample = StreetScenes("test", size=SIZE, domain=domain)[STREETS[domain][1]]
    return to_picture(sample.image), sample.labels


def labels_of(network: Model, picture: np.ndarray) -> np.ndarray:
    """What torch makes of a picture H×W×3 of 8 bits: labels H×W, at the picture's own size."""
    x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255  # 1, 3, H, W
    with torch.no_grad():
        return network(x).argmax(1)[0].numpy().astype(np.uint8)


def _streets(first: Model) -> list[dict[str, Any]]:
    """Inside the script, since a page that was opened from a file may not read the pixels of another file."""
    found = []
    for domain, (title, _) in STREETS.items():
        picture, truth = _street(domain)
        data = base64.b64encode(_png(Image.fromarray(picture))).decode()
        found.append({
            "title": title, "picture": f"data:image/png;base64,{data}", "truth": _runs(truth.numpy()),
            "labels": _runs(labels_of(first, picture)),
        })  # fmt: skip
    return found


def _runs(labels: np.ndarray) -> list[list[int]]:
    """Labels row by row as [label, how many of it in succession]."""
    return [[int(label), len(list(same))] for label, same in itertools.groupby(labels.ravel())]


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return data.getvalue()


def _still(first: Model) -> bytes:
    picture, _ = _street(next(iter(STREETS)))
    mixed = Image.fromarray(overlay(picture, labels_of(first, picture), StreetScenes.palette, 0.6))
    return _png(mixed.resize((4 * mixed.width, 4 * mixed.height), Image.Resampling.NEAREST))
