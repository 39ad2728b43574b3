"""The dense CRF: inference against all pairs, compatibilities, gradients, batches, types, and what it refuses."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from torch import Tensor

from segkit.crf import (
    BruteForceFilter,
    DenseCRF,
    PermutohedralLattice,
    bilateral_features,
    compatibility,
    mean_field,
    position_features,
    unary_from_labels,
)
from tests.crf.pictures import scene

NORMALIZATIONS = ["none", "before", "after", "symmetric"]


def by_all_pairs(logits: Tensor, picture: Tensor, normalization: str = "symmetric", steps: int = 5) -> Tensor:
    """The default CRF of one picture, its steps written out with the exact kernels."""
    K, H, W = logits.shape
    picture = picture.double()
    x = logits.double().flatten(1)  # K, H·W
    near = BruteForceFilter(position_features(H, W, 3, picture), normalization).matrix
    alike = BruteForceFilter(bilateral_features(picture, 80, 13), normalization).matrix
    q = x.softmax(0)
    for _ in range(steps):
        q = (x + 3 * q @ near.t() + 10 * q @ alike.t()).softmax(0)
    return q.view(K, H, W)


@pytest.mark.parametrize("normalization", NORMALIZATIONS[1:])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_inference_is_near_that_over_all_pairs(seed: int, normalization: str) -> None:
    logits, pictures, _ = scene(48, 60, 4, seed)
    ours = DenseCRF(normalization=normalization)(logits, pictures)[0].double()
    exact = by_all_pairs(logits[0], pictures[0], normalization)
    assert float((ours - exact).abs().mean()) < 0.004
    assert float((ours.argmax(0) == exact.argmax(0)).double().mean()) > 0.993
    before = logits[0].softmax(0).argmax(0)
    assert float((before == exact.argmax(0)).double().mean()) < 0.97  # there was something to do


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_steps_are_those_of_the_definition(normalization: str) -> None:
    """With the lattice's own matrices written out in full, to the last digits."""
    logits, pictures, _ = scene(9, 11, 3)
    logits = logits.double()
    eye = torch.eye(99, dtype=torch.float64)
    picture = pictures[0].double()
    kernels = []
    for features in (position_features(9, 11, 3, picture), bilateral_features(picture, 80, 13)):
        K = PermutohedralLattice(features).filter(eye)
        D = K.sum(1)
        powers = {"none": (0, 0), "before": (0, -1), "after": (-1, 0), "symmetric": (-0.5, -0.5)}[normalization]
        kernels.append(D[:, None] ** powers[0] * K * D ** powers[1])
    x = logits[0].flatten(1)
    weights = (0.03, 0.1) if normalization == "none" else (3, 10)
    q = x.softmax(0)
    for _ in range(4):
        q = (x + sum(w * q @ k.t() for w, k in zip(weights, kernels, strict=True))).softmax(0)
    crf = DenseCRF(gaussian_compat=weights[0], bilateral_compat=weights[1], iterations=4, normalization=normalization)
    torch.testing.assert_close(crf(logits, pictures)[0].flatten(1), q)


def test_it_mends_noisy_scores() -> None:
    for seed in range(3):
        logits, pictures, labels = scene(48, 60, 4, seed)
        before = (logits.argmax(1) == labels).float().mean()
        after = (DenseCRF()(logits, pictures).argmax(1) == labels).float().mean()
        assert after > before + 0.03


def test_logits_and_energies_are_told_apart() -> None:
    logits, pictures, _ = scene()
    crf = DenseCRF()
    Q = crf(logits, pictures)
    energies = -logits.log_softmax(1)
    torch.testing.assert_close(crf(unary=energies, pictures=pictures), Q)
    assert not torch.allclose(crf(energies, pictures), Q, atol=0.1)
    for arguments in ({}, {"logits": logits, "unary": energies}):
        with pytest.raises(ValueError, match="larger is likelier"):
            crf(pictures=pictures, **arguments)


