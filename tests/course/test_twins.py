"""The twin probe: its pictures have the answer where they say, and each listener hears what its name says."""

from __future__ import annotations

import pytest
import torch

from segkit.data.twins import LIGHTS, TILE, Twins
from tests.course.evidence import ROOT  # noqa: F401  it puts course/experiments on the path

import context  # isort: skip


def windows(sample):
    """Of each window its frame, its light (−1 where dark) and its label, row by row."""
    found = {}
    for row in range(sample.labels.shape[0] // TILE):
        for column in range(sample.labels.shape[1] // TILE):
            part = sample.image[:, TILE * row : TILE * (row + 1), TILE * column : TILE * (column + 1)]
            if part[0, 0, 0] != part[0, 0, 1]:
                continue  # plain wall
            light = [k for k, v in enumerate(LIGHTS) if torch.allclose(part[:, 1, 1], torch.tensor(v))]
            frame = tuple(part[:, 0, 0].tolist() + part[:, 2, 0].tolist())
            label = sample.labels[TILE * row : TILE * (row + 1), TILE * column : TILE * (column + 1)].unique().tolist()
            found[row, column] = frame, light[0] if light else -1, label
    return found


@pytest.mark.parametrize("twins", ["row", "apart"])
def test_each_dark_window_has_one_twin_that_knows(twins):
    scenes = Twins("train", twins=twins)
    for i in range(6):
        found = windows(scenes[i])
        lit = {frame: (place, light) for place, (frame, light, label) in found.items() if light >= 0}
        dark = {place: (frame, label) for place, (frame, light, label) in found.items() if light < 0}
        assert len(lit) == len(dark) == 48, "no two pairs have one frame"
        assert all(found[place][2] == [255] for place, _ in lit.values())
        for (row, column), (frame, label) in dark.items():
            (r, c), light = lit[frame]
            assert label == [light] and abs(column - c) >= 4
            assert r == row if twins == "row" else abs(row - r) >= 4


def test_pictures_are_the_same_again_and_other_splits_have_others():
    one, again, other = Twins("train")[3], Twins("train")[3], Twins("test")[3]
    assert torch.equal(one.image, again.image) and not torch.equal(one.labels, other.labels)
    colours = torch.cat([Twins("train")[i].labels.unique() for i in range(40)])
    assert set(colours.tolist()) == {0, 1, 2, 3, 255}


HEARD = {  # of 12 × 12 windows, from the one in row 2 and column 7
    "nothing": 1, "local": 25, "atrous chain": 144, "wide kernels": 144, "pooled": 144, "encoded": 144,
    "criss-cross once": 23, "criss-cross twice": 144, "pooled keys": 144,
    "full": 144, "axes in turn": 144, "axes, gated": 144, "sweeps": 144,
}  # fmt: skip


@pytest.mark.parametrize("listener", context.LISTENERS)
def test_each_listener_hears_what_its_name_says(listener):
    """In evaluation, so that BatchNorm tells nobody anything."""
    torch.manual_seed(0)
    net = context.Front(4, listener).double().eval()
    x = torch.rand(1, 3, 48, 48, dtype=torch.float64, requires_grad=True)
    scores = net(x)
    assert scores.shape == (1, 4, 48, 48) and torch.equal(scores[..., 8, 28], scores[..., 11, 31])
    (slope,) = torch.autograd.grad(scores[0, :, 9, 29].square().sum(), x)
    heard = slope.abs().sum((0, 1)).unfold(0, TILE, TILE).unfold(1, TILE, TILE).sum((2, 3)) > 0
    assert int(heard.sum()) == HEARD[listener]
    if listener == "criss-cross once":
        assert heard[2].all() and heard[:, 7].all()


def test_arms_differ_in_their_listener_alone():
    import argparse

    for twins in ("row", "apart"):
        experiment = context.probe(twins, argparse.Namespace(final=False))
        longer = experiment.arms.pop("criss-cross twice, 4×", None)
        assert (longer is not None) == (twins == "apart")
        if longer:
            assert longer == {**experiment.arms["criss-cross twice"], "recipe": {**context.RECIPE, "steps": 4000}}
        rest = {str((a["data"], a["recipe"], a["model"]["name"])) for a in experiment.arms.values()}
        assert len(rest) == 1 and experiment.name == f"twins_{twins}"
        assert {c[k] for c in experiment.claims for k in ("better", "worse")} <= set(experiment.arms)
