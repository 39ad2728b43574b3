"""Chapter 09's right answers against the paper's numbers, torchvision and chapter 06; and its experiment runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.models.segmentation.deeplabv3 import ASPP

from segkit.data import create
from segkit.grading.assignments import read_notebook, source_path
from segkit.grading.exercise import find


def right(exercise, *args):
    return find(exercise).reference(*args)


def test_aspp_is_torchvisions_with_batchnorm_folded():
    torch.manual_seed(0)
    theirs = ASPP(5, [2, 4, 12], out_channels=3).double().eval()
    folded = []
    for branch in theirs.convs:
        conv = next(m for m in branch.modules() if isinstance(m, torch.nn.Conv2d))
        norm = next(m for m in branch.modules() if isinstance(m, torch.nn.BatchNorm2d))
        for values in (norm.weight, norm.bias, norm.running_mean):
            torch.nn.init.normal_(values)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        folded.append((conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale))
    weights, bias = [w.detach() for w, _ in folded], torch.stack([b.detach() for _, b in folded])
    x = torch.randn(2, 5, 7, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.cat([branch(x) for branch in theirs.convs], 1)
    dilated = torch.stack(weights[1:-1])
    ours = right("aspp", x, weights[0][:, :, 0, 0], dilated, weights[-1][:, :, 0, 0], bias, [2, 4, 12])
    torch.testing.assert_close(ours, expected)


def test_multi_grid_rates_are_the_papers():
    assert right("multi_grid_rates", 4, 7, [1, 2, 4], 16) == [[2, 4, 8], [4, 8, 16], [8, 16, 32], [16, 32, 64]]
    at8 = np.array(right("multi_grid_rates", 4, 7, [1, 2, 4], 8))
    assert (at8 == 2 * np.array(right("multi_grid_rates", 4, 7, [1, 2, 4], 16))).all(), "everything doubles"


@pytest.mark.parametrize(
    ("side", "rate", "mean"),
    [(65, 6, 7.93), (65, 12, 6.92), (65, 36, 3.58), (65, 64, 1.06), (33, 6, 6.95), (33, 12, 5.17)],
)
def test_valid_weights_have_the_mean_of_the_closed_form(side, rate, mean):
    """(3 − 2r/n)²."""
    found = np.mean(right("valid_weights", (side, side), (3, 3), (rate, rate)))
    assert found == pytest.approx((3 - 2 * rate / side) ** 2) and round(float(found), 2) == mean


@pytest.mark.parametrize("target", [1, 2, 4, 8, 16])
def test_an_output_stride_changed_is_chapter_06s_and_comes_back(target):
    made = [(2, 1, 1), (2, 1, 1), (1, 1, 1), (2, 1, 1), (1, 1, 2), (2, 1, 1), (1, 1, 1)]
    layers, rates = right("change_output_stride", made, [6, 12, 18], target)
    plain = right("dilate_strides", [(3, stride, rate) for stride, _, rate in made], target)
    assert [(3, stride, rate) for stride, _, rate in layers] == plain
    assert rates == [rate * 16 // target for rate in (6, 12, 18)]
    assert right("change_output_stride", layers, rates, 16) == (made, [6, 12, 18])


def test_the_experiment_runs():
    tools: dict = {}
    for cell in read_notebook(source_path("ch09"))["cells"]:
        if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader", {}).get("grade"):
            exec(cell["source"], tools)
    assert len(tools["streets"]) == 800 and len(tools["held_out"]) == 100
    tools |= {"streets": create("street", "train", length=6), "held_out": create("street", "test", length=2)}
    half, end = tools["experiment"]([1, 2, 3], seed=0, steps=2)
    assert 0 <= half <= 100 and 0 <= end <= 100 and 0 < tools["prior"]() < 100