def test_no_step_is_a_softmax_and_q_is_a_distribution() -> None:
    logits, pictures, _ = scene()
    torch.testing.assert_close(DenseCRF(iterations=0)(logits, pictures), logits.softmax(1))
    Q = DenseCRF()(logits, pictures)
    assert Q.shape == logits.shape and (Q >= 0).all()
    torch.testing.assert_close(Q.sum(1), torch.ones(1, 24, 30))
    big = DenseCRF(gaussian_compat=300, bilateral_compat=1000)(100 * logits, pictures)
    torch.testing.assert_close(big.sum(1), torch.ones(1, 24, 30))


def test_compatibilities() -> None:
    """Potts' w is −w on the diagonal of μ, and a cost of w off the diagonal comes to the same."""
    logits, pictures, _ = scene(classes=4)
    expected = DenseCRF(bilateral_compat=7)(logits, pictures)
    for mu in (torch.full((4,), -7.0), -7 * torch.eye(4), 7 * (1 - torch.eye(4)), [-7.0] * 4):
        torch.testing.assert_close(DenseCRF(bilateral_compat=mu)(logits, pictures), expected, rtol=1e-4, atol=1e-5)
    uneven = torch.tensor([[0.0, 2, 4, 4], [6, 0, 4, 4], [4, 4, 0, 8], [4, 4, 8, 0]])
    even = (uneven + uneven.t()) / 2
    torch.testing.assert_close(compatibility(uneven, 4, logits), even)
    answers = [DenseCRF(bilateral_compat=mu)(logits, pictures) for mu in (uneven, even, 4 * (1 - torch.eye(4)))]
    torch.testing.assert_close(answers[0], answers[1])
    assert not torch.allclose(answers[1], answers[2], atol=1e-2)
    for wrong in (torch.ones(3), torch.ones(4, 3), torch.ones(1, 4, 4), [float("nan")] * 4):
        with pytest.raises(ValueError, match="bilateral_compat"):
            DenseCRF(bilateral_compat=wrong)(logits, pictures)


def test_a_batch_is_what_its_pictures_are_one_by_one() -> None:
    logits, pictures, _ = scene(batch=3)
    crf = DenseCRF()
    alone = torch.cat([crf(x[None], p[None]) for x, p in zip(logits, pictures, strict=True)])
    torch.testing.assert_close(crf(logits, pictures), alone, rtol=0, atol=0)


def test_scales_of_pictures() -> None:
    logits, pictures, _ = scene()
    expected = DenseCRF()(logits, pictures)
    for crf, given in (
        (DenseCRF(), pictures.float()),
        (DenseCRF(), pictures.int()),
        (DenseCRF(picture_max=1), pictures),
        (DenseCRF(picture_max=1), pictures.double() / 255),
    ):
        torch.testing.assert_close(crf(logits, given), expected)
    assert (DenseCRF(picture_max=1)(logits, pictures / 255).argmax(1) == expected.argmax(1)).float().mean() > 0.995
    with pytest.raises(ValueError, match="picture_max=1"):
        DenseCRF()(logits, pictures / 255)
    for wrong in (pictures.float() - 128, 2.0 * pictures):
        with pytest.raises(ValueError, match="0–255"):
            DenseCRF()(logits, wrong)
    with pytest.raises(ValueError, match="0–1"):
        DenseCRF(picture_max=1)(logits, pictures.float())


def test_gray_pictures_are_on_the_scale_that_is_stated() -> None:
    """One channel of 0–1 as three of the same; with picture_max=255 one channel may hold anything."""
    logits, pictures, _ = scene()
    gray = pictures[:, :1].float()
    three = DenseCRF(bilateral_srgb=13 * 3**0.5)(logits, gray.expand(-1, 3, -1, -1))
    for answer in (DenseCRF()(logits, gray), DenseCRF(picture_max=1)(logits, gray / 255)):
        assert (answer.argmax(1) == three.argmax(1)).float().mean() > 0.95
    torch.testing.assert_close(DenseCRF(picture_max=1)(logits, gray / 255), DenseCRF()(logits, gray), rtol=0, atol=0.02)
    DenseCRF()(logits, 1000 * gray - 5000)
    pictures[0, :, 0, 0] = 255
    resized = pictures.float() * (1 + 1e-6)
    assert resized.max() > 255
    torch.testing.assert_close(DenseCRF()(logits, resized), DenseCRF()(logits, pictures), rtol=1e-2, atol=1e-3)


