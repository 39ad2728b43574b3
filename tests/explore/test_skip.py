"""SkipExplorer: heads, mixtures, the model left alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import segkit.models
from segkit.data.sample import Sample
from segkit.explore import SkipExplorer
from segkit.explore.skip import HEADS, head_scores, mix


class Heads(nn.Module):
    """Three heads that know one thing each: where the left third, the middle third and the right third are."""

    def contributions(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        out = {}
        for k, name in enumerate(HEADS):
            out[name] = torch.zeros(1, 3, H, W)
            out[name][:, k, :, k * W // 3 : (k + 1) * W // 3] = 1.0
        return out


def sample() -> Sample:
    labels = torch.arange(3).repeat_interleave(32).expand(64, 96).clone()
    return Sample(torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0)), labels)


def test_the_whole_mixture_is_the_network() -> None:
    e = SkipExplorer(Heads(), sample(), classes=("left", "middle", "right"))
    torch.testing.assert_close(e.results.scores, e.heads["logits"])


def test_weights_choose_who_is_heard() -> None:
    e = SkipExplorer(Heads(), sample(), classes=("left", "middle", "right"))
    assert e.results.mean_iou > 0.8
    e.controls["score_8"].value = 0.0
    assert not (e.results.labels == 2).any() and e.results.mean_iou < 0.6
    e.controls["score_32"].value = 0.5
    expected = 0.5 * e.heads["score_32"] + e.heads["score_16"]
    torch.testing.assert_close(e.results.scores, expected)
    assert e.results.labels.equal(expected.argmax(0))


def test_click_and_caption() -> None:
    e = SkipExplorer(Heads(), sample(), classes=("left", "middle", "right"))
    axes = e.parts["pictures"]["mixture"].axes
    e.picture.x, e.picture.y = e.canvas.point(axes, 80, 12)
    assert (e["row"], e["column"]) == (12, 80)
    assert "fc7 says left, pool4 left, pool3 right, the mixture right; it is right" in e.caption.value


def test_scenes_ghost_and_reset() -> None:
    other = sample()
    other = Sample(1 - other.image, other.labels.flip(1).contiguous())
    e = SkipExplorer(Heads(), [sample(), other], classes=("left", "middle", "right"))
    first = e.results.mean_iou
    assert not len(e.parts["ghost"].get_xdata()) and e.parts["bar"].get_width() == first
    e.controls["scene"].value = 1
    assert e.results.mean_iou < first - 0.3, "the heads know the left, and there the truth says right"
    assert e.parts["ghost"].get_xdata() == [first]
    truth = e.parts["pictures"]["truth"].get_array()
    assert (truth[0, 0] == e.palette[2]).all(), "the other scene's truth"
    assert f"mIoU {e.results.mean_iou:.2f}" in e.parts["pictures"]["the network"].axes.get_title()
    e.reset()
    assert e["scene"] == 0 and e.results.mean_iou == first and not len(e.parts["ghost"].get_xdata())
    assert (e.parts["pictures"]["truth"].get_array()[0, 0] == e.palette[0]).all()
    with pytest.raises(ValueError, match="none; give at least one"):
        SkipExplorer(Heads(), [])


def test_a_real_fcn8s() -> None:
    model = segkit.models.create("fcn8s", num_classes=3, width=2)
    model.train()
    heads = head_scores(model, sample().image)
    assert model.training and set(heads) == {*HEADS, "logits"}
    with torch.no_grad():
        torch.testing.assert_close(heads["logits"], model.eval().outputs(sample().image[None])["logits"][0])
    m = mix(heads, (1.0, 0.0, 0.0))
    assert m.scores.equal(heads["score_32"]) and m.mean_iou != m.mean_iou, "no truth, no IoU"


def test_refuses() -> None:
    with pytest.raises(ValueError, match="has no contributions"):
        SkipExplorer(nn.Conv2d(3, 3, 1), sample())
    with pytest.raises(ValueError, match="lacks score_8; take fcn8s"):
        SkipExplorer(segkit.models.create("fcn16s", num_classes=3, width=2), sample())
    with pytest.raises(ValueError, match="3 classes and there are 13 names"):
        SkipExplorer(Heads(), sample())
