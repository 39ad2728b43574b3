"""Each claim of chapter 06 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segkit.encoders import ResNetEncoder
from tests.course.claims import Change, put, recorded, refuted, run
from tests.course.evidence import ROOT  # noqa: F401  it puts course/experiments on the path

from results import load  # isort: skip


def same_as(name: str, other: str) -> Change:
    """As if one network had been no different from another, in whichever result has both."""
    return recorded(
        **dict.fromkeys(("atrous_finetune", "atrous_grids", "atrous_duc", "atrous_context"), put(name, other))
    )


def level(result: str, metric: str, target: str, source: str) -> Change:
    """As if the arm `target` had scored what `source` did, by this one metric."""

    def change(found):
        theirs = {row["seed"]: row["scores"][metric] for row in found["runs"] if row["arm"] == source}
        for row in found["runs"]:
            if row["arm"] == target:
                row["scores"][metric] = theirs[row["seed"]]

    return recorded(**{result: change})


def test_conversion_keeps_every_response():
    words = "every response on the old grid must still be there"
    run("06", words)

    def without_dilation(dilate_strides):
        def changed(encoder, output_stride):
            finer = dilate_strides(encoder, output_stride)
            for layer in finer.modules():
                if isinstance(layer, nn.Conv2d) and max(layer.dilation) > 1:
                    layer.padding = tuple(p // d for p, d in zip(layer.padding, layer.dilation, strict=True))
                    layer.dilation = (1, 1)
            return finer

        return changed

    def own_stride_too(dilate_strides):
        """The common mistake: the layer that loses its stride is dilated by it as well."""

        def changed(encoder, output_stride):
            finer = dilate_strides(encoder, output_stride)
            for before, layer in zip(encoder.modules(), finer.modules(), strict=True):
                if isinstance(layer, nn.Conv2d) and layer.stride != before.stride and max(layer.kernel_size) > 1:
                    layer.dilation, layer.padding = ([2 * v for v in pair] for pair in (layer.dilation, layer.padding))
            return finer

        return changed

    refuted("06", words, dilate_strides=without_dilation)
    refuted("06", words, dilate_strides=own_stride_too, VGGEncoder=lambda vgg: lambda *a, **o: ResNetEncoder(18, 16))
    removed = {"beyond": "removed"}  # as if the poolings had been kept, without their strides
    refuted("06", words, VGGEncoder=lambda vgg: lambda *a, **o: vgg(*a, **{k: o[k] for k in o.keys() - removed}))


def test_new_cells_need_training():
    words = "after a few steps stride 8 must be ahead"
    run("06", words)
    refuted("06", words, results=same_as("stride 8, more training", "stride 8"))
    refuted("06", words, results=same_as("stride 8, more training", "stride 32, more training"))
    refuted("06", words, results=same_as("stride 8", "stride 32"))  # as if the new cells knew as much as the old ones


def test_a_finer_map_costs():
    words = "several times the multiply-adds"
    run("06", words)

    def of(change):  # what is counted for an encoder of another output stride
        return lambda encoder: lambda depth, output_stride: encoder(depth, **change(output_stride))

    refuted("06", words, ResNetEncoder=of(lambda stride: {"output_stride": 32}))  # as if it were free
    refuted("06", words, ResNetEncoder=of(lambda stride: {"output_stride": stride, "width": 64 + (stride == 8)}))


def test_holes():
    words = "[2, 2, 2] leaves holes, [1, 2, 5] none"
    run("06", words)

    def as_if_rate(change):
        return lambda counts: lambda rates, *kernel: counts([change(r) for r in rates], *kernel)

    refuted("06", words, counts=as_if_rate(lambda r: 1))  # no holes anywhere: the claim needs them
    refuted("06", words, counts=as_if_rate(lambda r: 2 * r))  # and here everywhere


@pytest.mark.parametrize("rates", [(2, 2, 2), (2, 4, 6), (1, 2, 5)])
def test_a_common_factor_cuts_off(rates):
    words = "neighbours read disjoint sets of pixels"
    run("06", words)
    other = (1, 1, 1) if rates[0] == 2 else (2, 2, 2)
    refuted("06", words, changed=lambda changed: {**changed, rates: changed[other]})


def test_neighbours_share_what_hybrid_rates_read():
    words = "neighbours read disjoint sets of pixels"
    refuted("06", words, counts=lambda counts: lambda rates: counts((1, 2, 5)))


def test_a_trained_network_with_holes():
    words = "neighbours that read the same pixels agree more often"
    run("06", words)
    refuted("06", words, results=same_as("1 2 3 1 2 3", "2 2 2 2 2 2"))
    refuted("06", words, results=same_as("2 2 2 2 2 2", "1 2 3 1 2 3"))
    for metric in ("mean_iou", "neighbours_disagree", "moved_by_other_grids"):
        refuted("06", words, results=level("atrous_grids", metric, "1 2 3 1 2 3", "2 2 2 2 2 2"))


def test_interpolation_loses_most_of_a_pole():
    words = "most of a pole is lost at stride 8"
    run("06", words)

    def ceilings(value):  # as if a pole were as easy as all classes, or gone
        def change(found):
            pole = found["classes"].index("pole")
            for row in found["baselines"].values():
                row["iou"][pole] = row["scores"]["mean_iou"] * value

        return recorded(lineage=change)

    refuted("06", words, results=ceilings(1))
    refuted("06", words, results=ceilings(0))


def test_duc():
    words = "DUC beats bilinear, with few weights and with many"
    bilinear, wide, learned = load("atrous_duc").arms
    run("06", words)
    refuted("06", words, results=same_as(learned, bilinear))
    refuted("06", words, results=same_as(learned, wide))


def test_context_module_starts_as_the_identity():
    words = "the identity, to the last bit"
    run("06", words)

    def another(change):
        def changed(module):
            def build(*arguments):
                built = module(*arguments)
                for layer in built:
                    if isinstance(layer, nn.Conv2d):
                        change(layer)
                return built

            return build

        return changed

    def plain(layer):
        nn.init.kaiming_normal_(layer.weight)

    def closed(layer):
        layer.dilation = (1, 1)
        layer.padding = tuple(k // 2 for k in layer.kernel_size)

    refuted("06", words, ContextModule=another(plain))
    refuted("06", words, ContextModule=another(closed))  # still the identity, but its field no longer grows


MODULE = "the module raises mean IoU"


@pytest.mark.parametrize("other", ["front end, trained twice", "rates 1", "rates 4", "global pooling"])
def test_the_module_needs_its_rates(other):
    run("06", MODULE)
    refuted("06", MODULE, results=same_as("context module", other))


@pytest.mark.parametrize("name", [n for n, arm in load("atrous_context").arms.items() if "rates" in arm["model"]])
def test_context_is_more_than_a_field(name):
    refuted("06", MODULE, results=same_as(name, "global pooling"))  # as if the largest field brought as much


def test_what_looks_alike_needs_its_surroundings():
    refuted("06", MODULE, results=level("atrous_context", "ambiguous_iou", "context module", "front end"))


def test_sums_of_shifted_pictures_are_what_they_say():
    """The three ways of writing in section 6.1 are compared in their own cell; here with a hole filled in."""
    names = run("06", "[2, 2, 2] leaves holes, [1, 2, 5] none")
    assert names["counts"]((3,)).tolist() == [1, 0, 0, 1, 0, 0, 1]
    assert torch.is_tensor(torch.as_tensor(names["counts"]((1,))))
