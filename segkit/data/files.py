"""Pictures and label maps from files to tensors, with every label checked on the way in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from segkit.data.sample import Sample
from segkit.kinds import PICTURE, another

LOSSY = ("JPEG", "MPO", "JPEG2000")  # file formats that change numbers
_MANY = ("TIFF", "GIF", "WEBP", "PNG")  # whose further pages or frames are pictures too (a phone's MPO: another view)
_ORIENTATION = 274  # EXIF's tag; 5 to 8 lie on their side
_UNKNOWN = -1
Colour = tuple[int, int, int]


class UnknownLabel(ValueError):
    """A mask holds a number or colour that the data set lacks.

    Args:
        message: names the file, the label and the place.
        found: all numbers (or packed colours) of the mask, ascending.
        lacking: those of them that the data set lacks.
    """

    def __init__(self, message: str, found: list[int], lacking: list[int]) -> None:
        super().__init__(message)
        self.found, self.lacking = found, lacking


class LabelTable:
    """Turns the numbers or colours in a mask file into class numbers, and refuses those that the data set lacks.

    Args:
        classes: number in the file → class number, or 255 for void.
        meaning: what the numbers are, for the message: "0–10 are classes, 11 is void".
        colours: RGB → class number, or 255 for void; masks in colours (also palette PNG) are then read by them.
        hint: said about a mask in colours, where there are no `colours`.
    """

    def __init__(
        self, classes: Mapping[int, int], meaning: str, colours: Mapping[Colour, int] | None = None, hint: str = ""
    ) -> None:
        self.meaning, self.colours, self.hint = meaning, bool(colours), hint
        self.table = np.full(256, _UNKNOWN, dtype=np.int64)
        for number, label in classes.items():
            self.table[number] = label
        packed = sorted((int(_packed(np.array(colour))), label) for colour, label in (colours or {}).items())
        self._keys, self._labels = (np.array(column, np.int64) for column in zip(*packed or [(0, 0)], strict=True))

    def read(self, picture: Image.Image, path: Path | str) -> Tensor:
        """int64 labels H×W of a mask picture.

        Raises:
            ValueError: it is a JPEG, it has colours and the table none, or the table lacks a number or colour of it.
        """
        refuse_lossy(picture, path)
        in_colours = self.colours and picture.mode in ("RGB", "RGBA", "P")
        if in_colours:
            if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
                raise ValueError(f"{path} has transparent pixels; save the mask without an alpha channel")
            numbers = _packed(np.asarray(picture.convert("RGB"), dtype=np.int64))  # H, W
            place = np.searchsorted(self._keys, numbers).clip(max=len(self._keys) - 1)
            labels = np.where(self._keys[place] == numbers, self._labels[place], _UNKNOWN)
        else:
            numbers = np.asarray(picture)  # H, W
            if numbers.ndim != 2 or numbers.dtype.kind not in "bui":
                raise ValueError(
                    f"{path} has mode {picture.mode!r}; a mask has one number from 0 to 255 per pixel (mode 'L' or 'P')"
                    f"{self.hint}"
                )
            numbers = numbers.astype(np.int64)
            labels = np.where((numbers >= 0) & (numbers < 256), self.table[numbers & 255], _UNKNOWN)
        wrong = labels == _UNKNOWN
        if wrong.any():
            y, x = np.argwhere(wrong)[0]
            first, *more = (
                f"{v >> 16} {v >> 8 & 255} {v & 255}" if in_colours else str(v)
                for v in (int(numbers[y, x]), *np.unique(numbers[wrong])[:9].tolist())
            )
            also = ", ".join(v for v in more if v != first)
            raise UnknownLabel(
                f"{path} has the {'colour' if in_colours else 'label'} {first} at row {y}, column {x}"
                f"{also and f' (also {also})'}; {'classes.txt lacks it' if in_colours else self.meaning}",
                np.unique(numbers).tolist(),
                np.unique(numbers[wrong]).tolist(),
            )
        return torch.from_numpy(labels)


def _packed(rgb: np.ndarray) -> np.ndarray:
    return rgb[..., 0] * 65536 + rgb[..., 1] * 256 + rgb[..., 2]


def refuse_lossy(picture: Image.Image, path: Path | str) -> None:
    """Refuse a mask from a file that has not kept its numbers: a JPEG, also inside a TIFF.

    Raises:
        ValueError: names the file.
    """
    if picture.format in LOSSY or picture.info.get("compression") == "jpeg":
        raise ValueError(
            f"{path} is a JPEG, which blurs class numbers and colours; write the mask as PNG where it was drawn (a "
            "converted JPEG stays blurred)"
        )


def open_picture(path: Path | str) -> Image.Image:
    """Read a whole picture in its own mode, turned upright by its EXIF tag; its `format` stays known.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, is too large, ends too early, or is several pictures (a stack, an animation).
    """
    with _reading(path), Image.open(path) as file:
        pages = _pages(file)
        picture = ImageOps.exif_transpose(file)
        picture.format = file.format
    if pages > 1:
        raise ValueError(f"{path} holds {pages} pictures (pages or frames); save each of them as a file of its own")
    return picture


def header_size(path: Path | str) -> tuple[int, int]:
    """(height, width) of an upright picture by the header of its file alone; errors as `open_picture`.

    A PNG may say only at its end, which is not read, that it is to be turned.
    """
    with _reading(path), Image.open(path) as file:
        told = file.format != "PNG" or "exif" in file.info
        turned = told and file.getexif().get(_ORIENTATION, 1) > 4
        return file.size if turned else file.size[::-1]


@contextmanager
def _reading(path: Path | str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no picture {path}") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ValueError(
            f"{path} has more pixels than segkit opens, {most:,}; shrink it or cut it into parts"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        found = another(path, PICTURE)
        why = f"it {found}" if found else str(error)
        raise ValueError(f"{path} is not a picture that can be read ({why}); replace the file") from error


def _pages(file: Image.Image) -> int:
    """How many pictures of the first one's size a file holds; smaller pages of a TIFF are previews."""
    count, size = (getattr(file, "n_frames", 1) if file.format in _MANY else 1), file.size
    if count > 1 and file.format == "TIFF":
        alike = 0
        for page in range(count):
            file.seek(page)
            alike += file.size == size
        file.seek(0)
        return alike
    return count


