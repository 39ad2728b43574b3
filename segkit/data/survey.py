"""`segkit data check folder:PATH`: everything that was found in a folder of your own, good and bad, in one go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from segkit.data.files import fit, open_picture, to_pixels
from segkit.data.folder import Key, read_key
from segkit.data.layout import Pair, look
from segkit.data.sample import VOID
from segkit.data.verify import SetReport

_KINDS = {"1": "black and white", "L": "grey numbers", "P": "palette", "RGB": "colours", "RGBA": "colours"}


def survey(path: str | Path, progress: bool = True) -> SetReport:
    """Read every file of the folder completely.

    Raises:
        FileNotFoundError: it is missing, or lacks images/ or masks/.
    """
    folder = Path(path).expanduser()
    layout = look(folder)
    problems = list(layout.problems)
    key = None
    try:
        key = read_key(folder, [mask for _, mask in layout.pairs])
    except (OSError, ValueError) as error:
        problems.append(str(error))
    tally = _Tally(key)
    for pair in tqdm(layout.pairs, desc=folder.name, disable=not progress, leave=False):
        tally.add(pair)
    for text, paths in tally.faults.items():
        more = f" (and {len(paths) - 1} more: {', '.join(p.name for p in paths[1:9])})" if paths[1:] else ""
        problems.append(f"{paths[0]}{text}{more}")
    problems += [
        f"there is no {s} (split {layout.rule})" for s in ("train", "val") if layout.pairs and not layout.splits.get(s)
    ]
    splits = ", ".join(f"{split} {len(pairs)}" for split, pairs in layout.splits.items())
    facts = [*tally.facts(), f"split {layout.rule}: {splits}", *(f"note: {note}" for note in layout.notes)]
    return SetReport(f"folder:{path}", folder, tuple(facts), tuple(problems), shown=40)


class _Tally:
    """Counts over the files read so far."""

    def __init__(self, key: Key | None) -> None:
        self.key = key
        self.sizes: Counter[tuple[int, int]] = Counter()  # width, height
        self.modes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.pixels, self.pictures = np.zeros(256, np.int64), np.zeros(256, np.int64)  # by label
        self.doubtful: list[str] = []  # masks of 0 and 255 where 255 is void
        self.faults: dict[str, list[Path]] = {}

    def add(self, pair: Pair) -> None:
        """Read both files, each on its own."""
        size = None
        for path, read in zip(pair, (self._picture, self._mask), strict=True):
            try:
                size = read(path, size)
            except (OSError, ValueError) as error:
                self.faults.setdefault(str(error).removeprefix(str(path)), []).append(path)

    def _picture(self, path: Path, _: object) -> tuple[int, int]:
        picture = open_picture(path)
        to_pixels(picture, path)
        self.sizes[picture.size] += 1
        self.modes[picture.mode] += 1
        return picture.size

    def _mask(self, path: Path, size: tuple[int, int] | None) -> None:
        mask = open_picture(path)
        self.kinds[_KINDS.get(mask.mode, f"mode {mask.mode}")] += 1
        if size:
            fit(mask.size, size, path)
        if self.key:
            counts = np.bincount(self.key.table.read(mask, path).numpy().ravel(), minlength=256)
            self.pixels += counts
            self.pictures += counts > 0
            if len(self.key.classes) == 2 and counts[VOID] and not counts[1]:
                self.doubtful.append(path.name)

    def facts(self) -> list[str]:
        """What was counted, one fact per line."""
        if not self.sizes:
            return []
        (w0, w1), (h0, h1) = ((min(side), max(side)) for side in zip(*self.sizes, strict=True))
        many = f"{w0}–{w1} wide and {h0}–{h1} high, {len(self.sizes)} different sizes"
        size = f"all {w0}×{h0}" if len(self.sizes) == 1 else many
        found = [f"{sum(self.sizes.values())} pictures, {size}; {_listed(self.modes)}", f"masks: {_listed(self.kinds)}"]
        if not self.key:
            return found
        if self.key.binary:
            found[-1] += f"; 0/255 read as 0/1: 255 is {self.key.classes[1]}, not void"
        total, all_ = max(1, self.pixels.sum()), sum(self.kinds.values())
        for k, name in [*enumerate(self.key.classes), (VOID, "void")]:
            absent = "" if self.pictures[k] or k == VOID else ": nothing can be learnt about it"
            label = name if k == VOID else f"class {k} {name}"
            found.append(
                f"{label}: {self.pixels[k] / total:.2%} of pixels, in {self.pictures[k]} of {all_} masks{absent}"
            )
        if self.doubtful and self.pictures[1]:
            found.append(
                f"note: 255 is void, as some masks hold 1; does it mean {self.key.classes[1]} in those without 1? Then "
                f"change it there: {', '.join(self.doubtful[:8])}{', …' * (len(self.doubtful) > 8)}"
            )
        return found


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())
