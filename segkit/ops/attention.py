"""Attention: each query takes a mean of the values, weighted by how well their keys answer it.

    answer(i)  =  Σⱼ a(i, j) · value(j)          a(i, ·)  =  softmax over j of  scale · query(i)·key(j)

Who may be heard is the mask's to say. With queries, keys and values from every pixel of a map each pixel hears all of
them (DANet, OCNet); a mask of row and column makes it criss-cross attention (CCNet); with keys and values from pooled
maps it hears a hundred anchors (ANN), from regions a few objects (OCR). The operator is always the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.checks import finite
from segkit.ops.arguments import floating, in_float32, one_type, tensor

OP = "attend"


@in_float32
def attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None, mask: Tensor | None = None) -> Tensor:
    """For each query the mean of the values, weighted by softmax(scale · query·key).

    Args:
        query: what each listener asks for.
        key, value: what each speaker answers to, and what it says.
        scale: factor of the products before the softmax; 1/√E by default.
        mask: who may be heard: True where a listener may hear a speaker, or numbers that are added to the scaled
            products. A listener who may hear nobody gets 0.

    Shape:
        query …×L×E, key …×S×E, value …×S×D, mask L×S or …×L×S → …×L×D; the dimensions before these are the same in
        all three, and there may be none.

    Raises:
        TypeError: something is not a tensor of floating-point numbers (the mask may be of bools), or types are mixed.
        ValueError: shapes do not fit; the scale is not finite.

    Source:
        Vaswani et al., NeurIPS 2017 (arXiv 1706.03762), equation 1. `torch.nn.functional.scaled_dot_product_attention`
        is the same with `attn_mask` for `mask`.
    """
    check_attend(query, key, value, scale, mask)
    products = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.mT  # …, L, S
    if mask is not None:
        products = torch.where(mask, products, -torch.inf) if mask.dtype == torch.bool else products + mask
    return softmax(products) @ value  # …, L, D


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """exp(x) / Σ exp(x), with the largest subtracted so that nothing overflows; 0 where all are −∞."""
    if x.shape[dim] == 0:
        return x
    largest = x.detach().amax(dim, keepdim=True)
    shares = (x - torch.where(largest > -torch.inf, largest, 0.0)).exp()
    total = shares.sum(dim, keepdim=True)
    return shares / torch.where(total > 0, total, 1.0)


def check_attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None, mask: Tensor | None) -> None:
    """Everything fits, or a message that names what does not."""
    named = {"query": query, "key": key, "value": value}
    for name, given in named.items():
        floating(tensor(given, name, OP), OP, name)
        if given.ndim < 2:
            raise ValueError(f"{OP} got {name} of shape {tuple(given.shape)}; it takes …×length×channels")
    one_type(list(named.values()), OP)
    before = query.shape[:-2]
    if key.shape[:-2] != before or value.shape[:-2] != before:
        raise ValueError(f"{OP} got {_shapes(named)}; the dimensions before the last two must be the same in all three")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2] or not query.shape[-1]:
        raise ValueError(
            f"{OP} got {_shapes(named)}; it takes query …×L×E, key …×S×E and value …×S×D: as many channels (1 or more) "
            "in query and key, as many rows in key and value"
        )
    if scale is not None:
        finite(scale, "scale", OP)
    if mask is not None:
        _check_mask(mask, (*before, query.shape[-2], key.shape[-2]), query)


def _shapes(named: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} {tuple(given.shape)}" for name, given in named.items())


def _check_mask(mask: Tensor, whole: tuple[int, ...], query: Tensor) -> None:
    if not isinstance(mask, Tensor) or not (mask.dtype == torch.bool or mask.is_floating_point()):
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"{OP} got mask of type {kind}; it takes bools, True where one may be heard, or numbers to add")
    if tuple(mask.shape) not in (whole, whole[-2:]):
        raise ValueError(f"{OP} got mask of shape {tuple(mask.shape)}; it takes {whole[-2:]} (listeners, speakers)"
                         + (f" or {whole}" if len(whole) > 2 else ""))  # fmt: skip
    if mask.is_floating_point():
        one_type([query, mask], OP)
    elif mask.device != query.device:
        raise ValueError(f"{OP} got a mask on {mask.device} and query on {query.device}; bring both to one device")
