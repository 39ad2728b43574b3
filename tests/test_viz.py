"""Pictures of label maps: exact colours, every kind of input, figures on white."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

matplotlib.use("Agg")

from segkit.viz import colourise, default_palette, error_map, legend, overlay, show, to_picture

LABELS = np.array([[0, 1, 2], [2, 255, 0]])
PALETTE = np.array([(10, 20, 30), (200, 0, 0), (0, 0, 250)], dtype=np.uint8)


def rendered(figure) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, dpi=60)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(np.uint8), torch.from_numpy(LABELS)])
@pytest.mark.parametrize("palette", [PALETTE, PALETTE.tolist(), torch.from_numpy(PALETTE)])
def test_colourise_looks_up(labels, palette):
    colours = colourise(labels, palette)
    assert colours.dtype == np.uint8 and colours.shape == (2, 3, 3)
    assert colours[0].tolist() == PALETTE.tolist() and colours[1, 0].tolist() == [0, 0, 250]
    assert len(set(colours[1, 1].tolist())) == 1 and colours[1, 1, 0] > 200  # void: light grey
    assert colourise(labels, palette, void_colour=(1, 2, 3))[1, 1].tolist() == [1, 2, 3]


def test_colourise_without_palette_uses_the_default_one():
    assert np.array_equal(colourise(LABELS)[0], default_palette(3))
    assert colourise(np.full((2, 2), 255)).min() > 200


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.full((2, 2), 9), "holds 9; the palette has colours for 0–2"),
        (np.full((2, 2), -1), "holds -1"),
        (LABELS.astype(float), "whole numbers"),
        (LABELS[None], "H×W"),
    ],
)
def test_colourise_refuses(labels, words):
    with pytest.raises(ValueError, match=words):
        colourise(labels, PALETTE)


def _seen_by(colours: np.ndarray, kind: str) -> np.ndarray:
    """sRGB colours as seen with full protanopia or deuteranopia (Viénot, Brettel, Mollon 1999), in Lab."""
    linear = np.where(colours / 255 <= 0.04045, colours / 255 / 12.92, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    loss = {
        "normal": np.eye(3),
        "protanopia": np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
        "deuteranopia": np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
    }[kind]
    rgb = (linear @ (np.linalg.inv(to_lms) @ loss @ to_lms).T).clip(0, 1)
    xyz = rgb @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("kind", ["normal", "protanopia", "deuteranopia"])
def test_the_first_colours_differ_for_everybody(kind):
    lab = _seen_by(default_palette(8).astype(float), kind)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(8, 1)]
    assert distance.min() > 10  # 2.3 is a just noticeable difference


def test_palette_has_24_different_colours_then_repeats():
    assert len({tuple(c) for c in default_palette(24).tolist()}) == 24
    assert np.array_equal(default_palette(30)[24:], default_palette(6))
    assert default_palette(0).shape == (0, 3)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_overlay_mixes_and_leaves_void_alone(alpha):
    image = torch.full((3, 2, 3), 0.4)
    mixed = overlay(image, LABELS, PALETTE, alpha)
    assert mixed.dtype == np.uint8
    np.testing.assert_allclose(mixed[0], (1 - alpha) * 102 + alpha * PALETTE.astype(float), atol=0.5)
    assert mixed[1, 1].tolist() == [102] * 3


def test_overlay_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="height, width"):
        overlay(torch.zeros(3, 4, 5), LABELS)
    with pytest.raises(ValueError, match="alpha"):
        overlay(torch.zeros(3, 2, 3), LABELS, alpha=2)


def test_error_map_tells_right_wrong_and_void_apart():
    wrong = LABELS.copy()
    wrong[0, 0] = 1
    wrong[1, 1] = 0
    colours = error_map(torch.from_numpy(wrong), LABELS)
    right, mistake, void = colours[0, 1].tolist(), colours[0, 0].tolist(), colours[1, 1].tolist()
    assert len({tuple(right), tuple(mistake), tuple(void)}) == 3
    assert (colours.reshape(-1, 3) == mistake).all(1).sum() == 1 and (colours.reshape(-1, 3) == void).all(1).sum() == 1
    with pytest.raises(ValueError, match="must agree"):
        error_map(LABELS[:1], LABELS)


def test_any_picture_becomes_uint8_with_channels_last():
    grey = np.linspace(0, 1, 15).reshape(3, 5)
    expected = (grey * 255).round().astype(np.uint8)
    for picture in (
        grey, torch.from_numpy(grey), torch.from_numpy(grey)[None], np.stack([grey] * 3, 2), np.stack([grey] * 3),
        np.stack([grey] * 4, 2), torch.from_numpy(np.stack([grey] * 3)).requires_grad_(), expected,
        np.asfortranarray(expected), torch.from_numpy(expected)[None],
    ):  # fmt: skip
        shown = to_picture(picture)
        assert shown.dtype == np.uint8 and shown.shape == (3, 5, 3) and np.array_equal(shown[..., 1], expected)
    assert to_picture(torch.rand(3, 8, 8).bfloat16()).shape == (8, 8, 3)
    assert to_picture(grey > 0.5).max() == 255


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="0–1"):
        to_picture(np.full((2, 2), 7.0))
    assert to_picture(np.full((2, 2), 200, dtype=np.int64)).max() == 200
    for wrong in (np.full((2, 2), 4096, dtype=np.uint16), np.full((2, 2), -1), np.full((2, 2), "sky")):
        with pytest.raises(ValueError, match=r"a picture of .*whole numbers lie in 0–255"):
            to_picture(wrong)
    with pytest.raises(ValueError, match="0–1"):
        to_picture(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="shape"):
        to_picture(np.zeros((5, 7, 9)))


def test_show_draws_every_picture_on_opaque_white():
    import matplotlib.pyplot as plt

    pictures = [np.full((6, 8, 3), c, dtype=np.uint8) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    figure = show(pictures, ["one", "two", "three"], columns=2, classes=("a", "b"), palette=PALETTE)
    drawn = rendered(figure)
    assert (drawn[..., 3] == 255).all() and (drawn[[0, 0, -1, -1], [0, -1, 0, -1], :3] == 255).all()
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), tuple(PALETTE[1])):
        assert (drawn[..., :3] == colour).all(2).any()
    assert [axis.get_title() for axis in figure.axes[:3]] == ["one", "two", "three"]
    assert plt.get_fignums() == []  # or the notebook would show it twice


def test_legend_names_every_class():
    from matplotlib.figure import Figure

    axis = Figure().add_subplot()
    legend(axis, ("sky", "road"), PALETTE)
    box = axis.get_legend()
    assert [t.get_text() for t in box.get_texts()] == ["sky", "road"]
    assert box.legend_handles[1].get_facecolor()[:3] == pytest.approx(PALETTE[1] / 255)


def test_show_refuses_nothing_and_missing_titles():
    for pictures, titles in (([], None), ([np.zeros((2, 2, 3))], ["a", "b"])):
        with pytest.raises(ValueError, match="show got"):
            show(pictures, titles)
