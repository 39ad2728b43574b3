"""CrfExplorer: inference as in segkit.crf, kernels seen from a pixel, changes, scenes, ghost, clicks, no truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segkit.crf import BruteForceFilter, DenseCRF, bilateral_features
from segkit.data.sample import Sample
from segkit.explore import CrfExplorer
from segkit.explore.crf_steps import MENDED, OTHER, SPOILED, falls, infer, listens_to, sharpened, verdict

NAMES = ("left", "middle", "right")


def sample(void: bool = False) -> Sample:
    """Three stripes of different colours with a little noise."""
    labels = torch.arange(3).repeat_interleave(12).expand(24, 36).clone()
    noise = 0.05 * torch.rand(3, 24, 36, generator=torch.Generator().manual_seed(0))
    image = torch.stack([(labels == k).float() * 0.3 for k in range(3)]) + noise
    return Sample(image, torch.full_like(labels, 255) if void else labels)


def scores() -> Tensor:
    """Right in the main, with the edges three pixels off."""
    labels = sample().labels.roll(3, 1)
    return 2.0 * torch.stack([(labels == k).float() for k in range(3)])


def explorer(**settings: object) -> CrfExplorer:
    return CrfExplorer(scores(), sample(), NAMES, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("iterations", [0, 1, 4, 10])
def test_the_answer_is_that_of_segkit_crf(iterations: int) -> None:
    e = explorer(settings=(8, 20, 5, 2), gaussian_sxy=3)
    crf = DenseCRF(3, 2.0, 8, 20, 5.0, iterations=iterations, picture_max=1)
    expected, trace = crf(scores()[None], sample().image[None], trace=True)
    q = e.results.inference.q[iterations].t().view(3, 24, 36)
    torch.testing.assert_close(q, expected[0], rtol=1e-4, atol=1e-5)
    pixels = 24 * 36
    for ours, theirs in ((e.results.inference.energy, trace.energy), (e.results.inference.kl, trace.kl)):
        ours, theirs = (v - v[0] for v in (ours[: iterations + 1] * pixels, theirs[0].numpy()))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-2)  # logits or log p: a constant apart


def test_any_filter_will_do_and_kl_falls() -> None:
    image = 255 * sample().image
    exact = BruteForceFilter(bilateral_features(image, 8, 20), "symmetric")
    found = infer(scores(), [(exact, torch.tensor(-5.0))], steps=6)
    assert len(found.q) == 7 and (np.diff(found.kl) < 1e-7).all() and found.kl[-1] < found.kl[0] - 0.1


def test_without_kernels_nothing_moves() -> None:
    found = infer(scores(), [], steps=3)
    for q in found.q[1:]:
        torch.testing.assert_close(q, found.q[0])
    np.testing.assert_allclose(found.kl, 0, atol=1e-6)


def test_sliders_change_the_answer() -> None:
    e = explorer(settings=(8, 13, 10, 0))
    before, mended = e.results.near
    assert mended > before + 0.2, "colours tell where the edges are"
    e.controls["srgb"].value = 80
    assert e.results.near[1] < mended, "too wide in colour, and it smooths across them"
    with e.together():
        e.controls["bilateral"].value = 0
    assert torch.equal(e.results.after, e.results.before), "no kernel has a weight"
    e.controls["places"].value = 9
    assert not torch.equal(e.results.inference.q[10], e.results.inference.q[0])


def test_only_what_changed_is_computed_again() -> None:
    e = explorer()
    lattice, inference = e._kept["bilateral"][1], e.results.inference
    e.controls["iterations"].value = 9
    assert e.results.inference is inference
    e.controls["bilateral"].value = 7
    assert e.results.inference is not inference and e._kept["bilateral"][1] is lattice
    e.controls["sxy"].value = 5
    assert e._kept["bilateral"][1] is not lattice


def test_labels_and_scores_before_and_after() -> None:
    inference = infer(scores(), [], steps=2)
    found = sharpened(4, inference, 2, sample().labels)
    assert found.scene == 4 and torch.equal(found.before, scores().argmax(0)) and torch.equal(found.after, found.before)
    assert found.iou[0] == found.iou[1] > found.near[0] == found.near[1]
    assert np.isnan(sharpened(0, inference, 0, sample(void=True).labels).iou).all()


def test_curves_share_a_scale() -> None:
    now, before = falls(np.array([5.0, 4.0, 3.0]), np.array([1.0, -1.0, -3.0]))
    assert before is not None and now.tolist() == [1, 0.75, 0.5] and before.tolist() == [1, 0.5, 0]
    alone, none = falls(np.array([5.0, 4.0, 3.0]))
    assert alone.tolist() == [1, 0.5, 0] and none is None and falls(np.zeros(3))[0].tolist() == [1, 1, 1]


def test_a_choice_of_scenes() -> None:
    other = Sample(sample().image.flip(2), sample().labels.flip(1))
    e = CrfExplorer([scores(), scores().flip(2)], [sample(), other], NAMES, settings=(8, 13, 10, 0))
    first = e.results
    e.controls["scene"].value = 1
    assert torch.equal(e.labels, other.labels) and torch.equal(e.results.before, first.before.flip(1))
    assert e.results.near[1] == pytest.approx(first.near[1], abs=0.05) and e.results.inference is not first.inference
    assert "before the last move" not in e.caption.value, "another picture leaves no ghost"
    e.reset()
    assert e["scene"] == 0 and torch.equal(e.results.after, first.after)
    start = CrfExplorer([scores(), scores().flip(2)], [sample(), other], NAMES, scene=1)
    assert start["scene"] == 1 and torch.equal(start.labels, other.labels)


def test_the_last_answer_stays_as_a_ghost_until_reset() -> None:
    e = explorer(settings=(8, 13, 10, 0))
    near = e.results.near[1]
    assert len(e.parts["ghost"].get_xdata()) == 0
    e.controls["srgb"].value = 80
    assert f"(before the last move {near:.3f})" in e.caption.value
    assert len(e.parts["ghost"].get_xdata()) == len(e.parts["line"].get_xdata()) == 11
    e.controls["row"].value = 3
    assert "before the last move" not in e.caption.value, "the ring moves no label"
    e.reset()
    assert len(e.parts["ghost"].get_xdata()) == 0


def test_labels_stand_under_their_names() -> None:
    e = explorer()
    e.put(row=5, column=13)
    assert {k: t.get_text() for k, t in e.parts["titles"].items()} == {
        "truth": "truth: middle",
        "scores alone": "scores alone: left",
        "after the CRF": f"after the CRF: {e.name(e.results.after)}",
    }


def test_caption_in_numbers() -> None:
    e = explorer(settings=(8, 13, 10, 0))
    e.controls["iterations"].value = 1
    text = e.caption.value
    changed = int((e.results.after != e.results.before).sum())
    assert f"After 1 iteration {changed} of 864 pixels" in text and f"mean IoU {e.results.iou[0]:.3f} → " in text
    e.controls["iterations"].value = 0
    assert "After 0 iterations 0 of 864" in e.caption.value


def test_who_a_pixel_listens_to() -> None:
    weights = listens_to(255 * sample().image, 8, 13, 10, 17)
    assert weights[10, 17] == 1 and weights.argmax() == 10 * 36 + 17
    assert weights[:, 12:24].sum() > 100 * weights[:, 24:].sum(), "its own stripe, not the next"
    f = bilateral_features(255 * sample().image, 8, 13)
    assert weights[3, 20].item() == pytest.approx(float(torch.exp(-(f[377] - f[128]).square().sum() / 2)), rel=1e-4)


def test_colours_of_the_changes() -> None:
    truth = torch.tensor([[0, 0, 0, 0, 255]])
    before, after = torch.tensor([[0, 1, 0, 1, 1]]), torch.tensor([[0, 0, 1, 2, 0]])
    assert verdict(before, after, truth)[0].tolist() == [[255] * 3, [*MENDED], [*SPOILED], [*OTHER], [*OTHER]]


def test_click_moves_the_ring() -> None:
    e = explorer()
    e.picture.x, e.picture.y = e.canvas.point(e.parts["pictures"]["after the CRF"].axes, 30, 4)
    assert (e["row"], e["column"]) == (4, 30) and "row 4, column 30" in e.caption.value
    x, y = e.canvas.point(e.parts["line"].axes, 5, 0.5)
    e.picture.y, e.picture.x = y, x
    assert (e["row"], e["column"]) == (4, 30), "the curve is no picture"


def test_without_a_truth() -> None:
    e = CrfExplorer(scores(), sample(void=True), NAMES)
    assert "IoU" not in e.caption.value and "nan" not in e.caption.value
    assert e.parts["titles"]["truth"].get_text() == "truth: unknown"


def test_a_network_gives_the_scores_and_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 13, 3, padding=1), nn.Dropout(0.5)).train()
    e = CrfExplorer(net)
    assert net.training and len(e.scores) == 8 and e.scores[0].shape == (13, 96, 128)
    e.controls["scene"].value = 5
    with torch.no_grad():
        torch.testing.assert_close(e.scores[5], net.eval()(e.image[None] / 255)[0], rtol=1e-4, atol=1e-4)


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"scores \(3, 24, 36\) for a picture \(3, 96, 128\)"):
        CrfExplorer(scores())
    with pytest.raises(ValueError, match="3 classes and there are 13 names"):
        CrfExplorer(scores(), sample())
    with pytest.raises(ValueError, match="scores int"):
        CrfExplorer(7, sample())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 tensors of scores for 2 pictures"):
        CrfExplorer(scores(), [sample(), sample()], NAMES)
