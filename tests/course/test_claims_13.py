"""Each claim of chapter 13 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from segkit.metrics import ConfusionMatrix
from segkit.ops.attention_masks import axis_mask
from tests.course.claims import COURSE, put, recorded, refuted, run

needs = {
    name: pytest.mark.skipif(not (COURSE / "results" / f"{name}.json").is_file(), reason=f"{name} is not recorded yet")
    for name in ("twins_row", "twins_apart", "context_streets")
}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The chapter works on one thread; what follows does not have to."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_whoever_hears_the_twin_knows() -> None:
    words = "the twin is heard"
    run("13", words)
    refuted("13", words, right=lambda old: {**old, ("apart", "all"): 0.9})
    refuted("13", words, right=lambda old: {**old, ("row", "7×7 around"): 0.5})
    refuted("13", words, listen=lambda old: lambda q, k, v, scale=None, mask=None: old(q, k, v, 0.0, mask))


def test_ccnets_figures_are_counted() -> None:
    words = "the paper's two figures"
    run("13", words)
    refuted("13", words, flops=lambda old: {**old, "… twice": old["row and column"]})
    refuted("13", words, heard_by_each=lambda old: {**old, "… twice": old["full"]})


def test_twice_row_and_column_is_everybody() -> None:
    words = "through a third pixel everybody reaches everybody"
    run("13", words)
    refuted("13", words, once=lambda old: axis_mask(12, 12, "row").float())


def test_sweeps_read_everything_and_wide_kernels_are_dense_ones() -> None:
    words = "reads everything"
    run("13", words)

    def one_way(old):
        from segkit.heads.sweeps import Sweep

        return {**old, "ReNet": Sweep(4, 4, "down")}

    refuted("13", words, carriers=one_way)
    refuted("13", words, left=lambda old: old.flip(-1))


def test_knowing_which_classes_occur_helps_a_little() -> None:
    words = "it helps, and here not by much"
    run("13", words)
    refuted("13", words, matrices=lambda old: {**old, "told which classes occur": old["as it is"]})

    def all_right(old):
        perfect = ConfusionMatrix(13)
        perfect.matrix += torch.diag(old["as it is"].matrix.sum(1))
        return {**old, "told which classes occur": perfect}

    refuted("13", words, matrices=all_right)


def test_presence_weighs_classes_alike() -> None:
    words = '"alike"'
    run("13", words)
    refuted("13", words, pull=lambda old: {**old, "presence": old["pixels"]})
    refuted("13", words, pull=lambda old: {**old, "pixels": old["presence"]})


def test_what_a_pixel_hears_is_a_mean_of_regions() -> None:
    words = "a mean of the regions"
    run("13", words)
    refuted("13", words, distribute=lambda old: lambda cells, *rest: cells)


@needs["twins_row"]
@needs["twins_apart"]
def test_listening_passes_the_probe() -> None:
    words = "this listener hears what that one does not"
    run("13", words)
    refuted("13", words, results=recorded(twins_apart=put("full", "pooled")))
    refuted("13", words, results=recorded(twins_row=put("criss-cross once", "local")))


@needs["twins_apart"]
def test_the_answer_comes_from_whom_it_hears() -> None:
    words = "with its twin it knows, without it it guesses"
    run("13", words)
    refuted("13", words, under=lambda old: lambda mask: old(None))


@needs["twins_row"]
@needs["twins_apart"]
def test_a_larger_field_is_not_more_context() -> None:
    words = "and the smaller field has the answer"
    run("13", words)
    refuted("13", words, results=recorded(twins_row=put("criss-cross once", "atrous chain")))


@needs["context_streets"]
def test_the_scene_helps_the_look_alikes() -> None:
    words = "the scene helps the look-alikes"
    run("13", words)
    refuted("13", words, results=recorded(context_streets=put("pooled", "nothing")))


@needs["twins_row"]
@needs["twins_apart"]
def test_local_rules_out_what_it_sees() -> None:
    words = "it rules out what it sees"
    run("13", words)
    refuted("13", words, counted=lambda old: {**old, ("row", "5×5 around"): 0.25})


def test_loops_widen_the_field_and_outlines_close_it() -> None:
    words = "nothing crosses the outline"
    run("13", words)
    refuted("13", words, Feedback=lambda old: lambda step, channels, times: old(step, channels, 1))

    class NeverClosed(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor, passes: torch.Tensor) -> torch.Tensor:
            return self.inner(x, torch.ones_like(passes))

    refuted("13", words, BoundarySweeps=lambda old: lambda channels: NeverClosed(old(channels)))


@needs["twins_apart"]
def test_a_true_matrix_is_all_it_takes() -> None:
    words = "whoever is given the matrix knows"
    run("13", words)
    refuted("13", words, masks=lambda old: {**old, "all but the twin": old["all but the twin"].roll(1, 2)})
