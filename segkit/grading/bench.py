"""Several networks on a machine with a clock of its own: measuring in turns can be tried without waiting for anything.

No right answers: students' code runs beside this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

TRAINING, RECORDING = 1.5, 1.25  # how much longer a call takes in training mode, and with gradients recorded


class Timed(nn.Module):
    """A network on a bench: it gives its input back, and takes the time that the bench says."""

    def __init__(self, bench: Bench, number: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()), requires_grad=bench.learns)
        self.train(bench.training)
        self.bench, self.number, self.calls = bench, number, 0

    def forward(self, x: Tensor) -> Tensor:
        recorded = torch.is_grad_enabled() and self.weight.requires_grad
        self.bench.hand_over(self, (TRAINING if self.training else 1.0) * (RECORDING if recorded else 1.0))
        self.calls += 1
        return x * self.weight


@dataclass(repr=False)
class Bench:
    """Networks on one machine, which does what it is handed in order.

    A processor waits until a call is done; other machines go on at once, as a GPU does, and `synchronise` waits for all
    that was handed over.

    Args:
        work: for each network the seconds that its calls take, in turn; the last one from there on.
        pace: how many times as long the calls of all networks take, in turn; the last one from there on.
        training: whether the networks come in training mode, in which a call takes longer.
        learns: whether their weights want gradients, which a call records, and takes longer, where nobody says no.
        handing: seconds that it takes to hand a call over.
        waits: whether a call waits until the machine is done, as on a processor.
    """

    work: tuple[tuple[float, ...], ...]
    pace: tuple[float, ...] = (1.0,)
    training: bool = False
    learns: bool = False
    handing: float = 0.0
    waits: bool = True
    networks: list[Timed] = field(default_factory=list, init=False, compare=False)
    _now: float = field(default=100.0, init=False, compare=False)
    _free: float = field(default=0.0, init=False, compare=False)  # when all is done that was handed over

    def __post_init__(self) -> None:
        self.networks = [Timed(self, number) for number in range(len(self.work))]

    def synchronise(self) -> None:
        """Wait until the machine has done all that it was handed."""
        self._now = max(self._now, self._free)

    def clock(self) -> float:
        """Seconds since some moment in the past."""
        return self._now

    def hand_over(self, network: Timed, factor: float) -> None:
        """A call of a network, which takes `factor` times as long as it would otherwise."""
        own, before = self.work[network.number], sum(other.calls for other in self.networks)
        seconds = factor * own[min(network.calls, len(own) - 1)] * self.pace[min(before, len(self.pace) - 1)]
        self._now += self.handing
        self._free = max(self._now, self._free) + seconds
        if self.waits:
            self.synchronise()

    def script(self) -> dict[str, Any]:
        """What it was made with."""
        return {"work": self.work, "pace": self.pace, "training": self.training, "learns": self.learns,
                "handing": self.handing, "waits": self.waits}  # fmt: skip

    def __repr__(self) -> str:
        usual = Bench(self.work).script()
        told = {name: value for name, value in self.script().items() if name == "work" or value != usual[name]}
        return f"Bench({', '.join(f'{name}={value}' for name, value in told.items())})"
