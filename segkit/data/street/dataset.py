"""StreetScenes: the course's own data set, made on the spot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from segkit.checks import chosen, whole
from segkit.checks import size as checked_size
from segkit.data.made import LENGTHS, SPLITS, MadeSet
from segkit.data.sample import VOID, Sample
from segkit.data.street.classes import CLASSES, PALETTE, THINGS
from segkit.data.street.domains import DOMAINS
from segkit.data.street.knobs import Knobs
from segkit.data.street.render import Rendered, Scene, camera, exact_flow, make_scene, render


class StreetScenes(MadeSet):
    """Made-up street scenes with labels, instances, depth and, on request, a next frame with exact flow.

    Item i of a split is the same on every machine, in every process, in any order. Train, val and test never share a
    scene. The four domains show different places: "dusk" is not the same street as "day" in the evening.

    Args:
        split: "train", "val" or "test".
        size: (H, W) in pixels, each from 32 to 2048; thickness and distances go with the height.
        length: how many scenes there are; by default 2000 for training, 200 for val and for test.
        seed: another seed, another town.
        domain: "day", "dusk", "fog" or "foreign".
        thin, ambiguity, noise, shadows, objects, imbalance, light: difficulty from 0 (off) over 1 to 2, see `Knobs`.
        void_border: label 255 within this many pixels of the edge of a class or an instance.
        motion: also give `next_image` and `flow`.
        supersample: average the image (not the labels) from this many times the pixels each way; 2 is for posters.
        cache: keep each Sample in memory after it is first made; they must then not be changed in place.
        transform: called on each Sample before it is handed out.

    Attributes:
        classes, num_classes, palette, ignore_index, name: as every data set has them.
        things: the numbers of the countable classes, which have instance ids.

    Raises:
        ValueError: an option is out of range.
        TypeError: an option is of the wrong type.
    """

    classes = CLASSES
    num_classes = len(CLASSES)
    palette = PALETTE
    things = THINGS
    ignore_index = VOID
    name = "street"
    items, example = "scenes", (96, 128)

    def __init__(
        self,
        split: str = "train",
        size: tuple[int, int] = (96, 128),
        length: int | None = None,
        seed: int = 0,
        domain: str = "day",
        *,
        thin: float = 1.0,
        ambiguity: float = 1.0,
        noise: float = 1.0,
        shadows: float = 1.0,
        objects: float = 1.0,
        imbalance: float = 1.0,
        light: float = 0.0,
        void_border: int = 0,
        motion: bool = False,
        supersample: int = 1,
        cache: bool = False,
        transform: Callable[[Sample], Sample] | None = None,
    ) -> None:
        who = "StreetScenes"
        self.split = chosen(split, "split", who, SPLITS)
        self.domain = chosen(domain, "domain", who, DOMAINS)
        self.size = checked_size(size, "size", who, 32, 2048, self.example)
        self.length = LENGTHS[split] if length is None else whole(length, "length", who, 0, 1 << 31)
        self.seed = whole(seed, "seed", who, 0, 1 << 63)
        self.void_border = whole(void_border, "void_border", who, 0, 64)
        self.supersample = whole(supersample, "supersample", who, 1, 4)
        self.knobs = Knobs(thin, ambiguity, noise, shadows, objects, imbalance, light)
        self.motion = bool(motion)
        self.transform = transform
        self._kept: dict[int, Sample] | None = {} if cache else None

    def __getitem__(self, index: int) -> Sample:
        """Scene `index`; negative numbers count from the end."""
        sample = super().__getitem__(index)
        return sample if self.transform is None else self.transform(sample)

    def scene(self, index: int) -> Scene:
        """What stands where in scene `index`, in metres, before anything is painted."""
        domain = DOMAINS[self.domain]
        return make_scene((self.seed, SPLITS[self.split], domain.number, index), domain, self.knobs)

    def _make(self, index: int) -> Sample:
        scene = self.scene(index)
        now = render(scene, self.size, 0, self.supersample)
        sample = Sample(
            image=torch.from_numpy(now.image),
            labels=torch.from_numpy(now.labels.astype(np.int64)),
            instances=torch.from_numpy(now.instances),
            depth=torch.from_numpy(now.depth),
            name=f"street/{self.domain}/{self.split}/{index}",
        )
        if self.motion:
            sample.next_image = torch.from_numpy(render(scene, self.size, 1, self.supersample).image)
            sample.flow = torch.from_numpy(exact_flow(scene, camera(scene, self.size), now))
        if self.void_border:
            sample.labels[torch.from_numpy(near_edges(now, self.void_border))] = VOID
        return sample

    def __repr__(self) -> str:
        h, w = self.size
        return (
            f"StreetScenes({self.split!r}, {self.length} scenes of {h}×{w}, domain={self.domain!r}, seed={self.seed})"
        )


def near_edges(shown: Rendered, width: int) -> np.ndarray:
    """Pixels within `width` steps (up, down, left, right) of another class or instance; H×W, bool."""
    what = shown.labels.astype(np.int64) + 256 * shown.instances
    highest, lowest = ndimage.maximum_filter1d, ndimage.minimum_filter1d
    across, down = (highest(what, 3, axis, mode="nearest") != lowest(what, 3, axis, mode="nearest") for axis in (1, 0))
    return ndimage.binary_dilation(across | down, iterations=width - 1) if width > 1 else across | down
