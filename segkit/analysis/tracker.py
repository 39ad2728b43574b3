"""Carry receptive fields through whatever a network executes, one operation of torch at a time.

The network runs once, on a tensor that has a shape but no values; under every operation that torch dispatches the
matching rule of `rules` or `moves` is applied to the fields. So it does not matter how the network is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from segkit.analysis import choices, moves, rules
from segkit.analysis.carry import spread
from segkit.analysis.fields import Field, empty_bounds
from segkit.analysis.rules import Call, Rule, UnknownOperation
from segkit.shapes import shaped


def _rules() -> dict[str, Rule]:
    families: dict[Rule, str] = {  # operations that torch tags as pointwise need no name here
        rules.convolution: "convolution _convolution",
        rules.pooling: "max_pool2d_with_indices avg_pool2d",
        rules.unpooling: "max_unpool2d",
        rules.adaptive_pooling: "_adaptive_avg_pool2d adaptive_max_pool2d",
        rules.resizing("nearest"): "upsample_nearest2d",
        rules.resizing("nearest-exact"): "_upsample_nearest_exact2d",
        rules.resizing("linear"): "upsample_bilinear2d",
        rules.resizing("cubic"): "upsample_bicubic2d",
        rules.reduction: "sum mean amax amin max min var std var_mean logsumexp prod any all linalg_vector_norm",
        rules.along: "_softmax _safe_softmax _log_softmax cumsum sort topk",
        rules.normalisation: "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
        "cudnn_batch_norm _batch_norm_no_update native_layer_norm native_group_norm",
        rules.contraction: "mm addmm bmm baddbmm mv",
        rules.attention: "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention "
        "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention",
        rules.restrided: "as_strided_",
        rules.constant: "zeros_like ones_like empty_like new_zeros new_ones new_empty new_full fill_ zero_ bernoulli_",
        rules.pointwise: "hardswish _prelu_kernel _to_copy masked_fill clone detach alias native_dropout",
        moves.view: "view _unsafe_view unsqueeze squeeze",
        moves.permuted: "permute transpose t",
        moves.sliced: "slice select split split_with_sizes unsafe_split unbind",
        moves.padded: "constant_pad_nd reflection_pad2d replication_pad2d",
        moves.concatenated: "cat stack",
        moves.shuffled: "pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle",
        moves.unknown_axes: "roll flip index_select repeat unfold",
        choices.sampled: "grid_sampler_2d",
        choices.gathered: "gather",
        choices.indexed: "index",
        choices.scattered: "scatter",
        _expanded: "expand",
    }
    return {name: rule for rule, names in families.items() for name in names.split()}


def _expanded(call: Call) -> list[Field | None]:
    return [spread(call.first(), call.out.shape)]


def _rule_for(func: Any) -> Rule:
    name = func._schema.name.removeprefix("aten::")
    for candidate in (name, name.removesuffix("_"), name.removesuffix("_copy")):
        if candidate in _RULES:
            return _RULES[candidate]
    if torch.Tag.pointwise in func.tags:
        return rules.pointwise
    raise UnknownOperation(f"there is no rule for the operation {func} yet")


def _arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the names of the operation's schema, defaults filled in."""
    return {
        argument.name: args[i] if i < len(args) else kwargs.get(argument.name, argument.default_value)
        for i, argument in enumerate(func._schema.arguments)
    }


class Tracker(TorchDispatchMode):
    """While it is active, every tensor that depends on the picture carries a Field.

    A view of a tensor stores how it was made, not a copy of the field: so writing into a slice changes the whole, and
    changing the whole changes the slice, as with the values themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watch: Callable[[str, Tensor], None] = lambda name, out: None  # told of every operation on the picture
        self.where: Callable[[], str] = lambda: "the network"  # for messages

    def set_picture(self, picture: Tensor, field: Field) -> None:
        picture._segkit_field = field  # type: ignore[attr-defined]

    def field(self, t: Tensor) -> Field | None:
        """The field of a tensor; None if no pixel reaches it."""
        origin = getattr(t, "_segkit_view", None)
        if origin is None:
            return getattr(t, "_segkit_field", None)
        call, index = origin
        base = self.field(call.args[0])
        if base is None:
            return None
        return _apply(replace(call, field=lambda viewed: base if viewed is call.args[0] else None))[index]

    def assign(self, t: Tensor, field: Field | None) -> None:
        """The tensor has been overwritten; if it is a view, part of what it views has."""
        origin = getattr(t, "_segkit_view", None)
        if origin is None:
            if field is not None or hasattr(t, "_segkit_field"):
                t._segkit_field = field  # type: ignore[attr-defined]
            return
        call, index = origin
        base = call.args[0]
        before = self.field(base)
        if before is None and field is None:
            return
        pieces = field.bounds if field else empty_bounds(t.shape)
        whole = []
        for old, piece in zip(before.bounds if before else empty_bounds(base.shape), pieces, strict=True):
            copy = old.clone(memory_format=torch.contiguous_format)
            part = call.func(copy, *call.args[1:], **call.kwargs)
            (part if isinstance(part, Tensor) else part[index]).copy_(piece)
            whole.append(copy)
        self.assign(base, Field(tuple(whole), moves.written_lines(call, before, field)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        view = func.is_view
        before = {id(t): self.field(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and not view}
        out = shaped(func, args, kwargs)
        call = Call(func, args, kwargs, _arguments(func, args, kwargs), out, lambda t: before.get(id(t)))
        if not any(isinstance(o, Tensor) for o in call.outs):
            return out
        if view:
            for i, o in enumerate(call.outs):
                if o is not args[0]:
                    o._segkit_view = (call, i)
        elif call.tracked() or func._schema.is_mutable:
            self._record(call)
        return out

    def _record(self, call: Call) -> None:
        try:
            results = _apply(call) if call.tracked() else [None] * len(call.outs)
        except UnknownOperation as error:
            raise UnknownOperation(f"{self.where()}: {error}") from None
        written = [a.name for a in call.func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        targets = [call.named[name] for name in written] or call.outs
        for target, field in zip(targets, results, strict=False):
            if isinstance(target, Tensor):
                if torch.Tag.inplace_view in call.func.tags:  # unsqueeze_, t_: now a tensor of its own
                    vars(target).pop("_segkit_view", None)
                self.assign(target, field)
        if isinstance(call.outs[0], Tensor):
            self.watch(call.func._schema.name.removeprefix("aten::").strip("_"), call.outs[0])


def _apply(call: Call) -> list[Field | None]:
    if call.func._schema.name == "aten::copy_":
        source = call.field(call.args[1])
        return [spread(source, call.out.shape) if source else None]
    return _rule_for(call.func)(call)


_RULES = _rules()
