"""Numbers of one's own: right by another way of counting, different for each student, judged without running code."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from segkit.cli import main
from segkit.files import write_json
from segkit.grading.assignments import ASSIGNMENTS, read_notebook, student_folder, write_notebook
from segkit.grading.notebook_files import NotebookError
from segkit.grading.numbers_cell import numbers, unread
from segkit.ops.attention_masks import criss_cross_mask
from segkit.ops.windows import bin_bounds
from segkit.teaching.handout import hand_out
from segkit.teaching.own_numbers import KEPT, drawn, judge, keep_students, own_seeds, questions, same

STUDENTS = [f"Student-{number}" for number in range(40)]


def meta_size(module: nn.Module, *shape: int) -> tuple[int, ...]:
    with torch.device("meta"):
        return tuple(module.to("meta")(torch.zeros(1, *shape)).shape)


def again_01(m: list[list[int]]) -> dict[str, float]:
    a = np.array(m, dtype=float)
    truth, claimed = (np.repeat([0, 1, 2], a.sum(axis).astype(int)) for axis in (1, 0))
    iou = [a[k, k] / ((truth == k).sum() + (claimed == k).sum() - a[k, k]) for k in range(3)]
    frequency = sum((truth == k).mean() * iou[k] for k in range(3))
    return {"pixel_accuracy": 100 * np.trace(a) / a.sum(), "mean_iou": 100 * float(np.mean(iou)),
            "frequency_weighted_iou": 100 * frequency}  # fmt: skip


def again_02(layers: list[tuple[int, int, int]], size: int) -> dict[str, float]:
    stack = nn.Sequential(*(nn.Conv1d(1, 1, k, s, dilation=d) for k, s, d in layers))
    cells = meta_size(stack, 1, size)[-1]
    read = {0}
    for k, s, d in reversed(layers):
        read = {at * s + tap * d for at in read for tap in range(k)}
    return {"output_stride": int(np.prod([s for _, s, _ in layers])), "receptive_field": max(read) + 1,
            "output_size": cells}  # fmt: skip


def again_03(n: int, kernel: int, stride: int, padding: int, extra: int) -> dict[str, float]:
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, output_padding=extra, bias=False)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        made = layer(torch.ones(1, 1, n)).flatten()
    inner = made[2 * kernel : -2 * kernel]
    return {"size": len(made), "most_stamps": inner.max().item(), "fewest_stamps": inner.min().item()}


def again_04(channels: int, side: int, outputs: int, height: int, width: int) -> dict[str, float]:
    layer = nn.Conv2d(channels, outputs, side, device="meta")
    _, _, rows, columns = meta_size(layer, channels, height // 32, width // 32)
    return {"parameters": sum(one.numel() for one in layer.parameters()), "rows": rows, "columns": columns}


def again_05(channels: int, height: int, width: int) -> dict[str, float]:
    kept = torch.empty(channels, height, width, device="meta")
    pooled = nn.functional.max_pool2d(kept, 2)
    return {"map_bytes": kept.numel() * kept.element_size(), "index_bytes": pooled.numel() / 4}


def again_06(rates: list[int]) -> dict[str, float]:
    read = {sum(taps) for taps in itertools.product(*((-r, 0, r) for r in rates))}
    m = rates[2]
    m = max(m - 2 * rates[1], m - 2 * (m - rates[1]), rates[1])
    return {"field": max(read) - min(read) + 1, "read": len(read), "gap": m}


def again_07(unary: list[list[float]], weight: float) -> dict[str, float]:
    u = torch.tensor(unary, dtype=torch.float64)
    q = torch.softmax(-u, 1)
    cost = weight * q.flip(0) @ (1 - torch.eye(2, dtype=torch.float64))
    first, second = torch.softmax(-u - cost, 1)[:, 0].tolist()
    return {"first_pixel": first, "second_pixel": second}


def again_08(cells: int, bins: int, which: int, channels: int, step: int, steps: int) -> dict[str, float]:
    begins, ends = bin_bounds(cells, bins)[which]
    vector = sum(nn.AdaptiveMaxPool2d(n)(torch.zeros(1, channels, 8, 8)).numel() for n in (bins, 2, 1))
    return {"begins": begins, "ends_before": ends, "vector": vector, "rate": ((steps - step) / steps) ** 0.9}


def again_09(height: int, width: int, rate: int) -> dict[str, float]:
    ones = torch.ones(1, 1, height, width)
    counts = nn.functional.conv2d(ones, torch.ones(1, 1, 3, 3), padding=rate, dilation=rate)
    return {"mean_weights": counts.mean().item(), "share_with_all": 100 * (counts == 9).float().mean().item()}


def again_10(size: int, inputs: int, outputs: int, kernel: int) -> dict[str, float]:
    whole = nn.Conv2d(inputs, outputs, kernel, 2, kernel // 2, bias=False, device="meta")
    depth = nn.Conv2d(inputs, inputs, kernel, 2, kernel // 2, groups=inputs, bias=False, device="meta")
    cells = meta_size(depth, inputs, size, size)[-1] ** 2
    return {"whole": cells * whole.weight.numel(), "separable": cells * (depth.weight.numel() + inputs * outputs)}


def again_11(size: int, stride: int, high: int, low: int, width: int) -> dict[str, float]:
    def halved(times: int) -> int:
        return meta_size(nn.Sequential(*(nn.Conv1d(1, 1, 3, 2, 1) for _ in range(times))), 1, size)[-1]

    fine = halved(2)
    weights = nn.Conv2d(high + low, width, 3, bias=False, device="meta").weight.numel()
    return {"low_cells": fine, "high_cells": halved(stride.bit_length() - 1), "multiply_adds": fine**2 * weights}


def again_12(rate: int, batch: int, times: list[int]) -> dict[str, float]:
    call = float(np.quantile(times[2:], 0.5))
    come = [1000 * picture / rate for picture in range(batch)]
    each = call / batch
    return {"call_ms": call, "latency_ms": max(come) + call - min(come), "throughput": 1000 / each}


def again_13(height: int, width: int, key: int, value: int, rounds: int) -> dict[str, float]:
    mask = criss_cross_mask(height, width)
    shares = torch.empty(rounds, int(mask.sum()), device="meta")
    return {"heard": int(mask[0].sum()), "multiply_adds": shares.numel() * (key + value),
            "share_bytes": shares.numel() * shares.element_size()}  # fmt: skip


def again_14(branches: int, channels: int, height: int, width: int) -> dict[str, float]:
    few = nn.Conv2d(channels, channels // branches, 1, bias=False)
    rates = [2**i for i in range(branches)]
    looks = [nn.Conv2d(few.out_channels, few.out_channels, 3, padding=r, dilation=r, bias=False) for r in rates]
    weights = sum(layer.weight.numel() for layer in (few, *looks))
    read = {(r * u, r * v) for r in rates for u in (-1, 0, 1) for v in (-1, 0, 1)}
    return {"weights": weights, "multiply_adds": weights * torch.empty(height, width, device="meta").numel(),
            "cells": len(read)}  # fmt: skip


def again_15(height: int, width: int, channels: int) -> dict[str, float]:
    sizes, x = (channels, channels, channels, 8 * channels), torch.zeros(1, channels, -(-height // 4), -(-width // 4))
    x, down = x.to("meta"), 0
    for before, after in itertools.pairwise(sizes):
        layer = nn.Conv2d(before, after, 3, 2, 1, bias=False, device="meta")
        x = layer(x)
        down += layer.weight.numel() * x[0, 0].numel()
    back = nn.Conv2d(8 * channels, channels, 1, bias=False, device="meta")
    return {"cells": x[0, 0].numel(), "down": down, "up": back.weight.numel() * x[0, 0].numel()}


AGAIN = {name.replace("again_", "ch"): value for name, value in list(globals().items()) if name.startswith("again_")}


def test_every_assignment_of_the_file_is_there() -> None:
    assert set(questions()) == set(AGAIN) and set(questions()) <= set(ASSIGNMENTS)


@pytest.mark.parametrize("assignment", list(AGAIN))
def test_answers_are_right_by_another_way(assignment: str) -> None:
    question = questions()[assignment]
    for student in STUDENTS:
        values = drawn(question, "secret", student)
        right, counted = question.answer(**values), AGAIN[assignment](**values)
        assert right.keys() == counted.keys()
        assert all(abs(right[k] - counted[k]) <= 1e-5 * abs(counted[k]) for k in right), (values, right, counted)


@pytest.mark.parametrize("assignment", list(AGAIN))
def test_students_differ_and_numbers_stay(assignment: str) -> None:
    question = questions()[assignment]
    answers = [tuple(question.answer(**drawn(question, "secret", one)).values()) for one in STUDENTS]
    assert len(set(answers)) > 0.85 * len(STUDENTS)
    assert drawn(question, "secret", "Anna") == drawn(question, "secret", "Anna")
    assert drawn(question, "secret", "Anna") != drawn(question, "other", "Anna")
    text = question.text(**drawn(question, "secret", "Anna"))
    assert "{" not in text and all(len(line) < 130 for line in text.split("\n"))


@pytest.mark.parametrize("assignment", list(AGAIN))
def test_right_answers_get_all_and_mistakes_their_diagnosis(assignment: str) -> None:
    question = questions()[assignment]
    told: dict[str, int] = dict.fromkeys(question.mistakes, 0)
    for student in STUDENTS:
        values = drawn(question, "secret", student)
        right = question.answer(**values)
        points, lines = judge(question, "secret", student, rounded(right), [])
        assert points == 2 and "not right" not in "\n".join(lines), lines
        for code, (message, wrong) in question.mistakes.items():
            made = {**right, **wrong(**values)}
            points, lines = judge(question, "secret", student, made, [])
            differs = any(not same(made[name], right[name]) for name in right)
            assert (points < 2) is differs
            told[code] += f"- [{code}] {message}" in lines
            assert not differs or any(line.startswith("- [") for line in lines)
    assert all(count >= len(STUDENTS) // 3 for count in told.values()), told


def test_anothers_numbers_are_told() -> None:
    question = questions()["ch09"]
    his = question.answer(**drawn(question, "secret", "Bo"))
    points, lines = judge(question, "secret", "Anna", his, ["Bo", "Cy"])
    assert points == 0 and any("would be right for Bo's numbers" in line for line in lines)
    assert judge(question, "secret", "Anna", {}, ["Bo"])[1][2] == "- mean_weights: not answered"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('own_numbers = {"a": 3, "b": 2.5}', {"a": 3, "b": 2.5}),
        ('own_numbers = {"a": 3 * 17 + 1, "b": -7 // 2, "c": None}', {"a": 52, "b": -4}),
        ('own_numbers = {"a": 1}\nown_numbers = {"a": 2}', {"a": 2}),
        ('own_numbers = {"a": 1 / 0, "b": 9 ** 9 ** 9, "c": "3", "d": True, "e": open("x"), "f": 1e999}', {}),
        ('own_numbers = {"a": len([1]), **{}, 3: 4}', {}),
        ("own_numbers = 3", {}),
        ("own_numbers = {", {}),
        ('own_numbers = {"a": ' + "(" * 90 + "1" + ")" * 90 + "}", {"a": 1}),
        ('own_numbers = {"a": ' + "-" * 5000 + "1}", {}),
    ],
)
def test_numbers_are_read_and_no_code_runs(written: str, found: dict[str, float]) -> None:
    assert numbers({"cells": [{"cell_type": "code", "source": written}]}) == found


def rounded(right: Mapping[str, float]) -> dict[str, float]:
    return {name: value if isinstance(value, int) else float(f"{value:.4g}") for name, value in right.items()}


def filled(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    notebook = read_notebook(path)
    for cell in notebook["cells"]:
        if cell["source"].startswith("# Your own numbers"):
            cell["source"] = f"own_numbers = {json.dumps(values)}"
    return notebook


def test_from_the_handout_to_the_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room = tmp_path / "class"
    (tmp_path / "names.txt").write_text("Anna Berg\nBo Cruz\nCy Diaz\n", encoding="utf-8")
    write_json({"secret": "secret", "students": []}, room / KEPT)
    made = ["class", "generate", "ch09", "--to", str(room), "--students", str(tmp_path / "names.txt")]
    assert main(made) == 0
    before = {path: path.read_bytes() for path in room.rglob("*") if path.is_file()}
    assert main(made) == 0
    assert before == {path: path.read_bytes() for path in room.rglob("*") if path.is_file()}, "the secret stays"
    assert "made for you alone" in (room / "handout/README.md").read_text(encoding="utf-8")
    question, secret = questions()["ch09"], "secret"
    text = (room / "handout/Anna-Berg/ch09.ipynb").read_text(encoding="utf-8")
    assert ", ".join(map(str, own_seeds(question, secret, "Anna-Berg"))) in text and "secret" not in text
    own = {name: question.answer(**drawn(question, secret, name)) for name in ("Anna-Berg", "Bo-Cruz", "Cy-Diaz")}
    write_notebook(filled(room / "handout/Anna-Berg/ch09.ipynb", dict(own["Anna-Berg"])),
                   tmp_path / "in/Anna Berg/ch09.ipynb")  # fmt: skip
    for name in ("Bo Cruz", "Cy Diaz"):  # Bo copies Anna's numbers, Cy hands in Anna's whole notebook
        from_whom = "Bo-Cruz" if name == "Bo Cruz" else "Anna-Berg"
        write_notebook(filled(room / "handout" / from_whom / "ch09.ipynb", dict(own["Anna-Berg"])),
                       tmp_path / "in" / name / "ch09.ipynb")  # fmt: skip
    for words in (["collect", str(tmp_path / "in"), "--to", str(room)], ["grade", str(room)], ["feedback", str(room)]):
        assert main(["class", *words]) == 0
    with (room / "totals.csv").open(encoding="utf-8") as file:
        totals = {row["student"]: row["own_numbers"] for row in csv.DictReader(file)}
    assert totals == {"Anna-Berg": "2", "Bo-Cruz": "0", "Cy-Diaz": "0"}
    told = (room / "summary.md").read_text(encoding="utf-8")
    assert "Bo-Cruz, ch09: These would be right for Anna-Berg's numbers" in told
    assert "Cy-Diaz, ch09: hands in the notebook that was made for Anna-Berg" in told
    page = (room / "feedback/Anna-Berg/ch09.md").read_text(encoding="utf-8")
    assert "## Your own numbers: 2 of 2" in page


def test_a_class_gets_a_secret_of_its_own(tmp_path: Path) -> None:
    first, second = (keep_students(tmp_path / name, ["Anna"]) for name in "ab")
    assert first != second and len(first) == 16 and keep_students(tmp_path / "a", ["Bo"]) == first
    assert json.loads((tmp_path / "a" / KEPT).read_text(encoding="utf-8"))["students"] == ["Anna", "Bo"]


def test_generate_writes_over_nobodys_work(tmp_path: Path) -> None:
    hand_out(["ch09"], tmp_path, [])
    path = tmp_path / "handout/ch09.ipynb"
    notebook = read_notebook(path)
    assert not any("own_numbers" in cell["source"] for cell in notebook["cells"]), "one for all has no numbers"
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = "answered = 1"
    write_notebook(notebook, path)
    with pytest.raises(NotebookError, match=r"somebody has worked in .*ch09\.ipynb"):
        hand_out(["ch09"], tmp_path, [])
    with pytest.raises(NotebookError, match="Anna Berg and anna-berg would share a folder"):
        hand_out(["ch09"], tmp_path / "other", ["Anna Berg", "Bo", "anna-berg"])
    (tmp_path / KEPT).write_text("{}", encoding="utf-8")
    with pytest.raises(NotebookError, match="put it back from your backup"):
        hand_out(["ch09"], tmp_path, ["Anna"])


def test_a_copy_of_the_course_holds_nothing_of_the_teachers(tmp_path: Path) -> None:
    from zipfile import ZipFile

    written = hand_out(["ch01"], tmp_path, [], course=True)
    with ZipFile(written[-1]) as whole:
        names = whole.namelist()
    assert {"segkit-course/start.py", "segkit-course/course/00_start_here.ipynb"} <= set(names)
    assert not any(name.split("/")[1] in ("teaching", "tests", "runs", ".git") for name in names)
    assert not any("__pycache__" in name for name in names)


def test_the_generator_is_the_same_everywhere() -> None:
    """A change here would make the numbers that students hold another's."""
    assert drawn(questions()["ch09"], "secret", "Anna-Berg") == {"height": 16, "width": 28, "rate": 5}


