"""`segkit predict`: a picture of any size in, or a folder of them; the same with its labels over it out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from segkit.checks import whole
from segkit.cli.outputs import (
    Job,
    Shares,
    by,
    figures_file,
    legend_file,
    plan,
    write_labels,
    write_legend,
    write_overlay,
    write_shares,
)  # fmt: skip
from segkit.cli.runs import find_weights
from segkit.cli.street import OURS
from segkit.crf import DenseCRF
from segkit.data.files import faint, header_size, open_picture, to_pixels
from segkit.inference import MultiScale, Segmenter
from segkit.models import load, read_header
from segkit.training import pick_device
from segkit.viz import default_palette

_ALIKE = 1.5  # times as large as in training, or as small: what scaling in training makes up for
_CRF_MOST = 120_000_000  # scores of one picture that the CRF is asked to sharpen: about 5 GiB


class Kit(NamedTuple):
    """What segments, and what its classes are called and look like."""

    segment: Segmenter
    classes: tuple[str, ...]
    palette: np.ndarray
    name: str
    streets_only: bool
    short_side: int | None = None  # of the pictures it was trained on, where pictures come in with their own size


def predict(o: argparse.Namespace) -> int:
    """Run the command; 0 when every picture was segmented."""
    if not 0 <= o.alpha <= 1:
        raise ValueError(f"--alpha {o.alpha} is not a share; give 0 (picture alone) to 1 (colours alone)")
    jobs = plan(o.picture, o.output, o.labels, (o.json, o.csv, o.legend))
    key = legend_file(o.legend) if o.legend else None
    for flag, name, column in (("--json", o.json, "pictures"), ("--csv", o.csv, "picture")):
        if name:
            figures_file(flag, name, column)
    single = not Path(o.picture).is_dir()
    if single:
        open_picture(o.picture)  # what is wrong with it is said before anything is loaded
    kit = _kit(o)
    if kit.streets_only and not all(by(OURS, job.picture) for job in jobs):
        tqdm.write(
            f"segkit predict: note: {kit.name} was trained on made-up streets and knows nothing else; for photographs "
            "take --pretrained, and `segkit street` writes such a street",
            file=sys.stderr,
        )
    if kit.short_side:
        _compare_sizes(kit.name, kit.short_side, jobs)
    found: list[Shares] = []
    for job in tqdm(jobs, desc="predict", unit="picture", disable=single):
        try:
            found.append(_one(job, kit, o.alpha, "predict" if single else None))
        except (ValueError, OSError) as error:
            if single:
                raise
            tqdm.write(f"segkit predict: {error}", file=sys.stderr)
        else:
            tqdm.write(str(found[-1]))
    if key:
        write_legend(kit.classes, kit.palette, key)
    write_shares(found, {"model": kit.name, "classes": list(kit.classes)}, o.json, o.csv)
    if not single:
        print(f"{len(found)} of {len(jobs)} pictures segmented; see {jobs[0].overlay.parent}")
    return int(len(found) < len(jobs))


def _compare_sizes(model: str, trained: int, jobs: Sequence[Job]) -> None:
    """Say it if pictures are much larger or smaller than those of the training."""
    ratios = {}
    for job in jobs:
        with suppress(OSError, ValueError):  # what cannot be read is said when its turn comes
            ratios[job] = min(header_size(job.picture)) / trained
    far = [job for job, ratio in ratios.items() if not 1 / _ALIKE <= ratio <= _ALIKE]
    if not far:
        return
    ratio = ratios[far[0]]
    others = f" ({len(far)} of {len(jobs)} pictures differ)" if far[1:] else ""
    tqdm.write(
        f"segkit predict: note: {far[0].picture}: its short side is {ratio:.2g} times that of the pictures "
        f"{model} was trained on{others}; with --short-side {trained} it sees things at the size it knows",
        file=sys.stderr,
    )


def _one(job: Job, kit: Kit, alpha: float, bar: str | None) -> Shares:
    picture = open_picture(job.picture)
    image = to_pixels(picture, job.picture)  # 3, H, W
    if dim := faint(picture.mode, float(image.max())):
        tqdm.write(f"segkit predict: note: {job.picture}: {dim}", file=sys.stderr)
    labels = kit.segment(image, bar).cpu()  # H, W
    write_overlay(image, labels, kit.palette, alpha, job.overlay)
    if job.labels:
        write_labels(labels, kit.palette, job.labels)
    counts = torch.bincount(labels.flatten(), minlength=len(kit.classes))
    return Shares(job, dict(zip(kit.classes, (counts / labels.numel()).tolist(), strict=True)))


def _kit(o: argparse.Namespace) -> Kit:
    device = pick_device(o.device)
    short_side = None if o.short_side is None else whole(o.short_side, "--short-side", "segkit predict", 0)
    tile = None if o.tile is None else whole(o.tile, "--tile", "segkit predict", 0)
    options: dict[str, Any] = {"picture_max": 1}
    streets_only, trained = False, None
    if o.pretrained:
        from segkit.cli.pretrained import DEFAULT, pretrained

        name = o.model or DEFAULT
        network: nn.Module
        network, classes, palette, usual = pretrained(name)
        short_side = usual if short_side is None else short_side
    else:
        path = _weights(o.model)
        network, header, name = load(path), read_header(path), str(path)
        count = header["config"]["num_classes"]
        classes = tuple(header.get("classes") or (f"class {k}" for k in range(count)))
        palette = np.array(header.get("palette", default_palette(count)), np.uint8)
        options |= header.get("crf", {})
        streets_only = header.get("data") == "street"
        trained = header.get("short_side") if short_side is None else None
    options |= o.crf or {}
    if len(classes) > 255:
        raise ValueError(f"{name} has {len(classes)} classes; a label map has one byte a pixel, and 255 is void")
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if o.scales or o.flip:
        network = MultiScale(network, o.scales or (1.0,), o.flip)
    refine = partial(_sharpen, DenseCRF(**options), bool(o.scales or o.flip)) if o.crf is not None else None
    return Kit(Segmenter(network, short_side or None, tile, refine), classes, palette, name, streets_only, trained)


def _weights(run: str | None) -> Any:
    try:
        return find_weights(run)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; or add --pretrained for torchvision's networks") from None


def _sharpen(crf: DenseCRF, probabilities: bool, scores: Tensor, pictures: Tensor) -> Tensor:
    """Scores 1×K×h×w after the CRF."""
    if scores.numel() > _CRF_MOST:
        h, w = scores.shape[-2:]
        raise ValueError(
            f"--crf on {w}×{h} pixels and {scores.shape[1]} classes takes more than 5 GiB; let the network and the CRF "
            "see a smaller picture with --short-side 1000"
        )
    return crf(scores.clamp_min(1e-8).log() if probabilities else scores, pictures)