def test_float64_keeps_its_digits() -> None:
    logits, pictures, _ = scene(12, 14)
    x = logits.double()
    for mu in (0.15, [0.1, 0.2, 0.3], (0.1 * torch.ones(3, 3)).double().tolist()):
        given = torch.tensor(mu, dtype=torch.float64)
        torch.testing.assert_close(
            DenseCRF(gaussian_compat=mu)(x, pictures), DenseCRF(gaussian_compat=given)(x, pictures), rtol=0, atol=1e-14
        )


def test_settings_may_change_between_calls() -> None:
    logits = scene()[0]
    crf = DenseCRF(bilateral_compat=0)
    crf(logits)
    crf.kernels.gaussian_sxy, crf.kernels.normalization, crf.iterations = 8.0, "after", 3
    fresh = DenseCRF(gaussian_sxy=8, bilateral_compat=0, normalization="after", iterations=3)
    torch.testing.assert_close(crf(logits), fresh(logits))
    crf.iterations = -1
    with pytest.raises(ValueError, match="iterations=-1"):
        crf(logits)


def test_other_channels() -> None:
    """Depth in place of colour, five channels, a kernel of its own, no colour at all."""
    logits, pictures, labels = scene(batch=2)
    depth = labels[:, None].float() * 3 + 1
    by_depth = DenseCRF(bilateral_srgb=0.5)(logits, depth)
    assert (by_depth.argmax(1) == labels).float().mean() > (logits.argmax(1) == labels).float().mean() + 0.05
    five = torch.cat((pictures.float() / 13, depth.expand(2, 2, -1, -1) / 0.5), 1)
    a = DenseCRF(bilateral_srgb=1)(logits, five)
    b = DenseCRF(bilateral_srgb=(13, 13, 13, 0.5, 0.5))(
        logits, five * five.new_tensor([13, 13, 13, 0.5, 0.5]).view(1, 5, 1, 1)
    )
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    plain = DenseCRF(bilateral_compat=0)
    extra = torch.stack([bilateral_features(p.float(), 80, 13).t().reshape(5, 24, 30) for p in pictures])
    torch.testing.assert_close(plain(logits, extra=[(extra, 10)]), DenseCRF()(logits, pictures))
    assert not torch.allclose(plain(logits), DenseCRF()(logits, pictures), atol=0.1)
    torch.testing.assert_close(DenseCRF(gaussian_compat=0, bilateral_compat=0)(logits), logits.softmax(1))
    with pytest.raises(ValueError, match="bilateral_srgb"):
        DenseCRF(bilateral_srgb=(1, 2))(logits, depth)
    with pytest.raises(ValueError, match=r"extra\[0\] features"):
        plain(logits, extra=[(extra[:1], 10)])
    with pytest.raises(ValueError, match="bilateral_compat=0"):
        DenseCRF()(logits)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_energy_and_kl_fall_at_each_step(seed: int) -> None:
    logits, pictures, _ = scene(48, 60, 5, seed, batch=2)
    Q, trace = DenseCRF(iterations=10)(unary=-logits.log_softmax(1), pictures=pictures, trace=True)
    torch.testing.assert_close(Q, DenseCRF(iterations=10)(logits, pictures))
    assert trace.energy.shape == trace.kl.shape == (2, 11)
    assert (trace.kl[:, :4].diff(dim=1) < -0.1).all() and (trace.energy[:, :4].diff(dim=1) < -0.1).all()
    assert (trace.kl.diff(dim=1) < 2e-6 * trace.kl.abs().max()).all()  # K is symmetric only nearly: see below


def test_kl_falls_to_the_end_where_the_kernels_are_symmetric() -> None:
    """The lattice blurs its axes in a fixed order, so its K is not quite its transpose; the exact one is."""
    for seed in range(3):
        logits, pictures, _ = scene(24, 30, 5, seed)
        rows = logits[0].flatten(1).t().double()
        picture = pictures[0].double()
        near = BruteForceFilter(position_features(24, 30, 3, rows), "symmetric")
        alike = BruteForceFilter(bilateral_features(picture, 80, 13), "symmetric")
        _, trace = mean_field(rows, [(near, torch.tensor(-3.0)), (alike, torch.tensor(-10.0))], 15, trace=True)
        assert trace is not None and (trace.kl.diff() < 1e-11 * trace.kl.abs().max()).all()
        assert (trace.kl[:4].diff() < -0.01).all()


