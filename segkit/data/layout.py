"""Which pictures, masks and splits a folder of your own holds; what is wrong is gathered, not raised."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from segkit.data.folders import read_lines, visible
from segkit.kinds import what_is

SPLITS = ("train", "val", "test")
_LOSSY = (".jpg", ".jpeg", ".webp")
_KINDS = (*_LOSSY, ".png", ".tif", ".tiff", ".bmp", ".gif")
_SIGNS = "_-. "  # what may follow a picture's name in its mask's
_ONE_IN = 5  # pictures of which one is val, where nothing says which
Pair = tuple[Path, Path]


@dataclass
class Layout:
    """What was found.

    Attributes:
        splits: pictures with their masks, by split.
        rule: how they were split.
        notes: what is there and not used.
        problems: what must be fixed first, one per line.
    """

    folder: Path
    splits: dict[str, list[Pair]] = field(default_factory=dict)
    rule: str = ""
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def pairs(self) -> list[Pair]:
        """All pictures with their masks."""
        return [pair for split in self.splits.values() for pair in split]


def look(folder: Path) -> Layout:
    """Pair what lies in images/ and masks/, and split it by folders, by lists, or by the SHA-1 of the names.

    Raises:
        FileNotFoundError: there is no such folder, or it lacks images/ or masks/.
    """
    for needed in (folder, folder / "images", folder / "masks"):
        if not needed.is_dir():
            missing = f"{needed} {what_is(needed)}" if needed.exists() else f"there is no folder {needed}"
            raise FileNotFoundError(
                f"{missing}; a folder of your own holds images/ with pictures, masks/ with a mask of "
                "the same name for each, and classes.txt"
            )
    layout = Layout(folder)
    lists = {s: folder / f"{s}.txt" for s in SPLITS if (folder / f"{s}.txt").is_file()}
    parts = [s for s in SPLITS if (folder / "images" / s).is_dir()]
    if parts:
        layout.rule = f"by the folders images/{', images/'.join(parts)}"
        if lists:
            layout.problems.append(
                f"{folder} is split by folders and by {lists.popitem()[1].name}; keep one of the two"
            )
        stray = [p for kind in ("images", "masks") for p in visible(folder / kind) if p.name not in parts]
        if stray := [p for p in stray if p.is_dir() or p.suffix.lower() in _KINDS]:
            layout.notes.append(
                f"{_some(layout, stray)} not used: pictures lie in images/train, images/val, images/test"
            )
        for split in parts:
            if (folder / "masks" / split).is_dir():
                layout.splits[split] = list(_pairs(layout, split).values())
            else:
                layout.notes.append(f"images/{split} is not used: there is no masks/{split}")
        return layout
    pairs = _pairs(layout, "")
    if lists:
        _by_lists(layout, pairs, lists)
    else:
        _by_name(layout, pairs)
    return layout


def _pairs(layout: Layout, part: str) -> dict[str, Pair]:
    """Picture and mask by stem."""
    folder, masks = layout.folder / "images" / part, layout.folder / "masks" / part
    of_picture, of_mask = _by_stem(layout, folder), _by_stem(layout, masks)
    if ending := _ending(of_picture, of_mask):
        of_mask = {stem.removesuffix(ending): path for stem, path in of_mask.items()}
        layout.notes.append(f"the name of each mask is its picture's and {ending}")
    for here, there, what in (
        (of_picture, of_mask, "picture without a mask"),
        (of_mask, of_picture, "mask without a picture"),
    ):
        if lonely := [path for stem, path in here.items() if stem not in there]:
            alike = _renaming(of_picture, lonely) if here is of_mask else "; move them elsewhere until they have one"
            layout.problems.append(f"{what} of the same name: {_some(layout, lonely)}{alike}")
    lossy = {stem: path for stem, path in of_mask.items() if path.suffix.lower() in _LOSSY}
    if lossy:
        layout.problems.append(
            "mask in a format that blurs class numbers (write it as PNG where it was drawn; a converted one stays "
            f"blurred): {_some(layout, lossy.values())}"
        )
    if not of_picture:
        layout.problems.append(f"{folder} holds no pictures ({', '.join(_KINDS)})")
    return {stem: (of_picture[stem], of_mask[stem]) for stem in of_picture if stem in of_mask and stem not in lossy}


def _ending(of_picture: dict[str, Path], of_mask: dict[str, Path]) -> str:
    """What the names of all masks carry after their pictures', such as _mask in a_mask.png for a.jpg; else nothing."""
    if of_mask.keys() & of_picture.keys():
        return ""
    one = next(iter(of_mask), "")
    endings = [one[i:] for i, sign in enumerate(one) if sign in _SIGNS]
    shared = [ending for ending in endings if all(stem.endswith(ending) for stem in of_mask)]
    return next((e for e in shared if any(stem.removesuffix(e) in of_picture for stem in of_mask)), "")


