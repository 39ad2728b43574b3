"""Pictures of label maps: colours, overlays, legends, errors, and figures in a grid.

Everything takes arrays or tensors, on any device, and gives uint8 arrays H×W×3 or a matplotlib figure on opaque white.
The default colours are those of Okabe & Ito (2008), which people with any of the common kinds of colour blindness tell
apart; beyond eight classes darker and paler shades of them follow, and beyond 24 they repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from segkit.checks import finite, whole
from segkit.data.sample import VOID
from segkit.pictures import check_unit
from segkit.typed import shown, typed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture = np.ndarray | torch.Tensor
Palette = Picture | Sequence[Sequence[int]]

_OKABE_ITO = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66),
    (64, 64, 64),
)  # fmt: skip
_VOID_COLOUR = (232, 232, 232)
_RIGHT, _WRONG = (196, 214, 232), (213, 94, 0)  # pale blue and vermilion: far apart in brightness too


@typed
def default_palette(num_classes: int) -> np.ndarray:
    """Colours for classes without their own. Shape: num_classes × 3, uint8."""
    base = np.array(_OKABE_ITO, dtype=np.float64)
    num_classes = whole(num_classes, "num_classes", "default_palette", 0)
    colours = np.concatenate([base, base * 0.55, base * 0.45 + 255 * 0.55]).astype(np.uint8)  # 24, 3
    return colours[np.arange(num_classes) % len(colours)]


@typed
def colourise(labels: Picture, palette: Palette | None = None, void_colour: Sequence[int] = _VOID_COLOUR) -> np.ndarray:
    """The label map in colours; void in light grey.

    Args:
        labels: whole numbers H×W; 255 is void.
        palette: uint8 K×3; None for default_palette.
        void_colour: RGB, 0–255.

    Shape: H×W×3, uint8.

    Raises:
        ValueError: not H×W, or a label that the palette has no colour for.
    """
    numbers = _labels(labels)
    known = numbers != VOID
    highest = int(numbers[known].max(initial=0))
    colours = default_palette(highest + 1) if palette is None else _palette(palette)
    if highest >= len(colours) or numbers.min(initial=0) < 0:
        wrong = highest if highest >= len(colours) else int(numbers.min())
        raise ValueError(
            f"the label map holds {wrong}; the palette has colours for 0–{len(colours) - 1}, and 255 is void; "
            "give one colour per class"
        )
    table = np.concatenate([colours, _palette(np.array([void_colour]), "void_colour")])
    return table[np.where(known, numbers, len(colours))]  # H, W, 3


@typed
def overlay(image: Picture, labels: Picture, palette: Palette | None = None, alpha: float = 0.5) -> np.ndarray:
    """The picture with the labels' colours laid over it; void pixels show the picture alone.

    Args:
        image: H×W×3 or 3×H×W, uint8 or floating-point in 0–1.
        labels: whole numbers H×W; 255 is void.
        palette: uint8 K×3; None for default_palette.
        alpha: strength of the colours, 0–1.

    Shape: H×W×3, uint8.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"overlay got alpha={alpha}; it lies between 0 and 1")
    picture, numbers = to_picture(image), _labels(labels)
    if picture.shape[:2] != numbers.shape:
        raise ValueError(f"overlay got a picture of {picture.shape[:2]} and labels of {numbers.shape} (height, width)")
    mixed = (1 - alpha) * picture + alpha * colourise(numbers, palette)
    return np.where((numbers == VOID)[..., None], picture, mixed.round().astype(np.uint8))


def error_map(prediction: Picture, target: Picture) -> np.ndarray:
    """Where a prediction is wrong: vermilion; right: pale blue; void: light grey. Shape: H×W×3, uint8."""
    p, t = _labels(prediction), _labels(target)
    if p.shape != t.shape:
        raise ValueError(f"error_map got a prediction of {p.shape} and a target of {t.shape}; they must agree")
    return np.array([_RIGHT, _WRONG, _VOID_COLOUR], dtype=np.uint8)[np.where(t == VOID, 2, p != t)]  # H, W, 3


def to_picture(image: Picture) -> np.ndarray:
    """Any picture as uint8 H×W×3: uint8 or floating-point in 0–1, grey or in colour.

    A tensor is read as 3×H×W and an array as H×W×3 wherever the shape allows both.

    Raises:
        ValueError: another shape, floating-point values outside 0–1, or whole numbers outside 0–255.
    """
    array = _array(image)
    if array.ndim == 3 and array.shape[0] in (1, 3):
        if isinstance(image, torch.Tensor) or array.shape[2] not in (1, 3, 4):
            array = array.transpose(1, 2, 0)  # H, W, 3
    if array.ndim == 3 and array.shape[2] in (1, 4):
        array = array[..., 0] if array.shape[2] == 1 else array[..., :3]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(f"a picture of shape {array.shape}; it must be 3×H×W, H×W×3 or H×W (labels: colourise first)")
    if array.dtype.kind == "f":
        if array.size:
            check_unit(float(array.min()), float(array.max()), "got a floating-point picture")
        array = (array.astype(np.float64).clip(0, 1) * 255).round()
    elif array.dtype == bool:
        array = array * 255
    elif array.dtype.kind not in "iu" or (array.size and not (array.min() >= 0 and array.max() <= 255)):
        held = f"with values {array.min()} to {array.max()}" if array.dtype.kind in "iu" else "without numbers"
        raise ValueError(
            f"got a picture of {array.dtype} {held}; whole numbers lie in 0–255; divide one of 16 bits by 65535.0"
        )
    array = array.astype(np.uint8)
    return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)