def test_energy_and_kl_are_the_sums_they_say() -> None:
    logits, pictures, _ = scene(6, 7)
    logits = logits.double()
    _, trace = DenseCRF(iterations=2)(logits, pictures, trace=True)
    eye = torch.eye(42, dtype=torch.float64)
    picture = pictures[0].double()
    kernel = -3 * PermutohedralLattice(position_features(6, 7, 3, picture)).normalized("symmetric").filter(eye)
    kernel -= 10 * PermutohedralLattice(bilateral_features(picture, 80, 13)).normalized("symmetric").filter(eye)
    for step in range(3):
        q = DenseCRF(iterations=step)(logits, pictures)[0].flatten(1)
        energy = -(q * logits[0].flatten(1)).sum() + torch.einsum("li,ij,lj", q, kernel, q) / 2
        torch.testing.assert_close(trace.energy[0, step], energy)
        torch.testing.assert_close(trace.kl[0, step], energy + (q * q.log()).sum())


def test_gradients_through_the_steps() -> None:
    logits, pictures, _ = scene(4, 5, 3)
    x = logits.double().requires_grad_()
    near = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    mu = (2 * torch.randn(3, 3, dtype=torch.float64)).requires_grad_()
    diagonal = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, near: Tensor, mu: Tensor) -> Tensor:
        return DenseCRF(gaussian_compat=near, bilateral_compat=mu, iterations=3)(x, pictures)

    assert torch.autograd.gradcheck(run, (x, near, mu))
    assert torch.autograd.gradcheck(run, (x, diagonal, near))
    for normalization in NORMALIZATIONS[:3]:
        crf = DenseCRF(gaussian_compat=0.5, bilateral_compat=1, iterations=3, normalization=normalization)
        assert torch.autograd.gradcheck(lambda x, crf=crf: crf(x, pictures), (x,))
    assert torch.autograd.gradcheck(lambda x: DenseCRF(iterations=2)(x, pictures, trace=True)[1].kl, (x,))
    sure = (1000 * logits).requires_grad_()  # probabilities of 0, whose logarithm has no slope
    DenseCRF(iterations=2)(sure, pictures, trace=True)[1].kl.sum().backward()
    assert sure.grad is not None and sure.grad.isfinite().all()


def test_gradients_are_the_same_numbers_as_without() -> None:
    logits, pictures, _ = scene()
    crf = DenseCRF()
    torch.testing.assert_close(
        crf(logits.clone().requires_grad_(), pictures), crf(logits, pictures), rtol=1e-4, atol=1e-6
    )
    with torch.inference_mode():
        fresh = DenseCRF()
        fresh(logits, pictures)
    x = logits.clone().requires_grad_()
    fresh(x, pictures).square().sum().backward()  # the lattice kept from inference mode serves training too
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_corner_cases() -> None:
    logits, pictures, _ = scene()
    one_label = DenseCRF()(logits[:, :1], pictures)
    torch.testing.assert_close(one_label, torch.ones_like(one_label))
    one_pixel = DenseCRF()(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.zeros(1, 3, 1, 1))
    q = torch.tensor([1.0, 0.0]).softmax(0)
    for _ in range(5):
        q = (torch.tensor([1.0, 0.0]) + 13 * q).softmax(0)
    torch.testing.assert_close(one_pixel.flatten(), q)
    flat = torch.full_like(pictures, 100)
    Q = DenseCRF()(logits, flat)
    assert Q.isfinite().all()
    exact = by_all_pairs(logits[0], flat[0])
    assert float((Q[0].argmax(0) == exact.argmax(0)).double().mean()) > 0.99


