"""The README's moving picture: an explorer, as someone moves its sliders. `python site/moving.py` draws it anew."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from segkit.explore import GriddingExplorer

FILE = Path(__file__).resolve().parents[1] / "course/images/moving.gif"
MOVES = [
    (1, 1, 1), (1, 1, 2), (1, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 3), (1, 2, 4), (1, 2, 5), (1, 2, 4), (2, 2, 4),
    (2, 4, 4), (2, 4, 8), (1, 4, 8), (1, 3, 8), (1, 3, 9),
]  # fmt: skip
RESTS = {(2, 2, 2), (1, 2, 5), (2, 4, 8), (1, 3, 9)}  # long enough to read
WIDTH, COLOURS, STEP, REST = 720, 24, 500, 2200  # pixels, palette, milliseconds


def frame(explorer: GriddingExplorer, rates: tuple[int, ...]) -> Image.Image:
    """The explorer's picture, with its caption, for these rates."""
    with explorer.together():
        for number, rate in enumerate(rates, start=1):
            explorer.controls[f"rate_{number}"].value = rate
    canvas = FigureCanvasAgg(explorer.static())
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def draw(path: Path = FILE) -> None:
    explorer = GriddingExplorer(rates=MOVES[0])
    drawn = [frame(explorer, rates) for rates in MOVES]
    height = max(picture.height for picture in drawn)
    frames = []
    for picture in drawn:
        page = Image.new("RGB", (picture.width, height), "white")
        page.paste(picture)
        small = page.resize((WIDTH, round(height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
        frames.append(small.quantize(COLOURS, dither=Image.Dither.NONE))
    times = [REST if rates in RESTS else STEP for rates in MOVES]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)


if __name__ == "__main__":
    draw(*map(Path, sys.argv[1:2]))
    print(f"{(Path(sys.argv[1]) if sys.argv[1:] else FILE).stat().st_size / 1e3:.0f} kB")
