"""Windows of a house front at night: some are lit, some dark, and each dark one takes the colour of its twin elsewhere.

Two windows are twins where their frames are alike, top and bottom. What a dark window should show stands nowhere near
it: a network has to know whom to ask. Chance is one in four.
"""

from __future__ import annotations

import colorsys
from typing import Any

import torch
from torch import Tensor

from segkit.data import VOID, Sample

TILE = 4  # pixels a side of a window: a row of frame, two of light, a row of frame
HUES = 6  # of a frame, at the top and again at the bottom: 36 kinds of frames
LIGHTS = ((1.0, 0.2, 0.2), (0.2, 1.0, 0.2), (0.2, 0.4, 1.0), (1.0, 1.0, 0.2))
FIRST = {"train": 0, "val": 1 << 20, "test": 1 << 21}


class Twins:
    """Made-up fronts of size × size windows.

    Args:
        split: "train", "val" or "test".
        size: windows a side.
        pairs: of twins; the other windows are plain wall.
        twins: where the twin is: in the same "row", or "apart", in another row and another column.
        least: how many windows further it is, at the least.
    """

    name, ignore_index, num_classes = "twins", VOID, len(LIGHTS)
    classes = ("red", "green", "blue", "yellow")
    palette = (torch.tensor(LIGHTS) * 255).round().to(torch.uint8)

    def __init__(self, split: str, size: int = 12, pairs: int = 6, twins: str = "row", least: int = 4) -> None:
        self.split, self.size, self.pairs, self.least = split, size, pairs, least
        self.apart = {"row": False, "apart": True}[twins]

    def __getitem__(self, i: int) -> Sample:
        make = torch.Generator().manual_seed(FIRST[self.split] + i)
        side = TILE * self.size
        image = 0.1 + 0.1 * torch.rand(3, side, side, generator=make)
        labels = torch.full((side, side), VOID)
        frames = torch.randperm(HUES**2, generator=make)[: self.pairs].tolist()
        for frame, (lit, dark) in zip(frames, self._places(make), strict=True):
            colour = int(torch.randint(len(LIGHTS), (1,), generator=make))
            for row, column in (lit, dark):
                window = image[:, TILE * row : TILE * (row + 1), TILE * column : TILE * (column + 1)]
                window[:, 0], window[:, -1] = _hue(frame % HUES), _hue(frame // HUES)
                window[:, 1:-1] = torch.tensor(LIGHTS[colour])[:, None, None] if (row, column) == lit else 0.0
            row, column = dark
            labels[TILE * row : TILE * (row + 1), TILE * column : TILE * (column + 1)] = colour
        return Sample(image, labels, name=f"twins/{self.split}/{i}")

    def _places(self, make: torch.Generator) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Of each pair the lit window and the dark one; no window twice."""
        found: list[Any] = []
        taken: set[tuple[int, int]] = set()
        while len(found) < self.pairs:
            (r, c), (s, d) = torch.randint(self.size, (2, 2), generator=make).tolist()
            s = s if self.apart else r
            far = abs(c - d) >= self.least and (abs(r - s) >= self.least or not self.apart)
            if far and not {(r, c), (s, d)} & taken:
                taken |= {(r, c), (s, d)}
                found.append(((r, c), (s, d)))
        return found


def _hue(number: int) -> Tensor:
    return torch.tensor(colorsys.hsv_to_rgb(number / HUES, 0.9, 0.9))[:, None]
