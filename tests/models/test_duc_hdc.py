"""DUC and HDC: the paper's rates, pixels that DUC lays out, bilinear cells where the ResNet has them."""

import pytest
import torch
import torchvision

from segkit.models import create, load, load_torchvision, save
from segkit.models.duc_hdc import DUCHDC, PATTERNS, enlarge, hybrid_rates


def small(num_classes=5, **options):
    torch.manual_seed(0)
    return create("duc_hdc", num_classes, **{"width": 4, "encoder": "resnet18", **options})


def test_parameters_at_the_papers_size():
    for head, cell in (("duc", 64), ("bilinear", 1)):
        with torch.device("meta"):
            model = create("duc_hdc", 19, head=head)
        encoder = 44_549_160 - 2049 * 1000  # ResNet-101 without its classifier
        assert sum(p.numel() for p in model.parameters()) == encoder + (9 * 2048 + 1) * 19 * cell


def test_rates_of_the_paper_for_resnet_101():
    assert hybrid_rates("no_dilation", 23, 3) == [1] * 23
    assert hybrid_rates("conv", 23, 3) == [2, 1] * 11 + [2] and hybrid_rates("conv", 3, 4) == [2, 1, 2]
    assert hybrid_rates("rf", 23, 3) == [1, 2, 3] * 7 + [2, 2] and hybrid_rates("rf", 3, 4) == [3, 4, 5]
    assert hybrid_rates("bigger", 23, 3) == [1, 2, 5, 9] * 5 + [1, 2, 5]
    assert hybrid_rates("bigger", 3, 4) == [5, 9, 17]
    with pytest.raises(ValueError, match="'smaller'"):
        hybrid_rates("smaller", 3, 4)


def dilations(model, stage):
    return [block.conv2.dilation[0] for block in model.encoder.get_submodule(f"layer{stage}")]


def test_rates_reach_the_convolutions_and_sizes_stay():
    for pattern in PATTERNS:
        with torch.device("meta"):
            model = DUCHDC(2, encoder="resnet101", width=2, hdc=pattern)
        expected = [1] + [2] * 22 if pattern == "none" else hybrid_rates(pattern, 23, 3)
        assert dilations(model, 3) == expected
        assert dilations(model, 4) == ([2, 4, 4] if pattern == "none" else hybrid_rates(pattern, 3, 4))
        assert dilations(model, 2) == [1] * 4
    own = small(hdc=([1, 2], [5, 9]))
    assert dilations(own, 3) == [1, 2] and dilations(own, 4) == [5, 9]
    assert own(torch.randn(1, 3, 40, 40)).shape == (1, 5, 40, 40)


def test_lists_of_rates_survive_saving(tmp_path):
    model = small(hdc=([1, 2], [5, 9])).eval()
    back, x = load(save(model, tmp_path / "a.safetensors")), torch.randn(1, 3, 33, 40)
    assert dilations(back, 4) == [5, 9] and torch.equal(back(x), model(x))


def test_duc_lays_out_its_channels_as_pixels():
    """Pixel (8u + i, 8v + j) of class k is channel 64k + 8i + j of cell (u, v)."""
    out = small().eval().outputs(torch.randn(1, 3, 37, 50))
    score, logits = out["score"][0], out["logits"][0]
    for k, y, x in ((0, 0, 0), (4, 36, 49), (2, 13, 41), (3, 8, 7)):
        assert logits[k, y, x] == score[64 * k + 8 * (y % 8) + x % 8, y // 8, x // 8]


def test_bilinear_head_places_each_cell_on_its_own_pixel():
    """A ResNet's cell (i, j) is centred on pixel (8i, 8j): a ramp over the cells becomes the ramp over the pixels."""
    rows = torch.arange(5.0)[:, None].expand(5, 4)
    up = enlarge((8 * rows)[None, None], 8)[0, 0]
    assert up.shape == (41, 33)
    torch.testing.assert_close(up[:33], torch.arange(33.0)[:, None].expand(33, 33))
    assert torch.equal(up[33:], torch.full((8, 33), 32.0)), "beyond the last centre the last row is repeated"
    model = small(head="bilinear").eval()
    out = model.outputs(torch.randn(1, 3, 37, 50))
    torch.testing.assert_close(out["logits"][..., ::8, ::8], out["score"])
    torch.testing.assert_close(out["logits"][..., 4, 8], out["score"][..., :2, 1].mean(-1))


def test_torchvision_weights_fill_the_encoder():
    model = create("duc_hdc", 4, encoder="resnet50", hdc="none")
    state = torchvision.models.resnet50(weights=None).state_dict()
    before = model.score.weight.clone()
    assert load_torchvision(model, state) == ["fc.weight", "fc.bias"]
    assert torch.equal(model.encoder.layer4[2].conv3.weight, state["layer4.2.conv3.weight"])
    assert torch.equal(model.score.weight, before)
    with pytest.raises(ValueError, match="none were loaded"):
        load_torchvision(small(), state)


def test_bad_arguments_are_named():
    for wrong, message in (
        ({"hdc": "smaller"}, "hdc='smaller'"),
        ({"hdc": ([1, 2],)}, "1 lists of rates"),
        ({"hdc": ([1, 2, 3], [1, 2])}, r"rates \[1, 2, 3\] for 2 blocks"),
        ({"hdc": "rf", "output_stride": 16}, "output_stride=8 only"),
        ({"head": "deconv"}, "head='deconv'"),
        ({"output_stride": 4, "hdc": "none"}, "output_stride=4"),
    ):
        with pytest.raises(ValueError, match=message):
            DUCHDC(**{"num_classes": 5, "encoder": "resnet18", "width": 2, **wrong})
