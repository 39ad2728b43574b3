"""Each claim of chapter 06 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.course.claims import Change, put, recorded, refuted, run


def same_as(name: str, other: str) -> Change:
    """As if one network had been no different from another, in whichever result has both."""
    return recorded(
        **dict.fromkeys(("atrous_finetune", "atrous_grids", "atrous_duc", "atrous_context"), put(name, other))
    )


def test_conversion_keeps_every_response():
    words = "every response of the old grid must still be there"
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
    refuted("06", words, encoders=lambda encoders: {"ResNet-18": encoders["ResNet-18"]}, dilate_strides=own_stride_too)


def test_new_cells_need_training():
    words = "without training the new cells help nobody"
    run("06", words)
    refuted("06", words, results=same_as("stride 8, trained on", "stride 8"))
    refuted("06", words, results=same_as("stride 8, trained on", "stride 32, trained on"))
    refuted("06", words, results=same_as("stride 8", "stride 32"))


def test_a_finer_map_costs():
    words = "several times the multiply-adds"
    run("06", words)
    refuted("06", words, costs=lambda costs: dict.fromkeys(costs, costs[32]))  # as if it were free
    refuted("06", words, costs=lambda costs: {**costs, 8: (costs[8][0] + 1, *costs[8][1:])})


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
    words = "no holes: better, on the mean"
    run("06", words)
    refuted("06", words, results=same_as("1 2 3 1 2 3", "2 2 2 2 2 2"))
    refuted("06", words, results=same_as("2 2 2 2 2 2", "1 2 3 1 2 3"))


def test_interpolation_cannot_draw_a_pole():
    words = "exact shares, interpolated from stride 8"
    run("06", words)

    def wide_poles(from_shares):  # as if everything were as wide as a block
        def changed(maps, classes, stride):
            return from_shares(
                [t[::8, ::8].repeat_interleave(8, 0).repeat_interleave(8, 1) for t in maps], classes, stride
            )

        return changed

    refuted("06", words, from_shares=wide_poles)


def test_duc():
    words = "DUC beats bilinear, seed by seed"
    run("06", words)
    refuted("06", words, results=same_as("stride 16, DUC", "stride 16"))
    refuted("06", words, results=same_as("stride 16, DUC", "stride 16, wide"))


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


CONTEXT = [
    ("context module", "front end, trained twice"),
    ("context module", "holes closed"),
    ("all rates 8", "context module"),
    ("global pooling", "context module"),
]


@pytest.mark.parametrize(("name", "other"), CONTEXT)
def test_context_is_more_than_a_field(name, other):
    words = "the module raises mean IoU"
    run("06", words)
    refuted("06", words, results=same_as(name, other))


def test_real_poles(data_root, monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA", str(data_root))
    words = "from exact shares at stride 32"
    run("06", words)
    refuted("06", words, real=lambda real: dict.fromkeys(real, real[8]))  # as if the stride did not matter


def test_sums_of_shifted_pictures_are_what_they_say():
    """The three ways of writing in section 6.1 are compared in their own cell; here with a hole filled in."""
    names = run("06", "[2, 2, 2] leaves holes, [1, 2, 5] none")
    assert names["counts"]((3,)).tolist() == [1, 0, 0, 1, 0, 0, 1]
    assert torch.is_tensor(torch.as_tensor(names["counts"]((1,))))