def asked_seeds(assignment: str) -> int:
    """How many seeds an assignment asks for, in words or by their numbers."""
    text = " ".join(cell["source"] for cell in read_notebook(student_folder() / f"{assignment}.ipynb")["cells"])
    words = {"three": 3, "four": 4, "five": 5}
    told = [words[one] for one in re.findall(r"(three|four|five) seeds", text)]
    return max([*told, *(3 for _ in re.findall(r"seeds 0, 1 and 2", text))], default=0)


@pytest.mark.parametrize("assignment", list(AGAIN))
def test_students_get_as_many_seeds_as_the_experiment_asks_for(assignment: str) -> None:
    assert questions()[assignment].seeds >= asked_seeds(assignment)


@pytest.mark.parametrize("assignment", list(AGAIN))
def test_no_typical_mistake_is_right_for_anybody(assignment: str) -> None:
    question = questions()[assignment]
    for student in [f"Somebody-{number}" for number in range(200)]:
        values = drawn(question, "secret", student)
        right = question.answer(**values)
        for code, (_, wrong) in question.mistakes.items():
            made = wrong(**values)
            assert any(not same(made[name], right[name]) for name in made), (student, code, values)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('own_numbers = {"a": "about 20", "b": 2}', {"a": "`'about 20'` is no number"}),
        ('a = 12\nown_numbers = {"a": None, "b": None}', {"a": "`a = …` stands beside it", "b": ""}),
        ("own_numbers = {", {"": "cannot be read"}),
        ("x = 1", {"": "has no cell `own_numbers = …`"}),
        ('own_numbers = {"a": 1}', {}),
    ],
)
def test_why_a_number_counts_as_not_answered(written: str, said: dict[str, str]) -> None:
    found = unread({"cells": [{"cell_type": "code", "source": written}]})
    assert found.keys() == said.keys() and all(said[key] in found[key] for key in said)
    question = questions()["ch05"]
    lines = judge(question, "secret", "Anna", {}, [], {"map_bytes": "`x` is no number", "": "all of it"})[1]
    assert "- map_bytes: not answered: `x` is no number" in lines and "- all of it" in lines
