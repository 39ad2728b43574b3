"""`segkit data check folder:PATH`: everything that was found in a folder of your own, good and bad, in one go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from segkit.data.files import fit, open_picture, to_pixels
from segkit.data.folder import Key, read_key
from segkit.data.layout import SPLITS, Layout, Pair, look
from segkit.data.sample import VOID
from segkit.data.verify import SetReport

_KINDS = {"1": "black and white", "L": "grey numbers", "P": "palette", "RGB": "colours", "RGBA": "colours"}


def survey(path: str | Path, progress: bool = True) -> SetReport:
    """Read every file of the folder whole.

    Raises:
        FileNotFoundError: it is missing, or lacks images/ or masks/.
    """
    folder = Path(path).expanduser()
    layout = look(folder)
    problems = list(layout.problems)
    try:
        key = read_key(folder, [mask for _, mask in layout.pairs])
    except (OSError, ValueError) as error:
        problems.append(str(error))
        key = None
    tally = _Tally(key)
    for pair in tqdm(layout.pairs, desc=folder.name, disable=not progress, leave=False):
        tally.add(pair, problems)
    facts = [*tally.facts(), *_splits(layout), *(f"note: {note}" for note in layout.notes)]
    for split in ("train", "val"):
        if not layout.splits.get(split) and not layout.problems:
            problems.append(f"there are no pictures for {split} ({layout.rule})")
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

    def add(self, pair: Pair, problems: list[str]) -> None:
        """Read both files; what is wrong with either goes to `problems`."""
        path, mask_path = pair
        size = None
        try:
            picture = open_picture(path)
            to_pixels(picture, path)
            size = picture.size
            self.sizes[size] += 1
            self.modes[picture.mode] += 1
        except (OSError, ValueError) as error:
            problems.append(str(error))
        try:
            mask = open_picture(mask_path)
            self.kinds[_KINDS.get(mask.mode, f"mode {mask.mode}")] += 1
            if size:
                fit(mask.size, size, mask_path)
            if self.key:
                counts = np.bincount(self.key.table.read(mask, mask_path).numpy().ravel(), minlength=256)
                self.pixels += counts
                self.pictures += counts > 0
                if len(self.key.classes) == 2 and counts[VOID] and not counts[1]:
                    self.doubtful.append(mask_path.name)
        except (OSError, ValueError) as error:
            problems.append(str(error))

    def facts(self) -> list[str]:
        """What was counted, a line each."""
        sizes = sorted(self.sizes)
        if not sizes:
            return []
        one = f"all {sizes[0][0]}×{sizes[0][1]}"
        (w0, w1), (h0, h1) = ((min(side), max(side)) for side in zip(*sizes, strict=True))
        many = f"{w0}–{w1} wide and {h0}–{h1} high, {len(sizes)} different sizes"
        found = [f"{sum(self.sizes.values())} pictures, {one if len(sizes) == 1 else many}; {_listed(self.modes)}"]
        found.append(f"masks: {_listed(self.kinds)}")
        if not self.key:
            return found
        if self.key.binary:
            found[-1] += f"; 0/255 read as 0/1: 255 is {self.key.classes[1]}, not void"
        total = max(1, self.pixels.sum())
        for k, name in enumerate(self.key.classes):
            absent = "" if self.pictures[k] else ": nothing can be learnt about it"
            found.append(
                f"class {k} {name}: {self.pixels[k] / total:.2%} of pixels, in {self.pictures[k]} pictures{absent}"
            )
        found.append(f"void: {self.pixels[VOID] / total:.2%} of pixels, in {self.pictures[VOID]} pictures")
        if self.doubtful and self.pictures[1]:
            name, some = self.key.classes[1], ", ".join(self.doubtful[:8])
            found.append(
                f"note: {len(self.doubtful)} masks hold 255 but no 1 ({some}): void there, as others hold 1; if it "
                f"means {name}, change it to 1"
            )
        return found


def _splits(layout: Layout) -> list[str]:
    sizes = ", ".join(
        f"{split} {len(pairs)}" for split, pairs in sorted(layout.splits.items(), key=lambda s: SPLITS.index(s[0]))
    )
    return [f"split {layout.rule}: {sizes}"] if sizes else []


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())
