"""`inverted_residual` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed, ignored, one_end, replaced

Part = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]  # expand, first, depthwise, second, project


def _point(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None])


def _shift(x: Tensor, bias: Tensor) -> Tensor:
    return x + bias[:, None, None]


def _widen(x: Tensor, expand: Tensor, first: Tensor, act: Function) -> Tensor:
    return act(_shift(_point(x, expand), first))


def _look(wide: Tensor, depthwise: Tensor, stride: int, padding: int = 1) -> Tensor:
    return F.conv2d(wide, depthwise[:, None], None, stride, padding, groups=len(depthwise))


def one_part(
    x: Tensor, part: Part, stride: int, *, widen: Function = _widen, look: Function = _look,
    first_act: Function = F.relu6, second_act: Function = F.relu6,
) -> Tensor:  # fmt: skip
    """What one part adds, N×O×h×w; its steps can be replaced."""
    expand, first, depthwise, second, project = part
    wide = widen(x, expand, first, first_act)  # N, w, H, W
    return _point(second_act(_shift(look(wide, depthwise, stride), second)), project)


def _total(made: list[Tensor]) -> Tensor:
    return torch.stack(made).sum(0)


def _carried(y: Tensor, x: Tensor, stride: int) -> Tensor:
    return x + y if stride == 1 and x.shape == y.shape else y


def inverted(
    x: Tensor, parts: list[Part], bias: Tensor, stride: int, *, add: Function = _total, carry: Function = _carried,
    **how: Any,
) -> Tensor:  # fmt: skip
    """Reference of `inverted_residual`, with its steps replaced.

    Args:
        x, parts, bias, stride: as the task has them.
        add: add(what the parts give).
        carry: carry(the sum with its bias, x, stride), the shortcut.
        **how: steps of a part, see `one_part`.
    """
    made = add([one_part(x, part, stride, **how) for part in parts])
    return carry(_shift(made, bias), x, stride)


_steps = partial(replaced, inverted)


@each
def _arrays(change: Function) -> Ways:
    """Other arrays of each part: change(expand, first, depthwise, second, project)."""
    return changed(1, lambda parts: [change(*part) for part in parts])


def _padded_first(x: Tensor, expand: Tensor, first: Tensor, act: Function) -> Tensor:
    """Zeros around the narrow map, which the bias of the first 1×1 turns into something else."""
    return _widen(F.pad(x, (1, 1, 1, 1)), expand, first, act)


def _same(x: Tensor) -> Tensor:
    return x


def _early(x: Tensor, expand: Tensor, first: Tensor, act: Function) -> Tensor:
    return _shift(act(_point(x, expand)), first)


def _strided_first(x: Tensor, parts: list[Part], bias: Tensor, stride: int) -> Tensor:
    """The first 1×1 leaves cells out; the depthwise step looks at what is left."""
    small = x[:, :, ::stride, ::stride]
    return inverted(small, parts, bias, 1, carry=lambda y, *a: _carried(y, x, stride))


def _mixing(wide: Tensor, depthwise: Tensor, stride: int) -> Tensor:
    return _look(wide.sum(1, keepdim=True).expand_as(wide), depthwise, stride)


def _edged(wide: Tensor, depthwise: Tensor, stride: int) -> Tensor:
    return _look(F.pad(wide, (1, 1, 1, 1), mode="replicate"), depthwise, stride, 0)


def _always(y: Tensor, x: Tensor, stride: int) -> Tensor:
    """Added wherever channels agree, cells left out where the unit strides."""
    return y + x[:, :, ::stride, ::stride] if x.shape[1] == y.shape[1] else y


def _by_shape(y: Tensor, x: Tensor, stride: int) -> Tensor:
    """Added wherever the shapes agree, as those of a map of one cell do at any stride."""
    return y + x if x.shape == y.shape else y


def _in_each_part(x: Tensor, parts: list[Part], bias: Tensor, stride: int) -> Tensor:
    once = inverted(x, parts, bias, stride)
    return once + (len(parts) - 1) * x if stride == 1 and x.shape == once.shape else once


WAYS = {
    "padded-before-widening": does(
        partial(inverted, widen=_padded_first, look=partial(_look, padding=0)),
    ),
    "relu-on-the-narrow-end": gives(
        lambda r, *a: r.relu(), lambda r, *a: F.relu6(r)
    )
    + _steps("carry", lambda y, *a: _carried(y.relu(), *a), lambda y, *a: _carried(F.relu6(y), *a)),
    "relu-on-each-part": _steps("add", lambda made: _total([y.relu() for y in made])),
    "relu-not-capped": does(partial(inverted, first_act=F.relu, second_act=F.relu))
    + _steps("first_act", F.relu) + _steps("second_act", F.relu),
    "first-relu-missing": _steps("first_act", _same),
    "second-relu-missing": _steps("second_act", _same),
    "both-relus-missing": does(partial(inverted, first_act=_same, second_act=_same)),
    "relu-before-bias": _steps("widen", _early),
    "shortcut-missing": _steps("carry", lambda y, *a: y),
    "shortcut-always": _steps("carry", _always, _by_shape) + stops(partial(inverted, carry=lambda y, x, s: y + x)),
    "shortcut-in-each-part": does(_in_each_part),
    "bias-in-each-part": given(lambda x, parts, bias, s: (x, parts, bias * len(parts), s)),
    "bias-ignored": changed(2, torch.zeros_like),
    "first-bias-ignored": _arrays(lambda e, f, d, s, p: (e, 0 * f, d, s, p)),
    "second-bias-ignored": _arrays(lambda e, f, d, s, p: (e, f, d, 0 * s, p)),
    "biases-exchanged": _arrays(lambda e, f, d, s, p: (e, s, d, f, p)),
    "one-part-only": one_end(1),
    "parts-averaged": _steps("add", lambda made: torch.stack(made).mean(0)),
    "stride-in-the-first-step": does(_strided_first),
    "stride-ignored": ignored(3, 1)
    + does(lambda x, parts, bias, s: inverted(x, parts, bias, 1, carry=lambda y, x, _: _carried(y, x, s))),
    "not-padded": stops(partial(inverted, look=partial(_look, padding=0))),
    "border-not-zero": _steps("look", _edged),
    "kernel-flipped": _arrays(
        lambda e, f, d, s, p: (e, f, d.flip(1, 2), s, p), lambda e, f, d, s, p: (e, f, d.mT, s, p)
    ),
    "kernel-of-another-channel": _arrays(
        lambda e, f, d, s, p: (e, f, d[:1].expand_as(d), s, p), lambda e, f, d, s, p: (e, f, d.flip(0), s, p)
    ),
    "channels-not-alone": _steps("look", _mixing),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
