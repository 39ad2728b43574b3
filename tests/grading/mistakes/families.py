"""Mistakes that are made in many exercises, as families of answers."""

from __future__ import annotations

import torch


def only_first(code, right, axis=0):
    """The first picture (or channel) alone, repeated for all, or zeros for the others; `right` is a right answer."""

    def alone(*args):
        return torch.as_tensor(right(*args)).narrow(axis, 0, 1)

    def for_all(*args):
        whole = torch.as_tensor(right(*args))
        return whole.index_select(axis, torch.zeros(whole.shape[axis], dtype=torch.long))

    def then_zeros(*args):
        whole = torch.as_tensor(right(*args)).clone()
        whole.narrow(axis, 1, whole.shape[axis] - 1).zero_()
        return whole

    return {f"{code} alone": alone, f"{code} for all": for_all, f"{code} then zeros": then_zeros}
