"""Plain data between processes: what goes in comes out, and bytes of any kind give no more than words and numbers."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import numpy as np
import pytest
import torch

from segkit.grading.asked import Told
from segkit.grading.exercise import registry
from segkit.grading.outcome import Outcome, Tried, read_outcome, read_tried
from segkit.grading.values import Leaf, unchanged
from segkit.grading.wire import Unreadable, frame, read_frame


def read(data: bytes) -> Any:
    stream = io.BytesIO(data)
    return read_frame(lambda size: part if len(part := stream.read(size)) == size else None)


def message(head: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<QQ", len(head) + len(body), len(head)) + head + body


def test_plain_data_comes_back_as_it_was() -> None:
    value = {
        "a": [1, 2.5, None, True, "ä\ud800"],
        "b": (np.arange(6).reshape(2, 3).T, np.array(True), np.zeros((0, 2), np.float16)),
        "c": {"dict": ()},
    }
    back = read(frame(value))
    assert back["a"] == value["a"] and back["c"] == value["c"] and type(back["b"]) is tuple
    for old, new in zip(value["b"], back["b"], strict=True):
        assert type(new) is np.ndarray and old.dtype == new.dtype and old.shape == new.shape and (old == new).all()
    assert read(frame(np.array([1.5], ">f4")))[0] == 1.5 and read(b"") is None


@pytest.mark.parametrize("value", [object(), {1}, np.array([object()]), np.array(["a"]), print, b"bytes"])
def test_what_is_not_plain_is_not_sent(value: Any) -> None:
    with pytest.raises(TypeError, match="no plain data"):
        frame(value)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<QQ", 1 << 60, 5), struct.pack("<QQ", 5, 1 << 40), message(b"{"), message(b"\xff\xfe"),
        message(b""), message(b"[" * 100_000), message(b'{"array":["O",[1]]}', bytes(8)),
        message(b'{"array":["f8",[4]]}', bytes(8)),
        message(b'{"array":["f8",[-1]]}', bytes(8)), message(b'{"array":["f8",[1099511627776,1099511627776]]}'),
        message(b'{"array":[["f8"],[1]]}', bytes(8)), message(b'{"array":["f8","11"]}', bytes(8)),
        message(b"1", b"more"),
        message(b'{"array":["V8",[1]]}', bytes(8)), message(b"{}"), message(b'{"set":[1]}'),
        message(pickle.dumps(print)), message(b'{"array":7}'), message(b'{"dict":[1]}'),
    ],
)  # fmt: skip
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data)


def test_random_changes_of_a_message_give_plain_data_or_are_refused() -> None:
    rng = np.random.default_rng(0)
    good = frame(Tried("function", [Outcome("value", (Leaf(np.ones((2, 3)), "float64", "torch"),))]).plain())
    refused = 0
    for _ in range(2000):
        data = bytearray(good)
        for place in rng.integers(16, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(256)
        try:
            tried = read_tried(read(bytes(data)))
        except Unreadable:
            refused += 1
        else:
            assert type(tried) is Tried and all(type(one) is Outcome for one in tried.outcomes or [])
    assert 200 < refused < 1990


def test_outcomes_come_back_and_false_ones_are_refused() -> None:
    result, flow = Leaf(np.arange(3), "int64", "torch", True), Leaf(np.ones(2), "float64", "torch")
    outcome = Outcome("value", (result,), "", "note", ("line 1",), (0,), "p", 0.5, "conv2d", (flow,))
    back = read_outcome(read(frame(outcome.plain())))
    assert back.leaves[0].grad and (back.leaves[0].array == np.arange(3)).all()
    assert len(back.flow) == 1 and (back.flow[0].array == np.ones(2)).all()
    assert {**back.plain(), "leaves": 0, "flow": 0} == {**outcome.plain(), "leaves": 0, "flow": 0}
    for change in (
        {"kind": "perfect"}, {"score": 1.0}, {"seconds": float("nan")}, {"seconds": "1"}, {"leaves": [1]}, {"note": 1},
        {"leaves": [{"array": 1, "dtype": "int64", "origin": "torch", "grad": False}]}, {"changed": ("a",)},
        {"leaves": [{"array": np.ones(1), "dtype": "x", "origin": "any", "grad": False}]}, {"trace": "line"},
        {"flow": 1}, {"flow": [1]}, {"flow": outcome.leaves},
    ):  # fmt: skip
        with pytest.raises(Unreadable):
            read_outcome({**outcome.plain(), **change})
    told = read_outcome({**outcome.plain(), "note": "\x1b[2J" + "n" * 10_000, "seconds": -1e9})
    assert "\x1b" not in told.note and len(told.note) <= 1000 and told.seconds == 0


@pytest.mark.parametrize("name", list(registry()))
def test_arguments_arrive_as_they_are_and_no_right_answer_with_them(name: str) -> None:
    exercise = registry()[name]
    data = frame(exercise.plain())
    told = Told(read(data))
    assert (told.name, told.parameters, told.defaults) == (exercise.name, exercise.parameters, exercise.defaults)
    for case, there in zip(exercise.all_cases(), told.all_cases(), strict=True):
        assert unchanged(case.args, there.args)
        for mine, theirs in zip(case.args, there.args, strict=True):
            if isinstance(mine, torch.Tensor):
                assert mine.is_contiguous() == theirs.is_contiguous() and mine.requires_grad == theirs.requires_grad
    assert told.finished == exercise.finished and not hasattr(told, "reference")
    assert set(exercise.plain()) == {"signature", "parts", "finished", "observe", "cases"}
