"""What a network is made of, read from the network itself: its parts, their maps, and who reads whom.

`segkit.viz.network` draws it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from segkit.analysis.running import evaluated, settle_threads
from segkit.checks import whole
from segkit.encoders import Encoder
from segkit.engine import use_engine
from segkit.typed import typed

ATTENTION = "scaled_dot_product_attention"
ROWS = ("unsqueeze", ATTENTION)  # with these, four dimensions are heads and rows, not a map
BORDERS = ("pad", "slice", "narrow", "expand")  # these change a map's size and nothing else
CASTS = ("to", "_to_copy")  # the same map, of another type or not even that
JOINS = {"cat": "concat", "add": "+", "maximum": "max", "amax": "max", "mul": "×"}  # blocks of their own


@dataclass
class Part:
    """One block of the drawing.

    Args:
        name: the module's name in the network, or what an operation between modules does; "#1" after the second of a
            name, which may be the module's second run.
        channels, height, width: of the map that it gives.
        stride: pixels of the picture from one cell to the next, to the nearest power of two.
        reads: names of the parts whose maps it takes.
        parameters: of its modules.
    """

    name: str
    channels: int
    height: int
    width: int
    stride: int
    reads: list[str] = field(default_factory=list)
    parameters: int = 0


@typed
def anatomy(model: nn.Module, size: tuple[int, int] = (128, 128), in_channels: int | None = None) -> list[Part]:
    """The parts of a network, in the order in which they run; the first is the picture.

    Modules are taken apart as far as a paper's figure does: an encoder into its stages, a head into its branches, a
    chain of layers where its map shrinks or where a skip leaves. What only follows another part cell by cell
    (BatchNorm, ReLU, dropout) belongs to it.

    Args:
        model: a network from pictures to maps; a `Model` shows its auxiliary outputs too.
        size: height and width of the picture that is sent through; no values are computed.
        in_channels: of the picture; the model's own where None.
    """
    from segkit.models import Model

    for side in size:
        whole(side, "size", "anatomy", 1)
    channels: Any = in_channels or getattr(model, "in_channels", 3)
    options = {"outputs": True} if isinstance(model, Model) else {}
    settle_threads()
    with torch.no_grad(), use_engine("native"), evaluated(model, []):
        program = torch.export.export(model, (torch.zeros(1, channels, *size),), options, strict=False)
    return _Reader(model, size).read(program.graph)


class _Reader:
    """Walks over the exported operations and gathers them into parts."""

    def __init__(self, model: nn.Module, size: tuple[int, int]) -> None:
        self.model, self.size = model, size
        self.modules = dict(model.named_modules())
        self.chosen = set(_chosen(model, ""))
        self.parts: dict[str, Part] = {}
        self.owner: dict[Any, str] = {}  # operation → name of its part
        self.latest: dict[str, str] = {}  # module → the last of its parts

    def read(self, graph: torch.fx.Graph) -> list[Part]:
        for node in graph.nodes:
            value = node.meta.get("val")
            if node.op == "placeholder" and isinstance(value, Tensor) and not self._is_state(node):
                self._enter(node, "picture", value, [])
            elif node.op == "call_function" and isinstance(value, Tensor):
                self._operation(node, value)
            elif node.op == "call_function" and (known := [a for a in node.all_input_nodes if a in self.owner]):
                self.owner[node] = self.owner[known[0]]  # several results, such as maxima and their places
        self._merge_sums()
        for path in self.chosen & set(self.parts):
            self.parts[path].parameters = sum(p.numel() for p in self.modules[path].parameters())
        return list(self.parts.values())

    def _merge_sums(self) -> None:
        """a + b + c is one sum."""
        for name, part in list(self.parts.items()):
            readers = [p for p in self.parts.values() if name in p.reads]
            if name.startswith("+") and len(readers) == 1 and readers[0].name.startswith("+"):
                at = readers[0].reads.index(name)
                readers[0].reads[at : at + 1] = part.reads
                del self.parts[name]

    @staticmethod
    def _is_state(node: Any) -> bool:
        return str(node.target).startswith(("p_", "b_", "c_"))

    def _operation(self, node: Any, value: Tensor) -> None:
        before = list(dict.fromkeys(self.owner[a] for a in node.all_input_nodes if a in self.owner))
        if not before:
            return
        path, kind = self._path(node), getattr(node.target, "__name__", "").partition(".")[0].rstrip("_")
        if kind in CASTS:
            self.owner[node] = before[0]
            return
        if kind == "stack" and len(before) > 1:
            self._enter(node, kind, value, before)
            return
        if value.ndim not in (2, 4) or kind in ROWS:  # neither a map nor a vector: a step on the way to one
            self.owner[node] = before[0]
            if kind == ATTENTION:
                self._hear(*before)
            return
        if path is None:
            self._between(node, value, kind, before)
        elif (name := self.latest.get(path)) and (name in before or self.parts[name].reads == before):
            coarser = kind.endswith("pool2d") and _sides(value) != (self.parts[name].height, self.parts[name].width)
            if coarser or self._read_elsewhere(node, name, path):  # where a chain of layers is cut
                self.latest[path] = self._enter(node, path, value, before)
            else:
                self._continue(node, name, value, before)
        elif self._pointwise(path) and len(before) == 1 and before[0] != "picture":
            self.owner[node] = before[0]
        else:
            self.latest[path] = self._enter(node, path, value, before)

    def _hear(self, query: str, *speakers: str) -> None:
        """Keys and values come to the query: its part, which now follows theirs, becomes what is heard."""
        if any(query in other.reads for other in self.parts.values()):  # they are made of it: it cannot follow them
            return
        part = self.parts.pop(query)
        part.reads += [name for name in speakers if name not in part.reads]
        self.parts[query] = part

    def _read_elsewhere(self, node: Any, name: str, path: str) -> bool:
        """Whether the map that this operation goes on from is read by another part as well, such as a skip."""
        inner = [a for a in node.all_input_nodes if self.owner.get(a) == name]
        return any(self._path(user) != path for a in inner for user in a.users if user.op == "call_function")

    def _between(self, node: Any, value: Tensor, kind: str, before: list[str]) -> None:
        """An operation of the network itself: a join or a change of size; whatever else belongs to what it follows."""
        here, sides = self.parts[before[0]], _sides(value)
        if kind in JOINS and len(before) > 1:
            self._enter(node, JOINS[kind], value, before)
        elif value.ndim != 4 or any(word in kind for word in BORDERS):
            self.owner[node] = before[0]
        elif sides < (here.height, here.width):
            rows = here.name.startswith("pool") and not any(here.name in part.reads for part in self.parts.values())
            if rows:  # rows first, then columns: one pooling
                before = self.parts.pop(here.name).reads
            word = "shrink" if kind.startswith("upsample") else f"pool {sides[0]}×{sides[1]}"
            name = self._enter(node, word, value, before)
            self.owner |= {n: name for n, owner in self.owner.items() if rows and owner == here.name}
        elif sides > (here.height, here.width):
            self._enter(node, "enlarge", value, before)
        else:
            self.owner[node] = before[0]

    def _continue(self, node: Any, name: str, value: Tensor, before: list[str]) -> None:
        part = self.parts[name]
        earlier = list(self.parts)[: list(self.parts).index(name)]
        part.reads += [other for other in before if other in earlier and other not in part.reads]  # branches that meet
        self.owner[node] = name
        part.channels, (part.height, part.width) = value.shape[1], _sides(value)
        part.stride = self._stride(part.height)

    def _enter(self, node: Any, name: str, value: Tensor, before: list[str]) -> str:
        count = sum(other.partition("#")[0] == name for other in self.parts)
        name = f"{name}#{count}" if count else name
        h, w = _sides(value)
        self.parts[name] = Part(name, value.shape[-3 if value.ndim > 2 else 1], h, w, self._stride(h), before)
        self.owner[node] = name
        return name

    def _stride(self, height: int) -> int:
        return 2 ** max(0, round(math.log2(self.size[0] / height)))

    def _path(self, node: Any) -> str | None:
        """The chosen module that this operation belongs to, "@1" for its second run; None where it is between them."""
        stack = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
        deepest = stack[-1] if stack else ""
        names = deepest.split(".")
        for length in range(len(names), 0, -1):
            path = ".".join(names[:length])
            if ".".join(name.partition("@")[0] for name in names[:length]) in self.chosen:
                return path
        return None

    def _pointwise(self, path: str) -> bool:
        module = self.modules[".".join(name.partition("@")[0] for name in path.split("."))]
        return not any(isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.MaxPool2d | nn.AvgPool2d)
                       for m in module.modules())  # fmt: skip


def _sides(value: Tensor) -> tuple[int, int]:
    """Height and width of a map; of a vector, one cell."""
    return (value.shape[-2], value.shape[-1]) if value.ndim > 2 else (1, 1)


def _chosen(module: nn.Module, prefix: str) -> Iterator[str]:
    """Names of the modules that are blocks of their own."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        head = type(child).__module__.startswith("segkit.heads") and not isinstance(child, nn.Sequential)
        apart = head or isinstance(child, Encoder | nn.ModuleList)
        if apart:
            yield from _chosen(child, f"{path}.")
        else:
            yield path
