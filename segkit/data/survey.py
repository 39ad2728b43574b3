"""`segkit data check folder:PATH`: everything that was found in a folder of your own, good and bad, in one go."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from segkit.data.base import void_for_foreground
from segkit.data.files import UnknownLabel, faint, fit, open_picture, to_pixels
from segkit.data.folder import OBJECTS, Key, read_key
from segkit.data.layout import Pair, look
from segkit.data.sample import VOID
from segkit.data.verify import SetReport

_KINDS = {"1": "black and white", "L": "grey numbers", "P": "palette", "RGB": "colours", "RGBA": "colours"}
_EACH = 3  # masks with unknown labels that have a line each; of more, the first one speaks for all
_FEW, _MANY = 3, 8  # unknown labels: a forgotten class or two, and what no drawing program writes
_SMOOTH = ". Such numbers come from smoothing: change the size of masks by the nearest pixel, never use JPEG"
_VOID = {"unlabelled", "unlabeled", "unknown", "ignore", "ignored", "none", "not labelled", "not labeled"}


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
    for split, pairs in layout.splits.items():
        for pair in tqdm(pairs, desc=f"{folder.name} {split}", disable=not progress, leave=False):
            tally.add(pair, split)
    problems += tally.problems()
    problems += [
        f"there is no picture for {s} (split {layout.rule}); it takes two or more, with their masks"
        for s in ("train", "val")
        if layout.pairs and not layout.splits.get(s)
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
        self.learnt = np.zeros(256, np.int64)  # masks of train, by label
        self.seen: dict[bytes, tuple[str, Path]] = {}  # split and name of the first of equal pictures, by their SHA-256
        self.twice: list[str] = []  # pictures of two splits that are the same
        self.labelled: Counter[str] = Counter()  # pixels that are not void, by split
        self.read, self.brightest = 0, -1.0  # masks without a fault; share of 16 bits that pictures use
        self.doubtful: list[str] = []  # masks of 0 and 255 where 255 is void
        self.faults: dict[str, list[Path]] = {}
        self.unknown: list[tuple[Path, UnknownLabel]] = []

    def add(self, pair: Pair, split: str) -> None:
        """Read both files, each on its own."""
        size, self.split = None, split
        for path, read in zip(pair, (self._picture, self._mask), strict=True):
            try:
                size = read(path, size)
            except UnknownLabel as error:
                self.unknown.append((path, error))
            except (OSError, ValueError) as error:
                self.faults.setdefault(str(error).removeprefix(str(path)), []).append(path)

    def _picture(self, path: Path, _: object) -> tuple[int, int]:
        picture = open_picture(path)
        pixels = to_pixels(picture, path)
        split, first = self.seen.setdefault(hashlib.sha256(path.read_bytes()).digest(), (self.split, path))
        if split != self.split:
            self.twice.append(f"{path.name} of {self.split} is {first.name} of {split}")
        if picture.mode.startswith("I"):
            self.brightest = max(self.brightest, float(pixels.max()))
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
            self.learnt += (counts > 0) & (self.split == "train")
            self.labelled[self.split] += int(counts[:VOID].sum())
            self.read += 1
            if void_for_foreground(len(self.key.classes), int(counts[1]), int(counts[VOID])):
                self.doubtful.append(path.name)

    def problems(self) -> list[str]:
        """What is wrong with the files, one fault a line."""
        found = []
        for text, paths in self.faults.items():
            more = f" (and {len(paths) - 1} more: {', '.join(p.name for p in paths[1:9])})" if paths[1:] else ""
            found.append(f"{paths[0]}{text}{more}")
        found += [
            f"every pixel of {split} is void: there is nothing to {'learn' if split == 'train' else 'score'}; give its "
            "masks the numbers of classes" for split in ("train", "val") if self.labelled.get(split) == 0
        ]  # fmt: skip
        separate = self.unknown if len(self.unknown) <= _EACH else self.unknown[:1]
        alone = len(separate) == len(self.unknown)
        found += [f"{error}{_SMOOTH * (alone and len(error.lacking) > _MANY)}" for _, error in separate]
        if rest := self.unknown[len(separate) :]:
            names = ", ".join(path.name for path, _ in rest[:8])
            found[-1] += f" (and {len(rest)} more masks with labels that are not known: {names}){self._why()}"
        return found

    def _why(self) -> str:
        """What the numbers look like, where many masks have such."""
        each = [set(error.found) - {0} for _, error in self.unknown]
        if sum(len(numbers) >= 0.8 * max(numbers) for numbers in each) > len(each) / 2:
            return f". {OBJECTS}"
        if sum(len(error.lacking) > _MANY for _, error in self.unknown) > len(each) / 2:
            return _SMOOTH
        if len(set().union(*(error.lacking for _, error in self.unknown))) <= _FEW:
            return ". Only the same few turn up: is a class missing from classes.txt?"
        return ""

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
        if not self.read:
            return [*found, "note: no mask could be counted"]
        total, all_ = max(1, self.pixels.sum()), self.read
        for k, name in [*enumerate(self.key.classes), (VOID, "void")]:
            absent = "" if self.learnt[k] or k == VOID else ": nothing can be learnt about it"
            absent = absent and f"{', none of them in train' * bool(self.pictures[k])}{absent}"
            label = name if k == VOID else f"class {k} {name}"
            found.append(
                f"{label}: {self.pixels[k] / total:.2%} of pixels, in {self.pictures[k]} of {all_} masks{absent}"
            )
        return found + self._notes(self.key.classes)

    def _notes(self, classes: tuple[str, ...]) -> list[str]:
        """What is worth a second look, one note per line."""
        found = [
            f"note: {name} counts as a class; if nobody labelled those pixels, call it void, in its place"
            for name in classes
            if name.lower() in _VOID
        ]
        if self.read < sum(self.kinds.values()):
            found.append(f"note: counted over the {self.read} masks without a fault")
        if dim := faint("I;16", self.brightest):
            found.append(f"note: {dim}")
        if self.twice:
            more = f", … ({len(self.twice) - 4} more)" * (len(self.twice) > 4)
            found.append(f"note: splits share pictures, so scores are too good: {', '.join(self.twice[:4])}{more}")
        if self.doubtful and self.pictures[1]:
            found.append(
                f"note: 255 is void, as some masks hold 1; does it mean {classes[1]} in those without 1? Then "
                f"change it there: {', '.join(self.doubtful[:8])}{', …' * (len(self.doubtful) > 8)}"
            )
        return found


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())