def test_types_and_layouts() -> None:
    logits, pictures, _ = scene()
    crf = DenseCRF()
    expected = crf(logits, pictures)
    assert crf(logits.double(), pictures).dtype == torch.float64
    torch.testing.assert_close(crf(logits.double(), pictures).float(), expected, rtol=1e-3, atol=1e-4)
    half = crf(logits.half(), pictures)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, crf(logits.half().float(), pictures))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        matrix = DenseCRF(bilateral_compat=10 * (1 - torch.eye(3)))
        assert matrix(logits, pictures).dtype == torch.float32
        inside = matrix(logits, pictures)
    torch.testing.assert_close(inside, expected, rtol=1e-4, atol=1e-5)
    turned = crf(logits.to(memory_format=torch.channels_last), pictures.transpose(2, 3).contiguous().transpose(2, 3))
    torch.testing.assert_close(turned, expected)
    strided = crf(torch.stack((logits, logits), -1)[..., 0], pictures)
    torch.testing.assert_close(strided, expected)
    given = logits.clone()
    crf(given, pictures)
    assert torch.equal(given, logits)


def test_the_lattice_of_places_is_made_once_for_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, ...]] = []
    build = PermutohedralLattice.__init__
    monkeypatch.setattr(PermutohedralLattice, "__init__", lambda s, f: made.append(f.shape) or build(s, f))
    logits, pictures, _ = scene(batch=2)
    crf = DenseCRF(iterations=1)
    crf(logits, pictures)
    crf(logits, pictures)
    assert sorted(s[1] for s in made) == [2, 5, 5, 5, 5]
    for side in range(2, 9):
        crf(torch.zeros(1, 2, side, side), torch.zeros(1, 3, side, side))
    crf(logits, pictures)
    assert len([s for s in made if s == (720, 2)]) == 2  # it was let go meanwhile
    for other in (copy.deepcopy(crf), pickle.loads(pickle.dumps(crf))):
        torch.testing.assert_close(other(logits, pictures), crf(logits, pictures))
    assert "iterations=1" in repr(crf)


def test_unary_from_labels() -> None:
    labels = torch.tensor([[0, 2], [255, 1]])
    u = unary_from_labels(labels, 0.7, num_classes=3)
    assert u.shape == (1, 3, 2, 2) and u.dtype == torch.float32
    torch.testing.assert_close(torch.exp(-u).sum(1), torch.ones(1, 2, 2))
    torch.testing.assert_close(torch.exp(-u[0, :, 0, 1]), torch.tensor([0.15, 0.15, 0.7]))
    torch.testing.assert_close(u[0, :, 1, 0], torch.full((3,), math.log(3)))
    torch.testing.assert_close(unary_from_labels(labels[None], 0.7), u)
    assert torch.equal(unary_from_labels(torch.zeros(2, 2, dtype=torch.int64), 0.7, 1), torch.zeros(1, 1, 2, 2))
    assert unary_from_labels(labels, 0.7, 256, unsure=None).shape[1] == 256


def test_under_compile() -> None:
    """It runs as it stands between two compiled parts."""
    logits, pictures, _ = scene()
    crf = DenseCRF()

    def sharpened(x: Tensor, p: Tensor) -> Tensor:
        return 2 * crf(3 * x, p)

    compiled = torch.compile(sharpened, backend="eager")
    torch.testing.assert_close(compiled(logits, pictures), sharpened(logits, pictures))


def test_mean_field_takes_any_filter() -> None:
    logits, pictures, _ = scene()
    rows = logits[0].flatten(1).t()
    terms = [
        (BruteForceFilter(position_features(24, 30, 3, rows), "symmetric"), torch.tensor(-3.0)),
        (BruteForceFilter(bilateral_features(pictures[0].float(), 80, 13), "symmetric"), torch.tensor(-10.0)),
    ]
    q, _ = mean_field(rows, terms, 5)
    exact = by_all_pairs(logits[0], pictures[0])
    torch.testing.assert_close(q.t().reshape(3, 24, 30), exact.float(), rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    logits, pictures, _ = scene(48, 60, 5, batch=2)
    here, there = DenseCRF()(logits, pictures), DenseCRF()(logits.cuda(), pictures.cuda())
    assert there.is_cuda and (there.cpu().argmax(1) == here.argmax(1)).float().mean() > 0.999
    torch.testing.assert_close(there.cpu(), here, rtol=1e-2, atol=1e-3)
