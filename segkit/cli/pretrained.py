"""torchvision's published segmentation networks: fetched, checked, and put into ours.

Where the weights are and what they hash to is what torchvision says. They are kept where torch keeps its own (the
folder checkpoints/ of torch.hub.get_dir(), which TORCH_HOME moves): what torchvision has fetched is not fetched again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import torch

from segkit.data.fetch import DownloadError, fetch
from segkit.data.voc import VOC2012
from segkit.inference import Normalised
from segkit.models import create, load_torchvision_segmentation, torchvision_options

NETWORKS = {  # the name that --model takes → torchvision's
    "deeplab_v3": "deeplabv3_resnet50",
    "deeplab_v3_resnet101": "deeplabv3_resnet101",
    "fcn_resnet": "fcn_resnet50",
    "fcn_resnet101": "fcn_resnet101",
}
DEFAULT = "deeplab_v3"
_DIGITS = re.compile(r"-([0-9a-f]{8,64})\.pth$")  # the first digits of the SHA-256, at the end of a file's name


class Source(NamedTuple):
    """Published weights: where they are, for which network, and how its pictures are to be prepared."""

    url: str
    megabytes: float
    model: str
    options: dict[str, Any]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    short_side: int


class Pretrained(NamedTuple):
    """A network that is ready for pictures in 0–1, and what its classes are called and look like."""

    network: Normalised
    classes: tuple[str, ...]
    palette: np.ndarray
    short_side: int


def source(name: str) -> Source:
    """What torchvision says about the weights of that name (a key of `NETWORKS`), VOC's 21 classes.

    Raises:
        ValueError: no weights are published under that name.
    """
    if name not in NETWORKS:
        raise ValueError(
            f"torchvision publishes no segmentation weights for {name!r}; --pretrained knows {', '.join(NETWORKS)}"
        )
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(NETWORKS[name])["COCO_WITH_VOC_LABELS_V1"]
    prepared = weights.transforms()
    model, options = torchvision_options(NETWORKS[name])
    megabytes = weights.meta["_file_size"] * 2**20 / 1e6
    mean, deviation = tuple(prepared.mean), tuple(prepared.std)
    return Source(weights.url, megabytes, model, options, mean, deviation, prepared.resize_size[0])


def pretrained(name: str = DEFAULT, quiet: bool = False) -> Pretrained:
    """torchvision's network of that name, from its cache or the network.

    Args:
        name: a key of `NETWORKS`.
        quiet: no progress bar.

    Raises:
        ValueError: there is no such network, or its weights do not fit.
        OSError: the weights cannot be fetched, or are not the ones that were published.
    """
    stated = source(name)
    path = download(stated, name, quiet)
    model = create(stated.model, VOC2012.num_classes, **stated.options)
    state = torch.load(path, map_location="cpu", weights_only=True)  # numbers alone: nothing in the file is run
    load_torchvision_segmentation(model, state)
    network = Normalised(model.eval(), stated.mean, stated.deviation)
    return Pretrained(network.eval(), VOC2012.classes, VOC2012.palette, stated.short_side)


def download(stated: Source, name: str, quiet: bool = False) -> Path:
    """The file of the weights, checked against the digits in its name; an interrupted download goes on.

    Raises:
        OSError: no answer, no room on the disk, or another file than the one that was published.
    """
    file = Path(urlsplit(stated.url).path).name
    digits = _DIGITS.search(file)
    if digits is None:
        raise OSError(f"{file} does not end in the digits of its hash, so it cannot be checked; update torchvision")
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if not quiet and not path.exists():
        print(f"fetching torchvision's weights for {name} ({stated.megabytes:.0f} MB, once) to {path}", flush=True)
    bar = None if quiet else name
    try:
        return fetch(stated.url, path, sha256=digits[1], bar=bar, attempts=3, timeout=10.0, pause=0.25)
    except DownloadError as error:
        raise OSError(
            f"could not get torchvision's weights for {name} ({stated.megabytes:.0f} MB): {error} Connect to the "
            f"network and repeat the command, or put {file} into {path.parent}"
        ) from None