@typed
def legend(axis: Axes, classes: Sequence[str], palette: Palette | None = None, columns: int = 1) -> None:
    """Turn an axis into a legend: a square of colour and a name for each class."""
    from matplotlib.patches import Patch

    if not hasattr(axis, "set_axis_off"):
        raise TypeError(f"legend got axis={shown(axis)}; it takes one of matplotlib's axes")
    whole(columns, "columns", "legend", 1)
    colours = default_palette(len(classes)) if palette is None else _palette(palette)
    patches = [
        Patch(facecolor=tuple(c / 255), edgecolor="0.4", linewidth=0.5, label=name)
        for c, name in zip(colours[: len(classes)], classes, strict=True)
    ]
    axis.set_axis_off()
    axis.legend(handles=patches, loc="center", ncols=columns, frameon=False, fontsize=8, handlelength=1, handleheight=1)


@typed
def show(
    pictures: Sequence[Picture], titles: Sequence[str] | None = None, columns: int | None = None, height: float = 2.2,
    classes: Sequence[str] | None = None, palette: Palette | None = None, caption: str = "",
) -> Figure:  # fmt: skip
    """Pictures in a grid on white. End a notebook cell with the call: the figure is its value.

    Args:
        pictures: what to_picture takes; label maps go through colourise first. They may differ in size.
        titles: one for each picture.
        columns: pictures in a row; None for up to four.
        height: of one picture, inches.
        classes, palette: when classes are given, a legend of them stands below.
        caption: a line below that says what to see.

    Raises:
        ValueError: no pictures, or not one title for each.
    """
    import matplotlib.pyplot as plt

    arrays = [to_picture(p) for p in pictures]
    if not arrays or (titles is not None and len(titles) != len(arrays)):
        raise ValueError(f"show got {len(arrays)} pictures and {len(titles or ())} titles; give at least one picture")
    for array in arrays:
        if not array.size:
            raise ValueError(f"show got a picture of {array.shape[0]}×{array.shape[1]} pixels; leave it out")
    columns = min(len(arrays), 4 if columns is None else whole(columns, "columns", "show", 1))
    finite(height, "height", "show", 0.1, 100)
    rows = -(-len(arrays) // columns)
    width = height * max(a.shape[1] / a.shape[0] for a in arrays)
    names = list(classes or ())
    legend_rows = -(-len(names) // max(1, int(columns * width / 1.1)))
    legend_height = 0.17 * legend_rows + 0.1
    heights = [height + (0.25 if titles else 0.0)] * rows + ([legend_height] if names else [])
    figure = plt.figure(figsize=(columns * width, sum(heights)), facecolor="white", layout="constrained")
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    for k in range(rows * columns):
        axis = figure.add_subplot(grid[k // columns, k % columns])
        axis.set_axis_off()
        if k < len(arrays):
            axis.imshow(arrays[k], interpolation="nearest")
            axis.set_title(titles[k] if titles is not None else "", fontsize=9)
    if names:
        legend(figure.add_subplot(grid[-1, :]), names, palette, -(-len(names) // legend_rows))
    if caption:
        figure.supxlabel(caption, fontsize=9)
    plt.close(figure)  # pyplot would show it a second time at the end of the cell
    return figure


def _array(values: Palette) -> np.ndarray:
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()  # numpy has no bfloat16


def _palette(palette: Palette, name: str = "palette") -> np.ndarray:
    colours = _array(palette)
    if (
        colours.ndim != 2 or colours.shape[1] != 3 or colours.dtype.kind not in "iu"
        or (colours.size and not 0 <= colours.min() <= colours.max() <= 255)
    ):  # fmt: skip
        raise ValueError(
            f"{name} is {shown(palette)}; it takes whole numbers from 0 to 255, red, green and blue for each class: K×3"
        )
    return colours.astype(np.uint8)


def _labels(labels: Picture) -> np.ndarray:
    numbers = _array(labels)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iub":
        raise ValueError(f"a label map of shape {numbers.shape} and type {numbers.dtype}; it must be H×W whole numbers")
    return numbers.astype(np.int64)
