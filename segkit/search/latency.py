"""How long a network takes that is not chosen yet: the expectation over all that it may become.

Layers choose independently, layer i option j with probability pᵢⱼ = softmax(logitsᵢ)ⱼ. A path takes one option of each
layer and has probability Πᵢ pᵢ; its latency is a sum of terms, each of which depends on few choices. So

  E = Σ_paths Πᵢ pᵢ · Σ_terms t(path) = Σ_terms Σ_{its choices} p·p·… t

since the sum over a choice on which a term does not depend is 1. The left side has Πᵢ Kᵢ addends (6 layers of 5 blocks
and 5 widths: 244 million), the right side a few hundred, and both have the same gradient.

Reference: Chen et al., "FasterSeg: Searching for Faster Real-time Semantic Segmentation", ICLR 2020 (arXiv 1912.10917),
section 3.2.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from segkit.analysis import in_turns
from segkit.analysis.running import evaluated, picture_for
from segkit.checks import pair, whole
from segkit.training import pick_device
from segkit.typed import typed

Block = Callable[[int, int], nn.Module]


@dataclass(frozen=True, eq=False)
class Term:
    """A part of the latency, for each way in which the choices that it depends on may fall.

    Args:
        latency: one dimension for each of them: latency[i, j, …] where they fall on options i, j, …; in seconds, or in
            any other unit, multiply-adds too.
        choices: which choices these are, by their places in the list of logits, each once. A layer depends on its
            block, its own width, and the width of the layer before.

    Raises:
        TypeError, ValueError: what does not belong together; a latency that is negative, infinite or NaN.
    """

    latency: Tensor
    choices: tuple[int, ...]

    @typed
    def __init__(self, latency: Tensor, choices: Sequence[int]) -> None:
        fits = latency.is_floating_point() and 0 not in latency.shape and bool((latency >= 0).all())
        if not fits or not latency.isfinite().all():
            raise ValueError(f"Term got a latency of {latency.dtype} and shape {tuple(latency.shape)}; give floating-"
                             "point numbers, one or more, each finite and 0 or more")  # fmt: skip
        places = tuple(whole(choice, "choices", "Term", 0) for choice in choices)
        if len(places) != latency.ndim or len(set(places)) != len(places):
            raise ValueError(f"Term got a latency of shape {tuple(latency.shape)} and choices={places}; give one "
                             "dimension for each choice, and no choice twice")  # fmt: skip
        object.__setattr__(self, "latency", latency)
        object.__setattr__(self, "choices", places)


@typed
def expected_latency(logits: Sequence[Tensor], table: Sequence[Term]) -> Tensor:
    """The mean latency of the networks that these choices may become, weighed by their probability.

    Args:
        logits: of each choice a vector, one number for each option. To weigh kinds of choices differently, as FasterSeg
            does so that the search does not collapse to the narrowest network, take the expectation once for each kind,
            with the logits of the others detached.
        table: what the latency is the sum of.

    Returns:
        scalar, with gradients for the logits, in the unit of the table; 0 for an empty one.

    Raises:
        TypeError, ValueError: logits that are no vectors of finite numbers; a term that depends on a choice that is not
            there, or has another number of options than it.

    Source:
        Section 3.2.
    """
    sizes = [_options(choice, i) for i, choice in enumerate(_listed(logits))]
    _fit(table, sizes, "expected_latency")
    total = logits[0].new_zeros(()) if sizes else torch.zeros(())
    shares = [choice.softmax(0).to(total) for choice in logits]
    for term in table:
        left = term.latency.to(total)
        for choice in term.choices:  # the first dimension that is left is this choice's
            left = torch.tensordot(shares[choice], left, 1)
        total = total + left
    return total


@typed
def path_latency(path: Sequence[int], table: Sequence[Term]) -> float:
    """The latency of one network: what the terms say where each choice has fallen on one option.

    Args:
        path: the option of each choice.
        table: as for `expected_latency`.

    Raises:
        TypeError, ValueError: a term that depends on a choice that the path has not, or an option that it has not.
    """
    options = [whole(option, "path", "path_latency", 0) for option in path]
    _fit(table, [None] * len(options), "path_latency")
    total = 0.0
    for term in table:
        place = tuple(options[choice] for choice in term.choices)
        if any(option >= size for option, size in zip(place, term.latency.shape, strict=True)):
            raise ValueError(f"path_latency got path={tuple(options)}; a term over the choices {term.choices} has "
                             f"{tuple(term.latency.shape)} options, counted from 0")  # fmt: skip
        total += float(term.latency[place])
    return total


@typed
def latency_table(
    blocks: Mapping[str, Block], before: Sequence[int], after: Sequence[int], size: int | tuple[int, int],
    rounds: int = 5, device: str = "cpu", clock: Callable[[], float] = time.perf_counter,
) -> Tensor:  # fmt: skip
    """Measured seconds of each block at each pair of widths, for a `Term`.

    Args:
        blocks: by name, what makes a block of so many channels in and out.
        before, after: the channels that may come in, and that may go out.
        size: of the map that comes in: one number, or (height, width).
        rounds: how often each is timed, all in turn, after one round that does not count; the median is given.
        device: where they run: "cpu", "cuda", … or "auto", the fastest there is.
        clock: gives seconds, as for `in_turns`.

    Shape:
        blocks × before × after, float32.

    Raises:
        TypeError, ValueError: no blocks or widths, a number below 1, a block that is no network, no such device.
    """
    who, at = "latency_table", pick_device(device)
    height, width = pair(size, "size", who, 1)
    widths = [[whole(c, name, who, 1) for c in given] for name, given in (("before", before), ("after", after))]
    if not blocks or not all(widths) or not all(map(callable, blocks.values())):
        raise ValueError(f"{who} got the blocks {list(blocks)} for {list(before)} channels to {list(after)}; give one "
                         "or more of each, the blocks as functions of channels in and out")  # fmt: skip
    with torch.random.fork_rng(devices=[]):  # weights make no difference, and the caller's random numbers stay
        keys = [(name, i, o) for name in blocks for i in widths[0] for o in widths[1]]
        made = [blocks[name](i, o) for name, i, o in keys]
    for (name, *_), block in zip(keys, made, strict=True):
        if not isinstance(block, nn.Module):
            raise TypeError(f"{who} got {type(block).__name__} from the block {name!r}; it is a function from channels "
                            "in and out to an nn.Module")  # fmt: skip
    together = nn.ModuleList(made).to(at)
    runs = {
        str(i): partial(block, picture_for(together, (1, key[1], height, width), at))
        for i, (key, block) in enumerate(zip(keys, made, strict=True))
    }
    with torch.no_grad(), evaluated(together):
        times = in_turns(runs, rounds, device=at, clock=clock)
    found = torch.tensor([statistics.median(seconds) for seconds in times.values()])
    return found.view(len(blocks), len(widths[0]), len(widths[1]))


def _listed(logits: Sequence[Tensor]) -> Sequence[Tensor]:
    if isinstance(logits, Tensor):
        raise TypeError(f"expected_latency got logits of shape {tuple(logits.shape)}; give a list, one vector for each "
                        "choice")  # fmt: skip
    return logits


def _options(choice: Tensor, place: int) -> int:
    if choice.ndim != 1 or not len(choice) or not choice.is_floating_point() or not choice.isfinite().all():
        raise ValueError(f"expected_latency got logits[{place}] of {choice.dtype} and shape {tuple(choice.shape)}; "
                         "each is a vector of finite numbers, one for each option")  # fmt: skip
    return len(choice)


def _fit(table: Sequence[Term], sizes: Sequence[int | None], who: str) -> None:
    """Each term depends on choices that are there, and has as many options as they."""
    for number, term in enumerate(table):
        for choice, options in zip(term.choices, term.latency.shape, strict=True):
            if choice >= len(sizes):
                raise ValueError(f"{who} got table[{number}] over the choices {term.choices}; there are {len(sizes)}, "
                                 "counted from 0")  # fmt: skip
            if sizes[choice] not in (None, options):
                raise ValueError(f"{who} got table[{number}] with {options} options for choice {choice}, whose logits "
                                 f"are {sizes[choice]}")  # fmt: skip
