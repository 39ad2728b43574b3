"""Several wrong answers made of one: its arguments or its result changed, a line each."""

from __future__ import annotations

import itertools

import torch

NUMBERS = itertools.count(2)  # no name comes twice, so none is lost where dictionaries are joined


def several(code, *answers):
    """Answers that get the same diagnosis, as entries of WRONG."""
    return {f"{code} {number}": answer for number, answer in zip(NUMBERS, answers, strict=False)}


def after(answer, *changes):
    """Right up to its end, and then something is done to the result: change(it)."""
    return [lambda *args, change=change: change(answer(*args)) for change in changes]


def before(answer, *changes):
    """Called with other arguments: change(*arguments)."""
    return [lambda *args, change=change: answer(*change(*args)) for change in changes]


def altered(answer, place, *changes):
    """Called with another argument at one place: change(it)."""
    return [
        lambda *args, change=change: answer(*args[:place], change(args[place]), *args[place + 1 :])
        for change in changes
    ]


def first_only(answer, dim=0):
    """Only the first picture or channel: the others left out, the same once more, or zeros."""

    def first(result):
        return result.narrow(dim, 0, 1)

    def alike(result):
        return torch.cat([first(result)] * result.shape[dim], dim)

    def then_zeros(result):
        return torch.cat([first(result), 0 * result.narrow(dim, 1, result.shape[dim] - 1)], dim)

    return after(lambda *args: torch.as_tensor(answer(*args)), first, alike, then_zeros)


def laid_out(answer):
    """A result …×C×H×W that is flat, has its channels last, or its rows and columns exchanged."""
    return after(answer, lambda r: r.flatten(-2), lambda r: r.movedim(-3, -1), lambda r: r.transpose(-1, -2))


def only_first(code, right, axis=0):
    """The same, as entries of WRONG; `right` is a right answer."""
    names = ("alone", "for all", "then zeros")
    return {f"{code} {name}": answer for name, answer in zip(names, first_only(right, axis), strict=True)}


_readings = itertools.count()


def own_clock():
    """A computer's clock on a computer that does nothing else: each reading comes 10 µs after the last, in seconds.

    `time.perf_counter` itself jumps while another process has the processor, and then says anything.
    """
    return 1e-5 * next(_readings)