def faint(mode: str, brightest: float) -> str:
    """A warning where 16 bits hold few levels (a camera of 12 bits), else nothing; `brightest` is 0–1."""
    if not mode.startswith("I") or not 0 <= brightest < 0.25:
        return ""
    return (
        f"pictures of 16 bits reach {round(65535 * brightest)} of 65535 at most, so the network sees them nearly "
        "black; multiply them until the brightest is near 65535, all of them by one number"
    )


def read_picture(path: Path | str) -> Tensor:
    """A picture file as float32 3×H×W in 0–1, turned upright; 16 bits are scaled by 65535, floats must lie in 0–1.

    Raises:
        FileNotFoundError, ValueError: as `open_picture`; also for a mode whose range is not known.
    """
    return to_pixels(open_picture(path), path)


def to_pixels(picture: Image.Image, path: Path | str) -> Tensor:
    """What `read_picture` gives, from a picture that `open_picture` has read from `path`."""
    mode, top = picture.mode, 255
    if mode.startswith(("I", "F")):
        values = np.asarray(picture).astype(np.float64)[..., None].repeat(3, axis=-1)  # H, W, 3
        top = 1 if mode == "F" else 65535
        if np.isnan(values).any():
            raise ValueError(f"{path} has pixels that are NaN; give them a value from 0 to 1")
        if (mode == "I" and picture.format != "PNG") or not (0 <= values.min() <= values.max() <= top):
            raise ValueError(
                f"{path} has mode {mode!r} with values from {values.min():g} to {values.max():g}: which of them are "
                "black and white is not known; save it with 8 or 16 bits, or as floats from 0 to 1"
            )
    else:
        values = np.array(picture.convert("RGB"))  # H, W, 3
    return torch.from_numpy(values).permute(2, 0, 1).contiguous().float().div_(top)  # 3, H, W


def to_sample(picture: Path | str, mask: Path | str, table: LabelTable, name: str) -> Sample:
    """A Sample from the file of a picture and that of its mask.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, they differ in size, or a label is out of range.
    """
    image, numbers = read_picture(picture), open_picture(mask)
    fit(numbers.size, (image.shape[2], image.shape[1]), mask)
    return Sample(image=image, labels=table.read(numbers, mask), name=name)


def fit(mask: tuple[int, int], picture: tuple[int, int], path: Path | str) -> None:
    """Refuse a mask whose size (width, height) differs from its picture's."""
    if mask != picture:
        turned = " (is the picture turned by its EXIF tag, and the mask not?)" if mask == picture[::-1] else ""
        raise ValueError(
            f"{path} is {mask[0]}×{mask[1]} pixels, its picture {picture[0]}×{picture[1]}{turned}; a mask needs one "
            "label for each pixel of the picture"
        )