def _renaming(of_picture: dict[str, Path], lonely: list[Path]) -> str:
    """What to call masks of which only some carry more than a picture's name, such as a_mask.png for a.jpg."""
    for mask in lonely:
        for stem in of_picture:
            if mask.stem.startswith(tuple(stem + sign for sign in _SIGNS)):
                return f"; does {mask.name} belong to {of_picture[stem].name}? Then call it {stem}{mask.suffix}"
    return ""


def _by_stem(layout: Layout, folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in visible(folder):
        if path.is_dir() or path.suffix.lower() not in _KINDS:
            layout.notes.append(f"{_some(layout, [path])} is not used")
            continue
        if path.stem in found:
            layout.problems.append(
                f"two files of one name, delete or rename one: {_some(layout, (found[path.stem], path))}"
            )
        found[path.stem] = path
    return found


def _by_lists(layout: Layout, pairs: dict[str, Pair], lists: dict[str, Path]) -> None:
    layout.rule = f"by {', '.join(path.name for path in lists.values())}"
    taken: dict[str, str] = {}
    for split, path in lists.items():
        stems = [line if line in pairs else Path(line).stem for line in read_lines(path)]
        if unknown := [stem for stem in stems if stem not in pairs]:
            layout.problems.append(f"{path} lists names without picture and mask: {_some(layout, unknown)}")
        if twice := sorted(stem for stem, count in Counter(stems).items() if stem in taken or count > 1):
            layout.problems.append(f"{path} lists names that are listed already: {_some(layout, twice)}")
        taken |= {stem: split for stem in stems if stem in pairs}
    rest = {stem: pair for stem, pair in pairs.items() if stem not in taken}
    if "val" not in lists and "train" not in lists:
        _by_name(layout, rest)
        layout.rule = f"by test.txt, the rest {layout.rule}"
    elif "train" not in lists or "val" not in lists:
        layout.splits["val" if "train" in lists else "train"] = list(rest.values())
        layout.rule += f"; {'val' if 'train' in lists else 'train'} is the rest"
    elif rest:
        layout.notes.append(f"{len(rest)} pictures are in no list: {_some(layout, rest)}")
    for stem, split in taken.items():
        layout.splits.setdefault(split, []).append(pairs[stem])


def _by_name(layout: Layout, pairs: dict[str, Pair]) -> None:
    """One in five is val, by the SHA-1 of its name; of two pictures or more at least one is val and one train."""
    draw = {stem: int(hashlib.sha1(stem.encode(), usedforsecurity=False).hexdigest(), 16) for stem in pairs}
    by_draw = sorted(pairs, key=lambda stem: draw[stem] % 1000)
    val = {stem for stem in pairs if draw[stem] % 1000 < 1000 // _ONE_IN} | set(by_draw[:1])
    val -= set(by_draw[-1:])
    layout.splits["train"] = [pair for stem, pair in pairs.items() if stem not in val]
    layout.splits["val"] = [pair for stem, pair in pairs.items() if stem in val]
    layout.rule = f"by the SHA-1 of the names, one in {_ONE_IN} to val"


def _some(layout: Layout, things: Iterable[Path | str], shown: int = 8) -> str:
    words = [t.relative_to(layout.folder).as_posix() if isinstance(t, Path) else t for t in things]
    return ", ".join(words[:shown]) + (f", … ({len(words) - shown} more)" if len(words) > shown else "")
