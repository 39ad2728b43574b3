"""What the headers of picture files say before a run: which cannot be read, and which masks do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from torch.utils.data import ConcatDataset, Subset

from segkit.data.augmented import Augmented
from segkit.data.base import PairedSet, SeenThrough
from segkit.data.files import fit, header_size, open_picture


class Sized(NamedTuple):
    """A picture file and its size; None where a transform changes it afterwards."""

    file: Path
    size: tuple[int, int] | None  # height, width


def look(dataset: Any) -> list[Sized]:
    """Sizes of the pictures of a data set that are files, by their headers: of a large set in seconds.

    Pictures that are made on the spot, or inside a data set of another's, are left out.

    Raises:
        ValueError: names the first picture that is missing, cannot be read or differs from its mask in size, and counts
            the others.
    """
    found: list[Sized] = []
    wrong: list[Exception] = []
    for picture, mask, changed in _files(dataset):
        try:
            size = header_size(picture)
            if not mask.is_dir() and header_size(mask) != size:
                fit(open_picture(mask).size, open_picture(picture).size, mask)  # read to the end, to be sure
            found.append(Sized(picture, None if changed else size))
        except (OSError, ValueError) as error:
            wrong.append(error)
    if wrong:
        more = f" (and {len(wrong) - 1} more with such a fault)" if wrong[1:] else ""
        raise ValueError(f"{wrong[0]}{more}") from None
    return found


def _files(dataset: Any, changed: bool = False) -> Iterator[tuple[Path, Path, bool]]:
    """Picture and mask of each item, as far as these are files, and whether a transform stands between."""
    if isinstance(dataset, PairedSet):
        yield from ((*pair, changed) for pair in dataset.pairs)
    elif isinstance(dataset, Subset):
        inside = list(_files(dataset.dataset, changed))
        whole = len(inside) == len(dataset.dataset)  # type: ignore[arg-type]
        yield from (inside[i] for i in dataset.indices) if whole else ()
    elif isinstance(dataset, ConcatDataset):
        for part in dataset.datasets:
            yield from _files(part, changed)
    elif type(dataset) in (SeenThrough, Augmented):
        yield from _files(dataset.dataset, changed or isinstance(dataset, Augmented))
