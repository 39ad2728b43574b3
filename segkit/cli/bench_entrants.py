"""What `segkit bench` measures: the course's models, trained weights, and networks of other libraries."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from segkit.cli.runs import data_of, find_weights, first, model_option, same_classes
from segkit.data import create as create_data
from segkit.data.street import CLASSES
from segkit.models import available, create, load, options, read_header, torchvision_options


@dataclass(frozen=True)
class Entrant:
    """A network under the name that its row has.

    Args:
        name: of the row.
        model: what it is, JSON.
        make: builds it.
        compiled: by torch.compile.
        peer: of another library; it is trained as its users would, in a plain loop.
        data: what it is scored on, JSON; empty where it is not.
        pictures: these, as a data set.
    """

    name: str
    model: dict[str, Any]
    make: Callable[[], nn.Module]
    compiled: bool = False
    peer: bool = False
    data: dict[str, Any] = field(default_factory=dict)
    pictures: Any = None


class Pair(NamedTuple):
    """A model of ours, and the network of another library that is like it."""

    ours: str
    options: dict[str, Any]
    module: str
    theirs: str
    choices: dict[str, Any]
    classes: str  # what the library calls the number of classes

    @property
    def title(self) -> str:
        return f"{self.module.partition('.')[0]} {self.theirs}"


_TORCHVISION = ("torchvision.models.segmentation", {"weights": None, "weights_backbone": None, "aux_loss": False})
_SMP = "segmentation_models_pytorch"
PAIRS = (  # torchvision's are the same networks, weight for weight; smp's decoders differ
    *(Pair(ours, {**more, "aux": False}, _TORCHVISION[0], theirs, _TORCHVISION[1], "num_classes")
      for theirs in ("fcn_resnet50", "deeplabv3_resnet50") for ours, more in (torchvision_options(theirs),)),
    Pair("unet", {"encoder": "resnet18", "decoder_channels": (256, 128, 64, 32, 16)}, _SMP, "Unet",
         {"encoder_name": "resnet18", "encoder_weights": None}, "classes"),
    Pair("deeplab_v3plus", {"encoder": "resnet50"}, _SMP, "DeepLabV3Plus",
         {"encoder_name": "resnet50", "encoder_weights": None}, "classes"),
)  # fmt: skip


def entrants(o: argparse.Namespace) -> list[list[Entrant]]:
    """What the command line asks for, in groups that take turns; the others of a group are compared with its first."""
    words = list(dict.fromkeys(o.models)) or ([] if o.weights else available())
    groups = [[_course(word, o.width, o.training)] for word in words] + [[found] for found in _trained(o)]
    found = list(_pairs([word.partition(":")[0] for word in words], bool(o.models))) if o.peers else []
    if o.training and o.peers:  # what is compared there is one loop with another
        groups = []
    named = Counter(e.name for group in (*groups, *found) for e in group)
    if twice := [name for name, count in named.items() if count > 1]:
        raise ValueError(f"two networks would have one name, {twice[0]}; rename the file or folder of one of them")
    return [_each_compiled(group) if o.compiled else group for group in (*groups, *found)]


def _each_compiled(group: list[Entrant]) -> list[Entrant]:
    return [
        new for e in group for new in (e, dataclasses.replace(e, name=f"{e.name} compiled", compiled=True, data={}))
    ]


def _course(word: str, width: int | str, training: bool = False) -> Entrant:
    """A model, with its options after colons: ddrnet:base=39. An answer needs no auxiliary scores."""
    name, *texts = word.split(":")
    known = options(name)
    usual = {"width": known.get("width") if width == "paper" else width, "batch_norm": True}
    usual |= {} if training else {"aux": False}
    chosen = {key: value for key, value in usual.items() if key in known}
    given = dict(model_option(word, text, known, f"{next(iter(known))}=…") for text in texts)
    if unknown := sorted(given.keys() - known.keys()):
        raise ValueError(f"{name} takes no option {', '.join(unknown)}; it takes {', '.join(known)}")
    chosen |= given
    make = functools.partial(create, name, len(CLASSES), **chosen)
    if texts:
        with torch.device("meta"):  # an error before anything long begins
            make()
    return Entrant(word, {"name": name, **json.loads(json.dumps(chosen))}, make)


def _pairs(names: list[str], asked: bool) -> Iterator[list[Entrant]]:
    """Ours at the paper's width beside theirs, where theirs can be imported."""
    fitting = [pair for pair in PAIRS if pair.ours in names]
    if asked and (alone := set(names) - {pair.ours for pair in fitting}):
        print(f"no library here has a network like {', '.join(sorted(alone))}", file=sys.stderr)
    for pair in fitting:
        try:
            make = getattr(importlib.import_module(pair.module), pair.theirs)
        except ImportError as error:
            print(f"{pair.title} is left out: {error}", file=sys.stderr)
            continue
        K = len(CLASSES)
        ours, name = {"name": pair.ours, **pair.options}, f"{pair.ours} like {pair.title.partition(' ')[2]}"
        theirs = {"library": pair.module.partition(".")[0], "name": pair.theirs, **pair.choices}
        yield [
            Entrant(name, ours, functools.partial(create, pair.ours, K, **pair.options)),
            Entrant(pair.title, theirs, functools.partial(make, **pair.choices, **{pair.classes: K}), peer=True),
        ]


def _trained(o: argparse.Namespace) -> Iterator[Entrant]:
    for path in (path for given in o.weights or () for path in _files(given)):
        header, name = read_header(path), path.parent.name if path.stem == "weights" else path.stem
        data = data_of(o.data, header, path)
        whole = create_data(data, split=None)
        same_classes(path, header, data, whole)
        pictures = first(whole, o.limit)
        scored = {"set": data, "split": whole.split, "test": len(pictures)}
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        model = {**header["config"], "weights": name, "sha256": digest}
        yield Entrant(name, model, functools.partial(load, path), data=scored, pictures=pictures)


def _files(given: str) -> list[Path]:
    """The weights that a file, the folder of a run, or a folder of weights holds."""
    folder = Path(given)
    several = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    run = {"weights.safetensors", "checkpoint.safetensors"} & {path.name for path in several}
    return several if several and not run else [find_weights(given)]
