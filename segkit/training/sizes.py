"""Whether the pictures of a set can be trained on, as far as that is known before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from segkit.checks import pair
from segkit.data.files import open_picture
from segkit.data.sizes import Sized, look
from segkit.models import Model
from segkit.training import processes
from segkit.training.recipe import Recipe


def check_sizes(train_set: Any, recipe: Recipe, model: nn.Module, batch: int) -> None:
    """Refuse pictures that a step cannot take, by what the headers of their files say.

    Args:
        train_set: without the recipe's augmentation; the sizes of pictures that are no files are not known.
        recipe: crop, scale, norm and accumulate are read.
        model: in training mode it may need a larger picture.
        batch: pictures that this process stacks in a step.

    Raises:
        ValueError: pictures of several sizes without a crop, one too small for the network, or as `look`.
    """
    known = [picture for picture in look(train_set) if picture.size is not None]
    if recipe.crop is None and batch > 1:
        if recipe.scale[0] != recipe.scale[1]:
            raise ValueError(
                f"scale={recipe.scale} without a crop gives each picture a size of its own, and a step stacks {batch} "
                "pictures; give the recipe a crop, such as crop=256, or batch_size=1"
            )
        _of_one_size(known, batch)
    alone = batch // min(recipe.accumulate, batch) == 1 and processes.count() == 1
    if not alone or recipe.norm != "learn" or not isinstance(model, Model):
        return
    if recipe.crop is not None:
        size = pair(recipe.crop, "crop", "a recipe", 1)
        if _one_cell(model, size):
            raise one_value(size)
        return
    factor = recipe.scale[0]
    sizes = {size: tuple(max(1, round(side * factor)) for side in size) for _, size in known if size}
    smallest = [a for a in sizes if not any(b != a and b[0] <= a[0] and b[1] <= a[1] for b in sizes)]
    if any(_one_cell(model, sizes[size]) for size in smallest):
        small = {size for size in sizes if _one_cell(model, sizes[size])}
        refused = [picture for picture in known if picture.size in small]
        more = f" (and {len(refused) - 1} more)" if refused[1:] else ""
        raise one_value(sizes[refused[0].size or (1, 1)], f"{refused[0].file}{more}: ")


def one_value(size: Sequence[int], where: str = "", pictures: int = 1) -> ValueError:
    """The error for a batch in which BatchNorm sees each channel once."""
    return ValueError(
        f"{where}BatchNorm cannot learn from {pictures} picture of {tuple(size)} pixels: the coarsest map has one "
        "value a channel; take a larger crop or batch_size, a smaller accumulate, or norm='fixed'"
    )


@torch.no_grad()
def _one_cell(model: Model, size: tuple[int, ...]) -> bool:
    """Whether some BatchNorm would see one value a channel of a picture: tried on tensors without values."""
    meta = {name: torch.empty_like(t, device="meta") for name, t in model.state_dict().items()}
    picture = torch.empty(1, model.in_channels, *size, device="meta")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.func.functional_call(model, meta, (picture,))
    except ValueError as error:
        return "more than 1 value per channel" in str(error) or "a single value has no variance" in str(error)
    except Exception:  # a layer of another's that cannot do without values: the first step will tell
        return False
    return False


def _of_one_size(known: list[Sized], batch: int) -> None:
    others = [picture for picture in known if picture.size != known[0].size]
    for picture in others:
        first, other = (open_picture(p.file).size for p in (known[0], picture))  # read to the end, to be sure
        if first != other:
            raise ValueError(
                f"{picture.file} is {other[0]}×{other[1]} pixels, {known[0].file} {first[0]}×{first[1]} "
                f"({len({p.size for p in known})} sizes among {len(known)} pictures), and a step stacks {batch} of one "
                "size; give the recipe a crop, such as crop=256, or batch_size=1"
            )
