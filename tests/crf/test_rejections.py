"""What the CRF refuses, and that it says what came, what was expected and the mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from segkit.crf import (
    BruteForceFilter,
    CRFasRNN,
    DenseCRF,
    PermutohedralLattice,
    bilateral_features,
    brute_force,
    mean_field,
    unary_from_labels,
)  # fmt: skip
from tests.crf.pictures import scene

LOGITS, PICTURES, LABELS = scene()
Settings = dict[str, Any]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"iterations": -1}, "iterations"),
        ({"iterations": 2.0}, "iterations"),
        ({"normalization": "both"}, "normalization"),
        ({"gaussian_sxy": 0}, "gaussian_sxy=0"),
        ({"gaussian_sxy": (3,)}, "across, down"),
        ({"gaussian_sxy": True}, "above 0"),
        ({"bilateral_sxy": (1, 2, 3)}, "across, down"),
        ({"bilateral_sxy": "80"}, "above 0"),
        ({"bilateral_srgb": float("nan")}, "bilateral_srgb"),
        ({"picture_max": 128}, "picture_max"),
        ({"picture_max": np.array([1, 255])}, "picture_max"),
    ],
)
def test_settings(settings: Settings, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        DenseCRF(**settings)


def test_numbers_of_numpy_are_numbers() -> None:
    crf = DenseCRF(np.float32(3), bilateral_sxy=(np.int64(80), 80.0), iterations=np.int64(2))
    torch.testing.assert_close(crf(LOGITS, PICTURES), DenseCRF(iterations=2)(LOGITS, PICTURES))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"alpha": 0}, "alpha=0"),
        ({"beta": -1}, "beta=-1"),
        ({"gamma": "a"}, "gamma='a'"),
        ({"spatial_weight": float("nan")}, "spatial_weight=nan"),
        ({"bilateral_weight": [1, 2, 3]}, "bilateral_weight"),
        ({"iterations": -1}, "CRFasRNN got iterations"),
    ],
)
def test_settings_of_the_layer(settings: Settings, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CRFasRNN(**{"num_classes": 3, **settings})
    layer = CRFasRNN(3)
    layer.iterations = -2
    with pytest.raises(ValueError, match="iterations=-2"):
        layer(LOGITS, PICTURES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_not_finite(value: float) -> None:
    broken = LOGITS.clone()
    broken[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        DenseCRF()(broken, PICTURES)
    with pytest.raises(ValueError, match="unary energies with NaN"):
        DenseCRF()(unary=broken, pictures=PICTURES)
    spoilt = PICTURES.float()
    spoilt[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match="pictures with NaN"):
        DenseCRF()(LOGITS, spoilt)


@pytest.mark.parametrize(
    ("logits", "pictures", "error", "words"),
    [
        (LOGITS, PICTURES[:, :, :-1], ValueError, "24×30"),
        (LOGITS, PICTURES[0], ValueError, "N×C×H×W"),
        (LOGITS[0], PICTURES, ValueError, "N×K×H×W"),
        (LOGITS[:0], PICTURES, ValueError, "N×K×H×W"),
        (LOGITS[:, :0], PICTURES, ValueError, "N×K×H×W"),
        (LOGITS.long(), PICTURES, TypeError, "int64"),
        (None, PICTURES, ValueError, "neither logits nor"),
        (LOGITS, PICTURES.numpy(), TypeError, "ndarray"),
        (LOGITS, PICTURES.to(torch.complex64), TypeError, "complex64"),
        (LOGITS, PICTURES > 100, TypeError, "bool"),
        (LOGITS, PICTURES.float() / 64 - 2, ValueError, r"extra=\["),
    ],
)
def test_inputs(logits: Any, pictures: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        DenseCRF()(logits, pictures)


@pytest.mark.parametrize("mu", ["a", None, {}, [[1, 2], [3]], 1j, torch.ones(3, dtype=torch.complex64)])
def test_compatibilities_that_are_no_numbers(mu: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="gaussian_compat"):
        DenseCRF(gaussian_compat=mu)(LOGITS, PICTURES)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (PICTURES, "list of pairs"),
        (None, "list of pairs"),
        ([PICTURES], "list of pairs"),
        (((PICTURES, 1), PICTURES), "list of pairs"),
        ([(PICTURES.numpy(), 1)], r"extra\[0\] features of type ndarray"),
        ([(PICTURES, 1), (PICTURES.to(torch.complex64), 1)], r"extra\[1\] features of type torch.complex64"),
        ([(PICTURES[:, :0], 1)], r"extra\[0\] features"),
        ([(PICTURES, [1, 2])], r"extra\[0\] compatibility"),
        ([(PICTURES.float() * float("nan"), 1)], r"extra\[0\] features: .*NaN"),
        ([(PICTURES * 1e9, 1)], r"extra\[0\] features: .*deviations"),
    ],
)
def test_extra_kernels(extra: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        DenseCRF()(LOGITS, PICTURES, extra=extra)


def test_deviations_too_small_for_the_type_are_named() -> None:
    with pytest.raises(ValueError, match=r"bilateral_srgb=0\.001"):
        DenseCRF(bilateral_srgb=1e-3)(LOGITS, PICTURES)
    with pytest.raises(ValueError, match="gaussian_sxy=1e-07"):
        DenseCRF(gaussian_sxy=1e-7)(LOGITS, PICTURES)
    with pytest.raises(ValueError, match=r"alpha=160.* and beta=0\.001"):
        CRFasRNN(3, beta=1e-3)(LOGITS, PICTURES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((LABELS[0], 1.0), "probability"),
        ((LABELS[0], "a"), "probability"),
        ((LABELS[0], torch.ones(2)), "probability"),
        ((LABELS[0], 0.5, 2), "0 to 1"),
        ((LABELS[0], 0.5, 0), "num_classes=0"),
        ((LABELS[0], 0.5, 2.5), "num_classes=2.5"),
        ((LABELS[0], 0.5, 3, (254, 255)), "unsure"),
        ((LABELS[0, 0], 0.5), "H×W"),
        ((LABELS[0] - 255, 0.5), "from -255"),
        ((torch.full((2, 2), 255), 0.5), "say num_classes"),
    ],
)
def test_labels(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        unary_from_labels(*arguments)


F, V = torch.rand(5, 2), torch.rand(5, 3)


@pytest.mark.parametrize(
    ("compute", "error", "words"),
    [
        (lambda: brute_force(F[:, 0], V), ValueError, "N×d"),
        (lambda: brute_force(F.tolist(), V), TypeError, "list"),
        (lambda: brute_force(F, V[:4]), ValueError, "5 points"),
        (lambda: brute_force(F, V[None]), ValueError, "N×K"),
        (lambda: brute_force(F, torch.ones(5, dtype=torch.int64)), TypeError, "int64"),
        (lambda: BruteForceFilter(F, "both"), ValueError, "normalization='both'"),
        (lambda: mean_field(V, [(PermutohedralLattice(F[:4]), torch.tensor(-1.0))], 1), ValueError, "4 points"),
        (lambda: mean_field(V, [(PermutohedralLattice(F), -1.0)], 1), TypeError, "compatibility"),
        (lambda: bilateral_features(PICTURES, 80, 13), ValueError, "C×H×W"),
        (lambda: bilateral_features(PICTURES[0], 80, (13, 13)), ValueError, "3 channels"),
    ],
)
def test_parts_used_alone(compute: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compute()


HALF = (PICTURES.float() > 128).float()  # only 0 and 1: a mask drawn as a picture


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [torch.uint8, torch.int64, torch.float32, torch.float64])
def test_pictures_of_0_and_1_are_not_read_as_black(channels: int, kind: torch.dtype) -> None:
    """As 0–255 they hold no edge, and the answer would be one label, whatever the scores say."""
    picture = HALF[:, :1].expand(-1, channels, -1, -1).to(kind)
    words = "whole numbers are always 0–255" if not kind.is_floating_point else "say picture_max=1"
    for crf in (DenseCRF(), CRFasRNN(LOGITS.shape[1])):
        with pytest.raises(ValueError, match=rf"from 0 to 1, which look like 0–1.*{words}.*multiply them by 255"):
            crf(LOGITS, picture)
    if not kind.is_floating_point:
        with pytest.raises(ValueError, match=words):
            DenseCRF(picture_max=1)(LOGITS, picture)
    answers = [DenseCRF()(LOGITS, (255 * picture.float()).to(kind)), DenseCRF()(LOGITS, 255 * picture.float())]
    if kind == torch.float32 and channels in (1, 3):
        answers.append(DenseCRF(picture_max=1)(LOGITS, picture))
    for answer in answers:
        torch.testing.assert_close(answer, answers[-1])
        assert len(answer.argmax(1).unique()) > 1
    DenseCRF()(LOGITS, torch.zeros_like(picture))  # black all over is a picture too


def test_one_channel_on_a_scale_of_its_own_takes_a_deviation_on_it() -> None:
    depth = HALF[:, :1] * 0.8
    with pytest.raises(ValueError, match=r"from 0 to 0.8.* give bilateral_srgb on the scale of the picture"):
        DenseCRF()(LOGITS, depth)
    same = DenseCRF(bilateral_srgb=0.04)(LOGITS, depth), DenseCRF(bilateral_srgb=13)(LOGITS, 325 * depth)
    torch.testing.assert_close(*same, rtol=1e-3, atol=1e-4)
