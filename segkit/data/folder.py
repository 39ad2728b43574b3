"""Your own pictures: a folder with images/, masks/ and classes.txt, taken as `--data folder:PATH`.

classes.txt has one name per line; line 1 is number 0 in the masks. A line `void` (`Void`) makes its number void, as 255
always is. A colour may follow the name, `road 128 64 128` or `road #804080`: masks in colours are then read by it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.data.base import PairedSet, voc_palette
from segkit.data.files import LOSSY, Colour, LabelTable, open_picture
from segkit.data.folders import read_lines
from segkit.data.layout import look
from segkit.data.sample import VOID

_COLOUR = re.compile(r"(.*?)\s+(?:#([0-9a-fA-F]{6})|(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3}))")
_LOOKED_AT, _SHOWN = 50, 24  # masks read for a suggestion of classes.txt, and values shown of them
OBJECTS = "If they number objects, write the number of its class for each object, such as 1 wherever they are above 0"


class Folder(PairedSet):
    """Pictures of your own in images/, their masks in masks/, paired by the name before the dot.

    All masks may carry the same ending after it: a_mask.png for a.jpg.

    Masks are PNG (or BMP, TIFF, GIF) of numbers (grey, or a palette's) or, with colours in classes.txt, of colours.
    Where there are two classes and the masks hold 255 but no 1, 0 and 255 are read as the classes 0 and 1.

    A picture is in val or test because val.txt or test.txt lists its name, or because it lies in images/val or
    images/test; train is the rest, or what train.txt lists. Without either, one in five is val, by the SHA-1 of its
    name, so that a new picture moves no other; of very few pictures at least one is val and one train.

    Args:
        path: the folder.
        split: "train", "val" or "test"; None for the one to quote, which is test where there is one, else val.

    Raises:
        FileNotFoundError: the folder, one of its parts or classes.txt is missing; says what to write.
        ValueError: pictures and masks do not pair, classes.txt or a list is wrong, or the split is empty.
    """

    def __init__(self, path: str | os.PathLike[str], split: str | None = "train") -> None:
        folder = Path(path).expanduser()
        layout = look(folder)
        if layout.problems:
            more = f"\n(and {n} more problems)" if (n := len(layout.problems) - 1) else ""
            raise ValueError(f"{layout.problems[0]}{more}\n`segkit data check folder:{path}` lists everything")
        self.eval_split = "test" if layout.splits.get("test") else "val"
        super().__init__(split or self.eval_split)
        self.pairs = layout.splits.get(self.split, [])
        if not self.pairs:
            raise ValueError(
                f"{folder} has no pictures for {self.split} (split {layout.rule}); list some names, one per line, "
                f"in {self.split}.txt"
            )
        masks = [mask for _, mask in layout.pairs]
        self.name, self.folder, key = folder.resolve().name, folder, read_key(folder, masks)
        self.classes, self.num_classes, self.palette, self.table = key.classes, len(key.classes), key.palette, key.table

    @property
    def preset(self) -> dict[str, object]:
        """What suits training on it: windows of the middle picture's size, in whole 32s from 64 to 512; ± a quarter."""
        sizes = []
        for picture, _ in self.pairs:
            with Image.open(picture) as file:  # reads the header alone
                sizes.append(file.size[::-1])
        height, width = (int(side) // 32 * 32 for side in np.median(sizes, axis=0))
        crop = min(max(height, 64), 512), min(max(width, 64), 512)  # 64: BatchNorm wants more than one cell of 32
        return {"crop": crop, "scale": (0.75, 1.25), "steps": 1000, "batch_size": 16 if max(crop) <= 128 else 8}


@dataclass(frozen=True)
class Key:
    """What the numbers and colours in the masks of a folder mean."""

    classes: tuple[str, ...]
    palette: np.ndarray
    table: LabelTable
    binary: bool  # 0 and 255 are the two classes


def read_key(folder: Path, masks: list[Path]) -> Key:
    """Read classes.txt, and decide by all masks whether 255 is void or the second of two classes.

    Raises:
        FileNotFoundError: there is no classes.txt; says what it should be, by what the masks hold.
        ValueError: a line of it is wrong.
    """
    path = folder / "classes.txt"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: write one class name per line, in UTF-8. {_suggestion(masks)}")
    names, colours = _lines(path)
    classes = tuple(name for name in names if name != "void")
    label = {number: VOID if name == "void" else classes.index(name) for number, name in enumerate(names)}
    if len(classes) < 2 or len(names) > 255:
        raise ValueError(
            f"{path} names {len(classes)} classes; it needs 2 to 254, background included (line 1 is the number 0)"
        )
    by_colour = {colour: label[number] for number, colour in enumerate(colours)}
    palette = voc_palette(len(classes))
    for colour, number in by_colour.items():
        if number != VOID:
            palette[number] = colour
    binary = len(names) == len(classes) == 2 and _holds_255_but_no_1(masks)
    if binary:
        label, meaning = {0: 0, 1: 1, 255: 1}, f"0 is {names[0]} and 255 is {names[1]} here"
    else:
        label[255], meaning = VOID, f"classes.txt has 0–{len(names) - 1} ({names[0]} to {names[-1]}), and 255 is void"
    hint = "" if colours else "; or, if it is in colours, classes.txt needs a colour after each name: road 128 64 128"
    return Key(classes, palette, LabelTable(label, meaning, by_colour, hint), binary)


def _lines(path: Path) -> tuple[list[str], list[Colour]]:
    """Names and colours (all or none) of classes.txt, in its order."""
    names: list[str] = []
    colours: list[Colour] = []
    for place, line in enumerate(read_lines(path), start=1):
        if re.match(r"\d+[\s:,;]", line):
            raise ValueError(f"{path}, name {place}: {line!r} begins with a number; leave it out: line 1 is 0")
        if line.startswith("#"):
            raise ValueError(f"{path}, name {place}: {line!r} would be a class; there are no comments, delete the line")
        found = _COLOUR.fullmatch(line)
        name = found[1] if found else line
        if name[-1] in ":;,=":
            good = " ".join(part.strip(":;,= ") for part in (name, line[len(name) :]) if part.strip(":;,= "))
            raise ValueError(f"{path}, name {place}: {line!r} has {name[-1]!r} after the name; write {good!r}")
        name = "void" if name.lower() == "void" else name
        if found:
            values = tuple(found[2][i : i + 2] for i in (0, 2, 4)) if found[2] else found.groups()[2:]
            red, green, blue = (int(v, 16 if found[2] else 10) for v in values)
            if max(red, green, blue) > 255 or (red, green, blue) in colours:
                raise ValueError(f"{path}, name {place}: {line!r} has a colour that is above 255 or given already")
            colours.append((red, green, blue))
        if name in names and name != "void":
            raise ValueError(f"{path} names {name!r} twice; each class needs a name of its own")
        names.append(name)
    if colours and len(colours) < len(names):
        raise ValueError(f"{path} gives {len(colours)} colours for {len(names)} names; give all of them one, or none")
    return names, colours


def _holds_255_but_no_1(masks: list[Path]) -> bool:
    seen = False
    for path in masks:
        try:
            picture = open_picture(path)
        except (OSError, ValueError):
            continue  # reported where it is read
        if picture.mode in ("L", "P", "I", "I;16") and picture.format not in LOSSY:
            values = np.asarray(picture)
            if (values == 1).any():
                return False
            seen = seen or bool((values == 255).any())
    return seen


def _suggestion(masks: list[Path]) -> str:
    """What classes.txt could be, by what the masks hold."""
    numbers: set[int] = set()
    colours: set[Colour] = set()
    for path in masks[:_LOOKED_AT]:
        try:
            picture = open_picture(path)
        except (OSError, ValueError):
            continue
        if picture.mode in ("RGB", "RGBA"):
            colours.update(c for _, c in picture.convert("RGB").getcolors(1 << 24) or ())  # type: ignore[misc]
        elif picture.mode != "F":
            numbers.update(np.unique(np.asarray(picture)).astype(int).tolist())
    if not numbers and not colours:
        return "For instance:\nbackground\nobject"
    if colours:
        values, words = [" ".join(map(str, c)) for c in sorted(colours)], "the colours "
        lines = [f"{name} {value}" for name, value in zip(_names(len(values)), values, strict=True)]
    else:
        values, words = [str(n) for n in sorted(numbers)], ""
        lines = _names(2 if numbers <= {0, 255} else max(numbers - {255}) + 1)
    many = f" (and {len(values) - _SHOWN} more: are these really classes? {OBJECTS})" if len(values) > _SHOWN else ""
    void = "; 255 is void" if not colours and 255 in numbers and not numbers <= {0, 255} else ""
    example = "\n".join(lines[:_SHOWN] + ["…"] * (len(lines) > _SHOWN))
    return (
        f"The masks hold {words}{', '.join(values[:_SHOWN])}{many}{void}. For instance {len(lines)} lines:\n{example}"
    )


def _names(count: int) -> list[str]:
    return ["background", "object"] if count == 2 else ["background", *(f"class {k}" for k in range(1, count))]
