"""Windows of a house front at night: some are lit, some dark, and each dark one takes the colour of its twin elsewhere.

Two windows are twins if their frames are alike, top and bottom. What a dark window should show stands nowhere near
it: a network has to know whom to ask. Nor does counting help: the whole front has as many lights of each of the four
colours, and where twins stand in one row, so has each row. Chance is one in four.
"""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.data.sample import VOID, Sample

TILE = 4  # pixels from one window to the next: a row of frame, one of light, one of frame, and wall
HUES = 8  # of a frame, at the top and again at the bottom: 64 kinds of frames
LIGHTS = ((1.0, 0.2, 0.2), (0.2, 1.0, 0.2), (0.2, 0.4, 1.0), (1.0, 1.0, 0.2))
FIRST = {"train": 0, "val": 1 << 20, "test": 1 << 21}


class Twins:
    """Made-up fronts of size × size windows: a third of them lit, a third dark, a third plain wall.

    Args:
        split: "train", "val" or "test".
        size: windows a side; 3·len(LIGHTS), or a little more for more wall.
        twins: where the twin is: in the same "row", or "apart", in another row and another column.
        least: how many windows away it is, at least.

    Raises:
        ValueError: twins is neither.
    """

    name, ignore_index, num_classes = "twins", VOID, len(LIGHTS)
    classes = ("red", "green", "blue", "yellow")
    palette = (torch.tensor(LIGHTS) * 255).round().to(torch.uint8)

    def __init__(self, split: str, size: int = 12, twins: str = "row", least: int = 4) -> None:
        self.split, self.size, self.least = split, size, least
        self.apart = chosen(twins, "twins", "Twins", ("row", "apart")) == "apart"

    def __getitem__(self, i: int) -> Sample:
        make = torch.Generator().manual_seed(FIRST[self.split] + i)
        size, side, K = self.size, TILE * self.size, len(LIGHTS)
        lit, dark = self._far_apart(make) if self.apart else self._in_rows(make)  # places of K·size windows
        rows = torch.stack([torch.randperm(K, generator=make) for _ in range(size)]).flatten()
        colours = rows[torch.randperm(K * size, generator=make)] if self.apart else rows
        frames = torch.randperm(HUES**2, generator=make)[: K * size]
        cells = 0.1 + 0.1 * torch.rand(3, size * size, TILE, TILE, generator=make)
        for places in (lit, dark):
            cells[:, places, 0, :-1] = HUE[frames % HUES].T[..., None]  # 3, K·size, TILE − 1
            cells[:, places, 2, :-1] = HUE[frames // HUES].T[..., None]
        cells[:, lit, 1, :-1] = torch.tensor(LIGHTS)[colours].T[..., None]
        cells[:, dark, 1, :-1] = 0.0
        image = cells.unflatten(1, (size, size)).transpose(2, 3).reshape(3, side, side)
        labels = torch.full((size * size,), VOID)
        labels[dark] = colours
        labels = labels.view(size, size).repeat_interleave(TILE, 0).repeat_interleave(TILE, 1)
        return Sample(image, labels, name=f"twins/{self.split}/{i}")

    def _in_rows(self, make: torch.Generator) -> tuple[Tensor, Tensor]:
        """Of each pair the lit and the dark window, row by row."""
        K, lit, dark = len(LIGHTS), [], []
        for row in range(self.size):
            while True:
                places = torch.randperm(self.size, generator=make)
                one, other = places[:K], places[K : 2 * K]
                if bool(((one - other).abs() >= self.least).all()):
                    break
            lit.append(row * self.size + one)
            dark.append(row * self.size + other)
        return torch.cat(lit), torch.cat(dark)

    def _far_apart(self, make: torch.Generator) -> tuple[Tensor, Tensor]:
        """The same for twins whose rows and columns both differ; starts over if the last ones find no place."""
        wanted, size = len(LIGHTS) * self.size, self.size
        found: list[tuple[int, int]] = []
        while len(found) < wanted:
            found, taken = [], set[int]()
            for r, c, s, d in torch.randint(size, (40 * wanted, 4), generator=make).tolist():
                one, other = r * size + c, s * size + d
                if min(abs(r - s), abs(c - d)) >= self.least and not {one, other} & taken:
                    taken |= {one, other}
                    found.append((one, other))
                    if len(found) == wanted:
                        break
        places = torch.tensor(found).T
        return places[0], places[1]


def twin_of(image: Tensor, row: int, column: int) -> tuple[int, int]:
    """Row and column of the window whose frame is most like that of another window.

    Args:
        image: a front, 3×H×W.
        row, column: of the window, in windows.
    """
    tiles = image.unfold(1, TILE, TILE).unfold(2, TILE, TILE)[..., 0]  # 3, h, w, TILE
    frames = torch.cat([tiles[..., 0], tiles[..., 2]])  # 6, h, w
    apart = (frames - frames[:, row, column, None, None]).abs().sum(0)  # h, w
    apart[row, column] = torch.inf
    found = divmod(int(apart.argmin()), apart.shape[1])
    return found[0], found[1]


HUE = torch.tensor([colorsys.hsv_to_rgb(k / HUES, 0.9, 0.9) for k in range(HUES)])  # HUES, 3
