"""CrfExplorer: the same inference as segkit.crf, kernels seen from a pixel, changes, clicks, no truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segkit.crf import BruteForceFilter, DenseCRF, bilateral_features
from segkit.data.sample import Sample
from segkit.explore import CrfExplorer
from segkit.explore.crf import MENDED, OTHER, SPOILED, infer, listens_to, verdict

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
    q = e.results.q[iterations].t().view(3, 24, 36)
    torch.testing.assert_close(q, expected[0], rtol=1e-4, atol=1e-5)
    pixels = 24 * 36
    for ours, theirs in ((e.results.energy, trace.energy), (e.results.kl, trace.kl)):
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
    mended = e._marks(e.results.labels(5))[1]
    assert mended > e.before[1] + 0.2, "colours tell where the edges are"
    e.controls["srgb"].value = 80
    assert e._marks(e.results.labels(5))[1] < mended, "too wide in colour, and it smooths across them"
    with e.together():
        e.controls["bilateral"].value = 0
    assert torch.equal(e.results.labels(10), e.results.labels(0)), "no kernel has a weight"
    e.controls["places"].value = 9
    assert not torch.equal(e.results.q[10], e.results.q[0])


def test_only_what_changed_is_computed_again() -> None:
    e = explorer()
    lattice, results = e._kept["bilateral"][1], e.results
    e.controls["iterations"].value = 9
    assert e.results is results
    e.controls["bilateral"].value = 7
    assert e.results is not results and e._kept["bilateral"][1] is lattice
    e.controls["sxy"].value = 5
    assert e._kept["bilateral"][1] is not lattice


def test_caption_in_numbers() -> None:
    e = explorer(settings=(8, 13, 10, 0))
    e.controls["iterations"].value = 1
    text = e.caption.value
    changed = int((e.results.labels(1) != e.results.labels(0)).sum())
    assert f"After 1 iteration {changed} of 864 pixels" in text and f"mean IoU {e.before[0]:.3f} → " in text
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


def test_a_network_gives_the_scores_and_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 13, 3, padding=1), nn.Dropout(0.5)).train()
    e = CrfExplorer(net)
    assert net.training and e.logits.shape == (13, 96, 128)
    with torch.no_grad():
        torch.testing.assert_close(e.logits, net.eval()(e.image[None] / 255)[0], rtol=1e-4, atol=1e-4)


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"scores \(3, 24, 36\) for a picture \(3, 96, 128\)"):
        CrfExplorer(scores())
    with pytest.raises(ValueError, match="3 classes and there are 13 names"):
        CrfExplorer(scores(), sample())
    with pytest.raises(ValueError, match="scores int"):
        CrfExplorer(7, sample())  # type: ignore[arg-type]
